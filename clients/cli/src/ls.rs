//! `efir ls`: broadcasts and their tracks.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use media::Packaging;
use moqt::{Namespace, Parameters};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use transport::{NamespaceEvent, NamespaceReader, Session};

use crate::args::LsArguments;
use crate::broadcast::{Dialect, Document, Wanted, describe_kind, discover};
use crate::connect::Connector;
use crate::error::Failure;
use crate::limit;
use crate::report::{bitrate_text, print, print_json, tell};
use crate::target::show_namespace;

/// One broadcast as listed.
#[derive(Debug, Serialize)]
struct Listed {
    event: &'static str,
    namespace: String,
    catalogs: Vec<Dialect>,
    tracks: Vec<ListedTrack>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct ListedTrack {
    name: String,
    kind: &'static str,
    details: String,
    codec: String,
    packaging: &'static str,
    bitrate: Option<u64>,
}

/// Runs the subcommand.
pub(crate) async fn run(arguments: LsArguments, shutdown: process::Shutdown) -> Result<(), Failure> {
    let connector = Connector::new(&arguments.connect)?;
    let result = tokio::select! {
        biased;
        () = shutdown.begun() => Ok(()),
        result = Box::pin(list(&arguments, &connector)) => result,
    };
    connector.close().await;
    result
}

async fn list(arguments: &LsArguments, connector: &Connector) -> Result<(), Failure> {
    let target = arguments.url.to_string();
    let link = connector.connect(&arguments.url.address).await?;
    let prefix = arguments.prefix.as_ref().unwrap_or(&arguments.url.namespace);
    let asked = link.session.subscribe_namespace(prefix.clone(), Parameters::default()).await;
    let what = if prefix.is_empty() {
        "broadcasts".to_owned()
    } else {
        format!("broadcasts under {}", show_namespace(prefix))
    };
    let mut reader = asked.map_err(|failure| Failure::request(&format!("the list of {what}"), &target, &failure))?;
    let found = collect(&mut reader).await;
    show(&link.session, &target, found, arguments.json).await;
    if arguments.watch {
        watch(&link.session, &target, &mut reader, arguments.json).await;
        let error = link.session.closed().await;
        return Err(Failure::Connection(format!("session with {target} ended: {error}")));
    }
    drop(reader);
    link.close().await;
    Ok(())
}

/// The namespaces reported until none come for a while.
async fn collect(reader: &mut NamespaceReader) -> Vec<Namespace> {
    let latest = Instant::now() + limit::LIST_MOST;
    let mut found = BTreeMap::new();
    while found.len() < limit::LIST_BROADCASTS {
        let quiet = (Instant::now() + limit::LIST_SETTLE).min(latest);
        match timeout_at(quiet, reader.next()).await {
            Ok(Some(NamespaceEvent::Added(namespace))) => {
                found.insert(namespace, ());
            }
            Ok(Some(NamespaceEvent::Removed(namespace))) => {
                found.remove(&namespace);
            }
            Ok(None) | Err(_) => break,
        }
    }
    found.into_keys().collect()
}

async fn show(session: &Session, target: &str, found: Vec<Namespace>, json: bool) {
    if found.is_empty() && !json {
        tell(&format!("{target} has no broadcasts here"));
    }
    let mut listed = stream::iter(found)
        .map(|namespace| async move { look(session, &namespace, target).await })
        .buffered(limit::LIST_CATALOGS);
    while let Some(listed) = listed.next().await {
        show_one(&listed, json);
    }
}

/// Follows changes until the session ends.
async fn watch(session: &Session, target: &str, reader: &mut NamespaceReader, json: bool) {
    while let Some(event) = reader.next().await {
        match event {
            NamespaceEvent::Added(namespace) => show_one(&look(session, &namespace, target).await, json),
            NamespaceEvent::Removed(namespace) => {
                let namespace = show_namespace(&namespace);
                show_one(
                    &Listed { event: "ended", namespace, catalogs: Vec::new(), tracks: Vec::new(), problem: None },
                    json,
                );
            }
        }
    }
}

async fn look(session: &Session, namespace: &Namespace, target: &str) -> Listed {
    let documents = discover(session, namespace, None, Wanted::Both, target).await;
    let (documents, problem) = match documents {
        Ok(documents) => (documents, None),
        Err(failure) => (Vec::new(), Some(failure.to_string())),
    };
    let tracks = documents.first().map(listed_tracks).unwrap_or_default();
    let catalogs = documents.iter().map(|document| document.dialect).collect();
    Listed { event: "broadcast", namespace: show_namespace(namespace), catalogs, tracks, problem }
}

fn listed_tracks(document: &Document) -> Vec<ListedTrack> {
    let tracks = document.catalog.tracks.iter().map(|track| ListedTrack {
        name: track.name.clone(),
        kind: if track.kind.is_video() { "video" } else { "audio" },
        details: describe_kind(track.kind),
        codec: track.codec.clone(),
        packaging: match track.packaging {
            Packaging::Cmaf => "cmaf",
            Packaging::Loc => "loc",
            Packaging::Legacy => "legacy",
        },
        bitrate: track.bitrate,
    });
    tracks.collect()
}

fn show_one(listed: &Listed, json: bool) {
    if json {
        print_json(listed);
    } else {
        print(&table(listed));
    }
}

/// One broadcast's lines: its name, then a row for each track.
fn table(listed: &Listed) -> String {
    if listed.event == "ended" {
        return format!("{}  ended\n", listed.namespace);
    }
    let catalogs: Vec<_> =
        listed.catalogs.iter().map(|dialect| if *dialect == Dialect::Msf { "msf" } else { "hang" }).collect();
    let catalogs = if catalogs.is_empty() { "no catalog".to_owned() } else { catalogs.join(", ") };
    let mut text = format!("{}  ({catalogs})\n", listed.namespace);
    if let Some(problem) = &listed.problem {
        text += &format!("  {problem}\n");
    }
    let rows: Vec<[String; 5]> = listed
        .tracks
        .iter()
        .map(|track| {
            let bitrate = track.bitrate.map(bitrate_text).unwrap_or_default();
            [track.name.clone(), track.details.clone(), track.codec.clone(), track.packaging.to_owned(), bitrate]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 5] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text += &format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let track = |name: &str, bitrate| ListedTrack {
            name: name.into(),
            kind: "video",
            details: "640x360 25 fps".into(),
            codec: "avc1.64001f".into(),
            packaging: "cmaf",
            bitrate,
        };
        let listed = Listed {
            event: "broadcast",
            namespace: "live/demo".into(),
            catalogs: vec![Dialect::Msf, Dialect::Hang],
            tracks: vec![track("video0", Some(2_500_000)), track("v", None)],
            problem: None,
        };
        assert_eq!(
            table(&listed),
            "live/demo  (msf, hang)\n\
             \x20 video0  640x360 25 fps  avc1.64001f  cmaf  2.50 Mbit/s\n\
             \x20 v       640x360 25 fps  avc1.64001f  cmaf\n"
        );
        let json = serde_json::to_value(&listed).unwrap();
        assert_eq!((&json["catalogs"][1], &json["tracks"][0]["bitrate"]), (&"hang".into(), &2_500_000.into()));
        assert!(json.get("problem").is_none());
    }
}
