//! Answers of this side to requests of the peer, and what a publisher says at the end (sections
//! 10.5 to 10.11).

use std::time::Duration;

use super::Session;
use super::event::{CommandError, RequestKey};
use super::incoming::ends_before;
use super::request::{Kind, Opener, Request, Role};
use crate::{
    Answered, FetchOk, Location, Message, Parameters, Properties, PublishDone, PublishDoneCode, ReasonPhrase, Redirect,
    RequestError, RequestErrorCode, RequestKind, RequestOk, StreamErrorCode, SubscribeOk, TrackAlias,
};

impl Session {
    /// Accepts a SUBSCRIBE. `alias` is what its objects will carry, `None` for one the machine
    /// chooses; `parameters.largest_object` becomes the Joining Location.
    ///
    /// # Errors
    /// [`CommandError`] when the request is not a SUBSCRIBE that waits for an answer, the alias is
    /// in use, or a parameter does not belong in SUBSCRIBE_OK.
    pub fn accept_subscribe(
        &mut self,
        key: RequestKey,
        alias: Option<TrackAlias>,
        parameters: Parameters,
        properties: Properties,
    ) -> Result<TrackAlias, CommandError> {
        self.pending(key, &[RequestKind::Subscribe])?;
        let track_alias = self.choose_alias(alias)?;
        let largest = parameters.largest_object;
        let ok = SubscribeOk { request_id: None, track_alias, parameters, properties };
        self.write(key, &Message::SubscribeOk(ok), false)?;
        self.requests.set_alias(key, track_alias);
        if let Some(request) = self.requests.get_mut(key) {
            request.established = true;
            if let Some(subscription) = request.subscription_mut().filter(|subscription| subscription.forward) {
                subscription.joining = largest;
            }
        }
        self.join_waiting(key);
        Ok(track_alias)
    }

    /// Accepts a FETCH whose end is known; objects may have been sent before.
    ///
    /// # Errors
    /// [`CommandError`] when the request is not a FETCH that waits for an answer, or `end` (one
    /// past the last object, or object 0 for the whole group) is before its start.
    pub fn accept_fetch(
        &mut self,
        key: RequestKey,
        end_of_track: bool,
        end: Location,
        parameters: Parameters,
        properties: Properties,
    ) -> Result<(), CommandError> {
        let request = self.pending(key, &[RequestKind::Fetch])?;
        if let Kind::Fetch(fetch) = &request.kind
            && fetch.start.is_some_and(|start| ends_before(end, start))
        {
            return Err(CommandError::Message("FETCH_OK must not end before the range starts".into()));
        }
        let ok = FetchOk { request_id: None, end_of_track, end, parameters, properties };
        self.write(key, &Message::FetchOk(ok), false)?;
        self.establish(key);
        Ok(())
    }

    /// Accepts a PUBLISH, TRACK_STATUS or namespace request. A TRACK_STATUS is over then. Accepting
    /// a PUBLISH ends a SUBSCRIBE of this side for the same track that has no answer yet, with
    /// [`Event::Ended`](super::Event::Ended).
    ///
    /// # Errors
    /// [`CommandError`] when the request is none of these or was answered, for parameters that do
    /// not belong in the answer, for properties with anything but TRACK_STATUS, and for a track
    /// this side subscribed to meanwhile.
    pub fn accept(
        &mut self,
        key: RequestKey,
        parameters: Parameters,
        properties: Properties,
    ) -> Result<(), CommandError> {
        let kinds = [
            RequestKind::Publish,
            RequestKind::TrackStatus,
            RequestKind::PublishNamespace,
            RequestKind::SubscribeNamespace,
            RequestKind::SubscribeTracks,
        ];
        let kind = self.pending(key, &kinds)?.request_kind().ok_or(CommandError::UnknownRequest)?;
        let crossing = self.crossing_subscribe(key)?;
        let ok = RequestOk { request_id: None, parameters, properties };
        ok.validate(Answered::Request(kind), self.plane.version())?;
        if let Some(subscribe) = crossing
            && let Some(request) = self.remove(subscribe)
        {
            self.outputs.extend(self.plane.cancel(subscribe, StreamErrorCode::Cancelled));
            let code = StreamErrorCode::Cancelled.to_wire(self.plane.version());
            self.report_end(subscribe, request, Some(code));
        }
        let over = kind == RequestKind::TrackStatus;
        self.write(key, &Message::RequestOk(ok), over)?;
        if over {
            self.remove(key);
        } else {
            self.establish(key);
        }
        Ok(())
    }

