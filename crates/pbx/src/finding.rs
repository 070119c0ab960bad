//! Where the devices of a user are, when another loop keeps its bindings.
//!
//! Bindings live in one loop only, that of the user ([`sip::Spread::of_user`]). A call to a user of another loop asks there and goes on with the
//! answer: what that loop has confirmed to a device is known to every call that comes after, which copies in each loop could not promise. No
//! answer within [`PATIENCE`], or no room to ask, is a 503.

use std::collections::HashMap;
use std::time::Duration;

use net::Handle;
use sip::message::{Method, Request};
use sip::{AlarmId, Origin, Reply, ServerTx, Shard, Spread, Turn};

use crate::call::{Outcome, Target};
use crate::switch::{Command, Switch};

/// How long another loop may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests that wait for an answer at a time; one more is answered 503.
const MOST: usize = 10_000;
/// The alarms of questions have numbers from here.
pub(crate) const ALARMS: u64 = 1 << 63;

/// The loops of this server, and which of them this is.
pub(crate) struct Neighbours {
    pub(crate) me: Shard,
    pub(crate) spread: Spread,
    pub(crate) loops: Vec<Handle<Command>>,
}

impl Neighbours {
    /// Whether this loop keeps the bindings of a user.
    pub(crate) fn keeps(&self, user: &str) -> bool {
        self.spread.of_user(user) == self.me
    }

    /// Sends to another loop; false when it has no room.
    fn tell(&self, to: Shard, command: Command) -> bool {
        self.loops.get(usize::from(to.0)).is_some_and(|handle| handle.try_send(command).is_ok())
    }

    /// Sends to all others; who has no room goes without.
    pub(crate) fn tell_others(&self, command: impl Fn() -> Command) {
        for (shard, handle) in self.loops.iter().enumerate() {
            if shard != usize::from(self.me.0) {
                let _ = handle.try_send(command());
            }
        }
    }
}

/// A request that waits for the devices of a user.
struct Finding {
    tx: ServerTx,
    request: Request,
    origin: Origin,
    /// Who sent it.
    user: String,
    alarm: AlarmId,
}

/// Requests that wait.
#[derive(Default)]
pub(crate) struct Findings {
    table: HashMap<u64, Finding>,
    last: u64,
}

impl Findings {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

impl Switch {
    /// Asks the loop that keeps `name` for its devices; the request of `user` goes on when the answer comes. False when there is no room.
    pub(crate) fn find(
        &mut self,
        name: &str,
        (tx, request, origin, user): (ServerTx, &Request, &Origin, &str),
        turn: &mut Turn<'_>,
    ) -> bool {
        if self.findings.len() >= MOST {
            return false;
        }
        self.findings.last += 1;
        let (ticket, from) = (self.findings.last, self.neighbours.me);
        let asked = Command::Locate { user: name.to_owned(), from, ticket };
        if !self.neighbours.tell(self.neighbours.spread.of_user(name), asked) {
            return false;
        }
        let Ok(alarm) = turn.alarm(turn.now().mono + PATIENCE, ALARMS | ticket) else { return false };
        let (request, origin, user) = (request.clone(), *origin, user.to_owned());
        self.findings.table.insert(ticket, Finding { tx, request, origin, user, alarm });
        true
    }

    /// Another loop asks for the devices of a user of this one.
    pub(crate) fn locate(&mut self, user: &str, from: Shard, ticket: u64, turn: &Turn<'_>) {
        let targets = self.devices(user, turn.now());
        // Without room there: its own clock ends the wait.
        self.neighbours.tell(from, Command::Located { ticket, targets });
    }

    /// The answer: the request goes on. One that comes too late finds nothing.
    pub(crate) fn located(&mut self, ticket: u64, targets: Vec<Target>, turn: &mut Turn<'_>) {
        let Some(Finding { tx, request, origin, user, alarm }) = self.findings.table.remove(&ticket) else { return };
        turn.silence(alarm);
        let reply = match request.method() {
            Method::Invite => self.invite(tx, &request, &origin, user, Some(targets), turn),
            _ => self.message(tx, &request, &origin, &user, Some(targets), turn),
        };
        self.reply(tx, reply, turn);
    }

    /// No answer in time.
    pub(crate) fn not_located(&mut self, ticket: u64, turn: &mut Turn<'_>) {
        let Some(Finding { tx, request, .. }) = self.findings.table.remove(&(ticket & !ALARMS)) else { return };
        tracing::warn!("a SIP loop did not say in time where a user is");
        if *request.method() == Method::Invite {
            self.metrics.call_refused(Outcome::Shed);
        }
        self.reply(tx, Some(self.busy()), turn);
    }

    /// The caller has given up meanwhile.
    pub(crate) fn no_longer_sought(&mut self, tx: ServerTx, turn: &mut Turn<'_>) {
        let found = self.findings.table.iter().find(|(_, finding)| finding.tx == tx).map(|(ticket, _)| *ticket);
        if let Some(gone) = found.and_then(|ticket| self.findings.table.remove(&ticket)) {
            turn.silence(gone.alarm);
            self.metrics.call_refused(Outcome::Cancelled);
        }
    }

    /// Answers a request, unless that comes later.
    pub(crate) fn reply(&mut self, tx: ServerTx, reply: Option<Reply>, turn: &mut Turn<'_>) {
        if let Some(reply) = reply
            && let Err(error) = turn.respond(tx, reply)
        {
            tracing::debug!(%error, "a request was over before it was answered");
        }
    }
}
