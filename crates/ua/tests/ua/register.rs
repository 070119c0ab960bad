//! Accounts, against a small registrar of our own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sip::digest::{Algorithm, Ha1Set, Server, ServerConfig, Verdict};
use sip::message::{Body, Limits, Lines, Message, Method, Request, StatusCode, write_response};
use sip::{FlowId, Now, Origin, Time, Transport, WallTime};
use tokio::net::UdpSocket;
use ua::{AccountConfig, CallError, RegisterError, Registration};

use crate::{Wire, builder, header};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

/// Challenges every request, takes every call, and binds whoever knows the password `secret`.
struct Registrar {
    address: SocketAddr,
    expires: Arc<AtomicU32>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Registrar {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let expires = Arc::new(AtomicU32::new(60));
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (granted, kept) = (Arc::clone(&expires), Arc::clone(&seen));
        tokio::spawn(async move {
            let mut server = Server::new(ServerConfig::new("test"), [7; 32]).unwrap();
            let mut buffer = [0; 4_096];
            while let Ok((length, remote)) = socket.recv_from(&mut buffer).await {
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                let Ok(Message::Request(request)) = Message::parse(bytes, &Limits::default()) else { continue };
                kept.lock().unwrap().push(String::from_utf8_lossy(request.bytes()).into_owned());
                if *request.method() == Method::Ack {
                    continue;
                }
                let (code, lines) = judge(&mut server, &request, address, remote, granted.load(Ordering::Relaxed));
                let body = (code.is_success() && *request.method() == Method::Invite)
                    .then(|| Body::sdp(SDP.as_bytes().to_vec()));
                let answer =
                    write_response(request.headers(), code, None, Some("registrar"), &lines, body.as_ref(), None);
                socket.send_to(&answer, remote).await.unwrap();
            }
        });
        Self { address, expires, seen }
    }

