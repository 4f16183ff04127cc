//! `efir conformance` against our relay, and against relays that do one thing wrong.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::net::SocketAddr;
use std::time::Duration;

use cli::conformance::{Case, Form, Outcome, Plan, run};
use moqt::Version;
use serde_json::Value;
use tests::raw::{RawServer, hex};
use tests::system::{FaultyRelay, RunningRelay, Wrong, free_port, within};
use transport::TrustSettings;

fn plan(relay: SocketAddr, scheme: &str, cases: &[Case]) -> Plan {
    Plan {
        address: format!("{scheme}://{relay}").parse().unwrap(),
        trust: TrustSettings::Insecure,
        token: None,
        versions: Version::ALL.to_vec(),
        cases: cases.to_vec(),
        namespace: None,
        timeout: Some(Duration::from_secs(60)),
        form: Form::Json,
        verbose: false,
        qlog: None,
    }
}

async fn lines(plan: &Plan) -> (Outcome, Vec<String>) {
    let mut lines = Vec::new();
    let outcome = run(plan, &mut |line: &str| lines.push(line.to_owned())).await;
    (outcome, lines)
}

/// The report of the only case.
async fn report(plan: Plan) -> Value {
    let (_, lines) = lines(&plan).await;
    serde_json::from_str(&lines[0]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_relay_passes_every_case_over_both_drafts_and_carriers() {
    let relay = RunningRelay::below(&[]).await;
    for version in Version::ALL {
        for scheme in ["moqt", "https"] {
            let plan = Plan { versions: vec![version], form: Form::Tap, ..plan(relay.address, scheme, &Case::ALL) };
            let (outcome, lines) = lines(&plan).await;
            let told = lines.join("\n");
            assert_eq!(outcome, Outcome { passed: 12, failed: 0 }, "{told}");
            assert!(told.starts_with("TAP version 14\n# efir conformance v"), "{told}");
            assert_eq!(lines[4], "1..12", "{told}");
            for (number, case) in (1..).zip(Case::ALL) {
                assert!(lines.contains(&format!("ok {number} - {}", case.name())), "{told}");
            }
            assert_eq!(lines.iter().filter(|line| **line == format!("  draft: \"{version}\"")).count(), 12, "{told}");
            assert!(told.contains("  publisher_connection_id: \"") && told.contains("  connection_id: \""), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_a_relay_changes_or_loses_are_its_fault() {
    let failed = async |wrong: Wrong, case: Case| {
        let relay = FaultyRelay::start(wrong);
        let mut plan = plan(relay.address, "moqt", &[case]);
        // What never comes is waited for.
        plan.timeout = Some(Duration::from_secs(5));
        let report = report(plan).await;
        assert_eq!((&report["ok"], &report["at_fault"]), (&false.into(), &"relay".into()), "{wrong:?}: {report}");
        let text = |key: &str| report[key].as_str().unwrap().to_owned();
        (text("expected"), text("received"), text("message"))
    };
    let (expected, received, message) = failed(Wrong::Drop { at: 3 }, Case::SingleGroup).await;
    assert_eq!((expected.as_str(), received.as_str()), ("object 3 of group 0", "object 4 of group 0"));
    assert!(message.contains("there is a hole"), "{message}");
    let (_, received, message) = failed(Wrong::Corrupt { at: 2 }, Case::MultipleGroups).await;
    assert_eq!(received, "a changed payload");
    assert!(message.starts_with("subscriber: the payload of object 2 of group 0 is not"), "{message}");
    let (_, received, _) = failed(Wrong::CutShort { at: 5 }, Case::SingleGroup).await;
    assert_eq!(received, "the stream's end");
    let (expected, received, message) = failed(Wrong::FallSilent { from: 1 }, Case::MultipleGroups).await;
    assert_eq!((expected.as_str(), received.as_str()), ("object 0 of group 1", "timeout"));
    assert!(message.contains("after 5000 ms"), "{message}");
    let (_, received, message) = failed(Wrong::Nothing, Case::Fetch).await;
    assert_eq!(received, "REQUEST_ERROR NOT_SUPPORTED");
    assert!(message.contains("the publisher was asked for nothing"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_bytes_are_shown() {
    // SETUP, and then a message type that no draft has.
    let relay = RawServer::start(vec![hex("af000000"), hex("3f000201ff")]);
    let report = report(plan(relay.address, "moqt", &[Case::AnnounceOnly])).await;
    assert_eq!(report["at_fault"], "relay", "{report}");
    assert!(report["received"].as_str().unwrap().contains("PROTOCOL_VIOLATION"), "{report}");
    let wire: Vec<&str> = report["wire"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(wire.iter().any(|line| line.starts_with("client sent SETUP on stream 2: af00")), "{wire:?}");
    assert!(wire.iter().any(|line| line.starts_with("client received SETUP on stream 3: af000000")), "{wire:?}");
    let unreadable = wire.iter().find(|line| line.contains("unreadable bytes")).unwrap();
    assert!(unreadable.ends_with(": 3f000201ff"), "{unreadable}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_not_there_ends_the_run() {
    let plan = Plan {
        form: Form::Tap,
        timeout: Some(Duration::from_secs(2)),
        ..plan(free_port(), "moqt", &[Case::SetupOnly, Case::AnnounceOnly])
    };
    let (outcome, lines) = within(lines(&plan)).await;
    assert_eq!(outcome, Outcome { passed: 0, failed: 2 });
    let told = lines.join("\n");
    assert!(told.contains("not ok 1 - setup-only") && told.contains("  at_fault: \"network\""), "{told}");
    assert!(told.contains("\nBail out! ") && !told.contains("announce-only"), "{told}");
}
