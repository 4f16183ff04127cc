//! The one writer of a database: takes what waits, works on it in one transaction, commits once, answers all.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::connection::Connection;
use super::unit::{Job, Once, Unit};
use super::value::args;
use super::{StoreError, Tx};
use crate::clock::Clock;
use crate::fault::Faults;
use crate::limit::WRITES_PER_COMMIT;

/// Where connections to write with come from: a new one after one has failed.
pub(super) type Connect =
    Box<dyn Fn() -> futures_util::future::BoxFuture<'static, Result<Connection, StoreError>> + Send>;

pub(super) struct Writer {
    pub(super) name: &'static str,
    pub(super) connect: Connect,
    pub(super) jobs: mpsc::Receiver<Box<dyn Job>>,
    pub(super) committed: watch::Sender<i64>,
    pub(super) clock: Clock,
    pub(super) faults: Faults,
}

impl Writer {
    /// Works until all senders are gone; what waits then is still done.
    pub(super) async fn run(mut self) {
        let mut tx = None;
        let mut waiting = Vec::new();
        loop {
            // Whose key is worked on in this commit waits for the next one, where it finds the answer.
            if waiting.is_empty() && self.jobs.recv_many(&mut waiting, WRITES_PER_COMMIT).await == 0 {
                return;
            }
            let taken = std::mem::take(&mut waiting);
            let mut keys = HashSet::new();
            let mut jobs = Vec::with_capacity(taken.len());
            for job in taken {
                let repeated = job.once().is_some_and(|once| !keys.insert((once.owner.clone(), once.key.clone())));
                if repeated { waiting.push(job) } else { jobs.push(job) }
            }
            self.turn(&mut tx, jobs).await;
        }
    }

    /// One commit. A connection that failed is not used again.
    async fn turn(&mut self, tx: &mut Option<Tx>, jobs: Vec<Box<dyn Job>>) {
        let begun = Instant::now();
        let number = jobs.len();
        let mut open = match tx.take() {
            Some(open) => open,
            None => match (self.connect)().await {
                Ok(connection) => Tx::new(connection),
                Err(error) => return fail_all(jobs, &error),
            },
        };
        if let Err(error) = open.begin(self.clock.now()).await {
            return fail_all(jobs, &error);
        }
        let jobs = match replay(&mut open, jobs).await {
            Ok(jobs) => jobs,
            Err((jobs, error)) => {
                drop(open.rollback().await);
                return fail_all(jobs, &error);
            }
        };
        let mut units = units(jobs);
        let committed = self.work(&mut open, &mut units).await;
        let mut failed = match committed {
            Ok(failed) => {
                *tx = Some(open);
                failed
            }
            Err(error) => {
                tracing::error!(database = self.name, %error, "a commit failed");
                if open.rollback().await.is_ok() {
                    *tx = Some(open);
                }
                units.iter().map(|_| Some(error.clone())).collect()
            }
        };
        metrics::histogram!("efir_commerce_commit_seconds", "database" => self.name).record(begun.elapsed());
        metrics::histogram!("efir_commerce_commit_writes", "database" => self.name).record(number as f64);
        for (unit, error) in units.into_iter().zip(failed.drain(..)) {
            unit.finish(error.map_or(Ok(()), Err));
        }
    }

    /// Works on all units and commits. For each unit the error that undid it alone.
    async fn work(&mut self, tx: &mut Tx, units: &mut [Box<dyn Unit>]) -> Result<Vec<Option<StoreError>>, StoreError> {
        let mut answers = Vec::new();
        let mut failed = Vec::with_capacity(units.len());
        for unit in units.iter_mut() {
            let savepoint = tx.savepoint().await?;
            match unit.run(tx).await {
                Ok(true) => {
                    tx.keep(savepoint).await?;
                    answers.extend(unit.answers()?);
                    failed.push(None);
                }
                Ok(false) => {
                    tx.undo(savepoint).await?;
                    failed.push(None);
                }
                Err(error) => {
                    tracing::error!(database = self.name, %error, "a set of writes failed");
                    tx.undo(savepoint).await?;
                    failed.push(Some(error));
                }
            }
        }
        if !answers.is_empty() {
            keep(tx, &answers).await?;
        }
        self.faults.step("writer.before_commit");
        let newest = tx.commit().await?;
        self.faults.step("writer.after_commit");
        if let Some(newest) = newest {
            self.committed.send_replace(newest);
        }
        Ok(failed)
    }
}

fn fail_all(jobs: Vec<Box<dyn Job>>, error: &StoreError) {
    tracing::error!(%error, "the database cannot be written to");
    for job in jobs {
        job.fail(error.clone());
    }
}

/// Answers those whose key was used before, and gives back the others.
async fn replay(tx: &mut Tx, jobs: Vec<Box<dyn Job>>) -> Result<Vec<Box<dyn Job>>, (Vec<Box<dyn Job>>, StoreError)> {
    let keys: Vec<(&str, &str)> =
        jobs.iter().filter_map(|job| job.once()).map(|once| (once.owner.as_str(), once.key.as_str())).collect();
    if keys.is_empty() {
        return Ok(jobs);
    }
    let known = match stored(tx, &keys).await {
        Ok(known) => known,
        Err(error) => return Err((jobs, error)),
    };
    let mut fresh = Vec::with_capacity(jobs.len());
    for job in jobs {
        let found = job.once().and_then(|once| Some((known.get(&(once.owner.clone(), once.key.clone()))?, &once.hash)));
        match found {
            None => fresh.push(job),
            Some(((hash, body), asked)) if hash == asked => job.replay(body),
            Some(_) => job.fail(StoreError::KeyReused),
        }
    }
    Ok(fresh)
}

/// Digest and answer by owner and key.
type Known = HashMap<(String, String), (String, String)>;

async fn stored(tx: &mut Tx, keys: &[(&str, &str)]) -> Result<Known, StoreError> {
    let select = "
        SELECT a.owner, a.key, a.hash, a.body
        FROM {rows $1 (owner text, key text)} AS x JOIN answer AS a ON a.owner = x.owner AND a.key = x.key";
    let rows = tx.rows(select, args![serde_json::to_string(keys)?]).await?;
    let entry = |row: &super::Row| {
        let text = |column| row.text(column).map(str::to_owned);
        Ok(((text(0)?, text(1)?), (text(2)?, text(3)?)))
    };
    rows.iter().map(entry).collect()
}

async fn keep(tx: &mut Tx, answers: &[(Once, String)]) -> Result<(), StoreError> {
    let rows: Vec<_> =
        answers.iter().map(|(once, body)| (&once.owner, &once.key, &once.hash, body, tx.now().0)).collect();
    let insert = "
        INSERT INTO answer (owner, key, hash, body, at)
        SELECT x.owner, x.key, x.hash, x.body, x.at
        FROM {rows $1 (owner text, key text, hash text, body text, at int)} AS x";
    tx.run(insert, args![serde_json::to_string(&rows)?]).await?;
    Ok(())
}

/// The first job of a kind, and the others.
type Group = (Box<dyn Job>, Vec<Box<dyn Job>>);

/// Jobs of one kind become one unit, in the place of the first of them.
fn units(jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Unit>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<TypeId, usize> = HashMap::new();
    for job in jobs {
        match job.kind() {
            Some(kind) => match places.get(&kind) {
                Some(place) => groups[*place].1.push(job),
                None => {
                    places.insert(kind, groups.len());
                    groups.push((job, Vec::new()));
                }
            },
            None => groups.push((job, Vec::new())),
        }
    }
    groups.into_iter().map(|(first, others)| first.unit(others)).collect()
}
