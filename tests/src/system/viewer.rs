//! Viewers: what they receive, in the order in which it arrives.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use moqt::{FullTrackName, Location, Parameters, PublishDoneCode, StreamErrorCode, Token, Version};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use transport::{
    Address, ClientEndpoint, ClientSettings, FetchReader, RequestFailure, Session, SessionSettings, StreamFailure,
    SubgroupReader, Subscription, TrackEvent, TrustSettings,
};

use super::{Task, payload, within};

/// Largest object that a viewer takes.
const OBJECT_BYTES: u64 = 16 << 20;
/// Arrivals that wait for the test to look at them.
const ARRIVALS: usize = 4096;

/// How a viewer connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Raw QUIC.
    Quic,
    /// WebTransport over HTTP/3.
    WebTransport,
}

/// A session of a viewer.
#[derive(Debug)]
pub struct Viewer {
    /// For everything that has no helper here.
    pub session: Session,
    _driver: Task,
    _client: ClientEndpoint,
}

/// What a viewer of one track gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// A whole frame.
    Frame(Location, Bytes),
    /// The stream of a group was reset.
    Reset(u64, StreamErrorCode),
    /// PUBLISH_DONE.
    Done(PublishDoneCode),
    /// The session is over.
    Lost,
}

/// One watched track. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Frames {
    name: FullTrackName,
    arrivals: mpsc::Receiver<Arrival>,
    /// What SUBSCRIBE_OK said.
    pub largest: Option<Location>,
    task: Task,
}

impl Viewer {
    /// Connects to a relay or an origin, whatever its certificate.
    ///
    /// # Panics
    /// It is not there.
    pub async fn connect(address: SocketAddr, carrier: Carrier) -> Self {
        Self::connect_as(address, carrier, "", Vec::new()).await
    }

    /// Connects with a query, `?…`, and tokens for SETUP.
    ///
    /// # Panics
    /// The server is not there.
    pub async fn connect_as(address: SocketAddr, carrier: Carrier, query: &str, tokens: Vec<Token>) -> Self {
        Self::dial(address, carrier, query, tokens, &Version::ALL).await
    }

    /// Connects over raw QUIC or WebTransport with no other draft than this one.
    ///
    /// # Panics
    /// The server is not there, or does not speak it.
    pub async fn speaking(version: Version, address: SocketAddr, carrier: Carrier) -> Self {
        Self::dial(address, carrier, "", Vec::new(), &[version]).await
    }

    async fn dial(
        address: SocketAddr,
        carrier: Carrier,
        query: &str,
        tokens: Vec<Token>,
        versions: &[Version],
    ) -> Self {
        let scheme = if carrier == Carrier::Quic { "moqt" } else { "https" };
        let settings = ClientSettings { versions: versions.to_vec(), ..ClientSettings::default() };
        let client = ClientEndpoint::new(settings).unwrap();
        let address: Address = format!("{scheme}://{address}/live{query}").parse().unwrap();
        let connection = within(client.dial(&address, &TrustSettings::Insecure)).await.unwrap();
        let settings = SessionSettings { path: Some(address.path), tokens, ..SessionSettings::default() };
        let (session, driver) = transport::start(connection, settings).unwrap();
        let driver = Task::spawn(async move {
            driver.await;
        });
        Self { session, _driver: driver, _client: client }
    }

    /// Connects over raw QUIC.
    pub async fn over_quic(address: SocketAddr) -> Self {
        Self::connect(address, Carrier::Quic).await
    }

    /// Watches a track with these parameters of SUBSCRIBE.
    ///
    /// # Errors
    /// The request was refused.
    pub async fn subscribe(&self, name: &FullTrackName, parameters: Parameters) -> Result<Frames, RequestFailure> {
        let subscription = within(self.session.subscribe(name.clone(), parameters)).await?;
        Ok(Frames::new(name, subscription, None))
    }

    /// Watches a track from the first frame of its current group: a joining FETCH and a subscription.
    ///
    /// # Errors
    /// The request was refused.
    pub async fn join(&self, name: &FullTrackName, groups: u64) -> Result<Frames, RequestFailure> {
        let joined = within(self.session.join(name.clone(), Parameters::default(), groups)).await?;
        Ok(Frames::new(name, joined.subscription, joined.head))
    }

    /// Everything from `start` to `end` (as on the wire), and unknown stretches of it by their last location.
    ///
    /// # Errors
    /// The request was refused, or the answer broke off.
    pub async fn fetch(
        &self,
        name: &FullTrackName,
        start: Location,
        end: Location,
    ) -> Result<(BTreeMap<Location, Bytes>, Vec<Location>), StreamFailure> {
        let sent = self.session.fetch(name.clone(), start, end, Parameters::default());
        within(read_fetch(sent.unwrap())).await
    }
}

