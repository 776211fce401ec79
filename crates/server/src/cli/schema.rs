//! `millrace schema check FILE`: whether a schema's next version is safe, before it is registered. Made for CI: exit code 0
//! when it is, 1 when it is not, and one line for each reason; 2 when that could not be found out.

use super::client::{CliError, Client, EndpointArgs};
use clap::{Args, Subcommand};
use millrace_schema::registry::{Compatibility, DataFormat, Violation, check, validate};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Look at schemas before others depend on them
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum SchemaCommand {
    /// Tell whether a schema's next version is safe, and what breaks otherwise
    Check(CheckArgs),
}

const HELP: &str = "\
Examples:
  millrace schema check order.avsc                              is it a schema at all?
  millrace schema check order.avsc --against order-v1.avsc      may it follow version 1?
  millrace schema check order.proto --against v1.proto v2.proto --mode FULL_ALL
  millrace schema check order.json --registry shop --schema order    may it follow what the server has?

Modes (AWS Glue's):
  BACKWARD   the new version reads what the old one wrote      (deploy consumers first)
  FORWARD    the old version reads what the new one writes     (deploy producers first)
  FULL       both                                              (any order)
  …_ALL      with every older version, not the last alone
  NONE       nothing is compared         DISABLED   there is no second version

Exit code 0: safe. 1: not safe, or no schema; each reason is a line:
  FILE: where: rule: why; was … and is …; what to do (direction, older version)
2: it could not be checked: a file cannot be read, no server answers, or it has no such schema";

/// What `millrace schema check` takes.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
struct CheckArgs {
    /// The new version's definition: .avsc (Avro), .json (JSON Schema) or .proto (Protobuf)
    file: PathBuf,
    /// Older versions' definitions, the oldest first; then no server is asked
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with_all = ["schema", "registry"])]
    against: Vec<PathBuf>,
    /// The schema in a running server's registry that this is the next version of
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// The schema's registry
    #[arg(long, value_name = "NAME", default_value = "default-registry", requires = "schema")]
    registry: String,
    /// The compatibility mode; default: that of the schema in the registry, or BACKWARD with --against
    #[arg(long, value_name = "MODE", value_parser = str::parse::<Compatibility>)]
    mode: Option<Compatibility>,
    /// AVRO, JSON or PROTOBUF; default: by the file's extension
    #[arg(long, value_name = "FORMAT", value_parser = str::parse::<DataFormat>)]
    format: Option<DataFormat>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// An older version: what it is called in messages, and its text.
struct Older {
    name: String,
    definition: String,
}

/// What the new version is held against.
struct History {
    mode: Compatibility,
    format: DataFormat,
    older: Vec<Older>,
}

/// Runs the command. A job of CI must not take "could not look" for "not safe".
pub async fn run(args: SchemaArgs) -> Result<(), CliError> {
    examine(args).await.map_err(|error| match error {
        CliError::Shown => CliError::Shown,
        other => CliError::Unknown(Box::new(other)),
    })
}

async fn examine(args: SchemaArgs) -> Result<(), CliError> {
    let SchemaCommand::Check(args) = args.command;
    let name = args.file.display().to_string();
    let definition = read(&args.file)?;
    let history = match &args.schema {
        Some(schema) => registered(&args, schema).await?,
        None => named(&args)?,
    };
    if let Err(invalid) = validate(history.format, &definition) {
        let at = if invalid.at.is_empty() { "the definition".to_owned() } else { invalid.at };
        println!("{name}: {at}: definition-invalid: {}", invalid.reason);
        return Err(CliError::Shown);
    }
    let texts: Vec<&str> = history.older.iter().map(|older| older.definition.as_str()).collect();
    match check(history.format, history.mode, &definition, &texts) {
        Ok(()) => {
            println!("{name}: {}", safe(&history));
            Ok(())
        }
        Err(violations) => {
            for violation in &violations {
                println!("{name}: {}", line(violation, &history.older));
            }
            Err(CliError::Shown)
        }
    }
}

/// What a good end says.
fn safe(history: &History) -> String {
    let History { mode, format, older } = history;
    let compared = if mode.is_transitive() { older.as_slice() } else { &older[older.len().saturating_sub(1)..] };
    if compared.is_empty() {
        return format!(
            "a valid {format} schema, compared with nothing; name older versions with --against, or the schema in a \
             server's registry with --schema"
        );
    }
    let names: Vec<&str> = compared.iter().map(|older| older.name.as_str()).collect();
    format!("safe: a valid {format} schema, {mode} compatible with {}", names.join(", "))
}

/// One reason, for people and for `grep`.
fn line(violation: &Violation, older: &[Older]) -> String {
    let Violation { direction, old_index, at, rule, was, is, why, remedy } = violation;
    let with = older.get(*old_index).map_or("an older version", |older| older.name.as_str());
    let direction = direction.map(|direction| format!("{}, ", direction.name())).unwrap_or_default();
    format!("{at}: {rule}: {why}; was {was} and is {is}; {remedy} ({direction}{with})")
}

