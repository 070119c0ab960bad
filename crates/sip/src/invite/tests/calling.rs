//! Our INVITE: RFC 3261 sections 12.1.2, 13.2.

use super::network::*;
use super::{NO_CODE, calling, calls, code};
use crate::dialog::{Phase, Role};
use crate::draft::{ContactSpec, Hop};
use crate::invite::SessionEvent;
use crate::message::Lines;

#[test]
fn rfc3261_13_2_1_invite_has_tag_call_id_contact_and_no_to_tag() {
    let mut net = Network::new();
    let (_, _, _, invite) = calling(&mut net);
    assert!(tag(header(&invite, "From")).len() >= 8, "{invite}");
    assert_eq!(tag(header(&invite, "To")), "");
    assert!(!header(&invite, "Call-ID").is_empty());
    assert_eq!(header(&invite, "CSeq"), "10 INVITE");
    assert!(header(&invite, "Contact").contains("10.0.0.1"), "{invite}");
    assert_eq!(body(&invite), OFFER);
}

#[test]
fn rfc3261_13_2_1_given_tag_call_id_and_contact_are_kept() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let mut draft = invitation(a, r, sdp(OFFER));
    draft.from.push_str(";tag=mine");
    draft.call_id = "my-call".into();
    draft.contact = ContactSpec::Given("<sip:me@10.0.0.1;x=y>".into());
    let s = net.turn(a, |turn| turn.invite(draft)).unwrap();
    net.settle();
    let invite = net.one(r);
    assert_eq!(tag(header(&invite, "From")), "mine");
    assert_eq!(header(&invite, "Call-ID"), "my-call");
    assert_eq!(header(&invite, "Contact"), "<sip:me@10.0.0.1;x=y>");
    net.say(r, a, &respond(&invite, 200, "t", &contact(r), ANSWER));
    net.settle();
    net.inbox(r);
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    assert_eq!(header(&net.one(r), "Contact"), "<sip:me@10.0.0.1;x=y>", "12.2.1.1: the same Contact");
}

#[test]
fn rfc3261_12_1_2_dialog_is_made_of_the_response() {
    let mut net = Network::new();
    let (a, r, s, invite) = calling(&mut net);
    net.turn(a, |turn| assert!(turn.dialog_of(s).is_none()));
    let more = "Record-Route: <sip:10.0.0.2;lr;n=2>, <sip:10.0.0.2;lr;n=1>\r\nContact: <sip:x@10.0.0.2:5060>\r\n";
    net.say(r, a, &respond(&invite, 180, "early", more, ""));
    net.settle();
    net.turn(a, |turn| {
        let dialog = turn.dialog_of(s).expect("an early dialog");
        assert_eq!((dialog.phase(), dialog.role()), (Phase::Early, Role::Caller));
        assert_eq!(dialog.remote_tag(), "early");
        assert_eq!(dialog.remote_target(), "sip:x@10.0.0.2:5060");
        assert_eq!(dialog.routes().collect::<Vec<_>>(), ["<sip:10.0.0.2;lr;n=1>", "<sip:10.0.0.2;lr;n=2>"]);
        assert_eq!((dialog.local_cseq(), dialog.remote_cseq()), (10, None));
    });
    let fork = pick(&net.events(a), |_, event| match event {
        SessionEvent::Progress { fork, .. } => *fork,
        _ => None,
    });
    net.turn(a, |turn| {
        assert_eq!(turn.dialog(fork).map(|dialog| dialog.remote_tag().to_owned()), Some("early".into()))
    });
}

#[test]
fn rfc3261_13_2_2_4_2xx_confirms_and_its_route_set_counts() {
    let mut net = Network::new();
    let (a, r, s, invite) = calling(&mut net);
    net.say(r, a, &respond(&invite, 183, "t", &contact(r), ""));
    net.settle();
    let more = "Record-Route: <sip:10.0.0.2;lr>\r\nContact: <sip:moved@10.0.0.2>\r\n";
    net.say(r, a, &respond(&invite, 200, "t", more, ANSWER));
    net.settle();
    let ack = net.one(r);
    assert_eq!(kind(&ack), "ACK");
    assert!(ack.starts_with("ACK sip:moved@10.0.0.2 SIP/2.0\r\n"), "{ack}");
    assert_eq!(headers(&ack, "Route"), ["<sip:10.0.0.2;lr>"]);
    assert_eq!(header(&ack, "CSeq"), "10 ACK");
    assert_eq!(header(&ack, "From"), header(&invite, "From"));
    assert_eq!(tag(header(&ack, "To")), "t");
    assert_ne!(header(&ack, "Via"), header(&invite, "Via"), "13.2.2.4: a branch of its own");
    assert_eq!(net.news(a), ["Progress", "Answered"]);
    net.turn(a, |turn| assert_eq!(turn.dialog_of(s).unwrap().phase(), Phase::Confirmed));
    assert_eq!(net.usage(a).dialogs, 1);
}

