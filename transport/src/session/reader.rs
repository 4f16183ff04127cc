//! The receiving side of a track: subscriptions, subgroup streams, FETCH answers.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use moqt::session::{RequestKey, Response};
use moqt::{
    Datagram, FetchDecoder, FetchItem, FetchObjectHeader, FetchOk, ObjectHeader, Parameters, Properties, ProtocolError,
    PublishDone, PublishDoneCode, StreamErrorCode, SubgroupDecoder, SubgroupHeader, SubgroupId, SubgroupItem,
    TrackAlias,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::error::{RequestFailure, SessionError, StreamFailure};
use super::lease::{Course, Turn};
use super::limit;
use super::request::{PendingRequest, RequestGuard};
use super::shared::{DataEvent, RequestEvent, Shared};
use crate::connection::{Connection, RecvStream, read_chunk};

/// A live subscription of this side. Dropping it cancels it on the wire.
#[derive(Debug)]
pub struct Subscription {
    guard: RequestGuard,
    course: Course,
    data: mpsc::Receiver<DataEvent>,
    alias: TrackAlias,
    parameters: Parameters,
    properties: Properties,
    /// PUBLISH_DONE, once received, and the moment at which waiting for its streams ends.
    done: Option<(PublishDone, Instant)>,
    streams: u64,
}

/// What a subscription delivers.
#[derive(Debug)]
pub enum TrackEvent {
    /// The publisher opened a subgroup stream.
    Subgroup(SubgroupReader),
    /// One object that came as a datagram.
    Datagram(Datagram),
    /// The publisher ended the subscription, and its streams have arrived.
    Done {
        /// Why.
        status: PublishDoneCode,
        /// The publisher's words; may be empty.
        reason: String,
    },
    /// The session ended, or the peer dropped the subscription without PUBLISH_DONE (then the error is `None`).
    Lost(Option<SessionError>),
}

impl Subscription {
    pub(super) fn new(
        guard: RequestGuard,
        course: Course,
        data: mpsc::Receiver<DataEvent>,
        alias: TrackAlias,
        parameters: Parameters,
        properties: Properties,
    ) -> Self {
        Self { guard, course, data, alias, parameters, properties, done: None, streams: 0 }
    }

    pub(super) fn from_pending(pending: PendingRequest, response: Response) -> Result<Self, RequestFailure> {
        let Response::Subscribed(ok) = response else { return Err(RequestFailure::Dropped) };
        let PendingRequest { guard, events, data, .. } = pending;
        Ok(Self::new(guard, Course::new(events), data, ok.track_alias, ok.parameters, ok.properties))
    }

    /// The local name of the request, for logs.
    pub fn key(&self) -> RequestKey {
        self.guard.key
    }

    /// The session's draft.
    pub fn version(&self) -> moqt::Version {
        self.guard.shared.version
    }

    /// The connection it came over.
    pub fn connection(&self) -> &Arc<dyn Connection> {
        &self.guard.shared.connection
    }

    /// The alias the publisher chose.
    pub fn alias(&self) -> TrackAlias {
        self.alias
    }

    /// Parameters of SUBSCRIBE_OK or PUBLISH: largest object, expiry.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Track properties as published.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Changes the subscription (REQUEST_UPDATE) and waits for the answer.
    ///
    /// # Errors
    /// The publisher refused (the subscription then ends), did not answer in time, or the session ended.
    pub async fn update(&self, parameters: Parameters) -> Result<Parameters, RequestFailure> {
        self.guard.update(parameters).await
    }

    /// As [`Subscription::update`], but the answer may be waited for beside the subscription's events.
    ///
    /// # Errors
    /// The request could not be sent.
    pub fn send_update(
        &self,
        parameters: Parameters,
    ) -> Result<impl Future<Output = Result<Parameters, RequestFailure>> + Send + use<>, RequestFailure> {
        self.guard.send_update(parameters)
    }

    /// The next stream, datagram or end. After `Done` or `Lost` it keeps returning `Lost`. Cancel safe.
    pub async fn next(&mut self) -> TrackEvent {
        loop {
            let deadline = match &self.done {
                Some((done, _)) if done.stream_count.is_some_and(|count| self.streams >= count) => {
                    return self.finish();
                }
                Some((_, deadline)) => Some(*deadline),
                None => None,
            };
            tokio::select! {
                biased;
                data = self.data.recv() => match data {
                    Some(DataEvent::Subgroup(reader)) => {
                        self.streams += 1;
                        return TrackEvent::Subgroup(*reader);
                    }
                    Some(DataEvent::Datagram(datagram)) => return TrackEvent::Datagram(datagram),
                    Some(DataEvent::Fetch(_)) => {}
                    None => return self.finish(),
                },
                turn = self.course.next(), if self.done.is_none() => match turn {
                    Turn::Other(RequestEvent::Done(done)) => {
                        self.done = Some((done, Instant::now() + limit::DONE_GRACE));
                    }
                    Turn::Update(_) => self.accept_update(),
                    Turn::Refused(refusal) => {
                        self.guard.reject_update(refusal);
                        return self.finish();
                    }
                    Turn::Expired => {
                        self.guard.shared.cancel(self.guard.key, StreamErrorCode::ExpiredAuthToken);
                        return self.finish();
                    }
                    Turn::Ended => return self.finish(),
                    Turn::Other(_) => {}
                },
                () = grace(deadline) => return self.finish(),
            }
        }
    }

    /// The publisher of a PUBLISH updates it: what it says of the track is taken from the objects, so only the lease had a say.
    fn accept_update(&self) {
        let answer = Parameters { expires: self.course.left(), ..Parameters::default() };
        self.guard.shared.tell(|machine| machine.accept_update(self.guard.key, answer));
    }

    /// The last event: what ended the subscription.
    fn finish(&mut self) -> TrackEvent {
        // Releases the alias; streams that come later are stopped.
        self.guard.cancel();
        // Streams are looked at before events, so the end may still be among them.
        while let Some(event) = self.course.left_over() {
            if let RequestEvent::Done(done) = event {
                self.done.get_or_insert_with(|| (done, Instant::now()));
            }
        }
        match self.done.take() {
            Some((done, _)) => TrackEvent::Done { status: done.status, reason: done.reason.to_string() },
            None => TrackEvent::Lost(self.guard.shared.error()),
        }
    }
}

/// Waits for the end of the time that late streams get, if it has begun.
async fn grace(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// One subgroup stream being received. Dropping it before its end stops it (CANCELLED); not reading holds the sender back.
#[derive(Debug)]
pub struct SubgroupReader {
    shared: Arc<Shared>,
    stream: Box<dyn RecvStream>,
    header: SubgroupHeader,
    decoder: SubgroupDecoder,
    first_object: Option<u64>,
    ended: bool,
}

/// One whole object with its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Header fields and properties.
    pub header: ObjectHeader,
    /// The payload in one piece.
    pub payload: Bytes,
    /// When the header was here.
    pub began: Instant,
}

impl SubgroupReader {
    pub(super) fn new(shared: Arc<Shared>, stream: Box<dyn RecvStream>, header: SubgroupHeader, first: Bytes) -> Self {
        let mut decoder = SubgroupDecoder::new(shared.version, header.has_properties);
        if !first.is_empty() {
            decoder.push(first);
        }
        Self { shared, stream, header, decoder, first_object: None, ended: false }
    }

    /// The stream's header.
    pub fn header(&self) -> &SubgroupHeader {
        &self.header
    }

    /// The subgroup's id; `None` while it is the first object's id and that has not arrived.
    pub fn subgroup_id(&self) -> Option<u64> {
        match self.header.subgroup {
            SubgroupId::Zero => Some(0),
            SubgroupId::Explicit(id) => Some(id),
            SubgroupId::FirstObject => self.first_object,
        }
    }

    /// The next piece: an object's header, a part of its payload as it arrives, or its end. `None` at the stream's end.
    /// Cancel safe. Payload parts are slices of what was received, not copies.
    ///
    /// # Errors
    /// The peer reset the stream or broke the protocol (which ends the session), or the session ended.
    pub async fn next(&mut self) -> Result<Option<SubgroupItem>, StreamFailure> {
        loop {
            match self.decoder.next() {
                Ok(Some(item)) => {
                    if let SubgroupItem::Header { header, .. } = &item {
                        self.first_object.get_or_insert(header.object_id);
                    }
                    return Ok(Some(item));
                }
                Ok(None) if self.ended => return Ok(None),
                Ok(None) => {}
                Err(error) => return Err(protocol_failure(&self.shared, error)),
            }
            match read_chunk(&mut *self.stream, limit::READ_BYTES).await {
                Ok(Some(chunk)) => self.decoder.push(chunk),
                Ok(None) => {
                    self.ended = true;
                    self.decoder.finish().map_err(|error| protocol_failure(&self.shared, error))?;
                }
                Err(error) => return Err(StreamFailure::from_read(error, &self.shared)),
            }
        }
    }

    /// The next whole object of at most `limit` payload bytes. `None` at the stream's end. Not cancel safe: a part of an
    /// object may be lost.
    ///
    /// # Errors
    /// As [`SubgroupReader::next`]; also an object over `limit`, which is not read.
    pub async fn next_object(&mut self, limit: u64) -> Result<Option<Object>, StreamFailure> {
        let header = loop {
            match self.next().await? {
                Some(SubgroupItem::Header { header, .. }) => break header,
                Some(_) => {}
                None => return Ok(None),
            }
        };
        let began = Instant::now();
        check_size(header.payload_len, limit)?;
        let mut payload = Assembly::default();
        loop {
            match self.next().await? {
                Some(SubgroupItem::Payload(part)) => payload.push(part, header.payload_len),
                _ => return Ok(Some(Object { header, payload: payload.finish(), began })),
            }
        }
    }

    /// Asks the publisher to stop this stream.
    pub fn stop(&mut self, code: StreamErrorCode) {
        self.stream.stop(code.to_wire(self.shared.version));
    }

    /// Closes the session: the publisher broke a rule that only the reader could see.
    pub fn fail(&self, error: ProtocolError) {
        self.shared.end(SessionError::Protocol(error));
    }
}

fn protocol_failure(shared: &Shared, error: ProtocolError) -> StreamFailure {
    shared.end(SessionError::Protocol(error));
    StreamFailure::Session(shared.reason())
}

fn check_size(size: u64, limit: u64) -> Result<(), StreamFailure> {
    if size > limit { Err(StreamFailure::TooLarge { size, limit }) } else { Ok(()) }
}

/// Puts payload parts together; a payload that came in one part is not copied.
#[derive(Debug, Default)]
struct Assembly {
    single: Bytes,
    joined: BytesMut,
}

impl Assembly {
    fn push(&mut self, part: Bytes, total: u64) {
        if self.single.is_empty() && self.joined.is_empty() {
            self.single = part;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(usize::try_from(total).unwrap_or_default());
            self.joined.extend_from_slice(&std::mem::take(&mut self.single));
        }
        self.joined.extend_from_slice(&part);
    }

    fn finish(self) -> Bytes {
        if self.joined.is_empty() { self.single } else { self.joined.freeze() }
    }
}

/// A FETCH data stream as it arrived: read by the [`FetchReader`] it belongs to.
#[derive(Debug)]
pub(crate) struct FetchStream {
    pub(crate) stream: Box<dyn RecvStream>,
    pub(crate) first: Bytes,
}

/// The answer to a FETCH. Dropping it cancels the FETCH.
#[derive(Debug)]
pub struct FetchReader {
    guard: RequestGuard,
    response: Option<oneshot::Receiver<Result<Response, RequestFailure>>>,
    ok: Option<FetchOk>,
    /// Held so that the peer's events have somewhere to go.
    _events: mpsc::Receiver<RequestEvent>,
    data: mpsc::Receiver<DataEvent>,
    stream: Option<FetchStream>,
    decoder: FetchDecoder,
    deadline: Instant,
    ended: bool,
}

/// One whole object of a FETCH answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedObject {
    /// Location, subgroup, priority and properties.
    pub header: FetchObjectHeader,
    /// The payload in one piece.
    pub payload: Bytes,
}

