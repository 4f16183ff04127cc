//! Prescriptions: how long they hold, how much is left, and which order has hold of them. No input or output.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::{Month, OffsetDateTime};
use utoipa::ToSchema;

use super::limit::MAX_PRESCRIBED;
use super::medicine::{Control, Medicine, Prescribed};
use crate::clock::Timestamp;
use crate::id::{OrderId, PrescriptionId};

/// How much of a prescription was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Supply {
    /// Nothing yet.
    Undispensed,
    /// Some of it.
    PartiallyDispensed,
    /// All of it.
    FullyDispensed,
    /// The prescriber took it back.
    Cancelled,
}

/// The hold one order has on a prescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    /// The order.
    pub order: OrderId,
    /// Packages it will take.
    pub quantity: i64,
    /// When the hold ends by itself; never, once the order is confirmed.
    pub until: Option<Timestamp>,
}

/// Why a prescription does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The prescriber took it back.
    #[error("the prescription was cancelled")]
    Cancelled,
    /// Before its first day.
    #[error("the prescription is not valid yet")]
    NotYet,
    /// After its last day.
    #[error("the prescription has expired")]
    Expired,
    /// It names something else.
    #[error("the prescription is for another medicine")]
    OtherMedicine,
    /// All of it was given out.
    #[error("the prescription is used up")]
    UsedUp,
    /// Less is left than was asked for.
    #[error("the prescription has only {0} packages left")]
    TooMany(i64),
    /// The interval since the last time has not passed.
    #[error("the prescription allows the next package at {0}")]
    TooSoon(Timestamp),
    /// Another order has hold of it.
    #[error("another order holds the prescription")]
    Locked,
    /// This order has no hold of it.
    #[error("the order does not hold the prescription")]
    NotHeld,
}

/// Why a prescription cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    /// Self-care medicines need none.
    #[error("the medicine needs no prescription")]
    SelfCare,
    /// Longer than the law allows for this medicine.
    #[error("the prescription of this medicine is valid {0} months at most")]
    TooLong(u32),
    /// It ends before it begins.
    #[error("the prescription ends before it begins")]
    Ends,
    /// Nothing, or more than one prescription may give.
    #[error("a prescription is for 1 to {MAX_PRESCRIBED} packages")]
    Quantity,
    /// A negative or endless interval.
    #[error("the dispense interval is 0 to 365 days")]
    Interval,
}

/// What a prescriber writes.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Who it is for.
    pub patient: String,
    /// Packages.
    pub packages: i64,
    /// Whether another package of the group may be given.
    pub substitution: bool,
    /// Days between two dispensings.
    pub interval_days: i64,
    /// How to take it.
    pub dosage: String,
    /// First moment; now if unsaid.
    pub valid_from: Option<Timestamp>,
    /// Last moment; as long as the law allows if unsaid.
    pub valid_until: Option<Timestamp>,
}

/// A prescription.
#[derive(Clone)]
pub(crate) struct Prescription {
    /// Its number.
    pub id: PrescriptionId,
    /// Who it is for.
    pub patient: String,
    /// Who wrote it.
    pub prescriber: String,
    /// What it is for.
    pub prescribed: Prescribed,
    /// Packages prescribed.
    pub packages: i64,
    /// Packages not given out yet.
    pub remaining: i64,
    /// Whether another package of the group may be given.
    pub substitution: bool,
    /// Days between two dispensings.
    pub interval_days: i64,
    /// How to take it.
    pub dosage: String,
    /// First moment.
    pub valid_from: Timestamp,
    /// Last moment.
    pub valid_until: Timestamp,
    /// Whether the prescriber took it back.
    pub cancelled: bool,
    /// When some of it was last given out.
    pub last_dispensed: Option<Timestamp>,
    /// Who has hold of it.
    pub lock: Option<Lock>,
    /// Grows with each change.
    pub version: i64,
}

