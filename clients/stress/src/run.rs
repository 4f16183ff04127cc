//! One run, from its plan to its report.

use std::sync::Arc;
use std::time::Duration;

use process::Shutdown;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

use crate::connect::Target;
use crate::engine::{Job, Phase, PhaseSender, Stop, Workers, phases};
use crate::error::Failure;
use crate::impair::Proxy;
use crate::limit;
use crate::measure::Recorder;
use crate::plan::{ImpairmentPlan, Plan, ShopsPlan, VideoPlan};
use crate::probe::Probe;
use crate::report::{PUBLISHERS, Report, ReportBuilder, TOOL};
use crate::require::Condition;
use crate::screen::Screen;
use crate::shop;
use crate::video::{ERRORS, Share, Start, VideoLoad};

/// Threads of the tool that carry load are named so.
pub(crate) const THREAD_PREFIX: &str = "stress-";
/// Numbers of the scopes that are not populations.
const TOOL_SCOPE: usize = 0;
const PUBLISHER_SCOPE: usize = 1;
const FIRST_POPULATION: usize = 2;

/// Everything one run needs.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) plan: Plan,
    /// Relays: publishers go to the first, viewers to the others, or to it if there are none.
    pub(crate) targets: Vec<Target>,
    pub(crate) conditions: Vec<Condition>,
    /// Processes of the relays.
    pub(crate) processes: Vec<u32>,
    pub(crate) threads: Option<usize>,
}

/// What runs beside the loop of intervals.
struct Stage {
    /// Publishers.
    sources: Workers,
    /// Viewers.
    workers: Workers,
    /// Bad paths, which must last until those who use them have left.
    paths: Workers,
    path_phase: PhaseSender,
    path_stop: Stop,
    recorder: Arc<Recorder>,
    stop: Stop,
}

/// Runs a plan to its end, or until shutdown begins.
///
/// # Errors
/// Nothing can be published at the relay, or threads, sockets or processes are not to be had.
pub(crate) async fn run(setup: &Setup, screen: &mut Screen, shutdown: &Shutdown) -> Result<Report, Failure> {
    let Setup { plan, conditions, processes, .. } = setup;
    let mut probe = Probe::new(processes).map_err(Failure::Start)?;
    let number = run_number(plan.seed);
    let scopes = scopes(plan);
    let checks = scopes.len().saturating_sub(1);
    let mut shops = match &plan.shops {
        Some(shops) => Some(prepare_shops(shops, plan.seed, number, shutdown).await?),
        None => None,
    };
    let (phase, stop) = phases();
    let (path_phase, path_stop) = phases();
    let (sources, workers, paths) = (Workers::default(), Workers::default(), Workers::default());
    let mut stage =
        Stage { sources, workers, paths, path_phase, path_stop, recorder: Arc::new(Recorder::new(scopes)), stop };
    let started = stage.start(setup, shops.as_mut(), number, shutdown).await;
    if let Err(failure) = started {
        stage.ended(&phase).await;
        return Err(failure);
    }
    screen.begun(setup);
    let begun = Instant::now();
    // Setting up is not part of what the machine is asked for.
    probe.look();
    let blank = Report {
        plan: plan.name.clone(),
        description: plan.description.clone(),
        seed: plan.seed,
        viewers: plan.viewers(),
        arrivals: plan.arrivals(),
        relays: setup.shown(),
        ..Report::default()
    };
    let mut builder = ReportBuilder::new(stage.recorder.scopes(), blank);
    let mut ticks = interval_at(begun + plan.interval.0, plan.interval.0);
    // No interval is shorter than planned: CPU time is told in hundredths of a second.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = sleep_until(begun + plan.duration.0);
    tokio::pin!(end);
    let interrupted = loop {
        tokio::select! {
            biased;
            () = shutdown.begun() => break true,
            () = screen.quit() => break true,
            () = &mut end => break false,
            // The one at the end is the end's.
            _ = ticks.tick(), if begun.elapsed() + plan.interval.0 / 2 < plan.duration.0 => {
                screen.interval(builder.interval(begun.elapsed(), &stage.recorder.take(), &probe.look()));
            }
        }
    };
    screen.interval(builder.interval(begun.elapsed(), &stage.recorder.take(), &probe.look()));
    // What is on the way still arrives, then everybody settles the books.
    phase.reach(Phase::Draining);
    shops.iter().for_each(shop::Stage::close);
    sleep(limit::DRAIN).await;
    let recorder = stage.recorder.clone();
    stage.ended(&phase).await;
    if let Some(shops) = shops {
        screen.settling();
        let asked = async {
            tokio::select! {
                () = shutdown.begun() => {}
                () = screen.quit() => {}
            }
        };
        shops.finish(recorder.meter(checks), asked, interrupted).await;
    }
    screen.interval(builder.settle(begun.elapsed(), &recorder.take()));
    Ok(builder.finish(interrupted, conditions))
}

impl Setup {
    /// What is loaded, for people.
    pub(crate) fn shown(&self) -> Vec<String> {
        let relays = self.targets.iter().map(|target| target.shown.clone());
        relays.chain(self.plan.shops.iter().map(|shops| shops.url.clone())).collect()
    }
}

/// Names of all parts of the run, the last that of the check of shops.
fn scopes(plan: &Plan) -> Vec<String> {
    let own = [TOOL, PUBLISHERS].into_iter();
    own.chain(plan.scopes()).chain(plan.shops.iter().map(|_| shop::CHECKS)).map(str::to_owned).collect()
}

