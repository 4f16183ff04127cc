//! A viewer that checks every object it gets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use moqt::{FullTrackName, HopDelay, Location, Namespace, Parameters, Properties, TrackName, property};
use tokio::task::JoinHandle;
use transport::{
    Address, ClientEndpoint, FetchReader, Joined, Session, SessionSettings, SubgroupReader, Subscription, TrackEvent,
    TrustSettings,
};

/// Largest object a viewer takes, in bytes.
const OBJECT_BYTES: u64 = 16 * 1024 * 1024;

/// Why a viewer could not watch.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One session of a viewer; dropping it ends the session.
#[derive(Debug)]
pub struct Viewer {
    session: Session,
    driver: JoinHandle<()>,
}

/// What a viewer saw of one track.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// Objects received whole.
    pub objects: u64,
    /// Payload bytes of those.
    pub bytes: u64,
    /// Objects that were missing inside a group, or came out of order or twice.
    pub faults: u64,
    /// Groups between the first and the last that did not come, or not to their end.
    pub missing_groups: u64,
    /// The longest time between two objects.
    pub longest_gap: Duration,
    /// For each live object with a stamp: the time from the moment it was due at the origin until it was here whole.
    pub delays: Vec<Duration>,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Viewer {
    /// Dials a server of this user on this machine.
    ///
    /// # Errors
    /// It does not answer, or is not trusted.
    pub async fn dial(client: &ClientEndpoint, address: &Address) -> Result<Self, Failure> {
        let directory = process::state_directory().ok_or("no home directory: servers cannot tell their certificate")?;
        let connection = client.dial(address, &TrustSettings::Development { directory }).await?;
        connection.set_max_incoming_uni(256);
        let settings = SessionSettings { path: Some(address.path.clone()), ..SessionSettings::default() };
        let (session, driver) = transport::start(connection, settings)?;
        let driver = tokio::spawn(async move {
            let _ = driver.await;
        });
        session.established().await?;
        Ok(Self { session, driver })
    }

    /// Joins a track at the start of its current group: the time from SUBSCRIBE to the first whole object, which must be the
    /// group's first.
    ///
    /// # Errors
    /// The track is not served, or the first object is not its group's first.
    pub async fn tune_in(&self, track: &FullTrackName) -> Result<(Duration, Joined), Failure> {
        let begun = Instant::now();
        let mut joined = self.session.join(track.clone(), Parameters::default(), 0).await?;
        let first = match joined.head.as_mut() {
            Some(head) => head.next_object(OBJECT_BYTES).await?.ok_or("empty joining fetch")?.header.location,
            None => first_live(&mut joined.subscription).await?,
        };
        if first.object == 0 {
            Ok((begun.elapsed(), joined))
        } else {
            Err(format!("first object was {first:?}").into())
        }
    }

    /// Watches a track for `time`, and checks every object.
    ///
    /// # Errors
    /// The track is not served.
    pub async fn watch(&self, track: &FullTrackName, time: Duration) -> Result<Watched, Failure> {
        let Joined { mut subscription, head } = self.session.join(track.clone(), Parameters::default(), 0).await?;
        let mut check = Check::default();
        if let Some(head) = head {
            check.head(head).await?;
        }
        let deadline = tokio::time::sleep(time);
        tokio::pin!(deadline);
        let mut streams = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = &mut deadline => break,
                Some((reader, object)) = streams.next(), if !streams.is_empty() => {
                    let reader: SubgroupReader = reader;
                    match object {
                        Ok(Some(object)) => {
                            let object: transport::Object = object;
                            check.watched.delays.extend(delay(&object.header.properties));
                            check.take(reader.header().group, object.header.object_id, object.payload.len());
                            streams.push(next(reader));
                        }
                        Ok(None) => check.end(reader.header().group),
                        Err(_) => {}
                    }
                }
                event = subscription.next() => match event {
                    TrackEvent::Subgroup(reader) => streams.push(next(reader)),
                    TrackEvent::Datagram(_) => {}
                    TrackEvent::Done { .. } | TrackEvent::Lost(_) => break,
                },
            }
        }
        Ok(check.finish())
    }
}

async fn next(
    mut reader: SubgroupReader,
) -> (SubgroupReader, Result<Option<transport::Object>, transport::StreamFailure>) {
    let object = reader.next_object(OBJECT_BYTES).await;
    (reader, object)
}

/// How long ago an object was due, by the origin's stamp. Origin and viewer share this machine's clock.
fn delay(properties: &Properties) -> Option<Duration> {
    let stamp = HopDelay::from_bytes(&properties.get_bytes(property::HOP_DELAY)?)?;
    let due = UNIX_EPOCH.checked_add(Duration::from_micros(stamp.captured))?;
    // A step of the clock may put it into the future.
    Some(SystemTime::now().duration_since(due).unwrap_or_default())
}

async fn first_live(subscription: &mut Subscription) -> Result<Location, Failure> {
    loop {
        match subscription.next().await {
            TrackEvent::Subgroup(mut reader) => {
                if let Some(object) = reader.next_object(OBJECT_BYTES).await? {
                    return Ok(Location { group: reader.header().group, object: object.header.object_id });
                }
            }
            TrackEvent::Datagram(datagram) => {
                return Ok(Location { group: datagram.group, object: datagram.object_id });
            }
            TrackEvent::Done { reason, .. } => return Err(reason.into()),
            TrackEvent::Lost(error) => return Err(format!("lost: {error:?}").into()),
        }
    }
}

/// The track `name` of the broadcast `live/demo`.
///
/// # Errors
/// The name is too long.
pub fn demo_track(name: &str) -> Result<FullTrackName, Failure> {
    let namespace = Namespace::new(["live", "demo"].map(str::to_owned))?;
    Ok(FullTrackName::new(namespace, TrackName::new(name.to_owned())?)?)
}

/// Object ids and group ids as they come.
#[derive(Debug, Default)]
struct Check {
    watched: Watched,
    /// Next object id of each group, and whether its end was seen.
    groups: BTreeMap<u64, (u64, bool)>,
    last: Option<Instant>,
}

impl Check {
    async fn head(&mut self, mut head: FetchReader) -> Result<(), Failure> {
        while let Some(object) = head.next_object(OBJECT_BYTES).await? {
            let Location { group, object: id } = object.header.location;
            self.take(group, id, object.payload.len());
        }
        Ok(())
    }

    fn take(&mut self, group: u64, object: u64, bytes: usize) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.watched.longest_gap = self.watched.longest_gap.max(now - last);
        }
        let (next, _) = self.groups.entry(group).or_default();
        self.watched.faults += u64::from(object != *next);
        *next = object + 1;
        self.watched.objects += 1;
        self.watched.bytes += bytes as u64;
    }

    fn end(&mut self, group: u64) {
        self.groups.entry(group).or_default().1 = true;
    }

    fn finish(mut self) -> Watched {
        let ids: Vec<u64> = self.groups.keys().copied().collect();
        if let (Some(first), Some(last)) = (ids.first(), ids.last()) {
            let whole = self.groups.range(..last).filter(|(_, (_, ended))| *ended).count() as u64;
            self.watched.missing_groups = (last - first).saturating_sub(whole);
        }
        self.watched
    }
}
