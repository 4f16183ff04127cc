//! One track's objects, from a FETCH of the past and several live streams, to frames in order. Pure: time is an argument.
//!
//! Frames leave group by group, object by object, beginning with a group's first. An object that comes twice, as around a
//! joining location or after a reconnect, leaves once. A group that was reset, or that stalls while a newer one can be
//! started, is given up: the next one that is here whole follows, else the newest that can be started, and what lies between
//! is counted.
//!
//! Call order: `*_opened`, `insert` and `*_ended` as streams do, then [`Merger::poll`] until it yields nothing; again at
//! [`Merger::deadline`].

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use moqt::{Location, Properties};

/// One object, however it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its place in the track.
    pub(crate) location: Location,
    /// Objects right before it that never existed (PRIOR_OBJECT_ID_GAP).
    pub(crate) missing_objects: u64,
    /// Groups right before its group that never existed (PRIOR_GROUP_ID_GAP).
    pub(crate) missing_groups: u64,
    /// Object properties.
    pub(crate) properties: Properties,
    /// Payload.
    pub(crate) payload: Bytes,
    /// When it came; `None` when it was fetched, which says nothing about delay.
    pub(crate) received: Option<Received>,
}

/// When a live object came, in unix microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// Its header was here.
    pub(crate) began: u64,
    /// All of it was here.
    pub(crate) whole: u64,
}

