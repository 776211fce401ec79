//! A JSON object's way into columns.
//!
//! Records of one stream mostly have the same keys in the same order. Each object level therefore remembers, for every
//! place in the order, the bytes of the key that stood there last (`"name": ` with quotes, colon and space) and the field
//! they meant: the next record's key is then one comparison of bytes. A miss looks the key up and is remembered.

use super::options::{JsonOptions, KeyRules};
use super::scan::{Cursor, Fail, Number, Text};
use crate::column::{Column, Store};
use crate::number::{decimal_of_parts, double_of_parts, parse_decimal};
use crate::put::{put_decimal, put_moment, put_text, refusal};
use crate::temporal::{Moment, TimestampStandard};
use crate::{Field, FormatError, SqlType};
use std::collections::HashMap;

/// At most this many places of the key order are remembered, and keys of at most this many bytes.
const GUESSES_MAX: usize = 1024;
const GUESS_BYTES_MAX: usize = 256;
/// Numbers from here on are milliseconds since 1970, not seconds (which would be after the year 5138).
const OPENX_MILLIS_MIN: u64 = 100_000_000_000;

/// The shape of a value, next to its [`Column`].
pub(super) enum Node {
    Leaf,
    List(Box<Node>),
    Map(Box<Node>),
    Row(Row),
}

/// The fields of an object.
pub(super) struct Row {
    names: Vec<String>,
    nodes: Vec<Node>,
    by_key: HashMap<Vec<u8>, usize>,
    guesses: Vec<Guess>,
}

#[derive(Default)]
struct Guess {
    raw: Vec<u8>,
    field: Option<usize>,
}

/// The settings and the scratch room of one decoder.
pub(super) struct Context {
    pub(super) options: JsonOptions,
    pub(super) room: Vec<u8>,
}

impl Node {
    fn of(field: &str, ty: &SqlType, rules: &KeyRules) -> Result<Self, FormatError> {
        Ok(match ty {
            SqlType::Array(item) => Self::List(Box::new(Self::of(field, &item.ty, rules)?)),
            SqlType::Map(key, value) => {
                if !matches!(key.ty, SqlType::Char(_) | SqlType::Varchar(_)) {
                    return Err(FormatError::UnsupportedType {
                        format: "json",
                        field: field.to_owned(),
                        ty: ty.to_string(),
                        reason: "the keys of a JSON object are texts, so the MAP's key must be CHAR or VARCHAR"
                            .to_owned(),
                    });
                }
                Self::Map(Box::new(Self::of(field, &value.ty, rules)?))
            }
            SqlType::Row(fields) => {
                let nested = KeyRules { mappings: Default::default(), ..rules.clone() };
                Self::Row(Row::new(fields, &nested)?)
            }
            SqlType::IntervalMonths | SqlType::IntervalMillis => {
                return Err(FormatError::UnsupportedType {
                    format: "json",
                    field: field.to_owned(),
                    ty: ty.to_string(),
                    reason: "Flink's json format has no intervals: use BIGINT".to_owned(),
                });
            }
            _ => Self::Leaf,
        })
    }

    /// Appends the value at the cursor and goes past it. A value that does not fit becomes NULL when errors are ignored.
    #[inline]
    fn value(&mut self, column: &mut Column, cursor: &mut Cursor<'_>, context: &mut Context) -> Result<(), Fail> {
        let (start, len) = (cursor.at, column.len());
        match self.strict_value(column, cursor, context) {
            Err(Fail::Value { .. }) if context.options.ignore_parse_errors => {
                column.truncate(len);
                cursor.at = start;
                cursor.skip_value()?;
                column.null().map_err(Fail::value)
            }
            other => other,
        }
    }

    #[inline]
    fn strict_value(
        &mut self,
        column: &mut Column,
        cursor: &mut Cursor<'_>,
        context: &mut Context,
    ) -> Result<(), Fail> {
        match (cursor.peek(), self) {
            (b'"', Self::Leaf) => put_string(column, cursor.string()?, context),
            (b'-' | b'0'..=b'9', Self::Leaf) => put_number(column, cursor.number()?, context),
            (b'n', _) if cursor.take(b"null") => column.null().map_err(Fail::value),
            (b't', Self::Leaf) if cursor.take(b"true") => put_bool(column, true),
            (b'f', Self::Leaf) if cursor.take(b"false") => put_bool(column, false),
            (b'{' | b'[', Self::Leaf) => put_container(column, cursor),
            (b'{', Self::Row(row)) => {
                let base = column.len();
                let Store::Row(fields) = &mut column.store else { return Err(Fail::value("is no ROW")) };
                row.object(fields, base, cursor, context)?;
                column.done();
                Ok(())
            }
            (b'[', Self::List(item)) => item.list(column, cursor, context),
            (b'{', Self::Map(value)) => value.map(column, cursor, context),
            (_, node) => {
                let leaf = matches!(node, Self::Leaf);
                cursor.skip_value()?;
                let other = if leaf { "the value" } else { "a value of another shape" };
                Err(Fail::value(format!("{other} is no {}", column.ty)))
            }
        }
    }

