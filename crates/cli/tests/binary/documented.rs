//! The documents are true: every option is in `docs/commands.md`, every event and field printed is in `docs/json.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::path::Path;

use net::tls::OwnCertificate;
use nix::sys::signal::Signal;

use crate::run::{Going, PATIENCE, offhook};
use crate::{notifiers, refusals};

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
    assert!(commands.contains("\nOne binary, twelve verbs.") && verbs.len() == 12, "{verbs:?}");
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
    for code in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "130"] {
        assert!(commands.contains(&format!("\n| {code} |")), "docs/commands.md: {code}");
        assert!(help.contains(&format!("{code} ")), "--help: {code}");
    }
}

/// Events with the fields they were printed with.
pub(crate) type Printed = BTreeMap<String, BTreeSet<String>>;

/// The section of `docs/json.md` about an event.
fn section<'a>(document: &'a str, event: &str) -> &'a str {
    let found = document.split("\n### ").skip(1).find(|section| section.starts_with(&format!("`{event}`")));
    let section = found.unwrap_or_else(|| panic!("docs/json.md has no section `{event}`"));
    section.split("\n## ").next().unwrap()
}

/// The fields a section tells of: names at the beginning of a sentence, alone or in a row.
fn fields(section: &str) -> BTreeSet<String> {
    let text = section.split_once('\n').map_or("", |(_, text)| text).replace('\n', " ");
    let mut found = BTreeSet::new();
    for sentence in text.split(". ").flat_map(|sentence| sentence.split("In `answer`: ")) {
        let mut rest = sentence.trim_start();
        while let Some((name, behind)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
            found.insert(name.to_owned());
            rest = behind.strip_prefix(", ").unwrap_or_default();
        }
    }
    found
}

/// Holds each line against `docs/json.md` and returns what was printed.
pub(crate) fn held_against_the_document<'a>(lines: impl IntoIterator<Item = &'a str>) -> Printed {
    let document = document("docs/json.md");
    let mut printed = Printed::new();
    for line in lines {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let event = value["event"].as_str().unwrap_or_else(|| panic!("no event: {line}")).to_owned();
        assert_eq!(value["v"].as_u64(), Some(1), "{line}");
        let section = section(&document, &event);
        let known = printed.entry(event.clone()).or_default();
        for field in value.as_object().unwrap().keys().filter(|field| !["v", "event"].contains(&field.as_str())) {
            assert!(section.contains(&format!("`{field}`")), "docs/json.md does not tell of {event}.{field}");
            known.insert(field.clone());
        }
    }
    printed
}

/// That all of these were among the events printed.
fn assert_printed(printed: &Printed, wanted: &[&str]) {
    for event in wanted {
        assert!(printed.contains_key(*event), "{event} was not printed: {printed:?}");
    }
}

/// What is JSON: standard error, which is read along, is for people.
fn objects(lines: &[String]) -> impl Iterator<Item = &str> {
    lines.iter().map(String::as_str).filter(|line| line.starts_with('{'))
}

