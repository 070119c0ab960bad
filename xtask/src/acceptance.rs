//! `cargo xtask acceptance`: an acceptance id that is due has a test whose name begins with it.
//!
//! `tests/data/acceptance-ids.txt` holds every id with its sentence (tab between), `tests/data/acceptance-due.txt` the ids
//! that must be covered by now, one in a line, `#` begins a comment. A row that is covered but not yet listed is named,
//! so that it can be added.

use std::collections::{BTreeMap, BTreeSet};

use crate::failure::{Failure, Finding};
use crate::source::{self, Ignored, TestFunction};
use crate::workspace::Workspace;

const IDS: &str = "tests/data/acceptance-ids.txt";
const DUE: &str = "tests/data/acceptance-due.txt";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("acceptance takes no argument".into()));
    }
    let ids = parse_ids(&workspace.read(IDS)?);
    let due = parse_due(&workspace.read(DUE)?);
    let tests = source::tests_in(&workspace.sources()?);
    let covered = covered_ids(&ids, &tests);
    Failure::unless_empty(check(&ids, &due, &covered))?;
    println!("acceptance: {} ids, {} due, {} with a test", ids.len(), due.len(), covered.len());
    let early: Vec<&str> = covered.keys().filter(|id| !due.contains(**id)).copied().collect();
    if !early.is_empty() {
        println!("  covered but not listed in {DUE}: {}", early.join(" "));
    }
    Ok(())
}

fn parse_ids(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(|line| line.split_once('\t')).map(|(id, row)| (id.to_string(), row.to_string())).collect()
}

fn parse_due(text: &str) -> BTreeSet<String> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|id| !id.is_empty())
        .map(str::to_string)
        .collect()
}

/// Ids with at least one test that runs and stands beside the product, not in it (`src/`), so that it cannot reach
/// internals; the name up to the first `_` is the id.
fn covered_ids<'a>(ids: &'a BTreeMap<String, String>, tests: &'a [TestFunction]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut covered: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for test in tests.iter().filter(|test| test.ignored == Ignored::No && !test.path.contains("/src/")) {
        let id = test.name.split_once('_').map(|(id, _)| id);
        if let Some(id) = id.filter(|id| ids.contains_key(*id)) {
            covered.entry(id).or_default().push(&test.name);
        }
    }
    covered
}

fn check(ids: &BTreeMap<String, String>, due: &BTreeSet<String>, covered: &BTreeMap<&str, Vec<&str>>) -> Vec<Finding> {
    due.iter()
        .filter_map(|id| match ids.get(id) {
            None => Some(Finding::new(DUE, format!("no id `{id}` in {IDS}"), "correct the id")),
            Some(_) if covered.contains_key(id.as_str()) => None,
            Some(row) => {
                let what = format!("{id} is due and has no running test: {row}");
                Some(Finding::new(
                    DUE,
                    what,
                    format!("write a test named `{id}_...` through the binary, sockets or the public API"),
                ))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(due: &str, source: &str) -> Vec<String> {
        outcome_at("tests/a.rs", due, source)
    }

    fn outcome_at(path: &str, due: &str, source: &str) -> Vec<String> {
        let ids = parse_ids("q01\tfirst row\nq02\tsecond row\n");
        let tests = source::tests_in_text(path, source);
        check(&ids, &parse_due(due), &covered_ids(&ids, &tests)).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_due_id_without_a_test_fails_and_says_its_row() {
        let found = outcome("q01\nq02 # soon\n", "#[test]\nfn q01_starts() {}");
        assert_eq!(found, ["q02 is due and has no running test: second row"]);
    }

    #[test]
    fn an_ignored_test_or_a_longer_number_covers_nothing() {
        assert_eq!(outcome("q01", "#[test]\n#[ignore = \"later\"]\nfn q01_starts() {}").len(), 1);
        assert_eq!(outcome("q01", "#[test]\nfn q012_starts() {}").len(), 1);
        assert_eq!(outcome("q01", "#[test]\nfn q01() {}").len(), 1);
    }

    #[test]
    fn a_test_inside_a_crate_covers_nothing_because_it_can_reach_internals() {
        let test = "#[test]\nfn q01_starts() {}";
        assert_eq!(outcome_at("crates/cli/src/tests.rs", "q01", test).len(), 1);
        assert_eq!(outcome_at("crates/cli/tests/a.rs", "q01", test).len(), 0);
    }

    #[test]
    fn an_unknown_due_id_fails_and_comments_are_no_ids() {
        assert_eq!(outcome("# nothing yet\nz99", ""), [format!("no id `z99` in {IDS}")]);
        assert_eq!(outcome("# q01", "").len(), 0);
    }
}
