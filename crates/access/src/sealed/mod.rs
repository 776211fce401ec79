//! A disk whose files are sealed: AES-256-GCM by envelope, over any other [`Disk`](millrace_base::Disk).
//!
//! Every file has a data key of its own, wrapped in the file's header by a key of the [`KeyRing`](crate::KeyRing). Its content
//! is a log of sealed extents: what is written is sealed and appended, wherever in the file it belongs; an index in memory,
//! made when the file is opened, tells which extent holds which bytes. So a write never touches bytes that were synced
//! before, and appends, cuts and rewrites keep the crash semantics of the disk beneath.
//!
//! # Format (v1, little endian)
//! ```text
//! file   := header extent*
//! header := magic(8) version(2) blob_len(2) blob(blob_len) zeros end(8)         256 bytes in all
//!           magic = 89 'M' 'R' 'S' 'E' 'A' 'L' 0a, end = "SEALHEAD"
//!           blob: the wrapped data key; it names key and key version (see `keyring::envelope`)
//! extent := head ciphertext(len) tag(16)
//! head   := mark(4) len(4) offset(8) synced(8) check(4) nonce(12)                40 bytes
//!           mark = "\xe7xt1": `len` bytes, 1 to 65,536, that belong at `offset`
//!           mark = "\xe7ln1": the file is cut or grown (with zeros) to `offset` bytes; `len` is 0
//!           mark = "\xe7tb1": `len` bytes of a table, at `offset` in it
//!           mark = "\xe7en1": the table before it is whole, and the file holds `offset` bytes; `len` is 0
//!           synced: how many bytes of the sealed file had been synced when this was written
//!           check: a sum of the head before it and the nonce, to find damage without decrypting
//! ```
//! A tag authenticates its ciphertext, its head up to the check, and where it lies in the file. Nonces are random: 96 bits,
//! and a data key seals one file only.
//!
//! A file that only ever grew, has more than 64 KiB and is [finished](millrace_base::DiskFile::finish) ends with a table: for one
//! extent in every 64 KiB its places in the file and on disk, eight bytes each. Whoever opens the file reads the table and
//! nothing before it; without one he reads every head, and all of the extents that no later one says to be synced.
//!
//! # Ceilings
//! An extent holds at most [`EXTENT_BYTES_MAX`](extent::EXTENT_BYTES_MAX), so that a reader of few bytes decrypts few. In memory: 16 bytes for each
//! 64 KiB of a file that only grows, some 100 bytes for each stretch that was written out of order, and up to four
//! decrypted extents. Space that was overwritten or cut off is not given back: files that are rewritten often are
//! replaced by their owners ([`Disk::replace`](millrace_base::Disk::replace)).
//!
//! # Crash behaviour
//! - The file ends before its first bad extent, unless a later one proves that the bad one had been synced: then it is damage
//!   and is reported with its place. A torn write reads as if it had not been made.
//! - Before the first write after opening, what follows the last good extent is cut off and the cut is synced; extents that no
//!   later one says to be synced are written again, for they may be in the system's memory only.
//! - After a failed sync the file takes no more writes.
//! - A header that was not written whole means an empty file: nothing is synced before its header.
//!
//! # Plain files
//! A file that does not begin with the magic is read and extended as it is, until it is cut to nothing. So data from before
//! sealing was turned on stays readable, and stays plain. A file that begins with zeros may also be what a crash left of a sealed
//! one that was never synced: it is read as it is, and sealed before it is changed.

mod datakey;
mod disk;
mod extent;
mod file;
mod header;
mod index;
mod messages;
mod scan;
#[cfg(test)]
mod tests;
mod values;

pub use disk::SealedDisk;
pub use messages::SealedMessages;
pub use values::SealedValues;
