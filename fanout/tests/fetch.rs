//! FETCH answers against a recording sink.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fanout::{
    FetchFailure, FetchRange, FetchSink, GroupAnswer, GroupSource, LogSettings, MemoryBudget, NoObserver, SinkError,
    SubgroupMeta, TrackLog, fetch_end, serve_fetch,
};
use moqt::{FetchObjectHeader, GroupOrder, Location, ObjectHeader, StreamErrorCode, Version};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Record {
    Object(FetchObjectHeader, Vec<u8>),
    Range(Location, bool),
    Finished,
    Reset(StreamErrorCode),
}

#[derive(Debug, Clone, Default)]
struct Recorder {
    records: Arc<Mutex<Vec<Record>>>,
    cancel: Arc<Notify>,
    cancelled: Arc<AtomicBool>,
}

impl Recorder {
    fn push(&self, record: Record) {
        self.records.lock().unwrap().push(record);
    }

    fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }

    /// Locations of whole objects; ranges and ends as they are.
    fn summary(&self) -> Vec<String> {
        let text = |record: &Record| match record {
            Record::Object(header, payload) => {
                assert_eq!(payload.len() as u64, header.payload_len);
                let Location { group, object } = header.location;
                assert_eq!(payload, &content(group, object));
                format!("{group}.{object}")
            }
            Record::Range(location, known) => format!("..{}.{} {known}", location.group, location.object),
            Record::Finished => "fin".to_owned(),
            Record::Reset(code) => format!("reset {code}"),
        };
        self.records().iter().map(text).collect()
    }
}

impl FetchSink for Recorder {
    fn object(&mut self, header: &FetchObjectHeader) -> Result<(), SinkError> {
        self.push(Record::Object(header.clone(), Vec::new()));
        Ok(())
    }

    fn end_of_range(&mut self, location: Location, known: bool) -> Result<(), SinkError> {
        self.push(Record::Range(location, known));
        Ok(())
    }

    async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), SinkError> {
        for chunk in chunks {
            if let Some(Record::Object(_, payload)) = self.records.lock().unwrap().last_mut() {
                payload.extend_from_slice(&std::mem::take(chunk));
            }
        }
        Ok(())
    }

    async fn cancelled(&mut self) {
        if !self.cancelled.load(Ordering::Relaxed) {
            self.cancel.notified().await;
        }
    }

    async fn finish(self) -> Result<(), SinkError> {
        self.push(Record::Finished);
        Ok(())
    }

    fn reset(self, code: StreamErrorCode) {
        self.push(Record::Reset(code));
    }
}

const META: SubgroupMeta = SubgroupMeta {
    version: Version::Draft18,
    priority: None,
    has_properties: true,
    first_object: true,
    end_of_group: true,
};

fn content(group: u64, object: u64) -> Vec<u8> {
    vec![(group * 16 + object) as u8; 10 + object as usize * 3000]
}

fn append(log: &TrackLog, group: u64, subgroup: u64, ids: &[u64], finish: bool) {
    let mut appender = log.subgroup(group, subgroup, META).unwrap();
    for id in ids {
        let data = content(group, *id);
        let header = ObjectHeader { object_id: *id, payload_len: data.len() as u64, ..ObjectHeader::default() };
        appender.object(&header, data.into()).unwrap();
    }
    if finish {
        appender.finish(false).unwrap();
    } else {
        appender.detach();
    }
}

fn log() -> TrackLog {
    TrackLog::new(
        LogSettings { max_groups: 8, min_age: Duration::ZERO, max_bytes: 1 << 24 },
        MemoryBudget::new(1 << 26),
    )
}

fn range(start: (u64, u64), end: (u64, u64), order: GroupOrder) -> FetchRange {
    let [start, end] = [start, end].map(|(group, object)| Location::new(group, object));
    FetchRange { start, end, order, default_priority: 128 }
}

