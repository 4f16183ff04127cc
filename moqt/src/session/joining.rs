//! Joining FETCHes of the peer: their range comes from a subscription that may not be ready, or not
//! even here (section 10.12.2).

use super::Session;
use super::event::{PeerRequest, RequestKey};
use super::limit::{JOINING_WAIT, MAX_HELD_FETCHES};
use super::request::{Fetch, HeldFetch, Kind, Role, Subscription};
use super::timer::Timer;
use crate::{FetchKind, Location, RequestErrorCode, RequestId};

/// A joining FETCH that overtook its SUBSCRIBE: the two travel on different streams.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) fetch: RequestKey,
    joining: RequestId,
    pub(super) timer: Timer,
}

impl Session {
    /// Finds the range of a held FETCH and hands it to the application, refuses it, or lets it
    /// wait.
    pub(super) fn join(&mut self, fetch: RequestKey) {
        let Some((id, kind)) = self.requests.get(fetch).and_then(|request| {
            let Kind::Fetch(Fetch { held: Some(held), .. }) = &request.kind else { return None };
            Some((request.id?, held.kind.clone()))
        }) else {
            return;
        };
        let Some(joining) = joined_id(&kind) else { return };
        let publisher =
            |key: &RequestKey| self.requests.get(*key).is_some_and(|request| request.has_role(Role::Publisher));
        let Some(key) = self.requests.by_id(joining).filter(publisher) else {
            self.await_subscription(fetch, id, joining);
            return;
        };
        let Some(request) = self.requests.get(key) else { return };
        if !request.established || !request.received_updates.is_empty() {
            self.requests.add_waiting(key, fetch);
            return;
        }
        let Some(subscription) = request.subscription() else { return };
        match range(subscription, &kind) {
            Ok((start, end)) => self.announce_joining(fetch, id, key, start, end),
            Err(reason) => self.refuse(fetch, (RequestErrorCode::InvalidRange, reason)),
        }
    }

    /// Looks again at the FETCHes that waited for this subscription.
    pub(super) fn join_waiting(&mut self, key: RequestKey) {
        let subscription = self.requests.get_mut(key).and_then(|request| request.subscription_mut());
        let waiting = subscription.map(|subscription| std::mem::take(&mut subscription.waiting));
        for fetch in waiting.unwrap_or_default() {
            self.join(fetch);
        }
    }

    /// Looks again at the FETCHes that waited for a request with this id to arrive.
    pub(super) fn join_orphans(&mut self, id: RequestId) {
        let arrived = self.orphans.extract_if(.., |orphan| orphan.joining == id).map(|orphan| orphan.fetch);
        for fetch in arrived.collect::<Vec<_>>() {
            self.join(fetch);
        }
    }

    pub(super) fn check_orphans(&mut self) {
        let now = self.now;
        let lost = self.orphans.extract_if(.., |orphan| orphan.timer.fire(now)).map(|orphan| orphan.fetch);
        for fetch in lost.collect::<Vec<_>>() {
            self.refuse_joining(fetch);
        }
    }

    pub(super) fn refuse_joining(&mut self, fetch: RequestKey) {
        if self.held(fetch).is_some() {
            self.refuse(fetch, (RequestErrorCode::InvalidJoiningRequestId, "no such subscription"));
        }
    }

    /// A subscription asked for before the FETCH may still be on its way; one that ended, or would
    /// come later, may not.
    fn await_subscription(&mut self, fetch: RequestKey, id: RequestId, joining: RequestId) {
        let may_come = joining.side() == !self.side && joining < id && !self.peer_ids.was_used(joining);
        if may_come && self.orphans.len() < MAX_HELD_FETCHES {
            self.orphans.push(Orphan { fetch, joining, timer: Timer::Waiting(JOINING_WAIT) });
        } else {
            self.refuse_joining(fetch);
        }
    }

    fn held(&self, fetch: RequestKey) -> Option<&HeldFetch> {
        match &self.requests.get(fetch)?.kind {
            Kind::Fetch(Fetch { held, .. }) => held.as_deref(),
            _ => None,
        }
    }

    fn announce_joining(
        &mut self,
        fetch: RequestKey,
        id: RequestId,
        joined: RequestKey,
        start: Location,
        end: Location,
    ) {
        let track = self
            .requests
            .get(joined)
            .and_then(|request| request.subscription())
            .map(|subscription| subscription.track.clone());
        let held = self.requests.get_mut(fetch).and_then(|request| match &mut request.kind {
            Kind::Fetch(fetch) => fetch.held.take(),
            _ => None,
        });
        let (Some(track), Some(held)) = (track, held) else { return };
        let HeldFetch { parameters, tokens, .. } = *held;
        let order = parameters.group_order.unwrap_or_default();
        let request = PeerRequest::Fetch { track, start, end, joining: Some(joined), order, parameters, tokens };
        self.announce(fetch, id, Kind::Fetch(Fetch { start: Some(start), held: None }), request);
    }
}

fn joined_id(kind: &FetchKind) -> Option<RequestId> {
    match kind {
        FetchKind::Standalone { .. } | FetchKind::Filtered { .. } => None,
        FetchKind::Relative { joining, .. } | FetchKind::Absolute { joining, .. } => Some(*joining),
    }
}

/// First location and end of a joining FETCH, so that it meets the subscription without a gap or an
/// overlap.
fn range(subscription: &Subscription, kind: &FetchKind) -> Result<(Location, Location), &'static str> {
    if !subscription.forward {
        return Err("the subscription has Forward 0");
    }
    let Some(joining) = subscription.joining else { return Err("nothing was published when the subscription began") };
    let group = match kind {
        FetchKind::Relative { groups, .. } => joining.group.saturating_sub(*groups),
        FetchKind::Absolute { group, .. } if *group <= joining.group => *group,
        _ => return Err("the range starts after the subscription"),
    };
    // Past the largest object id there is only the form for the whole group.
    let end = Location::new(joining.group, joining.object.checked_add(1).unwrap_or(0));
    Ok((Location::new(group, 0), end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FullTrackName, TrackAlias};

    fn subscription(forward: bool, joining: Option<Location>) -> Subscription {
        let mut subscription =
            Subscription::new(FullTrackName::default(), Role::Publisher, Some(TrackAlias(0)), forward);
        subscription.joining = joining;
        subscription
    }

    fn relative(groups: u64) -> FetchKind {
        FetchKind::Relative { joining: RequestId(0), groups }
    }

    #[test]
    fn the_range_ends_one_past_the_joining_location() {
        let live = subscription(true, Some(Location::new(5, 7)));
        assert_eq!(range(&live, &relative(2)), Ok((Location::new(3, 0), Location::new(5, 8))));
        assert_eq!(range(&live, &relative(9)), Ok((Location::new(0, 0), Location::new(5, 8))));
        let absolute = |group| FetchKind::Absolute { joining: RequestId(0), group };
        assert_eq!(range(&live, &absolute(5)), Ok((Location::new(5, 0), Location::new(5, 8))));
        assert!(range(&live, &absolute(6)).is_err());
    }

    #[test]
    fn the_largest_object_id_needs_the_whole_group() {
        let live = subscription(true, Some(Location::new(5, u64::MAX)));
        assert_eq!(range(&live, &relative(0)), Ok((Location::new(5, 0), Location::new(5, 0))));
    }

    #[test]
    fn without_forward_or_objects_there_is_no_range() {
        assert!(range(&subscription(false, Some(Location::new(5, 7))), &relative(0)).is_err());
        assert!(range(&subscription(true, None), &relative(0)).is_err());
    }
}
