//! Where tracks are born: ingest, package, publish.
//!
//! A source ([`SourceSettings`]: file, pipe, command) yields frames; they are cut into groups and kept; while
//! somebody wants a track its frames become objects, served to viewers and relays alike.
//!
//! | Module | What it does |
//! |---|---|
//! | `ingest` | one source per file, pacing, seamless loops |
//! | `package`, `catalog` | frames and tracks as objects |
//! | `publish` | groups, what is kept of them, and the log that viewers are served from |
//! | `serve` | answers the requests of one session |
//! | `server`, `dial` | where sessions come from: clients that connect, relays that are dialled |
//! | `origin` | the wiring |

mod admin;
mod catalog;
mod dial;
mod ingest;
mod limit;
mod metric;
mod origin;
mod package;
mod publish;
mod serve;
mod server;
mod settings;
mod start;
#[cfg(test)]
mod testing;

pub use metric::describe_metrics;
pub use origin::{Origin, OriginError};
pub use package::Packaging;
pub use settings::{
    Arguments, BroadcastSettings, DelaySettings, RelayTrustSettings, RetainSettings, Settings, SourceSettings,
};
pub use start::{StartError, start};
