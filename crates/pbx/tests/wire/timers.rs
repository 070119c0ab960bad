//! Session timers (RFC 4028): each leg for itself, refreshed and ended without a word of the other but the end.

use std::time::{Duration, Instant};

use pbx::Config;
use sip::invite::SessionTimer;
use sip::message::{HeaderId, Headers, Method};

use crate::pair::{Pair, direction, pair_with};
use crate::setup::{config, nothing_left, with_config, with_phones};
use crate::sound::Sound;
use audio::codec::Codec;

const ALLOW: &str = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n";
const KNOWS: &str = "Supported: timer\r\n";

/// A server whose calls last `secs` seconds without a refresh: no RFC allows so little, and no test has time for more.
fn lasting(secs: u64) -> Config {
    let timer = SessionTimer { interval: Some(Duration::from_secs(secs)), least: Duration::from_secs(1), alone: false };
    Config { session_timer: Some(timer), ..config() }
}

fn timer(headers: &Headers) -> String {
    headers.text(HeaderId::SessionExpires).unwrap_or_default().into_owned()
}

/// The caller refreshes with the same description as before: what it is answered.
fn refresh(pair: &mut Pair, method: &str, body: Option<&str>) -> sip::message::Response {
    pair.caller.extra = format!("{KNOWS}Session-Expires: 2;refresher=uac\r\n");
    pair.caller.within(&mut pair.dialogs.0, method, body.map(|body| ("application/sdp", body)));
    pair.caller.extra.clear();
    let branch = pair.dialogs.0.branch.clone();
    let response = pair.caller.final_response(&branch);
    if method == "INVITE" {
        pair.caller.ack(&pair.dialogs.0, response.headers(), false, None);
    }
    response
}

#[test]
fn rfc4028_9_each_leg_has_a_timer_of_its_own_where_the_device_knows_of_it() {
    for (caller, callee, answered) in [
        (format!("{KNOWS}Session-Expires: 900\r\n"), "", "900;refresher=uac"),
        (format!("{KNOWS}Session-Expires: 900;refresher=uas\r\n"), "", "900;refresher=uas"),
        (format!("{KNOWS}Session-Expires: 7200\r\n"), "", "1800;refresher=uac"),
        (KNOWS.to_owned(), "", "1800;refresher=uac"),
        (String::new(), "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n", ""),
    ] {
        let pair = pair_with(config(), &caller, callee);
        let (invite, ok) = &pair.said;
        assert_eq!(timer(invite.headers()), "1800", "ours, whatever the caller asks for");
        assert!(invite.headers().text(HeaderId::Supported).unwrap().contains("timer"));
        assert_eq!(timer(ok.headers()), answered);
        assert_eq!(ok.headers().has(HeaderId::Require), !answered.is_empty());
        pair.end();
    }
}

#[test]
fn rfc4028_9_who_asks_for_too_little_is_told_422_and_nobody_rings() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let sound = Sound::new(Codec::Pcmu);
    phones[0].extra = format!("{KNOWS}Session-Expires: 20\r\n");
    let (_, refused) = phones[0].call("1002", Some(&sound.describe()));
    assert_eq!(refused.code().get(), 422);
    assert_eq!(refused.headers().text(HeaderId::MinSe).unwrap(), "90");
    assert!(phones[1].hears_no(&Method::Invite));
    nothing_left(&running);
}

#[test]
fn rfc4028_7_3_a_device_that_wants_more_gets_it() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let sounds = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let first = callee.request(Method::Invite);
            callee.respond_with(&first, 422, "Min-SE: 3600\r\n", None);
            callee.request(Method::Ack);
            let second = callee.request(Method::Invite);
            assert_eq!(second.headers().call_id(), first.headers().call_id());
            assert_eq!(second.headers().cseq().number, first.headers().cseq().number + 1);
            assert_eq!(timer(second.headers()), "3600");
            assert_eq!(second.headers().text(HeaderId::MinSe).unwrap(), "3600");
            callee.respond(&second, 200, Some(&sounds.1.describe()));
            callee.request(Method::Ack);
            callee.hung_up();
        });
        let (mut dialog, _) = caller.call_through("1002", &sounds.0.describe());
        caller.hang_up(&mut dialog);
        answering.join().unwrap();
    });
    nothing_left(&running);
}

