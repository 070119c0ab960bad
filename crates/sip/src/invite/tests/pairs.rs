//! Two stacks back to back: the same rules seen from both sides at once, also when messages are lost.

use super::NO_CODE;
use super::network::*;
use crate::event::Event;
use crate::id::SessionId;
use crate::invite::SessionEvent;
use crate::message::{Lines, Method};

/// Alice has called Bob; both have answered and acknowledged.
fn call(net: &mut Network) -> (usize, usize, SessionId, SessionId) {
    let (a, b) = (net.stack(|_| {}), net.stack(|_| {}));
    let (s, t) = ring(net, a, b);
    net.turn(b, |turn| turn.answer(t, reply(200, sdp(ANSWER)))).unwrap();
    net.run(2_000);
    assert_eq!(net.news(a).last().map(String::as_str), Some("Answered"));
    assert_eq!(net.news(b), ["Acked"]);
    (a, b, s, t)
}

fn ring(net: &mut Network, a: usize, b: usize) -> (SessionId, SessionId) {
    let s = net.turn(a, |turn| turn.invite(invitation(a, b, sdp(OFFER)))).unwrap();
    net.run(600);
    let tx = incoming(&net.events(b));
    let t = net.turn(b, |turn| turn.session(tx)).unwrap();
    net.turn(b, |turn| turn.answer(t, reply(180, None))).unwrap();
    net.settle();
    (s, t)
}

fn take_reinvite(net: &mut Network, node: usize, s: SessionId) -> bool {
    let events = net.events(node);
    let found = events.iter().any(|event| matches!(event, Event::Session(_, SessionEvent::Reinvite { .. })));
    if found {
        net.turn(node, |turn| turn.answer_reinvite(s, reply(200, sdp(ANSWER)))).unwrap();
    }
    found
}

