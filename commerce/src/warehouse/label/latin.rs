//! Text for a printer's built-in fonts: WinAnsi, which knows the letters of Western Europe only.

/// Small Cyrillic letters and how passports write them (ICAO 9303).
const CYRILLIC: [(char, &str); 33] = [
    ('а', "a"),
    ('б', "b"),
    ('в', "v"),
    ('г', "g"),
    ('д', "d"),
    ('е', "e"),
    ('ё', "e"),
    ('ж', "zh"),
    ('з', "z"),
    ('и', "i"),
    ('й', "i"),
    ('к', "k"),
    ('л', "l"),
    ('м', "m"),
    ('н', "n"),
    ('о', "o"),
    ('п', "p"),
    ('р', "r"),
    ('с', "s"),
    ('т', "t"),
    ('у', "u"),
    ('ф', "f"),
    ('х', "kh"),
    ('ц', "ts"),
    ('ч', "ch"),
    ('ш', "sh"),
    ('щ', "shch"),
    ('ъ', "ie"),
    ('ы', "y"),
    ('ь', ""),
    ('э', "e"),
    ('ю', "iu"),
    ('я', "ia"),
];

/// The text in WinAnsi: Cyrillic letters become Latin ones, others that are not in it a question mark.
pub(super) fn win_ansi(text: &str) -> Vec<u8> {
    text.chars().flat_map(letter).collect()
}

fn letter(letter: char) -> Vec<u8> {
    match u8::try_from(letter) {
        Ok(byte @ (0x20..=0x7E | 0xA0..=0xFF)) => return vec![byte],
        Ok(_) => return vec![b' '],
        Err(_) => {}
    }
    let small = letter.to_lowercase().next().unwrap_or(letter);
    let Some((_, latin)) = CYRILLIC.iter().find(|(cyrillic, _)| *cyrillic == small) else { return vec![b'?'] };
    let mut latin = latin.as_bytes().to_vec();
    if let (true, Some(first)) = (letter != small, latin.first_mut()) {
        first.make_ascii_uppercase();
    }
    latin
}

#[cfg(test)]
mod tests {
    use super::win_ansi;

    #[test]
    fn every_letter_becomes_one_that_prints() {
        assert_eq!(win_ansi("Åsa Öö 漢\n"), b"\xC5sa \xD6\xF6 ? ");
        assert_eq!(win_ansi("Щукин, Юрьевич"), b"Shchukin, Iurevich");
    }
}
