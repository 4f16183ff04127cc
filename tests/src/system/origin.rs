//! Origins under test.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use origin::{Origin, Settings, SourceSettings};
use process::Shutdown;
use tokio::task::JoinHandle;

use super::within;

/// An origin that runs until it is killed or dropped.
#[derive(Debug)]
pub struct RunningOrigin {
    /// Where it serves.
    pub address: SocketAddr,
    shutdown: Shutdown,
    running: Option<JoinHandle<()>>,
}

impl RunningOrigin {
    /// Serves this file, once or again and again, at an address.
    pub async fn playing(file: &Path, once: bool, address: SocketAddr) -> Self {
        let mut settings = Settings { listen: vec![address], ..Settings::default() };
        settings.broadcasts[0].source = SourceSettings::File { path: file.to_owned(), once };
        Self::start(settings).await
    }

    /// Starts an origin.
    ///
    /// # Panics
    /// It cannot be started.
    pub async fn start(settings: Settings) -> Self {
        let bind = async || loop {
            match Origin::load(settings.clone()).await {
                // An origin that was killed a moment ago gives its socket up in its own time.
                Err(origin::OriginError::Bind(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                loaded => return loaded.unwrap(),
            }
        };
        let origin = within(bind()).await;
        let (address, shutdown) = (origin.addresses()[0], Shutdown::new(Duration::from_secs(1)));
        Self { address, shutdown: shutdown.clone(), running: Some(tokio::spawn(origin.run(shutdown))) }
    }

    /// Closes every session at once and waits for the end.
    ///
    /// # Panics
    /// It does not stop.
    pub async fn kill(mut self) {
        self.shutdown.abort();
        if let Some(running) = self.running.take() {
            within(running).await.unwrap();
        }
    }
}

impl Drop for RunningOrigin {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}
