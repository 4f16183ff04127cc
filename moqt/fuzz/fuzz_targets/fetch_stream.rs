//! Any bytes as a FETCH stream; every object read must be writable after the ones before it.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use moqt::{FetchDecoder, FetchEncoder, FetchItem, GroupOrder, Version, varint};

fuzz_target!(|data: &[u8]| {
    let data = Bytes::copy_from_slice(data);
    for version in Version::ALL {
        for order in [GroupOrder::Ascending, GroupOrder::Descending] {
            let mut decoder = FetchDecoder::new(version, order);
            let mut encoder = FetchEncoder::new(version, order);
            decoder.push(data.clone());
            let mut out = BytesMut::new();
            while let Ok(Some(item)) = decoder.next() {
                match item {
                    FetchItem::Header { header, wire } => {
                        let (flags, _) = varint::peek(&wire, version).expect("a header begins with its flags");
                        encoder.object_as(flags, &header, &mut out).expect("what was read can be written");
                    }
                    FetchItem::EndOfRange { location, known } => {
                        encoder.end_of_range(location, known, &mut out).expect("what was read can be written");
                    }
                    FetchItem::Payload(_) | FetchItem::End => {}
                }
            }
        }
    }
});
