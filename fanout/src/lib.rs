//! One append-only log per live group, cursors for viewers: what origin and relay both serve from.
//!
//! | Module | What it holds |
//! |---|---|
//! | `log` | [`TrackLog`]: the newest groups of a track; [`SubgroupAppender`] writes them once |
//! | `serve` | [`serve_subscription`]: one task per subscription, a cursor per open stream |
//! | `fetch` | [`serve_fetch`]: a range of groups from a [`GroupSource`] |
//! | `filter` | which objects pass |
//! | `budget` | [`MemoryBudget`]: the ceiling that logs and caches share |
//! | `sink`, `session` | the seam to what carries a viewer's streams, and its implementation for the session's writers |
//! | `path` | [`serve_reserved`]: the track about a session's own connection |
//! | `observer` | [`ServeObserver`]: what metrics count |
//! | `limit` | every bound, with unit and reason |
//!
//! A viewer costs a cursor and up to [`GATHER_CHUNKS`] shared slices per open stream. Nothing it does blocks the writer: it
//! lags in the log, and its own policy moves it on.

mod budget;
mod fetch;
mod filter;
mod limit;
mod log;
mod observer;
mod path;
mod serve;
mod session;
mod sink;

pub use budget::{Charge, MemoryBudget, Reclaim};
pub use fetch::{FetchFailure, FetchRange, GroupAnswer, GroupSource, fetch_end, serve_fetch};
pub use filter::{DeliveryRange, RangeInThePast, resolve_filter};
pub use limit::{GATHER_CHUNKS, MAX_STREAMS_PER_VIEWER};
pub use log::{
    AppendError, GroupLog, HeadHold, LogSettings, SubgroupAppender, SubgroupMeta, SubgroupState, TrackEnd, TrackLog,
};
pub use observer::{NoObserver, ServeObserver};
pub use path::{is_reserved, serve_reserved};
pub use serve::{DeliveryTimeouts, Lateness, ServeEnd, ServeSettings, SlowViewerPolicy, serve_subscription};
pub use session::SubscriptionSink;
pub use sink::{FetchSink, SinkError, StreamSink, ViewerSink};
