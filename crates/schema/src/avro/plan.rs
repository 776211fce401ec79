//! How a record of one writer's schema becomes a row of the reader's columns: resolved once, then followed for every record.

use super::default::encode_default;
use super::input::Input;
use super::put::{Decimals, append};
use super::schema::{AvroSchema, Meaning, RecordField, Type, TypeId};
use crate::column::{Column, Store};
use crate::json::KeyRules;
use crate::rows::Fail;
use crate::{Field, FormatError, SqlType, Typed};
use std::sync::Arc;

/// A resolved pair of writer's schema and reader's columns.
pub(crate) struct Plan {
    writer: Arc<AvroSchema>,
    root: RowPlan,
}

/// A record into the columns of a row.
pub(super) struct RowPlan {
    /// For each field of the writer, in its order: the column, or none when it is skipped.
    steps: Vec<(Option<usize>, Step)>,
    /// The columns that the writer does not have.
    missing: Vec<(usize, Fill)>,
    names: Vec<String>,
}

/// What stands in a column that the writer does not have.
enum Fill {
    Null,
    /// The reader's default, in Avro's encoding, and how that is read.
    Default(Vec<u8>, Box<Step>, Arc<AvroSchema>),
}

/// What is read, and into what.
pub(super) enum Step {
    Skip(TypeId),
    Null,
    Boolean,
    /// A varint into the column's own whole number, checked against its range.
    Whole,
    /// A varint into a FLOAT or DOUBLE.
    WholeToFloat,
    Float,
    Double,
    Text,
    Bytes,
    /// `bytes` into a text, which must be UTF-8.
    BytesToText,
    Fixed(usize),
    Uuid,
    Enum(Vec<String>),
    Decimal(Decimals),
    /// A varint of 10^-digits seconds into a timestamp.
    Moment(u8),
    TimeMicros,
    List(Box<Step>),
    Map(Box<Step>),
    Row(RowPlan),
    Union(Vec<Step>),
    /// A branch of a union that does not fit the column: an error when it comes.
    Refuse(String),
}

/// Both sides of a resolution.
struct Resolver<'a> {
    writer: &'a AvroSchema,
    reader: Option<&'a Arc<AvroSchema>>,
    keys: &'a KeyRules,
}

impl Plan {
    /// Resolves; the reader's schema, if there is one, gives aliases and defaults. What does not fit is an error that
    /// names the field, but a union's branch that does not fit is one only when it comes.
    pub(crate) fn new(
        writer: Arc<AvroSchema>,
        reader: Option<&Arc<AvroSchema>>,
        fields: &[Field],
        keys: &KeyRules,
    ) -> Result<Self, FormatError> {
        let resolver = Resolver { writer: &writer, reader, keys };
        let own = reader.map(|reader| reader.root_fields());
        let root = resolver.row(writer.root_fields(), own, fields)?;
        Ok(Self { writer, root })
    }

    /// Reads one record into the columns, which all have `base` values before and one more after; returns the bytes read.
    pub(crate) fn read(&self, payload: &[u8], columns: &mut [Column], base: usize) -> Result<usize, Fail> {
        let mut input = Input::new(payload);
        self.root.read(&self.writer, &mut input, columns, base)?;
        Ok(input.at())
    }
}

impl RowPlan {
    #[inline]
    pub(super) fn read(
        &self,
        writer: &AvroSchema,
        input: &mut Input<'_>,
        columns: &mut [Column],
        base: usize,
    ) -> Result<(), Fail> {
        for (column, step) in &self.steps {
            match (column, step) {
                (None, Step::Skip(ty)) => input.skip(writer, *ty, 0)?,
                (Some(column), step) => append(step, writer, input, &mut columns[*column])
                    .map_err(|fail| fail.within(&self.names[*column]))?,
                (None, _) => {}
            }
        }
        debug_assert!(columns.iter().all(|column| column.len() >= base));
        for (column, fill) in &self.missing {
            let name = &self.names[*column];
            let column = &mut columns[*column];
            match fill {
                Fill::Null => column.null().map_err(Fail::value),
                Fill::Default(bytes, step, reader) => append(step, reader, &mut Input::new(bytes), column),
            }
            .map_err(|fail| fail.within(name))?;
        }
        Ok(())
    }
}

