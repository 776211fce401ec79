//! `values`: one row with the one column `ZERO`, from which `VALUES` and a SELECT without FROM are projected.

use super::{ConnectError, Environment, Position, Restored, SourceFactory, SourceSplits, Split, SplitRead};
use crate::graph::ConnectorSpec;
use arrow::array::Int32Array;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use millrace_schema::format::schema_of;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The `values` source.
pub(super) struct Values;

struct OneRow {
    row: RecordBatch,
    given: bool,
}

impl SourceFactory for Values {
    fn open(
        &self,
        spec: &ConnectorSpec,
        _: &Environment,
        parallelism: usize,
        restored: &BTreeMap<String, Restored>,
    ) -> Result<SourceSplits, ConnectError> {
        let row = RecordBatch::try_new(schema_of(&spec.fields), vec![Arc::new(Int32Array::from(vec![0]))])
            .map_err(|error| ConnectError::option(&spec.table, error.to_string()))?;
        let given = restored.get("values").is_some_and(|saved| saved.position > 0);
        let mut subtasks: Vec<Vec<Box<dyn Split>>> = (0..parallelism).map(|_| Vec::new()).collect();
        subtasks[0].push(Box::new(OneRow { row, given }));
        Ok(SourceSplits { subtasks, concurrent: false, following: None })
    }

    fn is_bounded(&self) -> bool {
        true
    }
}

#[async_trait]
impl Split for OneRow {
    fn id(&self) -> &str {
        "values"
    }

    fn read(&mut self, _: usize) -> Result<SplitRead, ConnectError> {
        let batch = (!self.given).then(|| self.row.clone());
        self.given = true;
        Ok(SplitRead { batch, ended: true })
    }

    fn position(&self) -> Position {
        u64::from(self.given)
    }

    async fn wait(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }
}
