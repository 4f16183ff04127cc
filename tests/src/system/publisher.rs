//! A publisher whose every frame and every request the test decides and counts.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use certs::{CertificateSettings, CertificateStore};
use fanout::{
    DeliveryTimeouts, FetchRange, GroupAnswer, GroupSource, LogSettings, MemoryBudget, NoObserver, ServeObserver,
    ServeSettings, SlowViewerPolicy, SubgroupAppender, SubgroupMeta, SubscriptionSink, TrackLog, fetch_end,
    resolve_filter, serve_fetch, serve_subscription,
};
use moqt::{
    FullTrackName, GroupOrder, Location, Namespace, ObjectHeader, ObjectStatus, Parameters, Properties,
    PublishDoneCode, RequestErrorCode, Token, Version,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use transport::{
    Accepted, BindError, ClientEndpoint, ClientSettings, EndpointSettings, IncomingFetch, IncomingRequest,
    IncomingSubscribe, NamespacePublication, ServerEndpoint, Session, SessionSettings, SubscriptionWriter,
    TrustSettings,
};

use super::viewer::Carrier;
use super::{PATIENCE, Task, track, within};

/// Tracks under the test's control; clones are the same publisher.
#[derive(Debug, Clone, Default)]
pub struct Publisher(Arc<Mutex<HashMap<FullTrackName, Arc<PublishedTrack>>>>);

/// One track of a [`Publisher`].
#[derive(Debug)]
pub struct PublishedTrack {
    name: FullTrackName,
    log: TrackLog,
    properties: Properties,
    writing: Mutex<Option<(u64, SubgroupAppender)>>,
    subscribes: watch::Sender<usize>,
    active: watch::Sender<usize>,
    /// Objects handed to subscriptions' streams.
    sent: AtomicU64,
    /// Parameters of SUBSCRIBEs, as they came.
    wanted: Mutex<Vec<Parameters>>,
    /// NEW_GROUP_REQUESTs of updates, as they came.
    group_requests: Mutex<Vec<u64>>,
    /// Standalone FETCHes, as asked.
    fetches: Mutex<Vec<(Location, Location)>>,
    /// FETCHes wait while it is shut.
    gate: watch::Sender<bool>,
    gaps: Mutex<BTreeSet<u64>>,
}

/// A publisher that relays dial.
#[derive(Debug)]
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    endpoint: Arc<ServerEndpoint>,
    _task: Task,
}

/// A publisher that dialed a relay.
#[derive(Debug)]
pub struct Dialed {
    /// To the relay.
    pub session: Session,
    _driver: Task,
    _requests: Task,
    _client: ClientEndpoint,
}

/// The payload that every frame at a place has: its place in words, `length` bytes long.
pub fn payload(name: &FullTrackName, location: Location, length: usize) -> Bytes {
    let words = format!("{name} {}/{} ", location.group, location.object);
    words.bytes().cycle().take(length).collect()
}

impl Publisher {
    /// The track with this name in text form, made when it is first asked for.
    pub fn track(&self, name: &str) -> Arc<PublishedTrack> {
        self.track_with(name, Properties::default())
    }

    /// The same, with track properties.
    pub fn track_with(&self, name: &str, properties: Properties) -> Arc<PublishedTrack> {
        let name = track(name);
        let mut tracks = self.0.lock().unwrap();
        tracks.entry(name.clone()).or_insert_with(|| Arc::new(PublishedTrack::new(name, properties))).clone()
    }

    /// The track is no longer known.
    pub fn forget(&self, name: &str) {
        self.0.lock().unwrap().remove(&track(name));
    }

    fn find(&self, name: &FullTrackName) -> Option<Arc<PublishedTrack>> {
        self.0.lock().unwrap().get(name).cloned()
    }

