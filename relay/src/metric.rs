//! Every metric of the relay: name, unit and meaning in one table.
//!
//! | Name | Unit | Meaning |
//! |---|---|---|
//! | `efir_relay_sessions` `{transport}` | sessions | live downstream sessions |
//! | `efir_relay_sessions_ended_total` `{cause}` | sessions | ended sessions, by whose doing |
//! | `efir_relay_requests_total` `{kind}` | requests | requests of peers |
//! | `efir_relay_requests_refused_total` `{kind,code}` | requests | requests answered REQUEST_ERROR, and GETs (`http`) without the token they need |
//! | `efir_relay_subscriptions` | subscriptions | downstream subscriptions being served |
//! | `efir_relay_tracks` | tracks | tracks open in the relay |
//! | `efir_relay_upstream_subscriptions` | subscriptions | live upstream subscriptions: one per publisher of a track |
//! | `efir_relay_upstream_subscribes_total` `{result}` | requests | upstream SUBSCRIBE attempts |
//! | `efir_relay_upstream_fetches_total` `{result}` | requests | upstream FETCHes for cache misses |
//! | `efir_relay_upstream_sessions_total` `{result}` | sessions | dials of configured upstreams |
//! | `efir_relay_tune_in_seconds` | seconds | from SUBSCRIBE to the first object handed to the transport |
//! | `efir_relay_hop_dwell_seconds` | seconds | from an object's first byte in to its first byte out, per viewer and batch |
//! | `efir_relay_link_delay_seconds` | seconds | what stamped objects took from the hop before to here, clocks put right |
//! | `efir_relay_received_bytes_total` | bytes | payload and headers taken from upstreams |
//! | `efir_relay_sent_bytes_total` | bytes | payload and headers handed to viewers' streams |
//! | `efir_relay_received_objects_total` | objects | objects taken from upstreams |
//! | `efir_relay_sent_objects_total` | objects | objects handed to viewers' streams |
//! | `efir_relay_skipped_groups_total` | groups | groups that slow viewers did not get to the end |
//! | `efir_relay_http_live` | bodies | live tracks being read over HTTP |
//! | `efir_relay_http_live_refused_total` | requests | readers beyond `limit.http_live` |
//! | `efir_relay_http_skips_total` | skips | slow HTTP readers that went on with the newest group |
//! | `efir_relay_malformed_tracks_total` | tracks | tracks given up because a publisher contradicted itself |
//! | `efir_relay_publisher_switches_total` | switches | another publisher of a track took over, because the one before ended, was lost or fell silent |
//! | `efir_relay_over_budget_total` | groups | groups dropped because the memory budget was used up |
//! | `efir_relay_memory_bytes`, `efir_relay_memory_limit_bytes` | bytes | live logs and cache together, and their ceiling |
//! | `efir_relay_cache_bytes`, `efir_relay_cache_groups` | bytes, groups | what the frame cache holds |
//! | `efir_relay_cache_lookups_total` `{result}` | lookups | `hit` or `miss` |
//! | `efir_relay_cache_evictions_total` `{cause}` | groups | groups that left the cache |
//! | `efir_relay_cache_reclaimed_bytes_total` | bytes | cache bytes given up for live logs |
//! | `efir_relay_quic_rtt_seconds` | seconds | smoothed round-trip time of sessions, each looked at every 5 s and at its end |
//! | `efir_relay_quic_lost_packets_total`, `efir_relay_quic_sent_packets_total` | packets | of downstream sessions |
//! | `efir_relay_quic_sent_bytes_total`, `efir_relay_quic_received_bytes_total` | bytes | UDP payload of downstream sessions |
//!
//! Connections that were refused before a session began are counted by the transport: `transport_refused_total`,
//! `transport_retried_total`, `transport_accepted_total`.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use moqt::RequestErrorCode;
use transport::{ConnectionStats, IncomingRequest, SessionError, TransportKind};

