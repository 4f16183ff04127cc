//! The state of one subscription, advanced one step per wake.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use moqt::{Filter, Location, Parameters, PublishDoneCode, RequestErrorCode, StreamErrorCode, Version};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use transport::{LeaseRefusal, SubgroupFields, SubscriptionEvent};

use super::policy::{Lag, Ranking};
use super::stream::{Burst, Late, Pumped, Unconfirmed, ViewerStream};
use super::{ServeEnd, ServeSettings};
use crate::filter::{DeliveryRange, after, resolve_filter};
use crate::limit;
use crate::log::{GroupLog, SubgroupLog, TrackEnd, TrackLog};
use crate::observer::ServeObserver;
use crate::sink::{SinkError, StreamSink, ViewerSink};

/// What a step leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Something will wake the task.
    Wait,
    /// PUBLISH_DONE.
    Done(PublishDoneCode, String),
    /// REQUEST_ERROR to an update.
    Refuse(RequestErrorCode, &'static str),
    Cancelled,
    Gone,
}

/// A group that the viewer has been told about, or will be.
#[derive(Debug)]
struct ViewerGroup {
    log: Arc<GroupLog>,
    /// Subgroup logs of it that were looked at.
    parts: usize,
    /// Datagrams of it that were sent or do not pass.
    datagrams: usize,
    /// The viewer fell too far behind in it.
    given_up: bool,
}

/// A subgroup log that has no stream yet.
#[derive(Debug)]
struct Waiting {
    group: Arc<GroupLog>,
    part: Arc<SubgroupLog>,
}

pub(super) struct Server<'a, S: ViewerSink> {
    log: &'a TrackLog,
    sink: S,
    settings: ServeSettings,
    observer: &'a dyn ServeObserver,
    ranking: Ranking,
    /// Ascending by id; only groups that are still in the log.
    groups: VecDeque<ViewerGroup>,
    waiting: VecDeque<Waiting>,
    /// The subgroup whose stream is being opened, and the object it begins with.
    opening: Option<(Waiting, usize)>,
    streams: Vec<ViewerStream<S::Stream>>,
    /// The log's structure as last looked at; `None` = look again.
    seen: Option<u64>,
    /// How the track ended, as last looked at.
    ended: Option<TrackEnd>,
    /// A group behind the range has begun, as last looked at.
    through: bool,
    /// Set once the track has ended: when unsent groups are given up.
    deadline: Option<Pin<Box<Sleep>>>,
    /// What timeouts need; `None` = nobody asks for any, as nearly always.
    late: Option<Box<Late<S::Stream>>>,
    /// Groups given up since the viewer's transport last took something.
    starved: usize,
}

impl<'a, S: ViewerSink> Server<'a, S> {
    pub(super) fn new(log: &'a TrackLog, sink: S, settings: ServeSettings, observer: &'a dyn ServeObserver) -> Self {
        let ranking = Ranking {
            subscriber: settings.subscriber_priority,
            publisher: settings.publisher_priority,
            order: settings.order,
            base: settings.start.group,
        };
        Self {
            log,
            sink,
            settings,
            observer,
            ranking,
            groups: VecDeque::new(),
            waiting: VecDeque::new(),
            opening: None,
            streams: Vec::new(),
            seen: None,
            ended: None,
            through: false,
            deadline: None,
            late: Late::new(&settings.timeouts),
            starved: 0,
        }
    }

