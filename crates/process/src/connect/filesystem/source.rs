//! Reading files: cut into pieces at fixed offsets, each read from the first line that begins in it.

use super::path;
use crate::connect::{
    ConnectError, Environment, Options, Position, Restored, SourceFactory, SourceSplits, Split, SplitRead,
};
use crate::graph::ConnectorSpec;
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use millrace_base::{Disk, DiskFile};
use millrace_schema::{Decoder, Field, format};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a file is cut: small enough that two readers stay close together in time, large enough to read in one go.
const PIECE_BYTES: u64 = 8 << 20;
/// How much is read from the disk at once.
const CHUNK_BYTES: usize = 1 << 20;
/// A longer line is an error.
const LINE_BYTES_MAX: usize = 64 << 20;

/// The `filesystem` source.
pub(in crate::connect) struct FileSource;

impl SourceFactory for FileSource {
    fn open(
        &self,
        spec: &ConnectorSpec,
        environment: &Environment,
        parallelism: usize,
        restored: &BTreeMap<String, Restored>,
    ) -> Result<SourceSplits, ConnectError> {
        let options = Options::new(spec);
        let root = path(&options)?;
        let format = super::text_format(&options)?;
        options.end()?;
        let disk = &*environment.disk;
        let files = files(disk, &root).map_err(|error| file_error(spec, &root, &error.to_string()))?;
        if files.is_empty() {
            return Err(file_error(spec, &root, "there is no such file, and no folder with files"));
        }
        let mut subtasks: Vec<Vec<Box<dyn Split>>> = (0..parallelism).map(|_| Vec::new()).collect();
        let mut next = 0;
        for path in files {
            let file = disk.open(&path, false).map_err(|error| file_error(spec, &path, &error.to_string()))?;
            let len = file.len().map_err(|error| file_error(spec, &path, &error.to_string()))?;
            // A quoted CSV value may hold a line's end, so only the file's start is sure to be a record's.
            let piece = if format == "csv" || parallelism == 1 { len.max(1) } else { PIECE_BYTES };
            let mut start = 0;
            while start < len {
                let end = (start + piece).min(len);
                let split = FileSplit::new(spec, &path, file.clone(), (start, end, len), restored)?;
                subtasks[next % parallelism].push(Box::new(split));
                next += 1;
                start = end;
            }
        }
        Ok(SourceSplits { subtasks, concurrent: false, following: None })
    }

    fn is_bounded(&self) -> bool {
        true
    }
}

fn file_error(spec: &ConnectorSpec, path: &Path, reason: &str) -> ConnectError {
    ConnectError::File { table: spec.table.clone(), path: path.display().to_string(), reason: reason.to_owned() }
}

/// The file itself, or all files below a folder in order of name, without hidden ones (`.` or `_` first, as in Flink).
fn files(disk: &dyn Disk, root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let names = match disk.list(root) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(vec![root.to_owned()]),
        Err(error) => return Err(error),
    };
    // A disk that lists nothing below a file has no other way to say that it is one.
    if names.is_empty() && disk.open(root, false).is_ok() {
        return Ok(vec![root.to_owned()]);
    }
    let mut found = Vec::new();
    for name in names.iter().filter(|name| !name.starts_with(['.', '_'])) {
        found.extend(files(disk, &root.join(name))?);
    }
    Ok(found)
}

struct FileSplit {
    table: String,
    path: PathBuf,
    id: String,
    file: Arc<dyn DiskFile>,
    len: u64,
    /// The offset of the next line to decode; the split ends with the last line that begins before `end`.
    position: u64,
    end: u64,
    /// Bytes of the file from `position` on that were read already, from `at`.
    buffer: Vec<u8>,
    at: usize,
    /// True until the first, partial line of a piece in the middle has been skipped.
    mid_line: bool,
    decoder: Box<dyn Decoder>,
    /// Its name.
    format: String,
    fields: Vec<Field>,
    metadata: Vec<(usize, ArrayMaker)>,
}

type ArrayMaker = Box<dyn Fn(usize) -> ArrayRef + Send>;

impl FileSplit {
    fn new(
        spec: &ConnectorSpec,
        path: &Path,
        file: Arc<dyn DiskFile>,
        (start, end, len): (u64, u64, u64),
        restored: &BTreeMap<String, Restored>,
    ) -> Result<Self, ConnectError> {
        let id = format!("{}#{start}", path.display());
        let saved = restored.get(&id).map(|saved| saved.position);
        let metadata = spec.metadata.iter().map(|(column, key)| Ok((*column, meta(spec, path, len, key)?)));
        let metadata = metadata.collect::<Result<Vec<_>, ConnectError>>()?;
        let is_metadata = |i: usize| metadata.iter().any(|(column, _)| *column == i);
        let physical: Vec<Field> =
            spec.fields.iter().enumerate().filter(|(i, _)| !is_metadata(*i)).map(|(_, field)| field.clone()).collect();
        let name = spec.options.get("format").map_or("json", String::as_str);
        let decoder = format::decoder(name, &spec.options, &physical)
            .map_err(|error| ConnectError::option(&spec.table, error.to_string()))?;
        Ok(Self {
            table: spec.table.clone(),
            path: path.to_owned(),
            id,
            file,
            len,
            // One byte back, so that a line that begins right at `start` is seen to begin there.
            position: saved.unwrap_or(start.saturating_sub(1)),
            end,
            buffer: Vec::new(),
            at: 0,
            // A piece that was saved before it was begun is still to be begun.
            mid_line: start > 0 && saved.is_none_or(|saved| saved < start),
            decoder,
            format: name.to_owned(),
            fields: spec.fields.clone(),
            metadata,
        })
    }

