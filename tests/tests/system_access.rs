//! Tokens: who may publish and who may watch, however the token comes.

use access::{Algorithm, Claims, KeyPair, OneOrMany, sign};
use moqt::{FullTrackName, Parameters, Properties, RequestErrorCode, Token};
use relay::{AccessSettings, RelaySettings};
use tests::system::{
    Carrier, Publisher, RunningRelay, Viewer, at, http_get, metric, namespace, settings, track, until, upstream, within,
};
use transport::{RequestFailure, StreamFailure};

const TRACK: &str = "live-demo--video0";
const CARRIERS: [Carrier; 2] = [Carrier::Quic, Carrier::WebTransport];

fn guarded() -> RelaySettings {
    let access = AccessSettings {
        publish_token: Some("may publish".to_owned().into()),
        subscribe_token: Some("may watch".to_owned().into()),
        ..AccessSettings::default()
    };
    RelaySettings { access, ..settings() }
}

fn tokens(token: &'static str) -> Vec<Token> {
    vec![Token::agreed(token)]
}

fn with_token(token: &'static str) -> Parameters {
    Parameters { authorization_tokens: tokens(token), ..Parameters::default() }
}

/// The code of a refusal, `None` when there was none.
fn refusal<T>(outcome: Result<T, RequestFailure>) -> Option<RequestErrorCode> {
    match outcome {
        Ok(_) => None,
        Err(RequestFailure::Refused(error)) => Some(error.code),
        Err(other) => panic!("{other}"),
    }
}

/// How every request of a subscriber is refused, without anything else on it.
async fn watching(viewer: &Viewer, track: &FullTrackName) -> [Option<RequestErrorCode>; 5] {
    let session = &viewer.session;
    let fetched = match viewer.fetch(track, at(0, 0), at(0, 1)).await {
        Ok(_) => None,
        Err(StreamFailure::Refused(error)) => Some(error.code),
        Err(other) => panic!("{other}"),
    };
    [
        refusal(viewer.subscribe(track, Parameters::default()).await),
        fetched,
        refusal(within(session.track_status(track.clone(), Parameters::default())).await),
        refusal(within(session.subscribe_namespace(namespace("live"), Parameters::default())).await),
        refusal(within(session.subscribe_tracks(namespace("live"), Parameters::default())).await),
    ]
}

