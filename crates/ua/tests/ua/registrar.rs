//! Registration against registrars that say what they are told to: too brief, elsewhere, not now.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::message::{Limits, Lines, Message, Request, StatusCode, write_response};
use tokio::net::UdpSocket;
use ua::{AccountConfig, Registration};

use crate::{builder, header, until};

/// A registrar that answers what its script says, from the number of requests that came before.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Scripted {
    pub(crate) async fn start(
        mut script: impl FnMut(usize, &Request) -> (u16, Vec<(&'static str, String)>) + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut buffer = [0; 8_192];
            // A request that is repeated is answered as before (RFC 3261 section 17.2.2), and is no other.
            let mut answered: HashMap<Vec<u8>, Bytes> = HashMap::new();
            while let Ok((length, remote)) = socket.recv_from(&mut buffer).await {
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                let Ok(Message::Request(request)) = Message::parse(bytes, &Limits::default()) else { continue };
                if let Some(answer) = answered.get(&buffer[..length]) {
                    socket.send_to(answer, remote).await.unwrap();
                    continue;
                }
                let text = String::from_utf8_lossy(request.bytes()).into_owned();
                let before = kept.lock().unwrap().len();
                kept.lock().unwrap().push((Instant::now(), text));
                let (code, values) = script(before, &request);
                let mut lines = Lines::new();
                values.iter().for_each(|(name, value)| lines.push(name, value).unwrap());
                let code = StatusCode::new(code).unwrap();
                let answer = write_response(request.headers(), code, None, Some("r"), &lines, None, None);
                socket.send_to(&answer, remote).await.unwrap();
                answered.insert(buffer[..length].to_vec(), answer);
            }
        });
        Self { address, seen }
    }

    pub(crate) fn came(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }
}

/// A 200 with the binding that was asked for.
pub(crate) fn bound(request: &Request, expires: u32) -> (u16, Vec<(&'static str, String)>) {
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

const URN: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

/// A registrar over flows that gives these addresses, by which everybody is called and nobody reached.
async fn of_flows(gruus: &'static str) -> Scripted {
    Scripted::start(move |_, request| {
        if *request.method() == sip::message::Method::Invite {
            return (486, Vec::new());
        }
        if !request.headers().has(sip::message::HeaderId::Authorization) {
            return (401, vec![("WWW-Authenticate", "Digest realm=\"home\", nonce=\"1\"".to_owned())]);
        }
        let (code, mut lines) = bound(request, 600);
        lines[0].1.push_str(gruus);
        lines.push(("Require", "outbound".to_owned()));
        (code, lines)
    })
    .await
}

#[tokio::test]
async fn rfc5627_4_4_who_is_registered_no_more_calls_from_no_address_of_the_registrar() {
    let registrar =
        of_flows(";pub-gruu=\"sip:alice@home.example;gr=1\";temp-gruu=\"sip:tgruu.7@home.example;gr\"").await;
    let alice = builder().build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{}", registrar.address)).password("secret").outbound(URN);
    let account = alice.account(config).await.unwrap();
    account.register().await.unwrap();
    let mut calls = 0;
    for (registered, anonymous) in [(true, false), (true, true), (false, false), (false, true)] {
        if !registered {
            account.unregister().await;
        }
        // Also who is not registered gets there.
        let call = account.call(format!("sip:bob@{}", registrar.address));
        let call = if anonymous { call.anonymous() } else { call };
        assert!(call.await.is_err(), "the line is busy");
        calls += 1;
        let invites: Vec<_> = registrar.came().into_iter().filter(|text| text.starts_with("INVITE ")).collect();
        assert_eq!(invites.len(), calls);
        let contact = header(invites.last().unwrap(), "Contact").unwrap().to_owned();
        assert_eq!(contact.contains("home.example"), registered, "{contact}");
    }
    alice.close().await;
}

#[tokio::test]
async fn rfc5627_4_4_and_rfc3323_4_1_who_calls_anonymously_is_named_by_nothing_but_his_credentials() {
    let public = ";pub-gruu=\"sip:alice@home.example;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6\";temp-gruu=\"sip:tgruu.7@home.example;gr\"";
    for (gruus, named, unnamed) in [
        (
            public,
            "<sip:alice@home.example;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>",
            "<sip:tgruu.7@home.example;gr>",
        ),
        ("", "<sip:alice@127.0.0.1:PORT;ob>", "<sip:127.0.0.1:PORT;ob>"),
    ] {
        let registrar = of_flows(gruus).await;
        let alice = builder().build().await.unwrap();
        let config = AccountConfig::new(format!("sip:alice@{}", registrar.address)).password("secret").outbound(URN);
        let account = alice.account(config).await.unwrap();
        account.register().await.unwrap();
        for (anonymous, contact) in [(false, named), (true, unnamed)] {
            let call = account.call("sip:bob@other.invalid");
            let call = if anonymous { call.anonymous() } else { call };
            assert!(call.await.is_err(), "the line is busy");
            let invite = registrar.came().into_iter().rfind(|text| text.starts_with("INVITE ")).unwrap();
            let port =
                header(&invite, "Via").unwrap().split(['/', ' ', ';']).find_map(|part| part.strip_prefix("127.0.0.1:"));
            assert_eq!(header(&invite, "Contact").unwrap(), contact.replace("PORT", port.unwrap()), "{invite}");
            let told = |what: &str| invite.lines().any(|line| !line.contains("uthorization: ") && line.contains(what));
            assert_eq!(told("alice") || told("f81d4fae"), !anonymous, "{invite}");
        }
        alice.close().await;
    }
}
