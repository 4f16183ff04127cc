//! MOQT priorities (0 is most urgent) as stream priorities (highest number is sent first).

/// The control stream: above everything (draft-18 section 3.3).
pub const CONTROL_PRIORITY: i32 = i32::MAX;

/// Request streams: below control, above all data.
pub const REQUEST_PRIORITY: i32 = i32::MAX - 1;

/// Highest group rank, leaving the two numbers above it to control and request streams.
pub const MAX_GROUP_RANK: u16 = 0x7fff - 2;

/// Packs subscriber priority, then publisher priority, then the group's rank into one number (draft-18 section 7.2).
///
/// Both priorities run from 0 (most urgent) to 255. `group_rank` breaks ties: higher is sent first; ranks above [`MAX_GROUP_RANK`] count as that.
#[must_use]
pub fn stream_priority(subscriber: u8, publisher: u8, group_rank: u16) -> i32 {
    let subscriber = i32::from(u8::MAX - subscriber) << 23;
    let publisher = i32::from(u8::MAX - publisher) << 15;
    subscriber | publisher | i32::from(group_rank.min(MAX_GROUP_RANK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_numbers_are_more_urgent() {
        assert!(stream_priority(0, 255, 0) > stream_priority(1, 0, MAX_GROUP_RANK));
        assert!(stream_priority(7, 3, 0) > stream_priority(7, 4, MAX_GROUP_RANK));
        assert!(stream_priority(7, 3, 9) > stream_priority(7, 3, 8));
    }

    #[test]
    fn the_least_urgent_stream_is_zero_and_nothing_is_negative() {
        assert_eq!(stream_priority(255, 255, 0), 0);
        assert!(stream_priority(0, 0, u16::MAX) > 0);
    }

    #[test]
    fn control_and_requests_stay_above_all_data() {
        let data = stream_priority(0, 0, u16::MAX);
        assert_eq!(data, stream_priority(0, 0, MAX_GROUP_RANK));
        assert!(REQUEST_PRIORITY > data);
        const { assert!(CONTROL_PRIORITY > REQUEST_PRIORITY) };
    }
}
