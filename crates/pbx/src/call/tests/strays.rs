//! Several calls of one Call-ID, of which some are with another loop, and what peers send too much of.

use std::sync::Arc;
use std::time::Duration;

use sip::Shard;

use super::super::Fate;
use super::super::guests::Notice;
use super::loops::{Dialog, Loops, QUEUE, SDP, path, telephone};
use super::{FAR, PORTS, refers};
use crate::command::Command;
use crate::config::{Config, Secret, User};

/// A call of 1002 to the echo with loop 1, by a Call-ID that falls to loop 0: he has replaced another there.
fn guest(loops: &mut Loops) -> Dialog {
    guest_of(loops, [0, 1])
}

fn guest_of(loops: &mut Loops, [home, to]: [usize; 2]) -> Dialog {
    let before = away(loops, home);
    let call_id = loops.call_id(to);
    let echo = loops.call((telephone(FAR), "1002"), "600", call_id);
    let replaces = format!("Replaces: {}\r\n", echo.named(false));
    let call_id = loops.call_id(home);
    let mut dialog = loops.ask((telephone(3), "1002"), ("INVITE", "600", call_id), &replaces, SDP);
    loops.settle();
    dialog.answered(loops);
    loops.settle();
    loops.is_hung_up(echo.at);
    assert_eq!((away(loops, home), loops.all[to].switch.calls.len()), (before + 1, 1));
    dialog
}

fn away(loops: &mut Loops, at: usize) -> usize {
    loops.turn(at, |_, turn| turn.usage().away)
}

/// A request within a dialog: its answer.
fn asks(loops: &mut Loops, dialog: &mut Dialog) -> u16 {
    loops.request(dialog, "OPTIONS", "", "");
    loops.settle();
    loops.answer(dialog.at, "OPTIONS").code().get()
}

/// One more INVITE of the same Call-ID: its answer.
fn once_more(loops: &mut Loops, call_id: &str, tag: &str, replaced: &Dialog) -> u16 {
    let replaces = format!("Replaces: {}\r\n", replaced.named(false));
    let request = ("INVITE", "600", call_id.to_owned());
    let refused = loops.ask_anew(tag, (telephone(4), "1002"), request, &replaces, SDP);
    loops.settle_within(100);
    loops.answer(refused.at, "INVITE").code().get()
}

/// A dialog of loop `at` that there is not.
fn unknown(loops: &mut Loops, like: &Dialog, at: usize) -> Dialog {
    let mut unknown = like.clone();
    unknown.call_id = loops.call_id(at);
    unknown
}

#[test]
fn rfc3261_12_2_2_calls_of_one_call_id_stay_within_reach_when_another_names_a_call_elsewhere() {
    for others in 0..2 {
        for elsewhere in [0, 2] {
            let mut loops = Loops::new(PORTS, |_, _| {});
            let mut all = vec![guest(&mut loops)];
            let call_id = all[0].call_id.clone();
            for _ in 0..others {
                let request = ("INVITE", "600", call_id.clone());
                let mut second = loops.ask_anew("second", (telephone(5), "1002"), request, "", SDP);
                loops.settle();
                second.answered(&mut loops);
                loops.settle();
                all.push(second);
            }
            // What it names is nowhere, but would be where nothing else of this Call-ID is.
            let named = unknown(&mut loops, &all[0], elsewhere);
            assert_eq!(once_more(&mut loops, &call_id, "third", &named), 503);
            for dialog in &mut all {
                assert_eq!(asks(&mut loops, dialog), 200, "{others} {elsewhere}");
            }
            // Of none of them, from anybody.
            loops.request(&mut all[0].stranger(), "BYE", "", "");
            loops.settle_within(100);
            assert_eq!(loops.heard(telephone(9)), ["481 BYE"]);
            for dialog in &mut all {
                assert_eq!(loops.hang_up(dialog), 200, "{others} {elsewhere}");
            }
            loops.nothing_left();
        }
    }
}

