//! Which tests belong to which section: `rfc3261_17_1_1_2_timer_a_doubles` is about section 17.1.1.2 of RFC 3261.

use crate::failure::Finding;
use crate::source::{Ignored, TestFunction};

use super::list::{List, Mark, UNSEEN};

/// How many names a row carries at most; the list is for finding one's way.
const NAMES: usize = 3;

/// The section a test of RFC `number` is named after: the longest run of its leading words that is a section.
/// `None`: not a test of that RFC. `Some(None)`: of that RFC, but no such section.
pub(crate) fn section_of<'a>(list: &'a List, test: &str) -> Option<Option<&'a str>> {
    let rest = test.strip_prefix(&format!("rfc{}_", list.number))?;
    let words: Vec<&str> = rest.split('_').collect();
    let longest = (1..=words.len()).rev().find_map(|count| {
        let number = words.get(..count)?.join(".");
        list.sections.iter().find(|section| section.number.eq_ignore_ascii_case(&number))
    });
    Some(longest.map(|section| section.number.as_str()))
}

/// Tests named after a section that the RFC does not have. A name without a number behind the RFC's is about all of it.
pub(crate) fn unknown_sections(list: &List, tests: &[TestFunction]) -> Vec<Finding> {
    tests
        .iter()
        .filter(|test| {
            let number = format!("rfc{}_", list.number);
            let rest = test.name.strip_prefix(&number).unwrap_or_default();
            rest.starts_with(|c: char| c.is_ascii_digit()) && section_of(list, &test.name) == Some(None)
        })
        .map(|test| {
            let what = format!("`{}` names no section of RFC {}", test.name, list.number);
            Finding::new(
                format!("{}:{}", test.path, test.line),
                what,
                "name it rfc<number>_<section with _>_<what it shows>",
            )
        })
        .collect()
}

/// Fills in `section:` marks from the tests there are, and turns those without tests back into gaps.
pub(crate) fn refresh(list: &mut List, tests: &[TestFunction]) {
    let running = tests.iter().filter(|test| test.ignored == Ignored::No);
    let named: Vec<(String, String)> =
        running.filter_map(|test| Some((section_of(list, &test.name)??.to_string(), test.name.clone()))).collect();
    for row in list.rows.iter_mut().filter(|row| !row.mark.by_hand()) {
        let mut names: Vec<String> =
            named.iter().filter(|(section, _)| *section == row.section).map(|(_, name)| name.clone()).collect();
        names.sort();
        names.dedup();
        names.truncate(NAMES);
        row.mark = if names.is_empty() { Mark::Gap(UNSEEN.into()) } else { Mark::Auto(names) };
    }
}
