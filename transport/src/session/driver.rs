//! The future that moves a session: opens and reads request streams, writes the control stream, sorts incoming data streams.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use moqt::session::RequestKey;
use moqt::{ProtocolError, SessionErrorCode};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::error::SessionError;
use super::limit;
use super::outbox::{OutboxReceiver, Outgoing};
use super::shared::{DataEvent, Shared};
use super::streams;
use crate::connection::{
    BidiStream, BoxFuture, ConnectionError, ReadError, RecvStream, SendStream, Side, WriteError, read_chunk, write_all,
    write_all_chunks,
};
use crate::priority::{CONTROL_PRIORITY, REQUEST_PRIORITY};

/// Moves one session; resolves to why it ended. The caller polls or spawns it; nothing else runs behind the caller.
///
/// Dropping it closes the connection with NO_ERROR.
pub struct Driver {
    shared: Arc<Shared>,
    future: Pin<Box<dyn Future<Output = SessionError> + Send>>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let future = Box::pin(run(shared.clone()));
        Self { shared, future }
    }
}

impl Future for Driver {
    type Output = SessionError;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<SessionError> {
        self.future.as_mut().poll(cx)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.end(SessionError::Local("session driver dropped".to_owned()));
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("peer", &self.shared.connection.info().peer).finish_non_exhaustive()
    }
}

/// The driver's own loop. Stream tasks are futures inside it, so they end with it.
async fn run(shared: Arc<Shared>) -> SessionError {
    let connection = shared.connection.clone();
    // Control and request streams live as long as the session and its requests; data streams only until they are handed on.
    let mut requests: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    let mut arrivals: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    // In draft-16 both sides' control messages share a stream that the client opens.
    let mut awaits_control = false;
    if shared.version.has_request_streams() {
        requests.push(Box::pin(open_control(shared.clone())));
    } else if connection.info().side == Side::Client {
        requests.push(Box::pin(open_shared_control(shared.clone())));
    } else {
        awaits_control = true;
    }
    shared.with(|_| Ok(()));

    let closed = connection.closed();
    tokio::pin!(closed);
    let mut bidi = connection.accept_bidi();
    let mut uni = connection.accept_uni();
    let mut datagram = connection.read_datagram();
    loop {
        open_requests(&shared, &mut requests);
        if let Some(error) = shared.error() {
            return error;
        }
        let deadline = shared.lock().machine.poll_timeout().map(|at| shared.instant(at));
        tokio::select! {
            biased;
            error = &mut closed => return finish(&shared, error),
            () = shared.driver.notified() => {}
            () = wait_until(deadline) => {
                let now = shared.now();
                shared.with(|state| state.machine.handle_timeout(now));
            }
            Some(()) = requests.next(), if !requests.is_empty() => {}
            Some(()) = arrivals.next(), if !arrivals.is_empty() => {}
            stream = &mut bidi, if requests.len() < limit::REQUEST_STREAMS => {
                match stream {
                    Ok(stream) if std::mem::take(&mut awaits_control) => {
                        requests.push(Box::pin(share_control(shared.clone(), stream)));
                    }
                    Ok(stream) => accept_request(&shared, stream, &mut requests),
                    Err(error) => return finish(&shared, error),
                }
                bidi = connection.accept_bidi();
            }
            stream = &mut uni, if arrivals.len() < limit::ARRIVING_STREAMS => {
                match stream {
                    Ok(stream) => arrivals.push(Box::pin(streams::receive(shared.clone(), stream))),
                    Err(error) => return finish(&shared, error),
                }
                uni = connection.accept_uni();
            }
            received = &mut datagram => {
                match received {
                    Ok(bytes) => receive_datagram(&shared, bytes),
                    Err(error) => return finish(&shared, error),
                }
                datagram = connection.read_datagram();
            }
        }
    }
}

