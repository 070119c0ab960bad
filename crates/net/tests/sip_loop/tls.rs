//! TLS on real sockets, with peers that have only the library: who is spoken to, who is not, and what nobody can hold up.
// size: one table of certificates, and the peers that show them, serve all of these tests

use std::path::{Path, PathBuf};
use std::sync::Arc;

use net::tls::{Clients, OwnCertificate, OwnCertificates, Tls, TlsClient, TlsServer, Trust};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::ServerName;
use rustls::server::ClientCertVerifierBuilder;
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::*;

/// A certificate, its file and the file of its key.
pub(crate) struct Paper {
    folder: tempfile::TempDir,
}

impl Paper {
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
    pub(crate) fn own(&self) -> OwnCertificate {
        OwnCertificate::read(&self.certificate(), &self.key()).unwrap()
    }
    pub(crate) fn server(&self, clients: &Clients) -> TlsServer {
        TlsServer::new(self.own(), clients).unwrap()
    }
    pub(crate) fn trusted(&self) -> TlsClient {
        TlsClient::new(Trust::File(self.certificate()), None).unwrap()
    }
}

/// A certificate with these names (`sip:` ones become URIs), changed by `change`, signed by itself.
pub(crate) fn paper(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Paper {
    let folder = tempfile::tempdir().unwrap();
    let mut params = params(names);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    std::fs::write(folder.path().join("certificate.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    Paper { folder }
}

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names
        .iter()
        .map(|name| match (name.parse(), name.starts_with("sip:")) {
            (Ok(ip), _) => SanType::IpAddress(ip),
            (_, true) => SanType::URI((*name).try_into().unwrap()),
            _ => SanType::DnsName((*name).try_into().unwrap()),
        })
        .collect();
    params
}

/// UDP, TCP and TLS, in this order.
fn start_secured(paper: &Paper, change: impl FnOnce(&mut LoopConfig)) -> (Running<Order>, mpsc::Receiver<String>) {
    start(|config| {
        let address = "127.0.0.1:0".parse().unwrap();
        config.binds.push(Bind { transport: Transport::Tls, address });
        config.tls = Tls { server: Some(paper.server(&Clients::Unasked)), client: paper.trusted() };
        change(config);
    })
}

pub(crate) type Secured = StreamOwned<ClientConnection, TcpStream>;

/// What a client of the library says of the loop's certificate is checked against this file.
pub(crate) fn client_config(trusted: &Path, own: Option<&Paper>) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let certificate = CertificateDer::from_pem_file(own.certificate()).unwrap();
            builder.with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_file(own.key()).unwrap()).unwrap()
        }
    })
}

fn raw(running: &Running<Order>) -> TcpStream {
    let stream = TcpStream::connect(running.bound()[2].address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn connect(running: &Running<Order>, config: &Arc<rustls::ClientConfig>) -> Secured {
    connect_to(running, config, "127.0.0.1")
}

/// The same, asking for this host name.
fn connect_to(running: &Running<Order>, config: &Arc<rustls::ClientConfig>, name: &'static str) -> Secured {
    let name = ServerName::try_from(name).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), raw(running))
}

fn ask(stream: &mut Secured, branch: &str) -> std::io::Result<String> {
    let local = stream.sock.local_addr().unwrap();
    stream.write_all(options("TLS", local, branch).as_bytes())?;
    message(stream)
}

/// Reads one message without a body.
pub(crate) fn message(stream: &mut impl Read) -> std::io::Result<String> {
    let mut text = Vec::new();
    let mut one = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut one)?;
        text.push(one[0]);
    }
    Ok(String::from_utf8(text).unwrap())
}

const HERE: [&str; 1] = ["127.0.0.1"];

#[test]
fn rfc3261_18_2_2_what_comes_over_tls_is_answered_on_the_same_connection() {
    let paper = paper(&HERE, |_| {});
    let (running, _seen) = start_secured(&paper, |_| {});
    let config = client_config(&paper.certificate(), None);
    let mut stream = connect(&running, &config);
    for branch in ["one", "two"] {
        let answer = ask(&mut stream, branch).unwrap();
        assert!(answer.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS"), "{answer}");
    }
    // RFC 5626 section 4.4.1, behind TLS as elsewhere.
    stream.write_all(b"\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 2]).unwrap();
    // Who speaks in the clear is not understood.
    let mut clear = raw(&running);
    clear.write_all(options("TLS", clear.local_addr().unwrap(), "clear").as_bytes()).unwrap();
    let mut rest = Vec::new();
    let _ = clear.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"SIP/2.0"), "{}", String::from_utf8_lossy(&rest));
}

#[test]
fn thousands_of_messages_in_one_piece_are_answered_one_by_one_though_little_is_read() {
    const ASKED: usize = 5_000;
    let paper = paper(&HERE, |_| {});
    let (running, _seen) = start_secured(&paper, |config| config.streams.backlog = 64 << 20);
    let config = client_config(&paper.certificate(), None);
    let mut stream = connect(&running, &config);
    let local = stream.sock.local_addr().unwrap();
    let all: String = (0..ASKED).map(|number| options("TLS", local, &number.to_string())).collect();
    stream.write_all(all.as_bytes()).unwrap();
    for number in 0..ASKED {
        let answer = message(&mut stream).unwrap();
        assert!(answer.contains(&format!("z9hG4bK{number};")), "{number}: {answer}");
    }
}

