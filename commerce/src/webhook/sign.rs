//! Signatures as standardwebhooks.com asks: HMAC-SHA-256 over id, time and body, in three headers.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use subtle::{Choice, ConstantTimeEq};

use super::limit;
use crate::clock::Timestamp;

/// What precedes every secret.
const PREFIX: &str = "whsec_";

/// A call whose signature holds. Whether it came before is the caller's to know: ids go into its inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The same for every repeat of a call.
    pub(crate) id: String,
    /// When it was signed.
    pub(crate) at: Timestamp,
}

/// Why a call is not believed. The sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VerifyError {
    /// A header is not there or cannot be read.
    #[error("the header {0} is missing or malformed")]
    Header(&'static str),
    /// Signed too long ago: a replay, or a clock that is wrong.
    #[error("the signature is too old")]
    Old,
    /// Signed in the future.
    #[error("the signature's time is in the future")]
    Future,
    /// No signature is by a secret of ours.
    #[error("no signature holds")]
    Signature,
}

/// A secret cannot be used: not base64 after `whsec_`, or the body is no UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret or the body cannot be signed with")]
pub(crate) struct SignError;

/// A new random secret: `whsec_` and base64.
pub(crate) fn new_secret() -> Result<String, SignError> {
    let mut bytes = [0; limit::SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SignError)?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The three headers of a call, signed with every secret, so that a receiver may hold any of them.
///
/// # Errors
/// A secret is not what [`new_secret`] makes, or the body is no text.
pub(crate) fn sign(
    secrets: &[&str],
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<[(&'static str, String); 3], SignError> {
    let seconds = at.0.div_euclid(1000);
    let mut signatures = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let webhook = Webhook::new(secret).map_err(|_| SignError)?;
        signatures.push(webhook.sign(id, seconds, body).map_err(|_| SignError)?);
    }
    Ok([
        (HEADER_WEBHOOK_ID, id.to_owned()),
        (HEADER_WEBHOOK_TIMESTAMP, seconds.to_string()),
        (HEADER_WEBHOOK_SIGNATURE, signatures.join(" ")),
    ])
}

/// Whether a call is signed with one of these secrets and not longer ago than [`limit::TOLERANCE`]. Takes the same time
/// whichever signature differs where.
///
/// # Errors
/// See [`VerifyError`]. Secrets that cannot be used sign nothing.
pub(crate) fn verify(
    secrets: &[&str],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Delivery, VerifyError> {
    let id = header(headers, HEADER_WEBHOOK_ID)?;
    if id.is_empty() || id.len() > limit::ID_BYTES {
        return Err(VerifyError::Header(HEADER_WEBHOOK_ID));
    }
    let time = header(headers, HEADER_WEBHOOK_TIMESTAMP)?;
    let malformed = VerifyError::Header(HEADER_WEBHOOK_TIMESTAMP);
    let seconds: i64 = time.parse().map_err(|_| malformed)?;
    let at = Timestamp(seconds.checked_mul(1000).ok_or(malformed)?);
    let given = header(headers, HEADER_WEBHOOK_SIGNATURE)?;
    let mut holds = Choice::from(0);
    for secret in secrets {
        let signature = Webhook::new(secret).ok().and_then(|webhook| webhook.sign(id, seconds, body).ok());
        let Some(signature) = signature else { continue };
        for one in given.split(' ').take(limit::SIGNATURES) {
            holds |= one.as_bytes().ct_eq(signature.as_bytes());
        }
    }
    // First whether it is theirs at all: strangers learn nothing of our clock.
    if !bool::from(holds) {
        return Err(VerifyError::Signature);
    }
    if at.until(now) > limit::TOLERANCE {
        return Err(VerifyError::Old);
    }
    if now.until(at) > limit::TOLERANCE {
        return Err(VerifyError::Future);
    }
    Ok(Delivery { id: id.to_owned(), at })
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, VerifyError> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or(VerifyError::Header(name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;
    use standardwebhooks::Webhook;

    use super::{Delivery, VerifyError, new_secret, sign, verify};
    use crate::clock::{Clock, Timestamp};

    fn headers(signed: &[(&'static str, String)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, String)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        signed.iter().map(pair).collect()
    }

    #[test]
    fn the_reference_implementation_agrees() {
        let (old, new) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(old, new);
        let now = Clock::system().now();
        let headers = headers(&sign(&[&new, &old], "msg_1", now, b"{}").unwrap());
        for secret in [&old, &new] {
            Webhook::new(secret).unwrap().verify(b"{}", &headers).unwrap();
        }
        let stranger = Webhook::new(&new_secret().unwrap()).unwrap();
        assert!(stranger.verify(b"{}", &headers).is_err());
    }

    #[test]
    fn the_reference_example_holds() {
        let at = Timestamp(1_649_367_553_000);
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", HeaderValue::from_static("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"));
        headers.insert("webhook-timestamp", HeaderValue::from_static("1649367553"));
        let signature = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
        headers.insert("webhook-signature", HeaderValue::from_static(signature));
        let secrets = ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];
        let delivery = verify(&secrets, &headers, body, at).unwrap();
        assert_eq!(delivery, Delivery { id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".to_owned(), at });
    }

    #[test]
    fn forged_old_and_future_calls_are_refused() {
        let secret = new_secret().unwrap();
        let at = Timestamp(1_795_000_000_000);
        let signed = headers(&sign(&[&secret], "msg_1", at, b"{\"a\":1}").unwrap());
        let minute = Duration::from_secs(60);
        let verify_at = |now| verify(&[&secret], &signed, b"{\"a\":1}", now).map(|delivery| delivery.id);
        assert_eq!(verify_at(at), Ok("msg_1".to_owned()));
        assert_eq!(verify_at(at.after(minute * 5)), Ok("msg_1".to_owned()));
        assert_eq!(verify_at(at.after(minute * 6)), Err(VerifyError::Old));
        assert_eq!(verify_at(at.before(minute * 6)), Err(VerifyError::Future));
        assert_eq!(verify(&[&secret], &signed, b"{\"a\":2}", at), Err(VerifyError::Signature));
        assert_eq!(verify(&[&new_secret().unwrap()], &signed, b"{\"a\":1}", at), Err(VerifyError::Signature));
        assert_eq!(verify(&[], &signed, b"{\"a\":1}", at), Err(VerifyError::Signature));
        assert_eq!(verify(&["whsec_not base64!"], &signed, b"{\"a\":1}", at), Err(VerifyError::Signature));
        // The id and the time are signed as well: a replay under another id, or as if it were new, is forged.
        for (name, value) in [("webhook-id", "msg_2"), ("webhook-timestamp", "1795000001")] {
            let mut other = signed.clone();
            other.insert(name, HeaderValue::from_static(value));
            assert_eq!(verify(&[&secret], &other, b"{\"a\":1}", at), Err(VerifyError::Signature));
        }
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut other = signed.clone();
            other.remove(name);
            assert_eq!(verify(&[&secret], &other, b"{\"a\":1}", at), Err(VerifyError::Header(name)));
        }
    }

    proptest! {
        #[test]
        fn any_headers_bring_an_answer(id in ".{0,40}", time in "-?[0-9]{0,25}", signature in "[ -~]{0,200}") {
            let mut headers = HeaderMap::new();
            for (name, value) in [("webhook-id", &id), ("webhook-timestamp", &time), ("webhook-signature", &signature)] {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.insert(HeaderName::from_static(name), value);
                }
            }
            let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
            let refused = verify(&[secret], &headers, b"{}", Timestamp(0)).is_err();
            prop_assert!(refused);
        }
    }
}
