//! Every bound of webhooks, with its unit and its reason.

use std::time::Duration;

/// Subscriptions of one owner: a few systems each with a test and a live address.
pub(crate) const SUBSCRIPTIONS: i64 = 20;
/// Longest address, in bytes: what proxies still take.
pub(crate) const URL_BYTES: usize = 2000;
/// Bytes of a new secret, before base64: the strength of the HMAC (Standard Webhooks asks for 24 to 64).
pub(crate) const SECRET_BYTES: usize = 32;
/// How long the secret before a rotation still signs.
pub(crate) const OLD_SECRET: Duration = Duration::from_secs(24 * 3600);
/// How far a signature's time may be from ours (Standard Webhooks: 5 minutes).
pub(crate) const TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// Longest id that a signed call may carry, in bytes: it is kept to know repeats.
pub(crate) const ID_BYTES: usize = 200;
/// Signatures looked at in one header: the sender may be rotating its secret, not trying keys.
pub(crate) const SIGNATURES: usize = 8;
/// How long a connection to a subscriber may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// How long a subscriber may take to answer (Standard Webhooks: 15 to 30 s).
pub(crate) const ANSWER: Duration = Duration::from_secs(20);
/// Largest event that is sent, in bytes: an order with all its lines fits many times.
pub(crate) const BODY_BYTES: usize = 256 * 1024;
/// Deliveries of a subscription that are listed.
pub(crate) const LISTED: i64 = 100;
/// Deliveries queued anew in one look at start.
pub(crate) const RESUMED: i64 = 1000;
/// How long ended deliveries are kept to look at.
pub(crate) const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);
