//! What one object costs per viewer in the pump itself: viewers whose transport takes everything at once and keeps nothing.
//!
//! `cargo bench -p fanout` prints nanoseconds per (object x viewer); the transport's and the kernel's share comes on top.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanout::{
    DeliveryTimeouts, LogSettings, MemoryBudget, NoObserver, ServeSettings, SinkError, SlowViewerPolicy, StreamSink,
    SubgroupMeta, TrackLog, ViewerSink, serve_subscription,
};
use moqt::{
    Datagram, GroupOrder, Location, ObjectHeader, Parameters, PublishDoneCode, RequestErrorCode, StreamErrorCode,
    Version,
};
use transport::{SubgroupFields, SubscriptionEvent};

const VIEWERS: usize = 1000;
const GROUPS: u64 = 20;
const OBJECTS_PER_GROUP: u64 = 60;

struct NullViewer;
struct NullStream;

impl ViewerSink for NullViewer {
    type Stream = NullStream;

    fn version(&self) -> Version {
        Version::Draft18
    }

    fn poll_open(&mut self, _: &mut Context<'_>, _: SubgroupFields, _: i32) -> Poll<Result<NullStream, SinkError>> {
        Poll::Ready(Ok(NullStream))
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<SubscriptionEvent> {
        Poll::Pending
    }

    fn send_datagram(&mut self, _: Datagram) -> Result<(), SinkError> {
        Ok(())
    }

    fn accept_update(&mut self, _: Parameters) {}

    async fn reject_update(self, _: RequestErrorCode, _: &str) {}

    async fn done(self, _: PublishDoneCode, _: &str) {}
}

impl StreamSink for NullStream {
    fn poll_write_chunks(&mut self, _: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, SinkError>> {
        for chunk in chunks.iter_mut() {
            black_box(std::mem::take(chunk));
        }
        Poll::Ready(Ok(chunks.len()))
    }

    fn finish(&mut self) {}

    fn reset(&mut self, _: StreamErrorCode) {}

    fn set_priority(&mut self, _: i32) {}

    fn poll_acknowledged(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

fn serve_settings() -> ServeSettings {
    ServeSettings {
        start: Location::default(),
        end_group: None,
        forward: true,
        subscriber_priority: 128,
        publisher_priority: 128,
        order: GroupOrder::Descending,
        timeouts: DeliveryTimeouts::default(),
        slow: SlowViewerPolicy {
            max_lag_groups: 2,
            min_lag: Duration::ZERO,
            max_lag: Duration::from_secs(5),
            max_lag_bytes: 1 << 24,
        },
    }
}

/// Nanoseconds per (object x viewer), with every viewer polled after every object.
fn measure(payload: usize) -> f64 {
    let log = TrackLog::new(
        LogSettings { max_groups: 2, min_age: Duration::ZERO, max_bytes: 1 << 26 },
        MemoryBudget::new(1 << 28),
    );
    let mut viewers: Vec<Pin<Box<dyn Future<Output = _> + '_>>> = Vec::with_capacity(VIEWERS);
    for _ in 0..VIEWERS {
        viewers.push(Box::pin(serve_subscription(&log, NullViewer, serve_settings(), &NoObserver)));
    }
    let mut context = Context::from_waker(Waker::noop());
    let meta = SubgroupMeta {
        version: Version::Draft18,
        priority: None,
        has_properties: false,
        first_object: true,
        end_of_group: true,
    };
    let payload = Bytes::from(vec![7; payload]);
    let began = Instant::now();
    for group in 0..GROUPS {
        let mut appender = log.subgroup(group, 0, meta).expect("the log has room for two groups");
        for object_id in 0..OBJECTS_PER_GROUP {
            let header = ObjectHeader { object_id, payload_len: payload.len() as u64, ..ObjectHeader::default() };
            appender.object(&header, payload.clone()).expect("the budget holds two groups");
            for viewer in &mut viewers {
                assert!(viewer.as_mut().poll(&mut context).is_pending(), "a live track has no end");
            }
        }
        appender.finish(true).expect("objects were whole");
    }
    began.elapsed().as_nanos() as f64 / (GROUPS * OBJECTS_PER_GROUP * VIEWERS as u64) as f64
}

#[expect(clippy::print_stdout, reason = "a benchmark's output")]
fn main() {
    for payload in [200, 4000, 20_000] {
        let nanoseconds = measure(payload);
        println!("{payload:>6} B objects, {VIEWERS} viewers: {nanoseconds:.0} ns per (object x viewer)");
    }
}
