//! Feeds a track's live log from one upstream subscription: the joining FETCH's head, then the live streams.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use fanout::{AppendError, GroupLog, HeadHold, SubgroupAppender, SubgroupMeta, TrackLog};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use moqt::property::PRIOR_GROUP_ID_GAP;
use moqt::{
    Datagram, DatagramBody, FetchItem, FetchObjectHeader, Location, ObjectHeader, ObjectStatus, Parameters,
    PublishDoneCode, StreamErrorCode, SubgroupItem,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use transport::{FetchReader, RequestFailure, StreamFailure, SubgroupReader, TrackEvent};

use super::roster::Role;
use super::seat::{Feed, News, Orders};
use crate::cache::{CompleteGroup, GroupKey};
use crate::delay::Stamper;
use crate::relay::Context;
use crate::track::Track;
use crate::{limit, metric};

/// Why a feed stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IngestEnd {
    /// PUBLISH_DONE.
    Done(PublishDoneCode),
    /// The session ended, or the publisher dropped the subscription without a word.
    Lost,
    /// The publisher contradicted itself or another one (draft-18 section 2.4.2).
    Malformed,
    /// The publisher restarted and counts its groups from further back than what viewers have seen.
    BeganAnew,
    /// It was told to.
    Told,
}

impl IngestEnd {
    fn of(last: &TrackEvent) -> Self {
        if let TrackEvent::Done { status, .. } = last { Self::Done(*status) } else { Self::Lost }
    }
}

/// The beginning of the group that a subscription starts in.
pub(super) struct Head {
    reader: Option<FetchReader>,
    /// Live streams of the group, and viewers, wait for as long as it is held.
    hold: Option<HeadHold>,
    /// The largest location when it started, if anything was published.
    joining: Option<Location>,
    /// A group below this one shows that the publisher counts anew. Set if it may: it starts behind what was seen.
    anew_below: Option<u64>,
}

impl Head {
    /// The answer to a joining FETCH on a subscription that started at `joining`. To be made before anybody is told that the
    /// track is there.
    pub(super) fn new(track: &Track, reader: Option<FetchReader>, joining: Option<Location>) -> Self {
        let hold = joining.filter(|_| reader.is_some()).map(|location| track.log.hold_head(location));
        let seen = track.log.largest().map_or(0, |largest| largest.group);
        let anew_below = seen.saturating_sub(limit::GROUPS_BEHIND);
        let behind = joining.map_or(0, |location| location.group) < anew_below;
        Self { reader, hold, joining, anew_below: Some(anew_below).filter(|_| behind) }
    }

    /// The largest location when it started, if anything was published.
    pub(super) fn joining(&self) -> Option<Location> {
        self.joining
    }

    fn shows_a_new_beginning(&self) -> bool {
        self.joining.is_some() && self.anew_below.is_some()
    }
}

/// Reads one publisher's subscription until it ends, and switches it on and off as told. Cancel safe in the sense that the log
/// stays consistent: unfinished groups are reset.
pub(super) async fn feed(
    context: &Arc<Context>,
    track: &Arc<Track>,
    feed: &mut Feed,
    head: Option<Head>,
    orders: &mut Orders,
) -> IngestEnd {
    let live = Live::new(context, track, feed, orders);
    let (mut streams, mut heads, mut answers) =
        (FuturesUnordered::new(), FuturesUnordered::new(), FuturesUnordered::new());
    let mut wanted_groups = track.group_requests.passed();
    let mut anew_below = None;
    if let Some(head) = head {
        anew_below = head.anew_below;
        if head.shows_a_new_beginning() {
            return IngestEnd::BeganAnew;
        }
        live.expect_after(head.joining);
        heads.push(feed_head(track, head, live.version));
    }
    loop {
        let full = streams.len() >= limit::INGEST_STREAMS;
        let step = tokio::select! {
            biased;
            Some(outcome) = streams.next(), if !streams.is_empty() => outcome,
            Some(outcome) = heads.next(), if !heads.is_empty() => outcome,
            Some(answer) = answers.next(), if !answers.is_empty() => {
                log_update(track, answer);
                Ok(())
            }
            Ok(()) = wanted_groups.changed(), if feed.on => {
                let new_group_request = *wanted_groups.borrow_and_update();
                let update = Parameters { new_group_request, ..Parameters::default() };
                match feed.subscription().send_update(update) {
                    Ok(answer) => answers.push(answer),
                    Err(error) => log_update(track, Err(error)),
                }
                Ok(())
            }
            role = orders.next() => match obey(context, track, feed, role, orders).await {
                Ok(Some(head)) => {
                    anew_below = head.anew_below;
                    live.expect_after(head.joining);
                    heads.push(feed_head(track, head, live.version));
                    Ok(())
                }
                Ok(None) => Ok(()),
                Err(end) => return end,
            },
            event = feed.subscription().next(), if !full => match event {
                TrackEvent::Subgroup(reader) if anew_below.is_some_and(|below| reader.header().group < below) => {
                    return IngestEnd::BeganAnew;
                }
                TrackEvent::Subgroup(reader) => {
                    streams.push(live.feed_stream(reader));
                    Ok(())
                }
                TrackEvent::Datagram(datagram) => live.feed_datagram(datagram),
                over @ (TrackEvent::Done { .. } | TrackEvent::Lost(_)) => {
                    // What has arrived is read first; streams of a lost session then learn that it is over.
                    let last = async { tokio::join!(heads.for_each(|_| ready(())), streams.for_each(|_| ready(()))) };
                    if timeout(limit::LAST_STREAMS, last).await.is_err() {
                        tracing::debug!(track = %track.name, "a stream did not end with its subscription");
                    }
                    store_completed(context, track).await;
                    return IngestEnd::of(&over);
                }
            }
        };
        if let Err(Stopped::Malformed) = step {
            return IngestEnd::Malformed;
        }
        store_completed(context, track).await;
    }
}

