//! Requests in the dialog: RFC 3261 section 12.2.

use super::network::*;
use super::{NO_CODE, called, calling, calls, ringing, rings, stands, unacked};
use crate::digest::{Credential, Credentials};
use crate::draft::Hop;
use crate::event::Event;
use crate::invite::{Reach, SessionEvent};
use crate::message::{Lines, Method};
use crate::stack::StackError;

#[test]
fn rfc3261_12_2_2_cseq_gaps_are_accepted_and_lower_ones_are_500() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = called(&mut net);
    for (number, method, expected) in [
        (5, "INFO", None),
        (105, "OPTIONS", None),
        (104, "INFO", Some("500 INFO")),
        (105, "INFO", Some("500 INFO")),
        (7, "BYE", Some("500 BYE")),
        (8, "INVITE", Some("500 INVITE")),
        (3_000_000_000, "INFO", None),
        (u32::MAX, "INFO", None),
        (0, "INFO", Some("500 INFO")),
    ] {
        let request = peer.numbered(method, number, "", "");
        net.say(r, a, &request);
        net.settle();
        let news = net.news(a);
        let answers: Vec<_> = kinds(&net.inbox(r)).into_iter().filter(|kind| !kind.starts_with("100")).collect();
        match expected {
            None => assert_eq!((news.len(), answers.len()), (1, 0), "{number} {method}"),
            Some(answer) => {
                assert_eq!(answers, [answer], "{number} {method}");
                assert!(news.is_empty());
            }
        }
    }
    let lower_ack = peer.numbered("ACK", 0, "", "");
    net.say(r, a, &lower_ack);
    net.settle();
    assert!(net.inbox(r).is_empty(), "a lower ACK is ignored");
}

#[test]
fn rfc3261_12_2_1_1_a_request_that_looks_long_for_its_way_takes_a_number_above_those_that_overtook_it() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    net.slow = true;
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::new(), None)).unwrap();
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::new())).unwrap();
    net.slow = false;
    net.turn(a, |turn| turn.in_dialog(s, Method::Message, Lines::new(), None)).unwrap();
    net.settle();
    let first = net.inbox(r);
    assert_eq!((kinds(&first), cseq(&first[0])), (vec!["MESSAGE".to_owned()], 11), "the INVITE had 10");
    net.answer();
    net.settle();
    net.turn(a, |turn| turn.in_dialog(s, Method::Options, Lines::new(), None)).unwrap();
    net.settle();
    let inbox = net.inbox(r);
    let came: Vec<_> = inbox.iter().filter(|text| !text.starts_with("MESSAGE")).map(|text| cseq(text)).collect();
    assert_eq!(kinds(&inbox), ["INFO", "INVITE", "OPTIONS"]);
    assert_eq!(came, [12, 13, 14], "after the MESSAGE");
}

#[test]
fn rfc3261_12_2_1_1_a_request_that_never_leaves_uses_up_no_number() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    net.slow = true;
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::new(), None)).unwrap();
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::new())).unwrap();
    net.find_nothing();
    net.settle();
    assert!(net.inbox(r).is_empty());
    net.slow = false;
    net.turn(a, |turn| turn.in_dialog(s, Method::Options, Lines::new(), None)).unwrap();
    net.settle();
    assert_eq!(cseq(&net.one(r)), 11, "the INVITE had 10");
}

#[test]
fn rfc3261_12_2_2_first_request_of_the_callee_may_have_any_number() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = calls(&mut net);
    let info = peer.numbered("INFO", 0, "", "");
    net.say(r, a, &info);
    net.settle();
    assert_eq!(net.news(a), ["Request"]);
}

#[test]
fn rfc3261_12_2_2_dialogs_of_one_call_id_count_apart() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let mut peers = Vec::new();
    for n in 0..2 {
        let mut peer = RawDialog::calling(r, a);
        peer.local = format!("<sip:raw@10.0.0.2>;tag=from{n}");
        peer.cseq = 10 * n;
        let s = stands(&mut net, a, r, &mut peer, &n.to_string());
        peers.push((peer, s));
    }
    let (peer, expected) = &mut peers[0];
    let info = peer.request("INFO", "", "").replace("z9hG4bKraw", "z9hG4bKinfo");
    net.say(r, a, &info);
    net.settle();
    let s = pick(&net.events(a), |s, event| matches!(event, SessionEvent::Request { .. }).then_some(s));
    assert_eq!(s, *expected, "number 2 is fine in the dialog that has seen 1");
}

