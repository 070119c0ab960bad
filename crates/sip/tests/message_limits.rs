//! Limits of the message reader, each at the limit and one past it, and the other things it refuses.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use sip::message::header::{Contact, Via};
use sip::message::{Broken, HeaderId, Limits, Message, Method, StatusCode};

const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
    Call-ID: x\r\nCSeq: 1 OPTIONS\r\n";

fn parse(text: impl Into<Vec<u8>>, limits: &Limits) -> Result<Message, Broken> {
    Message::parse(Bytes::from(text.into()), limits)
}

fn status(text: impl Into<Vec<u8>>, limits: &Limits) -> Result<(), StatusCode> {
    parse(text, limits).map(drop).map_err(|broken| broken.error.status)
}

fn with(lines: &str) -> String {
    format!("{HEAD}{lines}\r\n")
}

#[test]
fn message_octets_at_the_limit_and_one_past_it() {
    let text = with("");
    let mut limits = Limits { message: text.len(), ..Limits::default() };
    assert_eq!(status(text.clone(), &limits), Ok(()));
    limits.message -= 1;
    let broken = parse(text, &limits).unwrap_err();
    assert_eq!(broken.error.status, StatusCode::MESSAGE_TOO_LARGE);
    assert!(broken.head.is_some(), "the answer finds its way");
}

#[test]
fn head_octets_at_the_limit_and_one_past_it() {
    for pad in ["", "X-Pad: 0123456789\r\n", "X-Fold: a\r\n b\r\n"] {
        let text = with(pad) + "body";
        let mut limits = Limits { head: text.len() - 4 - 2, ..Limits::default() };
        assert_eq!(status(text.clone(), &limits), Ok(()));
        limits.head -= 1;
        assert_eq!(status(text, &limits), Err(StatusCode::MESSAGE_TOO_LARGE));
    }
}

#[test]
fn head_octets_never_exceed_what_the_index_holds() {
    let limits = Limits { message: 200_000, line: 200_000, head: 200_000, ..Limits::default() };
    let fits = 65_535 - HEAD.len() - "X: \r\n".len();
    for (length, expected) in [(fits, Ok(())), (fits + 1, Err(StatusCode::MESSAGE_TOO_LARGE))] {
        assert_eq!(status(with(&format!("X: {}\r\n", "a".repeat(length))), &limits), expected);
    }
    assert_eq!(status(with("") + &"b".repeat(150_000), &limits), Ok(()), "the body may be larger");
}

#[test]
fn line_octets_at_the_limit_and_one_past_it() {
    let limits = Limits { line: 100, ..Limits::default() };
    for line in [format!("X: {}\r\n", "a".repeat(95)), format!("Subject: {}\r\n  b\r\n", "a".repeat(84))] {
        assert_eq!(line.len(), 100);
        assert_eq!(status(with(&line), &limits), Ok(()));
        let longer = line.replacen('a', "aa", 1);
        assert_eq!(status(with(&longer), &limits), Err(StatusCode::BAD_REQUEST));
    }
}

#[test]
fn start_line_octets_at_the_limit_and_one_past_it() {
    let limits = Limits { line: 100, ..Limits::default() };
    let long = |count: usize| with("").replacen("sip:a@b", &format!("sip:{}@b", "a".repeat(count)), 1);
    let count = 100 - "OPTIONS sip:@b SIP/2.0\r\n".len();
    assert_eq!(status(long(count), &limits), Ok(()));
    assert_eq!(status(long(count + 1), &limits), Err(StatusCode::BAD_REQUEST));
}

#[test]
fn header_count_at_the_limit_and_one_past_it() {
    for most in [5, 6, 31, 32, 33, 64, 256] {
        let limits = Limits { headers: most, ..Limits::default() };
        let text = |count: usize| with(&"X: y\r\n".repeat(count - 5));
        assert_eq!(status(text(most), &limits), Ok(()), "{most}");
        assert_eq!(status(text(most + 1), &limits), Err(StatusCode::BAD_REQUEST), "{most}");
    }
}

#[test]
fn cve_repeated_headers_ten_thousand_lines_are_refused() {
    let limits = Limits { message: 1_000_000, ..Limits::default() };
    for line in ["Via: SIP/2.0/UDP h", "Accept: a/b", "Route: <sip:h>", "Service-Route: <sip:h>", "Contact: <sip:h>"] {
        let broken = parse(with(&format!("{line}\r\n").repeat(10_000)), &limits).unwrap_err();
        assert!(broken.error.status.get() >= 400);
    }
}

#[test]
fn an_index_of_many_headers_takes_one_allocation_of_the_right_size() {
    let message = parse(with(&"X: y\r\n".repeat(20)), &Limits::default()).unwrap();
    assert_eq!((message.headers().len(), message.headers().heap_size()), (25, 0));
    let message = parse(with(&"X: y\r\n".repeat(95)), &Limits::default()).unwrap();
    assert_eq!((message.headers().len(), message.headers().heap_size()), (100, 800));
}

