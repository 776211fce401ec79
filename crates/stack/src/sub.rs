//! The little language of `Fn::Sub`: `${Name}`, `${Name.Attribute}` and `${!literal}`.

/// A piece of a `Fn::Sub` text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Stands as it is.
    Literal(String),
    /// What stood between `${` and `}`, trimmed.
    Name(String),
}

/// Splits a text into its pieces. A `$` that opens nothing is itself; an unclosed `${` is an error.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        literal.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let Some(end) = inner.find('}') else {
            return Err(format!("'${{{inner}' has no closing brace"));
        };
        let name = &inner[..end];
        match name.strip_prefix('!') {
            Some(kept) => literal.push_str(&format!("${{{kept}}}")),
            None => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Name(name.trim().to_owned()));
            }
        }
        rest = &inner[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_literals_and_lone_dollars() {
        let expected = vec![
            Piece::Literal("a $5 ".to_owned()),
            Piece::Name("Lake.Arn".to_owned()),
            Piece::Literal("/!{timestamp:yyyy}/${kept}".to_owned()),
        ];
        assert_eq!(pieces("a $5 ${Lake.Arn}/!{timestamp:yyyy}/${!kept}").unwrap(), expected);
        assert!(pieces("${open").is_err());
    }
}
