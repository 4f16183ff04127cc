//! Towards the origin: sessions to configured upstreams, and one subscription per publisher of a track however many viewers it has.

mod dial;
mod dialer;
mod fetch;
mod ingest;
mod offered;
mod publishers;
mod roster;
mod seat;
mod subscribe;

pub(crate) use dial::keep;
pub(crate) use dialer::{Dialer, Upstream};
pub(crate) use fetch::{FetchFailure, fetch_group};
pub(crate) use offered::{OfferedTrack, offered};
pub(crate) use subscribe::run;
