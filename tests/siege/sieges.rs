//! The attacks, and what shows that the check would see it if they did harm.

use super::attacks::{self, connections, datagrams, flood, frames, giant_bodies, request, stream_of};
use super::{Asking, CLOSED, Course, Ground, Outcome, Right, Told, besieged, besieged_beside};
use crate::acceptance::wire::Wire;

/// The beginning of a message.
pub(super) const BEGIN: &str = "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP here;branch=z9hG4bKbomb\r\n";

/// Attacks by one thread, with the usual limits, and expects no harm, and the right answers to the attacker.
fn harmless(what: &str, right: Right, attack: impl Fn(&Ground, &Course, usize) + Sync) {
    is_harmless(what, right, &besieged(what, "", 1, attack));
}

/// No harm was done, and the attacker was told what is right.
pub(super) fn is_harmless(what: &str, right: Right, outcome: &Outcome) {
    assert!(outcome.rate > 0.0, "{what}: nothing was done: {outcome:?}");
    assert!(outcome.harm().is_empty(), "{what}: {:?}: {outcome:?}", outcome.harm());
    assert_eq!(right.wrong(&outcome.told), None, "{what}: {outcome:?}");
}

#[test]
fn an_answer_that_is_not_right_is_seen_and_so_is_none_where_one_is_due() {
    let told = |codes: &[u16]| codes.iter().map(|code| (*code, 1)).collect::<Told>();
    for (right, codes, is_right) in [
        (Right::Codes(&[400, 413]), vec![400, 413], true),
        (Right::Codes(&[400, 413]), vec![400, 200], false),
        (Right::Codes(&[400]), vec![CLOSED], false),
        (Right::Codes(&[CLOSED]), vec![CLOSED], true),
        (Right::Codes(&[400]), Vec::new(), false),
        (Right::Mostly(403, 503), vec![403], true),
        (Right::Mostly(403, 503), vec![403, 503], true),
        (Right::Mostly(403, 503), vec![503], false),
        (Right::Mostly(403, 503), vec![403, 401], false),
        (Right::Silence, Vec::new(), true),
        (Right::Silence, vec![CLOSED], true),
        (Right::Silence, vec![200], false),
    ] {
        assert_eq!(right.wrong(&told(&codes)).is_none(), is_right, "{right:?} {codes:?}");
    }
}

/// What cannot be cut into messages any more (RFC 3261 section 18.3).
pub(super) const ENDED: Right = Right::Codes(&[CLOSED]);

fn broken(outcome: &Outcome, word: &str) {
    assert!(outcome.faults().iter().any(|fault| fault.contains(word)), "expected {word:?}: {outcome:?}");
}

#[test]
fn siege_slow_senders() {
    harmless("an octet a second on 2,000 connections", Right::Silence, attacks::slow_senders);
}

#[test]
fn siege_half_open_tls_handshakes() {
    harmless("TLS handshakes begun", Right::Silence, attacks::half_open_handshakes);
}

#[test]
fn siege_tls_handshakes() {
    harmless("TLS handshakes", Right::Silence, attacks::handshakes);
}

#[test]
fn siege_giant_content_length() {
    harmless("Content-Length of 2^31", ENDED, giant_bodies(1 << 31, 1 << 20));
}

#[test]
fn siege_ten_thousand_connections_of_many_addresses() {
    let outcome = besieged("10,000 connections of 5,000 addresses", "", 1, connections(5_000));
    // All room is taken: who comes by a connection finds none, who asks by UDP and who is in a call notice nothing.
    let others: Vec<String> = outcome.harm().into_iter().filter(|fault| !fault.contains("by TCP")).collect();
    assert!(others.is_empty(), "{others:?}: {outcome:?}");
}

#[test]
fn siege_ten_thousand_connections_of_one_address() {
    harmless("10,000 connections of one address", ENDED, connections(1));
}

/// More than one loop can read: what it does not, the system drops.
#[test]
fn siege_a_flood_of_calls_without_a_password() {
    let what = "50,000 calls a second without a password";
    let outcome = besieged_beside(Asking::ByTcp, what, "", 1, flood(50_000, "600@x"));
    is_harmless(what, Right::Mostly(401, 503), &outcome);
}

