//! `bench/RESULTS.md`: of each measurement its command, the commit, the machine, a table and the raw output. `cargo xtask bench all --write` writes all of
//! them, `cargo xtask bench NAME --write` one: the figures of one row are always of one run.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::figure::{Figure, Report, Row};
use crate::server::load;

const FILE: &str = "bench/RESULTS.md";
/// Programs beside which the figures stand, and how each tells its version.
const PEERS: [&[&str]; 4] =
    [&["sip-tester"], &["kamailio"], &["rtpengine-daemon", "ngcp-rtpengine-daemon"], &["valgrind"]];
/// A load average above this, for each core, means that others are at work: nothing is written then.
const BUSY: f64 = 0.5;
/// How long it may take a machine to come to rest: builds that have just ended are in the load average for some minutes.
const REST: Duration = Duration::from_secs(300);

/// What stands above the measurements.
const HEAD: &str = "# Results\n\n\
    Written by `cargo xtask bench all --write` and `cargo xtask bench NAME --write`; nothing here is edited by hand. To measure alone: \
    `cargo xtask bench NAME [--json]`.\n\n\
    How to read it: a figure is the median of its runs, least and most behind it. CPU time is what the kernel has accounted to the server's processes \
    (user and system, ended threads included), divided by the units of work; the server runs on core 0, the load on core 1, and ours, the peer and the \
    server that does nothing (the *null* server: the same datagrams, nothing else) take turns. Only ratios of one run mean anything. Closed loop and a \
    fixed rate are different loads: at a fixed rate a server rests between messages and finds its caches cold. A row counts only when the peer's own \
    figure lies within 30 % of what is known of it on such a machine when idle.\n\n";

/// The page before anything was measured.
pub(crate) struct Page {
    /// The commit, the machine and its state before the first measurement.
    stamp: String,
}

impl Page {
    /// Looks at the machine before it is loaded, once it has come to rest.
    ///
    /// # Errors
    /// Where the page would not say what was measured: something is not committed, or others are at work on the machine.
    pub(crate) fn begin() -> Result<Self, String> {
        let begun = Instant::now();
        let mut machine = Machine::look();
        while machine.is_busy() && begun.elapsed() < REST {
            sleep(Duration::from_secs(1));
            machine = Machine::look();
        }
        machine.is_fit()?;
        Ok(Self { stamp: stamp(&machine) })
    }

    /// Writes a measurement into the file, in its place among all that have these `names`. The others stay as they are.
    pub(crate) fn write(&self, report: &Report, names: &[&str]) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{FILE}: {error}");
        let before = match fs::read_to_string(FILE) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.map_err(failed)?,
        };
        fs::write(FILE, renewed(&before, report.name, &section(report, &self.stamp), names)).map_err(failed)
    }
}

/// What the figures depend on.
struct Machine {
    cores: usize,
    model: String,
    /// The load average of the last minute.
    load: f64,
    commit: String,
    /// Files that are not as they were committed.
    changed: String,
}

impl Machine {
    fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let load = read("/proc/loadavg").split_whitespace().next().and_then(|word| word.parse().ok());
        let here = std::env::current_dir().unwrap_or_default();
        let git = |words: &[&str]| told(&[&["git", "-C", &here.to_string_lossy()], words].concat());
        Self {
            cores: cpu.lines().filter(|line| line.starts_with("processor")).count(),
            model: model.map_or("unknown processor", |(_, name)| name.trim()).to_owned(),
            // Who cannot tell is taken for busy.
            load: load.unwrap_or(f64::INFINITY),
            commit: git(&["rev-parse", "--short=12", "HEAD"]),
            // The page of the last time says nothing of what is measured.
            changed: git(&["status", "--porcelain", "--", ".", &format!(":!{FILE}")]),
        }
    }

    fn is_busy(&self) -> bool {
        self.load > BUSY * self.cores as f64
    }

    fn is_fit(&self) -> Result<(), String> {
        let Self { cores, load, commit, changed, .. } = self;
        if commit.is_empty() {
            return Err(format!("{FILE} names the commit that was measured, and git tells none here"));
        }
        if !changed.is_empty() {
            return Err(format!(
                "{FILE} names the commit that was measured, and these files are not as committed: commit or stash them\n{changed}"
            ));
        }
        if self.is_busy() {
            return Err(format!(
                "others have been at work on this machine for minutes: its load average is {load}, and {FILE} is written below {} \
                 only; wait, or measure without --write",
                BUSY * *cores as f64
            ));
        }
        Ok(())
    }
}

