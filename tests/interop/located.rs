//! RFC 3263 by a real name server, dnsmasq on loopback, with SIPp on the ports that its records name. Which server answered is in its Server line.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempPath;

use super::names::{call_to_a_contact, dnsmasq_with, robot};
use super::sipp;
use super::tls::made_by_openssl;
use crate::acceptance::wire::{Wire, code};
use crate::program::{Program, free_port, offhook};

/// A server that answers OPTIONS so, over this transport, and its port.
struct Server {
    _program: Program,
    port: u16,
    _scenario: TempPath,
}

fn server(answer: &str, transport: &str) -> Server {
    serving(sipp::with("uas_options.xml", "FINAL", answer), transport)
}

/// One that is busy for all who call, and its port.
fn busy() -> Server {
    let scenario = sipp::with("uas_options.xml", "FINAL", "486 Busy Here");
    let text = std::fs::read_to_string(&scenario).unwrap();
    let end = "<recv request=\"ACK\"/>\n</scenario>";
    std::fs::write(&scenario, text.replace("\"OPTIONS\"", "\"INVITE\"").replace("</scenario>", end)).unwrap();
    serving(scenario, "u1")
}

fn serving(scenario: TempPath, transport: &str) -> Server {
    let port = free_port();
    let mut command = Command::new("sipp");
    command.arg("-sf").arg(&scenario).current_dir(std::env::temp_dir());
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-t", transport, "-nostdin", "-timeout", "60s"]);
    let program = Program::start(command.arg("127.0.0.1"));
    match transport {
        "u1" => sipp::await_port(port),
        _ => await_listener(port),
    }
    Server { _program: program, port, _scenario: scenario }
}

/// Waits until a program listens on this TCP port of loopback.
pub(super) fn await_listener(port: u16) {
    let end = Instant::now() + crate::program::PATIENCE;
    let wanted = format!("0100007F:{port:04X} 00000000:0000 0A");
    while !std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&wanted) {
        assert!(Instant::now() < end, "nobody listens on {port}");
        std::thread::yield_now();
    }
}

/// Asks what a URI leads to: exit code, what was printed.
fn options(target: &str, name_server: &str) -> (i32, String) {
    offhook::start(&["options", target, "--name-server", name_server]).finish()
}

/// The URI is answered by the server on this port.
fn answered_by(target: &str, name_server: &str, port: u16) -> String {
    let (code, output) = options(target, name_server);
    assert_eq!(code, 0, "{target}: {output}");
    assert!(output.contains(&format!("server  port {port}")), "{target}: not by {port}: {output}");
    output
}

fn srv(service: &str, port: u16, priority: u16, weight: u16) -> String {
    format!("--srv-host={service},four.example,{port},{priority},{weight}")
}

fn naptr(domain: &str, order: u16, service: &str, replacement: &str) -> String {
    format!("--naptr-record={domain},{order},50,s,{service},,{replacement}")
}

#[test]
fn rfc3263_4_1_the_domain_chooses_transport_and_port_by_naptr_and_srv() {
    let (udp, tcp) = (server("200 OK", "u1"), server("200 OK", "t1"));
    let (mut names, at) = dnsmasq_with(&[
        naptr("tcp.example", 10, "SIP+D2T", "_sip._tcp.tcp.example"),
        naptr("tcp.example", 20, "SIP+D2U", "_sip._udp.tcp.example"),
        srv("_sip._tcp.tcp.example", tcp.port, 0, 0),
        srv("_sip._udp.tcp.example", udp.port, 0, 0),
        naptr("udp.example", 20, "SIP+D2T", "_sip._tcp.tcp.example"),
        naptr("udp.example", 10, "SIP+D2U", "_sip._udp.tcp.example"),
        srv("_sip._tcp.plain.example", tcp.port, 0, 0),
    ]);
    answered_by("sip:x@tcp.example", &at, tcp.port);
    names.wait_for("query[NAPTR] tcp.example from 127.0.0.1");
    answered_by("sip:x@udp.example", &at, udp.port);
    // A transport that was given is asked for as such, and what has no NAPTR by what it has.
    answered_by("sip:x@tcp.example;transport=udp", &at, udp.port);
    answered_by("sip:x@plain.example", &at, tcp.port);
    names.wait_for("query[SRV] _sip._udp.plain.example from 127.0.0.1");
    // The controls: with a port no service is looked for, and a service that is not there is not made up.
    let (code, output) = options(&format!("sip:x@plain.example:{}", udp.port), &at);
    assert_eq!(code, 4, "plain.example has no address: {output}");
    let (code, output) = options("sip:x@nothing.example", &at);
    assert_eq!(code, 4, "{output}");
}

