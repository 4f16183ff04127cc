//! What JSON tokens say: the claims of moq-dev's moq-token, and two more for single tracks.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::Rules;
use super::path::{namespace_of, track_of};
use crate::grant::{Grant, TokenFault};
use crate::limit;
use crate::scope::Scope;
use crate::want::{Action, Actions};

/// The claims of a token. Others may stand beside these and mean nothing here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// What the paths below begin with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// Namespaces to publish in, with everything below; `""` is all of `root`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub put: OneOrMany,
    /// Namespaces to watch, with everything below.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub get: OneOrMany,
    /// Single tracks to publish: a namespace and the track's name, between slashes.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub put_track: OneOrMany,
    /// Single tracks to watch.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub get_track: OneOrMany,
    /// Who made the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// For whom it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Which servers are to believe it.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub aud: OneOrMany,
    /// Seconds since 1970 when it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<Number>,
    /// Seconds since 1970 when it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<Number>,
    /// Seconds since 1970 when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<Number>,
}

/// A text or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// Only one.
    One(String),
    /// Any number.
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    /// The texts.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts.as_slice(),
        };
        texts.iter().map(String::as_str)
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Many(texts) if texts.is_empty())
    }
}

/// Why claims make no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// A path cannot be a name.
    #[error("`{0}` is no name: at most 32 fields and 4096 bytes, a track has a name after its namespace")]
    Name(String),
    /// There are too many of them.
    #[error("a token may name {} rights at most", limit::SCOPES)]
    TooMany,
    /// A time that is none.
    #[error("`{0}` is no time")]
    Time(&'static str),
}

impl Claims {
    /// The rights that the claims name.
    ///
    /// # Errors
    /// See [`ClaimsError`].
    pub fn scopes(&self) -> Result<Vec<Scope>, ClaimsError> {
        const WATCH_TRACK: Actions = Actions::of(&[Action::Subscribe, Action::Fetch, Action::TrackStatus]);
        const PUBLISH_TRACK: Actions = Actions::of(&[Action::Publish]);
        let full = |path: &str| format!("{}/{path}", self.root);
        let wrong = |path: &str| ClaimsError::Name(path.to_owned());
        let mut scopes = Vec::new();
        for (paths, actions) in [(&self.put, Actions::PUBLISH), (&self.get, Actions::SUBSCRIBE)] {
            for path in paths.iter() {
                let namespace = namespace_of(&full(path)).map_err(|_| wrong(path))?;
                scopes.push(Scope::under(actions, &namespace));
            }
        }
        for (paths, actions) in [(&self.put_track, PUBLISH_TRACK), (&self.get_track, WATCH_TRACK)] {
            for path in paths.iter() {
                let track = track_of(&full(path)).filter(|_| !path.is_empty()).ok_or_else(|| wrong(path))?;
                scopes.push(Scope::track(actions, &track));
            }
        }
        if scopes.len() > limit::SCOPES { Err(ClaimsError::TooMany) } else { Ok(scopes) }
    }

    /// What the claims of a signed token allow.
    pub(super) fn grant(&self, rules: &Rules) -> Result<Grant, TokenFault> {
        rules.issuer(self.iss.as_deref())?;
        rules.audience(self.aud.iter())?;
        let seconds = |time: &Option<Number>| time.as_ref().and_then(Number::as_f64);
        let times = Times { from: seconds(&self.nbf), until: seconds(&self.exp) };
        times.grant(self.scopes().map_err(|_| TokenFault::Malformed)?, rules)
    }

    /// Whether the claims can be signed as they are.
    pub(super) fn check(&self) -> Result<(), ClaimsError> {
        self.scopes()?;
        for (name, time) in [("exp", &self.exp), ("nbf", &self.nbf), ("iat", &self.iat)] {
            let seconds = time.as_ref().and_then(Number::as_f64);
            if seconds.is_some_and(|seconds| Duration::try_from_secs_f64(seconds).is_err()) {
                return Err(ClaimsError::Time(name));
            }
        }
        Ok(())
    }
}

/// When a token begins and ends, in seconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) from: Option<f64>,
    pub(super) until: Option<f64>,
}

impl Times {
    pub(super) fn grant(self, scopes: Vec<Scope>, rules: &Rules) -> Result<Grant, TokenFault> {
        let at = |seconds: f64| {
            let since = Duration::try_from_secs_f64(seconds).map_err(|_| TokenFault::Malformed)?;
            UNIX_EPOCH.checked_add(since).ok_or(TokenFault::Malformed)
        };
        let leeway = Duration::from_secs(rules.leeway_s);
        let from = self.from.map(at).transpose()?.map(|from| from.checked_sub(leeway).unwrap_or(UNIX_EPOCH));
        let until = self.until.map(at).transpose()?.map(|until| until.checked_add(leeway).unwrap_or(until));
        Ok(Grant { scopes, from, until, revalidate: None })
    }
}
