//! `cargo xtask fresh`: the README's two commands on a machine where nobody installed anything.
//!
//! A bare Debian root is made by debootstrap with gcc and certificates, nothing else. The Rust toolchain is bind-mounted
//! read-only, the last commit is unpacked, and the commands are run inside with an empty environment: no cargo
//! registry, no target directory. Mounts live in a mount namespace of their own and end with it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::failure::Failure;
use crate::workspace::Workspace;
use crate::{peers, process};

const REPORT: &str = "docs/fresh-report.md";

/// Where the checkout lies inside the root.
const INSIDE: &str = "/root/offhook";

/// Lines of a command's output that go into the report.
const TAIL: usize = 20;

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let keep = match arguments {
        [] => false,
        [word] if word == "--keep" => true,
        _ => return Err(Failure::Usage("fresh takes `--keep` or nothing".into())),
    };
    if !process::is_root() {
        return Err(Failure::Missing("debootstrap and chroot need root; mend: sudo -E cargo xtask fresh".into()));
    }
    let commands = commands_of(&workspace.read("README.md")?);
    if commands.len() != 2 {
        let what = format!("README.md: {} commands in its first `sh` block, two were expected", commands.len());
        return Err(Failure::Missing(what));
    }
    peers::install_extra("debootstrap")?;
    let root = workspace.target_directory()?.join("fresh/root");
    remove(&root)?;
    let report = in_root(workspace, &root, &commands);
    if !keep {
        remove(&root)?;
    }
    let report = report?;
    workspace.write(REPORT, &report.print())?;
    println!("fresh: wrote {REPORT}");
    match report.runs.iter().find(|run| run.code != Some(0)) {
        None => Ok(()),
        Some(run) => Err(Failure::Program(run.command.clone(), format!("ended with {:?}; see {REPORT}", run.code))),
    }
}

/// The lines of the first `sh` block of the README.
fn commands_of(readme: &str) -> Vec<String> {
    let block =
        readme.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).map_or("", |(block, _)| block);
    block
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim().trim_start_matches("$ ").to_string())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// One command inside the root.
struct Run {
    command: String,
    code: Option<i32>,
    seconds: f64,
    tail: String,
}

/// What is written down.
struct Report {
    commit: String,
    debian: String,
    rust: String,
    before: Vec<String>,
    after: Vec<String>,
    runs: Vec<Run>,
}

fn in_root(workspace: &Workspace, root: &Path, commands: &[String]) -> Result<Report, Failure> {
    let debian = codename();
    println!("fresh: debootstrap {debian} into {}", root.display());
    std::fs::create_dir_all(root).map_err(|e| Failure::file(root, e))?;
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", "--include=gcc,libc6-dev,ca-certificates", &debian]).arg(root);
    process::run(debootstrap.arg("http://deb.debian.org/debian").stdout(std::process::Stdio::null()))?;
    let commit = process::output(Command::new("git").current_dir(workspace.root()).args(["rev-parse", "HEAD"]))?;
    let checkout = inside(root, INSIDE);
    std::fs::create_dir_all(&checkout).map_err(|e| Failure::file(&checkout, e))?;
    let archive = format!("git archive HEAD | tar -x -C '{}'", checkout.display());
    process::run(Command::new("sh").current_dir(workspace.root()).args(["-c", &archive]))?;
    for (from, to) in [("/etc/resolv.conf", "/etc/resolv.conf"), ("/etc/hosts", "/etc/hosts")] {
        if let Ok(text) = std::fs::read(from) {
            let to = inside(root, to);
            std::fs::write(&to, text).map_err(|e| Failure::file(&to, e))?;
        }
    }
    let toolchain = process::output(Command::new("rustc").args(["--print", "sysroot"]))?.trim().to_string();
    let guest = Guest { root, toolchain: &toolchain };
    guest.run(
        "cp -r /host-certificates/. /usr/local/share/ca-certificates/ && update-ca-certificates >/dev/null 2>&1",
        &[],
    )?;
    let rust = guest.run("rustc --version", &[])?.1.trim().to_string();
    let list = "dpkg-query -W -f '${Package} ${Version}\\n'";
    let packages = |text: String| text.lines().map(str::to_string).collect::<Vec<String>>();
    let before = packages(guest.run(list, &[])?.1);
    let mut runs = Vec::new();
    for command in commands {
        println!("fresh: {command}");
        let started = Instant::now();
        let (code, output) = guest.run(&format!("cd {INSIDE} && {{ {command}; }} 2>&1"), &[])?;
        let lines: Vec<&str> = output.lines().collect();
        let (earlier, last) = lines.split_at(lines.len().saturating_sub(TAIL));
        // Which test it was stands far above the summary.
        let failed = earlier.iter().filter(|line| line.ends_with("... FAILED") || line.contains("panicked at"));
        let tail = failed.chain(last).copied().collect::<Vec<_>>().join("\n");
        println!("{tail}");
        runs.push(Run { command: command.clone(), code, seconds: started.elapsed().as_secs_f64(), tail });
    }
    let after = packages(guest.run(list, &[])?.1);
    Ok(Report { commit: commit.trim().into(), debian, rust, before, after, runs })
}

