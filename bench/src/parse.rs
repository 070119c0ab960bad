//! Instructions a message, counted by callgrind: the difference between two numbers of repeats, so that starting up does not count.

use std::process::Command;

use crate::figure::{Bound, Figure, Report, Row};

/// The message the bounds are for: an INVITE of 1.1 kB.
const INVITE: &str = "tests/data/parse/2_invite.sip";
/// PJSIP's full parse of it, and the fastest lazy Rust parser with keys; stated, not measured here: neither can be had as a package.
const STATED: [(&str, f64, f64); 2] = [("index", 46_000.0, 6_000.0), ("typed", 26_900.0, 20_000.0)];

/// Counts both depths of reading.
pub(crate) fn run() -> Result<Report, String> {
    let rows = STATED.into_iter().map(|(mode, stated, bound)| {
        let few = instructions(mode, 100)?;
        let many = instructions(mode, 1_100)?;
        let name = if mode == "index" { "index and routing keys" } else { "everything typed" };
        Ok(Row {
            load: format!("{name} of {INVITE}"),
            unit: "instructions",
            ours: Figure(vec![(many - few) / 1_000.0]),
            peer: Some((
                if mode == "index" { "rsipstack with keys, stated" } else { "PJSIP, stated" },
                Figure(vec![stated]),
            )),
            null: None,
            bound: Bound::Units(bound),
        })
    });
    Ok(Report { name: "parse", rows: rows.collect::<Result<_, String>>()? })
}

fn instructions(mode: &str, repeats: u32) -> Result<f64, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let example = here.with_file_name("examples").join("parse_cost");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(&example)
        .args([mode, &repeats.to_string(), INVITE])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text
        .lines()
        .find(|line| line.contains("Collected"))
        .ok_or_else(|| format!("{} failed:\n{text}", example.display()))?;
    line.split(':')
        .next_back()
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| format!("no count in {line}"))
}
