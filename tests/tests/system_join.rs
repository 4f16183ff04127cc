//! Tuning in: the first frame, every hop, every nth viewer, one upstream subscription.

use fanout::SubgroupMeta;
use moqt::{
    Datagram, DatagramBody, Filter, ObjectHeader, ObjectStatus, Pair, PairValue, Parameters, Properties,
    RequestErrorCode, SubgroupId, property,
};
use relay::RelaySettings;
use tests::system::{
    Arrival, Carrier, Publisher, RunningRelay, Viewer, at, chain, payload, settings, upstream, within,
};
use transport::{RequestFailure, TrackEvent};

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
async fn c063_c064_c065_filters_choose_where_delivery_begins() {
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

#[tokio::test(flavor = "multi_thread")]
async fn subgroups_priorities_and_properties_pass_as_they_were_published() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let timestamp = |ticks| Pair { id: property::TIMESTAMP, value: PairValue::Int(ticks) };
    let properties = |object| Properties::from_pairs([timestamp(object * 3000)]).unwrap();
    let meta = |priority| SubgroupMeta {
        version: moqt::Version::Draft18,
        priority: Some(priority),
        has_properties: true,
        first_object: true,
        end_of_group: false,
    };
    let mut layers = [0, 1].map(|layer| track.log().subgroup(5, layer, meta(10 + layer as u8)).unwrap());
    let mut publish = |object: u64| {
        let bytes = payload(track.name(), at(5, object), 3000);
        let header = ObjectHeader {
            object_id: object,
            properties: properties(object),
            payload_len: bytes.len() as u64,
            status: ObjectStatus::Normal,
        };
        layers[object as usize % 2].object(&header, bytes).unwrap();
    };
    (0..6).for_each(&mut publish);
    let source = publisher.listen().await;
    let relays = chain(source.address, 2).await;
    for relay in &relays {
        let viewer = Viewer::over_quic(relay.address).await;
        let name = track.name().clone();
        let mut subscription = within(viewer.session.subscribe(name, Parameters::default())).await.unwrap();
        for _ in 0..2 {
            let TrackEvent::Subgroup(mut reader) = within(subscription.next()).await else { panic!("no stream") };
            let header = *reader.header();
            let layer = u64::from(header.subgroup != SubgroupId::Zero);
            assert_eq!(header.priority, Some(10 + layer as u8));
            for object in (0..6).filter(|object| object % 2 == layer) {
                let found = within(reader.next_object(1 << 20)).await.unwrap().unwrap();
                assert_eq!((found.header.object_id, found.header.properties), (object, properties(object)));
                assert_eq!(found.payload, payload(track.name(), at(5, object), 3000));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_pass_and_late_viewers_get_those_of_the_current_group() {
    let publisher = Publisher::default();
    let track = publisher.track(TRACK);
    let publish = |object| {
        let place = at(3, object);
        track.log().datagram(Datagram {
            track_alias: moqt::TrackAlias(0),
            group: 3,
            object_id: object,
            priority: None,
            properties: Properties::default(),
            end_of_group: false,
            body: DatagramBody::Payload(payload(track.name(), place, 500)),
        })
    };
    publish(0).unwrap();
    let source = publisher.listen().await;
    let relays = chain(source.address, 2).await;
    let mut viewers = Vec::new();
    for _ in 0..2 {
        let viewer = Viewer::over_quic(relays[1].address).await;
        let mut frames = viewer.join(track.name(), 0).await.unwrap();
        assert_eq!(frames.frame().await, at(3, 0));
        viewers.push((viewer, frames));
    }
    publish(1).unwrap();
    for (_, frames) in &mut viewers {
        assert_eq!(frames.frame().await, at(3, 1));
    }
}
