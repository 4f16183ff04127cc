//! Rows to bytes.

use std::io::Write;

use super::format::Format;
use super::row::Item;
use crate::furniture::limit::CHUNK_BYTES;
use crate::problem::Problem;
use crate::store::StoreError;

/// Writes rows in one of the formats. Holds one chunk at most, however many rows come.
pub(super) enum Encoder {
    Ndjson(Vec<u8>),
    Csv(Box<csv::Writer<Vec<u8>>>),
    #[cfg(feature = "arrow")]
    Arrow(Box<super::arrow::ArrowEncoder>),
}

/// Columns of CSV, and of Arrow with the same names.
pub(super) const COLUMNS: [&str; 22] = [
    "sku",
    "deleted",
    "change",
    "updated_at",
    "price_minor",
    "currency",
    "vat_rate",
    "gtin",
    "category",
    "weight_g",
    "volume_ml",
    "available",
    "name_en",
    "name_fi",
    "name_sv",
    "name_ru",
    "width_mm",
    "depth_mm",
    "height_mm",
    "material",
    "colour",
    "attributes",
];

impl Encoder {
    /// An encoder that has written the beginning.
    ///
    /// # Errors
    /// This program was built without the format.
    pub(super) fn new(format: Format) -> Result<Self, Problem> {
        match format.require_built()? {
            Format::Ndjson => Ok(Self::Ndjson(Vec::with_capacity(CHUNK_BYTES))),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(Vec::with_capacity(CHUNK_BYTES));
                writer.write_record(COLUMNS).map_err(|error| Problem::internal(error.to_string()))?;
                Ok(Self::Csv(Box::new(writer)))
            }
            #[cfg(feature = "arrow")]
            Format::Arrow => {
                let encoder =
                    super::arrow::ArrowEncoder::new().map_err(|error| Problem::internal(error.to_string()))?;
                Ok(Self::Arrow(Box::new(encoder)))
            }
            #[cfg(not(feature = "arrow"))]
            Format::Arrow => Err(Problem::internal("refused above")),
        }
    }

    /// Writes a row.
    pub(super) fn push(&mut self, item: &Item<'_>) -> Result<(), StoreError> {
        match self {
            Self::Ndjson(text) => json_line(text, item),
            Self::Csv(writer) => csv_record(writer, item),
            #[cfg(feature = "arrow")]
            Self::Arrow(encoder) => encoder.push(item),
        }
    }

    /// What has been written if it is a chunk's worth.
    pub(super) fn chunk(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Ndjson(text) if text.len() >= CHUNK_BYTES => {
                Ok(Some(std::mem::replace(text, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8))))
            }
            Self::Csv(writer) if writer.get_ref().len() >= CHUNK_BYTES => take_csv(writer).map(Some),
            #[cfg(feature = "arrow")]
            Self::Arrow(encoder) => Ok(encoder.chunk()),
            _ => Ok(None),
        }
    }

    /// The rest.
    pub(super) fn finish(self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Ndjson(text) => Ok(text),
            Self::Csv(mut writer) => take_csv(&mut writer),
            #[cfg(feature = "arrow")]
            Self::Arrow(encoder) => encoder.finish(),
        }
    }
}

fn broken(error: impl std::fmt::Display) -> StoreError {
    StoreError::Value(format!("a row cannot be exported: {error}"))
}

/// Texts that the catalogue holds as JSON are copied, not read and written again.
fn json_line(text: &mut Vec<u8>, item: &Item<'_>) -> Result<(), StoreError> {
    let line = |text: &mut Vec<u8>| -> std::io::Result<()> {
        // Product codes, currencies and times hold nothing that JSON would escape.
        let Item { sku, change, updated_at, goods } = item;
        write!(text, r#"{{"sku":"{sku}","change":{change},"updated_at":"{updated_at}""#)?;
        let Some(goods) = goods else { return text.write_all(b",\"deleted\":true}\n") };
        let (minor, currency) = (goods.minor, goods.currency);
        write!(text, r#","deleted":false,"price":{{"minor":{minor},"currency":"{currency}"}}"#)?;
        match goods.gtin {
            Some(gtin) => write!(text, r#","gtin":"{gtin}""#)?,
            None => text.write_all(br#","gtin":null"#)?,
        }
        text.write_all(br#","category":"#)?;
        serde_json::to_writer(&mut *text, goods.category)?;
        let (vat_rate, weight_g, volume_ml, available) =
            (goods.vat_rate, goods.weight_g, goods.volume_ml, goods.available);
        write!(text, r#","vat_rate":{vat_rate},"weight_g":{weight_g},"volume_ml":{volume_ml}"#)?;
        let (name, attributes) = (goods.name, goods.attributes);
        writeln!(text, r#","available":{available},"name":{name},"attributes":{attributes}}}"#)
    };
    line(text).map_err(broken)
}

fn csv_record(writer: &mut csv::Writer<Vec<u8>>, item: &Item<'_>) -> Result<(), StoreError> {
    let (change, updated_at) = (item.change.to_string(), item.updated_at.to_string());
    let Some(goods) = &item.goods else {
        let known = [item.sku, "true", &change, &updated_at];
        let record = known.into_iter().chain(std::iter::repeat_n("", COLUMNS.len() - known.len()));
        return writer.write_record(record).map_err(broken);
    };
    let (names, traits) = (goods.names()?, goods.traits()?);
    let numbers = [goods.minor, goods.vat_rate, goods.weight_g, goods.volume_ml, goods.available]
        .map(|number| number.to_string());
    let [minor, vat_rate, weight_g, volume_ml, available] = &numbers;
    let record: [&str; COLUMNS.len()] = [
        item.sku,
        "false",
        &change,
        &updated_at,
        minor,
        goods.currency,
        vat_rate,
        goods.gtin.unwrap_or_default(),
        goods.category,
        weight_g,
        volume_ml,
        available,
        names.en.as_deref().unwrap_or_default(),
        names.fi.as_deref().unwrap_or_default(),
        names.sv.as_deref().unwrap_or_default(),
        names.ru.as_deref().unwrap_or_default(),
        traits.width_mm.as_deref().unwrap_or_default(),
        traits.depth_mm.as_deref().unwrap_or_default(),
        traits.height_mm.as_deref().unwrap_or_default(),
        traits.material.as_deref().unwrap_or_default(),
        traits.colour.as_deref().unwrap_or_default(),
        goods.attributes,
    ];
    writer.write_record(record).map_err(broken)
}

fn take_csv(writer: &mut csv::Writer<Vec<u8>>) -> Result<Vec<u8>, StoreError> {
    let next = csv::WriterBuilder::new().from_writer(Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8));
    std::mem::replace(writer, next).into_inner().map_err(broken)
}
