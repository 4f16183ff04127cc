//! One visit of a customer: requests one after the other, each timed from when it was due.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use super::client::{Answer, Client, NoAnswer, Request};
use super::prepare::{Customer, Shared};
use super::series::{ANSWER, ANSWERS, FAILED, NO_RETRY_AFTER, REPEATS_WRONG, SHED, TURNED_DOWN, VISIT};
use crate::engine::{Phase, Stop};
use crate::limit;
use crate::measure::{Meter, Present, Series};

/// Problems that are a shop's own good reasons to refuse.
const FAIR: [&str; 2] = ["out-of-stock", "promotion-limit"];

/// Why a visit is over before it got what it came for. It is counted already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// The shop said no: nothing was done.
    Refused,
    /// It may have been done or not.
    Unsure,
}

/// A customer in the shops.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(super) client: Arc<Client>,
    pub(super) shared: Arc<Shared>,
    pub(super) meter: Meter,
    pub(super) stop: Stop,
    /// Number of the scenario, and of the arrival in it.
    pub(super) scenario: usize,
    pub(super) number: u64,
    /// Number of the customer.
    pub(super) customer: usize,
    pub(super) random: StdRng,
    /// When it was to begin.
    pub(super) planned: Instant,
    /// When the next request is due.
    pub(super) due: Instant,
    /// Its place among those under way.
    pub(super) place: Option<(OwnedSemaphorePermit, Present)>,
}

impl Visit {
    pub(super) fn who(&self) -> &Customer {
        // There is at least one.
        &self.shared.customers[self.customer % self.shared.customers.len()]
    }

    pub(super) fn token(&self) -> String {
        self.who().token.clone()
    }

    /// The key of a step: the same for the same step of the same visit.
    pub(super) fn key(&self, step: &str) -> String {
        format!("{:x}-{}-{}-{step}", self.shared.run, self.scenario, self.number)
    }

    /// Any of these.
    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.random.random_range(0..of.len())) }
    }

    /// Asks for what may be asked twice without harm.
    pub(super) async fn ask(&mut self, kind: &'static Series, request: &Request) -> Result<Answer, Over> {
        let answer = self.client.ask(request).await;
        self.judge(kind, answer)
    }

    /// Asks for what must be done exactly once: without an answer it is asked again with the same key, and now and then with one,
    /// too.
    pub(super) async fn command(&mut self, kind: &'static Series, request: &Request) -> Result<Answer, Over> {
        let mut answer = self.client.ask(request).await;
        let lost = answer.is_err();
        if let Err(none) = &answer {
            self.meter.labelled(&FAILED, &format!("{}: {none}, asked again", kind.name));
            answer = self.client.ask(request).await;
        }
        // What is refused the second time may have been done the first.
        let first = self.judge(kind, answer).map_err(|over| if lost { Over::Unsure } else { over })?;
        if self.random.random_bool(self.shared.plan.repeat) {
            let second = self.client.ask(request).await;
            // One that is busy does not contradict itself.
            if second.is_ok_and(|second| second.status != 429 && second.status < 500 && !same(&first, &second)) {
                self.meter.labelled(&REPEATS_WRONG, kind.name);
            }
            self.due = Instant::now();
        }
        Ok(first)
    }

    /// Times and counts an answer, or what came instead.
    pub(super) fn judge(&mut self, kind: &'static Series, answer: Result<Answer, NoAnswer>) -> Result<Answer, Over> {
        let time = self.due.elapsed();
        self.due = Instant::now();
        let answer = match answer {
            Ok(answer) => answer,
            Err(none) => {
                self.meter.labelled(&FAILED, &format!("{}: {none}", kind.name));
                return Err(Over::Unsure);
            }
        };
        let (good, turned_down) = (answer.is_good(), answer.status == 409 && FAIR.contains(&answer.problem()));
        if good || turned_down {
            self.meter.with(|sample| {
                sample.time(&ANSWER, time);
                sample.time(kind, time);
                sample.count(&ANSWERS, 1);
            });
        }
        if good {
            return Ok(answer);
        }
        let label = format!("{}: {}", kind.name, answer.kind());
        let series = match answer.status {
            429 | 503 => &SHED,
            _ if turned_down => &TURNED_DOWN,
            _ => &FAILED,
        };
        self.meter.labelled(series, &label);
        if series == &SHED && answer.retry_after.is_none() {
            self.meter.count(&NO_RETRY_AFTER, 1);
        }
        Err(if answer.status >= 500 { Over::Unsure } else { Over::Refused })
    }

    /// A success that does not say what it must.
    pub(super) fn garbled(&self, kind: &'static Series) -> Over {
        self.meter.labelled(&FAILED, &format!("{}: success without what it must tell", kind.name));
        Over::Unsure
    }

    /// What remains is waiting, and takes nobody's place.
    pub(super) fn step_aside(&mut self) {
        if self.place.take().is_some() {
            self.meter.time(&VISIT, self.planned.elapsed());
        }
    }

    /// Waits until it is time to look again; false once there is no more time.
    pub(super) async fn look_again(&mut self) -> bool {
        let again = tokio::select! {
            biased;
            () = self.stop.reached(Phase::Ended) => false,
            () = sleep(limit::FOLLOW_EVERY) => true,
        };
        self.due = Instant::now();
        again
    }

    /// Time since the plan had it come.
    pub(super) fn since_planned(&self) -> Duration {
        self.planned.elapsed()
    }
}

fn same(first: &Answer, second: &Answer) -> bool {
    (first.status, &first.body) == (second.status, &second.body)
}
