//! Which of a track's publishers sends and which stand by: pure rules, time as an argument.

use std::time::Instant;

use crate::limit;

/// What a publisher is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Be subscribed with forward off. A higher number than before asks it how far it is.
    StandBy(u64),
    /// Send objects, beginning with this group if the log lacks what came since.
    Send { from: Option<u64> },
    /// Let go: nobody watches any more.
    Leave,
}

/// One publisher's place.
#[derive(Debug)]
struct Place {
    id: u64,
    /// Sends beside the chosen one, whom it is about to succeed.
    joined: bool,
    /// It has done what its role asks of it.
    settled: bool,
    /// When its role was given to it.
    since: Instant,
    /// It was chosen and did not answer in time; forgotten when it does.
    slow: bool,
}

/// The publishers of one track, best first.
#[derive(Debug)]
pub(super) struct Roster {
    places: Vec<Place>,
    /// The one that sends while the others stand by.
    chosen: Option<u64>,
    /// Everybody sends, and what comes twice is dropped.
    merging: bool,
    /// The first group that was left out by the one that sent.
    from: Option<u64>,
    /// How often those who stand by were asked how far they are.
    probes: u64,
}

impl Roster {
    /// `merge`: everybody sends from the beginning.
    pub(super) fn new(merge: bool) -> Self {
        Self { places: Vec::new(), chosen: None, merging: merge, from: None, probes: 0 }
    }

    /// Takes in a publisher, behind those that are here.
    pub(super) fn add(&mut self, id: u64, now: Instant) -> Role {
        self.places.push(Place { id, joined: false, settled: false, since: now, slow: false });
        self.chosen.get_or_insert(id);
        self.role(id)
    }

    /// A publisher has done what its role asks: it is subscribed, or sends.
    pub(super) fn settled(&mut self, id: u64) {
        if let Some(place) = self.places.iter_mut().find(|place| place.id == id) {
            (place.settled, place.slow) = (true, false);
        }
    }

    /// A publisher is gone. The best of the others takes over if it was the one that sent.
    pub(super) fn remove(&mut self, id: u64, now: Instant) {
        self.places.retain(|place| place.id != id);
        if self.chosen == Some(id) {
            self.chosen = None;
            let ready = self.places.iter().find(|place| place.settled);
            if let Some(next) = ready.or_else(|| self.places.first()).map(|place| place.id) {
                self.choose(next, now);
            }
        }
    }

    /// Lets a publisher send, and whoever sent until now stand by.
    pub(super) fn choose(&mut self, id: u64, now: Instant) {
        if self.chosen == Some(id) {
            return;
        }
        self.chosen = Some(id);
        if let Some(place) = self.places.iter_mut().find(|place| place.id == id && !self.merging) {
            (place.settled, place.since) = (false, now);
        }
    }

    /// Lets a publisher send beside the one it is about to succeed.
    pub(super) fn join(&mut self, id: u64, now: Instant) {
        if let Some(place) = self.places.iter_mut().find(|place| place.id == id) {
            (place.joined, place.settled, place.since) = (true, false, now);
        }
    }

    /// The one that sends left groups out, beginning with `from`: from now on all send.
    pub(super) fn merge(&mut self, from: u64, now: Instant) {
        if self.merging || self.places.len() < 2 {
            return;
        }
        (self.merging, self.from) = (true, Some(from));
        for place in self.places.iter_mut().filter(|place| Some(place.id) != self.chosen) {
            (place.settled, place.since) = (false, now);
        }
    }

    /// Passes over a chosen publisher that does not answer while another is ready. `true` if one takes over.
    pub(super) fn look(&mut self, now: Instant) -> bool {
        let late = |place: &Place| !place.settled && now.duration_since(place.since) >= limit::PUBLISHER_ANSWER;
        let Some(late) = self.places.iter_mut().find(|place| Some(place.id) == self.chosen && late(place)) else {
            return false;
        };
        if self.merging {
            return false;
        }
        late.slow = true;
        let Some(next) = self.places.iter().find(|place| place.settled && !place.slow).map(|place| place.id) else {
            return false;
        };
        self.choose(next, now);
        true
    }

    /// Asks everybody who stands by how far they are.
    pub(super) fn probe(&mut self) {
        self.probes += 1;
    }

    pub(super) fn role(&self, id: u64) -> Role {
        let joined = self.places.iter().any(|place| place.id == id && place.joined);
        if self.merging || joined || self.chosen == Some(id) {
            Role::Send { from: self.from }
        } else {
            Role::StandBy(self.probes)
        }
    }

    /// Whether what this publisher says of the track counts.
    pub(super) fn sends(&self, id: u64) -> bool {
        matches!(self.role(id), Role::Send { .. })
    }

    /// Whether somebody stands by who could take over.
    pub(super) fn has_reserve(&self) -> bool {
        !self.merging && self.places.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND: Role = Role::Send { from: None };

    fn roles(roster: &Roster) -> Vec<(u64, Role)> {
        roster.places.iter().map(|place| (place.id, roster.role(place.id))).collect()
    }

    fn three(merge: bool, now: Instant) -> Roster {
        let mut roster = Roster::new(merge);
        for id in 1..=3 {
            roster.add(id, now);
            roster.settled(id);
        }
        roster
    }

    #[test]
    fn the_best_sends_and_the_next_that_is_ready_takes_over() {
        let now = Instant::now();
        let mut roster = three(false, now);
        let waits = Role::StandBy(0);
        assert_eq!(roles(&roster), [(1, SEND), (2, waits), (3, waits)]);
        roster.remove(1, now);
        assert_eq!(roles(&roster), [(2, SEND), (3, waits)]);
        roster.add(4, now);
        roster.remove(2, now);
        assert_eq!(roles(&roster), [(3, SEND), (4, waits)], "the better place of those that are ready");
        roster.remove(3, now);
        assert_eq!(roles(&roster), [(4, SEND)], "or whoever is left");
        assert!(!roster.has_reserve());
    }

    #[test]
    fn a_hole_lets_everybody_send() {
        let now = Instant::now();
        let mut roster = three(false, now);
        assert!(roster.has_reserve());
        roster.merge(7, now);
        assert!(roles(&roster).iter().all(|(_, role)| matches!(role, Role::Send { from: Some(7) })));
        assert!(!roster.has_reserve());
        assert!(three(true, now).sends(3), "or the settings do");
    }

    #[test]
    fn a_publisher_that_does_not_answer_is_passed_over() {
        let now = Instant::now();
        let mut roster = Roster::new(false);
        roster.add(1, now);
        roster.add(2, now);
        let later = now + limit::PUBLISHER_ANSWER;
        assert!(!roster.look(later), "nobody else has answered either");
        roster.settled(2);
        assert!(roster.look(later));
        assert_eq!(roles(&roster), [(1, Role::StandBy(0)), (2, SEND)]);
        let latest = later + limit::PUBLISHER_ANSWER;
        assert!(!roster.look(latest), "the slow one is no way out");
        roster.settled(1);
        assert!(roster.look(latest), "until it answers");
    }

    #[test]
    fn those_who_stand_by_are_asked_how_far_they_are() {
        let mut roster = three(false, Instant::now());
        roster.probe();
        assert_eq!(roles(&roster), [(1, SEND), (2, Role::StandBy(1)), (3, Role::StandBy(1))]);
    }
}
