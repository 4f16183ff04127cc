//! The search index: every package of the catalogue under the words, stems and codes that mean it, in memory.
//!
//! The catalogue is small (ten thousand packages), changes a few times a month and is read with every keystroke, so
//! the index is built from the database's rows and works the same whichever database holds them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::limit::{MAX_EXPANSIONS, MAX_QUERY_CHARS, MAX_QUERY_WORDS, MAX_SIMILAR, MIN_PART_CHARS};
use super::medicine::{Atc, Medicine, Status, Vnr};
use super::nomenclature::Nomenclature;
use super::words;
use crate::id::Gtin;
use crate::language::{Language, Localized};

/// How a package was found; the closest kind of the words asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Match {
    /// By a spelling close to the one asked for.
    Similar,
    /// By a part of a longer word, or by the parts of a compound.
    Part,
    /// By a word, its stem or its beginning.
    Word,
    /// By its number or its class.
    Code,
}

/// A package that was found.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// The package.
    pub medicine: Arc<Medicine>,
    /// How it was found.
    pub matched: Match,
}

/// What one word of a search says about one package: nothing, if the score is 0.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    score: u32,
    matched: Option<Match>,
}

struct Term {
    text: String,
    /// Packages and how much the word says about each.
    postings: Vec<(u32, u8)>,
}

/// The words, stems and codes of a catalogue.
pub(crate) struct Index {
    packages: Vec<Arc<Medicine>>,
    codes: HashMap<String, Vec<u32>>,
    /// In the order of their texts, so that beginnings are ranges.
    terms: Vec<Term>,
    trigrams: HashMap<[char; 3], Vec<u32>>,
}

/// How much a word says, by where it stands.
mod weight {
    pub(super) const NAME: u8 = 10;
    pub(super) const SUBSTANCE: u8 = 9;
    pub(super) const GROUP: u8 = 6;
    pub(super) const FORM: u8 = 4;
    pub(super) const STRENGTH: u8 = 3;
    pub(super) const ANY: u8 = 1;
}

impl Index {
    /// Indexes a catalogue.
    pub(crate) fn build(mut packages: Vec<Medicine>, names: &Nomenclature) -> Self {
        // Equal scores keep this order: what people may buy at once comes before what needs a prescription.
        let order = |medicine: &Medicine| (medicine.status == Status::R, medicine.name.clone(), medicine.vnr.clone());
        packages.sort_by_cached_key(order);
        let mut draft = Draft::default();
        for (place, medicine) in packages.iter().enumerate() {
            let Ok(place) = u32::try_from(place) else { break };
            draft.add(place, medicine, names);
        }
        let mut terms: Vec<Term> = draft
            .terms
            .into_iter()
            .map(|(text, postings)| Term { text, postings: postings.into_iter().collect() })
            .collect();
        terms.sort_by(|left, right| left.text.cmp(&right.text));
        let mut trigrams: HashMap<[char; 3], Vec<u32>> = HashMap::new();
        for (number, term) in (0..).zip(&terms) {
            for trigram in words::trigrams(&term.text) {
                trigrams.entry(trigram).or_default().push(number);
            }
        }
        let packages = packages.into_iter().map(Arc::new).collect();
        Self { packages, codes: draft.codes, terms, trigrams }
    }

    /// The packages in the order of their names.
    pub(crate) fn all(&self) -> &[Arc<Medicine>] {
        &self.packages
    }

    /// The package with this number.
    pub(crate) fn by_vnr(&self, vnr: &str) -> Option<&Arc<Medicine>> {
        let place = *self.codes.get(vnr)?.first()?;
        self.packages.get(usize::try_from(place).ok()?).filter(|medicine| medicine.vnr.as_str() == vnr)
    }

