//! Any bytes as a subgroup stream, in one piece and byte by byte: both must give the same.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use moqt::{ObjectHeader, SubgroupDecoder, SubgroupItem, Version};

fn read(data: &Bytes, step: usize, version: Version, has_properties: bool) -> (Vec<ObjectHeader>, Vec<u8>, bool) {
    let mut decoder = SubgroupDecoder::new(version, has_properties);
    let (mut headers, mut wire) = (Vec::new(), Vec::new());
    for chunk in data.chunks(step) {
        decoder.push(data.slice_ref(chunk));
        loop {
            match decoder.next() {
                Ok(Some(SubgroupItem::Header { header, wire: read })) => {
                    headers.push(header);
                    wire.extend_from_slice(&read);
                }
                Ok(Some(SubgroupItem::Payload(part))) => wire.extend_from_slice(&part),
                Ok(Some(SubgroupItem::End)) => {}
                Ok(None) => break,
                Err(_) => return (headers, wire, false),
            }
        }
    }
    (headers, wire, decoder.finish().is_ok())
}

fuzz_target!(|data: &[u8]| {
    let data = Bytes::copy_from_slice(data);
    for version in Version::ALL {
        for has_properties in [false, true] {
            let whole = read(&data, data.len().max(1), version, has_properties);
            assert_eq!(whole, read(&data, 1, version, has_properties));
            assert!(data.starts_with(&whole.1), "forwarded bytes are those that came");
        }
    }
});
