//! TLS with programs nobody here wrote: OpenSSL's `s_client` and `s_server`, baresip, Kamailio. Each with somebody who is not to be trusted.

use std::path::{Path, PathBuf};
use std::process::Command;

use sip::digest::{Client, Credential, Credentials};
use ua::Endpoint;
use ua::tls::{Clients, OwnCertificate, TlsServer};

use super::baresip::Baresip;
use super::kamailio::Kamailio;
use super::located::await_listener;
use crate::program::offhook::{self, Server, USERS};
use crate::program::sound::seconds_of;
use crate::program::{PATIENCE, Program, free_port};

/// A PBX that listens over TLS as well, and where.
pub(super) fn serve(arguments: &[&str]) -> (Server, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let server = offhook::serve(&[&USERS[..], &["--tls", &address], arguments].concat());
    (server, address)
}

/// The certificate it has made.
pub(super) fn certificate(server: &Server) -> PathBuf {
    server.state.path().join("state/tls/certificate.pem")
}

/// A certificate for these names made by OpenSSL as it makes them unless told otherwise, with its key: `certificate.pem`, `key.pem`.
pub(crate) fn made_by_openssl(folder: &Path, names: &str) {
    made_with(folder, names, &[]);
}

pub(crate) fn made_with(folder: &Path, names: &str, more: &[&str]) {
    let names = format!("subjectAltName={names}");
    let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem";
    let certificate = "-days 2 -subj /CN=test -out certificate.pem";
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(key.split(' ')).args(certificate.split(' '));
    command.args(["-addext", &names]).args(more);
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// OpenSSL's client, which says this once it has shaken hands and trusts that file.
pub(super) fn s_client(address: &str, trusted: &Path, said: &str, version: &str) -> Program {
    let folder = tempfile::tempdir().unwrap().keep();
    let file = folder.join("said");
    std::fs::write(&file, said).unwrap();
    let script = format!(
        "exec openssl s_client -connect {address} {version} -CAfile {} -verify_return_error -verify_ip 127.0.0.1 -quiet < {}",
        trusted.display(),
        file.display()
    );
    Program::start(Command::new("sh").args(["-c", &script]))
}

pub(super) fn options(branch: &str) -> String {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK{branch};rport\r\nFrom: <sip:s@client>;tag=s\r\n\
         To: <sip:127.0.0.1>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn openssl_gets_an_answer_by_both_versions_and_none_with_another_certificate() {
    let (mut server, address) = serve(&[]);
    let (other, _) = serve(&[]);
    for version in ["-tls1_2", "-tls1_3"] {
        let mut client = s_client(&address, &certificate(&server), &options("x"), version);
        client.wait_for("SIP/2.0 200 OK");
        client.wait_for("Via: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKx");
        let refused = s_client(&address, &certificate(&other), &options("y"), version);
        let (code, output) = refused.finish();
        assert!(code != 0 && output.contains("verify error") && !output.contains("SIP/2.0"), "{version}: {output}");
    }
    // What is printed is what OpenSSL reckons.
    let mut reckon = Command::new("openssl");
    reckon.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(certificate(&server));
    let reckoned = String::from_utf8(reckon.output().unwrap().stdout).unwrap();
    let fingerprint = reckoned.trim().split_once('=').unwrap().1;
    assert!(server.program.output().contains(fingerprint), "{reckoned}");
}

#[test]
fn certificate_is_read_again_on_sighup_and_the_connection_that_stands_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    made_by_openssl(folder.path(), "IP:127.0.0.1");
    let file = |name: &str| folder.path().join(name);
    let (given, key) = (file("certificate.pem"), file("key.pem"));
    let (mut server, address) = serve(&["--tls-cert", given.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    let first = file("first.pem");
    std::fs::copy(&given, &first).unwrap();
    let ask = |trusted: &Path| {
        let ended =
            offhook::start(&["options", &format!("sips:{address}"), "--tls-ca", trusted.to_str().unwrap()]).finish();
        ended.0
    };
    assert_eq!(ask(&first), 0);
    // A phone that stays registered over the whole of it.
    let account = format!("sips:1001@{address}");
    let trusted = first.to_str().unwrap();
    let mut phone =
        offhook::start(&["answer", "--account", &account, "--password", "secret1", "--tls-ca", trusted, "--echo"]);
    phone.wait_for("registered");
    // What cannot be used changes nothing.
    std::fs::write(&given, "nothing").unwrap();
    server.program.signal("HUP");
    server.program.wait_for("the old certificate is shown on");
    assert_eq!(ask(&first), 0);
    made_by_openssl(folder.path(), "IP:127.0.0.1");
    let before = server.program.output().matches("SHA-256").count();
    server.program.signal("HUP");
    server.program.wait_until(|output| output.matches("SHA-256").count() > before);
    assert_eq!((ask(&given), ask(&first)), (0, 5));
    // Its connection is from before.
    let caller = format!("sip:1002@{}", server.address);
    let call =
        ["call", "1001", "--account", &caller, "--password", "secret2", "--no-register", "--tone", "440", "--for", "3"];
    let (code, output) = offhook::start(&[&call[..], &["--expect-tone", "440"]].concat()).finish();
    assert_eq!(code, 0, "{output}\n{}", phone.output());
    assert!(!phone.output().contains("failed"), "{}", phone.output());
}

#[test]
fn server_of_another_name_is_told_and_not_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    made_by_openssl(folder.path(), "DNS:wrong.example,DNS:*.example.com");
    let port = free_port().to_string();
    let mut command = Command::new("openssl");
    command.current_dir(folder.path()).args([
        "s_server",
        "-accept",
        &port,
        "-cert",
        "certificate.pem",
        "-key",
        "key.pem",
    ]);
    let mut server = Program::start_waiting(&mut command);
    server.wait_for("ACCEPT");
    let certificate = folder.path().join("certificate.pem");
    let trusted = ["--tls-ca", certificate.to_str().unwrap()];
    let uri = format!("sips:127.0.0.1:{port}");
    for verb in [
        &["options", &uri][..],
        &["message", &uri, "secret"],
        &["call", &uri],
        &["register", "--once", "--account", "sips:1001@127.0.0.1", "--password", "x", "--proxy", &uri],
    ] {
        let (code, output) = offhook::start(&[verb, &trusted].concat()).finish();
        assert_eq!(code, 5, "{verb:?}: {output}");
        assert!(output.contains("expected 127.0.0.1, found wrong.example, *.example.com"), "{verb:?}: {output}");
    }
    let (code, output) = offhook::start(&["options", &uri]).finish();
    assert!(code == 5 && output.contains("--tls-ca"), "{code} {output}");
    assert!(!server.output().contains("SIP/2.0"), "{}", server.output());
}

/// OpenSSL's server with the certificate of a folder, for clients that show that of another. What comes it prints, and what it is told it sends.
pub(crate) fn s_server(own: &Path, clients: &Path, version: &str) -> (Program, u16) {
    let port = free_port();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-crlf", "-Verify", "1", "-verify_return_error", version]);
    command.args(["-accept", &format!("127.0.0.1:{port}")]).arg("-CAfile").arg(clients.join("certificate.pem"));
    command.arg("-cert").arg(own.join("certificate.pem")).arg("-key").arg(own.join("key.pem"));
    let server = Program::start_waiting(&mut command);
    await_listener(port);
    (server, port)
}

#[test]
fn rfc5922_7_4_openssl_that_wants_a_certificate_of_clients_gets_ours() {
    let folders = ["IP:127.0.0.1", "DNS:phone.example", "DNS:phone.example"].map(|names| {
        let folder = tempfile::tempdir().unwrap();
        made_by_openssl(folder.path(), names);
        folder
    });
    let [theirs, ours, stranger] = &folders;
    let repeated = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "];
    for version in ["-tls1_2", "-tls1_3"] {
        let (mut server, port) = s_server(theirs.path(), ours.path(), version);
        let ask = |own: Option<&tempfile::TempDir>| {
            let file = |folder: &tempfile::TempDir, name: &str| folder.path().join(name).to_str().unwrap().to_owned();
            let mut arguments = vec!["options".to_owned(), format!("sips:127.0.0.1:{port}"), "--tls-ca".to_owned()];
            arguments.push(file(theirs, "certificate.pem"));
            if let Some(own) = own {
                arguments.extend(["--tls-cert".to_owned(), file(own, "certificate.pem")]);
                arguments.extend(["--tls-key".to_owned(), file(own, "key.pem")]);
            }
            offhook::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let asked = ask(Some(ours));
        server.wait_until(|seen| ["Content-Length: "].iter().chain(&repeated).all(|name| seen.contains(name)));
        let request = server.output();
        server.say("SIP/2.0 200 OK");
        for line in request.lines().filter(|line| repeated.iter().any(|name| line.starts_with(name))) {
            server.say(line);
        }
        server.say("Content-Length: 0");
        server.say("");
        let (code, output) = asked.finish();
        assert!(code == 0 && output.contains(": 200 OK after"), "{version}: {code} {output}");
        // The controls: none, and that of somebody else. Nothing is said to who hangs up on us.
        for own in [None, Some(stranger)] {
            let (code, output) = ask(own).finish();
            assert_ne!(code, 0, "{version}: {output}");
            assert_eq!(server.output().matches("OPTIONS sips:").count(), 1, "{version}: {}", server.output());
        }
    }
}

/// baresip as 1001 over TLS, with these lines in its configuration. Its version 1.0 looks at no certificate of a server.
fn baresip(address: &str, settings: &str) -> Baresip {
    let account =
        format!("<sip:1001@{address};transport=tls>;auth_user=1001;auth_pass=secret1;regint=300;answermode=auto");
    Baresip::with_settings(&account, 1000, settings)
}

#[test]
fn baresip_registers_with_a_certificate_where_one_is_required_and_not_without() {
    let folder = tempfile::tempdir().unwrap();
    made_with(folder.path(), "DNS:phone.example", &["-addext", "basicConstraints=critical,CA:FALSE"]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let both = folder.path().join("both.pem");
    std::fs::write(&both, read("certificate.pem") + &read("key.pem")).unwrap();
    let file = folder.path().join("certificate.pem");
    let text = format!("[tls]\nclient_ca = \"{}\"\nclient_required = true\n", file.display());
    let configuration = offhook::configuration(&text);
    let settings = ["--config", configuration.path().to_str().unwrap(), "--log-level", "net=debug"];
    let (mut server, address) = serve(&settings);
    let mut stranger = baresip(&address, "");
    server.program.wait_for("no TLS with who connected");
    assert_eq!(server.status()["users"][0]["contacts"].as_array().map(Vec::len), Some(0));
    assert!(!stranger.has_printed("[1 binding]"));
    stranger.stop();
    let mut phone = baresip(&address, &format!("sip_certificate {}\n", both.display()));
    phone.wait_for_line("[1 binding]");
    phone.stop();
}

#[test]
fn baresip_registers_over_tls_calls_the_echo_and_is_called() {
    let (server, address) = serve(&[]);
    let mut phone = baresip(&address, &format!("sip_cafile {}\n", certificate(&server).display()));
    phone.wait_for_line("[1 binding]");
    let contact = server.status()["users"][0]["contacts"][0].to_string();
    assert!(contact.contains("tls"), "{contact}");
    phone.command("dial", &format!("sip:600@{address};transport=tls"));
    phone.wait_for("CALL_ESTABLISHED");
    phone.talk();
    phone.command("hangup", "");
    phone.wait_for("CALL_CLOSED");
    let heard = seconds_of(&phone.recording(), 1000.0);
    assert!(heard >= 3.0, "its own 1000 Hz came back for {heard} s");
    // From a phone without TLS: by the connection that baresip has made.
    let caller = format!("sip:1002@{}", server.address);
    let call = ["call", "1001", "--account", &caller, "--password", "secret2", "--no-register", "--for", "5"];
    let (code, output) = offhook::start(&[&call[..], &["--tone", "440", "--expect-tone", "1000"]].concat()).finish();
    assert_eq!(code, 0, "{output}");
    phone.wait_for("CALL_CLOSED");
    let heard = seconds_of(&phone.recording(), 440.0);
    assert!(heard >= 3.0, "440 Hz of ours for {heard} s");
    // Hung up by the server: its BYE goes by that connection as well, for nobody else would get it.
    phone.command("dial", &format!("sip:600@{address};transport=tls"));
    phone.wait_for("CALL_ESTABLISHED");
    let (code, output) = server.program.stop("TERM");
    assert_eq!(code, 0, "{output}");
    phone.wait_for("CALL_CLOSED");
    phone.stop();
}

#[test]
fn a_number_alone_is_called_over_tls_where_the_account_says_so_or_the_option() {
    let (server, address) = serve(&[]);
    let trusted = certificate(&server);
    let plain = format!("sip:1001@{address}");
    for (account, more) in
        [(format!("sips:1001@{address}"), vec![]), (format!("{plain};transport=tls"), vec![]), (plain, vec!["--tls"])]
    {
        let identity = ["--account", &account, "--password", "secret1", "--tls-ca", trusted.to_str().unwrap()];
        let call = ["call", "600", "--no-register", "--tone", "440", "--for", "3", "--expect-tone", "440"];
        let (code, output) = offhook::start(&[&call[..], &identity, &more].concat()).finish();
        assert_eq!(code, 0, "{account}: {output}");
    }
    // What cannot be had over TLS is not called at all.
    for target in ["600", "sip:600@127.0.0.1;transport=udp"] {
        let (code, output) = offhook::start(&["call", target, "--tls"]).finish();
        assert!(code == 2 && output.contains("--tls: "), "{code} {output}");
    }
}

#[test]
fn baresip_calls_a_robot_that_listens_over_tls_and_openssl_trusts_it_by_its_certificate() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&folder, &other] {
        made_by_openssl(folder.path(), "IP:127.0.0.1");
    }
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let address = format!("127.0.0.1:{}", free_port());
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let (mut robot, _) = offhook::answer(&[&["--echo", "--tls", &address][..], &files].concat());
    robot.wait_for(&format!("listening on tls {address}"));
    let mut client = s_client(&address, &certificate, &options("robot"), "-tls1_3");
    client.wait_for("SIP/2.0 200 OK");
    let (code, output) = s_client(&address, &other.path().join("certificate.pem"), &options("x"), "-tls1_3").finish();
    assert!(code != 0 && output.contains("verify error") && !output.contains("SIP/2.0"), "{output}");
    let account = "<sip:b@127.0.0.1;transport=tls>;regint=0";
    let mut phone = Baresip::with_settings(account, 1000, &format!("sip_cafile {}\n", certificate.display()));
    phone.command("dial", &format!("sip:robot@{address};transport=tls"));
    phone.wait_for("CALL_ESTABLISHED");
    phone.talk();
    phone.command("hangup", "");
    phone.wait_for("CALL_CLOSED");
    let heard = seconds_of(&phone.recording(), 1000.0);
    assert!(heard >= 3.0, "its own 1000 Hz came back for {heard} s");
    phone.stop();
    // Without a certificate there is nothing to show.
    let (code, output) = offhook::start(&["answer", "--tls", &address]).finish();
    assert!(code == 2 && output.contains("--tls-cert"), "{code} {output}");
}

#[test]
fn baresip_calls_a_program_with_the_library_that_listens_over_tls() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&folder, &other] {
        made_by_openssl(folder.path(), "IP:127.0.0.1");
    }
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let shown = TlsServer::new(OwnCertificate::read(&certificate, &key).unwrap(), &Clients::Unasked).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let builder = Endpoint::builder().media_ports(20_000..=29_999).tls("127.0.0.1:0", shown);
    let endpoint = runtime.block_on(builder.build()).unwrap();
    let (address, uri) = (endpoint.bound()[0].address.to_string(), endpoint.uri("library").unwrap());
    assert_eq!(uri, format!("sip:library@{address};transport=tls"));
    // Who trusts another certificate says nothing.
    let (code, output) = s_client(&address, &other.path().join("certificate.pem"), &options("x"), "-tls1_3").finish();
    assert!(code != 0 && output.contains("verify error") && !output.contains("SIP/2.0"), "{output}");
    let account = "<sip:b@127.0.0.1;transport=tls>;regint=0";
    let mut phone = Baresip::with_settings(account, 1000, &format!("sip_cafile {}\n", certificate.display()));
    phone.command("dial", &uri);
    let call = runtime.block_on(async {
        let incoming = tokio::time::timeout(PATIENCE, endpoint.incoming()).await.unwrap().unwrap();
        let call = incoming.answer().await.unwrap();
        call.audio().echo(true).await.unwrap();
        call
    });
    phone.wait_for("CALL_ESTABLISHED");
    phone.talk();
    phone.command("hangup", "");
    phone.wait_for("CALL_CLOSED");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, call.ended()).await }).expect("its BYE came");
    let heard = seconds_of(&phone.recording(), 1000.0);
    assert!(heard >= 3.0, "its own 1000 Hz came back for {heard} s");
    phone.stop();
}

