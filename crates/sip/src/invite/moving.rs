//! Sessions that go to another shard.

use std::time::Duration;

use super::session::{Acked, Exchange, Forked, Keys, Session, State, Update, Work};
use super::session_timer::Packed;
use super::{making, remove};
use crate::dialog::{Dialog, Record};
use crate::id::SessionId;
use crate::message::{Lines, Method};
use crate::stack::StackError;
use crate::turn::Turn;

/// A standing session that is with no shard: what [`Turn::release`] gives and [`Turn::take_in`] wants. Plain data.
#[derive(Debug)]
pub struct Released {
    dialog: Record,
    keys: Option<Box<Keys>>,
    update: Update,
    packages: Option<Box<str>>,
    taken: Option<Box<str>>,
    lifetime: Option<Packed>,
    /// Our ACKs, for repeats of the 2xx, each with how long it is kept.
    acks: Vec<(Acked, Duration)>,
    /// What late 2xx to our INVITE make dialogs of, and how long they may come.
    forks: Option<(Box<Forked>, Duration)>,
}

impl Released {
    /// The Call-ID of its dialog.
    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }
}

impl Turn<'_> {
    /// Whether a session stands and nothing is under way in it but our NOTIFYs: then it can be released.
    pub fn is_at_rest(&self, s: SessionId) -> bool {
        super::get(self, s).is_some_and(is_at_rest)
    }

    /// Takes a standing session out, for another shard. Here nothing is left of it, and nothing is sent; what comes for it goes to that shard once
    /// [`Turn::is_away`] has said so.
    ///
    /// # Errors
    /// [`StackError::Gone`]; [`StackError::State`] while something is under way in it.
    pub fn release(&mut self, s: SessionId) -> Result<Released, StackError> {
        let now = self.now.mono;
        let session = super::get(self, s).ok_or(StackError::Gone)?;
        let dialog = session.dialog.and_then(|dialog| self.stack.sessions.dialogs.get(dialog)).map(Dialog::to_record);
        let (true, Some(dialog)) = (is_at_rest(session), dialog) else {
            return Err(StackError::State("a standing session with nothing under way"));
        };
        let update = session.update;
        let (packages, taken) = (session.packages.clone(), session.taken.clone());
        let lifetime = session.lifetime.as_ref().map(|lifetime| lifetime.pack(now));
        let session = super::get_mut(self, s).ok_or(StackError::Gone)?;
        let (keys, goes_on) = (session.keys.take(), session.dialog.take());
        let work = session.work.as_deref_mut();
        let (acks, forks) = work.map(|work| (std::mem::take(&mut work.acks), work.forks.take())).unwrap_or_default();
        let acks = acks.into_iter().map(|acked| (acked.until.since(now), acked)).map(|(left, acked)| (acked, left));
        let (acks, forks) = (acks.collect(), forks.map(|(forks, until)| (forks, until.since(now))));
        if let Some(dialog) = goes_on {
            self.stack.sessions.dialogs.take(dialog);
        }
        remove(self, s);
        Ok(Released { dialog, keys, update, packages, taken, lifetime, acks, forks })
    }

    /// Whether so many sessions more find room here.
    pub fn has_room_for_sessions(&self, more: usize) -> bool {
        let (sessions, config) = (&self.stack.sessions, &self.stack.config);
        sessions.table.len() + more <= config.max_sessions && sessions.dialogs.len() + more <= config.max_dialogs
    }

    /// Takes a session in that another shard has released.
    ///
    /// # Errors
    /// As [`Turn::adopt`], with the session: for [`Turn::dismiss`].
    pub fn take_in(&mut self, released: Released) -> Result<SessionId, (StackError, Box<Released>)> {
        let s = match self.adopt(&released.dialog) {
            Ok(s) => s,
            Err(error) => return Err((error, Box::new(released))),
        };
        let (Released { keys, update, packages, taken, lifetime, acks, forks, .. }, now) = (released, self.now.mono);
        if let Some(session) = super::get_mut(self, s) {
            (session.keys, session.update, session.packages, session.taken) = (keys, update, packages, taken);
            let acks = acks.into_iter().map(|(acked, left)| Acked { until: now + left, ..acked }).collect::<Vec<_>>();
            let work = Work { acks, forks: forks.map(|(forks, left)| (forks, now + left)), ..Work::default() };
            if !work.is_empty() {
                session.work = Some(Box::new(work));
            }
        }
        super::run_acks_timer(self, s);
        if let Some(lifetime) = lifetime {
            super::session_timer::unpack(self, s, lifetime);
        }
        Ok(s)
    }

    /// Hangs a session up that is with no shard: its BYE leaves from here, with these lines (RFC 3261 section 15.1.1). What comes of it is an event of a
    /// request of the application's.
    ///
    /// # Errors
    /// As [`Turn::send_request`].
    pub fn dismiss(&mut self, released: Released, lines: Lines) -> Result<(), StackError> {
        let dialog = Dialog::from_record(&released.dialog).map_err(|_| StackError::State("a record of usable size"))?;
        let mut draft = making::within(&dialog, Method::Bye, None)?;
        draft.lines = lines;
        if let Some(keys) = released.keys {
            (draft.credentials, draft.auth) = (keys.credentials, keys.auth);
        }
        self.send_request(draft).map(drop)
    }
}

fn is_at_rest(session: &Session) -> bool {
    let rests = |work: &Work| {
        work.forks.as_ref().is_none_or(|(forks, _)| forks.early.is_empty())
            && work.acks.iter().all(|acked| acked.sent.is_some())
            && work.asked.iter().all(|asked| asked.method == Method::Notify)
            && work.heard.is_empty()
            && work.glare.is_empty()
            && work.reliable.is_none()
    };
    matches!((&session.state, &session.exchange), (State::Standing, Exchange::Idle))
        && session.work.as_deref().is_none_or(rests)
        && session.lifetime.as_ref().is_none_or(|lifetime| lifetime.is_at_rest())
}
