//! `call NUMBER` and `status` find the `serve` of this machine, however its directories were given.

use std::process::Command;

use crate::run::{Ended, Going, command, run_to_the_end};

/// As somebody starts it who has named no directory; the usual place for sockets is one of the test's own.
fn unnamed(runtime: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.env_remove("OFFHOOK_STATE").env("OFFHOOK_RUNTIME", runtime.path());
    command
}

fn ask(runtime: &tempfile::TempDir, arguments: &[&str]) -> Ended {
    run_to_the_end(unnamed(runtime, arguments))
}

/// A server that is ready.
fn serve(runtime: &tempfile::TempDir, arguments: &[&str]) -> Going {
    let mut server = Going::run(unnamed(runtime, &[&["serve", "--sip", "127.0.0.1:0"], arguments].concat()));
    server.line("ready");
    server
}

/// How many links there are in the runtime directory.
fn links(runtime: &tempfile::TempDir) -> usize {
    let names = std::fs::read_dir(runtime.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().starts_with("serve-")).count()
}

#[test]
fn server_is_found_whichever_way_its_directories_were_given() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = |name: &str, text: String| {
        let path = folder.path().join(name).join("offhook.toml");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let state = configuration("toml", format!("state = {:?}\n", at("state")));
    let control = configuration("control", format!("state = {:?}\ncontrol = {:?}\n", at("other"), at("own.sock")));
    let given = at("given");
    for arguments in [&["--config", &state][..], &["--config", &control], &["--state", &given]] {
        let runtime = tempfile::tempdir().unwrap();
        let server = serve(&runtime, arguments);
        let called = ask(&runtime, &["call", "600", "--for", "1"]);
        assert_eq!(called.code, Some(0), "{arguments:?}: {called:?}");
        let status = ask(&runtime, &["status"]);
        assert_eq!(status.code, Some(0), "{arguments:?}: {status:?}");
        server.terminate();
        server.end();
        assert_eq!(links(&runtime), 0, "taken away at the end");
        let called = ask(&runtime, &["call", "600"]);
        assert_eq!(called.code, Some(2), "{called:?}");
        assert!(called.stderr.contains("no `offhook serve` answers"), "{}", called.stderr);
    }
}

#[test]
fn of_several_servers_one_must_be_named() {
    let (runtime, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let states = ["one", "two"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let mut servers = states.each_ref().map(|state| serve(&runtime, &["--state", state]));
    let called = ask(&runtime, &["call", "600", "--for", "1"]);
    assert_eq!(called.code, Some(2), "{called:?}");
    assert!(states.iter().all(|state| called.stderr.contains(state.as_str())), "{}", called.stderr);
    let mut named = unnamed(&runtime, &["call", "600", "--for", "1"]);
    let called = run_to_the_end({
        named.env("OFFHOOK_STATE", &states[1]);
        named
    });
    assert_eq!(called.code, Some(0), "{called:?}");
    assert_eq!(ask(&runtime, &["status", "--state", &states[0]]).code, Some(0));
    // Who traces is told which there are, and how each is named.
    let traced = ask(&runtime, &["trace", "--for", "1"]);
    assert_eq!(traced.code, Some(2), "{traced:?}");
    for (server, state) in servers.iter().zip(&states) {
        let told = format!("--pid {} (serve --sip 127.0.0.1:0 --state {state})", server.id());
        assert!(traced.stderr.contains(&told), "{told}: {}", traced.stderr);
    }
    let pid = servers[1].id().to_string();
    let traced = ask(&runtime, &["trace", "--for", "1", "--pid", &pid]);
    assert!(traced.code == Some(0) && traced.stdout.contains(&format!("process {pid}")), "{traced:?}");
    // One that was killed is in nobody's way, and what it left is taken away by the next.
    servers[0].kill();
    assert_eq!(ask(&runtime, &["call", "600", "--for", "1"]).code, Some(0));
    assert_eq!(links(&runtime), 2);
    servers[1].kill();
    let _third = serve(&runtime, &["--state", &states[0]]);
    assert_eq!(links(&runtime), 1);
}
