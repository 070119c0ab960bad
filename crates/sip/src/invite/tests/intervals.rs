//! What is asked for and agreed to: RFC 4028 sections 4 to 9.

use std::time::Duration;

use super::network::*;
use super::{NO_CODE, called_with, calls_with, rings_with};
use crate::Config;
use crate::event::Event;
use crate::id::SessionId;
use crate::invite::{SessionEvent, SessionTimer};
use crate::message::{Lines, Method};

/// A stack that knows session timers, and its session timer as `change` has it.
pub(super) fn timed(change: impl FnOnce(&mut SessionTimer)) -> impl FnOnce(&mut Config) {
    move |config| {
        config.supported = vec!["timer".to_owned()];
        change(&mut config.session.timer);
    }
}

/// Interval in seconds and whether we refresh.
pub(super) fn lasting(net: &mut Network, a: usize, s: SessionId) -> Option<(u64, bool)> {
    net.turn(a, |turn| turn.session_timer(s)).map(|lasting| (lasting.interval.as_secs(), lasting.by_us))
}

#[test]
fn rfc4028_7_1_each_request_but_ack_says_that_timers_are_supported() {
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|_| {})), net.raw());
    let (s, invite, _) = calls_with(&mut net, a, r, "");
    assert_eq!(header(&invite, "Supported"), "timer");
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    net.turn(a, |turn| turn.update(s, None, Lines::default())).unwrap();
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let invite = net.inbox(r).pop().unwrap();
    net.say(r, a, &respond(&invite, 180, "t", &contact(r), ""));
    net.settle();
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let requests = ["INVITE", "INFO", "UPDATE", "BYE", "CANCEL", "ACK"];
    for (.., text) in net.log.iter().filter(|(_, from, ..)| *from == a) {
        let said = header(text, "Supported");
        assert_eq!(said, if kind(text) == "ACK" { "" } else { "timer" }, "{text}");
    }
    let sent: Vec<String> = net.sent(a).into_iter().map(|(_, kind)| kind).collect();
    assert!(requests.iter().all(|kind| sent.iter().any(|sent| sent == kind)), "{sent:?}");
}

#[test]
fn rfc4028_7_1_without_the_option_tag_nothing_is_said_nor_followed() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|_| {}), net.raw());
    let (s, invite, mut peer) = calls_with(&mut net, a, r, "Session-Expires: 90;refresher=uac\r\nRequire: timer\r\n");
    assert!(header(&invite, "Session-Expires").is_empty() && header(&invite, "Supported").is_empty());
    assert_eq!(lasting(&mut net, a, s), None);
    let refresh = peer.request("INVITE", "Supported: timer\r\nSession-Expires: 10\r\n", OFFER);
    net.say(r, a, &refresh);
    net.settle();
    assert_eq!(net.news(a), ["Reinvite"], "no 422");
    net.turn(a, |turn| turn.answer_reinvite(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    let ok = net.inbox(r).pop().unwrap();
    assert!(header(&ok, "Session-Expires").is_empty() && header(&ok, "Require").is_empty(), "{ok}");
}

#[test]
fn rfc4028_7_1_the_first_request_asks_for_an_interval_and_leaves_the_refresher_open() {
    for (change, expected, least) in [
        (SessionTimer::default(), "1800", ""),
        (SessionTimer { interval: None, ..SessionTimer::default() }, "", ""),
        (SessionTimer { interval: Some(Duration::from_secs(300)), ..SessionTimer::default() }, "300", ""),
        // Never less than Min-SE.
        (
            SessionTimer {
                interval: Some(Duration::from_secs(100)),
                least: Duration::from_secs(200),
                ..SessionTimer::default()
            },
            "200",
            "200",
        ),
        (SessionTimer { interval: Some(Duration::from_secs(4)), ..SessionTimer::default() }, "90", ""),
    ] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|timer| *timer = change)), net.raw());
        let (_, invite, _) = calls_with(&mut net, a, r, "");
        assert_eq!((header(&invite, "Session-Expires"), header(&invite, "Min-SE")), (expected, least));
    }
}