async fn publishing(viewer: &Viewer) -> [Option<RequestErrorCode>; 2] {
    let session = &viewer.session;
    let name = track("other--video0");
    [
        refusal(within(session.publish_namespace(namespace("other"), Parameters::default())).await),
        refusal(within(session.publish(name, Parameters::default(), Properties::default())).await),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_token_opens_its_own_door_on_every_way_in() {
    let relay = RunningRelay::start(guarded()).await;
    let publisher = Publisher::default();
    publisher.track(TRACK).groups([0], 2);
    let dialed = publisher.dial_as(relay.address, Carrier::Quic, Some("may publish")).await;
    let _announced = dialed.announce(namespace("live-demo")).await;

    let shut = Some(RequestErrorCode::Unauthorized);
    for carrier in CARRIERS {
        for (query, token, may_watch, may_publish) in [
            ("", None, false, false),
            ("?token=may%20watc", None, false, false),
            ("?token=", Some("may publis"), false, false),
            ("?token=may%20watch", None, true, false),
            ("?x=y", Some("may watch"), true, false),
            ("?token=may%20publish", None, true, true),
            ("", Some("may publish"), true, true),
        ] {
            let shown = token.map(tokens).unwrap_or_default();
            let viewer = Viewer::connect_as(relay.address, carrier, query, shown).await;
            let expected = if may_watch { None } else { shut };
            assert_eq!(watching(&viewer, &track(TRACK)).await, [expected; 5], "{carrier:?} {query} {token:?}");
            let unknown = refusal(viewer.subscribe(&track("live-demo--nothing"), Parameters::default()).await);
            assert_eq!(unknown == shut, !may_watch, "{unknown:?}: what exists is told to nobody else");
            let expected = if may_publish { None } else { shut };
            assert_eq!(publishing(&viewer).await, [expected; 2], "{carrier:?} {query} {token:?}");
        }
    }
    assert!(metric("efir_relay_requests_refused_total") >= 48.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_come_with_one_request() {
    let relay = RunningRelay::start(guarded()).await;
    let publisher = Publisher::default();
    let video = publisher.track(TRACK);
    video.groups([0], 2);
    let dialed = publisher.dial_as(relay.address, Carrier::WebTransport, None).await;
    let session = &dialed.session;
    let announced = within(session.publish_namespace(namespace("live-demo"), with_token("may publish"))).await;
    assert_eq!(refusal(announced.as_ref().map_err(Clone::clone)), None);

    let viewer = Viewer::connect(relay.address, Carrier::WebTransport).await;
    let wrong = viewer.subscribe(video.name(), with_token("may")).await;
    assert_eq!(refusal(wrong), Some(RequestErrorCode::Unauthorized));
    assert_eq!(video.subscribes(), 0, "nobody was asked before the token was right");
    let right = viewer.subscribe(video.name(), with_token("may watch")).await;
    assert_eq!(right.unwrap().largest, Some(at(0, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_shows_its_token_to_its_upstream() {
    let above = RunningRelay::start(guarded()).await;
    let publisher = Publisher::default();
    let video = publisher.track(TRACK);
    video.groups([0], 3);
    let dialed = publisher.dial_as(above.address, Carrier::Quic, Some("may publish")).await;
    let _announced = dialed.announce(namespace("live-demo")).await;

    let below = async |token: &str| {
        let token = Some(token.to_owned().into());
        let above = relay::UpstreamSettings { token, ..upstream(above.address) };
        let relay = RunningRelay::start(RelaySettings { upstream: vec![above], ..settings() }).await;
        let viewer = Viewer::over_quic(relay.address).await;
        viewer.join(&track(TRACK), 0).await.map(|frames| (frames, viewer, relay))
    };
    let (mut frames, _viewer, _relay) = below("may watch").await.unwrap();
    assert_eq!(frames.up_to(at(0, 2)).await.len(), 3);
    assert!(refusal(below("wrong").await).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn http_wants_the_token_as_well() {
    let relay = RunningRelay::start(guarded()).await;
    let publisher = Publisher::default();
    let video = publisher.track(TRACK);
    video.groups([0, 1], 1);
    let dialed = publisher.dial_as(relay.address, Carrier::Quic, Some("may publish")).await;
    let _announced = dialed.announce(namespace("live-demo")).await;

    for path in ["/tracks/live/demo/video0/0", "/tracks/live/demo/nothing/0", "/tracks/live/demo/video0/0?token=wrong"]
    {
        let answer = http_get(relay.http, path).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(!answer.text().contains("demo"), "{}", answer.text());
    }
    until("the group over HTTP", async || {
        http_get(relay.http, "/tracks/live/demo/video0/0?token=may%20watch").await.status == 200
    })
    .await;
    let answer = http_get(relay.http, "/tracks/live/demo/video0/0?token=may%20publish").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.header("cache-control").contains("public"), "{}", answer.header("cache-control"));
    assert_eq!(http_get(relay.http, "/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_below_sees_and_serves_what_its_token_opens() {
    let folder = tempfile::tempdir().unwrap();
    let pair = KeyPair::generate(Algorithm::Es256, None).unwrap();
    let file = folder.path().join("key.jwk");
    std::fs::write(&file, pair.public_json().unwrap()).unwrap();
    let access = AccessSettings { keys: vec![file], ..AccessSettings::default() };
    let above = RunningRelay::start(RelaySettings { access, ..settings() }).await;
    let token = |put: &str, get: &str| {
        let path = |path: &str| OneOrMany::Many((!path.is_empty()).then(|| path.to_owned()).into_iter().collect());
        sign(&Claims { put: path(put), get: path(get), ..Claims::default() }, &pair).unwrap()
    };
    let publisher = Publisher::default();
    let client = publisher.dial(above.address).await;
    let mut announced = Vec::new();
    for (name, space) in [(TRACK, "live-demo"), ("secret--video0", "secret")] {
        publisher.track(name).groups([0], 3);
        let put = vec![Token::agreed(token("/", ""))];
        let parameters = Parameters { authorization_tokens: put, ..Parameters::default() };
        announced.push(within(client.session.publish_namespace(namespace(space), parameters)).await.unwrap());
    }
    let upstream = relay::UpstreamSettings { token: Some(token("", "live").into()), ..upstream(above.address) };
    let below = RunningRelay::start(RelaySettings { upstream: vec![upstream], ..settings() }).await;
    let viewer = Viewer::over_quic(below.address).await;
    let mut frames = viewer.join(&track(TRACK), 0).await.unwrap();
    assert_eq!(frames.up_to(at(0, 2)).await.len(), 3);
    let refused = viewer.join(&track("secret--video0"), 0).await;
    assert_eq!(refusal(refused), Some(RequestErrorCode::Unauthorized));
    until("the list of what may be watched", async || {
        http_get(below.http, "/broadcasts").await.text() == r#"{"broadcasts":[{"namespace":["live","demo"]}]}"#
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_below_shows_another_token_before_the_first_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let pair = KeyPair::generate(Algorithm::EdDsa, None).unwrap();
    let (key, shown) = (folder.path().join("key.jwk"), folder.path().join("token"));
    std::fs::write(&key, pair.public_json().unwrap()).unwrap();
    let access =
        AccessSettings { keys: vec![key], anonymous_publish: vec![String::new()], ..AccessSettings::default() };
    let above = RunningRelay::start(RelaySettings { access, ..settings() }).await;
    let write = |path: &str| {
        let claims = Claims { get: OneOrMany::One(path.to_owned()), ..Claims::default() };
        std::fs::write(&shown, sign(&claims, &pair).unwrap()).unwrap();
    };
    write("other");
    let publisher = Publisher::default();
    publisher.track(TRACK).groups([0], 3);
    let dialed = publisher.dial(above.address).await;
    let _announced = dialed.announce(namespace("live-demo")).await;
    let upstream = relay::UpstreamSettings { token_file: Some(shown.clone()), ..upstream(above.address) };
    let below = RunningRelay::start(RelaySettings { upstream: vec![upstream], ..settings() }).await;
    let viewer = Viewer::over_quic(below.address).await;
    assert_eq!(refusal(viewer.join(&track(TRACK), 0).await), Some(RequestErrorCode::Unauthorized));
    write("live");
    until("a session with the other token", async || viewer.join(&track(TRACK), 0).await.is_ok()).await;
}
