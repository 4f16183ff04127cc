//! C.6 and C.7: what the relay keeps of objects, and how subgroups go on to subscribers.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fanout::SubgroupMeta;
use moqt::{
    Datagram, DatagramBody, FetchItem, FetchObjectHeader, Location, Message, ObjectHeader, ObjectStatus, Pair,
    PairValue, Parameters, Properties, PublishDoneCode, StreamErrorCode, SubgroupHeader, SubgroupId, SubgroupItem,
    SubscribeOk, TrackAlias, UniStreamHeader, Version, encode_object_header, property,
};
use relay::RelaySettings;
use tests::raw::{Raw, RawRequest, data_header, encode};
use tests::system::{
    Arrival, Dialed, PublishedTrack, Publisher, RunningRelay, Viewer, at, namespace, settings, track, within,
};
use tokio::task::JoinHandle;
use transport::{NamespacePublication, RequestFailure, StreamFailure, SubgroupReader, Subscription, TrackEvent};

const TRACK: &str = "live-demo--video0";
/// Time in which what must not come would have come.
const A_WHILE: Duration = Duration::from_millis(300);
/// A property of an application, which nobody on the way knows.
const UNKNOWN: u64 = 0x3800;

/// A publisher at a relay.
struct Source {
    publisher: Publisher,
    _dialed: Dialed,
    _announced: NamespacePublication,
}

impl Source {
    async fn at(relay: &RunningRelay) -> Self {
        let publisher = Publisher::default();
        let dialed = publisher.dial(relay.address).await;
        let announced = dialed.announce(namespace("live")).await;
        Self { publisher, _dialed: dialed, _announced: announced }
    }
}

fn meta(priority: Option<u8>) -> SubgroupMeta {
    SubgroupMeta { version: Version::Draft18, priority, has_properties: true, first_object: true, end_of_group: false }
}

fn header(object_id: u64, payload: &[u8], pairs: Vec<Pair>) -> ObjectHeader {
    let properties = Properties::from_pairs(pairs).unwrap();
    ObjectHeader { object_id, properties, payload_len: payload.len() as u64, status: ObjectStatus::Normal }
}

/// One object on a stream of its own.
fn publish(track: &PublishedTrack, location: Location, subgroup: u64, priority: Option<u8>, pairs: Vec<Pair>) {
    let mut appender = track.log().subgroup(location.group, subgroup, meta(priority)).unwrap();
    appender.object(&header(location.object, b"payload", pairs), Bytes::from_static(b"payload")).unwrap();
    appender.finish(false).unwrap();
}

async fn subscribe(viewer: &Viewer) -> Subscription {
    within(viewer.session.subscribe(track(TRACK), Parameters::default())).await.unwrap()
}

async fn next_stream(subscription: &mut Subscription) -> SubgroupReader {
    match within(subscription.next()).await {
        TrackEvent::Subgroup(reader) => reader,
        other => panic!("{other:?} instead of a stream"),
    }
}

