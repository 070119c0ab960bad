//! Host names by a real name server: dnsmasq on loopback, and ones that say nothing. The system's own configuration is not asked.

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::registering::{Devices, Wish};
use crate::program::{Program, free_port, offhook};

/// How long a look-up may take in all, and then some for a busy machine.
const LOOK_UP: Duration = Duration::from_secs(8 + 6);

/// A name server, and where it listens.
fn dnsmasq() -> (Program, String) {
    dnsmasq_with(&[])
}

/// The same with further records, as options of dnsmasq.
pub(crate) fn dnsmasq_with(records: &[String]) -> (Program, String) {
    let port = free_port();
    let mut command = Command::new("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--pid-file=",
        "--user=root",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--log-queries",
        "--log-facility=-",
        &format!("--port={port}"),
        "--local=/example/",
        "--host-record=four.example,127.0.0.1",
        "--host-record=six.example,::1",
        "--host-record=both.example,127.0.0.1,::1",
        "--host-record=dead.example,127.0.0.9",
        "--cname=alias.example,four.example",
    ]);
    let mut server = Program::start(command.args(records));
    server.wait_for("started");
    (server, format!("127.0.0.1:{port}"))
}

/// A robot on both loopbacks, or on one; its port.
pub(super) fn robot(hosts: &[&str]) -> (Program, u16) {
    let port = free_port();
    let addresses: Vec<String> = hosts.iter().map(|host| format!("{host}:{port}")).collect();
    let listening: Vec<&str> = addresses.iter().flat_map(|address| ["--sip", address]).collect();
    let mut robot = offhook::start(&[&["answer"], &listening[..]].concat());
    robot.wait_for(&format!("listening on tcp {}", addresses[addresses.len() - 1]));
    (robot, port)
}

/// Asks what a name leads to: exit code, what was printed, how long it took.
fn options(target: &str, server: &str) -> (i32, String, Duration) {
    let begun = Instant::now();
    let (code, output) = offhook::start(&["options", target, "--name-server", server]).finish();
    (code, output, begun.elapsed())
}

#[test]
fn rfc3263_4_2_names_with_a_aaaa_both_and_cname_are_reached() {
    let (mut server, at) = dnsmasq();
    let (_robot, port) = robot(&["127.0.0.1", "[::1]"]);
    for name in ["four", "six", "both", "alias"] {
        for transport in ["udp", "tcp"] {
            let target = format!("sip:x@{name}.example:{port};transport={transport}");
            let (code, output, _) = options(&target, &at);
            assert_eq!(code, 0, "{target}: {output}");
            assert!(output.contains(": 200 OK after"), "{target}: {output}");
        }
        // It was this server that was asked, for both families.
        server.wait_for(&format!("query[A] {name}.example from 127.0.0.1"));
        server.wait_for(&format!("query[AAAA] {name}.example from 127.0.0.1"));
    }
    // The control: the same name, when another server is asked that has no such name.
    let (code, output, _) = options(&format!("sip:x@five.example:{port}"), &at);
    assert_eq!(code, 4, "{output}");
}

#[test]
fn rfc3263_4_3_a_name_whose_first_address_is_dead_is_reached_at_the_second() {
    let (_server, at) = dnsmasq();
    // One of the two addresses has nobody, whichever comes first.
    for host in ["127.0.0.1", "[::1]"] {
        let (_robot, port) = robot(&[host]);
        for transport in ["udp", "tcp"] {
            let target = format!("sip:x@both.example:{port};transport={transport}");
            let (code, output, _) = options(&target, &at);
            assert_eq!(code, 0, "{host} {target}: {output}");
        }
    }
    // The control: nobody at the only address.
    let (code, output, _) = options("sip:x@dead.example:9", &at);
    assert_eq!(code, 4, "{output}");
    assert!(output.contains("nobody listens there"), "{output}");
}

