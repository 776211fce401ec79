//! Protobuf records: which message they are, whether they decode, and whether they hold nothing else.

use super::Layout;
use crate::registry::protobuf;
use prost_reflect::{Cardinality, DynamicMessage, FileDescriptor, MessageDescriptor, ReflectMessage, Value};

/// The messages of a file.
#[derive(Debug)]
pub(super) struct Messages {
    /// Those that are not nested, in the file's order: a plain record is one of them.
    top: Vec<MessageDescriptor>,
    /// All of them in order of their full names: a framed record names its message by the index.
    indexed: Vec<MessageDescriptor>,
}

impl Messages {
    /// Parses a definition.
    pub(super) fn parse(definition: &str) -> Result<Self, String> {
        let file = protobuf::parse(definition).map_err(|error| error.to_string())?;
        Ok(Self { top: file.messages().collect(), indexed: indexed(&file) })
    }

    /// Whether the bytes are one message, and nothing else.
    pub(super) fn check(&self, layout: Layout, payload: &[u8]) -> Result<(), String> {
        match layout {
            Layout::Plain => self.plain(payload),
            Layout::Framed => {
                let (index, message) = varint(payload).ok_or("the record ends within the index of its message")?;
                let descriptor = usize::try_from(index).ok().and_then(|index| self.indexed.get(index));
                let descriptor = descriptor.ok_or_else(|| {
                    format!("there is no message with index {index}: the schema has {}", self.indexed.len())
                })?;
                check(descriptor, message)
            }
        }
    }

    /// Any message of the file will do; the reason is the first one's.
    fn plain(&self, payload: &[u8]) -> Result<(), String> {
        let mut first = None;
        for descriptor in &self.top {
            match check(descriptor, payload) {
                Ok(()) => return Ok(()),
                Err(reason) => first = first.or(Some(reason)),
            }
        }
        Err(first.unwrap_or_else(|| "the schema has no message".to_owned()))
    }
}

fn indexed(file: &FileDescriptor) -> Vec<MessageDescriptor> {
    let mut all: Vec<MessageDescriptor> = file.messages().collect();
    let mut at = 0;
    while let Some(message) = all.get(at) {
        // The entries of maps are messages too, for the serializers as well.
        let nested: Vec<_> = message.child_messages().collect();
        all.extend(nested);
        at += 1;
    }
    all.sort_by(|left, right| left.full_name().cmp(right.full_name()));
    all
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at as u32).min(63);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

fn check(descriptor: &MessageDescriptor, payload: &[u8]) -> Result<(), String> {
    let name = descriptor.full_name();
    let message = DynamicMessage::decode(descriptor.clone(), payload)
        .map_err(|error| format!("it does not decode as message {name}: {error}"))?;
    complete(&message).map_err(|reason| format!("it is no message {name}: {reason}"))
}

/// Whether a message holds the fields that it must, and none that it does not have. The decoder bounds how deep it nests.
fn complete(message: &DynamicMessage) -> Result<(), String> {
    let descriptor = message.descriptor();
    if let Some(field) = message.unknown_fields().next() {
        return Err(format!("{} has no field with number {}", descriptor.name(), field.number()));
    }
    for field in descriptor.fields().filter(|field| field.cardinality() == Cardinality::Required) {
        if !message.has_field(&field) {
            return Err(format!("{} lacks its required field {}", descriptor.name(), field.name()));
        }
    }
    for (field, value) in message.fields() {
        nested(value).map_err(|reason| format!("in {}: {reason}", field.name()))?;
    }
    Ok(())
}

fn nested(value: &Value) -> Result<(), String> {
    match value {
        Value::Message(message) => complete(message),
        Value::List(items) => items.iter().try_for_each(nested),
        Value::Map(entries) => entries.values().try_for_each(nested),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = r#"
        syntax = "proto2";
        package shop;
        message Order {
            required int64 id = 1;
            optional Line line = 2;
            message Line { required string sku = 1; }
        }
        message Alert { optional string text = 7; }
    "#;

    #[test]
    fn messages_are_complete_and_hold_nothing_else() {
        let messages = Messages::parse(SHOP).unwrap();
        let plain = |bytes: &[u8]| messages.check(Layout::Plain, bytes);
        assert_eq!(plain(&[8, 1]), Ok(()));
        assert_eq!(plain(&[8, 1, 18, 3, 10, 1, b'a']), Ok(()));
        assert_eq!(plain(&[58, 1, b'a']), Ok(()), "an Alert is one of the file's messages");
        assert!(plain(&[8, 1, 24, 1]).unwrap_err().contains("Order has no field with number 3"));
        assert!(plain(&[18, 3, 10, 1, b'a']).unwrap_err().contains("lacks its required field id"));
        assert!(plain(&[8, 1, 18, 0]).unwrap_err().contains("in line: Line lacks its required field sku"));
        assert!(plain(br#"{"id": 1}"#).is_err());
        assert!(plain(&[8]).unwrap_err().contains("does not decode as message shop.Order"));
    }

    #[test]
    fn framed_records_name_their_message() {
        let messages = Messages::parse(SHOP).unwrap();
        let framed = |bytes: &[u8]| messages.check(Layout::Framed, bytes);
        // shop.Alert, shop.Order, shop.Order.Line
        assert_eq!(framed(&[0, 58, 1, b'a']), Ok(()));
        assert_eq!(framed(&[1, 8, 1]), Ok(()));
        assert_eq!(framed(&[2, 10, 1, b'a']), Ok(()));
        assert!(framed(&[3, 8, 1]).unwrap_err().contains("no message with index 3: the schema has 3"));
        assert!(framed(&[0x80]).unwrap_err().contains("ends within the index"));
    }
}
