//! Several user agents behind one INVITE: RFC 3261 sections 13.2.2.1 and 13.2.2.4.

use super::network::*;
use super::{NO_CODE, code};
use crate::id::SessionId;
use crate::invite::{By, Forks, SessionEvent};
use crate::message::{Lines, Method};

/// A stack that calls two scripted peers through one address: `r` gives every response.
pub(super) fn forked(net: &mut Network, forks: Forks, late: bool) -> (usize, usize, SessionId, String) {
    let (a, r) = (net.stack(|config| config.session.forks = forks), net.raw());
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, if late { None } else { sdp(OFFER) }))).unwrap();
    net.settle();
    let invite = net.one(r);
    (a, r, s, invite)
}

pub(super) fn contact_named(name: &str) -> String {
    format!("Contact: <sip:{name}@10.0.0.2>\r\n")
}

#[test]
fn rfc3261_13_2_2_1_forked_1xx_make_early_dialogs() {
    let mut net = Network::new();
    let (a, r, s, invite) = forked(&mut net, Forks::KeepFirst, false);
    for tag in ["one", "two", "one", "three"] {
        net.say(r, a, &respond(&invite, 180, tag, &contact_named(tag), ""));
    }
    net.settle();
    assert_eq!(net.usage(a).dialogs, 3);
    let forks: Vec<_> = net
        .events(a)
        .iter()
        .filter_map(|event| match event {
            crate::Event::Session(_, SessionEvent::Progress { fork, .. }) => *fork,
            _ => None,
        })
        .collect();
    assert_eq!(forks.len(), 4);
    assert_eq!(forks[0], forks[2]);
    let targets: Vec<_> =
        forks.iter().map(|fork| net.turn(a, |turn| turn.dialog(*fork).unwrap().remote_target().to_owned())).collect();
    assert_eq!(targets, ["sip:one@10.0.0.2", "sip:two@10.0.0.2", "sip:one@10.0.0.2", "sip:three@10.0.0.2"]);
    let tx = net.turn(a, |turn| turn.in_fork(s, forks[1], Method::Info, Lines::default(), None)).unwrap();
    net.settle();
    let info = net.one(r);
    assert!(info.starts_with("INFO sip:two@10.0.0.2 "), "{info}");
    assert_eq!((tag(header(&info, "To")), cseq(&info)), ("two", 11));
    net.say(r, a, &respond(&info, 200, "", "", ""));
    net.settle();
    assert_eq!(response_code(&net.events(a), tx), 200);
    net.say(r, a, &respond(&invite, 486, "one", "", ""));
    net.settle();
    assert_eq!(net.usage(a).dialogs, 0);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_13_2_2_4_every_forked_2xx_is_acked_and_later_ones_get_bye() {
    for early in [false, true] {
        let mut net = Network::new();
        let (a, r, s, invite) = forked(&mut net, Forks::KeepFirst, false);
        if early {
            for tag in ["one", "two"] {
                net.say(r, a, &respond(&invite, 180, tag, &contact_named(tag), ""));
            }
        }
        let oks: Vec<String> =
            ["one", "two", "three"].iter().map(|tag| respond(&invite, 200, tag, &contact_named(tag), ANSWER)).collect();
        for ok in &oks {
            net.say(r, a, ok);
        }
        net.settle();
        let inbox = net.inbox(r);
        let seen: Vec<(String, String)> =
            inbox.iter().map(|text| (kind(text), tag(header(text, "To")).to_owned())).collect();
        let expected = [("ACK", "one"), ("ACK", "two"), ("BYE", "two"), ("ACK", "three"), ("BYE", "three")];
        assert_eq!(seen, expected.map(|(kind, tag)| (kind.to_owned(), tag.to_owned())));
        assert!(inbox[2].starts_with("BYE sip:two@10.0.0.2 "), "{}", inbox[2]);
        assert_eq!(cseq(&inbox[2]), 11);
        for bye in [&inbox[2], &inbox[4]] {
            net.say(r, a, &respond(bye, 200, "", "", ""));
        }
        let news = net.news(a);
        assert_eq!(news.last().map(String::as_str), Some("Answered"));
        assert_eq!(news.iter().filter(|name| *name != "Progress").count(), 1, "nothing of the others");
        net.settle();
        for (ok, ack) in oks.iter().zip([&inbox[0], &inbox[1], &inbox[3]]) {
            net.say(r, a, ok);
            net.settle();
            assert_eq!(net.one(r), *ack, "each repeat gets the ACK of its own dialog");
        }
        net.turn(a, |turn| assert_eq!(turn.dialog_of(s).unwrap().remote_tag(), "one"));
        net.run(40_000);
        assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (1, 1));
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_13_2_2_4_all_forks_may_be_handed_to_the_application() {
    let mut net = Network::new();
    let (a, r, s, invite) = forked(&mut net, Forks::HandAll, false);
    for tag in ["one", "two"] {
        net.say(r, a, &respond(&invite, 200, tag, &contact_named(tag), ANSWER));
    }
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["ACK", "ACK"]);
    let other = pick(&net.events(a), |_, event| match event {
        SessionEvent::Forked { session, ack_due: false, .. } => Some(*session),
        _ => None,
    });
    assert_ne!(other, s);
    for (session, tag) in [(s, "one"), (other, "two")] {
        net.turn(a, |turn| assert_eq!(turn.dialog_of(session).unwrap().remote_tag(), tag));
    }
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    assert_eq!(tag(header(&bye, "To")), "one");
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.run(40_000);
    assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (1, 1), "the other goes on");
    net.turn(a, |turn| turn.hangup(other, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}

#[test]
fn rfc3261_13_2_2_4_late_offers_of_forks_are_answered_each() {
    let mut net = Network::new();
    let (a, r, s, invite) = forked(&mut net, Forks::HandAll, true);
    for tag in ["one", "two"] {
        net.say(r, a, &respond(&invite, 200, tag, &contact_named(tag), OFFER));
    }
    net.settle();
    assert!(net.inbox(r).is_empty());
    let other = pick(&net.events(a), |_, event| match event {
        SessionEvent::Forked { session, ack_due: true, .. } => Some(*session),
        _ => None,
    });
    for session in [other, s] {
        net.turn(a, |turn| turn.ack(session, sdp(ANSWER))).unwrap();
    }
    net.settle();
    let acks = net.inbox(r);
    assert_eq!(acks.iter().map(|ack| tag(header(ack, "To"))).collect::<Vec<_>>(), ["two", "one"]);
    assert!(acks.iter().all(|ack| body(ack) == ANSWER));
}

#[test]
fn rfc3261_13_2_2_4_late_fork_after_the_call_has_ended_gets_ack_and_bye() {
    for forks in [Forks::KeepFirst, Forks::HandAll] {
        let mut net = Network::new();
        let (a, r, s, invite) = forked(&mut net, forks, false);
        net.say(r, a, &respond(&invite, 200, "one", &contact_named("one"), ANSWER));
        net.settle();
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.settle();
        let bye = net.inbox(r).pop().unwrap();
        net.say(r, a, &respond(&bye, 200, "", "", ""));
        net.run(10_000);
        assert_eq!(net.news(a), ["Answered", "Ended"]);
        net.say(r, a, &respond(&invite, 200, "two", &contact_named("two"), ANSWER));
        net.settle();
        let inbox = net.inbox(r);
        assert_eq!(kinds(&inbox), ["ACK", "BYE"]);
        assert!(inbox.iter().all(|text| tag(header(text, "To")) == "two"));
        assert!(net.news(a).is_empty());
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_12_1_2_a_second_call_with_the_call_id_and_tags_of_a_first_ends_at_once() {
    for hung_up in [false, true] {
        let mut net = Network::new();
        let (a, r) = (net.stack(|_| {}), net.raw());
        let call = |net: &mut Network, cseq| {
            let mut draft = invitation(a, r, sdp(OFFER));
            (draft.from, draft.call_id, draft.cseq) = ("<sip:alice@10.0.0.1>;tag=same".into(), "same".into(), cseq);
            let s = net.turn(a, |turn| turn.invite(draft)).unwrap();
            net.settle();
            let invite = net.inbox(r).pop().unwrap();
            net.say(r, a, &respond(&invite, 200, "theirs", &contact(r), ANSWER));
            net.settle();
            s
        };
        let first = call(&mut net, 10);
        let hang_up = |net: &mut Network| {
            net.turn(a, |turn| turn.hangup(first, NO_CODE, Lines::default())).unwrap();
            net.settle();
            net.inbox(r).pop().unwrap()
        };
        let bye = hung_up.then(|| hang_up(&mut net));
        call(&mut net, 20);
        let news = net.news(a);
        assert_eq!(news.last().map(String::as_str), Some("Failed"), "{news:?}");
        assert_eq!(net.usage(a).sessions, 1, "hung up: {hung_up}");
        let bye = bye.unwrap_or_else(|| hang_up(&mut net));
        net.say(r, a, &respond(&bye, 200, "", "", ""));
        net.run(100_000);
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_13_2_2_4_early_dialogs_without_2xx_end_after_64_t1() {
    let mut net = Network::new();
    let (a, r, _, invite) = forked(&mut net, Forks::KeepFirst, false);
    for tag in ["one", "two"] {
        net.say(r, a, &respond(&invite, 180, tag, &contact_named(tag), ""));
    }
    net.say(r, a, &respond(&invite, 200, "one", &contact_named("one"), ANSWER));
    net.run(1_000);
    let info = RawDialog::called(r, &invite, "two").request("INFO", "", "");
    net.say(r, a, &info);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["ACK", "481 INFO"], "the fork that lost has no session");
    net.run(29_900);
    assert_eq!(net.usage(a).dialogs, 2);
    net.run(1_100);
    assert_eq!(net.usage(a).dialogs, 1);
}

#[test]
fn rfc3261_12_1_2_forks_of_one_invite_have_a_limit() {
    let mut net = Network::new();
    let a = net.stack(|config| config.session.max_forks = 3);
    let r = net.raw();
    net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let invite = net.one(r);
    for n in 0..10 {
        net.say(r, a, &respond(&invite, 180, &format!("t{n}"), &contact(r), ""));
    }
    net.settle();
    assert_eq!(net.usage(a).dialogs, 3);
    assert_eq!(net.news(a).len(), 3);
    net.say(r, a, &respond(&invite, 200, "t2", &contact(r), ANSWER));
    for n in 5..10 {
        net.say(r, a, &respond(&invite, 200, &format!("t{n}"), &contact(r), ANSWER));
    }
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["ACK"], "one that is known is accepted; no memory for the others");
}

/// In which order three calls may end.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
const TAGS: [&str; 3] = ["one", "two", "three"];

/// What the user agent of that tag says in its dialog, in a transaction of its own.
fn said_by(tag: &str, node: usize, invite: &str, method: &str) -> String {
    let text = RawDialog::called(node, invite, tag).request(method, "", "");
    text.replace("z9hG4bK", &format!("z9hG4bK{tag}{method}"))
}

#[test]
fn cve_dialog_set_calls_of_one_invite_end_in_every_order_and_each_by_itself() {
    // Who ends them, call by call: a bit for each.
    for (order, ours) in ORDERS.iter().flat_map(|order| (0_u8..8).map(move |ours| (order, ours))) {
        let mut net = Network::new();
        let (a, r, s, invite) = forked(&mut net, Forks::HandAll, false);
        for tag in TAGS {
            net.say(r, a, &respond(&invite, 180, tag, &contact_named(tag), ""));
        }
        for tag in TAGS {
            net.say(r, a, &respond(&invite, 200, tag, &contact_named(tag), ANSWER));
            // Somebody else's answer that has the tags of this one: the same dialog, which goes on where it went.
            net.say(r, a, &respond(&invite, 200, tag, &contact_named("other"), ANSWER));
        }
        net.settle();
        let acks = net.inbox(r);
        let acked = |wanted: &str| acks.iter().any(|ack| tag(header(ack, "To")) == wanted);
        assert!(TAGS.iter().all(|tag| acked(tag)) && kinds(&acks).iter().all(|kind| kind == "ACK"), "{acks:?}");
        let events = net.events(a);
        let others = events.iter().filter_map(|event| match event {
            crate::Event::Session(_, SessionEvent::Forked { session, .. }) => Some(*session),
            _ => None,
        });
        let calls: Vec<SessionId> = [s].into_iter().chain(others).collect();
        assert_eq!((calls.len(), net.usage(a).dialogs), (3, 3));
        for (ended, call) in order.iter().enumerate() {
            let name = TAGS[*call];
            if (ours >> call) & 1 == 1 {
                net.turn(a, |turn| turn.hangup(calls[*call], NO_CODE, Lines::default())).unwrap();
                net.settle();
                let bye = net.one(r);
                assert!(bye.starts_with(&format!("BYE sip:{name}@10.0.0.2 ")), "{bye}");
                assert_eq!(tag(header(&bye, "To")), name);
                net.say(r, a, &respond(&bye, 200, "", "", ""));
            } else {
                net.say(r, a, &said_by(name, r, &invite, "BYE"));
                net.settle();
                assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
            }
            net.run(40_000);
            assert_eq!(net.usage(a).dialogs, 2 - ended, "{order:?} {ours:b}");
            for left in &order[ended + 1..] {
                let remote = net.turn(a, |turn| turn.dialog_of(calls[*left]).unwrap().remote_tag().to_owned());
                assert_eq!(remote, TAGS[*left], "{order:?} {ours:b}");
            }
            net.say(r, a, &said_by(name, r, &invite, "INFO"));
            net.settle();
            assert_eq!(kinds(&net.inbox(r)), ["481 INFO"], "nothing is left of it");
        }
        net.assert_nothing_left();
    }
}

#[test]
fn cve_dialog_set_early_dialogs_of_one_invite_end_in_every_order() {
    for order in ORDERS {
        for answered in 0..=3 {
            let mut net = Network::new();
            let (a, r, s, invite) = forked(&mut net, Forks::KeepFirst, false);
            for tag in TAGS {
                net.say(r, a, &respond(&invite, 180, tag, &contact_named(tag), ""));
            }
            net.settle();
            // So many leave before one answers, or none does.
            for call in &order[..answered] {
                net.say(r, a, &said_by(TAGS[*call], r, &invite, "BYE"));
                net.settle();
                assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
            }
            match order.get(answered) {
                Some(call) => {
                    net.say(r, a, &respond(&invite, 200, TAGS[*call], &contact_named(TAGS[*call]), ANSWER));
                    net.run(40_000);
                    assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
                    assert_eq!((net.usage(a).sessions, net.usage(a).dialogs), (1, 1), "{order:?} {answered}");
                    let remote = net.turn(a, |turn| turn.dialog_of(s).unwrap().remote_tag().to_owned());
                    assert_eq!(remote, TAGS[*call]);
                    net.say(r, a, &said_by(TAGS[*call], r, &invite, "BYE"));
                }
                None => net.say(r, a, &respond(&invite, 487, "none", "", "")),
            }
            net.settle();
            net.assert_nothing_left();
        }
    }
}

#[test]
fn rfc3261_15_bye_that_overtakes_its_2xx_ends_the_call() {
    let mut net = Network::new();
    let (a, r, _, invite) = forked(&mut net, Forks::KeepFirst, false);
    net.say(r, a, &respond(&invite, 180, "one", &contact_named("one"), ""));
    net.settle();
    let mut peer = RawDialog::called(r, &invite, "one");
    let bye = peer.request("BYE", "", "");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
    assert_eq!(net.news(a), ["Progress"], "the INVITE has no final response yet");
    net.say(r, a, &respond(&invite, 200, "one", &contact_named("one"), ANSWER));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["ACK"], "and no BYE");
    let by = pick(&net.events(a), |_, event| match event {
        SessionEvent::Ended { by, .. } => Some(*by),
        _ => None,
    });
    assert_eq!(by, By::Peer);
    net.assert_nothing_left();
}

#[test]
fn rfc3261_15_bye_in_one_early_dialog_leaves_the_others() {
    let mut net = Network::new();
    let (a, r, _, invite) = forked(&mut net, Forks::KeepFirst, false);
    for tag in ["one", "two"] {
        net.say(r, a, &respond(&invite, 180, tag, &contact_named(tag), ""));
    }
    net.settle();
    let bye = RawDialog::called(r, &invite, "one").request("BYE", "", "");
    net.say(r, a, &bye);
    net.say(r, a, &respond(&invite, 200, "two", &contact_named("two"), ANSWER));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["200 BYE", "ACK"]);
    assert_eq!(net.news(a), ["Progress", "Progress", "Answered"]);
}

#[test]
fn rfc3261_13_2_2_4_non_2xx_after_a_2xx_does_not_count() {
    let mut net = Network::new();
    let (a, r, s, invite) = forked(&mut net, Forks::KeepFirst, false);
    net.say(r, a, &respond(&invite, 200, "one", &contact_named("one"), ANSWER));
    net.say(r, a, &respond(&invite, 486, "two", "", ""));
    net.settle();
    assert_eq!(net.news(a), ["Answered"]);
    assert_eq!(pick_code(&mut net, a), None);
    net.turn(a, |turn| assert!(turn.dialog_of(s).is_some()));
}

fn pick_code(net: &mut Network, a: usize) -> Option<u16> {
    net.events(a).iter().find_map(|event| match event {
        crate::Event::Session(_, event) => code(event),
        _ => None,
    })
}
