//! SUBSCRIBE: one viewer of one track, a cursor in the track's log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanout::{
    DeliveryTimeouts, ServeObserver, ServeSettings, SlowViewerPolicy, SubscriptionSink, resolve_filter,
    serve_subscription,
};
use moqt::{Location, Parameters, PublishDoneCode, RequestErrorCode};
use transport::{IncomingSubscribe, SubscriptionWriter};

use crate::limit;
use crate::metric;
use crate::relay::Context;
use crate::track::{Refusal, Track, Viewing};

/// Priority of tracks and subscribers that name none (draft-18 section 7).
pub(super) const DEFAULT_PRIORITY: u8 = 128;

/// Serves one subscription until either side ends it.
pub(super) async fn serve(context: Arc<Context>, mut request: IncomingSubscribe) {
    let asked = Instant::now();
    let viewing = match open(&context, &mut request).await {
        Ok(Some(viewing)) => viewing,
        Ok(None) => return,
        Err(refusal) => {
            metric::refused("subscribe", refusal.code);
            return request.refuse(refusal.code, refusal.retry, &refusal.reason, refusal.redirect.map(|to| *to));
        }
    };
    let largest = viewing.track.largest();
    if resolve_filter(request.parameters.filter, largest).is_err() {
        metric::refused("subscribe", RequestErrorCode::InvalidRange);
        return request.reject(RequestErrorCode::InvalidRange, None, "every group of the filter is in the past");
    }
    let wanted = request.parameters.clone();
    let answer = Parameters { largest_object: largest, ..Parameters::default() };
    match request.accept(answer, viewing.track.properties()) {
        Ok(writer) => serve_writer(&context, &viewing, writer, &wanted, largest, asked).await,
        Err(error) => tracing::debug!(%error, "subscriber left before its answer"),
    }
}

/// Waits for the track; `None` when the subscriber gave up. RENDEZVOUS_TIMEOUT holds a request that nobody serves yet.
async fn open(context: &Arc<Context>, request: &mut IncomingSubscribe) -> Result<Option<Viewing>, Refusal> {
    let patience = request.parameters.rendezvous_timeout.unwrap_or(Duration::ZERO);
    let (deadline, waits) = (Instant::now() + patience, !patience.is_zero());
    let mut changes = context.router.changes();
    loop {
        changes.mark_unchanged();
        let Parameters { hops, new_group_request, .. } = &request.parameters;
        let viewing = context.open_asking(&request.track, hops, *new_group_request)?;
        let ready = tokio::select! {
            ready = viewing.ready() => ready,
            () = request.cancelled() => return Ok(None),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match ready {
            Ok(_) => return Ok(Some(viewing)),
            Err(refusal) if refusal.code == RequestErrorCode::DoesNotExist && !left.is_zero() => {}
            Err(refusal) if refusal.code == RequestErrorCode::DoesNotExist && waits => {
                let reason = "no publisher came in the rendezvous time".to_owned();
                return Err(Refusal { code: RequestErrorCode::Timeout, retry: None, reason, redirect: None });
            }
            Err(refusal) => return Err(refusal),
        }
        drop(viewing);
        tokio::select! {
            _ = changes.changed() => {}
            // A known upstream may have got the track without telling.
            () = tokio::time::sleep(limit::RENDEZVOUS_RETRY.min(left)) => {}
            () = request.cancelled() => return Ok(None),
        }
    }
}

/// Serves an accepted subscription; `largest` is what the answer told.
pub(super) async fn serve_writer(
    context: &Arc<Context>,
    viewing: &Viewing,
    writer: SubscriptionWriter,
    wanted: &Parameters,
    largest: Option<Location>,
    asked: Instant,
) {
    let Ok(range) = resolve_filter(wanted.filter, largest) else {
        return writer.done(PublishDoneCode::SubscriptionEnded, "every group of the filter is in the past");
    };
    let _gauge = metric::LiveGauge::subscription();
    let properties = viewing.track.properties();
    let slow = &context.settings.slow_viewer;
    let settings = ServeSettings {
        start: range.start,
        end_group: range.end_group,
        forward: wanted.forward.unwrap_or(true),
        subscriber_priority: wanted.subscriber_priority.unwrap_or(DEFAULT_PRIORITY),
        publisher_priority: properties.default_publisher_priority(),
        order: wanted.group_order.unwrap_or_else(|| properties.default_publisher_group_order()),
        timeouts: DeliveryTimeouts::new(wanted, &properties),
        slow: SlowViewerPolicy {
            max_lag_groups: slow.groups,
            min_lag: limit::SHORT_GROUPS,
            max_lag: Duration::from_millis(slow.milliseconds),
            max_lag_bytes: slow.bytes,
        },
    };
    let version = writer.version();
    let observer = Observer { asked, tuned_in: AtomicBool::new(false), track: &viewing.track };
    let end = serve_subscription(&viewing.track.log, SubscriptionSink::new(writer, version), settings, &observer).await;
    tracing::debug!(track = %viewing.track.name, ?end, "subscription ended");
}

/// Counts what one viewer is sent.
struct Observer<'a> {
    asked: Instant,
    tuned_in: AtomicBool,
    track: &'a Track,
}

impl ServeObserver for Observer<'_> {
    fn sent(&self, objects: u64, bytes: u64) {
        metric::sent(objects, bytes);
        if objects > 0 && !self.tuned_in.swap(true, Ordering::Relaxed) {
            metric::tune_in(self.asked.elapsed());
        }
    }

    fn dwell(&self, time: Duration) {
        metric::hop_dwell(time);
        self.track.dwell.first_bytes(time);
    }

    fn new_group_requested(&self, group: u64) {
        self.track.request_group(group);
    }

    fn group_skipped(&self, _group: u64, _bytes: u64) {
        metric::skipped_groups(1);
    }
}
