//! Expressions with a syntax of their own: `CAST`, `CASE`, `EXTRACT`, `TRIM`, intervals, typed literals, collections.

use super::Parser;
use crate::error::{Span, SqlError};
use crate::lex::TokenKind;
use crate::tree::{Expr, ExprKind, TimeUnit};
use millrace_base::did_you_mean;

/// Singular, plural.
const UNITS: [(&str, &str); 20] = [
    ("YEAR", "YEARS"),
    ("QUARTER", "QUARTERS"),
    ("MONTH", "MONTHS"),
    ("WEEK", "WEEKS"),
    ("DAY", "DAYS"),
    ("HOUR", "HOURS"),
    ("MINUTE", "MINUTES"),
    ("SECOND", "SECONDS"),
    ("MILLISECOND", "MILLISECONDS"),
    ("MICROSECOND", "MICROSECONDS"),
    ("NANOSECOND", "NANOSECONDS"),
    ("DOW", ""),
    ("ISODOW", ""),
    ("DOY", ""),
    ("ISOYEAR", ""),
    ("EPOCH", ""),
    ("DECADE", ""),
    ("CENTURY", ""),
    ("MILLENNIUM", ""),
    ("FRAC_SECOND", ""),
];

impl Parser<'_> {
    /// An expression that starts with the keyword `word`, when it is one of these.
    pub(super) fn special(&mut self, word: &str, call_next: bool) -> Result<Option<Expr>, SqlError> {
        let start = self.span();
        let text_next = matches!(self.nth(1).kind, TokenKind::Text(_));
        let kind = match word {
            "CASE" => self.case()?,
            "CAST" | "TRY_CAST" if call_next => self.cast(word == "TRY_CAST")?,
            "DATE" if text_next => self.moment("DATE")?,
            "TIME" if text_next => self.moment("TIME")?,
            "TIMESTAMP" if text_next => self.moment("TIMESTAMP")?,
            "INTERVAL" => self.interval()?,
            "ARRAY" if self.nth_is_symbol(1, "[") => ExprKind::Array(self.square()?),
            "MAP" if self.nth_is_symbol(1, "[") => ExprKind::Map(self.square()?),
            "ROW" if call_next => {
                self.advance();
                ExprKind::Row(self.brackets(Self::expr)?)
            }
            "EXISTS" => return Err(SqlError::not_supported(start, "EXISTS")),
            _ if call_next => match self.special_call(word)? {
                Some(args) => return Ok(Some(Expr::call(&name_of(word), args, self.since(start)))),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(Some(Expr { kind, span: self.since(start) }))
    }

    /// The arguments of a function with keywords between them.
    fn special_call(&mut self, word: &str) -> Result<Option<Vec<Expr>>, SqlError> {
        let parse: fn(&mut Self) -> Result<Vec<Expr>, SqlError> = match word {
            "EXTRACT" => Self::extract,
            "FLOOR" | "CEIL" | "CEILING" => Self::rounding,
            "TIMESTAMPADD" | "TIMESTAMPDIFF" => Self::unit_first,
            "TRIM" => Self::trim,
            "POSITION" => Self::position,
            "SUBSTRING" => Self::substring,
            "OVERLAY" => Self::overlay,
            "JSON_VALUE" | "JSON_QUERY" | "JSON_EXISTS" => Self::json,
            _ => return Ok(None),
        };
        self.advance();
        self.expect_symbol("(")?;
        let args = parse(self)?;
        self.expect_symbol(")")?;
        Ok(Some(args))
    }

    fn case(&mut self) -> Result<ExprKind, SqlError> {
        let start = self.expect("CASE")?;
        let operand = if self.at_words(&["WHEN"]) { None } else { Some(Box::new(self.expr()?)) };
        let mut branches = Vec::new();
        while self.eat("WHEN") {
            let mut when = self.expr()?;
            if operand.is_some() && self.peek_symbol() == Some(",") {
                let mut list = vec![when];
                while self.eat_symbol(",").is_some() {
                    list.push(self.expr()?);
                }
                when = Expr { kind: ExprKind::Row(list), span: self.since(start) };
            }
            self.expect("THEN")?;
            branches.push((when, self.expr()?));
        }
        let otherwise = if self.eat("ELSE") { Some(Box::new(self.expr()?)) } else { None };
        if branches.is_empty() {
            return Err(self.unexpected("WHEN"));
        }
        self.expect("END").map_err(|error| error.help("CASE ends with END"))?;
        Ok(ExprKind::Case { operand, branches, otherwise })
    }

    fn cast(&mut self, try_: bool) -> Result<ExprKind, SqlError> {
        self.advance();
        self.expect_symbol("(")?;
        let input = self.expr()?;
        self.expect("AS")?;
        let typed = self.data_type()?;
        self.expect_symbol(")")?;
        Ok(ExprKind::Cast(Box::new(input), typed, try_))
    }

    fn moment(&mut self, keyword: &'static str) -> Result<ExprKind, SqlError> {
        self.advance();
        Ok(ExprKind::Moment(keyword, self.text("a time in single quotes")?.value))
    }

    /// `INTERVAL [-] '1:30' MINUTE TO SECOND`
    fn interval(&mut self) -> Result<ExprKind, SqlError> {
        self.advance();
        let negated = self.eat_symbol("-").is_some();
        if !negated {
            self.eat_symbol("+");
        }
        let text = match self.peek().kind.clone() {
            TokenKind::Integer(number) => {
                let help = format!("write INTERVAL '{number}'");
                return Err(SqlError::syntax(self.span(), "an interval's amount stands in single quotes").help(help));
            }
            _ => self.text("the interval's amount in single quotes")?.value,
        };
        let (unit, span) = self.time_unit()?;
        self.unit_precision()?;
        let last = if self.eat("TO") { Some(self.time_unit()?.0) } else { None };
        self.unit_precision()?;
        if !matches!(unit, "YEAR" | "QUARTER" | "MONTH" | "WEEK" | "DAY" | "HOUR" | "MINUTE" | "SECOND") {
            return Err(SqlError::invalid(span, format!("there is no interval of {unit}")).help(
                "intervals are of YEAR, MONTH, DAY, HOUR, MINUTE or SECOND; INTERVAL '0.001' SECOND is a millisecond",
            ));
        }
        Ok(ExprKind::Interval(negated, text, unit, last))
    }

    fn unit_precision(&mut self) -> Result<(), SqlError> {
        if self.nth_is_symbol(0, "(") && matches!(self.nth(1).kind, TokenKind::Integer(_)) {
            self.advance();
            self.list(|p| Ok(p.advance()))?;
            self.expect_symbol(")")?;
        }
        Ok(())
    }

    /// A unit of time, singular or plural, as its singular.
    pub(super) fn time_unit(&mut self) -> Result<(TimeUnit, Span), SqlError> {
        let token = self.peek().clone();
        let TokenKind::Word(word) = &token.kind else { return Err(self.unexpected("a unit of time")) };
        let upper = word.to_ascii_uppercase();
        let found = UNITS.iter().find(|(one, many)| *one == upper || *many == upper);
        let Some((unit, _)) = found else {
            let help = did_you_mean(word, UNITS.iter().map(|(one, _)| *one));
            return Err(SqlError::syntax(token.span, format!("'{word}' is no unit of time")).help_with(help));
        };
        self.advance();
        Ok((unit, token.span))
    }

    fn unit(&mut self) -> Result<Expr, SqlError> {
        let (unit, span) = self.time_unit()?;
        Ok(Expr { kind: ExprKind::Unit(unit), span })
    }

    fn square(&mut self) -> Result<Vec<Expr>, SqlError> {
        self.advance();
        self.expect_symbol("[")?;
        let items = if self.peek_symbol() == Some("]") { Vec::new() } else { self.list(Self::expr)? };
        self.expect_symbol("]")?;
        Ok(items)
    }

    fn extract(&mut self) -> Result<Vec<Expr>, SqlError> {
        let unit = self.unit()?;
        self.expect("FROM")?;
        Ok(vec![unit, self.expr()?])
    }

    /// `FLOOR(e [TO unit])`
    fn rounding(&mut self) -> Result<Vec<Expr>, SqlError> {
        let mut args = vec![self.expr()?];
        if self.eat("TO") {
            args.push(self.unit()?);
        }
        Ok(args)
    }

    fn unit_first(&mut self) -> Result<Vec<Expr>, SqlError> {
        let mut args = vec![self.unit()?];
        while self.eat_symbol(",").is_some() {
            args.push(self.expr()?);
        }
        Ok(args)
    }

    /// `TRIM([BOTH|LEADING|TRAILING] [characters] FROM s)`, `TRIM(s)`
    fn trim(&mut self) -> Result<Vec<Expr>, SqlError> {
        let span = self.span();
        let side = ["BOTH", "LEADING", "TRAILING"].into_iter().find(|side| self.eat(side));
        let text = |value: &str| Expr { kind: ExprKind::Text(value.to_owned()), span };
        if side.is_some() && self.eat("FROM") {
            return Ok(vec![text(side.unwrap_or("BOTH")), text(" "), self.expr()?]);
        }
        let first = self.expr()?;
        if self.eat("FROM") {
            return Ok(vec![text(side.unwrap_or("BOTH")), first, self.expr()?]);
        }
        Ok(vec![text("BOTH"), text(" "), first])
    }

    fn position(&mut self) -> Result<Vec<Expr>, SqlError> {
        // The needle stops before IN, which would be read as an IN list otherwise.
        let needle = self.primary_only()?;
        self.expect("IN")?;
        Ok(vec![needle, self.expr()?])
    }

    fn substring(&mut self) -> Result<Vec<Expr>, SqlError> {
        let mut args = vec![self.expr()?];
        if self.eat("FROM") {
            args.push(self.expr()?);
            if self.eat("FOR") {
                args.push(self.expr()?);
            }
        } else {
            while self.eat_symbol(",").is_some() {
                args.push(self.expr()?);
            }
        }
        Ok(args)
    }

    fn overlay(&mut self) -> Result<Vec<Expr>, SqlError> {
        let mut args = vec![self.expr()?];
        self.expect("PLACING")?;
        args.push(self.expr()?);
        self.expect("FROM")?;
        args.push(self.expr()?);
        if self.eat("FOR") {
            args.push(self.expr()?);
        }
        Ok(args)
    }

    /// `JSON_VALUE(document, path)`
    fn json(&mut self) -> Result<Vec<Expr>, SqlError> {
        let args = self.list(Self::expr)?;
        if self.peek_symbol() != Some(")") {
            return Err(SqlError::not_supported(self.span(), "this clause of a JSON function")
                .help("the document and the path work; CAST the result"));
        }
        Ok(args)
    }
}

/// The registry's name of a function with more than one.
fn name_of(word: &str) -> String {
    match word {
        "CEILING" => "CEIL".to_owned(),
        other => other.to_owned(),
    }
}
