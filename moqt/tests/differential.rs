//! The same bytes read and written by an independent codec: ours must decode there, and what is
//! written there must be ours byte for byte.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

mod strategy;

use bytes::BytesMut;
use moqt::{
    Datagram, Encode, FetchEncoder, GroupOrder, Message, RequestId, UniStreamHeader, Version, encode_object_header,
    varint,
};
use moqtap_codec::data_dispatch::{
    AnyFetchEndOfRange, AnyFetchGroupOrder, AnyFetchObjectReader, AnySubgroupObjectReader, AnySubgroupObjectWriter,
};
use moqtap_codec::dispatch::{AnyControlMessage, AnyDatagramHeader, AnyFetchHeader, AnySubgroupHeader};
use moqtap_codec::version::DraftVersion;
use proptest::prelude::*;
use strategy::Record;

fn theirs(version: Version) -> DraftVersion {
    match version {
        Version::Draft16 => DraftVersion::Draft16,
        Version::Draft18 => DraftVersion::Draft18,
        Version::Draft20 => DraftVersion::Draft20,
        Version::Draft22 => DraftVersion::Draft22,
    }
}

proptest! {
    // Failures are printed; a file beside the tests would be one more thing to keep.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_agree(
        (version, message) in strategy::version()
            .prop_flat_map(|version| (Just(version), strategy::message(version))),
    ) {
        let mut ours = BytesMut::new();
        message.encode(&mut ours, version).unwrap();
        let bytes = ours.freeze();
        let mut rest = bytes.clone();
        let read = AnyControlMessage::decode(theirs(version), &mut rest)
            .map_err(|error| TestCaseError::fail(format!("{error} in {bytes:x} of {message:?}")))?;
        prop_assert!(rest.is_empty());
        let mut written = BytesMut::new();
        read.encode(&mut written).unwrap();
        prop_assert_eq!(&written[..], &bytes[..]);
        prop_assert_eq!(Message::decode(&mut written, version), Ok(Some(message)));
    }

    #[test]
    fn subgroup_streams_agree(
        (version, header, objects) in strategy::version()
            .prop_flat_map(|version| (Just(version), strategy::subgroup_header(version)))
            .prop_flat_map(|(version, header)| {
                (Just(version), Just(header), strategy::objects(header.has_properties))
            }),
    ) {
        let mut ours = BytesMut::new();
        header.encode(&mut ours, version).unwrap();
        let mut previous = None;
        for (object, payload) in &objects {
            encode_object_header(previous, object, header.has_properties, &mut ours, version).unwrap();
            ours.extend_from_slice(payload);
            previous = Some(object.object_id);
        }
        let bytes = ours.freeze();
        let mut rest = bytes.clone();
        let read = AnySubgroupHeader::decode_stream(theirs(version), &mut rest).unwrap();
        let mut written = BytesMut::new();
        read.encode_stream(&mut written);
        let mut reader = AnySubgroupObjectReader::new(&read).unwrap();
        let mut writer = AnySubgroupObjectWriter::new(&read).unwrap();
        for (object, payload) in &objects {
            let there = reader.read_object(&mut rest).unwrap();
            prop_assert_eq!(there.object_id, object.object_id);
            prop_assert_eq!(there.status.unwrap_or(0), object.status.to_wire());
            prop_assert_eq!(&there.payload[..], &payload[..]);
            let properties = object.properties.to_version(version).unwrap();
            prop_assert_eq!(&there.extension_headers[..], &properties[..]);
            writer.write_object(&there, &mut written).unwrap();
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(&written[..], &bytes[..]);
    }

    #[test]
    fn fetch_streams_agree(
        version in strategy::version(),
        (order, records) in prop_oneof![Just(GroupOrder::Ascending), Just(GroupOrder::Descending)]
            .prop_flat_map(|order| (Just(order), strategy::fetch_records(order))),
    ) {
        let mut ours = BytesMut::new();
        UniStreamHeader::Fetch { request_id: RequestId(18) }.encode(&mut ours, version).unwrap();
        let mut encoder = FetchEncoder::new(version, order);
        for record in &records {
            match record {
                Record::Object(header, payload) => {
                    encoder.object(header, &mut ours).unwrap();
                    ours.extend_from_slice(payload);
                }
                Record::EndOfRange(location, known) => {
                    encoder.end_of_range(*location, *known, &mut ours).unwrap();
                    // The other codec puts a payload length after a range.
                    varint::encode(0, &mut ours, version).unwrap();
                }
            }
        }
        let mut rest = ours.freeze();
        let header = AnyFetchHeader::decode_stream(theirs(version), &mut rest).unwrap();
        prop_assert_eq!(header.request_id(), 18);
        let their_order = match order {
            GroupOrder::Ascending => AnyFetchGroupOrder::Ascending,
            GroupOrder::Descending => AnyFetchGroupOrder::Descending,
        };
        let mut reader = AnyFetchObjectReader::new(&header, their_order).unwrap();
        for record in &records {
            let there = reader.read_object(&mut rest)
                .map_err(|error| TestCaseError::fail(format!("{error} at {record:?}")))?;
            match record {
                Record::Object(header, payload) => {
                    prop_assert_eq!(there.group_id, header.location.group);
                    prop_assert_eq!(there.object_id, header.location.object);
                    let subgroup = Some(there.subgroup_id).filter(|_| there.has_subgroup_id);
                    prop_assert_eq!(subgroup, header.subgroup);
                    prop_assert_eq!(there.publisher_priority, header.priority);
                    prop_assert_eq!(&there.payload[..], &payload[..]);
                }
                Record::EndOfRange(location, known) => {
                    prop_assert_eq!((there.group_id, there.object_id), (location.group, location.object));
                    let range = if *known { AnyFetchEndOfRange::NonExistent } else { AnyFetchEndOfRange::Unknown };
                    prop_assert_eq!(there.end_of_range, Some(range));
                }
            }
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn datagrams_agree(
        (version, datagram) in strategy::version()
            .prop_flat_map(|version| (Just(version), strategy::datagram(version))),
    ) {
        let mut ours = BytesMut::new();
        datagram.encode(&mut ours, version).unwrap();
        let bytes = ours.freeze();
        let mut rest = bytes.clone();
        let read = AnyDatagramHeader::decode(theirs(version), &mut rest).unwrap();
        let meta = read.meta();
        prop_assert_eq!(meta.track_alias, datagram.track_alias.0);
        prop_assert_eq!((meta.group_id, meta.object_id), (datagram.group, datagram.object_id));
        prop_assert_eq!(meta.publisher_priority, datagram.priority);
        let mut written = BytesMut::new();
        read.encode(&mut written).unwrap();
        written.extend_from_slice(&rest);
        prop_assert_eq!(&written[..], &bytes[..]);
        prop_assert_eq!(Datagram::decode(written.freeze(), version), Ok(Some(datagram)));
    }
}