#[test]
fn a_call_by_name_is_heard_and_one_to_no_name_exits_4() {
    let (_server, at) = dnsmasq();
    let (_robot, address) = offhook::answer(&["--tone", "700"]);
    let port = address.rsplit(':').next().unwrap();
    let call = |name: &str| {
        let target = format!("sip:1001@{name}.example:{port}");
        offhook::start(&["call", &target, "--name-server", &at, "--for", "5", "--expect-tone", "700"]).finish()
    };
    let (code, output) = call("alias");
    assert_eq!(code, 0, "{output}");
    let begun = Instant::now();
    let (code, output) = call("missing");
    assert_eq!(code, 4, "{output}");
    assert!(output.contains("missing.example") && begun.elapsed() < LOOK_UP, "{output}");
}

#[test]
fn a_name_server_that_says_nothing_ends_a_call_with_4_in_bounded_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let begun = Instant::now();
    let (code, output) = offhook::start(&["call", "sip:1001@four.example", "--name-server", &at]).finish();
    assert_eq!(code, 4, "{output}");
    assert!(output.contains("four.example") && begun.elapsed() < LOOK_UP, "{:?}: {output}", begun.elapsed());
    assert!(silent.recv(&mut [0; 512]).is_ok(), "it was asked");
    // Nobody at all behind the port: known sooner.
    drop(silent);
    let (code, output, took) = options("sip:x@four.example", &at);
    assert_eq!(code, 4, "{output}");
    assert!(took < LOOK_UP, "{took:?}");
}

#[test]
fn a_second_name_server_serves_where_the_first_says_nothing() {
    let (_server, at) = dnsmasq();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let first = silent.local_addr().unwrap().to_string();
    let (_robot, port) = robot(&["127.0.0.1"]);
    let target = format!("sip:x@four.example:{port}");
    let (code, output) = offhook::start(&["options", &target, "--name-server", &first, "--name-server", &at]).finish();
    assert_eq!(code, 0, "{output}");
}

/// A call by a user of a server to a device whose contact is `host`: exit code, output, time.
fn to_a_device(host: &str, settings: &str) -> (i32, String, Duration) {
    let (_robot, port) = robot(&["127.0.0.1"]);
    call_to_a_contact(&format!("sip:1002@{host}:{port}"), settings)
}

/// The same to a device with this contact.
pub(super) fn call_to_a_contact(contact: &str, settings: &str) -> (i32, String, Duration) {
    let config = offhook::configuration(&format!("digest = [\"md5\"]\n[register]\nnat = \"never\"\n{settings}"));
    let server = offhook::serve(&[&offhook::USERS[..], &["--config", config.path().to_str().unwrap()]].concat());
    let wish = Wish {
        user: "1002".to_owned(),
        contact: Some(contact.to_owned()),
        expires: 900,
        call_id: "named".to_owned(),
        cseq: 1,
    };
    assert_eq!(Devices::of(&server.address).all(&[wish], "secret2")[0].code, 200);
    let account = format!("sip:1001@{}", server.address);
    let begun = Instant::now();
    let arguments = ["call", "1002", "--no-register", "--account", &account, "--password", "secret1", "--for", "1"];
    let (code, output) = offhook::start(&arguments).finish();
    (code, output, begun.elapsed())
}

#[test]
fn serve_asks_the_name_servers_of_its_configuration() {
    let (_server, at) = dnsmasq();
    let (code, output, _) = to_a_device("four.example", &format!("[dns]\nservers = [\"{at}\"]\n"));
    assert_eq!(code, 0, "{output}");
    let (code, output, _) = to_a_device("missing.example", &format!("[dns]\nservers = [\"{at}\"]\n"));
    assert_eq!(code, 8, "{output}");
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let settings = format!("[dns]\nservers = [\"{}\"]\ntimeout_ms = 500\n", silent.local_addr().unwrap());
    let (code, output, took) = to_a_device("four.example", &settings);
    assert_eq!(code, 8, "{output}");
    assert!(took < Duration::from_secs(7), "{took:?}");
}
