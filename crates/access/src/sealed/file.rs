//! An open file of a sealed disk.

use super::extent::{self, EXTENT_BYTES_MAX, FRAME_BYTES, HEAD_BYTES, Head, Kind, SEALED_BYTES_MAX};
use super::header::{self, Beginning, HEADER_BYTES};
use super::index::{Index, Place};
use super::scan;
use crate::keyring::crypto::random;
use crate::keyring::{Context, KeyError, KeyName, KeyRing};
use millrace_base::{Dice, DiskFile};
use parking_lot::{Mutex, RwLock};
use ring::aead::LessSafeKey;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Decrypted extents that a file keeps, of those that were read in part.
const CACHED: usize = 4;
/// What the system keeps in memory or not.
const PAGE_BYTES: u64 = 4 << 10;
/// The piece in which a file is written.
const WRITE_BYTES: usize = 1 << 20;

/// What seals and opens.
#[derive(Clone)]
pub(crate) struct Sealer {
    pub(crate) ring: KeyRing,
    pub(crate) dice: Arc<dyn Dice>,
}

/// A file, shared by all who have opened it.
pub(crate) struct SealedFile {
    inner: Arc<dyn DiskFile>,
    path: PathBuf,
    sealer: Sealer,
    /// What seals it when it is begun anew.
    key_name: Option<KeyName>,
    data_key: OnceLock<LessSafeKey>,
    state: RwLock<State>,
    /// Who writes holds it.
    tail: Mutex<Tail>,
    cache: Mutex<VecDeque<Cached>>,
}

struct State {
    is_plain: bool,
    /// It is plain, but may be what is left of a sealed file whose beginning was never synced: not to be extended as it is.
    is_doubtful: bool,
    index: Index,
}

#[derive(Default)]
struct Tail {
    /// Where the next extent goes; 0 while there is no header.
    end: u64,
    /// How many sealed bytes are known to be synced.
    synced: u64,
    /// Something that does not belong to the file stands behind `end`.
    rubbish: bool,
    /// Where the file ended when its table was written.
    finished: u64,
    /// What stands between `synced` and `end` was written by this process.
    is_own: bool,
    header: Vec<u8>,
    broken: bool,
}

/// A decrypted extent.
struct Cached {
    run: usize,
    offset: u64,
    text: Arc<[u8]>,
}

fn context() -> Context {
    Context::from([("millrace".to_owned(), "file".to_owned())])
}