#[test]
fn siege_a_million_short_headers() {
    harmless("a million short headers", ENDED, stream_of(BEGIN, "a:b\r\n", 5_000_000));
}

#[test]
fn siege_a_header_of_megabytes() {
    harmless("a header of 8 MB", ENDED, stream_of("OPTIONS sip:127.0.0.1 SIP/2.0\r\nSubject: ", "x", 8 << 20));
}

#[test]
fn siege_commas() {
    let commas = format!("Contact: {}\r\n", ",".repeat(8_000)).repeat(7);
    harmless("56,000 commas", Right::Codes(&[400]), |ground, course, _| {
        datagrams(ground, course, |number, local| request("OPTIONS", "127.0.0.1", number, local, &commas, ""));
    });
}

#[test]
fn siege_nested_multipart() {
    let open = |depth: usize| format!("--b{depth}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n", depth + 1);
    let body: String = (0..1_000).map(open).collect();
    harmless("multipart 1,000 deep", Right::Codes(&[415]), |ground, course, _| {
        let lines = ["Content-Type: multipart/mixed;boundary=b0"];
        attacks::as_user(ground, course, ("INVITE", "600", &lines), &body);
    });
}

#[test]
fn siege_wrong_passwords() {
    // No INVITE: a refusal of that is repeated. What is kept of the others has a limit.
    harmless("MESSAGE with a wrong password", Right::Mostly(403, 503), |ground, course, _| {
        // Wrong, whatever is asked for with it.
        let mut wire = Wire::to(&ground.sip);
        let mut ask = wire.ask("MESSAGE");
        ask.uri = "sip:600@x".to_owned();
        let signed = wire.signed(&ask, "1001", "guessed");
        let line = signed.more.iter().find(|line| line.starts_with("Authorization: ")).unwrap().clone() + "\r\n";
        datagrams(ground, course, |number, local| request("MESSAGE", "600@x", number, local, &line, ""));
    });
}

#[test]
fn siege_credentials_of_elsewhere() {
    let other =
        "username=\"1001\", realm=\"r\", nonce=\"n\", uri=\"sip:600@x\", response=\"00000000000000000000000000000000\"";
    let line = format!("Authorization: Digest {other}\r\n");
    harmless("INVITE with credentials of elsewhere", Right::Codes(&[401]), |ground, course, _| {
        datagrams(ground, course, |number, local| request("INVITE", "600@x", number, local, &line, ""));
    });
}

#[test]
fn siege_frames_without_end() {
    // A frame of 2^62 octets, masked; and fragments of one octet that never end.
    harmless("a giant frame", ENDED, frames(&[0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], b"x"));
    harmless("fragments", ENDED, frames(&[0x02, 0x81, 0, 0, 0, 0, b'x'], &[0x00, 0x81, 0, 0, 0, 0, b'x']));
}

#[test]
fn siege_xml_bombs() {
    let entities: String =
        (1..20).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
    let laughs =
        format!("<?xml version=\"1.0\"?><!DOCTYPE p [<!ENTITY e0 \"x\">{entities}]><presence>&e19;</presence>");
    let deep = |times| {
        format!("<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1001@x\">{}", "<a>".repeat(times))
    };
    let lines = ["Event: presence", "Content-Type: application/pidf+xml", "Expires: 60"];
    // A document of more than 16 KiB is not read at all.
    for (what, right, body) in [
        ("entities", Right::Codes(&[400]), laughs),
        ("5,000 elements deep", Right::Codes(&[400]), deep(5_000)),
        ("15,000 elements deep", Right::Codes(&[413]), deep(15_000)),
    ] {
        harmless(what, right, |ground, course, _| {
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
        harmless(what, Right::Codes(&[400]), |ground, course, _| {
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
    let outcome = besieged("a server that is stopped now and then", "", 1, attacks::stops);
    broken(&outcome, "kept their time");
    broken(&outcome, "an answer took");
}
