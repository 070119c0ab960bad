//! `offhook call` against SIPp as the called party.

use super::sipp;
use crate::program::{Program, offhook};

/// Starts a call to `address`.
fn dial(address: &str, arguments: &[&str]) -> Program {
    offhook::start(&[&["call", &format!("sip:1002@{address}"), "--sip", "127.0.0.1:0"], arguments].concat())
}

/// One call to SIPp with this scenario; returns how our program ended. SIPp must have seen what its scenario says.
fn call(scenario: &str, of_sipp: &[&str], arguments: &[&str]) -> (i32, String) {
    let (phone, address) = sipp::waits(scenario, &[&["-m", "1"], of_sipp].concat());
    let outcome = dial(&address, arguments).finish();
    let (code, output) = phone.finish();
    assert_eq!(code, 0, "{output}\nand our side:\n{}", outcome.1);
    outcome
}

#[test]
fn sipp_answers_and_we_hang_up() {
    let (code, output) = call("uas", &[], &["--for", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn sipp_is_busy() {
    let (code, output) = call("uas_busy.xml", &[], &[]);
    assert_eq!(code, 7, "{output}");
    assert!(output.contains("486"), "{output}");
}

#[test]
fn sipp_rings_until_we_give_up() {
    let (code, output) = call("uas_rings.xml", &[], &["--ring-for", "1"]);
    assert_eq!(code, 8, "{output}");
}

#[test]
fn sipp_rings_until_we_are_interrupted() {
    let (phone, address) = sipp::waits("uas_rings.xml", &["-m", "1"]);
    let mut ours = dial(&address, &[]);
    ours.wait_for("180 Ringing");
    let (code, output) = ours.stop("INT");
    assert_eq!(code, 130, "{output}");
    let (code, output) = phone.finish();
    assert_eq!(code, 0, "the CANCEL and the ACK for its 487 came:\n{output}");
}

#[test]
fn rfc3261_13_2_2_4_each_copy_of_the_200_is_acknowledged() {
    let (code, output) = call("uas_ack_lost.xml", &["-nr"], &["--for", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn sipp_on_a_bad_line_is_asked_and_acknowledged_again() {
    let (code, output) = call("uas_repeats.xml", &["-nr"], &["--for", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn answers_that_overtake_each_other_make_one_call() {
    let (code, output) = call("uas_out_of_order.xml", &[], &["--for", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn bye_that_overtakes_the_200_ends_the_call_with_an_ack() {
    let (code, output) = call("uas_bye_overtakes.xml", &[], &["--for", "5"]);
    assert_eq!(code, 7, "{output}");
    assert!(output.contains("the other side hung up before it had answered"), "{output}");
}

/// A scenario that waits for what must not come fails.
#[test]
fn callee_that_waits_for_a_bye_in_vain_fails() {
    let (phone, address) = sipp::waits("uas_rings.xml", &["-m", "1", "-recv_timeout", "3000"]);
    let ours = dial(&address, &["--ring-for", "20"]);
    let (code, output) = phone.finish();
    assert_ne!(code, 0, "{output}");
    drop(ours);
}
