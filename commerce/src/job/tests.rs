//! The queue from the outside.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use process::Shutdown;
use tokio::sync::mpsc;

use super::{Job, JobError, JobKind, Jobs};
use crate::store::{Storage, test_storage};

const QUICK: JobKind =
    JobKind::new("test.quick").at_once(3).tries(4, Duration::from_millis(10), Duration::from_millis(20));

/// Waiting and running jobs of the kind.
async fn waiting(jobs: &Jobs) -> i64 {
    let queue = jobs.inner.storage.queue(QUICK.name);
    let counts = jobs.inner.storage.counts().await.unwrap();
    counts.into_iter().find(|(name, _)| *name == queue).map_or(0, |(_, count)| count)
}

async fn open(storage: &Storage) -> Jobs {
    Jobs::open(storage).await.unwrap()
}

/// Waits for the next message, for as long as a busy machine may need.
async fn next<T>(messages: &mut mpsc::Receiver<T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), messages.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn one_key_is_one_job() {
    let folder = tempfile::tempdir().unwrap();
    let storage = test_storage(&folder);
    let jobs = open(&storage).await;
    let (done, mut dones) = mpsc::channel(16);
    jobs.handle(QUICK, move |job: Job<String>| {
        let done = done.clone();
        async move {
            done.send(job.payload).await.unwrap();
            Ok(())
        }
    });
    let shutdown = Shutdown::new(Duration::from_secs(5));
    let running = tokio::spawn(jobs.clone().run(shutdown.clone()));
    for payload in ["first", "again"] {
        jobs.push(QUICK, &payload, Duration::ZERO, "key").await.unwrap();
    }
    assert_eq!(next(&mut dones).await, "first");
    // Pushed while the worker idles: it wakes at once and not only when it looks by itself.
    jobs.push(QUICK, &"other", Duration::ZERO, "other key").await.unwrap();
    assert_eq!(next(&mut dones).await, "other");
    jobs.push(QUICK, &"again", Duration::ZERO, "key").await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(1500), dones.recv()).await.is_err());
    shutdown.begin();
    running.await.unwrap();
}

/// Number and lastness of every try, by payload.
type Tries = Arc<Mutex<HashMap<String, Vec<(usize, bool)>>>>;

#[tokio::test]
async fn failures_wait_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let storage = test_storage(&folder);
    let jobs = open(&storage).await;
    let tries: Tries = Arc::default();
    let (done, mut dones) = mpsc::channel(16);
    let seen = Arc::clone(&tries);
    jobs.handle(QUICK, move |job: Job<String>| {
        seen.lock().unwrap().entry(job.payload.clone()).or_default().push((job.attempt, job.last));
        let done = done.clone();
        async move {
            let result = match job.payload.as_str() {
                "never" => Err(JobError::Never("no use".to_owned())),
                "third" if job.attempt == 3 => Ok(()),
                _ => Err(JobError::Again("not yet".to_owned())),
            };
            if result.is_ok() || job.last || job.payload == "never" {
                done.send(job.payload).await.unwrap();
            }
            result
        }
    });
    let shutdown = Shutdown::new(Duration::from_secs(5));
    let running = tokio::spawn(jobs.clone().run(shutdown.clone()));
    for payload in ["never", "third", "always"] {
        jobs.push(QUICK, &payload, Duration::ZERO, payload).await.unwrap();
    }
    jobs.push(QUICK, &["not", "a", "text"], Duration::ZERO, "another form").await.unwrap();
    let mut ended = vec![next(&mut dones).await, next(&mut dones).await, next(&mut dones).await];
    ended.sort();
    assert_eq!(ended, ["always", "never", "third"]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let tries = tries.lock().unwrap().clone();
    assert_eq!(tries["never"], [(1, false)]);
    assert_eq!(tries["third"], [(1, false), (2, false), (3, false)]);
    assert_eq!(tries["always"], [(1, false), (2, false), (3, false), (4, true)]);
    assert_eq!(waiting(&jobs).await, 0);
    shutdown.begin();
    running.await.unwrap();
}

