//! The real `efir-commerce` as its callers see it: the mission's interactions, crashes at every step, bad input.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

mod bad_input;
mod crash;
mod interaction;
mod server;
