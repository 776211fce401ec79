//! Whether a text is a schema, and whether a new version may follow the old ones in one of AWS's eight modes.

use super::finding::Finding;
use super::words::{Compatibility, DataFormat, Direction, InvalidDefinition, Violation};
use super::{avro, json, protobuf};

/// Whether `definition` is a schema of `format`.
pub fn validate(format: DataFormat, definition: &str) -> Result<(), InvalidDefinition> {
    match format {
        DataFormat::Avro => avro::parse(definition).map(drop),
        DataFormat::Json => json::parse(definition).map(drop),
        DataFormat::Protobuf => protobuf::parse(definition).map(drop),
    }
}

/// Whether `new` may follow `old` (oldest first) under `mode`; all that is broken otherwise.
///
/// Backward means that the new version reads what the old ones wrote, forward the other way round. Modes without `ALL`
/// look at the last of `old` alone. A definition that is none is a violation too.
pub fn check(format: DataFormat, mode: Compatibility, new: &str, old: &[&str]) -> Result<(), Vec<Violation>> {
    let Some(last) = old.len().checked_sub(1) else { return Ok(()) };
    if mode == Compatibility::Disabled {
        return Err(vec![disabled(last)]);
    }
    let first = if mode.is_transitive() { 0 } else { last };
    let mut violations = Vec::new();
    for (index, old) in old.iter().enumerate().skip(first) {
        for direction in mode.directions() {
            violations.extend(step(format, *direction, new, old, index));
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// What breaks between one old version and the new one, in one direction.
fn step(format: DataFormat, direction: Direction, new: &str, old: &str, old_index: usize) -> Vec<Violation> {
    let (writer, reader) = match direction {
        Direction::Backward => (old, new),
        Direction::Forward => (new, old),
    };
    let found = match format {
        DataFormat::Avro => avro::parse(writer).and_then(|writer| Ok(avro::findings(&writer, &avro::parse(reader)?))),
        DataFormat::Json => json::parse(writer).and_then(|writer| Ok(json::findings(&writer, &json::parse(reader)?))),
        DataFormat::Protobuf => protobuf::parse(writer)
            .and_then(|writer| Ok(protobuf::findings(&writer, &protobuf::parse(reader)?, direction))),
    };
    match found {
        Ok(found) => found.into_iter().map(|finding| violation(finding, direction, old_index)).collect(),
        Err(invalid) => vec![unreadable(&invalid, old_index, validate(format, new).is_err())],
    }
}

fn violation(finding: Finding, direction: Direction, old_index: usize) -> Violation {
    let (was, is, remedy) = match direction {
        Direction::Backward => (finding.writer, finding.reader, finding.rule.new_reads),
        Direction::Forward => (finding.reader, finding.writer, finding.rule.old_reads),
    };
    let Finding { rule, at, why, .. } = finding;
    let remedy = remedy.to_owned();
    Violation { direction: Some(direction), old_index, at, rule: rule.name, was, is, why, remedy }
}

fn disabled(old_index: usize) -> Violation {
    Violation {
        direction: None,
        old_index,
        at: "the schema".to_owned(),
        rule: "versions-disabled",
        was: "a first version".to_owned(),
        is: "another version".to_owned(),
        why: "its compatibility mode is DISABLED, which allows no second version".to_owned(),
        remedy: "change the schema's compatibility mode with UpdateSchema, or make a schema of another name".to_owned(),
    }
}

fn unreadable(invalid: &InvalidDefinition, old_index: usize, of_new: bool) -> Violation {
    let which = if of_new { "new" } else { "old" };
    let at = if invalid.at.is_empty() { "the definition".to_owned() } else { invalid.at.clone() };
    Violation {
        direction: None,
        old_index,
        at,
        rule: "definition-invalid",
        was: if of_new { "a definition".to_owned() } else { "no definition".to_owned() },
        is: if of_new { "no definition".to_owned() } else { "a definition".to_owned() },
        why: format!("the {which} version is no {} schema: {}", invalid.format, invalid.reason),
        remedy: format!("correct the {which} definition"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: &str = r#""int""#;
    const LONG: &str = r#""long""#;
    const STRING: &str = r#""string""#;

    fn is_ok(mode: Compatibility, new: &str, old: &[&str]) -> bool {
        check(DataFormat::Avro, mode, new, old).is_ok()
    }

    #[test]
    fn a_first_version_is_always_fine() {
        for mode in Compatibility::ALL {
            assert!(is_ok(mode, INT, &[]), "{mode}");
        }
    }

    #[test]
    fn modes_look_the_right_way() {
        use Compatibility::*;
        // Longs read ints, ints do not read longs.
        let widened = Compatibility::ALL.map(|mode| is_ok(mode, LONG, &[INT]));
        assert_eq!(widened, [true, false, true, true, false, false, false, false]);
        let narrowed = Compatibility::ALL.map(|mode| is_ok(mode, INT, &[LONG]));
        assert_eq!(narrowed, [true, false, false, false, true, true, false, false]);
        assert!(is_ok(FullAll, INT, &[INT, INT]));
    }

    #[test]
    fn only_the_transitive_modes_look_at_all_versions() {
        use Compatibility::*;
        let modes = [Backward, BackwardAll, Forward, ForwardAll, Full, FullAll];
        let results = modes.map(|mode| is_ok(mode, INT, &[STRING, INT]));
        assert_eq!(results, [true, false, true, false, true, false]);
        let broken = check(DataFormat::Avro, BackwardAll, INT, &[STRING, INT, STRING]).unwrap_err();
        assert_eq!(broken.iter().map(|violation| violation.old_index).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn a_violation_tells_old_from_new_in_both_directions() {
        let backward = check(DataFormat::Avro, Compatibility::Backward, INT, &[STRING]).unwrap_err();
        let forward = check(DataFormat::Avro, Compatibility::Forward, INT, &[STRING]).unwrap_err();
        for violation in [&backward[0], &forward[0]] {
            assert_eq!((violation.was.as_str(), violation.is.as_str()), ("string", "int"));
        }
        assert_ne!(backward[0].remedy, forward[0].remedy);
    }

    #[test]
    fn what_is_no_definition_is_said_to_be_none() {
        let broken = check(DataFormat::Avro, Compatibility::Backward, "{", &[INT]).unwrap_err();
        assert_eq!((broken.len(), broken[0].rule), (1, "definition-invalid"));
        assert!(broken[0].why.contains("the new version"), "{}", broken[0]);
        let disabled = check(DataFormat::Json, Compatibility::Disabled, "{}", &["{}"]).unwrap_err();
        assert_eq!(disabled[0].rule, "versions-disabled");
    }

    #[test]
    fn names_are_aws_names() {
        assert_eq!("backward_all".parse(), Ok(Compatibility::BackwardAll));
        assert_eq!(serde_json::to_string(&Compatibility::FullAll).unwrap(), r#""FULL_ALL""#);
        assert_eq!(serde_json::to_string(&DataFormat::Protobuf).unwrap(), r#""PROTOBUF""#);
        assert!("XML".parse::<DataFormat>().unwrap_err().contains("AVRO, JSON, PROTOBUF"));
    }
}
