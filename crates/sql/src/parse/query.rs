//! Queries.

use super::Parser;
use crate::error::SqlError;
use crate::lex::TokenKind;
use crate::tree::{
    Body, Cte, Expr, Ident, Limit, OrderItem, Query, Select, SelectItem, TableAlias, TableRef, TvfArg, TvfValue,
};
use crate::words::is_reserved;

impl Parser<'_> {
    /// `[WITH …] body [ORDER BY …] [LIMIT …]`
    pub(super) fn query(&mut self) -> Result<Query, SqlError> {
        self.nested(Self::query_inner)
    }

    fn query_inner(&mut self) -> Result<Query, SqlError> {
        let start = self.span();
        let mut with = Vec::new();
        if self.eat("WITH") {
            if self.at_words(&["RECURSIVE"]) {
                return Err(SqlError::not_supported(self.span(), "WITH RECURSIVE"));
            }
            with = self.list(Self::cte)?;
        }
        let body = self.set_operation()?;
        let mut order_by = Vec::new();
        if self.eat_words(&["ORDER", "BY"]).is_some() {
            order_by = self.list(Self::order_item)?;
        }
        let limit = self.limit()?;
        Ok(Query { with, body, order_by, limit, span: self.since(start) })
    }

    fn cte(&mut self) -> Result<Cte, SqlError> {
        let name = self.ident("a name")?;
        let columns =
            if self.peek_symbol() == Some("(") { self.brackets(|p| p.ident("a column's name"))? } else { Vec::new() };
        self.expect("AS")?;
        self.expect_symbol("(")?;
        let query = self.query()?;
        self.expect_symbol(")")?;
        Ok(Cte { alias: TableAlias { name, columns }, query })
    }

    fn order_item(&mut self) -> Result<OrderItem, SqlError> {
        let expr = self.expr()?;
        let descending = self.eat("DESC");
        if !descending {
            self.eat("ASC");
        }
        if self.eat("NULLS") && !self.eat("FIRST") {
            self.expect("LAST")?;
        }
        Ok(OrderItem { expr, descending })
    }

    /// `LIMIT n`, `LIMIT ALL` or `FETCH {FIRST|NEXT} n {ROW|ROWS} ONLY`, where there is one.
    fn limit(&mut self) -> Result<Option<Limit>, SqlError> {
        let start = self.span();
        if self.at_words(&["OFFSET"]) {
            return Err(SqlError::not_supported(start, "OFFSET"));
        }
        let rows = if self.eat("LIMIT") {
            if self.eat("ALL") {
                return Ok(None);
            }
            self.count()?
        } else if self.eat("FETCH") {
            if !self.eat("FIRST") {
                self.expect("NEXT")?;
            }
            // As in the standard, no number means one row.
            let rows = if self.at_any_word(&["ROW", "ROWS"]) { 1 } else { self.count()? };
            if !self.eat("ROW") {
                self.expect("ROWS")?;
            }
            self.expect("ONLY")?;
            rows
        } else {
            return Ok(None);
        };
        let span = self.since(start);
        if self.peek_symbol() == Some(",") || self.at_words(&["OFFSET"]) {
            return Err(SqlError::not_supported(self.span(), "OFFSET"));
        }
        Ok(Some(Limit { rows, span }))
    }

    fn count(&mut self) -> Result<u64, SqlError> {
        let token = self.advance();
        let rows = match &token.kind {
            TokenKind::Integer(digits) => digits.parse().ok(),
            _ => None,
        };
        rows.ok_or_else(|| SqlError::syntax(token.span, "expected a number of rows"))
    }

    fn set_operation(&mut self) -> Result<Body, SqlError> {
        let mut left = self.body()?;
        loop {
            let span = self.span();
            let Some(name) = ["UNION", "INTERSECT", "EXCEPT", "MINUS"].into_iter().find(|name| self.eat(name)) else {
                return Ok(left);
            };
            let all = self.eat("ALL");
            if !all {
                self.eat("DISTINCT");
            }
            let right = self.body()?;
            left = Body::SetOperation(name, all, span, Box::new(left), Box::new(right));
        }
    }

    fn body(&mut self) -> Result<Body, SqlError> {
        if self.at_words(&["SELECT"]) {
            return Ok(Body::Select(Box::new(self.select()?)));
        }
        if let Some(span) = self.eat_words(&["VALUES"]) {
            let rows = self.list(Self::values_row)?;
            return Ok(Body::Values(rows, self.since(span)));
        }
        if self.eat("TABLE") {
            return Ok(Body::Table(self.object_name("a table's name")?));
        }
        if self.eat_symbol("(").is_some() {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(Body::Nested(Box::new(query)));
        }
        Err(self.unexpected("SELECT, VALUES or a query in brackets"))
    }

    fn values_row(&mut self) -> Result<Vec<Expr>, SqlError> {
        if self.at_words(&["ROW"]) && self.nth_is_symbol(1, "(") {
            self.advance();
        }
        if self.peek_symbol() == Some("(") { self.brackets(Self::expr) } else { Ok(vec![self.expr()?]) }
    }

    fn select(&mut self) -> Result<Select, SqlError> {
        let start = self.expect("SELECT")?;
        if self.peek_symbol() == Some("/*+") {
            return Err(SqlError::not_supported(self.span(), "a hint after SELECT"));
        }
        let distinct = self.eat_words(&["DISTINCT"]);
        if distinct.is_none() {
            self.eat("ALL");
        }
        let items = self.list(Self::select_item)?;
        let from = if self.eat("FROM") { Some(self.from()?) } else { None };
        let filter = if self.eat("WHERE") { Some(self.expr()?) } else { None };
        let group_by = if self.eat_words(&["GROUP", "BY"]).is_some() { Some(self.group_by()?) } else { None };
        let having = if self.eat("HAVING") { Some(self.expr()?) } else { None };
        for later in ["WINDOW", "QUALIFY"] {
            if self.at_words(&[later]) {
                return Err(SqlError::not_supported(self.span(), format!("the clause {later}")));
            }
        }
        Ok(Select { distinct, items, from, filter, group_by, having, span: self.since(start) })
    }

    fn group_by(&mut self) -> Result<Vec<Expr>, SqlError> {
        for words in [&["GROUPING", "SETS"][..], &["ROLLUP"], &["CUBE"]] {
            if self.at_words(words) {
                return Err(SqlError::not_supported(self.span(), words.join(" ")));
            }
        }
        if self.nth_is_symbol(0, "(") && self.nth_is_symbol(1, ")") {
            self.at += 2;
            return Ok(Vec::new());
        }
        self.list(Self::expr)
    }

    fn select_item(&mut self) -> Result<SelectItem, SqlError> {
        if let Some(span) = self.eat_symbol("*") {
            return Ok(SelectItem::Star(span));
        }
        if self.at_ident() && self.nth_is_symbol(1, ".") && self.nth_is_symbol(2, "*") {
            let name = self.ident("a table's name")?;
            self.at += 2;
            return Ok(SelectItem::QualifiedStar(name));
        }
        let expr = self.expr()?;
        Ok(SelectItem::Expr(expr, self.alias()?))
    }

    fn alias(&mut self) -> Result<Option<Ident>, SqlError> {
        if self.eat("AS") {
            return self.ident("a name").map(Some);
        }
        if !self.at_ident() {
            return Ok(None);
        }
        self.ident("a name").map(Some)
    }

    fn from(&mut self) -> Result<TableRef, SqlError> {
        let table = self.table_ref()?;
        let span = self.span();
        if self.peek_symbol() == Some(",") {
            return Err(
                SqlError::not_supported(span, "a join").help("read one table, view or UNION ALL in each SELECT")
            );
        }
        let joins = ["JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL"];
        if self.at_any_word(&joins) {
            return Err(
                SqlError::not_supported(span, "a join").help("read one table, view or UNION ALL in each SELECT")
            );
        }
        for later in ["MATCH_RECOGNIZE", "FOR", "TABLESAMPLE", "PIVOT", "UNPIVOT"] {
            if self.at_words(&[later]) {
                return Err(SqlError::not_supported(
                    span,
                    if later == "FOR" { "FOR SYSTEM_TIME AS OF" } else { later },
                ));
            }
        }
        Ok(table)
    }

    fn table_ref(&mut self) -> Result<TableRef, SqlError> {
        self.nested(Self::table_ref_inner)
    }

    fn table_ref_inner(&mut self) -> Result<TableRef, SqlError> {
        if self.at_any_word(&["LATERAL", "UNNEST"]) {
            return Err(SqlError::not_supported(self.span(), self.span().text(self.source).to_ascii_uppercase()));
        }
        if self.at_words(&["TABLE"]) && self.nth_is_symbol(1, "(") {
            let start = self.span();
            self.at += 2;
            let (name, args) = self.table_function()?;
            self.expect_symbol(")")?;
            let span = self.since(start);
            return Ok(TableRef::Function(name, args, span, self.table_alias()?));
        }
        if self.eat_symbol("(").is_some() {
            if self.at_table_in_brackets() {
                let inner = self.from()?;
                self.expect_symbol(")")?;
                return Ok(inner);
            }
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(TableRef::Subquery(Box::new(query), self.table_alias()?));
        }
        if matches!(self.peek().kind, TokenKind::Word(_)) && self.nth_is_symbol(1, "(") {
            let start = self.span();
            let (name, args) = self.table_function()?;
            let span = self.since(start);
            return Ok(TableRef::Function(name, args, span, self.table_alias()?));
        }
        let name = self.object_name("a table's name")?;
        let hint = self.hint()?;
        Ok(TableRef::Table(name, hint, self.table_alias()?))
    }

    /// After `(` in FROM: a table rather than a query.
    fn at_table_in_brackets(&self) -> bool {
        self.at_ident() || self.at_words(&["TABLE"]) && self.nth_is_symbol(1, "(")
    }

    fn table_alias(&mut self) -> Result<Option<TableAlias>, SqlError> {
        let Some(name) = self.alias()? else { return Ok(None) };
        let columns =
            if self.peek_symbol() == Some("(") { self.brackets(|p| p.ident("a column's name"))? } else { Vec::new() };
        Ok(Some(TableAlias { name, columns }))
    }

    /// `TUMBLE(TABLE t, DESCRIPTOR(ts), …)`
    fn table_function(&mut self) -> Result<(Ident, Vec<TvfArg>), SqlError> {
        let token = self.advance();
        let TokenKind::Word(name) = token.kind else {
            return Err(SqlError::syntax(token.span, "expected a table function: TUMBLE, HOP or CUMULATE"));
        };
        if is_reserved(&name) {
            return Err(self.reserved(&name, token.span));
        }
        let args = self.brackets(Self::tvf_arg)?;
        Ok((Ident { name, span: token.span }, args))
    }

    fn tvf_arg(&mut self) -> Result<TvfArg, SqlError> {
        let start = self.span();
        let mut name = None;
        if self.nth_is_symbol(1, "=>") {
            name = Some(self.ident("an argument's name")?);
            self.expect_symbol("=>")?;
        }
        let value = self.tvf_value()?;
        Ok(TvfArg { name, value, span: self.since(start) })
    }

    fn tvf_value(&mut self) -> Result<TvfValue, SqlError> {
        if self.eat("DESCRIPTOR") {
            return Ok(TvfValue::Descriptor(self.brackets(|p| p.ident("a column's name"))?));
        }
        if self.eat("TABLE") {
            let table = if self.nth_is_symbol(0, "(") { self.bracketed_table()? } else { self.named_table()? };
            return self.partitioned(table);
        }
        let query_next = ["SELECT", "WITH", "VALUES"].iter().any(|word| self.nth_is_word(1, word));
        if self.nth_is_symbol(0, "(") && query_next {
            let table = self.bracketed_table()?;
            return self.partitioned(table);
        }
        Ok(TvfValue::Expr(self.expr()?))
    }

    fn named_table(&mut self) -> Result<TableRef, SqlError> {
        let name = self.object_name("a table's name")?;
        let hint = self.hint()?;
        Ok(TableRef::Table(name, hint, None))
    }

    fn bracketed_table(&mut self) -> Result<TableRef, SqlError> {
        self.expect_symbol("(")?;
        if self.at_ident() {
            let (name, args) = (self.span(), self.table_function()?);
            self.expect_symbol(")")?;
            return Ok(TableRef::Function(args.0, args.1, self.since(name), None));
        }
        let query = self.query()?;
        self.expect_symbol(")")?;
        Ok(TableRef::Subquery(Box::new(query), None))
    }

    fn partitioned(&mut self, table: TableRef) -> Result<TvfValue, SqlError> {
        let keys = if self.eat_words(&["PARTITION", "BY"]).is_some() {
            if self.nth_is_symbol(0, "(") { self.brackets(Self::expr)? } else { vec![self.expr()?] }
        } else {
            Vec::new()
        };
        Ok(TvfValue::Table(table, keys))
    }
}
