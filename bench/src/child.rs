//! Servers as child processes.

use std::ffi::OsStr;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

/// A server of this workspace, killed when dropped.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
}

impl Child {
    /// Starts `target/release/NAME`; its log goes to this process's standard error.
    ///
    /// # Errors
    /// The binary is missing: `cargo build --release` makes it.
    pub fn start<S: AsRef<OsStr>>(name: &str, arguments: &[S]) -> std::io::Result<Self> {
        let process = Command::new(binary(name))
            .args(arguments)
            .env("EFIR_LOG__LEVEL", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| std::io::Error::other(format!("{name}: {error} (run `cargo build --release` first)")))?;
        Ok(Self { process })
    }

    /// The first line the server prints.
    ///
    /// # Errors
    /// It printed none.
    pub async fn line(&mut self) -> std::io::Result<String> {
        first_line(&mut self.process).await
    }

    /// The process id; 0 once it has ended.
    pub fn id(&self) -> u32 {
        self.process.id().unwrap_or_default()
    }

    /// Kills it without a chance to say goodbye, and waits until it is gone.
    ///
    /// # Errors
    /// The system refused.
    pub async fn kill(&mut self) -> std::io::Result<()> {
        self.process.kill().await
    }
}

/// The first line that a process prints on its piped standard output.
///
/// # Errors
/// It printed none.
pub async fn first_line(process: &mut tokio::process::Child) -> std::io::Result<String> {
    let stdout = process.stdout.take().ok_or_else(|| std::io::Error::other("standard output was read before"))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await?;
    if line.is_empty() { Err(std::io::Error::other("server ended without a word")) } else { Ok(line) }
}

/// Runs `target/release/NAME` to its end, and gives what it printed.
///
/// # Errors
/// The binary is missing, or it failed; its own words go to this process's standard error.
pub async fn run<S: AsRef<OsStr>>(name: &str, arguments: &[S]) -> std::io::Result<String> {
    let mut command = Command::new(binary(name));
    command.args(arguments).env("EFIR_LOG__LEVEL", "error").stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.kill_on_drop(true).output().await?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(std::io::Error::other)
    } else {
        Err(std::io::Error::other(format!("{name}: {}", output.status)))
    }
}

fn binary(name: &str) -> PathBuf {
    let target = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let target = option_env!("CARGO_TARGET_DIR").map_or(target, PathBuf::from);
    target.join("release").join(name)
}

/// A port that was free on UDP and TCP a moment ago.
///
/// # Errors
/// The system has none left.
pub fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    UdpSocket::bind(("127.0.0.1", port))?;
    Ok(port)
}

/// The value of a metric without labels, as the server on this HTTP port tells it now.
///
/// # Errors
/// The server does not answer, or does not know the metric.
pub async fn metric(http: u16, name: &str) -> std::io::Result<f64> {
    let mut stream = TcpStream::connect(("127.0.0.1", http)).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
    value.ok_or_else(|| std::io::Error::other(format!("no metric {name}")))
}
