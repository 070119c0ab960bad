//! What we write: responses from requests, lines of applications, and that nobody can smuggle a line in.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use bytes::Bytes;
use sip::message::header::{Expires, Via};
use sip::message::{Body, HeaderId, Limits, LineError, Lines, Message, Method, StatusCode, Writer, write_response};

const REQUEST: &str = "INVITE sip:a@b SIP/2.0\r\nv: SIP / 2.0/UDP h:5080 ;rport;x=\"a;b\";received=9.9.9.9;branch=z9hG4bK1 , SIP/2.0/TCP i\r\n\
    Via: SIP/2.0/TLS\r\n j;branch=z9hG4bK2\r\nFrom: \"A\"<sip:a@b>;tag=1\r\nt: <sip:c@d>\r\nI: x\r\nCSeq: 007  INVITE\r\n\
    Record-Route: <sip:p;lr>,\r\n <sip:q;lr>\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n";

fn request(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap()
}

fn reply(code: StatusCode, tag: Option<&str>, received: Option<(IpAddr, Option<u16>)>) -> Vec<String> {
    let message = request(REQUEST);
    let bytes = write_response(message.headers(), code, None, tag, &Lines::new(), None, received);
    std::str::from_utf8(&bytes).unwrap().split("\r\n").map(str::to_owned).collect()
}

#[test]
fn rfc3261_8_2_6_2_responses_copy_what_identifies_the_request() {
    let lines = reply(StatusCode::RINGING, Some("tt"), None);
    let expected = [
        "SIP/2.0 180 Ringing",
        "v: SIP / 2.0/UDP h:5080 ;rport;x=\"a;b\";received=9.9.9.9;branch=z9hG4bK1 , SIP/2.0/TCP i",
        "Via: SIP/2.0/TLS",
        " j;branch=z9hG4bK2",
        "From: \"A\"<sip:a@b>;tag=1",
        "t: <sip:c@d>;tag=tt",
        "I: x",
        "CSeq: 007  INVITE",
        "Content-Length: 0",
        "",
        "",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn rfc3261_8_2_6_1_a_100_has_no_tag_of_ours_but_the_timestamp() {
    let lines = reply(StatusCode::TRYING, Some("tt"), None);
    assert!(lines.contains(&"t: <sip:c@d>".to_owned()) && lines.contains(&"Timestamp: 54".to_owned()));
    let dialog = request(&REQUEST.replace("<sip:c@d>", "<sip:c@d>;tag=theirs"));
    let bytes = write_response(dialog.headers(), StatusCode::OK, None, Some("tt"), &Lines::new(), None, None);
    let again = Message::parse(bytes, &Limits::default()).unwrap();
    assert_eq!(again.headers().to_tag(), Some("theirs"), "a tag that is there stays");
}

#[test]
fn rfc3581_4_received_and_rport_are_those_seen() {
    let lines = reply(StatusCode::OK, None, Some(("192.0.2.7".parse().unwrap(), Some(6000))));
    let via = "Via: SIP / 2.0/UDP h:5080;x=\"a;b\";branch=z9hG4bK1;received=192.0.2.7;rport=6000 , SIP/2.0/TCP i";
    assert_eq!(lines[1], via);
    let lines = reply(StatusCode::OK, None, Some(("2001:db8::1".parse().unwrap(), None)));
    let via = "Via: SIP / 2.0/UDP h:5080 ;rport;x=\"a;b\";branch=z9hG4bK1;received=2001:db8::1 , SIP/2.0/TCP i";
    assert_eq!(lines[1], via);
    let read = request(&REQUEST.replacen(REQUEST.split("\r\n").nth(1).unwrap(), via, 1));
    let vias: Vec<Via<'_>> = read.headers().list().map(Result::unwrap).collect();
    assert_eq!((vias.len(), vias[0].received()), (3, Some("2001:db8::1".parse().unwrap())));
}

#[test]
fn rfc3261_12_1_1_record_route_is_copied_on_demand() {
    let message = request(REQUEST);
    let mut lines = Lines::new();
    lines.copy(message.headers(), HeaderId::RecordRoute);
    lines.push_id(HeaderId::Expires, Expires(60));
    let body = Body::sdp("v=0\r\n");
    let bytes = write_response(message.headers(), StatusCode::OK, Some("Fine"), Some("t"), &lines, Some(&body), None);
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.starts_with("SIP/2.0 200 Fine\r\n"));
    let tail = "Record-Route: <sip:p;lr>, <sip:q;lr>\r\nExpires: 60\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    assert!(text.ends_with(tail), "{text}");
}

#[test]
fn cve_crlf_from_application_data_never_makes_a_line() {
    let mut lines = Lines::new();
    for name in ["", "X Y", "X:", "X\r\nY", "X\0", "\u{e4}", "X\t", &"X".repeat(256)] {
        assert_eq!(lines.push(name, "v"), Err(LineError::Name), "{name:?}");
    }
    for value in ["a\r\nX: y", "a\rb", "a\nb", "\0", "a\x01", "\x7f"] {
        assert_eq!(lines.push("X", value), Err(LineError::Value), "{value:?}");
        assert_eq!(lines.push_core("To", value), Err(LineError::Value), "{value:?}");
    }
    for name in ["Via", "v", "CSEQ", "call-id", "I", "Content-Length", "l", "From", "f", "To", "T", "Max-Forwards"] {
        assert_eq!(lines.push(name, "v"), Err(LineError::Core(HeaderId::from_name(name.as_bytes()))), "{name}");
    }
    assert!(lines.is_empty());
    lines.push_id(HeaderId::Subject, "a\r\nX: y\0");
    lines.push("X-Ok", " tab\tand caf\u{e9} ").unwrap();
    let found: Vec<(&str, &[u8])> = lines.iter().collect();
    assert_eq!(found, [("Subject", &b"a  X: y"[..]), ("X-Ok", "tab\tand caf\u{e9}".as_bytes())]);
    assert!(lines.has(HeaderId::Subject) && !lines.has(HeaderId::Contact));
    let mut more = lines.clone();
    more.extend(&lines);
    assert_eq!(more.iter().count(), 4);
}

#[test]
fn cve_crlf_in_reasons_tags_and_uris_never_makes_a_line() {
    let mut writer = Writer::request(&Method::Bye, "sip:a@b\r\nX: y");
    writer.line(HeaderId::Subject, "a\r\nX: y").named("X-Own", "\n\n");
    let text = writer.finish(None);
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 5, "{text:?}");
    let text = Writer::response(StatusCode::OK, Some("x\r\ny\0z")).finish(None);
    assert!(text.starts_with(b"SIP/2.0 200 x  y z\r\nContent-Length: 0\r\n\r\n"));
    let message = request(REQUEST);
    let text = write_response(message.headers(), StatusCode::OK, None, Some("t\r\nX: y"), &Lines::new(), None, None);
    assert!(!String::from_utf8_lossy(&text).contains("\nX: y"));
}