#[test]
fn rfc4028_7_2_the_2xx_says_interval_and_refresher() {
    for (answer, expected) in [
        ("Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\n", Some((1_800, true))),
        ("Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n", Some((600, false))),
        ("x: 600 ; refresher=UAS\r\n", Some((600, false))),
        // Whoever is not named, had better be us.
        ("Session-Expires: 600\r\n", Some((600, true))),
        ("", None),
        ("Session-Expires: soon;refresher=uac\r\n", None),
    ] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|_| {})), net.raw());
        let (s, ..) = calls_with(&mut net, a, r, answer);
        assert_eq!(lasting(&mut net, a, s), expected, "{answer}");
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.assert_nothing_left();
    }
}

#[test]
fn rfc4028_7_2_a_2xx_may_bring_an_interval_that_was_not_asked_for() {
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|timer| timer.interval = None)), net.raw());
    let (s, invite, _) = calls_with(&mut net, a, r, "Session-Expires: 1200;refresher=uac\r\nRequire: timer\r\n");
    assert!(header(&invite, "Session-Expires").is_empty());
    assert_eq!(lasting(&mut net, a, s), Some((1_200, true)));
}

#[test]
fn rfc4028_7_2_with_a_peer_that_knows_nothing_of_it_we_refresh_if_we_want_it_all_the_same() {
    for (alone, expected) in [(false, None), (true, Some((1_800, true)))] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|timer| timer.alone = alone)), net.raw());
        let (s, ..) = calls_with(&mut net, a, r, "");
        assert_eq!(lasting(&mut net, a, s), expected);
    }
}

#[test]
fn rfc4028_7_2_a_later_2xx_changes_the_interval_or_turns_the_timer_off() {
    for (answer, expected) in [
        ("Session-Expires: 900;refresher=uas\r\n", Some((900, false))),
        ("Session-Expires: 900;refresher=uac\r\n", Some((900, true))),
        ("", None),
    ] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|_| {})), net.raw());
        let (s, ..) = calls_with(&mut net, a, r, "Session-Expires: 1800;refresher=uac\r\n");
        net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
        net.settle();
        let invite = net.one(r);
        net.say(r, a, &respond(&invite, 200, "", &(contact(r) + answer), ANSWER));
        net.settle();
        assert_eq!(lasting(&mut net, a, s), expected, "{answer}");
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.assert_nothing_left();
    }
}

#[test]
fn rfc4028_7_2_an_interval_too_small_counts_as_the_least_and_one_too_great_as_what_was_asked_for() {
    for (asked, answer, expected) in [
        (Some(1_800), "Session-Expires: 1;refresher=uac\r\n", (90, true)),
        (Some(1_800), "Session-Expires: 0;refresher=uas\r\n", (90, false)),
        (Some(1_800), "Session-Expires: 99999999999;refresher=uac\r\n", (1_800, true)),
        (None, "Session-Expires: 4294967295;refresher=uac\r\n", (172_800, true)),
        // Who does not refresh need not count: it is theirs to be late.
        (None, "Session-Expires: 4294967295;refresher=uas\r\n", (4_294_967_295, false)),
    ] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|timer| timer.interval = asked.map(Duration::from_secs))), net.raw());
        let (s, ..) = calls_with(&mut net, a, r, answer);
        assert_eq!(lasting(&mut net, a, s), Some(expected), "{answer}");
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.assert_nothing_left();
    }
}

/// Refuses the INVITE that has come with this Min-SE; the next one, if there is one.
fn too_small(net: &mut Network, a: usize, r: usize, invite: &str, min_se: &str) -> Option<String> {
    net.say(r, a, &respond(invite, 422, "t", &format!("Min-SE: {min_se}\r\n"), ""));
    net.settle();
    let inbox = net.inbox(r);
    assert_eq!(kind(&inbox[0]), "ACK");
    inbox.get(1).cloned()
}

