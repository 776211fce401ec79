//! Groupings → operators: windows of table functions and of `GROUP BY TUMBLE(…)`, windows over windows, plain groups.

use super::lower::{Lowering, Outputs, unused_column};
use super::rewrite::{all_of, conjuncts, is_stable, reads, substitute};
use super::{Grouping, Rel, RelOp, Role, Windowing};
use crate::error::SqlError;
use millrace_process::aggregates::AggregateCall;
use millrace_process::graph::{Expr, ExprKind, NodeId, Operator, Window, WindowAggregate, WindowProperty};
use millrace_schema::{Field, SqlType, Typed};

/// A grouping whose unused aggregates are gone.
struct Pruned<'a> {
    rel: &'a Rel,
    /// The projection that computes keys and arguments.
    computed: &'a Rel,
    grouping: &'a Grouping,
    /// Positions in `grouping.aggs`.
    aggs: Vec<usize>,
    /// Positions in `grouping.props`.
    props: Vec<usize>,
    /// Conditions on keys, over `computed`.
    early: Option<Expr>,
    /// Other conditions, over the grouping.
    late: Option<Expr>,
    outputs: Outputs,
}

/// The rows that go into a window: `exprs` are the columns of the grouping's projection over `base`.
struct WindowInput<'a> {
    base: &'a Rel,
    exprs: Vec<Expr>,
    filter: Option<Expr>,
    window: Window,
    time: usize,
}

impl Lowering {
    pub(super) fn aggregate(
        &mut self,
        rel: &Rel,
        computed: &Rel,
        grouping: &Grouping,
        filter: Option<Expr>,
        outputs: Outputs,
    ) -> Result<NodeId, SqlError> {
        let pruned = prune(rel, computed, grouping, filter, outputs);
        if let Some(input) = self.window_input(&pruned)? {
            return self.window_aggregate(pruned, input);
        }
        match window_keys(&pruned) {
            Some((start, end)) => self.attached(pruned, start, end),
            None => self.group(pruned),
        }
    }

