//! Columns under construction: what every decoder appends to, and takes back when a record turns out to be bad.
//!
//! A column's length counts finished values. A value that was begun and not finished (some items of an array) is beyond
//! that length, and [`Column::truncate`] removes it together with everything after it.

use crate::{Field, SqlType, Typed};
use arrow::array::{ArrayData, ArrayRef, BooleanBufferBuilder, NullBufferBuilder, make_array};
use arrow::buffer::Buffer;

/// Why a value was not appended; the column is as it was.
pub(crate) type Refused = String;

/// One column and its nulls.
pub(crate) struct Column {
    pub(crate) ty: SqlType,
    pub(crate) nullable: bool,
    pub(crate) store: Store,
    nulls: NullBufferBuilder,
}

/// The values by physical shape.
pub(crate) enum Store {
    Null,
    Bool(BooleanBufferBuilder),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Decimal(Vec<i128>),
    Bytes { bytes: Vec<u8>, offsets: Vec<i32> },
    List { item: Box<Column>, offsets: Vec<i32> },
    Map { key: Box<Column>, value: Box<Column>, offsets: Vec<i32> },
    Row(Vec<Column>),
}

impl Store {
    fn of(ty: &SqlType) -> Self {
        match ty {
            SqlType::Null => Self::Null,
            SqlType::Boolean => Self::Bool(BooleanBufferBuilder::new(0)),
            SqlType::TinyInt => Self::I8(Vec::new()),
            SqlType::SmallInt => Self::I16(Vec::new()),
            SqlType::Int | SqlType::Date | SqlType::Time(_) | SqlType::IntervalMonths => Self::I32(Vec::new()),
            SqlType::BigInt | SqlType::Timestamp(_) | SqlType::TimestampLtz(_) | SqlType::IntervalMillis => {
                Self::I64(Vec::new())
            }
            SqlType::Float => Self::F32(Vec::new()),
            SqlType::Double => Self::F64(Vec::new()),
            SqlType::Decimal(..) => Self::Decimal(Vec::new()),
            SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Binary(_) | SqlType::Varbinary(_) => {
                Self::Bytes { bytes: Vec::new(), offsets: vec![0] }
            }
            SqlType::Array(item) => Self::List { item: Box::new(Column::new(item)), offsets: vec![0] },
            SqlType::Map(key, value) => {
                let key = Column::new(&Typed { ty: key.ty.clone(), nullable: false });
                Self::Map { key: Box::new(key), value: Box::new(Column::new(value)), offsets: vec![0] }
            }
            SqlType::Row(fields) => Self::Row(Column::all(fields)),
        }
    }
}

impl Column {
    pub(crate) fn new(typed: &Typed) -> Self {
        let store = Store::of(&typed.ty);
        Self { ty: typed.ty.clone(), nullable: typed.nullable, store, nulls: NullBufferBuilder::new(0) }
    }

    pub(crate) fn all(fields: &[Field]) -> Vec<Self> {
        fields.iter().map(|field| Self::new(&field.typed)).collect()
    }

    /// The number of finished values.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Says that the value whose parts were pushed into the store is complete.
    #[inline]
    pub(crate) fn done(&mut self) {
        self.nulls.append_non_null();
    }

    /// Appends NULL.
    pub(crate) fn null(&mut self) -> Result<(), Refused> {
        if !self.nullable {
            return Err("has no value but is declared NOT NULL".to_owned());
        }
        self.blank();
        Ok(())
    }

    /// Appends a NULL whether or not it is allowed: what stands in a row that is NULL itself.
    fn blank(&mut self) {
        match &mut self.store {
            Store::Null => {}
            Store::Bool(values) => values.append(false),
            Store::I8(values) => values.push(0),
            Store::I16(values) => values.push(0),
            Store::I32(values) => values.push(0),
            Store::I64(values) => values.push(0),
            Store::F32(values) => values.push(0.0),
            Store::F64(values) => values.push(0.0),
            Store::Decimal(values) => values.push(0),
            Store::Bytes { offsets, .. } | Store::List { offsets, .. } | Store::Map { offsets, .. } => {
                offsets.push(offsets.last().copied().unwrap_or(0));
            }
            Store::Row(fields) => fields.iter_mut().for_each(|field| {
                // A NULL row's fields of type NOT NULL hold defaults, which nobody sees.
                field.blank();
                if !field.nullable {
                    let len = field.len();
                    field.nulls.truncate(len - 1);
                    field.nulls.append_non_null();
                }
            }),
        }
        self.nulls.append_null();
    }

    /// Appends a text or bytes value. The caller vouches for UTF-8 when the column is a text.
    #[inline]
    pub(crate) fn bytes(&mut self, value: &[u8]) -> Result<(), Refused> {
        let Store::Bytes { bytes, offsets } = &mut self.store else { return Err(not_a("text")) };
        bytes.extend_from_slice(value);
        offsets.push(offset(bytes.len())?);
        self.done();
        Ok(())
    }

