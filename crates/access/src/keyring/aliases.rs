//! Names of keys, and how a key is found by any of them.

use super::KeyRing;
use super::error::KeyError;
use super::key::{Key, KeyState, Manager};
use super::manage::{NewKey, default_policy, fresh};
use super::store::{Alias, Content};
use millrace_base::{Arn, Millis, Scope};
use std::sync::Arc;

/// What aliases of AWS's own keys begin with.
const AWS: &str = "alias/aws/";
/// Characters of an alias, with `alias/`.
const ALIAS_CHARS_MAX: usize = 256;
/// AWS's quota, in all of a region.
const ALIASES_PER_KEY_MAX: usize = 50;

/// A key that exists, wherever it is named: its id, unique in all scopes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(pub Arc<str>);

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyRing {
    /// The key that a caller names by id, ARN, alias or alias ARN. One that a service manages (`alias/aws/…`) is made when it
    /// is named for the first time.
    pub fn find(&self, scope: &Scope, name: &str) -> Result<Arc<Key>, KeyError> {
        let local = local_name(scope, name)?;
        let content = self.content();
        let no_key = || KeyError::NoKey(arn_of(scope, local));
        if !local.starts_with("alias/") {
            return alive(&content, local, self.now()).filter(|key| key.scope == *scope).ok_or_else(no_key);
        }
        match alias(&content, scope, local) {
            Some(alias) => alive(&content, &alias.key, self.now()).ok_or_else(no_key),
            None if is_service(local) => self.make_managed(scope, local),
            None => Err(KeyError::NoAlias(scope.arn("kms", local).to_string())),
        }
    }

    /// A key by its id, whatever its scope.
    pub fn key(&self, name: &KeyName) -> Result<Arc<Key>, KeyError> {
        alive(&self.content(), &name.0, self.now()).ok_or_else(|| KeyError::NoKey(name.to_string()))
    }

    fn make_managed(&self, scope: &Scope, name: &str) -> Result<Arc<Key>, KeyError> {
        let now = self.now();
        self.change(|content| {
            if let Some(key) = alias(content, scope, name).and_then(|alias| content.keys.get(&alias.key)) {
                return Ok(key.clone()); // Somebody else was first.
            }
            let service = name.trim_start_matches(AWS);
            let spec = NewKey {
                description: format!("Default key that protects my {service} data when no other key is defined"),
                policy: default_policy(scope),
                ..NewKey::default()
            };
            let mut key = fresh(&*self.shared.parts.dice, scope, spec, now);
            key.manager = Manager::Aws;
            let key = Arc::new(key);
            content.keys.insert(key.id.clone(), key.clone());
            content.aliases.push(Alias {
                scope: scope.clone(),
                name: name.to_owned(),
                key: key.id.clone(),
                created: now,
                updated: now,
            });
            Ok(key)
        })
    }

    /// `CreateAlias`.
    pub fn create_alias(&self, scope: &Scope, name: &str, key: &str) -> Result<(), KeyError> {
        check_alias(name)?;
        if key.contains("alias/") {
            return Err(KeyError::Invalid("Aliases must refer to keys. Not aliases".into()));
        }
        let key = self.find(scope, key)?.id.clone();
        let now = self.now();
        self.change(|content| {
            if alias(content, scope, name).is_some() {
                return Err(KeyError::AliasExists(scope.arn("kms", name).to_string()));
            }
            usable_target(content, &key)?;
            content.aliases.push(Alias {
                scope: scope.clone(),
                name: name.to_owned(),
                key,
                created: now,
                updated: now,
            });
            Ok(())
        })
    }

    /// `UpdateAlias`.
    pub fn update_alias(&self, scope: &Scope, name: &str, key: &str) -> Result<(), KeyError> {
        check_alias(name)?;
        let key = self.find(scope, key)?.id.clone();
        let now = self.now();
        self.change(|content| {
            usable_target(content, &key)?;
            let found = content.aliases.iter_mut().find(|alias| alias.scope == *scope && alias.name == name);
            let alias = found.ok_or_else(|| KeyError::NoAlias(scope.arn("kms", name).to_string()))?;
            alias.key = key;
            alias.updated = now;
            Ok(())
        })
    }

    /// `DeleteAlias`.
    pub fn delete_alias(&self, scope: &Scope, name: &str) -> Result<(), KeyError> {
        check_alias(name)?;
        self.change(|content| {
            let before = content.aliases.len();
            content.aliases.retain(|alias| alias.scope != *scope || alias.name != name);
            if content.aliases.len() == before {
                return Err(KeyError::NoAlias(scope.arn("kms", name).to_string()));
            }
            Ok(())
        })
    }

    /// The aliases of a scope, of one key or of all, sorted by name.
    pub fn aliases(&self, scope: &Scope, key: Option<&str>) -> Result<Vec<Alias>, KeyError> {
        let key = key.map(|key| self.find(scope, key)).transpose()?;
        let is_of = |alias: &&Alias| alias.scope == *scope && key.as_ref().is_none_or(|key| key.id == alias.key);
        let mut found: Vec<_> = self.content().aliases.iter().filter(is_of).cloned().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

/// A key's id or an alias's name, without what an ARN has around it. Other scopes' keys are not there.
fn local_name<'a>(scope: &Scope, name: &'a str) -> Result<&'a str, KeyError> {
    if !name.starts_with("arn:") {
        return Ok(name);
    }
    let arn: Arn = name.parse().map_err(|_| KeyError::Invalid(format!("Invalid arn {name}")))?;
    let local = match name.splitn(6, ':').nth(5) {
        Some(resource) if resource.starts_with("alias/") => Some(resource),
        Some(resource) => resource.strip_prefix("key/"),
        None => None,
    };
    match local {
        Some(local) if &*arn.service == "kms" && arn.scope == *scope => Ok(local),
        Some(_) if &*arn.service == "kms" => Err(KeyError::NoKey(name.to_owned())),
        _ => Err(KeyError::Invalid(format!("Invalid arn {name}"))),
    }
}

