//! `fuzz/RUNS.md`: a row for each long run that was clean to its end, and how long they took together.

use std::fmt::Write as _;

use super::outcome::Outcome;

/// Where the runs are told of.
pub(crate) const FILE: &str = "fuzz/RUNS.md";

/// How the line with the sum begins.
const SUM: &str = "In all: ";

/// The page with one run more, with the seconds that it had of a processor.
pub(crate) fn told(page: &str, target: &str, outcome: &Outcome, commit: &str) -> String {
    let row = format!(
        "| {target} | {} | {} | {} | {} | {commit} |",
        outcome.seconds(),
        grouped(outcome.executions),
        grouped(outcome.edges),
        grouped(outcome.corpus)
    );
    let mut lines: Vec<&str> = page.lines().filter(|line| !line.starts_with(SUM)).collect();
    let end = lines.iter().rposition(|line| line.starts_with('|')).map_or(lines.len(), |last| last + 1);
    lines.insert(end, &row);
    let all: u64 = lines.iter().filter_map(|line| line.split('|').nth(2)?.trim().parse::<u64>().ok()).sum();
    let mut page = lines.join("\n").trim_end().to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "\n\n{SUM}{}.{} hours.", all / 3600, all % 3600 / 360);
    page
}

/// A number with a comma before each third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_run_gets_a_row_below_the_others_and_counts_for_the_sum() {
        let page = "# Long runs\n\n| target | seconds | executions | edges | corpus | commit |\n|---|---|---|---|---|---|\n\
            | sdp | 600 | 1,459,083 | 2,278 | 2,735 | b51cafa |\n\nIn all: 0.1 hours.\n";
        let processor = Duration::from_millis(2_999_600);
        let outcome = Outcome { executions: 12_345_678, edges: 81, corpus: 773, processor, ..Outcome::default() };
        let told = told(page, "uri", &outcome, "b16fe92");
        assert!(told.ends_with(
            "| sdp | 600 | 1,459,083 | 2,278 | 2,735 | b51cafa |\n| uri | 3000 | 12,345,678 | 81 | 773 | b16fe92 |\n\nIn all: 1.0 hours.\n"
        ), "{told}");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
    }
}
