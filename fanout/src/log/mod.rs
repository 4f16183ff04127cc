//! The newest groups of one track: written once, read by everybody.

mod appender;
mod gaps;
mod group;
mod pending;
mod subgroup;
mod track;
mod writing;

pub use appender::SubgroupAppender;
pub use group::GroupLog;
pub(crate) use group::{NextObject, group_start};
pub(crate) use pending::Pending;
pub(crate) use subgroup::{Cursor, ObjectEntry, Position, SubgroupLog};
pub use subgroup::{SubgroupMeta, SubgroupState};
pub use track::{HeadHold, LogSettings, TrackEnd, TrackLog};

use group::Counter;
use tokio::sync::Notify;

/// Why an object was not appended. Afterwards the stream it came on is of no use and wants STOP_SENDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The publisher's fault: the track breaks a rule of the object model (draft-18 section 2.4.2).
    #[error("malformed track: {0}")]
    Malformed(&'static str),
    /// The object lies before one that is already there, so no stream can carry it in order any more.
    #[error("object came too late: a later one of its subgroup is already there")]
    OutOfOrder,
    /// The group is older than what the log keeps.
    #[error("group is older than what the log keeps")]
    TooOld,
    /// The group left the log while it was being written.
    #[error("group has left the log")]
    GroupGone,
    /// The publisher said that the group does not exist.
    #[error("group is known not to exist")]
    Absent,
    /// The track has ended.
    #[error("track has ended")]
    Ended,
    /// The memory budget or the track's own bound is used up; the group was dropped.
    #[error("memory budget is used up: the group was dropped")]
    OverBudget,
    /// The group has more subgroups, or datagrams, than one group may have.
    #[error("group has too many subgroups or datagrams")]
    TooManySubgroups,
    /// The caller's fault: calls out of order, or a payload of another length than its header says.
    #[error("appender misused: {0}")]
    Misuse(&'static str),
}

/// Wakes every reader of a track, and tells structural changes (rare) from growth (per frame).
#[derive(Debug, Default)]
pub(crate) struct Signals {
    pub(crate) notify: Notify,
    structure: Counter,
}

impl Signals {
    /// Groups, subgroups or ends changed.
    pub(crate) fn restructured(&self) {
        self.structure.bump();
        self.notify.notify_waiters();
    }

    /// Bytes were added.
    pub(crate) fn grown(&self) {
        self.notify.notify_waiters();
    }

    pub(crate) fn structure(&self) -> u64 {
        self.structure.get()
    }
}
