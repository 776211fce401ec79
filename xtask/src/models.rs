//! `cargo xtask models`: AWS's own service models → typed shapes in `crates/api/src/models`.
//!
//! The models are botocore's (`data/SERVICE/DATE/service-2.json`), so a new AWS release is one command. Generated is what
//! the operations in [`SERVICES`] reach: structures with their members, and the rules that inputs must keep. The files are
//! committed; `--check` fails when they are not what the models give.

use crate::{shell, venv};
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A service whose model is read.
struct Service {
    /// Its folder in botocore.
    model: &'static str,
    /// The operations that Millrace serves.
    operations: &'static [&'static str],
    /// Members that Millrace does not serve: refused in inputs unless they say nothing, left out of outputs.
    unsupported: &'static [(&'static str, &'static [&'static str])],
}

/// Every service.
const SERVICES: &[Service] = &[
    Service {
        model: "kinesis",
        operations: &[
            "AddTagsToStream",
            "CreateStream",
            "DecreaseStreamRetentionPeriod",
            "DeleteStream",
            "DescribeLimits",
            "DescribeStream",
            "DescribeStreamSummary",
            "GetRecords",
            "GetShardIterator",
            "IncreaseStreamRetentionPeriod",
            "ListShards",
            "ListStreams",
            "ListTagsForResource",
            "ListTagsForStream",
            "PutRecord",
            "PutRecords",
            "RemoveTagsFromStream",
            "TagResource",
            "UntagResource",
        ],
        unsupported: &[("CreateStreamInput", &["WarmThroughputMiBps"])],
    },
    Service {
        model: "glue",
        operations: &[
            "CreateDatabase",
            "CreateTable",
            "DeleteDatabase",
            "DeleteTable",
            "GetDatabase",
            "GetDatabases",
            "GetTable",
            "GetTables",
        ],
        unsupported: &[
            ("CreateDatabaseRequest", &["Tags"]),
            ("CreateTableRequest", &["Name", "OpenTableFormatInput", "PartitionIndexes", "TransactionId"]),
            ("DatabaseInput", &["CreateTableDefaultPermissions", "FederatedDatabase", "TargetDatabase"]),
            ("Database", &["CreateTableDefaultPermissions", "FederatedDatabase", "TargetDatabase"]),
            ("DeleteTableRequest", &["TransactionId"]),
            ("GetDatabasesRequest", &["AttributesToGet", "ResourceShareType"]),
            (
                "GetTableRequest",
                &["AttributesToGet", "AuditContext", "IncludeStatusDetails", "QueryAsOfTime", "TransactionId"],
            ),
            (
                "GetTablesRequest",
                &[
                    "AttributesToGet",
                    "AuditContext",
                    "IncludeStatusDetails",
                    "QueryAsOfTime",
                    "ResourceShareType",
                    "TransactionId",
                ],
            ),
            ("Column", &["Parameters"]),
            (
                "StorageDescriptor",
                &[
                    "AdditionalLocations",
                    "BucketColumns",
                    "NumberOfBuckets",
                    "SchemaReference",
                    "SkewedInfo",
                    "SortColumns",
                    "StoredAsSubDirectories",
                ],
            ),
            (
                "TableInput",
                &[
                    "FederatedTable",
                    "LastAccessTime",
                    "LastAnalyzedTime",
                    "TargetTable",
                    "ViewDefinition",
                    "ViewExpandedText",
                    "ViewOriginalText",
                ],
            ),
            (
                "Table",
                &[
                    "FederatedTable",
                    "IcebergTableMetadata",
                    "LastAccessTime",
                    "LastAnalyzedTime",
                    "RLSProperties",
                    "Status",
                    "TargetTable",
                    "ViewDefinition",
                    "ViewExpandedText",
                    "ViewOriginalText",
                ],
            ),
        ],
    },
    Service {
        model: "firehose",
        operations: &[
            "CreateDeliveryStream",
            "DeleteDeliveryStream",
            "DescribeDeliveryStream",
            "ListDeliveryStreams",
            "PutRecord",
            "PutRecordBatch",
            "UpdateDestination",
        ],
        unsupported: &[
            (
                "CreateDeliveryStreamInput",
                &[
                    "AmazonOpenSearchServerlessDestinationConfiguration",
                    "DatabaseSourceConfiguration",
                    "DeliveryStreamEncryptionConfigurationInput",
                    "DirectPutSourceConfiguration",
                    "ElasticsearchDestinationConfiguration",
                    "HttpEndpointDestinationConfiguration",
                    "IcebergDestinationConfiguration",
                    "MSKSourceConfiguration",
                    "RedshiftDestinationConfiguration",
                    "SnowflakeDestinationConfiguration",
                    "SplunkDestinationConfiguration",
                ],
            ),
            (
                "UpdateDestinationInput",
                &[
                    "AmazonOpenSearchServerlessDestinationUpdate",
                    "ElasticsearchDestinationUpdate",
                    "HttpEndpointDestinationUpdate",
                    "IcebergDestinationUpdate",
                    "RedshiftDestinationUpdate",
                    "SnowflakeDestinationUpdate",
                    "SplunkDestinationUpdate",
                ],
            ),
            (
                "DestinationDescription",
                &[
                    "AmazonOpenSearchServerlessDestinationDescription",
                    "ElasticsearchDestinationDescription",
                    "HttpEndpointDestinationDescription",
                    "IcebergDestinationDescription",
                    "RedshiftDestinationDescription",
                    "S3DestinationDescription",
                    "SnowflakeDestinationDescription",
                    "SplunkDestinationDescription",
                ],
            ),
            ("SourceDescription", &["DatabaseSourceDescription", "DirectPutSourceDescription", "MSKSourceDescription"]),
        ],
    },
];

