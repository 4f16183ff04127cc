//! Price lists as Finnish registers publish them: one package a line, fields between semicolons, names of the fields in the
//! first line, ISO 8859-1 or UTF-8.
//!
//! The fields are those that Fimea documents for its file of substitutable medicines, which the price lists share:
//! `SUBSTITUUTIORYHMA` (6), `VNRNRO` (6), `PAKKAUSKOKO` (20), `LAAKENIMI` (64), `VAHVUUS` (40), `RESEPTISTATUS` (`R` or `K`),
//! and `ATCKOODI`, `LAAKEMUOTONIMI` and a price if they are there. The XML of Kela's database has the same contents; its schema
//! is only given to those who registered, so files are read in this form, and fields called otherwise can be named.

use std::io::{BufRead, Read};

use super::limit::MAX_IMPORT_LINE;
use super::medicine::{Atc, Status, Vnr};
use crate::money::Money;

/// A field of a price list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    /// The package's number.
    Vnr,
    /// Product name.
    Name,
    /// Strength.
    Strength,
    /// Pack size.
    Pack,
    /// Prescription or self-care.
    Status,
    /// Substitution group.
    Group,
    /// Class.
    Atc,
    /// Pharmaceutical form.
    Form,
    /// Retail price with VAT.
    Price,
}

impl Field {
    /// All of them: with the word on the command line, the usual name in files, and the longest content.
    const ALL: [(Self, &'static str, &'static str, usize); 9] = [
        (Self::Vnr, "vnr", "VNRNRO", 6),
        (Self::Name, "name", "LAAKENIMI", 64),
        (Self::Strength, "strength", "VAHVUUS", 40),
        (Self::Pack, "pack", "PAKKAUSKOKO", 20),
        (Self::Status, "status", "RESEPTISTATUS", 2),
        (Self::Group, "group", "SUBSTITUUTIORYHMA", 6),
        (Self::Atc, "atc", "ATCKOODI", 8),
        (Self::Form, "form", "LAAKEMUOTONIMI", 100),
        (Self::Price, "price", "HINTA", 16),
    ];

    /// Whether a file must have it.
    fn needed(self) -> bool {
        matches!(self, Self::Vnr | Self::Name | Self::Strength | Self::Pack | Self::Status)
    }
}

/// What the fields are called in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns(Vec<(Field, String, usize)>);

impl Default for Columns {
    fn default() -> Self {
        Self(Field::ALL.iter().map(|(field, _, name, longest)| (*field, (*name).to_owned(), *longest)).collect())
    }
}

impl Columns {
    /// Takes another name for a field: `price=VHCALV`.
    pub(crate) fn rename(&mut self, pair: &str) -> Result<(), String> {
        let words = || Field::ALL.iter().map(|(_, word, ..)| *word).collect::<Vec<_>>().join(", ");
        let (word, name) = pair.split_once('=').ok_or_else(|| format!("{pair}: write FIELD=NAME"))?;
        let known = Field::ALL.iter().position(|(_, known, ..)| *known == word);
        let place = known.ok_or_else(|| format!("{word}: no such field; there are {}", words()))?;
        name.clone_into(&mut self.0[place].1);
        Ok(())
    }
}

/// One thing wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {detail}", if field.is_empty() { String::new() } else { format!(", {field}") })]
pub(crate) struct LineError {
    /// The line, from 1.
    pub line: u64,
    /// The field's name in the file, if one is at fault.
    pub field: String,
    /// What is wrong.
    pub detail: String,
}

/// One package of a price list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it stands, from 1.
    pub line: u64,
    /// The package.
    pub vnr: Vnr,
    /// Product name.
    pub name: String,
    /// Strength.
    pub strength: String,
    /// Pack size.
    pub pack: String,
    /// Prescription or self-care.
    pub status: Status,
    /// Substitution group.
    pub group: Option<String>,
    /// Class.
    pub atc: Option<Atc>,
    /// Pharmaceutical form, in Finnish.
    pub form: Option<String>,
    /// Retail price with VAT.
    pub price: Option<Money>,
}

/// Reads a price list line by line: memory does not grow with the file.
pub(crate) struct PriceList<R> {
    source: R,
    line: u64,
    /// For each field that the file has: its place in a line.
    places: Vec<(Field, String, usize, usize)>,
}

