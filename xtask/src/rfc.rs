//! `cargo xtask rfc`: the requirements of the RFCs we implement, each with its test or its gap.
//!
//! `docs/rfc/<number>.md` is a list of requirement rows ([`list`]), extracted from the RFC's text ([`extract`]) and marked
//! by hand or by `cargo xtask rfc update`. The check holds every mark against the tests in the sources, and every RFC
//! number cited anywhere against `docs/rfc/known.txt`.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Finding};
use crate::source::{self, TestFunction};
use crate::workspace::Workspace;

mod cited;
mod extract;
mod list;
mod matching;

use list::{List, Mark};

const FOLDER: &str = "docs/rfc";
const KNOWN: &str = "docs/rfc/known.txt";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => check(workspace),
        ["update"] => update(workspace),
        ["extract", number, "--from", folder] => extract_one(workspace, number, Path::new(folder)),
        _ => Err(Failure::Usage("rfc takes nothing, `update`, or `extract NUMBER --from DIR`".into())),
    }
}

/// The lists in `docs/rfc`, with their file names, sorted by number.
fn lists(workspace: &Workspace) -> Result<Vec<(String, List)>, Failure> {
    let folder = workspace.path(FOLDER);
    let mut numbers: Vec<u32> = std::fs::read_dir(&folder)
        .map_err(|e| Failure::file(&folder, e))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".md")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let mut found = Vec::new();
    for number in numbers {
        let path = format!("{FOLDER}/{number}.md");
        let list = List::parse(number, &workspace.read(&path)?).map_err(|(line, what)| {
            Failure::Findings(vec![Finding::new(format!("{path}:{line}"), what, "see the other rows")])
        })?;
        found.push((path, list));
    }
    Ok(found)
}

fn check(workspace: &Workspace) -> Result<(), Failure> {
    let tests = source::tests_in(&workspace.sources()?);
    let lists = lists(workspace)?;
    let mut findings = Vec::new();
    for (path, list) in &lists {
        findings.extend(mark_findings(path, list, &tests));
        findings.extend(matching::unknown_sections(list, &tests));
    }
    let files = workspace.text_files(&[".rs", ".md", ".toml"])?;
    findings.extend(cited::unknown(&files, &cited::parse_known(&workspace.read(KNOWN)?)));
    Failure::unless_empty(findings)?;
    println!("{:<10}{:>7}{:>8}{:>12}{:>8}{:>12}", "rfc", "rows", "named", "by section", "gaps", "not ours");
    for (_, list) in &lists {
        let mut fresh = list.clone();
        matching::refresh(&mut fresh, &tests);
        let count = |kind: fn(&Mark) -> bool| fresh.rows.iter().filter(|row| kind(&row.mark)).count();
        println!(
            "{:<10}{:>7}{:>8}{:>12}{:>8}{:>12}",
            list.number,
            list.rows.len(),
            count(|mark| matches!(mark, Mark::Tests(_))),
            count(|mark| matches!(mark, Mark::Auto(_))),
            count(|mark| matches!(mark, Mark::Gap(_))),
            count(|mark| matches!(mark, Mark::NotOurs(_))),
        );
    }
    Ok(())
}

/// Rows that name tests which do not exist.
fn mark_findings(path: &str, list: &List, tests: &[TestFunction]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in &list.rows {
        let (names, mend) = match &row.mark {
            Mark::Tests(names) => (names, "correct the name, or mark the row `gap: why`"),
            Mark::Auto(names) => (names, "cargo xtask rfc update"),
            Mark::Gap(_) | Mark::NotOurs(_) => continue,
        };
        for name in names.iter().filter(|name| !tests.iter().any(|test| test.name == **name)) {
            findings.push(Finding::new(format!("{path} {}", row.id), format!("no test `{name}`"), mend));
        }
    }
    findings
}

fn update(workspace: &Workspace) -> Result<(), Failure> {
    let tests = source::tests_in(&workspace.sources()?);
    for (path, mut list) in lists(workspace)? {
        let before = list.print();
        matching::refresh(&mut list, &tests);
        let after = list.print();
        if before != after {
            workspace.write(&path, &after)?;
            println!("rfc: wrote {path}");
        }
    }
    check(workspace)
}

fn extract_one(workspace: &Workspace, number: &str, folder: &Path) -> Result<(), Failure> {
    let number: u32 = number.parse().map_err(|_| Failure::Usage(format!("`{number}` is no RFC number")))?;
    let source: PathBuf = folder.join(format!("rfc{number}.txt"));
    let bytes = std::fs::read(&source).map_err(|e| Failure::file(&source, e))?;
    let known = cited::parse_known(&workspace.read(KNOWN)?);
    let Some(title) = known.get(&number) else {
        return Err(Failure::Missing(format!("RFC {number} is not in {KNOWN}; add its number and title")));
    };
    let mut list = extract::list_of(number, title, &String::from_utf8_lossy(&bytes));
    let path = format!("{FOLDER}/{number}.md");
    if let Some(old) = workspace.read_if_there(&path)? {
        let old = List::parse(number, &old).map_err(|(line, what)| {
            Failure::Findings(vec![Finding::new(format!("{path}:{line}"), what, "see the other rows")])
        })?;
        list.keep_marks_of(&old);
    }
    workspace.write(&path, &list.print())?;
    println!("rfc: {} rows in {} sections -> {path}", list.rows.len(), list.sections.len());
    Ok(())
}

#[cfg(test)]
mod tests;
