//! What is told of calls whose sides change: nobody is said to be in a call that he has left.

use audio::codec::Codec;
use event::dialog::State;
use sip::message::Method;

use super::attended::instead_of;
use super::{TRYING, another, refer, takes, told_of};
use crate::pair::pair;
use crate::phone::Phone;
use crate::replacing::{invites, named};
use crate::setup::{nothing_left, phone, with_phones};
use crate::sound::Sound;
use crate::subscribing::{ask, calls, subscribe, told};

const ALL: [&str; 3] = ["1001", "1002", "1003"];

/// Watches something all the time, so that what is known is kept.
fn watcher(running: &pbx::Running) -> Phone {
    let mut watcher = phone(running.bound()[0].address, "1003");
    assert_eq!(subscribe(&mut watcher, "600", "dialog").1.code().get(), 200);
    told(&mut watcher);
    watcher
}

/// The calls of each user, asked for.
fn now(watcher: &mut Phone) -> [Vec<State>; 3] {
    ALL.map(|whom| {
        assert_eq!(ask(watcher, "SUBSCRIBE", whom, "Event: dialog\r\nExpires: 0\r\n", None).1.code().get(), 200);
        calls(&told(watcher))
    })
}

fn in_a_call(who: [bool; 3]) -> [Vec<State>; 3] {
    who.map(|is| if is { vec![State::Confirmed] } else { Vec::new() })
}

#[test]
fn rfc4235_3_7_1_who_has_transferred_a_call_is_in_none_any_more() {
    for caller_asks in [false, true] {
        let mut pair = pair(false, false);
        let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
        let mut watcher = watcher(&pair.running);
        assert_eq!(now(&mut watcher), in_a_call([true, true, false]));
        let (asks, dialog) = match caller_asks {
            true => (&mut pair.caller, &mut pair.dialogs.0),
            false => (&mut pair.callee, &mut pair.dialogs.1),
        };
        assert_eq!(refer(asks, dialog, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        told_of(asks, TRYING);
        let invite = third.request(Method::Invite);
        let (_, mut there) = takes(&mut third, &invite, &sound);
        told_of(asks, "SIP/2.0 200 OK\r\n");
        asks.hung_up();
        assert_eq!(now(&mut watcher), in_a_call([!caller_asks, caller_asks, true]), "{caller_asks}");
        third.hang_up(&mut there);
        if caller_asks { &mut pair.callee } else { &mut pair.caller }.hung_up();
        nothing_left(&pair.running);
        assert_eq!(now(&mut watcher), in_a_call([false; 3]), "{caller_asks}");
    }
}

#[test]
fn rfc4235_3_7_1_a_call_that_went_into_another_is_no_more() {
    let mut pair = pair(false, false);
    let (mut third, sound, consulting) = (another(&pair, "1003"), Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let mut watcher = watcher(&pair.running);
    let asks = &mut pair.callee;
    let (second, mut there) = std::thread::scope(|scope| {
        let answering = scope.spawn(|| third.answers(&sound.describe()));
        let (dialog, _) = asks.call_through("1003", &consulting.describe());
        (dialog, answering.join().unwrap().1)
    });
    assert_eq!(now(&mut watcher).map(|calls| calls.len()), [1, 2, 1]);
    assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(&second, "")), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    for _ in 0..2 {
        asks.hung_up();
    }
    assert_eq!(now(&mut watcher), in_a_call([true, false, true]));
    third.hang_up(&mut there);
    pair.caller.hung_up();
    nothing_left(&pair.running);
    assert_eq!(now(&mut watcher), in_a_call([false; 3]));
}

#[test]
fn rfc4235_3_7_1_what_another_has_picked_up_rings_no_more() {
    let (running, mut phones) = with_phones(&ALL);
    let (mut third, mut callee, mut caller) = (phones.remove(2), phones.remove(1), phones.remove(0));
    let mut watcher = watcher(&running);
    let (near, far) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let (placed, rings, invite) = std::thread::scope(|scope| {
        let rings = scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            (callee.respond(&invite, 180, None), invite)
        });
        let (placed, _) = caller.call("1002", Some(&near.describe()));
        let (rings, invite) = rings.join().unwrap();
        (placed, rings, invite)
    });
    assert_eq!(now(&mut watcher), [vec![State::Early], vec![State::Early], vec![]]);
    let lines = format!("Require: replaces\r\nReplaces: {};early-only\r\n", named(&rings));
    let (mut dialog, answer) = invites(&mut third, &lines, &far.describe());
    assert_eq!(answer.code().get(), 200);
    let cancel = callee.request(Method::Cancel);
    callee.respond(&cancel, 200, None);
    callee.respond(&invite, 487, None);
    let answered = caller.final_response(&placed.branch);
    caller.ack(&placed, answered.headers(), false, None);
    assert_eq!(now(&mut watcher), in_a_call([true, false, true]));
    dialog.target = format!("sip:x@127.0.0.1:{}", third.server.port());
    third.hang_up(&mut dialog);
    caller.hung_up();
    nothing_left(&running);
    assert_eq!(now(&mut watcher), in_a_call([false; 3]));
}
