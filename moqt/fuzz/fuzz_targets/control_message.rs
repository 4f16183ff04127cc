//! Any bytes as a stream of control messages; what decodes must encode, and to the same message.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use moqt::{Message, Version};

fuzz_target!(|data: &[u8]| {
    for version in Version::KNOWN {
        let mut buf = BytesMut::from(data);
        while let Ok(Some(message)) = Message::decode(&mut buf, version) {
            let mut out = BytesMut::new();
            if message.encode(&mut out, version).is_ok() {
                assert_eq!(Message::decode(&mut out, version), Ok(Some(message)));
            }
        }
    }
});
