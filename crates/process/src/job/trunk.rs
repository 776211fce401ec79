//! The trunk: operators with keyed state, what follows them, and the sinks.

use super::JobError;
use super::context::Shared;
use super::figures::ThreadTimes;
use crate::chunk::{Chunk, Flow};
use crate::codec::{CodecError, Reader, Writer};
use crate::connect::{Connectors, Environment, Rows, Sink};
use crate::graph::{ConnectorSpec, NodeId, Operator, Window};
use crate::operators::SplitProgress;
use crate::operators::{Assign, Calc, Event, External, GlobalWindow, Group, Session, Spans, Valve, Watermark};
use crate::state::Grouping;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use millrace_schema::format::schema_of;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The trunk of a job.
pub(crate) struct Trunk {
    shared: Arc<Shared>,
    times: Arc<ThreadTimes>,
    nodes: BTreeMap<NodeId, Stage>,
    /// The input number of each (edge, lane); edges within the trunk have lane 0.
    inputs: BTreeMap<(usize, usize), usize>,
    queue: VecDeque<(NodeId, usize, Event)>,
    /// Rows written by sinks.
    pub rows_out: u64,
    /// Rows dropped as late by windows.
    pub late: u64,
    /// Whether anything came since the last checkpoint.
    pub is_changed: bool,
}

struct Stage {
    valve: Valve,
    operator: Stateful,
}

enum Stateful {
    Pass,
    Calc(Calc),
    Watermark(Box<Watermark>, SplitProgress),
    Assign(Assign),
    External(Box<External>),
    Window(Box<GlobalWindow>),
    Session(Box<Session>),
    Group(Box<Group>),
    /// How many rows are still let through.
    Limit(u64),
    Sink(Box<SinkStage>),
}

struct SinkStage {
    sink: Box<dyn Sink>,
    schema: SchemaRef,
    table: String,
}

impl Trunk {
    /// `lanes`: the source of each lane, in order of lane.
    pub fn new(
        shared: &Arc<Shared>,
        lanes: &[NodeId],
        connectors: &Connectors,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        let (graph, cut) = (&shared.graph, &shared.cut);
        let mut inputs = BTreeMap::new();
        let mut nodes = BTreeMap::new();
        for id in (0..graph.nodes.len()).filter(|&id| !cut.in_lane[id]) {
            let mut count = 0;
            for (edge, _) in cut.edges.iter().enumerate().filter(|(_, edge)| edge.to == id) {
                let from = cut.edges[edge].from;
                let sources: Vec<usize> = if cut.in_lane[from] {
                    (0..lanes.len()).filter(|&lane| cut.sources[from].contains(&lanes[lane])).collect()
                } else {
                    vec![0]
                };
                for lane in sources {
                    inputs.insert((edge, lane), count);
                    count += 1;
                }
            }
            let operator = Stateful::new(shared, id, connectors, environment)?;
            nodes.insert(id, Stage { valve: Valve::new(count), operator });
        }
        Ok(Self {
            shared: shared.clone(),
            times: shared.figures.thread(nodes.keys().copied().collect(), Vec::new()),
            nodes,
            inputs,
            queue: VecDeque::new(),
            rows_out: 0,
            late: 0,
            is_changed: false,
        })
    }

