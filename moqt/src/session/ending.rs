//! How requests end: FIN, reset and STOP_SENDING of the peer, cancellation by this side (sections
//! 3.3.2, 5.1.1, 5.2).

use super::Session;
use super::event::{Event, RequestKey};
use super::request::{Kind, Opener, Request, Role};
use crate::{ProtocolError, RequestKind, StreamErrorCode};

impl Session {
    /// The peer finished its half of a request's stream. Ends namespace requests; on the others it
    /// only means that no more updates come, unless an answer or the end of a PUBLISH is still
    /// owed.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION when the stream ends inside a message.
    pub fn handle_request_fin(&mut self, key: RequestKey) -> Result<(), ProtocolError> {
        self.guarded(|session| session.receive_fin(key))
    }

    /// The peer reset its half of a request's stream: the request is over.
    pub fn handle_request_reset(&mut self, key: RequestKey, code: u64) {
        self.cancelled_by_peer(key, Some(code));
    }

    /// The peer sent STOP_SENDING on a request's stream. Ends the request, except where the peer's
    /// own half still decides: while this side waits for an answer, and where the peer is the one
    /// who publishes.
    pub fn handle_request_stopped(&mut self, key: RequestKey, code: u64) {
        let Some(request) = self.requests.get_mut(key) else { return };
        let peer_half_decides = request.opener == Opener::Local
            && (!request.established
                || request.has_role(Role::Subscriber)
                || matches!(request.kind, Kind::Fetch(_) | Kind::SubscribeNamespace(_) | Kind::SubscribeTracks(_)));
        if peer_half_decides {
            request.write_closed = true;
        } else {
            self.cancelled_by_peer(key, Some(code));
        }
    }

    /// Ends a request of either side: resets what is open with `code` and forgets it. On a
    /// subscription ended by its publisher, only releases the alias. The caller resets data streams
    /// itself. Nothing happens for a dead key.
    pub fn cancel(&mut self, key: RequestKey, code: StreamErrorCode) {
        if self.requests.release_finished(key) {
            return;
        }
        if self.remove(key).is_some() {
            self.outputs.extend(self.plane.cancel(key, code));
        }
    }

    /// Ends a FETCH of either side whose data stream has ended and which has been answered:
    /// finishes this side's half. Nothing happens for a dead key or another kind of request.
    pub fn finish(&mut self, key: RequestKey) {
        let is_fetch = self.requests.get(key).is_some_and(|request| matches!(request.kind, Kind::Fetch(_)));
        if is_fetch && self.remove(key).is_some() {
            self.outputs.extend(self.plane.finish(key));
        }
    }

    pub(super) fn receive_fin(&mut self, key: RequestKey) -> Result<(), ProtocolError> {
        let established = self.is_established();
        let Some(request) = self.requests.get_mut(key) else { return Ok(()) };
        if !established {
            request.early_fin = true;
            return Ok(());
        }
        if !request.input.is_empty() {
            return Err(ProtocolError::violation("a request stream ended inside a message"));
        }
        let ends = match (request.request_kind(), request.opener) {
            (None, _) => true,
            (Some(kind), _) if kind.is_about_namespace() => true,
            // The peer owes an answer that cannot come any more, or a PUBLISH_DONE.
            (Some(_), Opener::Local) if !request.established => true,
            (Some(RequestKind::Subscribe), Opener::Local) | (Some(RequestKind::Publish), Opener::Peer) => true,
            _ => false,
        };
        if ends && let Some(request) = self.remove(key) {
            self.outputs.extend(self.plane.finish(key));
            self.report_end(key, request, None);
        }
        Ok(())
    }

    /// The peer ended the request abruptly.
    pub(super) fn cancelled_by_peer(&mut self, key: RequestKey, code: Option<u64>) {
        let Some(request) = self.remove(key) else { return };
        self.outputs.extend(self.plane.cancel(key, StreamErrorCode::Cancelled));
        self.report_end(key, request, code);
    }

    /// Tells the application of a request that is out of the tables already.
    pub(super) fn report_end(&mut self, key: RequestKey, request: Request, code: Option<u64>) {
        if !request.announced {
            return;
        }
        if request.opener == Opener::Local
            && let Kind::SubscribeNamespace(subscription) = request.kind
        {
            for namespace in subscription.active {
                if let Some(suffix) = namespace.strip_prefix(&subscription.prefix) {
                    self.event(Event::NamespaceRemoved { key, suffix });
                }
            }
        }
        self.event(Event::Ended { key, code });
    }
}
