//! The torture messages of RFC 4475 and RFC 5118: what must be read, what must be refused, and with which status.

// The test data lies in files.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;
use sip::message::header::{Contact, NameAddr, To, Via};
use sip::message::{HeaderId, Limits, Message, ParseError, Scheme, StatusCode};

/// Messages that a parser alone does not refuse, with the reason. Each line fails on the day the parser refuses its message.
const LEFT_TO_OTHERS: &[(&str, &str)] = &[(
    "badbranch",
    "a branch of the cookie alone follows the grammar; the transaction layer falls back to RFC 2543 matching or refuses it",
)];

fn data(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(file)
}

fn rows() -> Vec<Value> {
    let text = std::fs::read(data("torture.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["messages"].as_array().unwrap().clone()
}

fn read(name: &str) -> Result<Message, ParseError> {
    let row = rows().into_iter().find(|row| row["name"] == name).unwrap();
    parse(&row)
}

/// Reads a message and everything typed in it.
fn parse(row: &Value) -> Result<Message, ParseError> {
    let bytes = Bytes::from(std::fs::read(data(row["file"].as_str().unwrap())).unwrap());
    let message = Message::parse(bytes, &Limits::default()).map_err(|broken| broken.error)?;
    message.check()?;
    Ok(message)
}

#[test]
fn rfc4475_every_message_is_read_or_refused_as_it_must() {
    let rows = rows();
    assert_eq!(rows.len(), 61);
    for row in &rows {
        let (name, must) = (row["name"].as_str().unwrap(), row["must_parse"].as_bool().unwrap());
        let outcome = parse(row);
        match LEFT_TO_OTHERS.iter().find(|(gap, _)| *gap == name) {
            Some((_, reason)) => assert!(outcome.is_ok(), "{name} is refused now, take it off the list ({reason})"),
            None => assert_eq!(outcome.is_ok(), must, "{name}: {:?}", outcome.err()),
        }
    }
}

/// What a broken message must give: header (none for the start line), its number, status.
const FAULTS: &[(&str, Option<HeaderId>, u16, u16)] = &[
    ("badinv01", Some(HeaderId::Via), 1, 400),
    ("clerr", Some(HeaderId::ContentLength), 1, 400),
    ("ncl", Some(HeaderId::ContentLength), 1, 400),
    ("scalar02", Some(HeaderId::CSeq), 1, 400),
    ("scalarlg", Some(HeaderId::CSeq), 1, 400),
    ("quotbal", Some(HeaderId::To), 1, 400),
    ("ltgtruri", None, 0, 400),
    ("lwsruri", None, 0, 400),
    ("lwsstart", None, 0, 400),
    ("trws", None, 0, 400),
    ("escruri", None, 0, 400),
    ("baddate", Some(HeaderId::Date), 1, 400),
    ("regbadct", Some(HeaderId::Contact), 1, 400),
    ("badaspec", Some(HeaderId::To), 1, 400),
    ("baddn", Some(HeaderId::From), 1, 400),
    ("badvers", None, 0, 505),
    ("mismatch01", Some(HeaderId::CSeq), 1, 400),
    ("mismatch02", Some(HeaderId::CSeq), 1, 400),
    ("bigcode", None, 0, 400),
    ("insuf", Some(HeaderId::From), 1, 400),
    ("multi01", Some(HeaderId::CSeq), 2, 400),
    ("mcl01", Some(HeaderId::ContentLength), 2, 400),
    ("v6-ipv6-bad", None, 0, 400),
];

#[test]
fn rfc4475_faults_name_their_place_and_the_status_due() {
    for (name, header, index, status) in FAULTS {
        let error = read(name).unwrap_err();
        assert_eq!((error.header, error.index, error.status.get()), (*header, *index, *status), "{name}: {error}");
    }
    let refused = rows().iter().filter(|row| row["must_parse"] == false).count();
    assert_eq!(refused, FAULTS.len() + LEFT_TO_OTHERS.len(), "every broken message has its line");
}

#[test]
fn rfc4475_broken_requests_with_a_usable_via_can_be_answered() {
    for (name, ..) in FAULTS {
        let row = rows().into_iter().find(|row| row["name"] == *name).unwrap();
        let bytes = Bytes::from(std::fs::read(data(row["file"].as_str().unwrap())).unwrap());
        let Err(broken) = Message::parse(bytes, &Limits::default()) else { continue };
        let is_request = row["kind"] == "request";
        assert_eq!(broken.method.is_some(), is_request, "{name}");
        assert_eq!(broken.head.is_some(), is_request, "{name}");
        if let Some(head) = broken.head {
            let lines = Default::default();
            let answer = sip::message::write_response(&head, broken.error.status, None, Some("t"), &lines, None, None);
            let text = String::from_utf8_lossy(&answer);
            assert!(text.starts_with(&format!("SIP/2.0 {} ", broken.error.status)), "{name}: {text}");
            assert!(text.contains("Via:") || text.contains("v:"), "{name}: {text}");
        }
    }
}

#[test]
fn rfc4475_3_1_1_1_short_tortuous_invite() {
    let message = read("wsinv").unwrap();
    let headers = message.headers();
    assert_eq!(headers.cseq().number, 9);
    assert_eq!(headers.call_id(), "wsinv.ndaksdj@192.0.2.1");
    assert_eq!((headers.to_tag(), headers.from_tag()), (Some("1918181833n"), Some("98asjd8")));
    assert_eq!((headers.branch(), headers.sent_by()), (Some("390skdjuw"), "192.0.2.2"));
    let vias: Vec<Via<'_>> = headers.list().map(Result::unwrap).collect();
    let transports: Vec<&str> = vias.iter().map(|via| via.transport).collect();
    assert_eq!(transports, ["UDP", "TCP", "UDP"]);
    assert_eq!(vias[1].host.to_string(), "spindle.example.com");
    assert_eq!(headers.by_name("NewFangledHeader").count(), 1);
    assert_eq!(headers.text(HeaderId::Subject).as_deref(), Some(""));
    assert_eq!(message.body().len(), 150);
}

#[test]
fn rfc4475_3_1_1_2_wide_range_of_characters() {
    let message = read("intmeth").unwrap();
    let Message::Request(request) = &message else { panic!("a request") };
    assert_eq!(request.method().as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    let to: To<'_> = message.headers().get().unwrap().unwrap();
    assert_eq!(to.display.unwrap().text(), "BEL:\u{7} NUL:\0 DEL:\u{7f}");
    assert_eq!(request.uri().unwrap().user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
}

#[test]
fn rfc4475_3_1_1_3_escapes_are_resolved_once() {
    let message = read("esc01").unwrap();
    let Message::Request(request) = &message else { panic!("a request") };
    assert_eq!(request.uri().unwrap().user_unescaped().unwrap(), "sips:user@example.com");
    let contact: Contact<'_> = message.headers().get().unwrap().unwrap();
    let uri = contact.address().unwrap().uri;
    assert!(uri.is_loose());
    assert_eq!(&*sip::message::uri::unescape(uri.params().get("name").unwrap()), b"value%41");
}

#[test]
fn rfc4475_3_1_1_4_escaped_null_does_not_end_the_user() {
    let message = read("escnull").unwrap();
    let to: To<'_> = message.headers().get().unwrap().unwrap();
    assert_eq!(to.uri.user_unescaped().unwrap(), "null-\0-null");
    let contacts: Vec<Contact<'_>> = message.headers().list().map(Result::unwrap).collect();
    let users: Vec<_> = contacts.iter().map(|c| c.address().unwrap().uri.user_unescaped().unwrap()).collect();
    assert_eq!(users, ["\0", "\0\0"]);
}

#[test]
fn rfc4475_3_1_1_5_escapes_mean_nothing_outside_uris() {
    let message = read("esc02").unwrap();
    assert_eq!(message.headers().method().as_str(), "RE%47IST%45R");
    assert_eq!(message.headers().list::<Contact<'_>>().count(), 2);
    let from = message.headers().text(HeaderId::From).unwrap().into_owned();
    assert_eq!(NameAddr::parse(&from).unwrap().display.unwrap().text(), "%Z%45");
}

#[test]
fn rfc4475_3_1_1_8_extra_octets_of_a_datagram_are_cut() {
    let message = read("dblreq").unwrap();
    assert_eq!(message.body(), b"");
    assert_eq!(message.headers().cseq().method, "REGISTER");
}

#[test]
fn rfc4475_3_1_1_9_semicolons_belong_to_the_user() {
    let message = read("semiuri").unwrap();
    let Message::Request(request) = &message else { panic!("a request") };
    let uri = request.uri().unwrap();
    assert_eq!(uri.user_unescaped().unwrap(), "user;par=u@example.net");
    assert!(uri.params().is_empty());
}

#[test]
fn rfc4475_3_1_1_13_reason_phrases_may_be_empty_or_utf8() {
    let Message::Response(none) = read("noreason").unwrap() else { panic!("a response") };
    assert_eq!((none.code(), none.reason()), (StatusCode::TRYING, ""));
    let Message::Response(utf8) = read("unreason").unwrap() else { panic!("a response") };
    assert!(utf8.reason().starts_with("= 2**3 * 5**2 "), "{}", utf8.reason());
}

#[test]
fn rfc4475_3_3_2_unknown_schemes_are_kept_whole() {
    for (name, scheme, rest) in
        [("unkscm", "nobodyKnowsThisScheme", "totallyopaquecontent"), ("novelsc", "soap.beep", "//192.0.2.103:3002")]
    {
        let Message::Request(request) = read(name).unwrap() else { panic!("a request") };
        let uri = request.uri().unwrap();
        assert_eq!((uri.scheme(), uri.scheme_text(), uri.opaque()), (Scheme::Other, scheme, rest));
    }
}

#[test]
fn rfc4475_3_3_12_parameters_behind_a_bare_uri_are_of_the_header() {
    let message = read("cparam01").unwrap();
    let contact: Contact<'_> = message.headers().get().unwrap().unwrap();
    let address = contact.address().unwrap();
    assert!(address.uri.params().is_empty() && address.params.has("unknownparam"));
    let message = read("cparam02").unwrap();
    let contact: Contact<'_> = message.headers().get().unwrap().unwrap();
    let address = contact.address().unwrap();
    assert!(address.uri.params().has("unknownparam") && address.params.is_empty());
}

#[test]
fn rfc4475_3_4_1_rfc2543_has_neither_branch_nor_tag_nor_length() {
    let message = read("inv2543").unwrap();
    let headers = message.headers();
    assert_eq!((headers.branch(), headers.from_tag(), headers.to_tag()), (None, None, None));
    assert!(!headers.has(HeaderId::ContentLength));
    assert_eq!(message.body().len(), 105);
}

#[test]
fn rfc5118_4_3_a_port_inside_the_brackets_is_part_of_the_address() {
    for (name, ip, port) in
        [("v6-port-ambiguous", "2001:db8::10:5070", None), ("v6-port-unambiguous", "2001:db8::10", Some(5070))]
    {
        let Message::Request(request) = read(name).unwrap() else { panic!("a request") };
        let uri = request.uri().unwrap();
        assert_eq!((uri.host().ip().unwrap().to_string().as_str(), uri.port()), (ip, port), "{name}");
    }
}

#[test]
fn rfc5118_4_5_received_is_read_with_and_without_brackets() {
    for name in ["v6-via-received-param-with-delim", "v6-via-received-param-no-delim"] {
        let message = read(name).unwrap();
        let via: Via<'_> = message.headers().get().unwrap().unwrap();
        assert_eq!(via.received().unwrap().to_string(), "2001:db8::9:255", "{name}");
    }
}

#[test]
fn rfc5118_4_10_three_colons_are_two() {
    for name in ["v6-ipv6-bug-abnf-3-colons", "v6-ipv6-correct-abnf-2-colons"] {
        let message = read(name).unwrap();
        let Message::Request(request) = &message else { panic!("a request") };
        let host = request.uri().unwrap().host().to_string();
        assert_eq!(host, "[2001:db8::c000:201]", "{name}");
    }
}
