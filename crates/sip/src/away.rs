//! Calls that are with another shard than the one their Call-ID falls to.
//!
//! An INVITE may be about a call of another shard (Replaces, RFC 3891; Join, RFC 3911), and a REFER may want to join two calls of different shards.
//! Then one of them goes where the other is: an INVITE before it is answered ([`Turn::give_away`]), a standing session with its dialog
//! ([`Turn::release`], [`Turn::take_in`]). What comes for it later still arrives at the shard of its Call-ID, which sends it on: whatever matches no
//! transaction and no dialog there, and has such a Call-ID, becomes an [`Action::HandOver`].

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::id::{Id, ServerTx, Shard};
use crate::message::{Headers, Method, Request};
use crate::outbox::{Action, Origin};
use crate::slab::Slab;
use crate::stack::{StackError, Timer};
use crate::time::Time;
use crate::turn::{Owner, Turn};
use crate::wheel::TimerId;

/// The longest Call-ID of a call that may be away, in octets: what is kept of each is bounded by that.
const LONGEST: usize = 256;
/// So often a message is sent after its call: to the shard that has it, and on where it has gone on meanwhile. Then it is looked at where it is,
/// so that none can go round for ever.
const HOPS: u8 = 3;

/// Calls that are away.
#[derive(Debug, Default)]
pub(crate) struct Away {
    table: Slab<Call>,
    by_call_id: HashMap<Arc<str>, Id>,
    /// How often the message that is looked at was sent after its call.
    hops: u8,
    /// Those that are over, the longest over first: they give way where there is no room.
    over: BTreeSet<(Time, Id)>,
}

#[derive(Debug)]
struct Call {
    call_id: Arc<str>,
    to: Shard,
    /// Dialogs and INVITEs of this Call-ID that are there; with none, only what is late is waited for.
    there: usize,
    /// When it is forgotten, once it is over.
    forgotten: Option<(Time, TimerId)>,
}

impl Call {
    /// Whether something of this Call-ID is with another shard than that.
    fn stands_elsewhere(&self, to: Shard) -> bool {
        self.there > 0 && self.to != to
    }
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

    fn get_mut(&mut self, call_id: &str) -> Option<(Id, &mut Call)> {
        let id = *self.by_call_id.get(call_id)?;
        Some((id, self.table.get_mut(id)?))
    }

    /// Whether what comes for this Call-ID goes to yet another shard, be it that all that was there is over: an INVITE may be on its way there.
    fn leads_elsewhere(&self, call_id: &str, to: Shard) -> bool {
        let call = self.by_call_id.get(call_id).and_then(|id| self.table.get(*id));
        call.is_some_and(|call| call.to != to)
    }

    /// Takes a call out; its timer is to be stopped.
    fn remove(&mut self, id: Id) -> Option<TimerId> {
        let call = self.table.remove(id)?;
        self.by_call_id.remove(&call.call_id);
        let (at, timer) = call.forgotten?;
        self.over.remove(&(at, id));
        Some(timer)
    }
}

