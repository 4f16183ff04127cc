//! The interop runner's cases: sessions, announcements, subscriptions.

use std::pin::pin;
use std::time::Duration;

use moqt::{Filter, FullTrackName, Namespace, Parameters, TrackName};
use tokio::time::timeout;
use transport::{NamespacePublication, RequestFailure, Session, Subscription};

use super::bench::{Bench, Role};
use super::fault::{Fault, Party};
use super::sink::settle;
use super::source::Source;

/// How much earlier than its publisher a subscriber comes.
const HEAD_START: Duration = Duration::from_millis(500);

pub(super) async fn setup_only(bench: &Bench<'_>) -> Result<(), Fault> {
    let session = bench.connect(Role::Client, None).await?;
    settle(bench, Role::Client, &session).await
}

pub(super) async fn announce_only(bench: &Bench<'_>) -> Result<(), Fault> {
    let session = bench.connect(Role::Client, None).await?;
    let _announced = announce(bench, Role::Client, &session, bench.namespace()).await?;
    settle(bench, Role::Client, &session).await
}

pub(super) async fn publish_namespace_done(bench: &Bench<'_>) -> Result<(), Fault> {
    let session = bench.connect(Role::Client, None).await?;
    drop(announce(bench, Role::Client, &session, bench.namespace()).await?);
    settle(bench, Role::Client, &session).await
}

pub(super) async fn subscribe_error(bench: &Bench<'_>) -> Result<(), Fault> {
    let session = bench.connect(Role::Client, None).await?;
    let namespace = Namespace::new(["nonexistent", "namespace"]).unwrap_or_default();
    let track = FullTrackName { namespace, name: TrackName::new("test-track").unwrap_or_default() };
    bench.expect(Role::Client, "REQUEST_ERROR");
    match session.subscribe(track, live()).await {
        Err(RequestFailure::Refused(_)) => settle(bench, Role::Client, &session).await,
        Ok(_) => Err(bench.fault(Party::Relay, "SUBSCRIBE_OK", "the relay accepted a track that nobody publishes")),
        Err(failure) => Err(bench.request_failed(&failure)),
    }
}

pub(super) async fn announce_subscribe(bench: &Bench<'_>) -> Result<(), Fault> {
    let source = Source::new(bench.track());
    let publisher = bench.connect(Role::Publisher, Some(&source)).await?;
    let _announced = announce(bench, Role::Publisher, &publisher, bench.namespace()).await?;
    let subscriber = bench.connect(Role::Subscriber, None).await?;
    let _subscription = subscribe(bench, Role::Subscriber, &subscriber, &source).await?;
    settle(bench, Role::Publisher, &publisher).await?;
    settle(bench, Role::Subscriber, &subscriber).await
}

pub(super) async fn subscribe_before_announce(bench: &Bench<'_>) -> Result<(), Fault> {
    let source = Source::new(bench.track());
    let subscriber = bench.connect(Role::Subscriber, None).await?;
    let mut subscribing = pin!(subscriber.subscribe(source.track().clone(), live()));
    let early = timeout(HEAD_START, &mut subscribing).await.ok();
    let publisher = bench.connect(Role::Publisher, Some(&source)).await?;
    let _announced = announce(bench, Role::Publisher, &publisher, bench.namespace()).await?;
    bench.expect(Role::Subscriber, "SUBSCRIBE_OK or REQUEST_ERROR");
    let answer = match early {
        Some(answer) => answer,
        None => subscribing.await,
    };
    match answer {
        Ok(_) | Err(RequestFailure::Refused(_)) => {}
        Err(failure) => return Err(bench.request_failed(&failure)),
    }
    settle(bench, Role::Publisher, &publisher).await?;
    settle(bench, Role::Subscriber, &subscriber).await
}

/// From the newest object on.
fn live() -> Parameters {
    Parameters { filter: Some(Filter::LargestObject), forward: Some(true), ..Parameters::default() }
}

/// PUBLISH_NAMESPACE, accepted.
pub(super) async fn announce(
    bench: &Bench<'_>,
    role: Role,
    session: &Session,
    namespace: Namespace,
) -> Result<NamespacePublication, Fault> {
    bench.expect(role, "REQUEST_OK for PUBLISH_NAMESPACE");
    let announced = session.publish_namespace(namespace, Parameters::default()).await;
    announced.map_err(|failure| bench.request_failed(&failure))
}

/// SUBSCRIBE to the source's track from its newest object on, accepted.
pub(super) async fn subscribe(
    bench: &Bench<'_>,
    role: Role,
    session: &Session,
    source: &Source,
) -> Result<Subscription, Fault> {
    bench.expect(role, "SUBSCRIBE_OK");
    let subscribed = session.subscribe(source.track().clone(), live()).await;
    subscribed.map_err(|failure| {
        let mut fault = bench.request_failed(&failure);
        fault.message += &format!("; {}", source.told());
        fault
    })
}
