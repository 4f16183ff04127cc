//! Answers the requests of one session, whoever opened it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use access::{Access, Gate, Refused, Standing, Want};
use fanout::{
    DeliveryTimeouts, FetchRange, GroupAnswer, GroupSource, ServeSettings, SubscriptionSink, TrackLog, fetch_end,
    is_reserved, resolve_filter, serve_fetch, serve_reserved, serve_subscription,
};
use moqt::{
    FullTrackName, GroupOrder, Location, Namespace, Parameters, Properties, PublishDoneCode, RequestErrorCode, Version,
};
use tokio::{sync::mpsc, task::JoinSet, time::sleep};
use transport::{
    IncomingFetch, IncomingPrefix, IncomingRequest, IncomingSubscribe, IncomingTrackStatus, MAX_GROUP_RANK,
    PrefixEvent, RequestFailure, Session, SubscriptionWriter, stream_priority,
};

use crate::{
    limit::{BLOCKED_TRACKS, JOINING_TIME, RETRY_AFTER, SESSION_REQUESTS, SLOW_VIEWER},
    metric,
    publish::{Broadcast, Demand, Lookup, Track, TrackSet, Viewer},
};

/// Priority of a subscriber who names none (draft-18 section 10.2.7).
const DEFAULT_PRIORITY: u8 = 128;

/// The broadcasts of this origin by namespace.
#[derive(Debug, Default)]
pub(crate) struct Publications(BTreeMap<Namespace, Arc<Broadcast>>);

impl Publications {
    /// Adds a broadcast, in place of one with the same namespace.
    pub(crate) fn add(&mut self, broadcast: Arc<Broadcast>) {
        self.0.insert(broadcast.namespace().clone(), broadcast);
    }

    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.0.keys()
    }

    /// Whether a viewer of any broadcast would be served.
    pub(crate) fn are_ready(&self) -> bool {
        self.0.values().all(|broadcast| broadcast.is_ready())
    }

    fn under(&self, prefix: &Namespace) -> Vec<Arc<Broadcast>> {
        self.0.values().filter(|broadcast| prefix.is_prefix_of(broadcast.namespace())).cloned().collect()
    }
}

/// Why a request gets no positive answer.
#[derive(Debug)]
struct Refusal {
    code: RequestErrorCode,
    retry: Option<Duration>,
    reason: &'static str,
}

impl Refusal {
    const fn new(code: RequestErrorCode, reason: &'static str) -> Self {
        Self { code, retry: None, reason }
    }

    const NO_BROADCAST: Self = Self::new(RequestErrorCode::DoesNotExist, "no such broadcast here");
    const NO_TRACK: Self = Self::new(RequestErrorCode::DoesNotExist, "the broadcast has no such track");
    const NOT_YET: Self = Self {
        code: RequestErrorCode::Timeout,
        retry: Some(RETRY_AFTER),
        reason: "the source has not told its tracks yet",
    };
    const NOTHING_YET: Self = Self::new(RequestErrorCode::InvalidRange, "nothing was published yet");
    const BEHIND_THE_EDGE: Self =
        Self::new(RequestErrorCode::InvalidRange, "the range begins behind the newest object");
    const IN_THE_PAST: Self = Self::new(RequestErrorCode::InvalidRange, "the range ends before the newest group");
    const BUSY: Self = Self {
        code: RequestErrorCode::ExcessiveLoad,
        retry: Some(RETRY_AFTER),
        reason: "too many requests at the same time",
    };
    const NOT_A_RELAY: Self = Self::new(RequestErrorCode::NotSupported, "this origin takes no publications");
}

/// Refuses any kind of request and counts it.
macro_rules! refuse {
    ($request:expr, $refusal:expr) => {{
        let Refusal { code, retry, reason } = $refusal;
        metric::refused(code);
        $request.reject(code, retry, reason);
    }};
}

/// Answers requests until the session is over. Every request is a task of this future and ends with it.
pub(crate) async fn serve(session: &Session, publications: &Arc<Publications>, access: Arc<Access>) {
    let gate = Arc::new(Gate::new(access, session.clone(), is_reserved));
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(ended) = tasks.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "the task of a request failed");
            },
            request = session.next_request() => match request {
                Some(request) if tasks.len() >= SESSION_REQUESTS => refuse!(request, Refusal::BUSY),
                Some(request) => {
                    tasks.spawn(answer(session.clone(), publications.clone(), gate.clone(), request));
                }
                None => break,
            },
        }
    }
}

