//! How fast records are read: `cargo test -p millrace-schema -- --ignored --nocapture speed`.

use crate::fields;
use millrace_schema::format;
use std::collections::BTreeMap;
use std::time::Instant;

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the machine's clock")]
fn speed_of_four_of_seven_flat_fields() {
    let records: Vec<Vec<u8>> = (0..100_000u64)
        .map(|n| {
            format!(
                r#"{{"order_id":"o-{n:08}","customer":"customer-{}","product":"product {} with a longish name","price":{}.{:02},"quantity":{},"ts":"2026-01-01 {:02}:{:02}:{:02}.{:03}","note":"left at the door"}}"#,
                n % 5000, n % 97, n % 500, n % 100, n % 9 + 1, n / 3600 % 24, n / 60 % 60, n % 60, n % 1000
            )
            .into_bytes()
        })
        .collect();
    let bytes: usize = records.iter().map(Vec::len).sum();
    let spec = fields(&[("customer", "string"), ("price", "double"), ("quantity", "int"), ("ts", "timestamp")]);
    let mut decoder = format::decoder("json", &BTreeMap::new(), &spec).unwrap();
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for chunk in records.chunks(4096) {
            for record in chunk {
                decoder.push(record).unwrap();
            }
            assert_eq!(decoder.finish().num_rows(), chunk.len());
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let per_sec = records.len() as f64 / best;
    println!("{:.0} MB/s, {per_sec:.0} records/s of {} bytes", bytes as f64 / best / 1e6, bytes / records.len());
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the machine's clock")]
fn speed_of_the_same_in_avro_and_protobuf() {
    let spec = fields(&[
        ("order_id", "string"),
        ("customer", "string"),
        ("product", "string"),
        ("price", "double"),
        ("quantity", "int"),
        ("ts", "timestamp"),
        ("note", "string"),
    ]);
    let texts: Vec<String> = (0..4096u64)
        .map(|n| {
            format!(
                r#"{{"order_id":"o-{n:08}","customer":"customer-{}","product":"product {} with a longish name","price":{}.{:02},"quantity":{},"ts":"2026-01-01 00:00:00.{:03}","note":"left at the door"}}"#,
                n % 5000, n % 97, n % 500, n % 100, n % 9 + 1, n % 1000
            )
        })
        .collect();
    let rows = crate::avro::batch(&spec, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let definition = millrace_schema::protobuf::derive(&spec, "Order").unwrap();
    let wanted = fields(&[("customer", "string"), ("price", "double"), ("quantity", "int"), ("ts", "timestamp")]);
    for name in ["avro", "protobuf"] {
        let with = BTreeMap::from([("protobuf.definition".to_owned(), definition.clone())]);
        let records = crate::avro::encoded(format::encoder(name, &with, &spec).unwrap().as_mut(), &rows);
        let mut decoder: Box<dyn millrace_schema::Decoder> = match name {
            "avro" => {
                let writer = millrace_schema::avro::derive(&spec, None, true).unwrap();
                Box::new(millrace_schema::avro::AvroDecoder::by(&writer, &wanted).unwrap())
            }
            _ => format::decoder(name, &with, &wanted).unwrap(),
        };
        let bytes: usize = records.iter().map(Vec::len).sum();
        let mut best = f64::MAX;
        for _ in 0..50 {
            let start = Instant::now();
            records.iter().for_each(|record| decoder.push(record).unwrap());
            assert_eq!(decoder.finish().num_rows(), records.len());
            best = best.min(start.elapsed().as_secs_f64());
        }
        let per_sec = records.len() as f64 / best;
        println!(
            "{name}: {:.0} MB/s, {per_sec:.0} records/s of {} bytes",
            bytes as f64 / best / 1e6,
            bytes / records.len()
        );
    }
}
