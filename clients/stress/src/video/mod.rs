//! The video load: synthetic publishers, and viewers that check every frame.

mod frame;
mod ledger;
mod load;
mod publisher;
mod schedule;
mod series;
mod sight;
mod viewer;
mod watch;

pub(crate) use frame::HEADER_BYTES;
pub(crate) use load::{Share, Start, VideoLoad};
#[cfg(test)]
pub(crate) use series::GAPS;
pub(crate) use series::{ALL, BYTES, CONNECT, ERRORS, FRAMES, LATENCY, SESSIONS, STALLS, TROUBLES, TUNE_IN, VIEWERS};