    /// Closes an array or map whose items were pushed into the children.
    pub(crate) fn close(&mut self) -> Result<(), Refused> {
        match &mut self.store {
            Store::List { item, offsets } => offsets.push(offset(item.len())?),
            Store::Map { value, offsets, .. } => offsets.push(offset(value.len())?),
            _ => return Err(not_a("collection")),
        }
        self.done();
        Ok(())
    }

    /// Cuts back to `len` finished values and drops what was begun after them.
    pub(crate) fn truncate(&mut self, len: usize) {
        match &mut self.store {
            Store::Null => {}
            Store::Bool(values) => values.truncate(len),
            Store::I8(values) => values.truncate(len),
            Store::I16(values) => values.truncate(len),
            Store::I32(values) => values.truncate(len),
            Store::I64(values) => values.truncate(len),
            Store::F32(values) => values.truncate(len),
            Store::F64(values) => values.truncate(len),
            Store::Decimal(values) => values.truncate(len),
            Store::Bytes { bytes, offsets } => {
                offsets.truncate(len + 1);
                bytes.truncate(last(offsets));
            }
            Store::List { item, offsets } => {
                offsets.truncate(len + 1);
                item.truncate(last(offsets));
            }
            Store::Map { key, value, offsets } => {
                offsets.truncate(len + 1);
                key.truncate(last(offsets));
                value.truncate(last(offsets));
            }
            Store::Row(fields) => fields.iter_mut().for_each(|field| field.truncate(len)),
        }
        self.nulls.truncate(len);
    }

    /// Takes the values as an Arrow array and leaves the column empty.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        make_array(self.take())
    }

    fn take(&mut self) -> ArrayData {
        let len = self.len();
        let arrow = self.ty.to_arrow();
        let nulls = std::mem::replace(&mut self.nulls, NullBufferBuilder::new(len)).build();
        let builder = ArrayData::builder(arrow.clone()).len(len);
        let builder = match &mut self.store {
            Store::Null => return ArrayData::new_null(&arrow, len),
            Store::Bool(values) => builder.add_buffer(values.finish().into_inner()),
            Store::I8(values) => builder.add_buffer(taken(values)),
            Store::I16(values) => builder.add_buffer(taken(values)),
            Store::I32(values) => builder.add_buffer(taken(values)),
            Store::I64(values) => builder.add_buffer(taken(values)),
            Store::F32(values) => builder.add_buffer(taken(values)),
            Store::F64(values) => builder.add_buffer(taken(values)),
            Store::Decimal(values) => builder.add_buffer(taken(values)),
            Store::Bytes { bytes, offsets } => builder.add_buffer(taken_offsets(offsets)).add_buffer(taken(bytes)),
            Store::List { item, offsets } => builder.add_buffer(taken_offsets(offsets)).add_child_data(item.take()),
            Store::Map { key, value, offsets } => {
                let entries = map_entries(&arrow, key.take(), value.take());
                builder.add_buffer(taken_offsets(offsets)).add_child_data(entries)
            }
            Store::Row(fields) => builder.child_data(fields.iter_mut().map(Self::take).collect()),
        };
        // Lengths, offsets and UTF-8 are right by construction; Arrow checks them once more.
        builder.nulls(nulls).build().expect("a column keeps its buffers, offsets and nulls consistent")
    }
}

fn map_entries(map: &arrow::datatypes::DataType, keys: ArrayData, values: ArrayData) -> ArrayData {
    let arrow::datatypes::DataType::Map(entries, _) = map else { unreachable!("only a map column has map entries") };
    let builder = ArrayData::builder(entries.data_type().clone()).len(keys.len()).child_data(vec![keys, values]);
    builder.build().expect("a map's keys and values are appended in pairs")
}

fn taken<T: arrow::datatypes::ArrowNativeType>(values: &mut Vec<T>) -> Buffer {
    let capacity = values.len();
    Buffer::from_vec(std::mem::replace(values, Vec::with_capacity(capacity)))
}

fn taken_offsets(offsets: &mut Vec<i32>) -> Buffer {
    let mut fresh = Vec::with_capacity(offsets.len());
    fresh.push(0);
    Buffer::from_vec(std::mem::replace(offsets, fresh))
}

fn last(offsets: &[i32]) -> usize {
    offsets.last().map_or(0, |&end| end as usize)
}

fn offset(end: usize) -> Result<i32, Refused> {
    i32::try_from(end).map_err(|_| "one batch holds more than 2 GiB of this column: finish it more often".to_owned())
}

fn not_a(what: &str) -> Refused {
    format!("is not a {what} column")
}
