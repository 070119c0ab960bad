//! What brought other systems down, sent to `serve` in each of its roles and by every transport by somebody without a password: the answer that is
//! due, and alive after it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use super::peer::{SECRET, answers, code_of, is_alive, with_credentials};
use super::way::{Server, Transport, Way};
use crate::acceptance::wire::{Ask, Wire, code, field};
use crate::program::offhook::{self, USERS};
use crate::program::{PATIENCE, free_port};

const ROLES: [&str; 5] = ["pbx", "proxy", "stateless", "registrar", "redirect"];

/// Sends to a server in each role, by each transport, what `messages` makes of the server's address and a number that is its own; `judge` says whether
/// what came back is right.
fn everywhere(
    messages: impl Fn(&str) -> Vec<(String, Vec<u8>)>,
    judge: impl Fn((&str, Transport), &str, Option<u16>) -> bool,
) {
    for role in ROLES {
        let others = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let more = ["--role", role, "--tls", &others[0], "--ws", &others[1]];
        let mut server = offhook::serve(&[&USERS[..], &more].concat());
        let own = server.address.clone();
        let ways =
            [(Transport::Udp, &own), (Transport::Tcp, &own), (Transport::Tls, &others[0]), (Transport::Ws, &others[1])];
        let mut faults = Vec::new();
        for (transport, address) in ways {
            let mut way = Server(transport, address.clone());
            for (number, (what, message)) in messages(&own).iter().enumerate() {
                let code = way.ask(message).as_deref().and_then(code_of);
                if !judge((role, transport), what, code) {
                    faults.push(format!("{role} by {}: {what}: {code:?}", transport.name()));
                }
                assert!(
                    is_alive(number, &own) && server.program.is_alive(),
                    "dead after {what}:\n{}",
                    server.program.output()
                );
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// A request that lacks nothing, with these lines in place of the usual ones of their names, or besides them.
fn request(method: &str, uri: &str, lines: &[&str]) -> Vec<u8> {
    static SENT: AtomicU32 = AtomicU32::new(0);
    let id = SENT.fetch_add(1, Ordering::Relaxed);
    let usual = [
        format!("Via: SIP/2.0/UDP here;branch=z9hG4bK{id};rport"),
        "From: <sip:1001@example.com>;tag=f".into(),
        format!("To: <{uri}>"),
        format!("Call-ID: {id}-hostile"),
        format!("CSeq: 1 {method}"),
        "Max-Forwards: 70".into(),
        "Contact: <sip:1001@127.0.0.1:9>".into(),
        "Content-Length: 0".into(),
    ];
    let name = |line: &str| line.split(':').next().unwrap_or_default().trim().to_owned();
    let kept = usual.iter().filter(|line| !lines.iter().any(|other| name(other) == name(line))).map(String::as_str);
    let all: String = kept
        .chain(lines.iter().copied())
        .filter(|line| line.contains(": "))
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!("{method} {uri} SIP/2.0\r\n{all}\r\n").into_bytes()
}

#[test]
fn cve_unauthenticated_methods_get_nowhere_in_any_role_by_any_transport() {
    let methods = "INVITE MESSAGE SUBSCRIBE PUBLISH REFER REGISTER NOTIFY INFO UPDATE PRACK BYE CANCEL FROBNICATE";
    let messages = |own: &str| {
        let to = [
            format!("sip:1002@{own}"),
            format!("sip:600@{own}"),
            format!("sip:{own}"),
            "sip:1002@other.invalid".into(),
        ];
        let every = to.iter().flat_map(|uri| {
            methods.split(' ').map(move |method| {
                (
                    format!("{method} {uri}"),
                    request(method, uri, &["Event: presence", "Refer-To: <sip:600@a.invalid>", "RAck: 1 1 INVITE"]),
                )
            })
        });
        every.collect()
    };
    everywhere(messages, |(role, _), what, code| match (role, what.split(' ').next().unwrap_or_default()) {
        (_, "CANCEL") => code == Some(481),
        // RFC 3261 section 10.3: it has no bindings of that domain, and says so before it asks who that is.
        ("registrar", "REGISTER") if what.ends_with("@other.invalid") => code == Some(404),
        ("registrar", "REGISTER") => matches!(code, Some(401 | 405)),
        ("registrar", _) => code == Some(405),
        ("proxy" | "stateless", "REGISTER") => matches!(code, Some(401 | 407)),
        ("proxy" | "stateless", _) => code == Some(407),
        ("pbx", "NOTIFY" | "INFO" | "UPDATE" | "PRACK" | "BYE") => code == Some(481),
        ("pbx", "FROBNICATE") => code == Some(501),
        _ => code == Some(401),
    });
}

/// Whoever is asked in this way is asked for a password, or does not do such things at all.
fn is_refused(code: Option<u16>) -> bool {
    matches!(code, Some(400 | 401 | 405 | 407))
}

/// What is no address of SIP, and what ends with an escape.
const NO_ADDRESSES: [&str; 6] = ["</>", "<//>", "<:>", "\"alice\\", "\"alice\\\" <sip:a@b>", "\"\\"];
/// Header fields in which an address stands.
const ADDRESSES: [&str; 19] = [
    "From",
    "To",
    "Contact",
    "Route",
    "Record-Route",
    "Path",
    "Service-Route",
    "Reply-To",
    "Refer-To",
    "Referred-By",
    "Diversion",
    "History-Info",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "P-Associated-URI",
    "P-Called-Party-ID",
    "Remote-Party-ID",
    "Alert-Info",
    "Call-Info",
];

/// Lines with such a header field, and no address in it.
fn without_an_address() -> impl Iterator<Item = String> {
    let line = |name: &str, value: &str| format!("{name}: {value}{}", if name == "From" { ";tag=f" } else { "" });
    ADDRESSES.iter().flat_map(move |name| NO_ADDRESSES.iter().map(move |value| line(name, value)))
}

#[test]
fn cve_generic_uri_is_no_sip_uri_and_an_escape_at_the_end_no_name() {
    let messages = |own: &str| {
        let uri = format!("sip:1002@{own}");
        without_an_address().map(|line| (line.clone(), request("INVITE", &uri, &[&line]))).collect()
    };
    everywhere(messages, |_, what, code| match what.split(':').next() {
        Some("From" | "To") => code == Some(400),
        _ => is_refused(code),
    });
}

/// Asks in this way, as who has the password where one is asked for.
fn signed_in(way: &mut Server, message: &[u8]) -> Option<u16> {
    let answer = way.ask(message)?;
    match code_of(&answer) {
        Some(401 | 407) => code_of(&with_credentials(message, &answer).map_or(Some(answer), |again| way.ask(&again))?),
        code => code,
    }
}

/// What is wrong with the answers to requests of these methods with such lines. A request without them is answered by `method`'s code in `fine`: so is one with them
/// where nobody reads that field, or it is refused; in a field that is read here it is.
fn misread(way: &mut Server, own: &str, fine: &[(&str, u16)], is_read: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let uri = |method: &str| if method == "REGISTER" { format!("sip:{own}") } else { format!("sip:1002@{own}") };
    let mut faults = Vec::new();
    for (method, code) in fine {
        let usual = match *method {
            "REGISTER" => vec![format!("To: <sip:1001@{own}>"), "Supported: path".to_owned()],
            "REFER" => vec!["Refer-To: <sip:600@a.invalid>".to_owned()],
            _ => Vec::new(),
        };
        let mut ask = |line: &str| {
            let name = line.split(':').next().unwrap();
            let kept = usual.iter().filter(|usual| !usual.starts_with(&format!("{name}:"))).map(String::as_str);
            let lines: Vec<&str> = kept.chain((!line.is_empty()).then_some(line)).collect();
            signed_in(way, &request(method, &uri(method), &lines))
        };
        let plain = ask("");
        assert_eq!(plain, Some(*code), "{method} that lacks nothing");
        for line in without_an_address() {
            let got = ask(&line);
            let must = matches!(line.split(':').next(), Some("From" | "To")) || is_read(method, &line);
            if got != Some(400) && (must || got != plain) {
                faults.push(format!("{method} with {line}: {got:?}, without it {plain:?}"));
            }
        }
    }
    faults
}

#[test]
fn cve_generic_uri_is_none_to_who_has_a_password_either_in_any_role() {
    for role in ROLES {
        let users = ["1001", "1002"].map(|name| format!("{name}:{SECRET}"));
        let mut server = offhook::serve(&["--user", &users[0], "--user", &users[1], "--role", role]);
        let own = server.address.clone();
        let fine: &[(&str, u16)] = match role {
            "registrar" => &[("INVITE", 405), ("REGISTER", 200)],
            "pbx" => &[("INVITE", 480), ("REFER", 603), ("REGISTER", 200)],
            _ => &[("INVITE", 480), ("REFER", 480), ("REGISTER", 200)],
        };
        let is_read = |method: &str, line: &str| match method {
            "REGISTER" => line.starts_with("Contact:") || line.starts_with("Path:"),
            _ => role == "pbx" && line.starts_with("Contact:"),
        };
        let faults = misread(&mut Server(Transport::Udp, own.clone()), &own, fine, is_read);
        assert!(faults.is_empty(), "{role}:\n{}", faults.join("\n"));
        assert!(is_alive(0, &own) && server.program.is_alive(), "dead:\n{}", server.program.output());
    }
}

#[test]
fn cve_generic_uri_is_none_to_a_phone_either() {
    let (mut robot, address) = offhook::answer(&[]);
    // It follows nobody who asks outside of a call, wherever to.
    let is_read = |method: &str, line: &str| method == "INVITE" && line.starts_with("Contact:");
    let fine = [("INVITE", 200), ("REFER", 603)];
    let faults = misread(&mut Server(Transport::Udp, address.clone()), &address, &fine, is_read);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(is_alive(0, &address) && robot.is_alive(), "dead:\n{}", robot.output());
}

#[test]
fn limit_of_calls_of_the_robot_one_more_is_503_until_one_has_ended() {
    for ring in [false, true] {
        let more: &[&str] = if ring { &["--ring"] } else { &[] };
        let (mut robot, address) = offhook::answer(&[&["--max-calls", "2"], more].concat());
        let mut wire = Wire::to(&address);
        let taken = if ring { "180" } else { "200" };
        let calls = [(); 2].map(|()| {
            let invite = wire.ask("INVITE");
            wire.send(&invite);
            (invite, wire.expect(taken))
        });
        let past = wire.ask("INVITE");
        let refusal = wire.final_of(&past);
        assert_eq!(code(&refusal), 503, "{ring}: {refusal}");
        assert!(field(&refusal, "Retry-After").is_some(), "{refusal}");
        let (first, answer) = &calls[0];
        if ring {
            let (cseq, body) = ("1 CANCEL".to_owned(), String::new());
            wire.send(&Ask { method: "CANCEL", cseq, body, ..first.clone() });
            wire.expect("487");
        } else {
            let ack = wire.within(answer, "ACK", 1);
            wire.send(&ack);
            let bye = wire.within(answer, "BYE", 2);
            assert_eq!(wire.code_of(&bye), 200);
        }
        // Its place is free again.
        let next = wire.ask("INVITE");
        wire.send(&next);
        loop {
            let message = wire.expect(taken);
            if message.contains(&next.branch) {
                break;
            }
        }
        assert!(robot.is_alive(), "dead:\n{}", robot.output());
    }
}

#[test]
fn cve_missing_header_is_told_or_nobody_can_be_told() {
    let names = ["To", "From", "Call-ID", "CSeq", "Via", "Max-Forwards", "Nothing"];
    let messages = |own: &str| {
        let uri = format!("sip:1002@{own}");
        names.iter().map(|name| ((*name).to_owned(), request("INVITE", &uri, &[&format!("{name}:")]))).collect()
    };
    everywhere(messages, |_, what, code| match what {
        "Via" => code.is_none(),
        "Max-Forwards" | "Nothing" => matches!(code, Some(401 | 405 | 407)),
        _ => code == Some(400),
    });
}

#[test]
fn cve_length_fields_are_not_trusted() {
    let lengths = ["2147483648", "9223372036854775808", "18446744073709551616", "-1", "1e3", "0x10", "5, 6", "70000"];
    let messages = |own: &str| {
        let uri = format!("sip:1002@{own}");
        let twice = request("INVITE", &uri, &["Content-Length: 3", "Content-Length: 4"]);
        let one = |length: &str| (length.to_owned(), request("INVITE", &uri, &[&format!("Content-Length: {length}")]));
        lengths.iter().map(|length| one(length)).chain([("twice".to_owned(), twice)]).collect()
    };
    // A stream waits for what is said to come, or ends.
    everywhere(messages, |(_, transport), _, code| match transport {
        Transport::Tcp | Transport::Tls => code.is_none_or(|code| (400..600).contains(&code)),
        _ => code == Some(400),
    });
}

#[test]
fn cve_header_smuggling_by_control_characters_and_blanks_names_nobody() {
    let lines = [
        "To\u{1}: <sip:600@x>",
        "To\0: <sip:600@x>",
        "To\u{b}: <sip:600@x>",
        "P-Asserted-Identity\0: <sip:1001@x>",
        "Authorization\t\u{1}: Digest username=\"1001\"",
        "X\r: Y",
        "\u{a0}To: <sip:600@x>",
    ];
    let messages = |own: &str| {
        let uri = format!("sip:1002@{own}");
        lines.iter().map(|line| (format!("{line:?}"), request("INVITE", &uri, &[line]))).collect()
    };
    everywhere(messages, |_, _, code| is_refused(code));
}

#[test]
fn cve_digest_a_giant_nonce_and_doubled_or_unknown_parameters_let_nobody_in() {
    let nonce = "n".repeat(50_000);
    let all =
        "username=\"1001\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", response=\"00000000000000000000000000000000\"";
    let fields = [
        format!("username=\"1001\", realm=\"r\", nonce=\"{nonce}\", uri=\"sip:a\", response=\"0\""),
        format!("{all}, algorithm=SHA-3-1024"),
        format!("{all}, username=\"1002\", response=\"1\""),
        format!("{all}, qop=auth, nc=ffffffff, cnonce=\"\""),
        "username=\"".into(),
        String::new(),
    ];
    let messages = |own: &str| {
        let uri = format!("sip:1002@{own}");
        let lines = fields
            .iter()
            .flat_map(|fields| ["Authorization", "Proxy-Authorization"].map(|name| format!("{name}: Digest {fields}")));
        lines.map(|line| (line.chars().take(60).collect(), request("INVITE", &uri, &[&line]))).collect()
    };
    everywhere(messages, |_, _, code| is_refused(code) || matches!(code, Some(403 | 413 | 513)));
}

/// More than a datagram can hold, so that nothing but the limits of a stream ends it.
#[test]
fn cve_digest_a_nonce_of_a_megabyte_ends_its_connection() {
    let nonce = "n".repeat(1 << 20);
    let fields = format!("username=\"1001\", realm=\"r\", nonce=\"{nonce}\", uri=\"sip:a\", response=\"0\"");
    let mut server = offhook::serve(&USERS);
    let own = server.address.clone();
    for (number, name) in ["Authorization", "Proxy-Authorization"].iter().enumerate() {
        let message = request("INVITE", &format!("sip:1002@{own}"), &[&format!("{name}: Digest {fields}")]);
        let mut stream = TcpStream::connect(&own).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        // Who has refused it does not wait for all of it.
        let _ = stream.write_all(&message);
        let (mut said, mut octets) = (Vec::new(), [0; 4_096]);
        let end = loop {
            match stream.read(&mut octets) {
                Ok(0) => break None,
                Ok(length) => said.extend_from_slice(&octets[..length]),
                Err(error) => break Some(error.kind()),
            }
        };
        let is_ended = end.is_none_or(|kind| kind == std::io::ErrorKind::ConnectionReset);
        assert!(is_ended, "{name}: {end:?} after {}", String::from_utf8_lossy(&said));
        let codes: Vec<Option<u16>> = answers(&said).map(code_of).collect();
        assert!(codes.iter().all(|code| matches!(code, Some(400 | 413 | 513))), "{name}: {codes:?}");
        assert!(is_alive(number, &own) && server.program.is_alive(), "dead:\n{}", server.program.output());
    }
}
