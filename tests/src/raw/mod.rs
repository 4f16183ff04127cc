//! A peer that writes any bytes over real QUIC: against a real relay, or as one.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

mod asked;
mod data;
mod server;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use moqt::{
    Encode, Fetch, FetchKind, FullTrackName, Location, Message, Namespace, Parameters, Properties, Publish,
    PublishNamespace, RequestErrorCode, RequestId, RequestUpdate, Setup, SetupOptions, Subscribe, SubscribeNamespace,
    SubscribeOptions, SubscribeTracks, TrackAlias, TrackStatus, Version,
};
use transport::{
    CANCELLED, ClientEndpoint, ClientSettings, Connection, ConnectionError, ConnectionSettings, ReadError, RecvStream,
    SendStream, TrustSettings, read_chunk, write_all,
};

use crate::system::{PATIENCE, within};

pub use asked::Asked;
pub use data::{Ended, Fetched, RawData};
pub use server::RawServer;

/// Time in which what must not come would have come.
const A_WHILE: Duration = Duration::from_millis(250);

/// One connection, without a session on this side.
#[derive(Debug)]
pub struct Raw {
    /// For everything that has no helper here.
    pub connection: Arc<dyn Connection>,
    /// This side's control stream, if one was opened.
    pub control: Option<Box<dyn SendStream>>,
    next_id: u64,
    _client: Option<ClientEndpoint>,
    /// The peer's control stream, once it was met: to drop it would stop it.
    theirs: Mutex<Option<Box<dyn RecvStream>>>,
}

/// One request stream.
#[derive(Debug)]
pub struct RawRequest {
    /// This side's half.
    pub send: Box<dyn SendStream>,
    /// The relay's half.
    pub recv: Box<dyn RecvStream>,
    input: BytesMut,
}

/// A control message as it goes on the wire.
///
/// # Panics
/// It has no form there.
pub fn encode(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out, Version::Draft18).unwrap();
    out.freeze()
}

/// SETUP with these options.
pub fn setup(options: SetupOptions) -> Bytes {
    encode(&Message::Setup(Setup { sender: None, options }))
}

/// A message of any type and body, with the right length.
///
/// # Panics
/// The body is over 65535 bytes.
pub fn message(kind: u8, body: &[u8]) -> Bytes {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(body);
    bytes.into()
}

/// SUBSCRIBE of the track `a--x` with parameters as bytes: their count, then each.
pub fn subscribe(id: u8, parameters: &[u8]) -> Bytes {
    message(0x03, &[&[id, 0x01, 0x01, b'a', 0x01, b'x'], parameters].concat())
}

