//! Collects intervals into a report.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::EVERYBODY;
use super::catalogue::OF_VIEWERS;
use super::model::{Interval, Overall, Report};
use crate::engine::TIMER_LAG;
use crate::limit;
use crate::measure::{Sample, Summary};
use crate::probe::{Load, ProcessLoad};
use crate::require::Condition;
use crate::shop::ANSWERS;
use crate::video::{BYTES, FRAMES, SESSIONS, VIEWERS};

/// A report under way.
#[derive(Debug)]
pub(crate) struct ReportBuilder {
    report: Report,
    scopes: Vec<String>,
    totals: Vec<Sample>,
    total: Sample,
    sums: Sums,
}

/// What figures of the whole run are worked out from.
#[derive(Debug, Default)]
struct Sums {
    seconds: f64,
    viewers_peak: i64,
    sessions_peak: i64,
    relay: Option<Relay>,
    tool: ProcessLoad,
    tool_busiest: f64,
    busy_intervals: usize,
    answers: u64,
}

#[derive(Debug, Clone, Copy)]
struct Relay {
    first_rss: u64,
    rss_peak: u64,
    cpu: Duration,
    switches: u64,
    udp_drops: u64,
}

impl ReportBuilder {
    pub(crate) fn new(scopes: &[String], mut report: Report) -> Self {
        report.tool = concat!("efir-stress ", env!("CARGO_PKG_VERSION")).to_owned();
        report.began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        report.cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let totals = vec![Sample::default(); scopes.len()];
        Self { report, scopes: scopes.to_vec(), totals, total: Sample::default(), sums: Sums::default() }
    }

    /// Adds a stretch of the run that ended `at` after its beginning.
    pub(crate) fn interval(&mut self, at: Duration, samples: &[Sample], load: &Load) -> &Interval {
        let begun = self.end();
        let seconds = (at.as_secs_f64() - begun).max(f64::EPSILON);
        let (all, scopes) = self.enter(samples);
        let figures = self.sums.interval(seconds, &all, load);
        let figures = self.about(figures);
        self.push(Interval { at: at.as_secs_f64(), seconds, settling: false, scopes, figures })
    }

    /// Adds what was told after the load had ended.
    pub(crate) fn settle(&mut self, at: Duration, samples: &[Sample]) -> &Interval {
        let seconds = at.as_secs_f64() - self.end();
        let (_, scopes) = self.enter(samples);
        self.push(Interval { at: at.as_secs_f64(), seconds, settling: true, scopes, figures: BTreeMap::new() })
    }

    /// Without viewers there is nothing to say of them.
    fn about(&self, mut figures: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
        if !self.report.has_video() {
            figures.retain(|name, _| !OF_VIEWERS.contains(&name.as_str()));
        }
        figures
    }

    /// End of the last interval, in seconds.
    fn end(&self) -> f64 {
        self.report.intervals.last().map_or(0.0, |interval| interval.at)
    }

    fn enter(&mut self, samples: &[Sample]) -> (Sample, BTreeMap<String, Summary>) {
        let mut all = Sample::default();
        let mut scopes = BTreeMap::new();
        for ((name, total), sample) in self.scopes.iter().zip(&mut self.totals).zip(samples) {
            all.merge(sample);
            total.follow(sample);
            scopes.insert(name.clone(), Summary::of(sample, false));
        }
        self.total.follow(&all);
        scopes.insert(EVERYBODY.to_owned(), Summary::of(&all, false));
        (all, scopes)
    }

    fn push(&mut self, mut interval: Interval) -> &Interval {
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        (interval.at, interval.seconds) = (round(interval.at), round(interval.seconds));
        let index = self.report.intervals.len();
        self.report.intervals.push(interval);
        &self.report.intervals[index]
    }

    /// Sums up and judges.
    pub(crate) fn finish(mut self, interrupted: bool, conditions: &[Condition]) -> Report {
        let mut scopes: BTreeMap<_, _> = self
            .scopes
            .iter()
            .zip(&self.totals)
            .map(|(name, sample)| (name.clone(), Summary::of(sample, true)))
            .collect();
        scopes.insert(EVERYBODY.to_owned(), Summary::of(&self.total, true));
        let figures = self.about(self.sums.overall(&self.total));
        self.report.remarks.extend(self.sums.remarks(&self.total, self.report.cores));
        self.report.overall = Overall { scopes, figures };
        self.report.seconds = (self.sums.seconds * 1000.0).round() / 1000.0;
        self.report.interrupted = interrupted;
        self.report.verdicts = conditions.iter().map(|condition| condition.judge(&self.report.overall)).collect();
        self.report
    }
}

