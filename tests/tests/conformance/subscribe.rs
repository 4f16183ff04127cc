//! C.4: what a SUBSCRIBE leads to, at the subscriber and at the publisher.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::time::Duration;

use bytes::Bytes;
use moqt::{
    Filter, FullTrackName, Location, Message, Namespace, ObjectHeader, Pair, PairValue, Parameters, Properties,
    PublishDoneCode, RequestErrorCode, RequestId, SubgroupHeader, SubgroupId, TrackAlias, TrackName, UniStreamHeader,
    Version, encode_object_header,
};
use tests::raw::{Asked, Ended, Raw, RawRequest, data_header, message};
use tests::system::{Arrival, Publisher, RunningRelay, Viewer, at, namespace, payload, settings, track, until, within};
use transport::{CANCELLED, SendStream, stopped, write_all};

const TRACK: &str = "live-demo--video0";

/// A relay and a publisher that is written by hand.
struct Stage {
    relay: RunningRelay,
    publisher: Raw,
    _announced: RawRequest,
}

impl Stage {
    async fn new() -> Self {
        let relay = RunningRelay::start(settings()).await;
        let mut publisher = Raw::connect(relay.address).await;
        let _announced = publisher.announce(namespace("live-demo")).await;
        Self { relay, publisher, _announced }
    }

    async fn viewer(&self) -> Raw {
        Raw::connect(self.relay.address).await
    }

    /// A viewer whose SUBSCRIBE made the relay ask, with the publisher's answer given.
    async fn watched(&self, parameters: Parameters, largest: Option<Location>) -> (Raw, RawRequest, Asked) {
        let mut viewer = self.viewer().await;
        let mut request = viewer.subscribe(track(TRACK), parameters).await;
        let mut asked = self.publisher.asked().await;
        asked.accept(7, largest, Properties::default()).await;
        request.accepted().await;
        (viewer, request, asked)
    }

    /// A stream of a group, with its first objects.
    async fn group(&self, group: u64, objects: std::ops::Range<u64>) -> Box<dyn SendStream> {
        let header = SubgroupHeader {
            track_alias: TrackAlias(7),
            group,
            subgroup: SubgroupId::Zero,
            priority: Some(9),
            has_properties: false,
            end_of_group: true,
            first_object: objects.start == 0,
        };
        let mut bytes = data_header(&UniStreamHeader::Subgroup(header)).to_vec();
        for (place, object) in objects.enumerate() {
            bytes.extend(object_bytes(if place == 0 { None } else { Some(object - 1) }, object));
        }
        self.publisher.uni(bytes.into()).await
    }
}

/// One object of ten bytes.
fn object_bytes(before: Option<u64>, object_id: u64) -> Bytes {
    let mut out = bytes::BytesMut::new();
    let header = ObjectHeader { object_id, payload_len: 10, ..ObjectHeader::default() };
    encode_object_header(before, &header, false, &mut out, Version::Draft18).unwrap();
    out.extend_from_slice(&payload(&track(TRACK), at(0, object_id), 10));
    out.freeze()
}