fn serve(log: &TrackLog, range: FetchRange) -> (Recorder, JoinHandle<Result<(), FetchFailure>>) {
    let sink = Recorder::default();
    let (log, server) = (log.clone(), sink.clone());
    (sink, tokio::spawn(async move { serve_fetch(&log, range, server, &NoObserver).await }))
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn groups_come_in_either_order_and_objects_ascend() {
    let log = log();
    for group in 3..6 {
        append(&log, group, 0, &[0, 2], false);
        append(&log, group, 1, &[1, 3], false);
        log.seal_group(group);
    }
    let (up, done) = serve(&log, range((3, 2), (5, 2), GroupOrder::Ascending));
    done.await.unwrap().unwrap();
    assert_eq!(up.summary(), ["3.2", "3.3", "4.0", "4.1", "4.2", "4.3", "5.0", "5.1", "fin"]);
    let (down, done) = serve(&log, range((3, 2), (5, 0), GroupOrder::Descending));
    done.await.unwrap().unwrap();
    let expected = ["5.0", "5.1", "5.2", "5.3", "4.0", "4.1", "4.2", "4.3", "3.2", "3.3", "fin"];
    assert_eq!(down.summary(), expected);
    let subgroups: Vec<_> = up
        .records()
        .iter()
        .filter_map(|record| match record {
            Record::Object(header, _) => header.subgroup,
            _ => None,
        })
        .collect();
    assert_eq!(subgroups, [0, 1, 0, 1, 0, 1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_growing_group_is_followed_to_the_end_of_the_range() {
    let log = log();
    let mut appender = log.subgroup(1, 0, META).unwrap();
    let (sink, done) = serve(&log, range((1, 0), (1, 3), GroupOrder::Ascending));
    for id in 0..4 {
        let data = content(1, id);
        let header = ObjectHeader { object_id: id, payload_len: data.len() as u64, ..ObjectHeader::default() };
        appender.encode_header(&header).unwrap();
        let (first, second) = data.split_at(data.len() / 2);
        appender.payload(Bytes::copy_from_slice(first)).unwrap();
        settle().await;
        appender.payload(Bytes::copy_from_slice(second)).unwrap();
        appender.end_object().unwrap();
        settle().await;
        assert_eq!(done.is_finished(), id >= 2, "after object {id}");
    }
    done.await.unwrap().unwrap();
    assert_eq!(sink.summary(), ["1.0", "1.1", "1.2", "fin"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_said_so() {
    let log = log();
    append(&log, 4, 0, &[0, 2], true);
    let mut late = log.subgroup(5, 0, SubgroupMeta { first_object: false, ..META }).unwrap();
    let data = content(5, 2);
    late.object(&ObjectHeader { object_id: 2, payload_len: data.len() as u64, ..ObjectHeader::default() }, data.into())
        .unwrap();
    late.reset(StreamErrorCode::InternalError);
    append(&log, 7, 0, &[0], true);
    let (sink, done) = serve(&log, range((2, 0), (7, 1), GroupOrder::Ascending));
    done.await.unwrap().unwrap();
    let last = (1_u64 << 62) - 1;
    let expected = [
        format!("..3.{last} false"),
        "4.0".into(),
        "4.2".into(),
        "..5.1 false".into(),
        "5.2".into(),
        format!("..6.{last} false"),
        "7.0".into(),
        "fin".into(),
    ];
    assert_eq!(sink.summary(), expected, "4.1 lies on one whole stream, so it does not exist");
}

#[tokio::test(start_paused = true)]
async fn an_empty_range_is_just_an_end() {
    struct Nothing;
    impl GroupSource for Nothing {
        async fn group(&self, _id: u64, last: u64) -> GroupAnswer {
            GroupAnswer::Missing { through: last }
        }
    }
    let sink = Recorder::default();
    let whole = range((0, 0), (u64::MAX, 0), GroupOrder::Ascending);
    serve_fetch(&Nothing, whole, sink.clone(), &NoObserver).await.unwrap();
    assert_eq!(sink.summary(), ["fin"]);
}

#[tokio::test(start_paused = true)]
async fn a_range_in_endless_pieces_is_given_up() {
    struct Crumbs;
    impl GroupSource for Crumbs {
        async fn group(&self, id: u64, _last: u64) -> GroupAnswer {
            GroupAnswer::Unknown { through: id }
        }
    }
    let sink = Recorder::default();
    let whole = range((0, 0), (u64::MAX, 0), GroupOrder::Ascending);
    let failure = serve_fetch(&Crumbs, whole, sink.clone(), &NoObserver).await.unwrap_err();
    assert_eq!(failure, FetchFailure::TooManySteps);
    assert_eq!(sink.summary(), ["reset EXCESSIVE_LOAD"], "adjacent unknown groups are one record");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_upstream_interrupts_resets_the_answer() {
    let log = log();
    let mut appender = log.subgroup(1, 0, META).unwrap();
    let header = ObjectHeader { object_id: 0, payload_len: 5000, ..ObjectHeader::default() };
    appender.encode_header(&header).unwrap();
    appender.payload(Bytes::from(vec![0; 2000])).unwrap();
    let (sink, done) = serve(&log, range((1, 0), (1, 0), GroupOrder::Ascending));
    settle().await;
    appender.reset(StreamErrorCode::Cancelled);
    assert_eq!(done.await.unwrap(), Err(FetchFailure::Interrupted));
    assert_eq!(sink.records().last(), Some(&Record::Reset(StreamErrorCode::UnknownObjectStatus)));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_fetch_stops_waiting() {
    let log = log();
    let appender = log.subgroup(1, 0, META).unwrap();
    let (sink, done) = serve(&log, range((1, 0), (1, 3), GroupOrder::Ascending));
    settle().await;
    assert!(!done.is_finished());
    sink.cancelled.store(true, Ordering::Relaxed);
    sink.cancel.notify_waiters();
    assert_eq!(done.await.unwrap(), Err(FetchFailure::Sink(SinkError::Stopped)));
    drop(appender);
}

#[test]
fn an_answer_reaches_as_far_as_asked_but_not_past_what_was_published() {
    let at = |group, object| Location { group, object };
    let largest = at(7, 3);
    let end = |requested, whole| fetch_end(requested, largest, whole);
    for whole in [false, true] {
        for asked in [at(6, 0), at(6, 9), at(7, 2), at(7, 4)] {
            assert_eq!(end(asked, whole), asked);
        }
        for past in [at(7, 5), at(8, 0), at(8, 1)] {
            assert_eq!(end(past, whole), at(7, 4), "{past:?}");
        }
    }
    assert_eq!(end(at(7, 0), false), at(7, 4), "there may be more of the group");
    assert_eq!(end(at(7, 0), true), at(7, 0));
}
