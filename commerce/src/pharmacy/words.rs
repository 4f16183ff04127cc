//! Words of searches and catalogues: taken apart, folded to plain letters, and cut to their stems.

use std::borrow::Cow;

use frostem::{Algorithm, Stemmer};

use crate::language::Language;

/// Lower-case words of a text. A decimal point or comma between digits stays, as a point.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let after_digit = word.ends_with(|last: char| last.is_ascii_digit());
        if char.is_alphanumeric() {
            word.extend(char.to_lowercase());
        } else if matches!(char, '.' | ',') && after_digit && chars.peek().is_some_and(char::is_ascii_digit) {
            word.push('.');
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The word without marks over its letters, so that `sarkylaake` finds `särkylääke`.
pub(crate) fn fold(word: &str) -> String {
    word.chars()
        .map(|char| match char {
            'ä' | 'å' | 'á' | 'à' | 'â' => 'a',
            'ö' | 'ó' | 'ø' => 'o',
            'é' | 'è' | 'ê' => 'e',
            'ü' => 'u',
            'ё' => 'е',
            // The micro sign and the Greek letter, both written for millionths.
            'µ' | 'μ' => 'u',
            other => other,
        })
        .collect()
}

/// The word's stem in a language (Snowball), folded.
pub(crate) fn stem(word: &str, language: Language) -> String {
    let algorithm = match language {
        Language::En => Algorithm::English,
        Language::Fi => Algorithm::Finnish,
        Language::Sv => Algorithm::Swedish,
        Language::Ru => Algorithm::Russian,
    };
    let stem: Cow<'_, str> = Stemmer::new(algorithm).stem(word);
    fold(&stem)
}

/// What a word of a search may stand for in the vocabulary: itself and its stem in each language of its script.
pub(crate) fn readings(word: &str) -> Vec<String> {
    let cyrillic = word.chars().any(|char| ('\u{400}'..='\u{4ff}').contains(&char));
    let languages: &[Language] = if cyrillic { &[Language::Ru] } else { &[Language::Fi, Language::Sv, Language::En] };
    let mut readings = vec![fold(word)];
    for language in languages {
        let stem = stem(word, *language);
        // A stem of one or two letters stands for anything.
        if stem.chars().count() > 2 && !readings.contains(&stem) {
            readings.push(stem);
        }
    }
    readings
}

/// The three-letter pieces of a word with its ends marked.
pub(crate) fn trigrams(word: &str) -> impl Iterator<Item = [char; 3]> {
    let marked: Vec<char> = std::iter::once('^').chain(word.chars()).chain(std::iter::once('$')).collect();
    (2..marked.len()).map(move |end| [marked[end - 2], marked[end - 1], marked[end]])
}

/// How many letters must be changed, added, left out or swapped with a neighbour to make one word of another; none if
/// more than `limit`.
pub(crate) fn distance(left: &str, right: &str, limit: usize) -> Option<usize> {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, &one) in left.iter().enumerate() {
        let mut here = vec![row + 1];
        for (column, &other) in right.iter().enumerate() {
            let changed = above[column] + usize::from(one != other);
            let mut best = changed.min(above[column + 1] + 1).min(here[column] + 1);
            let swapped = row > 0 && column > 0 && one == right[column - 1] && left[row - 1] == other;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            here.push(best);
        }
        if here.iter().all(|cost| *cost > limit) {
            return None;
        }
        before = std::mem::replace(&mut above, here);
    }
    above.last().copied().filter(|cost| *cost <= limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{distance, fold, readings, stem, words};
    use crate::language::Language;

    #[test]
    fn texts_fall_into_words() {
        assert_eq!(words("Särkylääke, 2,5 mg/ml (20 kpl)."), ["särkylääke", "2.5", "mg", "ml", "20", "kpl"]);
        assert_eq!(words("  -- "), Vec::<String>::new());
    }

    #[test]
    fn stems_of_four_languages() {
        let forms = ["särkylääke", "särkylääkkeet", "särkylääkkeitä"];
        let stems: Vec<_> = forms.iter().map(|word| stem(word, Language::Fi)).collect();
        assert!(stems.iter().all(|stem| *stem == stems[0]), "{stems:?}");
        assert_eq!(stem("tabletter", Language::Sv), stem("tablett", Language::Sv));
        assert_eq!(stem("таблетками", Language::Ru), stem("таблетки", Language::Ru));
        assert!(readings("painkillers").contains(&"painkil".to_owned()) || readings("painkillers").len() > 1);
        assert_eq!(fold("särkylääke"), "sarkylaake");
    }

    #[test]
    fn misspellings_are_counted() {
        assert_eq!(distance("ibuprofen", "ibuprofen", 2), Some(0));
        assert_eq!(distance("ibuporfen", "ibuprofen", 2), Some(1));
        assert_eq!(distance("ibprofin", "ibuprofen", 2), Some(2));
        assert_eq!(distance("", "abc", 2), None);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_never_panics(left in "\\PC{0,12}", right in "\\PC{0,12}") {
            prop_assert_eq!(distance(&left, &right, 3), distance(&right, &left, 3));
            prop_assert_eq!(distance(&left, &left, 3), Some(0));
        }
    }
}
