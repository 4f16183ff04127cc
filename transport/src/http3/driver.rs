//! One connection's HTTP/3 machinery: takes every incoming stream, finds out what it is and hands it on.
//!
//! All of it runs inside one future, so aborting that future's task stops everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::error::{BUFFERED_STREAM_REJECTED, Http3Error, NO_ERROR, STREAM_CREATION_ERROR};
use super::field::Fields;
use super::frame::{Frame, FrameReader, varints};
use super::request::RequestHead;
use super::service::{HttpService, respond_empty, serve};
use super::settings::{PeerSettings, settings_frame};
use crate::connection::{ConnectionError, RecvStream, write_all_chunks};
use crate::limit;
use crate::quic::{QuicRecvStream, QuicSendStream, connection_error, varint};
use crate::webtransport::{ClientConnect, ServerConnect, SessionState, recv_drop_code, session_error};

/// Stream types of HTTP/3 (RFC 9114 section 6.2) and WebTransport.
const CONTROL_STREAM: u64 = 0x00;
const QPACK_ENCODER_STREAM: u64 = 0x02;
const QPACK_DECODER_STREAM: u64 = 0x03;
const WEBTRANSPORT_UNI_STREAM: u64 = 0x54;

/// What this end does on the connection.
pub(crate) enum Role {
    Server { connect: ServerConnect, service: Option<HttpService> },
    Client(ClientConnect),
}

/// A peer's stream that belongs to the session: the halves and the bytes that came with the prefix.
pub(crate) type SessionUni = (QuicRecvStream, Bytes);
pub(crate) type SessionBidi = (quinn::SendStream, QuicRecvStream, Bytes);

/// Runs until the connection ends; see [`Driver::run`].
pub(crate) struct Driver {
    intake: Arc<Intake>,
    role: Role,
}

/// What every stream's intake needs.
struct Intake {
    connection: quinn::Connection,
    state: Arc<SessionState>,
    peer_settings: watch::Sender<Option<PeerSettings>>,
    control_seen: AtomicBool,
    uni: mpsc::Sender<SessionUni>,
    bidi: mpsc::Sender<SessionBidi>,
}

type IntakeFuture<'a> = BoxFuture<'a, Result<(), Http3Error>>;

impl Driver {
    pub(crate) fn new(
        connection: quinn::Connection,
        state: Arc<SessionState>,
        role: Role,
        uni: mpsc::Sender<SessionUni>,
        bidi: mpsc::Sender<SessionBidi>,
    ) -> Self {
        let peer_settings = watch::Sender::new(None);
        Self {
            intake: Arc::new(Intake {
                connection,
                state,
                peer_settings,
                control_seen: AtomicBool::new(false),
                uni,
                bidi,
            }),
            role,
        }
    }

    /// Drives the connection to its end and tells the session why it ended.
    pub(crate) async fn run(self) {
        let Self { intake, role } = self;
        let outcome = intake.drive(&role).await;
        let reason = match outcome {
            Err(Http3Error::Connection(reason)) => session_error(reason),
            Err(error) => {
                intake.connection.close(varint(error.code()), error.to_string().as_bytes());
                ConnectionError::Transport(format!("HTTP/3 failed: {error}"))
            }
            Ok(()) => ConnectionError::LocallyClosed,
        };
        intake.state.end(reason);
    }
}

impl Intake {
    async fn drive(&self, role: &Role) -> Result<(), Http3Error> {
        // Closing the control stream would end the connection: it lives as long as this future.
        let _control = self.open_control().await?;
        let mut uni: FuturesUnordered<IntakeFuture<'_>> = FuturesUnordered::new();
        let mut bidi: FuturesUnordered<IntakeFuture<'_>> = FuturesUnordered::new();
        if let Role::Client(connect) = role {
            let settings = self.peer_settings.subscribe();
            bidi.push(Box::pin(connect.run(&self.connection, &self.state, settings)));
        }
        loop {
            tokio::select! {
                Some(outcome) = uni.next() => outcome?,
                Some(outcome) = bidi.next() => outcome?,
                stream = self.connection.accept_uni(), if uni.len() < limit::MAX_STREAM_INTAKES => {
                    let recv = stream.map_err(lost)?;
                    uni.push(Box::pin(self.take_uni(recv)));
                }
                stream = self.connection.accept_bi(), if bidi.len() < limit::MAX_HTTP3_REQUESTS => {
                    let (send, recv) = stream.map_err(lost)?;
                    bidi.push(Box::pin(self.take_bidi(role, send, recv)));
                }
                // Full sets accept nothing, but must still see the end.
                error = self.connection.closed() => return Err(self.last_words(&mut bidi, error).await),
            }
        }
    }

    /// A close capsule may have arrived together with the end of the connection: the session's own future gets to read it.
    async fn last_words(
        &self,
        bidi: &mut FuturesUnordered<IntakeFuture<'_>>,
        error: quinn::ConnectionError,
    ) -> Http3Error {
        // Every stream of a lost connection fails at once, so this ends as fast as the futures can be polled.
        let drained = async { while bidi.next().await.is_some() {} };
        let _ = timeout(LAST_WORDS, drained).await;
        lost(error)
    }

    async fn open_control(&self) -> Result<QuicSendStream, Http3Error> {
        let mut control = QuicSendStream::with_drop_code(self.connection.open_uni().await.map_err(lost)?, NO_ERROR);
        let [head, settings] = settings_frame();
        write_all_chunks(&mut control, &mut [varints(&[CONTROL_STREAM]), head, settings]).await?;
        Ok(control)
    }

