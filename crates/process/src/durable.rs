//! Folders that survive a crash with all the folders above them.

use millrace_base::Disk;
use std::io;
use std::path::Path;

/// Creates a folder and makes its name, and the names of the folders above it, durable. Syncing a file and its folder is
/// not enough when the folder itself is new: a crash may then lose the folder with all in it.
pub(crate) fn create_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.create_dir(dir)?;
    for above in dir.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        match disk.sync_dir(above) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
