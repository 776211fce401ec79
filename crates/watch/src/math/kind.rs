//! What an expression will be, known before anything is read: so that an alarm or a query with a mistake is refused at once.

use super::error::Wrong;
use super::search::Search;
use super::tree::Expr;
use super::value::Kind;
use crate::metrics::Stat;

/// Functions of CloudWatch's that need what Millrace does not have, and why.
const NOT_YET: [(&str, &str); 5] = [
    ("ANOMALY_DETECTION_BAND", "anomaly detection"),
    ("INSIGHT_RULE_METRIC", "Contributor Insights"),
    ("DB_PERF_INSIGHTS", "Database Insights"),
    ("SERVICE_QUOTA", "service quotas"),
    ("LAMBDA", "data sources of functions"),
];

/// Functions that change every value or every series by itself.
pub(super) const EACH: [&str; 16] = [
    "ABS",
    "CEIL",
    "FLOOR",
    "LOG",
    "LOG10",
    "DIFF",
    "DIFF_TIME",
    "RATE",
    "RUNNING_SUM",
    "MINUTE",
    "HOUR",
    "DAY",
    "DATE",
    "MONTH",
    "YEAR",
    "EPOCH",
];
/// Functions that make a number of a series, and a series of an array.
pub(super) const REDUCE: [&str; 6] = ["AVG", "MIN", "MAX", "SUM", "STDDEV", "DATAPOINT_COUNT"];
/// The others.
const OTHERS: [&str; 12] = [
    "FILL",
    "FIRST",
    "IF",
    "LAST",
    "METRICS",
    "METRIC_COUNT",
    "PERIOD",
    "REMOVE_EMPTY",
    "SEARCH",
    "SLICE",
    "SORT",
    "TIME_SERIES",
];

/// What an expression will be; `id` tells what a query is.
pub(super) fn kind(expr: &Expr, id: &dyn Fn(&str) -> Result<Kind, Wrong>) -> Result<Kind, Wrong> {
    match expr {
        Expr::Number(_) => Ok(Kind::Scalar),
        Expr::Id(name) => id(name),
        Expr::Minus(inner) => kind(inner, id),
        Expr::Binary(_, left, right) => Ok(kind(left, id)?.join(kind(right, id)?)),
        Expr::Array(all) => {
            for inner in all {
                needs_series(kind(inner, id)?, "an array's element")?;
            }
            if all.is_empty() { Err(Wrong::new("an array needs an element")) } else { Ok(Kind::Array) }
        }
        Expr::Text(text) => Err(Wrong::new(format!("the text '{text}' stands where a value is needed"))),
        Expr::Word(word) => Err(Wrong::new(format!("'{word}' is no value: ids of queries begin with a small letter"))),
        Expr::Call(name, args) => call(name, args, id),
    }
}

fn call(name: &str, args: &[Expr], id: &dyn Fn(&str) -> Result<Kind, Wrong>) -> Result<Kind, Wrong> {
    let one = |place: usize| kind(&args[place], id);
    if EACH.contains(&name) {
        count(name, args, 1..=1)?;
        return needs_series(one(0)?, name);
    }
    if REDUCE.contains(&name) {
        count(name, args, 1..=1)?;
        return Ok(if needs_series(one(0)?, name)? == Kind::Array { Kind::Series } else { Kind::Scalar });
    }
    match name {
        "FILL" => fill(args, id),
        "IF" => {
            count(name, args, 2..=3)?;
            condition(args, id)
        }
        "METRICS" => match args {
            [] | [Expr::Text(_)] => Ok(Kind::Array),
            _ => Err(Wrong::new("METRICS takes nothing, or a text in quotes")),
        },
        "METRIC_COUNT" => {
            count(name, args, 1..=1)?;
            needs_array(one(0)?, name).map(|_| Kind::Scalar)
        }
        "PERIOD" => match args {
            [Expr::Id(_)] if one(0)? == Kind::Series => Ok(Kind::Scalar),
            _ => Err(Wrong::new("PERIOD takes the id of a metric")),
        },
        "REMOVE_EMPTY" => {
            count(name, args, 1..=1)?;
            needs_array(one(0)?, name)
        }
        "FIRST" | "LAST" => {
            count(name, args, 1..=1)?;
            needs_array(one(0)?, name).map(|_| Kind::Series)
        }
        "SLICE" => {
            count(name, args, 2..=3)?;
            args[1..].iter().try_for_each(|arg| needs_number(kind(arg, id)?, name))?;
            needs_array(one(0)?, name)
        }
        "SORT" => sort(args, id),
        "TIME_SERIES" => {
            count(name, args, 1..=1)?;
            needs_number(one(0)?, name).map(|()| Kind::Series)
        }
        "SEARCH" => search(args).map(|_| Kind::Array),
        _ => Err(unknown(name)),
    }
}

