//! Signals, deadlines and exit codes of a real process: the test starts itself as a child.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use process::{CLOSE_MARGIN, SettingsLayers, Shutdown};

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("polite") => process::run("polite", polite),
        Some("stuck") => process::run("stuck", stuck),
        Some("settings") => process::run("settings", settings),
        Some("blocked") => process::run("blocked", blocked),
        _ => {
            parent();
            ExitCode::SUCCESS
        }
    }
}

/// Announces itself once the signal handlers are in place: they are installed at the first poll beside this future.
async fn ready() -> io::Result<()> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    writeln!(io::stdout(), "ready")
}

async fn polite(shutdown: Shutdown) -> io::Result<()> {
    ready().await?;
    shutdown.begun().await;
    writeln!(io::stdout(), "finished")
}

async fn stuck(shutdown: Shutdown) -> io::Result<()> {
    shutdown.set_grace(Duration::from_millis(200));
    if env::args().nth(2).is_some() {
        shutdown.set_grace(Duration::from_secs(600));
    }
    ready().await?;
    std::future::pending().await
}

async fn settings(_: Shutdown) -> Result<(), process::SettingsError> {
    SettingsLayers::new().file("/nonexistent/efir.toml".as_ref())
}

/// Ends while a thread is blocked in a read that never returns.
async fn blocked(_: Shutdown) -> io::Result<()> {
    let _reader = tokio::task::spawn_blocking(|| io::stdin().read(&mut [0]));
    ready().await
}

struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    fn until_ready(mut self) -> Self {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        self
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Exit code, standard output, standard error and the time from now.
    fn end(mut self) -> (Option<i32>, String, String, Duration) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > Duration::from_secs(20) {
                self.child.kill().unwrap();
                panic!("the child did not end");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let (mut out, mut err) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (status.code(), out, err, start.elapsed())
    }
}

fn parent() {
    for signal in ["TERM", "INT"] {
        let running = Running::start(&["polite"]).until_ready();
        running.signal(signal);
        let (code, out, err, _) = running.end();
        assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "finished\n", ""), "after SIG{signal}");
    }

    let running = Running::start(&["stuck"]).until_ready();
    running.signal("TERM");
    let (code, _, err, took) = running.end();
    assert_eq!((code, err.as_str()), (Some(1), "stuck: did not stop in time; what was under way is lost\n"));
    assert!(took >= CLOSE_MARGIN, "{took:?}");

    let running = Running::start(&["stuck", "patient"]).until_ready();
    running.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    running.signal("TERM");
    let (code, _, err, took) = running.end();
    assert_eq!((code, err.as_str()), (Some(1), "stuck: stopped at once; what was under way is lost\n"));
    assert!(took < Duration::from_secs(5), "{took:?}");

    let (code, _, err, _) = Running::start(&["settings"]).end();
    assert_eq!(code, Some(2));
    assert!(err.starts_with("settings: cannot read the settings file /nonexistent/efir.toml: No such file"), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");

    let (code, _, _, took) = Running::start(&["blocked"]).until_ready().end();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