impl Resolver<'_> {
    fn row(
        &self,
        written: &[RecordField],
        own: Option<&[RecordField]>,
        fields: &[Field],
    ) -> Result<RowPlan, FormatError> {
        let mut taken: Vec<Option<usize>> = vec![None; written.len()];
        let mut missing = Vec::new();
        for (column, field) in fields.iter().enumerate() {
            let own = own.and_then(|own| own.iter().find(|own| self.matches(&field.name, &own.name)));
            match self.find(written, own, &field.name) {
                Some(found) => taken[found] = Some(column),
                None => missing.push((column, self.fill(own, field)?)),
            }
        }
        let mut steps = Vec::with_capacity(written.len());
        for (source, column) in written.iter().zip(taken) {
            let step = match column {
                None => Step::Skip(source.ty),
                Some(column) => {
                    let field = &fields[column];
                    let own = own.and_then(|own| own.iter().find(|own| self.matches(&field.name, &own.name)));
                    self.step(source.ty, own.map(|own| own.ty), &field.typed)
                        .map_err(|reason| refused(&field.name, &field.typed, reason))?
                }
            };
            steps.push((column, step));
        }
        Ok(RowPlan { steps, missing, names: fields.iter().map(|field| field.name.clone()).collect() })
    }

    fn matches(&self, column: &str, name: &str) -> bool {
        let wanted = self.keys.mappings.get(column).map_or(column, String::as_str);
        wanted == name || (self.keys.case_insensitive && wanted.eq_ignore_ascii_case(name))
    }

    /// The writer's field of a column: by name, else by an alias that the reader's schema gives it.
    fn find(&self, written: &[RecordField], own: Option<&RecordField>, column: &str) -> Option<usize> {
        let by_name = || written.iter().position(|field| self.matches(column, &field.name));
        let exact = written.iter().position(|field| field.name == column);
        let aliased = || {
            let aliases = &own?.aliases;
            written.iter().position(|field| aliases.contains(&field.name))
        };
        exact.or_else(by_name).or_else(aliased)
    }

    fn fill(&self, own: Option<&RecordField>, field: &Field) -> Result<Fill, FormatError> {
        if let (Some(reader), Some(own)) = (self.reader, own)
            && let Some(default) = &own.default
        {
            let refuse = |reason: String| refused(&field.name, &field.typed, reason);
            let bytes = encode_default(reader, own.ty, default).map_err(refuse)?;
            let resolver = Resolver { writer: reader, reader: None, keys: self.keys };
            let step = resolver.step(own.ty, None, &field.typed).map_err(refuse)?;
            return Ok(Fill::Default(bytes, Box::new(step), reader.clone()));
        }
        if field.typed.nullable {
            return Ok(Fill::Null);
        }
        let reason = "the writer's schema has no such field, and the column is NOT NULL without a default".to_owned();
        Err(FormatError::Value { field: field.name.clone(), reason })
    }

    /// How a value of the writer's type becomes one of the column's.
    fn step(&self, ty: TypeId, own: Option<TypeId>, typed: &Typed) -> Result<Step, String> {
        use SqlType as Sql;
        let mismatch = || Err(format!("the writer's {} is no {}", self.writer.name(ty), typed.ty));
        let text = matches!(typed.ty, Sql::Char(_) | Sql::Varchar(_));
        let bytes = matches!(typed.ty, Sql::Binary(_) | Sql::Varbinary(_));
        Ok(match (self.writer.get(ty), &typed.ty) {
            (Type::Union(branches), _) => {
                let step = |branch: &TypeId| self.step(*branch, own, typed).unwrap_or_else(Step::Refuse);
                let steps: Vec<Step> = branches.iter().map(step).collect();
                match steps.iter().find(|step| !matches!(step, Step::Null | Step::Refuse(_))) {
                    None if !steps.iter().any(|step| matches!(step, Step::Null)) => return mismatch(),
                    _ => Step::Union(steps),
                }
            }
            (Type::Null, _) => Step::Null,
            (Type::Boolean, Sql::Boolean) => Step::Boolean,
            (Type::Int(meaning) | Type::Long(meaning), sql) => match whole(*meaning, sql) {
                Some(step) => step,
                None => return mismatch(),
            },
            (Type::Float, Sql::Float | Sql::Double) => Step::Float,
            (Type::Double, Sql::Double) => Step::Double,
            (Type::String, _) if text => Step::Text,
            (Type::String | Type::Bytes, _) if bytes => Step::Bytes,
            (Type::Bytes, _) if text => Step::BytesToText,
            (Type::Fixed(size), _) if bytes => Step::Fixed(*size),
            (Type::Uuid, _) if text => Step::Uuid,
            (Type::Uuid, _) if bytes => Step::Fixed(16),
            (Type::Decimal { size, scale, .. }, Sql::Decimal(precision, to)) => {
                Step::Decimal(Decimals { size: *size, from: *scale, precision: *precision, to: *to })
            }
            (Type::Decimal { size: Some(size), .. }, _) if bytes => Step::Fixed(*size),
            (Type::Decimal { size: None, .. }, _) if bytes => Step::Bytes,
            (Type::Bytes, Sql::Decimal(precision, to)) => {
                // Without its logical type the scale can only be the reader's.
                Step::Decimal(Decimals {
                    size: None,
                    from: usize::try_from(*to).unwrap_or(0),
                    precision: *precision,
                    to: *to,
                })
            }
            (Type::Enum(symbols), _) if text => Step::Enum(symbols.clone()),
            (Type::Array(item), Sql::Array(to)) => Step::List(Box::new(self.step(*item, self.own_item(own), to)?)),
            (Type::Map(value), Sql::Map(key, to)) if matches!(key.ty, Sql::Char(_) | Sql::Varchar(_)) => {
                Step::Map(Box::new(self.step(*value, self.own_item(own), to)?))
            }
            (Type::Record(fields), Sql::Row(to)) => {
                Step::Row(self.row(fields, self.own_fields(own), to).map_err(|error| error.to_string())?)
            }
            _ => return mismatch(),
        })
    }

    /// The reader's type behind a union with null.
    fn own(&self, id: Option<TypeId>) -> Option<&Type> {
        let reader = self.reader?;
        match reader.get(id?) {
            Type::Union(branches) => {
                branches.iter().map(|branch| reader.get(*branch)).find(|branch| **branch != Type::Null)
            }
            other => Some(other),
        }
    }

    fn own_item(&self, id: Option<TypeId>) -> Option<TypeId> {
        match self.own(id)? {
            Type::Array(item) | Type::Map(item) => Some(*item),
            _ => None,
        }
    }

    fn own_fields(&self, id: Option<TypeId>) -> Option<&[RecordField]> {
        match self.own(id)? {
            Type::Record(fields) => Some(fields),
            _ => None,
        }
    }
}

