//! What a caller's INVITE tells a callee besides who calls whom, through `offhook serve` between two SIPps: who is asserted to call (RFC 3325), what user
//! tells user (RFC 7433), where the call has been (RFC 5806, RFC 7044).

use std::path::Path;

use super::sipp;
use crate::program::free_port;
use crate::program::offhook::{self, USERS};

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

/// What a SIPp writes down of the messages that it sends and gets.
pub(crate) struct Log(tempfile::TempPath);

impl Log {
    pub(crate) fn new() -> Self {
        Self(tempfile::NamedTempFile::new().unwrap().into_temp_path())
    }

    /// What has it written.
    pub(crate) fn arguments(&self) -> [&str; 3] {
        ["-trace_msg", "-message_file", self.0.to_str().unwrap()]
    }

    /// The messages that came.
    pub(crate) fn received(&self) -> Vec<String> {
        let path: &Path = &self.0;
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let entries = text.split("-----------------------------------------------");
        let came = entries.filter(|entry| entry.contains(" message received ["));
        came.map(|entry| entry.split_once("bytes :").unwrap().1.trim_start().to_owned()).collect()
    }

    /// The first that begins so.
    fn first(&self, start: &str) -> String {
        let all = self.received();
        all.iter().find(|one| one.starts_with(start)).unwrap_or_else(|| panic!("no {start} came: {all:?}")).clone()
    }

    /// The code of the final response, of those that challenge.
    fn refusal(&self) -> u16 {
        let all = self.received();
        let code = |one: &String| one.strip_prefix("SIP/2.0 ")?.get(..3)?.parse::<u16>().ok();
        let last = all.iter().filter_map(code).rfind(|code| *code >= 200 && !matches!(code, 401 | 407));
        last.unwrap_or_else(|| panic!("no answer came: {all:?}"))
    }
}

/// 1001 calls 1002, who is busy, with these lines: the INVITE as it came there, or the code with which the server has refused it. Nothing else may happen.
fn arrives(settings: &str, lines: &str) -> Result<String, u16> {
    arrives_at(settings, "", lines)
}

/// The same, where 1002 has registered with these parameters of its contact.
fn arrives_at(settings: &str, contact: &str, lines: &str) -> Result<String, u16> {
    both_ways(settings, contact, lines).map(|(invite, _)| invite)
}

/// The same, and the refusal as it came back.
fn both_ways(settings: &str, contact: &str, lines: &str) -> Result<(String, String), u16> {
    let server = serve(settings);
    let (port, there, here) = (free_port(), Log::new(), Log::new());
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
    let registers = with("uas_registers.xml", &[(">;expires=300", &*format!(">{contact};expires=300"))]);
    let (code, output) = sipp::start_at(port, registers.to_str().unwrap(), &server.address, &credentials).finish();
    assert_eq!(code, 0, "{output}");
    let busy = with("uas_told.xml", &[("SAID\n", "")]);
    let of_phone = [&["-m", "1"], &there.arguments()[..]].concat();
    let mut phone = sipp::start_at(port, busy.to_str().unwrap(), &server.address, &of_phone);
    sipp::await_port(port);
    let proxy = settings.contains("role = \"proxy\"");
    let asked = if proxy { "response=\"407\"" } else { "response=\"401\"" };
    let added = format!("Max-Forwards: 70\n{lines}Contact");
    let words = [("FINAL", "486"), ("response=\"401\"", asked), ("Max-Forwards: 70\nContact", &*added)];
    let caller = with("pbx_caller_refused.xml", &words);
    let of_caller = [&["-m", "1", "-s", "1002", "-au", "1001", "-ap", "secret1"], &here.arguments()[..]].concat();
    let (called, output) = sipp::run(caller.to_str().unwrap(), &server.address, &of_caller);
    let code = here.refusal();
    if code != 486 {
        phone.kill();
        return Err(code);
    }
    assert_eq!(called, 0, "{output}");
    let (seen, output) = phone.finish();
    assert_eq!(seen, 0, "{output}");
    Ok((there.first("INVITE "), here.first("SIP/2.0 486")))
}

