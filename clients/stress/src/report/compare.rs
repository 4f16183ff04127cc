//! Two reports side by side.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use std::fmt::Write;

use serde::Deserialize;

use super::model::Report;
use super::{EVERYBODY, catalogue};
use crate::error::Failure;
use crate::limit;
use crate::measure::{Kind, Unit};

/// Statistics worth comparing.
const STATISTICS: [&str; 4] = ["p50", "p90", "p99", "max"];

/// A line of `--json`.
#[derive(Deserialize)]
struct Line {
    event: String,
    #[serde(flatten)]
    rest: serde_json::Value,
}

/// Reads what `--save` wrote, or what `--json` printed.
pub(crate) fn load(path: &Path) -> Result<Report, Failure> {
    let wrong = |reason: String| Failure::file(path, reason);
    let file = File::open(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut last = String::new();
    for line in BufReader::new(file.take(limit::MAX_REPORT_BYTES)).lines() {
        let line = line.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if !line.trim().is_empty() {
            last = line;
        }
    }
    let saved = serde_json::from_str::<Report>(&last).or_else(|error| match serde_json::from_str::<Line>(&last) {
        Ok(line) if line.event == "report" => serde_json::from_value(line.rest),
        _ => Err(error),
    });
    saved.map_err(|error| wrong(format!("is no report of efir-stress: {error}")))
}

/// The two as a table: what was, what is, and by how much it changed.
pub(crate) fn table(before: &Report, after: &Report) -> String {
    let mut text = format!("before: {}\nafter:  {}\n\n", title(before), title(after));
    let _ = writeln!(text, "{:<28}{:>14}{:>14}{:>10}", "", "before", "after", "change");
    let rows = times(before, after).into_iter().chain(counts(before, after)).chain(figures(before, after));
    for Row { name, unit, before, after } in rows {
        let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| unit.show(value));
        let _ = writeln!(text, "{name:<28}{:>14}{:>14}{:>10}", show(before), show(after), change(before, after));
    }
    text
}

struct Row {
    name: String,
    unit: Unit,
    before: Option<f64>,
    after: Option<f64>,
}

fn title(report: &Report) -> String {
    let met = report.verdicts.iter().filter(|verdict| verdict.met).count();
    format!(
        "{}, {}, {:.1} s at {}, {met} of {} conditions met",
        report.plan,
        report.crowd(),
        report.seconds,
        report.relays.join(", "),
        report.verdicts.len()
    )
}

fn times(before: &Report, after: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    for series in catalogue::series().filter(|series| series.kind == Kind::Times) {
        for statistic in STATISTICS {
            let of =
                |report: &Report| report.overall.scopes.get(EVERYBODY)?.times.get(series.name)?.statistic(statistic);
            let name = format!("{}_{statistic}", series.name);
            rows.push(Row { name, unit: Unit::Milliseconds, before: of(before), after: of(after) });
        }
    }
    rows.retain(|row| row.before.is_some() || row.after.is_some());
    rows
}

fn counts(before: &Report, after: &Report) -> Vec<Row> {
    // Of loads that neither had there is nothing to say.
    let scopes = [before, after].into_iter().filter_map(|report| report.overall.scopes.get(EVERYBODY));
    let counts = catalogue::series_in(scopes).filter_map(|series| {
        let Kind::Count(unit) = series.kind else { return None };
        let of = |report: &Report| Some(report.overall.scopes.get(EVERYBODY)?.count(series.name) as f64);
        Some(Row { name: series.name.to_owned(), unit, before: of(before), after: of(after) })
    });
    counts.collect()
}

fn figures(before: &Report, after: &Report) -> Vec<Row> {
    let figures = catalogue::FIGURES.iter().map(|figure| {
        let of = |report: &Report| report.overall.figures.get(figure.name).copied();
        Row { name: figure.name.to_owned(), unit: figure.unit, before: of(before), after: of(after) }
    });
    figures.filter(|row| row.before.is_some() || row.after.is_some()).collect()
}

fn change(before: Option<f64>, after: Option<f64>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before == after => "same".to_owned(),
        (Some(before), Some(after)) if before != 0.0 => format!("{:+.1} %", (after / before - 1.0) * 100.0),
        _ => "new".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_in_percent_of_what_was() {
        assert_eq!(change(Some(10.0), Some(12.5)), "+25.0 %");
        assert_eq!(change(Some(10.0), Some(5.0)), "-50.0 %");
        assert_eq!(change(Some(3.0), Some(3.0)), "same");
        assert_eq!((change(Some(0.0), Some(3.0)), change(None, Some(3.0))), ("new".to_owned(), "new".to_owned()));
    }
}