#[test]
fn rfc3261_12_2_1_1_strict_router_first_gets_the_request_line() {
    let mut net = Network::new();
    let (a, r, _, invite) = calling(&mut net);
    let more = "Record-Route: <sip:10.0.0.2:5060;lr;n=2>, <sip:10.0.0.2:5060;n=1>\r\nContact: <sip:x@far.example>\r\n";
    net.say(r, a, &respond(&invite, 200, "t", more, ANSWER));
    net.settle();
    let ack = net.one(r);
    assert!(ack.starts_with("ACK sip:10.0.0.2:5060;n=1 SIP/2.0\r\n"), "{ack}");
    let routes = headers(&ack, "Route").join(", ");
    assert_eq!(routes, "<sip:10.0.0.2:5060;lr;n=2>, <sip:x@far.example>");
}

#[test]
fn rfc3261_13_2_2_4_ack_is_the_same_bytes_for_each_repeated_2xx() {
    let mut net = Network::new();
    let (a, r, _, invite) = calling(&mut net);
    let ok = respond(&invite, 200, "t", &contact(r), ANSWER);
    let mut acks = Vec::new();
    for wait in [500, 1_000, 2_000, 4_000, 20_000] {
        net.say(r, a, &ok);
        net.run(wait);
        acks.push(net.one(r));
    }
    assert_eq!(kind(&acks[0]), "ACK");
    assert!(acks.iter().all(|ack| *ack == acks[0]));
    assert_eq!(net.news(a), ["Answered"], "told once");
    net.run(32_000);
    net.say(r, a, &ok);
    net.settle();
    assert!(net.inbox(r).is_empty(), "64*T1 after the first 2xx nothing is kept");
}

#[test]
fn rfc3261_13_2_2_4_late_offer_waits_for_the_answer() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, None))).unwrap();
    net.settle();
    let invite = net.one(r);
    assert_eq!(body(&invite), "");
    let ok = respond(&invite, 200, "t", &contact(r), OFFER);
    net.say(r, a, &ok);
    net.run(400);
    net.say(r, a, &ok);
    net.settle();
    assert!(net.inbox(r).is_empty(), "no ACK without an answer");
    let due = pick(&net.events(a), |_, event| match event {
        SessionEvent::Answered { ack_due, .. } => Some(*ack_due),
        _ => None,
    });
    assert!(due);
    net.turn(a, |turn| turn.ack(s, sdp(ANSWER))).unwrap();
    net.settle();
    let ack = net.one(r);
    assert_eq!((kind(&ack).as_str(), body(&ack)), ("ACK", ANSWER));
    net.say(r, a, &ok);
    net.settle();
    assert_eq!(net.one(r), ack);
    assert!(net.turn(a, |turn| turn.ack(s, sdp(ANSWER))).is_err(), "once");
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.assert_nothing_left();
}

#[test]
fn rfc3261_13_2_2_4_2xx_without_a_body_is_acknowledged_at_once() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    net.turn(a, |turn| turn.invite(invitation(a, r, None))).unwrap();
    net.settle();
    let invite = net.one(r);
    net.say(r, a, &respond(&invite, 200, "t", &contact(r), ""));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
}

#[test]
fn rfc3261_13_2_2_4_2xx_without_contact_or_tag_is_acknowledged_all_the_same() {
    let mut net = Network::new();
    let (a, r, _, invite) = calling(&mut net);
    net.say(r, a, &respond(&invite, 200, "", "", ANSWER));
    net.settle();
    let ack = net.one(r);
    assert!(ack.starts_with("ACK sip:bob@10.0.0.2 "), "{ack}");
    assert_eq!(header(&ack, "To"), "<sip:bob@10.0.0.2>");
}

#[test]
fn rfc3261_13_2_2_final_answers_end_the_session() {
    for (status, expected) in
        [(302, "Redirected"), (404, "Failed"), (486, "Failed"), (500, "Failed"), (603, "Failed"), (481, "Failed")]
    {
        let mut net = Network::new();
        let (a, r, s, invite) = calling(&mut net);
        net.say(r, a, &respond(&invite, 180, "t", &contact(r), ""));
        net.say(r, a, &respond(&invite, status, "t", "", ""));
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
        let events = net.events(a);
        assert_eq!(pick(&events, |_, event| code(event)), status);
        assert!(format!("{events:?}").contains(expected));
        assert_eq!(net.usage(a).sessions + net.usage(a).dialogs, 0, "13.2.2.3: early dialogs are over");
        assert!(net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).is_err());
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_13_2_2_no_answer_counts_as_408() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.run(31_900);
    assert!(net.news(a).is_empty());
    net.run(200);
    assert_eq!(pick(&net.events(a), |_, event| code(event)), 408);
    assert_eq!(net.inbox(r).len(), 7, "timer A");
    net.assert_nothing_left();
}

