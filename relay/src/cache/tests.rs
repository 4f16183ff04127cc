//! What the cache keeps, what it lets go, and that the ceiling holds whatever happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanout::{GroupLog, LogSettings, MemoryBudget, SubgroupMeta, TrackLog};
use moqt::{ObjectHeader, ObjectStatus, Properties, Version};
use proptest::prelude::*;

use super::{CacheLimits, CompleteGroup, FrameCache, GroupKey};

const MIB: u64 = 1 << 20;
const AGES: Duration = Duration::from_secs(3600);

fn meta() -> SubgroupMeta {
    SubgroupMeta {
        version: Version::Draft18,
        priority: None,
        has_properties: false,
        first_object: true,
        end_of_group: true,
    }
}

fn header(object_id: u64, payload_len: u64) -> ObjectHeader {
    ObjectHeader { object_id, properties: Properties::default(), payload_len, status: ObjectStatus::Normal }
}

fn log(budget: &MemoryBudget) -> TrackLog {
    TrackLog::new(LogSettings { max_groups: 2, min_age: Duration::ZERO, max_bytes: budget.limit() }, budget.clone())
}

/// One group with one object of so many bytes, if the budget allows it.
fn complete(budget: &MemoryBudget, id: u64, length: usize) -> Option<Arc<GroupLog>> {
    let log = log(budget);
    let mut appender = log.subgroup(id, 0, meta()).ok()?;
    appender.object(&header(0, length as u64), Bytes::from(vec![id as u8; length])).ok()?;
    appender.finish(true).ok()?;
    log.group(id)
}

fn key(group: u64) -> GroupKey {
    GroupKey { track: "live-demo--video0".parse().unwrap(), group }
}

fn cache(bytes: u64) -> Arc<FrameCache> {
    Arc::new(FrameCache::new(CacheLimits { bytes, time_to_live: AGES }))
}

async fn insert(cache: &FrameCache, group: Arc<GroupLog>) {
    cache.insert(key(group.id()), CompleteGroup { group, max_age: None }).await;
}

#[tokio::test]
async fn the_least_recently_used_groups_leave_when_bytes_run_out() {
    let budget = MemoryBudget::new(100 * MIB);
    let cost = complete(&budget, 0, MIB as usize).unwrap().bytes();
    let cache = cache(3 * cost);
    for id in 0..3 {
        insert(&cache, complete(&budget, id, MIB as usize).unwrap()).await;
    }
    assert!(cache.get(&key(0)).await.is_some());
    insert(&cache, complete(&budget, 3, MIB as usize).unwrap()).await;
    let mut kept = Vec::new();
    for id in 0..4 {
        if cache.get(&key(id)).await.is_some() {
            kept.push(id);
        }
    }
    assert_eq!(kept, [0, 2, 3]);
    assert_eq!(budget.used(), 3 * cost, "what left the cache gave its bytes back");
}

#[tokio::test]
async fn groups_stay_for_their_time_and_no_longer_than_the_publisher_wants() {
    let budget = MemoryBudget::new(MIB);
    let brief = FrameCache::new(CacheLimits { bytes: MIB, time_to_live: Duration::from_millis(30) });
    insert(&brief, complete(&budget, 1, 10).unwrap()).await;
    assert!(brief.get(&key(1)).await.is_some());
    std::thread::sleep(Duration::from_millis(60));
    assert!(brief.get(&key(1)).await.is_none());

    tokio::time::pause();
    let long = cache(MIB);
    let group = complete(&budget, 2, 10).unwrap();
    let max_age = Some(Duration::from_secs(2));
    long.insert(key(2), CompleteGroup { group: group.clone(), max_age }).await;
    tokio::time::advance(Duration::from_millis(1900)).await;
    assert!(long.get(&key(2)).await.is_some());
    tokio::time::advance(Duration::from_millis(200)).await;
    assert!(long.get(&key(2)).await.is_none());
    let again = async { Ok::<_, ()>(CompleteGroup { group, max_age: None }) };
    assert!(long.get_or_load(key(2), again).await.unwrap().is_some(), "its key is free for another");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_misses_share_one_load_and_failures_are_not_kept() {
    let budget = MemoryBudget::new(MIB);
    let cache = cache(MIB);
    let loads = Arc::new(AtomicUsize::new(0));
    for (round, works) in [(1, false), (2, true), (2, true)] {
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (cache, loads, budget) = (cache.clone(), loads.clone(), budget.clone());
            asking.spawn(async move {
                let load = async {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let group = complete(&budget, 7, 100).ok_or("no room");
                    group.filter_ok(works).map(|group| CompleteGroup { group, max_age: None })
                };
                cache.get_or_load(key(7), load).await
            });
        }
        while let Some(answer) = asking.join_next().await {
            match answer.unwrap() {
                Ok(group) => assert_eq!((group.unwrap().id(), works), (7, true)),
                Err(error) => assert_eq!((error, works), ("refused", false)),
            }
        }
        assert_eq!(loads.load(Ordering::SeqCst), round, "loads after a round that works: {works}");
    }
}

