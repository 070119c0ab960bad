//! `serve`, and the verbs that talk to it.

use std::io::{Read, Write};

use crate::run::{Going, offhook, offhook_with};

struct Served {
    going: Going,
    port: u16,
    folder: tempfile::TempDir,
}

impl Served {
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = vec!["serve", "--sip", "127.0.0.1:0", "--state", folder.path().to_str().unwrap()];
        arguments.extend(more);
        let mut going = Going::start(&arguments);
        let port = going.port();
        Self { going, port, folder }
    }

    fn ready(more: &[&str]) -> Self {
        let mut served = Self::start(more);
        served.going.line("ready");
        served
    }

    fn state(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn account(&self, name: &str) -> String {
        format!("sip:{name}@127.0.0.1:{}", self.port)
    }
}

#[test]
fn generated_passwords_are_told_and_kept() {
    let mut first = Served::start(&[]);
    let (one, two) = (first.going.line("user 1001"), first.going.line("user 1002"));
    for extension in ["call 600  echo", "call 601  tone", "call 602  music", "call 610  conference"] {
        first.going.line(extension);
    }
    first.going.line("ready");
    let password = one.rsplit(' ').next().unwrap().to_owned();
    assert!(password.len() >= 12 && !two.ends_with(&password), "{one} {two}");
    let account = first.account("1001");
    let registered = offhook(&["register", "--once", "--account", &account, "--password", &password]);
    assert_eq!(registered.code, Some(0), "{registered:?}");
    first.going.terminate();
    let Served { going, folder, .. } = first;
    let (code, lines) = going.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line == "stopped"), "{lines:#?}");
    let state = folder.path().to_str().unwrap();
    let mut again = Going::start(&["serve", "--sip", "127.0.0.1:0", "--state", state]);
    assert_eq!(again.line("user 1001"), one);
}

#[test]
fn number_alone_calls_the_server_of_this_machine() {
    let served = Served::ready(&[]);
    let environment = [("OFFHOOK_STATE", served.state())];
    let wav = served.folder.path().join("echo.wav");
    let arguments = [
        "call",
        "600",
        "--tone",
        "440",
        "--for",
        "3",
        "--record",
        wav.to_str().unwrap(),
        "--expect-audio",
        "--expect-tone",
        "440",
    ];
    let ended = offhook_with(&arguments, &environment);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("answered") && ended.stdout.contains("recorded"), "{}", ended.stdout);
    let recorded = audio::wav::read(std::fs::File::open(wav).unwrap(), &audio::wav::Limits::default()).unwrap();
    assert!(recorded.samples.len() > 2 * 8_000, "{}", recorded.samples.len());
    // The same with another tone expected must fail.
    let ended = offhook_with(&["call", "601", "--for", "5", "--expect-tone", "1000"], &environment);
    assert_eq!(ended.code, Some(10), "{ended:?}");
    assert!(ended.stderr.contains("--expect-tone 1000: heard for 0.0 s"), "{}", ended.stderr);
}

