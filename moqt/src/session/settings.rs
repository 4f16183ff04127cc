//! What a session is told before it starts.

use std::time::Duration;

use thiserror::Error;

use crate::{EncodeError, SetupOptions, Side, Version};

/// What carries the session, as far as the rules of SETUP care (sections 10.3.1.1 and 10.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// QUIC itself (or a stand-in for it): the client names path and authority in SETUP.
    Quic,
    /// WebTransport: path and authority came with the CONNECT request and are forbidden in SETUP.
    WebTransport,
}

/// Settings of one session.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Which end this is.
    pub side: Side,
    /// The draft both ends agreed on.
    pub version: Version,
    /// What carries the session.
    pub carrier: Carrier,
    /// This side's SETUP. Path and authority are left out where the draft forbids them;
    /// `max_auth_token_cache_size` is also the limit the peer's registered tokens are held to;
    /// `hops` declares the private relay-path extension.
    pub setup: SetupOptions,
    /// How long the peer may take to send its SETUP; then the session closes with
    /// CONTROL_MESSAGE_TIMEOUT.
    pub setup_timeout: Duration,
    /// Requests of the peer alive at once; above it a request is answered EXCESSIVE_LOAD with a
    /// Retry Interval.
    pub request_limit: usize,
}

/// Settings no session can run with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The codec knows this draft, sessions do not.
    #[error("no session speaks {0}")]
    Version(Version),
    /// This side's SETUP has no form on the wire.
    #[error("the SETUP cannot be written: {0}")]
    Setup(#[source] EncodeError),
}
