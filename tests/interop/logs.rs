//! What `serve` logs, and the configuration file that it finds by itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::acceptance::wire::{Ask, Callee, Wire, code, field};
use crate::program::offhook::{self, USERS};
use crate::program::{Program, free_port};

/// What a server logs and prints with these arguments while somebody comes with a wrong password and somebody else calls the echo, and what they have said:
/// the answers to their challenges, then the Call-ID of the call.
fn heard(arguments: &[&str], ready: &str) -> (Vec<String>, Vec<String>) {
    let state = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let serve = ["serve", "--sip", &address, "--state", state.path().to_str().unwrap()];
    let mut server = offhook::start(&[&serve[..], &USERS, arguments].concat());
    server.wait_for(ready);
    let mut wire = Wire::to(&address);
    let mut said = Vec::new();
    for (method, number, password, due) in [("REGISTER", "1001", "guessed", 403), ("INVITE", "600", "secret1", 200)] {
        let mut ask = wire.ask(method);
        ask.uri = format!("sip:{number}@{address}");
        ask.to = format!("<{}>", ask.uri);
        let signed = wire.signed(&ask, "1001", password);
        let hash = signed.more.iter().find_map(|line| line.split("response=\"").nth(1)?.split('"').next());
        said.push(hash.unwrap().to_owned());
        let answer = wire.final_of(&signed);
        assert_eq!(code(&answer), due, "{answer}");
        if method == "INVITE" {
            let ack = wire.within(&answer, "ACK", 2);
            wire.send(&ack);
            let bye = wire.within(&answer, "BYE", 3);
            assert_eq!(wire.code_of(&bye), 200);
            said.push(signed.call_id.clone());
        }
    }
    server.wait_for("call over");
    let (_, printed) = server.stop("TERM");
    (printed.lines().map(str::to_owned).collect(), said)
}

#[test]
fn logs_in_json_are_an_object_for_each_event_and_tell_no_credentials() {
    let (lines, said) = heard(&["--json", "-vv"], "\"event\":\"ready\"");
    let objects: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect();
    let (logged, printed): (Vec<_>, Vec<_>) = objects.iter().partition(|object| object.get("level").is_some());
    assert!(printed.iter().all(|object| object["v"] == 1), "{printed:?}");
    let event = |words: &str| {
        let found =
            logged.iter().find(|line| line["fields"]["message"].as_str().is_some_and(|text| text.contains(words)));
        found.unwrap_or_else(|| panic!("no {words}: {logged:#?}"))
    };
    for line in &logged {
        assert!(
            line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')) && line["target"].is_string(),
            "{line}"
        );
    }
    let failed = event("auth_failed");
    assert_eq!(failed["level"], "WARN");
    assert_eq!(failed["fields"]["message"], "auth_failed ip=127.0.0.1 user=\"1001\" reason=wrong_response");
    let failures = logged.iter().filter(|line| line.to_string().contains("auth_failed")).count();
    assert_eq!(failures, 1, "nothing is said of challenges that were answered rightly, or not yet");
    let (begun, over) = (event("call begun"), event("call over"));
    assert_eq!(
        (begun["span"]["call_id"].as_str(), &begun["fields"]["call"]),
        (Some(&*said[2]), &over["fields"]["call"])
    );
    assert_eq!(
        (&over["level"], &over["fields"]["from"], &over["fields"]["to"]),
        (&"INFO".into(), &"1001".into(), &"600".into())
    );
    assert!(over["fields"]["call"].is_u64() && over["fields"]["ms"].is_u64(), "{over}");
    // The messages themselves, each in one event.
    assert!(event("response=\"(cut)\"")["fields"]["message"].as_str().unwrap().contains("\nREGISTER sip:1001@"));
    for secret in said[..2].iter().map(String::as_str).chain(["secret1", "guessed"]) {
        assert!(!lines.iter().any(|line| line.contains(secret)), "{secret} is told");
    }
}

/// The control: for people they are lines.
#[test]
fn logs_for_people_are_lines() {
    let (lines, _) = heard(&["-v"], "ready; state in");
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_err()), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("WARN") && line.contains("auth_failed ip=127.0.0.1")), "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains("INFO call{call_id=") && line.contains("call over call=")),
        "{lines:#?}"
    );
}

/// The lines of the log among what was printed as JSON.
fn logged(printed: &str) -> Vec<Value> {
    let objects = printed.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")));
    objects.filter(|object: &Value| object.get("level").is_some()).collect()
}

/// The Call-ID of the message that a line shows, if it does.
fn shown_in(line: &Value) -> Option<&str> {
    field_of(line["fields"]["message"].as_str()?, "Call-ID: ")
}

fn field_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

