//! Transfers: blind, attended and before the answer (RFC 3515, RFC 3891, RFC 5589).

use std::net::SocketAddr;
use std::time::Duration;

use audio::codec::Codec;
use sdp::Direction;
use sip::header::NameAddr;
use sip::message::{HeaderId, Method, Request};

use crate::pair::{Pair, direction, pair, pair_with};
use crate::phone::{Dialog, Phone};
use crate::setup::{config, nothing_left, phone};
use crate::sound::{Sound, address, both_ways, longest};

/// What must be heard in one piece.
const CLEAR: Duration = Duration::from_secs(1);
const TRYING: &str = "SIP/2.0 100 Trying\r\n";

/// A registered telephone more.
fn another(pair: &Pair, name: &str) -> Phone {
    let mut phone = phone(pair.running.bound()[0].address, name);
    assert_eq!(phone.register(120).code().get(), 200);
    phone
}

/// Asks for a transfer; the code that comes back.
fn refer(phone: &mut Phone, dialog: &mut Dialog, lines: &str) -> u16 {
    phone.extra = lines.to_owned();
    phone.within(dialog, "REFER", None);
    phone.extra.clear();
    phone.final_response(&dialog.branch).code().get()
}

/// What the one that has asked is told next: its event, the state of its subscription, and the line.
fn told(phone: &mut Phone) -> (String, String, String) {
    let notify = phone.request(Method::Notify);
    phone.respond(&notify, 200, None);
    let text = |id| notify.headers().text(id).unwrap().into_owned();
    assert_eq!(text(HeaderId::ContentType), "message/sipfrag;version=2.0");
    let line = String::from_utf8(notify.body().to_vec()).unwrap();
    (text(HeaderId::Event), text(HeaderId::SubscriptionState), line)
}

fn told_of(phone: &mut Phone, line: &str) {
    let (_, state, told) = told(phone);
    assert_eq!(told, line);
    let expected = if line.starts_with("SIP/2.0 1") { "active;expires=" } else { "terminated;reason=noresource" };
    assert!(state.starts_with(expected), "{state}");
}

/// The one that is wanted answers: where it is to send its audio, and its dialog.
fn takes(phone: &mut Phone, invite: &Request, sound: &Sound) -> (SocketAddr, Dialog) {
    let dialog = phone.respond(invite, 200, Some(&sound.describe()));
    phone.request(Method::Ack);
    (address(invite.body()), dialog)
}

fn hear_each_other(a: (&mut Sound, SocketAddr), b: (&mut Sound, SocketAddr)) {
    let (one, other) = both_ways((a.0, a.1, CLEAR), (b.0, b.1, CLEAR));
    assert!(longest(&one, 1_000.0) >= CLEAR, "{:?}", longest(&one, 1_000.0));
    assert!(longest(&other, 440.0) >= CLEAR, "{:?}", longest(&other, 440.0));
}

/// The identity in a header that holds one.
fn name(request: &Request, id: HeaderId) -> String {
    let text = request.headers().text(id).unwrap().into_owned();
    NameAddr::parse(text.split(";tag").next().unwrap()).unwrap().uri.user().unwrap().to_owned()
}

