//! `bench guard`: instructions of the work of [`crate::work`] against the limits in `bench/guard.txt`.
//!
//! A line of that file is a name, the instructions of one unit on the day they were written down, and by how many per cent they may grow. What
//! has a ceiling of its own ([`CEILINGS`]) may not pass that either, and of two that are to take as long ([`ALIKE`]) neither may take more than the other.
//! `bench guard --write` writes today's figures.

use std::fmt::Write as _;
use std::fs;

use crate::count;
use crate::work::WORKS;

const FILE: &str = "bench/guard.txt";
/// Per cent by which a figure may grow: hash tables with random keys move some of them by one or two.
const TOLERANCE: f64 = 8.0;
/// Goals that hold whatever is written down.
const CEILINGS: [(&str, f64); 2] = [("parse-index", 6_000.0), ("parse-typed", 20_000.0)];
/// Who is told no must not learn from the time of it whether there is such a user.
const ALIKE: [(&str, &str); 1] = [("guess-somebody", "guess-nobody")];
/// Per cent by which they may differ.
const UNLIKE: f64 = 5.0;
const HEAD: &str = "\
# Instructions of one unit of work, counted by callgrind without sockets: name, figure, per cent it may grow.
# `cargo xtask bench guard` counts again and fails where one has grown beyond that; `cargo xtask bench guard --write` writes this file.
";

/// What was written down.
#[derive(Debug, PartialEq)]
struct Limit {
    name: String,
    figure: f64,
    tolerance: f64,
}

/// Counts, and compares or writes; a table for people, and whether all of it holds.
pub(crate) fn run(write: bool) -> Result<(String, bool), String> {
    let counted = counted()?;
    if write {
        let lines: String =
            counted.iter().map(|(name, figure)| format!("{name} {figure:.0} {TOLERANCE:.0}%\n")).collect();
        fs::write(FILE, format!("{HEAD}{lines}")).map_err(|error| format!("{FILE}: {error}"))?;
    }
    let text = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    Ok(compared(&limits(&text)?, &counted))
}

/// Each work's instructions a unit.
fn counted() -> Result<Vec<(&'static str, f64)>, String> {
    let (pieces, _) = count::instructions(&["work"])?;
    let mut rest = pieces.into_iter();
    let counted = WORKS.iter().map(|work| {
        let pieces: Vec<f64> = rest.by_ref().take(work.pieces).collect();
        match pieces.len() == work.pieces {
            true => Ok((work.name, pieces.iter().sum::<f64>() / work.units as f64)),
            false => Err(format!("{} was not counted", work.name)),
        }
    });
    counted.collect()
}

fn limits(text: &str) -> Result<Vec<Limit>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = lines.map(|(number, line)| {
        let mut words = line.split_whitespace();
        let name = words.next().map(str::to_owned);
        let figure = words.next().and_then(|word| word.parse().ok());
        let tolerance = words.next().and_then(|word| word.strip_suffix('%')?.parse().ok());
        match (name, figure, tolerance) {
            (Some(name), Some(figure), Some(tolerance)) => Ok(Limit { name, figure, tolerance }),
            _ => Err(format!("{FILE}:{}: expected a name, a number and a percentage: {line}", number + 1)),
        }
    });
    read.collect()
}

/// The table, and whether every figure is within its limit and every name in the file.
fn compared(limits: &[Limit], counted: &[(&str, f64)]) -> (String, bool) {
    let (mut text, mut good) = (String::new(), true);
    for (name, figure) in counted {
        let ceiling = CEILINGS.iter().find(|(of, _)| of == name).map_or(f64::INFINITY, |(_, ceiling)| *ceiling);
        let Some(limit) = limits.iter().find(|limit| limit.name == *name) else {
            good = false;
            // Writing to a String cannot fail.
            let _ =
                writeln!(text, "{name:<16}{figure:>10.0}  has no line in {FILE}: `cargo xtask bench guard --write`");
            continue;
        };
        let most = (limit.figure * (1.0 + limit.tolerance / 100.0)).min(ceiling);
        let change = (figure / limit.figure - 1.0) * 100.0;
        let verdict = match () {
            () if *figure > most => {
                "GROWN: make it cheap again, or say in the commit why it is worth that and write the new figure"
            }
            () if change < -limit.tolerance => "has shrunk: `cargo xtask bench guard --write` keeps it there",
            () => "holds",
        };
        good &= *figure <= most;
        let _ = writeln!(text, "{name:<16}{figure:>10.0}  {change:>+6.1} %  at most {most:.0}  {verdict}");
    }
    for (one, other) in ALIKE {
        let figure = |name| counted.iter().find(|(of, _)| *of == name).map(|(_, figure)| *figure);
        let (Some(first), Some(second)) = (figure(one), figure(other)) else { continue };
        let difference = (second / first - 1.0) * 100.0;
        let is_alike = (second - first).abs() <= first * UNLIKE / 100.0;
        good &= is_alike;
        let verdict = if is_alike { "alike" } else { "NOT ALIKE: the time of the answer tells them apart" };
        let _ = writeln!(text, "{other} against {one}: {difference:+.1} %, at most {UNLIKE:.0}  {verdict}");
    }
    (text, good)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: &str = "# figures\nregister 1000 8%\nparse-index 5950 8%\n";

    #[test]
    fn a_figure_within_its_limit_holds_and_one_beyond_does_not() {
        let limits = limits(FIGURES).expect("two lines");
        assert!(compared(&limits, &[("register", 1_080.0)]).1);
        let (text, good) = compared(&limits, &[("register", 1_081.0)]);
        assert!(!good && text.contains("GROWN"), "{text}");
    }

    #[test]
    fn a_ceiling_holds_within_the_tolerance_too() {
        let limits = limits(FIGURES).expect("two lines");
        assert!(compared(&limits, &[("parse-index", 6_000.0)]).1);
        assert!(!compared(&limits, &[("parse-index", 6_001.0)]).1);
    }

    #[test]
    fn cve_account_enumeration_guesses_that_can_be_told_apart_by_their_time_do_not_hold() {
        let limits = limits("guess-somebody 1000 8%\nguess-nobody 1000 8%\n").expect("two lines");
        for (somebody, nobody, is_alike) in
            [(1_000.0, 1_050.0, true), (1_000.0, 951.0, true), (1_000.0, 949.0, false), (950.0, 1_000.0, false)]
        {
            let (text, good) = compared(&limits, &[("guess-somebody", somebody), ("guess-nobody", nobody)]);
            assert_eq!((good, !text.contains("NOT ALIKE")), (is_alike, is_alike), "{text}");
        }
    }

    #[test]
    fn work_without_a_line_fails_and_a_broken_line_is_told() {
        assert!(!compared(&limits(FIGURES).expect("two lines"), &[("relayed-packet", 1.0)]).1);
        assert!(limits("register many 8%\n").expect_err("no number").contains("guard.txt:1"));
    }

    #[test]
    fn every_work_has_its_line_in_the_file() {
        let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/guard.txt")).expect("the file is there");
        let limits = limits(&text).expect("every line is good");
        let missing: Vec<_> = WORKS.iter().filter(|work| limits.iter().all(|limit| limit.name != work.name)).collect();
        assert!(missing.is_empty(), "{:?}", missing.iter().map(|work| work.name).collect::<Vec<_>>());
    }
}
