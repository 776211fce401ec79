//! Access keys: what each is verified with, and whom it stands for.
//!
//! ```text
//! AKIAMR…  a user's key        found in the user it belongs to
//! ASIAMR…  a temporary key     found in its session
//! any      a root key          from the credentials file, never in the catalog
//! ```
//!
//! Secrets and session tokens of users' keys and sessions are not stored. They follow from the key's id and the *vault*, 32
//! random bytes that the catalog keeps; whoever has the catalog unsealed can compute them, nobody else can.

use crate::identities::key as place;
use crate::secret::Vault;
use crate::session::{SESSIONS, Session};
use crate::uses::Uses;
use crate::{Identities, IdentityError, Principal, PrincipalKind, Secret, SessionLimits, User};
use millrace_base::{Millis, Scope};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Letters of a session token: AWS's are of about this length.
const TOKEN_LETTERS: usize = 356;
/// Letters of a secret: as AWS's.
const SECRET_LETTERS: usize = 40;
/// How many keys are remembered with what they stand for; the rest are looked up again.
const KNOWN_MAX: usize = 4096;

/// An access key with what verifies it.
#[derive(Debug, Clone)]
pub struct Key {
    /// What signatures are made with.
    pub secret: Secret,
    /// What must come with every request that is signed with it, when it is temporary.
    pub session_token: Option<Secret>,
    /// When it ends, when it is temporary.
    pub expires: Option<Millis>,
    /// False for one that was made inactive.
    pub active: bool,
    /// Whom it stands for.
    pub principal: Arc<Principal>,
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It may.
    Active,
    /// It was made inactive.
    Inactive,
    /// Its session has ended.
    Expired,
}

impl Key {
    /// Whether it may be used at `now`.
    pub fn state(&self, now: Millis) -> KeyState {
        match self.expires {
            _ if !self.active => KeyState::Inactive,
            Some(expires) if expires <= now => KeyState::Expired,
            _ => KeyState::Active,
        }
    }
}

/// The key of an account's root user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKey {
    /// The account.
    pub account: String,
    /// Its id.
    pub access_key_id: String,
    /// What signatures are made with.
    pub secret: Secret,
}

/// What is known of keys without asking the catalog.
#[derive(Default)]
pub(crate) struct Keys {
    known: Mutex<Known>,
    roots: RwLock<HashMap<String, Arc<Key>>>,
    vault: OnceLock<Vault>,
    pub(crate) uses: Uses,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<Key>>,
    /// Grows with every change, so that what was read before one is not remembered after it.
    generation: u64,
}

impl Keys {
    /// Something changed: what is known may no longer hold.
    pub fn forget(&self) {
        let mut known = self.known.lock();
        known.generation += 1;
        known.keys.clear();
    }

    /// Grows with every change.
    pub fn generation(&self) -> u64 {
        self.known.lock().generation
    }
}

impl Identities {
    /// Replaces the keys of root users.
    pub fn set_root_keys(&self, roots: Vec<RootKey>) {
        let key = |root: RootKey| {
            let principal =
                Principal { access_key_id: root.access_key_id.as_str().into(), ..Principal::root(&root.account) };
            let key = Key {
                secret: root.secret,
                session_token: None,
                expires: None,
                active: true,
                principal: Arc::new(principal),
            };
            (root.access_key_id, Arc::new(key))
        };
        *self.keys.roots.write() = roots.into_iter().map(key).collect();
    }

    /// A new root key for an account; it holds once it is among those of [`Identities::set_root_keys`].
    pub fn new_root_key(&self, account: &str) -> RootKey {
        RootKey {
            account: account.to_owned(),
            access_key_id: crate::session::key_id(self, crate::session::PERMANENT, account),
            secret: Secret::new(self.letters(SECRET_LETTERS)),
        }
    }

