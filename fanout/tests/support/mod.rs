//! A viewer that records and decodes what it gets, and reads as slowly as a test wants.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use fanout::{
    DeliveryTimeouts, LogSettings, MemoryBudget, ServeEnd, ServeObserver, ServeSettings, SinkError, SlowViewerPolicy,
    StreamSink, SubgroupMeta, TrackLog, ViewerSink, serve_subscription,
};
use moqt::{
    Datagram, GroupOrder, Location, ObjectHeader, ObjectStatus, Parameters, PublishDoneCode, RequestErrorCode,
    StreamErrorCode, SubgroupDecoder, SubgroupItem, Version,
};
use tokio::task::JoinHandle;
use transport::{SubgroupFields, SubscriptionEvent};

pub(crate) const META: SubgroupMeta = SubgroupMeta {
    version: Version::Draft18,
    priority: None,
    has_properties: false,
    first_object: true,
    end_of_group: true,
};

pub(crate) fn log(max_groups: usize) -> TrackLog {
    TrackLog::new(LogSettings { max_groups, min_age: Duration::ZERO, max_bytes: 1 << 24 }, MemoryBudget::new(1 << 26))
}

pub(crate) fn header(object_id: u64, payload: &[u8]) -> ObjectHeader {
    ObjectHeader { object_id, payload_len: payload.len() as u64, ..ObjectHeader::default() }
}

/// A payload that names its place, so that a mix-up shows.
pub(crate) fn payload(group: u64, object: u64, length: usize) -> Vec<u8> {
    (0..length).map(|at| (group * 31 + object * 7 + at as u64) as u8).collect()
}

pub(crate) fn settings(start: Location) -> ServeSettings {
    ServeSettings {
        start,
        end_group: None,
        forward: true,
        subscriber_priority: 128,
        publisher_priority: 128,
        order: GroupOrder::Descending,
        timeouts: DeliveryTimeouts::default(),
        slow: SlowViewerPolicy {
            max_lag_groups: 1,
            min_lag: Duration::ZERO,
            max_lag: Duration::from_secs(2),
            max_lag_bytes: 1 << 20,
        },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Finished,
    Reset(StreamErrorCode),
}

#[derive(Debug)]
pub(crate) struct StreamRecord {
    pub(crate) fields: SubgroupFields,
    pub(crate) priority: i32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: Option<End>,
    pub(crate) stopped: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: u64,
    pub(crate) status: ObjectStatus,
    pub(crate) payload: Vec<u8>,
    pub(crate) whole: bool,
}

impl StreamRecord {
    pub(crate) fn objects(&self, version: Version) -> Vec<Seen> {
        let mut decoder = SubgroupDecoder::new(version, self.fields.has_properties);
        decoder.push(Bytes::copy_from_slice(&self.bytes));
        let mut objects: Vec<Seen> = Vec::new();
        while let Some(item) = decoder.next().expect("what is sent must be valid") {
            match item {
                SubgroupItem::Header { header, .. } => {
                    let (id, status) = (header.object_id, header.status);
                    objects.push(Seen { id, status, payload: Vec::new(), whole: false });
                }
                SubgroupItem::Payload(data) => objects.last_mut().unwrap().payload.extend_from_slice(&data),
                SubgroupItem::End => objects.last_mut().unwrap().whole = true,
            }
        }
        if self.end == Some(End::Finished) {
            decoder.finish().expect("a FIN must not lie inside an object");
        }
        objects
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.objects(Version::Draft18).iter().map(|object| object.id).collect()
    }
}

#[derive(Debug, Default)]
pub(crate) struct ViewerState {
    pub(crate) streams: Vec<StreamRecord>,
    /// Bytes that the transport still takes; `None` = everything.
    pub(crate) credit: Option<usize>,
    pub(crate) open_blocked: bool,
    pub(crate) events: VecDeque<SubscriptionEvent>,
    pub(crate) accepted: Vec<Parameters>,
    pub(crate) refused: Option<RequestErrorCode>,
    pub(crate) done: Option<PublishDoneCode>,
    pub(crate) datagrams: Vec<Datagram>,
    /// Groups given up, as the observer was told.
    pub(crate) skipped: Vec<u64>,
    pub(crate) sent: (u64, u64),
    /// Finished streams are acknowledged.
    pub(crate) acknowledges: bool,
    wakers: Vec<Waker>,
}

#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    state: Arc<Mutex<ViewerState>>,
    version: Version,
}

