//! When a viewer that reads too slowly loses the rest of an older group.

use std::time::Duration;

use moqt::GroupOrder;
use transport::{MAX_GROUP_RANK, stream_priority};

/// What a slow viewer may lag behind before the rest of an older group is given up. The newest group is never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowViewerPolicy {
    /// Newer groups that may have begun while a group is still being sent.
    pub max_lag_groups: usize,
    /// They only count when the first of them began this long ago: short groups begin in a burst after any hiccup.
    pub min_lag: Duration,
    /// Time since a newer group began.
    pub max_lag: Duration,
    /// Bytes of the group that are here and not sent.
    pub max_lag_bytes: u64,
}

/// How far one group's stream is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lag {
    /// Newer groups in the log.
    pub(super) groups: usize,
    /// Time since a newer group began; `None` for the newest.
    pub(super) superseded: Option<Duration>,
    /// Bytes not sent.
    pub(super) bytes: u64,
}

impl SlowViewerPolicy {
    pub(super) fn gives_up(&self, lag: Lag) -> bool {
        let Some(superseded) = lag.superseded else { return false };
        lag.bytes > 0
            && (lag.groups > self.max_lag_groups && superseded >= self.min_lag
                || superseded > self.max_lag
                || lag.bytes > self.max_lag_bytes)
    }
}

/// Turns priorities and group order into transport priorities.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranking {
    pub(super) subscriber: u8,
    pub(super) publisher: u8,
    pub(super) order: GroupOrder,
    /// The group with the lowest number in the ranks; moved on whenever no stream is open, so that ranks do not run out.
    pub(super) base: u64,
}

impl Ranking {
    /// The transport priority (higher first) of a group's stream; `publisher` is the subgroup's own priority, if it has one.
    pub(super) fn priority(&self, group: u64, publisher: Option<u8>) -> i32 {
        let distance = u16::try_from(group.saturating_sub(self.base)).unwrap_or(u16::MAX).min(MAX_GROUP_RANK);
        let rank = match self.order {
            GroupOrder::Ascending => MAX_GROUP_RANK - distance,
            GroupOrder::Descending => distance,
        };
        stream_priority(self.subscriber, publisher.unwrap_or(self.publisher), rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: SlowViewerPolicy = SlowViewerPolicy {
        max_lag_groups: 1,
        min_lag: Duration::from_millis(500),
        max_lag: Duration::from_secs(2),
        max_lag_bytes: 1000,
    };

    #[test]
    fn any_bound_gives_an_older_group_up() {
        let lag = Lag { groups: 1, superseded: Some(Duration::from_secs(2)), bytes: 1000 };
        assert!(!POLICY.gives_up(lag));
        assert!(POLICY.gives_up(Lag { groups: 2, ..lag }));
        assert!(!POLICY.gives_up(Lag { groups: 20, superseded: Some(Duration::from_millis(499)), ..lag }));
        assert!(POLICY.gives_up(Lag { superseded: Some(Duration::from_secs(3)), ..lag }));
        assert!(POLICY.gives_up(Lag { bytes: 1001, ..lag }));
    }

    #[test]
    fn the_newest_group_and_viewers_that_keep_up_are_spared() {
        let far = Lag { groups: 9, superseded: None, bytes: 1 << 40 };
        assert!(!POLICY.gives_up(far));
        let caught_up = Lag { groups: 9, superseded: Some(Duration::from_secs(60)), bytes: 0 };
        assert!(!POLICY.gives_up(caught_up));
    }

    #[test]
    fn ranks_follow_the_group_order() {
        let up = Ranking { subscriber: 128, publisher: 128, order: GroupOrder::Ascending, base: 1 << 40 };
        let down = Ranking { order: GroupOrder::Descending, ..up };
        let group = (1 << 40) + 3;
        assert!(up.priority(group, None) > up.priority(group + 1, None));
        assert!(down.priority(group, None) < down.priority(group + 1, None));
        assert!(up.priority(group, Some(0)) > up.priority(group - 3, None));
        assert_eq!(down.priority(u64::MAX, None), down.priority(u64::MAX - 1, None), "ranks are capped");
    }
}