/// A call to the echo that is up: the INVITE that made it, and its 200.
fn up(wire: &mut Wire, address: &str) -> (Ask, String) {
    let mut ask = wire.ask("INVITE");
    ask.uri = format!("sip:600@{address}");
    ask.to = format!("<{}>", ask.uri);
    let signed = wire.signed(&ask, "1001", "secret1");
    let answer = wire.final_of(&signed);
    if code(&answer) == 200 {
        let ack = wire.within(&answer, "ACK", 2);
        wire.send(&ack);
    }
    (signed, answer)
}

#[test]
fn log_lines_about_a_call_name_its_call_id_and_no_others_do() {
    let state = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let serve = ["serve", "--sip", &address, "--state", state.path().to_str().unwrap(), "--json", "-vv"];
    let mut server = offhook::start(&[&serve[..], &USERS].concat());
    server.wait_for("\"event\":\"ready\"");
    // Two calls at a time, and somebody with a wrong password.
    let mut wires = [Wire::to(&address), Wire::to(&address)];
    let calls = wires.each_mut().map(|wire| up(wire, &address));
    let mut guess = wires[0].ask("REGISTER");
    (guess.uri, guess.to) = (format!("sip:{address}"), format!("<sip:1002@{address}>"));
    let guess = wires[0].signed(&guess, "1002", "guessed");
    assert_eq!(wires[0].code_of(&guess), 403);
    for (wire, (_, answer)) in wires.iter_mut().zip(&calls) {
        let bye = wire.within(answer, "BYE", 3);
        assert_eq!(wire.code_of(&bye), 200);
        server.wait_for("call over");
    }
    let (_, printed) = server.stop("TERM");
    let lines = logged(&printed);
    let begun = |call_id: &str| {
        let of = |line: &&Value| line["fields"]["message"] == "call begun" && line["span"]["call_id"] == call_id;
        lines.iter().find(of).unwrap_or_else(|| panic!("no begin of {call_id}: {lines:#?}"))["fields"]["call"].clone()
    };
    let ids = calls.each_ref().map(|(invite, _)| invite.call_id.as_str());
    let numbers = ids.map(begun);
    assert!(ids[0] != ids[1] && numbers[0] != numbers[1]);
    for line in &lines {
        let number = &line["fields"]["call"];
        let due = match numbers.iter().position(|one| one == number) {
            Some(which) => Some(ids[which]),
            None => shown_in(line),
        };
        let named = line["span"]["call_id"].as_str();
        assert_eq!(named, due, "{line}");
        assert!(named.is_none() || line["span"]["name"] == "call", "{line}");
    }
    for id in ids {
        let of = |line: &&Value| line["span"]["call_id"] == id;
        let messages = lines.iter().filter(of).filter(|line| line["target"] == "wire").count();
        let others = lines.iter().filter(of).count() - messages;
        // INVITE, 401, ACK, INVITE, 200, ACK, BYE, 200; begin and end.
        assert!(messages >= 8 && others >= 2, "{id}: {messages} messages, {others} others");
    }
    let failed = lines.iter().find(|line| line.to_string().contains("auth_failed")).unwrap();
    assert!(failed.get("span").is_none() && failed.get("spans").is_none(), "{failed}");
}

#[test]
fn an_error_in_a_call_names_it_where_nothing_else_is_logged() {
    let one = free_port() & !1;
    let file = offhook::configuration(&format!("[media]\nports = \"{one}-{}\"\n", one + 1));
    let mut server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
    let mut wires = [Wire::to(&server.address), Wire::to(&server.address)];
    let [(good, first), (refused, second)] = wires.each_mut().map(|wire| up(wire, &server.address));
    assert_eq!((code(&first), code(&second)), (200, 503), "there are ports for one call");
    server.program.wait_for(&format!("call{{call_id={}}}: ", refused.call_id));
    let printed = server.program.output();
    let line = printed.lines().find(|line| line.contains(&refused.call_id)).unwrap();
    assert!(line.contains("ERROR") && line.contains("a call is refused"), "{line}");
    assert!(!printed.contains(&good.call_id), "nothing is said of a call that goes well:\n{printed}");
}

#[test]
fn a_line_of_the_log_is_no_longer_for_a_call_id_of_8000_octets() {
    let one = free_port() & !1;
    let file = offhook::configuration(&format!("[media]\nports = \"{one}-{}\"\n", one + 1));
    let mut server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
    let mut wires = [Wire::to(&server.address), Wire::to(&server.address)];
    let (_, first) = up(&mut wires[0], &server.address);
    assert_eq!(code(&first), 200);
    let mut ask = wires[1].ask("INVITE");
    ask.uri = format!("sip:600@{}", server.address);
    ask.to = format!("<{}>", ask.uri);
    let shown = format!("{}z", "y".repeat(127));
    ask.call_id = shown.clone() + &"x".repeat(7_872);
    let refused = wires[1].signed(&ask, "1001", "secret1");
    assert_eq!(wires[1].code_of(&refused), 503, "there are ports for one call");
    server.program.wait_for("a call is refused");
    let printed = server.program.output();
    let line = printed.lines().find(|line| line.contains("a call is refused")).unwrap();
    assert!(line.contains(&format!("call{{call_id={shown}}}: ")), "{line}");
    assert!(!printed.contains("zx") && line.len() < 1_000, "{} octets: {line}", line.len());
}

