//! A WebTransport session on HTTP/3 behind the seam (draft-ietf-webtrans-http3, draft-02 to the newest on the wire).
//!
//! One QUIC connection carries one session, as every browser does it; plain HTTP/3 requests may share the connection.

mod capsule;
mod code;
mod connect;
mod negotiation;
mod state;
mod stream;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::{Mutex, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinHandle;
use wtransport_proto::bytes::BytesReader;

use crate::connection::{
    BidiStream, BoxFuture, Connection, ConnectionError, ConnectionInfo, ConnectionStats, DatagramError, RecvStream,
    SendStream, Side, TransportKind,
};
use crate::http3::{Driver, HttpService, NO_ERROR, Role, SessionBidi, SessionUni, varints};
use crate::limit;
use crate::quic::{connection_error, connection_stats, datagram_error, varint};
use crate::turn::Turns;

use connect::Established;
pub(crate) use connect::{ClientConnect, ConnectFailure, ServerConnect};
pub(crate) use state::{SessionState, session_error};
pub(crate) use stream::recv_drop_code;
use stream::{SessionRecvStream, SessionSendStream};

/// Stream prefixes (WebTransport section 4.2 and 4.3).
const UNI_PREFIX: u64 = 0x54;
const BIDI_PREFIX: u64 = 0x41;

/// A WebTransport session; holds its place in the endpoint's connection limit.
#[derive(Debug)]
pub(crate) struct WebTransportConnection {
    connection: quinn::Connection,
    state: Arc<SessionState>,
    info: ConnectionInfo,
    id: u64,
    uni: Mutex<mpsc::Receiver<SessionUni>>,
    bidi: Mutex<mpsc::Receiver<SessionBidi>>,
    driver: Arc<DriverTask>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// A running driver and what it feeds.
struct Started {
    connection: quinn::Connection,
    state: Arc<SessionState>,
    uni: mpsc::Receiver<SessionUni>,
    bidi: mpsc::Receiver<SessionBidi>,
    driver: Arc<DriverTask>,
}

/// Serves HTTP/3 on an accepted connection until a session is established on it, or, with `None`, until it ended without one.
///
/// # Errors
/// The peer broke HTTP/3.
pub(crate) async fn serve(
    connection: quinn::Connection,
    versions: Vec<moqt::Version>,
    service: Option<HttpService>,
    permit: OwnedSemaphorePermit,
) -> Result<Option<WebTransportConnection>, ConnectionError> {
    let (sender, established) = oneshot::channel();
    let connect = ServerConnect::new(versions, sender);
    let started = Started::new(connection, Role::Server { connect, service });
    let state = Arc::clone(&started.state);
    tokio::select! {
        biased;
        Ok(established) = established => Ok(Some(started.into_connection(established, Side::Server, Some(permit)))),
        reason = state.ended() => match reason {
            ConnectionError::Transport(_) => Err(reason),
            _ => Ok(None),
        },
    }
}

/// Asks the server for a session on a new connection. The caller bounds the time.
pub(crate) async fn connect(
    connection: quinn::Connection,
    authority: String,
    path: String,
    versions: Vec<moqt::Version>,
) -> Result<WebTransportConnection, ConnectFailure> {
    let (sender, established) = oneshot::channel();
    let started = Started::new(connection, Role::Client(ClientConnect::new(authority, path, versions, sender)));
    let state = Arc::clone(&started.state);
    let established = tokio::select! {
        biased;
        Ok(outcome) = established => outcome?,
        reason = state.ended() => return Err(ConnectFailure::Connection(reason)),
    };
    Ok(started.into_connection(established, Side::Client, None))
}

impl WebTransportConnection {
    /// With the name under which both ends log the connection.
    pub(crate) fn with_id(mut self, id: String) -> Self {
        self.info.id = id;
        self
    }
}

impl Started {
    fn new(connection: quinn::Connection, role: Role) -> Self {
        let state = Arc::new(SessionState::new());
        let (uni_sender, uni) = mpsc::channel(limit::MAX_ACCEPT_QUEUE);
        let (bidi_sender, bidi) = mpsc::channel(limit::MAX_ACCEPT_QUEUE);
        let driver = Driver::new(connection.clone(), Arc::clone(&state), role, uni_sender, bidi_sender);
        let task = tokio::spawn(driver.run());
        Self {
            driver: Arc::new(DriverTask {
                task,
                connection: connection.clone(),
                state: Arc::clone(&state),
                turns: Arc::default(),
            }),
            connection,
            state,
            uni,
            bidi,
        }
    }