    /// The packages that a search means, the closest first.
    pub(crate) fn search(&self, query: &str) -> Vec<Hit> {
        let query: String = query.chars().take(MAX_QUERY_CHARS).collect();
        if let Some(hits) = self.by_number(&query) {
            return hits;
        }
        let marks: Vec<Vec<Mark>> =
            words::words(&query).iter().take(MAX_QUERY_WORDS).map(|word| self.mark(word)).collect();
        let scored = (0..self.packages.len()).filter_map(|place| {
            let told: Vec<Mark> = marks.iter().map(|word| word[place]).filter(|mark| mark.score > 0).collect();
            let score: u32 = told.iter().map(|mark| mark.score).sum();
            let worst = told.iter().filter_map(|mark| mark.matched).min()?;
            Some((told.len(), score, place, worst))
        });
        let mut scored: Vec<_> = scored.collect();
        // Packages that every word means; if there are none, those that most words mean.
        let most = scored.iter().map(|(words, ..)| *words).max().unwrap_or(0);
        scored.retain(|(words, ..)| *words == most);
        scored.sort_by(|left, right| right.1.cmp(&left.1).then(left.2.cmp(&right.2)));
        scored.into_iter().map(|(_, _, place, matched)| self.hit(place, matched)).collect()
    }

    /// What a number of a package finds: that package alone.
    fn by_number(&self, query: &str) -> Option<Vec<Hit>> {
        let number = query.trim();
        let code = match Gtin::parse(number) {
            Ok(gtin) => gtin.as_str().to_owned(),
            Err(_) => Vnr::parse(number).ok()?.as_str().to_owned(),
        };
        Some(self.places(&code).map(|place| self.hit(place, Match::Code)).collect::<Vec<_>>())
            .filter(|hits| !hits.is_empty())
    }

    fn places(&self, code: &str) -> impl Iterator<Item = usize> {
        self.codes.get(code).into_iter().flatten().filter_map(|place| usize::try_from(*place).ok())
    }

    fn hit(&self, place: usize, matched: Match) -> Hit {
        Hit { medicine: Arc::clone(&self.packages[place]), matched }
    }

    /// What one word says about each package.
    fn mark(&self, word: &str) -> Vec<Mark> {
        let mut marks = vec![Mark::default(); self.packages.len()];
        if let Ok(atc) = Atc::parse(word) {
            for place in self.places(atc.as_str()) {
                raise(&mut marks, place, 1000, Match::Code);
            }
        }
        let readings = words::readings(word);
        let mut found = false;
        for reading in &readings {
            for (number, term) in self.beginning_with(reading) {
                let exact = term.text == *reading;
                self.raise_all(&mut marks, number, if exact { 10 } else { 6 }, Match::Word);
                found = true;
            }
        }
        if !found && word.chars().count() >= MIN_PART_CHARS {
            found = self.mark_parts(&mut marks, &readings[0]) || self.mark_compound(&mut marks, word);
        }
        if !found {
            self.mark_similar(&mut marks, &readings[0]);
        }
        marks
    }

    fn raise_all(&self, marks: &mut [Mark], number: usize, factor: u32, matched: Match) {
        for (place, weight) in &self.terms[number].postings {
            if let Ok(place) = usize::try_from(*place) {
                raise(marks, place, factor * u32::from(*weight), matched);
            }
        }
    }

    /// The words of the vocabulary with this beginning. Of one or two letters, only the word itself.
    fn beginning_with<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = (usize, &'a Term)> {
        let start = self.terms.partition_point(|term| term.text.as_str() < beginning);
        let short = beginning.chars().count() < 3;
        self.terms
            .iter()
            .enumerate()
            .skip(start)
            .take_while(move |(_, term)| if short { term.text == beginning } else { term.text.starts_with(beginning) })
            .take(MAX_EXPANSIONS)
    }

    fn exact(&self, text: &str) -> Option<usize> {
        self.terms.binary_search_by(|term| term.text.as_str().cmp(text)).ok()
    }

    /// Words that hold the word inside, such as `happo` in `foolihappo`.
    fn mark_parts(&self, marks: &mut [Mark], word: &str) -> bool {
        let inner: Vec<char> = word.chars().collect();
        // The rarest piece of the word names the fewest candidates.
        let Some(rarest) =
            inner.windows(3).map(|piece| self.numbers([piece[0], piece[1], piece[2]])).min_by_key(|n| n.len())
        else {
            return false;
        };
        let inside = rarest.iter().filter_map(|number| usize::try_from(*number).ok());
        let inside: Vec<usize> =
            inside.filter(|number| self.terms[*number].text.contains(word)).take(MAX_EXPANSIONS).collect();
        for number in &inside {
            self.raise_all(marks, *number, 4, Match::Part);
        }
        !inside.is_empty()
    }

    fn numbers(&self, trigram: [char; 3]) -> &[u32] {
        self.trigrams.get(&trigram).map_or(&[], Vec::as_slice)
    }

