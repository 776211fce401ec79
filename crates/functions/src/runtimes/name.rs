//! The names of runtimes, as AWS has them.

/// How functions of a runtime are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// `python3.MINOR`.
    Python {
        /// For example 13.
        minor: u8,
    },
    /// `nodejsMAJOR.x`.
    Node {
        /// For example 22.
        major: u8,
    },
    /// `javaMAJOR`.
    Java {
        /// For example 21.
        major: u8,
    },
    /// `provided…`: the package brings an executable `bootstrap`.
    Provided,
}

/// Why a runtime is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeNameError {
    /// AWS has none of this name.
    #[error(
        "Value {0} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{names}] or be a valid ARN",
        names = supported().collect::<Vec<_>>().join(", ")
    )]
    Unknown(String),
    /// AWS took it once.
    #[error(
        "The runtime parameter of {0} is no longer supported for creating or updating AWS Lambda functions. We recommend \
         you use a supported runtime while creating or updating functions."
    )]
    Retired(String),
    /// AWS has it, Millrace does not run it.
    #[error(
        "runtime {0} is not supported yet by Millrace; python3.x, nodejsN.x, javaN and provided.al2023 (an executable \
         'bootstrap') are"
    )]
    Unsupported(String),
}

use Runtime::{Java, Node, Provided, Python};

const RUN: [(&str, Runtime); 26] = [
    ("nodejs16.x", Node { major: 16 }),
    ("nodejs18.x", Node { major: 18 }),
    ("nodejs20.x", Node { major: 20 }),
    ("nodejs22.x", Node { major: 22 }),
    ("nodejs24.x", Node { major: 24 }),
    ("nodejs26.x", Node { major: 26 }),
    ("python3.8", Python { minor: 8 }),
    ("python3.9", Python { minor: 9 }),
    ("python3.10", Python { minor: 10 }),
    ("python3.11", Python { minor: 11 }),
    ("python3.12", Python { minor: 12 }),
    ("python3.13", Python { minor: 13 }),
    ("python3.14", Python { minor: 14 }),
    ("python3.15", Python { minor: 15 }),
    ("java8.al2", Java { major: 8 }),
    ("java8.al2023", Java { major: 8 }),
    ("java11", Java { major: 11 }),
    ("java11.al2023", Java { major: 11 }),
    ("java17", Java { major: 17 }),
    ("java17.al2023", Java { major: 17 }),
    ("java21", Java { major: 21 }),
    ("java25", Java { major: 25 }),
    ("provided", Provided),
    ("provided.al2", Provided),
    ("provided.al2023", Provided),
    ("custom", Provided),
];

const RETIRED: [&str; 18] = [
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "python2.7",
    "python3.6",
    "python3.7",
    "java8",
    "go1.x",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "ruby2.5",
];

const ELSEWHERE: [&str; 8] = ["dotnet6", "dotnet8", "dotnet10", "ruby2.7", "ruby3.2", "ruby3.3", "ruby3.4", "ruby4.0"];

fn supported() -> impl Iterator<Item = &'static str> {
    RUN.iter().map(|(name, _)| *name).chain(ELSEWHERE)
}

impl Runtime {
    /// The runtime of a name.
    pub fn parse(name: &str) -> Result<Self, RuntimeNameError> {
        if let Some((_, runtime)) = RUN.iter().find(|(known, _)| *known == name) {
            return Ok(*runtime);
        }
        Err(match name {
            _ if RETIRED.contains(&name) => RuntimeNameError::Retired(name.to_owned()),
            _ if ELSEWHERE.contains(&name) => RuntimeNameError::Unsupported(name.to_owned()),
            _ => RuntimeNameError::Unknown(name.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(Runtime::parse("python3.13"), Ok(Python { minor: 13 }));
        assert_eq!(Runtime::parse("provided.al2023"), Ok(Provided));
        assert!(matches!(Runtime::parse("python2.7"), Err(RuntimeNameError::Retired(_))));
        assert!(matches!(Runtime::parse("ruby3.4"), Err(RuntimeNameError::Unsupported(_))));
        let unknown = Runtime::parse("python2.9").unwrap_err().to_string();
        let begin = "Value python2.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [";
        assert!(unknown.starts_with(begin) && unknown.ends_with("] or be a valid ARN"), "{unknown}");
    }
}
