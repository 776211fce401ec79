//! The decoder against serde_json: the same documents are accepted, with the same values.

use crate::fields;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use millrace_schema::format;
use std::collections::BTreeMap;

/// xorshift: enough for tests, the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

fn space(random: &mut Random) -> &'static str {
    random.pick(&["", "", "", " ", "\n ", "\t"])
}

fn string(random: &mut Random) -> String {
    let parts =
        ["a", "longer text with spaces ", "é", "日本", "😀", "\\n", "\\\"", "\\\\", "\\u0041", "\\ud83d\\ude00", "/"];
    (0..random.below(6)).map(|_| random.pick(&parts)).collect()
}

fn number(random: &mut Random) -> String {
    match random.below(5) {
        0 => random.below(1000).to_string(),
        1 => format!("-{}", random.below(u64::MAX)),
        2 => format!("{}.{}", random.below(100_000), random.below(1_000_000)),
        3 => format!("{}e{}", random.below(1000), random.below(20)),
        _ => format!("{}.{}E-{}", random.below(10), random.below(u64::MAX), random.below(300)),
    }
}

fn value(random: &mut Random, depth: u32) -> String {
    match random.below(if depth > 3 { 5 } else { 7 }) {
        0 => "null".into(),
        1 => random.pick(&["true", "false"]).into(),
        2 => number(random),
        3 | 4 => format!("\"{}\"", string(random)),
        5 => {
            let items: Vec<_> = (0..random.below(4)).map(|_| value(random, depth + 1)).collect();
            format!("[{}{}]", space(random), items.join(&format!("{},{}", space(random), space(random))))
        }
        _ => object(random, depth + 1),
    }
}

fn object(random: &mut Random, depth: u32) -> String {
    let mut members = Vec::new();
    for key in ["s", "i", "d", "o", "x", "long key that nobody wants"] {
        if random.below(4) == 0 {
            continue;
        }
        let value = match key {
            "s" => format!("\"{}\"", string(random)),
            "i" => format!("{}{}", random.pick(&["", "-"]), random.below(1 << 60)),
            "d" => number(random),
            _ => value(random, depth),
        };
        members.push(format!("{}\"{key}\"{}:{}{value}{}", space(random), space(random), space(random), space(random)));
    }
    if random.below(3) == 0 {
        members.reverse();
    }
    format!("{{{}}}", members.join(","))
}

#[test]
fn documents_mean_what_serde_json_says() {
    let mut random = Random(42);
    let spec = fields(&[("s", "string"), ("i", "bigint"), ("d", "double")]);
    let mut decoder = format::decoder("json", &BTreeMap::new(), &spec).unwrap();
    let mut compared = 0;
    for round in 0..30_000 {
        let mut text = object(&mut random, 0).into_bytes();
        if round % 2 == 1 {
            // Damage: a byte changed, dropped or repeated.
            let at = random.below(text.len() as u64) as usize;
            match random.below(3) {
                0 => text[at] = random.below(256) as u8,
                1 => drop(text.remove(at)),
                _ => text.insert(at, text[at]),
            }
        }
        // serde_json refuses what follows the object and lone surrogates; Flink ignores the one, replaces the other.
        let mut stream = serde_json::Deserializer::from_slice(&text).into_iter::<serde_json::Value>();
        let expected = stream.next();
        let result = decoder.push(&text);
        match expected {
            Some(Ok(serde_json::Value::Object(object))) => {
                let typed = object.get("s").is_none_or(|v| v.is_string()) && object.get("i").is_none_or(|v| v.is_i64());
                if !typed || !object.get("d").is_none_or(|v| v.is_number()) {
                    decoder.finish();
                    continue;
                }
                assert!(result.is_ok(), "{} {result:?}", String::from_utf8_lossy(&text));
                let batch = decoder.finish();
                let (s, i, d) = (batch.column(0), batch.column(1), batch.column(2));
                let (s, i) = (s.as_string::<i32>(), i.as_primitive::<Int64Type>());
                let d = d.as_primitive::<Float64Type>();
                assert_eq!(s.is_valid(0).then(|| s.value(0)), object.get("s").and_then(|v| v.as_str()));
                assert_eq!(i.is_valid(0).then(|| i.value(0)), object.get("i").and_then(|v| v.as_i64()));
                let close = match (d.is_valid(0), object.get("d").and_then(|v| v.to_string().parse::<f64>().ok())) {
                    // serde_json without its float_roundtrip feature may be one unit off.
                    (true, Some(expected)) => (d.value(0) - expected).abs() <= expected.abs() * 1e-15,
                    (valid, expected) => !valid && expected.is_none(),
                };
                assert!(close, "{}", String::from_utf8_lossy(&text));
                compared += 1;
            }
            other => {
                let tolerated = matches!(&other, Some(Err(error)) if {
                    let reason = error.to_string();
                    reason.contains("surrogate") || reason.contains("control character") || reason.contains("hex escape") || reason.contains("out of range")
                });
                assert!(tolerated || result.is_err(), "{} {other:?}", String::from_utf8_lossy(&text));
                decoder.finish();
            }
        }
    }
    assert!(compared > 12_000, "{compared}");
}
