//! `offhook serve --role proxy` between SIPp, baresip, Kamailio and phones of our own.

use super::baresip::Baresip;
use super::kamailio::Kamailio;
use super::sipp;
use super::told::Log;
use crate::acceptance::wire::Wire;
use crate::program::offhook::{self, Server, USERS};
use crate::program::sound::seconds_of;
use crate::program::{Program, free_port};

/// Audio that counts as heard, and as not heard.
const HEARD: f64 = 3.0;
const UNHEARD: f64 = 0.2;

/// A proxy for SIPp, which knows no digest but MD5.
fn serve(settings: &str) -> Server {
    serve_as("proxy", settings)
}

fn serve_as(role: &str, settings: &str) -> Server {
    let file = offhook::configuration(&format!("digest = [\"md5\"]\nrole = \"{role}\"\n{settings}"));
    offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat())
}

/// Registers 1002 from a port and waits there for one call.
fn callee(server: &Server, scenario: &str) -> Program {
    let port = free_port();
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
    let (code, output) = sipp::start_at(port, "uas_registers.xml", &server.address, &credentials).finish();
    assert_eq!(code, 0, "{output}");
    let phone = sipp::start_at(port, scenario, &server.address, &["-m", "1"]);
    sipp::await_port(port);
    phone
}

/// 1001 calls 1002 with this scenario and password.
fn call(server: &Server, scenario: &str, password: &str) -> (i32, String) {
    let arguments = ["-m", "1", "-s", "1002", "-au", "1001", "-ap", password];
    sipp::run(scenario, &server.address, &arguments)
}

/// The scenario of a caller of a PBX for a proxy, which asks with 407, and refuses at the end with `code`.
fn asked_by_proxy(scenario: &str, code: u16) -> tempfile::TempPath {
    let file = sipp::with(scenario, "response=\"401\"", "response=\"407\"");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("FINAL", &code.to_string())).unwrap();
    file
}

fn went_well((code, output): (i32, String)) {
    assert_eq!(code, 0, "{output}");
}

#[test]
fn sipp_calls_sipp_through_the_proxy_with_one_loop_and_four() {
    for settings in ["", "shards = 4\n"] {
        let server = serve(settings);
        let phone = callee(&server, "proxied_callee.xml");
        went_well(call(&server, "proxied_caller_answered.xml", "secret1"));
        went_well(phone.finish());
    }
}

#[test]
fn scenario_that_wants_a_record_route_fails_where_there_is_none() {
    let server = serve("proxy.record_route = false\n");
    let mut phone = callee(&server, "proxied_callee.xml");
    let (code, output) = call(&server, "proxied_caller_answered.xml", "secret1");
    assert_ne!(code, 0, "{output}");
    phone.kill();
}

#[test]
fn what_sipp_sends_back_as_it_came_is_a_loop_and_what_it_sends_on_is_none() {
    // The last is the control: what it waits for does not come.
    for (again, code, comes) in [("1002", "482", true), ("1001", "480", true), ("1002", "480", false)] {
        let server = serve("proxy.authenticate = \"off\"\n");
        let file = sipp::with("uas_sends_back.xml", "AGAIN", again);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("FINAL", code)).unwrap();
        let phone = callee(&server, file.to_str().unwrap());
        let mut wire = Wire::to(&server.address);
        let mut message = wire.ask("MESSAGE");
        message.uri = format!("sip:1002@{}", server.address);
        message.to = format!("<{}>", message.uri);
        assert_eq!(wire.code_of(&message), 200);
        let (ended, output) = phone.finish();
        assert_eq!(ended == 0, comes, "{again} {code}: {output}");
    }
}

#[test]
fn sipp_that_allows_less_breadth_than_a_call_takes_is_told_440() {
    let server = serve("");
    for _ in 0..2 {
        let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
        went_well(sipp::start_at(free_port(), "uas_registers.xml", &server.address, &credentials).finish());
    }
    let called_with = |breadth: u32| {
        let file = asked_by_proxy("pbx_caller_refused.xml", 440);
        let text = std::fs::read_to_string(&file).unwrap();
        let line = format!("Max-Forwards: 70\nMax-Breadth: {breadth}");
        std::fs::write(&file, text.replace("Max-Forwards: 70", &line)).unwrap();
        call(&server, file.to_str().unwrap(), "secret1")
    };
    went_well(called_with(1));
    // The control: two devices at a time are two.
    let (code, output) = called_with(2);
    assert_ne!(code, 0, "{output}");
}

