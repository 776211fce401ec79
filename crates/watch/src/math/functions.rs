//! The functions.

use super::error::Wrong;
use super::kind::{EACH, REDUCE, is_period, search};
use super::plan::Scene;
use super::tree::Expr;
use super::value::{TimeSeries, Value, finite, moments, same_period};
use millrace_base::Millis;
use millrace_base::calendar::{DAY_MS, date_of};

/// CloudWatch's ceiling of what a search finds.
const FOUND_MAX: usize = 500;

impl Scene<'_> {
    /// A function's value. What it takes was checked before.
    pub(super) fn call(&self, name: &str, args: &[Expr]) -> Result<Value, Wrong> {
        if EACH.contains(&name) {
            let each = |series: &TimeSeries| self.each(name, series);
            return self.value(&args[0])?.map(each);
        }
        if REDUCE.contains(&name) {
            return match self.value(&args[0])? {
                Value::Array(all) => reduce_array(name, &all).map(Value::Series),
                Value::Series(series) => reduce(name, &series).map(Value::Scalar),
                Value::Scalar(_) => Err(Wrong::new(format!("{name} needs a time series"))),
            };
        }
        match name {
            "FILL" => self.fill(&args[0], &args[1]),
            "IF" => self.choose(args),
            "METRICS" => Ok(Value::Array(self.metrics(match args.first() {
                Some(Expr::Text(part)) => part,
                _ => "",
            })?)),
            "METRIC_COUNT" => Ok(Value::Scalar(self.array(&args[0])?.len() as f64)),
            "PERIOD" => Ok(Value::Scalar(self.value(&args[0])?.into_series()?[0].period_ms as f64 / 1000.0)),
            "REMOVE_EMPTY" => {
                let mut all = self.array(&args[0])?;
                all.retain(|series| !series.points.is_empty());
                Ok(Value::Array(all))
            }
            "FIRST" | "LAST" => {
                let mut all = self.array(&args[0])?;
                let found = if name == "FIRST" || all.is_empty() { all.into_iter().next() } else { all.pop() };
                Ok(Value::Series(found.unwrap_or_else(|| self.constant(None, self.period_ms))))
            }
            "SLICE" => self.slice(args),
            "SORT" => self.sort(args),
            "TIME_SERIES" => Ok(Value::Series(self.constant(Some(self.number(&args[0])?), self.period_ms))),
            "SEARCH" => self.search(args),
            other => Err(Wrong::new(format!("there is no function {other}"))),
        }
    }

    fn array(&self, expr: &Expr) -> Result<Vec<TimeSeries>, Wrong> {
        self.value(expr)?.into_series()
    }

    fn number(&self, expr: &Expr) -> Result<f64, Wrong> {
        match self.value(expr)? {
            Value::Scalar(number) => Ok(number),
            _ => Err(Wrong::new("a number is needed")),
        }
    }

    /// A series with the same value in every period, or with none.
    pub(super) fn constant(&self, value: Option<f64>, period_ms: Millis) -> TimeSeries {
        let points = value.into_iter().flat_map(|value| self.grid(period_ms).map(move |moment| (moment, value)));
        TimeSeries { period_ms, points: points.collect(), metric: None, label: String::new() }
    }

    fn each(&self, name: &str, series: &TimeSeries) -> TimeSeries {
        let steps = || {
            series
                .points
                .windows(2)
                .map(|pair| (pair[1].0, pair[1].1 - pair[0].1, (pair[1].0 - pair[0].0) as f64 / 1000.0))
        };
        match name {
            "ABS" => series.map(|value| Some(value.abs())),
            "CEIL" => series.map(|value| Some(value.ceil())),
            "FLOOR" => series.map(|value| Some(value.floor())),
            // Of zero and less there is none: such points are dropped.
            "LOG" => series.map(|value| Some(value.ln())),
            "LOG10" => series.map(|value| Some(value.log10())),
            "DIFF" => series.with(steps().map(|(moment, diff, _)| (moment, diff)).collect()),
            "DIFF_TIME" => series.with(steps().map(|(moment, _, seconds)| (moment, seconds)).collect()),
            "RATE" => series.with(steps().map(|(moment, diff, seconds)| (moment, diff / seconds)).collect()),
            "RUNNING_SUM" => {
                let mut sum = 0.0;
                let mut add = |(moment, value): &(Millis, f64)| {
                    sum += value;
                    (*moment, sum)
                };
                series.with(series.points.iter().map(&mut add).collect())
            }
            part => {
                let points = self.grid(series.period_ms).map(|moment| (moment, calendar(part, moment)));
                series.with(points.collect())
            }
        }
    }

    fn fill(&self, expr: &Expr, filler: &Expr) -> Result<Value, Wrong> {
        let fill: Box<dyn Fn(&TimeSeries) -> TimeSeries> = match filler {
            Expr::Word(word) if word == "REPEAT" => Box::new(|series| self.fill_repeat(series)),
            Expr::Word(_) => Box::new(|series| self.fill_linear(series)),
            other => match self.value(other)? {
                Value::Scalar(number) => Box::new(move |series| self.fill_with(series, |_| Some(number))),
                Value::Series(other) => Box::new(move |series| self.fill_with(series, |moment| other.at(moment))),
                Value::Array(_) => return Err(Wrong::new("FILL does not fill with an array")),
            },
        };
        self.value(expr)?.map(fill)
    }

    fn fill_with(&self, series: &TimeSeries, filler: impl Fn(Millis) -> Option<f64>) -> TimeSeries {
        let point = |moment| Some((moment, series.at(moment).or_else(|| filler(moment))?));
        series.with(self.grid(series.period_ms).filter_map(point).collect())
    }

    /// The value before a gap goes on in it.
    fn fill_repeat(&self, series: &TimeSeries) -> TimeSeries {
        let mut last = None;
        let mut points = Vec::new();
        for moment in self.grid(series.period_ms) {
            last = series.at(moment).or(last);
            points.extend(last.map(|value| (moment, value)));
        }
        series.with(points)
    }

    /// Between the values around a gap.
    fn fill_linear(&self, series: &TimeSeries) -> TimeSeries {
        self.fill_with(series, |moment| {
            let after = series.points.partition_point(|(other, _)| *other < moment);
            let (to, high) = series.points.get(after)?;
            let (from, low) = series.points.get(after.checked_sub(1)?)?;
            Some(low + (high - low) * (moment - from) as f64 / (to - from) as f64)
        })
    }

    /// IF: where a condition that is a time series has no value there is none; one that is true where the second argument has
    /// no value gives 0, as CloudWatch's documentation says.
    fn choose(&self, args: &[Expr]) -> Result<Value, Wrong> {
        let condition = self.value(&args[0])?;
        let then = self.value(&args[1])?;
        let otherwise = args.get(2).map(|expr| self.value(expr)).transpose()?;
        let all: Vec<&TimeSeries> = [Some(&condition), Some(&then), otherwise.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|value| if let Value::Series(series) = value { Some(series) } else { None })
            .collect();
        same_period(all.iter().copied())?;
        let period_ms = all.first().map_or(self.period_ms, |series| series.period_ms);
        let at = |value: &Value, moment| match value {
            Value::Scalar(number) => Some(*number),
            Value::Series(series) => series.at(moment),
            Value::Array(_) => None,
        };
        let points = match &condition {
            Value::Series(condition) => {
                let point = |(moment, value): &(Millis, f64)| {
                    let value = if *value != 0.0 {
                        Some(at(&then, *moment).unwrap_or(0.0))
                    } else {
                        at(otherwise.as_ref()?, *moment)
                    };
                    Some((*moment, value?))
                };
                condition.points.iter().filter_map(point).collect()
            }
            Value::Scalar(truth) => {
                let chosen = if *truth != 0.0 { Some(&then) } else { otherwise.as_ref() };
                match chosen {
                    Some(Value::Series(series)) => series.points.clone(),
                    Some(Value::Scalar(number)) => self.constant(Some(*number), period_ms).points,
                    _ => Vec::new(),
                }
            }
            Value::Array(_) => return Err(Wrong::new("IF takes no arrays")),
        };
        let (metric, label) =
            all.first().map_or((None, String::new()), |series| (series.metric.clone(), series.label.clone()));
        Ok(Value::Series(TimeSeries { period_ms, points, metric, label }))
    }

    fn slice(&self, args: &[Expr]) -> Result<Value, Wrong> {
        let all = self.array(&args[0])?;
        let place = |expr: &Expr| Ok::<_, Wrong>((self.number(expr)?.max(0.0) as usize).min(all.len()));
        let start = place(&args[1])?;
        let end = args.get(2).map_or(Ok(all.len()), place)?;
        Ok(Value::Array(all.get(start..end).unwrap_or_default().to_vec()))
    }

    fn sort(&self, args: &[Expr]) -> Result<Value, Wrong> {
        let [Expr::Word(by), Expr::Word(order)] = &args[1..3] else {
            return Err(Wrong::new("SORT needs a function and an order"));
        };
        let mut all: Vec<(Option<f64>, TimeSeries)> = Vec::new();
        for series in self.array(&args[0])? {
            let rank = if series.points.is_empty() { None } else { Some(reduce(by, &series)?) };
            all.push((rank, series));
        }
        // Those without values come last, whatever the order.
        all.sort_by(|(left, _), (right, _)| match (left, right) {
            (Some(left), Some(right)) if order == "DESC" => right.total_cmp(left),
            (Some(left), Some(right)) => left.total_cmp(right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        });
        let limit = args.get(3).map(|expr| self.number(expr)).transpose()?;
        let limit = limit.map_or(usize::MAX, |limit| limit.max(0.0) as usize);
        Ok(Value::Array(all.into_iter().map(|(_, series)| series).take(limit).collect()))
    }

    fn search(&self, args: &[Expr]) -> Result<Value, Wrong> {
        let (search, stat, period) = search(args)?;
        let period_ms = period.map_or(Ok(self.period_ms), |seconds| is_period(seconds * 1000.0))?;
        let mut found = self.source.list(self.scope, |key| search.matches(key));
        found.truncate(FOUND_MAX);
        let labels = super::label::distinct(&found);
        let series = found.into_iter().zip(labels).map(|(key, label)| {
            let series = self.read(&key, stat, period_ms, None);
            TimeSeries { label, ..series }
        });
        Ok(Value::Array(series.collect()))
    }
}