impl fmt::Debug for Prescription {
    /// Only what does not tell of a person's health.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prescription").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Prescription {
    /// Writes a prescription for a medicine.
    pub(crate) fn write(
        draft: Draft,
        prescriber: &str,
        medicine: &Medicine,
        now: Timestamp,
    ) -> Result<Self, WriteError> {
        if medicine.status != super::medicine::Status::R {
            return Err(WriteError::SelfCare);
        }
        if !(1..=MAX_PRESCRIBED).contains(&draft.packages) {
            return Err(WriteError::Quantity);
        }
        if !(0..=365).contains(&draft.interval_days) {
            return Err(WriteError::Interval);
        }
        let valid_from = draft.valid_from.unwrap_or(now);
        let latest = last_moment(valid_from, medicine.control);
        let valid_until = draft.valid_until.unwrap_or(latest);
        if valid_until <= valid_from {
            return Err(WriteError::Ends);
        }
        if valid_until > latest {
            return Err(WriteError::TooLong(medicine.control.validity_months()));
        }
        Ok(Self {
            id: PrescriptionId::new(),
            patient: draft.patient,
            prescriber: prescriber.to_owned(),
            prescribed: Prescribed { vnr: medicine.vnr.clone(), group: medicine.substitution_group.clone() },
            packages: draft.packages,
            remaining: draft.packages,
            substitution: draft.substitution,
            interval_days: draft.interval_days,
            dosage: draft.dosage,
            valid_from,
            valid_until,
            cancelled: false,
            last_dispensed: None,
            lock: None,
            version: 1,
        })
    }

    /// How much was given out.
    pub(crate) fn supply(&self) -> Supply {
        if self.cancelled {
            Supply::Cancelled
        } else if self.remaining == self.packages {
            Supply::Undispensed
        } else if self.remaining > 0 {
            Supply::PartiallyDispensed
        } else {
            Supply::FullyDispensed
        }
    }

    /// The hold on it that has not ended.
    pub(crate) fn held(&self, now: Timestamp) -> Option<&Lock> {
        self.lock.as_ref().filter(|lock| lock.until.is_none_or(|until| now < until))
    }

    /// When the next package may be given out.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        let days = u64::try_from(self.interval_days).unwrap_or(0);
        let last = self.last_dispensed.filter(|_| days > 0)?;
        Some(last.after(Duration::from_secs(days * 86_400)))
    }

    /// Gives one order hold of so many packages until `until`. The same order may take hold again.
    pub(crate) fn lock(
        &mut self,
        order: &OrderId,
        medicine: &Medicine,
        quantity: i64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), Refusal> {
        self.usable(now)?;
        if !medicine.serves(&self.prescribed, self.substitution) {
            return Err(Refusal::OtherMedicine);
        }
        if self.remaining == 0 {
            return Err(Refusal::UsedUp);
        }
        if let Some(next) = self.next_at().filter(|next| now < *next) {
            return Err(Refusal::TooSoon(next));
        }
        if self.held(now).is_some_and(|lock| lock.order != *order) {
            return Err(Refusal::Locked);
        }
        if quantity < 1 || quantity > self.remaining {
            return Err(Refusal::TooMany(self.remaining));
        }
        self.lock = Some(Lock { order: order.clone(), quantity, until: Some(until) });
        self.version += 1;
        Ok(())
    }

    /// Makes the hold last until the order is dispensed or given up: the customer has paid. What was valid when it was
    /// ordered stays so.
    pub(crate) fn confirm(&mut self, order: &OrderId) -> Result<(), Refusal> {
        let lock = self.lock.as_mut().filter(|lock| lock.order == *order).ok_or(Refusal::NotHeld)?;
        lock.until = None;
        self.version += 1;
        Ok(())
    }

    /// Ends an order's hold. True if it had one.
    pub(crate) fn release(&mut self, order: &OrderId) -> bool {
        let held = self.lock.as_ref().is_some_and(|lock| lock.order == *order);
        if held {
            self.lock = None;
            self.version += 1;
        }
        held
    }

    /// Gives out what an order holds; what is left stays for another time.
    pub(crate) fn dispense(&mut self, order: &OrderId, now: Timestamp) -> Result<i64, Refusal> {
        let quantity = match &self.lock {
            Some(lock) if lock.order == *order => lock.quantity,
            _ => return Err(Refusal::NotHeld),
        };
        let left = self.remaining.checked_sub(quantity).filter(|left| *left >= 0);
        self.remaining = left.ok_or(Refusal::TooMany(self.remaining))?;
        self.lock = None;
        self.last_dispensed = Some(now);
        self.version += 1;
        Ok(quantity)
    }

    /// Takes it back. Refused while an order has hold of it: that order must end first.
    pub(crate) fn cancel(&mut self, now: Timestamp) -> Result<(), Refusal> {
        if self.cancelled {
            return Err(Refusal::Cancelled);
        }
        if self.remaining == 0 {
            return Err(Refusal::UsedUp);
        }
        if self.held(now).is_some() {
            return Err(Refusal::Locked);
        }
        self.cancelled = true;
        self.lock = None;
        self.version += 1;
        Ok(())
    }

    fn usable(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.cancelled {
            Err(Refusal::Cancelled)
        } else if now < self.valid_from {
            Err(Refusal::NotYet)
        } else if now > self.valid_until {
            Err(Refusal::Expired)
        } else {
            Ok(())
        }
    }
}

