//! From a question of the stack to targets: `sip::locate` put to a resolver, with what is known already.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sip::Transport;
use sip::locate::{Found, Locate, Located, Query, Wanted};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::Resolve;
use super::cache::Cache;

/// Questions to name servers at a time, each with a socket of its own; further ones wait.
const AT_A_TIME: usize = 128;
/// How long the addresses of servers further down are waited for when those of the first are known.
const GRACE: Duration = Duration::from_millis(250);

/// What a loop asks with.
pub(crate) struct LookingUp {
    resolver: Box<dyn Resolve>,
    cache: RefCell<Cache>,
    room: Semaphore,
    /// How long one search may take.
    longest: Duration,
    /// The lots that order servers of one priority.
    lots: Cell<u64>,
}

impl LookingUp {
    /// `lots` begins the row of lots.
    pub(crate) fn new(resolver: Box<dyn Resolve>, longest: Duration, lots: u64) -> Self {
        let room = Semaphore::new(AT_A_TIME);
        Self { resolver, cache: RefCell::default(), room, longest, lots: Cell::new(lots) }
    }

    /// The targets of a request (RFC 3263 section 4), those of one priority by this lot or another each time. Takes a little less than the time after
    /// which nobody wants them any more.
    pub(crate) async fn locate(self: Rc<Self>, wanted: Wanted, lot: Option<u64>, ours: &[Transport]) -> Located {
        let begun = Instant::now();
        let end = begun + self.longest - self.longest / 16;
        let mut locate = match lot {
            Some(lot) => Locate::new(wanted, ours, lot).steady(),
            None => Locate::new(wanted, ours, self.lot()),
        };
        let mut asked: JoinSet<(Query, Found)> = JoinSet::new();
        let mut grace = None;
        loop {
            self.put(&mut locate, &mut asked);
            if let Some(located) = locate.located() {
                // What a slow name server says of the servers further down is known next time; not where many wait for their turn.
                if self.room.available_permits() > AT_A_TIME / 2 {
                    asked.detach_all();
                }
                return located.clone();
            }
            if locate.has_first() {
                grace = grace.or(Some(Instant::now() + GRACE));
            }
            let patience = grace.map_or(end, |grace| end.min(grace));
            match timeout_at(patience, asked.join_next()).await {
                Ok(Some(Ok((query, found)))) => locate.answer(&query, found),
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => locate.give_up(),
            }
        }
    }

    /// Puts what has come up, unless it is known.
    fn put(self: &Rc<Self>, locate: &mut Locate, asked: &mut JoinSet<(Query, Found)>) {
        loop {
            let questions = locate.questions();
            if questions.is_empty() {
                return;
            }
            for query in questions {
                match self.known(&query) {
                    Some(found) => locate.answer(&query, found),
                    None => drop(asked.spawn_local(Rc::clone(self).ask(query))),
                }
            }
        }
    }

    fn known(&self, query: &Query) -> Option<Found> {
        self.cache.borrow_mut().get(query, Instant::now())
    }

    async fn ask(self: Rc<Self>, query: Query) -> (Query, Found) {
        // Services are asked for before addresses: a name server that does not answer such questions leaves the time for those.
        let longest = match query {
            Query::Naptr(_) | Query::Srv(_) => self.longest / 3,
            Query::Addresses(_) => self.longest,
        };
        let asking = async {
            let _room = self.room.acquire().await;
            match self.known(&query) {
                Some(found) => found,
                None => {
                    let found = self.resolver.look_up(&query).await.limited();
                    self.cache.borrow_mut().keep(&query, &found, Instant::now());
                    found
                }
            }
        };
        let found = match timeout_at(Instant::now() + longest, asking).await {
            Ok(found) => found,
            Err(_) => {
                Found::Failed(format!("the name servers did not answer about {}", query.name().trim_end_matches('.')))
            }
        };
        (query, found)
    }

    fn lot(&self) -> u64 {
        self.lots.set(self.lots.get().wrapping_add(1));
        self.lots.get()
    }
}

#[cfg(test)]
mod tests;
