//! What follows from what happened. Facts may come twice, late, or out of order: those that no longer mean anything change
//! nothing.

use super::model::{Entry, Parcel, Part, PartState, Payment, Policy, Retry, Saga, Shipment};
use super::next::Action;
use super::words;
use crate::clock::Timestamp;

/// Where a shop's own order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShopNews {
    /// The shop's number of it.
    pub id: String,
    /// The shop's word for where it stands.
    pub state: String,
    /// Minor units the shop asks for it.
    pub total: i64,
    /// Who sells it.
    pub seller: String,
    /// Until when it is kept unconfirmed.
    pub expires_at: Option<Timestamp>,
}

/// Where a shipment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShipmentNews {
    /// The warehouse's number of it.
    pub id: String,
    /// The warehouse's word for where it stands.
    pub state: String,
    /// The number of its parcel.
    pub parcel: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// These actions are about to be done: from now on their outcome may be unknown.
    Started(Vec<Action>),
    /// Nobody answered.
    Unanswered(Action),
    /// The other side refused for good, for this reason.
    Refused(Action, String),
    /// A shop told where a part's order stands. Also the answer to a hold, a confirmation, a release, a look.
    Shop(usize, ShopNews),
    /// Other shops stand in for a part.
    Replanned(usize, Vec<Part>),
    /// The payment was made: minor units.
    Charged(i64),
    /// The payment was never made, and never will be.
    Voided,
    /// A part was paid back: minor units.
    Refunded(usize, i64),
    /// The warehouse took a part in.
    Received(usize),
    /// The warehouse told where a shipment stands: its place among the order's shipments.
    Shipment(usize, ShipmentNews),
    /// A courier told where a parcel stands: number, state, and the part that its shop sends by itself.
    Parcel(String, String, Option<usize>),
    /// The customer cancels.
    Cancel(String),
    /// Time is up for an action of kind [`Action::GiveUp`] or [`Action::GiveUpPart`].
    TimeUp(Action),
}

impl Saga {
    /// Takes a fact in. Returns what the customer should read about it.
    pub(crate) fn apply(&mut self, fact: Fact, now: Timestamp, policy: &Policy) -> Vec<Entry> {
        let before = self.state();
        let mut told = Vec::new();
        match fact {
            Fact::Started(actions) => self.started(&actions),
            Fact::Unanswered(action) => *self.retry_of(&action) = self.retry_of(&action).unanswered(now),
            Fact::Refused(action, why) => self.refused(action, &why, now, policy, &mut told),
            Fact::Shop(at, news) => self.shop_news(at, &news, now, policy, &mut told),
            Fact::Replanned(at, parts) => self.replanned(at, parts, now, &mut told),
            Fact::Charged(amount) => self.charged(amount, now, &mut told),
            Fact::Voided => self.voided(&mut told),
            Fact::Refunded(at, amount) => self.refunded_part(at, amount, now, &mut told),
            Fact::Received(at) => self.received(at, now, &mut told),
            Fact::Shipment(at, news) => self.shipment_news(at, &news, now, policy, &mut told),
            Fact::Parcel(number, state, part) => self.parcel_news(&number, &state, part, now, policy, &mut told),
            Fact::Cancel(reason) => self.undo_all(&reason, now, &mut told),
            Fact::TimeUp(Action::GiveUpPart(at)) => self.part_failed(at, words::NOT_SENT, now, policy, &mut told),
            Fact::TimeUp(_) => self.undo_all(words::TOO_LONG, now, &mut told),
        }
        self.collect(now);
        let after = self.state();
        if after != before {
            told.extend(words::of_state(after));
        }
        told
    }

