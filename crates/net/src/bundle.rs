//! Messages of one turn that leave together.
//!
//! A datagram costs a way through the network stack of the system; datagrams of one length to one address may share it, cut apart only at its end
//! (`UDP_SEGMENT` of Linux). Under load a turn handles dozens of messages, many from one proxy or to one, with messages of a few lengths: so
//! responses, and requests that are passed on, wait for the end of the turn and are put together there. Those of one call to one address keep their order, and what is too long to wait
//! overtakes nothing that goes there; between messages of different calls UDP promises no order, and none is kept.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use bytes::Bytes;
use sip::{SendId, Spread};

/// The longest message that is put together with others: what any path of IPv6 carries in one packet (RFC 8200 section 5), the headers
/// of IPv6 and UDP taken off.
const LONGEST: usize = 1_280 - 40 - 8;
/// Bundles a message may still join.
const OPEN: usize = 32;
/// Datagrams in a bundle, as many as any Linux takes at once.
pub(crate) const MOST: usize = 64;
/// Octets of a bundle: what a datagram of IPv4 has room for, the headers of IPv4 and UDP taken off.
const ROOM: usize = 65_535 - 20 - 8;
/// Messages that wait at a time: what two bundles carry. One more sends them first.
const WAITING: usize = 2 * MOST;

/// The call a message is of, by its Call-ID. Two that are taken for one keep an order that they need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call(u64);

impl Call {
    /// The call of a message that may wait for others.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        let call_id = Spread::call_id_in(message).filter(|_| message.len() <= LONGEST)?;
        let mut hasher = DefaultHasher::new();
        call_id.hash(&mut hasher);
        Some(Self(hasher.finish()))
    }
}

/// A message that waits for the end of the turn.
#[derive(Debug)]
pub(crate) struct Parcel {
    bundle: usize,
    call: Call,
    pub(crate) id: SendId,
    pub(crate) bytes: Bytes,
}

/// What the messages of a bundle have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// The socket.
    pub(crate) index: usize,
    pub(crate) remote: SocketAddr,
    length: usize,
}

/// The messages of a turn.
#[derive(Debug, Default)]
pub(crate) struct Bundles {
    labels: Vec<Label>,
    parcels: Vec<Parcel>,
}

impl Bundles {
    /// Whether no other may wait.
    pub(crate) fn is_full(&self) -> bool {
        self.parcels.len() >= WAITING
    }

    /// Adds a message that leaves by the socket `index`: to a bundle that leaves no earlier than what was sent to that address before it in its call.
    pub(crate) fn push(&mut self, index: usize, remote: SocketAddr, call: Call, id: SendId, bytes: Bytes) {
        let label = Label { index, remote, length: bytes.len() };
        let is_there = |bundle| self.labels.get(bundle).is_some_and(|one: &Label| one.remote == remote);
        let before = self.parcels.iter().rfind(|parcel| parcel.call == call && is_there(parcel.bundle));
        let before = before.map_or(0, |parcel| parcel.bundle);
        let open = self.labels.iter().enumerate().skip(before).rev().take(OPEN);
        let known = open.into_iter().find(|(_, one)| **one == label).map(|(bundle, _)| bundle);
        let bundle = known.unwrap_or(self.labels.len());
        if known.is_none() {
            self.labels.push(label);
        }
        self.parcels.push(Parcel { bundle, call, id, bytes });
    }

    /// Whether one waits that goes to this address.
    pub(crate) fn hold_for(&self, remote: SocketAddr) -> bool {
        self.labels.iter().any(|label| label.remote == remote)
    }

    /// All of them, bundle by bundle; the bundles in the order in which they were begun.
    pub(crate) fn each(&mut self, mut send: impl FnMut(Label, &[Parcel])) {
        // Stable: within a bundle they stay in order.
        self.parcels.sort_by_key(|parcel| parcel.bundle);
        for bundle in self.parcels.chunk_by(|a, b| a.bundle == b.bundle) {
            let label = bundle.first().and_then(|first| self.labels.get(first.bundle));
            let Some(label) = label else { continue };
            for part in bundle.chunks(MOST.min(ROOM / label.length.max(1))) {
                send(*label, part);
            }
        }
        self.parcels.clear();
        self.labels.clear();
    }
}

#[cfg(test)]
mod tests {
    use sip::{Id, Shard};

    use super::*;