/// The history that the command line names.
fn named(args: &CheckArgs) -> Result<History, CliError> {
    let format = args.format.map_or_else(|| guess(&args.file), Ok)?;
    let older = args
        .against
        .iter()
        .map(|path| Ok(Older { name: path.display().to_string(), definition: read(path)? }))
        .collect::<Result<Vec<_>, CliError>>()?;
    Ok(History { mode: args.mode.unwrap_or(Compatibility::Backward), format, older })
}

/// The history that a server has.
async fn registered(args: &CheckArgs, schema: &str) -> Result<History, CliError> {
    let client = Client::new(&args.endpoint)?;
    let id = json!({ "RegistryName": args.registry, "SchemaName": schema });
    let found = client.call("glue", "AWSGlue.GetSchema", &json!({ "SchemaId": id })).await?;
    let format: DataFormat = word(&client, &found, "DataFormat")?;
    let guessed = args.format.or_else(|| guess(&args.file).ok());
    if let Some(other) = guessed.filter(|other| *other != format) {
        let message = format!("{} is {other}, and schema '{schema}' is {format}", args.file.display());
        return Err(CliError::Input(message));
    }
    let mode = args.mode.map_or_else(|| word(&client, &found, "Compatibility"), Ok)?;
    let numbers = numbers(&client, &id).await?;
    // What is older than the checkpoint is not compared any more; without ALL the last alone is.
    let checkpoint = found["SchemaCheckpoint"].as_u64().unwrap_or(0);
    let numbers: Vec<u64> = if mode.is_transitive() {
        numbers.into_iter().filter(|number| *number >= checkpoint).collect()
    } else {
        numbers.into_iter().max().into_iter().collect()
    };
    let mut older = Vec::new();
    for number in numbers {
        let body = json!({ "SchemaId": id, "SchemaVersionNumber": { "VersionNumber": number } });
        let version = client.call("glue", "AWSGlue.GetSchemaVersion", &body).await?;
        let definition = text(&client, &version, "SchemaDefinition")?.to_owned();
        older.push(Older { name: format!("version {number} of {}/{schema}", args.registry), definition });
    }
    Ok(History { mode, format, older })
}

/// The numbers of a schema's versions that can be used, in order.
async fn numbers(client: &Client, id: &Value) -> Result<Vec<u64>, CliError> {
    let mut numbers = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut body = json!({ "SchemaId": id });
        if !token.is_null() {
            body["NextToken"] = token;
        }
        let page = client.call("glue", "AWSGlue.ListSchemaVersions", &body).await?;
        let versions = page["Schemas"].as_array().into_iter().flatten();
        let usable = versions.filter(|version| version["Status"] == "AVAILABLE");
        numbers.extend(usable.filter_map(|version| version["VersionNumber"].as_u64()));
        token = page["NextToken"].clone();
        if token.is_null() {
            numbers.sort_unstable();
            return Ok(numbers);
        }
    }
}

fn text<'a>(client: &Client, answer: &'a Value, member: &str) -> Result<&'a str, CliError> {
    answer[member].as_str().ok_or_else(|| {
        let reason = format!("it has no {member}");
        CliError::Answer { endpoint: client.endpoint().to_owned(), reason }
    })
}

fn word<T: std::str::FromStr<Err = String>>(client: &Client, answer: &Value, member: &str) -> Result<T, CliError> {
    let word = text(client, answer, member)?.parse();
    word.map_err(|reason| CliError::Answer { endpoint: client.endpoint().to_owned(), reason })
}

/// The format of a file's extension.
fn guess(file: &Path) -> Result<DataFormat, CliError> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("avsc") => Ok(DataFormat::Avro),
        Some("json") => Ok(DataFormat::Json),
        Some("proto") => Ok(DataFormat::Protobuf),
        _ => Err(CliError::Input(format!(
            "{} is none of .avsc, .json and .proto: say its format with --format AVRO, JSON or PROTOBUF",
            file.display()
        ))),
    }
}

#[allow(clippy::disallowed_methods, reason = "the user's own files, named on the command line")]
fn read(file: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(file)
        .map_err(|error| CliError::Input(format!("{} cannot be read: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_extensions() {
        assert_eq!(guess(Path::new("a/order.avsc")).unwrap(), DataFormat::Avro);
        assert_eq!(guess(Path::new("order.v2.json")).unwrap(), DataFormat::Json);
        assert!(guess(Path::new("order")).unwrap_err().to_string().contains("--format"));
    }

    #[test]
    fn a_reason_is_one_line_with_place_rule_and_remedy() {
        let (old, new) = (r#""long""#, r#""int""#);
        let violations = check(DataFormat::Avro, Compatibility::Backward, new, &[old]).unwrap_err();
        let older = [Older { name: "v1.avsc".to_owned(), definition: old.to_owned() }];
        let line = line(&violations[0], &older);
        assert!(line.starts_with("(top): avro-type-mismatch: ") && line.ends_with("(BACKWARD, v1.avsc)"), "{line}");
        assert!(line.contains("was long and is int; keep the old type") && !line.contains('\n'), "{line}");
    }
}
