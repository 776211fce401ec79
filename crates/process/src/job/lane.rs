//! One lane: a subtask of a source with all that runs beside it.

use super::context::Shared;
use super::figures::ThreadTimes;
use super::{JobError, Place};
use crate::chunk::{Chunk, Flow};
use crate::codec::{Reader, Writer};
use crate::connect::{Following, Split};
use crate::graph::{NodeId, Operator};
use crate::operators::{Assign, Calc, Event, External, LocalWindow, Spans, SplitProgress, Watermark};
use arrow::array::new_empty_array;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Rows decoded in one step: few enough to stay in the cache, many enough to pay for a step.
const STEP_ROWS: usize = 4096;

/// What a lane sends to the trunk: the edge and what travels over it.
pub(crate) type Sent = (usize, Event);

/// A lane.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    times: Arc<ThreadTimes>,
    source: NodeId,
    subtask: usize,
    splits: Vec<Box<dyn Split>>,
    ended: Vec<bool>,
    /// Whether splits are read in turn, each with a watermark of its own.
    concurrent: bool,
    following: Option<Arc<dyn Following>>,
    next: usize,
    nodes: Vec<(NodeId, Step)>,
    /// Gathering halves by edge.
    locals: BTreeMap<usize, LocalWindow>,
    idle: bool,
    finished: bool,
    rows_in: u64,
}

enum Step {
    Pass,
    Calc(Calc),
    Watermark(Watermark, SplitProgress),
    Assign(Assign),
    External(External),
}

/// What a step of a lane came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    Worked,
    Idle,
    Finished,
}

