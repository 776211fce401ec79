//! Which field types read each other's bytes, after the language guide's "Updating A Message Type".

use prost_reflect::{FieldDescriptor, Kind};

/// How a value of a type is laid out, where that is all that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// `int32`, `uint32`, `int64`, `uint64`, `bool` and enums: one family, cut to size as a C++ cast cuts.
    Varint,
    /// `sint32` and `sint64`.
    ZigZag,
    /// `fixed32` and `sfixed32`.
    Fixed32,
    /// `fixed64` and `sfixed64`.
    Fixed64,
    /// `float`.
    Float,
    /// `double`.
    Double,
    /// `string`, which must be UTF-8.
    Text,
    /// `bytes`.
    Bytes,
    /// A message with its length before it.
    Message,
    /// A message between two marks.
    Group,
}

/// The layout of a field's values.
pub(super) fn wire(field: &FieldDescriptor) -> Wire {
    match field.kind() {
        Kind::Int32 | Kind::Uint32 | Kind::Int64 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => Wire::Varint,
        Kind::Sint32 | Kind::Sint64 => Wire::ZigZag,
        Kind::Fixed32 | Kind::Sfixed32 => Wire::Fixed32,
        Kind::Fixed64 | Kind::Sfixed64 => Wire::Fixed64,
        Kind::Float => Wire::Float,
        Kind::Double => Wire::Double,
        Kind::String => Wire::Text,
        Kind::Bytes => Wire::Bytes,
        Kind::Message(_) if field.is_group() => Wire::Group,
        Kind::Message(_) => Wire::Message,
    }
}

/// Whether a reader of one layout takes values of another.
pub(super) fn reads(writer: Wire, reader: Wire) -> bool {
    writer == reader || matches!((writer, reader), (Wire::Text | Wire::Message, Wire::Bytes))
}

/// Whether several values of the field may stand in one piece, which a reader of a single value does not take.
pub(super) fn is_packable(wire: Wire) -> bool {
    !matches!(wire, Wire::Text | Wire::Bytes | Wire::Message | Wire::Group)
}

/// A field's type as a definition writes it.
pub(super) fn describe(field: &FieldDescriptor) -> String {
    if field.is_map()
        && let Kind::Message(entry) = field.kind()
    {
        let part = |name: &str| entry.get_field_by_name(name).map(|field| kind(&field.kind())).unwrap_or_default();
        return format!("map<{}, {}>", part("key"), part("value"));
    }
    let label = match field.cardinality() {
        prost_reflect::Cardinality::Required => "required ",
        prost_reflect::Cardinality::Repeated => "repeated ",
        prost_reflect::Cardinality::Optional => "",
    };
    let group = if field.is_group() { "group " } else { "" };
    format!("{label}{group}{}", kind(&field.kind()))
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(of) => of.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}
