//! This relay's hop in the delay stamps of objects: when they came, how long the link took, how long they stay.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use moqt::hop_delay::{append_hop, last_departure};
use moqt::{ClockOffset, HopDelay, Pair, Properties, RelayHop, TrackMark, property};
use transport::Connection;

use crate::settings::DelaySettings;
use crate::{limit, metric};

/// What is done with the stamps of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamping {
    /// Whatever the objects carry goes on as it is.
    Off,
    /// The publisher stamps: this relay's hop is added.
    Add,
    /// Nobody stamps: the stamp begins here.
    Begin,
}

impl Stamping {
    fn of(settings: &DelaySettings, properties: &Properties) -> Self {
        match properties.get_bytes(property::HOP_DELAY) {
            _ if !settings.stamp => Self::Off,
            Some(mark) if TrackMark::from_bytes(&mark).is_some() => Self::Add,
            Some(_) => Self::Off,
            None if settings.foreign => Self::Begin,
            None => Self::Off,
        }
    }
}

/// The track properties that viewers get: those of the upstream, and a mark where the stamp begins here.
pub(crate) fn declared(settings: &DelaySettings, properties: &Properties) -> Properties {
    if Stamping::of(settings, properties) != Stamping::Begin {
        return properties.clone();
    }
    let mark = TrackMark { capture_known: false };
    properties.with(&Pair::new(property::HOP_DELAY, mark.to_bytes())).unwrap_or_else(|_| properties.clone())
}

/// Stamps the objects of one upstream subscription as they come.
#[derive(Debug)]
pub(crate) struct Stamper {
    connection: Arc<dyn Connection>,
    begins: bool,
    /// What time is counted from.
    begin: Instant,
    clock: Mutex<Clock>,
}

#[derive(Debug, Default)]
struct Clock {
    offset: ClockOffset,
    /// When the path's round-trip time was last looked at.
    looked: Option<Duration>,
}

impl Stamper {
    /// `None` when the objects of a track with these properties are not to be stamped.
    pub(crate) fn new(
        settings: &DelaySettings,
        properties: &Properties,
        connection: Arc<dyn Connection>,
    ) -> Option<Self> {
        let begins = match Stamping::of(settings, properties) {
            Stamping::Off => return None,
            Stamping::Add => false,
            Stamping::Begin => true,
        };
        Some(Self { connection, begins, begin: Instant::now(), clock: Mutex::default() })
    }

    /// Whether objects get properties that came without.
    pub(crate) fn begins(&self) -> bool {
        self.begins
    }

    /// The properties of an object that arrives now, stamped. `None`: they stay as they are.
    pub(crate) fn stamp(&self, properties: &Properties, dwell: &Dwell) -> Option<Properties> {
        let arrival = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let arrival = u64::try_from(arrival.as_micros()).ok()?;
        let stamp = match properties.mutable_bytes(property::HOP_DELAY) {
            Some(stamp) if !self.begins => {
                let departure = last_departure(&stamp)?;
                append_hop(&stamp, &self.hop(arrival, departure, dwell))?
            }
            None if self.begins => HopDelay { captured: arrival, ..HopDelay::default() }.to_bytes(),
            _ => return None,
        };
        properties.with(&Pair::new(property::HOP_DELAY, stamp)).ok()
    }

    fn hop(&self, arrival: u64, departure: u64, dwell: &Dwell) -> RelayHop {
        let difference = i64::try_from(i128::from(arrival) - i128::from(departure)).unwrap_or(i64::MAX);
        let now = self.begin.elapsed();
        let estimate = {
            let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
            if clock.looked.is_none_or(|looked| now >= looked + limit::ROUND_TRIP_INTERVAL) {
                clock.looked = Some(now);
                // Zero before anything was measured.
                let round_trip = Some(self.connection.stats().rtt).filter(|time| !time.is_zero());
                round_trip.into_iter().for_each(|time| clock.offset.round_trip(now, time));
            }
            clock.offset.difference(now, difference)
        };
        let hop = RelayHop {
            difference,
            offset: estimate.offset,
            uncertainty: estimate.uncertainty,
            dwell: dwell.mean_micros(),
        };
        metric::link_delay(Duration::from_micros(u64::try_from(hop.link()).unwrap_or(0)));
        hop
    }
}

/// How long a track's objects stay in this relay: from arrival to the first write to any viewer, a mean of the last ones.
#[derive(Debug)]
pub(crate) struct Dwell {
    begin: Instant,
    /// Arrival of the newest object counted, µs since `begin`.
    newest: AtomicU64,
    /// µs times [`WEIGHT`]; 0 before the first.
    mean: AtomicU64,
}

/// Objects that the mean is of, about.
const WEIGHT: u64 = 16;

impl Dwell {
    pub(crate) fn new() -> Self {
        Self { begin: Instant::now(), newest: AtomicU64::new(0), mean: AtomicU64::new(0) }
    }

