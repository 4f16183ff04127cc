//! The shops' half of a plan: who comes, what for, and how often.

use std::time::Duration;

use serde::Deserialize;

use super::error::PlanError;
use super::quantity::Span;
use crate::limit;
use crate::report::OWN_SCOPES;
use crate::shop::{CHECKS, Curve};

/// Customers and what they come for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ShopsPlan {
    /// Where the shops' interface begins.
    pub(crate) url: String,
    /// Customers, each with a token of its own, who come in turn.
    pub(crate) customers: u32,
    /// Visits under way at a time; arrivals beyond are counted and turned away.
    pub(crate) in_flight: u32,
    /// Longest wait for an answer.
    pub(crate) timeout: Span,
    /// Time after the load in which every order must have come to its end.
    pub(crate) settle: Span,
    /// Share of orders whose requests are sent once more with the same key.
    pub(crate) repeat: f64,
    /// What they come for.
    pub(crate) scenarios: Vec<Scenario>,
}

/// Customers who come for the same.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Name of its measures in reports and conditions.
    pub(crate) name: String,
    /// What they do.
    pub(crate) does: Errand,
    /// Arrivals per second, whatever became of those before.
    #[serde(default)]
    pub(crate) rate: f64,
    /// The rate at the end of the run, reached evenly; that of the beginning if absent.
    pub(crate) end_rate: Option<f64>,
    /// When the first may come.
    #[serde(default)]
    pub(crate) at: Span,
    /// Many more at once.
    pub(crate) peak: Option<Peak>,
    /// Units of a promotion that is made for this scenario.
    #[serde(default = "quota")]
    pub(crate) quota: u32,
}

/// A stretch of time in which more come.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peak {
    /// Further arrivals per second.
    pub(crate) rate: f64,
    /// When it begins.
    pub(crate) at: Span,
    /// How long it lasts.
    pub(crate) lasts: Span,
}

fn quota() -> u32 {
    20
}

/// What customers come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Errand {
    /// Look at lists, products, promotions and offers, in four languages.
    Browse,
    /// Search the pharmacy, in four languages.
    Search,
    /// Order groceries and pay.
    Buy,
    /// Be one of the few who get a promotion.
    Promotion,
    /// Read the furniture shop's whole catalogue as a stream.
    Download,
    /// Have it written into a file, and fetch that.
    Export,
    /// Get a prescription, order, wait for advice, pay.
    Prescription,
    /// Buy one basket in three shops from the reseller, and follow it to the door.
    Basket,
}

impl Default for ShopsPlan {
    fn default() -> Self {
        Self {
            url: "http://localhost:8080/api/v1".to_owned(),
            customers: 100,
            in_flight: 1000,
            timeout: Span(Duration::from_secs(10)),
            settle: Span(Duration::from_secs(120)),
            repeat: 0.1,
            scenarios: Vec::new(),
        }
    }
}

impl ShopsPlan {
    /// How many come in a run of this length.
    pub(crate) fn arrivals(&self, duration: Duration) -> u64 {
        self.scenarios.iter().map(|scenario| scenario.curve(duration).total()).fold(0, u64::saturating_add)
    }

    /// Makes it so many times as many arrivals.
    pub(super) fn scale(&mut self, factor: f64) {
        for scenario in &mut self.scenarios {
            let rates =
                [Some(&mut scenario.rate), scenario.end_rate.as_mut(), scenario.peak.as_mut().map(|p| &mut p.rate)];
            rates.into_iter().flatten().for_each(|rate| *rate *= factor);
        }
    }

