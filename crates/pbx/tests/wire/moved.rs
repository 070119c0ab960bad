//! Calls that have moved to another loop, and what follows: who takes them over, moves them again, hangs up meanwhile, or tries once more.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use audio::codec::Codec;
use pbx::Running;

use crate::across::{consult, four, hear_each_other, nothing_left, sharded};
use crate::pair::{Pair, pair_with};
use crate::phone::{Dialog, Phone};
use crate::replacing::{self, named};
use crate::setup::phone;
use crate::sound::{Sound, address};
use crate::transfers::{attended::instead_of, refer, told_of};

/// Tries until a lot falls that falls in one case of four: all fail once in 10^12 runs.
const TRIES: usize = 100;

/// The calls of each loop, and those whose messages it sends to another.
fn calls(running: &Running) -> Vec<(usize, usize)> {
    running.status().unwrap().loops.iter().map(|one| (one.calls, one.moved)).collect()
}

/// The loop whose figure has grown.
fn grown(before: &[(usize, usize)], now: &[(usize, usize)], of: fn(&(usize, usize)) -> usize) -> Option<usize> {
    before.iter().zip(now).position(|(before, now)| of(now) > of(before))
}

/// A call of one to the other that falls to a loop that is `wanted`: both dialogs, where the other sends its audio, and the loop.
fn consult_in(
    running: &Running,
    asks: &mut Phone,
    third: &mut Phone,
    sound: &Sound,
    wanted: impl Fn(usize) -> bool,
) -> (Dialog, Dialog, SocketAddr, usize) {
    for _ in 0..TRIES {
        let before = calls(running);
        let number = third.name.clone();
        let (mut dialog, there, port) = consult(asks, third, &number, sound);
        let at = grown(&before, &calls(running), |one| one.0).unwrap();
        if wanted(at) {
            return (dialog, there, port, at);
        }
        asks.hang_up(&mut dialog);
        third.hung_up();
    }
    panic!("no call fell where it was wanted")
}

/// A call of 1001 to 1002 that the latter has joined with his call to 1003, which was with another loop: the pair, 1003 with dialog, voice and where it is
/// sent, and both loops.
fn transferred() -> (Pair, Phone, Dialog, (Sound, SocketAddr), [usize; 2]) {
    let mut pair = sharded();
    let home = calls(&pair.running).iter().position(|one| one.0 == 1).unwrap();
    let mut third = phone(pair.running.bound()[0].address, "1003");
    assert_eq!(third.register(120).code().get(), 200);
    let sound = Sound::new(Codec::Pcmu);
    let (second, there, port, to) = consult_in(&pair.running, &mut pair.callee, &mut third, &sound, |at| at != home);
    assert_eq!(refer(&mut pair.callee, &mut pair.dialogs.1, &instead_of(&second, "")), 202);
    told_of(&mut pair.callee, "SIP/2.0 100 Trying\r\n");
    told_of(&mut pair.callee, "SIP/2.0 200 OK\r\n");
    (0..2).for_each(|_| drop(pair.callee.hung_up()));
    let now = calls(&pair.running);
    assert_eq!((now[home], now[to]), ((0, 2), (1, 0)), "the call has gone there");
    (pair, third, there, (sound, port), [home, to])
}

/// Another device of the caller goes on with his leg.
fn takes_over(pair: &mut Pair, last: &mut Option<Phone>) {
    let mut next = phone(pair.running.bound()[0].address, "1001");
    let lines = format!("Replaces: {}\r\n", named(&pair.dialogs.0));
    let (dialog, answer) = replacing::invites(&mut next, &lines, &pair.sounds.0.describe());
    assert_eq!(answer.code().get(), 200);
    (pair.dialogs.0, pair.ports.0) = (dialog, address(answer.body()));
    pair.dialogs.0.target = format!("sip:x@127.0.0.1:{}", next.server.port());
    last.as_mut().unwrap_or(&mut pair.caller).hung_up();
    *last = Some(next);
}

#[test]
fn rfc3891_3_a_call_that_has_moved_is_taken_over_wherever_that_is_asked_for() {
    let (mut pair, mut third, _, (mut sound, port), _) = transferred();
    let mut last = None;
    // Each falls to the loop that has the call in one case of four.
    (0..6).for_each(|_| takes_over(&mut pair, &mut last));
    hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, port));
    last.unwrap().hang_up(&mut pair.dialogs.0);
    third.hung_up();
    nothing_left(&pair.running);
}