/// Patience and bounds of a merge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MergeSettings {
    /// A group without progress for this long is given up for a newer one.
    pub(crate) stall: Duration,
    /// Wait for streams that newer data overtook.
    pub(crate) straggler: Duration,
    /// Payload bytes that may wait.
    pub(crate) max_bytes: usize,
    /// Groups known at a time.
    pub(crate) max_groups: usize,
    /// A step over more groups than this is the publisher counting anew, not a loss.
    pub(crate) max_step: u64,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MergeCounts {
    /// Groups of which the last frames, or all, are not in the output.
    pub(crate) skipped_groups: u64,
    /// Places inside a group where object ids jump without explanation.
    pub(crate) gaps: u64,
    /// Leaps of the group number so large that the publisher must count anew; how much is missing there is not known.
    pub(crate) leaps: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Merger {
    settings: MergeSettings,
    /// The next object to leave; `None` until a group to start with is known.
    next: Option<Location>,
    groups: BTreeMap<u64, Group>,
    bytes: usize,
    head: Option<Head>,
    /// A head told that there is nothing more in groups below this one.
    passed: u64,
    /// Since when nothing can leave although there is newer data.
    waiting_since: Option<Duration>,
    finished: bool,
    counts: MergeCounts,
}

#[derive(Debug, Default)]
struct Group {
    objects: BTreeMap<u64, Entry>,
    /// One past the last object, once known.
    end: Option<u64>,
    /// Live streams open now.
    open: usize,
    /// Live streams seen.
    streams: usize,
    /// A stream was cut off: objects are lost.
    broken: bool,
}

/// A FETCH that delivers the past, in order.
#[derive(Debug)]
struct Head {
    /// The group it is in.
    at: u64,
    /// The last group it delivers from.
    until: u64,
}

/// Whole groups behind one that does not come which show that it is lost, and not late: two may overtake it.
const PASSED_BY: usize = 3;

/// What to do when the next object is not there.
enum Verdict {
    Wait,
    /// The group is complete: go on with the one after.
    Complete,
    /// The groups up to this one never existed.
    Follow(u64),
    /// Objects are missing, by the publisher's choice as far as one can tell.
    Jump(u64),
    /// This group, and all up to the one named, are given up.
    Skip(u64),
    /// Nothing that waits can ever leave: forget it.
    Forget,
}

impl Group {
    /// Whether playing can begin here: the group's first object is at hand.
    fn startable(&self) -> bool {
        self.objects.first_key_value().is_some_and(|(id, entry)| *id <= entry.missing_objects)
    }

    /// Whether it came from its first object to the end of its stream.
    fn is_whole(&self) -> bool {
        self.startable() && self.streams == 1 && self.open == 0 && !self.broken
    }
}

impl Merger {
    /// Starts with the first group that can be started, unless [`Merger::start_at`] says where.
    pub(crate) fn new(settings: MergeSettings) -> Self {
        Self {
            settings,
            next: None,
            groups: BTreeMap::new(),
            bytes: 0,
            head: None,
            passed: 0,
            waiting_since: None,
            finished: false,
            counts: MergeCounts::default(),
        }
    }

    /// Goes on at the start of this group, wherever the merge was: groups left behind are counted when the step is forward.
    pub(crate) fn start_at(&mut self, group: u64) {
        if let Some(next) = self.next {
            self.count_step(group.saturating_sub(next.group));
            if group < next.group {
                self.counts.leaps += 1;
                // The publisher numbers anew: what waits belongs to the old numbers.
                self.groups.clear();
                self.bytes = 0;
            }
        }
        self.go_to(Location::new(group, 0));
    }

    /// The next object to leave.
    pub(crate) fn position(&self) -> Option<Location> {
        self.next
    }

    /// Totals since the beginning.
    pub(crate) fn counts(&self) -> MergeCounts {
        self.counts
    }

    /// Whether another group's stream may be read now.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes < self.settings.max_bytes && self.groups.len() < self.settings.max_groups
    }

    /// Whether objects of this group can still leave.
    pub(crate) fn wants(&self, group: u64) -> bool {
        self.next.is_none_or(|next| group >= next.group)
    }

    /// Whether this group's objects are needed before anything else can leave.
    pub(crate) fn needs(&self, group: u64) -> bool {
        self.next.is_none_or(|next| group <= next.group)
    }

    /// A FETCH begins that delivers groups `from..=until`. It replaces one before it.
    pub(crate) fn head_opened(&mut self, from: u64, until: u64) {
        self.head = Some(Head { at: from, until });
        for (_, group) in self.groups.range_mut(from..=until) {
            group.broken = false;
        }
    }

    /// The FETCH has delivered everything it will.
    pub(crate) fn head_finished(&mut self) {
        if let Some(head) = self.head.take() {
            // The last group goes on live; those before it are over.
            self.passed = self.passed.max(head.until);
        }
    }

    /// The FETCH is gone, and another one brings what it would have, if anything does.
    pub(crate) fn head_replaced(&mut self) {
        self.head = None;
    }

    /// Whether a FETCH still delivers.
    pub(crate) fn head_is_open(&self) -> bool {
        self.head.is_some()
    }

    /// The FETCH broke off or was refused.
    pub(crate) fn head_failed(&mut self) {
        if let Some(head) = self.head.take() {
            self.passed = self.passed.max(head.until);
            let lost = self.next.filter(|next| (head.at..=head.until).contains(&next.group));
            if let Some(next) = lost {
                self.groups.entry(next.group).or_default().broken = true;
            }
        }
    }

    /// A live stream of this group begins.
    pub(crate) fn stream_opened(&mut self, group: u64) {
        if self.wants(group) {
            let group = self.groups.entry(group).or_default();
            group.open += 1;
            group.streams += 1;
        }
    }

    /// A live stream ended well; `end` is one past the group's last object when the stream said so.
    pub(crate) fn stream_finished(&mut self, group: u64, end: Option<u64>) {
        self.close_stream(group, |group| group.end = group.end.max(end));
    }

    /// A live stream was cut off.
    pub(crate) fn stream_reset(&mut self, group: u64) {
        self.close_stream(group, |group| group.broken = true);
    }

    /// A live stream is gone, and another one brings what it would have.
    pub(crate) fn stream_replaced(&mut self, group: u64) {
        self.close_stream(group, |_| {});
    }

    fn close_stream(&mut self, group: u64, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.get_mut(&group) {
            group.open = group.open.saturating_sub(1);
            change(group);
        }
    }

    /// No object of this location's group is at or after it.
    pub(crate) fn group_ends(&mut self, end: Location) {
        if self.wants(end.group) {
            let group = self.groups.entry(end.group).or_default();
            group.end = group.end.max(Some(end.object));
        }
    }

    /// No stream will bring anything any more.
    pub(crate) fn finish(&mut self) {
        self.head_finished();
        self.finished = true;
    }

    /// Whether [`Merger::finish`] was called.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Adds an object; one that has left or is waiting already is dropped.
    pub(crate) fn insert(&mut self, entry: Entry, from_head: bool) {
        let Location { group, object } = entry.location;
        if let Some(head) = self.head.as_mut().filter(|_| from_head) {
            head.at = head.at.max(group);
            self.passed = self.passed.max(head.at.min(head.until));
        }
        if self.next.is_some_and(|next| entry.location < next) {
            return;
        }
        let waiting = &mut self.groups.entry(group).or_default().objects;
        if let std::collections::btree_map::Entry::Vacant(vacant) = waiting.entry(object) {
            self.bytes += entry.payload.len();
            vacant.insert(entry);
        }
    }

    /// The next frame, if it is its turn.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<Entry> {
        loop {
            let Some(next) = self.next else {
                let first = self.groups.iter().find(|(_, group)| group.startable()).map(|(id, _)| *id)?;
                self.go_to(Location::new(first, 0));
                continue;
            };
            if let Some(entry) = self.take(next) {
                self.waiting_since = None;
                self.next = Some(Location::new(next.group, entry.location.object.saturating_add(1)));
                return Some(entry);
            }
            match self.verdict(next, now) {
                Verdict::Wait if self.newer_seen() || !self.has_room() => {
                    self.waiting_since.get_or_insert(now);
                    return None;
                }
                Verdict::Wait => {
                    self.waiting_since = None;
                    return None;
                }
                Verdict::Complete => self.go_to(Location::new(next.group.checked_add(1)?, 0)),
                Verdict::Follow(group) => self.go_to(Location::new(group, 0)),
                Verdict::Jump(object) => {
                    self.counts.gaps += 1;
                    self.next = Some(Location::new(next.group, object));
                }
                Verdict::Skip(group) => {
                    self.count_step(group - next.group);
                    self.go_to(Location::new(group, 0));
                }
                Verdict::Forget => {
                    self.counts.skipped_groups += self.groups.len() as u64;
                    self.groups.clear();
                    self.bytes = 0;
                    self.next = None;
                }
            }
        }
    }

    /// When to poll again although nothing came.
    pub(crate) fn deadline(&self, now: Duration) -> Option<Duration> {
        let since = self.waiting_since?;
        // After the stall a newer group that becomes startable brings the next poll by itself.
        [since + self.settings.straggler, since + self.settings.stall].into_iter().filter(|time| *time > now).min()
    }

    fn count_step(&mut self, groups: u64) {
        if groups > self.settings.max_step {
            self.counts.leaps += 1;
        } else {
            self.counts.skipped_groups += groups;
        }
    }

    fn newer_seen(&self) -> bool {
        self.next.is_some_and(|next| self.groups.range(next.group.saturating_add(1)..).next().is_some())
    }

    fn go_to(&mut self, next: Location) {
        self.next = Some(next);
        self.waiting_since = None;
        let kept = self.groups.split_off(&next.group);
        let dropped = std::mem::replace(&mut self.groups, kept);
        let payload = |group: Group| group.objects.into_values().map(|entry| entry.payload.len()).sum::<usize>();
        self.bytes -= dropped.into_values().map(payload).sum::<usize>();
    }

    fn take(&mut self, next: Location) -> Option<Entry> {
        let group = self.groups.get_mut(&next.group)?;
        let first = group.objects.first_entry()?;
        if first.key().saturating_sub(first.get().missing_objects) > next.object {
            return None;
        }
        let entry = first.remove();
        self.bytes -= entry.payload.len();
        Some(entry)
    }

    fn verdict(&self, next: Location, now: Duration) -> Verdict {
        let waited = self.waiting_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let later = || self.groups.range(next.group.saturating_add(1)..);
        let found = later().find(|(_, group)| group.is_whole());
        let found = found.or_else(|| later().rev().find(|(_, group)| group.startable())).map(|(id, _)| *id);
        // Where groups are short, whole ones pile up behind a lost one long before the stall.
        let passed_by = later().filter(|(_, group)| group.is_whole()).take(PASSED_BY).count() == PASSED_BY;
        let patience = if passed_by { self.settings.straggler } else { self.settings.stall };
        let late = match found {
            Some(found) if waited >= patience => Verdict::Skip(found),
            None if waited >= self.settings.stall && !self.has_room() => Verdict::Forget,
            _ => Verdict::Wait,
        };
        let newer = self.newer_seen();
        let Some(group) = self.groups.get(&next.group) else { return self.verdict_unseen(next, late) };
        if group.end.is_some_and(|end| next.object >= end) {
            return Verdict::Complete;
        }
        // What has lost its beginning cannot be started any more than what has lost its middle can go on.
        let open = group.open > 0 && !self.finished;
        let headless = next.object == 0 && !open && !group.objects.is_empty();
        let headed = self.head.as_ref().is_some_and(|head| (head.at..=head.until).contains(&next.group));
        if let Some(found) = found.filter(|_| !headed && (group.broken || headless)) {
            return Verdict::Skip(found);
        }
        if open || headed || !(newer || self.finished) {
            return late;
        }
        if group.broken || headless {
            return if self.finished { self.give_up(next) } else { late };
        }
        // A single stream that ended, or a FETCH that went past, leaves nothing to wait for.
        let settled =
            group.streams == 1 || next.group < self.passed || waited >= self.settings.straggler || self.finished;
        match group.objects.first_key_value() {
            _ if !settled => late,
            Some((object, _)) => Verdict::Jump(*object),
            None => Verdict::Complete,
        }
    }

    /// The next group in number has not shown up.
    fn verdict_unseen(&self, next: Location, late: Verdict) -> Verdict {
        let Some((id, group)) = self.groups.range(next.group..).next() else { return Verdict::Wait };
        let first = group.objects.first_key_value();
        if first.is_some_and(|(_, entry)| id.saturating_sub(entry.missing_groups) <= next.group) {
            return Verdict::Follow(*id);
        }
        // A FETCH that went past, or the track's end: nobody will bring it.
        if next.group < self.passed || self.finished { Verdict::Skip(*id) } else { late }
    }

    /// After the end: whatever follows the lost group, or nothing.
    fn give_up(&self, next: Location) -> Verdict {
        let after = self.groups.range(next.group.saturating_add(1)..).next();
        after.map_or(Verdict::Complete, |(id, _)| Verdict::Skip(*id))
    }
}

#[cfg(test)]
mod tests;
