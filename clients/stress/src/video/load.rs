//! From a plan to jobs for threads.

use std::sync::Arc;

use fanout::MemoryBudget;
use moqt::{FullTrackName, NameError, Namespace, TrackName};
use tokio::sync::watch;
use tokio::time::Instant;

use super::publisher::{Begin, Broadcast, Track};
use super::schedule::Schedule;
use super::viewer::{Habits, Viewer};
use crate::clock::Moment;
use crate::connect::{Dialer, Target};
use crate::engine::{Job, Stop};
use crate::limit;
use crate::measure::{Meter, Recorder};
use crate::plan::{Behaviour, VideoPlan};

/// Bytes of one stream that a slow reader takes ahead: small, so that its slowness is the relay's to bear, not its own buffer's.
const SLOW_WINDOW: u32 = 64 * 1024;

/// Everything that one run publishes, and who watches it.
#[derive(Debug)]
pub(crate) struct VideoLoad {
    plan: VideoPlan,
    seed: u64,
    run: u64,
    broadcasts: Vec<Arc<Broadcast>>,
    tracks: Arc<Vec<Arc<Track>>>,
}

/// When a run begins, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) instant: Instant,
    pub(crate) moment: Moment,
}

impl Start {
    pub(crate) fn now() -> Self {
        Self { instant: Instant::now(), moment: Moment::now() }
    }
}

impl VideoLoad {
    /// `run` tells this run's broadcasts from those of others at the same relay.
    pub(crate) fn new(plan: &VideoPlan, seed: u64, run: u64) -> Result<Self, NameError> {
        let budget = MemoryBudget::new(limit::PUBLISHER_BYTES);
        let back = plan.viewers.iter().filter(|population| population.does == Behaviour::Fetch);
        let back = back.map(|population| population.groups_back).max().unwrap_or(0) as usize;
        let (mut broadcasts, mut tracks) = (Vec::new(), Vec::new());
        for broadcast in 0..plan.broadcasts {
            let namespace = Namespace::new(["efir-stress".to_owned(), format!("{run:016x}"), format!("b{broadcast}")])?;
            let first = tracks.len();
            for track in 0..plan.tracks {
                let name = FullTrackName::new(namespace.clone(), TrackName::new(format!("t{track}"))?)?;
                let index = broadcast * plan.tracks + track;
                let kept = back + limit::SPARE_GROUPS;
                tracks.push(Arc::new(Track::new(name, index, plan.group_frames(), kept, budget.clone())));
            }
            broadcasts.push(Arc::new(Broadcast { namespace, tracks: tracks[first..].to_vec() }));
        }
        Ok(Self { plan: plan.clone(), seed, run, broadcasts, tracks: Arc::new(tracks) })
    }

    /// Publishers to be announced before anybody comes.
    pub(crate) fn publishers(&self) -> usize {
        self.broadcasts.len()
    }

    /// Publishes everything at a relay. `announced` counts those that are ready.
    pub(crate) fn publish(
        &self,
        target: &Target,
        meter: &Meter,
        stop: &Stop,
        announced: &watch::Sender<usize>,
    ) -> Vec<Job> {
        let start = Start::now();
        let frame = std::time::Duration::from_secs_f64(1.0 / self.plan.fps);
        // One socket each: a publisher sends much.
        let dialer = Arc::new(Dialer::new(&target.versions, 1, 1, None).patient_for(limit::PUBLISHER_DIAL));
        let mut jobs = Vec::new();
        for broadcast in &self.broadcasts {
            let (broadcast, target, dialer) = (broadcast.clone(), target.clone(), dialer.clone());
            let (meter, stop, announced) = (meter.clone(), stop.clone(), announced.clone());
            jobs.push(Job::new(start.instant, move || broadcast.run(target, dialer, meter, stop, announced)));
        }
        for track in self.tracks.iter() {
            let offset = frame.mul_f64(f64::from(track.index) / f64::from(self.plan.total_tracks()));
            let begin = Begin { run: self.run, instant: start.instant, moment: start.moment, offset };
            let schedule = Schedule::new(&self.plan, self.seed, track.index);
            let (track, meter, stop) = (track.clone(), meter.clone(), stop.clone());
            jobs.push(Job::new(start.instant, move || track.run(schedule, begin, meter, stop)));
        }
        jobs
    }

    /// The viewers of one of several threads. `first_scope` is the first population's number in `recorder`; `alone`: each has a
    /// socket of its own.
    pub(crate) fn watch(
        &self,
        thread: Share,
        targets: &Arc<Vec<Target>>,
        recorder: &Recorder,
        first_scope: usize,
        stop: &Stop,
        start: Start,
    ) -> Vec<Job> {
        let versions = targets.first().map(|target| target.versions.clone()).unwrap_or_default();
        let per_socket = if thread.own_sockets { 1 } else { limit::VIEWERS_PER_SOCKET };
        let mut jobs = Vec::new();
        let mut seed = self.seed;
        for (index, population) in self.plan.viewers.iter().enumerate() {
            let window = population.read_rate.map(|_| SLOW_WINDOW);
            let habits = Arc::new(Habits {
                population: population.clone(),
                stall: self.plan.stall.0,
                run: self.run,
                tracks: self.tracks.clone(),
                targets: targets.clone(),
                dialer: Arc::new(Dialer::new(&versions, population.tracks, per_socket, window)),
                meter: recorder.meter(first_scope + index),
                stop: stop.clone(),
            });
            for number in 0..population.count {
                seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                if number as usize % thread.of != thread.number {
                    continue;
                }
                let share = f64::from(number) / f64::from(population.count);
                let at = population.at.0 + population.within.0.mul_f64(share);
                let viewer = Viewer::new(habits.clone(), number, number as usize / thread.of, seed);
                let due = start.moment + at;
                jobs.push(Job::new(start.instant + at, move || viewer.live(due)));
            }
        }
        jobs
    }
}

/// Which part of the viewers a thread has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) number: usize,
    pub(crate) of: usize,
    /// Each viewer has a socket of its own, as an impaired line needs.
    pub(crate) own_sockets: bool,
}
