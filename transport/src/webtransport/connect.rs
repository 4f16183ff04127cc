//! The CONNECT request of a session, seen from both ends, and the life of its stream (WebTransport sections 3.2, 3.3 and 6).

use std::sync::Mutex;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::capsule::{CapsuleReader, close_frame};
use super::negotiation;
use super::state::{SessionState, session_error};
use crate::connection::SendStream;
use crate::connection::{ConnectionError, stopped, write_all_chunks};
use crate::http3::{
    ConnectHead, Fields, Frame, FrameReader, Http3Error, NO_ERROR, PeerSettings, headers_frame, respond_empty,
};
use crate::limit;
use crate::quic::{QuicRecvStream, QuicSendStream, connection_error, varint};

/// What the exchange agreed on.
#[derive(Debug)]
pub(crate) struct Established {
    /// Id of the CONNECT stream, which names the session.
    pub(crate) id: u64,
    pub(crate) version: moqt::Version,
    pub(crate) path: String,
    pub(crate) authority: String,
}

/// Why a server gave us no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectFailure {
    #[error("server speaks HTTP/3 but not WebTransport")]
    NoWebTransport,
    #[error("server refused the WebTransport session with HTTP status {0}")]
    Refused(u16),
    #[error("server chose no MOQT version that we offered")]
    NoCommonVersion,
    #[error(transparent)]
    Http3(#[from] Http3Error),
    #[error(transparent)]
    Connection(ConnectionError),
}

/// The serving end: answers CONNECT requests, the first good one with a session.
#[derive(Debug)]
pub(crate) struct ServerConnect {
    versions: Vec<moqt::Version>,
    established: Mutex<Option<oneshot::Sender<Established>>>,
}

impl ServerConnect {
    pub(crate) fn new(versions: Vec<moqt::Version>, established: oneshot::Sender<Established>) -> Self {
        Self { versions, established: Mutex::new(Some(established)) }
    }

    /// Answers one CONNECT; when that makes the session, runs until the session ends.
    pub(crate) async fn run(
        &self,
        connection: &quinn::Connection,
        state: &SessionState,
        head: ConnectHead,
        mut send: QuicSendStream,
        reader: FrameReader,
    ) -> Result<(), Http3Error> {
        if !matches!(head.protocol.as_str(), "webtransport" | "webtransport-h3") {
            return respond_empty(send, 501).await;
        }
        let Some(version) = negotiation::choose(&self.versions, &head.available_protocols) else {
            return respond_empty(send, 400).await;
        };
        let id = send.id();
        if !state.open(id) {
            return respond_empty(send, 429).await;
        }
        let protocol = negotiation::quoted(version);
        let fields =
            [(":status", "200"), ("sec-webtransport-http3-draft", "draft02"), ("wt-protocol", protocol.as_str())];
        write_all_chunks(&mut send, &mut headers_frame(fields)).await?;
        announce(&self.established, Established { id, version, path: head.path, authority: head.authority });
        hold(connection, state, send, reader).await
    }
}

/// The dialing end: one CONNECT request.
#[derive(Debug)]
pub(crate) struct ClientConnect {
    authority: String,
    path: String,
    versions: Vec<moqt::Version>,
    established: Mutex<Option<oneshot::Sender<Result<Established, ConnectFailure>>>>,
}

impl ClientConnect {
    pub(crate) fn new(
        authority: String,
        path: String,
        versions: Vec<moqt::Version>,
        established: oneshot::Sender<Result<Established, ConnectFailure>>,
    ) -> Self {
        Self { authority, path, versions, established: Mutex::new(Some(established)) }
    }

    /// Makes the session and runs until it ends. A refusal is told to the dialer, which then gives the connection up.
    pub(crate) async fn run(
        &self,
        connection: &quinn::Connection,
        state: &SessionState,
        settings: watch::Receiver<Option<PeerSettings>>,
    ) -> Result<(), Http3Error> {
        match self.exchange(connection, settings).await {
            Ok((send, reader, version)) => {
                let id = send.id();
                state.open(id);
                announce(
                    &self.established,
                    Ok(Established { id, version, path: self.path.clone(), authority: self.authority.clone() }),
                );
                hold(connection, state, send, reader).await
            }
            Err(failure) => {
                announce(&self.established, Err(failure));
                Ok(())
            }
        }
    }

