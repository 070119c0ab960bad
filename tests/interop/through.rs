//! SIPp as caller and as callee through `offhook serve`.

mod legs;

use super::sipp;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{Program, free_port};

/// Each scenario runs so often.
const CALLS: &str = "3";

/// A server for SIPp, which knows no digest but MD5, and looks at the first challenge only.
pub(super) fn serve() -> Server {
    serve_with("")
}

/// The same with more settings.
fn serve_with(settings: &str) -> Server {
    let file = offhook::configuration(&format!("digest = [\"md5\"]\n{settings}"));
    let third = ["--user", "1003:secret3"];
    offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..], &third].concat())
}

/// Registers 1002 with digest from a port and waits there for as many calls as each scenario makes.
fn callee(server: &Server, scenario: &str) -> Program {
    sipp_callee(server, scenario, &["-m", CALLS])
}

/// The same with other arguments for SIPp.
pub(super) fn sipp_callee(server: &Server, scenario: &str, arguments: &[&str]) -> Program {
    let port = free_port();
    let (code, output) = registers(server, port, "secret2");
    assert_eq!(code, 0, "{output}");
    let phone = sipp::start_at(port, scenario, &server.address, arguments);
    sipp::await_port(port);
    phone
}

fn registers(server: &Server, port: u16, password: &str) -> (i32, String) {
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", password];
    sipp::start_at(port, "uas_registers.xml", &server.address, &credentials).finish()
}

/// 1001 calls `number` with this password and scenario.
fn call(server: &Server, scenario: &str, number: &str, password: &str) -> (i32, String) {
    // SIPp signs for the server's address, not for the Request-URI (RFC 7616 section 3.4.6).
    let arguments = ["-m", CALLS, "-l", "1", "-s", number, "-au", "1001", "-ap", password];
    sipp::run(scenario, &server.address, &arguments)
}

/// 1001 calls `number` and must be refused with this code.
fn refused(server: &Server, number: &str, password: &str, code: u16) -> (i32, String) {
    let scenario = sipp::with_final("pbx_caller_refused.xml", code);
    call(server, scenario.to_str().unwrap(), number, password)
}

pub(super) fn went_well((code, output): (i32, String)) {
    assert_eq!(code, 0, "{output}");
}

#[test]
fn sipp_calls_sipp_and_is_answered() {
    let server = serve();
    let phone = callee(&server, "uas");
    went_well(call(&server, "pbx_caller_answered.xml", "1002", "secret1"));
    went_well(phone.finish());
}

/// Caller and callee fall to the same loop by chance only, and each of SIPp's messages comes by the loop that its port falls to.
#[test]
fn four_loops_are_as_one_to_sipp() {
    for (listening, calling) in [("uas", "pbx_caller_answered.xml"), ("uas_rings.xml", "pbx_caller_cancels.xml")] {
        let server = serve_with("shards = 4\n");
        let phone = callee(&server, listening);
        went_well(call(&server, calling, "1002", "secret1"));
        went_well(phone.finish());
        went_well(refused(&server, "1002", "guessed", 403));
        went_well(refused(&server, "999", "secret1", 404));
    }
}

#[test]
fn busy_of_the_callee_reaches_the_caller() {
    let server = serve();
    let phone = callee(&server, "uas_busy.xml");
    went_well(refused(&server, "1002", "secret1", 486));
    went_well(phone.finish());
}

#[test]
fn scenario_that_wants_another_code_fails() {
    let server = serve();
    let _phone = callee(&server, "uas_busy.xml");
    let (code, output) = refused(&server, "1002", "secret1", 603);
    assert_ne!(code, 0, "{output}");
}

#[test]
fn phone_that_nobody_answers_is_cancelled_and_the_caller_told() {
    let server = serve_with("ring_secs = 2\n");
    let phone = callee(&server, "uas_rings.xml");
    went_well(refused(&server, "1002", "secret1", 480));
    went_well(phone.finish());
}

#[test]
fn caller_who_gives_up_stops_the_ringing() {
    let server = serve();
    let phone = callee(&server, "uas_rings.xml");
    went_well(call(&server, "pbx_caller_cancels.xml", "1002", "secret1"));
    went_well(phone.finish());
}

#[test]
fn numbers_nobody_has_and_phones_not_there_are_told_apart() {
    let server = serve();
    went_well(refused(&server, "999", "secret1", 404));
    went_well(refused(&server, "1002", "secret1", 480));
}

#[test]
fn callers_without_the_password_get_no_further_than_401_and_403() {
    let mut server = serve();
    went_well(call(&server, "pbx_caller_unknown.xml", "600", "-"));
    went_well(refused(&server, "600", "guessed", 403));
    server.program.wait_for("auth_failed ip=127.0.0.1");
    let (code, output) = registers(&server, free_port(), "guessed");
    assert_ne!(code, 0, "registered with a guessed password:\n{output}");
    // Nothing was bound.
    went_well(refused(&server, "1002", "secret1", 480));
}

#[test]
fn caller_who_never_acknowledges_gets_a_bye_and_so_does_the_phone_called() {
    // 64 of these are 6.4 s.
    let server = serve_with("sip.t1_ms = 100");
    let phone = sipp_callee(&server, "uas", &["-m", "1"]);
    let arguments = ["-m", "1", "-s", "1002", "-au", "1001", "-ap", "secret1"];
    went_well(sipp::run("pbx_caller_never_acks.xml", &server.address, &arguments));
    went_well(phone.finish());
}

#[test]
fn caller_on_a_bad_line_makes_each_call_once() {
    let mut server = serve();
    let phone = callee(&server, "uas");
    went_well(call(&server, "pbx_caller_repeats.xml", "1002", "secret1"));
    // It would not end, or fail, had a call come more or fewer times.
    went_well(phone.finish());
    assert!(server.program.is_alive());
}

#[test]
fn bye_of_the_caller_that_overtakes_its_ack_ends_the_call() {
    let server = serve();
    let phone = callee(&server, "uas");
    went_well(call(&server, "pbx_caller_bye_before_ack.xml", "1002", "secret1"));
    went_well(phone.finish());
}

#[test]
fn answers_of_the_callee_that_overtake_each_other_make_one_call() {
    let server = serve();
    let phone = callee(&server, "uas_out_of_order.xml");
    went_well(call(&server, "pbx_caller_answered.xml", "1002", "secret1"));
    went_well(phone.finish());
}