    /// Serves relays that dial a free port.
    pub async fn listen(&self) -> Listening {
        self.listen_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Serves relays that dial this address.
    ///
    /// # Panics
    /// The address is taken.
    pub async fn listen_at(&self, address: SocketAddr) -> Listening {
        let (certificates, _) = CertificateStore::load(&CertificateSettings::default()).unwrap();
        let settings = EndpointSettings { addresses: vec![address], ..EndpointSettings::default() };
        let bind = async || loop {
            match ServerEndpoint::bind(settings.clone(), certificates.clone(), None) {
                // A publisher that was killed a moment ago gives its socket up in its own time.
                Err(BindError::Socket { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                bound => return bound.unwrap(),
            }
        };
        let endpoint = Arc::new(within(bind()).await);
        let address = endpoint.local_addresses()[0];
        let (publisher, accepting) = (self.clone(), endpoint.clone());
        let task = Task::spawn(async move {
            let mut sessions = JoinSet::new();
            while let Some(incoming) = accepting.accept().await {
                let publisher = publisher.clone();
                sessions.spawn(async move {
                    let Ok(Accepted::Session(connection)) = incoming.accept().await else { return };
                    let (session, driver) = transport::start(connection, SessionSettings::default()).unwrap();
                    tokio::select! {
                        _ = driver => {}
                        () = publisher.serve(&session) => {}
                    }
                });
            }
        });
        Listening { address, endpoint, _task: task }
    }

    /// Dials a relay over raw QUIC and answers its requests.
    pub async fn dial(&self, relay: SocketAddr) -> Dialed {
        self.dial_as(relay, Carrier::Quic, None).await
    }

    /// Dials a relay and answers its requests, with a token in SETUP.
    ///
    /// # Panics
    /// The relay is not there.
    pub async fn dial_as(&self, relay: SocketAddr, carrier: Carrier, token: Option<&'static str>) -> Dialed {
        let client = ClientEndpoint::new(ClientSettings::default()).unwrap();
        let scheme = if carrier == Carrier::Quic { "moqt" } else { "https" };
        let address = format!("{scheme}://{relay}").parse().unwrap();
        let connection = within(client.dial(&address, &TrustSettings::Insecure)).await.unwrap();
        let tokens = token.into_iter().map(Token::agreed).collect();
        let (session, driver) =
            transport::start(connection, SessionSettings { tokens, ..SessionSettings::default() }).unwrap();
        let driver = Task::spawn(async move {
            driver.await;
        });
        let (publisher, serving) = (self.clone(), session.clone());
        let requests = Task::spawn(async move { publisher.serve(&serving).await });
        Dialed { session, _driver: driver, _requests: requests, _client: client }
    }

    async fn serve(&self, session: &Session) {
        let mut tasks = JoinSet::new();
        while let Some(request) = session.next_request().await {
            let publisher = self.clone();
            tasks.spawn(async move { publisher.answer(request).await });
        }
    }

    async fn answer(&self, request: IncomingRequest) {
        let missing = |request: IncomingRequest| request.reject(RequestErrorCode::DoesNotExist, None, "no such track");
        match request {
            IncomingRequest::Subscribe(request) => match self.find(&request.track) {
                Some(track) => track.subscribe(request).await,
                None => missing(IncomingRequest::Subscribe(request)),
            },
            IncomingRequest::Fetch(request) => match self.find(&request.track) {
                Some(track) => track.fetch(request).await,
                None => missing(IncomingRequest::Fetch(request)),
            },
            other => other.reject(RequestErrorCode::NotSupported, None, "this publisher only serves tracks"),
        }
    }
}

impl Listening {
    /// Closes every session and gives the address up.
    pub async fn kill(self) {
        self.endpoint.close(0, "publisher killed");
        within(self.endpoint.wait_idle()).await;
    }
}

impl Dialed {
    /// PUBLISH_NAMESPACE.
    ///
    /// # Panics
    /// The relay refuses.
    pub async fn announce(&self, namespace: Namespace) -> NamespacePublication {
        within(self.session.publish_namespace(namespace, Parameters::default())).await.unwrap()
    }

    /// PUBLISH; serves the track if the relay wants it.
    ///
    /// # Panics
    /// The relay refuses.
    pub async fn publish(&self, track: &Arc<PublishedTrack>) {
        let parameters = Parameters { largest_object: track.log.largest(), ..Parameters::default() };
        let offered = self.session.publish(track.name.clone(), parameters.clone(), track.properties.clone());
        let (writer, answer) = within(offered).await.unwrap();
        let track = track.clone();
        tokio::spawn(async move { track.serve(writer, &answer, parameters.largest_object).await });
    }
}

impl PublishedTrack {
    fn new(name: FullTrackName, properties: Properties) -> Self {
        let settings = LogSettings { max_groups: 10_000, min_age: Duration::ZERO, max_bytes: u64::MAX };
        Self {
            name,
            log: TrackLog::new(settings, MemoryBudget::new(u64::MAX)),
            properties,
            writing: Mutex::default(),
            subscribes: watch::Sender::new(0),
            active: watch::Sender::new(0),
            sent: AtomicU64::new(0),
            wanted: Mutex::default(),
            group_requests: Mutex::default(),
            fetches: Mutex::default(),
            gate: watch::Sender::new(true),
            gaps: Mutex::default(),
        }
    }

    /// Where the track's objects are: for what has no helper here.
    pub fn log(&self) -> &TrackLog {
        &self.log
    }

    /// The track's full name.
    pub fn name(&self) -> &FullTrackName {
        &self.name
    }

    /// Publishes the next frame, of `length` bytes of [`payload`]. A new group ends the one before.
    ///
    /// # Panics
    /// Frames are out of order.
    pub fn frame(&self, location: Location, length: usize) {
        let mut writing = self.writing.lock().unwrap();
        if writing.as_ref().is_none_or(|(group, _)| *group != location.group) {
            if let Some((_, appender)) = writing.take() {
                appender.finish(true).unwrap();
            }
            let meta = SubgroupMeta {
                version: Version::Draft18,
                priority: None,
                has_properties: false,
                first_object: true,
                end_of_group: true,
            };
            *writing = Some((location.group, self.log.subgroup(location.group, 0, meta).unwrap()));
        }
        let header = ObjectHeader {
            object_id: location.object,
            properties: Properties::default(),
            payload_len: length as u64,
            status: ObjectStatus::Normal,
        };
        let (_, appender) = writing.as_mut().unwrap();
        appender.object(&header, payload(&self.name, location, length)).unwrap();
    }

    /// Publishes `frames` frames of 1000 bytes in each of these groups; the last group stays open.
    pub fn groups(&self, groups: impl IntoIterator<Item = u64>, frames: u64) {
        for group in groups {
            for object in 0..frames {
                self.frame(Location { group, object }, 1000);
            }
        }
    }

    /// Ends the group being written.
    ///
    /// # Panics
    /// The group cannot be ended.
    pub fn finish_group(&self) {
        if let Some((_, appender)) = self.writing.lock().unwrap().take() {
            appender.finish(true).unwrap();
        }
    }

    /// Ends the track.
    pub fn end(&self) {
        self.finish_group();
        self.log.end(PublishDoneCode::TrackEnded, "the test says so");
    }

    /// Leaves a group out: a FETCH says that it does not exist.
    ///
    /// # Panics
    /// Another test thread panicked.
    pub fn leave_out(&self, group: u64) {
        self.gaps.lock().unwrap().insert(group);
    }

    /// FETCHes wait from now on, until [`PublishedTrack::open_gate`].
    pub fn shut_gate(&self) {
        self.gate.send_replace(false);
    }

    /// Lets waiting FETCHes through.
    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// SUBSCRIBEs and switch-ons so far.
    pub fn subscribes(&self) -> usize {
        *self.subscribes.borrow()
    }

    /// Objects that subscriptions were sent, all together.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Parameters of the SUBSCRIBEs so far.
    ///
    /// # Panics
    /// Another test thread panicked.
    pub fn wanted(&self) -> Vec<Parameters> {
        self.wanted.lock().unwrap().clone()
    }

    /// NEW_GROUP_REQUESTs of updates so far.
    ///
    /// # Panics
    /// Another test thread panicked.
    pub fn group_requests(&self) -> Vec<u64> {
        self.group_requests.lock().unwrap().clone()
    }

    /// Standalone FETCHes so far, as start and end.
    ///
    /// # Panics
    /// Another test thread panicked.
    pub fn fetches(&self) -> Vec<(Location, Location)> {
        self.fetches.lock().unwrap().clone()
    }

    /// Waits until so many subscriptions are served.
    ///
    /// # Panics
    /// It takes too long.
    pub async fn until_active(&self, count: usize) {
        let mut active = self.active.subscribe();
        let waited = tokio::time::timeout(PATIENCE, active.wait_for(|now| *now == count)).await;
        assert!(waited.is_ok(), "{} subscriptions are served, not {count}", *self.active.borrow());
    }

    async fn subscribe(&self, request: IncomingSubscribe) {
        self.subscribes.send_modify(|count| *count += 1);
        let largest = self.log.largest();
        let wanted = request.parameters.clone();
        self.wanted.lock().unwrap().push(wanted.clone());
        let answer = Parameters { largest_object: largest, ..Parameters::default() };
        if let Ok(writer) = request.accept(answer, self.properties.clone()) {
            self.serve(writer, &wanted, largest).await;
        }
    }

    async fn serve(&self, writer: SubscriptionWriter, wanted: &Parameters, largest: Option<Location>) {
        let range = resolve_filter(wanted.filter, largest).unwrap();
        let settings = ServeSettings {
            start: range.start,
            end_group: range.end_group,
            forward: wanted.forward.unwrap_or(true),
            subscriber_priority: 128,
            publisher_priority: 128,
            order: GroupOrder::Ascending,
            timeouts: DeliveryTimeouts::new(wanted, &Properties::default()),
            slow: SlowViewerPolicy {
                max_lag_groups: usize::MAX,
                min_lag: Duration::ZERO,
                max_lag: PATIENCE,
                max_lag_bytes: u64::MAX,
            },
        };
        self.active.send_modify(|count| *count += 1);
        let active = Active(&self.active);
        let version = writer.version();
        serve_subscription(&self.log, SubscriptionSink::new(writer, version), settings, &Seen(self)).await;
        drop(active);
    }

    async fn fetch(&self, request: IncomingFetch) {
        if !request.joining {
            self.fetches.lock().unwrap().push((request.start, request.end));
        }
        let mut gate = self.gate.subscribe();
        let _ = gate.wait_for(|open| *open).await;
        let start = request.start;
        let Some(largest) = self.log.largest().filter(|largest| start <= *largest) else {
            return request.reject(RequestErrorCode::InvalidRange, None, "nothing there");
        };
        let whole = self.log.group(largest.group).is_some_and(|group| group.is_complete());
        let end = fetch_end(request.end, largest, whole);
        let range = FetchRange { start, end, order: request.order, default_priority: 128 };
        if let Ok(writer) = request.accept(false, end, self.properties.clone(), 0).await {
            let _ = serve_fetch(&Groups(self), range, writer, &NoObserver).await;
        }
    }
}

/// Counts a subscription for as long as it lives.
struct Active<'a>(&'a watch::Sender<usize>);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Counts what subscriptions are sent, and notes what they ask for.
struct Seen<'a>(&'a PublishedTrack);

impl ServeObserver for Seen<'_> {
    fn sent(&self, objects: u64, _bytes: u64) {
        self.0.sent.fetch_add(objects, Ordering::Relaxed);
    }

    fn new_group_requested(&self, group: u64) {
        self.0.group_requests.lock().unwrap().push(group);
    }
}

/// The log's groups, and the gaps that do not exist.
struct Groups<'a>(&'a PublishedTrack);

impl GroupSource for Groups<'_> {
    async fn group(&self, id: u64, last: u64) -> GroupAnswer {
        if self.0.gaps.lock().unwrap().contains(&id) {
            return GroupAnswer::Missing { through: id };
        }
        GroupSource::group(&self.0.log, id, last).await
    }
}
