//! Who watches, and the bounded queues between the loops and them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::SystemTime;

use bytes::Bytes;
use sip::message::{Limits, Message, Method};
use sip::{Cause, Transport};

use super::filter::{Filter, Sieve};
use super::mask::masked;
use super::record::Record;
use crate::tap::{Direction, Seen};

/// Who may watch at a time.
const WATCHERS: usize = 8;
/// Messages that may wait for each.
const MESSAGES: usize = 4_096;
/// Messages looked at for one that passes.
const ROUND: usize = 512;
/// Octets of these messages.
const OCTETS: usize = 8 << 20;

/// Shows what passes the loops that have it to whoever watches. Clones are the same trace.
#[derive(Clone, Default)]
pub struct Trace(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// How many watch: all that a loop looks at while nobody does.
    watched: AtomicUsize,
    watchers: RwLock<Vec<Watcher>>,
}

/// A loop's side of a watcher.
struct Watcher {
    sieve: Sieve,
    queue: SyncSender<(Arc<Passed>, u64)>,
    counts: Arc<Counts>,
}

/// What both sides of a queue count.
#[derive(Default)]
struct Counts {
    /// Octets that wait.
    octets: AtomicUsize,
    /// Messages dropped since one was queued.
    missed: AtomicU64,
}

/// A message as it passed, secrets included: it does not leave this module.
struct Passed {
    at: SystemTime,
    direction: Direction,
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
    octets: Box<[u8]>,
}

/// Enough watch already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyWatch;

impl fmt::Display for TooManyWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{WATCHERS} others watch already: expected one of them to end")
    }
}

impl std::error::Error for TooManyWatch {}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("watched", &self.0.watched).finish()
    }
}

impl Trace {
    /// Begins to watch. Ends when the reader is dropped.
    ///
    /// # Errors
    /// [`TooManyWatch`] when eight do.
    pub fn watch(&self, filter: Filter) -> Result<Reader, TooManyWatch> {
        // A list of watchers is whole at every point where this could panic.
        let mut watchers = self.0.watchers.write().unwrap_or_else(PoisonError::into_inner);
        if watchers.len() >= WATCHERS {
            return Err(TooManyWatch);
        }
        let (queue, passed) = sync_channel(MESSAGES);
        let counts = Arc::new(Counts::default());
        watchers.push(Watcher { sieve: Sieve::new(&filter), queue, counts: Arc::clone(&counts) });
        self.0.watched.store(watchers.len(), Ordering::Relaxed);
        Ok(Reader { filter, passed, counts, of: Arc::downgrade(&self.0) })
    }

    /// Whether anybody watches.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.watched.load(Ordering::Relaxed) != 0
    }

    /// Shows a message to all who watch and have room for it.
    #[cold]
    pub(crate) fn show(&self, seen: &Seen<'_>) {
        let mut passed = None;
        for watcher in &*self.0.watchers.read().unwrap_or_else(PoisonError::into_inner) {
            if watcher.sieve.may_pass(seen.bytes) {
                watcher.put(passed.get_or_insert_with(|| Arc::new(Passed::new(seen))));
            }
        }
    }
}

impl Passed {
    fn new(seen: &Seen<'_>) -> Self {
        let Seen { direction, transport, local, remote, bytes, .. } = *seen;
        Self { at: SystemTime::now(), direction, transport, local, remote, octets: bytes.into() }
    }
}

impl Watcher {
    /// Queues a message where there is room, and counts it as missed where there is none.
    fn put(&self, passed: &Arc<Passed>) {
        let (counts, weight) = (&self.counts, passed.octets.len());
        let missed = counts.missed.swap(0, Ordering::Relaxed);
        if counts.octets.fetch_add(weight, Ordering::Relaxed) + weight > OCTETS
            || self.queue.try_send((Arc::clone(passed), missed)).is_err()
        {
            counts.octets.fetch_sub(weight, Ordering::Relaxed);
            counts.missed.fetch_add(missed + 1, Ordering::Relaxed);
        }
    }
}

