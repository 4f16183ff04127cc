//! What a token says, and why one is not believed.

use serde::{Deserialize, Serialize};

use super::limit::{LEEWAY, NAME_BYTES};
use super::{Caller, Scopes};
use crate::actor::Actor;
use crate::clock::Timestamp;
use crate::problem::Problem;

/// The claims of our tokens (RFC 7519; `act` of RFC 8693).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    pub(super) aud: Audience,
    /// Seconds since 1970.
    pub(super) exp: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) act: Option<Acting>,
}

/// One audience or several.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Who acts for the subject.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Acting {
    pub(super) sub: String,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It is no token of ours.
    #[error("the token cannot be read")]
    Malformed,
    /// It is not signed with EdDSA.
    #[error("tokens are signed with EdDSA")]
    Algorithm,
    /// The signature is not that of a trusted key.
    #[error("the token's signature does not hold")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It claims more time than tokens get here.
    #[error("the token holds for too long")]
    TooLong,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::unauthenticated(error.to_string())
    }
}

/// Claims that hold, in the form in which they are asked for.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) caller: std::sync::Arc<Caller>,
    /// A bit per actor.
    audience: u8,
    expires: Timestamp,
}

impl Claims {
    /// Reads the claims of a token whose signature holds.
    pub(super) fn verified(self, now: Timestamp, longest: std::time::Duration) -> Result<Verified, TokenError> {
        let expires = Timestamp(self.exp.saturating_mul(1000));
        if expires > now.after(longest).after(LEEWAY) {
            return Err(TokenError::TooLong);
        }
        let names = match &self.aud {
            Audience::One(name) => std::slice::from_ref(name),
            Audience::Many(names) => names.as_slice(),
        };
        let audience = names.iter().filter_map(|name| Actor::parse(name)).fold(0, |bits, actor| bits | bit(actor));
        let fits = |name: &str| (1..=NAME_BYTES).contains(&name.len()) && !name.contains(char::is_control);
        let actor = self.act.map(|act| act.sub);
        if !fits(&self.sub) || actor.as_deref().is_some_and(|actor| !fits(actor)) {
            return Err(TokenError::Malformed);
        }
        let caller = Caller { subject: self.sub, actor, scopes: Scopes::parse(&self.scope) };
        Ok(Verified { caller: caller.into(), audience, expires })
    }
}

impl Verified {
    /// The caller, if the token holds at this moment and is for this actor; with `None`, for any.
    pub(super) fn caller_for(
        &self,
        audience: Option<Actor>,
        now: Timestamp,
    ) -> Result<&std::sync::Arc<Caller>, TokenError> {
        if self.expires.after(LEEWAY) <= now {
            return Err(TokenError::Expired);
        }
        if self.audience & audience.map_or(u8::MAX, bit) == 0 {
            return Err(TokenError::Audience);
        }
        Ok(&self.caller)
    }
}

fn bit(actor: Actor) -> u8 {
    1 << actor as u8
}
