//! A relay with a publisher above it and a viewer that must not notice anything.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use relay::RelaySettings;

use super::{
    Frames, Listening, PublishedTrack, Publisher, RunningRelay, Viewer, at, metric, settings, until, upstream,
};
use crate::raw::Raw;

/// The session code of most broken rules.
pub const PROTOCOL_VIOLATION: u64 = 0x3;

/// The relay, its publisher and its viewer.
#[derive(Debug)]
pub struct Arena {
    relay: RunningRelay,
    frames: Frames,
    track: Arc<PublishedTrack>,
    next: u64,
    _viewer: Viewer,
    _source: Listening,
}

impl Arena {
    /// Everything is up, and the viewer watches.
    ///
    /// # Panics
    /// Something does not start.
    pub async fn new() -> Self {
        let publisher = Publisher::default();
        let track = publisher.track("live-healthy--video0");
        track.frame(at(1, 0), 100);
        let source = publisher.listen().await;
        let settings = RelaySettings { upstream: vec![upstream(source.address)], ..settings() };
        let relay = RunningRelay::start(settings).await;
        let viewer = Viewer::over_quic(relay.address).await;
        let mut frames = viewer.join(track.name(), 0).await.unwrap();
        assert_eq!(frames.frame().await, at(1, 0));
        Self { relay, frames, track, next: 1, _viewer: viewer, _source: source }
    }

    /// The relay's.
    pub fn address(&self) -> SocketAddr {
        self.relay.address
    }

    /// A new session with the relay.
    pub async fn raw(&self) -> Raw {
        Raw::connect(self.relay.address).await
    }

    /// The viewer that had nothing to do with it still gets every frame.
    ///
    /// # Panics
    /// It does not.
    pub async fn undisturbed(&mut self) {
        for _ in 0..3 {
            self.track.frame(at(1, self.next), 2000);
            assert_eq!(self.frames.frame().await, at(1, self.next));
            self.next += 1;
        }
    }

    /// As [`Arena::undisturbed`], with many large frames.
    ///
    /// # Panics
    /// One is missing.
    pub async fn flood(&mut self, frames: usize, length: usize) {
        for _ in 0..frames {
            self.track.frame(at(1, self.next), length);
            assert_eq!(self.frames.frame().await, at(1, self.next));
            self.next += 1;
        }
    }

    /// Each of these bytes on a new request stream closes its session with this code, which is counted.
    pub async fn requests_close(&mut self, code: u64, cases: &[(&str, Bytes)]) {
        for (what, bytes) in cases {
            let before = violations();
            let raw = self.raw().await;
            let _request = raw.request(bytes.clone()).await;
            raw.closes(code, what).await;
            until(what, async || violations() > before).await;
        }
        self.undisturbed().await;
    }

    /// Each of these bytes on a new sending stream closes its session as a violation.
    pub async fn streams_close(&mut self, cases: &[(&str, Bytes)]) {
        for (what, bytes) in cases {
            let raw = self.raw().await;
            let _stream = raw.uni(bytes.clone()).await;
            raw.closes(PROTOCOL_VIOLATION, what).await;
        }
        self.undisturbed().await;
    }
}

/// Sessions that ended because the peer broke the protocol, over all tests of this process.
pub fn violations() -> f64 {
    metric("efir_relay_sessions_ended_total{cause=\"protocol\"}")
}
