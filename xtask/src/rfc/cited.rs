//! RFC numbers in sources and documents: a slip such as two swapped digits is a number nobody listed.

use std::collections::BTreeMap;

use crate::failure::Finding;
use crate::workspace::TextFile;

/// Numbers and titles of `docs/rfc/known.txt`: number, blank, title; `#` begins a comment.
pub(crate) fn parse_known(text: &str) -> BTreeMap<u32, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(number, title)| Some((number.parse().ok()?, title.trim().to_string())))
        .collect()
}

/// Citations of numbers that are not known. The extracted lists are quotations and are left out.
pub(crate) fn unknown(files: &[TextFile], known: &BTreeMap<u32, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !file.path.starts_with("docs/rfc/")) {
        for (index, line) in file.text.lines().enumerate() {
            for number in numbers_in(line).into_iter().filter(|number| !known.contains_key(number)) {
                let what = format!("cites RFC {number}, which is not in docs/rfc/known.txt");
                let mend = "correct the number, or add it with its title when it is meant";
                findings.push(Finding::new(format!("{}:{}", file.path, index + 1), what, mend));
            }
        }
    }
    findings
}

/// Numbers after `RFC`, `RFC `, `RFC-` or `rfc` in any case, of three to five digits.
fn numbers_in(line: &str) -> Vec<u32> {
    let lower = line.to_ascii_lowercase();
    lower
        .match_indices("rfc")
        .filter_map(|(at, _)| {
            let before = lower.get(..at)?.chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric()) {
                return None;
            }
            let rest = lower.get(at + 3..)?;
            let rest = rest.strip_prefix([' ', '-', '_']).unwrap_or(rest);
            let digits = rest.chars().take_while(char::is_ascii_digit).count();
            let number = rest.get(..digits)?;
            if (3..=5).contains(&digits) { number.parse().ok() } else { None }
        })
        .collect()
}