/// RFC 3261 section 8.1.3.5: the Call-ID of a call that is over may be that of the next, and that one may go the other way.
#[test]
fn rfc3261_8_1_3_5_an_invite_that_comes_home_stays_and_nothing_of_its_call_id_goes_round() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let mut first = guest(&mut loops);
    assert_eq!(loops.hang_up(&mut first), 200);
    let call_id = loops.call_id(0);
    let echo = loops.call((telephone(FAR), "1002"), "600", call_id);
    // It goes after the first to loop 1, which hands it on to where the echo is: the home of its Call-ID.
    let replaces = format!("Replaces: {}\r\n", echo.named(false));
    let request = ("INVITE", "600", first.call_id.clone());
    let mut second = loops.ask_anew("second", (telephone(4), "1002"), request, &replaces, SDP);
    loops.settle_within(100);
    second.answered(&mut loops);
    loops.settle_within(100);
    loops.is_hung_up(echo.at);
    let calls = [0, 1].map(|at| loops.all[at].switch.calls.len());
    assert_eq!((calls, away(&mut loops, 0), away(&mut loops, 1)), ([1, 0], 1, 1), "the first is still repeated, there");
    // Each loop would send this to the other.
    loops.request(&mut first.stranger(), "OPTIONS", "", "");
    loops.settle_within(100);
    assert_eq!(loops.heard(telephone(9)), ["481 OPTIONS"]);
    assert_eq!((asks(&mut loops, &mut second), loops.hang_up(&mut second)), (200, 200));
    loops.nothing_left();
}

/// What is sent to one of two would be sent after the other.
#[test]
fn a_call_that_shares_its_call_id_with_another_is_not_moved() {
    for shares in [true, false] {
        let mut loops = Loops::new(PORTS, |_, _| {});
        let (near, far) = loops.pair(1);
        let replaces = format!("Replaces: {}\r\n", far.named(false));
        let call_id = loops.call_id(0);
        let request = ("INVITE", "1001", call_id.clone());
        let mut asked = loops.ask((telephone(3), "1002"), request, &replaces, SDP);
        loops.settle();
        asked.answered(&mut loops);
        loops.settle();
        loops.is_hung_up(far.at);
        loops.heard(near.at);
        let mut second = shares.then(|| {
            let request = ("INVITE", "600", call_id);
            let mut second = loops.ask_anew("second", (telephone(5), "1002"), request, "", SDP);
            loops.settle();
            second.answered(&mut loops);
            loops.settle();
            second
        });
        let call_id = loops.call_id(2);
        let mut echo = loops.call((telephone(FAR), "1002"), "600", call_id);
        let refer_to = format!("Refer-To: <sip:600@127.0.0.1?Replaces={}>\r\n", echo.named(true));
        loops.request(&mut asked, "REFER", &refer_to, "");
        loops.settle();
        assert_eq!(loops.answer(asked.at, "REFER").code().get(), 202);
        if let Some(second) = &mut second {
            assert_eq!(loops.is_told(asked.at), "SIP/2.0 100 Trying");
            loops.settle();
            assert_eq!(loops.is_told(asked.at), "SIP/2.0 503 Service Unavailable");
            loops.settle();
            assert_eq!((asks(&mut loops, &mut asked), asks(&mut loops, second)), (200, 200));
            assert_eq!((loops.hang_up(second), loops.hang_up(&mut asked)), (200, 200));
            loops.is_hung_up(near.at);
            assert_eq!(loops.hang_up(&mut echo), 200);
        } else {
            // The control.
            assert_eq!(loops.all[2].switch.calls.len(), 1);
            assert_eq!(loops.all[1].switch.calls.len(), 0);
        }
    }
}

/// What comes for a Call-ID is sent to one loop: the INVITE, once it is there, or the call would be found by nobody.
#[test]
fn a_call_stays_while_an_invite_of_its_call_id_may_be_on_its_way_to_another_loop() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let (mut near, mut far) = loops.pair(0);
    let call_id = loops.call_id(1);
    let echo = loops.call((telephone(5), "1002"), "600", call_id);
    let replaces = format!("Replaces: {}\r\n", echo.named(false));
    let request = ("INVITE", "600", near.call_id.clone());
    let mut second = loops.ask_anew("second", (telephone(3), "1002"), request.clone(), &replaces, SDP);
    loops.settle();
    second.answered(&mut loops);
    loops.settle();
    loops.is_hung_up(echo.at);
    assert_eq!(loops.hang_up(&mut second), 200);
    assert_eq!((away(&mut loops, 0), loops.all[1].switch.calls.len()), (1, 0), "its repeats go there");
    let call_id = loops.call_id(2);
    let mut other = loops.call((telephone(FAR), "1002"), "600", call_id);
    let mut third = loops.ask_anew("third", (telephone(4), "1002"), request, "", SDP);
    assert_eq!(loops.waiting(1), 1);
    refers(&mut loops, &mut far, &other);
    while loops.carry_out(2) || loops.carry_out(0) {}
    assert_eq!(loops.is_told(far.at), "SIP/2.0 503 Service Unavailable");
    loops.settle();
    third.answered(&mut loops);
    loops.settle();
    loops.pass(Duration::from_secs(33));
    assert_eq!((asks(&mut loops, &mut near), asks(&mut loops, &mut third)), (200, 200));
    assert_eq!((loops.hang_up(&mut third), loops.hang_up(&mut near), loops.hang_up(&mut other)), (200, 200, 200));
    loops.is_hung_up(far.at);
    loops.nothing_left();
}

