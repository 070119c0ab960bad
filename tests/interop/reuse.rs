//! One connection over TLS for both directions (RFC 5923) between `offhook serve --role proxy` and OpenSSL, which says SIP by heart, or Kamailio, which believes
//! everybody's `alias`.

use std::path::Path;
use std::process::Command;

use super::kamailio::Kamailio;
use super::tls::{made_by_openssl, made_with, s_server};
use crate::acceptance::wire::Wire;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{Program, free_port};

/// The header fields that an answer repeats.
const REPEATED: [&str; 5] = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "];

/// A certificate for these names, as a peer has it that is no authority.
fn made_for(names: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    made_with(folder.path(), names, &["-addext", "basicConstraints=critical,CA:FALSE"]);
    folder
}

fn file(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// A proxy for our users that listens over TLS and takes the certificates of these peers, of whom it trusts the first two as servers; and where it listens.
fn serve(own: &Path, peers: &[&Path], reuses: bool) -> (Server, String) {
    serve_with(own, peers, reuses, "")
}

/// The same with more in its configuration.
fn serve_with(own: &Path, peers: &[&Path], reuses: bool, more: &str) -> (Server, String) {
    let all: Vec<String> =
        peers.iter().map(|folder| std::fs::read_to_string(folder.join("certificate.pem")).unwrap()).collect();
    std::fs::write(own.join("clients.pem"), all.concat()).unwrap();
    std::fs::write(own.join("servers.pem"), all.into_iter().take(2).collect::<String>()).unwrap();
    let configuration = configured(own, reuses, more);
    let address = format!("127.0.0.1:{}", free_port());
    let settings = ["--config", configuration.path().to_str().unwrap(), "--tls", &address, "--log-level", "wire=debug"];
    (offhook::serve(&[&USERS[..], &settings].concat()), address)
}

/// That proxy's configuration.
fn configured(own: &Path, reuses: bool, more: &str) -> tempfile::NamedTempFile {
    offhook::configuration(&format!(
        "role = \"proxy\"\n{more}[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nclient_ca = \"{}\"\nca = \"{}\"\nreuse_connections = {reuses}\n",
        file(own, "certificate.pem"),
        file(own, "key.pem"),
        file(own, "clients.pem"),
        file(own, "servers.pem")
    ))
}

/// OpenSSL's client at a server with this certificate, and with one of its own where it has one.
fn s_client(address: &str, trusted: &Path, own: Option<&Path>) -> Program {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-crlf", "-verify_return_error", "-connect", address]);
    command.arg("-CAfile").arg(trusted.join("certificate.pem"));
    if let Some(own) = own {
        command.arg("-cert").arg(own.join("certificate.pem")).arg("-key").arg(own.join("key.pem"));
    }
    Program::start_waiting(&mut command)
}

/// Asks for our capabilities, with this in its Via behind the transport.
fn asks(peer: &mut Program, server: &str, via: &str) {
    let request = format!(
        "OPTIONS sip:{server};transport=tls SIP/2.0\nVia: SIP/2.0/TLS {via}\nFrom: <sip:peer@127.0.0.1>;tag=p\nTo: <sip:{server}>\n\
         Call-ID: capabilities\nCSeq: 1 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n"
    );
    peer.say(&request);
    peer.wait_for("SIP/2.0 200 OK");
}

/// 1001 says something to who is reached over TLS there, by the proxy.
fn message(server: &Server, user: &str, place: &str) -> Program {
    let (account, proxy) = (format!("sip:1001@{}", server.address), format!("sip:{};lr", server.address));
    let identity = ["--account", &account, "--password", "secret1", "--proxy", &proxy, "--sip", "127.0.0.1:0"];
    let target = format!("sip:{user}@{place};transport=tls");
    offhook::start(&[&["message", &target, "hello"], &identity[..]].concat())
}

/// The MESSAGE that has come to this peer, as far as its header fields.
fn request(output: &str) -> Option<&str> {
    let begun = output.get(output.find("MESSAGE sip:bob@")?..)?;
    let whole = ["Content-Length: "].iter().chain(&REPEATED).all(|name| begun.contains(name));
    whole.then_some(begun)
}

/// It answers that.
fn takes(peer: &mut Program) -> String {
    takes_saying(peer, "")
}

/// The same; where we say that we hear (RFC 7339) it says this in that place.
fn takes_saying(peer: &mut Program, word: &str) -> String {
    peer.wait_until(|seen| request(seen).is_some());
    let output = peer.output();
    let came = request(&output).unwrap().to_owned();
    peer.say("SIP/2.0 200 OK");
    for line in came.lines().filter(|line| REPEATED.iter().any(|name| line.starts_with(name))) {
        peer.say(&line.replace(";oc;oc-algo=\"loss\"", word));
    }
    peer.say("Content-Length: 0");
    peer.say("");
    came
}

#[test]
fn openssl_that_has_shown_who_it_is_gets_a_request_along_the_connection_that_it_made() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), made_for("IP:127.0.0.1"));
    made_by_openssl(ours.path(), "IP:127.0.0.1");
    let (other, device) = (made_for("DNS:other.example"), made_for("IP:127.0.0.1"));
    let good = Some(theirs.path());
    // Whether it says alias, what it shows, and whether we reuse connections; all of that, and then each thing less.
    for (said, shown, reuses, comes) in [
        (";alias", good, true, true),
        ("", good, true, false),
        (";alias", Some(other.path()), true, false),
        (";alias", Some(device.path()), true, false),
        (";alias", None, true, false),
        (";alias", good, false, false),
    ] {
        let (server, address) = serve(ours.path(), &[theirs.path(), other.path(), device.path()], reuses);
        // Nobody listens there.
        let port = free_port();
        let mut peer = s_client(&address, ours.path(), shown);
        asks(&mut peer, &address, &format!("127.0.0.1:{port};branch=z9hG4bKcapabilities{said}"));
        let sent = message(&server, "bob", &format!("127.0.0.1:{port}"));
        if comes {
            let came = takes(&mut peer);
            let via = format!("Via: SIP/2.0/TLS {address};branch=");
            assert!(came.lines().any(|line| line.starts_with(&via) && line.ends_with(";alias")), "{came}");
        }
        let (code, output) = sent.finish();
        assert_eq!(code == 0, comes, "{said} {shown:?} {reuses}: {output}");
        assert_eq!(request(&peer.output()).is_some(), comes, "{said} {shown:?} {reuses}");
    }
}

