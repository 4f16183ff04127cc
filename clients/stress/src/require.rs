//! Conditions such as `tune_in_p99<50ms`: read, checked against names, judged.

use std::fmt;
use std::str::FromStr;

use crate::measure::{Kind, Times, Unit};
use crate::plan::{Quantity, Rate, Size, Span};
use crate::report::{EVERYBODY, Overall, catalogue};

/// Conditions of every run: what a relay that is not broken never does, however much it carries.
pub(crate) const ALWAYS: [&str; 4] = ["corrupt=0", "gaps=0", "duplicates=0", "disorder=0"];

/// One condition on a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    text: String,
    scope: String,
    value: Value,
    comparison: Comparison,
    /// In the unit of the value.
    bound: f64,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Statistic { series: &'static str, statistic: &'static str },
    Count(&'static str, Unit),
    Level(&'static str),
    Figure(&'static str, Unit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    More,
}

/// Longest first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 7] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("!=", Comparison::NotEqual),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::More),
    ("=", Comparison::Equal),
];

/// What became of a condition.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Verdict {
    /// As written.
    pub(crate) condition: String,
    /// What it was, for people; `nothing measured` if nothing was.
    pub(crate) value: String,
    pub(crate) met: bool,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no condition: expected e.g. tune_in_p99<50ms, gaps=0 or throughput>1Gbit/s");
        let at = text.find(['<', '>', '=', '!']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(at);
        let (sign, comparison) = COMPARISONS.iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(wrong)?;
        let (scope, name) = name.trim().split_once('.').unwrap_or_else(|| (EVERYBODY, name.trim()));
        let value = find(name)?;
        let bound = value.unit().parse(rest[sign.len()..].trim()).map_err(|reason| format!("{text:?}: {reason}"))?;
        let text = text.trim().to_owned();
        Ok(Self { text, scope: scope.trim().to_owned(), value, comparison: *comparison, bound })
    }
}

/// The series or figure that a name means.
fn find(name: &str) -> Result<Value, String> {
    for series in catalogue::series() {
        match series.kind {
            Kind::Count(unit) if series.name == name => return Ok(Value::Count(series.name, unit)),
            Kind::Level if series.name == name => return Ok(Value::Level(series.name)),
            Kind::Times => {
                let statistic = name.strip_prefix(series.name).and_then(|rest| rest.strip_prefix('_'));
                let known = Times::STATISTICS.iter().find(|known| Some(**known) == statistic);
                if let Some(statistic) = known {
                    return Ok(Value::Statistic { series: series.name, statistic });
                }
                if series.name == name {
                    let known = Times::STATISTICS.join(", ");
                    return Err(format!(
                        "{name:?} is a distribution: say which of its statistics, e.g. {name}_p99 ({known})"
                    ));
                }
            }
            _ => {}
        }
    }
    if let Some(figure) = catalogue::FIGURES.iter().find(|figure| figure.name == name) {
        return Ok(Value::Figure(figure.name, figure.unit));
    }
    let names: Vec<_> = catalogue::series().map(|series| series.name).collect();
    let figures: Vec<_> = catalogue::FIGURES.iter().map(|figure| figure.name).collect();
    Err(format!("nothing is called {name:?}; there are {}, {}", names.join(", "), figures.join(", ")))
}

impl Value {
    fn unit(&self) -> Unit {
        match self {
            Self::Statistic { statistic: "count", .. } | Self::Level(_) => Unit::Number,
            Self::Statistic { .. } => Unit::Milliseconds,
            Self::Count(_, unit) | Self::Figure(_, unit) => *unit,
        }
    }

    /// `None`: nothing was measured that could meet or miss a bound.
    fn of(&self, overall: &Overall, scope: &str) -> Option<f64> {
        if let Self::Figure(name, _) = self {
            return overall.figures.get(*name).copied();
        }
        let summary = overall.scopes.get(scope)?;
        match self {
            Self::Statistic { series, statistic } => summary.times.get(*series)?.statistic(statistic),
            Self::Count(name, _) => Some(summary.count(name) as f64),
            Self::Level(name) => Some(summary.level(name) as f64),
            Self::Figure(..) => None,
        }
    }
}

impl Unit {
    fn parse(self, text: &str) -> Result<f64, String> {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        let (value, expected) = match self {
            Self::Milliseconds => (Span::parse(text).map(|Span(time)| time.as_secs_f64() * 1000.0), Span::EXPECTED),
            Self::Seconds => (Span::parse(text).map(|Span(time)| time.as_secs_f64()).or_else(number), Span::EXPECTED),
            Self::Bytes => (Size::parse(text).map(|Size(bytes)| bytes as f64), Size::EXPECTED),
            Self::BitsPerSecond => (Rate::parse(text).map(|Rate(rate)| rate), Rate::EXPECTED),
            Self::Number => (number(), "a number"),
        };
        let value = value.or_else(|| number().filter(|number| *number == 0.0));
        value.ok_or_else(|| format!("expected {expected} behind the comparison"))
    }
}

