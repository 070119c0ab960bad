//! `cargo xtask test`: installs what the tests need, then runs all of them: examples in the documentation first, then
//! everything else, so that the runner's own summary is the last thing on the screen.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv6Addr, UdpSocket};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Finding};
use crate::processors::Processors;
use crate::workspace::Workspace;
use crate::{node_modules, peers, process, source};

/// Tests in this module of the integration binary talk to foreign programs.
const INTEROP: &str = "interop::";

/// Tests with this in their name need the address ::1.
const IPV6: &str = "over_ipv6";

/// Tests with this in their name watch a server under attack by the millisecond: nothing else runs meanwhile.
const ALONE: &str = "siege_";

/// Folder of the sources of those that talk to foreign programs.
const INTEROP_FOLDER: &str = "tests/interop/";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let (without_peers, filter) = match arguments {
        [] => (false, None),
        [word] if word == "--without-peers" => (true, None),
        [word, filter] if word == "--without-peers" && !filter.starts_with('-') => (true, Some(filter.as_str())),
        [filter] if !filter.starts_with('-') => (false, Some(filter.as_str())),
        _ => return Err(Failure::Usage("test takes `--without-peers` and one filter".into())),
    };
    if !without_peers {
        peers::install(&peers::missing(false))?;
        node_modules::install(workspace)?;
    }
    let has_ipv6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let skipped: Vec<&str> =
        [(INTEROP, without_peers), (IPV6, !has_ipv6)].iter().filter(|(_, skip)| *skip).map(|(name, _)| *name).collect();
    let outcome = run_all(workspace, filter, &skipped);
    let tests = source::tests_in(&workspace.sources()?);
    if without_peers {
        let of_peers = tests.iter().filter(|test| test.path.starts_with(INTEROP_FOLDER)).count();
        println!("skipped for want of peers: {of_peers} interop test(s)");
    }
    if !has_ipv6 {
        let over_ipv6 = tests.iter().filter(|test| test.name.contains(IPV6)).count();
        println!("skipped for want of ::1: {over_ipv6} test(s)");
    }
    outcome
}

/// Runs all but those whose name has one of `skipped` in it.
fn run_all(workspace: &Workspace, filter: Option<&str>, skipped: &[&str]) -> Result<(), Failure> {
    let mut documented = process::cargo();
    documented.current_dir(workspace.root()).args(["test", "--workspace", "--doc", "--quiet"]).args(filter);
    process::run(&mut documented)?;
    if has_nextest() {
        let mut command = process::cargo();
        command.current_dir(workspace.root()).args(["nextest", "run", "--workspace", "--no-fail-fast"]).args(filter);
        if filter.is_some() {
            command.arg("--no-tests=pass");
        }
        if !skipped.is_empty() {
            let each: Vec<String> = skipped.iter().map(|name| format!("not test({name})")).collect();
            command.args(["-E", &each.join(" and ")]);
        }
        let before = Processors::now();
        process::run(&mut command)?;
        let kept = Processors::now().kept_since(before);
        let report = workspace.target_directory()?.join("nextest/default/junit.xml");
        let flaky = fs::read_to_string(report).map(|report| flaky_in(&report)).unwrap_or_default();
        return judge(&flaky, kept);
    }
    let one = |words: &[&str]| {
        let mut command = process::cargo();
        command.current_dir(workspace.root());
        command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]).args(filter);
        command.arg("--").args(words).args(skipped.iter().flat_map(|name| ["--skip", name]));
        command
    };
    match filter {
        Some(_) => with_totals(&mut [one(&[])]),
        // As .config/nextest.toml says it.
        None => with_totals(&mut [one(&["--skip", ALONE]), one(&[ALONE, "--test-threads", "1", "--show-output"])]),
    }
}

/// Per cent of the processors' time that the host of this machine may keep before it may be the reason why a test failed.
const KEPT: f64 = 2.0;

/// Tests that passed when they were tried again, and how often each had failed, are a failure, unless the host kept the processors for `kept` per cent of the
/// time and more than [`KEPT`]: then they are told.
fn judge(flaky: &[(String, usize)], kept: f64) -> Result<(), Failure> {
    if flaky.is_empty() {
        return Ok(());
    }
    if kept > KEPT {
        println!("passed when tried again, on processors of which the host kept {kept:.1} %:");
        flaky.iter().for_each(|(name, times)| println!("  {name}: failed {times} times"));
        return Ok(());
    }
    let mend = "find out what it depends on: `cargo nextest run --retries 0 --stress-count 20 NAME`";
    let why =
        format!("passed only when it was tried again, on processors that were ours ({kept:.1} % kept by the host)");
    let finding = |(name, times): &(String, usize)| Finding::new(name, format!("{why}; failed {times} times"), mend);
    Err(Failure::Findings(flaky.iter().map(finding).collect()))
}

