//! How often and when a delivery that failed is tried again.
//!
//! ```text
//! retries:  immediate │ pre-backoff, minDelay apart │ backoff, growing from minDelay to maxDelay │ post-backoff, maxDelay
//! ```
//! Lambda functions have AWS's fixed schedule (source: SNS developer guide, "Message delivery retries"); HTTP endpoints have
//! the topic's and the subscription's `DeliveryPolicy`.

use super::TopicError;
use serde_json::{Map, Value, json};

/// AWS's limit on a delay, in seconds.
const DELAY_SECS_MAX: u32 = 3600;
/// AWS's limit on retries that a policy asks for.
const RETRIES_MAX: u32 = 100;
const CONTENT_TYPE_DEFAULT: &str = "text/plain; charset=UTF-8";

/// How delays grow between `minDelayTarget` and `maxDelayTarget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackoffFunction {
    /// By equal steps.
    Linear,
    /// By steps that grow by equal steps.
    Arithmetic,
    /// By equal factors.
    Geometric,
    /// By equal factors; AWS has two names for it.
    Exponential,
}

/// A schedule of retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Seconds before the first retry that is not immediate.
    pub min_delay_secs: u32,
    /// Seconds before the last one.
    pub max_delay_secs: u32,
    /// All retries.
    pub retries: u32,
    /// Retries at once, first of all.
    pub no_delay_retries: u32,
    /// Then retries after the smallest delay.
    pub min_delay_retries: u32,
    /// Retries after the largest delay, last of all.
    pub max_delay_retries: u32,
    /// How the ones between them grow.
    pub backoff: BackoffFunction,
}

impl RetryPolicy {
    /// AWS's for its own services: 100,015 retries in 23 days.
    pub const MANAGED: Self = Self {
        min_delay_secs: 1,
        max_delay_secs: 20,
        retries: 100_015,
        no_delay_retries: 3,
        min_delay_retries: 2,
        max_delay_retries: 100_000,
        backoff: BackoffFunction::Exponential,
    };
    /// AWS's for HTTP endpoints without a policy: three retries, twenty seconds apart.
    pub const HTTP: Self = Self {
        min_delay_secs: 20,
        max_delay_secs: 20,
        retries: 3,
        no_delay_retries: 0,
        min_delay_retries: 0,
        max_delay_retries: 0,
        backoff: BackoffFunction::Linear,
    };

    /// Seconds to wait before the retry of that number, counted from 0; `None` when there are no more.
    pub fn delay_secs(&self, retry: u32) -> Option<u32> {
        let backoff_begin = self.no_delay_retries + self.min_delay_retries;
        let backoff_end = self.retries.saturating_sub(self.max_delay_retries).max(backoff_begin);
        match retry {
            _ if retry >= self.retries => None,
            _ if retry < self.no_delay_retries => Some(0),
            _ if retry < backoff_begin => Some(self.min_delay_secs),
            _ if retry >= backoff_end => Some(self.max_delay_secs),
            _ => Some(self.backoff_secs(retry - backoff_begin, backoff_end - backoff_begin)),
        }
    }

    fn backoff_secs(&self, step: u32, steps: u32) -> u32 {
        let (min, max) = (f64::from(self.min_delay_secs), f64::from(self.max_delay_secs));
        let part = if steps <= 1 { 1.0 } else { f64::from(step) / f64::from(steps - 1) };
        let delay = match self.backoff {
            BackoffFunction::Linear => min + (max - min) * part,
            BackoffFunction::Arithmetic => min + (max - min) * part * part,
            BackoffFunction::Geometric | BackoffFunction::Exponential => min * (max / min).powf(part),
        };
        delay.round() as u32
    }

    fn parse(policy: &Map<String, Value>) -> Result<Self, TopicError> {
        let mut parsed = Self::HTTP;
        for (name, value) in policy {
            if value.is_null() {
                continue;
            }
            if name == "backoffFunction" {
                parsed.backoff = match value.as_str() {
                    Some("linear") => BackoffFunction::Linear,
                    Some("arithmetic") => BackoffFunction::Arithmetic,
                    Some("geometric") => BackoffFunction::Geometric,
                    Some("exponential") => BackoffFunction::Exponential,
                    _ => {
                        return Err(wrong("backoffFunction must be one of arithmetic, exponential, geometric, linear"));
                    }
                };
                continue;
            }
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            let number = number.ok_or_else(|| wrong(format!("{name} must be a whole number")))?;
            *parsed.member(name)? = number;
        }
        parsed.check()
    }