async fn prepare_shops(plan: &ShopsPlan, seed: u64, number: u64, shutdown: &Shutdown) -> Result<shop::Stage, Failure> {
    tokio::select! {
        biased;
        () = shutdown.begun() => Err(Failure::Connection("stopped before it began".to_owned())),
        ready = shop::Stage::prepare(plan, seed, number) => ready,
    }
}

impl Stage {
    /// Begins what the plan has: video first, whose publishers take their time.
    async fn start(
        &mut self,
        setup: &Setup,
        shops: Option<&mut shop::Stage>,
        number: u64,
        shutdown: &Shutdown,
    ) -> Result<(), Failure> {
        let Plan { video, seed, .. } = &setup.plan;
        if let (Some(video), Some(target)) = (video, setup.targets.first()) {
            let load = VideoLoad::new(video, *seed, number).map_err(|error| Failure::Usage(error.to_string()))?;
            self.publish(&load, target, shutdown).await?;
            self.watch(setup, video, &load).await?;
        }
        if let Some(shops) = shops {
            // Viewers need the cores more than those who wait for answers.
            let threads = if video.is_some() { 1 } else { setup.threads.unwrap_or_else(cores).min(limit::MAX_WORKERS) };
            let first = FIRST_POPULATION + video.as_ref().map_or(0, |video| video.viewers.len());
            let scopes = shop::Scopes { tool: TOOL_SCOPE, first };
            shops.start(&self.recorder, scopes, threads, setup.plan.duration.0)?;
        }
        Ok(())
    }

    /// Publishes everything, and waits until the relay knows.
    async fn publish(&mut self, load: &VideoLoad, target: &Target, shutdown: &Shutdown) -> Result<(), Failure> {
        let (announced, mut count) = watch::channel(0);
        let meter = self.recorder.meter(PUBLISHER_SCOPE);
        let jobs = load.publish(target, &meter, &self.stop, &announced);
        let lag = self.recorder.meter(TOOL_SCOPE);
        let name = format!("{THREAD_PREFIX}publish");
        self.sources.start(&name, jobs, (self.stop.clone(), Phase::Ended), lag).map_err(Failure::Start)?;
        let publishers = load.publishers();
        let ready = timeout(limit::PUBLISHER_START, count.wait_for(|count| *count == publishers));
        let ready = tokio::select! {
            biased;
            () = shutdown.begun() => return Err(Failure::Connection("stopped before it began".to_owned())),
            ready = ready => matches!(ready, Ok(Ok(_))),
        };
        if ready {
            return Ok(());
        }
        let told = &self.recorder.take()[PUBLISHER_SCOPE];
        let kinds: Vec<_> = told.kinds(&ERRORS).map(|(kind, _)| kind.to_owned()).collect();
        let why = if kinds.is_empty() { "no answer".to_owned() } else { kinds.join(", ") };
        Err(Failure::Connection(format!(
            "only {} of {publishers} publishers could be announced at {}: {why}; is the relay running?",
            *count.borrow(),
            target.shown
        )))
    }

    /// Lets viewers come.
    async fn watch(&mut self, setup: &Setup, video: &VideoPlan, load: &VideoLoad) -> Result<(), Failure> {
        let threads = setup.threads.unwrap_or_else(cores).min(limit::MAX_WORKERS).min(video.count().max(1) as usize);
        let leaves = if setup.targets.len() > 1 { &setup.targets[1..] } else { &setup.targets[..] };
        let mut targets = leaves.to_vec();
        if let Some(plan) = setup.plan.impairment {
            for (seed, target) in (setup.plan.seed..).zip(&mut targets) {
                self.impair(target, plan, seed).await.map_err(Failure::Start)?;
            }
        }
        let targets = Arc::new(targets);
        let start = Start::now();
        for number in 0..threads {
            let share = Share { number, of: threads, own_sockets: setup.plan.impairment.is_some() };
            let jobs = load.watch(share, &targets, &self.recorder, FIRST_POPULATION, &self.stop, start);
            let lag = self.recorder.meter(TOOL_SCOPE);
            let name = format!("{THREAD_PREFIX}{number}");
            self.workers.start(&name, jobs, (self.stop.clone(), Phase::Leaving), lag).map_err(Failure::Start)?;
        }
        Ok(())
    }
}

impl Stage {
    /// Puts a bad path before a relay.
    async fn impair(&mut self, target: &mut Target, plan: ImpairmentPlan, seed: u64) -> std::io::Result<()> {
        // What QUIC dials first under that name.
        let host = if target.address.host == "localhost" { "127.0.0.1" } else { &target.address.host };
        let found = tokio::net::lookup_host((host, target.address.port)).await?.next();
        let relay = found.ok_or_else(|| std::io::Error::other(format!("{host} has no address")))?;
        let proxy = Proxy::bind(relay, plan.path(), seed)?;
        target.address.port = proxy.port()?;
        if !target.address.is_localhost() || relay.is_ipv6() {
            target.address.host = "127.0.0.1".to_owned();
        }
        let stop = self.path_stop.clone();
        let job = Job::new(Instant::now(), move || proxy.run(stop));
        let name = format!("{THREAD_PREFIX}path");
        self.paths.start(&name, vec![job], (self.path_stop.clone(), Phase::Ended), self.recorder.meter(TOOL_SCOPE))
    }

    /// Ends all threads, in the order in which they need each other.
    async fn ended(self, phase: &PhaseSender) {
        phase.reach(Phase::Leaving);
        self.workers.ended().await;
        phase.reach(Phase::Ended);
        self.sources.ended().await;
        self.path_phase.reach(Phase::Ended);
        self.paths.ended().await;
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Tells this run from earlier ones at the same relay: the seed alone would not.
fn run_number(seed: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    StdRng::seed_from_u64(nanos ^ seed ^ u64::from(std::process::id()).rotate_left(48)).random()
}
