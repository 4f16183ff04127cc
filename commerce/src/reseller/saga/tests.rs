//! The saga against a world that answers, refuses, forgets to answer and repeats itself as it likes.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Action, Fact, OrderState, Part, PartLine, PartState, Payment, Policy, Retry, Saga, ShipmentNews, Shop, ShopNews,
};
use crate::address::Address;
use crate::clock::Timestamp;
use crate::money::CurrencyCode;

fn policy(reship: bool, all_or_nothing: bool) -> Policy {
    Policy {
        hold_timeout: Duration::from_secs(60),
        collect_timeout: Duration::from_secs(86_400),
        reship,
        all_or_nothing,
        loss: 500,
    }
}

fn part(shop: Shop, line: usize, price: i64) -> Part {
    let bought = PartLine {
        line,
        sku: format!("S-{line}"),
        name: "Thing".to_owned(),
        quantity: 2,
        price,
        cost: price,
        vat_rate: 2550,
        prescription: (shop == Shop::Pharmacy).then(|| "rx".to_owned()),
        gtin: (shop == Shop::Furniture).then(|| "06291041500213".to_owned()),
        weight_g: 100,
        volume_ml: 100,
        cold_chain: shop == Shop::Grocery,
    };
    Part {
        shop,
        seller: String::new(),
        lines: vec![bought],
        shipping: 300,
        state: PartState::Wanted,
        order: None,
        asked: false,
        lapsed: 0,
        expires_at: None,
        since: Timestamp(0),
        retry: Retry::default(),
        look: Retry::default(),
        refunded: None,
        reships: 0,
    }
}

fn saga(parts: Vec<Part>) -> Saga {
    Saga {
        customer: "demo-1".to_owned(),
        restricted: true,
        placed_at: Timestamp(0),
        currency: CurrencyCode::EUR,
        deliver_to: Address {
            name: "demo".to_owned(),
            street: "1".to_owned(),
            postcode: "00100".to_owned(),
            city: "Helsinki".to_owned(),
            country: "FI".to_owned(),
            lat: None,
            lon: None,
        },
        method: "demo-card".to_owned(),
        token: Some("demo-card".to_owned()),
        parts,
        payment: Payment::Unpaid,
        paid: 0,
        retry: Retry::default(),
        shipments: Vec::new(),
        parcels: Vec::new(),
        replanned: false,
        replan: None,
        deadline: Timestamp(60_000),
        reason: None,
    }
}

/// An order at a shop, as the shop sees it.
#[derive(Clone)]
struct Theirs {
    id: String,
    key: String,
    state: &'static str,
    total: i64,
}

/// The shops, the provider and the warehouse, deciding by a list of numbers.
struct World {
    now: Timestamp,
    policy: Policy,
    choices: Vec<u8>,
    step: usize,
    orders: Vec<Theirs>,
    charged: Option<i64>,
    voided: bool,
    refunds: Vec<(usize, i64)>,
    shipments: Vec<&'static str>,
    received: Vec<usize>,
}

impl World {
    fn new(choices: Vec<u8>, policy: Policy) -> Self {
        Self {
            now: Timestamp(0),
            policy,
            choices,
            step: 0,
            orders: Vec::new(),
            charged: None,
            voided: false,
            refunds: Vec::new(),
            shipments: Vec::new(),
            received: Vec::new(),
        }
    }

    /// The next decision below `n`. When the list is at its end everything goes well: 0.
    fn choose(&mut self, n: u8) -> u8 {
        self.step += 1;
        self.choices.get(self.step - 1).map_or(0, |choice| choice % n)
    }

    fn news(&self, at: usize) -> ShopNews {
        let order = &self.orders[at];
        ShopNews {
            id: order.id.clone(),
            state: order.state.to_owned(),
            total: order.total,
            seller: "Seller".to_owned(),
            expires_at: Some(self.now.after(Duration::from_secs(600))),
        }
    }

    fn order_of(&self, id: Option<&String>) -> Option<usize> {
        id.and_then(|id| self.orders.iter().position(|order| order.id == *id))
    }

