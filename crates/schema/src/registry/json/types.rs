//! Sets of JSON's types, where integers are some of the numbers.

use serde_json::Value;

/// Some of JSON's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeSet(u8);

/// The types by their bits; a number is an integer or has a fraction.
const NAMES: [(&str, u8); 7] =
    [("null", 1), ("boolean", 2), ("object", 4), ("array", 8), ("string", 16), ("number", 96), ("integer", 32)];

impl TypeSet {
    pub const ALL: Self = Self(127);
    pub const NONE: Self = Self(0);
    pub const OBJECT: Self = Self(4);
    pub const ARRAY: Self = Self(8);
    pub const STRING: Self = Self(16);
    pub const INTEGER: Self = Self(32);
    pub const NUMBER: Self = Self(96);

    /// The type of a name of `type`; none for an unknown one.
    pub fn named(name: &str) -> Self {
        NAMES.iter().find(|(other, _)| *other == name).map_or(Self::NONE, |(_, bits)| Self(*bits))
    }

    /// The type of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self(1),
            Value::Bool(_) => Self(2),
            Value::Object(_) => Self::OBJECT,
            Value::Array(_) => Self::ARRAY,
            Value::String(_) => Self::STRING,
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() != 0.0) => Self(64),
            Value::Number(_) => Self::INTEGER,
        }
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The set as a number, to compare by.
    pub fn bits(self) -> usize {
        usize::from(self.0)
    }

    /// One set for each type.
    pub fn each(self) -> Vec<Self> {
        [1, 2, 4, 8, 16, 96].into_iter().map(|bits| Self(self.0 & bits)).filter(|set| set.0 != 0).collect()
    }
}

impl std::fmt::Display for TypeSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::ALL {
            return f.write_str("any type");
        }
        let mut left = self.0;
        let mut names = Vec::new();
        for (name, bits) in NAMES {
            if left & bits == bits {
                left &= !bits;
                names.push(name);
            }
        }
        if left != 0 {
            names.push("number with a fraction");
        }
        f.write_str(&names.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_are_numbers() {
        assert!(TypeSet::INTEGER.is_within(TypeSet::NUMBER));
        assert!(!TypeSet::NUMBER.is_within(TypeSet::INTEGER));
        assert_eq!(TypeSet::of(&json!(1.0)), TypeSet::INTEGER);
        assert_eq!(TypeSet::named("number").or(TypeSet::named("null")).to_string(), "null or number");
        assert_eq!(TypeSet::NUMBER.without(TypeSet::INTEGER).to_string(), "number with a fraction");
    }
}
