//! Whether a reader's messages read what a writer's messages write.
//!
//! What counts is the binary form: fields are their numbers, names of messages, packages and services are not written at
//! all. A reader skips fields that it does not know, so fields may come and go, `required` ones excepted. What would be read
//! without an error and mean something else is a finding too: a field under another number, a value of an enum under
//! another number, several values where the reader keeps one, numbers that were reserved and are used again.

use super::types::{describe, is_packable, reads, wire};
use crate::registry::finding::{Finding, STEPS_MAX, rules};
use crate::registry::words::Direction;
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, Syntax};
use std::collections::{BTreeMap, HashSet};

rules! {
    MESSAGE = "protobuf-message-missing",
        new reads: "keep the message in the new version",
        old reads: "the old version cannot read a message that it does not know: register it as a schema of its own";
    TYPE = "protobuf-type-mismatch",
        new reads: "keep the type, or add a field with a new number and reserve the old one",
        old reads: "keep the type, or add a field with a new number and leave the old one in place";
    TEXT = "protobuf-bytes-read-as-string",
        new reads: "keep bytes: they need not be UTF-8, which a string must be",
        old reads: "keep string: readers of the old version refuse bytes that are not UTF-8";
    SINGLE = "protobuf-repeated-read-as-single",
        new reads: "keep the field repeated: a reader of one value drops all others",
        old reads: "add a repeated field with a new number: the old version keeps one value and drops all others";
    REQUIRED = "protobuf-required-field-missing",
        new reads: "make the new field optional: old data does not have it",
        old reads: "keep writing the field as required: the old version refuses messages without it";
    MAP = "protobuf-repeated-read-as-map",
        new reads: "keep the field repeated: a map keeps one value of each key",
        old reads: "keep the map, or add a repeated field with a new number";
    NUMBER = "protobuf-field-number-changed",
        new reads: "give the field its old number",
        old reads: "give the field its old number";
    RESERVED = "protobuf-reserved-reused",
        new reads: "take a number and a name that were never used",
        old reads: "take a number and a name that were never used";
    ONEOF = "protobuf-fields-moved-into-oneof",
        new reads: "leave the fields outside of the oneof, or move one of them only",
        old reads: "keep the fields in one oneof: the old version keeps one of them and drops the others";
    RENUMBERED = "protobuf-enum-value-renumbered",
        new reads: "give the enum's value its old number",
        old reads: "give the enum's value its old number";
    CLOSED = "protobuf-enum-value-missing",
        new reads: "keep the value: a proto2 reader does not see a value that its enum does not have",
        old reads: "first add the value for the readers: a proto2 reader does not see a value that its enum does not have";
    EFFORT = "too-involved",
        new reads: "take the definition apart, or use the mode NONE for this step",
        old reads: "take the definition apart, or use the mode NONE for this step";
}

/// Where `reader` does not read what `writer` writes.
pub(super) fn findings(writer: &FileDescriptor, reader: &FileDescriptor, direction: Direction) -> Vec<Finding> {
    let mut check = Check { direction, pairs: HashSet::new(), steps: 0 };
    let (writers, readers) = (all(writer), all(reader));
    let mut found = Vec::new();
    for (name, message) in &writers {
        match readers.get(name) {
            Some(reader) => found.extend(check.messages(message, reader, name)),
            None if is_part(message, &writers) => {}
            None => found.extend(check.renamed(name, message, &writers, &readers)),
        }
    }
    found
}

/// All messages of a file by their names without the package.
fn all(file: &FileDescriptor) -> BTreeMap<String, MessageDescriptor> {
    let mut messages = BTreeMap::new();
    let mut left: Vec<MessageDescriptor> = file.messages().collect();
    while let Some(message) = left.pop() {
        left.extend(message.child_messages());
        if !message.is_map_entry() {
            messages.insert(local_name(message.full_name(), file.package_name()), message);
        }
    }
    messages
}

fn local_name(full: &str, package: &str) -> String {
    let local = full.strip_prefix(package).map(|name| name.trim_start_matches('.'));
    local.unwrap_or(full).to_owned()
}

/// Whether a message is written inside of others: then it matters where it stands, and its name does not.
fn is_part(message: &MessageDescriptor, messages: &BTreeMap<String, MessageDescriptor>) -> bool {
    let uses = |field: FieldDescriptor| match field.kind() {
        Kind::Message(entry) if entry.is_map_entry() => {
            entry.fields().any(|part| matches!(part.kind(), Kind::Message(used) if used == *message))
        }
        Kind::Message(used) => used == *message,
        _ => false,
    };
    message.parent_message().is_some() || messages.values().any(|other| other != message && other.fields().any(uses))
}