#[test]
fn rfc3263_4_3_the_next_server_is_asked_when_the_first_is_dead_or_unavailable() {
    let (good, busy) = (server("200 OK", "u1"), server("503 Service Unavailable\nRetry-After: 60", "u1"));
    let dead = free_port();
    let (_names, at) = dnsmasq_with(&[
        srv("_sip._udp.dead.example", dead, 10, 0),
        srv("_sip._udp.dead.example", good.port, 20, 0),
        srv("_sip._udp.busy.example", busy.port, 10, 0),
        srv("_sip._udp.busy.example", good.port, 20, 0),
        srv("_sip._tcp.dead.example", dead, 10, 0),
        srv("_sip._udp.only.example", dead, 10, 0),
        srv("_sip._udp.none.example", busy.port, 10, 0),
    ]);
    let output = answered_by("sip:x@dead.example", &at, good.port);
    let told = format!("udp 127.0.0.1:{dead}: nobody listens there");
    assert!(output.contains(&told) && output.contains(&format!("next is udp 127.0.0.1:{}", good.port)), "{output}");
    let output = answered_by("sip:x@busy.example", &at, good.port);
    assert!(output.contains(&format!("udp 127.0.0.1:{}: 503 (Service Unavailable)", busy.port)), "{output}");
    // The controls: nobody else to ask.
    for target in ["sip:x@only.example", "sip:x@dead.example;transport=tcp"] {
        let (code, output) = options(target, &at);
        assert_eq!(code, 4, "{target}: {output}");
        assert!(output.contains("nobody listens there"), "{output}");
    }
    let (code, output) = options("sip:x@none.example", &at);
    assert_eq!(code, 7, "{output}");
}

/// How many datagrams wait at a socket; they are taken.
fn heard(socket: &UdpSocket) -> usize {
    socket.set_nonblocking(true).unwrap();
    let heard = std::iter::from_fn(|| socket.recv(&mut [0; 4_096]).ok()).count();
    socket.set_nonblocking(false).unwrap();
    heard
}