    fn into_connection(
        self,
        established: Established,
        side: Side,
        permit: Option<OwnedSemaphorePermit>,
    ) -> WebTransportConnection {
        let Established { id, version, path, authority } = established;
        let peer = self.connection.remote_address();
        WebTransportConnection {
            info: ConnectionInfo {
                peer,
                version,
                kind: TransportKind::WebTransport,
                path,
                authority,
                side,
                id: String::new(),
            },
            connection: self.connection,
            state: self.state,
            id,
            uni: Mutex::new(self.uni),
            bidi: Mutex::new(self.bidi),
            driver: self.driver,
            _permit: permit,
        }
    }
}

/// Owns the driver's task for the connection and its streams: the last one dropped ends the connection and the task, as in raw QUIC.
///
/// A close that is still being told to the peer goes on; its task ends by itself within [`limit::CLOSE_LINGER`], and at once when the
/// endpoint closes.
#[derive(Debug)]
struct DriverTask {
    task: JoinHandle<()>,
    connection: quinn::Connection,
    state: Arc<SessionState>,
    turns: Arc<Turns>,
}

impl Drop for DriverTask {
    fn drop(&mut self) {
        if !self.state.is_closing() {
            self.connection.close(varint(NO_ERROR), b"");
            self.task.abort();
        }
    }
}

impl WebTransportConnection {
    /// Runs `operation` unless the session is over or ends first.
    async fn while_open<T>(
        &self,
        operation: impl Future<Output = Result<T, ConnectionError>>,
    ) -> Result<T, ConnectionError> {
        tokio::select! {
            biased;
            reason = self.state.ended() => Err(reason),
            outcome = operation => outcome.map_err(|error| self.state.connection_error(error)),
        }
    }

    fn prefix(&self, kind: u64) -> Bytes {
        varints(&[kind, self.id])
    }

    fn datagram_prefix(&self) -> Bytes {
        varints(&[self.id / 4])
    }

    /// The payload of a datagram that is ours.
    fn strip_datagram(&self, datagram: &Bytes) -> Option<Bytes> {
        let mut view: &[u8] = datagram;
        let quarter = view.get_varint()?.into_inner();
        (quarter == self.id / 4).then(|| datagram.slice(datagram.len() - view.len()..))
    }
}

impl Connection for WebTransportConnection {
    fn open_uni(&self) -> BoxFuture<'_, Result<Box<dyn SendStream>, ConnectionError>> {
        Box::pin(self.while_open(async {
            let send = self.connection.open_uni().await.map_err(connection_error)?;
            Ok(Box::new(SessionSendStream::new(send, self.prefix(UNI_PREFIX), Arc::clone(&self.driver)))
                as Box<dyn SendStream>)
        }))
    }

    fn open_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>> {
        Box::pin(self.while_open(async {
            let (send, recv) = self.connection.open_bi().await.map_err(connection_error)?;
            let send = SessionSendStream::new(send, self.prefix(BIDI_PREFIX), Arc::clone(&self.driver));
            let recv = SessionRecvStream::opened(recv, Arc::clone(&self.driver));
            Ok::<BidiStream, _>((Box::new(send), Box::new(recv)))
        }))
    }

    fn accept_uni(&self) -> BoxFuture<'_, Result<Box<dyn RecvStream>, ConnectionError>> {
        Box::pin(self.while_open(async {
            match self.uni.lock().await.recv().await {
                Some((recv, pending)) => {
                    Ok(Box::new(SessionRecvStream::new(recv, pending, Arc::clone(&self.driver))) as Box<dyn RecvStream>)
                }
                None => Err(self.state.ended().await),
            }
        }))
    }

    fn accept_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>> {
        Box::pin(self.while_open(async {
            match self.bidi.lock().await.recv().await {
                Some((send, recv, pending)) => {
                    let send = SessionSendStream::new(send, Bytes::new(), Arc::clone(&self.driver));
                    let recv = SessionRecvStream::new(recv, pending, Arc::clone(&self.driver));
                    Ok::<BidiStream, _>((Box::new(send), Box::new(recv)))
                }
                None => Err(self.state.ended().await),
            }
        }))
    }

    fn send_datagram(&self, payload: Bytes) -> Result<(), DatagramError> {
        if let Some(reason) = self.state.over() {
            return Err(DatagramError::Connection(reason));
        }
        let prefix = self.datagram_prefix();
        let mut datagram = BytesMut::with_capacity(prefix.len() + payload.len());
        datagram.put(prefix);
        datagram.put(payload);
        self.connection.send_datagram(datagram.freeze()).map_err(|error| match datagram_error(error) {
            DatagramError::Connection(error) => DatagramError::Connection(self.state.connection_error(error)),
            other => other,
        })
    }

    fn read_datagram(&self) -> BoxFuture<'_, Result<Bytes, ConnectionError>> {
        Box::pin(self.while_open(async {
            loop {
                let datagram = self.connection.read_datagram().await.map_err(connection_error)?;
                if let Some(payload) = self.strip_datagram(&datagram) {
                    return Ok(payload);
                }
            }
        }))
    }

    fn max_datagram_size(&self) -> Option<usize> {
        Some(self.connection.max_datagram_size()?.saturating_sub(self.datagram_prefix().len()))
    }

    fn set_max_incoming_uni(&self, count: u32) {
        self.connection.set_max_concurrent_uni_streams(count.saturating_add(limit::HTTP3_UNI_STREAMS).into());
    }

    fn close(&self, code: u64, reason: &str) {
        self.state.close(code, reason);
        if self.driver.task.is_finished() {
            self.connection.close(varint(NO_ERROR), b"");
        }
    }

    fn closed(&self) -> BoxFuture<'_, ConnectionError> {
        Box::pin(self.state.ended())
    }

    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn stats(&self) -> ConnectionStats {
        connection_stats(&self.connection)
    }
}
