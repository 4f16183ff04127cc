//! Whole subscriptions against a recording viewer, on a paused clock.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use fanout::{
    AppendError, LogSettings, MemoryBudget, ServeEnd, ServeSettings, SlowViewerPolicy, SubgroupMeta, TrackLog,
    resolve_filter,
};
use moqt::{
    Datagram, DatagramBody, Filter, Location, Parameters, Properties, PublishDoneCode, RequestErrorCode,
    StreamErrorCode, TrackAlias, Version,
};
use support::{End, META, Viewer, header, log, payload, settings, settle};
use transport::SubscriptionEvent;

const START: Location = Location::new(0, 0);

fn append(appender: &mut fanout::SubgroupAppender, group: u64, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        let data = payload(group, id, 100);
        appender.object(&header(id, &data), data.into()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_joins_inside_a_group_gets_it_from_its_first_object() {
    let log = log(2);
    let mut group = log.subgroup(7, 0, META).unwrap();
    append(&mut group, 7, 0..3);
    let range = resolve_filter(None, log.largest()).unwrap();
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(range.start));
    settle().await;
    append(&mut group, 7, 3..5);
    group.finish(true).unwrap();
    settle().await;
    let state = viewer.lock();
    assert_eq!(state.streams.len(), 1);
    let stream = &state.streams[0];
    assert_eq!((stream.ids(), stream.end), (vec![0, 1, 2, 3, 4], Some(End::Finished)));
    assert!(stream.fields.first_object && stream.fields.end_of_group && stream.fields.group == 7);
    for object in stream.objects(Version::Draft18) {
        assert_eq!(object.payload, payload(7, object.id, 100));
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_inside_a_group_has_its_own_first_header_and_no_first_object_bit() {
    for version in Version::ALL {
        let log = log(2);
        let mut group = log.subgroup(7, 0, META).unwrap();
        append(&mut group, 7, 0..3);
        let range = resolve_filter(Some(Filter::LargestObject), log.largest()).unwrap();
        let viewer = Viewer::new(version);
        viewer.serve(&log, settings(range.start));
        settle().await;
        assert!(viewer.lock().streams.is_empty(), "nothing passes yet");
        append(&mut group, 7, [3, 4, 9]);
        settle().await;
        let state = viewer.lock();
        let ids: Vec<_> = state.streams[0].objects(version).iter().map(|object| object.id).collect();
        assert_eq!(ids, [3, 4, 9]);
        assert!(!state.streams[0].fields.first_object);
    }
}

#[tokio::test(start_paused = true)]
async fn another_drafts_viewer_gets_the_same_objects() {
    let log = log(2);
    let mut group = log.subgroup(1 << 40, 3, SubgroupMeta { has_properties: true, ..META }).unwrap();
    let viewer = Viewer::new(Version::Draft16);
    viewer.serve(&log, settings(START));
    for id in 0..40 {
        let data = payload(1, id, if id % 5 == 0 { 20_000 } else { 300 });
        let mut header = header(id * 2, &data);
        header.properties = Properties::from_pairs([moqt::Pair::new(0x10, 100_000 + id)]).unwrap();
        group.object(&header, data.into()).unwrap();
        settle().await;
    }
    let state = viewer.lock();
    let objects = state.streams[0].objects(Version::Draft16);
    assert_eq!(objects.len(), 40);
    for (at, object) in (0..).zip(&objects) {
        assert!(object.whole && object.id == at * 2);
        assert_eq!(object.payload, payload(1, at, if at % 5 == 0 { 20_000 } else { 300 }));
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_reset_arrives_as_a_reset_with_its_code_after_what_was_there() {
    let log = log(2);
    let mut group = log.subgroup(1, 0, META).unwrap();
    append(&mut group, 1, 0..3);
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(START));
    settle().await;
    group.reset(StreamErrorCode::DeliveryTimeout);
    settle().await;
    let state = viewer.lock();
    assert_eq!(state.streams[0].ids(), [0, 1, 2]);
    assert_eq!(state.streams[0].end, Some(End::Reset(StreamErrorCode::DeliveryTimeout)));
}

#[tokio::test(start_paused = true)]
async fn bytes_of_a_large_object_leave_before_it_is_complete() {
    let log = log(2);
    let mut group = log.subgroup(1, 0, META).unwrap();
    let data = payload(1, 0, 50_000);
    group.encode_header(&header(0, &data)).unwrap();
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(START));
    for (at, piece) in data.chunks(1350).enumerate() {
        group.payload(Bytes::copy_from_slice(piece)).unwrap();
        settle().await;
        assert!(viewer.lock().streams[0].bytes.len() > at * 1350, "piece {at} must be visible at once");
    }
    group.end_object().unwrap();
    settle().await;
    let objects = viewer.lock().streams[0].objects(Version::Draft18);
    assert!(objects[0].whole && objects[0].payload == data);
}

#[tokio::test(start_paused = true)]
async fn a_slow_viewer_is_moved_to_the_newest_group_and_holds_nobody_up() {
    let log = log(3);
    let (slow, quick) = (Viewer::new(Version::Draft18), Viewer::new(Version::Draft18));
    slow.lock().credit = Some(150);
    slow.serve(&log, settings(START));
    quick.serve(&log, settings(START));
    for id in 1..=6 {
        let mut group = log.subgroup(id, 0, META).unwrap();
        append(&mut group, id, 0..10);
        settle().await;
        group.finish(true).unwrap();
        settle().await;
    }
    slow.change(|state| state.credit = None);
    settle().await;
    let quick = quick.lock();
    assert_eq!(quick.streams.len(), 6);
    assert!(quick.streams.iter().all(|stream| stream.end == Some(End::Finished) && stream.ids().len() == 10));
    let slow = slow.lock();
    assert_eq!(slow.streams[0].end, Some(End::Reset(StreamErrorCode::TooFarBehind)));
    let newest = slow.streams.last().unwrap();
    assert_eq!((newest.fields.group, newest.end), (6, Some(End::Finished)));
    assert_eq!(newest.ids(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn each_lag_bound_gives_an_older_group_up_and_only_then() {
    let relaxed = SlowViewerPolicy {
        max_lag_groups: 100,
        min_lag: Duration::ZERO,
        max_lag: Duration::from_secs(3600),
        max_lag_bytes: 1 << 30,
    };
    let by_groups = SlowViewerPolicy { max_lag_groups: 1, ..relaxed };
    let by_time = SlowViewerPolicy { max_lag: Duration::from_secs(3), ..relaxed };
    let by_bytes = SlowViewerPolicy { max_lag_bytes: 500, ..relaxed };
    for (slow, expected) in [(relaxed, vec![]), (by_groups, vec![1, 2]), (by_time, vec![1]), (by_bytes, vec![1, 2, 3])]
    {
        let log = log(10);
        let viewer = Viewer::new(Version::Draft18);
        viewer.lock().credit = Some(30);
        viewer.serve(&log, ServeSettings { slow, ..settings(START) });
        for id in 1..=4 {
            let mut group = log.subgroup(id, 0, META).unwrap();
            append(&mut group, id, 0..10);
            group.finish(true).unwrap();
            settle().await;
            tokio::time::sleep(Duration::from_millis(1200)).await;
        }
        viewer.change(|_| {});
        settle().await;
        let state = viewer.lock();
        assert_eq!(state.skipped, expected, "{slow:?}");
        for stream in &state.streams {
            let given_up = expected.contains(&stream.fields.group);
            assert_eq!(stream.end, given_up.then_some(End::Reset(StreamErrorCode::TooFarBehind)), "{slow:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn draft_16_streams_say_the_default_priority() {
    for (version, expected) in [(Version::Draft16, Some(77)), (Version::Draft18, None)] {
        let log = log(2);
        let viewer = Viewer::new(version);
        viewer.serve(&log, ServeSettings { publisher_priority: 77, ..settings(START) });
        append(&mut log.subgroup(1, 0, META).unwrap(), 1, [0]);
        settle().await;
        assert_eq!(viewer.lock().streams[0].fields.priority, expected, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn short_groups_that_come_in_a_burst_are_all_sent() {
    let age = Duration::from_millis(500);
    let log =
        TrackLog::new(LogSettings { max_groups: 3, min_age: age, max_bytes: 1 << 24 }, MemoryBudget::new(1 << 26));
    let viewer = Viewer::new(Version::Draft18);
    let slow = SlowViewerPolicy { min_lag: age, ..settings(START).slow };
    viewer.serve(&log, ServeSettings { slow, ..settings(START) });
    settle().await;
    let burst = |from: u64| {
        for id in from..from + 24 {
            let mut group = log.subgroup(id, 0, META).unwrap();
            append(&mut group, id, [0]);
            group.finish(true).unwrap();
        }
    };
    // The server's task gets no turn within a burst.
    burst(0);
    settle().await;
    tokio::time::sleep(2 * age).await;
    assert_eq!(log.groups_from(0).len(), 24, "nothing came after them");
    burst(24);
    assert_eq!(log.groups_from(0).len(), 25, "the last of the first burst was the newest until now");
    settle().await;
    let state = viewer.lock();
    let groups: Vec<_> = state.streams.iter().map(|stream| (stream.fields.group, stream.end)).collect();
    assert_eq!(groups, (0..48).map(|id| (id, Some(End::Finished))).collect::<Vec<_>>());
    assert!(state.skipped.is_empty(), "{:?}", state.skipped);
}

#[tokio::test(start_paused = true)]
async fn more_subgroups_than_streams_take_turns() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.lock().credit = Some(0);
    viewer.serve(&log, settings(START));
    let count = fanout::MAX_STREAMS_PER_VIEWER as u64 * 3;
    for id in 0..count {
        let mut subgroup = log.subgroup(1, id, SubgroupMeta { end_of_group: false, ..META }).unwrap();
        append(&mut subgroup, 1, [id]);
        subgroup.finish(false).unwrap();
    }
    settle().await;
    assert_eq!(viewer.lock().streams.len(), fanout::MAX_STREAMS_PER_VIEWER);
    viewer.change(|state| state.credit = None);
    settle().await;
    let state = viewer.lock();
    let ids: Vec<_> = state.streams.iter().flat_map(|stream| stream.ids()).collect();
    assert_eq!(ids, (0..count).collect::<Vec<_>>());
    assert!(state.streams.iter().all(|stream| stream.end == Some(End::Finished)));
    let bytes = state.streams.iter().map(|stream| stream.bytes.len() as u64).sum();
    assert_eq!(state.sent, (count, bytes));
}

#[tokio::test(start_paused = true)]
async fn newer_groups_are_more_urgent_in_descending_order() {
    let log = log(3);
    let viewer = Viewer::new(Version::Draft18);
    viewer.lock().credit = Some(10);
    viewer.serve(&log, settings(START));
    for id in 5..7 {
        append(&mut log.subgroup(id, 0, META).unwrap(), id, 0..1);
        settle().await;
    }
    let state = viewer.lock();
    assert!(state.streams[1].priority > state.streams[0].priority);
}

#[tokio::test(start_paused = true)]
async fn a_track_end_is_told_after_all_streams() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    let served = viewer.serve(&log, settings(START));
    let mut group = log.subgroup(1, 0, META).unwrap();
    append(&mut group, 1, 0..10);
    viewer.change(|state| state.credit = Some(0));
    group.finish(true).unwrap();
    log.end(PublishDoneCode::TrackEnded, "over");
    settle().await;
    assert_eq!(viewer.lock().done, None);
    viewer.change(|state| state.credit = None);
    assert_eq!(served.await.unwrap(), ServeEnd::Done(PublishDoneCode::TrackEnded));
    let state = viewer.lock();
    assert_eq!((state.done, state.streams[0].end), (Some(PublishDoneCode::TrackEnded), Some(End::Finished)));
    assert_eq!(log.subgroup(2, 0, META).unwrap_err(), AppendError::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_viewer_does_not_outlive_the_track() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.lock().credit = Some(0);
    let served = viewer.serve(&log, settings(START));
    append(&mut log.subgroup(1, 0, META).unwrap(), 1, 0..10);
    settle().await;
    log.end(PublishDoneCode::TrackEnded, "");
    let end = tokio::time::timeout(Duration::from_secs(3), served).await.unwrap().unwrap();
    assert_eq!(end, ServeEnd::Done(PublishDoneCode::TrackEnded));
}

#[tokio::test(start_paused = true)]
async fn a_range_ends_with_its_last_group() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    let mut range = settings(START);
    range.end_group = Some(2);
    let served = viewer.serve(&log, range);
    for id in 1..=3 {
        let mut group = log.subgroup(id, 0, META).unwrap();
        append(&mut group, id, 0..2);
        group.finish(true).unwrap();
        settle().await;
    }
    assert_eq!(served.await.unwrap(), ServeEnd::Done(PublishDoneCode::SubscriptionEnded));
    let groups: Vec<_> = viewer.lock().streams.iter().map(|stream| stream.fields.group).collect();
    assert_eq!(groups, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn forward_0_resets_and_forward_1_resumes_at_the_live_edge() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(START));
    let mut group = log.subgroup(1, 0, META).unwrap();
    append(&mut group, 1, 0..3);
    settle().await;
    let forward = |on| SubscriptionEvent::Update(Parameters { forward: Some(on), ..Parameters::default() });
    viewer.change(|state| state.events.push_back(forward(false)));
    append(&mut group, 1, 3..5);
    settle().await;
    assert_eq!(viewer.lock().streams[0].end, Some(End::Reset(StreamErrorCode::Cancelled)));
    viewer.change(|state| state.events.push_back(forward(true)));
    settle().await;
    append(&mut group, 1, 5..7);
    settle().await;
    let state = viewer.lock();
    assert_eq!(state.accepted[1].largest_object, Some(Location::new(1, 4)));
    assert_eq!(state.streams.len(), 2);
    assert_eq!((state.streams[1].ids(), state.streams[1].fields.first_object), (vec![5, 6], false));
}

#[tokio::test(start_paused = true)]
async fn updates_change_priority_and_refuse_a_past_range() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    let served = viewer.serve(&log, settings(START));
    let mut group = log.subgroup(5, 0, META).unwrap();
    append(&mut group, 5, 0..1);
    settle().await;
    let before = viewer.lock().streams[0].priority;
    let update = Parameters { subscriber_priority: Some(1), ..Parameters::default() };
    viewer.change(|state| state.events.push_back(SubscriptionEvent::Update(update)));
    settle().await;
    assert!(viewer.lock().streams[0].priority > before);
    let past = Filter::AbsoluteRange { start: START, end_group: 4 };
    let update = Parameters { filter: Some(past), ..Parameters::default() };
    viewer.change(|state| state.events.push_back(SubscriptionEvent::Update(update)));
    assert_eq!(served.await.unwrap(), ServeEnd::UpdateRefused);
    let state = viewer.lock();
    assert_eq!(state.refused, Some(RequestErrorCode::InvalidRange));
    assert!(matches!(state.streams[0].end, Some(End::Reset(_))));
}

#[tokio::test(start_paused = true)]
async fn the_largest_location_is_the_later_of_what_upstream_told_and_what_came() {
    let log = log(2);
    let at = |group, object| Some(Location::new(group, object));
    assert_eq!(log.known_largest(), None);
    log.tell_largest(at(5, 3));
    assert_eq!((log.known_largest(), log.largest()), (at(5, 3), None));
    let mut group = log.subgroup(6, 0, META).unwrap();
    append(&mut group, 6, 0..1);
    assert_eq!(log.known_largest(), at(6, 0));
    log.tell_largest(at(4, 0));
    assert_eq!(log.known_largest(), at(6, 0), "what has arrived stays");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_resets_all_streams_also_while_one_is_being_opened() {
    for blocked in [false, true] {
        let log = log(2);
        let viewer = Viewer::new(Version::Draft18);
        viewer.lock().open_blocked = blocked;
        let served = viewer.serve(&log, settings(START));
        append(&mut log.subgroup(5, 0, META).unwrap(), 5, 0..1);
        settle().await;
        viewer.change(|state| state.events.push_back(SubscriptionEvent::Cancelled));
        assert_eq!(served.await.unwrap(), ServeEnd::Cancelled);
        let state = viewer.lock();
        assert_eq!((state.streams.len(), state.done), (usize::from(!blocked), None));
        assert!(state.streams.iter().all(|stream| stream.end.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_stream_is_not_reopened_and_the_next_group_comes() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(START));
    let mut group = log.subgroup(5, 0, META).unwrap();
    append(&mut group, 5, 0..1);
    settle().await;
    viewer.lock().streams[0].stopped = true;
    append(&mut group, 5, 1..3);
    settle().await;
    append(&mut log.subgroup(6, 0, META).unwrap(), 6, 0..1);
    settle().await;
    let groups: Vec<_> = viewer.lock().streams.iter().map(|stream| stream.fields.group).collect();
    assert_eq!(groups, [5, 6]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_subgroup_goes_on_in_a_stream_of_its_own() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(START));
    let mut first = log.subgroup(1, 0, META).unwrap();
    append(&mut first, 1, 0..2);
    first.reset(StreamErrorCode::InternalError);
    settle().await;
    let mut second = log.subgroup(1, 0, SubgroupMeta { first_object: false, ..META }).unwrap();
    append(&mut second, 1, 4..6);
    settle().await;
    let state = viewer.lock();
    assert_eq!(state.streams[0].end, Some(End::Reset(StreamErrorCode::InternalError)));
    assert_eq!(state.streams[1].ids(), [4, 5]);
    assert!(!state.streams[1].fields.first_object);
}

#[tokio::test(start_paused = true)]
async fn a_fetched_head_and_the_live_stream_become_one_stream() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(START));
    let hold = log.hold_head(Location::new(1, 2));
    let live = {
        let log = log.clone();
        tokio::spawn(async move {
            log.head_settled(1).await;
            let mut live = log.subgroup(1, 0, SubgroupMeta { first_object: false, ..META }).unwrap();
            append(&mut live, 1, 3..5);
            live.finish(true).unwrap();
        })
    };
    let mut head = log.subgroup(1, 0, META).unwrap();
    append(&mut head, 1, 0..3);
    settle().await;
    assert!(!live.is_finished(), "live objects wait for the head");
    head.detach();
    drop(hold);
    live.await.unwrap();
    assert!(log.wait_until_complete_up_to(Location::new(1, 4)).await);
    settle().await;
    let state = viewer.lock();
    assert_eq!(state.streams.len(), 1);
    assert_eq!((state.streams[0].ids(), state.streams[0].end), (vec![0, 1, 2, 3, 4], Some(End::Finished)));
    assert!(log.group(1).unwrap().is_complete());
}

#[tokio::test(start_paused = true)]
async fn objects_that_come_twice_are_sent_once_and_must_be_the_same() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(START));
    let mut first = log.subgroup(1, 0, META).unwrap();
    append(&mut first, 1, 0..3);
    let mut second = log.subgroup(1, 0, META).unwrap();
    append(&mut second, 1, 0..4);
    append(&mut first, 1, 3..5);
    drop(first);
    append(&mut second, 1, 4..6);
    settle().await;
    assert_eq!(viewer.lock().streams[0].ids(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(viewer.lock().streams[0].end, None, "one of two publishers is left");
    let mut liar = log.subgroup(1, 0, META).unwrap();
    let other = payload(9, 9, 100);
    let lie = liar.object(&header(0, &other), other.into());
    assert!(matches!(lie, Err(AppendError::Malformed(_))), "{lie:?}");
    let elsewhere = log.subgroup(1, 1, META).unwrap().encode_header(&header(0, &[]));
    assert!(matches!(elsewhere, Err(AppendError::Malformed(_))), "{elsewhere:?}");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_took_two_ways_is_one_object_whatever_its_properties_say_of_them() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(START));
    let meta = SubgroupMeta { has_properties: true, ..META };
    let stamped = |id, stamp: &'static [u8]| {
        let pair = moqt::Pair::new(moqt::property::HOP_DELAY, Bytes::from_static(stamp));
        moqt::ObjectHeader { properties: Properties::from_pairs([pair]).unwrap(), ..header(id, &payload(1, id, 100)) }
    };
    let mut first = log.subgroup(1, 0, meta).unwrap();
    let mut second = log.subgroup(1, 0, meta).unwrap();
    for id in 0..3 {
        first.object(&stamped(id, b"short way"), payload(1, id, 100).into()).unwrap();
        second.object(&stamped(id, b"a longer way"), payload(1, id, 100).into()).unwrap();
    }
    drop(first);
    second.object(&stamped(3, b"a longer way"), payload(1, 3, 100).into()).unwrap();
    settle().await;
    let state = viewer.lock();
    assert_eq!((state.streams.len(), state.streams[0].ids()), (1, vec![0, 1, 2, 3]));
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_the_end_of_a_subgroup_group_or_track() {
    let log = log(4);
    let mut whole = log.subgroup(1, 0, META).unwrap();
    append(&mut whole, 1, 0..2);
    whole.finish(true).unwrap();
    let late = log.subgroup(1, 0, META).unwrap().encode_header(&header(2, &[]));
    assert!(matches!(late, Err(AppendError::Malformed(_))));
    let other = log.subgroup(1, 1, META).unwrap().encode_header(&header(7, &[]));
    assert!(matches!(other, Err(AppendError::Malformed(_))));
    let mut last = log.subgroup(2, 0, META).unwrap();
    let mut status = header(0, &[]);
    status.status = moqt::ObjectStatus::EndOfTrack;
    last.object(&status, Bytes::new()).unwrap();
    assert_eq!(log.last_location(), Some(Location::new(2, 0)));
    assert!(matches!(log.subgroup(3, 0, META), Err(AppendError::Malformed(_))));
}

#[tokio::test(start_paused = true)]
async fn datagrams_stay_datagrams() {
    let log = log(2);
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(Location::new(1, 1)));
    let datagram = |object_id| Datagram {
        track_alias: TrackAlias(0),
        group: 1,
        object_id,
        priority: Some(3),
        properties: Properties::EMPTY,
        end_of_group: false,
        body: DatagramBody::Payload(payload(1, object_id, 30).into()),
    };
    for id in [0, 1, 1, 2] {
        log.datagram(datagram(id)).unwrap();
        settle().await;
    }
    let ids: Vec<_> = viewer.lock().datagrams.iter().map(|datagram| datagram.object_id).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(log.largest(), Some(Location::new(1, 2)));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_does_not_fit_the_budget_is_dropped_and_the_next_one_lives() {
    let budget = MemoryBudget::new(30_000);
    let log = TrackLog::new(LogSettings { max_groups: 2, min_age: Duration::ZERO, max_bytes: 1 << 20 }, budget.clone());
    let viewer = Viewer::new(Version::Draft18);
    viewer.serve(&log, settings(START));
    let mut large = log.subgroup(1, 0, META).unwrap();
    append(&mut large, 1, 0..1);
    settle().await;
    let data = payload(1, 1, 40_000);
    assert_eq!(large.object(&header(1, &data), data.into()), Err(AppendError::OverBudget));
    drop(large);
    settle().await;
    assert_eq!(viewer.lock().streams[0].end, Some(End::Reset(StreamErrorCode::ExcessiveLoad)));
    assert_eq!((log.overloaded_groups(), budget.used()), (1, 0), "everything of the group is given back");
    let mut small = log.subgroup(2, 0, META).unwrap();
    append(&mut small, 2, 0..2);
    settle().await;
    assert_eq!(viewer.lock().streams[1].ids(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn complete_groups_that_leave_are_handed_over_and_late_ones_refused() {
    let log = log(2);
    for id in 1..=4 {
        let mut group = log.subgroup(id, 0, META).unwrap();
        append(&mut group, id, 0..2);
        if id != 2 {
            group.finish(true).unwrap();
        }
    }
    let left: Vec<_> = log.take_completed().iter().map(|group| group.id()).collect();
    assert_eq!(left, [1], "group 2 never ended");
    assert_eq!(log.subgroup(2, 0, META).unwrap_err(), AppendError::TooOld);
    assert!(log.take_completed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_newest_complete_group_stays_while_newer_ones_are_unfinished() {
    let log = log(2);
    let mut group = log.subgroup(1, 0, META).unwrap();
    append(&mut group, 1, 0..2);
    group.finish(true).unwrap();
    let mut unfinished = Vec::new();
    for id in 2..6 {
        unfinished.push(log.subgroup(id, 0, META).unwrap());
        append(unfinished.last_mut().unwrap(), id, 0..1);
    }
    let ids: Vec<_> = log.groups_from(0).iter().map(|group| group.id()).collect();
    assert_eq!(ids, [1, 5]);
}
