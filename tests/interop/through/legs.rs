//! What each leg of `offhook serve` does for itself, with SIPp at both ends: reliable provisional responses (RFC 3262), UPDATE (RFC 3311), session timers
//! (RFC 4028).

use tempfile::TempPath;

use super::{Program, Server, serve, serve_with, sipp, sipp_callee, went_well};

/// Seconds instead of minutes.
const SHORT: &str = "sip = { session_timer_secs = 4, session_timer_min_secs = 2 }\n";
/// How long who waits in vain waits, in milliseconds: longer than any session lasts here.
const IN_VAIN: [&str; 2] = ["-recv_timeout", "6000"];
/// The exit code of SIPp where a call did not go as the scenario says: others are about SIPp itself.
const A_CALL_FAILED: i32 = 1;

/// One call of 1001 to 1002, both SIPp with these scenarios and arguments; the caller is the first.
fn calls(server: &Server, scenarios: [&str; 2], more: [&[&str]; 2]) -> [Program; 2] {
    let phone = sipp_callee(server, scenarios[1], &[&["-m", "1"], more[1]].concat());
    let caller = ["-m", "1", "-s", "1002", "-au", "1001", "-ap", "secret1"];
    [sipp::start(scenarios[0], &server.address, &[&caller[..], more[0]].concat()), phone]
}

/// A call that goes as both scenarios say.
fn goes_well(server: &Server, caller: &str, phone: &str) {
    for ended in calls(server, [caller, phone], [&[]; 2]).map(Program::finish) {
        went_well(ended);
    }
}

/// A call whose caller waits in vain: what it says.
fn caller_fails(server: &Server, caller: &str, phone: &str) -> String {
    let [caller, _phone] = calls(server, [caller, phone], [&IN_VAIN, &[]]);
    let (code, output) = caller.finish();
    assert_eq!(code, A_CALL_FAILED, "{output}");
    output
}

/// A call whose callee waits in vain: what it says.
fn phone_fails(server: &Server, caller: &str, phone: &str) -> String {
    let [_caller, phone] = calls(server, [caller, phone], [&[], &IN_VAIN]);
    let (code, output) = phone.finish();
    assert_eq!(code, A_CALL_FAILED, "{output}");
    output
}

/// A scenario in which nothing is looked at, so that what does not come is missed.
fn blind(scenario: &str) -> TempPath {
    sipp::with(scenario, "check_it=\"true\" ", "")
}

/// A caller who waits to be hung up.
fn patient() -> TempPath {
    sipp::with("pbx_caller_consults.xml", "sip:1002@", "sip:1001@")
}

#[test]
fn rfc3262_3_sipp_at_both_ends_of_serve_says_and_acknowledges_what_comes_before_the_answer() {
    goes_well(&serve(), "pbx_caller_prack.xml", "uas_prack_once.xml");
    // The phone alone can, and is acknowledged in its order.
    let phone = sipp::with("uas_prack.xml", "OPTIONS", "Supported");
    goes_well(&serve(), "pbx_caller_answered.xml", phone.to_str().unwrap());
}

/// The controls: a caller who cannot is told plainly, and a phone that says it plainly is not acknowledged.
#[test]
fn rfc3262_3_sipp_waits_in_vain_through_serve_for_what_was_not_agreed() {
    let mute = sipp::with("pbx_caller_prack.xml", "Supported: 100rel", "Supported: norefersub");
    caller_fails(&serve(), mute.to_str().unwrap(), "uas_prack_once.xml");
    let plain = sipp::with("uas_prack_once.xml", "Require: 100rel\nRSeq: 4711\n", "");
    phone_fails(&serve(), "pbx_caller_answered.xml", plain.to_str().unwrap());
}

#[test]
fn rfc3311_5_2_sipp_at_both_ends_of_serve_changes_the_call_by_update() {
    goes_well(&serve(), "pbx_caller_update.xml", "uas_updated.xml");
    goes_well(&serve(), "pbx_caller_update_early.xml", "uas_early_cancelled.xml");
}

/// The control: a phone that does not say that it takes UPDATE gets a re-INVITE, and the caller gets one as well who does not.
#[test]
fn rfc3311_5_2_sipp_that_does_not_allow_update_waits_for_one_of_serve_in_vain() {
    let mute = |scenario| sipp::with(scenario, ", UPDATE", "");
    for output in [
        phone_fails(&serve(), "pbx_caller_update.xml", mute("uas_updated.xml").to_str().unwrap()),
        caller_fails(&serve(), mute("pbx_caller_update.xml").to_str().unwrap(), "uas_updated.xml"),
    ] {
        let instead = output.contains("while expecting 'UPDATE'") && output.contains("received 'INVITE ");
        assert!(instead, "it failed over something else: {output}");
    }
}

#[test]
fn rfc4028_9_sipp_that_calls_through_serve_is_refreshed_or_refreshes_and_hung_up_on_when_it_stops() {
    goes_well(&serve_with(SHORT), "pbx_caller_timer.xml", "uas");
    goes_well(&serve_with(SHORT), "pbx_caller_timer_silent.xml", "uas");
}

/// The caller hears of it as well.
#[test]
fn rfc4028_10_sipp_that_is_called_through_serve_is_refreshed_or_refreshes_and_hung_up_on_when_it_stops() {
    let reason = "search_in=\"hdr\" header=\"Reason:\" check_it=\"true\" assign_to=\"whole\"";
    let told = format!("<recv request=\"BYE\"><action><ereg regexp=\"cause=408\" {reason}/></action></recv>");
    let caller = sipp::with(patient().to_str().unwrap(), "<recv request=\"BYE\"/>", &told);
    for phone in ["uas_timer.xml", "uas_timer_silent.xml"] {
        goes_well(&serve_with(SHORT), caller.to_str().unwrap(), phone);
    }
}

/// The controls: without session timers nobody is refreshed, or missed.
#[test]
fn rfc4028_7_1_sipp_waits_in_vain_for_a_refresh_or_an_end_through_a_serve_without_session_timers() {
    let server = || serve_with("sip.session_timer_secs = 0\n");
    for caller in ["pbx_caller_timer.xml", "pbx_caller_timer_silent.xml"] {
        caller_fails(&server(), blind(caller).to_str().unwrap(), "uas");
    }
    for phone in ["uas_timer.xml", "uas_timer_silent.xml"] {
        phone_fails(&server(), patient().to_str().unwrap(), blind(phone).to_str().unwrap());
    }
}

#[test]
fn rfc4028_9_sipp_is_told_by_serve_how_often_it_may_refresh_and_serve_by_sipp() {
    // 90 s by default. The phone rings once.
    goes_well(&serve(), "pbx_caller_timer_small.xml", "uas");
    goes_well(&serve_with(SHORT), "pbx_caller_answered.xml", "uas_timer_small.xml");
    // The control: where less will do, nobody is told so.
    caller_fails(&serve_with(SHORT), "pbx_caller_timer_small.xml", "uas");
}
