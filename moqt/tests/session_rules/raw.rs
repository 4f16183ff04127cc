//! A session on one side and a test that writes any bytes on the other.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use moqt::session::{Carrier, Event, Output, PeerRequest, RequestKey, Response, Session, SessionSettings};
use moqt::{
    Fetch, FetchKind, FullTrackName, Location, Message, Namespace, Parameters, Properties, ProtocolError, Publish,
    PublishNamespace, RequestErrorCode, RequestId, RequestUpdate, SessionErrorCode, Setup, SetupOptions, Side,
    Subscribe, SubscribeNamespace, SubscribeOk, SubscribeOptions, SubscribeTracks, Token, TrackAlias, TrackName,
    TrackStatus, Version,
};

pub(crate) const SETUP_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const REQUEST_LIMIT: usize = 8;

/// What the machine wrote on one request's stream.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) messages: Vec<Message>,
    pub(crate) fin: bool,
    pub(crate) reset: Option<u64>,
}

/// A machine whose peer is the test.
pub(crate) struct Raw {
    pub(crate) session: Session,
    pub(crate) events: Vec<Event>,
    pub(crate) control: Vec<Message>,
    written: BTreeMap<RequestKey, Written>,
    next_id: u64,
}

pub(crate) fn settings(side: Side, carrier: Carrier) -> SessionSettings {
    SessionSettings {
        side,
        version: Version::Draft18,
        carrier,
        setup: SetupOptions { max_auth_token_cache_size: Some(100), ..SetupOptions::default() },
        setup_timeout: SETUP_TIMEOUT,
        request_limit: REQUEST_LIMIT,
    }
}

pub(crate) fn encode(message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    message.encode(&mut out, Version::Draft18).unwrap();
    out.to_vec()
}

pub(crate) fn setup(options: SetupOptions) -> Message {
    Message::Setup(Setup { sender: None, options })
}

