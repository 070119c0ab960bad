//! Their INVITE: RFC 3261 sections 12.1.1, 13.3.

use super::network::*;
use super::{NO_CODE, called, rings, unacked};
use crate::dialog::{Phase, Role};
use crate::id::ServerTx;
use crate::invite::{NoAck, SessionEvent};
use crate::message::Lines;

#[test]
fn rfc3261_12_1_1_dialog_is_made_of_the_request() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let mut dialog = RawDialog::calling(r, a);
    let more = "Record-Route: <sip:10.0.0.2;lr;n=2>, <sip:10.0.0.2;lr;n=1>\r\nContact: \"x\" <sip:x@10.0.0.2>;q=1\r\n";
    let invite = dialog.request("INVITE", more, OFFER);
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
    net.settle();
    let ringing = net.inbox(r).pop().unwrap();
    assert_eq!(kind(&ringing), "180 INVITE");
    assert_eq!(headers(&ringing, "Record-Route").join(", "), "<sip:10.0.0.2;lr;n=2>, <sip:10.0.0.2;lr;n=1>");
    assert!(header(&ringing, "Contact").starts_with("<sip:bob@10.0.0.1"), "{ringing}");
    net.turn(a, |turn| {
        let dialog = turn.dialog_of(s).unwrap();
        assert_eq!((dialog.phase(), dialog.role()), (Phase::Early, Role::Callee));
        assert_eq!(dialog.local_tag(), tag(header(&ringing, "To")));
        assert_eq!(dialog.remote_tag(), "rawtag");
        assert_eq!(dialog.remote_target(), "sip:x@10.0.0.2");
        assert_eq!(dialog.routes().collect::<Vec<_>>(), ["<sip:10.0.0.2;lr;n=2>", "<sip:10.0.0.2;lr;n=1>"]);
        assert_eq!(dialog.remote_cseq(), Some(1));
    });
}

#[test]
fn rfc3261_13_3_1_4_2xx_is_repeated_from_t1_to_t2_until_the_ack() {
    let mut net = Network::new();
    let (a, r, _, mut dialog, _) = unacked(&mut net);
    let start = net.log.iter().rfind(|(_, from, _, _)| *from == a).unwrap().clone();
    net.run(12_000);
    let copies: Vec<_> = net.log.iter().filter(|(_, from, _, text)| *from == a && *text == start.3).collect();
    let times: Vec<u64> = copies.iter().map(|(at, ..)| at - start.0).collect();
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 11_500]);
    net.inbox(r);
    let ack = dialog.numbered("ACK", 1, "", "");
    net.say(r, a, &ack);
    net.run(60_000);
    assert!(net.inbox(r).is_empty());
    assert_eq!(net.news(a), ["Acked"]);
}

#[test]
fn rfc3261_13_3_1_4_ack_of_another_number_does_not_count() {
    let mut net = Network::new();
    let (a, r, _, mut dialog, _) = unacked(&mut net);
    for number in [0, 2] {
        let ack = dialog.numbered("ACK", number, "", "");
        net.say(r, a, &ack);
    }
    net.run(1_600);
    assert!(net.news(a).is_empty());
    assert_eq!(kinds(&net.inbox(r)), ["200 INVITE", "200 INVITE"], "still repeated, and no ACK is answered");
}

#[test]
fn rfc3261_13_3_1_4_repeated_ack_is_swallowed() {
    let mut net = Network::new();
    let (a, r, _, mut dialog) = called(&mut net);
    for number in [1, 0, 7] {
        let ack = dialog.numbered("ACK", number, "", "");
        net.say(r, a, &ack);
    }
    net.settle();
    assert!(net.news(a).is_empty() && net.inbox(r).is_empty());
}

#[test]
fn rfc3261_13_3_1_4_no_ack_in_64_t1_ends_with_bye() {
    let mut net = Network::new();
    let (a, r, _, _, _) = unacked(&mut net);
    net.run(31_900);
    assert!(net.news(a).is_empty());
    let repeats = net.inbox(r);
    assert!(repeats.len() >= 9 && repeats.iter().all(|text| kind(text) == "200 INVITE"));
    net.run(200);
    assert_eq!(net.news(a), ["NoAck", "Ended"]);
    let bye = net.one(r);
    assert_eq!(kind(&bye), "BYE");
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.assert_nothing_left();
}

#[test]
fn rfc3261_13_3_1_4_no_ack_may_be_left_to_the_application() {
    let mut net = Network::new();
    let a = net.stack(|config| config.session.no_ack = NoAck::Tell);
    let r = net.raw();
    let mut dialog = RawDialog::calling(r, a);
    let invite = dialog.request("INVITE", "", OFFER);
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
    net.run(33_000);
    assert_eq!(net.news(a), ["NoAck"]);
    net.inbox(r);
    net.run(60_000);
    assert!(net.inbox(r).is_empty(), "no BYE, no more repeats");
    assert_eq!(net.usage(a).sessions, 1);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["BYE"]);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_13_3_1_1_provisional_response_is_repeated_each_minute() {
    let mut net = Network::new();
    let (a, r, tx, _, invite) = rings(&mut net);
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
    net.run(30_000);
    net.turn(a, |turn| turn.answer(s, reply(183, sdp(ANSWER)))).unwrap();
    net.run(59_000);
    assert_eq!(kinds(&net.inbox(r)), ["180 INVITE", "183 INVITE"]);
    net.run(62_000);
    assert_eq!(kinds(&net.inbox(r)), ["183 INVITE", "183 INVITE"]);
    net.say(r, a, &cancel(&invite));
    net.assert_nothing_left();
}

