//! Origin, relay and HTTP in one process, on embedded defaults: what `cargo run --release` starts.
//!
//! The roles share nothing but the process: the relay pulls from the origin over real QUIC, with the origin's certificate
//! pinned by hash.

mod settings;
mod standalone;

pub use settings::{Flags, StandaloneSettings};
pub use standalone::{Bound, Standalone, StartError, start};
