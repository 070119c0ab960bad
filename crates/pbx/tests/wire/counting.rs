//! What the counters come to when something happens.

use std::time::{Duration, Instant};

use audio::codec::Codec;
use pbx::Running;
use sip::message::Method;

use crate::phone::Phone;
use crate::setup::{nothing_left, with_phones};
use crate::sound::{Sound, address};

/// The value of a line of /metrics.
/// The value of the metric with this name and these labels.
pub(crate) fn count(running: &Running, line: &str) -> f64 {
    let metrics = running.metrics().unwrap();
    let value = metrics.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{line} is not in\n{metrics}")).parse().unwrap()
}

fn calls(running: &Running, result: &str) -> f64 {
    count(running, &format!("offhook_calls_total{{direction=\"inbound\",result=\"{result}\"}}"))
}

/// Calls `number`, which is refused without ringing.
fn refused(caller: &mut Phone, number: &str) {
    let (dialog, refused) = caller.call(number, Some(&Sound::new(Codec::Pcmu).describe()));
    assert!(refused.code().get() >= 400, "{number}: {}", refused.code());
    caller.ack(&dialog, refused.headers(), true, None);
}

#[test]
fn each_call_is_counted_by_how_it_came_out() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let [caller, callee] = &mut phones[..] else { panic!("two phones") };
    // What troubles a device is told to the caller as 480.
    let refusals = [
        (486, "busy"),
        (600, "busy"),
        (603, "busy"),
        (488, "rejected"),
        (606, "rejected"),
        (480, "unavailable"),
        (500, "unavailable"),
    ];
    for (code, result) in refusals {
        let before = calls(&running, result);
        std::thread::scope(|scope| {
            scope.spawn(|| callee.refuses(code, ""));
            refused(caller, "1002");
        });
        nothing_left(&running);
        assert_eq!(calls(&running, result) - before, 1.0, "{code}");
    }
    for (number, result) in [("9999", "rejected"), ("1003", "unavailable")] {
        let before = calls(&running, result);
        refused(caller, number);
        assert_eq!(calls(&running, result) - before, 1.0, "{number}");
    }
    assert_eq!(calls(&running, "answered") + calls(&running, "cancelled"), 0.0);
    assert_eq!(count(&running, "offhook_call_setup_seconds_count"), 0.0, "none was answered");
    assert_eq!(count(&running, "offhook_calls_total{direction=\"outbound\",result=\"started\"}"), 7.0);
}

#[test]
fn a_call_that_is_taken_back_is_counted_as_cancelled() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let [caller, callee] = &mut phones[..] else { panic!("two phones") };
    std::thread::scope(|scope| {
        scope.spawn(|| callee.rings_in_vain());
        let (dialog, response) = caller.call("1002", Some(&Sound::new(Codec::Pcmu).describe()));
        assert_eq!(response.code().get(), 180);
        caller.takes_back(&dialog);
    });
    nothing_left(&running);
    assert_eq!((calls(&running, "cancelled"), calls(&running, "answered")), (1.0, 0.0));
}

#[test]
fn set_up_is_measured_from_the_invite_to_the_answer_and_repeats_are_counted() {
    const RINGING: Duration = Duration::from_millis(300);
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let [caller, callee] = &mut phones[..] else { panic!("two phones") };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            callee.respond(&invite, 180, None);
            std::thread::sleep(RINGING);
            callee.respond(&invite, 200, Some(&Sound::new(Codec::Pcmu).describe()));
            callee.request(Method::Ack);
            callee.hung_up();
        });
        let (mut dialog, _) = caller.call("1002", Some(&Sound::new(Codec::Pcmu).describe()));
        let first = caller.final_response(&dialog.branch);
        // Nobody acknowledges the 200, so it comes again (RFC 3261 section 13.3.1.4).
        let again = caller.final_response(&dialog.branch);
        assert_eq!((first.code().get(), again.code().get()), (200, 200));
        dialog.to = again.headers().text(sip::message::HeaderId::To).unwrap().into_owned();
        caller.ack(&dialog, again.headers(), false, None);
        caller.hang_up(&mut dialog);
    });
    nothing_left(&running);
    // Each repeat that was counted has come, and no other: on a busy machine there may be more of them than this one.
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        caller.catch_up();
        callee.catch_up();
        let (counted, came) = (count(&running, "offhook_sip_retransmissions_total"), caller.repeats + callee.repeats);
        assert!(came >= 1);
        if counted == came as f64 {
            break;
        }
        assert!(Instant::now() < end, "{counted} counted, {came} came");
    }
    let within = |bound: &str| count(&running, &format!("offhook_call_setup_seconds_bucket{{le=\"{bound}\"}}"));
    assert_eq!((within("0.25"), within("30"), within("+Inf")), (0.0, 1.0, 1.0));
    let sum = count(&running, "offhook_call_setup_seconds_sum");
    assert!((RINGING.as_secs_f64()..10.0).contains(&sum), "{sum} s");
}

#[test]
fn packets_that_never_came_and_jitter_are_counted_when_the_stream_ends() {
    let (running, mut phones) = with_phones(&["1001"]);
    let mut sound = Sound::new(Codec::Pcmu);
    let (mut dialog, answer) = phones[0].call_through("600", &sound.describe());
    let to = address(answer.body());
    sound.talk(to, 440.0, Duration::from_millis(400));
    sound.skip(3);
    sound.talk(to, 440.0, Duration::from_millis(400));
    assert_eq!(count(&running, "offhook_rtp_packets_lost_total"), 0.0, "the stream has not ended");
    phones[0].hang_up(&mut dialog);
    nothing_left(&running);
    // The media thread tells at its next turn.
    let end = Instant::now() + Duration::from_secs(5);
    while count(&running, "offhook_rtp_jitter_seconds_count") < 1.0 && Instant::now() < end {}
    assert_eq!(count(&running, "offhook_rtp_packets_lost_total"), 3.0);
    assert_eq!(count(&running, "offhook_rtp_jitter_seconds_count"), 1.0);
    assert_eq!(count(&running, "offhook_rtp_jitter_seconds_bucket{le=\"+Inf\"}"), 1.0);
}
