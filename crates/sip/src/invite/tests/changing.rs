//! re-INVITE of either side: RFC 3261 section 14.

use super::network::*;
use super::{NO_CODE, called, calls, code, rings, unacked};
use crate::draft::Hop;
use crate::id::SessionId;
use crate::message::Lines;

const HOLD: &str = "v=0\r\no=hold\r\n";

fn reinvite(net: &mut Network, a: usize, r: usize, s: SessionId) -> String {
    net.turn(a, |turn| turn.reinvite(s, sdp(HOLD), Lines::default())).unwrap();
    net.settle();
    let invite = net.one(r);
    assert_eq!(kind(&invite), "INVITE");
    invite
}

#[test]
fn rfc3261_14_1_reinvite_is_built_from_the_dialog() {
    let mut net = Network::new();
    let (a, r, s, peer) = calls(&mut net);
    let invite = reinvite(&mut net, a, r, s);
    assert!(invite.starts_with("INVITE sip:raw@10.0.0.2 "), "{invite}");
    assert_eq!((cseq(&invite), body(&invite)), (11, HOLD));
    assert_eq!((header(&invite, "From"), header(&invite, "To")), (peer.remote.as_str(), peer.local.as_str()));
    assert!(header(&invite, "Contact").contains("10.0.0.1"));
    net.say(r, a, &respond(&invite, 100, "", "", ""));
    net.say(r, a, &respond(&invite, 200, "", &contact(r), ANSWER));
    net.settle();
    let ack = net.one(r);
    assert_eq!((kind(&ack).as_str(), cseq(&ack)), ("ACK", 11));
    assert_eq!(net.news(a), ["Reinvited"]);
    net.say(r, a, &respond(&invite, 200, "", &contact(r), ANSWER));
    net.settle();
    assert_eq!(net.one(r), ack, "byte for byte");
}

#[test]
fn rfc3261_12_2_1_2_contact_in_the_2xx_of_a_reinvite_is_the_new_target() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    let invite = reinvite(&mut net, a, r, s);
    net.say(r, a, &respond(&invite, 200, "", "Contact: <sip:moved@10.0.0.2>\r\n", ANSWER));
    net.settle();
    assert!(net.one(r).starts_with("ACK sip:moved@10.0.0.2 "));
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    assert!(net.one(r).starts_with("BYE sip:moved@10.0.0.2 "));
}

#[test]
fn rfc3261_14_1_late_offer_in_a_reinvite_waits_for_the_answer() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    net.turn(a, |turn| turn.reinvite(s, None, Lines::default())).unwrap();
    net.settle();
    let invite = net.one(r);
    net.say(r, a, &respond(&invite, 200, "", &contact(r), OFFER));
    net.settle();
    assert!(net.inbox(r).is_empty());
    // Until the ACK is out, the INVITE transaction is not over for either side.
    let theirs = peer.request("INVITE", "", OFFER);
    net.say(r, a, &theirs);
    net.settle();
    assert!(kinds(&net.inbox(r)).contains(&"491 INVITE".to_owned()));
    net.events(a);
    net.turn(a, |turn| turn.ack(s, sdp(ANSWER))).unwrap();
    net.settle();
    let ack = net.inbox(r).into_iter().find(|text| kind(text) == "ACK").expect("an ACK");
    assert_eq!(body(&ack), ANSWER);
}

#[test]
fn rfc3261_14_1_refused_reinvite_leaves_the_call() {
    for status in [400, 415, 480, 488, 500, 503, 603] {
        let mut net = Network::new();
        let (a, r, s, _) = calls(&mut net);
        let invite = reinvite(&mut net, a, r, s);
        net.say(r, a, &respond(&invite, status, "", "", ""));
        net.settle();
        assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
        assert_eq!(pick(&net.events(a), |_, event| code(event)), status);
        reinvite(&mut net, a, r, s);
    }
}

