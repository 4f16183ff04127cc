//! The peer's answers to requests of this side, and the end of subscriptions it publishes (sections
//! 10.5 to 10.13).

use super::Session;
use super::event::{Event, RequestKey, Response};
use super::incoming::misplaced;
use super::request::{Kind, Request, Role};
use crate::{
    Answered, FetchOk, Message, Properties, ProtocolError, PublishDone, ReasonPhrase, RequestError, RequestErrorCode,
    RequestKind, RequestOk, StreamErrorCode, SubscribeOk,
};

impl Session {
    pub(super) fn receive_subscribe_ok(
        &mut self,
        key: RequestKey,
        kind: RequestKind,
        ok: SubscribeOk,
    ) -> Result<(), ProtocolError> {
        let track =
            self.requests.get(key).filter(|request| request.awaits_response() && kind == RequestKind::Subscribe);
        let Some(track) = track.and_then(Request::subscription).map(|subscription| subscription.track.clone()) else {
            return Err(misplaced(&Message::SubscribeOk(ok), kind));
        };
        self.check_new_alias(ok.track_alias, &track)?;
        self.requests.set_alias(key, ok.track_alias);
        if self.refuse_unsupported(key, &ok.properties) {
            return Ok(());
        }
        if let Some(request) = self.requests.get_mut(key) {
            request.established = true;
        }
        self.event(Event::Response { key, response: Response::Subscribed(ok) });
        Ok(())
    }

    pub(super) fn receive_fetch_ok(
        &mut self,
        key: RequestKey,
        kind: RequestKind,
        ok: FetchOk,
    ) -> Result<(), ProtocolError> {
        let request = self.requests.get_mut(key).filter(|request| request.awaits_response());
        let Some((request, start)) = request.and_then(|request| match &request.kind {
            Kind::Fetch(fetch) => {
                let start = fetch.start;
                Some((request, start))
            }
            _ => None,
        }) else {
            return Err(misplaced(&Message::FetchOk(ok), kind));
        };
        if let Some(start) = start {
            ok.validate(start)?;
        }
        request.established = true;
        if !self.refuse_unsupported(key, &ok.properties) {
            self.event(Event::Response { key, response: Response::Fetching(ok) });
        }
        Ok(())
    }

    /// REQUEST_OK: the answer to the request, or else to its oldest update.
    pub(super) fn receive_ok(
        &mut self,
        key: RequestKey,
        kind: RequestKind,
        ok: RequestOk,
    ) -> Result<(), ProtocolError> {
        let Some(request) = self.requests.get_mut(key) else { return Ok(()) };
        if !request.awaits_response() {
            return self.receive_update_ok(key, ok);
        }
        if matches!(kind, RequestKind::Subscribe | RequestKind::Fetch) {
            return Err(misplaced(&Message::RequestOk(ok), kind));
        }
        ok.validate(Answered::Request(kind), self.plane.version())?;
        request.established = true;
        if let Some(subscription) = request.subscription_mut() {
            // PUBLISH_OK sets the Forward State, and without the parameter it is 1 (section
            // 10.2.12).
            subscription.forward = ok.parameters.forward.unwrap_or(true);
        }
        self.event(Event::Response { key, response: Response::Accepted(ok) });
        if kind == RequestKind::TrackStatus {
            self.close_half(key);
        } else {
            self.join_waiting(key);
        }
        Ok(())
    }

    /// REQUEST_ERROR: the answer to the request, or else to its oldest update.
    pub(super) fn receive_error(
        &mut self,
        key: RequestKey,
        kind: RequestKind,
        error: RequestError,
    ) -> Result<(), ProtocolError> {
        error.validate(!self.side, kind)?;
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        if !request.awaits_response() {
            return self.receive_update_error(key, kind, error);
        }
        self.close_half(key);
        self.event(Event::Response { key, response: Response::Failed(error) });
        Ok(())
    }

    pub(super) fn receive_publish_done(&mut self, key: RequestKey, done: PublishDone) -> Result<(), ProtocolError> {
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        let Some(kind) = request.request_kind() else { return Ok(()) };
        if !request.has_role(Role::Subscriber) {
            return Err(misplaced(&Message::PublishDone(done), kind));
        }
        if request.awaits_response() {
            return Err(ProtocolError::violation("PUBLISH_DONE before SUBSCRIBE_OK"));
        }
        if let Some(request) = self.requests.finish_subscription(key) {
            self.removed(key, request);
        }
        self.outputs.extend(self.plane.finish(key));
        self.event(Event::Done { key, done });
        Ok(())
    }

    /// Forgets a request that the peer has answered for the last time, and finishes this side's
    /// half.
    pub(super) fn close_half(&mut self, key: RequestKey) {
        let Some(request) = self.remove(key) else { return };
        if !request.write_closed {
            self.outputs.extend(self.plane.finish(key));
        }
    }

    /// A track with a mandatory property that is not understood must not be used (section 2.5.1):
    /// cancels the request and reports it as refused.
    fn refuse_unsupported(&mut self, key: RequestKey, properties: &Properties) -> bool {
        let Some(property) = properties.unknown_mandatory(&[]) else { return false };
        if self.remove(key).is_some() {
            self.outputs.extend(self.plane.cancel(key, StreamErrorCode::Cancelled));
        }
        let error = RequestError {
            request_id: None,
            code: RequestErrorCode::UnsupportedExtension,
            retry: None,
            reason: ReasonPhrase::new(format!("track property {property:#x} is not understood")),
            redirect: None,
        };
        self.event(Event::Response { key, response: Response::Failed(error) });
        true
    }
}
