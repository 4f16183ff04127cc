//! The last messages of a session, with their bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use transport::{Direction, WireEvent, WireItem, WireObserver};

use crate::limit;

/// Keeps what passed last, control messages and headers of data streams.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    direction: Direction,
    stream: Option<u64>,
    name: String,
    /// The first of its bytes.
    head: Vec<u8>,
    length: usize,
}

impl WireObserver for Recorder {
    fn seen(&self, event: &WireEvent<'_>) {
        let (name, bytes): (String, &[u8]) = match event.item {
            WireItem::Message { message, bytes } => (message.name().to_owned(), bytes),
            WireItem::Unreadable { error, bytes } => (format!("unreadable bytes ({error})"), bytes),
            WireItem::Subgroup(header) => (format!("subgroup header of group {}", header.group), &[]),
            WireItem::Fetch(request) => (format!("FETCH header of request {}", request.0), &[]),
            _ => return,
        };
        let head = bytes[..bytes.len().min(limit::RECORDED_BYTES)].to_vec();
        let entry = Entry { direction: event.direction, stream: event.stream, name, head, length: bytes.len() };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == limit::RECORDED_MESSAGES {
            entries.pop_front();
        }
        entries.push_back(entry);
    }
}

impl Recorder {
    /// Everything kept, oldest first, as lines.
    pub(super) fn lines(&self, role: &str) -> Vec<String> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|entry| entry.line(role)).collect()
    }
}

impl Entry {
    fn line(&self, role: &str) -> String {
        let verb = match self.direction {
            Direction::Sent => "sent",
            Direction::Received => "received",
        };
        let mut line = format!("{role} {verb} {}", self.name);
        if let Some(stream) = self.stream {
            line += &format!(" on stream {stream}");
        }
        if self.length > 0 {
            let digits: String = self.head.iter().map(|byte| format!("{byte:02x}")).collect();
            let rest = self.length - self.head.len();
            let more = if rest > 0 { format!("... ({rest} more bytes)") } else { String::new() };
            line += &format!(": {digits}{more}");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use moqt::ProtocolError;

    use super::*;

    #[test]
    fn the_newest_are_kept_with_their_first_bytes() {
        let recorder = Recorder::default();
        let error = ProtocolError::violation("what is this");
        let bytes = vec![0xAB; limit::RECORDED_BYTES + 3];
        for stream in 0..=limit::RECORDED_MESSAGES as u64 {
            let item = WireItem::Unreadable { error: &error, bytes: &bytes };
            recorder.seen(&WireEvent { direction: Direction::Received, stream: Some(stream), item });
        }
        let lines = recorder.lines("subscriber");
        assert_eq!(lines.len(), limit::RECORDED_MESSAGES);
        assert!(lines[0].starts_with("subscriber received unreadable bytes (what is this"), "{}", lines[0]);
        assert!(lines[0].contains(" on stream 1: abab") && lines[0].ends_with("... (3 more bytes)"), "{}", lines[0]);
    }
}
