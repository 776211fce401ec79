//! Calls of functions outside the engine: the rows of a chunk are asked about in batches, several at a time, and go on in
//! their order when all answers are there.
//!
//! Nothing is under way between two chunks, so a checkpoint has nothing to keep: rows whose answers were not there are read
//! and asked about again after a restart. While answers are waited for, rows gather in the log; the next chunk, and with it
//! the next batches, are the larger for it.
//!
//! # The event (Amazon Redshift's for Lambda user-defined functions)
//! ```text
//! {"request_id": "…", "external_function": "score", "query_id": "job", "num_records": 2, "arguments": [["a", 1], ["b", null]]}
//! {"success": true, "num_records": 2, "results": [0.5, null]}      or {"success": false, "error_msg": "…"}
//! ```

use crate::chunk::Flow;
use crate::eval::EvalError;
use crate::external::ScalarCalls;
use crate::graph::{ExternalCall, ExternalFunction, OnError};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use millrace_base::{Dice, Scope};
use millrace_schema::json::{JsonDecoder, JsonEncoder, JsonOptions};
use millrace_schema::{Decoder, Encoder, Field};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Lambda takes events of up to 6 MB; a batch ends before that.
const EVENT_BYTES_MAX: usize = 5 << 20;
/// Pauses between tries: this, doubled each time, up to the maximum.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The one field of the rows that arguments and results are written and read as.
const FIELD: &str = "v";

/// What calls need of the world.
pub(crate) struct Caller {
    pub functions: Arc<dyn ScalarCalls>,
    pub scope: Scope,
    pub dice: Arc<dyn Dice>,
    /// The job's name.
    pub query: Arc<str>,
}

/// The calls of one node.
pub(crate) struct External {
    calls: Vec<Call>,
    caller: Arc<Caller>,
}

struct Call {
    function: ExternalFunction,
    args: Vec<usize>,
    encoders: Vec<JsonEncoder>,
    result: Field,
}

/// Rows that are asked about together.
struct Batch {
    rows: Range<usize>,
    event: Bytes,
}

#[derive(Deserialize)]
struct Answer<'a> {
    success: Option<bool>,
    #[serde(borrow)]
    error_msg: Option<Cow<'a, str>>,
    num_records: Option<usize>,
    #[serde(borrow)]
    results: Option<Vec<&'a RawValue>>,
}

fn field(typed: &millrace_schema::Typed) -> Field {
    Field { name: FIELD.to_owned(), typed: typed.clone() }
}

fn plain<E: std::fmt::Display>(error: E) -> EvalError {
    EvalError(error.to_string())
}

impl External {
    /// Makes ready what turns the columns of `input` into events.
    pub fn new(calls: &[ExternalCall], input: &[Field], caller: Arc<Caller>) -> Result<Self, EvalError> {
        let call = |call: &ExternalCall| {
            let encoder = |&arg: &usize| JsonEncoder::new(&[field(&input[arg].typed)], JsonOptions::default());
            Ok(Call {
                encoders: call.args.iter().map(encoder).collect::<Result<_, _>>().map_err(plain)?,
                args: call.args.clone(),
                result: field(&call.function.returns),
                function: call.function.clone(),
            })
        };
        Ok(Self { calls: calls.iter().map(call).collect::<Result<_, EvalError>>()?, caller })
    }

    /// The rows with a column more for each call; watermarks keep their places between them.
    pub async fn apply(&mut self, mut flow: Flow) -> Result<Flow, EvalError> {
        let rows = flow.chunk.rows;
        let caller = self.caller.clone();
        let asked = self.calls.iter_mut().map(|call| {
            let (caller, columns) = (caller.clone(), &flow.chunk.columns);
            async move { call.ask(&caller, columns, rows).await }
        });
        let results = futures::future::try_join_all(asked.collect::<Vec<_>>()).await?;
        flow.chunk.columns.extend(results);
        Ok(flow)
    }
}