    fn registers(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn judge(
    server: &mut Server,
    request: &Request,
    local: SocketAddr,
    remote: SocketAddr,
    expires: u32,
) -> (StatusCode, Lines) {
    let now = Now { mono: Time(1_000_000), wall: WallTime(1_700_000_000) };
    let origin = Origin { flow: FlowId(1), transport: Transport::Udp, local, remote };
    let known = Ha1Set::from_password(&[Algorithm::Md5, Algorithm::Sha256], "alice", "test", "secret").unwrap();
    let verdict =
        server.verify(now, request, &origin, false, |user, algorithm| known.get(algorithm).filter(|_| user == "alice"));
    let (stale, refused) = match verdict {
        Verdict::Ok(_) => {
            let mut lines = Lines::new();
            if *request.method() != Method::Register {
                lines.push("Contact", &format!("<sip:{local}>")).unwrap();
                return (StatusCode::OK, lines);
            }
            let contact = header(std::str::from_utf8(request.bytes()).unwrap(), "Contact").unwrap().to_owned();
            let text = String::from_utf8_lossy(request.bytes()).into_owned();
            let leaving = header(&text, "Expires") == Some("0") || contact.contains("expires=0");
            if !leaving {
                lines
                    .push("Contact", &format!("{};expires={expires}", contact.split(";expires").next().unwrap()))
                    .unwrap();
            }
            return (StatusCode::OK, lines);
        }
        Verdict::Challenge { stale } => (stale, StatusCode::UNAUTHORIZED),
        _ => (false, StatusCode::UNAUTHORIZED),
    };
    (refused, server.challenge(now, &origin, false, stale))
}

#[tokio::test]
async fn rfc3261_10_2_an_account_registers_refreshes_and_leaves() {
    let registrar = Registrar::start().await;
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{}", registrar.address)).password("secret").display("Alice");
    let account = alice.account(config).await.unwrap();
    registrar.expires.store(2, Ordering::Relaxed);
    let mut state = account.state();
    assert_eq!(*state.borrow(), Registration::Off);
    assert_eq!(account.register().await.unwrap(), Duration::from_secs(2));
    assert!(matches!(&*state.borrow_and_update(), Registration::Registered { .. }));
    let requests = registrar.registers();
    assert_eq!(requests.len(), 2, "a challenge and its answer");
    assert!(requests[0].starts_with(&format!("REGISTER sip:{} SIP/2.0\r\n", registrar.address)), "{}", requests[0]);
    let aor = format!("\"Alice\" <sip:alice@{}>", registrar.address);
    assert_eq!(header(&requests[0], "To"), Some(aor.as_str()));
    assert!(header(&requests[1], "Authorization").unwrap().contains("username=\"alice\""));
    // A binding of 2 s is refreshed at half of it.
    crate::until("the refresh", async || registrar.registers().len() >= 3).await;
    let numbers: Vec<u32> = registrar
        .registers()
        .iter()
        .map(|text| header(text, "CSeq").unwrap().split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    account.unregister().await;
    assert_eq!(*state.borrow_and_update(), Registration::Off);
    let last = registrar.registers().pop().unwrap();
    assert!(header(&last, "Expires") == Some("0") || header(&last, "Contact").unwrap().contains("expires=0"), "{last}");
    assert_eq!(alice.usage().await.unwrap().accounts, 0);
}

#[tokio::test]
async fn a_wrong_password_is_said_to_be_wrong() {
    let registrar = Registrar::start().await;
    let alice = builder().build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{}", registrar.address)).password("guess");
    let account = alice.account(config).await.unwrap();
    let error = account.register().await.unwrap_err();
    assert_eq!(error, RegisterError::Authentication { code: 401 });
    assert!(error.to_string().contains("check user name and password"), "{error}");
    assert!(matches!(&*account.state().borrow(), Registration::Failed { .. }));
    let tries = registrar.registers().len();
    assert_eq!(account.register().await, Err(error), "asked again, tried again");
    assert!(registrar.registers().len() > tries);
    let call = account.call("600").await;
    assert!(matches!(call, Err(CallError::Authentication { code: 401 })), "{:?}", call.err());
    let invite = registrar.registers().into_iter().find(|text| text.starts_with("INVITE")).unwrap();
    assert!(invite.starts_with(&format!("INVITE sip:600@{} SIP/2.0\r\n", registrar.address)), "{invite}");
}

#[tokio::test]
async fn a_registrar_that_is_not_there_is_named() {
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let alice = builder().build().await.unwrap();
    let config = AccountConfig::new("sip:alice@example.com").registrar(format!("sip:{closed}"));
    let account = alice.account(config).await.unwrap();
    let error = account.register().await.unwrap_err();
    assert!(
        matches!(&error, RegisterError::Unreachable { registrar, .. } if registrar.contains(&closed.port().to_string())),
        "{error}"
    );
    account.unregister().await;
    assert_eq!(alice.usage().await.unwrap().accounts, 0);
    assert!(matches!(alice.account(AccountConfig::new("not an address")).await, Err(CallError::BadUri { .. })));
    let config = AccountConfig::new("sip:alice@example.com").registrar("sip:alice@example.com");
    let error = alice.account(config).await.err().expect("a registrar without a user");
    assert!(error.to_string().contains("sip:example.com"), "{error}");
}

#[tokio::test]
async fn calls_and_requests_go_by_the_proxy_of_the_account() {
    let proxy = Registrar::start().await;
    let alice = builder().build().await.unwrap();
    let config = AccountConfig::new("sip:alice@example.com").password("secret").proxy(format!("sip:{}", proxy.address));
    let account = alice.account(config).await.unwrap();
    assert_eq!(account.message("sip:bob@example.net", "by way of the proxy").await.unwrap().code, 200);
    let seen = proxy.registers();
    let messages: Vec<_> = seen.iter().filter(|text| text.starts_with("MESSAGE")).collect();
    assert_eq!(messages.len(), 2, "a challenge and its answer");
    for message in &messages {
        assert!(message.starts_with("MESSAGE sip:bob@example.net SIP/2.0\r\n"), "{message}");
        assert_eq!(header(message, "Route"), Some(format!("<sip:{};lr>", proxy.address).as_str()));
        assert!(header(message, "From").unwrap().starts_with("<sip:alice@example.com>;tag="), "{message}");
    }
    let numbers = [0, 1].map(|at: usize| header(messages[at], "CSeq").unwrap().to_owned());
    assert_eq!(numbers, ["1 MESSAGE", "2 MESSAGE"]);
}

#[tokio::test]
async fn rfc3261_22_2_a_call_and_its_bye_answer_challenges() {
    let proxy = Registrar::start().await;
    let alice = builder().build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{}", proxy.address)).password("secret").realm("test");
    let account = alice.account(config).await.unwrap();
    let call = account.call("600").await.unwrap();
    assert_eq!(call.peer(), format!("sip:600@{}", proxy.address));
    call.hangup().await;
    crate::until("the BYE with credentials", async || {
        let seen = proxy.registers();
        seen.iter().any(|text| text.starts_with("BYE") && header(text, "Authorization").is_some())
    })
    .await;
    // Another realm is not answered: whoever asks would get a hash to guess the password from.
    let config = AccountConfig::new(format!("sip:alice@{}", proxy.address)).password("secret").realm("elsewhere");
    let stranger = alice.account(config).await.unwrap();
    assert!(matches!(stranger.call("600").await, Err(CallError::Authentication { code: 401 })));
}
