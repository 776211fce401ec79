//! JSON as Firehose's OpenX SerDe reads it.

use crate::{fields, rows};
use millrace_schema::Decoder;
use millrace_schema::json::{JsonDecoder, JsonOptions};

#[test]
fn keys_fold_and_timestamps_come_in_many_forms() {
    let spec = fields(&[("orderid", "int"), ("ts", "timestamp"), ("a_b", "string"), ("renamed", "string")]);
    let mut options = JsonOptions::openx();
    options.keys.dots_to_underscores = true;
    options.keys.mappings.insert("renamed".into(), "Original.Key".into());
    let mut decoder = JsonDecoder::new(&spec, options).unwrap();
    for ts in [
        r#""2026-01-01 00:00:00.5""#,
        r#""2026-01-01T00:00:00.5Z""#,
        r#""2026-01-01T02:00:00.5+02:00""#,
        "1767225600500",
        "1767225600.5",
    ] {
        let record = format!(r#"{{"OrderID":7,"TS":{ts},"A.b":"x","original.key":"y"}}"#);
        decoder.push(record.as_bytes()).unwrap();
    }
    assert_eq!(rows(&mut decoder), ["7|2026-01-01T00:00:00.500|x|y"; 5]);
}

#[test]
fn several_objects_of_one_payload_are_read_one_by_one() {
    let mut decoder = JsonDecoder::new(&fields(&[("a", "int")]), JsonOptions::openx()).unwrap();
    let mut rest: &[u8] = b"{\"a\":1}{\"a\":2}\n{\"a\":3}\n";
    while !rest.is_empty() {
        let taken = decoder.push_next(rest).unwrap();
        rest = &rest[taken..];
    }
    assert_eq!(rows(&mut decoder), ["1", "2", "3"]);
}
