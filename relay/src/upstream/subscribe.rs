//! One task per track: has its publishers feed the log, and looks for new ones when they go away.

use std::sync::Arc;
use std::time::Instant;

use moqt::PublishDoneCode;
use process::Backoff;

use super::ingest;
use super::publishers::{Over, Publishers, Stop, no_source};
use crate::limit;
use crate::relay::Context;
use crate::track::{Track, TrackState};

/// Runs one track until nobody watches it any more or it is over.
pub(crate) async fn run(context: Arc<Context>, track: Arc<Track>, hops: Vec<u64>) {
    loop {
        let stop = feed_until_stopped(&context, &track, &hops).await;
        let idle = matches!(stop, Stop::Idle);
        if !context.registry.close(&track, idle) {
            // A viewer came in the last moment.
            continue;
        }
        let malformed = matches!(stop, Stop::Ended(PublishDoneCode::MalformedTrack, _));
        if !malformed {
            ingest::store_rest(&context, &track).await;
        }
        match stop {
            Stop::Idle => {}
            Stop::Ended(status, reason) => {
                track.log.end(status, reason);
                track.end(status);
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
        let (began, before) = (Instant::now(), track.log.largest());
        let refusal = match Publishers::new(context, track, hops).run().await {
            Over::Stop(stop) => return stop,
            Over::Nobody { refusal, served } => {
                live |= served;
                if served && began.elapsed() >= limit::STEADY {
                    backoff.reset();
                }
                if served && track.log.largest() > before {
                    looking_since = Instant::now();
                }
                refusal
            }
        };
        let patience = if live { context.settings.resume() } else { limit::SOURCE_WAIT };
        let left = patience.saturating_sub(looking_since.elapsed());
        // One that is ready by now may have come after the last look.
        let coming = live || !context.router.upstreams_ready() || changes.has_changed().unwrap_or_default();
        if !coming || left.is_zero() {
            return if live {
                Stop::Ended(PublishDoneCode::InternalError, "publisher was lost and no other came")
            } else {
                Stop::Refused(refusal.unwrap_or_else(|| no_source(context, track)))
            };
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_wait().min(left)) => {}
            _ = changes.changed() => {}
            () = track.idle(context.settings.linger()) => return Stop::Idle,
        }
    }
}
