//! The writer: lines in order, syncs shared.

use super::chain::{self, Link};
use super::verify::files;
use super::{CEILING, Ceiling, LINE_BYTES_MAX};
use millrace_base::{Disk, DiskFile};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a call cannot be put on record.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The disk failed.
    #[error(
        "the audit in {dir} cannot be written: {reason}; nothing that changes anything is done until the server restarts"
    )]
    Disk {
        /// The folder.
        dir: String,
        /// What the disk said.
        reason: String,
    },
    /// The audit that is there is not one.
    #[error("{file}: the last line {why}; move the folder away to begin a new audit, and find out who changed it")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// An audit that is open. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

struct Inner {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    ceiling: Ceiling,
    pen: Mutex<Pen>,
    /// The number of the last line that is on disk; who holds it syncs.
    synced: Mutex<u64>,
}

struct Pen {
    link: Link,
    file: Arc<dyn DiskFile>,
    bytes: u64,
    /// What the disk said when it failed: nothing is written after that.
    broken: Option<String>,
}

impl Audit {
    /// Opens the audit in `dir`, or begins one.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, AuditError> {
        Self::open_within(disk, dir, CEILING)
    }

    fn open_within(disk: Arc<dyn Disk>, dir: &Path, ceiling: Ceiling) -> Result<Self, AuditError> {
        let failed = |error: io::Error| AuditError::Disk { dir: dir.display().to_string(), reason: error.to_string() };
        disk.create_dir(dir).map_err(failed)?;
        let mut link = Link::default();
        let mut last = None;
        for name in files(&*disk, dir).map_err(failed)?.into_iter().rev() {
            let path = dir.join(&name);
            let content = disk.read(&path).map_err(failed)?;
            let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let file = disk.open(&path, false).map_err(failed)?;
            if whole < content.len() {
                file.set_len(whole as u64).and_then(|()| file.sync()).map_err(failed)?;
            }
            last = last.or(Some((file, whole as u64)));
            let text = String::from_utf8_lossy(&content[..whole]);
            let Some(line) = text.lines().last() else { continue };
            let damaged = |why| AuditError::Damaged { file: path.display().to_string(), why };
            (link, _) = chain::read(line).map_err(damaged)?;
            break;
        }
        let (file, bytes) = match last {
            Some(found) => found,
            None => (new_file(&*disk, dir, &link).map_err(failed)?, 0),
        };
        let synced = Mutex::new(link.number);
        let pen = Mutex::new(Pen { link, file, bytes, broken: None });
        Ok(Self(Arc::new(Inner { disk, dir: dir.to_owned(), ceiling, pen, synced })))
    }

    /// Why nothing can be put on record any more.
    pub fn failure(&self) -> Option<AuditError> {
        self.0.pen.lock().broken.clone().map(|reason| self.0.error(reason))
    }

    /// Appends a record, which is a JSON object on one line; with `durable` it is on disk on return. Waits for the disk.
    pub fn write(&self, record: &str, durable: bool) -> Result<(), AuditError> {
        let inner = &*self.0;
        let (number, file) = {
            let mut pen = inner.pen.lock();
            if let Some(reason) = &pen.broken {
                return Err(inner.error(reason.clone()));
            }
            if let Err(error) = inner.append(&mut pen, record) {
                pen.broken = Some(error.to_string());
                return Err(inner.error(error.to_string()));
            }
            (pen.link.number, pen.file.clone())
        };
        if durable { inner.sync(number, &file) } else { Ok(()) }
    }

    /// Puts on disk what was written.
    pub fn flush(&self) -> Result<(), AuditError> {
        let (number, file) = {
            let pen = self.0.pen.lock();
            (pen.link.number, pen.file.clone())
        };
        self.0.sync(number, &file)
    }
}

impl Inner {
    fn error(&self, reason: String) -> AuditError {
        AuditError::Disk { dir: self.dir.display().to_string(), reason }
    }

