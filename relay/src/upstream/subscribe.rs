//! One task per track: finds a source, joins the track there, feeds the log, and starts again when the source goes away.

use std::sync::Arc;
use std::time::Instant;

use moqt::{FullTrackName, Parameters, Properties, PublishDoneCode, RequestErrorCode};
use transport::{FetchReader, Joined, RequestFailure, Subscription};

use super::backoff::Backoff;
use super::ingest::{self, IngestEnd};
use super::offered::OfferedTrack;
use crate::limit;
use crate::metric;
use crate::relay::Context;
use crate::router::Source;
use crate::track::{Refusal, Track, TrackState};

/// A running upstream subscription.
struct Feed {
    subscription: Subscription,
    head: Option<FetchReader>,
    offered: Option<Arc<OfferedTrack>>,
}

/// Why the track's task stops.
enum Stop {
    /// Nobody watched for a linger.
    Idle,
    /// The publisher said so.
    Ended(PublishDoneCode),
    /// No source serves it.
    Refused(Refusal),
}

/// Runs one track until nobody watches it any more or it is over.
pub(crate) async fn run(context: Arc<Context>, track: Arc<Track>, hops: Vec<u64>) {
    loop {
        let stop = feed_until_stopped(&context, &track, &hops).await;
        let idle = matches!(stop, Stop::Idle);
        if !context.registry.close(&track, idle) {
            // A viewer came in the last moment.
            continue;
        }
        match stop {
            Stop::Idle => {}
            Stop::Ended(status) => {
                track.log.end(status, "publisher ended the track");
                track.set(TrackState::Ended(status));
            }
            Stop::Refused(refusal) => track.set(TrackState::Refused(refusal)),
        }
        return;
    }
}

async fn feed_until_stopped(context: &Arc<Context>, track: &Arc<Track>, hops: &[u64]) -> Stop {
    let mut backoff = Backoff::default();
    let mut changes = context.router.changes();
    let mut lost_at = Instant::now();
    let mut live = false;
    loop {
        changes.mark_unchanged();
        let refusal = match connect(context, &track.name, hops).await {
            Ok(feed) => {
                live = true;
                backoff.reset();
                match use_feed(context, track, feed).await {
                    Some(stop) => return stop,
                    None => lost_at = Instant::now(),
                }
                None
            }
            Err(refusal) => Some(refusal),
        };
        let patience = if live { limit::RESUME_WAIT } else { limit::SOURCE_WAIT };
        let coming = live || (refusal.is_none() || !context.router.upstreams_ready());
        if !coming || lost_at.elapsed() > patience {
            return match refusal {
                Some(refusal) if !live => Stop::Refused(refusal),
                _ => Stop::Ended(PublishDoneCode::InternalError),
            };
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
            _ = changes.changed() => {}
            () = track.idle(context.settings.linger()) => return Stop::Idle,
        }
    }
}

/// Asks the sources in turn; the refusal of the last one, or of none at all.
async fn connect(context: &Arc<Context>, name: &FullTrackName, hops: &[u64]) -> Result<Feed, Refusal> {
    let mut refusal =
        Refusal { code: RequestErrorCode::DoesNotExist, retry: None, reason: format!("nobody publishes {name} here") };
    for source in context.router.sources(name) {
        match join(context, name, hops, &source).await {
            Ok(Some(feed)) => {
                if let Some(unknown) = unknown_mandatory(feed.subscription.properties()) {
                    refusal = Refusal {
                        code: RequestErrorCode::UnsupportedExtension,
                        retry: None,
                        reason: format!("track needs property {unknown:#x}, which this relay does not know"),
                    };
                    continue;
                }
                metric::upstream_subscribe(true);
                return Ok(feed);
            }
            Ok(None) => {}
            Err(error) => {
                metric::upstream_subscribe(false);
                tracing::debug!(track = %name, %error, "upstream did not serve the track");
                refusal = as_refusal(error);
            }
        }
    }
    Err(refusal)
}

async fn join(
    context: &Arc<Context>,
    name: &FullTrackName,
    hops: &[u64],
    source: &Source,
) -> Result<Option<Feed>, RequestFailure> {
    if let Some(offered) = &source.offered {
        let started = offered.start(&source.session).await?;
        return Ok(started.map(|(subscription, head)| Feed { subscription, head, offered: Some(offered.clone()) }));
    }
    source.session.connection().set_max_incoming_uni(limit::PUBLISHER_STREAMS);
    let hops = hops.iter().copied().chain([context.id]).collect();
    let parameters = Parameters { hops, ..Parameters::default() };
    let Joined { subscription, head } = source.session.join(name.clone(), parameters, 0).await?;
    Ok(Some(Feed { subscription, head, offered: None }))
}

/// Feeds the log from one subscription. `None` when it was lost and another source may take over.
async fn use_feed(context: &Arc<Context>, track: &Arc<Track>, feed: Feed) -> Option<Stop> {
    let _gauge = metric::LiveGauge::upstream_subscription();
    let Feed { mut subscription, head, offered } = feed;
    let joining = subscription.parameters().largest_object;
    track.tell_largest(joining);
    // Held before anybody is told that the track is there: viewers wait for the head instead of missing it.
    let hold = joining.filter(|_| head.is_some()).map(|location| track.log.hold_head(location));
    track.set(TrackState::Live(subscription.properties().clone()));
    let end = tokio::select! {
        end = ingest::feed(context, track, &mut subscription, head.zip(hold)) => end,
        () = track.idle(context.settings.linger()) => {
            if let Some(offered) = offered {
                offered.stop(subscription).await;
            }
            return Some(Stop::Idle);
        }
    };
    if let Some(offered) = offered {
        offered.finish();
    }
    match end {
        IngestEnd::Done(status @ (PublishDoneCode::TrackEnded | PublishDoneCode::MalformedTrack)) => {
            Some(Stop::Ended(status))
        }
        IngestEnd::Malformed => Some(Stop::Ended(PublishDoneCode::MalformedTrack)),
        IngestEnd::Done(status) => {
            tracing::info!(track = %track.name, ?status, "upstream ended the subscription; looking for another source");
            None
        }
        IngestEnd::Lost => {
            tracing::info!(track = %track.name, "upstream lost; looking for another source");
            None
        }
    }
}

fn as_refusal(error: RequestFailure) -> Refusal {
    match error {
        RequestFailure::Refused(error) => {
            Refusal { code: error.code, retry: error.retry, reason: error.reason.to_string() }
        }
        RequestFailure::Timeout => {
            let reason = "upstream did not answer in time".to_owned();
            Refusal { code: RequestErrorCode::Timeout, retry: Some(limit::SOURCE_WAIT), reason }
        }
        other => Refusal {
            code: RequestErrorCode::InternalError,
            retry: Some(limit::SOURCE_WAIT),
            reason: format!("upstream failed: {other}"),
        },
    }
}

/// The first mandatory track property (draft-18 section 2.5.1) that this relay does not know; it knows none.
fn unknown_mandatory(properties: &Properties) -> Option<u64> {
    properties.iter().map(|property| property.id).find(|id| (0x4000..=0x7FFF).contains(id))
}
