//! Applications as the console shows them: each job's plan, operator by operator, with what it does.

use super::{Application, Applications, TABLE, key, plan};
use crate::checkpoints::ToldCheckpoint;
use crate::jobs::RunningJob;
use crate::resources::PortError;
use millrace_base::{Millis, Scope};
use millrace_process::graph::{ConnectorSpec, JobGraph, Node, Operator};
use millrace_process::{DEFAULT_INTERVAL_MS, NodeFigures};
use serde::Serialize;

/// An application.
#[derive(Debug, Serialize)]
pub struct ShownApplication {
    /// Its name.
    pub name: String,
    /// `RUNNING`, `READY` when it is stopped, or `FAILING` when a job begins again and again.
    pub status: &'static str,
    /// Its statements.
    pub sql: String,
    /// Greater at each update.
    pub version: u64,
    /// When it was last changed.
    pub updated: Millis,
    /// A job for each `INSERT` or statement set.
    pub jobs: Vec<ShownJob>,
}

/// A job.
#[derive(Debug, Serialize)]
pub struct ShownJob {
    /// Why it does not run, if so.
    pub failure: Option<String>,
    /// Subtasks of a source.
    pub parallelism: usize,
    /// Rows read since it was opened.
    pub rows_in: u64,
    /// Rows written to sinks.
    pub rows_out: u64,
    /// Rows dropped as late.
    pub late: u64,
    /// The least watermark at the sinks.
    pub watermark: Option<Millis>,
    /// Checkpoints taken since it was opened.
    pub checkpoints: u64,
    /// How long the last one took.
    pub checkpoint_ms: Millis,
    /// Its bytes.
    pub checkpoint_bytes: u64,
    /// How often one is taken at the most, while something comes in.
    pub checkpoint_interval_ms: i64,
    /// The last ones since the server started, the newest first.
    pub last_checkpoints: Vec<ToldCheckpoint>,
    /// Its operators; inputs stand before their readers.
    pub plan: Vec<ShownNode>,
}

/// An operator.
#[derive(Debug, Serialize)]
pub struct ShownNode {
    /// What it is, in one word of the plan: `Source`, `Calc`, `WindowAggregate`, `Sink`, …
    pub kind: &'static str,
    /// The whole line of `EXPLAIN`.
    pub text: String,
    /// Its inputs' places in the plan.
    pub inputs: Vec<usize>,
    /// A source's or sink's table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// A source's or sink's connector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// What the connector reads or writes: a stream, an index, a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What it did.
    #[serde(flatten)]
    pub figures: NodeFigures,
}

impl Applications {
    /// The applications of an account and region.
    pub fn shown(&self, scope: &Scope) -> Result<Vec<ShownApplication>, PortError> {
        let all = self.catalog.list::<Application>(TABLE, &format!("{scope}/"))?;
        let running = self.running.lock();
        let shown = all.into_iter().map(|(_, application)| {
            let jobs = running.get(&key(scope, &application.definition.name)).map_or(&[][..], Vec::as_slice);
            show(application, jobs)
        });
        Ok(shown.collect())
    }
}

fn show(application: Application, running: &[RunningJob]) -> ShownApplication {
    // A definition that an older release took may not be planned any more: its application does not run then.
    let graphs = plan(&application.definition).unwrap_or_default();
    let jobs: Vec<ShownJob> = graphs.iter().enumerate().map(|(nth, graph)| job(graph, running.get(nth))).collect();
    let status = match running.is_empty() {
        true => "READY",
        false if jobs.iter().any(|job| job.failure.is_some()) => "FAILING",
        false => "RUNNING",
    };
    let (definition, version, updated) = (application.definition, application.version, application.updated);
    ShownApplication { name: definition.name, status, sql: definition.sql, version, updated, jobs }
}

