//! Types.

use super::Parser;
use crate::error::{Span, SqlError};
use crate::lex::TokenKind;
use millrace_base::did_you_mean;
use millrace_schema::{Field, SqlType, Typed};

const NAMES: [&str; 26] = [
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "DEC",
    "NUMERIC",
    "CHAR",
    "VARCHAR",
    "STRING",
    "BINARY",
    "VARBINARY",
    "BYTES",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "ARRAY",
    "MAP",
    "ROW",
    "INTERVAL",
    "MULTISET",
];

/// The most digits of a DECIMAL.
const PRECISION_MAX: u32 = 38;

impl Parser<'_> {
    /// A type with `[NOT] NULL` and postfix `ARRAY`.
    pub(super) fn data_type(&mut self) -> Result<Typed, SqlError> {
        self.nested(|p| {
            let ty = p.bare_type()?;
            let mut typed = p.nullability(ty)?;
            while p.eat("ARRAY") {
                typed = p.nullability(SqlType::Array(Box::new(typed)))?;
            }
            Ok(typed)
        })
    }

    fn nullability(&mut self, ty: SqlType) -> Result<Typed, SqlError> {
        if self.eat_words(&["NOT", "NULL"]).is_some() {
            return Ok(Typed { ty, nullable: false });
        }
        self.eat("NULL");
        Ok(Typed { ty, nullable: true })
    }

    fn bare_type(&mut self) -> Result<SqlType, SqlError> {
        let token = self.peek().clone();
        let TokenKind::Word(word) = &token.kind else { return Err(self.unexpected("a type")) };
        let upper = word.to_ascii_uppercase();
        self.advance();
        Ok(match upper.as_str() {
            "BOOLEAN" => SqlType::Boolean,
            "TINYINT" => SqlType::TinyInt,
            "SMALLINT" => SqlType::SmallInt,
            "INT" | "INTEGER" => SqlType::Int,
            "BIGINT" => SqlType::BigInt,
            "FLOAT" => SqlType::Float,
            "DOUBLE" => {
                self.eat("PRECISION");
                SqlType::Double
            }
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal()?,
            "CHAR" => SqlType::Char(self.length(1)?),
            "VARCHAR" => SqlType::Varchar(self.length(1)?),
            "STRING" => SqlType::STRING,
            "BINARY" => SqlType::Binary(self.length(1)?),
            "VARBINARY" => SqlType::Varbinary(self.length(1)?),
            "BYTES" => SqlType::BYTES,
            "DATE" => SqlType::Date,
            "TIME" => self.time()?,
            "TIMESTAMP" => self.timestamp()?,
            "TIMESTAMP_LTZ" => SqlType::TimestampLtz(self.precision(6, 9)?),
            "ARRAY" => SqlType::Array(Box::new(self.in_angles(Self::data_type)?)),
            "MAP" => self.map()?,
            "ROW" => self.row()?,
            "INTERVAL" => self.interval_type()?,
            "MULTISET" | "RAW" | "STRUCTURED" | "VARIANT" => {
                return Err(SqlError::not_supported(token.span, format!("the type {upper}")));
            }
            _ => {
                return Err(SqlError::invalid(token.span, format!("there is no type '{word}'"))
                    .help_with(did_you_mean(word, NAMES)));
            }
        })
    }

    fn number(&mut self, what: &str) -> Result<(u32, Span), SqlError> {
        let token = self.peek().clone();
        let TokenKind::Integer(text) = token.kind else { return Err(self.unexpected(what)) };
        self.advance();
        let value =
            text.parse().map_err(|_| SqlError::invalid(token.span, format!("{text} is too great for {what}")))?;
        Ok((value, token.span))
    }

    fn length(&mut self, default: u32) -> Result<u32, SqlError> {
        if self.eat_symbol("(").is_none() {
            return Ok(default);
        }
        let (value, span) = self.number("a length")?;
        self.expect_symbol(")")?;
        if value == 0 || value > i32::MAX as u32 {
            return Err(SqlError::invalid(span, format!("a length is from 1 to {}", i32::MAX)));
        }
        Ok(value)
    }

    fn precision(&mut self, default: u8, max: u8) -> Result<u8, SqlError> {
        if self.eat_symbol("(").is_none() {
            return Ok(default);
        }
        let (value, span) = self.number("a precision")?;
        self.expect_symbol(")")?;
        u8::try_from(value)
            .ok()
            .filter(|value| *value <= max)
            .ok_or_else(|| SqlError::invalid(span, format!("the precision is from 0 to {max}")))
    }

    fn decimal(&mut self) -> Result<SqlType, SqlError> {
        if self.eat_symbol("(").is_none() {
            return Ok(SqlType::Decimal(10, 0));
        }
        let (precision, span) = self.number("a precision")?;
        let scale = if self.eat_symbol(",").is_some() { self.number("a scale")?.0 } else { 0 };
        self.expect_symbol(")")?;
        if precision == 0 || precision > PRECISION_MAX || scale > precision {
            let span = self.since(span);
            return Err(SqlError::invalid(span, format!("DECIMAL({precision}, {scale}) does not exist"))
                .help(format!("the precision is from 1 to {PRECISION_MAX}, the scale from 0 to the precision")));
        }
        Ok(SqlType::Decimal(precision as u8, scale as i8))
    }

    fn time(&mut self) -> Result<SqlType, SqlError> {
        let precision = self.precision(0, 9)?;
        self.eat_words(&["WITHOUT", "TIME", "ZONE"]);
        Ok(SqlType::Time(precision))
    }

    fn timestamp(&mut self) -> Result<SqlType, SqlError> {
        let precision = self.precision(6, 9)?;
        if self.eat_words(&["WITH", "LOCAL", "TIME", "ZONE"]).is_some() {
            return Ok(SqlType::TimestampLtz(precision));
        }
        if self.at_words(&["WITH", "TIME", "ZONE"]) {
            return Err(
                SqlError::not_supported(self.span(), "TIMESTAMP WITH TIME ZONE").help("Flink has TIMESTAMP_LTZ")
            );
        }
        self.eat_words(&["WITHOUT", "TIME", "ZONE"]);
        Ok(SqlType::Timestamp(precision))
    }

    fn in_angles<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        self.expect_symbol("<")?;
        let out = inner(self)?;
        self.expect_symbol(">")?;
        Ok(out)
    }

    fn map(&mut self) -> Result<SqlType, SqlError> {
        self.in_angles(|p| {
            let key = p.data_type()?;
            p.expect_symbol(",")?;
            Ok(SqlType::Map(Box::new(key), Box::new(p.data_type()?)))
        })
    }

    fn row(&mut self) -> Result<SqlType, SqlError> {
        let angles = self.peek_symbol() == Some("<");
        if self.eat_symbol("<>").is_some() {
            return Ok(SqlType::Row(Vec::new()));
        }
        let (open, close) = if angles { ("<", ">") } else { ("(", ")") };
        self.expect_symbol(open)?;
        let fields = self.list(|p| {
            let name = p.ident("a field's name")?.name;
            let typed = p.data_type()?;
            if matches!(p.peek().kind, TokenKind::Text(_)) {
                p.advance();
            }
            Ok(Field { name, typed })
        })?;
        self.expect_symbol(close)?;
        Ok(SqlType::Row(fields))
    }

    fn interval_type(&mut self) -> Result<SqlType, SqlError> {
        let (unit, _) = self.time_unit()?;
        self.length(1)?;
        if self.eat("TO") {
            self.time_unit()?;
            self.length(1)?;
        }
        Ok(if matches!(unit, "YEAR" | "MONTH") { SqlType::IntervalMonths } else { SqlType::IntervalMillis })
    }
}