#[test]
fn rfc7339_5_4_openssl_that_asks_for_less_along_the_connection_that_it_made_gets_less() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), made_for("IP:127.0.0.1"));
    made_by_openssl(ours.path(), "IP:127.0.0.1");
    // What it asks for; and the control, that nothing more comes for that reason alone.
    for (loss, comes) in [(100, false), (0, true)] {
        let controlled = "sip.overload_control = true\n";
        let (server, address) = serve_with(ours.path(), &[theirs.path()], true, controlled);
        let port = free_port();
        let mut peer = s_client(&address, ours.path(), Some(theirs.path()));
        asks(&mut peer, &address, &format!("127.0.0.1:{port};branch=z9hG4bKless;alias"));
        let place = format!("127.0.0.1:{port}");
        let sent = message(&server, "bob", &place);
        takes_saying(&mut peer, &format!(";oc={loss};oc-algo=\"loss\";oc-validity=60000;oc-seq=1.0"));
        let (code, output) = sent.finish();
        assert_eq!(code, 0, "{output}");
        let another = message(&server, "carol", &place);
        if comes {
            peer.wait_for("MESSAGE sip:carol@");
        } else {
            let (code, output) = another.finish();
            // Refused by the proxy, and at once.
            assert!(code != 0 && !output.contains("no response"), "{output}");
            assert!(!peer.output().contains("MESSAGE sip:carol@"), "{}", peer.output());
        }
    }
}