impl<R: BufRead> PriceList<R> {
    /// Reads the first line, which names the fields.
    pub(crate) fn open(mut source: R, columns: &Columns) -> Result<Self, LineError> {
        let mut line = 0;
        let header = next_line(&mut source, &mut line)?;
        let header = header.ok_or_else(|| error(1, "", "the file is empty"))?;
        let names = split(&header);
        let mut places = Vec::new();
        for (field, name, longest) in &columns.0 {
            let found = names.iter().position(|known| known.trim().eq_ignore_ascii_case(name));
            match found {
                Some(place) => places.push((*field, name.clone(), place, *longest)),
                None if field.needed() => return Err(error(1, name, "the first line does not name this field")),
                None => {}
            }
        }
        Ok(Self { source, line, places })
    }

    fn entry(&self, text: &str) -> Result<Option<Entry>, LineError> {
        let values = split(text);
        let wrong = |name: &str, detail: String| error(self.line, name, &detail);
        let value = |wanted: Field| -> Result<(&str, &str), LineError> {
            let Some((_, name, place, longest)) = self.places.iter().find(|(field, ..)| *field == wanted) else {
                return Ok(("", ""));
            };
            let value = values.get(*place).map(|value| value.trim());
            let value = value.ok_or_else(|| wrong(name, format!("the line has only {} fields", values.len())))?;
            if value.chars().count() > *longest {
                return Err(wrong(name, format!("longer than {longest} characters")));
            }
            if value.is_empty() && wanted.needed() && wanted != Field::Vnr {
                return Err(wrong(name, "must not be empty".to_owned()));
            }
            Ok((name, value))
        };
        let (vnr_name, vnr) = value(Field::Vnr)?;
        if vnr.is_empty() {
            // Packages that are not on the market have no number yet.
            return Ok(None);
        }
        let (status_name, status) = value(Field::Status)?;
        let (atc_name, atc) = value(Field::Atc)?;
        let (price_name, price) = value(Field::Price)?;
        let text = |field| value(field).map(|(_, value)| value.to_owned());
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(Some(Entry {
            line: self.line,
            vnr: Vnr::parse(vnr).map_err(|error| wrong(vnr_name, error.to_string()))?,
            name: text(Field::Name)?,
            strength: text(Field::Strength)?,
            pack: text(Field::Pack)?,
            status: Status::parse(status).map_err(|error| wrong(status_name, error.to_string()))?,
            group: some(text(Field::Group)?),
            atc: match atc {
                "" => None,
                atc => Some(Atc::parse(atc).map_err(|error| wrong(atc_name, error.to_string()))?),
            },
            form: some(text(Field::Form)?),
            price: match price {
                "" => None,
                price => Some(euros(price).ok_or_else(|| wrong(price_name, "not an amount such as 12,90".to_owned()))?),
            },
        }))
    }
}

impl<R: BufRead> Iterator for PriceList<R> {
    /// A package, nothing for a line without a number, or what is wrong with the line.
    type Item = Result<Option<Entry>, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        match next_line(&mut self.source, &mut self.line) {
            Ok(None) => None,
            Ok(Some(text)) if text.trim().is_empty() => Some(Ok(None)),
            Ok(Some(text)) => Some(self.entry(&text)),
            Err(error) => Some(Err(error)),
        }
    }
}

fn error(line: u64, field: &str, detail: &str) -> LineError {
    LineError { line, field: field.to_owned(), detail: detail.to_owned() }
}

