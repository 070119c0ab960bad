//! `cargo xtask bench NAME [--json]`: one measurement with its peer and a server that does nothing beside it.
//!
//! Every figure is the CPU time of the server process per unit of work, from the kernel's own accounting, and is worth something only as
//! a ratio to the others of the same run: see `bench/RESULTS.md`. Servers run on core 0, the load on core 1, and all of them in turn.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bridge;
mod figure;
mod null;
mod parse;
mod register;
mod server;
mod uas;

use std::process::ExitCode;

use figure::Report;

const NAMES: &str = "parse, uas, register, bridge";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (words, json) = match words.iter().position(|word| *word == "--json") {
        Some(at) => ([&words[..at], &words[at + 1..]].concat(), true),
        None => (words, false),
    };
    let outcome: Result<Report, String> = match words[..] {
        ["parse"] => parse::run(),
        ["uas"] => uas::run(),
        ["register"] => register::run(),
        ["bridge"] => bridge::run(),
        // The servers that do nothing, as processes of their own.
        ["null-uas", address] => null::answer_calls(address),
        ["null-registrar", address] => null::register(address),
        _ => {
            eprintln!("bench: expected one of {NAMES}, and --json where a program reads it");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(report) => {
            println!("{}", if json { report.json() } else { report.text() });
            if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}
