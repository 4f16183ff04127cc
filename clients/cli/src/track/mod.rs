//! One track from first request to end, over as many sessions as it takes.
//!
//! A [`Follower`] holds the track's streams and its [`Merger`]. When the session is lost or moves, the merger stays: the new
//! session's objects go into it beside those of the old one, and what comes twice leaves once.

mod attach;
mod source;

use std::time::Duration;

use futures_util::future::{BoxFuture, select_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use moqt::{FullTrackName, PublishDoneCode, TrackMark, property};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use transport::{RequestFailure, Session, StreamFailure, Subscription, TrackEvent};

pub(crate) use self::attach::Start;
use self::attach::{Attached, attach};
pub(crate) use self::source::fetched_entry;
use self::source::{Item, Read, Source, Stream, datagram_item, read};
use crate::limit;
use crate::merge::{Entry, MergeCounts, MergeSettings, Merger};
use crate::supervise::Backoff;

/// What a follower is to do.
#[derive(Debug, Clone)]
pub(crate) struct FollowSettings {
    /// The track's index for the receiver of its events.
    pub(crate) track: usize,
    pub(crate) name: FullTrackName,
    pub(crate) start: Start,
    /// Subscriber priority, 0 most urgent.
    pub(crate) priority: u8,
    /// How long to ask again for a track that was there before; `None`: not at all.
    pub(crate) retry_for: Option<Duration>,
}

/// What a follower tells.
#[derive(Debug)]
pub(crate) struct FollowEvent {
    /// The track's index.
    pub(crate) track: usize,
    pub(crate) kind: FollowKind,
}

#[derive(Debug)]
pub(crate) enum FollowKind {
    /// The next frame, the losses so far, when the track was first asked for, and what its properties say of stamps.
    Frame { entry: Entry, counts: MergeCounts, asked: Instant, mark: Option<TrackMark> },
    /// Nothing follows.
    Ended(TrackEnd),
}

/// Why a track is over.
#[derive(Debug)]
pub(crate) enum TrackEnd {
    /// The publisher ended it, and everything was delivered.
    Complete,
    /// The publisher ended the subscription for another reason.
    Stopped { status: PublishDoneCode, reason: String },
    /// It could not be had, or not any more.
    Failed(RequestFailure),
}

struct Follower {
    settings: FollowSettings,
    sessions: watch::Receiver<Option<Session>>,
    session: Option<Session>,
    merger: Merger,
    /// Counts attempts at joining.
    epoch: u64,
    /// The last attempt that succeeded.
    attached: u64,
    joining: Option<BoxFuture<'static, Result<Attached, RequestFailure>>>,
    /// The past is being fetched, and not yet joined to the present.
    catching_up: bool,
    /// Whether any frame has left.
    delivered: bool,
    subscriptions: Vec<(u64, Subscription)>,
    reading: FuturesUnordered<BoxFuture<'static, Read>>,
    /// Streams of later groups that are left unread while enough waits.
    parked: Vec<Source>,
    backoff: Backoff,
    retry_at: Option<Instant>,
    lost_since: Option<Instant>,
    end: Option<TrackEnd>,
    begin: Instant,
    /// Of the newest subscription.
    mark: Option<TrackMark>,
}

/// Follows a track until it ends or nobody takes its frames any more. Sending waits for the receiver, and reading for sending.
pub(crate) async fn follow(
    settings: FollowSettings,
    sessions: watch::Receiver<Option<Session>>,
    events: mpsc::Sender<FollowEvent>,
) {
    let track = settings.track;
    let mut follower = Follower::new(settings, sessions);
    follower.session_changed();
    loop {
        while let Some(entry) = follower.merger.poll(follower.now()) {
            follower.delivered = true;
            follower.lost_since = None;
            let kind = FollowKind::Frame {
                entry,
                counts: follower.merger.counts(),
                asked: follower.begin,
                mark: follower.mark,
            };
            if events.send(FollowEvent { track, kind }).await.is_err() {
                return;
            }
        }
        if follower.is_drained() {
            follower.merger.finish();
            continue;
        }
        if let Some(end) = follower.take_end() {
            // A receiver that is gone does not want to know.
            let _ = events.send(FollowEvent { track, kind: FollowKind::Ended(end) }).await;
            return;
        }
        follower.tidy();
        if !follower.step().await {
            return;
        }
    }
}

impl Follower {
    fn new(settings: FollowSettings, sessions: watch::Receiver<Option<Session>>) -> Self {
        let merge = MergeSettings {
            stall: limit::STALL,
            straggler: limit::STRAGGLER_WAIT,
            max_bytes: limit::MERGE_BYTES,
            max_groups: limit::MERGE_GROUPS,
            max_step: limit::MAX_GROUP_STEP,
        };
        Self {
            settings,
            sessions,
            session: None,
            merger: Merger::new(merge),
            epoch: 0,
            attached: 0,
            joining: None,
            catching_up: false,
            delivered: false,
            subscriptions: Vec::new(),
            reading: FuturesUnordered::new(),
            parked: Vec::new(),
            backoff: Backoff::default(),
            retry_at: None,
            lost_since: None,
            end: None,
            begin: Instant::now(),
            mark: None,
        }
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Waits for whatever happens first; `false` when nobody will ever bring another session.
    async fn step(&mut self) -> bool {
        let deadline = self.merger.deadline(self.now()).map(|time| self.begin + time);
        let deadline = deadline.into_iter().chain(self.retry_at).min();
        let room = self.merger.has_room() && self.reading.len() < limit::TRACK_STREAMS;
        tokio::select! {
            changed = self.sessions.changed() => match changed {
                Ok(()) => self.session_changed(),
                Err(_) => return false,
            },
            attached = poll_optional(&mut self.joining) => {
                self.joining = None;
                self.was_attached(attached);
            }
            Some(done) = self.reading.next() => self.was_read(done),
            (index, event) = next_event(&mut self.subscriptions), if room => self.subscription_event(index, event),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                if self.retry_at.is_some_and(|time| time <= Instant::now()) {
                    self.retry_at = None;
                    self.join();
                }
            }
        }
        true
    }

    fn session_changed(&mut self) {
        let session = self.sessions.borrow_and_update().clone();
        if let Some(session) = session {
            self.session = Some(session);
            self.backoff.reset();
            self.retry_at = None;
            self.join();
        }
    }

    /// Asks the current session for the track, from where the output is.
    fn join(&mut self) {
        let Some(session) = self.session.clone() else { return };
        let start = match self.merger.position() {
            Some(position) if self.catching_up => Start::Group(position.group),
            Some(position) => Start::Resume(position.group),
            None => self.settings.start,
        };
        self.attach(session, start);
    }

    fn attach(&mut self, session: Session, start: Start) {
        self.epoch += 1;
        self.joining = Some(Box::pin(attach(session, self.settings.name.clone(), start, self.settings.priority)));
    }

    fn was_attached(&mut self, attached: Result<Attached, RequestFailure>) {
        let Attached { subscription, head, group } = match attached {
            Ok(attached) => attached,
            Err(failure) => return self.not_attached(failure),
        };
        self.attached = self.epoch;
        self.catching_up = subscription.is_none();
        self.backoff.reset();
        if let Some(group) =
            group.filter(|group| self.merger.position().is_none_or(|position| position.group != *group))
        {
            self.merger.start_at(group);
        }
        match head {
            Some(head) => {
                self.merger.head_opened(head.from, head.until);
                let stream = Stream::Head(Box::new(head.reader));
                self.reading.push(read(Source { epoch: self.epoch, stream }));
            }
            None => self.merger.head_replaced(),
        }
        if let Some(subscription) = &subscription {
            let mark = subscription.properties().get_bytes(property::HOP_DELAY);
            self.mark = mark.and_then(|mark| TrackMark::from_bytes(&mark));
        }
        self.subscriptions.extend(subscription.map(|subscription| (self.epoch, subscription)));
    }

    fn not_attached(&mut self, failure: RequestFailure) {
        match failure {
            // Whoever keeps the sessions brings another one or gives up.
            RequestFailure::Session(_) => {}
            _ if self.attached > 0 && self.may_retry() => self.retry_at = Some(Instant::now() + self.backoff.next()),
            failure => self.end = Some(TrackEnd::Failed(failure)),
        }
    }

    fn may_retry(&mut self) -> bool {
        let since = *self.lost_since.get_or_insert_with(Instant::now);
        self.settings.retry_for.is_some_and(|limit| since.elapsed() < limit)
    }

    fn subscription_event(&mut self, index: usize, event: TrackEvent) {
        let epoch = self.subscriptions[index].0;
        match event {
            TrackEvent::Subgroup(reader) => {
                let group = reader.header().group;
                if self.merger.wants(group) {
                    self.merger.stream_opened(group);
                    let stream = Stream::Live { reader: Box::new(reader), end: 0 };
                    self.reading.push(read(Source { epoch, stream }));
                }
            }
            TrackEvent::Datagram(datagram) => match datagram_item(datagram) {
                Item::Object(entry) => self.merger.insert(entry, false),
                Item::GroupEnds(location) => self.merger.group_ends(location),
                Item::End => {}
            },
            TrackEvent::Done { status, reason } => {
                self.subscriptions.remove(index);
                if epoch == self.attached && self.joining.is_none() {
                    self.done(status, reason);
                }
            }
            TrackEvent::Lost(error) => {
                self.subscriptions.remove(index);
                if epoch == self.attached && self.joining.is_none() && error.is_none() {
                    self.done(PublishDoneCode::InternalError, "the subscription was dropped".to_owned());
                }
            }
        }
    }

    fn done(&mut self, status: PublishDoneCode, reason: String) {
        match status {
            PublishDoneCode::TrackEnded | PublishDoneCode::SubscriptionEnded => self.end = Some(TrackEnd::Complete),
            _ if self.may_retry() => self.retry_at = Some(Instant::now() + self.backoff.next()),
            _ => self.end = Some(TrackEnd::Stopped { status, reason }),
        }
    }

    fn was_read(&mut self, done: Read) {
        let Read { source, result } = done;
        if matches!(source.stream, Stream::Head(_)) {
            self.head_was_read(source, result);
        } else {
            self.live_was_read(source, result);
        }
    }

    fn head_was_read(&mut self, source: Source, result: Result<Item, StreamFailure>) {
        if source.epoch != self.attached {
            return;
        }
        match result {
            Ok(Item::Object(entry)) => {
                self.merger.insert(entry, true);
                self.reading.push(read(source));
            }
            Ok(_) => {
                self.merger.head_finished();
                self.caught_up();
            }
            Err(StreamFailure::Session(_)) => {}
            Err(StreamFailure::Refused(error)) if self.subscriptions.is_empty() && !self.delivered => {
                self.end = Some(TrackEnd::Failed(RequestFailure::Refused(error)));
            }
            Err(_) => {
                self.merger.head_failed();
                if self.subscriptions.is_empty()
                    && let Some(session) = self.session.clone()
                {
                    self.attach(session, Start::Live);
                }
            }
        }
    }

    /// After a long FETCH of the past: what has come since, and then live.
    fn caught_up(&mut self) {
        if self.subscriptions.is_empty()
            && self.joining.is_none()
            && self.end.is_none()
            && let (Some(session), Some(position)) = (self.session.clone(), self.merger.position())
        {
            self.attach(session, Start::Group(position.group));
        }
    }

    fn live_was_read(&mut self, mut source: Source, result: Result<Item, StreamFailure>) {
        let Stream::Live { reader, end } = &mut source.stream else { return };
        let group = reader.header().group;
        match result {
            Ok(Item::Object(entry)) => self.merger.insert(entry, false),
            Ok(Item::GroupEnds(location)) => self.merger.group_ends(location),
            Ok(Item::End) => {
                let whole = reader.header().end_of_group.then_some(*end);
                return self.merger.stream_finished(group, whole);
            }
            // The streams of a session that is left end with it; the next one brings what they would have.
            Err(StreamFailure::Session(_)) => return self.merger.stream_replaced(group),
            Err(_) if source.epoch != self.attached => return self.merger.stream_replaced(group),
            Err(_) => return self.merger.stream_reset(group),
        }
        self.read_on(source, group);
    }

    fn read_on(&mut self, source: Source, group: u64) {
        if self.merger.needs(group) || self.merger.has_room() {
            self.reading.push(read(source));
        } else {
            self.parked.push(source);
        }
    }

    /// Ends what is no longer needed, and reads on what was left unread.
    fn tidy(&mut self) {
        if self.joining.is_none() && !self.merger.head_is_open() {
            let newest = self.attached;
            self.subscriptions.retain(|(epoch, _)| *epoch == newest);
        }
        for source in std::mem::take(&mut self.parked) {
            let Stream::Live { reader, .. } = &source.stream else { continue };
            let group = reader.header().group;
            if self.merger.wants(group) {
                self.read_on(source, group);
            }
        }
    }

    /// The publisher ended the track, and every stream was read: only what waits for others is left.
    fn is_drained(&self) -> bool {
        let complete = matches!(self.end, Some(TrackEnd::Complete));
        complete && self.reading.is_empty() && self.parked.is_empty() && !self.merger.is_finished()
    }

    /// The end; that of a complete track once everything has left.
    fn take_end(&mut self) -> Option<TrackEnd> {
        let early = matches!(self.end, Some(TrackEnd::Complete)) && !self.merger.is_finished();
        if early { None } else { self.end.take() }
    }
}

async fn poll_optional<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// The next event of any of these subscriptions. Cancel safe, as [`Subscription::next`] is.
async fn next_event(subscriptions: &mut [(u64, Subscription)]) -> (usize, TrackEvent) {
    if subscriptions.is_empty() {
        return std::future::pending().await;
    }
    let next = subscriptions.iter_mut().map(|(_, subscription)| Box::pin(subscription.next()));
    let (event, index, _) = select_all(next).await;
    (index, event)
}