#[test]
fn rfc4028_7_4_a_device_is_asked_with_update_or_with_the_same_description_and_the_other_side_hears_nothing() {
    for takes in [true, false] {
        let callee =
            format!("{}Session-Expires: 2;refresher=uac\r\nRequire: timer\r\n", if takes { ALLOW } else { "" });
        let mut pair = pair_with(lasting(2), "", &callee);
        let said = pair.said.0.body().to_vec();
        for _ in 0..2 {
            let asked = pair.callee.request(if takes { Method::Update } else { Method::Invite });
            assert_eq!(timer(asked.headers()), "2;refresher=uac");
            assert_eq!(asked.body(), if takes { &b""[..] } else { &said });
            let answer = pair.sounds.1.describe();
            let line = "Session-Expires: 2;refresher=uac\r\nRequire: timer\r\n";
            pair.callee.respond_with(&asked, 200, line, Some(answer.as_str()).filter(|_| !takes));
            if !takes {
                pair.callee.request(Method::Ack);
            }
        }
        assert!(pair.caller.hears_no(&Method::Invite) && pair.caller.hears_no(&Method::Update));
        assert_eq!(pair.running.status().unwrap().calls[0].state, "up");
        pair.end();
    }
}

#[test]
fn rfc4028_7_4_a_call_on_hold_is_refreshed_as_it_is() {
    let mut pair = pair_with(lasting(4), "", "Session-Expires: 4;refresher=uac\r\nRequire: timer\r\n");
    let hold = pair.sounds.0.describe_as("sendonly");
    pair.caller.within(&mut pair.dialogs.0, "INVITE", Some(("application/sdp", &hold)));
    let passed = pair.callee.request(Method::Invite);
    assert_eq!(timer(passed.headers()), "4;refresher=uac");
    let line = "Session-Expires: 4;refresher=uac\r\nRequire: timer\r\n";
    pair.callee.respond_with(&passed, 200, line, Some(&pair.sounds.1.describe_as("recvonly")));
    pair.callee.request(Method::Ack);
    let branch = pair.dialogs.0.branch.clone();
    let held = pair.caller.final_response(&branch);
    pair.caller.ack(&pair.dialogs.0, held.headers(), false, None);
    let refresh = pair.callee.request(Method::Invite);
    assert_eq!(refresh.body(), passed.body(), "to the letter, held and under the same version");
    pair.callee.respond_with(&refresh, 200, line, Some(&pair.sounds.1.describe_as("recvonly")));
    pair.callee.request(Method::Ack);
    assert_eq!(pair.running.status().unwrap().calls[0].state, "held");
    assert!(pair.caller.hears_no(&Method::Invite));
    pair.end();
}

/// The first try and our refresh are both refused with 491; which of the two comes first then is theirs to say.
#[test]
fn rfc4028_4_a_hold_that_crosses_our_refresh_passes_at_its_second_try() {
    let mut pair = pair_with(lasting(6), "", "Session-Expires: 6;refresher=uac\r\nRequire: timer\r\n");
    let refresh = pair.callee.request(Method::Invite);
    let hold = pair.sounds.1.describe_as("sendonly");
    pair.callee.within(&mut pair.dialogs.1, "INVITE", Some(("application/sdp", &hold)));
    let crossed = pair.callee.final_response(&pair.dialogs.1.branch.clone());
    assert_eq!(crossed.code().get(), 491);
    pair.callee.ack(&pair.dialogs.1.clone(), crossed.headers(), true, None);
    pair.callee.respond(&refresh, 491, None);
    pair.callee.request(Method::Ack);
    pair.callee.within(&mut pair.dialogs.1, "INVITE", Some(("application/sdp", &hold)));
    let asked = pair.caller.request(Method::Invite);
    assert_eq!(direction(asked.body()).as_str(), "sendonly");
    pair.caller.respond(&asked, 200, Some(&pair.sounds.0.describe_as("recvonly")));
    pair.caller.request(Method::Ack);
    let held = pair.callee.final_response(&pair.dialogs.1.branch.clone());
    assert_eq!((held.code().get(), direction(held.body()).as_str()), (200, "recvonly"));
    pair.callee.ack(&pair.dialogs.1.clone(), held.headers(), false, None);
    pair.end();
}

#[test]
fn rfc4028_7_4_what_was_refused_does_not_come_by_the_next_refresh() {
    let mut pair = pair_with(lasting(20), &format!("{KNOWS}Session-Expires: 20\r\n"), "");
    let description = pair.sounds.0.describe();
    let hold = pair.sounds.1.describe_as("sendonly");
    pair.callee.within(&mut pair.dialogs.1, "INVITE", Some(("application/sdp", &hold)));
    let asked = pair.caller.request(Method::Invite);
    assert_eq!(direction(asked.body()).as_str(), "sendonly");
    pair.caller.respond(&asked, 488, None);
    pair.caller.request(Method::Ack);
    let refused = pair.callee.final_response(&pair.dialogs.1.branch.clone());
    assert_eq!(refused.code().get(), 488);
    pair.callee.ack(&pair.dialogs.1.clone(), refused.headers(), true, None);
    let answered = refresh(&mut pair, "INVITE", Some(&description));
    assert_eq!((answered.code().get(), direction(answered.body()).as_str()), (200, "sendrecv"));
    assert_eq!(pair.running.status().unwrap().calls[0].state, "up");
    pair.end();
}

