//! Questions to all loops, and one answer: also while a loop takes no turns, where what the others say is worth something.

use std::fmt;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use net::{Handle, Intake};

use crate::command::Command;
use crate::metrics::{Counts, Outside};
use crate::status::{LoopStatus, Status};

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
    /// Calls that a status lists.
    listed: usize,
    /// What each has counted, as last told: for a loop that is silent these go on to count, so that no sum of counters ever falls.
    counted: Arc<Mutex<Vec<Option<Box<Counts>>>>>,
}

impl Panel {
    pub(crate) fn new(loops: Vec<Handle<Command>>, intakes: &[Intake], listed: usize) -> Self {
        let counted = Arc::new(Mutex::new(vec![None; loops.len()]));
        Self { loops: loops.into(), intakes: intakes.into(), listed, counted }
    }

    /// Tells all of them, without waiting. One that has no room keeps none of the others from hearing it.
    pub(crate) fn tell(&self, command: impl Fn() -> Command) -> Result<(), NoAnswer> {
        let mut told = Ok(());
        for one in self.loops.iter() {
            if one.try_send(command()).is_err() {
                told = Err(NoAnswer);
            }
        }
        told
    }

    /// Asks all of them, and waits for the next turn of each: `None` for one that does not answer in time.
    fn ask<T: Send + 'static>(&self, question: impl Fn(SyncSender<T>) -> Command) -> Vec<Option<T>> {
        let until = Instant::now() + PATIENCE;
        let ask = |one: &Handle<Command>| {
            let (answer, answers) = mpsc::sync_channel(1);
            one.try_send(question(answer)).ok().map(|()| answers)
        };
        let asked: Vec<_> = self.loops.iter().map(ask).collect();
        let left = || until.saturating_duration_since(Instant::now());
        asked.into_iter().map(|answers| answers?.recv_timeout(left()).ok()).collect()
    }

    /// The same where nothing is worth anything unless all answer.
    fn ask_all<T: Send + 'static>(&self, question: impl Fn(SyncSender<T>) -> Command) -> Result<Vec<T>, NoAnswer> {
        self.ask(question).into_iter().collect::<Option<_>>().ok_or(NoAnswer)
    }

    /// The state of the whole server. What a loop that is silent keeps to itself is missing; no answer when all are.
    pub(crate) fn status(&self) -> Result<Status, NoAnswer> {
        // Before the question, which is a command itself.
        let waiting = self.waiting();
        let parts = self.ask(Command::Status);
        let silent = (0..).zip(&parts).filter(|(_, part)| part.is_none());
        let silent: Vec<_> =
            silent.map(|(shard, _)| LoopStatus { shard, silent: true, ..LoopStatus::default() }).collect();
        let mut all = parts.into_iter().flatten().reduce(Status::and).ok_or(NoAnswer)?;
        all.loops.extend(silent);
        all.calls.sort_unstable_by_key(|call| (std::cmp::Reverse(call.secs), call.id));
        all.calls.truncate(self.listed);
        all.loops.sort_unstable_by_key(|one| one.shard);
        for ((one, queue), dropped) in all.loops.iter_mut().zip(waiting).zip(Intake::dropped(&self.intakes)) {
            (one.queue, one.dropped) = (queue, dropped);
            one.handed_over = self.intakes.get(usize::from(one.shard)).map_or(0, Intake::handed_over);
        }
        Ok(all)
    }

    /// What waits before each loop.
    fn waiting(&self) -> Vec<usize> {
        self.loops.iter().zip(&*self.intakes).map(|(handle, intake)| handle.waiting() + intake.waiting()).collect()
    }

    /// What all have counted, in Prometheus' text format. No answer when all are silent.
    pub(crate) fn metrics(&self) -> Result<String, NoAnswer> {
        let queue = self.waiting().iter().sum();
        let parts = self.ask(Command::Metrics);
        let up: Vec<bool> = parts.iter().map(Option::is_some).collect();
        if !up.contains(&true) {
            return Err(NoAnswer);
        }
        // What was told is whole at every point where this could panic.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        for (last, part) in counted.iter_mut().zip(parts) {
            *last = part.or(last.take());
        }
        let all = counted.iter().flatten().cloned().reduce(|mut all, part| {
            all.add(&part);
            all
        });
        let outside = Outside { up, queue, dropped: Intake::dropped(&self.intakes).iter().sum() };
        all.map(|all| all.render(&outside)).ok_or(NoAnswer)
    }

    /// Whether all take their turns.
    pub(crate) fn health(&self) -> Result<String, NoAnswer> {
        let finishing = self.ask_all(Command::Healthy)?.contains(&false);
        Ok(if finishing { "stopping\n" } else { "ok\n" }.to_owned())
    }

    /// How much is held for calls.
    pub(crate) fn held(&self) -> Result<usize, NoAnswer> {
        self.ask_all(Command::Left).map(|held| held.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_without_room_keeps_no_other_from_being_told() {
        let (handles, mut inboxes): (Vec<_>, Vec<_>) = (0..3).map(|_| Handle::channel(1)).unzip();
        let panel = Panel::new(handles.clone(), &[], 0);
        assert!(handles[0].offer(Command::Begin).is_ok());
        assert_eq!(panel.tell(|| Command::Moved), Err(NoAnswer));
        let mut next = || inboxes.iter_mut().map(|inbox| inbox.try_recv().ok()).collect::<Vec<_>>();
        assert!(matches!(next()[..], [Some(Command::Begin), Some(Command::Moved), Some(Command::Moved)]));
        assert_eq!(panel.tell(|| Command::Moved), Ok(()), "the control");
        assert!(next().iter().all(|one| matches!(one, Some(Command::Moved))));
    }
}
