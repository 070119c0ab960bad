//! Reading messages: instructions counted by callgrind, allocations, and the comparison with the slow reader of the tests, for the five
//! messages of `tests/data/parse` and for 20 drawn from the torture messages, the broken among them.

use std::path::PathBuf;

use crate::count;
use crate::figure::{Bound, Check, Figure, Peer, Report, Row};
use crate::oracle;
use crate::work::{INVITE, READINGS};

/// How many torture messages are drawn.
const DRAWN: usize = 20;
/// What others need for the 1.1 kB INVITE, as stated; neither can be had as a package: PJSIP's full parse, and the fastest lazy Rust parser with keys.
const INDEX: (&str, f64, f64) = ("fastest lazy Rust parser with keys, stated", 46_000.0, 6_000.0);
const TYPED: (&str, f64, f64) = ("PJSIP's full parse, stated", 26_900.0, 20_000.0);

/// Counts both depths of reading for every message.
pub(crate) fn run() -> Result<Report, String> {
    let mut files = found("tests/data/parse")?;
    let mut torture = found("tests/data/rfc4475")?;
    torture.extend(found("tests/data/rfc5118/wire")?);
    files.extend(drawn(&torture).cloned());
    let words: Vec<&str> = std::iter::once("read").chain(files.iter().map(String::as_str)).collect();
    let (pieces, _) = count::instructions(&words)?;
    if pieces.len() != 3 * files.len() {
        return Err(format!("{} pieces were counted, expected three of each of {} files", pieces.len(), files.len()));
    }
    let mut rows = Vec::new();
    for (file, counts) in files.iter().zip(pieces.chunks(3)) {
        let each = |count: &f64| Figure(vec![count / READINGS as f64]);
        let null = counts.last().map(each);
        let depths = [("index and routing keys", INDEX), ("everything typed", TYPED)];
        for ((depth, (peer, stated, bound)), count) in depths.into_iter().zip(counts) {
            let short = file.trim_start_matches("tests/data/");
            let goal = file == INVITE;
            rows.push(Row {
                load: format!("{short}, {depth}"),
                unit: "instructions",
                ours: each(count),
                peer: goal.then(|| Peer { name: peer, figure: Figure(vec![stated]), expected: None }),
                null: null.clone(),
                bound: if goal { Bound::Units(bound) } else { Bound::None },
            });
        }
    }
    let checks = vec![
        Check::of(format!("{INVITE} is read with at most one allocation"), one_allocation()?),
        Check::of(format!("all {} are read as the slow reader reads them, field by field", files.len()), agree(&files)),
    ];
    let notes = vec!["the null figure is that of a pass over the octets that counts the lines".to_owned()];
    Ok(Report { name: "parse", rows, notes, checks })
}

/// Whether reading the INVITE takes more than one allocation: the difference between two numbers of readings.
fn one_allocation() -> Result<Result<(), String>, String> {
    let (few, many) = (count::allocations(&["again", INVITE, "100"])?, count::allocations(&["again", INVITE, "1100"])?);
    let each = (many - few) / 1_000.0;
    Ok(if each <= 1.0 { Ok(()) } else { Err(format!("{each:.2} allocations")) })
}

/// Every n-th, so that all kinds occur.
fn drawn(files: &[String]) -> impl Iterator<Item = &String> {
    (0..DRAWN).filter_map(move |n| files.get(n * files.len() / DRAWN))
}

/// The messages of a folder, in order.
fn found(folder: &str) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    let mut files: Vec<String> = files.map(|path: PathBuf| path.to_string_lossy().into_owned()).collect();
    files.sort();
    Ok(files)
}

/// Compares both readers on every file.
fn agree(files: &[String]) -> Result<(), String> {
    for file in files {
        let bytes = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
        // The comparison tells a difference by a panic, as tests do.
        if std::panic::catch_unwind(|| oracle::compare(&bytes)).is_err() {
            return Err(format!("{file}: the readers differ"));
        }
    }
    Ok(())
}