#[test]
fn rfc4028_7_3_a_422_is_followed_by_the_same_call_with_a_higher_number_and_the_largest_min_se() {
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|_| {})), net.raw());
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let first = net.one(r);
    let second = too_small(&mut net, a, r, &first, "3600").unwrap();
    let third = too_small(&mut net, a, r, &second, "4000").unwrap();
    for name in ["Call-ID", "From", "To", "Contact", "Supported"] {
        assert_eq!(header(&third, name), header(&first, name), "{name}");
    }
    assert_eq!([cseq(&first), cseq(&second), cseq(&third)], [10, 11, 12]);
    let said = |text| (header(text, "Session-Expires").to_owned(), header(text, "Min-SE").to_owned());
    assert_eq!(said(&second), ("3600".to_owned(), "3600".to_owned()));
    assert_eq!(said(&third), ("4000".to_owned(), "4000".to_owned()));
    assert!(net.news(a).is_empty());
    net.say(r, a, &respond(&third, 200, "t", &(contact(r) + "Session-Expires: 4000;refresher=uac\r\n"), ANSWER));
    net.settle();
    assert_eq!(lasting(&mut net, a, s), Some((4_000, true)));
    // What was learned before the dialog is forgotten with it (section 7.4).
    net.inbox(r);
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    assert_eq!(said(&net.one(r)), ("4000;refresher=uac".to_owned(), String::new()));
}

#[test]
fn rfc4028_7_3_a_422_that_says_nothing_new_is_not_tried_again_nor_one_after_the_other_for_ever() {
    for min_se in ["1800", "90", "soon", ""] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|_| {})), net.raw());
        net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
        net.settle();
        let invite = net.one(r);
        assert_eq!(too_small(&mut net, a, r, &invite, min_se), None, "{min_se}");
        assert_eq!(pick(&net.events(a), |_, event| super::code(event)), 422);
    }
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|_| {})), net.raw());
    net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let (mut invite, mut tries) = (net.one(r), 1);
    while let Some(next) = too_small(&mut net, a, r, &invite, &(2_000 + tries).to_string()) {
        (invite, tries) = (next, tries + 1);
    }
    assert_eq!(tries, 6);
    assert_eq!(pick(&net.events(a), |_, event| super::code(event)), 422);
    net.assert_nothing_left();
}

#[test]
fn rfc4028_7_4_who_asks_for_nothing_answers_a_422_with_its_min_se_alone() {
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|timer| timer.interval = None)), net.raw());
    net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let first = net.one(r);
    let second = too_small(&mut net, a, r, &first, "300").unwrap();
    assert_eq!((header(&second, "Session-Expires"), header(&second, "Min-SE")), ("", "300"));
}

#[test]
fn rfc4028_7_4_in_the_dialog_the_largest_min_se_of_all_stays() {
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|_| {})), net.raw());
    let (s, _, mut peer) = calls_with(&mut net, a, r, "Session-Expires: 300;refresher=uac\r\n");
    let theirs =
        peer.request("UPDATE", "Supported: timer\r\nSession-Expires: 500;refresher=uas\r\nMin-SE: 400\r\n", "");
    net.say(r, a, &theirs);
    net.settle();
    let tx = asked(&mut net, a);
    net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
    net.settle();
    assert_eq!(header(&net.one(r), "Session-Expires"), "500;refresher=uas");
    let said = |text: &str| (header(text, "Session-Expires").to_owned(), header(text, "Min-SE").to_owned());
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    let invite = net.one(r);
    assert_eq!(said(&invite), ("500;refresher=uac".to_owned(), "400".to_owned()));
    let longer = too_small(&mut net, a, r, &invite, "700").unwrap();
    assert_eq!(said(&longer), ("700;refresher=uac".to_owned(), "700".to_owned()));
    // Refused or not: it was said in this dialog.
    net.say(r, a, &respond(&longer, 488, "", "", ""));
    net.settle();
    net.inbox(r);
    net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    assert_eq!(said(&net.one(r)), ("700;refresher=uac".to_owned(), "700".to_owned()));
    assert_eq!(lasting(&mut net, a, s), Some((500, true)), "only a 2xx changes the interval");
}