fn denied(path: &Path, error: &KeyError) -> io::Error {
    let message = format!("{} cannot be opened by the key ring: {error}", path.display());
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

/// Opens a file that is there. `key_name` seals what is written if the file holds nothing yet. `None`: it is plain, and stays so.
pub(crate) fn open(
    inner: Arc<dyn DiskFile>,
    path: &Path,
    sealer: &Sealer,
    key_name: Option<KeyName>,
) -> io::Result<Option<SealedFile>> {
    let len = inner.len()?;
    let mut beginning = vec![0; HEADER_BYTES.min(usize::try_from(len).unwrap_or(HEADER_BYTES))];
    inner.read_exact_at(&mut beginning, 0)?;
    let empty = |rubbish| Tail { rubbish, is_own: true, ..Tail::default() };
    let file = |key_name, index, tail, is_plain| SealedFile {
        inner: inner.clone(),
        path: path.to_owned(),
        sealer: sealer.clone(),
        key_name,
        data_key: OnceLock::new(),
        state: RwLock::new(State { is_plain, is_doubtful: false, index }),
        tail: Mutex::new(tail),
        cache: Mutex::default(),
    };
    let as_plain =
        |key_name: Option<KeyName>| key_name.map(|name| file(Some(name), Index::default(), empty(true), true));
    match header::decode(path, &beginning)? {
        Beginning::Zeros if len == 0 => {
            Ok(key_name.map(|name| file(Some(name), Index::default(), empty(false), false)))
        }
        Beginning::Torn => begun_anew(path, sealer, key_name, |name| file(name, Index::default(), empty(true), false)),
        Beginning::Zeros if scan::has_extent(&*inner, len)? => {
            begun_anew(path, sealer, key_name, |name| file(name, Index::default(), empty(true), false))
        }
        Beginning::Zeros => Ok(as_plain(key_name).inspect(|file| file.state.write().is_doubtful = true)),
        Beginning::Plain => Ok(as_plain(key_name)),
        Beginning::Sealed(blob) => {
            let bytes = sealer.ring.unwrap(&context(), &blob).map_err(|error| denied(path, &error))?;
            let key = extent::data_key(&bytes);
            let found = scan::scan(path, &*inner, len, &key)?;
            let end = found.index.sealed_end;
            let finished = if found.finished { end } else { 0 };
            let tail = Tail { end, synced: found.synced, rubbish: found.torn, finished, ..Tail::default() };
            let opened = file(key_name, found.index, tail, false);
            // Nobody else has it yet.
            let _ = opened.data_key.set(key);
            Ok(Some(opened))
        }
    }
}

/// A sealed file whose header is lost: it was never synced. It is sealed again, also when sealing was turned off since.
fn begun_anew(
    path: &Path,
    sealer: &Sealer,
    key_name: Option<KeyName>,
    file: impl FnOnce(Option<KeyName>) -> SealedFile,
) -> io::Result<Option<SealedFile>> {
    let key_name = match key_name {
        Some(name) => name,
        None => sealer.ring.own_key().map_err(|error| denied(path, &error))?,
    };
    Ok(Some(file(Some(key_name))))
}

impl SealedFile {
    fn key(&self) -> &LessSafeKey {
        self.data_key.get().expect("a sealed file that has extents has its key")
    }

    /// Before the first write: cuts off what does not belong here, makes durable what may not be, makes a key.
    fn prepare(&self, tail: &mut Tail) -> io::Result<()> {
        if tail.broken {
            let message = format!("{} takes no more writes: an earlier one failed", self.path.display());
            return Err(io::Error::other(message));
        }
        if !tail.is_own {
            self.write_again(tail.synced, tail.end)?;
            tail.is_own = true;
        }
        if tail.rubbish {
            self.inner.set_len(tail.end)?;
            self.inner.sync().inspect_err(|_| tail.broken = true)?;
            tail.synced = tail.end;
            tail.rubbish = false;
        }
        if tail.end == 0 && tail.header.is_empty() {
            let name = self.key_name.as_ref().expect("a file that is to be begun has a key's name");
            let bytes: [u8; 32] = random(&*self.sealer.dice);
            let blob = self.sealer.ring.wrap(name, &context(), &bytes).map_err(|error| denied(&self.path, &error))?;
            tail.header = header::encode(&blob);
            // A second try finds the header of the first.
            let _ = self.data_key.set(extent::data_key(&bytes));
        }
        Ok(())
    }

    /// Writes what stands in a range once more: a system that once failed to write it takes it for written.
    fn write_again(&self, start: u64, end: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        for from in (start..end).step_by(WRITE_BYTES) {
            bytes.resize((end - from).min(WRITE_BYTES as u64) as usize, 0);
            self.inner.read_exact_at(&mut bytes, from)?;
            self.inner.write_at(&bytes, from)?;
        }
        Ok(())
    }

    /// Appends extents. Either all of them are there afterwards, or the file is as before.
    fn append(&self, tail: &mut Tail, kind: Kind, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.prepare(tail)?;
        let start = tail.end;
        let mut out = std::mem::take(&mut tail.header);
        let header_len = out.len() as u64;
        let extents = bytes.len() / EXTENT_BYTES_MAX + 1;
        out.reserve((bytes.len() + extents * FRAME_BYTES).min(WRITE_BYTES + SEALED_BYTES_MAX));
        let mut notes = Vec::with_capacity(extents);
        let mut written = start;
        let mut at = offset;
        let chunks = bytes.chunks(EXTENT_BYTES_MAX).chain((!kind.has_text()).then_some(&[][..]));
        let result = chunks.map(Ok).try_for_each(|chunk: io::Result<&[u8]>| {
            let chunk = chunk?;
            if out.len() >= WRITE_BYTES {
                self.inner.write_at(&out, written)?;
                written += out.len() as u64;
                out.clear();
            }
            let position = written + out.len() as u64;
            let head = Head { kind, len: chunk.len() as u32, offset: at, synced: tail.synced };
            extent::seal(self.key(), &*self.sealer.dice, head, position, chunk, &mut out);
            notes.push((at, chunk.len() as u64, position));
            at += chunk.len() as u64;
            Ok(())
        });
        let result = result.and_then(|()| self.inner.write_at(&out, written));
        if let Err(error) = result {
            tail.broken = self.inner.set_len(start).is_err();
            if header_len > 0 && !tail.broken {
                // The key is made; its header goes with the next try.
                tail.header = self.first_header(&out, written, start);
                tail.broken = tail.header.is_empty();
            }
            return Err(error);
        }
        tail.end = written + out.len() as u64;
        self.note(kind, &notes, tail.end);
        Ok(())
    }

    /// The header that a failed first write began with.
    fn first_header(&self, out: &[u8], written: u64, start: u64) -> Vec<u8> {
        if written == start { out[..HEADER_BYTES].to_vec() } else { Vec::new() }
    }

    fn note(&self, kind: Kind, notes: &[(u64, u64, u64)], end: u64) {
        let index = &mut self.state.write().index;
        for (offset, len, position) in notes {
            match kind {
                Kind::Data => index.write(*offset, *len, *position),
                Kind::Length => index.set_len(*offset),
                Kind::Table | Kind::End => {}
            }
        }
        index.sealed_end = end;
    }

    fn is_plain(&self) -> bool {
        self.state.read().is_plain
    }

    /// Copies what a run holds from `offset` on into `buffer`, at most up to the end of one window of extents.
    fn read_run(&self, run: usize, position: u64, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(count) = self.read_cached(run, offset, buffer) {
            return Ok(count);
        }
        let end = self.state.read().index.sealed_end;
        let mut window = Window { file: &*self.inner, start: position, bytes: Vec::new(), end };
        let mut position = position;
        let mut count = 0;
        while count < buffer.len() {
            let wanted = offset + count as u64;
            let Some(head) = Head::decode(window.at(position, HEAD_BYTES)?, position) else {
                return Err(self.damaged(position));
            };
            if head.kind == Kind::Data && (head.offset..head.end()).contains(&wanted) {
                let text = self.decrypt(&mut window, &head, position)?;
                let from = (wanted - head.offset) as usize;
                let part = (text.len() - from).min(buffer.len() - count);
                buffer[count..count + part].copy_from_slice(&text[from..from + part]);
                count += part;
                if part < text.len() {
                    self.keep(run, head.offset, text);
                }
            } else if count > 0 && head.kind == Kind::Data {
                break; // The run goes on elsewhere; what is there is enough for now.
            }
            position += head.sealed_len();
            if count > 0 && !window.has(position) {
                break;
            }
        }
        Ok(count)
    }

    fn decrypt<'a>(&self, window: &'a mut Window<'_>, head: &Head, position: u64) -> io::Result<&'a [u8]> {
        let extent = window.at_mut(position, head.sealed_len() as usize)?;
        match extent::open(self.key(), head, position, extent) {
            Ok(text) => Ok(text),
            Err(_) => Err(self.damaged(position)),
        }
    }

    fn read_cached(&self, run: usize, offset: u64, buffer: &mut [u8]) -> Option<usize> {
        let cache = self.cache.lock();
        let holds = |cached: &&Cached| {
            cached.run == run && (cached.offset..cached.offset + cached.text.len() as u64).contains(&offset)
        };
        let text = cache.iter().find(holds).map(|cached| (cached.text.clone(), (offset - cached.offset) as usize));
        drop(cache);
        let (text, from) = text?;
        let count = (text.len() - from).min(buffer.len());
        buffer[..count].copy_from_slice(&text[from..from + count]);
        Some(count)
    }

    fn keep(&self, run: usize, offset: u64, text: &[u8]) {
        let mut cache = self.cache.lock();
        if cache.len() >= CACHED {
            cache.pop_front();
        }
        cache.push_back(Cached { run, offset, text: text.into() });
    }

    fn damaged(&self, position: u64) -> io::Error {
        let message = format!(
            "{} is damaged at byte {position}: what is sealed there does not belong there, or was changed",
            self.path.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, message)
    }

    /// Makes a plain file one that is sealed and holds nothing.
    fn begin_anew(&self, tail: &mut Tail) -> io::Result<()> {
        self.inner.set_len(0)?;
        self.inner.sync()?;
        *tail = Tail { is_own: true, ..Tail::default() };
        let mut state = self.state.write();
        (state.is_plain, state.is_doubtful) = (false, false);
        state.index = Index::default();
        Ok(())
    }

    /// Seals a doubtful file with what it holds before it is changed.
    fn settle_doubt(&self, tail: &mut Tail) -> io::Result<()> {
        if !self.state.read().is_doubtful {
            return Ok(());
        }
        let mut content = vec![0; usize::try_from(self.inner.len()?).map_err(io::Error::other)?];
        self.inner.read_exact_at(&mut content, 0)?;
        self.begin_anew(tail)?;
        self.append(tail, Kind::Data, 0, &content)
    }

    /// True when something was written and not synced.
    pub(crate) fn is_dirty(&self) -> bool {
        let tail = self.tail.lock();
        !tail.broken && tail.end > tail.synced && tail.end != tail.finished && tail.is_own
    }
}

/// Sealed bytes around what is read.
struct Window<'a> {
    file: &'a dyn DiskFile,
    start: u64,
    bytes: Vec<u8>,
    end: u64,
}