    /// A compound of two known words, such as `allergiatabletit`: packages that both mean.
    fn mark_compound(&self, marks: &mut [Mark], word: &str) -> bool {
        let cuts = word.char_indices().map(|(at, _)| at).skip(3);
        let known = |part: &str| words::readings(part).iter().find_map(|reading| self.exact(reading));
        for cut in cuts {
            let (left, right) = word.split_at(cut);
            if right.chars().count() < 3 {
                break;
            }
            let (Some(left), Some(right)) = (known(left), known(right)) else { continue };
            let mut halves = [vec![Mark::default(); marks.len()], vec![Mark::default(); marks.len()]];
            self.raise_all(&mut halves[0], left, 4, Match::Part);
            self.raise_all(&mut halves[1], right, 4, Match::Part);
            let mut found = false;
            for (place, mark) in marks.iter_mut().enumerate() {
                if halves.iter().all(|half| half[place].score > 0) {
                    mark.score = halves[0][place].score + halves[1][place].score;
                    mark.matched = Some(Match::Part);
                    found = true;
                }
            }
            if found {
                return true;
            }
        }
        false
    }

    /// Words spelt nearly like the word: those that need the fewest changes.
    fn mark_similar(&self, marks: &mut [Mark], word: &str) {
        let length = word.chars().count();
        let limit = match length {
            0..=3 => return,
            4..=5 => 1,
            6..=8 => 2,
            _ => 3,
        };
        let mut shared: HashMap<u32, usize> = HashMap::new();
        for trigram in words::trigrams(word) {
            for number in self.numbers(trigram) {
                *shared.entry(*number).or_default() += 1;
            }
        }
        let mut candidates: Vec<(usize, u32)> = shared.into_iter().map(|(number, count)| (count, number)).collect();
        candidates.sort_unstable_by(|left, right| right.cmp(left));
        let near: Vec<(usize, usize)> = candidates
            .into_iter()
            .take(MAX_SIMILAR)
            .filter_map(|(_, number)| {
                let number = usize::try_from(number).ok()?;
                Some((words::distance(word, &self.terms[number].text, limit)?, number))
            })
            .collect();
        let best = near.iter().map(|(changes, _)| *changes).min();
        for (_, number) in near.iter().filter(|(changes, _)| Some(*changes) == best) {
            self.raise_all(marks, *number, 2, Match::Similar);
        }
    }
}

fn raise(marks: &mut [Mark], place: usize, score: u32, matched: Match) {
    let mark = &mut marks[place];
    if score > mark.score {
        *mark = Mark { score, matched: Some(matched) };
    }
}

/// An index that is being filled.
#[derive(Default)]
struct Draft {
    codes: HashMap<String, Vec<u32>>,
    terms: HashMap<String, HashMap<u32, u8>>,
}

impl Draft {
    fn add(&mut self, place: u32, medicine: &Medicine, names: &Nomenclature) {
        self.code(place, medicine.vnr.as_str());
        if let Some(gtin) = &medicine.gtin {
            self.code(place, gtin.as_str());
        }
        self.texts(place, &medicine.substance, weight::SUBSTANCE);
        self.texts(place, &medicine.form, weight::FORM);
        if let Some(atc) = &medicine.atc {
            for level in atc.levels() {
                self.code(place, level);
                if let Some(group) = names.group(level) {
                    self.texts(place, group, weight::GROUP);
                }
            }
            if let Some(substance) = names.substance(atc) {
                self.texts(place, &substance.name, weight::SUBSTANCE);
            }
        }
        if let Some(forms) = names.form_synonyms(&medicine.form) {
            self.texts(place, forms, weight::FORM);
        }
        self.texts(place, names.anything(), weight::ANY);
        for word in words::words(&medicine.name) {
            self.term(place, words::fold(&word), weight::NAME);
        }
        for word in words::words(&format!("{} {} {}", medicine.strength, medicine.pack, medicine.vnr)) {
            self.term(place, words::fold(&word), weight::STRENGTH);
        }
    }

    fn code(&mut self, place: u32, code: &str) {
        self.codes.entry(code.to_owned()).or_default().push(place);
    }

    fn texts(&mut self, place: u32, texts: &Localized, weight: u8) {
        for language in Language::ALL {
            let Some(text) = texts.0.get(&language) else { continue };
            for word in words::words(text) {
                self.term(place, words::stem(&word, language), weight);
                self.term(place, words::fold(&word), weight);
            }
        }
    }