/// The INVITE as it comes there: what is in it, and what not.
fn told(settings: &str, lines: &str, within: &[&str], not: &[&str]) {
    let invite = arrives(settings, lines).unwrap_or_else(|code| panic!("refused with {code}: {settings} {lines}"));
    for one in within {
        assert!(invite.contains(one), "no {one}: {invite}");
    }
    for one in not {
        assert!(!invite.contains(one), "{one}: {invite}");
    }
}

const TRUSTS: &str = "ring_secs = 2\ntrust.users = [\"1002\"]\n";
const OUTSIDE: &str = "ring_secs = 2\n";

#[test]
fn who_is_asserted_to_call_is_told_within_the_trust_domain_alone() {
    let lines = "P-Asserted-Identity: <sip:boss@b>\nPrivacy: id\n";
    for role in ["", "role = \"proxy\"\n"] {
        let settings = format!("{role}{TRUSTS}");
        told(&settings, lines, &["P-Asserted-Identity: <sip:1001@127.0.0.1", "Privacy: id"], &["boss@"]);
    }
    let nobody = "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>";
    told(OUTSIDE, lines, &[nobody], &["P-Asserted-Identity", "1001@", "boss@"]);
    told(TRUSTS, lines, &[nobody], &["From: <sip:1001@"]);
    // The control: who asks for nothing is told.
    told(OUTSIDE, "", &["From: <sip:1001@"], &["P-Asserted-Identity", "Privacy"]);
}

#[test]
fn who_asks_for_user_privacy_is_asserted_within_the_trust_domain_alone() {
    let others = "ring_secs = 2\ntrust.users = [\"1003\"]\n";
    for role in ["", "role = \"proxy\"\n"] {
        let lines = "Privacy: user;critical\n";
        told(&format!("{role}{TRUSTS}"), lines, &["P-Asserted-Identity: <sip:1001@127.0.0.1", "Privacy: id"], &[]);
        told(&format!("{role}{others}"), lines, &["INVITE "], &["P-Asserted-Identity"]);
        told(&format!("{role}{others}"), "", &["P-Asserted-Identity: <sip:1001@127.0.0.1"], &["Privacy"]);
    }
}

#[test]
fn what_user_tells_user_and_who_diverted_the_call_cross_the_bridge_and_nothing_of_the_path() {
    let lines = "User-to-User: 48656c6c6f;encoding=hex;purpose=crm\nDiversion: <sip:9@b>;reason=user-busy\nRoute: <sip:nowhere;lr>\n\
        Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000\n";
    let within = [
        "User-to-User: 48656c6c6f;encoding=hex;purpose=crm",
        "Diversion: <sip:9@b>;reason=user-busy",
        "Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000",
    ];
    told(OUTSIDE, lines, &within, &["nowhere"]);
    told(OUTSIDE, "", &["INVITE "], &["User-to-User", "Diversion"]);
}

/// The entries of History-Info, behind their URIs.
fn history(message: &str) -> Vec<String> {
    let lines = message.lines().filter_map(|line| line.trim_end().strip_prefix("History-Info: "));
    lines.map(|entry| entry.split_once('>').unwrap().1.to_owned()).collect()
}

