//! Avro: what is written is what is read, by the same schema and by others.

use crate::{fields, rows, with};
use arrow::record_batch::RecordBatch;
use millrace_schema::avro::{AvroDecoder, AvroEncoder, derive};
use millrace_schema::{Decoder, Encoder, Field, SqlType, Typed, format};
use std::collections::BTreeMap;

/// All types that Avro carries, nested too.
pub fn everything() -> Vec<Field> {
    fields(&[
        ("t", "tinyint"),
        ("s", "smallint"),
        ("i", "int"),
        ("l", "bigint"),
        ("f", "float"),
        ("d", "double"),
        ("b", "boolean"),
        ("text", "string"),
        ("bytes", "binary"),
        ("price", "decimal(20,3)"),
        ("day", "date"),
        ("at", "timestamp"),
        ("seen", "timestamp_ltz"),
        ("noon", "time"),
        ("tags", "array<string>"),
        ("counts", "map<string,bigint>"),
        ("who", "struct<name:string,ages:array<int>>"),
        ("many", "array<struct<k:string,v:double>>"),
    ])
}

pub const ROWS: [&str; 4] = [
    r#"{"t":-128,"s":32767,"i":-2147483648,"l":9223372036854775807,"f":1.5,"d":-1e300,"b":true,"text":"Grüße 😀",
        "bytes":"AAECgP8=","price":12345678901234567.891,"day":"2026-01-31","at":"2026-01-31 08:05:00.123","seen":"1969-12-31 23:59:59.999Z",
        "noon":"12:00:00","tags":["a","",null],"counts":{"x":1,"y":null},"who":{"name":"Ada","ages":[1,2,3]},
        "many":[{"k":"p","v":0.5},{"k":null,"v":null}]}"#,
    r#"{}"#,
    r#"{"t":0,"s":0,"i":0,"l":0,"f":0,"d":0,"b":false,"text":"","bytes":"","price":0,"day":"1970-01-01","at":"1970-01-01 00:00:00",
        "tags":[],"counts":{},"who":{"name":null,"ages":null},"many":[]}"#,
    r#"{"price":-0.001,"l":-9223372036854775808,"text":"one","who":{"name":"x","ages":[]}}"#,
];

/// The rows of JSON texts.
pub fn batch(spec: &[Field], records: &[&str]) -> RecordBatch {
    let mut decoder = format::decoder("json", &BTreeMap::new(), spec).unwrap();
    records.iter().for_each(|record| decoder.push(record.as_bytes()).unwrap());
    decoder.finish()
}

/// Each row's bytes.
pub fn encoded(encoder: &mut dyn Encoder, batch: &RecordBatch) -> Vec<Vec<u8>> {
    (0..batch.num_rows())
        .map(|row| {
            let mut out = Vec::new();
            encoder.encode(batch, row, &mut out).unwrap();
            out
        })
        .collect()
}

/// One JSON record written with one schema and read into other columns: the row, or the error.
fn resolved(definition: &str, written: &[(&str, &str)], record: &str, wanted: &[(&str, &str)]) -> String {
    let written = fields(written);
    let mut encoder = AvroEncoder::new(&written, definition).unwrap();
    let records = encoded(&mut encoder, &batch(&written, &[record]));
    let mut decoder = match AvroDecoder::by(definition, &fields(wanted)) {
        Ok(decoder) => decoder,
        Err(error) => return format!("!! {error}"),
    };
    match decoder.push(&records[0]) {
        Ok(()) => rows(&mut decoder).remove(0),
        Err(error) => format!("! {error}"),
    }
}

