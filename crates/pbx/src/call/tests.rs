//! Calls that move from one SIP loop to another, step by step: what waits for what, what is full, and what comes at the wrong moment.

mod by_sips;
mod changes;
mod loops;
mod strays;
mod watched;

use std::net::UdpSocket;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use loops::{Dialog, Loops, QUEUE, SDP, telephone};
use sip::message::HeaderId;

use crate::command::Command;

const FAR: u16 = 2;
const PORTS: std::ops::RangeInclusive<u16> = 11_000..=11_999;

/// A call of 1001 to 1002 with loop 0, and one of 1002 to the echo with loop 1: the dialogs of both, of 1002 and of 1001 last.
fn two_calls(loops: &mut Loops) -> (Dialog, Dialog, Dialog) {
    let (near, far) = loops.pair(0);
    let call_id = loops.call_id(1);
    let echo = loops.call((telephone(FAR), "1002"), "600", call_id);
    (near, far, echo)
}

/// 1002 wants 1001 to have the echo in his place: the commands that come of it wait.
fn refers(loops: &mut Loops, far: &mut Dialog, echo: &Dialog) {
    let refer_to = format!("Refer-To: <sip:600@127.0.0.1?Replaces={}>\r\n", echo.named(true));
    loops.request(far, "REFER", &refer_to, "");
    assert_eq!(loops.answer(far.at, "REFER").code().get(), 202);
    assert_eq!(loops.is_told(far.at), "SIP/2.0 100 Trying");
}

/// The call is asked for and answered: it has left loop 0 and waits before loop 1.
fn sets_out(loops: &mut Loops, far: &mut Dialog, echo: &Dialog) {
    refers(loops, far, echo);
    assert!(loops.carry_out(1) && loops.carry_out(0));
    assert_eq!((loops.waiting(1), loops.all[0].switch.calls.len()), (1, 0), "the call has left");
}

/// It has been joined with the other.
fn is_joined(loops: &mut Loops, far: &Dialog) {
    assert_eq!(loops.is_told(far.at), "SIP/2.0 200 OK");
    (0..2).for_each(|_| drop(loops.is_hung_up(far.at)));
    assert_eq!((loops.all[0].switch.calls.len(), loops.all[1].switch.calls.len()), (0, 1));
}

#[test]
fn a_call_moves_and_what_has_come_meanwhile_comes_after_it() {
    for ends in [false, true] {
        let mut loops = Loops::new(PORTS, |_, _| {});
        let (mut near, mut far, echo) = two_calls(&mut loops);
        sets_out(&mut loops, &mut far, &echo);
        // Before the other loop has looked at the call.
        loops.request(&mut near, if ends { "BYE" } else { "OPTIONS" }, "", "");
        assert_eq!((loops.waiting(1), loops.heard(near.at)), (2, vec![]));
        loops.settle();
        if ends {
            assert_eq!(loops.heard(near.at), ["200 BYE"]);
            loops.is_told(far.at);
            (0..2).for_each(|_| drop(loops.is_hung_up(far.at)));
        } else {
            assert_eq!(loops.heard(near.at), ["200 OPTIONS"]);
            is_joined(&mut loops, &far);
            assert_eq!(loops.hang_up(&mut near), 200);
        }
        loops.nothing_left();
    }
}

#[test]
fn a_call_stays_where_it_is_when_the_other_loop_has_no_room_for_its_sessions() {
    for most in [2, 3] {
        let mut loops = Loops::new(PORTS, |at, config| {
            if at == 1 {
                config.max_sessions = most;
            }
        });
        let (mut near, mut far, mut echo) = two_calls(&mut loops);
        refers(&mut loops, &mut far, &echo);
        loops.settle();
        if most == 3 {
            is_joined(&mut loops, &far);
        } else {
            assert_eq!(loops.is_told(far.at), "SIP/2.0 503 Service Unavailable");
            assert_eq!((loops.hang_up(&mut echo), loops.heard(near.at)), (200, vec![]));
        }
        assert_eq!(loops.hang_up(&mut near), 200);
        if most == 2 {
            loops.is_hung_up(far.at);
        }
        loops.nothing_left();
    }
}

