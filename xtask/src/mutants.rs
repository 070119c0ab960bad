//! `cargo xtask mutants`: bugs planted on purpose, each of which the tests must notice.
//!
//! A planted bug is compiled in by a cargo feature and chosen, where a feature holds several, by its name in the
//! environment ([`CHOICE`]). `tests/data/mutants.txt` says for each which package's tests have to notice it. Without the
//! feature these tests must pass (and there must be some); with it the build must succeed and at least one must fail. A
//! run that does not end counts as not noticed.

use std::collections::BTreeMap;
use std::process::Command;

use crate::failure::{Failure, Finding};
use crate::process;
use crate::test::totals_of;
use crate::workspace::Workspace;

const TABLE: &str = "tests/data/mutants.txt";

/// Which of the bugs that a feature compiles in is live.
const CHOICE: &str = "OFFHOOK_PLANTED";

/// Seconds for the tests of one mutant.
const LIMIT: &str = "300";

/// One planted bug.
#[derive(Debug, PartialEq, Eq)]
struct Mutant {
    name: String,
    package: String,
    features: String,
    filter: String,
    breaks: String,
}

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let table = table(&workspace.read(TABLE)?)?;
    let wanted: Vec<&Mutant> = match arguments {
        [] => table.iter().collect(),
        [word] if word == "list" => {
            for mutant in &table {
                println!("{:<28}{:<18}{:<32}{}", mutant.name, mutant.package, mutant.filter, mutant.breaks);
            }
            println!("mutants: {}", table.len());
            return Ok(());
        }
        [name] => table.iter().filter(|mutant| mutant.name == *name).collect(),
        _ => return Err(Failure::Usage("mutants takes `list` or one name".into())),
    };
    if wanted.is_empty() && !arguments.is_empty() {
        return Err(Failure::Usage(format!("no such mutant; they are in {TABLE}")));
    }
    let mut findings = Vec::new();
    let mut healthy = BTreeMap::new();
    for mutant in &wanted {
        match judge(workspace, mutant, &mut healthy)? {
            Verdict::Noticed(failed) => println!("mutant {}: noticed by {failed} test(s)", mutant.name),
            Verdict::Escaped(how) => {
                println!("mutant {}: {how}", mutant.name);
                let mend = format!("strengthen the tests `{}` of {}", mutant.filter, mutant.package);
                findings.push(Finding::new(&mutant.name, format!("{how} ({})", mutant.breaks), mend));
            }
        }
    }
    Failure::unless_empty(findings)?;
    println!("mutants: {} planted, all noticed", wanted.len());
    Ok(())
}

fn table(text: &str) -> Result<Vec<Mutant>, Failure> {
    let mut mutants = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty())
    {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells.as_slice() {
            [name, package, features, filter, breaks] if cells.iter().all(|cell| !cell.is_empty()) => {
                mutants.push(Mutant {
                    name: (*name).into(),
                    package: (*package).into(),
                    features: (*features).into(),
                    filter: (*filter).into(),
                    breaks: (*breaks).into(),
                })
            }
            _ => {
                let mend = "name | package | features | test filter | what is broken";
                return Err(Failure::Findings(vec![Finding::new(
                    format!("{TABLE}:{}", index + 1),
                    "not five cells",
                    mend,
                )]));
            }
        }
    }
    Ok(mutants)
}

/// What the tests said about a planted bug.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Noticed(u64),
    Escaped(String),
}

/// Runs the tests without the bug (once for mutants with the same ones) and with it.
fn judge(
    workspace: &Workspace,
    mutant: &Mutant,
    healthy: &mut BTreeMap<(String, String), Summary>,
) -> Result<Verdict, Failure> {
    let test = |planted: bool, build_only: bool| {
        let cargo = process::cargo();
        let mut command = Command::new("timeout");
        command.current_dir(workspace.root()).env_remove(CHOICE);
        command.arg(if build_only { "1800" } else { LIMIT }).arg(cargo.get_program());
        command.args(["test", "--package", &mutant.package, "--lib", "--bins", "--tests", "--no-fail-fast"]);
        if planted {
            command.args(["--features", &mutant.features]);
        }
        if build_only {
            command.args(["--quiet", "--no-run"]);
        } else {
            command.arg(&mutant.filter);
            if planted {
                command.env(CHOICE, &mutant.name);
            }
        }
        command
    };
    let key = (mutant.package.clone(), mutant.filter.clone());
    let sound = match healthy.get(&key) {
        Some(known) => *known,
        None => {
            process::run(&mut test(false, true))?;
            let ran = summary(&mut test(false, false))?;
            healthy.insert(key, ran);
            ran
        }
    };
    process::run(&mut test(true, true))?;
    let planted = summary(&mut test(true, false))?;
    Ok(verdict(sound, planted))
}

/// Tests passed and failed, and whether the run ended at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Summary {
    passed: u64,
    failed: u64,
    ended: bool,
}

fn summary(command: &mut Command) -> Result<Summary, Failure> {
    let output =
        command.output().map_err(|e| Failure::Program(process::line_of(command), format!("did not start: {e}")))?;
    let mut summary = Summary { passed: 0, failed: 0, ended: output.status.code() != Some(124) };
    for totals in String::from_utf8_lossy(&output.stdout).lines().filter_map(totals_of) {
        summary.passed += totals.passed;
        summary.failed += totals.failed;
    }
    Ok(summary)
}

fn verdict(healthy: Summary, planted: Summary) -> Verdict {
    if !healthy.ended || healthy.failed > 0 {
        return Verdict::Escaped("the tests fail without the bug, so they show nothing".into());
    }
    if healthy.passed == 0 {
        return Verdict::Escaped("the filter matches no test".into());
    }
    if planted.failed > 0 {
        return Verdict::Noticed(planted.failed);
    }
    Verdict::Escaped(if planted.ended {
        "not noticed".into()
    } else {
        format!("no end within {LIMIT} s, which notices nothing")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(passed: u64, failed: u64) -> Summary {
        Summary { passed, failed, ended: true }
    }

    #[test]
    fn only_a_failing_test_notices_a_bug() {
        assert_eq!(verdict(ran(5, 0), ran(4, 1)), Verdict::Noticed(1));
        for (healthy, planted) in [
            (ran(5, 0), ran(5, 0)),
            (ran(0, 0), ran(0, 1)),
            (ran(4, 1), ran(4, 1)),
            (ran(5, 0), Summary { ended: false, ..ran(0, 0) }),
        ] {
            assert!(matches!(verdict(healthy, planted), Verdict::Escaped(_)), "{healthy:?} {planted:?}");
        }
    }

    #[test]
    fn the_table_wants_five_cells() {
        let rows =
            table("# head\nno-timer-b | offhook-simnet | sip/mutant-no-timer-b | loss | INVITE never gives up\n")
                .expect("five cells");
        assert_eq!(rows.first().map(|mutant| mutant.filter.as_str()), Some("loss"));
        assert!(table("a | b | c | d").is_err());
        assert!(table("a | b | | d | e").is_err());
    }

    #[test]
    fn test_summaries_of_every_binary_are_added() {
        let text = "printf 'test result: ok. 2 passed; 0 failed; 0 ignored; x\\ntest result: FAILED. 1 passed; 3 failed; 0 ignored; x\\n'; exit 101";
        assert_eq!(summary(Command::new("sh").args(["-c", text])).ok(), Some(ran(3, 3)));
    }
}
