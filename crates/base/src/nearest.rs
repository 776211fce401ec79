//! "Did you mean": the known name nearest to a mistyped one, for errors that name the cure.

/// The nearest of `names` to `wanted` as a help line, when one is near enough to be meant.
pub fn did_you_mean<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wanted, names).map(|name| format!("did you mean '{name}'?"))
}

/// The nearest of `names`: equal but for case first, then by edit distance, at most a third of the length.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wanted.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(1);
    names
        .into_iter()
        .map(|name| (distance(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, name)| (*distance, name.len()))
        .map(|(_, name)| name)
}

/// Levenshtein's distance with swapped neighbours counted as one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let swap =
                if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] { before[j - 1] + 1 } else { usize::MAX };
            let change = last[j] + usize::from(a[i] != b[j]);
            row.push(change.min(last[j + 1] + 1).min(row[j] + 1).min(swap));
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        assert_eq!(nearest("amont", ["amount", "account"]), Some("amount"));
        assert_eq!(nearest("Amount", ["amount"]), Some("amount"));
        assert_eq!(nearest("amuont", ["amount"]), Some("amount"));
        assert_eq!(nearest("zzz", ["amount"]), None);
    }
}