    /// What goes into the window when the grouping can be done where rows get their window.
    fn window_input<'a>(&self, pruned: &Pruned<'a>) -> Result<Option<WindowInput<'a>>, SqlError> {
        let computed = pruned.computed;
        if let Some((window, time)) = &pruned.grouping.legacy {
            let RelOp::Project(base, exprs) = &computed.op else { return Ok(None) };
            let filter = pruned.early.as_ref().map(|early| substitute(early, exprs));
            let ExprKind::Column(time) = exprs[*time].kind else { return Ok(None) };
            return Ok(Some(WindowInput { base, exprs: exprs.clone(), filter, window: window.clone(), time }));
        }
        let Some((start, _)) = window_keys(pruned) else { return Ok(None) };
        let Role::Start(id) = computed.columns[start].role else { return Ok(None) };
        let Some((base, exprs, filter)) = peel(computed, pruned.early.clone()) else { return Ok(None) };
        let RelOp::Window(input, windowing) = &base.op else { return Ok(None) };
        let width = input.columns.len();
        let needed = needed(pruned);
        let outside =
            reads(needed.iter().map(|column| &exprs[*column]).chain(&filter)).iter().any(|column| *column >= width);
        if windowing.id != id || outside {
            return Ok(None);
        }
        self.check_partition(pruned, windowing, &exprs)?;
        let (window, time) = (windowing.window.clone(), windowing.time);
        Ok(Some(WindowInput { base: input, exprs, filter, window, time }))
    }

    /// A session window's `PARTITION BY` must be the other keys of the grouping.
    fn check_partition(&self, pruned: &Pruned<'_>, windowing: &Windowing, exprs: &[Expr]) -> Result<(), SqlError> {
        if !matches!(windowing.window, Window::Session { .. }) {
            return Ok(());
        }
        let mut keys: Vec<usize> = Vec::new();
        for key in plain_keys(pruned) {
            match exprs[key].kind {
                ExprKind::Column(column) => keys.push(column),
                _ => return Err(SqlError::not_supported(self.span, "a SESSION window grouped by an expression")),
            }
        }
        let mut partition = windowing.partition.clone();
        keys.sort_unstable();
        partition.sort_unstable();
        if keys != partition {
            return Err(SqlError::not_supported(
                self.span,
                "a SESSION window grouped by other keys than its PARTITION BY",
            )
            .help("write the same columns in PARTITION BY and in GROUP BY"));
        }
        Ok(())
    }

    fn window_aggregate(&mut self, pruned: Pruned<'_>, input: WindowInput<'_>) -> Result<NodeId, SqlError> {
        let keys = plain_keys(&pruned);
        let mut inner: Outputs = Vec::new();
        let mut places = Vec::new();
        for column in needed(&pruned) {
            places.push((column, inner.len()));
            inner.push((pruned.computed.fields()[column].clone(), input.exprs[column].clone()));
        }
        let time_expr = input.base.column(input.time);
        let time = add(&mut inner, input.base.fields()[input.time].clone(), time_expr);
        let late = self.late_columns(input.base, &mut inner);
        let node = self.lower(input.base, input.filter, inner)?;
        let place =
            |column: usize| places.iter().find(|(known, _)| *known == column).map_or(column, |(_, place)| *place);
        let props = properties(&pruned);
        let aggregate = WindowAggregate {
            window: input.window,
            time,
            keys: keys.iter().map(|key| place(*key)).collect(),
            aggs: calls(&pruned, &place),
            props: props.iter().map(|(_, property)| *property).collect(),
            allowed_lateness_ms: pruned.grouping.allowed_lateness_ms,
        };
        let window = self.add_window(&pruned, &keys, &props, aggregate, node);
        if let Some(columns) = late {
            self.divert_late(window, node, columns)?;
        }
        Ok(self.above(pruned, window, &keys, &props))
    }

    /// Rows that carry their window already.
    fn attached(&mut self, pruned: Pruned<'_>, start: usize, end: usize) -> Result<NodeId, SqlError> {
        let keys = plain_keys(&pruned);
        let mut columns = needed(&pruned);
        for bound in [start, end] {
            if !columns.contains(&bound) {
                columns.push(bound);
            }
        }
        let node = self.lower_columns(pruned.computed, pruned.early.clone(), &columns)?;
        let place = |column: usize| columns.iter().position(|known| *known == column).unwrap_or(column);
        let props = properties(&pruned);
        let aggregate = WindowAggregate {
            window: Window::Attached { start: place(start), end: place(end) },
            time: place(end),
            keys: keys.iter().map(|key| place(*key)).collect(),
            aggs: calls(&pruned, &place),
            props: props.iter().map(|(_, property)| *property).collect(),
            allowed_lateness_ms: 0,
        };
        let window = self.add_window(&pruned, &keys, &props, aggregate, node);
        Ok(self.above(pruned, window, &keys, &props))
    }

    fn group(&mut self, pruned: Pruned<'_>) -> Result<NodeId, SqlError> {
        let keys: Vec<usize> = pruned.grouping.keys.clone();
        let columns = needed(&pruned);
        let node = self.lower_columns(pruned.computed, pruned.early.clone(), &columns)?;
        let place = |column: usize| columns.iter().position(|known| *known == column).unwrap_or(column);
        let mut output: Vec<Field> = keys.iter().map(|key| pruned.rel.fields()[*key].clone()).collect();
        output.extend(aggregate_fields(&pruned));
        let operator = Operator::GroupAggregate {
            keys: keys.iter().map(|key| place(*key)).collect(),
            aggs: calls(&pruned, &place),
        };
        let node = self.graph.add(operator, vec![node], output);
        Ok(self.above(pruned, node, &keys, &[]))
    }

    fn lower_columns(&mut self, rel: &Rel, filter: Option<Expr>, columns: &[usize]) -> Result<NodeId, SqlError> {
        let fields = rel.fields();
        let mut outputs: Outputs =
            columns.iter().map(|column| (fields[*column].clone(), rel.column(*column))).collect();
        if outputs.is_empty() {
            outputs.push(unused_column());
        }
        self.lower(rel, filter, outputs)
    }

    fn add_window(
        &mut self,
        pruned: &Pruned<'_>,
        keys: &[usize],
        props: &[(usize, WindowProperty)],
        aggregate: WindowAggregate,
        node: NodeId,
    ) -> NodeId {
        let fields = pruned.rel.fields();
        let mut output: Vec<Field> = keys.iter().map(|key| fields[*key].clone()).collect();
        output.extend(aggregate_fields(pruned));
        output.extend(props.iter().map(|(column, property)| match fields.get(*column) {
            Some(field) => field.clone(),
            None => {
                Field { name: format!("{property:?}"), typed: Typed { ty: SqlType::Timestamp(3), nullable: false } }
            }
        }));
        self.graph.add(Operator::WindowAggregate(aggregate), vec![node], output)
    }

    /// The conditions and outputs over a grouping's operator.
    fn above(&mut self, pruned: Pruned<'_>, node: NodeId, keys: &[usize], props: &[(usize, WindowProperty)]) -> NodeId {
        let width = pruned.grouping.keys.len();
        let shown: Vec<usize> = keys
            .iter()
            .copied()
            .chain(pruned.aggs.iter().map(|agg| width + agg))
            .chain(props.iter().map(|(column, _)| *column))
            .collect();
        self.calc_over(node, &shown, pruned.late, pruned.outputs)
    }
}

