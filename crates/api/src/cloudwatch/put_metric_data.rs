//! PutMetricData: values, several values with counts, or statistics. All is checked before anything is kept.

use super::{CloudWatch, metric};
use crate::http::Caller;
use crate::models::cloudwatch::{MetricDatum, PutMetricDataInput, StatisticSet, faults};
use crate::wire::Fault;
use millrace_base::Millis;
use millrace_watch::{NotKept, Resolution, Statistics, Summary};

/// AWS's ceilings.
const DATA_MAX: usize = 1000;
const VALUES_MAX: usize = 150;
/// Two to the power of 360: what AWS takes either side of zero.
const VALUE_MAX: f64 = 2.348_542_582_773_833_2e108;
const TWO_WEEKS_MS: Millis = 14 * 24 * 3_600_000;
const TWO_HOURS_MS: Millis = 2 * 3_600_000;
/// What clocks may be apart and requests be under way.
const SLACK_MS: Millis = 3_600_000;

pub fn call(service: &CloudWatch, caller: &Caller, input: PutMetricDataInput) -> Result<(), Fault> {
    if input.namespace.starts_with("AWS/") {
        return Err(faults::INVALID_PARAMETER_VALUE_EXCEPTION
            .because("The value AWS/ for parameter Namespace is invalid: it is reserved for AWS's own metrics."));
    }
    let Some(data) = input.metric_data.filter(|data| !data.is_empty()) else {
        return Err(faults::MISSING_REQUIRED_PARAMETER_EXCEPTION.because("The parameter MetricData is required."));
    };
    if data.len() > DATA_MAX {
        return Err(faults::INVALID_PARAMETER_VALUE_EXCEPTION.because(format!(
            "The collection MetricData must not have a size greater than {DATA_MAX}: it has {}.",
            data.len()
        )));
    }
    let now = service.clock.now();
    let read = |(place, datum): (usize, &MetricDatum)| Datum { place: place + 1, datum, now }.read();
    let all: Vec<_> = data.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    for (datum, (moment, resolution, values)) in data.iter().zip(all) {
        let key = metric(caller, &input.namespace, &datum.metric_name, datum.dimensions.as_deref());
        let unit = datum.unit.as_deref().unwrap_or("None");
        service.metrics.put(&key, unit, moment, &values, resolution).map_err(|why| not_kept(datum, &why))?;
    }
    Ok(())
}

fn not_kept(datum: &MetricDatum, why: &NotKept) -> Fault {
    faults::INVALID_PARAMETER_VALUE_EXCEPTION.because(format!("{} cannot be kept: {why}.", datum.metric_name))
}

/// A datum that is read.
struct Datum<'a> {
    place: usize,
    datum: &'a MetricDatum,
    now: Millis,
}

impl Datum<'_> {
    fn read(&self) -> Result<(Millis, Resolution, Summary), Fault> {
        let resolution = match self.datum.storage_resolution {
            None | Some(60) => Resolution::Minute,
            Some(1) => Resolution::Second,
            Some(other) => return Err(self.invalid("StorageResolution", other, "it is 1 or 60")),
        };
        let moment = self.datum.timestamp.map_or(self.now, |moment| moment.0);
        if moment < self.now - TWO_WEEKS_MS - SLACK_MS {
            return Err(self.invalid("Timestamp", moment, "it lies more than two weeks in the past"));
        }
        if moment > self.now + TWO_HOURS_MS {
            return Err(self.invalid("Timestamp", moment, "it lies more than two hours in the future"));
        }
        let dimensions = self.datum.dimensions.as_deref().unwrap_or_default();
        for (place, dimension) in dimensions.iter().enumerate() {
            if dimensions[..place].iter().any(|other| other.name == dimension.name) {
                return Err(self.invalid("Dimensions", &dimension.name, "a dimension's name comes once"));
            }
        }
        Ok((moment, resolution, self.values()?))
    }

    /// The values that it gives.
    fn values(&self) -> Result<Summary, Fault> {
        let MetricDatum { value, values, counts, statistic_values, .. } = self.datum;
        match (value, values, statistic_values) {
            (Some(value), None, None) if counts.is_none() => Ok(Summary::of(self.number("Value", *value)?)),
            (None, None, Some(set)) if counts.is_none() => self.statistics(set),
            (None, Some(values), None) if values.len() > VALUES_MAX => {
                Err(self.invalid("Values", values.len(), "at most 150 values are taken at once"))
            }
            (None, Some(values), None) if !values.is_empty() => {
                let ones = vec![1.0; values.len()];
                let counts = counts.as_ref().unwrap_or(&ones);
                if counts.len() != values.len() {
                    return Err(self.combination("Values and Counts must have the same length"));
                }
                let mut all = Summary::default();
                for (value, count) in values.iter().zip(counts) {
                    let count = self.number("Counts", *count)?;
                    if count < 0.0 {
                        return Err(self.invalid("Counts", count, "it is not negative"));
                    }
                    let value = self.number("Values", *value)?;
                    if count > 0.0 {
                        all.add(value, count);
                    }
                }
                if all.is_empty() { Err(self.combination("one of the Counts must be more than 0")) } else { Ok(all) }
            }
            _ => Err(self.combination(
                "exactly one of Value, Values (with or without Counts) and StatisticValues must be given",
            )),
        }
    }

    fn statistics(&self, set: &StatisticSet) -> Result<Summary, Fault> {
        let given = Statistics {
            count: self.number("StatisticValues.SampleCount", set.sample_count)?,
            sum: self.number("StatisticValues.Sum", set.sum)?,
            min: self.number("StatisticValues.Minimum", set.minimum)?,
            max: self.number("StatisticValues.Maximum", set.maximum)?,
        };
        if given.count <= 0.0 {
            return Err(self.invalid("StatisticValues.SampleCount", given.count, "it is more than 0"));
        }
        if given.min > given.max {
            return Err(self.combination("StatisticValues.Maximum must not be less than StatisticValues.Minimum"));
        }
        Ok(Summary::from(given))
    }

    fn number(&self, member: &str, value: f64) -> Result<f64, Fault> {
        if value.abs() <= VALUE_MAX {
            return Ok(value);
        }
        Err(self.invalid(member, value, "values are numbers between -2^360 and 2^360"))
    }

    fn invalid(&self, member: &str, value: impl std::fmt::Display, why: &str) -> Fault {
        faults::INVALID_PARAMETER_VALUE_EXCEPTION.because(format!(
            "The value {value} for parameter MetricData.member.{}.{member} is invalid: {why}.",
            self.place
        ))
    }

    fn combination(&self, what: &str) -> Fault {
        let (place, name) = (self.place, &self.datum.metric_name);
        faults::INVALID_PARAMETER_COMBINATION_EXCEPTION.because(format!("MetricData.member.{place} ({name}): {what}."))
    }
}
