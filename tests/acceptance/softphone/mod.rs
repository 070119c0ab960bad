//! The softphone (ids ta..), through the API of its library: one endpoint, and peers that write their messages themselves.
//!
//! The states of a call are types here: a `Dialing` is CALLING, its `progress` EARLY, a `Call` CONFIRMED and an `Ended` DISCONNECTED; what a state
//! does not allow does not compile.

mod dialing;
mod digits;
mod ending;
mod hold;
mod overlap;
mod presence;
mod registering;
mod ringing;
mod transferred;
mod transferring;
mod update;

use std::future::Future;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use ua::{Builder, Call, Dialing, Direction, Endpoint, IncomingCall, Timers};

use super::wire::{Ask, Callee, Wire, code, field};
use crate::program::PATIENCE;

/// T1 where the 32 s of 64*T1 would be waited for otherwise.
const FAST: Duration = Duration::from_millis(50);

/// An endpoint on loopback, and what runs its futures.
struct Phone {
    runtime: Runtime,
    endpoint: Endpoint,
    sent: Arc<AtomicUsize>,
}

impl Phone {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// One whose 64*T1 are 3.2 s.
    fn fast() -> Self {
        let timers = Timers { t1: FAST, t2: FAST * 8, t4: FAST * 10, d: FAST * 64 };
        Self::with(|builder| builder.timers(timers))
    }

    fn with(set: impl FnOnce(Builder) -> Builder) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let builder = Endpoint::builder().udp("127.0.0.1:0").media_ports(20_000..=29_999).tap(move |seen| {
            counted.fetch_add(usize::from(matches!(seen.direction, Direction::Out(_))), Ordering::Relaxed);
        });
        let endpoint = runtime.block_on(set(builder).build()).unwrap();
        Self { runtime, endpoint, sent }
    }

    /// Messages that it has sent.
    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    fn address(&self) -> String {
        self.endpoint.bound()[0].address.to_string()
    }

    /// Runs a future of the endpoint to its end.
    fn run<T>(&self, ours: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, ours).await }).expect("it ends")
    }

    /// The same while the peer does its part.
    fn meanwhile<T, R: Send>(&self, ours: impl Future<Output = T>, theirs: impl FnOnce() -> R + Send) -> (T, R) {
        std::thread::scope(|scope| {
            let theirs = scope.spawn(theirs);
            (self.run(ours), theirs.join().unwrap())
        })
    }

    /// Calls a peer: the call before its answer, and its INVITE.
    fn dial(&self, callee: &mut Callee) -> (Dialing, String) {
        let dialing = self.run(self.endpoint.call(callee.uri()).start()).unwrap();
        (dialing, callee.request("INVITE"))
    }

    /// Calls a peer that answers: the call, the INVITE and its ACK.
    fn call(&self, callee: &mut Callee) -> (Call, String, String) {
        let (dialing, invite) = self.dial(callee);
        callee.reply(&invite, "200 OK", "");
        let call = self.run(dialing.answer()).unwrap();
        (call, invite, callee.request("ACK"))
    }

    /// The call of a peer, before its answer.
    fn rung(&self, wire: &Wire, invite: &Ask) -> IncomingCall {
        wire.send(invite);
        self.run(self.endpoint.incoming()).unwrap()
    }

    /// The call of a peer, answered and acknowledged: the call, the INVITE and its 200.
    fn taken(&self, wire: &mut Wire) -> (Call, Ask, String) {
        let invite = wire.ask("INVITE");
        let incoming = self.rung(wire, &invite);
        let (call, answer) = self.meanwhile(incoming.answer(), || wire.acknowledged(&invite));
        (call.unwrap(), invite, answer)
    }

    /// Calls that have not ended.
    fn calls(&self) -> usize {
        self.run(self.endpoint.usage()).unwrap().calls
    }
}

impl Wire {
    /// The 200 to an INVITE that has been sent, after its ACK.
    fn acknowledged(&mut self, invite: &Ask) -> String {
        let answer = self.answer_within(invite, PATIENCE).expect("a final response");
        assert_eq!(code(&answer), 200, "{answer}");
        let number = super::wire::number(&answer);
        let ack = self.within(&answer, "ACK", number);
        self.send(&ack);
        answer
    }
}

/// The line of a description that begins so.
fn line<'a>(description: &'a str, start: &str) -> &'a str {
    let found = description.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} in\n{description}"))
}

/// The session version of a description, in its o= line.
fn version(description: &str) -> u64 {
    line(description, "o=").split(' ').nth(2).unwrap().parse().unwrap()
}

/// A description of a phone with PCMU on this port.
fn described(port: u16, version: u32, attribute: &str) -> String {
    format!(
        "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na={attribute}\r\n"
    )
}

/// Nobody is heard any more: twenty times as long as from one packet to the next.
const QUIET: Duration = Duration::from_millis(400);

/// Where a peer hears what is said to it.
struct Ear {
    socket: UdpSocket,
}

impl Ear {
    fn new() -> Self {
        Self { socket: UdpSocket::bind("127.0.0.1:0").unwrap() }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// The next RTP packet, when one comes within `wait`.
    fn packet(&self, wait: Duration) -> Option<Vec<u8>> {
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut buffer = [0; 2_048];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    }

    /// Waits for a packet.
    fn hears(&self) -> Vec<u8> {
        self.packet(PATIENCE).expect("an RTP packet")
    }

    /// Whether no packet comes for twenty times as long as from one to the next, sooner or later.
    fn falls_silent(&self) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.packet(QUIET).is_none() {
                return true;
            }
        }
        false
    }

    /// Takes what is on its way for so long, and says whether more comes after that.
    fn falls_silent_within(&self, grace: Duration) -> bool {
        let end = Instant::now() + grace;
        while Instant::now() < end {
            self.packet(end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        }
        self.packet(QUIET).is_none()
    }
}

/// Whether a request outside of dialogs is what RFC 3261 section 8.1.1 asks for.
fn is_whole(request: &str) {
    let via = field(request, "Via").unwrap();
    assert!(via.contains(";branch=z9hG4bK"), "{via}");
    assert_eq!(field(request, "Max-Forwards").as_deref(), Some("70"));
    let length: usize = field(request, "Content-Length").unwrap().parse().unwrap();
    assert_eq!(length, super::wire::body(request).len());
}
