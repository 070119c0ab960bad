//! A registration over a connection that breaks, and what goes by it (RFC 5626).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sip::message::{Frame, Framer, HeaderId, Limits, Lines, Message, Method, Request, StatusCode, write_response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use ua::{AccountConfig, SubscriptionNews};

use crate::{builder, header, until};

/// Takes every registration, subscription and publication, one connection after the other.
struct Server {
    address: std::net::SocketAddr,
    /// By which connection each request came.
    came: Arc<Mutex<Vec<(usize, String)>>>,
    cut: Arc<Notify>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, came, cut) = (listener.local_addr().unwrap(), Arc::default(), Arc::new(Notify::new()));
        let (seen, cutting) = (Arc::clone(&came), Arc::clone(&cut));
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::select! {
                    () = cutting.notified() => {}
                    () = serve(stream, number, &seen) => {}
                }
            }
        });
        Self { address, came, cut }
    }

    /// Those of this method that came by this connection.
    fn of(&self, number: usize, method: &str) -> Vec<String> {
        let all = self.came.lock().unwrap();
        let wanted = |(by, text): &&(usize, String)| *by == number && text.starts_with(method);
        all.iter().filter(wanted).map(|(_, text)| text.clone()).collect()
    }
}

async fn serve(mut stream: TcpStream, number: usize, came: &Mutex<Vec<(usize, String)>>) {
    let (mut framer, mut chunk) = (Framer::new(Limits::default()), [0; 4_096]);
    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
        framer.push(&chunk[..length]);
        while let Some(Ok(frame)) = framer.next_frame() {
            let Frame::Message(bytes) = frame else {
                stream.write_all(b"\r\n").await.unwrap();
                continue;
            };
            let (text, count) = (String::from_utf8_lossy(&bytes).into_owned(), came.lock().unwrap().len());
            came.lock().unwrap().push((number, text.clone()));
            let Ok(Message::Request(request)) = Message::parse(bytes, &Limits::default()) else { continue };
            stream.write_all(&answer(&request, &text, count)).await.unwrap();
            if *request.method() == Method::Subscribe {
                stream.write_all(notify(&text, count).as_bytes()).await.unwrap();
            } else if *request.method() == Method::Message {
                let asked = if request.body() == b"call me" { INVITE } else { SUBSCRIBE };
                let asked = asked.replace("HERE", &stream.local_addr().unwrap().to_string());
                stream.write_all(asked.as_bytes()).await.unwrap();
            }
        }
    }
}

/// What carol's instance is told to be reached by.
const GRUU: &str = ";pub-gruu=\"sip:carol@home.example;gr=urn:uuid:1\"";

/// What a caller says that is asked for by a message.
const INVITE: &str = "INVITE sip:alice@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKcall\r\nMax-Forwards: 70\r\n\
    From: <sip:bob@b>;tag=b\r\nTo: <sip:alice@b>\r\nCall-ID: call\r\nCSeq: 1 INVITE\r\nContact: <sip:bob@127.0.0.1>\r\nContent-Length: 0\r\n\r\n";

/// What somebody says who watches, when he is asked to.
const SUBSCRIBE: &str = "SUBSCRIBE sip:alice@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKwatch\r\nMax-Forwards: 70\r\n\
    From: <sip:bob@b>;tag=b\r\nTo: <sip:alice@b>\r\nCall-ID: watch\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:bob@HERE;transport=tcp>\r\n\
    Event: weather\r\nAccept: text/plain\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n";

fn answer(request: &Request, text: &str, count: usize) -> Vec<u8> {
    let mut lines = Lines::new();
    match request.method() {
        Method::Register => {
            let contact = header(text, "Contact").unwrap().split(";expires").next().unwrap();
            let gruu = if text.contains("sip:carol@") { GRUU } else { "" };
            lines.push("Contact", &format!("{contact};expires=600{gruu}")).unwrap();
            lines.push("Require", "outbound").unwrap();
        }
        Method::Publish => {
            lines.push("SIP-ETag", &format!("tag{count}")).unwrap();
            lines.push_id(HeaderId::Expires, 6);
        }
        _ => {
            lines.push("Contact", "<sip:notifier@127.0.0.1>").unwrap();
            lines.push_id(HeaderId::Expires, 600);
        }
    }
    write_response(request.headers(), StatusCode::OK, None, Some("n"), &lines, None, None).to_vec()
}

