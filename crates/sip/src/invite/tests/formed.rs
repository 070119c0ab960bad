//! What every request of ours has, whatever it is for, and what a dialog remembers: RFC 3261 sections 8.1.1 and 12.

use super::network::*;
use super::{NO_CODE, calls, rings};
use crate::draft::{Draft, Hop};
use crate::id::FlowId;
use crate::invite::By;
use crate::message::{Lines, Method};
use crate::outbox::{Path, Transport};

/// The parameters of a header value, behind the address or the sent-by.
fn params(value: &str) -> Vec<&str> {
    let rest =
        value.rsplit_once('>').map_or_else(|| value.split_once(';').map_or("", |(_, rest)| rest), |(_, rest)| rest);
    rest.split(';').filter(|param| !param.is_empty()).map(|param| param.split('=').next().unwrap_or("")).collect()
}

/// Everything a node has sent that is a request.
fn requests(net: &Network, node: usize) -> Vec<String> {
    let sent = net.log.iter().filter(|(_, from, _, _)| *from == node).map(|(.., text)| text.clone());
    sent.filter(|text| !text.starts_with("SIP/2.0")).collect()
}

#[test]
fn rfc3261_8_1_1_every_request_we_form_has_the_six_and_says_each_once() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    for status in [180, 404] {
        let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
        net.settle();
        let invite = net.one(r);
        net.say(r, a, &respond(&invite, status, "t", &contact(r), ""));
        net.settle();
        if status < 200 {
            net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
            net.settle();
        }
        net.inbox(r);
        net.news(a);
    }
    let (_, _, s, _) = super::calls_between(&mut net, a, r);
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), sdp(OFFER))).unwrap();
    net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    let update = net.inbox(r).pop().unwrap();
    net.say(r, a, &respond(&update, 200, "", &contact(r), ANSWER));
    net.settle();
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    let invite = net.inbox(r).pop().unwrap();
    net.say(r, a, &respond(&invite, 200, "", &contact(r), ANSWER));
    net.settle();
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let all = requests(&net, a);
    let seen = ["INVITE", "CANCEL", "INVITE", "ACK", "INVITE", "ACK", "INFO", "UPDATE", "INVITE", "ACK", "BYE"];
    assert_eq!(kinds(&all), seen);
    for text in &all {
        let method = kind(text);
        for name in ["To", "From", "CSeq", "Call-ID", "Max-Forwards", "Via"] {
            assert_eq!(headers(text, name).len(), 1, "{name}: {text}");
        }
        assert!(text.lines().next().unwrap().ends_with(" SIP/2.0"), "{text}");
        assert_eq!(header(text, "CSeq"), format!("{} {method}", cseq(text)));
        assert_eq!(header(text, "Max-Forwards"), "70");
        assert!(header(text, "Via").starts_with("SIP/2.0/UDP 10.0.0.1:5060;"), "{text}");
        assert_eq!(header(text, "Via").matches(";branch=z9hG4bK").count(), 1, "{text}");
        let contacts = headers(text, "Contact");
        let refreshes = matches!(method.as_str(), "INVITE" | "UPDATE");
        assert_eq!(contacts.len(), usize::from(refreshes), "{text}");
        assert!(contacts.iter().all(|one| *one == "<sip:10.0.0.1:5060>"), "{contacts:?}");
        for name in ["To", "From", "Via", "Contact"] {
            let mut names = headers(text, name).into_iter().flat_map(params).collect::<Vec<_>>();
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "RFC 3261 7.3.1: {text}");
        }
    }
}

/// What a request of ours within the dialog looks like: start line, Route, From, To, Call-ID, CSeq.
fn looks(text: &str) -> [String; 6] {
    let first = text.lines().next().unwrap_or("").to_owned();
    let rest = ["Route", "From", "To", "Call-ID", "CSeq"].map(|name| headers(text, name).join(", "));
    let [route, from, to, call_id, number] = rest;
    [first, route, from, to, call_id, number]
}