#[test]
fn rfc3515_2_4_either_side_transfers_the_other_and_is_told_how_it_goes() {
    for caller_asks in [false, true] {
        let mut pair = pair(false, false);
        let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
        let (asks, dialog, asking, stays) = match caller_asks {
            true => (&mut pair.caller, &mut pair.dialogs.0, "1001", "1002"),
            false => (&mut pair.callee, &mut pair.dialogs.1, "1002", "1001"),
        };
        assert_eq!(refer(asks, dialog, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        let (event, state, line) = told(asks);
        assert_eq!(event, format!("refer;id={}", dialog.cseq));
        assert!(state.starts_with("active;expires="), "{state}");
        assert_eq!(line, TRYING);
        let invite = third.request(Method::Invite);
        assert_eq!((name(&invite, HeaderId::From), name(&invite, HeaderId::ReferredBy)), (stays.into(), asking.into()));
        third.respond(&invite, 180, None);
        told_of(asks, "SIP/2.0 180 Ringing\r\n");
        let (port, mut there) = takes(&mut third, &invite, &sound);
        told_of(asks, "SIP/2.0 200 OK\r\n");
        asks.hung_up();
        let (staying, port_there) = match caller_asks {
            true => (&mut pair.sounds.1, pair.ports.1),
            false => (&mut pair.sounds.0, pair.ports.0),
        };
        hear_each_other((staying, port_there), (&mut sound, port));
        let call = &pair.running.status().unwrap().calls[0];
        assert_eq!((call.from.as_str(), call.to.as_str(), call.state), (stays, "1003", "up"));
        // Both ways to the end: the one that was called, and the one that stays.
        if caller_asks {
            third.hang_up(&mut there);
            pair.callee.hung_up();
        } else {
            pair.caller.hang_up(&mut pair.dialogs.0);
            third.hung_up();
        }
        nothing_left(&pair.running);
    }
}

#[test]
fn rfc3515_2_4_5_what_comes_to_nothing_is_told_and_the_call_stands() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    let asks = &mut pair.callee;
    for (lines, code) in
        [("Refer-To: <sip:1009@127.0.0.1>\r\n", "404 Not Found"), ("Refer-To: <sip:1003@h>\r\n", "486 Busy Here")]
    {
        assert_eq!(refer(asks, &mut pair.dialogs.1, lines), 202);
        told_of(asks, TRYING);
        if code.starts_with("486") {
            third.refuses(486, "");
        }
        told_of(asks, &format!("SIP/2.0 {code}\r\n"));
    }
    assert_eq!(third.register(0).code().get(), 200);
    assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 480 Temporarily Unavailable\r\n");
    hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut pair.sounds.1, pair.ports.1));
    pair.end();
}

#[test]
fn rfc3515_2_4_2_what_cannot_be_asked_for_is_refused_at_once() {
    let mut pair = pair(false, false);
    for (lines, code) in [
        ("", 400),
        ("Refer-To: <sip:1003@h>\r\nRefer-To: <sip:1003@h>\r\n", 400),
        ("Refer-To: <tel:1003>\r\n", 416),
        ("Refer-To: <sip:1003@h;method=MESSAGE>\r\n", 603),
        ("Refer-To: <sip:1003@h>\r\nRequire: explicitsub\r\n", 420),
    ] {
        assert_eq!(refer(&mut pair.callee, &mut pair.dialogs.1, lines), code, "{lines}");
    }
    // Outside a call, and in one with nobody to be transferred.
    let mut third = another(&pair, "1003");
    third.extra = "Refer-To: <sip:1001@127.0.0.1>\r\n".to_owned();
    let (_, answer) = third.ask("REFER", "sip:1002@127.0.0.1", "sip:1002@127.0.0.1", None);
    assert_eq!(answer.code().get(), 603);
    third.extra.clear();
    let (mut alone, _) = third.call_through("600", &Sound::new(Codec::Pcmu).describe());
    assert_eq!(refer(&mut third, &mut alone, "Refer-To: <sip:1001@127.0.0.1>\r\n"), 603);
    third.hang_up(&mut alone);
    pair.end();
}

#[test]
fn rfc4488_4_who_wants_no_reports_gets_none() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    let asks = &mut pair.callee;
    let lines = "Refer-To: <sip:1003@127.0.0.1>\r\nRefer-Sub: false\r\nSupported: norefersub\r\n";
    asks.extra = lines.to_owned();
    asks.within(&mut pair.dialogs.1, "REFER", None);
    asks.extra.clear();
    let accepted = asks.final_response(&pair.dialogs.1.branch.clone());
    assert_eq!(accepted.headers().text(HeaderId::ReferSub).unwrap(), "false");
    third.refuses(486, "");
    assert!(asks.hears_no(&Method::Notify));
    pair.end();
}