fn record(members: &str) -> String {
    format!(r#"{{"type":"record","name":"r","fields":[{members}]}}"#)
}

#[test]
fn all_types_come_back() {
    let spec = everything();
    let before = batch(&spec, &ROWS);
    let mut encoder = format::encoder("avro", &with(&[]), &spec).unwrap();
    let mut decoder = format::decoder("avro", &with(&[]), &spec).unwrap();
    for record in encoded(encoder.as_mut(), &before) {
        decoder.push(&record).unwrap();
        // Every prefix is an error, and adds no row.
        let rows = decoder.len();
        for cut in 0..record.len() {
            assert!(decoder.push(&record[..cut]).is_err(), "{cut} of {}", record.len());
        }
        assert_eq!(decoder.len(), rows);
    }
    assert_eq!(decoder.finish(), before);
}

#[test]
fn the_derived_schema_is_flinks() {
    let spec = [
        Field { name: "id".into(), typed: Typed { ty: SqlType::BigInt, nullable: false } },
        Field::nullable("at", SqlType::Timestamp(3)),
        Field::nullable("who", SqlType::Row(vec![Field::nullable("name", SqlType::STRING)])),
    ];
    let definition = derive(&spec, None, true).unwrap();
    assert_eq!(
        definition,
        r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[{"name":"id","type":"long"},{"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},{"name":"who","type":["null",{"type":"record","name":"record_who","namespace":"org.apache.flink.avro.generated","fields":[{"name":"name","type":["null","string"],"default":null}]}],"default":null}]}"#
    );
    let local = derive(&spec[1..2], Some("shop.order"), false).unwrap();
    assert!(local.contains("local-timestamp-millis") && local.contains(r#""namespace":"shop""#), "{local}");
    let bad = derive(&fields(&[("a b", "int")]), None, true).unwrap_err().to_string();
    assert!(bad.contains("'a b'"), "{bad}");
}

#[test]
fn writers_types_are_promoted() {
    let long = record(r#"{"name":"v","type":"long"}"#);
    let int = record(r#"{"name":"v","type":"int"}"#);
    let double = record(r#"{"name":"v","type":"double"}"#);
    let bytes = record(r#"{"name":"v","type":"bytes"}"#);
    let string = record(r#"{"name":"v","type":"string"}"#);
    let micros = record(r#"{"name":"v","type":{"type":"long","logicalType":"timestamp-micros"}}"#);
    let decimal = record(r#"{"name":"v","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":3}}"#);
    let symbol = record(r#"{"name":"v","type":{"type":"enum","name":"e","symbols":["UP","DOWN"]}}"#);
    let cases = [
        (&int, "int", r#"{"v":7}"#, "bigint", "7"),
        (&int, "int", r#"{"v":7}"#, "double", "7.0"),
        (&long, "bigint", r#"{"v":7}"#, "int", "7"),
        (&long, "bigint", r#"{"v":3000000000}"#, "int", "! field 'v': 3000000000 is no INT"),
        (&long, "bigint", r#"{"v":7}"#, "float", "7.0"),
        (
            &double,
            "double",
            r#"{"v":7}"#,
            "bigint",
            "!! the avro format cannot carry field 'v' of type BIGINT: the writer's double is no BIGINT",
        ),
        (&bytes, "binary", r#"{"v":"aGk="}"#, "string", "hi"),
        (&bytes, "binary", r#"{"v":"/w=="}"#, "string", "! field 'v': the bytes are no UTF-8 text"),
        (&string, "string", r#"{"v":"hi"}"#, "binary", "6869"),
        (&micros, "timestamp", r#"{"v":"2026-01-31 08:05:00.123"}"#, "timestamp", "2026-01-31T08:05:00.123"),
        (&decimal, "decimal(10,3)", r#"{"v":-1.005}"#, "decimal(10,2)", "-1.01"),
        (&decimal, "decimal(10,3)", r#"{"v":1.005}"#, "decimal(10,5)", "1.00500"),
        (&decimal, "decimal(10,3)", r#"{"v":1234567.0}"#, "decimal(4,2)", "∅"),
        (&symbol, "string", r#"{"v":"DOWN"}"#, "string", "DOWN"),
    ];
    for (definition, written, text, wanted, expected) in cases {
        assert_eq!(resolved(definition, &[("v", written)], text, &[("v", wanted)]), expected, "{definition} {wanted}");
    }
}

#[test]
fn fields_come_and_go() {
    let v1 = record(
        r#"{"name":"gone","type":{"type":"array","items":{"type":"map","values":["null","r"]}}},{"name":"id","type":"long"}"#,
    );
    let mut decoder = AvroDecoder::by(&v1, &fields(&[("new", "string"), ("id", "bigint")])).unwrap();
    // gone: one block of two maps (one with an entry that is null, one empty), told with its length; id 5.
    decoder.push(&[3, 12, 2, 2, b'k', 0, 0, 0, 0, 10]).unwrap();
    // gone: one map whose entry is this record again; its gone is empty, its id 1; id 2.
    decoder.push(&[2, 2, 2, b'k', 2, 0, 2, 0, 0, 4]).unwrap();
    assert_eq!(rows(&mut decoder), ["∅|5", "∅|2"]);
    let strict = [Field { name: "new".into(), typed: Typed { ty: SqlType::Int, nullable: false } }];
    let error = AvroDecoder::by(&v1, &strict).err().unwrap().to_string();
    assert!(error.contains("field 'new'") && error.contains("NOT NULL"), "{error}");
    assert!(AvroDecoder::by("\"string\"", &[]).err().unwrap().to_string().contains("record"));
    assert!(AvroDecoder::by("{", &[]).is_err());
}

#[test]
fn a_union_fails_only_where_it_does_not_fit() {
    let union = record(r#"{"name":"v","type":["null","string","long"]}"#);
    let mut decoder = AvroDecoder::by(&union, &fields(&[("v", "string")])).unwrap();
    decoder.push(&[2, 4, b'h', b'i']).unwrap();
    decoder.push(&[0]).unwrap();
    let error = decoder.push(&[4, 10]).unwrap_err().to_string();
    assert!(error.contains("field 'v'") && error.contains("long"), "{error}");
    assert!(decoder.push(&[6, 10]).unwrap_err().to_string().contains("branch"));
    assert_eq!(rows(&mut decoder), ["hi", "∅"]);
}

#[test]
fn hostile_bytes_are_errors() {
    let deep = record(r#"{"name":"next","type":["null","r"]},{"name":"id","type":"long"}"#);
    let mut decoder = AvroDecoder::by(&deep, &fields(&[("id", "bigint")])).unwrap();
    assert!(decoder.push(&[2; 100_000]).unwrap_err().to_string().contains("deeper"));
    let nulls = record(r#"{"name":"v","type":{"type":"array","items":"null"}}"#);
    let mut decoder = AvroDecoder::by(&nulls, &fields(&[("w", "int")])).unwrap();
    assert!(decoder.push(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]).is_err());
    let spec = everything();
    let mut decoder = format::decoder("avro", &with(&[]), &spec).unwrap();
    let mut random = crate::fuzz::Random(7);
    let good = encoded(format::encoder("avro", &with(&[]), &spec).unwrap().as_mut(), &batch(&spec, &ROWS));
    for round in 0..20_000 {
        let mut record = good[round % good.len()].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(record.len() as u64) as usize;
            record[at] = random.below(256) as u8;
        }
        let before = decoder.len();
        let fits = decoder.push(&record).is_ok();
        assert_eq!(decoder.len(), before + usize::from(fits));
        if round % 512 == 0 {
            // Arrow checks offsets, lengths and UTF-8 once more.
            decoder.finish();
        }
    }
}
