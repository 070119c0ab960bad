//! Command lines and configurations that cannot be understood, and what is printed without doing anything.

use crate::run::{offhook, offhook_with};

#[test]
fn help_version_and_completions_are_no_errors() {
    for arguments in [&["--help"][..], &["help", "call"], &["--version"], &["call", "--version"]] {
        let ended = offhook(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        assert!(!ended.stdout.is_empty() && ended.stderr.is_empty(), "{ended:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let ended = offhook(&["completions", shell]);
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("offhook") && ended.stdout.contains("expect-tone"), "{shell}");
    }
}

#[test]
fn completions_that_cannot_be_written_are_an_error_and_no_panic() {
    let full = std::fs::File::create("/dev/full").expect("/dev/full");
    let command = &mut std::process::Command::new(env!("CARGO_BIN_EXE_offhook"));
    let ended = command.args(["completions", "bash"]).stdout(full).output().expect("offhook runs");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("cannot be written"), "{ended:?}");
}

#[test]
fn output_that_cannot_be_written_ends_with_1() {
    for arguments in [&["check", "/dev/null"][..], &["check", "/dev/null", "--json"]] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let command = &mut std::process::Command::new(env!("CARGO_BIN_EXE_offhook"));
        let ended = command.args(arguments).stdout(full).output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("the output cannot be written"), "{ended:?}");
    }
    assert_eq!(offhook(&["check", "/dev/null"]).code, Some(0));
}

#[test]
fn what_cannot_be_understood_ends_with_2_and_says_what_was_expected() {
    let not_there = "is not there yet; udp, tcp, tls, ws and wss are";
    let cases: [(&[&str], &str); 36] = [
        (&["--log-level", "net=loud=1", "check"], "log filter net=loud=1"),
        (&[], "Usage"),
        (&["dial"], "unrecognized subcommand 'dial'"),
        (&["call"], "<TARGET>"),
        (&["call", "600", "--pley", "x.wav"], "--play"),
        (&["answer", "--reject", "200"], "300..700"),
        (&["answer", "--sip", "5060"], "--sip"),
        (&["serve", "--http", "9115"], "expected ADDRESS:PORT, as in 127.0.0.1:5060"),
        (&["call", "x@127.0.0.1", "--sip", "localhost:5060"], "expected ADDRESS:PORT"),
        (&["call", "x@127.0.0.1", "--for", "1.5"], "expected whole seconds"),
        (&["options", "::1"], "address \"sip:::1\": byte 4: expected a host"),
        (
            &["register", "--account", "1@127.0.0.1", "--password", "@/dev/null"],
            "/dev/null: expected a password in the first line",
        ),
        (&["answer", "--calls", "0"], "0 is not in 1.."),
        (&["answer", "--tone", "50000"], "50000 is not in 1..4000"),
        (&["call", "x@127.0.0.1", "--tone", "0"], "0 is not in 1..4000"),
        (&["call", "x@127.0.0.1", "--ring-for", "0"], "0 is not in 1..=86400"),
        (&["register", "--expires", "0"], "0 is not in 1.."),
        (&["register"], "--account sip:1001@"),
        (&["options", "x@127.0.0.1", "--password", "@/dev/null"], "needs --account"),
        (&["call", "x@127.0.0.1", "--account", "127.0.0.1"], "expected a user"),
        (&["call", "x@127.0.0.1", "--dtmf", "12x"], "'x' is no digit"),
        (&["call", "x@127.0.0.1", "--expect-tone", "5000"], "5000 Hz"),
        (
            &["register", "--account", "sip:x@127.0.0.1;transport=SCTP"],
            "--account: address \"sip:x@127.0.0.1;transport=SCTP\": the transport \"sctp\"",
        ),
        (&["register", "--account", "sips:x@127.0.0.1;transport=udp"], "there is none over UDP"),
        (&["register", "--account", "sip:x@127.0.0.1", "--proxy", "sip:127.0.0.1;transport=sctp"], not_there),
        (&["answer", "--account", "sip:x@127.0.0.1;transport=sctp"], not_there),
        (&["call", "sip:x@127.0.0.1;transport=sctp"], not_there),
        (&["options", "sips:127.0.0.1;transport=sctp"], not_there),
        (&["call", "sips:x@127.0.0.1", "--tls-cert", "cert.pem"], "--tls-key"),
        (&["register", "--account", "sip:x@127.0.0.1", "--ws", "http://127.0.0.1"], "--ws: address"),
        (&["register", "--account", "sip:x@127.0.0.1", "--ws", "ws://h", "--proxy", "sip:p"], "cannot be used with"),
        (&["options", "sip:x@127.0.0.1", "--ws", "ws://127.0.0.1"], "--account"),
        (&["call", "sips:x@127.0.0.1", "--tls-ca", "ca.pem", "--tls-insecure"], "cannot be used with"),
        (&["serve", "--tls", "5061"], "expected ADDRESS:PORT"),
        (&["message", "sip:x@127.0.0.1;transport=sctp", "x"], "the transport \"sctp\""),
        (&["serve", "--user", "1001", "--state", "/nonexistent"], "NAME:PASSWORD"),
    ];
    for (arguments, expected) in cases {
        let ended = offhook(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}: expected {expected:?} in {}", ended.stderr);
    }
}

