//! Viewers that are late: what timeouts take away, and who is let go.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

mod support;

use std::time::Duration;

use fanout::ServeEnd;
use moqt::{Location, PublishDoneCode, StreamErrorCode, Version};
use support::{End, META, Viewer, header, log, payload, settings, settle};

const START: Location = Location::new(0, 0);

fn append(appender: &mut fanout::SubgroupAppender, group: u64, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        let data = payload(group, id, 100);
        appender.object(&header(id, &data), data.into()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn objects_that_are_too_old_for_the_viewer_are_not_sent() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.lock().credit = Some(50);
    let mut impatient = settings(START);
    impatient.timeouts.publisher.object = Some(Duration::from_millis(100));
    viewer.serve(&log, impatient);
    let mut group = log.subgroup(1, 0, META).unwrap();
    append(&mut group, 1, 0..1);
    settle().await;
    append(&mut group, 1, 1..2);
    tokio::time::sleep(Duration::from_millis(200)).await;
    viewer.change(|state| state.credit = None);
    settle().await;
    let state = viewer.lock();
    assert_eq!(state.streams[0].end, Some(End::Reset(StreamErrorCode::DeliveryTimeout)));
    assert_eq!(state.streams[0].ids(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_subgroup_that_is_not_acknowledged_in_time_is_reset() {
    for acknowledges in [false, true] {
        let log = log(2);
        let viewer = Viewer::new(Version::Draft18);
        viewer.lock().acknowledges = acknowledges;
        let mut impatient = settings(START);
        impatient.timeouts.subscriber.subgroup = Some(Duration::from_millis(100));
        viewer.serve(&log, impatient);
        let mut group = log.subgroup(1, 0, META).unwrap();
        append(&mut group, 1, 0..2);
        // The clock starts with the end, not with the objects.
        tokio::time::sleep(Duration::from_millis(300)).await;
        group.finish(true).unwrap();
        tokio::time::sleep(Duration::from_millis(90)).await;
        assert_eq!(viewer.lock().streams[0].end, Some(End::Finished));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let expected = if acknowledges { End::Finished } else { End::Reset(StreamErrorCode::DeliveryTimeout) };
        assert_eq!(viewer.lock().streams[0].end, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_subgroup_that_is_not_even_sent_in_time_is_reset() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.lock().credit = Some(50);
    let mut impatient = settings(START);
    impatient.timeouts.publisher.subgroup = Some(Duration::from_millis(100));
    viewer.serve(&log, impatient);
    let mut group = log.subgroup(1, 0, META).unwrap();
    append(&mut group, 1, 0..2);
    group.finish(true).unwrap();
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert_eq!(viewer.lock().streams[0].end, Some(End::Reset(StreamErrorCode::DeliveryTimeout)));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_reads_nothing_at_all_is_let_go_in_the_end() {
    let log = log(3);
    let viewer = Viewer::new(Version::Draft18);
    viewer.lock().credit = Some(0);
    let serving = viewer.serve(&log, settings(START));
    for group in 1..30 {
        let mut stream = log.subgroup(group, 0, META).unwrap();
        append(&mut stream, group, 0..3);
        stream.finish(true).unwrap();
        settle().await;
    }
    assert_eq!(serving.await.unwrap(), ServeEnd::Done(PublishDoneCode::TooFarBehind));
    assert_eq!(viewer.lock().done, Some(PublishDoneCode::TooFarBehind));
}
