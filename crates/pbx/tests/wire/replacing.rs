//! Replaces (RFC 3891): calls that are picked up, and legs that another device goes on with.

use std::time::Duration;

use audio::codec::Codec;
use sip::header::To;
use sip::message::{HeaderId, Method, Response};

use crate::pair::{Pair, pair};
use crate::phone::{Dialog, Phone};
use crate::setup::{nothing_left, phone, with_phones};
use crate::sound::{Sound, address, both_ways, longest};

/// What must be heard in one piece.
const CLEAR: Duration = Duration::from_secs(1);

/// A dialog as Replaces names it to the server: its tag first.
pub(crate) fn named(dialog: &Dialog) -> String {
    let tag = |value: &str| value.split(";tag=").nth(1).unwrap().to_owned();
    format!("{};to-tag={};from-tag={}", dialog.call_id, tag(&dialog.to), tag(&dialog.from))
}

/// An INVITE with these lines: the dialog and the final answer, acknowledged.
pub(crate) fn invites(phone: &mut Phone, lines: &str, description: &str) -> (Dialog, Response) {
    phone.extra = lines.to_owned();
    let (mut dialog, first) = phone.call("1002", Some(description));
    phone.extra.clear();
    let answer = if first.code().is_final() { first } else { phone.final_response(&dialog.branch) };
    if answer.code().is_success() {
        dialog.to = answer.headers().get::<To<'_>>().unwrap().unwrap().to_string();
        phone.ack(&dialog, answer.headers(), false, None);
    }
    (dialog, answer)
}

fn hear_each_other(a: (&mut Sound, &Response), b: (&mut Sound, &Response)) {
    let (to_a, to_b) = (address(a.1.body()), address(b.1.body()));
    let (one, other) = both_ways((a.0, to_a, CLEAR), (b.0, to_b, CLEAR));
    assert!(longest(&one, 1_000.0) >= CLEAR, "{:?}", longest(&one, 1_000.0));
    assert!(longest(&other, 440.0) >= CLEAR, "{:?}", longest(&other, 440.0));
}

#[test]
fn rfc3891_3_and_7_1_a_ringing_call_is_picked_up_by_another_user_and_they_hear_each_other() {
    let (running, mut phones) = with_phones(&["1001", "1002", "1003"]);
    let (mut third, mut callee, mut caller) = (phones.remove(2), phones.remove(1), phones.remove(0));
    let (mut near, mut far) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let (mut placed, rings, invite) = std::thread::scope(|scope| {
        let rings = scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            (callee.respond(&invite, 180, None), invite)
        });
        let (placed, _) = caller.call("1002", Some(&near.describe()));
        let (rings, invite) = rings.join().unwrap();
        (placed, rings, invite)
    });
    // Who picks up knows the dialog of the device that rings.
    let lines = format!("Require: replaces\r\nReplaces: {};early-only\r\n", named(&rings));
    let (mut dialog, answer) = invites(&mut third, &lines, &far.describe());
    assert_eq!(answer.code().get(), 200);
    let cancel = callee.request(Method::Cancel);
    callee.respond(&cancel, 200, None);
    callee.respond(&invite, 487, None);
    callee.request(Method::Ack);
    assert!(cancel.headers().text(HeaderId::Reason).unwrap().contains("Call completed elsewhere"));
    let answered = caller.final_response(&placed.branch);
    placed.to = answered.headers().get::<To<'_>>().unwrap().unwrap().to_string();
    caller.ack(&placed, answered.headers(), false, None);
    hear_each_other((&mut near, &answered), (&mut far, &answer));
    let call = &running.status().unwrap().calls[0];
    assert_eq!((call.from.as_str(), call.to.as_str(), call.state), ("1001", "1003", "up"));
    dialog.target = format!("sip:x@127.0.0.1:{}", third.server.port());
    third.hang_up(&mut dialog);
    caller.hung_up();
    nothing_left(&running);
}

/// Another device of the user of either side goes on with a call that stands.
#[test]
fn rfc3891_3_another_device_of_the_user_goes_on_with_a_call_that_stands_and_the_old_one_gets_a_bye() {
    for callers in [true, false] {
        let mut pair = pair(false, false);
        let user = if callers { "1001" } else { "1002" };
        let mut second = phone(pair.running.bound()[0].address, user);
        let mut sound = Sound::new(Codec::Pcmu);
        let name = named(if callers { &pair.dialogs.0 } else { &pair.dialogs.1 });
        let lines = format!("Replaces: {name}\r\n");
        let (mut dialog, answer) = invites(&mut second, &lines, &sound.describe());
        assert_eq!(answer.code().get(), 200);
        let (old, stays, port) = match callers {
            true => (&mut pair.caller, &mut pair.sounds.1, pair.ports.1),
            false => (&mut pair.callee, &mut pair.sounds.0, pair.ports.0),
        };
        old.hung_up();
        let (one, other) = both_ways((stays, port, CLEAR), (&mut sound, address(answer.body()), CLEAR));
        assert!(longest(&one, 1_000.0) >= CLEAR && longest(&other, 440.0) >= CLEAR);
        let call = &pair.running.status().unwrap().calls[0];
        assert_eq!((call.from.as_str(), call.to.as_str(), call.state), ("1001", "1002", "up"));
        dialog.target = format!("sip:x@127.0.0.1:{}", second.server.port());
        second.hang_up(&mut dialog);
        let stays = if callers { &mut pair.callee } else { &mut pair.caller };
        stays.hung_up();
        nothing_left(&pair.running);
    }
}