/// Patterns that Rust's regular expressions cannot say as they are (look-around), with what says the same, or nearly: the
/// reserved prefix `aws:` of tag keys is the one thing that is not said.
const PATTERNS: &[(&str, &str)] =
    &[(r"^(?!aws:)[\p{L}\p{Z}\p{N}_.:\/=+\-@%]*$", r"[\p{L}\p{Z}\p{N}_.:/=+\-@%]*"), (r"^(?!\s*$).+", r"\s*\S.*")];

/// Longer documentation is cut: the model's pages are AWS's, ours only remind.
const DOC_CHARS_MAX: usize = 110;

/// Writes the models, or with `--check` compares them. An argument that is no flag is botocore's folder.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let check = arguments.iter().any(|argument| argument == "--check");
    let botocore = match arguments.iter().find(|argument| !argument.starts_with('-')) {
        Some(folder) => PathBuf::from(folder),
        None => find_botocore()?,
    };
    let version = version(&botocore)?;
    let folder = shell::root().join("crates/api/src/models");
    for service in SERVICES {
        let (date, model) = load(&botocore, service.model)?;
        let source = format!("botocore {version}, {} {date}", service.model);
        let text = rustfmt(&Generator::new(&model, service)?.file(&source)?)?;
        let path = folder.join(format!("{}.rs", service.model));
        if !check {
            std::fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            println!("{}", path.display());
        } else if std::fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            println!("{} is what the model gives", path.display());
        } else {
            return Err(format!("{} differs from its model: run `cargo xtask models`", path.display()));
        }
    }
    Ok(())
}

fn find_botocore() -> Result<PathBuf, String> {
    let mut python = Command::new(venv::ensure()?.join("python"));
    let folder = shell::output(python.args(["-c", "import botocore, os; print(os.path.dirname(botocore.__file__))"]))?;
    Ok(PathBuf::from(folder.trim()))
}

fn version(botocore: &Path) -> Result<String, String> {
    let path = botocore.join("__init__.py");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "));
    line.map(|version| version.trim_matches(['\'', '"']).to_owned()).ok_or(format!("{} has no version", path.display()))
}

/// The newest model of a service, with its date.
fn load(botocore: &Path, service: &str) -> Result<(String, Value), String> {
    let folder = botocore.join("data").join(service);
    let unreadable = |error| format!("cannot read {}: {error}", folder.display());
    let entries = std::fs::read_dir(&folder).map_err(unreadable)?.filter_map(Result::ok);
    let dates = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let date = dates.max().ok_or_else(|| format!("{} is empty", folder.display()))?;
    let plain = folder.join(&date).join("service-2.json");
    let packed = plain.with_extension("json.gz");
    let text = if packed.exists() {
        let bytes = std::fs::read(&packed).map_err(unreadable)?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).map_err(unreadable)?;
        text
    } else {
        std::fs::read_to_string(&plain).map_err(unreadable)?
    };
    let model = serde_json::from_str(&text).map_err(|error| format!("{} is not JSON: {error}", plain.display()))?;
    Ok((date, model))
}

