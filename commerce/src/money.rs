//! Exact money: whole minor units of one ISO 4217 currency, never a fraction in binary.

use std::fmt;

use iso_currency::Currency;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::{AllOfBuilder, ObjectBuilder, Ref, Schema, Type};

/// Basis points in the whole: a VAT rate of 25.5 % is 2550.
const WHOLE: i128 = 10_000;

/// Why amounts cannot be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MoneyError {
    /// Amounts of two currencies met.
    #[error("{0} and {1} do not mix")]
    Currencies(CurrencyCode, CurrencyCode),
    /// The sum leaves the range of 64 bits.
    #[error("the amount is too large")]
    Overflow,
}

/// An ISO 4217 currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CurrencyCode(Currency);

impl CurrencyCode {
    /// The euro.
    pub(crate) const EUR: Self = Self(Currency::EUR);

    /// The currency of an alphabetic code such as `EUR`, if there is one.
    #[must_use]
    pub(crate) fn parse(code: &str) -> Option<Self> {
        Currency::from_code(code).map(Self)
    }

    /// The alphabetic code.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        self.0.code()
    }
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for CurrencyCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for CurrencyCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&code).ok_or_else(|| serde::de::Error::custom("not an ISO 4217 currency code"))
    }
}

/// An amount in minor units (cents) of one currency. `{"minor": 1299, "currency": "EUR"}` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Money {
    /// Minor units: cents for EUR. Negative for refunds and discounts.
    pub minor: i64,
    /// ISO 4217 code.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR")]
    pub currency: CurrencyCode,
}

/// Refuses less than nothing.
pub(crate) fn not_negative(amount: &Money, (): &()) -> garde::Result {
    if amount.minor >= 0 { Ok(()) } else { Err(garde::Error::new("must not be negative")) }
}

/// How [`Money`] is described that must not be negative.
pub(crate) fn amount() -> Schema {
    let minor = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    let bounded = ObjectBuilder::new().property("minor", minor);
    AllOfBuilder::new().item(Ref::from_schema_name("Money")).item(bounded).build().into()
}

impl Money {
    /// So many euro cents.
    #[must_use]
    pub(crate) const fn eur(minor: i64) -> Self {
        Self { minor, currency: CurrencyCode::EUR }
    }

    /// Nothing of a currency.
    #[must_use]
    pub(crate) const fn zero(currency: CurrencyCode) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum.
    ///
    /// # Errors
    /// See [`MoneyError`].
    pub(crate) fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The difference.
    ///
    /// # Errors
    /// See [`MoneyError`].
    pub(crate) fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// So many times.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub(crate) fn times(self, quantity: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(quantity).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The part of it that so many basis points are, rounded half away from zero.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub(crate) fn share(self, basis_points: i64) -> Result<Self, MoneyError> {
        self.scaled(i128::from(basis_points), WHOLE)
    }

    /// The VAT inside a price that includes VAT of so many basis points, rounded half away from zero.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub(crate) fn vat_included(self, basis_points: i64) -> Result<Self, MoneyError> {
        let rate = i128::from(basis_points.max(0));
        self.scaled(rate, WHOLE + rate)
    }

    fn same(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::Currencies(self.currency, other.currency))
        }
    }

    fn scaled(self, numerator: i128, denominator: i128) -> Result<Self, MoneyError> {
        let product = i128::from(self.minor) * numerator;
        let half = denominator / 2;
        let rounded = if product < 0 { (product - half) / denominator } else { (product + half) / denominator };
        let minor = i64::try_from(rounded).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
}

/// The VAT of one rate inside a total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct VatLine {
    /// Basis points: 2550 is 25.5 %.
    pub(crate) rate: i64,
    /// The VAT inside all that is taxed at this rate, together.
    pub(crate) amount: Money,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.currency.0.exponent().unwrap_or(0));
        let unit = 10_u64.pow(u32::try_from(digits).unwrap_or(0));
        let sign = if self.minor < 0 { "-" } else { "" };
        let (whole, part) = (self.minor.unsigned_abs() / unit, self.minor.unsigned_abs() % unit);
        match digits {
            0 => write!(f, "{sign}{whole} {}", self.currency),
            _ => write!(f, "{sign}{whole}.{part:0digits$} {}", self.currency),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CurrencyCode, Money, MoneyError};

    #[test]
    fn prints_as_people_write_it() {
        assert_eq!(Money::eur(-1205).to_string(), "-12.05 EUR");
        let yen = Money { minor: 7, currency: CurrencyCode::parse("JPY").unwrap() };
        assert_eq!(yen.to_string(), "7 JPY");
    }

    #[test]
    fn rounds_half_away_from_zero() {
        assert_eq!(Money::eur(1).share(5000), Ok(Money::eur(1)));
        assert_eq!(Money::eur(-1).share(5000), Ok(Money::eur(-1)));
        assert_eq!(Money::eur(12_550).vat_included(2550), Ok(Money::eur(2550)));
    }

    #[test]
    fn refuses_what_cannot_be_added() {
        let rub = CurrencyCode::parse("RUB").unwrap();
        assert_eq!(Money::eur(1).plus(Money::zero(rub)), Err(MoneyError::Currencies(CurrencyCode::EUR, rub)));
        assert_eq!(Money::eur(i64::MAX).times(2), Err(MoneyError::Overflow));
        assert!(serde_json::from_str::<Money>(r#"{"minor":1.5,"currency":"EUR"}"#).is_err());
    }

    proptest! {
        #[test]
        fn vat_and_net_make_the_whole(minor in -1_000_000_000_i64..1_000_000_000, rate in 0_i64..5000) {
            let gross = Money::eur(minor);
            let vat = gross.vat_included(rate).unwrap();
            let net = gross.minus(vat).unwrap();
            prop_assert_eq!(net.plus(vat).unwrap(), gross);
            // The VAT of the net is the VAT inside the gross, to the cent.
            prop_assert!((net.share(rate).unwrap().minor - vat.minor).abs() <= 1);
        }
    }
}
