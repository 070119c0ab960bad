//! What a proxy passes on (RFC 3261 sections 16.6 and 16.7): header fields that it does not change are copied as they came, line by line.

use std::net::IpAddr;

use super::header::{Header, Via};
use super::headers::Headers;
use super::lexer::Lexer;
use super::lines::Lines;
use super::reply::{copy, loaded, stamp, untold};
use super::writer::Writer;
use super::{HeaderId, Response};
use crate::forward::{Identity, Told};
use crate::{overload, privacy};

/// Copies the header fields of a request and its body. Left out are those that a proxy writes anew: Route, Max-Forwards and Max-Breadth;
/// the Proxy-Authorizations that are `ours`; and, unless the `identity` is passed on, what only those may say of a caller whom we trust
/// (RFC 3325 section 5), or a Privacy that is written anew beside it, and what is `told` anew of where it has been. The top Via says where the request came from (RFC 3261 section 18.2.1), and
/// Content-Length is that of the body.
pub(crate) fn request(
    writer: &mut Writer,
    request: &Headers,
    received: Option<(IpAddr, Option<u16>)>,
    identity: &Identity,
    told: Option<&Told>,
    ours: impl Fn(&[u8]) -> bool,
) {
    let (mut received, passes) = (received, Passes::of(request, identity));
    let is_private =
        matches!(identity, Identity::Asserted { privacy: Some(_), .. }) || told.is_some_and(|told| told.privacy);
    for (id, line) in request.lines() {
        match id {
            HeaderId::Route | HeaderId::MaxForwards | HeaderId::MaxBreadth | HeaderId::ContentLength => {}
            HeaderId::PPreferredIdentity | HeaderId::PPreferredService => {}
            HeaderId::PAssertedIdentity | HeaderId::PAssertedService if !passes.asserted => {}
            HeaderId::RemotePartyId if !passes.party => {}
            HeaderId::Privacy if is_private => {}
            HeaderId::HistoryInfo if told.is_some() => {}
            HeaderId::ProxyAuthorization if ours(value_of(line)) => {}
            HeaderId::Via => match received.take() {
                received @ Some(_) => stamp(writer, request, received, None),
                None => copy(writer, line, None),
            },
            _ => copy(writer, line, None),
        }
    }
    end(writer, request);
}

/// A response without its first Via, and with further lines, of which a Session-ID stands for that which came; unless the `identity` is passed on, without what only those may say of a callee whom we
/// trust (RFC 3325 section 5), and with what is `told` anew of where its request has been. `None` when that was the only one, or either it or the next cannot be read: it is for
/// nobody else then (RFC 3261 section 16.7 step 3). The Via that is the first then says so much of our `load`, where it asks for it, whatever has been written
/// there further on, and no other Via says anything of anybody's load, with overload control or without (RFC 7339 sections 5.2 and 5.4).
pub(crate) fn response(
    page: Vec<u8>,
    response: &Response,
    lines: &Lines,
    identity: &Identity,
    told: Option<&Told>,
    load: Option<&str>,
) -> Option<Writer> {
    let headers = response.headers();
    let passes = Passes::of(headers, identity);
    let mut writer = Writer::status_on(page, response.code(), response.reason_bytes());
    let (mut first, mut left) = (true, false);
    for (id, line) in headers.lines() {
        match id {
            HeaderId::ContentLength => {}
            HeaderId::Via if first => {
                first = false;
                if headers.usual_via().is_none() {
                    left |= behind_first(&mut writer, headers.raw(HeaderId::Via)?, load)?;
                }
            }
            HeaderId::Via => {
                if !left {
                    begins_with_via(value_of(line))?;
                }
                match load.filter(|_| !left) {
                    Some(load) => loaded(&mut writer, value_of(line), load),
                    None if overload::is_mentioned(line) => untold(&mut writer, value_of(line)),
                    None => copy(&mut writer, line, None),
                }
                left = true;
            }
            HeaderId::PAssertedIdentity | HeaderId::PAssertedService if !passes.asserted => {}
            HeaderId::RemotePartyId if !passes.party => {}
            HeaderId::HistoryInfo if told.is_some() => {}
            HeaderId::Privacy if told.is_some_and(|told| told.privacy) => {}
            HeaderId::SessionId if lines.has(HeaderId::SessionId) => {}
            _ => copy(&mut writer, line, None),
        }
    }
    if let Some(told) = told {
        writer.lines(&told.lines);
    }
    writer.lines(lines);
    end(&mut writer, headers);
    left.then_some(writer)
}