/// What one connection over TLS sends last, sealed, as octets of the stream.
fn sealed(stream: &mut Secured, what: &[u8]) -> Vec<u8> {
    stream.conn.writer().write_all(what).unwrap();
    let mut octets = Vec::new();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut octets).unwrap();
    }
    octets
}

#[test]
fn rfc8446_5_1_a_record_without_its_last_octet_is_waited_for_no_longer_than_a_message() {
    let paper = paper(&HERE, |_| {});
    let (running, _seen) = start_secured(&paper, |config| config.streams.message = Duration::from_millis(400));
    let config = client_config(&paper.certificate(), None);
    let mut stream = connect(&running, &config);
    assert!(ask(&mut stream, "before").unwrap().starts_with("SIP/2.0 200"));
    let octets = sealed(&mut stream, &[b'x'; 16_000]);
    let since = Instant::now();
    stream.sock.write_all(&octets[..octets.len() - 1]).unwrap();
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "closed");
    assert!(since.elapsed() < PATIENCE, "by the other side");
    // The control: who ends what it begins may be silent for longer than that.
    let mut stream = connect(&running, &config);
    assert!(ask(&mut stream, "before").unwrap().starts_with("SIP/2.0 200"));
    stream.conn.refresh_traffic_keys().unwrap();
    let octets = sealed(&mut stream, b"");
    assert!(!octets.is_empty(), "new keys, of which nothing comes that is SIP");
    stream.sock.write_all(&octets).unwrap();
    stream.sock.set_read_timeout(Some(Duration::from_millis(1_200))).unwrap();
    let silence = stream.read(&mut [0]).unwrap_err();
    assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
    assert!(ask(&mut stream, "after").unwrap().starts_with("SIP/2.0 200"));
}

#[test]
fn records_that_have_not_ended_take_of_the_room_for_messages_that_have_not() {
    let paper = paper(&HERE, |_| {});
    let (running, _seen) = start_secured(&paper, |config| config.streams.unfinished = 3 * 8_192);
    let config = client_config(&paper.certificate(), None);
    let begin = || {
        let mut stream = connect(&running, &config);
        assert!(ask(&mut stream, "before").unwrap().starts_with("SIP/2.0 200"));
        let octets = sealed(&mut stream, &[b'x'; 8_000]);
        stream.sock.write_all(&octets[..octets.len() - 1]).unwrap();
        // What another one is answered to has been read after it.
        assert!(ask(&mut connect(&running, &config), "another").unwrap().starts_with("SIP/2.0 200"));
        stream
    };
    let mut held: Vec<_> = (0..4).map(|_| begin()).collect();
    let outcomes: Vec<_> = held
        .iter_mut()
        .map(|stream| {
            stream.sock.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            stream.read(&mut [0]).map_err(|error| error.kind())
        })
        .collect();
    let stands = Err(std::io::ErrorKind::WouldBlock);
    assert_ne!(outcomes[0], stands, "the first makes room for the fourth");
    assert_eq!(outcomes[1..], [stands; 3]);
}

#[test]
fn handshake_that_stalls_is_ended_in_time_and_nobody_waits_for_it() {
    let paper = paper(&HERE, |_| {});
    let (running, _seen) = start_secured(&paper, |config| config.streams.handshake = Duration::from_millis(300));
    let mut silent = raw(&running);
    let mut half = raw(&running);
    // The first octets of a ClientHello that never ends.
    half.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).unwrap();
    let since = Instant::now();
    let config = client_config(&paper.certificate(), None);
    assert!(ask(&mut connect(&running, &config), "meanwhile").unwrap().starts_with("SIP/2.0 200"));
    for stalled in [&mut silent, &mut half] {
        assert!(!matches!(stalled.read(&mut [0; 64]), Ok(1..)), "closed without a word");
    }
    assert!(since.elapsed() >= Duration::from_millis(250), "closed after {:?}", since.elapsed());
}

/// There is a place for a handshake, as soon as the loop has seen who has left.
fn has_place(running: &Running<Order>, config: &Arc<rustls::ClientConfig>) {
    let until = Instant::now() + PATIENCE;
    while ask(&mut connect(running, config), "again").is_err() {
        assert!(Instant::now() < until, "places stay taken");
    }
}

#[test]
fn one_handshake_more_than_allowed_is_closed_and_places_are_free_again() {
    let paper = paper(&HERE, |_| {});
    // A quarter may be of one address: 2.
    let (running, _seen) = start_secured(&paper, |config| config.streams.handshakes = 8);
    let config = client_config(&paper.certificate(), None);
    let mut held: Vec<_> = (0..2).map(|_| raw(&running)).collect();
    let since = Instant::now();
    assert!(!matches!(raw(&running).read(&mut [0; 64]), Ok(1..)), "one past the limit");
    assert!(since.elapsed() < PATIENCE, "closed at once");
    held.clear();
    has_place(&running, &config);
    // Who has shaken hands takes no such place.
    let mut stand = Vec::new();
    for number in 0..6 {
        let mut stream = connect(&running, &config);
        assert!(ask(&mut stream, &format!("s{number}")).unwrap().starts_with("SIP/2.0 200"));
        stand.push(stream);
    }
}

