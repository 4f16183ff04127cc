//! Traces: what a relay writes, and what `efir trace` makes of it is in order.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::{Path, PathBuf};

use moqt::Version;
use relay::RelaySettings;
use serde_json::Value;
use tests::system::{Carrier, Publisher, RunningRelay, Viewer, at, namespace, settings};
use transport::QlogSettings;

const TRACK: &str = "live-demo--video0";

fn traces(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().unwrap() == "sqlog").collect()
}

fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.starts_with("\x1e{"), "a JSON text sequence");
    text.lines().map(|line| serde_json::from_str(line.strip_prefix('\x1e').unwrap()).unwrap()).collect()
}

/// A relay that traces, with a publisher that announced itself and one track of three groups.
async fn traced(qlog: QlogSettings) -> (RunningRelay, Publisher, tests::system::Dialed) {
    let relay = RunningRelay::start(RelaySettings { qlog, ..settings() }).await;
    let publisher = Publisher::default();
    publisher.track(TRACK).groups([7, 8, 9], 3);
    let dialed = publisher.dial(relay.address).await;
    (relay, publisher, dialed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewers_trace_tells_its_story_in_order() {
    for (version, carrier) in [(Version::Draft18, Carrier::Quic), (Version::Draft16, Carrier::WebTransport)] {
        let directory = tempfile::tempdir().unwrap();
        let qlog = QlogSettings { dir: Some(directory.path().to_owned()), ..QlogSettings::default() };
        let (relay, publisher, dialed) = traced(qlog).await;
        let _announced = dialed.announce(namespace("live-demo")).await;
        let viewer = Viewer::speaking(version, relay.address, carrier).await;
        let id = viewer.session.connection().info().id.clone();
        let mut frames = viewer.join(publisher.track(TRACK).name(), 0).await.unwrap();
        frames.up_to(at(9, 2)).await;
        let track = publisher.track(TRACK);
        track.groups([10], 3);
        frames.up_to(at(10, 2)).await;
        drop((frames, viewer, dialed));
        relay.shutdown.begin();
        relay.stopped().await;

        let path = directory.path().join(format!("{id}_server.sqlog"));
        let events = events(&path);
        assert_eq!(events[0]["qlog_format"], "JSON-SEQ");
        let moqt: Vec<String> = events.iter().filter_map(story).collect();
        // Draft-18's SETUP travels on a stream of its own: requests may overtake it.
        let setup = if version == Version::Draft18 { ["setup", "setup"] } else { ["client_setup", "server_setup"] };
        for wanted in
            [format!("parsed {}", setup[0]), format!("created {}", setup[1]), "created fetched 9/2".to_owned()]
        {
            assert!(moqt.contains(&wanted), "{version}: {wanted} is missing: {moqt:#?}");
        }
        // The order in which they happened; others stand between.
        let mut rest = moqt.iter();
        let subscription = [
            "parsed subscribe",
            "created subscribe_ok",
            "created group 10",
            "created object 10/0",
            "created object 10/2",
        ];
        for wanted in subscription {
            assert!(rest.any(|told| told == wanted), "{version}: {wanted} is missing or too late: {moqt:#?}");
        }
        // The same for people.
        let shown = cli::trace::lines(&std::fs::read(&path).unwrap());
        let mut rest = shown.iter();
        for (arrow, what) in
            [("<-", "SUBSCRIBE "), ("->", "SUBSCRIBE_OK "), ("->", "subgroup header "), ("->", "subgroup object ")]
        {
            let found = rest.any(|line| line.contains(&format!("{}  {arrow}  {what}", &id[..8])));
            assert!(found, "{version}: {what} is missing or too late: {shown:#?}");
        }
        assert!(shown.iter().any(|line| line.contains("track_namespace=live/demo track_name=video0")), "{shown:#?}");
        let quic = |name: &str| events.iter().any(|event| event["name"] == name);
        assert!(quic("transport:packet_sent") && quic("transport:packet_received"), "QUIC is in the same file");
        let times: Vec<f64> = events.iter().filter_map(|event| event["time"].as_f64()).collect();
        assert!(times.len() > 20 && times.iter().all(|time| (0.0..60_000.0).contains(time)));
        assert!(events[1..].iter().all(|event| event["group_id"] == id.as_str()), "every event names its connection");
    }
}

/// A MOQT event in few words.
fn story(event: &Value) -> Option<String> {
    let (kind, way) = event["name"].as_str()?.strip_prefix("moqt:")?.rsplit_once('_')?;
    let data = &event["data"];
    match kind {
        "control_message" => Some(format!("{way} {}", data["message"]["type"].as_str()?)),
        "subgroup_header" => Some(format!("{way} group {}", data["group_id"])),
        "subgroup_object" => Some(format!("{way} object {}/{}", data["group_id"], data["object_id"])),
        "fetch_object" => Some(format!("{way} fetched {}/{}", data["group_id"], data["object_id"])),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_chooses_the_same_connections_again_and_none_is_none() {
    let connected = async |sample: f64, seed: u64| {
        let directory = tempfile::tempdir().unwrap();
        let dir = Some(directory.path().to_owned());
        let qlog =
            QlogSettings { dir, sample: sample.try_into().unwrap(), seed: Some(seed), ..QlogSettings::default() };
        let relay = RunningRelay::start(RelaySettings { qlog, ..settings() }).await;
        let mut ids = Vec::new();
        for _ in 0..12 {
            let viewer = Viewer::speaking(Version::Draft18, relay.address, Carrier::Quic).await;
            ids.push(viewer.session.connection().info().id.clone());
        }
        relay.shutdown.begin();
        relay.stopped().await;
        let written = traces(directory.path());
        let has = |id: &String| written.iter().any(|path| path.to_string_lossy().contains(id.as_str()));
        ids.iter().map(has).collect::<Vec<bool>>()
    };
    let half = connected(0.5, 4).await;
    assert!(half.contains(&true) && half.contains(&false), "{half:?}");
    assert_eq!(connected(0.5, 4).await, half);
    assert_eq!(connected(0.0, 4).await, [false; 12]);
    assert_eq!(connected(1.0, 4).await, [true; 12]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_out_of_traces() {
    let directory = tempfile::tempdir().unwrap();
    let qlog = QlogSettings { dir: Some(directory.path().to_owned()), ..QlogSettings::default() };
    let relay = RunningRelay::start(RelaySettings { qlog, ..settings() }).await;
    let publisher = Publisher::default();
    let dialed = publisher.dial_as(relay.address, Carrier::Quic, Some("hush-hush")).await;
    // Answered after the SETUP with the token was read.
    let _announced = dialed.announce(namespace("live-demo")).await;
    drop(dialed);
    relay.shutdown.begin();
    relay.stopped().await;
    let text = std::fs::read_to_string(&traces(directory.path())[0]).unwrap();
    assert!(text.contains("\"alias_type\":\"use_value\"") && !text.contains("hush"), "{text}");
    let digits: String = b"hush-hush".iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!text.contains(&digits), "{text}");
}