/// Counts one live session; dropping it uncounts it.
#[derive(Debug)]
pub(crate) struct SessionGauge(&'static str);

impl SessionGauge {
    pub(crate) fn new(kind: TransportKind) -> Self {
        let kind = match kind {
            TransportKind::Quic => "quic",
            TransportKind::WebTransport => "webtransport",
            TransportKind::Loopback => "loopback",
        };
        gauge!("efir_relay_sessions", "transport" => kind).increment(1.0);
        Self(kind)
    }
}

impl Drop for SessionGauge {
    fn drop(&mut self) {
        gauge!("efir_relay_sessions", "transport" => self.0).decrement(1.0);
    }
}

/// Counts one live thing of a kind; dropping it uncounts it.
#[derive(Debug)]
pub(crate) struct LiveGauge(&'static str);

impl LiveGauge {
    pub(crate) fn subscription() -> Self {
        Self::new("efir_relay_subscriptions")
    }

    pub(crate) fn http_live() -> Self {
        Self::new("efir_relay_http_live")
    }

    pub(crate) fn upstream_subscription() -> Self {
        Self::new("efir_relay_upstream_subscriptions")
    }

    fn new(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for LiveGauge {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}

pub(crate) fn session_ended(error: &SessionError) {
    let cause = match error {
        SessionError::ClosedByPeer { .. } => "peer",
        SessionError::Protocol(_) => "protocol",
        SessionError::Local(_) => "local",
        SessionError::Connection(_) => "connection",
    };
    counter!("efir_relay_sessions_ended_total", "cause" => cause).increment(1);
}

/// The kind of a request, as a label.
pub(crate) fn kind(request: &IncomingRequest) -> &'static str {
    match request {
        IncomingRequest::Subscribe(_) => "subscribe",
        IncomingRequest::Fetch(_) => "fetch",
        IncomingRequest::TrackStatus(_) => "track_status",
        IncomingRequest::Publish(_) => "publish",
        IncomingRequest::PublishNamespace(_) => "publish_namespace",
        IncomingRequest::SubscribeNamespace(_) => "subscribe_namespace",
        IncomingRequest::SubscribeTracks(_) => "subscribe_tracks",
    }
}

pub(crate) fn request(request: &IncomingRequest) {
    counter!("efir_relay_requests_total", "kind" => kind(request)).increment(1);
}

pub(crate) fn refused(kind: &'static str, code: RequestErrorCode) {
    // Codes that upstreams make up must not make up time series.
    let code = if matches!(code, RequestErrorCode::Unknown(_)) { "Unknown".to_owned() } else { format!("{code:?}") };
    counter!("efir_relay_requests_refused_total", "kind" => kind, "code" => code).increment(1);
}

pub(crate) fn tracks(count: usize) {
    gauge!("efir_relay_tracks").set(count as f64);
}

pub(crate) fn upstream_subscribe(ok: bool) {
    counter!("efir_relay_upstream_subscribes_total", "result" => result(ok)).increment(1);
}

pub(crate) fn upstream_fetch(ok: bool) {
    counter!("efir_relay_upstream_fetches_total", "result" => result(ok)).increment(1);
}

pub(crate) fn upstream_connected() {
    counter!("efir_relay_upstream_sessions_total", "result" => "ok").increment(1);
}

pub(crate) fn upstream_dial_failed() {
    counter!("efir_relay_upstream_sessions_total", "result" => "failed").increment(1);
}

fn result(ok: bool) -> &'static str {
    if ok { "ok" } else { "failed" }
}

pub(crate) fn tune_in(time: Duration) {
    histogram!("efir_relay_tune_in_seconds").record(time.as_secs_f64());
}

pub(crate) fn hop_dwell(time: Duration) {
    histogram!("efir_relay_hop_dwell_seconds").record(time.as_secs_f64());
}

pub(crate) fn link_delay(time: Duration) {
    histogram!("efir_relay_link_delay_seconds").record(time.as_secs_f64());
}

pub(crate) fn received(objects: u64, bytes: u64) {
    counter!("efir_relay_received_objects_total").increment(objects);
    counter!("efir_relay_received_bytes_total").increment(bytes);
}

pub(crate) fn sent(objects: u64, bytes: u64) {
    counter!("efir_relay_sent_objects_total").increment(objects);
    counter!("efir_relay_sent_bytes_total").increment(bytes);
}

pub(crate) fn skipped_groups(count: u64) {
    counter!("efir_relay_skipped_groups_total").increment(count);
}

pub(crate) fn http_live_refused() {
    counter!("efir_relay_http_live_refused_total").increment(1);
}

pub(crate) fn http_skip() {
    counter!("efir_relay_http_skips_total").increment(1);
}

pub(crate) fn malformed_track() {
    counter!("efir_relay_malformed_tracks_total").increment(1);
}

pub(crate) fn publisher_switched() {
    counter!("efir_relay_publisher_switches_total").increment(1);
}

pub(crate) fn over_budget() {
    counter!("efir_relay_over_budget_total").increment(1);
}

pub(crate) fn memory(used: u64, limit: u64) {
    gauge!("efir_relay_memory_bytes").set(used as f64);
    gauge!("efir_relay_memory_limit_bytes").set(limit as f64);
}

pub(crate) fn cache_size(bytes: u64, groups: u64) {
    gauge!("efir_relay_cache_bytes").set(bytes as f64);
    gauge!("efir_relay_cache_groups").set(groups as f64);
}

pub(crate) fn cache_lookup(hit: bool) {
    counter!("efir_relay_cache_lookups_total", "result" => if hit { "hit" } else { "miss" }).increment(1);
}

pub(crate) fn cache_evicted(cause: &'static str) {
    counter!("efir_relay_cache_evictions_total", "cause" => cause).increment(1);
}

pub(crate) fn cache_reclaimed(bytes: u64) {
    counter!("efir_relay_cache_reclaimed_bytes_total").increment(bytes);
}

/// Follows one session's path: what changed since the last look goes to the counters.
#[derive(Debug, Default)]
pub(crate) struct PathMeter {
    last: ConnectionStats,
}

impl PathMeter {
    /// Takes the path's counters as of now.
    pub(crate) fn look(&mut self, stats: ConnectionStats) {
        let ConnectionStats { rtt, lost_packets, sent_packets, sent_bytes, received_bytes, congestion_window: _ } =
            stats;
        let last = std::mem::replace(&mut self.last, stats);
        histogram!("efir_relay_quic_rtt_seconds").record(rtt.as_secs_f64());
        counter!("efir_relay_quic_lost_packets_total").increment(lost_packets.saturating_sub(last.lost_packets));
        counter!("efir_relay_quic_sent_packets_total").increment(sent_packets.saturating_sub(last.sent_packets));
        counter!("efir_relay_quic_sent_bytes_total").increment(sent_bytes.saturating_sub(last.sent_bytes));
        counter!("efir_relay_quic_received_bytes_total").increment(received_bytes.saturating_sub(last.received_bytes));
    }
}
