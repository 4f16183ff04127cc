//! Bounds of tokens.

use std::time::Duration;

/// Bytes of a token: five times what ours take, far below the limit on headers.
pub(super) const TOKEN_BYTES: usize = 4096;

/// Bytes of a subject or of who acts for it.
pub(super) const NAME_BYTES: usize = 200;

/// Verified tokens remembered; about 400 bytes each. More callers than that at a time only cost their signatures again.
pub(super) const VERIFIED_TOKENS: u64 = 50_000;

/// Tokens for calls between actors remembered until half of their time is over.
pub(super) const SERVICE_TOKENS: u64 = 10_000;

/// How long a token for calls between actors holds: longer than any call, too short to be of use to a thief.
pub(super) const SERVICE_TTL: Duration = Duration::from_secs(120);

/// By how much clocks of two machines may differ.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);

/// Public keys in a JWKS file: each process's, and as many retired ones.
pub(super) const PUBLIC_KEYS: usize = 64;
