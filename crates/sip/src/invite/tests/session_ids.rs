//! A UUID of each end in what they say to each other (RFC 7989).

use super::network::*;
use super::{NO_CODE, called_with, calls, rings, rings_with};
use crate::config::Config;
use crate::header::NIL;
use crate::id::SessionId;
use crate::invite::SessionEvent;
use crate::message::{Lines, Method};

const THEIRS: &str = "ab30317f1a784dc48ff824d0d3715d86";
const OTHER: &str = "47755a9de7794ba387653f2099600ef2";

/// What a peer writes who is `local` and takes us for `remote`.
fn says(local: &str, remote: &str) -> String {
    format!("Session-ID: {local};remote={remote}\r\n")
}

/// The UUID of who sends a message, and that of who gets it.
#[track_caller]
fn both(text: &str) -> (&str, &str) {
    assert_eq!(headers(text, "Session-ID").len(), 1, "{text}");
    header(text, "Session-ID").split_once(";remote=").unwrap()
}

/// A stack that is an end of its sessions and calls a scripted peer: the INVITE has come.
fn calling(net: &mut Network) -> (usize, usize, SessionId, String) {
    let (a, r) = (net.stack(|config| config.session_id = true), net.raw());
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let invite = net.one(r);
    (a, r, s, invite)
}

#[test]
fn rfc7989_6_what_we_say_in_a_call_of_ours_has_our_uuid_and_that_of_who_answers() {
    let mut net = Network::new();
    let (a, r, s, invite) = calling(&mut net);
    let (ours, nobody) = both(&invite);
    assert_eq!((ours.len(), nobody), (32, NIL), "nobody knows yet who will answer");
    assert_eq!(net.turn(a, |turn| turn.session_uuid(s)).as_deref(), Some(ours));
    net.say(r, a, &respond(&invite, 200, "t", &format!("{}{}", contact(r), says(THEIRS, ours)), ANSWER));
    net.settle();
    assert_eq!(both(&net.one(r)), (ours, THEIRS), "the ACK");
    // What says nothing of it changes nothing, and so does what is no UUID.
    for silent in ["", "Session-ID: F81D4FAE;remote=1\r\n"] {
        let tx = net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
        net.settle();
        let info = net.one(r);
        assert_eq!(both(&info), (ours, THEIRS));
        net.say(r, a, &respond(&info, 200, "", silent, ""));
        net.settle();
        assert_eq!(response_code(&net.events(a), tx), 200);
    }
    // Who stands between may have put us through to somebody else (section 8).
    let tx = net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    net.settle();
    let info = net.one(r);
    net.say(r, a, &respond(&info, 200, "", &says(OTHER, ours), ""));
    net.settle();
    assert_eq!(response_code(&net.events(a), tx), 200);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    assert_eq!((kind(&bye).as_str(), both(&bye)), ("BYE", (ours, OTHER)));
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.assert_nothing_left();
}

/// The control: who stands between two ends has no UUID of its own.
#[test]
fn rfc7989_7_where_we_are_no_end_nothing_is_named() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    assert_eq!(headers(&bye, "Session-ID"), [""; 0]);
    assert_eq!(net.turn(a, |turn| turn.session_uuid(s)), None);
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.assert_nothing_left();
    let mut net = Network::new();
    let (a, r, tx, _, _) = rings(&mut net);
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(486, None))).unwrap();
    net.settle();
    assert_eq!(headers(&net.one(r), "Session-ID"), [""; 0]);
}

#[test]
fn rfc7989_6_a_cancel_has_that_of_its_invite_and_the_ack_of_the_refusal_that_of_who_refused() {
    let mut net = Network::new();
    let (a, r, s, invite) = calling(&mut net);
    let (ours, _) = both(&invite);
    net.say(r, a, &respond(&invite, 180, "t", &format!("{}{}", contact(r), says(THEIRS, ours)), ""));
    net.settle();
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let cancel = net.one(r);
    assert_eq!((kind(&cancel).as_str(), both(&cancel)), ("CANCEL", (ours, NIL)));
    net.say(r, a, &respond(&cancel, 200, "t", "", ""));
    net.say(r, a, &respond(&invite, 487, "t", &says(THEIRS, ours), ""));
    net.settle();
    let ack = net.one(r);
    assert_eq!((kind(&ack).as_str(), both(&ack)), ("ACK", (ours, THEIRS)));
    net.assert_nothing_left();
}

