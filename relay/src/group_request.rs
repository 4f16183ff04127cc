//! NEW_GROUP_REQUEST of viewers, passed on once (draft-18 section 10.2.13).

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// What viewers of one track have asked for.
#[derive(Debug)]
pub(crate) struct GroupRequests {
    outstanding: Mutex<Option<Outstanding>>,
    passed: watch::Sender<Option<u64>>,
}

/// A request that no new group has answered yet.
#[derive(Debug, Clone, Copy)]
struct Outstanding {
    value: u64,
    /// The newest group when it was made.
    newest: Option<u64>,
}

impl GroupRequests {
    /// `first`: what the viewer who opened the track asked for; it goes into the first SUBSCRIBE.
    pub(crate) fn new(first: Option<u64>) -> Self {
        let outstanding = first.map(|value| Outstanding { value, newest: None });
        Self { outstanding: Mutex::new(outstanding), passed: watch::Sender::new(None) }
    }

    /// For the first SUBSCRIBE: what is asked for and not answered.
    pub(crate) fn outstanding(&self, newest: Option<u64>) -> Option<u64> {
        let outstanding = *self.outstanding.lock().unwrap_or_else(PoisonError::into_inner);
        outstanding.filter(|request| newest <= request.newest).map(|request| request.value)
    }

    /// The first SUBSCRIBE has been answered: `newest` was the newest group then.
    pub(crate) fn began_at(&self, newest: Option<u64>) {
        let mut outstanding = self.outstanding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(request) = outstanding.as_mut() {
            request.newest = request.newest.or(newest);
        }
    }

    /// A viewer asks for a group at or above `value`, 0 = any new one, on a track whose newest group is `newest`. It is passed
    /// on unless the publisher cannot begin groups at will, the group is there, or it was asked for already.
    pub(crate) fn ask(&self, value: u64, dynamic: bool, newest: Option<u64>) {
        if !dynamic || value > 0 && newest.is_some_and(|newest| value <= newest) {
            return;
        }
        {
            let mut outstanding = self.outstanding.lock().unwrap_or_else(PoisonError::into_inner);
            let waits = |request: &Outstanding| newest <= request.newest && request.value >= value;
            if outstanding.as_ref().is_some_and(waits) {
                return;
            }
            *outstanding = Some(Outstanding { value, newest });
        }
        self.passed.send_replace(Some(value));
    }

    /// Requests to pass on, as they come.
    pub(crate) fn passed(&self) -> watch::Receiver<Option<u64>> {
        let mut receiver = self.passed.subscribe();
        receiver.mark_unchanged();
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(requests: &GroupRequests, value: u64, dynamic: bool, newest: u64) -> bool {
        let receiver = requests.passed();
        requests.ask(value, dynamic, Some(newest));
        receiver.has_changed().unwrap()
    }

    #[test]
    fn a_request_is_passed_on_once_until_a_group_begins() {
        let requests = GroupRequests::new(None);
        assert!(!passed(&requests, 0, false, 5), "the publisher cannot");
        assert!(!passed(&requests, 5, true, 5), "it is there");
        assert!(passed(&requests, 0, true, 5));
        assert!(!passed(&requests, 0, true, 5), "asked for already");
        assert!(passed(&requests, 8, true, 5), "more than was asked for");
        assert!(!passed(&requests, 7, true, 5));
        assert!(passed(&requests, 0, true, 6), "a group has begun since");
        let first = GroupRequests::new(Some(0));
        first.began_at(Some(5));
        assert!(!passed(&first, 0, true, 5), "it went out with the first SUBSCRIBE");
        assert!(passed(&first, 0, true, 6));
        assert_eq!((requests.outstanding(Some(6)), requests.outstanding(Some(7))), (Some(0), None));
    }
}