    async fn exchange(
        &self,
        connection: &quinn::Connection,
        mut settings: watch::Receiver<Option<PeerSettings>>,
    ) -> Result<(QuicSendStream, FrameReader, moqt::Version), ConnectFailure> {
        let lost = |error| ConnectFailure::Connection(session_error(connection_error(error)));
        let peer = match settings.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(peer)) => *peer,
            _ => return Err(ConnectFailure::NoWebTransport),
        };
        if !(peer.connect_protocol && peer.webtransport && peer.datagrams) {
            return Err(ConnectFailure::NoWebTransport);
        }
        let (send, recv) = connection.open_bi().await.map_err(lost)?;
        let mut send = QuicSendStream::with_drop_code(send, NO_ERROR);
        let mut reader = FrameReader::new(QuicRecvStream::with_drop_code(recv, NO_ERROR));
        write_all_chunks(&mut send, &mut self.request()).await.map_err(Http3Error::from)?;
        let Some(Frame::Headers(section)) = reader.next().await? else {
            return Err(Http3Error::Message("answer to CONNECT does not begin with headers").into());
        };
        let fields = Fields::decode(&section)?;
        match fields.status() {
            Some(200..=299) => {}
            Some(status) => return Err(ConnectFailure::Refused(status)),
            None => return Err(Http3Error::Message("answer to CONNECT has no status").into()),
        }
        let chosen = fields.get("wt-protocol").and_then(|header| negotiation::choose(&self.versions, header));
        Ok((send, reader, chosen.ok_or(ConnectFailure::NoCommonVersion)?))
    }

    fn request(&self) -> [bytes::Bytes; 2] {
        let origin = format!("https://{}", self.authority);
        let protocols = negotiation::offer(&self.versions);
        headers_frame([
            (":method", "CONNECT"),
            (":protocol", "webtransport"),
            (":scheme", "https"),
            (":authority", self.authority.as_str()),
            (":path", self.path.as_str()),
            ("origin", origin.as_str()),
            ("sec-webtransport-http3-draft02", "1"),
            ("wt-available-protocols", protocols.as_str()),
        ])
    }
}

/// Hands the outcome to whoever waits for it; nobody does once the dial or accept was given up.
fn announce<T>(waiting: &Mutex<Option<oneshot::Sender<T>>>, outcome: T) {
    let sender = waiting.lock().ok().and_then(|mut waiting| waiting.take());
    if let Some(sender) = sender {
        let _ = sender.send(outcome);
    }
}

/// Keeps the CONNECT stream open for the life of the session, then closes the connection under it.
async fn hold(
    connection: &quinn::Connection,
    state: &SessionState,
    mut send: QuicSendStream,
    mut reader: FrameReader,
) -> Result<(), Http3Error> {
    tokio::select! {
        biased;
        reason = read_close(&mut reader) => state.end(reason?),
        (code, reason) = state.close_request() => {
            // A peer that reads no more gets the QUIC close instead.
            let _ = timeout(limit::CLOSE_LINGER, tell_close(&mut send, &mut reader, code, &reason)).await;
            state.end(ConnectionError::LocallyClosed);
        }
    }
    connection.close(varint(NO_ERROR), b"");
    Ok(())
}

/// Reads until the peer ends the session, by capsule, end of stream or reset.
async fn read_close(reader: &mut FrameReader) -> Result<ConnectionError, Http3Error> {
    let mut capsules = CapsuleReader::default();
    let closed = |code, reason: &str| ConnectionError::Closed { code, reason: reason.to_owned() };
    loop {
        match reader.next().await {
            Ok(Some(Frame::Data(bytes))) => {
                if let Some(close) = capsules.push(&bytes)? {
                    return Ok(closed(u64::from(close.code), &close.reason));
                }
            }
            // Trailers say nothing about the session.
            Ok(Some(Frame::Headers(_))) => {}
            Ok(Some(_)) => return Err(Http3Error::UnexpectedFrame("not allowed on a CONNECT stream")),
            Ok(None) => return Ok(closed(0, "")),
            Err(Http3Error::StreamEnded) => return Ok(closed(0, "peer reset the session's stream")),
            Err(Http3Error::Connection(error)) => return Ok(session_error(error)),
            Err(error) => return Err(error),
        }
    }
}

/// Sends the close capsule and waits until the peer has it: it acknowledges the end of the stream, ends its own half or closes.
async fn tell_close(
    send: &mut QuicSendStream,
    reader: &mut FrameReader,
    code: u64,
    reason: &str,
) -> Result<(), Http3Error> {
    write_all_chunks(send, &mut close_frame(code, reason)).await?;
    send.finish()?;
    tokio::select! {
        _ = stopped(send) => Ok(()),
        outcome = read_close(reader) => outcome.map(drop),
    }
}
