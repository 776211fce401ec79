//! Shapes generated from AWS's service models: never edited by hand, see `cargo xtask models`.

pub mod kinesis;

#[cfg(test)]
mod tests {
    #[test]
    fn every_pattern_compiles() {
        for rule in super::kinesis::PATTERNED {
            assert!(rule.regex().is_some());
        }
    }
}
