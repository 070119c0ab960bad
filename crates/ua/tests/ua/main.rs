//! Two endpoints, real sockets, one process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod digest;
mod ends;
mod files;
mod flows;
mod hold;
mod joined;
mod peer;
mod register;
mod registrar;
mod reliable;
mod requests;
mod setup;
mod timers;
mod tone;
mod watched;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ua::{Builder, Call, CallError, Direction, Endpoint, Timers};

/// An endpoint on loopback whose transactions are forgotten quickly.
fn builder() -> Builder {
    let t1 = Duration::from_millis(50);
    let timers = Timers { t1, t2: t1 * 8, t4: t1 * 10, d: t1 * 64 };
    Endpoint::builder().udp("127.0.0.1:0").timers(timers).media_ports(20_000..=29_999)
}

/// Every message an endpoint sends and receives: `> INVITE sip:..`, `< SIP/2.0 200 OK`. Each counts once, but for [`Wire::repeated`]: with a T1 of 50 ms a busy
/// machine has them repeated.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<(bool, String)>>>);

impl Wire {
    fn tap(&self, builder: Builder) -> Builder {
        let wire = self.clone();
        builder.tap(move |seen| {
            let out = matches!(seen.direction, Direction::Out(_));
            let message = (out, String::from_utf8_lossy(seen.bytes).into_owned());
            wire.0.lock().unwrap().push(message);
        })
    }

    /// Each once, in the order in which they were first said.
    fn once(&self) -> Vec<(bool, String)> {
        let mut seen = Vec::new();
        for message in self.0.lock().unwrap().iter() {
            if !seen.contains(message) {
                seen.push(message.clone());
            }
        }
        seen
    }

    /// What was said again, octet by octet.
    fn repeated(&self) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let again = all.iter().enumerate().filter(|(at, message)| all.iter().take(*at).any(|one| one == *message));
        again.map(|(_, (_, text))| text.clone()).collect()
    }

    /// Start lines with their direction.
    fn lines(&self) -> Vec<String> {
        let first = |(out, text): &(bool, String)| {
            let line = text.lines().next().unwrap_or_default();
            let short = line.split(" sip:").next().unwrap_or_default();
            format!("{} {short}", if *out { '>' } else { '<' })
        };
        self.once().iter().map(first).collect()
    }

    /// Whole messages that begin so, in this direction.
    fn messages(&self, out: bool, begin: &str) -> Vec<String> {
        let all = self.once().into_iter();
        all.filter(|(way, text)| *way == out && text.starts_with(begin)).map(|(_, text)| text).collect()
    }
}

/// The value of a header line in a message.
fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Two endpoints.
async fn pair() -> (Endpoint, Endpoint) {
    (builder().build().await.unwrap(), builder().build().await.unwrap())
}

/// A call from one endpoint to the other, answered at once.
async fn call(from: &Endpoint, to: &Endpoint) -> (Call, Call) {
    let uri = to.uri("bob").unwrap();
    let (placed, taken) = tokio::join!(from.call(uri), async {
        let incoming = to.incoming().await.ok_or(CallError::Ended)?;
        incoming.answer().await
    });
    (placed.unwrap(), taken.unwrap())
}

/// Waits until something is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let give_up = tokio::time::Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(tokio::time::Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A UDP socket that plays a peer by hand.
async fn socket() -> (tokio::net::UdpSocket, SocketAddr) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
