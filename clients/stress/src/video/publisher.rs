//! Synthetic publishers: one session per broadcast, from which the relay pulls what its viewers want.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fanout::{
    AppendError, DeliveryTimeouts, FetchRange, LogSettings, MemoryBudget, NoObserver, ServeSettings, SlowViewerPolicy,
    SubgroupAppender, SubgroupMeta, SubscriptionSink, TrackLog, fetch_end, resolve_filter, serve_fetch,
    serve_subscription,
};
use moqt::{
    FullTrackName, GroupOrder, Namespace, ObjectHeader, ObjectStatus, Parameters, Properties, RequestErrorCode, Version,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};
use transport::{IncomingFetch, IncomingRequest, IncomingSubscribe, Session};

use super::frame::{HEADER_BYTES, Stamp};
use super::schedule::Schedule;
use super::series::{ERRORS, PUBLISH_LAG, SESSIONS};
use crate::clock::Moment;
use crate::connect::{Dialer, Target, request_error, session_error};
use crate::engine::{Phase, Stop};
use crate::limit;
use crate::measure::Meter;

/// The priority of everything here: nothing is more urgent than anything else.
const PRIORITY: u8 = 128;

/// One track and how far it has come; viewers look at it, too.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) name: FullTrackName,
    /// Among all tracks of the run.
    pub(crate) index: u32,
    log: TrackLog,
    /// Frames published so far.
    published: AtomicU64,
    /// Frames of each group.
    pub(crate) group_frames: u32,
}

/// A broadcast to be published.
#[derive(Debug)]
pub(crate) struct Broadcast {
    pub(crate) namespace: Namespace,
    pub(crate) tracks: Vec<Arc<Track>>,
}

impl Track {
    pub(crate) fn new(
        name: FullTrackName,
        index: u32,
        group_frames: u32,
        kept_groups: usize,
        budget: MemoryBudget,
    ) -> Self {
        let settings =
            LogSettings { max_groups: kept_groups, min_age: Duration::ZERO, max_bytes: limit::PUBLISHER_BYTES };
        let log = TrackLog::new(settings, budget);
        Self { name, index, log, published: AtomicU64::new(0), group_frames }
    }

    /// Frames published so far.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Groups that are complete so far: all with smaller numbers are.
    pub(crate) fn complete_groups(&self) -> u64 {
        self.published() / u64::from(self.group_frames.max(1))
    }

    /// Publishes what the schedule says until sources stop. The last group stays open: it is cut by the run's end, not here.
    pub(crate) async fn run(self: Arc<Self>, schedule: Schedule, begin: Begin, meter: Meter, stop: Stop) {
        let filling = filling();
        let mut writing: Option<SubgroupAppender> = None;
        for due in schedule {
            let at = begin.offset + due.at;
            tokio::select! {
                biased;
                () = stop.reached(Phase::Draining) => break,
                () = sleep_until(begin.instant + at) => {}
            }
            let stamp = Stamp {
                run: begin.run,
                track: self.index,
                group: due.group,
                object: due.object,
                sequence: due.sequence,
                due: begin.moment + at,
            };
            let from = (due.sequence as usize * 97) % (filling.len() / 2);
            let rest = due.bytes.saturating_sub(HEADER_BYTES);
            let frame = if rest <= filling.len() / 2 {
                stamp.frame(&filling[from..from + rest])
            } else {
                stamp.frame(&filling.iter().copied().cycle().take(rest).collect::<Vec<_>>())
            };
            meter.time(&PUBLISH_LAG, stamp.due.elapsed());
            if let Err(error) = self.append(&mut writing, &stamp, frame) {
                meter.labelled(&ERRORS, &format!("publisher: {error}"));
            }
            self.published.store(due.sequence + 1, Ordering::Release);
        }
        stop.reached(Phase::Ended).await;
        if let Some(open) = writing {
            open.detach();
        }
    }

    fn append(
        &self,
        writing: &mut Option<SubgroupAppender>,
        stamp: &Stamp,
        frame: bytes::Bytes,
    ) -> Result<(), AppendError> {
        if stamp.object == 0 {
            if let Some(before) = writing.take() {
                before.finish(true)?;
            }
            let meta = SubgroupMeta {
                version: Version::Draft18,
                priority: None,
                has_properties: false,
                first_object: true,
                end_of_group: true,
            };
            *writing = Some(self.log.subgroup(stamp.group, 0, meta)?);
        }
        let header = ObjectHeader {
            object_id: u64::from(stamp.object),
            properties: Properties::default(),
            payload_len: frame.len() as u64,
            status: ObjectStatus::Normal,
        };
        // After an error the rest of the group is left out.
        match writing.as_mut() {
            Some(open) => open.object(&header, frame).inspect_err(|_| *writing = None),
            None => Ok(()),
        }
    }

