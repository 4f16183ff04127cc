//! A report as one page that loads nothing.

use std::fmt::Write;

use time::OffsetDateTime;

use super::chart::{Chart, Curve, escape};
use super::model::{Interval, Report};
use super::{EVERYBODY, OWN_SCOPES, catalogue};
use crate::engine::TIMER_LAG;
use crate::measure::{Kind, Summary, Times, Unit};
use crate::shop;
use crate::video::{CONNECT, ERRORS, LATENCY, SESSIONS, STALLS, TROUBLES, TUNE_IN, VIEWERS};

const STYLE: &str = include_str!("report.css");

/// The page of one run.
pub(crate) fn page(report: &Report) -> String {
    let mut body = head(report);
    verdicts(&mut body, report);
    for remark in &report.remarks {
        let _ = writeln!(body, "<p class=\"remark\">{}</p>", escape(remark));
    }
    headline(&mut body, report);
    body.push_str("<section class=\"charts\">\n");
    charts(report).into_iter().for_each(|chart| body.push_str(&chart.draw()));
    body.push_str("</section>\n");
    for (name, scope) in &report.overall.scopes {
        tables(&mut body, name, scope);
    }
    figures(&mut body, report);
    meanings(&mut body, report);
    document(&format!("{} – efir-stress", report.plan), &body)
}

/// A whole page around this body.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head>\n<body><main>\n{body}</main></body></html>\n",
        escape(title)
    )
}

fn head(report: &Report) -> String {
    let met = report.verdicts.iter().filter(|verdict| verdict.met).count();
    let all = report.verdicts.len();
    let (class, word) = if met == all { ("good", "all conditions met") } else { ("bad", "conditions not met") };
    let interrupted = if report.interrupted { ", interrupted before its end" } else { "" };
    format!(
        "<header><h1>{}</h1><p>{}</p><p class=\"facts\">{} for {:.1} s{interrupted} · {} · seed {} · {} cores · {} · {}</p><p class=\"banner {class}\">{met} of {all}: {word}</p></header>\n",
        escape(&report.plan),
        escape(&report.description),
        report.crowd(),
        report.seconds,
        escape(&report.relays.join(", ")),
        report.seed,
        report.cores,
        escape(&report.tool),
        date(report.began),
    )
}

/// A moment for people.
fn date(seconds: u64) -> String {
    let date = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    date.map_or_else(String::new, |date| format!("{} {:02}:{:02} UTC", date.date(), date.hour(), date.minute()))
}

fn verdicts(body: &mut String, report: &Report) {
    body.push_str(
        "<table class=\"verdicts\"><thead><tr><th>Condition</th><th>Measured</th><th></th></tr></thead><tbody>\n",
    );
    for verdict in &report.verdicts {
        let (class, word) = if verdict.met { ("good", "met") } else { ("bad", "not met") };
        let _ = writeln!(
            body,
            "<tr><td><code>{}</code></td><td>{}</td><td class=\"{class}\">{word}</td></tr>",
            escape(&verdict.condition),
            escape(&verdict.value)
        );
    }
    body.push_str("</tbody></table>\n");
}

/// The numbers one looks for first.
fn headline(body: &mut String, report: &Report) {
    let Some(all) = report.overall.scopes.get(EVERYBODY) else { return };
    let mut tiles: Vec<(String, String)> = Vec::new();
    for series in [&TUNE_IN, &LATENCY, &shop::ANSWER, &shop::VISIT, &shop::DELIVERY] {
        if let Some(times) = all.times.get(series.name) {
            tiles.push((format!("{} p50", series.name), Unit::Milliseconds.show(times.p50)));
            tiles.push((format!("{} p99", series.name), Unit::Milliseconds.show(times.p99)));
        }
    }
    for name in ["viewers_peak", "throughput", "goodput", "relay_cpu", "relay_cpu_per_gb", "relay_rss_per_viewer"] {
        let figure = catalogue::FIGURES.iter().find(|figure| figure.name == name);
        if let (Some(figure), Some(value)) = (figure, report.overall.figures.get(name)) {
            tiles.push((name.to_owned(), figure.unit.show(*value)));
        }
    }
    let (video, shops) = (report.has_video(), report.arrivals > 0);
    let troubles = [(&STALLS, video), (&ERRORS, video), (&shop::SHED, shops), (&shop::FAILED, shops)];
    for (series, _) in troubles.into_iter().filter(|(_, told)| *told) {
        tiles.push((series.name.to_owned(), all.count(series.name).to_string()));
    }
    body.push_str("<dl class=\"tiles\">");
    for (name, value) in tiles {
        let _ = write!(body, "<div><dt>{}</dt><dd>{}</dd></div>", escape(&name.replace('_', " ")), escape(&value));
    }
    body.push_str("</dl>\n");
}

