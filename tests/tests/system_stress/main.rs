//! The load tool against relays and shops that are right, and against some that are wrong on purpose.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

mod faults;
mod plans;
mod runs;
mod shop_double;
mod shops;

use std::net::SocketAddr;
use std::path::PathBuf;

use process::Shutdown;
use serde_json::Value;

/// What the tool said of one run.
struct Told {
    code: u8,
    report: Value,
}

/// A command line of the tool, with a folder for its files.
struct Tool {
    arguments: Vec<String>,
    folder: tempfile::TempDir,
}

impl Tool {
    /// `efir-stress run PLAN` at these relays, in a small form: few viewers, seconds, and patience with a busy machine.
    fn run(plan: &str, relays: &[SocketAddr], more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let save = folder.path().join("report.json");
        let mut arguments: Vec<String> = ["efir-stress", "run", plan].map(str::to_owned).to_vec();
        arguments.extend(relays.iter().map(|relay| format!("moqt://{relay}")));
        let small = [
            "--insecure",
            "--quiet",
            "--threads",
            "1",
            "--slack",
            "40",
            "--viewers",
            "8",
            "--duration",
            "3s",
            "--save",
        ];
        // What comes later wins.
        let set = |name: &&str| more.contains(name);
        let mut words = small.iter().peekable();
        while let Some(word) = words.next() {
            let value = words.next_if(|next| !next.starts_with("--"));
            if !set(word) {
                arguments.extend(std::iter::once(word).chain(value).map(|word| (*word).to_owned()));
            }
        }
        arguments.push(save.display().to_string());
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        Self { arguments, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn told(&self, shutdown: Shutdown) -> Told {
        let code = stress::execute(&self.arguments, shutdown).await;
        let report = std::fs::read_to_string(self.file("report.json")).unwrap_or_default();
        Told { code, report: serde_json::from_str(&report).unwrap_or_default() }
    }
}

impl Told {
    /// A count or, for `times.latency.p50`, a time of everybody.
    fn everybody(&self, path: &str) -> f64 {
        let all = &self.report["overall"]["scopes"]["all"];
        path.split('.').fold(all, |value, part| &value[part]).as_f64().unwrap_or_default()
    }

    /// Conditions that were not met, without their bounds.
    fn unmet(&self) -> Vec<String> {
        let verdicts = self.report["verdicts"].as_array().unwrap();
        let unmet = verdicts.iter().filter(|verdict| verdict["met"] == false);
        unmet
            .map(|verdict| verdict["condition"].as_str().unwrap().split(['<', '=']).next().unwrap().to_owned())
            .collect()
    }

    /// These conditions and no others.
    #[track_caller]
    fn assert_unmet(&self, conditions: &[&str]) {
        let all = &self.report["overall"]["scopes"]["all"];
        assert!(self.code == 4 && self.unmet() == conditions, "{:?}: {} {}", self.unmet(), all["counts"], all["kinds"]);
    }

    #[track_caller]
    fn assert_met(&self) {
        let all = &self.report["overall"]["scopes"]["all"];
        assert!(self.code == 0, "exit code {}: {:?}: {} {}", self.code, self.unmet(), all["counts"], all["kinds"]);
        let got = self.everybody("counts.frames") + self.everybody("counts.answers");
        assert!(got > 0.0, "{:#}", self.report["overall"]);
    }
}

fn never() -> Shutdown {
    Shutdown::new(std::time::Duration::from_secs(1))
}