fn told(command: &[&str]) -> String {
    load(command).unwrap_or_default().trim_end().to_owned()
}

/// The page with another section of that name.
fn renewed(before: &str, name: &str, section: &str, names: &[&str]) -> String {
    let kept = |name: &str| {
        let begin = before.find(&format!("\n## {name}\n"))? + 1;
        let rest = before.get(begin..)?;
        let end = rest.find("\n## ").map_or(rest.len(), |end| end + 1);
        rest.get(..end)
    };
    let sections = names.iter().map(|one| if *one == name { section } else { kept(one).unwrap_or_default() });
    std::iter::once(HEAD).chain(sections).collect()
}

fn stamp(machine: &Machine) -> String {
    let Machine { cores, model, load, commit, .. } = machine;
    let peers: Vec<String> = PEERS.iter().filter_map(|names| names.iter().find_map(|name| version(name))).collect();
    format!(
        "Commit {commit}, {}, {cores} x {model}, Linux {}, load average {load} before it; {}; {}.",
        told(&["date", "-u", "+%Y-%m-%d %H:%M UTC"]),
        told(&["uname", "-r"]),
        told(&["rustc", "--version"]),
        peers.join(", "),
    )
}

fn version(package: &str) -> Option<String> {
    let version = load(&["dpkg-query", "-W", "-f", "${Version}", package]).ok().filter(|text| !text.is_empty())?;
    Some(format!("{package} {version}"))
}

fn section(report: &Report, stamp: &str) -> String {
    let mut text = format!(
        "## {}\n\n`cargo xtask bench {}`\n\n{stamp}\n\n| load | unit | ours | peer | null | ours / peer | ours / null | goal |\n|---|---|---|---|---|---|---|---|\n",
        report.name, report.name
    );
    for row in &report.rows {
        text += &line(row);
    }
    for note in &report.notes {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n- {note}");
    }
    for check in &report.checks {
        let outcome = check.failed.as_ref().map_or_else(|| "yes".to_owned(), |why| format!("**no**: {why}"));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        let (commit, changed) = ("0123456789ab".into(), String::new());
        Machine { cores: 2, model: "any".into(), load: 1.0, commit, changed }
    }

    #[test]
    fn nothing_is_written_of_what_is_not_committed() {
        assert_eq!(machine().is_fit(), Ok(()));
        let changed = Machine { changed: " M crates/net/src/udp.rs".into(), ..machine() };
        assert!(changed.is_fit().is_err_and(|why| why.contains("crates/net/src/udp.rs")));
        let unknown = Machine { commit: String::new(), ..machine() };
        assert!(unknown.is_fit().is_err_and(|why| why.contains("git")));
    }

    #[test]
    fn nothing_is_written_while_others_are_at_work() {
        let busy = Machine { load: 1.01, ..machine() };
        assert!(busy.is_fit().is_err_and(|why| why.contains("load average is 1.01")));
        assert!(Machine { cores: 4, ..busy }.is_fit().is_ok());
    }

    #[test]
    fn one_section_is_renewed_in_its_place_and_the_others_stay() {
        let names = ["one", "two", "three"];
        let first = renewed("", "three", "## three\n\nold\n\n", &names);
        assert_eq!(first, format!("{HEAD}## three\n\nold\n\n"));
        let second = renewed(&first, "one", "## one\n\nfirst\n\n", &names);
        assert_eq!(second, format!("{HEAD}## one\n\nfirst\n\n## three\n\nold\n\n"));
        let third = renewed(&second, "three", "## three\n\nnew\n\n", &names);
        assert_eq!(third, format!("{HEAD}## one\n\nfirst\n\n## three\n\nnew\n\n"));
    }

    #[test]
    fn this_machine_is_looked_at() {
        let machine = Machine::look();
        assert!(machine.cores > 0 && machine.load.is_finite());
    }
}