impl Lane {
    /// A lane over the splits of one subtask.
    pub fn new(
        shared: &Arc<Shared>,
        source: NodeId,
        subtask: usize,
        splits: Vec<Box<dyn Split>>,
        concurrent: bool,
        following: Option<Arc<dyn Following>>,
    ) -> Result<Self, JobError> {
        let graph = &shared.graph;
        let mut nodes = Vec::new();
        let mut locals = BTreeMap::new();
        let reaches = |node: NodeId| shared.cut.sources[node].contains(&source);
        let progress = if concurrent { splits.len() } else { 1 };
        for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| shared.cut.in_lane[*id] && reaches(*id)) {
            let failed = |error| JobError::eval(&shared.name(id), error);
            let step = match &node.operator {
                Operator::Calc { filter, project } => Step::Calc(Calc::new(filter.as_ref(), project).map_err(failed)?),
                Operator::Watermark { column, expr, idle_timeout_ms } => {
                    let interval = graph.settings.auto_watermark_interval_ms;
                    let watermark = Watermark::new(*column, expr, interval, *idle_timeout_ms).map_err(failed)?;
                    Step::Watermark(watermark, SplitProgress::new(progress, shared.clock.now()))
                }
                Operator::WindowAssign { window, time } => {
                    let ty = graph.nodes[node.inputs[0]].output[*time].typed.ty.clone();
                    Step::Assign(Assign::new(Spans::new(window, &ty, &shared.context()), *time, ty))
                }
                Operator::ExternalCalls(calls) => Step::External(shared.external(id, calls)?),
                _ => Step::Pass,
            };
            nodes.push((id, step));
        }
        for (nth, &edge) in shared.cut.edges.iter().enumerate() {
            let (true, Operator::WindowAggregate(aggregate)) =
                (reaches(edge.from) && shared.cut.is_gathered(graph, edge), &graph.nodes[edge.to].operator)
            else {
                continue;
            };
            let parts =
                shared.window(edge.to, aggregate).map_err(|error| JobError::eval(&shared.name(edge.to), error))?;
            let exact = aggregate.allowed_lateness_ms > 0;
            locals.insert(nth, LocalWindow::new(parts.spans, parts.grouping, parts.time, parts.start, exact));
        }
        let waits: Vec<NodeId> = nodes.iter().map(|(id, _)| *id).collect();
        let gathering = locals.keys().map(|&edge| shared.cut.edges[edge].to);
        let times = shared.figures.thread(waits.iter().copied().chain(gathering).collect(), waits.clone());
        let ended = vec![false; splits.len()];
        let (idle, finished, rows_in) = (false, false, 0);
        let shared = shared.clone();
        Ok(Self {
            shared,
            times,
            source,
            subtask,
            splits,
            ended,
            concurrent,
            following,
            next: 0,
            nodes,
            locals,
            idle,
            finished,
            rows_in,
        })
    }

    /// The rows read so far.
    pub fn rows_in(&self) -> u64 {
        self.rows_in
    }

    /// Whether it has come to the end of its source.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// How long until time alone changes something; none when it never does.
    pub fn until_timeout(&self) -> Option<Duration> {
        let now = self.shared.clock.now();
        let due = |step: &Step| match step {
            Step::Watermark(watermark, progress) => watermark.idle_at(progress),
            _ => None,
        };
        let first = self.nodes.iter().filter_map(|(_, step)| due(step)).min()?;
        // A millisecond at least: the clock may show whole ones only.
        Some(Duration::from_millis((first - now).max(1) as u64))
    }

    /// Reads once and sends what came of it.
    pub fn step(&mut self, out: &mut Vec<Sent>) -> Result<Went, JobError> {
        if self.finished {
            return Ok(Went::Finished);
        }
        if self.ended.iter().all(|ended| *ended) {
            self.finished = true;
            self.run(0, self.empty(self.source, vec![(0, i64::MAX)]), 0, out)?;
            return Ok(Went::Finished);
        }
        for _ in 0..self.splits.len() {
            let split = self.turn();
            let begun = self.times.begin();
            let read = self.splits[split].read(STEP_ROWS).map_err(JobError::Connect)?;
            self.times.worked(self.source, begun);
            let progress = if self.concurrent { split } else { 0 };
            let got = read.batch.filter(|batch| batch.num_rows() > 0);
            // The end is noted a step later than the last rows: these are then on their way before another lane may read what
            // follows.
            let ended = read.ended && (got.is_none() || self.following.is_none());
            let worked = got.is_some() || ended;
            if let Some(batch) = got {
                self.rows_in += batch.num_rows() as u64;
                let chunk = Chunk::new(batch.columns().to_vec(), batch.num_rows());
                self.wake(out);
                self.run(0, Flow { chunk, marks: Vec::new() }, progress, out)?;
            }
            if ended {
                self.ended[split] = true;
                self.follow(split)?;
                self.end_split(progress, out)?;
                self.forget_ended();
            }
            if worked {
                return Ok(Went::Worked);
            }
        }
        self.fall_idle(out)
    }

    /// The next split to read: in turn when they are read together, else the first that has not ended.
    fn turn(&mut self) -> usize {
        let count = self.splits.len();
        let from = if self.concurrent { self.next } else { 0 };
        let split = (from..from + count).map(|at| at % count).find(|&at| !self.ended[at]).unwrap_or(0);
        self.next = (split + 1) % count;
        split
    }

    fn empty(&self, node: NodeId, marks: Vec<(usize, i64)>) -> Flow {
        let fields = &self.shared.graph.nodes[node].output;
        let columns = fields.iter().map(|field| new_empty_array(&field.typed.ty.to_arrow())).collect();
        Flow { chunk: Chunk::new(columns, 0), marks }
    }

    /// Begins with the splits that follow one that ended: in this lane, because what they hold is not to be late where its
    /// parent's rows were not.
    fn follow(&mut self, ended: usize) -> Result<(), JobError> {
        let Some(following) = &self.following else { return Ok(()) };
        for split in following.follow(self.splits[ended].id()).map_err(JobError::Connect)? {
            self.splits.push(split);
            self.ended.push(false);
            for (_, step) in &mut self.nodes {
                if let Step::Watermark(_, progress) = step {
                    progress.add(ended);
                }
            }
        }
        Ok(())
    }

    /// Lets go of the splits that ended and that nothing will follow any more.
    fn forget_ended(&mut self) {
        let Some(following) = self.following.clone() else { return };
        for at in (0..self.splits.len()).rev() {
            if !self.ended[at] || following.is_awaited(self.splits[at].id()) {
                continue;
            }
            self.splits.remove(at);
            self.ended.remove(at);
            for (_, step) in &mut self.nodes {
                if let Step::Watermark(_, progress) = step {
                    progress.remove(at);
                }
            }
        }
    }

    fn end_split(&mut self, split: usize, out: &mut Vec<Sent>) -> Result<(), JobError> {
        if !self.concurrent {
            return Ok(());
        }
        for at in 0..self.nodes.len() {
            let (node, step) = &mut self.nodes[at];
            let node = *node;
            let Step::Watermark(_, progress) = step else { continue };
            if let Some(watermark) = progress.end(split) {
                self.forward(node, self.empty(node, vec![(0, watermark)]), out)?;
            }
        }
        Ok(())
    }

    fn fall_idle(&mut self, out: &mut Vec<Sent>) -> Result<Went, JobError> {
        let now = self.shared.clock.now();
        let mut all_idle = false;
        for at in 0..self.nodes.len() {
            let (node, step) = &mut self.nodes[at];
            let node = *node;
            let Step::Watermark(watermark, progress) = step else { continue };
            let (moved, is_idle) = watermark.check_idle(progress, now);
            all_idle |= is_idle;
            if let Some(watermark) = moved {
                self.forward(node, self.empty(node, vec![(0, watermark)]), out)?;
            }
        }
        if all_idle && !self.idle {
            self.idle = true;
            self.send_to_all(out, || Event::Idle(true));
        }
        Ok(Went::Idle)
    }

    fn wake(&mut self, out: &mut Vec<Sent>) {
        if self.idle {
            self.idle = false;
            self.send_to_all(out, || Event::Idle(false));
        }
    }

    fn send_to_all(&self, out: &mut Vec<Sent>, event: impl Fn() -> Event) {
        for (nth, edge) in self.shared.cut.edges.iter().enumerate() {
            let leaves = self.shared.cut.in_lane[edge.from] && !self.shared.cut.in_lane[edge.to];
            if leaves && self.shared.cut.sources[edge.from].contains(&self.source) {
                out.push((nth, event()));
            }
        }
    }

    /// Runs a flow from what `self.nodes[from]` is given to the end of the lane.
    fn run(&mut self, from: usize, flow: Flow, split: usize, out: &mut Vec<Sent>) -> Result<(), JobError> {
        let context = self.shared.context();
        let (node, step) = &mut self.nodes[from];
        let node = *node;
        let begun = self.times.begin();
        let result = match step {
            Step::Pass => Ok(flow),
            Step::Calc(calc) => calc.apply(flow, &context),
            Step::Watermark(watermark, progress) => watermark.apply(flow, split, progress, &context),
            Step::Assign(assign) => assign.apply(flow),
            Step::External(external) => Ok(self.shared.ask(node, external, flow)?),
        };
        self.times.worked(node, begun);
        let flow = result.map_err(|error| JobError::eval(&self.shared.name(node), error))?;
        self.forward_from(node, flow, split, out)
    }

    fn forward(&mut self, node: NodeId, flow: Flow, out: &mut Vec<Sent>) -> Result<(), JobError> {
        self.forward_from(node, flow, 0, out)
    }

    /// Hands a node's output to its readers.
    fn forward_from(&mut self, node: NodeId, flow: Flow, split: usize, out: &mut Vec<Sent>) -> Result<(), JobError> {
        if flow.chunk.rows == 0 && flow.marks.is_empty() {
            return Ok(());
        }
        let shared = self.shared.clone();
        shared.figures.rows(node, flow.chunk.rows);
        for (nth, edge) in shared.cut.edges.iter().enumerate().filter(|(_, edge)| edge.from == node) {
            if let Some(at) = self.nodes.iter().position(|(id, _)| *id == edge.to) {
                self.run(at, flow.clone(), split, out)?;
            } else if let Some(local) = self.locals.get_mut(&nth) {
                let (mut events, begun) = (Vec::new(), self.times.begin());
                local.apply(&flow, &mut events).map_err(|error| JobError::eval(&shared.name(edge.to), error))?;
                self.times.worked(edge.to, begun);
                out.extend(events.into_iter().map(|event| (nth, event)));
            } else if matches!(shared.graph.nodes[edge.to].operator, Operator::WindowAggregate(_)) {
                send_pieces(&flow, nth, out);
            } else {
                if flow.chunk.rows > 0 {
                    out.push((nth, Event::Rows(flow.chunk.clone())));
                }
                out.extend(flow.marks.last().map(|mark| (nth, Event::Watermark(mark.1))));
            }
        }
        Ok(())
    }

    /// Hands on all that was gathered, so that the lane holds nothing but positions.
    pub fn flush(&mut self, out: &mut Vec<Sent>) {
        for (&edge, local) in &mut self.locals {
            let mut events = Vec::new();
            local.hand_on(None, &mut events);
            out.extend(events.into_iter().map(|event| (edge, event)));
        }
    }

    /// The splits that it reads, for waiting.
    pub fn waiting(&mut self) -> impl Iterator<Item = &mut Box<dyn Split>> {
        let first = if self.concurrent { usize::MAX } else { 1 };
        self.splits.iter_mut().zip(&self.ended).filter(|(_, ended)| !**ended).map(|(split, _)| split).take(first)
    }

    /// Where its splits stand. One that has ended is there as long as it must be known that nothing followed it yet.
    pub fn save(&self) -> Vec<Place> {
        let mut saved = Vec::new();
        for (nth, split) in self.splits.iter().enumerate() {
            let ended = self.ended[nth] && self.following.is_some();
            if ended && !self.following.as_ref().is_some_and(|following| following.is_awaited(split.id())) {
                continue;
            }
            let mut progress = Writer::default();
            let state = if self.concurrent { nth } else { 0 };
            for (_, step) in &self.nodes {
                if let Step::Watermark(_, splits) = step {
                    splits.save(state, &mut progress);
                }
            }
            saved.push(Place {
                source: self.source,
                split: split.id().to_owned(),
                subtask: self.subtask,
                ended,
                position: split.position(),
                progress: progress.into_bytes(),
            });
        }
        saved
    }

    /// Takes over the event time of the splits that it reads.
    pub fn load(&mut self, saved: &BTreeMap<(NodeId, String), (Vec<u8>, bool)>) -> Result<(), JobError> {
        for (nth, split) in self.splits.iter().enumerate() {
            let Some((progress, ended)) = saved.get(&(self.source, split.id().to_owned())) else { continue };
            self.ended[nth] = *ended;
            let mut from = Reader(progress);
            let state = if self.concurrent { nth } else { 0 };
            for (_, step) in &mut self.nodes {
                if let Step::Watermark(_, splits) = step {
                    splits.load(state, &mut from).map_err(JobError::State)?;
                    if *ended {
                        splits.end(state);
                    }
                }
            }
        }
        Ok(())
    }

    /// Starts the gathering halves from the watermark of the other halves: rows behind it are theirs to judge.
    pub fn resume(&mut self, watermark_of: impl Fn(NodeId) -> Option<i64>) {
        for (&edge, local) in &mut self.locals {
            if let Some(watermark) = watermark_of(self.shared.cut.edges[edge].to) {
                local.resume(watermark);
            }
        }
    }

    /// How its thread spends its time.
    pub fn times(&self) -> &ThreadTimes {
        &self.times
    }

    /// Its number among the subtasks of its source.
    pub fn subtask(&self) -> usize {
        self.subtask
    }

    /// The source that it reads.
    pub fn source(&self) -> NodeId {
        self.source
    }
}

/// Rows and watermarks in their exact order, for operators that look at rows one by one.
fn send_pieces(flow: &Flow, edge: usize, out: &mut Vec<Sent>) {
    for (rows, mark) in flow.pieces() {
        if !rows.is_empty() {
            out.push((edge, Event::Rows(flow.chunk.slice(rows.start, rows.len()))));
        }
        out.extend(mark.map(|mark| (edge, Event::Watermark(mark))));
    }
}
