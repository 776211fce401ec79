//! Shapes generated from AWS's service models: never edited by hand, see `cargo xtask models`.

pub mod firehose;
pub mod glue;
pub mod kinesis;

#[cfg(test)]
mod tests {
    #[test]
    fn every_pattern_compiles() {
        for rule in [super::firehose::PATTERNED, super::glue::PATTERNED, super::kinesis::PATTERNED].concat() {
            assert!(rule.regex().is_some());
        }
    }
}
