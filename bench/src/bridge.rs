//! The conference bridge: CPU time a tick of 20 ms with everybody talking, G.711 decoded and encoded. The null figure is that of ticks that only copy
//! what comes in and goes out.

use std::time::Duration;

use audio::frame::SampleRate;
use nix::time::{ClockId, clock_gettime};

use crate::figure::{Bound, Figure, Peer, Report, Row};
use crate::server::{load, this_program};
use crate::work::{Room, Tick};

const RUNS: usize = 3;
/// Rounds of a run, the median of which counts, and ticks of a round.
const ROUNDS: usize = 11;
const TICKS: u32 = 2_000;

struct Load {
    name: &'static str,
    rate: SampleRate,
    work: Tick,
    null: Tick,
    /// In us a tick.
    bound: f64,
    /// PJMEDIA's figure as stated: it cannot be had as a package.
    stated: f64,
}

const LOADS: [Load; 2] = [
    Load {
        name: "100 ports, 8 kHz, PCMU decoded and encoded",
        rate: SampleRate::NARROW,
        work: Room::with_codec,
        null: Room::copy_codes,
        bound: 60.0,
        stated: 2_970.0,
    },
    Load {
        name: "100 ports, 16 kHz, mix",
        rate: SampleRate::WIDE,
        work: Room::mix,
        null: Room::copy_samples,
        bound: 100.0,
        stated: 5_780.0,
    },
];

/// Measures in a process of its own on core 0, where servers are measured.
pub(crate) fn run() -> Result<Report, String> {
    let here = this_program()?;
    let runs = (0..RUNS).map(|_| read(&load(&["taskset", "-c", "0", &here, "ticks"])?));
    let runs: Vec<Vec<f64>> = runs.collect::<Result<_, _>>()?;
    let column = |n: usize| Figure(runs.iter().filter_map(|run| run.get(n).copied()).collect());
    let rows = LOADS.into_iter().enumerate().map(|(n, Load { name, bound, stated, .. })| Row {
        load: name.into(),
        unit: "us CPU a tick",
        ours: column(2 * n),
        peer: Some(Peer { name: "PJMEDIA, stated", figure: Figure(vec![stated]), expected: None }),
        null: Some(column(2 * n + 1)),
        bound: Bound::Units(bound),
    });
    Ok(Report {
        name: "bridge",
        rows: rows.collect(),
        notes: vec!["the null figure is that of ticks that only copy what comes in and goes out".to_owned()],
        checks: Vec::new(),
    })
}

/// The other process's part: a figure a line, each load's and then its null figure.
#[allow(clippy::print_stdout)]
pub(crate) fn ticks() {
    for Load { rate, work, null, .. } in LOADS {
        println!("{}\n{}", measured(rate, work), measured(rate, null));
    }
}

fn read(figures: &str) -> Result<Vec<f64>, String> {
    let read: Vec<f64> = figures.lines().filter_map(|line| line.parse().ok()).collect();
    if read.len() == 2 * LOADS.len() { Ok(read) } else { Err(format!("no figures:\n{figures}")) }
}

fn measured(rate: SampleRate, tick: Tick) -> f64 {
    let mut room = Room::new(rate);
    let mut round = || {
        let begun = cpu();
        (0..TICKS).for_each(|_| tick(&mut room));
        (cpu() - begun).as_secs_f64() * 1e6 / f64::from(TICKS)
    };
    round();
    Figure((0..ROUNDS).map(|_| round()).collect()).median()
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
