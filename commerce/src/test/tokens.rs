//! Tokens that hold, and all the ways in which they do not.

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tempfile::TempDir;

use super::TestProcess;
use super::edge::process;
use crate::auth::{AuthSettings, Authority, Grant, Role, Scope, Scopes, TokenError};
use crate::clock::{Clock, Timestamp};
use crate::context::Actor;
use crate::settings::LimitSettings;

const HOUR: Duration = Duration::from_secs(3600);

fn grant(subject: &str) -> Grant<'_> {
    Grant { subject, actor: None, audience: &[Actor::Grocery], scopes: Role::Customer.scopes(), ttl: HOUR }
}

/// The same token with another part.
fn forged(token: &str, part: usize, with: &serde_json::Value) -> String {
    let mut parts: Vec<String> = token.split('.').map(ToOwned::to_owned).collect();
    parts[part] = URL_SAFE_NO_PAD.encode(with.to_string());
    parts.join(".")
}

#[tokio::test]
async fn only_whole_tokens_of_ours_are_believed() {
    let folder = TempDir::new().unwrap();
    let clock = Clock::manual(Timestamp(1_800_000_000_000));
    let authority = Authority::open(&AuthSettings::default(), folder.path(), clock.clone()).unwrap();
    let token = authority.issue(&grant("demo-1")).unwrap();
    let caller = authority.verify(&token, Some(Actor::Grocery)).unwrap();
    assert!(caller.subject == "demo-1" && caller.may(Scope::OrderWrite) && !caller.may(Scope::FaultWrite));
    assert_eq!(authority.verify(&token, None), Ok(caller));
    for _ in 0..2 {
        assert_eq!(authority.verify(&token, Some(Actor::Pharmacy)), Err(TokenError::Audience), "remembered or not");
    }
    let claims = json!({ "sub": "demo-2", "aud": "grocery", "exp": 1_800_003_600, "scope": "fault:write" });
    assert_eq!(authority.verify(&forged(&token, 1, &claims), None), Err(TokenError::Signature));
    let none = forged(&token, 0, &json!({ "alg": "none", "typ": "JWT" }));
    let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
    for wrong in [none.as_str(), unsigned.as_str()] {
        assert_eq!(authority.verify(wrong, None), Err(TokenError::Algorithm), "{wrong}");
    }
    let symmetric = forged(&token, 0, &json!({ "alg": "HS256", "typ": "JWT" }));
    assert_eq!(authority.verify(&symmetric, None), Err(TokenError::Algorithm));
    let stranger = forged(&token, 0, &json!({ "alg": "EdDSA", "kid": "another" }));
    assert_eq!(authority.verify(&stranger, None), Err(TokenError::Signature));
    for garbage in ["", ".", "a.b.c", "\u{0}", &"x".repeat(10_000)] {
        assert_eq!(authority.verify(garbage, None), Err(TokenError::Malformed));
    }
    clock.advance(HOUR + Duration::from_secs(29));
    assert!(authority.verify(&token, None).is_ok(), "clocks differ");
    clock.advance(Duration::from_secs(2));
    assert_eq!(authority.verify(&token, None), Err(TokenError::Expired));
}

#[tokio::test]
async fn keys_are_kept_shared_and_rotated() {
    let (old, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let settings = AuthSettings::default();
    let first = Authority::open(&settings, old.path(), Clock::system()).unwrap();
    let token = first.issue(&grant("demo-1")).unwrap();
    let again = Authority::open(&settings, old.path(), Clock::system()).unwrap();
    assert!(again.verify(&token, None).is_ok(), "the key outlives the process");
    #[cfg(unix)]
    {
        let mode = std::fs::metadata(old.path().join("token.pem")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    }
    let stranger = Authority::open(&settings, new.path(), Clock::system()).unwrap();
    assert_eq!(stranger.verify(&token, None), Err(TokenError::Signature));
    let jwks = new.path().join("old.json");
    std::fs::write(&jwks, first.key_set()).unwrap();
    let trusting = AuthSettings { jwks: Some(jwks.clone()), ..settings };
    let friend = Authority::open(&trusting, new.path(), Clock::system()).unwrap();
    assert!(friend.verify(&token, None).is_ok());
    std::fs::write(&jwks, r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA","kid":"short"}]}"#).unwrap();
    assert!(Authority::open(&trusting, new.path(), Clock::system()).is_err());
    std::fs::write(new.path().join("token.pem"), "no key").unwrap();
    assert!(Authority::open(&AuthSettings::default(), new.path(), Clock::system()).is_err());
}

#[tokio::test]
async fn tokens_hold_no_longer_than_they_may() {
    let folder = TempDir::new().unwrap();
    let generous = Authority::open(&AuthSettings::default(), folder.path(), Clock::system()).unwrap();
    let strict = AuthSettings { longest_s: 60, ..AuthSettings::default() };
    let strict = Authority::open(&strict, folder.path(), Clock::system()).unwrap();
    assert_eq!(strict.verify(&generous.issue(&grant("demo-1")).unwrap(), None), Err(TokenError::TooLong));
    assert!(strict.verify(&strict.issue(&grant("demo-1")).unwrap(), None).is_ok());
}

#[tokio::test]
async fn actors_call_for_themselves_and_for_customers() {
    let process = TestProcess::new().await;
    let authority = &process.context.authority;
    let token =
        |customer| authority.service_token(Actor::Reseller, Actor::Grocery, &[Scope::OrderWrite], customer).unwrap();
    let own = authority.verify(&token(None), Some(Actor::Grocery)).unwrap();
    assert!(own.is_service() && own.subject == "reseller" && own.actor.is_none());
    let acting = authority.verify(&token(Some("demo-1")), Some(Actor::Grocery)).unwrap();
    assert!(acting.is_service() && acting.owner() == "demo-1>reseller");
    assert!(authority.verify(&token(None), Some(Actor::Pharmacy)).is_err());
}

#[tokio::test]
async fn refusals_tell_why_and_no_more() {
    let process = process(LimitSettings::default()).await;
    let path = "/api/v1/grocery/things";
    let elsewhere = process.token_of(Scopes::default(), "demo-1", &[Actor::Pharmacy], HOUR);
    let expired = process.token_of(Scopes::default(), "demo-1", &Actor::ALL, Duration::ZERO);
    let mut answers = vec![process.get(path, Some(&elsewhere)).await, process.get(path, Some("garbage")).await];
    assert_eq!(process.get(path, Some(&expired)).await.status, StatusCode::OK, "leeway");
    answers.push(process.post("/api/v1/grocery/wishes", Some("k"), &json!({}), None).await);
    for answer in answers {
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert!(!String::from_utf8_lossy(&answer.body).contains("demo-1"));
    }
    let nobody = process.token_of(Scopes::default(), "demo-1", &Actor::ALL, HOUR);
    let wish = json!({ "lines": [{ "quantity": 1 }] });
    let refused = process.post("/api/v1/grocery/wishes", Some("k"), &wish, Some(&nobody)).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::FORBIDDEN, "forbidden"));
    assert!(String::from_utf8_lossy(&refused.body).contains("order:write"));
}
