//! What a caller's INVITE tells a callee besides who calls whom, through `offhook serve` between two SIPps: who is asserted to call (RFC 3325), what user
//! tells user (RFC 7433), where the call has been (RFC 5806).

use super::sipp;
use crate::program::free_port;
use crate::program::offhook::{self, USERS};

/// Text as it stands in a scenario.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// A scenario with these words replaced.
fn with(scenario: &str, words: &[(&str, &str)]) -> tempfile::TempPath {
    let mut file = None::<tempfile::TempPath>;
    for (word, by) in words {
        let from = file.as_ref().map_or(scenario.to_owned(), |file| file.to_str().unwrap().to_owned());
        file = Some(sipp::with(&from, word, by));
    }
    file.unwrap()
}

/// A server with these settings, for SIPp.
fn serve(settings: &str) -> offhook::Server {
    let file = offhook::configuration(&format!("digest = [\"md5\"]\n{settings}"));
    offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat())
}

/// 1001 calls 1002, who is busy, with these lines: whether the INVITE there had `wanted` in it, and not `unwished`.
fn arrives(settings: &str, lines: &str, wanted: &str, unwished: &str) -> bool {
    arrives_at(settings, "", lines, wanted, unwished)
}

/// The same, where 1002 has registered with these parameters of its contact.
fn arrives_at(settings: &str, contact: &str, lines: &str, wanted: &str, unwished: &str) -> bool {
    let server = serve(settings);
    let port = free_port();
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
    let registers = with("uas_registers.xml", &[(">;expires=300", &*format!(">{contact};expires=300"))]);
    let (code, output) = sipp::start_at(port, registers.to_str().unwrap(), &server.address, &credentials).finish();
    assert_eq!(code, 0, "{output}");
    let words = [("WANTED", &*escaped(wanted)), ("UNWISHED", &*escaped(unwished)), ("SAID\n", "")];
    let told = with("uas_told.xml", &words);
    let mut phone = sipp::start_at(port, told.to_str().unwrap(), &server.address, &["-m", "1"]);
    sipp::await_port(port);
    let proxy = settings.contains("role = \"proxy\"");
    let asked = if proxy { "response=\"407\"" } else { "response=\"401\"" };
    let added = format!("Max-Forwards: 70\n{lines}Contact");
    let words = [("FINAL", "486"), ("response=\"401\"", asked), ("Max-Forwards: 70\nContact", &*added)];
    let caller = with("pbx_caller_refused.xml", &words);
    let of_caller = ["-m", "1", "-s", "1002", "-au", "1001", "-ap", "secret1"];
    let (called, _) = sipp::run(caller.to_str().unwrap(), &server.address, &of_caller);
    if called != 0 {
        // No INVITE came there.
        phone.kill();
        return false;
    }
    let (seen, _) = phone.finish();
    seen == 0
}

/// What no INVITE has in it.
const NOTHING: &str = "X-Nothing";
const TRUSTS: &str = "ring_secs = 2\ntrust.users = [\"1002\"]\n";

#[test]
fn who_is_asserted_to_call_is_told_within_the_trust_domain_alone() {
    let lines = "P-Asserted-Identity: <sip:boss@b>\nPrivacy: id\n";
    for role in ["", "role = \"proxy\"\n"] {
        let settings = format!("{role}{TRUSTS}");
        assert!(arrives(&settings, lines, "P-Asserted-Identity: <sip:1001@", "boss@"), "{role}");
    }
    let outside = "ring_secs = 2\n";
    assert!(arrives(
        outside,
        lines,
        "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>",
        "(P-Asserted-Identity|1001@)"
    ));
    assert!(!arrives(outside, lines, "P-Asserted-Identity", NOTHING));
    assert!(!arrives(TRUSTS, lines, "From: <sip:1001@", NOTHING));
}

#[test]
fn what_user_tells_user_and_who_diverted_the_call_cross_the_bridge_and_nothing_of_the_path() {
    let lines = "User-to-User: 48656c6c6f;encoding=hex;purpose=crm\nDiversion: <sip:9@b>;reason=user-busy\nRoute: <sip:nowhere;lr>\n\
        Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000\n";
    let told = |wanted| arrives("ring_secs = 2\n", lines, wanted, "nowhere");
    assert!(told("User-to-User: 48656c6c6f;encoding=hex;purpose=crm"));
    assert!(told("Diversion: <sip:9@b>;reason=user-busy"));
    assert!(told("Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=0{32}"));
    assert!(!told("User-to-User: 00"));
}

/// What SIPp is told by `offhook call` with these arguments.
fn told_by_call(arguments: &[&str], wanted: &str, unwished: &str) -> bool {
    let words = [
        ("WANTED", &*escaped(wanted)),
        ("UNWISHED", &*escaped(unwished)),
        ("SAID", "Warning: 399 sipp \"Out of tape\""),
    ];
    let told = with("uas_told.xml", &words);
    let ((code, output), (seen, _)) =
        sipp::called(told.to_str().unwrap(), &[], &[arguments, &["--ring-for", "2"]].concat());
    if seen == 0 {
        assert_eq!(code, 7, "{output}");
        assert!(output.contains("486 Busy Here; Out of tape (399)"), "{output}");
    }
    seen == 0
}

