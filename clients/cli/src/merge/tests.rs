use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SETTINGS: MergeSettings = MergeSettings {
    stall: Duration::from_secs(2),
    straggler: Duration::from_millis(250),
    max_bytes: 1000,
    max_groups: 16,
    max_step: 100,
};

fn entry(group: u64, object: u64) -> Entry {
    Entry {
        location: Location::new(group, object),
        missing_objects: 0,
        missing_groups: 0,
        properties: Properties::EMPTY,
        payload: Bytes::from_static(b"0123456789"),
        received: None,
    }
}

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn drain(merger: &mut Merger, now: Duration) -> Vec<(u64, u64)> {
    std::iter::from_fn(|| merger.poll(now)).map(|entry| (entry.location.group, entry.location.object)).collect()
}

/// A live group that comes whole on one stream which says that it ends the group.
fn whole_group(merger: &mut Merger, group: u64, objects: u64) {
    merger.stream_opened(group);
    for object in 0..objects {
        merger.insert(entry(group, object), false);
    }
    merger.stream_finished(group, Some(objects));
}

#[test]
fn head_and_live_meet_without_loss_or_repetition() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(7);
    merger.head_opened(7, 7);
    merger.stream_opened(7);
    merger.insert(entry(7, 2), false);
    assert_eq!(drain(&mut merger, at(0.0)), []);
    for object in 0..3 {
        merger.insert(entry(7, object), true);
    }
    assert_eq!(drain(&mut merger, at(0.0)), [(7, 0), (7, 1), (7, 2)]);
    merger.head_finished();
    merger.insert(entry(7, 3), false);
    merger.stream_finished(7, Some(4));
    whole_group(&mut merger, 8, 1);
    assert_eq!(drain(&mut merger, at(0.0)), [(7, 3), (8, 0)]);
    assert_eq!(merger.counts(), MergeCounts::default());
}

#[test]
fn the_first_startable_group_is_first_when_nothing_says_where() {
    let mut merger = Merger::new(SETTINGS);
    merger.stream_opened(3);
    merger.insert(entry(3, 5), false);
    assert_eq!(drain(&mut merger, at(0.0)), []);
    whole_group(&mut merger, 4, 2);
    assert_eq!(drain(&mut merger, at(0.0)), [(4, 0), (4, 1)]);
    assert!(!merger.wants(3));
}

#[test]
fn a_reset_group_is_given_up_for_the_newest_at_once() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    merger.stream_opened(1);
    merger.insert(entry(1, 0), false);
    merger.stream_reset(1);
    assert_eq!(drain(&mut merger, at(0.0)), [(1, 0)]);
    merger.stream_opened(2);
    assert_eq!(drain(&mut merger, at(0.1)), []);
    whole_group(&mut merger, 3, 1);
    assert_eq!(drain(&mut merger, at(0.1)), [(3, 0)]);
    assert_eq!(merger.counts().skipped_groups, 2);
}

#[test]
fn a_stalled_group_is_given_up_after_the_stall_and_only_for_something_newer() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    merger.stream_opened(1);
    merger.insert(entry(1, 0), false);
    assert_eq!(drain(&mut merger, at(0.0)), [(1, 0)]);
    assert_eq!(drain(&mut merger, at(100.0)), []);
    assert_eq!(merger.deadline(at(100.0)), None);
    whole_group(&mut merger, 2, 1);
    assert_eq!(drain(&mut merger, at(100.0)), []);
    let deadline = merger.deadline(at(100.3)).unwrap();
    assert_eq!(deadline, at(102.0));
    assert_eq!(drain(&mut merger, at(101.9)), []);
    assert_eq!(drain(&mut merger, deadline), [(2, 0)]);
    assert_eq!(merger.counts().skipped_groups, 1);
}

#[test]
fn where_groups_are_short_a_lost_one_costs_only_itself() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    whole_group(&mut merger, 1, 1);
    assert_eq!(drain(&mut merger, at(0.0)), [(1, 0)]);
    // 2 was never sent, 5 was cut off.
    for group in [3, 4] {
        whole_group(&mut merger, group, 1);
    }
    merger.stream_opened(5);
    merger.stream_reset(5);
    assert_eq!(drain(&mut merger, at(0.0)), []);
    assert_eq!(drain(&mut merger, at(1.0)), [], "two may have overtaken it");
    for group in [6, 7] {
        whole_group(&mut merger, group, 1);
    }
    assert_eq!(drain(&mut merger, at(1.0)), [(3, 0), (4, 0), (6, 0), (7, 0)]);
    assert_eq!(merger.counts().skipped_groups, 2);
}

