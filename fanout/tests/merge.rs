//! Several streams of one subgroup at once: every object comes out once and right, whoever brought its bytes.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

mod support;

use bytes::Bytes;
use fanout::{AppendError, SubgroupAppender, SubgroupMeta, TrackLog};
use moqt::{Location, ObjectHeader, Pair, Properties, StreamErrorCode, Version, property};
use proptest::prelude::*;
use support::{META, Viewer, header, log, payload, settings, settle};

const GROUP: u64 = 3;

/// One publisher's stream, written in pieces.
struct Stream {
    appender: Option<SubgroupAppender>,
    /// Lengths of the objects of the group.
    lengths: Vec<usize>,
    object: usize,
    written: usize,
}

impl Stream {
    fn new(log: &TrackLog, lengths: &[usize]) -> Self {
        let appender = Some(log.subgroup(GROUP, 0, META).unwrap());
        Self { appender, lengths: lengths.to_vec(), object: 0, written: 0 }
    }

    /// Writes the next `bytes` of the current object, with its header before and its end behind where they are due.
    fn step(&mut self, bytes: usize) -> Result<(), AppendError> {
        let (Some(appender), Some(length)) = (self.appender.as_mut(), self.lengths.get(self.object).copied()) else {
            return Ok(());
        };
        let data = Bytes::from(payload(GROUP, self.object as u64, length));
        if self.written == 0 {
            appender.encode_header(&header(self.object as u64, &data))?;
        }
        let end = (self.written + bytes).min(length);
        if end > self.written {
            appender.payload(data.slice(self.written..end))?;
        }
        self.written = end.max(1);
        if end == length {
            appender.end_object()?;
            (self.object, self.written) = (self.object + 1, 0);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.appender.is_none() || self.object == self.lengths.len()
    }
}

fn whole_objects(viewer: &Viewer) -> Vec<(u64, Vec<u8>)> {
    let state = viewer.lock();
    let seen = state.streams.iter().flat_map(|stream| stream.objects(Version::Draft18));
    seen.filter(|object| object.whole).map(|object| (object.id, object.payload)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn two_streams_in_any_order_make_one(
        lengths in prop::collection::vec(prop_oneof![0..40_usize, 1000..9000_usize], 1..5),
        steps in prop::collection::vec((any::<bool>(), 1..5000_usize), 0..60),
        cut in prop::option::of(0..30_usize),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let log = log(2);
            let viewer = Viewer::new(Version::Draft18);
            viewer.serve(&log, settings(Location::new(0, 0)));
            let mut streams = [Stream::new(&log, &lengths), Stream::new(&log, &lengths)];
            for (index, (second, bytes)) in steps.into_iter().enumerate() {
                if cut == Some(index) && let Some(appender) = streams[0].appender.take() {
                    appender.reset(StreamErrorCode::SessionClosed);
                }
                streams[usize::from(second)].step(bytes).unwrap();
                settle().await;
            }
            for stream in &mut streams {
                while !stream.is_done() {
                    stream.step(usize::MAX / 2).unwrap();
                }
                if let Some(appender) = stream.appender.take() {
                    appender.finish(true).unwrap();
                }
                settle().await;
            }
            let all = lengths.iter().enumerate();
            let expected: Vec<_> =
                all.map(|(id, length)| (id as u64, payload(GROUP, id as u64, *length))).collect();
            assert_eq!(whole_objects(&viewer), expected);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_publisher_leaves_goes_on_in_the_same_stream() {
    let lengths = [3000, 20, 5000];
    for steps in 0..6 {
        let log = log(2);
        let viewer = Viewer::new(Version::Draft18);
        viewer.serve(&log, settings(Location::new(0, 0)));
        let mut lost = Stream::new(&log, &lengths);
        for _ in 0..steps {
            lost.step(1700).unwrap();
            settle().await;
        }
        lost.appender.take().unwrap().bequeath();
        settle().await;
        let mut next = Stream::new(&log, &lengths);
        while !next.is_done() {
            next.step(usize::MAX / 2).unwrap();
        }
        next.appender.take().unwrap().finish(true).unwrap();
        settle().await;
        let expected: Vec<_> = (0..).zip(lengths).map(|(id, length)| (id, payload(GROUP, id, length))).collect();
        assert_eq!(whole_objects(&viewer), expected, "lost after {steps} steps");
        assert_eq!(viewer.lock().streams.len(), 1, "lost after {steps} steps");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_contradicts_the_other_inside_an_object_is_malformed() {
    let log = log(2);
    let mut first = log.subgroup(GROUP, 0, META).unwrap();
    let mut second = log.subgroup(GROUP, 0, META).unwrap();
    let data = payload(GROUP, 0, 9000);
    for appender in [&mut first, &mut second] {
        appender.encode_header(&header(0, &data)).unwrap();
    }
    first.payload(Bytes::copy_from_slice(&data[..5000])).unwrap();
    let mut wrong = data.clone();
    wrong[4999] ^= 1;
    assert!(matches!(second.payload(Bytes::from(wrong)), Err(AppendError::Malformed(_))));
}

fn gapped(object_id: u64, pairs: Vec<Pair>) -> ObjectHeader {
    let properties = Properties::from_pairs(pairs).unwrap();
    ObjectHeader { object_id, properties, payload_len: 1, ..ObjectHeader::default() }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_not_to_exist_is_passed_over_when_it_comes() {
    let log = log(8);
    let meta = SubgroupMeta { has_properties: true, ..META };
    let mut stream = log.subgroup(GROUP, 0, meta).unwrap();
    let one = || Bytes::from_static(b"x");
    stream.object(&gapped(0, Vec::new()), one()).unwrap();
    stream.object(&gapped(4, vec![Pair::new(property::PRIOR_OBJECT_ID_GAP, 3_u64)]), one()).unwrap();
    let mut late = log.subgroup(GROUP, 7, meta).unwrap();
    late.object(&gapped(2, Vec::new()), one()).unwrap();
    late.object(&gapped(5, Vec::new()), one()).unwrap();
    assert_eq!(log.group(GROUP).unwrap().objects(), 3, "objects 0, 4 and 5");
    let mut wrong = log.subgroup(GROUP, 9, meta).unwrap();
    let covering = gapped(6, vec![Pair::new(property::PRIOR_OBJECT_ID_GAP, 2_u64)]);
    assert!(matches!(wrong.object(&covering, one()), Err(AppendError::Malformed(_))), "object 4 and 5 exist");
    let beyond = gapped(8, vec![Pair::new(property::PRIOR_OBJECT_ID_GAP, 9_u64)]);
    assert!(matches!(wrong.object(&beyond, one()), Err(AppendError::Malformed(_))));
    let mut next = log.subgroup(GROUP + 3, 0, meta).unwrap();
    next.object(&gapped(0, vec![Pair::new(property::PRIOR_GROUP_ID_GAP, 2_u64)]), one()).unwrap();
    assert!(log.is_absent(GROUP + 1) && log.is_absent(GROUP + 2) && !log.is_absent(GROUP));
    assert_eq!(log.subgroup(GROUP + 2, 0, meta).unwrap_err(), AppendError::Absent);
}

#[tokio::test(start_paused = true)]
async fn the_newest_properties_of_an_object_count() {
    let log = log(2);
    let meta = SubgroupMeta { has_properties: true, ..META };
    for value in [1_u64, 2] {
        let mut stream = log.subgroup(GROUP, 0, meta).unwrap();
        stream.object(&gapped(0, vec![Pair::new(0x3800, value)]), Bytes::from_static(b"x")).unwrap();
        stream.detach();
    }
    assert_eq!(log.group(GROUP).unwrap().objects(), 1);
}
