//! `cargo xtask bench NAME [--json]`: builds what is measured and hands over to the program in `bench/`.

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// What has to be built in release mode before a measurement: arguments of `cargo build`.
const BUILDS: [&[&str]; 4] = [
    &["-p", "offhook"],
    &["-p", "offhook-bench"],
    &["-p", "offhook-sip", "--example", "parse_cost"],
    &["-p", "offhook-audio", "--example", "bridge_cost"],
];

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    if arguments.is_empty() {
        return Err(Failure::Usage("bench takes parse, uas, register or bridge, and --json".into()));
    }
    for build in BUILDS {
        process::run(
            process::cargo().current_dir(workspace.root()).args(["build", "--release", "--quiet"]).args(build),
        )?;
    }
    let mut command = process::cargo();
    command
        .current_dir(workspace.root())
        .args(["run", "--release", "--quiet", "-p", "offhook-bench", "--"])
        .args(arguments);
    process::run(&mut command)
}
