//! Planning beside the server's other work: on few threads, with a deadline.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Basket, Method, Sourcing};
use crate::reseller::limit::MAX_SOLVERS;

/// Plans baskets on blocking threads. Clones share the threads' number.
#[derive(Debug, Clone)]
pub(crate) struct Planner {
    threads: Arc<Semaphore>,
    limit: Duration,
}

impl Planner {
    /// A planner whose solver may take `limit` per basket.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { threads: Arc::new(Semaphore::new(MAX_SOLVERS)), limit }
    }

    /// Keeps all threads busy as long as this is held.
    #[cfg(test)]
    pub(super) async fn all_threads(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(MAX_SOLVERS).expect("few threads");
        Arc::clone(&self.threads).acquire_many_owned(all).await.expect("never closed")
    }

    /// The plan. Waits at most `limit` for a thread and twice that for the solver, then takes the greedy plan.
    ///
    /// Cancel safe: a solver already started ends by itself at its limit.
    pub(crate) async fn plan(&self, basket: Basket) -> Sourcing {
        let Ok(Ok(thread)) = timeout(self.limit, Arc::clone(&self.threads).acquire_owned()).await else {
            return basket.greedy();
        };
        let (limit, given) = (self.limit, basket.clone());
        let work = tokio::task::spawn_blocking(move || {
            let plan = given.solve(limit);
            drop(thread);
            plan
        });
        match timeout(limit * 2, work).await {
            Ok(Ok(plan)) => plan,
            Ok(Err(_)) | Err(_) => Sourcing { method: Method::Greedy, ..basket.greedy() },
        }
    }
}
