//! C.3: authorization tokens, over the real relay.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::{Algorithm, Claims, KeyPair, OneOrMany, sign};
use bytes::Bytes;
use moqt::{
    FullTrackName, Message, Namespace, Parameters, Properties, PublishDoneCode, RequestErrorCode, RequestId,
    RequestUpdate, SetupOptions, StreamErrorCode, Subscribe, Token, Version,
};
use relay::{AccessSettings, RelaySettings};
use tempfile::TempDir;
use tests::raw::{Raw, RawRequest, encode, hex, setup, subscribe};
use tests::system::{
    Arrival, Carrier, Dialed, Publisher, RunningRelay, Viewer, at, http_get, metric, namespace, settings, track, until,
    within,
};
use transport::{NamespaceEvent, NamespacePublication, RequestFailure, StreamFailure, TrackEvent};

const TRACK: &str = "a-b--x";
/// Bytes of registered tokens that the relay offers to keep.
const CACHE: usize = 8 * 1024;
/// What a token in the cache costs besides its value.
const OVERHEAD: usize = 16;

/// A relay that believes one key, and who signs with it.
struct Guarded {
    relay: RunningRelay,
    pair: KeyPair,
    _folder: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(more: impl FnOnce(&mut AccessSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate(Algorithm::EdDsa, None).unwrap();
        let file = folder.path().join("key.jwk");
        std::fs::write(&file, pair.public_json().unwrap()).unwrap();
        let mut access = AccessSettings { keys: vec![file], leeway_s: 0, ..AccessSettings::default() };
        more(&mut access);
        let relay = RunningRelay::start(RelaySettings { access, ..settings() }).await;
        Self { relay, pair, _folder: folder }
    }

    fn sign(&self, claims: &Claims) -> Bytes {
        sign(claims, &self.pair).unwrap().into()
    }

    fn token(&self, claims: &Claims) -> Token {
        Token::agreed(self.sign(claims))
    }

    /// A publisher of the track, which has two frames.
    async fn publisher(&self) -> Published {
        let publisher = Publisher::default();
        publisher.track(TRACK).groups([0], 2);
        let dialed = publisher.dial(self.relay.address).await;
        let parameters = with(self.token(&put("a")));
        let announced = within(dialed.session.publish_namespace(namespace("a-b"), parameters)).await.unwrap();
        Published { publisher, _dialed: dialed, _announced: announced }
    }

    async fn raw(&self) -> Raw {
        Raw::connect(self.relay.address).await
    }

    /// With a raw session, for tests that need nothing else.
    async fn with_raw(self) -> (Self, Raw) {
        let raw = self.raw().await;
        (self, raw)
    }
}

/// Who publishes the track, for as long as this lives.
struct Published {
    publisher: Publisher,
    _dialed: Dialed,
    _announced: NamespacePublication,
}

fn one(text: &str) -> OneOrMany {
    OneOrMany::One(text.to_owned())
}

fn put(path: &str) -> Claims {
    Claims { put: one(path), ..Claims::default() }
}

fn get(path: &str) -> Claims {
    Claims { get: one(path), ..Claims::default() }
}

/// The same, for as long from now. Tokens count whole seconds or parts of them.
fn lasting(claims: Claims, time: Duration) -> Claims {
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time;
    Claims { exp: serde_json::Number::from_f64(end.as_secs_f64()), ..claims }
}

fn with(token: Token) -> Parameters {
    Parameters { authorization_tokens: vec![token], ..Parameters::default() }
}

/// SUBSCRIBE on the wire.
fn subscribing(id: u64, name: &FullTrackName, token: Token) -> Bytes {
    encode(&Message::Subscribe(Subscribe { request_id: RequestId(id), track: name.clone(), parameters: with(token) }))
}

/// How a raw request was answered: the code of a refusal, `None` for an OK.
async fn answer(request: &mut RawRequest) -> Option<RequestErrorCode> {
    match request.read().await.unwrap().unwrap() {
        Message::RequestError(error) => Some(error.code),
        _ => None,
    }
}

fn refusal<T>(outcome: Result<T, RequestFailure>) -> Option<RequestErrorCode> {
    match outcome {
        Ok(_) => None,
        Err(RequestFailure::Refused(error)) => Some(error.code),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c044_an_alias_counts_like_its_token() {
    let guarded = Guarded::start().await;
    let _published = guarded.publisher().await;
    let raw = guarded.raw().await;
    let register = Token::Register { alias: 1, kind: 0, value: guarded.sign(&get("a")) };
    let mut first = raw.request(subscribing(0, &track(TRACK), register)).await;
    assert_eq!(answer(&mut first).await, None);
    let mut second = raw.request(subscribing(2, &track("a-b--missing"), Token::UseAlias { alias: 1 })).await;
    assert_eq!(answer(&mut second).await, Some(RequestErrorCode::DoesNotExist), "it may ask");
    let mut none = raw.request(subscribe(4, &[0])).await;
    assert_eq!(answer(&mut none).await, Some(RequestErrorCode::Unauthorized), "the next request counts by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn c045_a_token_registers_although_its_request_fails() {
    let guarded = Guarded::start().await;
    let _published = guarded.publisher().await;
    let raw = guarded.raw().await;
    let register = Token::Register { alias: 7, kind: 0, value: guarded.sign(&get("a")) };
    let mut missing = raw.request(subscribing(0, &track("a-b--missing"), register)).await;
    assert_eq!(answer(&mut missing).await, Some(RequestErrorCode::DoesNotExist));
    let mut there = raw.request(subscribing(2, &track(TRACK), Token::UseAlias { alias: 7 })).await;
    assert_eq!(answer(&mut there).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn c046_an_alias_in_use_is_not_registered_again() {
    let (_guarded, raw) = Guarded::start().await.with_raw().await;
    let mut requests = Vec::new();
    for id in [0, 2] {
        let register = Token::Register { alias: 1, kind: 0, value: "x".into() };
        requests.push(raw.request(subscribing(id, &track(TRACK), register)).await);
    }
    raw.closes(0x14, "the second REGISTER").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c047_the_cache_counts_sixteen_bytes_a_token() {
    let (_guarded, raw) = Guarded::start().await.with_raw().await;
    let half = CACHE / 2 - OVERHEAD;
    for (id, alias, length) in [(0, 1, half), (2, 2, half)] {
        let register = Token::Register { alias, kind: 0, value: vec![b'x'; length].into() };
        let mut request = raw.request(subscribing(id, &track(TRACK), register)).await;
        assert_eq!(answer(&mut request).await, Some(RequestErrorCode::Unauthorized));
    }
    raw.stays("a cache that is just full").await;
    let register = Token::Register { alias: 3, kind: 0, value: Bytes::new() };
    let _request = raw.request(subscribing(4, &track(TRACK), register)).await;
    raw.closes(0x13, "sixteen bytes more").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c048_delete_frees_alias_and_size() {
    let (_guarded, raw) = Guarded::start().await.with_raw().await;
    for round in 0..3 {
        let register = Token::Register { alias: 1, kind: 0, value: vec![b'x'; CACHE - OVERHEAD].into() };
        for (id, token) in [(4 * round, register), (4 * round + 2, Token::Delete { alias: 1 })] {
            let mut request = raw.request(subscribing(id, &track(TRACK), token)).await;
            assert_eq!(answer(&mut request).await, Some(RequestErrorCode::Unauthorized));
        }
    }
    raw.stays("aliases that come and go").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c049_an_undecodable_token_closes() {
    // One parameter 0x03 of this content: an unknown alias type, nothing, a REGISTER cut short.
    for content in ["04", "", "0101"] {
        let (_guarded, raw) = Guarded::start().await.with_raw().await;
        let content = hex(content);
        let parameters = [&[0x01, 0x03, content.len() as u8], &content[..]].concat();
        let _request = raw.request(subscribe(0, &parameters)).await;
        raw.closes(0x6, &format!("{content:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c050_an_unknown_alias_closes() {
    let (_guarded, raw) = Guarded::start().await.with_raw().await;
    let _request = raw.request(subscribing(0, &track(TRACK), Token::UseAlias { alias: 99 })).await;
    raw.closes(0x17, "USE_ALIAS 99").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c010_a_token_too_large_to_keep_is_used_once() {
    let guarded = Guarded::start().await;
    let _published = guarded.publisher().await;
    // Beside it stands one that opens the track.
    let large = Token::Register { alias: 1, kind: 0, value: vec![b'x'; 2 * CACHE].into() };
    let tokens = vec![large, guarded.token(&get("a"))];
    let first = setup(SetupOptions { tokens, ..SetupOptions::default() });
    let raw = Raw::with_control(guarded.relay.address, first).await;
    let plain = Subscribe { request_id: RequestId(0), track: track(TRACK), parameters: Parameters::default() };
    let mut request = raw.request(encode(&Message::Subscribe(plain))).await;
    assert_eq!(answer(&mut request).await, None);
    let _request = raw.request(subscribing(2, &track(TRACK), Token::UseAlias { alias: 1 })).await;
    raw.closes(0x17, "it was not registered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c051_an_expired_alias_says_so_and_stays() {
    let guarded = Guarded::start().await;
    let raw = guarded.raw().await;
    let short = guarded.sign(&lasting(get("a"), Duration::from_millis(700)));
    let cost = short.len() + OVERHEAD;
    let register = Token::Register { alias: 1, kind: 0, value: short };
    let mut fresh = raw.request(subscribing(0, &track(TRACK), register)).await;
    assert_eq!(answer(&mut fresh).await, Some(RequestErrorCode::DoesNotExist));
    tokio::time::sleep(Duration::from_millis(900)).await;
    let mut expired = raw.request(subscribing(2, &track(TRACK), Token::UseAlias { alias: 1 })).await;
    assert_eq!(answer(&mut expired).await, Some(RequestErrorCode::ExpiredAuthToken));
    let rest = Token::Register { alias: 2, kind: 0, value: vec![b'x'; CACHE - cost - OVERHEAD].into() };
    let mut fits = raw.request(subscribing(4, &track(TRACK), rest)).await;
    assert_eq!(answer(&mut fits).await, Some(RequestErrorCode::Unauthorized));
    raw.stays("a cache that is just full").await;
    let _request =
        raw.request(subscribing(6, &track(TRACK), Token::Register { alias: 3, kind: 0, value: Bytes::new() })).await;
    raw.closes(0x13, "the expired token has its place").await;
}

/// How each of the seven requests is answered with these parameters, about this track and its namespace.
async fn seven(viewer: &Viewer, name: &FullTrackName, parameters: &Parameters) -> [Option<RequestErrorCode>; 7] {
    let session = &viewer.session;
    let parameters = || parameters.clone();
    let space = || name.namespace.clone();
    let fetched = async {
        let mut reader = session.fetch(name.clone(), at(0, 0), at(0, 1), parameters()).unwrap();
        let read = reader.ok().await.map(|_| ());
        refusal(read)
    };
    [
        refusal(within(session.subscribe(name.clone(), parameters())).await),
        within(fetched).await,
        refusal(within(session.track_status(name.clone(), parameters())).await),
        refusal(within(session.publish(name.clone(), parameters(), Properties::default())).await),
        refusal(within(session.publish_namespace(space(), parameters())).await),
        refusal(within(session.subscribe_namespace(space(), parameters())).await),
        refusal(within(session.subscribe_tracks(space(), parameters())).await),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn c052_every_request_is_authorized_by_itself() {
    let guarded = Guarded::start().await;
    let _published = guarded.publisher().await;
    let no = Some(RequestErrorCode::Unauthorized);
    let both = Claims { put: one("a"), get: one("a"), ..Claims::default() };
    let single = Claims { put_track: one("a/b/x"), get_track: one("a/b/x"), ..Claims::default() };
    for carrier in [Carrier::Quic, Carrier::WebTransport] {
        let ask = async |claims: &Claims, name: &str| {
            let viewer = Viewer::connect(guarded.relay.address, carrier).await;
            seven(&viewer, &track(name), &with(guarded.token(claims))).await
        };
        let viewer = Viewer::connect(guarded.relay.address, carrier).await;
        assert_eq!(seven(&viewer, &track(TRACK), &Parameters::default()).await, [no; 7]);
        assert_eq!(ask(&both, TRACK).await, [None; 7]);
        assert_eq!(ask(&get("a/b"), TRACK).await, [None, None, None, no, no, None, None]);
        assert_eq!(ask(&put("a/b"), TRACK).await, [no, no, no, None, None, no, no]);
        assert_eq!(ask(&both, "other--x").await, [no; 7]);
        assert_eq!(ask(&single, TRACK).await, [None, None, None, None, no, no, no], "a track is not its namespace");
        assert_eq!(ask(&single, "a-b--y").await, [no; 7]);
        // What a session showed when it began counts for all of its requests.
        let tokens = vec![guarded.token(&get("a"))];
        let viewer = Viewer::connect_as(guarded.relay.address, carrier, "", tokens).await;
        let plain = seven(&viewer, &track(TRACK), &Parameters::default()).await;
        assert_eq!(plain, [None, None, None, no, no, None, None]);
    }
    assert!(metric("access_refused_total") > 50.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c052_refusals_do_not_tell_what_exists() {
    let guarded = Guarded::start().await;
    let published = guarded.publisher().await;
    let raw = guarded.raw().await;
    let mut answers = Vec::new();
    for (index, name) in [TRACK, "a-b--missing", "nowhere--x"].into_iter().enumerate() {
        for (second, token) in [guarded.token(&get("other")), Token::agreed("nonsense")].into_iter().enumerate() {
            let id = 4 * index as u64 + 2 * second as u64;
            let mut request = raw.request(subscribing(id, &track(name), token)).await;
            let Some(Message::RequestError(error)) = request.read().await.unwrap() else { panic!("{name} is open") };
            answers.push((error.code, error.retry, error.reason.to_string()));
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(published.publisher.track(TRACK).subscribes(), 0, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn c070_an_update_with_a_useless_token_ends_the_subscription() {
    let guarded = Guarded::start().await;
    let _published = guarded.publisher().await;
    let raw = guarded.raw().await;
    let mut request = raw.request(subscribing(0, &track(TRACK), guarded.token(&get("a")))).await;
    assert_eq!(answer(&mut request).await, None);
    let update = |id, token| {
        encode(&Message::RequestUpdate(RequestUpdate {
            request_id: RequestId(id),
            existing_request_id: None,
            parameters: with(token),
        }))
    };
    request.write(update(2, guarded.token(&get("a/b")))).await;
    assert!(matches!(request.read().await, Ok(Some(Message::RequestOk(_)))));
    request.write(update(4, guarded.token(&get("other")))).await;
    assert_eq!(answer(&mut request).await, Some(RequestErrorCode::Unauthorized));
    let Ok(Some(Message::PublishDone(done))) = request.read().await else { panic!("no PUBLISH_DONE") };
    assert_eq!(done.status, PublishDoneCode::UpdateFailed);
    assert!(matches!(request.read().await, Ok(None)), "then FIN");
}

#[tokio::test(flavor = "multi_thread")]
async fn c092_listings_show_what_the_token_may_see() {
    let guarded = Guarded::with(|access| access.anonymous_subscribe = vec!["open".to_owned()]).await;
    let publisher = Publisher::default();
    let dialed = publisher.dial(guarded.relay.address).await;
    let mut held = Vec::new();
    for name in ["a-b", "a-c", "b", "open-x"] {
        let parameters = with(guarded.token(&put("")));
        held.push(within(dialed.session.publish_namespace(namespace(name), parameters)).await.unwrap());
    }
    let viewer = Viewer::over_quic(guarded.relay.address).await;
    let list = async |prefix: Namespace, parameters: Parameters, count: usize| {
        let mut reader = within(viewer.session.subscribe_namespace(prefix, parameters)).await?;
        let mut names = Vec::new();
        while names.len() < count {
            match within(reader.next()).await {
                Some(NamespaceEvent::Added(name)) => names.push(name.to_string()),
                other => panic!("{other:?}"),
            }
        }
        let more = tokio::time::timeout(Duration::from_millis(200), reader.next()).await;
        assert!(more.is_err(), "{more:?} besides {names:?}");
        names.sort();
        Ok::<_, RequestFailure>(names)
    };
    let all = Namespace::default();
    assert_eq!(list(all.clone(), Parameters::default(), 1).await.unwrap(), ["open-x"]);
    assert_eq!(list(all.clone(), with(guarded.token(&get("a"))), 3).await.unwrap(), ["a-b", "a-c", "open-x"]);
    assert_eq!(list(namespace("a"), with(guarded.token(&get("a/c"))), 1).await.unwrap(), ["a-c"]);
    let refused = list(namespace("b"), with(guarded.token(&get("a"))), 0).await;
    assert_eq!(refusal(refused), Some(RequestErrorCode::Unauthorized));
    // Over HTTP as well.
    let seen = async |query: &str| http_get(guarded.relay.http, &format!("/broadcasts{query}")).await;
    assert_eq!(seen("").await.text(), r#"{"broadcasts":[{"namespace":["open","x"]}]}"#);
    let token = String::from_utf8(guarded.sign(&get("a/c")).to_vec()).unwrap();
    let some = seen(&format!("?token={token}")).await.text();
    assert_eq!(some, r#"{"broadcasts":[{"namespace":["a","c"]},{"namespace":["open","x"]}]}"#);
    assert_eq!(seen("?prefix=b").await.status, 401);
    assert_eq!(seen(&format!("?prefix=b&token={token}")).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn c092_without_rights_there_is_no_empty_prefix() {
    let guarded = Guarded::start().await;
    let viewer = Viewer::over_quic(guarded.relay.address).await;
    let refused = within(viewer.session.subscribe_namespace(Namespace::default(), Parameters::default())).await;
    assert_eq!(refusal(refused), Some(RequestErrorCode::Unauthorized));
}

const SHORT: Duration = Duration::from_millis(1200);

#[tokio::test(flavor = "multi_thread")]
async fn expiry_ends_a_subscription_and_an_update_prolongs_it() {
    let guarded = Guarded::start().await;
    let published = guarded.publisher().await;
    let (short, kept) =
        (Viewer::over_quic(guarded.relay.address).await, Viewer::over_quic(guarded.relay.address).await);
    let began = std::time::Instant::now();
    let name = track(TRACK);
    let token = || with(guarded.token(&lasting(get("a"), SHORT)));
    let mut ending = short.subscribe(&name, token()).await.unwrap();
    let mut prolonged = within(kept.session.subscribe(name.clone(), token())).await.unwrap();
    let told = prolonged.parameters().expires.unwrap();
    assert!(told <= SHORT && told > SHORT / 2, "SUBSCRIBE_OK tells when it ends: {told:?}");
    let fresh = with(guarded.token(&lasting(get("a"), Duration::from_secs(100))));
    let answer = within(prolonged.update(fresh)).await.unwrap();
    assert!(answer.expires.unwrap() > Duration::from_secs(90), "{answer:?}");

    assert_eq!(ending.end().await, Arrival::Done(PublishDoneCode::Expired));
    assert!(began.elapsed() >= SHORT - Duration::from_millis(100), "{:?}", began.elapsed());
    published.publisher.track(TRACK).frame(at(1, 0), 100);
    assert!(matches!(within(prolonged.next()).await, TrackEvent::Subgroup(_)), "the other goes on");
    assert!(metric("access_ended_total") >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_ends_announcements_offers_and_lists() {
    let guarded = Guarded::start().await;
    let publisher = Publisher::default();
    let dialed = publisher.dial(guarded.relay.address).await;
    let viewer = Viewer::over_quic(guarded.relay.address).await;
    let watching = with(guarded.token(&lasting(get("a"), SHORT)));
    let mut list = within(viewer.session.subscribe_namespace(namespace("a"), watching.clone())).await.unwrap();
    let mut tracks = within(viewer.session.subscribe_tracks(namespace("a"), watching)).await.unwrap();
    let offering = || with(guarded.token(&lasting(put("a"), SHORT)));
    let mut announced = within(dialed.session.publish_namespace(namespace("a-b"), offering())).await.unwrap();
    let offered = dialed.session.publish(track(TRACK), offering(), Properties::default());
    let (mut writer, _) = within(offered).await.unwrap();
    assert_eq!(within(list.next()).await, Some(NamespaceEvent::Added(namespace("a-b"))));

    within(announced.ended()).await;
    within(async { while writer.next_event().await != transport::SubscriptionEvent::Cancelled {} }).await;
    within(async { while list.next().await.is_some() {} }).await;
    within(tracks.ended()).await;
    let late = Viewer::over_quic(guarded.relay.address).await;
    let gone = late.subscribe(&track(TRACK), with(guarded.token(&get("a")))).await;
    assert_eq!(refusal(gone), Some(RequestErrorCode::DoesNotExist), "what it published is withdrawn");
    let again = within(dialed.session.publish_namespace(namespace("a-b"), with(guarded.token(&put("a"))))).await;
    assert_eq!(refusal(again), None, "the session lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_draft_16_end_with_their_tokens_as_well() {
    let guarded = Guarded::start().await;
    let published = guarded.publisher().await;
    let speak = || Viewer::speaking(Version::Draft16, guarded.relay.address, Carrier::Quic);
    let (viewer, other) = (speak().await, speak().await);
    let token = |claims| with(guarded.token(&lasting(claims, SHORT)));
    let mut frames = viewer.subscribe(&track(TRACK), token(get("a"))).await.unwrap();
    let mut list = within(viewer.session.subscribe_namespace(namespace("a"), token(get("a")))).await.unwrap();
    let mut announced = within(other.session.publish_namespace(namespace("a-c"), token(put("a")))).await.unwrap();
    let offered = other.session.publish(track("a-c--y"), token(put("a")), Properties::default());
    let (mut writer, _) = within(offered).await.unwrap();
    let prolonged = within(other.session.subscribe(track(TRACK), token(get("a")))).await.unwrap();
    within(prolonged.update(with(guarded.token(&get("a"))))).await.unwrap();

    assert_eq!(frames.end().await, Arrival::Done(PublishDoneCode::Expired));
    within(async { while list.next().await.is_some() {} }).await;
    within(announced.ended()).await;
    within(async { while writer.next_event().await != transport::SubscriptionEvent::Cancelled {} }).await;
    let mut prolonged = prolonged;
    published.publisher.track(TRACK).frame(at(1, 0), 100);
    assert!(matches!(within(prolonged.next()).await, TrackEvent::Subgroup(_)), "the session and the prolonged go on");
    let late = viewer.subscribe(&track(TRACK), token(get("b"))).await;
    assert_eq!(refusal(late), Some(RequestErrorCode::Unauthorized));
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_ends_a_fetch_that_is_under_way() {
    let guarded = Guarded::start().await;
    let published = guarded.publisher().await;
    let viewer = Viewer::over_quic(guarded.relay.address).await;
    let name = track(TRACK);
    // It follows the group that is being written until the group ends.
    let _watching = viewer.subscribe(&name, with(guarded.token(&get("a")))).await.unwrap();
    let token = with(guarded.token(&lasting(get("a"), SHORT)));
    for object in 2..4 {
        published.publisher.track(TRACK).frame(at(0, object), 3_000_000);
    }
    let mut reader = viewer.session.fetch(name, at(0, 0), at(0, 4), token).unwrap();
    within(reader.ok()).await.unwrap();
    // Nothing is read, so flow control holds the rest back until it is too late.
    tokio::time::sleep(SHORT + Duration::from_millis(200)).await;
    let end = within(async {
        loop {
            match reader.next().await {
                Ok(Some(_)) => {}
                other => return other.map(|_| ()),
            }
        }
    });
    match end.await {
        Err(StreamFailure::Reset(code)) => assert_eq!(code, StreamErrorCode::ExpiredAuthToken),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_ends_a_body_over_http() {
    let guarded = Guarded::start().await;
    let _published = guarded.publisher().await;
    let token = String::from_utf8(guarded.sign(&lasting(get("a"), SHORT)).to_vec()).unwrap();
    let url = format!("http://{}/tracks/a/b/x/live?token={token}", guarded.relay.http);
    let mut response = within(reqwest::get(&url)).await.unwrap();
    assert_eq!(response.status(), 200);
    let broken = within(async {
        loop {
            match response.chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    });
    assert!(broken.await, "it does not look like the end of the track");
    assert_eq!(within(reqwest::get(&url)).await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_set_from_a_url_rotates_and_outlives_its_server() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (old, new) =
        (KeyPair::generate(Algorithm::Es256, None).unwrap(), KeyPair::generate(Algorithm::EdDsa, None).unwrap());
    let keys = std::sync::Arc::new(std::sync::Mutex::new(Some(old.public_json().unwrap())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys.json", listener.local_addr().unwrap());
    let serving = tokio::spawn({
        let keys = keys.clone();
        async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 2048];
                let _ = stream.read(&mut request).await;
                let set = keys.lock().unwrap().clone();
                let body = set.map_or_else(String::new, |key| format!(r#"{{"keys":[{key}]}}"#));
                let status = if body.is_empty() { "500 Down" } else { "200 OK" };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all([head, body].concat().as_bytes()).await;
            }
        }
    });
    let access = AccessSettings { jwks_url: Some(url), ..AccessSettings::default() };
    let relay = RunningRelay::start(RelaySettings { access, ..settings() }).await;
    let ask = async |pair: &KeyPair| {
        let viewer = Viewer::over_quic(relay.address).await;
        let token = Token::agreed(sign(&get("a"), pair).unwrap());
        refusal(viewer.subscribe(&track(TRACK), with(token)).await)
    };
    let (known, refused) = (Some(RequestErrorCode::DoesNotExist), Some(RequestErrorCode::Unauthorized));
    assert_eq!(ask(&old).await, known, "the first token waits for the keys");
    *keys.lock().unwrap() = Some(new.public_json().unwrap());
    assert_eq!(ask(&new).await, known, "its key was looked for");
    assert_eq!(ask(&old).await, refused, "its key is gone");
    *keys.lock().unwrap() = None;
    assert_eq!(ask(&old).await, refused);
    assert_eq!(ask(&new).await, known, "the last good keys go on while the server is down");
    until("the failure counted", async || metric("access_key_readings_total") >= 4.0).await;
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_unknown_type_and_broken_ones_are_refused() {
    let guarded = Guarded::start().await;
    let viewer = Viewer::over_quic(guarded.relay.address).await;
    let ask = async |kind: u64, value: Bytes| {
        refusal(viewer.subscribe(&track(TRACK), with(Token::UseValue { kind, value })).await)
    };
    let good = guarded.sign(&get("a"));
    assert_eq!(ask(0, good.clone()).await, Some(RequestErrorCode::DoesNotExist));
    assert_eq!(ask(2, good.clone()).await, Some(RequestErrorCode::Unauthorized));
    assert_eq!(ask(1, "no CBOR".into()).await, Some(RequestErrorCode::MalformedAuthToken));
    assert_eq!(ask(0, good.slice(..good.len() - 9)).await, Some(RequestErrorCode::Unauthorized));
}
