//! What happens to packets on the way.

use serde::Deserialize;

use super::error::PlanError;
use super::quantity::{Rate, Span};
use crate::impair::Impairment;

/// Everything is per direction and per viewer, as if each had a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ImpairmentPlan {
    /// Time on the way, one way.
    pub(crate) delay: Span,
    /// Up to so much more, by chance; packets keep their order.
    pub(crate) jitter: Span,
    /// Share of packets that are lost, 0 to 1.
    pub(crate) loss: f64,
    /// Bits per second that pass towards the viewer; what waits too long is lost.
    pub(crate) rate: Option<Rate>,
}

impl ImpairmentPlan {
    pub(crate) fn path(&self) -> Impairment {
        Impairment {
            delay: self.delay.0,
            jitter: self.jitter.0,
            loss: self.loss,
            rate: self.rate.map(|Rate(rate)| rate),
        }
    }

    pub(super) fn check(&self) -> Result<(), PlanError> {
        let wrong = |key: &str, reason: &str| {
            Err(PlanError::Value { key: format!("impairment.{key}"), reason: reason.to_owned() })
        };
        if !(0.0..1.0).contains(&self.loss) {
            return wrong("loss", "must be at least 0 and less than 1");
        }
        if self.delay.0 + self.jitter.0 > std::time::Duration::from_secs(10) {
            return wrong("delay", "is over ten seconds with its jitter");
        }
        if self.rate.is_some_and(|Rate(rate)| rate < 1000.0) {
            return wrong("rate", "is under 1kbit/s");
        }
        Ok(())
    }
}
