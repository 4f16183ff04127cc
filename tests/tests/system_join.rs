//! Tuning in: the first frame, every hop, every nth viewer, one upstream subscription.

use moqt::{Filter, Parameters, RequestErrorCode};
use relay::RelaySettings;
use tests::system::{Arrival, Carrier, Publisher, RunningRelay, Viewer, at, chain, settings, upstream};
use transport::RequestFailure;

const TRACK: &str = "live-demo--video0";

#[tokio::test(flavor = "multi_thread")]
async fn the_1st_and_the_20th_viewer_get_the_group_from_its_first_frame_on_one_hop_and_on_three() {
    for length in [1, 3] {
        let publisher = Publisher::default();
        let track = publisher.track(TRACK);
        track.groups([7, 8], 10);
        let source = publisher.listen().await;
        let relays = chain(source.address, length).await;
        let last = relays.last().unwrap().address;
        let mut viewers = Vec::new();
        for number in 0..20 {
            let carrier = if number % 2 == 0 { Carrier::Quic } else { Carrier::WebTransport };
            let viewer = Viewer::connect(last, carrier).await;
            // The two ways to join: no filter, and a joining FETCH.
            let mut frames = if number % 4 < 2 {
                viewer.join(track.name(), 0).await.unwrap()
            } else {
                viewer.subscribe(track.name(), Parameters::default()).await.unwrap()
            };
            assert_eq!(frames.largest, Some(at(8, 9 + number)), "viewer {number} after {length} hops");
            let expected: Vec<_> = (0..10 + number).map(|object| at(8, object)).collect();
            assert_eq!(frames.up_to(at(8, 9 + number)).await, expected, "viewer {number} after {length} hops");
            viewers.push((viewer, frames));
            track.frame(at(8, 10 + number), 1000);
            // Everybody has it: the next viewer's answer tells of it.
            for (_, frames) in &mut viewers {
                assert_eq!(frames.frame().await, at(8, 10 + number));
            }
        }
        track.groups([9], 3);
        for (_, frames) in &mut viewers {
            assert_eq!(frames.up_to(at(9, 2)).await, [at(9, 0), at(9, 1), at(9, 2)]);
        }
        assert_eq!(track.subscribes(), 1, "one upstream subscription");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_viewers_at_once_are_one_upstream_subscription_and_miss_nothing() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([1], 50);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let mut watching = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (address, name) = (relay.address, track.name().clone());
        watching.spawn(async move {
            let viewer = Viewer::over_quic(address).await;
            let mut frames = if number % 2 == 0 {
                viewer.join(&name, 0).await.unwrap()
            } else {
                viewer.subscribe(&name, Parameters::default()).await.unwrap()
            };
            frames.up_to(at(1, 49)).await
        });
    }
    let expected: Vec<_> = (0..50).map(|object| at(1, object)).collect();
    while let Some(frames) = watching.join_next().await {
        assert_eq!(frames.unwrap(), expected);
    }
    assert_eq!(track.subscribes(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_published_once_reaches_every_later_viewer() {
    let publisher = Publisher::default();
    let catalog = publisher.track("live-demo--catalog");
    catalog.frame(at(100, 0), 300);
    catalog.finish_group();
    let source = publisher.listen().await;
    let relays = chain(source.address, 3).await;
    for relay in relays.iter().rev() {
        for _ in 0..3 {
            let viewer = Viewer::over_quic(relay.address).await;
            let mut frames = viewer.subscribe(catalog.name(), Parameters::default()).await.unwrap();
            assert_eq!(frames.frame().await, at(100, 0));
            frames.unsubscribe().await;
            let mut frames = viewer.join(catalog.name(), 0).await.unwrap();
            assert_eq!(frames.frame().await, at(100, 0));
        }
    }
    assert_eq!(catalog.subscribes(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_subscription_lingers_and_is_used_again_before_it_goes() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([1], 2);
    let source = publisher.listen().await;
    let relay =
        RunningRelay::start(RelaySettings { upstream: vec![upstream(source.address)], linger_ms: 400, ..settings() })
            .await;
    let viewer = Viewer::over_quic(relay.address).await;
    for _ in 0..3 {
        let mut frames = viewer.join(track.name(), 0).await.unwrap();
        assert_eq!(frames.frame().await, at(1, 0));
        frames.unsubscribe().await;
    }
    assert_eq!(track.subscribes(), 1, "within the linger nothing is asked again");
    track.until_active(0).await;
    let mut frames = viewer.join(track.name(), 0).await.unwrap();
    assert_eq!(frames.frame().await, at(1, 0));
    assert_eq!(track.subscribes(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_where_delivery_begins() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([4, 5], 3);
    let source = publisher.listen().await;
    let relay = RunningRelay::below(&[source.address]).await;
    let viewer = Viewer::over_quic(relay.address).await;
    // Held open, so that the relay's log holds both groups when the others come.
    let mut all = viewer.subscribe(track.name(), Parameters::default()).await.unwrap();
    assert_eq!(all.up_to(at(5, 2)).await, [at(5, 0), at(5, 1), at(5, 2)]);
    let with = |filter| Parameters { filter: Some(filter), ..Parameters::default() };
    let mut subscriptions = Vec::new();
    for (filter, first) in [
        (Filter::LargestObject, at(5, 3)),
        (Filter::NextGroup, at(6, 0)),
        (Filter::AbsoluteStart(at(5, 1)), at(5, 1)),
        (Filter::AbsoluteStart(at(6, 1)), at(6, 1)),
    ] {
        let viewer = Viewer::over_quic(relay.address).await;
        let frames = viewer.subscribe(track.name(), with(filter)).await.unwrap();
        subscriptions.push((viewer, frames, first));
    }
    let (second, third) = (Viewer::over_quic(relay.address).await, Viewer::over_quic(relay.address).await);
    let range = Filter::AbsoluteRange { start: at(5, 0), end_group: 5 };
    let mut ending = second.subscribe(track.name(), with(range)).await.unwrap();
    let past = Filter::AbsoluteRange { start: at(1, 0), end_group: 4 };
    let refused = third.subscribe(track.name(), with(past)).await.unwrap_err();
    assert!(
        matches!(&refused, RequestFailure::Refused(error) if error.code == RequestErrorCode::InvalidRange),
        "{refused}"
    );
    track.frame(at(5, 3), 10);
    track.groups([6], 2);
    for (_, frames, first) in &mut subscriptions {
        assert_eq!(frames.frame().await, *first);
    }
    assert_eq!(ending.up_to(at(5, 3)).await.len(), 4);
    assert_eq!(ending.end().await, Arrival::Done(moqt::PublishDoneCode::SubscriptionEnded));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_larger_than_windows_pass_whole_and_in_order() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let source = publisher.listen().await;
    let relays = chain(source.address, 2).await;
    let viewer = Viewer::over_quic(relays[1].address).await;
    track.frame(at(1, 0), 10);
    let mut frames = viewer.join(track.name(), 0).await.unwrap();
    assert_eq!(frames.frame().await, at(1, 0));
    for group in 2..6 {
        track.frame(at(group, 0), 3 << 20);
        for object in 1..20 {
            track.frame(at(group, object), 20_000 * object as usize);
        }
        let expected: Vec<_> = (0..20).map(|object| at(group, object)).collect();
        assert_eq!(frames.up_to(at(group, 19)).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_track_s_end_reaches_viewers_behind_the_last_frame() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    track.groups([1], 3);
    let source = publisher.listen().await;
    let relays = chain(source.address, 2).await;
    let viewer = Viewer::over_quic(relays[1].address).await;
    let mut frames = viewer.join(track.name(), 0).await.unwrap();
    assert_eq!(frames.frame().await, at(1, 0));
    track.frame(at(1, 3), 100_000);
    track.end();
    assert_eq!(frames.up_to(at(1, 3)).await, [at(1, 1), at(1, 2), at(1, 3)]);
    assert_eq!(frames.end().await, Arrival::Done(moqt::PublishDoneCode::TrackEnded));
}
