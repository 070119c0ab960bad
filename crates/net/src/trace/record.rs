//! One message as a watcher gets it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::SystemTime;

use sip::Transport;

/// A message that has passed, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, by the wall clock.
    pub at: SystemTime,
    /// Why it was sent: `request`, `timer A`, `answer` and so on; `None`: it was received.
    pub cause: Option<Cow<'static, str>>,
    /// The protocol that it came or went by. What was within TLS or a WebSocket is shown as it was within.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// The message.
    pub octets: Vec<u8>,
    /// Messages since the record before that found no room in the queue, and are lost to who watches.
    pub missed: u64,
}

impl Record {
    /// Whether it was sent, not received.
    pub fn is_sent(&self) -> bool {
        self.cause.is_some()
    }

    /// Where it came from and where it went.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        if self.is_sent() { (self.local, self.remote) } else { (self.remote, self.local) }
    }
}

#[cfg(test)]
impl Record {
    /// For tests: received from one documentation address at another.
    pub(super) fn sample(text: &str, six: bool) -> Self {
        let (local, remote) =
            if six { ("[2001:db8::1]:5060", "[2001:db8::2]:5062") } else { ("192.0.2.1:5060", "192.0.2.2:5062") };
        Self {
            at: SystemTime::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_000),
            cause: None,
            transport: Transport::Udp,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            octets: text.as_bytes().to_vec(),
            missed: 0,
        }
    }
}
