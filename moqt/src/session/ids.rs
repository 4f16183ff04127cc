//! Request ids: those this side hands out and those the peer has used (section 10.1).

use std::collections::BTreeMap;

use super::limit::MAX_REQUEST_ID_RANGES;
use crate::{ProtocolError, RequestId, SessionErrorCode, Side};

/// The ids of this side's requests: even from 0 for a client, odd from 1 for a server.
#[derive(Debug)]
pub(super) struct LocalRequestIds {
    next: Option<u64>,
}

impl LocalRequestIds {
    pub(super) fn new(side: Side) -> Self {
        Self { next: Some(parity(side)) }
    }

    /// The next id, or `None` when all 2^63 are used.
    pub(super) fn peek(&self) -> Option<RequestId> {
        self.next.map(RequestId)
    }

    /// Uses up the id `peek` gave.
    pub(super) fn advance(&mut self) {
        self.next = self.next.and_then(|id| id.checked_add(2));
    }
}

/// The ids the peer has used, as ranges of `id / 2`.
#[derive(Debug)]
pub(super) struct PeerRequestIds {
    peer: Side,
    ranges: BTreeMap<u64, u64>,
}

impl PeerRequestIds {
    pub(super) fn new(peer: Side) -> Self {
        Self { peer, ranges: BTreeMap::new() }
    }

    /// Notes that the peer used `id`.
    ///
    /// # Errors
    /// INVALID_REQUEST_ID when the id has this side's parity or was used before.
    pub(super) fn insert(&mut self, id: RequestId) -> Result<(), ProtocolError> {
        id.check_owner(self.peer)?;
        if self.was_used(id) {
            let reason = format!("request id {id} was used before");
            return Err(ProtocolError::new(SessionErrorCode::InvalidRequestId, reason));
        }
        let index = id.0 / 2;
        let mut start = index;
        let mut end = index;
        if let Some((&before, &before_end)) = self.ranges.range(..index).next_back()
            && before_end + 1 == index
        {
            start = before;
        }
        if let Some(after_end) = self.ranges.remove(&(index + 1)) {
            end = after_end;
        }
        self.ranges.insert(start, end);
        if self.ranges.len() > MAX_REQUEST_ID_RANGES {
            self.close_oldest_hole();
        }
        Ok(())
    }

    /// Whether the peer used `id`, or left it out for so long that it counts as used.
    pub(super) fn was_used(&self, id: RequestId) -> bool {
        let index = id.0 / 2;
        self.ranges.range(..=index).next_back().is_some_and(|(_, &end)| end >= index)
    }

    /// The smallest id above every used one: what a GOAWAY names as not processed.
    pub(super) fn next(&self) -> RequestId {
        let index = self.ranges.last_key_value().map_or(0, |(_, &end)| end + 1);
        RequestId(index.saturating_mul(2).saturating_add(parity(self.peer)))
    }

    fn close_oldest_hole(&mut self) {
        if let Some((first, _)) = self.ranges.pop_first()
            && let Some((_, end)) = self.ranges.pop_first()
        {
            self.ranges.insert(first, end);
        }
    }
}

fn parity(side: Side) -> u64 {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_may_come_in_any_order_but_once() {
        let mut ids = PeerRequestIds::new(Side::Client);
        for id in [4, 0, 2, 8] {
            ids.insert(RequestId(id)).unwrap();
        }
        assert_eq!(ids.ranges.len(), 2);
        for id in [0, 2, 4, 8] {
            assert_eq!(ids.insert(RequestId(id)).unwrap_err().code, SessionErrorCode::InvalidRequestId);
        }
        assert!(!ids.was_used(RequestId(6)));
        ids.insert(RequestId(6)).unwrap();
        assert_eq!(ids.ranges.len(), 1);
        assert_eq!(ids.next(), RequestId(10));
    }

    #[test]
    fn holes_are_bounded_and_the_largest_ids_do_not_overflow() {
        let mut ids = PeerRequestIds::new(Side::Server);
        for step in 0..5_000u64 {
            ids.insert(RequestId(step * 4 + 1)).unwrap();
        }
        assert_eq!(ids.ranges.len(), MAX_REQUEST_ID_RANGES);
        ids.insert(RequestId(u64::MAX)).unwrap();
        assert_eq!(ids.next(), RequestId(u64::MAX));
        assert!(ids.insert(RequestId(3)).is_err(), "the oldest hole counts as used");
    }

    #[test]
    fn local_ids_step_by_two_and_end() {
        let mut ids = LocalRequestIds::new(Side::Server);
        assert_eq!(ids.peek(), Some(RequestId(1)));
        ids.advance();
        assert_eq!(ids.peek(), Some(RequestId(3)));
        ids.next = Some(u64::MAX);
        ids.advance();
        assert_eq!(ids.peek(), None);
    }
}