    /// Does all that can be done now.
    pub(super) fn step(&mut self, cx: &mut Context<'_>) -> Step {
        while let Poll::Ready(event) = self.sink.poll_event(cx) {
            match event {
                SubscriptionEvent::Cancelled => return Step::Cancelled,
                SubscriptionEvent::Update(parameters) => {
                    if let Err(reason) = self.update(&parameters) {
                        return Step::Refuse(RequestErrorCode::InvalidRange, reason);
                    }
                }
                SubscriptionEvent::Refused(LeaseRefusal { code, reason }) => return Step::Refuse(code, reason),
                SubscriptionEvent::Expired => {
                    return Step::Done(PublishDoneCode::Expired, "the authorization has expired".into());
                }
            }
        }
        let structure = self.log.signals().structure();
        if self.seen != Some(structure) {
            self.seen = Some(structure);
            if self.look().is_err() {
                return Step::Gone;
            }
        }
        if self.settings.forward {
            if let Some(step) = self.send(cx) {
                return step;
            }
            self.give_up_old_groups();
            if self.starved >= limit::STARVED_GROUPS {
                return Step::Done(PublishDoneCode::TooFarBehind, "nothing was read for too long".to_owned());
            }
        }
        if self.late.is_some() {
            self.expire_subgroups(cx);
        }
        self.finish(cx)
    }

    /// Ends the subscription the way the last step found.
    pub(super) async fn conclude(mut self, step: Step) -> ServeEnd {
        let code = if step == Step::Gone { StreamErrorCode::SessionClosed } else { StreamErrorCode::Cancelled };
        self.reset_all(code);
        match step {
            Step::Done(status, reason) => {
                self.sink.done(status, &reason).await;
                ServeEnd::Done(status)
            }
            Step::Refuse(code, reason) => {
                self.sink.reject_update(code, reason).await;
                ServeEnd::UpdateRefused
            }
            Step::Cancelled => ServeEnd::Cancelled,
            Step::Wait | Step::Gone => ServeEnd::Gone,
        }
    }

