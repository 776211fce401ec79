//! Why a text is no event pattern, in the words of AWS's own compiler of them where they are known.

/// What is wrong with a pattern. SNS puts `Invalid parameter: FilterPolicy: ` before these words; Lambda answers
/// `Invalid filter pattern definition.` to all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no JSON.
    #[error("failed to parse JSON. {0}")]
    Json(String),
    /// It is JSON, but no object.
    #[error("Filter is not an object")]
    NotAnObject,
    /// A field holds neither a sub-pattern nor an array of tests.
    #[error("\"{0}\" must be an object or an array")]
    NotATest(String),
    /// A field holds `{}`.
    #[error("Empty objects are not allowed")]
    EmptyObject,
    /// A field, an `anything-but` or a `$or` holds `[]`.
    #[error("Empty arrays are not allowed")]
    EmptyArray,
    /// An array of tests holds an array.
    #[error("Match value must be String, number, true, false, or null")]
    NotAValue,
    /// A test that is an object has none or several keys.
    #[error("Only one key allowed in match expression")]
    OneKey,
    /// A test of a name that there is not.
    #[error("Unrecognized match type {0}")]
    UnknownMatch(String),
    /// A test's operand is no text.
    #[error("{0} match pattern must be a string")]
    NotText(&'static str),
    /// `exists` takes a truth value.
    #[error("exists match pattern must be either true or false.")]
    Exists,
    /// `numeric` takes an array.
    #[error("Value of numeric must be an array.")]
    NumericNotArray,
    /// `numeric` begins with an operator.
    #[error("Invalid member in numeric match: {0}")]
    NumericMember(String),
    /// An operator that there is not.
    #[error("Unrecognized numeric range operator: {0}")]
    NumericOperator(String),
    /// An operator without its number.
    #[error("Value of {0} must be numeric")]
    NumericOperand(String),
    /// Something that is no upper bound follows a lower bound.
    #[error("Bad numeric range operator: {0}")]
    NumericRange(String),
    /// More than a range takes.
    #[error("Too many elements in numeric expression")]
    NumericTooMany,
    /// A range that nothing can be in.
    #[error("Bottom must be less than top")]
    NumericEmpty,
    /// `anything-but` takes a value, a list of values, or one of four tests.
    #[error("Value of anything-but must be an array or single string/number value.")]
    AnythingBut,
    /// A test that `anything-but` does not take.
    #[error("Unsupported anything-but pattern: {0}")]
    AnythingButMatch(String),
    /// No text is without the empty prefix and suffix, so nothing could match.
    #[error("Null prefix/suffix not allowed")]
    AnythingButEmpty,
    /// `**` says no more than `*`.
    #[error("Consecutive wildcard characters at pos {0}")]
    WildcardTwice(usize),
    /// Only `*` and `\` are escaped.
    #[error("Invalid escape character at pos {0}")]
    WildcardEscape(usize),
    /// More than one slash.
    #[error("Malformed CIDR, one '/' required")]
    CidrSlash,
    /// A mask that is no number.
    #[error("Malformed CIDR, mask bits must be an integer")]
    CidrMask,
    /// More bits than an address has.
    #[error("Malformed CIDR, mask bits must be no more than {0}")]
    CidrMaskBits(u32),
    /// No address before the slash.
    #[error("Nonstandard IP address: {0}")]
    CidrAddress(String),
}