    fn hold(&mut self, saga: &Saga, at: usize) -> Result<usize, String> {
        let part = &saga.parts[at];
        let key = format!("{at}-{}", part.lapsed);
        if let Some(known) = self.orders.iter().position(|order| order.key == key) {
            return Ok(known);
        }
        if self.choose(6) == 5 {
            return Err("sold out".to_owned());
        }
        let state = if part.needs_advice() { "advice" } else { "reserved" };
        let total = if self.choose(8) == 7 { part.cost() * 2 } else { part.cost() };
        self.orders.push(Theirs { id: format!("o{}", self.orders.len()), key, state, total });
        Ok(self.orders.len() - 1)
    }

    /// Does an action for real, and says what the saga hears of it.
    fn act(&mut self, saga: &Saga, action: &Action) -> Fact {
        let fact = self.done(saga, action);
        // The effect is there, but the answer is lost.
        if self.choose(5) == 4 { Fact::Unanswered(action.clone()) } else { fact }
    }

    fn done(&mut self, saga: &Saga, action: &Action) -> Fact {
        match *action {
            Action::Hold(at) => match self.hold(saga, at) {
                Ok(order) => Fact::Shop(at, self.news(order)),
                Err(why) => Fact::Refused(action.clone(), why),
            },
            Action::Release(at) => match self.order_of(saga.parts[at].order.as_ref()) {
                None => match self.hold(saga, at) {
                    Ok(order) => Fact::Shop(at, self.news(order)),
                    Err(why) => Fact::Refused(action.clone(), why),
                },
                Some(order) => {
                    if !matches!(self.orders[order].state, "dispatched" | "expired") {
                        self.orders[order].state = "cancelled";
                    }
                    Fact::Shop(at, self.news(order))
                }
            },
            Action::Replan(at) if self.choose(2) == 0 => {
                let mut other = part(Shop::Grocery, saga.parts[at].lines[0].line, saga.parts[at].lines[0].price);
                other.shipping = saga.parts[at].shipping;
                Fact::Replanned(at, vec![other])
            }
            Action::Replan(_) => Fact::Refused(action.clone(), "nobody has it".to_owned()),
            Action::Charge => {
                assert!(saga.live().all(|part| part.state == PartState::Held), "charged before all was held");
                if self.voided || (self.charged.is_none() && self.choose(6) == 5) {
                    self.voided = true;
                    return Fact::Refused(action.clone(), "refused".to_owned());
                }
                Fact::Charged(*self.charged.get_or_insert_with(|| saga.total()))
            }
            Action::Void => match self.charged {
                Some(amount) => Fact::Charged(amount),
                None => {
                    self.voided = true;
                    Fact::Voided
                }
            },
            Action::Confirm(at) => self.confirm(saga, at, action),
            Action::Receive(at) => {
                if !self.received.contains(&at) {
                    self.received.push(at);
                }
                Fact::Received(at)
            }
            Action::Ship(at) => {
                while self.shipments.len() <= at {
                    self.shipments.push("reserved");
                }
                self.shipment(at)
            }
            Action::LookShipment(at) => self.shipment(at),
            Action::Refund(at, amount) => {
                match self.refunds.iter().find(|(part, _)| *part == at) {
                    Some((_, before)) => assert_eq!(*before, amount, "one key, two amounts"),
                    None => self.refunds.push((at, amount)),
                }
                Fact::Refunded(at, amount)
            }
            Action::Look(at) => {
                let order = self.order_of(saga.parts[at].order.as_ref()).unwrap();
                Fact::Shop(at, self.news(order))
            }
            Action::GiveUp | Action::GiveUpPart(_) => Fact::TimeUp(action.clone()),
        }
    }

    fn confirm(&mut self, saga: &Saga, at: usize, action: &Action) -> Fact {
        let order = self.order_of(saga.parts[at].order.as_ref()).unwrap();
        let (state, refuses) = (self.orders[order].state, self.choose(8) == 7);
        match state {
            "reserved" | "advised" if refuses => Fact::Refused(action.clone(), "no".to_owned()),
            "reserved" | "advised" => {
                self.orders[order].state = "confirmed";
                Fact::Shop(at, self.news(order))
            }
            "confirmed" | "dispatched" => Fact::Shop(at, self.news(order)),
            _ => Fact::Refused(action.clone(), "gone".to_owned()),
        }
    }

