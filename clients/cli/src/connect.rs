//! A session with a server, and the task that polls it.

use std::sync::Arc;
use std::time::Duration;

use moqt::session::PeerSetup;
use moqt::{SessionErrorCode, Token};
use process::Secret;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use transport::{Address, ClientEndpoint, ClientSettings, Session, SessionSettings, TrustSettings};

use crate::args::ConnectArguments;
use crate::error::Failure;
use crate::limit;

/// Dials servers the way the command line says.
#[derive(Debug)]
pub(crate) struct Connector {
    endpoint: ClientEndpoint,
    trust: TrustSettings,
    /// What servers are shown in SETUP.
    token: Option<Secret>,
}

/// One session that is polled for as long as this lives; dropping it ends the session.
#[derive(Debug)]
pub(crate) struct Link {
    /// The session.
    pub(crate) session: Session,
    /// What the server's SETUP said.
    pub(crate) peer: Arc<PeerSetup>,
    /// From the first packet to the server's SETUP.
    pub(crate) handshake: Duration,
    /// Polls the session and refuses what the server asks of it; ended with the link.
    tasks: JoinSet<()>,
}

impl Connector {
    /// Opens the sockets.
    pub(crate) fn new(arguments: &ConnectArguments) -> Result<Self, Failure> {
        let endpoint =
            ClientEndpoint::new(ClientSettings { versions: arguments.versions(), ..ClientSettings::default() })
                .map_err(|error| Failure::Connection(format!("cannot open a UDP socket: {error}")))?;
        let endpoint = endpoint.traced(arguments.traces()?);
        Ok(Self { endpoint, trust: arguments.trust.settings(), token: arguments.token() })
    }

    /// Connects and waits for the server's SETUP.
    pub(crate) async fn connect(&self, address: &Address) -> Result<Link, Failure> {
        let target = address.without_query().to_string();
        let begin = Instant::now();
        let dialed = self.endpoint.dial(address, &self.trust).await;
        let connection = dialed.map_err(|error| Failure::dial(&target, &error))?;
        let settings = SessionSettings {
            path: Some(address.path.clone()),
            authority: Some(address.authority()),
            tokens: self.token.iter().map(|token| Token::agreed(token.expose().to_owned())).collect(),
            ..SessionSettings::default()
        };
        let (session, driver) = transport::start(connection, settings)
            .map_err(|error| Failure::Connection(format!("{target}: {error}")))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            driver.await;
        });
        let asked = session.clone();
        tasks.spawn(async move { asked.refuse_requests().await });
        let peer = session
            .established()
            .await
            .map_err(|error| Failure::Connection(format!("session with {target} did not begin: {error}")))?;
        Ok(Link { session, peer, handshake: begin.elapsed(), tasks })
    }

    /// Waits, not for long, until the servers have heard that their sessions are over.
    pub(crate) async fn close(&self) {
        // Whoever does not answer a goodbye in time will notice the silence.
        let _ = timeout(limit::CLOSE_WAIT, self.endpoint.wait_idle()).await;
    }
}

impl Link {
    /// Ends the session in good order.
    pub(crate) async fn close(mut self) {
        self.session.close(SessionErrorCode::NoError, "done");
        // The driver ends as soon as the session is over.
        let _ = timeout(limit::CLOSE_WAIT, self.tasks.join_next()).await;
    }
}
