//! Issues tokens and says whose they are.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use moka::sync::Cache;
use ring::digest::{SHA256, digest};

use super::claims::{Acting, Audience, Claims, TokenError, Verified};
use super::key::{KeyError, Keys};
use super::limit::{SERVICE_TOKENS, SERVICE_TTL, TOKEN_BYTES, VERIFIED_TOKENS};
use super::{AuthSettings, Caller, Scope, Scopes, provider};
use crate::actor::Actor;
use crate::clock::Clock;

/// What a token is to say.
#[derive(Debug, Clone)]
pub(crate) struct Grant<'a> {
    /// For whom.
    pub(crate) subject: &'a str,
    /// Who acts for it.
    pub(crate) actor: Option<&'a str>,
    /// Who is to believe it.
    pub(crate) audience: &'a [Actor],
    /// What it allows.
    pub(crate) scopes: Scopes,
    /// How long.
    pub(crate) ttl: Duration,
}

/// Issues and verifies tokens. Clones share keys and memory.
#[derive(Clone)]
pub(crate) struct Authority {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    keys: Keys,
    header: Header,
    validation: Validation,
    longest: Duration,
    /// By the SHA-256 of the token, so that memory holds no tokens.
    verified: Cache<[u8; 32], Arc<Verified>>,
    service: Cache<ServiceGrant, Arc<str>>,
}

/// From, to, scopes, on behalf of whom.
type ServiceGrant = (Actor, Actor, Scopes, Option<String>);

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("key", &self.shared.keys.name).finish_non_exhaustive()
    }
}

impl Authority {
    /// Reads the keys of the settings; makes the private one in `folder` at first start. Blocks for a moment.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub(crate) fn open(settings: &AuthSettings, folder: &Path, clock: Clock) -> Result<Self, KeyError> {
        provider::install();
        let keys = Keys::load(settings, folder)?;
        let header = Header { kid: Some(keys.name.clone()), ..Header::new(Algorithm::EdDSA) };
        let longest = Duration::from_secs(settings.longest_s);
        let verified = Cache::builder().max_capacity(VERIFIED_TOKENS).time_to_live(longest).build();
        let service = Cache::builder().max_capacity(SERVICE_TOKENS).time_to_live(SERVICE_TTL / 2).build();
        // Times and audiences are compared on every use, not only when the signature is checked.
        let mut validation = Validation::new(Algorithm::EdDSA);
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        let shared = Shared { clock, keys, header, validation, longest, verified, service };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes a token. It holds for no longer than tokens may.
    ///
    /// # Errors
    /// The key does not sign.
    pub(crate) fn issue(&self, grant: &Grant<'_>) -> Result<String, KeyError> {
        let expires = self.shared.clock.now().after(grant.ttl.min(self.shared.longest));
        let claims = Claims {
            sub: grant.subject.to_owned(),
            aud: Audience::Many(grant.audience.iter().map(|actor| actor.as_str().to_owned()).collect()),
            exp: expires.0.div_euclid(1000),
            scope: grant.scopes.to_string(),
            act: grant.actor.map(|actor| Acting { sub: actor.to_owned() }),
        };
        jsonwebtoken::encode(&self.shared.header, &claims, &self.shared.keys.signing).map_err(|_| KeyError::Ring)
    }

    /// A token with which one actor calls another, for itself or for a customer.
    ///
    /// # Errors
    /// The key does not sign.
    pub(crate) fn service_token(
        &self,
        from: Actor,
        to: Actor,
        scopes: &[Scope],
        on_behalf_of: Option<&str>,
    ) -> Result<Arc<str>, KeyError> {
        let scopes: Scopes = scopes.iter().copied().collect();
        let wanted = (from, to, scopes, on_behalf_of.map(ToOwned::to_owned));
        if let Some(token) = self.shared.service.get(&wanted) {
            return Ok(token);
        }
        let actor = on_behalf_of.map(|_| from.as_str());
        let subject = on_behalf_of.unwrap_or(from.as_str());
        let token: Arc<str> = self.issue(&Grant { subject, actor, audience: &[to], scopes, ttl: SERVICE_TTL })?.into();
        self.shared.service.insert(wanted, Arc::clone(&token));
        Ok(token)
    }

    /// Whose token this is, if it holds now and is for this actor; with `None`, for any of them.
    ///
    /// # Errors
    /// Why it is not believed.
    pub(crate) fn verify(&self, token: &str, audience: Option<Actor>) -> Result<Arc<Caller>, TokenError> {
        if token.len() > TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let now = self.shared.clock.now();
        let hash = digest(&SHA256, token.as_bytes());
        let hash: [u8; 32] = hash.as_ref().try_into().map_err(|_| TokenError::Malformed)?;
        if let Some(verified) = self.shared.verified.get(&hash) {
            return verified.caller_for(audience, now).cloned();
        }
        let verified = self.check(token)?.verified(now, self.shared.longest)?;
        let caller = verified.caller_for(audience, now).cloned();
        self.shared.verified.insert(hash, Arc::new(verified));
        caller
    }

    /// The claims of a token that a trusted key has signed.
    fn check(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| match error.into_kind() {
            // `none` and whatever else is no algorithm does not parse.
            ErrorKind::Json(error) if error.is_data() => TokenError::Algorithm,
            _ => TokenError::Malformed,
        })?;
        if header.alg != Algorithm::EdDSA {
            return Err(TokenError::Algorithm);
        }
        let name = header.kid.as_deref().unwrap_or(&self.shared.keys.name);
        let key = self.shared.keys.trusted.get(name).ok_or(TokenError::Signature)?;
        match jsonwebtoken::decode(token, key, &self.shared.validation) {
            Ok(data) => Ok(data.claims),
            Err(error) if *error.kind() == ErrorKind::InvalidSignature => Err(TokenError::Signature),
            Err(_) => Err(TokenError::Malformed),
        }
    }

    /// The public keys in use, as JSON.
    pub(crate) fn key_set(&self) -> String {
        // A handful of strings.
        serde_json::to_string(&self.shared.keys.published).unwrap_or_default()
    }
}
