//! Fills the cache: one group by one upstream FETCH.

use std::sync::Arc;
use std::time::Duration;

use fanout::{LogSettings, TrackLog};
use moqt::{FullTrackName, Location, Parameters, RequestErrorCode};
use transport::{FetchReader, StreamFailure};

use super::ingest::FetchTarget;
use crate::cache::CompleteGroup;
use crate::relay::Context;
use crate::{limit, metric};

/// Why a group could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchFailure {
    /// The upstream says that nothing exists there.
    Missing,
    /// Nobody could be asked, or the answer broke off: the group's state stays unknown.
    Unknown,
}

/// Fetches one whole group from the best source that has it.
pub(crate) async fn fetch_group(
    context: Arc<Context>,
    track: FullTrackName,
    group: u64,
    hops: &[u64],
) -> Result<CompleteGroup, FetchFailure> {
    let mut failure = FetchFailure::Unknown;
    for source in context.router.sources(&track) {
        let parameters = Parameters { hops: context.onward(hops), ..Parameters::default() };
        let whole = Location { group, object: 0 };
        let Ok(reader) = source.session.fetch(track.clone(), whole, whole, parameters) else { continue };
        let fetched = read(&context, reader, group).await;
        metric::upstream_fetch(fetched.is_ok());
        match fetched {
            Ok(group) => return Ok(group),
            Err(other) => failure = other,
        }
    }
    Err(failure)
}

async fn read(context: &Context, mut reader: FetchReader, group: u64) -> Result<CompleteGroup, FetchFailure> {
    let settings = LogSettings { max_groups: 1, min_age: Duration::ZERO, max_bytes: limit::FETCHED_GROUP_BYTES };
    let log = TrackLog::new(settings, context.budget.clone());
    let mut target = FetchTarget { log: &log, version: reader.version(), current: None };
    let mut unknown = false;
    loop {
        match reader.next().await {
            Ok(Some(moqt::FetchItem::EndOfRange { known: false, .. })) => unknown = true,
            Ok(Some(item)) => target.take(item).map_err(|_| FetchFailure::Unknown)?,
            Ok(None) => break,
            Err(StreamFailure::Refused(error)) if error.code == RequestErrorCode::InvalidRange => {
                return Err(FetchFailure::Missing);
            }
            Err(_) => return Err(FetchFailure::Unknown),
        }
    }
    target.detach();
    // FETCH_OK says how far the answer reaches: a group that still grows upstream is not complete and is not cached.
    let ok = reader.ok().await.map_err(|_| FetchFailure::Unknown)?;
    let reaches = ok.end.group > group || (ok.end.group == group && ok.end.object == 0) || ok.end_of_track;
    let max_age = ok.properties.max_cache_duration();
    if unknown || !reaches {
        return Err(FetchFailure::Unknown);
    }
    log.seal_group(group);
    let group = log.group(group).ok_or(FetchFailure::Missing)?;
    Ok(CompleteGroup { group, max_age })
}
