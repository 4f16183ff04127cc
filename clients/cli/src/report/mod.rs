//! What the user sees: a live line on a terminal, plain lines elsewhere, JSON lines for programs, and a summary.

mod delay;
mod meter;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::error::Failure;
use crate::limit;

pub(crate) use self::delay::Stamped;
pub(crate) use self::meter::{Arrival, Meter};
use self::meter::{Progress, Summary};

/// Shows a pull's progress.
#[derive(Debug)]
pub(crate) struct Reporter {
    form: Form,
    begin: Instant,
    next: Instant,
    /// The terminal's last line is ours and unfinished.
    line_open: bool,
    pub(crate) meter: Meter,
}

/// Where and how progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One line on the terminal, rewritten.
    Live,
    /// Lines on standard error.
    Plain,
    /// JSON on standard output.
    JsonOut,
    /// JSON on standard error, because standard output is the video.
    JsonError,
}

impl Form {
    fn interval(self) -> Duration {
        match self {
            Self::Live => limit::LIVE_LINE,
            Self::Plain => limit::PLAIN_LINE,
            Self::JsonOut | Self::JsonError => limit::JSON_LINE,
        }
    }
}

impl Reporter {
    /// For a pull that begins now; `output` is `-o`'s argument.
    pub(crate) fn new(json: bool, output: Option<&str>, tracks: usize) -> Self {
        let form = match (json, output) {
            (true, Some("-")) => Form::JsonError,
            (true, _) => Form::JsonOut,
            (false, _) if io::stderr().is_terminal() => Form::Live,
            (false, _) => Form::Plain,
        };
        let begin = Instant::now();
        Self { form, begin, next: begin + form.interval(), line_open: false, meter: Meter::new(tracks) }
    }

    /// Time since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Waits for the next time to show progress. Cancel safe.
    pub(crate) async fn tick(&self) {
        sleep_until(self.next).await;
    }

    /// Shows progress.
    pub(crate) fn show(&mut self) {
        self.next = Instant::now() + self.form.interval();
        let progress = self.meter.progress(self.begin.elapsed());
        match self.form {
            Form::Live => {
                say(format_args!("\r\x1b[2K{}", progress_line(&progress)));
                self.line_open = true;
            }
            Form::Plain => say(format_args!("{}\n", progress_line(&progress))),
            Form::JsonOut | Form::JsonError => self.json(&progress),
        }
    }

    /// Says something that happened, once.
    pub(crate) fn note(&mut self, text: &str) {
        self.close_line();
        if matches!(self.form, Form::Live | Form::Plain) {
            say(format_args!("efir: {text}\n"));
        }
    }

    /// The last word.
    pub(crate) fn finish(&mut self, complete: bool) {
        self.close_line();
        let summary = self.meter.summary(self.begin.elapsed(), complete);
        match self.form {
            Form::Live | Form::Plain => say(format_args!("{}", summary_text(&summary))),
            Form::JsonOut | Form::JsonError => self.json(&summary),
        }
    }

    fn close_line(&mut self) {
        if std::mem::take(&mut self.line_open) {
            say(format_args!("\n"));
        }
    }

    fn json(&self, line: &impl serde::Serialize) {
        if self.form == Form::JsonOut {
            print_json(line);
        } else if let Ok(text) = serde_json::to_string(line) {
            say(format_args!("{text}\n"));
        }
    }
}

/// Writes to standard error; when that is gone there is nobody to tell.
fn say(text: std::fmt::Arguments<'_>) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_fmt(text).and_then(|()| stderr.flush());
}

/// A line on standard error.
pub(crate) fn tell(text: &str) {
    say(format_args!("{text}\n"));
}

/// What went wrong, on standard error.
pub(crate) fn complain(failure: &Failure) {
    say(format_args!("efir: {failure}\n"));
}

