//! Random appends, joins and slow viewers: what arrives is always a correct, gapless run of what was appended.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use fanout::{LogSettings, MemoryBudget, SubgroupAppender, SubgroupMeta, TrackLog, resolve_filter};
use moqt::{Filter, Location, ObjectHeader, PublishDoneCode, StreamErrorCode, Version};
use proptest::prelude::*;
use support::{End, META, StreamRecord, Viewer, payload, settings, settle};

#[derive(Debug, Clone)]
enum Action {
    NewGroup { subgroups: u64, properties: bool },
    Append { subgroup: u64, length: usize, piece: usize },
    Finish { subgroup: u64 },
    Reset { subgroup: u64 },
    Join { at_largest: bool, draft16: bool, credit: Option<usize> },
    Credit { viewer: usize, bytes: usize },
    Sleep { milliseconds: u64 },
}

fn action() -> impl Strategy<Value = Action> {
    let length = prop_oneof![0..300_usize, 1000..6000_usize, Just(20_000)];
    let piece = prop_oneof![Just(usize::MAX), 1..2000_usize, Just(1350)];
    prop_oneof![
        2 => (1..3_u64, any::<bool>()).prop_map(|(subgroups, properties)| Action::NewGroup { subgroups, properties }),
        8 => (0..2_u64, length, piece).prop_map(|(subgroup, length, piece)| Action::Append { subgroup, length, piece }),
        1 => (0..2_u64).prop_map(|subgroup| Action::Finish { subgroup }),
        1 => (0..2_u64).prop_map(|subgroup| Action::Reset { subgroup }),
        2 => (any::<bool>(), any::<bool>(), prop_oneof![Just(None), (0..3000_usize).prop_map(Some)])
            .prop_map(|(at_largest, draft16, credit)| Action::Join { at_largest, draft16, credit }),
        4 => (any::<usize>(), 0..8000_usize).prop_map(|(viewer, bytes)| Action::Credit { viewer, bytes }),
        2 => (0..1500_u64).prop_map(|milliseconds| Action::Sleep { milliseconds }),
    ]
}

/// What was appended to one subgroup, and how it ended.
#[derive(Debug, Default)]
struct Appended {
    objects: Vec<(u64, usize)>,
    finished: bool,
}

struct Joined {
    viewer: Viewer,
    version: Version,
    start: Location,
}

struct World {
    log: TrackLog,
    budget: MemoryBudget,
    group: u64,
    next_object: u64,
    appenders: BTreeMap<u64, SubgroupAppender>,
    appended: BTreeMap<(u64, u64), Appended>,
    viewers: Vec<Joined>,
}

