//! CloudFormation resource schemas: from the Python package cfn-lint, which carries AWS's own, to one compact file.

use crate::{shell, venv};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The resource types that templates may use.
const TYPES: [&str; 33] = [
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::AlarmMuteRule",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Glue::Database",
    "AWS::Glue::Registry",
    "AWS::Glue::Schema",
    "AWS::Glue::SchemaVersion",
    "AWS::Glue::SchemaVersionMetadata",
    "AWS::Glue::Table",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::Kinesis::StreamConsumer",
    "AWS::KinesisAnalyticsV2::Application",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
    "AWS::OpenSearchService::Domain",
    "AWS::S3::Bucket",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
];

/// The words of JSON Schema that the checker knows. Prose, handlers and hints for tools are left out.
const KEPT: [&str; 16] = [
    "$ref",
    "type",
    "properties",
    "patternProperties",
    "additionalProperties",
    "items",
    "required",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "const",
];

/// `[PYTHON]`: the interpreter whose cfn-lint is read; without one, that of the project's own Python tools.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let python = match arguments.first() {
        Some(python) => python.into(),
        None => venv::ensure()?.join("python"),
    };
    generate(&python, &shell::root())
}

/// Writes `crates/stack/src/schemas.json` below `root` from the cfn-lint that `python` can import.
pub fn generate(python: &Path, root: &Path) -> Result<(), String> {
    let ask = "import cfnlint, cfnlint.version, os; print(os.path.dirname(cfnlint.__file__)); print(cfnlint.version.__version__)";
    let output = Command::new(python)
        .args(["-c", ask])
        .output()
        .map_err(|error| format!("{} does not start: {error}", python.display()))?;
    if !output.status.success() {
        return Err(format!("{} has no cfn-lint: pip install cfn-lint", python.display()));
    }
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = answer.lines();
    let package = lines.next().unwrap_or_default();
    let version = lines.next().unwrap_or_default();
    let data = Path::new(package).join("data/schemas");
    let index = read(&data.join("providers/us-east-1.json"))?;
    let date = read(&data.join("version.json"))?;
    let mut text = format!(
        "{{\n\"source\": {},\n\"types\": {{\n",
        json!({"package": "cfn-lint", "version": version, "schemas": date["schema_date"]})
    );
    for (number, name) in TYPES.iter().enumerate() {
        let file = index[*name].as_str().ok_or(format!("cfn-lint {version} has no schema of {name}"))?;
        let schema = read(&data.join(format!("resources/{file}.json")))?;
        let comma = if number + 1 < TYPES.len() { "," } else { "" };
        text.push_str(&format!("{}: {}{comma}\n", json!(name), one_type(&schema)));
    }
    text.push_str("}\n}\n");
    let target = root.join("crates/stack/src/schemas.json");
    fs::write(&target, text).map_err(|error| format!("{}: {error}", target.display()))
}

fn read(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// One type, a line for each of its definitions so that a new release of AWS shows as a readable difference.
fn one_type(schema: &Value) -> String {
    let mut head = pruned(schema);
    for member in ["readOnlyProperties", "createOnlyProperties", "primaryIdentifier"] {
        if let Some(paths) = schema.get(member) {
            head[member] = paths.clone();
        }
    }
    let mut text = head.to_string();
    text.pop();
    text.push_str(", \"definitions\": {");
    let empty = Map::new();
    let definitions = schema["definitions"].as_object().unwrap_or(&empty);
    for (number, (name, definition)) in definitions.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        text.push_str(&format!("{comma}\n  {}: {}", json!(name), pruned(definition)));
    }
    text.push_str("}}");
    text
}

fn pruned(schema: &Value) -> Value {
    let Some(members) = schema.as_object() else { return schema.clone() };
    let mut kept = Map::new();
    for (name, value) in members.iter().filter(|(name, _)| KEPT.contains(&name.as_str())) {
        match (name.as_str(), value) {
            ("properties" | "patternProperties", Value::Object(all)) => {
                let all: Map<_, _> = all.iter().map(|(name, one)| (name.clone(), pruned(one))).collect();
                kept.insert(name.clone(), Value::Object(all));
            }
            ("items" | "additionalProperties", one) => {
                kept.insert(name.clone(), pruned(one));
            }
            ("const", one) => {
                kept.insert("enum".to_owned(), json!([one]));
            }
            _ => {
                kept.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(kept)
}
