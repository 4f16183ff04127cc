//! What one case is run with: who connected, and what is being waited for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use moqt::session::PeerSetup;
use moqt::{FullTrackName, Namespace, RequestErrorCode, SessionErrorCode, Token, TrackName};
use tokio::task::JoinSet;
use tokio::time::timeout;
use transport::{
    ClientEndpoint, ClientSettings, DialError, RequestFailure, Session, SessionError, SessionSettings, StreamFailure,
    TransportKind,
};

use super::Plan;
use super::case::Case;
use super::fault::{Fault, Party};
use super::recorder::Recorder;
use super::report::{CaseReport, NamedConnection};
use super::source::Source;
use crate::limit;

/// The interop runner's namespace and track.
const NAMESPACE: [&str; 2] = ["moq-test", "interop"];
const TRACK: &str = "test-track";
/// What is waited for before anything is known of the relay.
const CONNECTION: &str = "connection";

/// Which part a connection plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The only connection of its case.
    Client,
    Publisher,
    Subscriber,
    /// The first of two.
    FirstSubscriber,
    /// The second of two.
    SecondSubscriber,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Publisher => "publisher",
            Self::Subscriber => "subscriber",
            Self::FirstSubscriber => "subscriber_1",
            Self::SecondSubscriber => "subscriber_2",
        }
    }
}

/// One case under way.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    plan: &'a Plan,
    case: Case,
    endpoint: ClientEndpoint,
    waiting: Mutex<Waiting>,
    peers: Mutex<Vec<Known>>,
    /// Sessions and their tasks, ended with the case.
    tasks: Mutex<JoinSet<()>>,
}

/// What a case waits for now.
#[derive(Debug, Clone)]
struct Waiting {
    role: Role,
    expected: String,
}

/// A connection, for the report.
#[derive(Debug)]
struct Known {
    role: Role,
    session: Session,
    setup: Option<Arc<PeerSetup>>,
    recorder: Arc<Recorder>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(plan: &'a Plan, case: Case) -> Result<Self, Fault> {
        let settings = ClientSettings { versions: plan.versions.clone(), ..ClientSettings::default() };
        let endpoint = ClientEndpoint::new(settings).map_err(|error| Fault {
            at_fault: Party::Settings,
            expected: "a UDP socket".to_owned(),
            received: error.to_string(),
            message: format!("this machine gives no UDP socket: {error}"),
            unreachable: true,
        })?;
        let endpoint = endpoint.traced(plan.qlog.clone());
        let waiting = Mutex::new(Waiting { role: Role::Client, expected: String::new() });
        let (peers, tasks) = (Mutex::default(), Mutex::default());
        Ok(Self { plan, case, endpoint, waiting, peers, tasks })
    }

    /// The namespace that the runner's cases use.
    pub(super) fn namespace(&self) -> Namespace {
        self.plan.namespace.clone().unwrap_or_else(|| Namespace::new(NAMESPACE).unwrap_or_default())
    }

    /// The runner's track.
    pub(super) fn track(&self) -> FullTrackName {
        self.track_in(self.namespace())
    }

    /// A track of this run alone: objects that a relay kept of an earlier one would be taken for wrong ones.
    pub(super) fn own_track(&self) -> FullTrackName {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let own = [self.case.name().to_owned(), format!("{:x}", now.as_micros())];
        let fields = self.namespace().fields().iter().cloned().chain(own.map(Into::into)).collect::<Vec<_>>();
        // A namespace at its bounds has no room: the run's own is shared then.
        self.track_in(Namespace::new(fields).unwrap_or_else(|_| self.namespace()))
    }

    fn track_in(&self, namespace: Namespace) -> FullTrackName {
        FullTrackName { namespace, name: TrackName::new(TRACK).unwrap_or_default() }
    }

