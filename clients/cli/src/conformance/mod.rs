//! `efir conformance`: plays publisher and subscriber against a relay, case by case, and says who is at fault.
//!
//! | Module | What it holds |
//! |---|---|
//! | `command` | the command line and the interop runner's variables to a plan |
//! | `case` | the cases: names, times allowed |
//! | `control` | the cases of the interop runner |
//! | `data` | the cases in which objects flow |
//! | `bench` | what one case is run with: who connected, what is waited for |
//! | `source`, `sink` | the publisher's track; what a subscriber receives of it |
//! | `recorder` | the last messages of a session, with their bytes |
//! | `fault` | what went wrong, and whose fault it is |
//! | `report` | TAP version 14, or JSON lines |

mod bench;
mod case;
mod command;
mod control;
mod data;
mod fault;
mod recorder;
mod report;
mod sink;
mod source;

use std::sync::Arc;
use std::time::Duration;

use moqt::{Namespace, Version};
use process::Secret;
use tokio::time::Instant;
use transport::{Address, Qlog, TrustSettings};

use self::bench::Bench;
use self::report::{CaseReport, Reporter};

pub use self::case::{Case, UnknownCase};
pub(crate) use self::command::command;
pub use self::report::Form;

/// What is run against which relay.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The relay.
    pub address: Address,
    /// Which certificates it may show.
    pub trust: TrustSettings,
    /// What it is shown in SETUP.
    pub token: Option<Secret>,
    /// Drafts offered, most wanted first.
    pub versions: Vec<Version>,
    /// In this order.
    pub cases: Vec<Case>,
    /// Where the test tracks are; `None` for the interop runner's `moq-test/interop`.
    pub namespace: Option<Namespace>,
    /// Time for each case instead of its own.
    pub timeout: Option<Duration>,
    /// How results are told.
    pub form: Form,
    /// Tells of passed cases, too, what passed over the wire.
    pub verbose: bool,
    /// Traces every connection.
    pub qlog: Option<Arc<Qlog>>,
}

/// How a run went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed, or were not run because nothing could be reached.
    pub failed: usize,
}

/// Runs the cases one after the other; `tell` gets whole lines as soon as there is something to tell.
pub async fn run(plan: &Plan, tell: &mut (dyn FnMut(&str) + Send)) -> Outcome {
    let mut reporter = Reporter::new(plan, tell);
    reporter.begin();
    let mut outcome = Outcome::default();
    for case in &plan.cases {
        let report = run_case(plan, *case).await;
        let gone = report.fault.as_ref().filter(|fault| fault.unreachable).map(|fault| fault.message.clone());
        reporter.case(&report);
        if report.fault.is_none() {
            outcome.passed += 1;
        }
        if let Some(reason) = gone {
            // Nothing further can be told about a relay that is not there.
            reporter.bail_out(&reason);
            break;
        }
    }
    outcome.failed = plan.cases.len() - outcome.passed;
    reporter.end(outcome);
    outcome
}

async fn run_case(plan: &Plan, case: Case) -> CaseReport {
    let begin = Instant::now();
    let allowed = plan.timeout.unwrap_or_else(|| case.patience());
    let bench = match Bench::new(plan, case) {
        Ok(bench) => bench,
        Err(fault) => return CaseReport::new(case, begin.elapsed(), Err(fault)),
    };
    let result = match tokio::time::timeout(allowed, Box::pin(case.run(&bench))).await {
        Ok(result) => result,
        Err(_) => Err(bench.overdue(allowed)),
    };
    let spent = begin.elapsed();
    bench.close().await;
    let mut report = CaseReport::new(case, spent, result);
    bench.describe(&mut report);
    report
}