/// What a subscriber is told first.
fn notify(subscribe: &str, count: usize) -> String {
    let of = |name| header(subscribe, name).unwrap();
    let target = of("Contact").split(['<', '>']).nth(1).unwrap();
    let body = "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:bob@b\"/>";
    format!(
        "NOTIFY {target} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{count}\r\nMax-Forwards: 70\r\nFrom: {};tag=n\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: 1 NOTIFY\r\nContact: <sip:notifier@127.0.0.1>\r\nEvent: presence\r\n\
         Subscription-State: active;expires=600\r\nContent-Type: application/pidf+xml\r\nContent-Length: {}\r\n\r\n{body}",
        of("To").split(";tag").next().unwrap(),
        of("From"),
        of("Call-ID"),
        body.len()
    )
}

#[tokio::test]
async fn rfc5626_4_3_subscriptions_and_publications_follow_the_registration_to_its_next_flow() {
    let server = Server::start().await;
    let alice = builder().tcp("127.0.0.1:0").build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{};transport=tcp", server.address))
        .outbound("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
        .retry(Duration::from_millis(100), Duration::from_millis(500));
    let account = alice.account(config).await.unwrap();
    account.register().await.unwrap();
    let mut watched = account.subscribe("bob", "presence").start().await.unwrap();
    let mut published = account.publish("presence", "application/pidf+xml", b"<presence/>").await.unwrap();
    published.stands().await.unwrap();
    let mut state = async || {
        while !matches!(watched.next().await.expect("more news"), SubscriptionNews::State { .. }) {}
    };
    state().await;
    let before = server.of(0, "SUBSCRIBE ").remove(0);
    server.cut.notify_one();
    tokio::time::timeout(Duration::from_secs(10), state()).await.expect("news by the next flow");
    let again = server.of(1, "SUBSCRIBE ").remove(0);
    assert_ne!(header(&again, "Call-ID"), header(&before, "Call-ID"), "{again}");
    until("the publication", async || !server.of(1, "PUBLISH ").is_empty()).await;
    let refresh = server.of(1, "PUBLISH ").remove(0);
    assert!(header(&refresh, "SIP-If-Match").is_some_and(|tag| tag.starts_with("tag")), "{refresh}");
    alice.close().await;
}

#[tokio::test]
async fn rfc5626_4_3_who_is_called_along_a_flow_says_that_the_dialog_stays_on_it() {
    let server = Server::start().await;
    let alice = builder().tcp("127.0.0.1:0").build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{};transport=tcp", server.address))
        .outbound("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    let account = alice.account(config).await.unwrap();
    account.register().await.unwrap();
    account.message("bob", "call me").await.unwrap();
    let incoming = alice.incoming().await.unwrap();
    incoming.ring().await.unwrap();
    until("a 180", async || !server.of(0, "SIP/2.0 180").is_empty()).await;
    let ringing = server.of(0, "SIP/2.0 180").remove(0);
    let contact = header(&ringing, "Contact").unwrap();
    assert!(contact.starts_with("<sip:alice@127.0.0.1:") && contact.ends_with(";transport=tcp;ob>"), "{ringing}");
    alice.close().await;
}

/// Where the registrar gives an address of the instance, that, and else the flow.
#[tokio::test]
async fn rfc6665_4_5_1_who_watches_by_the_way_of_a_registration_is_told_the_address_of_the_instance() {
    for (name, begins, ends) in [
        ("carol", "<sip:carol@home.example;gr=urn:uuid:1>", ""),
        ("alice", "<sip:alice@127.0.0.1:", ";transport=tcp;ob>"),
    ] {
        let server = Server::start().await;
        let phone = builder().tcp("127.0.0.1:0").tells("weather", "text/plain").build().await.unwrap();
        let config = AccountConfig::new(format!("sip:{name}@{};transport=tcp", server.address))
            .outbound("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
        let account = phone.account(config).await.unwrap();
        account.register().await.unwrap();
        account.message("bob", "watch me").await.unwrap();
        let asked = phone.subscription().await.unwrap();
        let _watcher = asked.accept("text/plain", "rain").await.unwrap();
        until("the first state", async || !server.of(0, "NOTIFY ").is_empty()).await;
        let answer = server.of(0, "SIP/2.0 200").into_iter().find(|text| header(text, "CSeq") == Some("1 SUBSCRIBE"));
        for text in [answer.unwrap(), server.of(0, "NOTIFY ").remove(0)] {
            let contact = header(&text, "Contact").unwrap();
            assert!(contact.starts_with(begins) && contact.ends_with(ends), "{text}");
        }
        phone.close().await;
    }
}
