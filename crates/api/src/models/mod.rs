//! Shapes generated from AWS's service models: never edited by hand, see `cargo xtask models`.

pub mod cloudwatch;
pub mod firehose;
pub mod glue;
pub mod iam;
pub mod kinesis;
pub mod kinesisanalyticsv2;
pub mod kms;
pub mod lambda;
pub mod logs;
pub mod sns;
pub mod sqs;
pub mod sts;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        let first = [cloudwatch::PATTERNED, firehose::PATTERNED, glue::PATTERNED, iam::PATTERNED, kinesis::PATTERNED];
        let second =
            [kms::PATTERNED, lambda::PATTERNED, logs::PATTERNED, sns::PATTERNED, sqs::PATTERNED, sts::PATTERNED];
        let third = [kinesisanalyticsv2::PATTERNED];
        for rule in first.into_iter().chain(second).chain(third).flatten() {
            assert!(rule.regex().is_some());
        }
    }
}
