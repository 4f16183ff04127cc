//! What the user sees while a run goes on, and at its end.

mod dashboard;
mod lines;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use dashboard::Dashboard;

use crate::error::Failure;
use crate::report::{Interval, Report};
use crate::run::Setup;

/// Where and how progress is shown.
#[derive(Debug)]
pub(crate) enum Screen {
    /// Lines for people on standard error, the summary on standard output.
    Lines,
    /// Lines for programs on standard output.
    Json,
    /// A terminal that is taken over once the load begins: until then Ctrl-C is a signal.
    Terminal,
    /// The terminal, taken over while the run goes on.
    Dashboard(Box<Dashboard>),
    /// Nothing.
    Quiet,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Interval(&'a Interval),
    Report(&'a Report),
}

impl Screen {
    /// As the command line asks.
    pub(crate) fn new(json: bool, plain: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Json,
            (_, true) => Self::Quiet,
            _ if !plain && io::stdout().is_terminal() && io::stdin().is_terminal() => Self::Terminal,
            _ => Self::Lines,
        }
    }

    /// The load begins.
    pub(crate) fn begun(&mut self, setup: &Setup) {
        if let Self::Terminal = self {
            // A terminal that cannot do it gets lines.
            *self = Dashboard::open(setup).map_or(Self::Lines, |open| Self::Dashboard(Box::new(open)));
        }
        if let Self::Lines = self {
            note(&lines::heading(setup));
        }
    }

    /// An interval is over.
    pub(crate) fn interval(&mut self, interval: &Interval) {
        match self {
            Self::Lines => note(&lines::interval(interval)),
            Self::Json => json(&Event::Interval(interval)),
            Self::Dashboard(dashboard) => dashboard.interval(interval),
            Self::Terminal | Self::Quiet => {}
        }
    }

    /// Nobody comes any more: what is under way in the shops comes to its end, and is checked.
    pub(crate) fn settling(&mut self) {
        match self {
            Self::Lines => note("waiting for orders under way, then checking what was promised\n"),
            Self::Dashboard(dashboard) => dashboard.settling(),
            Self::Json | Self::Terminal | Self::Quiet => {}
        }
    }

    /// Resolves when the user asks for the end. Cancel safe.
    pub(crate) async fn quit(&mut self) {
        match self {
            Self::Dashboard(dashboard) => dashboard.quit().await,
            _ => std::future::pending().await,
        }
    }

    /// The run is over: gives the terminal back.
    pub(crate) fn close(&mut self) {
        if let Self::Terminal | Self::Dashboard(_) = self {
            *self = Self::Lines;
        }
    }

    /// What it came to.
    pub(crate) fn finished(&self, report: &Report) {
        match self {
            Self::Lines => say(&lines::summary(report)),
            Self::Json => json(&Event::Report(report)),
            Self::Terminal | Self::Dashboard(_) | Self::Quiet => {}
        }
    }
}

fn json(event: &Event<'_>) {
    if let Ok(text) = serde_json::to_string(event) {
        say(&format!("{text}\n"));
    }
}

/// To standard output; whoever closed it wants no more.
pub(crate) fn say(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

fn note(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Tells on standard error why it failed.
pub(crate) fn complain(failure: &Failure) {
    note(&format!("efir-stress: {failure}\n"));
}