/// The transactions that a server keeps.
fn transactions(server: &Server) -> u64 {
    server.status()["loops"][0]["transactions"].as_u64().unwrap()
}

#[test]
fn sipp_calls_refuses_and_gives_up_through_a_proxy_that_keeps_nothing() {
    // 64 of T1 are 1.3 s: what is left of the REGISTERs.
    let short = "sip.t1_ms = 20\n";
    let server = serve_as("stateless", short);
    let at_rest = |server: &Server| {
        let end = std::time::Instant::now() + crate::program::PATIENCE;
        while transactions(server) > 0 {
            assert!(std::time::Instant::now() < end, "transactions stay");
        }
    };
    let cases = [
        ("proxied_callee.xml", None),
        ("uas_busy.xml", Some(asked_by_proxy("pbx_caller_refused.xml", 486))),
        ("uas_rings_direct.xml", Some(asked_by_proxy("pbx_caller_cancels.xml", 487))),
    ];
    let port = free_port();
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
    went_well(sipp::start_at(port, "uas_registers.xml", &server.address, &credentials).finish());
    at_rest(&server);
    for (called, calling) in cases {
        let phone = sipp::start_at(port, called, &server.address, &["-m", "1"]);
        sipp::await_port(port);
        let calling = calling.as_ref().map_or("proxied_caller_answered.xml", |file| file.to_str().unwrap());
        went_well(call(&server, calling, "secret1"));
        assert_eq!(transactions(&server), 0, "{called}");
        went_well(phone.finish());
    }
    went_well(call(&server, asked_by_proxy("pbx_caller_refused.xml", 403).to_str().unwrap(), "guessed"));
    // The control: one with transactions has them still.
    let server = serve(short);
    let phone = callee(&server, "proxied_callee.xml");
    at_rest(&server);
    went_well(call(&server, "proxied_caller_answered.xml", "secret1"));
    assert!(transactions(&server) > 0);
    went_well(phone.finish());
}

#[test]
fn baresip_calls_baresip_through_a_proxy_that_keeps_nothing() {
    let file = offhook::configuration("role = \"stateless\"\n");
    for (calling, called) in [("udp", "tcp"), ("tcp", "udp")] {
        let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
        let mut caller = registered(&server, "1001", "secret1", calling, 440);
        let mut callee = registered(&server, "1002", "secret2", called, 1000);
        caller.command("dial", &format!("sip:1002@{}", server.address));
        caller.wait_for("CALL_ESTABLISHED");
        callee.wait_for("CALL_ESTABLISHED");
        callee.command("hangup", "");
        caller.wait_for("CALL_CLOSED");
        caller.stop();
        callee.stop();
    }
}

#[test]
fn of_two_phones_that_ring_one_answers_and_the_other_is_cancelled() {
    let server = serve("");
    let rings = callee(&server, "uas_rings.xml");
    let answers = callee(&server, "proxied_callee.xml");
    went_well(call(&server, "proxied_caller_answered.xml", "secret1"));
    went_well(answers.finish());
    went_well(rings.finish());
}

#[test]
fn of_two_phones_of_which_one_is_busy_the_other_answers() {
    let server = serve("proxy.forking = \"serial\"\n");
    // The one that registered first is asked first.
    let busy = callee(&server, "uas_busy.xml");
    let answers = callee(&server, "proxied_callee.xml");
    went_well(call(&server, "proxied_caller_answered.xml", "secret1"));
    went_well(busy.finish());
    went_well(answers.finish());
}

/// Registers 1002 from a port with this preference and waits there for one call.
fn callee_of(server: &Server, scenario: &str, preference: &str) -> Program {
    let port = free_port();
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
    let registers = sipp::with("uas_registers.xml", ";expires=300", &format!(";expires=300;q={preference}"));
    went_well(sipp::start_at(port, registers.to_str().unwrap(), &server.address, &credentials).finish());
    let phone = sipp::start_at(port, scenario, &server.address, &["-m", "1"]);
    sipp::await_port(port);
    phone
}