#[test]
fn rfc3263_4_3_a_silent_server_is_given_up_in_time_and_passed_over_from_then_on() {
    let (good, silent) = (busy(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let port = silent.local_addr().unwrap().port();
    let (_names, at) = dnsmasq_with(&[
        srv("_sip._udp.silent.example", port, 10, 0),
        srv("_sip._udp.silent.example", good.port, 20, 0),
        srv("_sip._udp.other.example", port, 10, 0),
        srv("_sip._udp.other.example", good.port, 20, 0),
    ]);
    // 64*T1 is 3.2 s.
    let settings =
        format!("[dns]\nservers = [\"{at}\"]\n[sip]\nt1_ms = 50\n[proxy]\nauthenticate = \"off\"\nrelay = true\n");
    let given_up = Duration::from_millis(3_200);
    let config = offhook::configuration(&settings);
    let role = ["--role", "proxy", "--config", config.path().to_str().unwrap()];
    let proxy = offhook::serve(&[&offhook::USERS[..], &role].concat());
    let mut wire = Wire::to(&proxy.address);
    // Calls: where nobody has answered anything else in time it is too late to ask another (RFC 4320 section 4.2).
    let mut ask = |host: &str| {
        let mut invite = wire.ask("INVITE");
        invite.uri = format!("sip:x@{host}");
        invite.to = format!("<{}>", invite.uri);
        let begun = Instant::now();
        let answer = wire.final_of(&invite);
        assert_eq!(code(&answer), 486, "{answer}");
        assert!(answer.contains(&format!("Server: port {}", good.port)), "{answer}");
        begun.elapsed()
    };
    assert!(ask("silent.example") >= given_up);
    assert!(heard(&silent) > 1, "it was asked, and again");
    for _ in 0..3 {
        assert!(ask("silent.example") < given_up);
        assert_eq!(heard(&silent), 0, "it is passed over");
    }
    // The control: what happened under one name says nothing of another.
    assert!(ask("other.example") >= given_up);
    assert!(heard(&silent) > 1);
}

#[test]
fn rfc2782_a_target_of_the_root_is_no_service_and_the_host_is_not_asked() {
    let record = "--srv-host=_sip._udp.closed.example".to_owned();
    let address = "--host-record=closed.example,open.example,127.0.0.99".to_owned();
    let (_names, at) = dnsmasq_with(&[record, address]);
    let (code, output) = options("sip:x@closed.example;transport=udp", &at);
    assert_eq!(code, 4, "{output}");
    assert!(output.contains("closed.example says that there is no SIP service over UDP"), "{output}");
    // The control: the same host where no record says so is asked at its usual port.
    let (_, output) = options("sip:x@open.example;transport=udp", &at);
    assert!(!output.contains("no SIP service"), "{output}");
}

#[test]
fn rfc2782_weight_of_many_programs_most_ask_the_heavier_server() {
    let (heavy, light) = (server("200 OK", "u1"), server("200 OK", "u1"));
    let (_names, at) =
        dnsmasq_with(&[srv("_sip._udp.e.example", heavy.port, 10, 90), srv("_sip._udp.e.example", light.port, 10, 10)]);
    let by_heavy = (0..30)
        .filter(|_| {
            let (code, output) = options("sip:x@e.example", &at);
            assert_eq!(code, 0, "{output}");
            output.contains(&format!("server  port {}", heavy.port))
        })
        .count();
    // Binomial with 0.9: below 18 once in a hundred thousand runs; with the weights the other way round never above.
    assert!(by_heavy >= 18, "{by_heavy} of 30");
}

#[test]
fn rfc3263_4_3_registrations_and_calls_go_to_the_next_server_too() {
    let server = offhook::serve(&offhook::USERS);
    let port: u16 = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let dead = free_port();
    let (_names, at) = dnsmasq_with(&[
        srv("_sip._udp.pbx.example", dead, 10, 0),
        srv("_sip._udp.pbx.example", port, 20, 0),
        srv("_sip._udp.gone.example", dead, 10, 0),
    ]);
    let call = |domain: &str| {
        let account = format!("sip:1001@{domain}");
        let arguments = ["call", "601", "--account", &account, "--password", "secret1", "--name-server", &at];
        let begun = Instant::now();
        let (code, output) =
            offhook::start(&[&arguments[..], &["--for", "5", "--expect-tone", "440"]].concat()).finish();
        (code, output, begun.elapsed())
    };
    let (code, output, took) = call("pbx.example");
    assert_eq!(code, 0, "{output}");
    assert!(took < Duration::from_secs(20), "{took:?}: {output}");
    let (code, output, _) = call("gone.example");
    assert_eq!(code, 4, "{output}");
}

/// An INVITE over TCP from who names this as his sent-by, and wants to wait two seconds at most.
fn invite(sent_by: &str, target: &str) -> String {
    format!(
        "INVITE sip:{target} SIP/2.0\r\nVia: SIP/2.0/TCP {sent_by};branch=z9hG4bKgone\r\nFrom: <sip:s@client>;tag=s\r\n\
         To: <sip:{target}>\r\nCall-ID: gone\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nExpires: 2\r\nContact: <sip:s@{sent_by};transport=tcp>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn rfc3263_5_the_answer_to_a_caller_who_has_gone_goes_to_the_host_that_his_via_names() {
    let backup = TcpListener::bind("127.0.0.44:0").unwrap();
    let port = backup.local_addr().unwrap().port();
    let (_names, at) = dnsmasq_with(&["--host-record=back.example,127.0.0.44".to_owned()]);
    let (_robot, target) = offhook::answer(&["--name-server", &at, "--ring"]);
    // The control comes first: who names the address that he came from, where nobody listens, gets no answer.
    for sent_by in [format!("127.0.0.1:{port}"), format!("back.example:{port}")] {
        let mut caller = TcpStream::connect(&target).unwrap();
        let named = invite(&sent_by, &target).replace("gone", &sent_by.replace(':', "-"));
        caller.write_all(named.as_bytes()).unwrap();
        let mut ringing = [0; 4_096];
        let length = caller.read(&mut ringing).unwrap();
        assert!(length > 0, "it is read");
    }
    let (mut stream, _) = backup.accept().unwrap();
    stream.set_read_timeout(Some(crate::program::PATIENCE)).unwrap();
    let mut answer = String::new();
    let mut octets = [0; 4_096];
    while !answer.contains("\r\n\r\n") {
        let length = stream.read(&mut octets).unwrap();
        assert!(length > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&octets[..length]));
    }
    assert!(
        answer.starts_with("SIP/2.0 487 ") && answer.contains(&format!("Via: SIP/2.0/TCP back.example:{port}")),
        "{answer}"
    );
}

#[test]
fn rfc3263_4_3_the_legs_of_a_pbx_go_to_the_next_server_of_a_device_too() {
    let (_robot, port) = robot(&["127.0.0.1"]);
    let dead = free_port();
    let (_names, at) = dnsmasq_with(&[
        srv("_sip._udp.device.example", dead, 10, 0),
        srv("_sip._udp.device.example", port, 20, 0),
        srv("_sip._udp.gone.example", dead, 10, 0),
    ]);
    let settings = format!("[dns]\nservers = [\"{at}\"]\n");
    let (code, output, _) = call_to_a_contact("sip:1002@device.example", &settings);
    assert_eq!(code, 0, "{output}");
    // The control: nobody else to ask.
    let (code, output, _) = call_to_a_contact("sip:1002@gone.example", &settings);
    assert_eq!(code, 8, "{output}");
}

#[test]
fn rfc5922_4_a_server_that_dns_has_led_to_must_be_the_domain_that_was_asked_for() {
    for (names, expected) in [("DNS:secure.example", 0), ("DNS:four.example", 5)] {
        let folder = tempfile::tempdir().unwrap();
        made_by_openssl(folder.path(), names);
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (certificate, key) = (file("certificate.pem"), file("key.pem"));
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let tls = ["--tls", &address, "--tls-cert", &certificate, "--tls-key", &key];
        let _server = offhook::serve(&[&offhook::USERS[..], &tls].concat());
        let (_names, at) = dnsmasq_with(&[
            naptr("secure.example", 10, "SIPS+D2T", "_sips._tcp.secure.example"),
            naptr("secure.example", 20, "SIP+D2U", "_sip._udp.secure.example"),
            srv("_sips._tcp.secure.example", port, 0, 0),
        ]);
        for target in ["sip:secure.example", "sips:secure.example"] {
            let arguments = ["options", target, "--name-server", &at, "--tls-ca", &certificate];
            let (code, output) = offhook::start(&arguments).finish();
            assert_eq!(code, expected, "{target} {names}: {output}");
            assert!(expected == 0 || output.contains("secure.example"), "{output}");
        }
    }
}