/// A telephone hangs up as soon as its request has been accepted.
#[test]
fn rfc5589_6_1_who_has_asked_may_hang_up_at_once() {
    let mut pair = pair(false, false);
    let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let asks = &mut pair.caller;
    assert_eq!(refer(asks, &mut pair.dialogs.0, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    asks.hang_up(&mut pair.dialogs.0);
    let invite = third.request(Method::Invite);
    let (port, _) = takes(&mut third, &invite, &sound);
    hear_each_other((&mut pair.sounds.1, pair.ports.1), (&mut sound, port));
    pair.callee.hang_up(&mut pair.dialogs.1);
    third.hung_up();
    assert!(pair.caller.hears_no(&Method::Notify));
    nothing_left(&pair.running);
}

#[test]
fn nobody_to_talk_to_is_the_end_for_who_was_left_alone() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    let asks = &mut pair.callee;
    assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    asks.hang_up(&mut pair.dialogs.1);
    third.refuses(486, "");
    let bye = pair.caller.hung_up();
    assert_eq!(bye.headers().text(HeaderId::Reason).unwrap(), "SIP;cause=486;text=\"Busy Here\"");
    nothing_left(&pair.running);
}

#[test]
fn who_is_to_be_transferred_may_hang_up() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    assert_eq!(refer(&mut pair.callee, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(&mut pair.callee, TRYING);
    let invite = third.request(Method::Invite);
    third.respond(&invite, 180, None);
    told_of(&mut pair.callee, "SIP/2.0 180 Ringing\r\n");
    pair.caller.hang_up(&mut pair.dialogs.0);
    told_of(&mut pair.callee, "SIP/2.0 487 Request Terminated\r\n");
    pair.callee.hung_up();
    let cancel = third.request(Method::Cancel);
    third.respond(&cancel, 200, None);
    third.respond(&invite, 487, None);
    third.request(Method::Ack);
    nothing_left(&pair.running);
}

/// Who was put on hold before is asked to go on.
#[test]
fn an_extension_takes_who_is_sent_there_off_hold() {
    // Calls take turns with the media threads and so do conferences: the first call is on that of the first, and moves to the second.
    let mut config = config();
    config.extensions.conference = vec!["610".to_owned(), "611".to_owned()];
    for (number, pitch) in [("601", 440.0), ("610", 0.0), ("611", 0.0)] {
        let mut pair = pair_with(config.clone(), "", "");
        let hold = pair.sounds.1.describe_as("sendonly");
        pair.callee.within(&mut pair.dialogs.1, "INVITE", Some(("application/sdp", &hold)));
        let invite = pair.caller.request(Method::Invite);
        pair.caller.respond(&invite, 200, Some(&pair.sounds.0.describe_as("recvonly")));
        pair.caller.request(Method::Ack);
        let held = pair.callee.final_response(&pair.dialogs.1.branch.clone());
        pair.callee.ack(&pair.dialogs.1.clone(), held.headers(), false, None);
        let asks = &mut pair.callee;
        assert_eq!(refer(asks, &mut pair.dialogs.1, &format!("Refer-To: <sip:{number}@127.0.0.1>\r\n")), 202);
        told_of(asks, TRYING);
        told_of(asks, "SIP/2.0 200 OK\r\n");
        asks.hung_up();
        let invite = pair.caller.request(Method::Invite);
        assert_eq!(direction(invite.body()), Direction::SendRecv);
        pair.caller.respond(&invite, 200, Some(&pair.sounds.0.describe()));
        pair.caller.request(Method::Ack);
        if pitch > 0.0 {
            let heard = pair.sounds.0.talk_until_heard(pair.ports.0, 0.0, pitch, CLEAR);
            assert!(longest(&heard, pitch) >= CLEAR, "{:?}", longest(&heard, pitch));
        } else {
            let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
            let (mut there, answer) = third.call_through(number, &sound.describe());
            hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, address(answer.body())));
            third.hang_up(&mut there);
        }
        pair.caller.hang_up(&mut pair.dialogs.0);
        nothing_left(&pair.running);
    }
}

