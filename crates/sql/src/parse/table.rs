//! `CREATE TABLE`.

use super::Parser;
use crate::error::SqlError;
use crate::tree::{Column, ColumnKind, CreateTable, Hint, Ident, LikeClause, ObjectName, Text, Watermark};

impl Parser<'_> {
    pub(super) fn create_table(&mut self) -> Result<CreateTable, SqlError> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name("the table's name")?;
        let mut table = empty(name, if_not_exists);
        if self.eat_symbol("(").is_some() && self.eat_symbol(")").is_none() {
            self.list(|p| p.table_element(&mut table))?;
            self.expect_symbol(")")?;
        }
        if self.eat("COMMENT") {
            self.text("a comment in single quotes")?;
        }
        if self.at_any_word(&["DISTRIBUTED"]) {
            return Err(SqlError::not_supported(self.span(), "DISTRIBUTED BY"));
        }
        if self.eat_words(&["PARTITIONED", "BY"]).is_some() {
            table.partitioned_by = self.brackets(|p| p.ident("a column's name"))?;
        }
        if self.eat("WITH") {
            table.options = self.options()?;
        }
        if self.eat("LIKE") {
            table.like = Some(self.like_clause()?);
        }
        if self.at_words(&["AS"]) {
            return Err(SqlError::not_supported(self.span(), "CREATE TABLE … AS SELECT")
                .help("declare the columns, then INSERT INTO it"));
        }
        Ok(table)
    }

    fn like_clause(&mut self) -> Result<LikeClause, SqlError> {
        let table = self.object_name("a table's name")?;
        if self.peek_symbol() == Some("(") {
            return Err(SqlError::not_supported(self.span(), "choosing what LIKE takes over")
                .help("without brackets everything is taken over and the new options win"));
        }
        Ok(LikeClause { table })
    }

    fn table_element(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        if self.at_words(&["WATERMARK"]) {
            return self.watermark(table);
        }
        if self.eat("CONSTRAINT") {
            self.ident("the constraint's name")?;
            return self.primary_key(table);
        }
        if self.at_words(&["PRIMARY"]) {
            return self.primary_key(table);
        }
        if self.at_any_word(&["UNIQUE", "FOREIGN", "CHECK", "PERIOD"]) {
            let what = self.span().text(self.source).to_ascii_uppercase();
            return Err(SqlError::not_supported(self.span(), format!("the constraint {what}"))
                .help("PRIMARY KEY (…) NOT ENFORCED is the one that there is"));
        }
        let column = self.column(table)?;
        table.columns.push(column);
        Ok(())
    }

    fn watermark(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        let start = self.expect("WATERMARK")?;
        self.expect("FOR")?;
        let column = self.ident("the event-time column's name")?;
        if self.peek_symbol() == Some(".") {
            return Err(SqlError::not_supported(self.span(), "a watermark on a field of a row")
                .help("compute a column from the field: ts AS r.ts, WATERMARK FOR ts AS …"));
        }
        self.expect("AS")?;
        let expr = self.expr()?;
        let span = self.since(start);
        if table.watermark.is_some() {
            return Err(SqlError::invalid(span, "a table has one watermark at most"));
        }
        table.watermark = Some(Watermark { column, expr, span });
        Ok(())
    }

    fn primary_key(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        let start = self.expect("PRIMARY KEY")?;
        let columns = self.brackets(|p| p.ident("a column's name"))?;
        self.key(table, columns, start)
    }

    fn key(&mut self, table: &mut CreateTable, columns: Vec<Ident>, start: crate::error::Span) -> Result<(), SqlError> {
        if self.eat_words(&["NOT", "ENFORCED"]).is_none() {
            return Err(SqlError::invalid(
                self.since(start),
                "Flink does not own the data and cannot enforce a primary key",
            )
            .help("write PRIMARY KEY (…) NOT ENFORCED"));
        }
        if !table.primary_key.is_empty() {
            return Err(SqlError::invalid(self.since(start), "a table has one primary key at most"));
        }
        table.primary_key = columns;
        Ok(())
    }

    fn column(&mut self, table: &mut CreateTable) -> Result<Column, SqlError> {
        let name = self.ident("a column, WATERMARK or PRIMARY KEY")?;
        let kind = if self.eat("AS") {
            ColumnKind::Computed(self.expr()?)
        } else {
            let typed = self.data_type()?;
            if self.eat("METADATA") {
                let key = if self.eat("FROM") { Some(self.text("the metadata key in single quotes")?) } else { None };
                ColumnKind::Metadata(typed, key, self.eat("VIRTUAL"))
            } else {
                ColumnKind::Physical(typed)
            }
        };
        if let Some(start) = self.eat_words(&["PRIMARY", "KEY"]) {
            self.key(table, vec![name.clone()], start)?;
        }
        let comment = if self.eat("COMMENT") { Some(self.text("a comment in single quotes")?.value) } else { None };
        Ok(Column { name, kind, comment })
    }

    /// `('k' = 'v', …)`
    pub(super) fn options(&mut self) -> Result<Vec<(Text, Text)>, SqlError> {
        if self.nth_is_symbol(0, "(") && self.nth_is_symbol(1, ")") {
            self.at += 2;
            return Ok(Vec::new());
        }
        self.brackets(|p| {
            let key = p.text("an option's name in single quotes")?;
            p.expect_symbol("=")?;
            Ok((key, p.text("the option's value in single quotes")?))
        })
    }

    /// `/*+ OPTIONS('k' = 'v') */`
    pub(super) fn hint(&mut self) -> Result<Option<Hint>, SqlError> {
        if self.eat_symbol("/*+").is_none() {
            return Ok(None);
        }
        if !self.eat("OPTIONS") {
            return Err(
                SqlError::not_supported(self.span(), "this hint").help("the hint OPTIONS('key' = 'value') works")
            );
        }
        let options = self.options()?;
        self.expect_symbol("*/")?;
        Ok(Some(Hint { options }))
    }
}

fn empty(name: ObjectName, if_not_exists: bool) -> CreateTable {
    CreateTable {
        name,
        if_not_exists,
        columns: Vec::new(),
        watermark: None,
        primary_key: Vec::new(),
        partitioned_by: Vec::new(),
        options: Vec::new(),
        like: None,
    }
}
