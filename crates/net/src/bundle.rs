//! Responses of one turn that leave together.
//!
//! A datagram costs a way through the network stack of the system; datagrams of one length to one address may share it, cut apart only at its end
//! (`UDP_SEGMENT` of Linux). Under load a turn answers dozens of messages, many from one proxy, with responses of a few lengths: so
//! responses wait for the end of the turn and are put together there. Those of one transaction keep their order, and no request or long response
//! to the same address overtakes them; between responses of different transactions UDP promises no order, and none is kept. Of which transaction
//! those are that are passed on without one (RFC 3261 section 16.11), nobody knows: to one address they keep their order.

use std::net::SocketAddr;

use bytes::Bytes;
use sip::SendId;

/// The longest response that is put together with others: what any path of IPv6 carries in one packet (RFC 8200 section 5), the headers
/// of IPv6 and UDP taken off.
const LONGEST: usize = 1_280 - 40 - 8;
/// Bundles a response may still join.
const OPEN: usize = 32;
/// Datagrams in a bundle, as many as any Linux takes at once.
pub(crate) const MOST: usize = 64;
/// Responses that wait at a time: what two bundles carry. One more sends them first.
const WAITING: usize = 2 * MOST;

/// A response that waits for the end of the turn.
#[derive(Debug)]
pub(crate) struct Parcel {
    bundle: usize,
    pub(crate) id: SendId,
    pub(crate) bytes: Bytes,
}

/// What the responses of a bundle have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// The socket.
    pub(crate) index: usize,
    pub(crate) remote: SocketAddr,
    length: usize,
}

/// The responses of a turn.
#[derive(Debug, Default)]
pub(crate) struct Bundles {
    labels: Vec<Label>,
    parcels: Vec<Parcel>,
}

impl Bundles {
    /// Whether a message is one that may wait.
    pub(crate) fn take_in(bytes: &[u8]) -> bool {
        bytes.len() <= LONGEST && bytes.starts_with(b"SIP/2.0 ")
    }

    /// Whether no other may wait.
    pub(crate) fn is_full(&self) -> bool {
        self.parcels.len() >= WAITING
    }

    /// Adds a response that leaves by the socket `index`: to a bundle that leaves no earlier than what its transaction has sent before, or,
    /// where it has none, than what goes to the same address.
    pub(crate) fn push(&mut self, index: usize, remote: SocketAddr, id: SendId, bytes: Bytes) {
        let label = Label { index, remote, length: bytes.len() };
        let before = match id.is_told() {
            true => self.parcels.iter().rfind(|parcel| parcel.id == id).map(|parcel| parcel.bundle),
            false => self.labels.iter().rposition(|one| one.index == index && one.remote == remote),
        };
        let before = before.unwrap_or(0);
        let open = self.labels.iter().enumerate().skip(before).rev().take(OPEN);
        let known = open.into_iter().find(|(_, one)| **one == label).map(|(bundle, _)| bundle);
        let bundle = known.unwrap_or(self.labels.len());
        if known.is_none() {
            self.labels.push(label);
        }
        self.parcels.push(Parcel { bundle, id, bytes });
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
            for part in bundle.chunks(MOST) {
                label.iter().for_each(|label| send(**label, part));
            }
        }
        self.parcels.clear();
        self.labels.clear();
    }
}

#[cfg(test)]
mod tests {
    use sip::{Action, Config, Now, Origin, Outbox, Stack, Transport};

    use super::*;

    fn request(method: &str, n: usize) -> String {
        format!(
            "{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{n}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>;tag=2\r\n\
             Call-ID: {n}\r\nCSeq: 1 {method}\r\n\r\n"
        )
    }

    /// Handles as a stack gives them.
    fn ids(count: usize) -> Vec<SendId> {
        let (mut stack, mut out) = (Stack::new(Config::default(), [1; 32]), Outbox::new());
        let address: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
        let from = Origin { flow: sip::FlowId(1), transport: Transport::Udp, local: address, remote: address };
        for n in 0..count {
            stack.at(Now::default(), &mut out).receive(&from, Bytes::from(request("BYE", n)));
        }
        let sent = std::iter::from_fn(|| out.pop()).filter_map(|action| match action {
            Action::Send { id, .. } => Some(id),
            _ => None,
        });
        sent.collect()
    }

    fn sent(bundles: &mut Bundles) -> Vec<(u16, Vec<Bytes>)> {
        let mut all = Vec::new();
        bundles.each(|label, part| {
            all.push((label.remote.port(), part.iter().map(|parcel| parcel.bytes.clone()).collect()));
        });
        assert!(bundles.parcels.is_empty() && bundles.labels.is_empty());
        all
    }

