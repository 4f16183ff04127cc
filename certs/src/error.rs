//! What can go wrong, grouped by whose fault it is.

use std::{io, path::PathBuf};

use time::OffsetDateTime;

/// A certificate could not be loaded, made or kept.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The settings contradict themselves.
    #[error("the settings name a {given} file but no {missing} file: give both or neither")]
    HalfPair {
        /// The setting that is present.
        given: &'static str,
        /// The setting that is absent.
        missing: &'static str,
    },
    /// The settings name a host no certificate can carry.
    #[error("{host:?} cannot be put into a certificate: {reason}")]
    Host {
        /// The host as configured.
        host: String,
        /// Why it is refused.
        reason: String,
    },
    /// A file has contents that cannot be used; whoever put it there has to replace it.
    #[error("{}: {problem}", path.display())]
    File {
        /// The offending file.
        path: PathBuf,
        /// What is wrong with it.
        problem: FileProblem,
    },
    /// The operating system refuses to read a file or directory.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The reason given.
        source: io::Error,
    },
    /// The operating system refuses to write a file or directory.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The reason given.
        source: io::Error,
    },
    /// The cryptography library could not make a certificate.
    #[error("cannot make a development certificate: {0}")]
    Generate(String),
    /// Other processes kept adding certificates to the shared directory faster than this one.
    #[error("cannot add a certificate to {}: other processes keep winning the race", .0.display())]
    Contended(PathBuf),
}

/// What is wrong with the contents of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// The file is larger than any certificate or key.
    #[error("larger than {0} bytes, so it is not a certificate or key")]
    TooLarge(u64),
    /// The PEM text is damaged.
    #[error("damaged PEM text: {0}")]
    Pem(String),
    /// No certificate section.
    #[error("holds no certificate (a PEM section \"CERTIFICATE\" is expected)")]
    NoCertificate,
    /// No private key section.
    #[error("holds no private key (a PEM section \"PRIVATE KEY\" is expected)")]
    NoKey,
    /// The certificate's bytes are not X.509.
    #[error("not an X.509 certificate: {0}")]
    Certificate(String),
    /// The key's kind or bytes cannot be used to sign.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// The key belongs to another certificate.
    #[error("the private key does not belong to the certificate in {}", .0.display())]
    Mismatch(PathBuf),
    /// The certificate's time is over.
    #[error("the certificate expired at {0}")]
    Expired(OffsetDateTime),
    /// The certificate's time has not come.
    #[error("the certificate is not valid before {0}")]
    NotYetValid(OffsetDateTime),
    /// A line of a hash file is not a hash.
    #[error("line {0} is not a certificate hash and its expiry")]
    HashLine(usize),
}
