//! Local certificates: makes, watches and rotates them.
//!
//! Two kinds of certificate, one [`CertificateStore`] that TLS asks for the key to use:
//!
//! - a *development certificate* (self-signed, ECDSA P-256, 13 days, as browsers demand of certificates pinned by hash),
//!   made on the spot, optionally kept in a directory that several processes share, and replaced before it expires;
//! - *PEM files* of the operator, read again when their contents change.
//!
//! Nothing runs behind the caller: [`Watcher::run`] is a future to be driven beside the server. A file that cannot be used
//! is refused with an error that names it, and the certificate in service stays.
//!
//! A client on the same computer trusts a development certificate without a flag: the server writes its hashes into a
//! directory of the user ([`Watcher::publish_hashes`]), the client reads them ([`development_hashes`]).

mod clock;
mod development;
mod error;
mod file;
mod hash;
mod hash_file;
mod limit;
mod pair;
mod pem;
mod settings;
mod store;
mod watcher;

pub use clock::Clock;
pub use error::{CertificateError, FileProblem};
pub use hash::{CertificateHash, hash_from_hex, hash_to_hex};
pub use hash_file::development_hashes;
pub use limit::{ANNOUNCE_BEFORE, BACKDATE, POLL_INTERVAL, ROTATE_BEFORE, VALIDITY};
pub use pair::Validity;
pub use settings::CertificateSettings;
pub use store::CertificateStore;
pub use watcher::Watcher;