#[test]
fn rfc3261_16_6_phones_of_sipp_are_called_by_their_preference_and_not_as_they_have_registered() {
    // One after the other by q; the one that registered first is named first.
    for (answering, busy) in [("0.3", "0.7"), ("0.31", "0.32")] {
        let server = serve("");
        let answers = callee_of(&server, "proxied_callee.xml", answering);
        let is_busy = callee_of(&server, "uas_busy.xml", busy);
        went_well(call(&server, "proxied_caller_answered.xml", "secret1"));
        went_well(is_busy.finish());
        went_well(answers.finish());
    }
    // The control: the other way round the second is not called at all.
    let server = serve("");
    let answers = callee_of(&server, "proxied_callee.xml", "0.7");
    let mut is_busy = callee_of(&server, "uas_busy.xml", "0.3");
    went_well(call(&server, "proxied_caller_answered.xml", "secret1"));
    went_well(answers.finish());
    assert!(is_busy.is_alive(), "{}", is_busy.output());
    is_busy.kill();
}

#[test]
fn refusals_of_all_phones_are_one_refusal_and_another_code_fails() {
    let server = serve("");
    let phones = [callee(&server, "uas_busy.xml"), callee(&server, "uas_busy.xml")];
    went_well(call(&server, asked_by_proxy("pbx_caller_refused.xml", 486).to_str().unwrap(), "secret1"));
    phones.into_iter().for_each(|phone| went_well(phone.finish()));
    let server = serve("");
    let _phone = callee(&server, "uas_busy.xml");
    let (code, output) = call(&server, asked_by_proxy("pbx_caller_refused.xml", 603).to_str().unwrap(), "secret1");
    assert_ne!(code, 0, "{output}");
}

/// A phone of SIPp that says by 302 that it is where another waits, who has not registered: the two of them.
fn moved(server: &Server) -> (Program, Program) {
    let (there, address) = sipp::waits("proxied_callee.xml", &["-m", "1"]);
    let scenario = sipp::with("uas_moved.xml", "TARGET", &address);
    // SIPp has read it when it listens.
    (callee(server, scenario.to_str().unwrap()), there)
}

#[test]
fn rfc3261_16_7_sipp_that_has_moved_is_followed_by_a_proxy_that_recurses() {
    let server = serve("proxy.recurse = true\n");
    let (phone, there) = moved(&server);
    went_well(call(&server, "proxied_caller_answered.xml", "secret1"));
    went_well(phone.finish());
    went_well(there.finish());
    // The control: one that does not passes the 302 back, and nobody rings there.
    let server = serve("");
    let (phone, mut there) = moved(&server);
    went_well(call(&server, asked_by_proxy("pbx_caller_refused.xml", 302).to_str().unwrap(), "secret1"));
    went_well(phone.finish());
    assert!(there.is_alive(), "{}", there.output());
    there.kill();
}

#[test]
fn rfc3261_8_3_sipp_goes_where_the_redirect_server_says_and_nowhere_where_nobody_is() {
    let server = serve_as("redirect", "");
    // The control: nobody has registered, and no 302 comes.
    let (code, output) = call(&server, "redirected_caller.xml", "secret1");
    assert_ne!(code, 0, "{output}");
    let phone = callee(&server, "uas");
    went_well(call(&server, "redirected_caller.xml", "secret1"));
    went_well(phone.finish());
    // It asks as an end of the call does; without the password nobody learns where anybody is.
    went_well(call(&server, sipp::with_final("pbx_caller_refused.xml", 403).to_str().unwrap(), "guessed"));
}

#[test]
fn rfc7044_8_sipp_that_asks_is_told_how_the_redirect_server_has_found_a_contact() {
    let server = serve_as("redirect", "");
    // The last is the control: who does not ask is not told.
    for (asks, is_told) in [("Supported: histinfo\n", true), ("", false)] {
        let asking = format!("Max-Forwards: 70\n{asks}Contact");
        let file = sipp::with("redirected_caller.xml", "Max-Forwards: 70\nContact", &asking);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(":([0-9]+)\"", ":([0-9]+).*;rc=1\"")).unwrap();
        let mut phone = callee(&server, "uas");
        let (code, output) = call(&server, file.to_str().unwrap(), "secret1");
        assert_eq!(code == 0, is_told, "{output}");
        if is_told {
            went_well(phone.finish());
        } else {
            phone.kill();
        }
    }
}

