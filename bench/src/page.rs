//! `bench/RESULTS.md`: the machine, the commands, a table of each measurement and its raw output. Written whole by `cargo xtask bench all --write`.

use std::fmt::Write as _;
use std::fs;

use crate::figure::{Figure, Report, Row};
use crate::server::load;

const FILE: &str = "bench/RESULTS.md";
/// Programs beside which the figures stand, and how each tells its version.
const PEERS: [&[&str]; 4] =
    [&["sip-tester"], &["kamailio"], &["rtpengine-daemon", "ngcp-rtpengine-daemon"], &["valgrind"]];
/// A load average above this means that others were at work when the measurements began.
const BUSY: f64 = 0.3;

/// A page that grows.
pub(crate) struct Page {
    /// The machine and its state before the first measurement.
    head: String,
    reports: Vec<Report>,
}

impl Page {
    /// Looks at the machine before it is loaded.
    pub(crate) fn begin() -> Self {
        Self { head: head(), reports: Vec::new() }
    }

    pub(crate) fn add(&mut self, report: Report) {
        self.reports.push(report);
    }

    pub(crate) fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// Writes the file.
    pub(crate) fn write(&self) -> Result<(), String> {
        let mut text = self.head.clone();
        for report in &self.reports {
            text += &section(report);
        }
        fs::write(FILE, text).map_err(|error| format!("{FILE}: {error}"))
    }
}

fn head() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpus = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    let averages = read("/proc/loadavg");
    let one_minute = averages.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or_default();
    let state = if one_minute > BUSY { "BUSY: others were at work on it" } else { "idle" };
    let told = |command: &[&str]| load(command).unwrap_or_default().trim().to_owned();
    let here = std::env::current_dir().unwrap_or_default();
    let here = here.to_string_lossy();
    let commit = told(&["git", "-C", &here, "rev-parse", "--short=12", "HEAD"]);
    let changed = told(&["git", "-C", &here, "status", "--porcelain", "--untracked-files=no"]);
    let changed = if changed.is_empty() { "" } else { ", with changes that are not committed" };
    let peers: Vec<String> = PEERS.iter().filter_map(|names| names.iter().find_map(|name| version(name))).collect();
    format!(
        "# Results\n\n\
         Written by `cargo xtask bench all --write`; nothing here is edited by hand. A single measurement: `cargo xtask bench NAME [--json]` with \
         `parse`, `uas`, `register`, `relay` or `bridge`.\n\n\
         | | |\n|---|---|\n| commit | {commit}{changed} |\n| date | {} |\n| machine | {cpus} x {}, Linux {} |\n\
         | state of the machine | {state}; load average before the first measurement {one_minute} |\n| compiler | {} |\n| peers | {} |\n\n\
         How to read it: a figure is the median of its runs, least and most behind it. CPU time is what the kernel has accounted to the server's processes \
         (user and system, ended threads included), divided by the units of work; the server runs on core 0, the load on core 1, and ours, the peer and the \
         server that does nothing (the *null* server: the same datagrams, nothing else) take turns. Only ratios of one run mean anything. Closed loop and a \
         fixed rate are different loads: at a fixed rate most of the cost is waking up. A row counts only when the peer's own figure lies within 30 % of what \
         is known of it on such a machine when idle.\n\n",
        told(&["date", "-u", "+%Y-%m-%d %H:%M UTC"]),
        model.unwrap_or("unknown processor"),
        told(&["uname", "-r"]),
        told(&["rustc", "--version"]),
        peers.join(", "),
    )
}

fn version(package: &str) -> Option<String> {
    let version = load(&["dpkg-query", "-W", "-f", "${Version}", package]).ok().filter(|text| !text.is_empty())?;
    Some(format!("{package} {version}"))
}

fn section(report: &Report) -> String {
    let mut text = format!(
        "## {}\n\n`cargo xtask bench {}`\n\n| load | unit | ours | peer | null | ours / peer | ours / null | goal |\n|---|---|---|---|---|---|---|---|\n",
        report.name, report.name
    );
    for row in &report.rows {
        text += &line(row);
    }
    for check in &report.checks {
        let outcome = check.failed.as_ref().map_or_else(|| "yes".to_owned(), |why| format!("**no**: {why}"));
        // Writing to a String cannot fail.
        let _ = write!(text, "\n- {}: {outcome}", check.what);
    }
    text + &format!("\n\n<details><summary>raw output</summary>\n\n```text\n{}\n```\n\n</details>\n\n", report.text())
}

fn line(row: &Row) -> String {
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let peer = row.peer.as_ref().map_or_else(|| "-".to_owned(), |peer| format!("{} {}", peer.name, peer.figure.text()));
    format!(
        "| {} | {} | {} | {peer} | {} | {} | {} | {} |\n",
        row.load,
        row.unit,
        row.ours.text(),
        row.null.as_ref().map_or_else(|| "-".to_owned(), Figure::text),
        ratio(row.of_peer()),
        ratio(row.of_null()),
        row.verdict()
    )
}
