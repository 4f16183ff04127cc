//! What one token allows, and whether what was shown is enough for a request: pure rules.

use std::time::{Duration, SystemTime};

use moqt::RequestErrorCode;

use crate::scope::Scope;
use crate::want::Want;

/// What a token that is believed allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Rights; any of them is enough.
    pub scopes: Vec<Scope>,
    /// Before this moment it allows nothing.
    pub from: Option<SystemTime>,
    /// From this moment on it allows nothing.
    pub until: Option<SystemTime>,
    /// After this long it must be looked at again.
    pub revalidate: Option<Duration>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenFault {
    /// It is no secret of this server's, and has no form of a token.
    #[error("it is no token that this server knows")]
    Unknown,
    /// It begins like a token and cannot be read to its end.
    #[error("it cannot be read")]
    Malformed,
    /// It is signed in a way that is not accepted.
    #[error("it is not signed with EdDSA, ES256 or HS256")]
    Algorithm,
    /// Nobody has given this server the key that it names.
    #[error("its key is not known")]
    Key,
    /// The signature is not the key's.
    #[error("its signature does not hold")]
    Signature,
    /// It is of an issuer that is not accepted.
    #[error("its issuer is not accepted")]
    Issuer,
    /// It is for somebody else.
    #[error("it is for another audience")]
    Audience,
    /// It demands what this server does not do.
    #[error("it makes a demand that is not supported")]
    Unsupported,
}

impl TokenFault {
    /// As a label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A token that was shown: what it allows, or why nothing.
pub type Shown = Result<std::sync::Arc<Grant>, TokenFault>;

/// The right to go on with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// Until when; `None` = without end.
    pub until: Option<SystemTime>,
}

impl Permit {
    /// The longer of two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { until: self.until.zip(other.until).map(|(one, two)| one.max(two)) }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Nothing was shown.
    Nothing,
    /// What was shown is good for other things.
    Right,
    /// What was shown would do, but its time is over.
    Expired,
    /// What was shown will do, but not yet.
    NotYet,
    /// What was shown is not believed.
    Token(TokenFault),
}

impl Denial {
    /// For REQUEST_ERROR. It never depends on what exists.
    pub fn code(self) -> RequestErrorCode {
        match self {
            Self::Expired => RequestErrorCode::ExpiredAuthToken,
            Self::Token(TokenFault::Malformed) => RequestErrorCode::MalformedAuthToken,
            _ => RequestErrorCode::Unauthorized,
        }
    }

    /// In words, for the peer: whether a token is missing or wrong is not told.
    pub fn reason(self, want: &Want) -> &'static str {
        match (self, want.is_publishing()) {
            (Self::Expired, _) => "the token has expired",
            (Self::Token(TokenFault::Malformed), _) => "the token cannot be read",
            (_, true) => "a valid token for publishing is needed",
            (_, false) => "a valid token for watching is needed",
        }
    }

    /// As a label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Nothing => "missing",
            Self::Right => "right",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Token(fault) => fault.label(),
        }
    }
}

/// Whether what was shown is enough: the longest permit that any of it gives.
///
/// # Errors
/// Why not; of several reasons the one that its holder can do most about.
pub fn decide<'a>(shown: impl IntoIterator<Item = &'a Shown>, want: &Want, now: SystemTime) -> Result<Permit, Denial> {
    let mut permit: Option<Permit> = None;
    let mut denial = Denial::Nothing;
    for token in shown {
        let grant = match token {
            Ok(grant) => grant,
            Err(fault) => {
                denial = weightier(denial, Denial::Token(*fault));
                continue;
            }
        };
        if !grant.scopes.iter().any(|scope| scope.opens(want)) {
            denial = weightier(denial, Denial::Right);
        } else if grant.until.is_some_and(|until| until <= now) {
            denial = weightier(denial, Denial::Expired);
        } else if grant.from.is_some_and(|from| from > now) {
            denial = weightier(denial, Denial::NotYet);
        } else {
            let again = grant.revalidate.and_then(|interval| now.checked_add(interval));
            let until = [grant.until, again].into_iter().flatten().min();
            let given = Permit { until };
            permit = Some(permit.map_or(given, |permit| permit.max(given)));
        }
    }
    permit.ok_or(denial)
}

fn weightier(one: Denial, two: Denial) -> Denial {
    let weight = |denial| match denial {
        Denial::Nothing => 0,
        Denial::Right => 1,
        Denial::Token(TokenFault::Unknown) => 2,
        Denial::Token(_) => 3,
        Denial::NotYet => 4,
        Denial::Expired => 5,
    };
    if weight(two) > weight(one) { two } else { one }
}
