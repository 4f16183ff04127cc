//! Every bound of this crate, with its unit and its reason.

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Life of a development certificate: browsers refuse a pinned certificate that lives longer than 14 days; one day of slack.
pub const VALIDITY: Duration = Duration::from_secs(13 * DAY.as_secs());

/// How far `not_before` lies in the past, for peers whose clocks run late.
pub const BACKDATE: Duration = HOUR;

/// The successor goes into service this long before the certificate expires.
pub const ROTATE_BEFORE: Duration = DAY;

/// The successor is made, and its hash published, this long before the certificate expires, so that a page opened
/// within a day before the switch already trusts it.
pub const ANNOUNCE_BEFORE: Duration = Duration::from_secs(2 * DAY.as_secs());

/// How often the watcher looks at the clock and the files: a replaced file is in service within two polls.
pub const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Bytes read of any one file: a long chain with its key takes some 20 KB.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

/// Development certificates read from a shared directory, newest first: two at a time per set of hosts are alive.
pub(crate) const MAX_GENERATIONS: usize = 64;

/// Attempts to add a certificate to a shared directory; each failed one means that another process added one.
pub(crate) const MAX_CREATE_ATTEMPTS: usize = 16;