impl Window<'_> {
    fn has(&self, position: u64) -> bool {
        position + FRAME_BYTES as u64 <= self.start + self.bytes.len() as u64
    }

    fn at(&mut self, position: u64, len: usize) -> io::Result<&[u8]> {
        self.at_mut(position, len).map(|bytes| &*bytes)
    }

    /// Exactly the bytes from `position`, or fewer where the sealed file ends.
    fn at_mut(&mut self, position: u64, len: usize) -> io::Result<&mut [u8]> {
        let len = len.min(usize::try_from(self.end.saturating_sub(position)).unwrap_or(len));
        let has = position >= self.start && position + len as u64 <= self.start + self.bytes.len() as u64;
        if !has {
            let size = (self.end - position).min(SEALED_BYTES_MAX as u64) as usize;
            self.bytes.resize(size.max(len), 0);
            self.start = position;
            self.file.read_exact_at(&mut self.bytes, position)?;
        }
        let from = (position - self.start) as usize;
        Ok(&mut self.bytes[from..from + len])
    }
}

impl DiskFile for SealedFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut count = 0;
        while count < buffer.len() {
            let at = offset + count as u64;
            let state = self.state.read();
            if state.is_plain {
                drop(state);
                return self.inner.read_exact_at(&mut buffer[count..], at);
            }
            if at + (buffer.len() - count) as u64 > state.index.len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let place = state.index.find(at);
            drop(state);
            let (Place::Run { until, .. } | Place::Hole { until }) = place;
            let rest = &mut buffer[count..];
            let len = rest.len().min(usize::try_from(until - at).unwrap_or(rest.len()));
            count += match place {
                Place::Run { run, position, .. } => self.read_run(run, position, at, &mut rest[..len])?,
                Place::Hole { .. } => {
                    rest[..len].fill(0);
                    len
                }
            };
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut tail = self.tail.lock();
        self.settle_doubt(&mut tail)?;
        if self.is_plain() {
            return self.inner.write_at(bytes, offset);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.append(&mut tail, Kind::Data, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let mut tail = self.tail.lock();
        self.settle_doubt(&mut tail)?;
        if self.is_plain() || tail.end == 0 && !tail.rubbish {
            drop(tail);
            return self.inner.sync();
        }
        self.prepare(&mut tail)?;
        let end = tail.end;
        drop(tail);
        let synced = self.inner.sync();
        let mut tail = self.tail.lock();
        match synced {
            Ok(()) => tail.synced = tail.synced.max(end),
            Err(_) => tail.broken = true,
        }
        synced
    }

    /// Writes the table of a file whose extents are many, so that whoever opens it next need not read through them. It is not
    /// synced: a file without it, or with a part of it, is read through.
    fn finish(&self) -> io::Result<()> {
        self.sync()?;
        let mut tail = self.tail.lock();
        if self.is_plain() || tail.broken || tail.end != tail.synced || tail.end == tail.finished {
            return Ok(());
        }
        let (table, len) = {
            let index = &self.state.read().index;
            (index.table(), index.len)
        };
        let Some(table) = table else { return Ok(()) };
        // A disk that has no room for it has the content.
        let written = self.append(&mut tail, Kind::Table, 0, &table);
        if written.and_then(|()| self.append(&mut tail, Kind::End, len, &[])).is_ok() {
            tail.finished = tail.end;
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        // A process that is dead must not go on by what it remembers.
        let inner = self.inner.len()?;
        let state = self.state.read();
        Ok(if state.is_plain { inner } else { state.index.len })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut tail = self.tail.lock();
        if self.is_plain() && len == 0 {
            return self.begin_anew(&mut tail);
        }
        self.settle_doubt(&mut tail)?;
        if self.is_plain() {
            return self.inner.set_len(len);
        }
        if self.state.read().index.len == len {
            return Ok(());
        }
        self.append(&mut tail, Kind::Length, len, &[])
    }

    fn forget(&self, offset: u64, len: u64) {
        let state = self.state.read();
        if state.is_plain {
            return self.inner.forget(offset, len);
        }
        // What was written last is all that is ever forgotten.
        if offset + len == state.index.len
            && let Place::Run { position, .. } = state.index.find(offset)
        {
            let end = state.index.sealed_end;
            drop(state);
            // The last page is about to be extended: forgotten, it would have to be read first.
            self.inner.forget(position, (end - position).saturating_sub(PAGE_BYTES));
        }
    }
}