fn finish(shared: &Shared, error: ConnectionError) -> SessionError {
    shared.end(SessionError::from_connection(error, shared.version));
    shared.reason()
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Starts the streams of requests that were made since the last look.
fn open_requests(shared: &Arc<Shared>, requests: &mut FuturesUnordered<BoxFuture<'static, ()>>) {
    let opens = std::mem::take(&mut shared.lock().opens);
    for (key, outgoing) in opens {
        let shared = shared.clone();
        requests.push(Box::pin(async move {
            let opened = tokio::select! {
                biased;
                // Given up before the peer let the stream be opened: nobody needs to know.
                _ = outgoing.interrupted() => return,
                opened = shared.connection.open_bidi() => opened,
            };
            if let Ok(stream) = opened {
                if let Some(slot) = shared.lock().slots.get_mut(&key) {
                    slot.unopened = false;
                }
                serve_request(shared, key, stream, outgoing).await;
            }
        }));
    }
}

/// Registers a request stream of the peer and starts reading it.
fn accept_request(shared: &Arc<Shared>, stream: BidiStream, requests: &mut FuturesUnordered<BoxFuture<'static, ()>>) {
    if let Some((key, outgoing)) = shared.with(|state| Ok(state.accept_request())) {
        requests.push(Box::pin(serve_request(shared.clone(), key, stream, outgoing)));
    }
}

/// Reads and writes one request stream until both halves are done.
async fn serve_request(shared: Arc<Shared>, key: RequestKey, stream: BidiStream, outgoing: OutboxReceiver) {
    let (mut send, mut recv) = stream;
    send.set_priority(REQUEST_PRIORITY);
    let stop = {
        let reading = std::pin::pin!(read_request(&shared, key, &mut *recv));
        let writing = std::pin::pin!(write_request(&shared, key, &mut *send, outgoing));
        match select(reading, writing).await {
            Either::Left(((), writing)) => {
                writing.await;
                None
            }
            Either::Right((WriteEnd::Finished, reading)) => {
                // The peer still has its answer to send, or its own end.
                let _ = timeout(limit::REQUEST_LINGER, reading).await;
                None
            }
            Either::Right((WriteEnd::Reset(code), _)) => Some(code),
            Either::Right((WriteEnd::Gone, _)) => None,
        }
    };
    if let Some(code) = stop {
        recv.stop(code);
    }
}

/// How writing a request stream ended.
enum WriteEnd {
    Finished,
    Reset(u64),
    Gone,
}

async fn read_request(shared: &Arc<Shared>, key: RequestKey, recv: &mut dyn RecvStream) {
    loop {
        if let Some(events) = shared.events(key) {
            // An application that is behind with its events holds the peer back. One that left leaves the rest to the machine.
            let _ = events.reserve_many(limit::EVENTS_PER_READ).await;
        }
        match read_chunk(recv, limit::REQUEST_READ_BYTES).await {
            Ok(Some(bytes)) => {
                shared.with(|state| state.machine.handle_request(key, bytes));
            }
            Ok(None) => {
                shared.with(|state| state.machine.handle_request_fin(key));
                return;
            }
            Err(ReadError::Reset(code)) => {
                shared.with(|state| {
                    state.machine.handle_request_reset(key, code);
                    Ok(())
                });
                return;
            }
            Err(_) => return,
        }
    }
}

/// Writes what the machine says on one request stream, and watches for the peer's STOP_SENDING meanwhile.
async fn write_request(
    shared: &Arc<Shared>,
    key: RequestKey,
    send: &mut dyn SendStream,
    outgoing: OutboxReceiver,
) -> WriteEnd {
    let mut stopped = false;
    loop {
        let stop =
            async { if stopped { std::future::pending().await } else { crate::connection::stopped(send).await } };
        let next = tokio::select! {
            biased;
            next = outgoing.next() => next,
            code = stop => match code {
                Some(code) => {
                    stopped = true;
                    peer_stopped(shared, key, code);
                    continue;
                }
                None => return WriteEnd::Gone,
            },
        };
        let (mut chunks, fin) = match next {
            Outgoing::Write { chunks, fin } => (chunks, fin),
            Outgoing::Reset(code) => return reset(send, code),
        };
        // A stopped stream takes no more bytes; the machine's reset or end is still to come.
        if !stopped {
            // The last word has no handle behind it that could give it up.
            let patience =
                async { if fin { sleep(limit::REQUEST_LINGER).await } else { std::future::pending().await } };
            let written = tokio::select! {
                biased;
                code = outgoing.interrupted() => return reset(send, code),
                written = write_all_chunks(send, &mut chunks) => written,
                () = patience => return WriteEnd::Gone,
            };
            match written {
                Ok(()) => {}
                Err(WriteError::Stopped(code)) => {
                    stopped = true;
                    peer_stopped(shared, key, code);
                }
                Err(WriteError::Connection(_) | WriteError::Closed) => return WriteEnd::Gone,
            }
        }
        if fin {
            let _ = send.finish();
            return WriteEnd::Finished;
        }
    }
}

fn peer_stopped(shared: &Arc<Shared>, key: RequestKey, code: u64) {
    shared.with(|state| {
        state.machine.handle_request_stopped(key, code);
        Ok(())
    });
}

/// Resets with a code, or leaves it to the stream's drop.
fn reset(send: &mut dyn SendStream, code: Option<u64>) -> WriteEnd {
    match code {
        Some(code) => {
            send.reset(code);
            WriteEnd::Reset(code)
        }
        None => WriteEnd::Gone,
    }
}

/// Opens this side's control stream and writes it for the life of the session.
async fn open_control(shared: Arc<Shared>) {
    if let Ok(stream) = shared.connection.open_uni().await {
        write_control(&shared, stream).await;
    }
}

/// Draft-16, client: opens the control stream of both sides.
async fn open_shared_control(shared: Arc<Shared>) {
    if let Ok(stream) = shared.connection.open_bidi().await {
        share_control(shared, stream).await;
    }
}

/// Draft-16: reads and writes the control stream of both sides for the life of the session.
async fn share_control(shared: Arc<Shared>, (send, recv): BidiStream) {
    tokio::join!(write_control(&shared, send), streams::read_control(&shared, recv, Bytes::new()));
}

/// Writes this side's control messages for the life of the session.
async fn write_control(shared: &Arc<Shared>, mut stream: Box<dyn SendStream>) {
    stream.set_priority(CONTROL_PRIORITY);
    loop {
        let next = shared.lock().control.pop_front();
        let stopped = match next {
            Some(bytes) => match write_all(&mut *stream, bytes).await {
                Ok(()) => false,
                Err(WriteError::Stopped(_)) => true,
                // The driver sees the end of the connection, and its reason.
                Err(WriteError::Connection(_) | WriteError::Closed) => return,
            },
            None => tokio::select! {
                () = shared.control.notified() => false,
                code = crate::connection::stopped(&mut *stream) => match code {
                    Some(_) => true,
                    None => return,
                },
            },
        };
        if stopped {
            let reason = "the peer stopped this side's control stream";
            streams::control_lost(shared, ProtocolError::new(SessionErrorCode::ProtocolViolation, reason)).await;
        }
        if shared.has_ended() {
            return;
        }
    }
}

/// Hands a datagram to the subscription of its alias; unknown aliases and full queues drop it, as the draft allows.
fn receive_datagram(shared: &Arc<Shared>, bytes: Bytes) {
    match moqt::Datagram::decode(bytes, shared.version) {
        Ok(Some(datagram)) => {
            let state = shared.lock();
            let data = state
                .machine
                .subscription_by_alias(datagram.track_alias)
                .and_then(|key| state.slots.get(&key))
                .and_then(|slot| slot.data.as_ref());
            if let Some(data) = data.filter(|data| data.capacity() > limit::DATAGRAM_HEADROOM) {
                let _ = data.try_send(DataEvent::Datagram(datagram));
            }
        }
        Ok(None) => {}
        Err(error) => shared.end(SessionError::Protocol(error)),
    }
}
