//! KMS: keys, by id, ARN or alias, and the encryption context that a call carries.

use super::guard::ResourceFacts;
use super::input::Input;
use super::needs::{Keys, Need, Needs};
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
            let mut need = Need::on(action, key_arn(input, input.text("KeyId").unwrap_or("*")));
            let said = input.find("EncryptionContext");
            let value = |name: &str| Some((name.to_owned(), said?.member(name)?.text()?.to_owned()));
            let names = said.map(Members::keys).unwrap_or_default();
            need.keys = context_keys(names.into_iter().filter_map(value));
            need.into()
        }
    }
}

/// The condition keys of an encryption context.
pub fn context_keys(context: impl Iterator<Item = (String, String)>) -> Keys {
    let (mut names, mut keys) = (Vec::new(), Keys::new());
    for (name, value) in context {
        keys.push((format!("kms:encryptioncontext:{}", name.to_lowercase()).into(), vec![value]));
        names.push(name);
    }
    if !names.is_empty() {
        keys.push(("kms:encryptioncontextkeys".into(), names));
    }
    keys
}

/// Policies name keys; an alias is only a way to say which.
fn key_arn(input: &Input<'_>, key: &str) -> String {
    let arn = match key {
        _ if key.starts_with("arn:") => key.to_owned(),
        _ if key.starts_with("alias/") => input.arn("kms", key),
        _ => return input.arn("kms", &format!("key/{key}")),
    };
    let found = |facts: &dyn ResourceFacts| facts.key(input.scope, key);
    if arn.contains(":alias/") { input.facts.and_then(found).unwrap_or(arn) } else { arn }
}
