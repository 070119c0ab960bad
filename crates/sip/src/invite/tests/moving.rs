//! Sessions and INVITEs that go to another shard: what comes for them finds them there.

use std::time::Duration;

use super::forks::{contact_named, forked};
use super::network::*;
use super::{NO_CODE, called, calls, rings};
use crate::Shard;
use crate::id::SessionId;
use crate::invite::{Forks, Named, NamedDialog, SessionTimer};
use crate::message::{Lines, Method};
use crate::stack::StackError;
use crate::uas::TIMER;

fn shard(node: usize) -> Shard {
    Shard(node as u8)
}

/// Moves a session from `a` to a new stack; that one, and the session there.
fn moves(net: &mut Network, a: usize, s: SessionId) -> (usize, SessionId) {
    let b = net.stack(|config| config.supported.push(TIMER.to_owned()));
    assert!(net.turn(a, |turn| turn.is_at_rest(s)));
    let released = net.turn(a, |turn| turn.release(s)).unwrap();
    let call_id = released.call_id().to_owned();
    net.turn(a, |turn| turn.is_away(&call_id, shard(b))).unwrap();
    assert_eq!(net.turn(a, |turn| turn.shard_of_call(&call_id)), shard(b));
    assert_eq!((net.usage(a).sessions, net.usage(a).dialogs, net.usage(a).away), (0, 0, 1));
    let t = net.turn(b, |turn| turn.take_in(released)).unwrap();
    (b, t)
}

#[test]
fn rfc3261_12_2_a_dialog_that_moves_goes_on_with_its_numbers_and_ends_from_either_side() {
    for by_peer in [true, false] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = called(&mut net);
        let (b, t) = moves(&mut net, a, s);
        let info = peer.request("INFO", "", "");
        net.say(r, a, &info);
        net.settle();
        assert_eq!((net.news(a).len(), net.news(b)), (0, vec!["Request".to_owned()]));
        let lower = peer.numbered("INFO", 1, "", "");
        net.say(r, a, &lower);
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["500 INFO"], "the numbers go on");
        net.turn(b, |turn| turn.in_dialog(t, Method::Info, Lines::default(), None)).unwrap();
        net.settle();
        let ours = net.one(r);
        // The response comes to the shard of the Call-ID.
        net.say(r, a, &respond(&ours, 200, "", "", ""));
        net.settle();
        assert_eq!(net.news(b), ["Response"]);
        if by_peer {
            let bye = peer.request("BYE", "", "");
            net.say(r, a, &bye);
            net.settle();
            assert_eq!(kinds(&net.inbox(r)), ["200 BYE", "487 INFO"]);
            assert_eq!(net.news(b), ["Ended"]);
        } else {
            net.turn(b, |turn| turn.hangup(t, NO_CODE, Lines::default())).unwrap();
            net.settle();
            let bye = net.inbox(r).pop().unwrap();
            assert_eq!(kind(&bye), "BYE");
            net.say(r, a, &respond(&bye, 200, "", "", ""));
            net.settle();
        }
        net.turn(a, |turn| turn.over_there(&peer.call_id));
        net.run(31_000);
        assert_eq!(net.usage(a).away, 1, "repeats still find it");
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_13_2_2_4_the_2xx_again_is_acknowledged_by_the_shard_that_the_session_went_to() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    let ours = net.log.iter().find(|(_, from, _, _)| *from == a).unwrap().3.clone();
    let acks = |net: &Network| net.log.iter().filter(|(_, _, _, text)| kind(text) == "ACK").count();
    let (b, _) = moves(&mut net, a, s);
    assert_eq!(acks(&net), 1);
    net.say(r, a, &respond(&ours, 200, "rawtag", &contact(r), ANSWER));
    net.settle();
    assert_eq!((kinds(&net.inbox(r)), acks(&net)), (vec!["ACK".to_owned()], 2));
    assert!(net.news(b).is_empty());
    let bye = peer.request("BYE", "", "");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(net.news(b), ["Ended"]);
    net.turn(a, |turn| turn.over_there(&peer.call_id));
    net.assert_nothing_left();
}

