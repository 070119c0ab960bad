//! Rests of a SIP loop under steady load, told by its system calls.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::offhook::{self, Server};
use crate::program::{PATIENCE, Program};

/// Peers that send the next request when the last has been answered.
const PEERS: usize = 16;

fn options(local: &str, number: u32) -> String {
    format!(
        "OPTIONS sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{number};rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:pbx>\r\n\
         Call-ID: {number}@b\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Asks and asks until `enough`; how often the loop rested.
fn rests_under_load(server: &Server, enough: impl Fn(usize, Duration) -> bool) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.program.id())).unwrap();
    let sip_loop = tasks
        .map(|task| task.unwrap().path())
        .find(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == "sip"))
        .expect("a thread of that name");
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-p", sip_loop.file_name().unwrap().to_str().unwrap(), "-e", "trace=clock_nanosleep"]);
    strace.arg("-o").arg(trace.path());
    let mut strace = Program::start(&mut strace);
    strace.wait_for("attached");

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let local = socket.local_addr().unwrap().to_string();
    let (mut number, begun) = (0, Instant::now());
    let mut next = || {
        number += 1;
        socket.send_to(options(&local, number).as_bytes(), &server.address).unwrap();
    };
    (0..PEERS).for_each(|_| next());
    loop {
        let mut answer = [0; 2_048];
        let length = socket.recv(&mut answer).expect("each request is answered");
        assert!(answer[..length].starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&answer[..length]));
        let rests =
            fs::read_to_string(trace.path()).unwrap().lines().filter(|line| line.contains("nanosleep(")).count();
        if enough(rests, begun.elapsed()) {
            strace.signal("INT");
            return rests;
        }
        next();
    }
}

#[test]
fn a_loop_under_load_rests_between_turns_and_not_where_that_is_turned_off() {
    let server = offhook::serve(&offhook::USERS);
    rests_under_load(&server, |rests, passed| {
        assert!(passed < PATIENCE, "{rests} rests");
        rests > 10
    });
    let config = offhook::configuration("[sip]\nrest_ms = 0\n");
    let restless = offhook::serve(&["--config", config.path().to_str().unwrap()]);
    assert_eq!(rests_under_load(&restless, |_, passed| passed > Duration::from_secs(2)), 0);
}