/// For each population or scenario that has it, if there are several.
fn p99_by_scope(report: &Report, title: &str, series: &str) -> Option<Chart> {
    let scopes = report.overall.scopes.iter().filter(|(name, _)| !OWN_SCOPES.contains(&name.as_str()));
    let names: Vec<&String> =
        scopes.filter(|(_, scope)| scope.times.contains_key(series)).map(|(name, _)| name).collect();
    let curve = |name: &&String| times_curve(report, name, name, series, |times| times.p99);
    (names.len() > 1).then(|| Chart::over_time(title, Unit::Milliseconds, names.iter().map(curve).collect()))
}

fn charts(report: &Report) -> Vec<Chart> {
    let percentiles = |series: &str| {
        vec![
            times_curve(report, "p50", EVERYBODY, series, |times| times.p50),
            times_curve(report, "p99", EVERYBODY, series, |times| times.p99),
            times_curve(report, "max", EVERYBODY, series, |times| times.max),
        ]
    };
    let figure = |name: &str, shown: &str| curve(report, shown, |interval| interval.figures.get(name).copied());
    let level = |name: &str| curve(report, name, |interval| Some(everybody(interval)?.level(name) as f64));
    let troubles = TROUBLES.into_iter().chain(shop::TROUBLES).map(|series| {
        curve(report, series.name, |interval| Some(everybody(interval)?.count(series.name) as f64 / interval.seconds))
    });
    let troubles = troubles.filter(|curve| curve.points.iter().any(|(_, count)| *count > 0.0));
    let viewers = [VIEWERS.name, SESSIONS.name].into_iter().filter(|_| report.has_video()).map(level).collect();
    let visits = Some(shop::VISITS.name).into_iter().filter(|_| report.arrivals > 0).map(level).collect();
    let mut charts = vec![Chart::over_time("Frame latency", Unit::Milliseconds, percentiles(LATENCY.name))];
    charts.extend(p99_by_scope(report, "Frame latency p99 by population", LATENCY.name));
    charts.push(Chart::over_time(
        "Answers of the shops, from when they were due",
        Unit::Milliseconds,
        percentiles(shop::ANSWER.name),
    ));
    charts.extend(p99_by_scope(report, "Answers p99 by scenario", shop::ANSWER.name));
    charts.extend([
        Chart::over_time("Answers of the shops per second", Unit::Number, vec![figure("goodput", "answers")]),
        Chart::over_time("Tune-in time", Unit::Milliseconds, percentiles(TUNE_IN.name)),
        Chart::over_time("Viewers", Unit::Number, viewers),
        Chart::over_time("Visits under way", Unit::Number, visits),
        Chart::over_time("Throughput", Unit::BitsPerSecond, vec![figure("throughput", "payload to viewers")]),
        Chart::over_time("Troubles per second", Unit::Number, troubles.collect()),
        Chart::over_time(
            "CPU, in cores",
            Unit::Number,
            vec![
                figure("relay_cpu", "relay"),
                figure("tool_cpu", "this tool"),
                figure("tool_busiest", "its busiest thread"),
            ],
        ),
        Chart::over_time("Memory of the relay", Unit::Bytes, vec![figure("relay_rss", "resident")]),
        Chart::over_time(
            "Context switches of the relay per second",
            Unit::Number,
            vec![figure("relay_switches", "switches")],
        ),
        Chart::over_time("The tool's own timers: how late", Unit::Milliseconds, percentiles(TIMER_LAG.name)),
    ]);
    for chart in &mut charts {
        chart.range = Some((0.0, report.seconds));
    }
    charts.insert(1, distribution(report));
    charts
}