/// A text on standard output; a reader that has closed it has had enough.
pub(crate) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// One line of JSON on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    // Values made here always have a JSON form.
    if let Ok(mut line) = serde_json::to_string(value) {
        line.push('\n');
        print(&line);
    }
}

fn progress_line(progress: &Progress) -> String {
    let sums = &progress.totals;
    let latency = progress.latency_ms.map(|latency| format!("  latency {latency} ms")).unwrap_or_default();
    let tune_in = sums.tune_in_ms.map(|time| format!("  tune-in {time} ms")).unwrap_or_else(|| "  waiting".to_owned());
    format!(
        "{:.0} s  {} fps  {}{latency}{tune_in}  frames {}  skipped groups {}{}",
        progress.seconds,
        progress.fps,
        bitrate_text(progress.bitrate),
        sums.frames,
        sums.skipped_groups,
        if sums.reconnects == 0 { String::new() } else { format!("  reconnects {}", sums.reconnects) },
    )
}

fn summary_text(summary: &Summary) -> String {
    let sums = &summary.totals;
    let mut text = format!(
        "received {} frames ({} of the first track) in {} groups, {} in {:.1} s: {} fps, {}\n",
        sums.frames,
        sums.leader_frames,
        sums.groups,
        bytes_text(sums.bytes),
        summary.seconds,
        summary.fps,
        bitrate_text(summary.bitrate),
    );
    if let Some(tune_in) = sums.tune_in_ms {
        text += &format!("tune-in {tune_in} ms");
        if let (Some(p50), Some(p99), Some(most)) =
            (summary.latency_p50_ms, summary.latency_p99_ms, summary.latency_max_ms)
        {
            text += &format!(", {} latency p50 {p50} ms, p99 {p99} ms, max {most} ms", summary.latency_kind);
        }
        text.push('\n');
    }
    if let Some(delay) = &summary.delay {
        text += &delay.text();
        text.push('\n');
    }
    text + &format!(
        "skipped groups {}, gaps {}, leaps {}, unreadable objects {}, reconnects {}\n",
        sums.skipped_groups, sums.gaps, sums.leaps, sums.unreadable_objects, sums.reconnects
    )
}

/// Bits per second for people.
pub(crate) fn bitrate_text(bits: u64) -> String {
    match bits {
        0..1_000 => format!("{bits} bit/s"),
        1_000..1_000_000 => format!("{:.0} kbit/s", bits as f64 / 1e3),
        _ => format!("{:.2} Mbit/s", bits as f64 / 1e6),
    }
}

/// Bytes for people.
pub(crate) fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_matters() {
        let mut meter = Meter::new(1);
        let waiting = progress_line(&meter.progress(Duration::from_secs(1)));
        assert!(waiting.contains("waiting") && !waiting.contains("latency"), "{waiting}");
        meter.tuned_in(Duration::from_millis(80));
        let arrival = Arrival { track: 0, group: 1, time: Some(0), age: None, bytes: 125_000 };
        meter.frame(arrival, Duration::from_millis(1500));
        meter.reconnected();
        let line = progress_line(&meter.progress(Duration::from_secs(2)));
        assert_eq!(
            line,
            "2 s  1 fps  1.00 Mbit/s  latency 0 ms  tune-in 80 ms  frames 1  skipped groups 0  reconnects 1"
        );
        let summary = summary_text(&meter.summary(Duration::from_secs(2), true));
        assert!(summary.contains("125.0 kB in 2.0 s") && summary.contains("relative latency p50 0 ms"), "{summary}");
        assert_eq!(summary.lines().count(), 3);
    }

    #[test]
    fn units_fit_the_number() {
        assert_eq!(
            [bitrate_text(999), bitrate_text(64_000), bitrate_text(5_250_000)],
            ["999 bit/s", "64 kbit/s", "5.25 Mbit/s"]
        );
        assert_eq!([bytes_text(7), bytes_text(1500), bytes_text(12_345_678)], ["7 B", "1.5 kB", "12.3 MB"]);
    }
}
