//! The sending side of a track: accepted subscriptions, subgroup streams, FETCH answers.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use moqt::session::RequestKey;
use moqt::{
    Datagram, Encode, EncodeError, FetchEncoder, FetchObjectHeader, GroupOrder, Location, Parameters, PublishDoneCode,
    ReasonPhrase, RequestError, RequestErrorCode, RequestId, StreamErrorCode, SubgroupHeader, SubgroupId, TrackAlias,
    UniStreamHeader,
};

use super::error::{SessionError, StreamFailure};
use super::lease::{Course, Lease, LeaseRefusal, Turn};
use super::request::RequestGuard;
use super::shared::Shared;
use crate::connection::{SendStream, write_all, write_all_chunks};

/// A subscription that this side serves. Dropping it without [`SubscriptionWriter::done`] ends it with INTERNAL_ERROR.
#[derive(Debug)]
pub struct SubscriptionWriter {
    shared: Arc<Shared>,
    key: RequestKey,
    alias: TrackAlias,
    course: Course,
    streams: AtomicU64,
    live: bool,
}

/// What a subscriber asks of a running subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a few per subscription, moved once each")]
pub enum SubscriptionEvent {
    /// REQUEST_UPDATE; to be answered by [`SubscriptionWriter::accept_update`] or [`SubscriptionWriter::reject_update`].
    Update(Parameters),
    /// REQUEST_UPDATE for what the subscriber may not have; to be answered by [`SubscriptionWriter::reject_update`].
    Refused(LeaseRefusal),
    /// The authorization has expired: [`SubscriptionWriter::done`] with EXPIRED is due.
    Expired,
    /// The subscriber is gone: reset what is open and drop the writer.
    Cancelled,
}

/// The fields of a subgroup stream's header that the publisher chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubgroupFields {
    /// Group id.
    pub group: u64,
    /// Subgroup id.
    pub subgroup: u64,
    /// Publisher priority; `None` = the track's default.
    pub priority: Option<u8>,
    /// Every object on the stream carries a properties block.
    pub has_properties: bool,
    /// The subgroup holds the group's last object.
    pub end_of_group: bool,
    /// The stream begins with the first object ever published in the subgroup.
    pub first_object: bool,
}

impl SubscriptionWriter {
    pub(super) fn new(shared: Arc<Shared>, key: RequestKey, alias: TrackAlias, course: Course) -> Self {
        Self { shared, key, alias, course, streams: AtomicU64::new(0), live: true }
    }

    /// Lets the subscription go on for as long as the lease says.
    pub fn hold(&mut self, lease: Box<dyn Lease>) {
        self.course.hold(lease);
    }

    /// The session's draft.
    pub fn version(&self) -> moqt::Version {
        self.shared.version
    }

    /// The track's alias in this session.
    pub fn alias(&self) -> TrackAlias {
        self.alias
    }

    /// Opens a subgroup stream and writes its header. `priority` is the transport's (higher first): see
    /// [`crate::stream_priority`]. Waits while the subscriber's stream limit is used up. Cancel safe: a stream that was opened
    /// but not returned is reset.
    ///
    /// # Errors
    /// The session ended, or the subscriber stopped the stream at once.
    pub async fn open_subgroup(&self, fields: SubgroupFields, priority: i32) -> Result<SubgroupWriter, StreamFailure> {
        let version = self.shared.version;
        let header = SubgroupHeader {
            track_alias: self.alias,
            group: fields.group,
            subgroup: if fields.subgroup == 0 { SubgroupId::Zero } else { SubgroupId::Explicit(fields.subgroup) },
            priority: fields.priority,
            has_properties: fields.has_properties,
            end_of_group: fields.end_of_group,
            first_object: fields.first_object,
        };
        let mut bytes = BytesMut::with_capacity(32);
        encoded(UniStreamHeader::Subgroup(header).encode(&mut bytes, version))?;
        let opened = self.shared.connection.open_uni().await;
        let mut stream = opened.map_err(|error| self.shared.lost(error))?;
        stream.set_priority(priority);
        self.streams.fetch_add(1, Ordering::Relaxed);
        write_all(&mut *stream, bytes.freeze())
            .await
            .map_err(|error| StreamFailure::from_write(error, &self.shared))?;
        Ok(SubgroupWriter { stream, shared: self.shared.clone() })
    }

    /// Sends one object as a datagram; what does not fit the path is dropped, as the draft wants.
    ///
    /// # Errors
    /// The session ended.
    pub fn send_datagram(&self, mut datagram: Datagram) -> Result<(), SessionError> {
        datagram.track_alias = self.alias;
        let mut bytes = BytesMut::new();
        datagram.encode(&mut bytes, self.shared.version).map_err(|error| SessionError::Local(error.to_string()))?;
        match self.shared.connection.send_datagram(bytes.freeze()) {
            Err(crate::connection::DatagramError::Connection(error)) => Err(self.shared.lost(error)),
            _ => Ok(()),
        }
    }

