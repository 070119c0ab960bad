//! What goes wrong with one call or program: no route, nobody behind a port, a peer killed in the middle of a call, a port in use, a file that is
//! no WAV. Whoever is concerned is told, and other calls go on.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

use crate::program::registering::{Devices, Wish};
use crate::program::{PATIENCE, Program, free_port, offhook};

/// Runs this in a network of its own that has nothing but loopback.
fn without_routes(test: impl FnOnce() + Send + 'static) {
    let alone = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own needs root");
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
        test();
    };
    // The thread ends with it, and so does the network.
    std::thread::spawn(alone).join().unwrap();
}

/// A user's call through the server.
fn call(address: &str, user: &str, number: &str, more: &[&str]) -> Program {
    let account = format!("sip:{user}@{address}");
    let password = format!("secret{}", &user[3..]);
    let arguments = ["call", number, "--no-register", "--account", &account, "--password", &password];
    offhook::start(&[&arguments[..], more].concat())
}

/// A call that must not notice anything of what goes on beside it: it runs when this returns.
fn bystander(address: &str, secs: &str) -> Program {
    let mut other = call(address, "1003", "601", &["--for", secs, "--expect-tone", "440"]);
    other.wait_for("the first packet has come");
    other
}

fn assert_undisturbed(bystander: Program) {
    let (code, output) = bystander.finish();
    assert_eq!(code, 0, "{output}");
    assert!(output.contains(", lost 0,"), "{output}");
}

/// A call to a device that cannot be had is told so, and another call goes on.
fn assert_unavailable(address: &str) {
    let other = bystander(address, "6");
    let (code, output) = call(address, "1001", "1002", &[]).finish();
    assert_eq!(code, 8, "{output}");
    assert!(output.contains("480"), "{output}");
    assert_undisturbed(other);
}

const USERS: [&str; 6] = ["--user", "1001:secret1", "--user", "1002:secret2", "--user", "1003:secret3"];

#[test]
fn no_route_is_told_at_once_by_every_verb() {
    without_routes(|| {
        let account = ["--account", "sip:x@192.0.2.1", "--password", "x"];
        let verbs: [&[&str]; 5] = [
            &["call", "x@192.0.2.1"],
            &["call", "x@192.0.2.1", "--account", "sip:x@192.0.2.1"],
            &["register", "--once", account[0], account[1], account[2], account[3]],
            &["options", "sip:192.0.2.1;transport=tcp"],
            &["message", "x@192.0.2.1", "hello"],
        ];
        for arguments in verbs {
            let (code, output) = offhook::start(arguments).finish();
            assert_eq!(code, 4, "{arguments:?}: {output}");
            let told = output.lines().find(|line| line.starts_with("offhook: ")).unwrap_or_default();
            assert!(told.contains("192.0.2.1") && told.contains("no way leads there"), "{arguments:?}: {output}");
        }
    });
}

#[test]
fn device_without_a_route_is_told_to_its_caller_and_other_calls_go_on() {
    without_routes(|| {
        let config = offhook::configuration("digest = [\"md5\"]\n[register]\nnat = \"never\"\n");
        let server = offhook::serve(&[&USERS[..], &["--config", config.path().to_str().unwrap()]].concat());
        let wish = Wish {
            user: "1002".to_owned(),
            contact: Some("sip:1002@192.0.2.1:5060".to_owned()),
            expires: 900,
            call_id: "far".to_owned(),
            cseq: 1,
        };
        assert_eq!(Devices::of(&server.address).all(&[wish], "secret2")[0].code, 200);
        assert_unavailable(&server.address);
    });
}

#[test]
fn device_that_was_killed_is_told_to_its_caller_and_other_calls_go_on() {
    let server = offhook::serve(&USERS);
    let account = format!("sip:1002@{}", server.address);
    let mut device = offhook::start(&["answer", "--account", &account, "--password", "secret2"]);
    device.wait_for("registered");
    device.kill();
    assert_unavailable(&server.address);
}

#[test]
fn device_killed_in_a_call_ends_it_where_silence_may_and_other_calls_go_on() {
    let config = offhook::configuration("silence_secs = 2\n");
    let server = offhook::serve(&[&USERS[..], &["--config", config.path().to_str().unwrap()]].concat());
    let account = format!("sip:1002@{}", server.address);
    let arguments = ["answer", "--tone", "700", "--account", &account, "--password", "secret2"];
    let mut device = offhook::start(&arguments);
    device.wait_for("registered");
    let mut caller = call(&server.address, "1001", "1002", &["--tone", "440"]);
    caller.wait_for("the first packet has come");
    let other = bystander(&server.address, "6");
    device.kill();
    let (code, output) = caller.finish();
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("ended by peer"), "{output}");
    assert_undisturbed(other);
}