/// Refer-To with the dialog of another call, as the telephone that has it knows it.
fn instead_of(dialog: &Dialog, more: &str) -> String {
    let tag = |value: &str| value.split(";tag=").nth(1).unwrap().to_owned();
    let (to, from) = (tag(&dialog.to), tag(&dialog.from));
    let call_id = dialog.call_id.replace('@', "%40");
    format!("Refer-To: <sip:1003@127.0.0.1?Replaces={call_id}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}{more}>\r\n")
}

/// Whose calls are joined, and which telephone of each pair asks; the media threads of the two calls differ as often as not.
#[test]
fn rfc5589_7_the_other_sides_of_two_calls_are_joined() {
    for (caller_asks, calls_third) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut pair = pair(false, false);
        let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
        let (asks, dialog) = match caller_asks {
            true => (&mut pair.caller, &mut pair.dialogs.0),
            false => (&mut pair.callee, &mut pair.dialogs.1),
        };
        let consulting = Sound::new(Codec::Pcmu);
        let number = asks.name.clone();
        let (second, there, port) = std::thread::scope(|scope| {
            let (calls, answers) = if calls_third { (&mut *asks, &mut third) } else { (&mut third, &mut *asks) };
            let (describes, described) = if calls_third { (&consulting, &sound) } else { (&sound, &consulting) };
            let answering = scope.spawn(|| answers.answers(&described.describe()));
            let (dialog, answer) =
                calls.call_through(if calls_third { "1003" } else { &number }, &describes.describe());
            let (invite, other) = answering.join().unwrap();
            match calls_third {
                true => (dialog, other, address(invite.body())),
                false => (other, dialog, address(answer.body())),
            }
        });
        assert_eq!(pair.running.status().unwrap().calls.len(), 2);
        assert_eq!(refer(asks, dialog, &instead_of(&second, "")), 202);
        told_of(asks, TRYING);
        told_of(asks, "SIP/2.0 200 OK\r\n");
        for _ in 0..2 {
            asks.hung_up();
        }
        let (staying, ours) = match caller_asks {
            true => (&mut pair.sounds.1, pair.ports.1),
            false => (&mut pair.sounds.0, pair.ports.0),
        };
        hear_each_other((staying, ours), (&mut sound, port));
        assert_eq!(pair.running.status().unwrap().calls.len(), 1);
        let mut there = there;
        third.hang_up(&mut there);
        if caller_asks {
            pair.callee.hung_up()
        } else {
            pair.caller.hung_up()
        };
        nothing_left(&pair.running);
    }
}

#[test]
fn rfc5589_7_4_who_rings_goes_on_ringing_for_who_is_transferred() {
    let mut pair = pair(false, false);
    let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let asks = &mut pair.callee;
    let consulting = Sound::new(Codec::Pcmu);
    let (second, invite) = std::thread::scope(|scope| {
        let ringing = scope.spawn(|| {
            let invite = third.request(Method::Invite);
            third.respond(&invite, 180, None);
            invite
        });
        let (dialog, _) = asks.call("1003", Some(&consulting.describe()));
        (dialog, ringing.join().unwrap())
    });
    // Only before the answer: this is before the answer.
    assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(&second, "%3Bearly-only")), 202);
    told_of(asks, TRYING);
    let refused = asks.wait_for_code(480);
    asks.ack(&second, refused.headers(), true, None);
    let (port, _) = takes(&mut third, &invite, &sound);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    asks.hung_up();
    hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, port));
    pair.caller.hang_up(&mut pair.dialogs.0);
    third.hung_up();
    nothing_left(&pair.running);
}

