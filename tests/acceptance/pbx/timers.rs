//! Calls that last as long as they are refreshed (RFC 4028).

use std::time::{Duration, Instant};

use super::{Ask, Device, Server, code, field, server};
use crate::program::PATIENCE;

/// A call of alice to the echo with these lines: what she has sent, and what ends it.
fn called(server: &Server, lines: &[&str]) -> (Device, Ask, String) {
    let mut alice = Device::new(server, "alice");
    let mut invite = alice.invite("600");
    invite.more = lines.iter().map(|line| (*line).to_owned()).collect();
    let signed = alice.wire.signed(&invite, "alice", "a");
    alice.wire.send(&signed);
    let answer = alice.ends(&signed);
    (alice, signed, answer)
}

/// Hangs up what has been answered.
fn hang_up(alice: &mut Device, answer: &str) {
    assert_eq!(code(answer), 200, "{answer}");
    let bye = alice.wire.within(answer, "BYE", 9);
    assert_eq!(alice.wire.code_of(&bye), 200);
}

#[test]
fn tb30_session_timers() {
    let server = server("");
    let (_, _, brief) = called(&server, &["Supported: timer", "Session-Expires: 30"]);
    assert_eq!((code(&brief), field(&brief, "Min-SE").as_deref()), (422, Some("90")), "{brief}");
    // The least goes.
    let (mut alice, _, least) = called(&server, &["Supported: timer", "Session-Expires: 90"]);
    hang_up(&mut alice, &least);
    let (mut alice, _, answer) = called(&server, &["Supported: timer", "Session-Expires: 1800;refresher=uac"]);
    assert_eq!(field(&answer, "Session-Expires").as_deref(), Some("1800;refresher=uac"), "{answer}");
    let has_timer = |name| field(&answer, name).is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == "timer"));
    assert!(has_timer("Require") && has_timer("Supported"), "{answer}");
    hang_up(&mut alice, &answer);
}

#[test]
fn tb30_session_timers_that_are_refused() {
    let server = server("[sip]\nsession_timer_secs = 0\n");
    let (_, _, refused) = called(&server, &["Require: timer", "Session-Expires: 1800"]);
    assert_eq!((code(&refused), field(&refused, "Unsupported").as_deref()), (420, Some("timer")), "{refused}");
    // Who does not insist has a call that nobody ends.
    let (mut alice, _, answer) = called(&server, &["Supported: timer", "Session-Expires: 1800"]);
    assert_eq!(field(&answer, "Session-Expires"), None, "{answer}");
    hang_up(&mut alice, &answer);
}

#[test]
fn tb30_session_timers_without_a_refresh_end_the_call() {
    let server = server("[sip]\nsession_timer_secs = 6\nsession_timer_min_secs = 1\n");
    let (mut alice, _, answer) = called(&server, &["Supported: timer", "Session-Expires: 6;refresher=uac"]);
    assert_eq!(field(&answer, "Session-Expires").as_deref(), Some("6;refresher=uac"), "{answer}");
    // It would end 2 s before its 6 s are over, a third of them (RFC 4028 section 10); a refresh puts that off.
    assert_eq!(alice.wire.next(Duration::from_secs(2)), None);
    let mut refresh = alice.wire.within(&answer, "UPDATE", 3);
    refresh.more = vec!["Supported: timer".into(), "Session-Expires: 6;refresher=uac".into()];
    let refreshed_at = Instant::now();
    let refreshed = alice.wire.final_of(&refresh);
    assert_eq!(code(&refreshed), 200, "{refreshed}");
    assert_eq!(field(&refreshed, "Session-Expires").as_deref(), Some("6;refresher=uac"), "{refreshed}");
    let bye = alice.wire.next(PATIENCE).expect("a BYE");
    let lasted = refreshed_at.elapsed();
    assert!(bye.starts_with("BYE "), "{bye}");
    assert!(lasted >= Duration::from_millis(3_900) && lasted < Duration::from_millis(5_900), "{lasted:?}");
    alice.reply(&bye, "200 OK");
}
