//! Attended transfers: one side is to take a place in another call (RFC 3891, RFC 5589 section 7).

use audio::codec::Codec;
use event::dialog::DialogInfo;
use sdp::Direction;
use sip::message::{HeaderId, Method};

use super::{ANONYMOUS, CLEAR, TRYING, another, caller_talks_to, hear_each_other, name, refer, takes, told_of};
use crate::pair::{Pair, direction, pair, pair_of};
use crate::phone::{Dialog, Phone};
use crate::setup::{config, nothing_left, phone};
use crate::sound::{Sound, address, longest};
use crate::subscribing::{ask, subscribe, told};

/// Refer-To with the dialog of another call, as the telephone that has it knows it.
pub(crate) fn instead_of(dialog: &Dialog, more: &str) -> String {
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
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
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
    caller_talks_to(pair, third, (sound, port));
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

/// Whom a watcher is told that 1003 talks to.
fn remote(watcher: &mut Phone) -> String {
    let answer = ask(watcher, "SUBSCRIBE", "1003", "Event: dialog\r\nExpires: 0\r\n", None).1;
    assert_eq!(answer.code().get(), 200);
    let notify = told(watcher);
    let info = DialogInfo::read(notify.body()).unwrap();
    let [dialog] = &info.dialogs[..] else { panic!("{info:?}") };
    dialog.remote.identity.clone().unwrap()
}

/// Who watches all the time.
fn onlooker(pair: &Pair) -> Phone {
    let mut watcher = phone(pair.running.bound()[0].address, "1003");
    assert_eq!(subscribe(&mut watcher, "600", "dialog").1.code().get(), 200);
    told(&mut watcher);
    watcher
}

#[test]
fn rfc3323_4_2_who_does_not_want_to_be_known_is_nobody_in_the_call_that_he_is_put_into() {
    let mut pair = pair_of(config(), (ANONYMOUS, ""), "");
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let (consulting, mut watcher) = (Sound::new(Codec::Pcmu), onlooker(&pair));
    let asks = &mut pair.callee;
    let (mut second, mut there) = consult(asks, &mut third, &consulting, &sound);
    assert_eq!(remote(&mut watcher), "sip:1002@127.0.0.1");
    // It is asked for in the call with 1003: that one goes on, with the caller of the other as its callee.
    assert_eq!(refer(asks, &mut second, &instead_of(&pair.dialogs.1, "")), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    for _ in 0..2 {
        asks.hung_up();
    }
    assert_eq!(remote(&mut watcher), "sip:anonymous@127.0.0.1");
    assert_eq!(refer(&mut third, &mut there, "Refer-To: <sip:1002@127.0.0.1>\r\n"), 202);
    let invite = asks.request(Method::Invite);
    assert_eq!(
        (name(&invite, HeaderId::From), name(&invite, HeaderId::ReferredBy)),
        ("anonymous".into(), "1003".into())
    );
    assert!(!String::from_utf8_lossy(invite.headers().bytes()).contains("1001"));
}

#[test]
fn rfc3323_4_2_who_was_called_by_nobody_is_somebody_once_that_one_has_gone() {
    let mut pair = pair_of(config(), (ANONYMOUS, ""), "");
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let mut watcher = onlooker(&pair);
    let asks = &mut pair.caller;
    assert_eq!(refer(asks, &mut pair.dialogs.0, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    let invite = third.request(Method::Invite);
    let (_, mut there) = takes(&mut third, &invite, &sound);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    asks.hung_up();
    assert_eq!(remote(&mut watcher), "sip:1002@127.0.0.1");
    assert_eq!(refer(&mut third, &mut there, "Refer-To: <sip:1001@127.0.0.1>\r\n"), 202);
    let invite = asks.request(Method::Invite);
    assert_eq!((name(&invite, HeaderId::From), name(&invite, HeaderId::ReferredBy)), ("1002".into(), "1003".into()));
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
