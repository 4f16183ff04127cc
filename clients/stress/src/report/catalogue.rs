//! Everything that reports and conditions can name.

use crate::engine::TIMER_LAG;
use crate::measure::{Figure, Series, Summary, Unit};
use crate::{shop, video};

const OWN: [&Series; 1] = [&TIMER_LAG];

/// Series of each load, and of the tool.
pub(crate) const LOADS: [&[&Series]; 3] = [&video::ALL, &shop::ALL, &OWN];

/// Every series of every load.
pub(crate) fn series() -> impl Iterator<Item = &'static Series> {
    LOADS.into_iter().flatten().copied()
}

/// Series of the loads of which there is anything in these parts of a run.
pub(crate) fn series_in<'a>(
    scopes: impl Iterator<Item = &'a Summary> + Clone,
) -> impl Iterator<Item = &'static Series> {
    let has = |scope: &Summary, name: &str| scope.times.contains_key(name) || scope.counts.contains_key(name);
    let loads = LOADS
        .into_iter()
        .filter(move |load| scopes.clone().any(|scope| load.iter().any(|series| has(scope, series.name))));
    loads.flatten().copied()
}

/// Numbers that are worked out, per interval and for the whole run.
pub(crate) const FIGURES: [Figure; 14] = [
    Figure::new("throughput", Unit::BitsPerSecond, "payload bits that viewers received per second"),
    Figure::new("frame_rate", Unit::Number, "frames that viewers received per second"),
    Figure::new("goodput", Unit::Number, "answers of the shops per second, but failures and those that shed load"),
    Figure::new("viewers_peak", Unit::Number, "most viewers at a time that had what they came for"),
    Figure::new("relay_cpu", Unit::Number, "cores that the relay kept busy, on average"),
    Figure::new(
        "relay_cpu_per_gb",
        Unit::Seconds,
        "CPU seconds of the relay per gigabyte of payload that viewers received",
    ),
    Figure::new("relay_rss", Unit::Bytes, "resident memory of the relay; its peak for a whole run"),
    Figure::new("relay_rss_per_viewer", Unit::Bytes, "growth of that since the run began, per session at its peak"),
    Figure::new("relay_switches", Unit::Number, "context switches of the relay per second"),
    Figure::new("relay_udp_drops", Unit::Number, "datagrams that the relay's sockets had no room for"),
    Figure::new("tool_cpu", Unit::Number, "cores that this tool kept busy, on average"),
    Figure::new("tool_cpu_per_viewer", Unit::Number, "the same per viewer at the peak"),
    Figure::new(
        "tool_busiest",
        Unit::Number,
        "share of a core that the tool's busiest thread took in its busiest interval",
    ),
    Figure::new("tool_udp_drops", Unit::Number, "datagrams that this tool's sockets had no room for"),
];

/// Those that only a load with viewers has.
pub(super) const OF_VIEWERS: [&str; 6] =
    ["throughput", "frame_rate", "viewers_peak", "relay_cpu_per_gb", "relay_rss_per_viewer", "tool_cpu_per_viewer"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SHIPPED;

    /// The manual.
    const MANUAL: &str = include_str!("../../../../docs/stress.md");

    #[test]
    fn the_manual_has_every_measure_with_its_meaning_and_every_plan() {
        for Series { name, meaning, .. } in series() {
            assert!(
                MANUAL.lines().any(|line| line.starts_with(&format!("| `{name}` |")) && line.contains(meaning)),
                "{name}"
            );
        }
        for Figure { name, meaning, .. } in &FIGURES {
            assert!(
                MANUAL.lines().any(|line| line.starts_with(&format!("| `{name}` |")) && line.contains(meaning)),
                "{name}"
            );
        }
        for (name, _) in SHIPPED {
            assert!(MANUAL.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> =
            series().map(|series| series.name).chain(FIGURES.iter().map(|figure| figure.name)).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(OF_VIEWERS.iter().all(|name| names.contains(name)));
    }
}
