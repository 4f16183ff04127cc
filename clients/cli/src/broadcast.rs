//! A broadcast's catalogs, and which of its tracks to take.

use std::time::Duration;

use bytes::Bytes;
use media::{Catalog, CatalogError, CatalogTrack, HANG_TRACK, MSF_TRACK, TrackKind};
use moqt::{FullTrackName, Namespace, Parameters, TrackName, property};
use tokio::time::timeout;
use transport::{RequestFailure, Session, StreamFailure, SubgroupReader, TrackEvent};

use crate::error::Failure;
use crate::limit;
use crate::target::{show_namespace, show_track};

/// The two dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dialect {
    /// MSF, on track `catalog`.
    Msf,
    /// hang, on track `catalog.json`.
    Hang,
}

/// One catalog as published.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) dialect: Dialect,
    pub(crate) json: Bytes,
    pub(crate) catalog: Catalog,
}

/// Whether the second dialect is worth waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Whichever comes first; MSF before hang.
    Either,
    /// Both, if both exist.
    Both,
}

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
enum CatalogFailure {
    #[error(transparent)]
    Request(#[from] RequestFailure),
    #[error("reading it failed: {0}")]
    Stream(#[from] StreamFailure),
    #[error("{0}")]
    Invalid(#[from] CatalogError),
    #[error("it is compressed, which is not supported here")]
    Compressed,
    #[error("the track ended without one")]
    Ended,
    #[error("none came within {0:?}")]
    Late(Duration),
}

/// The catalogs of a namespace: at least one, the one to use first.
pub(crate) async fn discover(
    session: &Session,
    namespace: &Namespace,
    msf_name: Option<&TrackName>,
    wanted: Wanted,
    target: &str,
) -> Result<Vec<Document>, Failure> {
    let msf_name = msf_name.map_or_else(|| TrackName::new(MSF_TRACK), |name| Ok(name.clone()));
    let hang_name = TrackName::new(HANG_TRACK);
    let (Ok(msf_name), Ok(hang_name)) = (msf_name, hang_name) else {
        return Err(Failure::Usage("the catalog's name is too long".to_owned()));
    };
    let msf = read_catalog(session, namespace, msf_name, Dialect::Msf);
    let hang = read_catalog(session, namespace, hang_name, Dialect::Hang);
    let (mut msf, mut hang) = (Box::pin(msf), Box::pin(hang));
    let (msf, hang) = tokio::select! {
        first = &mut msf => {
            let enough = first.is_ok() && wanted == Wanted::Either;
            let second = if enough { None } else { second(first.is_ok(), hang).await };
            (Some(first), second)
        }
        first = &mut hang => (second(first.is_ok(), msf).await, Some(first)),
    };
    let (mut documents, mut failures) = (Vec::new(), Vec::new());
    for result in [msf, hang].into_iter().flatten() {
        match result {
            Ok(document) => documents.push(document),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.into_iter().next() {
        Some(failure) if documents.is_empty() => Err(explain(namespace, target, &failure)),
        _ => Ok(documents),
    }
}

/// The other dialect: all of its time when it is the only hope, a little when there is one already.
async fn second(
    have_one: bool,
    other: impl Future<Output = Result<Document, CatalogFailure>>,
) -> Option<Result<Document, CatalogFailure>> {
    if have_one { timeout(limit::CATALOG_GRACE, other).await.ok() } else { Some(other.await) }
}

fn explain(namespace: &Namespace, target: &str, failure: &CatalogFailure) -> Failure {
    let name = show_namespace(namespace);
    match failure {
        CatalogFailure::Request(failure) => Failure::request(&name, target, failure),
        CatalogFailure::Stream(StreamFailure::Session(error)) => {
            Failure::Connection(format!("session with {target} ended: {error}"))
        }
        CatalogFailure::Late(_) | CatalogFailure::Ended => Failure::Refused(format!(
            "no catalog of {name} at {target}: {failure}: is the origin running? try `efir ls`"
        )),
        _ => Failure::Content(format!("catalog of {name} at {target}: {failure}: this is the publisher's fault")),
    }
}

async fn read_catalog(
    session: &Session,
    namespace: &Namespace,
    name: TrackName,
    dialect: Dialect,
) -> Result<Document, CatalogFailure> {
    let track =
        FullTrackName::new(namespace.clone(), name).map_err(|error| RequestFailure::NotSent(error.to_string()))?;
    let json = timeout(limit::CATALOG_WAIT, first_object(session, track)).await;
    let json = json.unwrap_or(Err(CatalogFailure::Late(limit::CATALOG_WAIT)))?;
    let catalog = match dialect {
        Dialect::Msf => Catalog::from_msf(&json)?,
        Dialect::Hang => Catalog::from_hang(&json)?,
    };
    Ok(Document { dialect, json, catalog })
}

/// The newest group's first object: a whole catalog in both dialects.
async fn first_object(session: &Session, track: FullTrackName) -> Result<Bytes, CatalogFailure> {
    let parameters = Parameters { subscriber_priority: Some(0), ..Parameters::default() };
    let mut joined = session.join(track, parameters, 0).await?;
    if let Some(head) = joined.head.as_mut() {
        match head.next_object(media::limit::MAX_CATALOG_BYTES as u64).await {
            Ok(Some(object)) => return document(object.payload, &object.header.properties),
            // Live follows.
            Ok(None) => {}
            // A server without FETCH sends the catalog with the next group, if at all.
            Err(StreamFailure::Refused(_) | StreamFailure::Reset(_)) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    loop {
        match joined.subscription.next().await {
            TrackEvent::Subgroup(reader) => {
                if let Some(json) = begins_group(reader).await? {
                    return Ok(json);
                }
            }
            TrackEvent::Datagram(_) => {}
            TrackEvent::Done { .. } | TrackEvent::Lost(None) => return Err(CatalogFailure::Ended),
            TrackEvent::Lost(Some(error)) => return Err(RequestFailure::Session(error).into()),
        }
    }
}

/// The stream's first object, if that is the group's first.
async fn begins_group(mut reader: SubgroupReader) -> Result<Option<Bytes>, CatalogFailure> {
    match reader.next_object(media::limit::MAX_CATALOG_BYTES as u64).await {
        Ok(Some(object)) if object.header.object_id == 0 => {
            document(object.payload, &object.header.properties).map(Some)
        }
        Ok(_) | Err(StreamFailure::Reset(_)) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

fn document(json: Bytes, properties: &moqt::Properties) -> Result<Bytes, CatalogFailure> {
    match properties.get_int(property::MSF_COMPRESSION) {
        Some(kind) if kind != 0 => Err(CatalogFailure::Compressed),
        _ => Ok(json),
    }
}

/// The tracks to take: those named, or the best video and the best audio rendition. The first video comes first.
pub(crate) fn choose<'a>(catalog: &'a Catalog, names: &[String]) -> Result<Vec<&'a CatalogTrack>, Failure> {
    if names.is_empty() {
        let best = |video: bool| {
            let renditions = catalog.tracks.iter().filter(|track| track.kind.is_video() == video);
            // Of equals the first: catalogs list what they prefer first.
            renditions.rev().max_by_key(|track| track.bitrate.unwrap_or_default())
        };
        let tracks: Vec<_> = [best(true), best(false)].into_iter().flatten().collect();
        return if tracks.is_empty() {
            Err(Failure::Ended("the catalog lists no video and no audio: has the broadcast ended?".to_owned()))
        } else {
            Ok(tracks)
        };
    }
    let mut tracks = Vec::with_capacity(names.len());
    for name in names {
        let found = catalog.tracks.iter().find(|track| track.name == *name);
        let Some(track) = found else {
            let known: Vec<_> = catalog.tracks.iter().map(|track| track.name.as_str()).collect();
            return Err(Failure::Refused(format!(
                "the catalog lists no track {name:?}; there are: {}",
                known.join(", ")
            )));
        };
        if !tracks.iter().any(|chosen: &&CatalogTrack| chosen.name == track.name) {
            tracks.push(track);
        }
    }
    tracks.sort_by_key(|track| !track.kind.is_video());
    Ok(tracks)
}

/// The full name of a catalog's track.
pub(crate) fn full_name(namespace: &Namespace, track: &CatalogTrack) -> Result<FullTrackName, Failure> {
    let wrong = |reason: String| Failure::Content(format!("catalog track {:?}: {reason}", track.name));
    let namespace = match &track.namespace {
        None => namespace.clone(),
        Some(text) if text.contains('/') => crate::target::parse_namespace(text).map_err(wrong)?,
        Some(text) => text.parse().or_else(|_| crate::target::parse_namespace(text)).map_err(wrong)?,
    };
    let name = TrackName::new(track.name.clone()).map_err(|error| wrong(error.to_string()))?;
    FullTrackName::new(namespace, name).map_err(|error| wrong(error.to_string()))
}

/// `1280x720 30 fps` or `48000 Hz 2 ch`.
pub(crate) fn describe_kind(kind: TrackKind) -> String {
    match kind {
        TrackKind::Video { width, height, framerate: Some(rate) } => {
            format!("{width}x{height} {} fps", (rate * 100.0).round() / 100.0)
        }
        TrackKind::Video { width, height, framerate: None } => format!("{width}x{height}"),
        TrackKind::Audio { sample_rate, channels } => format!("{sample_rate} Hz {channels} ch"),
    }
}

/// A full name for people.
pub(crate) fn show_full(name: &FullTrackName) -> String {
    format!("{} in {}", show_track(&name.name), show_namespace(&name.namespace))
}

#[cfg(test)]
mod tests {
    use media::Packaging;

    use super::*;

    fn track(name: &str, video: bool, bitrate: Option<u64>) -> CatalogTrack {
        let kind = if video {
            TrackKind::Video { width: 1280, height: 720, framerate: Some(25.0) }
        } else {
            TrackKind::Audio { sample_rate: 48_000, channels: 2 }
        };
        CatalogTrack {
            name: name.into(),
            namespace: None,
            packaging: Packaging::Cmaf,
            kind,
            codec: "vp09.00.10.08".into(),
            bitrate,
            timescale: None,
            init: None,
            description: None,
            is_live: true,
            target_latency: None,
            language: None,
            label: None,
            render_group: None,
            alt_group: None,
        }
    }

    fn names(catalog: &Catalog, asked: &[&str]) -> Result<Vec<String>, Failure> {
        let asked: Vec<_> = asked.iter().map(|name| (*name).to_owned()).collect();
        Ok(choose(catalog, &asked)?.into_iter().map(|track| track.name.clone()).collect())
    }

    #[test]
    fn the_best_of_each_kind_unless_named() {
        let tracks = vec![
            track("a0", false, None),
            track("v0", true, Some(1)),
            track("v1", true, Some(9)),
            track("v2", true, Some(9)),
            track("a1", false, None),
        ];
        let catalog = Catalog { tracks, ..Catalog::default() };
        assert_eq!(names(&catalog, &[]).unwrap(), ["v1", "a0"]);
        assert_eq!(names(&catalog, &["a1", "v0", "a1"]).unwrap(), ["v0", "a1"]);
        let missing = names(&catalog, &["v7"]).unwrap_err();
        assert_eq!(missing.exit_code(), 4);
        assert!(missing.to_string().contains("v0, v1"), "{missing}");
        assert_eq!(names(&Catalog::default(), &[]).unwrap_err().exit_code(), 5);
    }

    #[test]
    fn a_track_may_live_in_another_namespace() {
        let here = Namespace::new(["live", "demo"]).unwrap();
        let mut track = track("v", true, None);
        assert_eq!(full_name(&here, &track).unwrap().namespace, here);
        track.namespace = Some("a/b".into());
        assert_eq!(full_name(&here, &track).unwrap().namespace, Namespace::new(["a", "b"]).unwrap());
        track.namespace = Some("a-b".into());
        assert_eq!(full_name(&here, &track).unwrap().namespace, Namespace::new(["a", "b"]).unwrap());
        assert_eq!(describe_kind(track.kind), "1280x720 25 fps");
    }
}