#[test]
fn rfc3261_12_2_1_2_481_408_and_no_answer_to_a_reinvite_end_the_call() {
    for status in [481, 408, 404, 0] {
        let mut net = Network::new();
        let (a, r, s, _) = calls(&mut net);
        let invite = reinvite(&mut net, a, r, s);
        if status != 0 {
            net.say(r, a, &respond(&invite, status, "", "", ""));
            net.settle();
        } else {
            net.run(32_100);
        }
        let inbox = net.inbox(r);
        assert_eq!(kind(inbox.last().unwrap()), "BYE", "{:?}", kinds(&inbox));
        let expected = if status == 0 { 408 } else { status };
        assert_eq!(pick(&net.events(a), |_, event| code(event)), expected);
        net.say(r, a, &respond(inbox.last().unwrap(), 481, "", "", ""));
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_14_1_only_one_invite_transaction_at_a_time() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    let again = |net: &mut Network| net.turn(a, |turn| turn.reinvite(s, sdp(HOLD), Lines::default()));
    let invite = reinvite(&mut net, a, r, s);
    assert!(again(&mut net).is_err());
    net.say(r, a, &respond(&invite, 200, "", &contact(r), ANSWER));
    net.settle();
    let theirs = peer.request("INVITE", "", OFFER);
    net.say(r, a, &theirs);
    net.settle();
    assert!(again(&mut net).is_err(), "theirs waits for our answer");
    net.turn(a, |turn| turn.answer_reinvite(s, reply(200, sdp(ANSWER)))).unwrap();
    assert!(again(&mut net).is_err(), "our 2xx waits for its ACK");
    net.settle();
    let ack = peer.numbered("ACK", peer.cseq, "", "");
    net.say(r, a, &ack);
    net.settle();
    assert!(again(&mut net).is_ok());
}

#[test]
fn rfc3261_14_2_reinvite_of_the_peer_is_answered_and_acknowledged() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    peer.cseq = 500;
    let invite = peer.request("INVITE", "Contact: <sip:elsewhere@10.0.0.2>\r\n", HOLD);
    net.say(r, a, &invite);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["100 INVITE"]);
    assert_eq!(net.news(a), ["Reinvite"]);
    net.turn(a, |turn| {
        assert_eq!(turn.dialog_of(s).unwrap().remote_target(), "sip:raw@10.0.0.2", "not before it is accepted");
        turn.answer_reinvite(s, reply(200, sdp(ANSWER))).unwrap();
        assert_eq!(turn.dialog_of(s).unwrap().remote_target(), "sip:elsewhere@10.0.0.2");
        assert!(turn.answer_reinvite(s, reply(200, sdp(ANSWER))).is_err());
    });
    net.run(600);
    let oks = net.inbox(r);
    assert_eq!(kinds(&oks), ["200 INVITE", "200 INVITE"], "repeated at T1");
    assert!(header(&oks[0], "Contact").contains("10.0.0.1"));
    assert_eq!(tag(header(&oks[0], "To")), tag(&peer.remote));
    let ack = peer.numbered("ACK", 501, "", "");
    net.say(r, a, &ack);
    net.run(10_000);
    assert!(net.inbox(r).is_empty());
    assert_eq!(net.news(a), ["Acked"]);
}

#[test]
fn rfc3261_14_2_refused_reinvite_of_the_peer_changes_nothing() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = called(&mut net);
    let invite = peer.request("INVITE", "Contact: <sip:elsewhere@10.0.0.2>\r\n", HOLD);
    net.say(r, a, &invite);
    net.settle();
    net.turn(a, |turn| turn.answer_reinvite(s, reply(488, None))).unwrap();
    net.turn(a, |turn| assert_eq!(turn.dialog_of(s).unwrap().remote_target(), "sip:raw@10.0.0.2"));
    let next = peer.request("INVITE", "", HOLD);
    net.say(r, a, &next);
    net.settle();
    assert_eq!(net.news(a), ["Reinvite", "Reinvite"]);
}

#[test]
fn rfc3261_14_2_unacknowledged_reinvite_ends_the_call() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = called(&mut net);
    let invite = peer.request("INVITE", "", HOLD);
    net.say(r, a, &invite);
    net.settle();
    net.turn(a, |turn| turn.answer_reinvite(s, reply(200, sdp(ANSWER)))).unwrap();
    net.run(32_100);
    assert_eq!(net.news(a), ["Reinvite", "NoAck", "Ended"]);
    assert_eq!(kind(net.inbox(r).last().unwrap()), "BYE");
    net.assert_nothing_left();
}

/// Its 2xx may have been lost: nobody else would end the transaction of who hangs up meanwhile.
#[test]
fn rfc3261_13_3_1_4_the_2xx_to_a_reinvite_is_repeated_until_its_ack_though_a_bye_comes() {
    for (hung_up, acked) in [(false, true), (false, false), (true, true), (true, false)] {
        let mut net = Network::new();
        let (a, r, s, mut peer) = called(&mut net);
        let invite = peer.request("INVITE", "", HOLD);
        net.say(r, a, &invite);
        net.settle();
        net.turn(a, |turn| turn.answer_reinvite(s, reply(200, sdp(ANSWER)))).unwrap();
        let ack = peer.numbered("ACK", peer.cseq, "", "");
        if hung_up {
            net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        }
        let bye = peer.request("BYE", "", "");
        net.say(r, a, &bye);
        net.settle();
        net.inbox(r);
        assert_eq!(net.news(a), ["Reinvite", "Ended"]);
        net.run(600);
        assert_eq!(kinds(&net.inbox(r)), ["200 INVITE"], "{hung_up}");
        if acked {
            net.say(r, a, &ack);
        }
        net.run(40_000);
        assert_eq!(kinds(&net.inbox(r)).is_empty(), acked, "{hung_up}");
        assert!(net.news(a).is_empty(), "the end is the last that is told");
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_9_2_cancel_of_a_reinvite_is_487_and_the_call_stays() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = called(&mut net);
    let invite = peer.request("INVITE", "", HOLD);
    net.say(r, a, &invite);
    net.settle();
    net.inbox(r);
    net.say(r, a, &cancel(&invite));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["200 CANCEL", "487 INVITE"]);
    assert_eq!(net.news(a), ["Reinvite", "ReinviteCancelled"]);
    assert!(net.turn(a, |turn| turn.answer_reinvite(s, reply(200, None))).is_err());
    let next = peer.request("INVITE", "", HOLD);
    net.say(r, a, &next);
    net.settle();
    assert_eq!(net.news(a), ["Reinvite"]);
}

