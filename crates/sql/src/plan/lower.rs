//! Plan → job graph: only the columns that are used are read, conditions are tested as early as they can be, and
//! neighbouring projections and conditions become one `Calc`.

use super::rewrite::{all_of, conjuncts, externals, is_mergeable, is_stable, map_columns, reads, substitute};
use super::{Rel, RelOp, Windowing};
use crate::bind::{ColumnSource, TableDef};
use crate::error::{Span, SqlError};
use millrace_process::graph::{ConnectorSpec, Expr, ExprKind, JobGraph, NodeId, Operator, Value, Window};
use millrace_schema::{Field, SqlType, Typed};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A graph in the making.
pub(crate) struct Lowering {
    pub graph: JobGraph,
    /// The statement, for errors.
    pub span: Span,
    /// `table.exec.source.idle-timeout`
    pub idle_timeout_ms: Option<i64>,
    /// `table.exec.late-events.sink`
    pub late_sink: Option<Arc<TableDef>>,
    /// What the windows dropped, with the late sink's columns.
    pub late: Vec<NodeId>,
    /// The columns of each table that all its readers need together: known after a first pass, so that in the second a
    /// table is read once.
    pub wanted: BTreeMap<String, BTreeSet<usize>>,
    /// The table scans of this pass.
    scans: BTreeMap<String, NodeId>,
}

/// Output columns: name and type as the reader knows them, and the expression.
pub(super) type Outputs = Vec<(Field, Expr)>;

impl Lowering {
    pub fn new(span: Span, idle_timeout_ms: Option<i64>, late_sink: Option<Arc<TableDef>>) -> Self {
        Self {
            graph: JobGraph::default(),
            span,
            idle_timeout_ms,
            late_sink,
            late: Vec::new(),
            wanted: BTreeMap::new(),
            scans: BTreeMap::new(),
        }
    }

    /// Starts the second pass.
    pub fn again(self) -> Self {
        let wanted = self.wanted;
        Self { wanted, ..Self::new(self.span, self.idle_timeout_ms, self.late_sink) }
    }

    /// All columns of `rel`.
    pub fn all(&mut self, rel: &Rel) -> Result<NodeId, SqlError> {
        let outputs = rel.fields().into_iter().enumerate().map(|(nth, field)| (field, rel.column(nth))).collect();
        self.lower(rel, None, outputs)
    }

    /// `outputs` over the rows of `rel` for which `filter` is TRUE.
    pub(super) fn lower(&mut self, rel: &Rel, filter: Option<Expr>, outputs: Outputs) -> Result<NodeId, SqlError> {
        match &rel.op {
            RelOp::Scan(table) => Ok(self.scan(table, filter, outputs)),
            RelOp::OneRow => Ok(self.one_row(filter, outputs)),
            RelOp::Filter(input, condition) => {
                let mut conditions = vec![condition.clone()];
                conditions.extend(filter);
                self.lower(input, all_of(conditions), outputs)
            }
            RelOp::Project(input, exprs) => self.project(input, exprs, filter, outputs),
            RelOp::Union(inputs) => {
                let nodes = inputs
                    .iter()
                    .map(|input| self.lower(input, filter.clone(), outputs.clone()))
                    .collect::<Result<Vec<_>, _>>()?;
                let fields = outputs.into_iter().map(|(field, _)| field).collect();
                Ok(self.graph.add(Operator::Union, nodes, fields))
            }
            RelOp::Window(input, windowing) => self.assign(rel, input, windowing, filter, outputs),
            RelOp::Aggregate(input, grouping) => self.aggregate(rel, input, grouping, filter, outputs),
        }
    }

    fn project(
        &mut self,
        input: &Rel,
        exprs: &[Expr],
        filter: Option<Expr>,
        mut outputs: Outputs,
    ) -> Result<NodeId, SqlError> {
        let over = outputs.iter().map(|(_, expr)| expr).chain(&filter);
        if is_mergeable(exprs, over) {
            let filter = filter.map(|filter| substitute(&filter, exprs));
            outputs.iter_mut().for_each(|(_, expr)| *expr = substitute(expr, exprs));
            return self.lower(input, filter, outputs);
        }
        let used: Vec<usize> = reads(outputs.iter().map(|(_, expr)| expr).chain(&filter)).into_iter().collect();
        let inner = used
            .iter()
            .map(|column| {
                (Field { name: format!("$e{column}"), typed: exprs[*column].typed.clone() }, exprs[*column].clone())
            })
            .collect();
        let (early, late): (Vec<_>, Vec<_>) = conjuncts(filter)
            .into_iter()
            .partition(|condition| reads([condition]).iter().all(|column| is_stable(&exprs[*column])));
        let early = all_of(early).map(|condition| substitute(&condition, exprs));
        let node = self.lower(input, early, inner)?;
        Ok(self.calc_over(node, &used, all_of(late), outputs))
    }