/// A watcher's own side of its queue: used on a thread of its own, which it never wakes.
pub struct Reader {
    filter: Filter,
    passed: Receiver<(Arc<Passed>, u64)>,
    counts: Arc<Counts>,
    of: Weak<Shared>,
}

/// What a reader finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A message.
    Record(Record),
    /// None, for now: none waits, or none of many that were looked at passes.
    Empty,
    /// None ever again: the loops have ended.
    Ended,
}

impl Reader {
    /// The next message that passes the filter. Does not wait: who watches looks again after some milliseconds.
    pub fn take(&mut self) -> Next {
        let mut missed = 0;
        for _ in 0..ROUND {
            match self.passed.try_recv() {
                Ok((passed, before)) => {
                    self.counts.octets.fetch_sub(passed.octets.len(), Ordering::Relaxed);
                    missed += before;
                    if let Some(record) = self.record(&passed, missed) {
                        return Next::Record(record);
                    }
                }
                Err(why) => {
                    // Told with the next one.
                    self.counts.missed.fetch_add(missed, Ordering::Relaxed);
                    return if why == TryRecvError::Empty { Next::Empty } else { Next::Ended };
                }
            }
        }
        // Who watches looks after its own side now: messages that do not pass may come for ever.
        self.counts.missed.fetch_add(missed, Ordering::Relaxed);
        Next::Empty
    }

    /// Messages missed that no record has told of, at the end of all.
    pub fn missed(&self) -> u64 {
        self.counts.missed.load(Ordering::Relaxed)
    }

    /// What is shown of a message; `None` when the filter does not let it pass.
    fn record(&self, passed: &Passed, missed: u64) -> Option<Record> {
        let Passed { at, direction, transport, local, remote, ref octets } = *passed;
        let message = Message::parse(Bytes::copy_from_slice(octets), &Limits::default()).ok();
        if !self.filter.is_empty() && !message.as_ref().is_some_and(|message| self.filter.passes(message)) {
            return None;
        }
        let cause = match direction {
            Direction::In => None,
            Direction::Out(cause) => Some(words(cause, message.as_ref()).into()),
        };
        Some(Record { at, cause, transport, local, remote, octets: masked(octets), missed })
    }
}

