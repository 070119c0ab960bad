//! The README is true: each command it shows is run, and what it shows comes, in that order.
//!
//! Figures, generated passwords and addresses differ from run to run and are compared as such; a line `...` leaves lines out.

use crate::run::{Going, offhook_with};

/// The sessions of the README: each command with the lines below it.
fn sessions() -> Vec<(Vec<String>, Vec<String>)> {
    let readme = std::fs::read_to_string(format!("{}/../../README.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut found: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    let blocks = readme.split("```console\n").skip(1).filter_map(|block| block.split("```").next());
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ offhook ") {
            Some(command) => found.push((command.split(' ').map(str::to_owned).collect(), Vec::new())),
            None => found.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    found
}

/// Numbers and generated words taken out.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    for character in line.split("  password ").next().unwrap().chars() {
        let number = character.is_ascii_digit() || character == '.';
        match (number, plain.ends_with('N')) {
            (true, true) => {}
            (true, false) => plain.push('N'),
            (false, _) => plain.push(character),
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every line shown comes, in order; without `...` between them, directly one after the other.
fn hold_against(command: &[String], shown: &[String], printed: &[String]) {
    let printed: Vec<String> = printed.iter().map(|line| plain(line)).collect();
    let (mut at, mut gap) = (0, false);
    for line in shown {
        if line == "..." {
            gap = true;
            continue;
        }
        let wanted = plain(line);
        let rest = printed.get(at..).unwrap_or_default();
        let found = if gap {
            rest.iter().position(|line| *line == wanted)
        } else {
            rest.first().filter(|line| **line == wanted).map(|_| 0)
        };
        let found = found.unwrap_or_else(|| panic!("{command:?}: no {wanted:?} in {rest:#?}"));
        (at, gap) = (at + found + 1, false);
    }
    assert!(gap || at == printed.len(), "{command:?} prints more: {:#?}", printed.get(at..));
}

#[test]
fn readme_shows_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut server: Option<Going> = None;
    let mut verbs = Vec::new();
    for (command, shown) in sessions() {
        let verb = command.first().unwrap().clone();
        let printed = if verb == "serve" {
            // Another port: the machine may have a PBX already.
            let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
            arguments.extend(["--sip", "127.0.0.1:0"]);
            let mut going = Going::start_with(&arguments, &[("OFFHOOK_STATE", state)]);
            going.line("ready");
            let lines = going.seen().to_vec();
            server = Some(going);
            lines
        } else {
            let address = server.as_mut().map(|server| {
                let udp = server.seen().iter().find(|line| line.contains("listening on udp")).unwrap();
                udp.rsplit(' ').next().unwrap().to_owned()
            });
            let record = folder.path().join("echo.wav").to_str().unwrap().to_owned();
            let arguments: Vec<String> = command
                .iter()
                .map(|word| match word.as_str() {
                    "echo.wav" => record.clone(),
                    "127.0.0.1" => address.clone().unwrap(),
                    word => word.to_owned(),
                })
                .collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let ended = offhook_with(&arguments, &[("OFFHOOK_STATE", state)]);
            assert_eq!(ended.code, Some(0), "{command:?}: {ended:?}");
            let mut text = ended.stdout.replace(&record, "echo.wav");
            if let Some(address) = address {
                text = text.replace(&format!("{address}: "), "127.0.0.1: ");
            }
            text.lines().map(str::to_owned).collect()
        };
        let shown: Vec<String> = if verb == "status" { shown.iter().skip(1).cloned().collect() } else { shown };
        let printed: Vec<String> = if verb == "status" { printed.iter().skip(1).cloned().collect() } else { printed };
        hold_against(&command, &shown, &printed);
        verbs.push(verb);
    }
    assert_eq!(verbs, ["demo", "serve", "call", "status", "options"]);
}

#[test]
fn readme_leads_only_to_what_is_there() {
    let root = format!("{}/../..", env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files: Vec<&str> = links.filter(|link| !link.starts_with("http")).collect();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        assert!(std::path::Path::new(&root).join(file).exists(), "README.md leads to {file}");
    }
}
