//! The development certificate over its whole life, under a clock moved by hand.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use certs::{
    ANNOUNCE_BEFORE, BACKDATE, CertificateError, CertificateHash, CertificateSettings, CertificateStore, Clock,
    POLL_INTERVAL, ROTATE_BEFORE, VALIDITY, Watcher, development_hashes, hash_to_hex,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A clock that stands still until it is moved.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self(Arc::new(AtomicU64::new(now.as_secs())))
    }

    fn clock(&self) -> Clock {
        let this = self.clone();
        Clock::new(move || this.now())
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    fn set(&self, to: SystemTime) {
        self.0.store(to.duration_since(UNIX_EPOCH).unwrap().as_secs(), Ordering::Relaxed);
    }
}

fn kept_in(directory: &Path) -> CertificateSettings {
    CertificateSettings { directory: Some(directory.to_owned()), ..Default::default() }
}

fn load(settings: &CertificateSettings, hand: &Hand) -> (Arc<CertificateStore>, Watcher) {
    CertificateStore::load_at(settings, hand.clock()).unwrap()
}

fn only(store: &CertificateStore) -> CertificateHash {
    let hashes = store.hashes();
    assert_eq!(hashes.len(), 1);
    hashes[0]
}

#[test]
fn lives_thirteen_days_backdated_an_hour() {
    let hand = Hand::new();
    let (store, _watcher) = load(&CertificateSettings::default(), &hand);
    let validity = store.validity();
    assert_eq!(validity.not_before, hand.now() - BACKDATE);
    assert_eq!(validity.not_after.duration_since(validity.not_before).unwrap(), VALIDITY);
    assert_eq!(VALIDITY, 13 * 24 * HOUR);
    assert_eq!(validity.remaining(hand.now()), VALIDITY - BACKDATE);
    assert_eq!(validity.remaining(validity.not_after + HOUR), Duration::ZERO);
}

#[test]
fn publishes_the_successor_then_switches_then_forgets() {
    let hand = Hand::new();
    let (store, mut watcher) = load(&CertificateSettings::default(), &hand);
    let (first, end) = (only(&store), store.validity().not_after);

    hand.set(end - ANNOUNCE_BEFORE - HOUR);
    watcher.poll_once().unwrap();
    assert_eq!(store.hashes(), [first]);

    hand.set(end - ANNOUNCE_BEFORE);
    watcher.poll_once().unwrap();
    let hashes = store.hashes();
    assert_eq!((hashes.len(), hashes[0]), (2, first), "the successor is announced, not in service");
    let second = hashes[1];

    hand.set(end - ROTATE_BEFORE - HOUR);
    watcher.poll_once().unwrap();
    assert_eq!(store.hashes(), [first, second]);

    hand.set(end - ROTATE_BEFORE);
    watcher.poll_once().unwrap();
    assert_eq!(store.hashes(), [second, first], "the successor serves, the predecessor is still trusted");
    assert!(store.validity().not_after > end);

    hand.set(end + HOUR);
    watcher.poll_once().unwrap();
    assert_eq!(store.hashes(), [second]);
}

#[test]
fn a_process_that_slept_through_the_expiry_gets_a_new_certificate() {
    let hand = Hand::new();
    let (store, mut watcher) = load(&CertificateSettings::default(), &hand);
    let first = only(&store);
    hand.advance(40 * 24 * HOUR);
    watcher.poll_once().unwrap();
    assert_ne!(only(&store), first);
    assert!(store.validity().not_before < hand.now() && hand.now() < store.validity().not_after);
}

#[test]
fn is_never_without_a_valid_certificate_for_a_year() {
    let hand = Hand::new();
    let directory = tempfile::tempdir().unwrap();
    let (store, mut watcher) = load(&kept_in(directory.path()), &hand);
    let mut served = vec![store.hashes()[0]];
    for _ in 0..365 * 2 {
        hand.advance(12 * HOUR);
        let trusted = store.hashes();
        watcher.poll_once().unwrap();
        let current = store.hashes()[0];
        assert!(trusted.contains(&current), "a page opened before the switch must trust the certificate after it");
        assert!(store.validity().remaining(hand.now()) > ROTATE_BEFORE - 12 * HOUR);
        assert!(store.hashes().len() <= 2);
        if served.last() != Some(&current) {
            served.push(current);
        }
    }
    assert!((30..40).contains(&served.len()), "{} certificates in a year", served.len());
    assert!(fs::read_dir(directory.path()).unwrap().count() <= 2, "expired files are removed");
}

#[test]
fn a_restart_keeps_the_certificate_of_the_directory() {
    let (hand, directory) = (Hand::new(), tempfile::tempdir().unwrap());
    let settings = kept_in(&directory.path().join("made/on/demand"));
    let (first, _) = load(&settings, &hand);
    hand.advance(5 * 24 * HOUR);
    let (second, _) = load(&settings, &hand);
    assert_eq!(first.hashes(), second.hashes());
    hand.advance(20 * 24 * HOUR);
    let (third, _) = load(&settings, &hand);
    assert_ne!(only(&first), only(&third));
}

