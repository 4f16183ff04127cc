//! The real session over the in-memory network: a joining FETCH and the live subscription meet without gap or overlap.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

use std::time::Duration;

use fanout::{
    DeliveryTimeouts, FetchRange, LogSettings, MemoryBudget, NoObserver, ServeSettings, SlowViewerPolicy,
    SubgroupAppender, SubgroupMeta, SubscriptionSink, TrackLog, resolve_filter, serve_fetch, serve_subscription,
};
use moqt::{FullTrackName, GroupOrder, Location, ObjectHeader, Parameters, Properties, PublishDoneCode, Version};
use tokio::task::JoinSet;
use transport::loopback::{self, LoopbackSettings};
use transport::{IncomingRequest, Session, SessionSettings, TrackEvent, start};

const META: SubgroupMeta = SubgroupMeta {
    version: Version::Draft18,
    priority: None,
    has_properties: true,
    first_object: true,
    end_of_group: true,
};
const MAX_OBJECT_BYTES: u64 = 1 << 20;

async fn answer(session: Session, log: TrackLog) {
    let mut tasks = JoinSet::new();
    while let Some(request) = session.next_request().await {
        let log = log.clone();
        match request {
            IncomingRequest::Subscribe(incoming) => {
                let largest_object = log.largest();
                let range = resolve_filter(incoming.parameters.filter, largest_object).unwrap();
                let parameters = Parameters { largest_object, ..Parameters::default() };
                let writer = incoming.accept(parameters, Properties::EMPTY).unwrap();
                let settings = ServeSettings {
                    start: range.start,
                    end_group: range.end_group,
                    forward: true,
                    subscriber_priority: 128,
                    publisher_priority: 128,
                    order: GroupOrder::Descending,
                    timeouts: DeliveryTimeouts::default(),
                    slow: SlowViewerPolicy {
                        max_lag_groups: 9,
                        min_lag: Duration::ZERO,
                        max_lag: Duration::from_secs(9),
                        max_lag_bytes: 1 << 24,
                    },
                };
                let sink = SubscriptionSink::new(writer, Version::Draft18);
                tasks.spawn(async move { serve_subscription(&log, sink, settings, &NoObserver).await });
            }
            IncomingRequest::Fetch(incoming) => {
                let (start, end) = (incoming.start, incoming.end);
                let range = FetchRange { start, end, order: incoming.order, default_priority: 128 };
                let writer = incoming.accept(false, end, Properties::EMPTY, 0).await.unwrap();
                tasks.spawn(async move {
                    serve_fetch(&log, range, writer, &NoObserver).await.unwrap();
                    fanout::ServeEnd::Gone
                });
            }
            other => panic!("not asked for: {other:?}"),
        }
    }
}

fn append(appender: &mut SubgroupAppender, ids: std::ops::Range<u64>) {
    for object_id in ids {
        let payload = vec![object_id as u8; 5000];
        let header = ObjectHeader { object_id, payload_len: payload.len() as u64, ..ObjectHeader::default() };
        appender.object(&header, payload.into()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn head_and_live_meet_over_a_real_session() {
    let latency = Duration::from_millis(20);
    let (near, far, driver) = loopback::pair(LoopbackSettings { latency, ..LoopbackSettings::default() });
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        driver.run().await;
    });
    let log = TrackLog::new(
        LogSettings { max_groups: 3, min_age: Duration::ZERO, max_bytes: 1 << 24 },
        MemoryBudget::new(1 << 26),
    );
    let mut group = log.subgroup(1000, 0, META).unwrap();
    append(&mut group, 0..10);
    let mut sessions = Vec::new();
    for connection in [near, far] {
        let (session, driver) = start(connection, SessionSettings::default()).unwrap();
        tasks.spawn(async move {
            driver.await;
        });
        sessions.push(session);
    }
    // Either end may serve; the one that accepted does here.
    let (client, server) = (sessions.remove(0), sessions.remove(0));
    tasks.spawn(answer(server, log.clone()));

    let track: FullTrackName = "live--video".parse().unwrap();
    let mut joined = client.join(track, Parameters::default(), 0).await.unwrap();
    append(&mut group, 10..15);
    group.finish(true).unwrap();
    log.end(PublishDoneCode::TrackEnded, "over");

    let mut ids = Vec::new();
    let mut head = joined.head.take().unwrap();
    while let Some(object) = head.next_object(MAX_OBJECT_BYTES).await.unwrap() {
        assert_eq!(object.payload, vec![object.header.location.object as u8; 5000]);
        assert_eq!(object.header.location.group, 1000);
        ids.push(object.header.location.object);
    }
    assert_eq!(ids, (0..10).collect::<Vec<_>>());
    loop {
        match joined.subscription.next().await {
            TrackEvent::Subgroup(mut stream) => {
                assert!(!stream.header().first_object && stream.header().end_of_group);
                while let Some(object) = stream.next_object(MAX_OBJECT_BYTES).await.unwrap() {
                    assert_eq!(object.payload, vec![object.header.object_id as u8; 5000]);
                    ids.push(object.header.object_id);
                }
            }
            TrackEvent::Done { status, .. } => {
                assert_eq!(status, PublishDoneCode::TrackEnded);
                break;
            }
            other => panic!("not expected: {other:?}"),
        }
    }
    assert_eq!(ids, (0..15).collect::<Vec<_>>());
    assert_eq!(log.largest(), Some(Location::new(1000, 14)));
}
