//! Names of indices, and expressions of several.

use crate::error::Error;
use millrace_base::wildcard_matches;

const NAME_BYTES_MAX: usize = 255;

/// Checks a new index's name by OpenSearch's rules.
pub fn check(name: &str) -> Result<(), Error> {
    let wrong = |why: &str| Err(Error::invalid_index_name(name, why));
    if name.is_empty() || matches!(name, "." | "..") {
        return wrong("must not be empty, '.' or '..'");
    }
    if name.chars().any(char::is_uppercase) {
        return wrong("must be lowercase");
    }
    if name.starts_with(['_', '-', '+']) {
        return wrong("must not start with '_', '-', or '+'");
    }
    if name.contains(['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'])
        || name.chars().any(char::is_control)
    {
        return wrong("must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?, #, :]");
    }
    if name.len() > NAME_BYTES_MAX {
        return wrong("index name is too long, it must be at most 255 bytes");
    }
    Ok(())
}

/// The names that an expression selects, in order and once each.
pub fn resolve(
    expression: &str,
    names: &mut dyn Iterator<Item = &str>,
    ignore_unavailable: bool,
) -> Result<Vec<String>, Error> {
    let names: Vec<&str> = names.collect();
    let mut chosen: Vec<String> = Vec::new();
    let expression = if expression.is_empty() { "*" } else { expression };
    for (at, part) in expression.split(',').enumerate() {
        let (exclude, part) = match part.strip_prefix('-') {
            Some(part) if at > 0 => (true, part),
            _ => (false, part),
        };
        let part = if part == "_all" { "*" } else { part };
        if !part.contains('*') {
            match names.contains(&part) {
                _ if exclude => chosen.retain(|name| name != part),
                true => chosen.push(part.to_owned()),
                false if ignore_unavailable => {}
                false => return Err(Error::index_not_found(part)),
            }
            continue;
        }
        if exclude {
            chosen.retain(|name| !wildcard_matches(part, name));
        } else {
            chosen.extend(names.iter().filter(|name| wildcard_matches(part, name)).map(|name| (*name).to_owned()));
        }
    }
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let names = ["flights-1", "flights-2", "orders"];
        let of = |expression: &str| resolve(expression, &mut names.into_iter(), false).map(|names| names.join(" "));
        assert_eq!(of("flights-*,-flights-1"), Ok("flights-2".into()));
        assert_eq!(of("_all"), Ok("flights-1 flights-2 orders".into()));
        assert_eq!(of("orders,orders"), Ok("orders".into()));
        assert_eq!(of("none-*"), Ok(String::new()));
        assert_eq!(of("none").unwrap_err().kind, "index_not_found_exception");
        assert!(check("Upper").is_err() && check("_x").is_err() && check("a b").is_err() && check("ok-1.x").is_ok());
    }
}
