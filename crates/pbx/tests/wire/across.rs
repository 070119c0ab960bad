//! Replaces, Join and attended transfers where the calls are with different loops: as in one.

use std::time::{Duration, Instant};

use audio::codec::Codec;
use pbx::{Config, Running};
use sip::Timers;
use sip::message::{HeaderId, Method};

use crate::joining;
use crate::pair::{Pair, pair_with};
use crate::phone::{Dialog, Phone};
use crate::replacing::{self, named};
use crate::setup::{self, config, phone};
use crate::sound::{Sound, address, both_ways, longest};
use crate::transfers::{attended::instead_of, refer, told_of};

/// What must be heard in one piece.
const CLEAR: Duration = Duration::from_millis(300);
/// Each falls to the loop of the other call in one case of four: all of them do once in 4^8 runs.
const TIMES: usize = 8;

/// Four loops that forget what is over after 1.28 s; a device that has not answered by then is not called any more.
pub(crate) fn four() -> Config {
    Config { shards: 4, timers: Timers { t1: Duration::from_millis(20), ..config().timers }, ..config() }
}

pub(crate) fn sharded() -> Pair {
    pair_with(four(), "", "")
}

/// Nothing is held, and no loop sends on anything any more.
pub(crate) fn nothing_left(running: &Running) {
    setup::nothing_left(running);
    let end = Instant::now() + Duration::from_secs(10);
    while let Some(one) = running.status().unwrap().loops.iter().find(|one| one.moved > 0) {
        assert!(Instant::now() < end, "{one:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many calls are with another loop than the one to which they fall.
fn moved(running: &Running) -> usize {
    running.status().unwrap().loops.iter().map(|one| one.moved).sum()
}

pub(crate) fn hear_each_other(a: (&mut Sound, std::net::SocketAddr), b: (&mut Sound, std::net::SocketAddr)) {
    let (one, other) = both_ways((a.0, a.1, CLEAR), (b.0, b.1, CLEAR));
    assert!(longest(&one, 1_000.0) >= CLEAR, "{:?}", longest(&one, 1_000.0));
    assert!(longest(&other, 440.0) >= CLEAR, "{:?}", longest(&other, 440.0));
}

/// A call of one to the number of another: both dialogs, and where the other one sends its audio.
pub(crate) fn consult(
    asks: &mut Phone,
    third: &mut Phone,
    number: &str,
    sound: &Sound,
) -> (Dialog, Dialog, std::net::SocketAddr) {
    let consulting = Sound::new(Codec::Pcmu);
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| third.answers(&sound.describe()));
        let (dialog, _) = asks.call_through(number, &consulting.describe());
        let (invite, other) = answering.join().unwrap();
        (dialog, other, address(invite.body()))
    })
}

#[test]
fn rfc5589_7_calls_of_different_loops_are_joined_and_go_on_as_one() {
    let mut apart = 0;
    for _ in 0..TIMES {
        let mut pair = sharded();
        let mut third = phone(pair.running.bound()[0].address, "1003");
        assert_eq!(third.register(120).code().get(), 200);
        let mut sound = Sound::new(Codec::Pcmu);
        let (second, mut there, port) = consult(&mut pair.callee, &mut third, "1003", &sound);
        assert_eq!(refer(&mut pair.callee, &mut pair.dialogs.1, &instead_of(&second, "")), 202);
        told_of(&mut pair.callee, "SIP/2.0 100 Trying\r\n");
        told_of(&mut pair.callee, "SIP/2.0 200 OK\r\n");
        (0..2).for_each(|_| drop(pair.callee.hung_up()));
        apart += moved(&pair.running);
        hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, port));
        // It is one call: what one side asks for is asked of the other.
        third.within(&mut there, "MESSAGE", Some(("text/plain", "still there?")));
        let message = pair.caller.request(Method::Message);
        pair.caller.respond(&message, 200, None);
        assert_eq!(third.final_response(&there.branch).code().get(), 200);
        let call = &pair.running.status().unwrap().calls;
        assert_eq!(
            call.iter().map(|one| (&*one.from, &*one.to, one.state)).collect::<Vec<_>>(),
            [("1001", "1003", "up")]
        );
        // From the side whose dialog has gone to another loop, and from the other.
        pair.caller.hang_up(&mut pair.dialogs.0);
        third.hung_up();
        nothing_left(&pair.running);
    }
    // Both dialogs of the call that was transferred, each time but one of four.
    assert!(apart > 0, "no two calls were with different loops");
}

