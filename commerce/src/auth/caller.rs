//! The caller as handlers see it.

use std::fmt;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Scope, Scopes};
use crate::actor::Actor;
use crate::problem::Problem;

/// Somebody whose token holds. As an extractor it refuses everybody else with 401.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// For whom: a customer, a prescriber, or an actor by its name.
    pub(crate) subject: String,
    /// Who acts for the subject, if not it itself: the reseller for a customer.
    pub(crate) actor: Option<String>,
    /// What the token allows.
    pub(crate) scopes: Scopes,
}

impl Caller {
    /// Whether the token allows this.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// Refuses callers whose token does not allow this.
    ///
    /// # Errors
    /// 403, naming the scope.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) { Ok(()) } else { Err(Problem::forbidden(format!("the scope {scope} is needed"))) }
    }

    /// Whose idempotency keys these are: those of one acting for a customer are not the customer's.
    pub(crate) fn owner(&self) -> String {
        match &self.actor {
            Some(actor) => format!("{}>{actor}", self.subject),
            None => self.subject.clone(),
        }
    }

    /// Whether one of our actors calls, for itself or for somebody. Only a key of ours can say so.
    pub(crate) fn is_service(&self) -> bool {
        Actor::parse(self.actor.as_deref().unwrap_or(&self.subject)).is_some()
    }
}

impl fmt::Debug for Caller {
    /// Without the names, which are of people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// The caller, if there is a token.
#[derive(Debug, Clone)]
pub(crate) struct MaybeCaller(pub(crate) Option<Caller>);

impl MaybeCaller {
    /// Whether there is a token that allows this.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.0.as_ref().is_some_and(|caller| caller.may(scope))
    }
}

/// What the authentication layer left behind.
fn caller_of(parts: &Parts) -> Option<Caller> {
    parts.extensions.get::<Arc<Caller>>().map(|caller| Caller::clone(caller))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        caller_of(parts).ok_or_else(|| Problem::unauthenticated("send a token in the header Authorization: Bearer"))
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeCaller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(caller_of(parts)))
    }
}
