//! Statements but `CREATE TABLE`.

use super::Parser;
use crate::error::SqlError;
use crate::lex::TokenKind;
use crate::tree::{CreateView, Insert, ObjectKind, Statement, StatementKind, Text};
use millrace_base::did_you_mean;

const STARTS: [&str; 12] =
    ["SELECT", "WITH", "VALUES", "CREATE", "DROP", "INSERT", "EXECUTE", "BEGIN", "EXPLAIN", "SET", "RESET", "SHOW"];

/// What Flink's parser takes and we do not yet, by first word.
const LATER: [&str; 9] = ["ALTER", "USE", "LOAD", "UNLOAD", "ADD", "REMOVE", "ANALYZE", "UPDATE", "DELETE"];

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> Result<Statement, SqlError> {
        let start = self.span();
        let kind = self.nested(Self::statement_kind)?;
        Ok(Statement { kind, span: self.since(start) })
    }

    fn statement_kind(&mut self) -> Result<StatementKind, SqlError> {
        let token = self.peek().clone();
        let TokenKind::Word(word) = &token.kind else {
            return match self.peek_symbol() {
                Some("(") => Ok(StatementKind::Query(self.query()?)),
                _ => Err(self.unexpected("a statement")),
            };
        };
        match word.to_ascii_uppercase().as_str() {
            "SELECT" | "WITH" | "VALUES" | "TABLE" => Ok(StatementKind::Query(self.query()?)),
            "CREATE" => self.create(),
            "DROP" => self.drop_object(),
            "INSERT" => Ok(StatementKind::Insert(self.insert()?)),
            "EXECUTE" | "BEGIN" => self.execute(),
            "EXPLAIN" => self.explain(),
            "SET" => self.set(),
            "RESET" => self.reset(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => {
                self.advance();
                self.eat("EXTENDED");
                Ok(StatementKind::Describe(self.object_name("a table's name")?))
            }
            upper if LATER.contains(&upper) => {
                Err(SqlError::not_supported(token.span, format!("the statement {upper}")))
            }
            upper => Err(SqlError::syntax(token.span, format!("'{word}' starts no statement")).help_with(
                did_you_mean(upper, STARTS).or_else(|| Some(format!("statements start with {}", STARTS.join(", ")))),
            )),
        }
    }

    fn create(&mut self) -> Result<StatementKind, SqlError> {
        self.expect("CREATE")?;
        let replace = self.eat_words(&["OR", "REPLACE"]);
        self.eat("TEMPORARY");
        if self.at_words(&["EXTERNAL"]) {
            return self.create_function(replace.is_some());
        }
        if let Some(span) = replace {
            return Err(SqlError::not_supported(span, "OR REPLACE").help("drop the table first"));
        }
        if self.eat("TABLE") {
            return Ok(StatementKind::CreateTable(self.create_table()?));
        }
        if self.eat("VIEW") {
            return Ok(StatementKind::CreateView(self.create_view()?));
        }
        if self.at_any_word(&["FUNCTION", "CATALOG", "DATABASE", "SYSTEM", "MODEL", "MATERIALIZED"]) {
            let what = self.span().text(self.source).to_ascii_uppercase();
            let error = SqlError::not_supported(self.span(), format!("CREATE {what}"));
            let help = "a Lambda function works: CREATE EXTERNAL FUNCTION f (STRING) RETURNS DOUBLE LAMBDA 'name'";
            return Err(if what == "FUNCTION" { error.help(help) } else { error });
        }
        Err(self.unexpected("TABLE or VIEW"))
    }

    pub(super) fn if_not_exists(&mut self) -> bool {
        self.eat_words(&["IF", "NOT", "EXISTS"]).is_some()
    }

    fn create_view(&mut self) -> Result<CreateView, SqlError> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name("the view's name")?;
        let columns =
            if self.peek_symbol() == Some("(") { self.brackets(|p| p.ident("a column's name"))? } else { Vec::new() };
        if self.eat("COMMENT") {
            self.text("a comment")?;
        }
        self.expect("AS")?;
        Ok(CreateView { name, if_not_exists, columns, query: self.query()? })
    }

    fn drop_object(&mut self) -> Result<StatementKind, SqlError> {
        self.expect("DROP")?;
        self.eat("TEMPORARY");
        if self.eat_words(&["FUNCTION"]).or_else(|| self.eat_words(&["EXTERNAL", "FUNCTION"])).is_some() {
            return self.drop_function();
        }
        let kind = if self.eat("TABLE") {
            ObjectKind::Table
        } else if self.eat("VIEW") {
            ObjectKind::View
        } else {
            return Err(self.unexpected("TABLE, VIEW or FUNCTION"));
        };
        let if_exists = self.eat_words(&["IF", "EXISTS"]).is_some();
        Ok(StatementKind::Drop(kind, self.object_name("a name")?, if_exists))
    }

    pub(super) fn insert(&mut self) -> Result<Insert, SqlError> {
        let start = self.expect("INSERT")?;
        if self.at_words(&["OVERWRITE"]) {
            return Err(SqlError::not_supported(self.span(), "INSERT OVERWRITE").help("write INSERT INTO"));
        }
        self.expect("INTO")?;
        let table = self.object_name("the sink's name")?;
        let options = self.hint()?.map(|hint| hint.options).unwrap_or_default();
        if self.at_words(&["PARTITION"]) {
            return Err(SqlError::not_supported(self.span(), "PARTITION (…) with values"));
        }
        let list = self.peek_symbol() == Some("(")
            && !["SELECT", "WITH", "VALUES"].iter().any(|word| self.nth_is_word(1, word))
            && !self.nth_is_symbol(1, "(");
        let columns = if list { self.brackets(|p| p.ident("a column of the sink"))? } else { Vec::new() };
        let query = self.query()?;
        Ok(Insert { table, columns, options, query, span: self.since(start) })
    }

    fn execute(&mut self) -> Result<StatementKind, SqlError> {
        if self.eat("EXECUTE") {
            if self.at_words(&["INSERT"]) {
                return Ok(StatementKind::Insert(self.insert()?));
            }
            if self.at_any_word(&["SELECT", "WITH"]) {
                return Ok(StatementKind::Query(self.query()?));
            }
            self.expect("STATEMENT SET BEGIN")?;
        } else {
            self.expect("BEGIN STATEMENT SET")?;
            self.expect_symbol(";")?;
        }
        Ok(StatementKind::StatementSet(self.inserts_to_end()?))
    }

    fn inserts_to_end(&mut self) -> Result<Vec<Insert>, SqlError> {
        let mut inserts = Vec::new();
        while !self.eat("END") {
            if !self.at_words(&["INSERT"]) {
                return Err(self.unexpected("INSERT or END"));
            }
            inserts.push(self.insert()?);
            self.expect_symbol(";")?;
        }
        if inserts.is_empty() {
            return Err(SqlError::syntax(self.last_span(), "this statement set holds no INSERT"));
        }
        Ok(inserts)
    }

    fn explain(&mut self) -> Result<StatementKind, SqlError> {
        self.expect("EXPLAIN")?;
        let details = ["ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"];
        if self.eat_words(&["PLAN", "FOR"]).is_none() && self.at_any_word(&details) {
            return Err(SqlError::not_supported(self.span(), "EXPLAIN with details").help("write EXPLAIN alone"));
        }
        let inner_start = self.span();
        let kind = if self.eat_words(&["STATEMENT", "SET", "BEGIN"]).is_some() {
            StatementKind::StatementSet(self.inserts_to_end()?)
        } else if self.at_words(&["INSERT"]) {
            StatementKind::Insert(self.insert()?)
        } else {
            StatementKind::Query(self.query()?)
        };
        let span = self.since(inner_start);
        Ok(StatementKind::Explain(Box::new(Statement { kind, span })))
    }

    fn set(&mut self) -> Result<StatementKind, SqlError> {
        self.expect("SET")?;
        if matches!(self.peek().kind, TokenKind::End | TokenKind::Symbol(";")) {
            return Ok(StatementKind::ShowSettings);
        }
        let key = self.setting_text("a setting's name in single quotes")?;
        self.expect_symbol("=")?;
        Ok(StatementKind::Set(key, self.setting_text("the setting's value in single quotes")?))
    }

    fn setting_text(&mut self, what: &str) -> Result<Text, SqlError> {
        self.text(what).map_err(|error| error.help("settings are written as SET 'pipeline.name' = 'my-job'"))
    }

    fn reset(&mut self) -> Result<StatementKind, SqlError> {
        self.expect("RESET")?;
        let all = matches!(self.peek().kind, TokenKind::End | TokenKind::Symbol(";"));
        Ok(StatementKind::Reset(if all { None } else { Some(self.setting_text("a setting's name in single quotes")?) }))
    }

    fn show(&mut self) -> Result<StatementKind, SqlError> {
        self.expect("SHOW")?;
        if self.eat("TABLES") {
            return Ok(StatementKind::Show(ObjectKind::Table));
        }
        if self.eat("VIEWS") {
            return Ok(StatementKind::Show(ObjectKind::View));
        }
        if self.eat("FUNCTIONS") {
            return Ok(StatementKind::ShowFunctions { user: false });
        }
        if self.eat_words(&["USER", "FUNCTIONS"]).is_some() {
            return Ok(StatementKind::ShowFunctions { user: true });
        }
        if matches!(self.peek().kind, TokenKind::Word(_)) {
            let what = self.span().text(self.source).to_ascii_uppercase();
            return Err(SqlError::not_supported(self.span(), format!("SHOW {what}"))
                .help("SHOW TABLES, SHOW VIEWS and SHOW [USER] FUNCTIONS work"));
        }
        Err(self.unexpected("TABLES or VIEWS"))
    }
}
