//! Our phone at a Kamailio of its own: registers with it, and calls baresip through it.

use std::process::Command;

use super::baresip::Baresip;
use crate::program::sound::seconds_of;
use crate::program::{Program, free_port, offhook};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/kamailio/home.cfg");
const PRESENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/kamailio/presence.cfg");
const EDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/kamailio/edge.cfg");
/// Where Debian puts the tables of `db_text`.
const TABLES: &str = "/usr/share/kamailio/dbtext/kamailio";

/// A registrar and proxy where every user's password is `secret` and his number.
pub(super) struct Kamailio {
    program: Program,
    pub(super) address: String,
    _run: tempfile::TempDir,
}

impl Kamailio {
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One that listens over TLS as well, with `certificate.pem` and `key.pem` of this folder; and where.
    pub(super) fn start_secured(folder: &std::path::Path) -> (Self, String) {
        Self::start_secured_as(folder, &[])
    }

    /// The same, which passes on what is for others, along connections that their makers say it may go back by.
    pub(super) fn start_with_aliases(folder: &std::path::Path) -> (Self, String) {
        Self::start_secured_as(folder, &["OPEN", "ALIASES"].map(str::to_owned))
    }

    fn start_secured_as(folder: &std::path::Path, more: &[String]) -> (Self, String) {
        let port = free_port();
        let file = |name: &str, file: &str| format!("{name}=\"{}\"", folder.join(file).display());
        let given = [format!("TLSPORT={port}"), file("CERTIFICATE", "certificate.pem"), file("KEY", "key.pem")];
        (Self::start_with(&[&given[..], more].concat()), format!("127.0.0.1:{port}"))
    }

    /// One that passes on what is for others, and asks nobody who calls for a password.
    pub(super) fn start_open() -> Self {
        Self::start_with(&["OPEN".to_owned()])
    }

    /// One that reaches phones by the Path that they registered with.
    pub(super) fn start_with_paths() -> Self {
        Self::start_with(&["PATHS".to_owned()])
    }

    /// One that tells who registers the way of his calls.
    pub(super) fn start_with_service_route() -> Self {
        Self::start_with(&["SERVICEROUTE".to_owned()])
    }

    /// An edge for phones whose home is elsewhere.
    pub(super) fn start_edge() -> Self {
        Self::run(EDGE, tempfile::tempdir().unwrap(), free_port(), &[])
    }

    /// One that listens on a WebSocket as well, and its URL.
    pub(super) fn start_web() -> (Self, String) {
        let port = free_port();
        (Self::start_with(&[format!("WSPORT={port}")]), format!("ws://127.0.0.1:{port}"))
    }

    /// One that listens on a secure WebSocket as well, with `certificate.pem` and `key.pem` of this folder; and its URL.
    pub(super) fn start_secured_web(folder: &std::path::Path) -> (Self, String) {
        let (kamailio, address) = Self::start_secured_as(folder, &[format!("WSPORT={}", free_port())]);
        (kamailio, format!("wss://{address}"))
    }

    /// One that asks who registers to keep his flow up by a ping each two seconds (RFC 5626).
    pub(super) fn start_with_flows() -> Self {
        Self::start_with(&["FLOWS".to_owned()])
    }

    /// A presence server, where every user's password is `secret` and his number.
    pub(super) fn start_presence() -> Self {
        Self::start_presence_as(&[], "")
    }

    /// One that is a registrar as well, and tells of registrations.
    pub(super) fn start_reg() -> Self {
        Self::start_presence_as(&["REGISTRAR".to_owned()], "")
    }

    /// One that is a resource list server as well: 1001's list `friends` has this user on it.
    pub(super) fn start_lists(friend: &str) -> Self {
        let list = format!(
            "<rls-services xmlns=\"urn:ietf:params:xml:ns:rls-services\" xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\">\
             <service uri=\"sip:friends@127.0.0.1\"><list name=\"friends\"><rl:entry uri=\"sip:{friend}@127.0.0.1\"/></list>\
             <packages><package>presence</package></packages></service></rls-services>"
        );
        // id, username, domain, doc, doc_type (8: rls-services), etag, source, doc_uri, port.
        let row = format!("1:1001:127.0.0.1:{}:8:a:0:index:0\n", list.replace(':', "\\:"));
        Self::start_presence_as(&["LISTS".to_owned()], &row)
    }

    /// With this row in its table of documents.
    fn start_presence_as(more: &[String], row: &str) -> Self {
        let (run, port) = (tempfile::tempdir().unwrap(), free_port());
        let tables = run.path().join("tables");
        std::fs::create_dir(&tables).unwrap();
        for table in std::fs::read_dir(TABLES).unwrap() {
            let table = table.unwrap().path();
            std::fs::copy(&table, tables.join(table.file_name().unwrap())).unwrap();
        }
        let documents = tables.join("xcap");
        let columns = std::fs::read_to_string(&documents).unwrap();
        std::fs::write(&documents, format!("{columns}{row}")).unwrap();
        let given = [format!("SERVER=\"sip:127.0.0.1:{port}\""), format!("TABLES=\"text://{}\"", tables.display())];
        Self::run(PRESENCE, run, port, &[&given[..], more].concat())
    }

    fn start_with(more: &[String]) -> Self {
        Self::run(CONFIGURATION, tempfile::tempdir().unwrap(), free_port(), more)
    }

