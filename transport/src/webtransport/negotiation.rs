//! The sub-protocol headers: a structured-field list of strings offered, one string chosen (WebTransport section 3.3, RFC 9651).

use moqt::Version;

use crate::limit;

/// The value of `wt-available-protocols`: ours, most wanted first.
pub(crate) fn offer(versions: &[Version]) -> String {
    versions.iter().map(|version| quoted(*version)).collect::<Vec<_>>().join(", ")
}

/// The value of `wt-protocol`.
pub(crate) fn quoted(version: Version) -> String {
    format!("\"{}\"", version.alpn())
}

/// Our most wanted version among those the peer named; `None` when there is none in common.
pub(crate) fn choose(ours: &[Version], header: &str) -> Option<Version> {
    let offered = parse_list(header);
    let mut common = ours.iter().copied().filter(|version| offered.iter().any(|name| name == version.alpn()));
    let best = common.next();
    // Whoever offers moq-lite too is one of the moq-dev family, which writes and reads draft-18's parameters in draft-16's
    // form (@moq/net 0.2.8 and 0.3.4): with them draft-16 works and draft-18 does not.
    let is_family = || offered.iter().any(|name| name.starts_with("moq-lite-"));
    match best {
        Some(Version::Draft18) if is_family() => common.find(|version| *version == Version::Draft16).or(best),
        best => best,
    }
}

/// Strings and tokens of a structured-field list, without their parameters; empty when malformed, as RFC 9651 asks.
fn parse_list(header: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = header.trim_start_matches(' ');
    while !rest.is_empty() && names.len() < limit::MAX_OFFERED_PROTOCOLS {
        let Some((name, tail)) = parse_item(rest) else { return Vec::new() };
        names.push(name);
        let tail = skip_parameters(tail).trim_start_matches([' ', '\t']);
        rest = match tail.strip_prefix(',') {
            Some(next) => next.trim_start_matches([' ', '\t']),
            None if tail.is_empty() => tail,
            None => return Vec::new(),
        };
    }
    names
}

fn parse_item(text: &str) -> Option<(String, &str)> {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find([',', ';', ' ', '\t']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((name, &inside[at + 1..])),
            '\\' => name.push(characters.next().map(|(_, escaped)| escaped).filter(|c| matches!(c, '"' | '\\'))?),
            ' '..='~' => name.push(character),
            _ => return None,
        }
    }
    None
}

/// Parameters carry nothing we use; quoted values may hold commas.
fn skip_parameters(text: &str) -> &str {
    if !text.starts_with(';') {
        return text;
    }
    let mut quoted = false;
    let end = text.find(|character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    &text[end.unwrap_or(text.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_list_is_read() {
        let header = r#""moqt-19", "moqt-18""#;
        assert_eq!(parse_list(header), ["moqt-19", "moqt-18"]);
        assert_eq!(choose(&[Version::Draft18], header), Some(Version::Draft18));
        assert_eq!(choose(&[Version::Draft16], header), None);
    }

    #[test]
    fn our_order_decides() {
        let ours = [Version::Draft18, Version::Draft16];
        assert_eq!(choose(&ours, r#""moqt-16","moqt-18""#), Some(Version::Draft18));
        assert_eq!(choose(&ours, &offer(&[Version::Draft16])), Some(Version::Draft16));
        assert_eq!(choose(&ours, &quoted(Version::Draft18)), Some(Version::Draft18));
    }

    #[test]
    fn those_who_offer_moq_lite_get_the_draft_that_they_speak() {
        let ours = [Version::Draft18, Version::Draft16];
        let watch = r#""moq-lite-05", "moq-lite-04", "moql", "moqt-19", "moqt-18", "moqt-17", "moqt-16", "moqt-15""#;
        assert_eq!(choose(&ours, watch), Some(Version::Draft16));
        assert_eq!(choose(&ours[..1], watch), Some(Version::Draft18));
        assert_eq!(choose(&ours, r#""moq-lite-05", "moqt-18""#), Some(Version::Draft18));
    }

    #[test]
    fn parameters_tokens_and_escapes() {
        assert_eq!(parse_list(r#""a";q="x,y";z , b;n=1, "c\"d""#), ["a", "b", r#"c"d"#]);
    }

    #[test]
    fn malformed_lists_offer_nothing() {
        for header in [r#""moqt-18"#, r#""moqt-18" "moqt-16""#, r#", "moqt-18""#, "\"a\u{7f}\"", r#""a\b""#, ""] {
            assert!(parse_list(header).is_empty(), "{header:?}");
        }
    }

    #[test]
    fn endless_lists_are_cut() {
        let header = vec!["\"x\""; 1000].join(",");
        assert_eq!(parse_list(&header).len(), limit::MAX_OFFERED_PROTOCOLS);
    }
}
