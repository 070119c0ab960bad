//! Negative controls of the scenarios in `tests/data/sipp`: each fails where what it waits for does not come, or something else does.

use super::sipp;
use crate::program::offhook::{self, USERS};
use crate::program::{Program, free_port};

/// Scenarios of a caller: what is changed in it (a word and what takes its place), arguments of SIPp, and those of the robot that it does not suit.
type Case = (&'static str, [&'static str; 2], &'static [&'static str], &'static [&'static str]);

/// How long SIPp waits for what does not come.
const SHORT: [&str; 2] = ["-recv_timeout", "2000"];

const CALLERS: [Case; 11] = [
    // Nothing rings: the 200 of the INVITE comes in place of 487.
    ("uac_cancel.xml", ["", ""], &SHORT, &[]),
    // The second copy of the 200 would come after 3 s.
    ("uac_no_ack.xml", ["", ""], &["-nr", "-recv_timeout", "1000"], &["--t1-ms", "3000"]),
    // And this one's first; then a 200 of which the tag is held against something else, as if it were of another dialog.
    ("uac_repeats.xml", ["", ""], &["-nr", "-recv_timeout", "1000"], &["--t1-ms", "3000"]),
    (
        "uac_repeats.xml",
        ["\"To:\" check_it=\"true\" assign_to=\"first\"", "\"From:\" check_it=\"true\" assign_to=\"first\""],
        &["-nr"],
        &[],
    ),
    // The second BYE, once it is one of another dialog.
    ("uac_repeats.xml", ["branch=z9hG4bKb[pid]x[call_number]", "branch=z9hG4bK[branch]"], &["-nr"], &[]),
    ("uac_bye_before_ack.xml", ["", ""], &SHORT, &["--ring"]),
    ("uac_cancel_after_answer.xml", ["", ""], &SHORT, &["--ring"]),
    ("uac_options_within.xml", ["\"481\"", "\"404\""], &SHORT, &[]),
    // The robot never hangs up.
    ("uac_waits_for_bye.xml", ["\"20000\"", "\"2000\""], &[], &[]),
    ("uac_refused.xml", ["", ""], &SHORT, &["--reject", "603"]),
    ("uac_info.xml", ["\"415\"", "\"200\""], &SHORT, &[]),
];

/// A scenario as it is, or with a word in it replaced.
fn changed(scenario: &str, [word, by]: [&str; 2]) -> (String, Option<tempfile::TempPath>) {
    if word.is_empty() {
        return (scenario.to_owned(), None);
    }
    let file = sipp::with(scenario, word, by);
    (file.to_str().unwrap().to_owned(), Some(file))
}

/// SIPp takes a check for passed whose variable has been set by an earlier one, whatever comes.
#[test]
fn each_check_of_a_scenario_has_a_variable_of_its_own() {
    let (mut scenarios, mut shared) = (0, Vec::new());
    for file in std::fs::read_dir(sipp::SCENARIOS).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let checks = text.split("<ereg ").skip(1).filter_map(|check| check.split_once("/>")).map(|(check, _)| check);
        let mut known = std::collections::BTreeSet::new();
        for check in checks {
            let variable = check.split_once("assign_to=\"").and_then(|(_, rest)| rest.split(['"', ',']).next());
            let variable = variable.unwrap_or_else(|| panic!("{check} in {}", file.display()));
            if !known.insert(variable.to_owned()) {
                shared.push(format!("{variable} in {}", file.display()));
            }
        }
        scenarios += 1;
    }
    assert!(scenarios > 50, "{scenarios}");
    assert!(shared.is_empty(), "{shared:#?}");
}

/// Whether a call has failed, and not SIPp itself.
fn has_begun(output: &str) -> bool {
    output.lines().any(|line| line.trim_start().starts_with("Failed call") && line.trim_end().ends_with('1'))
}

#[test]
fn callers_of_sipp_fail_at_a_robot_that_does_something_else() {
    std::thread::scope(|scope| {
        for (scenario, change, of_sipp, of_robot) in CALLERS {
            scope.spawn(move || {
                let (file, _kept) = changed(scenario, change);
                let (_robot, code, output) = sipp::calls_robot(&file, of_sipp, of_robot);
                assert_ne!(code, 0, "{scenario} {change:?} at a robot {of_robot:?}:\n{output}");
                assert!(has_begun(&output), "{scenario} has not begun:\n{output}");
            });
        }
    });
}