/// Objects of a stream to its end, and how it ends.
async fn read(mut reader: SubgroupReader) -> (Vec<u64>, Option<StreamErrorCode>) {
    let mut ids = Vec::new();
    loop {
        match within(reader.next_object(1 << 20)).await {
            Ok(Some(object)) => ids.push(object.header.object_id),
            Ok(None) => return (ids, None),
            Err(StreamFailure::Reset(code)) => return (ids, Some(code)),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Headers of a FETCH answer.
async fn fetch(viewer: &Viewer, start: Location, end: Location) -> Vec<FetchObjectHeader> {
    let mut reader = viewer.session.fetch(track(TRACK), start, end, Parameters::default()).unwrap();
    let mut headers = Vec::new();
    while let Some(item) = within(reader.next()).await.unwrap() {
        if let FetchItem::Header { header, .. } = item {
            headers.push(header);
        }
    }
    headers
}

/// A publisher that writes any bytes, of whom the relay wants [`TRACK`] because a viewer does.
struct RawSource {
    raw: Raw,
    subscribe: RawRequest,
    watching: JoinHandle<Result<Subscription, RequestFailure>>,
    viewer: Viewer,
    _announcement: RawRequest,
    _fetch: Option<RawRequest>,
}

const ALIAS: TrackAlias = TrackAlias(5);

impl RawSource {
    async fn asked_by_a_viewer_of(relay: &RunningRelay) -> Self {
        let mut raw = Raw::connect(relay.address).await;
        let announcement = raw.announce(namespace("live")).await;
        let viewer = Viewer::over_quic(relay.address).await;
        let session = viewer.session.clone();
        let watching = tokio::spawn(async move { session.subscribe(track(TRACK), Parameters::default()).await });
        let (mut subscribe, mut fetch) = (None, None);
        while subscribe.is_none() {
            match raw.accept().await {
                (request, Message::Subscribe(_)) => subscribe = Some(request),
                (request, _) => fetch = Some(request),
            }
        }
        let subscribe = subscribe.unwrap();
        Self { raw, subscribe, watching, viewer, _announcement: announcement, _fetch: fetch }
    }

    /// SUBSCRIBE_OK, and the viewer's subscription.
    async fn accept(&mut self) -> Subscription {
        let (parameters, properties) = (Parameters::default(), Properties::default());
        let ok = SubscribeOk { request_id: None, track_alias: ALIAS, parameters, properties };
        self.subscribe.write(encode(&Message::SubscribeOk(ok))).await;
        within(&mut self.watching).await.unwrap().unwrap()
    }
}

/// The bytes of a stream of subgroup 0 with these objects, as far as its end.
fn stream(group: u64, objects: &[ObjectHeader]) -> Bytes {
    let head = SubgroupHeader {
        track_alias: ALIAS,
        group,
        subgroup: SubgroupId::Zero,
        priority: None,
        has_properties: true,
        end_of_group: false,
        first_object: objects[0].object_id == 0,
    };
    let mut out = BytesMut::from(&data_header(&UniStreamHeader::Subgroup(head))[..]);
    let mut previous = None;
    for object in objects {
        encode_object_header(previous, object, true, &mut out, Version::Draft18).unwrap();
        out.extend_from_slice(&vec![b'x'; usize::try_from(object.payload_len).unwrap()]);
        previous = Some(object.object_id);
    }
    out.freeze()
}

fn plain(id: u64) -> ObjectHeader {
    header(id, b"xxxx", Vec::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn c098_what_is_said_not_to_exist_is_neither_kept_nor_forwarded() {
    let relay = RunningRelay::start(RelaySettings { merge_publishers: true, ..settings() }).await;
    let (one, two) = (Source::at(&relay).await, Source::at(&relay).await);
    let (says, contradicts) = (one.publisher.track(TRACK), two.publisher.track(TRACK));
    let viewer = Viewer::over_quic(relay.address).await;
    let mut subscription = subscribe(&viewer).await;
    says.until_active(1).await;
    contradicts.until_active(1).await;
    publish(&says, at(3, 5), 0, None, vec![Pair::new(property::PRIOR_OBJECT_ID_GAP, 5_u64)]);
    assert_eq!(read(next_stream(&mut subscription).await).await.0, [5]);
    publish(&contradicts, at(3, 4), 1, None, Vec::new());
    publish(&contradicts, at(4, 0), 0, None, Vec::new());
    let next = next_stream(&mut subscription).await;
    assert_eq!(next.header().group, 4, "nothing of object 4 of group 3, and no error");
    let fetched = fetch(&viewer, at(3, 0), at(3, 6)).await;
    assert_eq!(fetched.iter().map(|header| header.location).collect::<Vec<_>>(), [at(3, 5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c099_fetch_answers_have_every_field_of_the_objects() {
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let published = source.publisher.track(TRACK);
    let immutable = Bytes::from_static(&[0x3d, 0x02, b'h', b'i', 0x03, 0x07]);
    let pairs = || vec![Pair::new(property::IMMUTABLE, immutable.clone()), Pair::new(UNKNOWN, 77_u64)];
    publish(&published, at(1, 0), 2, Some(9), pairs());
    publish(&published, at(2, 0), 0, None, Vec::new());
    let viewer = Viewer::over_quic(relay.address).await;
    let _watching = subscribe(&viewer).await;
    for round in ["from upstream", "from here"] {
        let headers = fetch(&viewer, at(1, 0), at(1, 1)).await;
        let [header] = &headers[..] else { panic!("{round}: {headers:?}") };
        assert_eq!((header.location, header.subgroup, header.priority), (at(1, 0), Some(2), 9), "{round}");
        assert_eq!(header.properties, Properties::from_pairs(pairs()).unwrap(), "{round}");
        assert_eq!(header.properties.mutable_bytes(property::IMMUTABLE), Some(immutable.clone()), "c102, {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c100_an_object_is_cached_no_longer_than_its_publisher_allows() {
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let properties = Properties::from_pairs([Pair::new(property::MAX_CACHE_DURATION, 500_u64)]).unwrap();
    let published = source.publisher.track_with(TRACK, properties);
    published.groups(1..6, 2);
    let viewer = Viewer::over_quic(relay.address).await;
    let _watching = subscribe(&viewer).await;
    for (wait, asked) in [(0, 1), (0, 1), (700, 2)] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        assert_eq!(fetch(&viewer, at(1, 0), at(1, 0)).await.len(), 2);
        assert_eq!(published.fetches().len(), asked, "after {wait} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c101_the_newest_set_of_unknown_properties_counts() {
    let relay = RunningRelay::start(RelaySettings { merge_publishers: true, ..settings() }).await;
    let (one, two) = (Source::at(&relay).await, Source::at(&relay).await);
    let (first, second) = (one.publisher.track(TRACK), two.publisher.track(TRACK));
    let viewer = Viewer::over_quic(relay.address).await;
    let mut subscription = subscribe(&viewer).await;
    first.until_active(1).await;
    second.until_active(1).await;
    publish(&first, at(1, 0), 0, None, vec![Pair::new(UNKNOWN, 1_u64), Pair::new(UNKNOWN + 2, 1_u64)]);
    assert_eq!(read(next_stream(&mut subscription).await).await.0, [0]);
    publish(&second, at(1, 0), 0, None, vec![Pair::new(UNKNOWN, 2_u64)]);
    let expected = Properties::from_pairs([Pair::new(UNKNOWN, 2_u64)]).unwrap();
    tests::system::until("the newest set is told", async || {
        fetch(&viewer, at(1, 0), at(1, 1)).await.first().is_some_and(|header| header.properties == expected)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c102_c103_broken_properties_make_the_track_malformed() {
    let nested = Bytes::from_static(&[0x0B, 0x01, 0x00]);
    for (what, objects) in [
        ("c102 an immutable block in another", vec![header(0, b"x", vec![Pair::new(property::IMMUTABLE, nested)])]),
        ("c103 a gap below 0", vec![header(3, b"x", vec![Pair::new(property::PRIOR_OBJECT_ID_GAP, 9_u64)])]),
        (
            "c103 a gap over an object that came",
            vec![plain(0), plain(1), header(3, b"x", vec![Pair::new(property::PRIOR_OBJECT_ID_GAP, 2_u64)])],
        ),
        ("c062 a mandatory track property on an object", vec![header(0, b"x", vec![Pair::new(0x4abc, 1_u64)])]),
    ] {
        let relay = RunningRelay::start(settings()).await;
        let mut source = RawSource::asked_by_a_viewer_of(&relay).await;
        let mut subscription = source.accept().await;
        let _stream = source.raw.uni(stream(3, &objects)).await;
        let status = loop {
            match within(subscription.next()).await {
                TrackEvent::Done { status, .. } => break status,
                TrackEvent::Subgroup(_) => {}
                other => panic!("{what}: {other:?}"),
            }
        };
        assert_eq!(status, PublishDoneCode::MalformedTrack, "{what}");
        // The subscription is cancelled, the session lives.
        assert!(!matches!(source.subscribe.read().await, Ok(Some(_))), "{what}");
        source.raw.lives(what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c103_gap_properties_pass_unchanged_and_fetch_knows_of_them() {
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let published = source.publisher.track(TRACK);
    let viewer = Viewer::over_quic(relay.address).await;
    let mut subscription = subscribe(&viewer).await;
    published.until_active(1).await;
    let gap = || vec![Pair::new(property::PRIOR_GROUP_ID_GAP, 2_u64)];
    publish(&published, at(1, 0), 0, None, Vec::new());
    publish(&published, at(4, 0), 0, None, gap());
    let mut seen = BTreeMap::new();
    for _ in 0..2 {
        let mut reader = next_stream(&mut subscription).await;
        let group = reader.header().group;
        let object = within(reader.next_object(100)).await.unwrap().unwrap();
        seen.insert(group, object.header.properties);
    }
    assert_eq!(seen[&1], Properties::default(), "none is added");
    assert_eq!(seen[&4], Properties::from_pairs(gap()).unwrap());
    let before = published.fetches().len();
    let (_, unknown) = viewer.fetch(&track(TRACK), at(2, 0), at(3, 0)).await.unwrap();
    assert_eq!((unknown, published.fetches().len()), (Vec::new(), before), "known not to exist, without asking");
}

#[tokio::test(flavor = "multi_thread")]
async fn c104_a_large_object_streams_through_before_it_is_whole() {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 128;
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let published = source.publisher.track(TRACK);
    let viewer = Viewer::over_quic(relay.address).await;
    let mut subscription = subscribe(&viewer).await;
    published.until_active(1).await;
    let piece = |index: usize| Bytes::from((0..PIECE).map(|at| (at * 7 + index) as u8).collect::<Vec<_>>());
    let mut appender = published.log().subgroup(1, 0, meta(None)).unwrap();
    let whole = ObjectHeader { payload_len: (PIECE * PIECES) as u64, ..ObjectHeader::default() };
    appender.encode_header(&whole).unwrap();
    appender.payload(piece(0)).unwrap();
    let mut reader = next_stream(&mut subscription).await;
    let SubgroupItem::Header { header, .. } = within(reader.next()).await.unwrap().unwrap() else { panic!("a header") };
    assert_eq!(header.payload_len, whole.payload_len);
    let mut got = Vec::new();
    while got.len() < PIECE / 2 {
        let SubgroupItem::Payload(part) = within(reader.next()).await.unwrap().unwrap() else { panic!("payload") };
        got.extend_from_slice(&part);
    }
    // A sixteenth of a percent is here; the rest is published only now.
    for index in 1..PIECES {
        appender.payload(piece(index)).unwrap();
    }
    appender.end_object().unwrap();
    appender.finish(true).unwrap();
    while let Some(item) = within(reader.next()).await.unwrap() {
        if let SubgroupItem::Payload(part) = item {
            got.extend_from_slice(&part);
        }
    }
    let sent: Vec<u8> = (0..PIECES).flat_map(piece).collect();
    assert!(got == sent, "{} bytes of {}", got.len(), sent.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn c105_datagrams_leave_as_datagrams_and_subgroups_as_streams() {
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let published = source.publisher.track(TRACK);
    let viewer = Viewer::over_quic(relay.address).await;
    let mut subscription = subscribe(&viewer).await;
    published.until_active(1).await;
    let datagram = Datagram {
        track_alias: TrackAlias(0),
        group: 1,
        object_id: 0,
        priority: Some(3),
        properties: Properties::from_pairs([Pair::new(UNKNOWN, 5_u64)]).unwrap(),
        end_of_group: false,
        body: DatagramBody::Payload(Bytes::from_static(b"small")),
    };
    published.log().datagram(datagram.clone()).unwrap();
    let TrackEvent::Datagram(got) = within(subscription.next()).await else { panic!("a datagram") };
    assert_eq!(Datagram { track_alias: TrackAlias(0), ..got }, datagram);
    publish(&published, at(1, 1), 0, None, Vec::new());
    assert_eq!(read(next_stream(&mut subscription).await).await.0, [1]);
    let fetched = fetch(&viewer, at(1, 0), at(1, 2)).await;
    let forms: Vec<_> = fetched.iter().map(|header| (header.location, header.subgroup)).collect();
    assert_eq!(forms, [(at(1, 0), None), (at(1, 1), Some(0))]);
    assert_eq!((fetched[0].priority, &fetched[0].properties), (3, &datagram.properties));
}

#[tokio::test(flavor = "multi_thread")]
async fn c106_a_hole_of_unknown_cause_begins_a_new_stream() {
    let relay = RunningRelay::start(settings()).await;
    let mut source = RawSource::asked_by_a_viewer_of(&relay).await;
    let mut subscription = source.accept().await;
    let mut first = source.raw.uni(stream(1, &[plain(0), plain(1)])).await;
    let mut one = next_stream(&mut subscription).await;
    for id in 0..2 {
        assert_eq!(within(one.next_object(100)).await.unwrap().unwrap().header.object_id, id);
    }
    first.reset(StreamErrorCode::InternalError.to_wire(Version::Draft18));
    let mut second = source.raw.uni(stream(1, &[plain(4), plain(6)])).await;
    second.finish().unwrap();
    assert!(matches!(within(one.next_object(100)).await, Err(StreamFailure::Reset(_))), "c108: never a FIN");
    let two = next_stream(&mut subscription).await;
    assert!(!two.header().first_object, "c107");
    assert_eq!(read(two).await, (vec![4, 6], None), "neighbours of one stream stay neighbours");
    let (_, unknown) = source.viewer.fetch(&track(TRACK), at(1, 0), at(1, 7)).await.unwrap();
    assert_eq!(unknown, [at(1, 3), at(1, 5)], "nobody knows about 2, 3 and 5");
}

#[tokio::test(flavor = "multi_thread")]
async fn c107_the_first_object_bit_says_what_is_true() {
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let published = source.publisher.track(TRACK);
    published.groups([1], 3);
    let viewer = Viewer::over_quic(relay.address).await;
    let live = Parameters { filter: Some(moqt::Filter::LargestObject), ..Parameters::default() };
    let mut subscription = within(viewer.session.subscribe(track(TRACK), live)).await.unwrap();
    published.until_active(1).await;
    published.frame(at(1, 3), 100);
    let inside = next_stream(&mut subscription).await;
    assert_eq!((inside.header().group, inside.header().first_object), (1, false));
    published.frame(at(2, 0), 100);
    let begins = next_stream(&mut subscription).await;
    assert_eq!((begins.header().group, begins.header().first_object), (2, true));
    let mut untold = published.log().subgroup(3, 0, SubgroupMeta { first_object: false, ..meta(None) }).unwrap();
    untold.object(&header(0, b"x", Vec::new()), Bytes::from_static(b"x")).unwrap();
    let unsure = next_stream(&mut subscription).await;
    assert_eq!((unsure.header().group, unsure.header().first_object), (3, false), "upstream did not say so");
}

#[tokio::test(flavor = "multi_thread")]
async fn c108_an_end_is_an_end_and_a_reset_a_reset() {
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let published = source.publisher.track(TRACK);
    let viewer = Viewer::over_quic(relay.address).await;
    let mut subscription = subscribe(&viewer).await;
    published.until_active(1).await;
    for (group, reset) in [(1, false), (2, true)] {
        let mut appender = published.log().subgroup(group, 0, meta(None)).unwrap();
        for id in 0..3 {
            appender.object(&header(id, b"payload", Vec::new()), Bytes::from_static(b"payload")).unwrap();
        }
        let reader = next_stream(&mut subscription).await;
        let reading = tokio::spawn(read(reader));
        tokio::time::sleep(A_WHILE).await;
        assert!(!reading.is_finished(), "neither before its time");
        if reset {
            appender.reset(StreamErrorCode::InternalError)
        } else {
            appender.finish(false).unwrap()
        }
        let expected = (vec![0, 1, 2], reset.then_some(StreamErrorCode::InternalError));
        assert_eq!(within(reading).await.unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c109_forward_0_resets_what_is_open() {
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let published = source.publisher.track(TRACK);
    let viewer = Viewer::over_quic(relay.address).await;
    let mut subscription = subscribe(&viewer).await;
    published.until_active(1).await;
    published.groups([1], 2);
    let reader = next_stream(&mut subscription).await;
    let forward = |on| Parameters { forward: Some(on), ..Parameters::default() };
    within(subscription.update(forward(false))).await.unwrap();
    assert_eq!(read(reader).await.1, Some(StreamErrorCode::Cancelled));
    published.groups([2], 2);
    let silent = tokio::time::timeout(A_WHILE, subscription.next()).await;
    assert!(silent.is_err(), "c066: {silent:?}");
    let answer = within(subscription.update(forward(true))).await.unwrap();
    assert_eq!(answer.largest_object, Some(at(2, 1)), "c122");
    published.frame(at(2, 2), 100);
    published.finish_group();
    assert_eq!(read(next_stream(&mut subscription).await).await, (vec![2], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn c110_stopping_one_subgroup_stops_no_other() {
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let published = source.publisher.track(TRACK);
    let viewer = Viewer::over_quic(relay.address).await;
    let mut subscription = subscribe(&viewer).await;
    published.until_active(1).await;
    published.frame(at(5, 0), 100);
    let mut unwanted = next_stream(&mut subscription).await;
    unwanted.stop(StreamErrorCode::Cancelled);
    for object in 1..5 {
        published.frame(at(5, object), 100);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    published.groups([6], 3);
    published.finish_group();
    let next = next_stream(&mut subscription).await;
    assert_eq!(next.header().group, 6, "not reopened");
    assert_eq!(read(next).await, (vec![0, 1, 2], None));
    drop(unwanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn c111_objects_may_come_before_their_alias_is_known() {
    let relay = RunningRelay::start(settings()).await;
    let mut source = RawSource::asked_by_a_viewer_of(&relay).await;
    let mut early = source.raw.uni(stream(1, &[plain(0), plain(1), plain(2)])).await;
    early.finish().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut subscription = source.accept().await;
    assert_eq!(read(next_stream(&mut subscription).await).await, (vec![0, 1, 2], None));
    // Of an alias that never comes: no close.
    let unknown = SubgroupHeader {
        track_alias: TrackAlias(99),
        group: 1,
        subgroup: SubgroupId::Zero,
        priority: None,
        has_properties: false,
        end_of_group: false,
        first_object: true,
    };
    let _stream = source.raw.uni(data_header(&UniStreamHeader::Subgroup(unknown))).await;
    source.raw.stays("an unknown alias").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c113_ends_of_group_and_track_are_told_live_and_by_fetch() {
    let relay = RunningRelay::start(settings()).await;
    let source = Source::at(&relay).await;
    let published = source.publisher.track(TRACK);
    let viewer = Viewer::over_quic(relay.address).await;
    let mut subscription = subscribe(&viewer).await;
    published.until_active(1).await;
    published.groups([1], 2);
    published.finish_group();
    let bit = next_stream(&mut subscription).await;
    assert!(bit.header().end_of_group, "by the bit, with FIN");
    assert_eq!(read(bit).await, (vec![0, 1], None));
    let status = |id, status| ObjectHeader { object_id: id, status, ..ObjectHeader::default() };
    let mut second = published.log().subgroup(2, 0, SubgroupMeta { has_properties: false, ..meta(None) }).unwrap();
    second.object(&header(0, b"x", Vec::new()), Bytes::from_static(b"x")).unwrap();
    second.object(&status(1, ObjectStatus::EndOfGroup), Bytes::new()).unwrap();
    second.finish(false).unwrap();
    let mut third = published.log().subgroup(3, 0, SubgroupMeta { has_properties: false, ..meta(None) }).unwrap();
    third.object(&header(0, b"x", Vec::new()), Bytes::from_static(b"x")).unwrap();
    third.object(&status(1, ObjectStatus::EndOfTrack), Bytes::new()).unwrap();
    third.finish(false).unwrap();
    for expected in [ObjectStatus::EndOfGroup, ObjectStatus::EndOfTrack] {
        let mut reader = next_stream(&mut subscription).await;
        within(reader.next_object(100)).await.unwrap().unwrap();
        let end = within(reader.next_object(100)).await.unwrap().unwrap();
        assert_eq!(end.header.status, expected);
    }
    let mut reader = viewer.session.fetch(track(TRACK), at(1, 0), at(3, 0), Parameters::default()).unwrap();
    let mut seen = Vec::new();
    while let Some(item) = within(reader.next()).await.unwrap() {
        match item {
            FetchItem::Header { header, .. } => seen.push(header.location),
            FetchItem::EndOfRange { location, known } => assert!(known, "unknown up to {location:?}"),
            FetchItem::Payload(_) | FetchItem::End => {}
        }
    }
    assert_eq!(seen, [at(1, 0), at(1, 1), at(2, 0), at(3, 0)]);
    assert!(reader.ok().await.unwrap().end_of_track);
    published.log().end(PublishDoneCode::TrackEnded, "");
    let end = loop {
        match within(subscription.next()).await {
            TrackEvent::Done { status, .. } => break Arrival::Done(status),
            TrackEvent::Subgroup(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end, Arrival::Done(PublishDoneCode::TrackEnded));
    assert!(matches!(Pair::new(UNKNOWN, 1_u64).value, PairValue::Int(1)));
}