#[test]
fn rfc3261_12_2_2_request_without_a_dialog_is_481() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = called(&mut net);
    peer.remote = "<sip:bob@10.0.0.1>;tag=unknown".into();
    for method in ["INVITE", "BYE", "UPDATE", "INFO", "PRACK"] {
        let request = peer.request(method, "", "");
        net.say(r, a, &request);
        net.settle();
        assert_eq!(kinds(&net.inbox(r)).last(), Some(&format!("481 {method}")));
    }
    assert!(net.news(a).is_empty());
}

#[test]
fn rfc3261_12_2_2_other_requests_are_handed_to_the_application() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = called(&mut net);
    for method in ["INFO", "OPTIONS", "MESSAGE"] {
        let request = peer.request(method, "", "");
        net.say(r, a, &request);
        net.settle();
        let tx = pick(&net.events(a), |of, event| match event {
            SessionEvent::Request { tx, request } if of == s && request.method().as_str() == method => Some(*tx),
            _ => None,
        });
        net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), [format!("200 {method}")]);
    }
    net.run(40_000);
    let usage = net.usage(a);
    assert_eq!((usage.sessions, usage.dialogs, usage.timers, usage.server_transactions), (1, 1, 0, 0));
}

#[test]
fn rfc3261_8_2_1_method_that_is_not_allowed_is_405_with_allow() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = called(&mut net);
    for (method, code) in [("REFER", 405), ("NOTIFY", 405), ("SUBSCRIBE", 405), ("STRANGE", 501)] {
        let request = peer.request(method, "", "");
        net.say(r, a, &request);
        net.settle();
        let answer = net.one(r);
        assert_eq!(kind(&answer), format!("{code} {method}"));
        assert!(header(&answer, "Allow").contains("INVITE"));
    }
    assert!(net.news(a).is_empty());
}

#[test]
fn rfc3261_8_2_2_3_unknown_extension_in_a_dialog_is_420() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = called(&mut net);
    for method in ["INVITE", "INFO"] {
        let request = peer.request(method, "Require: strange\r\n", "");
        net.say(r, a, &request);
        net.settle();
        let answer = net.inbox(r).pop().unwrap();
        assert_eq!((kind(&answer), header(&answer, "Unsupported")), (format!("420 {method}"), "strange"));
    }
    assert!(net.news(a).is_empty());
    let bye = peer.request("BYE", "Require: strange\r\n", "");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(net.news(a), ["Ended"], "an end needs no extension");
}

#[test]
fn rfc6086_4_2_2_info_of_a_package_nobody_asked_for_is_469_and_the_call_stays() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = called(&mut net);
    let info = peer.request("INFO", "Info-Package: dtmf\r\n", "");
    net.say(r, a, &info);
    net.settle();
    let answer = net.one(r);
    assert_eq!((kind(&answer), header(&answer, "Recv-Info")), ("469 INFO".to_owned(), ""));
    let old = peer.request("INFO", "", "");
    net.say(r, a, &old);
    net.settle();
    assert_eq!(net.news(a), ["Request"], "one of the old kind is handed on");
}

#[test]
fn unanswered_requests_of_the_peer_have_a_limit() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = called(&mut net);
    for n in 0..17 {
        let request = peer.request("INFO", "", "");
        net.say(r, a, &request);
        net.settle();
        let seen = kinds(&net.inbox(r));
        assert_eq!(seen, if n < 16 { vec![] } else { vec!["503 INFO".to_owned()] }, "{n}");
    }
    assert_eq!(net.news(a).len(), 16);
}