impl Call {
    /// The result of every row, in order.
    async fn ask(&mut self, caller: &Caller, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef, EvalError> {
        let batches = self.batches(caller, columns, rows)?;
        let this = &*self;
        let asking = batches.iter().map(|batch| this.ask_batch(caller, batch));
        let mut answers = stream::iter(asking).buffered(self.function.in_flight.max(1));
        let mut parts = Vec::with_capacity(batches.len());
        while let Some(part) = answers.next().await {
            parts.push(part?);
        }
        drop(answers);
        match parts.as_slice() {
            [] => Ok(arrow::array::new_empty_array(&self.result.typed.ty.to_arrow())),
            [one] => Ok(one.clone()),
            many => Ok(concat(&many.iter().map(AsRef::as_ref).collect::<Vec<_>>())?),
        }
    }

    /// Cuts the rows into batches and writes their events.
    fn batches(&mut self, caller: &Caller, columns: &[ArrayRef], rows: usize) -> Result<Vec<Batch>, EvalError> {
        let arguments = self.args.iter().zip(&mut self.encoders);
        let mut arguments: Vec<(RecordBatch, &mut JsonEncoder)> = arguments
            .map(|(&arg, encoder)| Ok((single(columns[arg].clone())?, encoder)))
            .collect::<Result<_, EvalError>>()?;
        let (mut batches, mut from, mut body) = (Vec::new(), 0, Vec::new());
        for row in 0..rows {
            body.push(if row == from { b'[' } else { b',' });
            row_of(&mut arguments, row, &mut body)?;
            let count = row + 1 - from;
            if count == self.function.batch_rows.max(1) || body.len() >= EVENT_BYTES_MAX || row + 1 == rows {
                body.push(b']');
                let event = envelope(caller, &self.function, count, &body);
                batches.push(Batch { rows: from..row + 1, event });
                (from, body) = (row + 1, Vec::new());
            }
        }
        Ok(batches)
    }

    /// Asks until there is an answer or the tries are over.
    async fn ask_batch(&self, caller: &Caller, batch: &Batch) -> Result<ArrayRef, EvalError> {
        let function = &self.function;
        let timeout = Duration::from_millis(function.timeout_ms);
        let mut pause = PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let called = caller.functions.call(&caller.scope, &function.lambda, batch.event.clone(), timeout).await;
            let read = called.map_err(|failure| failure.0).and_then(|answer| self.read(&answer, batch.rows.len()));
            let reason = match read {
                Ok(results) => return Ok(results),
                Err(reason) => reason,
            };
            if tries <= function.retries {
                caller.functions.pause(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
                continue;
            }
            return match function.on_error {
                OnError::Null => self.nulls(batch.rows.len()),
                OnError::Fail => Err(EvalError(format!(
                    "the function {} ('{}') failed {tries} times for a batch of {} rows: {reason}; mend the function, or \
                     create it WITH ('on-error' = 'null')",
                    function.name,
                    function.lambda,
                    batch.rows.len()
                ))),
            };
        }
    }

    /// The results of an answer.
    fn read(&self, answer: &[u8], rows: usize) -> Result<ArrayRef, String> {
        let answer: Answer<'_> = serde_json::from_slice(answer)
            .map_err(|error| format!("its answer is not {{\"success\": …, \"results\": […]}}: {error}"))?;
        match (answer.success, &answer.error_msg) {
            (Some(false), message) => return Err(message.as_deref().unwrap_or("it gives no error_msg").to_owned()),
            (None, _) => return Err("its answer has no \"success\"".to_owned()),
            (Some(true), _) => {}
        }
        let Some(results) = answer.results else { return Err("its answer has no \"results\"".to_owned()) };
        if results.len() != rows || answer.num_records.is_some_and(|count| count != rows) {
            let count = answer.num_records.unwrap_or(results.len());
            return Err(format!("it was asked about {rows} rows and answered for {} ({count})", results.len()));
        }
        let fields = std::slice::from_ref(&self.result);
        let mut decoder = JsonDecoder::new(fields, JsonOptions::default()).map_err(|error| error.to_string())?;
        for (nth, result) in results.iter().enumerate() {
            let row = format!("{{\"{FIELD}\":{result}}}");
            decoder.push(row.as_bytes()).map_err(|error| format!("its result {nth} is {result}: {error}"))?;
        }
        Ok(decoder.finish().column(0).clone())
    }

    fn nulls(&self, rows: usize) -> Result<ArrayRef, EvalError> {
        Ok(arrow::array::new_null_array(&self.result.typed.ty.to_arrow(), rows))
    }
}

/// A column as a batch of its own, which is what encoders take.
fn single(column: ArrayRef) -> Result<RecordBatch, EvalError> {
    let schema =
        arrow::datatypes::Schema::new(vec![arrow::datatypes::Field::new(FIELD, column.data_type().clone(), true)]);
    Ok(RecordBatch::try_new(Arc::new(schema), vec![column])?)
}

/// `[a, b, …]`: each argument is written as an object of one field, of which the value stays.
fn row_of(arguments: &mut [(RecordBatch, &mut JsonEncoder)], row: usize, out: &mut Vec<u8>) -> Result<(), EvalError> {
    const AROUND: usize = "{\"v\":".len();
    out.push(b'[');
    for (nth, (batch, encoder)) in arguments.iter_mut().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        let start = out.len();
        encoder.encode(batch, row, out).map_err(plain)?;
        out.drain(start..start + AROUND);
        out.pop();
    }
    out.push(b']');
    Ok(())
}

fn envelope(caller: &Caller, function: &ExternalFunction, rows: usize, arguments: &[u8]) -> Bytes {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let head = format!(
        "{{\"request_id\":{},\"external_function\":{},\"query_id\":{},\"num_records\":{rows},\"arguments\":",
        text(&caller.dice.uuid()),
        text(&function.name),
        text(&caller.query),
    );
    [head.as_bytes(), arguments, b"}"].concat().into()
}