    fn started(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Hold(at) => self.parts[*at].asked = true,
                Action::Charge if self.payment == Payment::Unpaid => self.payment = Payment::Charging,
                _ => {}
            }
        }
    }

    /// The clock that says when an action may be tried again.
    fn retry_of(&mut self, action: &Action) -> &mut Retry {
        match *action {
            Action::Charge | Action::Void | Action::GiveUp => &mut self.retry,
            Action::Ship(at) => &mut self.shipments[at].retry,
            Action::LookShipment(at) => &mut self.shipments[at].look,
            Action::Look(at) => &mut self.parts[at].look,
            Action::Hold(at)
            | Action::Replan(at)
            | Action::Confirm(at)
            | Action::Release(at)
            | Action::Receive(at)
            | Action::Refund(at, _)
            | Action::GiveUpPart(at) => &mut self.parts[at].retry,
        }
    }

    fn refused(&mut self, action: Action, why: &str, now: Timestamp, policy: &Policy, told: &mut Vec<Entry>) {
        match action {
            Action::Hold(at) if self.parts[at].state == PartState::Wanted => {
                self.parts[at].asked = false;
                self.hold_failed(at, why, now, policy, told);
            }
            // A hold that was only repeated in order to be released: it was never there.
            Action::Hold(at) | Action::Release(at) if self.parts[at].order.is_none() => self.undone(at, now, told),
            Action::Replan(at) if self.replan == Some(at) => {
                self.replan = None;
                self.undo_all(why, now, told);
            }
            Action::Charge if self.payment == Payment::Charging => {
                self.payment = Payment::Refused;
                self.token = None;
                told.push(words::payment_refused());
                self.undo_all(words::UNPAID, now, told);
            }
            // Whatever the shop's reason: it keeps its word only if it can be taken back or has sent the goods already.
            Action::Confirm(at) if self.parts[at].state == PartState::Held => {
                self.part_failed(at, why, now, policy, told);
            }
            // The warehouse never refuses what it can understand; it is asked again like one that does not answer.
            other => *self.retry_of(&other) = self.retry_of(&other).unanswered(now),
        }
    }

    fn shop_news(&mut self, at: usize, news: &ShopNews, now: Timestamp, policy: &Policy, told: &mut Vec<Entry>) {
        let part = &mut self.parts[at];
        if part.order.as_ref().is_some_and(|known| *known != news.id) {
            return;
        }
        match news.state.as_str() {
            "reserved" | "advice" | "advised" => self.kept(at, news, now, policy, told),
            "confirmed" if matches!(part.state, PartState::Held | PartState::Advice) => {
                part.become_state(PartState::Confirmed, now);
                told.push(words::confirmed(part));
            }
            "dispatched" => self.sent(at, news, now, policy, told),
            "cancelled" | "expired" => self.given_up(at, news, now, policy, told),
            _ => {}
        }
        // Asked again and nothing moved: with more and more patience.
        let part = &mut self.parts[at];
        if part.look.at <= now {
            part.look = part.look.no_news(now);
        }
        if part.state == PartState::Undoing && part.retry.at <= now {
            part.retry = if part.order.is_some() { part.retry.unanswered(now) } else { part.retry };
        }
    }

    /// The shop keeps a part.
    fn kept(&mut self, at: usize, news: &ShopNews, now: Timestamp, policy: &Policy, told: &mut Vec<Entry>) {
        let part = &mut self.parts[at];
        let first = part.order.is_none();
        part.expires_at = news.expires_at;
        let waits = part.needs_advice() && news.state != "advised";
        match part.state {
            PartState::Wanted => {
                part.order = Some(news.id.clone());
                part.asked = false;
                part.seller.clone_from(&news.seller);
                if part.is_too_dear(news.total, policy) {
                    return self.hold_failed(at, words::DEARER, now, policy, told);
                }
                part.become_state(if waits { PartState::Advice } else { PartState::Held }, now);
                told.push(words::held(part));
            }
            PartState::Advice if !waits => {
                part.become_state(PartState::Held, now);
                told.push(words::advised());
                // The shops get their time from now on; what they keep may have run out meanwhile.
                self.deadline = self.deadline.max(now.after(policy.hold_timeout));
            }
            // A hold that became known only when it was no longer wanted.
            PartState::Undoing if first => {
                part.order = Some(news.id.clone());
                part.asked = false;
                part.retry = Retry::default();
            }
            PartState::Undone if first && self.payment != Payment::Paid => {
                part.order = Some(news.id.clone());
                part.become_state(PartState::Undoing, now);
            }
            _ => {}
        }
    }

    /// The shop has sent a part: too late to take it back.
    fn sent(&mut self, at: usize, news: &ShopNews, now: Timestamp, policy: &Policy, told: &mut Vec<Entry>) {
        let part = &mut self.parts[at];
        let too_late = part.state == PartState::Undoing && part.order.is_some();
        if !too_late && !matches!(part.state, PartState::Held | PartState::Confirmed) {
            return;
        }
        part.seller.clone_from(&news.seller);
        part.become_state(PartState::Dispatched, now);
        told.push(words::sent(part, too_late));
        let own = self.parcels.iter().filter(|parcel| parcel.parts == [at] && parcel.state != "cancelled");
        for state in own.map(|parcel| parcel.state.clone()).collect::<Vec<_>>() {
            self.arrived(&[at], &state, now, policy, told);
        }
    }

    /// The shop no longer keeps a part.
    fn given_up(&mut self, at: usize, news: &ShopNews, now: Timestamp, policy: &Policy, told: &mut Vec<Entry>) {
        let lapses = self.may_lapse(at, news);
        let part = &mut self.parts[at];
        match part.state {
            PartState::Undoing => self.undone(at, now, told),
            PartState::Held if lapses => {
                part.order = None;
                part.lapsed += 1;
                part.become_state(PartState::Wanted, now);
            }
            PartState::Held | PartState::Advice | PartState::Confirmed => {
                part.become_state(PartState::Undoing, now);
                told.push(words::shop_gave_up(part));
                self.undone(at, now, told);
                self.after_failure(words::SHOP_CANCELLED, now, policy, told);
            }
            _ => {}
        }
    }

    fn charged(&mut self, amount: i64, now: Timestamp, told: &mut Vec<Entry>) {
        if !matches!(self.payment, Payment::Unpaid | Payment::Charging) {
            return;
        }
        self.payment = Payment::Paid;
        self.paid = amount;
        self.token = None;
        self.retry = Retry::default();
        for part in &mut self.parts {
            part.retry = Retry { tries: 0, at: now.min(part.retry.at) };
        }
        told.push(words::paid(self.money(amount)));
    }

    fn voided(&mut self, told: &mut Vec<Entry>) {
        if self.payment == Payment::Charging {
            self.payment = Payment::Refused;
            self.token = None;
            told.push(words::never_charged());
        }
    }

    fn refunded_part(&mut self, at: usize, amount: i64, now: Timestamp, told: &mut Vec<Entry>) {
        let money = self.money(amount);
        let part = &mut self.parts[at];
        if part.refunded.is_none() {
            part.refunded = Some(amount);
            part.since = now;
            told.push(words::refunded(part, money));
        }
    }

    fn received(&mut self, at: usize, now: Timestamp, told: &mut Vec<Entry>) {
        let part = &mut self.parts[at];
        if part.state == PartState::Dispatched {
            part.become_state(PartState::Received, now);
            told.push(words::received(part));
        }
    }

    /// Puts what has come into shipments, once nothing more can come: what is kept cold apart, as no carrier that keeps things
    /// cold takes furniture.
    fn collect(&mut self, now: Timestamp) {
        let goods = || (0..self.parts.len()).filter(|&at| self.parts[at].shop.through_warehouse());
        let on_its_way = |at: usize| {
            matches!(
                self.parts[at].state,
                PartState::Wanted | PartState::Held | PartState::Confirmed | PartState::Dispatched
            )
        };
        if goods().any(on_its_way) {
            return;
        }
        let here = goods().filter(|&at| self.parts[at].state == PartState::Received);
        let (cold, other): (Vec<usize>, Vec<usize>) = here.partition(|&at| self.parts[at].cold_chain());
        for parts in [other, cold] {
            if parts.is_empty() {
                continue;
            }
            for &at in &parts {
                self.parts[at].become_state(PartState::Shipping, now);
            }
            let look = Retry::default().no_news(now);
            self.shipments.push(Shipment { id: None, parts, state: String::new(), retry: Retry::default(), look });
        }
    }

    fn shipment_news(
        &mut self,
        at: usize,
        news: &ShipmentNews,
        now: Timestamp,
        policy: &Policy,
        told: &mut Vec<Entry>,
    ) {
        let shipment = &mut self.shipments[at];
        if shipment.id.as_ref().is_some_and(|known| *known != news.id) {
            return;
        }
        shipment.id = Some(news.id.clone());
        let changed = shipment.state != news.state;
        shipment.state.clone_from(&news.state);
        shipment.look = if changed { Retry::default().no_news(now) } else { shipment.look.no_news(now) };
        let parts = shipment.parts.clone();
        if changed {
            told.extend(words::shipment(&news.state));
        }
        if let Some(number) = &news.parcel {
            self.parcel_of(number, &parts);
        }
        self.arrived(&parts, &news.state, now, policy, told);
    }

    fn parcel_news(
        &mut self,
        number: &str,
        state: &str,
        part: Option<usize>,
        now: Timestamp,
        policy: &Policy,
        told: &mut Vec<Entry>,
    ) {
        // The courier may be heard before the shop: a parcel is noted even if its part is not known to be sent.
        let of_shop: Vec<usize> = part.into_iter().filter(|&at| self.parts[at].order.is_some()).collect();
        let parcel = match self.parcels.iter().position(|parcel| parcel.number == number) {
            Some(at) => &mut self.parcels[at],
            None if of_shop.is_empty() => return,
            None => self.parcel_of(number, &of_shop),
        };
        if parcel.state == state || is_end(&parcel.state) {
            return;
        }
        state.clone_into(&mut parcel.state);
        let parts = parcel.parts.clone();
        told.push(words::parcel(number, state));
        for &at in &parts {
            self.parts[at].look = Retry::default().no_news(now);
        }
        // A parcel called back says nothing of its goods: whoever sent it does.
        if state != "cancelled" {
            self.arrived(&parts, state, now, policy, told);
        }
    }

    /// The parcel of this number, new or known.
    fn parcel_of(&mut self, number: &str, parts: &[usize]) -> &mut Parcel {
        if let Some(at) = self.parcels.iter().position(|parcel| parcel.number == number) {
            return &mut self.parcels[at];
        }
        let what = words::what(parts.iter().map(|&at| &self.parts[at]));
        let at = self.parcels.len();
        self.parcels.push(Parcel {
            number: number.to_owned(),
            state: "booked".to_owned(),
            what,
            parts: parts.to_vec(),
        });
        &mut self.parcels[at]
    }

    /// How the way of some parts ended, if the word says so.
    fn arrived(&mut self, parts: &[usize], word: &str, now: Timestamp, policy: &Policy, told: &mut Vec<Entry>) {
        let end = match word {
            "delivered" => PartState::Delivered,
            "lost" => PartState::Lost,
            "returned" => PartState::Returned,
            // The warehouse could not send them: they stay with us.
            "short" | "cancelled" => PartState::Undone,
            _ => return,
        };
        for &at in parts {
            let part = &mut self.parts[at];
            let waiting = part.state == PartState::Shipping
                || (part.state == PartState::Dispatched && !part.shop.through_warehouse());
            if !waiting {
                continue;
            }
            part.become_state(end, now);
            if end == PartState::Lost && policy.reship && part.reships == 0 && part.shop.through_warehouse() {
                told.push(words::bought_again(part));
                self.reship(at, now);
            }
        }
    }
}

/// Whether a parcel's way ends in this state.
fn is_end(state: &str) -> bool {
    matches!(state, "delivered" | "lost" | "returned" | "cancelled")
}