/// What goes on of what is asserted of somebody.
struct Passes {
    asserted: bool,
    /// Remote-Party-ID.
    party: bool,
}

impl Passes {
    fn of(headers: &Headers, identity: &Identity) -> Self {
        let asserted = matches!(identity, Identity::Passed | Identity::Shown);
        Self { asserted, party: asserted && !(*identity == Identity::Shown && privacy::hides_a_party(headers)) }
    }
}

/// Writes the Vias of a line behind its first one; whether there are any. `None`: the first one cannot be read.
fn behind_first(writer: &mut Writer, value: &[u8], load: Option<&str>) -> Option<bool> {
    let mut lexer = Lexer::new(value);
    Via::parse_value(&mut lexer).ok()?;
    let more = lexer.separator(b',');
    if more {
        begins_with_via(lexer.rest())?;
        match load {
            Some(load) => loaded(writer, lexer.rest(), load),
            None => untold(writer, lexer.rest()),
        }
    }
    Some(more)
}

/// A Via that can be read, with nothing or another behind it.
fn begins_with_via(value: &[u8]) -> Option<()> {
    let mut lexer = Lexer::new(value);
    Via::parse_value(&mut lexer).ok()?;
    (lexer.separator(b',') || lexer.end().is_ok()).then_some(())
}

/// What stands behind the colon of a line.
fn value_of(line: &[u8]) -> &[u8] {
    let colon = memchr::memchr(b':', line).map_or(line.len(), |colon| colon + 1);
    line.get(colon..).unwrap_or_default().trim_ascii()
}

