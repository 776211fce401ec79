//! Results as rows: on the terminal now, in `docs/bench.md` for later.

use crate::shell;
use std::fmt;
use std::io::Write;
use std::process::Command;

/// One bench's outcome.
pub struct Row {
    /// What was measured.
    pub bench: &'static str,
    /// Of both figures.
    pub unit: &'static str,
    /// Ours.
    pub millrace: f64,
    /// The peer's name and figure; none when this machine could not run it.
    pub peer: Option<(&'static str, f64)>,
    /// Whether more is better (a rate) or less (a delay).
    pub higher_is_better: bool,
    /// Whatever else was seen.
    pub notes: String,
}

impl Row {
    /// How many times better than the peer.
    fn ratio(&self) -> Option<f64> {
        let (_, peer) = self.peer?;
        Some(if self.higher_is_better { self.millrace / peer } else { peer / self.millrace })
    }

    fn cells(&self) -> [String; 5] {
        let figure = |value: f64| if value >= 1000.0 { grouped(value) } else { format!("{value:.2}") };
        [
            self.bench.to_owned(),
            format!("{} {}", figure(self.millrace), self.unit),
            self.peer.map_or("not run".to_owned(), |(name, value)| format!("{} {} ({name})", figure(value), self.unit)),
            self.ratio().map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
            self.notes.clone(),
        ]
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [bench, ours, peer, ratio, notes] = self.cells();
        write!(f, "{bench}\n  millrace  {ours}\n  peer      {peer}\n  ratio     {ratio}\n  notes     {notes}")
    }
}

/// Adds the rows to the table that ends `docs/bench.md`.
pub fn append(rows: &[Row]) -> Result<(), String> {
    let path = shell::root().join("docs/bench.md");
    let date = shell::output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M"]))?;
    let place = format!("| {} | {} | {} |", date.trim(), commit()?, machine());
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    for row in rows {
        writeln!(file, "{place} {} |", row.cells().join(" | "))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    println!("added to {}", path.display());
    Ok(())
}

/// The commit, with a `+` when the tree differs from it.
fn commit() -> Result<String, String> {
    let git = |arguments: &[&str]| shell::output(Command::new("git").current_dir(shell::root()).args(arguments));
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Ok(format!(
        "{}{}",
        git(&["rev-parse", "--short", "HEAD"])?.trim(),
        if changed.trim().is_empty() { "" } else { "+" }
    ))
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches(['\t', ' ', ':']);
    format!("{cores} cores {}", if model.is_empty() { std::env::consts::ARCH } else { model })
}

/// `51000.4` as `51,000`.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(["7", "1,234", "51,000,123"], [7.0, 1234.4, 51_000_123.0].map(grouped)[..]);
    }

    #[test]
    fn a_shorter_delay_is_a_higher_ratio() {
        let row = Row {
            bench: "b",
            unit: "ms",
            millrace: 2.0,
            peer: Some(("p", 6.0)),
            higher_is_better: false,
            notes: String::new(),
        };
        assert_eq!(row.ratio(), Some(3.0));
    }
}
