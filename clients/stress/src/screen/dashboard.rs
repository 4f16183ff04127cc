//! The live view on a terminal.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph, Row, Table};

use crate::limit;
use crate::measure::{Series, Summary, Times, Unit};
use crate::report::{EVERYBODY, Interval, OWN_SCOPES, crowd};
use crate::run::Setup;
use crate::shop;
use crate::video::{LATENCY, SESSIONS, TROUBLES, TUNE_IN, VIEWERS};

/// The terminal while a run goes on; it is as it was before once this is dropped.
#[derive(Debug)]
pub(crate) struct Dashboard {
    terminal: DefaultTerminal,
    title: String,
    duration: Duration,
    begun: Instant,
    intervals: VecDeque<Interval>,
    /// Sums of troubles so far, in the order of [`troubles`].
    troubles: Vec<u64>,
}

impl Dashboard {
    /// Takes the terminal over: the load begins.
    pub(crate) fn open(setup: &Setup) -> io::Result<Self> {
        let plan = &setup.plan;
        let mut dashboard = Self {
            terminal: ratatui::try_init()?,
            title: format!(
                " {}: {} at {} ",
                plan.name,
                crowd(plan.viewers(), plan.arrivals()),
                setup.shown().join(", ")
            ),
            duration: plan.duration.0,
            begun: Instant::now(),
            intervals: VecDeque::new(),
            troubles: vec![0; troubles().count()],
        };
        dashboard.draw();
        Ok(dashboard)
    }

    pub(crate) fn interval(&mut self, interval: &Interval) {
        if let Some(all) = interval.scopes.get(EVERYBODY) {
            for (sum, series) in self.troubles.iter_mut().zip(troubles()) {
                *sum += all.count(series.name);
            }
        }
        if !interval.settling {
            self.intervals.push_back(interval.clone());
            if self.intervals.len() > limit::DASHBOARD_INTERVALS {
                self.intervals.pop_front();
            }
        }
        self.draw();
    }

    /// The load is over, the run is not.
    pub(crate) fn settling(&mut self) {
        self.title.push_str("· waiting for orders under way, then checking what was promised ");
        self.draw();
    }

    /// Resolves when the user asks for the end: q, Esc or Ctrl-C, which is no signal while the terminal is taken over.
    pub(crate) async fn quit(&mut self) {
        loop {
            tokio::time::sleep(limit::REDRAW).await;
            while event::poll(Duration::ZERO).unwrap_or(false) {
                let Ok(Event::Key(key)) = event::read() else { continue };
                let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return;
                }
            }
            self.draw();
        }
    }

    fn draw(&mut self) {
        let Self { terminal, title, duration, begun, intervals, troubles } = self;
        let progress = begun.elapsed().as_secs_f64() / duration.as_secs_f64().max(f64::EPSILON);
        // A terminal that is gone is no reason to stop the run.
        let _ = terminal.draw(|frame| draw(frame, title, progress.clamp(0.0, 1.0), intervals, troubles));
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = ratatui::try_restore();
    }
}

/// What may go wrong, with relays and with shops.
fn troubles() -> impl Iterator<Item = &'static Series> {
    TROUBLES.into_iter().chain(shop::TROUBLES)
}

/// What went wrong first, then what could have: as many as there is room for.
fn trouble_lines(counts: &[u64]) -> Vec<Line<'static>> {
    let mut all: Vec<(&Series, u64)> = troubles().zip(counts.iter().copied()).collect();
    all.sort_by_key(|(_, count)| *count == 0);
    let lines = all.into_iter().take(limit::DASHBOARD_TROUBLES).map(|(series, count)| {
        let line = Line::from(format!("{:<16}{count:>10}", series.name));
        if count > 0 { line.fg(Color::Red) } else { line }
    });
    lines.collect()
}

fn draw(frame: &mut Frame<'_>, title: &str, progress: f64, intervals: &VecDeque<Interval>, troubles: &[u64]) {
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(12),
        Constraint::Length(1),
    ])
    .split(frame.area());
    frame.render_widget(Line::from(title).bold(), rows[0]);
    let gauge = Gauge::default().ratio(progress).gauge_style(Style::new().fg(Color::Blue).bg(Color::DarkGray));
    frame.render_widget(gauge, rows[1]);
    let charts = Layout::horizontal([Constraint::Fill(1); 2]).split(rows[2]);
    let times = |pick: fn(&Times) -> f64| {
        points(intervals, |interval| Some(pick(main_times(interval.scopes.get(EVERYBODY)?)?)))
    };
    chart(
        frame,
        charts[0],
        "latency of frames, or of answers: p50 and p99",
        Unit::Milliseconds,
        [times(|t| t.p99), times(|t| t.p50)],
    );
    let throughput = points(intervals, |interval| interval.figures.get("throughput").copied());
    chart(frame, charts[1], "throughput", Unit::BitsPerSecond, [throughput, Vec::new()]);
    let tables = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2), Constraint::Fill(2)]).split(rows[3]);
    if let Some(last) = intervals.back() {
        frame.render_widget(populations(last), tables[0]);
        frame.render_widget(machine(last), tables[1]);
    }
    frame.render_widget(
        Paragraph::new(trouble_lines(troubles)).block(Block::bordered().title(" troubles so far ")),
        tables[2],
    );
    frame.render_widget(Line::from(" q ends the run and writes its report").dim(), rows[4]);
}