/// The next line as text: UTF-8 if it is that, else ISO 8859-1, in which every byte is a letter.
fn next_line(source: &mut impl BufRead, line: &mut u64) -> Result<Option<String>, LineError> {
    let mut bytes = Vec::new();
    *line += 1;
    let most = u64::try_from(MAX_IMPORT_LINE).unwrap_or(u64::MAX);
    let read = source.take(most + 1).read_until(b'\n', &mut bytes);
    match read {
        Err(failure) => Err(error(*line, "", &format!("cannot be read: {failure}"))),
        Ok(0) => Ok(None),
        Ok(length) if length > MAX_IMPORT_LINE => {
            Err(error(*line, "", &format!("longer than {MAX_IMPORT_LINE} bytes: this is no price list")))
        }
        Ok(_) => {
            let text = String::from_utf8(bytes)
                .unwrap_or_else(|failure| failure.into_bytes().into_iter().map(char::from).collect());
            Ok(Some(text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']).to_owned()))
        }
    }
}

/// The fields of a line. Fields in quotes may hold semicolons.
fn split(line: &str) -> Vec<String> {
    if !line.contains('"') {
        return line.split(';').map(str::to_owned).collect();
    }
    let mut reader =
        csv::ReaderBuilder::new().delimiter(b';').has_headers(false).flexible(true).from_reader(line.as_bytes());
    let first = reader.records().next().and_then(Result::ok);
    first.map(|record| record.iter().map(str::to_owned).collect()).unwrap_or_default()
}

/// Reads `12,90`, `12.9` or `12` exactly.
fn euros(text: &str) -> Option<Money> {
    let (whole, part) = text.split_once([',', '.']).unwrap_or((text, ""));
    let digits = |text: &str| !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || part.len() > 2 || !(part.is_empty() || digits(part)) {
        return None;
    }
    let cents: i64 = format!("{part:0<2}").parse().ok()?;
    Some(Money::eur(whole.parse::<i64>().ok()? * 100 + cents))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Columns, PriceList, euros};
    use crate::money::Money;

    const HEADER: &str = "SUBSTITUUTIORYHMA;VNRNRO;PAKKAUSKOKO;LAAKENIMI;VAHVUUS;RESEPTISTATUS;ATCKOODI;HINTA\r\n";

    fn read(bytes: &[u8]) -> Vec<Result<Option<super::Entry>, super::LineError>> {
        PriceList::open(bytes, &Columns::default()).unwrap().collect()
    }

    #[test]
    fn both_encodings_are_read() {
        let line = "0123;000123;30 fol;Särky Demo;400 mg;K;M01AE01;12,90\r\n";
        let utf8 = [HEADER.as_bytes(), line.as_bytes()].concat();
        let latin1: Vec<u8> =
            format!("{HEADER}{line}").chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
        assert_ne!(utf8, latin1);
        let (one, other) = (read(&utf8), read(&latin1));
        assert_eq!(one, other);
        let entry = one[0].clone().unwrap().unwrap();
        assert_eq!((entry.name.as_str(), entry.price), ("Särky Demo", Some(Money::eur(1290))));
        assert_eq!((entry.line, entry.group.as_deref()), (2, Some("0123")));
    }

    #[test]
    fn errors_name_line_and_field() {
        let text = format!(
            "{HEADER};000123;30;A;1 mg;R;;\n;;30;no number;1 mg;R;;\n;12;30;B;1 mg;R;;\n;000124;30;C;1 mg;X;;\n\
             ;000125;30;D;1 mg;K;;abc\n;000126;30\n"
        );
        let errors: Vec<_> = read(text.as_bytes()).into_iter().filter_map(Result::err).map(|e| e.to_string()).collect();
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(errors[0].starts_with("line 4, VNRNRO: "));
        assert!(errors[1].starts_with("line 5, RESEPTISTATUS: "));
        assert!(errors[2].starts_with("line 6, HINTA: "));
        assert!(errors[3].starts_with("line 7, "));
        let missing = PriceList::open(&b"VNRNRO;LAAKENIMI\n"[..], &Columns::default()).err().unwrap();
        assert_eq!(missing.to_string(), "line 1, VAHVUUS: the first line does not name this field");
    }

    #[test]
    fn fields_may_be_called_otherwise_and_quoted() {
        let mut columns = Columns::default();
        columns.rename("price=VHCALV").unwrap();
        assert!(columns.rename("colour=X").is_err() && columns.rename("price").is_err());
        let text = "vnrnro;LAAKENIMI;VAHVUUS;PAKKAUSKOKO;RESEPTISTATUS;VHCALV\n000001;\"A; B\";1 mg;3;K;1.5\n";
        let entries: Vec<_> = PriceList::open(text.as_bytes(), &columns).unwrap().collect();
        let entry = entries[0].clone().unwrap().unwrap();
        assert_eq!((entry.name.as_str(), entry.price), ("A; B", Some(Money::eur(150))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let file = [HEADER.as_bytes(), &bytes].concat();
            for entry in PriceList::open(&file[..], &Columns::default()).unwrap() {
                prop_assert!(entry.is_err() || entry.unwrap().is_none_or(|entry| entry.line > 1));
            }
        }

        #[test]
        fn amounts_are_exact(cents in 0_i64..100_000_000) {
            let text = format!("{},{:02}", cents / 100, cents % 100);
            prop_assert_eq!(euros(&text), Some(Money::eur(cents)));
        }
    }
}
