//! The root keys of a server: `DATA/credentials`, in the form that AWS's tools read.
//!
//! The file is made at the first start that needs it, readable by its owner only, with a key for the root user of account
//! `000000000000` in its profile `default`. A profile whose name is twelve digits is the root key of that account. To change
//! a root key, remove the file (or its section) and start again; everything else is done with IAM.

use millrace_access::{Identities, Profile, RootKey, profiles, write_profiles};
use millrace_base::Scope;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file's name in the data folder.
pub const FILE: &str = "credentials";

/// Why there are no root keys.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    /// A section is not of the form that this server writes.
    #[error(
        "{path}: profile [{profile}]: {reason}; remove the file, and the next start makes a new key for account \
         000000000000"
    )]
    Profile {
        /// The file.
        path: String,
        /// The section.
        profile: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Gives `identities` the root keys of the data folder, made if there are none; tells where they are and whether they are
/// new.
#[allow(clippy::disallowed_methods, reason = "its mode is a matter of the real file system, outside any simulation")]
pub fn open(data: &Path, identities: &Identities) -> Result<(PathBuf, bool), CredentialsError> {
    let path = data.join(FILE);
    let failed = |error| CredentialsError::File(path.display().to_string(), error);
    let (text, is_new) = match std::fs::read_to_string(&path) {
        Ok(text) => (text, false),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let RootKey { access_key_id, secret, .. } = identities.new_root_key(Scope::DEFAULT_ACCOUNT);
            let root = Profile { access_key_id, secret, session_token: None };
            let text = write_profiles(&[("default", &root)]);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            (text, true)
        }
        Err(error) => return Err(failed(error)),
    };
    let roots = profiles(&text).into_iter().map(|(name, profile)| root(&path, &name, profile));
    identities.set_root_keys(roots.collect::<Result<_, _>>()?);
    Ok((path, is_new))
}

fn root(path: &Path, name: &str, profile: Profile) -> Result<RootKey, CredentialsError> {
    let wrong = |reason: String| {
        Err(CredentialsError::Profile { path: path.display().to_string(), profile: name.to_owned(), reason })
    };
    let account = if name == "default" { Scope::DEFAULT_ACCOUNT } else { name };
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong("its name is neither default nor the twelve digits of an account".to_owned());
    }
    // A request's account stands in its key's id, for every key that a server made.
    if Scope::account_of(&profile.access_key_id) != Some(account) || profile.access_key_id == account {
        return wrong(format!("its key id must be AKIAMR, then {account}, then six letters"));
    }
    if profile.session_token.is_some() {
        return wrong("a root key has no session token".to_owned());
    }
    Ok(RootKey { account: account.to_owned(), access_key_id: profile.access_key_id, secret: profile.secret })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test of the real disk")]
    use super::*;
    use millrace_base::{SystemClock, SystemDice, SystemDisk};
    use millrace_catalog::Catalog;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    #[test]
    fn keys_are_made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&SystemDisk, &dir.path().join("catalog.redb")).unwrap();
        let identities = Identities::new(catalog, Arc::new(SystemClock), Arc::new(SystemDice));
        let (path, is_new) = open(dir.path(), &identities).unwrap();
        assert!(is_new);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        let id = profiles(&text)["default"].access_key_id.clone();
        assert!(identities.key(&id).unwrap().unwrap().principal.is_root());
        assert!(!open(dir.path(), &identities).unwrap().1);
        assert!(identities.key(&id).unwrap().is_some());
        // Another account's root is another section.
        let more = "[111111111111]\naws_access_key_id = AKIAMR111111111111ABCDEF\naws_secret_access_key = s\n";
        std::fs::write(&path, format!("{text}\n{more}")).unwrap();
        open(dir.path(), &identities).unwrap();
        let other = identities.key("AKIAMR111111111111ABCDEF").unwrap().unwrap();
        assert_eq!(&*other.principal.arn, "arn:aws:iam::111111111111:root");
        std::fs::write(&path, more.replace("MR1", "MR2")).unwrap();
        assert!(open(dir.path(), &identities).unwrap_err().to_string().contains("must be AKIAMR, then 111111111111"));
    }
}
