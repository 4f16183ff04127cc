//! From samples to a report, to its file and back, and to its page.

use std::time::Duration;

use super::*;
use crate::measure::Sample;
use crate::probe::{Load, ProcessLoad};
use crate::require::Condition;
use crate::video::{BYTES, ERRORS, FRAMES, LATENCY, SESSIONS, VIEWERS};

/// Two seconds of ten viewers, and one error at the end.
fn report(conditions: &[&str]) -> Report {
    let scopes = [TOOL, PUBLISHERS, "watchers"].map(str::to_owned);
    let mut builder = ReportBuilder::new(&scopes, Report { plan: "a <plan>".to_owned(), ..Report::default() });
    for second in 1..=2u64 {
        let mut samples = vec![Sample::default(); scopes.len()];
        samples[2].level(&VIEWERS, 10);
        samples[2].level(&SESSIONS, 10);
        samples[2].count(&FRAMES, 300);
        samples[2].count(&BYTES, 1_000_000);
        samples[2].time(&LATENCY, Duration::from_millis(second * 10));
        let relay = ProcessLoad {
            cpu: Duration::from_millis(500),
            rss: 2_000_000,
            first_rss: 1_000_000,
            ..ProcessLoad::default()
        };
        builder.interval(Duration::from_secs(second), &samples, &Load { relay: Some(relay), ..Load::default() });
    }
    let mut rest = vec![Sample::default(); scopes.len()];
    rest[2].labelled(&ERRORS, "dial: <refused>", 1);
    builder.settle(Duration::from_secs(3), &rest);
    let conditions: Vec<Condition> = conditions.iter().map(|text| text.parse().unwrap()).collect();
    builder.finish(false, &conditions)
}

#[test]
fn intervals_add_up_to_the_whole_and_settling_is_no_part_of_rates() {
    let report = report(&["errors=0", "watchers.latency_max<21ms"]);
    let all = &report.overall.scopes[EVERYBODY];
    assert_eq!((all.count(FRAMES.name), all.count(ERRORS.name)), (600, 1));
    assert_eq!(report.seconds, 2.0);
    let figure = |name: &str| report.overall.figures[name];
    assert_eq!((figure("frame_rate"), figure("throughput"), figure("viewers_peak")), (300.0, 8e6, 10.0));
    assert_eq!((figure("relay_cpu"), figure("relay_cpu_per_gb")), (0.5, 500.0));
    assert_eq!(figure("relay_rss_per_viewer"), 100_000.0);
    assert_eq!(report.verdicts.iter().map(|verdict| verdict.met).collect::<Vec<_>>(), [false, true]);
    let sum: u64 = report.intervals.iter().map(|interval| interval.scopes[EVERYBODY].count(FRAMES.name)).sum();
    assert_eq!(sum, 600);
}

#[test]
fn a_saved_report_is_read_back_also_from_lines() {
    let report = report(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let text = serde_json::to_string(&report).unwrap();
    std::fs::write(&path, &text).unwrap();
    assert_eq!(compare::load(&path).unwrap(), report);
    let line = text.replacen('{', "{\"event\":\"report\",", 1);
    std::fs::write(&path, format!("{{\"event\":\"interval\"}}\n{line}\n\n")).unwrap();
    assert_eq!(compare::load(&path).unwrap(), report);
    std::fs::write(&path, "{\"event\":\"interval\"}\n").unwrap();
    assert!(compare::load(&path).unwrap_err().to_string().contains("is no report"));
    let table = compare::table(&report, &report);
    assert!(table.contains("latency_p99") && table.contains("same") && !table.contains("new"), "{table}");
}

#[test]
fn the_page_loads_nothing_and_keeps_text_as_text() {
    let page = html::page(&report(&["errors=0"]));
    for inside in ["a &lt;plan&gt;", "dial: &lt;refused&gt;", "not met", "Frame latency", "<svg", "relay_cpu_per_gb"] {
        assert!(page.contains(inside), "{inside}");
    }
    for outside in ["<plan>", "<refused>", "http://", "https://", "<script", "src=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<figure>").count(), page.matches("</figure>").count());
}

#[test]
fn a_load_without_viewers_says_nothing_of_them() {
    let scopes = [TOOL, "buyers"].map(str::to_owned);
    let blank = Report { plan: "shops".to_owned(), arrivals: 7, ..Report::default() };
    let mut builder = ReportBuilder::new(&scopes, blank);
    let mut samples = vec![Sample::default(); scopes.len()];
    samples[1].count(&crate::shop::ANSWERS, 14);
    samples[1].time(&crate::shop::ANSWER, Duration::from_millis(3));
    builder.interval(Duration::from_secs(2), &samples, &Load::default());
    builder.settle(Duration::from_secs(9), &samples);
    let report = builder.finish(false, &["goodput=7".parse().unwrap(), "throughput>=0bit/s".parse().unwrap()]);
    assert_eq!(report.verdicts.iter().map(|verdict| verdict.met).collect::<Vec<_>>(), [true, false]);
    let page = html::page(&report);
    for inside in ["7 visits for 2.0 s", "Answers of the shops per second", "answer p99", "shed"] {
        assert!(page.contains(inside), "{inside}");
    }
    for outside in ["Frame latency", "Throughput", "viewers for", "stalls</dt>", "frames</td>", "Viewers"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_tool_says_when_it_is_the_bottleneck() {
    let scopes = [TOOL.to_owned()];
    let mut builder = ReportBuilder::new(&scopes, Report::default());
    let mut samples = vec![Sample::default()];
    samples[0].time(&crate::engine::TIMER_LAG, Duration::from_millis(40));
    let load = Load {
        busiest: Duration::from_millis(970),
        tool: ProcessLoad { cpu: Duration::from_secs(1000), udp_drops: 3, ..ProcessLoad::default() },
        relay: None,
    };
    builder.interval(Duration::from_secs(1), &samples, &load);
    let remarks = builder.finish(false, &[]).remarks.join("\n");
    for expected in ["was the bottleneck", "timers were late by 40", "took them from each other", "lost 3 datagrams"] {
        assert!(remarks.contains(expected), "{expected}: {remarks}");
    }
}
