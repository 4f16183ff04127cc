//! Plain GETs over HTTP/3 on the relay's UDP port.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use tests::system::{Publisher, RunningRelay, at, namespace, payload, settings, within};
use transport::{ClientEndpoint, ClientSettings, HttpResponse, TrustSettings};

const TRACK: &str = "live-demo--video0";

async fn get(relay: &RunningRelay, path: &str) -> HttpResponse {
    let client = ClientEndpoint::new(ClientSettings::default()).unwrap();
    let address = format!("https://127.0.0.1:{}{path}", relay.address.port()).parse().unwrap();
    let trust = TrustSettings::CertificateHashes(vec![relay.certificate_hash]);
    within(client.get(&address, &trust)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcasts_and_groups_are_read_over_the_udp_port() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([1, 2], 3);
    let dialed = publisher.dial(relay.address).await;
    let _announced = dialed.announce(namespace("live-demo")).await;

    let broadcasts = get(&relay, "/broadcasts").await;
    assert_eq!((broadcasts.status, broadcasts.header("content-type")), (200, Some("application/json")));
    assert_eq!(broadcasts.body, r#"{"broadcasts":[{"namespace":["live","demo"]}]}"#);

    let group = get(&relay, "/tracks/live/demo/video0/1").await;
    assert_eq!(group.status, 200);
    assert_eq!(group.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let whole: Vec<u8> = (0..3).flat_map(|object| payload(track.name(), at(1, object), 1000)).collect();
    assert!(group.body == whole, "{} bytes of {}", group.body.len(), whole.len());

    assert_eq!(get(&relay, "/tracks/live/demo/video0/77").await.status, 404);
    assert_eq!(get(&relay, "/metrics").await.status, 404, "the operator's paths are not for everybody");
}
