//! Where the time of a frame goes: a stamp that travels with an object, and an estimate of how far clocks are apart.
//!
//! The origin puts [`crate::property::HOP_DELAY`] on a track (a [`TrackMark`]) and on its objects (a [`HopDelay`]). A relay that
//! knows it appends one [`RelayHop`] to the bytes of an object's stamp; everybody else forwards it like any property. Integers
//! are vi64 in every draft, so a stamp is the same bytes on every session.
//!
//! No two clocks agree. Every hop tells the plain difference between its clock and that of the hop before, and its own estimate
//! of how much of that is the clocks' ([`ClockOffset`]), with the half width of what it cannot know.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::limit::{HOP_DELAY_BYTES, HOP_DELAY_RELAYS};
use crate::varint;
use crate::version::Version;

/// The only form of stamps there is.
const FORM: u8 = 1;
const CAPTURE_KNOWN: u8 = 1;

/// Says that the objects of a track are stamped: the value of the track property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackMark {
    /// [`HopDelay::captured`] is the capture; else it is when the frame reached the one who stamped it.
    pub capture_known: bool,
}

impl TrackMark {
    /// The value of the property.
    pub fn to_bytes(self) -> Bytes {
        let flags = if self.capture_known { CAPTURE_KNOWN } else { 0 };
        Bytes::copy_from_slice(&[FORM, flags])
    }

    /// Reads the value; `None` for another form, whose stamps are not to be touched. Unknown flags are ignored.
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        match value {
            [FORM, flags, ..] => Some(Self { capture_known: flags & CAPTURE_KNOWN != 0 }),
            _ => None,
        }
    }
}

/// What one relay tells about itself and the link before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayHop {
    /// µs of arrival by this relay's clock minus departure by the clock of the hop before.
    pub difference: i64,
    /// µs that this relay believes its clock to be ahead of the clock of the hop before.
    pub offset: i64,
    /// Half width of that belief in µs.
    pub uncertainty: u64,
    /// µs that this relay keeps a frame, as a rule.
    pub dwell: u64,
}

impl RelayHop {
    /// µs that the way to this relay took, give or take [`RelayHop::uncertainty`].
    pub fn link(&self) -> i64 {
        self.difference.saturating_sub(self.offset)
    }
}

/// The stamp of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopDelay {
    /// When the frame was captured, or came to the origin: unix µs by the origin's clock.
    pub captured: u64,
    /// µs from then until it was published.
    pub origin: u64,
    /// The relays it passed, in order.
    pub relays: Vec<RelayHop>,
}

impl HopDelay {
    /// Reads a stamp; `None` when it is malformed or above [`HOP_DELAY_BYTES`] or [`HOP_DELAY_RELAYS`].
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value)?;
        let (captured, origin) = (reader.int()?, reader.int()?);
        let mut relays = Vec::new();
        while !reader.rest.is_empty() {
            if relays.len() == HOP_DELAY_RELAYS {
                return None;
            }
            relays.push(reader.hop()?);
        }
        Some(Self { captured, origin, relays })
    }

    /// The value of the property.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(24 + self.relays.len() * 12);
        put(self.captured, &mut out);
        put(self.origin, &mut out);
        for hop in &self.relays {
            put_hop(hop, &mut out);
        }
        out.freeze()
    }

    /// When the last hop sent the object on: unix µs by its clock.
    pub fn departure(&self) -> u64 {
        let start = self.captured.saturating_add(self.origin);
        self.relays.iter().fold(start, departure_after)
    }
}

/// When the last hop of a stamp sent the object on: unix µs by its clock. `None` as for [`HopDelay::from_bytes`], and when
/// there is no room for another relay. Allocates nothing.
pub fn last_departure(value: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(value)?;
    let mut departure = reader.int()?.saturating_add(reader.int()?);
    let mut relays = 0;
    while !reader.rest.is_empty() {
        departure = departure_after(departure, &reader.hop()?);
        relays += 1;
    }
    (relays < HOP_DELAY_RELAYS).then_some(departure)
}

/// The stamp with one more relay; what is there stays as it is. `None` when it would be above [`HOP_DELAY_BYTES`]. That the
/// stamp is good is [`last_departure`]'s to say.
pub fn append_hop(value: &[u8], hop: &RelayHop) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(value.len() + 4 * 9);
    out.extend_from_slice(value);
    put_hop(hop, &mut out);
    (out.len() <= HOP_DELAY_BYTES).then(|| out.freeze())
}