impl Comparison {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Equal => value == bound,
            Self::NotEqual => value != bound,
            Self::AtLeast => value >= bound,
            Self::More => value > bound,
        }
    }
}

impl Condition {
    /// The part of the run it is about.
    pub(crate) fn scope(&self) -> &str {
        &self.scope
    }

    /// For a machine so many times slower: bounds from above on times are raised.
    pub(crate) fn with_slack(mut self, factor: f64) -> Self {
        let is_time = self.value.unit() == Unit::Milliseconds;
        if is_time && matches!(self.comparison, Comparison::Less | Comparison::AtMost) && factor != 1.0 {
            self.bound *= factor;
            self.text = format!("{} × {factor}", self.text);
        }
        self
    }

    /// Holds it against a run. What was not measured does not meet it: a run in which nobody tuned in is not a fast one.
    pub(crate) fn judge(&self, overall: &Overall) -> Verdict {
        let value = self.value.of(overall, &self.scope);
        Verdict {
            condition: self.text.clone(),
            value: value.map_or_else(|| "nothing measured".to_owned(), |value| self.value.unit().show(value)),
            met: value.is_some_and(|value| self.comparison.holds(value, self.bound)),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::measure::{Sample, Summary};
    use crate::video;

    fn overall() -> Overall {
        let mut sample = Sample::default();
        for millis in 1..=100 {
            sample.time(&video::TUNE_IN, Duration::from_millis(millis));
        }
        sample.count(&video::GAPS, 3);
        sample.count(&video::BYTES, 5_000_000);
        let mut overall = Overall::default();
        overall.scopes.insert(EVERYBODY.to_owned(), Summary::of(&sample, false));
        overall.scopes.insert("calm".to_owned(), Summary::default());
        overall.figures.insert("throughput".to_owned(), 2e9);
        overall
    }

    fn met(text: &str) -> bool {
        text.parse::<Condition>().unwrap_or_else(|error| panic!("{text}: {error}")).judge(&overall()).met
    }

    #[test]
    fn conditions_are_judged_by_their_values() {
        for text in [
            "tune_in_p99<100ms",
            "tune_in_p50<=51ms",
            "tune_in_count=100",
            " tune_in_max > 0.05s ",
            "gaps=3",
            "gaps!=0",
            "calm.gaps=0",
            "throughput>=2Gbit/s",
            "bytes>4MB",
            "duplicates==0",
            "tune_in_min>0",
        ] {
            assert!(met(text), "{text}");
        }
        for text in ["tune_in_p99<50ms", "gaps=0", "throughput>3Gbit/s", "bytes<1MB", "tune_in_p50>=1s"] {
            assert!(!met(text), "{text}");
        }
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        for text in ["calm.tune_in_p99<1h", "latency_p99<1h", "relay_cpu<1000"] {
            let verdict = text.parse::<Condition>().unwrap().judge(&overall());
            assert!(!verdict.met && verdict.value == "nothing measured", "{verdict:?}");
        }
    }

    #[test]
    fn wrong_conditions_say_what_would_be_right() {
        let error = |text: &str| text.parse::<Condition>().unwrap_err();
        assert!(error("tune_in_p99").contains("is no condition"));
        assert!(error("tunein_p99<1s").contains("there are connect, tune_in"));
        assert!(error("tune_in<1s").contains("tune_in_p99"));
        assert!(error("tune_in_p99<fast").contains("a time such as"));
        assert!(error("gaps=none").contains("a number"));
        assert!(error("throughput>1GB").contains("a rate such as"));
    }

    #[test]
    fn slack_is_for_times_alone() {
        let judged = |text: &str| text.parse::<Condition>().unwrap().with_slack(10.0).judge(&overall());
        assert!(judged("tune_in_p99<50ms").met && judged("tune_in_p99<50ms").condition.ends_with("× 10"));
        assert!(!judged("tune_in_p99<5ms").met && !judged("gaps=1").met && !judged("tune_in_p99>100ms").met);
    }

    #[test]
    fn conditions_of_every_run_are_right() {
        assert!(ALWAYS.iter().all(|text| text.parse::<Condition>().is_ok()));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<Condition>();
        }

        #[test]
        fn bounds_are_exact(count in 0..1000u64, bound in 0..1000u64) {
            let mut overall = Overall::default();
            let mut sample = Sample::default();
            sample.count(&video::GAPS, count);
            overall.scopes.insert(EVERYBODY.to_owned(), Summary::of(&sample, false));
            let holds = |sign: &str| format!("gaps{sign}{bound}").parse::<Condition>().unwrap().judge(&overall).met;
            prop_assert_eq!(holds("<"), count < bound);
            prop_assert_eq!(holds("<="), count <= bound);
            prop_assert_eq!(holds("="), count == bound);
            prop_assert_eq!(holds("!="), count != bound);
            prop_assert_eq!(holds(">="), count >= bound);
            prop_assert_eq!(holds(">"), count > bound);
        }
    }
}
