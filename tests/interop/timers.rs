//! Session timers (RFC 4028) with SIPp on the other side, with seconds instead of minutes.

use super::sipp;

const SHORT: [&str; 4] = ["--timer", "4", "--timer-min", "2"];

#[test]
fn rfc4028_9_sipp_that_wants_it_has_its_call_refreshed_in_the_way_it_takes() {
    for scenario in ["uac_timer.xml", "uac_timer_reinvite.xml"] {
        let (mut robot, code, output) = sipp::calls_robot(scenario, &[], &SHORT);
        assert_eq!(code, 0, "{scenario}\n{output}");
        robot.wait_for("call 1 ended by caller");
    }
}

/// The control: a robot without session timers refreshes nothing.
#[test]
fn sipp_that_waits_for_a_refresh_in_vain_fails() {
    for scenario in ["uac_timer.xml", "uac_timer_reinvite.xml"] {
        let plain = sipp::with(scenario, "check_it=\"true\" ", "");
        let (_robot, code, output) =
            sipp::calls_robot(plain.to_str().unwrap(), &["-recv_timeout", "4000"], &["--timer", "off"]);
        assert_ne!(code, 0, "{output}");
    }
}

#[test]
fn rfc4028_10_sipp_that_falls_silent_is_hung_up_on() {
    let (mut robot, code, output) =
        sipp::calls_robot("uac_timer_silent.xml", &[], &["--timer", "3", "--timer-min", "2"]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 1 ended by error");
}

/// The control: without a session timer nobody notices.
#[test]
fn sipp_that_falls_silent_stays_where_there_is_no_timer() {
    let plain = sipp::with("uac_timer_silent.xml", "check_it=\"true\" ", "");
    let (mut robot, code, output) =
        sipp::calls_robot(plain.to_str().unwrap(), &["-recv_timeout", "4000"], &["--timer", "off", "--for", "20"]);
    assert_ne!(code, 0, "{output}");
    robot.wait_for("call 1 answered");
    robot.signal("INT");
    let (_, said) = robot.finish();
    assert!(!said.contains("ended by error"), "{said}");
}

#[test]
fn rfc4028_9_sipp_that_asks_for_too_little_is_told_how_much() {
    let (mut robot, code, output) = sipp::calls_robot("uac_timer_small.xml", &[], &[]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 1 refused: 422");
    robot.wait_for("call 2 ended by caller");
}

#[test]
fn rfc4028_10_sipp_as_the_callee_is_refreshed_and_when_it_answers_no_more_the_call_ends() {
    let ((code, ours), (seen, output)) = sipp::called("uas_timer.xml", &[], &SHORT);
    assert_eq!((code, seen), (8, 0), "{ours}\n{output}");
    assert_eq!(ours.matches("refreshed for 4 s, the next by us").count(), 1, "{ours}");
    assert!(ours.contains("ended by error") && ours.contains("408 the session was not refreshed in time"), "{ours}");
}

#[test]
fn rfc4028_7_3_sipp_that_wants_more_gets_it() {
    let ((code, ours), (seen, output)) =
        sipp::called("uas_timer_small.xml", &[], &[&SHORT[..], &["--for", "1"]].concat());
    assert_eq!((code, seen), (0, 0), "{ours}\n{output}");
}

#[test]
fn rfc4028_7_2_sipp_that_knows_nothing_of_it_is_refreshed_where_it_is_asked_for() {
    let ((code, ours), (seen, output)) =
        sipp::called("uas_timer_unknown.xml", &[], &[&SHORT[..], &["--for", "3"]].concat());
    assert_eq!((code, seen), (0, 0), "{ours}\n{output}");
    // The control: unless somebody wants it, a callee that knows nothing of it is left in peace.
    let usual = ["--timer-min", "2", "--for", "3"];
    let (_, (seen, output)) = sipp::called("uas_timer_unknown.xml", &["-recv_timeout", "5000"], &usual);
    assert_ne!(seen, 0, "{output}");
}