#[tokio::test]
async fn never_more_at_once_than_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let storage = test_storage(&folder);
    let jobs = open(&storage).await;
    let (running_now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (done, mut dones) = mpsc::channel(64);
    let peak = Arc::clone(&most);
    jobs.handle(QUICK, move |_: Job<usize>| {
        let (now, peak, done) = (Arc::clone(&running_now), Arc::clone(&peak), done.clone());
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            done.send(()).await.unwrap();
            Ok(())
        }
    });
    for number in 0..12_usize {
        jobs.push(QUICK, &number, Duration::ZERO, &number.to_string()).await.unwrap();
    }
    let shutdown = Shutdown::new(Duration::from_secs(5));
    let running = tokio::spawn(jobs.clone().run(shutdown.clone()));
    for _ in 0..12 {
        next(&mut dones).await;
    }
    assert!((2..=QUICK.at_once).contains(&most.load(Ordering::SeqCst)));
    shutdown.begin();
    running.await.unwrap();
}

#[tokio::test]
async fn a_job_cut_short_is_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let storage = test_storage(&folder);
    {
        let jobs = open(&storage).await;
        let (started, mut starts) = mpsc::channel(1);
        jobs.handle(QUICK, move |_: Job<()>| {
            let started = started.clone();
            async move {
                started.send(()).await.unwrap();
                std::future::pending().await
            }
        });
        jobs.push(QUICK, &(), Duration::ZERO, "long").await.unwrap();
        let running = tokio::spawn(jobs.run(Shutdown::new(Duration::ZERO)));
        next(&mut starts).await;
        // As a crash: no goodbye to the database.
        running.abort();
    }
    let jobs = open(&storage).await;
    let (done, mut dones) = mpsc::channel(1);
    jobs.handle(QUICK, move |job: Job<()>| {
        let done = done.clone();
        async move {
            done.send(job.attempt).await.unwrap();
            Ok(())
        }
    });
    let shutdown = Shutdown::new(Duration::from_secs(5));
    let running = tokio::spawn(jobs.run(shutdown.clone()));
    assert_eq!(next(&mut dones).await, 2);
    shutdown.begin();
    running.await.unwrap();
}

#[tokio::test]
async fn shutdown_waits_for_what_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let storage = test_storage(&folder);
    let jobs = open(&storage).await;
    let (step, mut steps) = mpsc::channel(4);
    jobs.handle(QUICK, move |_: Job<()>| {
        let step = step.clone();
        async move {
            step.send("started").await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            step.send("ended").await.unwrap();
            Ok(())
        }
    });
    jobs.push(QUICK, &(), Duration::ZERO, "one").await.unwrap();
    let shutdown = Shutdown::new(Duration::from_secs(10));
    let running = tokio::spawn(jobs.clone().run(shutdown.clone()));
    assert_eq!(next(&mut steps).await, "started");
    let stopping = Instant::now();
    shutdown.begin();
    running.await.unwrap();
    assert_eq!(next(&mut steps).await, "ended");
    assert!(stopping.elapsed() < Duration::from_secs(8));
    // Done and told so before the end: a new process has nothing to do.
    let again = open(&storage).await;
    assert_eq!(waiting(&again).await, 0);
}

#[tokio::test]
async fn a_daily_job_is_queued_once() {
    let folder = tempfile::tempdir().unwrap();
    let storage = test_storage(&folder);
    for _ in 0..2 {
        let jobs = open(&storage).await;
        jobs.daily(QUICK, Duration::from_secs(3600), || async { Ok(()) });
        let shutdown = Shutdown::new(Duration::from_secs(5));
        shutdown.begin();
        jobs.run(shutdown).await;
    }
    let jobs = open(&storage).await;
    assert_eq!(waiting(&jobs).await, 1);
    jobs.inner.storage.purge().await.unwrap();
    assert_eq!(waiting(&jobs).await, 1);
}