fn departure_after(before: u64, hop: &RelayHop) -> u64 {
    before.saturating_add_signed(hop.difference).saturating_add(hop.dwell)
}

/// Reads the integers of a stamp.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(value: &'a [u8]) -> Option<Self> {
        (value.len() <= HOP_DELAY_BYTES).then_some(Self { rest: value })
    }

    fn int(&mut self) -> Option<u64> {
        let (value, length) = varint::peek(self.rest, Version::Draft18)?;
        self.rest = &self.rest[length..];
        Some(value)
    }

    fn hop(&mut self) -> Option<RelayHop> {
        Some(RelayHop {
            difference: unzigzag(self.int()?),
            offset: unzigzag(self.int()?),
            uncertainty: self.int()?,
            dwell: self.int()?,
        })
    }
}

fn put(value: u64, out: &mut BytesMut) {
    varint::encode(value, out, Version::Draft18).expect("vi64 holds every u64");
}

fn put_hop(hop: &RelayHop, out: &mut BytesMut) {
    put(zigzag(hop.difference), out);
    put(zigzag(hop.offset), out);
    put(hop.uncertainty, out);
    put(hop.dwell, out);
}

/// Small numbers of either sign as small numbers.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// How long an observation counts: long enough for a frame that waited nowhere, short enough to follow clocks that drift
/// (20 parts per million are 1.2 ms in it).
const WINDOW: Duration = Duration::from_secs(60);
/// Steps in which observations are forgotten.
const SLOTS: usize = 12;
const SLOT_MICROS: u128 = WINDOW.as_micros() / SLOTS as u128;

/// How far this clock is ahead of another one, learned from objects that come from there and from round-trip times.
///
/// The smallest difference of the last minute belongs to an object that waited nowhere: it took half a round trip, and the rest
/// is the clocks'. Half a round trip is also what cannot be known, since the ways there and back may differ. Time is an
/// argument, since any moment.
#[derive(Clone, Debug, Default)]
pub struct ClockOffset {
    differences: Minima,
    round_trips: Minima,
}

/// An estimate of [`ClockOffset`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffsetEstimate {
    /// µs that this clock is ahead; 0 when nothing is known.
    pub offset: i64,
    /// Half width of it in µs. Without any round-trip time: the smallest difference itself, so that nothing is claimed.
    pub uncertainty: u64,
}

impl ClockOffset {
    /// Takes a round-trip time.
    pub fn round_trip(&mut self, now: Duration, time: Duration) {
        self.round_trips.add(now, i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
    }

    /// Takes the difference of one object in µs, arrival here minus departure there, and tells the estimate with it.
    pub fn difference(&mut self, now: Duration, difference: i64) -> OffsetEstimate {
        self.differences.add(now, difference);
        self.round_trips.forget(now);
        match (self.differences.least(), self.round_trips.least()) {
            (Some(least), Some(round_trip)) => {
                let half = round_trip / 2;
                OffsetEstimate { offset: least.saturating_sub(half), uncertainty: half.unsigned_abs() }
            }
            (Some(least), None) => OffsetEstimate { offset: 0, uncertainty: least.unsigned_abs() },
            (None, _) => OffsetEstimate::default(),
        }
    }
}

/// Minima of a sliding window.
#[derive(Clone, Debug)]
struct Minima {
    /// By slot number modulo their count; `i64::MAX` where nothing was seen.
    slots: [i64; SLOTS],
    newest: u128,
    least: i64,
}

impl Default for Minima {
    fn default() -> Self {
        Self { slots: [i64::MAX; SLOTS], newest: 0, least: i64::MAX }
    }
}

impl Minima {
    fn add(&mut self, now: Duration, value: i64) {
        self.forget(now);
        let slot = &mut self.slots[(self.newest % SLOTS as u128) as usize];
        *slot = value.min(*slot);
        self.least = value.min(self.least);
    }

    /// Drops what is too old. Time that goes back changes nothing.
    fn forget(&mut self, now: Duration) {
        let number = now.as_micros() / SLOT_MICROS;
        if number <= self.newest {
            return;
        }
        let passed = (number - self.newest).min(SLOTS as u128);
        for step in 0..passed {
            self.slots[((number - step) % SLOTS as u128) as usize] = i64::MAX;
        }
        self.newest = number;
        self.least = self.slots.iter().copied().min().unwrap_or(i64::MAX);
    }