fn log_update(track: &Track, answer: Result<Parameters, RequestFailure>) {
    if let Err(error) = answer {
        tracing::debug!(track = %track.name, %error, "publisher does not begin a new group");
    }
}

/// Does what the publisher's role asks for, and reports it. `Some`: it has been switched on.
async fn obey(
    context: &Context,
    track: &Track,
    feed: &mut Feed,
    role: Role,
    orders: &Orders,
) -> Result<Option<Head>, IngestEnd> {
    let lost = |error: RequestFailure| {
        tracing::debug!(track = %track.name, %error, "publisher does not do as it is told");
        IngestEnd::Lost
    };
    match role {
        Role::Leave => Err(IngestEnd::Told),
        Role::Send { .. } if feed.on => Ok(None),
        Role::Send { from } => {
            let head = feed.switch_on(context, track, from).await.map_err(lost)?;
            if head.shows_a_new_beginning() {
                return Err(IngestEnd::BeganAnew);
            }
            let properties = feed.subscription().properties().clone();
            orders.report(News::Sends { properties, largest: head.joining }).await;
            Ok(Some(head))
        }
        Role::StandBy(_) if feed.on => {
            feed.switch_off().await.map_err(lost)?;
            orders.report(News::StandsBy(None)).await;
            Ok(None)
        }
        Role::StandBy(_) => {
            let largest = feed.largest().await.map_err(lost)?;
            orders.report(News::StandsBy(largest)).await;
            Ok(None)
        }
    }
}

/// Moves groups that left the live log complete into the cache.
async fn store_completed(context: &Context, track: &Track) {
    store(context, track, track.log.take_completed()).await;
}

/// Moves what is complete of a closed track into the cache.
pub(super) async fn store_rest(context: &Context, track: &Track) {
    store_completed(context, track).await;
    store(context, track, track.log.groups_from(0)).await;
}

async fn store(context: &Context, track: &Track, groups: Vec<Arc<GroupLog>>) {
    let max_age = track.properties().max_cache_duration();
    for group in groups.into_iter().filter(|group| group.is_complete()) {
        let key = GroupKey { track: track.name.clone(), group: group.id() };
        context.cache.insert(key, CompleteGroup { group, max_age }).await;
        metric::memory(context.budget.used(), context.budget.limit());
    }
}

/// Why one stream is read no further.
enum Stopped {
    /// This stream only.
    Stream,
    /// The whole track.
    Malformed,
}

/// Sorts an append's outcome: what ends the stream, and what ends the track.
fn judge(track: &Track, outcome: Result<(), AppendError>) -> Result<(), Stopped> {
    match outcome {
        Ok(()) => Ok(()),
        Err(AppendError::Malformed(reason)) => {
            metric::malformed_track();
            tracing::warn!(track = %track.name, reason, "malformed track: given up");
            // At once: nothing of it may be served from here on.
            track.log.end(PublishDoneCode::MalformedTrack, "what was published contradicts itself");
            Err(Stopped::Malformed)
        }
        Err(AppendError::OverBudget) => {
            metric::over_budget();
            tracing::warn!(track = %track.name, "memory budget is used up: a group was dropped");
            Err(Stopped::Stream)
        }
        Err(error) => {
            tracing::debug!(track = %track.name, %error, "stream not kept");
            Err(Stopped::Stream)
        }
    }
}