    fn shipment(&self, at: usize) -> Fact {
        let (id, state) = (format!("w{at}"), self.shipments[at].to_owned());
        Fact::Shipment(at, ShipmentNews { id, state, parcel: Some(format!("p{at}")) })
    }

    /// Something happens outside, and the saga hears of it: twice, as events may come.
    fn happen(&mut self, saga: &mut Saga) {
        let mut facts = Vec::new();
        for at in 0..saga.parts.len() {
            let Some(order) = self.order_of(saga.parts[at].order.as_ref()) else { continue };
            let moved = match (self.orders[order].state, self.choose(8)) {
                ("advice", 0..=5) => "advised",
                ("advice" | "reserved" | "advised", 6) => "expired",
                ("confirmed", 7) => "cancelled",
                ("confirmed", _) => "dispatched",
                _ => continue,
            };
            self.orders[order].state = moved;
            facts.push(Fact::Shop(at, self.news(order)));
        }
        for at in 0..self.shipments.len() {
            self.shipments[at] = match (self.shipments[at], self.choose(9)) {
                ("reserved", 8) => "short",
                ("reserved", _) => "shipped",
                ("shipped", 5) => "cancelled",
                ("shipped", 6) => "lost",
                ("shipped", 7) => "returned",
                ("shipped", _) => "delivered",
                _ => continue,
            };
            facts.push(self.shipment(at));
        }
        let medicines = |part: &Part| part.shop == Shop::Pharmacy && part.state == PartState::Dispatched;
        for at in (0..saga.parts.len()).filter(|&at| medicines(&saga.parts[at])).collect::<Vec<_>>() {
            let state = ["delivered", "delivered", "lost", "returned"][usize::from(self.choose(4))];
            facts.push(Fact::Parcel(format!("rx{at}"), state.to_owned(), Some(at)));
        }
        if self.choose(12) == 11 && !saga.live().any(|part| part.state.is_sent()) {
            facts.push(Fact::Cancel("changed my mind".to_owned()));
        }
        for fact in facts {
            saga.apply(fact.clone(), self.now, &self.policy);
            saga.apply(fact, self.now, &self.policy);
        }
    }

    /// Drives an order to its end.
    fn run(&mut self, saga: &mut Saga) {
        for _ in 0..2_000 {
            let next = saga.next(self.now, &self.policy);
            if next.actions.is_empty() && saga.is_done() {
                return;
            }
            saga.apply(Fact::Started(next.actions.clone()), self.now, &self.policy);
            let seen = saga.clone();
            for action in next.actions {
                let fact = self.act(&seen, &action);
                // The process dies before it writes the answer down: the action is done again.
                if self.choose(7) != 6 {
                    saga.apply(fact, self.now, &self.policy);
                }
            }
            if self.choose(3) != 1 {
                self.happen(saga);
            }
            self.now = self.now.after(Duration::from_secs(u64::from(self.choose(16)) * 2));
            if self.step > self.choices.len() {
                self.now = self.now.after(Duration::from_secs(60));
            }
        }
        panic!("no end: {saga:?}");
    }

