//! Why a plan cannot be run.

use super::shipped::SHIPPED;

/// What is wrong, where; the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// No such file, and no shipped plan of that name.
    #[error("cannot read plan {plan:?}: {error}; shipped plans: {}", names())]
    Unreadable {
        /// As given.
        plan: String,
        /// The system's words.
        error: std::io::Error,
    },
    /// Not TOML, or not with a plan's keys.
    #[error("{0}")]
    Syntax(Box<toml::de::Error>),
    /// A value that makes no sense.
    #[error("`{key}` {reason}")]
    Value {
        /// Which.
        key: String,
        /// Why.
        reason: String,
    },
    /// Any of them, in a plan.
    #[error("plan {plan}: {error}")]
    Within {
        /// The plan, as given.
        plan: String,
        /// What is wrong.
        error: Box<Self>,
    },
}

impl PlanError {
    pub(super) fn within(self, plan: &str) -> Self {
        Self::Within { plan: plan.to_owned(), error: Box::new(self) }
    }
}

fn names() -> String {
    SHIPPED.map(|(name, _)| name).join(", ")
}
