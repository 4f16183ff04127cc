//! The search for the most viewers that meet a plan's conditions.

use std::collections::BTreeMap;

use process::Shutdown;
use serde::Serialize;

use crate::args::CapacityArguments;
use crate::command::{keep_page, prepare};
use crate::error::Failure;
use crate::limit;
use crate::measure::Unit;
use crate::plan::Plan;
use crate::report::chart::{Chart, Curve, escape};
use crate::report::{EVERYBODY, Report, html};
use crate::run;
use crate::screen::{self, Screen};
use crate::video::{LATENCY, TUNE_IN};

/// Pure: which number of viewers to try next.
#[derive(Debug, Clone, PartialEq)]
struct Search {
    /// Most that met the conditions.
    met: Option<u32>,
    /// Fewest that did not.
    missed: Option<u32>,
    next: u32,
    max: u32,
    /// The answer's precision, as a share of it.
    within: f64,
}

impl Search {
    fn new(min: u32, max: u32, percent: u32) -> Self {
        Self { met: None, missed: None, next: min.min(max), max, within: f64::from(percent) / 100.0 }
    }

    /// What the last try came to; the next number, or `None` when the answer is near enough.
    fn tried(&mut self, met: bool) -> Option<u32> {
        if met {
            self.met = Some(self.next);
        } else {
            self.missed = Some(self.next);
        }
        self.next = match (self.met, self.missed) {
            // Doubling finds the range.
            (Some(met), None) if met < self.max => met.saturating_mul(2).min(self.max),
            (None, Some(missed)) if missed > 1 => missed / 2,
            (Some(met), Some(missed)) => {
                let near = (f64::from(met) * self.within).max(1.0);
                let middle = met + (missed - met) / 2;
                if f64::from(missed - met) <= near || middle == met {
                    return None;
                }
                middle
            }
            _ => return None,
        };
        Some(self.next)
    }
}

/// One try.
#[derive(Debug, Clone, Serialize)]
struct Step {
    event: &'static str,
    viewers: u32,
    met: bool,
    /// Conditions that were not met, with what was measured.
    unmet: Vec<String>,
    latency_p50: Option<f64>,
    latency_p99: Option<f64>,
    tune_in_p99: Option<f64>,
    figures: BTreeMap<String, f64>,
    /// The tool's own doubts.
    remarks: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    event: &'static str,
    plan: String,
    /// Most viewers that met the conditions; `null` if not even one did.
    viewers: Option<u32>,
    /// Viewers per core that the relay kept busy, if its process was named.
    per_core: Option<f64>,
}

/// Runs the plan with ever other numbers of viewers, and tells the most that met the conditions.
///
/// # Errors
/// As [`run::run`]; also when no number meets the conditions.
pub(crate) async fn search(arguments: CapacityArguments, shutdown: Shutdown) -> Result<(), Failure> {
    let CapacityArguments { load, min, max, within, json } = &arguments;
    if min > max {
        return Err(Failure::Usage("--min is over --max".to_owned()));
    }
    // The bounds of the largest run are checked before the first one.
    let largest = Plan::load(&load.plan, &load.overrides(Some(*max)))?;
    if largest.video.is_none() {
        return Err(Failure::Usage(format!("plan {} has no viewers to find the most of", largest.name)));
    }
    let mut search = Search::new(*min, *max, *within);
    let mut steps: Vec<Step> = Vec::new();
    let mut next = Some(search.next);
    let mut name = String::new();
    while let Some(viewers) = next.filter(|_| steps.len() < limit::CAPACITY_RUNS as usize && !shutdown.has_begun()) {
        let plan = Plan::load(&load.plan, &load.overrides(Some(viewers)))?;
        name.clone_from(&plan.name);
        let report = run::run(&prepare(load, plan)?, &mut Screen::Quiet, &shutdown).await?;
        if report.interrupted {
            break;
        }
        let step = Step::of(viewers, &report);
        screen::say(&if *json { line(&step) } else { step.to_string() });
        next = search.tried(step.met);
        steps.push(step);
    }
    let best = steps.iter().filter(|step| step.met).max_by_key(|step| step.viewers);
    let per_core = best.and_then(|best| {
        let cpu = best.figures.get("relay_cpu").filter(|cpu| **cpu > 0.0)?;
        Some((f64::from(best.viewers) / cpu).round())
    });
    let answer = Answer { event: "capacity", plan: name, viewers: best.map(|best| best.viewers), per_core };
    screen::say(&if *json { line(&answer) } else { answer.to_string() });
    keep_page(load, &[line(&answer), steps.iter().map(line).collect()].concat(), || page(&answer, &steps))?;
    match answer.viewers {
        Some(_) => Ok(()),
        None => Err(Failure::Unmet(steps.last().map(|step| step.unmet.clone()).unwrap_or_default())),
    }
}

