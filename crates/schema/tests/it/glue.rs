//! Records of the schema registry: versions mixed in one stream, read by the reader's schema, and written with auto-registration.

use crate::avro::{ROWS, batch, encoded, everything};
use crate::{fields, rows, with};
use millrace_base::{Scope, SystemClock, SystemDice, SystemDisk};
use millrace_catalog::Catalog;
use millrace_schema::avro::AvroEncoder;
use millrace_schema::framed::{self, Compression};
use millrace_schema::glue::{FramedDecoder, FramedText, Mixed, Schemas};
use millrace_schema::json::JsonOptions;
use millrace_schema::registry::store::NewSchema;
use millrace_schema::registry::{Compatibility, DataFormat, Registry, SchemaKey};
use millrace_schema::{Decoder, format};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

const V1: &str =
    r#"{"type":"record","name":"order","fields":[{"name":"id","type":"long"},{"name":"who","type":"string"}]}"#;
const V2: &str = r#"{"type":"record","name":"order","fields":[{"name":"customer","aliases":["who"],"type":"string"},{"name":"id","type":"long"},
    {"name":"state","type":{"type":"enum","name":"state","symbols":["NEW","PAID"]},"default":"NEW"},
    {"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},"default":"\u0001\u0000"}]}"#;

struct World {
    _dir: tempfile::TempDir,
    registry: Registry,
    scope: Scope,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&SystemDisk, &dir.path().join("catalog")).unwrap();
        let registry = Registry::new(catalog, Arc::new(SystemClock), Arc::new(SystemDice));
        Self { _dir: dir, registry, scope: Scope::default() }
    }

    fn schemas(&self) -> Schemas {
        Schemas::new(self.registry.clone(), self.scope.clone())
    }

    fn add(&self, name: &str, format: DataFormat, definition: &str) -> Uuid {
        let key = SchemaKey::new(&self.scope, "default-registry", name);
        let new = NewSchema {
            format,
            compatibility: Compatibility::None,
            description: None,
            tags: BTreeMap::new(),
            definition: None,
        };
        let _ = self.registry.create_schema(&key, new);
        self.registry.register(&key, definition).unwrap().id
    }
}

fn frame(id: Uuid, compression: Compression, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    framed::write(id, compression, payload, &mut out);
    out
}

fn avro(definition: &str, spec: &[(&str, &str)], record: &str) -> Vec<u8> {
    let spec = fields(spec);
    encoded(&mut AvroEncoder::new(&spec, definition).unwrap(), &batch(&spec, &[record])).remove(0)
}

const SPEC2: [(&str, &str); 5] =
    [("customer", "string"), ("id", "bigint"), ("state", "string"), ("at", "timestamp"), ("price", "decimal(9,2)")];