    fn list(&mut self, column: &mut Column, cursor: &mut Cursor<'_>, context: &mut Context) -> Result<(), Fail> {
        let Store::List { item, .. } = &mut column.store else { return Err(Fail::value("is no ARRAY")) };
        cursor.at += 1;
        cursor.skip_space();
        if cursor.peek() == b']' {
            cursor.at += 1;
            return column.close().map_err(Fail::value);
        }
        loop {
            self.value(item, cursor, context)?;
            if !cursor.more(b']')? {
                return column.close().map_err(Fail::value);
            }
        }
    }

    fn map(&mut self, column: &mut Column, cursor: &mut Cursor<'_>, context: &mut Context) -> Result<(), Fail> {
        let Store::Map { key, value, .. } = &mut column.store else { return Err(Fail::value("is no MAP")) };
        cursor.at += 1;
        cursor.skip_space();
        if cursor.peek() == b'}' {
            cursor.at += 1;
            return column.close().map_err(Fail::value);
        }
        loop {
            put_string(key, cursor.key()?, context)?;
            self.value(value, cursor, context)?;
            if !cursor.more(b'}')? {
                return column.close().map_err(Fail::value);
            }
        }
    }
}

impl Row {
    pub(super) fn new(fields: &[Field], rules: &KeyRules) -> Result<Self, FormatError> {
        let mut by_key = HashMap::new();
        let mut nodes = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            nodes.push(Node::of(&field.name, &field.typed.ty, rules)?);
            let key = rules.mappings.get(&field.name).unwrap_or(&field.name);
            by_key.insert(normal(key.as_bytes(), rules), at);
        }
        Ok(Self { names: fields.iter().map(|field| field.name.clone()).collect(), nodes, by_key, guesses: Vec::new() })
    }

    /// Reads the object at the cursor into the fields' columns, which all have `base` values before and one more after.
    pub(super) fn object(
        &mut self,
        fields: &mut [Column],
        base: usize,
        cursor: &mut Cursor<'_>,
        context: &mut Context,
    ) -> Result<(), Fail> {
        cursor.at += 1;
        cursor.skip_space();
        if cursor.peek() == b'}' {
            cursor.at += 1;
            return self.fill_missing(fields, base, context);
        }
        let mut place = 0;
        loop {
            match self.next_key(place, cursor, context)? {
                None => cursor.skip_value()?,
                Some(field) => {
                    let column = &mut fields[field];
                    if column.len() > base {
                        // A repeated key: the last one counts.
                        column.truncate(base);
                    }
                    let result = self.nodes[field].value(column, cursor, context);
                    result.map_err(|fail| fail.within(&self.names[field]))?;
                }
            }
            place += 1;
            if !cursor.more(b'}')? {
                return self.fill_missing(fields, base, context);
            }
        }
    }

    /// Goes past the next key and returns its field; None when no field has it.
    #[inline]
    fn next_key(
        &mut self,
        place: usize,
        cursor: &mut Cursor<'_>,
        context: &mut Context,
    ) -> Result<Option<usize>, Fail> {
        if let Some(guess) = self.guesses.get(place)
            && cursor.take(&guess.raw)
        {
            cursor.skip_space();
            return Ok(guess.field);
        }
        self.learn_key(place, cursor, context)
    }

    #[cold]
    fn learn_key(
        &mut self,
        place: usize,
        cursor: &mut Cursor<'_>,
        context: &mut Context,
    ) -> Result<Option<usize>, Fail> {
        let start = cursor.at;
        let key = cursor.key()?;
        let rules = &context.options.keys;
        let field = if key.escaped || rules.case_insensitive || rules.dots_to_underscores {
            let key = normal(key.resolved(&mut context.room).as_bytes(), rules);
            self.by_key.get(&key)
        } else {
            self.by_key.get(key.raw)
        };
        let field = field.copied();
        let raw = &cursor.bytes[start..cursor.at];
        if place < GUESSES_MAX && place <= self.guesses.len() && raw.len() <= GUESS_BYTES_MAX {
            if place == self.guesses.len() {
                self.guesses.push(Guess::default());
            }
            let guess = &mut self.guesses[place];
            guess.raw.clear();
            guess.raw.extend_from_slice(raw);
            guess.field = field;
        }
        Ok(field)
    }

    fn fill_missing(&self, fields: &mut [Column], base: usize, context: &Context) -> Result<(), Fail> {
        for (column, name) in fields.iter_mut().zip(&self.names) {
            if column.len() > base {
                continue;
            }
            if context.options.fail_on_missing_field {
                return Err(Fail::value("the record has no such field, and fail-on-missing-field is true").within(name));
            }
            column.null().map_err(|reason| Fail::value(reason).within(name))?;
        }
        Ok(())
    }
}

impl Fail {
    fn within(self, name: &str) -> Self {
        match self {
            Self::Value { path, reason } if path.is_empty() => Self::Value { path: name.to_owned(), reason },
            Self::Value { path, reason } => Self::Value { path: format!("{name}.{path}"), reason },
            syntax => syntax,
        }
    }
}

