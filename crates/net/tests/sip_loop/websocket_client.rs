//! WebSockets of our own, with servers that have only the library, and with those that are none.

use std::sync::Arc;

use net::WebSockets;
use net::tls::{TlsClient, Trust};
use rustls::{ServerConnection, StreamOwned};
use sip::digest::Credential;
use tungstenite::Message;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;

use super::tls::{Paper, outcome, paper, server_asking, server_config};
use super::*;

/// What a server has heard: heads of handshakes, and messages.
type Heard = mpsc::Receiver<String>;

/// A server of the library that speaks SIP and answers every request; over TLS where a certificate is given.
fn server(paper: Option<&Paper>) -> (u16, Heard) {
    server_that(paper.map(|paper| server_config(paper, None)))
}

/// The same with these settings of TLS.
fn server_that(config: Option<Arc<rustls::ServerConfig>>) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, heard) = mpsc::channel();
    // Ends with the process: nobody waits for it.
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, told, config) = (socket.unwrap(), told.clone(), config.clone());
            std::thread::spawn(move || match config {
                None => converse(socket, &told),
                Some(config) => converse(StreamOwned::new(ServerConnection::new(config).unwrap(), socket), &told),
            });
        }
    });
    (port, heard)
}

fn converse(stream: impl Read + Write, told: &mpsc::Sender<String>) {
    #[expect(clippy::result_large_err, reason = "the library's own")]
    let agree = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let field = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        let _ = told.send(format!("{} {} {}", request.uri(), field("host"), field("sec-websocket-protocol")));
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
        Ok(response)
    };
    let Ok(mut web) = tungstenite::accept_hdr(stream, agree) else { return };
    while let Ok(message) = web.read() {
        let Message::Text(request) = message else { continue };
        let _ = told.send(request.as_str().to_owned());
        web.send(Message::text(answer_to(request.as_str(), "200 OK"))).unwrap();
    }
}

fn heard(heard: &Heard) -> String {
    heard.recv_timeout(PATIENCE).unwrap()
}

fn nobody() -> TlsClient {
    TlsClient::default()
}

#[test]
fn rfc7118_4_1_we_ask_for_sip_and_take_an_answer_that_says_nothing_of_where_we_are() {
    let (port, said) = server(None);
    let uri = format!("sip:pbx.example.com:{port};transport=ws");
    assert_eq!(outcome(nobody(), &uri), "200");
    assert_eq!(heard(&said), format!("/ pbx.example.com:{port} sip"));
    let request = heard(&said);
    assert!(request.contains("\r\nVia: SIP/2.0/WS 127.0.0.1:"), "{request}");
}

#[test]
fn connection_serves_further_requests_and_the_resource_is_the_one_that_was_set() {
    let (port, said) = server(None);
    let web = Arc::new(WebSockets { resource: "/sip?x=1".into(), ..WebSockets::default() });
    let (running, seen) = start(|config| config.web = web);
    for _ in 0..2 {
        running.handle().try_send(Order::Options(format!("sip:127.0.0.1:{port};transport=ws"))).unwrap();
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "200");
    }
    assert_eq!(heard(&said), format!("/sip?x=1 127.0.0.1:{port} sip"));
    assert!(heard(&said).starts_with("OPTIONS ") && heard(&said).starts_with("OPTIONS "));
}

#[test]
fn rfc7118_9_1_the_server_must_be_who_was_asked_for_by_the_rules_of_the_web() {
    let paper = paper(&["pbx.example.com", "*.example.org"], |_| {});
    let (port, said) = server(Some(&paper));
    for uri in [
        format!("sip:pbx.example.com:{port};transport=wss"),
        format!("sips:pbx.example.com:{port};transport=ws"),
        // Otherwise than for a SIP domain (RFC 5922 section 7.2).
        format!("sip:any.example.org:{port};transport=wss"),
    ] {
        assert_eq!(outcome(paper.trusted(), &uri), "200", "{uri}");
        assert!(heard(&said).starts_with("/ "));
        let request = heard(&said);
        assert!(request.contains("\r\nVia: SIP/2.0/WSS 127.0.0.1:"), "{request}");
    }
    for host in ["example.com", "a.b.example.org", "127.0.0.1"] {
        let told = outcome(paper.trusted(), &format!("sip:{host}:{port};transport=wss"));
        assert!(told.starts_with("Transport(Tls(") && told.contains("another name"), "{told}");
    }
    let told = outcome(paper_of(&["pbx.example.com"]), &format!("sip:pbx.example.com:{port};transport=wss"));
    assert!(told.starts_with("Transport(Tls(") && told.contains("nobody we trust"), "{told}");
    assert!(said.try_recv().is_err(), "nothing was said to them");
}

/// Who trusts a certificate with these names, and no other.
fn paper_of(names: &[&str]) -> TlsClient {
    paper(names, |_| {}).trusted()
}

#[test]
fn rfc7118_4_1_without_a_101_for_sip_nothing_is_sent() {
    for (answer, why) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        ("SIP/2.0 400 Bad Request\r\n\r\n", "HTTP/1.1"),
        ("", "closed the connection"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let (mut asked, mut piece) = (Vec::new(), [0; 1_024]);
            while !asked.ends_with(b"\r\n\r\n") {
                let length = socket.read(&mut piece).unwrap();
                asked.extend_from_slice(&piece[..length]);
            }
            socket.write_all(answer.as_bytes()).unwrap();
            drop(socket);
            String::from_utf8(asked).unwrap()
        });
        let told = outcome(nobody(), &format!("sip:127.0.0.1:{port};transport=ws"));
        assert!(told.starts_with("Transport(NoWebSocket(") && told.contains(why), "{answer}: {told}");
        let asked = server.join().unwrap();
        assert!(asked.starts_with("GET / HTTP/1.1\r\n") && asked.matches("\r\n\r\n").count() == 1, "{asked}");
    }
}

