//! The `efir` command: list, pull, fetch and inspect broadcasts, and test relays.
//!
//! ```text
//! connect ──▶ broadcast ──▶ track (one per track: SUBSCRIBE + joining FETCH ──▶ merge) ──▶ clock ──▶ output
//!                catalog                                                               report
//! ```
//!
//! | Module | What it holds |
//! |---|---|
//! | `args`, `target` | the command line and its URLs |
//! | `connect` | a session, and who polls it |
//! | `broadcast` | catalogs, and which tracks to take |
//! | `goal` | pure: how much is wanted |
//! | `merge` | pure: objects from several streams to frames in order, and when to skip |
//! | `track` | one track's streams, over as many sessions as it takes |
//! | `sample`, `clock`, `output` | objects to frames, frames to one timeline, frames to a file |
//! | `supervise` | keeps a session: reconnects, follows GOAWAY |
//! | [`conformance`] | the cases that a relay is tested with |
//! | `ls`, `pull`, `fetch`, `info`, `token` | the subcommands |
//! | [`trace`] | qlog files as lines |
//! | `report` | live line, summary, JSON |
//! | `limit` | every bound, with its unit and reason |

mod args;
mod broadcast;
mod clock;
pub mod conformance;
mod connect;
mod error;
mod fetch;
mod goal;
mod info;
mod limit;
mod ls;
mod merge;
mod output;
mod pull;
mod report;
mod sample;
mod supervise;
mod target;
mod token;
pub mod trace;
mod track;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use clap::Parser;

use self::args::{Arguments, Command};
use self::error::Failure;

/// The whole program: reads the command line, runs the subcommand, tells what went wrong and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // `process::run` knows two codes only; what the subcommand came to is kept beside it.
    let code = Arc::new(AtomicU8::new(0));
    let kept = code.clone();
    let ran = process::run("efir", |shutdown| async move {
        if let Err(failure) = run(arguments, shutdown).await {
            report::complain(&failure);
            kept.store(failure.exit_code(), Ordering::Relaxed);
        }
        Ok::<(), std::convert::Infallible>(())
    });
    if ran == ExitCode::SUCCESS { ExitCode::from(code.load(Ordering::Relaxed)) } else { ran }
}

async fn run(arguments: Arguments, shutdown: process::Shutdown) -> Result<(), Failure> {
    let Arguments { log, command } = arguments;
    let logs = process::LogSettings { level: log, ..process::LogSettings::default() };
    process::init_logs(&logs).map_err(|error| Failure::Usage(error.to_string()))?;
    match command {
        Command::Ls(arguments) => Box::pin(ls::run(arguments, shutdown)).await,
        Command::Pull(arguments) => Box::pin(pull::run(arguments, shutdown)).await,
        Command::Fetch(arguments) => Box::pin(fetch::run(arguments, shutdown)).await,
        Command::Info(arguments) => Box::pin(info::run(arguments, shutdown)).await,
        Command::Trace(arguments) => Box::pin(trace::run(arguments, shutdown)).await,
        Command::Conformance(arguments) => Box::pin(conformance::command(arguments, shutdown)).await,
        Command::Token(arguments) => token::run(&arguments),
    }
}