#[test]
fn rfc3261_12_1_2_what_the_caller_remembers_lasts_as_long_as_the_dialog() {
    let recorded = "Record-Route: <sip:10.0.0.2;lr;n=2>;x=2, <sip:10.0.0.2;n=1;lr=on>\r\n";
    for (record, routes) in [("", ""), (recorded, "<sip:10.0.0.2;n=1;lr=on>, <sip:10.0.0.2;lr;n=2>;x=2")] {
        let mut net = Network::new();
        let (a, r, s, invite) = super::calling(&mut net);
        let more = format!("{record}Contact: \"P\" <sip:x@10.0.0.2;ob;transport=udp>;q=1\r\n");
        net.say(r, a, &respond(&invite, 200, "t", &more, ANSWER));
        net.settle();
        let ack = net.one(r);
        net.run(7_200_000);
        net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
        net.settle();
        let info = net.one(r);
        let expected = |method: &str, number: u32| {
            [
                format!("{method} sip:x@10.0.0.2;ob;transport=udp SIP/2.0"),
                routes.to_owned(),
                header(&invite, "From").to_owned(),
                format!("{};tag=t", header(&invite, "To")),
                header(&invite, "Call-ID").to_owned(),
                format!("{number} {method}"),
            ]
        };
        assert_eq!((looks(&ack), looks(&info)), (expected("ACK", 10), expected("INFO", 11)));
        // The peer finds it too, with a first number of its own choice.
        let mut peer = RawDialog::called(r, &invite, "t");
        let bye = peer.numbered("BYE", 3, "", "");
        net.say(r, a, &bye);
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_12_1_1_what_the_callee_remembers_lasts_as_long_as_the_dialog() {
    let recorded = "Record-Route: <sip:10.0.0.2;lr;n=2>;x=2, <sip:10.0.0.2;n=1;lr=on>\r\n";
    for (record, routes) in [("", ""), (recorded, "<sip:10.0.0.2;lr;n=2>;x=2, <sip:10.0.0.2;n=1;lr=on>")] {
        let mut net = Network::new();
        let (a, r) = (net.stack(|_| {}), net.raw());
        let mut peer = RawDialog::calling(r, a);
        (peer.cseq, peer.local) = (2_000_000_000, "\"Raw; \\\"R\\\"\" <sip:raw@raw.example;y=z>;tag=rawtag".to_owned());
        let more = format!("{record}Contact: \"P\" <sip:x@10.0.0.2;ob;transport=udp>;q=1\r\n");
        let invite = peer.request("INVITE", &more, OFFER);
        net.say(r, a, &invite);
        net.settle();
        let tx = incoming(&net.events(a));
        let s = net.turn(a, |turn| turn.session(tx)).unwrap();
        net.turn(a, |turn| turn.answer(s, reply(183, None))).unwrap();
        net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
        net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
        net.settle();
        let answers = net.inbox(r).split_off(1);
        assert_eq!(kinds(&answers), ["183 INVITE", "180 INVITE", "200 INVITE"]);
        for answer in &answers {
            assert_eq!(headers(answer, "To"), headers(&answers[2], "To"), "13.3.1.1: one dialog");
            assert_eq!(headers(answer, "Contact"), ["<sip:bob@10.0.0.1:5060>"]);
            assert_eq!(headers(answer, "Record-Route"), headers(&invite, "Record-Route"));
        }
        peer.learn(&answers[2]);
        let ack = peer.numbered("ACK", peer.cseq, "", "");
        net.say(r, a, &ack);
        net.run(7_200_000);
        net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
        net.settle();
        let info = net.one(r);
        let expected = [
            "INFO sip:x@10.0.0.2;ob;transport=udp SIP/2.0".to_owned(),
            routes.to_owned(),
            peer.remote.clone(),
            peer.local.clone(),
            peer.call_id.clone(),
            format!("{} INFO", cseq(&info)),
        ];
        assert_eq!(looks(&info), expected);
        assert!(cseq(&info) < 1_000_000, "its numbers owe nothing to the caller's: {}", cseq(&info));
        let bye = peer.request("BYE", "", "");
        net.say(r, a, &bye);
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_12_1_1_a_caller_without_a_tag_is_taken_and_gets_none_back() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let mut peer = RawDialog::calling(r, a);
    peer.local = "<sip:raw@10.0.0.2>".to_owned();
    let invite = peer.request("INVITE", "", OFFER);
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    let ok = net.inbox(r).pop().unwrap();
    assert_eq!((kind(&ok).as_str(), header(&ok, "From")), ("200 INVITE", "<sip:raw@10.0.0.2>"));
    peer.learn(&ok);
    let ack = peer.numbered("ACK", 1, "", "");
    net.say(r, a, &ack);
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    net.settle();
    let info = net.one(r);
    assert_eq!((header(&info, "To"), header(&info, "From")), ("<sip:raw@10.0.0.2>", peer.remote.as_str()));
    net.events(a);
    let bye = peer.request("BYE", "", "");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
    let by = pick(&net.events(a), |_, event| match event {
        crate::invite::SessionEvent::Ended { by, .. } => Some(*by),
        _ => None,
    });
    assert_eq!(by, By::Peer);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_8_2_2_3_the_ack_for_a_2xx_requires_no_more_than_the_invite() {
    for demand in [None, Some("100rel")] {
        let mut net = Network::new();
        let (a, r) = (net.stack(|_| {}), net.raw());
        let mut draft = invitation(a, r, sdp(OFFER));
        if let Some(demand) = demand {
            draft.lines.push("Require", demand).unwrap();
            draft.lines.push("Proxy-Require", demand).unwrap();
        }
        net.turn(a, |turn| turn.invite(draft)).unwrap();
        net.settle();
        let invite = net.one(r);
        net.say(r, a, &respond(&invite, 200, "t", &contact(r), ANSWER));
        net.settle();
        let ack = net.one(r);
        for name in ["Require", "Proxy-Require"] {
            assert_eq!(headers(&invite, name).len(), usize::from(demand.is_some()));
            assert!(headers(&ack, name).iter().all(|value| headers(&invite, name).contains(value)), "{ack}");
        }
    }
}

#[test]
fn rfc3261_8_1_3_1_what_the_network_refuses_counts_as_503() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    net.refuse = Box::new(|_, text| text.starts_with("INVITE"));
    net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    assert_eq!(pick(&net.events(a), |_, event| super::code(event)), 503);
    net.refuse = Box::new(|_, text| text.starts_with("MESSAGE"));
    let (_, _, s, _) = super::calls_between(&mut net, a, r);
    net.turn(a, |turn| turn.in_dialog(s, Method::Message, Lines::default(), None)).unwrap();
    let code = net.events(a).iter().find_map(|event| match event {
        crate::Event::Session(_, event) => super::code(event),
        _ => None,
    });
    assert_eq!((code, kinds(&net.inbox(r))), (None, Vec::new()), "RFC 5057 5.1: a 503 ends no call");
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_nothing_but_a_dialog_is_left_with_bye() {
    // Before any dialog a call is given up with nothing or a CANCEL, and what rings here is refused.
    for provisional in [None, Some(100), Some(180)] {
        let mut net = Network::new();
        let (a, r, s, invite) = super::calling(&mut net);
        if let Some(code) = provisional {
            net.say(r, a, &respond(&invite, code, if code > 100 { "t" } else { "" }, &contact(r), ""));
            net.settle();
        }
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.run(40_000);
        assert!(!kinds(&net.inbox(r)).contains(&"BYE".to_owned()), "{provisional:?}");
    }
    for told in [false, true] {
        let mut net = Network::new();
        let (a, r, tx, _, _) = rings(&mut net);
        let s = net.turn(a, |turn| turn.session(tx)).unwrap();
        if told {
            net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
        }
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.run(40_000);
        let seen = kinds(&net.inbox(r));
        assert!(seen.iter().all(|kind| kind == "180 INVITE" || kind == "603 INVITE"), "{seen:?}");
    }
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["BYE"]);
}

#[test]
fn rfc5923_8_2_a_peer_that_answers_along_its_own_connection_gets_ack_and_bye_there_though_it_names_itself_by_address() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let remote = "10.0.0.2:5061".parse().unwrap();
    let resolved = Path { flow: FlowId(77), transport: Transport::Tls, remote, ..path(a, r) };
    let invitation = Draft { hop: Hop::Path(resolved), ..invitation(a, r, sdp(OFFER)) };
    let s = net.turn(a, |turn| turn.invite(invitation)).unwrap();
    net.settle();
    let invite = net.one(r);
    let named = "Record-Route: <sip:10.0.0.2:5061;transport=tls;lr>\r\n";
    let answer = respond(&invite, 200, "t", &format!("{named}{}", contact(r)), ANSWER);
    let theirs = Path { remote: "10.0.0.2:49160".parse().unwrap(), ..resolved };
    net.turn(a, |turn| turn.receive(&theirs, answer.into_bytes().into()));
    net.settle();
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let came = net.inbox(r);
    assert_eq!(kinds(&came), ["ACK", "BYE"]);
    // Looked up it would be UDP: the certificate that was shown is for no address.
    for text in came {
        assert!(header(&text, "Via").starts_with("SIP/2.0/TLS "), "{text}");
    }
}
