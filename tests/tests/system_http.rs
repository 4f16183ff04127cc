//! The HTTP edge of a relay.

use std::time::{Duration, Instant};

use tests::system::{Publisher, RunningRelay, Viewer, at, http_get, payload, settings, until};

const TRACK: &str = "live-demo--video0";
const CATALOG: &str = "live-demo--catalog";

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_metrics_and_certificate() {
    let relay = RunningRelay::start(settings()).await;
    let health = http_get(relay.http, "/healthz").await;
    assert_eq!((health.status, health.text().as_str()), (200, "ok\n"));
    assert_eq!(http_get(relay.http, "/readyz").await.status, 200);
    let metrics = http_get(relay.http, "/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(metrics.text().contains("efir_relay_memory_limit_bytes"), "{}", metrics.text());
    let certificate = http_get(relay.http, "/certificate.sha256").await;
    let hex: String = relay.certificate_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(certificate.text(), hex, "players of others want the digits and nothing else");
    let server = http_get(relay.http, "/server.json").await.text();
    assert!(
        server.contains(&format!("\"port\":{},\"certificateHashes\":[\"{hex}\"", relay.address.port())),
        "{server}"
    );
    assert_eq!(certificate.header("access-control-allow-origin"), "*", "pages of other origins read it");
    assert_eq!(http_get(relay.http, "/nothing").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_its_upstream_is_alive_and_not_ready() {
    let relay = RunningRelay::below(&[tests::system::free_port()]).await;
    assert_eq!(http_get(relay.http, "/healthz").await.status, 200);
    let ready = http_get(relay.http, "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("upstream"), "{}", ready.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_plain_gets() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let viewer = Viewer::over_quic(relay.address).await;
    track.frame(at(1, 0), 10);
    let mut frames = viewer.join(track.name(), 0).await.unwrap();
    for group in 2..5 {
        for object in 0..3 {
            track.frame(at(group, object), 5000);
        }
        frames.up_to(at(group, 2)).await;
    }
    let body: Vec<u8> = (0..3).flat_map(|object| payload(track.name(), at(3, object), 5000)).collect();
    let complete = http_get(relay.http, "/tracks/live/demo/video0/3").await;
    assert_eq!((complete.status, complete.body), (200, body.clone()));
    assert_eq!(complete.headers["cache-control"], "public, max-age=31536000, immutable");
    let latest = http_get(relay.http, "/tracks/live/demo/video0/latest").await;
    assert_eq!((latest.status, latest.body), (200, body));
    assert_eq!(latest.headers["cache-control"], "no-cache", "the next group will be the latest");
    // A group that still grows is followed to its end and must not be kept.
    let growing = tokio::spawn(http_get(relay.http, "/tracks/live/demo/video0/4"));
    let waits = tokio::time::timeout(Duration::from_millis(100), async { !growing.is_finished() }).await;
    assert_eq!(waits, Ok(true));
    track.frame(at(4, 3), 70_000);
    track.finish_group();
    let grown = growing.await.unwrap();
    assert_eq!((grown.status, grown.body.len()), (200, 3 * 5000 + 70_000));
    assert_eq!(grown.headers["cache-control"], "no-cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_came_by_joining_fetch_is_known_to_be_whole() {
    let publisher = Publisher::default();
    let catalog = publisher.track(CATALOG);
    // Published once, before any relay: its stream has ended, so only FETCH brings it.
    catalog.groups([9], 1);
    catalog.finish_group();
    let source = publisher.listen().await;
    let first = RunningRelay::below(&[source.address]).await;
    let second = RunningRelay::below(&[first.address]).await;
    for relay in [&second, &first] {
        let latest = http_get(relay.http, "/tracks/live/demo/catalog/latest").await;
        assert_eq!((latest.status, latest.body), (200, payload(catalog.name(), at(9, 0), 1000).to_vec()));
        assert_eq!(latest.headers["cache-control"], "no-cache");
        let whole = http_get(relay.http, "/tracks/live/demo/catalog/9").await;
        assert_eq!(whole.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(whole.headers["etag"], latest.headers["etag"]);
        assert_eq!(whole.body.len(), 1000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_may_grow_is_a_snapshot_as_latest_and_bounded_by_id() {
    let publisher = Publisher::default();
    let catalog = publisher.track(CATALOG);
    catalog.groups([9], 2);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let start = Instant::now();
    let latest = async || http_get(relay.http, "/tracks/live/demo/catalog/latest").await;
    let (before, again) = (latest().await, latest().await);
    assert_eq!((before.status, before.body.len()), (200, 2000));
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}: it waited for more", start.elapsed());
    assert_eq!(before.headers["cache-control"], "no-cache");
    assert_eq!(before.headers["etag"], again.headers["etag"]);
    let followed = http_get(relay.http, "/tracks/live/demo/catalog/9").await;
    assert_eq!((followed.status, followed.body.len()), (200, 2000), "as long as something comes");
    assert_eq!(followed.headers["cache-control"], "no-cache");
    catalog.frame(at(9, 2), 500);
    until("the object arrives", async || latest().await.body.len() == 2500).await;
    assert_ne!(latest().await.headers["etag"], before.headers["etag"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404_and_what_cannot_be_is_400() {
    let publisher = Publisher::default();
    publisher.track(TRACK).groups([4, 5], 1);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    until("the relay is ready", async || http_get(relay.http, "/readyz").await.status == 200).await;
    for (path, status) in [
        ("/tracks/live/demo/video0/77", 404),
        ("/tracks/live/demo/audio0/latest", 404),
        ("/tracks/live/demo/video0/newest", 400),
        ("/tracks/live//video0/1", 400),
        ("/tracks/1", 400),
    ] {
        let answer = http_get(relay.http, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
}
