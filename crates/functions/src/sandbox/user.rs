//! The user that functions run as.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

/// A user and its group of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    id: u32,
}

/// No distribution hands this out: above the range of people, below that of systemd's dynamic users.
const FUNCTION_USER_ID: u32 = 60_993;

impl User {
    /// The unprivileged user of functions, when this process may become another.
    pub fn own() -> Option<Self> {
        rustix::process::geteuid().is_root().then_some(Self { id: FUNCTION_USER_ID })
    }

    /// Its number, which is its group's too.
    pub fn id(self) -> u32 {
        self.id
    }

    /// True when this user can get to all of the places.
    pub fn reaches(self, places: &[&Path]) -> bool {
        places.iter().all(|place| place.ancestors().all(|dir| self.enters(dir)))
    }

    fn enters(self, place: &Path) -> bool {
        let Ok(found) = place.metadata() else { return false };
        let mode = found.permissions().mode();
        if found.uid() == self.id { mode & 0o100 != 0 } else { mode & 0o001 != 0 }
    }

    /// Gives a folder to this user.
    pub fn owns(self, dir: &Path) -> std::io::Result<()> {
        chown(dir, Some(self.id), Some(self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_folder_is_not_reached() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        std::fs::create_dir_all(&inner).unwrap();
        let user = User { id: FUNCTION_USER_ID };
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(user.reaches(&[&inner]));
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).unwrap();
        assert!(!user.reaches(&[&inner]));
    }
}