/// A server with the users 2001 and 2002 whose passwords are `x`, and a certificate for a name, ready, and its first lines.
fn serve_json(state: &str) -> (Going, Vec<String>) {
    let (named, file) = (Path::new(state).join("named"), Path::new(state).join("named.toml"));
    OwnCertificate::kept_in(&named, &["b.example".to_owned()]).unwrap();
    let (certificate, key) = OwnCertificate::files(&named);
    let files = format!("certificate = '{}'\nkey = '{}'\n", certificate.display(), key.display());
    std::fs::write(&file, format!("[tls.names.'b.example']\n{files}")).unwrap();
    let mut arguments = vec!["serve", "--json", "--sip", "127.0.0.1:0", "--http", "127.0.0.1:0", "--state", state];
    arguments.extend(["--tls", "127.0.0.1:0", "--config", file.to_str().unwrap()]);
    arguments.extend(["--user", "2001:x", "--user", "2002:x"]);
    let mut server = Going::start(&arguments);
    let first = vec![server.line(r#""transport":"udp""#), server.line(r#""event":"ready""#)];
    (server, first)
}

/// A server that is watched while it is asked what it can do, and by somebody who sends what is no UTF-8.
fn of_a_trace() -> Printed {
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let (server, first) = serve_json(state);
    let mut trace = Going::start(&["trace", "--json", "--state", state]);
    trace.line("\"event\":\"tracing\"");
    let address = format!("127.0.0.1:{}", port(&first[0]));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"OPTIONS sip:h SIP/2.0\r\n\xff\r\n\r\n", &address).unwrap();
    trace.line("\"octets\":");
    let asked = offhook(&["options", &format!("sip:{address}")]);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    trace.line("SIP/2.0 200 OK");
    trace.interrupt();
    let (code, lines) = trace.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    server.terminate();
    server.end();
    let printed = held_against_the_document(objects(&lines));
    assert_printed(&printed, &["tracing", "sip_message", "traced"]);
    printed
}

/// The port of a line `listening`.
fn port(listening: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(listening).unwrap();
    value["address"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

/// Runs what prints JSON, each kind beside the others, and holds each line against the document: and the document against all that was printed.
#[test]
fn json_lines_and_their_document_agree() {
    let runs: [fn() -> Printed; 12] = [
        of_a_trace,
        notifiers::of_one_that_ends,
        of_a_server,
        of_the_robot,
        of_a_binding,
        of_a_registrar_in_trouble,
        of_a_call,
        of_a_silence,
        of_a_ring,
        of_a_transfer,
        of_a_refused_digit,
        of_what_is_told,
    ];
    let mut printed = Printed::new();
    std::thread::scope(|scope| {
        let runs = runs.map(|run| scope.spawn(run));
        for (event, fields) in runs.into_iter().flat_map(|run| run.join().unwrap()) {
            printed.entry(event).or_default().extend(fields);
        }
    });
    let document = document("docs/json.md");
    let events = document.split("\n### `").skip(1).filter_map(|section| section.split('`').next());
    let mut missing = Vec::new();
    for event in events.collect::<BTreeSet<_>>() {
        let Some(printed) = printed.get(event) else {
            missing.push(event.to_owned());
            continue;
        };
        missing.extend(fields(section(&document, event)).difference(printed).map(|field| format!("{event}.{field}")));
    }
    assert!(missing.is_empty(), "docs/json.md tells of what nothing prints: {missing:?}");
}

/// The reader of the document finds what stands there, and only that.
#[test]
fn fields_of_a_section_are_those_that_begin_a_sentence() {
    let text = "`a`\n\nWhat it is. `one`: `x` or `y`. `two`,\n`three`: see [`b`](#b), each with `z`. In `answer`: `four`: its number.\n";
    let found = fields(text);
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["four", "one", "three", "two"]);
}

fn of_a_server() -> Printed {
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
    printed.push(offhook(&["call", &format!("sip:302@{}", refusals::peer()), "--json"]).stdout);
    printed.push(with(&["register", "--once"]));
    printed.push(with(&["options", "600"]));
    printed.push(with(&["message", "2001", "x"]));
    printed.push(offhook(&["status", "--json", "--state", state]).stdout);
    printed.push(offhook(&["check", "--json", "--print-effective", "/dev/null"]).stdout);
    // Who watches is told that the server ends, and when to come again.
    let mut watching = Going::start(&[&["subscribe", "600", "--event", "dialog"], &identity[..]].concat());
    printed.extend([watching.line(r#""event":"subscribed""#), watching.line(r#""event":"state""#)]);
    server.terminate();
    printed.push(watching.line(r#""event":"subscription_failed""#));
    watching.interrupt();
    watching.end();
    printed.extend(server.end().1);
    // One that makes passwords.
    let other = folder.path().join("other");
    let other = other.to_str().unwrap();
    let roles = folder.path().join("roles.toml");
    std::fs::write(&roles, "[roles]\n'b.example' = 'edge'\n").unwrap();
    let roles = ["--role", "proxy", "--config", roles.to_str().unwrap()];
    let mut other =
        Going::start(&[&["serve", "--json", "--sip", "127.0.0.1:0", "--state", other], &roles[..]].concat());
    printed.push(other.line(r#""event":"user""#));
    printed.push(other.line(r#""domain":"b.example""#));
    printed.push(other.line(r#""event":"role""#));
    let printed = held_against_the_document(printed.iter().flat_map(|all| all.lines()));
    let wanted = ["listening", "ready", "metrics", "sip", "verdict", "answered", "ended", "recorded", "error"];
    assert_printed(&printed, &wanted);
    assert_printed(&printed, &["status", "checked", "stopped", "user", "extension", "stopping", "registered"]);
    printed
}

/// The robot's lines, for calls that it takes, refuses and hears digits in.
fn of_the_robot() -> Printed {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard.wav");
    let record = ["--record", file.to_str().unwrap()];
    let mut robot = Going::start(&[&["answer", "--json", "--sip", "127.0.0.1:0", "--echo"], &record[..]].concat());
    let target = format!("sip:x@127.0.0.1:{}", port(&robot.line(r#""transport":"udp""#)));
    let caller = offhook(&["call", &target, "--tone", "440", "--dtmf", "5", "--for", "2", "--json"]);
    assert_eq!(caller.code, Some(0), "{caller:?}");
    assert_eq!(offhook(&["message", &target, "x"]).code, Some(0));
    robot.line(r#""event":"message""#);
    let writes = "<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state></isComposing>";
    runtime().block_on(async {
        let there = ua::Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
        there.message_as(&target, "application/im-iscomposing+xml", writes.as_bytes()).await.unwrap();
    });
    robot.line(r#""event":"composing""#);
    robot.interrupt();
    let (_, lines) = robot.end();
    let printed = held_against_the_document(objects(&lines));
    assert_printed(&printed, &["listening", "ringing", "answered", "digit", "ended", "recorded", "message"]);
    let printed = held_against_the_document(caller.stdout.lines());
    assert_printed(&printed, &["calling", "progress", "answered", "media", "heard", "ended"]);

    let mut busy = Going::start(&["answer", "--json", "--sip", "127.0.0.1:0", "--reject", "486", "--calls", "1"]);
    let target = format!("sip:x@127.0.0.1:{}", port(&busy.line(r#""transport":"udp""#)));
    assert_eq!(offhook(&["call", &target]).code, Some(7));
    let (code, refused) = busy.end();
    assert_eq!(code, Some(0), "{refused:#?}");
    assert_printed(&held_against_the_document(objects(&refused)), &["refused"]);
    held_against_the_document(objects(&lines).chain(caller.stdout.lines()).chain(objects(&refused)))
}

/// Those of a binding that is kept up, and of a robot with an account.
fn of_a_binding() -> Printed {
    let folder = tempfile::tempdir().unwrap();
    let (_server, first) = serve_json(folder.path().to_str().unwrap());
    let account = |user: &str| format!("sip:{user}@127.0.0.1:{}", port(&first[0]));
    let (device, caller) = (account("2002"), account("2001"));
    let mut kept = Going::start(&["register", "--json", "--account", &device, "--password", "x"]);
    kept.line(r#""event":"registered""#);
    let identity = ["--account", caller.as_str(), "--password", "x"];
    let message = offhook(&[&["message", "2002", "x", "--json"], &identity[..]].concat());
    assert_eq!(message.code, Some(0), "{message:?}");
    assert_eq!(offhook(&[&["call", "2002"], &identity[..]].concat()).code, Some(8));
    kept.line(r#""event":"refused""#);
    kept.interrupt();
    let (_, kept) = kept.end();
    assert_printed(&held_against_the_document(objects(&kept)), &["registered", "message", "refused", "unregistered"]);

    let mut robot = Going::start(&["answer", "--json", "--account", &device, "--password", "x"]);
    robot.line(r#""event":"registered""#);
    robot.interrupt();
    let (_, robot) = robot.end();
    assert_printed(&held_against_the_document(objects(&robot)), &["listening", "registered"]);
    let refused = offhook(&["answer", "--json", "--account", &device, "--password", "wrong"]);
    assert_eq!(refused.code, Some(6), "{refused:?}");
    assert_printed(&held_against_the_document(refused.stdout.lines()), &["registration_failed"]);
    let asked = message.stdout.lines().chain(refused.stdout.lines());
    held_against_the_document(objects(&kept).chain(objects(&robot)).chain(asked))
}

/// A registrar by hand grants two seconds and refuses the refresh for a while.
fn of_a_registrar_in_trouble() -> Printed {
    let registrar = UdpSocket::bind("127.0.0.1:0").unwrap();
    registrar.set_read_timeout(Some(PATIENCE)).unwrap();
    let account = format!("sip:2001@{}", registrar.local_addr().unwrap());
    let mut client = Going::start(&["register", "--json", "--account", &account, "--password", "x"]);
    let answer = |status: &str, lines: &str| {
        let mut buffer = [0; 4_096];
        let (length, from) = registrar.recv_from(&mut buffer).unwrap();
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(request.starts_with("REGISTER "), "{request}");
        let line = |name: &str| request.split("\r\n").find(|line| line.starts_with(&format!("{name}: "))).unwrap();
        let head = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| format!("{}\r\n", line(name))).concat();
        let contact = line("Contact").split(';').next().unwrap().replace('>', "");
        let contact = if status.starts_with("200") { format!("{contact}>;expires=2\r\n") } else { String::new() };
        let text = format!("SIP/2.0 {status}\r\n{head}{contact}{lines}Content-Length: 0\r\n\r\n");
        registrar.send_to(text.as_bytes(), from).unwrap();
    };
    answer("200 OK", "");
    client.line(r#""event":"registered""#);
    answer("503 Service Unavailable", "Retry-After: 1\r\n");
    // It goes on all the same, until it is told to end.
    client.line(r#""event":"registration_failed""#);
    client.interrupt();
    let (code, lines) = client.end();
    assert_eq!(code, Some(130), "{lines:#?}");
    held_against_the_document(objects(&lines))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().enable_io().build().unwrap()
}

/// A call whose other side holds, goes on, and sends a key and a message.
fn of_a_call() -> Printed {
    let lines = runtime().block_on(async {
        let there = ua::Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
        let target = there.uri("x").unwrap();
        let mut caller = Going::start(&["call", &target, "--sip", "127.0.0.1:0", "--tone", "440", "--json"]);
        let call = there.incoming().await.unwrap().answer().await.unwrap();
        caller.line(r#""event":"heard""#);
        call.hold().await.unwrap();
        caller.line(r#""event":"held""#);
        call.resume().await.unwrap();
        caller.line(r#""event":"resumed""#);
        call.dtmf("5").await.unwrap();
        caller.line(r#""event":"digit""#);
        call.message("x").await.unwrap();
        caller.line(r#""event":"message""#);
        call.hangup().await;
        caller.end().1
    });
    held_against_the_document(objects(&lines))
}

/// A call whose other side falls silent, is heard again, and does not answer the hang-up in the end.
fn of_a_silence() -> Printed {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--echo"]);
    let target = format!("sip:x@127.0.0.1:{}", robot.port());
    let mut caller = Going::start(&["call", &target, "--sip", "127.0.0.1:0", "--tone", "440", "--json"]);
    caller.line(r#""event":"heard""#);
    for again in [true, false] {
        robot.signal(Signal::SIGSTOP);
        caller.line(r#""event":"silence""#);
        if again {
            robot.signal(Signal::SIGCONT);
            caller.line(r#""event":"heard_again""#);
        }
    }
    caller.interrupt();
    held_against_the_document(objects(&caller.end().1))
}

/// A call that is given up while it rings.
fn of_a_ring() -> Printed {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--ring"]);
    let target = format!("sip:x@127.0.0.1:{}", robot.port());
    let mut caller = Going::start(&["call", &target, "--sip", "127.0.0.1:0", "--json"]);
    caller.line(r#""code":180"#);
    caller.interrupt();
    held_against_the_document(objects(&caller.end().1))
}

/// A call that is sent to somebody who is busy, then to another one, in whose place a third comes.
fn of_a_transfer() -> Printed {
    let lines = runtime().block_on(async {
        let there = ua::Endpoint::builder().udp("127.0.0.1:0").allow_transfer().build().await.unwrap();
        let third = ua::Endpoint::builder().udp("127.0.0.1:0").allow_transfer().build().await.unwrap();
        let target = there.uri("x").unwrap();
        let mut caller = Going::start(&["call", &target, "--sip", "127.0.0.1:0", "--allow-transfer", "--json"]);
        let call = there.incoming().await.unwrap().answer().await.unwrap();
        call.transfer(&format!("sip:486@{}", refusals::peer())).await.unwrap();
        caller.line(r#""event":"transfer_failed""#);
        // By the name that it gives itself.
        call.transfer(&third.uri("phone").unwrap()).await.unwrap();
        let second = third.incoming().await.unwrap().answer().await.unwrap();
        caller.line(r#""event":"transferred""#);
        let asking = third.call(there.uri("x").unwrap()).start().await.unwrap();
        let asked = there.incoming().await.unwrap().answer().await.unwrap();
        asking.answer().await.unwrap().transfer_to(&second).await.unwrap();
        let placed = there.referral().await.unwrap().accept().await.unwrap();
        caller.line(r#""event":"replaced""#);
        placed.hangup().await;
        asked.hangup().await;
        caller.end().1
    });
    held_against_the_document(objects(&lines))
}

/// A call to somebody who takes no digits in INFO requests.
fn of_a_refused_digit() -> Printed {
    let there = refusals::answering(|request| match request.split(' ').next() {
        Some("INVITE") => {
            let sdp =
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
            let contact = request.split(' ').nth(1).unwrap();
            let more = format!("Contact: <{contact}>\r\nContent-Type: application/sdp\r\n");
            let length = format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len());
            refusals::answer_with(request, "200", &more).replace("Content-Length: 0\r\n\r\n", &length)
        }
        Some("INFO") => refusals::answer_with(request, "415", ""),
        _ => refusals::answer_with(request, "200", ""),
    });
    let digits = ["--dtmf", "5", "--dtmf-mode", "info", "--for", "2", "--json"];
    let told = offhook(&[&["call", &format!("sip:x@{there}"), "--sip", "127.0.0.1:0"], &digits[..]].concat());
    held_against_the_document(told.stdout.lines())
}

/// A call that tells all there is to tell, at its begin and at its end.
fn of_what_is_told() -> Printed {
    let arguments = ["--ring", "--auto-answer", "--believe", "127.0.0.1", "--calls", "1"];
    let mut robot = Going::start(&[&["answer", "--json", "--sip", "127.0.0.1:0"], &arguments[..]].concat());
    let port = port(&robot.line(r#""transport":"udp""#));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(format!("127.0.0.1:{port}")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let here = socket.local_addr().unwrap();
    let send = |method: &str, number: u32, to: &str, lines: &str, body: &str| {
        let text = format!(
            "{method} sip:r@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: {to}\r\n\
             Call-ID: told\r\nCSeq: {number} {method}\r\nContact: <sip:a@{here}>\r\n{lines}Content-Length: {length}\r\n\r\n{body}",
            length = body.len(),
        );
        socket.send(text.as_bytes()).unwrap();
    };
    let told = "P-Asserted-Identity: <sip:boss@b>\r\nDiversion: <sip:9@b>;reason=no-answer\r\nUser-to-User: 48\r\n\
        History-Info: <sip:9@b?Reason=SIP%3Bcause%3D408>;index=1, <sip:r@127.0.0.1>;index=1.1;mp=1\r\nAlert-Info: <urn:alert:service:normal>\r\nCall-Info: <sip:x>;answer-after=0\r\nAnswer-Mode: Auto\r\n";
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n";
    let described = format!("{told}Content-Type: application/sdp\r\n");
    send("INVITE", 1, "<sip:r@127.0.0.1>", &described, offer);
    let mut buffer = [0; 65_536];
    let to = loop {
        let length = socket.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.starts_with("SIP/2.0 200") {
            break text.lines().find_map(|line| line.strip_prefix("To: ")).unwrap().to_owned();
        }
    };
    send("ACK", 1, &to, "", "");
    send("BYE", 2, &to, "Reason: Q.850;cause=16\r\nWarning: 399 x \"y\"\r\nUser-to-User: 49\r\n", "");
    let (code, lines) = robot.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    let printed = held_against_the_document(objects(&lines));
    assert_printed(&printed, &["ringing", "answered", "ended"]);
    printed
}
