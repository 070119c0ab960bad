//! `cargo xtask gaps`: what is known not to work, in one list.
//!
//! Three places hold gaps: `#[ignore = "reason"]` on a test, rows of the table in `docs/GAPS.md`, and lines of
//! `tests/data/torture-gaps.txt` (torture message, role, reason). A gap without a reason or without a test that notices
//! the day it closes is a finding.

use crate::failure::{Failure, Finding};
use crate::security;
use crate::source::{self, Ignored, TestFunction};
use crate::workspace::{TextFile, Workspace};

const PAGE: &str = "docs/GAPS.md";
const TORTURE_GAPS: &str = "tests/data/torture-gaps.txt";
/// How the reason of an ignored test begins that another one runs in a process of its own.
const CHILD: &str = "runs as a child of";
const TORTURE: &str = "tests/data/torture.json";

/// One known gap, ready to be printed.
#[derive(Debug, PartialEq, Eq)]
struct Gap {
    place: String,
    what: String,
}

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("gaps takes no argument".into()));
    }
    let sources = workspace.sources()?;
    let tests = source::tests_in(&sources);
    let mut findings = Vec::new();
    let mut gaps = ignored(&tests, &mut findings);
    gaps.extend(page(&workspace.read(PAGE)?, &tests, &mut findings));
    let torture: serde_json::Value = serde_json::from_str(&workspace.read(TORTURE)?)
        .map_err(|e| Failure::Findings(vec![Finding::new(TORTURE, e.to_string(), "restore the file")]))?;
    let names: Vec<&str> =
        torture["messages"].as_array().into_iter().flatten().filter_map(|message| message["name"].as_str()).collect();
    gaps.extend(torture_gaps(&workspace.read(TORTURE_GAPS)?, &names, &sources, &mut findings));
    findings.extend(security::findings(&workspace.read(security::PAGE)?, &tests));
    Failure::unless_empty(findings)?;
    for gap in &gaps {
        println!("{}: {}", gap.place, gap.what);
    }
    println!("gaps: {} known", gaps.len());
    Ok(())
}

fn ignored(tests: &[TestFunction], findings: &mut Vec<Finding>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for test in tests {
        let place = format!("{}:{}", test.path, test.line);
        match &test.ignored {
            Ignored::No => {}
            // Not a gap: the body of a process that another test starts.
            Ignored::Because(reason) if reason.starts_with(CHILD) => {}
            Ignored::Because(reason) => gaps.push(Gap { place, what: format!("{} is ignored: {reason}", test.name) }),
            Ignored::WithoutReason => findings.push(Finding::new(
                place,
                format!("{} is ignored without a reason", test.name),
                "mend the test, or write #[ignore = \"reason\"]",
            )),
        }
    }
    gaps
}

/// Rows `| what | why | test |` of the page; the first two table lines are its head.
fn page(text: &str, tests: &[TestFunction], findings: &mut Vec<Finding>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let rows = text.lines().enumerate().filter(|(_, line)| line.starts_with('|')).skip(2);
    for (index, line) in rows {
        let place = format!("{PAGE}:{}", index + 1);
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [what, why, test] = cells.as_slice() else {
            findings.push(Finding::new(place, "not three cells", "| what | why | test |"));
            continue;
        };
        let test = test.trim_matches('`');
        if why.is_empty() {
            findings.push(Finding::new(&place, format!("no reason for `{what}`"), "say why it is not done"));
        }
        if !tests.iter().any(|found| found.name == test) {
            let mend = "name a test that notices the day this works";
            findings.push(Finding::new(&place, format!("no test `{test}` for `{what}`"), mend));
        }
        gaps.push(Gap { place, what: format!("{what}: {why}") });
    }
    gaps
}

/// Lines `message role reason`.
fn torture_gaps(text: &str, names: &[&str], sources: &[TextFile], findings: &mut Vec<Finding>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty())
    {
        let place = format!("{TORTURE_GAPS}:{}", index + 1);
        let mut words = line.splitn(3, ' ');
        let (name, role, reason) = (words.next().unwrap_or_default(), words.next(), words.next().map(str::trim));
        match (role, reason) {
            (Some(role), Some(reason)) if !reason.is_empty() => {
                gaps.push(Gap { place: place.clone(), what: format!("{name} as {role}: {reason}") });
            }
            _ => findings.push(Finding::new(&place, "no reason", "MESSAGE ROLE REASON")),
        }
        if !names.contains(&name) {
            findings.push(Finding::new(
                &place,
                format!("no torture message `{name}`"),
                format!("names are in {TORTURE}"),
            ));
        }
    }
    // The torture tests read the list, so that a gap which closed fails them.
    let read = sources.iter().any(|file| !file.path.starts_with("xtask/") && file.text.contains("torture-gaps.txt"));
    if !gaps.is_empty() && !read {
        findings.push(Finding::new(
            TORTURE_GAPS,
            "no test reads this list",
            "the torture tests must fail when a listed gap passes",
        ));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignore_without_a_reason_is_a_finding_and_one_with_is_a_gap() {
        let tests = source::tests_in_text(
            "a.rs",
            "#[test]\n#[ignore]\nfn a() {}\n#[test]\n#[ignore = \"no card here\"]\nfn b() {}\n#[test]\n#[ignore = \"runs as a child of b\"]\nfn c() {}",
        );
        let mut findings = Vec::new();
        let gaps = ignored(&tests, &mut findings);
        assert_eq!(gaps, [Gap { place: "a.rs:6".into(), what: "b is ignored: no card here".into() }]);
        assert_eq!(findings.first().map(|finding| finding.place.as_str()), Some("a.rs:3"));
    }

    #[test]
    fn a_row_of_the_page_needs_a_reason_and_a_test_that_exists() {
        let tests = source::tests_in_text("a.rs", "#[test]\nfn a() {}");
        let text = "# Known gaps\n\n| what | why | test |\n|---|---|---|\n| x | late | `a` |\n| y | | a |\n| z | late | gone |\n";
        let mut findings = Vec::new();
        assert_eq!(page(text, &tests, &mut findings).len(), 3);
        let places: Vec<&str> = findings.iter().map(|finding| finding.place.as_str()).collect();
        assert_eq!(places, ["docs/GAPS.md:6", "docs/GAPS.md:7"]);
    }

    #[test]
    fn a_torture_gap_needs_a_known_message_a_reason_and_a_reader() {
        let reader = TextFile { path: "tests/torture.rs".into(), text: "read(\"torture-gaps.txt\")".into() };
        let mut findings = Vec::new();
        let gaps =
            torture_gaps("# head\nwsinv uas folding\n", &["wsinv"], std::slice::from_ref(&reader), &mut findings);
        assert_eq!((gaps.len(), findings.len()), (1, 0));
        torture_gaps("wsinv uas\nnosuch uas why\n", &["wsinv"], &[reader], &mut findings);
        assert_eq!(findings.len(), 2);
        findings.clear();
        torture_gaps("wsinv uas folding\n", &["wsinv"], &[], &mut findings);
        assert_eq!(findings.len(), 1);
    }
}