async fn answer(session: Session, publications: Arc<Publications>, gate: Arc<Gate>, request: IncomingRequest) {
    let (request, standing) = match gate.admit(request).await {
        Ok(admitted) => admitted,
        Err(Refused(code)) => return metric::refused(code),
    };
    match request {
        IncomingRequest::Subscribe(request) if is_reserved(&request.track.namespace) => {
            serve_reserved(&**session.connection(), request).await;
        }
        IncomingRequest::Subscribe(request) => subscribe(&session, &publications, request).await,
        IncomingRequest::Fetch(request) => fetch(&publications, request).await,
        IncomingRequest::TrackStatus(request) => track_status(&publications, request).await,
        IncomingRequest::SubscribeNamespace(request) => namespaces(&publications, standing, request).await,
        IncomingRequest::SubscribeTracks(request) => tracks(&session, &publications, standing, request).await,
        request @ (IncomingRequest::Publish(_) | IncomingRequest::PublishNamespace(_)) => {
            refuse!(request, Refusal::NOT_A_RELAY);
        }
    }
}

/// Finds a track for a viewer; while the returned [`Viewer`] lives an on-demand source runs.
async fn find(publications: &Publications, name: &FullTrackName) -> Result<(Viewer, Arc<Track>), Refusal> {
    let Some(broadcast) = publications.0.get(&name.namespace) else { return Err(Refusal::NO_BROADCAST) };
    let viewer = broadcast.watch();
    match broadcast.track(&name.name).await {
        Lookup::Found(track) => Ok((viewer, track)),
        Lookup::Missing => Err(Refusal::NO_TRACK),
        Lookup::NotYet => Err(Refusal::NOT_YET),
    }
}

async fn subscribe(session: &Session, publications: &Publications, mut request: IncomingSubscribe) {
    let name = request.track.clone();
    let found = tokio::select! {
        found = find(publications, &name) => found,
        () = request.cancelled() => return,
    };
    let (_viewer, track) = match found {
        Ok(found) => found,
        Err(refusal) => return refuse!(request, refusal),
    };
    let demand = track.demand();
    let largest = demand.log().largest();
    let settings = match serve_settings(&request.parameters, largest, track.priority()) {
        Ok(settings) => settings,
        Err(refusal) => return refuse!(request, refusal),
    };
    let answer = Parameters { largest_object: largest, ..Parameters::default() };
    match request.accept(answer, track.properties().clone()) {
        Ok(writer) => {
            if track.has_ended() {
                // PUBLISH_DONE would make a joining FETCH that is on its way refer to nothing.
                sleep(JOINING_TIME).await;
            }
            send(&demand, writer, session.connection().info().version, settings).await;
        }
        Err(error) => tracing::debug!(%name, %error, "a subscriber was gone before its answer"),
    }
}

async fn send(demand: &Demand, writer: SubscriptionWriter, version: Version, settings: ServeSettings) {
    let _present = metric::Present::subscription();
    let end =
        serve_subscription(demand.log(), SubscriptionSink::new(writer, version), settings, &metric::Sending).await;
    tracing::debug!(?end, "subscription over");
}

fn serve_settings(
    parameters: &Parameters,
    largest: Option<Location>,
    publisher_priority: u8,
) -> Result<ServeSettings, Refusal> {
    let range = resolve_filter(parameters.filter, largest).map_err(|_| Refusal::IN_THE_PAST)?;
    Ok(ServeSettings {
        start: range.start,
        end_group: range.end_group,
        forward: parameters.forward.unwrap_or(true),
        subscriber_priority: parameters.subscriber_priority.unwrap_or(DEFAULT_PRIORITY),
        publisher_priority,
        order: parameters.group_order.unwrap_or(GroupOrder::Ascending),
        timeouts: DeliveryTimeouts::new(parameters, &Properties::default()),
        slow: SLOW_VIEWER,
    })
}

async fn track_status(publications: &Publications, mut request: IncomingTrackStatus) {
    let name = request.track.clone();
    let found = tokio::select! {
        found = find(publications, &name) => found,
        () = request.cancelled() => return,
    };
    match found {
        Ok((_viewer, track)) => {
            let answer = Parameters { largest_object: track.largest(), ..Parameters::default() };
            request.accept(answer, track.properties().clone());
        }
        Err(refusal) => refuse!(request, refusal),
    }
}

