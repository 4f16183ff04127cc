//! The URL of a broadcast: where to dial, and which namespace is meant.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use moqt::{FullTrackName, Namespace, TrackName};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};
use transport::{Address, Scheme};

/// What a URL on the command line stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where to dial; its path is sent as it stands.
    pub(crate) address: Address,
    /// The namespace of the path's segments, or of the `#msf:` fragment.
    pub(crate) namespace: Namespace,
    /// The catalog track that a `#msf:` fragment names.
    pub(crate) catalog: Option<TrackName>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut address: Address = text.parse().map_err(|error: transport::AddressError| error.to_string())?;
        let fragment = text.split_once('#').map(|(_, fragment)| fragment).unwrap_or_default();
        if let Some(msf) = fragment.strip_prefix("msf:") {
            let mut parts = msf.split('&');
            let name = parts.next().unwrap_or_default();
            let full: FullTrackName =
                name.parse().map_err(|error| format!("#msf:{name}: {error}; expected #msf:field-field--catalog"))?;
            for part in parts {
                match part {
                    "connection=wt" => address.scheme = Scheme::WebTransport,
                    "connection=q" => address.scheme = Scheme::Quic,
                    _ => {}
                }
            }
            return Ok(Self { address, namespace: full.namespace, catalog: Some(full.name) });
        }
        let path = address.path.split('?').next().unwrap_or_default();
        let namespace = parse_namespace(path)?;
        Ok(Self { address, namespace, catalog: None })
    }
}

/// A namespace written as a path: fields between slashes, `%2F` for a slash inside of one.
pub(crate) fn parse_namespace(text: &str) -> Result<Namespace, String> {
    let fields =
        text.split('/').filter(|field| !field.is_empty()).map(|field| percent_decode_str(field).collect::<Vec<u8>>());
    Namespace::new(fields).map_err(|error| format!("namespace {text:?}: {error}"))
}

impl Display for Target {
    /// The address as given, without the query: that may hold a token.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.address.without_query())
    }
}

/// A namespace as a path, as [`parse_namespace`] reads it.
pub(crate) fn show_namespace(namespace: &Namespace) -> String {
    let fields: Vec<String> = namespace.fields().iter().map(|field| show_bytes(field)).collect();
    fields.join("/")
}

/// A track name for people.
pub(crate) fn show_track(name: &TrackName) -> String {
    show_bytes(name.as_bytes())
}

/// Text as it is, except for what would look like another field or garble a terminal; other bytes percent-encoded.
fn show_bytes(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else { return percent_encode(bytes, NON_ALPHANUMERIC).to_string() };
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let plain = character.is_alphanumeric()
            || character == ' '
            || (character.is_ascii_graphic() && !"/%?#".contains(character));
        if plain {
            shown.push(character);
        } else {
            shown.extend(utf8_percent_encode(character.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(fields: &[&'static str]) -> Namespace {
        Namespace::new(fields.iter().copied()).unwrap()
    }

    #[test]
    fn the_path_names_the_namespace() {
        let target: Target = "https://localhost:4443/live/demo?token=1".parse().unwrap();
        assert_eq!(target.namespace, namespace(&["live", "demo"]));
        assert_eq!(target.address.path, "/live/demo?token=1");
        assert_eq!(target.to_string(), "https://localhost:4443/live/demo");
        let target: Target = "moqt://relay.example/a%2Fb//c/".parse().unwrap();
        assert_eq!(target.namespace, namespace(&["a/b", "c"]));
        assert_eq!(show_namespace(&target.namespace), "a%2Fb/c");
        assert!("https://localhost".parse::<Target>().unwrap().namespace.is_empty());
    }

    #[test]
    fn the_msf_fragment_beats_the_path() {
        let target: Target = "moqt://host:1/relay?x=1#msf:live-demo--catalog&connection=wt".parse().unwrap();
        assert_eq!(target.namespace, namespace(&["live", "demo"]));
        assert_eq!(target.catalog, Some(TrackName::new("catalog").unwrap()));
        assert_eq!(target.address.scheme, Scheme::WebTransport);
        assert_eq!(target.address.path, "/relay?x=1");
        let error = "moqt://host/#msf:live".parse::<Target>().unwrap_err();
        assert!(error.contains("#msf:field-field--catalog"), "{error}");
    }

    #[test]
    fn wrong_urls_say_what_is_wrong() {
        let error = |text: &str| text.parse::<Target>().unwrap_err();
        assert!(error("localhost:4443/live").contains("https://"));
        assert!(error("https://a:0/x").contains("port"));
        let long = format!("https://a/{}", "x/".repeat(40));
        assert!(error(&long).contains("32 fields"));
    }

    #[test]
    fn names_that_are_not_text_are_escaped() {
        assert_eq!(show_track(&TrackName::new(&b"\xff\x00"[..]).unwrap()), "%FF%00");
        assert_eq!(show_track(&TrackName::new("my track\x1b[2J").unwrap()), "my track%1B[2J");
        assert_eq!(show_track(&TrackName::new("камера").unwrap()), "камера");
    }
}
