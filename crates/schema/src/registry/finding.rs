//! What the rules find: a place where a reader's schema cannot take what a writer's schema allows.

/// A rule of schema evolution, and what to do when it is broken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Short and stable, for people and scripts.
    pub name: &'static str,
    /// What to do when the new version is the reader.
    pub new_reads: &'static str,
    /// What to do when the old version is the reader.
    pub old_reads: &'static str,
}

/// One place where a rule is broken. Directions are the caller's: here is only a writer and a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The rule that is broken.
    pub rule: &'static Rule,
    /// The path of the place.
    pub at: String,
    /// What the writer's schema says there.
    pub writer: String,
    /// What the reader's schema says there.
    pub reader: String,
    /// Why that breaks, in a sentence without its full stop.
    pub why: String,
}

/// A rule as a constant.
macro_rules! rules {
    ($($id:ident = $name:literal, new reads: $new:literal, old reads: $old:literal;)*) => {$(
        pub(super) const $id: crate::registry::finding::Rule =
            crate::registry::finding::Rule { name: $name, new_reads: $new, old_reads: $old };
    )*};
}

pub(super) use rules;

/// How many pairs of schemas are compared before a comparison is given up: far more than a sensible schema has, and a second
/// of work at most.
pub(super) const STEPS_MAX: u32 = 200_000;