#[test]
fn caller_who_gives_up_stops_the_ringing() {
    let server = serve("");
    let phone = callee(&server, "uas_rings.xml");
    went_well(call(&server, asked_by_proxy("pbx_caller_cancels.xml", 487).to_str().unwrap(), "secret1"));
    went_well(phone.finish());
}

#[test]
fn callers_without_the_password_do_not_get_through() {
    let mut server = serve("");
    went_well(call(&server, asked_by_proxy("pbx_caller_refused.xml", 403).to_str().unwrap(), "guessed"));
    server.program.wait_for("auth_failed ip=127.0.0.1");
}

/// baresip at the proxy, over this transport.
fn registered(server: &Server, user: &str, password: &str, transport: &str, hertz: u32) -> Baresip {
    let account = format!(
        "<sip:{user}@{};transport={transport}>;auth_user={user};auth_pass={password};regint=300;answermode=auto",
        server.address
    );
    let mut phone = Baresip::start(&account, hertz);
    phone.wait_for_line("200 OK (Offhook");
    phone
}

#[test]
fn baresip_calls_baresip_through_the_proxy_and_both_hear() {
    for (calling, called) in [("udp", "udp"), ("udp", "tcp"), ("tcp", "udp")] {
        let server = offhook::serve(&[&["--role", "proxy"], &USERS[..]].concat());
        let mut caller = registered(&server, "1001", "secret1", calling, 440);
        let mut callee = registered(&server, "1002", "secret2", called, 1000);
        caller.command("dial", &format!("sip:1002@{}", server.address));
        caller.wait_for("CALL_ESTABLISHED");
        callee.wait_for("CALL_ESTABLISHED");
        caller.talk();
        // The BYE of the called side finds the caller, whatever his transport.
        callee.command("hangup", "");
        caller.wait_for("CALL_CLOSED");
        let heard = |phone: &Baresip, hertz| seconds_of(&phone.recording(), hertz);
        let way = format!("{calling} to {called}");
        assert!(heard(&caller, 1000.0) >= HEARD && heard(&callee, 440.0) >= HEARD, "{way}");
        assert!(heard(&caller, 440.0) < UNHEARD && heard(&callee, 1000.0) < UNHEARD, "{way}");
        caller.stop();
        callee.stop();
        let (code, output) = server.program.stop("TERM");
        assert_eq!(code, 0, "{output}");
    }
}

#[test]
fn baresip_with_a_wrong_password_does_not_get_through() {
    let server = offhook::serve(&[&["--role", "proxy"], &USERS[..]].concat());
    let callee = registered(&server, "1002", "secret2", "udp", 1000);
    let account = format!("<sip:1001@{}>;auth_user=1001;auth_pass=guessed;regint=0", server.address);
    let mut caller = Baresip::start(&account, 440);
    caller.command("dial", &format!("sip:1002@{}", server.address));
    let closed = caller.wait_for("CALL_CLOSED");
    assert!(closed.contains("403"), "{closed}");
    assert!(!callee.has_recording() && !caller.has_recording());
    caller.stop();
    callee.stop();
}

/// A robot of ours at a registrar, that echoes.
fn robot(account: &str, password: &str) -> Program {
    let mut robot =
        offhook::start(&["answer", "--echo", "--sip", "127.0.0.1:0", "--account", account, "--password", password]);
    robot.wait_for("registered");
    robot
}

/// A phone of ours calls by an outbound proxy and expects to hear itself.
fn calls(target: &str, account: &str, password: &str, proxy: &str) -> (i32, String) {
    let proxy = format!("sip:{proxy};lr");
    let identity = ["--account", account, "--password", password, "--proxy", &proxy, "--sip", "127.0.0.1:0"];
    let sound = ["--tone", "440", "--for", "3", "--expect-tone", "440"];
    offhook::start(&[&["call", target], &identity[..], &sound[..]].concat()).finish()
}

#[test]
fn kamailio_behind_us_takes_the_calls_of_our_users() {
    let (server, kamailio) = (offhook::serve(&[&["--role", "proxy"], &USERS[..]].concat()), Kamailio::start_open());
    let _robot = robot(&format!("sip:1002@{}", kamailio.address), "secret1002");
    let account = format!("sip:1001@{}", server.address);
    let there = |number: &str| format!("sip:{number}@{}", kamailio.address);
    went_well(calls(&there("1002"), &account, "secret1", &server.address));
    // Nobody is there; and a stranger gets nowhere by us.
    assert_eq!(calls(&there("1003"), &account, "secret1", &server.address).0, 7);
    assert_ne!(calls(&there("1002"), &account, "guessed", &server.address).0, 0);
}