#[test]
fn refusals_have_their_exit_codes() {
    let served = Served::ready(&["--user", "2001:geheim", "--user", "2002:auch"]);
    let account = served.account("2001");
    let identity = ["--account", account.as_str(), "--password", "geheim"];
    let call = |number: &str, more: &[&str]| {
        let mut arguments = vec!["call", number, "--no-register"];
        arguments.extend(identity);
        arguments.extend(more);
        offhook(&arguments)
    };
    let unknown = call("999", &[]);
    assert_eq!(unknown.code, Some(7), "{unknown:?}");
    assert!(unknown.stderr.contains("404"), "{}", unknown.stderr);
    let absent = call("2002", &[]);
    assert_eq!(absent.code, Some(8), "{absent:?}");
    assert!(absent.stderr.contains("480"), "{}", absent.stderr);
    let wrong = offhook(&["register", "--once", "--account", &account, "--password", "falsch"]);
    assert_eq!(wrong.code, Some(6), "{wrong:?}");
    let json = offhook(&["register", "--json", "--once", "--account", &account, "--password", "falsch"]);
    assert!(json.stdout.contains(r#""exit":6"#) && json.stdout.contains(r#""event":"error""#), "{}", json.stdout);
    let wrong = offhook(&["call", "600", "--account", &account, "--password", "falsch"]);
    assert_eq!(wrong.code, Some(6), "{wrong:?}");
    for arguments in [&["message", "2002", "x"][..], &["call", "600", "--no-register"]] {
        let wrong = offhook(&[arguments, &["--account", &account, "--password", "falsch"]].concat());
        assert_eq!(wrong.code, Some(6), "{wrong:?}");
        assert!(
            wrong.stderr.contains(&format!("(403): check user name and password of the account {account}")),
            "{wrong:?}"
        );
    }
}

#[test]
fn state_that_cannot_be_kept_is_no_fault_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("passwords.new")).unwrap();
    let ended = offhook(&["serve", "--sip", "127.0.0.1:0", "--state", folder.path().to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("passwords: ") && ended.stderr.contains("another state directory"),
        "{}",
        ended.stderr
    );
}

#[test]
fn options_and_status_tell_of_the_server() {
    let served = Served::ready(&["--user", "2001:geheim"]);
    let asked = offhook(&["options", &format!("127.0.0.1:{}", served.port)]);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert!(asked.stdout.contains("200 OK") && asked.stdout.contains("INVITE"), "{}", asked.stdout);
    let account = served.account("2001");
    let mut device = Going::start(&["register", "--account", &account, "--password", "geheim"]);
    device.line("registered");
    let status = offhook(&["status", "--json", "--state", served.state()]);
    let value: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((value["v"].as_u64(), value["registrations"].as_u64()), (Some(1), Some(1)), "{value}");
    let text = offhook(&["status", "--state", served.state()]);
    assert!(text.stdout.contains("user 2001  sip:2001@"), "{}", text.stdout);
    device.interrupt();
    let (code, lines) = device.end();
    assert_eq!(code, Some(130), "{lines:#?}");
    assert!(lines.iter().any(|line| line == "unregistered"), "{lines:#?}");
    let text = offhook(&["status", "--state", served.state()]);
    assert!(text.stdout.contains("user 2001  not registered"), "{}", text.stdout);
}

#[test]
fn password_that_is_missing_is_asked_for_and_not_called_wrong() {
    let served = Served::ready(&["--user", "2001:geheim"]);
    let account = served.account("2001");
    for verb in [&["register", "--once"][..], &["call", "600", "--no-register"], &["message", "2001", "x"]] {
        let ended = offhook(&[verb, &["--account", &account]].concat());
        assert_eq!(ended.code, Some(6), "{ended:?}");
        assert!(ended.stderr.contains("a password is wanted: give --password @FILE"), "{}", ended.stderr);
    }
    // A number alone at a server whose users were given.
    let ended = offhook_with(&["call", "600"], &[("OFFHOOK_STATE", served.state())]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let mend = format!("passwords of their own: give --account {account} --password @FILE");
    assert!(ended.stderr.contains(&mend), "{}", ended.stderr);
}

#[test]
fn nobody_there_is_said_in_words() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let account = format!("sip:1001@{free}");
    for verb in [&["register", "--once"][..], &["options", &account]] {
        let ended = offhook(&[verb, &["--account", &account, "--password", "x"]].concat());
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.stderr.contains("nobody listens there, or no way leads there"), "{}", ended.stderr);
    }
}

#[test]
fn proxy_that_cannot_be_reached_is_named_rather_than_the_registrar() {
    let hole = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let account = format!("sip:1001@{}", hole.local_addr().unwrap());
    let identity = ["--account", account.as_str(), "--password", "x", "--proxy", "nonsense.invalid"];
    for verb in
        [&["register", "--once"][..], &["options", "sip:x@127.0.0.1"], &["call", "sip:x@127.0.0.1", "--no-register"]]
    {
        let ended = offhook(&[verb, &identity].concat());
        assert_eq!(ended.code, Some(4), "{ended:?}");
        let told = &ended.stderr;
        assert!(told.contains("cannot reach the proxy sip:nonsense.invalid") && !told.contains("registrar"), "{told}");
    }
}

#[test]
fn passwords_of_an_earlier_run_are_not_used_for_users_that_were_given() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let environment = [("OFFHOOK_STATE", state)];
    let arguments = ["serve", "--sip", "127.0.0.1:0", "--state", state];
    let mut earlier = Going::start(&arguments);
    earlier.line("ready");
    assert_eq!(offhook_with(&["call", "600", "--for", "1"], &environment).code, Some(0), "its passwords are used");
    earlier.interrupt();
    earlier.end();
    assert!(folder.path().join("passwords").exists());
    let mut server = Going::start(&[&arguments[..], &["--user", "1001:geheim"]].concat());
    let port = server.port();
    server.line("ready");
    let ended = offhook_with(&["call", "600"], &environment);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains(&format!("--account sip:1001@127.0.0.1:{port}")), "{}", ended.stderr);
}

#[test]
fn every_message_is_shown_when_asked_for_twice_and_no_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut server = Going::start(&["-vv", "serve", "--sip", "127.0.0.1:0", "--state", state, "--user", "2001:geheim"]);
    let account = format!("sip:2001@127.0.0.1:{}", server.port());
    server.line("ready");
    let arguments = ["register", "--once", "--account", &account, "--password", "geheim"];
    let quiet = offhook(&[&arguments[..], &["-v"]].concat());
    assert_eq!(quiet.code, Some(0), "{quiet:?}");
    assert!(!quiet.stderr.contains("REGISTER sip:"), "{}", quiet.stderr);
    let told = offhook(&[&arguments[..], &["-vv"]].concat());
    assert_eq!(told.code, Some(0), "{told:?}");
    let without_proof = |text: &str| {
        assert!(text.matches("response=").count() > 0, "{text}");
        assert_eq!(text.matches("response=").count(), text.matches("response=\"(cut)\"").count(), "{text}");
    };
    for part in ["sent to UDP", "REGISTER sip:", "received from UDP", "SIP/2.0 200", "Authorization: Digest username="]
    {
        assert!(told.stderr.contains(part), "{part}: {}", told.stderr);
    }
    without_proof(&told.stderr);
    server.line("REGISTER sip:");
    server.line("Authorization: Digest username=");
    server.line("SIP/2.0 200");
    without_proof(&server.seen().join("\n"));
}

