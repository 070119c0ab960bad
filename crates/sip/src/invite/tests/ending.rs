//! BYE: RFC 3261 section 15.

use super::network::*;
use super::{NO_CODE, called, calls, calls_between, code, early, unacked};
use crate::invite::{By, SessionEvent};
use crate::message::{Lines, Method};
use crate::{Event, Overload};

fn by(net: &mut Network, a: usize) -> By {
    pick(&net.events(a), |_, event| match event {
        SessionEvent::Ended { by, .. } => Some(*by),
        _ => None,
    })
}

#[test]
fn rfc3261_15_1_1_hangup_sends_bye_and_is_local_at_once() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    let mut lines = Lines::default();
    lines.push("Reason", "Q.850;cause=16").unwrap();
    net.turn(a, |turn| turn.hangup(s, NO_CODE, lines)).unwrap();
    assert_eq!(by(&mut net, a), By::Us);
    assert!(net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).is_err(), "once");
    assert!(net.turn(a, |turn| turn.reinvite(s, None, Lines::default())).is_err());
    assert!(net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).is_err());
    net.settle();
    let bye = net.one(r);
    assert_eq!((kind(&bye).as_str(), cseq(&bye)), ("BYE", 11));
    assert_eq!(header(&bye, "Reason"), "Q.850;cause=16");
    for code in [200, 481, 408, 500] {
        net.say(r, a, &respond(&bye, code, "", "", ""));
    }
    net.settle();
    assert!(net.news(a).is_empty());
    net.assert_nothing_left();
}

#[test]
fn rfc7339_5_10_1_a_call_is_hung_up_whatever_the_peer_asks_for() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|config| config.overload = Some(Overload::default())), net.raw());
    let (_, _, s, _) = calls_between(&mut net, a, r);
    asks_for_nothing(&mut net, a, r, s, 60_000);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    assert_eq!(kind(&bye), "BYE");
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.assert_nothing_left();
}

#[test]
fn rfc7339_5_10_1_a_further_fork_is_hung_up_whatever_the_peer_asks_for() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|config| config.overload = Some(Overload::default())), net.raw());
    net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let invite = net.one(r);
    net.say(r, a, &asking_for_nothing(&respond(&invite, 200, "one", &contact(r), ANSWER), 60_000));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
    net.say(r, a, &respond(&invite, 200, "two", &contact(r), ANSWER));
    net.settle();
    let inbox = net.inbox(r);
    assert_eq!(kinds(&inbox), ["ACK", "BYE"]);
    assert_eq!(tag(header(&inbox[1], "To")), "two");
}

#[test]
fn rfc3261_15_1_1_unanswered_bye_is_repeated_until_timer_f() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.run(31_000);
    let byes = net.inbox(r);
    assert!(byes.len() >= 9 && byes.iter().all(|bye| *bye == byes[0]), "{}", byes.len());
    assert_eq!(net.usage(a).sessions, 1);
    net.run(1_500);
    assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (0, 0));
    net.assert_nothing_left();
}