    /// A `Calc` over a node that gives only the columns `used` of what the expressions speak about.
    pub(super) fn calc_over(
        &mut self,
        node: NodeId,
        used: &[usize],
        filter: Option<Expr>,
        mut outputs: Outputs,
    ) -> NodeId {
        let place = |column: usize| used.iter().position(|used| *used == column).unwrap_or(column);
        let mut filter = filter;
        outputs.iter_mut().map(|(_, expr)| expr).chain(&mut filter).for_each(|expr| map_columns(expr, &place));
        self.calc(node, filter, outputs)
    }

    /// A `Calc`, unless it would change nothing.
    pub(super) fn calc(&mut self, node: NodeId, filter: Option<Expr>, outputs: Outputs) -> NodeId {
        let input = &self.graph.nodes[node].output;
        let same = outputs.len() == input.len()
            && outputs.iter().zip(input).enumerate().all(|(nth, ((field, expr), input))| {
                expr.kind == ExprKind::Column(nth) && field.typed.ty == input.typed.ty
            });
        if same && filter.is_none() {
            return node;
        }
        if outputs.iter().map(|(_, expr)| expr).chain(&filter).any(|expr| !externals(expr).is_empty()) {
            return self.calc_with_calls(node, filter, outputs);
        }
        let (fields, project) = outputs.into_iter().unzip();
        self.graph.add(Operator::Calc { filter, project }, vec![node], fields)
    }

    fn one_row(&mut self, filter: Option<Expr>, outputs: Outputs) -> NodeId {
        let zero = Field { name: "ZERO".to_owned(), typed: Typed { ty: SqlType::Int, nullable: false } };
        let spec = ConnectorSpec {
            table: "values".to_owned(),
            connector: "values".to_owned(),
            options: BTreeMap::new(),
            fields: vec![zero.clone()],
            metadata: Vec::new(),
            partition_by: Vec::new(),
            primary_key: Vec::new(),
        };
        let node = self.graph.add(Operator::Source(spec), Vec::new(), vec![zero]);
        self.calc(node, filter, outputs)
    }

    fn scan(&mut self, table: &Arc<TableDef>, filter: Option<Expr>, outputs: Outputs) -> NodeId {
        let key = format!("{} {:?}", table.name, table.options);
        let used = reads(outputs.iter().map(|(_, expr)| expr).chain(&filter));
        let wanted = self.wanted.entry(key.clone()).or_default();
        wanted.extend(used);
        let columns = Columns::of(table, wanted);
        let node = match self.scans.get(&key) {
            Some(node) if self.graph.nodes[*node].output.len() == columns.shown.len() => *node,
            _ => {
                let node = self.read(table, &columns);
                self.scans.insert(key, node);
                node
            }
        };
        self.calc_over(node, &columns.shown, filter, outputs)
    }

    /// Source, computed columns, watermark.
    fn read(&mut self, table: &TableDef, columns: &Columns) -> NodeId {
        let field = |index: &usize| {
            let column = &table.columns[*index];
            Field { name: column.name.clone(), typed: column.typed.clone() }
        };
        let fields: Vec<Field> = columns.read.iter().map(field).collect();
        let mut node = self.graph.add(Operator::Source(connector_spec(table, &columns.read)), Vec::new(), fields);
        let outputs = columns.shown.iter().map(|index| {
            let expr = match &table.columns[*index].source {
                ColumnSource::Computed(expr) => expr.clone(),
                _ => Expr::column(*index, table.columns[*index].typed.clone()),
            };
            (field(index), expr)
        });
        let outputs = outputs.collect();
        node = self.calc_over(node, &columns.read, None, outputs);
        let Some((column, watermark)) = &table.watermark else { return node };
        let place = |column: usize| columns.shown.iter().position(|shown| *shown == column).unwrap_or(column);
        let mut expr = watermark.clone();
        map_columns(&mut expr, &place);
        let idle_timeout_ms = table
            .options
            .get("scan.watermark.idle-timeout")
            .and_then(|text| crate::settings::duration_ms(text))
            .or(self.idle_timeout_ms);
        let operator = Operator::Watermark { column: place(*column), expr, idle_timeout_ms };
        let output = self.graph.nodes[node].output.clone();
        self.graph.add(operator, vec![node], output)
    }

