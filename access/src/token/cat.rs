//! Common Access Tokens for MOQT (draft-ietf-moq-c4m): CBOR claims, signed or authenticated by COSE (RFC 9052).
//!
//! Bytes are a COSE_Sign1 or COSE_Mac0, tagged or not, as a CWT (RFC 8392) or not. The draft's own examples are another form,
//! which is read as well: header, claims and signature in base64url with dots between them, signed as they stand.

use bytes::Bytes;
use coset::cbor::Value;
use coset::{AsCborValue, CborSerializable, CoseMac0, CoseSign1, Header, RegisteredLabelWithPrivate, iana};

use super::claims::Times;
use super::{Parts, Rules};
use crate::grant::{Grant, TokenFault};
use crate::key::{Algorithm, KeySet, Signed};
use crate::limit;
use crate::scope::{Match, Scope};
use crate::want::Actions;

/// CBOR tags: CWT, COSE_Mac0, COSE_Sign1.
const CWT_TAG: u64 = 61;
const MAC0_TAG: u64 = 17;
const SIGN1_TAG: u64 = 18;
/// Claims by their numbers (RFC 8392; CTA-5007).
const ISSUER: i128 = 1;
const AUDIENCE: i128 = 3;
const EXPIRY: i128 = 4;
const NOT_BEFORE: i128 = 5;
/// Subject, time of issue, identifier, version of the format, and how to get another token: they forbid nothing.
const HARMLESS: [i128; 5] = [2, 6, 7, 310, 323];
/// Kinds of matches.
const PREFIX: i128 = 1;
const SUFFIX: i128 = 2;

/// Whether bytes begin like a token: an array of four, or one of the tags.
pub(super) fn looks_like_one(bytes: &[u8]) -> bool {
    matches!(bytes, [0x84 | 0xD1 | 0xD2, ..] | [0xD8, 0x3D, ..])
}

/// Checks a token of three parts.
pub(super) fn verify_parts(parts: &Parts<'_>, keys: &KeySet, rules: &Rules) -> Result<Grant, TokenFault> {
    let mut header = Header::from_slice(&parts.header).map_err(|_| TokenFault::Malformed)?;
    // The examples number HMAC with SHA-256 like a key wrap, which can be meant nowhere here.
    if header.alg == Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::A192KW)) {
        header.alg = Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::HMAC_256_256));
    }
    let any = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256];
    let checked = Checked::new(&header, &Header::default(), &any)?;
    checked.check(parts.message, &parts.signature, keys)?;
    grant(&parts.payload, rules)
}

/// Checks a token in COSE.
pub(super) fn verify(token: &[u8], keys: &KeySet, rules: &Rules) -> Result<Grant, TokenFault> {
    let mut value = Value::from_slice(token).map_err(|_| TokenFault::Malformed)?;
    let mut kind = None;
    while let Value::Tag(tag, inner) = value {
        match (tag, kind) {
            (CWT_TAG, None) => {}
            (MAC0_TAG | SIGN1_TAG, None) => kind = Some(tag),
            _ => return Err(TokenFault::Malformed),
        }
        value = *inner;
    }
    let payload = match kind.unwrap_or(SIGN1_TAG) {
        MAC0_TAG => mac0(value, keys)?,
        // Without a tag the algorithm tells: the two look the same.
        _ if kind.is_none() && is_mac(&value) => mac0(value, keys)?,
        _ => sign1(value, keys)?,
    };
    grant(&payload, rules)
}

fn is_mac(value: &Value) -> bool {
    let cose = CoseMac0::from_cbor_value(value.clone());
    cose.is_ok_and(|cose| algorithm(&cose.protected.header) == Ok(Algorithm::Hs256))
}

fn mac0(value: Value, keys: &KeySet) -> Result<Vec<u8>, TokenFault> {
    let cose = CoseMac0::from_cbor_value(value).map_err(|_| TokenFault::Malformed)?;
    let checked = Checked::new(&cose.protected.header, &cose.unprotected, [Algorithm::Hs256].as_slice())?;
    cose.verify_payload_tag(b"", || TokenFault::Malformed, |tag, message| checked.check(message, tag, keys))?;
    cose.payload.ok_or(TokenFault::Malformed)
}

fn sign1(value: Value, keys: &KeySet) -> Result<Vec<u8>, TokenFault> {
    let cose = CoseSign1::from_cbor_value(value).map_err(|_| TokenFault::Malformed)?;
    if cose.payload.is_none() {
        return Err(TokenFault::Malformed);
    }
    let public = [Algorithm::EdDsa, Algorithm::Es256];
    let checked = Checked::new(&cose.protected.header, &cose.unprotected, &public)?;
    cose.verify_signature(b"", |signature, message| checked.check(message, signature, keys))?;
    cose.payload.ok_or(TokenFault::Malformed)
}

/// What the headers of a COSE object say of its signature.
struct Checked {
    algorithm: Algorithm,
    name: Option<Vec<u8>>,
}

impl Checked {
    fn new(protected: &Header, unprotected: &Header, accepted: &[Algorithm]) -> Result<Self, TokenFault> {
        if !protected.crit.is_empty() {
            return Err(TokenFault::Unsupported);
        }
        let algorithm = algorithm(protected)?;
        if !accepted.contains(&algorithm) {
            return Err(TokenFault::Algorithm);
        }
        Ok(Self { algorithm, name: name(protected, unprotected) })
    }

