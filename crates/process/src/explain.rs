//! The text of `EXPLAIN`: a graph as a tree for each sink, in the words of Flink's plans.

use crate::aggregates::AggregateCall;
use crate::graph::{
    ConnectorSpec, Expr, ExprKind, ExternalCall, ExternalFunction, JobGraph, NodeId, Operator, Value, Window,
    WindowAggregate,
};
use millrace_schema::{Field, SqlType};
use std::fmt;

impl fmt::Display for JobGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots: Vec<NodeId> =
            (0..self.nodes.len()).filter(|id| !self.nodes.iter().any(|node| node.inputs.contains(id))).collect();
        for (nth, &root) in roots.iter().enumerate() {
            if nth > 0 {
                writeln!(f)?;
            }
            self.tree(f, root, "", "")?;
        }
        Ok(())
    }
}

impl JobGraph {
    /// One operator in the words of `EXPLAIN`.
    pub fn describe(&self, id: NodeId) -> String {
        let node = &self.nodes[id];
        let names: Vec<&str> = match node.inputs.first() {
            Some(&input) => self.nodes[input].output.iter().map(|field| field.name.as_str()).collect(),
            None => Vec::new(),
        };
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = describe(&mut text, &node.operator, &names, &node.output);
        text
    }

    fn tree(&self, f: &mut fmt::Formatter<'_>, id: NodeId, lead: &str, below: &str) -> fmt::Result {
        let node = &self.nodes[id];
        writeln!(f, "{lead}{}", self.describe(id))?;
        for (nth, &input) in node.inputs.iter().enumerate() {
            let last = nth + 1 == node.inputs.len();
            let lead = format!("{below}{}", if last { "+- " } else { ":- " });
            let below = format!("{below}{}", if last { "   " } else { ":  " });
            self.tree(f, input, &lead, &below)?;
        }
        Ok(())
    }
}

fn describe(f: &mut impl fmt::Write, operator: &Operator, names: &[&str], output: &[Field]) -> fmt::Result {
    match operator {
        Operator::Source(spec) => {
            write!(
                f,
                "TableSourceScan(table=[{}], connector=[{}], fields=[{}])",
                spec.table,
                spec.connector,
                fields(spec)
            )
        }
        Operator::Sink(spec) => {
            write!(f, "Sink(table=[{}], connector=[{}], fields=[{}])", spec.table, spec.connector, fields(spec))
        }
        Operator::Calc { filter, project } => {
            let select: Vec<String> = project
                .iter()
                .zip(output)
                .map(|(expr, field)| {
                    let text = Shown { expr, names }.to_string();
                    if text == field.name { text } else { format!("{text} AS {}", field.name) }
                })
                .collect();
            write!(f, "Calc(select=[{}]", select.join(", "))?;
            if let Some(filter) = filter {
                write!(f, ", where=[{}]", Shown { expr: filter, names })?;
            }
            f.write_str(")")
        }
        Operator::ExternalCalls(calls) => describe_external(f, calls, names, output),
        Operator::Watermark { column, expr, idle_timeout_ms } => {
            write!(f, "WatermarkAssigner(rowtime=[{}], watermark=[{}]", names[*column], Shown { expr, names })?;
            if let Some(idle) = idle_timeout_ms {
                write!(f, ", idletimeout=[{idle} ms]")?;
            }
            f.write_str(")")
        }
        Operator::WindowAssign { window, time } => {
            write!(f, "WindowTableFunction(window=[{}])", Windowed { window, time: names[*time], names })
        }
        Operator::WindowAggregate(aggregate) => describe_window_aggregate(f, aggregate, names),
        Operator::GroupAggregate { keys, aggs } => {
            write!(f, "GroupAggregate(groupBy=[{}], select=[{}])", list(keys, names), calls(aggs, names))
        }
        Operator::Union => f.write_str("Union(all=[true])"),
        Operator::Late => f.write_str("LateEvents()"),
        Operator::Limit { rows } => write!(f, "Limit(fetch=[{rows}])"),
    }
}

fn describe_external(f: &mut impl fmt::Write, calls: &[ExternalCall], names: &[&str], output: &[Field]) -> fmt::Result {
    let results = &output[output.len() - calls.len()..];
    let shown = calls.iter().zip(results).map(|(call, result)| {
        let ExternalFunction { name, lambda, batch_rows, in_flight, .. } = &call.function;
        let args = list(&call.args, names);
        let result = &result.name;
        format!("{name}({args}) AS {result} LAMBDA '{lambda}' batch.rows={batch_rows} in-flight={in_flight}")
    });
    write!(f, "AsyncCalc(calls=[{}])", shown.collect::<Vec<_>>().join(", "))
}

fn describe_window_aggregate(f: &mut impl fmt::Write, aggregate: &WindowAggregate, names: &[&str]) -> fmt::Result {
    write!(f, "WindowAggregate(")?;
    if !aggregate.keys.is_empty() {
        write!(f, "groupBy=[{}], ", list(&aggregate.keys, names))?;
    }
    let window = Windowed { window: &aggregate.window, time: names[aggregate.time], names };
    write!(f, "window=[{window}], select=[{}]", calls(&aggregate.aggs, names))?;
    if !aggregate.props.is_empty() {
        write!(f, ", properties=[{:?}]", aggregate.props)?;
    }
    if aggregate.allowed_lateness_ms > 0 {
        write!(f, ", allowedLateness=[{} ms]", aggregate.allowed_lateness_ms)?;
    }
    f.write_str(")")
}