#[test]
fn old_and_new_versions_are_read_by_the_readers_schema() {
    let world = World::new();
    let (v1, v2) = (world.add("order", DataFormat::Avro, V1), world.add("order", DataFormat::Avro, V2));
    let old =
        frame(v1, Compression::None, &avro(V1, &[("id", "bigint"), ("who", "string")], r#"{"id":1,"who":"ada"}"#));
    let text = r#"{"customer":"bob","id":2,"state":"PAID","at":"2026-01-31 08:05:00","price":9.99}"#;
    let new = frame(v2, Compression::Zlib, &avro(V2, &SPEC2, text));
    let wanted = fields(&[("id", "bigint"), ("customer", "string"), ("state", "string"), ("price", "decimal(9,2)")]);

    // By the columns alone: what the writer did not have is NULL.
    let mut decoder = FramedDecoder::new(world.schemas(), &wanted, None, None, JsonOptions::default()).unwrap();
    for record in [&old, &new, &old] {
        decoder.push(record).unwrap();
    }
    assert_eq!(rows(&mut decoder), ["1|∅|∅|∅", "2|bob|PAID|9.99", "1|∅|∅|∅"]);

    // By the reader's version: aliases and defaults.
    let mut decoder = FramedDecoder::new(world.schemas(), &wanted, None, Some(V2), JsonOptions::default()).unwrap();
    for record in [&new, &old] {
        decoder.push(record).unwrap();
    }
    assert_eq!(rows(&mut decoder), ["2|bob|PAID|9.99", "1|ada|NEW|2.56"]);

    // The same through a table's options.
    let options = with(&[
        ("avro-glue.aws.region", "us-east-1"),
        ("avro-glue.registry.name", "default-registry"),
        ("avro-glue.schema.name", "order"),
        ("avro-glue.schema.fetchFromRegistry", "true"),
    ]);
    let mut decoder = format::decoder_with("avro-glue", &options, &wanted, Some(&world.schemas())).unwrap();
    decoder.push(&old).unwrap();
    assert_eq!(rows(decoder.as_mut()), ["1|ada|NEW|2.56"]);
}

#[test]
fn what_cannot_be_read_says_why() {
    let world = World::new();
    let v1 = world.add("order", DataFormat::Avro, V1);
    let json = world.add("plain", DataFormat::Json, r#"{"type":"object"}"#);
    let wanted = fields(&[("id", "bigint")]);
    let mut decoder =
        FramedDecoder::new(world.schemas(), &wanted, Some(DataFormat::Avro), None, JsonOptions::default()).unwrap();
    let mut error = |record: &[u8]| decoder.push(record).unwrap_err().to_string();
    let stranger = Uuid::from_u128(7);
    assert!(error(&frame(stranger, Compression::None, b"x")).contains(&stranger.to_string()));
    assert!(error(&frame(json, Compression::None, b"{}")).contains("AVRO"));
    assert!(error(b"{\"id\":1}").contains("begins with byte 123"));
    assert!(error(&frame(v1, Compression::None, &[2])).contains("Avro at byte 1"));
    // Another account's versions are none.
    let other = Schemas::new(world.registry.clone(), Scope::new("111111111111", "us-east-1"));
    let mut decoder = FramedDecoder::new(other, &wanted, None, None, JsonOptions::default()).unwrap();
    assert!(
        decoder.push(&frame(v1, Compression::None, &[2, 2, b'x'])).unwrap_err().to_string().contains("111111111111")
    );
    // A version that does not fit the columns is said again for each of its records.
    let unfit = fields(&[("who", "int")]);
    let mut decoder = FramedDecoder::new(world.schemas(), &unfit, None, None, JsonOptions::default()).unwrap();
    for _ in 0..2 {
        let error = decoder.push(&frame(v1, Compression::None, &[2, 2, b'x'])).unwrap_err().to_string();
        assert!(error.contains("schema order, version 1") && error.contains("'who'"), "{error}");
    }
    let missing = format::decoder("avro-glue", &with(&[]), &wanted).err().unwrap().to_string();
    assert!(missing.contains("avro-glue.aws.region"), "{missing}");
}

#[test]
fn tables_write_what_tables_read_in_all_formats() {
    let world = World::new();
    let spec = everything();
    let rows = batch(&spec, &ROWS[3..]);
    for (name, compression) in
        [("avro-glue", "NONE"), ("avro-glue", "ZLIB"), ("json-glue", "ZLIB"), ("protobuf-glue", "NONE")]
    {
        let key = |option: &str| format!("{name}.{option}");
        let mut options = BTreeMap::from([
            (key("aws.region"), "us-east-1".to_owned()),
            (key("registry.name"), "default-registry".to_owned()),
            (key("schema.name"), format!("{name}-all")),
            (key("schema.compression"), compression.to_owned()),
        ]);
        if compression == "NONE" || name == "json-glue" {
            let refused =
                format::encoder_with(name, &options, &spec, Some(&world.schemas())).err().unwrap().to_string();
            assert!(refused.contains("autoRegistration"), "{refused}");
        }
        options.insert(key("schema.autoRegistration"), "true".to_owned());
        let mut encoder = format::encoder_with(name, &options, &spec, Some(&world.schemas())).unwrap();
        let records = encoded(encoder.as_mut(), &rows);
        assert_eq!(records[0][..2], [3, if compression == "ZLIB" { 5 } else { 0 }]);
        let mut decoder = format::decoder_with(name, &options, &spec, Some(&world.schemas())).unwrap();
        decoder.push(&records[0]).unwrap();
        if name == "protobuf-glue" {
            // An empty array is none there.
            assert_eq!(decoder.finish().columns()[..16], rows.columns()[..16]);
        } else {
            assert_eq!(decoder.finish(), rows);
        }
        // A second writer finds the version that the first one registered.
        let again =
            encoded(format::encoder_with(name, &options, &spec, Some(&world.schemas())).unwrap().as_mut(), &rows);
        assert_eq!(again, records);
    }
}

#[test]
fn mixed_records_come_in_as_they_are() {
    let world = World::new();
    let v1 = world.add("order", DataFormat::Avro, V1);
    let json = world.add("plain", DataFormat::Json, r#"{"type":"object"}"#);
    let proto = r#"syntax = "proto3"; message Other { int32 n = 1; } message A { int64 Id = 1; string who = 2; }"#;
    let proto = world.add("proto", DataFormat::Protobuf, proto);
    let wanted = fields(&[("id", "bigint"), ("who", "string")]);
    let mut mixed = Mixed::new(world.schemas(), &wanted, JsonOptions::openx()).unwrap();
    let records = [
        br#"{"ID":1,"who":"a"} {"id":2,"who":"b"}"#.to_vec(),
        frame(v1, Compression::Zlib, &[6, 2, b'c']),
        frame(json, Compression::None, br#"{"id":4,"who":"d"}"#),
        frame(proto, Compression::None, &[0, 8, 5, 18, 1, b'e']),
    ];
    for record in &records {
        mixed.push(record).unwrap();
    }
    assert!(mixed.push(br#"{"id":6} {"id":"x"}"#).is_err());
    let no_message = mixed.push(&frame(proto, Compression::None, &[9, 8, 5])).unwrap_err().to_string();
    assert!(no_message.contains("message 9"), "{no_message}");
    let batch = mixed.finish();
    assert_eq!(batch.num_rows(), 5);

    let mut text = FramedText::new(world.schemas());
    let mut print = |record: &[u8]| {
        let mut out = Vec::new();
        text.print(record, &mut out).map(|done| done.map(|()| String::from_utf8(out).unwrap()).unwrap())
    };
    assert_eq!(print(&records[0]), None);
    assert_eq!(print(&records[1]).unwrap(), r#"{"id":3,"who":"c"}"#);
    assert_eq!(print(&records[2]).unwrap(), r#"{"id":4,"who":"d"}"#);
    assert_eq!(print(&records[3]).unwrap(), r#"{"Id":5,"who":"e"}"#);
}

#[test]
fn records_are_printed_as_what_they_mean() {
    let world = World::new();
    let v2 = world.add("order", DataFormat::Avro, V2);
    let record = r#"{"customer":"b\"","id":2,"state":"PAID","at":"2026-01-31 08:05:00.5","price":-0.05}"#;
    let mut out = Vec::new();
    let mut text = FramedText::new(world.schemas());
    text.print(&frame(v2, Compression::None, &avro(V2, &SPEC2, record)), &mut out).unwrap().unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"customer":"b\"","id":2,"state":"PAID","at":"2026-01-31T08:05:00.5Z","price":-0.05}"#
    );
}
