//! Video and shops in one process: how late frames are at their viewers, alone and beside orders and reads.

use std::time::Duration;

use bench::{Child, Crowd, Failure, Until, Viewer, Watched, demo_track, percentile, request};
use process::Usage;
use serde_json::Value;
use transport::{Address, ClientEndpoint, ClientSettings};

use super::Effort;
use super::orders::Orders;
use super::place::{Place, Whose};
use super::shop::port;

const VIEWERS: usize = 10;
/// Callers of the shops: enough to use up all cores.
const CALLERS: usize = 32;
/// Out of so many requests one is an order, the others read a product.
const READS_PER_ORDER: usize = 5;
/// Until viewers have joined and run steadily.
const SETTLE: Duration = Duration::from_secs(1);

pub(crate) async fn run(effort: Effort) -> Result<(), Failure> {
    let place = Place::new()?;
    let settings = place.settings(Whose::Standalone)?;
    let arguments = ["--settings", &settings, "--port", "0", "--http-port", "0", "--json"];
    let mut process = Child::start("efir-standalone", &arguments)?;
    let bound: Value = serde_json::from_str(&process.line().await?)?;
    let address: Address = format!("https://{}/", bound["relay"][0].as_str().ok_or("no address")?).parse()?;
    let shops = port(&bound)?;
    let orders = Orders::prepare(shops).await?;
    println!("frame delay at {VIEWERS} viewers of the same process, from the moment a frame is due");
    report("without shop load", watch(&address, effort.time).await?, "")?;
    let before = Usage::of(process.id())?.cpu;
    let watching = watch(&address, effort.time);
    let crowd = Crowd { port: shops, callers: CALLERS, until: Until::Time(effort.time + SETTLE * 2), pause: SETTLE };
    let load = crowd.ask(move |number| match number % READS_PER_ORDER {
        0 => orders.request(number),
        _ => request("GET", &format!("/api/v1/furniture/products/{}", orders.sku()), "", "", ""),
    });
    let (watched, tally) = tokio::join!(watching, load);
    let (watched, tally) = (watched?, tally?);
    let share = |cpu: Duration| cpu.as_secs_f64() / tally.time.as_secs_f64() * 100.0;
    let cores =
        format!("server {:.0} %, callers {:.0} %", share(Usage::of(process.id())?.cpu - before), share(tally.cpu));
    report("with", watched, &format!(", beside {:.0} requests/s ({cores} of a core)", tally.rate()))?;
    process.kill().await?;
    match tally.first_bad {
        None => Ok(()),
        Some(bad) => Err(bad.into()),
    }
}

/// What all viewers saw within a time.
async fn watch(address: &Address, time: Duration) -> Result<Vec<Watched>, Failure> {
    let client = ClientEndpoint::new(ClientSettings::default())?;
    let track = demo_track("video0")?;
    let mut tasks = Vec::with_capacity(VIEWERS);
    for _ in 0..VIEWERS {
        let viewer = Viewer::dial(&client, address).await?;
        let track = track.clone();
        tasks.push(tokio::spawn(async move { viewer.watch(&track, time + SETTLE).await }));
    }
    let mut watched = Vec::with_capacity(VIEWERS);
    for task in tasks {
        watched.push(task.await??);
    }
    Ok(watched)
}

fn report(what: &str, watched: Vec<Watched>, beside: &str) -> Result<(), Failure> {
    let missing: u64 = watched.iter().map(|watched| watched.faults + watched.missing_groups).sum();
    let mut delays: Vec<Duration> = watched.into_iter().flat_map(|watched| watched.delays).collect();
    let frames = delays.len();
    let (p50, p99, most) = (percentile(&mut delays, 50), percentile(&mut delays, 99), percentile(&mut delays, 100));
    println!(
        "  {what:<18} p50 {p50:>7.1?}  p99 {p99:>7.1?}  max {most:>7.1?}  ({frames} frames, {missing} missing{beside})"
    );
    if frames > 0 && missing == 0 { Ok(()) } else { Err("frames were lost".into()) }
}
