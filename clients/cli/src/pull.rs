//! `efir pull`: receives a broadcast live.

use std::time::{SystemTime, UNIX_EPOCH};

use media::Catalog;
use moqt::{FullTrackName, HopDelay, Namespace, SessionErrorCode, TrackMark, TrackName, property};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use transport::{RequestFailure, Session};

use crate::args::{From, PullArguments};
use crate::broadcast::{Wanted, choose, discover, full_name, show_full};
use crate::clock::Clock;
use crate::connect::{Connector, Link};
use crate::error::Failure;
use crate::goal::Goal;
use crate::limit;
use crate::merge::Entry;
use crate::output::{Muxer, Sink, Written};
use crate::report::{Arrival, Reporter, Stamped};
use crate::sample::{Coded, Depackager, Sample};
use crate::supervise::Supervisor;
use crate::track::{FollowEvent, FollowKind, FollowSettings, Start, TrackEnd, follow};

/// A track to receive.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) name: FullTrackName,
    /// `None` for a track that no catalog lists, which can only be written raw.
    pub(crate) depackager: Option<Depackager>,
}

/// Why receiving stopped.
enum Stop {
    /// By signal.
    Interrupted,
    /// There is as much as was asked for, or as the reader of the output wanted.
    Enough,
    /// Every track ended.
    Ended,
    Failed(Failure),
}

/// Runs the subcommand.
pub(crate) async fn run(arguments: PullArguments, shutdown: process::Shutdown) -> Result<(), Failure> {
    if arguments.raw && arguments.track.len() > 1 {
        return Err(Failure::Usage("--raw writes one track only: give one --track".to_owned()));
    }
    let connector = Connector::new(&arguments.broadcast.connect)?;
    let prepared = tokio::select! {
        biased;
        () = shutdown.begun() => return Ok(()),
        prepared = prepare(&arguments, &connector) => prepared?,
    };
    let (link, mut pull) = prepared;
    let stop = pull.receive(&arguments, &connector, link, &shutdown).await;
    let result = pull.finish(stop).await;
    connector.close().await;
    result
}

/// Connects and finds out what to receive.
async fn prepare(arguments: &PullArguments, connector: &Connector) -> Result<(Link, Pull), Failure> {
    let broadcast = &arguments.broadcast;
    let link = connector.connect(&broadcast.url.address).await?;
    let target = broadcast.url.to_string();
    let chosen = select(
        &link.session,
        broadcast.namespace(),
        broadcast.url.catalog.as_ref(),
        &arguments.track,
        arguments.raw,
        &target,
    );
    let chosen = chosen.await?;
    let depackagers: Vec<_> = chosen.iter().filter_map(|track| track.depackager.as_ref()).collect();
    let muxer =
        Muxer::new(arguments.raw, &depackagers).map_err(|error| Failure::Content(format!("{target}: {error}")))?;
    let sink = Sink::open(arguments.output.as_deref()).await?;
    let tracks = chosen.len();
    let pull = Pull {
        target,
        clock: Clock::new(tracks),
        goal: Goal::new(arguments.frames, arguments.duration, tracks),
        reporter: Reporter::new(arguments.json, arguments.output.as_deref(), tracks),
        progress: vec![TrackProgress::default(); tracks],
        repeated: 0,
        chosen,
        muxer,
        sink,
    };
    Ok((link, pull))
}

