//! Who may publish and who may watch: pure rules over the tokens a peer shows.

use std::borrow::Cow;

use moqt::session::ResolvedToken;
use moqt::{RequestErrorCode, Token};
use percent_encoding::percent_decode_str;
use process::Secret;
use subtle::ConstantTimeEq;

use crate::settings::AccessSettings;

/// The parameter of a query that holds a token.
const QUERY_PARAMETER: &str = "token";
/// The scheme of an Authorization field that holds a token (RFC 6750).
const SCHEME: &str = "Bearer";

/// What the operator wants to see before a request is looked at.
#[derive(Debug)]
pub(crate) struct Access {
    publish: Option<Secret>,
    subscribe: Option<Secret>,
}

/// What a request needs to be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Offer tracks or namespaces.
    Publish,
    /// Learn of tracks, or receive them.
    Subscribe,
}

/// What a peer has shown that it may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Grants {
    publish: bool,
    subscribe: bool,
}

impl Right {
    /// The code and the words of a refusal: the same whether a token was missing or wrong.
    pub(crate) fn refusal(self) -> (RequestErrorCode, &'static str) {
        let reason = match self {
            Self::Publish => "a valid token for publishing is needed",
            Self::Subscribe => "a valid token for watching is needed",
        };
        (RequestErrorCode::Unauthorized, reason)
    }
}

impl Grants {
    pub(crate) fn allow(self, right: Right) -> bool {
        match right {
            Right::Publish => self.publish,
            Right::Subscribe => self.subscribe,
        }
    }

    fn and(self, other: Self) -> Self {
        Self { publish: self.publish || other.publish, subscribe: self.subscribe || other.subscribe }
    }
}

impl Access {
    /// An empty token is none: everybody may.
    pub(crate) fn new(settings: &AccessSettings) -> Self {
        let AccessSettings { publish_token, subscribe_token } = settings;
        let wanted = |token: &Option<Secret>| token.clone().filter(|token| !token.expose().is_empty());
        Self { publish: wanted(publish_token), subscribe: wanted(subscribe_token) }
    }

    /// What a session may do: by the query of its path and the tokens of its SETUP.
    pub(crate) fn session(&self, path: &str, tokens: &[ResolvedToken]) -> Grants {
        let query = path.split_once('?').map(|(_, query)| query);
        let shown = query_tokens(query).fold(Grants::default(), |grants, token| grants.and(self.grants(&token)));
        shown.and(self.request(tokens))
    }

    /// What tokens on a request allow, besides what its session may do.
    pub(crate) fn request(&self, tokens: &[ResolvedToken]) -> Grants {
        let agreed = tokens.iter().filter(|token| token.kind == Token::OUT_OF_BAND);
        agreed.fold(self.grants(&[]), |grants, token| grants.and(self.grants(&token.value)))
    }

    /// Whether a GET may be answered: by the query of its URL and its Authorization field.
    pub(crate) fn permits_http(&self, query: Option<&str>, authorization: Option<&[u8]>) -> bool {
        let in_query = query_tokens(query).any(|token| self.grants(&token).subscribe);
        in_query || self.grants(authorization.and_then(bearer).unwrap_or_default()).subscribe
    }

    /// Whether answers are for their readers alone, and not for shared caches on the way.
    pub(crate) fn is_private(&self) -> bool {
        self.subscribe.is_some()
    }

    /// What one token allows; the empty one is what everybody has. Who may publish may watch.
    fn grants(&self, token: &[u8]) -> Grants {
        let is = |wanted: &Secret| bool::from(wanted.expose().as_bytes().ct_eq(token));
        let publisher = self.publish.as_ref().is_some_and(is);
        let subscriber = self.subscribe.as_ref().is_none_or(is);
        Grants { publish: publisher || self.publish.is_none(), subscribe: subscriber | publisher }
    }
}

