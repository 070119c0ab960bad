//! Requests that were let in while others were refused as often as is left out elsewhere (RFC 7339 section 5.10.2), and were asked for credentials: what answers that
//! is the same request, and is not drawn once more. Nearly every call is challenged, and would be refused twice as often otherwise.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::id::ServerTx;
use crate::message::{HeaderId, Request};
use crate::time::Time;
use crate::transaction::key::Keys;

/// How long the answer may take: devices have the password at hand.
const SPAN: Duration = Duration::from_secs(5);
/// So many challenges of one request are answered: by a proxy, and by who stands behind it, or for a nonce that was too old. Wrong answers get nobody in more often.
const MOST: u8 = 2;

/// By the hash of what such requests share, which nobody else knows.
#[derive(Debug, Default)]
pub(crate) struct Challenged {
    of: BTreeMap<u64, Awaited>,
    /// In the order in which they are over.
    order: VecDeque<(u64, Time)>,
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    /// The CSeq number of the answer, until it has come (RFC 3261 section 22.2).
    number: Option<u32>,
    /// What has come as the answer: all copies of it that a proxy passes on are that one.
    answer: Option<ServerTx>,
    /// Further challenges that count.
    left: u8,
    until: Time,
}

impl Challenged {
    /// A request is challenged. So many are remembered; one more takes the place of the oldest.
    pub(crate) fn challenge(&mut self, keys: &Keys, request: &Request, now: Time, most: usize) {
        let headers = request.headers();
        self.put(keys.attempts(headers, request.method()), headers.cseq().number, now, most);
    }

    /// Whether a request with credentials answers such a challenge, which one does. Asked about more than once, where it goes to several, it is known by its
    /// transaction.
    pub(crate) fn is_answered(&mut self, keys: &Keys, request: &Request, tx: Option<ServerTx>, now: Time) -> bool {
        let headers = request.headers();
        let has_credentials = headers.has(HeaderId::Authorization) || headers.has(HeaderId::ProxyAuthorization);
        has_credentials && self.take(keys.attempts(headers, request.method()), headers.cseq().number, tx, now)
    }

    fn put(&mut self, request: u64, cseq: u32, now: Time, most: usize) {
        let until = now + SPAN;
        let left = match self.of.get(&request).filter(|known| now < known.until) {
            Some(known) if known.left == 0 => return,
            Some(known) => known.left - 1,
            None => MOST - 1,
        };
        self.of.insert(request, Awaited { number: cseq.checked_add(1), answer: None, left, until });
        self.order.push_back((request, until));
        while let Some((oldest, over)) = self.order.front().copied()
            && (self.order.len() > most || over <= now)
        {
            self.order.pop_front();
            // It may have been challenged once more since.
            if self.of.get(&oldest).is_some_and(|known| known.until == over) {
                self.of.remove(&oldest);
            }
        }
    }

    fn take(&mut self, request: u64, cseq: u32, tx: Option<ServerTx>, now: Time) -> bool {
        let Some(known) = self.of.get_mut(&request).filter(|known| now < known.until) else { return false };
        if known.number.take_if(|number| *number == cseq).is_some() {
            known.answer = tx;
            return true;
        }
        tx.is_some() && known.answer == tx
    }
}

#[cfg(test)]
mod tests {
    use crate::id::{Id, Shard};

    use super::*;

    fn at(ms: u64) -> Time {
        Time(ms * 1_000)
    }

    #[test]
    fn what_answers_a_challenge_is_known_once_and_no_more_than_two_of_them() {
        let mut challenged = Challenged::default();
        assert!(!challenged.take(7, 2, None, at(0)), "nobody asked");
        challenged.put(7, 1, at(0), 10);
        for (request, cseq, expected) in [(7, 1, false), (7, 3, false), (8, 2, false), (7, 2, true), (7, 2, false)] {
            assert_eq!(challenged.take(request, cseq, None, at(1)), expected, "{request} {cseq}");
        }
        // Once more, by somebody else, and a third time.
        challenged.put(7, 2, at(2), 10);
        assert!(challenged.take(7, 3, None, at(3)));
        challenged.put(7, 3, at(4), 10);
        assert!(!challenged.take(7, 4, None, at(5)));
    }

    #[test]
    fn what_answers_a_challenge_and_goes_to_several_is_one_answer() {
        let tx = |index| Some(ServerTx(Id::new(Shard(0), 0, index)));
        let mut challenged = Challenged::default();
        challenged.put(7, 1, at(0), 10);
        for (by, expected) in [(1, true), (1, true), (2, false), (1, true)] {
            assert_eq!(challenged.take(7, 2, tx(by), at(1)), expected, "{by}");
        }
        assert!(!challenged.take(7, 2, tx(1), at(5_000)), "too late");
        // Another challenge wants another answer.
        challenged.put(7, 2, at(2), 10);
        assert_eq!([1, 2].map(|by| challenged.take(7, 3, tx(by), at(3))), [true, false]);
    }

    #[test]
    fn what_answers_a_challenge_too_late_is_a_request_like_any_other() {
        let mut challenged = Challenged::default();
        challenged.put(7, 1, at(0), 10);
        challenged.put(8, 1, at(0), 10);
        assert!(challenged.take(7, 2, None, at(4_999)));
        assert!(!challenged.take(8, 2, None, at(5_000)));
        challenged.put(9, 1, at(5_000), 10);
        assert_eq!((challenged.of.len(), challenged.order.len()), (1, 1), "what is over is forgotten");
        challenged.put(9, u32::MAX, at(5_001), 10);
        assert!(!challenged.take(9, 0, None, at(5_002)), "there is no number after the last");
    }

    #[test]
    fn limit_of_challenged_requests_holds_and_the_oldest_makes_room() {
        let mut challenged = Challenged::default();
        for request in 0..=3 {
            challenged.put(request, 1, at(request), 3);
        }
        assert_eq!((challenged.of.len(), challenged.order.len()), (3, 3));
        assert!(!challenged.take(0, 2, None, at(4)));
        // The same again and again is no more than so many either.
        for ms in 4..14 {
            challenged.put(3, 1, at(ms), 3);
        }
        assert!(challenged.order.len() <= 3 && challenged.take(3, 2, None, at(14)));
    }
}
