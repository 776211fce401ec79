//! KMS: keys, by id, ARN or alias, and the encryption context that a call carries.

use super::input::Input;
use super::needs::{Need, Needs};
use crate::wire::Members;

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("kms:{operation}");
    match operation {
        "ListKeys" | "ListAliases" | "CreateKey" | "GenerateRandom" => Need::on(action, "*").into(),
        "CreateAlias" | "DeleteAlias" | "UpdateAlias" => {
            let alias = input.arn("kms", input.text("AliasName").unwrap_or("*"));
            let mut all = vec![Need::on(action.clone(), alias)];
            all.extend(input.text("TargetKeyId").map(|key| Need::on(action, key_arn(input, key))));
            Needs::All(all)
        }
        // A ciphertext says by which key it was made.
        "Decrypt" if input.text("KeyId").is_none() => Needs::Later,
        "ReEncrypt" => Needs::Later,
        _ => {
            let key = key_arn(input, input.text("KeyId").unwrap_or("*"));
            let mut need = Need::on(action, key);
            let context = input.find("EncryptionContext").map(Members::keys).unwrap_or_default();
            if !context.is_empty() {
                let keys = context.into_iter().map(str::to_owned).collect();
                need.keys.push(("kms:encryptioncontextkeys", keys));
            }
            need.into()
        }
    }
}

fn key_arn(input: &Input<'_>, key: &str) -> String {
    match key {
        _ if key.starts_with("arn:") => key.to_owned(),
        _ if key.starts_with("alias/") => input.arn("kms", key),
        _ => input.arn("kms", &format!("key/{key}")),
    }
}
