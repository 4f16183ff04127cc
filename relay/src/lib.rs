//! One upstream subscription per track, many viewers, a bounded frame cache.
//!
//! | Module | What it holds |
//! |---|---|
//! | `relay` | all wiring, in order |
//! | `settings`, `flags`, `limit` | what an operator decides, and what nobody does |
//! | `router` | who publishes what: announced namespaces, offered tracks, configured upstreams |
//! | `track` | one open track: its live log, its state, its viewers |
//! | `upstream` | sessions to upstreams; one subscription per track, feeding its log |
//! | `downstream` | sessions of viewers and publishers; one task per request |
//! | `cache` | complete groups that left the live logs |
//! | `http` | metrics, health, certificate hash and groups over HTTP |
//! | `metric` | every metric with its unit and meaning |
//!
//! A relay never looks into a payload. Frames pass as shared slices: upstream stream, live log ([`fanout::TrackLog`]), viewers'
//! cursors; a complete group moves from the log to the cache without a copy.

mod cache;
mod delay;
mod downstream;
mod flags;
mod group_request;
mod http;
mod limit;
mod metric;
mod relay;
mod router;
mod settings;
mod track;
mod upstream;

pub use access::AccessSettings;
pub use flags::Flags;
pub use relay::{LoadError, PageLink, Relay, Shared};
pub use settings::{
    CertificateSettings, HttpSettings, HttpsSettings, LimitSettings, MemorySettings, RelaySettings, SlowViewerSettings,
    UpstreamSettings,
};