#[test]
fn rfc3261_14_2_second_invite_before_our_answer_is_500_with_retry_after() {
    // For the first INVITE of a call and for a re-INVITE.
    for first in [true, false] {
        let mut seen = std::collections::BTreeSet::new();
        let mut net = Network::new();
        let (a, r, s, mut peer) = if first {
            let (a, r, tx, mut peer, _) = rings(&mut net);
            let s = net.turn(a, |turn| turn.session(tx)).unwrap();
            net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
            net.settle();
            peer.learn(&net.one(r));
            (a, r, s, peer)
        } else {
            let (a, r, s, mut peer) = called(&mut net);
            let invite = peer.request("INVITE", "", HOLD);
            net.say(r, a, &invite);
            net.settle();
            net.inbox(r);
            net.news(a);
            (a, r, s, peer)
        };
        let mine = peer.cseq;
        for _ in 0..60 {
            let second = peer.request("INVITE", "", OFFER);
            net.say(r, a, &second);
            net.run(30);
            let answers: Vec<_> = net.inbox(r).into_iter().filter(|text| cseq(text) == peer.cseq).collect();
            assert_eq!(kinds(&answers), ["100 INVITE", "500 INVITE"]);
            seen.insert(header(&answers[1], "Retry-After").parse::<u32>().expect("a number"));
            let mut ack = peer.numbered("ACK", peer.cseq, "", "");
            ack = ack.replace(header(&ack, "Via"), header(&second, "Via"));
            net.say(r, a, &ack);
        }
        assert!(seen.len() > 5 && seen.iter().all(|seconds| *seconds <= 10), "{seen:?}");
        assert!(net.news(a).is_empty());
        net.turn(a, |turn| {
            if first {
                turn.answer(s, reply(200, sdp(ANSWER)))
            } else {
                turn.answer_reinvite(s, reply(200, sdp(ANSWER)))
            }
        })
        .unwrap();
        net.settle();
        let ok = net.inbox(r).into_iter().find(|text| kind(text) == "200 INVITE").expect("the first goes on");
        assert_eq!(cseq(&ok), mine);
    }
}

#[test]
fn rfc3261_14_2_invite_while_ours_is_pending_is_491() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    let ours = reinvite(&mut net, a, r, s);
    let theirs = peer.request("INVITE", "", HOLD);
    net.say(r, a, &theirs);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["100 INVITE", "491 INVITE"]);
    net.say(r, a, &respond(&ours, 200, "", &contact(r), ANSWER));
    net.settle();
    assert!(kinds(&net.inbox(r)).contains(&"ACK".to_owned()));
    assert_eq!(net.news(a), ["Reinvited"]);
}

#[test]
fn rfc3261_14_2_invite_before_the_ack_is_491_and_does_not_count_as_one() {
    let mut net = Network::new();
    let (a, r, _, mut peer, _) = unacked(&mut net);
    let early = peer.request("INVITE", "", HOLD);
    net.say(r, a, &early);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["100 INVITE", "491 INVITE"]);
    net.run(500);
    assert!(kinds(&net.inbox(r)).contains(&"200 INVITE".to_owned()), "still repeated");
    assert!(net.news(a).is_empty());
    let ack = peer.numbered("ACK", 1, "", "");
    net.say(r, a, &ack);
    net.settle();
    assert_eq!(net.news(a), ["Acked"]);
}

