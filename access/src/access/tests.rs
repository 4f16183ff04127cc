use super::*;
use crate::grant::Denial::{self, Expired, Nothing, Right};
use crate::key::{Algorithm, KeyPair};
use crate::token::{Claims, OneOrMany, sign};

fn access(publish: &str, subscribe: &str) -> Arc<Access> {
    let secret = |text: &str| Some(Secret::from(text.to_owned()));
    let settings = AccessSettings {
        publish_token: secret(publish),
        subscribe_token: secret(subscribe),
        ..AccessSettings::default()
    };
    Access::load(&settings).unwrap()
}

fn token(kind: u64, value: &'static str) -> ResolvedToken {
    ResolvedToken { kind, value: value.into() }
}

fn publish(track: &str) -> Want {
    Want::Publish(track.parse().unwrap())
}

fn watch(track: &str) -> Want {
    Want::Subscribe(track.parse().unwrap())
}

/// Whether a session may publish and watch.
async fn doors(access: &Arc<Access>, path: &str, tokens: &[ResolvedToken]) -> (bool, bool) {
    let visitor = access.session(path, tokens);
    let may = async |want| visitor.admit(want, &[]).await.is_ok();
    (may(publish("live-demo--video0")).await, may(watch("live-demo--video0")).await)
}

#[tokio::test]
async fn without_tokens_everybody_may_do_everything() {
    for open in [Access::load(&AccessSettings::default()).unwrap(), access("", "")] {
        assert_eq!(doors(&open, "/live", &[]).await, (true, true));
        assert_eq!(doors(&open, "/live?token=whatever", &[token(0, "x")]).await, (true, true));
        assert!(!open.is_private(&watch("live-demo--video0")));
    }
}

#[tokio::test]
async fn each_secret_opens_its_own_door_and_publishers_may_watch() {
    let closed = access("pub", "sub");
    for (path, expected) in [
        ("/live", (false, false)),
        ("/live?token=", (false, false)),
        ("/live?token=su", (false, false)),
        ("/live?token=subs", (false, false)),
        ("/live?token=SUB", (false, false)),
        ("/live?tokens=sub", (false, false)),
        ("/token=sub", (false, false)),
        ("/live?token=sub", (false, true)),
        ("/live?jwt=sub", (false, true)),
        ("/live?a=b&token=sub&c", (false, true)),
        ("/live?token=%73u%62", (false, true)),
        ("?token=pub", (true, true)),
        ("/live?token=wrong&token=pub", (true, true)),
    ] {
        assert_eq!(doors(&closed, path, &[]).await, expected, "{path}");
    }
    assert_eq!(doors(&closed, "/", &[token(0, "sub")]).await, (false, true));
    assert_eq!(doors(&closed, "/", &[token(1, "sub")]).await, (false, false), "a token of another type");
    assert_eq!(doors(&closed, "/", &[token(0, "wrong"), token(0, "pub")]).await, (true, true));
}

#[tokio::test]
async fn one_door_may_stay_open() {
    assert_eq!(doors(&access("pub", ""), "/", &[]).await, (false, true));
    assert_eq!(doors(&access("", "sub"), "/", &[]).await, (true, false));
}

#[tokio::test]
async fn http_takes_the_token_in_the_query_or_as_a_bearer() {
    let closed = access("pub", "s/u+b=");
    let may = async |query: Option<&str>, field: Option<&[u8]>| {
        closed.http(query, field).admit(watch("live-demo--video0"), &[]).await.is_ok()
    };
    for query in ["token=s%2Fu%2Bb%3D", "token=s/u+b=", "x=1&token=pub"] {
        assert!(may(Some(query), None).await, "{query}");
    }
    for field in ["Bearer s/u+b=", "bearer  s/u+b= ", "BEARER pub"] {
        assert!(may(None, Some(field.as_bytes())).await, "{field}");
    }
    for field in ["", "Bearer", "Bearer ", "Basic s/u+b=", "s/u+b=", "Bearers/u+b="] {
        assert!(!may(Some("token="), Some(field.as_bytes())).await, "{field}");
    }
    assert!(!may(None, Some(b"Bear\xff")).await && closed.is_private(&watch("live-demo--video0")));
}

#[test]
fn nothing_prints_a_token() {
    let closed = access("hush", "hush");
    assert!(!format!("{closed:?} {:?}", closed.session("/?token=hush", &[])).contains("hush"));
}

/// Keys in a file, and one more setting.
fn keyed(more: impl FnOnce(&mut AccessSettings)) -> (Arc<Access>, KeyPair) {
    let pair = KeyPair::generate(Algorithm::EdDsa, None).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pair.public_json().unwrap()).unwrap();
    let mut settings = AccessSettings { keys: vec![file.path().to_owned()], leeway_s: 0, ..AccessSettings::default() };
    more(&mut settings);
    (Access::load(&settings).unwrap(), pair)
}

fn one(text: &str) -> OneOrMany {
    OneOrMany::One(text.to_owned())
}

fn shown(claims: &Claims, pair: &KeyPair) -> Vec<ResolvedToken> {
    vec![ResolvedToken { kind: Token::OUT_OF_BAND, value: sign(claims, pair).unwrap().into() }]
}

