//! `cargo xtask size`: a source file above 900 lines says in itself why it has to be one file.

use crate::failure::{Failure, Finding};
use crate::workspace::{TextFile, Workspace};

/// Lines above which a file needs a line `// size: reason`.
const LIMIT: usize = 900;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "core", "base", "misc", "helper", "helpers", "processor", "context", "service"];

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("size takes no argument".into()));
    }
    let files = workspace.sources()?;
    let mut findings = oversized(&files);
    findings.extend(badly_named(&files));
    Failure::unless_empty(findings)?;
    let lines: usize = files.iter().map(|file| file.text.lines().count()).sum();
    let longest = files.iter().max_by_key(|file| file.text.lines().count());
    let longest =
        longest.map_or(String::new(), |file| format!("; longest {} ({})", file.path, file.text.lines().count()));
    println!("size: {} Rust files, {lines} lines{longest}", files.len());
    Ok(())
}

fn oversized(files: &[TextFile]) -> Vec<Finding> {
    let reasoned = |text: &str| {
        text.lines()
            .any(|line| line.trim_start().strip_prefix("// size:").is_some_and(|reason| !reason.trim().is_empty()))
    };
    files
        .iter()
        .filter(|file| file.text.lines().count() > LIMIT && !reasoned(&file.text))
        .map(|file| {
            let what = format!("{} lines, more than {LIMIT}", file.text.lines().count());
            Finding::new(&file.path, what, "split it by what it does, or say why not in a line `// size: reason`")
        })
        .collect()
}

fn badly_named(files: &[TextFile]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| file.path.split('/').any(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"))))
        .map(|file| {
            Finding::new(
                &file.path,
                "a name that says nothing",
                "name it after the thing inside, in the field's own term",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize, head: &str) -> TextFile {
        TextFile { path: path.into(), text: format!("{head}\n{}", "x\n".repeat(lines)) }
    }

    #[test]
    fn a_long_file_needs_a_reason_and_an_empty_reason_is_none() {
        let files = [
            file("a.rs", 899, ""),
            file("b.rs", 900, ""),
            file("c.rs", 900, "// size: one table"),
            file("d.rs", 900, "// size: "),
        ];
        let places: Vec<String> = oversized(&files).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["b.rs", "d.rs"]);
    }

    #[test]
    fn names_that_say_nothing_are_refused_as_file_and_as_folder() {
        let files = [
            file("crates/sip/src/util.rs", 1, ""),
            file("crates/core/src/lib.rs", 1, ""),
            file("crates/sip/src/route.rs", 1, ""),
        ];
        assert_eq!(badly_named(&files).len(), 2);
    }
}
