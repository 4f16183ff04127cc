//! Any bytes as a datagram; what decodes must encode, and to the same datagram.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use moqt::{Datagram, Encode, Version};

fuzz_target!(|data: &[u8]| {
    for version in Version::ALL {
        if let Ok(Some(datagram)) = Datagram::decode(Bytes::copy_from_slice(data), version) {
            let mut out = BytesMut::new();
            datagram.encode(&mut out, version).expect("what was read can be written");
            assert_eq!(Datagram::decode(out.freeze(), version), Ok(Some(datagram)));
        }
    }
});