/// Reports the broadcasts under a prefix that the subscriber may see. They are what the settings say, so none comes or goes later.
async fn namespaces(publications: &Publications, standing: Standing, request: IncomingPrefix) {
    let mut writer = request.accept();
    loop {
        for broadcast in publications.under(writer.prefix()) {
            if standing.allows(&Want::See(broadcast.namespace().clone())) {
                writer.added(broadcast.namespace());
            }
        }
        match writer.next().await {
            PrefixEvent::Moved(_) => {}
            PrefixEvent::Ended => return,
        }
    }
}

/// Answers from what is kept. Older groups are not known any more, which the answer says.
async fn fetch(publications: &Publications, mut request: IncomingFetch) {
    let name = request.track.clone();
    let found = tokio::select! {
        found = find(publications, &name) => found,
        () = request.cancelled() => return,
    };
    let (_viewer, track) = match found {
        Ok(found) => found,
        Err(refusal) => return refuse!(request, refusal),
    };
    let demand = track.demand();
    let Some(largest) = demand.log().largest() else { return refuse!(request, Refusal::NOTHING_YET) };
    if request.start > largest {
        return refuse!(request, Refusal::BEHIND_THE_EDGE);
    }
    metric::fetch();
    let whole = !track.has_ended() && demand.log().group(largest.group).is_some_and(|group| group.is_complete());
    let end = fetch_end(request.end, largest, whole);
    let range = FetchRange { start: request.start, end, order: request.order, default_priority: track.priority() };
    let subscriber = request.parameters.subscriber_priority.unwrap_or(DEFAULT_PRIORITY);
    let priority = stream_priority(subscriber, track.priority(), MAX_GROUP_RANK);
    let final_end = track.has_ended() && end == Location::new(largest.group, largest.object + 1);
    match request.accept(final_end, end, track.properties().clone(), priority).await {
        Ok(writer) => {
            let outcome = serve_fetch(&Kept(demand.log()), range, writer, &metric::Sending).await;
            tracing::debug!(%name, ?outcome, "fetch over");
        }
        Err(error) => tracing::debug!(%name, %error, "a fetch was cancelled before its answer"),
    }
}

/// The groups of a track's log, as FETCH asks for them.
struct Kept<'a>(&'a TrackLog);

impl GroupSource for Kept<'_> {
    async fn group(&self, id: u64, last: u64) -> GroupAnswer {
        let kept = self.0.groups_from(0);
        let next = if last < id {
            kept.iter().rev().find(|group| (last..=id).contains(&group.id()))
        } else {
            kept.iter().find(|group| (id..=last).contains(&group.id()))
        };
        let oldest = kept.first().map_or(u64::MAX, |group| group.id());
        match next {
            // Downwards everything above the newest is missing, upwards everything below the oldest unknown.
            Some(group) if last < id || id >= oldest => GroupAnswer::Found(group.clone()),
            Some(_) => GroupAnswer::Unknown { through: oldest - 1 },
            None if id.min(last) < oldest => GroupAnswer::Unknown { through: last },
            None => GroupAnswer::Missing { through: last },
        }
    }
}

/// Offers every track under a prefix that the subscriber may watch by PUBLISH, now and when sources tell new ones.
async fn tracks(session: &Session, publications: &Publications, standing: Standing, request: IncomingPrefix) {
    let forward = request.parameters.forward.unwrap_or(true);
    let mut writer = request.accept();
    let (sender, mut blocked) = mpsc::channel(BLOCKED_TRACKS);
    loop {
        let mut offers = JoinSet::new();
        for broadcast in publications.under(writer.prefix()) {
            let (session, standing) = (session.clone(), standing.clone());
            offers.spawn(offer_broadcast(session, broadcast, standing, forward, sender.clone()));
        }
        loop {
            tokio::select! {
                Some(track) = blocked.recv() => writer.blocked(&track.namespace, track.name),
                event = writer.next() => match event {
                    PrefixEvent::Moved(_) => break,
                    PrefixEvent::Ended => return,
                },
            }
        }
    }
}