/// What the application writes, since it has called before under that UUID (a redirection, a transfer), stays.
#[test]
fn rfc7989_6_a_session_goes_on_under_the_uuid_that_it_had() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|config| config.session_id = true), net.raw());
    let mut draft = invitation(a, r, sdp(OFFER));
    draft.lines.push("Session-ID", &format!("{OTHER};remote={NIL}")).unwrap();
    let _s = net.turn(a, |turn| turn.invite(draft)).unwrap();
    net.settle();
    let invite = net.one(r);
    assert_eq!(both(&invite), (OTHER, NIL));
    net.say(r, a, &respond(&invite, 200, "t", &format!("{}{}", contact(r), says(THEIRS, OTHER)), ANSWER));
    net.settle();
    assert_eq!(both(&net.one(r)), (OTHER, THEIRS), "the ACK");
}

#[test]
fn rfc7989_6_each_fork_is_told_its_own() {
    let mut net = Network::new();
    let (a, r, s, invite) = calling(&mut net);
    let (ours, _) = both(&invite);
    for (tag, uuid) in [("one", THEIRS), ("two", OTHER)] {
        net.say(r, a, &respond(&invite, 180, tag, &format!("{}{}", contact(r), says(uuid, ours)), ""));
    }
    net.settle();
    let forks: Vec<_> = net
        .events(a)
        .iter()
        .filter_map(|event| match event {
            crate::Event::Session(_, SessionEvent::Progress { fork, .. }) => *fork,
            _ => None,
        })
        .collect();
    for (fork, uuid) in forks.iter().zip([THEIRS, OTHER]) {
        net.turn(a, |turn| turn.in_fork(s, *fork, Method::Info, Lines::default(), None)).unwrap();
        net.settle();
        let info = net.one(r);
        assert_eq!(both(&info), (ours, uuid));
        net.say(r, a, &respond(&info, 200, "", "", ""));
        net.settle();
    }
    assert_eq!(forks.len(), 2);
    net.say(r, a, &respond(&invite, 486, "one", &says(THEIRS, ours), ""));
    net.assert_nothing_left();
}

/// A scripted peer that calls such a stack, which has answered 180: our UUID.
fn rung(net: &mut Network) -> (usize, usize, SessionId, RawDialog, String, String) {
    let (a, r) = (net.stack(|config| config.session_id = true), net.raw());
    let (tx, dialog, invite) = rings_with(net, a, r, &says(THEIRS, NIL));
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
    net.settle();
    let rings = net.one(r);
    let (ours, theirs) = both(&rings);
    assert_eq!((ours.len(), theirs), (32, THEIRS));
    assert_ne!(ours, NIL);
    (a, r, s, dialog, invite, ours.to_owned())
}

#[test]
fn rfc7989_8_a_new_uuid_of_the_peer_is_his_in_the_answer_and_later_where_that_is_a_2xx() {
    let mut net = Network::new();
    let (a, r, s, mut dialog, _, ours) = rung(&mut net);
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    let ok = net.one(r);
    assert_eq!(both(&ok), (ours.as_str(), THEIRS));
    dialog.learn(&ok);
    let ack = dialog.numbered("ACK", dialog.cseq, "", "");
    net.say(r, a, &ack);
    net.settle();
    // Refused: the answer says it, and nothing after it.
    let again = dialog.request("INVITE", &says(OTHER, &ours), OFFER);
    net.say(r, a, &again);
    net.settle();
    net.turn(a, |turn| turn.answer_reinvite(s, reply(488, None))).unwrap();
    net.settle();
    let refusal = net.inbox(r).pop().unwrap();
    assert_eq!((kind(&refusal).as_str(), both(&refusal)), ("488 INVITE", (ours.as_str(), OTHER)));
    net.say(r, a, &again.replace("INVITE", "ACK"));
    net.settle();
    net.events(a);
    let tx = net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    net.settle();
    let info = net.one(r);
    assert_eq!(both(&info), (ours.as_str(), THEIRS));
    net.say(r, a, &respond(&info, 200, "", "", ""));
    net.settle();
    assert_eq!(response_code(&net.events(a), tx), 200);
    // Taken.
    let info = dialog.request("INFO", &says(OTHER, &ours), "");
    net.say(r, a, &info);
    net.settle();
    let asked = asked(&mut net, a);
    net.turn(a, |turn| turn.respond(asked, reply(200, None))).unwrap();
    net.settle();
    assert_eq!(both(&net.one(r)), (ours.as_str(), OTHER));
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    assert_eq!((kind(&bye).as_str(), both(&bye)), ("BYE", (ours.as_str(), OTHER)));
    net.say(r, a, &respond(&bye, 200, "", "", ""));
    net.assert_nothing_left();
}

