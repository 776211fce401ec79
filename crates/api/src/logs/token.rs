//! Page tokens and event ids: an event's place in digits, as CloudWatch's are 56 digits.

use crate::models::logs::faults;
use crate::wire::{Fault, Text};
use millrace_watch::EventKey;

/// How many digits the position takes; the time takes those before.
const POSITION_DIGITS: usize = 20;

/// The id of an event.
pub fn digits(key: EventKey) -> String {
    format!("{:036}{:020}", key.timestamp.max(0), key.position)
}

/// The token of the page after (`f`) or before (`b`) an event.
pub fn next(direction: char, key: EventKey) -> Text {
    format!("{direction}/{}/s", digits(key)).into()
}

/// A token's direction and event.
pub fn read(token: &Text) -> Result<(char, EventKey), Fault> {
    of(token).ok_or_else(|| faults::INVALID_PARAMETER_EXCEPTION.because("The specified nextToken is invalid."))
}

fn of(token: &str) -> Option<(char, EventKey)> {
    let digits = token.strip_suffix("/s")?;
    let (direction, digits) = digits.split_once('/')?;
    let direction = match direction {
        "f" => 'f',
        "b" => 'b',
        _ => return None,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let (timestamp, position) = digits.split_at_checked(digits.len().checked_sub(POSITION_DIGITS)?)?;
    let key = EventKey { timestamp: timestamp.parse().ok()?, position: position.parse().ok()? };
    is_number.then_some((direction, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_were_written() {
        let key = EventKey { timestamp: 1_795_279_662_000, position: u64::MAX };
        let token = next('b', key);
        assert_eq!(token.len(), 56 + 4);
        assert_eq!(read(&token).unwrap(), ('b', key));
        for wrong in ["", "f/", "x/00/s", "f/12/s", "f/-1795279662000000000000000001/s", "f/éééééééééééé/s"]
        {
            assert!(read(&wrong.into()).is_err(), "{wrong}");
        }
    }
}
