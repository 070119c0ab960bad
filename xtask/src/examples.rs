//! `cargo xtask examples`: every example is built and run; each must end with exit code 0 within a minute.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Finding};
use crate::process;
use crate::workspace::Workspace;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("examples takes no argument".into()));
    }
    // All at once, as the tests are built: what they stand on is built once for both.
    let mut build = process::cargo();
    process::run(build.current_dir(workspace.root()).args(["build", "--workspace", "--examples", "--quiet"]))?;
    let mut findings = Vec::new();
    let mut count = 0;
    let target = workspace.target_directory()?;
    for package in workspace.packages()? {
        for example in &package.examples {
            count += 1;
            let mut command = Command::new(target.join("debug/examples").join(example));
            command.current_dir(workspace.root());
            let started = Instant::now();
            let child = command.spawn().map_err(|e| Failure::Program(process::line_of(&command), e.to_string()))?;
            match wait(child) {
                Ok(()) => println!("example {example}: ok in {:.1} s", started.elapsed().as_secs_f32()),
                Err(how) => findings.push(Finding::new(
                    format!("{} --example {example}", package.name),
                    how,
                    format!("run it alone: cargo run --package {} --example {example}", package.name),
                )),
            }
        }
    }
    Failure::unless_empty(findings)?;
    println!("examples: {count} run");
    Ok(())
}

/// Waits for the end; what went wrong otherwise.
fn wait(mut child: Child) -> Result<(), String> {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("ended with {status}")),
            Ok(None) if started.elapsed() > LIMIT => {
                // It may just have ended by itself; the verdict is the same.
                drop(child.kill());
                drop(child.wait());
                return Err(format!("still running after {} s", LIMIT.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    }
}