fn points(intervals: &VecDeque<Interval>, value: impl Fn(&Interval) -> Option<f64>) -> Vec<(f64, f64)> {
    intervals.iter().filter_map(|interval| Some((interval.at, value(interval)?))).collect()
}

fn chart(frame: &mut Frame<'_>, area: Rect, title: &str, unit: Unit, curves: [Vec<(f64, f64)>; 2]) {
    let all = || curves.iter().flatten();
    let top = all().map(|(_, value)| *value).fold(f64::EPSILON, f64::max) * 1.1;
    let first = all().map(|(at, _)| *at).fold(f64::INFINITY, f64::min).min(1e9);
    let last = all().map(|(at, _)| *at).fold(first + 1.0, f64::max);
    let datasets = curves.iter().zip([Color::Yellow, Color::Cyan]).map(|(points, colour)| {
        Dataset::default()
            .data(points)
            .graph_type(GraphType::Line)
            .marker(Marker::Braille)
            .style(Style::new().fg(colour))
    });
    let chart = Chart::new(datasets.collect())
        .block(Block::bordered().title(format!(" {title} ")))
        .x_axis(Axis::default().bounds([first, last]).labels([format!("{first:.0} s"), format!("{last:.0} s")]))
        .y_axis(Axis::default().bounds([0.0, top]).labels(["0".to_owned(), unit.show(top)]));
    frame.render_widget(chart, area);
}

/// Those of frames; where there are none, those of answers.
fn main_times(scope: &Summary) -> Option<&Times> {
    scope.times.get(LATENCY.name).or_else(|| scope.times.get(shop::ANSWER.name))
}

fn populations(last: &Interval) -> Table<'static> {
    let time = |times: Option<&Times>, pick: fn(&Times) -> f64| {
        times.map_or_else(|| "-".to_owned(), |times| Unit::Milliseconds.show(pick(times)))
    };
    let there = |scope: &Summary| match scope.levels.get(shop::VISITS.name) {
        Some(visits) => visits.to_string(),
        None => format!("{}/{}", scope.level(VIEWERS.name), scope.level(SESSIONS.name)),
    };
    let rows = last.scopes.iter().filter(|(name, _)| !OWN_SCOPES.contains(&name.as_str())).map(|(name, scope)| {
        Row::new([
            name.clone(),
            there(scope),
            time(main_times(scope), |times| times.p50),
            time(main_times(scope), |times| times.p99),
            time(scope.times.get(TUNE_IN.name), |times| times.p99),
        ])
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    Table::new(rows, widths)
        .header(Row::new(["who", "there", "p50", "p99", "tune-in"]).dim())
        .block(Block::bordered().title(" last interval: latency p50, p99, tune-in p99 "))
}

fn machine(last: &Interval) -> Paragraph<'static> {
    let shown = [
        ("relay_cpu", "relay, cores", Unit::Number),
        ("relay_rss", "relay, memory", Unit::Bytes),
        ("relay_switches", "relay, switches/s", Unit::Number),
        ("relay_udp_drops", "relay, UDP drops", Unit::Number),
        ("tool_cpu", "this tool, cores", Unit::Number),
        ("tool_busiest", "busiest thread", Unit::Number),
        ("frame_rate", "frames/s", Unit::Number),
        ("goodput", "answers/s", Unit::Number),
    ];
    let lines = shown.iter().filter_map(|(name, title, unit)| {
        Some(Line::from(format!("{title:<20}{:>12}", unit.show(*last.figures.get(*name)?))))
    });
    Paragraph::new(lines.collect::<Vec<_>>()).block(Block::bordered().title(" machine "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::measure::Sample;

    #[test]
    fn what_was_measured_is_on_the_screen() {
        let mut sample = Sample::default();
        sample.time(&LATENCY, Duration::from_millis(12));
        sample.level(&VIEWERS, 7);
        sample.level(&SESSIONS, 8);
        let summary = Summary::of(&sample, false);
        let scopes = BTreeMap::from([(EVERYBODY.to_owned(), summary.clone()), ("early".to_owned(), summary)]);
        let figures = BTreeMap::from([("relay_cpu".to_owned(), 1.25), ("throughput".to_owned(), 3e6)]);
        let interval =
            |at| Interval { at, seconds: 1.0, scopes: scopes.clone(), figures: figures.clone(), settling: false };
        let intervals = VecDeque::from([interval(1.0), interval(2.0)]);
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        let mut troubles: Vec<u64> = troubles().map(|_| 0).collect();
        troubles[0] = 42;
        *troubles.last_mut().unwrap() = 43;
        terminal.draw(|frame| draw(frame, "the title", 0.5, &intervals, &troubles)).unwrap();
        let screen = terminal.backend().to_string();
        for expected in [
            "the title",
            "50%",
            "early",
            "7/8",
            "12.01 ms",
            "1.250",
            "3.300 Mbit/s",
            "stalls",
            "42",
            "unverified",
            "43",
        ] {
            assert!(screen.contains(expected), "{expected} is not on\n{screen}");
        }
        // A screen that is too small, and nothing measured yet.
        let mut terminal = Terminal::new(TestBackend::new(10, 3)).unwrap();
        terminal.draw(|frame| draw(frame, "", 0.0, &VecDeque::new(), &troubles)).unwrap();
    }
}
