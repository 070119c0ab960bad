//! The README is true: each command it shows is run, and what it shows comes, in that order.
//!
//! Figures and generated passwords differ from run to run and are compared as such; so is the port, which stands for 5060. A line `...` leaves
//! lines out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::path::Path;

use crate::run::{Going, PATIENCE, offhook, offhook_with};

fn document() -> String {
    std::fs::read_to_string(format!("{}/../../README.md", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The sessions of the README: each command with the lines below it.
fn sessions() -> Vec<(Vec<String>, Vec<String>)> {
    let readme = document();
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

/// What stands in the running text of the README as code, in order, each once.
fn spans() -> Vec<String> {
    let readme = document();
    let mut found = Vec::new();
    for (index, text) in readme.split("```").enumerate().filter(|(index, _)| index % 2 == 0) {
        assert_eq!(text.matches('`').count() % 2, 0, "part {index} of README.md opens code that it does not close");
        found.extend(text.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")));
    }
    let mut seen = BTreeSet::new();
    found.retain(|span| seen.insert(span.clone()));
    found
}

/// Every option in the running text is one of the verb beside it, or of some verb where none is.
#[test]
fn readme_names_only_options_that_there_are() {
    let help = offhook(&["--help"]).stdout;
    let verbs = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let verbs = verbs.take_while(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
    let helps: BTreeMap<&str, String> = verbs.map(|verb| (verb, offhook(&[verb, "--help"]).stdout)).collect();
    let has = |help: &String, option: &str| help.split([' ', ',', '\n', '[', '=']).any(|word| word == option);
    let mut held = 0;
    for span in spans() {
        let mut words = span.strip_prefix("offhook ").unwrap_or(&span).split(' ').peekable();
        let verb = words.peek().and_then(|verb| helps.get(verb));
        assert!(verb.is_some() || !span.starts_with("offhook "), "`{span}` is no command");
        for option in words.filter(|word| word.starts_with("--")) {
            let known = verb.map_or_else(|| helps.values().any(|help| has(help, option)), |help| has(help, option));
            assert!(known, "README.md says `{span}`, and there is no {option}");
            held += 1;
        }
    }
    assert!(held >= 12, "{held} options");
}

/// The commands in the running text, with their words replaced where a machine of one's own has others.
#[test]
fn readme_commands_in_the_running_text_do_what_is_said() {
    let commands: Vec<String> = spans().into_iter().filter(|span| span.starts_with("offhook ")).collect();
    let [cut, serve, options, trace, named @ ..] = &commands[..] else { panic!("other commands: {commands:?}") };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let words = |command: &str, other: &[(&str, &str)]| -> Vec<String> {
        let put = |text: String, (word, by): &(&str, &str)| {
            assert!(text.contains(word), "`{command}` has no {word}");
            text.replace(word, by)
        };
        other.iter().fold(command.to_owned(), put).split(' ').skip(1).map(str::to_owned).collect()
    };
    let run = |command: Vec<String>| offhook(&command.iter().map(String::as_str).collect::<Vec<_>>());

    let ended = run(words(cut, &[]));
    assert_eq!(ended.code, Some(9), "{ended:?}");
    assert!(ended.stdout.contains("audio both ways: no"), "{ended:?}");

    // It listens over TLS, makes a certificate, keeps it and prints its fingerprint.
    let mut server = words(serve, &[("0.0.0.0:5061", "127.0.0.1:0")]);
    server.extend(["--sip", "127.0.0.1:0", "--state", &path("state")].map(str::to_owned));
    let mut server = Going::start(&server.iter().map(String::as_str).collect::<Vec<_>>());
    let listening = server.line("listening on tls ");
    let address = listening.rsplit(' ').next().unwrap();
    let shown = server.line("SHA-256 ");
    let certificate = shown.split(' ').nth(1).unwrap().trim_end_matches(',').to_owned();
    assert!(std::path::Path::new(&certificate).starts_with(folder.path()), "{shown}");
    server.line("ready");

    // One looks on, with each way to keep what it sees, while another one asks with the certificate.
    let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
    collector.set_read_timeout(Some(PATIENCE)).unwrap();
    let (written, homer) = (path("call.pcapng"), collector.local_addr().unwrap().to_string());
    let all = spans();
    let option = |name: &str| all.iter().find(|span| span.starts_with(name)).unwrap().clone();
    let text = format!("{trace} {} {} {}", option("--user "), option("--write "), option("--hep "));
    let mut looking = words(&text, &[("call.pcapng", &written), ("192.0.2.9:9060", &homer)]);
    looking.extend(["--state".to_owned(), path("state")]);
    let mut looking = Going::start(&looking.iter().map(String::as_str).collect::<Vec<_>>());
    looking.line("tracing serve, process ");
    let asked = |trusted: &str, user: &str| {
        run(words(options, &[("pbx.example.com", &format!("{user}@{address}")), ("certificate.pem", trusted)]))
    };
    for number in ["600", "1001"] {
        let ended = asked(&certificate, number);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    looking.line("OPTIONS");
    let mut packet = [0; 4_096];
    let length = collector.recv(&mut packet).unwrap();
    let packet = String::from_utf8_lossy(&packet[..length]).into_owned();
    assert!(packet.starts_with("HEP3") && packet.contains("OPTIONS sips:1001@"), "{packet}");
    looking.interrupt();
    let (code, lines) = looking.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    let written = String::from_utf8_lossy(&std::fs::read(&written).unwrap()).into_owned();
    assert!(written.contains("OPTIONS sips:1001@") && !written.contains("OPTIONS sips:600@"), "{written}");

    // Who is not trusted is not spoken to.
    let (other, _server) = another_certificate(&path("other"));
    let ended = asked(&other, "1001");
    assert_eq!(ended.code, Some(5), "{ended:?}");
    // Of these the text names no more than the verb, which `readme_names_only_options_that_there_are` looks for.
    assert_eq!(named, ["offhook subscribe", "offhook message"]);
}

/// The certificate of another server.
fn another_certificate(state: &str) -> (String, Going) {
    let mut server = Going::start(&["serve", "--sip", "127.0.0.1:0", "--tls", "127.0.0.1:0", "--state", state]);
    let shown = server.line("SHA-256 ");
    (shown.split(' ').nth(1).unwrap().trim_end_matches(',').to_owned(), server)
}