fn forward(on: bool) -> Parameters {
    Parameters { forward: Some(on), ..Parameters::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn c054_the_answer_comes_after_upstreams() {
    let stage = Stage::new().await;
    let mut viewer = stage.viewer().await;
    let mut request = viewer.subscribe(track(TRACK), Parameters::default()).await;
    let mut asked = stage.publisher.asked().await;
    request.unanswered("the publisher has not answered").await;
    asked.accept(7, None, Properties::default()).await;
    assert_eq!(request.accepted().await.largest_object, None);

    let mut request = viewer.subscribe(track("live-demo--audio0"), Parameters::default()).await;
    let mut asked = stage.publisher.asked().await;
    // REQUEST_ERROR NOT_SUPPORTED, to be repeated after 4 ms.
    asked.subscribe.write(message(0x05, &[0x03, 5, 2, b'n', b'o'])).await;
    let Message::RequestError(error) = request.answer().await else { panic!("not refused") };
    assert_eq!((error.code, error.retry), (RequestErrorCode::NotSupported, Some(Duration::from_millis(4))));
}

#[tokio::test(flavor = "multi_thread")]
async fn c053_c072_one_answer_then_every_stream_then_done_with_their_count() {
    let stage = Stage::new().await;
    let (viewer, mut request, mut asked) = stage.watched(Parameters::default(), None).await;
    for group in 0..3 {
        stage.group(group, 0..2).await.finish().unwrap();
    }
    asked.done(PublishDoneCode::TrackEnded, 3).await;
    for _ in 0..3 {
        let (objects, ended) = viewer.data().await.objects().await;
        assert_eq!((objects, ended), (vec![(0, 10), (1, 10)], Ended::Fin));
    }
    let Message::PublishDone(done) = request.answer().await else { panic!("a second answer") };
    assert_eq!(done.status, PublishDoneCode::TrackEnded);
    assert!([None, Some(3)].contains(&done.stream_count), "{:?}", done.stream_count);
    assert_eq!(request.read().await.unwrap(), None, "FIN");
}

#[tokio::test(flavor = "multi_thread")]
async fn c059_a_track_is_subscribed_to_once_in_a_session() {
    let stage = Stage::new().await;
    let (mut viewer, _request, _asked) = stage.watched(Parameters::default(), None).await;
    let mut second = viewer.subscribe(track(TRACK), Parameters::default()).await;
    assert_eq!(second.refused().await, RequestErrorCode::DuplicateSubscription);
}

#[tokio::test(flavor = "multi_thread")]
async fn c060_the_largest_object_is_what_was_told_or_what_came() {
    let stage = Stage::new().await;
    let (_viewer, _request, _asked) = stage.watched(forward(true), Some(at(5, 3))).await;
    let largest = async || {
        let mut viewer = stage.viewer().await;
        viewer.subscribe(track(TRACK), forward(true)).await.accepted().await.largest_object
    };
    assert_eq!(largest().await, Some(at(5, 3)));
    let _stream = stage.group(6, 0..1).await;
    until("the relay has got it", async || largest().await == Some(at(6, 0))).await;
}

/// Properties that the relay knows, that it must not touch, and that it has never heard of.
fn odd_properties() -> Properties {
    let pair = |id, value| Pair { id, value };
    let inner = Bytes::from_static(&[0x02, 0x10, 0x3F, 0x02, 0xAA, 0xBB]);
    Properties::from_pairs([
        pair(0x04, PairValue::Int(60_000)),
        pair(0x0B, PairValue::Bytes(inner)),
        pair(0x9D, PairValue::Bytes(Bytes::from_static(b"grease"))),
    ])
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn c061_every_track_property_passes_byte_for_byte() {
    let stage = Stage::new().await;
    let mut viewer = stage.viewer().await;
    let mut request = viewer.subscribe(track(TRACK), Parameters::default()).await;
    let mut asked = stage.publisher.asked().await;
    asked.accept(7, None, odd_properties()).await;
    let Message::SubscribeOk(ok) = request.answer().await else { panic!("refused") };
    assert_eq!(ok.properties.as_bytes(), odd_properties().as_bytes(), "SUBSCRIBE_OK");
    stage.group(0, 0..2).await.finish().unwrap();
    viewer.data().await.ended().await;

    let other = Viewer::over_quic(stage.relay.address).await;
    let session = &other.session;
    let status = within(session.track_status(track(TRACK), Parameters::default())).await.unwrap();
    assert_eq!(status.properties.as_bytes(), odd_properties().as_bytes(), "TRACK_STATUS_OK");
    let mut reader = session.fetch(track(TRACK), at(0, 0), at(0, 0), Parameters::default()).unwrap();
    let ok = within(reader.ok()).await.unwrap();
    assert_eq!(ok.properties.as_bytes(), odd_properties().as_bytes(), "FETCH_OK");

    let mut listening = viewer.subscribe_tracks(namespace("offered"), Parameters::default()).await;
    listening.accepted().await;
    let mut publisher = stage.viewer().await;
    let mut offered = publisher.publish(track("offered--x"), 3, odd_properties()).await;
    offered.accepted().await;
    // Somebody wants it now: the relay switches it on.
    assert!(matches!(offered.answer().await, Message::RequestUpdate(_)));
    offered.write(message(0x07, &[0])).await;
    let (_offer, Message::Publish(publish)) = viewer.accept().await else { panic!("no PUBLISH") };
    assert_eq!(publish.properties.as_bytes(), odd_properties().as_bytes(), "PUBLISH");
}

#[tokio::test(flavor = "multi_thread")]
async fn c062_what_the_relay_must_understand_and_does_not_is_not_forwarded() {
    let stage = Stage::new().await;
    let unknown = Pair { id: 0x4ABC, value: PairValue::Int(1) };
    let properties = Properties::from_pairs([unknown]).unwrap();
    let mut viewer = stage.viewer().await;
    let mut request = viewer.subscribe(track(TRACK), Parameters::default()).await;
    let mut asked = stage.publisher.asked().await;
    asked.accept(7, None, properties.clone()).await;
    assert_eq!(request.refused().await, RequestErrorCode::UnsupportedExtension);
    assert!(!asked.subscribe.ends().await, "the relay cancels its own request");
    let mut publisher = stage.viewer().await;
    let mut offered = publisher.publish(track("offered--x"), 3, properties).await;
    assert_eq!(offered.refused().await, RequestErrorCode::UnsupportedExtension);
}

#[tokio::test(flavor = "multi_thread")]
async fn c065_nothing_outside_the_range_is_sent() {
    let stage = Stage::new().await;
    let range = Filter::AbsoluteRange { start: at(10, 1), end_group: 12 };
    let range = Parameters { filter: Some(range), ..Parameters::default() };
    let (viewer, mut request, _asked) = stage.watched(range, None).await;
    let mut open = Vec::new();
    for group in 9..=13 {
        let mut stream = stage.group(group, 0..2).await;
        if group < 13 {
            stream.finish().unwrap();
        }
        open.push(stream);
    }
    let mut seen = Vec::new();
    for _ in 10..=12 {
        let mut data = viewer.data().await;
        let group = data.subgroup().group;
        seen.extend(data.objects().await.0.iter().map(|(object, _)| at(group, *object)));
    }
    seen.sort();
    assert_eq!(seen, [at(10, 1), at(11, 0), at(11, 1), at(12, 0), at(12, 1)]);
    let Message::PublishDone(done) = request.answer().await else { panic!("not done") };
    assert_eq!(done.status, PublishDoneCode::SubscriptionEnded);
    viewer.no_data("behind the range").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c066_c068_forward_0_gets_no_objects_and_the_end() {
    let stage = Stage::new().await;
    let (viewer, mut request, mut asked) = stage.watched(forward(false), None).await;
    assert_ne!(asked.message.parameters.forward, Some(false), "upstream is asked to forward all the same");
    stage.group(0, 0..2).await.finish().unwrap();
    viewer.no_data("forward 0").await;
    asked.done(PublishDoneCode::TrackEnded, 1).await;
    assert!(matches!(request.answer().await, Message::PublishDone(done) if done.status == PublishDoneCode::TrackEnded));
}

#[tokio::test(flavor = "multi_thread")]
async fn c067_c078_an_offer_is_held_back_until_somebody_watches() {
    let relay = RunningRelay::start(settings()).await;
    let mut publisher = Raw::connect(relay.address).await;
    let mut offered = publisher.publish(track(TRACK), 7, Properties::default()).await;
    assert_eq!(offered.accepted().await.forward, Some(false));
    offered.unanswered("nobody watches").await;
    let mut viewer = Raw::connect(relay.address).await;
    let _request = viewer.subscribe(track(TRACK), forward(true)).await;
    let Message::RequestUpdate(update) = offered.answer().await else { panic!("no REQUEST_UPDATE") };
    assert_eq!(update.parameters.forward, Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn c069_updates_take_ids_and_change_only_what_they_name() {
    let stage = Stage::new().await;
    let (mut viewer, mut request, _asked) = stage.watched(forward(true), None).await;
    let priority = |priority| Parameters { subscriber_priority: Some(priority), ..Parameters::default() };
    let mut live = stage.group(0, 0..1).await;
    let mut first = viewer.data().await;
    assert!(!first.chunk().await.unwrap().is_empty());
    for (parameters, sent) in
        [(priority(3), true), (forward(false), false), (priority(4), false), (forward(true), true)]
    {
        let id = viewer.next_id();
        request.update(id, parameters.clone()).await;
        request.accepted().await;
        if !sent && parameters.forward.is_some() {
            assert_eq!(first.ended().await, Ended::Reset(CANCELLED));
        }
        if sent {
            continue;
        }
        viewer.no_data("forward is still 0").await;
    }
    within(write_all(&mut *live, object_bytes(Some(0), 1))).await.unwrap();
    let mut resumed = viewer.data().await;
    assert!(!resumed.chunk().await.unwrap().is_empty());
    // Each of them used an id up.
    let _again = viewer.request(tests::raw::subscribe(4, &[0])).await;
    viewer.closes(0x4, "the id of an update").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c070_an_update_that_fails_ends_the_subscription() {
    let stage = Stage::new().await;
    let (mut viewer, mut request, _asked) = stage.watched(forward(true), Some(at(5, 3))).await;
    let past = Filter::AbsoluteRange { start: at(1, 0), end_group: 2 };
    let id = viewer.next_id();
    request.update(id, Parameters { filter: Some(past), ..Parameters::default() }).await;
    assert_eq!(request.refused().await, RequestErrorCode::InvalidRange);
    let Message::PublishDone(done) = request.answer().await else { panic!("not done") };
    assert_eq!(done.status, PublishDoneCode::UpdateFailed);
    assert_eq!(request.read().await.unwrap(), None, "FIN");
}

#[tokio::test(flavor = "multi_thread")]
async fn c071_a_subscriber_that_stops_gets_its_streams_reset_and_upstream_is_released() {
    for reset in [false, true] {
        let stage = Stage::new().await;
        let (viewer, mut request, mut asked) = stage.watched(Parameters::default(), None).await;
        let mut live = stage.group(0, 0..1).await;
        let mut data = viewer.data().await;
        assert!(!data.chunk().await.unwrap().is_empty());
        if reset {
            request.send.reset(CANCELLED);
        } else {
            request.recv.stop(CANCELLED);
        }
        assert_eq!(data.ended().await, Ended::Reset(CANCELLED));
        // After the linger, nobody watches: the relay cancels, and stops what is still sent.
        assert!(!asked.subscribe.ends().await);
        assert_eq!(within(stopped(&mut *live)).await, Some(CANCELLED));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c074_a_publisher_gets_its_own_objects_back() {
    let relay = RunningRelay::start(settings()).await;
    let publisher = Publisher::default();
    let video = publisher.track(TRACK);
    video.groups([1], 2);
    let dialed = publisher.dial(relay.address).await;
    let _announced = dialed.announce(namespace("live-demo")).await;
    let subscription = within(dialed.session.subscribe(video.name().clone(), Parameters::default())).await.unwrap();
    let mut frames = tests::system::Frames::new(video.name(), subscription, None);
    assert_eq!(frames.up_to(at(1, 1)).await, [at(1, 0), at(1, 1)]);
    video.end();
    assert_eq!(frames.end().await, Arrival::Done(PublishDoneCode::TrackEnded));
}

#[tokio::test(flavor = "multi_thread")]
async fn c075_reserved_namespaces_are_never_forwarded() {
    let stage = Stage::new().await;
    let mut publisher = stage.viewer().await;
    // Whatever the relay thinks of this announcement, nothing comes of it.
    let announce = |request_id| {
        let namespace = Namespace::new([".session"]).unwrap();
        Message::PublishNamespace(moqt::PublishNamespace { request_id, namespace, parameters: Parameters::default() })
    };
    let mut announced = publisher.ask(announce).await;
    announced.answer().await;
    let mut viewer = stage.viewer().await;
    for fields in [&[".session"][..], &["."], &[".", "x"], &[".session", "x"]] {
        let namespace = Namespace::new(fields.iter().copied()).unwrap();
        let name = FullTrackName::new(namespace, TrackName::new("x").unwrap()).unwrap();
        let mut request = viewer.subscribe(name, Parameters::default()).await;
        assert_eq!(request.refused().await, RequestErrorCode::DoesNotExist, "{fields:?}");
    }
    publisher.unasked("a track of a reserved namespace").await;
    let free = RequestId(viewer.next_id().0);
    assert_eq!(free, RequestId(8), "four requests, none of them fatal");
    viewer.stays("reserved namespaces").await;
}
