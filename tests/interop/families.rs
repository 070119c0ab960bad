//! A host with addresses of both families, one of them dead (RFC 8305); and STUN on the port of SIP, asked by coturn's client.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::baresip::Baresip;
use super::names::{dnsmasq_with, robot};
use crate::program::offhook::{self, USERS};
use crate::program::sound::seconds_of;
use crate::program::{Program, free_port};

/// An address where connections are neither taken nor refused, since its queue is full; as long as what is returned is held.
fn silent(address: SocketAddr) -> Vec<Socket> {
    let listener = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    if address.is_ipv6() {
        listener.set_only_v6(true).unwrap();
    }
    // The port may have served another test a moment ago.
    listener.set_reuse_address(true).unwrap();
    listener.bind(&address.into()).unwrap();
    listener.listen(0).unwrap();
    let fill = |_| {
        let one = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        one.set_nonblocking(true).unwrap();
        let _ = one.connect(&address.into());
        one
    };
    (0..4).map(fill).chain([listener]).collect()
}

#[test]
fn rfc8305_5_the_family_that_is_dead_costs_no_more_than_a_moment() {
    let (_names, at) = dnsmasq_with(&[]);
    for (alive, dead) in [("[::1]", "127.0.0.1"), ("127.0.0.1", "[::1]")] {
        let (_robot, port) = robot(&[alive]);
        let _held = silent(format!("{dead}:{port}").parse().unwrap());
        let target = format!("sip:x@both.example:{port};transport=tcp");
        let begin = Instant::now();
        let (code, output) = offhook::start(&["options", &target, "--name-server", &at]).finish();
        let took = begin.elapsed();
        assert!(code == 0 && output.contains("200 OK"), "{dead}: {output}");
        // Connecting may take 10 s.
        assert!(took < Duration::from_secs(5), "{dead}: {took:?}");
    }
    // The control: who has no other address is waited for.
    let port = free_port();
    let _held = silent(format!("127.0.0.1:{port}").parse().unwrap());
    let begin = Instant::now();
    let target = format!("sip:x@four.example:{port};transport=tcp");
    let (code, output) = offhook::start(&["options", &target, "--name-server", &at]).finish();
    assert!(code == 4 && begin.elapsed() > Duration::from_secs(8), "{:?}: {output}", begin.elapsed());
}

/// What coturn's client is told of its own address.
fn reflexive(host: &str, port: &str) -> String {
    let mut client = Program::start(Command::new("turnutils_stunclient").args(["-p", port, host]));
    client.wait_for("reflexive addr")
}

#[test]
fn rfc5626_8_binding_requests_are_answered_on_the_port_of_sip() {
    let six = format!("[::1]:{}", free_port());
    let server = offhook::serve(&[&USERS[..], &["--sip", &six]].concat());
    let four = server.address.rsplit(':').next().unwrap();
    let told = reflexive("127.0.0.1", four);
    assert!(told.contains("127.0.0.1:"), "{told}");
    let told = reflexive("::1", six.rsplit(':').next().unwrap());
    assert!(told.contains("::1"), "{told}");
    // SIP goes on beside it.
    let (code, output) = offhook::start(&["options", &format!("sip:{}", server.address)]).finish();
    assert_eq!(code, 0, "{output}");
}

#[test]
fn baresip_registers_over_ipv6_calls_the_echo_and_is_called_by_who_has_the_other_family() {
    let six = format!("[::1]:{}", free_port());
    let server = offhook::serve(&[&USERS[..], &["--sip", &six]].concat());
    for transport in ["udp", "tcp"] {
        let account = format!(
            "<sip:1001@{six};transport={transport}>;auth_user=1001;auth_pass=secret1;regint=300;answermode=auto"
        );
        let mut phone = Baresip::over_ipv6(&account, 1_000);
        phone.wait_for_line("200 OK (Offhook");
        let contact = server.status()["users"][0]["contacts"][0]["uri"].to_string();
        assert!(contact.contains("@[::1]:"), "{transport}: {contact}");
        phone.command("dial", &format!("sip:600@{six};transport={transport}"));
        phone.wait_for("CALL_ESTABLISHED");
        phone.talk();
        phone.command("hangup", "");
        phone.wait_for("CALL_CLOSED");
        let heard = seconds_of(&phone.recording(), 1_000.0);
        assert!(heard >= 3.0, "{transport}: its own 1000 Hz came back for {heard} s");
        // The control: it is not what answers by itself that is heard, but the other phone.
        let caller = format!("sip:1002@{}", server.address);
        let call = ["call", "1001", "--account", &caller, "--password", "secret2", "--no-register", "--for", "5"];
        let (code, output) =
            offhook::start(&[&call[..], &["--tone", "440", "--expect-tone", "1000"]].concat()).finish();
        assert_eq!(code, 0, "{transport}: {output}");
        phone.wait_for("CALL_CLOSED");
        let heard = |hertz| seconds_of(&phone.recording(), hertz);
        assert!(heard(440.0) >= 3.0 && heard(1_000.0) < 0.2, "{transport}: 440 Hz of ours for {} s", heard(440.0));
        phone.stop();
    }
}
