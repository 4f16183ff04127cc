//! `efir info`: the connection's facts, and a broadcast's catalog.

use moqt::{FullTrackName, Parameters};
use serde::Serialize;
use serde_json::Value;
use transport::{Session, TransportKind};

use crate::args::InfoArguments;
use crate::broadcast::{Dialect, Document, Wanted, discover, full_name};
use crate::connect::{Connector, Link};
use crate::error::Failure;
use crate::report::{print, print_json};
use crate::target::{show_namespace, show_track};

/// Characters of a text in a catalog that are shown.
const TEXT_SHOWN: usize = 48;

/// Everything `info` tells.
#[derive(Debug, Serialize)]
struct Facts {
    url: String,
    peer: String,
    transport: &'static str,
    version: &'static str,
    implementation: Option<String>,
    handshake_ms: f64,
    rtt_ms: f64,
    namespace: Option<String>,
    catalogs: Vec<CatalogFacts>,
    live_edges: Vec<LiveEdge>,
}

#[derive(Debug, Serialize)]
struct CatalogFacts {
    dialect: Dialect,
    catalog: Value,
}

/// The newest object of a track.
#[derive(Debug, Serialize)]
struct LiveEdge {
    track: String,
    group: u64,
    object: u64,
}

/// Runs the subcommand.
pub(crate) async fn run(arguments: InfoArguments, shutdown: process::Shutdown) -> Result<(), Failure> {
    let connector = Connector::new(&arguments.broadcast.connect)?;
    let result = tokio::select! {
        biased;
        () = shutdown.begun() => Ok(()),
        result = Box::pin(look(&arguments, &connector)) => result,
    };
    connector.close().await;
    result
}

async fn look(arguments: &InfoArguments, connector: &Connector) -> Result<(), Failure> {
    let broadcast = &arguments.broadcast;
    let target = broadcast.url.to_string();
    let link = connector.connect(&broadcast.url.address).await?;
    let mut facts = connection_facts(&link, &target);
    let namespace = broadcast.namespace();
    let mut found = Ok(());
    if !namespace.is_empty() {
        facts.namespace = Some(show_namespace(namespace));
        match discover(&link.session, namespace, broadcast.url.catalog.as_ref(), Wanted::Both, &target).await {
            Ok(documents) => {
                facts.catalogs = documents.iter().map(catalog_facts).collect();
                let tracks = documents.first().map(|document| document.catalog.tracks.as_slice()).unwrap_or_default();
                for name in tracks.iter().filter_map(|track| full_name(namespace, track).ok()) {
                    facts.live_edges.extend(live_edge(&link.session, name).await);
                }
            }
            Err(failure) => found = Err(failure),
        }
    }
    if arguments.json {
        print_json(&facts);
    } else {
        print(&text(&facts));
    }
    link.close().await;
    found
}

fn connection_facts(link: &Link, target: &str) -> Facts {
    let connection = link.session.connection();
    let info = connection.info();
    let millis = |duration: std::time::Duration| (duration.as_secs_f64() * 10_000.0).round() / 10.0;
    Facts {
        url: target.to_owned(),
        peer: info.peer.to_string(),
        transport: match info.kind {
            TransportKind::Quic => "QUIC",
            TransportKind::WebTransport => "WebTransport",
            TransportKind::Loopback => "memory",
        },
        version: info.version.alpn(),
        implementation: link.peer.implementation.clone(),
        handshake_ms: millis(link.handshake),
        rtt_ms: millis(connection.stats().rtt),
        namespace: None,
        catalogs: Vec::new(),
        live_edges: Vec::new(),
    }
}

fn catalog_facts(document: &Document) -> CatalogFacts {
    // It was read as JSON before.
    let catalog = serde_json::from_slice(&document.json).unwrap_or_default();
    CatalogFacts { dialect: document.dialect, catalog }
}

/// Where a track is now, if the server answers TRACK_STATUS.
async fn live_edge(session: &Session, name: FullTrackName) -> Option<LiveEdge> {
    let track = show_track(&name.name);
    let status = session.track_status(name, Parameters::default()).await.ok()?;
    let largest = status.parameters.largest_object?;
    Some(LiveEdge { track, group: largest.group, object: largest.object })
}

fn text(facts: &Facts) -> String {
    let implementation = facts.implementation.as_deref().unwrap_or("not told");
    let mut text = format!(
        "url             {}\npeer            {}\ntransport       {}\nversion         {}\nimplementation  {implementation}\nhandshake       {} ms\nrtt             {} ms\n",
        facts.url, facts.peer, facts.transport, facts.version, facts.handshake_ms, facts.rtt_ms
    );
    if let Some(namespace) = &facts.namespace {
        text += &format!("namespace       {namespace}\n");
    }
    for edge in &facts.live_edges {
        text += &format!("live edge       {} group {} object {}\n", edge.track, edge.group, edge.object);
    }
    for CatalogFacts { dialect, catalog } in &facts.catalogs {
        let name = if *dialect == Dialect::Msf { "MSF" } else { "hang" };
        text += &format!("\n{name} catalog:\n{:#}\n", shortened(catalog.clone()));
    }
    text
}

/// The document with long texts cut: initialization data is for machines, which take `--json`.
fn shortened(value: Value) -> Value {
    match value {
        Value::String(long) if long.chars().count() > TEXT_SHOWN => {
            let begin: String = long.chars().take(TEXT_SHOWN).collect();
            Value::String(format!("{begin}… ({} bytes)", long.len()))
        }
        Value::Array(values) => values.into_iter().map(shortened).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, shortened(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_wherever_they_are() {
        let long = "é".repeat(TEXT_SHOWN + 1);
        let catalog = serde_json::json!({"tracks": [{"name": "video0", "init": long}], "version": 1});
        let shown = shortened(catalog).to_string();
        assert!(shown.contains("é… (98 bytes)") && shown.contains("video0") && !shown.contains(&long), "{shown}");
    }
}
