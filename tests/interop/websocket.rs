//! SIP over WebSocket with JsSIP, a telephone for browsers that nobody here wrote, run by Node.js, and our own verbs, through `serve` and Kamailio; each time with somebody who
//! must fail.

use std::path::Path;
use std::process::Command;

use super::kamailio::Kamailio;
use super::tls::made_by_openssl;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{Program, free_port};

/// A PBX that listens on a WebSocket as well, plain or secure, and its URL.
fn serve(scheme: &str, arguments: &[&str]) -> (Server, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let option = format!("--{scheme}");
    let server = offhook::serve(&[&USERS[..], &[&option, &address], arguments].concat());
    (server, format!("{scheme}://{address}"))
}

/// JsSIP as this user of the PBX.
pub(super) fn jssip(server: &Server, url: &str, user: &str, password: &str) -> Program {
    jssip_with(server, url, user, password, |_| {})
}

fn jssip_with(server: &Server, url: &str, user: &str, password: &str, change: impl FnOnce(&mut Command)) -> Program {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/jssip");
    let mut command = Command::new("node");
    command.current_dir(folder).args(["client.mjs", url, &format!("sip:{user}@{}", server.address), password]);
    change(&mut command);
    Program::start_waiting(&mut command)
}

/// `offhook message` from 1002, over UDP: its exit code and output.
fn message(server: &Server, text: &str) -> (i32, String) {
    let (to, from) = (format!("sip:1001@{}", server.address), format!("sip:1002@{}", server.address));
    offhook::start(&["message", &to, text, "--account", &from, "--password", "secret2"]).finish()
}

#[test]
fn jssip_registers_with_digest_and_messages_go_both_ways_and_with_another_password_nothing_does() {
    let (server, url) = serve("ws", &[]);
    let mut alice = jssip(&server, &url, "1001", "secret1");
    alice.wait_for("connected, speaking sip");
    let registered = alice.wait_for("registered as");
    assert!(registered.contains(".invalid;transport=ws"), "{registered}");
    let mut bob = jssip(&server, &url, "1002", "secret2");
    bob.wait_for("registered as");
    alice.say(&format!("message sip:1002@{} good morning", server.address));
    bob.wait_for("message from 1001: good morning");
    alice.wait_for("message answered 200");
    let via = bob.wait_for("via ");
    assert!(via.starts_with("via SIP/2.0/WS 127.0.0.1:"), "{via}");
    bob.say(&format!("message sip:1001@{} äöü ☎", server.address));
    alice.wait_for("message from 1002: äöü ☎");
    // From another transport.
    let (code, output) = message(&server, "over UDP");
    assert_eq!(code, 0, "{output}");
    alice.wait_for("message from 1002: over UDP");
    alice.say("ping");
    alice.wait_for("pong");
    alice.say("quit");
    alice.wait_for("unregistered");
    // Nobody with a wrong password is registered, nor does he hear or say anything.
    let mut mallory = jssip(&server, &url, "1001", "wrong");
    mallory.wait_for("not registered: 403");
    mallory.say(&format!("message sip:1002@{} who am I", server.address));
    mallory.wait_for("message refused 403");
    let (code, output) = message(&server, "for nobody");
    assert_eq!(code, 8, "{output}");
    assert!(!mallory.output().contains("message from"), "{}", mallory.output());
    assert!(!bob.output().contains("who am I"), "{}", bob.output());
}

#[test]
fn rfc7118_5_whose_connection_is_gone_is_reached_no_more_until_it_registers_on_another() {
    let (server, url) = serve("ws", &["--log-level", "debug"]);
    let mut first = jssip(&server, &url, "1001", "secret1");
    first.wait_for("registered as");
    assert_eq!(message(&server, "one").0, 0);
    first.wait_for("message from 1002: one");
    // No good-bye: its binding stays.
    first.stop("KILL");
    let (code, output) = message(&server, "two");
    assert_eq!(code, 8, "{output}");
    let mut second = jssip(&server, &url, "1001", "secret1");
    second.wait_for("registered as");
    assert_eq!(message(&server, "three").0, 0);
    second.wait_for("message from 1002: three");
}

#[test]
fn over_tls_jssip_speaks_to_the_server_whose_certificate_it_knows_and_to_no_other() {
    let (server, url) = serve("wss", &[]);
    let certificate = std::fs::read_to_string(server.state.path().join("state/tls/certificate.pem")).unwrap();
    let mut alice = jssip_with(&server, &url, "1001", "secret1", |command| {
        command.env("CA", &certificate);
    });
    alice.wait_for("registered as");
    assert_eq!(message(&server, "sealed").0, 0);
    let via = alice.wait_for("via ");
    assert!(via.starts_with("via SIP/2.0/WSS 127.0.0.1:"), "{via}");
    alice.wait_for("message from 1002: sealed");
    let mut careful = jssip(&server, &url, "1001", "secret1");
    careful.wait_for("error self-signed certificate");
    assert!(!careful.output().contains("registered as"), "{}", careful.output());
}

#[test]
fn rfc6455_10_2_a_page_of_an_origin_that_is_not_listed_does_not_get_in() {
    let file = offhook::configuration("[websocket]\norigins = [\"https://phone.example.com\"]\n");
    let (server, url) = serve("ws", &["--config", file.path().to_str().unwrap()]);
    let from = |origin: &str| {
        jssip_with(&server, &url, "1001", "secret1", |command| {
            command.env("ORIGIN", origin);
        })
    };
    from("https://phone.example.com").wait_for("registered as");
    from("https://evil.example").wait_for("handshake 403");
}