#[test]
fn rfc5589_7_who_rings_and_who_hears_an_extension_is_with_another_loop() {
    for at in 0..TIMES {
        let mut pair = sharded();
        let (mut third, sound) = (phone(pair.running.bound()[0].address, "1003"), Sound::new(Codec::Pcmu));
        assert_eq!(third.register(120).code().get(), 200);
        let asks = &mut pair.callee;
        if at % 2 == 0 {
            let (second, _) = asks.call_through("601", &Sound::new(Codec::Pcmu).describe());
            assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(&second, "")), 202);
            told_of(asks, "SIP/2.0 100 Trying\r\n");
            told_of(asks, "SIP/2.0 200 OK\r\n");
            (0..2).for_each(|_| drop(asks.hung_up()));
            let heard = pair.sounds.0.talk_until_heard(pair.ports.0, 0.0, 440.0, CLEAR);
            assert!(longest(&heard, 440.0) >= CLEAR, "{:?}", longest(&heard, 440.0));
            pair.caller.hang_up(&mut pair.dialogs.0);
        } else {
            let (second, invite) = std::thread::scope(|scope| {
                let ringing = scope.spawn(|| {
                    let invite = third.request(Method::Invite);
                    third.respond(&invite, 180, None);
                    invite
                });
                let (dialog, _) = asks.call("1003", Some(&sound.describe()));
                (dialog, ringing.join().unwrap())
            });
            assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(&second, "%3Bearly-only")), 202);
            told_of(asks, "SIP/2.0 100 Trying\r\n");
            let refused = asks.wait_for_code(480);
            asks.ack(&second, refused.headers(), true, None);
            let mut there = third.respond(&invite, 200, Some(&sound.describe()));
            third.request(Method::Ack);
            told_of(asks, "SIP/2.0 200 OK\r\n");
            asks.hung_up();
            third.hang_up(&mut there);
            pair.caller.hung_up();
        }
        nothing_left(&pair.running);
    }
}

/// The controls: what may not be had is refused wherever it is, and the call stands.
#[test]
fn rfc3891_3_somebody_elses_call_of_another_loop_is_not_given_away() {
    for _ in 0..TIMES {
        let mut pair = sharded();
        let sound = Sound::new(Codec::Pcmu);
        let mut third = phone(pair.running.bound()[0].address, "1003");
        let asks = &mut pair.callee;
        let (mut theirs, _) = third.call_through("600", &sound.describe());
        let mut unknown = theirs.clone();
        unknown.to.push('x');
        for (dialog, line) in [
            (&unknown, "SIP/2.0 481 Call/Transaction Does Not Exist\r\n"),
            (&theirs.clone(), "SIP/2.0 403 Forbidden\r\n"),
        ] {
            assert_eq!(refer(asks, &mut pair.dialogs.1, &instead_of(dialog, "")), 202);
            told_of(asks, "SIP/2.0 100 Trying\r\n");
            told_of(asks, line);
        }
        assert_eq!(moved(&pair.running), 0, "nothing has gone anywhere for that");
        for (lines, code) in [
            (format!("Replaces: {}\r\n", named(&theirs)), 403),
            (format!("Join: {}\r\n", named(&theirs)), 403),
            (format!("Replaces: {}\r\n", named(&unknown)), 481),
            (format!("Join: {}\r\n", named(&unknown)), 481),
        ] {
            let (_, answer) = replacing::invites(asks, &lines, &sound.describe());
            assert_eq!(answer.code().get(), code, "{lines}");
        }
        third.hang_up(&mut theirs);
        hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut pair.sounds.1, pair.ports.1));
        pair.end();
    }
}

#[test]
fn rfc3891_3_another_device_takes_a_leg_over_whichever_loop_has_it() {
    for at in 0..TIMES {
        let mut pair = sharded();
        let mut second = phone(pair.running.bound()[0].address, "1002");
        let mut sound = Sound::new(Codec::Pcmu);
        let lines = format!("Replaces: {}\r\n", named(&pair.dialogs.1));
        let (mut dialog, answer) = replacing::invites(&mut second, &lines, &sound.describe());
        assert_eq!(answer.code().get(), 200);
        pair.callee.hung_up();
        hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, address(answer.body())));
        // Hold, by the side whose Call-ID falls elsewhere.
        dialog.target = format!("sip:x@127.0.0.1:{}", second.server.port());
        let held = sound.describe() + "a=sendonly\r\n";
        second.within(&mut dialog, "INVITE", Some(("application/sdp", &held)));
        let asked = pair.caller.request(Method::Invite);
        pair.caller.respond(&asked, 200, Some(&pair.sounds.0.describe()));
        pair.caller.request(Method::Ack);
        let held = second.final_response(&dialog.branch);
        assert_eq!(held.code().get(), 200);
        second.ack(&dialog, held.headers(), false, None);
        if at % 2 == 0 {
            second.hang_up(&mut dialog);
            pair.caller.hung_up();
        } else {
            pair.caller.hang_up(&mut pair.dialogs.0);
            second.hung_up();
        }
        nothing_left(&pair.running);
    }
}

#[test]
fn rfc3891_7_1_what_rings_in_another_loop_is_picked_up() {
    for _ in 0..TIMES {
        let (running, address_of) = setup::start(four());
        let mut phones = ["1001", "1002", "1003"].map(|name| phone(address_of, name));
        phones.iter_mut().for_each(|phone| assert_eq!(phone.register(120).code().get(), 200));
        let [mut caller, mut callee, mut third] = phones;
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
        let lines = format!("Require: replaces\r\nReplaces: {};early-only\r\n", named(&rings));
        let (mut dialog, answer) = replacing::invites(&mut third, &lines, &far.describe());
        assert_eq!(answer.code().get(), 200);
        let cancel = callee.request(Method::Cancel);
        callee.respond(&cancel, 200, None);
        callee.respond(&invite, 487, None);
        callee.request(Method::Ack);
        let answered = caller.final_response(&placed.branch);
        placed.to = answered.headers().text(HeaderId::To).unwrap().into_owned();
        caller.ack(&placed, answered.headers(), false, None);
        hear_each_other((&mut near, address(answered.body())), (&mut far, address(answer.body())));
        dialog.target = format!("sip:x@127.0.0.1:{}", third.server.port());
        third.hang_up(&mut dialog);
        caller.hung_up();
        nothing_left(&running);
    }
}

