//! Where to dial: `https://host:port/path` for WebTransport, `moqt://host:port/path` for raw QUIC.

use std::fmt::{Display, Formatter};
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A dialable address, checked when parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// How MOQT is carried.
    pub scheme: Scheme,
    /// Name or IP literal, without the brackets of an IPv6 literal.
    pub host: String,
    /// UDP port; 443 when the text named none.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: String,
}

/// The two ways MOQT rides on QUIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `https://`: a WebTransport session on HTTP/3.
    WebTransport,
    /// `moqt://`: straight on QUIC.
    Quic,
}

/// What is wrong with an address the user gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither `https://` nor `moqt://`.
    #[error("address {0:?} must begin with https:// (WebTransport) or moqt:// (raw QUIC)")]
    Scheme(String),
    /// Empty, or with characters no host name has.
    #[error("address {0:?} has no valid host")]
    Host(String),
    /// Not a number from 1 to 65535.
    #[error("address {0:?} has no valid port")]
    Port(String),
    /// Spaces or control characters.
    #[error("address {0:?} has an invalid path")]
    Path(String),
}

const DEFAULT_PORT: u16 = 443;

impl Address {
    /// `host:port`, with brackets around an IPv6 literal; the port is always there.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The address for people and logs: without the query, which may hold a token.
    #[must_use]
    pub fn without_query(&self) -> Self {
        let path = self.path.split('?').next().unwrap_or_default().to_owned();
        Self { path, ..self.clone() }
    }

    /// Whether the host is this machine by name or literal.
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((name, rest)) if name.eq_ignore_ascii_case("https") => (Scheme::WebTransport, rest),
            Some((name, rest)) if name.eq_ignore_ascii_case("moqt") => (Scheme::Quic, rest),
            _ => return Err(AddressError::Scheme(text.into())),
        };
        // Fragments stay local (draft-18 section 3.1).
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = split_authority(authority, text)?;
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AddressError::Path(text.into()));
        }
        let path = if path.starts_with('/') { path.into() } else { format!("/{path}") };
        Ok(Self { scheme, host, port, path })
    }
}

fn split_authority(authority: &str, text: &str) -> Result<(String, u16), AddressError> {
    let host_error = || AddressError::Host(text.into());
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (literal, port) = rest.split_once(']').ok_or_else(host_error)?;
        literal.parse::<Ipv6Addr>().map_err(|_| host_error())?;
        (literal, port)
    } else {
        let at = authority.find(':').unwrap_or(authority.len());
        let (name, port) = authority.split_at(at);
        let valid = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        (if valid { name } else { return Err(host_error()) }, port)
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or_else(|| AddressError::Port(text.into()))?,
        None if port.is_empty() => DEFAULT_PORT,
        None => return Err(host_error()),
    };
    Ok((host.to_ascii_lowercase(), port))
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.scheme {
            Scheme::WebTransport => "https",
            Scheme::Quic => "moqt",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_every_part() {
        let address: Address = "https://Localhost:4443/live/cam?token=a%20b#frag".parse().unwrap();
        assert_eq!(address.scheme, Scheme::WebTransport);
        assert_eq!((address.host.as_str(), address.port), ("localhost", 4443));
        assert_eq!(address.path, "/live/cam?token=a%20b");
        assert_eq!(address.to_string(), "https://localhost:4443/live/cam?token=a%20b");
        assert_eq!(address.without_query().to_string(), "https://localhost:4443/live/cam");
        assert!(address.is_localhost());
    }

    #[test]
    fn fills_in_port_and_path() {
        let address: Address = "moqt://relay.example".parse().unwrap();
        assert_eq!(address.scheme, Scheme::Quic);
        assert_eq!(address.to_string(), "moqt://relay.example:443/");
        assert_eq!("moqt://a?x=1".parse::<Address>().unwrap().path, "/?x=1");
    }

    #[test]
    fn keeps_ipv6_literals_apart_from_ports() {
        let address: Address = "https://[::1]:9".parse().unwrap();
        assert_eq!((address.host.as_str(), address.port), ("::1", 9));
        assert_eq!(address.authority(), "[::1]:9");
        assert!(address.is_localhost());
    }

    #[test]
    fn names_what_is_wrong() {
        let error = |text: &str| text.parse::<Address>().unwrap_err();
        assert!(matches!(error("http://a"), AddressError::Scheme(_)));
        assert!(matches!(error("localhost:4443"), AddressError::Scheme(_)));
        assert!(matches!(error("https://"), AddressError::Host(_)));
        assert!(matches!(error("https://user@a"), AddressError::Host(_)));
        assert!(matches!(error("https://::1"), AddressError::Host(_)));
        assert!(matches!(error("https://[::1"), AddressError::Host(_)));
        assert!(matches!(error("https://a:0"), AddressError::Port(_)));
        assert!(matches!(error("https://a:65536"), AddressError::Port(_)));
        assert!(matches!(error("https://a/b c"), AddressError::Path(_)));
    }
}
