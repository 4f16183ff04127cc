//! Text for people.

use std::fmt::Write;

use crate::measure::{Kind, Summary, Times, Unit};
use crate::report::{EVERYBODY, Interval, Report, catalogue, crowd};
use crate::run::Setup;
use crate::shop::{ANSWER, FAILED, SHED, VISITS};
use crate::video::{ERRORS, LATENCY, STALLS, TUNE_IN, VIEWERS};

/// Before the first interval.
pub(super) fn heading(setup: &Setup) -> String {
    let plan = &setup.plan;
    let (who, time) = (crowd(plan.viewers(), plan.arrivals()), plan.duration.0);
    format!("{}: {}\n{who} for {time:?} at {}\n", plan.name, plan.description, setup.shown().join(", "))
}

/// One line per interval.
pub(super) fn interval(interval: &Interval) -> String {
    let Some(all) = interval.scopes.get(EVERYBODY).filter(|_| !interval.settling) else { return String::new() };
    let time = |name: &str, pick: fn(&Times) -> f64| {
        all.times.get(name).map_or_else(|| "-".to_owned(), |times| Unit::Milliseconds.show(pick(times)))
    };
    let goodput = interval.figures.get("goodput");
    let asked = goodput.is_some() || all.levels.contains_key(VISITS.name);
    let mut line = format!("{:6.1} s", interval.at);
    if !asked || all.levels.contains_key(VIEWERS.name) {
        let _ = write!(
            line,
            "  {:5} viewers  {:>12}  latency p50 {:>9} p99 {:>9}  tune-in p99 {:>9}",
            all.level(VIEWERS.name),
            Unit::BitsPerSecond.show(interval.figures.get("throughput").copied().unwrap_or_default()),
            time(LATENCY.name, |times| times.p50),
            time(LATENCY.name, |times| times.p99),
            time(TUNE_IN.name, |times| times.p99),
        );
    }
    if asked {
        let _ = write!(
            line,
            "  {:5} visits  {:6.1} answers/s p50 {:>9} p99 {:>9}",
            all.level(VISITS.name),
            goodput.copied().unwrap_or_default(),
            time(ANSWER.name, |times| times.p50),
            time(ANSWER.name, |times| times.p99),
        );
    }
    if let Some(cpu) = interval.figures.get("relay_cpu") {
        let _ = write!(line, "  relay {cpu:.2} cores");
    }
    for series in [&STALLS, &ERRORS, &SHED, &FAILED] {
        if all.count(series.name) > 0 {
            let _ = write!(line, "  {} {}", all.count(series.name), series.name);
        }
    }
    line + "\n"
}

/// The whole run.
pub(super) fn summary(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "\n{} for {:.1} s, seed {}", report.plan, report.seconds, report.seed);
    let populations = report.overall.scopes.keys().filter(|name| !is_own(name)).count();
    for (name, scope) in &report.overall.scopes {
        // The tool's own times are in the table of everybody, and a single population is everybody.
        if name == EVERYBODY || populations > 1 && !is_own(name) {
            scope_summary(&mut text, name, scope);
        }
    }
    let _ = writeln!(text, "\nfigures");
    for figure in &catalogue::FIGURES {
        if let Some(value) = report.overall.figures.get(figure.name) {
            let _ = writeln!(text, "  {:<22}{:>14}", figure.name, figure.unit.show(*value));
        }
    }
    if report.interrupted {
        let _ = writeln!(text, "\ninterrupted before its end");
    }
    for remark in &report.remarks {
        let _ = writeln!(text, "\nnote: {remark}");
    }
    let _ = writeln!(text, "\nconditions");
    for verdict in &report.verdicts {
        let word = if verdict.met { "met" } else { "NOT MET" };
        let _ = writeln!(text, "  {word:<8}  {:<36}{}", verdict.condition, verdict.value);
    }
    text
}

fn is_own(name: &str) -> bool {
    crate::report::OWN_SCOPES.contains(&name)
}

fn scope_summary(text: &mut String, name: &str, scope: &Summary) {
    if scope.times.is_empty() && scope.counts.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{name}");
    if !scope.times.is_empty() {
        let _ = writeln!(
            text,
            "  {:<16}{:>9}{:>12}{:>12}{:>12}{:>12}{:>12}",
            "times in ms", "count", "p50", "p90", "p99", "p99.9", "max"
        );
    }
    for series in catalogue::series() {
        if let Some(Times { count, p50, p90, p99, p999, max, .. }) = scope.times.get(series.name) {
            let _ = writeln!(
                text,
                "  {:<16}{count:>9}{p50:>12.3}{p90:>12.3}{p99:>12.3}{p999:>12.3}{max:>12.3}",
                series.name
            );
        }
    }
    for series in catalogue::series() {
        let (Kind::Count(unit), Some(count)) = (series.kind, scope.counts.get(series.name)) else { continue };
        let _ = writeln!(text, "  {:<16}{:>14}", series.name, unit.show(*count as f64));
        for (kind, count) in scope.kinds.get(series.name).into_iter().flatten() {
            let _ = writeln!(text, "    {count:>12}  {kind}");
        }
    }
}
