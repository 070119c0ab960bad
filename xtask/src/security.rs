//! `docs/security.md`: every test that it names exists, and every root cause has one or says why not.

use crate::failure::Finding;
use crate::source::TestFunction;

pub(crate) const PAGE: &str = "docs/security.md";
const NOT_OURS: &str = "not ours: ";
/// The heading of the table whose rows need tests.
const TABLE: &str = "## Root causes";

/// What is wrong with the page.
pub(crate) fn findings(text: &str, tests: &[TestFunction]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut head = 0;
    let mut in_table = false;
    for (index, line) in text.lines().enumerate() {
        let place = format!("{PAGE}:{}", index + 1);
        in_table |= line == TABLE;
        let names: Vec<&str> = line.split('`').skip(1).step_by(2).filter(|name| is_test_name(name)).collect();
        for name in names.iter().filter(|name| !tests.iter().any(|test| test.name == **name)) {
            findings.push(Finding::new(&place, format!("no test `{name}`"), "name a test that there is"));
        }
        if !in_table || !line.starts_with('|') {
            continue;
        }
        head += 1;
        let shown = line.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default().trim();
        let says_why = shown.strip_prefix(NOT_OURS).is_some_and(|why| !why.is_empty());
        if head > 2 && names.is_empty() && !says_why {
            findings.push(Finding::new(&place, "a cause without a test", "name one, or say `not ours: REASON`"));
        }
    }
    findings
}

/// Names of settings and commands stand between the same marks.
fn is_test_name(word: &str) -> bool {
    word.contains('_')
        && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && !word.ends_with('_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;

    #[test]
    fn a_cause_needs_a_test_that_there_is_or_a_reason() {
        let tests = source::tests_in_text("a.rs", "#[test]\nfn it_holds() {}");
        let table = |row: &str| format!("{TABLE}\n\n| cause | what | tests |\n|---|---|---|\n{row}\n");
        for (row, right) in [
            ("| a | b | `it_holds` |", true),
            ("| a | b | `it_holds`, `gone_since` |", false),
            ("| a | b | |", false),
            ("| a | b | not ours: |", false),
            ("| a | b | not ours: no such thing |", true),
        ] {
            assert_eq!(findings(&table(row), &tests).is_empty(), right, "{row}");
        }
        assert_eq!(findings("see `gone_since`", &tests).len(), 1);
        assert!(findings("see `limits.calls` and `siege_`", &tests).is_empty());
    }
}
