//! Reliable provisional responses (RFC 3262) and UPDATE (RFC 3311) with SIPp on the other side.

use super::sipp;
use crate::program::{Program, offhook};

/// One call of this scenario to a robot that rings reliably.
fn calls(scenario: &str, of_sipp: &[&str], of_robot: &[&str]) -> (Program, i32, String) {
    sipp::calls_robot(scenario, of_sipp, &[&["--reliable"], of_robot].concat())
}

#[test]
fn rfc3262_3_sipp_acknowledges_that_it_rings_and_is_then_answered() {
    let (mut robot, code, output) = calls("uac_prack.xml", &[], &[]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 1 ended by caller");
}

/// The control: a robot that was not told to rings plainly, and one whose caller cannot take it too.
#[test]
fn sipp_that_wants_to_acknowledge_what_rings_plainly_fails() {
    let (_robot, address) = offhook::answer(&[]);
    let (code, output) = sipp::run("uac_prack.xml", &address, &["-m", "1", "-recv_timeout", "3000"]);
    assert_ne!(code, 0, "{output}");
    let mute = sipp::with("uac_prack.xml", "Supported: 100rel", "Supported: timer");
    let (_robot, code, output) = calls(mute.to_str().unwrap(), &["-recv_timeout", "3000"], &[]);
    assert_ne!(code, 0, "{output}");
}

#[test]
fn rfc3262_3_sipp_on_a_bad_line_gets_it_again_until_its_prack_comes() {
    let (mut robot, code, output) = calls("uac_prack_lost.xml", &["-nr"], &[]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 1 ended by caller");
}

#[test]
fn rfc3262_3_sipp_that_never_acknowledges_is_refused() {
    // 64 of these are 3.2 s.
    let (mut robot, code, output) = calls("uac_prack_never.xml", &[], &["--t1-ms", "50"]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 1 ended by error");
}

#[test]
fn rfc3262_3_sipp_may_cancel_instead_of_acknowledging() {
    let (mut robot, code, output) = calls("uac_prack_cancel.xml", &[], &[]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 1 ended by caller");
}

#[test]
fn rfc3262_5_sipp_without_an_offer_answers_ours_in_its_prack() {
    let (robot, code, output) = calls("uac_prack_offer.xml", &[], &[]);
    assert_eq!(code, 0, "{output}");
    drop(robot);
    // Who requires it need not find a robot that was told to.
    let (_robot, address) = offhook::answer(&[]);
    let (code, output) = sipp::run("uac_prack_offer.xml", &address, &["-m", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn rfc3262_4_what_sipp_says_reliably_is_acknowledged_in_its_order() {
    for (options, arguments) in [("Supported", vec!["--for", "1"]), ("Require", vec!["--for", "1", "--reliable"])] {
        let scenario = sipp::with("uas_prack.xml", "OPTIONS", options);
        let ((code, ours), (seen, output)) = sipp::called(scenario.to_str().unwrap(), &[], &arguments);
        assert_eq!((code, seen), (0, 0), "{ours}\n{output}");
        assert!(ours.contains("183 Session Progress, with audio") && ours.contains("180 Ringing"), "{ours}");
    }
}

/// The control: without `--reliable` nothing is required; a plain response is not acknowledged.
#[test]
fn sipp_that_waits_for_a_prack_in_vain_fails() {
    let insists = sipp::with("uas_prack.xml", "OPTIONS", "Require");
    let (_, (seen, output)) =
        sipp::called(insists.to_str().unwrap(), &["-recv_timeout", "3000"], &["--ring-for", "5", "--for", "1"]);
    assert_ne!(seen, 0, "{output}");
    let plain = sipp::with("uas_prack.xml", "Require: 100rel\n", "");
    let plain = sipp::with(plain.to_str().unwrap(), "OPTIONS", "Supported");
    let (_, (seen, output)) =
        sipp::called(plain.to_str().unwrap(), &["-recv_timeout", "3000"], &["--ring-for", "5", "--for", "1"]);
    assert_ne!(seen, 0, "{output}");
}

#[test]
fn rfc3262_4_repeats_and_gaps_of_sipp_are_not_acknowledged_and_a_lost_prack_comes_again() {
    let ((code, ours), (seen, output)) = sipp::called("uas_prack_lost.xml", &["-nr"], &["--for", "1"]);
    assert_eq!((code, seen), (0, 0), "{ours}\n{output}");
    assert_eq!(ours.matches("183 Session Progress").count(), 1, "{ours}");
    assert_eq!(ours.matches("180 Ringing").count(), 1, "{ours}");
}

#[test]
fn rfc3262_4_sipp_that_cannot_refuses_who_insists() {
    let ((code, ours), (seen, output)) = sipp::called("uas_420.xml", &[], &["--reliable"]);
    assert_eq!((code, seen), (7, 0), "{ours}\n{output}");
    assert!(ours.contains("420"), "{ours}");
}

#[test]
fn rfc3311_5_2_sipp_holds_resumes_and_asks_for_what_cannot_be_had() {
    let (mut robot, code, output) = calls("uac_update.xml", &[], &["--echo"]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("call 1 ended by caller");
}

#[test]
fn rfc3311_5_2_sipp_changes_its_call_while_it_rings_once_it_is_told_reliably() {
    let (_robot, code, output) = calls("uac_update_early.xml", &[], &["--ring", "--echo"]);
    assert_eq!(code, 0, "{output}");
    // The control, and what it is told instead.
    let (_robot, address) = offhook::answer(&["--ring"]);
    let (code, output) = sipp::run("uac_update_early.xml", &address, &["-m", "1", "-recv_timeout", "3000"]);
    assert_ne!(code, 0, "{output}");
    let (code, output) = sipp::run("uac_update_open.xml", &address, &["-m", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn rfc3311_5_2_sipp_as_the_callee_changes_the_call_before_and_after_the_answer() {
    let ((code, ours), (seen, output)) = sipp::called("uas_update.xml", &[], &["--for", "2"]);
    assert_eq!((code, seen), (0, 0), "{ours}\n{output}");
    let place = |text: &str| ours.find(text).unwrap_or_else(|| panic!("no {text}: {ours}"));
    assert!(place("answered") < place("held by the other side"), "{ours}");
}

/// The control: a phone that forgets to say its 183 reliably has its offer refused.
#[test]
fn rfc3311_5_2_sipp_whose_answer_is_not_for_sure_has_its_offer_refused() {
    let plain = sipp::with("uas_update.xml", "Require: 100rel\nRSeq: 4711\n", "");
    let (_, (seen, output)) = sipp::called(plain.to_str().unwrap(), &["-recv_timeout", "3000"], &["--ring-for", "5"]);
    assert_ne!(seen, 0, "{output}");
}