    /// A viewer gets the first bytes of an object that has been here for `time`. Objects that another viewer got before, as a
    /// slow or a new one does, do not count.
    pub(crate) fn first_bytes(&self, time: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let arrived = micros(self.begin.elapsed().saturating_sub(time));
        let newest = self.newest.fetch_max(arrived, Ordering::Relaxed);
        // Two viewers do not look at the clock at the same moment.
        if arrived <= newest.saturating_add(limit::SAME_ARRIVAL_MICROS) {
            return;
        }
        let before = self.mean.load(Ordering::Relaxed);
        let time = micros(time).min(u64::MAX / WEIGHT);
        let mean = if before == 0 { time * WEIGHT } else { (before - before / WEIGHT).saturating_add(time) };
        // Viewers of a track may count at the same time; one of their objects is then missing in the mean.
        self.mean.store(mean, Ordering::Relaxed);
    }

    /// The mean in µs; 0 while nobody has watched.
    fn mean_micros(&self) -> u64 {
        self.mean.load(Ordering::Relaxed) / WEIGHT
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use transport::loopback::{LoopbackSettings, pair};

    use super::*;

    const ON: DelaySettings = DelaySettings { stamp: true, foreign: false };
    const FOREIGN: DelaySettings = DelaySettings { stamp: true, foreign: true };
    const OFF: DelaySettings = DelaySettings { stamp: false, foreign: true };

    fn with(value: impl Into<Bytes>) -> Properties {
        Properties::from_pairs([Pair::new(property::TIMESTAMP, 5), Pair::new(property::HOP_DELAY, value.into())])
            .unwrap()
    }

    fn stamper(settings: &DelaySettings, track: &Properties) -> Option<Stamper> {
        Stamper::new(settings, track, pair(LoopbackSettings::default()).0)
    }

    #[tokio::test]
    async fn a_hop_is_added_to_good_stamps_of_marked_tracks_only() {
        let track = with(TrackMark { capture_known: true }.to_bytes());
        assert_eq!(declared(&FOREIGN, &track), track);
        let stamper = stamper(&ON, &track).unwrap();
        let (dwell, stamp) = (Dwell::new(), HopDelay { captured: 1_700_000_000_000_000, ..HopDelay::default() });
        dwell.first_bytes(Duration::ZERO);
        let before = with(stamp.to_bytes());
        let after = stamper.stamp(&before, &dwell).unwrap();
        let read = HopDelay::from_bytes(&after.mutable_bytes(property::HOP_DELAY).unwrap()).unwrap();
        assert_eq!((read.captured, read.relays.len()), (stamp.captured, 1));
        assert_eq!(after.get_int(property::TIMESTAMP), Some(5));
        for other in [Properties::EMPTY, with(vec![0xff; 3]), with(vec![0; 513]), with(vec![0; 2 + 16 * 4])] {
            assert_eq!(stamper.stamp(&other, &dwell), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn tracks_of_others_are_stamped_only_on_request() {
        let plain = Properties::from_pairs([Pair::new(property::TIMESCALE, 90_000)]).unwrap();
        let strange = with(vec![9, 9]);
        assert!(
            stamper(&ON, &plain).is_none() && stamper(&FOREIGN, &strange).is_none() && stamper(&OFF, &plain).is_none()
        );
        assert_eq!((declared(&ON, &plain), declared(&OFF, &plain)), (plain.clone(), plain.clone()));
        let mark = declared(&FOREIGN, &plain).mutable_bytes(property::HOP_DELAY).unwrap();
        assert_eq!(TrackMark::from_bytes(&mark), Some(TrackMark { capture_known: false }));
        let stamper = stamper(&FOREIGN, &plain).unwrap();
        let stamped = stamper.stamp(&Properties::EMPTY, &Dwell::new()).unwrap();
        let read = HopDelay::from_bytes(&stamped.mutable_bytes(property::HOP_DELAY).unwrap()).unwrap();
        assert!(read.captured > 1_700_000_000_000_000 && read.origin == 0 && read.relays.is_empty());
    }

    #[test]
    fn dwell_is_of_the_first_viewer() {
        let dwell = Dwell::new();
        assert_eq!(dwell.mean_micros(), 0);
        std::thread::sleep(Duration::from_millis(20));
        dwell.first_bytes(Duration::from_millis(2));
        assert_eq!(dwell.mean_micros(), 2000);
        dwell.first_bytes(Duration::from_millis(2));
        dwell.first_bytes(Duration::from_millis(19));
        assert_eq!(dwell.mean_micros(), 2000, "the same object and an older one");
        std::thread::sleep(Duration::from_millis(20));
        dwell.first_bytes(Duration::from_millis(18));
        assert_eq!(dwell.mean_micros(), 3000);
    }
}