    fn member(&mut self, name: &str) -> Result<&mut u32, TopicError> {
        Ok(match name {
            "minDelayTarget" => &mut self.min_delay_secs,
            "maxDelayTarget" => &mut self.max_delay_secs,
            "numRetries" => &mut self.retries,
            "numNoDelayRetries" => &mut self.no_delay_retries,
            "numMinDelayRetries" => &mut self.min_delay_retries,
            "numMaxDelayRetries" => &mut self.max_delay_retries,
            _ => return Err(unknown(name)),
        })
    }

    fn check(self) -> Result<Self, TopicError> {
        if !(1..=DELAY_SECS_MAX).contains(&self.min_delay_secs) || !(1..=DELAY_SECS_MAX).contains(&self.max_delay_secs)
        {
            return Err(wrong("minDelayTarget and maxDelayTarget must be between 1 and 3600"));
        }
        if self.min_delay_secs > self.max_delay_secs {
            return Err(wrong("minDelayTarget must be less than or equal to maxDelayTarget"));
        }
        if self.retries > RETRIES_MAX {
            return Err(wrong("numRetries must be less than or equal to 100"));
        }
        let phases = [self.no_delay_retries, self.min_delay_retries, self.max_delay_retries];
        if phases.iter().map(|phase| u64::from(*phase)).sum::<u64>() > u64::from(self.retries) {
            return Err(wrong("numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries exceed numRetries"));
        }
        Ok(self)
    }

    fn to_json(self) -> Value {
        let backoff = match self.backoff {
            BackoffFunction::Linear => "linear",
            BackoffFunction::Arithmetic => "arithmetic",
            BackoffFunction::Geometric => "geometric",
            BackoffFunction::Exponential => "exponential",
        };
        json!({
            "minDelayTarget": self.min_delay_secs,
            "maxDelayTarget": self.max_delay_secs,
            "numRetries": self.retries,
            "numMaxDelayRetries": self.max_delay_retries,
            "numNoDelayRetries": self.no_delay_retries,
            "numMinDelayRetries": self.min_delay_retries,
            "backoffFunction": backoff,
        })
    }
}

/// A topic's `DeliveryPolicy`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TopicDeliveryPolicy {
    retry: Option<RetryPolicy>,
    disable_subscription_overrides: bool,
    content_type: Option<String>,
}

impl TopicDeliveryPolicy {
    /// `{"http": {"defaultHealthyRetryPolicy": …, "disableSubscriptionOverrides": …, "defaultRequestPolicy": …}}`.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        let mut parsed = Self::default();
        for (name, value) in &object(text)? {
            if name != "http" {
                return Err(unknown(name));
            }
            for (name, value) in members(name, value)? {
                match name.as_str() {
                    _ if value.is_null() => {}
                    "defaultHealthyRetryPolicy" => parsed.retry = Some(RetryPolicy::parse(members(name, value)?)?),
                    "disableSubscriptionOverrides" => {
                        let disable = value.as_bool();
                        parsed.disable_subscription_overrides =
                            disable.ok_or_else(|| wrong("disableSubscriptionOverrides must be true or false"))?;
                    }
                    "defaultRequestPolicy" => parsed.content_type = content_type(members(name, value)?)?,
                    _ => return Err(unknown(name)),
                }
            }
        }
        Ok(parsed)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "defaultHealthyRetryPolicy": self.retry.unwrap_or(RetryPolicy::HTTP).to_json(),
            "disableSubscriptionOverrides": self.disable_subscription_overrides,
            "defaultRequestPolicy": {"headerContentType": self.content_type.as_deref().unwrap_or(CONTENT_TYPE_DEFAULT)},
        })
    }
}

/// A subscription's `DeliveryPolicy`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubscriptionDeliveryPolicy {
    retry: Option<RetryPolicy>,
    content_type: Option<String>,
}

impl SubscriptionDeliveryPolicy {
    /// `{"healthyRetryPolicy": …, "requestPolicy": …}`.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        let mut parsed = Self::default();
        for (name, value) in &object(text)? {
            match name.as_str() {
                _ if value.is_null() => {}
                "guaranteed" if *value == Value::Bool(false) => {}
                "healthyRetryPolicy" => parsed.retry = Some(RetryPolicy::parse(members(name, value)?)?),
                "requestPolicy" => parsed.content_type = content_type(members(name, value)?)?,
                "throttlePolicy" | "sicklyRetryPolicy" => {
                    return Err(TopicError::Unsupported(format!("{name} in a delivery policy")));
                }
                _ => return Err(unknown(name)),
            }
        }
        Ok(parsed)
    }

    /// What holds for a subscription under a topic's policy.
    pub(super) fn under(&self, topic: &TopicDeliveryPolicy) -> EffectivePolicy {
        let overrides = !topic.disable_subscription_overrides;
        let retry = self.retry.filter(|_| overrides).or(topic.retry).unwrap_or(RetryPolicy::HTTP);
        let content_type = self.content_type.clone().filter(|_| overrides).or_else(|| topic.content_type.clone());
        EffectivePolicy { retry, content_type: content_type.unwrap_or_else(|| CONTENT_TYPE_DEFAULT.to_owned()) }
    }
}

