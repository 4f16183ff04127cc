//! FETCH: a range of groups, from the live log, the cache, or one upstream FETCH per missing group.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fanout::{FetchRange, GroupAnswer, GroupLog, GroupSource, NoObserver, fetch_end, serve_fetch};
use moqt::{FullTrackName, Location, Properties, PublishDoneCode, RequestErrorCode};
use transport::IncomingFetch;

use super::subscribe::DEFAULT_PRIORITY;
use crate::cache::GroupKey;
use crate::limit;
use crate::metric;
use crate::relay::Context;
use crate::track::{Refusal, Track};
use crate::upstream::{self, FetchFailure};

/// Answers one FETCH.
pub(super) async fn serve(context: Arc<Context>, mut request: IncomingFetch) {
    let wanted = Wanted {
        track: request.track.clone(),
        start: request.start,
        end: request.end,
        hops: request.parameters.hops.clone(),
        fill: request.parameters.fill_timeout.map(|budget| Instant::now() + budget),
    };
    let opening = async {
        let opened = open(&context, &wanted).await?;
        settle(&context, &wanted, &opened).await;
        Ok(opened)
    };
    let opened = tokio::select! {
        opened = opening => opened,
        () = request.cancelled() => return,
    };
    let plan = opened.and_then(|opened| plan(&wanted, opened));
    let Plan { opened, end, end_of_track } = match plan {
        Ok(plan) => plan,
        Err(refusal) => {
            metric::refused("fetch", refusal.code);
            return request.refuse(refusal.code, refusal.retry, &refusal.reason, refusal.redirect.map(|to| *to));
        }
    };
    let publisher = opened.properties.default_publisher_priority();
    let subscriber = request.parameters.subscriber_priority.unwrap_or(DEFAULT_PRIORITY);
    let range = FetchRange { start: request.start, end, order: request.order, default_priority: publisher };
    let Wanted { track: name, hops, fill, .. } = wanted;
    let source = TrackGroups { context, name, track: opened.track.clone(), hops, fill, misses: AtomicUsize::new(0) };
    let priority = transport::stream_priority(subscriber, publisher, 0);
    match request.accept(end_of_track, end, opened.properties.clone(), priority).await {
        Ok(writer) => {
            if let Err(error) = serve_fetch(&Settled { source: &source, end }, range, writer, &NoObserver).await {
                tracing::debug!(track = %source.name, %error, "fetch ended early");
            }
        }
        Err(error) => tracing::debug!(%error, "fetcher left before its answer"),
    }
}

/// What a FETCH asks for.
struct Wanted {
    track: FullTrackName,
    start: Location,
    end: Location,
    hops: Vec<u64>,
    /// When asking upstream must stop.
    fill: Option<Instant>,
}

/// What is known about the track of a FETCH.
struct Opened {
    /// The open track, held open by the viewing beside it.
    track: Option<Arc<Track>>,
    properties: Properties,
    largest: Option<Location>,
    _viewing: Option<crate::track::Viewing>,
}

/// Opens the track; without any publisher, a range that begins in the cache is served from there.
async fn open(context: &Arc<Context>, request: &Wanted) -> Result<Opened, Refusal> {
    let viewing = context.open(&request.track, &request.hops)?;
    match viewing.ready().await {
        Ok(properties) => {
            let track = Some(viewing.track.clone());
            Ok(Opened { largest: viewing.track.largest(), track, properties, _viewing: Some(viewing) })
        }
        Err(refusal) => {
            if let Some(properties) = viewing.track.ended() {
                let track = Some(viewing.track.clone());
                return Ok(Opened { largest: viewing.track.largest(), track, properties, _viewing: Some(viewing) });
            }
            let key = GroupKey { track: request.track.clone(), group: request.start.group };
            let cached = context.cache.get(&key).await.ok_or(refusal)?;
            let object = cached.largest_object().unwrap_or_default();
            let largest = request.end.max(Location { group: request.start.group, object });
            Ok(Opened { track: None, properties: Properties::default(), largest: Some(largest), _viewing: None })
        }
    }
}

/// Finds out whether the newest group is whole before all of it is promised.
async fn settle(context: &Arc<Context>, request: &Wanted, opened: &Opened) {
    let newest = opened.largest.map_or(0, |largest| largest.group);
    if request.end != (Location { group: newest, object: 0 }) {
        return;
    }
    let Some(track) = &opened.track else { return };
    let Some(group) = track.log.group(newest) else { return };
    let source = TrackGroups {
        context: context.clone(),
        name: request.track.clone(),
        track: Some(track.clone()),
        hops: request.hops.clone(),
        fill: request.fill,
        misses: AtomicUsize::new(0),
    };
    source.settled(group).await;
}

/// A FETCH that can be answered, and how far the answer reaches.
struct Plan {
    opened: Opened,
    end: Location,
    end_of_track: bool,
}

/// Checks the range against the largest location (draft-18 section 10.12.3).
fn plan(request: &Wanted, opened: Opened) -> Result<Plan, Refusal> {
    let out_of_range = |reason: &str| Refusal {
        code: RequestErrorCode::InvalidRange,
        retry: None,
        reason: reason.to_owned(),
        redirect: None,
    };
    let largest = opened.largest.ok_or_else(|| out_of_range("nothing was published yet"))?;
    if request.start > largest {
        return Err(out_of_range("range starts after the largest object"));
    }
    let log = opened.track.as_ref().map(|track| &track.log);
    let newest = log.and_then(|log| log.group(largest.group)).filter(|group| group.is_complete());
    let ended = log.and_then(fanout::TrackLog::last_location).is_some_and(|last| last <= largest);
    let end = fetch_end(request.end, largest, newest.is_some() && !ended);
    let end_of_track = ended && end == Location { group: largest.group, object: largest.object.saturating_add(1) };
    Ok(Plan { opened, end, end_of_track })
}