/// How a whole number is read; a column of another meaning takes the number as it is, as Avro's own resolution does.
fn whole(meaning: Meaning, sql: &SqlType) -> Option<Step> {
    let digits = match meaning {
        Meaning::Timestamp { digits, .. } => Some(digits),
        _ => None,
    };
    Some(match sql {
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt | SqlType::Date => Step::Whole,
        SqlType::Float | SqlType::Double => Step::WholeToFloat,
        SqlType::Time(_) if meaning == Meaning::TimeMicros => Step::TimeMicros,
        SqlType::Time(_) => Step::Whole,
        // A number without meaning is in the unit that the column's own Avro type would have.
        SqlType::Timestamp(precision) | SqlType::TimestampLtz(precision) => {
            Step::Moment(digits.unwrap_or(if *precision <= 3 { 3 } else { 6 }))
        }
        _ => return None,
    })
}

fn refused(field: &str, typed: &Typed, reason: String) -> FormatError {
    FormatError::UnsupportedType { format: "avro", field: field.to_owned(), ty: typed.ty.to_string(), reason }
}

/// Whether the column can hold what a list or map step appends; by construction it can.
pub(super) fn row_columns(column: &mut Column) -> Result<&mut [Column], Fail> {
    match &mut column.store {
        Store::Row(fields) => Ok(fields),
        _ => Err(Fail::value("is no ROW")),
    }
}