#[test]
fn rfc4028_10_a_session_that_moves_ends_when_it_would_have_ended() {
    let mut net = Network::new();
    let interval = |config: &mut crate::Config| {
        config.supported.push(TIMER.to_owned());
        config.session.timer = SessionTimer { interval: Some(Duration::from_secs(90)), ..SessionTimer::default() };
    };
    let (a, r) = (net.stack(interval), net.raw());
    let mut peer = RawDialog::calling(r, a);
    let invite = peer.request("INVITE", "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", OFFER);
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    peer.learn(&net.inbox(r).pop().unwrap());
    let ack = peer.numbered("ACK", 1, "", "");
    net.say(r, a, &ack);
    net.run(40_000);
    net.inbox(r);
    let (b, _) = moves(&mut net, a, s);
    // 90 s less a third (RFC 4028 section 10), counted from the answer.
    net.run(19_000);
    assert!(net.inbox(r).is_empty());
    net.run(2_000);
    assert_eq!(kinds(&net.inbox(r)).first().map(String::as_str), Some("BYE"));
    assert_eq!(net.news(b), ["Ended"]);
    net.turn(a, |turn| turn.over_there(&peer.call_id));
    net.assert_nothing_left();
}

#[test]
fn an_invite_is_answered_by_another_shard_and_its_repeats_ack_and_cancel_follow() {
    for cancelled in [false, true] {
        let mut net = Network::new();
        let (a, r, tx, mut peer, invite) = rings(&mut net);
        let b = net.stack(|_| {});
        let (request, origin) = net.turn(a, |turn| turn.give_away(tx, shard(b))).unwrap();
        assert_eq!(net.turn(a, |turn| turn.give_away(tx, shard(b))).unwrap_err(), StackError::Gone);
        assert_eq!((net.usage(a).server_transactions, net.usage(a).kept_octets), (0, 0));
        net.turn(b, |turn| turn.receive(&origin, request.bytes().clone()));
        let there = incoming(&net.events(b));
        net.say(r, a, &invite);
        net.settle();
        assert!(net.news(b).is_empty(), "a repeat");
        let s = net.turn(b, |turn| turn.session(there)).unwrap();
        if cancelled {
            net.say(r, a, &cancel(&invite));
            net.settle();
            assert_eq!(net.news(b), ["Cancelled"]);
            assert!(kinds(&net.inbox(r)).ends_with(&["200 CANCEL".to_owned(), "487 INVITE".to_owned()]));
        } else {
            net.turn(b, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
            net.settle();
            peer.learn(&net.inbox(r).pop().unwrap());
            let ack = peer.numbered("ACK", 1, "", "");
            net.say(r, a, &ack);
            net.settle();
            assert_eq!(net.news(b), ["Acked"]);
            let bye = peer.request("BYE", "", "");
            net.say(r, a, &bye);
            net.settle();
            assert_eq!(net.news(b), ["Ended"]);
        }
        assert!(net.news(a).is_empty());
        net.turn(a, |turn| turn.over_there(&peer.call_id));
        net.assert_nothing_left();
    }
}

#[test]
fn what_is_under_way_keeps_a_session_where_it_is_and_another_call_of_the_peer_is_not_sent_on() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = called(&mut net);
    let client = net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    assert!(!net.turn(a, |turn| turn.is_at_rest(s)));
    assert!(matches!(net.turn(a, |turn| turn.release(s)), Err(StackError::State(_))));
    net.settle();
    let ours = net.one(r);
    net.say(r, a, &respond(&ours, 200, "", "", ""));
    net.settle();
    assert_eq!(response_code(&net.events(a), client), 200);
    let (b, _) = moves(&mut net, a, s);
    let mut other = RawDialog::calling(r, a);
    other.call_id.push('x');
    net.say(r, a, &other.request("INVITE", "", OFFER).replace("z9hG4bK", "z9hG4bKother"));
    net.settle();
    assert_eq!((net.news(a), net.news(b).len()), (vec!["Request".to_owned()], 0));
    // It comes back: nothing is sent on any more.
    net.turn(a, |turn| turn.is_here(&peer.call_id));
    let bye = peer.request("BYE", "", "");
    net.inbox(r);
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["481 BYE"]);
    assert!(net.news(b).is_empty());
}