/// His rights count though he is gone, whichever side he was.
#[test]
fn rfc5589_7_who_hangs_up_while_a_call_is_on_its_way_has_transferred_the_other_side_all_the_same() {
    for caller_asks in [true, false] {
        for steps in 0..2 {
            let mut loops = Loops::new(PORTS, |_, _| {});
            let (near, far) = loops.pair(0);
            let (mut asks, mut stays, name) = if caller_asks { (near, far, "1001") } else { (far, near, "1002") };
            let call_id = loops.call_id(1);
            let echo = loops.call((asks.at, name), "600", call_id);
            refers(&mut loops, &mut asks, &echo);
            // Before the other loop has heard of it, and after.
            (0..steps).for_each(|_| assert!(loops.carry_out(1)));
            loops.request(&mut asks, "BYE", "", "");
            loops.settle();
            assert_eq!(loops.answer(asks.at, "BYE").code().get(), 200);
            loops.is_hung_up(asks.at);
            assert_eq!((loops.all[0].switch.calls.len(), loops.all[1].switch.calls.len()), (0, 1), "{steps}");
            assert_eq!((loops.heard(stays.at), loops.hang_up(&mut stays)), (vec![], 200));
            loops.heard(asks.at);
            loops.nothing_left();
        }
    }
}

/// The same into the place that he has among several.
#[test]
fn rfc5589_7_who_hangs_up_while_a_call_is_on_its_way_leaves_his_place_among_several() {
    for caller_asks in [true, false] {
        let mut loops = Loops::new(PORTS, |_, _| {});
        let (near, far) = loops.pair(0);
        let (mut first, mut second) = loops.pair(1);
        let call_id = loops.call_id(1);
        let join = format!("Join: {}\r\n", second.named(false));
        let mut third = loops.ask((telephone(3), "1002"), ("INVITE", "1002", call_id), &join, SDP);
        third.answered(&mut loops);
        let (mut asks, mut stays) = if caller_asks { (near, far) } else { (far, near) };
        let place = if caller_asks { first.clone() } else { second.clone() };
        refers(&mut loops, &mut asks, &place);
        loops.request(&mut asks, "BYE", "", "");
        loops.settle();
        assert_eq!(loops.answer(asks.at, "BYE").code().get(), 200);
        loops.is_hung_up(asks.at);
        assert_eq!((loops.all[0].switch.calls.len(), loops.all[1].switch.calls.len()), (0, 1));
        let call = loops.all[1].switch.calls.iter().next().unwrap();
        assert_eq!(call.user, if caller_asks { "1002" } else { "1001" });
        // Three are there, then two, then none.
        let other = if caller_asks { &mut second } else { &mut first };
        assert_eq!((loops.hang_up(other), loops.hang_up(&mut stays)), (200, 200));
        loops.is_hung_up(third.at);
        loops.nothing_left();
    }
}

/// RFC 3261 section 15: who is in a call that cannot go on hears of it.
#[test]
fn rfc3261_15_both_sides_are_hung_up_when_the_room_is_taken_while_a_call_is_on_its_way() {
    let mut loops = Loops::new(PORTS, |at, config| {
        if at == 1 {
            config.max_sessions = 3;
        }
    });
    let (near, mut far, mut echo) = two_calls(&mut loops);
    refers(&mut loops, &mut far, &echo);
    assert!(loops.carry_out(1));
    let call_id = loops.call_id(1);
    let mut other = loops.ask((telephone(3), "1001"), ("INVITE", "600", call_id), "", SDP);
    other.answered(&mut loops);
    loops.settle();
    for at in [near.at, far.at] {
        assert_eq!(loops.is_hung_up(at), "SIP;cause=503;text=\"Service Unavailable\"");
    }
    assert_eq!((loops.heard(near.at), loops.hang_up(&mut echo), loops.hang_up(&mut other)), (vec![], 200, 200));
    loops.nothing_left();
}