fn arn_of(scope: &Scope, id: &str) -> String {
    scope.arn("kms", &format!("key/{id}")).to_string()
}

fn alias<'a>(content: &'a Content, scope: &Scope, name: &str) -> Option<&'a Alias> {
    content.aliases.iter().find(|alias| alias.scope == *scope && alias.name == name)
}

/// A key whose deletion is not due.
fn alive(content: &Content, id: &str, now: Millis) -> Option<Arc<Key>> {
    let due = |key: &&Arc<Key>| !matches!(key.state, KeyState::PendingDeletion(at) if at <= now);
    content.keys.get(id).filter(due).cloned()
}

fn usable_target(content: &Content, id: &str) -> Result<(), KeyError> {
    match content.keys.get(id) {
        Some(key) if matches!(key.state, KeyState::PendingDeletion(_)) => Err(KeyError::PendingDeletion(key.arn())),
        Some(_) if content.aliases.iter().filter(|alias| alias.key == id).count() >= ALIASES_PER_KEY_MAX => {
            Err(KeyError::Limit(format!("a key has at most {ALIASES_PER_KEY_MAX} aliases")))
        }
        Some(_) => Ok(()),
        None => Err(KeyError::NoKey(id.to_owned())),
    }
}

/// Whether it is the alias of a service that has keys here.
fn is_service(name: &str) -> bool {
    const SERVICES: [&str; 9] = ["millrace", "kinesis", "sqs", "sns", "firehose", "lambda", "logs", "s3", "es"];
    name.strip_prefix(AWS).is_some_and(|service| SERVICES.contains(&service))
}

fn check_alias(name: &str) -> Result<(), KeyError> {
    let rest = name.strip_prefix("alias/");
    let is_char = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
    match rest {
        Some(rest) if rest.starts_with("aws/") => {
            Err(KeyError::Managed("NotAuthorizedException: aliases that begin with alias/aws/ are AWS's own".into()))
        }
        Some(rest) if !rest.is_empty() && rest.chars().all(is_char) && name.len() <= ALIAS_CHARS_MAX => Ok(()),
        _ => Err(KeyError::Invalid(
            "Invalid identifier: an alias begins with alias/, then letters, digits, '/', '_' and '-'".into(),
        )),
    }
}