/// How the publisher's stream ended.
enum Ended {
    Finished,
    Reset(StreamErrorCode),
    /// With its session.
    Lost,
}

/// The live streams of one subscription, on their way into the log.
struct Live<'a> {
    track: &'a Track,
    version: moqt::Version,
    /// `None`: objects go on as they came.
    stamper: Option<Stamper>,
    /// The group that comes next if none is left out; 0 before anything is known.
    next_group: AtomicU64,
    /// Where a group that was left out is reported.
    seat: u64,
    news: mpsc::Sender<(u64, News)>,
    reserve: Arc<AtomicBool>,
}

/// An object's header on its way into the log.
struct Arrived {
    header: ObjectHeader,
    /// As it came; `None` when this relay changed it, or its stream's form.
    wire: Option<Bytes>,
}

impl<'a> Live<'a> {
    fn new(context: &Context, track: &'a Track, feed: &mut Feed, orders: &Orders) -> Self {
        let subscription = feed.subscription();
        let connection = subscription.connection().clone();
        let stamper = Stamper::new(&context.settings.delay, subscription.properties(), connection);
        let version = subscription.version();
        let (seat, news, reserve) = (orders.id, orders.news.clone(), orders.reserve.clone());
        Self { track, version, stamper, next_group: AtomicU64::new(0), seat, news, reserve }
    }

    fn expect_after(&self, joining: Option<Location>) {
        self.next_group.store(joining.map_or(0, |location| location.group.saturating_add(1)), Ordering::Relaxed);
    }

    /// Takes note of a group that begins, and reports those before it that neither came nor are said not to exist.
    fn look_for_hole(&self, group: u64, first: &ObjectHeader) {
        let expected = self.next_group.fetch_max(group.saturating_add(1), Ordering::Relaxed);
        if expected == 0 || group <= expected {
            return;
        }
        let said = first.properties.get_int(PRIOR_GROUP_ID_GAP).unwrap_or(0);
        if said < group - expected {
            // A report that finds no room is made again at the next hole.
            let _ = self.news.try_send((self.seat, News::Hole { from: expected }));
        }
    }

    /// Reads one stream. A stream of the joining group waits for the group's head.
    async fn feed_stream(&self, mut reader: SubgroupReader) -> Result<(), Stopped> {
        let Self { track, version, .. } = *self;
        let header = *reader.header();
        let meta = SubgroupMeta {
            version,
            priority: header.priority,
            has_properties: header.has_properties || self.stamper.as_ref().is_some_and(Stamper::begins),
            first_object: header.first_object,
            end_of_group: header.end_of_group,
        };
        let Ok(Some(SubgroupItem::Header { header: first, wire })) = reader.next().await else {
            return Err(Stopped::Stream);
        };
        self.look_for_hole(header.group, &first);
        let first = self.arrived(first, wire);
        let head_is_due = first.header.object_id > 0;
        if head_is_due && timeout(limit::HEAD_WAIT, track.log.head_settled(header.group)).await.is_err() {
            tracing::debug!(track = %track.name, group = header.group, "head of the joining group is late; going on without");
        }
        let subgroup = reader.subgroup_id().unwrap_or_default();
        let appender = track.log.subgroup(header.group, subgroup, meta);
        let mut appender = match appender {
            Ok(appender) => appender,
            Err(error) => return judge(track, Err(error)),
        };
        let outcome = self.copy(&mut appender, &mut reader, &first).await;
        match outcome {
            Ok(Ended::Finished) => judge(track, appender.finish(header.end_of_group)),
            Ok(Ended::Lost) if self.reserve.load(Ordering::Relaxed) => {
                appender.bequeath();
                Err(Stopped::Stream)
            }
            Ok(Ended::Lost) => {
                appender.reset(StreamErrorCode::SessionClosed);
                Err(Stopped::Stream)
            }
            Ok(Ended::Reset(code)) => {
                appender.reset(code);
                Err(Stopped::Stream)
            }
            Err(error) => {
                reader.stop(StreamErrorCode::Cancelled);
                judge(track, Err(error))
            }
        }
    }

    async fn copy(
        &self,
        appender: &mut SubgroupAppender,
        reader: &mut SubgroupReader,
        first: &Arrived,
    ) -> Result<Ended, AppendError> {
        first.append(appender)?;
        loop {
            match reader.next().await {
                Ok(Some(SubgroupItem::Header { header, wire })) => self.arrived(header, wire).append(appender)?,
                Ok(Some(SubgroupItem::Payload(payload))) => {
                    metric::received(0, payload.len() as u64);
                    appender.payload(payload)?;
                }
                Ok(Some(SubgroupItem::End)) => appender.end_object()?,
                Ok(None) => return Ok(Ended::Finished),
                Err(StreamFailure::Reset(code)) => return Ok(Ended::Reset(code)),
                Err(StreamFailure::Session(_)) => return Ok(Ended::Lost),
                Err(_) => return Ok(Ended::Reset(StreamErrorCode::SessionClosed)),
            }
        }
    }

