//! An origin and a chain of relays, each a process of its own.

use std::time::Duration;

use bench::{Child, Failure, Viewer, free_port};
use transport::{Address, ClientEndpoint, ClientSettings};

/// Origin and relays, the one nearest to viewers last.
pub(crate) struct Scene {
    pub(crate) origin: Child,
    pub(crate) origin_port: u16,
    pub(crate) relays: Vec<RunningRelay>,
    pub(crate) client: ClientEndpoint,
}

/// One relay of the chain.
pub(crate) struct RunningRelay {
    pub(crate) process: Child,
    port: u16,
    /// TCP port of its metrics.
    pub(crate) http: u16,
}

impl Scene {
    /// Starts them; relays hold a track for `linger_ms` after its last viewer.
    pub(crate) async fn start(hops: usize, linger_ms: u64) -> Result<Self, Failure> {
        let origin_port = free_port()?;
        let origin = start_origin(origin_port)?;
        let mut relays = Vec::new();
        let mut upstream = origin_port;
        for _ in 0..hops {
            let port = free_port()?;
            let http = free_port()?;
            relays.push(RunningRelay { process: start_relay(port, http, upstream, linger_ms)?, port, http });
            upstream = port;
        }
        let scene = Self { origin, origin_port, relays, client: ClientEndpoint::new(ClientSettings::default())? };
        scene.wait().await?;
        Ok(scene)
    }

    /// The relay that viewers dial.
    pub(crate) fn address(&self) -> Result<Address, Failure> {
        let port = self.relays.last().map_or(self.origin_port, |relay| relay.port);
        Ok(format!("moqt://127.0.0.1:{port}/").parse()?)
    }

    /// Waits until the chain serves video.
    async fn wait(&self) -> Result<(), Failure> {
        let track = bench::demo_track("video0")?;
        for _ in 0..100 {
            if let Ok(viewer) = Viewer::dial(&self.client, &self.address()?).await
                && viewer.tune_in(&track).await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the chain does not serve video".into())
    }
}

/// An origin with the built-in clip.
pub(crate) fn start_origin(port: u16) -> std::io::Result<Child> {
    Child::start("efir-origin", &["--listen".to_owned(), format!("127.0.0.1:{port}")])
}

/// A relay below `upstream`.
fn start_relay(port: u16, http: u16, upstream: u16, linger_ms: u64) -> std::io::Result<Child> {
    let arguments = [
        "--listen".to_owned(),
        format!("127.0.0.1:{port}"),
        "--http-port".to_owned(),
        http.to_string(),
        "--upstream".to_owned(),
        format!("moqt://127.0.0.1:{upstream}"),
        "--linger-ms".to_owned(),
        linger_ms.to_string(),
    ];
    Child::start("efir-relay", &arguments)
}