/// How one HTTP endpoint is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EffectivePolicy {
    pub(super) retry: RetryPolicy,
    pub(super) content_type: String,
}

impl EffectivePolicy {
    /// As `EffectiveDeliveryPolicy` shows it.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "healthyRetryPolicy": self.retry.to_json(),
            "sicklyRetryPolicy": null,
            "throttlePolicy": null,
            "requestPolicy": {"headerContentType": self.content_type},
            "guaranteed": false,
        })
    }
}

fn content_type(policy: &Map<String, Value>) -> Result<Option<String>, TopicError> {
    let mut content_type = None;
    for (name, value) in policy {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("headerContentType", Value::String(text)) => content_type = Some(text.clone()),
            ("headerContentType", _) => return Err(wrong("headerContentType must be a text")),
            _ => return Err(unknown(name)),
        }
    }
    Ok(content_type)
}

fn object(text: &str) -> Result<Map<String, Value>, TopicError> {
    serde_json::from_str(text).map_err(|error| wrong(format!("failed to parse JSON. {error}")))
}

fn members<'a>(name: &str, value: &'a Value) -> Result<&'a Map<String, Value>, TopicError> {
    value.as_object().ok_or_else(|| wrong(format!("{name} must be an object")))
}

fn unknown(name: &str) -> TopicError {
    wrong(format!("unexpected member {name}"))
}

fn wrong(what: impl std::fmt::Display) -> TopicError {
    TopicError::invalid(format!("DeliveryPolicy: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managed_endpoints_follow_the_four_phases() {
        let delays: Vec<Option<u32>> = (0..16).map(|retry| RetryPolicy::MANAGED.delay_secs(retry)).collect();
        assert_eq!(delays[..5], [Some(0), Some(0), Some(0), Some(1), Some(1)]);
        assert_eq!((delays[5], delays[14], delays[15]), (Some(1), Some(20), Some(20)));
        assert!(delays.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(RetryPolicy::MANAGED.delay_secs(100_014), Some(20));
        assert_eq!(RetryPolicy::MANAGED.delay_secs(100_015), None);
    }

    #[test]
    fn http_endpoints_have_three_retries_unless_a_policy_says_otherwise() {
        let topic = TopicDeliveryPolicy::default();
        let plain = SubscriptionDeliveryPolicy::default().under(&topic);
        assert_eq!([0, 1, 2, 3].map(|retry| plain.retry.delay_secs(retry)), [Some(20), Some(20), Some(20), None]);
        let own = r#"{"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 9, "numRetries": 5,
                      "numNoDelayRetries": 1, "numMinDelayRetries": 1, "numMaxDelayRetries": 1,
                      "backoffFunction": "linear"}}"#;
        let own = SubscriptionDeliveryPolicy::parse(own).unwrap();
        let delays = [0, 1, 2, 3, 4, 5].map(|retry| own.under(&topic).retry.delay_secs(retry));
        assert_eq!(delays, [Some(0), Some(1), Some(1), Some(9), Some(9), None]);
        let strict = TopicDeliveryPolicy::parse(r#"{"http": {"disableSubscriptionOverrides": true}}"#).unwrap();
        assert_eq!(own.under(&strict).retry, RetryPolicy::HTTP);
    }

    #[test]
    fn wrong_policies_say_where() {
        let refused = |text: &str| SubscriptionDeliveryPolicy::parse(text).unwrap_err().to_string();
        assert!(refused("[").contains("failed to parse JSON"));
        assert!(refused(r#"{"healthyRetryPolicy": {"numRetries": 101}}"#).contains("less than or equal to 100"));
        assert!(refused(r#"{"healthyRetryPolicy": {"minDelayTarget": 30}}"#).contains("minDelayTarget must be less"));
        assert!(refused(r#"{"healthyRetryPolicy": {"tries": 1}}"#).contains("unexpected member tries"));
        assert!(refused(r#"{"throttlePolicy": {"maxReceivesPerSecond": 5}}"#).contains("does not support"));
    }
}