#[test]
fn rfc3911_4_a_call_of_another_loop_is_joined_and_all_three_talk() {
    for _ in 0..TIMES {
        let pair = sharded();
        let mut third = phone(pair.running.bound()[0].address, "1002");
        let mut sound = Sound::new(Codec::Pcmu);
        let lines = format!("Require: join\r\nJoin: {}\r\n", named(&pair.dialogs.1));
        let (mut dialog, answer) = joining::invites(&mut third, "1002", &lines, &sound.describe());
        assert_eq!(answer.code().get(), 200);
        let port = address(answer.body());
        let Pair { running, mut caller, mut callee, sounds: (mut near, mut far), mut dialogs, ports, .. } = pair;
        hear_each_other((&mut near, ports.0), (&mut sound, port));
        hear_each_other((&mut far, ports.1), (&mut sound, port));
        third.hang_up(&mut dialog);
        // What was said to the third meanwhile is not to be heard after.
        for sound in [&mut near, &mut far] {
            sound.drain();
        }
        hear_each_other((&mut near, ports.0), (&mut far, ports.1));
        caller.hang_up(&mut dialogs.0);
        callee.hung_up();
        nothing_left(&running);
    }
}

/// A conference of three, by Join: who is one of them goes on with another device, or has somebody else sit there.
#[test]
fn rfc3891_3_one_of_several_goes_on_with_another_device_or_has_another_take_its_place() {
    for shards in [1, 4, 4] {
        let pair = pair_with(Config { shards, ..four() }, "", "");
        let server = pair.running.bound()[0].address;
        let (mut third, mut sound) = (phone(server, "1002"), Sound::new(Codec::Pcmu));
        let lines = format!("Join: {}\r\n", named(&pair.dialogs.1));
        let (joined, answer) = joining::invites(&mut third, "1002", &lines, &sound.describe());
        assert_eq!(answer.code().get(), 200);
        let Pair { running, mut caller, mut callee, sounds: (mut near, mut far), dialogs, ports, .. } = pair;
        // The one that has joined, and the caller, each by another device of theirs; a stranger by none.
        let mut stranger = phone(server, "1003");
        assert_eq!(stranger.register(120).code().get(), 200);
        let (_, refused) =
            replacing::invites(&mut stranger, &format!("Replaces: {}\r\n", named(&joined)), &sound.describe());
        assert_eq!(refused.code().get(), 403);
        let mut fourth = phone(server, "1002");
        let mut loud = Sound::new(Codec::Pcmu);
        let (mut last, answer) =
            replacing::invites(&mut fourth, &format!("Replaces: {}\r\n", named(&joined)), &loud.describe());
        assert_eq!(answer.code().get(), 200);
        third.hung_up();
        hear_each_other((&mut near, ports.0), (&mut loud, address(answer.body())));
        let mut fifth = phone(server, "1001");
        let mut own = Sound::new(Codec::Pcmu);
        let (_, first) =
            replacing::invites(&mut fifth, &format!("Replaces: {}\r\n", named(&dialogs.0)), &own.describe());
        assert_eq!(first.code().get(), 200);
        caller.hung_up();
        [&mut loud, &mut own, &mut far].into_iter().for_each(Sound::drain);
        hear_each_other((&mut own, address(first.body())), (&mut loud, address(answer.body())));
        // The callee has 1003 take its place.
        let (mut second, mut there, port) = consult(&mut callee, &mut stranger, "1003", &sound);
        assert_eq!(refer(&mut callee, &mut second, &instead_of(&dialogs.1, "")), 202);
        told_of(&mut callee, "SIP/2.0 100 Trying\r\n");
        told_of(&mut callee, "SIP/2.0 200 OK\r\n");
        (0..2).for_each(|_| drop(callee.hung_up()));
        [&mut loud, &mut own, &mut sound].into_iter().for_each(Sound::drain);
        hear_each_other((&mut own, address(first.body())), (&mut sound, port));
        hear_each_other((&mut loud, address(answer.body())), (&mut sound, port));
        assert_eq!(running.status().unwrap().calls.len(), 1);
        // Two are left, then none.
        stranger.hang_up(&mut there);
        [&mut loud, &mut own].into_iter().for_each(Sound::drain);
        hear_each_other((&mut own, address(first.body())), (&mut loud, address(answer.body())));
        last.target = format!("sip:x@127.0.0.1:{}", server.port());
        fourth.hang_up(&mut last);
        fifth.hung_up();
        nothing_left(&running);
    }
}