#[test]
fn a_phone_names_the_call_in_what_it_logs() {
    let mut callee = Callee::new();
    let call = ["call", &callee.uri(), "--sip", "127.0.0.1:0", "--json", "-vv", "--for", "30"];
    let mut phone = offhook::start(&call);
    let invite = callee.request("INVITE");
    callee.reply(&invite, "200 OK", "");
    callee.request("ACK");
    // A change that it cannot take.
    let mut change = callee.within(&invite, "INVITE", 1);
    change.body = callee.wire().offer().replace("RTP/AVP 0", "RTP/SAVP 0");
    assert_eq!(callee.wire().code_of(&change), 488);
    phone.wait_for("a re-INVITE is refused");
    let bye = callee.within(&invite, "BYE", 2);
    assert_eq!(callee.wire().code_of(&bye), 200);
    let (_, printed) = phone.finish();
    let lines = logged(&printed);
    let refused = lines.iter().find(|line| line["fields"]["message"] == "a re-INVITE is refused").unwrap();
    let due = field(&invite, "Call-ID").unwrap();
    assert_eq!(refused["span"]["call_id"], due.as_str(), "{refused}");
    for line in &lines {
        assert!(shown_in(line).is_none_or(|shown| line["span"]["call_id"] == shown), "{line}");
    }
}

/// The program where /etc holds these files alone, seen by nobody else.
fn with_etc(files: &[(&str, &str)], arguments: &[&str]) -> Program {
    let put = files
        .iter()
        .map(|(name, text)| format!("mkdir -p $(dirname /etc/{name}) && printf '{text}' > /etc/{name} && "));
    let script = format!("mount -t tmpfs none /etc && {} exec \"$0\" \"$@\"", put.collect::<String>());
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script, env!("CARGO_BIN_EXE_offhook")]);
    Program::start(command.args(arguments).env("OFFHOOK_RUNTIME", "/dev/null/offhook"))
}

const OWN: (&str, &str) = ("offhook/offhook.toml", "realm = \"of-etc\"\\n[users.3001]\\npassword = \"x\"\\n");
const BESIDE: (&str, &str) = ("offhook/conf.d/ring.toml", "ring_secs = 7\\n");

#[test]
fn configuration_in_etc_is_found_unless_another_is_named() {
    let effective = ["check", "--print-effective"];
    let (code, printed) = with_etc(&[OWN, BESIDE], &effective).finish();
    assert_eq!(code, 0, "{printed}");
    for text in ["# /etc/offhook/offhook.toml: good", "realm = \"of-etc\"", "ring_secs = 7"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    let (code, printed) = with_etc(&[], &effective).finish();
    assert!(code == 0 && printed.contains("# the defaults: good") && printed.contains("ring_secs = 60"), "{printed}");
    let named = offhook::configuration("realm = \"named\"\n");
    let (code, printed) =
        with_etc(&[OWN, BESIDE], &[&effective[..], &[named.path().to_str().unwrap()]].concat()).finish();
    assert!(code == 0 && printed.contains("realm = \"named\"") && !printed.contains("3001"), "{printed}");
    let (code, printed) = with_etc(&[("offhook/offhook.toml", "\\nrealms = 1\\n")], &["check"]).finish();
    assert_eq!(code, 3, "{printed}");
    assert!(printed.contains("/etc/offhook/offhook.toml:2:1: ") && printed.contains("realm"), "{printed}");
    let state = tempfile::tempdir().unwrap();
    let serve = ["serve", "--sip", "127.0.0.1:0", "--state", state.path().to_str().unwrap()];
    let mut server = with_etc(&[OWN, BESIDE], &serve);
    server.wait_for("user 3001");
    server.wait_for("ready; state in");
}

#[test]
fn a_secret_that_others_could_read_is_told() {
    for (mode, told) in [(0o600, false), (0o640, true), (0o604, true)] {
        let state = tempfile::tempdir().unwrap();
        let secret = state.path().join("tokens.key");
        fs::write(&secret, "0f".repeat(16)).unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(mode)).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut server = offhook::start(&["serve", "--sip", &address, "--state", state.path().to_str().unwrap()]);
        server.wait_for("ready");
        let (_, printed) = server.stop("TERM");
        let warned =
            printed.lines().any(|line| line.contains("others could read the secret") && line.contains("tokens.key"));
        assert_eq!(warned, told, "{mode:o}: {printed}");
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
