//! Protobuf: against the reference implementation of the dynamic messages, and by hand where that has no word.

use crate::avro::{ROWS, batch, encoded};
use crate::{fields, rows, with};
use millrace_schema::protobuf::{ProtobufDecoder, ProtobufEncoder, ProtobufOptions, ProtobufSchema, derive};
use millrace_schema::{Decoder, Field, SqlType, Typed, format};
use prost_reflect::{DynamicMessage, Value};

const SHOP: &str = r#"
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message Order {
  enum State { NEW = 0; PAID = 1; }
  message Line { string sku = 1; int32 quantity = 2; }
  string id = 1;
  optional int64 cents = 2;
  repeated sint32 deltas = 3;
  repeated Line lines = 4;
  map<string, double> weights = 5;
  State state = 6;
  google.protobuf.Timestamp placed = 7;
  google.protobuf.StringValue note = 8;
  fixed64 hash = 9;
  bytes raw = 10;
  Line first = 11;
  float ratio = 12;
  bool big = 13;
  uint32 small = 14;
}
"#;

const COLUMNS: [(&str, &str); 14] = [
    ("id", "string"),
    ("cents", "bigint"),
    ("deltas", "array<int>"),
    ("lines", "array<struct<sku:string,quantity:int>>"),
    ("weights", "map<string,double>"),
    ("state", "string"),
    ("placed", "timestamp"),
    ("note", "string"),
    ("hash", "bigint"),
    ("raw", "binary"),
    ("first", "struct<sku:string,quantity:int>"),
    ("ratio", "float"),
    ("big", "boolean"),
    ("small", "int"),
];

fn order() -> prost_reflect::MessageDescriptor {
    ProtobufSchema::parse(SHOP).unwrap().message(Some("shop.Order")).unwrap()
}

fn read(payloads: &[&[u8]], columns: &[(&str, &str)]) -> Vec<String> {
    let mut decoder = ProtobufDecoder::new(&fields(columns), &order(), &ProtobufOptions::default()).unwrap();
    payloads.iter().for_each(|payload| decoder.push(payload).unwrap());
    rows(&mut decoder)
}

/// A message from JSON by the reference implementation.
fn message(json: &str) -> Vec<u8> {
    use prost_reflect::prost::Message;
    let mut reader = serde_json::Deserializer::from_str(json);
    DynamicMessage::deserialize(order(), &mut reader).unwrap().encode_to_vec()
}

#[test]
fn messages_of_the_reference_implementation_are_read() {
    let full = message(
        r#"{"id":"o-1","cents":"-5","deltas":[1,-2,3],"lines":[{"sku":"a","quantity":2},{}],"weights":{"kg":1.5},
            "state":"PAID","placed":"2026-01-31T08:05:00.123Z","note":"hi","hash":"7","raw":"AAE=","first":{"sku":"f"},"ratio":0.5,
            "big":true,"small":9}"#,
    );
    assert_eq!(
        read(&[&full, b""], &COLUMNS),
        [
            "o-1|-5|[1, -2, 3]|[{sku: a, quantity: 2}, {sku: , quantity: 0}]|{kg: 1.5}|PAID|2026-01-31T08:05:00.123|hi|7|0001|{sku: f, quantity: 0}|0.5|true|9",
            "|∅|∅|∅|∅|NEW|∅|∅|0||∅|0.0|false|0",
        ]
    );
}

#[test]
fn what_comes_twice_counts_as_protobuf_says() {
    // id twice: the last. first twice: merged. deltas unpacked and packed: all. An unknown field and a group: passed.
    let twice = [
        &[10, 1, b'a', 10, 1, b'b'][..],
        &[90, 3, 10, 1, b's', 90, 2, 16, 9],
        &[24, 1, 26, 2, 3, 5],
        &[0xa3, 6, 8, 1, 0xa4, 6, 0xf8, 7, 1],
    ]
    .concat();
    assert_eq!(
        read(&[&twice], &[("id", "string"), ("first", "struct<sku:string,quantity:int>"), ("deltas", "array<int>")]),
        ["b|{sku: s, quantity: 9}|[-1, -2, -3]"]
    );
    let mut decoder =
        ProtobufDecoder::new(&fields(&[("id", "string")]), &order(), &ProtobufOptions::default()).unwrap();
    for bad in [&[10, 5, b'a'][..], &[8, 1], &[10, 1, 0xff], &[0], &[15], &[0xff; 11]] {
        assert!(decoder.push(bad).is_err(), "{bad:?}");
    }
    assert_eq!(decoder.len(), 0);
}