    /// Refuses a request and finishes its stream. `retry` is when to try again, `None` for never.
    ///
    /// # Errors
    /// [`CommandError`] when the request is not the peer's or was answered, and for a redirect the
    /// peer must not be given: a URI from a client, a track name for a namespace request.
    pub fn reject(
        &mut self,
        key: RequestKey,
        code: RequestErrorCode,
        retry: Option<Duration>,
        reason: &str,
        redirect: Option<Redirect>,
    ) -> Result<(), CommandError> {
        let kind = self.pending(key, &RequestKind::ALL)?.request_kind().ok_or(CommandError::UnknownRequest)?;
        let error = RequestError { request_id: None, code, retry, reason: ReasonPhrase::from(reason), redirect };
        error.validate(self.side, kind)?;
        self.write(key, &Message::RequestError(error), true)?;
        self.remove(key);
        Ok(())
    }

    /// Ends a subscription as its publisher and finishes the stream. All its data streams must be
    /// finished or reset before. `stream_count` is how many there were, `None` when not known
    /// exactly.
    ///
    /// # Errors
    /// [`CommandError`] when this side does not publish the subscription, or has not answered it.
    pub fn publish_done(
        &mut self,
        key: RequestKey,
        status: PublishDoneCode,
        stream_count: Option<u64>,
        reason: &str,
    ) -> Result<(), CommandError> {
        self.check_open()?;
        let request = self.requests.get(key).ok_or(CommandError::UnknownRequest)?;
        if !request.has_role(Role::Publisher) || (request.opener == Opener::Peer && !request.established) {
            return Err(CommandError::WrongState("not a subscription this side publishes"));
        }
        let done = PublishDone { request_id: None, status, stream_count, reason: ReasonPhrase::from(reason) };
        self.write(key, &Message::PublishDone(done), true)?;
        self.remove(key);
        Ok(())
    }

    /// The request, if it is the peer's, of one of these kinds, known to the application and
    /// without an answer.
    fn pending(&self, key: RequestKey, kinds: &[RequestKind]) -> Result<&Request, CommandError> {
        self.check_open()?;
        let request = self.requests.get(key).ok_or(CommandError::UnknownRequest)?;
        let fits = request.request_kind().is_some_and(|kind| kinds.contains(&kind));
        if !fits || request.opener != Opener::Peer || !request.announced {
            return Err(CommandError::WrongState("the answer is for another kind of request"));
        }
        if request.established {
            return Err(CommandError::WrongState("the request was answered"));
        }
        Ok(request)
    }

    /// A SUBSCRIBE of this side that a PUBLISH of the peer crossed. It must end before the PUBLISH
    /// is accepted (section 5.1).
    fn crossing_subscribe(&self, key: RequestKey) -> Result<Option<RequestKey>, CommandError> {
        let Some(subscription) = self.requests.get(key).and_then(Request::subscription) else { return Ok(None) };
        let Some(subscribe) = self.requests.subscribing(&subscription.track).subscribe else { return Ok(None) };
        match self.requests.get(subscribe) {
            Some(request) if request.established => Err(CommandError::DuplicateSubscription),
            _ => Ok(Some(subscribe)),
        }
    }

    pub(super) fn choose_alias(&mut self, alias: Option<TrackAlias>) -> Result<TrackAlias, CommandError> {
        match alias {
            None => Ok(self.requests.allocate_alias()),
            Some(alias) if self.requests.sent_alias(alias).is_some() => Err(CommandError::AliasInUse(alias)),
            Some(alias) => Ok(alias),
        }
    }

    fn establish(&mut self, key: RequestKey) {
        if let Some(request) = self.requests.get_mut(key) {
            request.established = true;
        }
    }

    /// Answers with an error and forgets the request, whether or not it is known what it asks for.
    pub(super) fn refuse_with(
        &mut self,
        key: RequestKey,
        code: RequestErrorCode,
        retry: Option<Duration>,
        reason: &str,
    ) {
        let error = RequestError { request_id: None, code, retry, reason: ReasonPhrase::from(reason), redirect: None };
        if self.write(key, &Message::RequestError(error), true).is_err() {
            self.outputs.extend(self.plane.cancel(key, StreamErrorCode::InternalError));
        }
        if let Some(request) = self.remove(key) {
            self.report_end(key, request, None);
        }
    }

    /// Queues a message on a request's stream.
    pub(super) fn write(&mut self, key: RequestKey, message: &Message, fin: bool) -> Result<(), CommandError> {
        let outputs = self.plane.write(key, message, fin)?;
        self.outputs.extend(outputs);
        Ok(())
    }

    pub(super) fn check_open(&self) -> Result<(), CommandError> {
        if self.failed.is_some() { Err(CommandError::Closed) } else { Ok(()) }
    }
}