#[test]
fn where_a_call_has_been_is_told_to_who_takes_it_and_to_who_asks() {
    let came = "History-Info: <sip:9@far.example?Reason=SIP%3Bcause%3D302>;index=1\n";
    for role in ["", "role = \"proxy\"\n"] {
        let calls = |settings: &str, lines: &str| {
            let told = both_ways(&format!("{role}{settings}"), "", lines);
            told.unwrap_or_else(|code| panic!("refused with {code}: {role} {settings} {lines}"))
        };
        let (invite, refusal) = calls(OUTSIDE, came);
        assert!(invite.contains("History-Info: <sip:9@far.example?Reason=SIP%3Bcause%3D302>;index=1"), "{invite}");
        assert_eq!(history(&invite), [";index=1", ";index=1.0", ";index=1.0.1;rc=1.0"], "{invite}");
        assert_eq!(history(&refusal), [";index=1", ";index=1.0", ";index=1.0.1;rc=1.0"], "{refusal}");
        assert!(
            !invite.contains("cause%3D486") && refusal.contains("?Reason=SIP%3Bcause%3D486>;index=1.0.1"),
            "{refusal}"
        );
        assert_eq!(refusal.matches("<sip:anonymous@anonymous.invalid").count(), 1, "where the device is: {refusal}");
        let (invite, refusal) = calls(OUTSIDE, "Supported: histinfo\n");
        assert_eq!((history(&invite).len(), history(&refusal).len()), (2, 2), "{invite}\n{refusal}");
        // What is to be hidden is shown within the trust domain alone.
        let hidden = format!("Privacy: history\n{came}");
        let (invite, _) = calls(OUTSIDE, &hidden);
        assert_eq!(invite.matches("<sip:anonymous@anonymous.invalid>;index=1.0").count(), 2, "{invite}");
        let (invite, _) = calls(TRUSTS, &hidden);
        assert!(!invite.contains("anonymous.invalid>;index") && invite.contains("history"), "{invite}");
        // The control: who asks for nothing is told nothing, and his callee where the configuration says so.
        let (invite, refusal) = calls(OUTSIDE, "");
        assert_eq!((history(&invite).len(), history(&refusal).len()), (0, 0), "{invite}\n{refusal}");
        let (invite, refusal) = calls(&format!("history = true\n{OUTSIDE}"), "");
        assert_eq!((history(&invite).len(), history(&refusal).len()), (2, 0), "{invite}\n{refusal}");
    }
}

#[test]
fn robot_tells_where_a_call_has_been() {
    let lines = "History-Info: <sip:9@b?Reason=SIP%3Bcause%3D302>;index=1, <sip:service@b>;index=1.1;mp=1\n";
    let said = robot_tells(&[], lines);
    let expected = r#""history":[{"causes":["SIP;cause=302"],"found":null,"index":"1","uri":"sip:9@b"},{"causes":[],"found":{"by":"mp","of":"1"},"index":"1.1","uri":"sip:service@b"}]"#;
    assert!(said.contains(expected), "{said}");
    assert!(!robot_tells(&[], "").contains("\"history\""));
}

#[test]
fn telephones_answer_by_themselves_at_the_call_of_users_who_may_ask_for_that_alone() {
    let lines = "Call-Info: <http://x/icon>;purpose=icon\nCall-Info: <sip:x>;answer-after=0\nAlert-Info: <http://x>;info=alert-autoanswer\nAnswer-Mode: Auto\n";
    let asks = ["answer-after=0", "alert-autoanswer", "Answer-Mode: Auto"];
    told(OUTSIDE, lines, &["purpose=icon"], &asks);
    told(&format!("{OUTSIDE}intercom = [\"1002\"]\n"), lines, &["purpose=icon"], &asks);
    told(&format!("{OUTSIDE}intercom = [\"1001\"]\n"), lines, &[&["purpose=icon"], &asks[..]].concat(), &[]);
}

/// The INVITE as SIPp gets it from `offhook call` with these arguments.
fn told_by_call(arguments: &[&str]) -> String {
    let busy = with("uas_told.xml", &[("SAID", "Warning: 399 sipp \"Out of tape\"")]);
    let log = Log::new();
    let ((code, output), (seen, of_sipp)) =
        sipp::called(busy.to_str().unwrap(), &log.arguments(), &[arguments, &["--ring-for", "2"]].concat());
    assert_eq!((code, seen), (7, 0), "{output}\n{of_sipp}");
    assert!(output.contains("486 Busy Here; Out of tape (399)"), "{output}");
    log.first("INVITE ")
}