/// Shakes hands, and leaves as soon as so many octets of its own have been sent: in peace, or with a reset. Whether it has, or the other side, and there was
/// no end of the handshake before.
fn leaves_after<S>(octets: usize, side: &mut rustls::ConnectionCommon<S>, socket: &mut TcpStream, reset: bool) -> bool {
    let mut sent = 0;
    let left = loop {
        let mut flight = Vec::new();
        while side.wants_write() {
            side.write_tls(&mut flight).unwrap();
        }
        let goes = flight.len().min(octets - sent);
        sent += goes;
        if socket.write_all(&flight[..goes]).is_err() || sent == octets {
            break true;
        }
        if !side.is_handshaking() {
            break false;
        }
        if !matches!(side.read_tls(socket), Ok(1..)) || side.process_new_packets().is_err() {
            break true;
        }
    };
    if left && reset {
        socket2::SockRef::from(&*socket).set_linger(Some(Duration::ZERO)).unwrap();
    }
    left
}

/// More octets than a handshake has.
const ENOUGH: usize = 10_000;

#[test]
fn cve_tls_who_leaves_anywhere_in_the_handshake_leaves_nothing_behind() {
    let paper = paper(&HERE, |_| {});
    // A quarter may be of one address: places that stay taken would soon be all.
    let (running, _seen) = start_secured(&paper, |config| config.streams.handshakes = 64);
    let config = client_config(&paper.certificate(), None);
    for reset in [false, true] {
        let left = |octets: &usize| {
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let mut side = ClientConnection::new(Arc::clone(&config), name).unwrap();
            leaves_after(*octets, &mut side, &mut raw(&running), reset)
        };
        let whole = (0..ENOUGH).take_while(left).count();
        assert!((100..ENOUGH).contains(&whole), "a whole handshake comes to its end, after {whole} shorter ones");
    }
    has_place(&running, &config);
}

#[test]
fn cve_tls_a_server_that_leaves_anywhere_in_the_handshake_is_told_of_and_asked_again_later() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    let paper = paper(&["sip.example.com"], |_| {});
    let config = server_config(&paper, None);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("sips:sip.example.com:{}", listener.local_addr().unwrap().port());
    let (octets, reset) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (limit, abrupt) = (Arc::clone(&octets), Arc::clone(&reset));
    // Ends with the process: nobody waits for it.
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, octets) = (socket.unwrap(), limit.load(Ordering::SeqCst));
            let mut side = ServerConnection::new(Arc::clone(&config)).unwrap();
            if leaves_after(octets, &mut side, &mut socket, abrupt.load(Ordering::SeqCst)) {
                continue;
            }
            let mut stream = StreamOwned::new(side, socket);
            if let Ok(request) = message(&mut stream) {
                let _ = stream.write_all(answer_to(&request, "200 OK").as_bytes());
            }
        }
    });
    for abrupt in [false, true] {
        reset.store(abrupt, Ordering::SeqCst);
        let (running, seen) = start(|config| {
            config.tls.client = paper.trusted();
            config.resolver = Some(Box::new(|| Box::new(Page(vec!["127.0.0.1".parse().unwrap()]))));
        });
        let told = |limit: usize| {
            octets.store(limit, Ordering::SeqCst);
            running.handle().try_send(Order::Options(uri.clone())).unwrap();
            seen.recv_timeout(PATIENCE).unwrap()
        };
        let outcomes: Vec<String> = (0..ENOUGH).step_by(29).map(told).take_while(|told| told != "200").collect();
        assert!((5..ENOUGH / 29).contains(&outcomes.len()), "{} shorter handshakes", outcomes.len());
        assert!(outcomes.iter().all(|told| told.starts_with("Transport(")), "{outcomes:?}");
    }
}