#[test]
fn rfc3261_13_3_1_late_offer_comes_in_the_2xx_and_its_answer_in_the_ack() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let mut dialog = RawDialog::calling(r, a);
    let invite = dialog.request("INVITE", "", "");
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(OFFER)))).unwrap();
    net.settle();
    let ok = net.inbox(r).pop().unwrap();
    assert_eq!(body(&ok), OFFER);
    dialog.learn(&ok);
    let ack = dialog.numbered("ACK", 1, "", ANSWER);
    net.say(r, a, &ack);
    net.settle();
    let answer = pick(&net.events(a), |_, event| match event {
        SessionEvent::Acked { request } => Some(request.body().to_vec()),
        _ => None,
    });
    assert_eq!(answer, ANSWER.as_bytes());
}

#[test]
fn rfc3261_13_3_1_3_refusals_end_the_session() {
    for code in [302, 404, 486, 600] {
        let mut net = Network::new();
        let (a, r, tx, _, _) = rings(&mut net);
        let s = net.turn(a, |turn| turn.session(tx)).unwrap();
        net.turn(a, |turn| turn.answer(s, reply(code, None))).unwrap();
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), [format!("{code} INVITE")]);
        assert_eq!(net.news(a), ["Ended"]);
        assert!(net.turn(a, |turn| turn.answer(s, reply(200, None))).is_err());
        assert_eq!(net.usage(a).sessions + net.usage(a).dialogs, 0);
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_12_1_1_one_session_for_an_invite() {
    let mut net = Network::new();
    let (a, r, tx, _, _) = rings(&mut net);
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    assert!(net.turn(a, |turn| turn.session(tx)).is_err());
    net.settle();
    assert!(net.inbox(r).is_empty(), "nothing is sent");
    net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["180 INVITE"]);
    assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (1, 1));
}

#[test]
fn rfc3261_13_3_1_answering_twice_is_refused() {
    let mut net = Network::new();
    let (a, _, s, _, _) = unacked(&mut net);
    assert!(net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).is_err());
    assert!(net.turn(a, |turn| turn.answer(s, reply(486, None))).is_err());
}

#[test]
fn rfc3261_12_1_1_invite_without_usable_contact_is_400() {
    for more in ["Contact: *\r\n", "Contact: <nonsense\r\n", "Record-Route: <x\r\nContact: <sip:x@10.0.0.2>\r\n"] {
        let mut net = Network::new();
        let (a, r) = (net.stack(|_| {}), net.raw());
        let invite = RawDialog::calling(r, a).request("INVITE", more, OFFER);
        net.say(r, a, &invite);
        net.settle();
        let events = net.events(a);
        let invites: Vec<ServerTx> = events
            .iter()
            .filter_map(|event| match event {
                crate::Event::Request { tx, .. } => Some(*tx),
                _ => None,
            })
            .collect();
        for tx in invites {
            assert!(net.turn(a, |turn| turn.session(tx)).is_err());
        }
        net.settle();
        assert_eq!(kinds(&net.inbox(r)).last().map(String::as_str), Some("400 INVITE"), "{more}");
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_21_5_4_full_tables_answer_503() {
    for limit in [0, 1] {
        let mut net = Network::new();
        let a = net.stack(|config| if limit == 0 { config.max_sessions = 1 } else { config.max_dialogs = 1 });
        let r = net.raw();
        for n in 0..2 {
            let mut dialog = RawDialog::calling(r, a);
            dialog.call_id = format!("c{n}");
            let invite = dialog.request("INVITE", "", OFFER).replace("z9hG4bK", &format!("z9hG4bK{n}"));
            net.say(r, a, &invite);
            net.settle();
            let tx = incoming(&net.events(a));
            let made = net.turn(a, |turn| turn.session(tx));
            assert_eq!(made.is_ok(), n == 0);
            net.settle();
        }
        let refusal = net.inbox(r).pop().unwrap();
        assert_eq!(kind(&refusal), "503 INVITE");
        assert!(!header(&refusal, "Retry-After").is_empty());
        assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (1, 1));
    }
}

#[test]
fn rfc3261_13_3_1_invite_whose_expires_passes_is_487() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let invite = RawDialog::calling(r, a).request("INVITE", "Expires: 10\r\n", OFFER);
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
    net.run(9_000);
    net.inbox(r);
    net.run(1_100);
    assert_eq!(kinds(&net.inbox(r)), ["487 INVITE"]);
    assert_eq!(net.news(a), ["Cancelled"]);
    net.assert_nothing_left();
}