    fn run(configuration: &str, run: tempfile::TempDir, port: u16, more: &[String]) -> Self {
        let (directory, pid) = (run.path().display().to_string(), run.path().join("pid").display().to_string());
        let define = format!("SIPPORT={port}");
        let arguments =
            ["-f", configuration, "-DD", "-E", "-m", "64", "-M", "8", "-Y", &directory, "-P", &pid, "-A", &define];
        let more = more.iter().flat_map(|define| ["-A", define.as_str()]);
        let program = Program::start(Command::new("kamailio").args(arguments).args(more));
        let address = format!("127.0.0.1:{port}");
        let kamailio = Self { program, address, _run: run };
        kamailio.wait_until_it_answers();
        kamailio
    }

    /// Waits for a line that it logs.
    pub(super) fn wait_for(&mut self, text: &str) -> String {
        self.program.wait_for(text)
    }

    /// All that it has logged so far.
    pub(super) fn output(&mut self) -> String {
        self.program.output()
    }

    /// It prints nothing when it is ready: asked until it answers.
    fn wait_until_it_answers(&self) {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        let (local, address) = (socket.local_addr().unwrap(), &self.address);
        let end = std::time::Instant::now() + crate::program::PATIENCE;
        let mut number = 0;
        loop {
            number += 1;
            let ask = format!(
                "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKup{number};rport\r\nFrom: <sip:t@{local}>;tag=t\r\n\
                 To: <sip:{address}>\r\nCall-ID: up{number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\nContent-Length: 0\r\n\r\n"
            );
            // Nobody listens yet: the next try tells.
            let _ = socket.send_to(ask.as_bytes(), address);
            if socket.recv(&mut [0; 4_096]).is_ok() {
                return;
            }
            assert!(std::time::Instant::now() < end, "Kamailio does not answer at {address}");
        }
    }
}

impl Drop for Kamailio {
    /// Asks it to end, so that its children go too, also when a test fails.
    fn drop(&mut self) {
        self.program.signal("TERM");
        let end = std::time::Instant::now() + crate::program::PATIENCE;
        while self.program.is_alive() && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
    }
}

#[test]
fn our_phone_registers_with_kamailio_by_digest() {
    let mut kamailio = Kamailio::start();
    let account = format!("sip:1001@{}", kamailio.address);
    let register = |password: &str| {
        offhook::start(&["register", "--account", &account, "--password", password, "--once", "--sip", "127.0.0.1:0"])
            .finish()
    };
    let (code, output) = register("secret1002");
    assert_eq!(code, 6, "{output}");
    assert!(!kamailio.program.output().contains("registered 1001"));
    let (code, output) = register("secret1001");
    assert_eq!(code, 0, "{output}");
    kamailio.program.wait_for("registered 1001");
}

/// 1001 (ours, 440 Hz) calls 1002 (baresip, 1000 Hz) and expects to hear a tone: exit code, what baresip heard of 440 Hz and we of 1000 Hz.
fn call(expected: &str) -> (i32, f64, f64) {
    let kamailio = Kamailio::start();
    let address = &kamailio.address;
    let phone = format!("<sip:1002@{address}>;auth_user=1002;auth_pass=secret1002;regint=300;answermode=auto");
    let mut phone = Baresip::start(&phone, 1000);
    phone.wait_for_line("[1 binding]");
    let directory = tempfile::tempdir().unwrap();
    let (file, account) = (directory.path().join("heard.wav"), format!("sip:1001@{address}"));
    let identity = ["--account", &account, "--password", "secret1001", "--sip", "127.0.0.1:0"];
    let sound = ["--tone", "440", "--record", file.to_str().unwrap(), "--for", "8", "--expect-tone", expected];
    let (code, output) = offhook::start(&[&["call", "1002"], &identity[..], &sound[..]].concat()).finish();
    phone.wait_for("CALL_CLOSED");
    let heard = (code, seconds_of(&phone.recording(), 440.0), seconds_of(&file, 1000.0));
    // However busy the machine is, what has been sent has come.
    assert!(output.contains(", lost 0,"), "{output}");
    assert!(seconds_of(&phone.recording(), 1000.0) < 0.2 && seconds_of(&file, 440.0) < 0.2, "its own tone\n{output}");
    phone.stop();
    heard
}

#[test]
fn our_phone_calls_baresip_through_kamailio_and_both_hear() {
    let (code, there, here) = call("1000");
    assert_eq!(code, 0);
    assert!(there >= 3.0 && here >= 3.0, "440 Hz for {there} s there, 1000 Hz for {here} s here");
}

#[test]
fn call_through_kamailio_where_another_tone_is_expected_fails() {
    let (code, _, here) = call("700");
    assert_eq!(code, 10, "1000 Hz for {here} s");
}

#[test]
fn rfc5626_3_5_a_registrar_that_is_gone_is_noticed_by_who_keeps_asking() {
    let kamailio = Kamailio::start();
    let account = format!("sip:1001@{}", kamailio.address);
    let register = ["register", "--account", &account, "--password", "secret1001"];
    let mut kept = offhook::start(&[&register[..], &["--keep-alive", "1", "--log-level", "wire=debug"]].concat());
    let mut other = offhook::start(&register);
    kept.wait_for("registered sip:1001@");
    other.wait_for("registered sip:1001@");
    // Asked and answered, more than once.
    kept.wait_until(|told| told.matches("OPTIONS sip:").count() >= 3 && told.matches("CSeq: 2 OPTIONS").count() >= 2);
    assert!(!kept.output().contains("not registered"), "{}", kept.output());
    drop(kamailio);
    kept.wait_for("not registered: ");
    assert!(!other.output().contains("not registered"), "nobody has told it: {}", other.output());
    kept.stop("INT");
    other.stop("INT");
}
