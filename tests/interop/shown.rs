//! Certificates by the name that is asked for (server name indication, RFC 6066 section 3), with OpenSSL at the other end: what our server shows to whom, and for whom our client asks.

use std::path::Path;
use std::process::Command;

use super::located::await_listener;
use super::tls::{made_by_openssl, options, s_client, serve};
use crate::program::offhook::{self, Server};
use crate::program::{Program, free_port};

/// OpenSSL's client that asks for this name, or for none, and trusts the certificate in this folder: whether it gets an answer. What it does not trust it says so of.
fn is_answered(address: &str, name: Option<&str>, trusted: &Path) -> bool {
    let asks = name.map_or("-noservername".to_owned(), |name| format!("-servername {name}"));
    let mut client = s_client(address, &trusted.join("certificate.pem"), &options("x"), &asks);
    client.wait_until(|said| said.contains("SIP/2.0 200 OK") || said.contains("verify error"));
    client.output().contains("SIP/2.0 200 OK")
}

/// The first of these folders whose certificate is shown to who asks so, and that no other is.
fn shown(address: &str, name: Option<&str>, folders: &[&Path]) -> Vec<usize> {
    let numbers = 0..folders.len();
    numbers.filter(|number| is_answered(address, name, folders[*number])).collect()
}

/// The fingerprints that the server has told of.
fn told(server: &mut Server) -> usize {
    server.program.output().matches("SHA-256").count()
}

#[test]
fn rfc6066_3_openssl_is_shown_the_certificate_of_the_name_that_it_asks_for_and_others_after_sighup() {
    let made = [(); 5].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        // The name counts, not the address: all are for that.
        made_by_openssl(folder.path(), "IP:127.0.0.1,DNS:a.example,DNS:b.example");
        folder
    });
    let [others, one, two, next, broken] = made.each_ref().map(tempfile::TempDir::path);
    // What is shown is in files of its own, to be replaced.
    let shows = tempfile::tempdir().unwrap();
    let file = |name: &str| shows.path().join(name).display().to_string();
    let put = |name: &str, from: &Path| {
        for kind in ["certificate", "key"] {
            std::fs::copy(from.join(format!("{kind}.pem")), file(&format!("{name}-{kind}.pem"))).unwrap();
        }
    };
    let names = [("others", others), ("a", one), ("b", two)];
    names.iter().for_each(|(name, from)| put(name, from));
    let files = |name: &str| {
        format!(
            "certificate = \"{}\"\nkey = \"{}\"\n",
            file(&format!("{name}-certificate.pem")),
            file(&format!("{name}-key.pem"))
        )
    };
    let text = format!(
        "[tls]\n{}[tls.names.\"a.example\"]\n{}[tls.names.\"B.example\"]\n{}",
        files("others"),
        files("a"),
        files("b")
    );
    let configuration = offhook::configuration(&text);
    let (mut server, address) = serve(&["--config", configuration.path().to_str().unwrap()]);
    let all = [others, one, two, next];
    let asked = |name: Option<&str>| shown(&address, name, &all);
    // Who asks for none, or for a stranger, is the control: it is shown neither.
    for (name, number) in [(Some("a.example"), 1), (Some("b.example"), 2), (Some("c.example"), 0), (None, 0)] {
        assert_eq!(asked(name), [number], "{name:?}");
    }
    assert_eq!(told(&mut server), 3);
    assert!(server.program.output().contains("certificate for a.example "), "{}", server.program.output());
    // One that cannot be used holds all of them.
    put("a", next);
    std::fs::write(file("b-certificate.pem"), "nothing").unwrap();
    server.program.signal("HUP");
    server.program.wait_for("the old certificate is shown on");
    assert_eq!((asked(Some("a.example")), asked(Some("b.example"))), (vec![1], vec![2]));
    // A key of another's is as bad as none.
    put("b", two);
    std::fs::copy(broken.join("key.pem"), file("b-key.pem")).unwrap();
    server.program.signal("HUP");
    server.program.wait_until(|said| said.matches("the old certificate is shown on").count() == 2);
    assert_eq!(asked(Some("a.example")), [1]);
    put("b", two);
    server.program.signal("HUP");
    server.program.wait_until(|said| said.matches("SHA-256").count() == 6);
    assert_eq!((asked(Some("a.example")), asked(Some("b.example")), asked(None)), (vec![3], vec![2], vec![0]));
}

#[test]
fn what_nobody_can_be_shown_under_a_name_is_found_by_a_check_and_no_server_starts_with_it() {
    let folder = tempfile::tempdir().unwrap();
    made_by_openssl(folder.path(), "DNS:a.example");
    let files = format!("certificate = \"{0}/certificate.pem\"\nkey = \"{0}/key.pem\"\n", folder.path().display());
    for (name, expected) in [("a.example", None), ("b.example", Some("it is for a.example, expected b.example"))] {
        let configuration = offhook::configuration(&format!("[tls.names.\"{name}\"]\n{files}"));
        let path = configuration.path().to_str().unwrap();
        let (code, output) = offhook::start(&["check", path]).finish();
        assert_eq!(code == 0, expected.is_none(), "{output}");
        let Some(expected) = expected else { continue };
        assert!(
            code == 3 && output.contains(&format!("{path}:2:15: ")) && output.contains(expected),
            "{code} {output}"
        );
        let state = tempfile::tempdir().unwrap();
        let arguments = ["serve", "--config", path, "--tls", "127.0.0.1:0", "--sip", "127.0.0.1:0", "--state"];
        let (code, output) = offhook::start(&[&arguments[..], &[state.path().to_str().unwrap()]].concat()).finish();
        assert!(code != 0 && output.contains(expected), "{code} {output}");
    }
}

/// OpenSSL's server, which shows another certificate to who asks for this name.
fn s_server(others: &Path, name: &str, named: &Path) -> (Program, u16) {
    let port = free_port();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-crlf", "-accept", &format!("127.0.0.1:{port}"), "-servername", name]);
    for (folder, certificate, key) in [(others, "-cert", "-key"), (named, "-cert2", "-key2")] {
        command.arg(certificate).arg(folder.join("certificate.pem")).arg(key).arg(folder.join("key.pem"));
    }
    let server = Program::start_waiting(&mut command);
    await_listener(port);
    (server, port)
}

#[test]
fn rfc6066_3_openssl_is_asked_by_us_for_the_host_that_we_want_and_not_for_an_address() {
    let [others, named] = ["DNS:other.example", "DNS:localhost,IP:127.0.0.1"].map(|names| {
        let folder = tempfile::tempdir().unwrap();
        made_by_openssl(folder.path(), names);
        folder
    });
    let trusted = named.path().join("certificate.pem");
    let ask = |host: &str, port: u16| {
        offhook::start(&["options", &format!("sips:{host}:{port}"), "--tls-ca", trusted.to_str().unwrap()])
    };
    let (mut server, port) = s_server(others.path(), "localhost", named.path());
    let asking = ask("localhost", port);
    server.wait_for("Hostname in TLS extension: \"localhost\"");
    // Shown the one that it asked for, it goes on.
    server.wait_for("OPTIONS sips:localhost");
    asking.stop("INT");
    // The controls: an address is not asked for, though the certificate is for that too, and who asks for another name is not shown it either.
    for (host, name) in [("127.0.0.1", "localhost"), ("localhost", "elsewhere.example")] {
        let (_server, port) = s_server(others.path(), name, named.path());
        let (code, output) = ask(host, port).finish();
        assert!(code == 5 && !output.contains("expected"), "{host}: {code} {output}");
    }
}
