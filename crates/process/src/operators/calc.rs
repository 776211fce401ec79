//! Filter and projection.

use crate::chunk::{Chunk, Flow};
use crate::eval::{EvalContext, EvalError, Program};
use crate::graph::Expr;
use arrow::array::{ArrayRef, AsArray, UInt32Array};
use arrow::compute;

/// A compiled `Calc`.
pub(crate) struct Calc {
    filter: Option<Program>,
    project: Vec<Program>,
    /// The columns that the projection reads: only these are filtered.
    used: Vec<usize>,
}

impl Calc {
    /// Compiles both parts.
    pub fn new(filter: Option<&Expr>, project: &[Expr]) -> Result<Self, EvalError> {
        let mut used = Vec::new();
        project.iter().for_each(|expr| expr.columns(&mut |column| used.push(column)));
        used.sort_unstable();
        used.dedup();
        Ok(Self {
            filter: filter.map(Program::compile).transpose()?,
            project: project.iter().map(Program::compile).collect::<Result<_, _>>()?,
            used,
        })
    }

    /// The rows that pass, projected; watermarks keep their places between them.
    pub fn apply(&self, mut flow: Flow, context: &EvalContext) -> Result<Flow, EvalError> {
        if let (Some(filter), true) = (&self.filter, flow.chunk.rows > 0) {
            let truth = filter.run(&flow.chunk.columns, flow.chunk.rows, context)?.into_array(flow.chunk.rows)?;
            let truth = truth.as_boolean();
            let pass: Vec<u32> =
                (0..flow.chunk.rows).filter(|&row| crate::eval::is_true(truth, row)).map(|row| row as u32).collect();
            if pass.len() < flow.chunk.rows {
                flow = self.keep(flow, &pass)?;
            }
        }
        let chunk = flow.chunk;
        let project = |program: &Program| program.run(&chunk.columns, chunk.rows, context)?.into_array(chunk.rows);
        let columns: Vec<ArrayRef> = self.project.iter().map(project).collect::<Result<_, _>>()?;
        Ok(Flow { chunk: Chunk { columns, rows: chunk.rows, kinds: chunk.kinds }, marks: flow.marks })
    }

    fn keep(&self, flow: Flow, pass: &[u32]) -> Result<Flow, EvalError> {
        let Flow { mut chunk, mut marks } = flow;
        let indices = UInt32Array::from(pass.to_vec());
        for &column in &self.used {
            chunk.columns[column] = compute::take(&chunk.columns[column], &indices, None)?;
        }
        for mark in &mut marks {
            mark.0 = pass.partition_point(|&row| (row as usize) < mark.0);
        }
        chunk.kinds = chunk.kinds.map(|kinds| pass.iter().map(|&row| kinds[row as usize]).collect());
        chunk.rows = pass.len();
        Ok(Flow { chunk, marks })
    }
}