impl Sums {
    fn interval(&mut self, seconds: f64, all: &Sample, load: &Load) -> BTreeMap<String, f64> {
        self.seconds += seconds;
        self.viewers_peak = self.viewers_peak.max(all.there(&VIEWERS));
        self.sessions_peak = self.sessions_peak.max(all.there(&SESSIONS));
        self.tool.cpu += load.tool.cpu;
        self.tool.udp_drops += load.tool.udp_drops;
        let is_long = seconds >= limit::SHORTEST_JUDGED.as_secs_f64();
        let busiest = if is_long { load.busiest.as_secs_f64() / seconds } else { 0.0 };
        self.tool_busiest = self.tool_busiest.max(busiest);
        self.busy_intervals += usize::from(busiest > limit::BUSY_DOUBTFUL);
        let mut figures = BTreeMap::from([
            ("throughput".to_owned(), all.counted(&BYTES) as f64 * 8.0 / seconds),
            ("frame_rate".to_owned(), all.counted(&FRAMES) as f64 / seconds),
            ("tool_cpu".to_owned(), load.tool.cpu.as_secs_f64() / seconds),
            ("tool_busiest".to_owned(), busiest),
        ]);
        self.answers += all.counted(&ANSWERS);
        figures.extend(goodput(all.counted(&ANSWERS), seconds));
        if let Some(relay) = &load.relay {
            let first =
                Relay { first_rss: relay.first_rss, rss_peak: 0, cpu: Duration::ZERO, switches: 0, udp_drops: 0 };
            let sum = self.relay.get_or_insert(first);
            sum.rss_peak = sum.rss_peak.max(relay.rss);
            sum.cpu += relay.cpu;
            sum.switches += relay.switches;
            sum.udp_drops += relay.udp_drops;
            figures.insert("relay_cpu".to_owned(), relay.cpu.as_secs_f64() / seconds);
            figures.insert("relay_rss".to_owned(), relay.rss as f64);
            figures.insert("relay_switches".to_owned(), relay.switches as f64 / seconds);
            figures.insert("relay_udp_drops".to_owned(), relay.udp_drops as f64);
        }
        rounded(figures)
    }

    fn overall(&self, total: &Sample) -> BTreeMap<String, f64> {
        let seconds = self.seconds.max(f64::EPSILON);
        let bytes = total.counted(&BYTES) as f64;
        let per = |value: f64, of: f64| if of > 0.0 { value / of } else { 0.0 };
        let tool_cpu = self.tool.cpu.as_secs_f64() / seconds;
        let mut figures = BTreeMap::from([
            ("throughput".to_owned(), bytes * 8.0 / seconds),
            ("frame_rate".to_owned(), total.counted(&FRAMES) as f64 / seconds),
            ("viewers_peak".to_owned(), self.viewers_peak as f64),
            ("tool_cpu".to_owned(), tool_cpu),
            ("tool_cpu_per_viewer".to_owned(), per(tool_cpu, self.viewers_peak as f64)),
            ("tool_busiest".to_owned(), self.tool_busiest),
            ("tool_udp_drops".to_owned(), self.tool.udp_drops as f64),
        ]);
        figures.extend(goodput(self.answers, seconds));
        if let Some(relay) = &self.relay {
            let cpu = relay.cpu.as_secs_f64();
            let grown = relay.rss_peak.saturating_sub(relay.first_rss) as f64;
            figures.insert("relay_cpu".to_owned(), cpu / seconds);
            figures.insert("relay_cpu_per_gb".to_owned(), per(cpu, bytes / 1e9));
            figures.insert("relay_rss".to_owned(), relay.rss_peak as f64);
            figures.insert("relay_rss_per_viewer".to_owned(), per(grown, self.sessions_peak as f64));
            figures.insert("relay_switches".to_owned(), relay.switches as f64 / seconds);
            figures.insert("relay_udp_drops".to_owned(), relay.udp_drops as f64);
        }
        rounded(figures)
    }

    /// What makes the figures doubtful: the tool itself.
    fn remarks(&self, total: &Sample, cores: usize) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.busy_intervals > 0 {
            remarks.push(format!(
                "The tool itself was the bottleneck: in {} intervals one of its threads was busy all the time (peak {:.0} % of a \
                 core). Latencies are its own, and the relay carries more than this.",
                self.busy_intervals,
                self.tool_busiest * 100.0
            ));
        }
        let lag = total.timed(&TIMER_LAG).map_or(0, |lag| lag.value_at_quantile(0.99));
        if Duration::from_micros(lag) > limit::LAG_DOUBTFUL {
            remarks.push(format!(
                "The tool's own timers were late by {:.1} ms or more, one in a hundred: the machine is overloaded, and \
                 latencies are no truer than that.",
                lag as f64 / 1000.0
            ));
        }
        let relay = self.relay.map_or(0.0, |relay| relay.cpu.as_secs_f64());
        let used = (self.tool.cpu.as_secs_f64() + relay) / self.seconds.max(f64::EPSILON);
        if used > 0.95 * cores as f64 {
            remarks.push(format!(
                "Tool and relay together used {used:.2} of {cores} cores: they took them from each other."
            ));
        }
        if self.tool.udp_drops > 0 {
            remarks.push(format!(
                "The tool's sockets lost {} datagrams for want of room: net.core.rmem_max may be too small.",
                self.tool.udp_drops
            ));
        }
        remarks
    }
}

/// For loads that ask shops. Those who wait for parcels after the load are no part of it.
fn goodput(answers: u64, seconds: f64) -> Option<(String, f64)> {
    (answers > 0).then(|| ("goodput".to_owned(), answers as f64 / seconds))
}

fn rounded(figures: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    figures.into_iter().map(|(name, value)| (name, (value * 1e6).round() / 1e6)).collect()
}
