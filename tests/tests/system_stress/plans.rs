//! Every shipped plan in a small form, with its own conditions, against our relay.

use tests::system::RunningRelay;

use super::{Told, Tool, never};

async fn small(plan: &str, more: &[&str]) -> Told {
    let relay = RunningRelay::start(tests::system::settings()).await;
    let told = Tool::run(plan, &[relay.address], more).told(never()).await;
    told.assert_met();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn steady() {
    let told = small("steady", &[]).await;
    assert_eq!(told.everybody("times.tune_in.count"), 8.0);
    assert_eq!(told.everybody("times.connect.count"), 9.0, "eight viewers and a publisher");
    // 3 Mbit/s for each of them, for two of the seconds.
    assert!(told.everybody("counts.bytes") > 8.0 * 3e6 / 8.0 * 1.2, "{}", told.everybody("counts.bytes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn small_frames() {
    let told = small("small_frames", &[]).await;
    let (frames, bytes) = (told.everybody("counts.frames"), told.everybody("counts.bytes"));
    assert_eq!(bytes / frames, 4000.0);
    // 60 a second for each of eight viewers, for two of the seconds.
    assert!(frames > 8.0 * 60.0 * 1.2, "{frames}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ramp() {
    let told = small("ramp", &[]).await;
    let viewers = |interval: usize| told.report["intervals"][interval]["scopes"]["all"]["levels"]["viewers"].as_i64();
    assert!(viewers(0) < viewers(1) && viewers(1) < viewers(2), "{:?}", told.report["intervals"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn flash_crowd() {
    small("flash_crowd", &["--viewers", "26"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn churn() {
    let told = small("churn", &["--viewers", "12", "--duration", "5s"]).await;
    assert!(told.everybody("times.connect.count") > 13.0, "nobody came again");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers() {
    let told = small("slow_readers", &["--viewers", "6", "--duration", "7s"]).await;
    let slow = &told.report["overall"]["scopes"]["slow"]["counts"];
    assert!(slow["resets"].as_u64() > Some(0), "slow readers lost nothing: {slow}");
    assert_eq!(told.report["overall"]["scopes"]["watchers"]["counts"]["resets"].as_u64(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle() {
    let told = small("idle", &["--viewers", "51"]).await;
    let levels = &told.report["intervals"][1]["scopes"]["idle"]["levels"];
    assert_eq!(levels["sessions"].as_i64(), Some(50), "{levels}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_storm() {
    let told = small("fetch_storm", &["--viewers", "14", "--duration", "5s"]).await;
    assert!(told.everybody("times.fetch.count") > 50.0, "{}", told.everybody("times.fetch.count"));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_joiners() {
    let told = small("late_joiners", &[]).await;
    // The one group began before all of them: its beginning came by FETCH, and `gaps=0` is met.
    assert!(told.everybody("counts.frames") > told.everybody("times.latency.count") * 1.2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tracks() {
    let told = small("many_tracks", &["--viewers", "4"]).await;
    assert_eq!(told.everybody("times.tune_in.count"), 80.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_tree() {
    let root = RunningRelay::start(tests::system::settings()).await;
    let leaves = [RunningRelay::below(&[root.address]).await, RunningRelay::below(&[root.address]).await];
    let relays = [root.address, leaves[0].address, leaves[1].address];
    Tool::run("relay_tree", &relays, &[]).told(never()).await.assert_met();
    let told = Tool::run("relay_tree", &relays[..1], &[]).told(never()).await;
    assert_eq!(told.code, 2, "it needs two relays");
}