impl Viewer {
    pub(crate) fn new(version: Version) -> Self {
        Self { state: Arc::default(), version }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ViewerState> {
        self.state.lock().unwrap()
    }

    /// Changes the state and wakes the server, as a transport would.
    pub(crate) fn change(&self, change: impl FnOnce(&mut ViewerState)) {
        let wakers = {
            let mut state = self.lock();
            change(&mut state);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn serve(&self, log: &TrackLog, settings: ServeSettings) -> JoinHandle<ServeEnd> {
        let (log, viewer) = (log.clone(), self.clone());
        tokio::spawn(async move {
            {
                let observer = viewer.clone();
                serve_subscription(&log, viewer, settings, &observer).await
            }
        })
    }
}

impl ServeObserver for Viewer {
    fn sent(&self, objects: u64, bytes: u64) {
        let mut state = self.lock();
        state.sent = (state.sent.0 + objects, state.sent.1 + bytes);
    }

    fn group_skipped(&self, group: u64, bytes: u64) {
        assert!(bytes > 0);
        self.lock().skipped.push(group);
    }
}

/// Lets every task run until nothing is left to do.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

impl ViewerSink for Viewer {
    type Stream = TestStream;

    fn version(&self) -> Version {
        self.version
    }

    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        fields: SubgroupFields,
        priority: i32,
    ) -> Poll<Result<TestStream, SinkError>> {
        let mut state = self.lock();
        if state.open_blocked {
            state.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        state.streams.push(StreamRecord { fields, priority, bytes: Vec::new(), end: None, stopped: false });
        let index = state.streams.len() - 1;
        drop(state);
        Poll::Ready(Ok(TestStream { viewer: self.clone(), index }))
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SubscriptionEvent> {
        let mut state = self.lock();
        match state.events.pop_front() {
            Some(event) => Poll::Ready(event),
            None => {
                state.wakers.push(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn send_datagram(&mut self, datagram: Datagram) -> Result<(), SinkError> {
        self.lock().datagrams.push(datagram);
        Ok(())
    }

    fn accept_update(&mut self, parameters: Parameters) {
        self.lock().accepted.push(parameters);
    }

    async fn reject_update(self, code: RequestErrorCode, _reason: &str) {
        self.lock().refused = Some(code);
    }

    async fn done(self, status: PublishDoneCode, _reason: &str) {
        let mut state = self.lock();
        assert!(state.streams.iter().all(|stream| stream.end.is_some()), "PUBLISH_DONE comes after all streams");
        state.done = Some(status);
    }
}

#[derive(Debug)]
pub(crate) struct TestStream {
    viewer: Viewer,
    index: usize,
}

impl TestStream {
    fn end(&mut self, end: End) {
        let mut state = self.viewer.lock();
        let stream = &mut state.streams[self.index];
        let late = end == End::Reset(StreamErrorCode::DeliveryTimeout);
        assert!(stream.end.is_none() || stream.end == Some(End::Finished) && late, "a stream ends once");
        stream.end = Some(end);
    }
}

impl StreamSink for TestStream {
    fn poll_write_chunks(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, SinkError>> {
        let mut state = self.viewer.lock();
        if state.streams[self.index].stopped {
            state.streams[self.index].end = Some(End::Reset(StreamErrorCode::Cancelled));
            return Poll::Ready(Err(SinkError::Stopped));
        }
        let credit = state.credit.unwrap_or(usize::MAX);
        if credit == 0 {
            state.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        let mut left = credit;
        let mut whole = 0;
        for chunk in chunks {
            let taken = chunk.split_to(chunk.len().min(left));
            left -= taken.len();
            state.streams[self.index].bytes.extend_from_slice(&taken);
            if !chunk.is_empty() {
                break;
            }
            whole += 1;
        }
        if state.credit.is_some() {
            state.credit = Some(left);
        }
        Poll::Ready(Ok(whole))
    }

    fn finish(&mut self) {
        self.end(End::Finished);
    }

    fn reset(&mut self, code: StreamErrorCode) {
        self.end(End::Reset(code));
    }

    fn set_priority(&mut self, priority: i32) {
        self.viewer.lock().streams[self.index].priority = priority;
    }

    fn poll_acknowledged(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.viewer.lock();
        if state.acknowledges {
            return Poll::Ready(());
        }
        state.wakers.push(cx.waker().clone());
        Poll::Pending
    }
}