    /// The key of an id, whatever its state; none when nobody has it.
    pub fn key(&self, access_key_id: &str) -> Result<Option<Arc<Key>>, IdentityError> {
        if let Some(root) = self.keys.roots.read().get(access_key_id) {
            return Ok(Some(root.clone()));
        }
        let generation = {
            let known = self.keys.known.lock();
            if let Some(key) = known.keys.get(access_key_id) {
                return Ok(Some(key.clone()));
            }
            known.generation
        };
        let Some(found) = self.look_up(access_key_id)?.map(Arc::new) else { return Ok(None) };
        let mut known = self.keys.known.lock();
        if known.generation == generation {
            if known.keys.len() >= KNOWN_MAX {
                known.keys.clear();
            }
            known.keys.insert(access_key_id.to_owned(), found.clone());
        }
        Ok(Some(found))
    }

    fn look_up(&self, access_key_id: &str) -> Result<Option<Key>, IdentityError> {
        let Some(account) = Scope::account_of(access_key_id).filter(|account| *account != access_key_id) else {
            return Ok(None);
        };
        let session: Option<Session> = self.catalog.get(SESSIONS, &place(account, access_key_id))?;
        if let Some(session) = session {
            return self.temporary(account, access_key_id, session);
        }
        match self.user_of_key(account, access_key_id)? {
            Some(user) => self.permanent(access_key_id, &user).map(Some),
            None => Ok(None),
        }
    }

    fn permanent(&self, access_key_id: &str, user: &User) -> Result<Key, IdentityError> {
        let principal = Principal {
            account: user.account.as_str().into(),
            kind: PrincipalKind::User { name: user.name.as_str().into() },
            arn: user.arn().into(),
            user_id: user.id.as_str().into(),
            access_key_id: access_key_id.into(),
            tags: user.tags.clone(),
            session: None,
            issued: None,
        };
        Ok(Key {
            secret: self.secret_of(access_key_id)?,
            session_token: None,
            expires: None,
            active: user.keys.iter().any(|key| key.id == access_key_id && key.active),
            principal: Arc::new(principal),
        })
    }

    fn temporary(&self, account: &str, access_key_id: &str, session: Session) -> Result<Option<Key>, IdentityError> {
        let Some(kind) = PrincipalKind::of_arn(&session.arn, session.role_arn.as_deref()) else { return Ok(None) };
        let limits = Some(session.policies).filter(|policies| !policies.is_empty());
        let principal = Principal {
            account: account.into(),
            kind,
            arn: session.arn.into(),
            user_id: session.user_id.into(),
            access_key_id: access_key_id.into(),
            tags: session.tags,
            session: limits.map(|policies| Arc::new(SessionLimits { policies })),
            issued: Some(session.issued),
        };
        Ok(Some(Key {
            secret: self.secret_of(access_key_id)?,
            session_token: Some(self.token_of(access_key_id)?),
            expires: Some(session.expires),
            active: true,
            principal: Arc::new(principal),
        }))
    }

    /// The secret of a key that is no root's.
    pub(crate) fn secret_of(&self, access_key_id: &str) -> Result<Secret, IdentityError> {
        Ok(self.vault()?.secret("secret", access_key_id, SECRET_LETTERS))
    }

    /// The token of a temporary key.
    pub(crate) fn token_of(&self, access_key_id: &str) -> Result<Secret, IdentityError> {
        Ok(self.vault()?.secret("token", access_key_id, TOKEN_LETTERS))
    }

