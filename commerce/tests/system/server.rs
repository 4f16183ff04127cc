//! A server of a test's own, and how a test talks to it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long anything that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The settings of a demonstration, with everything that takes its time in life taking milliseconds.
const QUICK: &str = "
demo = true
listen = ['127.0.0.1:0']
[limit]
rate = 0
[shop]
dispatch_after_ms = 50
[pharmacy]
auto_advice_ms = 50
[warehouse]
auto_ms = 20
[carrier]
speed = 100000
[courier]
# At that speed a crashed process is away for days.
lost_after_hours = 2160
[reseller]
offers_every_ms = 200
";

/// A folder for a server's data that outlives its processes. With `TEST_DATABASE_URL` the databases are in a database of
/// its own on that server, and the folder holds only keys and exports; with `TEST_NATS_URL` events go over that server.
pub(crate) struct Place {
    folder: TempDir,
    database: Option<String>,
    /// On the event bus.
    name: String,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        #[cfg(feature = "postgres")]
        let database = match std::env::var("TEST_DATABASE_URL") {
            Ok(url) => Some(create_database(&url).await),
            Err(_) => None,
        };
        #[cfg(not(feature = "postgres"))]
        let database = None;
        Self { folder, database, name: uuid::Uuid::now_v7().to_string() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs one of the program's other commands on this place.
    pub(crate) async fn command(&self, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_efir-commerce"));
        command.args(arguments).arg("--settings").arg(self.settings("")).stdin(Stdio::null()).stdout(Stdio::null());
        let ended = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).status()).await.expect("ends in time");
        assert!(ended.unwrap().success(), "{arguments:?}");
    }

    fn settings(&self, more: &str) -> PathBuf {
        let bus = std::env::var("TEST_NATS_URL").ok().filter(|_| cfg!(feature = "nats"));
        let bus = bus.map_or(String::new(), |url| format!("nats_url = '{url}'\nnats_name = '{}'\n", self.name));
        let mut text = format!("{bus}{QUICK}\n{more}\n[storage]\nfolder = '{}'\n", self.path().join("data").display());
        if let Some(url) = &self.database {
            let exports = self.path().join("exports");
            text += &format!("database_url = '{url}'\n[furniture]\nexport_folder = '{}'\n", exports.display());
        }
        let file = self.path().join("settings.toml");
        std::fs::write(&file, text).unwrap();
        file
    }
}

/// A database of its own: tests run side by side.
#[cfg(feature = "postgres")]
async fn create_database(url: &str) -> String {
    use sqlx::Executor;
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    pool.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    pool.close().await;
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    process: Child,
    url: String,
    client: reqwest::Client,
}

impl Server {
    /// Starts on a place; `more` is TOML of sections that [`QUICK`] does not have.
    pub(crate) async fn start(place: &Place, more: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_efir-commerce"))
            .arg("--settings")
            .arg(place.settings(more))
            .arg("--json")
            .env("EFIR_LOG__LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = async {
            let line = lines.next_line().await.unwrap().expect("the server says where it listens");
            let bound: Value = serde_json::from_str(&line).unwrap();
            format!("http://{}", bound["http"][0].as_str().unwrap())
        };
        let url = tokio::time::timeout(PATIENCE, ready).await.expect("the server starts");
        Self { process, url, client: reqwest::Client::new() }
    }

    /// Dies as in a power cut.
    #[cfg(feature = "postgres")]
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Waits until the process has died by itself.
    pub(crate) async fn died(&mut self) -> bool {
        tokio::time::timeout(PATIENCE, self.process.wait()).await.is_ok()
    }

    /// Asks and gives the answer, whatever it is; `None` if the connection broke.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        key: &str,
        body: Option<&Value>,
    ) -> Option<(StatusCode, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).timeout(PATIENCE);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, token, "", None).await.expect("an answer")
    }

    pub(crate) async fn post(&self, path: &str, token: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, token, key, Some(body)).await.expect("an answer")
    }

    /// The same, for what must succeed.
    pub(crate) async fn done(&self, path: &str, token: &str, key: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, token, key, body).await;
        assert!(status.is_success(), "POST {path}: {status} {answer}");
        answer
    }

    /// The same, for what must be there.
    pub(crate) async fn read(&self, path: &str, token: &str) -> Value {
        let (status, answer) = self.get(path, token).await;
        assert!(status.is_success(), "GET {path}: {status} {answer}");
        answer
    }

    /// What is at a path, as it is.
    pub(crate) async fn bytes(&self, path: &str, token: &str) -> Vec<u8> {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(token).timeout(PATIENCE);
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap().into()
    }

    /// A token of a role for a subject.
    pub(crate) async fn token(&self, role: &str, subject: &str) -> String {
        let body = json!({ "role": role, "subject": subject });
        let answer = self.done("/api/v1/demo/token", "", "", &body).await;
        answer["token"].as_str().expect("a token").to_owned()
    }
}

/// Asks again and again until there is something.
pub(crate) async fn wait_for<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Where a demonstration's goods go.
pub(crate) fn address() -> Value {
    json!({ "name": "Demo Customer", "street": "Demo Street 1", "postcode": "00100", "city": "Helsinki", "country": "FI" })
}
