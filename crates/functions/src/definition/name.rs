//! Names of functions, versions and layers, in every form in which Lambda takes them.

use super::FunctionsError;
use crate::FunctionKey;
use millrace_base::{Arn, Scope};

/// The name of the version that is worked on.
pub const LATEST: &str = "$LATEST";
/// AWS's ceiling for the name alone.
const NAME_CHARS_MAX: usize = 64;

/// A function as a request names it: which, and which version or alias of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRef {
    /// The function.
    pub key: FunctionKey,
    /// A version or an alias, when one was named.
    pub qualifier: Option<String>,
}

impl FunctionRef {
    /// Reads `NAME`, `ACCOUNT:function:NAME`, `function:NAME` or a whole ARN, each with or without `:QUALIFIER`.
    ///
    /// `qualifier` is the one that was given beside the name; the two must not contradict each other.
    pub fn parse(scope: &Scope, name: &str, qualifier: Option<&str>) -> Result<Self, FunctionsError> {
        let (owner, rest) = match name.parse::<Arn>() {
            Ok(arn) => (arn.scope.clone(), arn.resource.strip_prefix("function:").unwrap_or(&arn.resource).to_owned()),
            Err(_) => of_partial(scope, name),
        };
        let (plain, named) = match rest.split_once(':') {
            Some((plain, qualifier)) => (plain, Some(qualifier)),
            None => (rest.as_str(), None),
        };
        check_name(plain)?;
        if owner.region != scope.region {
            return Err(FunctionsError::ResourceNotFound(format!(
                "Functions from '{}' are not reachable in this region ('{}')",
                owner.region, scope.region
            )));
        }
        if owner.account != scope.account {
            return Err(FunctionsError::AccessDenied(format!(
                "User: arn:aws:iam::{}:root is not authorized to use the function {}: it belongs to another account",
                scope.account,
                owner.arn("lambda", &format!("function:{plain}"))
            )));
        }
        let qualifier = match (named, qualifier) {
            (Some(named), Some(given)) if named != given => {
                return Err(FunctionsError::invalid(
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ));
            }
            (named, given) => given.or(named).map(str::to_owned),
        };
        Ok(Self { key: FunctionKey { scope: owner, name: plain.into() }, qualifier })
    }

    /// The ARN with the qualifier, if there is one.
    pub fn arn(&self) -> String {
        qualified_arn(&self.key, self.qualifier.as_deref())
    }

    /// Refuses a qualifier where only whole functions are meant.
    pub fn unqualified(self) -> Result<FunctionKey, FunctionsError> {
        match self.qualifier.as_deref() {
            None | Some(LATEST) => Ok(self.key),
            Some(qualifier) => Err(FunctionsError::invalid(format!(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this \
                 operation. Please specify either a function name or an unqualified function ARN, without :{qualifier}."
            ))),
        }
    }
}

/// `ARN` or `ARN:QUALIFIER`.
pub fn qualified_arn(key: &FunctionKey, qualifier: Option<&str>) -> String {
    match qualifier {
        Some(qualifier) => format!("{}:{qualifier}", key.arn()),
        None => key.arn().to_string(),
    }
}

/// `ACCOUNT:function:NAME[:QUALIFIER]`, `function:NAME[:QUALIFIER]` or `NAME[:QUALIFIER]`.
fn of_partial(scope: &Scope, name: &str) -> (Scope, String) {
    if let Some(rest) = name.strip_prefix("function:") {
        return (scope.clone(), rest.to_owned());
    }
    match name.split_once(":function:") {
        Some((account, rest)) => (Scope::new(account, &scope.region), rest.to_owned()),
        None => (scope.clone(), name.to_owned()),
    }
}

fn check_name(name: &str) -> Result<(), FunctionsError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(allowed) {
        return Err(FunctionsError::Validation(format!(
            "Value '{name}' at 'functionName' failed to satisfy constraint: Member must be 1 to {NAME_CHARS_MAX} of \
             a-z, A-Z, 0-9, - and _"
        )));
    }
    Ok(())
}

/// A layer, or a version of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerName {
    /// Account and region.
    pub scope: Scope,
    /// The layer's name.
    pub name: String,
    /// Its version, when one was named.
    pub version: Option<u64>,
}

impl LayerName {
    /// Reads a layer's name or ARN, with or without a version.
    pub fn parse(scope: &Scope, text: &str) -> Result<Self, FunctionsError> {
        let bad = || FunctionsError::invalid(format!("Invalid layer name or ARN: {text}"));
        let Ok(arn) = text.parse::<Arn>() else {
            let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
            let is_name = !text.is_empty() && text.len() <= 140 && text.chars().all(allowed);
            return is_name
                .then(|| Self { scope: scope.clone(), name: text.to_owned(), version: None })
                .ok_or_else(bad);
        };
        let rest = arn.resource.strip_prefix("layer:").ok_or_else(bad)?;
        let (name, version) = match rest.split_once(':') {
            Some((name, version)) => (name, Some(version.parse().map_err(|_| bad())?)),
            None => (rest, None),
        };
        Ok(Self { scope: arn.scope.clone(), name: name.to_owned(), version })
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:layer:NAME`.
    pub fn layer_arn(&self) -> String {
        self.scope.arn("lambda", &format!("layer:{}", self.name)).to_string()
    }

    /// The ARN of a version of it.
    pub fn version_arn(&self, version: u64) -> String {
        format!("{}:{version}", self.layer_arn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, qualifier: Option<&str>) -> Result<(String, Option<String>), String> {
        let found = FunctionRef::parse(&Scope::default(), name, qualifier).map_err(|error| error.to_string())?;
        Ok((found.key.name.to_string(), found.qualifier))
    }

    #[test]
    fn every_form_of_a_name_is_read() {
        let plain = Ok(("f".to_owned(), None));
        assert_eq!(parse("f", None), plain);
        assert_eq!(parse("function:f", None), plain);
        assert_eq!(parse("000000000000:function:f", None), plain);
        assert_eq!(parse("arn:aws:lambda:us-east-1:000000000000:function:f", None), plain);
        let qualified = Ok(("f".to_owned(), Some("7".to_owned())));
        assert_eq!(parse("f:7", None), qualified);
        assert_eq!(parse("f", Some("7")), qualified);
        assert_eq!(parse("arn:aws:lambda:us-east-1:000000000000:function:f:7", Some("7")), qualified);
    }

    #[test]
    fn contradictions_and_strangers_are_refused() {
        assert!(parse("f:7", Some("8")).unwrap_err().contains("derived qualifier"));
        assert!(parse("arn:aws:lambda:eu-west-1:000000000000:function:f", None).unwrap_err().contains("eu-west-1"));
        assert!(parse("111111111111:function:f", None).unwrap_err().contains("another account"));
        assert!(parse("f.g", None).is_err());
        assert!(parse(&"f".repeat(65), None).is_err());
    }

    #[test]
    fn layers_have_names_and_arns() {
        let layer = LayerName::parse(&Scope::default(), "arn:aws:lambda:us-east-1:000000000000:layer:l:3").unwrap();
        assert_eq!((layer.name.as_str(), layer.version), ("l", Some(3)));
        assert_eq!(layer.version_arn(4), "arn:aws:lambda:us-east-1:000000000000:layer:l:4");
        assert!(LayerName::parse(&Scope::default(), "a b").is_err());
    }
}