#[test]
fn rfc3891_3_a_dialog_that_is_not_there_or_answered_or_not_ones_own_is_told_so() {
    let mut pair = pair(false, false);
    let sound = Sound::new(Codec::Pcmu);
    let mut third = another(&pair, "1003");
    let asks = &mut pair.callee;
    let (mut second, _) = asks.call_through("600", &sound.describe());
    let mut unknown = second.clone();
    unknown.to.push('x');
    for (named, more, line) in [
        (&unknown, "", "SIP/2.0 481 Call/Transaction Does Not Exist\r\n"),
        (&pair.dialogs.1.clone(), "", "SIP/2.0 481 Call/Transaction Does Not Exist\r\n"),
        (&second.clone(), "%3Bearly-only", "SIP/2.0 486 Busy Here\r\n"),
    ] {
        assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(named, more)), 202);
        told_of(asks, TRYING);
        told_of(asks, line);
    }
    // Somebody else's call: whoever knows its names has no part in it.
    let (mut theirs, _) = third.call_through("600", &sound.describe());
    assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(&theirs, "")), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 403 Forbidden\r\n");
    third.hang_up(&mut theirs);
    asks.hang_up(&mut second);
    hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut pair.sounds.1, pair.ports.1));
    pair.end();
}

#[test]
fn rfc5589_7_who_is_transferred_takes_the_place_in_an_extension() {
    let mut pair = pair(false, false);
    let asks = &mut pair.callee;
    let (second, _) = asks.call_through("601", &Sound::new(Codec::Pcmu).describe());
    assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(&second, "")), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    for _ in 0..2 {
        asks.hung_up();
    }
    let heard = pair.sounds.0.talk_until_heard(pair.ports.0, 0.0, 440.0, CLEAR);
    assert!(longest(&heard, 440.0) >= CLEAR, "{:?}", longest(&heard, 440.0));
    pair.caller.hang_up(&mut pair.dialogs.0);
    nothing_left(&pair.running);
}

#[test]
fn rfc3515_2_4_6_two_at_a_time_are_told_apart_and_the_first_answer_counts() {
    let mut pair = pair(false, false);
    let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let asks = &mut pair.callee;
    let mut events = Vec::new();
    let mut invites = Vec::new();
    for _ in 0..2 {
        assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        let (event, _, line) = told(asks);
        assert_eq!(line, TRYING);
        events.push(event);
        let invite = third.request(Method::Invite);
        third.respond(&invite, 180, None);
        told_of(asks, "SIP/2.0 180 Ringing\r\n");
        invites.push(invite);
    }
    for _ in 0..2 {
        assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        told_of(asks, TRYING);
        third.refuses(486, "");
        told_of(asks, "SIP/2.0 486 Busy Here\r\n");
    }
    assert_ne!(events[0], events[1]);
    let (port, _) = takes(&mut third, &invites[1], &sound);
    let ends = [told(asks), told(asks)].map(|(event, _, line)| (event, line));
    assert!(ends.contains(&(events[1].clone(), "SIP/2.0 200 OK\r\n".to_owned())), "{ends:?}");
    assert!(ends.contains(&(events[0].clone(), "SIP/2.0 487 Request Terminated\r\n".to_owned())), "{ends:?}");
    asks.hung_up();
    let cancel = third.request(Method::Cancel);
    third.respond(&cancel, 200, None);
    third.respond(&invites[0], 487, None);
    third.request(Method::Ack);
    hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, port));
    pair.caller.hang_up(&mut pair.dialogs.0);
    third.hung_up();
    nothing_left(&pair.running);
}

fn consult(asks: &mut Phone, third: &mut Phone, consulting: &Sound, sound: &Sound) -> (Dialog, Dialog) {
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| third.answers(&sound.describe()));
        let (dialog, _) = asks.call_through("1003", &consulting.describe());
        let (_, other) = answering.join().unwrap();
        (dialog, other)
    })
}