/// What has moved has not ended: who asks for it here is sent on, and refused only where nothing is known of it.
#[test]
fn rfc3891_3_a_call_that_has_moved_is_not_said_to_have_ended() {
    let mut net = Network::new();
    let (a, _, s, peer) = called(&mut net);
    let tag = |value: &str| tag(value).to_owned();
    let name = NamedDialog {
        call_id: peer.call_id.clone(),
        local_tag: tag(&peer.remote),
        remote_tag: tag(&peer.local),
        early_only: false,
    };
    assert_eq!(net.turn(a, |turn| turn.named(&name)), Named::Standing(s));
    let (b, t) = moves(&mut net, a, s);
    assert_eq!(net.turn(a, |turn| turn.named(&name)), Named::Nothing);
    assert_eq!(net.turn(b, |turn| turn.named(&name)), Named::Standing(t));
}

#[test]
fn rfc3261_13_2_2_4_late_fork_of_a_call_that_has_moved_gets_ack_and_bye_there() {
    for (at, hung_up) in [(10_000, false), (10_000, true), (33_000, false)] {
        let mut net = Network::new();
        let (a, r, s, invite) = forked(&mut net, Forks::KeepFirst, false);
        net.say(r, a, &respond(&invite, 200, "one", &contact_named("one"), ANSWER));
        net.settle();
        net.inbox(r);
        let call_id = header(&invite, "Call-ID").to_owned();
        let (b, t) = moves(&mut net, a, s);
        if hung_up {
            net.turn(b, |turn| turn.hangup(t, NO_CODE, Lines::default())).unwrap();
            net.settle();
            let bye = net.one(r);
            net.say(r, a, &respond(&bye, 200, "", "", ""));
        }
        net.run(at);
        net.say(r, a, &respond(&invite, 200, "two", &contact_named("two"), ANSWER));
        net.settle();
        let inbox = net.inbox(r);
        // RFC 3261 section 13.2.2.4: 64*T1 after the first 2xx no other counts.
        let expected = if at < 32_000 { &["ACK", "BYE"][..] } else { &[] };
        assert_eq!(kinds(&inbox), expected, "{at} {hung_up}");
        assert!(inbox.iter().all(|text| tag(header(text, "To")) == "two"));
        if let [_, bye] = &inbox[..] {
            net.say(r, a, &respond(bye, 200, "", "", ""));
            net.settle();
        }
        if !hung_up {
            net.turn(b, |turn| turn.hangup(t, NO_CODE, Lines::default())).unwrap();
            net.settle();
            let bye = net.one(r);
            assert_eq!(tag(header(&bye, "To")), "one");
            net.say(r, a, &respond(&bye, 200, "", "", ""));
            net.settle();
        }
        net.turn(a, |turn| turn.over_there(&call_id));
        net.assert_nothing_left();
    }
}

/// A shard that is full gives the session back, which is hung up from there.
#[test]
fn rfc3261_15_1_1_a_session_that_finds_no_room_is_hung_up() {
    for (sessions, dialogs) in [(1, 0), (0, 1)] {
        let mut net = Network::new();
        let (a, r, s, peer) = called(&mut net);
        let b = net.stack(|config| (config.max_sessions, config.max_dialogs) = (sessions, dialogs));
        assert!(!net.turn(b, |turn| turn.has_room_for_sessions(1)));
        let released = net.turn(a, |turn| turn.release(s)).unwrap();
        net.turn(a, |turn| turn.is_away(&peer.call_id, shard(b))).unwrap();
        let (_, released) = net.turn(b, |turn| turn.take_in(released)).unwrap_err();
        let mut lines = Lines::new();
        lines.push("Reason", "SIP;cause=503").unwrap();
        net.turn(b, |turn| turn.dismiss(*released, lines)).unwrap();
        net.settle();
        let bye = net.one(r);
        assert_eq!((kind(&bye).as_str(), header(&bye, "Reason")), ("BYE", "SIP;cause=503"));
        assert_eq!((header(&bye, "Call-ID"), tag(header(&bye, "To"))), (&*peer.call_id, tag(&peer.local)));
        net.say(r, a, &respond(&bye, 200, "", "", ""));
        net.settle();
        assert_eq!(net.news(b), ["Response"]);
        net.turn(a, |turn| turn.over_there(&peer.call_id));
        net.assert_nothing_left();
    }
}