/// Who has sent them has given them up as well.
#[test]
fn rfc4320_4_2_requests_that_the_application_never_answers_are_forgotten_in_silence() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = called(&mut net);
    let mut says = |net: &mut Network, method: &str, body: &str| {
        let request = peer.request(method, "", body);
        net.say(r, a, &request);
        net.settle();
        let answers = net.inbox(r);
        (net.news(a), kinds(&answers))
    };
    let (taken, none) = (vec!["Request".to_owned()], Vec::<String>::new());
    assert_eq!(says(&mut net, "UPDATE", OFFER), (taken.clone(), none.clone()));
    for _ in 1..16 {
        assert_eq!(says(&mut net, "INFO", ""), (taken.clone(), none.clone()));
    }
    assert_eq!(says(&mut net, "INFO", ""), (Vec::new(), vec!["503 INFO".to_owned()]));
    assert!(net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default())).is_err(), "theirs is unanswered");
    net.run(32_000);
    assert!(kinds(&net.inbox(r)).iter().all(|answer| answer.starts_with("100 ")), "nothing is said");
    // The application learns of each, and can answer none any more.
    let told = net.events(a);
    let unanswered = told.iter().filter_map(|event| match event {
        Event::Session(session, SessionEvent::Unanswered { tx }) if *session == s => Some(*tx),
        _ => None,
    });
    let gone = unanswered.filter(|tx| net.turn(a, |turn| turn.respond(*tx, reply(200, None))) == Err(StackError::Gone));
    assert_eq!((gone.count(), told.len()), (16, 16));
    net.settle();
    assert!(net.inbox(r).is_empty());
    // And so there is room, and no offer is in the way of either side.
    assert_eq!(says(&mut net, "UPDATE", OFFER), (taken.clone(), none.clone()));
    for _ in 1..16 {
        assert_eq!(says(&mut net, "INFO", ""), (taken.clone(), none.clone()));
    }
    net.run(32_000);
    net.inbox(r);
    net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["UPDATE"]);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}

/// One that is answered without a transaction being kept is as answered as any.
#[test]
fn an_answer_of_which_nothing_is_kept_ends_a_request_of_the_peer_as_well() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = called(&mut net);
    for _ in 0..17 {
        let request = peer.request("INFO", "", "");
        net.say(r, a, &request);
        net.settle();
        let tx = asked(&mut net, a);
        net.turn(a, |turn| turn.respond(tx, reply(415, None).stateless())).unwrap();
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["415 INFO"]);
    }
}

#[test]
fn rfc3261_12_2_1_1_requests_of_ours_count_up_by_one() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    for expected in 11..14 {
        let tx = net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), sdp(OFFER))).unwrap();
        net.settle();
        let info = net.one(r);
        assert_eq!((cseq(&info), body(&info)), (expected, OFFER));
        net.say(r, a, &respond(&info, 200, "", "", ""));
        net.settle();
        assert_eq!(response_code(&net.events(a), tx), 200);
    }
    for method in [Method::Invite, Method::Ack, Method::Bye, Method::Cancel] {
        assert!(net.turn(a, |turn| turn.in_dialog(s, method, Lines::default(), None)).is_err());
    }
}

#[test]
fn rfc3261_12_no_request_before_there_is_a_dialog() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    assert!(net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).is_err());
    let mut net = Network::new();
    let (a, r, tx, _, _) = rings(&mut net);
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    assert!(net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).is_err());
    net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
    assert!(net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).is_ok());
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["180 INVITE", "INFO"]);
}

#[test]
fn rfc3261_12_2_1_2_unknown_dialog_before_our_2xx_is_acknowledged_ends_nothing() {
    // The 2xx may have been lost: then the peer knows of no dialog yet.
    let mut net = Network::new();
    let (a, r, s, mut peer, _) = unacked(&mut net);
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    net.settle();
    let early = net.one(r);
    for (method, acked) in [(Method::Info, false), (Method::Update, false), (Method::Info, true)] {
        if acked {
            let ack = peer.numbered("ACK", 1, "", "");
            net.say(r, a, &ack);
            net.settle();
            assert_eq!(net.news(a), ["Acked"]);
            // A late answer to what was asked before the ACK.
            net.say(r, a, &respond(&early, 481, "", "", ""));
            net.settle();
            assert_eq!(net.news(a), ["Response"]);
            net.inbox(r);
        }
        let update = method == Method::Update;
        if update {
            net.turn(a, |turn| turn.update(s, None, Lines::default())).unwrap();
        } else {
            net.turn(a, |turn| turn.in_dialog(s, method, Lines::default(), None)).unwrap();
        }
        net.settle();
        let request = net.one(r);
        net.say(r, a, &respond(&request, 481, "", "", ""));
        net.settle();
        let expected: &[&str] = match (update, acked) {
            (true, _) => &["UpdateFailed"],
            (false, false) => &["Response"],
            (false, true) => &["Response", "Ended"],
        };
        assert_eq!(net.news(a), expected);
    }
    assert_eq!(kinds(&net.inbox(r)), ["BYE"]);
}

