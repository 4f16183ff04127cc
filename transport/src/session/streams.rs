//! Sorting the peer's unidirectional streams: control, subgroup, FETCH or padding, by their first bytes.

use std::sync::Arc;

use bytes::Bytes;
use moqt::{Decode, DecodeError, ProtocolError, SessionErrorCode, StreamErrorCode, SubgroupHeader, UniStreamHeader};
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

use super::error::SessionError;
use super::limit;
use super::reader::{FetchStream, SubgroupReader};
use super::shared::{DataEvent, Shared};
use crate::connection::{CANCELLED, ReadError, RecvStream, read_chunk};

/// Reads a stream's header and hands the stream to whoever it is for.
pub(super) async fn receive(shared: Arc<Shared>, mut stream: Box<dyn RecvStream>) {
    let header = timeout(limit::STREAM_HEADER_TIMEOUT, read_header(&shared, &mut *stream)).await;
    match header {
        Ok(Some((UniStreamHeader::Control, all, _))) => read_control(&shared, stream, all).await,
        Ok(Some((UniStreamHeader::Subgroup(header), _, rest))) => hand_subgroup(&shared, stream, header, rest).await,
        Ok(Some((UniStreamHeader::Fetch { request_id }, _, rest))) => {
            let sender = {
                let mut state = shared.lock();
                let key = state.machine.fetch_by_request_id(request_id);
                // Taken: a FETCH has one data stream.
                key.and_then(|key| state.slots.get_mut(&key)).and_then(|slot| slot.data.take())
            };
            match sender {
                // Dropped with a reader that is gone, which stops the stream.
                Some(sender) => drop(sender.try_send(DataEvent::Fetch(Box::new(FetchStream { stream, first: rest })))),
                None => stream.stop(CANCELLED),
            }
        }
        Ok(Some((UniStreamHeader::Padding, ..))) => {
            while let Ok(Some(_)) = read_chunk(&mut *stream, limit::READ_BYTES).await {}
        }
        Ok(None) => {}
        Err(_) => {
            tracing::debug!(peer = %shared.connection.info().peer, "a stream without a header was stopped");
            stream.stop(CANCELLED);
        }
    }
}

/// The header, every byte read so far, and the bytes behind the header. `None` when the stream or session ended first.
async fn read_header(shared: &Arc<Shared>, stream: &mut dyn RecvStream) -> Option<(UniStreamHeader, Bytes, Bytes)> {
    let mut all = Bytes::new();
    loop {
        let chunk = match read_chunk(stream, limit::READ_BYTES).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) if all.is_empty() => return None,
            Ok(None) => {
                shared.end(violation("a stream ended inside its header"));
                return None;
            }
            Err(_) => return None,
        };
        all = if all.is_empty() { chunk } else { [all, chunk].concat().into() };
        let mut rest = all.clone();
        match UniStreamHeader::decode(&mut rest, shared.version) {
            Ok(header) => return Some((header, all, rest)),
            Err(DecodeError::Incomplete) => {}
            Err(DecodeError::Invalid(error)) => {
                shared.end(SessionError::Protocol(error));
                return None;
            }
        }
    }
}

fn violation(reason: &'static str) -> SessionError {
    SessionError::Protocol(ProtocolError::new(SessionErrorCode::ProtocolViolation, reason))
}

/// Reads the peer's control messages until the session ends; `first` has come already.
pub(super) async fn read_control(shared: &Arc<Shared>, mut stream: Box<dyn RecvStream>, first: Bytes) {
    shared.with(|state| {
        state.machine.accept_control()?;
        state.machine.handle_control(first)
    });
    loop {
        match read_chunk(&mut *stream, limit::READ_BYTES).await {
            Ok(Some(bytes)) => {
                shared.with(|state| state.machine.handle_control(bytes));
            }
            Ok(None) | Err(ReadError::Reset(_)) => {
                let error = shared.lock().machine.handle_control_closed();
                control_lost(shared, error).await;
                return;
            }
            Err(_) => return,
        }
        if shared.has_ended() {
            return;
        }
    }
}

/// Ends the session for a control stream that must not end. A closing peer's streams may end a moment before its close arrives:
/// that is the reason then.
pub(super) async fn control_lost(shared: &Arc<Shared>, error: ProtocolError) {
    let closed = timeout(limit::CLOSE_GRACE, shared.connection.closed()).await;
    shared.end(match closed {
        Ok(closed) => shared.lost(closed),
        Err(_) => SessionError::Protocol(error),
    });
}

/// Delivers a subgroup stream to the subscription of its alias; data may overtake SUBSCRIBE_OK, so an unknown alias waits a little.
async fn hand_subgroup(shared: &Arc<Shared>, stream: Box<dyn RecvStream>, header: SubgroupHeader, first: Bytes) {
    let find = async {
        loop {
            let known = shared.aliases.notified();
            {
                let state = shared.lock();
                if let Some(key) = state.machine.subscription_by_alias(header.track_alias) {
                    return state.slots.get(&key).and_then(|slot| slot.data.clone());
                }
                if state.machine.is_retired_alias(header.track_alias) {
                    return None;
                }
            }
            if shared.has_ended() {
                return None;
            }
            known.await;
        }
    };
    let sender = timeout(limit::UNKNOWN_ALIAS_WAIT, find).await.ok().flatten();
    let mut reader = SubgroupReader::new(shared.clone(), stream, header, first);
    match sender.map(|sender| sender.try_reserve_owned()) {
        Some(Ok(place)) => {
            place.send(DataEvent::Subgroup(Box::new(reader)));
        }
        Some(Err(TrySendError::Full(_))) => {
            tracing::debug!(alias = ?header.track_alias, "streams of a subscription are not consumed: stream stopped");
            reader.stop(StreamErrorCode::ExcessiveLoad);
        }
        Some(Err(TrySendError::Closed(_))) | None => reader.stop(StreamErrorCode::Cancelled),
    }
}