/// Bytes from hex digits.
///
/// # Panics
/// They are none.
pub fn hex(digits: &str) -> Bytes {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

impl Raw {
    /// Connects and stays silent.
    ///
    /// # Panics
    /// Nobody is there.
    pub async fn silent(relay: SocketAddr, scheme: &str) -> Self {
        let connection = ConnectionSettings { max_incoming_uni: 64, ..ConnectionSettings::default() };
        Self::granting(relay, scheme, connection).await
    }

    /// Connects with these limits for the relay's streams, and stays silent.
    ///
    /// # Panics
    /// Nobody is there.
    pub async fn granting(relay: SocketAddr, scheme: &str, connection: ConnectionSettings) -> Self {
        let client = ClientEndpoint::new(ClientSettings { connection, ..ClientSettings::default() }).unwrap();
        let address = format!("{scheme}://{relay}/live").parse().unwrap();
        let connection = within(client.dial(&address, &TrustSettings::Insecure)).await.unwrap();
        Self { connection, control: None, next_id: 0, _client: Some(client), theirs: Mutex::default() }
    }

    /// Connects over raw QUIC and opens a control stream with these first bytes.
    pub async fn with_control(relay: SocketAddr, first: Bytes) -> Self {
        let mut raw = Self::silent(relay, "moqt").await;
        raw.control = Some(raw.uni(first).await);
        raw
    }

    /// Connects over raw QUIC with a usual SETUP.
    pub async fn connect(relay: SocketAddr) -> Self {
        Self::with_control(relay, setup(SetupOptions::default())).await
    }

    /// Writes more to the control stream.
    ///
    /// # Panics
    /// There is none, or it broke.
    pub async fn write_control(&mut self, bytes: Bytes) {
        within(write_all(&mut **self.control.as_mut().unwrap(), bytes)).await.unwrap();
    }

    /// Opens a sending stream with these bytes.
    ///
    /// # Panics
    /// The connection broke.
    pub async fn uni(&self, bytes: Bytes) -> Box<dyn SendStream> {
        let mut stream = within(self.connection.open_uni()).await.unwrap();
        // A relay that closed meanwhile is what some tests wait for.
        let _ = within(write_all(&mut *stream, bytes)).await;
        stream
    }

    /// Opens a request stream with these bytes.
    ///
    /// # Panics
    /// The connection broke.
    pub async fn request(&self, bytes: Bytes) -> RawRequest {
        let (send, recv) = within(self.connection.open_bidi()).await.unwrap();
        let mut request = RawRequest { send, recv, input: BytesMut::new() };
        let _ = within(write_all(&mut *request.send, bytes)).await;
        request
    }

    /// Takes a request of the relay.
    ///
    /// # Panics
    /// The connection broke, or the stream has no message.
    pub async fn accept(&self) -> (RawRequest, Message) {
        let (send, recv) = within(self.connection.accept_bidi()).await.unwrap();
        let mut request = RawRequest { send, recv, input: BytesMut::new() };
        let message = request.read().await.unwrap().unwrap();
        (request, message)
    }

    /// The next id this side has not used in a message of its own helpers.
    pub fn next_id(&mut self) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 2;
        id
    }

    /// The id that the next request will have.
    pub fn coming_id(&self) -> RequestId {
        RequestId(self.next_id)
    }

    /// Sends a request with the next id.
    ///
    /// # Panics
    /// The connection broke.
    pub async fn ask(&mut self, message: impl FnOnce(RequestId) -> Message) -> RawRequest {
        let id = self.next_id();
        self.request(encode(&message(id))).await
    }

    /// SUBSCRIBE.
    pub async fn subscribe(&mut self, track: FullTrackName, parameters: Parameters) -> RawRequest {
        self.ask(|request_id| Message::Subscribe(Subscribe { request_id, track, parameters })).await
    }

    /// FETCH, of any kind.
    pub async fn fetch(&mut self, kind: FetchKind, parameters: Parameters) -> RawRequest {
        self.ask(|request_id| Message::Fetch(Fetch { request_id, kind, parameters })).await
    }

    /// TRACK_STATUS, and the largest object of the answer.
    ///
    /// # Panics
    /// It is refused.
    pub async fn largest(&mut self, track: FullTrackName) -> Option<Location> {
        let parameters = Parameters::default();
        let mut request =
            self.ask(|request_id| Message::TrackStatus(TrackStatus { request_id, track, parameters })).await;
        request.accepted().await.largest_object
    }

    /// PUBLISH.
    pub async fn publish(&mut self, track: FullTrackName, alias: u64, properties: Properties) -> RawRequest {
        let (track_alias, parameters) = (TrackAlias(alias), Parameters::default());
        self.ask(|request_id| Message::Publish(Publish { request_id, track, track_alias, parameters, properties }))
            .await
    }

    /// SUBSCRIBE_NAMESPACE.
    pub async fn subscribe_namespace(&mut self, prefix: Namespace) -> RawRequest {
        let (parameters, options) = (Parameters::default(), SubscribeOptions::default());
        self.ask(|request_id| {
            Message::SubscribeNamespace(SubscribeNamespace { request_id, prefix, options, parameters })
        })
        .await
    }

    /// SUBSCRIBE_TRACKS.
    pub async fn subscribe_tracks(&mut self, prefix: Namespace, parameters: Parameters) -> RawRequest {
        self.ask(|request_id| Message::SubscribeTracks(SubscribeTracks { request_id, prefix, parameters })).await
    }

    /// Announces a namespace and waits for the answer.
    ///
    /// # Panics
    /// It is refused.
    pub async fn announce(&mut self, namespace: Namespace) -> RawRequest {
        let parameters = Parameters::default();
        let announce = |request_id| Message::PublishNamespace(PublishNamespace { request_id, namespace, parameters });
        let mut request = self.ask(announce).await;
        request.accepted().await;
        request
    }

    /// Fails if the relay asks for anything within a while.
    ///
    /// # Panics
    /// It does.
    pub async fn unasked(&self, what: &str) {
        if let Ok(asked) = tokio::time::timeout(A_WHILE, self.accept()).await {
            panic!("{what}: {:?}", asked.1);
        }
    }

    /// The relay's next data stream.
    ///
    /// # Panics
    /// None comes, or it begins with nonsense.
    pub async fn data(&self) -> RawData {
        loop {
            let stream = within(self.connection.accept_uni()).await.unwrap();
            match RawData::of(stream).await {
                Ok(data) => return data,
                Err(control) => *self.theirs.lock().unwrap() = Some(control),
            }
        }
    }

    /// Fails if a data stream comes within a while.
    ///
    /// # Panics
    /// It does.
    pub async fn no_data(&self, what: &str) {
        if let Ok(data) = tokio::time::timeout(A_WHILE, self.data()).await {
            panic!("{what}: {:?}", data.header);
        }
    }

    /// Waits for a close with this code.
    ///
    /// # Panics
    /// It does not come in time, or another one does.
    pub async fn closes(&self, code: u64, what: &str) {
        match tokio::time::timeout(PATIENCE, self.connection.closed()).await {
            Ok(ConnectionError::Closed { code: got, reason }) => {
                assert_eq!(got, code, "{what}: closed with {got:#x}: {reason}");
            }
            other => panic!("{what}: expected a close with {code:#x}, got {other:?}"),
        }
    }

    /// Whether the session answers requests still.
    ///
    /// # Panics
    /// It does not.
    pub async fn lives(&mut self, what: &str) {
        let id = u8::try_from(self.next_id().0 + 0x20).unwrap();
        let mut request = self.request(message(0x0D, &[id, 0x01, 0x01, b'a', 0x01, b'x', 0])).await;
        let answer = request.read().await;
        assert!(matches!(answer, Ok(Some(Message::RequestError(_)))), "{what}: {answer:?}");
    }

    /// Waits a moment in which the relay would have closed the connection.
    ///
    /// # Panics
    /// It did.
    pub async fn stays(&self, what: &str) {
        let closed = tokio::time::timeout(Duration::from_millis(300), self.connection.closed()).await;
        assert!(closed.is_err(), "{what}: {closed:?}");
    }
}