#[test]
fn server_that_never_answers_the_handshake_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (running, seen) = start(|config| config.streams.handshake = Duration::from_millis(300));
    running.handle().try_send(Order::Options(format!("sip:127.0.0.1:{port};transport=ws"))).unwrap();
    let told = seen.recv_timeout(PATIENCE).unwrap();
    assert!(told.starts_with("Transport(NoWebSocket(") && told.contains("took too long"), "{told}");
}

#[test]
fn rfc5923_9_3_a_server_of_the_web_does_not_get_to_see_the_certificate_between_servers() {
    let (theirs, ours, stranger) =
        (paper(&["web.example.com"], |_| {}), paper(&["pbx.example.com"], |_| {}), paper(&["x.example.com"], |_| {}));
    // It asks for one without saying whose, goes on without, and ends the connection of who shows any but that of a stranger.
    let asking = |authority: &Paper| {
        server_asking(&theirs, Some(authority), |asks| asks.allow_unauthenticated().clear_root_hint_subjects())
    };
    let trust = || Trust::File(theirs.certificate());
    for (what, client, good) in [
        ("of a server", TlsClient::of_server(trust(), ours.own()), true),
        ("of a telephone, the control", TlsClient::new(trust(), Some(ours.own())), false),
    ] {
        let (port, _said) = server_that(Some(asking(&stranger)));
        let told = outcome(client.unwrap(), &format!("sip:web.example.com:{port};transport=wss"));
        assert_eq!(told == "200", good, "{what}: {told}");
    }
}

/// A server that answers one connection after the other with these, and what it was asked on each.
fn server_answering(answers: &'static [&'static str]) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let (mut asked, mut piece) = (Vec::new(), [0; 1_024]);
            while !asked.ends_with(b"\r\n\r\n") {
                let length = socket.read(&mut piece).unwrap();
                asked.extend_from_slice(&piece[..length]);
            }
            let _ = told.send(String::from_utf8(asked).unwrap());
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
    (port, heard)
}

const DIGEST: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n";
const BASIC: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";

/// What comes of an OPTIONS to this server, with the password for the server of this name.
fn outcome_as_user(port: u16, home: &str) -> String {
    let home = format!("sip:{home}:{port};transport=ws");
    let own = Credential::password(None, "1001", "secret").unwrap();
    let credentials = own.at(&sip::message::Uri::parse(&home).unwrap()).into();
    let web = Arc::new(WebSockets { resource: "/sip".into(), credentials, ..WebSockets::default() });
    let (running, seen) = start(|config| config.web = web);
    running.handle().try_send(Order::Options(format!("sip:127.0.0.1:{port};transport=ws"))).unwrap();
    seen.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn rfc7118_7_who_is_asked_by_http_answers_once_and_only_to_its_own_server() {
    // Twice the same question: the password is wrong.
    let (port, heard_by) = server_answering(&[DIGEST, DIGEST, DIGEST]);
    let told = outcome_as_user(port, "127.0.0.1");
    assert!(told.starts_with("Transport(Unauthorized(") && told.contains("check user name and password"), "{told}");
    let (first, second) = (heard(&heard_by), heard(&heard_by));
    assert!(first.starts_with("GET /sip ") && !first.contains("Authorization"), "{first}");
    let shown = "\r\nAuthorization: Digest username=\"1001\", realm=\"x\", nonce=\"n\", uri=\"/sip\", response=\"";
    assert!(second.starts_with("GET /sip ") && second.contains(shown), "{second}");
    assert!(second.contains(", qop=auth, nc=00000001"), "{second}");
    assert!(heard_by.try_recv().is_err(), "it is not asked a third time");
    // Somebody else, with the password for another server; and the password itself in the clear.
    for (answers, home, why) in
        [(&[DIGEST, DIGEST], "192.0.2.1", "no credentials"), (&[BASIC, BASIC], "127.0.0.1", "over TLS alone")]
    {
        let (port, heard_by) = server_answering(answers);
        let told = outcome_as_user(port, home);
        assert!(told.starts_with("Transport(Unauthorized(") && told.contains(why), "{told}");
        assert!(!heard(&heard_by).contains("Authorization"));
        assert!(heard_by.try_recv().is_err(), "it is asked once");
    }
    // A 401 that asks for nothing.
    let (port, _heard) = server_answering(&["HTTP/1.1 401 Unauthorized\r\n\r\n"]);
    let told = outcome_as_user(port, "127.0.0.1");
    assert!(told.starts_with("Transport(Unauthorized(") && told.contains("digest challenge"), "{told}");
    // One that is longer than any head is taken for.
    let long: &str = format!("{}X-Long: {}\r\n\r\n", DIGEST.trim_end().to_owned() + "\r\n", "x".repeat(20_000)).leak();
    let (port, _heard) = server_answering(vec![long].leak());
    let told = outcome_as_user(port, "127.0.0.1");
    assert!(told.starts_with("Transport(NoWebSocket(") && told.contains("too long"), "{told}");
}
