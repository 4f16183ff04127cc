//! A small publisher on 127.0.0.1, and the real `efir` binary run against it.
//!
//! The broadcast is a function of time: object n of a track exists from `begin + n * FRAME` on, so nothing is stored and every
//! session sees the same broadcast.

use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use certs::{CertificateSettings, CertificateStore};
use media::{
    Catalog, CatalogTrack, Frame, Packaging, TrackDescription, TrackInfo, TrackKind, encode_legacy, package_cmaf,
};
use moqt::{
    FetchObjectHeader, HopDelay, Location, Namespace, ObjectHeader, ObjectStatus, Pair, Parameters, Properties,
    PublishDoneCode, RelayHop, RequestErrorCode, SessionErrorCode, StreamErrorCode, TrackMark, encode_object_header,
    property,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use transport::{
    Accepted, EndpointSettings, IncomingFetch, IncomingRequest, IncomingSubscribe, ServerEndpoint, Session,
    SessionSettings, SubgroupFields,
};

/// Time between frames, and their duration in milliseconds.
pub(crate) const FRAME: Duration = Duration::from_millis(20);
/// Frames in a group.
pub(crate) const GROUP: u64 = 10;
/// The broadcast was on for this many groups before the test.
pub(crate) const PAST: u64 = 20;

/// What the publisher does wrong, or differently.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) packaging: Packaging,
    /// The video stream of this group is reset after three frames.
    pub(crate) reset_group: Option<u64>,
    /// The first session is closed when this group begins.
    pub(crate) close_at: Option<u64>,
    /// The first session is told to go to this address when this group begins.
    pub(crate) go_away_at: Option<(u64, String)>,
    /// The tracks end before this group.
    pub(crate) end_at: Option<u64>,
    /// Media times restart from 0 at this group.
    pub(crate) restart_at: Option<u64>,
    /// Sessions after the first see groups numbered this much higher, as after a restart of the publisher.
    pub(crate) renumber: u64,
    /// Objects carry a delay stamp, as if they had come through the relay of [`HOP`].
    pub(crate) stamp: bool,
}

/// What the stamps of a scripted publisher say before its own way to the client.
pub(crate) const HOP: RelayHop = RelayHop { difference: 3_004_000, offset: 3_000_000, uncertainty: 500, dwell: 250 };
/// Microseconds at the origin, as stamps say.
pub(crate) const ORIGIN: u64 = 1500;

impl Default for Script {
    fn default() -> Self {
        Self {
            packaging: Packaging::Cmaf,
            reset_group: None,
            close_at: None,
            go_away_at: None,
            end_at: None,
            restart_at: None,
            renumber: 0,
            stamp: false,
        }
    }
}

pub(crate) struct Publisher {
    pub(crate) port: u16,
    pub(crate) hash: String,
    /// Sessions accepted so far.
    pub(crate) sessions: Arc<AtomicUsize>,
    /// The publisher's tasks, ended with it.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Broadcast {
    begin: Instant,
    script: Script,
    video: TrackInfo,
    audio: TrackInfo,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Catalog,
    Video,
    Audio,
}

impl Publisher {
    pub(crate) async fn start(script: Script) -> Self {
        Self::start_at(script, Instant::now()).await
    }

    /// `begin` lets two publishers show the same broadcast.
    pub(crate) async fn start_at(script: Script, begin: Instant) -> Self {
        let (certificates, _) = CertificateStore::load(&CertificateSettings::default()).unwrap();
        let hash = certs::hash_to_hex(&certificates.hashes()[0]);
        let settings =
            EndpointSettings { addresses: vec!["127.0.0.1:0".parse().unwrap()], ..EndpointSettings::default() };
        let server = ServerEndpoint::bind(settings, certificates, None).unwrap();
        let port = server.local_addresses()[0].port();
        let kind = TrackKind::Video { width: 320, height: 180, framerate: Some(50.0) };
        let video = describe(1, kind, "vp09.00.10.08");
        let audio = describe(1, TrackKind::Audio { sample_rate: 48_000, channels: 2 }, "opus");
        let broadcast = Arc::new(Broadcast { begin, script, video, audio });
        let sessions = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(server, broadcast, sessions.clone()));
        Self { port, hash, sessions, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("moqt://127.0.0.1:{}/live/demo", self.port)
    }