#[test]
fn a_call_is_away_until_the_last_of_its_dialogs_is_over_and_64_t1_longer() {
    let mut net = Network::new();
    let a = net.stack(|_| {});
    net.turn(a, |turn| {
        turn.is_away("1", Shard(7)).unwrap();
        turn.is_away("1", Shard(7)).unwrap();
        // What is there would be found by nobody any more.
        assert!(matches!(turn.is_away("1", Shard(8)), Err(StackError::State(_))));
        assert!(turn.may_be_away(&["1"], Shard(7)) && !turn.may_be_away(&["1"], Shard(8)));
        assert_eq!(turn.shard_of_call("1"), Shard(7));
        turn.over_there("1");
    });
    net.run(40_000);
    assert_eq!(net.usage(a).away, 1, "one of two is there");
    net.turn(a, |turn| turn.over_there("1"));
    net.run(20_000);
    // It comes to life again with another, and is over once more: counted from then. A call that could stay does not go there meanwhile.
    net.turn(a, |turn| {
        assert!(turn.may_be_away(&["1"], Shard(7)) && !turn.may_be_away(&["1"], Shard(8)));
        turn.is_away("1", Shard(8)).unwrap();
        turn.over_there("1");
        turn.over_there("1");
    });
    net.run(31_000);
    assert_eq!(net.usage(a).away, 1);
    net.run(2_000);
    assert_eq!(net.usage(a).away, 0);
    net.turn(a, |turn| {
        turn.is_away("1", Shard(7)).unwrap();
        turn.went_on("1", Shard(9));
        assert_eq!(turn.shard_of_call("1"), Shard(9));
        turn.is_away("1", Shard(9)).unwrap();
        turn.is_here("1");
        assert_eq!(turn.usage().away, 1, "another is still there");
        turn.is_here("1");
        turn.went_on("1", Shard(9));
    });
    net.assert_nothing_left();
}

/// Its end is told all the same.
#[test]
fn who_is_out_of_reach_does_not_take_another_of_his_call_id_along_when_he_ends() {
    let mut net = Network::new();
    let a = net.stack(|_| {});
    net.turn(a, |turn| {
        turn.is_away("1", Shard(7)).unwrap();
        assert!(matches!(turn.is_away("1", Shard(8)), Err(StackError::State(_))));
        turn.is_out_of_reach("1");
        // Of which nothing is known.
        turn.is_out_of_reach("2");
        turn.over_there("1");
    });
    net.run(40_000);
    assert_eq!(net.turn(a, |turn| (turn.shard_of_call("1"), turn.usage().away)), (Shard(7), 1), "the first stands");
    net.turn(a, |turn| turn.over_there("1"));
    net.assert_nothing_left();
}

#[test]
fn as_many_calls_are_away_as_the_limit_says() {
    let mut net = Network::new();
    let a = net.stack(|config| config.max_away = 2);
    net.turn(a, |turn| {
        assert!(turn.may_be_away(&["1", "2"], Shard(7)) && !turn.may_be_away(&["1", "2", "3"], Shard(7)));
        assert!(turn.is_away("1", Shard(7)).is_ok() && turn.is_away("2", Shard(7)).is_ok());
        assert_eq!(turn.is_away("3", Shard(7)), Err(StackError::Full { what: "calls with another shard", limit: 2 }));
        assert!(!turn.may_be_away(&["3"], Shard(7)));
        turn.went_on("2", Shard(8));
        turn.is_here("1");
        assert!(turn.is_away("3", Shard(7)).is_ok());
        turn.over_there("2");
        turn.over_there("3");
    });
    net.assert_nothing_left();
}

