//! Reading the furniture shop's whole catalogue, as a stream and as a file.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::check::state;
use super::client::{Answer, NoAnswer, Request, retry_after};
use super::rows::{Rows, Torn};
use super::series::{DOWNLOAD, FAILED, FOLLOW, ROWS, TORN, UNFINISHED};
use super::visit::{Over, Visit};

/// What was read.
struct Read {
    rows: Result<u64, Torn>,
    bytes: u64,
    sha256: String,
    /// State of the catalogue, if it was told.
    snapshot: Option<i64>,
}

/// Reads the stream: rows must be whole and in order, and as many as others read of the same state.
pub(super) async fn download(visit: &mut Visit) -> Result<(), Over> {
    let read = read(visit, "/furniture/export?format=ndjson").await?;
    let agree = match (&read.rows, read.snapshot) {
        (Ok(rows), Some(snapshot)) => visit.shared.ledger.rows_agree(snapshot, *rows),
        (Ok(_), None) => return Err(visit.garbled(&DOWNLOAD)),
        (Err(_), _) => true,
    };
    if !agree {
        visit.meter.labelled(&TORN, "stream: another number of rows than others read of the same state");
    }
    good(visit, "stream", read.rows)
}

/// Has the catalogue written into a file, and fetches that: it must be as it was told.
pub(super) async fn file(visit: &mut Visit) -> Result<(), Over> {
    let token = visit.token();
    let request = Request::post("/furniture/exports", &token, visit.key("export"), json!({ "format": "ndjson" }));
    let asked = visit.command(&FOLLOW, &request).await?;
    let Some(id) = asked.body["id"].as_str() else { return Err(visit.garbled(&FOLLOW)) };
    let path = format!("/furniture/exports/{id}");
    visit.step_aside();
    let mut now = asked.body.clone();
    while state(&now) != "ready" {
        if state(&now) == "failed" {
            visit.meter.labelled(&FAILED, "export: given up");
            return Err(Over::Refused);
        }
        if !visit.look_again().await {
            if visit.shared.must_end() {
                visit.meter.labelled(&UNFINISHED, &format!("export: {}", state(&now)));
            }
            return Err(Over::Refused);
        }
        if let Ok(answer) = visit.ask(&FOLLOW, &Request::get(&path, &token)).await {
            now = answer.body;
        }
    }
    let read = read(visit, &format!("{path}/file")).await?;
    let told = (now["bytes"].as_u64(), now["sha256"].as_str(), now["rows_done"].as_u64());
    if told != (Some(read.bytes), Some(&*read.sha256), read.rows.ok()) && read.rows.is_ok() {
        visit.meter.labelled(&TORN, "file: another length, SHA-256 or number of rows than was told");
    }
    visit.ask(&FOLLOW, &Request::delete(&path, &token, None)).await?;
    good(visit, "file", read.rows)
}

fn good(visit: &Visit, what: &str, rows: Result<u64, Torn>) -> Result<(), Over> {
    match rows {
        Ok(rows) => {
            visit.meter.count(&ROWS, rows);
            Ok(())
        }
        Err(torn) => {
            visit.meter.labelled(&TORN, &format!("{what}: {torn}"));
            Err(Over::Refused)
        }
    }
}

/// Reads something long to its end. One that breaks off is a failure; one that ends in good order must be whole.
async fn read(visit: &mut Visit, path: &str) -> Result<Read, Over> {
    let client = visit.client.clone();
    let request = Request::get(path, &visit.token());
    let mut response = match client.open(&request).await {
        Ok(response) if response.status().is_success() => response,
        Ok(response) => {
            let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
            let body = response.bytes().await.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let answer = Answer { status, retry_after, body: body.unwrap_or_default() };
            return Err(visit.judge(&DOWNLOAD, Ok(answer)).err().unwrap_or(Over::Unsure));
        }
        Err(none) => return Err(visit.judge(&DOWNLOAD, Err(none)).err().unwrap_or(Over::Unsure)),
    };
    let snapshot = response.headers().get("efir-snapshot").and_then(|value| value.to_str().ok()?.parse().ok());
    let (mut rows, mut torn, mut sum, mut bytes) = (Rows::default(), None, Sha256::new(), 0);
    let end: Result<(), NoAnswer> = loop {
        match client.more(&mut response).await {
            Ok(Some(piece)) => {
                sum.update(&piece);
                bytes += piece.len() as u64;
                if torn.is_none() {
                    torn = rows.push(&piece).err();
                }
            }
            Ok(None) => break Ok(()),
            Err(none) => break Err(none),
        }
    };
    visit.judge(&DOWNLOAD, end.map(|()| Answer { status: 200, ..Answer::default() }))?;
    let sha256 = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Read { rows: torn.map_or_else(|| rows.end(), Err), bytes, sha256, snapshot })
}
