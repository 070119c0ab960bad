//! `cargo xtask bench`: builds what is measured, in release mode, and hands over to the program in `bench/`.

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// The program that measures; alone it counts instructions.
const BENCH: &[&str] = &["-p", "offhook-bench"];
const OFFHOOK: &[&str] = &["-p", "offhook"];

/// What has to be built for each word: arguments of `cargo build`.
const BUILDS: [(&str, &[&[&str]]); 11] = [
    ("guard", &[BENCH]),
    ("parse", &[BENCH]),
    ("uas", &[OFFHOOK, BENCH]),
    ("register", &[OFFHOOK, BENCH]),
    ("registrar", &[OFFHOOK, BENCH]),
    ("proxy", &[OFFHOOK, BENCH]),
    ("tls", &[OFFHOOK, BENCH]),
    ("relay", &[OFFHOOK, BENCH]),
    ("bridge", &[BENCH]),
    ("memory", &[OFFHOOK, BENCH]),
    ("all", &[OFFHOOK, BENCH]),
];

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let builds = BUILDS.iter().find(|(name, _)| arguments.iter().any(|word| word == name));
    let Some((_, builds)) = builds else {
        return Err(Failure::Usage(
            "bench takes parse, uas, register, registrar, proxy, tls, relay, bridge, memory, all or guard".into(),
        ));
    };
    for build in *builds {
        process::run(
            process::cargo().current_dir(workspace.root()).args(["build", "--release", "--quiet"]).args(*build),
        )?;
    }
    let mut command = std::process::Command::new(workspace.target_directory()?.join("release/offhook-bench"));
    command.current_dir(workspace.root()).args(arguments);
    let line = process::line_of(&command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => match status.code().and_then(|code| u8::try_from(code).ok()) {
            Some(code) => Err(Failure::Told(code)),
            None => Err(Failure::Program(line, format!("ended with {status}"))),
        },
        Err(error) => Err(Failure::Program(line, format!("did not start: {error}"))),
    }
}