pub(crate) fn namespace(fields: &[&'static str]) -> Namespace {
    Namespace::new(fields.iter().copied()).unwrap()
}

pub(crate) fn track(name: &'static str) -> FullTrackName {
    FullTrackName::new(namespace(&["live", "one"]), TrackName::new(name).unwrap()).unwrap()
}

pub(crate) fn largest(group: u64, object: u64) -> Parameters {
    Parameters { largest_object: Some(Location::new(group, object)), ..Parameters::default() }
}

pub(crate) fn forward(forward: bool) -> Parameters {
    Parameters { forward: Some(forward), ..Parameters::default() }
}

pub(crate) fn with_tokens(tokens: Vec<Token>) -> Parameters {
    Parameters { authorization_tokens: tokens, ..Parameters::default() }
}

pub(crate) fn subscribe(id: u64, name: &'static str, parameters: Parameters) -> Message {
    Message::Subscribe(Subscribe { request_id: RequestId(id), track: track(name), parameters })
}

pub(crate) fn publish(id: u64, name: &'static str, alias: u64, properties: Properties) -> Message {
    let (track_alias, parameters) = (TrackAlias(alias), Parameters::default());
    Message::Publish(Publish { request_id: RequestId(id), track: track(name), track_alias, parameters, properties })
}

pub(crate) fn fetch(id: u64, kind: FetchKind) -> Message {
    Message::Fetch(Fetch { request_id: RequestId(id), kind, parameters: Parameters::default() })
}

pub(crate) fn update(id: u64, parameters: Parameters) -> Message {
    Message::RequestUpdate(RequestUpdate { request_id: RequestId(id), existing_request_id: None, parameters })
}

pub(crate) fn subscribe_namespace(id: u64, prefix: Namespace) -> Message {
    let (request_id, options, parameters) = (RequestId(id), SubscribeOptions::Namespaces, Parameters::default());
    Message::SubscribeNamespace(SubscribeNamespace { request_id, prefix, options, parameters })
}

pub(crate) fn subscribe_tracks(id: u64, prefix: Namespace) -> Message {
    Message::SubscribeTracks(SubscribeTracks { request_id: RequestId(id), prefix, parameters: Parameters::default() })
}

pub(crate) fn publish_namespace(id: u64, namespace: Namespace) -> Message {
    let parameters = Parameters::default();
    Message::PublishNamespace(PublishNamespace { request_id: RequestId(id), namespace, parameters })
}

pub(crate) fn track_status(id: u64, name: &'static str) -> Message {
    let parameters = Parameters::default();
    Message::TrackStatus(TrackStatus { request_id: RequestId(id), track: track(name), parameters })
}

pub(crate) fn subscribe_ok(alias: u64, parameters: Parameters) -> Message {
    let (track_alias, properties) = (TrackAlias(alias), Properties::default());
    Message::SubscribeOk(SubscribeOk { request_id: None, track_alias, parameters, properties })
}

/// One request of each kind, with ids from `first` on in steps of two.
pub(crate) fn each_request(first: u64) -> Vec<Message> {
    let kind = FetchKind::Standalone { track: track("f"), start: Location::new(0, 0), end: Location::new(1, 0) };
    vec![
        subscribe(first, "s", Parameters::default()),
        publish(first + 2, "p", 7, Properties::default()),
        fetch(first + 4, kind),
        track_status(first + 6, "t"),
        publish_namespace(first + 8, namespace(&["a"])),
        subscribe_namespace(first + 10, namespace(&["b"])),
        subscribe_tracks(first + 12, namespace(&["b"])),
    ]
}

#[track_caller]
pub(crate) fn closes(result: Result<(), ProtocolError>, code: SessionErrorCode) {
    let error = result.expect_err("the session should close");
    assert_eq!(error.code, code, "{error}");
    assert!(!error.reason.is_empty());
}

#[track_caller]
pub(crate) fn violates(result: Result<(), ProtocolError>) {
    closes(result, SessionErrorCode::ProtocolViolation);
}

impl Raw {
    /// A server with an established session; the test is the client.
    pub(crate) fn server() -> Self {
        Self::established(settings(Side::Server, Carrier::Quic), SetupOptions::default())
    }

    /// A client with an established session; the test is the server.
    pub(crate) fn client() -> Self {
        Self::established(settings(Side::Client, Carrier::Quic), SetupOptions::default())
    }

    pub(crate) fn established(settings: SessionSettings, peer: SetupOptions) -> Self {
        let mut raw = Self::new(settings);
        raw.session.handle_control(encode(&setup(peer))).unwrap();
        raw.drain();
        assert!(matches!(raw.events[..], [Event::Established(_)]));
        raw.events.clear();
        raw
    }

    pub(crate) fn new(settings: SessionSettings) -> Self {
        let next_id = if settings.side == Side::Server { 0 } else { 1 };
        let session = Session::new(settings, Duration::ZERO).unwrap();
        let mut raw = Self { session, events: Vec::new(), control: Vec::new(), written: BTreeMap::new(), next_id };
        raw.drain();
        raw
    }

    /// The next id of the test's side.
    pub(crate) fn id(&mut self) -> u64 {
        self.next_id += 2;
        self.next_id - 2
    }

    /// Carries out the machine's outputs.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Control(bytes) => self.control.extend(decode_all(&bytes)),
                Output::OpenRequest { key, bytes } => {
                    assert!(self.written.insert(key, Written::default()).is_none(), "a key opens once");
                    self.written.entry(key).or_default().messages.extend(decode_all(&bytes));
                }
                Output::Request { key, bytes, fin } => {
                    let written = self.written.entry(key).or_default();
                    assert!(!written.fin && written.reset.is_none(), "nothing is written after the end");
                    written.messages.extend(decode_all(&bytes));
                    written.fin = fin;
                }
                Output::ResetRequest { key, code } => self.written.entry(key).or_default().reset = Some(code),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    pub(crate) fn send_bytes(&mut self, key: RequestKey, bytes: &[u8]) -> Result<(), ProtocolError> {
        let result = self.session.handle_request(key, bytes);
        self.drain();
        result
    }

    pub(crate) fn send(&mut self, key: RequestKey, message: &Message) -> Result<(), ProtocolError> {
        self.send_bytes(key, &encode(message))
    }

    /// Opens a stream with these bytes.
    pub(crate) fn open_bytes(&mut self, bytes: &[u8]) -> (RequestKey, Result<(), ProtocolError>) {
        let key = self.session.accept_request();
        let result = self.send_bytes(key, bytes);
        (key, result)
    }

    /// Opens a stream with a message that must not close the session.
    #[track_caller]
    pub(crate) fn open(&mut self, message: &Message) -> RequestKey {
        let (key, result) = self.open_bytes(&encode(message));
        result.unwrap();
        key
    }

    /// Opens a stream with a message that closes the session.
    pub(crate) fn open_result(&mut self, message: &Message) -> Result<(), ProtocolError> {
        self.open_bytes(&encode(message)).1
    }

    pub(crate) fn fin(&mut self, key: RequestKey) -> Result<(), ProtocolError> {
        let result = self.session.handle_request_fin(key);
        self.drain();
        result
    }

    pub(crate) fn stop(&mut self, key: RequestKey) {
        self.session.handle_request_stopped(key, 1);
        self.drain();
    }

    pub(crate) fn reset(&mut self, key: RequestKey) {
        self.session.handle_request_reset(key, 1);
        self.drain();
    }

    pub(crate) fn written(&mut self, key: RequestKey) -> &Written {
        self.drain();
        self.written.entry(key).or_default()
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.drain();
        std::mem::take(&mut self.events)
    }

    /// The only new event.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Event {
        let mut events = self.take_events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// The only new event, which is a request.
    #[track_caller]
    pub(crate) fn request(&mut self) -> PeerRequest {
        match self.event() {
            Event::Request { request, .. } => request,
            other => panic!("{other:?}"),
        }
    }

    /// The only new event, which is an answer.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        match self.event() {
            Event::Response { response, .. } => response,
            other => panic!("{other:?}"),
        }
    }

    /// The request was refused with this code, its stream finished, and the application never saw it.
    #[track_caller]
    pub(crate) fn refused(&mut self, key: RequestKey, expected: RequestErrorCode) {
        let written = self.written(key);
        let [Message::RequestError(error)] = &written.messages[..] else { panic!("{written:?}") };
        assert_eq!(error.code, expected);
        assert!(written.fin && written.reset.is_none());
        assert!(!error.reason.as_bytes().is_empty());
        assert_eq!(self.take_events(), vec![]);
    }

    /// The application saw the end of the request, with this code.
    #[track_caller]
    pub(crate) fn ended(&mut self, key: RequestKey, code: Option<u64>) {
        assert_eq!(self.event(), Event::Ended { key, code });
    }
}

fn decode_all(bytes: &[u8]) -> Vec<Message> {
    let mut input = BytesMut::from(bytes);
    let mut messages = Vec::new();
    while let Some(message) = Message::decode(&mut input, Version::Draft18).unwrap() {
        messages.push(message);
    }
    assert!(input.is_empty(), "the machine writes whole messages");
    messages
}
