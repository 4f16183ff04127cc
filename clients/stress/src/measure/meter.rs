//! Where loads write what they see, without getting into each other's way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::sample::Sample;
use super::series::Series;

/// Collects what meters see, per scope.
#[derive(Debug)]
pub(crate) struct Recorder {
    scopes: Vec<String>,
    shards: Mutex<Vec<(usize, Arc<Mutex<Sample>>)>>,
}

/// Writes into one scope; a clone writes to the same place. One per thread and scope, so that its lock is hardly ever waited
/// for.
#[derive(Debug, Clone)]
pub(crate) struct Meter(Arc<Mutex<Sample>>);

impl Recorder {
    /// For these scopes, e.g. populations of viewers.
    pub(crate) fn new(scopes: Vec<String>) -> Self {
        Self { scopes, shards: Mutex::default() }
    }

    pub(crate) fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// A new place to write to, for the scope with this number.
    pub(crate) fn meter(&self, scope: usize) -> Meter {
        let shard = Arc::<Mutex<Sample>>::default();
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).push((scope, shard.clone()));
        Meter(shard)
    }

    /// What each scope saw since it was last asked.
    pub(crate) fn take(&self) -> Vec<Sample> {
        let mut samples = vec![Sample::default(); self.scopes.len()];
        for (scope, shard) in self.shards.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let taken = shard.lock().unwrap_or_else(PoisonError::into_inner).drain();
            if let Some(sample) = samples.get_mut(*scope) {
                sample.merge(&taken);
            }
        }
        samples
    }
}

impl Meter {
    /// Writes several things at once.
    pub(crate) fn with(&self, write: impl FnOnce(&mut Sample)) {
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn time(&self, series: &Series, time: Duration) {
        self.with(|sample| sample.time(series, time));
    }

    pub(crate) fn count(&self, series: &Series, more: u64) {
        self.with(|sample| sample.count(series, more));
    }

    pub(crate) fn labelled(&self, series: &Series, label: &str) {
        self.with(|sample| sample.labelled(series, label, 1));
    }

    /// One more is there until the guard is dropped.
    pub(crate) fn present(&self, series: &'static Series) -> Present {
        self.with(|sample| sample.level(series, 1));
        Present { meter: self.clone(), series }
    }
}

/// Counts one of a level for as long as it lives.
#[derive(Debug)]
pub(crate) struct Present {
    meter: Meter,
    series: &'static Series,
}

impl Drop for Present {
    fn drop(&mut self) {
        self.meter.with(|sample| sample.level(self.series, -1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_of_one_scope_add_up_and_scopes_stay_apart() {
        static HERE: Series = Series::level("here", "");
        static SEEN: Series = Series::count("seen", "");
        let recorder = Recorder::new(vec!["a".to_owned(), "b".to_owned()]);
        let meters = [recorder.meter(0), recorder.meter(0), recorder.meter(1)];
        let guards = meters.each_ref().map(|meter| meter.present(&HERE));
        meters.iter().for_each(|meter| meter.count(&SEEN, 1));
        let taken = recorder.take();
        assert_eq!(taken.iter().map(|sample| sample.counted(&SEEN)).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(taken.iter().map(|sample| sample.there(&HERE)).collect::<Vec<_>>(), [2, 1]);
        drop(guards);
        let taken = recorder.take();
        assert!(taken.iter().all(|sample| sample.counted(&SEEN) == 0 && sample.there(&HERE) == 0));
    }
}
