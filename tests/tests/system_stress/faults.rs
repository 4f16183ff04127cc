//! What is wrong is found, and told by its name.

use tests::system::{FaultyRelay, Wrong};

use super::{Told, Tool, never};

/// Runs half a dozen groups through a relay that does this; it has no FETCH, so viewers begin where its streams do.
async fn through(wrong: Wrong) -> Told {
    let relay = FaultyRelay::start(wrong);
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    std::fs::write(&plan, PLAN).unwrap();
    let told = Tool::run(plan.to_str().unwrap(), &[relay.address], &[]).told(never()).await;
    assert!(told.everybody("counts.frames") > 0.0, "nothing came at all: {:#}", told.report["overall"]["scopes"]);
    told
}

const PLAN: &str = "
name = 'faults'
require = ['undelivered=0', 'cut_groups=0', 'skipped_groups=0']
[video]
fps = 20
group = '500ms'
frame_bytes = '2KB'
[[video.viewers]]
name = 'watchers'
count = 2
";

#[tokio::test(flavor = "multi_thread")]
async fn a_simple_relay_without_fetch_is_not_wrong() {
    let told = through(Wrong::Nothing).await;
    told.assert_met();
    assert!((1.0..=8.0).contains(&told.everybody("counts.no_head")), "{:#}", told.report["overall"]["scopes"]["all"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_frame_is_a_gap() {
    let told = through(Wrong::Drop { at: 3 }).await;
    assert_eq!(told.code, 4);
    // The very last frame may be one of them: that one is undelivered.
    assert!(told.unmet().contains(&"gaps".to_owned()), "{:?}", told.unmet());
    // One of every group of every viewer, except in those that were joined behind it or left before it.
    let gaps = told.everybody("counts.gaps");
    assert!((8.0 * 3.0..=8.0 * 7.0).contains(&gaps), "{gaps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_byte_is_corruption() {
    let told = through(Wrong::Corrupt { at: 3 }).await;
    told.assert_unmet(&["corrupt"]);
    let kinds = &told.report["overall"]["scopes"]["all"]["kinds"]["corrupt"];
    assert!(kinds["checksum"].as_u64() >= Some(8) && kinds.as_object().unwrap().len() == 1, "{kinds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payload_of_another_frame_is_at_the_wrong_place() {
    let told = through(Wrong::Repeat { at: 3 }).await;
    told.assert_unmet(&["corrupt"]);
    let kinds = &told.report["overall"]["scopes"]["all"]["kinds"]["corrupt"];
    assert!(kinds["place"].as_u64() >= Some(8) && kinds.as_object().unwrap().len() == 1, "{kinds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_ends_early_in_good_order_has_gaps() {
    let told = through(Wrong::CutShort { at: 7 }).await;
    assert_eq!(told.code, 4);
    assert!(told.unmet().contains(&"gaps".to_owned()), "{:?}", told.unmet());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_no_gap_but_cuts_the_group() {
    let told = through(Wrong::Reset { at: 7 }).await;
    assert_eq!(told.code, 4);
    assert!(!told.unmet().contains(&"gaps".to_owned()), "{:?}", told.unmet());
    assert!(told.unmet().contains(&"cut_groups".to_owned()), "{:?}", told.unmet());
    let kinds = &told.report["overall"]["scopes"]["all"]["kinds"]["resets"];
    assert!(kinds["INTERNAL_ERROR"].as_u64() >= Some(8), "{kinds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_leaves_frames_undelivered_and_is_a_stall() {
    let told = through(Wrong::FallSilent { from: 3 }).await;
    told.assert_unmet(&["undelivered"]);
    assert!(told.everybody("counts.undelivered") > 8.0 * 10.0, "{}", told.everybody("counts.undelivered"));
}
