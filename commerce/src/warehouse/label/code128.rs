//! Code 128 as bars and spaces (ISO/IEC 15417), of the part that GS1-128 needs: digits in pairs behind FNC1.

/// Widths in modules of bar, space, bar, space, bar, space for the values 0 to 105, then the stop character.
const PATTERNS: [&str; 107] = [
    "212222", "222122", "222221", "121223", "121322", "131222", "122213", "122312", "132212", "221213", "221312",
    "231212", "112232", "122132", "122231", "113222", "123122", "123221", "223211", "221132", "221231", "213212",
    "223112", "312131", "311222", "321122", "321221", "312212", "322112", "322211", "212123", "212321", "232121",
    "111323", "131123", "131321", "112313", "132113", "132311", "211313", "231113", "231311", "112133", "112331",
    "132131", "113123", "113321", "133121", "313121", "211331", "231131", "213113", "213311", "213131", "311123",
    "311321", "331121", "312113", "312311", "332111", "314111", "221411", "431111", "111224", "111422", "121124",
    "121421", "141122", "141221", "112214", "112412", "122114", "122411", "142112", "142211", "241211", "221114",
    "413111", "241112", "134111", "111242", "121142", "121241", "114212", "124112", "124211", "411212", "421112",
    "421211", "212141", "214121", "412121", "111143", "111341", "131141", "114113", "114311", "411113", "411311",
    "113141", "114131", "311141", "411131", "211412", "211214", "211232", "2331112",
];

const START_C: usize = 105;
const FNC1: usize = 102;
const STOP: usize = 106;

/// The bars of GS1-128 with these digits, of which there is an even number: widths in modules, a bar first, then a space and
/// so on. What is no pair of digits is left out.
pub(super) fn gs1(digits: &str) -> Vec<u8> {
    let pairs =
        digits.as_bytes().chunks_exact(2).filter_map(|pair| std::str::from_utf8(pair).ok()?.parse::<usize>().ok());
    let mut values = vec![START_C, FNC1];
    values.extend(pairs.filter(|value| *value < 100));
    // The start character and the first after it both count once.
    let sum: usize = values.iter().enumerate().map(|(place, value)| place.max(1) * value).sum();
    values.extend([sum % 103, STOP]);
    values.iter().flat_map(|value| PATTERNS[*value].bytes().map(|width| width - b'0')).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::{PATTERNS, gs1};

    /// Reads bars as a scanner does, apart from the table of the encoder: characters of 11 modules between quiet zones, each
    /// known by its bars; the check character last. The digits behind start C and FNC1.
    fn scan(bars: &[u8]) -> Option<String> {
        let modules: String =
            bars.iter().enumerate().map(|(at, width)| ["1", "0"][at % 2].repeat((*width).into())).collect();
        let body = modules.strip_suffix("1100011101011")?;
        let symbols: Vec<&str> = (0..body.len() / 11).map(|at| &body[at * 11..at * 11 + 11]).collect();
        let values: Vec<usize> = symbols.iter().map(|symbol| value(symbol)).collect::<Option<_>>()?;
        let (check, values) = values.split_last()?;
        let sum: usize = values.iter().enumerate().map(|(place, value)| place.max(1) * value).sum();
        let [105, 102, pairs @ ..] = values else { return None };
        (body.len() % 11 == 0 && sum % 103 == *check).then(|| pairs.iter().map(|pair| format!("{pair:02}")).collect())
    }

    fn value(symbol: &str) -> Option<usize> {
        let widths = |pattern: &str| -> String {
            pattern.bytes().enumerate().map(|(at, width)| ["1", "0"][at % 2].repeat((width - b'0').into())).collect()
        };
        PATTERNS[..106].iter().position(|pattern| widths(pattern) == symbol)
    }

    #[test]
    fn the_table_obeys_the_standard() {
        let sum = |pattern: &str, from: usize| -> u32 {
            pattern.chars().skip(from).step_by(2).filter_map(|width| width.to_digit(10)).sum()
        };
        for pattern in &PATTERNS[..106] {
            // Six elements, eleven modules, an even number of them black.
            assert_eq!(
                (pattern.len(), sum(pattern, 0) + sum(pattern, 1), sum(pattern, 0) % 2),
                (6, 11, 0),
                "{pattern}"
            );
        }
        assert_eq!(PATTERNS.iter().collect::<HashSet<_>>().len(), 107);
    }

    #[test]
    fn the_bars_of_a_known_code() {
        // Start C, FNC1, 00, 12, check 67 ((105 + 102 + 0 + 36) mod 103 = 37), stop.
        let bars: String = gs1("0012").iter().map(u8::to_string).collect();
        assert_eq!(bars, ["211232", "411131", "212222", "112232", "132113", "2331112"].concat());
        assert_eq!(scan(&gs1("0012")).as_deref(), Some("0012"));
    }

    proptest! {
        #[test]
        fn what_is_drawn_can_be_read(digits in "00[0-9]{18}", flaw in 12_usize..66) {
            let mut bars = gs1(&digits);
            let read = scan(&bars);
            prop_assert_eq!(read.as_deref(), Some(digits.as_str()));
            bars.swap(flaw, flaw + 1);
            let read = scan(&bars);
            prop_assert!(read.is_none() || bars == gs1(&digits), "a flaw was not seen");
        }
    }
}
