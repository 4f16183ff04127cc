//! The most viewers that `efir-stress capacity` finds for the standalone, and for somebody else's relay in the same run.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use bench::{Child, Failure, first_line};
use serde_json::Value;
use tokio::process::Command;

const PLANS: [&str; 2] = ["steady", "small_frames"];
const CONDITION: &str = "latency_p99<25ms";

pub(crate) async fn run() -> Result<(), Failure> {
    println!("most viewers with {CONDITION}, nothing missing, relay and viewers on this machine's cores");
    for plan in PLANS {
        let mut ours = Child::start("efir-standalone", &["--port", "0", "--http-port", "0", "--json"])?;
        let bound: Value = serde_json::from_str(&ours.line().await?)?;
        let address = bound["relay"][0].as_str().ok_or("no relay address")?;
        search("efir-standalone", plan, address, ours.id()).await?;
        ours.kill().await?;

        let Some(python) = python() else {
            println!("  skipped: moq-rs: it is not installed (scripts/interop installs it)");
            continue;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop/moq_rs.py");
        let mut theirs = Command::new(python)
            .arg("-B")
            .arg(script)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let bound: Value = serde_json::from_str(&first_line(&mut theirs).await?)?;
        let address = bound["address"].as_str().ok_or("no address")?.replace("0.0.0.0", "127.0.0.1");
        search("moq-rs", plan, &address, theirs.id().unwrap_or_default()).await?;
        theirs.kill().await?;
    }
    Ok(())
}

/// Searches, and prints the last step that met the conditions.
async fn search(relay: &str, plan: &str, address: &str, pid: u32) -> Result<(), Failure> {
    let (url, pid) = (format!("https://{address}/"), pid.to_string());
    let arguments = [
        "capacity",
        plan,
        &url,
        "--insecure",
        "--pid",
        &pid,
        "--require",
        CONDITION,
        "--duration",
        "15s",
        "--min",
        "25",
    ];
    let said = bench::run("efir-stress", &[&arguments[..], &["--json"]].concat()).await?;
    let lines: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let met = lines.iter().filter(|line| line["event"] == "step" && line["met"] == true);
    let Some(best) = met.max_by_key(|step| step["viewers"].as_u64()) else {
        println!("  {plan:<13} {relay:<16} not even 25");
        return Ok(());
    };
    let figure = |name: &str| best["figures"][name].as_f64().unwrap_or(f64::NAN);
    let viewers = figure("viewers_peak");
    println!(
        "  {plan:<13} {relay:<16} {viewers:>5.0} viewers, {:>5.0} per core of the relay; p50 {:.1} ms, p99 {:.1} ms; relay {:.2} CPU-s/GB; \
         the tool itself {:.2} % of a core per viewer",
        viewers / figure("relay_cpu"),
        best["latency_p50"].as_f64().unwrap_or(f64::NAN),
        best["latency_p99"].as_f64().unwrap_or(f64::NAN),
        figure("relay_cpu_per_gb"),
        figure("tool_cpu_per_viewer") * 100.0,
    );
    Ok(())
}

/// Python with moq-rs, where `scripts/interop` has put it.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let target = option_env!("CARGO_TARGET_DIR").map_or(target, PathBuf::from);
    Some(target.join("interop/venv/bin/python")).filter(|python| python.exists())
}
