//! Orders and what may happen to them: states, lines, totals, VAT. No storage, no HTTP; time is an argument.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::address::Address;
use crate::clock::Timestamp;
use crate::id::{OrderId, Sku};
use crate::language::Language;
use crate::money::{CurrencyCode, Money, MoneyError, VatLine};

use super::Rejection;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderState {
    /// Goods are kept for the customer until `expires_at`.
    Reserved,
    /// Kept, and a pharmacist has to advise first.
    Advice,
    /// Kept, and the advice was given.
    Advised,
    /// Paid for; goes out.
    Confirmed,
    /// Left the shop.
    Dispatched,
    /// Called off; the goods are free again.
    Cancelled,
    /// Not confirmed in time; the goods are free again.
    Expired,
}

/// What is done to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A pharmacist has advised.
    Advise,
    /// The customer pays.
    Confirm,
    /// The goods leave.
    Dispatch,
    /// The customer or the shop calls it off.
    Cancel,
    /// Its time is over.
    Expire,
}

impl OrderState {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Reserved,
        Self::Advice,
        Self::Advised,
        Self::Confirmed,
        Self::Dispatched,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The word in JSON and in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Advice => "advice",
            Self::Advised => "advised",
            Self::Confirmed => "confirmed",
            Self::Dispatched => "dispatched",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The state of a word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether its goods are kept: the order itself is the reservation.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Reserved | Self::Advice | Self::Advised | Self::Confirmed)
    }

    /// Whether it ends by itself if nothing happens.
    pub(crate) fn expires(self) -> bool {
        matches!(self, Self::Reserved | Self::Advice | Self::Advised)
    }

    /// The state after a step, or nothing if the step is not allowed here.
    pub(crate) fn after(self, step: Step) -> Option<Self> {
        match (self, step) {
            (Self::Advice, Step::Advise) => Some(Self::Advised),
            (Self::Reserved | Self::Advised, Step::Confirm) => Some(Self::Confirmed),
            (Self::Confirmed, Step::Dispatch) => Some(Self::Dispatched),
            (Self::Reserved | Self::Advice | Self::Advised | Self::Confirmed, Step::Cancel) => Some(Self::Cancelled),
            (Self::Reserved | Self::Advice | Self::Advised, Step::Expire) => Some(Self::Expired),
            _ => None,
        }
    }
}

impl Step {
    /// The event that tells of it.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Advise => "order.advised",
            Self::Confirm => "order.confirmed",
            Self::Dispatch => "order.dispatched",
            Self::Cancel => "order.cancelled",
            Self::Expire => "order.expired",
        }
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderLine {
    /// What.
    pub(crate) sku: Sku,
    /// Its name when and as it was ordered.
    pub(crate) name: String,
    /// How many.
    pub(crate) quantity: i64,
    /// List price of one, VAT included.
    pub(crate) unit_price: Money,
    /// What is taken off the whole line.
    pub(crate) discount: Money,
    /// What the line costs, VAT included.
    pub(crate) total: Money,
    /// VAT in basis points.
    pub(crate) vat_rate: i64,
    /// The promotion behind the discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) promotion: Option<String>,
    /// The prescription it is taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prescription: Option<String>,
}

/// An order as everybody sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Order {
    /// Its name.
    pub(crate) id: OrderId,
    /// The shop that keeps it.
    pub(crate) shop: String,
    /// Who sells, as on the receipt.
    pub(crate) seller: String,
    /// Where in the shop the goods lie.
    pub(crate) location: String,
    /// Whose it is.
    pub(crate) customer: String,
    /// Whatever the customer calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    /// Where it stands.
    pub(crate) state: OrderState,
    /// What is ordered.
    pub(crate) lines: Vec<OrderLine>,
    /// What it costs, VAT included.
    pub(crate) total: Money,
    /// The VAT inside.
    pub(crate) vat: Vec<VatLine>,
    /// The payment it was confirmed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payment: Option<String>,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Number of the parcel it left in, if the shop sent it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parcel: Option<String>,
    /// When it was placed.
    pub(crate) created_at: Timestamp,
    /// When it ends if it is not confirmed before.
    pub(crate) expires_at: Timestamp,
    /// Counts its changes; the ETag.
    pub(crate) version: i64,
}

/// One line that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewLine {
    /// What.
    pub(crate) sku: Sku,
    /// How many.
    pub(crate) quantity: i64,
    /// The prescription to take it from.
    pub(crate) prescription: Option<String>,
}

/// An order that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct NewOrder {
    /// The name it will have.
    pub(crate) id: OrderId,
    /// Where in the shop the goods shall come from.
    pub(crate) location: &'static str,
    /// Whose it will be.
    pub(crate) customer: String,
    /// Whatever the customer calls it.
    pub(crate) reference: Option<String>,
    /// Where the goods are to go, if the shop sends them itself.
    pub(crate) deliver_to: Option<Address>,
    /// The language of its names.
    pub(crate) language: Language,
    /// What is wanted: all of it or nothing.
    pub(crate) lines: Vec<NewLine>,
    /// The state it begins in: reserved, or advice.
    pub(crate) state: OrderState,
}

