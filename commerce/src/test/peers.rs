//! One actor asks another, in this process and over HTTP: the answers are the same.

use std::time::Duration;

use process::{HttpSettings, Shutdown};
use serde_json::{Value, json};

use super::TestProcess;
use super::edge::process;
use crate::auth::Scope;
use crate::context::Actor;
use crate::peer::{self, Identity, Peer, PeerError};
use crate::settings::LimitSettings;

fn reseller(scopes: &[Scope]) -> Identity {
    Identity { from: Actor::Reseller, scopes: scopes.to_vec(), on_behalf_of: Some("demo-1".to_owned()) }
}

/// Everything a peer may be asked and answers.
async fn converse(peer: &Peer) -> Vec<String> {
    let mut said = Vec::new();
    let mut note = |outcome: Result<Value, PeerError>| match outcome {
        Ok(value) => said.push(value.to_string()),
        Err(PeerError::Refused(problem)) => said.push(format!("refused {} {:?}", problem.word(), problem.errors)),
        Err(error) => said.push(error.to_string()),
    };
    let (able, unable) = (reseller(&[Scope::OrderWrite]), reseller(&[]));
    let wish = json!({ "lines": [{ "quantity": 1 }] });
    note(peer.get("/things?limit=2", &able).await);
    note(peer.post("/wishes", "step-1", &wish, &able).await);
    note(peer.post("/wishes", "step-2", &json!({ "lines": [{ "quantity": 0 }] }), &able).await);
    note(peer.post("/wishes", "step-3", &wish, &unable).await);
    note(peer.get("/nothing", &able).await);
    let (first, second) = tokio::join!(
        peer.post::<_, Value>("/wishes", "step-4", &wish, &able),
        peer.post::<_, Value>("/wishes", "step-4", &wish, &able),
    );
    let unfinished = [first, second].into_iter().filter(|one| matches!(one, Err(PeerError::Unavailable(_)))).count();
    assert_eq!(unfinished, 1, "a key in flight is asked for again later");
    said
}

#[tokio::test]
async fn answers_do_not_depend_on_the_way() {
    let here = process(LimitSettings::default()).await;
    let near = converse(&here.context.peers.get(Actor::Grocery)).await;
    assert!(near[1].contains("demo-1>reseller"), "{near:?}");
    assert!(near[2].contains("/lines/0/quantity") && near[3].contains("forbidden"), "{near:?}");

    let (shutdown, listeners) = (Shutdown::new(Duration::from_secs(1)), process::bind_localhost(0).unwrap());
    let url = format!("http://{}/", listeners[0].local_addr().unwrap());
    let serving = tokio::spawn({
        let (router, shutdown) = (here.router(), shutdown.clone());
        async move { process::serve_http(listeners, router, &HttpSettings::default(), &shutdown).await }
    });
    let client = peer::client(None, Duration::from_secs(5)).unwrap();
    here.context.peers.bind_url(Actor::Grocery, &url, &client).unwrap();
    assert_eq!(converse(&here.context.peers.get(Actor::Grocery)).await, near);

    shutdown.begin();
    serving.await.unwrap();
    let peer = here.context.peers.get(Actor::Grocery);
    for _ in 0..8 {
        let lost = peer.get::<Value>("/things", &reseller(&[])).await.unwrap_err();
        assert!(matches!(lost, PeerError::Unavailable(_)), "{lost:?}");
    }
    let rest = peer.get::<Value>("/things", &reseller(&[])).await.unwrap_err();
    assert!(rest.to_string().contains("failed lately"), "{rest}");
}

#[tokio::test]
async fn a_peer_that_is_nowhere_is_not_available() {
    let process = TestProcess::new().await;
    let lost = process.context.peers.get(Actor::Courier).get::<Value>("/parcels/1", &reseller(&[])).await;
    assert!(matches!(lost, Err(PeerError::Unavailable(_))));
    let client = peer::client(None, Duration::from_secs(5)).unwrap();
    for wrong in ["ftp://host", "host:80", "http://host/?q"] {
        assert!(process.context.peers.bind_url(Actor::Courier, wrong, &client).is_err(), "{wrong}");
    }
}
