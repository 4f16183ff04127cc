//! Plans: what a run does, as data.

mod error;
mod impairment;
mod quantity;
mod shipped;
mod shops;
mod video;

use serde::Deserialize;

pub(crate) use error::PlanError;
pub(crate) use impairment::ImpairmentPlan;
pub(crate) use quantity::{Quantity, Rate, Size, Span};
pub(crate) use shipped::SHIPPED;
pub(crate) use shops::{Errand, ShopsPlan};
pub(crate) use video::{Behaviour, Choice, Join, Population, VideoPlan};

use std::path::Path;
use std::time::Duration;

use crate::limit;

/// One run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Short name, for reports.
    pub(crate) name: String,
    /// What it shows, for people.
    #[serde(default)]
    pub(crate) description: String,
    /// How long the load lasts.
    #[serde(default = "default_duration")]
    pub(crate) duration: Span,
    /// Length of the intervals in which measures are told.
    #[serde(default = "default_interval")]
    pub(crate) interval: Span,
    /// Decides every random choice.
    #[serde(default)]
    pub(crate) seed: u64,
    /// Relays it needs at least: publishers go to the first, viewers to the others.
    #[serde(default = "default_relays")]
    pub(crate) relays: usize,
    /// Conditions that decide the exit code.
    #[serde(default)]
    pub(crate) require: Vec<String>,
    /// What happens to viewers' packets on the way.
    pub(crate) impairment: Option<ImpairmentPlan>,
    /// Publishers and viewers.
    pub(crate) video: Option<VideoPlan>,
    /// Customers of the shops.
    pub(crate) shops: Option<ShopsPlan>,
}

fn default_duration() -> Span {
    Span(Duration::from_secs(30))
}

fn default_interval() -> Span {
    Span(Duration::from_secs(1))
}

fn default_relays() -> usize {
    1
}

/// Plans are stretched no further: beyond that no time is meant any more.
const MAX_STRETCH: f64 = 1e6;

/// What the command line changes about a plan.
#[derive(Debug, Clone)]
pub(crate) struct Overrides {
    pub(crate) duration: Option<Span>,
    pub(crate) viewers: Option<u32>,
    pub(crate) seed: Option<u64>,
    /// Where the shops are.
    pub(crate) shops: Option<String>,
    /// How many times as many arrivals at the shops.
    pub(crate) arrivals: f64,
    /// How many times longer a pause must be to be a stall.
    pub(crate) slack: u32,
    /// Bounds on count and time do not hold.
    pub(crate) allow_large: bool,
}

impl Plan {
    /// Reads a file, or one of the shipped plans by its name, and applies what the command line changes.
    pub(crate) fn load(source: &str, overrides: &Overrides) -> Result<Self, PlanError> {
        let shipped = SHIPPED.iter().find(|(name, _)| *name == source).map(|(_, text)| (*text).to_owned());
        let text = match shipped {
            Some(text) => text,
            None => read(source)?,
        };
        let mut plan = Self::parse(&text).map_err(|error| error.within(source))?;
        plan.apply(overrides);
        plan.check(overrides.allow_large).map_err(|error| error.within(source))?;
        Ok(plan)
    }

    /// Reads a plan's text; values are not checked yet.
    pub(crate) fn parse(text: &str) -> Result<Self, PlanError> {
        toml::from_str(text).map_err(|error| PlanError::Syntax(Box::new(error)))
    }

    pub(crate) fn apply(&mut self, overrides: &Overrides) {
        let Overrides { duration, viewers, seed, shops, arrivals, slack, allow_large: _ } = overrides;
        if let Some(duration) = duration {
            let factor = duration.0.as_secs_f64() / self.duration.0.as_secs_f64().max(f64::MIN_POSITIVE);
            self.duration = *duration;
            self.video.iter_mut().for_each(|video| video.stretch(factor.min(MAX_STRETCH)));
            self.shops.iter_mut().for_each(|shops| shops.stretch(factor.min(MAX_STRETCH)));
        }
        if let Some(plan) = &mut self.shops {
            plan.scale(*arrivals);
            plan.url = shops.clone().unwrap_or_else(|| std::mem::take(&mut plan.url));
        }
        self.seed = seed.unwrap_or(self.seed);
        if let Some(video) = &mut self.video {
            video.stall.0 = video.stall.0.saturating_mul(*slack);
        }
        if let (Some(viewers), Some(video)) = (viewers, &mut self.video) {
            video.scale(*viewers);
        }
    }

    /// Viewers of the plan.
    pub(crate) fn viewers(&self) -> u32 {
        self.video.as_ref().map_or(0, VideoPlan::count)
    }

    /// Arrivals at the shops.
    pub(crate) fn arrivals(&self) -> u64 {
        self.shops.as_ref().map_or(0, |shops| shops.arrivals(self.duration.0))
    }

    /// Parts of the run that have measures of their own.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        let populations = self.video.iter().flat_map(|video| &video.viewers).map(|population| &*population.name);
        let scenarios = self.shops.iter().flat_map(|shops| &shops.scenarios).map(|scenario| &*scenario.name);
        populations.chain(scenarios)
    }

    /// Says what makes no sense.
    pub(crate) fn check(&self, allow_large: bool) -> Result<(), PlanError> {
        let wrong = |key: &str, reason: String| Err(PlanError::Value { key: key.to_owned(), reason });
        let Span(duration) = self.duration;
        if duration < Duration::from_secs(1) {
            return wrong("duration", "is shorter than a second".to_owned());
        }
        if duration > limit::MAX_DURATION && !allow_large {
            return wrong("duration", format!("is over {:?}: --allow-large takes it", limit::MAX_DURATION));
        }
        if self.viewers() > limit::MAX_VIEWERS && !allow_large {
            return wrong(
                "video.viewers",
                format!("{} are over {}: --allow-large takes them", self.viewers(), limit::MAX_VIEWERS),
            );
        }
        let intervals = duration.as_secs_f64() / self.interval.0.as_secs_f64().max(f64::MIN_POSITIVE);
        if self.interval.0 < Duration::from_millis(100) || intervals > limit::MAX_INTERVALS as f64 {
            return wrong(
                "interval",
                format!("must be 100ms or more, and the duration at most {} of it", limit::MAX_INTERVALS),
            );
        }
        if self.relays == 0 {
            return wrong("relays", "must be at least 1".to_owned());
        }
        if let Some(impairment) = &self.impairment {
            impairment.check()?;
        }
        if self.video.is_none() && self.shops.is_none() {
            return wrong("video", "and `shops` are missing: the plan would load nothing".to_owned());
        }
        if let Some(video) = &self.video {
            video.check(duration)?;
        }
        let populations: Vec<&str> = self.video.iter().flat_map(|v| &v.viewers).map(|one| &*one.name).collect();
        self.shops.as_ref().map_or(Ok(()), |shops| shops.check(duration, &populations, allow_large))
    }
}

fn read(source: &str) -> Result<String, PlanError> {
    let path = Path::new(source);
    let unreadable = |error: std::io::Error| PlanError::Unreadable { plan: source.to_owned(), error };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > limit::MAX_PLAN_BYTES {
        let reason = format!("{length} bytes are over {} for a plan", limit::MAX_PLAN_BYTES);
        return Err(unreadable(std::io::Error::other(reason)));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
mod tests;