#[test]
fn number_without_account_or_server_says_what_is_missing() {
    let ended = offhook(&["call", "600"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("--account") && ended.stderr.contains("offhook serve"), "{}", ended.stderr);
    // A host, though it has no dot.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ended = offhook(&["options", "localhost", "--proxy", &format!("sip:127.0.0.1:{port}")]);
    assert!(!ended.stderr.contains("--account"), "{}", ended.stderr);
    // So is any name that is asked what it can do, and whoever calls one is told how it is written.
    let ended = offhook(&["options", "pbx", "--proxy", &format!("sip:127.0.0.1:{port}")]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("sip:pbx") && !ended.stderr.contains("--account"), "{}", ended.stderr);
    let ended = offhook(&["options", "600"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("offhook serve"), "{ended:?}");
    let ended = offhook(&["call", "pbx"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("a host is written as sip:pbx"), "{ended:?}");
}

#[test]
fn check_tells_line_column_and_mend_with_exit_3() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    std::fs::write(&path, "realm = \"home\"\n[limits]\n  cals = 5\n").unwrap();
    let file = path.to_str().unwrap();
    let ended = offhook(&["check", file]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains(&format!("{file}:3:3: unknown key")), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean") && ended.stderr.contains("calls"), "{}", ended.stderr);
    let served = offhook(&["serve", "--config", file, "--state", folder.path().to_str().unwrap()]);
    assert_eq!((served.code, served.stderr), (Some(3), ended.stderr));
    let json = offhook(&["check", file, "--json"]);
    assert!(json.stdout.contains(r#""exit":3"#) && json.stdout.contains(r#""v":1"#), "{}", json.stdout);
    assert_eq!(offhook(&["check", "/nonexistent.toml"]).code, Some(3));
    std::fs::write(&path, "realm = \"home\"\n[users.1001]\npassword = \"x\"\n").unwrap();
    let ended = offhook(&["check", file]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("good; 1 user"), "{}", ended.stdout);
}

#[test]
fn check_reads_password_files_and_tells_which_line_names_a_bad_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (path, secret) = (folder.path().join("a.toml"), folder.path().join("1001.password"));
    let (file, named) = (path.to_str().unwrap(), secret.display());
    std::fs::write(&path, format!("realm = \"home\"\n[users.1001]\npassword_file = \"{named}\"\n")).unwrap();
    let check = |expected: Option<&str>| {
        let ended = offhook(&["check", file]);
        let Some(expected) = expected else { return assert_eq!(ended.code, Some(0), "{ended:?}") };
        assert_eq!(ended.code, Some(3), "{ended:?}");
        let place = format!("{file}:3:17: `users.1001.password_file`: found \"{named}\", expected a file");
        assert!(ended.stderr.contains(&place) && ended.stderr.contains(expected), "{}", ended.stderr);
    };
    check(Some("that is there; make it, with the password in its first line, or name another"));
    std::fs::create_dir(&secret).unwrap();
    check(Some("that can be read (Is a directory (os error 21)); give this user the right to it, or name another"));
    std::fs::remove_dir(&secret).unwrap();
    std::fs::write(&secret, "\nsecond line\n").unwrap();
    check(Some("with a password in its first line"));
    std::fs::write(&secret, "very-secret\n").unwrap();
    for (mode, expected) in
        [(0o644, Some("`chmod o-rwx ")), (0o602, Some("`chmod o-rwx ")), (0o640, None), (0o600, None)]
    {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        check(expected);
    }
    // A file beside is read as strictly, and `serve` tells the same of what it cannot do without.
    std::fs::remove_file(&secret).unwrap();
    let served = offhook(&["serve", "--config", file, "--state", folder.path().to_str().unwrap()]);
    assert_eq!((served.code, served.stderr), (Some(3), offhook(&["check", file]).stderr));
}

#[test]
fn example_configuration_is_good() {
    let example = format!("{}/../../examples/offhook.toml", env!("CARGO_MANIFEST_DIR"));
    let ended = offhook(&["check", &example]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("udp:0.0.0.0:5060"), "{}", ended.stdout);
}

#[test]
fn settings_that_apply_are_printed_without_secrets_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, beside) = (folder.path().join("a.toml"), folder.path().join("conf.d"));
    std::fs::create_dir(&beside).unwrap();
    std::fs::write(&path, "realm = \"home\"\nring_secs = 9\n[users.1001]\npassword = \"${OFFHOOK_HUSH}\"\n").unwrap();
    std::fs::write(beside.join("b.toml"), "realm = \"beside\"\n").unwrap();
    let file = path.to_str().unwrap();
    let environment = [("OFFHOOK_HUSH", "very-secret")];
    let ended = offhook_with(&["check", file, "--print-effective"], &environment);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in ["realm = \"beside\"", "ring_secs = 9", "password = \"(not shown)\"", "calls = 1000"] {
        assert!(ended.stdout.lines().any(|printed| printed == line), "{line}: {}", ended.stdout);
    }
    assert!(!format!("{ended:?}").contains("very-secret"));
    let printed = folder.path().join("printed.toml");
    std::fs::remove_dir_all(&beside).unwrap();
    std::fs::write(&printed, &ended.stdout).unwrap();
    let again = offhook(&["check", printed.to_str().unwrap(), "--print-effective"]);
    let settings = |text: &str| text.split_once("\n\n").map(|(_, settings)| settings.to_owned());
    assert_eq!(settings(&again.stdout), settings(&ended.stdout));
    let missing = offhook(&["check", file]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
    assert!(
        missing.stderr.contains(":4:12: `${OFFHOOK_HUSH}`: the environment has no OFFHOOK_HUSH"),
        "{}",
        missing.stderr
    );
}

#[test]
fn certificates_that_cannot_be_used_are_told_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let state = state.to_str().unwrap();
    let serve = ["serve", "--sip", "127.0.0.1:0", "--tls", "127.0.0.1:0", "--state", state];
    let cases: [(&[&str], &str); 4] = [
        (&["--tls-cert", "/nonexistent/own.pem", "--tls-key", "/dev/null"], "/nonexistent/own.pem: "),
        (&["--tls-cert", "/dev/null", "--tls-key", "/dev/null"], "/dev/null: expected a certificate in PEM"),
        (&["--tls-ca", "/nonexistent/ca.pem"], "/nonexistent/ca.pem: "),
        (&["--tls-ca", "/dev/null"], "/dev/null: expected a certificate in PEM"),
    ];
    for (given, expected) in cases {
        let verb: &[&str] = if given[0] == "--tls-ca" { &["options", "sips:127.0.0.1"] } else { &serve };
        let ended = offhook(&[verb, given].concat());
        assert_eq!(ended.code, Some(3), "{given:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{given:?}: {}", ended.stderr);
    }
}