#[test]
fn sipp_is_told_by_call_what_its_options_say() {
    let anonymous = told_by_call(&["--anonymous"]);
    assert!(anonymous.contains("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>"), "{anonymous}");
    assert!(
        anonymous.contains("Privacy: id;user;header;session;history\r\n") && !anonymous.contains("phone@"),
        "{anonymous}"
    );
    let uui = told_by_call(&["--uui", "48;purpose=crm"]);
    assert!(uui.contains("User-to-User: 48;purpose=crm"), "{uui}");
    let answer = told_by_call(&["--auto-answer=3"]);
    let line = answer.lines().find(|line| line.starts_with("Call-Info: <")).unwrap();
    assert!(line.ends_with(">;answer-after=3"), "{answer}");
    let account = ["--account", "sip:1001@SIPP", "--no-register"];
    let prefers = told_by_call(&[&account[..], &["--prefer", "sip:7@b", "--privacy", "none"]].concat());
    assert!(prefers.contains("P-Preferred-Identity: <sip:7@b>") && !prefers.contains("Anonymous"), "{prefers}");
    let plain = told_by_call(&[]);
    for one in ["Privacy", "User-to-User", "Call-Info", "P-Preferred-Identity"] {
        assert!(!plain.contains(one), "{plain}");
    }
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
    let log = Log::new();
    let arguments = [&["-m", "1", "-recv_timeout", "2000"], &log.arguments()[..]].concat();
    let (code, output) = sipp::run(caller.to_str().unwrap(), &address, &arguments);
    assert_ne!(code, 0, "{output}");
    log.first("SIP/2.0 180");
    assert!(!log.received().iter().any(|one| one.starts_with("SIP/2.0 200") && one.contains("INVITE")), "{output}");
    drop(robot);
}

/// SIPp calls a robot with this Answer-Mode: the status line of the final answer, and all of it.
fn robot_answers(arguments: &[&str], mode: &str) -> (String, String) {
    let (robot, address) = offhook::answer(arguments);
    let added = format!("Max-Forwards: 70\nAnswer-Mode: {mode}\nContact");
    let caller = with("uac_told.xml", &[("Max-Forwards: 70\nContact", &*added)]);
    let log = Log::new();
    let arguments = [&["-m", "1"], &log.arguments()[..]].concat();
    sipp::run(caller.to_str().unwrap(), &address, &arguments);
    robot.stop("INT");
    let answer = log.received().into_iter().find(|one| !one.starts_with("SIP/2.0 1")).unwrap_or_default();
    (answer.lines().next().unwrap_or_default().trim().to_owned(), answer)
}

#[test]
fn rfc5373_4_5_1_sipp_is_answered_as_it_requires_or_refused() {
    let (by_hand, by_itself) = ("SIP/2.0 403 manual answer forbidden", "SIP/2.0 403 automatic answer forbidden");
    for (arguments, mode, expected) in [
        (&[][..], "Manual;require", by_hand),
        (&["--ring", "--auto-answer"], "manual;REQUIRE", by_hand),
        (&["--ring"], "Auto;require", by_itself),
        (&[], "Auto;require", "SIP/2.0 200 OK"),
        (&["--ring", "--auto-answer"], "Auto;require", "SIP/2.0 200 OK"),
        (&[], "Manual", "SIP/2.0 200 OK"),
        (&[], "Perhaps;require", "SIP/2.0 200 OK"),
    ] {
        assert_eq!(robot_answers(arguments, mode).0, expected, "{arguments:?} {mode}");
    }
}

