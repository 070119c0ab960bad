//! `parse(print(m)) == m`, over the test data, mutations of it, and messages made up.

// The test data lies in files.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod corpus;

use bytes::Bytes;
use proptest::prelude::*;
use sip::message::header::{CSeq, Contact, Date, From, MaxForwards, NameAddr, Via};
use sip::message::{Body, HeaderId, Limits, Lines, Message, Method, ParamValue, Quote, StatusCode, Uri, Writer, fuzz};

#[test]
fn every_message_of_the_test_data_survives_printing() {
    corpus::messages().iter().for_each(|message| fuzz::message(message));
}

#[test]
fn every_truncation_survives_printing() {
    for message in corpus::messages() {
        (0..message.len()).for_each(|end| fuzz::message(&message[..end]));
    }
}

#[test]
fn every_single_octet_replaced_survives_printing() {
    for message in corpus::messages() {
        let head = message.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(message.len());
        for at in (0..head).step_by(7) {
            let mut changed = message.clone();
            for octet in [0, b' ', b'"', b'\\', b'<', b',', b';', b'\r', 0xff] {
                changed[at] = octet;
                fuzz::message(&changed);
            }
        }
    }
}

#[test]
fn printing_keeps_what_it_does_not_understand() {
    let text = b"OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: \"A\\\"\xff\" <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\n\
        i: x\r\nCSeq: 1 OPTIONS\r\nX-Odd: ;;,\xfe\r\n  folded\r\ns: caf\xe9\r\n\r\nbody";
    let message = Message::parse(Bytes::from_static(text), &Limits::default()).unwrap();
    let printed = message.print();
    let lines: Vec<&[u8]> = printed.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines[6], b"X-Odd: ;;,\xfe folded\r");
    assert_eq!(lines[7], b"Subject: caf\xe9\r");
    assert_eq!(lines[2], b"From: \"A\\\"\xff\" <sip:a@b>;tag=1\r");
    assert!(printed.ends_with(b"Content-Length: 4\r\n\r\nbody"));
}

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,8}\\.[a-z]{2,4}",
        "[1-9][0-9]?\\.[0-9]\\.[0-9]\\.[0-9]",
        Just("[2001:db8::1]".to_owned())
    ]
}

fn uri() -> impl Strategy<Value = String> {
    let user = prop_oneof![Just(String::new()), "[a-zA-Z0-9_.!~*'()&=+$,;?/-]{1,10}(%[0-9A-F]{2})?(:[a-z0-9]{1,5})?@"];
    let params = proptest::collection::vec("(;[a-z]{1,6}(=[a-zA-Z0-9:.-]{1,6})?)", 0..3);
    (prop_oneof![Just("sip:"), Just("sips:")], user, host(), proptest::option::of(1_u16..), params).prop_map(
        |(scheme, user, host, port, params)| {
            let port = port.map_or(String::new(), |port| format!(":{port}"));
            format!("{scheme}{user}{host}{port}{}", params.concat())
        },
    )
}