/// The names of tests in a report of the runner, in the form of JUnit, that passed when they were tried again, and how often each had failed.
fn flaky_in(report: &str) -> Vec<(String, usize)> {
    let name = |case: &str| case.split_once("name=\"")?.1.split('"').next().map(str::to_owned);
    let cases = report.split("<testcase ").skip(1).map(|case| (case, case.matches("<flakyFailure").count()));
    cases.filter(|(_, times)| *times > 0).filter_map(|(case, times)| Some((name(case)?, times))).collect()
}

fn has_nextest() -> bool {
    process::succeeds(process::cargo().args(["nextest", "--version"]))
}

/// Numbers of one `test result:` line.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

/// Runs plain `cargo test` once for each command, passing its output on, and adds up the summaries of the test binaries in one last line.
fn with_totals(commands: &mut [Command]) -> Result<(), Failure> {
    let (mut totals, mut outcome) = (Totals::default(), Ok(()));
    for command in commands {
        outcome = outcome.and(passed_on(command, &mut totals));
    }
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {} passed; {} failed; {} ignored (all binaries)",
        totals.passed, totals.failed, totals.ignored
    );
    outcome
}

/// Runs one, passing its output on, and adds its summaries to `totals`.
fn passed_on(command: &mut Command, totals: &mut Totals) -> Result<(), Failure> {
    let failed = |command: &Command, how: String| Failure::Program(process::line_of(command), how);
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|e| failed(command, format!("did not start: {e}")))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(|e| failed(command, format!("printed what cannot be read: {e}")))?;
            println!("{line}");
            if let Some(one) = totals_of(&line) {
                totals.passed += one.passed;
                totals.failed += one.failed;
                totals.ignored += one.ignored;
            }
        }
    }
    let status = child.wait().map_err(|e| failed(command, e.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(command, format!("ended with {status}"))) }
}

/// `test result: ok. 3 passed; 1 failed; 0 ignored; ..`
pub(crate) fn totals_of(line: &str) -> Option<Totals> {
    let rest = line.trim().strip_prefix("test result: ")?;
    let number = |word: &str| {
        let (before, _) = rest.split_once(word)?;
        before.split_whitespace().next_back()?.parse::<u64>().ok()
    };
    Some(Totals { passed: number(" passed")?, failed: number(" failed")?, ignored: number(" ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_line_is_read() {
        let line = "test result: FAILED. 13 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.02s";
        assert_eq!(totals_of(line), Some(Totals { passed: 13, failed: 2, ignored: 1 }));
        assert_eq!(totals_of("test a::b ... ok"), None);
    }

    #[test]
    fn a_test_that_passes_the_second_time_fails_the_run_unless_the_host_kept_the_processors() {
        let report = r#"<testsuites name="nextest-run" tests="3"><testsuite name="offhook">
            <testcase name="calls::one" classname="offhook" time="0.1"></testcase>
            <testcase name="calls::two" classname="offhook" time="0.1"><flakyFailure type="test failure">no</flakyFailure>
                <flakyFailure type="test failure">no</flakyFailure></testcase>
            <testcase name="calls::three" classname="offhook"><failure type="test failure"/></testcase></testsuite></testsuites>"#;
        let flaky = flaky_in(report);
        assert_eq!(flaky, [("calls::two".to_owned(), 2)]);
        assert!(judge(&flaky, 1.9).is_err());
        assert!(judge(&flaky, 2.1).is_ok());
        assert!(judge(&[], 0.0).is_ok());
    }

    #[test]
    fn the_exit_code_of_the_runner_is_ours() {
        let fine = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored; x'";
        let shell = |line: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", line]);
            command
        };
        assert!(with_totals(&mut [shell(fine)]).is_ok());
        assert!(with_totals(&mut [shell("exit 101"), shell(fine)]).is_err());
        assert!(with_totals(&mut [shell(fine), shell("exit 101")]).is_err());
    }
}
