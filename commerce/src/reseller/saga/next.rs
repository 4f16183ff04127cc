//! What is to be done for an order now, and when to look again.

use super::model::{PartState, Payment, Policy, Saga};
use crate::clock::Timestamp;

/// One thing to do. Doing it twice has the effect of doing it once: its [`key`](Action::key) is the idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Order a part at its shop, unconfirmed.
    Hold(usize),
    /// Find other shops for a part.
    Replan(usize),
    /// Charge the payment.
    Charge,
    /// Make sure that a charge that may have been made is known, or never made.
    Void,
    /// Confirm a part at its shop.
    Confirm(usize),
    /// Ask the shop to take a part back.
    Release(usize),
    /// Tell the warehouse what came for it.
    Receive(usize),
    /// Have the warehouse send what has come.
    Ship(usize),
    /// Pay a part back: minor units.
    Refund(usize, i64),
    /// Ask the shop where a part stands, and the couriers where its parcel is.
    Look(usize),
    /// Ask the warehouse where a shipment stands.
    LookShipment(usize),
    /// Undo what is not paid: it took too long.
    GiveUp,
    /// Take back a part that its shop does not send.
    GiveUpPart(usize),
}

impl Action {
    /// The word of it: in keys, logs and the names of faults.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Hold(_) => "hold",
            Self::Replan(_) => "replan",
            Self::Charge => "charge",
            Self::Void => "void",
            Self::Confirm(_) => "confirm",
            Self::Release(_) => "release",
            Self::Receive(_) => "receive",
            Self::Ship(_) => "ship",
            Self::Refund(..) => "refund",
            Self::Look(_) | Self::LookShipment(_) => "look",
            Self::GiveUp | Self::GiveUpPart(_) => "give_up",
        }
    }
}

/// What to do now and when to look again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Next {
    /// Due now; they do not depend on each other.
    pub actions: Vec<Action>,
    /// When something is due by time alone. None: only news can move it on.
    pub wake: Option<Timestamp>,
}

impl Next {
    /// Does it now if `at` has come, else wakes then.
    fn at(&mut self, at: Timestamp, now: Timestamp, action: Action) {
        if at <= now {
            self.actions.push(action);
        } else {
            self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        }
    }
}

impl Saga {
    /// What is due.
    pub(crate) fn next(&self, now: Timestamp, policy: &Policy) -> Next {
        let mut next = Next::default();
        if let Some(part) = self.replan {
            next.actions.push(Action::Replan(part));
        }
        for at in 0..self.parts.len() {
            self.next_of_part(at, now, policy, &mut next);
        }
        self.next_payment(now, &mut next);
        for (at, shipment) in self.shipments.iter().enumerate() {
            match shipment.id {
                None => next.at(shipment.retry.at, now, Action::Ship(at)),
                Some(_) if shipment.parts.iter().any(|part| self.parts[*part].state == PartState::Shipping) => {
                    next.at(shipment.look.at, now, Action::LookShipment(at));
                }
                Some(_) => {}
            }
        }
        next
    }

    fn next_of_part(&self, at: usize, now: Timestamp, policy: &Policy, next: &mut Next) {
        let part = &self.parts[at];
        let paid = self.payment == Payment::Paid;
        match part.state {
            // What ran out while a pharmacist is awaited is held again only when the advice is there.
            PartState::Wanted if part.lapsed > 0 && self.waits_for_advice() => {}
            PartState::Wanted => next.at(part.retry.at, now, Action::Hold(at)),
            PartState::Held if paid => next.at(part.retry.at, now, Action::Confirm(at)),
            PartState::Held | PartState::Advice => next.at(part.look.at, now, Action::Look(at)),
            PartState::Confirmed => {
                next.at(part.look.at, now, Action::Look(at));
                next.at(part.since.after(policy.collect_timeout), now, Action::GiveUpPart(at));
            }
            PartState::Dispatched if part.shop.through_warehouse() => {
                next.at(part.retry.at, now, Action::Receive(at));
            }
            PartState::Dispatched => next.at(part.look.at, now, Action::Look(at)),
            PartState::Undoing => next.at(part.retry.at, now, Action::Release(at)),
            _ if paid && !part.is_settled() => next.at(part.retry.at, now, Action::Refund(at, part.owed())),
            _ => {}
        }
    }

    fn next_payment(&self, now: Timestamp, next: &mut Next) {
        if !matches!(self.payment, Payment::Unpaid | Payment::Charging) || self.replan.is_some() {
            return;
        }
        let Some(_) = self.live().next() else {
            if self.payment == Payment::Charging {
                next.at(self.retry.at, now, Action::Void);
            }
            return;
        };
        if self.live().all(|part| part.state == PartState::Held) {
            next.at(self.retry.at, now, Action::Charge);
        }
        next.at(self.due_by(), now, Action::GiveUp);
    }

    /// Whether a pharmacist's advice is open.
    pub(super) fn waits_for_advice(&self) -> bool {
        self.parts.iter().any(|part| part.state == PartState::Advice)
    }

    /// Until when the open step may take: as long as the pharmacy keeps the goods while its pharmacist is awaited.
    pub(crate) fn due_by(&self) -> Timestamp {
        let advice = self.parts.iter().filter(|part| part.state == PartState::Advice);
        advice.filter_map(|part| part.expires_at).fold(self.deadline, Timestamp::max)
    }
}
