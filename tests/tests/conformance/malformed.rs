//! C.2, rows 12 to 28 and 42, 43: bytes that end the session that sent them, and bytes that look odd and do not.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use moqt::{
    FullTrackName, GoAway, Message, Namespace, Parameters, Properties, Publish, RequestId, TrackAlias, TrackName,
    UniStreamHeader, Version,
};
use tests::raw::{Raw, data_header, encode, hex, message, subscribe};
use tests::system::{Arena, PROTOCOL_VIOLATION, until, violations, within};
use transport::{CANCELLED, ReadError, stopped, write_all};

#[tokio::test(flavor = "multi_thread")]
async fn c012_unknown_message_type() {
    let mut arena = Arena::new().await;
    let garbage = Bytes::from_static(&[0x3F, 0x80, 0x21, 0xFF, 0xFF, 0xFF, 0xFF]);
    let cases = [("unknown type", hex("3f0000")), ("garbage", garbage), ("of draft-16", hex("0a000100"))];
    arena.requests_close(PROTOCOL_VIOLATION, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c013_a_request_stream_begins_with_a_request() {
    let mut arena = Arena::new().await;
    let cases = [
        ("SUBSCRIBE_OK", hex("0400020100")),
        ("REQUEST_UPDATE", message(0x02, &[0, 0])),
        ("REQUEST_OK", message(0x07, &[0])),
        ("REQUEST_ERROR", message(0x05, &[0, 0, 0])),
        ("PUBLISH_DONE", message(0x0B, &[0, 0, 0])),
    ];
    arena.requests_close(PROTOCOL_VIOLATION, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c014_lengths_must_fit() {
    let mut arena = Arena::new().await;
    let mut long = subscribe(0, &[0]).to_vec();
    long[2] += 1;
    long.push(0);
    let cases = [
        ("too long", long.into()),
        ("too short", hex("0300060001016e017400")),
        ("field runs past the body", hex("06000400020161")),
        ("more parameters than there are", hex("0300090001016e0174022001")),
    ];
    arena.requests_close(PROTOCOL_VIOLATION, &cases).await;

    let raw = arena.raw().await;
    let mut cut = raw.request(subscribe(0, &[0]).slice(..4)).await;
    cut.send.finish().unwrap();
    raw.closes(PROTOCOL_VIOLATION, "FIN inside a message").await;
    let mut raw = arena.raw().await;
    let mut cut = raw.request(subscribe(0, &[0]).slice(..4)).await;
    cut.send.reset(CANCELLED);
    raw.lives("a reset inside a message").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c015_request_ids() {
    let mut arena = Arena::new().await;
    arena.requests_close(0x4, &[("odd id from a client", subscribe(1, &[0]))]).await;
    let raw = arena.raw().await;
    let _requests = [raw.request(subscribe(0, &[0])).await, raw.request(subscribe(0, &[0])).await];
    raw.closes(0x4, "the same id twice").await;
    let mut raw = arena.raw().await;
    for id in [4, 2, 0] {
        let mut request = raw.request(subscribe(id, &[0])).await;
        assert!(matches!(request.read().await, Ok(Some(Message::RequestError(_)))), "id {id}");
    }
    raw.lives("ids out of order").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c016_to_c022_bad_parameters() {
    let mut arena = Arena::new().await;
    let cases = [
        ("c16 unknown parameter", subscribe(0, &[1, 0x1D, 0])),
        ("c16 grease", subscribe(0, &[1, 0x40, 1])),
        ("c17 EXPIRES in SUBSCRIBE", subscribe(0, &[1, 0x08, 5])),
        ("c18 FORWARD twice", subscribe(0, &[2, 0x10, 1, 0x00, 1])),
        ("c18 priority twice", hex("03000b0001016e01740220010002")),
        ("c20 FORWARD 2", subscribe(0, &[1, 0x10, 2])),
        ("c20 GROUP_ORDER 3", subscribe(0, &[1, 0x22, 3])),
        ("c21 filter type 5", subscribe(0, &[1, 0x21, 1, 5])),
        ("c21 filter type 9", subscribe(0, &[1, 0x21, 1, 9])),
        ("c21 bytes behind a filter", subscribe(0, &[1, 0x21, 2, 1, 0])),
        ("c22 FETCH type 4", hex("1600050004000000")),
    ];
    arena.requests_close(PROTOCOL_VIOLATION, &cases).await;
    let overflow = [&[2, 0x10, 1][..], &[0xFF; 9], &[0]].concat();
    arena.requests_close(PROTOCOL_VIOLATION, &[("c19 type overflow", subscribe(0, &overflow))]).await;
}

fn named(namespace: Namespace, name: &str) -> Bytes {
    let track = FullTrackName::new(namespace, TrackName::new(name.to_owned()).unwrap()).unwrap();
    let parameters = Parameters::default();
    encode(&Message::Subscribe(moqt::Subscribe { request_id: RequestId(0), track, parameters }))
}

#[tokio::test(flavor = "multi_thread")]
async fn c023_names_have_bounds() {
    let mut arena = Arena::new().await;
    let fields = |count: u8| {
        let mut body = vec![0, count];
        body.extend([1, b'a'].repeat(count.into()));
        body.extend([1, b'x', 0]);
        message(0x03, &body)
    };
    // One field of 4096 bytes and a name of one: the length in two bytes.
    let mut long = vec![0, 1, 0x90, 0x00];
    long.extend([b'a'; 4096]);
    long.extend([1, b'x', 0]);
    let cases = [
        ("33 fields", fields(33)),
        ("an empty field", message(0x03, &[0, 1, 0, 1, b'x', 0])),
        ("4097 bytes", message(0x03, &long)),
    ];
    arena.requests_close(PROTOCOL_VIOLATION, &cases).await;
    let whole = Namespace::new(["a".repeat(4096)]).unwrap();
    for (what, bytes) in [("32 fields", fields(32)), ("4096 bytes", named(whole, ""))] {
        let raw = arena.raw().await;
        let answer = raw.request(bytes).await.read().await;
        assert!(matches!(answer, Ok(Some(Message::RequestError(_)))), "{what}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c024_a_long_property_is_refused_by_its_length() {
    let mut arena = Arena::new().await;
    // PUBLISH with a byte property whose length says 65536; its bytes never come.
    let mut body = vec![0, 1, 1, b'a', 1, b'x', 7, 0];
    body.extend(hex("01c1000000"));
    let mut padded = body.clone();
    padded.extend([0; 8]);
    arena.requests_close(PROTOCOL_VIOLATION, &[("65536 bytes", message(0x1D, &padded))]).await;
}

fn goaway(uri: &str, id: u64) -> Bytes {
    let timeout = Some(Duration::from_secs(1));
    encode(&Message::GoAway(GoAway { uri: uri.into(), timeout, request_id: Some(RequestId(id)) }))
}

#[tokio::test(flavor = "multi_thread")]
async fn c026_goaway_abuse() {
    let mut arena = Arena::new().await;
    let mut long = vec![0xA0, 0x01];
    long.extend([b'u'; 8193]);
    long.extend([0, 1]);
    let twice = [goaway("", 1), goaway("", 1)].concat();
    for (what, bytes, code) in [
        ("a URI from a client", goaway("https://x", 1), PROTOCOL_VIOLATION),
        ("8193 bytes of URI", message(0x10, &long), PROTOCOL_VIOLATION),
        ("an id of the wrong parity", goaway("", 2), 0x4),
        ("a second GOAWAY", twice.into(), PROTOCOL_VIOLATION),
    ] {
        let mut raw = arena.raw().await;
        raw.write_control(bytes).await;
        raw.closes(code, what).await;
    }
    // One is fine, and what the client asks afterwards is its own business.
    let mut raw = arena.raw().await;
    raw.write_control(goaway("", 1)).await;
    raw.stays("one GOAWAY").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c027_unknown_stream_types() {
    let mut arena = Arena::new().await;
    let types = [
        "1702010000",
        "1e02010000",
        "3f02010000",
        "5602010000",
        "7e02010000",
        "0002010000",
        "0402010000",
        "2f02010000",
        "808002010000",
        "ffffffffffffffffff",
    ];
    let cases = types.map(|bytes| (bytes, hex(bytes)));
    arena.streams_close(&cases).await;

    let raw = arena.raw().await;
    let mut cut = raw.uni(hex("3005")).await;
    cut.finish().unwrap();
    raw.closes(PROTOCOL_VIOLATION, "FIN inside a header").await;
    let mut raw = arena.raw().await;
    let mut cut = raw.uni(hex("3005")).await;
    cut.reset(CANCELLED);
    let mut empty = raw.uni(Bytes::new()).await;
    empty.finish().unwrap();
    raw.lives("a reset inside a header, and a stream without a byte").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c028_bad_datagrams() {
    let mut arena = Arena::new().await;
    let datagrams =
        ["230101010103", "2a0101010103", "2f0101010103", "1001010101", "808001010101", "01010101010070", "0001"];
    for datagram in datagrams {
        let mut raw = arena.raw().await;
        raw.lives("before").await;
        raw.connection.send_datagram(hex(datagram)).unwrap();
        raw.closes(PROTOCOL_VIOLATION, datagram).await;
    }
    // An alias nobody knows is no fault.
    let mut raw = arena.raw().await;
    raw.lives("before").await;
    raw.connection.send_datagram(hex("000901010170")).unwrap();
    raw.lives("unknown alias").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c033_one_alias_for_two_tracks() {
    let mut arena = Arena::new().await;
    let raw = arena.raw().await;
    let publish = |id, name: &'static str| {
        let track = FullTrackName::new(Namespace::new(["a"]).unwrap(), TrackName::new(name).unwrap()).unwrap();
        let (parameters, properties) = (Parameters::default(), Properties::default());
        let (request_id, track_alias) = (RequestId(id), TrackAlias(7));
        encode(&Message::Publish(Publish { request_id, track, track_alias, parameters, properties }))
    };
    let mut first = raw.request(publish(0, "x")).await;
    assert!(matches!(first.read().await, Ok(Some(Message::RequestOk(_)))));
    let before = violations();
    let _second = raw.request(publish(2, "y")).await;
    raw.closes(0x5, "one alias, two tracks").await;
    until("it is counted", async || violations() > before).await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c042_integers_need_not_be_short() {
    let arena = Arena::new().await;
    for vector in ["030016c000008001e00000016eff0000000000000001748000", "800300070001016e017400"] {
        let raw = arena.raw().await;
        let answer = raw.request(hex(vector)).await.read().await;
        assert!(matches!(answer, Ok(Some(Message::RequestError(_)))), "{vector}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c043_padding_is_dropped() {
    let mut arena = Arena::new().await;
    let mut raw = arena.raw().await;
    let header = data_header(&UniStreamHeader::Padding);
    // More than both flow control windows: it only passes when it is read.
    for _ in 0..10 {
        let mut stream = raw.uni(header.clone()).await;
        within(write_all(&mut *stream, vec![0; 1 << 20].into())).await.unwrap();
        stream.finish().unwrap();
        assert_eq!(within(stopped(&mut *stream)).await, None, "read to its end, not stopped");
    }
    let mut datagram = BytesMut::new();
    moqt::varint::encode(0x132B_3E29, &mut datagram, Version::Draft18).unwrap();
    datagram.extend_from_slice(&[0; 500]);
    raw.connection.send_datagram(datagram.freeze()).unwrap();
    raw.lives("padding").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_for_requests_that_do_not_exist_is_stopped() {
    let mut arena = Arena::new().await;
    let mut raw = arena.raw().await;
    let mut fetch = raw.uni(data_header(&UniStreamHeader::Fetch { request_id: RequestId(1) })).await;
    assert_eq!(within(stopped(&mut *fetch)).await, Some(CANCELLED));
    let mut subgroup = raw.uni(hex("30630105")).await;
    assert_eq!(within(stopped(&mut *subgroup)).await, Some(CANCELLED));
    raw.lives("streams for nobody").await;
    arena.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_session_takes_its_requests_along() {
    let arena = Arena::new().await;
    let raw = Raw::connect(arena.address()).await;
    let mut waiting = raw.request(subscribe(0, &[1, 0x04, 0x9F, 0xFF])).await;
    let _bad = raw.request(hex("3f0000")).await;
    raw.closes(PROTOCOL_VIOLATION, "unknown type").await;
    assert!(matches!(waiting.read().await, Err(ReadError::Connection(_))));
}