fn rustfmt(text: &str) -> Result<String, String> {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024", "--emit", "stdout", "--config-path"]).arg(shell::root());
    let mut child = rustfmt
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start rustfmt: {error}; `rustup component add rustfmt` installs it"))?;
    let mut input = child.stdin.take().ok_or("rustfmt has no input")?;
    std::io::Write::write_all(&mut input, text.as_bytes()).map_err(|error| format!("rustfmt: {error}"))?;
    drop(input);
    let done = child.wait_with_output().map_err(|error| format!("rustfmt: {error}"))?;
    if !done.status.success() {
        return Err(format!("rustfmt refuses the generated text: {}", done.status));
    }
    String::from_utf8(done.stdout).map_err(|error| format!("rustfmt: {error}"))
}

struct Generator<'a> {
    service: &'static Service,
    model: &'a Value,
    shapes: &'a Map<String, Value>,
    /// Structures in order of first use.
    structures: Vec<&'a str>,
    /// Shapes that inputs reach: only their rules are ever checked.
    inputs: BTreeSet<&'a str>,
    /// Rules by the shape's name.
    rules: BTreeMap<&'a str, String>,
}

impl<'a> Generator<'a> {
    fn new(model: &'a Value, service: &'static Service) -> Result<Self, String> {
        let shapes = model["shapes"].as_object().ok_or("the model has no shapes")?;
        for (shape, members) in service.unsupported {
            let known =
                |member: &&&str| shapes.get(*shape).is_some_and(|shape| shape["members"].get(**member).is_some());
            if let Some(member) = members.iter().find(|member| !known(member)) {
                return Err(format!("{} has no {shape}.{member}, which is listed as unsupported", service.model));
            }
        }
        let (structures, inputs, rules) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        Ok(Self { service, model, shapes, structures, inputs, rules })
    }

    fn unsupported(&self, shape: &str, member: &str) -> bool {
        self.service.unsupported.iter().any(|(name, members)| *name == shape && members.contains(&member))
    }

    fn file(mut self, source: &str) -> Result<String, String> {
        let all = self.model["operations"].as_object().ok_or("the model has no operations")?;
        for side in ["input", "output"] {
            for operation in self.service.operations {
                let found = all.get(*operation).ok_or(format!("{source} has no operation {operation}"))?;
                if let Some(shape) = found[side]["shape"].as_str() {
                    self.reach(shape, side == "input", &mut Vec::new())?;
                }
            }
        }
        let metadata = &self.model["metadata"];
        let name = metadata["serviceFullName"].as_str().unwrap_or_default();
        let prefix = metadata["targetPrefix"].as_str().unwrap_or_default();
        let mut text = format!(
            "//! {name}: shapes of the operations that Millrace serves.\n//!\n\
             //! Generated by `cargo xtask models` from {source}. Do not edit.\n\n\
             use crate::wire::{{Rule, Text, Timestamp, Unsupported, structures}};\nuse bytes::Bytes;\nuse std::collections::BTreeMap;\n\n\
             /// What `X-Amz-Target` begins with, before the dot and the operation.\n\
             pub const TARGET_PREFIX: &str = {prefix:?};\n\n\
             /// Every operation of the service, served or not.\npub const OPERATIONS: &[&str] = &{:?};\n\n",
            all.keys().collect::<Vec<_>>()
        );
        let body = self.structures()?;
        for import in ["Text", "Timestamp", "Unsupported"] {
            if !body.contains(import) {
                text = text.replacen(&format!("{import}, "), "", 1);
            }
        }
        for (import, line) in [("Bytes", "use bytes::Bytes;\n"), ("BTreeMap", "use std::collections::BTreeMap;\n")] {
            if !body.contains(import) {
                text = text.replacen(line, "", 1);
            }
        }
        text.push_str("static ANY: Rule = Rule::new();\n");
        for rule in self.rules.values() {
            text.push_str(rule);
        }
        text.push_str("\n/// Every rule with a pattern: a test compiles them all.\n#[cfg(test)]\n");
        let patterned = self.rules.iter().filter(|(_, rule)| rule.contains(".pattern("));
        let names: Vec<_> = patterned.map(|(name, _)| format!("&{}", screaming(name))).collect();
        write!(text, "pub(crate) static PATTERNED: &[&Rule] = &[{}];\n\n", names.join(", "))
            .map_err(|e| e.to_string())?;
        text.push_str(&body);
        Ok(text)
    }

