//! Medicine packages: their codes, who may buy them, and what can replace them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::id::{Gtin, IdError, Sku};
use crate::language::Localized;
use crate::money::Money;

/// VAT inside medicine prices in Finland, in basis points.
pub(crate) const VAT_RATE: i64 = 1350;

/// A Nordic article number: six digits that name one package on the market.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[0-9]{6}$", example = "990001")]
pub(crate) struct Vnr(String);

impl Vnr {
    /// Reads a number that came from outside.
    pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
        let fits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { Ok(Self(text.to_owned())) } else { Err(IdError("VNR (six digits)")) }
    }

    /// The six digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as the order book names goods.
    pub(crate) fn sku(&self) -> Result<Sku, IdError> {
        Sku::parse(&self.0)
    }
}

impl fmt::Display for Vnr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Vnr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A code of the Anatomical Therapeutic Chemical classification, or its beginning: `N`, `N02`, `N02B`, `N02BE`, `N02BE01`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[A-Za-z]([0-9]{2}([A-Za-z]([A-Za-z]([0-9]{2})?)?)?)?$", example = "N02BE01")]
pub(crate) struct Atc(String);

impl Atc {
    /// The lengths of the classification's five levels.
    pub(crate) const LEVELS: [usize; 5] = [1, 3, 4, 5, 7];

    /// Reads a code of any level; small letters will do.
    pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
        let fits = Self::LEVELS.contains(&text.len())
            && text.bytes().enumerate().all(|(place, byte)| match place {
                0 | 3 | 4 => byte.is_ascii_alphabetic(),
                _ => byte.is_ascii_digit(),
            });
        if fits { Ok(Self(text.to_ascii_uppercase())) } else { Err(IdError("ATC code")) }
    }

    /// The code in capitals.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The code and the groups above it, the widest first.
    pub(crate) fn levels(&self) -> impl Iterator<Item = &str> {
        Self::LEVELS.into_iter().filter_map(|length| self.0.get(..length))
    }
}

impl<'de> Deserialize<'de> for Atc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Who may buy a package, as Finnish registers write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum Status {
    /// `R`: only with a prescription.
    R,
    /// `K`: self-care, without one.
    K,
}

impl Status {
    /// The register's letter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::R => "R",
            Self::K => "K",
        }
    }

    /// Reads the register's letter.
    pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
        match text {
            "R" => Ok(Self::R),
            "K" => Ok(Self::K),
            _ => Err(IdError("prescription status (R or K)")),
        }
    }
}

/// Medicines whose prescriptions live shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Control {
    /// Nothing special.
    #[default]
    Ordinary,
    /// Acts on the central nervous system and may be abused (PKV).
    Cns,
    /// A narcotic.
    Narcotic,
    /// Made by living cells.
    Biological,
}

impl Control {
    /// Reads the word; nothing stands for ordinary.
    pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
        match text {
            "" | "ordinary" => Ok(Self::Ordinary),
            "cns" => Ok(Self::Cns),
            "narcotic" => Ok(Self::Narcotic),
            "biological" => Ok(Self::Biological),
            _ => Err(IdError("control (cns, narcotic, biological or nothing)")),
        }
    }

    /// How many months a prescription of it is valid at most.
    pub(crate) fn validity_months(self) -> u32 {
        match self {
            Self::Ordinary => 24,
            Self::Cns | Self::Narcotic | Self::Biological => 12,
        }
    }
}

/// One package on the market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Medicine {
    /// The package's number; also its product code.
    pub vnr: Vnr,
    /// What it does, if classified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atc: Option<Atc>,
    /// The number in the package's 2D code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtin: Option<Gtin>,
    /// Product name.
    pub name: String,
    /// International nonproprietary name of the substance, by language.
    pub substance: Localized,
    /// Pharmaceutical form, by language.
    pub form: Localized,
    /// Strength as printed.
    pub strength: String,
    /// Pack size as printed.
    pub pack: String,
    /// Prescription or self-care.
    pub status: Status,
    /// Whether its prescriptions live shorter.
    pub control: Control,
    /// Packages of one group replace each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substitution_group: Option<String>,
    /// The retail price with VAT it comes into the catalogue with; from then on the order book has it.
    #[serde(skip)]
    pub list_price: Option<Money>,
    /// VAT inside the price, in basis points.
    pub vat_rate: i64,
    /// Weight, in grams.
    pub weight_g: i64,
    /// Room it takes, in millilitres.
    pub volume_ml: i64,
    /// Whether it must stay between 2 and 8 degrees.
    pub cold_chain: bool,
    /// Whether it is made up for demonstration: no such package exists.
    pub synthetic: bool,
    /// Grows with each change.
    pub version: i64,
}

impl Medicine {
    /// The line that names it on an order.
    pub(crate) fn title(&self) -> String {
        format!("{} {}, {}", self.name, self.strength, self.pack)
    }

    /// Whether it may be given where `prescribed` was prescribed: the same package, or one of the same group if the
    /// prescriber allowed that.
    pub(crate) fn serves(&self, prescribed: &Prescribed, substitution: bool) -> bool {
        if self.vnr == prescribed.vnr {
            return true;
        }
        let same_group = self.substitution_group.is_some() && self.substitution_group == prescribed.group;
        substitution && same_group
    }
}

/// What a prescription names: a package and what may replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prescribed {
    /// The package.
    pub vnr: Vnr,
    /// Its substitution group.
    pub group: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{Atc, Control, Status, Vnr};

    #[test]
    fn codes_are_checked() {
        assert!(Vnr::parse("990001").is_ok());
        for bad in ["99001", "9900011", "99000x", "９９０００１"] {
            assert!(Vnr::parse(bad).is_err(), "{bad}");
        }
        let atc = Atc::parse("n02be01").unwrap();
        assert_eq!(atc.levels().collect::<Vec<_>>(), ["N", "N02", "N02B", "N02BE", "N02BE01"]);
        for bad in ["", "N0", "N02BE0", "NN2BE01", "N02BE012", "Ä2BE01"] {
            assert!(Atc::parse(bad).is_err(), "{bad}");
        }
        assert!(Status::parse("r").is_err());
        assert_eq!(Control::parse("cns").unwrap().validity_months(), 12);
    }
}
