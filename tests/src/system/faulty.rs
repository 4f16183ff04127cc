//! A relay that does one thing wrong, on purpose: who checks frames must notice.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use certs::{CertificateSettings, CertificateStore};
use fanout::{
    DeliveryTimeouts, LogSettings, MemoryBudget, NoObserver, ServeSettings, SlowViewerPolicy, SubgroupAppender,
    SubgroupMeta, SubscriptionSink, TrackLog, resolve_filter, serve_subscription,
};
use moqt::{Filter, FullTrackName, GroupOrder, Parameters, Properties, RequestErrorCode, StreamErrorCode, Version};
use tokio::task::JoinSet;
use transport::{
    Accepted, EndpointSettings, IncomingRequest, IncomingSubscribe, Object, ServerEndpoint, Session, SessionSettings,
    SubgroupReader, TrackEvent,
};

use super::{PATIENCE, Task};

/// Largest frame that passes.
const FRAME_BYTES: u64 = 1 << 20;

/// What is done wrong. `at` is an object of every group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing, but there is no FETCH.
    Nothing,
    /// One object is left out.
    Drop {
        /// Which.
        at: u64,
    },
    /// The last byte of one object is another one.
    Corrupt {
        /// Which.
        at: u64,
    },
    /// One object has the payload of the one before.
    Repeat {
        /// Which.
        at: u64,
    },
    /// Every group ends, in good order, before this object.
    CutShort {
        /// Which.
        at: u64,
    },
    /// Every group is reset before this object.
    Reset {
        /// Which.
        at: u64,
    },
    /// Nothing is forwarded from this group on.
    FallSilent {
        /// Which.
        from: u64,
    },
}

/// A relay for one publisher, without FETCH.
#[derive(Debug)]
pub struct FaultyRelay {
    /// Where publishers and viewers dial.
    pub address: SocketAddr,
    _endpoint: Arc<ServerEndpoint>,
    _task: Task,
}

impl FaultyRelay {
    /// Serves on a free port.
    ///
    /// # Panics
    /// There is none.
    pub fn start(wrong: Wrong) -> Self {
        let (certificates, _) = CertificateStore::load(&CertificateSettings::default()).unwrap();
        let addresses = vec![(Ipv4Addr::LOCALHOST, 0).into()];
        let settings = EndpointSettings { addresses, ..EndpointSettings::default() };
        let endpoint = Arc::new(ServerEndpoint::bind(settings, certificates, None).unwrap());
        let accepting = endpoint.clone();
        let upstream = Arc::<Mutex<Upstream>>::default();
        let task = Task::spawn(async move {
            let mut sessions = JoinSet::new();
            while let Some(incoming) = accepting.accept().await {
                let upstream = upstream.clone();
                sessions.spawn(async move {
                    let Ok(Accepted::Session(connection)) = incoming.accept().await else { return };
                    connection.set_max_incoming_uni(1000);
                    let (session, driver) = transport::start(connection, SessionSettings::default()).unwrap();
                    tokio::select! {
                        _ = driver => {}
                        () = serve(&session, &upstream, wrong) => {}
                    }
                });
            }
        });
        Self { address: endpoint.local_addresses()[0], _endpoint: endpoint, _task: task }
    }
}

/// The publisher, and the tracks that were asked for.
#[derive(Debug, Default)]
struct Upstream {
    publisher: Option<Session>,
    tracks: HashMap<FullTrackName, TrackLog>,
}

