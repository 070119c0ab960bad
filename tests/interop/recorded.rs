//! How a proxy that we are is found again over TLS (RFC 5922 section 7.5): OpenSSL, which says SIP by heart, is called through `serve --role proxy` whose
//! certificate has nothing but a name in it, and hangs up by what was recorded, as long as the certificate there is for that; Kamailio with such a certificate,
//! and our phone.

use std::path::Path;
use std::process::Command;

use super::baresip::Baresip;
use super::kamailio::Kamailio;
use super::located::await_listener;
use super::tls::made_by_openssl;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{Program, free_port};

/// The header fields that an answer repeats.
const REPEATED: [&str; 6] = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: ", "Record-Route: "];

fn certificate(names: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    made_by_openssl(folder.path(), names);
    folder
}

fn file(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// A proxy for localhost that shows this certificate, and trusts that one of a server.
fn proxy(own: &Path, peer: &Path, more: &str) -> Server {
    let configuration = offhook::configuration(&format!(
        "role = \"proxy\"\ndomains = [\"localhost\"]\n[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nca = \"{}\"\n{more}",
        file(own, "certificate.pem"),
        file(own, "key.pem"),
        file(peer, "certificate.pem")
    ));
    let secured = format!("127.0.0.1:{}", free_port());
    offhook::serve(&[&USERS[..], &["--config", configuration.path().to_str().unwrap(), "--tls", &secured]].concat())
}

/// OpenSSL's server; and where it listens.
fn s_server(own: &Path) -> (Program, u16) {
    let port = free_port();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-crlf", "-accept", &format!("127.0.0.1:{port}")]);
    command.arg("-cert").arg(own.join("certificate.pem")).arg("-key").arg(own.join("key.pem"));
    let server = Program::start_waiting(&mut command);
    await_listener(port);
    (server, port)
}

/// OpenSSL's client, connected to what a URI names, where the certificate is for that.
fn s_client(uri: &str, trusted: &Path) -> Program {
    let place = uri.split_once(';').map_or(uri, |(place, _)| place);
    let place = place.trim_start_matches("sip:");
    let place = place.split_once('@').map_or(place, |(_, place)| place);
    let (host, port) = place.split_once(':').unwrap_or((place, "5061"));
    let verified = if host.parse::<std::net::IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-crlf", "-verify_return_error", verified, host]);
    command.args(["-connect", &format!("{host}:{port}")]).arg("-CAfile").arg(trusted.join("certificate.pem"));
    Program::start_waiting(&mut command)
}

/// The request with this method that has come, once all of its header fields have.
fn request(output: &str, method: &str) -> Option<String> {
    let begun = output.get(output.find(&format!("{method} sip:"))?..)?;
    let last = begun.find("\nContent-Length: ")? + 1;
    let end = last + begun.get(last..)?.find('\n')?;
    begun.get(..end).map(|text| text.replace('\r', ""))
}

fn await_request(peer: &mut Program, method: &str) -> String {
    peer.wait_until(|seen| request(seen, method).is_some());
    request(&peer.output(), method).unwrap()
}

/// The value of the first header field with this name.
fn value<'r>(request: &'r str, name: &str) -> &'r str {
    let line = request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {request}"))
}

/// Between `<` and `>`.
fn uri(value: &str) -> &str {
    value.split_once('<').unwrap().1.split_once('>').unwrap().0
}

/// Says yes to a request.
fn takes(peer: &mut Program, request: &str, lines: &[&str], body: &str) {
    peer.say("SIP/2.0 200 OK");
    for line in request.lines().filter(|line| REPEATED.iter().any(|name| line.starts_with(name))) {
        let tag = if line.starts_with("To: ") && !line.contains(";tag=") { ";tag=peer" } else { "" };
        peer.say(&format!("{line}{tag}"));
    }
    lines.iter().for_each(|line| peer.say(line));
    // Each of its lines ends with two octets.
    peer.say(&format!("Content-Length: {}", body.len() + body.matches('\n').count()));
    peer.say("");
    body.lines().for_each(|line| peer.say(line));
}

/// Our 1001 calls OpenSSL through that proxy and is answered: the call, and the INVITE as it came.
fn call(server: &Server, peer: &mut Program, port: u16, seconds: &str) -> (Program, String) {
    let (account, proxy) = (format!("sip:1001@{}", server.address), format!("sip:{};lr", server.address));
    let identity = ["--account", &account, "--password", "secret1", "--proxy", &proxy, "--sip", "127.0.0.1:0"];
    let target = format!("sip:bob@127.0.0.1:{port};transport=tls");
    let mut caller = offhook::start(&[&["call", &target, "--no-register", "--for", seconds][..], &identity].concat());
    let invite = await_request(peer, "INVITE");
    let body = format!(
        "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {} RTP/AVP 0\n",
        free_port() & !1
    );
    let contact = format!("Contact: <sip:bob@127.0.0.1:{port};transport=tls>");
    takes(peer, &invite, &[&contact, "Content-Type: application/sdp"], &body);
    await_request(peer, "ACK");
    caller.wait_for("answered");
    (caller, invite)
}