#[test]
fn processes_that_share_a_directory_rotate_to_the_same_certificate() {
    let (hand, directory) = (Hand::new(), tempfile::tempdir().unwrap());
    let (one, mut watch_one) = load(&kept_in(directory.path()), &hand);
    let (two, mut watch_two) = load(&kept_in(directory.path()), &hand);
    for _ in 0..30 {
        hand.advance(24 * HOUR);
        watch_one.poll_once().unwrap();
        watch_two.poll_once().unwrap();
        assert_eq!(one.hashes(), two.hashes());
    }
}

#[test]
fn other_hosts_get_a_certificate_of_their_own_and_leave_the_first_in_service() {
    let (hand, directory) = (Hand::new(), tempfile::tempdir().unwrap());
    let (one, mut watch_one) = load(&kept_in(directory.path()), &hand);
    let hosts = vec!["EFIR.test".to_owned(), "[::1]".to_owned(), "10.0.0.1".to_owned()];
    let others = CertificateSettings { hosts, ..kept_in(directory.path()) };
    let (two, _) = load(&others, &hand);
    let (three, _) = load(&others, &hand);
    watch_one.poll_once().unwrap();
    assert_ne!(only(&one), only(&two));
    assert_eq!(only(&two), only(&three));
}

#[test]
fn a_damaged_file_in_the_directory_is_passed_over() {
    let (hand, directory) = (Hand::new(), tempfile::tempdir().unwrap());
    fs::write(directory.path().join("development-7.pem"), "not a certificate").unwrap();
    fs::write(directory.path().join("development-x.pem"), "not ours").unwrap();
    let (store, mut watcher) = load(&kept_in(directory.path()), &hand);
    watcher.poll_once().unwrap();
    assert_eq!(store.hashes().len(), 1);
    assert!(directory.path().join("development-8.pem").exists());
}

#[test]
fn a_host_that_no_certificate_can_carry_is_named() {
    let settings = CertificateSettings { hosts: vec!["localhost".into(), "пример".into()], ..Default::default() };
    let error = CertificateStore::load(&settings).unwrap_err();
    assert!(matches!(&error, CertificateError::Host { host, .. } if host == "пример"), "{error}");
}

#[test]
fn a_lost_directory_leaves_the_certificate_in_service_until_it_is_back() {
    let (hand, parent) = (Hand::new(), tempfile::tempdir().unwrap());
    let directory = parent.path().join("local");
    let (store, mut watcher) = load(&kept_in(&directory), &hand);
    let first = only(&store);
    fs::remove_dir_all(&directory).unwrap();
    hand.advance(HOUR);
    let error = watcher.poll_once().unwrap_err();
    assert!(matches!(error, CertificateError::Read { .. }), "{error}");
    assert_eq!(only(&store), first);
    fs::create_dir(&directory).unwrap();
    watcher.poll_once().unwrap();
    assert_eq!(store.hashes().len(), 1);
}

#[test]
fn clients_read_the_hashes_of_a_port_while_its_server_lives() {
    let (hand, state) = (Hand::new(), tempfile::tempdir().unwrap());
    let (store, mut watcher) = load(&CertificateSettings::default(), &hand);
    assert!(development_hashes(state.path(), 4443).unwrap().is_empty());
    watcher.publish_hashes(state.path(), 4443).unwrap();
    assert_eq!(development_hashes(state.path(), 4443).unwrap(), store.hashes());
    assert!(development_hashes(state.path(), 4444).unwrap().is_empty());

    hand.set(store.validity().not_after - ROTATE_BEFORE);
    watcher.poll_once().unwrap();
    assert_eq!(store.hashes().len(), 2);
    assert_eq!(development_hashes(state.path(), 4443).unwrap(), store.hashes());

    drop(watcher);
    assert!(development_hashes(state.path(), 4443).unwrap().is_empty());
}

#[test]
fn a_dying_server_leaves_the_file_of_the_one_that_took_over_its_port() {
    let (hand, state) = (Hand::new(), tempfile::tempdir().unwrap());
    let (_, mut old) = load(&CertificateSettings::default(), &hand);
    let (store, mut new) = load(&CertificateSettings::default(), &hand);
    old.publish_hashes(state.path(), 1).unwrap();
    new.publish_hashes(state.path(), 1).unwrap();
    drop(old);
    assert_eq!(development_hashes(state.path(), 1).unwrap(), store.hashes());
}

#[test]
fn a_damaged_hash_file_is_an_error_that_names_it() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("9.sha256"), "hello\n").unwrap();
    let text = development_hashes(state.path(), 9).unwrap_err().to_string();
    assert!(text.contains("9.sha256") && text.contains("line 1"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn run_rotates_by_itself() {
    let hand = Hand::new();
    let (store, watcher) = load(&CertificateSettings::default(), &hand);
    let first = only(&store);
    let watch = async {
        tokio::time::sleep(2 * POLL_INTERVAL).await;
        assert_eq!(only(&store), first);
        hand.set(store.validity().not_after - ROTATE_BEFORE);
        tokio::time::sleep(2 * POLL_INTERVAL).await;
        store.hashes()
    };
    let hashes = tokio::select! {
        hashes = watch => hashes,
        never = watcher.run() => match never {},
    };
    assert_ne!(hash_to_hex(&hashes[0]), hash_to_hex(&first));
    assert_eq!(hashes[1], first);
}
