//! The rules of a draft-18 session, one test per rule. `cNN_` names the row of the conformance checklist that a test covers; tests
//! without a number cover the rules for both ends.

#![expect(clippy::unwrap_used, reason = "test helpers are test code too: a panic is the report")]

mod fetch;
mod goaway;
mod malformed;
mod namespaces;
mod pair;
mod raw;
mod setup;
mod subscriptions;
mod tokens;
mod two_machines;
mod updates;