#[test]
fn rfc4028_7_4_a_request_of_who_does_not_refresh_leaves_that_to_the_peer() {
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|_| {})), net.raw());
    let (s, ..) = calls_with(&mut net, a, r, "Session-Expires: 300;refresher=uas\r\n");
    net.turn(a, |turn| turn.update(s, sdp(OFFER), Lines::default())).unwrap();
    net.settle();
    assert_eq!(header(&net.one(r), "Session-Expires"), "300;refresher=uas");
}

#[test]
fn rfc4028_9_table_2_and_the_interval_in_the_2xx() {
    let caller = |what: &str| format!("Supported: 100rel, Timer\r\n{what}");
    for (alone, more, said, required, agreed) in [
        (false, caller("Session-Expires: 1800\r\n"), "1800;refresher=uac", true, Some((1_800, false))),
        (false, caller("Session-Expires: 900;refresher=uac\r\n"), "900;refresher=uac", true, Some((900, false))),
        (false, caller("Session-Expires: 900;refresher=uas\r\n"), "900;refresher=uas", true, Some((900, true))),
        (false, caller("x: 90\r\n"), "90;refresher=uac", true, Some((90, false))),
        // Reduced to what we want, but not below Min-SE; never raised.
        (false, caller("Session-Expires: 4294967295\r\n"), "1800;refresher=uac", true, Some((1_800, false))),
        (false, caller("Session-Expires: 7200\r\nMin-SE: 3600\r\n"), "3600;refresher=uac", true, Some((3_600, false))),
        // It asks for none: we do.
        (false, caller(""), "1800;refresher=uac", true, Some((1_800, false))),
        (false, caller("Min-SE: 2000\r\n"), "2000;refresher=uac", true, Some((2_000, false))),
        // It knows nothing of it, but a proxy does: we refresh.
        (false, "Session-Expires: 600\r\nMin-SE: 120\r\n".to_owned(), "600;refresher=uas", false, Some((600, true))),
        (false, "Session-Expires: 10\r\n".to_owned(), "", false, None),
        (false, String::new(), "", false, None),
        (true, String::new(), "1800;refresher=uas", false, Some((1_800, true))),
        (false, caller("Session-Expires: soon\r\n"), "1800;refresher=uac", true, Some((1_800, false))),
    ] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|timer| timer.alone = alone)), net.raw());
        let (s, ok, _) = called_with(&mut net, a, r, &more);
        assert_eq!(header(&ok, "Session-Expires"), said, "{more}");
        assert_eq!(header(&ok, "Require") == "timer", required, "{more}");
        assert!(header(&ok, "Min-SE").is_empty(), "only in a 422 (section 5)");
        assert_eq!(lasting(&mut net, a, s), agreed, "{more}");
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.assert_nothing_left();
    }
}

#[test]
fn rfc4028_9_too_small_an_interval_is_422_with_min_se() {
    for (least, more, min_se) in [
        (90, "Session-Expires: 89\r\n", "90"),
        (200, "Session-Expires: 199;refresher=uas\r\n", "200"),
        (90, "Session-Expires: 100\r\nMin-SE: 150\r\n", "150"),
        // Of our own we say no less than the RFC allows, whatever a test does.
        (5, "Session-Expires: 4\r\n", "90"),
    ] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|timer| timer.least = Duration::from_secs(least))), net.raw());
        let (tx, mut dialog, _) = rings_with(&mut net, a, r, &format!("Supported: timer\r\n{more}"));
        assert!(net.turn(a, |turn| turn.session(tx)).is_err());
        net.settle();
        let answer = net.inbox(r).remove(0);
        assert_eq!((kind(&answer).as_str(), header(&answer, "Min-SE")), ("422 INVITE", min_se));
        assert_eq!(answer.lines().next(), Some("SIP/2.0 422 Session Interval Too Small"));
        dialog.learn(&answer);
        let ack = dialog.numbered("ACK", dialog.cseq, "", "").replace("z9hG4bKraw2x2", "z9hG4bKraw2x1");
        net.say(r, a, &ack);
        net.assert_nothing_left();
    }
}

