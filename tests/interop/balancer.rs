//! Behind HAProxy, which says by the PROXY protocol who it connects for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};

use crate::program::offhook::{self, Server, USERS};
use crate::program::{PATIENCE, Program, free_port};

/// A balancer that hands connections to `target` and speaks that version of the protocol, and where it listens.
fn balancer(target: &str, version: &str) -> (Program, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let file = folder.path().join("haproxy.cfg");
    let text = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         frontend in\n bind {address}\n default_backend out\nbackend out\n server one {target} {version}\n"
    );
    std::fs::write(&file, text).unwrap();
    let program = Program::start(Command::new("haproxy").arg("-db").arg("-f").arg(&file));
    // The kernel's table is read: who tries the port is in its way.
    let (_, port) = address.rsplit_once(':').unwrap();
    let wanted = format!("0100007F:{:04X} 00000000:0000 0A", port.parse::<u16>().unwrap());
    let end = Instant::now() + PATIENCE;
    while !std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&wanted) {
        assert!(Instant::now() < end, "HAProxy does not listen at {address}");
        std::thread::yield_now();
    }
    (program, address, folder)
}

/// A server that takes this address for a balancer's, with TLS at the second address that is returned.
fn serve(proxies: &str) -> (Server, String, tempfile::NamedTempFile) {
    let config = offhook::configuration(&format!("[sip]\nproxies = [{proxies}]\n"));
    let tls = format!("127.0.0.1:{}", free_port());
    let arguments = ["--config", config.path().to_str().unwrap(), "--tls", &tls];
    let server = offhook::serve(&[&USERS[..], &arguments].concat());
    (server, tls, config)
}

fn options(target: &str) -> String {
    format!(
        "OPTIONS sip:{target} SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKb;rport\r\nFrom: <sip:b@h>;tag=b\r\nTo: <sip:{target}>\r\n\
         Call-ID: b\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn who_connects_to_haproxy_is_known_by_his_own_address_in_both_versions() {
    let (server, ..) = serve("\"127.0.0.1\"");
    for version in ["send-proxy", "send-proxy-v2"] {
        let (_balancer, address, _folder) = balancer(&server.address, version);
        let (answer, own) = say("127.0.0.2", &address, &options(&address));
        let named = format!("received=127.0.0.2;rport={}", own.port());
        assert!(answer.starts_with("SIP/2.0 200") && answer.contains(&named), "{version}: {own} {answer}");
    }
    // Without it the server knows the balancer alone.
    let (other, ..) = serve("\"192.0.2.1\"");
    let (_balancer, address, _folder) = balancer(&other.address, "");
    let (answer, _) = say("127.0.0.2", &address, &options(&address));
    assert!(answer.starts_with("SIP/2.0 200") && answer.contains("received=127.0.0.1"), "{answer}");
}

#[test]
fn what_a_proxy_says_stands_before_tls() {
    let (server, tls, _config) = serve("\"127.0.0.1\"");
    let state = server.state.path().join("state");
    let certificate = state.join("tls/certificate.pem");
    for version in ["send-proxy", "send-proxy-v2"] {
        let (_balancer, address, _folder) = balancer(&tls, version);
        let mut trace = offhook::start(&["trace", "--json", "--state", state.to_str().unwrap()]);
        trace.wait_for("tracing");
        let account = format!("sip:1001@{address};transport=tls");
        // Who listens on one address connects from it.
        let mut register = vec!["register", "--once", "--account", &account, "--password", "secret1"];
        register.extend(["--sip", "127.0.0.2:0", "--tls-ca", certificate.to_str().unwrap()]);
        let (code, said) = offhook::start(&register).finish();
        assert_eq!(code, 0, "{version}: {said}");
        trace.wait_until(|told| told.matches("\"REGISTER sip:").count() >= 3);
        let told = trace.stop("INT").1;
        let lines = told.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let registers = lines.filter(|line| line["text"].as_str().is_some_and(|text| text.starts_with("REGISTER ")));
        let from: Vec<String> = registers.map(|line| line["remote"].as_str().unwrap().to_owned()).collect();
        assert!(from.len() >= 3 && from.iter().all(|from| from.starts_with("127.0.0.2:")), "{version}: {from:?}");
    }
}

/// Connects from an address of loopback, says this, and returns the answer, up to its blank line or until the server closes, and its own end.
fn say(source: &str, target: &str, said: &str) -> (String, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&format!("{source}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&target.parse::<SocketAddr>().unwrap().into()).unwrap();
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let own = stream.local_addr().unwrap();
    // Who closes at once may have closed by now.
    let _ = stream.write_all(said.as_bytes());
    let (mut answer, mut octet) = (String::new(), [0; 1]);
    while !answer.ends_with("\r\n\r\n") {
        match stream.read(&mut octet) {
            Ok(1) => answer.push(char::from(octet[0])),
            Ok(_) => break,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("neither closed nor answered: {error}"),
        }
    }
    (answer, own)
}

#[test]
fn a_proxy_must_say_it_rightly_and_nobody_else_may() {
    let (server, ..) = serve("\"127.0.0.1\"");
    let target = &server.address;
    let (header, plain) = ("PROXY TCP4 192.0.2.9 198.51.100.1 4711 5060\r\n", options(target));
    let with_header = format!("{header}{plain}");
    for (source, said, answered) in [
        ("127.0.0.1", with_header.as_str(), true),
        ("127.0.0.1", &format!("PROXY UNKNOWN\r\n{plain}"), true),
        ("127.0.0.2", &plain, true),
        ("127.0.0.1", &plain, false),
        ("127.0.0.1", &with_header.replace("TCP4", "UDP4"), false),
        ("127.0.0.1", &with_header.replace("4711", "65536"), false),
        ("127.0.0.2", &with_header, false),
    ] {
        let (answer, _) = say(source, target, said);
        let is_ok = answer.starts_with("SIP/2.0 200");
        assert!(is_ok == answered && (answered || !answer.contains("200")), "{source}: {said}\n{answer}");
    }
}