#[test]
fn raw_header_fields_are_copied_byte_for_byte() {
    let message = request(REQUEST);
    let mut writer = Writer::request(&Method::Invite, "sip:a@b");
    message.headers().iter().filter(|header| header.id != HeaderId::ContentLength).for_each(|header| {
        writer.raw(header);
    });
    assert_eq!(writer.finish(None), REQUEST.as_bytes());
}

#[test]
fn status_codes_have_classes_and_reasons() {
    assert_eq!((StatusCode::new(99), StatusCode::new(700)), (None, None));
    for code in 100..=699 {
        let status = StatusCode::new(code).unwrap();
        assert_eq!((status.get(), status.class() as u16), (code, code / 100));
        assert_eq!(
            (status.is_provisional(), status.is_final(), status.is_success()),
            (code < 200, code >= 200, code / 100 == 2)
        );
        assert!(!status.default_reason().is_empty());
    }
    assert_eq!(StatusCode::new(487).unwrap().default_reason(), "Request Terminated");
    assert_eq!(StatusCode::new(431).unwrap().default_reason(), "Bad Request", "RFC 3261 8.1.3.2: as x00");
}

#[test]
fn rfc3261_7_1_methods_are_case_sensitive() {
    for method in Method::KNOWN {
        assert_eq!(Method::from_bytes(method.as_str().as_bytes()), Some(method.clone()));
        let lower = method.as_str().to_lowercase();
        assert_eq!(Method::from_bytes(lower.as_bytes()), Some(Method::Other(lower.into())));
        assert!(method.is_known());
    }
    for text in ["", "A B", "A\0", "\u{e4}", "A:"] {
        assert!(text.parse::<Method>().is_err(), "{text:?}");
    }
}