#[test]
fn our_phone_registers_and_calls_through_kamailio_over_tls_and_only_where_the_name_is_right() {
    let folder = tempfile::tempdir().unwrap();
    made_by_openssl(folder.path(), "URI:sip:127.0.0.1,DNS:elsewhere.example");
    let (mut kamailio, address) = Kamailio::start_secured(folder.path());
    let file = folder.path().join("certificate.pem");
    let trusted = ["--tls-ca", file.to_str().unwrap()];
    let register = |domain: &str, transport: &str| {
        let account = format!("sip:1001@{domain}{transport}");
        let verb = ["register", "--once", "--account", &account, "--password", "secret1001"];
        offhook::start(&[&verb[..], &trusted].concat()).finish()
    };
    let (code, output) = register(&address, ";transport=tls");
    assert_eq!(code, 0, "{output}");
    kamailio.wait_for("registered 1001 by tls");
    // The same server by a name that the certificate is not for.
    let (code, output) = register(&address.replace("127.0.0.1", "localhost"), ";transport=tls");
    assert_eq!(code, 5, "{output}");
    assert!(output.contains("expected localhost, found 127.0.0.1"), "{output}");

    // A call over it: its dialog comes back on the connection that we made.
    let phone =
        format!("<sip:1002@{}>;auth_user=1002;auth_pass=secret1002;regint=300;answermode=auto", kamailio.address);
    let mut phone = Baresip::start(&phone, 1000);
    phone.wait_for_line("[1 binding]");
    let account = format!("sip:1001@{address};transport=tls");
    let call = ["call", "1002", "--account", &account, "--password", "secret1001", "--tone", "440", "--for", "5"];
    let (code, output) = offhook::start(&[&call[..], &["--expect-tone", "1000"], &trusted].concat()).finish();
    assert_eq!(code, 0, "{output}");
    phone.wait_for("CALL_CLOSED");
    let heard = seconds_of(&phone.recording(), 440.0);
    assert!(heard >= 3.0, "440 Hz for {heard} s there");
    // Hung up there: we listen nowhere over TLS, so that comes back on the connection that we made.
    let call = ["call", "1002", "--account", &account, "--password", "secret1001", "--for", "60"];
    let mut caller = offhook::start(&[&call[..], &trusted].concat());
    caller.wait_for("answered");
    phone.wait_for("CALL_ESTABLISHED");
    phone.command("hangup", "");
    let (code, output) = caller.finish();
    assert!(code == 0 && output.contains("ended by peer"), "{code} {output}");
    phone.stop();
}