/// The same of called parties, with the arguments of `offhook call`.
const CALLEES: [Case; 7] = [
    // Without -nr SIPp takes copies of the ACK and of the INVITE away, as if they had not come.
    ("uas_ack_lost.xml", ["", ""], &["-recv_timeout", "3000"], &["--for", "1"]),
    ("uas_repeats.xml", ["", ""], &["-recv_timeout", "3000"], &["--ring-for", "2"]),
    // No BYE comes in time.
    ("uas_out_of_order.xml", ["", ""], &SHORT, &["--for", "6"]),
    ("uas_bye_overtakes.xml", ["request=\"ACK\"", "request=\"CANCEL\""], &SHORT, &["--for", "5"]),
    ("uas_busy.xml", ["request=\"ACK\"", "request=\"BYE\""], &SHORT, &[]),
    // Nobody gives up.
    ("uas_rings.xml", ["", ""], &SHORT, &["--ring-for", "6"]),
    (
        "uas_info.xml",
        ["request=\"INFO\"", "request=\"MESSAGE\""],
        &SHORT,
        &["--dtmf", "5", "--dtmf-mode", "info", "--for", "2"],
    ),
];

#[test]
fn callees_of_sipp_fail_at_a_call_that_does_something_else() {
    std::thread::scope(|scope| {
        for (scenario, change, of_sipp, of_call) in CALLEES {
            scope.spawn(move || {
                let (file, _kept) = changed(scenario, change);
                let (ours, (code, output)) = sipp::called(&file, of_sipp, of_call);
                assert_ne!(code, 0, "{scenario} {change:?} called with {of_call:?}:\n{output}\nand our side: {ours:?}");
                assert!(has_begun(&output), "{scenario} has not begun:\n{output}");
            });
        }
    });
}

/// Users of a PBX who call one whose telephone has another scenario than the one that theirs goes with.
const THROUGH: [(&str, [&str; 2], &str, &str); 6] = [
    ("pbx_caller_answered.xml", ["", ""], "uas_busy.xml", "secret1"),
    ("pbx_caller_bye_before_ack.xml", ["", ""], "uas_busy.xml", "secret1"),
    ("pbx_caller_cancels.xml", ["", ""], "uas_busy.xml", "secret1"),
    // The BYE comes after 64*T1, which are 32 s here.
    ("pbx_caller_never_acks.xml", ["\"20000\"", "\"2000\""], "uas", "secret1"),
    ("pbx_caller_repeats.xml", ["", ""], "uas_busy.xml", "secret1"),
    ("pbx_caller_answered.xml", ["", ""], "uas", "guessed"),
];

#[test]
fn callers_through_the_pbx_fail_where_the_callee_does_something_else() {
    std::thread::scope(|scope| {
        for (scenario, change, callee, password) in THROUGH {
            scope.spawn(move || {
                let (file, _kept) = changed(scenario, change);
                let settings = offhook::configuration("digest = [\"md5\"]\n");
                let server = offhook::serve(&[&["--config", settings.path().to_str().unwrap()], &USERS[..]].concat());
                let _phone = registered(&server.address, callee);
                let credentials = ["-m", "1", "-s", "1002", "-au", "1001", "-ap", password];
                let (code, output) = sipp::run(&file, &server.address, &[&credentials[..], &SHORT].concat());
                assert_ne!(code, 0, "{scenario} {change:?} to {callee} with {password}:\n{output}");
                assert!(has_begun(&output), "{scenario} has not begun:\n{output}");
            });
        }
    });
}

/// 1002 with this scenario.
fn registered(server: &str, scenario: &str) -> Program {
    let port = free_port();
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
    let (code, output) = sipp::start_at(port, "uas_registers.xml", server, &credentials).finish();
    assert_eq!(code, 0, "{output}");
    let phone = sipp::start_at(port, scenario, server, &["-m", "1"]);
    sipp::await_port(port);
    phone
}