#[test]
fn verbs_speak_through_a_websocket_and_not_with_who_is_no_server_of_one() {
    let (server, url) = serve("ws", &[]);
    let account = |user: &str| format!("sip:{user}@{}", server.address);
    let (one, two) = (account("1001"), account("1002"));
    let by = |first: &[&str], url: &str| {
        offhook::start(&[first, &["--account", &two, "--password", "secret2", "--ws", url]].concat()).finish()
    };
    // Reached on the WebSocket that it has opened itself.
    let mut robot = offhook::start(&["answer", "--account", &one, "--password", "secret1", "--ws", &url, "--echo"]);
    robot.wait_for("registered");
    let heard = ["--tone", "440", "--for", "4", "--expect-tone", "440"];
    let (code, output) = by(&[&["call", "1001"], &heard[..]].concat(), &url);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("ended by caller");
    let mut jssip = jssip(&server, &url, "1001", "secret1");
    jssip.wait_for("registered as");
    for (verb, expected) in [
        (&["register", "--once"][..], "registered sip:1002@"),
        (&["options", &account("600")], "200 OK"),
        (&["message", &one, "from a program"], "200 OK"),
    ] {
        let (code, output) = by(verb, &url);
        assert!(code == 0 && output.contains(expected), "{verb:?}: {code} {output}");
    }
    jssip.wait_for("message from 1002: from a program");
    jssip.wait_for("via SIP/2.0/WS");
    // That port speaks SIP, but no HTTP.
    let (code, output) = by(&["message", &one, "lost"], &format!("ws://{}", server.address));
    assert!(code == 4 && output.contains("handshake of a WebSocket"), "{code} {output}");
    assert!(!jssip.output().contains("lost"), "{}", jssip.output());
    // Addresses may say so themselves.
    let (code, output) = offhook::start(&["options", &format!("sip:{};transport=ws", &url["ws://".len()..])]).finish();
    assert!(code == 0 && output.contains("200 OK"), "{code} {output}");
}

#[test]
fn rfc7118_9_1_verbs_speak_to_nobody_but_the_server_whose_certificate_is_trusted() {
    let (server, url) = serve("wss", &[]);
    let account = format!("sip:1002@{}", server.address);
    let call =
        ["call", "600", "--account", &account, "--password", "secret2", "--ws", &url, "--tone", "440", "--for", "4"];
    let certificate = server.state.path().join("state/tls/certificate.pem");
    let trusted = ["--tls-ca", certificate.to_str().unwrap(), "--expect-tone", "440"];
    let (code, output) = offhook::start(&[&call[..], &trusted].concat()).finish();
    assert_eq!(code, 0, "{output}");
    let (code, output) = offhook::start(&call).finish();
    assert!(code == 5 && output.contains("nobody we trust"), "{code} {output}");
}

#[test]
fn call_by_the_websocket_of_kamailio_is_heard_and_without_the_password_nobody_is_registered() {
    let (mut kamailio, url) = Kamailio::start_web();
    let account = |user: &str| format!("sip:{user}@{}", kamailio.address);
    let (one, two) = (account("1001"), account("1002"));
    let by = |user: &'_ str, password: &'_ str| {
        ["--account", user, "--password", password, "--ws", &url].map(str::to_owned).to_vec()
    };
    let run = |words: &[&str], who: Vec<String>| {
        let who: Vec<&str> = who.iter().map(String::as_str).collect();
        offhook::start(&[words, &who].concat())
    };
    let mut robot = run(&["answer", "--echo"], by(&two, "secret1002"));
    robot.wait_for("registered");
    kamailio.wait_for("registered 1002 by ws");
    let call = ["call", &two, "--tone", "440", "--for", "4", "--expect-tone", "440"];
    let (code, output) = run(&call, by(&one, "secret1001")).finish();
    assert_eq!(code, 0, "{output}\n{}", robot.output());
    robot.wait_for("ended by caller");
    let (code, output) = run(&["register", "--once"], by(&one, "wrong")).finish();
    assert_eq!(code, 6, "{output}");
}

#[test]
fn rfc7118_9_1_a_call_by_the_secure_websocket_of_kamailio_is_heard_and_who_does_not_trust_it_says_nothing() {
    let [folder, stranger] = ["IP:127.0.0.1", "IP:127.0.0.1"].map(|names| {
        let folder = tempfile::tempdir().unwrap();
        made_by_openssl(folder.path(), names);
        folder
    });
    let (mut kamailio, url) = Kamailio::start_secured_web(folder.path());
    let domain = kamailio.address.clone();
    let run = |words: &[&str], user: &str, (url, trusted): (&str, &Path)| {
        let (account, password) = (format!("sip:{user}@{domain}"), format!("secret{user}"));
        let file = trusted.join("certificate.pem");
        let identity =
            ["--account", &account, "--password", &password, "--ws", url, "--tls-ca", file.to_str().unwrap()];
        offhook::start(&[words, &identity].concat())
    };
    let trusts = (url.as_str(), folder.path());
    // The controls: another authority, and the same server by a name that its certificate is not for.
    for (url, trusted) in [(&url, &stranger), (&url.replace("127.0.0.1", "localhost"), &folder)] {
        let (code, output) = run(&["register", "--once"], "1002", (url, trusted.path())).finish();
        assert_eq!(code, 5, "{url}: {output}");
    }
    assert!(!kamailio.output().contains("registered 100"), "{}", kamailio.output());
    let mut robot = run(&["answer", "--echo"], "1002", trusts);
    robot.wait_for("registered");
    kamailio.wait_for("registered 1002 by wss");
    let target = format!("sip:1002@{domain}");
    let call = ["call", &target, "--tone", "440", "--for", "4", "--expect-tone", "440"];
    let (code, output) = run(&call, "1001", trusts).finish();
    assert_eq!(code, 0, "{output}\n{}", robot.output());
    robot.wait_for("ended by caller");
}