    fn least(&self) -> Option<i64> {
        Some(self.least).filter(|least| *least != i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: i64 = 1000;

    fn hop(difference: i64, dwell: u64) -> RelayHop {
        RelayHop { difference, offset: -7, uncertainty: 300, dwell }
    }

    #[test]
    fn a_relay_appends_and_changes_nothing_before() {
        let stamp = HopDelay { captured: 1_700_000_000_000_000, origin: 250, relays: Vec::new() };
        let bytes = stamp.to_bytes();
        assert_eq!(last_departure(&bytes), Some(stamp.departure()));
        let first = append_hop(&bytes, &hop(-5000, 40)).unwrap();
        let second = append_hop(&first, &hop(9000, 60)).unwrap();
        assert!(first.starts_with(&bytes) && second.starts_with(&first));
        let read = HopDelay::from_bytes(&second).unwrap();
        assert_eq!(read.relays, [hop(-5000, 40), hop(9000, 60)]);
        assert_eq!(read.departure(), 1_700_000_000_000_250 - 5000 + 40 + 9000 + 60);
        assert_eq!(last_departure(&second), Some(read.departure()));
        assert_eq!(read.to_bytes(), second);
    }

    #[test]
    fn a_full_stamp_takes_no_more_and_a_longer_one_is_not_read() {
        let mut stamp = HopDelay { relays: vec![hop(1, 1); HOP_DELAY_RELAYS - 1], ..HopDelay::default() };
        assert!(last_departure(&stamp.to_bytes()).is_some());
        stamp.relays.push(hop(1, 1));
        assert_eq!(HopDelay::from_bytes(&stamp.to_bytes()), Some(stamp.clone()));
        assert_eq!(last_departure(&stamp.to_bytes()), None, "no room");
        stamp.relays.push(hop(1, 1));
        assert_eq!(HopDelay::from_bytes(&stamp.to_bytes()), None);
        let wide = RelayHop { difference: i64::MIN, offset: i64::MAX, uncertainty: u64::MAX, dwell: u64::MAX };
        let stamp = HopDelay { relays: vec![wide; 14], ..HopDelay::default() }.to_bytes();
        assert!(last_departure(&stamp).is_some());
        assert_eq!(append_hop(&stamp, &wide), None, "above the bytes of a stamp");
    }

    #[test]
    fn marks_of_another_form_are_left_alone() {
        for capture_known in [false, true] {
            let mark = TrackMark { capture_known };
            assert_eq!(TrackMark::from_bytes(&mark.to_bytes()), Some(mark));
        }
        assert_eq!(TrackMark::from_bytes(&[1, 0xff, 9]), Some(TrackMark { capture_known: true }));
        assert_eq!((TrackMark::from_bytes(&[2, 1]), TrackMark::from_bytes(&[1])), (None, None));
    }

    #[test]
    fn the_fastest_object_and_the_shortest_round_trip_tell_the_offset() {
        let mut clock = ClockOffset::default();
        let second = Duration::from_secs;
        // This clock is 100 ms ahead, the way takes 10 ms, and some frames wait.
        let estimate = clock.difference(second(1), 140 * MILLISECOND);
        assert_eq!(estimate, OffsetEstimate { offset: 0, uncertainty: 140_000 }, "no round trip: nothing is known");
        clock.round_trip(second(1), Duration::from_millis(24));
        clock.round_trip(second(2), Duration::from_millis(20));
        clock.round_trip(second(3), Duration::from_millis(90));
        assert_eq!(
            clock.difference(second(3), 110 * MILLISECOND),
            OffsetEstimate { offset: 100_000, uncertainty: 10_000 }
        );
        assert_eq!(clock.difference(second(4), 180 * MILLISECOND).offset, 100_000);
        // The path became 30 ms longer each way: known once the window has passed.
        for at in 5..60 {
            clock.round_trip(second(at), Duration::from_millis(80));
            assert_eq!(clock.difference(second(at), 140 * MILLISECOND).offset, 100_000);
        }
        clock.round_trip(second(70), Duration::from_millis(80));
        let estimate = clock.difference(second(70), 140 * MILLISECOND);
        assert_eq!(estimate, OffsetEstimate { offset: 100_000, uncertainty: 40_000 });
        let estimate = clock.difference(second(1000), -5 * MILLISECOND);
        assert_eq!(estimate, OffsetEstimate { offset: 0, uncertainty: 5000 }, "everything older is forgotten");
    }
}
