//! The attacks, and what shows that the check would see it if they did harm.

use super::attacks::{self, connections, datagrams, frames, giant_bodies, request, stream_of};
use super::{Course, Ground, Outcome, besieged};

/// The beginning of a message.
const BEGIN: &str = "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP here;branch=z9hG4bKbomb\r\n";

/// Attacks by one thread, with the usual limits, and expects no harm.
fn harmless(what: &str, attack: impl Fn(&Ground, &Course, usize) + Sync) {
    let outcome = besieged(what, "", 1, attack);
    assert!(outcome.harm().is_empty(), "{what}: {:?}: {outcome:?}", outcome.harm());
}

fn broken(outcome: &Outcome, word: &str) {
    assert!(outcome.faults().iter().any(|fault| fault.contains(word)), "expected {word:?}: {outcome:?}");
}

#[test]
fn siege_slow_senders() {
    harmless("an octet a second on 2,000 connections", attacks::slow_senders);
}

#[test]
fn siege_half_open_tls_handshakes() {
    harmless("TLS handshakes begun", attacks::half_open_handshakes);
}

#[test]
fn siege_tls_handshakes() {
    harmless("TLS handshakes", attacks::handshakes);
}

#[test]
fn siege_giant_content_length() {
    harmless("Content-Length of 2^31", giant_bodies(1 << 31, 1 << 20));
}

#[test]
fn siege_ten_thousand_connections_of_many_addresses() {
    let outcome = besieged("10,000 connections of 5,000 addresses", "", 1, connections(5_000));
    // All room is taken: who comes by a connection finds none, who asks by UDP and who is in a call notice nothing.
    let others: Vec<String> = outcome.harm().into_iter().filter(|fault| !fault.contains("by TCP")).collect();
    assert!(others.is_empty(), "{others:?}: {outcome:?}");
}

#[test]
fn siege_a_million_short_headers() {
    harmless("a million short headers", stream_of(BEGIN, "a:b\r\n", 5_000_000));
}

#[test]
fn siege_a_header_of_megabytes() {
    harmless("a header of 8 MB", stream_of("OPTIONS sip:127.0.0.1 SIP/2.0\r\nSubject: ", "x", 8 << 20));
}

#[test]
fn siege_commas() {
    let commas = format!("Contact: {}\r\n", ",".repeat(8_000)).repeat(7);
    harmless("56,000 commas", |ground, course, _| {
        datagrams(ground, course, |number, local| request("OPTIONS", "127.0.0.1", number, local, &commas, ""));
    });
}

#[test]
fn siege_nested_multipart() {
    let open = |depth: usize| format!("--b{depth}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n", depth + 1);
    let body: String = (0..1_000).map(open).collect();
    harmless("multipart 1,000 deep", |ground, course, _| {
        let lines = ["Content-Type: multipart/mixed;boundary=b0"];
        attacks::as_user(ground, course, ("INVITE", "600", &lines), &body);
    });
}

#[test]
fn siege_wrong_passwords() {
    let wrong =
        "username=\"1001\", realm=\"r\", nonce=\"n\", uri=\"sip:600@x\", response=\"00000000000000000000000000000000\"";
    let line = format!("Authorization: Digest {wrong}\r\n");
    harmless("INVITE with a wrong password", |ground, course, _| {
        datagrams(ground, course, |number, local| request("INVITE", "600@x", number, local, &line, ""));
    });
}

#[test]
fn siege_frames_without_end() {
    // A frame of 2^62 octets, masked; and fragments of one octet that never end.
    harmless("a giant frame", frames(&[0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], b"x"));
    harmless("fragments", frames(&[0x02, 0x81, 0, 0, 0, 0, b'x'], &[0x00, 0x81, 0, 0, 0, 0, b'x']));
}

#[test]
fn siege_xml_bombs() {
    let entities: String =
        (1..20).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
    let laughs =
        format!("<?xml version=\"1.0\"?><!DOCTYPE p [<!ENTITY e0 \"x\">{entities}]><presence>&e19;</presence>");
    let deep =
        format!("<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1001@x\">{}", "<a>".repeat(15_000));
    let lines = ["Event: presence", "Content-Type: application/pidf+xml", "Expires: 60"];
    for (what, body) in [("entities", laughs), ("15,000 elements deep", deep)] {
        harmless(what, |ground, course, _| {
            attacks::as_user(ground, course, ("PUBLISH", "1001", &lines), &body);
        });
    }
}

#[test]
fn siege_descriptions() {
    let begin = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    let lines = format!("{begin}{}", "m=audio 9 RTP/AVP 0 8\r\n".repeat(2_000));
    let attributes = format!("{begin}m=audio 9 RTP/AVP 0\r\n{}", "a=crypto:1 A inline:x\r\n".repeat(2_000));
    let formats = format!("{begin}m=audio 9 RTP/AVP{}\r\n", " 0".repeat(20_000));
    for (what, body) in [("2,000 media lines", lines), ("2,000 keys", attributes), ("20,000 formats", formats)] {
        harmless(what, |ground, course, _| {
            attacks::as_user(ground, course, ("INVITE", "600", &["X: 1"]), &body);
        });
    }
}

/// Controls: what the check would say if the limits were not there, or the server were late.
#[test]
fn siege_control_without_limits_memory_is_seen_to_grow() {
    let limits = "unfinished_octets = 4000000000\nmessage_octets = 100000000\n";
    let outcome = besieged("bodies of 50 MB with no limit on them", limits, 1, giant_bodies(60 << 20, 50 << 20));
    broken(&outcome, "MiB of memory");
}

#[test]
fn siege_control_without_limits_connections_are_seen_to_run_out() {
    let outcome = besieged(
        "all room for connections",
        "connections = 500\nconnections_per_address = 500\n",
        1,
        connections(5_000),
    );
    broken(&outcome, "by TCP had no answer");
}

#[test]
fn siege_control_a_server_that_stands_still_is_seen() {
    let outcome = besieged("a server that is stopped now and then", "", 1, |ground, course, _| {
        let process = i32::try_from(ground.process).unwrap();
        while !course.is_over() {
            let signal = |signal| nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), signal).unwrap();
            signal(nix::sys::signal::Signal::SIGSTOP);
            std::thread::sleep(std::time::Duration::from_millis(250));
            signal(nix::sys::signal::Signal::SIGCONT);
            std::thread::sleep(std::time::Duration::from_millis(100));
            course.did(1);
        }
    });
    broken(&outcome, "kept their time");
    broken(&outcome, "an answer took");
}