    /// What the subscriber asks next. After `Cancelled` it keeps returning `Cancelled`. Cancel safe.
    pub async fn next_event(&mut self) -> SubscriptionEvent {
        loop {
            match self.course.next().await {
                Turn::Update(parameters) => return SubscriptionEvent::Update(parameters),
                Turn::Refused(refusal) => return SubscriptionEvent::Refused(refusal),
                Turn::Expired => return SubscriptionEvent::Expired,
                Turn::Ended => {
                    self.live = false;
                    return SubscriptionEvent::Cancelled;
                }
                Turn::Other(_) => {}
            }
        }
    }

    /// Answers the oldest unanswered update.
    pub fn accept_update(&self, parameters: Parameters) {
        let parameters = Parameters { expires: parameters.expires.or_else(|| self.course.left()), ..parameters };
        self.shared.tell(|machine| machine.accept_update(self.key, parameters));
    }

    /// Refuses the oldest unanswered update, which ends the subscription (UPDATE_FAILED). All streams must be closed before.
    pub fn reject_update(mut self, code: RequestErrorCode, reason: &str) {
        self.live = false;
        self.shared.conclude(self.key, |machine| {
            let reason = ReasonPhrase::from(reason);
            machine
                .reject_update(self.key, RequestError { request_id: None, code, retry: None, reason, redirect: None })
        });
    }

    /// Ends the subscription with PUBLISH_DONE. Every stream of it must be finished or reset before (draft-18 section 10.11).
    pub fn done(mut self, status: PublishDoneCode, reason: &str) {
        self.live = false;
        let streams = self.streams.load(Ordering::Relaxed);
        self.shared.conclude(self.key, |machine| machine.publish_done(self.key, status, Some(streams), reason));
    }
}

impl Drop for SubscriptionWriter {
    fn drop(&mut self) {
        if self.live {
            let streams = self.streams.load(Ordering::Relaxed);
            self.shared.conclude(self.key, |machine| {
                machine.publish_done(self.key, PublishDoneCode::InternalError, Some(streams), "publisher stopped")
            });
        } else {
            self.shared.forget(self.key);
        }
    }
}

/// One subgroup stream being sent. Dropping it before [`SubgroupWriter::finish`] resets it (CANCELLED).
#[derive(Debug)]
pub struct SubgroupWriter {
    stream: Box<dyn SendStream>,
    shared: Arc<Shared>,
}

impl SubgroupWriter {
    /// Hands over as many chunks as flow control takes, without copying: see [`SendStream::poll_write_chunks`].
    ///
    /// # Errors
    /// The subscriber stopped the stream, or the session ended.
    pub fn poll_write_chunks(
        &mut self,
        cx: &mut Context<'_>,
        chunks: &mut [Bytes],
    ) -> Poll<Result<usize, StreamFailure>> {
        self.stream.poll_write_chunks(cx, chunks).map_err(|error| StreamFailure::from_write(error, &self.shared))
    }

    /// Writes all chunks, waiting for flow control. Cancel safe: what was written is gone from `chunks`.
    ///
    /// # Errors
    /// The subscriber stopped the stream, or the session ended.
    pub async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), StreamFailure> {
        let written = write_all_chunks(&mut *self.stream, chunks).await;
        written.map_err(|error| StreamFailure::from_write(error, &self.shared))
    }

    /// Ends the stream: every object of the subgroup was written.
    pub fn finish(&mut self) {
        // A stream that the peer stopped meanwhile has nothing left to end.
        let _ = self.stream.finish();
    }

    /// Gives the stream up.
    pub fn reset(&mut self, code: StreamErrorCode) {
        self.stream.reset(code.to_wire(self.shared.version));
    }

    /// Changes the transport priority (higher first).
    pub fn set_priority(&mut self, priority: i32) {
        self.stream.set_priority(priority);
    }

    /// Ready when the subscriber stopped the stream (its code), or when everything was acknowledged or is gone (`None`).
    pub fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Option<StreamErrorCode>> {
        self.stream.poll_stopped(cx).map(|code| code.map(|code| StreamErrorCode::from_wire(code, self.shared.version)))
    }

    /// Waits for [`SubgroupWriter::poll_stopped`].
    pub async fn stopped(&mut self) -> Option<StreamErrorCode> {
        poll_fn(|cx| self.poll_stopped(cx)).await
    }
}

/// The data stream of an accepted FETCH. Dropping it before [`FetchWriter::finish`] resets it.
#[derive(Debug)]
pub struct FetchWriter {
    shared: Arc<Shared>,
    key: RequestKey,
    course: Course,
    stream: Box<dyn SendStream>,
    encoder: FetchEncoder,
    header: BytesMut,
    /// Why this side ended the FETCH.
    ended: Option<StreamErrorCode>,
}

