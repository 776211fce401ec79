//! When, where and for what access keys were used last.
//!
//! Noted in memory at every verified signature, and put into the catalog once a minute ([`Identities::keep_uses`]): a crash loses
//! a minute of it. Of more than [`USES_MAX`] keys that are used within a minute, the rest are not noted.

use crate::{Identities, IdentityError, Key, PrincipalKind};
use millrace_base::Millis;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The catalog's table; keys are ids of access keys.
const TABLE: &str = "access-key-use";
/// How many keys are noted within a minute.
const USES_MAX: usize = 4096;

/// The last use of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// When.
    pub at: Millis,
    /// The service, as signatures name it.
    pub service: String,
    /// The region.
    pub region: String,
}

/// What was noted since it was last put into the catalog.
pub(crate) type Uses = Mutex<HashMap<String, KeyUse>>;

impl Identities {
    /// Notes that a user's key was used. Sessions and root keys are not asked for by anybody.
    pub(crate) fn note_use(&self, key: &Key, service: &str, region: &str) {
        if !matches!(key.principal.kind, PrincipalKind::User { .. }) {
            return;
        }
        let (id, at) = (&*key.principal.access_key_id, self.clock.now());
        let mut uses = self.keys.uses.lock();
        let is_full = uses.len() >= USES_MAX;
        match uses.get_mut(id) {
            Some(known) if known.service == service && known.region == region => known.at = at,
            None if is_full => {}
            _ => {
                uses.insert(id.to_owned(), KeyUse { at, service: service.to_owned(), region: region.to_owned() });
            }
        }
    }

    /// The last use of a user's key, if there was one that was verified.
    pub fn last_use(&self, access_key_id: &str) -> Result<Option<KeyUse>, IdentityError> {
        if let Some(noted) = self.keys.uses.lock().get(access_key_id) {
            return Ok(Some(noted.clone()));
        }
        Ok(self.catalog.get(TABLE, access_key_id)?)
    }

    /// Puts what was noted into the catalog. What cannot be put there is noted still.
    pub fn keep_uses(&self) -> Result<(), IdentityError> {
        let noted = self.keys.uses.lock().clone();
        if noted.is_empty() {
            return Ok(());
        }
        self.catalog.update(|transaction| {
            noted.iter().try_for_each(|(id, used)| transaction.put(TABLE, id, used))?;
            Ok::<_, IdentityError>(())
        })?;
        self.keys.uses.lock().retain(|id, used| noted.get(id) != Some(used));
        Ok(())
    }

    /// Forgets the uses of a key that is gone.
    pub(crate) fn forget_use(&self, access_key_id: &str) -> Result<(), IdentityError> {
        self.keys.uses.lock().remove(access_key_id);
        self.catalog.delete(TABLE, access_key_id)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewUser;
    use millrace_catalog::Catalog;
    use millrace_testkit::{SimClock, SimDice, SimDisk};
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn the_last_use_outlives_a_restart_and_goes_with_its_key() {
        let (disk, clock) = (SimDisk::new(1), SimClock::at(5_000));
        let open = || {
            let catalog = Catalog::open(&disk, Path::new("catalog.redb")).unwrap();
            Identities::new(catalog, Arc::new(clock.clone()), Arc::new(SimDice::new(7)))
        };
        let id = {
            let identities = open();
            identities.create_user("111111111111", NewUser { name: "ann".into(), ..NewUser::default() }).unwrap();
            let id = identities.create_access_key("111111111111", "ann").unwrap().key.id;
            assert_eq!(identities.last_use(&id).unwrap(), None);
            let key = identities.key(&id).unwrap().unwrap();
            identities.note_use(&key, "sqs", "us-east-1");
            identities.note_use(&key, "kinesis", "eu-west-1");
            identities.keep_uses().unwrap();
            assert!(identities.keys.uses.lock().is_empty());
            id
        };
        let identities = open();
        let used = KeyUse { at: 5_000, service: "kinesis".into(), region: "eu-west-1".into() };
        assert_eq!(identities.last_use(&id).unwrap(), Some(used));
        identities.delete_access_key("111111111111", "ann", &id).unwrap();
        assert_eq!(identities.last_use(&id).unwrap(), None);
    }
}
