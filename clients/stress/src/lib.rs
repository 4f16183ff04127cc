//! The `efir-stress` command: loads any MOQT relay, checks every frame, and tells what it costs.
//!
//! ```text
//! plan ──▶ run ──▶ engine: threads with jobs that begin when due ──▶ video: publishers ─▶ relay ─▶ viewers
//!           │                                                                                         │
//!           └── every interval: measure (counts, HDR histograms) + probe (/proc) ◀────────────────────┘
//!                     └──▶ report: lines, dashboard, JSON, HTML, comparison; require: the exit code
//! ```
//!
//! | Module | What it holds |
//! |---|---|
//! | `args`, `command` | the command line, and what each subcommand does |
//! | `plan` | plans as data: reading, checking, the shipped ones |
//! | `engine` | threads, arrivals, phases: generic over the load |
//! | `measure` | counts and times by name: generic over the load |
//! | `video` | synthetic publishers, viewers that check every frame |
//! | `shop` | customers of the shops, and the check that promises were kept |
//! | `connect`, `clock` | sessions with relays; the clock that publishers and viewers share |
//! | `impair` | a proxy that delays, loses and limits datagrams |
//! | `run` | one run, from its plan to its report |
//! | `probe` | what relay and tool use of the machine |
//! | `require` | conditions, and whether they are met |
//! | `report` | intervals, figures, HTML, comparison |
//! | `screen` | what the user sees while it runs |
//! | `capacity` | the search for the most viewers that meet the conditions |
//! | `limit` | every bound, with its unit and reason |

mod args;
mod capacity;
mod clock;
mod command;
mod connect;
mod engine;
mod error;
mod impair;
mod limit;
mod measure;
mod plan;
mod probe;
mod report;
mod require;
mod run;
mod screen;
mod shop;
mod video;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use clap::Parser;

pub use impair::{Impairment, Proxy as ImpairingProxy};

/// The whole program: reads the command line, runs the subcommand, tells what went wrong and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    // `process::run` knows two codes only; what the subcommand came to is kept beside it.
    let code = Arc::new(AtomicU8::new(0));
    let kept = code.clone();
    let ran = process::run("efir-stress", |shutdown| async move {
        shutdown.set_grace(limit::INTERRUPTED);
        let logs = process::LogSettings { level: arguments.log.clone(), ..process::LogSettings::default() };
        process::init_logs(&logs)?;
        kept.store(told(command::run(arguments, shutdown).await), Ordering::Relaxed);
        Ok::<(), process::LogError>(())
    });
    if ran == ExitCode::SUCCESS { ExitCode::from(code.load(Ordering::Relaxed)) } else { ran }
}

/// As [`main`], for a command line that somebody else has: returns the exit code. Needs a tokio runtime.
pub async fn execute<A: Into<OsString> + Clone>(
    command_line: impl IntoIterator<Item = A>,
    shutdown: process::Shutdown,
) -> u8 {
    match args::Arguments::try_parse_from(command_line) {
        Ok(arguments) => told(command::run(arguments, shutdown).await),
        Err(error) => told(Err(error::Failure::Usage(error.to_string()))),
    }
}

fn told(result: Result<(), error::Failure>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(failure) => {
            screen::complain(&failure);
            failure.exit_code()
        }
    }
}