/// Every `token=` of a query, percent-decoded. `+` stands for itself, as tokens in base 64 have it.
fn query_tokens(query: Option<&str>) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == QUERY_PARAMETER).map(|(_, value)| percent_decode_str(value).into())
}

/// The token of an Authorization field.
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(SCHEME.len())?;
    let token = token.strip_prefix(b" ").filter(|_| scheme.eq_ignore_ascii_case(SCHEME.as_bytes()))?;
    Some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Grants = Grants { publish: false, subscribe: false };
    const WATCH: Grants = Grants { publish: false, subscribe: true };
    const PUBLISH: Grants = Grants { publish: true, subscribe: false };
    const BOTH: Grants = Grants { publish: true, subscribe: true };

    fn access(publish: &str, subscribe: &str) -> Access {
        let secret = |text: &str| Some(Secret::from(text.to_owned()));
        Access::new(&AccessSettings { publish_token: secret(publish), subscribe_token: secret(subscribe) })
    }

    fn token(kind: u64, value: &'static str) -> ResolvedToken {
        ResolvedToken { kind, value: value.into() }
    }

    #[test]
    fn without_tokens_everybody_may_do_everything() {
        let open = Access::new(&AccessSettings::default());
        for open in [open, access("", "")] {
            assert_eq!(open.session("/live", &[]), BOTH);
            assert_eq!(open.session("/live?token=whatever", &[token(0, "x")]), BOTH);
            assert!(open.permits_http(None, None) && !open.is_private());
        }
    }

    #[test]
    fn each_token_opens_its_own_door_and_publishers_may_watch() {
        let closed = access("pub", "sub");
        for (path, grants) in [
            ("/live", NOTHING),
            ("/live?token=", NOTHING),
            ("/live?token=su", NOTHING),
            ("/live?token=subs", NOTHING),
            ("/live?token=SUB", NOTHING),
            ("/live?tokens=sub", NOTHING),
            ("/token=sub", NOTHING),
            ("/live?token=sub", WATCH),
            ("/live?a=b&token=sub&c", WATCH),
            ("/live?token=%73u%62", WATCH),
            ("?token=pub", BOTH),
            ("/live?token=wrong&token=pub", BOTH),
        ] {
            assert_eq!(closed.session(path, &[]), grants, "{path}");
        }
        assert_eq!(closed.session("/", &[token(0, "sub")]), WATCH);
        assert_eq!(closed.session("/", &[token(1, "sub")]), NOTHING, "a token of another type");
        assert_eq!(closed.request(&[token(0, "wrong"), token(0, "pub")]), BOTH);
        assert_eq!(closed.request(&[]), NOTHING);
    }

    #[test]
    fn one_door_may_stay_open() {
        assert_eq!(access("pub", "").session("/", &[]), WATCH);
        assert_eq!(access("pub", "").session("/?token=pub", &[]), BOTH);
        assert_eq!(access("", "sub").session("/", &[]), PUBLISH);
        assert_eq!(access("", "sub").session("/?token=sub", &[]), BOTH);
    }

    #[test]
    fn http_takes_the_token_in_the_query_or_as_a_bearer() {
        let closed = access("pub", "s/u+b=");
        for query in ["token=s%2Fu%2Bb%3D", "token=s/u+b=", "x=1&token=pub"] {
            assert!(closed.permits_http(Some(query), None), "{query}");
        }
        for field in ["Bearer s/u+b=", "bearer  s/u+b= ", "BEARER pub"] {
            assert!(closed.permits_http(None, Some(field.as_bytes())), "{field}");
        }
        for field in ["", "Bearer", "Bearer ", "Basic s/u+b=", "s/u+b=", "Bearers/u+b="] {
            assert!(!closed.permits_http(Some("token="), Some(field.as_bytes())), "{field}");
        }
        assert!(!closed.permits_http(None, Some(b"Bear\xff")) && closed.is_private());
    }

    #[test]
    fn nothing_prints_a_token() {
        assert!(!format!("{:?}", access("hush", "hush")).contains("hush"));
    }
}