    fn shape(&self, name: &str) -> Result<&'a Value, String> {
        self.shapes.get(name).ok_or_else(|| format!("the model has no shape {name}"))
    }

    /// Notes a shape and all that it is made of.
    fn reach(&mut self, name: &'a str, input: bool, path: &mut Vec<&'a str>) -> Result<(), String> {
        if path.contains(&name) {
            return Err(format!("{name} contains itself: the generator needs a Box for it"));
        }
        let shape = self.shape(name)?;
        let new_input = input && self.inputs.insert(name);
        let is_structure = shape["type"] == "structure";
        let new_structure = is_structure && !self.structures.contains(&name);
        if new_structure {
            self.structures.push(name);
        }
        if is_structure && !new_structure && !new_input {
            return Ok(());
        }
        path.push(name);
        let members = shape["members"].as_object().into_iter().flatten();
        let members = members.filter(|(member, _)| !self.unsupported(name, member)).map(|(_, member)| member);
        let parts =
            members.filter(|member| !reserved(member)).chain(["member", "key", "value"].map(|part| &shape[part]));
        let names: Vec<&str> = parts.filter_map(|part| part["shape"].as_str()).collect();
        for part in names {
            self.reach(part, input, path)?;
        }
        path.pop();
        Ok(())
    }

    fn structures(&mut self) -> Result<String, String> {
        let mut text = "structures! {\n".to_owned();
        for name in std::mem::take(&mut self.structures) {
            let shape = self.shape(name)?;
            let required: Vec<&str> =
                shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            // The macro documents a structure by its name; what AWS says of it comes before.
            let said = doc(shape, "");
            if !said.is_empty() {
                let _ = writeln!(text, "    /// {said}");
            }
            let _ = writeln!(text, "    {name} {{");
            let members = shape["members"].as_object().ok_or(format!("{name} has no members"))?;
            for (wire, member) in members.iter().filter(|(_, member)| !reserved(member)) {
                let inner = member["shape"].as_str().ok_or(format!("{name}.{wire} has no shape"))?;
                if self.unsupported(name, wire) {
                    if self.inputs.contains(name) {
                        let _ = writeln!(text, "        optional {} {wire:?} Unsupported, ANY;", field(wire));
                    }
                    continue;
                }
                let need = if required.contains(&wire.as_str()) { "required" } else { "optional" };
                let rule = if self.inputs.contains(name) { self.rule(inner)? } else { "ANY".to_owned() };
                // The macro documents a member by its name; what AWS says of it comes before.
                match doc(member, "") {
                    said if said.is_empty() => {}
                    said => {
                        let _ = writeln!(text, "        /// {said}");
                    }
                }
                let _ = writeln!(text, "        {need} {} {wire:?} {}, {rule};", field(wire), self.type_of(inner)?);
            }
            text.push_str("    }\n");
        }
        text.truncate(text.trim_end().len());
        text.push_str("\n}\n");
        Ok(text)
    }

    fn type_of(&self, name: &str) -> Result<String, String> {
        let shape = self.shape(name)?;
        let part = |part: &str| self.type_of(shape[part]["shape"].as_str().unwrap_or_default());
        Ok(match shape["type"].as_str().unwrap_or_default() {
            "string" => "Text".to_owned(),
            "integer" => "i32".to_owned(),
            "long" => "i64".to_owned(),
            "boolean" => "bool".to_owned(),
            "double" | "float" => "f64".to_owned(),
            "blob" => "Bytes".to_owned(),
            "timestamp" => "Timestamp".to_owned(),
            "list" => format!("Vec<{}>", part("member")?),
            "map" => format!("BTreeMap<Text, {}>", part("value")?),
            "structure" => name.to_owned(),
            other => return Err(format!("{name} is of type {other}, which the generator does not know yet")),
        })
    }

    /// The name of a shape's rule; its declaration is noted on first use.
    fn rule(&mut self, name: &'a str) -> Result<String, String> {
        let shape = self.shape(name)?;
        let mut calls = String::new();
        for bound in ["min", "max"] {
            if let Some(value) = shape[bound].as_i64() {
                let _ = write!(calls, ".{bound}({value})");
            }
        }
        if let Some(pattern) = shape["pattern"].as_str() {
            let _ = write!(calls, ".pattern({}, {})", literal(pattern), literal(&in_rust(pattern)?));
        }
        if let Some(values) = shape["enum"].as_array() {
            let _ = write!(
                calls,
                ".values(&{values:?})",
                values = values.iter().filter_map(Value::as_str).collect::<Vec<_>>()
            );
        }
        for (part, call) in [("key", "key"), ("member", "member"), ("value", "member")] {
            if let Some(inner) = shape[part]["shape"].as_str() {
                let rule = self.rule(inner)?;
                if rule != "ANY" {
                    let _ = write!(calls, ".{call}(&{rule})");
                }
            }
        }
        if calls.is_empty() || shape["type"] == "structure" {
            return Ok("ANY".to_owned());
        }
        let constant = screaming(name);
        self.rules.insert(name, format!("static {constant}: Rule = Rule::new(){calls};\n"));
        Ok(constant)
    }
}

