//! What peers can throw at a relay, and that nobody else notices: floods and noise. Bytes that break a rule are in `conformance`.

#![expect(clippy::unwrap_used, reason = "a failing helper of a test should fail loudly")]

mod flood;
mod start;