#[test]
fn robot_killed_in_a_call_is_told_as_silence() {
    let (mut robot, address) = offhook::answer(&["--tone", "700"]);
    let mut caller = offhook::start(&["call", &format!("x@{address}"), "--tone", "440"]);
    caller.wait_for("the first packet has come");
    robot.kill();
    caller.wait_for("no packet for 5 s: the other side may be gone");
    let (code, output) = caller.stop("INT");
    assert_eq!(code, 130, "{output}");
    assert!(output.contains("ended by error") && output.contains("(503 "), "nobody answers the BYE:\n{output}");
}

/// How many of so many connections a server with this many SIP loops and 200 files keeps.
fn connections_kept(shards: u8) -> usize {
    const TRIED: usize = 120;
    let state = tempfile::tempdir().unwrap();
    let config = offhook::configuration(&format!("shards = {shards}\n"));
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new("prlimit");
    command.args(["--nofile=200:200", env!("CARGO_BIN_EXE_offhook"), "serve", "--sip", &address]);
    command.args(["--state", state.path().to_str().unwrap(), "--config", config.path().to_str().unwrap()]);
    let mut server = Program::start(command.args(USERS));
    server.wait_for("ready; state in");
    let mut lines: Vec<TcpStream> = (0..TRIED).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // Who is kept is answered: a ping of two line ends by one. Who is not finds the connection closed.
    let kept = lines.iter_mut().filter_map(|line| {
        line.set_read_timeout(Some(PATIENCE)).unwrap();
        line.write_all(b"\r\n\r\n").ok()?;
        matches!(line.read(&mut [0; 8]), Ok(1..)).then_some(())
    });
    let kept = kept.count();
    // There are files left for a call.
    let (code, output) = call(&address, "1001", "600", &["--for", "1", "--tone", "440", "--expect-audio"]).finish();
    assert_eq!(code, 0, "{output}");
    kept
}

#[test]
fn connections_leave_files_for_calls_however_many_loops_there_are() {
    for shards in [1, 4] {
        let kept = connections_kept(shards);
        assert!((20..=50).contains(&kept), "{shards} loops keep {kept}");
    }
}

#[test]
fn port_in_use_and_files_that_are_no_wav_are_told_and_calls_go_on() {
    let server = offhook::serve(&USERS);
    let folder = tempfile::tempdir().unwrap();
    let (state, noise) = (folder.path().join("other"), folder.path().join("noise.wav"));
    std::fs::write(&noise, b"RIFF\0\0\0\0WAVEfmt and so on").unwrap();
    let (state, noise) = (state.to_str().unwrap(), noise.to_str().unwrap());
    let other = bystander(&server.address, "5");
    let in_use = "another program has this port: stop it, or choose another port";
    let target = format!("601@{}", server.address);
    let missing = folder.path().join("missing.wav");
    let cases: [(&[&str], &str); 6] = [
        (&["serve", "--sip", &server.address, "--state", state], in_use),
        (&["answer", "--sip", &server.address], in_use),
        (&["call", &target, "--sip", &server.address], in_use),
        (&["call", &target, "--play", noise], noise),
        (&["call", &target, "--play", missing.to_str().unwrap()], "No such file or directory"),
        (&["answer", "--sip", "127.0.0.1:0", "--play", noise], noise),
    ];
    for (arguments, words) in cases {
        let (code, output) = offhook::start(arguments).finish();
        assert_eq!(code, 1, "{arguments:?}: {output}");
        let told = output.lines().find(|line| line.starts_with("offhook: ")).unwrap_or_default();
        assert!(told.contains(words), "{arguments:?}: expected {words:?}: {output}");
    }
    assert_undisturbed(other);
}

/// How many files a running program may open from now on; those that it has open stay.
fn limit_files(program: &Program, most: u32) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &program.id().to_string(), &format!("--nofile={most}:")]);
    assert!(prlimit.status().unwrap().success());
}

/// Two calls stand when there are no more files: a third is refused, the two go on, and once there are files the next is taken.
fn calls_without_files(program: &Program, call: impl Fn(&str, &str) -> Program) {
    let two = ["1001", "1002"].map(|user| {
        let mut standing = call(user, "8");
        standing.wait_for("the first packet has come");
        standing
    });
    // Less than the program has open.
    limit_files(program, 4);
    let (code, output) = call("1003", "2").finish();
    assert_eq!(code, 7, "{output}");
    assert!(output.contains("503"), "{output}");
    two.into_iter().for_each(assert_undisturbed);
    limit_files(program, 256);
    let (code, output) = call("1003", "6").finish();
    assert_eq!(code, 0, "{output}");
}

#[test]
fn pbx_without_files_for_a_call_refuses_it_and_the_others_go_on() {
    let server = offhook::serve(&USERS);
    calls_without_files(&server.program, |user, secs| {
        call(&server.address, user, "601", &["--for", secs, "--expect-tone", "440"])
    });
}

#[test]
fn robot_without_files_for_a_call_refuses_it_and_the_others_go_on() {
    let (mut robot, address) = offhook::answer(&["--tone", "440"]);
    calls_without_files(&robot, |user, secs| {
        offhook::start(&["call", &format!("{user}@{address}"), "--for", secs, "--expect-tone", "440"])
    });
    robot.wait_for("503");
}