    fn append(&self, pen: &mut Pen, record: &str) -> io::Result<()> {
        if pen.bytes >= self.ceiling.file_bytes {
            // What is older than a file is on disk before the file is begun.
            pen.file.sync()?;
            (pen.file, pen.bytes) = (new_file(&*self.disk, &self.dir, &pen.link)?, 0);
            let names = files(&*self.disk, &self.dir)?;
            for old in names.iter().take(names.len().saturating_sub(self.ceiling.files)) {
                self.disk.remove(&self.dir.join(old))?;
            }
        }
        let mut line = pen.link.bind(if record.len() > LINE_BYTES_MAX { TOO_LONG } else { record });
        line.push('\n');
        pen.file.write_at(line.as_bytes(), pen.bytes)?;
        pen.bytes += line.len() as u64;
        Ok(())
    }

    /// Returns when line `number`, which is in `file` or in one before it, is on disk. Who comes while another syncs finds
    /// that it was done, or does it for all who came meanwhile.
    fn sync(&self, number: u64, file: &Arc<dyn DiskFile>) -> Result<(), AuditError> {
        let mut synced = self.synced.lock();
        if *synced >= number {
            return Ok(());
        }
        let (written, file) = {
            let pen = self.pen.lock();
            if let Some(reason) = &pen.broken {
                return Err(self.error(reason.clone()));
            }
            // A file that is no longer written to was synced when the next was begun.
            (pen.link.number, if Arc::ptr_eq(file, &pen.file) { file.clone() } else { pen.file.clone() })
        };
        if let Err(error) = file.sync() {
            self.pen.lock().broken = Some(error.to_string());
            return Err(self.error(error.to_string()));
        }
        *synced = written;
        Ok(())
    }
}

/// What stands for a record that is too long: that there was one must not be lost.
const TOO_LONG: &str = r#"{"eventVersion":"1.11","errorCode":"RecordTooLong"}"#;

