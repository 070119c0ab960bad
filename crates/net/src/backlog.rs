//! What waits to be written on a stream connection because its peer does not read.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use sip::SendId;

/// What an entry takes beside its octets.
const ENTRY: usize = 64;

/// Sends in their order, the first perhaps written in part.
#[derive(Default)]
pub(crate) struct Backlog {
    waiting: VecDeque<(Option<SendId>, Bytes)>,
    weight: usize,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The memory it takes, in octets.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// What it would weigh with `bytes` behind the others.
    pub(crate) fn weight_with(&self, bytes: &Bytes) -> usize {
        self.weight + bytes.len() + ENTRY
    }

    /// Whether the last that waits is nobody's send: a pong, which another ping need not repeat.
    pub(crate) fn ends_with_pong(&self) -> bool {
        matches!(self.waiting.back(), Some((None, _)))
    }

    pub(crate) fn push(&mut self, id: Option<SendId>, bytes: Bytes) {
        self.weight = self.weight_with(&bytes);
        self.waiting.push_back((id, bytes));
    }

    /// What is to be written next.
    pub(crate) fn next(&self) -> Option<&Bytes> {
        self.waiting.front().map(|(_, bytes)| bytes)
    }

    /// So many octets of the next have been written.
    pub(crate) fn written(&mut self, octets: usize) {
        let Some((_, bytes)) = self.waiting.front_mut() else { return };
        bytes.advance(octets);
        self.weight -= octets;
        if bytes.is_empty() {
            self.waiting.pop_front();
            self.weight -= ENTRY;
        }
    }

    /// The sends that will not be written any more.
    pub(crate) fn unsent(self) -> Vec<SendId> {
        self.waiting.into_iter().filter_map(|(id, _)| id).collect()
    }
}