/// The tracks that the command line means.
pub(crate) async fn select(
    session: &Session,
    namespace: &Namespace,
    catalog_name: Option<&TrackName>,
    names: &[String],
    raw: bool,
    target: &str,
) -> Result<Vec<Chosen>, Failure> {
    if namespace.is_empty() {
        return Err(Failure::Usage(format!(
            "{target} names no broadcast: add its namespace as the path, `efir ls` lists them"
        )));
    }
    let found = match discover(session, namespace, catalog_name, Wanted::Either, target).await {
        Ok(documents) => match documents.into_iter().next() {
            Some(document) => from_catalog(&document.catalog, namespace, names, raw),
            None => Err(Failure::Ended(format!("{target} has no catalog"))),
        },
        Err(failure) => Err(failure),
    };
    match (found, names) {
        // What no catalog lists can still be taken as it is.
        (Err(Failure::Refused(_) | Failure::Content(_)), [name]) if raw => {
            let name = TrackName::new(name.clone()).and_then(|name| FullTrackName::new(namespace.clone(), name));
            let name = name.map_err(|error| Failure::Usage(error.to_string()))?;
            Ok(vec![Chosen { name, depackager: None }])
        }
        (found, _) => found,
    }
}

fn from_catalog(catalog: &Catalog, namespace: &Namespace, names: &[String], raw: bool) -> Result<Vec<Chosen>, Failure> {
    let mut tracks = choose(catalog, names)?;
    if raw {
        tracks.truncate(1);
    }
    let chosen = tracks.into_iter().map(|track| {
        let unusable = |error| Failure::Content(format!("track {:?} cannot be used: {error}", track.name));
        let depackager = Depackager::new(track).map_err(unusable)?;
        Ok(Chosen { name: full_name(namespace, track)?, depackager: Some(depackager) })
    });
    chosen.collect()
}

/// What an object's stamp says, if it came live.
fn stamped(entry: &Entry, mark: Option<TrackMark>) -> Option<Stamped> {
    let (received, mark) = (entry.received?, mark?);
    let stamp = HopDelay::from_bytes(&entry.properties.mutable_bytes(property::HOP_DELAY)?)?;
    Some(Stamped { stamp, capture_known: mark.capture_known, began: received.began, whole: received.whole })
}

/// Everything between the followers' frames and the output.
struct Pull {
    target: String,
    chosen: Vec<Chosen>,
    clock: Clock,
    goal: Goal,
    muxer: Muxer,
    sink: Sink,
    reporter: Reporter,
    progress: Vec<TrackProgress>,
    /// Frames that came again after a break.
    repeated: u64,
}

/// How far a track has come.
#[derive(Debug, Clone, Copy, Default)]
struct TrackProgress {
    ended: bool,
    /// What was last added to its times, in microseconds.
    shift: Option<i64>,
    /// Decode time of the last frame, in microseconds.
    last: Option<i64>,
}

impl Pull {
    /// Receives until there is enough. Its tasks and sessions end with it.
    async fn receive(
        &mut self,
        arguments: &PullArguments,
        connector: &Connector,
        link: Link,
        shutdown: &process::Shutdown,
    ) -> Stop {
        let retry_for = (!arguments.no_reconnect).then_some(arguments.reconnect_for);
        let address = arguments.broadcast.url.address.clone();
        let (supervisor, sessions) = Supervisor::new(connector, address, retry_for, &link);
        let mut watched = sessions.clone();
        let (sender, mut events) = mpsc::channel(limit::FRAME_QUEUE);
        // Dropped, and so aborted, when this function returns.
        let mut followers = JoinSet::new();
        for (track, chosen) in self.chosen.iter().enumerate() {
            let start = match arguments.from {
                From::Live => Start::Live,
                From::Now => Start::Next,
                From::Group(group) => Start::Group(group),
            };
            // Sound goes before pictures: it is small, and its loss is heard at once.
            let priority = if chosen.is_video() { 128 } else { 64 };
            let settings = FollowSettings { track, name: chosen.name.clone(), start, priority, retry_for };
            followers.spawn(follow(settings, sessions.clone(), sender.clone()));
        }
        drop(sender);
        let mut supervising = Box::pin(supervisor.run(link));
        if let Err(failure) = self.sink.write(&self.muxer.begin()).await {
            return Stop::Failed(failure);
        }
        let mut aligned_by: Option<Instant> = None;
        let stop = loop {
            tokio::select! {
                biased;
                () = shutdown.begun() => break Stop::Interrupted,
                failure = &mut supervising => break Stop::Failed(failure),
                () = sleep_until(aligned_by.unwrap_or_else(Instant::now)), if aligned_by.is_some() => break self.rest(),
                () = self.reporter.tick() => self.reporter.show(),
                Ok(()) = watched.changed() => self.session_changed(&mut watched),
                event = events.recv() => {
                    let Some(event) = event else { break Stop::Ended };
                    self.look_at_path(&watched);
                    if let Some(stop) = self.event(event).await {
                        break stop;
                    }
                    if aligned_by.is_none() && (self.goal.is_reached() || self.progress[0].ended) {
                        aligned_by = Some(Instant::now() + limit::ALIGN_WAIT);
                    }
                }
            }
        };
        if let Some(session) = watched.borrow().clone() {
            session.close(SessionErrorCode::NoError, "done");
        }
        stop
    }