impl FetchWriter {
    /// Opens the stream of an accepted FETCH; dropped or failing before that, the FETCH is reset.
    pub(super) async fn open(
        guard: RequestGuard,
        request_id: RequestId,
        order: GroupOrder,
        priority: i32,
        mut course: Course,
    ) -> Result<Self, SessionError> {
        let shared = guard.shared.clone();
        let mut header = BytesMut::with_capacity(64);
        UniStreamHeader::Fetch { request_id }
            .encode(&mut header, shared.version)
            .map_err(|error| SessionError::Local(error.to_string()))?;
        let mut stream = tokio::select! {
            biased;
            () = course.given_up() => {
                return Err(shared.error().unwrap_or_else(|| SessionError::Local("fetch was cancelled".to_owned())));
            }
            opened = shared.connection.open_uni() => opened.map_err(|error| shared.lost(error))?,
        };
        stream.set_priority(priority);
        let (key, encoder) = (guard.key, FetchEncoder::new(shared.version, order));
        guard.hand_over();
        Ok(Self { shared, key, course, stream, encoder, header, ended: None })
    }

    /// Queues an object's header; its payload follows by [`FetchWriter::write`], exactly `payload_len` bytes of it.
    ///
    /// # Errors
    /// The header has no form on the wire: objects out of order, or properties of another draft.
    pub fn object(&mut self, header: &FetchObjectHeader) -> Result<(), StreamFailure> {
        encoded(self.encoder.object(header, &mut self.header))
    }

    /// Queues a record that says what is known about everything from the last object up to `location`: it does not exist
    /// (`known`), or its state is unknown here.
    ///
    /// # Errors
    /// The record has no form on the wire.
    pub fn end_of_range(&mut self, location: Location, known: bool) -> Result<(), StreamFailure> {
        encoded(self.encoder.end_of_range(location, known, &mut self.header))
    }

    /// Writes what was queued, then the chunks. Waits for flow control; ends early when the subscriber cancels. Cancel safe
    /// only in the sense that the writer must then be dropped.
    ///
    /// # Errors
    /// The subscriber cancelled or stopped the stream, or the session ended.
    pub async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), StreamFailure> {
        let head = self.header.split().freeze();
        let write = async {
            if !head.is_empty() {
                write_all(&mut *self.stream, head).await?;
            }
            write_all_chunks(&mut *self.stream, chunks).await
        };
        tokio::select! {
            biased;
            written = write => written.map_err(|error| StreamFailure::from_write(error, &self.shared)),
            code = over(&self.shared, self.key, &mut self.course) => {
                self.ended = Some(code);
                Err(StreamFailure::Stopped(code))
            }
        }
    }

    /// Waits until the subscriber cancels the FETCH, or may not have more of it. Cancel safe.
    pub async fn cancelled(&mut self) {
        if self.ended.is_none() {
            self.ended = Some(over(&self.shared, self.key, &mut self.course).await);
        }
    }

    /// Ends the answer: everything in the range was written.
    ///
    /// # Errors
    /// As [`FetchWriter::write`].
    pub async fn finish(mut self) -> Result<(), StreamFailure> {
        self.write(&mut []).await?;
        let _ = self.stream.finish();
        Ok(())
    }

    /// Gives the answer up.
    pub fn reset(mut self, code: StreamErrorCode) {
        self.stream.reset(self.ended.unwrap_or(code).to_wire(self.shared.version));
    }
}

impl Drop for FetchWriter {
    fn drop(&mut self) {
        if self.ended == Some(StreamErrorCode::ExpiredAuthToken) {
            // A data stream that was reset before its first byte tells nobody.
            return self.shared.cancel(self.key, StreamErrorCode::ExpiredAuthToken);
        }
        // The request stream's own half is finished here: nothing follows FETCH_OK on it.
        self.shared.conclude(self.key, |machine| {
            machine.finish(self.key);
            Ok(())
        });
    }
}

/// What cannot be written is this side's own fault.
fn encoded(result: Result<(), EncodeError>) -> Result<(), StreamFailure> {
    result.map_err(|error| StreamFailure::Session(SessionError::Local(error.to_string())))
}

/// Answers updates of a FETCH until it is over; resolves to the code for its stream.
async fn over(shared: &Arc<Shared>, key: RequestKey, course: &mut Course) -> StreamErrorCode {
    loop {
        match course.next().await {
            Turn::Update(_) => shared.tell(|machine| machine.accept_update(key, Parameters::default())),
            Turn::Refused(LeaseRefusal { code, reason }) => {
                let reason = ReasonPhrase::from(reason);
                let error = RequestError { request_id: None, code, retry: None, reason, redirect: None };
                shared.tell(|machine| machine.reject_update(key, error));
                return StreamErrorCode::Cancelled;
            }
            Turn::Expired => return StreamErrorCode::ExpiredAuthToken,
            Turn::Ended => return StreamErrorCode::Cancelled,
            Turn::Other(_) => {}
        }
    }
}