    /// Reads on, keeping what is not decoded yet. False at the file's end.
    fn fill(&mut self) -> Result<bool, ConnectError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let from = self.position + self.buffer.len() as u64;
        let more = CHUNK_BYTES.min((self.len - from) as usize);
        if more == 0 {
            return Ok(false);
        }
        if self.buffer.len() > LINE_BYTES_MAX {
            return Err(self.file_error(format!("the line at byte {} is over {LINE_BYTES_MAX} bytes", self.position)));
        }
        let old = self.buffer.len();
        self.buffer.resize(old + more, 0);
        let read = self.file.read_exact_at(&mut self.buffer[old..], from);
        read.map(|()| true).map_err(|error| self.file_error(error.to_string()))
    }

    /// The next line as a range of the buffer, without its end; moves past it.
    fn line(&mut self) -> Result<Option<std::ops::Range<usize>>, ConnectError> {
        let mut searched = 0;
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[self.at + searched..]) {
                let line = self.at..self.at + searched + found;
                self.advance(line.len() + 1);
                return Ok(Some(line));
            }
            searched = self.buffer.len() - self.at;
            if !self.fill()? {
                let line = self.at..self.buffer.len();
                self.advance(line.len());
                return Ok((!line.is_empty()).then_some(line));
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.at += bytes;
        self.position += bytes as u64;
    }

    fn file_error(&self, reason: String) -> ConnectError {
        ConnectError::File { table: self.table.clone(), path: self.path.display().to_string(), reason }
    }

    fn assemble(&self, decoded: RecordBatch) -> Result<RecordBatch, ConnectError> {
        if self.metadata.is_empty() {
            return Ok(decoded);
        }
        let rows = decoded.num_rows();
        let mut physical = decoded.columns().iter().cloned();
        let columns: Vec<ArrayRef> = (0..self.fields.len())
            .filter_map(|i| match self.metadata.iter().find(|(column, _)| *column == i) {
                Some((_, make)) => Some(make(rows)),
                None => physical.next(),
            })
            .collect();
        RecordBatch::try_new(format::schema_of(&self.fields), columns)
            .map_err(|error| ConnectError::option(&self.table, error.to_string()))
    }
}

/// The metadata column of a key; the same value for every row of a file.
fn meta(spec: &ConnectorSpec, path: &Path, len: u64, key: &str) -> Result<ArrayMaker, ConnectError> {
    let text = |value: String| -> ArrayMaker {
        Box::new(move |rows| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&value, rows))))
    };
    match key {
        "file.path" => Ok(text(path.display().to_string())),
        "file.name" => Ok(text(path.file_name().unwrap_or_default().to_string_lossy().into_owned())),
        "file.size" => Ok(Box::new(move |rows| Arc::new(Int64Array::from_value(len as i64, rows)))),
        _ => Err(ConnectError::option(
            &spec.table,
            format!("no metadata key '{key}': file.path, file.name or file.size"),
        )),
    }
}

#[async_trait]
impl Split for FileSplit {
    fn id(&self) -> &str {
        &self.id
    }

    fn read(&mut self, rows_max: usize) -> Result<SplitRead, ConnectError> {
        if std::mem::take(&mut self.mid_line) {
            self.line()?;
        }
        while self.position < self.end && self.decoder.len() < rows_max {
            let start = self.position;
            let Some(line) = self.line()? else { break };
            let mut line = &self.buffer[line];
            line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            if let Err(error) = self.decoder.push(line) {
                let place = format!("{} at byte {start}", self.path.display());
                return Err(ConnectError::Data {
                    table: self.table.clone(),
                    place,
                    error,
                    format: Some(self.format.clone()),
                });
            }
        }
        let ended = self.position >= self.end;
        if ended {
            self.buffer = Vec::new();
            self.at = 0;
        }
        let decoded = (!self.decoder.is_empty()).then(|| self.decoder.finish());
        let batch = decoded.map(|decoded| self.assemble(decoded)).transpose()?;
        Ok(SplitRead { batch, ended })
    }

    fn position(&self) -> Position {
        self.position
    }

    async fn wait(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }
}
