//! What all parts of a job share.

use super::JobError;
use super::plan::Cut;
use crate::eval::{EvalContext, EvalError};
use crate::graph::{JobGraph, Operator, Window, WindowAggregate};
use crate::operators::{Properties, Spans};
use crate::state::Grouping;
use millrace_base::Clock;
use std::sync::Arc;

/// The graph, its cut and the world.
pub(crate) struct Shared {
    pub graph: JobGraph,
    pub cut: Cut,
    pub clock: Arc<dyn Clock>,
    pub zone: chrono_tz::Tz,
}

impl Shared {
    /// Checks the settings.
    pub fn new(graph: &JobGraph, clock: Arc<dyn Clock>) -> Result<Arc<Self>, JobError> {
        let name = &graph.settings.time_zone;
        let zone = name.parse().map_err(|_| {
            JobError::Graph(format!(
                "table.local-time-zone '{name}' is not a time zone; write for example 'Europe/Berlin'"
            ))
        })?;
        Ok(Arc::new(Self { graph: graph.clone(), cut: Cut::new(graph), clock, zone }))
    }

    /// The world as an evaluation sees it now.
    pub fn context(&self) -> EvalContext {
        EvalContext { now: self.clock.now(), zone: self.zone }
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