#[test]
fn rfc7989_8_the_uuid_of_a_cancel_is_in_its_answer_and_in_nothing_else() {
    let mut net = Network::new();
    let (a, r, _, _, invite, ours) = rung(&mut net);
    let cancels =
        |invite: &str| cancel(invite).replace("Content-Length", &format!("{}Content-Length", says(OTHER, NIL)));
    net.say(r, a, &cancels(&invite));
    net.settle();
    let answers = net.inbox(r);
    assert_eq!(kinds(&answers), ["200 CANCEL", "487 INVITE"]);
    assert_eq!(both(&answers[0]), (ours.as_str(), OTHER));
    assert_eq!(both(&answers[1]), (ours.as_str(), THEIRS));
    // One that comes too late.
    let mut net = Network::new();
    let (a, r, s, mut dialog, invite, ours) = rung(&mut net);
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    dialog.learn(&net.one(r));
    net.say(r, a, &cancels(&invite));
    net.settle();
    assert_eq!(both(&net.one(r)), (ours.as_str(), OTHER));
    let ack = dialog.numbered("ACK", dialog.cseq, "", "");
    net.say(r, a, &ack);
    net.settle();
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    assert_eq!(both(&net.one(r)), (ours.as_str(), THEIRS));
}

#[test]
fn rfc7989_8_a_new_uuid_in_the_ack_to_a_2xx_is_the_peers_from_then_on() {
    for said in ["", OTHER] {
        let mut net = Network::new();
        let (a, r, s, mut dialog, _, ours) = rung(&mut net);
        net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
        net.settle();
        dialog.learn(&net.one(r));
        // The control: one that says nothing of it changes nothing.
        let (line, known) = if said.is_empty() { (String::new(), THEIRS) } else { (says(OTHER, &ours), OTHER) };
        let ack = dialog.numbered("ACK", dialog.cseq, &line, "");
        net.say(r, a, &ack);
        net.settle();
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.settle();
        let bye = net.one(r);
        assert_eq!((kind(&bye).as_str(), both(&bye)), ("BYE", (ours.as_str(), known)));
        net.say(r, a, &respond(&bye, 200, "", "", ""));
        net.assert_nothing_left();
    }
}

/// A 200 of a peer that knows RFC 7329 only, and what it gets in the ACK, an INFO and the answer to an INFO of its own. The answer to ours says it otherwise, which is to
/// change nothing.
fn told_back(
    net: &mut Network,
    line: impl Fn(&str) -> String,
    otherwise: impl Fn(&str) -> String,
) -> (String, Vec<String>) {
    let (a, r, s, invite) = calling(net);
    let ours = both(&invite).0.to_owned();
    let said = format!("Session-ID: {}\r\n", line(&ours));
    net.say(r, a, &respond(&invite, 200, "t", &format!("{}{said}", contact(r)), ANSWER));
    net.settle();
    let ack = net.one(r);
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    net.settle();
    let info = net.one(r);
    net.say(r, a, &respond(&info, 200, "", &format!("Session-ID: {}\r\n", otherwise(&ours)), ""));
    net.settle();
    net.events(a);
    let theirs = RawDialog::called(r, &invite, "t").request("INFO", &said, "");
    net.say(r, a, &theirs);
    net.settle();
    let tx = asked(net, a);
    net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
    net.settle();
    let answer = net.one(r);
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    let bye = net.one(r);
    let told = [&ack, &info, &answer, &bye].map(|text| header(text, "Session-ID").to_owned());
    (ours, told.to_vec())
}

#[test]
fn rfc7989_11_who_says_our_uuid_alone_is_told_it_alone() {
    let (ours, told) = told_back(&mut Network::new(), |ours| ours.to_owned(), |ours| format!("{ours};remote={NIL}"));
    assert_eq!(told, [ours.as_str(); 4]);
}

#[test]
fn rfc7989_11_who_says_both_in_our_order_is_told_them_in_that_order() {
    for remote in [NIL, THEIRS] {
        let both = |ours: &str| format!("{ours};remote={remote}");
        let (ours, told) = told_back(&mut Network::new(), both, |ours| ours.to_owned());
        assert_eq!(told, [both(&ours).as_str(); 4]);
    }
    // The control: who has a UUID of its own is told that, whatever it leaves out of its answer.
    let mut net = Network::new();
    let (a, r, _, invite) = calling(&mut net);
    let ours = both(&invite).0.to_owned();
    net.say(r, a, &respond(&invite, 200, "t", &format!("{}Session-ID: {THEIRS}\r\n", contact(r)), ANSWER));
    net.settle();
    assert_eq!(both(&net.one(r)), (ours.as_str(), THEIRS));
}

