//! What was in a trace.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Event, number};
use crate::limit;
use crate::report::bytes_text;

/// Counts of a whole file.
#[derive(Debug, Default)]
pub(super) struct Summary {
    events: u64,
    shown: u64,
    unreadable: u64,
    first: Option<f64>,
    last: f64,
    connections: BTreeSet<String>,
    /// Control messages by type.
    messages: BTreeMap<String, u64>,
    /// Objects and their payload bytes, sent and received.
    sent: (u64, u64),
    received: (u64, u64),
    packets_sent: u64,
    packets_received: u64,
    packets_lost: u64,
    quic: u64,
}

impl Summary {
    pub(super) fn count(&mut self, event: &Event, shown: bool) {
        self.events += 1;
        self.shown += u64::from(shown);
        self.first.get_or_insert(event.time);
        self.last = self.last.max(event.time);
        if self.connections.len() < limit::TRACE_NAMES && !event.connection.is_empty() {
            self.connections.insert(event.connection.clone());
        }
        if let Some(message) = event.message() {
            let known = self.messages.len() < limit::TRACE_NAMES || self.messages.contains_key(&message);
            if known {
                *self.messages.entry(message).or_default() += 1;
            }
        }
        self.quic += u64::from(event.is_quic());
        let kind = event.name.split(':').next_back().unwrap_or_default();
        match kind {
            "packet_sent" => self.packets_sent += 1,
            "packet_received" => self.packets_received += 1,
            "packet_lost" => self.packets_lost += 1,
            "subgroup_object_created" | "fetch_object_created" | "object_datagram_created" => {
                add(&mut self.sent, event);
            }
            "subgroup_object_parsed" | "fetch_object_parsed" | "object_datagram_parsed" => {
                add(&mut self.received, event);
            }
            _ => {}
        }
    }

    pub(super) fn unreadable(&mut self, records: u64) {
        self.unreadable = records;
    }

    /// Whether there was nothing to show at all.
    pub(super) fn is_empty(&self) -> bool {
        self.events == 0
    }

    pub(super) fn text(&self) -> String {
        let seconds = (self.last - self.first.unwrap_or_default()) / 1000.0;
        let connections = self.connections.len().max(1);
        let mut text = format!("{} events of {connections} connections in {seconds:.3} s", self.events);
        text += &format!(", {} shown\n", self.shown);
        if !self.messages.is_empty() {
            let all: Vec<_> =
                self.messages.iter().map(|(name, count)| format!("{} {count}", name.to_uppercase())).collect();
            text += &format!("messages: {}\n", all.join(", "));
        }
        for (what, (objects, bytes)) in [("sent", self.sent), ("received", self.received)] {
            if objects > 0 {
                text += &format!("objects {what}: {objects}, {}\n", bytes_text(bytes));
            }
        }
        if self.quic > 0 {
            text += &format!(
                "packets: {} sent, {} received, {} lost; --quic shows them\n",
                self.packets_sent, self.packets_received, self.packets_lost
            );
        }
        if self.unreadable > 0 {
            text += &format!("records that could not be read: {}\n", self.unreadable);
        }
        text
    }
}

fn add((objects, bytes): &mut (u64, u64), event: &Event) {
    let data = event.data();
    let payload = number(&data["object_payload_length"]).or_else(|| number(&data["object_payload"]["length"]));
    *objects += 1;
    *bytes = bytes.saturating_add(payload.unwrap_or_default());
}
