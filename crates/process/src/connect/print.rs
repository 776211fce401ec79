//! `print` and `blackhole`: sinks for looking at rows, and for looking at none.

use super::{ConnectError, Environment, Options, Rows, Sink, SinkFactory};
use crate::graph::ConnectorSpec;
use std::io::Write;

/// The `print` connector: each row on standard output at once, in the form of Flink's.
pub(super) struct Print;

struct PrintSink {
    table: String,
    prefix: String,
    to_stderr: bool,
}

impl SinkFactory for Print {
    fn open(&self, spec: &ConnectorSpec, _: &Environment, _: &str) -> Result<Box<dyn Sink>, ConnectError> {
        let options = Options::new(spec);
        let prefix = options.get("print-identifier").map(|id| format!("{id}> ")).unwrap_or_default();
        let to_stderr = options.get("standard-error") == Some("true");
        options.end()?;
        Ok(Box::new(PrintSink { table: spec.table.clone(), prefix, to_stderr }))
    }

    fn accepts_updates(&self) -> bool {
        true
    }
}

impl Sink for PrintSink {
    fn write(&mut self, rows: &Rows) -> Result<(), ConnectError> {
        let mut text = String::new();
        for row in 0..rows.batch.num_rows() {
            text.push_str(&self.prefix);
            text.push_str(&rows.render(row));
            text.push('\n');
        }
        let written = if self.to_stderr {
            std::io::stderr().lock().write_all(text.as_bytes())
        } else {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
        written.map_err(|error| ConnectError::File {
            table: self.table.clone(),
            path: "standard output".to_owned(),
            reason: error.to_string(),
        })
    }

    fn prepare(&mut self, _: u64) -> Result<Vec<u8>, ConnectError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _: u64, _: &[u8]) -> Result<(), ConnectError> {
        Ok(())
    }
}

/// The `blackhole` connector: takes every row and keeps none.
pub(super) struct Blackhole;

struct Nothing;

impl SinkFactory for Blackhole {
    fn open(&self, spec: &ConnectorSpec, _: &Environment, _: &str) -> Result<Box<dyn Sink>, ConnectError> {
        Options::new(spec).end()?;
        Ok(Box::new(Nothing))
    }

    fn accepts_updates(&self) -> bool {
        true
    }
}

impl Sink for Nothing {
    fn write(&mut self, _: &Rows) -> Result<(), ConnectError> {
        Ok(())
    }

    fn prepare(&mut self, _: u64) -> Result<Vec<u8>, ConnectError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _: u64, _: &[u8]) -> Result<(), ConnectError> {
        Ok(())
    }
}
