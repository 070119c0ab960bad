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

/// Runs what prints JSON and holds each line against the document.
#[test]
fn json_lines_are_documented() {
    let document = document("docs/json.md");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut server = Going::start(&[
        "serve",
        "--json",
        "--sip",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--state",
        state,
        "--user",
        "2001:x",
    ]);
    let listening = server.line(r#""transport":"udp""#);
    let port = serde_json::from_str::<serde_json::Value>(&listening).unwrap()["address"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let ready = server.line(r#""event":"ready""#);
    let account = format!("sip:2001@127.0.0.1:{port}");
    let record = folder.path().join("a.wav");
    let identity = ["--account", account.as_str(), "--password", "x", "--json"];
    let with = |arguments: &[&str]| offhook(&[arguments, &identity].concat()).stdout;
    let mut printed = vec![listening, ready, offhook(&["demo", "--json"]).stdout];
    printed.push(with(&["call", "601", "--for", "1", "--record", record.to_str().unwrap()]));
    printed.push(with(&["call", "999"]));
    printed.push(with(&["register", "--once"]));
    printed.push(with(&["options", "600"]));
    printed.push(with(&["message", "2001", "x"]));
    printed.push(offhook(&["status", "--json", "--state", state]).stdout);
    printed.push(offhook(&["check", "--json", "--print-effective", "/dev/null"]).stdout);
    server.terminate();
    printed.extend(server.end().1);
    let mut events = BTreeSet::new();
    for line in printed.iter().flat_map(|all| all.lines()) {
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
    for event in [
        "listening",
        "ready",
        "metrics",
        "sip",
        "verdict",
        "answered",
        "ended",
        "recorded",
        "error",
        "status",
        "checked",
        "stopped",
    ] {
        assert!(events.contains(event), "{event} was not printed: {events:?}");
    }
}