/// Offers the tracks of one broadcast. Who wants all tracks is a viewer, so an on-demand source runs.
async fn offer_broadcast(
    session: Session,
    broadcast: Arc<Broadcast>,
    standing: Standing,
    forward: bool,
    blocked: mpsc::Sender<FullTrackName>,
) {
    if !standing.allows(&Want::See(broadcast.namespace().clone())) {
        return;
    }
    let _viewer = broadcast.watch();
    let mut sets = broadcast.tracks();
    let mut offers = JoinSet::new();
    let mut offered = TrackSet::new();
    loop {
        while offers.try_join_next().is_some() {}
        let set = sets.borrow_and_update().clone().unwrap_or_default();
        for (name, track) in set.iter() {
            let known = offered.get(name).is_some_and(|offered| Arc::ptr_eq(offered, track));
            let full = FullTrackName::new(broadcast.namespace().clone(), name.clone()).ok().filter(|_| !known);
            if let Some(full) = full
                && let Some(watching) = standing.toward(Want::Subscribe(full.clone()))
            {
                offers.spawn(offer_track(session.clone(), full, track.clone(), watching, forward, blocked.clone()));
            }
        }
        offered = TrackSet::clone(&set);
        if sets.changed().await.is_err() {
            return;
        }
    }
}

async fn offer_track(
    session: Session,
    name: FullTrackName,
    track: Arc<Track>,
    standing: Standing,
    forward: bool,
    blocked: mpsc::Sender<FullTrackName>,
) {
    let largest = track.largest();
    let parameters = Parameters { largest_object: largest, forward: Some(forward), ..Parameters::default() };
    let (mut writer, answer) = match session.publish(name.clone(), parameters, track.properties().clone()).await {
        Ok(accepted) => accepted,
        Err(RequestFailure::NoStream) => {
            // The other end lives as long as the subscription to the prefix.
            let _ = blocked.send(name).await;
            return;
        }
        Err(error) => return tracing::debug!(%name, %error, "a track was offered in vain"),
    };
    writer.hold(standing.lease());
    let parameters = Parameters { forward: answer.forward.or(Some(forward)), ..answer };
    match serve_settings(&parameters, largest, track.priority()) {
        Ok(settings) => {
            let version = session.connection().info().version;
            send(&track.demand(), writer, version, settings).await;
        }
        Err(Refusal { reason, .. }) => writer.done(PublishDoneCode::SubscriptionEnded, reason),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fanout::{LogSettings, MemoryBudget, SubgroupMeta};
    use moqt::{ObjectHeader, ObjectStatus};

    use super::*;

    fn log(groups: &[u64]) -> TrackLog {
        let settings = LogSettings { max_groups: 10, min_age: Duration::ZERO, max_bytes: 1 << 20 };
        let log = TrackLog::new(settings, MemoryBudget::new(1 << 20));
        let meta = SubgroupMeta {
            version: Version::Draft18,
            priority: None,
            has_properties: false,
            first_object: true,
            end_of_group: true,
        };
        for group in groups {
            let header = ObjectHeader {
                object_id: 0,
                properties: Properties::EMPTY,
                payload_len: 1,
                status: ObjectStatus::Normal,
            };
            let mut appender = log.subgroup(*group, 0, meta).unwrap();
            appender.object(&header, Bytes::from_static(b"x")).unwrap();
            appender.finish(true).unwrap();
        }
        log
    }

    /// What is said about a whole range, step by step: `5` = group 5, `?5` and `-5` = unknown and missing through 5.
    async fn walk(log: &TrackLog, first: u64, last: u64) -> Vec<String> {
        let (mut id, mut said) = (first, Vec::new());
        loop {
            let (through, text) = match Kept(log).group(id, last).await {
                GroupAnswer::Found(group) => (group.id(), group.id().to_string()),
                GroupAnswer::Unknown { through } => (through, format!("?{through}")),
                GroupAnswer::Missing { through } => (through, format!("-{through}")),
                GroupAnswer::Malformed => panic!("nothing malformed was published"),
            };
            said.push(text);
            if through == last {
                return said;
            }
            id = if last < first { through - 1 } else { through + 1 };
        }
    }

    #[tokio::test]
    async fn older_groups_are_unknown_and_gaps_do_not_exist() {
        let log = log(&[5, 6, 9]);
        assert_eq!(walk(&log, 5, 9).await, ["5", "6", "9"]);
        assert_eq!(walk(&log, 2, 6).await, ["?4", "5", "6"]);
        assert_eq!(walk(&log, 0, 3).await, ["?3"]);
        assert_eq!(walk(&log, 7, 8).await, ["-8"]);
        assert_eq!(walk(&log, 9, 12).await, ["9", "-12"]);
        assert_eq!(walk(&log, 9, 5).await, ["9", "6", "5"]);
        assert_eq!(walk(&log, 6, 2).await, ["6", "5", "?2"]);
        assert_eq!(walk(&log, 8, 7).await, ["-7"]);
    }
}