    fn check(&self, message: &[u8], signature: &[u8], keys: &KeySet) -> Result<(), TokenFault> {
        Signed { algorithm: self.algorithm, name: self.name.as_deref(), message, signature }.check(keys)
    }
}

fn algorithm(header: &Header) -> Result<Algorithm, TokenFault> {
    let named = header.alg.as_ref().ok_or(TokenFault::Algorithm)?;
    match named {
        RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA | iana::Algorithm::Ed25519) => Ok(Algorithm::EdDsa),
        RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256) => Ok(Algorithm::Es256),
        RegisteredLabelWithPrivate::Assigned(iana::Algorithm::HMAC_256_256) => Ok(Algorithm::Hs256),
        _ => Err(TokenFault::Algorithm),
    }
}

fn name(protected: &Header, unprotected: &Header) -> Option<Vec<u8>> {
    let mut named = [protected, unprotected].into_iter().map(|header| &header.key_id);
    named.find(|name| !name.is_empty()).cloned()
}

/// What signed claims allow. A claim that is not known may forbid something, so it makes the token useless here.
fn grant(payload: &[u8], rules: &Rules) -> Result<Grant, TokenFault> {
    let Ok(Value::Map(claims)) = Value::from_slice(payload) else { return Err(TokenFault::Malformed) };
    let (mut issuer, mut audience) = (None, Vec::new());
    let (mut times, mut scopes, mut revalidate) = (Times::default(), Vec::new(), None);
    for (key, value) in claims {
        let key = key.as_integer().map(i128::from).ok_or(TokenFault::Unsupported)?;
        match key {
            ISSUER => issuer = Some(text(value)?),
            AUDIENCE => match value {
                Value::Array(values) => audience = values.into_iter().map(text).collect::<Result<_, _>>()?,
                one => audience.push(text(one)?),
            },
            EXPIRY => times.until = Some(number(&value)?),
            NOT_BEFORE => times.from = Some(number(&value)?),
            key if HARMLESS.contains(&key) => {}
            key if key == i128::from(rules.moqt_claim) => {
                scopes = array(value)?.into_iter().map(scope).collect::<Result<_, _>>()?
            }
            key if key == i128::from(rules.revalidation_claim) => revalidate = interval(number(&value)?)?,
            _ => return Err(TokenFault::Unsupported),
        }
    }
    if scopes.len() > limit::SCOPES {
        return Err(TokenFault::Malformed);
    }
    rules.issuer(issuer.as_deref())?;
    rules.audience(audience.iter().map(String::as_str))?;
    Ok(Grant { revalidate, ..times.grant(scopes, rules)? })
}

/// `[actions, ? [namespace matches], ? track match]`.
fn scope(value: Value) -> Result<Scope, TokenFault> {
    let mut parts = array(value)?.into_iter();
    let mut actions = Actions::default();
    for action in array(parts.next().ok_or(TokenFault::Malformed)?)? {
        actions.add(action.as_integer().map(i128::from).ok_or(TokenFault::Malformed)?);
    }
    let mut fields = parts.next().filter(|fields| !fields.is_null()).map(array).transpose()?.unwrap_or_default();
    let whole = fields.last().is_some_and(Value::is_null);
    if whole {
        fields.pop();
    }
    let fields = fields.into_iter().map(matching).collect::<Result<_, _>>()?;
    let track = parts.next().filter(|track| !track.is_null()).map(matching).transpose()?;
    if parts.next().is_some() { Err(TokenFault::Malformed) } else { Ok(Scope::new(actions, fields, whole, track)) }
}

/// A byte string, or `[kind, byte string]`.
fn matching(value: Value) -> Result<Match, TokenFault> {
    let bytes = |value: Option<Value>| value.and_then(|value| value.into_bytes().ok()).map(Bytes::from);
    let parts = match value {
        Value::Array(parts) => parts,
        exact => return bytes(Some(exact)).map(Match::Exact).ok_or(TokenFault::Malformed),
    };
    let mut parts = parts.into_iter();
    let kind = parts.next().and_then(|kind| kind.as_integer()).map(i128::from);
    let wanted = bytes(parts.next()).filter(|_| parts.next().is_none()).ok_or(TokenFault::Malformed)?;
    match kind {
        Some(PREFIX) => Ok(Match::Prefix(wanted)),
        Some(SUFFIX) => Ok(Match::Suffix(wanted)),
        _ => Err(TokenFault::Malformed),
    }
}

/// Seconds between two looks at the token; 0 = none is needed.
fn interval(seconds: f64) -> Result<Option<std::time::Duration>, TokenFault> {
    if seconds == 0.0 {
        return Ok(None);
    }
    if seconds < limit::REVALIDATION_S {
        return Err(TokenFault::Unsupported);
    }
    std::time::Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| TokenFault::Malformed)
}

fn text(value: Value) -> Result<String, TokenFault> {
    value.into_text().map_err(|_| TokenFault::Malformed)
}

fn array(value: Value) -> Result<Vec<Value>, TokenFault> {
    value.into_array().map_err(|_| TokenFault::Malformed)
}

fn number(value: &Value) -> Result<f64, TokenFault> {
    let integer = value.as_integer().map(|integer| i128::from(integer) as f64);
    integer.or_else(|| value.as_float()).ok_or(TokenFault::Malformed)
}
