//! An origin that dials a relay.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{sync::Arc, time::Duration};

use certs::{CertificateSettings, CertificateStore, hash_to_hex};
use common::{MAX_OBJECT, Running, loopback, namespace, patiently, settings, track};
use moqt::{Parameters, SessionErrorCode};
use origin::{RelayTrustSettings, Settings, SourceSettings};
use transport::{
    Accepted, EndpointSettings, IncomingRequest, NamespaceHold, ServerEndpoint, Session, SessionSettings, TrackEvent,
};

/// The relay's side: an endpoint, and the sessions that publish to it.
struct Relay {
    endpoint: ServerEndpoint,
    store: Arc<CertificateStore>,
}

impl Relay {
    fn start() -> Self {
        let (store, _) = CertificateStore::load(&CertificateSettings::default()).unwrap();
        let listen = EndpointSettings { addresses: vec![loopback()], ..EndpointSettings::default() };
        let endpoint = ServerEndpoint::bind(listen, store.clone(), None).unwrap();
        Self { endpoint, store }
    }

    fn publisher(&self, scheme: &str) -> Settings {
        let hashes = self.store.hashes().iter().map(hash_to_hex).collect();
        let address = format!("{scheme}://127.0.0.1:{}/in", self.endpoint.local_addresses()[0].port());
        Settings {
            listen: vec![loopback()],
            publish: vec![address.parse().unwrap()],
            trust: RelayTrustSettings { hashes, ..RelayTrustSettings::default() },
            ..settings(SourceSettings::Sample { once: false })
        }
    }

    /// Waits for a session and the namespace it publishes.
    async fn accept(&self) -> (Session, NamespaceHold) {
        let incoming = patiently(self.endpoint.accept()).await.unwrap();
        let Accepted::Session(connection) = patiently(incoming.accept()).await.unwrap() else { panic!("no session") };
        let (session, driver) = transport::start(connection, SessionSettings::default()).unwrap();
        tokio::spawn(driver);
        match patiently(session.next_request()).await {
            Some(IncomingRequest::PublishNamespace(request)) => {
                assert_eq!(request.namespace, namespace());
                (session, request.accept())
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn first_frame(session: &Session) {
    let mut joined = patiently(session.join(track("video0"), Parameters::default(), 0)).await.unwrap();
    let object = match joined.head.take() {
        Some(mut head) => patiently(head.next_object(MAX_OBJECT)).await.unwrap().unwrap().header.location.object,
        None => match patiently(joined.subscription.next()).await {
            TrackEvent::Subgroup(mut reader) => {
                patiently(reader.next_object(MAX_OBJECT)).await.unwrap().unwrap().header.object_id
            }
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(object, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p20_the_relay_gets_the_namespace_and_can_subscribe() {
    for scheme in ["moqt", "https"] {
        let relay = Relay::start();
        let _origin = Running::start(relay.publisher(scheme)).await;
        let (session, _hold) = relay.accept().await;
        first_frame(&session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_relay_is_dialled_again() {
    let relay = Relay::start();
    let _origin = Running::start(relay.publisher("moqt")).await;
    let (session, hold) = relay.accept().await;
    session.close(SessionErrorCode::InternalError, "restart");
    drop((session, hold));
    let (session, hold) = relay.accept().await;
    // Also when only the publication is revoked.
    drop(hold);
    patiently(session.closed()).await;
    let (session, _hold) = relay.accept().await;
    first_frame(&session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p23_a_relay_that_asks_to_move_keeps_its_session_until_the_next_one_publishes() {
    let (old, new) = (Relay::start(), Relay::start());
    let mut settings = old.publisher("moqt");
    settings.trust.hashes.extend(new.store.hashes().iter().map(hash_to_hex));
    let _origin = Running::start(settings).await;
    let (leaving, _hold) = old.accept().await;
    let mut video = patiently(leaving.subscribe(track("video0"), Parameters::default())).await.unwrap();
    let port = new.endpoint.local_addresses()[0].port();
    leaving.go_away(&format!("moqt://127.0.0.1:{port}/"), Duration::from_secs(2));
    let (session, _new_hold) = new.accept().await;
    first_frame(&session).await;
    assert!(!leaving.is_closed(), "the old session carries on while subscriptions move");
    assert!(matches!(patiently(video.next()).await, TrackEvent::Subgroup(_)));
    patiently(leaving.closed()).await;
    first_frame_again(&session).await;
}

/// The new session is not affected by the end of the old one.
async fn first_frame_again(session: &Session) {
    let mut audio = patiently(session.subscribe(track("audio0"), Parameters::default())).await.unwrap();
    assert!(matches!(patiently(audio.next()).await, TrackEvent::Subgroup(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn p20_the_relay_is_told_when_the_origin_stops() {
    let relay = Relay::start();
    let mut origin = Running::start(relay.publisher("moqt")).await;
    let (session, mut hold) = relay.accept().await;
    origin.shutdown.begin();
    patiently(hold.ended()).await;
    patiently(session.closed()).await;
    patiently(&mut origin.task).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_token_in_the_file_is_shown_by_a_new_session_before_the_old_one_is_left() {
    let relay = Relay::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let settings = Settings { publish_token_file: Some(file.path().to_owned()), ..relay.publisher("moqt") };
    let both = Settings { publish_token: Some("x".to_owned().into()), ..settings.clone() };
    assert!(both.check().unwrap_err().to_string().contains("publish_token_file"));
    let _origin = Running::start(settings).await;
    let shown = async |session: &Session| patiently(session.established()).await.unwrap().tokens[0].value.clone();
    let (old, _hold) = relay.accept().await;
    assert_eq!(&shown(&old).await[..], b"first");
    std::fs::write(file.path(), "second\n").unwrap();
    let (new, _new_hold) = relay.accept().await;
    assert_eq!(&shown(&new).await[..], b"second");
    assert!(!old.is_closed());
    first_frame(&new).await;
}