struct Check {
    direction: Direction,
    /// Pairs that were compared, or are being compared further up.
    pairs: HashSet<(String, String)>,
    steps: u32,
}

impl Check {
    /// A message that the reader does not know by name may have another there: then that one reads all of its fields.
    fn renamed(
        &mut self,
        name: &str,
        message: &MessageDescriptor,
        writers: &BTreeMap<String, MessageDescriptor>,
        readers: &BTreeMap<String, MessageDescriptor>,
    ) -> Option<Finding> {
        let has_all = |other: &MessageDescriptor| {
            message.fields().len() > 0
                && message
                    .fields()
                    .all(|field| other.get_field(field.number()).is_some_and(|it| it.name() == field.name()))
        };
        for (other_name, other) in readers {
            if !writers.contains_key(other_name) && has_all(other) && self.messages(message, other, name).is_empty() {
                return None;
            }
        }
        let why = "the reader has no message of this name, nor one of another name with the same fields".to_owned();
        let writer = format!("message {name}");
        Some(Finding { rule: &MESSAGE, at: name.to_owned(), writer, reader: "no message".to_owned(), why })
    }

    fn messages(&mut self, writer: &MessageDescriptor, reader: &MessageDescriptor, at: &str) -> Vec<Finding> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            let why = format!("the definitions were not compared in {STEPS_MAX} steps");
            let (writer, reader) = (writer.full_name().to_owned(), reader.full_name().to_owned());
            return vec![Finding { rule: &EFFORT, at: at.to_owned(), writer, reader, why }];
        }
        if !self.pairs.insert((writer.full_name().to_owned(), reader.full_name().to_owned())) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for field in reader.fields() {
            let path = format!("{at}.{}", field.name());
            match writer.get_field(field.number()) {
                Some(written) => found.extend(self.fields(&written, &field, &path)),
                None => found.extend(missing(&field, path)),
            }
        }
        found.extend(renumbered(writer, reader, at));
        found.extend(moved_into_oneofs(writer, reader, at));
        let (old, new) = match self.direction {
            Direction::Backward => (writer, reader),
            Direction::Forward => (reader, writer),
        };
        found.extend(reused(old, new, self.direction, at));
        found
    }

    /// A number that both have.
    fn fields(&mut self, writer: &FieldDescriptor, reader: &FieldDescriptor, at: &str) -> Vec<Finding> {
        let (from, into) = (wire(writer), wire(reader));
        let finding = |rule, why: String| Finding {
            rule,
            at: at.to_owned(),
            writer: format!("{} {} = {}", describe(writer), writer.name(), writer.number()),
            reader: format!("{} {} = {}", describe(reader), reader.name(), reader.number()),
            why,
        };
        if !reads(from, into) {
            let (rule, why) = match (from, into) {
                (super::types::Wire::Bytes, super::types::Wire::Text) => {
                    (&TEXT, "bytes that are not UTF-8 can be written, and a string must be UTF-8".to_owned())
                }
                _ => (&TYPE, format!("{} is not read as {}", describe(writer), describe(reader))),
            };
            return vec![finding(rule, why)];
        }
        let mut found = Vec::new();
        let many = |field: &FieldDescriptor| field.cardinality() == Cardinality::Repeated;
        if many(writer) && !many(reader) {
            let why = if is_packable(from) {
                "several values can be written in one piece, which a reader of one value does not take"
            } else {
                "several values can be written, and the reader keeps the last alone"
            };
            found.push(finding(&SINGLE, why.to_owned()));
        }
        if reader.is_map() && !writer.is_map() && many(writer) {
            let why = "entries of one key can be written several times, and a map keeps the last alone";
            found.push(finding(&MAP, why.to_owned()));
        }
        let is_required = |field: &FieldDescriptor| field.cardinality() == Cardinality::Required;
        if is_required(reader) && !is_required(writer) {
            let why = "the data may be without it, and the reader refuses a message without it".to_owned();
            found.push(finding(&REQUIRED, why));
        }
        match (writer.kind(), reader.kind()) {
            (Kind::Message(from), Kind::Message(into)) => found.extend(self.messages(&from, &into, at)),
            (Kind::Enum(from), Kind::Enum(into)) => found.extend(enums(&from, &into, at)),
            _ => {}
        }
        found
    }
}