fn secrets() -> Credentials {
    let mut credentials = Credentials::new();
    credentials.add(Credential::password(None, "alice", "secret").unwrap());
    credentials
}

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";

#[test]
fn rfc3261_22_2_challenged_invite_and_dialog_agree_on_the_number() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let mut draft = invitation(a, r, sdp(OFFER));
    draft.credentials = secrets();
    let s = net.turn(a, |turn| turn.invite(draft)).unwrap();
    net.settle();
    let first = net.one(r);
    net.say(r, a, &respond(&first, 401, "x", CHALLENGE, ""));
    net.settle();
    let mut inbox = net.inbox(r);
    assert_eq!(kinds(&inbox), ["ACK", "INVITE"]);
    let second = inbox.remove(1);
    assert_eq!(cseq(&second), 11);
    assert_eq!(
        (header(&second, "Call-ID"), header(&second, "From")),
        (header(&first, "Call-ID"), header(&first, "From"))
    );
    net.say(r, a, &respond(&second, 200, "t", &contact(r), ANSWER));
    net.settle();
    let ack = net.one(r);
    assert_eq!(cseq(&ack), 11);
    assert_eq!(
        header(&ack, "Authorization"),
        header(&second, "Authorization"),
        "13.2.2.4: the same credentials as the INVITE"
    );
    assert!(!header(&ack, "Authorization").is_empty());
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    assert_eq!(cseq(&bye), 12);
    assert!(header(&bye, "Authorization").contains("nonce=\"n1\""), "known nonce, no challenge: {bye}");
}

#[test]
fn rfc3261_22_2_retries_in_a_dialog_take_fresh_numbers() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    net.turn(a, |turn| turn.authenticate(s, secrets())).unwrap();
    for _ in 0..2 {
        net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    }
    net.settle();
    let infos = net.inbox(r);
    assert_eq!(infos.iter().map(|text| cseq(text)).collect::<Vec<_>>(), [11, 12]);
    net.say(r, a, &respond(&infos[0], 401, "", CHALLENGE, ""));
    net.settle();
    let again = net.one(r);
    assert_eq!(cseq(&again), 13, "12 is taken");
    net.say(r, a, &respond(&infos[1], 401, "", CHALLENGE, ""));
    net.settle();
    assert_eq!(cseq(&net.one(r)), 14);
    net.turn(a, |turn| turn.reinvite(s, None, Lines::default())).unwrap();
    net.settle();
    let invite = net.inbox(r).pop().unwrap();
    assert_eq!((kind(&invite).as_str(), cseq(&invite)), ("INVITE", 15));
    net.say(r, a, &respond(&invite, 401, "", CHALLENGE, ""));
    net.settle();
    let again = net.inbox(r).pop().unwrap();
    assert_eq!((kind(&again).as_str(), cseq(&again)), ("INVITE", 16));
    net.say(r, a, &respond(&again, 200, "", &contact(r), ""));
    net.settle();
    let ack = net.inbox(r).into_iter().find(|text| kind(text) == "ACK" && cseq(text) == 16).expect("its ACK");
    assert_eq!(header(&ack, "Authorization"), header(&again, "Authorization"));
}

