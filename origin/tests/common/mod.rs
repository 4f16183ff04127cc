//! An origin on a free port, and viewers of it.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use bytes::Bytes;
use media::{Catalog, Frame, MediaEvent, Unpackager};
use moqt::{FullTrackName, Location, Namespace, ObjectStatus, Parameters, PublishDoneCode, TrackName};
use origin::{BroadcastSettings, Origin, Packaging, Settings, SourceSettings};
use process::Shutdown;
use tokio::{task::JoinHandle, time::timeout};
use transport::{
    ClientEndpoint, ClientSettings, Joined, Session, SessionError, SessionSettings, TrackEvent, TrustSettings,
};

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const MAX_OBJECT: u64 = 8 << 20;

pub(crate) static SAMPLE: &[u8] = include_bytes!("../../sample/sample.mp4");

pub(crate) fn sample_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sample/sample.mp4")
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new(["live", "demo"]).unwrap()
}

pub(crate) fn track(name: &str) -> FullTrackName {
    FullTrackName::new(namespace(), TrackName::new(name.to_owned()).unwrap()).unwrap()
}

pub(crate) fn settings(source: SourceSettings) -> Settings {
    let broadcast = BroadcastSettings { namespace: namespace(), source, packaging: Packaging::Cmaf };
    Settings { listen: vec![loopback()], broadcasts: vec![broadcast], ..Settings::default() }
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A running origin; ended with the test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) hashes: Vec<[u8; 32]>,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(settings: Settings) -> Self {
        let origin = Origin::load(settings).await.unwrap();
        let (address, hashes) = (origin.addresses()[0], origin.certificate_hashes());
        let shutdown = Shutdown::new(Duration::from_secs(1));
        let task = tokio::spawn(origin.run(shutdown.clone()));
        Self { address, hashes, shutdown, task }
    }

    pub(crate) async fn viewer(&self) -> Viewer {
        self.viewer_at("/").await
    }

    /// With a path and a query.
    pub(crate) async fn viewer_at(&self, path: &str) -> Viewer {
        let client = ClientEndpoint::new(ClientSettings::default()).unwrap();
        let address = format!("moqt://{}{path}", self.address).parse().unwrap();
        let trust = TrustSettings::CertificateHashes(self.hashes.clone());
        let connection = patiently(client.dial(&address, &trust)).await.unwrap();
        let settings = SessionSettings { path: Some(path.to_owned()), ..SessionSettings::default() };
        let (session, driver) = transport::start(connection, settings).unwrap();
        Viewer { session, driver: tokio::spawn(driver), _client: client }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A session that watches; ended when dropped.
pub(crate) struct Viewer {
    pub(crate) session: Session,
    pub(crate) driver: JoinHandle<SessionError>,
    _client: ClientEndpoint,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Viewer {
    pub(crate) async fn join(&self, name: &str) -> Watched {
        let joined = patiently(self.session.join(track(name), Parameters::default(), 0)).await;
        Watched::new(joined.unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// The MSF catalog, from the first object of its track.
    pub(crate) async fn catalog(&self) -> Catalog {
        let mut catalog = self.join("catalog").await;
        let (_, payload) = catalog.next().await.expect("a catalog");
        Catalog::from_msf(&payload).unwrap()
    }
}

/// The objects of one joined track in order: the beginning of the group by FETCH, then the live streams.
pub(crate) struct Watched {
    joined: Joined,
    subgroup: Option<transport::SubgroupReader>,
    pub(crate) done: Option<PublishDoneCode>,
    pub(crate) end_of_track: Option<Location>,
}

impl Watched {
    pub(crate) fn new(joined: Joined) -> Self {
        Self { joined, subgroup: None, done: None, end_of_track: None }
    }

    pub(crate) fn subscription(&self) -> &transport::Subscription {
        &self.joined.subscription
    }

    /// The next object with a payload; `None` at PUBLISH_DONE.
    pub(crate) async fn next(&mut self) -> Option<(Location, Bytes)> {
        patiently(self.advance()).await
    }

    async fn advance(&mut self) -> Option<(Location, Bytes)> {
        if let Some(head) = &mut self.joined.head {
            match head.next_object(MAX_OBJECT).await.unwrap() {
                Some(object) => return Some((object.header.location, object.payload)),
                None => self.joined.head = None,
            }
        }
        loop {
            if let Some(reader) = &mut self.subgroup {
                let group = reader.header().group;
                match reader.next_object(MAX_OBJECT).await.unwrap() {
                    Some(object) => {
                        let location = Location::new(group, object.header.object_id);
                        match object.header.status {
                            ObjectStatus::Normal => return Some((location, object.payload)),
                            ObjectStatus::EndOfTrack => self.end_of_track = Some(location),
                            ObjectStatus::EndOfGroup => {}
                        }
                    }
                    None => self.subgroup = None,
                }
                continue;
            }
            match self.joined.subscription.next().await {
                TrackEvent::Subgroup(reader) => self.subgroup = Some(reader),
                TrackEvent::Done { status, .. } => {
                    self.done = Some(status);
                    return None;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next `count` frames, unpacked; checks that object ids have no gap.
    pub(crate) async fn frames(&mut self, count: usize, init: &[u8]) -> Vec<(Location, Frame)> {
        let mut unpackager = Unpackager::new(init).unwrap();
        let mut frames: Vec<(Location, Frame)> = Vec::new();
        while frames.len() < count {
            let (location, payload) = self.next().await.expect("another frame");
            let follows = match frames.last() {
                None => location.object == 0,
                Some((last, _)) if last.group == location.group => location.object == last.object + 1,
                Some((last, _)) => location.group > last.group && location.object == 0,
            };
            assert!(follows, "{location:?} after {:?}", frames.last().map(|(last, _)| last));
            let unpacked = unpackager.unpack(&payload).unwrap();
            let [frame] = &unpacked[..] else { panic!("one frame per object") };
            frames.push((location, frame.clone()));
        }
        frames
    }
}

pub(crate) async fn patiently<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("waited long enough")
}

/// The payloads of the sample's tracks in decode order, by whether they are video.
pub(crate) fn sample_frames() -> BTreeMap<bool, Vec<Frame>> {
    let mut demuxer = media::Demuxer::new();
    demuxer.push(SAMPLE);
    let (mut frames, mut video) = (BTreeMap::<bool, Vec<Frame>>::new(), BTreeMap::new());
    while let Some(event) = demuxer.next().unwrap() {
        match event {
            MediaEvent::Tracks(tracks) => video.extend(tracks.iter().map(|track| (track.id, track.kind.is_video()))),
            MediaEvent::Frame(frame) => frames.entry(video[&frame.track]).or_default().push(frame),
        }
    }
    frames
}
