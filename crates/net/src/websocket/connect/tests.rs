//! Answers of servers: the one that is good, and what is not.

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

#[test]
fn rfc6455_4_1_an_answer_must_be_the_one_to_our_request() {
    assert_eq!(check(GOOD.as_bytes(), KEY), Ok(()));
    let table = [
        ("HTTP/1.1 101 Switching Protocols", "SIP/2.0 200 OK", "HTTP/1.1"),
        ("101 Switching Protocols", "401 Unauthorized", "401"),
        ("101 Switching Protocols", "200 OK", "200"),
        ("Upgrade: WebSocket", "Upgrade: h2c", "not for a WebSocket"),
        ("keep-alive, upgrade", "keep-alive", "not for a WebSocket"),
        ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "Sec-WebSocket-Accept"),
        ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extension"),
        ("Protocol: sip", "Protocol: msrp", "does not speak SIP"),
        ("Sec-WebSocket-Protocol: sip\r\n", "", "does not speak SIP"),
    ];
    for (what, instead, why) in table {
        let told = check(GOOD.replacen(what, instead, 1).as_bytes(), KEY).unwrap_err();
        assert!(told.contains(why), "{instead}: {told}");
    }
}

#[test]
fn rfc6455_4_1_each_request_has_a_key_of_its_own() {
    let ((head, key), (_, other)) =
        (request("pbx.example.com:8080", "/sip", None), request("pbx.example.com:8080", "/sip", None));
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("GET /sip HTTP/1.1\r\nHost: pbx.example.com:8080\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nSec-WebSocket-Key: {key}\r\n")) && key.len() == 24 && key != other, "{head}");
}