    fn push(bundles: &mut Bundles, port: u16, id: SendId, text: &'static str) {
        bundles.push(0, ([127, 0, 0, 1], port).into(), id, Bytes::from_static(text.as_bytes()));
    }

    #[test]
    fn responses_of_one_length_to_one_address_leave_together_and_those_of_a_transaction_in_their_order() {
        let ids = ids(4);
        let mut bundles = Bundles::default();
        for id in &ids[..2] {
            push(&mut bundles, 1, *id, "180");
            push(&mut bundles, 1, *id, "200 ok");
        }
        push(&mut bundles, 2, ids[2], "180");
        push(&mut bundles, 1, ids[3], "404");
        assert_eq!(
            sent(&mut bundles),
            [
                (1, vec!["180".into(), "180".into(), "404".into()]),
                (1, vec!["200 ok".into(), "200 ok".into()]),
                (2, vec!["180".into()])
            ]
        );
        // Two of one length, of one transaction, stay in order in one bundle.
        push(&mut bundles, 1, ids[0], "180");
        push(&mut bundles, 1, ids[0], "200");
        push(&mut bundles, 1, ids[1], "180");
        assert_eq!(sent(&mut bundles), [(1, vec!["180".into(), "200".into(), "180".into()])]);
        // No bundle of others is joined that leaves before an earlier response of the same transaction, whatever was sent in between.
        push(&mut bundles, 1, ids[0], "200 ok");
        push(&mut bundles, 1, ids[1], "180");
        push(&mut bundles, 1, ids[2], "404");
        push(&mut bundles, 1, ids[1], "200 ok");
        let all = [vec!["200 ok".into()], vec!["180".into(), "404".into()], vec!["200 ok".into()]];
        assert_eq!(sent(&mut bundles), all.map(|texts| (1, texts)));
    }

    /// The handle of what a stack keeps nothing of.
    fn untold() -> SendId {
        let (mut stack, mut out) = (Stack::new(Config::default(), [1; 32]), Outbox::new());
        let address: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
        let from = Origin { flow: sip::FlowId(1), transport: Transport::Udp, local: address, remote: address };
        stack.at(Now::default(), &mut out).shed(&from, Bytes::from(request("OPTIONS", 1).replace(";tag=2", "")));
        let sent = std::iter::from_fn(|| out.pop()).find_map(|action| match action {
            Action::Send { id, .. } => Some(id),
            _ => None,
        });
        sent.expect("an OPTIONS without room is answered")
    }

    #[test]
    fn responses_of_which_nothing_is_kept_leave_together() {
        let mut bundles = Bundles::default();
        for _ in 0..3 {
            push(&mut bundles, 1, untold(), "503");
        }
        assert_eq!(sent(&mut bundles), [(1, vec!["503".into(), "503".into(), "503".into()])]);
    }

    #[test]
    fn responses_that_are_passed_on_without_a_transaction_keep_their_order() {
        let mut bundles = Bundles::default();
        let id = untold();
        for text in ["180", "200 ok", "180", "404", "200 ok"] {
            push(&mut bundles, 1, id, text);
        }
        push(&mut bundles, 2, id, "180");
        push(&mut bundles, 1, id, "486 no");
        let to_one = [vec!["180"], vec!["200 ok"], vec!["180", "404"], vec!["200 ok", "486 no"]];
        let expected = to_one.map(|texts| (1, texts.into_iter().map(Bytes::from).collect::<Vec<_>>()));
        let found = sent(&mut bundles);
        assert_eq!(found.iter().filter(|(port, _)| *port == 1).cloned().collect::<Vec<_>>(), expected);
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn a_bundle_has_at_most_as_many_as_the_system_takes() {
        let ids = ids(MOST + 1);
        let mut bundles = Bundles::default();
        ids.iter().for_each(|id| push(&mut bundles, 1, *id, "200"));
        assert_eq!(sent(&mut bundles).iter().map(|(_, all)| all.len()).collect::<Vec<_>>(), [MOST, 1]);
    }

    #[test]
    fn requests_and_long_responses_do_not_wait() {
        assert!(Bundles::take_in(b"SIP/2.0 200 OK\r\n"));
        assert!(!Bundles::take_in(b"BYE sip:a@b SIP/2.0\r\n"));
        let mut long = b"SIP/2.0 200 OK\r\n".to_vec();
        long.resize(LONGEST, b' ');
        assert!(Bundles::take_in(&long));
        long.push(b' ');
        assert!(!Bundles::take_in(&long));
    }
}