    /// Notes what is waited for from here on: said when it does not come.
    pub(super) fn expect(&self, role: Role, what: impl Into<String>) {
        *self.waiting() = Waiting { role, expected: what.into() };
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects and waits for the relay's SETUP. What the relay asks of the session is answered by `source`, or refused.
    pub(super) async fn connect(&self, role: Role, source: Option<&Arc<Source>>) -> Result<Session, Fault> {
        self.expect(role, CONNECTION);
        let dialed = self.endpoint.dial(&self.plan.address, &self.plan.trust).await;
        let connection = dialed.map_err(|error| self.unreachable(&error))?;
        let recorder = Arc::<Recorder>::default();
        let settings = SessionSettings {
            path: Some(self.plan.address.path.clone()),
            authority: Some(self.plan.address.authority()),
            tokens: self.plan.token.iter().map(|token| Token::agreed(token.expose().to_owned())).collect(),
            ..SessionSettings::default()
        };
        let started = transport::start(transport::observe(connection, recorder.clone()), settings);
        let (session, driver) = started.map_err(|error| self.fault(Party::Efir, "nothing sent", error.to_string()))?;
        {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.spawn(async move {
                driver.await;
            });
            let asked = session.clone();
            match source.cloned() {
                Some(source) => tasks.spawn(async move { source.serve(&asked).await }),
                None => tasks.spawn(async move { asked.refuse_requests().await }),
            };
        }
        let known = Known { role, session: session.clone(), setup: None, recorder };
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).push(known);
        self.expect(role, "SETUP");
        let setup = session.established().await.map_err(|error| self.session_ended(&error))?;
        if let Some(known) = self.peers.lock().unwrap_or_else(PoisonError::into_inner).last_mut() {
            known.setup = Some(setup);
        }
        Ok(session)
    }

    /// A session must be alive at the end of its case.
    pub(super) async fn still_alive(&self, role: Role, session: &Session, wait: Duration) -> Result<(), Fault> {
        self.expect(role, "a session that stays open");
        match timeout(wait, session.closed()).await {
            Ok(error) => Err(self.session_ended(&error)),
            Err(_) => Ok(()),
        }
    }

