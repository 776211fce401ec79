//! Unpacking deployment packages and layers.
//!
//! # Layout
//! ```text
//! DIR/code/SHA256/      one deployment package, shared by every process that runs it: LAMBDA_TASK_ROOT
//! DIR/layers/SHA256/    the layers of a version laid over each other in their order; the digest is of their digests
//! DIR/…/SHA256.from     the zips that it was unpacked from, a path a line: when one of them is gone, so is its use
//! ```
//! A folder appears whole, by a rename, so what a crash leaves under the temporary name is never used. Files keep their
//! executable bits and lose the writable ones, as on AWS, where both places are read-only.
//!
//! # Limits
//! Package and layers together hold at most [`UNZIPPED_BYTES_MAX`]. It is counted while unpacking: what the zip claims about
//! itself is not believed.

#![allow(
    clippy::disallowed_methods,
    reason = "a driver of the real file system: symbolic links and modes are not in Disk"
)]

use crate::Package;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use zip::ZipArchive;
use zip::read::ZipFile;

/// What a function's package and its layers may hold together, unpacked.
pub const UNZIPPED_BYTES_MAX: u64 = 250 * 1024 * 1024;
/// A package of this many entries is a mistake or an attack: the file system would suffer long before the bytes do.
const ENTRIES_MAX: usize = 200_000;
const FROM: &str = ".from";
/// A symbolic link's target is a path.
const LINK_BYTES_MAX: u64 = 4096;

/// Why a package cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It is not a zip file, or a damaged one.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again. ({0})")]
    NotZip(String),
    /// It holds more than Lambda takes.
    #[error("Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes")]
    TooLarge,
    /// An entry or a link leads out of the package.
    #[error("'{0}' leads out of the package; entries and symbolic links must stay within it")]
    Escapes(String),
    /// The disk failed.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    let path = path.to_owned();
    move |error| PackageError::Disk { path, error }
}

/// Checks that `zip` can be unpacked and tells how many bytes it claims to hold unpacked.
pub fn measure(zip: &[u8]) -> Result<u64, PackageError> {
    let mut archive = open(io::Cursor::new(zip))?;
    let mut bytes = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(not_zip)?;
        if entry.enclosed_name().is_none() {
            return Err(PackageError::Escapes(entry.name().to_owned()));
        }
        bytes = bytes.saturating_add(entry.size());
    }
    if bytes >= UNZIPPED_BYTES_MAX { Err(PackageError::TooLarge) } else { Ok(bytes) }
}

/// Gives a package's zip.
pub type Content<'a> = &'a dyn Fn(&Package) -> io::Result<Vec<u8>>;

/// Where code and layers of a version lie, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// `LAMBDA_TASK_ROOT`.
    pub code: PathBuf,
    /// What AWS mounts at `/opt`; `None` without layers.
    pub layers: Option<PathBuf>,
}

/// Unpacks code and layers below `dir`, or finds them there. Blocking. Whoever calls it twice at once for the same package
/// gets one folder: the second rename finds the first.
///
/// `content` gives a package's bytes, which are not always those of its file.
pub fn unpack(dir: &Path, content: Content<'_>, code: &Package, layers: &[Package]) -> Result<Unpacked, PackageError> {
    let mut budget = UNZIPPED_BYTES_MAX;
    let code = once(&dir.join("code"), &code.sha256, &mut budget, content, std::slice::from_ref(code))?;
    if layers.is_empty() {
        return Ok(Unpacked { code, layers: None });
    }
    let mut digest = Sha256::new();
    for layer in layers {
        digest.update(layer.sha256.as_bytes());
    }
    let name: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let layers = once(&dir.join("layers"), &name, &mut budget, content, layers)?;
    Ok(Unpacked { code, layers: Some(layers) })
}

/// Removes unpacked folders whose zips are gone. A zip goes when no definition names it; a process of an old revision may
/// run a while longer, so a folder goes at the second look that finds it so.
#[derive(Default)]
pub(crate) struct Sweeper {
    useless: Mutex<HashSet<PathBuf>>,
}

