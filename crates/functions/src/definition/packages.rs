//! The store of deployment packages and layers: immutable zip files, named by their content.
//!
//! # Layout
//! `DIR/SHA256.zip`, 64 hexadecimal digits. A package is durable under its name before any definition names it; equal
//! content is kept once. A file that no definition names is removed by the second [`Packages::collect`] that finds it so:
//! an invocation that resolved its version just before an update still finds the old package.

use super::FunctionsError;
use crate::Package;
use millrace_base::Disk;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a definition says of its package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRef {
    /// 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// Bytes of the zip.
    pub size: u64,
}

impl PackageRef {
    /// What `content` is called.
    pub fn of(content: &[u8]) -> Self {
        let digest = Sha256::digest(content);
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { sha256, size: content.len() as u64 }
    }

    /// AWS's `CodeSha256`: the digest in base64.
    pub fn code_sha256(&self) -> String {
        let digits = self.sha256.as_bytes().chunks(2);
        let bytes = digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        base64_simd::STANDARD.encode_to_string(bytes.collect::<Vec<u8>>())
    }
}

/// The folder of packages.
pub struct Packages {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Found unnamed by the last collection.
    unnamed: Mutex<HashSet<String>>,
}

impl Packages {
    /// The packages in `dir`, which is created when it is absent.
    pub fn open(disk: Arc<dyn Disk>, dir: PathBuf) -> Result<Self, FunctionsError> {
        disk.create_dir(&dir).map_err(|error| failed(&dir, error))?;
        // The names of the folder and of the one that it is in must not be lost with the packages.
        for parent in dir.ancestors().skip(1).take(2) {
            disk.sync_dir(parent).map_err(|error| failed(parent, error))?;
        }
        Ok(Self { disk, dir, unnamed: Mutex::default() })
    }

    /// Keeps a package; it is durable on return.
    pub fn put(&self, content: &[u8]) -> Result<PackageRef, FunctionsError> {
        let package = PackageRef::of(content);
        let path = self.path(&package.sha256);
        // One more chance for a package that was about to be collected.
        self.unnamed.lock().remove(&format!("{}.zip", package.sha256));
        let kept = self.disk.open(&path, false).and_then(|file| file.len());
        if kept.is_ok_and(|len| len == package.size) {
            return Ok(package);
        }
        self.disk.replace(&path, content).map_err(|error| failed(&path, error))?;
        Ok(package)
    }

    /// The package as the runner takes it.
    pub fn package(&self, package: &PackageRef) -> Package {
        Package { sha256: package.sha256.as_str().into(), zip: self.path(&package.sha256) }
    }

    /// The zip's bytes.
    pub fn read(&self, sha256: &str) -> Result<Vec<u8>, FunctionsError> {
        let path = self.path(sha256);
        self.disk.read(&path).map_err(|error| failed(&path, error))
    }

    /// Removes what was not `named` at the last collection either, and half-written files. Gives how many were removed.
    pub fn collect(&self, named: &HashSet<String>) -> Result<usize, FunctionsError> {
        let mut before = self.unnamed.lock();
        let files = self.disk.list(&self.dir).map_err(|error| failed(&self.dir, error))?;
        let unnamed: HashSet<String> = files
            .into_iter()
            .filter(|file| !file.strip_suffix(".zip").is_some_and(|sha| named.contains(sha)))
            .collect();
        let mut removed = 0;
        for file in unnamed.iter().filter(|file| before.contains(*file)) {
            let path = self.dir.join(file);
            self.disk.remove(&path).map_err(|error| failed(&path, error))?;
            removed += 1;
        }
        *before = unnamed;
        Ok(removed)
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.dir.join(format!("{sha256}.zip"))
    }
}

fn failed(path: &Path, error: std::io::Error) -> FunctionsError {
    FunctionsError::Packages { place: path.display().to_string(), error }
}
