//! Two sessions with the in-memory network between them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use moqt::{
    FullTrackName, Location, Namespace, ObjectHeader, ObjectStatus, Parameters, Properties, encode_object_header,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use transport::loopback::{LoopbackSettings, pair};
use transport::{
    Connection, IncomingFetch, IncomingPublish, IncomingRequest, IncomingSubscribe, Session, SessionSettings,
    SubgroupFields, SubgroupReader, SubgroupWriter, Subscription, SubscriptionWriter, TrackEvent, start,
};

use crate::DRAFT;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Virtual time that no test's step may exceed.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Net {
    pub(crate) client: Session,
    pub(crate) server: Session,
    /// Drivers of both sessions and of the network.
    _tasks: JoinSet<()>,
}

pub(crate) fn net() -> Net {
    net_with(smooth(), SessionSettings::default())
}

/// A network without delay or loss.
pub(crate) fn smooth() -> LoopbackSettings {
    LoopbackSettings { version: DRAFT, ..LoopbackSettings::default() }
}

#[expect(clippy::print_stdout, reason = "the seed of a failing run is wanted")]
/// A network with delay, jitter and loss.
pub(crate) fn rough(seed: u64) -> LoopbackSettings {
    println!("seed {seed}");
    LoopbackSettings { latency: 20 * MS, jitter: 8 * MS, loss: 0.1, seed, ..smooth() }
}

pub(crate) fn net_with(network: LoopbackSettings, server: SessionSettings) -> Net {
    let (near, far, driver) = pair(network);
    let mut tasks = JoinSet::new();
    tasks.spawn(driver.run());
    let client = session(&mut tasks, near, SessionSettings::default());
    let server = session(&mut tasks, far, server);
    Net { client, server, _tasks: tasks }
}

pub(crate) fn session(tasks: &mut JoinSet<()>, connection: Arc<dyn Connection>, settings: SessionSettings) -> Session {
    let (session, driver) = start(connection, settings).unwrap();
    tasks.spawn(async move {
        driver.await;
    });
    session
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("took too long")
}

/// Waits until neither side remembers a request.
pub(crate) async fn idle(sessions: &[&Session]) {
    let start = Instant::now();
    while sessions.iter().any(|session| session.live_requests() > 0) {
        assert!(start.elapsed() < PATIENCE, "{:?} requests live", counts(sessions));
        sleep(10 * MS).await;
    }
}

fn counts(sessions: &[&Session]) -> Vec<usize> {
    sessions.iter().map(|session| session.live_requests()).collect()
}

pub(crate) fn track(name: &str) -> FullTrackName {
    format!("live-one--{name}").parse().unwrap()
}

pub(crate) fn namespace(fields: &[&'static str]) -> Namespace {
    Namespace::new(fields.iter().copied()).unwrap()
}

pub(crate) fn largest(group: u64, object: u64) -> Parameters {
    Parameters { largest_object: Some(Location::new(group, object)), ..Parameters::default() }
}

/// Takes the next request, which must be of one kind.
macro_rules! next {
    ($name:ident, $variant:ident, $type:ty) => {
        pub(crate) async fn $name(session: &Session) -> $type {
            match soon(session.next_request()).await {
                Some(IncomingRequest::$variant(request)) => request,
                other => panic!("expected {}, got {other:?}", stringify!($variant)),
            }
        }
    };
}
next!(next_subscribe, Subscribe, IncomingSubscribe);
next!(next_fetch, Fetch, IncomingFetch);
next!(next_publish, Publish, IncomingPublish);
next!(next_publish_namespace, PublishNamespace, transport::IncomingNamespace);
next!(next_subscribe_namespace, SubscribeNamespace, transport::IncomingPrefix);
next!(next_subscribe_tracks, SubscribeTracks, transport::IncomingPrefix);
next!(next_track_status, TrackStatus, transport::IncomingTrackStatus);

/// The client's subscription and the server's writer of it.
pub(crate) async fn subscribed(net: &Net, name: &str) -> (Subscription, SubscriptionWriter) {
    let serve =
        async { next_subscribe(&net.server).await.accept(Parameters::default(), Properties::default()).unwrap() };
    let (subscription, writer) = tokio::join!(net.client.subscribe(track(name), Parameters::default()), serve);
    (subscription.unwrap(), writer)
}

pub(crate) fn fields(group: u64) -> SubgroupFields {
    SubgroupFields {
        group,
        subgroup: 0,
        priority: None,
        has_properties: false,
        end_of_group: false,
        first_object: true,
    }
}

pub(crate) async fn open(writer: &SubscriptionWriter, group: u64) -> SubgroupWriter {
    soon(writer.open_subgroup(fields(group), 0)).await.unwrap()
}

/// One object as it goes on a subgroup stream.
pub(crate) fn object(previous: Option<u64>, object_id: u64, payload: &Bytes) -> Vec<Bytes> {
    let properties = Properties::default();
    let header =
        ObjectHeader { object_id, properties, payload_len: payload.len() as u64, status: ObjectStatus::Normal };
    let mut head = BytesMut::new();
    encode_object_header(previous, &header, false, &mut head, DRAFT).unwrap();
    vec![head.freeze(), payload.clone()]
}

/// Writes objects `ids`, each with its id as payload, to one stream.
pub(crate) async fn write_objects(stream: &mut SubgroupWriter, ids: std::ops::Range<u64>) {
    let mut previous = None;
    for id in ids {
        let payload = Bytes::from(id.to_string());
        soon(stream.write(&mut object(previous, id, &payload))).await.unwrap();
        previous = Some(id);
    }
}

pub(crate) async fn next_subgroup(subscription: &mut Subscription) -> SubgroupReader {
    match soon(subscription.next()).await {
        TrackEvent::Subgroup(reader) => reader,
        other => panic!("expected a subgroup, got {other:?}"),
    }
}

/// Ids of the stream's objects up to its end; each payload must be the id.
pub(crate) async fn read_ids(reader: &mut SubgroupReader) -> Vec<u64> {
    let mut ids = Vec::new();
    while let Some(object) = soon(reader.next_object(1 << 20)).await.unwrap() {
        assert_eq!(object.payload, object.header.object_id.to_string());
        ids.push(object.header.object_id);
    }
    ids
}
