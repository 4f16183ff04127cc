//! The life of one viewer: it comes, does what its population does, leaves, and perhaps comes again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use moqt::{FetchItem, Location, Parameters};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, interval_at, sleep, sleep_until};
use transport::Session;

use super::frame::{Fault, FrameCheck};
use super::ledger::{Ledger, StreamEnd};
use super::publisher::Track;
use super::series::{BYTES, CORRUPT, ERRORS, FETCH, FETCH_START, FRAMES, SESSIONS, START, VIEWERS};
use super::sight::Sight;
use super::watch::{Watch, WatchStyle};
use crate::clock::Moment;
use crate::connect::{Dialer, Link, Target, session_error, stream_error};
use crate::engine::{Phase, Stop};
use crate::limit;
use crate::measure::Meter;
use crate::plan::{Behaviour, Choice, Population, Span};

/// What viewers of one population share on one thread.
#[derive(Debug)]
pub(crate) struct Habits {
    pub(crate) population: Population,
    pub(crate) stall: Duration,
    pub(crate) run: u64,
    pub(crate) tracks: Arc<Vec<Arc<Track>>>,
    pub(crate) targets: Arc<Vec<Target>>,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) meter: Meter,
    pub(crate) stop: Stop,
}

/// One viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    habits: Arc<Habits>,
    /// Among those of its population.
    number: u32,
    /// Among those of its thread and population.
    place: usize,
    chance: StdRng,
}

impl Viewer {
    pub(crate) fn new(habits: Arc<Habits>, number: u32, place: usize, seed: u64) -> Self {
        Self { habits, number, place, chance: StdRng::seed_from_u64(seed) }
    }

    /// Lives until the run ends. `due`: when the plan has it come.
    pub(crate) async fn live(mut self, due: Moment) {
        let habits = self.habits.clone();
        let mut came = Some(due);
        while !habits.stop.has(Phase::Draining) {
            let leaves = habits.population.stay.map(|stay| Instant::now() + self.between(stay));
            let stayed = self.visit(came.take(), leaves).await;
            let pause = match (stayed, habits.population.back_after) {
                (Err(reason), _) => {
                    habits.meter.labelled(&ERRORS, &reason);
                    limit::RETRY
                }
                (Ok(()), Some(back_after)) => self.between(back_after),
                (Ok(()), None) => return,
            };
            tokio::select! {
                biased;
                () = habits.stop.reached(Phase::Draining) => return,
                () = sleep(pause) => {}
            }
            came = Some(Moment::now());
        }
    }

    /// One visit: until the run's end, its own, or a failure.
    async fn visit(&mut self, came: Option<Moment>, leaves: Option<Instant>) -> Result<(), String> {
        let habits = self.habits.clone();
        let Habits { targets, stop, meter, dialer, .. } = &*habits;
        let Some(target) = targets.get(self.number as usize % targets.len().max(1)) else { return Ok(()) };
        let link = tokio::select! {
            biased;
            () = stop.reached(Phase::Leaving) => return Ok(()),
            connected = dialer.connect(target, self.place, meter) => connected?,
        };
        let _present = meter.present(&SESSIONS);
        let left = async {
            match leaves {
                Some(leaves) => sleep_until(leaves).await,
                None => std::future::pending().await,
            }
        };
        let outcome = match habits.population.does {
            Behaviour::Watch => self.watch(&link, came, left).await,
            Behaviour::Fetch => self.fetch_often(&link, left).await,
            Behaviour::Idle => self.idle(&link, came, left).await,
        };
        link.close();
        outcome
    }

    async fn idle(&self, link: &Link, came: Option<Moment>, left: impl Future<Output = ()>) -> Result<(), String> {
        if let Some(came) = came {
            self.habits.meter.time(&START, came.elapsed());
        }
        let _viewer = self.habits.meter.present(&VIEWERS);
        tokio::select! {
            biased;
            () = self.habits.stop.reached(Phase::Leaving) => Ok(()),
            () = left => Ok(()),
            error = link.session.closed() => Err(session_error(&error)),
        }
    }

    async fn watch(&mut self, link: &Link, came: Option<Moment>, left: impl Future<Output = ()>) -> Result<(), String> {
        let habits = self.habits.clone();
        let population = &habits.population;
        let mut watches: Vec<Watch> = Vec::new();
        for (index, track) in self.choose().into_iter().enumerate() {
            let style = WatchStyle {
                run: habits.run,
                join: population.join,
                read_rate: population.read_rate,
                stall: habits.stall,
                came: came.filter(|_| index == 0),
            };
            watches.push(Watch::new(style, track, habits.meter.clone()));
        }
        let tracks: Vec<Arc<Track>> = watches.iter().map(|watch| watch.track().clone()).collect();
        let mut stayed = false;
        let outcome = {
            let mut running: FuturesUnordered<_> = watches.iter_mut().map(|watch| watch.run(&link.session)).collect();
            tokio::select! {
                biased;
                () = habits.stop.reached(Phase::Leaving) => {
                    stayed = true;
                    Ok(())
                }
                () = left => Ok(()),
                Some(reason) = running.next() => Err(reason),
            }
        };
        for (watch, track) in watches.into_iter().zip(tracks) {
            watch.leave(stayed.then(|| track.published()));
        }
        outcome
    }

