//! Following a plan: one message into its columns.
//!
//! Fields may come in any order and more than once, so a message is first taken apart and then appended, column by column. Of a
//! field that comes twice the last value counts; messages are merged, which is what reading them one after the other as one does.

use super::plan::{Constant, Fill, Leaf, Message, Number, Slot};
use super::wire::{Reader, Wire, unzigzag};
use crate::SqlType;
use crate::avro::{put_stamp, put_whole};
use crate::column::{Column, Store};
use crate::put::{put_moment, put_text};
use crate::rows::Fail;
use crate::temporal::{Moment, TimestampStandard};

/// Appends a message's fields to the columns.
pub(super) fn read_message(message: &Message, payload: &[u8], columns: &mut [Column]) -> Result<(), Fail> {
    let mut reader = Reader::new(payload);
    let mut last: Vec<Option<Wire<'_>>> = vec![None; message.slots.len()];
    let mut merged: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut many: Vec<(usize, Wire<'_>)> = Vec::new();
    while let Some((number, value)) = reader.field()? {
        let Some(slot) = message.slot(number) else { continue };
        match (&message.slots[slot].fill, last[slot], value) {
            (
                Fill::One { leaf: Leaf::Row(_) | Leaf::Timestamp | Leaf::Wrapped(..), .. },
                Some(Wire::Bytes(old)),
                Wire::Bytes(new),
            ) => match merged.iter_mut().find(|(other, _)| *other == slot) {
                Some((_, bytes)) => bytes.extend_from_slice(new),
                None => merged.push((slot, [old, new].concat())),
            },
            (Fill::One { .. }, _, value) => last[slot] = Some(value),
            (_, _, value) => many.push((slot, value)),
        }
    }
    for (index, (slot, column)) in message.slots.iter().zip(columns).enumerate() {
        let whole = merged.iter().find(|(other, _)| *other == index).map(|(_, bytes)| Wire::Bytes(bytes));
        let value = whole.or(last[index]);
        let appended = match message.repeats {
            true => fill(slot, value, many.iter().filter(|(other, _)| *other == index).map(|(_, wire)| *wire), column),
            false => fill(slot, value, std::iter::empty(), column),
        };
        appended.map_err(|fail| fail.within(&slot.name))?;
    }
    Ok(())
}

fn fill<'a>(
    slot: &Slot,
    value: Option<Wire<'a>>,
    mut many: impl Iterator<Item = Wire<'a>>,
    column: &mut Column,
) -> Result<(), Fail> {
    match (&slot.fill, value) {
        (Fill::One { leaf, .. }, Some(value)) => append(leaf, value, column),
        (Fill::One { leaf, absent: Some(default) }, None) => append(leaf, default.wire(), column),
        (Fill::Missing | Fill::One { .. }, None) => column.null().map_err(Fail::value),
        (Fill::Missing, Some(_)) => Ok(()),
        (Fill::Many(leaf), _) => {
            let Some(first) = many.next() else { return empty(column) };
            append_items(leaf, first, column)?;
            many.try_for_each(|value| append_items(leaf, value, column))?;
            column.close().map_err(Fail::value)
        }
        (Fill::Map { key, key_default, value, value_default }, _) => {
            let Some(first) = many.next() else { return empty(column) };
            for entry in std::iter::once(first).chain(many) {
                append_entry((key, key_default), (value, value_default), entry, column)?;
            }
            column.close().map_err(Fail::value)
        }
    }
}

/// Nothing was repeated: NULL, or a collection without items where NULL is not allowed.
fn empty(column: &mut Column) -> Result<(), Fail> {
    if column.nullable { column.null() } else { column.close() }.map_err(Fail::value)
}

/// A repeated field's occurrence: one value, or many packed ones.
fn append_items(leaf: &Leaf, value: Wire<'_>, column: &mut Column) -> Result<(), Fail> {
    let Store::List { item, .. } = &mut column.store else { return Err(Fail::value("is no ARRAY")) };
    let (Wire::Bytes(packed), Some(width)) = (value, leaf.packed()) else { return append(leaf, value, item) };
    let mut reader = Reader::new(packed);
    while !reader.is_done() {
        let value = match width {
            32 => Wire::Fixed32(reader.fixed32()?),
            64 => Wire::Fixed64(reader.fixed64()?),
            _ => Wire::Varint(reader.varint()?),
        };
        append(leaf, value, item)?;
    }
    Ok(())
}

fn append_entry(
    (key, key_default): (&Leaf, &Constant),
    (value, value_default): (&Leaf, &Constant),
    entry: Wire<'_>,
    column: &mut Column,
) -> Result<(), Fail> {
    let Wire::Bytes(entry) = entry else { return Err(Fail::value("a map's entry is no message")) };
    let (mut found_key, mut found_value) = (key_default.wire(), value_default.wire());
    let mut reader = Reader::new(entry);
    while let Some((number, wire)) = reader.field()? {
        match number {
            1 => found_key = wire,
            2 => found_value = wire,
            _ => {}
        }
    }
    let Store::Map { key: keys, value: values, .. } = &mut column.store else { return Err(Fail::value("is no MAP")) };
    append(key, found_key, keys)?;
    append(value, found_value, values)
}

fn shape() -> Fail {
    Fail::value("the record has another type there than the schema")
}