#[test]
fn rfc3261_15_both_sides_are_hung_up_when_the_server_stops_while_a_call_is_on_its_way() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let (near, mut far, echo) = two_calls(&mut loops);
    refers(&mut loops, &mut far, &echo);
    assert!(loops.carry_out(1));
    assert!(loops.handles[1].offer(Command::Finish).is_ok());
    loops.settle();
    // With the echo, too.
    let mut heard: Vec<String> = [near.at, far.at, far.at].map(|at| loops.is_hung_up(at)).into();
    heard.dedup();
    assert_eq!(heard, ["SIP;cause=503;text=\"Server is stopping\""]);
    loops.nothing_left();
}

#[test]
fn rfc3261_8_2_an_invite_for_a_call_of_a_loop_whose_queue_is_full_is_refused() {
    for waiting in [QUEUE, QUEUE - 1] {
        let mut loops = Loops::new(PORTS, |_, _| {});
        let call_id = loops.call_id(1);
        let mut echo = loops.call((telephone(FAR), "1002"), "600", call_id);
        (0..waiting).for_each(|_| assert!(loops.handles[1].offer(Command::Moved).is_ok()));
        let call_id = loops.call_id(0);
        let replaces = format!("Replaces: {}\r\n", echo.named(false));
        let mut dialog = loops.ask((telephone(3), "1002"), ("INVITE", "600", call_id), &replaces, SDP);
        if waiting < QUEUE {
            loops.settle();
            dialog.answered(&mut loops);
            loops.settle();
            assert_eq!((loops.is_hung_up(echo.at).as_str(), loops.hang_up(&mut dialog)), ("", 200));
        } else {
            assert_eq!(loops.answer(dialog.at, "INVITE").code().get(), 503);
            assert_eq!(loops.turn(0, |_, turn| turn.usage().away), 0);
            loops.settle();
            assert_eq!(loops.hang_up(&mut echo), 200);
        }
        loops.nothing_left();
    }
}

/// What has been refused elsewhere makes room, what waits for an answer there does not.
#[test]
fn a_call_moves_though_the_table_is_full_of_what_is_over_and_stays_when_it_is_full_otherwise() {
    for refused in [true, false] {
        let mut loops = Loops::new(PORTS, |_, config| config.max_away = 2);
        let (mut near, mut far, mut echo) = two_calls(&mut loops);
        let mut unknown = echo.clone();
        unknown.call_id = loops.call_id(1);
        let replaces = format!("Replaces: {}\r\n", unknown.named(false));
        for _ in 0..2 {
            let call_id = loops.call_id(0);
            loops.ask((telephone(3), "1002"), ("INVITE", "600", call_id), &replaces, SDP);
            if refused {
                loops.settle();
                assert_eq!(loops.answer(telephone(3), "INVITE").code().get(), 481);
            }
        }
        assert_eq!(loops.turn(0, |_, turn| turn.usage().away), 2);
        refers(&mut loops, &mut far, &echo);
        if refused {
            loops.settle();
            is_joined(&mut loops, &far);
        } else {
            assert_eq!(loops.is_told(far.at), "SIP/2.0 503 Service Unavailable");
            loops.settle();
            assert_eq!(loops.hang_up(&mut echo), 200);
        }
        assert_eq!(loops.hang_up(&mut near), 200);
        if !refused {
            loops.is_hung_up(far.at);
        }
        loops.pass(Duration::from_secs(40));
        loops.heard(telephone(3));
        loops.nothing_left();
    }
}

