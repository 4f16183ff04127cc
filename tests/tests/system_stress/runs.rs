//! Runs as a whole: bad paths, interruption, capacity, and what is refused.

use std::time::Duration;

use tests::system::{RunningRelay, free_port};

use super::{Tool, never};

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_path_delays_and_loses_but_nothing_is_missing() {
    let relay = RunningRelay::start(tests::system::settings()).await;
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    let text = "
name = 'bad_path'
require = ['latency_p50>=20ms', 'errors=0', 'tune_in_count=8']
[impairment]
delay = '20ms'
jitter = '5ms'
loss = 0.02
[video]
fps = 20
bitrate = '500kbit/s'
[[video.viewers]]
name = 'watchers'
count = 8
";
    std::fs::write(&plan, text).unwrap();
    Tool::run(plan.to_str().unwrap(), &[relay.address], &[]).told(never()).await.assert_met();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_still_tells_what_it_saw() {
    let relay = RunningRelay::start(tests::system::settings()).await;
    let tool = Tool::run("steady", &[relay.address], &["--duration", "60s"]);
    let page = tool.file("page.html");
    let tool =
        Tool { arguments: [&tool.arguments[..], &["--html".to_owned(), page.display().to_string()]].concat(), ..tool };
    let shutdown = never();
    let told = tokio::join!(tool.told(shutdown.clone()), async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        shutdown.begin();
    });
    told.0.assert_met();
    assert_eq!(told.0.report["interrupted"], true);
    let seconds = told.0.report["seconds"].as_f64().unwrap();
    assert!((1.0..20.0).contains(&seconds), "{seconds}");
    assert!(std::fs::read_to_string(page).unwrap().contains("interrupted before its end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_is_the_most_that_meets_the_conditions() {
    let relay = RunningRelay::start(tests::system::settings()).await;
    let url = format!("moqt://{}", relay.address);
    let folder = tempfile::tempdir().unwrap();
    let (save, page) = (folder.path().join("steps.json"), folder.path().join("page.html"));
    let mut arguments: Vec<String> = "efir-stress capacity steady --insecure --json --slack 40 --duration 1s --min 2 --max 6 --within 50 --threads 1 \
                                      --require viewers_peak<=4 --save"
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    arguments.extend([save.display().to_string(), "--html".to_owned(), page.display().to_string(), url]);
    // The plan comes first.
    assert_eq!(stress::execute(&arguments, never()).await, 0);
    let answer: serde_json::Value =
        serde_json::from_str(std::fs::read_to_string(save).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(answer["viewers"].as_u64(), Some(4), "{answer}");
    assert!(std::fs::read_to_string(page).unwrap().contains("4 viewers meet the conditions"));
}

#[tokio::test(flavor = "multi_thread")]
async fn draft_16_and_webtransport_are_spoken() {
    let relay = RunningRelay::start(tests::system::settings()).await;
    Tool::run("steady", &[relay.address], &["--draft", "16", "--viewers", "2"]).told(never()).await.assert_met();
    let tool = Tool::run("steady", &[], &["--viewers", "2"]);
    let url = format!("https://{}", relay.address);
    let tool = Tool { arguments: [&tool.arguments[..], &[url]].concat(), ..tool };
    tool.told(never()).await.assert_met();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_to_load_or_not_there_is_refused() {
    let elsewhere = "192.0.2.1:4443".parse().unwrap();
    assert_eq!(Tool::run("steady", &[elsewhere], &[]).told(never()).await.code, 2);
    assert_eq!(Tool::run("no-such-plan", &[free_port()], &[]).told(never()).await.code, 2);
    assert_eq!(Tool::run("steady", &[free_port()], &["--require", "nobody.gaps=0"]).told(never()).await.code, 2);
    assert_eq!(Tool::run("steady", &[free_port()], &["--pid", "4194305"]).told(never()).await.code, 1);
    assert_eq!(Tool::run("steady", &[free_port()], &[]).told(never()).await.code, 3);
}