    fn term(&mut self, place: u32, text: String, weight: u8) {
        let known = self.terms.entry(text).or_default().entry(place).or_default();
        *known = weight.max(*known);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Hit, Index, Match};
    use crate::pharmacy::nomenclature::Nomenclature;
    use crate::pharmacy::seed;

    fn index(at_least: usize) -> Index {
        Index::build(seed::packages(at_least).unwrap(), &Nomenclature::load().unwrap())
    }

    fn substances(hits: &[Hit]) -> Vec<&str> {
        hits.iter().map(|hit| hit.medicine.substance.get(crate::language::Language::En)).collect()
    }

    #[test]
    fn codes_come_first() {
        let index = index(0);
        let one = index.search("990001");
        assert_eq!((one.len(), one[0].matched), (1, Match::Code));
        let gtin = one[0].medicine.gtin.clone().unwrap();
        assert_eq!(index.search(gtin.as_str())[0].medicine.vnr, one[0].medicine.vnr);
        let group = index.search("n02be");
        assert!(!group.is_empty() && group.iter().all(|hit| hit.medicine.atc.as_ref().unwrap().as_str() == "N02BE01"));
        assert!(index.search("C09").len() > group.len());
        assert!(index.search("123456").is_empty());
        assert!(index.by_vnr("N02BE01").is_none());
    }

    #[test]
    fn groups_are_found_in_four_languages() {
        let index = index(0);
        for query in ["särkylääkkeitä", "sarkylaake", "värktabletter", "обезболивающие", "painkillers"]
        {
            let hits = index.search(query);
            assert!(substances(&hits[..hits.len().min(12)]).contains(&"ibuprofen"), "{query}: {:?}", substances(&hits));
            assert!(!substances(&hits).contains(&"amlodipine"), "{query}");
        }
        assert!(index.search("läkemedel").len() == index.all().len());
        assert!(index.search("läkemedlen").len() == index.all().len());
        let tablets = index.search("таблетки");
        assert!(tablets.len() > 100 && tablets.iter().all(|hit| hit.medicine.strength != "1 %"));
        assert_eq!(index.search("таблеток").len(), tablets.len());
        assert!(
            substances(&index.search("снотворное"))[..1]
                .iter()
                .all(|name| *name == "zopiclone" || *name == "melatonin")
        );
    }

    #[test]
    fn substances_are_found_by_any_spelling() {
        let index = index(0);
        for query in
            ["ibuprofeeni", "ibuprofen", "ибупрофен", "ibupr", "ibuprofin", "ibuporfen", "ibuprofene", "ибупрафен"]
        {
            let hits = index.search(query);
            assert!(!hits.is_empty(), "{query}");
            assert!(substances(&hits).iter().all(|name| *name == "ibuprofen"), "{query}: {:?}", substances(&hits));
        }
        assert_eq!(index.search("ibuporfen")[0].matched, Match::Similar);
        let strong = index.search("ibuprofen 400 mg");
        assert!(strong.iter().all(|hit| hit.medicine.strength == "400 mg"));
    }

    #[test]
    fn compounds_are_found_by_their_parts() {
        let index = index(0);
        let blood = substances(&index.search("verenpaine")).join(" ");
        assert!(blood.contains("amlodipine") && blood.contains("enalapril"));
        assert!(substances(&index.search("happo")).contains(&"folic acid"));
        let tablets = index.search("allergiatabletit");
        assert!(substances(&tablets).contains(&"cetirizine") && tablets[0].matched == Match::Part);
        assert!(index.search("xqzzw").is_empty() && index.search("").is_empty() && index.search("--").is_empty());
    }

    #[test]
    fn ten_thousand_packages_are_searched_at_once() {
        let index = index(10_000);
        assert!(index.all().len() >= 10_000);
        let queries = [
            "särkylääkkeitä",
            "läkemedel",
            "таблетки",
            "ibuporfen",
            "ibu",
            "990001",
            "allergiatabletit",
            "blood pressure tablets",
        ];
        for query in queries {
            let start = Instant::now();
            let hits = index.search(query);
            let took = start.elapsed();
            assert!(!hits.is_empty(), "{query}");
            eprintln!("search 10k: {query}: {} hits in {took:?}", hits.len());
        }
    }
}
