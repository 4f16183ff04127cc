//! Token aliases of one direction (section 10.2.2).

use std::collections::HashMap;

use bytes::Bytes;

use super::event::ResolvedToken;
use crate::limit::TOKEN_OVERHEAD_BYTES;
use crate::{ProtocolError, SessionErrorCode, Token};

/// Why a token could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenFault {
    /// REGISTER of an alias in use.
    AliasInUse(u64),
    /// REGISTER past the size limit.
    Overflow(u64),
    /// DELETE or USE_ALIAS of an alias not registered.
    UnknownAlias(u64),
}

impl From<TokenFault> for ProtocolError {
    fn from(token_fault: TokenFault) -> Self {
        match token_fault {
            TokenFault::AliasInUse(alias) => Self::new(
                SessionErrorCode::DuplicateAuthTokenAlias,
                format!("token alias {alias} is already registered"),
            ),
            TokenFault::Overflow(limit) => Self::new(
                SessionErrorCode::AuthTokenCacheOverflow,
                format!("registered tokens exceed the limit of {limit} bytes"),
            ),
            TokenFault::UnknownAlias(alias) => {
                Self::new(SessionErrorCode::UnknownAuthTokenAlias, format!("token alias {alias} is not registered"))
            }
        }
    }
}

/// The tokens one side has registered with the other.
#[derive(Clone, Debug)]
pub(super) struct TokenCache {
    limit: u64,
    used: u64,
    tokens: HashMap<u64, ResolvedToken>,
}

impl TokenCache {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: 0, tokens: HashMap::new() }
    }

    /// Applies the tokens of one message in order and returns their values. What was applied before
    /// a fault stays applied: the fault ends the session anyway.
    pub(super) fn apply(&mut self, tokens: &[Token]) -> Result<Vec<ResolvedToken>, TokenFault> {
        let mut resolved = Vec::new();
        for token in tokens {
            match token {
                Token::Delete { alias } => self.delete(*alias)?,
                Token::Register { alias, kind, value } => {
                    let token = ResolvedToken { kind: *kind, value: value.clone() };
                    self.register(*alias, &token)?;
                    resolved.push(token);
                }
                Token::UseAlias { alias } => {
                    resolved.push(self.tokens.get(alias).cloned().ok_or(TokenFault::UnknownAlias(*alias))?);
                }
                Token::UseValue { kind, value } => {
                    resolved.push(ResolvedToken { kind: *kind, value: value.clone() });
                }
            }
        }
        Ok(resolved)
    }

    /// As [`apply`](Self::apply) for the tokens of a SETUP, where a REGISTER that does not fit
    /// counts as USE_VALUE.
    pub(super) fn apply_setup(&mut self, tokens: &[Token]) -> Result<Vec<ResolvedToken>, TokenFault> {
        let mut resolved = Vec::new();
        for token in tokens {
            match self.apply(std::slice::from_ref(token)) {
                Ok(values) => resolved.extend(values),
                Err(TokenFault::Overflow(limit)) => {
                    let Token::Register { kind, value, .. } = token else {
                        return Err(TokenFault::Overflow(limit));
                    };
                    resolved.push(ResolvedToken { kind: *kind, value: value.clone() });
                }
                Err(other) => return Err(other),
            }
        }
        Ok(resolved)
    }

    fn register(&mut self, alias: u64, token: &ResolvedToken) -> Result<(), TokenFault> {
        if self.tokens.contains_key(&alias) {
            return Err(TokenFault::AliasInUse(alias));
        }
        let used = self.used.saturating_add(cost(token));
        if used > self.limit {
            return Err(TokenFault::Overflow(self.limit));
        }
        self.used = used;
        // A slice would keep the whole message it came in alive for the length of the session.
        let value = Bytes::copy_from_slice(&token.value);
        self.tokens.insert(alias, ResolvedToken { kind: token.kind, value });
        Ok(())
    }

    fn delete(&mut self, alias: u64) -> Result<(), TokenFault> {
        let token = self.tokens.remove(&alias).ok_or(TokenFault::UnknownAlias(alias))?;
        self.used -= cost(&token);
        Ok(())
    }
}

fn cost(token: &ResolvedToken) -> u64 {
    TOKEN_OVERHEAD_BYTES + token.value.len() as u64
}

/// Whether the same kind and value appears twice, which one message must not do.
pub(super) fn has_repeats(tokens: &[ResolvedToken]) -> bool {
    let mut seen = std::collections::HashSet::with_capacity(tokens.len());
    tokens.iter().any(|token| !seen.insert((token.kind, &token.value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(alias: u64, length: usize) -> Token {
        Token::Register { alias, kind: 0, value: vec![7; length].into() }
    }

    #[test]
    fn a_token_costs_sixteen_bytes_and_its_value() {
        let mut cache = TokenCache::new(40);
        cache.apply(&[register(1, 4)]).unwrap();
        cache.apply(&[register(2, 4)]).unwrap();
        assert_eq!(cache.used, 40);
        assert_eq!(cache.apply(&[register(3, 0)]), Err(TokenFault::Overflow(40)));
        cache.apply(&[Token::Delete { alias: 1 }]).unwrap();
        cache.apply(&[register(3, 4)]).unwrap();
        assert_eq!(cache.used, 40);
    }

    #[test]
    fn a_limit_of_zero_forbids_aliases() {
        assert_eq!(TokenCache::new(0).apply(&[register(1, 0)]), Err(TokenFault::Overflow(0)));
    }

    #[test]
    fn an_alias_stands_for_its_value_until_deleted() {
        let mut cache = TokenCache::new(100);
        cache.apply(&[register(9, 3)]).unwrap();
        let used = cache.apply(&[Token::UseAlias { alias: 9 }]).unwrap();
        assert_eq!(used, vec![ResolvedToken { kind: 0, value: vec![7; 3].into() }]);
        assert_eq!(cache.apply(&[register(9, 3)]), Err(TokenFault::AliasInUse(9)));
        cache.apply(&[Token::Delete { alias: 9 }]).unwrap();
        assert_eq!(cache.apply(&[Token::UseAlias { alias: 9 }]), Err(TokenFault::UnknownAlias(9)));
    }

    #[test]
    fn a_register_too_large_in_setup_is_only_used() {
        let mut cache = TokenCache::new(20);
        let values = cache.apply_setup(&[register(1, 100), register(2, 4)]).unwrap();
        assert_eq!(values.len(), 2);
        assert_eq!(cache.apply(&[Token::UseAlias { alias: 1 }]), Err(TokenFault::UnknownAlias(1)));
        assert!(cache.apply(&[Token::UseAlias { alias: 2 }]).is_ok());
    }

    #[test]
    fn repeats_are_seen_after_resolving() {
        let mut cache = TokenCache::new(100);
        cache.apply(&[register(1, 2)]).unwrap();
        let twice = [Token::UseAlias { alias: 1 }, Token::UseValue { kind: 0, value: vec![7; 2].into() }];
        assert!(has_repeats(&cache.apply(&twice).unwrap()));
        let once = [Token::UseAlias { alias: 1 }, Token::UseValue { kind: 1, value: vec![7; 2].into() }];
        assert!(!has_repeats(&cache.apply(&once).unwrap()));
    }
}
