//! Cycle counts: when a count is believed, and when somebody has to count again.

/// What a count leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is wrong.
    Agrees,
    /// So many units more (or fewer) than the books say: the books are corrected.
    Corrects(i64),
    /// Too far off to be believed once.
    CountAgain,
}

/// Units by which one count may be off and still be believed.
const BELIEVED_UNITS: i64 = 5;

/// The part of the expected quantity, in percent, by which one count may be off and still be believed.
const BELIEVED_PERCENT: i64 = 10;

/// Judges a count. `earlier` is what the count before found that was not believed, if there is one: two that agree are.
pub(crate) fn judge(expected: i64, counted: i64, earlier: Option<i64>) -> Verdict {
    let difference = counted - expected;
    let believed = BELIEVED_UNITS.max(expected / 100 * BELIEVED_PERCENT);
    if difference == 0 {
        Verdict::Agrees
    } else if difference.abs() <= believed || earlier == Some(counted) {
        Verdict::Corrects(difference)
    } else {
        Verdict::CountAgain
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};

    #[test]
    fn large_differences_are_counted_twice() {
        assert_eq!(judge(20, 20, None), Verdict::Agrees);
        assert_eq!(judge(20, 15, None), Verdict::Corrects(-5));
        assert_eq!(judge(20, 14, None), Verdict::CountAgain);
        assert_eq!(judge(1000, 1100, None), Verdict::Corrects(100));
        assert_eq!(judge(20, 2, Some(3)), Verdict::CountAgain);
        assert_eq!(judge(20, 2, Some(2)), Verdict::Corrects(-18));
    }
}
