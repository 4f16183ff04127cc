//! Serial Shipping Container Codes: the number on a parcel's label (GS1 General Specifications, 2.2.1).

use crate::id::check_digit;

/// The company prefix of all our parcels: 952 is what GS1 keeps for examples, no company's parcels carry it.
const COMPANY: &str = "9521234";

/// Digits of the serial number: 18 less the extension digit, the company prefix and the check digit.
const SERIAL_DIGITS: usize = 16 - COMPANY.len();

/// How many parcels there can be before the extension digit counts on, and how many values that digit has.
const SERIALS: i64 = 10_i64.pow(9);
const EXTENSIONS: i64 = 10;

/// The code of the parcel with this serial number; none if the numbers are used up.
pub(crate) fn sscc(serial: i64) -> Option<String> {
    if !(0..SERIALS * EXTENSIONS).contains(&serial) {
        return None;
    }
    let (extension, serial) = (serial / SERIALS, serial % SERIALS);
    let body = format!("{extension}{COMPANY}{serial:0SERIAL_DIGITS$}");
    let check = check_digit(&body);
    Some(format!("{body}{check}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{COMPANY, sscc};

    /// GS1's rule in other words: with the check digit, threes and ones from the left make a multiple of ten.
    fn is_valid(code: &str) -> bool {
        let digits: Vec<u32> = code.chars().filter_map(|digit| digit.to_digit(10)).collect();
        let sum: u32 = digits.iter().enumerate().map(|(place, digit)| digit * [3, 1][place % 2]).sum();
        digits.len() == 18 && code.len() == 18 && sum.is_multiple_of(10)
    }

    #[test]
    fn the_last_digit_checks_and_numbers_end() {
        // GS1's own example of an SSCC.
        assert!(is_valid("106141411234567897"));
        assert_eq!(sscc(1).unwrap(), "095212340000000013");
        assert!(sscc(9_999_999_999).unwrap().starts_with('9'));
        assert_eq!((sscc(10_000_000_000), sscc(-1)), (None, None));
    }

    proptest! {
        #[test]
        fn every_code_is_valid_and_another(a in 0_i64..10_000_000_000, b in 0_i64..10_000_000_000) {
            let (first, second) = (sscc(a).unwrap(), sscc(b).unwrap());
            prop_assert!(is_valid(&first) && first[1..].starts_with(COMPANY));
            prop_assert_eq!(first == second, a == b);
        }
    }
}
