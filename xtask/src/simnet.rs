//! `cargo xtask simnet`: many more seeds of the simulated network than the tests play each time. `crates/simnet/RUNS.md` tells of such runs.

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// Seeds when nothing else is asked for; half as many are played through a proxy.
const SEEDS: u64 = 10_000;

/// What is in the names of both tests that play seeds, and in that of no other.
const TESTS: &str = "seeds_";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let seeds = seeds(arguments)?;
    let mut command = process::cargo();
    command.current_dir(workspace.root()).env("OFFHOOK_SEEDS", seeds.to_string());
    command.args(["test", "--release", "--package", "offhook-simnet", "--test", "seeds", TESTS]);
    command.args(["--", "--nocapture", "--test-threads", "1"]);
    let said = process::output(&mut command)?;
    println!("{said}");
    match runs(&said) {
        2 => Ok(()),
        runs => Err(Failure::Program(process::line_of(&command), format!("tells of {runs} runs, and not of two"))),
    }
}

/// How many runs have counted what happened.
fn runs(said: &str) -> usize {
    said.lines().filter(|line| line.contains(" seeds in ")).count()
}

fn seeds(arguments: &[String]) -> Result<u64, Failure> {
    let wrong = || Failure::Usage("simnet takes `--seeds N`, from 1 on".into());
    match arguments {
        [] => Ok(SEEDS),
        [word, number] if word == "--seeds" => number.parse().ok().filter(|seeds| *seeds > 0).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_is_ten_thousand_seeds_unless_another_number_is_asked_for() {
        let asked = |words: &[&str]| seeds(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(asked(&[]).ok(), Some(10_000));
        assert_eq!(asked(&["--seeds", "25"]).ok(), Some(25));
        for wrong in [&["--seeds"][..], &["--seeds", "0"], &["--seeds", "many"], &["25"], &["--seeds", "1", "2"]] {
            assert!(matches!(asked(wrong), Err(Failure::Usage(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_run_that_has_counted_nothing_is_none() {
        let said = "running 2 tests\ntest one ...       17  fault Loss\n1000 seeds in 12.5 s\nok\n     3  fate x\n500 seeds in 9.0 s\nok\n";
        assert_eq!(runs(said), 2);
        assert_eq!(runs("running 0 tests\n"), 0);
    }
}
