//! Keeps webhooks from reaching into our own network: no address that is not public is connected to.
//!
//! A name is looked up by the very resolver whose answer the client connects to, so what was checked is what is used, however
//! the name's answer changes in between. Addresses written as numbers never reach a resolver and are checked in the URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::{Deserialize, Serialize};

use super::limit;

/// Settings of webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// Lets subscribers be in our own network and without TLS: for tests and demos only.
    pub allow_private: bool,
}

/// Why an address is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuardError {
    /// It is no URL.
    #[error("not a URL: {0}")]
    Unreadable(String),
    /// Too long.
    #[error("longer than {} bytes", limit::URL_BYTES)]
    Long,
    /// Without TLS.
    #[error("must begin with https://")]
    Scheme,
    /// It names a user or a part of a page, which a call cannot use.
    #[error("must hold no user, password or fragment")]
    Parts,
    /// It points into a network that is not public.
    #[error("must be a public address")]
    Private,
}

/// Reads an address that a subscriber wants to be called at.
///
/// # Errors
/// See [`GuardError`]. A name passes here and is checked when it is connected to.
pub(crate) fn parse(text: &str, settings: WebhookSettings) -> Result<Url, GuardError> {
    if text.len() > limit::URL_BYTES {
        return Err(GuardError::Long);
    }
    let url = Url::parse(text).map_err(|error| GuardError::Unreadable(error.to_string()))?;
    match url.scheme() {
        "https" => {}
        "http" if settings.allow_private => {}
        _ => return Err(GuardError::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(GuardError::Parts);
    }
    let host = url.host_str().unwrap_or_default();
    let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match number {
        Ok(address) if !settings.allow_private && !is_public(address) => Err(GuardError::Private),
        Err(_) if host.is_empty() => Err(GuardError::Private),
        _ => Ok(url),
    }
}

/// Looks names up and keeps only what may be connected to.
#[derive(Debug, Clone, Copy)]
pub(super) struct GuardedResolver(pub(super) WebhookSettings);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let settings = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| settings.allow_private || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err(GuardError::Private.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public internet (IANA special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // "This network", shared address space of carriers, protocol assignments, 6to4 relays, benchmarks.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        // Multicast, reserved, broadcast.
        || a >= 224;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only global unicast; of that neither Teredo and its like, documentation, nor IPv4 in disguise (6to4).
    let global = (0x2000..0x4000).contains(&a);
    let special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::{GuardError, WebhookSettings, is_public, parse};

    const STRICT: WebhookSettings = WebhookSettings { allow_private: false };
    const LOOSE: WebhookSettings = WebhookSettings { allow_private: true };

    #[test]
    fn private_addresses_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:127.0.0.1]",
            "[2002:7f00:1::]",
            "[64:ff9b::7f00:1]",
            "224.0.0.1",
            "255.255.255.255",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "[2001:db8::1]",
        ] {
            let url = format!("https://{host}/hook");
            assert_eq!(parse(&url, STRICT), Err(GuardError::Private), "{url}");
            assert!(parse(&url, LOOSE).is_ok(), "{url}");
        }
        for url in ["https://8.8.8.8/hook", "https://[2606:4700::1111]/hook", "https://example.com:8443/hook?x=1"] {
            assert!(parse(url, STRICT).is_ok(), "{url}");
        }
    }

    #[test]
    fn odd_addresses_are_refused() {
        assert_eq!(parse("http://example.com/", STRICT), Err(GuardError::Scheme));
        assert!(parse("http://example.com/", LOOSE).is_ok());
        assert_eq!(parse("file:///etc/passwd", LOOSE), Err(GuardError::Scheme));
        assert_eq!(parse("https://user:word@example.com/", STRICT), Err(GuardError::Parts));
        assert_eq!(parse("https://example.com/#top", STRICT), Err(GuardError::Parts));
        assert!(matches!(parse("hook", STRICT), Err(GuardError::Unreadable(_))));
        assert_eq!(parse(&format!("https://example.com/{}", "x".repeat(2000)), STRICT), Err(GuardError::Long));
    }

    proptest! {
        #[test]
        fn an_ipv4_address_in_disguise_is_never_public(bytes: [u8; 4]) {
            let address = Ipv4Addr::from(bytes);
            prop_assert!(!is_public(IpAddr::V6(address.to_ipv6_mapped())));
            if address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast() {
                prop_assert!(!is_public(IpAddr::V4(address)));
            }
        }

        #[test]
        fn any_text_brings_an_answer(text in ".{0,80}") {
            let _ = parse(&text, STRICT);
        }
    }
}
