//! What an operator sees: settings that cannot work, and the admin address.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{net::SocketAddr, time::Duration};

use common::{loopback, patiently, settings};
use origin::{Origin, Settings, SourceSettings};
use process::{Metrics, Shutdown};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    patiently(stream.read_to_string(&mut answer)).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_are_served() {
    let settings = Settings { http: Some(loopback()), ..settings(SourceSettings::Sample { once: false }) };
    let origin = Origin::load(settings).await.unwrap().with_metrics(Metrics::install().unwrap());
    let address = origin.http_address().unwrap();
    let shutdown = Shutdown::new(Duration::from_secs(1));
    let running = tokio::spawn(origin.run(shutdown.clone()));
    assert_eq!(get(address, "/healthz").await.0, 200);
    patiently(async { while get(address, "/readyz").await.0 != 200 {} }).await;
    let counted = async {
        loop {
            let (status, metrics) = get(address, "/metrics").await;
            assert_eq!(status, 200);
            if metrics.contains("efir_origin_frames_total{kind=\"video\"}") {
                return;
            }
        }
    };
    patiently(counted).await;
    shutdown.begin();
    patiently(running).await.unwrap();
}

#[tokio::test]
async fn an_origin_whose_source_is_no_video_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.mp4");
    std::fs::write(&path, "no video").unwrap();
    let settings = Settings { http: Some(loopback()), ..settings(SourceSettings::File { path, once: false }) };
    let origin = Origin::load(settings).await.unwrap();
    let address = origin.http_address().unwrap();
    let shutdown = Shutdown::new(Duration::ZERO);
    let running = tokio::spawn(origin.run(shutdown.clone()));
    assert_eq!(get(address, "/readyz").await.0, 503);
    assert_eq!(get(address, "/metrics").await.0, 404, "nobody collects any");
    shutdown.begin();
    patiently(running).await.unwrap();
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_a_reason() {
    let sample = SourceSettings::Sample { once: false };
    let base = settings(sample.clone());
    let twice = |source| {
        let mut settings = settings(source);
        let mut other = settings.broadcasts[0].clone();
        other.namespace = moqt::Namespace::new(["live", "other"]).unwrap();
        settings.broadcasts.push(other);
        settings
    };
    let same = Settings { broadcasts: [&base.broadcasts[..], &base.broadcasts[..]].concat(), ..base.clone() };
    let missing = settings(SourceSettings::File { path: "/nonexistent/film.mp4".into(), once: false });
    for (settings, reason) in [
        (Settings { broadcasts: Vec::new(), ..base }, "nothing to publish"),
        (same, "`broadcasts.1.namespace` is that of another broadcast"),
        (twice(SourceSettings::Stdin { paced: false }), "is standard input, which feeds another broadcast"),
        (missing, "/nonexistent/film.mp4"),
    ] {
        let error = Origin::load(settings).await.err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains(reason)), "{error:?} for {reason}");
    }
    assert!(Origin::load(twice(sample)).await.is_ok());
}
