//! Connections over TLS that serve both directions (RFC 5923), with peers that have only the library.

use std::path::PathBuf;
use std::sync::Arc;

use net::tls::{Clients, Tls, TlsClient, Trust};
use rustls::{ServerConnection, StreamOwned};

use super::tls::{Paper, Secured, client_config, connect, message, paper, peer, server_config};
use super::*;

const PEER: &str = "peer.example.com";

/// The certificates of the loop, of the peer that it sends to, of another server, and one with the peer's names that clients may show and no server is trusted
/// with.
struct Papers {
    ours: Paper,
    theirs: Paper,
    others: Paper,
    device: Paper,
    folder: tempfile::TempDir,
}

impl Papers {
    fn of(names: &[&str]) -> Self {
        let [ours, theirs, others, device] =
            [&["127.0.0.1"][..], names, &["other.example.com"], names].map(|names| paper(names, |_| {}));
        let folder = tempfile::tempdir().unwrap();
        let text = |paper: &Paper| std::fs::read_to_string(paper.certificate()).unwrap();
        let servers = text(&theirs) + &text(&others);
        std::fs::write(folder.path().join("servers.pem"), &servers).unwrap();
        std::fs::write(folder.path().join("clients.pem"), servers + &text(&device)).unwrap();
        Self { ours, theirs, others, device, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// These are servers from now on, and nobody else, and the client has read that.
    fn trust(&self, client: &TlsClient, papers: &[&Paper]) {
        let all: String = papers.iter().map(|paper| std::fs::read_to_string(paper.certificate()).unwrap()).collect();
        std::fs::write(self.file("servers.pem"), all).unwrap();
        client.replace(self.ours.own()).unwrap();
    }
}

/// A loop that may come back along connections, and its peer, who can be connected to as well.
struct Scene {
    papers: Papers,
    client: TlsClient,
    /// Where the peer listens, and what it is asked there.
    port: u16,
    asked: Asked,
    running: Running<Order>,
    seen: mpsc::Receiver<String>,
}

/// What a peer is asked, and under which name.
type Asked = mpsc::Receiver<(Option<String>, String)>;

impl Scene {
    /// The peer has these names.
    fn of(names: &[&str]) -> Self {
        Self::with(names, |_| {})
    }

    /// UDP, TCP and TLS, where a certificate is asked for and none is needed; one connection that others have made is come back along, and every name is at
    /// 127.0.0.1. With other settings where this says so.
    fn with(names: &[&str], change: impl FnOnce(&mut LoopConfig)) -> Self {
        let papers = Papers::of(names);
        let (address, asked) = peer(&papers.theirs, None);
        let client = TlsClient::new(Trust::File(papers.file("servers.pem")), None).unwrap();
        let (running, seen) = start(|config| {
            config.binds.push(Bind { transport: Transport::Tls, address: "127.0.0.1:0".parse().unwrap() });
            let server = papers.ours.server(&Clients::Asked(papers.file("clients.pem")));
            config.tls = Tls { server: Some(server), client: client.clone() };
            config.resolver = Some(Box::new(|| Box::new(Page(vec!["127.0.0.1".parse().unwrap()]))));
            config.streams.aliases = 1;
            change(config);
        });
        Self { papers, client, port: address.port(), asked, running, seen }
    }

    /// A connection with this certificate, along which somebody has said that he is reached as this name at the peer's port.
    fn named(&self, own: &Paper, name: &str) -> Secured {
        self.introduced(Some(own), &format!("{name}:{};alias", self.port))
    }

    /// One with this certificate, where something was asked with `sent_by` and what follows it in its Via.
    fn introduced(&self, own: Option<&Paper>, sent_by: &str) -> Secured {
        let stream = introduced(&self.running, &self.papers, own, sent_by);
        assert_eq!(self.told(), "OPTIONS", "{sent_by}");
        stream
    }

    /// What the loop tells next.
    fn told(&self) -> String {
        self.seen.recv_timeout(PATIENCE).unwrap()
    }

    /// Asks this host, at the peer's port, by `sips`.
    fn ask(&self, host: &str) {
        ask(&self.running, host, self.port);
    }

    /// What becomes of that when it comes along this connection and is answered there.
    fn along(&self, stream: &mut Secured, host: &str) -> String {
        self.ask(host);
        let request = message(stream).unwrap();
        assert!(request.starts_with(&format!("OPTIONS sips:{host}:{} SIP/2.0\r\n", self.port)), "{request}");
        // Where we listen, so that the peer may come to us as well.
        assert_eq!(sentences::sent_by(&request), self.running.bound()[2].address);
        stream.write_all(answer_to(&request, "200 OK").as_bytes()).unwrap();
        self.told()
    }

    /// Nobody has been connected to, or what was connected to was asked nothing.
    fn nobody_was_asked(&self) -> bool {
        self.asked.try_recv().is_err()
    }
}

/// Connects with this certificate, and asks something with `sent_by` and what follows it in its Via.
fn introduced(running: &Running<Order>, papers: &Papers, own: Option<&Paper>, sent_by: &str) -> Secured {
    let mut stream = connect(running, &client_config(&papers.ours.certificate(), own));
    says(&mut stream, "first", sent_by);
    stream
}

/// Asks something along it.
fn says(stream: &mut Secured, once: &str, sent_by: &str) {
    let branch = format!("{once}{sent_by}").replace(|letter: char| !letter.is_ascii_alphanumeric(), "");
    let request = options("TLS", "127.0.0.1:9".parse().unwrap(), &branch);
    let request = request.replace("127.0.0.1:9;branch", &format!("{sent_by};branch"));
    stream.write_all(request.as_bytes()).unwrap();
    let answer = message(stream).unwrap();
    assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{sent_by}: {answer}");
}

/// Says that nothing more comes (RFC 8446 section 6.1), and waits until the other side has said the same. The connection below it stands.
fn says_goodbye(stream: &mut Secured) {
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// Asks the host there by `sips`.
fn ask(running: &Running<Order>, host: &str, port: u16) {
    running.handle().try_send(Order::Options(format!("sips:{host}:{port}"))).unwrap();
}

#[test]
fn rfc5923_8_2_a_request_goes_back_along_the_connection_of_who_has_shown_that_he_is_its_host() {
    let scene = Scene::of(&[PEER]);
    let mut stream = scene.named(&scene.papers.theirs, PEER);
    for host in [PEER, "PEER.Example.com", PEER] {
        assert_eq!(scene.along(&mut stream, host), "200");
    }
    assert!(scene.nobody_was_asked());
}

#[test]
fn rfc5923_9_2_who_has_not_shown_that_he_is_its_host_gets_no_request_along_his_connection() {
    type Own = fn(&Papers) -> Option<&Paper>;
    type SentBy = fn(u16) -> String;
    let (theirs, named): (Own, SentBy) = (|papers| Some(&papers.theirs), |port| format!("{PEER}:{port};alias"));
    let rows: [(&str, Own, SentBy, usize); 7] = [
        ("no certificate", |_| None, named, 1),
        ("a certificate of another name", |papers| Some(&papers.others), named, 1),
        ("a certificate that no server is trusted with", |papers| Some(&papers.device), named, 1),
        ("nothing said", theirs, |port| format!("{PEER}:{port}"), 1),
        ("another port", theirs, |port| format!("{PEER}:{};alias", port ^ 1), 1),
        ("the usual port", theirs, |_| format!("{PEER};alias"), 1),
        ("none are kept", theirs, named, 0),
    ];
    let mut wrong = Vec::new();
    for (what, own, sent_by, aliases) in rows {
        let scene = Scene::with(&[PEER], |config| config.streams.aliases = aliases);
        let _stream = scene.introduced(own(&scene.papers), &sent_by(scene.port));
        scene.ask(PEER);
        // Nobody answers on the other one.
        match scene.seen.recv_timeout(PATIENCE).as_deref() {
            Ok("200") => {
                let (_, request) = scene.asked.recv_timeout(PATIENCE).unwrap();
                assert!(request.starts_with(&format!("OPTIONS sips:{PEER}:{}", scene.port)), "{what}: {request}");
            }
            told => wrong.push(format!("{what}: {told:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_is_told_of_a_request_along_an_alias_is_where_it_has_gone() {
    let (tells, told) = mpsc::channel();
    let scene = Scene::with(&[PEER], |config| {
        config.tap = Some(Box::new(move |passing: &net::Seen<'_>| {
            let _ = tells.send((passing.direction == net::Direction::In, passing.remote));
        }));
    });
    let mut stream = scene.named(&scene.papers.theirs, PEER);
    assert_eq!(scene.along(&mut stream, PEER), "200");
    // His request and our answer, ours and his: one connection.
    let there = stream.sock.local_addr().unwrap();
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told, [(true, there), (false, there), (false, there), (true, there)]);
}

/// He keeps his connection up as long as he likes.
#[test]
fn rfc5923_9_2_who_is_trusted_no_more_gets_no_request_along_his_connection() {
    let scene = Scene::with(&[PEER], |config| config.streams.aliases = 2);
    let Scene { papers, client, .. } = &scene;
    let mut stream = scene.named(&papers.theirs, PEER);
    let mut device = scene.named(&papers.device, PEER);
    assert_eq!(scene.along(&mut stream, PEER), "200");
    papers.trust(client, &[&papers.others]);
    scene.ask(PEER);
    let told = scene.told();
    assert!(told.starts_with("Transport(Tls(") && told.contains("nobody we trust"), "{told}");
    assert!(scene.nobody_was_asked(), "neither there nor along the connection");
    // Who is trusted again is reached along it again; and who is trusted for the first time when he says so once more.
    papers.trust(client, &[&papers.theirs]);
    assert_eq!(scene.along(&mut stream, PEER), "200");
    papers.trust(client, &[&papers.device]);
    says(&mut device, "again", &format!("{PEER}:{};alias", scene.port));
    assert_eq!(scene.told(), "OPTIONS");
    assert_eq!(scene.along(&mut device, PEER), "200");
}

#[test]
fn rfc5923_8_2_a_connection_that_is_gone_is_made_anew_to_the_resolved_address() {
    let scene = Scene::of(&[PEER]);
    let mut stream = scene.named(&scene.papers.theirs, PEER);
    scene.ask(PEER);
    let request = message(&mut stream).unwrap();
    drop(stream);
    // The same once more, to who has the same name.
    assert_eq!(scene.told(), "200");
    assert_eq!(scene.asked.recv_timeout(PATIENCE).unwrap(), (Some(PEER.to_owned()), request));
    scene.ask(PEER);
    assert_eq!(scene.told(), "200");
    assert!(scene.asked.recv_timeout(PATIENCE).is_ok(), "by that connection from now on");
}

#[test]
fn rfc5923_9_3_a_connection_serves_the_hosts_of_its_certificate_and_no_other() {
    let scene = Scene::of(&["one.example.com", "two.example.com"]);
    let mut stream = scene.named(&scene.papers.theirs, "x.example.com");
    for host in ["one.example.com", "two.example.com"] {
        assert_eq!(scene.along(&mut stream, host), "200", "{host}");
    }
    for host in ["x.example.com", "127.0.0.1"] {
        scene.ask(host);
        let told = scene.told();
        assert!(told.contains(&format!("expected {host}, found one.example.com, two.example.com")), "{told}");
    }
    assert!(scene.nobody_was_asked());
    // With the connection it is forgotten which of both a request was for: it goes to who is both.
    scene.ask("two.example.com");
    let request = message(&mut stream).unwrap();
    drop(stream);
    assert_eq!(scene.told(), "200");
    assert_eq!(scene.asked.recv_timeout(PATIENCE).unwrap(), (Some("one.example.com".to_owned()), request));
    // The next goes by a connection of its own.
    scene.ask("two.example.com");
    assert_eq!(scene.told(), "200");
    assert_eq!(scene.asked.recv_timeout(PATIENCE).unwrap().0.as_deref(), Some("two.example.com"));
}

#[test]
fn rfc5923_9_3_who_comes_in_place_of_a_connection_must_be_all_the_hosts_of_it() {
    let mut scene = Scene::of(&["one.example.com", "two.example.com"]);
    let one = paper(&["one.example.com"], |_| {});
    let (address, asked) = peer(&one, None);
    (scene.port, scene.asked) = (address.port(), asked);
    scene.papers.trust(&scene.client, &[&scene.papers.theirs, &one]);
    let mut stream = scene.named(&scene.papers.theirs, "x.example.com");
    for host in ["one.example.com", "two.example.com"] {
        assert_eq!(scene.along(&mut stream, host), "200", "{host}");
    }
    scene.ask("two.example.com");
    message(&mut stream).unwrap();
    drop(stream);
    let told = scene.told();
    assert!(told.starts_with("Transport(Tls(") && told.contains("not for two.example.com"), "{told}");
    assert!(scene.nobody_was_asked());
    // The control: who is asked for by his name is spoken to.
    scene.ask("one.example.com");
    assert_eq!(scene.told(), "200");
}

#[test]
fn rfc5922_7_4_of_a_client_that_shows_a_sip_uri_and_a_dns_name_the_uri_is_believed_alone() {
    let scene = Scene::of(&["sip:one.example.com", "two.example.com"]);
    let mut stream = scene.named(&scene.papers.theirs, "two.example.com");
    assert_eq!(scene.along(&mut stream, "one.example.com"), "200");
    scene.ask("two.example.com");
    let told = scene.told();
    assert!(told.contains("expected two.example.com, found one.example.com"), "{told}");
    assert!(scene.nobody_was_asked(), "neither there nor along the connection");
}

#[test]
fn limit_of_aliases_leaves_one_connection_more_to_what_comes_along_it() {
    let scene = Scene::of(&[PEER]);
    let theirs = &scene.papers.theirs;
    let (second, asked) = peer(theirs, None);
    let mut known = scene.named(theirs, PEER);
    let mut unknown = scene.introduced(Some(theirs), &format!("{PEER}:{};alias", second.port()));
    assert_eq!(scene.along(&mut known, PEER), "200");
    ask(&scene.running, PEER, second.port());
    assert_eq!(scene.told(), "200");
    assert!(asked.recv_timeout(PATIENCE).is_ok() && scene.nobody_was_asked());
    // What is gone makes room.
    says_goodbye(&mut known);
    says(&mut unknown, "again", &format!("{PEER}:{};alias", scene.port));
    assert_eq!(scene.told(), "OPTIONS");
    assert_eq!(scene.along(&mut unknown, PEER), "200");
}

#[test]
fn rfc5923_8_1_a_server_is_asked_to_come_back_where_we_listen_and_show_who_we_are() {
    let (theirs, ours) = (paper(&[PEER], |_| {}), paper(&["127.0.0.1"], |_| {}));
    let (address, asked) = peer(&theirs, None);
    for (what, own, aliases, listens, expected) in [
        ("all of it", true, 1, true, true),
        ("no certificate of ours", false, 1, true, false),
        ("none are kept", true, 0, true, false),
        ("no port that is listened on", true, 1, false, false),
    ] {
        let (running, seen) = start(|config| {
            if listens {
                config.binds.push(Bind { transport: Transport::Tls, address: "127.0.0.1:0".parse().unwrap() });
            }
            let trust = Trust::File(theirs.certificate());
            let client = TlsClient::new(trust, own.then(|| ours.own())).unwrap();
            config.tls = Tls { server: Some(ours.server(&Clients::Unasked)), client };
            config.resolver = Some(Box::new(|| Box::new(Page(vec!["127.0.0.1".parse().unwrap()]))));
            config.streams.aliases = aliases;
        });
        ask(&running, PEER, address.port());
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "200", "{what}");
        let (_, request) = asked.recv_timeout(PATIENCE).unwrap();
        assert_eq!(request.contains(";alias\r\n"), expected, "{what}: {request}");
        assert_eq!(sentences::sent_by(&request) == running.bound()[running.bound().len() - 1].address, listens);
    }
}

#[test]
fn rfc5923_8_1_a_server_comes_back_along_the_connection_that_we_made() {
    let (theirs, ours) = (paper(&[PEER], |_| {}), paper(&["127.0.0.1"], |_| {}));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config: Arc<rustls::ServerConfig> = server_config(&theirs, Some(&ours));
    let server = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
        let request = message(&mut stream).unwrap();
        stream.write_all(answer_to(&request, "200 OK").as_bytes()).unwrap();
        stream.write_all(options("TLS", "127.0.0.1:9".parse().unwrap(), "back").as_bytes()).unwrap();
        (request, message(&mut stream).unwrap())
    });
    let (running, seen) = start(|config| {
        config.binds.push(Bind { transport: Transport::Tls, address: "127.0.0.1:0".parse().unwrap() });
        let client = TlsClient::new(Trust::File(theirs.certificate()), Some(ours.own())).unwrap();
        config.tls = Tls { server: Some(ours.server(&Clients::Unasked)), client };
        config.resolver = Some(Box::new(|| Box::new(Page(vec!["127.0.0.1".parse().unwrap()]))));
        config.streams.aliases = 1;
    });
    ask(&running, PEER, port);
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "200");
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "OPTIONS");
    let (request, answer) = server.join().unwrap();
    assert!(request.contains(";alias\r\n"), "{request}");
    assert!(answer.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKback"), "{answer}");
}

#[test]
fn rfc5923_8_3_a_peer_that_has_said_goodbye_gets_no_request() {
    let scene = Scene::of(&[PEER]);
    let mut stream = scene.named(&scene.papers.theirs, PEER);
    assert_eq!(scene.along(&mut stream, PEER), "200");
    says_goodbye(&mut stream);
    scene.ask(PEER);
    assert_eq!(scene.told(), "200");
    assert!(scene.asked.recv_timeout(PATIENCE).is_ok());
}

#[test]
fn rfc5923_8_3_what_comes_behind_our_closure_alert_is_not_read() {
    let papers = Papers::of(&[PEER]);
    let (running, seen) = start(|config| {
        config.binds.push(Bind { transport: Transport::Tls, address: "127.0.0.1:0".parse().unwrap() });
        let server = Some(papers.ours.server(&Clients::Unasked));
        config.tls = Tls { server, client: papers.theirs.trusted() };
        config.streams.idle = Duration::from_millis(200);
    });
    let mut stream = introduced(&running, &papers, None, "127.0.0.1:9");
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "OPTIONS");
    // It was silent for too long, and is told so: an end without the alert would be an error.
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let behind = options("TLS", "127.0.0.1:9".parse().unwrap(), "behind").replace("OPTIONS", "MESSAGE");
    let _ = stream.write_all(behind.as_bytes());
    // What another one says has been read after that.
    let _another = introduced(&running, &papers, None, "127.0.0.1:10");
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "OPTIONS");
    assert!(seen.try_recv().is_err());
}

#[test]
fn rfc5923_9_3_alias_over_tcp_is_nobodys_word() {
    let (running, seen) = start(|config| config.streams.aliases = 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut stream = tcp(&running);
    // What the Via says of its transport makes no difference.
    for transport in ["TCP", "TLS"] {
        let request = options(transport, listener.local_addr().unwrap(), &format!("hello{transport}"));
        stream.write_all(request.replace(";rport", ";rport;alias").as_bytes()).unwrap();
        assert!(read_message(&mut stream).starts_with("SIP/2.0 200 OK\r\n"));
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "OPTIONS");
    }
    running.handle().try_send(Order::Options(format!("sip:127.0.0.1:{port};transport=tcp"))).unwrap();
    let (told, accepted) = mpsc::channel();
    std::thread::spawn(move || told.send(listener.accept().unwrap()));
    let (mut there, _) = accepted.recv_timeout(PATIENCE).unwrap();
    there.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = read_message(&mut there);
    assert!(!request.contains("alias"), "{request}");
    there.write_all(answer_to(&request, "200 OK").as_bytes()).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "200");
}
