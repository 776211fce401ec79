//! `SHOW`, `DESCRIBE`, `SET`: the session in text.

use super::{Outcome, Session, done};
use crate::bind::{ColumnSource, Object, TableDef};
use crate::error::SqlError;
use crate::plan::Rel;
use crate::tree::{ObjectKind, ObjectName};
use millrace_base::did_you_mean;

impl Session {
    pub(super) fn show_settings(&self) -> String {
        self.settings.iter().map(|(key, value)| format!("'{key}' = '{value}'")).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn show_objects(&self, kind: ObjectKind) -> String {
        // SHOW TABLES lists views too, as Flink's does.
        let is_shown = |object: &Object| kind == ObjectKind::Table || matches!(object, Object::View(_));
        let names = self.objects.by_name.iter().filter(|(_, object)| is_shown(object));
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn describe(&self, name: &ObjectName) -> Result<Outcome, SqlError> {
        let resolved = name.resolved();
        match self.objects.by_name.get(&resolved) {
            Some(Object::Table(table)) => Ok(done(table_text(table))),
            Some(Object::View(rel)) => Ok(done(view_text(rel))),
            None => {
                let help = did_you_mean(&resolved, self.objects.by_name.keys().map(String::as_str));
                Err(SqlError::invalid(
                    name.span,
                    format!("Tables or views with the identifier '{resolved}' doesn't exist"),
                )
                .help_with(help))
            }
        }
    }
}

const HEADINGS: [&str; 6] = ["name", "type", "null", "key", "extras", "watermark"];

fn table_text(table: &TableDef) -> String {
    let rowtime = table.watermark.as_ref().map(|(column, _)| *column);
    let keys: Vec<&str> = table.primary_key.iter().map(|index| table.columns[*index].name.as_str()).collect();
    let rows = table.columns.iter().enumerate().map(|(index, column)| {
        let is_time = rowtime == Some(index);
        let key = if table.primary_key.contains(&index) { format!("PRI({})", keys.join(", ")) } else { String::new() };
        let extras = match &column.source {
            ColumnSource::Physical => String::new(),
            ColumnSource::Metadata(key, false) => format!("METADATA FROM '{key}'"),
            ColumnSource::Metadata(key, true) => format!("METADATA FROM '{key}' VIRTUAL"),
            ColumnSource::Computed(_) => "computed".to_owned(),
        };
        let time = if is_time { " *ROWTIME*" } else { "" };
        [
            column.name.clone(),
            format!("{}{time}", column.typed.ty),
            if column.typed.nullable { "TRUE".to_owned() } else { "FALSE".to_owned() },
            key,
            extras,
            if is_time { "yes".to_owned() } else { String::new() },
        ]
    });
    grid(&rows.collect::<Vec<_>>())
}

fn view_text(rel: &Rel) -> String {
    let rows = rel.columns.iter().map(|column| {
        let time = if column.rowtime { " *ROWTIME*" } else { "" };
        let null = if column.typed.nullable { "TRUE" } else { "FALSE" };
        [
            column.name.clone(),
            format!("{}{time}", column.typed.ty),
            null.to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ]
    });
    grid(&rows.collect::<Vec<_>>())
}

fn grid(rows: &[[String; 6]]) -> String {
    let width = |nth: usize| {
        let cells = rows.iter().map(|row| row[nth].chars().count());
        cells.chain([HEADINGS[nth].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let line = |cells: [&str; 6]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:>width$} "));
        format!("|{}|", padded.collect::<Vec<_>>().join("|"))
    };
    let rule = format!("+{}+", widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("+"));
    let mut out = vec![rule.clone(), line(HEADINGS), rule.clone()];
    out.extend(rows.iter().map(|row| line([&row[0], &row[1], &row[2], &row[3], &row[4], &row[5]])));
    out.push(rule);
    out.join("\n")
}