fn new_file(disk: &dyn Disk, dir: &Path, link: &Link) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(&dir.join(format!("audit-{:012}.jsonl", link.number + 1)), true)?;
    disk.sync_dir(dir)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::verify;
    use crate::audit::verify::verify_within;
    use millrace_testkit::SimDisk;

    const RECORD: &str = r#"{"eventName":"CreateStream","requestParameters":{"streamName":"orders"}}"#;

    fn written(lines: usize) -> (Arc<SimDisk>, PathBuf) {
        let (disk, dir) = (Arc::new(SimDisk::new(1)), PathBuf::from("audit"));
        let audit = Audit::open(disk.clone(), &dir).unwrap();
        for at in 0..lines {
            audit.write(&RECORD.replace("orders", &format!("orders{at}")), at % 2 == 0).unwrap();
        }
        audit.flush().unwrap();
        (disk, dir)
    }

    fn path(dir: &Path) -> PathBuf {
        dir.join("audit-000000000001.jsonl")
    }

    #[test]
    fn a_chain_goes_on_after_a_restart_and_a_torn_line() {
        let (disk, dir) = written(3);
        let file = disk.open(&path(&dir), false).unwrap();
        file.write_at(br#"{"eventName":"Torn"#, file.len().unwrap()).unwrap();
        let audit = Audit::open(disk.clone(), &dir).unwrap();
        audit.write(RECORD, true).unwrap();
        let verified = verify(&*disk, &dir).unwrap().unwrap().unwrap();
        assert_eq!((verified.first, verified.last), (1, 4));
    }

    #[test]
    fn the_first_line_that_was_touched_is_named() {
        let broken = |change: &dyn Fn(Vec<&str>) -> Vec<String>| {
            let (disk, dir) = written(5);
            let content = String::from_utf8(disk.read(&path(&dir)).unwrap()).unwrap();
            let changed: String = change(content.lines().collect()).into_iter().map(|line| line + "\n").collect();
            disk.replace(&path(&dir), changed.as_bytes()).unwrap();
            let broken = verify(&*disk, &dir).unwrap().unwrap_err();
            (broken.line, broken.why)
        };
        let owned = |lines: Vec<&str>| lines.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let (line, why) =
            broken(&|lines| owned(lines).into_iter().map(|line| line.replace("orders2", "orders9")).collect());
        assert!(line == 3 && why.contains("changed"), "{line} {why}");
        let (line, why) = broken(&|mut lines| {
            lines.remove(1);
            owned(lines)
        });
        assert!(line == 2 && why.contains("missing"), "{line} {why}");
        let (line, _) = broken(&|mut lines| {
            lines.swap(0, 1);
            owned(lines)
        });
        assert_eq!(line, 1);
        // A line that somebody made anew, with a hash of its own, does not fit what follows it.
        let (line, why) = broken(&|lines| {
            let mut lines = owned(lines);
            let mut link = chain::read(&lines[0]).unwrap().0;
            lines[1] = link.bind(&RECORD.replace("orders", "forged"));
            lines
        });
        assert!(line == 3 && why.contains("follow"), "{line} {why}");
    }

    const SMALL: Ceiling = Ceiling { files: 3, file_bytes: 1000 };

    /// Enough lines that whole files have gone.
    fn rolled() -> (Arc<SimDisk>, PathBuf, Vec<PathBuf>) {
        let (disk, dir) = (Arc::new(SimDisk::new(5)), PathBuf::from("audit"));
        let audit = Audit::open_within(disk.clone(), &dir, SMALL).unwrap();
        for _ in 0..40 {
            audit.write(RECORD, false).unwrap();
        }
        audit.flush().unwrap();
        let files: Vec<PathBuf> = files(&*disk, &dir).unwrap().iter().map(|name| dir.join(name)).collect();
        assert_eq!(files.len(), 3);
        (disk, dir, files)
    }

    fn without_first_line(disk: &SimDisk, file: &Path) -> Vec<u8> {
        let content = disk.read(file).unwrap();
        let end = content.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        content[end..].to_vec()
    }

    fn why(disk: &SimDisk, dir: &Path, ceiling: Ceiling) -> String {
        verify_within(disk, dir, ceiling).unwrap().unwrap_err().to_string()
    }

    #[test]
    fn lines_cut_off_at_the_beginning_are_told_from_files_that_had_to_go() {
        let (disk, dir, files) = rolled();
        let verified = verify_within(&*disk, &dir, SMALL).unwrap().unwrap().unwrap();
        assert!(verified.first > 1 && verified.last == 40);
        // The same files where more are kept: nothing had to go yet.
        assert!(why(&disk, &dir, CEILING).contains("is number"), "{}", why(&disk, &dir, CEILING));
        // A line of the first file, under the file's name, and under the name that fits.
        let cut = without_first_line(&disk, &files[0]);
        disk.replace(&files[0], &cut).unwrap();
        assert!(why(&disk, &dir, SMALL).contains("name"), "{}", why(&disk, &dir, SMALL));
        disk.remove(&files[0]).unwrap();
        disk.replace(&dir.join(format!("audit-{:012}.jsonl", verified.first + 1)), &cut).unwrap();
        assert!(why(&disk, &dir, SMALL).contains("is number"), "{}", why(&disk, &dir, SMALL));
        // A whole file too many.
        let (disk, dir, files) = rolled();
        disk.remove(&files[0]).unwrap();
        assert!(why(&disk, &dir, SMALL).contains("2 files"), "{}", why(&disk, &dir, SMALL));
        // The first lines of an audit that never lost a file, also under another name, also all of a file.
        let (disk, dir) = written(5);
        let cut = without_first_line(&disk, &path(&dir));
        disk.replace(&path(&dir), &cut).unwrap();
        assert!(verify(&*disk, &dir).unwrap().unwrap_err().to_string().contains("audit-000000000001.jsonl:1"));
        disk.remove(&path(&dir)).unwrap();
        disk.replace(&dir.join("audit-000000000002.jsonl"), &cut).unwrap();
        assert!(why(&disk, &dir, CEILING).contains("is number 2"), "{}", why(&disk, &dir, CEILING));
    }

    #[test]
    fn what_is_durable_survives_a_crash() {
        let (disk, dir) = (Arc::new(SimDisk::new(3)), PathBuf::from("audit"));
        let audit = Audit::open(disk.clone(), &dir).unwrap();
        audit.write(RECORD, false).unwrap();
        audit.write(RECORD, true).unwrap();
        drop(audit);
        disk.crash();
        Audit::open(disk.clone(), &dir).unwrap();
        let verified = verify(&*disk, &dir).unwrap().unwrap().unwrap();
        assert_eq!(verified.last, 2);
    }
}
