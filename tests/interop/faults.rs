//! The system failing under a running server: `strace` lets a system call of one thread fail.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;

use crate::program::{Program, offhook};

/// The number of the thread of this name.
fn thread(process: u32, name: &str) -> String {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|task| task.unwrap().path());
    let named = |task: &std::path::PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
    let task = tasks.into_iter().find(named).unwrap_or_else(|| panic!("no thread {name}"));
    task.file_name().unwrap().to_str().unwrap().to_owned()
}

/// From now on every wait for events on that thread fails.
fn let_waits_fail(thread: &str) -> Program {
    let mut strace = Command::new("strace");
    strace.args(["-p", thread, "-e", "trace=epoll_wait", "-e", "inject=epoll_wait:error=EBADF"]);
    let mut strace = Program::start(&mut strace);
    strace.wait_for("attached");
    strace
}

#[test]
fn server_without_its_sip_loop_ends_with_1() {
    let mut server = offhook::serve(&offhook::USERS);
    let _failing = let_waits_fail(&thread(server.program.id(), "sip"));
    let _ = UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", &server.address);
    server.program.wait_for("a SIP loop has ended by a fault of its own");
    let (code, output) = server.program.finish();
    assert_eq!(code, 1, "{output}");
}

#[test]
fn server_without_its_media_thread_ends_with_1() {
    let mut server = offhook::serve(&offhook::USERS);
    let _failing = let_waits_fail(&thread(server.program.id(), "media"));
    // A call wakes the thread.
    let account = format!("sip:1001@{}", server.address);
    let _caller = offhook::start(&["call", "600", "--account", &account, "--password", "secret1", "--tone", "440"]);
    server.program.wait_for("a media thread has ended by a fault of its own");
    let (code, output) = server.program.finish();
    assert_eq!(code, 1, "{output}");
}
