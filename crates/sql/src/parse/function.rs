//! `CREATE EXTERNAL FUNCTION`, in the words of Amazon Redshift, and what drops and shows functions.

use super::Parser;
use crate::error::SqlError;
use crate::lex::TokenKind;
use crate::tree::{CreateFunction, DropFunction, StatementKind, Text};
use millrace_schema::Typed;

/// What Redshift lets follow `LAMBDA '…'`.
const CLAUSES: &str = "VOLATILE, IAM_ROLE, MAX_BATCH_ROWS, WITH or the end of the statement";

impl Parser<'_> {
    /// After `CREATE [OR REPLACE] [TEMPORARY]`.
    pub(super) fn create_function(&mut self, or_replace: bool) -> Result<StatementKind, SqlError> {
        self.expect("EXTERNAL FUNCTION")?;
        let if_not_exists = self.if_not_exists();
        let name = self.object_name("the function's name")?;
        let parameters = self.parameters()?;
        self.expect("RETURNS")?;
        let start = self.span();
        let returns = (self.data_type()?, self.since(start));
        // Redshift's word for how often a function may be called for the same values. Here it is once for each row.
        let _ = self.eat("VOLATILE") || self.eat("STABLE") || self.eat("IMMUTABLE");
        if self.at_words(&["SAGEMAKER"]) {
            let help = "a function of Lambda works: LAMBDA 'name'";
            return Err(SqlError::not_supported(self.span(), "SAGEMAKER").help(help));
        }
        self.expect("LAMBDA")?;
        let lambda = self.text("the Lambda function's name or ARN in single quotes")?;
        let mut options = Vec::new();
        loop {
            if self.eat("IAM_ROLE") {
                // AWS would assume it; here a query may call what its account has.
                if !self.eat("DEFAULT") {
                    self.text("DEFAULT or a role's ARN in single quotes")?;
                }
            } else if let Some(span) = self.eat_words(&["MAX_BATCH_ROWS"]) {
                options.push((Text { value: "batch.rows".to_owned(), span }, self.batch_rows()?));
            } else if self.at_any_word(&["RETRY_TIMEOUT", "MAX_BATCH_SIZE"]) {
                let what = self.span().text(self.source).to_ascii_uppercase();
                let help = "WITH ('retries' = '3', 'timeout' = '30 s', 'batch.rows' = '100') works";
                return Err(SqlError::not_supported(self.span(), what).help(help));
            } else if self.eat("WITH") {
                options.extend(self.options()?);
            } else if matches!(self.peek().kind, TokenKind::End | TokenKind::Symbol(";")) {
                let function = CreateFunction { name, or_replace, if_not_exists, parameters, returns, lambda, options };
                return Ok(StatementKind::CreateFunction(function));
            } else {
                return Err(self.unexpected(CLAUSES));
            }
        }
    }

    /// `(STRING, amount DOUBLE, …)`: names are for people.
    fn parameters(&mut self) -> Result<Vec<(Typed, crate::error::Span)>, SqlError> {
        if self.nth_is_symbol(0, "(") && self.nth_is_symbol(1, ")") {
            self.advance();
            self.advance();
            return Ok(Vec::new());
        }
        self.brackets(|p| {
            let start = p.span();
            let (tokens, depth) = (p.at, p.depth);
            let bare = p.data_type();
            let ends = p.peek_symbol().is_some_and(|symbol| matches!(symbol, "," | ")"));
            if let (Ok(typed), true) = (&bare, ends) {
                return Ok((typed.clone(), p.since(start)));
            }
            (p.at, p.depth) = (tokens, depth);
            match p.nth(1).kind {
                // A name, then a type.
                TokenKind::Word(_) => {
                    p.ident("an argument's name or type")?;
                    Ok((p.data_type()?, p.since(start)))
                }
                _ => p.data_type().map(|typed| (typed, p.since(start))),
            }
        })
    }

    fn batch_rows(&mut self) -> Result<Text, SqlError> {
        let span = self.span();
        match self.peek().kind.clone() {
            TokenKind::Integer(value) => {
                self.advance();
                Ok(Text { value, span })
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// After `DROP [TEMPORARY [SYSTEM]] FUNCTION`.
    pub(super) fn drop_function(&mut self) -> Result<StatementKind, SqlError> {
        let if_exists = self.eat_words(&["IF", "EXISTS"]).is_some();
        Ok(StatementKind::DropFunction(DropFunction { name: self.object_name("the function's name")?, if_exists }))
    }
}