/// Members that AWS itself declares and ignores are left out, and so ignored as unknown members are.
fn reserved(member: &Value) -> bool {
    member["documentation"].as_str().is_some_and(|doc| doc.contains("Not Implemented. Reserved for future use"))
}

/// The first sentence of the documentation, as text.
fn doc(value: &Value, fallback: &str) -> String {
    let html = value["documentation"].as_str().unwrap_or_default();
    let mut text = String::new();
    let mut in_tag = false;
    for letter in html.replace("<code>", "`").replace("</code>", "`").chars() {
        match letter {
            '<' => in_tag = true,
            '>' => in_tag = false,
            '[' | ']' if !in_tag => text.extend(['\\', letter]),
            letter if letter.is_whitespace() && !in_tag => text.push(' '),
            letter if !in_tag => text.push(letter),
            _ => {}
        }
    }
    let text = text.replace("&lt;", "less than").replace("&gt;", "greater than").replace("&amp;", "and");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut sentence = String::new();
    for word in words {
        if sentence.len() + word.len() >= DOC_CHARS_MAX {
            sentence.truncate(sentence.trim_end_matches([',', ':', ';', '.']).len());
            sentence.push('…');
            break;
        }
        sentence.push_str(if sentence.is_empty() { "" } else { " " });
        sentence.push_str(word);
        if word.ends_with('.') && !matches!(word, "e.g." | "i.e.") {
            break;
        }
    }
    if sentence.matches('`').count() % 2 == 1 {
        sentence = sentence.replace('`', "");
    }
    if sentence.is_empty() || sentence.contains("://") { fallback.to_owned() } else { sentence }
}

/// A Java pattern in Rust's notation.
fn in_rust(pattern: &str) -> Result<String, String> {
    if let Some((_, same)) = PATTERNS.iter().find(|(java, _)| *java == pattern) {
        return Ok((*same).to_owned());
    }
    // Java's \d, \w and \s are ASCII; a pair of surrogates in a class is every character beyond the first plane.
    let rust = pattern.replace(r"\d", "[0-9]").replace(r"\w", "[a-zA-Z0-9_]");
    let rust = rust.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF").replace(r"\/", "/");
    Regex::new(&rust).map_err(|error| format!("pattern {pattern}: {error}; say the same in PATTERNS"))?;
    Ok(rust)
}

/// A raw string literal.
fn literal(text: &str) -> String {
    if text.contains(['"', '\\']) { format!("r#\"{text}\"#") } else { format!("\"{text}\"") }
}

/// `StreamARN` → `stream_arn`.
fn snake(name: &str) -> String {
    let name = name.replace("KiB", "Kib").replace("MiBps", "Mibps").replace("ARNs", "Arns").replace("MBs", "Mbs");
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after_lower = before.is_some_and(|before| before.is_lowercase() || before.is_ascii_digit());
        let before_lower = before.is_some() && letters.get(at + 1).is_some_and(|after| after.is_lowercase());
        if letter.is_uppercase() && (after_lower || before_lower) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn screaming(name: &str) -> String {
    snake(name).to_uppercase()
}

fn field(wire: &str) -> String {
    let name = snake(wire);
    if matches!(name.as_str(), "type" | "match" | "enum" | "ref") { format!("r#{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rusts() {
        assert_eq!(snake("StreamARN"), "stream_arn");
        assert_eq!(snake("MaxRecordSizeInKiB"), "max_record_size_in_kib");
        assert_eq!(snake("S3DestinationDescription"), "s3_destination_description");
        assert_eq!(field("Type"), "r#type");
    }

    #[test]
    fn documentation_is_its_first_sentence() {
        let value = serde_json::json!({"documentation": "<p>The <code>key</code> of a [thing]. And more.</p>"});
        assert_eq!(doc(&value, ""), r"The `key` of a \[thing\].");
        assert_eq!(doc(&Value::Null, "AWS's `X`."), "AWS's `X`.");
    }
}