/// A number that only the reader has.
fn missing(field: &FieldDescriptor, at: String) -> Option<Finding> {
    let here = format!("{} {} = {}", describe(field), field.name(), field.number());
    if field.cardinality() == Cardinality::Required {
        let why = "the data does not have the field, and the reader refuses a message without it".to_owned();
        return Some(Finding { rule: &REQUIRED, at, writer: "no field".to_owned(), reader: here, why });
    }
    None
}

/// Names under another number: their values are lost, or read as another field's, without a word.
fn renumbered(writer: &MessageDescriptor, reader: &MessageDescriptor, at: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for written in writer.fields() {
        let Some(field) = reader.get_field_by_name(written.name()).filter(|it| it.number() != written.number()) else {
            continue;
        };
        let words = |field: &FieldDescriptor| format!("{} {} = {}", describe(field), field.name(), field.number());
        let why = format!("the data has '{}' under number {}", written.name(), written.number());
        let at = format!("{at}.{}", written.name());
        found.push(Finding { rule: &NUMBER, at, writer: words(&written), reader: words(&field), why });
    }
    found
}

/// Fields that can be written together, and of which the reader keeps one.
fn moved_into_oneofs(writer: &MessageDescriptor, reader: &MessageDescriptor, at: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for oneof in reader.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let mut sources = BTreeMap::new();
        for field in oneof.fields() {
            let Some(written) = writer.get_field(field.number()) else { continue };
            let real = written.containing_oneof().filter(|oneof| !oneof.is_synthetic());
            let source = real.map_or_else(|| format!("field {}", written.name()), |of| format!("oneof {}", of.name()));
            sources.entry(source).or_insert_with(Vec::new).push(written.name().to_owned());
        }
        if sources.len() > 1 {
            let names: Vec<String> = sources.values().flatten().cloned().collect();
            let why = format!("{} can be written together, and the reader keeps one of them", names.join(", "));
            let writer = sources.keys().cloned().collect::<Vec<_>>().join(", ");
            let reader = format!("oneof {} of {}", oneof.name(), names.join(", "));
            found.push(Finding { rule: &ONEOF, at: format!("{at}.{}", oneof.name()), writer, reader, why });
        }
    }
    found
}

/// Numbers and names that the old version reserved and the new one uses.
fn reused(old: &MessageDescriptor, new: &MessageDescriptor, direction: Direction, at: &str) -> Vec<Finding> {
    let names: HashSet<String> = old.reserved_names().map(str::to_owned).collect();
    let ranges: Vec<_> = old.reserved_ranges().collect();
    let mut found = Vec::new();
    for field in new.fields() {
        let number = ranges.iter().any(|range| range.contains(&field.number()));
        let name = names.contains(field.name()).then(|| format!("reserved \"{}\"", field.name()));
        let Some(old) = number.then(|| format!("reserved {}", field.number())).or(name) else { continue };
        let new = format!("{} {} = {}", describe(&field), field.name(), field.number());
        let (writer, reader) = match direction {
            Direction::Backward => (old, new),
            Direction::Forward => (new, old),
        };
        let why = "what is reserved was used before: older data may still have it with another meaning".to_owned();
        found.push(Finding { rule: &RESERVED, at: format!("{at}.{}", field.name()), writer, reader, why });
    }
    found
}

/// Values are numbers; a name under another number would be read as another value.
fn enums(writer: &EnumDescriptor, reader: &EnumDescriptor, at: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let closed = reader.parent_file().syntax() == Syntax::Proto2;
    for value in writer.values() {
        let namesakes: Vec<i32> =
            reader.values().filter(|other| other.name() == value.name()).map(|other| other.number()).collect();
        let is_known = reader.get_value(value.number()).is_some();
        let here = format!("{} = {}", value.name(), value.number());
        if let Some(number) = namesakes.first().filter(|_| !namesakes.contains(&value.number())) {
            let why = format!("{here} is written, and the reader knows {} as {number}", value.name());
            let reader = format!("{} = {number}", value.name());
            found.push(Finding { rule: &RENUMBERED, at: at.to_owned(), writer: here, reader, why });
        } else if closed && !is_known {
            let why = format!("{here} can be written, and the reader's proto2 enum does not have it");
            let reader = format!("no value {}", value.number());
            found.push(Finding { rule: &CLOSED, at: at.to_owned(), writer: here, reader, why });
        }
    }
    found
}
