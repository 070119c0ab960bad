//! The README is true: each command it shows is run, and what it shows comes, in that order.
//!
//! Figures and generated passwords differ from run to run and are compared as such; so is the port, which stands for 5060. A line `...` leaves
//! lines out.

use std::collections::BTreeSet;
use std::path::Path;

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

/// Generated words taken out, and numbers that are no address with its port.
fn plain(line: &str) -> String {
    let words = line.split("  password ").next().unwrap().split_whitespace();
    let plain = |word: &str| {
        if word.trim_end_matches([',', ':']).ends_with(":5060") {
            return word.to_owned();
        }
        let mut plain = String::new();
        for character in word.chars() {
            let number = character.is_ascii_digit() || character == '.';
            match (number, plain.ends_with('N')) {
                (true, true) => {}
                (true, false) => plain.push('N'),
                (false, _) => plain.push(character),
            }
        }
        plain
    };
    words.map(plain).collect::<Vec<_>>().join(" ")
}

/// The ports of these lines, each once.
fn ports(lines: &[String]) -> BTreeSet<String> {
    let listening = lines.iter().filter(|line| line.starts_with("listening on "));
    listening.map(|line| line.rsplit(':').next().unwrap().to_owned()).collect()
}

/// A text in which the port is the usual one, whatever it was.
fn usual(text: &str, ports: &BTreeSet<String>) -> String {
    ports.iter().fold(text.to_owned(), |text, port| text.replace(&format!(":{port}"), ":5060"))
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

/// Runs a command of the README in the place of a person whose state is in `folder`; `ports` are those of the server.
fn run(command: &[String], folder: &Path, ports: &BTreeSet<String>, address: Option<&str>) -> Vec<String> {
    let record = folder.join("echo.wav").to_str().unwrap().to_owned();
    let arguments: Vec<&str> = command
        .iter()
        .map(|word| match word.as_str() {
            "echo.wav" => record.as_str(),
            "127.0.0.1" => address.unwrap(),
            word => word,
        })
        .collect();
    let ended = offhook_with(&arguments, &[("OFFHOOK_STATE", folder.to_str().unwrap())]);
    assert_eq!(ended.code, Some(0), "{command:?}: {ended:?}");
    let text = usual(&ended.stdout.replace(&record, "echo.wav"), ports);
    text.replace("127.0.0.1:5060: ", "127.0.0.1: ").lines().map(str::to_owned).collect()
}

#[test]
fn readme_shows_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let has_ipv6 = std::net::UdpSocket::bind("[::]:0").is_ok();
    let (mut server, mut served, mut address) = (None, BTreeSet::new(), None);
    let mut verbs = Vec::new();
    for (command, mut shown) in sessions() {
        let verb = command.first().unwrap().clone();
        let printed = if verb == "serve" {
            // The usual addresses, but free ports: the machine may have a PBX already.
            let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
            arguments.extend(["--sip", "0.0.0.0:0"]);
            arguments.extend(["--sip", "[::]:0"].iter().filter(|_| has_ipv6));
            let mut going = Going::start_with(&arguments, &[("OFFHOOK_STATE", state)]);
            going.line("ready");
            served = ports(going.seen());
            let udp = going.seen().iter().find(|line| line.contains("listening on udp")).unwrap();
            address = Some(format!("127.0.0.1:{}", udp.rsplit(':').next().unwrap()));
            let lines = going.seen().iter().map(|line| usual(line, &served)).collect();
            server = Some(going);
            lines
        } else {
            run(&command, folder.path(), &served, address.as_deref())
        };
        if !has_ipv6 {
            shown.retain(|line| !line.starts_with("listening on ") || !line.contains("[::]"));
            shown.iter_mut().for_each(|line| *line = line.replace(", udp:[::]:5060, tcp:[::]:5060", ""));
        }
        hold_against(&command, &shown, &printed);
        verbs.push(verb);
    }
    drop(server);
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
