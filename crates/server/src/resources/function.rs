//! `AWS::Lambda::Function`. Properties have the shape of Lambda's own API, so the room of functions reads them as it reads a
//! `CreateFunction`.

use super::read;
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::Scope;
use millrace_functions::{
    CodeObjects, CodeSource, CreateFunction, Functions, FunctionsError, UpdateFunctionCode, UpdateFunctionConfiguration,
};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::Duration;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Lambda's limit.
const NAME_CHARACTERS_MAX: usize = 64;
/// AWS's limit on code that stands in the template.
const ZIP_FILE_CHARACTERS_MAX: usize = 4 * 1024 * 1024;
/// How long a function may take to become usable: its runtime may have to be fetched first.
const SETTLED_MAX: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a property is when the template no longer gives it.
const DEFAULTS: [(&str, &str); 10] = [
    ("Description", r#""""#),
    ("Timeout", "3"),
    ("MemorySize", "128"),
    ("Environment", r#"{"Variables": {}}"#),
    ("DeadLetterConfig", r#"{"TargetArn": ""}"#),
    ("TracingConfig", r#"{"Mode": "PassThrough"}"#),
    ("Layers", "[]"),
    ("EphemeralStorage", r#"{"Size": 512}"#),
    ("SnapStart", r#"{"ApplyOn": "None"}"#),
    ("LoggingConfig", r#"{"LogFormat": "Text"}"#),
];

/// Functions.
pub(super) struct Function {
    pub(super) functions: Functions,
    /// Where `S3Bucket` and `S3Key` are read from.
    pub(super) objects: Arc<dyn CodeObjects>,
}

/// A refusal at the property that it speaks of.
pub(super) fn refused(properties: &Value, error: &FunctionsError) -> ResourceError {
    let message = error.to_string();
    match error {
        FunctionsError::ResourceConflict(_) => ResourceError::Exists(message),
        FunctionsError::Catalog(_) | FunctionsError::Packages { .. } => ResourceError::Failed(message),
        _ => {
            let lower = message.to_lowercase();
            let members = properties.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let named = members.filter(|name| lower.contains(&name.to_lowercase())).max_by_key(|name| name.len());
            ResourceError::property(named.unwrap_or_default(), message)
        }
    }
}

/// Properties as the shape of the API that has the same members.
pub(super) fn shaped<T: DeserializeOwned>(properties: Value) -> Result<T, ResourceError> {
    serde_json::from_value(properties).map_err(|error| ResourceError::property("", error.to_string()))
}

/// Code that stands in the template, in the file that its runtime looks for.
fn zip_of_text(text: &str, runtime: &str) -> Result<Bytes, ResourceError> {
    let wrong = |message: String| ResourceError::property("Code.ZipFile", message);
    let file = match runtime {
        _ if runtime.starts_with("python") => "index.py",
        _ if runtime.starts_with("nodejs") => "index.js",
        _ => {
            return Err(wrong(format!(
                "code in the template is for Python and Node.js, Runtime is '{runtime}': put a zip into a bucket and name it \
                 by S3Bucket and S3Key"
            )));
        }
    };
    if text.len() > ZIP_FILE_CHARACTERS_MAX {
        return Err(wrong(format!("it has {} characters, at most {ZIP_FILE_CHARACTERS_MAX} are possible", text.len())));
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o644);
    let written = writer.start_file(file, options).and_then(|()| Ok(writer.write_all(text.as_bytes())?));
    let zip = written.and_then(|()| writer.finish()).map_err(|error| ResourceError::Failed(error.to_string()))?;
    Ok(zip.into_inner().into())
}

/// The members of a `Code`, checked as far as they are known.
fn source(properties: &Value) -> Result<Option<CodeSource>, ResourceError> {
    let code = properties.get("Code").unwrap_or(&Value::Null);
    if read::has_open(code) {
        return Ok(None);
    }
    let text = |name: &str| read::text(code, name).map(str::to_owned);
    let runtime = read::text(properties, "Runtime").unwrap_or_default();
    let zip = text("ZipFile").map(|text| zip_of_text(&text, runtime)).transpose()?;
    let source = CodeSource::of(zip, text("S3Bucket"), text("S3Key"));
    source.map(Some).map_err(|error| ResourceError::property("Code", error.to_string()))
}

/// The configuration without what is not part of the API's.
fn configuration(properties: &Value, name: &str) -> Value {
    let mut members = properties.as_object().cloned().unwrap_or_default();
    for other in ["Code", "ReservedConcurrentExecutions", "Tags"] {
        members.remove(other);
    }
    members.insert("FunctionName".to_owned(), json!(name));
    Value::Object(members)
}

/// The configuration that makes a function what the template now says.
fn change(old: &Value, new: &Value, name: &str) -> Value {
    let mut changed = configuration(new, name);
    let gone = DEFAULTS.iter().filter(|(name, _)| old.get(*name).is_some() && new.get(*name).is_none());
    for (name, default) in gone {
        changed[*name] = serde_json::from_str(default).unwrap_or_default();
    }
    changed
}

fn made(ctx: &Context, name: &str) -> Created {
    Created::new(name, [("Arn", ctx.scope.arn("lambda", &format!("function:{name}")).to_string())])
}

/// Waits until a function can be called, and gives its configuration.
pub(super) async fn settled(functions: &Functions, scope: &Scope, name: &str) -> Result<Value, ResourceError> {
    let failed = |reason: &Value| ResourceError::Failed(reason.as_str().unwrap_or("it failed").to_owned());
    let look = async {
        loop {
            let function = functions.get(scope, name, None).map_err(|error| refused(&Value::Null, &error))?;
            let shown = function.configuration;
            match (shown["State"].as_str(), shown["LastUpdateStatus"].as_str()) {
                (Some("Failed"), _) => return Err(failed(&shown["StateReason"])),
                (_, Some("Failed")) => return Err(failed(&shown["LastUpdateStatusReason"])),
                (Some("Pending"), _) | (_, Some("InProgress")) => tokio::time::sleep(LOOK_EVERY).await,
                _ => return Ok(shown),
            }
        }
    };
    tokio::time::timeout(SETTLED_MAX, look).await.unwrap_or_else(|_| {
        Err(ResourceError::Failed(format!("{name} is not ready after {} seconds", SETTLED_MAX.as_secs())))
    })
}

impl Function {
    async fn zip(&self, properties: &Value) -> Result<Bytes, ResourceError> {
        let source = source(properties)?.ok_or_else(|| ResourceError::property("Code", "it is not known yet"))?;
        source.read(&*self.objects).await.map_err(|error| ResourceError::property("Code", error.to_string()))
    }

    async fn change_code(&self, ctx: &Context, name: &str, properties: &Value) -> Result<(), ResourceError> {
        let zip = self.zip(properties).await?;
        let input = UpdateFunctionCode { function_name: name.to_owned(), ..UpdateFunctionCode::default() };
        self.functions.update_code(&ctx.scope, input, &zip).map_err(|error| refused(properties, &error))?;
        settled(&self.functions, &ctx.scope, name).await.map(|_| ())
    }

    async fn change_configuration(
        &self,
        ctx: &Context,
        name: &str,
        old: &Value,
        new: &Value,
    ) -> Result<(), ResourceError> {
        let failed = |error: FunctionsError| refused(new, &error);
        let input: UpdateFunctionConfiguration = shaped(change(old, new, name))?;
        self.functions.update_configuration(&ctx.scope, input).map_err(failed)?;
        settled(&self.functions, &ctx.scope, name).await?;
        self.functions.set_concurrency(&ctx.scope, name, reserved(new)).map_err(failed)?;
        let arn = made(ctx, name).attributes["Arn"].as_str().unwrap_or_default().to_owned();
        let (before, tags) = (read::tags(old.get("Tags")), read::tags(new.get("Tags")));
        let gone: Vec<String> = before.into_keys().filter(|key| !tags.contains_key(key)).collect();
        if !gone.is_empty() {
            self.functions.untag(&ctx.scope, &arn, &gone).map_err(failed)?;
        }
        if tags.is_empty() { Ok(()) } else { self.functions.tag(&ctx.scope, &arn, tags).map_err(failed) }
    }
}

fn reserved(properties: &Value) -> Option<u32> {
    properties.get("ReservedConcurrentExecutions")?.as_u64().and_then(|count| u32::try_from(count).ok())
}

fn name(ctx: &Context, properties: &Value) -> String {
    read::tail(&read::name(ctx, properties, "FunctionName"), NAME_CHARACTERS_MAX)
}

#[async_trait]
impl ResourceType for Function {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "FunctionName",
            "Architectures",
            "Code.S3Bucket",
            "Code.S3Key",
            "Code.ZipFile",
            "DeadLetterConfig",
            "Description",
            "Environment",
            "EphemeralStorage",
            "Handler",
            "Layers",
            "LoggingConfig",
            "MemorySize",
            "PackageType",
            "ReservedConcurrentExecutions",
            "Role",
            "Runtime",
            "SnapStart",
            "Tags",
            "Timeout",
            "TracingConfig",
        ]
    }

    fn check(&self, _ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        source(properties).map(|_| ())
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = name(ctx, properties);
        if self.functions.get(&ctx.scope, &name, None).is_ok() {
            if !ctx.resuming {
                return Err(read::taken("function", &name, "FunctionName"));
            }
            settled(&self.functions, &ctx.scope, &name).await?;
            self.change_configuration(ctx, &name, properties, properties).await?;
            self.change_code(ctx, &name, properties).await?;
            return Ok(made(ctx, &name));
        }
        let zip = self.zip(properties).await?;
        let mut input: CreateFunction = shaped(configuration(properties, &name))?;
        input.tags = Some(read::tags(properties.get("Tags")));
        self.functions.create(&ctx.scope, input, &zip).map_err(|error| refused(properties, &error))?;
        let ready = async {
            settled(&self.functions, &ctx.scope, &name).await?;
            let concurrency = reserved(properties);
            let set = self.functions.set_concurrency(&ctx.scope, &name, concurrency);
            set.map_err(|error| refused(properties, &error))
        };
        if let Err(error) = ready.await {
            // A creation that failed leaves nothing behind; the error is told anyway.
            let _ = self.functions.delete(&ctx.scope, &name, None);
            return Err(error);
        }
        Ok(made(ctx, &name))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let before = |name: &str| old.get(name) != new.get(name);
        if configuration(old, "") != configuration(new, "") || before("ReservedConcurrentExecutions") || before("Tags")
        {
            self.change_configuration(ctx, physical_id, old, new).await?;
        }
        // Text in the template lies in a file that the runtime chooses.
        if before("Code") || before("Runtime") {
            self.change_code(ctx, physical_id, new).await?;
        }
        Ok(Updated::InPlace(made(ctx, physical_id)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        match self.functions.delete(&ctx.scope, physical_id, None) {
            Err(FunctionsError::ResourceNotFound(_)) => Ok(()),
            other => other.map_err(|error| refused(properties, &error)),
        }
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.functions.get(&ctx.scope, physical_id, None).is_ok())
    }
}

/// The last part of a function's name or ARN without a qualifier, so that both name the same function.
pub(super) fn member(properties: &Value, name: &str) -> String {
    read::text(properties, name).unwrap_or_default().to_owned()
}

/// The properties with another member.
pub(super) fn with(properties: &Value, name: &str, value: Value) -> Value {
    let mut members: Map<String, Value> = properties.as_object().cloned().unwrap_or_default();
    members.insert(name.to_owned(), value);
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn code_in_the_template_lies_where_its_runtime_looks() {
        let zip = zip_of_text("def handler(event, context): pass", "python3.12").unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(zip.to_vec())).unwrap();
        let mut text = String::new();
        archive.by_name("index.py").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "def handler(event, context): pass");
        assert_eq!(zip, zip_of_text("def handler(event, context): pass", "python3.13").unwrap());
        assert!(zip_of_text("x", "provided.al2023").is_err());
    }

    #[test]
    fn code_is_in_the_template_or_in_a_bucket() {
        let of = |code: Value| source(&json!({"Runtime": "nodejs20.x", "Code": code}));
        assert!(matches!(of(json!({"S3Bucket": "b", "S3Key": "k"})), Ok(Some(CodeSource::Object { .. }))));
        assert!(matches!(of(json!({"ZipFile": "x"})), Ok(Some(CodeSource::Zip(_)))));
        assert!(matches!(of(json!({"S3Bucket": {"Ref": "Lake"}, "S3Key": "k"})), Ok(None)));
        assert!(of(json!({"S3Bucket": "b"})).is_err());
        assert!(of(json!({"S3Bucket": "b", "S3Key": "k", "ZipFile": "x"})).is_err());
    }

    #[test]
    fn what_is_no_longer_given_is_the_default_again() {
        let old = json!({"Timeout": 30, "Code": {}, "Handler": "index.a"});
        let new = json!({"Code": {}, "Handler": "index.b"});
        assert_eq!(change(&old, &new, "f"), json!({"Handler": "index.b", "FunctionName": "f", "Timeout": 3}));
    }
}
