//! What is refused, and by which status.

use super::*;

const GOOD: &str = "GET /sip?x=1 HTTP/1.1\r\nhost: pbx.example.com\r\nUPGRADE: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: msrp, sip\r\n\r\n";

fn status(head: &str, behind: &str) -> String {
    let (answer, then) = answer(head.as_bytes(), behind.as_bytes(), &WebSockets::default());
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(then.is_ok(), answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    answer[9..12].to_owned()
}

#[test]
fn rfc6455_4_2_a_handshake_that_is_none_is_refused_by_its_status() {
    assert_eq!(status(GOOD, ""), "101");
    let table = [
        ("GET /", "POST /", "400"),
        ("HTTP/1.1", "HTTP/1.0", "400"),
        ("HTTP/1.1", "SIP/2.0", "400"),
        ("host: pbx.example.com", "host pbx.example.com", "400"),
        ("host: pbx.example.com\r\n", "", "400"),
        ("host: pbx.example.com\r\n", "Host: a\r\nHost: b\r\n", "400"),
        ("UPGRADE: WebSocket\r\n", "", "426"),
        ("UPGRADE: WebSocket", "Upgrade: h2c", "426"),
        ("keep-alive, Upgrade", "keep-alive", "400"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", "400"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", "400"),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Key", "400"),
        ("Version: 13", "Version: 8", "426"),
        ("Sec-WebSocket-Version: 13\r\n", "", "426"),
        ("\r\n\r\n", "\r\nContent-Length: 4\r\n\r\n", "400"),
        ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ("msrp, sip", "msrp", "400"),
        ("msrp, sip", "SIP", "400"),
        ("msrp, sip", "sip2", "400"),
        ("Sec-WebSocket-Protocol: msrp, sip\r\n", "", "400"),
    ];
    for (what, instead, expected) in table {
        assert!(GOOD.contains(what), "{what}");
        assert_eq!(status(&GOOD.replacen(what, instead, 1), ""), expected, "{instead} instead of {what}");
    }
    assert_eq!(status(GOOD, "x"), "400", "nothing may follow before the answer");
    assert_eq!(
        status(&GOOD.replace("Protocol: msrp, sip", "Protocol: msrp\r\nSec-WebSocket-Protocol: sip"), ""),
        "101"
    );
    assert_eq!(status(&GOOD.replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n"), ""), "101");
}

#[test]
fn rfc6455_4_4_who_speaks_another_version_is_told_ours() {
    let (answer, _) = answer(GOOD.replace("13", "25").as_bytes(), b"", &WebSockets::default());
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{answer}");
}

#[test]
fn a_hundred_fields_too_many_are_refused() {
    let many = "X: y\r\n".repeat(200);
    assert_eq!(status(&GOOD.replace("UPGRADE", &format!("{many}UPGRADE")), ""), "400");
}