/// What answers by itself since it is asked to sends nothing but what its user has said: no microphone, and a file or an echo only where the command line has one.
#[test]
fn rfc5373_7_4_a_robot_that_answers_by_itself_sends_nothing_unless_it_was_told_what() {
    for (arguments, sends) in
        [(&["--ring", "--auto-answer"][..], false), (&["--ring", "--auto-answer", "--echo"], true)]
    {
        let (first, answer) = robot_answers(arguments, "Auto");
        assert_eq!(first, "SIP/2.0 200 OK");
        assert_eq!(answer.contains("a=recvonly"), !sends, "{answer}");
    }
}

/// A call that is answered: what its sides got.
struct Answered {
    /// The CANCEL of who rang in vain.
    cancel: String,
    /// The answer as the caller got it.
    answer: String,
    /// The end of the call as the callee got it.
    bye: String,
}

/// Two phones ring for 1002, and one answers with this line; the caller says another when he hangs up.
fn answered(role: &str, said: &str, at_the_end: &str) -> Answered {
    let server = serve(role);
    let register = |port| {
        let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
        let (code, output) = sipp::start_at(port, "uas_registers.xml", &server.address, &credentials).finish();
        assert_eq!(code, 0, "{output}");
    };
    let start = |scenario: &str, log: &Log| {
        let port = free_port();
        register(port);
        let arguments = [&["-m", "1"], &log.arguments()[..]].concat();
        let phone = sipp::start_at(port, scenario, &server.address, &arguments);
        sipp::await_port(port);
        phone
    };
    let proxy = !role.is_empty();
    let route = "[last_Record-Route:]\n";
    let callee = match proxy {
        true => with("proxied_callee.xml", &[(route, &*format!("{route}{said}"))]),
        // Nobody stays in the way of a call to a PBX.
        false => with("proxied_callee.xml", &[(route, said), ("check_it=\"true\" ", "")]),
    };
    let (in_vain, there, here) = (Log::new(), Log::new(), Log::new());
    let (ringing, answering) = (start("uas_rings.xml", &in_vain), start(callee.to_str().unwrap(), &there));
    let caller = if proxy { "proxied_caller_answered.xml" } else { "pbx_caller_answered.xml" };
    let caller = with(caller, &[("CSeq: 3 BYE\n", &*format!("CSeq: 3 BYE\n{at_the_end}"))]);
    let arguments = [&["-m", "1", "-s", "1002", "-au", "1001", "-ap", "secret1"], &here.arguments()[..]].concat();
    let (code, output) = sipp::run(caller.to_str().unwrap(), &server.address, &arguments);
    assert_eq!(code, 0, "{output}");
    for phone in [ringing, answering] {
        let (code, output) = phone.finish();
        assert_eq!(code, 0, "{output}");
    }
    Answered { cancel: in_vain.first("CANCEL "), answer: here.first("SIP/2.0 200"), bye: there.first("BYE ") }
}

fn reasons(message: &str) -> Vec<&str> {
    message.lines().filter_map(|line| line.strip_prefix("Reason: ")).collect()
}

#[test]
fn phone_that_rings_in_vain_is_told_that_another_has_answered() {
    let elsewhere = "SIP;cause=200;text=\"Call completed elsewhere\"";
    let told = answered("role = \"proxy\"\n", "", "");
    assert_eq!(reasons(&told.cancel), [elsewhere], "{}", told.cancel);
    // A PBX says it in the words of telephone networks as well.
    let told = answered("", "", "");
    assert_eq!(reasons(&told.cancel), [elsewhere, "Q.850;cause=26"], "{}", told.cancel);
}

#[test]
fn what_user_tells_user_comes_back_with_the_answer_and_goes_with_the_end() {
    for role in ["", "role = \"proxy\"\n"] {
        let said = "User-to-User: 4869;encoding=hex;purpose=crm";
        let at_the_end = "User-to-User: 627965;encoding=hex";
        let Answered { answer, bye, .. } = answered(role, &format!("{said}\n"), &format!("{at_the_end}\n"));
        assert!(answer.contains("CSeq: 2 INVITE") && answer.contains(said), "{role}: {answer}");
        assert!(bye.contains(at_the_end), "{role}: {bye}");
        let Answered { answer, bye, .. } = answered(role, "", "");
        assert!(!answer.contains("User-to-User") && !bye.contains("User-to-User"), "{role}: {answer} {bye}");
    }
}