impl World {
    fn new(limit: u64) -> Self {
        let budget = MemoryBudget::new(limit);
        let log =
            TrackLog::new(LogSettings { max_groups: 3, min_age: Duration::ZERO, max_bytes: 200_000 }, budget.clone());
        let (appenders, appended) = Default::default();
        Self { log, budget, group: 0, next_object: 0, appenders, appended, viewers: Vec::new() }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::NewGroup { subgroups, properties } => {
                self.appenders.clear();
                self.group += 1;
                self.next_object = 0;
                for subgroup in 0..subgroups {
                    let meta = SubgroupMeta { has_properties: properties, end_of_group: false, ..META };
                    if let Ok(appender) = self.log.subgroup(self.group, subgroup, meta) {
                        self.appenders.insert(subgroup, appender);
                    }
                }
            }
            Action::Append { subgroup, length, piece } => self.append(subgroup, length, piece).await,
            Action::Finish { subgroup } => {
                if let Some(appender) = self.appenders.remove(&subgroup) {
                    appender.finish(false).unwrap();
                    self.appended.entry((self.group, subgroup)).or_default().finished = true;
                }
            }
            Action::Reset { subgroup } => {
                if let Some(appender) = self.appenders.remove(&subgroup) {
                    appender.reset(StreamErrorCode::InternalError);
                }
            }
            Action::Join { at_largest, draft16, credit } => {
                let filter = at_largest.then_some(Filter::LargestObject);
                let start = resolve_filter(filter, self.log.largest()).unwrap().start;
                let version = if draft16 { Version::Draft16 } else { Version::Draft18 };
                let viewer = Viewer::new(version);
                viewer.lock().credit = credit;
                viewer.serve(&self.log, settings(start));
                self.viewers.push(Joined { viewer, version, start });
            }
            Action::Credit { viewer, bytes } => {
                let count = self.viewers.len();
                if let Some(joined) = self.viewers.get(viewer.checked_rem(count).unwrap_or(0)) {
                    joined.viewer.change(|state| state.credit = state.credit.map(|credit| credit + bytes));
                }
            }
            Action::Sleep { milliseconds } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        }
        assert!(self.budget.used() <= self.budget.limit());
        settle().await;
    }

    async fn append(&mut self, subgroup: u64, length: usize, piece: usize) {
        let Some(appender) = self.appenders.get_mut(&subgroup) else { return };
        let (group, object_id) = (self.group, self.next_object);
        self.next_object += 1;
        let data = payload(group, object_id, length);
        let header = ObjectHeader { object_id, payload_len: length as u64, ..ObjectHeader::default() };
        let mut done = appender.encode_header(&header);
        for piece in data.chunks(piece.min(length.max(1))) {
            done = done.and_then(|()| appender.payload(Bytes::copy_from_slice(piece)));
        }
        match done.and_then(|()| appender.end_object()) {
            Ok(()) => {
                let of_subgroup = self.appended.entry((group, subgroup)).or_default();
                of_subgroup.objects.push((object_id, length));
            }
            // Over budget, or the group left: its streams must end as resets.
            Err(_) => self.appenders.clear(),
        }
    }

    fn check(&self, joined: &Joined, stream: &StreamRecord) {
        let (group, subgroup) = (stream.fields.group, stream.fields.subgroup);
        let nothing = Appended::default();
        let appended = self.appended.get(&(group, subgroup)).unwrap_or(&nothing);
        let passes = |id: u64| Location::new(group, id) >= joined.start;
        let mut seen = stream.objects(joined.version);
        let whole = seen.iter().filter(|object| object.whole).count();
        assert!(whole + 1 >= seen.len(), "only the last object may be unfinished");
        seen.truncate(whole);
        let expected: Vec<_> = appended.objects.iter().filter(|(id, _)| passes(*id)).collect();
        assert!(seen.len() <= expected.len());
        for (object, (id, length)) in seen.iter().zip(&expected) {
            assert_eq!((object.id, &object.payload), (*id, &payload(group, *id, *length)));
        }
        let from_first = appended.objects.first().is_some_and(|(id, _)| passes(*id));
        assert!(!stream.fields.first_object || from_first || appended.objects.is_empty());
        if stream.end == Some(End::Finished) {
            assert!(appended.finished, "a FIN only where upstream had one");
            assert_eq!(seen.len(), expected.len(), "a FIN only after every object");
        }
    }

    /// Everybody reads on: the newest group must then be complete everywhere.
    async fn end(mut self) {
        for joined in &self.viewers {
            joined.viewer.change(|state| state.credit = None);
        }
        settle().await;
        // A group that a dropped one superseded may have been given up by slow viewers.
        let newest = self.log.newest_group().map(|group| group.id()).filter(|newest| *newest == self.group);
        for joined in &self.viewers {
            let state = joined.viewer.lock();
            let mut streams: Vec<_> =
                state.streams.iter().map(|stream| (stream.fields.group, stream.fields.subgroup)).collect();
            for stream in &state.streams {
                self.check(joined, stream);
            }
            streams.sort_unstable();
            let count = streams.len();
            streams.dedup();
            assert_eq!(streams.len(), count, "one stream per subgroup");
            for ((group, subgroup), appended) in self.appended.iter().filter(|((group, _), _)| Some(*group) == newest) {
                let passing =
                    appended.objects.iter().filter(|(id, _)| Location::new(*group, *id) >= joined.start).count();
                let stream = state
                    .streams
                    .iter()
                    .find(|stream| (stream.fields.group, stream.fields.subgroup) == (*group, *subgroup));
                let got = stream
                    .map_or(0, |stream| stream.objects(joined.version).iter().filter(|object| object.whole).count());
                assert_eq!(got, passing, "the newest group arrives whole");
            }
        }
        self.appenders.clear();
        self.log.end(PublishDoneCode::TrackEnded, "");
        settle().await;
        for joined in &self.viewers {
            assert_eq!(joined.viewer.lock().done, Some(PublishDoneCode::TrackEnded));
        }
        drop(self.log.take_completed());
        let Self { log, budget, .. } = self;
        drop(log);
        assert_eq!(budget.used(), 0, "all memory is given back");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn viewers_get_correct_runs_and_memory_stays_bounded(
        limit in prop_oneof![8_000..60_000_u64, Just(1 << 24)],
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(limit);
            for action in actions {
                world.act(action).await;
            }
            world.end().await;
        });
    }
}