impl Sweeper {
    /// Looks once.
    pub fn sweep(&self, dir: &Path) -> io::Result<()> {
        let mut before = self.useless.lock();
        let mut useless = HashSet::new();
        for parent in [dir.join("code"), dir.join("layers")] {
            for entry in fs::read_dir(&parent).into_iter().flatten() {
                let note = entry?.path();
                let Some(name) = note.file_name().and_then(|name| name.to_str()?.strip_suffix(FROM)) else { continue };
                let from = fs::read_to_string(&note)?;
                if from.lines().all(|zip| Path::new(zip).exists()) {
                    continue;
                }
                if before.contains(&note) {
                    remove(&parent.join(name))?;
                    fs::remove_file(&note)?;
                } else {
                    useless.insert(note);
                }
            }
        }
        *before = useless;
        Ok(())
    }
}

/// Removes an unpacked folder.
fn remove(dir: &Path) -> io::Result<()> {
    make_writable(dir)?;
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn once(
    parent: &Path,
    name: &str,
    budget: &mut u64,
    content: Content<'_>,
    packages: &[Package],
) -> Result<PathBuf, PackageError> {
    let done = parent.join(name);
    if done.is_dir() {
        *budget = budget.saturating_sub(size_of_tree(&done).map_err(disk(&done))?);
        return Ok(done);
    }
    fs::create_dir_all(parent).map_err(disk(parent))?;
    let fresh = parent.join(format!(".{name}.{}.tmp", std::process::id()));
    remove(&fresh).map_err(disk(&fresh))?;
    let from: Vec<String> = packages.iter().map(|package| package.zip.display().to_string()).collect();
    let note = parent.join(format!("{name}{FROM}"));
    fs::write(&note, from.join("\n")).map_err(disk(&note))?;
    let unpacked = packages.iter().try_for_each(|package| {
        let zip = content(package).map_err(disk(&package.zip))?;
        extract(&zip, &fresh, budget)
    });
    let unpacked = unpacked.and_then(|()| make_read_only(&fresh).map_err(disk(&fresh)));
    if let Err(error) = unpacked {
        // The first error is the one to tell; rubbish under a temporary name is removed at the next try.
        let _ = remove(&fresh);
        return Err(error);
    }
    match fs::rename(&fresh, &done) {
        Ok(()) => Ok(done),
        Err(_) if done.is_dir() => {
            let _ = remove(&fresh);
            Ok(done)
        }
        Err(error) => Err(disk(&done)(error)),
    }
}

fn open<R: Read + io::Seek>(zip: R) -> Result<ZipArchive<R>, PackageError> {
    let archive = ZipArchive::new(zip).map_err(not_zip)?;
    if archive.len() > ENTRIES_MAX {
        return Err(PackageError::NotZip(format!("it has {} entries, at most {ENTRIES_MAX} are taken", archive.len())));
    }
    Ok(archive)
}

fn not_zip(error: impl std::fmt::Display) -> PackageError {
    PackageError::NotZip(error.to_string())
}

fn extract(zip: &[u8], into: &Path, budget: &mut u64) -> Result<(), PackageError> {
    let mut archive = open(io::Cursor::new(zip))?;
    fs::create_dir_all(into).map_err(disk(into))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(not_zip)?;
        let Some(name) = entry.enclosed_name() else { return Err(PackageError::Escapes(entry.name().to_owned())) };
        let path = into.join(&name);
        through_folders(into, &name)?;
        if entry.is_dir() {
            fs::create_dir_all(&path).map_err(disk(&path))?;
        } else if entry.is_symlink() {
            link(&mut entry, &name, &path)?;
        } else {
            write(&mut entry, &path, budget)?;
        }
    }
    Ok(())
}