#[test]
fn openssl_that_we_connect_to_is_told_that_it_may_come_back_and_does() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&ours, &theirs] {
        made_by_openssl(folder.path(), "IP:127.0.0.1");
    }
    for reuses in [true, false] {
        let (server, address) = serve(ours.path(), &[theirs.path()], reuses);
        // It takes nobody who does not show our certificate.
        let (mut peer, port) = s_server(theirs.path(), ours.path(), "-tls1_3");
        let sent = message(&server, "bob", &format!("127.0.0.1:{port}"));
        if reuses {
            let came = takes(&mut peer);
            assert!(came.lines().any(|line| line.contains("/TLS ") && line.ends_with(";alias")), "{came}");
            asks(&mut peer, &address, &format!("127.0.0.1:{port};branch=z9hG4bKback;alias"));
        }
        let (code, output) = sent.finish();
        assert_eq!(code == 0, reuses, "{output}");
        assert_eq!(request(&peer.output()).is_some(), reuses);
    }
}

#[test]
fn a_certificate_that_is_read_again_is_what_openssl_is_shown_from_then_on() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    for folder in &folders {
        made_by_openssl(folder.path(), "IP:127.0.0.1");
    }
    let [ours, theirs, renewed] = &folders;
    let (mut server, _) = serve(ours.path(), &[theirs.path()], true);
    // It waits for the certificate that we do not have yet.
    let (mut peer, port) = s_server(theirs.path(), renewed.path(), "-tls1_3");
    let place = format!("127.0.0.1:{port}");
    let (code, output) = message(&server, "bob", &place).finish();
    assert_ne!(code, 0, "{output}");
    for name in ["certificate.pem", "key.pem"] {
        std::fs::copy(renewed.path().join(name), ours.path().join(name)).unwrap();
    }
    let before = server.program.output().matches("SHA-256").count();
    server.program.signal("HUP");
    server.program.wait_until(|output| output.matches("SHA-256").count() > before);
    let sent = message(&server, "bob", &place);
    takes(&mut peer);
    let (code, output) = sent.finish();
    assert_eq!(code, 0, "{output}");
}

#[test]
fn a_certificate_for_servers_alone_is_refused_where_connections_are_reused() {
    let own = tempfile::tempdir().unwrap();
    for (usage, reuses, good) in
        [("serverAuth", true, false), ("serverAuth", false, true), ("serverAuth,clientAuth", true, true)]
    {
        let usage = format!("extendedKeyUsage={usage}");
        let of_no_authority = "basicConstraints=critical,CA:FALSE";
        made_with(own.path(), "IP:127.0.0.1", &["-addext", &usage, "-addext", of_no_authority]);
        for name in ["clients.pem", "servers.pem"] {
            std::fs::copy(own.path().join("certificate.pem"), own.path().join(name)).unwrap();
        }
        let configuration = configured(own.path(), reuses, "");
        let (code, output) = offhook::start(&["check", configuration.path().to_str().unwrap()]).finish();
        assert_eq!(code, if good { 0 } else { 3 }, "{usage} {reuses}: {output}");
        let told = output.contains("`tls.certificate`") && output.contains("extended key usage");
        assert_eq!(told, !good, "{usage} {reuses}: {output}");
    }
}

#[test]
fn kamailio_that_takes_our_word_for_it_comes_back_along_the_connection_that_we_made() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), made_for("IP:127.0.0.1"));
    made_by_openssl(ours.path(), "IP:127.0.0.1");
    for reuses in [true, false] {
        let (mut server, address) = serve(ours.path(), &[theirs.path()], reuses);
        let (kamailio, place) = Kamailio::start_with_aliases(theirs.path());
        // Nobody is there, which it says along the connection that we have made for that.
        let (code, output) = message(&server, "1003", &place).finish();
        assert!(code == 7 && output.contains("404"), "{code} {output}");
        let mut wire = Wire::to(&kamailio.address);
        let mut asked = wire.ask("OPTIONS");
        asked.uri = format!("sip:{address};transport=tls");
        asked.to = format!("<{}>", asked.uri);
        assert_eq!(wire.code_of(&asked), 200);
        let start = format!("OPTIONS {} SIP/2.0", asked.uri);
        server.program.wait_for(&start);
        // Without the word it makes a connection of its own, from another port than that which it listens on.
        let seen = server.program.output();
        let before = seen.lines().zip(seen.lines().skip(1)).find(|(_, line)| *line == start).unwrap().0;
        assert!(before.contains("received from TLS 127.0.0.1:"), "{before}");
        assert_eq!(before.contains(&format!("received from TLS {place}, here")), reuses, "{before}");
    }
}