    async fn fetch_often(&mut self, link: &Link, left: impl Future<Output = ()>) -> Result<(), String> {
        let habits = self.habits.clone();
        let Span(every) = habits.population.every;
        let _viewer = habits.meter.present(&VIEWERS);
        let tracks = self.choose();
        let first = Instant::now() + every.mul_f64(self.chance.random_range(0.0..1.0));
        let mut ticks = interval_at(first, every);
        let mut fetches = FuturesUnordered::new();
        tokio::pin!(left);
        loop {
            tokio::select! {
                biased;
                () = habits.stop.reached(Phase::Leaving) => return Ok(()),
                () = &mut left => return Ok(()),
                error = link.session.closed() => return Err(session_error(&error)),
                Some(()) = fetches.next(), if !fetches.is_empty() => {}
                // On time, whatever became of the one before.
                _ = ticks.tick(), if !habits.stop.has(Phase::Draining) => {
                    let track = &tracks[self.chance.random_range(0..tracks.len())];
                    let back = u64::from(self.chance.random_range(1..=habits.population.groups_back));
                    if let Some(group) = track.complete_groups().checked_sub(back) {
                        fetches.push(fetch(&habits, &link.session, track.clone(), group));
                    }
                }
            }
        }
    }

    /// The tracks that this viewer takes.
    fn choose(&mut self) -> Vec<Arc<Track>> {
        let Habits { population, tracks, .. } = &*self.habits;
        let wanted = (population.tracks as usize).min(tracks.len());
        match population.choose {
            Choice::Evenly => {
                let first = self.number as usize * wanted;
                (first..first + wanted).map(|index| tracks[index % tracks.len()].clone()).collect()
            }
            Choice::Randomly => {
                let mut order: Vec<usize> = (0..tracks.len()).collect();
                for place in 0..wanted {
                    let other = self.chance.random_range(place..order.len());
                    order.swap(place, other);
                }
                order[..wanted].iter().map(|index| tracks[*index].clone()).collect()
            }
        }
    }

    fn between(&mut self, [Span(least), Span(most)]: [Span; 2]) -> Duration {
        least + (most - least).mul_f64(self.chance.random_range(0.0..=1.0))
    }
}

/// One FETCH of a whole group, judged frame by frame.
async fn fetch(habits: &Habits, session: &Session, track: Arc<Track>, group: u64) {
    let meter = &habits.meter;
    let asked = Moment::now();
    let (start, end) = (Location::new(group, 0), Location::new(group, 0));
    let mut reader = match session.fetch(track.name.clone(), start, end, Parameters::default()) {
        Ok(reader) => reader,
        Err(failure) => return meter.labelled(&ERRORS, &crate::connect::request_error("fetch", &failure)),
    };
    let (mut check, mut place, mut announced) = (FrameCheck::new(), (0, 0), 0);
    let mut ledger = Ledger::new(true, track.group_frames);
    let mut begun = false;
    loop {
        match reader.next().await {
            Ok(Some(FetchItem::Header { header, .. })) => {
                place = (header.location.group, header.location.object);
                announced = header.payload_len;
            }
            Ok(Some(FetchItem::Payload(part))) => check.push(&part),
            Ok(Some(FetchItem::End)) => {
                let bytes = check.length();
                match check.finish(habits.run, track.index, place) {
                    Ok(stamp) if bytes as u64 == announced => {
                        ledger.frame(&stamp);
                        let first = !std::mem::replace(&mut begun, true);
                        meter.with(|sample| {
                            sample.count(&FRAMES, 1);
                            sample.count(&BYTES, bytes as u64);
                            if first {
                                sample.time(&FETCH_START, asked.elapsed());
                            }
                        });
                    }
                    judged => {
                        ledger.spoiled(place.0, place.1);
                        meter.labelled(&CORRUPT, judged.err().unwrap_or(Fault::Length).name());
                    }
                }
            }
            Ok(Some(FetchItem::EndOfRange { .. })) => {}
            Ok(None) => break,
            Err(failure) => return meter.labelled(&ERRORS, &stream_error("fetch", &failure)),
        }
    }
    if !begun {
        return meter.labelled(&ERRORS, "fetch: empty answer");
    }
    meter.time(&FETCH, asked.elapsed());
    ledger.stream_ended(group, StreamEnd::Whole);
    Sight::new(meter.clone(), habits.stall, None).found(&ledger.close());
}