/// Makes the folders above an entry. A link that an earlier entry put in the way is not followed.
fn through_folders(root: &Path, name: &Path) -> Result<(), PackageError> {
    let mut path = root.to_owned();
    for part in name.parent().into_iter().flat_map(Path::components) {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(PackageError::Escapes(name.display().to_string())),
            Err(_) => fs::create_dir(&path).map_err(disk(&path))?,
        }
    }
    Ok(())
}

fn link<R: Read>(entry: &mut ZipFile<'_, R>, name: &Path, path: &Path) -> Result<(), PackageError> {
    let mut target = String::new();
    entry.take(LINK_BYTES_MAX).read_to_string(&mut target).map_err(not_zip)?;
    let mut depth = name.components().count() as i64 - 1;
    let stays = Path::new(&target).components().all(|part| {
        depth += match part {
            Component::Normal(_) => 1,
            Component::CurDir => 0,
            Component::ParentDir => -1,
            Component::RootDir | Component::Prefix(_) => i64::MIN / 2,
        };
        depth >= 0
    });
    if !stays {
        return Err(PackageError::Escapes(format!("{} -> {target}", name.display())));
    }
    displace(path)?;
    symlink(&target, path).map_err(disk(path))
}

fn write<R: Read>(entry: &mut ZipFile<'_, R>, path: &Path, budget: &mut u64) -> Result<(), PackageError> {
    displace(path)?;
    let executable = entry.unix_mode().unwrap_or(0) & 0o111 != 0;
    let mode = if executable { 0o555 } else { 0o444 };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(disk(path))?;
    let mut limited = entry.take(*budget + 1);
    let copied = io::copy(&mut limited, &mut file).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => not_zip(error),
        _ => disk(path)(error),
    })?;
    *budget = budget.checked_sub(copied).ok_or(PackageError::TooLarge)?;
    // The mode at creation is cut by the process's umask.
    file.set_permissions(Permissions::from_mode(mode)).map_err(disk(path))
}

/// Takes away what an earlier layer put at this place.
fn displace(path: &Path) -> Result<(), PackageError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).map_err(disk(path)),
        Ok(_) => fs::remove_file(path).map_err(disk(path)),
        Err(_) => Ok(()),
    }
}

fn folders(dir: &Path, visit: &mut impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    visit(dir)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders(&entry.path(), visit)?;
        }
    }
    Ok(())
}

fn make_read_only(dir: &Path) -> io::Result<()> {
    // Only the execute and read bits matter to functions; the owner keeps write so that bytecode can be put beside sources.
    folders(dir, &mut |folder| fs::set_permissions(folder, Permissions::from_mode(0o755)))
}

/// Takes the writing bits of all folders: nothing is put into an unpacked package any more.
pub(crate) fn seal(dir: &Path) -> io::Result<()> {
    folders(dir, &mut |folder| fs::set_permissions(folder, Permissions::from_mode(0o555)))
}

fn make_writable(dir: &Path) -> io::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    folders(dir, &mut |folder| fs::set_permissions(folder, Permissions::from_mode(0o755)))
}

