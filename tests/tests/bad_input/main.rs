//! What peers can throw at a relay, and that nobody else notices. Names begin with the row of the draft-18 conformance checklist
//! that a test stands for, where there is one.

#![expect(clippy::unwrap_used, reason = "a failing helper of a test should fail loudly")]

mod arena;
mod flood;
mod malformed;
mod publisher;
mod start;
