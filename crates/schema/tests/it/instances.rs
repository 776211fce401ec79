//! JSON Schema's rules by property: an instance that the writer's schema accepts is accepted by a reader's schema that the
//! rules call compatible. Schemas and instances are made from seeds; validators are the library's.

use millrace_schema::registry::{Compatibility, DataFormat, check};
use serde_json::{Value, json};

const PAIRS: u64 = 1_500;
const INSTANCES: u64 = 40;

/// A small generator of numbers: the same seed gives the same schemas everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

fn schema(chance: &mut Chance, depth: u64) -> Value {
    let numbers = [0, 1, 2, 5];
    match chance.below(if depth == 0 { 7 } else { 11 }) {
        0 => json!({"type": chance.of(&["string", "integer", "number", "boolean", "null"])}),
        1 => json!({"type": "integer", "minimum": chance.of(&numbers), "maximum": chance.of(&[5, 7, 9])}),
        2 => {
            json!({"type": "number", "exclusiveMinimum": chance.of(&numbers), "multipleOf": chance.of(&[0.5, 1.0, 2.0])})
        }
        3 => json!({"type": "string", "minLength": chance.of(&[0, 1, 2]), "maxLength": chance.of(&[2, 3])}),
        4 => json!({"enum": [chance.of(&[json!("a"), json!(1)]), chance.of(&[json!("b"), json!(null), json!(2.5)])]}),
        5 => chance.of(&[json!(true), json!({}), json!({"const": "a"}), json!({"type": ["string", "null"]})]),
        6 => json!({"not": {"type": chance.of(&["string", "integer", "object"])}}),
        7 => json!({"type": "array", "items": schema(chance, depth - 1), "maxItems": chance.of(&[1, 2, 3])}),
        8 => {
            let branches = [schema(chance, depth - 1), schema(chance, depth - 1)];
            let keyword = chance.of(&["anyOf", "oneOf", "allOf"]);
            json!({ keyword: branches })
        }
        _ => object(chance, depth),
    }
}

fn object(chance: &mut Chance, depth: u64) -> Value {
    let mut object = json!({"type": "object", "properties": {"a": schema(chance, depth - 1)}});
    if chance.below(2) == 0 {
        object["properties"]["b"] = schema(chance, depth - 1);
    }
    if chance.below(2) == 0 {
        object["required"] = chance.of(&[json!(["a"]), json!(["b"]), json!(["a", "b"])]);
    }
    match chance.below(4) {
        0 => object["additionalProperties"] = json!(false),
        1 => object["additionalProperties"] = schema(chance, 0),
        2 => object["patternProperties"] = json!({"^b": schema(chance, 0)}),
        _ => {}
    }
    object
}

/// A schema that differs in one place from another, most of the time.
fn changed(chance: &mut Chance, old: &Value) -> Value {
    let mut new = old.clone();
    let Value::Object(map) = &mut new else { return schema(chance, 1) };
    let keys: Vec<String> = map.keys().cloned().collect();
    if keys.is_empty() || chance.below(8) == 0 {
        return schema(chance, 2);
    }
    let key = chance.of(&keys);
    match (key.as_str(), chance.below(3)) {
        ("properties", 0) => map["properties"]["c"] = schema(chance, 0),
        ("properties", _) => map["properties"]["a"] = changed(chance, &old["properties"]["a"]),
        ("items" | "additionalProperties" | "not", _) => map[&key] = changed(chance, &old[&key]),
        ("type", 0) => map["type"] = json!("number"),
        ("minimum" | "maximum" | "minLength" | "maxLength" | "maxItems", 0 | 1) => map[&key] = json!(chance.below(9)),
        _ => drop(map.remove(&key)),
    }
    new
}

fn instance(chance: &mut Chance, depth: u64) -> Value {
    match chance.below(if depth == 0 { 6 } else { 9 }) {
        0 => json!(chance.below(11)),
        1 => json!(chance.below(22) as f64 / 2.0),
        2 => chance.of(&[json!(""), json!("a"), json!("b"), json!("ab"), json!("abcd")]),
        3 => chance.of(&[json!(null), json!(true), json!(false)]),
        4 => json!(-1),
        5 => json!("a"),
        6 => json!([instance(chance, depth - 1)]),
        7 => json!([instance(chance, depth - 1), instance(chance, 0)]),
        _ => {
            let mut object = json!({});
            for name in ["a", "b", "c"] {
                if chance.below(3) != 0 {
                    object[name] = instance(chance, depth - 1);
                }
            }
            object
        }
    }
}

#[test]
fn what_is_called_compatible_accepts_every_instance_that_was_valid() {
    let (mut compatible, mut shown) = (0, 0);
    for seed in 0..PAIRS {
        let mut chance = Chance(seed.wrapping_mul(7_919) + 1);
        let old = schema(&mut chance, 3);
        let new = changed(&mut chance, &old);
        if check(DataFormat::Json, Compatibility::Backward, &new.to_string(), &[&old.to_string()]).is_err() {
            continue;
        }
        compatible += 1;
        let (writer, reader) = (jsonschema::draft7::new(&old).unwrap(), jsonschema::draft7::new(&new).unwrap());
        for _ in 0..INSTANCES {
            let value = instance(&mut chance, 3);
            if writer.is_valid(&value) {
                shown += 1;
                assert!(reader.is_valid(&value), "seed {seed}: {value} is valid under {old} and not under {new}");
            }
        }
    }
    assert!(compatible > 200 && shown > 1_000, "{compatible} compatible pairs and {shown} instances prove nothing");
}