    fn vault(&self) -> Result<&Vault, IdentityError> {
        if let Some(vault) = self.keys.vault.get() {
            return Ok(vault);
        }
        let key: [u8; 32] = self.catalog.update(|transaction| {
            if let Some(key) = transaction.get("access", "vault")? {
                return Ok::<_, IdentityError>(key);
            }
            let mut key = [0; 32];
            key.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.dice.roll().to_le_bytes()));
            transaction.put("access", "vault", &key)?;
            Ok(key)
        })?;
        Ok(self.keys.vault.get_or_init(|| Vault::new(&key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NewRole, NewUser, SessionRequest};
    use millrace_catalog::Catalog;
    use millrace_testkit::{SimClock, SimDice, SimDisk};
    use std::path::Path;

    const ACCOUNT: &str = "111111111111";
    const TRUST: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#;

    fn opened(disk: &SimDisk, clock: &SimClock) -> Identities {
        let catalog = Catalog::open(disk, Path::new("catalog.redb")).unwrap();
        Identities::new(catalog, Arc::new(clock.clone()), Arc::new(SimDice::new(7)))
    }

    #[test]
    fn a_users_key_is_known_until_it_goes() {
        let clock = SimClock::at(1_000_000);
        let identities = opened(&SimDisk::new(1), &clock);
        let ann = NewUser { name: "ann".to_owned(), ..NewUser::default() };
        identities.create_user(ACCOUNT, ann).unwrap();
        let made = identities.create_access_key(ACCOUNT, "ann").unwrap();
        let state = || identities.key(&made.key.id).unwrap().map(|key| key.state(1_000_000));
        let found = identities.key(&made.key.id).unwrap().unwrap();
        assert_eq!((&found.secret, &found.session_token), (&made.secret, &None));
        assert_eq!(&*found.principal.arn, "arn:aws:iam::111111111111:user/ann");
        assert_eq!(state(), Some(KeyState::Active));
        identities.set_access_key_active(ACCOUNT, "ann", &made.key.id, false).unwrap();
        assert_eq!(state(), Some(KeyState::Inactive));
        identities.delete_access_key(ACCOUNT, "ann", &made.key.id).unwrap();
        assert_eq!(state(), None);
        assert!(identities.key(ACCOUNT).unwrap().is_none(), "twelve digits are nobody's key");
    }

    #[test]
    fn a_session_has_a_token_and_an_end_and_outlives_a_restart() {
        let (disk, clock) = (SimDisk::new(1), SimClock::at(1_000_000));
        let made = {
            let identities = opened(&disk, &clock);
            let role = NewRole { name: "loader".to_owned(), trust: TRUST.to_owned(), ..NewRole::default() };
            let role_arn = identities.create_role(ACCOUNT, role).unwrap().arn();
            let asked = SessionRequest {
                role_arn: &role_arn,
                name: "me",
                policies: vec!["{}".to_owned()],
                ..SessionRequest::default()
            };
            identities.session_for_role(asked).unwrap()
        };
        let identities = opened(&disk, &clock);
        let key = identities.key(&made.access_key_id).unwrap().unwrap();
        assert_eq!((&key.secret, &key.session_token), (&made.secret_access_key, &Some(made.session_token)));
        assert_eq!(key.state(made.expiration - 1), KeyState::Active);
        assert_eq!(key.state(made.expiration), KeyState::Expired);
        assert_eq!(key.principal.session, Some(Arc::new(SessionLimits { policies: vec!["{}".to_owned()] })));
        assert_eq!(key.principal.issued, Some(1_000_000));
        let role = PrincipalKind::Role {
            arn: "arn:aws:iam::111111111111:role/loader".into(),
            name: "loader".into(),
            session: "me".into(),
        };
        assert_eq!(key.principal.kind, role);
    }

    #[test]
    fn root_keys_are_those_that_were_set_last() {
        let identities = opened(&SimDisk::new(1), &SimClock::at(0));
        let (first, second) = (identities.new_root_key(ACCOUNT), identities.new_root_key(ACCOUNT));
        identities.set_root_keys(vec![first.clone()]);
        assert!(identities.key(&first.access_key_id).unwrap().unwrap().principal.is_root());
        identities.set_root_keys(vec![second]);
        assert!(identities.key(&first.access_key_id).unwrap().is_none());
        assert!(!format!("{first:?}").contains(first.secret.expose()));
    }
}