#[test]
fn handshakes_without_end_leave_the_others_their_turn() {
    let paper = paper(&HERE, |_| {});
    let (running, _seen) = start_secured(&paper, |_| {});
    let config = client_config(&paper.certificate(), None);
    let (over, made) = (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let name = ServerName::try_from("127.0.0.1").unwrap();
                    let mut tls = ClientConnection::new(Arc::clone(&config), name).unwrap();
                    if tls.complete_io(&mut raw(&running)).is_ok() {
                        made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
        let socket = udp();
        let (local, server) = (socket.local_addr().unwrap(), running.bound()[0].address);
        let mut slowest = Duration::ZERO;
        for number in 0.. {
            socket.send_to(options("UDP", local, &format!("calm{number}")).as_bytes(), server).unwrap();
            let asked = Instant::now();
            receive(&socket);
            slowest = slowest.max(asked.elapsed());
            if number >= 20 && made.load(std::sync::atomic::Ordering::Relaxed) >= 100 {
                break;
            }
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(slowest < Duration::from_secs(1), "an answer took {slowest:?}");
    });
}

#[test]
fn another_certificate_is_shown_to_newcomers_and_those_who_are_there_stay() {
    let (old, new) = (paper(&HERE, |_| {}), paper(&HERE, |_| {}));
    let server = old.server(&Clients::Unasked);
    let (running, _seen) = start_secured(&old, |config| config.tls.server = Some(server.clone()));
    let (by_old, by_new) = (client_config(&old.certificate(), None), client_config(&new.certificate(), None));
    let mut stays = connect(&running, &by_old);
    assert!(ask(&mut stays, "before").unwrap().starts_with("SIP/2.0 200"));
    assert!(ask(&mut connect(&running, &by_new), "too-early").is_err());
    server.replace(new.own(), &Clients::Unasked).unwrap();
    assert!(ask(&mut connect(&running, &by_new), "after").unwrap().starts_with("SIP/2.0 200"));
    assert!(ask(&mut connect(&running, &client_config(&old.certificate(), None)), "too-late").is_err());
    assert!(ask(&mut stays, "still").unwrap().starts_with("SIP/2.0 200"));
}

#[test]
fn rfc6066_3_who_asks_for_a_name_is_shown_its_certificate_and_all_others_that_for_others() {
    let others = paper(&["a.example", "b.example", "none.example", "127.0.0.1"], |_| {});
    let [one, old, new] = [["a.example"], ["b.example"], ["b.example"]].map(|names| paper(&names, |_| {}));
    let shown = |two: &Paper| {
        let shown = OwnCertificates::from(others.own()).with("A.example.", one.own()).unwrap();
        shown.with("b.example", two.own()).unwrap()
    };
    let server = TlsServer::new(shown(&old), &Clients::Unasked).unwrap();
    let (running, _seen) = start_secured(&others, |config| config.tls.server = Some(server.clone()));
    let shows = |name: &'static str| -> Vec<usize> {
        let is_trusted = |paper: &&Paper| {
            let config = client_config(&paper.certificate(), None);
            ask(&mut connect_to(&running, &config, name), "x").is_ok_and(|answer| answer.contains(" 200 "))
        };
        let papers = [&others, &one, &old, &new];
        papers.iter().enumerate().filter(|(_, paper)| is_trusted(paper)).map(|(number, _)| number).collect()
    };
    // An address is no name, and is not asked for.
    for (name, paper) in [("a.example", 1), ("A.EXAMPLE", 1), ("b.example", 2), ("none.example", 0), ("127.0.0.1", 0)] {
        assert_eq!(shows(name), [paper], "{name}");
    }
    // All at once, those who stay what they were too.
    server.replace(shown(&new), &Clients::Unasked).unwrap();
    assert_eq!((shows("a.example"), shows("b.example"), shows("127.0.0.1")), (vec![1], vec![3], vec![0]));
}

#[test]
fn a_certificate_is_for_the_name_that_it_is_shown_under() {
    let with = |names: &[&str], name: &str| {
        let own = paper(names, |_| {}).own();
        let shown = OwnCertificates::from(own.clone()).with(name, own);
        shown.map(|_| ()).map_err(|error| error.to_string())
    };
    for (names, name) in [
        (&["a.example"][..], "a.example"),
        (&["sip:a.example", "b.example"], "a.example"),
        // For secure WebSockets, though not as SIP domain.
        (&["*.b.example"], "a.b.example"),
        (&["sip:a.example", "b.example"], "b.example"),
    ] {
        assert_eq!(with(names, name), Ok(()), "{names:?} {name}");
    }
    for (names, name, why) in [
        (&["a.example", "b.example"][..], "c.example", "it is for a.example, b.example, expected c.example"),
        (&["192.0.2.1"], "a.example", "it is for no domain, expected a.example"),
        (&["192.0.2.1"], "192.0.2.1", "192.0.2.1 is no host name"),
        (&["*.example"], "*.example", "*.example is no host name"),
    ] {
        assert_eq!(with(names, name), Err(format!("the certificate cannot be used: {why}")), "{names:?}");
    }
    // A key of another's.
    let (one, other) = (paper(&["a.example"], |_| {}), paper(&["a.example"], |_| {}));
    let mixed = OwnCertificate::read(&one.certificate(), &other.key()).unwrap();
    let shown = OwnCertificates::from(one.own()).with("a.example", mixed).unwrap();
    let told = TlsServer::new(shown, &Clients::Unasked).unwrap_err().to_string();
    assert!(told.contains("for a.example"), "{told}");
}

#[test]
fn where_one_side_cannot_be_replaced_the_other_shows_the_old_certificate_on() {
    let (old, new, theirs) = (paper(&HERE, |_| {}), paper(&HERE, |_| {}), paper(&["sip.example.com"], |_| {}));
    let (address, _asked) = peer(&theirs, Some(&old));
    let uri = format!("sips:sip.example.com:{}", address.port());
    let server = old.server(&Clients::Unasked);
    let client = TlsClient::of_server(Trust::File(theirs.certificate()), old.own()).unwrap();
    let (running, _seen) = start_secured(&old, |config| config.tls.server = Some(server.clone()));
    let shows = |paper: &Paper| {
        ask(&mut connect(&running, &client_config(&paper.certificate(), None)), "x")
            .is_ok_and(|one| one.contains(" 200 "))
    };
    // Whom we trust is being written just now; then those whom we ask for a certificate are.
    let whole = std::fs::read(theirs.certificate()).unwrap();
    std::fs::write(theirs.certificate(), "").unwrap();
    assert!(server.replace_with(&client, new.own(), &Clients::Unasked).is_err());
    std::fs::write(theirs.certificate(), whole).unwrap();
    assert!(server.replace_with(&client, new.own(), &Clients::Asked(new.key())).is_err());
    assert_eq!((shows(&old), shows(&new), outcome(client.clone(), &uri).as_str()), (true, false, "200"));
    server.replace_with(&client, new.own(), &Clients::Unasked).unwrap();
    assert_eq!((shows(&old), shows(&new)), (false, true));
    assert_ne!(outcome(client, &uri), "200");
}