/// The BYE of who was called, by the route that was recorded.
fn bye(invite: &str) -> String {
    let routes = invite.lines().filter_map(|line| line.strip_prefix("Record-Route: "));
    let routes: String = routes.map(|route| format!("Route: {route}\n")).collect();
    format!(
        "BYE {} SIP/2.0\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKbye;rport\nMax-Forwards: 70\n{routes}From: {};tag=peer\nTo: {}\n\
         Call-ID: {}\nCSeq: 1 BYE\nContent-Length: 0\n",
        uri(value(invite, "Contact")),
        value(invite, "To"),
        value(invite, "From"),
        value(invite, "Call-ID")
    )
}

#[test]
fn rfc5922_7_5_openssl_that_checks_names_hangs_up_by_what_the_proxy_has_recorded() {
    let theirs = certificate("IP:127.0.0.1");
    // What the certificate is for and what is set, and whether OpenSSL finds whom it expects: the last are the controls.
    for (names, set, recorded, found) in [
        ("DNS:localhost", "", "localhost", true),
        ("DNS:other.example,DNS:localhost", "route_host = \"localhost\"\n", "localhost", true),
        ("DNS:localhost,IP:127.0.0.1", "", "127.0.0.1", true),
        ("DNS:localhost", "route_host = \"address\"\n", "127.0.0.1", false),
        ("DNS:other.example", "", "127.0.0.1", false),
    ] {
        let ours = certificate(names);
        let server = proxy(ours.path(), theirs.path(), set);
        let (mut peer, port) = s_server(theirs.path());
        let (mut caller, invite) = call(&server, &mut peer, port, "60");
        let route = uri(value(&invite, "Record-Route"));
        let host = route.split_once('@').map_or(route.trim_start_matches("sip:"), |(_, host)| host);
        assert!(
            host.starts_with(&format!("{recorded}:")) && host.contains(";transport=tls"),
            "{names} {set}: {invite}"
        );
        let mut client = s_client(route, ours.path());
        if found {
            client.say(&bye(&invite));
            client.wait_for("SIP/2.0 200 OK");
            let (code, output) = caller.finish();
            assert!(code == 0 && output.contains("ended by peer"), "{names} {set}: {code} {output}");
            continue;
        }
        let (code, output) = client.finish();
        assert!(code != 0 && output.contains("verify error"), "{names} {set}: {code} {output}");
        assert!(caller.is_alive(), "{}", caller.output());
    }
}

#[test]
fn rfc5922_7_5_who_called_through_a_proxy_with_a_name_hangs_up_at_openssl() {
    let (ours, theirs) = (certificate("DNS:localhost"), certificate("IP:127.0.0.1"));
    let server = proxy(ours.path(), theirs.path(), "");
    let (mut peer, port) = s_server(theirs.path());
    let (caller, _) = call(&server, &mut peer, port, "1");
    let bye = await_request(&mut peer, "BYE");
    takes(&mut peer, &bye, &[], "");
    let (code, output) = caller.finish();
    assert_eq!(code, 0, "{output}");
}

#[test]
fn rfc5922_7_3_our_phone_calls_through_kamailio_whose_certificate_has_a_name_alone_and_either_hangs_up() {
    let folder = certificate("DNS:localhost");
    let (mut kamailio, address) = Kamailio::start_secured(folder.path());
    let named = address.replace("127.0.0.1", "localhost");
    let trusted = file(folder.path(), "certificate.pem");
    let register = |at: &str| {
        let account = format!("sip:1001@{at};transport=tls");
        let verb = ["register", "--once", "--account", &account, "--password", "secret1001", "--tls-ca", &trusted];
        offhook::start(&verb).finish()
    };
    let (code, output) = register(&named);
    assert_eq!(code, 0, "{output}");
    kamailio.wait_for("registered 1001 by tls");
    // The control: the same server by its address, which the certificate is not for.
    let (code, output) = register(&address);
    assert!(code == 5 && output.contains("expected 127.0.0.1, found localhost"), "{code} {output}");

    let phone =
        format!("<sip:1002@{}>;auth_user=1002;auth_pass=secret1002;regint=300;answermode=auto", kamailio.address);
    let mut phone = Baresip::start(&phone, 1000);
    phone.wait_for_line("[1 binding]");
    let account = format!("sip:1001@{named};transport=tls");
    let identity = ["--account", &account, "--password", "secret1001", "--tls-ca", &trusted];
    for (seconds, ended) in [("2", "ended by us"), ("60", "ended by peer")] {
        let mut caller = offhook::start(&[&["call", "1002", "--for", seconds][..], &identity].concat());
        caller.wait_for("answered");
        phone.wait_for("CALL_ESTABLISHED");
        if seconds == "60" {
            phone.command("hangup", "");
        }
        phone.wait_for("CALL_CLOSED");
        let (code, output) = caller.finish();
        assert!(code == 0 && output.contains(ended), "{ended}: {code} {output}");
    }
    phone.stop();
}