/// Takes away what nothing above reads; conditions on keys alone go below.
fn prune<'a>(
    rel: &'a Rel,
    computed: &'a Rel,
    grouping: &'a Grouping,
    filter: Option<Expr>,
    outputs: Outputs,
) -> Pruned<'a> {
    let width = grouping.keys.len();
    let is_key = |column: &usize| *column < width && rel.columns[*column].role == Role::None;
    let (early, late): (Vec<_>, Vec<_>) = conjuncts(filter).into_iter().partition(|condition| {
        let read = reads([condition]);
        !read.is_empty() && read.iter().all(is_key) && is_stable(condition)
    });
    let key_exprs: Vec<Expr> = grouping.keys.iter().map(|key| computed.column(*key)).collect();
    let early = all_of(early).map(|early| substitute(&early, &key_exprs));
    let late = all_of(late);
    let used = reads(outputs.iter().map(|(_, expr)| expr).chain(&late));
    let count = grouping.aggs.len();
    let aggs = (0..count).filter(|agg| used.contains(&(width + agg))).collect();
    let props = (0..grouping.props.len()).filter(|prop| used.contains(&(width + count + prop))).collect();
    Pruned { rel, computed, grouping, aggs, props, early, late, outputs }
}

/// The key columns `window_start` and `window_end`, when the grouping has both of one window.
fn window_keys(pruned: &Pruned<'_>) -> Option<(usize, usize)> {
    let columns = &pruned.computed.columns;
    pruned.grouping.keys.iter().find_map(|start| {
        let Role::Start(id) = columns[*start].role else { return None };
        let end = pruned.grouping.keys.iter().find(|end| columns[**end].role == Role::End(id))?;
        Some((*start, *end))
    })
}

/// The keys that are not the window's own columns.
fn plain_keys(pruned: &Pruned<'_>) -> Vec<usize> {
    let windowed = window_keys(pruned).is_some();
    let is_plain = |key: &usize| !windowed || pruned.computed.columns[*key].role == Role::None;
    pruned.grouping.keys.iter().copied().filter(is_plain).collect()
}

/// The columns of the projection that keys and remaining aggregates read.
fn needed(pruned: &Pruned<'_>) -> Vec<usize> {
    let mut out = plain_keys(pruned);
    for agg in &pruned.aggs {
        let call = &pruned.grouping.aggs[*agg];
        for column in call.args.iter().chain(&call.filter) {
            if !out.contains(column) {
                out.push(*column);
            }
        }
    }
    out
}

/// The window's columns that are read above: position in the grouping's output, and which they are.
fn properties(pruned: &Pruned<'_>) -> Vec<(usize, WindowProperty)> {
    let grouping = pruned.grouping;
    let used = reads(pruned.outputs.iter().map(|(_, expr)| expr).chain(&pruned.late));
    let mut out = Vec::new();
    if window_keys(pruned).is_some() {
        for (nth, key) in grouping.keys.iter().enumerate().filter(|(nth, _)| used.contains(nth)) {
            match pruned.computed.columns[*key].role {
                Role::Start(_) => out.push((nth, WindowProperty::Start)),
                Role::End(_) => out.push((nth, WindowProperty::End)),
                Role::Time(_) => out.push((nth, WindowProperty::Rowtime)),
                Role::None => {}
            }
        }
    }
    let first = grouping.keys.len() + grouping.aggs.len();
    out.extend(pruned.props.iter().map(|prop| (first + prop, grouping.props[*prop])));
    if out.is_empty() && pruned.aggs.is_empty() && plain_keys(pruned).is_empty() {
        out.push((usize::MAX, WindowProperty::Start));
    }
    out
}

fn calls(pruned: &Pruned<'_>, place: &dyn Fn(usize) -> usize) -> Vec<AggregateCall> {
    let moved = pruned.aggs.iter().map(|agg| {
        let call = &pruned.grouping.aggs[*agg];
        AggregateCall {
            args: call.args.iter().map(|arg| place(*arg)).collect(),
            filter: call.filter.map(place),
            ..call.clone()
        }
    });
    moved.collect()
}

fn aggregate_fields(pruned: &Pruned<'_>) -> Vec<Field> {
    let fields = pruned.rel.fields();
    pruned.aggs.iter().map(|agg| fields[pruned.grouping.keys.len() + agg].clone()).collect()
}

/// Looks through projections and conditions: the relation below, `rel`'s columns and all conditions over it.
fn peel(rel: &Rel, filter: Option<Expr>) -> Option<(&Rel, Vec<Expr>, Option<Expr>)> {
    let mut exprs: Vec<Expr> = (0..rel.columns.len()).map(|nth| rel.column(nth)).collect();
    let (mut rel, mut filter) = (rel, filter);
    loop {
        match &rel.op {
            RelOp::Project(input, inner) => {
                if !inner.iter().all(is_stable) {
                    return None;
                }
                exprs.iter_mut().for_each(|expr| *expr = substitute(expr, inner));
                filter = filter.map(|filter| substitute(&filter, inner));
                rel = input;
            }
            RelOp::Filter(input, condition) => {
                filter = all_of(std::iter::once(condition.clone()).chain(filter).collect());
                rel = input;
            }
            _ => return Some((rel, exprs, filter)),
        }
    }
}

/// The place of `expr` among `outputs`, added when it is not there.
pub(super) fn add(outputs: &mut Outputs, field: Field, expr: Expr) -> usize {
    if let Some(known) = outputs.iter().position(|(_, known)| *known == expr) {
        return known;
    }
    outputs.push((field, expr));
    outputs.len() - 1
}
