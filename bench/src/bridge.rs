//! The conference bridge: CPU time a tick of 20 ms with everybody talking, G.711 decoded and encoded.

use std::process::Command;

use crate::figure::{Bound, Figure, Report, Row};

/// What the measuring program prints before the figure, the bound in us a tick, and PJMEDIA's figure as stated (it cannot be had as a
/// package).
const ROWS: [(&str, f64, f64); 2] =
    [("100 ports  8 kHz, PCMU decoded and encoded:", 60.0, 2_970.0), ("100 ports 16 kHz, mix:", 100.0, 5_780.0)];

/// Runs the crate's own measuring program and reads its table.
pub(crate) fn run() -> Result<Report, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let example = here.with_file_name("examples").join("bridge_cost");
    let output = Command::new("taskset")
        .args(["-c", "0"])
        .arg(&example)
        .output()
        .map_err(|error| format!("{}: {error}", example.display()))?;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = ROWS.into_iter().map(|(label, bound, stated)| {
        let line = table.lines().find_map(|line| line.trim().strip_prefix(label));
        let us = line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok());
        Ok(Row {
            load: label.trim_end_matches(':').into(),
            unit: "us CPU a tick",
            ours: Figure(vec![us.ok_or_else(|| format!("no {label} in:\n{table}"))?]),
            peer: Some(("PJMEDIA, stated", Figure(vec![stated]))),
            null: None,
            bound: Bound::Units(bound),
        })
    });
    Ok(Report { name: "bridge", rows: rows.collect::<Result<_, String>>()? })
}