#[test]
fn name_octets_at_the_limit_and_one_past_it() {
    assert_eq!(status(with(&format!("{}: y\r\n", "N".repeat(255))), &Limits::default()), Ok(()));
    assert_eq!(status(with(&format!("{}: y\r\n", "N".repeat(256))), &Limits::default()), Err(StatusCode::BAD_REQUEST));
}

#[test]
fn rfc3261_7_3_1_blanks_may_stand_before_the_colon_but_controls_may_not() {
    for name in ["Subject ", "subject\t", "S  ", "P-Asserted-Identity ", "X-Own \t "] {
        let message = parse(with(&format!("{name}: hello\r\n")), &Limits::default()).unwrap();
        assert_eq!(message.headers().by_name(name.trim()).count(), 1, "{name:?}");
        assert_eq!(message.headers().iter().last().unwrap().value, b"hello");
    }
    for name in ["To\x01", "To\0", "Max\rForwards", "Max\nForwards", "To\x7f", "", " To", "T o", "To\u{e4}", "To\r\n"] {
        let outcome = status(with(&format!("{name}: hello\r\n")), &Limits::default());
        assert_eq!(outcome, Err(StatusCode::BAD_REQUEST), "{name:?}");
    }
}

#[test]
fn rfc3261_25_1_control_characters_are_refused_in_values() {
    for value in ["a\0b", "a\x01", "\x1f", "a\rb", "a\nb", "a\r\rb", "a\n"] {
        let outcome = status(with(&format!("Subject: {value}\r\n")), &Limits::default());
        assert_eq!(outcome, Err(StatusCode::BAD_REQUEST), "{value:?}");
    }
    for value in ["a\tb", "\"\\\x01\"", "a\r\n b", "a\r\n\tb"] {
        assert_eq!(status(with(&format!("Subject: {value}\r\n")), &Limits::default()), Ok(()), "{value:?}");
    }
}

#[test]
fn rfc3261_7_5_empty_lines_before_the_start_line_are_skipped() {
    assert_eq!(status(format!("\r\n\r\n{}", with("")), &Limits::default()), Ok(()));
    for text in ["", "\r\n", "\r\n\r\n"] {
        let broken = parse(text, &Limits::default()).unwrap_err();
        assert!(broken.method.is_none() && broken.head.is_none());
    }
}

#[test]
fn rfc3261_8_1_1_each_mandatory_header_field_missing() {
    for (name, answerable) in [("Via", false), ("From", true), ("To", true), ("Call-ID", true), ("CSeq", true)] {
        let text: Vec<String> =
            with("").split_inclusive("\r\n").filter(|line| !line.starts_with(name)).map(str::to_owned).collect();
        let broken = parse(text.concat(), &Limits::default()).unwrap_err();
        assert_eq!(broken.error.header.unwrap().name(), name);
        assert_eq!(broken.error.status, StatusCode::BAD_REQUEST);
        assert_eq!(broken.method, Some(Method::Options));
        assert_eq!(broken.head.is_some(), answerable, "{name}");
        let response = text.concat().replacen("OPTIONS", "SIP/2.0 200 OK\r\nX:", 1);
        let broken = parse(response, &Limits::default()).unwrap_err();
        assert_eq!(
            (broken.error.header.unwrap().name(), broken.method),
            (name, None),
            "a response, which nobody answers"
        );
    }
    assert_eq!(status(with(""), &Limits::default()), Ok(()), "Max-Forwards may be missing");
}

#[test]
fn rfc3261_18_3_content_length_against_a_datagram() {
    for (length, body, expected) in [
        ("4", "body", Ok(())),
        ("3", "body", Ok(())),
        ("0", "body", Ok(())),
        ("5", "body", Err(StatusCode::BAD_REQUEST)),
        ("2147483648", "body", Err(StatusCode::BAD_REQUEST)),
        ("9223372036854775808", "body", Err(StatusCode::BAD_REQUEST)),
        ("-1", "body", Err(StatusCode::BAD_REQUEST)),
        ("", "body", Err(StatusCode::BAD_REQUEST)),
        ("4, 4", "body", Err(StatusCode::BAD_REQUEST)),
        ("0x4", "body", Err(StatusCode::BAD_REQUEST)),
        ("+4", "body", Err(StatusCode::BAD_REQUEST)),
        ("0004", "body", Ok(())),
    ] {
        let outcome = parse(with(&format!("Content-Length: {length}\r\n")) + body, &Limits::default());
        match outcome {
            Ok(message) => {
                let octets: usize = length.parse().unwrap();
                assert_eq!(message.body(), &body.as_bytes()[..octets]);
                assert_eq!(message.headers().body_bytes(), &body.as_bytes()[..octets]);
                assert!(expected.is_ok(), "{length}");
            }
            Err(broken) => assert_eq!(Err(broken.error.status), expected, "{length}"),
        }
    }
    assert_eq!(parse(with("") + "all of it", &Limits::default()).unwrap().body(), b"all of it");
}