#[test]
fn rfc4028_7_4_a_device_that_refreshes_is_answered_as_before_and_the_other_side_hears_nothing() {
    let mut pair = pair_with(lasting(2), &format!("{KNOWS}Session-Expires: 2\r\n"), ALLOW);
    let (description, answer) = (pair.sounds.0.describe(), pair.said.1.body().to_vec());
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        let answered = refresh(&mut pair, "INVITE", Some(&description));
        assert_eq!((answered.code().get(), answered.body()), (200, &answer[..]));
        assert_eq!(timer(answered.headers()), "2;refresher=uac");
        std::thread::sleep(Duration::from_millis(500));
        let answered = refresh(&mut pair, "UPDATE", None);
        assert_eq!((answered.code().get(), timer(answered.headers()).as_str()), (200, "2;refresher=uac"));
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(pair.callee.hears_no(&Method::Invite) && pair.callee.hears_no(&Method::Update));
    // What does change something goes across.
    let hold = pair.sounds.0.describe_as("sendonly");
    pair.caller.within(&mut pair.dialogs.0, "UPDATE", Some(("application/sdp", &hold)));
    let passed = pair.callee.request(Method::Update);
    assert_eq!(direction(passed.body()).as_str(), "sendonly");
    pair.callee.respond(&passed, 200, Some(&pair.sounds.1.describe_as("recvonly")));
    let branch = pair.dialogs.0.branch.clone();
    assert_eq!(pair.caller.final_response(&branch).code().get(), 200);
    pair.end();
}

#[test]
fn rfc4028_10_a_device_that_falls_silent_is_hung_up_on_and_so_is_the_other() {
    // The caller has to refresh, and does not: a third before the end.
    let begun = Instant::now();
    let mut pair = pair_with(lasting(3), &format!("{KNOWS}Session-Expires: 3\r\n"), "");
    let bye = pair.caller.hung_up();
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(bye.headers().text(HeaderId::Reason).unwrap().contains("cause=408"));
    let bye = pair.callee.hung_up();
    assert!(bye.headers().text(HeaderId::Reason).unwrap().contains("cause=408"));
    nothing_left(&pair.running);
}

#[test]
fn rfc4028_10_a_device_that_no_longer_knows_the_call_ends_it() {
    for (takes, code) in [(true, 481), (false, 408)] {
        let callee =
            format!("{}Session-Expires: 2;refresher=uac\r\nRequire: timer\r\n", if takes { ALLOW } else { "" });
        let mut pair = pair_with(lasting(2), "", &callee);
        let asked = pair.callee.request(if takes { Method::Update } else { Method::Invite });
        pair.callee.respond(&asked, code, None);
        // At once, and not when the time is over, which is told to both as 408.
        assert_eq!(pair.callee.hung_up().headers().text(HeaderId::Reason), None);
        let bye = pair.caller.hung_up();
        let reason = bye.headers().text(HeaderId::Reason).unwrap();
        assert!(reason.starts_with(&format!("SIP;cause={code};")), "{reason}");
        nothing_left(&pair.running);
    }
}

#[test]
fn rfc4028_10_an_extension_is_no_other_side_and_has_a_timer_all_the_same() {
    let (running, mut phones) = with_config(lasting(3), &["1001"]);
    let sound = Sound::new(Codec::Pcmu);
    phones[0].extra = format!("{KNOWS}Session-Expires: 3;refresher=uas\r\n{ALLOW}");
    let (_, ok) = phones[0].call_through("600", &sound.describe());
    phones[0].extra.clear();
    assert_eq!(timer(ok.headers()), "3;refresher=uas");
    let asked = phones[0].request(Method::Update);
    phones[0].respond_with(&asked, 200, "Session-Expires: 3;refresher=uas\r\nRequire: timer\r\n", None);
    // From now on it is on the phone, which does nothing.
    phones[0].hung_up();
    nothing_left(&running);
}

#[test]
fn rfc4028_7_1_switched_off_nothing_is_said_and_who_requires_it_is_refused() {
    let config = || Config { session_timer: None, ..config() };
    let pair = pair_with(config(), &format!("{KNOWS}Session-Expires: 20\r\n"), "");
    let (invite, ok) = &pair.said;
    for headers in [invite.headers(), ok.headers()] {
        assert_eq!(timer(headers), "");
        assert!(!headers.text(HeaderId::Supported).unwrap().contains("timer"));
    }
    pair.end();
    let (running, mut phones) = with_config(config(), &["1001", "1002"]);
    phones[0].extra = "Require: timer\r\n".to_owned();
    let (_, refused) = phones[0].call("1002", Some(&Sound::new(Codec::Pcmu).describe()));
    assert_eq!(refused.code().get(), 420);
    assert_eq!(refused.headers().text(HeaderId::Unsupported).unwrap(), "timer");
    nothing_left(&running);
}
