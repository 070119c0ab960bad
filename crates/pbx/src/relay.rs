//! Requests that have been passed on, and where their answers belong: MESSAGE between users (RFC 3428), and what devices say within a call.

use std::collections::{BTreeSet, HashMap};

use sip::message::{Method, Response, StatusCode};
use sip::{ClientTx, Id, IdMap, Reply, ServerTx, SessionId};

use crate::body;

/// No handle is less.
const FIRST: ClientTx = ClientTx(Id::from_u64(0));

/// Where the answer to a request of ours belongs.
#[derive(Debug)]
enum Passed {
    /// A request within a call.
    Within {
        /// To be answered.
        tx: ServerTx,
        /// The leg it was passed on to: with it goes the hope for an answer.
        over: SessionId,
    },
    /// One of the copies of a MESSAGE.
    Copy {
        /// Of which.
        message: u64,
    },
}

/// A MESSAGE on its way to the devices of a user.
#[derive(Debug)]
struct Message {
    tx: ServerTx,
    /// Copies without a final answer.
    open: usize,
    best: Option<StatusCode>,
}

/// What has been passed on and not been answered yet.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Messages under way at a time.
    most: usize,
    passed: IdMap<ClientTx, Passed>,
    /// Those within calls, by the leg they were passed on to.
    by_leg: BTreeSet<(SessionId, ClientTx)>,
    messages: HashMap<u64, Message>,
    last: u64,
}

impl Relay {
    /// With room for so many messages.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, passed: IdMap::default(), by_leg: BTreeSet::new(), messages: HashMap::new(), last: 0 }
    }

    /// How much waits for an answer.
    pub(crate) fn len(&self) -> usize {
        self.passed.len() + self.messages.len()
    }

    /// Whether one more MESSAGE may be under way.
    pub(crate) fn has_room(&self) -> bool {
        self.messages.len() < self.most
    }

    /// A request within a call has been passed on over this leg.
    pub(crate) fn within(&mut self, tx: ServerTx, client: ClientTx, over: SessionId) {
        self.passed.insert(client, Passed::Within { tx, over });
        self.by_leg.insert((over, client));
    }

    /// A MESSAGE has been passed on in so many copies, at least one.
    pub(crate) fn message(&mut self, tx: ServerTx, copies: Vec<ClientTx>) {
        self.last += 1;
        self.messages.insert(self.last, Message { tx, open: copies.len(), best: None });
        self.passed.extend(copies.into_iter().map(|client| (client, Passed::Copy { message: self.last })));
    }

    /// A leg has ended: what was passed on over it will not be answered.
    pub(crate) fn leg_ended(&mut self, session: SessionId) {
        while let Some(&(over, client)) =
            self.by_leg.range((session, FIRST)..).next().filter(|(over, _)| *over == session)
        {
            self.by_leg.remove(&(over, client));
            self.passed.remove(&client);
        }
    }

    /// What was passed on as `client`, which has come to its end.
    fn take(&mut self, client: ClientTx) -> Option<Passed> {
        let passed = self.passed.remove(&client)?;
        if let Passed::Within { over, .. } = passed {
            self.by_leg.remove(&(over, client));
        }
        Some(passed)
    }

    /// A response to a request that was passed on: what to answer now, and to whom.
    pub(crate) fn response(&mut self, client: ClientTx, response: &Response) -> Option<(ServerTx, Reply)> {
        if response.code().is_provisional() {
            return None;
        }
        match self.take(client)? {
            Passed::Within { tx, .. } => {
                let mut reply = Reply::new(response.code());
                // RFC 3428 section 7: no body in a 2xx to MESSAGE.
                let bare = response.code().is_success() && response.headers().cseq().method == Method::Message;
                reply.body = if bare { None } else { body::whole(response.headers()) };
                Some((tx, reply))
            }
            Passed::Copy { message } => self.copy_answered(message, response.code()),
        }
    }

    /// No response came to a request that was passed on: what to answer now, and to whom.
    pub(crate) fn failure(&mut self, client: ClientTx) -> Option<(ServerTx, Reply)> {
        match self.take(client)? {
            Passed::Within { tx, .. } => Some((tx, Reply::new(StatusCode::REQUEST_TIMEOUT))),
            Passed::Copy { message } => self.copy_answered(message, StatusCode::TEMPORARILY_UNAVAILABLE),
        }
    }

    /// The first device that takes a message makes it delivered; when none does, the last word is the lowest code.
    fn copy_answered(&mut self, number: u64, code: StatusCode) -> Option<(ServerTx, Reply)> {
        let message = self.messages.get_mut(&number)?;
        message.open = message.open.saturating_sub(1);
        let code = match code.get() {
            // Between us and the device: nothing the sender could answer or change.
            300..=399 | 401 | 407 | 408 | 500..=599 => StatusCode::TEMPORARILY_UNAVAILABLE,
            _ => code,
        };
        let best = message.best.map_or(code, |best| best.min(code));
        message.best = Some(best);
        if !code.is_success() && message.open > 0 {
            return None;
        }
        let message = self.messages.remove(&number)?;
        Some((message.tx, Reply::new(best)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> Id {
        Id::from_u64(number)
    }

    #[test]
    fn there_is_room_for_so_many_messages_whatever_their_copies_and_it_comes_back() {
        let mut relay = Relay::new(2);
        relay.message(ServerTx(id(1)), vec![ClientTx(id(11)), ClientTx(id(12))]);
        relay.within(ServerTx(id(3)), ClientTx(id(31)), SessionId(id(101)));
        assert!(relay.has_room());
        relay.message(ServerTx(id(2)), vec![ClientTx(id(21))]);
        assert!(!relay.has_room());
        assert!(relay.failure(ClientTx(id(11))).is_none() && !relay.has_room());
        assert!(relay.failure(ClientTx(id(12))).is_some() && relay.has_room());
    }

    #[test]
    fn what_went_over_a_leg_goes_with_it_and_nothing_else() {
        let mut relay = Relay::new(1);
        for number in 1..=6 {
            relay.within(ServerTx(id(number)), ClientTx(id(10 + number)), SessionId(id(100 + number % 2)));
        }
        assert!(relay.failure(ClientTx(id(11))).is_some());
        relay.leg_ended(SessionId(id(101)));
        assert_eq!((relay.len(), relay.by_leg.len()), (3, 3));
        for number in 1..=6 {
            assert_eq!(relay.failure(ClientTx(id(10 + number))).is_some(), number % 2 == 0, "{number}");
        }
        assert_eq!((relay.len(), relay.by_leg.len()), (0, 0));
    }
}
