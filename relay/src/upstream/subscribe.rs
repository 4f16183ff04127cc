//! One task per track: finds a source, joins the track there, feeds the log, and starts again when the source goes away.

use std::sync::Arc;
use std::time::Instant;

use moqt::{FullTrackName, Location, Parameters, PublishDoneCode, RequestErrorCode};
use process::Backoff;
use transport::{FetchReader, Joined, RequestFailure, Subscription};

use super::ingest::{self, Head, IngestEnd};
use super::offered::{Lent, Started};
use crate::delay;
use crate::limit;
use crate::metric;
use crate::relay::Context;
use crate::router::Source;
use crate::track::{Refusal, Track, TrackState};

/// A running upstream subscription.
struct Feed {
    subscription: Held,
    head: Option<FetchReader>,
    /// The largest location at the moment it began.
    joining: Option<Location>,
}

/// Whose a subscription is.
enum Held {
    /// Made by SUBSCRIBE: ends with this task's use of it.
    Own(Subscription),
    /// Made by PUBLISH: goes back.
    Lent(Lent),
}

impl Held {
    fn get(&mut self) -> &mut Subscription {
        match self {
            Self::Own(subscription) => subscription,
            Self::Lent(lent) => &mut lent.subscription,
        }
    }
}

/// Why the track's task stops.
enum Stop {
    /// Nobody watched for a linger.
    Idle,
    /// The publisher said so, or is gone for good.
    Ended(PublishDoneCode, &'static str),
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
        ingest::store_rest(&context, &track).await;
        match stop {
            Stop::Idle => {}
            Stop::Ended(status, reason) => {
                track.log.end(status, reason);
                track.set(TrackState::Ended(status));
            }
            Stop::Refused(refusal) => track.set(TrackState::Refused(refusal)),
        }
        return;
    }
}

async fn feed_until_stopped(context: &Arc<Context>, track: &Arc<Track>, hops: &[u64]) -> Stop {
    let mut backoff = Backoff::new(limit::BACKOFF_FIRST, limit::BACKOFF_MOST);
    let mut changes = context.router.changes();
    let mut looking_since = Instant::now();
    let mut live = false;
    loop {
        changes.mark_unchanged();
        let refusal = match connect(context, &track.name, hops).await {
            Ok(feed) => {
                live = true;
                let (began, before) = (Instant::now(), track.log.largest());
                if let Some(stop) = use_feed(context, track, feed).await {
                    return stop;
                }
                if began.elapsed() >= limit::STEADY {
                    backoff.reset();
                }
                if track.log.largest() > before {
                    looking_since = Instant::now();
                }
                None
            }
            Err(refusal) => Some(refusal),
        };
        let patience = if live { context.settings.resume() } else { limit::SOURCE_WAIT };
        let left = patience.saturating_sub(looking_since.elapsed());
        let coming = live || !context.router.upstreams_ready();
        if !coming || left.is_zero() {
            return match refusal {
                Some(refusal) if !live => Stop::Refused(refusal),
                _ => Stop::Ended(PublishDoneCode::InternalError, "publisher was lost and no other came"),
            };
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_wait().min(left)) => {}
            _ = changes.changed() => {}
            () = track.idle(context.settings.linger()) => return Stop::Idle,
        }
    }
}

/// Asks the sources in turn; the refusal of the last one, or of none at all.
async fn connect(context: &Arc<Context>, name: &FullTrackName, hops: &[u64]) -> Result<Feed, Refusal> {
    let mut refusal = if context.router.upstreams_ready() {
        Refusal { code: RequestErrorCode::DoesNotExist, retry: None, reason: format!("nobody publishes {name} here") }
    } else {
        let reason = format!("nobody publishes {name} here, and an upstream cannot be reached");
        Refusal { code: RequestErrorCode::DoesNotExist, retry: Some(limit::SOURCE_WAIT), reason }
    };
    for source in context.router.sources(name) {
        match join(context, name, hops, &source).await {
            Ok(Some(mut feed)) => {
                if let Some(unknown) = feed.subscription.get().properties().unknown_mandatory(&[]) {
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
        let feed = |Started { lent, head, joining }| Feed { subscription: Held::Lent(lent), head, joining };
        return Ok(started.map(feed));
    }
    source.session.connection().set_max_incoming_uni(limit::PUBLISHER_STREAMS);
    let parameters = Parameters { hops: context.onward(hops), ..Parameters::default() };
    let Joined { subscription, head } = source.session.join(name.clone(), parameters, 0).await?;
    let joining = subscription.parameters().largest_object;
    Ok(Some(Feed { subscription: Held::Own(subscription), head, joining }))
}

/// Feeds the log from one subscription. `None` when it was lost and another source may take over.
async fn use_feed(context: &Arc<Context>, track: &Arc<Track>, feed: Feed) -> Option<Stop> {
    let _gauge = metric::LiveGauge::upstream_subscription();
    let Feed { mut subscription, head, joining } = feed;
    let head = Head::new(track, head, joining);
    track.tell_largest(joining);
    track.set(TrackState::Live(delay::declared(&context.settings.delay, subscription.get().properties())));
    let end = tokio::select! {
        end = ingest::feed(context, track, subscription.get(), head) => end,
        () = track.idle(context.settings.linger()) => {
            if let Held::Lent(lent) = subscription {
                lent.give_back().await;
            }
            return Some(Stop::Idle);
        }
    };
    match end {
        IngestEnd::Done(status @ (PublishDoneCode::TrackEnded | PublishDoneCode::MalformedTrack)) => {
            Some(Stop::Ended(status, "publisher ended the track"))
        }
        IngestEnd::Malformed => Some(Stop::Ended(PublishDoneCode::MalformedTrack, "publisher contradicted itself")),
        IngestEnd::BeganAnew => {
            Some(Stop::Ended(PublishDoneCode::InternalError, "publisher began anew; subscribe again"))
        }
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