#[test]
fn nobody_to_ask_is_exit_4() {
    let folder = tempfile::tempdir().unwrap();
    let ended = offhook(&["status", "--state", folder.path().to_str().unwrap()]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("--state"), "{}", ended.stderr);
}

/// What HTTP answers there.
fn get(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(crate::run::PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_and_health_are_read_over_http() {
    let mut served = Served::start(&["--http", "127.0.0.1:0", "--user", "2001:geheim"]);
    let line = served.going.line("metrics at http://");
    let url = line.strip_prefix("metrics at ").unwrap();
    served.going.line("ready");
    let health = get(url, "/healthz");
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    let active = |count: u64| {
        let metrics = get(url, "/metrics");
        let line = format!("\noffhook_registrations_active {count}\n");
        assert!(
            metrics.starts_with("HTTP/1.1 200 ") && metrics.replace("\r\n", "\n").contains(&line),
            "{line}: {metrics}"
        );
    };
    active(0);
    let account = served.account("2001");
    let mut device = Going::start(&["register", "--account", &account, "--password", "geheim"]);
    device.line("registered");
    active(1);
    let other = get(url, "/other");
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
}

#[test]
fn passwords_leave_the_list_of_processes() {
    let served = Served::ready(&["--user", "2001:geheim"]);
    let listed = std::fs::read(format!("/proc/{}/cmdline", served.going.id())).unwrap();
    let listed = String::from_utf8_lossy(&listed).replace('\0', " ");
    assert!(listed.contains("--user 2001:@/proc/self/fd/") && !listed.contains("geheim"), "{listed}");
    let path = served.folder.path().join("secret");
    std::fs::write(&path, "geheim\n").unwrap();
    let file = format!("@{}", path.display());
    let ended = offhook(&["register", "--once", "--account", &served.account("2001"), "--password", &file]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn port_in_use_is_told_with_what_mends_it() {
    let served = Served::ready(&[]);
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", served.port);
    let ended = offhook(&["serve", "--sip", &address, "--state", folder.path().to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&address) && ended.stderr.contains("choose another port"), "{}", ended.stderr);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "a start that failed leaves nothing behind: {left:?}");
}

#[test]
fn message_to_a_user_reaches_its_device() {
    let served = Served::ready(&["--user", "2001:geheim"]);
    let account = served.account("2001");
    let identity = ["--account", account.as_str(), "--password", "geheim"];
    let mut arguments = vec!["message", "2001", "hello"];
    arguments.extend(identity);
    assert_eq!(offhook(&arguments).code, Some(8), "nobody is registered");
    let mut device = vec!["register"];
    device.extend(identity);
    let mut device = Going::start(&device);
    device.line("registered");
    let ended = offhook(&arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    device.line("hello");
}

#[test]
fn what_the_server_is_for_which_domain_is_told_at_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roles.toml");
    std::fs::write(&file, "[roles]\n'a.example' = 'proxy'\n'b.example' = 'edge'\n").unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let of_domains = ["role proxy  for a.example", "role edge  for b.example"];
    for (more, all, is_pbx) in [
        (&config[..], [&of_domains[..], &["role pbx  for all others"]].concat(), true),
        (
            &[&config[..], &["--role", "redirect"]].concat(),
            [&of_domains[..], &["role redirect  for all others"]].concat(),
            false,
        ),
        (&["--role", "proxy"], vec!["role proxy"], false),
        (&[], Vec::new(), true),
    ] {
        let served = Served::ready(more);
        let seen = served.going.seen();
        let roles: Vec<&str> = seen.iter().map(String::as_str).filter(|line| line.starts_with("role ")).collect();
        assert_eq!(roles, all, "{more:?}");
        assert_eq!(seen.iter().any(|line| line == "call 600  echo"), is_pbx, "{more:?}: {seen:?}");
    }
}

/// Two of our own telephones through the proxy: one waits, the other calls it and hears itself.
#[test]
fn rfc3261_16_2_phones_talk_to_each_other_through_the_proxy() {
    let users = ["--user", "1001:secret1", "--user", "1002:secret2"];
    for (role, code) in [("proxy", 0), ("redirect", 7), ("registrar", 7)] {
        let served = Served::ready(&[&["--role", role], &users[..]].concat());
        let (caller, callee) = (served.account("1001"), served.account("1002"));
        let waits = ["answer", "--echo", "--sip", "127.0.0.1:0", "--account", &callee, "--password", "secret2"];
        let mut robot = Going::start(&waits);
        robot.line("registered");
        let calls = ["call", &callee, "--account", &caller, "--password", "secret1", "--sip", "127.0.0.1:0"];
        let hears = ["--tone", "440", "--for", "5", "--expect-tone", "440"];
        let ended = offhook(&[&calls[..], &hears[..]].concat());
        assert_eq!(ended.code, Some(code), "{role}: {ended:?}");
        robot.interrupt();
        robot.end();
    }
}