fn append(leaf: &Leaf, wire: Wire<'_>, column: &mut Column) -> Result<(), Fail> {
    match (leaf, wire) {
        (Leaf::Whole(number), wire) => put_whole(number.value(wire)?, column),
        (Leaf::Text, Wire::Bytes(bytes)) => {
            std::str::from_utf8(bytes).map_err(|_| Fail::value("the text is not UTF-8"))?;
            column.bytes(bytes).map_err(Fail::value)
        }
        (Leaf::Bytes, Wire::Bytes(bytes)) => column.bytes(bytes).map_err(Fail::value),
        (Leaf::Double, Wire::Fixed64(bits)) => put_float(f64::from_bits(bits), column),
        (Leaf::Float, Wire::Fixed32(bits)) => put_float(f64::from(f32::from_bits(bits)), column),
        (Leaf::Boolean, Wire::Varint(value)) => {
            let Store::Bool(values) = &mut column.store else { return Err(shape()) };
            values.append(value != 0);
            column.done();
            Ok(())
        }
        (Leaf::Millis(number), wire) => put_stamp(number.value(wire)?, 3, column),
        (Leaf::EnumName(names), Wire::Varint(value)) => {
            let number = value as i32;
            match names.iter().find(|(other, _)| *other == number) {
                Some((_, name)) => column.bytes(name.as_bytes()),
                None => column.bytes(number.to_string().as_bytes()),
            }
            .map_err(Fail::value)
        }
        (Leaf::DecimalText, Wire::Bytes(bytes)) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Fail::value("the text is not UTF-8"))?;
            put_text(column, text, TimestampStandard::Sql).map_err(Fail::value)
        }
        (Leaf::Row(message), Wire::Bytes(bytes)) => {
            let Store::Row(fields) = &mut column.store else { return Err(shape()) };
            read_message(message, bytes, fields)?;
            column.done();
            Ok(())
        }
        (Leaf::Timestamp, Wire::Bytes(bytes)) => append_timestamp(bytes, column),
        (Leaf::Wrapped(leaf, default), Wire::Bytes(bytes)) => {
            let mut found = default.wire();
            let mut reader = Reader::new(bytes);
            while let Some((number, wire)) = reader.field()? {
                if number == 1 {
                    found = wire;
                }
            }
            append(leaf, found, column)
        }
        _ => Err(shape()),
    }
}

fn put_float(value: f64, column: &mut Column) -> Result<(), Fail> {
    match &mut column.store {
        Store::F32(values) => values.push(value as f32),
        Store::F64(values) => values.push(value),
        _ => return Err(shape()),
    }
    column.done();
    Ok(())
}

fn append_timestamp(bytes: &[u8], column: &mut Column) -> Result<(), Fail> {
    let (mut secs, mut nanos) = (0i64, 0i32);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Varint(value)) => secs = value as i64,
            (2, Wire::Varint(value)) => nanos = value as i32,
            _ => {}
        }
    }
    let (SqlType::Timestamp(precision) | SqlType::TimestampLtz(precision)) = column.ty else { return Err(shape()) };
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let nanos = nanos.ok_or_else(|| Fail::value("a Timestamp's nanos are 0 to 999,999,999"))?;
    put_moment(column, Moment { secs, nanos }, precision).map_err(Fail::value)
}

impl Number {
    #[inline]
    fn value(self, wire: Wire<'_>) -> Result<i64, Fail> {
        Ok(match (self, wire) {
            (Self::Signed32, Wire::Varint(value)) => i64::from(value as i32),
            (Self::Signed64, Wire::Varint(value)) => value as i64,
            (Self::Unsigned32, Wire::Varint(value)) => i64::from(value as u32),
            (Self::Unsigned64, Wire::Varint(value)) | (Self::Fixed64, Wire::Fixed64(value)) => {
                i64::try_from(value).map_err(|_| Fail::value(format!("{value} is beyond a signed 64-bit number")))?
            }
            (Self::Zigzag, Wire::Varint(value)) => unzigzag(value),
            (Self::Fixed32, Wire::Fixed32(value)) => i64::from(value),
            (Self::SignedFixed32, Wire::Fixed32(value)) => i64::from(value as i32),
            (Self::SignedFixed64, Wire::Fixed64(value)) => value as i64,
            _ => return Err(shape()),
        })
    }
}

impl Leaf {
    /// The width of a packed item: 32, 64, 0 for a varint; None for what is never packed.
    fn packed(&self) -> Option<u8> {
        match self {
            Self::Boolean | Self::EnumName(_) => Some(0),
            Self::Whole(number) | Self::Millis(number) => Some(match number {
                Number::Fixed32 | Number::SignedFixed32 => 32,
                Number::Fixed64 | Number::SignedFixed64 => 64,
                _ => 0,
            }),
            Self::Float => Some(32),
            Self::Double => Some(64),
            _ => None,
        }
    }
}

impl Constant {
    fn wire(&self) -> Wire<'_> {
        match self {
            Self::Varint(value) => Wire::Varint(*value),
            Self::Fixed32(value) => Wire::Fixed32(*value),
            Self::Fixed64(value) => Wire::Fixed64(*value),
            Self::Bytes(bytes) => Wire::Bytes(bytes),
        }
    }
}
