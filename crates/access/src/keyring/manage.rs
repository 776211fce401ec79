//! What owners do with keys: create, describe, disable, rotate, delete.

use super::KeyRing;
use super::crypto::{fill, random};
use super::error::KeyError;
use super::key::{DAY, Key, KeyState, Manager, Rotation, RotationType, Version};
use millrace_base::{Dice, Millis, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

/// AWS's quota of keys in an account and region.
const KEYS_MAX: usize = 100_000;
/// AWS's quota.
const ROTATIONS_ON_DEMAND_MAX: usize = 25;

/// What a new key is to be.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What its owner says of it.
    pub description: String,
    /// Its policy; empty means the account's root may do everything.
    pub policy: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl KeyRing {
    /// `CreateKey`.
    pub fn create(&self, scope: &Scope, mut spec: NewKey) -> Result<Arc<Key>, KeyError> {
        if spec.policy.is_empty() {
            spec.policy = default_policy(scope);
        }
        let key = Arc::new(fresh(&*self.shared.parts.dice, scope, spec, self.now()));
        self.change(|content| {
            if content.keys.values().filter(|other| other.scope == *scope).count() >= KEYS_MAX {
                return Err(KeyError::Limit(format!("an account has at most {KEYS_MAX} keys in a region")));
            }
            content.keys.insert(key.id.clone(), key.clone());
            Ok(key)
        })
    }

    /// The keys of a scope, sorted by id.
    pub fn keys(&self, scope: &Scope) -> Vec<Arc<Key>> {
        let now = self.now();
        let is_gone = |key: &Key| matches!(key.state, KeyState::PendingDeletion(at) if at <= now);
        self.content().keys.values().filter(|key| key.scope == *scope && !is_gone(key)).cloned().collect()
    }

    /// Changes a key by its id.
    pub fn edit<R>(&self, id: &str, edit: impl FnOnce(&mut Key) -> Result<R, KeyError>) -> Result<R, KeyError> {
        self.change(|content| {
            let key = content.keys.get_mut(id).ok_or_else(|| KeyError::NoKey(id.to_owned()))?;
            edit(Arc::make_mut(key))
        })
    }

    /// `EnableKey` and `DisableKey`.
    pub fn set_enabled(&self, key: &Key, enabled: bool) -> Result<(), KeyError> {
        customers(key)?;
        self.edit(&key.id, |key| {
            not_pending(key)?;
            key.state = if enabled { KeyState::Enabled } else { KeyState::Disabled };
            Ok(())
        })
    }

    /// `ScheduleKeyDeletion`; gives the moment.
    pub fn schedule_deletion(&self, key: &Key, days: u32) -> Result<Millis, KeyError> {
        customers(key)?;
        let at = self.now() + Millis::from(days) * DAY;
        self.edit(&key.id, |key| {
            not_pending(key)?;
            key.state = KeyState::PendingDeletion(at);
            Ok(at)
        })
    }

    /// `CancelKeyDeletion`: the key is disabled then.
    pub fn cancel_deletion(&self, key: &Key) -> Result<(), KeyError> {
        self.edit(&key.id, |key| match key.state {
            KeyState::PendingDeletion(_) => {
                key.state = KeyState::Disabled;
                Ok(())
            }
            _ => Err(KeyError::InvalidState(format!("{} is not pending deletion.", key.arn()))),
        })
    }

    /// `RotateKeyOnDemand`: a new version, at once.
    pub fn rotate(&self, key: &Key) -> Result<(), KeyError> {
        // The key that seals this server's own files is its operator's to rotate.
        if key.manager == Manager::Aws && !self.is_own(key) {
            customers(key)?;
        }
        let (material, now) = (random(&*self.shared.parts.dice), self.now());
        self.edit(&key.id, |key| {
            key.usable()?;
            let on_demand = key.rotations().filter(|(_, by)| *by == RotationType::OnDemand).count();
            if on_demand >= ROTATIONS_ON_DEMAND_MAX && key.manager == Manager::Customer {
                return Err(KeyError::Limit(format!(
                    "The on-demand rotation limit of {ROTATIONS_ON_DEMAND_MAX} has been reached for {}",
                    key.arn()
                )));
            }
            key.versions.push(Version { material, made: now, by: Some(RotationType::OnDemand) });
            Ok(())
        })
    }

    /// `EnableKeyRotation` (with a period) and `DisableKeyRotation` (`None`).
    pub fn set_rotation(&self, key: &Key, period_days: Option<u32>) -> Result<(), KeyError> {
        customers(key)?;
        let now = self.now();
        self.edit(&key.id, |key| {
            key.usable()?;
            key.rotation =
                period_days.map(|period_days| Rotation { period_days, next: now + Millis::from(period_days) * DAY });
            Ok(())
        })
    }

    /// Rotates what is due and forgets keys whose time is over. Called from time to time.
    pub fn upkeep(&self) -> Result<(), KeyError> {
        let now = self.now();
        let is_due = |key: &Key| match key.state {
            KeyState::PendingDeletion(at) => at <= now,
            KeyState::Enabled => key.rotation.is_some_and(|rotation| rotation.next <= now),
            KeyState::Disabled => false,
        };
        if !self.content().keys.values().any(|key| is_due(key)) {
            return Ok(());
        }
        self.change(|content| {
            content.keys.retain(|_, key| !matches!(key.state, KeyState::PendingDeletion(at) if at <= now));
            let keys = &content.keys;
            content.aliases.retain(|alias| keys.contains_key(&alias.key));
            for key in content.keys.values_mut().filter(|key| is_due(key)) {
                let key = Arc::make_mut(key);
                let material = random(&*self.shared.parts.dice);
                key.versions.push(Version { material, made: now, by: Some(RotationType::Automatic) });
                if let Some(rotation) = &mut key.rotation {
                    rotation.next = now + Millis::from(rotation.period_days) * DAY;
                }
            }
            Ok(())
        })
    }

    /// Fresh random bytes, as `GenerateRandom` and data keys need them.
    pub fn random(&self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        fill(&*self.shared.parts.dice, &mut bytes);
        bytes
    }

    fn is_own(&self, key: &Key) -> bool {
        let content = self.content();
        content.aliases.iter().any(|alias| alias.key == key.id && alias.name == super::OWN_ALIAS)
    }
}

/// A key that is nowhere yet.
pub(crate) fn fresh(dice: &dyn Dice, scope: &Scope, spec: NewKey, now: Millis) -> Key {
    Key {
        scope: scope.clone(),
        id: dice.uuid(),
        created: now,
        description: spec.description,
        state: KeyState::Enabled,
        manager: Manager::Customer,
        policy: spec.policy,
        tags: spec.tags,
        rotation: None,
        versions: vec![Version { material: random(dice), made: now, by: None }],
    }
}

/// The policy of a key whose maker gave none: the account decides by its identities' policies.
pub(crate) fn default_policy(scope: &Scope) -> String {
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:aws:iam::{}:root"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#,
        scope.account
    )
}

fn customers(key: &Key) -> Result<(), KeyError> {
    if key.manager == Manager::Aws {
        return Err(KeyError::Managed(format!("{} is managed by AWS: this is not possible with it", key.arn())));
    }
    Ok(())
}

fn not_pending(key: &Key) -> Result<(), KeyError> {
    match key.state {
        KeyState::PendingDeletion(_) => Err(KeyError::PendingDeletion(key.arn())),
        _ => Ok(()),
    }
}