impl Turn<'_> {
    /// A message that another shard has sent after its call ([`Action::HandOver`]), and how often that was done: see [`Turn::receive`].
    pub fn receive_after(&mut self, from: &Origin, bytes: Bytes, hops: u8) {
        self.stack.away.hops = hops;
        self.receive(from, bytes);
        self.stack.away.hops = 0;
    }

    /// An INVITE that another shard has given away ([`Turn::give_away`]): it is looked at here, wherever others of its Call-ID are.
    pub fn receive_given(&mut self, from: &Origin, bytes: Bytes) {
        self.receive_after(from, bytes, HOPS);
    }

    /// One dialog more of this Call-ID is with that shard, or an INVITE: what comes for it, and is of nothing that is here, goes there from now on.
    ///
    /// # Errors
    /// [`StackError::Full`] when [`crate::Config::max_away`] are away that are not over; [`StackError::State`] for a Call-ID of more than 256 octets, and
    /// where one of it is with yet another shard and not over: that would be found by nobody any more.
    pub fn is_away(&mut self, call_id: &str, to: Shard) -> Result<(), StackError> {
        let shard = self.stack.config.shard;
        if let Some((id, call)) = self.stack.away.get_mut(call_id) {
            if call.stands_elsewhere(to) {
                return Err(StackError::State("a Call-ID of which nothing is with another shard"));
            }
            (call.to, call.there) = (to, call.there + 1);
            if let Some((at, timer)) = call.forgotten.take() {
                self.stack.away.over.remove(&(at, id));
                self.stop(timer);
            }
            return Ok(());
        }
        if call_id.len() > LONGEST {
            return Err(StackError::State("a Call-ID of at most 256 octets"));
        }
        self.make_room_away()?;
        let call_id: Arc<str> = call_id.into();
        let call = Call { call_id: Arc::clone(&call_id), to, there: 1, forgotten: None };
        let id = self.stack.away.table.insert(shard, call);
        self.stack.away.by_call_id.insert(call_id, id);
        Ok(())
    }

    /// One more of this Call-ID is with a shard for which [`Turn::is_away`] has failed: nothing finds it there, but its end is told like that of the others
    /// ([`Turn::over_there`]), and must not be taken for one of theirs.
    pub fn is_out_of_reach(&mut self, call_id: &str) {
        if let Some((_, call)) = self.stack.away.get_mut(call_id) {
            call.there += 1;
        }
    }

    /// Whether these calls may be with that shard as well, all of them: nothing of their Call-IDs is with another, or may be on its way there.
    pub fn may_be_away(&self, call_ids: &[&str], to: Shard) -> bool {
        let away = &self.stack.away;
        let standing = away.len() - away.over.len();
        call_ids.iter().all(|call_id| call_id.len() <= LONGEST && !away.leads_elsewhere(call_id, to))
            && standing + call_ids.len() <= self.stack.config.max_away
    }

    /// Who is over longest gives way.
    fn make_room_away(&mut self) -> Result<(), StackError> {
        let limit = self.stack.config.max_away;
        while self.stack.away.len() >= limit {
            let Some(&(_, id)) = self.stack.away.over.first() else {
                return Err(StackError::Full { what: "calls with another shard", limit });
            };
            if let Some(timer) = self.stack.away.remove(id) {
                self.stop(timer);
            }
        }
        Ok(())
    }

    /// What is away by this Call-ID is with that shard now, where another had taken it.
    pub fn went_on(&mut self, call_id: &str, to: Shard) {
        if let Some((_, call)) = self.stack.away.get_mut(call_id) {
            call.to = to;
        }
    }

    /// The shard that has the call with this Call-ID: this one, another that was told of by [`Turn::is_away`], or the one that it falls to.
    pub fn shard_of_call(&self, call_id: &str) -> Shard {
        let away = &self.stack.away;
        let to = away.by_call_id.get(call_id).and_then(|id| away.table.get(*id)).map(|call| call.to);
        to.unwrap_or_else(|| self.stack.config.spread.of_call(call_id.as_bytes()))
    }

    /// A dialog of this Call-ID has come back, or has come here from another shard: with the last of them nothing is sent on any more.
    pub fn is_here(&mut self, call_id: &str) {
        let Some((id, call)) = self.stack.away.get_mut(call_id) else { return };
        call.there = call.there.saturating_sub(1);
        if call.there == 0
            && let Some(timer) = self.stack.away.remove(id)
        {
            self.stop(timer);
        }
    }

    /// A dialog or INVITE of this Call-ID that was away is over. With the last of them repeats are sent on for 64*T1 longer (RFC 3261 section 17), then
    /// the call is forgotten.
    pub fn over_there(&mut self, call_id: &str) {
        let at = self.now.mono + self.stack.config.timers.t1_64();
        let Some((id, call)) = self.stack.away.get_mut(call_id).filter(|(_, call)| call.there > 0) else { return };
        call.there -= 1;
        if call.there > 0 {
            return;
        }
        let timer = self.start(at, Timer::Away(id));
        if let Some(call) = self.stack.away.table.get_mut(id) {
            call.forgotten = Some((at, timer));
            self.stack.away.over.insert((at, id));
        }
    }

    /// The timer of a call that is over has run.
    pub(crate) fn forget_away(&mut self, id: Id) {
        self.stack.away.remove(id);
    }

    /// Lets another shard answer an INVITE: here nothing is left of it, and nothing is sent. Its octets and where it came from are for
    /// [`Turn::receive_given`] there.
    ///
    /// # Errors
    /// [`StackError::Gone`] and [`StackError::State`] when there is no such INVITE without a session and a final response; as [`Turn::is_away`].
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
        let hops = self.stack.away.hops;
        if self.stack.away.len() == 0 || hops >= HOPS {
            return false;
        }
        let Some(to) = self.stack.away.to(headers) else { return false };
        self.out.push(Action::HandOver { to, from: *from, bytes: headers.bytes().clone(), hops: hops + 1 });
        true
    }

    /// The same for a request, which may belong to a dialog of the same Call-ID that is here. A REGISTER belongs to its user, whatever Call-ID it has
    /// (RFC 3261 section 10.3).
    pub(crate) fn send_request_after(&mut self, request: &Request, from: &Origin) -> bool {
        self.stack.away.len() > 0
            && *request.method() != Method::Register
            && !crate::invite::has_dialog(self, request)
            && self.send_after(request.headers(), from)
    }
}