#[test]
fn sipp_is_told_by_call_what_its_options_say() {
    let nobody = "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>";
    assert!(told_by_call(&["--anonymous"], nobody, NOTHING));
    assert!(told_by_call(&["--anonymous"], "Privacy: id;user;header;session", "phone@"));
    assert!(told_by_call(&["--uui", "48;purpose=crm"], "User-to-User: 48;purpose=crm", NOTHING));
    assert!(told_by_call(&["--auto-answer=3"], "Call-Info: <[^>]*>;answer-after=3", NOTHING));
    assert!(told_by_call(
        &["--prefer", "sip:7@b", "--privacy", "none"],
        "P-Preferred-Identity: <sip:7@b>",
        "Anonymous"
    ));
    assert!(!told_by_call(&[], "Privacy", NOTHING));
}

/// The objects that a robot prints while SIPp calls it with these lines, up to the end of the call.
fn robot_tells(arguments: &[&str], lines: &str) -> String {
    let address = format!("127.0.0.1:{}", free_port());
    let mut robot = offhook::start(&[&["answer", "--sip", &address, "--json", "--calls", "1"], arguments].concat());
    robot.wait_for("\"tcp\"");
    let added = format!("Max-Forwards: 70\n{lines}Contact");
    let caller = with("uac_told.xml", &[("Max-Forwards: 70\nContact", &*added)]);
    let (code, output) = sipp::run(caller.to_str().unwrap(), &address, &["-m", "1"]);
    let ended = robot.wait_for("\"ended\"");
    let (_, said) = robot.finish();
    assert_eq!(code, 0, "{output}\n{said}");
    format!("{said}\n{ended}")
}

#[test]
fn robot_tells_who_is_asserted_to_call_what_user_tells_user_and_why_a_call_has_ended() {
    let lines = "P-Asserted-Identity: <sip:boss@b>\nUser-to-User: 48\nDiversion: <sip:9@b>;reason=no-answer\n";
    let said = robot_tells(&["--believe", "127.0.0.0/8"], lines);
    for expected in [
        r#""asserted":["sip:boss@b"]"#,
        r#""diverted":[{"by":"sip:9@b","reason":"no-answer"}]"#,
        r#""data":"48""#,
        r#""purpose":"isdn-uui""#,
        r#"{"code":16,"protocol":"Q.850","text":"Terminated"}"#,
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!robot_tells(&[], lines).contains("boss"));
}

#[test]
fn robot_that_rings_answers_by_itself_where_that_is_asked_for_and_allowed() {
    for line in [
        "Call-Info: <sip:x>;answer-after=0\n",
        "Alert-Info: info=alert-autoanswer\n",
        "Call-Info: <sip:x>;answer-after=1\n",
    ] {
        let said = robot_tells(&["--ring", "--auto-answer"], line);
        assert!(said.contains("\"answered\"") && said.contains("answer_after_secs"), "{said}");
    }
    let (robot, address) = offhook::answer(&["--ring", "--calls", "1"]);
    let added = "Max-Forwards: 70\nCall-Info: <sip:x>;answer-after=0\nContact";
    let caller = with("uac_told.xml", &[("Max-Forwards: 70\nContact", added)]);
    let (code, output) = sipp::run(caller.to_str().unwrap(), &address, &["-m", "1", "-recv_timeout", "2000"]);
    assert_ne!(code, 0, "{output}");
    drop(robot);
}

/// Two phones ring for 1002, and one answers: whether the CANCEL that the other gets has this in it.
fn cancelled_with(role: &str, wanted: &str) -> bool {
    let server = serve(role);
    let register = |port| {
        let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
        let (code, output) = sipp::start_at(port, "uas_registers.xml", &server.address, &credentials).finish();
        assert_eq!(code, 0, "{output}");
    };
    let checked = format!(
        "<recv request=\"CANCEL\"><action><ereg regexp=\"{}\" search_in=\"msg\" check_it=\"true\" assign_to=\"why\"/></action></recv>\n  <Reference variables=\"why\"/>",
        escaped(wanted)
    );
    let rings = with("uas_rings.xml", &[("<recv request=\"CANCEL\"/>", &*checked)]);
    let start = |scenario: &str| {
        let port = free_port();
        register(port);
        let phone = sipp::start_at(port, scenario, &server.address, &["-m", "1"]);
        sipp::await_port(port);
        phone
    };
    let (ringing, mut answering) = (start(rings.to_str().unwrap()), start("proxied_callee.xml"));
    let proxy = !role.is_empty();
    let caller = if proxy { "proxied_caller_answered.xml" } else { "pbx_caller_answered.xml" };
    let (code, output) =
        sipp::run(caller, &server.address, &["-m", "1", "-s", "1002", "-au", "1001", "-ap", "secret1"]);
    let seen = ringing.finish().0 == 0;
    if seen {
        assert_eq!(code, 0, "{output}");
    }
    answering.kill();
    seen
}

#[test]
fn phone_that_rings_in_vain_is_told_by_the_proxy_that_another_has_answered() {
    assert!(cancelled_with("role = \"proxy\"\n", "Reason: SIP;cause=200;text=\"Call completed elsewhere\""));
    assert!(!cancelled_with("role = \"proxy\"\n", "cause=486"));
}

#[test]
fn callers_choose_among_devices_by_what_these_say_they_can_do() {
    for role in ["", "role = \"proxy\"\n"] {
        let settings = format!("{role}ring_secs = 2\n");
        let able = |lines| arrives_at(&settings, ";video;methods=\"INVITE,ACK,BYE\"", lines, "INVITE", NOTHING);
        assert!(able("Accept-Contact: *;video;require;explicit\n"), "{role}");
        assert!(!able("Accept-Contact: *;text;require;explicit\n"), "{role}");
        assert!(!able("Reject-Contact: *;video\n"), "{role}");
    }
}