/// The last moment a prescription that begins at `from` may be valid: whole months later, at the end of a shorter month.
fn last_moment(from: Timestamp, control: Control) -> Timestamp {
    let months = control.validity_months();
    let Ok(start) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(from.0) * 1_000_000) else {
        return from;
    };
    let years = i32::try_from(months / 12).unwrap_or(0);
    let year = start.year().saturating_add(years);
    // Whole years only: 24 and 12 months. 29 February becomes the 28th.
    let day = if start.month() == Month::February { start.day().min(28) } else { start.day() };
    let end = start.replace_day(day).and_then(|date| date.replace_year(year));
    end.map_or(from, |end| Timestamp(i64::try_from(end.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Draft, Prescription, Refusal, Supply, WriteError};
    use crate::clock::Timestamp;
    use crate::id::OrderId;
    use crate::pharmacy::medicine::{Control, Medicine};
    use crate::pharmacy::seed;

    const DAY: Duration = Duration::from_secs(86_400);
    /// 2024-02-29T12:00:00Z.
    const START: Timestamp = Timestamp(1_709_208_000_000);

    fn medicine(control: Control) -> Medicine {
        let all = seed::packages(0).unwrap();
        all.into_iter()
            .find(|m| m.status.as_str() == "R" && m.control == control && m.substitution_group.is_some())
            .unwrap()
    }

    fn draft(packages: i64) -> Draft {
        Draft {
            patient: "demo-1".into(),
            packages,
            substitution: true,
            interval_days: 0,
            dosage: "1 x 1".into(),
            valid_from: None,
            valid_until: None,
        }
    }

    fn written(packages: i64) -> (Prescription, Medicine) {
        let medicine = medicine(Control::Ordinary);
        (Prescription::write(draft(packages), "demo-doctor", &medicine, START).unwrap(), medicine)
    }

    #[test]
    fn validity_is_whole_months() {
        let (ordinary, _) = written(1);
        assert_eq!(ordinary.valid_until.to_string(), "2026-02-28T12:00:00Z");
        for control in [Control::Cns, Control::Narcotic] {
            let medicine = medicine(control);
            let strict = Prescription::write(draft(1), "demo-doctor", &medicine, START).unwrap();
            assert_eq!(strict.valid_until.to_string(), "2025-02-28T12:00:00Z");
            let longer = Draft { valid_until: Some(ordinary.valid_until), ..draft(1) };
            assert_eq!(Prescription::write(longer, "d", &medicine, START).unwrap_err(), WriteError::TooLong(12));
        }
    }

    #[test]
    fn bad_prescriptions_are_not_written() {
        let medicine = medicine(Control::Ordinary);
        let write = |draft| Prescription::write(draft, "d", &medicine, START).unwrap_err();
        assert_eq!(write(draft(0)), WriteError::Quantity);
        assert_eq!(write(Draft { valid_until: Some(START), ..draft(1) }), WriteError::Ends);
        assert_eq!(write(Draft { interval_days: -1, ..draft(1) }), WriteError::Interval);
        let self_care = seed::packages(0).unwrap().into_iter().find(|m| m.status.as_str() == "K").unwrap();
        assert_eq!(Prescription::write(draft(1), "d", &self_care, START).unwrap_err(), WriteError::SelfCare);
    }

    #[test]
    fn one_order_holds_it_until_its_time_ends() {
        let (mut prescription, medicine) = written(2);
        let (first, second) = (OrderId::new(), OrderId::new());
        let until = START.after(DAY);
        prescription.lock(&first, &medicine, 1, START, until).unwrap();
        assert_eq!(prescription.lock(&second, &medicine, 1, START, until), Err(Refusal::Locked));
        assert_eq!(prescription.cancel(START), Err(Refusal::Locked));
        prescription.lock(&second, &medicine, 1, until, until.after(DAY)).unwrap();
        assert_eq!(prescription.confirm(&first), Err(Refusal::NotHeld));
        prescription.confirm(&second).unwrap();
        let late = until.after(30 * DAY);
        assert_eq!(prescription.lock(&first, &medicine, 1, late, late.after(DAY)), Err(Refusal::Locked));
        assert_eq!(prescription.dispense(&second, late), Ok(1));
        assert_eq!(prescription.supply(), Supply::PartiallyDispensed);
        assert_eq!(prescription.dispense(&second, late), Err(Refusal::NotHeld));
    }

    #[test]
    fn expired_cancelled_and_too_soon_are_refused() {
        let (mut prescription, medicine) = written(3);
        prescription.interval_days = 30;
        let order = OrderId::new();
        let late = prescription.valid_until.after(Duration::from_millis(1));
        assert_eq!(prescription.lock(&order, &medicine, 1, late, late.after(DAY)), Err(Refusal::Expired));
        prescription.lock(&order, &medicine, 1, START, START.after(DAY)).unwrap();
        prescription.dispense(&order, START).unwrap();
        let soon = START.after(29 * DAY);
        let next = Refusal::TooSoon(START.after(30 * DAY));
        assert_eq!(prescription.lock(&order, &medicine, 1, soon, late), Err(next));
        prescription.cancel(soon).unwrap();
        assert_eq!(prescription.lock(&order, &medicine, 1, late, late), Err(Refusal::Cancelled));
    }

    #[test]
    fn only_the_group_replaces_it_and_only_if_allowed() {
        let (mut prescription, medicine) = written(1);
        let all = seed::packages(0).unwrap();
        let twin = all.iter().find(|m| m.vnr != medicine.vnr && m.substitution_group == medicine.substitution_group);
        let other = all.iter().find(|m| m.substitution_group != medicine.substitution_group).unwrap();
        let order = OrderId::new();
        assert_eq!(prescription.lock(&order, other, 1, START, START), Err(Refusal::OtherMedicine));
        prescription.lock(&order, twin.unwrap(), 1, START, START.after(DAY)).unwrap();
        prescription.substitution = false;
        assert_eq!(prescription.lock(&order, twin.unwrap(), 1, START, START), Err(Refusal::OtherMedicine));
    }

    proptest! {
        /// Whatever the orders do, nothing is given out twice or beyond what was prescribed.
        #[test]
        fn never_beyond_what_was_prescribed(
            packages in 1_i64..10,
            steps in proptest::collection::vec((0_u8..5, 0_usize..3, -1_i64..6, 0_u64..3), 1..60),
        ) {
            let (mut prescription, medicine) = written(packages);
            let orders = [OrderId::new(), OrderId::new(), OrderId::new()];
            let (mut now, mut given) = (START, 0);
            for (what, who, quantity, days) in steps {
                now = now.after(DAY * u32::try_from(days).unwrap());
                let before = prescription.clone();
                let order = &orders[who];
                let done = match what {
                    0 => prescription.lock(order, &medicine, quantity, now, now.after(DAY)).is_ok(),
                    1 => prescription.confirm(order).is_ok(),
                    2 => prescription.release(order),
                    3 => prescription.dispense(order, now).map(|packages| given += packages).is_ok(),
                    _ => quantity == 5 && prescription.cancel(now).is_ok(),
                };
                prop_assert_eq!(prescription.version, before.version + i64::from(done));
                prop_assert_eq!(prescription.remaining + given, packages);
                prop_assert!(prescription.remaining >= 0);
                if let Some(lock) = &prescription.lock {
                    prop_assert!((1..=prescription.remaining).contains(&lock.quantity));
                    let taken_over = before.lock.as_ref().is_some_and(|old| old.order != lock.order);
                    prop_assert!(!taken_over || before.held(now).is_none());
                }
                if what == 2 {
                    prop_assert_eq!(prescription.remaining, before.remaining);
                    prop_assert!(prescription.lock.as_ref().is_none_or(|lock| lock.order != *order));
                }
            }
        }
    }
}