    /// Takes what a lane sent and works until nothing is left to do.
    pub fn take(&mut self, lane: usize, sent: Vec<(usize, Event)>) -> Result<(), JobError> {
        self.is_changed |= !sent.is_empty();
        for (edge, event) in sent {
            let input = self.inputs[&(edge, lane)];
            self.queue.push_back((self.shared.cut.edges[edge].to, input, event));
            while let Some((node, input, event)) = self.queue.pop_front() {
                self.handle(node, input, event)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, id: NodeId, input: usize, event: Event) -> Result<(), JobError> {
        let shared = self.shared.clone();
        let failed = |error| JobError::eval(&shared.name(id), error);
        let stage = self.nodes.get_mut(&id).ok_or_else(|| JobError::Graph(format!("no stage {id} in the trunk")))?;
        let begun = self.times.begin();
        let mut out = Vec::new();
        let mut late = None;
        if !matches!(event, Event::Fire) {
            stage.finish(&mut out).map_err(failed)?;
        }
        match event {
            Event::Fire if stage.is_firing() => stage.fire(&mut out).map_err(failed)?,
            // Another event came first, which finished it.
            Event::Fire => {}
            Event::Rows(chunk) => {
                if matches!(stage.operator, Stateful::Sink(_)) {
                    shared.figures.rows(id, chunk.rows);
                }
                late = stage.rows(chunk, &shared, &mut out, &mut self.rows_out, id)?;
            }
            Event::Pane(slice, pane) => {
                if let Stateful::Window(window) = &mut stage.operator {
                    window.pane(slice, *pane).map_err(failed)?;
                }
            }
            Event::Watermark(watermark) => {
                if let Some(watermark) = stage.valve.advance(input, watermark) {
                    shared.figures.watermark(id, watermark);
                    stage.advance(watermark, &mut out).map_err(failed)?;
                }
            }
            Event::Idle(idle) => {
                let moved = stage.valve.idle(input, idle);
                if let Some(watermark) = moved {
                    stage.advance(watermark, &mut out).map_err(failed)?;
                    stage.finish(&mut out).map_err(failed)?;
                }
                if stage.valve.is_idle() || !idle {
                    out.push(Event::Idle(idle));
                }
            }
        }
        self.times.worked(id, begun);
        let is_firing = stage.is_firing();
        if let Some(chunk) = late {
            self.late += chunk.rows as u64;
            self.send(id, true, Event::Rows(chunk));
        }
        for event in out {
            if let Event::Rows(chunk) = &event {
                shared.figures.rows(id, chunk.rows);
            }
            self.send(id, false, event);
        }
        self.queue.extend(is_firing.then_some((id, input, Event::Fire)));
        Ok(())
    }

    /// Queues an event for the readers of a node: those of its late rows or those of its results.
    fn send(&mut self, from: NodeId, late: bool, event: Event) {
        let shared = self.shared.clone();
        let is_late = |to: NodeId| matches!(shared.graph.nodes[to].operator, Operator::Late);
        let is_rows = matches!(event, Event::Rows(_));
        let mut readers = shared
            .cut
            .edges
            .iter()
            .enumerate()
            .filter(|(_, edge)| edge.from == from && (!is_rows || is_late(edge.to) == late))
            .peekable();
        let mut event = Some(event);
        while let Some((nth, edge)) = readers.next() {
            let input = self.inputs[&(nth, 0)];
            let sent = match (readers.peek().is_some(), &event) {
                (true, Some(Event::Rows(chunk))) => Some(Event::Rows(chunk.clone())),
                (true, Some(Event::Watermark(watermark))) => Some(Event::Watermark(*watermark)),
                (true, Some(Event::Idle(idle))) => Some(Event::Idle(*idle)),
                _ => event.take(),
            };
            self.queue.extend(sent.map(|event| (edge.to, input, event)));
        }
    }

    /// The watermark of a windowed aggregation.
    pub fn window_watermark(&self, node: NodeId) -> Option<i64> {
        match &self.nodes.get(&node)?.operator {
            Stateful::Window(window) => Some(window.watermark()),
            _ => None,
        }
    }

    /// Whether a LIMIT has all its rows, so that the job is to end.
    pub fn is_full(&self) -> bool {
        self.nodes.values().any(|stage| matches!(stage.operator, Stateful::Limit(0)))
    }

    /// The least watermark of all sinks' inputs.
    pub fn watermark(&self) -> i64 {
        let sinks = self.nodes.values().filter(|stage| matches!(stage.operator, Stateful::Sink(_)));
        sinks.map(|stage| stage.valve.current()).min().unwrap_or(i64::MIN)
    }

    /// Appends the state of all operators.
    pub fn save(&self, out: &mut Writer<'_>) {
        out.u64(self.rows_out);
        out.u64(self.late);
        out.list(self.nodes.iter(), |out, (id, stage)| {
            out.u64(*id as u64);
            let bytes = out.sized(|out| {
                stage.valve.save(out);
                match &stage.operator {
                    Stateful::Window(window) => window.save(out),
                    Stateful::Session(session) => session.save(out),
                    Stateful::Group(group) => group.save(out),
                    Stateful::Watermark(_, progress) => progress.save(0, out),
                    Stateful::Limit(left) => out.u64(*left),
                    _ => {}
                }
            });
            self.shared.figures.state(*id, bytes);
        });
    }

    /// Takes the saved state over.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.rows_out = from.u64()?;
        self.late = from.u64()?;
        for (id, state) in from.list(|from| Ok((from.u64()?, from.bytes()?)))? {
            let stage = self.nodes.get_mut(&(id as NodeId)).ok_or(CodecError("operator"))?;
            let mut state = Reader(state);
            stage.valve.load(&mut state)?;
            match &mut stage.operator {
                Stateful::Window(window) => window.load(&mut state)?,
                Stateful::Session(session) => session.load(&mut state)?,
                Stateful::Group(group) => group.load(&mut state)?,
                Stateful::Watermark(_, progress) => progress.load(0, &mut state)?,
                Stateful::Limit(left) => *left = state.u64()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends an epoch at every sink: what each needs to commit it, in order of node.
    pub fn prepare(&mut self, epoch: u64) -> Result<Vec<Vec<u8>>, JobError> {
        let times = self.times.clone();
        let prepared = self.sinks().map(|(id, sink)| {
            let begun = times.begin();
            let prepared = sink.prepare(epoch).map_err(|error| JobError::Sink { epoch, error });
            times.worked(id, begun);
            prepared
        });
        prepared.collect()
    }

    /// Makes an epoch visible.
    pub fn commit(&mut self, epoch: u64, prepared: &[Vec<u8>]) -> Result<(), JobError> {
        let times = self.times.clone();
        self.sinks().zip(prepared).try_for_each(|((id, sink), bytes)| {
            let begun = times.begin();
            let committed = sink.commit(epoch, bytes).map_err(|error| JobError::Sink { epoch, error });
            times.worked(id, begun);
            committed
        })
    }

    fn sinks(&mut self) -> impl Iterator<Item = (NodeId, &mut Box<dyn Sink>)> {
        self.nodes.iter_mut().filter_map(|(id, stage)| match &mut stage.operator {
            Stateful::Sink(stage) => Some((*id, &mut stage.sink)),
            _ => None,
        })
    }
}

impl Stateful {
    fn new(
        shared: &Arc<Shared>,
        id: NodeId,
        connectors: &Connectors,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        let graph = &shared.graph;
        let node = &graph.nodes[id];
        let failed = |error| JobError::eval(&shared.name(id), error);
        let input = node.inputs.first().map_or(&[][..], |&input| &graph.nodes[input].output);
        Ok(match &node.operator {
            Operator::Calc { filter, project } => Self::Calc(Calc::new(filter.as_ref(), project).map_err(failed)?),
            Operator::Watermark { column, expr, .. } => {
                let interval = graph.settings.auto_watermark_interval_ms;
                let watermark = Watermark::new(*column, expr, interval, None).map_err(failed)?;
                Self::Watermark(Box::new(watermark), SplitProgress::new(1, shared.clock.now()))
            }
            Operator::ExternalCalls(calls) => Self::External(Box::new(shared.external(id, calls)?)),
            Operator::WindowAssign { window, time } => {
                let ty = input[*time].typed.ty.clone();
                Self::Assign(Assign::new(Spans::new(window, &ty, &shared.context()), *time, ty))
            }
            Operator::WindowAggregate(aggregate) => {
                if node.inputs.iter().any(|&input| graph.is_changelog(input)) {
                    let reason = "a window over updates is not supported yet: window the rows before they change";
                    return Err(JobError::Graph(reason.to_owned()));
                }
                if aggregate.allowed_lateness_ms > 0 && matches!(aggregate.window, Window::Session { .. }) {
                    let reason = "table.exec.emit.allow-lateness is not supported yet for SESSION windows: reset it";
                    return Err(JobError::Graph(reason.to_owned()));
                }
                let parts = shared.window(id, aggregate).map_err(failed)?;
                match aggregate.window {
                    Window::Session { gap_ms } => {
                        Self::Session(Box::new(Session::new(parts.grouping, parts.time, gap_ms, parts.properties)))
                    }
                    _ => Self::Window(Box::new(GlobalWindow::new(
                        parts.spans,
                        parts.grouping,
                        parts.time,
                        parts.start,
                        aggregate.allowed_lateness_ms,
                        parts.properties,
                    ))),
                }
            }
            Operator::GroupAggregate { keys, aggs } => {
                Self::Group(Box::new(Group::new(Grouping::new(keys, aggs, input).map_err(failed)?)))
            }
            Operator::Limit { rows } => {
                if node.inputs.iter().any(|&input| graph.is_changelog(input)) {
                    let reason = "LIMIT over updates is not supported yet: read the table without it";
                    return Err(JobError::Graph(reason.to_owned()));
                }
                Self::Limit(*rows)
            }
            Operator::Sink(spec) => Self::Sink(Box::new(SinkStage::new(shared, id, spec, connectors, environment)?)),
            Operator::Source(_) | Operator::Union | Operator::Late => Self::Pass,
        })
    }
}

impl Stage {
    /// Takes rows; gives the late ones.
    fn rows(
        &mut self,
        chunk: Chunk,
        shared: &Shared,
        out: &mut Vec<Event>,
        written: &mut u64,
        id: NodeId,
    ) -> Result<Option<Chunk>, JobError> {
        let failed = |error| JobError::eval(&shared.name(id), error);
        let flow = |chunk| Flow { chunk, marks: Vec::new() };
        match &mut self.operator {
            Stateful::Pass => out.push(Event::Rows(chunk)),
            Stateful::Calc(calc) => {
                let done = calc.apply(flow(chunk), &shared.context()).map_err(failed)?;
                out.extend((done.chunk.rows > 0).then_some(Event::Rows(done.chunk)));
            }
            Stateful::Assign(assign) => {
                let done = assign.apply(flow(chunk)).map_err(failed)?;
                out.extend((done.chunk.rows > 0).then_some(Event::Rows(done.chunk)));
            }
            Stateful::External(external) => out.push(Event::Rows(shared.ask(id, external, flow(chunk))?.chunk)),
            Stateful::Watermark(watermark, progress) => {
                let done = watermark.apply(flow(chunk), 0, progress, &shared.context()).map_err(failed)?;
                for (rows, mark) in done.pieces() {
                    out.extend((!rows.is_empty()).then(|| Event::Rows(done.chunk.slice(rows.start, rows.len()))));
                    out.extend(mark.map(Event::Watermark));
                }
            }
            Stateful::Window(window) => return window.rows(&chunk, out).map_err(failed),
            Stateful::Session(session) => return session.rows(&chunk).map_err(failed),
            Stateful::Group(group) => group.rows(&chunk, out).map_err(failed)?,
            Stateful::Limit(left) => {
                let taken = (*left).min(chunk.rows as u64);
                *left -= taken;
                out.extend((taken > 0).then(|| Event::Rows(chunk.slice(0, taken as usize))));
            }
            Stateful::Sink(stage) => {
                *written += chunk.rows as u64;
                stage.write(chunk)?;
            }
        }
        Ok(None)
    }

    fn advance(&mut self, watermark: i64, out: &mut Vec<Event>) -> Result<(), crate::eval::EvalError> {
        match &mut self.operator {
            Stateful::Window(window) => {
                window.advance(watermark);
                return self.fire(out);
            }
            Stateful::Session(session) => session.advance(watermark, out)?,
            // Its own watermarks replace those from before, but for the end of all time.
            Stateful::Watermark(..) if watermark < i64::MAX => return Ok(()),
            _ => {}
        }
        out.push(Event::Watermark(watermark));
        Ok(())
    }

    /// Gives the next part of what a window fires, and its watermark after the last.
    fn fire(&mut self, out: &mut Vec<Event>) -> Result<(), crate::eval::EvalError> {
        let Stateful::Window(window) = &mut self.operator else { return Ok(()) };
        window.fire(out)?;
        out.extend((!window.is_firing()).then(|| Event::Watermark(window.watermark())));
        Ok(())
    }

    fn is_firing(&self) -> bool {
        matches!(&self.operator, Stateful::Window(window) if window.is_firing())
    }

    /// Gives all that is left of it.
    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), crate::eval::EvalError> {
        while self.is_firing() {
            self.fire(out)?;
        }
        Ok(())
    }
}

impl SinkStage {
    fn new(
        shared: &Shared,
        id: NodeId,
        spec: &ConnectorSpec,
        connectors: &Connectors,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        let factory = connectors.sink(spec).map_err(JobError::Connect)?;
        if shared.graph.is_changelog(id) && !factory.accepts_updates() {
            return Err(JobError::Graph(format!(
                "table '{}': the {} connector takes only new rows, but the query updates rows that it gave before; \
                 aggregate over a window, or write to a connector that takes updates",
                spec.table, spec.connector
            )));
        }
        let sink = factory.open(spec, environment, &format!("{id}-{}", spec.table)).map_err(JobError::Connect)?;
        Ok(Self { sink, schema: schema_of(&spec.fields), table: spec.table.clone() })
    }

    fn write(&mut self, chunk: Chunk) -> Result<(), JobError> {
        let options = RecordBatchOptions::new().with_row_count(Some(chunk.rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), chunk.columns, &options)
            .map_err(|error| JobError::Data { place: format!("table '{}'", self.table), reason: error.to_string() })?;
        self.sink.write(&Rows { batch, kinds: chunk.kinds }).map_err(JobError::Connect)
    }
}