impl Step {
    fn of(viewers: u32, report: &Report) -> Self {
        let all = report.overall.scopes.get(EVERYBODY);
        let times = |name: &str| all.and_then(|all| all.times.get(name));
        let unmet = report.verdicts.iter().filter(|verdict| !verdict.met);
        let unmet: Vec<_> = unmet.map(|verdict| format!("{} (is {})", verdict.condition, verdict.value)).collect();
        Self {
            event: "step",
            viewers,
            met: unmet.is_empty(),
            unmet,
            latency_p50: times(LATENCY.name).map(|times| times.p50),
            latency_p99: times(LATENCY.name).map(|times| times.p99),
            tune_in_p99: times(TUNE_IN.name).map(|times| times.p99),
            figures: report.overall.figures.clone(),
            remarks: report.remarks.clone(),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| Unit::Milliseconds.show(time));
        let word = if self.met { "met" } else { "missed" };
        write!(
            f,
            "{:6} viewers  {word:<7} latency p50 {:>9} p99 {:>9}",
            self.viewers,
            time(self.latency_p50),
            time(self.latency_p99)
        )?;
        if let Some(cpu) = self.figures.get("relay_cpu") {
            write!(f, "  relay {cpu:.2} cores")?;
        }
        writeln!(f, "  {}", self.unmet.join("; "))?;
        self.remarks.iter().try_for_each(|remark| writeln!(f, "        note: {remark}"))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.viewers {
            Some(viewers) => write!(f, "\n{}: {viewers} viewers meet the conditions", self.plan)?,
            None => write!(f, "\n{}: no number of viewers that was tried meets the conditions", self.plan)?,
        }
        if let Some(per_core) = self.per_core {
            write!(f, ", {per_core:.0} per core of the relay")?;
        }
        writeln!(f)
    }
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

fn page(answer: &Answer, steps: &[Step]) -> String {
    let mut sorted: Vec<&Step> = steps.iter().collect();
    sorted.sort_by_key(|step| step.viewers);
    let curve = |name: &str, value: &dyn Fn(&Step) -> Option<f64>| Curve {
        name: name.to_owned(),
        points: sorted.iter().filter_map(|step| Some((f64::from(step.viewers), value(step)?))).collect(),
    };
    let figure = |name: &str, shown: &str| curve(shown, &|step| step.figures.get(name).copied());
    let chart = |title: &str, unit, curves| Chart { along: "viewers", ..Chart::over_time(title, unit, curves) };
    let charts = [
        chart(
            "Frame latency",
            Unit::Milliseconds,
            vec![curve("p50", &|step| step.latency_p50), curve("p99", &|step| step.latency_p99)],
        ),
        chart("Tune-in time", Unit::Milliseconds, vec![curve("p99", &|step| step.tune_in_p99)]),
        chart("CPU, in cores", Unit::Number, vec![figure("relay_cpu", "relay"), figure("tool_cpu", "this tool")]),
        chart("Throughput", Unit::BitsPerSecond, vec![figure("throughput", "payload to viewers")]),
    ];
    let mut body = format!(
        "<header><h1>Capacity: {}</h1></header>\n<section class=\"charts\">\n",
        escape(answer.to_string().trim())
    );
    charts.iter().for_each(|chart| body.push_str(&chart.draw()));
    body.push_str("</section><h2>Runs</h2><table class=\"meanings\"><tbody>\n");
    for step in steps {
        let (class, word) = if step.met { ("good", "met") } else { ("bad", "missed") };
        let why = escape(&[step.unmet.join("; "), step.remarks.join(" ")].join(" "));
        body += &format!("<tr><td>{} viewers</td><td class=\"{class}\">{word}</td><td>{why}</td></tr>\n", step.viewers);
    }
    body.push_str("</tbody></table>\n");
    html::document("Capacity – efir-stress", &body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(mut search: Search, capacity: u32) -> (Option<u32>, u32) {
        let mut tries = 1;
        let mut next = Some(search.next);
        while let Some(viewers) = next {
            next = search.tried(viewers <= capacity);
            tries += 1;
            assert!(tries < 100, "never ends");
        }
        (search.met, tries)
    }

    proptest! {
        #[test]
        fn the_answer_is_as_near_as_asked_for(capacity in 0..10_000u32, min in 1..500u32, max in 1..10_000u32, percent in 1..50u32) {
            let (met, tries) = found(Search::new(min, max, percent), capacity);
            prop_assert!(tries <= limit::CAPACITY_RUNS, "{tries}");
            let reachable = capacity.min(max);
            match met {
                Some(met) => {
                    let near = (f64::from(met) * f64::from(percent) / 100.0).max(1.0);
                    prop_assert!(met <= reachable && f64::from(reachable - met) <= near, "{met} of {reachable}");
                }
                None => prop_assert_eq!(reachable, 0),
            }
        }
    }
}
