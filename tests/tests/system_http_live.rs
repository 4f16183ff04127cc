//! Bodies without end: a track over HTTP from its newest group on.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use moqt::{
    Decode, FetchDecoder, FetchItem, GroupOrder, Location, Pair, Properties, RequestId, UniStreamHeader, Version,
    property,
};
use reqwest::{Client, Response, StatusCode};
use tests::system::{PublishedTrack, Publisher, RunningRelay, at, http_get, metric, payload, settings, until, within};

const TRACK: &str = "live-demo--video0";
const KIND: &str = "video/mp4; codecs=\"avc1.64001f\"";

fn described() -> Properties {
    let pairs = [
        Pair::new(property::CONTENT_TYPE, Bytes::from_static(KIND.as_bytes())),
        Pair::new(property::PROLOGUE, Bytes::from_static(b"prologue")),
    ];
    Properties::from_pairs(pairs).unwrap()
}

async fn get(relay: &RunningRelay, path: &str) -> Response {
    within(Client::new().get(format!("http://{}/tracks/live/demo/video0/{path}", relay.http)).send()).await.unwrap()
}

/// So many bytes of a body, and what came with the last of them.
async fn read(response: &mut Response, length: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < length {
        let chunk = within(response.chunk()).await.unwrap();
        body.extend_from_slice(&chunk.expect("the body goes on"));
    }
    body
}

/// Whether the body ends now, and as it should: broken off it would be an error.
async fn ends(response: &mut Response) -> bool {
    loop {
        match within(response.chunk()).await.unwrap() {
            None => return true,
            // The end of a stream over HTTP/2 is a frame of its own.
            Some(chunk) if chunk.is_empty() => {}
            Some(_) => return false,
        }
    }
}