#[test]
fn who_is_called_by_sips_and_registered_without_is_not_called_in_the_clear() {
    let (server, address) = serve(&[]);
    let registrar = format!("sip:1001@{}", server.address);
    let mut robot =
        offhook::start(&["answer", "--account", &registrar, "--password", "secret1", "--sip", "127.0.0.1:0"]);
    robot.wait_for("registered");
    let file = certificate(&server);
    let call = |scheme: &str| {
        let target = format!("{scheme}:1001@{address}");
        let account = format!("sips:1002@{address}");
        let verb = ["call", &target, "--account", &account, "--password", "secret2", "--for", "1"];
        offhook::start(&[&verb[..], &["--tls-ca", file.to_str().unwrap()]].concat()).finish()
    };
    let (code, output) = call("sips");
    assert_eq!(code, 8, "{output}");
    assert!(!robot.output().contains("answered"), "{}", robot.output());
    // Who wants to know no better gets through, and is warned.
    let (code, output) = offhook::start(&["options", &format!("sips:{address}"), "--tls-insecure"]).finish();
    assert!(code == 0 && output.contains("WARN") && output.contains("certificates are not looked at"), "{output}");
    // By sip it is.
    let target = format!("sip:1001@{address};transport=tls");
    let account = format!("sip:1002@{address};transport=tls");
    let verb = ["call", &target, "--account", &account, "--password", "secret2", "--for", "1"];
    let (code, output) = offhook::start(&[&verb[..], &["--tls-ca", file.to_str().unwrap()]].concat()).finish();
    assert_eq!(code, 0, "{output}");
    robot.wait_for("answered");
}