#[tokio::test]
async fn keys_close_both_doors_but_for_anonymous_prefixes() {
    let (access, pair) = keyed(|settings| settings.anonymous_subscribe = vec!["open".to_owned()]);
    let visitor = access.session("/", &[]);
    let ask = async |want: Want, tokens: &[ResolvedToken]| visitor.admit(want, tokens).await.err();
    assert_eq!(ask(publish("open-demo--video0"), &[]).await, Some(Nothing));
    assert_eq!(ask(watch("open-demo--video0"), &[]).await, None);
    assert_eq!(ask(watch("live-demo--video0"), &[]).await, Some(Nothing));
    let tokens = shown(&Claims { get: one("live"), ..Claims::default() }, &pair);
    assert_eq!(ask(watch("live-demo--video0"), &tokens).await, None);
    assert_eq!(ask(watch("other--video0"), &tokens).await, Some(Right));
    assert_eq!(ask(publish("live-demo--video0"), &tokens).await, Some(Right));
    assert!(access.is_private(&watch("live-demo--video0")) && !access.is_private(&watch("open-a--video0")));
}

#[tokio::test]
async fn a_request_counts_what_its_session_showed_and_its_own() {
    let (access, pair) = keyed(|_| {});
    let session = shown(&Claims { get: one("a"), ..Claims::default() }, &pair);
    let request = shown(&Claims { get: one("b"), ..Claims::default() }, &pair);
    let visitor = access.session("/", &session);
    assert!(visitor.admit(watch("a--x"), &[]).await.is_ok() && visitor.admit(watch("a--x"), &request).await.is_ok());
    assert!(visitor.admit(watch("b--x"), &request).await.is_ok());
    assert_eq!(visitor.admit(watch("b--x"), &[]).await.err(), Some(Right));
}

#[tokio::test]
async fn an_expired_token_says_so_only_where_it_would_have_done() {
    let (access, pair) = keyed(|_| {});
    let old = shown(&Claims { get: one("live"), exp: Some(1000.into()), ..Claims::default() }, &pair);
    let visitor = access.session("/", &[]);
    assert_eq!(visitor.admit(watch("live--x"), &old).await.err(), Some(Expired));
    assert_eq!(visitor.admit(watch("other--x"), &old).await.err(), Some(Right));
    let early = shown(&Claims { get: one("live"), nbf: Some(4_000_000_000_u64.into()), ..Claims::default() }, &pair);
    assert_eq!(visitor.admit(watch("live--x"), &early).await.err(), Some(Denial::NotYet));
}

#[tokio::test]
async fn an_update_needs_tokens_that_are_enough_and_prolongs() {
    use transport::Lease;
    let (access, pair) = keyed(|_| {});
    let seconds = |later: u64| {
        let now = SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        Some((now + later).into())
    };
    let token = |get: &str, later| shown(&Claims { get: one(get), exp: seconds(later), ..Claims::default() }, &pair);
    let visitor = access.session("/", &token("live", 100));
    let mut standing = visitor.admit(watch("live--x"), &[]).await.unwrap();
    let left = |standing: &crate::Standing| {
        Lease::until(standing).unwrap().saturating_duration_since(tokio::time::Instant::now()).as_secs()
    };
    assert!((95..=100).contains(&left(&standing)));
    standing.renew(None, &[]).unwrap();
    assert!((95..=100).contains(&left(&standing)));
    let refusal = standing.renew(None, &token("other", 500)).unwrap_err();
    assert_eq!(refusal.code, moqt::RequestErrorCode::Unauthorized, "although the session's token is enough");
    standing.renew(None, &token("live", 500)).unwrap();
    assert!((495..=500).contains(&left(&standing)));
    standing.renew(None, &token("live", 10)).unwrap();
    assert!((490..=500).contains(&left(&standing)), "never shortened");
}

#[tokio::test]
async fn a_list_shows_what_its_tokens_open_and_moves_no_further() {
    use transport::Lease;
    let (access, pair) = keyed(|_| {});
    let tokens =
        shown(&Claims { root: "live".to_owned(), get: one("a"), get_track: one("b/x"), ..Claims::default() }, &pair);
    let visitor = access.session("/", &tokens);
    let namespace = |text: &str| namespace_of(text).unwrap();
    for (prefix, is_allowed) in [("", true), ("live", true), ("live/a/b", true), ("live/b", false), ("other", false)] {
        assert_eq!(visitor.admit(Want::List(namespace(prefix)), &[]).await.is_ok(), is_allowed, "{prefix}");
    }
    let mut standing = visitor.admit(Want::List(namespace("")), &[]).await.unwrap();
    assert!(standing.allows(&Want::See(namespace("live/a/c"))));
    assert!(!standing.allows(&Want::See(namespace("live/b"))), "a right to a track shows no namespace");
    assert!(standing.toward(watch("live-a--x")).is_some() && standing.toward(watch("live-b--y")).is_none());
    standing.renew(Some(&namespace("live/a")), &[]).unwrap();
    assert!(standing.renew(Some(&namespace("other")), &[]).is_err());
}

#[test]
fn contradictions_are_named() {
    let problem = |settings: AccessSettings| settings.check().unwrap_err().to_string();
    let url = |url: &str| AccessSettings { jwks_url: Some(url.to_owned()), ..AccessSettings::default() };
    for wrong in ["http://example.org/keys", "ftp://localhost/x", "nonsense"] {
        assert!(problem(url(wrong)).contains("access.jwks_url"), "{wrong}");
    }
    assert!(url("https://example.org/keys").check().is_ok() && url("http://127.0.0.1:1/x").check().is_ok());
    let long = AccessSettings { anonymous_publish: vec!["a/".repeat(40)], ..AccessSettings::default() };
    assert!(problem(long).contains("anonymous_publish"));
    assert!(problem(AccessSettings { refresh_s: 0, ..AccessSettings::default() }).contains("refresh_s"));
    let parsed: AccessSettings = toml::from_str("keys = ['a']\nanonymous_subscribe = ['']").unwrap();
    assert!(parsed.has_keys() && Access::load(&parsed).is_err(), "a file that is not there");
}