#[test]
fn rfc3261_14_1_491_is_followed_by_one_retry() {
    // 2.1 to 4.0 s when the Call-ID is ours, 0 to 2.0 s when it is theirs, in steps of 10 ms.
    for ours in [true, false] {
        let mut waits = std::collections::BTreeSet::new();
        for round in 0..12 {
            let mut net = Network::new();
            for _ in 0..round {
                // Another seed for each round.
                net.raw();
            }
            let (a, r) = (net.stack(|_| {}), net.raw());
            let (a, r, s, _) = match ours {
                true => super::calls_between(&mut net, a, r),
                false => super::called_between(&mut net, a, r),
            };
            let first = reinvite(&mut net, a, r, s);
            net.say(r, a, &respond(&first, 491, "", "", ""));
            let refused = net.millis() + WAY;
            net.run(4_100);
            let (at, _, _, second) = net
                .log
                .iter()
                .find(|(_, from, _, text)| *from == a && kind(text) == "INVITE" && cseq(text) > cseq(&first))
                .cloned()
                .expect("a second try");
            let wait = at - refused;
            waits.insert(wait);
            assert!(if ours { (2_100..=4_000).contains(&wait) } else { wait <= 2_001 }, "{wait}");
            assert!(wait % 10 <= 1, "{wait}: in steps of 10 ms, no earlier than the next tick");
            assert_eq!((cseq(&second), body(&second)), (cseq(&first) + 1, HOLD));
            assert!(net.news(a).is_empty(), "nothing is told of the first");
            net.say(r, a, &respond(&second, 491, "", "", ""));
            net.run(10_000);
            assert_eq!(pick(&net.events(a), |_, event| code(event)), 491);
            let invites = net.log.iter().filter(|(_, from, _, text)| *from == a && kind(text) == "INVITE").count();
            let expected = if ours { 3 } else { 2 };
            assert!(invites >= expected && net.inbox(r).iter().all(|text| cseq(text) <= cseq(&second)), "no third try");
            net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
            net.assert_nothing_left();
        }
        assert!(waits.len() > 6, "random: {waits:?}");
    }
}

#[test]
fn rfc3261_14_1_retry_waits_for_the_peers_own_reinvite() {
    let mut net = Network::new();
    let (a, r, s, mut peer) = calls(&mut net);
    let first = reinvite(&mut net, a, r, s);
    net.say(r, a, &respond(&first, 491, "", "", ""));
    net.settle();
    net.inbox(r);
    let theirs = peer.request("INVITE", "", OFFER);
    net.say(r, a, &theirs);
    net.settle();
    assert_eq!(net.news(a), ["Reinvite"], "taken while we wait");
    net.run(5_000);
    assert!(!kinds(&net.inbox(r)).contains(&"INVITE".to_owned()), "not over theirs");
    net.turn(a, |turn| turn.answer_reinvite(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    net.inbox(r);
    let ack = peer.numbered("ACK", peer.cseq, "", "");
    net.say(r, a, &ack);
    net.settle();
    let second = net.one(r);
    assert_eq!((kind(&second).as_str(), body(&second)), ("INVITE", HOLD));
    net.say(r, a, &respond(&second, 200, "", &contact(r), ANSWER));
    net.settle();
    assert_eq!(net.news(a), ["Acked", "Reinvited"]);
}

#[test]
fn rfc3261_14_1_hangup_while_a_retry_waits() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    let first = reinvite(&mut net, a, r, s);
    net.say(r, a, &respond(&first, 491, "", "", ""));
    net.settle();
    net.inbox(r);
    assert!(net.turn(a, |turn| turn.reinvite(s, None, Lines::default())).is_err());
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.run(10_000);
    assert!(net.inbox(r).is_empty(), "no re-INVITE after the BYE");
    net.assert_nothing_left();
}

/// Whatever they write into their Request-URI.
#[test]
fn rfc5630_5_1_2_contact_in_the_answer_to_a_target_refresh_stays_sips() {
    for (asked, told) in [("sips:", "<sips:"), ("sip:", "<sip:")] {
        let mut net = Network::new();
        let (a, r) = (net.stack(|_| {}), net.raw());
        let mut draft = invitation(a, r, sdp(OFFER));
        draft.uri = draft.uri.to_string().replace("sip:", asked).parse().unwrap();
        draft.hop = Hop::Path(path(a, r));
        let s = net.turn(a, |turn| turn.invite(draft)).unwrap();
        net.settle();
        let invite = net.one(r);
        assert!(invite.starts_with(&format!("INVITE {asked}")), "{invite}");
        net.say(r, a, &respond(&invite, 200, "rawtag", &contact(r), ANSWER));
        net.settle();
        net.inbox(r);
        let mut peer = RawDialog::called(r, &invite, "rawtag");
        let theirs = peer.request("INVITE", "", OFFER);
        net.say(r, a, &theirs);
        net.settle();
        net.turn(a, |turn| turn.answer_reinvite(s, reply(200, sdp(ANSWER)))).unwrap();
        net.settle();
        let ok = net.inbox(r).pop().unwrap();
        assert_eq!(kind(&ok), "200 INVITE");
        assert!(header(&ok, "Contact").starts_with(told), "{ok}");
    }
}
