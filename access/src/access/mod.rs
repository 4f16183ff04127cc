//! Who may do what on this server.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use moka::sync::Cache;
use moqt::Token;
use moqt::session::ResolvedToken;
use percent_encoding::percent_decode_str;
use process::Secret;
use ring::digest::{Context, SHA256};
use subtle::ConstantTimeEq;

use crate::grant::{Denial, Grant, Permit, Shown, TokenFault, decide};
use crate::key::{KeyError, Keyring};
use crate::limit;
use crate::scope::Scope;
use crate::settings::AccessSettings;
use crate::standing::Visitor;
use crate::token::{Rules, namespace_of, verify_cat, verify_text};
use crate::want::{Actions, Want};

/// The parameters of a query that hold a token: ours, and that of moq-dev.
const QUERY_PARAMETERS: [&str; 2] = ["token", "jwt"];
/// The scheme of an Authorization field that holds a token (RFC 6750).
const SCHEME: &str = "Bearer";

/// What the operator wants to see before a request is looked at.
#[derive(Debug)]
pub struct Access {
    publish: Option<Secret>,
    subscribe: Option<Secret>,
    /// What everybody may.
    everybody: Grant,
    /// What the shared secrets open.
    publisher: Shown,
    subscriber: Shown,
    rules: Rules,
    keyring: Keyring,
    /// By hash, so that memory holds no tokens of visitors who are gone.
    verified: Cache<[u8; 32], Shown>,
}

impl Access {
    /// Reads key files. An empty shared token is none.
    ///
    /// # Errors
    /// A key file cannot be used.
    pub fn load(settings: &AccessSettings) -> Result<Arc<Self>, KeyError> {
        let AccessSettings { publish_token, subscribe_token, anonymous_publish, anonymous_subscribe, .. } = settings;
        let wanted = |token: &Option<Secret>| token.clone().filter(|token| !token.expose().is_empty());
        let (publish, subscribe) = (wanted(publish_token), wanted(subscribe_token));
        let all = |actions| Scope::under(actions, &moqt::Namespace::default());
        let keyed = settings.has_keys();
        let doors = [
            (Actions::PUBLISH, publish.is_none(), anonymous_publish),
            (Actions::SUBSCRIBE, subscribe.is_none(), anonymous_subscribe),
        ];
        let mut everybody = Grant::default();
        for (actions, no_secret, prefixes) in doors {
            if no_secret && !keyed && prefixes.is_empty() {
                everybody.scopes.push(all(actions));
            }
            let prefixes = prefixes.iter().filter_map(|path| namespace_of(path).ok());
            everybody.scopes.extend(prefixes.map(|prefix| Scope::under(actions, &prefix)));
        }
        let shared = |actions| Ok(Arc::new(Grant { scopes: vec![all(actions)], ..Grant::default() }));
        Ok(Arc::new(Self {
            publish,
            subscribe,
            everybody,
            publisher: shared(Actions::PUBLISH.and(Actions::SUBSCRIBE)),
            subscriber: shared(Actions::SUBSCRIBE),
            rules: settings.rules(),
            keyring: Keyring::load(settings)?,
            verified: Cache::builder().max_capacity(limit::VERIFIED_TOKENS).time_to_live(limit::VERIFIED_TIME).build(),
        }))
    }

    /// Keeps keys fresh, for ever.
    pub async fn run(&self) -> Infallible {
        self.keyring.run().await
    }

    /// A session, by the query of its path and the tokens of its SETUP.
    pub fn session(self: &Arc<Self>, path: &str, tokens: &[ResolvedToken]) -> Arc<Visitor> {
        let query = path.split_once('?').map(|(_, query)| query);
        let shown = query_tokens(query).map(text_token).chain(tokens.iter().cloned());
        Arc::new(Visitor::new(self.clone(), shown.collect()))
    }

    /// A GET, by the query of its URL and its Authorization field.
    pub fn http(self: &Arc<Self>, query: Option<&str>, authorization: Option<&[u8]>) -> Arc<Visitor> {
        let bearer = authorization.and_then(bearer).map(Cow::Borrowed);
        let shown = query_tokens(query).chain(bearer).map(text_token);
        Arc::new(Visitor::new(self.clone(), shown.collect()))
    }

    /// Whether not everybody may have this, so that shared caches on the way must not keep it.
    pub fn is_private(&self, want: &Want) -> bool {
        !self.is_for_everybody(want)
    }

    pub(crate) fn is_for_everybody(&self, want: &Want) -> bool {
        self.everybody.scopes.iter().any(|scope| scope.opens(want))
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// What one token allows, whatever the time.
    pub(crate) fn judge(&self, token: &ResolvedToken) -> Shown {
        let is = |wanted: &Option<Secret>| {
            wanted.as_ref().is_some_and(|wanted| bool::from(wanted.expose().as_bytes().ct_eq(&token.value)))
        };
        if token.kind == Token::OUT_OF_BAND {
            // Both are compared, whatever the first comparison says.
            match (is(&self.publish), is(&self.subscribe)) {
                (true, _) => return self.publisher.clone(),
                (_, true) => return self.subscriber.clone(),
                _ => {}
            }
        }
        if !self.keyring.is_used() {
            return Err(TokenFault::Unknown);
        }
        let (keys, number) = self.keyring.keys();
        let mut hash = Context::new(&SHA256);
        hash.update(&number.to_be_bytes());
        hash.update(&token.kind.to_be_bytes());
        hash.update(&token.value);
        let Ok(hash) = <[u8; 32]>::try_from(hash.finish().as_ref()) else { return Err(TokenFault::Unknown) };
        self.verified.get_with(hash, || match token.kind {
            Token::OUT_OF_BAND => verify_text(&token.value, &keys, &self.rules).map(Arc::new),
            Token::CAT => verify_cat(&token.value, &keys, &self.rules).map(Arc::new),
            _ => Err(TokenFault::Unknown),
        })
    }

    /// Whether these tokens, or none, are enough.
    pub(crate) fn decide<'a>(
        &self,
        tokens: impl IntoIterator<Item = &'a ResolvedToken>,
        want: &Want,
    ) -> Result<Permit, Denial> {
        if self.is_for_everybody(want) {
            return Ok(Permit { until: None });
        }
        let shown: Vec<Shown> = tokens.into_iter().map(|token| self.judge(token)).collect();
        decide(&shown, want, SystemTime::now())
    }
}

/// A token in text is of the kind that both sides agreed on.
fn text_token(value: Cow<'_, [u8]>) -> ResolvedToken {
    ResolvedToken { kind: Token::OUT_OF_BAND, value: value.into_owned().into() }
}

/// Every token of a query, percent-decoded. `+` stands for itself, as tokens in base 64 have it.
fn query_tokens(query: Option<&str>) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let named = pairs.filter(|(name, value)| QUERY_PARAMETERS.contains(name) && !value.is_empty());
    named.map(|(_, value)| percent_decode_str(value).into())
}

/// The token of an Authorization field.
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(SCHEME.len())?;
    let token = token.strip_prefix(b" ").filter(|_| scheme.eq_ignore_ascii_case(SCHEME.as_bytes()))?;
    Some(token.trim_ascii())
}

#[cfg(test)]
mod tests;
