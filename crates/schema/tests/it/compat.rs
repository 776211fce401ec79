//! The compatibility rules against the tables of `tests/compat/`: old and new definitions, with what the official tools said
//! of both directions (recorded by `tests/compat/record/record.py`).
//!
//! The answer of a row is that of the tool that knows what can be read: Avro's own, for Protobuf the round trip through
//! Google's runtime, for JSON Schema instances of one schema shown to a validator of the other. A row whose answer was set by
//! hand, and a row of whose tools one says otherwise, gives its reason in `because`.

use millrace_schema::registry::{Compatibility, DataFormat, check, validate};
use serde::Deserialize;
use std::collections::BTreeMap;

const TABLES: [(DataFormat, &str, &str); 3] = [
    (DataFormat::Avro, include_str!("../compat/avro.jsonl"), "avro 1.12.2"),
    (DataFormat::Json, include_str!("../compat/json.jsonl"), "hypothesis-jsonschema"),
    (DataFormat::Protobuf, include_str!("../compat/protobuf.jsonl"), "protobuf round trip"),
];
/// Fewer rows than this, and something was lost.
const ROWS_MIN: usize = 400;

#[derive(Debug, Deserialize)]
struct Row {
    name: String,
    old: String,
    new: String,
    tools: BTreeMap<String, Answer>,
    /// Set by hand where the tool is wrong or does not know.
    #[serde(default)]
    answer: Answer,
    /// What Millrace says where it refuses more than it must.
    #[serde(default)]
    careful: Answer,
    because: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Answer {
    backward: Option<bool>,
    forward: Option<bool>,
}

impl Answer {
    fn of(&self, mode: Compatibility) -> Option<bool> {
        if mode == Compatibility::Backward { self.backward } else { self.forward }
    }
}

impl Row {
    fn answer(&self, tool: &str, mode: Compatibility) -> bool {
        let recorded = || self.tools.get(tool).and_then(|said| said.of(mode));
        self.answer.of(mode).or_else(recorded).unwrap_or_else(|| panic!("{}: nobody answered {mode}", self.name))
    }
}

fn rows(text: &str) -> Vec<Row> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

const DIRECTIONS: [Compatibility; 2] = [Compatibility::Backward, Compatibility::Forward];

#[test]
fn the_rules_agree_with_the_official_tools() {
    let (mut total, mut wrong) = (0, Vec::new());
    for (format, table, tool) in TABLES {
        for row in rows(table) {
            total += 1;
            for mode in DIRECTIONS {
                let said = check(format, mode, &row.new, &[&row.old]);
                let expected = row.careful.of(mode).unwrap_or_else(|| row.answer(tool, mode));
                if said.is_ok() != expected {
                    let why: Vec<String> = said.err().into_iter().flatten().map(|broken| broken.to_string()).collect();
                    wrong.push(format!("{format} {} {mode}: expected {expected}: {why:?}", row.name));
                }
            }
        }
    }
    assert!(total >= ROWS_MIN, "only {total} rows");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn rows_that_are_judged_too_carefully_are_few_and_never_too_lax() {
    let careful: Vec<String> = TABLES
        .iter()
        .flat_map(|(_, table, tool)| rows(table).into_iter().map(move |row| (row, tool)))
        .flat_map(|(row, tool)| DIRECTIONS.map(|mode| (row.careful.of(mode), row.answer(tool, mode), row.name.clone())))
        .filter_map(|(careful, answer, name)| careful.map(|said| (said, answer, name)))
        .map(|(said, answer, name)| {
            assert!(!said && answer, "{name}: only a refusal may be over-careful");
            name
        })
        .collect();
    assert!(careful.len() <= 2, "{careful:?}");
}

#[test]
fn whoever_disagrees_with_an_answer_is_answered() {
    let mut silent = Vec::new();
    for (format, table, tool) in TABLES {
        for row in rows(table) {
            let apart =
                |mode| row.tools.values().any(|said| said.of(mode).is_some_and(|it| it != row.answer(tool, mode)));
            if DIRECTIONS.into_iter().any(apart) && row.because.is_none() {
                silent.push(format!("{format} {}", row.name));
            }
        }
    }
    assert!(silent.is_empty(), "rows without a reason:\n{}", silent.join("\n"));
}

#[test]
fn every_definition_of_the_tables_is_valid_and_every_violation_says_where() {
    for (format, table, _) in TABLES {
        for row in rows(table) {
            for definition in [&row.old, &row.new] {
                validate(format, definition).unwrap_or_else(|error| panic!("{}: {error}", row.name));
            }
            for broken in check(format, Compatibility::Full, &row.new, &[&row.old]).err().into_iter().flatten() {
                let texts = [&broken.at, &broken.was, &broken.is, &broken.why, &broken.remedy];
                assert!(texts.iter().all(|text| !text.is_empty()), "{}: {broken:?}", row.name);
                assert_ne!(broken.rule, "json-narrowed", "{}: no place is named", row.name);
            }
        }
    }
}

#[test]
fn a_version_may_always_follow_itself() {
    for (format, table, _) in TABLES {
        for row in rows(table) {
            let said = check(format, Compatibility::FullAll, &row.old, &[&row.old, &row.old]);
            assert!(said.is_ok(), "{}: {said:?}", row.name);
        }
    }
}