    /// Moves the times at which customers come, for a run that is so many times longer.
    pub(super) fn stretch(&mut self, factor: f64) {
        let longer = |Span(time): &mut Span| {
            *time = Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX);
        };
        for scenario in &mut self.scenarios {
            longer(&mut scenario.at);
            if let Some(peak) = &mut scenario.peak {
                longer(&mut peak.at);
                longer(&mut peak.lasts);
            }
        }
    }

    pub(super) fn check(&self, duration: Duration, taken: &[&str], allow_large: bool) -> Result<(), PlanError> {
        let wrong = |key: &str, reason: String| Err(PlanError::Value { key: format!("shops.{key}"), reason });
        if self.customers == 0 || self.customers > limit::MAX_CUSTOMERS {
            return wrong("customers", format!("must be 1 to {}", limit::MAX_CUSTOMERS));
        }
        if self.in_flight == 0 || self.in_flight > limit::MAX_VISITS {
            return wrong("in_flight", format!("must be 1 to {}", limit::MAX_VISITS));
        }
        if self.timeout.0 < Duration::from_millis(1) || self.timeout.0 > limit::MAX_ANSWER_TIME {
            return wrong("timeout", format!("must be 1ms to {:?}", limit::MAX_ANSWER_TIME));
        }
        if self.settle.0 > limit::MAX_DURATION {
            return wrong("settle", format!("is over {:?}", limit::MAX_DURATION));
        }
        if !(0.0..=1.0).contains(&self.repeat) {
            return wrong("repeat", "must be 0 to 1".to_owned());
        }
        if self.scenarios.is_empty() {
            return wrong("scenarios", "names nobody".to_owned());
        }
        for (index, scenario) in self.scenarios.iter().enumerate() {
            scenario.check(duration, taken)?;
            if self.scenarios[..index].iter().any(|other| other.name == scenario.name) {
                return wrong("scenarios", format!("has two named {:?}", scenario.name));
            }
        }
        let arrivals = self.arrivals(duration);
        if arrivals > limit::MAX_ARRIVALS && !allow_large {
            let reason = format!("come to {arrivals} arrivals, over {}: --allow-large takes them", limit::MAX_ARRIVALS);
            return wrong("scenarios", reason);
        }
        Ok(())
    }
}

impl Scenario {
    /// Arrivals per second over a run of this length.
    pub(crate) fn curve(&self, duration: Duration) -> Curve {
        let mut curve = Curve::default();
        let peak = self.peak.map(|peak| (peak.at.0, peak.at.0.saturating_add(peak.lasts.0), peak.rate));
        let end_rate = self.end_rate.unwrap_or(self.rate);
        let (begin, lasts) = (self.at.0, duration.saturating_sub(self.at.0).as_secs_f64());
        let base = |at: Duration| {
            let share = at.saturating_sub(begin).as_secs_f64() / lasts.max(f64::MIN_POSITIVE);
            if at < begin { 0.0 } else { self.rate + (end_rate - self.rate) * share.min(1.0) }
        };
        let mut edges = vec![Duration::ZERO, begin.min(duration), duration];
        edges.extend(peak.iter().flat_map(|(from, to, _)| [*from.min(&duration), *to.min(&duration)]));
        edges.sort_unstable();
        for edge in edges.windows(2).filter(|edge| edge[0] < edge[1]) {
            let more = peak.filter(|(from, to, _)| *from <= edge[0] && edge[1] <= *to).map_or(0.0, |(_, _, rate)| rate);
            // Before the beginning nobody comes, up to its very moment.
            let to = if edge[1] <= begin { 0.0 } else { base(edge[1]) };
            curve.piece(edge[1] - edge[0], base(edge[0]) + more, to + more);
        }
        curve
    }

    fn check(&self, duration: Duration, taken: &[&str]) -> Result<(), PlanError> {
        let wrong = |key: &str, reason: String| {
            Err(PlanError::Value {
                key: format!("shops.scenarios.{key}"),
                reason: format!("of {:?} {reason}", self.name),
            })
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let own = OWN_SCOPES.contains(&&*self.name) || self.name == CHECKS || taken.contains(&&*self.name);
        if self.name.is_empty() || !self.name.chars().all(is_word) || own {
            let reason = "must be letters, digits and underscores, not `all`, `tool`, `publishers` or `checks`, and not a population's";
            return wrong("name", reason.to_owned());
        }
        let rates = [Some(self.rate), self.end_rate, self.peak.map(|peak| peak.rate)];
        if !rates.into_iter().flatten().all(|rate| (0.0..=limit::MAX_RATE).contains(&rate)) {
            return wrong(
                "rate",
                format!("must be 0 to {} per second, `end_rate` and the peak's too", limit::MAX_RATE),
            );
        }
        if self.at.0 >= duration || self.peak.is_some_and(|peak| peak.at.0.saturating_add(peak.lasts.0) > duration) {
            return wrong("at", format!("or its peak reach beyond the run's {duration:?}"));
        }
        if self.curve(duration).total() == 0 {
            return wrong("rate", "brings nobody in the time of the run".to_owned());
        }
        if self.quota == 0 {
            return wrong("quota", "must be at least 1".to_owned());
        }
        Ok(())
    }
}