/// What a session that asked has heard of its BYE: `None` nothing, otherwise the code of what came instead of a 2xx.
fn farewell(net: &mut Network, a: usize) -> Option<Option<u16>> {
    let events = net.events(a);
    let told = events.iter().filter_map(|event| match event {
        Event::Session(_, SessionEvent::Farewell { refusal }) => Some(refusal.as_ref().map(|why| why.code().get())),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert!(told.len() <= 1, "{told:?}");
    told.first().copied()
}

#[test]
fn rfc3261_15_1_1_who_asks_hears_what_became_of_the_bye() {
    for (code, heard) in [(200, None), (481, Some(481)), (408, Some(408)), (500, Some(500))] {
        let mut net = Network::new();
        let (a, r, s, _) = calls(&mut net);
        assert!(!net.turn(a, |turn| turn.await_farewell(s)), "not before the end");
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        assert!(net.turn(a, |turn| turn.await_farewell(s)));
        net.settle();
        assert_eq!(farewell(&mut net, a), None);
        let bye = net.one(r);
        net.say(r, a, &respond(&bye, 100, "", "", ""));
        net.settle();
        assert_eq!(farewell(&mut net, a), None, "a provisional response says nothing");
        net.say(r, a, &respond(&bye, code, "", "", ""));
        net.say(r, a, &respond(&bye, code, "", "", ""));
        net.settle();
        assert_eq!(farewell(&mut net, a), Some(heard), "{code}");
        net.assert_nothing_left();
    }
    let mut net = Network::new();
    let (a, _, s, _) = calls(&mut net);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    assert!(net.turn(a, |turn| turn.await_farewell(s)));
    net.run(31_000);
    assert_eq!(farewell(&mut net, a), None);
    net.run(1_500);
    assert_eq!(farewell(&mut net, a), Some(Some(408)), "64*T1 have passed");
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_1_2_a_bye_that_crosses_ours_is_an_answer() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    assert!(net.turn(a, |turn| turn.await_farewell(s)));
    let bye = peer.request("BYE", "", "");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(farewell(&mut net, a), Some(None));
    let bye = net.inbox(r).into_iter().find(|message| kind(message) == "BYE").unwrap();
    net.say(r, a, &respond(&bye, 481, "", "", ""));
    net.settle();
    assert_eq!(farewell(&mut net, a), None, "told once");
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_a_bye_that_waits_for_the_ack_is_told_of_as_well() {
    let mut net = Network::new();
    let (a, r, s, mut peer, _) = unacked(&mut net);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    assert!(net.turn(a, |turn| turn.await_farewell(s)));
    let ack = peer.numbered("ACK", 1, "", "");
    net.say(r, a, &ack);
    net.settle();
    let bye = net.inbox(r).into_iter().find(|message| kind(message) == "BYE").unwrap();
    assert_eq!(farewell(&mut net, a), None);
    net.say(r, a, &respond(&bye, 481, "", "", ""));
    net.settle();
    assert_eq!(farewell(&mut net, a), Some(Some(481)));
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_1_2_bye_of_the_peer_is_200_and_ends_the_call() {
    for calling in [true, false] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = if calling { calls(&mut net) } else { called(&mut net) };
        let bye = peer.request("BYE", "Reason: Q.850;cause=16\r\n", "");
        net.say(r, a, &bye);
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
        let reason = pick(&net.events(a), |_, event| match event {
            SessionEvent::Ended { by: By::Peer, request: Some(request), .. } => {
                Some(request.headers().by_name("Reason").count())
            }
            _ => None,
        });
        assert_eq!(reason, 1);
        net.say(r, a, &bye);
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["200 BYE"], "a repeat gets the same");
        let again = peer.request("BYE", "", "");
        net.run(40_000);
        net.say(r, a, &again);
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["481 BYE"], "there is no dialog any more");
        assert!(net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).is_err());
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_15_callee_holds_its_bye_back_until_the_ack() {
    let mut net = Network::new();
    let (a, r, s, mut peer, _) = unacked(&mut net);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    assert_eq!(by(&mut net, a), By::Us);
    net.run(5_000);
    let inbox = net.inbox(r);
    assert!(inbox.len() >= 3 && inbox.iter().all(|text| kind(text) == "200 INVITE"), "repeated, no BYE");
    let ack = peer.numbered("ACK", 1, "", "");
    net.say(r, a, &ack);
    net.settle();
    let bye = net.one(r);
    assert_eq!(kind(&bye), "BYE");
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.settle();
    assert!(net.news(a).is_empty());
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_callee_sends_its_bye_after_64_t1_without_ack() {
    let mut net = Network::new();
    let (a, r, s, _, _) = unacked(&mut net);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.run(31_900);
    assert!(net.inbox(r).iter().all(|text| kind(text) == "200 INVITE"));
    net.run(200);
    assert_eq!(kinds(&net.inbox(r)), ["BYE"]);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_bye_before_the_ack_ends_the_call_and_the_repeats() {
    for hung_up in [false, true] {
        let mut net = Network::new();
        let (a, r, s, mut peer, _) = unacked(&mut net);
        if hung_up {
            net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        }
        let bye = peer.request("BYE", "", "");
        net.say(r, a, &bye);
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
        assert_eq!(by(&mut net, a), if hung_up { By::Us } else { By::Peer });
        let ack = peer.numbered("ACK", 1, "", "");
        net.say(r, a, &ack);
        net.run(60_000);
        assert!(net.inbox(r).is_empty(), "no repeat of the 2xx, no BYE");
        assert!(net.news(a).is_empty());
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_15_byes_that_cross_are_both_answered() {
    for theirs_first in [true, false] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = called(&mut net);
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.settle();
        let ours = net.one(r);
        let theirs = peer.request("BYE", "", "");
        let answer = respond(&ours, 481, "", "", "");
        for text in if theirs_first { [&theirs, &answer] } else { [&answer, &theirs] } {
            net.say(r, a, text);
            net.settle();
        }
        let expected = if theirs_first { "200 BYE" } else { "481 BYE" };
        assert_eq!(kinds(&net.inbox(r)), [expected]);
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_15_bye_in_the_early_dialog_of_the_caller_ends_it_with_487() {
    let mut net = Network::new();
    let (a, r, _, mut peer) = early(&mut net);
    let bye = peer.request("BYE", "", "");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["200 BYE", "487 INVITE"]);
    assert_eq!(by(&mut net, a), By::Peer);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_1_2_pending_requests_get_487_when_the_call_ends() {
    for ours in [true, false] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = called(&mut net);
        let info = peer.request("INFO", "", "");
        let invite = peer.request("INVITE", "", OFFER);
        net.say(r, a, &info);
        net.say(r, a, &invite);
        net.settle();
        assert_eq!(net.news(a), ["Request", "Reinvite"]);
        net.inbox(r);
        if ours {
            net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        } else {
            let bye = peer.request("BYE", "", "");
            net.say(r, a, &bye);
        }
        net.settle();
        let mut seen = kinds(&net.inbox(r));
        seen.sort();
        let last = if ours { "BYE" } else { "200 BYE" };
        let mut expected = ["487 INFO", "487 INVITE", last];
        expected.sort();
        assert_eq!(seen, expected);
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_15_hangup_while_our_reinvite_is_pending() {
    for (status, kinds_after) in [(487, vec!["ACK"]), (200, vec!["ACK"]), (0, vec![])] {
        let mut net = Network::new();
        let (a, r, s, _) = calls(&mut net);
        net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
        net.settle();
        let invite = net.one(r);
        net.say(r, a, &respond(&invite, 100, "", "", ""));
        net.settle();
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.settle();
        let mut inbox = net.inbox(r);
        inbox.sort();
        assert_eq!(kinds(&inbox), ["BYE", "CANCEL"]);
        for text in &inbox {
            net.say(r, a, &respond(text, 200, "", "", ""));
        }
        net.settle();
        if status != 0 {
            net.say(r, a, &respond(&invite, status, "", &contact(r), ""));
            net.settle();
        }
        assert_eq!(kinds(&net.inbox(r)), kinds_after);
        assert_eq!(net.news(a), ["Ended"]);
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_15_bye_of_the_peer_while_our_reinvite_is_pending() {
    for answered in [true, false] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = calls(&mut net);
        net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
        net.settle();
        let invite = net.one(r);
        let bye = peer.request("BYE", "", "");
        net.say(r, a, &bye);
        if answered {
            net.say(r, a, &respond(&invite, 487, "", "", ""));
        }
        net.settle();
        assert!(kinds(&net.inbox(r)).contains(&"200 BYE".to_owned()));
        assert_eq!(net.news(a), ["Ended"], "no word of the re-INVITE");
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_15_hangup_while_an_answer_is_due_acknowledges_first() {
    for ours in [true, false] {
        let mut net = Network::new();
        let (a, r) = (net.stack(|_| {}), net.raw());
        let s = net.turn(a, |turn| turn.invite(invitation(a, r, None))).unwrap();
        net.settle();
        let invite = net.one(r);
        net.say(r, a, &respond(&invite, 200, "t", &contact(r), OFFER));
        net.settle();
        assert!(net.inbox(r).is_empty());
        if ours {
            net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        } else {
            let bye = RawDialog::called(r, &invite, "t").request("BYE", "", "");
            net.say(r, a, &bye);
        }
        net.settle();
        let seen = kinds(&net.inbox(r));
        assert!(seen.contains(&"ACK".to_owned()), "{seen:?}");
        assert_eq!(seen.contains(&"BYE".to_owned()), ours);
        net.assert_nothing_left();
    }
}

#[test]
fn rfc5057_5_1_failures_of_requests_in_the_dialog() {
    // (method, status or 0 for silence, the call ends)
    for (method, status, ends) in [
        (Method::Options, 481, true),
        (Method::Info, 481, true),
        (Method::Options, 408, true),
        (Method::Message, 0, true),
        (Method::Info, 408, false),
        (Method::Info, 0, false),
        (Method::Info, 404, false),
        (Method::Options, 405, false),
        (Method::Options, 501, false),
        (Method::Message, 500, false),
        (Method::Info, 503, false),
        (Method::Info, 603, false),
        (Method::Update, 404, true),
        (Method::Update, 483, true),
        (Method::Update, 488, false),
        (Method::Update, 504, false),
        (Method::Notify, 481, false),
        (Method::Notify, 408, false),
        (Method::Notify, 0, false),
    ] {
        let mut net = Network::new();
        let (a, r, s, _) = calls(&mut net);
        let tx = net.turn(a, |turn| turn.in_dialog(s, method.clone(), Lines::default(), None)).unwrap();
        net.settle();
        let request = net.one(r);
        if status != 0 {
            net.say(r, a, &respond(&request, status, "", "", ""));
            net.settle();
        } else {
            net.run(33_000);
        }
        let events = net.events(a);
        let told = events.iter().any(|event| match event {
            crate::Event::Response { tx: of, response, .. } => *of == tx && response.code().get() == status,
            crate::Event::RequestFailed { tx: of, .. } => *of == tx && status == 0,
            _ => false,
        });
        assert!(told, "{events:?}");
        let ended = events.iter().find_map(|event| match event {
            crate::Event::Session(_, event) => code(event),
            _ => None,
        });
        let expected = ends.then_some(if status == 0 { 408 } else { status });
        assert_eq!(ended, expected, "{method} {status}");
        assert_eq!(kinds(&net.inbox(r)).contains(&"BYE".to_owned()), ends, "{method} {status}");
        if !ends {
            net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        }
        net.assert_nothing_left();
    }
}