async fn serve(session: &Session, upstream: &Mutex<Upstream>, wrong: Wrong) {
    let mut tasks = JoinSet::new();
    let mut held = Vec::new();
    while let Some(request) = session.next_request().await {
        match request {
            IncomingRequest::PublishNamespace(request) => {
                held.push(request.accept());
                upstream.lock().unwrap().publisher = Some(session.clone());
            }
            IncomingRequest::Subscribe(request) => {
                let (log, source) = {
                    let mut upstream = upstream.lock().unwrap();
                    let publisher = upstream.publisher.clone().unwrap();
                    let known = upstream.tracks.get(&request.track).cloned();
                    let source = known.is_none().then_some((publisher, request.track.clone()));
                    let log = known.unwrap_or_else(|| {
                        TrackLog::new(
                            LogSettings { max_groups: 100, min_age: Duration::ZERO, max_bytes: u64::MAX },
                            MemoryBudget::new(u64::MAX),
                        )
                    });
                    upstream.tracks.insert(request.track.clone(), log.clone());
                    (log, source)
                };
                if let Some((publisher, track)) = source {
                    let log = log.clone();
                    // Not this viewer's alone: it ends with the publisher.
                    tokio::spawn(async move { feed(&publisher, track, log, wrong).await });
                }
                tasks.spawn(async move { forward(request, log).await });
            }
            other => other.reject(RequestErrorCode::NotSupported, None, "this relay is a simple one"),
        }
    }
}

/// Takes a track from its publisher, and does wrong to it.
async fn feed(publisher: &Session, track: FullTrackName, log: TrackLog, wrong: Wrong) {
    let live = Parameters { filter: Some(Filter::LargestObject), forward: Some(true), ..Parameters::default() };
    let mut source = publisher.subscribe(track, live).await.unwrap();
    let mut streams = JoinSet::new();
    while let TrackEvent::Subgroup(reader) = source.next().await {
        let log = log.clone();
        streams.spawn(async move { copy(reader, log, wrong).await });
    }
}

/// One viewer's subscription.
async fn forward(request: IncomingSubscribe, log: TrackLog) {
    let largest = log.largest();
    let range = resolve_filter(request.parameters.filter, largest).unwrap();
    let answer = Parameters { largest_object: largest, ..Parameters::default() };
    let Ok(writer) = request.accept(answer, Properties::default()) else { return };
    let settings = ServeSettings {
        start: range.start,
        end_group: None,
        forward: true,
        subscriber_priority: 128,
        publisher_priority: 128,
        order: GroupOrder::Ascending,
        timeouts: DeliveryTimeouts::default(),
        slow: SlowViewerPolicy {
            max_lag_groups: usize::MAX,
            min_lag: Duration::ZERO,
            max_lag: PATIENCE,
            max_lag_bytes: u64::MAX,
        },
    };
    let version = writer.version();
    serve_subscription(&log, SubscriptionSink::new(writer, version), settings, &NoObserver).await;
}

async fn copy(mut reader: SubgroupReader, log: TrackLog, wrong: Wrong) {
    let group = reader.header().group;
    if matches!(wrong, Wrong::FallSilent { from } if group >= from) {
        return;
    }
    let meta = SubgroupMeta {
        version: Version::Draft18,
        priority: None,
        has_properties: false,
        first_object: true,
        end_of_group: true,
    };
    let mut out = log.subgroup(group, 0, meta).unwrap();
    let mut before = Bytes::new();
    while let Ok(Some(object)) = reader.next_object(FRAME_BYTES).await {
        match wrong {
            Wrong::CutShort { at } if object.header.object_id >= at => break,
            Wrong::Reset { at } if object.header.object_id >= at => {
                return out.reset(StreamErrorCode::InternalError);
            }
            _ => {}
        }
        append(&mut out, &object, &before, wrong);
        before = object.payload;
    }
    out.finish(false).unwrap();
}

fn append(out: &mut SubgroupAppender, object: &Object, before: &Bytes, wrong: Wrong) {
    let mut header = object.header.clone();
    let mut payload = object.payload.clone();
    match wrong {
        Wrong::Drop { at } if at == header.object_id => return,
        Wrong::Corrupt { at } if at == header.object_id => {
            let mut bytes = payload.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            payload = bytes.into();
        }
        Wrong::Repeat { at } if at == header.object_id && !before.is_empty() => payload = before.clone(),
        _ => {}
    }
    header.payload_len = payload.len() as u64;
    out.object(&header, payload).unwrap();
}