    /// What it is when other tracks were waited for in vain.
    fn rest(&self) -> Stop {
        if self.goal.is_reached() { Stop::Enough } else { Stop::Ended }
    }

    fn session_changed(&mut self, sessions: &mut watch::Receiver<Option<Session>>) {
        if sessions.borrow_and_update().is_some() {
            self.reporter.meter.reconnected();
            self.reporter.meter.delay.session_changed();
            self.reporter.meter.timeline_changed();
            self.reporter.note("a new session took over");
        } else {
            self.reporter.note("the session was lost, reconnecting");
        }
    }

    /// Takes the round-trip time of the session now and then: half of it is what clocks leave open.
    fn look_at_path(&mut self, sessions: &watch::Receiver<Option<Session>>) {
        let now = self.reporter.now();
        let delay = &mut self.reporter.meter.delay;
        if delay.wants_round_trip(now)
            && let Some(session) = &*sessions.borrow()
        {
            delay.round_trip(now, session.connection().stats().rtt);
        }
    }

    async fn event(&mut self, event: FollowEvent) -> Option<Stop> {
        let FollowEvent { track, kind } = event;
        match kind {
            FollowKind::Frame { entry, counts, asked, mark } => {
                self.reporter.meter.losses(track, counts);
                if track == 0 {
                    self.reporter.meter.tuned_in(asked.elapsed());
                    if let Some(stamped) = stamped(&entry, mark) {
                        let now = self.reporter.now();
                        self.reporter.meter.delay.object(now, &stamped);
                    }
                }
                match self.object(track, entry).await {
                    Ok(Written::More) => self.goal.is_complete().then_some(Stop::Enough),
                    Ok(Written::Enough) => Some(Stop::Enough),
                    Err(failure) => Some(Stop::Failed(failure)),
                }
            }
            FollowKind::Ended(end) => self.ended(track, end),
        }
    }

    fn ended(&mut self, track: usize, end: TrackEnd) -> Option<Stop> {
        let name = show_full(&self.chosen[track].name);
        let failure = match end {
            TrackEnd::Complete => None,
            TrackEnd::Stopped { status, reason } => {
                Some(Failure::Ended(format!("publisher stopped {name} with {status} {reason}").trim_end().to_owned()))
            }
            // The supervisor tells why there is no session.
            TrackEnd::Failed(RequestFailure::Session(error)) => {
                Some(Failure::Connection(format!("session lost: {error}")))
            }
            TrackEnd::Failed(failure) => Some(Failure::request(&name, &self.target, &failure)),
        };
        self.progress[track].ended = true;
        self.goal.track_ended(track);
        match failure {
            Some(failure) if track == 0 || self.progress[track].shift.is_none() => return Some(Stop::Failed(failure)),
            Some(failure) => self.reporter.note(&failure.to_string()),
            None => {}
        }
        let over = self.goal.is_complete() || self.progress.iter().all(|track| track.ended);
        over.then(|| self.rest())
    }

