//! `cargo xtask siege`: each attack of the tests `siege_` for a minute instead of seconds, and what came of it as a table, which `--write` puts into
//! `docs/security.md`. The controls are left out, which want harm to be done, and `siege_robot`: a robot takes whoever calls (the page says what that means).

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::process;
use crate::processors::Processors;
use crate::security::PAGE;
use crate::workspace::Workspace;

/// How long an attack lasts when nothing else is asked for, in seconds.
const SECS: u64 = 60;

/// What stands before a row of the table in what the tests print.
const MARK: &str = "siege: ";

/// Between these the table stands.
const BEGINS: &str = "<!-- sieges: written by cargo xtask siege --write -->\n";
const ENDS: &str = "<!-- end of sieges -->";

const HEAD: &str = "| attack | a second | the attacker is told | packets of a call within 5 ms of their time | the slowest answer to others | memory | the host and other programs had |\n\
    |---|---|---|---|---|---|---|\n";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let (secs, write) = wanted(arguments)?;
    let mut command = process::cargo();
    command.current_dir(workspace.root()).env("OFFHOOK_SIEGE_SECS", secs.to_string());
    command.args(["test", "--package", "offhook", "--test", "offhook", "siege_", "--", "--nocapture"]);
    command.args(["--test-threads", "1", "--skip", "siege_control_", "--skip", "siege_robot"]);
    let before = Processors::now();
    let rows = rows(&mut command)?;
    let kept = Processors::now().kept_since(before);
    if rows.is_empty() {
        return Err(Failure::Program(process::line_of(&command), "tells of no siege".into()));
    }
    let commit =
        process::output(Command::new("git").current_dir(workspace.root()).args(["rev-parse", "--short=7", "HEAD"]))?;
    let told = told(&rows, secs, commit.trim(), kept);
    println!("\n{told}");
    if write {
        let page = written(&workspace.read(PAGE)?, &told);
        let page = page.ok_or_else(|| Failure::Missing(format!("{PAGE} has no line `{}`", BEGINS.trim_end())))?;
        workspace.write(PAGE, &page)?;
    }
    Ok(())
}

/// How long, and whether it is written down.
fn wanted(arguments: &[String]) -> Result<(u64, bool), Failure> {
    let wrong = || Failure::Usage("siege takes `--secs N`, from 1 on, and `--write`".into());
    let (mut secs, mut write) = (SECS, false);
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--write" => write = true,
            "--secs" => {
                let number = words.next().and_then(|number| number.parse().ok());
                secs = number.filter(|secs| *secs > 0).ok_or_else(wrong)?;
            }
            _ => return Err(wrong()),
        }
    }
    Ok((secs, write))
}

/// Runs the tests, shows what they print as it comes, and returns the rows in it.
fn rows(command: &mut Command) -> Result<Vec<String>, Failure> {
    let line = process::line_of(command);
    let failed = |why: String| Failure::Program(line.clone(), why);
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| failed(format!("did not start: {error}")))?;
    let mut rows = Vec::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            rows.extend(row(&line).map(str::to_owned));
        }
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(rows) } else { Err(failed(format!("ended with {status}"))) }
}

/// The row in a line, which may begin with the name of a test.
fn row(line: &str) -> Option<&str> {
    line.split_once(MARK).map(|(_, row)| row).filter(|row| row.starts_with("| ") && row.ends_with(" |"))
}

fn told(rows: &[String], secs: u64, commit: &str, kept: f64) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    format!(
        "`cargo xtask siege --secs {secs}` on {commit}, {processors} processors for attackers and server together, of which the host kept {kept:.1} % to itself:\n\n{HEAD}{rows}"
    )
}

/// The page with this between its marks.
fn written(page: &str, told: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGINS)?;
    let (_, after) = rest.split_once(ENDS)?;
    Some([before, BEGINS, told, ENDS, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_lasts_a_minute_unless_another_time_is_asked_for() {
        let asked = |words: &[&str]| wanted(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).ok();
        assert_eq!(asked(&[]), Some((60, false)));
        assert_eq!(asked(&["--write"]), Some((60, true)));
        assert_eq!(asked(&["--secs", "5", "--write"]), Some((5, true)));
        for wrong in [&["--secs"][..], &["--secs", "0"], &["--secs", "many"], &["5"], &["--writes"]] {
            assert_eq!(asked(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn rows_are_found_behind_the_names_of_tests_and_nothing_else_is() {
        assert_eq!(
            row("test siege::sieges::siege_commas ... siege: | 56,000 commas | 9 |"),
            Some("| 56,000 commas | 9 |")
        );
        assert_eq!(row("siege: | a | b |"), Some("| a | b |"));
        for other in ["running 17 tests", "siege: nothing", "siege: | cut", "| a | b |", "test siege_x ... ok"] {
            assert_eq!(row(other), None, "{other}");
        }
    }

    #[test]
    fn the_table_takes_the_place_of_the_one_before() {
        let page = format!("before\n{BEGINS}earlier\n{ENDS}\nafter\n");
        let told = told(&["| a | b |".to_owned()], 5, "abc1234", 0.25);
        let page = written(&page, &told).unwrap();
        assert!(page.starts_with(&format!("before\n{BEGINS}`cargo xtask siege --secs 5` on abc1234, ")), "{page}");
        assert!(page.ends_with(&format!("|\n| a | b |\n{ENDS}\nafter\n")) && !page.contains("earlier"), "{page}");
        assert_eq!(written("no marks\n", &told), None);
    }
}
