//! Expressions. Operators are calls: their names are those in the function registry ("+", "AND", "IS NULL", …).

use super::Ident;
use crate::error::Span;
use millrace_schema::Typed;

/// An expression and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The units of intervals, `EXTRACT`, `FLOOR … TO`.
pub type TimeUnit = &'static str;

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExprKind {
    /// `a`, `t.a`, `t.a.b`: a column or a field of one.
    Name(Vec<Ident>),
    /// `NULL`
    Null,
    /// `TRUE`, `FALSE`
    Boolean(bool),
    /// `42`
    Integer(String),
    /// `1.5`
    Decimal(String),
    /// `1e3`
    Approximate(String),
    /// `'text'`
    Text(String),
    /// `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`: the keyword and the text.
    Moment(&'static str, String),
    /// `INTERVAL '1:30' MINUTE TO SECOND`: negated?, text, unit, last unit.
    Interval(bool, String, TimeUnit, Option<TimeUnit>),
    /// A unit as an argument (`EXTRACT(unit FROM …)`).
    Unit(TimeUnit),
    /// An operator or a function.
    Call(String, Vec<Expr>, CallOptions),
    /// `CAST(e AS type)`, `TRY_CAST(e AS type)`: the last is true.
    Cast(Box<Expr>, Typed, bool),
    /// `CASE [operand] WHEN … THEN … [ELSE …] END`
    Case {
        /// What simple `CASE` compares.
        operand: Option<Box<Expr>>,
        /// Condition and value.
        branches: Vec<(Expr, Expr)>,
        /// The `ELSE`.
        otherwise: Option<Box<Expr>>,
    },
    /// `e IN (a, b)`, negated when the last is true.
    InList(Box<Expr>, Vec<Expr>, bool),
    /// `ROW(a, b)` or `(a, b)`
    Row(Vec<Expr>),
    /// `ARRAY[a, b]`
    Array(Vec<Expr>),
    /// `MAP['k', v]`
    Map(Vec<Expr>),
    /// `a[1]`, `m['k']`
    Index(Box<Expr>, Box<Expr>),
    /// `(e).field`
    Field(Box<Expr>, Ident),
}

/// What may follow a function's arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallOptions {
    /// `COUNT(DISTINCT …)`
    pub distinct: bool,
    /// `COUNT(*)`
    pub star: bool,
    /// `FILTER (WHERE …)`
    pub filter: Option<Box<Expr>>,
    /// True when it is an operator, not a function written with brackets.
    pub operator: bool,
}

impl Expr {
    /// An operator's call.
    pub fn operator(name: &str, args: Vec<Self>, span: Span) -> Self {
        let options = CallOptions { operator: true, ..CallOptions::default() };
        Self { kind: ExprKind::Call(name.to_owned(), args, options), span }
    }

    /// A function's call without options.
    pub fn call(name: &str, args: Vec<Self>, span: Span) -> Self {
        Self { kind: ExprKind::Call(name.to_owned(), args, CallOptions::default()), span }
    }

    /// The expressions directly inside.
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Call(_, args, options) => args.iter().chain(options.filter.as_deref()).collect(),
            ExprKind::Row(args) | ExprKind::Array(args) | ExprKind::Map(args) => args.iter().collect(),
            ExprKind::Cast(input, ..) | ExprKind::Field(input, _) => vec![input],
            ExprKind::Case { operand, branches, otherwise } => operand
                .iter()
                .map(Box::as_ref)
                .chain(branches.iter().flat_map(|(when, then)| [when, then]))
                .chain(otherwise.as_deref())
                .collect(),
            ExprKind::InList(input, list, _) => std::iter::once(input.as_ref()).chain(list).collect(),
            ExprKind::Index(input, index) => vec![input, index],
            _ => Vec::new(),
        }
    }

    /// True when `test` holds for it or for anything inside it.
    pub fn any(&self, test: &dyn Fn(&Self) -> bool) -> bool {
        test(self) || self.children().into_iter().any(|child| child.any(test))
    }

    /// True when both say the same, wherever they stand (`GROUP BY` expressions are found again that way).
    pub fn same(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.children(), other.children());
        mine.len() == theirs.len() && self.head() == other.head() && mine.iter().zip(theirs).all(|(a, b)| a.same(b))
    }

    fn head(&self) -> String {
        match &self.kind {
            ExprKind::Name(parts) => parts.iter().map(|part| format!("`{}`", part.name)).collect::<Vec<_>>().join("."),
            ExprKind::Call(name, _, options) => {
                format!("{}({} {} {})", name.to_uppercase(), options.distinct, options.star, options.filter.is_some())
            }
            ExprKind::Cast(_, ty, try_) => format!("cast {ty} {try_}"),
            ExprKind::Case { operand, otherwise, .. } => format!("case {} {}", operand.is_some(), otherwise.is_some()),
            ExprKind::InList(.., negated) => format!("in {negated}"),
            ExprKind::Row(_) => "row".to_owned(),
            ExprKind::Array(_) => "array".to_owned(),
            ExprKind::Map(_) => "map".to_owned(),
            ExprKind::Index(..) => "index".to_owned(),
            ExprKind::Field(_, name) => format!("field {}", name.name),
            literal => format!("{literal:?}"),
        }
    }
}