/// One track's groups, wherever they are.
pub(crate) struct TrackGroups {
    pub(crate) context: Arc<Context>,
    pub(crate) name: FullTrackName,
    /// Its live log, if it is open.
    pub(crate) track: Option<Arc<Track>>,
    /// Relays the request came through.
    pub(crate) hops: Vec<u64>,
    /// When asking upstream must stop (FILL_TIMEOUT); `None` = no limit but the request timeout.
    pub(crate) fill: Option<Instant>,
    /// Groups that this request made the relay ask for upstream.
    pub(crate) misses: AtomicUsize,
}

impl TrackGroups {
    /// The group, if the live log has it, or is about to have it from the joining FETCH.
    async fn live_group(&self, id: u64) -> Option<Arc<GroupLog>> {
        let track = self.track.as_ref()?;
        let log = &track.log;
        if track.largest().is_none_or(|largest| largest.group != id) {
            return log.group(id);
        }
        let arriving = async {
            tokio::select! {
                biased;
                group = log.wait_for(|log| log.group(id)) => Some(group),
                () = log.head_settled(id) => None,
            }
        };
        tokio::time::timeout(limit::HEAD_WAIT, arriving).await.ok().flatten()
    }

    /// The group from the cache or from upstream. Concurrent requests for it share one upstream FETCH.
    async fn past_group(&self, id: u64) -> Result<Arc<GroupLog>, FetchFailure> {
        let key = GroupKey { track: self.name.clone(), group: id };
        let left = self.fill.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        if left.is_zero() || self.misses.load(Ordering::Relaxed) >= limit::UPSTREAM_FETCHES {
            return self.context.cache.get(&key).await.ok_or(FetchFailure::Unknown);
        }
        let fetch = || {
            self.misses.fetch_add(1, Ordering::Relaxed);
            upstream::fetch_group(self.context.clone(), self.name.clone(), id, &self.hops)
        };
        let find = async {
            match self.context.cache.get_or_load(key, async { fetch().await }).await? {
                Some(group) => Ok(group),
                None => Ok(fetch().await?.group),
            }
        };
        tokio::time::timeout(left, find).await.unwrap_or(Err(FetchFailure::Unknown))
    }

    /// A group that came by a joining FETCH, which cannot tell whether there is more: a FETCH of the whole group can. If there
    /// is not, the live group is complete from here on, or the fetched one takes its place.
    pub(crate) async fn settled(&self, group: Arc<GroupLog>) -> Arc<GroupLog> {
        if group.is_complete() || group.is_growing() {
            return group;
        }
        let Ok(whole) = self.past_group(group.id()).await else { return group };
        let extent = |group: &GroupLog| (group.largest_object(), group.objects());
        if let Some(track) = self.track.as_ref().filter(|_| extent(&whole) == extent(&group)) {
            track.log.seal_group(group.id());
        }
        if group.is_complete() { group } else { whole }
    }

    /// How far nothing can be told from here on, once no more is asked upstream.
    fn unknown_through(&self, id: u64, last: u64) -> u64 {
        if last <= id || self.misses.load(Ordering::Relaxed) < limit::UPSTREAM_FETCHES {
            return id;
        }
        let live = self.track.iter().flat_map(|track| track.log.groups_from(id)).map(|group| group.id());
        live.map(|next| next.saturating_sub(1)).min().unwrap_or(last).clamp(id, last)
    }
}

/// A track's groups for one FETCH. Behind an older group that came by a joining FETCH there may be more, which only upstream
/// knows: it is asked if the range reaches there.
struct Settled<'a> {
    source: &'a TrackGroups,
    end: Location,
}

impl Settled<'_> {
    fn reaches_behind(&self, group: &GroupLog) -> bool {
        let newest = self.source.track.as_ref().and_then(|track| track.largest());
        let last = group.largest_object().unwrap_or_default();
        newest.is_some_and(|newest| newest.group > group.id())
            && (group.id() != self.end.group || self.end.object == 0 || self.end.object - 1 > last)
    }
}

impl GroupSource for Settled<'_> {
    async fn group(&self, id: u64, last: u64) -> GroupAnswer {
        match self.source.group(id, last).await {
            GroupAnswer::Found(group) if self.reaches_behind(&group) => {
                GroupAnswer::Found(self.source.settled(group).await)
            }
            other => other,
        }
    }
}

impl GroupSource for TrackGroups {
    async fn group(&self, id: u64, last: u64) -> GroupAnswer {
        if let Some(group) = self.live_group(id).await {
            return GroupAnswer::Found(group);
        }
        if let Some(track) = &self.track {
            if track.log.ended().is_some_and(|end| end.status == PublishDoneCode::MalformedTrack) {
                return GroupAnswer::Malformed;
            }
            if track.log.is_absent(id) {
                return GroupAnswer::Missing { through: id };
            }
        }
        match self.past_group(id).await {
            Ok(group) => GroupAnswer::Found(group),
            Err(FetchFailure::Missing) => GroupAnswer::Missing { through: id },
            Err(FetchFailure::Unknown) => GroupAnswer::Unknown { through: self.unknown_through(id, last) },
        }
    }
}