fn end(writer: &mut Writer, headers: &Headers) {
    let body = headers.body();
    writer.octets(b"Content-Length: ").number(body.len()).octets(b"\r\n\r\n").octets(body);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::{Limits, Message, Method};

    fn parsed(text: &str) -> Message {
        Message::parse(Bytes::from(text.replace('\n', "\r\n")), &Limits::default()).expect("a message")
    }

    #[test]
    fn rfc3261_16_6_1_a_request_is_copied_as_it_came() {
        let message = parsed(
            "INVITE sip:b@b SIP/2.0\nv: SIP/2.0/UDP a;branch=z9hG4bK1\nMax-Forwards: 70\nX-Fold: one\n  two\nf: <sip:a@a>;tag=1\nt: <sip:b@b>\n\
             P-Asserted-Identity: <sip:boss@b>\nP-Preferred-Identity: <sip:boss@b>\nRemote-Party-ID: <sip:boss@b>\nRoute: <sip:p;lr>\nCall-ID: 1\nCSeq: 1 INVITE\nProxy-Authorization: Digest x=1\nProxy-Authorization: Digest x=2\nmax-breadth: 3\nl: 3\n\nabcdef",
        );
        let mut writer = Writer::request(&Method::Invite, "sip:c@c");
        request(
            &mut writer,
            message.headers(),
            Some(([192, 0, 2, 1].into(), None)),
            &Identity::Withheld,
            None,
            |value| value == b"Digest x=1",
        );
        let text = String::from_utf8(writer.as_bytes().to_vec()).expect("text");
        assert_eq!(
            text,
            "INVITE sip:c@c SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1\nX-Fold: one\n  two\nf: <sip:a@a>;tag=1\nt: <sip:b@b>\n\
             Call-ID: 1\nCSeq: 1 INVITE\nProxy-Authorization: Digest x=2\nContent-Length: 3\n\nabc"
                .replace('\n', "\r\n")
        );
    }

    #[test]
    fn rfc3325_5_what_is_asserted_is_passed_on_where_it_may_be_and_what_is_preferred_never() {
        let asserted = "P-Asserted-Identity: <sip:boss@b>\n";
        let lines = format!("{asserted}P-Preferred-Identity: <sip:boss@b>\n");
        let rest = "From: <sip:a@a>;tag=1\nTo: <sip:b@b>\nCall-ID: 1\nCSeq: 1 INVITE\n";
        let message = parsed(&format!("INVITE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n{lines}{rest}\n"));
        for identity in [true, false] {
            let mut writer = Writer::request(&Method::Invite, "sip:c@c");
            let passed = if identity { Identity::Passed } else { Identity::Withheld };
            request(&mut writer, message.headers(), None, &passed, None, |_| false);
            let text = String::from_utf8_lossy(writer.as_bytes()).into_owned();
            assert_eq!(text.contains("P-Asserted-Identity: <sip:boss@b>"), identity, "{text}");
            assert!(!text.contains("Preferred"), "{text}");
            let via = "Via: SIP/2.0/UDP p;branch=z9hG4bK2\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n";
            let Message::Response(message) = parsed(&format!("SIP/2.0 200 OK\n{via}{asserted}{rest}\n")) else {
                panic!("a response")
            };
            let writer =
                response(Vec::new(), &message, &Lines::default(), &passed, None, None).expect("for somebody else");
            let text = String::from_utf8_lossy(writer.as_bytes()).into_owned();
            assert_eq!(text.contains("P-Asserted-Identity"), identity, "{text}");
        }
    }

    /// Every way of writing a header field that is read as that field (RFC 3261 sections 7.3.1 and 25.1) is one that is taken off.
    #[test]
    fn cve_header_smuggling_what_is_asserted_is_taken_off_however_it_is_written() {
        let forms = [
            "N: <sip:boss@b>",
            "N:<sip:boss@b>",
            "N : <sip:boss@b>",
            "N\t: <sip:boss@b>",
            "N \t \t:\t<sip:boss@b>",
            "N:\n <sip:boss@b>",
            "N :\n\t<sip:boss@b>",
            "N: <sip:a@a>\n ,\n\t<sip:boss@b>",
            "N: <sip:a@a>, \"x, y\" <sip:boss@b>",
            "N: <sip:a@a>\nX: y\nN: <sip:boss@b>",
            "N: \"boss",
            "N: ,,boss",
        ];
        let names = [
            "P-Asserted-Identity",
            "P-Asserted-Service",
            "Remote-Party-ID",
            "P-Preferred-Identity",
            "P-Preferred-Service",
        ];
        let written = names.iter().flat_map(|name| [(*name).to_owned(), name.to_lowercase(), name.to_uppercase()]);
        for line in written.flat_map(|name| forms.map(|form| form.replace('N', &name))) {
            let rest = format!("{line}\nFrom: <sip:a@a>;tag=1\nTo: <sip:b@b>\nCall-ID: 1\nCSeq: 1 INVITE\n\n");
            let via = "Via: SIP/2.0/UDP p;branch=z9hG4bK2\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n";
            let asked = parsed(&format!("INVITE sip:b@b SIP/2.0\n{via}{rest}"));
            let Message::Response(answered) = parsed(&format!("SIP/2.0 180 Ringing\n{via}{rest}")) else {
                panic!("a response")
            };
            for (identity, passes) in [(Identity::Withheld, false), (Identity::Passed, true)] {
                let mut there = Writer::request(&Method::Invite, "sip:c@c");
                request(&mut there, asked.headers(), None, &identity, None, |_| false);
                let back = response(Vec::new(), &answered, &Lines::default(), &identity, None, None)
                    .expect("for somebody else");
                // What somebody prefers is for the first proxy alone, and means nothing in a response.
                let preferred = line.to_lowercase().starts_with("p-pref");
                for (writer, passes) in [(there, passes && !preferred), (back, passes || preferred)] {
                    let text = String::from_utf8_lossy(writer.as_bytes()).into_owned();
                    assert_eq!(text.contains("boss"), passes, "{identity:?} {line:?}: {text}");
                }
            }
        }
    }

    /// Whose it is does not matter: `is_shown` says what becomes of it, and of what is asserted beside it nothing is lost.
    #[test]
    fn rfc3325_7_a_remote_party_that_hides_anything_is_not_shown() {
        for (party, is_shown) in [
            ("<sip:77@gw>;party=called;privacy=off", true),
            ("<sip:77@gw>;party=called;privacy=full", false),
            ("<sip:78@gw>;party=calling;privacy=off, <sip:77@gw>;party=redirecting;privacy=uri", false),
            ("<sip:78@gw>;privacy=off\nRemote-Party-ID: \"Ann\" <sip:77@gw>;privacy=name", false),
            ("<sip:77@gw>;privacy=off,name", false),
        ] {
            let lines = format!("P-Asserted-Identity: <sip:boss@b>\nRemote-Party-ID: {party}\n");
            let rest = format!("{lines}From: <sip:a@a>;tag=1\nTo: <sip:b@b>\nCall-ID: 1\nCSeq: 1 INVITE\n\n");
            let via = "Via: SIP/2.0/UDP p;branch=z9hG4bK2\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n";
            let asked = parsed(&format!("INVITE sip:b@b SIP/2.0\n{via}{rest}"));
            let Message::Response(answered) = parsed(&format!("SIP/2.0 180 Ringing\n{via}{rest}")) else {
                panic!("a response")
            };
            for (identity, goes) in [(Identity::Passed, true), (Identity::Shown, is_shown)] {
                let mut writer = Writer::request(&Method::Invite, "sip:c@c");
                request(&mut writer, asked.headers(), None, &identity, None, |_| false);
                let back = response(Vec::new(), &answered, &Lines::default(), &identity, None, None)
                    .expect("for somebody else");
                for writer in [writer, back] {
                    let text = String::from_utf8_lossy(writer.as_bytes()).into_owned();
                    assert!(text.contains("P-Asserted-Identity: <sip:boss@b>"), "{text}");
                    assert_eq!(text.contains("Remote-Party-ID"), goes, "{identity:?} {party}: {text}");
                    assert_eq!(text.contains("77@gw"), goes, "{identity:?} {party}: {text}");
                }
            }
        }
    }

    #[test]
    fn rfc3261_16_7_3_a_response_loses_its_first_via_and_nothing_else() {
        for (vias, left) in [
            (
                "Via: SIP/2.0/UDP p;branch=z9hG4bK2\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;received=1.2.3.4\n",
                "Via: SIP/2.0/UDP a;branch=z9hG4bK1;received=1.2.3.4\n",
            ),
            (
                "v: SIP/2.0/UDP p;branch=z9hG4bK2, SIP/2.0/UDP a;branch=z9hG4bK1\n",
                "Via: SIP/2.0/UDP a;branch=z9hG4bK1\n",
            ),
            (
                "Via: SIP/2.0/UDP p;branch=z9hG4bK2;x=\",\" ,SIP/2.0/UDP a,SIP/2.0/UDP c\nVia: SIP/2.0/UDP d\n",
                "Via: SIP/2.0/UDP a,SIP/2.0/UDP c\nVia: SIP/2.0/UDP d\n",
            ),
        ] {
            let rest = "From: <sip:a@a>;tag=1\nTo: <sip:b@b>;tag=2\nCall-ID: 1\nCSeq: 1 INVITE\n";
            let Message::Response(message) =
                parsed(&format!("SIP/2.0 299 Odd  one\n{vias}{rest}Content-Length: 2\n\nab"))
            else {
                panic!("a response")
            };
            let writer = response(Vec::new(), &message, &Lines::default(), &Identity::Withheld, None, None)
                .expect("for somebody else");
            let expected = format!("SIP/2.0 299 Odd  one\n{left}{rest}Content-Length: 2\n\nab").replace('\n', "\r\n");
            assert_eq!(String::from_utf8_lossy(writer.as_bytes()), expected);
        }
    }

    #[test]
    fn rfc7339_5_2_a_response_that_is_passed_back_tells_of_our_load_whoever_asks_for_it() {
        let told = |vias: &str, load: Option<&str>| {
            let rest = "From: <sip:a@a>;tag=1\nTo: <sip:b@b>;tag=2\nCall-ID: 1\nCSeq: 1 INVITE\n\n";
            let Message::Response(message) = parsed(&format!("SIP/2.0 200 OK\n{vias}{rest}")) else {
                panic!("a response")
            };
            let writer = response(Vec::new(), &message, &Lines::default(), &Identity::Withheld, None, load)
                .expect("for somebody else");
            let text = String::from_utf8_lossy(writer.as_bytes()).into_owned();
            let vias: Vec<&str> = text.split("\r\n").filter_map(|line| line.strip_prefix("Via: ")).collect();
            vias.join(" | ")
        };
        let (ours, asks) = ("SIP/2.0/UDP p;branch=z9hG4bK2;oc=50", ";oc;oc-algo=\"loss\"");
        let (asking, received) = (format!("a;branch=z9hG4bK1{asks}"), format!("a{asks};received=1.2.3.4"));
        for (theirs, expected, without) in [
            (asking.as_str(), "a;branch=z9hG4bK1;oc=9", asking.as_str()),
            (received.as_str(), "a;received=1.2.3.4;oc=9", received.as_str()),
            // What somebody further on has written is not passed on in our name (section 11).
            ("a;oc=100;oc-algo=\"loss\";oc-validity=60000;oc-seq=9.9;x=1", "a;x=1;oc=9", "a;oc-algo=\"loss\";x=1"),
            // In no other algorithm either, by which it may mean that nothing is to be sent.
            ("a;oc=0;oc-algo=\"rate\";oc-seq=9.9;x=1", "a;x=1", "a;oc-algo=\"rate\";x=1"),
            // Who does not ask is told nothing.
            ("a;branch=z9hG4bK1", "a;branch=z9hG4bK1", "a;branch=z9hG4bK1"),
        ] {
            // Nor does he say anything to who stands before the next, who may hand it on.
            for (last, kept) in [
                (asks, asks),
                (";oc=100;oc-algo=\"loss\";oc-validity=9;oc-seq=1.1;x=1", ";oc-algo=\"loss\";x=1"),
                (";x=1; OC = 100 ;oc-SEQ=1.1", ";x=1"),
                (";x=1;ocean=1;y=\";oc=1\"", ";x=1;ocean=1;y=\";oc=1\""),
            ] {
                let (last, kept) = (format!("SIP/2.0/UDP c{last}"), format!("SIP/2.0/UDP c{kept}"));
                for (vias, behind) in [
                    (format!("Via: {ours}\nVia: SIP/2.0/UDP {theirs}\nVia: {last}\n"), format!(" | {kept}")),
                    (format!("Via: {ours}, SIP/2.0/UDP {theirs}, {last}\n"), format!(", {kept}")),
                    (format!("Via: {ours}\nVia: SIP/2.0/UDP {theirs}, {last}\n"), format!(", {kept}")),
                    (
                        format!("Via: {ours}\nVia: SIP/2.0/UDP {theirs}\nVia: SIP/2.0/UDP b ,{last}\n"),
                        format!(" | SIP/2.0/UDP b ,{kept}"),
                    ),
                ] {
                    assert_eq!(told(&vias, Some(";oc=9")), format!("SIP/2.0/UDP {expected}{behind}"), "{vias}");
                    assert_eq!(told(&vias, None), format!("SIP/2.0/UDP {without}{behind}"), "{vias}");
                }
            }
        }
    }

    #[test]
    fn rfc3261_16_7_3_a_response_with_our_via_alone_is_for_nobody_else() {
        let rest = "From: <sip:a@a>;tag=1\nTo: <sip:b@b>;tag=2\nCall-ID: 1\nCSeq: 1 INVITE\n\n";
        for vias in [
            "Via: SIP/2.0/UDP p;branch=z9hG4bK2\nVia: SIP/2.0/UDP a;br@nch\n",
            "Via: SIP/2.0/UDP p;branch=z9hG4bK2\nVia: SIP/2.0/UDP a;branch=z9 hG4bK\n",
            "Via: SIP/2.0/UDP p;branch=z9hG4bK2, SIP/2.0\n",
            "Via: SIP/2.0/UDP p;branch=z9hG4bK2\n",
            "Via: SIP/2.0/UDP p;branch=z9hG4bK2;received=192.0.2.1\n",
        ] {
            let Message::Response(message) = parsed(&format!("SIP/2.0 200 OK\n{vias}{rest}")) else {
                panic!("a response")
            };
            assert!(
                response(Vec::new(), &message, &Lines::default(), &Identity::Withheld, None, None).is_none(),
                "{vias}"
            );
        }
    }
}
