//! REQUEST_UPDATE in both directions (section 10.9).

use super::Session;
use super::event::{CommandError, Event, RequestKey};
use super::limit::MAX_PENDING_UPDATES;
use super::request::{Kind, Opener, PendingUpdate, Request, Role};
use super::tokens::has_repeats;
use crate::{
    Answered, Message, Parameters, ProtocolError, PublishDone, PublishDoneCode, ReasonPhrase, RequestError,
    RequestErrorCode, RequestKind, RequestOk, RequestUpdate,
};

impl Session {
    /// Changes a request of this side, or a subscription the peer began with PUBLISH. The answer
    /// comes as [`Event::UpdateResponse`], in the order of the updates.
    ///
    /// # Errors
    /// [`CommandError`] when the request cannot be updated, a parameter does not belong to it, or
    /// too many updates wait for their answer.
    pub fn update(&mut self, key: RequestKey, parameters: Parameters) -> Result<(), CommandError> {
        self.check_open()?;
        let request = self.requests.get(key).ok_or(CommandError::UnknownRequest)?;
        let kind = updatable(request, Opener::Local)?;
        if request.write_closed {
            return Err(CommandError::WrongState("the peer reads no more of this request"));
        }
        if request.sent_updates.len() >= MAX_PENDING_UPDATES {
            return Err(CommandError::Limit("unanswered updates"));
        }
        let tokens = self.checked_tokens(&parameters.authorization_tokens)?;
        let request_id = self.local_ids.peek().ok_or(CommandError::TooManyRequests)?;
        let pending = PendingUpdate::from(&parameters);
        let update = RequestUpdate { request_id, existing_request_id: request.id, parameters };
        update.validate(kind, self.plane.version())?;
        self.write(key, &Message::RequestUpdate(update), false)?;
        self.local_ids.advance();
        self.keep_tokens(tokens);
        if let Some(request) = self.requests.get_mut(key) {
            request.sent_updates.push_back(pending);
        }
        Ok(())
    }

    /// Accepts the oldest update of the peer that has no answer. `parameters.largest_object`
    /// becomes the Joining Location when the update turned Forward from 0 to 1.
    ///
    /// # Errors
    /// [`CommandError`] when no update waits, the request itself has no answer yet, or a parameter
    /// does not belong in the answer.
    pub fn accept_update(&mut self, key: RequestKey, parameters: Parameters) -> Result<(), CommandError> {
        self.check_update(key)?;
        let largest = parameters.largest_object;
        let ok = RequestOk { parameters, ..RequestOk::default() };
        ok.validate(Answered::Update, self.plane.version())?;
        self.write(key, &Message::RequestOk(ok), false)?;
        let Some(request) = self.requests.get_mut(key) else { return Ok(()) };
        let Some(update) = request.received_updates.pop_front() else { return Ok(()) };
        if let (Some(forward), Some(subscription)) = (update.forward, request.subscription_mut()) {
            if forward && !subscription.forward {
                subscription.joining = largest;
            }
            subscription.forward = forward;
        }
        set_prefix(&mut request.kind, update.prefix);
        self.join_waiting(key);
        Ok(())
    }

    /// Refuses the oldest update of the peer that has no answer. That ends the request: a
    /// subscription this side publishes with PUBLISH_DONE UPDATE_FAILED (its data streams must be
    /// reset before), others with the stream. Only a subscription the peer publishes goes on until
    /// its PUBLISH_DONE.
    ///
    /// # Errors
    /// [`CommandError`] when no update waits, the request itself has no answer yet, or for a
    /// redirect the peer must not be given.
    pub fn reject_update(&mut self, key: RequestKey, error: RequestError) -> Result<(), CommandError> {
        let kind = self.check_update(key)?;
        error.validate(self.side, kind)?;
        self.fail_update(key, error)?;
        if let Some(request) = self.requests.get_mut(key) {
            request.received_updates.pop_front();
        }
        Ok(())
    }

    fn check_update(&self, key: RequestKey) -> Result<RequestKind, CommandError> {
        self.check_open()?;
        let request = self.requests.get(key).ok_or(CommandError::UnknownRequest)?;
        if request.received_updates.is_empty() {
            return Err(CommandError::WrongState("no update waits for an answer"));
        }
        if !request.established {
            return Err(CommandError::WrongState("the request has no answer yet"));
        }
        request.request_kind().ok_or(CommandError::UnknownRequest)
    }

    /// Writes the refusal and what must follow it; the request is gone then, unless the peer
    /// publishes it.
    fn fail_update(&mut self, key: RequestKey, error: RequestError) -> Result<Option<Request>, CommandError> {
        let Some(request) = self.requests.get(key) else { return Ok(None) };
        let (publisher, subscriber) = (request.has_role(Role::Publisher), request.has_role(Role::Subscriber));
        self.write(key, &Message::RequestError(error), !publisher && !subscriber)?;
        if publisher {
            let done = PublishDone {
                request_id: None,
                status: PublishDoneCode::UpdateFailed,
                stream_count: None,
                reason: ReasonPhrase::from("the update failed"),
            };
            self.write(key, &Message::PublishDone(done), true)?;
        }
        Ok(if subscriber { None } else { self.remove(key) })
    }

