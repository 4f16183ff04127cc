//! The way back: holds given back, parts replaced, orders undone.

use super::apply::ShopNews;
use super::model::{Entry, Part, PartState, Payment, Policy, Retry, Saga};
use super::words;
use crate::clock::Timestamp;
use crate::reseller::limit::MAX_HOLDS;

impl Part {
    /// Whether the shop asks so much more than planned that the part is not bought.
    pub(super) fn is_too_dear(&self, asked: i64, policy: &Policy) -> bool {
        // The pharmacy's price is the customer's price: not a cent more.
        let most = if self.shop.through_warehouse() {
            let goods = self.amount().saturating_sub(self.shipping);
            let loss = i128::from(goods) * i128::from(policy.loss) / 10_000;
            goods.saturating_add(i64::try_from(loss).unwrap_or(i64::MAX))
        } else {
            self.cost()
        };
        asked > most
    }
}

impl Saga {
    /// Takes everything back that is not sent yet.
    pub(super) fn undo_all(&mut self, why: &str, now: Timestamp, told: &mut Vec<Entry>) {
        self.replan = None;
        if self.reason.is_none() && self.live().any(|part| !part.state.is_sent()) {
            self.reason = Some(why.to_owned());
            told.push(words::undoing(why));
        }
        for at in 0..self.parts.len() {
            self.take_back(at, now, told);
        }
    }

    /// Takes a part back if it is not sent yet.
    fn take_back(&mut self, at: usize, now: Timestamp, told: &mut Vec<Entry>) {
        let part = &mut self.parts[at];
        match part.state {
            // A hold whose answer is not known is asked for again, only to be given back.
            PartState::Wanted if !part.asked && part.order.is_none() => self.undone(at, now, told),
            PartState::Wanted | PartState::Held | PartState::Advice | PartState::Confirmed => {
                part.become_state(PartState::Undoing, now);
            }
            _ => {}
        }
    }

    /// A part is not bought.
    pub(super) fn undone(&mut self, at: usize, now: Timestamp, told: &mut Vec<Entry>) {
        let part = &mut self.parts[at];
        part.become_state(PartState::Undone, now);
        if part.order.is_some() {
            told.push(words::released(part));
        }
    }

    /// A part that others rely on cannot be had any more.
    pub(super) fn part_failed(&mut self, at: usize, why: &str, now: Timestamp, policy: &Policy, told: &mut Vec<Entry>) {
        if self.parts[at].state.is_live() && !self.parts[at].state.is_sent() {
            told.push(words::failed(&self.parts[at], why));
            self.take_back(at, now, told);
            self.after_failure(why, now, policy, told);
        }
    }

    /// What one lost part means for the others: before the payment all or nothing; after it, as the policy says.
    pub(super) fn after_failure(&mut self, why: &str, now: Timestamp, policy: &Policy, told: &mut Vec<Entry>) {
        if self.payment != Payment::Paid || policy.all_or_nothing {
            self.undo_all(why, now, told);
        }
    }

    /// A shop does not keep what it offered: other shops are asked, once.
    pub(super) fn hold_failed(&mut self, at: usize, why: &str, now: Timestamp, policy: &Policy, told: &mut Vec<Entry>) {
        let part = &self.parts[at];
        let others = part.lines.iter().all(|line| line.gtin.is_some()) && part.shop.through_warehouse();
        told.push(words::failed(part, why));
        if others && !self.replanned && self.payment == Payment::Unpaid {
            self.replanned = true;
            self.replan = Some(at);
            self.take_back(at, now, told);
        } else {
            self.take_back(at, now, told);
            self.after_failure(why, now, policy, told);
        }
    }

    /// Other shops stand in for a part: at the customer's price, whatever they ask.
    pub(super) fn replanned(&mut self, at: usize, parts: Vec<Part>, now: Timestamp, told: &mut Vec<Entry>) {
        if self.replan != Some(at) {
            return;
        }
        self.replan = None;
        told.push(words::replanned(&parts));
        self.replace(at, now);
        self.parts.extend(parts);
    }

    /// Buys a lost part again.
    pub(super) fn reship(&mut self, at: usize, now: Timestamp) {
        let lost = &self.parts[at];
        let again = Part {
            state: PartState::Wanted,
            order: None,
            asked: false,
            lapsed: 0,
            expires_at: None,
            since: now,
            retry: Retry::default(),
            look: Retry::default(),
            reships: lost.reships + 1,
            ..lost.clone()
        };
        self.replace(at, now);
        self.parts.push(again);
    }

    /// Others carry a part's amount from now on. If its shop still has to take it back, it keeps nothing to be paid for.
    fn replace(&mut self, at: usize, now: Timestamp) {
        let part = &mut self.parts[at];
        if part.state == PartState::Undoing {
            part.lines.clear();
            part.shipping = 0;
        } else {
            part.become_state(PartState::Replaced, now);
        }
    }

    /// Whether a hold that ran out is simply asked for again: while a pharmacist was awaited.
    pub(super) fn may_lapse(&self, at: usize, news: &ShopNews) -> bool {
        let part = &self.parts[at];
        let advised = self.parts.iter().any(Part::needs_advice);
        news.state == "expired"
            && advised
            && !part.needs_advice()
            && self.payment == Payment::Unpaid
            && part.lapsed + 1 < MAX_HOLDS
    }
}