    fn feed_datagram(&self, mut datagram: Datagram) -> Result<(), Stopped> {
        metric::received(1, 0);
        if let (Some(stamper), DatagramBody::Payload(_)) = (&self.stamper, &datagram.body)
            && let Some(stamped) = stamper.stamp(&datagram.properties, &self.track.dwell)
        {
            datagram.properties = stamped;
        }
        judge(self.track, self.track.log.datagram(datagram))
    }

    /// An object begins to arrive: its header gets this relay's hop, if the track is stamped.
    fn arrived(&self, header: ObjectHeader, wire: Bytes) -> Arrived {
        metric::received(1, wire.len() as u64);
        let Some(stamper) = &self.stamper else { return Arrived { header, wire: Some(wire) } };
        if header.status == ObjectStatus::Normal
            && let Some(properties) = stamper.stamp(&header.properties, &self.track.dwell)
        {
            return Arrived { header: ObjectHeader { properties, ..header }, wire: None };
        }
        // On a stream that had no properties this header has another form than its stamped neighbours.
        Arrived { header, wire: Some(wire).filter(|_| !stamper.begins()) }
    }
}

impl Arrived {
    fn append(&self, appender: &mut SubgroupAppender) -> Result<(), AppendError> {
        match &self.wire {
            Some(wire) => appender.header(&self.header, wire),
            None => appender.encode_header(&self.header),
        }
    }
}

/// Reads the joining FETCH into the log; live streams of the group wait until it has ended, however it ends.
async fn feed_head(track: &Arc<Track>, head: Head, version: moqt::Version) -> Result<(), Stopped> {
    let Head { reader: Some(mut head), hold, .. } = head else { return Ok(()) };
    let mut target = FetchTarget { log: &track.log, version, current: None };
    let outcome = loop {
        match head.next().await {
            Ok(Some(item)) => {
                if let Err(error) = target.take(item) {
                    break judge(track, Err(error));
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => {
                tracing::debug!(track = %track.name, %error, "joining fetch failed; going on from the live edge");
                break Err(Stopped::Stream);
            }
        }
    };
    target.detach();
    drop(hold);
    outcome
}

/// Appends the objects of a FETCH answer to a log, each to its subgroup.
pub(super) struct FetchTarget<'a> {
    pub(super) log: &'a TrackLog,
    pub(super) version: moqt::Version,
    pub(super) current: Option<(u64, u64, SubgroupAppender)>,
}

impl FetchTarget<'_> {
    /// Takes the next piece of the answer.
    pub(super) fn take(&mut self, item: FetchItem) -> Result<(), AppendError> {
        match item {
            FetchItem::Header { header, .. } => self.begin(&header),
            FetchItem::Payload(payload) => {
                metric::received(0, payload.len() as u64);
                self.current.as_mut().map_or(Ok(()), |(_, _, appender)| appender.payload(payload))
            }
            FetchItem::End => self.current.as_mut().map_or(Ok(()), |(_, _, appender)| appender.end_object()),
            FetchItem::EndOfRange { .. } => Ok(()),
        }
    }

    fn begin(&mut self, header: &FetchObjectHeader) -> Result<(), AppendError> {
        metric::received(1, 0);
        let Location { group, object } = header.location;
        let subgroup = header.subgroup.unwrap_or_default();
        if self.current.as_ref().is_none_or(|(held, other, _)| (*held, *other) != (group, subgroup)) {
            self.detach();
            let meta = SubgroupMeta {
                version: self.version,
                priority: Some(header.priority),
                has_properties: true,
                first_object: object == 0,
                end_of_group: false,
            };
            self.current = Some((group, subgroup, self.log.subgroup(group, subgroup, meta)?));
        }
        let Some((_, _, appender)) = self.current.as_mut() else { return Ok(()) };
        appender.encode_header(&ObjectHeader {
            object_id: object,
            properties: header.properties.clone(),
            payload_len: header.payload_len,
            status: ObjectStatus::Normal,
        })
    }

    /// Leaves the current subgroup open for what continues it.
    pub(super) fn detach(&mut self) {
        if let Some((_, _, appender)) = self.current.take() {
            appender.detach();
        }
    }
}
