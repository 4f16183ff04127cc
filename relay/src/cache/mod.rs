//! The frame cache: complete groups that left the live logs, in moka.
//!
//! One entry is one complete, immutable group, so a weigher never sees growth. Eviction is LRU: TinyLFU would refuse keys
//! without history, and a live edge consists of those. Misses of the same group are one upstream FETCH (single flight). The
//! cache's bytes and the live logs' are the same [`MemoryBudget`](fanout::MemoryBudget): a group keeps its charge for as long
//! as anything holds it, and the cache gives groups up when a live log needs the room.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use fanout::{GroupLog, Reclaim};
use moka::future::Cache;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moqt::FullTrackName;
use tokio::time::Instant;

use crate::metric;

/// One group of one track.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    pub(crate) track: FullTrackName,
    pub(crate) group: u64,
}

/// How much the cache holds, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheLimits {
    /// Most bytes of cached groups, entry overhead included.
    pub(crate) bytes: u64,
    /// Longest stay of a group.
    pub(crate) time_to_live: Duration,
}

/// A complete group for the cache to keep.
#[derive(Debug, Clone)]
pub(crate) struct CompleteGroup {
    pub(crate) group: Arc<GroupLog>,
    /// How long after its arrival it may be served (MAX_CACHE_DURATION, draft-18 section 12.4).
    pub(crate) max_age: Option<Duration>,
}

/// A cached group and when it was last asked for.
#[derive(Debug)]
struct Entry {
    /// Taken out when room is reclaimed: moka lets go of removed values only in its own time.
    group: Mutex<Option<Arc<GroupLog>>>,
    bytes: u64,
    /// When the publisher wants it forgotten.
    expires: Option<Instant>,
    /// Count of the cache's uses at the last one: orders entries when room is reclaimed.
    used: AtomicU64,
}

impl Entry {
    fn take(&self) -> Option<Arc<GroupLog>> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn get(&self) -> Option<Arc<GroupLog>> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_over(&self) -> bool {
        self.expires.is_some_and(|at| at <= Instant::now())
    }
}

/// Complete groups of all tracks.
#[derive(Debug)]
pub(crate) struct FrameCache {
    entries: Cache<GroupKey, Arc<Entry>>,
    uses: AtomicU64,
}

impl FrameCache {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        let entries = Cache::builder()
            .name("frames")
            .max_capacity(limits.bytes)
            .weigher(|_, entry: &Arc<Entry>| u32::try_from(entry.bytes).unwrap_or(u32::MAX))
            .time_to_live(limits.time_to_live)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(|_, entry: Arc<Entry>, cause| {
                entry.take();
                metric::cache_evicted(cause_name(cause));
            })
            .build();
        Self { entries, uses: AtomicU64::new(0) }
    }

    /// Keeps a complete group.
    pub(crate) async fn insert(&self, key: GroupKey, complete: CompleteGroup) {
        self.entries.insert(key, self.entry(complete)).await;
        self.report().await;
    }

    /// The group, if it is cached; counts as a use.
    pub(crate) async fn get(&self, key: &GroupKey) -> Option<Arc<GroupLog>> {
        let group = self.current(key).await;
        metric::cache_lookup(group.is_some());
        group
    }

    /// The group, from the cache or by `load`; concurrent misses of the same group share one `load`. `None`: another caller's
    /// load was given up in the same moment for want of room.
    pub(crate) async fn get_or_load<E: Clone + Send + Sync + 'static>(
        &self,
        key: GroupKey,
        load: impl Future<Output = Result<CompleteGroup, E>>,
    ) -> Result<Option<Arc<GroupLog>>, E> {
        if let Some(group) = self.current(&key).await {
            metric::cache_lookup(true);
            return Ok(Some(group));
        }
        let mut loaded = None;
        let load = async {
            let complete = load.await?;
            loaded = Some(complete.group.clone());
            Ok(self.entry(complete))
        };
        let entry = self.entries.entry(key).or_try_insert_with(load).await.map_err(|error: Arc<E>| E::clone(&error))?;
        metric::cache_lookup(false);
        self.report().await;
        Ok(self.used(entry.value()).or(loaded))
    }

    /// Frees memory of this cache on demand, for as long as it lives: its groups hold the budget that asks.
    pub(crate) fn reclaimer(self: &Arc<Self>) -> Arc<dyn Reclaim> {
        Arc::new(Reclaimer(Arc::downgrade(self)))
    }

    /// The group under a key, unless it is over; then the key is free again.
    async fn current(&self, key: &GroupKey) -> Option<Arc<GroupLog>> {
        let entry = self.entries.get(key).await?;
        match self.used(&entry).filter(|_| !entry.is_over()) {
            Some(group) => Some(group),
            None => {
                entry.take();
                self.entries.invalidate(key).await;
                None
            }
        }
    }

    fn entry(&self, complete: CompleteGroup) -> Arc<Entry> {
        let CompleteGroup { group, max_age } = complete;
        let expires = max_age.and_then(|age| group.received().checked_add(age));
        let (bytes, used) = (group.bytes(), AtomicU64::new(self.tick()));
        Arc::new(Entry { group: Mutex::new(Some(group)), bytes, expires, used })
    }

    fn used(&self, entry: &Entry) -> Option<Arc<GroupLog>> {
        entry.used.store(self.tick(), Ordering::Relaxed);
        entry.get()
    }

    fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells the metrics what is here now; moka counts only after its pending work.
    pub(crate) async fn report(&self) {
        self.entries.run_pending_tasks().await;
        metric::cache_size(self.entries.weighted_size(), self.entries.entry_count());
    }

    /// Gives up the least recently used groups until `bytes` are free, in one sweep: live logs take precedence.
    fn shed(&self, bytes: u64) {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed));
        let mut freed = 0;
        for (key, entry) in entries {
            if freed >= bytes {
                break;
            }
            freed += entry.take().map_or(0, |_| entry.bytes);
            // Removal itself is immediate; moka's future only runs bookkeeping, which the next insert catches up with.
            let invalidation = self.entries.invalidate(&*key);
            let _ = futures_util::FutureExt::now_or_never(invalidation);
        }
        metric::cache_reclaimed(freed);
    }
}

/// The budget's way to the cache.
#[derive(Debug)]
struct Reclaimer(Weak<FrameCache>);

impl Reclaim for Reclaimer {
    fn reclaim(&self, bytes: u64) {
        if let Some(cache) = self.0.upgrade() {
            cache.shed(bytes);
        }
    }
}

fn cause_name(cause: RemovalCause) -> &'static str {
    match cause {
        RemovalCause::Expired => "expired",
        RemovalCause::Explicit => "removed",
        RemovalCause::Replaced => "replaced",
        RemovalCause::Size => "size",
    }
}

#[cfg(test)]
mod tests;
