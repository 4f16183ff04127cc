//! Reports are signed as standardwebhooks.com says: an id, a time and an HMAC over both and the body.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use standardwebhooks::Webhook;
use subtle::ConstantTimeEq;

use super::limit::REPORT_AGE;
use crate::clock::Timestamp;

/// Why a report is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forged {
    /// A header is missing or cannot be read.
    #[error("the headers webhook-id, webhook-timestamp and webhook-signature are needed")]
    Headers,
    /// Sent too long ago, or in the future.
    #[error("sent more than five minutes from now")]
    Age,
    /// No signature holds.
    #[error("the signature does not hold")]
    Signature,
}

/// A new secret of 192 bits.
pub(crate) fn secret(random: &SystemRandom) -> String {
    let mut bytes = [0; 24];
    // A source that fails leaves no secret that anybody could know; the booking then fails at the carrier.
    if random.fill(&mut bytes).is_err() {
        return String::new();
    }
    format!("whsec_{}", STANDARD.encode(bytes))
}

/// Believes a report or not. Its id, to tell repeats.
///
/// # Errors
/// See [`Forged`].
pub(crate) fn verify(secret: &str, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<String, Forged> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Forged::Headers);
    let (id, time, signatures) = (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
    let seconds: i64 = time.parse().map_err(|_| Forged::Headers)?;
    if id.is_empty() || id.len() > 128 {
        return Err(Forged::Headers);
    }
    let sent = Timestamp(seconds.saturating_mul(1000));
    if sent.until(now) > REPORT_AGE || now.until(sent) > REPORT_AGE {
        return Err(Forged::Age);
    }
    let key = Webhook::new(secret).map_err(|_| Forged::Signature)?;
    let right = key.sign(id, seconds, body).map_err(|_| Forged::Signature)?;
    let holds = signatures.split(' ').any(|signature| signature.as_bytes().ct_eq(right.as_bytes()).into());
    if holds { Ok(id.to_owned()) } else { Err(Forged::Signature) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::HeaderMap;
    use ring::rand::SystemRandom;
    use standardwebhooks::Webhook;

    use super::{Forged, secret, verify};
    use crate::clock::Timestamp;

    fn signed(secret: &str, id: &str, seconds: i64, body: &str) -> HeaderMap {
        let signature = Webhook::new(secret).unwrap().sign(id, seconds, body.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", seconds.to_string().parse().unwrap());
        headers.insert("webhook-signature", format!("v1,AAAA {signature}").parse().unwrap());
        headers
    }

    #[test]
    fn only_the_right_is_believed() {
        let (ours, other) = (secret(&SystemRandom::new()), secret(&SystemRandom::new()));
        let now = Timestamp(1_795_000_000_000);
        let headers = signed(&ours, "msg_1", 1_795_000_000, "{}");
        assert_eq!(verify(&ours, &headers, b"{}", now).as_deref(), Ok("msg_1"));
        assert_eq!(verify(&ours, &headers, b"{ }", now), Err(Forged::Signature));
        assert_eq!(verify(&other, &headers, b"{}", now), Err(Forged::Signature));
        for (by, outcome) in [(299, true), (301, false)] {
            let by = Duration::from_secs(by);
            assert_eq!(verify(&ours, &headers, b"{}", now.after(by)).is_ok(), outcome);
            assert_eq!(verify(&ours, &headers, b"{}", now.before(by)).is_ok(), outcome);
        }
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut headers = headers.clone();
            headers.remove(name);
            assert_eq!(verify(&ours, &headers, b"{}", now), Err(Forged::Headers));
        }
        // The wrong version of a signature, and a time that is none.
        let mut headers = signed(&ours, "msg_1", 1_795_000_000, "{}");
        let signature = headers["webhook-signature"].to_str().unwrap().replace("v1,", "v2,");
        headers.insert("webhook-signature", signature.parse().unwrap());
        assert_eq!(verify(&ours, &headers, b"{}", now), Err(Forged::Signature));
        headers.insert("webhook-timestamp", "soon".parse().unwrap());
        assert_eq!(verify(&ours, &headers, b"{}", now), Err(Forged::Headers));
    }
}
