//! The documents are true: every option is in `docs/commands.md`, every event and field printed is in `docs/json.md`.

use std::collections::BTreeSet;

use crate::run::{Going, offhook};

fn document(name: &str) -> String {
    std::fs::read_to_string(format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn verbs() -> Vec<String> {
    let help = offhook(&["--help"]).stdout;
    let verbs =
        help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1).take_while(|line| line.starts_with(' '));
    let names = verbs.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_verb_and_option_is_documented() {
    let commands = document("docs/commands.md");
    let verbs = verbs();
    assert!(verbs.len() >= 10, "{verbs:?}");
    for verb in verbs {
        let section = commands.split("\n## ").find(|section| section.starts_with(&format!("`{verb}`")));
        let section = section.unwrap_or_else(|| panic!("docs/commands.md has no section `{verb}`"));
        let help = offhook(&[&verb, "--help"]).stdout;
        let words = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for option in words.filter(|word| word.starts_with("--") && word.len() > 2).collect::<BTreeSet<_>>() {
            let known = section.contains(&format!("`{option}"))
                || commands.split("\n## ").any(|part| {
                    (part.starts_with("Options of every verb") || part.starts_with("Identity"))
                        && part.contains(&format!("`{option}"))
                });
            assert!(known, "docs/commands.md does not tell of {verb} {option}");
        }
    }
}

#[test]
fn every_exit_code_is_documented() {
    let (commands, help) = (document("docs/commands.md"), offhook(&["--help"]).stdout);
    for code in ["0", "1", "2", "3", "4", "6", "7", "8", "9", "10", "130"] {
        assert!(commands.contains(&format!("\n| {code} |")), "docs/commands.md: {code}");
        assert!(help.contains(&format!("{code} ")), "--help: {code}");
    }
}

/// Holds each line against `docs/json.md` and returns the events among them.
fn held_against_the_document<'a>(lines: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let document = document("docs/json.md");
    let mut events = BTreeSet::new();
    for line in lines {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let event = value["event"].as_str().unwrap_or_else(|| panic!("no event: {line}")).to_owned();
        assert_eq!(value["v"].as_u64(), Some(1), "{line}");
        let section = document.split("\n### ").find(|section| section.starts_with(&format!("`{event}`")));
        let section = section.unwrap_or_else(|| panic!("docs/json.md has no section `{event}`"));
        for field in value.as_object().unwrap().keys().filter(|field| !["v", "event"].contains(&field.as_str())) {
            assert!(section.contains(&format!("`{field}`")), "docs/json.md does not tell of {event}.{field}");
        }
        events.insert(event);
    }
    events
}

/// That all of these were among the events printed.
fn assert_printed(printed: &BTreeSet<String>, wanted: &[&str]) {
    for event in wanted {
        assert!(printed.contains(*event), "{event} was not printed: {printed:?}");
    }
}

/// What is JSON: standard error, which is read along, is for people.
fn objects(lines: &[String]) -> impl Iterator<Item = &str> {
    lines.iter().map(String::as_str).filter(|line| line.starts_with('{'))
}

/// A server with the users 2001 and 2002 whose passwords are `x`, ready, and its first lines.
fn serve_json(state: &str) -> (Going, Vec<String>) {
    let mut arguments = vec!["serve", "--json", "--sip", "127.0.0.1:0", "--http", "127.0.0.1:0", "--state", state];
    arguments.extend(["--user", "2001:x", "--user", "2002:x"]);
    let mut server = Going::start(&arguments);
    let first = vec![server.line(r#""transport":"udp""#), server.line(r#""event":"ready""#)];
    (server, first)
}

/// The port of a line `listening`.
fn port(listening: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(listening).unwrap();
    value["address"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

/// Runs what prints JSON and holds each line against the document.
#[test]
fn json_lines_are_documented() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let (server, mut printed) = serve_json(state);
    let account = format!("sip:2001@127.0.0.1:{}", port(&printed[0]));
    let record = folder.path().join("a.wav");
    let identity = ["--account", account.as_str(), "--password", "x", "--json"];
    let with = |arguments: &[&str]| offhook(&[arguments, &identity].concat()).stdout;
    printed.push(offhook(&["demo", "--json"]).stdout);
    printed.push(with(&["call", "601", "--for", "1", "--record", record.to_str().unwrap()]));
    printed.push(with(&["call", "999"]));
    printed.push(with(&["register", "--once"]));
    printed.push(with(&["options", "600"]));
    printed.push(with(&["message", "2001", "x"]));
    printed.push(offhook(&["status", "--json", "--state", state]).stdout);
    printed.push(offhook(&["check", "--json", "--print-effective", "/dev/null"]).stdout);
    server.terminate();
    printed.extend(server.end().1);
    let events = held_against_the_document(printed.iter().flat_map(|all| all.lines()));
    let wanted = ["listening", "ready", "metrics", "sip", "verdict", "answered", "ended", "recorded", "error"];
    assert_printed(&events, &wanted);
    assert_printed(&events, &["status", "checked", "stopped", "user", "extension", "stopping", "registered"]);
}

/// The robot's lines, for calls that it takes, refuses and hears digits in.
#[test]
fn json_lines_of_the_robot_are_documented() {
    let mut robot = Going::start(&["answer", "--json", "--sip", "127.0.0.1:0", "--echo"]);
    let target = format!("sip:x@127.0.0.1:{}", port(&robot.line(r#""transport":"udp""#)));
    let caller = offhook(&["call", &target, "--tone", "440", "--dtmf", "5", "--for", "2", "--json"]);
    assert_eq!(caller.code, Some(0), "{caller:?}");
    assert_eq!(offhook(&["message", &target, "x"]).code, Some(0));
    robot.line(r#""event":"message""#);
    robot.interrupt();
    let (_, lines) = robot.end();
    let events = held_against_the_document(objects(&lines));
    assert_printed(&events, &["listening", "ringing", "answered", "digit", "ended", "message"]);
    let events = held_against_the_document(caller.stdout.lines());
    assert_printed(&events, &["calling", "progress", "answered", "media", "heard", "ended"]);

    let mut busy = Going::start(&["answer", "--json", "--sip", "127.0.0.1:0", "--reject", "486", "--calls", "1"]);
    let target = format!("sip:x@127.0.0.1:{}", port(&busy.line(r#""transport":"udp""#)));
    assert_eq!(offhook(&["call", &target]).code, Some(7));
    let (code, lines) = busy.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert_printed(&held_against_the_document(objects(&lines)), &["refused"]);
}

/// Those of a binding that is kept up, and of a robot with an account.
#[test]
fn json_lines_of_a_binding_that_is_kept_up_are_documented() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, first) = serve_json(folder.path().to_str().unwrap());
    let account = |user: &str| format!("sip:{user}@127.0.0.1:{}", port(&first[0]));
    let (device, caller) = (account("2002"), account("2001"));
    let mut kept = Going::start(&["register", "--json", "--account", &device, "--password", "x"]);
    kept.line(r#""event":"registered""#);
    let identity = ["--account", caller.as_str(), "--password", "x"];
    assert_eq!(offhook(&[&["message", "2002", "x"], &identity[..]].concat()).code, Some(0));
    assert_eq!(offhook(&[&["call", "2002"], &identity[..]].concat()).code, Some(8));
    kept.line(r#""event":"refused""#);
    kept.interrupt();
    let events = held_against_the_document(objects(&kept.end().1));
    assert_printed(&events, &["registered", "message", "refused", "unregistered"]);

    let mut robot = Going::start(&["answer", "--json", "--account", &device, "--password", "x"]);
    robot.line(r#""event":"registered""#);
    robot.interrupt();
    assert_printed(&held_against_the_document(objects(&robot.end().1)), &["listening", "registered"]);
    let refused = offhook(&["answer", "--json", "--account", &device, "--password", "wrong"]);
    assert_eq!(refused.code, Some(6), "{refused:?}");
    assert_printed(&held_against_the_document(refused.stdout.lines()), &["registration_failed"]);
}