    /// The binary, told to trust this publisher.
    pub(crate) fn efir(&self, subcommand: &str, arguments: &[&str]) -> Command {
        self.efir_at(&self.url(), subcommand, arguments)
    }

    /// The same with another URL.
    pub(crate) fn efir_at(&self, url: &str, subcommand: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_efir"));
        command.arg(subcommand).arg(url).args(["--certificate-hash", &self.hash]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(&self, subcommand: &str, arguments: &[&str]) -> Output {
        finish(self.efir(subcommand, arguments).spawn().unwrap()).await
    }
}

/// Waits for the binary, at most 30 seconds.
pub(crate) async fn finish(mut child: Child) -> Output {
    let deadline = Instant::now() + Duration::from_secs(30);
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let read = |from: Option<Box<dyn std::io::Read + Send>>| {
        tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            if let Some(mut from) = from {
                from.read_to_end(&mut all).unwrap();
            }
            all
        })
    };
    let stdout = read(stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read(stderr.take().map(|pipe| Box::new(pipe) as _));
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            let stderr = String::from_utf8_lossy(&stderr.await.unwrap()).into_owned();
            panic!("efir did not end in time; stderr: {stderr}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    Output { status, stdout: stdout.await.unwrap(), stderr: stderr.await.unwrap() }
}

fn describe(id: u32, kind: TrackKind, codec: &str) -> TrackInfo {
    let description = Bytes::new();
    TrackDescription { id, kind, codec, timescale: 1000, description, bitrate: Some(64_000), language: None }
        .into_info()
        .unwrap()
}

impl Broadcast {
    fn catalog(&self) -> Bytes {
        let track = |name: &str, info: &TrackInfo| CatalogTrack::from_info(name, info, self.script.packaging);
        let tracks = vec![track("audio0", &self.audio), track("video0", &self.video)];
        let catalog = Catalog { tracks, ..Catalog::default() };
        // The legacy container is hang's alone.
        if self.script.packaging == Packaging::Legacy { catalog.to_hang() } else { catalog.to_msf() }.into()
    }

    fn kind(&self, namespace: &Namespace, name: &[u8]) -> Option<Kind> {
        if *namespace != Namespace::new(["live", "demo"]).unwrap() {
            return None;
        }
        let hang = self.script.packaging == Packaging::Legacy;
        match name {
            b"catalog" if !hang => Some(Kind::Catalog),
            b"catalog.json" if hang => Some(Kind::Catalog),
            b"video0" => Some(Kind::Video),
            b"audio0" => Some(Kind::Audio),
            _ => None,
        }
    }

    /// The newest object now.
    fn largest(&self, kind: Kind) -> Location {
        if kind == Kind::Catalog {
            return Location::new(0, 0);
        }
        let index = PAST * GROUP + (self.begin.elapsed().as_millis() / FRAME.as_millis()) as u64;
        let index = self.script.end_at.map_or(index, |end| index.min(end * GROUP - 1));
        Location::new(index / GROUP, index % GROUP)
    }

    /// When an object comes into being.
    fn due(&self, location: Location) -> Instant {
        let index = (location.group * GROUP + location.object).saturating_sub(PAST * GROUP);
        self.begin + FRAME * u32::try_from(index).unwrap()
    }

    fn object(&self, kind: Kind, location: Location) -> (Properties, Bytes) {
        if kind == Kind::Catalog {
            return (Properties::EMPTY, self.catalog());
        }
        let (properties, payload) = self.media(kind, location);
        if !self.script.stamp {
            return (properties, payload);
        }
        let due = SystemTime::now() - self.due(location).elapsed();
        let captured = due.duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        // The relay's clock is three seconds ahead of the origin's, and this one's of neither.
        let stamp = HopDelay { captured: captured - HOP.offset as u64, origin: ORIGIN, relays: vec![HOP] };
        (properties.with(&Pair::new(property::HOP_DELAY, stamp.to_bytes())).unwrap(), payload)
    }

    fn track_properties(&self) -> Properties {
        let mark = Pair::new(property::HOP_DELAY, TrackMark { capture_known: true }.to_bytes());
        Properties::from_pairs(self.script.stamp.then_some(mark)).unwrap()
    }

    fn media(&self, kind: Kind, location: Location) -> (Properties, Bytes) {
        let Location { group, object } = location;
        let base = self.script.restart_at.filter(|restart| group >= *restart).unwrap_or_default();
        let time = ((group - base) * GROUP + object) * FRAME.as_millis() as u64;
        let video = kind == Kind::Video;
        let keyframe = object == 0 || !video;
        let mut payload = vec![if keyframe { 0x82 } else { 0x86 }; 400];
        payload[1..9].copy_from_slice(&(group * GROUP + object).to_be_bytes());
        match self.script.packaging {
            Packaging::Cmaf => {
                let duration = FRAME.as_millis() as u32;
                let payload = payload.into();
                let frame = Frame { track: 1, decode_time: time, composition_offset: 0, duration, keyframe, payload };
                (Properties::EMPTY, package_cmaf(&frame, 1).unwrap())
            }
            Packaging::Loc => {
                let pairs = [Pair::new(property::TIMESCALE, 1000u64), Pair::new(property::TIMESTAMP, time)];
                (Properties::from_pairs(pairs).unwrap(), payload.into())
            }
            Packaging::Legacy => (Properties::EMPTY, encode_legacy(time * 1000, &payload)),
        }
    }
}

async fn accept(server: ServerEndpoint, broadcast: Arc<Broadcast>, sessions: Arc<AtomicUsize>) {
    let mut tasks = JoinSet::new();
    while let Some(incoming) = server.accept().await {
        let (broadcast, sessions) = (broadcast.clone(), sessions.clone());
        tasks.spawn(async move {
            if let Ok(Accepted::Session(connection)) = incoming.accept().await {
                let number = sessions.fetch_add(1, Ordering::Relaxed);
                let (session, driver) = transport::start(connection, SessionSettings::default()).unwrap();
                tokio::select! {
                    _ = driver => {}
                    () = serve(broadcast, session, number) => {}
                }
            }
        });
    }
}

/// Answers the requests of one session.
async fn serve(broadcast: Arc<Broadcast>, session: Session, number: usize) {
    let mut tasks = JoinSet::new();
    let offset = if number == 0 { 0 } else { broadcast.script.renumber };
    if number == 0 {
        tasks.spawn(end_session(broadcast.clone(), session.clone()));
    }
    while let Some(request) = session.next_request().await {
        match request {
            IncomingRequest::Subscribe(request) => {
                tasks.spawn(publish(broadcast.clone(), request, offset));
            }
            IncomingRequest::Fetch(request) => {
                tasks.spawn(answer_fetch(broadcast.clone(), request, offset));
            }
            IncomingRequest::TrackStatus(request) => {
                match broadcast.kind(&request.track.namespace, request.track.name.as_bytes()) {
                    Some(kind) => {
                        let largest_object = Some(raised(broadcast.largest(kind), offset));
                        request.accept(Parameters { largest_object, ..Parameters::default() }, Properties::EMPTY);
                    }
                    None => request.reject(RequestErrorCode::DoesNotExist, None, ""),
                }
            }
            IncomingRequest::SubscribeNamespace(request) => {
                let mut writer = request.accept();
                writer.added(&Namespace::new(["live", "demo"]).unwrap());
                tasks.spawn(async move { while writer.next().await != transport::PrefixEvent::Ended {} });
            }
            other => other.reject(RequestErrorCode::NotSupported, None, "this is a test"),
        }
    }
}

fn raised(location: Location, offset: u64) -> Location {
    Location::new(location.group + offset, location.object)
}

/// Ends the first session as the script says.
async fn end_session(broadcast: Arc<Broadcast>, session: Session) {
    if let Some((group, uri)) = &broadcast.script.go_away_at {
        sleep_until(broadcast.due(Location::new(*group, 3))).await;
        session.go_away(uri, Duration::from_secs(10));
    }
    if let Some(group) = broadcast.script.close_at {
        sleep_until(broadcast.due(Location::new(group, 3))).await;
        session.close(SessionErrorCode::InternalError, "scripted");
    }
}

/// Sends a subscription's groups, one stream each.
async fn publish(broadcast: Arc<Broadcast>, request: IncomingSubscribe, offset: u64) {
    let Some(kind) = broadcast.kind(&request.track.namespace, request.track.name.as_bytes()) else {
        return request.reject(RequestErrorCode::DoesNotExist, None, "");
    };
    let next_group = request.parameters.filter == Some(moqt::Filter::NextGroup);
    let largest = broadcast.largest(kind);
    let parameters = Parameters { largest_object: Some(raised(largest, offset)), ..Parameters::default() };
    let mut writer = request.accept(parameters, broadcast.track_properties()).unwrap();
    if kind == Kind::Catalog {
        while writer.next_event().await != transport::SubscriptionEvent::Cancelled {}
        return;
    }
    let mut next =
        if next_group { Location::new(largest.group + 1, 0) } else { Location::new(largest.group, largest.object + 1) };
    let version = writer.version();
    loop {
        if broadcast.script.end_at.is_some_and(|end| next.group >= end) {
            return writer.done(PublishDoneCode::TrackEnded, "the end");
        }
        let has_properties = broadcast.script.packaging == Packaging::Loc || broadcast.script.stamp;
        let fields = SubgroupFields {
            group: next.group + offset,
            subgroup: 0,
            priority: None,
            has_properties,
            end_of_group: true,
            first_object: next.object == 0,
        };
        let Ok(mut stream) = writer.open_subgroup(fields, 0).await else { return };
        let mut previous = None;
        let reset = kind == Kind::Video && broadcast.script.reset_group == Some(next.group);
        while next.object < GROUP {
            sleep_until(broadcast.due(next)).await;
            if reset && next.object >= 3 {
                break;
            }
            let (properties, payload) = broadcast.object(kind, next);
            let mut bytes = BytesMut::new();
            let status = ObjectStatus::Normal;
            let header = ObjectHeader { object_id: next.object, properties, payload_len: payload.len() as u64, status };
            encode_object_header(previous, &header, has_properties, &mut bytes, version).unwrap();
            if stream.write(&mut [bytes.freeze(), payload]).await.is_err() {
                return;
            }
            previous = Some(next.object);
            next.object += 1;
        }
        if reset {
            stream.reset(StreamErrorCode::DeliveryTimeout);
        } else {
            stream.finish();
        }
        next = Location::new(next.group + 1, 0);
    }
}

/// Sends everything from start to end that exists.
async fn answer_fetch(broadcast: Arc<Broadcast>, request: IncomingFetch, offset: u64) {
    let Some(kind) = broadcast.kind(&request.track.namespace, request.track.name.as_bytes()) else {
        return request.reject(RequestErrorCode::DoesNotExist, None, "");
    };
    let largest = broadcast.largest(kind);
    let lowered = |location: Location| Location::new(location.group.saturating_sub(offset), location.object);
    let (start, end) = (lowered(request.start), lowered(request.end));
    let told_end = request.end;
    if start > largest {
        return request.reject(RequestErrorCode::InvalidRange, None, "not yet");
    }
    let Ok(mut writer) = request.accept(false, told_end, Properties::EMPTY, 0).await else { return };
    let per_group = if kind == Kind::Catalog { 1 } else { GROUP };
    for group in start.group..=end.group {
        for object in 0..per_group {
            let location = Location::new(group, object);
            let wanted = location >= start && location <= largest && (end.object == 0 || location < end);
            if wanted {
                let (properties, payload) = broadcast.object(kind, location);
                let payload_len = payload.len() as u64;
                let location = raised(location, offset);
                let header = FetchObjectHeader { location, subgroup: Some(0), priority: 128, properties, payload_len };
                writer.object(&header).unwrap();
                if writer.write(&mut [payload]).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = writer.finish().await;
}