#[test]
fn a_quiet_publisher_loses_nothing_however_long_it_pauses() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    for group in 1..5 {
        let now = at(group as f64 * 60.0);
        merger.stream_opened(group);
        merger.insert(entry(group, 0), false);
        merger.stream_finished(group, None);
        assert_eq!(drain(&mut merger, now), [(group, 0)]);
    }
    assert_eq!(merger.counts(), MergeCounts::default());
}

#[test]
fn groups_on_many_streams_wait_for_the_overtaken_one() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    for object in [0, 2] {
        merger.stream_opened(1);
        merger.insert(entry(1, object), false);
        merger.stream_finished(1, None);
    }
    merger.stream_opened(2);
    merger.insert(entry(2, 0), false);
    assert_eq!(drain(&mut merger, at(0.0)), [(1, 0)]);
    merger.stream_opened(1);
    merger.insert(entry(1, 1), false);
    merger.stream_finished(1, None);
    assert_eq!(drain(&mut merger, at(0.1)), [(1, 1), (1, 2)]);
    let deadline = merger.deadline(at(0.1)).unwrap();
    assert_eq!(drain(&mut merger, deadline), [(2, 0)]);
    assert_eq!(merger.counts(), MergeCounts::default());
}

#[test]
fn gaps_the_publisher_explains_are_no_gaps() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    merger.stream_opened(1);
    merger.insert(Entry { missing_objects: 3, ..entry(1, 3) }, false);
    merger.stream_finished(1, Some(4));
    merger.stream_opened(9);
    merger.insert(Entry { missing_groups: 7, ..entry(9, 0) }, false);
    merger.insert(entry(9, 2), false);
    merger.stream_finished(9, Some(3));
    assert_eq!(drain(&mut merger, at(0.0)), [(1, 3), (9, 0)]);
    assert_eq!(merger.counts(), MergeCounts::default());
    whole_group(&mut merger, 10, 1);
    assert_eq!(drain(&mut merger, at(0.0)), [(9, 2), (10, 0)]);
    assert_eq!(merger.counts(), MergeCounts { skipped_groups: 0, gaps: 1, leaps: 0 });
}

#[test]
fn a_fetch_over_several_groups_tells_which_are_missing() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    merger.head_opened(1, 5);
    merger.insert(entry(1, 0), true);
    merger.insert(entry(4, 0), true);
    assert_eq!(drain(&mut merger, at(0.0)), [(1, 0), (4, 0)]);
    assert_eq!(merger.counts().skipped_groups, 2);
}

#[test]
fn a_failed_fetch_costs_its_group_only() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(5);
    merger.head_opened(5, 5);
    merger.stream_opened(5);
    merger.insert(entry(5, 9), false);
    merger.head_failed();
    assert_eq!(drain(&mut merger, at(0.0)), []);
    whole_group(&mut merger, 6, 1);
    assert_eq!(drain(&mut merger, at(0.0)), [(6, 0)]);
    assert_eq!(merger.counts().skipped_groups, 1);
}

#[test]
fn a_new_session_goes_on_in_the_middle_of_a_group() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    merger.stream_opened(1);
    merger.insert(entry(1, 0), false);
    merger.insert(entry(1, 1), false);
    merger.stream_replaced(1);
    assert_eq!(drain(&mut merger, at(0.0)).len(), 2);
    merger.head_opened(1, 1);
    for object in 0..4 {
        merger.insert(entry(1, object), true);
    }
    merger.head_finished();
    assert_eq!(drain(&mut merger, at(9.0)), [(1, 2), (1, 3)]);
    merger.start_at(0);
    whole_group(&mut merger, 0, 1);
    assert_eq!(drain(&mut merger, at(9.0)), [(0, 0)]);
    assert_eq!(merger.counts(), MergeCounts { skipped_groups: 0, gaps: 0, leaps: 1 });
}

#[test]
fn a_publisher_that_counts_anew_is_a_leap_and_no_loss() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1_718_000_000_000);
    whole_group(&mut merger, 1_718_000_000_000, 1);
    assert_eq!(drain(&mut merger, at(0.0)).len(), 1);
    merger.start_at(1_718_000_012_345);
    whole_group(&mut merger, 1_718_000_012_345, 1);
    assert_eq!(drain(&mut merger, at(0.0)).len(), 1);
    assert_eq!(merger.counts(), MergeCounts { skipped_groups: 0, gaps: 0, leaps: 1 });
}