    fn sent(bundles: &mut Bundles) -> Vec<(u16, Vec<Bytes>)> {
        let mut all = Vec::new();
        bundles.each(|label, part| {
            all.push((label.remote.port(), part.iter().map(|parcel| parcel.bytes.clone()).collect()));
        });
        assert!(bundles.parcels.is_empty() && bundles.labels.is_empty());
        all
    }

    fn push(bundles: &mut Bundles, port: u16, call: u64, bytes: impl Into<Bytes>) {
        let id = SendId(Id::new(Shard(0), 0, 0));
        bundles.push(0, ([127, 0, 0, 1], port).into(), Call(call), id, bytes.into());
    }

    #[test]
    fn messages_of_one_length_to_one_address_leave_together_and_those_of_a_call_in_their_order() {
        let mut bundles = Bundles::default();
        for call in 0..2 {
            push(&mut bundles, 1, call, "180");
            push(&mut bundles, 1, call, "200 ok");
        }
        push(&mut bundles, 2, 2, "180");
        push(&mut bundles, 1, 3, "404");
        assert_eq!(
            sent(&mut bundles),
            [
                (1, vec!["180".into(), "180".into(), "404".into()]),
                (1, vec!["200 ok".into(), "200 ok".into()]),
                (2, vec!["180".into()])
            ]
        );
        // Two of one length, of one call, stay in order in one bundle.
        push(&mut bundles, 1, 0, "180");
        push(&mut bundles, 1, 0, "200");
        push(&mut bundles, 1, 1, "180");
        assert_eq!(sent(&mut bundles), [(1, vec!["180".into(), "200".into(), "180".into()])]);
        // No bundle of others is joined that leaves before an earlier message of the same call, whatever was sent in between.
        push(&mut bundles, 1, 0, "200 ok");
        push(&mut bundles, 1, 1, "ACK");
        push(&mut bundles, 1, 2, "404");
        push(&mut bundles, 1, 1, "BYE sip");
        push(&mut bundles, 1, 1, "200 ok");
        let all =
            [vec!["200 ok".into()], vec!["ACK".into(), "404".into()], vec!["BYE sip".into()], vec!["200 ok".into()]];
        assert_eq!(sent(&mut bundles), all.map(|texts| (1, texts)));
    }

    #[test]
    fn what_a_call_has_sent_to_another_address_holds_nothing_up() {
        let mut bundles = Bundles::default();
        push(&mut bundles, 1, 0, "180");
        push(&mut bundles, 2, 1, "INVITE");
        push(&mut bundles, 2, 0, "ACK");
        push(&mut bundles, 1, 1, "200");
        assert_eq!(
            sent(&mut bundles),
            [(1, vec!["180".into(), "200".into()]), (2, vec!["INVITE".into()]), (2, vec!["ACK".into()])]
        );
    }

    #[test]
    fn a_bundle_has_at_most_as_many_as_the_system_takes_and_is_no_longer_than_a_datagram() {
        let mut bundles = Bundles::default();
        (0..MOST as u64 + 1).for_each(|call| push(&mut bundles, 1, call, "200"));
        assert_eq!(sent(&mut bundles).iter().map(|(_, all)| all.len()).collect::<Vec<_>>(), [MOST, 1]);
        (0..MOST as u64).for_each(|call| push(&mut bundles, 1, call, vec![b'x'; LONGEST]));
        assert_eq!(sent(&mut bundles).iter().map(|(_, all)| all.len()).collect::<Vec<_>>(), [53, 11]);
        const { assert!(53 * LONGEST <= 65_507 && 54 * LONGEST > 65_507) };
    }

    #[test]
    fn long_messages_and_what_is_of_no_call_do_not_wait() {
        let bye = b"BYE sip:a@b SIP/2.0\r\ni: 1@a\r\n\r\n";
        assert_eq!(Call::of(bye), Call::of(b"SIP/2.0 200 OK\r\nCall-ID: 1@a\r\n\r\n"));
        assert!(Call::of(bye).is_some());
        assert_ne!(Call::of(bye), Call::of(b"SIP/2.0 200 OK\r\nCall-ID: 2@a\r\n\r\n"));
        assert_eq!(Call::of(b"\r\n\r\n"), None);
        assert_eq!(Call::of(b"SIP/2.0 200 OK\r\n\r\nCall-ID: 1@a\r\n"), None);
        let mut long = bye.to_vec();
        long.resize(LONGEST, b' ');
        assert!(Call::of(&long).is_some());
        long.push(b' ');
        assert_eq!(Call::of(&long), None);
    }
}