#[test]
fn rfc3892_who_is_transferred_again_is_named_as_before() {
    let mut pair = pair(false, false);
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let consulting = Sound::new(Codec::Pcmu);
    let asks = &mut pair.callee;
    let (second, mut there) = consult(asks, &mut third, &consulting, &sound);
    assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(&second, "")), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    for _ in 0..2 {
        asks.hung_up();
    }
    assert_eq!(refer(&mut third, &mut there, "Refer-To: <sip:1002@127.0.0.1>\r\n"), 202);
    let invite = asks.request(Method::Invite);
    assert_eq!((name(&invite, HeaderId::From), name(&invite, HeaderId::ReferredBy)), ("1001".into(), "1003".into()));
}

#[test]
fn rfc3261_14_2_a_change_that_the_one_that_leaves_was_asked_for_is_answered_491() {
    let mut pair = pair(false, false);
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let consulting = Sound::new(Codec::Pcmu);
    let asks = &mut pair.callee;
    let (second, mut there) = consult(asks, &mut third, &consulting, &sound);
    third.within(&mut there, "INVITE", Some(("application/sdp", &sound.describe_as("sendonly"))));
    let _pending = asks.request(Method::Invite);
    assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(&second, "")), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    let answer = third.final_response(&there.branch.clone());
    assert_eq!(answer.code().get(), 491);
}

#[test]
fn a_hold_that_is_answered_after_the_transfer_is_taken_back() {
    let mut pair = pair(false, false);
    let hold = pair.sounds.1.describe_as("sendonly");
    pair.callee.within(&mut pair.dialogs.1, "INVITE", Some(("application/sdp", &hold)));
    let invite = pair.caller.request(Method::Invite);
    let asks = &mut pair.callee;
    assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:601@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    pair.caller.respond(&invite, 200, Some(&pair.sounds.0.describe_as("recvonly")));
    pair.caller.request(Method::Ack);
    let again = pair.caller.request(Method::Invite);
    assert_eq!(direction(again.body()), Direction::SendRecv);
}

#[test]
fn what_was_passed_on_to_the_one_that_leaves_is_answered() {
    let mut pair = pair(false, false);
    pair.caller.within(&mut pair.dialogs.0, "INFO", Some(("application/dtmf-relay", "Signal=1\r\n")));
    let _info = pair.callee.request(Method::Info);
    let asks = &mut pair.callee;
    assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:601@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    let answer = pair.caller.final_response(&pair.dialogs.0.branch.clone());
    assert!(answer.code().is_final());
}

#[test]
fn a_hold_of_the_one_that_was_consulted_is_taken_back() {
    let mut pair = pair(false, false);
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let consulting = Sound::new(Codec::Pcmu);
    let asks = &mut pair.callee;
    let (mut second, _there) = consult(asks, &mut third, &consulting, &sound);
    // Hold of the third is under way.
    asks.within(&mut second, "INVITE", Some(("application/sdp", &consulting.describe_as("sendonly"))));
    let invite = third.request(Method::Invite);
    assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(&second, "")), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    third.respond(&invite, 200, Some(&sound.describe_as("recvonly")));
    third.request(Method::Ack);
    let again = third.request(Method::Invite);
    assert_eq!(direction(again.body()), Direction::SendRecv);
}

