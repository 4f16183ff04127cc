//! Any bytes as a delay stamp: both readers agree, and what is read can be written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use moqt::hop_delay::{HopDelay, append_hop, last_departure};
use moqt::limit::HOP_DELAY_RELAYS;
use moqt::{RelayHop, TrackMark};

fuzz_target!(|data: &[u8]| {
    let _ = TrackMark::from_bytes(data);
    let read = HopDelay::from_bytes(data);
    let room = read.as_ref().filter(|stamp| stamp.relays.len() < HOP_DELAY_RELAYS);
    assert_eq!(last_departure(data), room.map(HopDelay::departure));
    if room.is_some()
        && let Some(longer) = append_hop(data, &RelayHop::default())
    {
        assert!(HopDelay::from_bytes(&longer).is_some());
    }
    if let Some(stamp) = read {
        assert_eq!(HopDelay::from_bytes(&stamp.to_bytes()), Some(stamp));
    }
});