#[test]
fn rfc4028_9_in_the_dialog_422_leaves_the_session_as_it_was() {
    for method in ["INVITE", "UPDATE"] {
        let mut net = Network::new();
        let (a, r) = (net.stack(timed(|_| {})), net.raw());
        let (s, _, mut peer) = called_with(&mut net, a, r, "Supported: timer\r\nSession-Expires: 900\r\n");
        let small = peer.request(method, "Supported: timer\r\nSession-Expires: 20;refresher=uac\r\n", OFFER);
        net.say(r, a, &small);
        net.settle();
        let answer = net.inbox(r).pop().unwrap();
        assert_eq!((kind(&answer), header(&answer, "Min-SE")), (format!("422 {method}"), "90"));
        assert!(net.news(a).is_empty());
        assert_eq!(lasting(&mut net, a, s), Some((900, false)));
    }
}

#[test]
fn rfc4028_9_later_requests_of_the_peer_change_interval_and_refresher() {
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|_| {})), net.raw());
    let (s, _, mut peer) = called_with(&mut net, a, r, "Supported: timer\r\nSession-Expires: 900\r\n");
    for (more, said, agreed) in [
        ("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n", "600;refresher=uas", Some((600, true))),
        // Who says nothing of it keeps what there is.
        ("Supported: timer\r\n", "600;refresher=uas", Some((600, true))),
        ("Supported: timer\r\nSession-Expires: 700;refresher=uac\r\n", "700;refresher=uac", Some((700, false))),
        ("Supported: timer\r\n", "700;refresher=uac", Some((700, false))),
        // And who no longer knows of it is left in peace.
        ("", "", None),
    ] {
        let update = peer.request("UPDATE", more, "");
        net.say(r, a, &update);
        net.settle();
        let tx = asked(&mut net, a);
        net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
        net.settle();
        assert_eq!(header(&net.one(r), "Session-Expires"), said, "{more}");
        assert_eq!(lasting(&mut net, a, s), agreed, "{more}");
    }
}

#[test]
fn rfc4028_7_2_each_fork_has_an_interval_of_its_own() {
    let mut net = Network::new();
    let a = net.stack(|config| {
        timed(|_| {})(config);
        config.session.forks = crate::invite::Forks::HandAll;
    });
    let r = net.raw();
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let invite = net.one(r);
    for (tag, more) in
        [("x", "Session-Expires: 600;refresher=uac\r\n"), ("y", "Session-Expires: 700;refresher=uas\r\n")]
    {
        net.say(r, a, &respond(&invite, 200, tag, &(contact(r) + more), ANSWER));
    }
    net.settle();
    let fork = pick(&net.events(a), |_, event| match event {
        SessionEvent::Forked { session, .. } => Some(*session),
        _ => None,
    });
    assert_eq!(lasting(&mut net, a, s), Some((600, true)));
    assert_eq!(lasting(&mut net, a, fork), Some((700, false)));
    for s in [s, fork] {
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    }
    net.assert_nothing_left();
}

#[test]
fn rfc4028_3_updates_in_an_early_dialog_agree_to_nothing() {
    let mut net = Network::new();
    let (a, r) = (net.stack(timed(|_| {})), net.raw());
    let mut peer = RawDialog::calling(r, a);
    let invite = peer.request("INVITE", "Supported: timer\r\n", "");
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
    net.settle();
    peer.learn(&net.inbox(r).pop().unwrap());
    let update = peer.request("UPDATE", "Supported: timer\r\nSession-Expires: 300\r\n", "");
    net.say(r, a, &update);
    net.settle();
    let tx = asked(&mut net, a);
    net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
    net.turn(a, |turn| turn.update(s, None, Lines::default())).unwrap();
    net.settle();
    let inbox = net.inbox(r);
    assert_eq!(kinds(&inbox), ["200 UPDATE", "UPDATE"]);
    assert!(inbox.iter().all(|text| header(text, "Session-Expires").is_empty()));
    assert_eq!(lasting(&mut net, a, s), None);
    let later = net.events(a);
    assert!(!later.iter().any(|event| matches!(event, Event::Session(_, SessionEvent::Refreshed { .. }))));
}
