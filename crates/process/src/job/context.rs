//! What all parts of a job share.

use super::figures::Figures;
use super::plan::Cut;
use super::run::wait_for;
use super::{JobError, Stop};
use crate::chunk::Flow;
use crate::connect::{Connectors, Environment};
use crate::eval::{EvalContext, EvalError};
use crate::graph::{ExternalCall, JobGraph, Operator, Window, WindowAggregate};
use crate::operators::{Caller, External, Properties, Spans};
use crate::state::Grouping;
use millrace_base::Clock;
use std::sync::{Arc, OnceLock};

/// The graph, its cut and the world.
pub(crate) struct Shared {
    pub graph: JobGraph,
    pub cut: Cut,
    pub clock: Arc<dyn Clock>,
    pub zone: chrono_tz::Tz,
    /// What operators have done.
    pub figures: Arc<Figures>,
    /// None without functions outside the engine.
    caller: Option<Arc<Caller>>,
    /// Known when the job runs on threads.
    pub stop: OnceLock<Stop>,
}

impl Shared {
    /// Checks the settings.
    pub fn new(graph: &JobGraph, environment: &Environment, connectors: &Connectors) -> Result<Arc<Self>, JobError> {
        let name = &graph.settings.time_zone;
        let zone = name.parse().map_err(|_| {
            JobError::Graph(format!(
                "table.local-time-zone '{name}' is not a time zone; write for example 'Europe/Berlin'"
            ))
        })?;
        let caller = connectors.functions().map(|functions| {
            Arc::new(Caller {
                functions: functions.clone(),
                scope: environment.scope.clone(),
                dice: environment.dice.clone(),
                query: environment.job.clone(),
            })
        });
        let clock = environment.clock.clone();
        let (figures, stop) = (Arc::new(Figures::new(graph.nodes.len())), OnceLock::new());
        Ok(Arc::new(Self { graph: graph.clone(), cut: Cut::new(graph), clock, zone, figures, caller, stop }))
    }

    /// The world as an evaluation sees it now.
    pub fn context(&self) -> EvalContext {
        EvalContext { now: self.clock.now(), zone: self.zone }
    }

    /// The calls of a node.
    pub fn external(&self, node: usize, calls: &[ExternalCall]) -> Result<External, JobError> {
        let Some(caller) = &self.caller else {
            let name = calls.first().map_or("", |call| &call.function.name);
            return Err(JobError::Graph(format!(
                "the function {name} runs in a server: start one with `millrace up`, and run this there"
            )));
        };
        let input = &self.graph.nodes[self.graph.nodes[node].inputs[0]].output;
        External::new(calls, input, caller.clone()).map_err(|error| JobError::eval(&self.name(node), error))
    }

    /// Asks the functions of a node about rows, and waits for the answers.
    pub fn ask(&self, node: usize, external: &mut External, flow: Flow) -> Result<Flow, JobError> {
        let asked = wait_for(self.stop.get(), external.apply(flow)).ok_or(JobError::Stopped)?;
        asked.map_err(|error| JobError::eval(&self.name(node), error))
    }

    /// What the two halves of a windowed aggregation have in common.
    pub fn window(&self, node: usize, aggregate: &WindowAggregate) -> Result<WindowParts, EvalError> {
        let input = &self.graph.nodes[self.graph.nodes[node].inputs[0]].output;
        let time_type = input[aggregate.time].typed.ty.clone();
        Ok(WindowParts {
            spans: Spans::new(&aggregate.window, &time_type, &self.context()),
            grouping: Grouping::new(&aggregate.keys, &aggregate.aggs, input)?,
            start: match aggregate.window {
                Window::Attached { start, .. } => Some(start),
                _ => None,
            },
            time: match aggregate.window {
                Window::Attached { end, .. } => end,
                _ => aggregate.time,
            },
            properties: Properties { props: aggregate.props.clone(), time_type },
        })
    }

    /// A node's name for messages.
    pub fn name(&self, node: usize) -> String {
        match &self.graph.nodes[node].operator {
            Operator::Source(spec) | Operator::Sink(spec) => format!("table '{}'", spec.table),
            Operator::Calc { .. } => "a projection or filter".to_owned(),
            Operator::ExternalCalls(_) => "a function outside the engine".to_owned(),
            Operator::Watermark { .. } => "the watermark".to_owned(),
            Operator::WindowAssign { .. } | Operator::WindowAggregate(_) => "a window".to_owned(),
            Operator::GroupAggregate { .. } => "GROUP BY".to_owned(),
            Operator::Union => "UNION".to_owned(),
            Operator::Late => "the late output".to_owned(),
            Operator::Limit { .. } => "LIMIT".to_owned(),
        }
    }
}

/// What [`Shared::window`] gives.
pub(crate) struct WindowParts {
    pub spans: Spans,
    pub grouping: Grouping,
    pub start: Option<usize>,
    pub time: usize,
    pub properties: Properties,
}