/// Values over their percentiles, the last ones spread out.
fn distribution(report: &Report) -> Chart {
    let spread = |percent: f64| -((100.0 - percent).max(0.005) / 100.0).log10();
    let all = report.overall.scopes.get(EVERYBODY);
    let curves = [&LATENCY, &TUNE_IN, &CONNECT, &shop::ANSWER, &shop::VISIT].map(|series| {
        let times = all.and_then(|all| all.times.get(series.name));
        let points = times.iter().flat_map(|times| &times.curve).map(|(percent, value)| (spread(*percent), *value));
        Curve { name: series.name.to_owned(), points: points.collect() }
    });
    let ticks = [(0.0, "min"), (50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99.9"), (100.0, "max")];
    Chart {
        title: "Times by percentile".to_owned(),
        unit: Unit::Milliseconds,
        curves: curves.to_vec(),
        along: "",
        range: None,
        ticks: ticks.map(|(percent, label)| (spread(percent), label.to_owned())).to_vec(),
    }
}

fn everybody(interval: &Interval) -> Option<&Summary> {
    interval.scopes.get(EVERYBODY)
}

fn curve(report: &Report, name: &str, value: impl Fn(&Interval) -> Option<f64>) -> Curve {
    let load = report.intervals.iter().filter(|interval| !interval.settling);
    let points = load.filter_map(|interval| Some((interval.at, value(interval)?))).collect();
    Curve { name: name.to_owned(), points }
}

fn times_curve(report: &Report, name: &str, scope: &str, series: &str, pick: fn(&Times) -> f64) -> Curve {
    curve(report, name, |interval| Some(pick(interval.scopes.get(scope)?.times.get(series)?)))
}

fn tables(body: &mut String, name: &str, scope: &Summary) {
    if scope.times.is_empty() && scope.counts.is_empty() {
        return;
    }
    let title = if name == EVERYBODY { "Everybody" } else { name };
    let _ = writeln!(body, "<h2>{}</h2><div class=\"tables\">", escape(title));
    if !scope.times.is_empty() {
        body.push_str("<table><thead><tr><th>Times in ms</th>");
        body.extend(Times::STATISTICS.map(|name| format!("<th>{name}</th>")));
        body.push_str("</tr></thead><tbody>\n");
        for series in catalogue::series_in(std::iter::once(scope)) {
            let Some(times) = scope.times.get(series.name) else { continue };
            let _ = write!(body, "<tr><td>{}</td>", series.name);
            for statistic in Times::STATISTICS {
                let value = times.statistic(statistic).unwrap_or_default();
                let _ = write!(body, "<td>{}</td>", Unit::Number.show(value));
            }
            body.push_str("</tr>\n");
        }
        body.push_str("</tbody></table>\n");
    }
    body.push_str("<table><thead><tr><th>Counts</th><th></th></tr></thead><tbody>\n");
    for series in catalogue::series_in(std::iter::once(scope)) {
        let Kind::Count(unit) = series.kind else { continue };
        let count = scope.counts.get(series.name).copied().unwrap_or_default();
        let _ = writeln!(body, "<tr><td>{}</td><td>{}</td></tr>", series.name, escape(&unit.show(count as f64)));
        for (kind, count) in scope.kinds.get(series.name).into_iter().flatten() {
            let _ = writeln!(body, "<tr class=\"kind\"><td>{}</td><td>{count}</td></tr>", escape(kind));
        }
    }
    body.push_str("</tbody></table></div>\n");
}

fn figures(body: &mut String, report: &Report) {
    body.push_str("<h2>Figures</h2><table class=\"meanings\"><tbody>\n");
    for figure in &catalogue::FIGURES {
        if let Some(value) = report.overall.figures.get(figure.name) {
            let value = escape(&figure.unit.show(*value));
            let _ =
                writeln!(body, "<tr><td>{}</td><td>{value}</td><td>{}</td></tr>", figure.name, escape(figure.meaning));
        }
    }
    body.push_str("</tbody></table>\n");
}

fn meanings(body: &mut String, report: &Report) {
    body.push_str("<h2>What the measures mean</h2><table class=\"meanings\"><tbody>\n");
    for series in catalogue::series_in(report.overall.scopes.values()) {
        let _ = writeln!(body, "<tr><td>{}</td><td>{}</td></tr>", series.name, escape(series.meaning));
    }
    body.push_str("</tbody></table>\n");
}
