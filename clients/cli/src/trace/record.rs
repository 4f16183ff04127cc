//! Bytes to events. A record that cannot be read is skipped and counted: files of crashed processes end inside of one.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use serde_json::Value;

use crate::limit;

/// RFC 7464: what begins a record of a JSON text sequence.
const SEPARATOR: u8 = 0x1e;

/// One event of any qlog.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// Milliseconds, by the file's own clock.
    pub(super) time: f64,
    /// With its namespace: `moqt:control_message_parsed`.
    pub(super) name: String,
    /// The connection's name; empty where the file does not say.
    pub(super) connection: String,
    /// As it was read.
    pub(super) record: Value,
}

impl Event {
    pub(super) fn data(&self) -> &Value {
        &self.record["data"]
    }

    pub(super) fn stream(&self) -> Option<u64> {
        number(&self.data()["stream_id"])
    }

    /// The type of a control message, in small letters.
    pub(super) fn message(&self) -> Option<String> {
        let message = &self.data()["message"];
        let name = message["type"].as_str().or_else(|| self.data()["message_type"].as_str());
        name.map(str::to_lowercase)
    }

    /// An event of QUIC or HTTP/3 rather than of MOQT.
    pub(super) fn is_quic(&self) -> bool {
        let namespace = self.name.split(':').next().unwrap_or_default();
        matches!(
            namespace,
            "transport" | "recovery" | "quic" | "security" | "connectivity" | "http" | "h3" | "qpack" | "loglevel"
        )
    }
}

/// A number, also where it is written as text, as 64-bit numbers are.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Reads events one after the other.
pub(super) struct Records<R> {
    input: R,
    /// Events of a document that holds several.
    waiting: VecDeque<Event>,
    /// What a header says of all events after it.
    connection: String,
    /// Records and lines so far.
    seen: u64,
    unreadable: u64,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, waiting: VecDeque::new(), connection: String::new(), seen: 0, unreadable: 0 }
    }

    /// Records that were skipped.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// The input cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            let mut line = Vec::new();
            let most = limit::TRACE_RECORD_BYTES;
            let read = self.input.by_ref().take(most).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            let text = trim(&line);
            if text.is_empty() {
                continue;
            }
            self.seen += 1;
            match serde_json::from_slice(text) {
                Ok(value) => self.take(value),
                // A document over several lines: there is only one.
                Err(error) if error.is_eof() && self.seen == 1 => self.document(line)?,
                Err(_) => self.unreadable += 1,
            }
        }
    }

    fn document(&mut self, mut text: Vec<u8>) -> io::Result<()> {
        self.input.by_ref().take(limit::TRACE_DOCUMENT_BYTES).read_to_end(&mut text)?;
        match serde_json::from_slice(trim(&text)) {
            Ok(value) => self.take(value),
            Err(_) => self.unreadable += 1,
        }
        Ok(())
    }

    /// A header, an event, or a document with its traces.
    fn take(&mut self, value: Value) {
        if let Some(traces) = value["traces"].as_array() {
            for trace in traces {
                self.connection = connection_of(trace).unwrap_or_default();
                let events = trace["events"].as_array().into_iter().flatten();
                let events: Vec<Event> = events.filter_map(|event| self.event(event.clone())).collect();
                self.waiting.extend(events);
            }
        } else if value.get("qlog_version").is_some() || value.get("trace").is_some() {
            self.connection = connection_of(&value["trace"]).unwrap_or_default();
        } else {
            match self.event(value) {
                Some(event) => self.waiting.push_back(event),
                None => self.unreadable += 1,
            }
        }
    }

    fn event(&self, record: Value) -> Option<Event> {
        let time = record["time"].as_f64().or_else(|| record["time"].as_str()?.parse().ok())?;
        // Older drafts say namespace and type apart.
        let name = match record["name"].as_str() {
            Some(name) => name.to_owned(),
            None => format!("{}:{}", record["category"].as_str()?, record["event"].as_str()?),
        };
        let own = record["group_id"].as_str().or_else(|| record["ODCID"].as_str());
        let connection = own.map_or_else(|| self.connection.clone(), str::to_owned);
        Some(Event { time, name, connection, record })
    }
}

/// A trace's connection, where it names one.
fn connection_of(trace: &Value) -> Option<String> {
    let common = &trace["common_fields"];
    let named = ["ODCID", "group_id"].into_iter().find_map(|key| common[key].as_str());
    named.map(str::to_owned)
}

fn trim(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    line.strip_prefix(&[SEPARATOR]).unwrap_or(line).trim_ascii()
}
