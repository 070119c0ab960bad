//! CANCEL in all its races: RFC 3261 sections 9 and 15.

use super::network::*;
use super::{NO_CODE, calling, calls, ringing, rings, unacked};
use crate::id::SessionId;
use crate::invite::SessionEvent;
use crate::message::{Lines, StatusCode};

fn hangup(net: &mut Network, a: usize, s: SessionId) {
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    assert_eq!(net.news(a).last().map(String::as_str), Some("Ended"), "local at once");
}

#[test]
fn rfc3261_9_1_cancel_after_1xx_leaves_at_once_and_487_ends_it() {
    let mut net = Network::new();
    let (a, r, s, invite) = ringing(&mut net);
    hangup(&mut net, a, s);
    net.settle();
    let cancel = net.one(r);
    assert_eq!(kind(&cancel), "CANCEL");
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"), "the branch of the INVITE");
    assert_eq!((cseq(&cancel), header(&cancel, "To")), (10, header(&invite, "To")));
    net.say(r, a, &respond(&cancel, 200, "t", "", ""));
    net.say(r, a, &respond(&invite, 487, "t", "", ""));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
    assert!(net.news(a).is_empty());
    assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (0, 0));
    net.assert_nothing_left();
}

#[test]
fn rfc3261_9_1_cancel_before_1xx_is_kept() {
    let mut net = Network::new();
    let (a, r, s, invite) = calling(&mut net);
    net.run(980);
    hangup(&mut net, a, s);
    net.run(1_000);
    assert_eq!(kinds(&net.inbox(r)), ["INVITE", "INVITE"], "repeated meanwhile, and no CANCEL");
    net.say(r, a, &respond(&invite, 100, "", "", ""));
    net.settle();
    let cancel = net.one(r);
    assert_eq!(kind(&cancel), "CANCEL");
    net.say(r, a, &respond(&cancel, 200, "", "", ""));
    net.say(r, a, &respond(&invite, 487, "t", "", ""));
    net.assert_nothing_left();
}