#[test]
fn rfc3891_3_who_says_that_a_side_has_sent_him_is_not_believed() {
    let mut pair = pair(false, false);
    let mut third = phone(pair.running.bound()[0].address, "1003");
    let sound = Sound::new(Codec::Pcmu);
    let name = named(&pair.dialogs.1);
    for by in ["", "1001", "1002", "nobody"] {
        let lines = if by.is_empty() { String::new() } else { format!("Referred-By: <sip:{by}@127.0.0.1>\r\n") };
        let (_, answer) = invites(&mut third, &format!("Replaces: {name}\r\n{lines}"), &sound.describe());
        assert_eq!(answer.code().get(), 403, "{lines}");
    }
    // The call stands, as it was.
    let (one, other) = both_ways((&mut pair.sounds.0, pair.ports.0, CLEAR), (&mut pair.sounds.1, pair.ports.1, CLEAR));
    assert!(longest(&one, 1_000.0) >= CLEAR && longest(&other, 440.0) >= CLEAR);
    let call = &pair.running.status().unwrap().calls[0];
    assert_eq!((call.from.as_str(), call.to.as_str()), ("1001", "1002"));
    pair.caller.hang_up(&mut pair.dialogs.0);
    pair.callee.hung_up();
    nothing_left(&pair.running);
}

#[test]
fn rfc3891_3_what_cannot_be_replaced_is_refused_and_the_call_stands() {
    let pair = pair(false, false);
    let mut second = phone(pair.running.bound()[0].address, "1002");
    let (sound, name) = (Sound::new(Codec::Pcmu), named(&pair.dialogs.1));
    let plain = sound.describe();
    let unusable = plain.replace("RTP/AVP 0", "RTP/AVP 18").replace("rtpmap:0 PCMU", "rtpmap:18 G729");
    for (lines, description, code) in [
        (format!("Replaces: {name}\r\nReplaces: {name}\r\n"), &plain, 400),
        (format!("Replaces: {name}\r\nJoin: {name}\r\n"), &plain, 400),
        ("Replaces: x;from-tag=1\r\n".to_owned(), &plain, 400),
        ("Replaces: x;to-tag=1;from-tag=1\r\n".to_owned(), &plain, 481),
        (format!("Replaces: {name}x\r\n"), &plain, 481),
        (format!("Replaces: {name};early-only\r\n"), &plain, 486),
        (format!("Replaces: {name}\r\nRequire: unknown\r\n"), &plain, 420),
        (format!("Replaces: {name}\r\n"), &unusable, 488),
    ] {
        let (_, answer) = invites(&mut second, &lines, description);
        assert_eq!(answer.code().get(), code, "{lines}");
    }
    // In a request other than INVITE.
    second.extra = format!("Replaces: {name}\r\n");
    let (_, answer) = second.ask("MESSAGE", "sip:1001@127.0.0.1", "sip:1001@127.0.0.1", Some(("text/plain", "x")));
    assert_eq!(answer.code().get(), 400);
    second.extra.clear();
    let Pair { running, mut caller, mut callee, sounds, mut dialogs, ports, .. } = pair;
    let (mut near, mut far) = sounds;
    let (one, other) = both_ways((&mut near, ports.0, CLEAR), (&mut far, ports.1, CLEAR));
    assert!(longest(&one, 1_000.0) >= CLEAR && longest(&other, 440.0) >= CLEAR);
    // It ends: then it is 603.
    caller.hang_up(&mut dialogs.0);
    callee.hung_up();
    nothing_left(&running);
    let (_, answer) = invites(&mut second, &format!("Replaces: {name}\r\n"), &plain);
    assert_eq!(answer.code().get(), 603);
}

#[test]
fn rfc3891_3_who_is_in_a_conference_or_hears_an_echo_goes_on_with_another_device() {
    for number in ["600", "610"] {
        let (running, mut phones) = with_phones(&["1001"]);
        let (mut first, mut second) = (phones.remove(0), phone(running.bound()[0].address, "1001"));
        let mut sound = Sound::new(Codec::Pcmu);
        let (dialog, _) = first.call_through(number, &Sound::new(Codec::Pcmu).describe());
        let (mut dialog, answer) =
            invites(&mut second, &format!("Replaces: {}\r\n", named(&dialog)), &sound.describe());
        assert_eq!(answer.code().get(), 200);
        first.hung_up();
        if number == "600" {
            let heard = sound.talk_until_heard(address(answer.body()), 440.0, 440.0, CLEAR);
            assert!(longest(&heard, 440.0) >= CLEAR);
        }
        dialog.target = format!("sip:x@127.0.0.1:{}", second.server.port());
        second.hang_up(&mut dialog);
        nothing_left(&running);
    }
}