    fn audit(&self, saga: &Saga) {
        let state = saga.state();
        assert!(matches!(state, OrderState::Delivered | OrderState::Cancelled), "{state:?}");
        // Money: ours is the provider's, and what is left was delivered or may not come back.
        assert_eq!(saga.paid, self.charged.unwrap_or(0));
        let refunded: i64 = self.refunds.iter().map(|(_, amount)| amount).sum();
        assert_eq!(saga.refunded(), refunded);
        let kept = |part: &Part| match part.state {
            PartState::Delivered => part.amount(),
            PartState::Returned if part.shop == Shop::Pharmacy => part.amount(),
            PartState::Returned => part.shipping,
            _ => 0,
        };
        let delivered: i64 = saga.parts.iter().map(kept).sum();
        if saga.payment == Payment::Paid {
            assert_eq!(saga.paid - refunded, delivered);
        } else {
            assert_eq!((saga.paid, refunded), (0, 0));
            assert!(saga.parts.iter().all(|part| !part.state.is_sent()), "sent and not paid");
        }
        // Shops: nothing is kept that nobody wants.
        for order in &self.orders {
            let at = saga.parts.iter().position(|part| part.order.as_ref() == Some(&order.id));
            match at.map(|at| &saga.parts[at]) {
                Some(part) if part.state == PartState::Undone && order.state == "dispatched" => {
                    let unsent = |sent: &super::model::Shipment| matches!(sent.state.as_str(), "short" | "cancelled");
                    assert!(saga.shipments.iter().any(|sent| unsent(sent) && sent.parts.contains(&at.unwrap())));
                }
                Some(part) if part.state == PartState::Undone => {
                    assert!(matches!(order.state, "cancelled" | "expired"))
                }
                Some(part) if part.state == PartState::Replaced => {
                    assert!(matches!(order.state, "cancelled" | "expired" | "dispatched"));
                }
                Some(_) => assert_eq!(order.state, "dispatched"),
                None => assert_eq!(order.state, "expired", "a hold nobody knows"),
            }
        }
    }
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let one = (0..3_usize, 1_i64..10_000).prop_map(|(shop, price)| (Shop::ALL[shop], price));
    proptest::collection::vec(one, 1..4)
        .prop_map(|parts| parts.into_iter().enumerate().map(|(line, (shop, price))| part(shop, line, price)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn ends_whole_or_undone_and_money_adds_up(
        parts in parts(),
        choices in proptest::collection::vec(any::<u8>(), 0..300),
        reship in any::<bool>(),
        all_or_nothing in any::<bool>(),
    ) {
        let mut saga = saga(parts);
        let mut world = World::new(choices, policy(reship, all_or_nothing));
        world.run(&mut saga);
        world.audit(&saga);
    }
}

/// One thing goes wrong at every place in turn, in every way.
#[test]
fn every_single_failure_ends_well() {
    let shops = [Shop::Furniture, Shop::Grocery, Shop::Pharmacy];
    let parts: Vec<Part> = shops.iter().enumerate().map(|(at, shop)| part(*shop, at, 1_000)).collect();
    let mut ends = std::collections::HashSet::new();
    for place in 0..120 {
        for wrong in 1..=15 {
            let mut choices = vec![0; 120];
            choices[place] = wrong;
            let mut saga = saga(parts.clone());
            let mut world = World::new(choices, policy(false, false));
            world.run(&mut saga);
            world.audit(&saga);
            ends.insert((saga.state(), saga.refunded() > 0));
        }
    }
    // Whole, partly refunded, undone before and after the payment: all of them were seen.
    assert_eq!(ends.len(), 4, "{ends:?}");
}

#[test]
fn waits_for_advice_before_it_charges() {
    let mut saga = saga(vec![part(Shop::Pharmacy, 0, 700)]);
    let policy = policy(false, false);
    let news = |state: &str| ShopNews {
        id: "o".to_owned(),
        state: state.to_owned(),
        total: 1_400,
        seller: String::new(),
        expires_at: Some(Timestamp(3_600_000)),
    };
    saga.apply(Fact::Shop(0, news("advice")), Timestamp(1), &policy);
    assert_eq!(saga.state(), OrderState::WaitingAdvice);
    assert!(saga.next(Timestamp(2), &policy).actions.is_empty());
    saga.apply(Fact::Shop(0, news("advised")), Timestamp(3_000), &policy);
    assert_eq!(saga.next(Timestamp(3_000), &policy).actions, [Action::Charge]);
}

#[test]
fn a_parcel_heard_of_before_its_dispatch_still_arrives() {
    let mut saga = saga(vec![part(Shop::Pharmacy, 0, 700)]);
    let policy = policy(false, false);
    let mut hear = |fact| saga.apply(fact, Timestamp(1), &policy);
    let news = |state: &str| ShopNews {
        id: "o".to_owned(),
        state: state.to_owned(),
        total: 1_400,
        seller: String::new(),
        expires_at: None,
    };
    for fact in [Fact::Shop(0, news("advised")), Fact::Charged(1_700), Fact::Shop(0, news("confirmed"))] {
        hear(fact);
    }
    hear(Fact::Parcel("P".to_owned(), "delivered".to_owned(), Some(0)));
    hear(Fact::Shop(0, news("dispatched")));
    assert_eq!((saga.state(), saga.refunded()), (OrderState::Delivered, 0));
}
