//! The operator's PEM files: refused with a reason, reloaded when they change.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use certs::{CertificateError, CertificateSettings, CertificateStore, Clock, FileProblem};
use rcgen::{CertificateParams, KeyPair};

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes `cert.pem` and `key.pem` valid from `from` to `to`, in days from now.
    fn write(&self, from: i32, to: i32) {
        let (certificate, key) = make(from, to);
        fs::write(self.path("cert.pem"), certificate).unwrap();
        fs::write(self.path("key.pem"), key).unwrap();
    }

    fn settings(&self) -> CertificateSettings {
        CertificateSettings {
            certificate: Some(self.path("cert.pem")),
            key: Some(self.path("key.pem")),
            ..Default::default()
        }
    }

    /// The problem that loading reports, and the name of the file it blames.
    fn refusal(&self) -> (String, FileProblem) {
        match CertificateStore::load(&self.settings()).unwrap_err() {
            CertificateError::File { path, problem } => (name(&path), problem),
            other => panic!("{other}"),
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn make(from: i32, to: i32) -> (String, String) {
    let at = |days: i32| match u32::try_from(days) {
        Ok(days) => SystemTime::now() + days * DAY,
        Err(_) => SystemTime::now() - days.unsigned_abs() * DAY,
    };
    let mut params = CertificateParams::new(["relay.example".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (at(from).into(), at(to).into());
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_good_pair_is_served() {
    let files = Files::new();
    files.write(-1, 300);
    let (store, _) = CertificateStore::load(&files.settings()).unwrap();
    assert_eq!(store.hashes().len(), 1);
    assert!(store.validity().remaining(SystemTime::now()) > 299 * DAY);
}

#[test]
fn each_bad_file_is_blamed_by_name() {
    let files = Files::new();
    files.write(-10, -1);
    let (file, problem) = files.refusal();
    assert!(file == "cert.pem" && matches!(problem, FileProblem::Expired(_)), "{problem}");

    files.write(1, 10);
    let (file, problem) = files.refusal();
    assert!(file == "cert.pem" && matches!(problem, FileProblem::NotYetValid(_)), "{problem}");

    files.write(-1, 10);
    fs::write(files.path("key.pem"), make(-1, 10).1).unwrap();
    assert_eq!(files.refusal(), ("key.pem".to_owned(), FileProblem::Mismatch(files.path("cert.pem"))));

    fs::copy(files.path("cert.pem"), files.path("key.pem")).unwrap();
    assert_eq!(files.refusal(), ("key.pem".to_owned(), FileProblem::NoKey));

    fs::write(files.path("cert.pem"), "hello").unwrap();
    assert_eq!(files.refusal(), ("cert.pem".to_owned(), FileProblem::NoCertificate));

    fs::write(files.path("cert.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    let (file, problem) = files.refusal();
    assert!(file == "cert.pem" && matches!(problem, FileProblem::Pem(_)), "{problem}");

    fs::write(files.path("cert.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let (file, problem) = files.refusal();
    assert!(file == "cert.pem" && matches!(problem, FileProblem::Certificate(_)), "{problem}");

    files.write(-1, 10);
    fs::write(files.path("key.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let (file, problem) = files.refusal();
    assert!(file == "key.pem" && matches!(problem, FileProblem::Key(_)), "{problem}");

    fs::remove_file(files.path("key.pem")).unwrap();
    let error = CertificateStore::load(&files.settings()).unwrap_err();
    assert!(matches!(&error, CertificateError::Read { path, .. } if name(path) == "key.pem"), "{error}");
}

#[test]
fn half_a_pair_is_refused() {
    let settings = CertificateSettings { key: Some("key.pem".into()), ..Default::default() };
    let text = CertificateStore::load(&settings).unwrap_err().to_string();
    assert!(text.contains("a key file but no certificate file"), "{text}");
}

#[test]
fn changed_files_are_served_after_they_rested_for_a_poll() {
    let files = Files::new();
    files.write(-1, 10);
    let (store, mut watcher) = CertificateStore::load(&files.settings()).unwrap();
    let old = store.hashes();
    watcher.poll_once().unwrap();
    assert_eq!(store.hashes(), old);

    files.write(-1, 20);
    watcher.poll_once().unwrap();
    assert_eq!(store.hashes(), old, "the key may still be on its way");
    watcher.poll_once().unwrap();
    assert_ne!(store.hashes(), old);
    assert!(store.validity().remaining(SystemTime::now()) > 19 * DAY);
}

#[test]
fn bad_replacements_are_reported_and_the_old_certificate_stays() {
    let files = Files::new();
    files.write(-1, 10);
    let (store, mut watcher) = CertificateStore::load(&files.settings()).unwrap();
    let old = store.hashes();
    let mut refused = |change: &dyn Fn()| {
        change();
        watcher.poll_once().unwrap();
        let error = watcher.poll_once().unwrap_err();
        assert_eq!(store.hashes(), old);
        error.to_string()
    };
    assert!(refused(&|| files.write(-9, -1)).contains("expired at"));
    assert!(refused(&|| fs::write(files.path("key.pem"), make(-1, 9).1).unwrap()).contains("does not belong"));
    assert!(refused(&|| fs::write(files.path("cert.pem"), "").unwrap()).contains("holds no certificate"));

    fs::remove_file(files.path("cert.pem")).unwrap();
    assert!(watcher.poll_once().unwrap_err().to_string().contains("cannot read"));
    assert_eq!(store.hashes(), old);

    files.write(-1, 30);
    watcher.poll_once().unwrap();
    watcher.poll_once().unwrap();
    assert_ne!(store.hashes(), old, "a good pair is taken after bad ones");
}

#[test]
fn the_expiry_of_the_pair_in_service_is_reported() {
    use std::sync::{Arc, Mutex};
    let files = Files::new();
    files.write(-1, 10);
    let now = Arc::new(Mutex::new(SystemTime::now()));
    let clock = Clock::new({
        let now = Arc::clone(&now);
        move || *now.lock().unwrap()
    });
    let (store, mut watcher) = CertificateStore::load_at(&files.settings(), clock).unwrap();
    let old = store.hashes();
    *now.lock().unwrap() += 11 * DAY;
    let text = watcher.poll_once().unwrap_err().to_string();
    assert!(text.contains("cert.pem") && text.contains("expired at"), "{text}");
    assert_eq!(store.hashes(), old);
}