#[test]
fn rfc3261_20_16_cseq_numbers() {
    for (value, legal) in [
        ("0 OPTIONS", true),
        ("2147483648 OPTIONS", true),
        ("4294967295 OPTIONS", true),
        ("4294967296 OPTIONS", false),
        ("007 OPTIONS", true),
        ("1", false),
        ("OPTIONS", false),
        ("1 2 OPTIONS", false),
        ("0x1 OPTIONS", false),
        ("-1 OPTIONS", false),
        ("1OPTIONS", false),
        ("1 options", false),
    ] {
        let text = with("").replace("1 OPTIONS", value);
        assert_eq!(status(text, &Limits::default()).is_ok(), legal, "{value}");
    }
}

#[test]
fn rfc3261_7_1_start_lines() {
    for (line, expected) in [
        ("OPTIONS sip:a@b SIP/2.0", Ok(())),
        ("OPTIONS sip:a@b sip/2.0", Ok(())),
        ("OPTIONS sip:a@b SIP/3.0", Err(505)),
        ("OPTIONS sip:a@b SIP/2.00", Err(505)),
        ("OPTIONS sip:a@b SIP/2", Err(400)),
        ("OPTIONS sip:a@b HTTP/1.1", Err(400)),
        ("OPTIONS sip:a@b", Err(400)),
        ("OPTIONS", Err(400)),
        ("OPTIONS  sip:a@b SIP/2.0", Err(400)),
        ("OPTIONS sip:a@b SIP/2.0 ", Err(400)),
        ("OPTIONS sip:\u{e4}@b SIP/2.0", Err(400)),
        (" OPTIONS sip:a@b SIP/2.0", Err(400)),
    ] {
        let text = with("").replacen("OPTIONS sip:a@b SIP/2.0", line, 1);
        let outcome = status(text, &Limits::default()).map_err(StatusCode::get);
        assert_eq!(outcome, expected, "{line}");
    }
    for (line, code) in [
        ("SIP/2.0 200 OK", Some(200)),
        ("SIP/2.0 200 ", Some(200)),
        ("SIP/2.0 200", Some(200)),
        ("SIP/2.0 699 caf\u{e9}", Some(699)),
        ("SIP/2.0 700 OK", None),
        ("SIP/2.0 099 OK", None),
        ("SIP/2.0 20 OK", None),
        ("SIP/2.0 2000 OK", None),
        ("SIP/2.0  200 OK", None),
        ("SIP/1.0 200 OK", None),
    ] {
        let text = with("").replacen("OPTIONS sip:a@b SIP/2.0", line, 1);
        match parse(text, &Limits::default()) {
            Ok(Message::Response(response)) => assert_eq!(Some(response.code().get()), code, "{line}"),
            Ok(Message::Request(_)) => panic!("{line} is no request"),
            Err(broken) => {
                assert!(code.is_none(), "{line}: {broken}");
                assert!(broken.method.is_none() && broken.head.is_none(), "{line}: a response is not answered");
            }
        }
    }
}

#[test]
fn errors_say_header_number_octet_expectation_and_section() {
    let message = parse(with("Contact: <sip:a@b>, <sip:a@b>;=\r\nContact: <sip:c\r\n"), &Limits::default()).unwrap();
    let errors: Vec<String> =
        message.headers().list::<Contact<'_>>().filter_map(Result::err).map(|error| error.to_string()).collect();
    let expected = [
        "Contact header 1, byte 21: expected a parameter name (RFC 3261 25.1)",
        "Contact header 2, byte 1: expected > behind the URI (RFC 3261 25.1)",
    ];
    assert_eq!(errors, expected);
    let broken = parse(with("").replace("UDP h", "UDP"), &Limits::default()).unwrap_err();
    assert_eq!(broken.to_string(), "Via header 1, byte 11: expected white space before sent-by (RFC 3261 20.42)");
    let broken = parse(with("").replace("OPTIONS\r\n", "INVITE\r\n"), &Limits::default()).unwrap_err();
    assert_eq!(broken.to_string(), "CSeq header 1, byte 0: expected the method of the request line (RFC 3261 8.1.1.5)");
}

#[test]
fn rfc3261_7_3_1_a_broken_item_ends_its_line_only() {
    let message =
        parse(with("Via: broken, SIP/2.0/TCP x\r\nv: SIP/2.0/TLS y, SIP/2.0/UDP z\r\n"), &Limits::default()).unwrap();
    let hosts: Vec<Option<String>> =
        message.headers().list::<Via<'_>>().map(|via| via.ok().map(|via| via.host.to_string())).collect();
    assert_eq!(hosts, [Some("h".into()), None, Some("y".into()), Some("z".into())]);
    assert_eq!(message.headers().count(HeaderId::Via), 3);
}