#[test]
fn rfc3261_8_1_3_1_no_route_counts_as_503() {
    let mut net = Network::new();
    let a = net.stack(|_| {});
    let mut draft = invitation(a, 1, sdp(OFFER));
    draft.uri = "sip:bob@nowhere.example".parse().unwrap();
    net.turn(a, |turn| turn.invite(draft)).unwrap();
    net.settle();
    assert_eq!(pick(&net.events(a), |_, event| code(event)), 503);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_13_2_1_expires_cancels_the_invite() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let mut draft = invitation(a, r, sdp(OFFER));
    draft.lines.push("Expires", "20").unwrap();
    net.turn(a, |turn| turn.invite(draft)).unwrap();
    net.settle();
    let invite = net.one(r);
    net.say(r, a, &respond(&invite, 180, "t", &contact(r), ""));
    net.run(19_000);
    assert!(net.inbox(r).is_empty());
    net.run(1_100);
    let cancel = net.one(r);
    assert_eq!(kind(&cancel), "CANCEL");
    net.say(r, a, &respond(&cancel, 200, "t", "", ""));
    net.say(r, a, &respond(&invite, 487, "t", "", ""));
    net.settle();
    assert_eq!(net.news(a), ["Progress", "Failed"]);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_12_1_2_sessions_have_a_limit() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|config| config.max_sessions = 2), net.raw());
    for _ in 0..2 {
        net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    }
    assert!(net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).is_err());
    assert_eq!(net.usage(a).sessions, 2);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_13_2_2_4_standing_call_keeps_one_dialog_and_no_timer() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    net.run(64_000);
    let usage = net.usage(a);
    assert_eq!((usage.sessions, usage.dialogs, usage.timers), (1, 1, 0));
    assert_eq!((usage.requests, usage.client_transactions, usage.server_transactions), (0, 0, 0));
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    assert_eq!(cseq(&bye), 11);
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.settle();
    assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (0, 0));
}

#[test]
fn rfc3261_20_what_has_no_place_in_a_response_is_ignored() {
    for name in [
        "Alert-Info",
        "Authorization",
        "In-Reply-To",
        "Max-Forwards",
        "Priority",
        "Proxy-Authorization",
        "Route",
        "Subject",
    ] {
        for value in ["x", "<<\"", ""] {
            let mut net = Network::new();
            let (a, r) = (net.stack(|_| {}), net.raw());
            net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
            net.settle();
            let invite = net.one(r);
            let more = format!("{}{name}: {value}\r\n", contact(r));
            net.say(r, a, &respond(&invite, 200, "rawtag", &more, ANSWER));
            net.settle();
            assert_eq!(
                (net.news(a), kinds(&net.inbox(r))),
                (vec!["Answered".to_owned()], vec!["ACK".to_owned()]),
                "{more}"
            );
        }
    }
}

#[test]
fn rfc3261_19_3_call_ids_tags_and_branches_are_new_each_time() {
    let mut net = Network::new();
    let (one, two, r) = (net.stack(|_| {}), net.stack(|_| {}), net.raw());
    for caller in [one, two] {
        for _ in 0..200 {
            net.turn(caller, |turn| turn.invite(invitation(caller, r, sdp(OFFER)))).unwrap();
        }
    }
    net.settle();
    let invites = net.inbox(r);
    assert_eq!(invites.len(), 400);
    let branch = |text: &String| header(text, "Via").split("branch=z9hG4bK").nth(1).unwrap_or("").to_owned();
    let branches: Vec<String> = invites.iter().map(branch).collect();
    let call_ids: Vec<String> = invites.iter().map(|text| header(text, "Call-ID").to_owned()).collect();
    let tags: Vec<String> = invites.iter().map(|text| tag(header(text, "From")).to_owned()).collect();
    for mut all in [branches, call_ids, tags] {
        // 13 characters of 32 are 64 bits.
        assert!(all.iter().all(|text| text.len() >= 13));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 400);
    }
}

#[test]
fn rfc3261_16_6_the_way_of_one_call_is_not_that_of_the_next() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let invite = net.one(r);
    let more = format!("{}Record-Route: <sip:10.0.0.2;lr>\r\n", contact(r));
    net.say(r, a, &respond(&invite, 200, "rawtag", &more, ANSWER));
    net.settle();
    assert_eq!(header(&net.one(r), "Route"), "<sip:10.0.0.2;lr>");
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let routes: Vec<_> = net.inbox(r).iter().map(|text| (kind(text), header(text, "Route").to_owned())).collect();
    assert_eq!(routes, [("BYE".to_owned(), "<sip:10.0.0.2;lr>".to_owned()), ("INVITE".to_owned(), String::new())]);
}

#[test]
fn rfc5630_5_1_1_what_is_refused_by_sips_is_not_asked_for_by_sip() {
    for (status, more) in [(416, ""), (480, "Warning: 380 b \"SIPS Not Allowed\"\r\n")] {
        let mut net = Network::new();
        let (a, r) = (net.stack(|_| {}), net.raw());
        let mut draft = invitation(a, r, sdp(OFFER));
        draft.uri = draft.uri.to_string().replace("sip:", "sips:").parse().unwrap();
        draft.hop = Hop::Path(path(a, r));
        net.turn(a, |turn| turn.invite(draft)).unwrap();
        net.settle();
        let invite = net.one(r);
        net.say(r, a, &respond(&invite, status, "t", more, ""));
        net.settle();
        assert_eq!(pick(&net.events(a), |_, event| code(event)), status);
        assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
        net.run(60_000);
        assert!(net.inbox(r).is_empty());
        net.assert_nothing_left();
    }
}
