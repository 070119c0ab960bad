//! What brought other systems down, sent to `serve` in each of its roles and by every transport by somebody without a password: the answer that is
//! due, and alive after it.

use std::sync::atomic::{AtomicU32, Ordering};

use super::peer::{code_of, is_alive};
use super::way::{Server, Transport, Way};
use crate::program::free_port;
use crate::program::offhook::{self, USERS};

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

#[test]
fn cve_generic_uri_is_no_sip_uri_and_an_escape_at_the_end_no_name() {
    let values = ["</>", "<//>", "<:>", "\"alice\\", "\"alice\\\" <sip:a@b>", "\"\\"];
    let names = ["From", "To", "Contact", "Route", "Diversion", "Referred-By", "P-Asserted-Identity", "Reply-To"];
    let messages = |own: &str| {
        let uri = format!("sip:1002@{own}");
        let line = |name: &str, value: &str| format!("{name}: {value}{}", if name == "From" { ";tag=f" } else { "" });
        let lines = names.iter().flat_map(|name| values.iter().map(move |value| line(name, value)));
        lines.map(|line| (line.clone(), request("INVITE", &uri, &[&line]))).collect()
    };
    everywhere(messages, |_, what, code| match what.split(':').next() {
        Some("From" | "To") => code == Some(400),
        _ => is_refused(code),
    });
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