/// A key as it is compared.
fn normal(key: &[u8], rules: &KeyRules) -> Vec<u8> {
    let mut key =
        if rules.case_insensitive { String::from_utf8_lossy(key).to_lowercase().into_bytes() } else { key.to_vec() };
    if rules.dots_to_underscores {
        key.iter_mut().filter(|byte| **byte == b'.').for_each(|byte| *byte = b'_');
    }
    key
}

#[inline]
fn put_string(column: &mut Column, text: Text<'_>, context: &mut Context) -> Result<(), Fail> {
    if let SqlType::Char(_) | SqlType::Varchar(_) = column.ty
        && !text.escaped
    {
        return column.bytes(text.raw).map_err(Fail::value);
    }
    let standard = context.options.timestamps;
    put_text(column, text.resolved(&mut context.room), standard).map_err(Fail::value)
}

fn put_bool(column: &mut Column, value: bool) -> Result<(), Fail> {
    if let Store::Bool(values) = &mut column.store {
        values.append(value);
        column.done();
        return Ok(());
    }
    match column.ty {
        SqlType::Char(_) | SqlType::Varchar(_) => {
            column.bytes(if value { b"true" } else { b"false" }).map_err(Fail::value)
        }
        _ => Err(Fail::value(refusal(column, if value { "true" } else { "false" }))),
    }
}

/// A text column takes an object or array as its JSON text without white space.
fn put_container(column: &mut Column, cursor: &mut Cursor<'_>) -> Result<(), Fail> {
    let start = cursor.at;
    cursor.skip_value()?;
    if !matches!(column.ty, SqlType::Char(_) | SqlType::Varchar(_)) {
        return Err(Fail::value(format!("an object or array is no {}", column.ty)));
    }
    let mut compact = Vec::with_capacity(cursor.at - start);
    let (mut in_string, mut after_slash) = (false, false);
    for &byte in &cursor.bytes[start..cursor.at] {
        if !in_string && matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            continue;
        }
        compact.push(byte);
        in_string ^= byte == b'"' && !after_slash;
        after_slash = byte == b'\\' && !after_slash;
    }
    column.bytes(&compact).map_err(Fail::value)
}

#[inline]
fn put_number(column: &mut Column, number: Number<'_>, context: &mut Context) -> Result<(), Fail> {
    let stored = match (&mut column.store, &column.ty) {
        (Store::F64(values), _) => {
            let value = number.double();
            values.push(value);
            true
        }
        (Store::I64(values), SqlType::BigInt) => number.long().map(|value| values.push(value)).is_some(),
        (Store::I32(values), SqlType::Int) => {
            number.long().and_then(|value| i32::try_from(value).ok()).map(|value| values.push(value)).is_some()
        }
        _ => return put_other_number(column, number, context),
    };
    if !stored {
        return Err(Fail::value(refusal(column, number.text)));
    }
    column.done();
    Ok(())
}

fn put_other_number(column: &mut Column, number: Number<'_>, context: &mut Context) -> Result<(), Fail> {
    match column.ty {
        SqlType::Decimal(precision, scale) => {
            let value = if number.exact {
                decimal_of_parts(number.mantissa, number.exponent, number.negative, precision, scale)
            } else {
                parse_decimal(number.text, precision, scale).unwrap_or(None)
            };
            put_decimal(column, value).map_err(Fail::value)
        }
        SqlType::Timestamp(precision) | SqlType::TimestampLtz(precision)
            if context.options.timestamps == TimestampStandard::OpenX =>
        {
            match number.openx_moment() {
                Some(moment) => put_moment(column, moment, precision).map_err(Fail::value),
                None => Err(Fail::value(refusal(column, number.text))),
            }
        }
        SqlType::Binary(_) | SqlType::Varbinary(_) => Err(Fail::value(refusal(column, number.text))),
        _ => put_text(column, number.text, context.options.timestamps).map_err(Fail::value),
    }
}

impl Number<'_> {
    #[inline]
    fn double(&self) -> f64 {
        let value = if self.exact { double_of_parts(self.mantissa, self.exponent) } else { None };
        match value {
            Some(value) if self.negative => -value,
            Some(value) => value,
            // Always a number by JSON's grammar; too great a one is infinite, as in Java.
            None => self.text.parse().unwrap_or(f64::NAN),
        }
    }

    /// The number as 64 bits; a fraction is cut off, as Jackson does.
    #[inline]
    fn long(&self) -> Option<i64> {
        if !self.integral {
            let value = self.double();
            return (value >= i64::MIN as f64 && value < i64::MAX as f64).then_some(value as i64);
        }
        if !self.exact {
            return None;
        }
        if self.negative { 0i64.checked_sub_unsigned(self.mantissa) } else { i64::try_from(self.mantissa).ok() }
    }

    fn openx_moment(&self) -> Option<Moment> {
        if self.integral && self.exact && self.mantissa >= OPENX_MILLIS_MIN {
            return Some(Moment::of_unit(self.long()?, 3));
        }
        let micros = parse_decimal(self.text, 38, 6).ok()??;
        Some(Moment::of_unit(i64::try_from(micros).ok()?, 6))
    }
}