impl RawRequest {
    /// Writes more.
    ///
    /// # Panics
    /// The stream broke.
    pub async fn write(&mut self, bytes: Bytes) {
        within(write_all(&mut *self.send, bytes)).await.unwrap();
    }

    /// Writes one more message.
    pub async fn say(&mut self, message: &Message) {
        self.write(encode(message)).await;
    }

    /// REQUEST_UPDATE with this id.
    pub async fn update(&mut self, request_id: RequestId, parameters: Parameters) {
        self.say(&Message::RequestUpdate(RequestUpdate { request_id, existing_request_id: None, parameters })).await;
    }

    /// The next message.
    ///
    /// # Panics
    /// The stream ends instead.
    pub async fn answer(&mut self) -> Message {
        self.read().await.unwrap().expect("a message, not the end of the stream")
    }

    /// The parameters of the OK that is next.
    ///
    /// # Panics
    /// Something else is.
    pub async fn accepted(&mut self) -> Parameters {
        match self.answer().await {
            Message::RequestOk(ok) => ok.parameters,
            Message::SubscribeOk(ok) => ok.parameters,
            other => panic!("{other:?}"),
        }
    }

    /// The code of the REQUEST_ERROR that is next.
    ///
    /// # Panics
    /// Something else is.
    pub async fn refused(&mut self) -> RequestErrorCode {
        match self.answer().await {
            Message::RequestError(error) => error.code,
            other => panic!("{other:?}"),
        }
    }

    /// Fails if a message comes within a while.
    ///
    /// # Panics
    /// It does.
    pub async fn unanswered(&mut self, what: &str) {
        if let Ok(message) = tokio::time::timeout(A_WHILE, self.read()).await {
            panic!("{what}: {message:?}");
        }
    }

    /// Waits for the end of the relay's half, message by message: whether it was FIN.
    pub async fn ends(&mut self) -> bool {
        loop {
            match self.read().await {
                Ok(Some(_)) => {}
                ended => return ended.is_ok(),
            }
        }
    }

    /// Ends the request as draft-18 says: STOP_SENDING and a reset.
    pub fn cancel(&mut self) {
        self.recv.stop(CANCELLED);
        self.send.reset(CANCELLED);
    }

    /// The next message; `None` at the end of the stream.
    ///
    /// # Errors
    /// The relay reset the stream, or the connection ended.
    ///
    /// # Panics
    /// What came is no message.
    pub async fn read(&mut self) -> Result<Option<Message>, ReadError> {
        loop {
            if let Some(message) = Message::decode(&mut self.input, Version::Draft18).unwrap() {
                return Ok(Some(message));
            }
            match within(read_chunk(&mut *self.recv, 65_536)).await? {
                Some(bytes) => self.input.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}

/// A header of a data stream as it goes on the wire.
///
/// # Panics
/// It has no form there.
pub fn data_header(header: &moqt::UniStreamHeader) -> Bytes {
    let mut out = BytesMut::new();
    header.encode(&mut out, Version::Draft18).unwrap();
    out.freeze()
}
