//! Hive type texts, as Glue tables carry them: `struct<a:int,b:array<string>>`.

use crate::{Field, SqlType, Typed};

/// A text that is no Hive type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no Hive type: {reason} at '{rest}'")]
pub struct HiveTypeError {
    /// The whole text.
    pub text: String,
    /// What is wrong.
    pub reason: String,
    /// From the place on where it is wrong.
    pub rest: String,
}

/// The nesting that is read; it bounds the stack.
const DEPTH_MAX: usize = 64;

/// Reads a Hive type. Names in structs are kept as they are; `timestamp` has milliseconds, as Athena's.
pub fn parse_type(text: &str) -> Result<SqlType, HiveTypeError> {
    let mut parser = Parser { rest: text };
    let result = parser
        .ty(0)
        .and_then(|ty| if parser.skip_space().is_empty() { Ok(ty) } else { Err("the type has ended".into()) });
    result.map_err(|reason| HiveTypeError { text: text.to_owned(), reason, rest: parser.rest.to_owned() })
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn word(&mut self, extra: &str) -> &'a str {
        let rest = self.skip_space();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && !extra.contains(c)).unwrap_or(rest.len());
        self.rest = &rest[end..];
        &rest[..end]
    }

    fn take(&mut self, expected: char) -> bool {
        let rest = self.skip_space();
        let found = rest.strip_prefix(expected);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    fn expect(&mut self, expected: char) -> Result<(), String> {
        if self.take(expected) { Ok(()) } else { Err(format!("'{expected}' was expected")) }
    }

    fn number(&mut self) -> Result<u32, String> {
        self.word("").parse().map_err(|_| "a number was expected".to_owned())
    }

    fn item(&mut self, depth: usize) -> Result<Box<Typed>, String> {
        Ok(Box::new(Typed { ty: self.ty(depth + 1)?, nullable: true }))
    }

    fn ty(&mut self, depth: usize) -> Result<SqlType, String> {
        if depth > DEPTH_MAX {
            return Err(format!("the nesting is deeper than {DEPTH_MAX}"));
        }
        let name = self.word("").to_ascii_lowercase();
        Ok(match name.as_str() {
            "boolean" => SqlType::Boolean,
            "tinyint" => SqlType::TinyInt,
            "smallint" => SqlType::SmallInt,
            "int" | "integer" => SqlType::Int,
            "bigint" => SqlType::BigInt,
            "float" | "real" => SqlType::Float,
            "double" => SqlType::Double,
            "string" => SqlType::STRING,
            "binary" => SqlType::BYTES,
            "date" => SqlType::Date,
            "timestamp" => SqlType::Timestamp(3),
            "char" | "varchar" => {
                self.expect('(')?;
                let len = self.number()?;
                self.expect(')')?;
                if name == "char" { SqlType::Char(len) } else { SqlType::Varchar(len) }
            }
            "decimal" | "numeric" => self.decimal()?,
            "array" => {
                self.expect('<')?;
                let item = self.item(depth)?;
                self.expect('>')?;
                SqlType::Array(item)
            }
            "map" => {
                self.expect('<')?;
                let key = self.item(depth)?;
                self.expect(',')?;
                let value = self.item(depth)?;
                self.expect('>')?;
                SqlType::Map(key, value)
            }
            "struct" => SqlType::Row(self.fields(depth)?),
            "" => return Err("a type was expected".to_owned()),
            other => return Err(format!("'{other}' is no type that is supported")),
        })
    }

    fn decimal(&mut self) -> Result<SqlType, String> {
        if !self.take('(') {
            return Ok(SqlType::Decimal(10, 0));
        }
        let precision = self.number()?;
        let scale = if self.take(',') { self.number()? } else { 0 };
        self.expect(')')?;
        if !(1..=38).contains(&precision) || scale > precision {
            return Err("a decimal has 1 to 38 digits and at most as many places".to_owned());
        }
        Ok(SqlType::Decimal(precision as u8, scale as i8))
    }

    fn fields(&mut self, depth: usize) -> Result<Vec<Field>, String> {
        self.expect('<')?;
        let mut fields = Vec::new();
        loop {
            let name = self.word("-.$@ ").trim();
            if name.is_empty() {
                return Err("a field's name was expected".to_owned());
            }
            self.expect(':')?;
            fields.push(Field { name: name.to_owned(), typed: *self.item(depth)? });
            if !self.take(',') {
                self.expect('>')?;
                return Ok(fields);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read() {
        let cases = [
            ("int", "INT"),
            (" BIGINT ", "BIGINT"),
            ("decimal(12, 2)", "DECIMAL(12, 2)"),
            ("decimal", "DECIMAL(10, 0)"),
            ("varchar(20)", "VARCHAR(20)"),
            ("array<string>", "ARRAY<STRING>"),
            ("map<string,array<double>>", "MAP<STRING, ARRAY<DOUBLE>>"),
            ("struct<a:int,b:array<struct<c:string>>>", "ROW<`a` INT, `b` ARRAY<ROW<`c` STRING>>>"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_type(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn errors_name_the_place() {
        let error = parse_type("array<strin>").unwrap_err().to_string();
        assert_eq!(error, "'array<strin>' is no Hive type: 'strin' is no type that is supported at '>'");
        for text in ["", "array<int", "int int", "decimal(50)", "struct<>", "map<int>", "char"] {
            assert!(parse_type(text).is_err(), "{text}");
        }
        assert!(parse_type(&"array<".repeat(100)).is_err());
    }
}
