//! `offhook answer` as the called party.

use super::baresip::Baresip;
use super::sipp;
use crate::program::offhook;
use crate::program::sound::seconds_of;

const PHONE: &str = "<sip:phone@127.0.0.1:PORT>;regint=0;answermode=auto";

/// Calls from baresip, speaks for some seconds, hangs up; returns how long the tone was heard back.
fn echo_heard(arguments: &[&str]) -> f64 {
    let (mut robot, address) = offhook::answer(arguments);
    let mut phone = Baresip::start(PHONE, 440);
    phone.command("dial", &format!("sip:robot@{address}"));
    phone.wait_for("CALL_ESTABLISHED");
    // RTCP reports are at least 2.5 s apart: by the fourth, ten seconds of audio have passed.
    for _ in 0..4 {
        phone.wait_for("CALL_RTCP");
    }
    phone.command("hangup", "");
    phone.wait_for("CALL_CLOSED");
    // However busy the machine is, what has been sent has come.
    let ended = robot.wait_for("ended by caller");
    assert!(ended.contains(", 0 lost"), "{ended}");
    let seconds = seconds_of(&phone.recording(), 440.0);
    phone.stop();
    seconds
}

#[test]
fn baresip_hears_its_own_tone_from_an_echo() {
    let seconds = echo_heard(&["--echo"]);
    assert!(seconds >= 3.0, "440 Hz for {seconds} s only");
}

#[test]
fn baresip_hears_nothing_of_itself_without_the_echo() {
    let seconds = echo_heard(&["--tone", "1000"]);
    assert!(seconds < 0.2, "440 Hz for {seconds} s where another tone is played");
}

#[test]
fn robot_records_what_baresip_says() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("heard.wav");
    let seconds = echo_heard(&["--tone", "1000", "--record", file.to_str().unwrap()]);
    assert!(seconds < 0.2);
    let heard = seconds_of(&file, 440.0);
    assert!(heard >= 3.0, "440 Hz for {heard} s only in the robot's recording");
}

#[test]
fn sipp_calls_are_answered_acknowledged_and_ended() {
    let (mut robot, address) = offhook::answer(&["--calls", "50"]);
    let (code, output) = sipp::run("uac", &address, &["-m", "50", "-r", "50"]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 50 ended by caller");
    let (code, _) = robot.finish();
    assert_eq!(code, 0);
}

#[test]
fn sipp_is_refused_with_the_code_that_was_asked_for() {
    let (_robot, address) = offhook::answer(&["--reject", "486"]);
    let (code, output) = sipp::run("uac", &address, &["-m", "1"]);
    assert_eq!(code, 1, "the built-in caller wants a 200:\n{output}");
    let (code, output) = sipp::run("uac_refused.xml", &address, &["-m", "5"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn sipp_may_cancel_while_it_rings() {
    let (mut robot, address) = offhook::answer(&["--ring"]);
    let (code, output) = sipp::run("uac_cancel.xml", &address, &["-m", "5"]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 5 ended by caller");
}

#[test]
fn sipp_that_never_acknowledges_gets_copies_and_then_a_bye() {
    // 64 of these are 3.2 s.
    let (_robot, address) = offhook::answer(&["--t1-ms", "50"]);
    let (code, output) = sipp::run("uac_no_ack.xml", &address, &["-m", "1", "-nr"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn sipp_that_repeats_everything_gets_the_same_answers() {
    let (mut robot, address) = offhook::answer(&[]);
    let (code, output) = sipp::run("uac_repeats.xml", &address, &["-m", "5", "-nr"]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 5 ended by caller");
    assert!(!robot.output().contains("call 6"), "a repeated INVITE is no new call");
}

/// Three calls of this scenario, to the end of the last.
fn three_calls(scenario: &str) {
    let (mut robot, address) = offhook::answer(&[]);
    let (code, output) = sipp::run(scenario, &address, &["-m", "3"]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 3 ended by caller");
}

#[test]
fn bye_that_overtakes_its_ack_ends_the_call() {
    three_calls("uac_bye_before_ack.xml");
}

#[test]
fn rfc3261_12_2_2_options_within_a_call_is_answered_and_with_a_tag_of_no_call_refused() {
    three_calls("uac_options_within.xml");
}

#[test]
fn cancel_that_crosses_the_answer_has_no_effect() {
    three_calls("uac_cancel_after_answer.xml");
}

#[test]
fn robot_hangs_up_after_the_time_that_was_asked_for() {
    let (_robot, address) = offhook::answer(&["--for", "1"]);
    let (code, output) = sipp::run("uac_waits_for_bye.xml", &address, &["-m", "2"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn calls_come_by_tcp_too() {
    let (_robot, address) = offhook::answer(&[]);
    let (code, output) = sipp::run("uac", &address, &["-m", "20", "-t", "t1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn interrupt_ends_the_calls_and_exits_with_130() {
    let (mut robot, address) = offhook::answer(&[]);
    let caller = sipp::start("uac_waits_for_bye.xml", &address, &["-m", "1"]);
    robot.wait_for("call 1 answered");
    let (code, _) = robot.stop("INT");
    assert_eq!(code, 130);
    let (code, output) = caller.finish();
    assert_eq!(code, 0, "the caller saw the BYE:\n{output}");
}

/// Digits may come in INFO (`application/dtmf-relay` and `application/dtmf`).
#[test]
fn digits_of_sipp_in_info_are_told_and_what_is_none_is_refused() {
    let (mut robot, address) = offhook::answer(&[]);
    let (code, output) = sipp::run("uac_info.xml", &address, &["-m", "1"]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 1 ended by caller");
    let (_, said) = robot.stop("INT");
    let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("no {text}: {said}"));
    assert!(place("call 1 digit 5") < place("call 1 digit #"), "{said}");
    assert_eq!(said.matches("digit").count(), 2, "{said}");
}
