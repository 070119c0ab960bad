//! Registration against registrars that say what they are told to: too brief, elsewhere, not now, and every way to ask for a password.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::Time;
use sip::digest::{Algorithm, Ha1Set, Presented, Server, ServerConfig, Verdict};
use sip::message::{HeaderId, Limits, Lines, Message, Method, Request, StatusCode, write_response};
use tokio::net::UdpSocket;
use ua::{AccountConfig, Registration};

use crate::{builder, header, until};

/// A registrar that answers what its script says, from the number of requests that came before.
struct Scripted {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Scripted {
    async fn start(
        mut script: impl FnMut(usize, &Request) -> (u16, Vec<(&'static str, String)>) + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut buffer = [0; 8_192];
            while let Ok((length, remote)) = socket.recv_from(&mut buffer).await {
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                let Ok(Message::Request(request)) = Message::parse(bytes, &Limits::default()) else { continue };
                let text = String::from_utf8_lossy(request.bytes()).into_owned();
                let before = kept.lock().unwrap().len();
                kept.lock().unwrap().push((Instant::now(), text));
                let (code, values) = script(before, &request);
                let mut lines = Lines::new();
                values.iter().for_each(|(name, value)| lines.push(name, value).unwrap());
                let code = StatusCode::new(code).unwrap();
                let answer = write_response(request.headers(), code, None, Some("r"), &lines, None, None);
                socket.send_to(&answer, remote).await.unwrap();
            }
        });
        Self { address, seen }
    }