    /// REQUEST_UPDATE: what is absent stays as it is.
    fn update(&mut self, parameters: &Parameters) -> Result<(), &'static str> {
        let largest = self.log.known_largest();
        if let Some(filter) = parameters.filter {
            self.narrow(filter, largest)?;
        }
        self.settings.timeouts.update(parameters);
        match (&mut self.late, self.settings.timeouts.stricter()) {
            (Some(late), limits) => late.limits = limits,
            (none, _) => *none = Late::new(&self.settings.timeouts),
        }
        if let Some(group) = parameters.new_group_request {
            self.observer.new_group_requested(group);
        }
        if let Some(order) = parameters.group_order {
            self.ranking.order = order;
        }
        if let Some(priority) = parameters.subscriber_priority {
            self.ranking.subscriber = priority;
        }
        for stream in &mut self.streams {
            stream.set_priority(self.ranking.priority(stream.group().id(), stream.publisher_priority()));
        }
        match parameters.forward {
            Some(false) => {
                self.reset_all(StreamErrorCode::Cancelled);
                self.settings.forward = false;
            }
            Some(true) if !self.settings.forward => {
                // The Joining Location is renewed: older objects are for FETCH.
                if let (None, Some(largest)) = (parameters.filter, largest) {
                    self.settings.start = self.settings.start.max(after(largest));
                }
                self.settings.forward = true;
                self.seen = None;
            }
            _ => {}
        }
        self.sink.accept_update(Parameters { largest_object: largest, ..Parameters::default() });
        Ok(())
    }

    fn narrow(&mut self, filter: Filter, largest: Option<Location>) -> Result<(), &'static str> {
        let range = resolve_filter(Some(filter), largest).map_err(|_| "the filter ends before the live edge")?;
        let DeliveryRange { start, end_group } = range;
        (self.settings.start, self.settings.end_group) = (start, end_group);
        let passes = |group: &GroupLog| group.id() >= start.group && end_group.is_none_or(|end| group.id() <= end);
        self.drop_where(StreamErrorCode::Cancelled, |group| !passes(group));
        self.groups.retain(|group| passes(&group.log));
        self.seen = None;
        Ok(())
    }

    /// Takes note of what changed in the log beside growth.
    fn look(&mut self) -> Result<(), SinkError> {
        self.ended = self.log.ended();
        let newest = self.log.newest_group().map(|group| group.id());
        self.through = self.settings.end_group.is_some_and(|end| newest.is_some_and(|newest| newest > end));
        if !self.settings.forward {
            return Ok(());
        }
        self.look_at_groups();
        self.send_datagrams()
    }

    /// Takes note of new groups and subgroups, and of groups that left the log.
    fn look_at_groups(&mut self) {
        for group in self.log.groups_from(self.settings.start.group) {
            if self.settings.end_group.is_some_and(|end| group.id() > end) {
                break;
            }
            let index = self.groups.partition_point(|known| known.log.id() < group.id());
            if self.groups.get(index).is_none_or(|known| known.log.id() != group.id()) {
                self.groups.insert(index, ViewerGroup { log: group, parts: 0, datagrams: 0, given_up: false });
            }
        }
        let gone = |group: &ViewerGroup| group.log.dropped().map(|code| (Arc::clone(&group.log), code));
        let left: Vec<_> = self.groups.iter().filter_map(gone).collect();
        for (group, code) in left {
            self.give_up(&group, code);
            self.groups.retain(|known| !Arc::ptr_eq(&known.log, &group));
        }
        for group in &mut self.groups {
            let state = group.log.lock();
            let new = state.parts.get(group.parts..).unwrap_or_default();
            group.parts = state.parts.len();
            if !group.given_up {
                self.waiting
                    .extend(new.iter().map(|part| Waiting { group: Arc::clone(&group.log), part: Arc::clone(part) }));
            }
        }
    }

    fn send_datagrams(&mut self) -> Result<(), SinkError> {
        let default = self.explicit_priority();
        for group in &mut self.groups {
            loop {
                let next = group.log.lock().datagrams.get(group.datagrams).cloned();
                let Some(mut datagram) = next else { break };
                group.datagrams += 1;
                if Location::new(datagram.group, datagram.object_id) >= self.settings.start {
                    datagram.priority = datagram.priority.or(default);
                    self.sink.send_datagram(datagram)?;
                }
            }
        }
        Ok(())
    }

    /// What stands for the track's default priority: Cloudflare's moq-rs 0.16 refuses draft-16 streams and datagrams without one.
    fn explicit_priority(&self) -> Option<u8> {
        (self.sink.version() == Version::Draft16).then_some(self.settings.publisher_priority)
    }

    /// Opens streams and writes to them. A burst of short groups takes turns: what is written whole makes room for the next, and
    /// only where that does not help does the oldest group give way.
    fn send(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        for give_way in [false, true] {
            loop {
                let waiting = self.waiting.len();
                if self.open(cx, give_way).is_err() {
                    return Some(Step::Gone);
                }
                if let Some(step) = self.pump(cx) {
                    return Some(step);
                }
                if self.waiting.is_empty() {
                    // As nearly always: nothing to make room for.
                    return None;
                }
                if self.waiting.len() == waiting {
                    break;
                }
            }
        }
        None
    }

    /// Opens streams for waiting subgroups, oldest group first.
    fn open(&mut self, cx: &mut Context<'_>, give_way: bool) -> Result<(), SinkError> {
        loop {
            if self.opening.is_none() {
                self.opening = self.next_to_open(give_way);
            }
            let Some((Waiting { group, part }, index)) = &self.opening else { return Ok(()) };
            let fields = SubgroupFields {
                group: group.id(),
                subgroup: part.subgroup,
                priority: part.meta.priority.or_else(|| self.explicit_priority()),
                has_properties: part.meta.has_properties,
                end_of_group: part.meta.end_of_group,
                first_object: part.meta.first_object && *index == 0,
            };
            if self.streams.is_empty() {
                self.ranking.base = group.id();
            }
            let priority = self.ranking.priority(group.id(), part.meta.priority);
            let Poll::Ready(opened) = self.sink.poll_open(cx, fields, priority) else { return Ok(()) };
            let Some((Waiting { group, part }, index)) = self.opening.take() else { return Ok(()) };
            match opened {
                Ok(stream) => {
                    self.observer.stream_opened();
                    self.streams.push(ViewerStream::new(group, part, index, self.sink.version(), stream));
                }
                Err(SinkError::Stopped) => {}
                Err(SinkError::Gone) => return Err(SinkError::Gone),
            }
        }
    }

    /// The first waiting subgroup that holds an object that passes, if there is room for its stream, or `give_way` makes some.
    fn next_to_open(&mut self, give_way: bool) -> Option<(Waiting, usize)> {
        let start = self.settings.start;
        let first = |waiting: &Waiting| {
            let object = if waiting.group.id() == start.group { start.object } else { 0 };
            waiting.part.first_at(object)
        };
        let (position, index) =
            self.waiting.iter().enumerate().find_map(|(at, waiting)| Some((at, first(waiting)?)))?;
        if self.streams.len() >= limit::MAX_STREAMS_PER_VIEWER {
            let wanted = self.waiting[position].group.id();
            let oldest = self.streams.iter().map(|stream| stream.group()).min_by_key(|group| group.id())?;
            if oldest.id() >= wanted || !give_way {
                return None;
            }
            let oldest = Arc::clone(oldest);
            self.give_up(&oldest, StreamErrorCode::TooFarBehind);
            return self.next_to_open(give_way);
        }
        Some((self.waiting.remove(position)?, index))
    }

    fn pump(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        let mut burst = Burst::default();
        let timeout = self.late.as_ref().and_then(|late| late.limits.object);
        let mut index = 0;
        while let Some(stream) = self.streams.get_mut(index) {
            let pumped = stream.pump(cx, timeout, &mut burst, self.observer);
            if self.starved > 0 && burst.moved {
                self.starved = 0;
            }
            match pumped {
                Pumped::Open => index += 1,
                Pumped::Finished | Pumped::Ended => {
                    let ended = self.streams.remove(index);
                    if pumped == Pumped::Finished {
                        self.await_acknowledgement(ended);
                    }
                    if !self.waiting.is_empty() {
                        // There is room for another stream.
                        cx.waker().wake_by_ref();
                    }
                }
                Pumped::Gone => return Some(Step::Gone),
                Pumped::Yield => {
                    cx.waker().wake_by_ref();
                    return None;
                }
            }
        }
        None
    }

    /// Keeps a finished stream while its acknowledgement has a deadline.
    fn await_acknowledgement(&mut self, stream: ViewerStream<S::Stream>) {
        let Some(late) = self.late.as_mut() else { return };
        let (Some(timeout), Some(ended)) = (late.limits.subgroup, stream.ended()) else { return };
        if late.unconfirmed.len() == limit::MAX_UNCONFIRMED_STREAMS {
            late.unconfirmed.pop_front();
        }
        late.unconfirmed.push_back(Unconfirmed { stream: stream.into_stream(), deadline: ended + timeout });
    }

    /// Resets what was not delivered in time after the end of its subgroup (draft-18 section 8).
    fn expire_subgroups(&mut self, cx: &mut Context<'_>) {
        let Some(late) = self.late.as_mut() else { return };
        let Some(timeout) = late.limits.subgroup else { return };
        let (now, observer) = (Instant::now(), self.observer);
        let mut next: Option<Instant> = None;
        let mut is_late = |deadline: Instant| {
            if deadline > now {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
            deadline <= now
        };
        late.unconfirmed.retain_mut(|Unconfirmed { stream, deadline }| {
            if stream.poll_acknowledged(cx).is_ready() {
                return false;
            }
            let late = is_late(*deadline);
            if late {
                stream.reset(StreamErrorCode::DeliveryTimeout);
                observer.stream_reset(StreamErrorCode::DeliveryTimeout);
            }
            !late
        });
        self.streams.retain_mut(|stream| {
            let late = stream.ended().is_some_and(|ended| is_late(ended + timeout));
            if late {
                stream.reset(StreamErrorCode::DeliveryTimeout, observer);
            }
            !late
        });
        self.waiting.retain(|waiting| !waiting.part.ended().is_some_and(|ended| is_late(ended + timeout)));
        let Some(next) = next else { return };
        let expiry = late.expiry.get_or_insert_with(|| Box::pin(sleep_until(next)));
        if expiry.deadline() != next {
            expiry.as_mut().reset(next);
        }
        if expiry.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn give_up_old_groups(&mut self) {
        let newest = self.groups.back().map(|group| group.log.id());
        let behind = |group: &Arc<GroupLog>| Some(group.id()) != newest;
        if !self.streams.iter().any(|stream| behind(stream.group()))
            && !self.waiting.iter().any(|waiting| behind(&waiting.group))
        {
            return;
        }
        let now = Instant::now();
        let mut late = Vec::new();
        for (index, group) in self.groups.iter().enumerate().filter(|(_, group)| !group.given_up) {
            let lag = Lag {
                groups: self.groups.len() - 1 - index,
                superseded: group.log.superseded().map(|since| now.duration_since(since)),
                bytes: self.behind_in(&group.log),
            };
            if self.settings.slow.gives_up(lag) {
                late.push(Arc::clone(&group.log));
            }
        }
        for group in late {
            self.starved += 1;
            self.give_up(&group, StreamErrorCode::TooFarBehind);
        }
    }

    fn behind_in(&self, group: &Arc<GroupLog>) -> u64 {
        let open = self.streams.iter().filter(|stream| Arc::ptr_eq(stream.group(), group)).map(ViewerStream::behind);
        let start = self.settings.start;
        let object = if group.id() == start.group { start.object } else { 0 };
        let unopened = self.waiting.iter().chain(self.opening.as_ref().map(|(waiting, _)| waiting));
        let unopened =
            unopened.filter(|waiting| Arc::ptr_eq(&waiting.group, group) && waiting.part.first_at(object).is_some());
        open.sum::<u64>() + unopened.map(|waiting| waiting.part.lock().bytes).sum::<u64>()
    }

    /// The viewer gets nothing more of a group.
    fn give_up(&mut self, group: &Arc<GroupLog>, code: StreamErrorCode) {
        let bytes = self.behind_in(group);
        if bytes > 0 {
            self.observer.group_skipped(group.id(), bytes);
        }
        self.drop_where(code, |other| std::ptr::eq(other, &raw const **group));
        if let Some(group) = self.groups.iter_mut().find(|known| Arc::ptr_eq(&known.log, group)) {
            group.given_up = true;
        }
    }

    fn reset_all(&mut self, code: StreamErrorCode) {
        self.drop_where(code, |_| true);
        self.groups.clear();
    }

    fn drop_where(&mut self, code: StreamErrorCode, mut leaves: impl FnMut(&GroupLog) -> bool) {
        let observer = self.observer;
        self.streams.retain_mut(|stream| {
            let stays = !leaves(stream.group());
            if !stays {
                stream.reset(code, observer);
            }
            stays
        });
        self.waiting.retain(|waiting| !leaves(&waiting.group));
        self.opening = self.opening.take().filter(|(waiting, _)| !leaves(&waiting.group));
    }

    /// Whether the subscription is over: the track has ended or the range is through, and every stream with it.
    fn finish(&mut self, cx: &mut Context<'_>) -> Step {
        if self.ended.is_none() && !self.through {
            return Step::Wait;
        }
        let unsent = self.opening.is_some() || !self.streams.is_empty() || self.can_open_more();
        if unsent {
            let max_lag = self.settings.slow.max_lag;
            let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(max_lag)));
            if deadline.as_mut().poll(cx).is_pending() {
                return Step::Wait;
            }
            self.reset_all(StreamErrorCode::TooFarBehind);
        }
        match self.ended.take() {
            Some(end) => Step::Done(end.status, end.reason),
            None => Step::Done(PublishDoneCode::SubscriptionEnded, String::new()),
        }
    }

    fn can_open_more(&self) -> bool {
        let start = self.settings.start;
        let object = |group: u64| if group == start.group { start.object } else { 0 };
        self.waiting.iter().any(|waiting| waiting.part.first_at(object(waiting.group.id())).is_some())
    }
}