#[test]
fn rfc7989_11_the_ack_of_a_refusal_says_what_that_has_said() {
    for remote in ["", ";remote=00000000000000000000000000000000"] {
        let mut net = Network::new();
        let (a, r, _, invite) = calling(&mut net);
        let said = format!("{}{remote}", both(&invite).0);
        net.say(r, a, &respond(&invite, 486, "t", &format!("Session-ID: {said}\r\n"), ""));
        net.settle();
        assert_eq!(header(&net.one(r), "Session-ID"), said);
    }
}

#[test]
fn rfc7989_11_a_call_that_has_one_uuid_alone_keeps_to_it() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|config| config.session_id = true), net.raw());
    let (s, ok, _) = called_with(&mut net, a, r, &format!("Session-ID: {THEIRS}\r\n"));
    net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
    net.settle();
    assert_eq!([&ok, &net.one(r)].map(|text| header(text, "Session-ID").to_owned()), [THEIRS, THEIRS]);
}

/// Who refuses without a session is an end all the same: a UUID of its own, the same each time it says it.
#[test]
fn rfc7989_6_a_refusal_without_a_session_names_who_refuses() {
    for (line, theirs) in [(says(THEIRS, NIL), THEIRS), (String::new(), NIL)] {
        let mut net = Network::new();
        let (a, r) = (net.stack(|config| config.session_id = true), net.raw());
        let (tx, _, invite) = rings_with(&mut net, a, r, &line);
        net.turn(a, |turn| turn.respond(tx, reply(486, None))).unwrap();
        net.settle();
        let refusal = net.one(r);
        let (ours, remote) = both(&refusal);
        assert_eq!((ours.len(), &ours[12..13], remote), (32, "4", theirs));
        assert_ne!(ours, theirs);
        net.say(r, a, &invite);
        net.settle();
        assert_eq!(net.one(r), refusal);
    }
}

/// The session is the same for us, whoever is at its other side now.
#[test]
fn rfc7989_6_who_takes_the_place_of_another_is_told_our_uuid_of_that_session() {
    let mut net = Network::new();
    let (a, r) = (net.stack(|config| config.session_id = true), net.raw());
    let (_, ok, first) = called_with(&mut net, a, r, &says(THEIRS, NIL));
    let ours = both(&ok).0.to_owned();
    let (_, tag) = header(&ok, "To").split_once(";tag=").unwrap();
    let replaces = |tag: &str| format!("Replaces: {};to-tag={tag};from-tag=rawtag\r\n", first.call_id);
    // The controls: a call of its own, and one that names none of ours.
    for (line, same) in [(replaces(tag), true), (String::new(), false), (replaces("other"), false)] {
        let r = net.raw();
        let (tx, ..) = rings_with(&mut net, a, r, &(says(OTHER, NIL) + &line));
        let s = net.turn(a, |turn| turn.session(tx)).unwrap();
        net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
        net.settle();
        let rings = net.one(r);
        let (uuid, remote) = both(&rings);
        assert_eq!((uuid == ours, remote), (same, OTHER), "{line}");
    }
}

/// What the stack refuses by itself: some of it leaves nothing behind.
#[test]
fn rfc7989_6_what_is_refused_before_anybody_has_seen_it_names_who_refuses() {
    type Course = fn(&str) -> Vec<String>;
    let courses: [(&str, usize, Course); 4] = [
        ("482 INVITE", 100, |invite| vec![invite.to_owned(), invite.replace("z9hG4bK", "z9hG4bKother")]),
        ("487 INVITE", 100, |invite| vec![invite.to_owned(), cancel(invite)]),
        ("503 INVITE", 0, |invite| vec![invite.to_owned()]),
        ("400 INVITE", 100, |invite| vec![invite.replace("Content-Length: ", "Content-Length: x")]),
    ];
    for (code, room, course) in courses {
        let refusal = |session_id| {
            let mut net = Network::new();
            let end = |config: &mut Config| (config.session_id, config.max_server_transactions) = (session_id, room);
            let (a, r) = (net.stack(end), net.raw());
            for text in course(&RawDialog::calling(r, a).request("INVITE", &says(THEIRS, NIL), OFFER)) {
                net.say(r, a, &text);
                net.settle();
            }
            let all = net.inbox(r);
            all.iter().find(|text| kind(text) == code).unwrap_or_else(|| panic!("{code}: {all:?}")).clone()
        };
        let said = refusal(true);
        let (ours, remote) = both(&said);
        assert_eq!((ours.len(), &ours[12..13], remote), (32, "4", THEIRS), "{code}");
        assert_ne!(ours, THEIRS);
        assert!(headers(&refusal(false), "Session-ID").is_empty(), "{code}: who is no end names nobody");
    }
}

