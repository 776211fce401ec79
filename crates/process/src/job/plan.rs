//! How a graph is cut into lanes and a trunk.
//!
//! Everything that needs no state beyond its own rows runs in *lanes*: one for each subtask of each source, from the
//! source to the first operator with keyed state, of which the gathering half runs in the lane too. The rest is the
//! *trunk*, of which there is one.

use crate::graph::{JobGraph, NodeId, Operator, Window};
use std::collections::BTreeSet;

/// An edge of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    pub from: NodeId,
    pub to: NodeId,
}

/// The cut.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub edges: Vec<Edge>,
    /// For each node: whether it runs in lanes.
    pub in_lane: Vec<bool>,
    /// For each node: the sources above it.
    pub sources: Vec<BTreeSet<NodeId>>,
}

impl Cut {
    /// Decides for each node where it runs.
    pub fn new(graph: &JobGraph) -> Self {
        let mut edges = Vec::new();
        let (mut in_lane, mut sources) = (Vec::new(), Vec::new());
        for (to, node) in graph.nodes.iter().enumerate() {
            edges.extend(node.inputs.iter().map(|&from| Edge { from, to }));
            let mut above: BTreeSet<NodeId> = BTreeSet::new();
            let mut disjoint = true;
            for &input in &node.inputs {
                let theirs: &BTreeSet<NodeId> = &sources[input];
                disjoint &= above.is_disjoint(theirs);
                above.extend(theirs);
            }
            let fits = match node.operator {
                Operator::Source(_) => {
                    above.insert(to);
                    true
                }
                Operator::Calc { .. }
                | Operator::ExternalCalls(_)
                | Operator::Watermark { .. }
                | Operator::WindowAssign { .. } => true,
                // A source that reaches a union twice would need its watermarks compared within the lane.
                Operator::Union => disjoint,
                _ => false,
            };
            in_lane.push(fits && node.inputs.iter().all(|&input| in_lane[input]));
            sources.push(above);
        }
        Self { edges, in_lane, sources }
    }

    /// Whether the gathering half of a windowed aggregation runs in lanes.
    pub fn is_gathered(&self, graph: &JobGraph, edge: Edge) -> bool {
        match &graph.nodes[edge.to].operator {
            Operator::WindowAggregate(aggregate) => {
                self.in_lane[edge.from] && !matches!(aggregate.window, Window::Session { .. })
            }
            _ => false,
        }
    }
}
