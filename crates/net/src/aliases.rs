//! The alias table (RFC 5923 sections 5 and 8.2): connections over TLS that peers have made, by the address that they say they are reached at.
//!
//! Whom a connection may serve is not kept here: the connection has the certificate that its peer has shown, and that is held against the host of each request
//! ([`crate::tls::is_for`]), as it would be on a connection of our own.

use std::collections::HashMap;
use std::net::SocketAddr;

use bytes::Bytes;
use sip::message::header::Via;
use sip::message::{Limits, Message};
use sip::{FlowId, Transport};

/// Connections that are known for one address: several servers may be behind it, and one may have come back before we know that its first connection is gone.
/// The oldest goes for another.
const PER_ADDRESS: usize = 8;

/// Those of one loop. A connection is known at one address, the first that it has named.
pub(crate) struct Aliases {
    /// Connections in all; one more is used for what comes along it and its answers, as ever.
    most: usize,
    /// By resolved address, the oldest first.
    rows: HashMap<SocketAddr, Vec<FlowId>>,
    /// Where each of them stands.
    of: HashMap<FlowId, SocketAddr>,
}

impl Aliases {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, rows: HashMap::new(), of: HashMap::new() }
    }

    /// Whether there may be any.
    pub(crate) fn are_kept(&self) -> bool {
        self.most > 0
    }

    /// Whether a connection stands there.
    pub(crate) fn knows(&self, flow: FlowId) -> bool {
        self.of.contains_key(&flow)
    }

    /// The peer of a connection is reached by it at this address.
    pub(crate) fn add(&mut self, flow: FlowId, address: SocketAddr) {
        if self.knows(flow) || self.of.len() >= self.most {
            return;
        }
        let row = self.rows.entry(address).or_default();
        if row.len() >= PER_ADDRESS {
            self.of.remove(&row.remove(0));
        }
        row.push(flow);
        self.of.insert(flow, address);
    }

    /// The connections that lead to this address, the newest first.
    pub(crate) fn towards(&self, address: SocketAddr) -> impl Iterator<Item = FlowId> {
        self.rows.get(&address).into_iter().flatten().rev().copied()
    }

    /// A connection is gone.
    pub(crate) fn remove(&mut self, flow: FlowId) {
        let Some(address) = self.of.remove(&flow) else { return };
        if let Some(row) = self.rows.get_mut(&address) {
            row.retain(|one| *one != flow);
            if row.is_empty() {
                self.rows.remove(&address);
            }
        }
    }
}

/// Where the sender of a request wants to be reached along the very connection, where it does: at the address that it came from, which is that of `received`,
/// and the port of the sent-by (RFC 5923 section 8.2).
pub(crate) fn advertised(message: &Bytes, from: SocketAddr, limits: &Limits) -> Option<SocketAddr> {
    // Servers that never say so need not have each of their messages read twice.
    if !has_word(message) {
        return None;
    }
    let Ok(Message::Request(request)) = Message::parse(message.clone(), limits) else { return None };
    let via = request.headers().get::<Via<'_>>()?.ok()?;
    let wanted = via.alias() && via.transport.eq_ignore_ascii_case(Transport::Tls.as_str());
    wanted.then(|| SocketAddr::new(from.ip(), via.port.unwrap_or(Transport::Tls.default_port())))
}

/// Whether `alias` stands anywhere, in any case.
fn has_word(message: &[u8]) -> bool {
    const WORD: &[u8] = b"alias";
    memchr::memchr2_iter(b'a', b'A', message)
        .any(|at| message.get(at..at + WORD.len()).is_some_and(|here| here.eq_ignore_ascii_case(WORD)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn towards(aliases: &Aliases, port: u16) -> Vec<u64> {
        aliases.towards(address(port)).map(|flow| flow.0).collect()
    }

    #[test]
    fn limit_of_aliases_takes_so_many_connections_and_not_one_more() {
        let mut aliases = Aliases::new(2);
        for flow in 1..=3 {
            aliases.add(FlowId(flow), address(5_060 + u16::try_from(flow).unwrap()));
        }
        assert_eq!([5_061, 5_062, 5_063].map(|port| towards(&aliases, port)), [vec![1], vec![2], vec![]]);
        // One that is known stays where it is; and one that is gone makes room.
        aliases.add(FlowId(2), address(5_070));
        assert_eq!([5_062, 5_070].map(|port| towards(&aliases, port)), [vec![2], vec![]]);
        assert_eq!([1, 2, 3].map(|flow| aliases.knows(FlowId(flow))), [true, true, false]);
        aliases.remove(FlowId(1));
        aliases.add(FlowId(3), address(5_063));
        assert_eq!([5_061, 5_063].map(|port| towards(&aliases, port)), [vec![], vec![3]]);
        aliases.remove(FlowId(2));
        aliases.remove(FlowId(3));
        assert!(aliases.rows.is_empty() && aliases.of.is_empty());
        assert!(aliases.are_kept() && !Aliases::new(0).are_kept());
    }

    #[test]
    fn the_newest_connection_to_an_address_comes_first_and_the_oldest_goes_for_one_too_many() {
        let mut aliases = Aliases::new(100);
        for flow in 1..=PER_ADDRESS as u64 {
            aliases.add(FlowId(flow), address(5_061));
        }
        assert_eq!(towards(&aliases, 5_061), [8, 7, 6, 5, 4, 3, 2, 1]);
        aliases.add(FlowId(9), address(5_061));
        assert_eq!(towards(&aliases, 5_061), [9, 8, 7, 6, 5, 4, 3, 2]);
        assert_eq!(aliases.of.len(), PER_ADDRESS);
        // What is said once more changes nothing.
        aliases.add(FlowId(2), address(5_061));
        assert_eq!(towards(&aliases, 5_061), [9, 8, 7, 6, 5, 4, 3, 2]);
    }

    #[test]
    fn the_word_is_found_in_any_case_and_at_any_place() {
        for (text, expected) in [
            ("alias", true),
            ("Via: a;branch=z9hG4bKaA;ALIAS\r\n", true),
            ("aAlIaS", true),
            ("alia", false),
            ("", false),
        ] {
            assert_eq!(has_word(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn rfc5923_8_2_the_address_is_where_it_came_from_with_the_port_of_the_sent_by() {
        let message = |start: &str, via: &str| {
            let rest =
                "From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
            Bytes::from(format!(
                "{start}\r\nVia: SIP/2.0/{via}\r\nVia: SIP/2.0/TLS x:1;branch=z9hG4bK0;alias\r\n{rest}"
            ))
        };
        let request = "OPTIONS sip:b@b SIP/2.0";
        for (start, via, expected) in [
            (request, "TLS p1.example.com;branch=z9hG4bK1;alias", Some(5_061)),
            (request, "TLS p1.example.com:5070;alias;branch=z9hG4bK1", Some(5_070)),
            (request, "tls 203.0.113.9:5071 ; branch=z9hG4bK1 ; ALIAS", Some(5_071)),
            // Of others further up it says nothing.
            (request, "TLS p1.example.com;branch=z9hG4bK1", None),
            (request, "TLS p1.example.com;branch=z9hG4bK1;aliased", None),
            (request, "TCP p1.example.com;branch=z9hG4bK1;alias", None),
            ("SIP/2.0 200 OK", "TLS p1.example.com;branch=z9hG4bK1;alias", None),
            ("no request", "TLS p1.example.com;branch=z9hG4bK1;alias", None),
        ] {
            let found = advertised(&message(start, via), address(49_160), &Limits::default());
            assert_eq!(found, expected.map(address), "{start} {via}");
        }
    }
}
