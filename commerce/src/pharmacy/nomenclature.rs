//! Names of substances, groups and forms in four languages: public nomenclature (INN and ATC), listed by hand.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;

use super::medicine::{Atc, Control, Status};
use crate::language::{Language, Localized};

const SUBSTANCES: &str = include_str!("data/substances.csv");
const GROUPS: &str = include_str!("data/groups.csv");
const FORMS: &str = include_str!("data/forms.csv");

/// The form that stands for every medicine, whatever it is.
const ANYTHING: &str = "medicine";

/// Why the lists that are part of the program cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NomenclatureError {
    /// A line of a list is malformed.
    #[error("a built-in list of names is malformed: {0}")]
    List(#[from] csv::Error),
    /// A line of a list names something unknown.
    #[error("a built-in list of names is wrong: {0}")]
    Value(String),
}

/// A line of the list of substances: what packages of it exist in the demonstration.
#[derive(Debug, Clone)]
pub(crate) struct Substance {
    /// Class.
    pub atc: Atc,
    /// Name.
    pub name: Localized,
    /// Word of the form.
    pub form: String,
    /// Strengths.
    pub strengths: Vec<String>,
    /// Packs of each strength.
    pub packs: Vec<String>,
    /// Prescription or self-care.
    pub status: Status,
    /// Whether prescriptions live shorter.
    pub control: Control,
    /// Price of the smallest pack, in cents.
    pub cents: i64,
    /// Whether it is kept cold.
    pub cold: bool,
}

/// A pharmaceutical form.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// Its name.
    pub name: Localized,
    /// All its names, for searches.
    synonyms: Localized,
    /// Weight of a usual package, in grams.
    pub grams: i64,
    /// Room of a usual package, in millilitres.
    pub millilitres: i64,
}

/// The lists.
#[derive(Debug)]
pub(crate) struct Nomenclature {
    substances: Vec<Substance>,
    by_atc: HashMap<String, usize>,
    groups: HashMap<String, Localized>,
    forms: BTreeMap<String, Form>,
    anything: Localized,
}

#[derive(serde::Deserialize)]
struct SubstanceRow {
    atc: String,
    en: String,
    fi: String,
    sv: String,
    ru: String,
    form: String,
    strengths: String,
    packs: String,
    status: String,
    control: String,
    cents: i64,
    cold: String,
}

#[derive(serde::Deserialize)]
struct GroupRow {
    atc: String,
    en: String,
    fi: String,
    sv: String,
    ru: String,
}

#[derive(serde::Deserialize)]
struct FormRow {
    form: String,
    en: String,
    fi: String,
    sv: String,
    ru: String,
    grams: Option<i64>,
    millilitres: Option<i64>,
}

impl Nomenclature {
    /// Reads the lists that are part of the program.
    pub(crate) fn load() -> Result<Self, NomenclatureError> {
        let wrong = |error: crate::id::IdError| NomenclatureError::Value(error.to_string());
        let mut substances = Vec::new();
        for row in rows::<SubstanceRow>(SUBSTANCES)? {
            substances.push(Substance {
                atc: Atc::parse(&row.atc).map_err(wrong)?,
                name: localized([&row.en, &row.fi, &row.sv, &row.ru], first),
                form: row.form,
                strengths: row.strengths.split('|').map(str::to_owned).collect(),
                packs: row.packs.split('|').map(str::to_owned).collect(),
                status: Status::parse(&row.status).map_err(wrong)?,
                control: Control::parse(&row.control).map_err(wrong)?,
                cents: row.cents,
                cold: row.cold == "cold",
            });
        }
        let mut groups = HashMap::new();
        for row in rows::<GroupRow>(GROUPS)? {
            groups.insert(row.atc, localized([&row.en, &row.fi, &row.sv, &row.ru], all));
        }
        let mut forms = BTreeMap::new();
        for row in rows::<FormRow>(FORMS)? {
            let texts = [row.en.as_str(), &row.fi, &row.sv, &row.ru];
            let (grams, millilitres) = (row.grams.unwrap_or(100), row.millilitres.unwrap_or(250));
            let form = Form { name: localized(texts, first), synonyms: localized(texts, all), grams, millilitres };
            forms.insert(row.form, form);
        }
        let anything = forms.remove(ANYTHING).map(|form| form.synonyms).unwrap_or_default();
        let by_atc = substances.iter().enumerate().map(|(place, s)| (s.atc.as_str().to_owned(), place)).collect();
        Ok(Self { substances, by_atc, groups, forms, anything })
    }

    /// The substances of the demonstration.
    pub(crate) fn substances(&self) -> &[Substance] {
        &self.substances
    }

    /// The substance of a class, if it is listed.
    pub(crate) fn substance(&self, atc: &Atc) -> Option<&Substance> {
        self.substances.get(*self.by_atc.get(atc.as_str())?)
    }

    /// What people call a group of medicines.
    pub(crate) fn group(&self, level: &str) -> Option<&Localized> {
        self.groups.get(level)
    }

    /// A form by its word.
    pub(crate) fn form(&self, word: &str) -> Option<&Form> {
        self.forms.get(word)
    }

    /// The form that has this name in Finnish, as registers write it.
    pub(crate) fn form_in_finnish(&self, name: &str) -> Option<&Form> {
        self.forms.values().find(|form| form.synonyms.get(Language::Fi).split('|').any(|known| known == name))
    }

    /// All the names of a form.
    pub(crate) fn form_synonyms(&self, name: &Localized) -> Option<&Localized> {
        self.forms.values().find(|form| form.name == *name).map(|form| &form.synonyms)
    }

    /// What people call medicines of any kind.
    pub(crate) fn anything(&self) -> &Localized {
        &self.anything
    }
}

fn rows<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, csv::Error> {
    csv::ReaderBuilder::new().delimiter(b';').from_reader(text.as_bytes()).deserialize().collect()
}

fn localized(texts: [&str; 4], which: impl Fn(&str) -> &str) -> Localized {
    let languages = [Language::En, Language::Fi, Language::Sv, Language::Ru];
    Localized(languages.into_iter().zip(texts).map(|(language, text)| (language, which(text).to_owned())).collect())
}

/// The first of several names: the one that is shown.
fn first(names: &str) -> &str {
    names.split('|').next().unwrap_or(names)
}

/// All of several names: for searches.
fn all(names: &str) -> &str {
    names
}
