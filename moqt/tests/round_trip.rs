//! What is written reads back the same, however the bytes are cut; what is cut off asks for more; and
//! no bytes whatever make the codec panic.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

mod strategy;

use bytes::{Bytes, BytesMut};
use moqt::{
    Datagram, Decode, DecodeError, Encode, FetchDecoder, FetchEncoder, FetchItem, FullTrackName, GroupOrder, Message,
    Namespace, ProtocolError, SubgroupDecoder, SubgroupHeader, SubgroupItem, UniStreamHeader, Version,
    encode_object_header,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use strategy::Record;

/// Everything a decoder gave, objects put together again.
type SubgroupObjects = Vec<(moqt::ObjectHeader, Bytes)>;

fn read_subgroup(
    version: Version,
    header: &SubgroupHeader,
    chunks: &[Bytes],
) -> Result<(SubgroupObjects, Vec<u8>, bool), ProtocolError> {
    let mut decoder = SubgroupDecoder::new(version, header.has_properties);
    let (mut objects, mut wire) = (SubgroupObjects::new(), Vec::new());
    for chunk in chunks {
        decoder.push(chunk.clone());
        while let Some(item) = decoder.next()? {
            match item {
                SubgroupItem::Header { header, wire: read } => {
                    wire.extend_from_slice(&read);
                    objects.push((header, Bytes::new()));
                }
                SubgroupItem::Payload(part) => {
                    wire.extend_from_slice(&part);
                    let (_, payload) = objects.last_mut().expect("a header comes first");
                    *payload = [&payload[..], &part[..]].concat().into();
                }
                SubgroupItem::End => {}
            }
        }
    }
    Ok((objects, wire, decoder.finish().is_ok()))
}

fn read_fetch(version: Version, order: GroupOrder, chunks: &[Bytes]) -> Result<(Vec<Record>, bool), ProtocolError> {
    let mut decoder = FetchDecoder::new(version, order);
    let mut records = Vec::new();
    for chunk in chunks {
        decoder.push(chunk.clone());
        while let Some(item) = decoder.next()? {
            match item {
                FetchItem::Header { header, .. } => records.push(Record::Object(header, Bytes::new())),
                FetchItem::Payload(part) => match records.last_mut() {
                    Some(Record::Object(_, payload)) => {
                        *payload = [&payload[..], &part[..]].concat().into();
                    }
                    _ => panic!("a payload without its header"),
                },
                FetchItem::End => {}
                FetchItem::EndOfRange { location, known } => {
                    records.push(Record::EndOfRange(location, known));
                }
            }
        }
    }
    Ok((records, decoder.finish().is_ok()))
}

/// `bytes` cut into pieces of these sizes, over and over.
fn cut(bytes: &Bytes, sizes: &[usize]) -> Vec<Bytes> {
    let (mut rest, mut chunks) = (bytes.clone(), Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        chunks.push(rest.split_to((*size).min(rest.len())));
    }
    chunks
}

fn orders() -> impl Strategy<Value = GroupOrder> {
    prop_oneof![Just(GroupOrder::Ascending), Just(GroupOrder::Descending)]
}

fn messages() -> impl Strategy<Value = (Version, Message)> {
    strategy::version().prop_flat_map(|version| (Just(version), strategy::message(version)))
}

type SubgroupStream = (Version, SubgroupHeader, SubgroupObjects);

fn subgroup_streams() -> impl Strategy<Value = SubgroupStream> {
    let headers = strategy::version().prop_flat_map(|version| (Just(version), strategy::subgroup_header(version)));
    headers.prop_flat_map(|(version, header)| (Just(version), Just(header), strategy::objects(header.has_properties)))
}

fn encode_objects((version, header, objects): &SubgroupStream) -> (Bytes, Vec<usize>) {
    let mut out = BytesMut::new();
    let (mut previous, mut ends) = (None, vec![0]);
    for (object, payload) in objects {
        encode_object_header(previous, object, header.has_properties, &mut out, *version).unwrap();
        out.extend_from_slice(payload);
        previous = Some(object.object_id);
        ends.push(out.len());
    }
    (out.freeze(), ends)
}

proptest! {
    // Failures are printed; a file beside the tests would be one more thing to keep.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_round_trip((version, message) in messages()) {
        let mut out = BytesMut::new();
        message.encode(&mut out, version).unwrap();
        for length in 0..out.len() {
            let mut part = BytesMut::from(&out[..length]);
            prop_assert_eq!(Message::decode(&mut part, version), Ok(None), "cut at {}", length);
        }
        out.extend_from_slice(b"next");
        prop_assert_eq!(Message::decode(&mut out, version), Ok(Some(message)));
        prop_assert_eq!(&out[..], b"next");
    }

    #[test]
    fn subgroup_streams_round_trip(
        stream in subgroup_streams(),
        sizes in vec(1..70_usize, 1..6),
    ) {
        let (version, header, objects) = &stream;
        let (bytes, ends) = encode_objects(&stream);
        for sizes in [&[usize::MAX][..], &[1], &sizes] {
            let (read, wire, complete) = read_subgroup(*version, header, &cut(&bytes, sizes)).unwrap();
            prop_assert_eq!(&read, objects);
            prop_assert_eq!(&wire[..], &bytes[..]);
            prop_assert!(complete);
        }
        for length in 0..bytes.len().min(300) {
            let (_, _, complete) = read_subgroup(*version, header, &[bytes.slice(..length)]).unwrap();
            prop_assert_eq!(complete, ends.contains(&length), "cut at {}", length);
        }
    }

    #[test]
    fn stream_headers_round_trip((version, header, _) in subgroup_streams()) {
        let header = UniStreamHeader::Subgroup(header);
        let mut out = BytesMut::new();
        header.encode(&mut out, version).unwrap();
        let bytes = out.freeze();
        prop_assert_eq!(UniStreamHeader::decode(&mut bytes.clone(), version), Ok(header));
        for length in 0..bytes.len() {
            let mut part = bytes.slice(..length);
            let cut = UniStreamHeader::decode(&mut part, version);
            prop_assert_eq!(cut, Err(DecodeError::Incomplete));
            prop_assert_eq!(part.len(), length, "an incomplete header is left alone");
        }
    }

    #[test]
    fn fetch_streams_round_trip(
        version in strategy::version(),
        (order, records) in orders().prop_flat_map(|order| (Just(order), strategy::fetch_records(order))),
        sizes in vec(1..70_usize, 1..6),
    ) {
        let mut encoder = FetchEncoder::new(version, order);
        let mut out = BytesMut::new();
        for record in &records {
            match record {
                Record::Object(header, payload) => {
                    encoder.object(header, &mut out).unwrap();
                    out.extend_from_slice(payload);
                }
                Record::EndOfRange(location, known) => {
                    encoder.end_of_range(*location, *known, &mut out).unwrap();
                }
            }
        }
        let bytes = out.freeze();
        for sizes in [&[usize::MAX][..], &[1], &sizes] {
            let (read, complete) = read_fetch(version, order, &cut(&bytes, sizes)).unwrap();
            prop_assert_eq!(&read, &records);
            prop_assert!(complete);
        }
        for length in 0..bytes.len().min(300) {
            prop_assert!(read_fetch(version, order, &[bytes.slice(..length)]).is_ok());
        }
    }

    #[test]
    fn datagrams_round_trip(
        (version, datagram) in strategy::version()
            .prop_flat_map(|version| (Just(version), strategy::datagram(version))),
    ) {
        let mut out = BytesMut::new();
        datagram.encode(&mut out, version).unwrap();
        prop_assert_eq!(Datagram::decode(out.freeze(), version), Ok(Some(datagram)));
    }

    #[test]
    fn names_round_trip_as_text(name in strategy::track(), prefix in strategy::namespace(0)) {
        prop_assert_eq!(name.to_string().parse::<FullTrackName>(), Ok(name.clone()));
        prop_assert_eq!(prefix.to_string().parse::<Namespace>(), Ok(prefix.clone()));
        let joined = prefix.join(&name.namespace).unwrap();
        prop_assert!(prefix.is_prefix_of(&joined));
        prop_assert_eq!(joined.strip_prefix(&prefix), Some(name.namespace));
    }

    #[test]
    fn a_name_has_one_text(text in "[a-c._%-]{0,12}") {
        if let Ok(name) = text.parse::<FullTrackName>() {
            prop_assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    fn properties_cross_versions_unchanged(properties in strategy::properties()) {
        let there = properties.to_version(Version::Draft16).unwrap();
        let there = moqt::Properties::new(there, Version::Draft16).unwrap();
        let back = there.to_version(Version::Draft18).unwrap();
        prop_assert_eq!(&back, properties.as_bytes());
        prop_assert_eq!(there, properties);
    }

    #[test]
    fn no_bytes_panic(
        version in select(Version::KNOWN.to_vec()),
        bytes in vec(any::<u8>(), 0..80),
        id in prop_oneof![0..0x60_u64, Just(0x2F00)],
        has_properties: bool,
        order in orders(),
    ) {
        let bytes = Bytes::from(bytes);
        // Any outcome is right, as long as it is one.
        drop(Message::decode(&mut BytesMut::from(&bytes[..]), version));
        drop(Message::decode_body(id, bytes.clone(), version));
        drop(Datagram::decode(bytes.clone(), version));
        drop(UniStreamHeader::decode(&mut bytes.clone(), version));
        let mut decoder = SubgroupDecoder::new(version, has_properties);
        decoder.push(bytes.clone());
        while let Ok(Some(_)) = decoder.next() {}
        let mut decoder = FetchDecoder::new(version, order);
        decoder.push(bytes);
        while let Ok(Some(_)) = decoder.next() {}
    }

    #[test]
    fn damaged_messages_never_panic(
        (version, message) in messages(),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut out = BytesMut::new();
        message.encode(&mut out, version).unwrap();
        let at = at.index(out.len());
        out[at] = byte;
        if let Ok(Some(read)) = Message::decode(&mut out, version) {
            let mut again = BytesMut::new();
            if read.encode(&mut again, version).is_ok() {
                prop_assert_eq!(Message::decode(&mut again, version), Ok(Some(read)));
            }
        }
    }
}

#[test]
fn payloads_are_slices_of_what_was_pushed() {
    let mut decoder = SubgroupDecoder::new(Version::Draft18, false);
    let chunk = Bytes::from_static(&[0x00, 0x03, b'a', b'b', b'c', 0x00, 0x02, b'd']);
    decoder.push(chunk.clone());
    let mut parts = Vec::new();
    while let Some(item) = decoder.next().unwrap() {
        if let SubgroupItem::Payload(part) = item {
            parts.push(part);
        }
    }
    let inside = |part: &Bytes| chunk.as_ptr_range().contains(&part.as_ptr());
    assert!(parts.iter().all(inside), "a payload was copied");
    assert_eq!(parts, [&b"abc"[..], b"d"]);
}

#[test]
fn a_message_type_is_refused_before_its_body_arrives() {
    let mut buf = BytesMut::from(&[0x3f][..]);
    assert!(Message::decode(&mut buf, Version::Draft18).is_err());
}

#[test]
fn properties_above_our_limit_are_refused_from_their_length() {
    let mut decoder = SubgroupDecoder::new(Version::Draft18, true);
    let mut header = BytesMut::from(&[0x00][..]);
    let length = moqt::limit::PROPERTIES_BYTES as u64 + 1;
    moqt::varint::encode(length, &mut header, Version::Draft18).unwrap();
    decoder.push(header.freeze());
    assert!(decoder.next().is_err());
}