fn fields(spec: &ConnectorSpec) -> String {
    spec.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn list(columns: &[usize], names: &[&str]) -> String {
    columns.iter().map(|&column| names[column]).collect::<Vec<_>>().join(", ")
}

fn calls(aggs: &[AggregateCall], names: &[&str]) -> String {
    let shown = aggs.iter().map(|call| {
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let args = if call.args.is_empty() { "*".to_owned() } else { list(&call.args, names) };
        let filter = call.filter.map(|column| format!(" FILTER {}", names[column])).unwrap_or_default();
        format!("{}({distinct}{args}){filter}", call.function)
    });
    shown.collect::<Vec<_>>().join(", ")
}

struct Windowed<'a> {
    window: &'a Window,
    time: &'a str,
    names: &'a [&'a str],
}

impl fmt::Display for Windowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time;
        match self.window {
            Window::Tumble { size_ms, .. } => write!(f, "TUMBLE(time_col=[{time}], size=[{size_ms} ms])")?,
            Window::Hop { size_ms, slide_ms, .. } => {
                write!(f, "HOP(time_col=[{time}], size=[{size_ms} ms], slide=[{slide_ms} ms])")?;
            }
            Window::Cumulate { size_ms, step_ms, .. } => {
                write!(f, "CUMULATE(time_col=[{time}], max_size=[{size_ms} ms], step=[{step_ms} ms])")?;
            }
            Window::Session { gap_ms } => write!(f, "SESSION(time_col=[{time}], gap=[{gap_ms} ms])")?,
            Window::Attached { start, end } => {
                write!(f, "WINDOW(win_start=[{}], win_end=[{}])", self.names[*start], self.names[*end])?;
            }
        }
        match self.window {
            Window::Tumble { offset_ms, .. } | Window::Hop { offset_ms, .. } | Window::Cumulate { offset_ms, .. }
                if *offset_ms != 0 =>
            {
                write!(f, " offset=[{offset_ms} ms]")
            }
            _ => Ok(()),
        }
    }
}

/// An expression with the names of the columns that it reads.
struct Shown<'a> {
    expr: &'a Expr,
    names: &'a [&'a str],
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |expr| Shown { expr, names: self.names };
        match &self.expr.kind {
            ExprKind::Column(index) => f.write_str(self.names.get(*index).copied().unwrap_or("?")),
            ExprKind::Literal(value) => show_literal(f, value, &self.expr.typed.ty),
            ExprKind::Call { function, args } => {
                let is_word = function.starts_with(|c: char| c.is_ascii_alphabetic());
                let infix =
                    args.len() == 2 && (!is_word || matches!(function.as_str(), "AND" | "OR" | "LIKE" | "SIMILAR TO"));
                if infix {
                    return write!(f, "({} {function} {})", show(&args[0]), show(&args[1]));
                }
                if args.len() == 1 && function.starts_with("IS ") {
                    return write!(f, "{} {function}", show(&args[0]));
                }
                write!(f, "{function}(")?;
                for (nth, arg) in args.iter().enumerate() {
                    write!(f, "{}{}", if nth == 0 { "" } else { ", " }, show(arg))?;
                }
                f.write_str(")")
            }
            ExprKind::External { function, args } => {
                let args: Vec<String> = args.iter().map(|arg| show(arg).to_string()).collect();
                write!(f, "{}({})", function.name, args.join(", "))
            }
            ExprKind::Cast { input, try_ } => {
                let name = if *try_ { "TRY_CAST" } else { "CAST" };
                write!(f, "{name}({} AS {})", show(input), self.expr.typed.ty)
            }
            ExprKind::Case { branches, otherwise } => {
                f.write_str("CASE")?;
                for (when, then) in branches {
                    write!(f, " WHEN {} THEN {}", show(when), show(then))?;
                }
                if let Some(otherwise) = otherwise {
                    write!(f, " ELSE {}", show(otherwise))?;
                }
                f.write_str(" END")
            }
            ExprKind::Field { input, index } => match &input.typed.ty {
                SqlType::Row(fields) => write!(f, "{}.{}", show(input), fields[*index].name),
                _ => write!(f, "{}.{index}", show(input)),
            },
        }
    }
}

fn show_literal(f: &mut fmt::Formatter<'_>, value: &Value, ty: &SqlType) -> fmt::Result {
    match value {
        Value::Null => f.write_str("NULL"),
        Value::Boolean(b) => f.write_str(if *b { "TRUE" } else { "FALSE" }),
        Value::Int(v) => write!(f, "{v}"),
        Value::Float(v) => write!(f, "{v:e}"),
        Value::Decimal(v) => match ty {
            SqlType::Decimal(_, scale) => f.write_str(&crate::number::decimal_text(*v, *scale)),
            _ => write!(f, "{v}"),
        },
        Value::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
        Value::Bytes(bytes) => {
            f.write_str("x'")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str("'")
        }
        Value::Date(days) => write!(f, "DATE '{}'", crate::time::date_text(*days)),
        Value::Time(millis) => write!(f, "TIME '{}'", crate::time::time_text(*millis, 3)),
        Value::Timestamp(since) => write!(f, "TIMESTAMP '{}'", crate::time::timestamp_text_of(*since, ty)),
        Value::IntervalMonths(months) => write!(f, "INTERVAL '{months}' MONTH"),
        Value::IntervalMillis(millis) => write!(f, "INTERVAL '{}' SECOND", *millis as f64 / 1000.0),
    }
}
