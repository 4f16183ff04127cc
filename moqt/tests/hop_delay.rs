//! The delay stamp against its golden vectors, and against any bytes.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use bytes::Bytes;
use moqt::hop_delay::{HopDelay, RelayHop, TrackMark, append_hop, last_departure};
use moqt::limit::{HOP_DELAY_BYTES, HOP_DELAY_RELAYS};
use proptest::prelude::*;
use serde_json::Value;

const VECTORS: &str = include_str!("../vectors/hop_delay.json");

fn bytes(vector: &Value) -> Vec<u8> {
    let text = vector["hex"].as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Numbers above 2^53 are text, for readers without large integers.
fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned).parse().unwrap()
}

fn stamp(value: &Value) -> HopDelay {
    let hop = |hop: &Value| RelayHop {
        difference: number(&hop["difference"]),
        offset: number(&hop["offset"]),
        uncertainty: number(&hop["uncertainty"]),
        dwell: number(&hop["dwell"]),
    };
    HopDelay {
        captured: number(&value["captured"]),
        origin: number(&value["origin"]),
        relays: value["relays"].as_array().unwrap().iter().map(hop).collect(),
    }
}

#[test]
fn golden_vectors() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    assert!(vectors.len() > 15);
    for vector in &vectors {
        let (name, bytes, good) = (vector["name"].as_str().unwrap(), bytes(vector), vector["expect"] == "ok");
        match vector["kind"].as_str().unwrap() {
            "hop_delay" if good => {
                let expected = stamp(&vector["value"]);
                let read = HopDelay::from_bytes(&bytes).unwrap();
                assert_eq!(read, expected, "{name}");
                assert_eq!(read.departure(), number::<u64>(&vector["value"]["departure"]), "{name}");
                assert_eq!(read.to_bytes(), bytes, "{name}");
            }
            "hop_delay" => assert_eq!((HopDelay::from_bytes(&bytes), last_departure(&bytes)), (None, None), "{name}"),
            "hop_delay_mark" => {
                let known = TrackMark::from_bytes(&bytes).map(|mark| mark.capture_known);
                assert_eq!(known, vector["value"]["capture_known"].as_bool(), "{name}");
            }
            other => panic!("unknown kind {other}"),
        }
    }
}

fn hop() -> impl Strategy<Value = RelayHop> {
    let parts = (any::<i64>(), any::<i64>(), any::<u64>(), any::<u64>());
    parts.prop_map(|(difference, offset, uncertainty, dwell)| RelayHop { difference, offset, uncertainty, dwell })
}

proptest! {
    #[test]
    fn any_stamp_survives_and_grows_at_its_end(captured: u64, origin: u64, relays in proptest::collection::vec(hop(), 0..13)) {
        let mut stamp = HopDelay { captured, origin, relays: Vec::new() };
        let mut bytes = stamp.to_bytes();
        for relay in relays {
            prop_assert_eq!(last_departure(&bytes), Some(stamp.departure()));
            let longer = append_hop(&bytes, &relay).unwrap();
            prop_assert!(longer.starts_with(&bytes));
            stamp.relays.push(relay);
            bytes = longer;
        }
        prop_assert_eq!(HopDelay::from_bytes(&bytes), Some(stamp));
    }

    #[test]
    fn any_bytes_are_read_or_refused_alike(input in proptest::collection::vec(any::<u8>(), 0..600)) {
        let read = HopDelay::from_bytes(&input);
        let room = read.as_ref().filter(|stamp| stamp.relays.len() < HOP_DELAY_RELAYS);
        prop_assert_eq!(last_departure(&input), room.map(HopDelay::departure));
        if let Some(stamp) = read {
            prop_assert!(input.len() <= HOP_DELAY_BYTES);
            // Integers may come longer than they need be, so only the meaning must be the same.
            prop_assert_eq!(HopDelay::from_bytes(&stamp.to_bytes()), Some(stamp));
        }
        let _ = TrackMark::from_bytes(&Bytes::from(input));
    }
}
