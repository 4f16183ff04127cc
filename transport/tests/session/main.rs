//! Sessions in pairs, and a session against a peer that writes any bytes, over the in-memory network under a paused clock: no
//! real time passes and the same seed gives the same run. A few over real QUIC.

#![expect(clippy::unwrap_used, reason = "a failing helper of a test should fail loudly")]

#[path = "../common/mod.rs"]
mod common;

/// What the pairs speak.
const DRAFT: moqt::Version = moqt::Version::Draft18;

mod back_pressure;
mod ending;
mod fetches;
mod leaks;
mod leases;
mod namespaces;
mod pair;
mod quic;
mod raw;
mod subscriptions;
