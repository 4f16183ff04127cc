//! Application error codes inside the HTTP/3 code space (WebTransport section 4.4).

const FIRST: u64 = 0x52e4_a40f_a8db;
const LAST: u64 = 0x52e5_ac98_3162;
/// Every 31st code is reserved for grease and skipped.
const STEP: u64 = 0x1e;

/// An application code as it travels in RESET_STREAM and STOP_SENDING; codes beyond 32 bits become the largest that fits.
pub(crate) fn to_http(code: u64) -> u64 {
    let code = code.min(u64::from(u32::MAX));
    FIRST + code + code / STEP
}

/// The application code in an HTTP/3 code; `None` for codes of HTTP/3 itself.
pub(crate) fn from_http(code: u64) -> Option<u64> {
    if !(FIRST..=LAST).contains(&code) || (code - 0x21).is_multiple_of(0x1f) {
        return None;
    }
    let shifted = code - FIRST;
    Some(shifted - shifted / (STEP + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_way_there_and_back() {
        for code in (0..4096).chain([u64::from(u32::MAX) - 1, u64::from(u32::MAX)]) {
            assert_eq!(from_http(to_http(code)), Some(code));
        }
        assert_eq!(to_http(0), FIRST);
        assert_eq!(to_http(u64::MAX), LAST);
    }

    #[test]
    fn codes_of_http3_and_grease_are_not_ours() {
        assert_eq!(from_http(0x100), None);
        assert_eq!(from_http(LAST + 1), None);
        assert_eq!(from_http(to_http(0x1d) + 1), None);
    }
}
