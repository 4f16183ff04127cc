//! A peer that writes any bytes, against a session.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use moqt::{
    Encode, Message, Parameters, Properties, RequestId, Setup, SetupOptions, SubgroupHeader, SubgroupId, Subscribe,
    SubscribeOk, TrackAlias, UniStreamHeader, Version,
};
use tokio::task::JoinSet;
use transport::loopback::{LoopbackSettings, pair};
use transport::{
    Connection, ConnectionError, ReadError, RecvStream, SendStream, Session, SessionSettings, read_chunk, write_all,
};

use super::pair::{session, soon, track};

/// The raw end; its peer is `session`.
pub(crate) struct Raw {
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) session: Session,
    /// This side's control stream, kept open.
    pub(crate) control: Box<dyn SendStream>,
    _tasks: JoinSet<()>,
}

/// One request stream as the raw end sees it.
pub(crate) struct RawRequest {
    pub(crate) send: Box<dyn SendStream>,
    pub(crate) recv: Box<dyn RecvStream>,
    input: BytesMut,
}

pub(crate) fn encode(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out, Version::Draft18).unwrap();
    out.freeze()
}

impl Raw {
    /// A raw server against a client session.
    pub(crate) async fn server() -> Self {
        Self::new(true, SessionSettings::default()).await
    }

    /// A raw client against a server session.
    pub(crate) async fn client() -> Self {
        Self::new(false, SessionSettings::default()).await
    }

    pub(crate) async fn new(raw_serves: bool, settings: SessionSettings) -> Self {
        let (near, far, driver) = pair(LoopbackSettings::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(driver.run());
        let (connection, other) = if raw_serves { (far, near) } else { (near, far) };
        let session = session(&mut tasks, other, settings);
        let mut control = connection.open_uni().await.unwrap();
        let setup = Message::Setup(Setup { sender: None, options: SetupOptions::default() });
        write_all(&mut *control, encode(&setup)).await.unwrap();
        Self { connection, session, control, _tasks: tasks }
    }

    pub(crate) async fn open(&self, message: &Message) -> RawRequest {
        let (send, recv) = soon(self.connection.open_bidi()).await.unwrap();
        let mut request = RawRequest { send, recv, input: BytesMut::new() };
        request.write(message).await;
        request
    }

    pub(crate) async fn accept(&self) -> (RawRequest, Message) {
        let (send, recv) = soon(self.connection.accept_bidi()).await.unwrap();
        let mut request = RawRequest { send, recv, input: BytesMut::new() };
        let message = request.read().await.unwrap().expect("a message opens the stream");
        (request, message)
    }

    /// Opens a data stream with this header and these bytes behind it.
    pub(crate) async fn data(&self, header: UniStreamHeader, bytes: &[Bytes]) -> Box<dyn SendStream> {
        let mut stream = soon(self.connection.open_uni()).await.unwrap();
        let mut out = BytesMut::new();
        header.encode(&mut out, Version::Draft18).unwrap();
        bytes.iter().for_each(|bytes| out.extend_from_slice(bytes));
        soon(write_all(&mut *stream, out.freeze())).await.unwrap();
        stream
    }

    /// The code the session closed the connection with.
    pub(crate) async fn close_code(&self) -> u64 {
        match soon(self.connection.closed()).await {
            ConnectionError::Closed { code, .. } => code,
            other => panic!("expected a close, got {other:?}"),
        }
    }
}

impl RawRequest {
    pub(crate) async fn write(&mut self, message: &Message) {
        soon(write_all(&mut *self.send, encode(message))).await.unwrap();
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) async fn read(&mut self) -> Result<Option<Message>, ReadError> {
        loop {
            if let Some(message) = Message::decode(&mut self.input, Version::Draft18).unwrap() {
                return Ok(Some(message));
            }
            match soon(read_chunk(&mut *self.recv, 65_536)).await? {
                Some(bytes) => self.input.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}

pub(crate) fn subgroup(alias: u64, group: u64) -> UniStreamHeader {
    UniStreamHeader::Subgroup(SubgroupHeader {
        track_alias: TrackAlias(alias),
        group,
        subgroup: SubgroupId::Zero,
        priority: None,
        has_properties: false,
        end_of_group: false,
        first_object: true,
    })
}

pub(crate) fn subscribe(id: u64, name: &str) -> Message {
    Message::Subscribe(Subscribe { request_id: RequestId(id), track: track(name), parameters: Parameters::default() })
}

pub(crate) fn subscribe_ok(alias: u64) -> Message {
    Message::SubscribeOk(SubscribeOk {
        request_id: None,
        track_alias: TrackAlias(alias),
        parameters: Parameters::default(),
        properties: Properties::default(),
    })
}