#[test]
fn callers_choose_among_devices_by_what_these_say_they_can_do() {
    for role in ["", "role = \"proxy\"\n"] {
        let settings = format!("{role}ring_secs = 2\n");
        let called = |lines| arrives_at(&settings, ";video;methods=\"INVITE,ACK,BYE\"", lines).map(|_| ());
        assert_eq!(called("Accept-Contact: *;video;require;explicit\n"), Ok(()), "{role}");
        // RFC 3841 section 7.2.4: nobody whom the caller wants.
        assert_eq!(called("Accept-Contact: *;text;require;explicit\n"), Err(480), "{role}");
        assert_eq!(called("Reject-Contact: *;video\n"), Err(480), "{role}");
    }
}

const NIL: &str = "00000000000000000000000000000000";
/// That of SIPp, who calls and is called.
const THEIRS: &str = "ab30317f1a784dc48ff824d0d3715d86";

/// The UUIDs of a session in a message: of who sends it, and of who gets it.
#[track_caller]
fn uuids(message: &str) -> (String, String) {
    let mut ids = message.lines().filter_map(|line| line.strip_prefix("Session-ID: "));
    let (Some(id), None) = (ids.next(), ids.next()) else { panic!("one Session-ID was expected: {message}") };
    let (local, remote) = id.trim_end().split_once(";remote=").unwrap();
    (local.to_owned(), remote.to_owned())
}

#[test]
fn rfc7989_6_sipp_is_told_one_uuid_of_our_phone_in_all_of_a_call_and_its_own_back() {
    let log = Log::new();
    let ((code, output), (seen, of_sipp)) = sipp::called("uas_session_id.xml", &log.arguments(), &["--for", "1"]);
    assert_eq!((code, seen), (0, 0), "{output}\n{of_sipp}");
    let (ours, nobody) = uuids(&log.first("INVITE "));
    assert_eq!((ours.len(), nobody.as_str()), (32, NIL));
    for within in ["ACK ", "BYE "] {
        assert_eq!(uuids(&log.first(within)), (ours.clone(), THEIRS.to_owned()), "{within}");
    }
    // The control: who says nothing is nobody.
    let (log, silent) =
        (Log::new(), with("uas_session_id.xml", &[(&*format!("Session-ID: {THEIRS};remote={NIL}\n"), "")]));
    let (ours, seen) = sipp::called(silent.to_str().unwrap(), &log.arguments(), &["--for", "1"]);
    assert_eq!((ours.0, seen.0), (0, 0), "{ours:?}\n{seen:?}");
    assert_eq!(uuids(&log.first("BYE ")).1, NIL);
}

#[test]
fn rfc7989_6_sipp_is_told_one_uuid_of_our_robot_in_all_answers_and_its_own_back() {
    for (line, told) in [(format!("Session-ID: {THEIRS};remote={NIL}\n"), THEIRS), (String::new(), NIL)] {
        let log = Log::new();
        let caller = with("uac_options_within.xml", &[("Max-Forwards: 70\n", &*format!("Max-Forwards: 70\n{line}"))]);
        let (robot, code, output) = sipp::calls_robot(caller.to_str().unwrap(), &log.arguments(), &["--echo"]);
        assert_eq!(code, 0, "{output}");
        let all = log.received();
        // The last of them: a 100 is of the transaction alone.
        let answer = |cseq: &str| uuids(all.iter().rfind(|one| one.contains(cseq)).unwrap());
        let (accepted, within) = (answer("CSeq: 1 INVITE"), answer("CSeq: 2 OPTIONS"));
        assert_eq!((accepted.0.len(), accepted.1.as_str()), (32, told));
        assert_eq!(accepted, within);
        drop(robot);
    }
}
