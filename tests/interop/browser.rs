//! SIP over WebSocket from a page in Chromium, where JsSIP, a telephone for browsers that nobody here wrote, speaks to `serve`.

use std::path::Path;
use std::process::Command;

use crate::program::offhook::{self, Server, USERS};
use crate::program::{Program, free_port};

/// A PBX that takes WebSockets from pages of this port alone, and its URL.
fn serve(page: u16) -> (Server, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let file = offhook::configuration(&format!("[websocket]\norigins = [\"http://127.0.0.1:{page}\"]\n"));
    let options = ["--ws", &address, "--config", file.path().to_str().unwrap()];
    (offhook::serve(&[&USERS[..], &options].concat()), format!("ws://{address}"))
}

/// A page of this port with JsSIP as this user.
fn page(server: &Server, url: &str, who: (&str, &str), port: u16) -> Program {
    page_that_trusts("", server, url, who, port)
}

/// The same in a browser that takes certificates with a public key of this hash.
fn page_that_trusts(hash: &str, server: &Server, url: &str, (user, password): (&str, &str), port: u16) -> Program {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/jssip");
    let address = format!("sip:{user}@{}", server.address);
    let mut command = Command::new("node");
    command.current_dir(folder).args(["browser.mjs", url, &address, password, &port.to_string()]);
    command.env("TMPDIR", server.state.path()).env("TRUSTED", hash);
    let mut page = Program::start_waiting(&mut command);
    page.wait_for("Chrome");
    page
}

#[test]
fn rfc7118_page_in_chromium_registers_and_messages_go_both_ways() {
    let port = free_port();
    let (server, url) = serve(port);
    let mut alice = page(&server, &url, ("1001", "secret1"), port);
    alice.wait_for("connected, speaking sip");
    let registered = alice.wait_for("registered as");
    assert!(registered.contains(".invalid;transport=ws"), "{registered}");
    let (one, two) = (format!("sip:1001@{}", server.address), format!("sip:1002@{}", server.address));
    let mut robot = offhook::start(&["answer", "--account", &two, "--password", "secret2"]);
    robot.wait_for("registered");
    alice.say(&format!("message {two} grüße ☎"));
    robot.wait_for("grüße ☎");
    alice.wait_for("message answered 200");
    let by = |text: &str| offhook::start(&["message", &one, text, "--account", &two, "--password", "secret2"]).finish();
    let (code, output) = by("from a program, ☎ äöü");
    assert_eq!(code, 0, "{output}");
    alice.wait_for("message from 1002: from a program, ☎ äöü");
    alice.say("quit");
    alice.wait_for("unregistered");
    let (code, output) = by("nobody is there");
    assert_eq!(code, 8, "{output}");
}

/// The controls: the same page with another password, and from an origin that the server does not name.
#[test]
fn page_in_chromium_with_another_password_or_of_another_origin_is_not_let_in() {
    let (listed, other) = (free_port(), free_port());
    let (server, url) = serve(listed);
    let mut mallory = page(&server, &url, ("1001", "wrong"), listed);
    mallory.wait_for("not registered: 403");
    mallory.say(&format!("message sip:1002@{} who am I", server.address));
    mallory.wait_for("message refused 403");
    let mut stranger = page(&server, &url, ("1001", "secret1"), other);
    stranger.wait_for("Unexpected response code: 403");
    assert!(!stranger.output().contains("connected, speaking"), "{}", stranger.output());
}

/// SHA-256 of the public key of a certificate, in base 64, as OpenSSL reckons it.
fn hash_of_key(certificate: &Path) -> String {
    let key = "openssl x509 -noout -pubkey -in \"$0\" | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64";
    let reckoned = Command::new("sh").args(["-c", key]).arg(certificate).output().unwrap();
    let hash = String::from_utf8(reckoned.stdout).unwrap().trim().to_owned();
    assert_eq!(hash.len(), 44, "{hash}");
    hash
}

#[test]
fn rfc7118_9_1_page_in_chromium_speaks_over_tls_to_the_server_that_it_trusts_and_to_no_other() {
    let port = free_port();
    let address = format!("127.0.0.1:{}", free_port());
    let server = offhook::serve(&[&USERS[..], &["--wss", &address]].concat());
    let url = format!("wss://{address}");
    let hash = hash_of_key(&server.state.path().join("state/tls/certificate.pem"));
    let mut alice = page_that_trusts(&hash, &server, &url, ("1001", "secret1"), port);
    alice.wait_for("registered as");
    let (one, two) = (format!("sip:1001@{}", server.address), format!("sip:1002@{}", server.address));
    let by = ["message", &one, "sealed", "--account", &two, "--password", "secret2"];
    let (code, output) = offhook::start(&by).finish();
    assert_eq!(code, 0, "{output}");
    alice.wait_for("via SIP/2.0/WSS");
    alice.wait_for("message from 1002: sealed");
    // The control: to a browser that knows nothing of it, it is nobody.
    let mut careful = page(&server, &url, ("1002", "secret2"), free_port());
    careful.wait_for("disconnected by an error");
    assert!(!careful.output().contains("registered as"), "{}", careful.output());
}
