//! A peer that writes any bytes over real QUIC: against a real relay, or as one.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use certs::{CertificateSettings, CertificateStore};
use moqt::{Encode, Message, Namespace, Parameters, PublishNamespace, RequestId, Setup, SetupOptions, Version};
use transport::{
    Accepted, ClientEndpoint, ClientSettings, Connection, ConnectionError, ConnectionSettings, EndpointSettings,
    ReadError, RecvStream, SendStream, ServerEndpoint, TrustSettings, read_chunk, write_all,
};

use crate::system::{PATIENCE, Task, within};

/// One connection, without a session on this side.
#[derive(Debug)]
pub struct Raw {
    /// For everything that has no helper here.
    pub connection: Arc<dyn Connection>,
    /// This side's control stream, if one was opened.
    pub control: Option<Box<dyn SendStream>>,
    next_id: u64,
    _client: ClientEndpoint,
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
        let client = ClientEndpoint::new(ClientSettings { connection, ..ClientSettings::default() }).unwrap();
        let address = format!("{scheme}://{relay}/live").parse().unwrap();
        let connection = within(client.dial(&address, &TrustSettings::Insecure)).await.unwrap();
        Self { connection, control: None, next_id: 0, _client: client }
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

    /// Announces a namespace and waits for the answer.
    ///
    /// # Panics
    /// It is refused.
    pub async fn announce(&mut self, namespace: Namespace) -> RawRequest {
        let request_id = self.next_id();
        let parameters = Parameters::default();
        let bytes = encode(&Message::PublishNamespace(PublishNamespace { request_id, namespace, parameters }));
        let mut request = self.request(bytes).await;
        let answer = request.read().await.unwrap();
        assert!(matches!(answer, Some(Message::RequestOk(_))), "{answer:?}");
        request
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

/// A server without a session: what it writes is all it does.
#[derive(Debug)]
pub struct RawServer {
    /// Where it listens.
    pub address: SocketAddr,
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
        let settings = EndpointSettings { addresses, ..EndpointSettings::default() };
        let endpoint = Arc::new(ServerEndpoint::bind(settings, certificates, None).unwrap());
        let accepting = endpoint.clone();
        let task = Task::spawn(async move {
            let mut open = Vec::new();
            while let Some(incoming) = accepting.accept().await {
                let Ok(Accepted::Session(connection)) = incoming.accept().await else { continue };
                let Ok(theirs) = connection.accept_uni().await else { continue };
                let Ok(mut stream) = connection.open_uni().await else { continue };
                for bytes in &control {
                    // A client that left has heard enough.
                    let _ = write_all(&mut *stream, bytes.clone()).await;
                }
                open.push((connection, theirs, stream));
            }
        });
        Self { address: endpoint.local_addresses()[0], _endpoint: endpoint, _task: task }
    }
}
