use super::*;
use crate::message::{Limits, Message};
use bytes::Bytes;

fn request(method: &str, uri: &str, more: &str, body: &str) -> Request {
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\n\
         Call-ID: 1\r\nCSeq: 1 {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    match Message::parse(Bytes::from(text), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn able() -> Capabilities {
    Capabilities { supported: vec!["100rel".to_owned()], ..Capabilities::default() }
}

fn verdict(request: &Request) -> Option<(u16, String)> {
    let reply = check(request, &able())?;
    let lines = reply.lines.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)));
    Some((reply.code.get(), lines.collect::<Vec<_>>().join("|")))
}

#[test]
fn rfc3261_8_2_checks_in_their_order() {
    let sdp = "Content-Type: application/sdp\r\n";
    let table = [
        ("INVITE", "sip:b@c", "Require: 100rel\r\n", "", None),
        ("REGISTER", "sip:c", "", "", Some((405, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS"))),
        ("NOVEL", "sip:c", "", "", Some((501, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS"))),
        ("OPTIONS", "nobodyKnowsThisScheme:x", "", "", Some((416, ""))),
        ("OPTIONS", "tel:+49123", "", "", Some((416, ""))),
        ("OPTIONS", "SIPS:b@c", "", "", None),
        (
            "OPTIONS",
            "sip:c",
            "Require: nothing, 100rel\r\nRequire: more, nothing\r\n",
            "",
            Some((420, "Unsupported: nothing, more")),
        ),
        // The method comes before the scheme, the scheme before Require, Require before the body.
        ("REGISTER", "x:y", "Require: z\r\n", "x", Some((405, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS"))),
        ("OPTIONS", "x:y", "Require: z\r\n", "x", Some((416, ""))),
        ("OPTIONS", "sip:c", "Require: z\r\nContent-Type: a/b\r\n", "x", Some((420, "Unsupported: z"))),
        ("INVITE", "sip:c", "Content-Type: text/html\r\n", "x", Some((415, "Accept: application/sdp"))),
        ("INVITE", "sip:c", "Content-Type: text/html\r\n", "", None),
        ("INVITE", "sip:c", "Content-Type: text/html\r\nContent-Disposition: x;handling=optional\r\n", "x", None),
        (
            "INVITE",
            "sip:c",
            "Content-Type: text/html\r\nContent-Disposition: x;handling=required\r\n",
            "x",
            Some((415, "Accept: application/sdp")),
        ),
        ("INVITE", "sip:c", "Content-Type: Application/SDP;charset=x\r\n", "x", None),
    ];
    for (method, uri, more, body, expected) in table {
        let found = verdict(&request(method, uri, more, body));
        assert_eq!(found.as_ref().map(|(code, lines)| (*code, lines.as_str())), expected, "{method} {uri} {more:?}");
    }
    let zipped = format!("{sdp}Content-Encoding: gzip\r\n");
    assert_eq!(verdict(&request("INVITE", "sip:c", &zipped, "x")), Some((415, "Accept-Encoding: identity".to_owned())));
}

#[test]
fn rfc3261_20_what_has_no_place_in_a_request_is_ignored() {
    for name in [
        "Authentication-Info",
        "Error-Info",
        "Min-Expires",
        "Proxy-Authenticate",
        "RSeq",
        "Retry-After",
        "Server",
        "Unsupported",
        "WWW-Authenticate",
        "Warning",
    ] {
        for value in ["100rel", "7", "<<\"", ""] {
            assert_eq!(
                verdict(&request("INVITE", "sip:b@c", &format!("{name}: {value}\r\n"), "")),
                None,
                "{name}: {value}"
            );
        }
    }
}

#[test]
fn rfc3261_8_2_2_3_cancel_is_never_420() {
    assert_eq!(verdict(&request("CANCEL", "sip:c", "Require: z\r\n", "")), None);
}

#[test]
fn rfc3261_11_2_options_lists_what_can_be_done() {
    let reply = options(StatusCode::BUSY_HERE, &able());
    assert_eq!(reply.code, StatusCode::BUSY_HERE);
    let lines: Vec<_> =
        reply.lines.iter().map(|(name, value)| (name, std::str::from_utf8(value).expect("text"))).collect();
    assert_eq!(
        lines,
        [
            ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS"),
            ("Accept", "application/sdp"),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en"),
            ("Supported", "100rel"),
        ]
    );
}

#[test]
fn rfc4475_3_1_2_what_cannot_be_read_is_refused_before_anything_is_asked() {
    let table = [
        ("sip:b@c?Route=%3Csip:x%3E", "Contact: <sip:a@b>\r\n", Some(400)),
        ("<sip:b@c>", "", Some(400)),
        ("sip:2001:db8::10", "", Some(400)),
        ("sip:b@c", "Contact: sip:a@b?Route=%3Csip:x%3E\r\n", Some(400)),
        ("sip:b@c", "Contact: <sip:a@b>, <sip:\r\n", Some(400)),
        ("sip:b@c", "Contact: <sip:a@b>\r\n", None),
        // Schemes that nobody knows can be read.
        ("nobodyKnowsThisScheme:x", "Contact: <name:John_Smith>\r\n", None),
    ];
    for (uri, more, expected) in table {
        let code = syntax(&request("REGISTER", uri, more, "")).map(|reply| reply.code.get());
        assert_eq!(code, expected, "{uri} {more}");
    }
}

#[test]
fn rfc4475_3_3_15_an_invite_that_accepts_no_description_is_refused() {
    let verdict =
        |method: &str, more: &str| accept(&request(method, "sip:b@c", more, "")).map(|reply| reply.code.get());
    for fits in ["", "Accept: a/b, Application/SDP\r\n", "Accept: */*\r\n", "Accept: application/*;q=0.3\r\n"] {
        assert_eq!(verdict("INVITE", fits), None, "{fits}");
    }
    assert_eq!(verdict("INVITE", "Accept: text/nobodyKnowsThis\r\n"), Some(406));
    assert_eq!(verdict("INVITE", "Accept:\r\n"), Some(406));
    assert_eq!(verdict("OPTIONS", "Accept: text/nobodyKnowsThis\r\n"), None);
}
