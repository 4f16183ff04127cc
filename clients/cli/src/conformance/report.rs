//! Results as TAP version 14 with YAML diagnostics, or as JSON lines.

use std::time::Duration;

use serde::Serialize;

use super::case::Case;
use super::fault::Fault;
use super::{Outcome, Plan};

/// How results are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// TAP version 14, as the interop runner reads it.
    #[default]
    Tap,
    /// One JSON object per case, and a summary.
    Json,
}

/// How one case went.
#[derive(Debug, Clone, Serialize)]
pub(super) struct CaseReport {
    event: &'static str,
    name: &'static str,
    ok: bool,
    duration_ms: u64,
    /// The draft spoken.
    pub(super) draft: Option<String>,
    /// What carried it.
    pub(super) transport: Option<&'static str>,
    /// What the relay calls itself.
    pub(super) relay: Option<String>,
    pub(super) connections: Vec<NamedConnection>,
    #[serde(flatten)]
    pub(super) fault: Option<Fault>,
    /// What passed, for who has to find out why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) wire: Vec<String>,
}

/// A connection under the name that both ends log it by.
#[derive(Debug, Clone, Serialize)]
pub(super) struct NamedConnection {
    pub(super) role: &'static str,
    pub(super) id: String,
}

#[derive(Serialize)]
struct Summary {
    event: &'static str,
    passed: usize,
    failed: usize,
}

impl CaseReport {
    pub(super) fn new(case: Case, spent: Duration, result: Result<(), Fault>) -> Self {
        Self {
            event: "case",
            name: case.name(),
            ok: result.is_ok(),
            duration_ms: u64::try_from(spent.as_millis()).unwrap_or(u64::MAX),
            draft: None,
            transport: None,
            relay: None,
            connections: Vec::new(),
            fault: result.err(),
            wire: Vec::new(),
        }
    }

    /// The YAML block: every text in quotes, as JSON writes them, which YAML reads alike.
    fn yaml(&self) -> Vec<String> {
        let mut lines = vec![format!("duration_ms: {}", self.duration_ms)];
        let mut text = |key: &str, value: &str| lines.push(format!("{key}: {}", quoted(value)));
        if let [only] = self.connections.as_slice() {
            text("connection_id", &only.id);
        } else {
            for connection in &self.connections {
                text(&format!("{}_connection_id", connection.role), &connection.id);
            }
        }
        for (key, value) in [("draft", &self.draft), ("relay", &self.relay)] {
            if let Some(value) = value {
                text(key, value);
            }
        }
        if let Some(transport) = self.transport {
            text("transport", transport);
        }
        if let Some(fault) = &self.fault {
            text("at_fault", fault.at_fault.name());
            text("expected", &fault.expected);
            text("received", &fault.received);
            text("message", &fault.message);
        }
        if !self.wire.is_empty() {
            lines.push("wire:".to_owned());
            lines.extend(self.wire.iter().map(|line| format!("  - {}", quoted(line))));
        }
        lines
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Tells results as they come.
pub(super) struct Reporter<'a> {
    plan: &'a Plan,
    tell: &'a mut (dyn FnMut(&str) + Send),
    told: usize,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(plan: &'a Plan, tell: &'a mut (dyn FnMut(&str) + Send)) -> Self {
        Self { plan, tell, told: 0 }
    }

    pub(super) fn begin(&mut self) {
        if self.plan.form == Form::Tap {
            let offered: Vec<_> = self.plan.versions.iter().map(|version| version.alpn()).collect();
            (self.tell)("TAP version 14");
            (self.tell)(concat!("# efir conformance v", env!("CARGO_PKG_VERSION")));
            (self.tell)(&format!("# Relay: {}", self.plan.address.without_query()));
            (self.tell)(&format!("# Draft: {}", offered.join(", ")));
            (self.tell)(&format!("1..{}", self.plan.cases.len()));
        }
    }

    pub(super) fn case(&mut self, report: &CaseReport) {
        self.told += 1;
        match self.plan.form {
            Form::Json => self.json(report),
            Form::Tap => {
                let word = if report.ok { "ok" } else { "not ok" };
                (self.tell)(&format!("{word} {} - {}", self.told, report.name));
                (self.tell)("  ---");
                for line in report.yaml() {
                    (self.tell)(&format!("  {line}"));
                }
                (self.tell)("  ...");
            }
        }
    }

    pub(super) fn bail_out(&mut self, reason: &str) {
        if self.plan.form == Form::Tap {
            (self.tell)(&format!("Bail out! {reason}"));
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        let Outcome { passed, failed } = outcome;
        match self.plan.form {
            Form::Json => self.json(&Summary { event: "summary", passed, failed }),
            Form::Tap => (self.tell)(&format!("# {passed} passed, {failed} failed")),
        }
    }

    fn json(&mut self, value: &impl Serialize) {
        // Values made here always have a JSON form.
        if let Ok(line) = serde_json::to_string(value) {
            (self.tell)(&line);
        }
    }
}
