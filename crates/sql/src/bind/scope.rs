//! Looking up columns by name.

use super::Functions;
use crate::error::{Span, SqlError};
use crate::plan::Rel;
use crate::tree::Ident;
use millrace_base::did_you_mean;
use millrace_process::graph::{Expr, ExprKind};
use millrace_schema::{Field, SqlType, Typed};

/// The columns that expressions may name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// What a column may be qualified with: the alias, or the table's name.
    pub qualifier: Option<String>,
    pub columns: Vec<ScopeColumn>,
    /// The functions outside the engine that expressions may call.
    pub functions: Functions,
}

/// A column in scope.
#[derive(Debug, Clone)]
pub(crate) struct ScopeColumn {
    pub name: String,
    pub typed: Typed,
    pub rowtime: bool,
}

impl Scope {
    pub fn of(rel: &Rel, qualifier: Option<String>) -> Self {
        let columns = rel.columns.iter().map(|column| ScopeColumn {
            name: column.name.clone(),
            typed: column.typed.clone(),
            rowtime: column.rowtime,
        });
        Self { qualifier, columns: columns.collect(), functions: Functions::default() }
    }

    pub fn of_fields(fields: &[Field]) -> Self {
        let columns = fields.iter().map(|field| ScopeColumn {
            name: field.name.clone(),
            typed: field.typed.clone(),
            rowtime: false,
        });
        Self { qualifier: None, columns: columns.collect(), functions: Functions::default() }
    }

    /// The same scope with functions that may be called.
    pub fn with(self, functions: &Functions) -> Self {
        Self { functions: functions.clone(), ..self }
    }

    /// The position of a column, when exactly one has this name.
    pub fn position(&self, ident: &Ident) -> Result<usize, SqlError> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| column.name == ident.name);
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some(_), Some(_)) => Err(SqlError::invalid(ident.span, format!("Column '{}' is ambiguous", ident.name))),
            _ => Err(self.unknown(ident)),
        }
    }

    fn unknown(&self, ident: &Ident) -> SqlError {
        let place = match &self.qualifier {
            Some(table) => format!("'{table}'"),
            None => "any table".to_owned(),
        };
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let mut help = did_you_mean(&ident.name, names.iter().copied());
        let same = names.iter().find(|name| name.eq_ignore_ascii_case(&ident.name));
        if let Some(same) = same {
            help = Some(format!("did you mean '{same}'? Names are case-sensitive"));
        }
        let listed = (!names.is_empty()).then(|| format!("there are {}", names.join(", ")));
        SqlError::invalid(ident.span, format!("Column '{}' not found in {place}", ident.name))
            .help_with(help.or(listed))
    }

    /// A name with its qualifiers and fields: `c`, `t.c`, `c.f`, `t.c.f`.
    pub fn resolve(&self, parts: &[Ident]) -> Result<Expr, SqlError> {
        let [first, rest @ ..] = parts else {
            return Err(SqlError::syntax(Span::default(), "an empty name"));
        };
        let own = self.columns.iter().any(|column| column.name == first.name);
        let is_qualifier = self.qualifier.as_deref() == Some(first.name.as_str());
        let (column, fields) = match rest {
            [second, fields @ ..] if is_qualifier && (!own || self.columns.iter().any(|c| c.name == second.name)) => {
                (second, fields)
            }
            [second, ..] if !own => {
                let near = self.qualifier.as_deref();
                return Err(SqlError::invalid(first.span, format!("Table '{}' not found", first.name))
                    .help_with(near.map(|near| format!("'{}' would be found in '{near}'", second.name))));
            }
            fields => (first, fields),
        };
        let index = self.position(column)?;
        let expr = Expr::column(index, self.columns[index].typed.clone());
        fields.iter().try_fold(expr, field_of)
    }
}

/// `input.name` of a row.
pub(crate) fn field_of(input: Expr, name: &Ident) -> Result<Expr, SqlError> {
    let SqlType::Row(fields) = &input.typed.ty else {
        return Err(SqlError::invalid(name.span, format!("{} has no field '{}'", input.typed.ty, name.name)));
    };
    let Some(index) = fields.iter().position(|field| field.name == name.name) else {
        let help = did_you_mean(&name.name, fields.iter().map(|field| field.name.as_str()));
        return Err(SqlError::invalid(name.span, format!("Field '{}' not found in {}", name.name, input.typed.ty))
            .help_with(help));
    };
    let mut typed = fields[index].typed.clone();
    typed.nullable |= input.typed.nullable;
    Ok(Expr { kind: ExprKind::Field { input: Box::new(input), index }, typed })
}