    async fn take_uni(&self, recv: quinn::RecvStream) -> Result<(), Http3Error> {
        let mut reader = FrameReader::new(QuicRecvStream::with_drop_code(recv, STREAM_CREATION_ERROR));
        // As long as it takes: browsers open their QPACK streams with the others and may never write to them, and a stopped one ends
        // their connection.
        let Some(kind) = ignore_stream_end(reader.stream_type().await)? else { return Ok(()) };
        match kind {
            CONTROL_STREAM if self.control_seen.swap(true, Ordering::Relaxed) => {
                Err(Http3Error::UnexpectedFrame("second control stream"))
            }
            CONTROL_STREAM => self.read_control(reader).await,
            QPACK_ENCODER_STREAM | QPACK_DECODER_STREAM => discard(reader).await,
            WEBTRANSPORT_UNI_STREAM => {
                let Some(id) = in_time(reader.varint()).await? else { return Ok(()) };
                let (mut recv, pending) = reader.into_parts();
                if self.belongs(id, &mut recv).await {
                    // Fails only when nobody accepts streams any more; dropping the stream then stops it.
                    let _ = self.uni.send((recv, pending)).await;
                }
                Ok(())
            }
            // Unknown and grease types are stopped and ignored (RFC 9114 section 6.2).
            _ => Ok(()),
        }
    }

    async fn read_control(&self, mut reader: FrameReader) -> Result<(), Http3Error> {
        let Some(Frame::Settings(payload)) = reader.next().await? else {
            return Err(Http3Error::Settings("control stream does not begin with SETTINGS"));
        };
        let settings = PeerSettings::decode(&payload)?;
        self.peer_settings.send_replace(Some(settings));
        match reader.next().await {
            Ok(Some(_)) => Err(Http3Error::UnexpectedFrame("not allowed on the control stream")),
            Ok(None) | Err(Http3Error::StreamEnded) => Err(Http3Error::ControlStreamClosed),
            Err(error) => Err(error),
        }
    }

    async fn take_bidi(&self, role: &Role, send: quinn::SendStream, recv: quinn::RecvStream) -> Result<(), Http3Error> {
        let mut reader = FrameReader::new(QuicRecvStream::with_drop_code(recv, NO_ERROR));
        let first = match timeout(limit::STREAM_HEADER_TIMEOUT, reader.next()).await {
            Ok(Err(Http3Error::FrameTooLarge { .. })) => return respond_empty(http_stream(send), 431).await,
            Ok(first) => ignore_stream_end(first)?,
            Err(_) => None,
        };
        match (first, role) {
            (Some(Frame::WebTransport(id)), _) => {
                let (mut recv, pending) = reader.into_parts();
                if self.belongs(id, &mut recv).await {
                    // As for one-way streams above.
                    let _ = self.bidi.send((send, recv, pending)).await;
                } else {
                    http_stream(send);
                }
                Ok(())
            }
            (Some(Frame::Headers(section)), Role::Server { connect, service }) => {
                self.request(connect, service.as_ref(), &section, send, reader).await
            }
            (Some(_), _) => Err(Http3Error::UnexpectedFrame("stream begins with neither a request nor a session id")),
            (None, _) => {
                http_stream(send);
                Ok(())
            }
        }
    }

    async fn request(
        &self,
        connect: &ServerConnect,
        service: Option<&HttpService>,
        section: &[u8],
        send: quinn::SendStream,
        reader: FrameReader,
    ) -> Result<(), Http3Error> {
        let fields = Fields::decode(section)?;
        let send = http_stream(send);
        let outcome = match RequestHead::parse(&fields) {
            Err(_) => respond_empty(send, 400).await,
            Ok(RequestHead::Connect(head)) => connect.run(&self.connection, &self.state, head, send, reader).await,
            Ok(RequestHead::Plain(head)) => match service {
                Some(service) => serve(service.clone(), *head, send, reader).await,
                None => respond_empty(send, 404).await,
            },
        };
        ignore_stream_end(outcome.map(Some)).map(|_| ())
    }

    /// Whether the stream is our session's; gives the session time to exist, and stops streams of others.
    async fn belongs(&self, id: u64, recv: &mut QuicRecvStream) -> bool {
        let ours = timeout(limit::STREAM_HEADER_TIMEOUT, self.state.wait_open(id)).await.unwrap_or(false);
        if ours {
            recv.set_drop_code(recv_drop_code());
        } else {
            recv.stop(BUFFERED_STREAM_REJECTED);
        }
        ours
    }
}

/// Time for the session's future to read what arrived before the connection was lost.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// A stream of HTTP/3 itself: dropped early it is reset with an HTTP/3 code.
fn http_stream(send: quinn::SendStream) -> QuicSendStream {
    QuicSendStream::with_drop_code(send, super::error::REQUEST_REJECTED)
}

fn lost(error: quinn::ConnectionError) -> Http3Error {
    Http3Error::Connection(connection_error(error))
}

/// `None` when the stream ended or stayed silent: no fault of the connection.
async fn in_time<T>(read: impl Future<Output = Result<Option<T>, Http3Error>>) -> Result<Option<T>, Http3Error> {
    match timeout(limit::STREAM_HEADER_TIMEOUT, read).await {
        Ok(outcome) => ignore_stream_end(outcome),
        Err(_) => Ok(None),
    }
}

fn ignore_stream_end<T>(outcome: Result<Option<T>, Http3Error>) -> Result<Option<T>, Http3Error> {
    match outcome {
        Err(Http3Error::StreamEnded) => Ok(None),
        other => other,
    }
}

/// QPACK streams carry nothing while the dynamic table is off, yet must stay open.
async fn discard(mut reader: FrameReader) -> Result<(), Http3Error> {
    let recv = reader.stream_mut();
    while ignore_stream_end(
        crate::connection::read_chunk(recv, limit::HTTP3_READ_CHUNK).await.map_err(Http3Error::from),
    )?
    .is_some()
    {}
    Ok(())
}
