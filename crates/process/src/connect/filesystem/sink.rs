//! Writing files: an epoch's rows go to hidden files, which the commit makes visible by renaming.
//!
//! ```text
//! .part-JOB-SINK.open ──prepare──► .part-JOB-SINK-EPOCH.ready ──commit──► part-JOB-SINK-EPOCH
//! ```
//! A repeated epoch overwrites. What `prepare` gives is the list of final paths, one a line.

use super::path;
use crate::connect::{ConnectError, Environment, Options, RowKind, Rows, Sink, SinkFactory, render};
use crate::graph::ConnectorSpec;
use arrow::record_batch::RecordBatch;
use millrace_base::{Disk, NewFile};
use millrace_schema::{Encoder, Field, format};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is kept in memory of a file before it is written out.
const BUFFER_BYTES: usize = 1 << 20;
/// The folder of rows whose partition column is NULL, as Hive and Flink call it.
const NULL_PARTITION: &str = "__DEFAULT_PARTITION__";

/// The `filesystem` sink.
pub(in crate::connect) struct FileSink;

struct FolderSink {
    table: String,
    root: PathBuf,
    disk: Arc<dyn Disk>,
    name: String,
    encoder: Box<dyn Encoder>,
    /// The columns that go into the files.
    written: Vec<usize>,
    /// The columns that go into folder names, with their names.
    partitions: Vec<(usize, String)>,
    /// By folder.
    open: BTreeMap<PathBuf, Part>,
}

/// A file that is being written, hidden by the dot before its name.
struct Part {
    file: NewFile,
    buffer: Vec<u8>,
}

impl SinkFactory for FileSink {
    fn open(&self, spec: &ConnectorSpec, environment: &Environment, uid: &str) -> Result<Box<dyn Sink>, ConnectError> {
        let options = Options::new(spec);
        let root = path(&options)?;
        let name = super::text_format(&options)?;
        options.end()?;
        let is_partition = |column: &usize| spec.partition_by.contains(column);
        let written: Vec<usize> = (0..spec.fields.len()).filter(|column| !is_partition(column)).collect();
        let fields: Vec<Field> = written.iter().map(|&column| spec.fields[column].clone()).collect();
        let encoder = format::encoder(name, &spec.options, &fields)
            .map_err(|error| ConnectError::option(&spec.table, error.to_string()))?;
        Ok(Box::new(FolderSink {
            table: spec.table.clone(),
            root,
            disk: environment.disk.clone(),
            name: format!("part-{}-{uid}", environment.job).replace('/', "-"),
            encoder,
            written,
            partitions: spec.partition_by.iter().map(|&i| (i, spec.fields[i].name.clone())).collect(),
            open: BTreeMap::new(),
        }))
    }
}

fn ready(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.ready"))
}

impl FolderSink {
    fn folder(&self, batch: &RecordBatch, row: usize) -> PathBuf {
        self.partitions.iter().fold(self.root.clone(), |folder, (column, name)| {
            let value = render::plain(batch.column(*column), row).unwrap_or_else(|| NULL_PARTITION.to_owned());
            folder.join(format!("{name}={}", value.replace(['/', '\\', ':', '\n'], "%")))
        })
    }

    fn write_row(&mut self, folder: &Path, batch: &RecordBatch, row: usize) -> Result<(), ConnectError> {
        if !self.open.contains_key(folder) {
            let part =
                Part::create(&*self.disk, &self.opened(folder)).map_err(|error| self.file_error(folder, &error))?;
            self.open.insert(folder.to_owned(), part);
        }
        let part = self.open.get_mut(folder).expect("it was just put there");
        self.encoder.encode(batch, row, &mut part.buffer).map_err(|error| ConnectError::Data {
            table: self.table.clone(),
            place: render::render_row(batch, row, RowKind::Insert),
            error,
            format: None,
        })?;
        part.buffer.push(b'\n');
        let flushed = if part.buffer.len() >= BUFFER_BYTES { part.flush() } else { Ok(()) };
        flushed.map_err(|error| self.file_error(folder, &error))
    }

    fn opened(&self, folder: &Path) -> PathBuf {
        folder.join(format!(".{}.open", self.name))
    }

    /// Makes what was written durable under the name of its epoch, still hidden.
    fn close(&self, folder: &Path, part: &mut Part, path: &Path) -> io::Result<()> {
        part.flush()?;
        part.file.finish()?;
        self.disk.rename(&self.opened(folder), &ready(path))?;
        self.disk.sync_dir(folder)
    }

    fn file_error(&self, path: &Path, error: &io::Error) -> ConnectError {
        ConnectError::File { table: self.table.clone(), path: path.display().to_string(), reason: error.to_string() }
    }

    fn publish(&self, path: &Path) -> io::Result<()> {
        match self.disk.rename(&ready(path), path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.open(path, false).map(|_| ()),
            other => other,
        }?;
        self.disk.sync_dir(path.parent().unwrap_or(&self.root))
    }
}

impl Part {
    fn create(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let dir = path.parent().unwrap_or(Path::new("."));
        crate::durable::create_dir(disk, dir)?;
        let file = disk.open(path, true)?;
        file.set_len(0)?;
        Ok(Self { file: NewFile::new(file), buffer: Vec::with_capacity(BUFFER_BYTES) })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Sink for FolderSink {
    fn write(&mut self, rows: &Rows) -> Result<(), ConnectError> {
        if let Some(row) = (0..rows.batch.num_rows()).find(|&row| rows.kind(row) != RowKind::Insert) {
            let reason = format!("files take only new rows, but this query gave {}", rows.render(row));
            return Err(ConnectError::option(&self.table, reason));
        }
        let content = rows.batch.project(&self.written);
        let content = content.map_err(|error| ConnectError::option(&self.table, error.to_string()))?;
        for row in 0..content.num_rows() {
            let folder = self.folder(&rows.batch, row);
            self.write_row(&folder, &content, row)?;
        }
        Ok(())
    }

    fn prepare(&mut self, epoch: u64) -> Result<Vec<u8>, ConnectError> {
        let mut paths = Vec::new();
        for (folder, mut part) in std::mem::take(&mut self.open) {
            let path = folder.join(format!("{}-{epoch}", self.name));
            self.close(&folder, &mut part, &path).map_err(|error| self.file_error(&path, &error))?;
            paths.push(path.display().to_string());
        }
        Ok(paths.join("\n").into_bytes())
    }

    fn commit(&mut self, _: u64, prepared: &[u8]) -> Result<(), ConnectError> {
        let paths = String::from_utf8_lossy(prepared);
        for path in paths.lines().map(Path::new) {
            self.publish(path).map_err(|error| self.file_error(path, &error))?;
        }
        Ok(())
    }
}