/// A request of 1002 about himself over TLS. The line feed that comes behind it, as behind all that is said to a program, is its last octet.
fn about_himself((method, package): (&str, &str), number: u32, lines: &str, body: &str) -> String {
    let length = if body.is_empty() { 0 } else { body.len() + 1 };
    let text = format!(
        "{method} sips:1002@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK{method}{package}{number};rport\r\n\
         From: <sips:1002@127.0.0.1>;tag=s\r\nTo: <sips:1002@127.0.0.1>\r\nCall-ID: {method}{package}\r\nCSeq: {number} {method}\r\n\
         Max-Forwards: 70\r\nContact: <sips:1002@127.0.0.1:9>\r\nEvent: {package}\r\nExpires: 600\r\n\
         {lines}Content-Length: {length}\r\n\r\n{body}"
    );
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

/// OpenSSL's client sends such a request, and once more with what answers the challenge.
fn asks(server: &str, trusted: &Path, own: &[&str], what: (&str, &str), body: &str) -> Program {
    let lines = if body.is_empty() { "" } else { "Content-Type: application/pidf+xml\r\n" };
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", server, "-CAfile"]).arg(trusted);
    command.args(["-verify_return_error", "-verify_ip", "127.0.0.1", "-quiet"]).args(own);
    let mut client = Program::start_waiting(&mut command);
    client.say(&about_himself(what, 1, lines, body));
    let challenge = client.wait_for("WWW-Authenticate: ");
    let challenge = challenge.split_once(": ").unwrap().1;
    let mut credentials = Credentials::new();
    credentials.add(Credential::password(None, "1002", "secret2").unwrap());
    let mut digest = Client::new(credentials);
    digest.take_challenges(std::iter::once((false, challenge.as_bytes()))).unwrap();
    let sent = if body.is_empty() { String::new() } else { format!("{body}\n") };
    let signed = digest.lines_for(what.0, "sips:1002@127.0.0.1", sent.as_bytes(), 7);
    let signed: String = signed.iter().map(|(_, value)| format!("Authorization: {value}\r\n")).collect();
    client.say(&about_himself(what, 2, &format!("{lines}{signed}"), body));
    client
}

/// RFC 3903 sections 14.4 and 14.5, RFC 3857 section 6.2, RFC 3856 section 9.2: one side shows a certificate, or both, and all is addressed by sips.
#[test]
fn openssl_publishes_and_watches_over_tls_with_a_certificate_of_its_own_and_without() {
    let folder = tempfile::tempdir().unwrap();
    made_with(folder.path(), "DNS:phone.example", &["-addext", "basicConstraints=critical,CA:FALSE"]);
    let file = |name: &str| folder.path().join(name).display().to_string();
    let text = format!("[tls]\nclient_ca = \"{}\"\nclient_required = true\n", file("certificate.pem"));
    let configuration = offhook::configuration(&text);
    let (certificate_file, key) = (file("certificate.pem"), file("key.pem"));
    let mutual = ["-cert", &certificate_file, "-key", &key];
    let none: [&str; 0] = [];
    for own in [&none[..], &mutual[..]] {
        let settings = ["--config", configuration.path().to_str().unwrap()];
        let (server, address) = serve(if own.is_empty() { &none[..] } else { &settings[..] });
        let trusted = certificate(&server);
        let body = "<presence entity='sips:1002@127.0.0.1'><tuple id='a'><status><basic>open</basic></status><note>by TLS</note></tuple></presence>";
        let mut published = asks(&address, &trusted, own, ("PUBLISH", "presence"), body);
        published.wait_for("SIP-ETag: ");
        // What it watches comes back on its connection.
        for (package, told) in [("presence", "by TLS"), ("presence.winfo", "<watcherinfo")] {
            let mut watching = asks(&address, &trusted, own, ("SUBSCRIBE", package), "");
            watching.wait_for("NOTIFY sips:1002@127.0.0.1:9");
            watching.wait_for(told);
        }
        // The control: where both have to show one, who has none is told nothing.
        let mut stranger = s_client(&address, &trusted, &options("x"), "-tls1_2");
        if own.is_empty() {
            stranger.wait_for("SIP/2.0 200 OK");
        } else {
            let (_, output) = stranger.finish();
            assert!(!output.contains("SIP/2.0"), "{output}");
        }
    }
}
