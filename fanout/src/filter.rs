//! Which objects a subscription receives: the draft's filters against what a track holds now (draft-18 section 5.1.2).

use moqt::{Filter, Location};

/// The part of a track that a subscription receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryRange {
    /// First location that passes.
    pub start: Location,
    /// Last group that passes, inclusive; `None` = open ended.
    pub end_group: Option<u64>,
}

/// The filter's last group lies wholly in the past: answer INVALID_RANGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the filter ends before the live edge")]
pub struct RangeInThePast;

/// Resolves a filter against the largest location of the track (`None`: nothing was published yet).
///
/// Without a filter, or with an absolute start before the newest group, delivery starts at the newest group's first object: so a
/// viewer that joins inside a group still gets something it can decode. Older groups are for FETCH.
///
/// # Errors
/// [`RangeInThePast`] when every group that passes is older than the newest.
pub fn resolve_filter(filter: Option<Filter>, largest: Option<Location>) -> Result<DeliveryRange, RangeInThePast> {
    let newest = largest.map_or_else(Location::default, |largest| Location::new(largest.group, 0));
    let open = |start| DeliveryRange { start, end_group: None };
    Ok(match (filter, largest) {
        (None, _) => open(newest),
        (Some(Filter::LargestObject | Filter::NextGroup), None) => open(Location::default()),
        (Some(Filter::LargestObject), Some(largest)) => open(after(largest)),
        (Some(Filter::NextGroup), Some(largest)) => open(Location::new(largest.group.saturating_add(1), 0)),
        (Some(Filter::AbsoluteStart(start)), _) => open(start.max(newest)),
        (Some(Filter::AbsoluteRange { end_group, .. }), Some(largest)) if end_group < largest.group => {
            return Err(RangeInThePast);
        }
        (Some(Filter::AbsoluteRange { start, end_group }), _) => {
            DeliveryRange { start: start.max(newest), end_group: Some(end_group) }
        }
    })
}

/// The location just behind `location` in its group.
pub(crate) fn after(location: Location) -> Location {
    Location::new(location.group, location.object.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: Option<Location> = Some(Location::new(7, 3));

    fn open(group: u64, object: u64) -> Result<DeliveryRange, RangeInThePast> {
        Ok(DeliveryRange { start: Location::new(group, object), end_group: None })
    }

    #[test]
    fn relative_filters_follow_the_largest_object() {
        assert_eq!(resolve_filter(Some(Filter::LargestObject), EDGE), open(7, 4));
        assert_eq!(resolve_filter(Some(Filter::NextGroup), EDGE), open(8, 0));
        for filter in [None, Some(Filter::LargestObject), Some(Filter::NextGroup)] {
            assert_eq!(resolve_filter(filter, None), open(0, 0));
        }
    }

    #[test]
    fn past_starts_become_the_newest_groups_first_object() {
        assert_eq!(resolve_filter(None, EDGE), open(7, 0));
        assert_eq!(resolve_filter(Some(Filter::AbsoluteStart(Location::new(2, 5))), EDGE), open(7, 0));
        assert_eq!(resolve_filter(Some(Filter::AbsoluteStart(Location::new(7, 2))), EDGE), open(7, 2));
        assert_eq!(resolve_filter(Some(Filter::AbsoluteStart(Location::new(9, 1))), EDGE), open(9, 1));
    }

    #[test]
    fn ranges_end_at_their_last_group() {
        let range = |start, end_group| Some(Filter::AbsoluteRange { start: Location::new(start, 0), end_group });
        assert_eq!(resolve_filter(range(2, 6), EDGE), Err(RangeInThePast));
        let now = DeliveryRange { start: Location::new(7, 0), end_group: Some(7) };
        assert_eq!(resolve_filter(range(2, 7), EDGE), Ok(now));
        let later = DeliveryRange { start: Location::new(9, 0), end_group: Some(12) };
        assert_eq!(resolve_filter(range(9, 12), EDGE), Ok(later));
    }

    #[test]
    fn the_last_numbers_do_not_overflow() {
        let end = Some(Location::new(u64::MAX, u64::MAX));
        assert_eq!(resolve_filter(Some(Filter::NextGroup), end), open(u64::MAX, 0));
        assert_eq!(resolve_filter(Some(Filter::LargestObject), end), open(u64::MAX, u64::MAX));
    }
}