#[test]
fn a_call_counts_for_the_one_that_stays() {
    let mut config = config();
    config.limits.calls_per_user = 1;
    let mut pair = pair_with(config, "", "");
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let asks = &mut pair.caller;
    assert_eq!(refer(asks, &mut pair.dialogs.0, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    let invite = third.request(Method::Invite);
    takes(&mut third, &invite, &sound);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    asks.hung_up();
    // 1001 has no call now; 1002 has one.
    let (_, answer) = asks.call("600", Some(&pair.sounds.0.describe()));
    assert_eq!(answer.code().get(), 200);
}

#[test]
fn rfc3515_who_is_wanted_may_be_kept_by_another_loop() {
    for _ in 0..4 {
        let mut pair = pair_with(pbx::Config { shards: 4, ..config() }, "", "");
        let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
        let asks = &mut pair.callee;
        assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        told_of(asks, TRYING);
        let invite = third.request(Method::Invite);
        let (port, _) = takes(&mut third, &invite, &sound);
        told_of(asks, "SIP/2.0 200 OK\r\n");
        asks.hung_up();
        hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, port));
        pair.caller.hang_up(&mut pair.dialogs.0);
        third.hung_up();
        nothing_left(&pair.running);
    }
}

#[test]
fn rfc5589_7_a_call_may_be_joined_again_and_again() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    let mut x_dialog = pair.dialogs.1.clone();
    for round in 0..5 {
        let (x, y, number) = if round % 2 == 0 {
            (&mut pair.callee, &mut third, "1003")
        } else {
            (&mut third, &mut pair.callee, "1002")
        };
        let (consulting, mut sound) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
        let (second, there, port) = std::thread::scope(|scope| {
            let answering = scope.spawn(|| y.answers(&sound.describe()));
            let (dialog, _) = x.call_through(number, &consulting.describe());
            let (invite, other) = answering.join().unwrap();
            (dialog, other, address(invite.body()))
        });
        assert_eq!(refer(x, &mut x_dialog, &instead_of(&second, "")), 202);
        told_of(x, TRYING);
        told_of(x, "SIP/2.0 200 OK\r\n");
        x.hung_up();
        x.hung_up();
        hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, port));
        x_dialog = there;
    }
    pair.caller.hang_up(&mut pair.dialogs.0);
    third.hung_up();
    nothing_left(&pair.running);
}

/// Sixteen transactions are a few kilobytes; without an end they would fill the tables.
#[test]
fn who_confirms_nothing_is_told_nothing_more() {
    let mut pair = pair(false, false);
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(refer(&mut pair.callee, &mut pair.dialogs.1, "Refer-To: <sip:1009@127.0.0.1>\r\n"));
    }
    // Each that is accepted is followed by two NOTIFYs.
    assert_eq!(codes, [[202; 4].to_vec(), [503; 16].to_vec()].concat());
    for _ in 0..8 {
        told(&mut pair.callee);
    }
    assert_eq!(refer(&mut pair.callee, &mut pair.dialogs.1, "Refer-To: <sip:1009@127.0.0.1>\r\n"), 202);
    pair.end();
}

#[test]
fn rfc3515_2_4_7_transfers_of_the_call_that_is_joined_end_for_who_asked() {
    let mut pair = pair(false, false);
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let consulting = Sound::new(Codec::Pcmu);
    // 1003 calls 1001 (the caller of the pair), and has a transfer of its own under way there when 1001 joins it with 1002.
    let (mut there, second) = std::thread::scope(|scope| {
        let caller = &mut pair.caller;
        let answering = scope.spawn(|| caller.answers(&consulting.describe()));
        let (dialog, _) = third.call_through("1001", &sound.describe());
        (dialog, answering.join().unwrap().1)
    });
    assert_eq!(refer(&mut third, &mut there, "Refer-To: <sip:1002@127.0.0.1>\r\n"), 202);
    told_of(&mut third, TRYING);
    let _ringing = pair.callee.request(Method::Invite);
    assert_eq!(refer(&mut pair.caller, &mut pair.dialogs.0, &instead_of(&second, "")), 202);
    told_of(&mut third, "SIP/2.0 487 Request Terminated\r\n");
    told_of(&mut pair.caller, TRYING);
    told_of(&mut pair.caller, "SIP/2.0 200 OK\r\n");
}