#[test]
fn rfc5922_7_4_who_must_show_a_certificate_is_refused_without() {
    let (ours, theirs, stranger) =
        (paper(&HERE, |_| {}), paper(&["phone.example"], |_| {}), paper(&["phone.example"], |_| {}));
    for (clients, without) in
        [(Clients::Required(theirs.certificate()), false), (Clients::Asked(theirs.certificate()), true)]
    {
        let (running, _seen) = start_secured(&ours, |config| config.tls.server = Some(ours.server(&clients)));
        let answered = |own: Option<&Paper>| {
            ask(&mut connect(&running, &client_config(&ours.certificate(), own)), "x")
                .is_ok_and(|one| one.contains(" 200 "))
        };
        assert_eq!(answered(None), without, "{clients:?}");
        assert!(answered(Some(&theirs)), "{clients:?}");
        assert!(!answered(Some(&stranger)), "{clients:?}");
    }
}

/// A server of the library that answers every request on its first connections; what it was asked, and under which name.
pub(crate) fn peer(paper: &Paper, clients: Option<&Paper>) -> (SocketAddr, mpsc::Receiver<(Option<String>, String)>) {
    peer_that(server_config(paper, clients), |_| true)
}

/// The same with these settings; it closes the connections, counted from 0, for which `answers` is false instead of answering on them.
pub(crate) fn peer_that(
    config: Arc<rustls::ServerConfig>,
    answers: fn(usize) -> bool,
) -> (SocketAddr, mpsc::Receiver<(Option<String>, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, asked) = mpsc::channel();
    // Ends with the process: nobody waits for it.
    std::thread::spawn(move || {
        for (number, socket) in listener.incoming().enumerate() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket.unwrap());
            let told = told.clone();
            std::thread::spawn(move || {
                while let Ok(request) = message(&mut stream) {
                    let name = stream.conn.server_name().map(str::to_owned);
                    let _ = told.send((name, request.clone()));
                    if !answers(number) {
                        return;
                    }
                    stream.write_all(answer_to(&request, "200 OK").as_bytes()).unwrap();
                }
            });
        }
    });
    (address, asked)
}

/// Who shows this certificate, and wants one of those where they are named.
pub(crate) fn server_config(paper: &Paper, clients: Option<&Paper>) -> Arc<rustls::ServerConfig> {
    server_asking(paper, clients, |asks| asks)
}

/// The same, asking as this says.
pub(crate) fn server_asking(paper: &Paper, clients: Option<&Paper>, asks: Asks) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(clients.certificate()).unwrap()).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(asks(verifier).build().unwrap())
        }
    };
    let chain = CertificateDer::pem_file_iter(paper.certificate()).unwrap().map(Result::unwrap).collect();
    let config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(paper.key()).unwrap()).unwrap();
    Arc::new(config)
}