/// The same for an INVITE that its home is to hand on, and that has overtaken the other.
#[test]
fn an_invite_is_not_handed_on_while_another_of_its_call_id_may_be_on_its_way_elsewhere() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let mut replaced = guest_of(&mut loops, [0, 2]);
    let mut first = guest(&mut loops);
    assert_eq!(loops.hang_up(&mut first), 200);
    let replaces = format!("Replaces: {}\r\n", replaced.named(false));
    let request = ("INVITE", "600", first.call_id);
    let (mut second, names) = loops.challenged("second", (telephone(4), "1002"), request.clone(), &replaces, SDP);
    let (mut third, shows) = loops.challenged("third", (telephone(5), "1002"), request, "", SDP);
    loops.request(&mut second, "INVITE", &names, SDP);
    loops.request(&mut third, "INVITE", &shows, SDP);
    assert_eq!(loops.waiting(1), 2);
    // It comes home before the other is looked at.
    assert!(loops.carry_out(1) && loops.carry_out(0));
    loops.settle();
    assert_eq!(loops.answer(second.at, "INVITE").code().get(), 503);
    third.answered(&mut loops);
    loops.settle();
    assert_eq!((asks(&mut loops, &mut replaced), asks(&mut loops, &mut third)), (200, 200));
    assert_eq!((loops.hang_up(&mut replaced), loops.hang_up(&mut third)), (200, 200));
    loops.nothing_left();
}

/// Of the one its home can send nothing after it is told all the same that it is over.
#[test]
fn who_is_out_of_reach_with_another_loop_takes_none_of_his_call_id_along_when_he_ends() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let mut call = guest(&mut loops);
    for notice in [Notice::Away(call.call_id.clone(), Shard(2)), Notice::Over(call.call_id.clone())] {
        assert!(loops.handles[0].offer(Command::Whereabouts(notice)).is_ok());
    }
    loops.settle();
    loops.pass(Duration::from_secs(33));
    assert_eq!((asks(&mut loops, &mut call), loops.hang_up(&mut call)), (200, 200));
    loops.nothing_left();
}

/// Anybody may send messages of a Call-ID that he knows.
#[test]
fn messages_of_a_call_that_has_moved_take_a_quarter_of_the_room_for_commands() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let mut call = guest(&mut loops);
    let mut stray = call.stranger();
    for _ in 0..=QUEUE {
        loops.request(&mut stray, "OPTIONS", "", "");
    }
    assert_eq!(loops.waiting(1), QUEUE / 4);
    let others = (0..=QUEUE).filter(|_| loops.handles[1].offer(Command::Moved).is_ok()).count();
    assert_eq!(others, QUEUE - QUEUE / 4);
    loops.settle();
    assert_eq!(loops.heard(stray.at).len(), QUEUE / 4);
    assert_eq!((asks(&mut loops, &mut call), loops.hang_up(&mut call)), (200, 200));
    loops.nothing_left();
}

#[test]
fn what_is_sent_after_a_call_overtakes_nothing_that_its_loop_is_still_to_be_told() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let call_id = loops.call_id(0);
    for _ in 0..QUEUE {
        assert!(loops.handles[0].offer(Command::Moved).is_ok());
    }
    loops.turn(1, |switch, _| switch.is_over(&call_id));
    let follows = |loops: &mut Loops| {
        let bytes = "OPTIONS".to_owned().into_bytes().into();
        loops.turn(1, |switch, _| net::App::hand_over(switch, Shard(0), path(telephone(9)), bytes, 1).is_ok())
    };
    assert!(!follows(&mut loops));
    // The one place that is free now is for what has waited.
    assert!(loops.carry_out(0));
    assert!(!follows(&mut loops));
    assert_eq!(loops.waiting(0), QUEUE);
    assert!(loops.carry_out(0));
    assert!(follows(&mut loops), "the control");
}