fn job(graph: &JobGraph, running: Option<&RunningJob>) -> ShownJob {
    let (counters, figures) = running.map(RunningJob::figures).unwrap_or_default();
    let figures_of = |id: usize| figures.get(id).cloned().unwrap_or_default();
    let plan = graph.nodes.iter().enumerate().map(|(id, node)| show_node(graph.describe(id), node, figures_of(id)));
    ShownJob {
        failure: running.and_then(RunningJob::failure),
        parallelism: graph.settings.parallelism,
        rows_in: counters.rows_in,
        rows_out: counters.rows_out,
        late: counters.late,
        watermark: counters.watermark.filter(|watermark| *watermark < i64::MAX),
        checkpoints: counters.checkpoints,
        checkpoint_ms: counters.checkpoint_ms,
        checkpoint_bytes: counters.checkpoint_bytes,
        checkpoint_interval_ms: graph.settings.checkpoint_interval_ms.unwrap_or(DEFAULT_INTERVAL_MS),
        last_checkpoints: running.map(RunningJob::checkpoints).unwrap_or_default(),
        plan: plan.collect(),
    }
}

fn show_node(text: String, node: &Node, figures: NodeFigures) -> ShownNode {
    let spec = match &node.operator {
        Operator::Source(spec) | Operator::Sink(spec) => Some(spec),
        _ => None,
    };
    ShownNode {
        kind: kind(&node.operator),
        text,
        inputs: node.inputs.clone(),
        table: spec.map(|spec| spec.table.clone()),
        connector: spec.map(|spec| spec.connector.clone()),
        target: spec.and_then(target),
        figures,
    }
}

fn kind(operator: &Operator) -> &'static str {
    match operator {
        Operator::Source(_) => "Source",
        Operator::Calc { .. } => "Calc",
        Operator::ExternalCalls(_) => "AsyncCalc",
        Operator::Watermark { .. } => "Watermark",
        Operator::WindowAssign { .. } => "WindowAssign",
        Operator::WindowAggregate(_) => "WindowAggregate",
        Operator::GroupAggregate { .. } => "GroupAggregate",
        Operator::Union => "Union",
        Operator::Late => "Late",
        Operator::Limit { .. } => "Limit",
        Operator::Sink(_) => "Sink",
    }
}

/// What a connector's options name; none of those that print or discard.
fn target(spec: &ConnectorSpec) -> Option<String> {
    ["stream.arn", "stream", "index", "path"].into_iter().find_map(|option| spec.options.get(option).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::ApplicationDefinition;

    #[test]
    fn a_plan_is_told_operator_by_operator() {
        let sql = "CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) \
                   WITH ('connector' = 'kinesis', 'stream.arn' = 'arn:aws:kinesis:us-east-1:000000000000:stream/in', \
                   'format' = 'json'); \
                   CREATE TABLE o (k STRING, n BIGINT) WITH ('connector' = 'blackhole'); \
                   INSERT INTO o SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) \
                   GROUP BY k, window_start, window_end;";
        let definition = ApplicationDefinition {
            name: "a".into(),
            sql: sql.into(),
            description: None,
            runtime_environment: String::new(),
            service_execution_role: String::new(),
            parallelism: None,
            checkpoint_interval_ms: None,
        };
        let graphs = plan(&definition).unwrap();
        let shown = job(&graphs[0], None);
        let kinds: Vec<&str> = shown.plan.iter().map(|node| node.kind).collect();
        assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("Source", "Sink"));
        assert!(kinds.contains(&"WindowAggregate"), "{kinds:?}");
        let source = &shown.plan[0];
        assert_eq!(source.table.as_deref(), Some("t"));
        assert_eq!(source.target.as_deref(), Some("arn:aws:kinesis:us-east-1:000000000000:stream/in"));
        let text = graphs[0].to_string();
        assert!(shown.plan.iter().all(|node| text.contains(&node.text)), "{text}");
        assert_eq!(shown.plan[kinds.len() - 1].target, None);
    }
}
