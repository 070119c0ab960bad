//! Questions to all loops, and one answer.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::time::{Duration, Instant};

use net::{Handle, Intake};

use crate::command::Command;
use crate::metrics::Outside;
use crate::status::{LISTED, Status};

/// How long a question to the loops may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The server did not answer a question: it is ending, or far too busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server does not answer: it is ending, or overloaded")
    }
}

impl std::error::Error for NoAnswer {}

/// The loops of a server, as seen by whoever asks them. Never uses an async runtime, so it may be used in one.
#[derive(Clone)]
pub(crate) struct Panel {
    loops: Arc<[Handle<Command>]>,
    intakes: Arc<[Intake]>,
}

impl Panel {
    pub(crate) fn new(loops: Vec<Handle<Command>>, intakes: &[Intake]) -> Self {
        Self { loops: loops.into(), intakes: intakes.into() }
    }

    /// Tells all of them, without waiting.
    pub(crate) fn tell(&self, command: impl Fn() -> Command) -> Result<(), NoAnswer> {
        self.loops.iter().try_for_each(|one| one.try_send(command()).map_err(|_| NoAnswer))
    }

    /// Asks all of them, and waits for the next turn of each.
    fn ask<T: Send + 'static>(&self, question: impl Fn(SyncSender<T>) -> Command) -> Result<Vec<T>, NoAnswer> {
        let (answer, answers) = mpsc::sync_channel(self.loops.len());
        self.tell(|| question(answer.clone()))?;
        let until = Instant::now() + PATIENCE;
        let next = |_| answers.recv_timeout(until.saturating_duration_since(Instant::now())).map_err(|_| NoAnswer);
        self.loops.iter().map(next).collect()
    }

    /// The state of the whole server.
    pub(crate) fn status(&self) -> Result<Status, NoAnswer> {
        // Before the question, which is a command itself.
        let waiting = self.waiting();
        let mut parts = self.ask(Command::Status)?.into_iter();
        let mut all = parts.next().ok_or(NoAnswer)?;
        for part in parts {
            all.uptime_secs = all.uptime_secs.max(part.uptime_secs);
            all.registrations += part.registrations;
            all.calls_total += part.calls_total;
            all.calls.extend(part.calls);
            all.loops.extend(part.loops);
            // The same users everywhere, each with the contacts that the loop keeps.
            for (user, more) in all.users.iter_mut().zip(part.users) {
                user.contacts.extend(more.contacts);
            }
        }
        all.calls.sort_unstable_by_key(|call| (std::cmp::Reverse(call.secs), call.id));
        all.calls.truncate(LISTED);
        all.loops.sort_unstable_by_key(|one| one.shard);
        for ((one, queue), dropped) in all.loops.iter_mut().zip(waiting).zip(Intake::dropped(&self.intakes)) {
            (one.queue, one.dropped) = (queue, dropped);
        }
        Ok(all)
    }

    /// What waits before each loop.
    fn waiting(&self) -> Vec<usize> {
        self.loops.iter().zip(&*self.intakes).map(|(handle, intake)| handle.waiting() + intake.waiting()).collect()
    }

    /// What all have counted, in Prometheus' text format.
    pub(crate) fn metrics(&self) -> Result<String, NoAnswer> {
        let queue = self.waiting().iter().sum();
        let parts = self.ask(Command::Metrics)?;
        let all = parts.into_iter().reduce(|mut all, part| {
            all.add(&part);
            all
        });
        let outside = Outside { queue, dropped: Intake::dropped(&self.intakes).iter().sum() };
        all.map(|all| all.render(outside)).ok_or(NoAnswer)
    }

    /// Whether all take their turns.
    pub(crate) fn health(&self) -> Result<String, NoAnswer> {
        let finishing = self.ask(Command::Healthy)?.contains(&false);
        Ok(if finishing { "stopping\n" } else { "ok\n" }.to_owned())
    }

    /// How much is held for calls.
    pub(crate) fn held(&self) -> Result<usize, NoAnswer> {
        self.ask(Command::Left).map(|held| held.iter().sum())
    }
}