#[test]
fn rfc3891_3_a_call_that_has_moved_twice_is_found_and_ends_from_either_side() {
    for by_caller in [true, false] {
        let (mut pair, mut third, mut there, _, been) = transferred();
        let sound = Sound::new(Codec::Pcmu);
        let (second, mut back, _, to) =
            consult_in(&pair.running, &mut third, &mut pair.callee, &sound, |at| !been.contains(&at));
        assert_eq!(refer(&mut third, &mut there, &instead_of(&second, "")), 202);
        told_of(&mut third, "SIP/2.0 100 Trying\r\n");
        told_of(&mut third, "SIP/2.0 200 OK\r\n");
        (0..2).for_each(|_| drop(third.hung_up()));
        // The first of the dialogs falls to the one loop, and is with the third.
        let mut last = None;
        let by_fourth = (0..TRIES).any(|_| {
            let before = calls(&pair.running);
            takes_over(&mut pair, &mut last);
            let sent_on = grown(&before, &calls(&pair.running), |one| one.1);
            sent_on.is_some_and(|at| at != to && !been.contains(&at))
        });
        assert!(by_fourth, "no INVITE fell to a loop that had never seen the call");
        let mut last = last.unwrap();
        if by_caller {
            last.hang_up(&mut pair.dialogs.0);
            pair.callee.hung_up();
        } else {
            pair.callee.hang_up(&mut back);
            last.hung_up();
        }
        nothing_left(&pair.running);
    }
}

/// "When it hangs up before, the other side waits": also while the call is on its way.
#[test]
fn rfc5589_7_who_hangs_up_right_after_the_refer_has_transferred_all_the_same() {
    for caller_asks in [false, true, false, true] {
        let mut pair = sharded();
        let home = calls(&pair.running).iter().position(|one| one.0 == 1).unwrap();
        let (mut third, mut sound) = (phone(pair.running.bound()[0].address, "1003"), Sound::new(Codec::Pcmu));
        assert_eq!(third.register(120).code().get(), 200);
        let (asks, dialog) = match caller_asks {
            true => (&mut pair.caller, &mut pair.dialogs.0),
            false => (&mut pair.callee, &mut pair.dialogs.1),
        };
        let (second, mut there, port, _) = consult_in(&pair.running, asks, &mut third, &sound, |at| at != home);
        asks.extra = instead_of(&second, "");
        asks.within(dialog, "REFER", None);
        let asked = dialog.branch.clone();
        asks.extra.clear();
        asks.within(dialog, "BYE", None);
        let ended = dialog.branch.clone();
        assert_eq!(asks.final_response(&asked).code().get(), 202);
        assert_eq!(asks.final_response(&ended).code().get(), 200);
        // From the call to the third.
        asks.hung_up();
        let (staying, ours) = match caller_asks {
            true => (&mut pair.sounds.1, pair.ports.1),
            false => (&mut pair.sounds.0, pair.ports.0),
        };
        hear_each_other((staying, ours), (&mut sound, port));
        let from = if caller_asks { "1002" } else { "1001" };
        let call = &pair.running.status().unwrap().calls;
        assert_eq!(call.iter().map(|one| (&*one.from, &*one.to)).collect::<Vec<_>>(), [(from, "1003")]);
        third.hang_up(&mut there);
        let left = if caller_asks { &mut pair.callee } else { &mut pair.caller };
        left.hung_up();
        nothing_left(&pair.running);
    }
}

/// RFC 4028 section 7.4: who is told 422 tries once more with the same Call-ID; his call is with another loop for as long as it stands.
#[test]
fn rfc3261_8_1_3_5_who_tries_once_more_after_a_refusal_by_another_loop_has_a_call_that_lasts() {
    let mut pair = pair_with(four(), "", "");
    let (mut second, sound) = (phone(pair.running.bound()[0].address, "1002"), Sound::new(Codec::Pcmu));
    let lines =
        |secs: u32| format!("Replaces: {}\r\nSupported: timer\r\nSession-Expires: {secs}\r\n", named(&pair.dialogs.1));
    let refused = (0..TRIES).find_map(|_| {
        let before = calls(&pair.running);
        let (dialog, answer) = replacing::invites(&mut second, &lines(60), &sound.describe());
        assert_eq!(answer.code().get(), 422);
        grown(&before, &calls(&pair.running), |one| one.1).map(|home| (dialog, home))
    });
    let (refused, home) = refused.unwrap();
    second.extra = lines(900);
    let (uri, sdp) = (format!("sip:1002@127.0.0.1:{}", second.server.port()), sound.describe());
    let body = Some(("application/sdp", sdp.as_str()));
    let (mut dialog, mut answer) = second.again(&refused, "INVITE", &uri, body, &[]);
    if answer.code().get() == 401 {
        let credentials = second.credentials(answer.headers(), "INVITE", &uri, &sdp);
        (dialog, answer) = second.again(&dialog, "INVITE", &uri, body, &credentials);
    }
    second.extra.clear();
    assert_eq!(answer.code().get(), 200);
    second.ack(&dialog, answer.headers(), false, None);
    pair.callee.hung_up();
    dialog.target = uri;
    // For three times as long as a loop remembers where a call was that is over.
    let until = Instant::now() + 3 * 64 * Duration::from_millis(10);
    let handed_over = |pair: &Pair| pair.running.status().unwrap().loops[home].handed_over;
    let (before, mut asked) = (handed_over(&pair), 0);
    while Instant::now() < until {
        second.within(&mut dialog, "OPTIONS", None);
        let branch = dialog.branch.clone();
        assert_eq!(second.final_response(&branch).code().get(), 200);
        asked += 1;
    }
    assert!(handed_over(&pair) >= before + asked, "what is sent after a call counts as handed over");
    second.hang_up(&mut dialog);
    pair.caller.hung_up();
    nothing_left(&pair.running);
}