    fn came(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }
}

/// A 200 with the binding that was asked for.
fn bound(request: &Request, expires: u32) -> (u16, Vec<(&'static str, String)>) {
    let text = String::from_utf8_lossy(request.bytes()).into_owned();
    let contact = header(&text, "Contact").unwrap().split(";expires").next().unwrap().to_owned();
    (200, vec![("Contact", format!("{contact};expires={expires}"))])
}

/// What a REGISTER asks for, in the header field or the parameter.
fn asked(text: &str) -> u32 {
    let param = header(text, "Contact").and_then(|contact| contact.split(";expires=").nth(1));
    param.or(header(text, "Expires")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn rfc3261_10_2_8_too_brief_is_asked_again_with_the_least_that_is_taken() {
    let registrar = Scripted::start(|_, request| {
        let text = String::from_utf8_lossy(request.bytes()).into_owned();
        match asked(&text) {
            brief if brief < 600 => (423, vec![("Min-Expires", "600".to_owned())]),
            enough => bound(request, enough),
        }
    })
    .await;
    let alice = builder().build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{}", registrar.address)).expires(Duration::from_secs(60));
    let account = alice.account(config).await.unwrap();
    assert_eq!(account.register().await.unwrap(), Duration::from_secs(600));
    let came = registrar.came();
    assert_eq!(came.iter().map(|text| asked(text)).collect::<Vec<_>>(), [60, 600]);
    assert_eq!(header(&came[0], "Call-ID"), header(&came[1], "Call-ID"));
    let number = |text: &str| header(text, "CSeq").unwrap().split(' ').next().unwrap().parse::<u32>().unwrap();
    assert_eq!(number(&came[0]) + 1, number(&came[1]));
}

#[tokio::test]
async fn rfc3261_8_1_3_4_a_redirect_is_followed_and_kept_for_the_refresh() {
    let home = Scripted::start(|_, request| bound(request, 2)).await;
    let to = home.address;
    let first = Scripted::start(move |_, _| (301, vec![("Contact", format!("<sip:{to}>"))])).await;
    let alice = builder().build().await.unwrap();
    let account = alice.account(AccountConfig::new(format!("sip:alice@{}", first.address))).await.unwrap();
    assert_eq!(account.register().await.unwrap(), Duration::from_secs(2));
    until("the refresh", async || home.came().len() >= 2).await;
    assert_eq!(first.came().len(), 1, "asked once");
    let came = home.came();
    assert!(came[0].starts_with(&format!("REGISTER sip:{to} SIP/2.0\r\n")), "{}", came[0]);
    // Whoever is registered stays who he was.
    assert_eq!(header(&came[0], "To"), Some(format!("<sip:alice@{}>", first.address).as_str()));
}

#[tokio::test]
async fn rfc3261_8_1_3_4_a_redirect_in_a_circle_ends() {
    let registrar = Scripted::start(|_, request| (302, vec![("Contact", format!("<{}>", request.uri_text()))])).await;
    let alice = builder().build().await.unwrap();
    let account = alice.account(AccountConfig::new(format!("sip:alice@{}", registrar.address))).await.unwrap();
    assert!(account.register().await.is_err());
    assert_eq!(registrar.came().len(), 1);
}

#[tokio::test]
async fn rfc5626_4_5_a_registrar_that_fails_is_asked_more_and_more_seldom() {
    let registrar =
        Scripted::start(|before, request| if before < 4 { (500, Vec::new()) } else { bound(request, 600) }).await;
    let alice = builder().build().await.unwrap();
    let (base, longest) = (Duration::from_millis(100), Duration::from_millis(500));
    let config = AccountConfig::new(format!("sip:alice@{}", registrar.address)).retry(base, longest);
    let account = alice.account(config).await.unwrap();
    let mut state = account.state();
    assert!(account.register().await.is_err());
    assert!(matches!(&*state.borrow_and_update(), Registration::Failed { retry_in: Some(_), .. }));
    until("the registration", async || matches!(&*account.state().borrow(), Registration::Registered { .. })).await;
    let times: Vec<Instant> = registrar.seen.lock().unwrap().iter().map(|(at, _)| *at).collect();
    assert_eq!(times.len(), 5);
    // At least half of base * 2^n, which is no more than the longest; how much more, a busy machine decides.
    for (n, (pair, least)) in times.windows(2).zip([100, 200, 250, 250]).enumerate() {
        let gap = pair[1] - pair[0];
        assert!(gap >= Duration::from_millis(least), "after failure {n}: {gap:?}");
    }
}

/// Challenges as RFC 7616 and RFC 8760 allow them; each must be answered so that who knows the password agrees.
#[tokio::test]
async fn rfc7616_3_4_every_challenge_is_answered() {
    let rows: [(&'static [Algorithm], &str, &str, &str); 7] = [
        (&[Algorithm::Md5], "", "auth", "MD5"),
        (&[Algorithm::Sha256], "", "auth", "SHA-256"),
        (&[Algorithm::Sha512_256], "", "auth", "SHA-512-256"),
        (&[Algorithm::Md5], "-sess", "auth", "MD5-sess"),
        (&[Algorithm::Sha256], "-sess", "auth-int", "SHA-256-sess"),
        (&[Algorithm::Sha512_256], "", "auth-int", "SHA-512-256"),
        // The strongest of several (RFC 8760 section 2.4 leaves the choice to the client's policy).
        (&[Algorithm::Md5, Algorithm::Sha512_256, Algorithm::Sha256], "", "auth", "SHA-512-256"),
    ];
    let set = tokio::task::LocalSet::new();
    let all =
        rows.map(|(algorithms, session, qop, taken)| set.spawn_local(challenged(algorithms, session, qop, taken)));
    set.await;
    for one in all {
        one.await.unwrap();
    }
}

/// Registers with a challenge for these hashes, worded so.
async fn challenged(algorithms: &[Algorithm], session: &'static str, qop: &'static str, taken: &str) {
    let config = ServerConfig { algorithms: algorithms.to_vec(), ..ServerConfig::new("test") };
    let mut server = Server::new(config, [7; 32]).unwrap();
    let known = Ha1Set::from_password("alice", "test", "secret").unwrap();
    let mut refused_once = false;
    let registrar = Scripted::start(move |_, request| {
        let presented = Presented { method: Method::Register.as_str(), uri: request.uri_text(), body: request.body() };
        let values = request.headers().all(HeaderId::Authorization).map(|header| header.value);
        let peer = [127, 0, 0, 1].into();
        let verdict = server.judge(Time(1), peer, presented, values, |_, algorithm| known.get(algorithm));
        let stale = match verdict {
            // The first answer is called stale: the next must come with the new nonce, and no question to anybody.
            Verdict::Ok(_) if refused_once => return bound(request, 2),
            Verdict::Ok(_) => {
                refused_once = true;
                true
            }
            Verdict::Challenge { stale } => stale,
            _ => return (403, Vec::new()),
        };
        let challenges = server.challenges(Time(1), peer, stale);
        let worded = challenges.map(|line| {
            let line = line.replace("qop=\"auth\"", &format!("qop=\"{qop}\""));
            let name = line.split("algorithm=").nth(1).unwrap().split(',').next().unwrap().to_owned();
            let line = line.replace(&format!("algorithm={name}"), &format!("algorithm={name}{session}"));
            ("WWW-Authenticate", line)
        });
        (401, worded.collect())
    })
    .await;
    let alice = builder().build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{}", registrar.address)).password("secret");
    let account = alice.account(config).await.unwrap();
    let outcome = account.register().await;
    let came = registrar.came();
    assert!(outcome.is_ok(), "{taken} {qop}: {outcome:?} {came:?}");
    let shown: Vec<&str> = came.iter().filter_map(|text| header(text, "Authorization")).collect();
    assert_eq!((came.len(), shown.len()), (3, 2), "{taken} {qop}");
    for line in shown {
        assert!(line.contains(&format!("algorithm={taken},")), "{line}");
        assert!(line.contains(&format!("qop={qop},")) && line.contains("nc=00000001"), "{line}");
    }
    // The refresh counts on, with the nonce that is known.
    until("the refresh", async || registrar.came().len() >= 4).await;
    let refresh = registrar.came().pop().unwrap();
    assert!(header(&refresh, "Authorization").unwrap().contains("nc=00000002"), "{refresh}");
}

/// The control: a registrar that knows another password is not satisfied by any of it.
#[tokio::test]
async fn rfc7616_3_4_the_wrong_password_opens_nothing() {
    let mut server = Server::new(ServerConfig::new("test"), [7; 32]).unwrap();
    let known = Ha1Set::from_password("alice", "test", "another").unwrap();
    let registrar = Scripted::start(move |_, request| {
        let presented = Presented { method: "REGISTER", uri: request.uri_text(), body: request.body() };
        let values = request.headers().all(HeaderId::Authorization).map(|header| header.value);
        let peer = [127, 0, 0, 1].into();
        match server.judge(Time(1), peer, presented, values, |_, algorithm| known.get(algorithm)) {
            Verdict::Ok(_) => bound(request, 60),
            _ => (401, server.challenges(Time(1), peer, false).map(|line| ("WWW-Authenticate", line)).collect()),
        }
    })
    .await;
    let alice = builder().build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{}", registrar.address)).password("secret");
    let account = alice.account(config).await.unwrap();
    assert!(account.register().await.is_err());
    assert!(registrar.came().len() <= 3, "it does not go on asking");
}
