//! Any text as a name: what parses has exactly one text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use moqt::FullTrackName;

fuzz_target!(|text: &str| {
    if let Ok(name) = text.parse::<FullTrackName>() {
        assert_eq!(name.to_string(), text);
    }
});