    /// Takes an object apart and writes its frames.
    async fn object(&mut self, track: usize, entry: Entry) -> Result<Written, Failure> {
        let group = entry.location.group;
        let Some(depackager) = self.chosen[track].depackager.as_mut() else {
            // Without a container there are no times: every object counts as one frame.
            if !self.goal.admits(track, 0, 0) {
                return Ok(Written::More);
            }
            let arrival = Arrival { track, group, time: None, age: None, bytes: entry.payload.len() };
            self.reporter.meter.frame(arrival, self.reporter.now());
            return self.sink.write(&entry.payload).await;
        };
        let samples = match depackager.unpack(&entry) {
            Ok(samples) => samples,
            Err(error) => {
                let name = show_full(&self.chosen[track].name);
                let text = format!("object {} of group {group} of {name}: {error}", entry.location.object);
                self.reporter.meter.unreadable();
                self.reporter.note(&text);
                return Ok(Written::More);
            }
        };
        let timescale = depackager.info().timescale;
        let bytes = entry.payload.len() / samples.len().max(1);
        for mut sample in samples {
            let shift = self.clock.shift(track, sample.time, sample.duration);
            sample.shift(shift, timescale);
            if self.is_repeated(track, &sample) {
                self.repeated += 1;
                continue;
            }
            if !self.goal.admits(track, sample.time, sample.duration) {
                continue;
            }
            let progress = &mut self.progress[track];
            progress.last = Some(sample.time);
            if progress.shift.replace(shift).is_some_and(|before| before != shift) && track == 0 {
                self.reporter.meter.timeline_changed();
            }
            let age = sample.captured.and_then(|captured| {
                let captured = UNIX_EPOCH.checked_add(std::time::Duration::from_micros(captured))?;
                SystemTime::now().duration_since(captured).ok()
            });
            let arrival = Arrival { track, group, time: Some(sample.time), age, bytes };
            self.reporter.meter.frame(arrival, self.reporter.now());
            if self.write(track, sample).await? == Written::Enough {
                return Ok(Written::Enough);
            }
        }
        Ok(Written::More)
    }

    /// A publisher that restarted with other numbers may send again what was there before.
    fn is_repeated(&self, track: usize, sample: &Sample) -> bool {
        matches!(sample.coded, Coded::Frame(_)) && self.progress[track].last.is_some_and(|last| sample.time <= last)
    }

    async fn write(&mut self, track: usize, sample: Sample) -> Result<Written, Failure> {
        let Some(depackager) = &self.chosen[track].depackager else { return Ok(Written::More) };
        let bytes = self.muxer.frame(track, sample, depackager);
        let bytes =
            bytes.map_err(|error| Failure::Content(format!("{}: {error}", show_full(&self.chosen[track].name))))?;
        self.sink.write(&bytes).await
    }

    /// Ends the file and says how it went.
    async fn finish(&mut self, stop: Stop) -> Result<(), Failure> {
        let rest = self.muxer.end().map_err(|error| Failure::Content(error.to_string()))?;
        let written = self.sink.write(&rest).await;
        let left_out = self.muxer.left_out() + self.repeated;
        if left_out > 0 {
            self.reporter.note(&format!("{left_out} frames came again or did not fit the file's timeline: left out"));
        }
        let result = match stop {
            Stop::Interrupted | Stop::Enough => Ok(()),
            Stop::Failed(failure) => Err(failure),
            Stop::Ended => match self.goal.shortfall() {
                Some(missing) => Err(Failure::Ended(format!("{} ended after {missing}", self.target))),
                None => Ok(()),
            },
        };
        self.reporter.finish(result.is_ok());
        result?;
        written.map(|_| ())
    }
}

impl Chosen {
    fn is_video(&self) -> bool {
        self.depackager.as_ref().is_some_and(|depackager| depackager.info().kind.is_video())
    }
}
