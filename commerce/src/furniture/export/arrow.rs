//! Rows to Arrow record batches.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, BooleanBuilder, Int64Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use super::encode::COLUMNS;
use super::row::{Goods, Item};
use crate::furniture::limit::BATCH_ROWS;
use crate::store::StoreError;

/// Number columns of goods, as they follow each other in [`Columns::numbers`].
const NUMBERS: [&str; 5] = ["price_minor", "vat_rate", "weight_g", "volume_ml", "available"];
/// Text columns of goods, as they follow each other in [`Columns::texts`].
const TEXTS: [&str; 13] = [
    "currency",
    "gtin",
    "category",
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

/// Collects rows into batches and writes them into a stream of messages.
pub(super) struct ArrowEncoder {
    writer: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
    columns: Columns,
}

#[derive(Default)]
struct Columns {
    sku: StringBuilder,
    deleted: BooleanBuilder,
    change: Int64Builder,
    updated_at: TimestampMillisecondBuilder,
    numbers: [Int64Builder; NUMBERS.len()],
    texts: [StringBuilder; TEXTS.len()],
}

fn failed(error: ArrowError) -> StoreError {
    StoreError::Value(format!("a row cannot be exported: {error}"))
}

impl ArrowEncoder {
    pub(super) fn new() -> Result<Self, ArrowError> {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let fields = COLUMNS.map(|name| match name {
            "sku" => Field::new(name, DataType::Utf8, false),
            "deleted" => Field::new(name, DataType::Boolean, false),
            "change" => Field::new(name, DataType::Int64, false),
            "updated_at" => Field::new(name, time.clone(), false),
            name if NUMBERS.contains(&name) => Field::new(name, DataType::Int64, true),
            name => Field::new(name, DataType::Utf8, true),
        });
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let writer = StreamWriter::try_new(Vec::new(), &schema)?;
        Ok(Self { writer, schema, columns: Columns::default() })
    }

    pub(super) fn push(&mut self, item: &Item<'_>) -> Result<(), StoreError> {
        let columns = &mut self.columns;
        columns.sku.append_value(item.sku);
        columns.deleted.append_value(item.goods.is_none());
        columns.change.append_value(item.change);
        columns.updated_at.append_value(item.updated_at.0);
        match &item.goods {
            Some(goods) => columns.push(goods)?,
            None => {
                columns.numbers.iter_mut().for_each(Int64Builder::append_null);
                columns.texts.iter_mut().for_each(StringBuilder::append_null);
            }
        }
        if columns.sku.len() >= BATCH_ROWS {
            self.write_batch()?;
        }
        Ok(())
    }

    /// What has been written since the last call, once there is a batch.
    pub(super) fn chunk(&mut self) -> Option<Vec<u8>> {
        // Right after a batch: the columns are empty and the buffer is not.
        let full = self.columns.sku.is_empty() && !self.writer.get_ref().is_empty();
        full.then(|| std::mem::take(self.writer.get_mut()))
    }

    /// The rest, with the end mark.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, StoreError> {
        if !self.columns.sku.is_empty() {
            self.write_batch()?;
        }
        self.writer.finish().map_err(failed)?;
        self.writer.into_inner().map_err(failed)
    }

    fn write_batch(&mut self) -> Result<(), StoreError> {
        let columns = &mut self.columns;
        let find = |columns: &mut Columns, name: &str| -> ArrayRef {
            let number = NUMBERS.iter().position(|number| *number == name);
            let text = TEXTS.iter().position(|text| *text == name);
            match (name, number, text) {
                ("deleted", ..) => Arc::new(columns.deleted.finish()),
                ("change", ..) => Arc::new(columns.change.finish()),
                ("updated_at", ..) => Arc::new(columns.updated_at.finish().with_timezone("UTC")),
                (_, Some(index), _) => Arc::new(columns.numbers[index].finish()),
                (_, _, Some(index)) => Arc::new(columns.texts[index].finish()),
                _ => Arc::new(columns.sku.finish()),
            }
        };
        let arrays = COLUMNS.iter().map(|name| find(columns, name)).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(failed)?;
        self.writer.write(&batch).map_err(failed)
    }
}

impl Columns {
    fn push(&mut self, goods: &Goods<'_>) -> Result<(), StoreError> {
        let numbers = [goods.minor, goods.vat_rate, goods.weight_g, goods.volume_ml, goods.available];
        for (column, number) in self.numbers.iter_mut().zip(numbers) {
            column.append_value(number);
        }
        let (names, traits) = (goods.names()?, goods.traits()?);
        let texts: [Option<&str>; TEXTS.len()] = [
            Some(goods.currency),
            goods.gtin,
            Some(goods.category),
            names.en.as_deref(),
            names.fi.as_deref(),
            names.sv.as_deref(),
            names.ru.as_deref(),
            traits.width_mm.as_deref(),
            traits.depth_mm.as_deref(),
            traits.height_mm.as_deref(),
            traits.material.as_deref(),
            traits.colour.as_deref(),
            Some(goods.attributes),
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        Ok(())
    }
}
