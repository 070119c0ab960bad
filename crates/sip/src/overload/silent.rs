//! Servers that answer nothing again and again (RFC 7339 section 5.9): they may have too much to do to say so. Nothing is sent to them any more but a request now and then, more
//! and more seldom, and whatever comes from them ends it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::LONGEST;
use crate::outbox::{Path, Transport};
use crate::time::Time;

/// So many requests one after the other have to fail.
const AGAIN: u8 = 3;
/// For so long nothing is sent at first; each time that a request goes to see, twice as long.
const FIRST: Duration = Duration::from_secs(1);

/// By address, port and transport: who can have us try a protocol that a telephone does not speak keeps nobody from calling it by that which it does.
#[derive(Debug, Default)]
pub(crate) struct Silent {
    of: BTreeMap<(SocketAddr, Transport), Silence>,
}

#[derive(Clone, Copy, Debug)]
struct Silence {
    failures: u8,
    span: Duration,
    /// Nothing goes there until then, once there were so many failures; before, when the last of them was.
    until: Time,
}

impl Silent {
    /// Everybody answers.
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// A request got no answer there, or could not be delivered. So many servers are remembered; where there is no room, those that nothing went to for two minutes are
    /// forgotten, and beyond that no other is remembered.
    pub(crate) fn failed(&mut self, server: &Path, now: Time, most: usize) {
        let server = key(server);
        if self.of.len() >= most && !self.of.contains_key(&server) {
            self.of.retain(|_, silence| now.since(silence.until) < LONGEST * 2);
            if self.of.len() >= most {
                return;
            }
        }
        let silence = self.of.entry(server).or_insert(Silence { failures: 0, span: FIRST, until: now });
        if silence.failures < AGAIN {
            silence.failures += 1;
            silence.until = if silence.failures < AGAIN { now } else { now + silence.span };
        }
    }

    /// Something came from there, by whatever transport.
    pub(crate) fn spoke(&mut self, server: SocketAddr) {
        while let Some((&one, _)) = self.of.range((server, Transport::Udp)..=(server, Transport::Wss)).next() {
            self.of.remove(&one);
        }
    }

    /// Whether a request may go there: to see whether somebody is there again, where that has been silent.
    pub(crate) fn lets(&mut self, server: &Path, now: Time) -> bool {
        let known = self.of.get_mut(&key(server));
        let Some(silence) = known.filter(|silence| silence.failures >= AGAIN) else { return true };
        if now < silence.until {
            return false;
        }
        silence.span = (silence.span * 2).min(LONGEST);
        silence.until = now + silence.span;
        true
    }
}

fn key(server: &Path) -> (SocketAddr, Transport) {
    (server.remote, server.transport)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;

    fn server(port: u16) -> Path {
        by(Transport::Udp, port)
    }

    fn by(transport: Transport, port: u16) -> Path {
        let (local, remote) = (([192, 0, 2, 9], 5060).into(), ([192, 0, 2, 1], port).into());
        Path { flow: FlowId(1), transport, local, remote }
    }

    fn at(ms: u64) -> Time {
        Time(ms * 1_000)
    }

    #[test]
    fn rfc7339_5_9_who_is_silent_is_asked_more_and_more_seldom_whether_he_is_there_again() {
        let mut silent = Silent::default();
        for number in 0..AGAIN {
            assert!(silent.lets(&server(1), at(0)), "{number}");
            silent.failed(&server(1), at(0), 10);
        }
        let mut asked = Vec::new();
        for ms in (0..300_000).step_by(500) {
            assert!(silent.lets(&server(2), at(ms)), "nobody else is meant");
            if silent.lets(&server(1), at(ms)) {
                asked.push(ms / 1_000);
                // What was under way fails as well.
                silent.failed(&server(1), at(ms), 10);
            }
        }
        assert_eq!(asked, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
        silent.spoke(server(1).remote);
        assert!(silent.is_empty() && silent.lets(&server(1), at(300_000)));
        // It counts from the beginning.
        silent.failed(&server(1), at(300_000), 10);
        assert!(silent.lets(&server(1), at(300_000)));
    }

    #[test]
    fn rfc7339_5_9_who_is_silent_by_one_transport_is_asked_by_others_and_heard_by_any() {
        let mut silent = Silent::default();
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        for transport in all {
            assert!(silent.lets(&by(transport, 1), at(0)), "{transport:?}");
            (0..AGAIN).for_each(|_| silent.failed(&by(transport, 1), at(0), 10));
            assert!(!silent.lets(&by(transport, 1), at(0)), "{transport:?}");
        }
        silent.failed(&by(Transport::Udp, 2), at(0), 10);
        silent.spoke(server(1).remote);
        assert!(all.into_iter().all(|transport| silent.lets(&by(transport, 1), at(0))));
        assert_eq!(silent.of.len(), 1, "nobody else has said anything");
    }

    #[test]
    fn limit_of_silent_servers_holds_and_who_is_not_asked_any_more_makes_room() {
        let mut silent = Silent::default();
        let mut fails = |port, ms| {
            (0..AGAIN).for_each(|_| silent.failed(&server(port), at(ms), 2));
            (silent.of.len(), silent.of.contains_key(&key(&server(port))))
        };
        assert_eq!((fails(1, 0), fails(2, 0)), ((1, true), (2, true)));
        assert_eq!((fails(3, 0), fails(1, 1)), ((2, false), (2, true)));
        assert_eq!(fails(3, 120_999), (2, false));
        assert_eq!(fails(3, 121_000), (1, true));
    }
}
