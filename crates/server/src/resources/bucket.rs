//! `AWS::S3::Bucket`: a folder of the lake.

use super::ports::{BucketPort, Guarantees};
use super::read;
use async_trait::async_trait;
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::sync::Arc;

/// S3's limit.
const NAME_CHARACTERS_MAX: usize = 63;
const RULES: &str = "BucketEncryption.ServerSideEncryptionConfiguration";
const ALGORITHM: &str = "ServerSideEncryptionByDefault.SSEAlgorithm";

/// Buckets of the lake.
pub(super) struct Bucket {
    pub(super) buckets: Arc<dyn BucketPort>,
    pub(super) guarantees: Guarantees,
}

/// A generated name in lower case, shortened in its middle part so that its unique end stays.
fn name(ctx: &Context, properties: &Value) -> String {
    let name = read::name(ctx, properties, "BucketName").to_lowercase();
    match name.rsplit_once('-') {
        Some((front, end)) if name.len() > NAME_CHARACTERS_MAX => {
            let room = NAME_CHARACTERS_MAX.saturating_sub(end.len() + 1);
            let front: String = front.chars().take(room).collect();
            format!("{}-{end}", front.trim_end_matches('-'))
        }
        _ => name,
    }
}

fn made(name: &str) -> Created {
    Created::new(name, [("Arn", format!("arn:aws:s3:::{name}"))])
}

/// Encryption is the server's, not the bucket's: `AES256` is what holds of all of them when it is on.
fn check_encryption(properties: &Value, guarantees: Guarantees) -> Result<(), ResourceError> {
    let rules = read::at(properties, RULES).and_then(Value::as_array);
    for (place, rule) in rules.into_iter().flatten().enumerate() {
        let wrong =
            |member: &str, message: &str| Err(ResourceError::property(format!("{RULES}.{place}.{member}"), message));
        if read::flag(rule, "BucketKeyEnabled") == Some(true) {
            return wrong(
                "BucketKeyEnabled",
                "not supported: bucket keys go with keys of KMS, which objects do not have here",
            );
        }
        match read::text(rule, ALGORITHM) {
            Some("AES256") if guarantees.lake_elsewhere => {
                return wrong(
                    ALGORITHM,
                    "the lake lies in the store of --s3-endpoint: set its buckets' encryption there",
                );
            }
            Some("AES256") if !guarantees.sealed => {
                return wrong(
                    ALGORITHM,
                    "objects are not encrypted: start the server with --encrypt, or leave this out",
                );
            }
            Some("AES256") | None => {}
            Some(_) => {
                return wrong(ALGORITHM, "only AES256 is supported: objects are sealed by a key of the server's");
            }
        }
    }
    Ok(())
}

#[async_trait]
impl ResourceType for Bucket {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "BucketEncryption.ServerSideEncryptionConfiguration.*.BucketKeyEnabled",
            "BucketEncryption.ServerSideEncryptionConfiguration.*.ServerSideEncryptionByDefault.SSEAlgorithm",
            "BucketName",
            "Tags",
        ]
    }

    fn check(&self, _ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        check_encryption(properties, self.guarantees)?;
        let Some(name) = read::text(properties, "BucketName") else { return Ok(()) };
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = (3..=NAME_CHARACTERS_MAX).contains(&name.len())
            && name.chars().all(legal)
            && name.starts_with(ends)
            && name.ends_with(ends)
            && !name.contains("..");
        if good {
            return Ok(());
        }
        let message = format!(
            "'{name}' is not a bucket's name: it has 3 to 63 lower-case letters, digits, dots and hyphens, and begins and \
             ends with a letter or digit"
        );
        Err(ResourceError::property("BucketName", message))
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = name(ctx, properties);
        read::created(ctx, self.buckets.create(&ctx.scope, &name))?;
        Ok(made(&name))
    }

    async fn update(&self, _ctx: &Context, physical_id: &str, _: &Value, _: &Value) -> Result<Updated, ResourceError> {
        // Only tags can have changed, which the stack keeps, and what is said of the encryption, which is the server's.
        Ok(Updated::InPlace(made(physical_id)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        read::deleted(self.buckets.delete(&ctx.scope, physical_id))
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        self.buckets.exists(&ctx.scope, physical_id).map_err(read::error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;
    use serde_json::json;

    #[test]
    fn a_template_may_ask_for_encryption_where_it_holds() {
        let asked = |algorithm: &str, key: bool, guarantees| {
            let rule = json!({"ServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}, "BucketKeyEnabled": key});
            let properties = json!({"BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]}});
            check_encryption(&properties, guarantees).map_err(|error| error.to_string())
        };
        let sealed = Guarantees { sealed: true, ..Guarantees::default() };
        assert_eq!(asked("AES256", false, sealed), Ok(()));
        assert!(asked("AES256", false, Guarantees::default()).unwrap_err().contains("--encrypt"));
        assert!(
            asked("AES256", false, Guarantees { lake_elsewhere: true, ..sealed })
                .unwrap_err()
                .contains("--s3-endpoint")
        );
        assert!(asked("aws:kms", false, sealed).unwrap_err().contains("only AES256"));
        assert!(asked("AES256", true, sealed).unwrap_err().contains("not supported"));
        assert!(check_encryption(&json!({}), Guarantees::default()).is_ok());
    }

    #[test]
    fn generated_names_fit_s3() {
        let ctx = Context {
            scope: Scope::default(),
            stack: "s".to_owned(),
            logical_id: "Lake".to_owned(),
            generated_name: format!("{}-Lake-ABCDEFGHIJKL", "x".repeat(80)),
            resuming: false,
        };
        let name = name(&ctx, &json!({}));
        assert!(name.len() <= 63 && name.ends_with("-abcdefghijkl"), "{name}");
    }
}
