//! A made-up catalogue: real substances and classes, invented products. No such package exists, and each says so.

use super::medicine::{Medicine, VAT_RATE, Vnr};
use super::nomenclature::{Nomenclature, NomenclatureError, Substance};
use crate::address::Address;
use crate::id::{Gtin, check_digit};
use crate::language::Language;
use crate::money::Money;

/// The first number of the test range: real packages are numbered far below.
const FIRST_VNR: u32 = 990_001;

/// A pharmacy of the demonstration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DemoPharmacy {
    /// Code of the place.
    pub location: &'static str,
    /// Name.
    pub name: &'static str,
    /// Street.
    pub street: &'static str,
    /// Postcode.
    pub postcode: &'static str,
    /// Town.
    pub city: &'static str,
    /// Degrees north and east.
    pub position: (f64, f64),
}

/// The pharmacies of the demonstration: places in and around Helsinki, names made up.
pub(crate) const PHARMACIES: [DemoPharmacy; 5] = [
    DemoPharmacy {
        location: "hki-keskusta",
        name: "Demo Apteekki Keskusta",
        street: "Demokatu 1",
        postcode: "00100",
        city: "Helsinki",
        position: (60.169, 24.938),
    },
    DemoPharmacy {
        location: "hki-kallio",
        name: "Demo Apteekki Kallio",
        street: "Demokatu 2",
        postcode: "00530",
        city: "Helsinki",
        position: (60.184, 24.949),
    },
    DemoPharmacy {
        location: "hki-itakeskus",
        name: "Demo Apteekki Itäkeskus",
        street: "Demokatu 3",
        postcode: "00930",
        city: "Helsinki",
        position: (60.210, 25.082),
    },
    DemoPharmacy {
        location: "espoo-tapiola",
        name: "Demo Apteekki Tapiola",
        street: "Demokatu 4",
        postcode: "02100",
        city: "Espoo",
        position: (60.175, 24.804),
    },
    DemoPharmacy {
        location: "vantaa-tikkurila",
        name: "Demo Apteekki Tikkurila",
        street: "Demokatu 5",
        postcode: "01300",
        city: "Vantaa",
        position: (60.292, 25.044),
    },
];

impl DemoPharmacy {
    /// Where parcels leave from.
    pub(crate) fn address(&self) -> Address {
        Address {
            name: self.name.to_owned(),
            street: self.street.to_owned(),
            postcode: self.postcode.to_owned(),
            city: self.city.to_owned(),
            country: "FI".to_owned(),
            lat: Some(self.position.0),
            lon: Some(self.position.1),
        }
    }

    /// How far it is from a place, in degrees of longitude here; 0 if the place is not known.
    pub(crate) fn far_from(&self, place: Option<(f64, f64)>) -> f64 {
        let Some((north, east)) = place else { return 0.0 };
        // At 60 degrees north a degree of longitude is half as long as one of latitude.
        (2.0 * (north - self.position.0)).hypot(east - self.position.1)
    }
}

/// The made-up packages: each substance in each strength and pack, the first pack of each also by a second maker; then
/// more makers' until there are at least `at_least`.
pub(crate) fn packages(at_least: usize) -> Result<Vec<Medicine>, NomenclatureError> {
    let names = Nomenclature::load()?;
    let mut packages = Vec::new();
    for substance in names.substances() {
        for (strength_no, strength) in substance.strengths.iter().enumerate() {
            for (pack_no, pack) in substance.packs.iter().enumerate() {
                let makers = if strength_no == 0 && pack_no == 0 { 2 } else { 1 };
                for maker in 0..makers {
                    packages.push(package(&names, substance, strength, pack, (pack_no, maker), packages.len())?);
                }
            }
        }
    }
    for maker in 2.. {
        for substance in names.substances() {
            if packages.len() >= at_least {
                return Ok(packages);
            }
            for strength in &substance.strengths {
                packages.push(package(&names, substance, strength, &substance.packs[0], (0, maker), packages.len())?);
            }
        }
    }
    Ok(packages)
}

/// How many of a package a pharmacy of the demonstration has at first: most have some, a few have none.
pub(crate) fn stock(pharmacy: usize, package: usize) -> i64 {
    const PATTERN: [i64; 7] = [40, 25, 12, 60, 0, 8, 30];
    PATTERN[(pharmacy * 3 + package) % PATTERN.len()]
}

fn package(
    names: &Nomenclature,
    substance: &Substance,
    strength: &str,
    pack: &str,
    (pack_no, maker): (usize, usize),
    number: usize,
) -> Result<Medicine, NomenclatureError> {
    let wrong = |error: crate::id::IdError| NomenclatureError::Value(error.to_string());
    let form = names.form(&substance.form).ok_or_else(|| NomenclatureError::Value(substance.form.clone()))?;
    // Beyond the test range (large test catalogues) numbers go on below it.
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let vnr =
        FIRST_VNR.checked_add(number).filter(|vnr| *vnr <= 999_999).unwrap_or_else(|| FIRST_VNR.saturating_sub(number));
    let vnr = format!("{vnr:06}");
    // GS1 keeps the prefix 2 for numbers that no maker owns.
    let body = format!("0299{vnr}000");
    let gtin = Gtin::parse(&format!("{body}{}", check_digit(&body))).map_err(wrong)?;
    let title = capitalised(substance.name.get(Language::En));
    let share = i64::try_from(pack_no).unwrap_or(0) * 85;
    let rebate = i64::try_from(maker).unwrap_or(0).min(4) * 4;
    Ok(Medicine {
        vnr: Vnr::parse(&vnr).map_err(wrong)?,
        atc: Some(substance.atc.clone()),
        gtin: Some(gtin),
        name: format!("{title} Demo {}", maker_name(maker)),
        substance: substance.name.clone(),
        form: form.name.clone(),
        strength: strength.to_owned(),
        pack: pack.to_owned(),
        status: substance.status,
        control: substance.control,
        substitution_group: Some(format!("{}-{strength}-{pack}", substance.atc.as_str())),
        list_price: Some(Money::eur(substance.cents * (100 + share) * (100 - rebate) / 10_000)),
        vat_rate: VAT_RATE,
        weight_g: form.grams,
        volume_ml: form.millilitres,
        cold_chain: substance.cold,
        synthetic: true,
        version: 1,
    })
}

/// `A` to `Z`, then `A2` and so on.
fn maker_name(maker: usize) -> String {
    const LETTERS: &[u8; 26] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let letter = char::from(LETTERS[maker % LETTERS.len()]);
    match maker / LETTERS.len() {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
