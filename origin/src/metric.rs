//! What an origin counts. Names end in their unit; labels have few values, never a name a peer chose.

use fanout::ServeObserver;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const FRAMES: &str = "efir_origin_frames_total";
const FRAME_BYTES: &str = "efir_origin_frame_bytes_total";
const PACKAGED: &str = "efir_origin_packaged_total";
const SESSIONS: &str = "efir_origin_sessions";
const SUBSCRIPTIONS: &str = "efir_origin_subscriptions";
const FETCHES: &str = "efir_origin_fetches_total";
const REFUSALS: &str = "efir_origin_refusals_total";
const SENT_BYTES: &str = "efir_origin_sent_bytes_total";
const SENT_OBJECTS: &str = "efir_origin_sent_objects_total";
const SKIPPED_GROUPS: &str = "efir_origin_skipped_groups_total";
const COMMAND_STARTS: &str = "efir_origin_command_starts_total";
const SOURCE_FAILURES: &str = "efir_origin_source_failures_total";
const RELAY_CONNECTED: &str = "efir_origin_relay_sessions";

/// Tells the recorder what the metrics mean. Call it once, after the recorder is in place.
pub fn describe_metrics() {
    describe_counter!(FRAMES, Unit::Count, "Frames taken from sources, by kind");
    describe_counter!(FRAME_BYTES, Unit::Bytes, "Coded bytes of these frames");
    describe_counter!(PACKAGED, Unit::Count, "Objects packaged; stands still while nobody watches");
    describe_gauge!(SESSIONS, Unit::Count, "Sessions served now");
    describe_gauge!(SUBSCRIPTIONS, Unit::Count, "Subscriptions served now");
    describe_counter!(FETCHES, Unit::Count, "FETCH requests answered");
    describe_counter!(REFUSALS, Unit::Count, "Requests refused, by code");
    describe_counter!(SENT_BYTES, Unit::Bytes, "Object bytes handed to the transport");
    describe_counter!(SENT_OBJECTS, Unit::Count, "Objects handed to the transport");
    describe_counter!(SKIPPED_GROUPS, Unit::Count, "Groups not sent to subscribers who were too slow");
    describe_counter!(COMMAND_STARTS, Unit::Count, "Starts of on-demand commands");
    describe_counter!(SOURCE_FAILURES, Unit::Count, "Sources that ended with an error");
    describe_gauge!(RELAY_CONNECTED, Unit::Count, "Relays connected now");
}

pub(crate) fn frame(video: bool, bytes: usize) {
    let kind = if video { "video" } else { "audio" };
    counter!(FRAMES, "kind" => kind).increment(1);
    counter!(FRAME_BYTES, "kind" => kind).increment(bytes as u64);
}

pub(crate) fn packaged() {
    counter!(PACKAGED).increment(1);
}

pub(crate) fn fetch() {
    counter!(FETCHES).increment(1);
}

pub(crate) fn refused(code: moqt::RequestErrorCode) {
    counter!(REFUSALS, "code" => code.name()).increment(1);
}

pub(crate) fn command_started() {
    counter!(COMMAND_STARTS).increment(1);
}

pub(crate) fn source_failed() {
    counter!(SOURCE_FAILURES).increment(1);
}

/// Counts what is sent.
#[derive(Debug)]
pub(crate) struct Sending;

impl ServeObserver for Sending {
    fn sent(&self, objects: u64, bytes: u64) {
        counter!(SENT_OBJECTS).increment(objects);
        counter!(SENT_BYTES).increment(bytes);
    }

    fn group_skipped(&self, _group: u64, _bytes: u64) {
        counter!(SKIPPED_GROUPS).increment(1);
    }
}

/// Counts something as present until it is dropped.
#[derive(Debug)]
pub(crate) struct Present(&'static str);

impl Present {
    pub(crate) fn session() -> Self {
        Self::enter(SESSIONS)
    }

    pub(crate) fn subscription() -> Self {
        Self::enter(SUBSCRIPTIONS)
    }

    pub(crate) fn relay() -> Self {
        Self::enter(RELAY_CONNECTED)
    }

    fn enter(name: &'static str) -> Self {
        gauge!(name).increment(1);
        Self(name)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1);
    }
}