fn fill(args: &[Expr], id: &dyn Fn(&str) -> Result<Kind, Wrong>) -> Result<Kind, Wrong> {
    count("FILL", args, 2..=2)?;
    let filler = match &args[1] {
        Expr::Word(word) if word == "REPEAT" || word == "LINEAR" => Kind::Scalar,
        other => kind(other, id)?,
    };
    if filler == Kind::Array {
        return Err(Wrong::new("FILL fills with a number, a time series, REPEAT or LINEAR"));
    }
    needs_series(kind(&args[0], id)?, "FILL")
}

fn condition(args: &[Expr], id: &dyn Fn(&str) -> Result<Kind, Wrong>) -> Result<Kind, Wrong> {
    let kinds: Vec<Kind> = args.iter().map(|arg| kind(arg, id)).collect::<Result<_, _>>()?;
    if kinds.contains(&Kind::Array) {
        return Err(Wrong::new("IF takes numbers and single time series, no arrays"));
    }
    if !kinds.contains(&Kind::Series) {
        return Err(Wrong::new("IF needs a time series in one of its places"));
    }
    Ok(Kind::Series)
}

fn sort(args: &[Expr], id: &dyn Fn(&str) -> Result<Kind, Wrong>) -> Result<Kind, Wrong> {
    count("SORT", args, 3..=4)?;
    match &args[1..3] {
        [Expr::Word(by), Expr::Word(order)]
            if ["AVG", "MIN", "MAX", "SUM"].contains(&by.as_str()) && ["ASC", "DESC"].contains(&order.as_str()) => {}
        _ => return Err(Wrong::new("SORT takes an array, AVG, MIN, MAX or SUM, ASC or DESC, and perhaps how many")),
    }
    if let Some(limit) = args.get(3) {
        needs_number(kind(limit, id)?, "SORT")?;
    }
    needs_array(kind(&args[0], id)?, "SORT")
}

/// What SEARCH's arguments say: what to search, which statistic, and the period in seconds if it is named.
pub(super) fn search(args: &[Expr]) -> Result<(Search, Stat, Option<f64>), Wrong> {
    let (query, stat, period) = match args {
        [Expr::Text(query), Expr::Text(stat)] => (query, stat, None),
        [Expr::Text(query), Expr::Text(stat), Expr::Number(period)] => (query, stat, Some(*period)),
        _ => {
            return Err(Wrong::new(
                "SEARCH takes what to search and a statistic, both in quotes, and a period in seconds",
            ));
        }
    };
    let stat = stat.parse().map_err(|unknown: crate::metrics::UnknownStat| Wrong::new(unknown.to_string()))?;
    if let Some(period) = period {
        is_period(period * 1000.0)?;
    }
    Ok((Search::parse(query)?, stat, period))
}

/// A period in milliseconds, as CloudWatch takes them.
pub(super) fn is_period(period_ms: f64) -> Result<i64, Wrong> {
    const SHORT_S: [i64; 5] = [1, 5, 10, 20, 30];
    let seconds = (period_ms / 1000.0) as i64;
    let is_right = period_ms % 1000.0 == 0.0 && (SHORT_S.contains(&seconds) || (seconds > 0 && seconds % 60 == 0));
    if is_right && seconds <= 86_400 {
        Ok(seconds * 1000)
    } else {
        Err(Wrong::new(format!(
            "a period is 1, 5, 10, 20, 30 or a multiple of 60 seconds, at most 86400, not {}",
            period_ms / 1000.0
        )))
    }
}

fn count(name: &str, args: &[Expr], wanted: std::ops::RangeInclusive<usize>) -> Result<(), Wrong> {
    if wanted.contains(&args.len()) {
        return Ok(());
    }
    let (low, high) = (wanted.start(), wanted.end());
    let wanted = if low == high { low.to_string() } else { format!("{low} to {high}") };
    Err(Wrong::new(format!("{name} takes {wanted} arguments, not {}", args.len())))
}

fn needs_series(kind: Kind, who: &str) -> Result<Kind, Wrong> {
    if kind == Kind::Scalar { Err(needs(who, "a time series or an array of them", kind)) } else { Ok(kind) }
}

fn needs_array(kind: Kind, who: &str) -> Result<Kind, Wrong> {
    if kind == Kind::Array { Ok(kind) } else { Err(needs(who, Kind::Array.name(), kind)) }
}

fn needs_number(kind: Kind, who: &str) -> Result<(), Wrong> {
    if kind == Kind::Scalar { Ok(()) } else { Err(needs(who, Kind::Scalar.name(), kind)) }
}

fn needs(who: &str, what: &str, kind: Kind) -> Wrong {
    Wrong::new(format!("{who} needs {what}, not {}", kind.name()))
}

fn unknown(name: &str) -> Wrong {
    if let Some((_, what)) = NOT_YET.iter().find(|(other, _)| *other == name) {
        return Wrong::new(format!("Millrace does not support {name} yet, because it has no {what}"));
    }
    let known = EACH.into_iter().chain(REDUCE).chain(OTHERS);
    let hint = millrace_base::did_you_mean(name, known).map_or(String::new(), |hint| format!(": {hint}"));
    Wrong::new(format!("there is no function {name}{hint}"))
}