#[test]
fn rfc3261_13_basic_call_and_hangup_from_either_side() {
    for caller in [true, false] {
        let mut net = Network::new();
        let (a, b, s, t) = call(&mut net);
        net.turn(a, |turn| {
            let dialog = turn.dialog_of(s).unwrap();
            assert_eq!((dialog.remote_target(), dialog.local_cseq()), ("sip:bob@10.0.0.2:5060", 10));
        });
        let (from, session, to) = if caller { (a, s, b) } else { (b, t, a) };
        net.turn(from, |turn| turn.hangup(session, NO_CODE, Lines::default())).unwrap();
        net.settle();
        assert_eq!((net.news(from), net.news(to)), (vec!["Ended".to_owned()], vec!["Ended".to_owned()]));
        let sent: Vec<_> = net.sent(to).into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(sent.last().map(String::as_str), Some("200 BYE"));
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_14_hold_and_resume_from_either_side() {
    let mut net = Network::new();
    let (a, b, s, t) = call(&mut net);
    for (from, session, to, other) in [(a, s, b, t), (b, t, a, s), (a, s, b, t)] {
        net.turn(from, |turn| turn.reinvite(session, sdp(OFFER), Lines::default())).unwrap();
        net.settle();
        assert!(take_reinvite(&mut net, to, other));
        net.settle();
        assert_eq!(net.news(from), ["Reinvited"]);
        assert_eq!(net.news(to), ["Acked"]);
    }
    net.turn(b, |turn| turn.hangup(t, NO_CODE, Lines::default())).unwrap();
    net.assert_nothing_left();
}

#[test]
fn rfc3261_14_1_glare_resolves_itself() {
    for rounds in 0..8 {
        let mut net = Network::new();
        let (a, b, s, t) = call(&mut net);
        // Other random numbers each round.
        for _ in 0..rounds {
            net.turn(a, |turn| turn.stack.rng.u64());
        }
        net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
        net.turn(b, |turn| turn.reinvite(t, sdp(OFFER), Lines::default())).unwrap();
        let mut taken = [false, false];
        for _ in 0..700 {
            net.run(10);
            for (n, node, session) in [(0, a, s), (1, b, t)] {
                taken[n] |= take_reinvite(&mut net, node, session);
            }
        }
        assert_eq!(taken, [true, true], "both changes got through");
        let refused = net.log.iter().filter(|(.., text)| kind(text) == "491 INVITE").count();
        assert!(refused >= 2, "both were refused first");
        assert!(net.news(a).is_empty() && net.news(b).is_empty());
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_9_cancel_races_the_answer_at_every_offset() {
    // Bob answers at 20 ms, Alice hangs up between 0 and 40 ms.
    for offset in 0..40 {
        let mut net = Network::new();
        let (a, b) = (net.stack(|_| {}), net.stack(|_| {}));
        let (s, t) = ring(&mut net, a, b);
        net.news(a);
        let mut hung = false;
        for ms in 0..60 {
            if ms == offset {
                net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
                hung = true;
            }
            if ms == 20 {
                let answered = net.turn(b, |turn| turn.answer(t, reply(200, sdp(ANSWER)))).is_ok();
                assert_eq!(answered, offset + WAY > 20 || offset == 20);
            }
            net.run(1);
        }
        assert!(hung);
        net.run(2_000);
        let (news_a, news_b) = (net.news(a), net.news(b));
        assert_eq!(news_a.last().map(String::as_str), Some("Ended"), "offset {offset}: {news_a:?}");
        let end = news_b.last().map(String::as_str);
        assert!(matches!(end, Some("Cancelled" | "Ended")), "offset {offset}: {news_b:?}");
        net.assert_nothing_left();
    }
}

#[test]
fn rfc3261_15_both_hang_up_at_every_offset() {
    for offset in 0..12 {
        let mut net = Network::new();
        let (a, b, s, t) = call(&mut net);
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.run(offset);
        // Gone when the other's BYE has come.
        let second = net.turn(b, |turn| turn.hangup(t, NO_CODE, Lines::default()));
        assert_eq!(second.is_ok(), offset < WAY);
        net.settle();
        assert_eq!(net.news(a), ["Ended"]);
        assert_eq!(net.news(b), ["Ended"]);
        net.assert_nothing_left();
    }
}

/// A deterministic generator for the tests: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// What an application that takes everything does with its news.
fn serve(net: &mut Network, node: usize, sessions: &mut Vec<SessionId>, dice: &mut Dice) {
    for event in net.events(node) {
        match event {
            Event::Request { tx, .. } => {
                if let Ok(s) = net.turn(node, |turn| turn.session(tx)) {
                    sessions.push(s);
                    let code = [180, 183, 200, 200, 200, 486][dice.below(6) as usize];
                    net.turn(node, |turn| turn.answer(s, reply(code, sdp(ANSWER)))).unwrap();
                }
            }
            Event::Session(s, SessionEvent::Reinvite { .. }) => {
                let code = [200, 200, 488][dice.below(3) as usize];
                // Any of these may have ended since the event was made.
                let _ = net.turn(node, |turn| turn.answer_reinvite(s, reply(code, sdp(ANSWER))));
            }
            Event::Session(_, SessionEvent::Request { tx, .. }) => {
                let _ = net.turn(node, |turn| turn.respond(tx, reply(200, None)));
            }
            Event::Session(
                s,
                SessionEvent::Answered { ack_due: true, .. } | SessionEvent::Reinvited { ack_due: true, .. },
            ) => {
                let _ = net.turn(node, |turn| turn.ack(s, sdp(ANSWER)));
            }
            _ => {}
        }
    }
}

/// Two applications that take everything, on a network that loses so many of 20 datagrams, with their sessions.
struct Pair {
    net: Network,
    nodes: [usize; 2],
    sessions: [Vec<SessionId>; 2],
    dice: Dice,
}

impl Pair {
    fn new(seed: u64, loss: u64) -> Self {
        let mut net = Network::new();
        let nodes = [net.stack(|_| {}), net.stack(|_| {})];
        let mut coin = Dice(seed * 7 + 1);
        net.lose = Box::new(move |_, _| coin.below(20) < loss);
        Self { net, nodes, sessions: [Vec::new(), Vec::new()], dice: Dice(seed) }
    }

    fn run(&mut self, millis: u64) {
        self.net.run(millis);
        for (node, sessions) in self.nodes.into_iter().zip(&mut self.sessions) {
            serve(&mut self.net, node, sessions, &mut self.dice);
        }
    }

    /// One of them calls, or does something with one of its calls.
    fn act(&mut self) {
        let Self { net, nodes, sessions, dice } = self;
        let n = if dice.below(2) == 0 { 0 } else { 1 };
        let (node, other) = (nodes[n], nodes[1 - n]);
        let chosen = sessions[n].get(dice.below(sessions[n].len().max(1) as u64) as usize).copied();
        // What is done to a call that has just ended is an error, and that is fine.
        match (dice.below(10), chosen) {
            (0..=2, _) | (_, None) => {
                let body = if dice.below(3) == 0 { None } else { sdp(OFFER) };
                let s = net.turn(node, |turn| turn.invite(invitation(node, other, body))).unwrap();
                sessions[n].push(s);
            }
            (3, Some(s)) => {
                let _ = net.turn(node, |turn| turn.answer(s, reply(200, sdp(ANSWER))));
            }
            (4..=5, Some(s)) => {
                let body = if dice.below(3) == 0 { None } else { sdp(OFFER) };
                let _ = net.turn(node, |turn| turn.reinvite(s, body, Lines::default()));
            }
            (6, Some(s)) => {
                let _ = net.turn(node, |turn| turn.update(s, sdp(OFFER), Lines::default()));
            }
            (7, Some(s)) => {
                let _ = net.turn(node, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None));
            }
            (_, Some(s)) => {
                let _ = net.turn(node, |turn| turn.hangup(s, NO_CODE, Lines::default()));
                sessions[n].retain(|other| *other != s);
            }
        }
    }

    fn hang_up(&mut self) {
        for (node, sessions) in self.nodes.into_iter().zip(&mut self.sessions) {
            for s in std::mem::take(sessions) {
                let _ = self.net.turn(node, |turn| turn.hangup(s, NO_CODE, Lines::default()));
            }
        }
    }
}

#[test]
fn random_calls_over_a_lossy_network_leave_nothing_behind() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..60 {
        let mut pair = Pair::new(seed, seed % 4);
        for _ in 0..120 {
            pair.act();
            let millis = [1, 3, 7, 20, 400][pair.dice.below(5) as usize];
            pair.run(millis);
        }
        (0..20).for_each(|_| pair.run(5_000));
        pair.hang_up();
        (0..30).for_each(|_| pair.run(10_000));
        for (.., text) in &pair.net.log {
            *seen.entry(kind(text)).or_insert(0_u32) += 1;
        }
        pair.net.assert_nothing_left();
    }
    for expected in [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "UPDATE",
        "INFO",
        "200 INVITE",
        "487 INVITE",
        "491 INVITE",
        "500 INVITE",
        "200 CANCEL",
        "481 BYE",
    ] {
        assert!(seen.get(expected).is_some_and(|count| *count > 0), "{expected} never happened: {seen:?}");
    }
}
