//! What name servers have answered, for as long as they said (RFC 1035 section 3.2.1, RFC 2308 section 5).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use sip::locate::{Found, Query, Record};
use tokio::time::Instant;

/// Octets that all of it takes at most, about; the oldest goes for another.
const MOST_OCTETS: usize = 4 << 20;
/// The longest that a record is kept, whatever it says.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// The same for what is not there: who adds a record does not want to wait a day.
const LONGEST_NONE: Duration = Duration::from_secs(300);
/// What an answer takes besides its records and its name.
const EACH: usize = 256;

/// Answers by question. Failures are not kept.
#[derive(Default)]
pub(super) struct Cache {
    of: HashMap<Query, Kept>,
    /// Questions in the order in which they were kept, with the number of the answer: one that was kept anew stands here twice.
    order: VecDeque<(Query, u64)>,
    octets: usize,
    number: u64,
}

struct Kept {
    found: Found,
    until: Instant,
    octets: usize,
    number: u64,
}

impl Cache {
    /// The answer, while it holds.
    pub(super) fn get(&mut self, query: &Query, now: Instant) -> Option<Found> {
        let kept = self.of.get(query)?;
        if now < kept.until {
            return Some(kept.found.clone());
        }
        self.forget(query);
        None
    }

    /// Keeps an answer.
    pub(super) fn keep(&mut self, query: &Query, found: &Found, now: Instant) {
        let (ttl, records): (_, &[Record]) = match found {
            Found::Records(records, ttl) => (*ttl.min(&LONGEST), records),
            Found::None(ttl) => (*ttl.min(&LONGEST_NONE), &[]),
            Found::Failed(_) => return,
        };
        if ttl.is_zero() {
            return;
        }
        self.forget(query);
        let octets = EACH + 2 * query.name().len() + records.iter().map(Record::weight).sum::<usize>();
        self.number += 1;
        self.octets += octets;
        self.order.push_back((query.clone(), self.number));
        let kept = Kept { found: found.clone(), until: now + ttl, octets, number: self.number };
        self.of.insert(query.clone(), kept);
        while self.octets > MOST_OCTETS
            && let Some((oldest, number)) = self.order.pop_front()
        {
            if self.of.get(&oldest).is_some_and(|kept| kept.number == number) {
                self.forget(&oldest);
            }
        }
        // What was forgotten or kept anew still stands in the order.
        if self.order.len() > 2 * self.of.len() + 64 {
            let of = &self.of;
            self.order.retain(|(query, number)| of.get(query).is_some_and(|kept| kept.number == *number));
        }
    }

    fn forget(&mut self, query: &Query) {
        if let Some(gone) = self.of.remove(query) {
            self.octets -= gone.octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use sip::locate::Srv;

    use super::*;

    fn query(number: usize) -> Query {
        Query::Srv(format!("_sip._udp.{number}.example."))
    }

    fn records(count: usize, secs: u64) -> Found {
        let target = "x".repeat(200);
        let one = Record::Srv(Srv { priority: 0, weight: 0, port: 1, target });
        Found::Records(vec![one; count], Duration::from_secs(secs))
    }

    #[test]
    fn rfc1035_3_2_1_answers_are_kept_as_long_as_they_say_and_no_longer() {
        let (mut cache, begin) = (Cache::default(), Instant::now());
        let after = |secs: u64| begin + Duration::from_secs(secs);
        cache.keep(&query(1), &records(1, 60), begin);
        cache.keep(&query(2), &records(1, 0), begin);
        cache.keep(&query(3), &Found::Failed("SERVFAIL".into()), begin);
        cache.keep(&query(4), &Found::None(Duration::from_secs(7_200)), begin);
        assert_eq!(cache.get(&query(1), after(59)), Some(records(1, 60)));
        assert_eq!(cache.get(&query(1), after(60)), None);
        assert_eq!((cache.get(&query(2), begin), cache.get(&query(3), begin)), (None, None));
        assert!(cache.get(&query(4), after(299)).is_some() && cache.get(&query(4), after(300)).is_none());
        assert_eq!((cache.of.len(), cache.octets), (0, 0));
        // One that came anew holds from then.
        cache.keep(&query(1), &records(1, 60), begin);
        cache.keep(&query(1), &records(2, 60), after(50));
        assert_eq!(cache.get(&query(1), after(100)), Some(records(2, 60)));
    }

    #[test]
    fn limit_of_the_cache_in_octets_holds_and_the_oldest_goes() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for number in 0..2_000 {
            cache.keep(&query(number), &records(64, 60), now);
            assert!(cache.octets <= MOST_OCTETS, "{}", cache.octets);
        }
        assert!(cache.get(&query(0), now).is_none() && cache.get(&query(1_999), now).is_some());
        let (few, order) = (cache.of.len(), cache.order.len());
        assert!(few > 100 && few < 1_000 && order <= 2 * few + 64, "{few} {order}");
        // The same question again and again takes no more room.
        for _ in 0..10_000 {
            cache.keep(&query(1_999), &records(64, 60), now);
        }
        assert!(cache.of.len() == few && cache.order.len() <= 2 * few + 64, "{}", cache.order.len());
    }
}