#[test]
fn the_end_releases_whatever_is_left() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    merger.stream_opened(1);
    merger.insert(entry(1, 0), false);
    merger.stream_reset(1);
    merger.insert(entry(1, 2), false);
    merger.insert(entry(3, 0), false);
    merger.insert(entry(3, 2), false);
    merger.finish();
    assert_eq!(drain(&mut merger, at(0.0)), [(1, 0), (3, 0), (3, 2)]);
    assert_eq!(merger.counts(), MergeCounts { skipped_groups: 2, gaps: 1, leaps: 0 });
}

#[test]
fn what_can_never_leave_does_not_fill_the_memory_for_ever() {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(1);
    merger.stream_opened(1);
    merger.stream_opened(2);
    for object in 1..200 {
        merger.insert(entry(2, object), false);
    }
    assert!(!merger.has_room());
    assert_eq!(drain(&mut merger, at(0.0)), []);
    assert_eq!(drain(&mut merger, at(2.0)), []);
    assert!(merger.has_room());
    whole_group(&mut merger, 3, 1);
    assert_eq!(drain(&mut merger, at(2.0)), [(3, 0)]);
}

/// One step of a publisher and network that may reset streams.
#[derive(Debug, Clone)]
enum Step {
    Object { group: u64 },
    Finish { group: u64 },
    Reset { group: u64 },
    Pass(u64),
}

fn steps(resets: bool) -> impl Strategy<Value = Vec<Step>> {
    let group = 0..6u64;
    let step = prop_oneof![
        6 => group.clone().prop_map(|group| Step::Object { group }),
        2 => group.clone().prop_map(|group| Step::Finish { group }),
        u32::from(resets) => group.prop_map(|group| Step::Reset { group }),
        1 => (0..3000u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..120)
}

/// Plays the steps; returns what left, and how many objects each group had.
fn play(steps: &[Step]) -> (Vec<(u64, u64)>, BTreeMap<u64, u64>, MergeCounts) {
    let mut merger = Merger::new(SETTINGS);
    merger.start_at(0);
    let (mut sent, mut over) = (BTreeMap::<u64, u64>::new(), BTreeMap::new());
    let (mut now, mut left) = (Duration::ZERO, Vec::new());
    for step in steps {
        match *step {
            Step::Object { group } if !over.contains_key(&group) => {
                let object = sent.entry(group).or_insert_with(|| {
                    merger.stream_opened(group);
                    0
                });
                merger.insert(entry(group, *object), false);
                *object += 1;
            }
            Step::Finish { group } if sent.contains_key(&group) && over.insert(group, ()).is_none() => {
                merger.stream_finished(group, Some(sent[&group]));
            }
            Step::Reset { group } if sent.contains_key(&group) && over.insert(group, ()).is_none() => {
                merger.stream_reset(group);
            }
            Step::Pass(milliseconds) => now += Duration::from_millis(milliseconds),
            _ => {}
        }
        left.extend(drain(&mut merger, now));
    }
    merger.finish();
    left.extend(drain(&mut merger, now));
    (left, sent, merger.counts())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_leave_in_order_and_every_group_from_its_first(steps in steps(true)) {
        let (left, sent, _) = play(&steps);
        prop_assert!(left.is_sorted_by(|a, b| a < b), "{left:?}");
        let mut groups = BTreeMap::<u64, Vec<u64>>::new();
        for (group, object) in left {
            groups.entry(group).or_default().push(object);
        }
        for (group, objects) in groups {
            prop_assert_eq!(&objects, &(0..objects.len() as u64).collect::<Vec<_>>());
            prop_assert!(objects.len() as u64 <= sent[&group]);
        }
    }

    #[test]
    fn nothing_is_lost_without_resets_and_stalls(steps in steps(false)) {
        let steps: Vec<_> = steps.into_iter().filter(|step| !matches!(step, Step::Pass(_))).collect();
        let (left, sent, counts) = play(&steps);
        let all: Vec<_> = sent.iter().flat_map(|(group, count)| (0..*count).map(|object| (*group, object))).collect();
        prop_assert_eq!(counts.gaps, 0);
        prop_assert_eq!(left, all);
    }
}
