//! The checks of this repository: `cargo xtask <task>`.
//!
//! Each task is one file and one row of [`TASKS`]; help comes from that table. A task that finds something wrong prints
//! every finding with its place and what mends it, and exits 1. A task called with wrong words exits 2; `bench` has a code of its own, 3, for a
//! measurement that does not count.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod acceptance;
mod bench;
mod deps;
mod examples;
mod failure;
mod fresh;
mod fuzz;
mod gaps;
mod layers;
mod mutants;
mod node_modules;
mod peers;
mod process;
mod processors;
mod rfc;
mod security;
mod siege;
mod simnet;
mod size;
mod source;
mod test;
mod workspace;

use std::process::ExitCode;

use failure::Failure;
use workspace::Workspace;

/// One row of the command table.
struct Task {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&Workspace, &[String]) -> Result<(), Failure>,
}

/// Every task there is, in the order help prints them.
const TASKS: &[Task] = &[
    Task {
        name: "test",
        arguments: "[--without-peers] [FILTER]",
        about: "install what the tests need, then run all of them",
        run: test::run,
    },
    Task {
        name: "peers",
        arguments: "[status|install]",
        about: "the foreign programs the interop tests talk to",
        run: peers::run,
    },
    Task {
        name: "layers",
        arguments: "[--write]",
        about: "dependencies point down; layers 0-1 stay pure; unsafe stays where it is listed",
        run: layers::run,
    },
    Task {
        name: "deps",
        arguments: "",
        about: "every direct dependency has its line in DEPENDENCIES.md; licences and bans of deny.toml hold",
        run: deps::run,
    },
    Task {
        name: "rfc",
        arguments: "[update | extract NUMBER --from DIR]",
        about: "docs/rfc: named tests exist, gaps counted, no unknown RFC number cited",
        run: rfc::run,
    },
    Task { name: "size", arguments: "", about: "files above 900 lines say why", run: size::run },
    Task {
        name: "gaps",
        arguments: "",
        about: "every known gap, with its reason and its test; tests named in docs/security.md exist",
        run: gaps::run,
    },
    Task {
        name: "acceptance",
        arguments: "",
        about: "every acceptance id that is due has a test of that name",
        run: acceptance::run,
    },
    Task {
        name: "mutants",
        arguments: "[list | NAME]",
        about: "each planted bug must be caught by the tests named beside it",
        run: mutants::run,
    },
    Task {
        name: "fuzz",
        arguments: "list | smoke [--secs N] | run TARGET [--secs N] | minimise TARGET | planted [TARGET]",
        about: "fuzz targets: replay, run, shrink the corpus, prove that each finds a planted bug",
        run: fuzz::run,
    },
    Task {
        name: "simnet",
        arguments: "[--seeds N]",
        about: "10,000 seeds of the simulated network instead of the tests' 1,000, and half as many through a proxy",
        run: simnet::run,
    },
    Task {
        name: "siege",
        arguments: "[--secs N] [--write]",
        about: "each attack of the tests `siege_` for 60 s instead of two; --write: the table in docs/security.md",
        run: siege::run,
    },
    Task {
        name: "examples",
        arguments: "",
        about: "run every example; each must end with exit code 0",
        run: examples::run,
    },
    Task {
        name: "bench",
        arguments: "parse|uas|register|registrar|proxy|tls|relay|bridge [--json] | all [--write] | guard [--write]",
        about: "measure beside a peer and a server that does nothing; all: bench/RESULTS.md; guard: instructions against bench/guard.txt",
        run: bench::run,
    },
    Task {
        name: "fresh",
        arguments: "[--keep]",
        about: "the README's two commands in a bare Debian root; writes docs/fresh-report.md",
        run: fresh::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print_help();
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print_help();
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprintln!("xtask: no task `{name}`; `cargo xtask help` lists them");
        return ExitCode::from(2);
    };
    let outcome = Workspace::find().and_then(|workspace| (task.run)(&workspace, rest));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask {name}: {failure}");
            ExitCode::from(match failure {
                Failure::Usage(_) => 2,
                Failure::Told(code) => code,
                _ => 1,
            })
        }
    }
}

fn print_help() {
    println!("cargo xtask <task>\n");
    for task in TASKS {
        println!("  {:<12}{}", task.name, task.about);
        if !task.arguments.is_empty() {
            println!("  {:<12}  {} {}", "", task.name, task.arguments);
        }
    }
}