    pub(super) fn receive_update(
        &mut self,
        key: RequestKey,
        kind: RequestKind,
        update: RequestUpdate,
    ) -> Result<(), ProtocolError> {
        self.peer_ids.insert(update.request_id)?;
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        if updatable(request, Opener::Peer).is_err() {
            return Err(ProtocolError::violation(format!(
                "REQUEST_UPDATE of a {kind:?} request that cannot be updated"
            )));
        }
        update.validate(kind, self.plane.version())?;
        let mut parameters = update.parameters;
        let tokens = self.peer_tokens.apply(&std::mem::take(&mut parameters.authorization_tokens))?;
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        let refusal = if !request.announced {
            // A FETCH held back for its subscription: the application could not make sense of the
            // update.
            Some((RequestErrorCode::ExcessiveLoad, "the FETCH still waits for its subscription"))
        } else if has_repeats(&tokens) {
            Some((RequestErrorCode::MalformedAuthToken, "the same token twice"))
        } else if request.received_updates.len() >= MAX_PENDING_UPDATES {
            Some((RequestErrorCode::ExcessiveLoad, "too many updates wait"))
        } else if parameters.namespace_prefix.as_ref().is_some_and(super::namespaces::is_reserved) {
            Some((RequestErrorCode::DoesNotExist, "the namespace is reserved"))
        } else if parameters.namespace_prefix.as_ref().is_some_and(|prefix| self.overlaps(key, &request.kind, prefix)) {
            Some((RequestErrorCode::PrefixOverlap, "the prefix overlaps another one"))
        } else {
            None
        };
        if let Some((code, reason)) = refusal {
            self.refuse_update(key, code, reason);
            return Ok(());
        }
        if let Some(request) = self.requests.get_mut(key) {
            request.received_updates.push_back(PendingUpdate::from(&parameters));
        }
        self.event(Event::Update { key, parameters, tokens });
        Ok(())
    }

    /// Refuses an update the application has not seen.
    fn refuse_update(&mut self, key: RequestKey, code: RequestErrorCode, reason: &str) {
        let established = self.requests.get(key).is_some_and(|request| request.established);
        if !established {
            // The first answer on the stream is the one to the request itself.
            self.refuse_with(key, code, None, reason);
            return;
        }
        let error =
            RequestError { request_id: None, code, retry: None, reason: ReasonPhrase::from(reason), redirect: None };
        if let Ok(Some(request)) = self.fail_update(key, error) {
            self.report_end(key, request, None);
        }
    }

    pub(super) fn receive_update_ok(&mut self, key: RequestKey, ok: RequestOk) -> Result<(), ProtocolError> {
        let Some(request) = self.requests.get_mut(key) else { return Ok(()) };
        let Some(update) = request.sent_updates.pop_front() else {
            return Err(ProtocolError::violation("REQUEST_OK with nothing left to answer"));
        };
        ok.validate(Answered::Update, self.plane.version())?;
        set_prefix(&mut request.kind, update.prefix);
        self.event(Event::UpdateResponse { key, result: Ok(ok.parameters) });
        Ok(())
    }

    pub(super) fn receive_update_error(
        &mut self,
        key: RequestKey,
        kind: RequestKind,
        error: RequestError,
    ) -> Result<(), ProtocolError> {
        let Some(request) = self.requests.get_mut(key) else { return Ok(()) };
        if request.sent_updates.pop_front().is_none() {
            return Err(ProtocolError::violation("REQUEST_ERROR with nothing left to answer"));
        }
        self.event(Event::UpdateResponse { key, result: Err(error) });
        let goes_on = matches!(kind, RequestKind::Subscribe | RequestKind::Publish);
        if !goes_on && let Some(request) = self.remove(key) {
            self.outputs.extend(self.plane.finish(key));
            self.report_end(key, request, None);
        }
        Ok(())
    }
}

/// The kind of the request, if `updater` may update it: who opened it may, and so may the
/// subscriber of an accepted PUBLISH.
fn updatable(request: &Request, updater: Opener) -> Result<RequestKind, CommandError> {
    let kind = request.request_kind().ok_or(CommandError::UnknownRequest)?;
    let may = match kind {
        RequestKind::TrackStatus => false,
        RequestKind::Publish => request.opener == updater || request.established,
        _ => request.opener == updater,
    };
    may.then_some(kind).ok_or(CommandError::WrongState("the request cannot be updated"))
}

fn set_prefix(kind: &mut Kind, prefix: Option<crate::Namespace>) {
    let Some(prefix) = prefix else { return };
    match kind {
        Kind::SubscribeNamespace(subscription) => subscription.set_prefix(prefix),
        Kind::SubscribeTracks(subscription) => subscription.prefix = prefix,
        _ => {}
    }
}