#[test]
fn rfc7989_6_what_there_is_no_room_for_within_a_call_is_refused_by_the_uuid_of_that() {
    let mut net = Network::new();
    let end = |config: &mut Config| (config.session_id, config.max_server_transactions) = (true, 8);
    let (a, r) = (net.stack(end), net.raw());
    let (_, ok, mut dialog) = called_with(&mut net, a, r, &says(THEIRS, NIL));
    let ours = both(&ok).0.to_owned();
    // Nobody answers these. Who asks is told what he says he is, and what he was where he does not.
    let refused = |net: &mut Network, dialog: &mut RawDialog, more: &str| {
        let asked = dialog.request("OPTIONS", more, "");
        net.say(r, a, &asked);
        net.settle();
        net.inbox(r).into_iter().find(|text| kind(text) == "503 OPTIONS")
    };
    let first = (0..20).find_map(|_| refused(&mut net, &mut dialog, "")).expect("there is no room at last");
    assert_eq!(both(&first), (ours.as_str(), THEIRS));
    let other = refused(&mut net, &mut dialog, &says(OTHER, &ours)).expect("nor now");
    assert_eq!(both(&other), (ours.as_str(), OTHER));
    let again = refused(&mut net, &mut dialog, "").expect("nor now");
    assert_eq!(both(&again), (ours.as_str(), THEIRS), "what was refused changes nothing");
}

/// Who stands between two ends: the answer has named both, and the ACK turns them round.
#[test]
fn rfc7989_7_the_ack_of_who_is_no_end_has_both_uuids_of_the_answer_the_other_way_round() {
    let turned = format!("{OTHER};remote={THEIRS}");
    for (said, expected) in [
        (format!("{THEIRS};remote={OTHER}"), vec![turned.as_str()]),
        (OTHER.to_owned(), vec![OTHER]),
        (format!("{THEIRS};remote={NIL}"), vec![]),
        (format!("{NIL};remote={OTHER}"), vec![]),
        (format!("{THEIRS};remote=1"), vec![]),
    ] {
        let mut net = Network::new();
        let (a, r) = (net.stack(|_| {}), net.raw());
        let mut draft = invitation(a, r, sdp(OFFER));
        draft.lines.push("Session-ID", &format!("{OTHER};remote={NIL}")).unwrap();
        net.turn(a, |turn| turn.invite(draft)).unwrap();
        net.settle();
        let invite = net.one(r);
        let line = format!("{}Session-ID: {said}\r\n", contact(r));
        net.say(r, a, &respond(&invite, 200, "t", &line, ANSWER));
        net.settle();
        assert_eq!(headers(&net.one(r), "Session-ID"), expected, "{said}");
    }
}

/// Who stands between others is an end of some sessions, all of which have one UUID here.
#[test]
fn rfc7989_9_sessions_of_a_conference_have_one_uuid_of_ours() {
    let mut uuids = Vec::new();
    let mut net = Network::new();
    let a = net.stack(|_| {});
    for (number, line, theirs) in
        [(1, says(THEIRS, NIL), THEIRS), (2, says(OTHER, NIL), OTHER), (3, String::new(), NIL)]
    {
        let r = net.raw();
        let (tx, mut dialog, _) = rings_with(&mut net, a, r, &line);
        let s = net.turn(a, |turn| turn.session(tx)).unwrap();
        net.turn(a, |turn| turn.name_session(s, Some(77)));
        net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
        net.settle();
        let ok = net.one(r);
        let (ours, remote) = both(&ok);
        assert_eq!((remote, net.turn(a, |turn| turn.session_uuid(s)).as_deref()), (theirs, Some(ours)), "{number}");
        uuids.push(ours.to_owned());
        dialog.learn(&ok);
        let ack = dialog.numbered("ACK", dialog.cseq, "", "");
        net.say(r, a, &ack);
        net.settle();
        net.turn(a, |turn| turn.hangup(s, NO_CODE, Lines::default())).unwrap();
        net.settle();
        let bye = net.one(r);
        assert_eq!((kind(&bye).as_str(), both(&bye)), ("BYE", (ours, theirs)));
        net.say(r, a, &respond(&bye, 200, "", "", ""));
        net.settle();
        net.events(a);
    }
    net.assert_nothing_left();
    assert!(uuids.iter().all(|uuid| *uuid == uuids[0] && uuid.as_bytes()[12] == b'4'), "{uuids:?}");
}