/// The bare root, entered for one command at a time.
struct Guest<'a> {
    root: &'a Path,
    toolchain: &'a str,
}

impl Guest<'_> {
    /// Runs a shell line inside, in mount and process namespaces of its own; its exit code and standard output.
    ///
    /// The root is mounted on itself: a machine's root is a mount, and only then can what runs inside unshare its mounts.
    fn run(&self, line: &str, more: &[(&str, &str)]) -> Result<(Option<i32>, String), Failure> {
        let root = self.root.display();
        let mounts = format!(
            "set -e; mkdir -p '{root}/opt/rust' '{root}/host-certificates' /usr/local/share/ca-certificates\n\
             mount --bind '{root}' '{root}'\n\
             mount --bind '{}' '{root}/opt/rust'; mount -o remount,bind,ro '{root}/opt/rust'\n\
             mount --bind /usr/local/share/ca-certificates '{root}/host-certificates'\n\
             mount -t proc proc '{root}/proc'; mount --rbind /sys '{root}/sys'; mount --rbind /dev '{root}/dev'\n\
             exec chroot '{root}' /bin/sh -c \"$0\"",
            self.toolchain
        );
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            &mounts,
            line,
        ]);
        command
            .env_clear()
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8")
            .env("PATH", "/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        for (key, value) in std::env::vars().filter(|(key, _)| key.to_ascii_lowercase().ends_with("_proxy")) {
            command.env(key, value);
        }
        command.envs(more.iter().copied()).stdin(std::process::Stdio::null()).stderr(std::process::Stdio::inherit());
        let output = command.output().map_err(|e| Failure::Program(line.into(), format!("did not start: {e}")))?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// This machine's Debian release, so that the toolchain's libc fits.
fn codename() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.unwrap_or("bookworm").trim_matches('"').to_string()
}

fn remove(root: &Path) -> Result<(), Failure> {
    if !root.exists() {
        return Ok(());
    }
    // A debootstrap that was ended leaves this one.
    let _ = process::succeeds(Command::new("umount").arg("--quiet").arg(root.join("proc")));
    // `--one-file-system`: should a mount ever be left, it is not followed.
    process::run(Command::new("rm").args(["-rf", "--one-file-system"]).arg(root))
}

impl Report {
    fn print(&self) -> String {
        let mut text = String::from("# The two commands on a bare Debian\n\nWritten by `cargo xtask fresh`.\n\n");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- commit: {}", self.commit);
        let _ = writeln!(
            text,
            "- root: debootstrap --variant=minbase {}, with gcc, libc6-dev and ca-certificates",
            self.debian
        );
        let _ = writeln!(text, "- Rust: {}, bind-mounted read-only; no cargo registry, no target directory", self.rust);
        let added: Vec<&str> =
            self.after.iter().filter(|package| !self.before.contains(package)).map(String::as_str).collect();
        let _ = writeln!(text, "- packages: {} before, {} after", self.before.len(), self.after.len());
        let _ = writeln!(text, "\n| command | exit code | seconds |\n|---|---|---|");
        for run in &self.runs {
            let code = run.code.map_or("killed".into(), |code| code.to_string());
            let _ = writeln!(text, "| `{}` | {code} | {:.0} |", run.command, run.seconds);
        }
        for run in &self.runs {
            let _ = writeln!(text, "\n## `{}`, its last lines\n\n```text\n{}\n```", run.command, run.tail);
        }
        let _ = writeln!(text, "\n## Packages that the commands installed\n\n{}", lines_of(&added));
        let _ = writeln!(
            text,
            "\n## Packages before\n\n{}",
            lines_of(&self.before.iter().map(String::as_str).collect::<Vec<_>>())
        );
        text
    }
}

fn lines_of(packages: &[&str]) -> String {
    if packages.is_empty() { "none".into() } else { packages.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_the_lines_of_the_first_shell_block() {
        let readme = "# A\n\n```text\nx\n```\n```sh\ncargo run --release -- demo   # hears itself\n\n$ cargo xtask test\n```\n```sh\nother\n```\n";
        assert_eq!(commands_of(readme), ["cargo run --release -- demo", "cargo xtask test"]);
    }

    #[test]
    fn the_report_names_what_was_added_and_every_exit_code() {
        let run = Run { command: "cargo xtask test".into(), code: Some(101), seconds: 61.4, tail: "1 failed".into() };
        let text = Report {
            commit: "abc".into(),
            debian: "bookworm".into(),
            rust: "rustc 1".into(),
            before: vec!["gcc 12".into()],
            after: vec!["gcc 12".into(), "kamailio 5".into()],
            runs: vec![run],
        }
        .print();
        assert!(text.contains("| `cargo xtask test` | 101 | 61 |"), "{text}");
        assert!(text.contains("installed\n\nkamailio 5\n"), "{text}");
    }
}