    async fn subscribe(&self, request: IncomingSubscribe) {
        let largest = self.log.largest();
        let wanted = request.parameters.clone();
        let Ok(range) = resolve_filter(wanted.filter, largest) else {
            return request.reject(RequestErrorCode::InvalidRange, None, "that is past");
        };
        let answer = Parameters { largest_object: largest, ..Parameters::default() };
        let Ok(writer) = request.accept(answer, Properties::default()) else { return };
        let settings = ServeSettings {
            start: range.start,
            end_group: range.end_group,
            forward: wanted.forward.unwrap_or(true),
            subscriber_priority: wanted.subscriber_priority.unwrap_or(PRIORITY),
            publisher_priority: PRIORITY,
            order: GroupOrder::Ascending,
            timeouts: DeliveryTimeouts::default(),
            slow: SlowViewerPolicy {
                max_lag_groups: usize::MAX,
                min_lag: Duration::ZERO,
                max_lag: limit::PUBLISHER_PATIENCE,
                max_lag_bytes: u64::MAX,
            },
        };
        let version = writer.version();
        serve_subscription(&self.log, SubscriptionSink::new(writer, version), settings, &NoObserver).await;
    }

    async fn fetch(&self, request: IncomingFetch) {
        let start = request.start;
        let Some(largest) = self.log.largest().filter(|largest| start <= *largest) else {
            return request.reject(RequestErrorCode::InvalidRange, None, "nothing is there yet");
        };
        let whole = self.log.group(largest.group).is_some_and(|group| group.is_complete());
        let end = fetch_end(request.end, largest, whole);
        let range = FetchRange { start, end, order: request.order, default_priority: PRIORITY };
        if let Ok(writer) = request
            .accept(
                false,
                end,
                Properties::default(),
                transport::stream_priority(PRIORITY, PRIORITY, transport::MAX_GROUP_RANK),
            )
            .await
        {
            // A relay that cancels says so itself where that matters.
            let _ = serve_fetch(&self.log, range, writer, &NoObserver).await;
        }
    }
}

/// When a track begins, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begin {
    pub(crate) run: u64,
    pub(crate) instant: tokio::time::Instant,
    pub(crate) moment: Moment,
    /// After that, so that tracks do not all publish at once.
    pub(crate) offset: Duration,
}

impl Broadcast {
    /// Keeps the broadcast announced at the relay until the run ends; comes again when its session is lost. `announced` counts
    /// the publishers that got so far.
    pub(crate) async fn run(
        self: Arc<Self>,
        target: Target,
        dialer: Arc<Dialer>,
        meter: Meter,
        stop: Stop,
        announced: watch::Sender<usize>,
    ) {
        let mut first = Some(announced);
        loop {
            let served = self.serve(&target, &dialer, &meter, &mut first);
            tokio::select! {
                biased;
                () = stop.reached(Phase::Ended) => return,
                reason = served => meter.labelled(&ERRORS, &format!("publisher: {reason}")),
            }
            tokio::select! {
                biased;
                () = stop.reached(Phase::Ended) => return,
                () = sleep(limit::RETRY) => {}
            }
        }
    }

    /// One session, until it is lost.
    async fn serve(
        &self,
        target: &Target,
        dialer: &Dialer,
        meter: &Meter,
        first: &mut Option<watch::Sender<usize>>,
    ) -> String {
        let link = match dialer.connect(target, 0, meter).await {
            Ok(link) => link,
            Err(reason) => return reason,
        };
        let _present = meter.present(&SESSIONS);
        let announcing = link.session.publish_namespace(self.namespace.clone(), Parameters::default());
        // Requests may come before the answer does.
        let requests = self.answer(&link.session);
        tokio::pin!(requests);
        let announced = tokio::select! {
            () = &mut requests => return session_error(&link.session.closed().await),
            announced = announcing => announced,
        };
        let _announcement = match announced {
            Ok(announcement) => announcement,
            Err(failure) => return request_error("announce", &failure),
        };
        if let Some(announced) = first.take() {
            announced.send_modify(|count| *count += 1);
        }
        requests.await;
        session_error(&link.session.closed().await)
    }

    /// Answers the relay's requests until the session is over.
    async fn answer(&self, session: &Session) {
        let mut tasks = JoinSet::new();
        while let Some(request) = session.next_request().await {
            while tasks.try_join_next().is_some() {}
            match request {
                IncomingRequest::Subscribe(request) => match self.track(&request.track) {
                    Some(track) => drop(tasks.spawn(async move { track.subscribe(request).await })),
                    None => request.reject(RequestErrorCode::DoesNotExist, None, "no such track"),
                },
                IncomingRequest::Fetch(request) => match self.track(&request.track) {
                    Some(track) => drop(tasks.spawn(async move { track.fetch(request).await })),
                    None => request.reject(RequestErrorCode::DoesNotExist, None, "no such track"),
                },
                other => other.reject(RequestErrorCode::NotSupported, None, "this publisher only serves tracks"),
            }
        }
    }

    fn track(&self, name: &FullTrackName) -> Option<Arc<Track>> {
        self.tracks.iter().find(|track| track.name == *name).cloned()
    }
}

/// Bytes for frames that no compressor would make smaller, made once.
fn filling() -> &'static [u8] {
    static FILLING: OnceLock<Vec<u8>> = OnceLock::new();
    FILLING.get_or_init(|| {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let word = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        std::iter::repeat_with(word).take(16 * 1024).flat_map(u64::to_le_bytes).collect()
    })
}