    /// Ends every session in good order.
    pub(super) async fn close(&self) {
        for known in self.peers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            known.session.close(SessionErrorCode::NoError, "done");
        }
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.abort_all();
        let gone = async { while tasks.join_next().await.is_some() {} };
        let _ = timeout(limit::CLOSE_WAIT, gone).await;
        let _ = timeout(limit::CLOSE_WAIT, self.endpoint.wait_idle()).await;
    }

    /// What the report says of the connections.
    pub(super) fn describe(&self, report: &mut CaseReport) {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        for known in peers.iter() {
            let info = known.session.connection().info();
            report.draft.get_or_insert_with(|| info.version.to_string());
            report.transport.get_or_insert(match info.kind {
                TransportKind::WebTransport => "webtransport",
                _ => "quic",
            });
            if let Some(name) = known.setup.as_ref().and_then(|setup| setup.implementation.clone()) {
                report.relay.get_or_insert(name);
            }
            report.connections.push(NamedConnection { role: known.role.name(), id: info.id.clone() });
            if report.fault.is_some() || self.plan.verbose {
                report.wire.extend(known.recorder.lines(known.role.name()));
            }
        }
    }

    /// A fault of what is being waited for.
    pub(super) fn fault(&self, at_fault: Party, received: impl Into<String>, story: impl Into<String>) -> Fault {
        let Waiting { role, expected } = self.waiting().clone();
        let message = format!("{}: {}", role.name(), story.into());
        Fault { at_fault, expected, received: received.into(), message, unreachable: false }
    }

    /// The case took too long.
    pub(super) fn overdue(&self, allowed: Duration) -> Fault {
        let expected = self.waiting().expected.clone();
        let story = format!("no {expected} after {} ms", allowed.as_millis());
        if expected == CONNECTION {
            return Fault { unreachable: true, ..self.fault(Party::Network, "timeout", story) };
        }
        self.fault(Party::Relay, "timeout", story)
    }

    fn unreachable(&self, error: &DialError) -> Fault {
        let (party, received) = match error {
            DialError::Trust(_) => (Party::Settings, "unusable trust settings"),
            DialError::Resolve { .. } => (Party::Settings, "no such host"),
            DialError::Certificate { .. } => (Party::Settings, "a certificate that is not trusted"),
            DialError::Unreachable { .. } => (Party::Network, "no route"),
            DialError::NoAnswer { .. } => (Party::Network, "timeout"),
            DialError::NoCommonProtocol { .. } => (Party::Relay, "no common protocol"),
            DialError::Rejected { .. } => (Party::Relay, "an HTTP error"),
            DialError::Refused { .. } => (Party::Relay, "CONNECTION_REFUSED"),
            DialError::Failed { .. } => (Party::Unclear, "a failed handshake"),
        };
        Fault { unreachable: true, ..self.fault(party, received, error.to_string()) }
    }

    /// The session ended while it was needed.
    pub(super) fn session_ended(&self, error: &SessionError) -> Fault {
        let (party, received) = match error {
            SessionError::ClosedByPeer { code, .. } => {
                // Who closes with these says that this side broke the protocol.
                let accused = matches!(
                    code,
                    SessionErrorCode::ProtocolViolation
                        | SessionErrorCode::InvalidRequestId
                        | SessionErrorCode::KeyValueFormattingError
                );
                (if accused { Party::Unclear } else { Party::Relay }, format!("a closed session ({code})"))
            }
            SessionError::Protocol(error) => (Party::Relay, format!("a violation of the protocol ({})", error.code)),
            SessionError::Local(_) => (Party::Efir, "a session that ended here".to_owned()),
            SessionError::Connection(_) => (Party::Network, "a lost connection".to_owned()),
        };
        self.fault(party, received, error.to_string())
    }

    /// Why the first session that is over is.
    fn ended(&self) -> Option<SessionError> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.iter().find_map(|known| known.session.closed().now_or_never())
    }

    /// A request got no positive answer.
    pub(super) fn request_failed(&self, failure: &RequestFailure) -> Fault {
        match failure {
            RequestFailure::Refused(error) => {
                let denied = matches!(
                    error.code,
                    RequestErrorCode::Unauthorized
                        | RequestErrorCode::ExpiredAuthToken
                        | RequestErrorCode::MalformedAuthToken
                );
                let (party, hint) =
                    if denied { (Party::Settings, ": give a token with --token") } else { (Party::Relay, "") };
                let story = format!("the relay refused with {}: {:?}{hint}", error.code, error.reason.text());
                self.fault(party, format!("REQUEST_ERROR {}", error.code), story)
            }
            RequestFailure::Timeout => self.fault(Party::Relay, "timeout", "the relay did not answer the request"),
            RequestFailure::Dropped => {
                self.fault(Party::Relay, "the end of the request", "the relay ended the request without an answer")
            }
            RequestFailure::NoStream => {
                self.fault(Party::Relay, "no stream", "the relay allows no stream for the request")
            }
            RequestFailure::NotSent(reason) => match self.ended() {
                Some(error) => self.session_ended(&error),
                None => self.fault(Party::Unclear, "nothing", format!("the request could not be sent: {reason}")),
            },
            RequestFailure::Session(error) => self.session_ended(error),
        }
    }

    /// A data stream ended before its end.
    pub(super) fn stream_failed(&self, failure: &StreamFailure) -> Fault {
        match failure {
            StreamFailure::Refused(error) => self.request_failed(&RequestFailure::Refused(error.clone())),
            StreamFailure::Session(error) => self.session_ended(error),
            StreamFailure::Timeout => self.request_failed(&RequestFailure::Timeout),
            StreamFailure::Reset(code) => {
                self.fault(Party::Relay, format!("a reset stream ({code})"), "the relay reset a stream of the track")
            }
            StreamFailure::Stopped(_) | StreamFailure::TooLarge { .. } | StreamFailure::Closed => {
                self.fault(Party::Relay, "a broken stream", failure.to_string())
            }
        }
    }
}
