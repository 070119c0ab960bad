//! Calls that are with another shard than the one their Call-ID falls to.
//!
//! An INVITE may be about a call of another shard (Replaces, RFC 3891; Join, RFC 3911), and a REFER may want to join two calls of different shards.
//! Then one of them goes where the other is: an INVITE before it is answered ([`Turn::give_away`]), a standing session with its dialog
//! ([`Turn::release`], [`Turn::take_in`]). What comes for it later still arrives at the shard of its Call-ID, which sends it on: whatever matches no
//! transaction and no dialog there, and has such a Call-ID, becomes an [`Action::HandOver`].

use std::collections::HashMap;
use std::sync::Arc;

use crate::id::{Id, ServerTx, Shard};
use crate::message::{Headers, Method, Request};
use crate::outbox::{Action, Origin};
use crate::slab::Slab;
use crate::stack::{StackError, Timer};
use crate::turn::{Owner, Turn};

/// Calls that are away.
#[derive(Debug, Default)]
pub(crate) struct Away {
    table: Slab<Call>,
    by_call_id: HashMap<Arc<str>, Id>,
}

#[derive(Debug)]
struct Call {
    call_id: Arc<str>,
    to: Shard,
    /// It is over: only what is late is waited for.
    over: bool,
}

impl Away {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Where the call of a message is.
    fn to(&self, headers: &Headers) -> Option<Shard> {
        let call_id = std::str::from_utf8(headers.call().0).ok()?;
        self.table.get(*self.by_call_id.get(call_id)?).map(|call| call.to)
    }
}

impl Turn<'_> {
    /// What comes for this Call-ID, and is of nothing that is here, goes to that shard from now on.
    ///
    /// # Errors
    /// [`StackError::Full`] when [`crate::Config::max_away`] are away.
    pub fn is_away(&mut self, call_id: &str, to: Shard) -> Result<(), StackError> {
        let shard = self.stack.config.shard;
        if let Some(&id) = self.stack.away.by_call_id.get(call_id) {
            if let Some(call) = self.stack.away.table.get_mut(id) {
                (call.to, call.over) = (to, false);
            }
            return Ok(());
        }
        self.room_away()?;
        let call_id: Arc<str> = call_id.into();
        let id = self.stack.away.table.insert(shard, Call { call_id: Arc::clone(&call_id), to, over: false });
        self.stack.away.by_call_id.insert(call_id, id);
        Ok(())
    }

    fn room_away(&self) -> Result<(), StackError> {
        let limit = self.stack.config.max_away;
        match self.stack.away.len() < limit {
            true => Ok(()),
            false => Err(StackError::Full { what: "calls with another shard", limit }),
        }
    }

    /// The shard that has the call with this Call-ID: this one, another that was told of by [`Turn::is_away`], or the one that it falls to.
    pub fn shard_of_call(&self, call_id: &str) -> Shard {
        let away = &self.stack.away;
        let to = away.by_call_id.get(call_id).and_then(|id| away.table.get(*id)).map(|call| call.to);
        to.unwrap_or_else(|| self.stack.config.spread.of_call(call_id.as_bytes()))
    }

    /// A call has come back, or has come here from another shard: nothing is sent on any more.
    pub fn is_here(&mut self, call_id: &str) {
        let away = &mut self.stack.away;
        if let Some(id) = away.by_call_id.remove(call_id) {
            away.table.remove(id);
        }
    }

    /// A call that was away is over: repeats are sent on for 64*T1 longer (RFC 3261 section 17), then it is forgotten.
    pub fn over_there(&mut self, call_id: &str) {
        let Some(&id) = self.stack.away.by_call_id.get(call_id) else { return };
        if let Some(call) = self.stack.away.table.get_mut(id) {
            call.over = true;
            let at = self.now.mono + self.stack.config.timers.t1_64();
            self.start(at, Timer::Away(id));
        }
    }

    /// Forgets a call, unless it has come to life again.
    pub(crate) fn forget_away(&mut self, id: Id) {
        let away = &mut self.stack.away;
        if away.table.get(id).is_some_and(|call| call.over)
            && let Some(call) = away.table.remove(id)
        {
            away.by_call_id.remove(&call.call_id);
        }
    }

    /// Lets another shard answer an INVITE: here nothing is left of it, and nothing is sent. Its octets and where it came from are for
    /// [`Turn::receive`] there.
    ///
    /// # Errors
    /// [`StackError::Gone`] and [`StackError::State`] when there is no such INVITE without a session and a final response; [`StackError::Full`].
    pub fn give_away(&mut self, tx: ServerTx, to: Shard) -> Result<(Arc<Request>, Origin), StackError> {
        let server = self.stack.servers.get(tx.0).ok_or(StackError::Gone)?;
        let (Some(request), origin) = (server.request().cloned(), server.origin()) else {
            return Err(StackError::Gone);
        };
        if *request.method() != Method::Invite || self.owner_of(tx) != Some(Owner::Application) {
            return Err(StackError::State("an INVITE that is no session yet"));
        }
        let call_id = std::str::from_utf8(request.headers().call().0);
        self.is_away(call_id.map_err(|_| StackError::State("a Call-ID of text"))?, to)?;
        self.server_end(tx.0);
        Ok((request, origin))
    }

    /// Sends a message on that finds nothing here, if its call is away.
    pub(crate) fn send_after(&mut self, headers: &Headers, from: &Origin) -> bool {
        if self.stack.away.len() == 0 {
            return false;
        }
        let Some(to) = self.stack.away.to(headers) else { return false };
        self.out.push(Action::HandOver { to, from: *from, bytes: headers.bytes().clone() });
        true
    }

    /// The same for a request, which may belong to a dialog of the same Call-ID that is here.
    pub(crate) fn send_request_after(&mut self, request: &Request, from: &Origin) -> bool {
        self.stack.away.len() > 0
            && !crate::invite::has_dialog(self, request)
            && self.send_after(request.headers(), from)
    }
}
