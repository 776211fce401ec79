//! Reads one column of what was delivered, so that whoever audits a lake needs no Parquet of his own.

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A Parquet object whose column cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// It is not Parquet, or damaged.
    #[error("the object is no Parquet that can be read: {0}")]
    Parquet(String),
    /// It has no such column of text.
    #[error("the object has no column '{0}' of text")]
    Absent(String),
}

/// Gives each row's text in the column `name` to `take`, in order; none for rows without one.
pub fn text_column(object: Bytes, name: &str, mut take: impl FnMut(Option<&str>)) -> Result<(), ColumnError> {
    let unreadable = |error: &dyn std::fmt::Display| ColumnError::Parquet(error.to_string());
    let builder = ParquetRecordBatchReaderBuilder::try_new(object).map_err(|error| unreadable(&error))?;
    let field = builder.schema().field_with_name(name).ok();
    if field.is_none_or(|field| *field.data_type() != DataType::Utf8) {
        return Err(ColumnError::Absent(name.to_owned()));
    }
    let mask = ProjectionMask::columns(builder.parquet_schema(), [name]);
    let reader = builder.with_projection(mask).build().map_err(|error| unreadable(&error))?;
    for batch in reader {
        let batch = batch.map_err(|error| unreadable(&error))?;
        let texts = batch.column(0).as_string::<i32>();
        for row in 0..texts.len() {
            take(texts.is_valid(row).then(|| texts.value(row)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use std::sync::Arc;

    #[test]
    fn a_column_of_text_is_read_in_order() {
        let numbers = Arc::new(Int32Array::from(vec![1, 2, 3])) as _;
        let texts = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")])) as _;
        let batch = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let (file, mut read) = (Bytes::from(file), Vec::new());
        text_column(file.clone(), "t", |text| read.push(text.map(str::to_owned))).unwrap();
        assert_eq!(read, [Some("a".to_owned()), None, Some("c".to_owned())]);
        let absent = text_column(file.clone(), "n", |_| ());
        assert!(matches!(absent, Err(ColumnError::Absent(_))), "{absent:?}");
        let torn = text_column(file.slice(..file.len() / 2), "t", |_| ());
        assert!(matches!(torn, Err(ColumnError::Parquet(_))), "{torn:?}");
    }
}