/// Somebody chooses a Call-ID that no loop remembers.
#[test]
fn a_call_with_an_endless_call_id_is_not_moved() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let (mut far, _) = loops.pair(2);
    let call_id =
        (0..).map(|number| format!("{}{number}", "x".repeat(300))).find(|one| loops.falls_to(one, 0)).unwrap();
    let mut long = loops.call((telephone(FAR), "1002"), "600", call_id);
    let replaces = format!("Replaces: {}\r\n", far.named(false));
    let call_id = long.call_id.clone() + "y";
    let call_id = (0..).map(|number| format!("{call_id}{number}")).find(|one| loops.falls_to(one, 0)).unwrap();
    let refused = loops.ask((telephone(3), "1001"), ("INVITE", "600", call_id), &replaces, SDP);
    assert_eq!(loops.answer(refused.at, "INVITE").code().get(), 503);
    assert_eq!((loops.hang_up(&mut long), loops.hang_up(&mut far)), (200, 200));
    loops.is_hung_up(telephone(FAR));
    loops.nothing_left();
}

/// Ports of loopback for so many streams that nobody has: below those of other servers and of other tests.
fn unused(pairs: u16) -> std::ops::RangeInclusive<u16> {
    let is_unused = |range: &std::ops::RangeInclusive<u16>| {
        let held: Result<Vec<_>, _> = range.clone().map(|port| UdpSocket::bind(("127.0.0.1", port))).collect();
        held.is_ok()
    };
    (7_000..7_900).step_by(100).map(|first| first..=first + 2 * pairs - 1).find(is_unused).unwrap()
}

/// A media thread that takes no more commands: the call ends, and its ports are free again.
#[test]
fn a_call_whose_streams_cannot_be_renamed_is_hung_up_and_gives_its_ports_back() {
    let mut loops = Loops::new(unused(6), |_, _| {});
    let (near, mut far, mut echo) = two_calls(&mut loops);
    refers(&mut loops, &mut far, &echo);
    let stream = loops.stream(0);
    let (goes_on, waits) = sync_channel::<()>(0);
    let studio = &mut loops.all[0].switch.studio;
    assert!(studio.run(stream, move |_| waits.recv().unwrap_or_default()));
    while studio.run(stream, |_| {}) {}
    loops.settle();
    for at in [near.at, far.at] {
        loops.is_hung_up(at);
    }
    drop(goes_on);
    assert_eq!(loops.hang_up(&mut echo), 200);
    // Six pairs there are: all of them can be had.
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        // The other call is with another loop, which the thread may have kept waiting as well.
        loops.all.iter_mut().for_each(|one| one.switch.studio.settle());
        let owed: usize = loops.all.iter().map(|one| one.switch.studio.owed()).sum();
        let studio = &mut loops.all[0].switch.studio;
        let pairs: Vec<_> = (0..6).map_while(|_| studio.open(near.at.ip()).ok()).collect();
        if pairs.len() == 6 && owed == 0 {
            break;
        }
        assert!(Instant::now() < end, "{} pairs are free, {owed} streams not removed", pairs.len());
        std::thread::yield_now();
    }
    loops.nothing_left();
}

/// What one loop has no room for is asked less for by all: who sends knows but one address.
#[test]
fn rfc7339_5_4_the_loops_of_a_server_ask_for_less_as_one() {
    let mut loops = Loops::new(PORTS, |_, config| config.overload = Some(sip::Overload::default()));
    let phone = telephone(9);
    let shed = |loops: &mut Loops, at: usize| {
        let text = format!(
            "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {phone};branch=z9hG4bK{at};oc;oc-algo=\"loss\"\r\nMax-Forwards: 70\r\n\
             From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:127.0.0.1>\r\nCall-ID: c{at}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        loops.turn(at, |_, turn| turn.shed(&loops::path(phone), text.into_bytes().into()));
        loops.take(phone, |_| true).headers().text(HeaderId::Via).unwrap().into_owned()
    };
    let first = shed(&mut loops, 0);
    assert!(first.contains(";oc=0;"), "{first}");
    loops.pass(Duration::from_millis(500));
    let second = shed(&mut loops, 1);
    assert!(second.contains(";oc=90;"), "{second}");
}