/// A number of a series. Of one without values: how many is 0, the rest counts as 0 too.
fn reduce(name: &str, series: &TimeSeries) -> Result<f64, Wrong> {
    let count = series.points.len() as f64;
    if count == 0.0 {
        return Ok(0.0);
    }
    let sum: f64 = series.values().sum();
    let mean = sum / count;
    Ok(match name {
        "AVG" => mean,
        "MIN" => series.values().fold(f64::INFINITY, f64::min),
        "MAX" => series.values().fold(f64::NEG_INFINITY, f64::max),
        "SUM" => sum,
        "STDDEV" => (series.values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt(),
        _ => count,
    })
}

/// A series of an array: period by period. In an average a missing value counts as 0, as CloudWatch's documentation says; a
/// minimum, maximum or deviation is of those that are there.
fn reduce_array(name: &str, all: &[TimeSeries]) -> Result<TimeSeries, Wrong> {
    same_period(all)?;
    let Some(first) = all.first() else {
        return Ok(TimeSeries {
            period_ms: crate::metrics::MINUTE_MS,
            points: Vec::new(),
            metric: None,
            label: String::new(),
        });
    };
    let mut points = Vec::new();
    for moment in moments(all) {
        let there = all.iter().filter_map(|series| series.at(moment)).map(|value| (moment, value)).collect();
        let there = first.with(there);
        let value = match name {
            "AVG" => there.values().sum::<f64>() / all.len() as f64,
            _ => reduce(name, &there)?,
        };
        points.extend(finite(value).map(|value| (moment, value)));
    }
    Ok(TimeSeries { metric: None, label: String::new(), ..first.with(points) })
}

/// A part of a moment, in UTC: days of the week from Monday = 1, months from January = 1.
fn calendar(part: &str, moment: Millis) -> f64 {
    let day = moment.div_euclid(DAY_MS);
    let second = moment.rem_euclid(DAY_MS) / 1000;
    let (year, month, date) = date_of(day);
    let part = match part {
        "MINUTE" => second / 60 % 60,
        "HOUR" => second / 3600,
        // 1970 began on a Thursday.
        "DAY" => (day + 3).rem_euclid(7) + 1,
        "DATE" => date,
        "MONTH" => month,
        "YEAR" => year,
        _ => moment.div_euclid(1000),
    };
    part as f64
}