/// What is over is kept for what is late, and keeps nobody else from going.
#[test]
fn what_is_over_longest_makes_room_and_what_stands_does_not() {
    let mut net = Network::new();
    let a = net.stack(|config| config.max_away = 3);
    for call_id in ["stands", "1", "2"] {
        net.turn(a, |turn| turn.is_away(call_id, Shard(7))).unwrap();
    }
    for call_id in ["2", "1"] {
        net.turn(a, |turn| turn.over_there(call_id));
        net.run(1_000);
    }
    net.turn(a, |turn| {
        assert!(turn.may_be_away(&["3", "4"], Shard(7)));
        turn.is_away("3", Shard(7)).unwrap();
        // "2" was over before "1".
        turn.went_on("1", Shard(9));
        assert_eq!((turn.shard_of_call("1"), turn.shard_of_call("2")), (Shard(9), Shard(0)));
        turn.is_away("4", Shard(7)).unwrap();
        assert!(matches!(turn.is_away("5", Shard(7)), Err(StackError::Full { .. })));
        assert_eq!((turn.usage().away, turn.shard_of_call("stands")), (3, Shard(7)));
        ["stands", "3", "4"].into_iter().for_each(|call_id| turn.over_there(call_id));
    });
    net.assert_nothing_left();
}

#[test]
fn a_call_id_of_more_than_256_octets_keeps_a_call_where_it_is() {
    let mut net = Network::new();
    let a = net.stack(|_| {});
    let (longest, longer) = ("x".repeat(256), "x".repeat(257));
    net.turn(a, |turn| {
        assert!(turn.may_be_away(&[&longest], Shard(7)) && !turn.may_be_away(&["1", &longer], Shard(7)));
        assert!(matches!(turn.is_away(&longer, Shard(7)), Err(StackError::State(_))));
        assert!(turn.is_away(&longest, Shard(7)).is_ok());
        turn.over_there(&longest);
    });
    net.assert_nothing_left();
}

/// Two shards that send the same after each other.
#[test]
fn a_message_is_sent_after_its_call_three_times_at_most() {
    let mut net = Network::new();
    let (a, b, r) = (net.stack(|_| {}), net.stack(|_| {}), net.raw());
    let mut peer = RawDialog::calling(r, a);
    net.turn(a, |turn| turn.is_away(&peer.call_id, shard(b))).unwrap();
    net.turn(b, |turn| turn.is_away(&peer.call_id, shard(a))).unwrap();
    let bye = peer.request("BYE", "", "");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["481 BYE"]);
    let heard = |net: &mut Network, at| net.turn(at, |turn| turn.counters().requests_in);
    assert_eq!((heard(&mut net, a), heard(&mut net, b)), (2, 2), "there, back, and there again");
    // One that was given away stays.
    let options = peer.request("OPTIONS", "", "");
    net.turn(b, |turn| turn.receive_given(&path(b, r), options.clone().into()));
    assert_eq!(net.news(b), ["Request"]);
    for at in [a, b] {
        net.turn(at, |turn| turn.over_there(&peer.call_id));
    }
}

/// A REGISTER belongs to its user, whatever Call-ID it has.
#[test]
fn rfc3261_10_3_a_register_is_sent_after_no_call() {
    let mut net = Network::new();
    let (a, b, r) = (net.stack(|_| {}), net.stack(|_| {}), net.raw());
    let mut peer = RawDialog::calling(r, a);
    net.turn(a, |turn| turn.is_away(&peer.call_id, shard(b))).unwrap();
    let register = peer.request("REGISTER", "", "");
    net.say(r, a, &register);
    net.settle();
    assert_eq!((net.news(a), net.news(b)), (vec!["Request".to_owned()], vec![]));
    let options = peer.request("OPTIONS", "", "");
    net.say(r, a, &options);
    net.settle();
    assert_eq!((net.news(a), net.news(b)), (vec![], vec!["Request".to_owned()]), "the control");
    net.turn(a, |turn| turn.over_there(&peer.call_id));
}
