//! Sessions with relays.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moqt::{SessionErrorCode, Token, Version};
use process::Secret;
use tokio::task::AbortHandle;
use transport::{
    Address, ClientEndpoint, ClientSettings, ConnectionSettings, DialError, RequestFailure, Session, SessionError,
    SessionSettings, StreamFailure, TrustSettings,
};

use crate::clock::Moment;
use crate::limit;
use crate::measure::Meter;
use crate::video::CONNECT;

/// A relay to be loaded.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The relay, for people.
    pub(crate) shown: String,
    /// Where to dial: the relay, or a proxy before it.
    pub(crate) address: Address,
    /// Whom to trust there.
    pub(crate) trust: TrustSettings,
    /// What to show there.
    pub(crate) token: Option<Secret>,
    /// Drafts to offer.
    pub(crate) versions: Vec<Version>,
}

/// Dials for the viewers of one thread, several on one socket.
#[derive(Debug)]
pub(crate) struct Dialer {
    settings: ClientSettings,
    per_socket: usize,
    sockets: Mutex<Vec<Option<Arc<ClientEndpoint>>>>,
}

/// One session that is polled for as long as this lives; dropping it ends the session.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: Session,
    task: AbortHandle,
    _socket: Arc<ClientEndpoint>,
}

impl Dialer {
    /// `tracks`: how many each session reads. A window bounds what is read ahead of a slow viewer.
    pub(crate) fn new(versions: &[Version], tracks: u32, per_socket: usize, window: Option<u32>) -> Self {
        let usual = ClientSettings::default();
        let connection = ConnectionSettings {
            max_incoming_uni: limit::SPARE_STREAMS + limit::STREAMS_PER_TRACK.saturating_mul(tracks),
            stream_receive_window: window.unwrap_or(usual.connection.stream_receive_window),
            receive_window: window.map_or(usual.connection.receive_window, |window| window.saturating_mul(2)),
            ..usual.connection
        };
        let settings = ClientSettings { versions: versions.to_vec(), connection, ..usual };
        Self { settings, per_socket, sockets: Mutex::default() }
    }

    /// Gives a dial up after this long.
    pub(crate) fn patient_for(mut self, time: Duration) -> Self {
        self.settings.dial_timeout = time;
        self
    }

    /// Connects and waits for the relay's SETUP. `place` is the viewer's number on its thread: it decides the socket.
    pub(crate) async fn connect(&self, target: &Target, place: usize, meter: &Meter) -> Result<Link, String> {
        let begun = Moment::now();
        let socket = self.socket(place).map_err(|error| format!("socket: {error}"))?;
        let connection = socket.dial(&target.address, &target.trust).await.map_err(|error| dial_error(&error))?;
        let settings = SessionSettings {
            path: Some(target.address.path.clone()),
            authority: Some(target.address.authority()),
            tokens: target.token.iter().map(|token| Token::agreed(token.expose().to_owned())).collect(),
            ..SessionSettings::default()
        };
        let (session, driver) = transport::start(connection, settings).map_err(|error| error.to_string())?;
        let task = tokio::spawn(async move {
            driver.await;
        });
        let link = Link { session, task: task.abort_handle(), _socket: socket };
        link.session.established().await.map_err(|error| format!("setup: {}", session_error(&error)))?;
        meter.time(&CONNECT, begun.elapsed());
        Ok(link)
    }

    fn socket(&self, place: usize) -> std::io::Result<Arc<ClientEndpoint>> {
        let index = place / self.per_socket.max(1);
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.len() <= index {
            sockets.resize(index + 1, None);
        }
        if let Some(open) = &sockets[index] {
            return Ok(open.clone());
        }
        let opened = Arc::new(ClientEndpoint::new(self.settings.clone())?);
        sockets[index] = Some(opened.clone());
        Ok(opened)
    }
}

impl Link {
    /// Says goodbye.
    pub(crate) fn close(&self) {
        self.session.close(SessionErrorCode::NoError, "done");
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A session that was closed has told its peer already: that happens below its driver.
        self.task.abort();
    }
}

/// The kind of a failed dial: what varies from one to the next, such as addresses, is left out.
fn dial_error(error: &DialError) -> String {
    let kind = match error {
        DialError::Trust(_) | DialError::Certificate { .. } => "certificate not trusted",
        DialError::Resolve { .. } => "name not resolved",
        DialError::Unreachable { .. } => "unreachable",
        DialError::NoAnswer { .. } => "no answer",
        DialError::Refused { .. } => "refused",
        DialError::NoCommonProtocol { .. } => "no common protocol",
        DialError::Rejected { status, .. } => return format!("dial: HTTP status {status}"),
        DialError::Failed { .. } => "failed",
    };
    format!("dial: {kind}")
}

/// The kind of a session's end.
pub(crate) fn session_error(error: &SessionError) -> String {
    match error {
        SessionError::ClosedByPeer { code, .. } => format!("session closed with {code}"),
        SessionError::Protocol(_) => "relay broke the protocol".to_owned(),
        SessionError::Local(_) => "session closed here".to_owned(),
        SessionError::Connection(transport::ConnectionError::TimedOut) => "connection timed out".to_owned(),
        SessionError::Connection(_) => "connection lost".to_owned(),
    }
}

/// The kind of a request's failure.
pub(crate) fn request_error(what: &str, failure: &RequestFailure) -> String {
    match failure {
        RequestFailure::Refused(error) => format!("{what}: refused with {}", error.code),
        RequestFailure::Timeout => format!("{what}: no answer in time"),
        RequestFailure::Dropped => format!("{what}: dropped without an answer"),
        RequestFailure::NotSent(_) | RequestFailure::NoStream => format!("{what}: not sent"),
        RequestFailure::Session(error) => session_error(error),
    }
}

/// The kind of a stream's failure.
pub(crate) fn stream_error(what: &str, failure: &StreamFailure) -> String {
    match failure {
        StreamFailure::Reset(code) => format!("{what}: reset with {code}"),
        StreamFailure::Stopped(code) => format!("{what}: stopped with {code}"),
        StreamFailure::Refused(error) => format!("{what}: refused with {}", error.code),
        StreamFailure::TooLarge { .. } => format!("{what}: object too large"),
        StreamFailure::Timeout => format!("{what}: no answer in time"),
        StreamFailure::Closed => format!("{what}: ended early"),
        StreamFailure::Session(error) => session_error(error),
    }
}