/// Turns a success into a refusal.
trait FilterOk: Sized {
    fn filter_ok(self, works: bool) -> Self;
}

impl<T> FilterOk for Result<T, &'static str> {
    fn filter_ok(self, works: bool) -> Self {
        if works { self } else { Err("refused") }
    }
}

#[tokio::test]
async fn a_cancelled_load_leaves_the_next_caller_to_load() {
    let budget = MemoryBudget::new(MIB);
    let cache = cache(MIB);
    let never = std::future::pending::<Result<CompleteGroup, ()>>();
    let given_up = tokio::time::timeout(Duration::from_millis(10), cache.get_or_load(key(1), never)).await;
    assert!(given_up.is_err());
    let group = complete(&budget, 1, 10).unwrap();
    let load = async { Ok::<_, ()>(CompleteGroup { group, max_age: None }) };
    assert!(cache.get_or_load(key(1), load).await.unwrap().is_some());
}

#[tokio::test]
async fn live_logs_take_room_back_from_the_groups_used_longest_ago() {
    let budget = MemoryBudget::new(4 * MIB);
    let cache = cache(4 * MIB);
    budget.set_reclaim(cache.reclaimer());
    for id in 0..3 {
        insert(&cache, complete(&budget, id, MIB as usize).unwrap()).await;
    }
    assert!(cache.get(&key(0)).await.is_some());
    let live = complete(&budget, 9, 2 * MIB as usize).expect("the cache gives way at once");
    assert!(budget.used() <= budget.limit());
    let kept = [cache.get(&key(0)).await.is_some(), cache.get(&key(1)).await.is_some()];
    assert_eq!(kept, [true, false]);
    drop(live);
    drop(cache);
    assert_eq!(budget.used(), 0, "the budget does not keep its cache alive");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Live appends, evictions into the cache, lookups and readers that hold on: never over the limit, and all of it returned.
    #[test]
    fn the_ceiling_holds_and_everything_is_given_back(
        steps in prop::collection::vec((0..4u8, 0..40u64, 1..60_000usize), 1..120),
        limit in 64..512u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let budget = MemoryBudget::new(limit * 1024);
            let cache = cache(limit * 1024 / 2);
            budget.set_reclaim(cache.reclaimer());
            let live = log(&budget);
            let mut held = Vec::new();
            for (index, (step, group, length)) in steps.into_iter().enumerate() {
                let id = index as u64;
                match step {
                    0 | 1 => {
                        if let Ok(mut appender) = live.subgroup(id, 0, meta()) {
                            let _ = appender.object(&header(0, length as u64), Bytes::from(vec![0; length]))
                                .and_then(|()| appender.finish(true));
                        }
                        for group in live.take_completed() {
                            insert(&cache, group).await;
                        }
                    }
                    2 => held.extend(cache.get(&key(group)).await),
                    _ => {
                        held.pop();
                    }
                }
                assert!(budget.used() <= budget.limit());
            }
            drop((live, held, cache));
            assert_eq!(budget.used(), 0);
        });
    }
}