fn frames(track: &Arc<PublishedTrack>, places: impl IntoIterator<Item = Location>, length: usize) -> Vec<u8> {
    places.into_iter().flat_map(|place| payload(track.name(), place, length)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn live_is_the_prologue_and_every_payload_from_the_newest_group_on() {
    let publisher = Publisher::default();
    let track = publisher.track_with(TRACK, described());
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    track.groups([6], 3);
    track.frame(at(7, 0), 5000);
    track.frame(at(7, 1), 5000);
    let init = get(&relay, "init").await;
    assert_eq!(init.headers()["content-type"], KIND);
    assert_eq!(within(init.bytes()).await.unwrap(), "prologue");
    let mut live = get(&relay, "live").await;
    assert_eq!(live.status(), StatusCode::OK);
    assert_eq!(live.headers()["content-type"], KIND);
    assert_eq!(live.headers()["cache-control"], "no-store");
    assert_eq!(live.headers()["access-control-allow-origin"], "*");
    let beginning = [b"prologue".to_vec(), frames(&track, [at(7, 0), at(7, 1)], 5000)].concat();
    assert_eq!(read(&mut live, beginning.len()).await, beginning);
    // Frame by frame, and over the end of the group.
    for place in [at(7, 2), at(8, 0), at(8, 1), at(9, 0)] {
        track.frame(place, 3000);
        assert_eq!(read(&mut live, 3000).await, frames(&track, [place], 3000), "{place:?}");
    }
    assert_eq!(track.subscribes(), 1, "one upstream subscription");
    drop(live);
    track.until_active(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_a_fetch_stream_with_every_id() {
    let publisher = Publisher::default();
    let track = publisher.track_with(TRACK, described());
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    track.groups([7], 2);
    let mut objects = get(&relay, "objects").await;
    assert_eq!(objects.headers()["content-type"], "application/vnd.efir.objects");
    track.groups([8, 9], 2);
    let wanted = [at(7, 0), at(7, 1), at(8, 0), at(8, 1), at(9, 0), at(9, 1)];
    let mut bytes = BytesMut::new();
    while bytes.len() < wanted.len() * 1000 {
        bytes.extend_from_slice(&within(objects.chunk()).await.unwrap().expect("the body goes on"));
    }
    let mut bytes = bytes.freeze();
    let header = UniStreamHeader::decode(&mut bytes, Version::Draft18).unwrap();
    assert_eq!(header, UniStreamHeader::Fetch { request_id: RequestId(0) });
    let mut decoder = FetchDecoder::new(Version::Draft18, GroupOrder::Ascending);
    decoder.push(bytes);
    let (mut places, mut payloads) = (Vec::new(), Vec::new());
    while let Some(item) = decoder.next().unwrap() {
        match item {
            FetchItem::Header { header, .. } => {
                assert_eq!((header.subgroup, header.payload_len), (Some(0), 1000));
                places.push(header.location);
            }
            FetchItem::Payload(payload) => payloads.extend_from_slice(&payload),
            FetchItem::End => {}
            // The relay joined in this group and has not heard whether it was all of it.
            FetchItem::EndOfRange { location, known } => assert_eq!((location.group, known), (7, false)),
        }
    }
    assert_eq!(places, wanted);
    assert_eq!(payloads, frames(&track, wanted, 1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_skips_whole_groups_only() {
    const MIB: usize = 1024 * 1024;
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    track.frame(at(1, 0), MIB);
    let mut live = get(&relay, "live").await;
    // More than every buffer between relay and reader holds, so that the reader is still in it later on.
    for object in 1..24 {
        track.frame(at(1, object), MIB);
    }
    for group in 2..12 {
        track.groups([group], 2);
        // One after the other has to arrive: a relay that lags would skip by itself.
        until("the group arrives", async || {
            let latest = http_get(relay.http, &format!("/tracks/live/demo/video0/{}", group - 1)).await;
            latest.status == 200
        })
        .await;
    }
    let first = frames(&track, (0..24).map(|object| at(1, object)), MIB);
    let body = read(&mut live, first.len() + 2000).await;
    assert!(body[..first.len()] == first, "the group under way is whole");
    assert!(body[first.len()..] == frames(&track, [at(11, 0), at(11, 1)], 1000), "the newest group comes next");
    assert!(metric("efir_relay_http_skips_total") >= 1.0);
    assert!(metric("efir_relay_http_live") >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_bodies_end_whole_with_the_track_and_with_the_relay() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    track.groups([1], 1);
    let mut live = get(&relay, "live").await;
    read(&mut live, 1000).await;
    track.groups([2], 1);
    track.end();
    assert_eq!(read(&mut live, 1000).await, frames(&track, [at(2, 0)], 1000));
    assert!(ends(&mut live).await, "the track has ended");
    publisher.forget(TRACK);
    let track = publisher.track(TRACK);
    track.groups([1], 1);
    let mut live = get(&relay, "live").await;
    read(&mut live, 1000).await;
    relay.shutdown.begin();
    assert!(ends(&mut live).await, "the relay is leaving");
    relay.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_has_is_not_sent_again_and_head_sends_nothing() {
    let publisher = Publisher::default();
    let track = publisher.track_with(TRACK, described());
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    track.groups([3, 4], 2);
    let whole = get(&relay, "3").await;
    let tag = whole.headers()["etag"].clone();
    assert_eq!(whole.headers()["content-type"], KIND);
    assert_eq!(within(whole.bytes()).await.unwrap(), frames(&track, [at(3, 0), at(3, 1)], 1000));
    let url = format!("http://{}/tracks/live/demo/video0/", relay.http);
    let client = Client::new();
    let asked = client.get(format!("{url}3")).header("if-none-match", &tag).send();
    let answer = within(asked).await.unwrap();
    assert_eq!((answer.status(), answer.headers().get("etag")), (StatusCode::NOT_MODIFIED, Some(&tag)));
    for path in ["3", "live", "objects", "init"] {
        let answer = within(client.head(format!("{url}{path}")).send()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(within(answer.bytes()).await.unwrap().is_empty(), "{path}");
    }
    let preflight = client.request(reqwest::Method::OPTIONS, format!("{url}live")).send();
    let preflight = within(preflight).await.unwrap();
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn announced_broadcasts_are_listed() {
    let publisher = Publisher::default();
    let relay = RunningRelay::start(settings()).await;
    let dialed = publisher.dial(relay.address).await;
    let _demo = dialed.announce(tests::system::namespace("live-demo")).await;
    let _other = dialed.announce(tests::system::namespace("other")).await;
    let all = http_get(relay.http, "/broadcasts").await;
    assert_eq!(all.text(), r#"{"broadcasts":[{"namespace":["live","demo"]},{"namespace":["other"]}]}"#);
    assert_eq!((all.header("content-type"), all.header("cache-control")), ("application/json", "no-cache"));
    let some = http_get(relay.http, "/broadcasts?prefix=live").await;
    assert_eq!(some.text(), r#"{"broadcasts":[{"namespace":["live","demo"]}]}"#);
}

/// A client that takes any certificate and tells which; a connection of its own each time.
async fn https(relay: &RunningRelay, path: &str) -> (Response, Vec<u8>) {
    let client = Client::builder().danger_accept_invalid_certs(true).tls_info(true).build().unwrap();
    let address = relay.https.expect("HTTPS is served");
    let response = within(client.get(format!("https://{address}{path}")).send()).await.unwrap();
    let info = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    let certificate = info.peer_certificate().unwrap().to_vec();
    (response, certificate)
}

#[tokio::test(flavor = "multi_thread")]
async fn https_serves_the_public_paths_over_http2_on_the_udp_port() {
    let publisher = Publisher::default();
    let track = publisher.track_with(TRACK, described());
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    track.groups([1, 2], 2);
    assert_eq!(relay.https, Some(relay.address));
    let (mut live, certificate) = https(&relay, "/tracks/live/demo/video0/live").await;
    assert_eq!((live.version(), live.status()), (reqwest::Version::HTTP_2, StatusCode::OK));
    assert_eq!(live.headers()["alt-svc"], format!("h3=\":{}\"; ma=86400", relay.address.port()));
    let hash: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(sha2::Sha256::default(), &certificate)).into();
    assert_eq!(hash, relay.certificate_hash);
    let beginning = [b"prologue".to_vec(), frames(&track, [at(2, 0), at(2, 1)], 1000)].concat();
    assert_eq!(read(&mut live, beginning.len()).await, beginning);
    track.frame(at(2, 2), 70_000);
    assert_eq!(read(&mut live, 70_000).await, frames(&track, [at(2, 2)], 70_000));
    let (group, _) = https(&relay, "/tracks/live/demo/video0/1").await;
    assert_eq!(within(group.bytes()).await.unwrap(), frames(&track, [at(1, 0), at(1, 1)], 1000));
    for path in ["/metrics", "/readyz"] {
        assert_eq!(https(&relay, path).await.0.status(), StatusCode::NOT_FOUND, "{path} is the operator's");
    }
    relay.shutdown.begin();
    assert!(ends(&mut live).await, "the relay is leaving");
    relay.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn https_shows_the_certificate_in_service_after_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let write = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::write(&file, made.cert.pem()).unwrap();
        made.cert.der().to_vec()
    };
    let first = write();
    let mut settings = settings();
    settings.certificate.file = Some(file.clone());
    settings.certificate.key = Some(key.clone());
    let relay = RunningRelay::start(settings).await;
    assert_eq!(https(&relay, "/healthz").await.1, first);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = write();
    until("the new certificate is served", async || https(&relay, "/healthz").await.1 == second).await;
}