#[test]
fn kamailio_before_us_brings_calls_to_our_users_and_to_nobody_else() {
    let (server, kamailio) = (serve("[proxy]\nauthenticate = \"own\"\n"), Kamailio::start_open());
    let _robot = robot(&format!("sip:1002@{}", server.address), "secret2");
    let account = format!("sip:1001@{}", kamailio.address);
    let here = |number: &str| format!("sip:{number}@{}", server.address);
    went_well(calls(&here("1002"), &account, "secret1001", &kamailio.address));
    assert_eq!(calls(&here("999"), &account, "secret1001", &kamailio.address).0, 7);
    // The control: without that nobody calls from outside, and to another realm than its registrar's the phone proves nothing.
    let server = serve("");
    let _robot = robot(&format!("sip:1002@{}", server.address), "secret2");
    assert_eq!(calls(&format!("sip:1002@{}", server.address), &account, "secret1001", &kamailio.address).0, 6);
}

/// SIPp as 1001 watches a robot of ours, 1002, through a proxy with these settings: how it has ended, and the last message that came.
fn watches(settings: &str, scenario: &str) -> ((i32, String), String) {
    let server = serve(settings);
    let account = format!("sip:1002@{}", server.address);
    let mut robot = offhook::start(&[
        "answer",
        "--allow-watchers",
        "--sip",
        "127.0.0.1:0",
        "--account",
        &account,
        "--password",
        "secret2",
    ]);
    robot.wait_for("registered");
    let log = Log::new();
    let arguments = ["-m", "1", "-s", "1002", "-au", "1001", "-ap", "secret1"];
    let ended = sipp::run(scenario, &server.address, &[&arguments[..], &log.arguments()].concat());
    robot.stop("INT");
    (ended, log.received().pop().unwrap_or_default())
}

#[test]
fn sipp_watches_our_robot_through_the_proxy_which_stays_in_the_way() {
    let (ended, last) = watches("", "proxied_watcher.xml");
    went_well(ended);
    assert!(last.starts_with("NOTIFY ") && last.contains("\nRecord-Route: "), "{last}");
    // The control: where it does not stay, SIPp goes no further than to the first message that lacks its Record-Route: the 200, or the NOTIFY where that is not
    // looked for in the 200.
    let there =
        "regexp=\"sip:[^;]*;lr;d=\" search_in=\"hdr\" header=\"Record-Route:\" check_it=\"true\" assign_to=\"there\"";
    let any = "regexp=\".\" search_in=\"msg\" check_it=\"true\" assign_to=\"there\"";
    let later = sipp::with("proxied_watcher.xml", there, any);
    for (scenario, ends_at) in [("proxied_watcher.xml", "SIP/2.0 200 "), (later.to_str().unwrap(), "NOTIFY ")] {
        let ((code, output), last) = watches("proxy.record_route = false\n", scenario);
        assert_ne!(code, 0, "{output}");
        // A NOTIFY comes straight from the robot then, and may be quicker than the 200.
        let is_early = last.starts_with("NOTIFY ");
        assert!((last.starts_with(ends_at) || is_early) && !last.contains("\nRecord-Route: "), "{last}");
    }
}

/// Our phone takes its way from the NOTIFY (RFC 6665 section 4.4.1), so that has to have the proxy's Record-Route.
#[test]
fn our_phone_watches_sipp_through_the_proxy_and_ends_along_it() {
    for settings in ["", "shards = 4\n"] {
        let server = serve(settings);
        let device = callee(&server, "proxied_notifier.xml");
        let account = format!("sip:1001@{}", server.address);
        let identity = ["--account", &account, "--password", "secret1", "--sip", "127.0.0.1:0", "--json"];
        let mut watching = offhook::start(&[&["subscribe", "1002"], &identity[..]].concat());
        watching.wait_for("\"basic\":\"open\"");
        let (code, output) = watching.stop("INT");
        assert_eq!(code, 130, "{output}");
        went_well(device.finish());
    }
}
