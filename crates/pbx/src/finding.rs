//! Requests that wait until another loop has said where the devices of a user are.
//!
//! Bindings live in one loop only, that of the user ([`sip::Spread::of_user`]). A call to a user of another loop asks there and goes on with the
//! answer: what that loop has confirmed to a device is known to every call that comes after, which copies in each loop could not promise. No
//! answer within [`PATIENCE`], or no room to ask, is a 503.

use std::collections::HashMap;
use std::time::Duration;

use proxy::Job;
use sip::invite::NamedDialog;
use sip::{AlarmId, IdMap, ServerTx, Shard, Turn};

use crate::command::Command;
use crate::config::Role;
use crate::neighbours::Neighbours;
use crate::request::Admitted;

/// How long another loop may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The alarms of questions have numbers from here.
pub(crate) const ALARMS: u64 = 1 << 63;

/// Who wants to know where the devices of a user are.
pub(crate) enum Seeker {
    /// A request of another user.
    Request(Admitted),
    /// A request that is passed on in this role.
    Passed(Role, Box<Job>),
    /// A transfer of a call, by their numbers.
    Transfer { call: u64, transfer: u32 },
    /// The same, to a call that may be with another loop.
    Claim { call: u64, transfer: u32, replaced: NamedDialog },
}

impl Seeker {
    /// The request that waits for an answer.
    fn request(&self) -> Option<ServerTx> {
        match self {
            Self::Request(request) => Some(request.tx),
            Self::Passed(_, job) => Some(job.tx),
            Self::Transfer { .. } | Self::Claim { .. } => None,
        }
    }
}

/// What waits, by the number of the question, with the alarms that end the wait.
pub(crate) struct Findings {
    /// Requests that wait at a time.
    most: usize,
    table: HashMap<u64, (Seeker, AlarmId)>,
    by_request: IdMap<ServerTx, u64>,
    last: u64,
}

impl Findings {
    /// With room for so many requests.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, table: HashMap::new(), by_request: IdMap::default(), last: 0 }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Asks the loop that keeps `name` for its devices; who seeks waits for the answer. False when there is no room.
    pub(crate) fn ask(&mut self, name: &str, seeker: Seeker, neighbours: &Neighbours, turn: &mut Turn<'_>) -> bool {
        let question = |ticket| Command::Locate { user: name.to_owned(), from: neighbours.me, ticket };
        self.ask_of(neighbours.spread.of_user(name), question, seeker, neighbours, turn)
    }

    /// Asks a loop; who seeks waits for the answer. False when there is no room.
    pub(crate) fn ask_of(
        &mut self,
        to: Shard,
        question: impl FnOnce(u64) -> Command,
        seeker: Seeker,
        neighbours: &Neighbours,
        turn: &mut Turn<'_>,
    ) -> bool {
        if self.len() >= self.most {
            return false;
        }
        self.last += 1;
        let ticket = self.last;
        if !neighbours.tell(to, question(ticket)) {
            return false;
        }
        let Ok(alarm) = turn.alarm(turn.now().mono + PATIENCE, ALARMS | ticket) else { return false };
        if let Some(tx) = seeker.request() {
            self.by_request.insert(tx, ticket);
        }
        self.table.insert(ticket, (seeker, alarm));
        true
    }

    fn take(&mut self, ticket: u64) -> Option<(Seeker, AlarmId)> {
        let found = self.table.remove(&ticket)?;
        if let Some(tx) = found.0.request() {
            self.by_request.remove(&tx);
        }
        Some(found)
    }

    /// The answer has come: who waited for it. One that comes too late finds nothing.
    pub(crate) fn answered(&mut self, ticket: u64, turn: &mut Turn<'_>) -> Option<Seeker> {
        let (seeker, alarm) = self.take(ticket)?;
        turn.silence(alarm);
        Some(seeker)
    }

    /// The alarm with this number has come: who has waited long enough.
    pub(crate) fn expired(&mut self, alarm: u64) -> Option<Seeker> {
        self.take(alarm & !ALARMS).map(|(seeker, _)| seeker)
    }

    /// Whoever sent the request has given up; true when it waited here.
    pub(crate) fn cancelled(&mut self, tx: ServerTx, turn: &mut Turn<'_>) -> bool {
        self.by_request.get(&tx).copied().and_then(|ticket| self.answered(ticket, turn)).is_some()
    }
}