/// A stack and a peer whose Contact leads nowhere; the next request of the stack must still arrive.
fn reach_of(contact: &str, back: Reach, fixed: bool) -> bool {
    let mut net = Network::new();
    let (a, r) = (net.stack(|config| config.session.reach = back), net.raw());
    let mut draft = invitation(a, r, sdp(OFFER));
    if fixed {
        draft.hop = Hop::Path(path(a, r));
    }
    let s = net.turn(a, |turn| turn.invite(draft)).unwrap();
    net.settle();
    let invite = net.one(r);
    net.say(r, a, &respond(&invite, 200, "t", &format!("Contact: <{contact}>\r\n"), ANSWER));
    net.settle();
    let reached = kinds(&net.inbox(r)) == ["ACK"];
    net.turn(a, |turn| {
        let _ = turn.hangup(s, NO_CODE, Lines::default());
    });
    net.settle();
    assert_eq!(kinds(&net.inbox(r)).contains(&"BYE".to_owned()), reached);
    net.assert_nothing_left();
    reached
}

#[test]
fn rfc7118_5_peer_that_names_no_address_is_reached_along_its_flow() {
    for (contact, back, fixed, reached) in [
        ("sip:x@phone.example", Reach::ByContact, false, false),
        ("sip:x@phone.example", Reach::Back, false, true),
        ("sip:x@phone.example", Reach::ByContact, true, true),
        ("sip:x@df7jal23ls0d.invalid;transport=ws", Reach::ByContact, false, true),
        ("sip:x@df7jal23ls0d.invalid.:5060", Reach::ByContact, false, true),
        ("sip:df7jal23ls0d.INVALID", Reach::ByContact, false, true),
    ] {
        assert_eq!(reach_of(contact, back, fixed), reached, "{contact}");
    }
}

#[test]
fn rfc3261_12_2_1_1_unreachable_contact_ends_the_call() {
    let mut net = Network::new();
    let (a, r, _, invite) = calling(&mut net);
    net.say(r, a, &respond(&invite, 200, "t", "Contact: <sip:x@phone.example>\r\n", ANSWER));
    net.settle();
    assert_eq!(net.news(a), ["Answered", "Ended"]);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_request_in_the_early_dialog_of_a_cancelled_call_is_481() {
    let mut net = Network::new();
    let (a, r, s, invite) = ringing(&mut net);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.news(a);
    let info = RawDialog::called(r, &invite, "t").request("INFO", "", "");
    net.say(r, a, &info);
    net.settle();
    assert!(kinds(&net.inbox(r)).contains(&"481 INFO".to_owned()));
    assert!(net.news(a).is_empty());
    net.assert_nothing_left();
}

#[test]
fn two_calls_of_one_call_id_and_tag_do_not_share_a_dialog() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let mut sessions = Vec::new();
    for n in 0..2 {
        let mut draft = invitation(a, r, sdp(OFFER));
        draft.from.push_str(";tag=same");
        draft.call_id = "same".into();
        draft.cseq = 10 + n;
        sessions.push(net.turn(a, |turn| turn.invite(draft)).unwrap());
    }
    net.settle();
    let invites = net.inbox(r);
    net.say(r, a, &respond(&invites[0], 180, "t", &contact(r), ""));
    net.say(r, a, &respond(&invites[1], 180, "t", &contact(r), ""));
    net.say(r, a, &respond(&invites[1], 200, "t", &contact(r), ANSWER));
    net.say(r, a, &respond(&invites[0], 200, "t", &contact(r), ANSWER));
    net.settle();
    assert_eq!(net.usage(a).dialogs, 1);
    net.turn(a, |turn| assert_eq!(turn.dialog_of(sessions[0]).unwrap().local_cseq(), 10));
    assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
    net.turn(a, |turn| turn.hangup(sessions[0], NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}

#[test]
fn so_many_requests_of_a_session_wait_for_their_answers_and_no_more() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    let limit = 16;
    let info = |turn: &mut crate::Turn<'_>| turn.in_dialog(s, Method::Info, Lines::default(), None);
    for count in 0..limit {
        net.turn(a, |turn| assert_eq!(turn.unanswered(s), count));
        net.turn(a, info).unwrap();
    }
    let what = "requests without an answer in a session";
    assert_eq!(net.turn(a, info), Err(StackError::Full { what, limit }));
    net.settle();
    let first = net.inbox(r).remove(0);
    net.say(r, a, &respond(&first, 200, "", "", ""));
    net.settle();
    assert!(net.turn(a, info).is_ok());
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}