#[test]
fn rfc3261_9_1_cancel_without_any_answer_ends_by_timer_b() {
    let mut net = Network::new();
    let (a, r, s, _) = calling(&mut net);
    hangup(&mut net, a, s);
    net.run(33_000);
    assert!(net.inbox(r).iter().all(|text| kind(text) == "INVITE"));
    assert_eq!(net.usage(a).sessions, 0);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_9_1_cancel_in_the_same_turn_as_the_invite_sends_nothing() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    net.turn(a, |turn| {
        let s = turn.invite(invitation(a, r, sdp(OFFER))).unwrap();
        turn.hangup(s, NO_CODE, Lines::default()).unwrap();
        assert!(turn.hangup(s, NO_CODE, Lines::default()).is_err(), "once");
    });
    net.settle();
    assert_eq!(net.news(a), ["Ended"]);
    assert!(net.inbox(r).is_empty());
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_2xx_that_crosses_the_cancel_gets_ack_and_bye() {
    // The order in which 200 (INVITE), 200 (CANCEL) and a 487 that never was arrive.
    for early in [false, true] {
        for cancel_first in [false, true] {
            let mut net = Network::new();
            let (a, r, s, invite) = calling(&mut net);
            let tag = if early { "t" } else { "other" };
            net.say(r, a, &respond(&invite, 180, "t", &contact(r), ""));
            net.settle();
            hangup(&mut net, a, s);
            net.settle();
            let cancel = net.one(r);
            let ok = respond(&invite, 200, tag, &contact(r), ANSWER);
            if cancel_first {
                net.say(r, a, &respond(&cancel, 200, tag, "", ""));
            }
            net.say(r, a, &ok);
            if !cancel_first {
                net.say(r, a, &respond(&cancel, 481, tag, "", ""));
            }
            net.settle();
            let inbox = net.inbox(r);
            assert_eq!(kinds(&inbox), ["ACK", "BYE"]);
            net.say(r, a, &respond(&inbox[1], 200, "", "", ""));
            net.run(1_000);
            net.say(r, a, &ok);
            net.settle();
            assert_eq!(net.one(r), inbox[0], "a repeat still gets its ACK");
            assert!(net.news(a).is_empty(), "nobody is told of what is over");
            net.assert_nothing_left();
        }
    }
}

#[test]
fn rfc3261_9_1_2xx_before_the_kept_cancel_gets_ack_and_bye() {
    let mut net = Network::new();
    let (a, r, s, invite) = calling(&mut net);
    hangup(&mut net, a, s);
    net.say(r, a, &respond(&invite, 200, "t", &contact(r), ANSWER));
    net.settle();
    let inbox = net.inbox(r);
    assert_eq!(kinds(&inbox), ["ACK", "BYE"]);
    net.say(r, a, &respond(&inbox[1], 200, "", "", ""));
    net.assert_nothing_left();
}

#[test]
fn rfc3261_9_1_cancel_that_is_never_answered_gives_up_after_64_t1() {
    for answered in [false, true] {
        let mut net = Network::new();
        let (a, r, s, _) = ringing(&mut net);
        hangup(&mut net, a, s);
        net.settle();
        let cancel = net.one(r);
        if answered {
            // The peer takes the CANCEL and forgets the INVITE.
            net.say(r, a, &respond(&cancel, 200, "t", "", ""));
        }
        net.run(31_000);
        assert_eq!(net.usage(a).sessions, 1);
        net.run(2_000);
        assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (0, 0));
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_9_1_refusal_that_crosses_the_cancel_ends_it() {
    let mut net = Network::new();
    let (a, r, s, invite) = ringing(&mut net);
    net.say(r, a, &respond(&invite, 486, "t", "", ""));
    hangup(&mut net, a, s);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["CANCEL", "ACK"]);
    assert!(net.news(a).is_empty());
    net.assert_nothing_left();
}

#[test]
fn rfc3326_2_reason_of_a_hangup_goes_into_the_cancel() {
    let mut net = Network::new();
    let (a, r, s, _) = ringing(&mut net);
    let mut lines = Lines::default();
    lines.push("Reason", "SIP;cause=200;text=\"Call completed elsewhere\"").unwrap();
    net.turn(a, |turn| turn.hangup(s, NO_CODE, lines)).unwrap();
    net.settle();
    assert!(header(&net.one(r), "Reason").starts_with("SIP;cause=200"));
}

#[test]
fn rfc3261_9_2_cancel_of_a_ringing_session_is_200_and_487() {
    for told in [false, true] {
        let mut net = Network::new();
        let (a, r, tx, mut dialog, invite) = rings(&mut net);
        let s = net.turn(a, |turn| turn.session(tx)).unwrap();
        if told {
            net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
        }
        let mut text = cancel(&invite);
        text = text.replace("Content-Length", "Reason: SIP;cause=200\r\nContent-Length");
        net.say(r, a, &text);
        net.settle();
        let inbox: Vec<_> = net.inbox(r).into_iter().filter(|text| !text.starts_with("SIP/2.0 180")).collect();
        assert_eq!(kinds(&inbox), ["200 CANCEL", "487 INVITE"]);
        let reason = pick(&net.events(a), |_, event| match event {
            SessionEvent::Cancelled { request: Some(request) } => {
                Some(request.headers().by_name("Reason").next().is_some())
            }
            _ => None,
        });
        assert!(reason);
        assert!(net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).is_err(), "too late");
        dialog.learn(&inbox[1]);
        let mut ack = dialog.numbered("ACK", 1, "", "");
        ack = ack.replace(header(&ack, "Via"), header(&invite, "Via"));
        net.say(r, a, &ack);
        net.settle();
        assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (0, 0));
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_9_2_cancel_after_our_final_answer_has_no_effect() {
    let mut net = Network::new();
    let (a, r, s, mut dialog, invite) = unacked(&mut net);
    net.say(r, a, &cancel(&invite));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["200 CANCEL"]);
    assert!(net.news(a).is_empty());
    let ack = dialog.numbered("ACK", 1, "", "");
    net.say(r, a, &ack);
    net.settle();
    assert_eq!(net.news(a), ["Acked"], "the call stays");
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}

#[test]
fn rfc3261_9_2_cancel_of_a_standing_call_is_481_or_200_and_the_call_stays() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    let invite = "INVITE sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKnone\r\nFrom: <sip:x@y>;tag=1\r\n\
         To: <sip:a@b>\r\nCall-ID: none\r\nCSeq: 1 INVITE\r\n\r\n";
    net.say(r, a, &cancel(invite));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["481 CANCEL"]);
    net.turn(a, |turn| assert!(turn.dialog_of(s).is_some()));
    assert!(net.news(a).is_empty());
}

#[test]
fn rfc3261_15_refusing_a_ringing_call() {
    for (code, expected) in
        [(None, "603 INVITE"), (StatusCode::new(486), "486 INVITE"), (StatusCode::new(200), "603 INVITE")]
    {
        let mut net = Network::new();
        let (a, r, tx, _, _) = rings(&mut net);
        let s = net.turn(a, |turn| turn.session(tx)).unwrap();
        net.turn(a, |turn| turn.hangup(s, code, Lines::default())).unwrap();
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), [expected]);
        assert_eq!(net.news(a), ["Ended"]);
        net.assert_nothing_left();
    }
}