/// The bytes of all files below `dir`; what vanishes meanwhile counts nothing.
pub(crate) fn size_of_tree(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let Ok(entry) = entry else { continue };
        let Ok(found) = entry.metadata() else { continue };
        bytes += if found.is_dir() { size_of_tree(&entry.path()).unwrap_or(0) } else { found.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn zipped(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content, mode) in entries {
            writer.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn stored(package: &Package) -> io::Result<Vec<u8>> {
        fs::read(&package.zip)
    }

    fn package(dir: &Path, name: &str, zip: &[u8]) -> Package {
        let path = dir.join(format!("{name}.zip"));
        fs::write(&path, zip).unwrap();
        Package { sha256: name.into(), zip: path }
    }

    #[test]
    fn modes_are_kept_and_writing_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let code =
            package(dir.path(), "aa", &zipped(&[("bootstrap", b"#!/bin/sh", 0o755), ("lib/a.py", b"a = 1", 0o644)]));
        let unpacked = unpack(dir.path(), &stored, &code, &[]).unwrap();
        let mode = |name: &str| fs::metadata(unpacked.code.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bootstrap"), mode("lib/a.py")), (0o555, 0o444));
        assert_eq!(unpack(dir.path(), &stored, &code, &[]).unwrap(), unpacked);
    }

    #[test]
    fn a_later_layer_wins() {
        let dir = tempfile::tempdir().unwrap();
        let code = package(dir.path(), "aa", &zipped(&[("x", b"", 0o644)]));
        let below = package(dir.path(), "bb", &zipped(&[("python/a.py", b"1", 0o644), ("python/b.py", b"1", 0o644)]));
        let above = package(dir.path(), "cc", &zipped(&[("python/a.py", b"2", 0o644)]));
        let layers = unpack(dir.path(), &stored, &code, &[below, above]).unwrap().layers.unwrap();
        let read = |name: &str| fs::read_to_string(layers.join(name)).unwrap();
        assert_eq!((read("python/a.py").as_str(), read("python/b.py").as_str()), ("2", "1"));
    }

    #[test]
    fn nothing_is_written_outside() {
        let dir = tempfile::tempdir().unwrap();
        let escaping = zipped(&[("../escaped", b"x", 0o644)]);
        assert!(matches!(measure(&escaping), Err(PackageError::Escapes(_))));
        let code = package(dir.path(), "aa", &escaping);
        assert!(matches!(unpack(dir.path(), &stored, &code, &[]), Err(PackageError::Escapes(_))));
        assert!(!dir.path().join("code/escaped").exists());
    }

    #[test]
    fn links_out_of_the_package_are_refused() {
        for target in ["/etc/passwd", "../outside", "a/../../outside"] {
            let dir = tempfile::tempdir().unwrap();
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            writer.add_symlink("link", target, SimpleFileOptions::default()).unwrap();
            let code = package(dir.path(), "aa", &writer.finish().unwrap().into_inner());
            assert!(matches!(unpack(dir.path(), &stored, &code, &[]), Err(PackageError::Escapes(_))), "{target}");
        }
    }

    #[test]
    fn a_bomb_is_stopped_by_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let zeros = vec![0; 64 * 1024 * 1024];
        let bomb = zipped(&[("a", &zeros, 0o644), ("b", &zeros, 0o644), ("c", &zeros, 0o644), ("d", &zeros, 0o644)]);
        assert!(matches!(measure(&bomb), Err(PackageError::TooLarge)));
        let code = package(dir.path(), "aa", &bomb);
        assert!(matches!(unpack(dir.path(), &stored, &code, &[]), Err(PackageError::TooLarge)));
        let left: Vec<_> =
            fs::read_dir(dir.path().join("code")).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["aa.from"]);
    }

    #[test]
    fn folders_whose_zip_is_gone_are_removed_at_the_second_look() {
        let dir = tempfile::tempdir().unwrap();
        let old = package(dir.path(), "aa", &zipped(&[("a/b", b"", 0o644)]));
        let new = package(dir.path(), "bb", &zipped(&[("a/b", b"", 0o644)]));
        let (old_at, new_at) = (
            unpack(dir.path(), &stored, &old, &[]).unwrap().code,
            unpack(dir.path(), &stored, &new, &[]).unwrap().code,
        );
        seal(&old_at).unwrap();
        fs::remove_file(&old.zip).unwrap();
        let sweeper = Sweeper::default();
        sweeper.sweep(dir.path()).unwrap();
        assert!(old_at.is_dir());
        sweeper.sweep(dir.path()).unwrap();
        assert!(!old_at.exists() && new_at.is_dir());
    }

    #[test]
    fn what_is_no_zip_is_said_in_aws_words() {
        let said = measure(b"hello").unwrap_err().to_string();
        assert!(
            said.starts_with("Could not unzip uploaded file. Please check your file, then try to upload again."),
            "{said}"
        );
    }
}