#[test]
fn rows_become_messages_that_the_reference_implementation_reads() {
    let spec = fields(&COLUMNS);
    let texts = [
        r#"{"id":"o-1","cents":0,"deltas":[1,-2,null],"lines":[{"sku":"a","quantity":2},null],"weights":{"kg":1.5,"z":null},"state":"PAID",
            "placed":"2026-01-31 08:05:00.123","hash":7,"raw":"AAE=","first":{"sku":"f"},"ratio":0.5,"big":true,"small":9}"#,
        "{}",
    ];
    let spec: Vec<Field> = spec.into_iter().filter(|field| field.name != "note").collect();
    let rows = batch(&spec, &texts);
    let mut encoder = ProtobufEncoder::new(&spec, &order(), &ProtobufOptions::default()).unwrap();
    let records = encoded(&mut encoder, &rows);
    assert!(records[1].is_empty(), "a row of NULLs has no fields");
    let read = DynamicMessage::decode(order(), &*records[0]).unwrap();
    assert_eq!(read.get_field_by_name("cents").unwrap().as_i64(), Some(0));
    assert!(read.has_field_by_name("cents"), "a zero with presence is written");
    let deltas: Vec<_> =
        read.get_field_by_name("deltas").unwrap().as_list().unwrap().iter().map(Value::as_i32).collect();
    assert_eq!(deltas, [Some(1), Some(-2), Some(0)]);
    assert_eq!(read.get_field_by_name("weights").unwrap().as_map().unwrap().len(), 2);
    assert_eq!(read.get_field_by_name("state").unwrap().as_enum_number(), Some(1));
    use prost_reflect::prost::Message;
    // The default of a map's entry, nine bytes, is written as Java writes it.
    assert_eq!(read.encode_to_vec().len() + 9, records[0].len(), "nothing superfluous is written");
}

#[test]
fn a_derived_definition_carries_what_it_was_derived_from() {
    let spec: Vec<Field> = crate::avro::everything();
    let definition = derive(&spec, "all-types").unwrap();
    assert!(definition.contains("message all_types {") && definition.contains("optional int32 t = 1;"), "{definition}");
    let message = ProtobufSchema::parse(&definition).unwrap().message(None).unwrap();
    // Protobuf has no NULL in collections, and no difference between an empty and an absent one.
    let texts: Vec<String> = ROWS
        .iter()
        .map(|row| row.replace(",null]", "]").replace(r#","y":null"#, "").replace(r#",{"k":null,"v":null}"#, ""))
        .map(|row| {
            row.replace(
                r#""tags":[],"counts":{},"who":{"name":null,"ages":null},"many":[]"#,
                r#""who":{"name":null,"ages":null}"#,
            )
        })
        .map(|row| row.replace(r#","ages":[]"#, ""))
        .collect();
    let before = batch(&spec, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let options = ProtobufOptions::default();
    let mut encoder = ProtobufEncoder::new(&spec, &message, &options).unwrap();
    let mut decoder = ProtobufDecoder::new(&spec, &message, &options).unwrap();
    for record in encoded(&mut encoder, &before) {
        decoder.push(&record).unwrap();
    }
    assert_eq!(decoder.finish(), before);
}

#[test]
fn the_table_names_its_message() {
    let options = |name: &str| with(&[("protobuf.definition", SHOP), ("protobuf.message-class-name", name)]);
    let spec = fields(&[("sku", "string"), ("quantity", "bigint")]);
    for name in ["shop.Order.Line", "Order.Line", "com.example.OuterClass$Order$Line"] {
        let mut decoder = format::decoder("protobuf", &options(name), &spec).unwrap();
        decoder.push(&[10, 1, b'x', 16, 3]).unwrap();
        assert_eq!(rows(decoder.as_mut()), ["x|3"]);
    }
    let error = |with: &std::collections::BTreeMap<String, String>| {
        format::decoder("protobuf", with, &spec).err().unwrap().to_string()
    };
    assert!(error(&options("Nope")).contains("shop.Order.Line"));
    assert!(error(&with(&[])).contains("protobuf.definition"));
    assert!(error(&with(&[("protobuf.definition", "message {")])).contains("definition"));
    let strict = [Field { name: "x".into(), typed: Typed { ty: SqlType::Int, nullable: false } }];
    assert!(format::decoder("protobuf", &options("Order.Line"), &strict).is_err());
}

#[test]
fn damaged_messages_are_errors_or_other_messages() {
    let spec = fields(&COLUMNS);
    let mut decoder = ProtobufDecoder::new(&spec, &order(), &ProtobufOptions::default()).unwrap();
    let full = message(
        r#"{"id":"o-1","deltas":[1,-2,3],"lines":[{"sku":"a"}],"weights":{"kg":1.5},"note":"hi","first":{"sku":"f"}}"#,
    );
    let mut random = crate::fuzz::Random(9);
    for round in 0..20_000 {
        let mut record = full.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(record.len() as u64) as usize;
            record[at] = random.below(256) as u8;
        }
        let before = decoder.len();
        let fits = decoder.push(&record).is_ok();
        assert_eq!(decoder.len(), before + usize::from(fits));
        if round % 512 == 0 {
            decoder.finish();
        }
    }
}