impl FetchReader {
    pub(super) fn new(pending: PendingRequest, order: moqt::GroupOrder) -> Self {
        let PendingRequest { guard, response, events, data } = pending;
        let decoder = FetchDecoder::new(guard.shared.version, order);
        let deadline = Instant::now() + guard.shared.request_timeout;
        Self {
            guard,
            response: Some(response),
            ok: None,
            _events: events,
            data,
            stream: None,
            decoder,
            deadline,
            ended: false,
        }
    }

    /// The session's draft.
    pub fn version(&self) -> moqt::Version {
        self.guard.shared.version
    }

    /// FETCH_OK: where the answer ends. Objects may be read before it. Cancel safe.
    ///
    /// # Errors
    /// The peer refused, did not answer in time, or the session ended.
    pub async fn ok(&mut self) -> Result<&FetchOk, RequestFailure> {
        self.wait_for_answer().await?;
        self.ok.as_ref().ok_or(RequestFailure::Dropped)
    }

    /// Waits for FETCH_OK unless the answer came before. Cancel safe.
    async fn wait_for_answer(&mut self) -> Result<(), RequestFailure> {
        let Some(response) = self.response.as_mut() else { return Ok(()) };
        let answer = match timeout_at(self.deadline, response).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(self.guard.shared.error().map_or(RequestFailure::Dropped, RequestFailure::Session)),
            Err(_) => Err(RequestFailure::Timeout),
        };
        self.response = None;
        if let Response::Fetching(ok) = answer? {
            self.ok = Some(ok);
        }
        Ok(())
    }

    /// The next piece of the answer; `None` at its end. Cancel safe.
    ///
    /// # Errors
    /// The peer refused the FETCH, reset the stream, broke the protocol (which ends the session), or the session ended.
    pub async fn next(&mut self) -> Result<Option<FetchItem>, StreamFailure> {
        if self.stream.is_none() {
            self.wait_for_stream().await?;
        }
        loop {
            match self.decoder.next() {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) if self.ended => {
                    // The request is over when both its answer and its data are here.
                    self.wait_for_answer().await?;
                    self.guard.finish();
                    return Ok(None);
                }
                Ok(None) => {}
                Err(error) => return Err(protocol_failure(&self.guard.shared, error)),
            }
            let Some(stream) = self.stream.as_mut() else { return Ok(None) };
            match read_chunk(&mut *stream.stream, limit::READ_BYTES).await {
                Ok(Some(chunk)) => self.decoder.push(chunk),
                Ok(None) => {
                    self.ended = true;
                    self.decoder.finish().map_err(|error| protocol_failure(&self.guard.shared, error))?;
                }
                Err(error) => return Err(StreamFailure::from_read(error, &self.guard.shared)),
            }
        }
    }

    /// Waits for the data stream, or for the refusal that comes in its place.
    async fn wait_for_stream(&mut self) -> Result<(), StreamFailure> {
        loop {
            let arrived = match self.response.as_mut() {
                Some(response) => tokio::select! {
                    biased;
                    data = self.data.recv() => data,
                    answer = timeout_at(self.deadline, response) => {
                        self.response = None;
                        match answer {
                            Ok(Ok(Ok(Response::Fetching(ok)))) => self.ok = Some(ok),
                            Ok(Ok(Err(failure))) => return Err(failure.into()),
                            Ok(_) => return Err(self.closed()),
                            Err(_) => return Err(StreamFailure::Timeout),
                        }
                        continue;
                    }
                },
                None => self.data.recv().await,
            };
            match arrived {
                Some(DataEvent::Fetch(stream)) => {
                    self.decoder.push(stream.first.clone());
                    self.stream = Some(*stream);
                    return Ok(());
                }
                Some(_) => {}
                // A refusal closes the queue as well, and says more.
                None => {
                    self.wait_for_answer().await?;
                    return Err(self.closed());
                }
            }
        }
    }

    fn closed(&self) -> StreamFailure {
        self.guard.shared.error().map_or(StreamFailure::Closed, StreamFailure::Session)
    }

    /// The next whole object of at most `limit` payload bytes; range records are skipped. `None` at the end. Not cancel safe.
    ///
    /// # Errors
    /// As [`FetchReader::next`]; also an object over `limit`, which is not read.
    pub async fn next_object(&mut self, limit: u64) -> Result<Option<FetchedObject>, StreamFailure> {
        let header = loop {
            match self.next().await? {
                Some(FetchItem::Header { header, .. }) => break header,
                Some(_) => {}
                None => return Ok(None),
            }
        };
        check_size(header.payload_len, limit)?;
        let mut payload = Assembly::default();
        loop {
            match self.next().await? {
                Some(FetchItem::Payload(part)) => payload.push(part, header.payload_len),
                _ => return Ok(Some(FetchedObject { header, payload: payload.finish() })),
            }
        }
    }
}
