//! What every actor is given at its start.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use process::Shutdown;
use tokio::task::JoinSet;

pub(crate) use crate::actor::Actor;
use crate::auth::Authority;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::job::Jobs;
use crate::peer::Peers;
use crate::store::{Database, Migration, Storage, StoreError};

/// How long tasks get to end after shutdown has begun; what they do survives being cut off.
const TASK_GRACE: Duration = Duration::from_millis(500);

/// What every actor is given at its start. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The time.
    pub(crate) clock: Clock,
    /// Issues and verifies tokens.
    pub(crate) authority: Authority,
    /// The other actors.
    pub(crate) peers: Peers,
    /// Faults on purpose.
    pub(crate) faults: Faults,
    /// Work that outlives a request.
    pub(crate) jobs: Jobs,
    /// Where databases are.
    pub(crate) storage: Storage,
    /// Whether strangers may try things out.
    pub(crate) demo: bool,
    /// Whether empty databases are filled with synthetic goods.
    pub(crate) seed: bool,
    /// The event bus between processes, if one is configured; otherwise actors read each other's feeds.
    #[cfg(feature = "nats")]
    pub(crate) bus: Option<crate::event::Bus>,
    /// When everything stops.
    pub(crate) shutdown: Shutdown,
    /// All that have been opened: for readiness and backups.
    pub(crate) databases: Databases,
}

/// The databases of a process. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Databases(Arc<Mutex<Vec<Database>>>);

impl Databases {
    /// All that have been opened.
    pub(crate) fn list(&self) -> Vec<Database> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Context {
    /// Opens the actor's own database and brings it to these versions, step by step.
    ///
    /// # Errors
    /// The database cannot be reached, or holds something newer or else.
    pub(crate) async fn database(
        &self,
        actor: Actor,
        migrations: &[&'static [Migration]],
    ) -> Result<Database, StoreError> {
        let (clock, faults) = (self.clock.clone(), self.faults.clone());
        let database = Database::open(&self.storage, actor.as_str(), migrations, clock, faults).await?;
        self.databases.0.lock().unwrap_or_else(PoisonError::into_inner).push(database.clone());
        Ok(database)
    }
}

/// Tasks of the actors, owned by who runs the process: sweepers, drivers of sagas, consumers of events.
#[derive(Default)]
pub(crate) struct Tasks {
    list: Vec<(&'static str, BoxFuture<'static, ()>)>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|(name, _)| name)).finish()
    }
}

impl Tasks {
    /// Has a task run once all actors are there, until it ends by itself or is cut off some time after shutdown has begun.
    pub(crate) fn spawn(&mut self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.list.push((name, Box::pin(future)));
    }

    /// Runs all tasks, until shutdown has begun and all have ended or had time to.
    pub(crate) async fn run(self, shutdown: &Shutdown) {
        let mut set = JoinSet::new();
        for (name, task) in self.list {
            set.spawn(async move {
                task.await;
                name
            });
        }
        let over = async {
            shutdown.begun().await;
            tokio::select! {
                () = tokio::time::sleep(TASK_GRACE) => {}
                () = shutdown.expired() => {}
            }
        };
        let ended = async {
            while let Some(task) = set.join_next().await {
                match task {
                    Ok(name) => tracing::debug!(name, "task ended"),
                    Err(error) => tracing::error!(%error, "task failed"),
                }
            }
            shutdown.begun().await;
        };
        tokio::select! {
            () = over => {}
            () = ended => {}
        }
        set.shutdown().await;
    }
}
