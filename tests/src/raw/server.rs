//! A server without a session: what it writes is all it does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use certs::{CertificateSettings, CertificateStore};
use tokio::sync::{Mutex, mpsc};
use transport::{Accepted, ConnectionSettings, EndpointSettings, ServerEndpoint, write_all};

use super::Raw;
use crate::system::{Task, within};

/// Sessions that wait for the test to take them.
const SESSIONS: usize = 16;

/// Where clients and relays dial.
#[derive(Debug)]
pub struct RawServer {
    /// Where it listens.
    pub address: SocketAddr,
    sessions: Mutex<mpsc::Receiver<Raw>>,
    _endpoint: Arc<ServerEndpoint>,
    _task: Task,
}

impl RawServer {
    /// Writes these bytes to the control stream of every client once the client has opened its own, and then nothing.
    ///
    /// # Panics
    /// There is no free port.
    pub fn start(control: Vec<Bytes>) -> Self {
        let (certificates, _) = CertificateStore::load(&CertificateSettings::default()).unwrap();
        let addresses = vec![(Ipv4Addr::LOCALHOST, 0).into()];
        let connection = ConnectionSettings { max_incoming_uni: 64, ..ConnectionSettings::default() };
        let settings = EndpointSettings { addresses, connection, ..EndpointSettings::default() };
        let endpoint = Arc::new(ServerEndpoint::bind(settings, certificates, None).unwrap());
        let accepting = endpoint.clone();
        let (sender, sessions) = mpsc::channel(SESSIONS);
        let task = Task::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                let Ok(Accepted::Session(connection)) = incoming.accept().await else { continue };
                let Ok(theirs) = connection.accept_uni().await else { continue };
                let Ok(mut stream) = connection.open_uni().await else { continue };
                for bytes in &control {
                    // A client that left has heard enough.
                    let _ = write_all(&mut *stream, bytes.clone()).await;
                }
                let raw =
                    Raw { connection, control: Some(stream), next_id: 1, _client: None, theirs: Some(theirs).into() };
                if sender.send(raw).await.is_err() {
                    return;
                }
            }
        });
        Self {
            address: endpoint.local_addresses()[0],
            sessions: Mutex::new(sessions),
            _endpoint: endpoint,
            _task: task,
        }
    }

    /// The next client, as a peer that writes any bytes.
    ///
    /// # Panics
    /// None comes.
    pub async fn session(&self) -> Raw {
        within(async { self.sessions.lock().await.recv().await }).await.unwrap()
    }
}