/// The loop to which a call goes tells its home, which must have heard of it from this one before.
#[test]
fn a_call_and_an_invite_wait_until_all_loops_are_told_what_there_was_to_tell() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let (mut near, mut far) = loops.pair(1);
    let call_id = loops.call_id(0);
    let echo = loops.call((telephone(FAR), "1002"), "600", call_id);
    refers(&mut loops, &mut far, &echo);
    // The call is asked for, and what another loop is to be told finds no room there.
    assert!(loops.carry_out(0));
    (0..QUEUE).for_each(|_| assert!(loops.handles[2].offer(Command::Moved).is_ok()));
    let call_id = loops.call_id(2);
    loops.turn(1, |switch, _| switch.is_over(&call_id));
    assert!(loops.carry_out(1));
    assert_eq!((loops.all[1].switch.calls.len(), loops.waiting(0)), (1, 0), "it has its keys, and stays");
    let call_id = loops.call_id(1);
    let replaces = format!("Replaces: {}\r\n", echo.named(false));
    let refused = loops.ask((telephone(4), "1002"), ("INVITE", "600", call_id), &replaces, SDP);
    assert_eq!(loops.answer(refused.at, "INVITE").code().get(), 503);
    assert!(loops.carry_out(2));
    // Whatever happens in the call.
    loops.turn(1, |switch, turn| {
        let id = *switch.calls.table.keys().next().unwrap();
        let call = switch.calls.table.remove(&id).unwrap();
        switch.settle(call, Fate::Goes, turn);
    });
    assert_eq!((loops.all[1].switch.calls.len(), loops.waiting(0), loops.waiting(2)), (0, 1, QUEUE), "the control");
    loops.settle();
    assert_eq!(loops.is_told(far.at), "SIP/2.0 200 OK");
    (0..2).for_each(|_| drop(loops.is_hung_up(far.at)));
    assert_eq!(loops.hang_up(&mut near), 200);
    loops.nothing_left();
}

/// RFC 3261 section 10.3: whatever its Call-ID is that of.
#[test]
fn rfc3261_10_3_a_register_with_the_call_id_of_a_call_that_has_moved_reaches_the_loop_of_its_user() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let home = loops.of_user("1002");
    let mut call = guest_of(&mut loops, [home, (home + 1) % 3]);
    let device = telephone(6);
    let request = ("REGISTER", "1002", call.call_id.clone());
    loops.ask((device, "1002"), request, "Expires: 3600\r\n", "");
    loops.settle();
    assert_eq!(loops.answer(device, "REGISTER").code().get(), 200);
    let call_id = loops.call_id(0);
    loops.ask((telephone(1), "1001"), ("INVITE", "1002", call_id), "", SDP);
    loops.settle();
    assert_eq!(loops.heard(device), ["INVITE"]);
    assert_eq!(loops.hang_up(&mut call), 200);
}

/// Nobody is forgotten because somebody before him is gone.
#[test]
fn devices_are_asked_of_users_behind_one_who_is_gone() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    for (device, name) in [(telephone(1), "1001"), (telephone(FAR), "1002")] {
        let register = loops.call_id(0);
        loops.ask((device, name), ("REGISTER", name, register), "Expires: 3600\r\n", "");
        loops.settle();
        assert_eq!(loops.answer(device, "REGISTER").code().get(), 200);
    }
    let left = User { secret: Secret::Password("secret-1002".to_owned()), ..User::default() };
    let config = Config { users: [("1002".to_owned(), left)].into(), ..loops.all[0].switch.config.clone() };
    let accounts = loops.all[0].switch.accounts.changed(&config, &[], |_| false).unwrap();
    let accounts = Arc::new(accounts);
    assert_eq!((accounts.place("1001"), accounts.place("1002")), (None, Some(1)));
    for at in 0..3 {
        loops.turn(at, |switch, turn| {
            switch.accounts = Arc::clone(&accounts);
            switch.config.qualify = Some(Duration::from_secs(1));
            switch.qualify(turn);
        });
    }
    assert_eq!(loops.heard(telephone(FAR)), ["OPTIONS"]);
    assert!(loops.heard(telephone(1)).is_empty(), "whose user is gone");
}