fn any_text() -> impl Strategy<Value = String> {
    "\\PC{0,20}"
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz::message(&octets);
        fuzz::stream(&octets);
    }

    #[test]
    fn any_text_is_a_uri_or_is_not(text in "(sip:|sips:|tel:|[a-z]{1,5}:)?[ -~]{0,40}") {
        fuzz::uri(&text);
    }

    #[test]
    fn every_uri_of_the_grammar_is_read(text in uri()) {
        let parsed = Uri::parse(&text).unwrap();
        prop_assert_eq!(parsed.to_string(), text.clone());
        prop_assert!(parsed.equivalent(&parsed));
        fuzz::uri(&text);
    }

    #[test]
    fn every_display_name_survives(name in any_text(), uri in uri(), tag in token()) {
        let value = format!("{} <{uri}>;tag={tag}", Quote(&name));
        let address = NameAddr::parse(&value).unwrap();
        prop_assert_eq!(address.display.unwrap().text(), name);
        prop_assert_eq!(address.uri.as_str(), uri);
        prop_assert_eq!(address.params.get("TAG"), Some(ParamValue::Token(&tag)));
        prop_assert_eq!(address.to_string(), value);
    }

    #[test]
    fn every_date_survives(unix in -62_135_596_800_i64..253_402_300_799) {
        let text = Date::from_unix(unix).to_string();
        prop_assert_eq!(sip::message::Headers::read::<Date>(text.as_bytes()).unwrap(), Date { unix });
    }

    #[test]
    fn every_message_we_write_is_read(
        (method, uri, from, to) in (token(), uri(), uri(), uri()),
        (transport, host, branch, tag) in (token(), host(), token(), token()),
        (number, hops, subject, odd) in (any::<u32>(), any::<u8>(), any_text(), token()),
        body in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
    ) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut lines = Lines::new();
        lines.push("Subject", &subject).unwrap();
        prop_assume!(HeaderId::from_name(format!("X{odd}").as_bytes()) == HeaderId::Other);
        lines.push(&format!("X{odd}"), &odd).unwrap();
        let mut writer = Writer::request(&method, &uri);
        writer.line(HeaderId::Via, format_args!("SIP/2.0/{transport} {host};branch={branch}"));
        writer.line(HeaderId::From, format_args!("<{from}>;tag={tag}")).line(HeaderId::To, format_args!("<{to}>"));
        writer.line(HeaderId::CallId, "a@b").line(HeaderId::CSeq, CSeq { number, method: method.clone() });
        writer.line(HeaderId::MaxForwards, MaxForwards(hops)).line(HeaderId::Contact, "*").lines(&lines);
        let body = body.map(|octets| Body::new("application/x", octets));
        let bytes = writer.finish(body.as_ref());
        let Ok(Message::Request(request)) = Message::parse(bytes.clone(), &Limits::default()) else { panic!("{bytes:?}") };
        let headers = request.headers();
        prop_assert_eq!(request.method(), &method);
        prop_assert_eq!(request.uri_text(), uri);
        prop_assert_eq!(headers.cseq(), &CSeq { number, method });
        prop_assert_eq!(headers.get::<MaxForwards>(), Some(Ok(MaxForwards(hops))));
        prop_assert_eq!(headers.get::<Contact<'_>>(), Some(Ok(Contact::Any)));
        let via: Via<'_> = headers.get().unwrap().unwrap();
        prop_assert_eq!((via.transport, via.branch()), (&*transport, Some(&*branch)));
        prop_assert_eq!(via.host.to_string(), host);
        let address: From<'_> = headers.get().unwrap().unwrap();
        prop_assert_eq!((address.uri.as_str(), address.tag()), (&*from, Some(&*tag)));
        prop_assert_eq!(headers.text(HeaderId::Subject).unwrap(), subject.trim_matches([' ', '\t']));
        prop_assert_eq!(headers.by_name(&format!("x{odd}")).count(), 1);
        prop_assert_eq!(request.body(), body.as_ref().map_or(&b""[..], |body| &body.bytes));
        fuzz::message(&bytes);
    }

    #[test]
    fn every_response_we_write_is_read(code in 100_u16..=699, reason in any_text()) {
        let code = StatusCode::new(code).unwrap();
        let mut writer = Writer::response(code, Some(&reason));
        writer.line(HeaderId::Via, "SIP/2.0/UDP h;branch=z9hG4bKx").line(HeaderId::From, "<sip:a@b>;tag=1");
        writer.line(HeaderId::To, "<sip:c@d>;tag=2").line(HeaderId::CallId, "x").line(HeaderId::CSeq, "1 INVITE");
        let Ok(Message::Response(response)) = Message::parse(writer.finish(None), &Limits::default()) else { panic!() };
        prop_assert_eq!((response.code(), response.reason()), (code, &*reason));
    }
}

#[test]
fn rfc3261_7_3_1_a_fold_behind_a_backslash_is_a_blank_however_often_it_is_printed() {
    let text = b"SIP/2.0 401 No\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
          Contact: \"Bell\\\r\n A.\" <sip:bell@example.com>\r\n\r\n";
    fuzz::message(text);
    let parse = |bytes: &[u8]| Message::parse(Bytes::copy_from_slice(bytes), &Limits::default()).unwrap();
    let once = parse(text).print();
    assert!(once.windows(10).any(|window| window == b"\"Bell A.\" "), "{}", String::from_utf8_lossy(&once));
    assert_eq!(parse(&once).print(), once);
}