/// Why a message was sent.
fn words(cause: Cause, message: Option<&Message>) -> &'static str {
    match message {
        Some(Message::Request(request)) => cause.words(*request.method() == Method::Invite, None),
        Some(Message::Response(response)) => {
            cause.words(*response.headers().method() == Method::Invite, Some(response.code().get()))
        }
        None => cause.words(false, None),
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(trace) = self.of.upgrade() else { return };
        let mut watchers = trace.watchers.write().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| !Arc::ptr_eq(&watcher.counts, &self.counts));
        trace.watched.store(watchers.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use sip::Time;

    use super::*;

    const MESSAGE: &str = "INVITE sip:1002@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:1001@h>;tag=1\r\nTo: <sip:1002@h>\r\n\
                           Call-ID: a1@h\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

    fn pass(trace: &Trace, direction: Direction, bytes: &[u8]) {
        let address = SocketAddr::from(([127, 0, 0, 1], 5060));
        let seen = Seen { at: Time(1), direction, transport: Transport::Tls, local: address, remote: address, bytes };
        if trace.is_watched() {
            trace.show(&seen);
        }
    }

    fn all(reader: &mut Reader) -> Vec<Record> {
        std::iter::from_fn(|| match reader.take() {
            Next::Record(record) => Some(record),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn who_watches_sees_what_passes_from_then_on_until_he_goes() {
        let trace = Trace::default();
        pass(&trace, Direction::In, MESSAGE.as_bytes());
        let mut reader = trace.watch(Filter::default()).unwrap();
        assert_eq!(reader.take(), Next::Empty);
        pass(&trace, Direction::In, MESSAGE.as_bytes());
        pass(&trace, Direction::Out(Cause::RetransmitRequest), MESSAGE.as_bytes());
        pass(&trace, Direction::Out(Cause::Automatic), b"no message");
        let records = all(&mut reader);
        let causes: Vec<Option<&str>> = records.iter().map(|record| record.cause.as_deref()).collect();
        assert_eq!(causes, [None, Some("timer A"), Some("automatic")]);
        assert_eq!((records[0].octets.as_slice(), records[0].transport), (MESSAGE.as_bytes(), Transport::Tls));
        drop(reader);
        assert!(!trace.is_watched());
    }

    #[test]
    fn the_filter_is_each_watchers_own() {
        let trace = Trace::default();
        let watch = |user: &str| trace.watch(Filter { user: Some(user.into()), call_id: None }).unwrap();
        let (mut one, mut other) = (watch("1001"), watch("100"));
        pass(&trace, Direction::In, MESSAGE.as_bytes());
        pass(&trace, Direction::In, b"1001 in what is no message");
        assert_eq!((all(&mut one).len(), all(&mut other).len()), (1, 0));
    }

    #[test]
    fn a_queue_is_bounded_in_messages_and_tells_where_how_many_are_missing() {
        let trace = Trace::default();
        let mut reader = trace.watch(Filter::default()).unwrap();
        for _ in 0..MESSAGES + 3 {
            pass(&trace, Direction::In, MESSAGE.as_bytes());
        }
        assert_eq!(reader.missed(), 3);
        let Next::Record(first) = reader.take() else { panic!() };
        assert_eq!(first.missed, 0);
        pass(&trace, Direction::In, b"the next");
        let records = all(&mut reader);
        assert_eq!(records.len(), MESSAGES);
        let missed: u64 = records.iter().map(|record| record.missed).sum();
        assert_eq!((missed, records.last().unwrap().missed, reader.missed()), (3, 3, 0));
    }

    #[test]
    fn who_watches_gets_its_turn_though_nothing_passes() {
        let trace = Trace::default();
        let mut reader = trace.watch(Filter { user: Some("100".into()), call_id: None }).unwrap();
        // Each looks as if it might pass, and does not: the user is 1001.
        for _ in 0..ROUND {
            pass(&trace, Direction::In, MESSAGE.as_bytes());
        }
        pass(&trace, Direction::In, MESSAGE.replace("<sip:1001@h>", "<sip:100@h>").as_bytes());
        assert_eq!(reader.take(), Next::Empty, "after so many");
        assert!(matches!(reader.take(), Next::Record(_)), "and goes on from there");
    }

    #[test]
    fn a_queue_is_bounded_in_octets() {
        let trace = Trace::default();
        let mut reader = trace.watch(Filter::default()).unwrap();
        let large = vec![b'x'; OCTETS / 4];
        for _ in 0..4 {
            pass(&trace, Direction::In, &large);
        }
        assert_eq!(reader.missed(), 0, "exactly full");
        pass(&trace, Direction::In, b"x");
        assert_eq!(reader.missed(), 1);
        assert_eq!(all(&mut reader).len(), 4);
        // There is room again.
        pass(&trace, Direction::In, &large);
        assert_eq!(all(&mut reader)[0].missed, 1);
    }

    #[test]
    fn watchers_are_bounded() {
        let trace = Trace::default();
        let mut readers: Vec<Reader> = (0..WATCHERS).map(|_| trace.watch(Filter::default()).unwrap()).collect();
        assert_eq!(trace.watch(Filter::default()).err(), Some(TooManyWatch));
        readers.pop();
        assert!(trace.watch(Filter::default()).is_ok());
    }

    #[test]
    fn readers_are_told_when_the_loops_have_ended() {
        let trace = Trace::default();
        let mut reader = trace.watch(Filter::default()).unwrap();
        pass(&trace, Direction::In, b"last");
        drop(trace);
        assert!(matches!(reader.take(), Next::Record(_)));
        assert_eq!(reader.take(), Next::Ended);
    }
}
