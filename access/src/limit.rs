//! Every bound of tokens and keys that is not a setting, with its unit and its reason.

use std::time::Duration;

/// Bytes of a token that are looked at: as many as a session may register, far more than claims need.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// Rights that one token may name; each is looked at for every request that it is shown for.
pub(crate) const SCOPES: usize = 256;
/// Keys held at once, of all files and the URL: a handful of issuers, each with a key before and after.
pub(crate) const KEYS: usize = 64;
/// Keys tried for a token that does not say which one signed it: each costs a signature.
pub(crate) const NAMELESS_TRIES: usize = 8;
/// Bytes of a key file or a key set from a URL.
pub(crate) const KEY_SET_BYTES: usize = 64 * 1024;
/// Bytes of an HMAC key, at least: as many as its hash (RFC 7518 section 3.2).
pub(crate) const SECRET_BYTES: usize = 32;
/// How long a key set may take to arrive.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// First pause after a key set could not be read.
pub(crate) const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest pause between attempts while it cannot.
pub(crate) const RETRY_MOST: Duration = Duration::from_secs(60);
/// Pause between two readings that tokens with unknown keys ask for: strangers must not make this server a burden to another.
pub(crate) const DEMAND_PAUSE: Duration = Duration::from_secs(2);
/// How long a token with an unknown key waits for the keys to be read again.
pub(crate) const KEY_WAIT: Duration = Duration::from_secs(4);
/// Tokens remembered as verified, or not; some 500 bytes each. More at a time only cost their signatures again.
pub(crate) const VERIFIED_TOKENS: u64 = 10_000;
/// How long they are remembered.
pub(crate) const VERIFIED_TIME: Duration = Duration::from_secs(300);
/// How often the file of a token that this server shows to another is looked at.
pub(crate) const CREDENTIAL_INTERVAL: Duration = Duration::from_secs(2);
/// Shortest `moqt-reval` that is obeyed, in seconds: a lower one is refused, as the draft wants.
pub(crate) const REVALIDATION_S: f64 = 1.0;
