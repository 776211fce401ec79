//! The bound plan as a tree, before it is optimised: the first half of `EXPLAIN`.

use super::{Rel, RelOp};
use std::fmt::Write;

/// The tree of `rel`, one operator a line.
pub(crate) fn describe(rel: &Rel) -> String {
    let mut out = String::new();
    tree(rel, "", "", &mut out);
    out
}

fn tree(rel: &Rel, lead: &str, below: &str, out: &mut String) {
    let (label, inputs) = label(rel);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{lead}{label}");
    for (nth, input) in inputs.iter().enumerate() {
        let last = nth + 1 == inputs.len();
        let lead = format!("{below}{}", if last { "+- " } else { ":- " });
        let below = format!("{below}{}", if last { "   " } else { ":  " });
        tree(input, &lead, &below, out);
    }
}

fn label(rel: &Rel) -> (String, Vec<&Rel>) {
    let names = || rel.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    match &rel.op {
        RelOp::Scan(table) => {
            let watermark =
                table.watermark.as_ref().map(|(column, _)| format!(", rowtime=[{}]", table.columns[*column].name));
            (format!("LogicalTableScan(table=[{}]{})", table.name, watermark.unwrap_or_default()), Vec::new())
        }
        RelOp::OneRow => ("LogicalValues(rows=[1])".to_owned(), Vec::new()),
        RelOp::Project(input, _) => (format!("LogicalProject({})", names()), vec![input]),
        RelOp::Filter(input, _) => ("LogicalFilter".to_owned(), vec![input]),
        RelOp::Union(inputs) => ("LogicalUnion(all=[true])".to_owned(), inputs.iter().collect()),
        RelOp::Window(input, windowing) => {
            let time = &input.columns[windowing.time].name;
            (format!("LogicalTableFunctionScan(window=[{:?}], timecol=[{time}])", windowing.window), vec![input])
        }
        RelOp::Aggregate(input, grouping) => {
            let keys: Vec<&str> = grouping.keys.iter().map(|key| input.columns[*key].name.as_str()).collect();
            let aggs: Vec<&str> = grouping.aggs.iter().map(|agg| agg.function.as_str()).collect();
            let window =
                grouping.legacy.as_ref().map(|(window, _)| format!(", window=[{window:?}]")).unwrap_or_default();
            (format!("LogicalAggregate(group=[{}], aggs=[{}]{window})", keys.join(", "), aggs.join(", ")), vec![input])
        }
    }
}