    /// A window table function whose rows are not aggregated right above it.
    fn assign(
        &mut self,
        rel: &Rel,
        input: &Rel,
        windowing: &Windowing,
        filter: Option<Expr>,
        outputs: Outputs,
    ) -> Result<NodeId, SqlError> {
        if matches!(windowing.window, Window::Session { .. }) {
            return Err(SqlError::not_supported(
                self.span,
                "a SESSION window without aggregation by window_start and window_end",
            ));
        }
        let width = input.columns.len();
        let (early, late): (Vec<_>, Vec<_>) = conjuncts(filter)
            .into_iter()
            .partition(|condition| reads([condition]).iter().all(|column| *column < width));
        let late = all_of(late);
        let mut used = reads(outputs.iter().map(|(_, expr)| expr).chain(&late));
        used.insert(windowing.time);
        let inner: Vec<usize> = used.into_iter().filter(|column| *column < width).collect();
        let fields = rel.fields();
        let inner_outputs = inner.iter().map(|column| (fields[*column].clone(), input.column(*column))).collect();
        let node = self.lower(input, all_of(early), inner_outputs)?;
        let time = inner.iter().position(|column| *column == windowing.time).unwrap_or_default();
        let shown: Vec<usize> = inner.into_iter().chain(width..width + 3).collect();
        let output = shown.iter().map(|column| fields[*column].clone()).collect();
        let operator = Operator::WindowAssign { window: windowing.window.clone(), time };
        let node = self.graph.add(operator, vec![node], output);
        Ok(self.calc_over(node, &shown, late, outputs))
    }
}

/// Which columns of a table are read and which are shown above its watermark, by position in the table.
struct Columns {
    read: Vec<usize>,
    shown: Vec<usize>,
}

impl Columns {
    fn of(table: &TableDef, wanted: &BTreeSet<usize>) -> Self {
        let mut shown = wanted.clone();
        if let Some((column, expr)) = &table.watermark {
            shown.insert(*column);
            shown.extend(reads([expr]));
        }
        let mut read = BTreeSet::new();
        for index in &shown {
            match &table.columns[*index].source {
                ColumnSource::Computed(expr) => read.extend(reads([expr])),
                _ => {
                    read.insert(*index);
                }
            }
        }
        let of = |wanted: fn(&ColumnSource) -> bool| {
            (0..table.columns.len()).filter(move |index| wanted(&table.columns[*index].source))
        };
        if is_positional(table) {
            read.extend(of(|source| *source == ColumnSource::Physical));
        }
        if read.is_empty() {
            read.extend(of(|source| !matches!(source, ColumnSource::Computed(_))).next());
        }
        if shown.is_empty() {
            shown.extend(read.iter().copied());
        }
        Self { read: read.into_iter().collect(), shown: shown.into_iter().collect() }
    }
}

/// Whether the format finds a field by its place in the record, so that all must be declared to it.
fn is_positional(table: &TableDef) -> bool {
    let format = table.options.get("format").or_else(|| table.options.get("value.format"));
    !matches!(format.map(String::as_str), Some("json"))
}

/// The table as its connector sees it, with the columns `used`.
pub(super) fn connector_spec(table: &TableDef, used: &[usize]) -> ConnectorSpec {
    let place = |index: &usize| used.iter().position(|used| used == index);
    let fields = used.iter().map(|index| {
        let column = &table.columns[*index];
        Field { name: column.name.clone(), typed: column.typed.clone() }
    });
    let metadata = used.iter().enumerate().filter_map(|(nth, index)| match &table.columns[*index].source {
        ColumnSource::Metadata(key, _) => Some((nth, key.clone())),
        _ => None,
    });
    let primary_key: Option<Vec<usize>> = table.primary_key.iter().map(place).collect();
    ConnectorSpec {
        table: table.name.clone(),
        connector: table.connector().to_owned(),
        options: table.options.clone(),
        fields: fields.collect(),
        metadata: metadata.collect(),
        partition_by: table.partitioned_by.iter().filter_map(place).collect(),
        primary_key: primary_key.unwrap_or_default(),
    }
}

/// A column that is always there, for operators that need no column at all.
pub(super) fn unused_column() -> (Field, Expr) {
    let typed = Typed { ty: SqlType::Int, nullable: false };
    (Field { name: "$one".to_owned(), typed }, Expr::literal(Value::Int(1), SqlType::Int))
}
