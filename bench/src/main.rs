//! `cargo xtask bench NAME [--json]`: one measurement with its peer and a server that does nothing beside it.
//!
//! Every figure is the CPU time of the server process per unit of work, from the kernel's own accounting, and is worth something only as
//! a ratio to the others of the same run: see `bench/RESULTS.md`. Servers run on core 0, the load on core 1, and all of them in turn.
//!
//! The exit code is 0 when every goal is met, 1 when one is not or something failed, 2 for wrong words, and 3 when a peer was too far from what
//! is known of it for the run to count.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bridge;
mod count;
mod figure;
mod guard;
mod host;
mod memory;
mod null;
#[path = "../../crates/sip/tests/oracle/slow.rs"]
mod oracle;
mod page;
mod parse;
mod phone;
#[path = "../../xtask/src/processors.rs"]
mod processors;
mod proxy;
mod register;
mod registrar;
mod relay;
mod server;
mod tls;
mod uas;
mod work;

use std::process::ExitCode;

use figure::{Check, Report};

/// A measurement.
type Bench = fn() -> Result<Report, String>;

/// Every measurement, in the order of the page.
const BENCHES: [(&str, Bench); 9] = [
    ("parse", parse::run),
    ("uas", uas::run),
    ("register", register::run),
    ("registrar", registrar::run),
    ("proxy", proxy::run),
    ("tls", tls::run),
    ("relay", relay::run),
    ("bridge", bridge::run),
    ("memory", memory::run),
];

const USAGE: &str = "bench takes parse, uas, register, registrar, proxy, tls, relay, bridge or memory, with --json where a program reads it, or all; either with \
                     --write for bench/RESULTS.md; guard, with --write for bench/guard.txt";
/// A peer was not itself.
const DOES_NOT_COUNT: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode, String> {
    match *words {
        ["guard"] => guarded(false),
        ["guard", "--write"] => guarded(true),
        ["all"] => measure(&BENCHES, false),
        ["all", "--write"] => measure(&BENCHES, true),
        // What is counted, and the servers that do nothing, as processes of their own.
        ["work"] => done(work::all),
        ["read", ref files @ ..] => done(|| work::read_all(files)),
        ["ticks"] => done(bridge::ticks),
        ["again", file, times] => done(|| work::read_again(file, times.parse().unwrap_or_default())),
        ["null-uas", address] => null::answer_calls(address).map(|_| ExitCode::FAILURE),
        ["null-registrar", address] => null::register(address).map(|_| ExitCode::FAILURE),
        ["null-proxy", address, callee] => null::pass_calls_on(address, callee).map(|_| ExitCode::FAILURE),
        ["null-tls", address, certificate, key] => tls::accept(address, certificate, key).map(|_| ExitCode::FAILURE),
        ["tls-hold", address, count] => tls::hold(address, count).map(|()| ExitCode::SUCCESS),
        ["tls-new", address, seconds] => tls::make(address, seconds).map(|()| ExitCode::SUCCESS),
        ["null-relay", first, count] => relay::null::relay(first, count).map(|_| ExitCode::FAILURE),
        [name, ref rest @ ..] => match (BENCHES.iter().find(|(known, _)| *known == name), rest) {
            (Some(bench), ["--write"]) => measure(&[*bench], true),
            (Some((_, bench)), [] | ["--json"]) => {
                server::stand_aside()?;
                let report = bench()?;
                println!("{}", if rest.is_empty() { report.text() } else { report.json() });
                Ok(verdict(&[report]))
            }
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> Result<ExitCode, String> {
    eprintln!("{USAGE}");
    Ok(ExitCode::from(2))
}

fn done(work: impl FnOnce()) -> Result<ExitCode, String> {
    work();
    Ok(ExitCode::SUCCESS)
}

fn guarded(write: bool) -> Result<ExitCode, String> {
    let (table, good) = guard::run(write)?;
    print!("{table}");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Each of them, printed and where wanted written as it ends.
fn measure(benches: &[(&'static str, Bench)], write: bool) -> Result<ExitCode, String> {
    let page = write.then(page::Page::begin).transpose()?;
    server::stand_aside()?;
    let names = BENCHES.map(|(name, _)| name);
    let mut reports = Vec::new();
    for (name, bench) in benches {
        let begun = std::time::Instant::now();
        // One that fails does not take the others with it.
        let report = bench().unwrap_or_else(|why| {
            let ran = Check::of("it ran to its end", Err(why));
            Report { name, rows: Vec::new(), notes: Vec::new(), checks: vec![ran] }
        });
        println!("{}\n{name} took {:.0} s\n", report.text(), begun.elapsed().as_secs_f32());
        if let Some(page) = &page {
            page.write(&report, &names)?;
        }
        reports.push(report);
    }
    Ok(verdict(&reports))
}

fn verdict(reports: &[Report]) -> ExitCode {
    match () {
        () if !reports.iter().all(Report::counts) => ExitCode::from(DOES_NOT_COUNT),
        () if reports.iter().all(Report::holds) => ExitCode::SUCCESS,
        () => ExitCode::FAILURE,
    }
}