async fn read_fetch(mut reader: FetchReader) -> Result<(BTreeMap<Location, Bytes>, Vec<Location>), StreamFailure> {
    let (mut frames, mut unknown) = (BTreeMap::new(), Vec::new());
    let mut current = None;
    while let Some(item) = reader.next().await? {
        match item {
            moqt::FetchItem::Header { header, .. } => current = Some((header.location, Vec::new())),
            moqt::FetchItem::Payload(part) => current.as_mut().unwrap().1.extend_from_slice(&part),
            moqt::FetchItem::End => {
                let (location, bytes) = current.take().unwrap();
                let before = frames.insert(location, Bytes::from(bytes));
                assert!(before.is_none(), "{location:?} came twice");
            }
            moqt::FetchItem::EndOfRange { location, known } => {
                if !known {
                    unknown.push(location);
                }
            }
        }
    }
    Ok((frames, unknown))
}

impl Frames {
    /// Reads a subscription, and the head of its first group if there is one.
    pub fn new(name: &FullTrackName, subscription: Subscription, head: Option<FetchReader>) -> Self {
        let (sender, arrivals) = mpsc::channel(ARRIVALS);
        let largest = subscription.parameters().largest_object;
        let task = Task::spawn(read_track(subscription, head, sender));
        Self { name: name.clone(), arrivals, largest, task }
    }

    /// Ends the subscription; the session may then have another one of the same track.
    pub async fn unsubscribe(self) {
        self.task.end().await;
    }

    /// What arrives next.
    ///
    /// # Panics
    /// Nothing does.
    pub async fn next(&mut self) -> Arrival {
        within(self.arrivals.recv()).await.unwrap_or(Arrival::Lost)
    }

    /// The next frame; resets on the way are passed over.
    ///
    /// # Panics
    /// The track ends first, or the frame is not the one that [`payload`] makes.
    pub async fn frame(&mut self) -> Location {
        loop {
            match self.next().await {
                Arrival::Frame(location, bytes) => {
                    assert_eq!(bytes, payload(&self.name, location, bytes.len()), "payload at {location:?}");
                    return location;
                }
                Arrival::Reset(..) => {}
                other => panic!("{other:?} instead of a frame"),
            }
        }
    }

    /// Frames up to and including the one at `last`.
    ///
    /// # Panics
    /// The track ends first, a frame comes twice, or the objects of a group are out of order.
    pub async fn up_to(&mut self, last: Location) -> Vec<Location> {
        let mut frames: Vec<Location> = Vec::new();
        while frames.last() != Some(&last) {
            let next = self.frame().await;
            let same_group = frames.iter().rev().find(|known| known.group == next.group);
            assert!(same_group.is_none_or(|known| known.object < next.object), "{next:?} after {same_group:?}");
            frames.push(next);
        }
        frames
    }

    /// How the subscription ends; frames and resets before are passed over.
    pub async fn end(&mut self) -> Arrival {
        loop {
            let arrival = self.next().await;
            if matches!(arrival, Arrival::Done(_) | Arrival::Lost) {
                return arrival;
            }
        }
    }
}

async fn read_track(mut subscription: Subscription, head: Option<FetchReader>, sender: mpsc::Sender<Arrival>) {
    let mut streams = JoinSet::new();
    if let Some(head) = head {
        // The head comes before everything else, as a player wants it.
        read_head(head, sender.clone()).await;
    }
    loop {
        let event = tokio::select! {
            event = subscription.next() => event,
            Some(_) = streams.join_next() => continue,
        };
        match event {
            TrackEvent::Subgroup(reader) => {
                streams.spawn(read_stream(reader, sender.clone()));
            }
            TrackEvent::Datagram(datagram) => {
                let location = Location { group: datagram.group, object: datagram.object_id };
                if let moqt::DatagramBody::Payload(payload) = datagram.body {
                    let _ = sender.send(Arrival::Frame(location, payload)).await;
                }
            }
            TrackEvent::Done { status, .. } => {
                while streams.join_next().await.is_some() {}
                let _ = sender.send(Arrival::Done(status)).await;
                return;
            }
            TrackEvent::Lost(_) => {
                let _ = sender.send(Arrival::Lost).await;
                return;
            }
        }
    }
}

async fn read_stream(mut reader: SubgroupReader, sender: mpsc::Sender<Arrival>) {
    let group = reader.header().group;
    loop {
        let arrival = match reader.next_object(OBJECT_BYTES).await {
            Ok(Some(object)) => Arrival::Frame(Location { group, object: object.header.object_id }, object.payload),
            Ok(None) => return,
            Err(StreamFailure::Reset(code)) => Arrival::Reset(group, code),
            Err(_) => return,
        };
        let over = matches!(arrival, Arrival::Reset(..));
        if sender.send(arrival).await.is_err() || over {
            return;
        }
    }
}

async fn read_head(mut head: FetchReader, sender: mpsc::Sender<Arrival>) {
    while let Ok(Some(object)) = head.next_object(OBJECT_BYTES).await {
        if sender.send(Arrival::Frame(object.header.location, object.payload)).await.is_err() {
            return;
        }
    }
}
