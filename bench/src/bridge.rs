//! The conference bridge: CPU time a tick of 20 ms with everybody talking, G.711 decoded and encoded.

use crate::figure::{Bound, Figure, Peer, Report, Row};
use crate::server::load;

const RUNS: usize = 3;
/// What the measuring program prints before the figure, the bound in us a tick, and PJMEDIA's figure as stated: it cannot be had as a package.
const ROWS: [(&str, f64, f64); 2] =
    [("100 ports  8 kHz, PCMU decoded and encoded:", 60.0, 2_970.0), ("100 ports 16 kHz, mix:", 100.0, 5_780.0)];

/// Runs the crate's own measuring program on core 0 and reads its tables.
pub(crate) fn run() -> Result<Report, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let example = here.with_file_name("examples").join("bridge_cost");
    let command = ["taskset", "-c", "0", &example.to_string_lossy()];
    let tables = (0..RUNS).map(|_| load(&command)).collect::<Result<Vec<String>, String>>()?;
    let rows = ROWS.into_iter().map(|(label, bound, stated)| {
        let us = |table: &String| -> Result<f64, String> {
            let line = table.lines().find_map(|line| line.trim().strip_prefix(label));
            let us = line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok());
            us.ok_or_else(|| format!("no {label} in:\n{table}"))
        };
        Ok(Row {
            load: label.trim_end_matches(':').into(),
            unit: "us CPU a tick",
            ours: Figure(tables.iter().map(us).collect::<Result<_, String>>()?),
            peer: Some(Peer { name: "PJMEDIA, stated", figure: Figure(vec![stated]), expected: None }),
            null: None,
            bound: Bound::Units(bound),
        })
    });
    Ok(Report { name: "bridge", rows: rows.collect::<Result<_, String>>()?, checks: Vec::new() })
}
