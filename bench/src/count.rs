//! Instructions, counted by callgrind: they repeat exactly, whatever else the machine does.
//!
//! The program runs itself under valgrind. What is counted lies between two calls of [`mark`]; callgrind writes its counters at each of
//! them, so one run measures many things.

use std::fs;
use std::process::Command;

/// Begins and ends what is counted.
#[inline(never)]
pub(crate) fn mark() {
    std::hint::black_box(());
}

/// Runs this program with `words` under callgrind; the instructions of each marked piece in their order, and what it printed.
pub(crate) fn instructions(words: &[&str]) -> Result<(Vec<f64>, String), String> {
    let place = std::env::temp_dir().join(format!("offhook-count-{}", std::process::id()));
    let outcome = counted(&place.to_string_lossy(), words);
    for n in 0.. {
        let suffix = if n == 0 { String::new() } else { format!(".{n}") };
        if fs::remove_file(format!("{}{suffix}", place.display())).is_err() {
            break;
        }
    }
    outcome
}

fn counted(place: &str, words: &[&str]) -> Result<(Vec<f64>, String), String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-before=*count::mark*", &format!("--callgrind-out-file={place}")])
        .arg(&here)
        .args(words)
        .output()
        .map_err(|error| format!("valgrind: {error}; `cargo xtask peers install` brings it"))?;
    if !output.status.success() {
        return Err(format!("{words:?} under callgrind failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut counts = Vec::new();
    // Dumps are numbered from 1; those with odd numbers hold what lies before and between the pieces.
    while let Ok(dump) = fs::read_to_string(format!("{place}.{}", 2 * counts.len() + 2)) {
        let total = dump.lines().find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok());
        counts.push(total.ok_or_else(|| format!("no total in a dump of {words:?}"))?);
    }
    Ok((counts, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Allocations of this program run with `words`, as memcheck counts them.
pub(crate) fn allocations(words: &[&str]) -> Result<f64, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let output =
        Command::new("valgrind").arg(&here).args(words).output().map_err(|error| format!("valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = text.lines().find_map(|line| line.split_once("total heap usage:")?.1.split_whitespace().next());
    let count = count.and_then(|word| word.replace(',', "").parse().ok());
    count.ok_or_else(|| format!("no count of allocations in:\n{text}"))
}
