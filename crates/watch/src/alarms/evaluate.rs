//! A metric alarm's state from its datapoints.
//!
//! Source: the user guide's "How alarm state is evaluated when data is missing" and "Avoiding premature transitions to alarm
//! state"; its two tables are this module's tests. Where the prose of the second and its table disagree about M-out-of-N
//! alarms, the table holds.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Datapoints that are looked at beyond the evaluation periods, so that real ones stand in for missing ones. The user guide's
/// examples look at 5 for 3 and say no more.
const FURTHER_BACK: usize = 2;

/// An alarm's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AlarmState {
    /// Within the threshold.
    #[serde(rename = "OK")]
    Ok,
    /// Outside of it.
    #[serde(rename = "ALARM")]
    Alarm,
    /// Not known.
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

/// What a missing datapoint stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// Nothing: when all are missing, the state is not known.
    #[default]
    Missing,
    /// Nothing: when all are missing, the state stays.
    Ignore,
    /// A breaching one.
    Breaching,
    /// One within the threshold.
    NotBreaching,
}

/// One period of what an alarm watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datapoint {
    /// There is no value.
    Missing,
    /// Within the threshold.
    Good,
    /// Outside of it.
    Breaching,
}

/// How an evaluation came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluated {
    /// The state; none leaves it as it is.
    pub state: Option<AlarmState>,
    /// Real datapoints that were counted.
    pub real: usize,
    /// Breaching ones among them.
    pub breaching: usize,
    /// Missing ones that were filled in.
    pub filled: usize,
}

/// How many of the most recent periods an alarm looks at.
pub fn evaluation_range(evaluation_periods: usize) -> usize {
    evaluation_periods + FURTHER_BACK
}

/// The state that follows from the datapoints of the evaluation range, oldest first.
pub fn evaluate(
    datapoints: &[Datapoint],
    evaluation_periods: usize,
    datapoints_to_alarm: usize,
    missing: MissingData,
) -> Evaluated {
    let real = || datapoints.iter().filter(|point| **point != Datapoint::Missing);
    // Only the most recent real ones count when there are more than enough.
    let counted = real().count().min(evaluation_periods);
    let breaching = real().rev().take(counted).filter(|point| **point == Datapoint::Breaching).count();
    let filled = evaluation_periods - counted;
    let good_or_alarm = |alarm: bool| Some(if alarm { AlarmState::Alarm } else { AlarmState::Ok });
    let state = match missing {
        _ if breaching >= datapoints_to_alarm => Some(AlarmState::Alarm),
        _ if filled == 0 => Some(AlarmState::Ok),
        MissingData::Breaching => good_or_alarm(breaching + filled >= datapoints_to_alarm),
        MissingData::NotBreaching => Some(AlarmState::Ok),
        _ if breaching < counted => Some(AlarmState::Ok),
        MissingData::Ignore => None,
        MissingData::Missing if counted == 0 => Some(AlarmState::InsufficientData),
        // All there is breaches, and is too little. It alarms when what breaches has been the last known for long enough.
        MissingData::Missing => {
            let oldest = datapoints.iter().position(|point| *point == Datapoint::Breaching).unwrap_or(datapoints.len());
            good_or_alarm(datapoints.len() - oldest >= datapoints_to_alarm)
        }
    };
    Evaluated { state, real: counted, breaching, filled }
}

impl AlarmState {
    /// As AWS writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

impl fmt::Display for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for AlarmState {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::Ok, Self::Alarm, Self::InsufficientData].into_iter().find(|state| state.word() == word).ok_or(())
    }
}

impl MissingData {
    /// As AWS writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ignore => "ignore",
            Self::Breaching => "breaching",
            Self::NotBreaching => "notBreaching",
        }
    }
}

impl FromStr for MissingData {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let all = [Self::Missing, Self::Ignore, Self::Breaching, Self::NotBreaching];
        all.into_iter().find(|treatment| treatment.word() == word).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(drawn: &str) -> Vec<Datapoint> {
        let point = |c| match c {
            '0' => Datapoint::Good,
            'X' => Datapoint::Breaching,
            _ => Datapoint::Missing,
        };
        drawn.split(' ').filter_map(|point| point.chars().next()).map(point).collect()
    }

    /// The user guide's rows: datapoints, how many are filled in, and the states for missing, ignore, breaching and not
    /// breaching; an empty one stays.
    fn check(n: usize, m: usize, rows: &[(&str, usize, [&str; 4])]) {
        assert_eq!(evaluation_range(n), 5);
        for (drawn, filled, states) in rows {
            let treatments = ["missing", "ignore", "breaching", "notBreaching"];
            for (treatment, expected) in treatments.iter().zip(states) {
                let found = evaluate(&points(drawn), n, m, treatment.parse().unwrap());
                let state = found.state.map_or("", AlarmState::word);
                assert_eq!((state, found.filled), (*expected, *filled), "{drawn} {m} of {n}, {treatment}");
            }
        }
    }

    #[test]
    fn three_of_three() {
        check(
            3,
            3,
            &[
                ("0 - X - X", 0, ["OK", "OK", "OK", "OK"]),
                ("0 - - - -", 2, ["OK", "OK", "OK", "OK"]),
                ("- - - - -", 3, ["INSUFFICIENT_DATA", "", "ALARM", "OK"]),
                ("0 X X - X", 0, ["ALARM", "ALARM", "ALARM", "ALARM"]),
                ("- - X - -", 2, ["ALARM", "", "ALARM", "OK"]),
                // From the prose: too soon to tell.
                ("- - - - X", 2, ["OK", "", "ALARM", "OK"]),
                ("- - - X -", 2, ["OK", "", "ALARM", "OK"]),
                ("- - - X 0", 1, ["OK", "OK", "OK", "OK"]),
            ],
        );
    }

    #[test]
    fn two_of_three() {
        check(
            3,
            2,
            &[
                ("0 - X - X", 0, ["ALARM", "ALARM", "ALARM", "ALARM"]),
                ("0 0 X 0 X", 0, ["ALARM", "ALARM", "ALARM", "ALARM"]),
                ("0 - X - -", 1, ["OK", "OK", "ALARM", "OK"]),
                ("- - - - 0", 2, ["OK", "OK", "ALARM", "OK"]),
                ("- - - X -", 2, ["ALARM", "", "ALARM", "OK"]),
            ],
        );
    }
}