/// What a line costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinePrice {
    /// List price of one.
    pub(crate) unit: Money,
    /// What is taken off the whole line: from nothing to all of it.
    pub(crate) discount: Money,
    /// The promotion behind it.
    pub(crate) promotion: Option<String>,
}

impl LinePrice {
    /// The list price and nothing off.
    pub(crate) fn list(unit: Money) -> Self {
        Self { unit, discount: Money::zero(unit.currency), promotion: None }
    }

    /// What so many cost.
    ///
    /// # Errors
    /// Amounts that do not fit, or a discount that is no discount.
    pub(crate) fn total(&self, quantity: i64) -> Result<Money, Rejection> {
        let whole = self.unit.times(quantity)?;
        let total = whole.minus(self.discount)?;
        if self.discount.minor < 0 || total.minor < 0 {
            return Err(MoneyError::Overflow.into());
        }
        Ok(total)
    }
}

/// The sum of the lines.
///
/// # Errors
/// Currencies differ, or the sum is too large.
pub(crate) fn total_of(currency: CurrencyCode, lines: &[OrderLine]) -> Result<Money, MoneyError> {
    lines.iter().try_fold(Money::zero(currency), |sum, line| sum.plus(line.total))
}

/// The VAT inside the lines, one amount per rate, by rate. Rounded once per rate, not per line.
///
/// # Errors
/// As [`total_of`].
pub(crate) fn vat_of(currency: CurrencyCode, lines: &[OrderLine]) -> Result<Vec<VatLine>, MoneyError> {
    let mut gross: Vec<VatLine> = Vec::with_capacity(2);
    for line in lines {
        match gross.iter_mut().find(|vat| vat.rate == line.vat_rate) {
            Some(vat) => vat.amount = vat.amount.plus(line.total)?,
            None => {
                let amount = Money::zero(currency).plus(line.total)?;
                gross.push(VatLine { rate: line.vat_rate, amount });
            }
        }
    }
    for vat in &mut gross {
        vat.amount = vat.amount.vat_included(vat.rate)?;
    }
    gross.sort_unstable_by_key(|vat| vat.rate);
    Ok(gross)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{OrderLine, OrderState, Step, total_of, vat_of};
    use crate::id::Sku;
    use crate::money::{CurrencyCode, Money};

    const STEPS: [Step; 5] = [Step::Advise, Step::Confirm, Step::Dispatch, Step::Cancel, Step::Expire];

    #[test]
    fn words_read_back() {
        for state in OrderState::ALL {
            assert_eq!(OrderState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(OrderState::parse("lost"), None);
    }

    proptest! {
        #[test]
        fn what_left_or_ended_stays_so(steps in proptest::collection::vec(0_usize..5, 0..20), advice: bool) {
            let mut state = if advice { OrderState::Advice } else { OrderState::Reserved };
            let mut confirmed = false;
            for step in steps.into_iter().map(|index| STEPS[index]) {
                let Some(next) = state.after(step) else { continue };
                prop_assert!(state.is_open());
                // Nothing that was paid for expires, and nothing leaves that was not paid for.
                prop_assert!(!(confirmed && next == OrderState::Expired));
                prop_assert!(confirmed || next != OrderState::Dispatched);
                // Advice cannot be walked around.
                prop_assert!(!(state == OrderState::Advice && next == OrderState::Confirmed));
                confirmed |= next == OrderState::Confirmed;
                state = next;
            }
        }

        #[test]
        fn money_adds_up(lines in proptest::collection::vec((0_i64..1_000_000, 1_i64..100, 0_usize..3), 1..20)) {
            let lines: Vec<_> = lines
                .into_iter()
                .map(|(unit, quantity, rate)| OrderLine {
                    sku: Sku::parse("X").unwrap(),
                    name: String::new(),
                    quantity,
                    unit_price: Money::eur(unit),
                    discount: Money::eur(0),
                    total: Money::eur(unit * quantity),
                    vat_rate: [0, 1350, 2550][rate],
                    promotion: None,
                    prescription: None,
                })
                .collect();
            let total = total_of(CurrencyCode::EUR, &lines).unwrap();
            prop_assert_eq!(total.minor, lines.iter().map(|line| line.total.minor).sum::<i64>());
            let vat = vat_of(CurrencyCode::EUR, &lines).unwrap();
            prop_assert!(vat.is_sorted_by_key(|line| line.rate));
            let mut gross = 0;
            for line in &vat {
                let of_rate: i64 = lines.iter().filter(|l| l.vat_rate == line.rate).map(|l| l.total.minor).sum();
                prop_assert_eq!(line.amount, Money::eur(of_rate).vat_included(line.rate).unwrap());
                gross += of_rate;
            }
            prop_assert_eq!(gross, total.minor);
        }
    }
}
