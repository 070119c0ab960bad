//! Servers that are passed over for a time (RFC 3263 section 4.3, RFC 3261 section 21.5.4).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::outbox::{Path, Transport};
use crate::time::Time;

/// So many are remembered; the one whose time is over first goes for another.
const MOST: usize = 256;
/// The longest a server may ask for. Longer, and one that has erred with its number would be lost for the day.
const LONGEST: Duration = Duration::from_secs(600);

/// The name that led there, the protocol and the address. What happens under one name says nothing of the others: whoever can make a name lead
/// to somebody else's server could have that passed over.
type Key = (Box<str>, Transport, SocketAddr);

/// Those of one stack. Of servers only those that were found by name are here, and only requests that find several look here: whoever has no choice is sent to
/// where he wants.
#[derive(Debug, Default)]
pub(crate) struct Avoided {
    of: BTreeMap<Key, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    until: Time,
    /// It has said so itself, with Retry-After: while there is another it is not tried at all.
    asked: bool,
}

fn key(host: &str, path: &Path) -> Key {
    (host.trim_end_matches('.').to_ascii_lowercase().into(), path.transport, path.remote)
}

impl Avoided {
    /// It did not answer, or could not be reached.
    pub(crate) fn failed(&mut self, host: &str, path: &Path, now: Time, span: Duration) {
        let until = now + span;
        // What it has asked for itself stands as long as it has asked for.
        let stands = |entry: &Entry| now < entry.until && (entry.asked || entry.until >= until);
        if !self.of.get(&key(host, path)).is_some_and(stands) {
            self.put(key(host, path), now, Entry { until, asked: false });
        }
    }

    /// It asked for not being tried (503 with Retry-After).
    pub(crate) fn asked(&mut self, host: &str, path: &Path, now: Time, secs: u32) {
        let until = now + Duration::from_secs(secs.into()).min(LONGEST);
        self.put(key(host, path), now, Entry { until, asked: true });
    }

    /// Nobody is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// It is there again.
    pub(crate) fn answered(&mut self, host: &str, path: &Path) {
        let key = key(host, path);
        if self.of.get(&key).is_some_and(|entry| !entry.asked) {
            self.of.remove(&key);
        }
    }

    /// Whether it is passed over now.
    pub(crate) fn has(&self, host: &str, path: &Path, now: Time) -> bool {
        self.of.get(&key(host, path)).is_some_and(|entry| now < entry.until)
    }

    fn put(&mut self, key: Key, now: Time, entry: Entry) {
        if self.of.len() >= MOST && !self.of.contains_key(&key) {
            self.of.retain(|_, entry| now < entry.until);
            if self.of.len() >= MOST {
                let first = self.of.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| key.clone());
                first.and_then(|first| self.of.remove(&first));
            }
        }
        self.of.insert(key, entry);
    }

    /// Puts those that have failed last, and takes out those that asked for it while another is left.
    pub(crate) fn arrange(&self, host: &str, paths: &mut Vec<Path>, now: Time) {
        if paths.len() < 2 {
            return;
        }
        let rank = |path: &Path| match self.of.get(&key(host, path)) {
            Some(entry) if now < entry.until => 1 + u8::from(entry.asked),
            _ => 0,
        };
        paths.sort_by_key(rank);
        if paths.first().is_some_and(|first| rank(first) < 2) {
            paths.retain(|path| rank(path) < 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;

    const NAME: &str = "pbx.example";

    fn path(host: u16) -> Path {
        let [high, low] = host.to_be_bytes();
        let remote = SocketAddr::from(([10, 0, high, low], 5060));
        Path { flow: FlowId(1), transport: Transport::Udp, local: SocketAddr::from(([10, 9, 9, 9], 5060)), remote }
    }

    fn arranged(avoided: &Avoided, secs: u64) -> Vec<u8> {
        let mut paths: Vec<Path> = (1..=3).map(path).collect();
        avoided.arrange(NAME, &mut paths, Time(secs * 1_000_000));
        paths.iter().map(|path| path.remote.to_string().as_bytes()[7] - b'0').collect()
    }

    #[test]
    fn rfc3261_21_5_4_who_asks_for_it_is_left_out_for_that_long_while_another_is_there() {
        let mut avoided = Avoided::default();
        assert_eq!(arranged(&avoided, 0), [1, 2, 3]);
        avoided.failed(NAME, &path(1), Time(0), Duration::from_secs(60));
        assert_eq!(arranged(&avoided, 59), [2, 3, 1], "last");
        assert_eq!(arranged(&avoided, 60), [1, 2, 3]);
        avoided.asked(NAME, &path(2), Time(0), 100);
        assert_eq!(arranged(&avoided, 59), [3, 1], "not at all");
        avoided.failed(NAME, &path(2), Time(0), Duration::from_secs(1_000));
        avoided.answered(NAME, &path(2));
        assert_eq!(arranged(&avoided, 99), [1, 3], "what it has asked for stands");
        assert_eq!(arranged(&avoided, 100), [1, 2, 3]);
        for host in [1, 3] {
            avoided.asked(NAME, &path(host), Time(0), u32::MAX);
        }
        assert_eq!(arranged(&avoided, 50), [1, 2, 3], "nobody else is there");
        assert_eq!(arranged(&avoided, 599), [2]);
        assert_eq!(arranged(&avoided, 600), [1, 2, 3], "no longer than that, whatever was asked for");
        avoided.failed(NAME, &path(2), Time(0), Duration::from_secs(900));
        avoided.answered(NAME, &path(2));
        assert_eq!(arranged(&avoided, 600), [1, 2, 3], "it has answered");
    }

    #[test]
    fn rfc3263_4_3_who_fails_after_the_time_it_has_asked_for_comes_last_like_any_other() {
        let mut avoided = Avoided::default();
        avoided.asked(NAME, &path(2), Time(0), 5);
        avoided.failed(NAME, &path(2), Time(100_000_000), Duration::from_secs(60));
        assert_eq!(arranged(&avoided, 101), [1, 3, 2]);
        avoided.answered(NAME, &path(2));
        assert_eq!(arranged(&avoided, 101), [1, 2, 3]);
    }

    #[test]
    fn limit_of_servers_remembered_holds_and_those_that_lapse_first_go() {
        let mut avoided = Avoided::default();
        for host in 0..1_000 {
            avoided.failed(NAME, &path(host), Time(u64::from(host)), Duration::from_secs(60));
            assert!(avoided.of.len() <= MOST);
        }
        assert!(avoided.of.contains_key(&key(NAME, &path(999))) && !avoided.of.contains_key(&key(NAME, &path(0))));
        avoided.failed(NAME, &path(1), Time(1_000_000_000), Duration::from_secs(60));
        assert_eq!(avoided.of.len(), 1, "those that are over go first");
    }

    #[test]
    fn what_happens_under_one_name_says_nothing_of_another() {
        let mut avoided = Avoided::default();
        avoided.asked("foreign.example", &path(1), Time(0), 600);
        avoided.failed("foreign.example", &path(2), Time(0), Duration::from_secs(60));
        assert_eq!(arranged(&avoided, 1), [1, 2, 3]);
        avoided.failed("PBX.example.", &path(1), Time(0), Duration::from_secs(60));
        assert_eq!(arranged(&avoided, 1), [2, 3, 1], "one name, however it is written");
        avoided.answered("foreign.example", &path(1));
        assert_eq!(arranged(&avoided, 1), [2, 3, 1]);
        avoided.answered(NAME, &path(1));
        assert_eq!(arranged(&avoided, 1), [1, 2, 3]);
    }
}