/// What becomes of an OPTIONS to this URI when this is trusted; every name is at 127.0.0.1.
pub(crate) fn outcome(client: TlsClient, uri: &str) -> String {
    let (running, seen) = start(|config| {
        config.tls.client = client;
        config.resolver = Some(Box::new(|| Box::new(Page(vec!["127.0.0.1".parse().unwrap()]))));
    });
    running.handle().try_send(Order::Options(uri.to_owned())).unwrap();
    seen.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn rfc5922_7_3_the_server_must_be_who_was_asked_for() {
    let paper = paper(&["sip.example.com"], |_| {});
    let (address, asked) = peer(&paper, None);
    let port = address.port();
    for uri in [format!("sips:sip.example.com:{port}"), format!("sip:SIP.example.com:{port};transport=tls")] {
        assert_eq!(outcome(paper.trusted(), &uri), "200", "{uri}");
        // RFC 5922 section 7.8: the name is told to the server.
        let (name, request) = asked.recv_timeout(PATIENCE).unwrap();
        assert_eq!(name.as_deref().map(str::to_ascii_lowercase).as_deref(), Some("sip.example.com"));
        assert!(request.contains("\r\nVia: SIP/2.0/TLS "), "{request}");
    }
    for host in ["example.com", "www.sip.example.com", "127.0.0.1"] {
        let told = outcome(paper.trusted(), &format!("sips:{host}:{port}"));
        assert!(told.starts_with("Transport(Tls(") && told.contains("another name"), "{told}");
        assert!(told.contains(&format!("expected {host}, found sip.example.com")), "{told}");
    }
    assert!(asked.try_recv().is_err(), "nothing was said to whom it was not for");
}

#[test]
fn rfc5922_7_2_a_wildcard_is_for_nobody() {
    let paper = paper(&["*.example.com"], |_| {});
    let (address, _asked) = peer(&paper, None);
    let told = outcome(paper.trusted(), &format!("sips:sip.example.com:{}", address.port()));
    assert!(told.contains("expected sip.example.com, found *.example.com"), "{told}");
}

#[test]
fn cve_tls_a_server_whose_name_has_a_nul_in_it_or_no_end_is_not_spoken_to() {
    let long = format!("sip:sip.example.com.{}", "x".repeat(60_000));
    for name in ["sip.example.com\0.evil.example", "sip:sip.example.com\0.evil.example", &long] {
        let paper = paper(&[name], |_| {});
        let (address, asked) = peer(&paper, None);
        let told = outcome(paper.trusted(), &format!("sips:sip.example.com:{}", address.port()));
        assert!(told.starts_with("Transport(Tls(") && told.contains("another name"), "{told}");
        assert!(told.len() < 1_000, "{told}");
        assert!(asked.try_recv().is_err(), "something was said");
    }
}

#[test]
fn rfc5280_6_1_a_server_nobody_vouches_for_is_not_spoken_to() {
    let (theirs, others) = (paper(&["sip.example.com"], |_| {}), paper(&["sip.example.com"], |_| {}));
    let old = paper(&["sip.example.com"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let early = paper(&["sip.example.com"], |params| params.not_before = rcgen::date_time_ymd(2999, 1, 1));
    let mail = paper(&["sip.example.com"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::EmailProtection];
    });
    for (shown, trusted, expected) in [
        (&theirs, &others, "nobody we trust"),
        (&old, &old, "has expired"),
        (&early, &early, "not valid yet"),
        (&mail, &mail, "not meant for servers of SIP"),
    ] {
        let (address, asked) = peer(shown, None);
        let told = outcome(trusted.trusted(), &format!("sips:sip.example.com:{}", address.port()));
        assert!(told.starts_with("Transport(Tls(") && told.contains(expected), "{expected}: {told}");
        assert!(asked.try_recv().is_err(), "{expected}: something was said");
        // Who wants to know no better is told nothing.
        let anybody = TlsClient::new(Trust::Anybody, None).unwrap();
        assert_eq!(outcome(anybody, &format!("sips:sip.example.com:{}", address.port())), "200");
    }
}

#[test]
fn an_authority_vouches_for_whom_it_has_signed_and_a_server_given_as_it_is_for_itself() {
    // As `openssl req -x509` makes them: one that may sign others, and has signed itself.
    let authority = paper(&["sip.example.com"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let (address, _asked) = peer(&authority, None);
    assert_eq!(outcome(authority.trusted(), &format!("sips:sip.example.com:{}", address.port())), "200");
    let expired = paper(&["sip.example.com"], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let (address, _asked) = peer(&expired, None);
    let told = outcome(expired.trusted(), &format!("sips:sip.example.com:{}", address.port()));
    assert!(told.contains("has expired"), "{told}");

    // Authority, one between, server; the server sends the one between.
    let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
    let named = |name: &str, ca: bool, host: &[&str]| {
        let mut params = params(host);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    };
    let (root, between) = (named("root", true, &[]), named("between", true, &[]));
    let root_pem = root.self_signed(&keys[0]).unwrap().pem();
    let between_pem = between.signed_by(&keys[1], &Issuer::from_params(&root, &keys[0])).unwrap().pem();
    let server = named("server", false, &["sip:example.com"]);
    let server_pem = server.signed_by(&keys[2], &Issuer::from_params(&between, &keys[1])).unwrap().pem();
    let chain = paper(&HERE, |_| {});
    std::fs::write(chain.certificate(), format!("{server_pem}{between_pem}")).unwrap();
    std::fs::write(chain.key(), keys[2].serialize_pem()).unwrap();
    let trusted = paper(&HERE, |_| {});
    std::fs::write(trusted.certificate(), root_pem).unwrap();
    let (address, _asked) = peer(&chain, None);
    assert_eq!(outcome(trusted.trusted(), &format!("sips:example.com:{}", address.port())), "200");
    let told = outcome(authority.trusted(), &format!("sips:example.com:{}", address.port()));
    assert!(told.contains("nobody we trust"), "{told}");
}

#[test]
fn a_server_that_wants_a_certificate_gets_ours() {
    let (theirs, ours) = (paper(&["sip.example.com"], |_| {}), paper(&["phone.example.com"], |_| {}));
    let (address, _asked) = peer(&theirs, Some(&ours));
    let uri = format!("sips:sip.example.com:{}", address.port());
    let with = TlsClient::new(Trust::File(theirs.certificate()), Some(ours.own())).unwrap();
    assert_eq!(outcome(with, &uri), "200");
    let without = outcome(theirs.trusted(), &uri);
    assert_ne!(without, "200");
}

#[test]
fn a_certificate_of_ours_that_is_replaced_is_shown_from_then_on() {
    let (theirs, old, new) = (
        paper(&["sip.example.com"], |_| {}),
        paper(&["phone.example.com"], |_| {}),
        paper(&["phone.example.com"], |_| {}),
    );
    let (address, _asked) = peer(&theirs, Some(&new));
    let uri = format!("sips:sip.example.com:{}", address.port());
    let client = TlsClient::new(Trust::File(theirs.certificate()), Some(old.own())).unwrap();
    assert_ne!(outcome(client.clone(), &uri), "200");
    // One that cannot be used changes nothing.
    let mixed = OwnCertificate::read(&new.certificate(), &old.key()).unwrap();
    assert!(client.replace(mixed).is_err());
    assert_ne!(outcome(client.clone(), &uri), "200");
    client.replace(new.own()).unwrap();
    assert_eq!(outcome(client, &uri), "200");
}

#[test]
fn a_connection_serves_the_name_it_was_made_for_and_no_other() {
    let paper = paper(&["one.example.com", "two.example.com"], |_| {});
    let (address, asked) = peer(&paper, None);
    let (running, seen) = start(|config| {
        config.tls.client = paper.trusted();
        config.resolver = Some(Box::new(|| Box::new(Page(vec!["127.0.0.1".parse().unwrap()]))));
    });
    let ask = |host: &str| {
        running.handle().try_send(Order::Options(format!("sips:{host}:{}", address.port()))).unwrap();
        let answer = seen.recv_timeout(PATIENCE).unwrap();
        (answer, asked.try_recv().ok())
    };
    let port_of = |request: &str| sentences::sent_by(request).port();
    let (answer, first) = ask("one.example.com");
    let (name, first) = first.unwrap();
    assert_eq!((answer.as_str(), name.as_deref()), ("200", Some("one.example.com")));
    let (_, again) = ask("one.example.com");
    assert_eq!(port_of(&again.unwrap().1), port_of(&first), "the connection that stands");
    let (answer, other) = ask("two.example.com");
    let (name, other) = other.unwrap();
    assert_eq!((answer.as_str(), name.as_deref()), ("200", Some("two.example.com")));
    assert_ne!(port_of(&other), port_of(&first), "another connection");
    let (answer, refused) = ask("three.example.com");
    assert!(answer.contains("expected three.example.com") && refused.is_none(), "{answer}");
}

#[test]
fn request_whose_connection_is_lost_goes_once_more_to_the_same_name() {
    let paper = paper(&["sip.example.com"], |_| {});
    let (address, asked) = peer_that(server_config(&paper, None), |number| number > 0);
    assert_eq!(outcome(paper.trusted(), &format!("sips:sip.example.com:{}", address.port())), "200");
    let told: Vec<_> = asked.try_iter().collect();
    let [(first, request), (again, repeated)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((first.as_deref(), again.as_deref()), (Some("sip.example.com"), Some("sip.example.com")));
    assert_eq!(request, repeated);
}

#[test]
fn listening_over_tls_without_a_certificate_is_refused() {
    let binds = vec![Bind { transport: Transport::Tls, address: "127.0.0.1:0".parse().unwrap() }];
    let config = LoopConfig::new(binds, sip::Config::default());
    let (seen, _reports) = mpsc::channel();
    let Err(why) = SipLoop::spawn(config, move |_, _| Robot { seen }) else { panic!("it started") };
    assert!(why.to_string().contains("certificate"), "{why}");
}

#[test]
fn certificate_that_was_made_is_kept_and_only_we_may_read_its_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("tls");
    let names = ["pbx.example.com", "192.0.2.1"].map(str::to_owned);
    let first = OwnCertificate::kept_in(&kept, &names).unwrap().fingerprint();
    assert_eq!(OwnCertificate::kept_in(&kept, &[]).unwrap().fingerprint(), first);
    assert_eq!(first.len(), 32 * 3 - 1, "{first}");
    let mode = std::fs::metadata(OwnCertificate::files(&kept).1).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    // A key of another, a file of something else.
    let other = paper(&HERE, |_| {});
    let mixed = OwnCertificate::read(&OwnCertificate::files(&kept).0, &other.key()).unwrap();
    assert!(TlsServer::new(mixed, &Clients::Unasked).is_err());
    assert!(OwnCertificate::read(&other.key(), &other.key()).unwrap_err().to_string().contains("certificate"));
    assert!(OwnCertificate::read(&other.certificate(), &other.certificate()).is_err());
}

/// How a server asks for certificates.
type Asks = fn(ClientCertVerifierBuilder) -> ClientCertVerifierBuilder;

#[test]
fn rfc8446_4_2_4_our_certificate_is_shown_to_who_names_an_authority_of_it_or_none() {
    let named = |name: &'static str, host: &str| {
        paper(&[host], |params| params.distinguished_name.push(rcgen::DnType::CommonName, name))
    };
    let (theirs, ours, stranger) =
        (named("theirs", "sip.example.com"), named("ours", "pbx.example.com"), named("stranger", "x.example.com"));
    let optional: Asks = |asks| asks.allow_unauthenticated();
    let untold: Asks = |asks| asks.allow_unauthenticated().clear_root_hint_subjects();
    let needed: Asks = |asks| asks;
    for (what, authority, asks, good) in [
        ("who wants those of another one, and none will do", &stranger, optional, true),
        ("who does not say that he wants those of another one", &stranger, untold, false),
        ("who needs one of another one", &stranger, needed, false),
        ("who needs ours", &ours, needed, true),
        ("who wants ours and does not say so", &ours, untold, true),
    ] {
        let (address, _asked) = peer_that(server_asking(&theirs, Some(authority), asks), |_| true);
        let uri = format!("sips:sip.example.com:{}", address.port());
        let trust = || Trust::File(theirs.certificate());
        let told = outcome(TlsClient::of_server(trust(), ours.own()).unwrap(), &uri);
        assert_eq!(told == "200", good, "{what}: {told}");
        // A telephone was given it to be shown.
        let told = outcome(TlsClient::new(trust(), Some(ours.own())).unwrap(), &uri);
        assert_eq!(told == "200", std::ptr::eq(authority, &ours), "a telephone, {what}: {told}");
    }
    // An authority, one between, and ours, which comes with the one between: each of the two names is one of its authorities.
    let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
    let signed = |name: &str, ca: bool| {
        let mut params = params(&["pbx.example.com"]);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
        params
    };
    let (root, between) = (signed("root", true), signed("between", true));
    let root_pem = root.self_signed(&keys[0]).unwrap().pem();
    let between_pem = between.signed_by(&keys[1], &Issuer::from_params(&root, &keys[0])).unwrap().pem();
    let own_pem = signed("own", false).signed_by(&keys[2], &Issuer::from_params(&between, &keys[1])).unwrap().pem();
    std::fs::write(ours.certificate(), format!("{own_pem}{between_pem}")).unwrap();
    std::fs::write(ours.key(), keys[2].serialize_pem()).unwrap();
    for authority in [root_pem, between_pem] {
        std::fs::write(stranger.certificate(), authority).unwrap();
        let (address, _asked) = peer(&theirs, Some(&stranger));
        let client = TlsClient::of_server(Trust::File(theirs.certificate()), ours.own()).unwrap();
        assert_eq!(outcome(client, &format!("sips:sip.example.com:{}", address.port())), "200");
    }
}

/// What is different about a certificate.
type Change = fn(&mut CertificateParams);

#[test]
fn rfc5280_4_2_1_12_a_server_shows_no_certificate_that_is_for_servers_alone() {
    use rcgen::ExtendedKeyUsagePurpose::{Any, ClientAuth, Other, ServerAuth};
    let sip_domain = || Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 20]);
    let client = TlsClient::of_server(Trust::Anybody, paper(&HERE, |_| {}).own()).unwrap();
    for (purposes, good) in [
        (vec![], true),
        (vec![ServerAuth, ClientAuth], true),
        (vec![ServerAuth, sip_domain()], true),
        (vec![Any], true),
        (vec![ServerAuth], false),
    ] {
        // One that may sign others, or has run out, says what it is for like any other.
        let changes: [(&str, Change); 3] = [
            ("as it is", |_| {}),
            ("signs others", |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            ("has run out", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)),
        ];
        for (what, change) in changes {
            let own = paper(&HERE, |params| {
                params.extended_key_usages = purposes.clone();
                change(params);
            });
            let made = TlsClient::of_server(Trust::Anybody, own.own()).map(|_| ());
            let replaced = client.replace(own.own());
            for told in [made, replaced] {
                let told = told.map_err(|error| error.to_string());
                assert_eq!(told.is_ok(), good, "{purposes:?}, {what}: {told:?}");
                assert!(told.is_ok() || told.unwrap_err().contains("extended key usage"));
            }
        }
    }
}

#[test]
fn rfc5280_4_2_1_9_a_certificate_that_was_given_as_it_is_is_taken_for_what_it_says_though_it_may_sign_others() {
    use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, Other, ServerAuth};
    let ours = paper(&HERE, |_| {});
    for (purposes, of_server, of_client) in [
        (vec![], true, true),
        (vec![ServerAuth, ClientAuth], true, true),
        (vec![Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 20])], true, true),
        (vec![ServerAuth], true, false),
        (vec![ClientAuth], false, true),
    ] {
        // As `openssl req -x509` makes them.
        let given = paper(&["sip.example.com"], |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.extended_key_usages = purposes.clone();
        });
        let (address, _asked) = peer(&given, None);
        let told = outcome(given.trusted(), &format!("sips:sip.example.com:{}", address.port()));
        assert_eq!(told == "200", of_server, "{purposes:?}: {told}");
        assert!(of_server || told.contains("not meant for servers of SIP"), "{purposes:?}: {told}");
        let clients = Clients::Required(given.certificate());
        let (running, _seen) = start_secured(&ours, |config| config.tls.server = Some(ours.server(&clients)));
        let answered = |own: &Paper| {
            ask(&mut connect(&running, &client_config(&ours.certificate(), Some(own))), "x")
                .is_ok_and(|one| one.contains(" 200 "))
        };
        assert_eq!(answered(&given), of_client, "{purposes:?}");
        // Another one that may sign others, of the same name, was not given.
        let other = paper(&["sip.example.com"], |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.extended_key_usages = purposes.clone();
        });
        assert!(!answered(&other), "{purposes:?}");
    }
}
