//! INVITE sessions (RFC 3261 sections 9, 12 to 15; RFC 3264 as far as bodies go; RFC 3311, RFC 5057, RFC 6026).
//!
//! What it is: calls as an application sees them, in either role, from the first INVITE to the last byte that the network is
//! owed. What it is not: it knows nothing of media; a session description is a body whose disposition is *session*.
//!
//! | file | what stands there |
//! |---|---|
//! | `session` | the states, with their diagrams: read this first |
//! | `uac` | our first INVITE: responses, forks, CANCEL, ACK |
//! | `uas` | their first INVITE: responses, CANCEL, repeats of the 2xx, ACK |
//! | `reliable` | our provisional responses, sent reliably (RFC 3262) |
//! | `prack` | theirs, acknowledged |
//! | `session_timer` | how long a session lasts without a refresh (RFC 4028); `interval`: what is agreed |
//! | `modify` | re-INVITE of either side, glare, our UPDATE |
//! | `in_dialog` | all other requests in the dialog |
//! | `packages` | which packages of INFO each side takes (RFC 6086) |
//! | `ending` | hang-up and BYE |
//! | `session_ids` | a UUID of each end (RFC 7989) |
//! | `named` | the session that Replaces (RFC 3891) and Join (RFC 3911) name |
//! | `referral` | what a REFER asks for (RFC 3515) |
//! | `offer_answer` | which bodies count |
//! | `making` | from messages to dialogs and back to requests |
//! | `event` | what the application hears; policies |
//!
//! # Using it
//!
//! * Calling: [`Turn::invite`], then [`SessionEvent::Progress`] .. [`SessionEvent::Answered`]; [`Turn::hangup`] at any time.
//! * Being called: [`crate::Event::Request`] with an INVITE, [`Turn::session`], [`Turn::answer`] with 180, 183, 200 or a refusal.
//! * Holding, resuming, changing: [`Turn::reinvite`] and [`SessionEvent::Reinvite`] with [`Turn::answer_reinvite`]. Hold is a body like any other.
//! * Anything else in the dialog: [`Turn::in_dialog`], and [`SessionEvent::Request`] with [`Turn::respond`]; an INFO of a package: [`Turn::info`].
//!
//! The session answers BYE and acknowledges by itself. Only when the offer came in a 2xx does the ACK wait for [`Turn::ack`].
//!
//! # Decisions
//!
//! * Hang-up is local and at once; a session that is over for the application settles with the network unseen: CANCEL and its 487, the BYE
//!   held back until the ACK, the ACK repeated for each repeated 2xx. Nothing of it lasts longer than 64*T1 after the last answer.
//! * A request whose CSeq is not above the last one is answered 500; gaps are accepted (RFC 3261 section 12.2.2).
//! * When a session ends while the answer to a late offer is due, its ACK carries no body: the stack cannot write one.
//! * A 2xx without a usable Contact leaves the Request-URI as remote target, so that it can be acknowledged.
//! * A time-out of INFO does not end the call; one of any other request in the dialog does.

mod ending;
mod event;
mod in_dialog;
pub(crate) mod making;
mod modify;
mod moving;
mod named;
mod offer_answer;
mod packages;
mod prack;
mod referral;
mod reliable;
mod session;
mod session_ids;
mod session_timer;
mod uac;
mod uas;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use event::{By, Forks, Glare, NoAck, Policy, Pracks, Reach, Refusal, SessionEvent};
pub(crate) use in_dialog::{on_request, on_responded, on_unanswered};
pub(crate) use making::has_dialog;
pub use moving::Released;
pub use named::{JOIN, Named, NamedDialog, REPLACES};
pub use referral::{NO_REPORTS, Referral, is_at_domain_of, resubscribed};
pub(crate) use session_ids::{name_refuser, sign, sign_answer, sign_refusal, sign_unkept};
pub(crate) use session_timer::{Asked, asked};
pub use session_timer::{Lasting, SessionTimer};
pub(crate) use uac::on_stray;
pub(crate) use uas::{on_ack, on_cancel};

use crate::config::Config;
use crate::dialog::{Dialog, Dialogs, Phase, Record};
use crate::draft::ContactSpec;
use crate::event::{Event, Failure};
use crate::id::{ClientTx, DialogId, Id, ServerTx, SessionId, Shard};
use crate::message::{HeaderId, Lines, Method, Response};
use crate::outbox::{Origin, Path, SendError};
use crate::reply::Reply;
use crate::slab::Slab;
use crate::stack::{StackError, Timer, Usage};
use crate::time::Time;
use crate::turn::Turn;
use crate::wheel::TimerId;
use session::{Bye, Exchange, Session, State};

/// What a transaction of ours is for.
const INVITE: u16 = 1;
const REINVITE: u16 = 2;
const BYE: u16 = 3;
const REQUEST: u16 = 4;
/// An ACK; the lower bits are those of its CSeq number.
const ACK: u16 = 0x8000;

/// What a timer of a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The INVITE is no longer valid.
    Expires = 1,
    /// The provisional response again.
    Ring,
    /// The 2xx again.
    Repeat,
    /// The wait after a 491 to a re-INVITE.
    Glare,
    /// An ACK, or the memory of forks, need not be kept any longer.
    Acks,
    /// The reliable provisional response again.
    Reliable,
    /// A refresh is due, or the session has ended for want of one (RFC 4028).
    Lifetime,
    /// The wait after a 491 to an UPDATE.
    UpdateGlare,
}

/// All sessions and dialogs of a shard.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    table: Slab<Session>,
    dialogs: Dialogs,
    /// Allow and Supported, printed once.
    abilities: Option<Lines>,
}

impl Sessions {
    /// A dialog's CSeq number for a request that leaves now: the one it was `given` before if that is still the last, else the next. `None`
    /// when the dialog is gone.
    ///
    /// # Errors
    /// [`Failure::NumbersUsedUp`].
    pub(crate) fn number(&mut self, dialog: DialogId, given: Option<u32>) -> Result<Option<u32>, Failure> {
        let Some(dialog) = self.dialogs.get_mut(dialog) else { return Ok(None) };
        match given.filter(|given| *given == dialog.local_cseq()) {
            Some(given) => Ok(Some(given)),
            None => dialog.next_cseq().map(Some).map_err(|_| Failure::NumbersUsedUp),
        }
    }

    /// Adds its counts.
    pub(crate) fn usage(&self, usage: &mut Usage) {
        usage.sessions = self.table.len();
        usage.dialogs = self.dialogs.len();
    }

    /// For [`crate::Stack::states`]: of each session its state and that of its INVITE exchange, when there is one.
    pub(crate) fn state_names(&self, shard: Shard, mut tell: impl FnMut(Id, &'static str, Option<&'static str>)) {
        self.table.iter(shard).for_each(|(id, session)| tell(id, session.state_name(), session.exchange_name()));
    }

    /// Whether one of the tables is large and mostly empty.
    pub(crate) fn is_spare(&self) -> bool {
        self.table.is_spare() || self.dialogs.is_spare()
    }

    /// Tables that are give room back.
    pub(crate) fn trim(&mut self) {
        self.table.trim();
        self.dialogs.trim();
    }

    /// Bytes of both tables, their spare room, the index and all texts.
    #[cfg(test)]
    fn heap_size(&self) -> usize {
        self.table.heap_size() + self.dialogs.heap_size()
    }

    /// How many sessions hold more than what a standing call needs.
    #[cfg(test)]
    fn parts_under_way(&self) -> usize {
        let sessions = self.table.iter(crate::id::Shard(0)).map(|(_, session)| session);
        sessions.filter(|session| session.work.is_some() || !matches!(session.exchange, Exchange::Idle)).count()
    }
}

impl Turn<'_> {
    /// What the session's dialog remembers: with several early ones, the first. `None` before there is one.
    pub fn dialog_of(&self, s: SessionId) -> Option<&Dialog> {
        self.stack.sessions.dialogs.get(get(self, s)?.dialog?)
    }

    /// Every dialog of a session: before the final response to an INVITE of ours each early one, else the one it speaks in.
    pub fn dialogs_of(&self, s: SessionId) -> impl Iterator<Item = &Dialog> {
        let session = get(self, s);
        let early = session.and_then(|session| match &session.state {
            State::Calling(calling) | State::Cancelling(calling) => Some(&calling.forks.early),
            _ => None,
        });
        let own = session.and_then(|session| session.dialog).filter(|_| early.is_none());
        let ids = early.into_iter().flatten().map(|early| early.dialog).chain(own);
        ids.filter_map(|id| self.stack.sessions.dialogs.get(id))
    }

    /// What stands in Contact of what we say in a session, unless it is said otherwise: before the first answer, our address on the path.
    ///
    /// # Errors
    /// [`StackError::Gone`] when there is no dialog; [`StackError::State`] for what is too long for one.
    pub fn set_contact(&mut self, s: SessionId, contact: &ContactSpec) -> Result<(), StackError> {
        let dialog = get(self, s).and_then(|session| session.dialog).ok_or(StackError::Gone)?;
        let dialog = self.stack.sessions.dialogs.get_mut(dialog).ok_or(StackError::Gone)?;
        dialog.set_contact(contact).map_err(|_| StackError::State("a Contact that a dialog has room for"))
    }

    /// A dialog by its handle, for early ones of [`SessionEvent::Progress`].
    pub fn dialog(&self, dialog: DialogId) -> Option<&Dialog> {
        self.stack.sessions.dialogs.get(dialog)
    }

    /// How many sessions are over for the application while the peer has not confirmed it: BYE or CANCEL are under way. Looks at every
    /// session: for who waits before it stops.
    pub fn unsettled(&self) -> usize {
        let sessions = self.stack.sessions.table.iter(self.stack.config.shard);
        let waits =
            |state: &State| matches!(state, State::Cancelling(_) | State::Leaving(Bye::Sent { .. } | Bye::Owed { .. }));
        sessions.filter(|(_, session)| waits(&session.state)).count()
    }

    /// What requests in the dialog authenticate with when challenged. A session of [`Turn::invite`] has those of its draft.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn authenticate(&mut self, s: SessionId, credentials: crate::digest::Credentials) -> Result<(), StackError> {
        get_mut(self, s).ok_or(StackError::Gone)?.keys.get_or_insert_default().credentials = credentials;
        Ok(())
    }

    /// Takes a standing session back in from the record of its confirmed dialog ([`Dialog::to_record`]): after a restart, or from another
    /// shard.
    ///
    /// # Errors
    /// [`StackError::State`] when the record is no confirmed dialog of usable size or is here already, [`StackError::Full`].
    pub fn adopt(&mut self, record: &Record) -> Result<SessionId, StackError> {
        room(self)?;
        let dialog = Dialog::from_record(record).map_err(|_| StackError::State("a record of usable size"))?;
        if dialog.phase() != Phase::Confirmed {
            return Err(StackError::State("a record of a confirmed dialog"));
        }
        let s = insert(self, Session::new(State::Standing));
        match self.stack.sessions.dialogs.insert(dialog, s) {
            Ok(dialog) => {
                if let Some(session) = get_mut(self, s) {
                    session.dialog = Some(dialog);
                }
                Ok(s)
            }
            Err(_) => {
                remove(self, s);
                Err(StackError::State("a dialog that is not here, and room for it"))
            }
        }
    }
}

fn get<'t>(turn: &'t Turn<'_>, s: SessionId) -> Option<&'t Session> {
    turn.stack.sessions.table.get(s.0)
}

fn get_mut<'t>(turn: &'t mut Turn<'_>, s: SessionId) -> Option<&'t mut Session> {
    turn.stack.sessions.table.get_mut(s.0)
}

/// Is there room for one more session?
fn room(turn: &mut Turn<'_>) -> Result<(), StackError> {
    let config = &turn.stack.config;
    let (shard, dialogs, limit) = (config.shard, config.max_dialogs, config.max_sessions);
    turn.stack.sessions.dialogs.prepare(shard, dialogs, turn.stack.keys);
    if turn.stack.sessions.table.len() >= limit {
        return Err(StackError::Full { what: "sessions", limit });
    }
    Ok(())
}

fn insert(turn: &mut Turn<'_>, session: Session) -> SessionId {
    let shard = turn.stack.config.shard;
    SessionId(turn.stack.sessions.table.insert(shard, session))
}

/// Forgets a session, its dialogs and its timers.
fn remove(turn: &mut Turn<'_>, s: SessionId) {
    let Some(session) = turn.stack.sessions.table.remove(s.0) else { return };
    let mut timers = Vec::new();
    let dialogs = &mut turn.stack.sessions.dialogs;
    let early = session.forks().map_or(&[][..], |forks| &forks.early);
    for dialog in early.iter().map(|early| early.dialog).chain(session.dialog) {
        dialogs.remove(dialog);
    }
    match &session.state {
        State::Calling(calling) | State::Cancelling(calling) => timers.push(calling.expires),
        State::Ringing(ringing) => timers.extend([ringing.again, ringing.expires]),
        State::Standing | State::Leaving(_) => {}
    }
    if let Exchange::Unacked(unacked) = &session.exchange {
        timers.push(Some(unacked.timer));
    }
    timers.push(session.lifetime.as_ref().and_then(|lifetime| lifetime.timer()));
    if let Some(work) = &session.work {
        timers.push(work.acks_timer);
        timers.extend(work.glare.iter().map(|glare| glare.timer));
        timers.push(work.reliable.as_ref().and_then(|reliable| reliable.timer()));
    }
    for timer in timers.into_iter().flatten() {
        turn.stop(timer);
    }
}

/// Lets go of what is no longer used: the whole session when nothing is owed.
fn settle(turn: &mut Turn<'_>, s: SessionId) {
    let Some(session) = get_mut(turn, s) else { return };
    if session.is_settled() {
        remove(turn, s);
    } else {
        session.tidy();
    }
}

/// Our 2xx to a request in a session is about to leave.
pub(crate) fn on_success(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx, reply: &mut Reply) {
    session_timer::answer(turn, s, tx, reply);
    packages::answer(turn, s, tx, reply);
}

fn emit(turn: &mut Turn<'_>, s: SessionId, event: SessionEvent) {
    turn.emit(Event::Session(s, event));
}

/// Allow and Supported, which an INVITE and its 2xx SHOULD carry (RFC 3261 sections 13.2.1 and 13.3.1.4).
fn announce(turn: &mut Turn<'_>, lines: &mut Lines) {
    let config = &turn.stack.config;
    if !lines.has(HeaderId::Allow) && !lines.has(HeaderId::Supported) {
        let both = &mut turn.stack.sessions.abilities;
        return lines.extend(both.get_or_insert_with(|| {
            let mut both = Lines::new();
            add_abilities(config, &mut both, |_| true);
            both
        }));
    }
    add_abilities(config, lines, |_| true);
}

/// The same for a re-INVITE, without `100rel`: provisional responses to it tell nobody anything, and none need be acknowledged (RFC 3262
/// section 4).
fn announce_again(turn: &Turn<'_>, lines: &mut Lines) {
    add_abilities(&turn.stack.config, lines, |tag| !tag.eq_ignore_ascii_case(crate::uas::RELIABLE));
}

/// Those of the two that are missing.
fn add_abilities(config: &Config, lines: &mut Lines, wanted: impl Fn(&str) -> bool) {
    if !lines.has(HeaderId::Allow) && !config.allow.is_empty() {
        lines.push_list(HeaderId::Allow, config.allow.iter().map(Method::as_str));
    }
    let mut tags = config.supported.iter().map(String::as_str).filter(|tag| wanted(tag)).peekable();
    if !lines.has(HeaderId::Supported) && tags.peek().is_some() {
        lines.push_list(HeaderId::Supported, tags);
    }
}

fn start(turn: &mut Turn<'_>, s: SessionId, kind: Kind, after: Duration) -> TimerId {
    start_at(turn, s, kind, turn.now.mono + after)
}

fn start_at(turn: &mut Turn<'_>, s: SessionId, kind: Kind, at: Time) -> TimerId {
    turn.start(at, Timer::Session(s, kind as u8))
}

/// Keeps a timer for the first ACK or memory of forks that may go.
fn run_acks_timer(turn: &mut Turn<'_>, s: SessionId) {
    let Some(work) = get(turn, s).and_then(|session| session.work.as_ref()) else { return };
    if work.acks_timer.is_some() {
        return;
    }
    let times = work.acks.iter().map(|acked| acked.until).chain(work.forks.as_ref().map(|(_, until)| *until));
    let Some(at) = times.min() else { return };
    let timer = start_at(turn, s, Kind::Acks, at);
    if let Some(session) = get_mut(turn, s) {
        session.work().acks_timer = Some(timer);
    }
}

/// 64*T1 after a 2xx no more repeats and no other forks are expected (RFC 3261 section 13.2.2.4): early dialogs end.
fn on_acks(turn: &mut Turn<'_>, s: SessionId) {
    let now = turn.now.mono;
    let Some(work) = get_mut(turn, s).and_then(|session| session.work.as_mut()) else { return };
    work.acks_timer = None;
    work.acks.retain(|acked| acked.until > now);
    let none = work.acks.is_empty();
    if let Some((forks, _)) = work.forks.take_if(|(_, until)| *until <= now) {
        for early in &forks.early {
            turn.stack.sessions.dialogs.remove(early.dialog);
        }
    }
    if none && let Some(keys) = get_mut(turn, s).and_then(|session| session.keys.as_mut()) {
        keys.shown = Lines::default();
    }
    run_acks_timer(turn, s);
}

/// A response to a request of a session.
pub(crate) fn on_response(
    turn: &mut Turn<'_>,
    s: SessionId,
    purpose: u16,
    tx: ClientTx,
    response: Box<Response>,
    origin: &Origin,
) {
    if get(turn, s).is_none() && turn.send_after(response.headers(), origin) {
        return;
    }
    session_ids::heard(turn, s, response.headers(), (response.headers().to_tag(), true));
    if response.code().is_final() {
        let auth = turn.take_auth(tx);
        if let Some(session) = get_mut(turn, s) {
            session.learn_auth(auth);
        }
    }
    if matches!(purpose, INVITE | REINVITE) && response.code().is_success() {
        let shown = turn.signed_lines(tx);
        if let Some(keys) = get_mut(turn, s).and_then(|session| session.keys.as_mut()) {
            keys.shown = shown;
        }
    }
    let asked = if response.code().is_final() { turn.asked_timer(tx) } else { None };
    if purpose != INVITE {
        session_timer::tried(turn, s, asked);
    }
    match purpose {
        INVITE => uac::on_response(turn, s, response, origin, asked),
        REINVITE => modify::on_response(turn, s, (tx, asked), response, origin),
        BYE if response.code().is_success() => ending::bye_done(turn, s, None),
        BYE if response.code().is_final() => {
            ending::bye_done(turn, s, Some(Refusal::Response(response)));
        }
        REQUEST => in_dialog::on_response(turn, s, (tx, asked), response, origin),
        _ => {}
    }
    settle(turn, s);
}

/// No (more) response to a request of a session.
pub(crate) fn on_failure(turn: &mut Turn<'_>, s: SessionId, purpose: u16, tx: ClientTx, why: Failure) {
    match purpose {
        INVITE => uac::over(turn, s, Refusal::Failure(why)),
        REINVITE => modify::on_failure(turn, s, tx, why),
        BYE => ending::bye_done(turn, s, Some(Refusal::Failure(why))),
        REQUEST => in_dialog::on_failure(turn, s, tx, why),
        ack if ack & ACK != 0 => uac::ack_failed(turn, s, u32::from(ack & !ACK), Refusal::Failure(why)),
        _ => {}
    }
    settle(turn, s);
}

/// The ACK to a 2xx has left.
pub(crate) fn on_ack_sent(turn: &mut Turn<'_>, s: SessionId, purpose: u16, path: Path, bytes: bytes::Bytes) {
    uac::on_ack_sent(turn, s, purpose, path, bytes);
}

/// A response of ours could not be sent (RFC 3261 section 17.2.4). The peer repeats what it asked, and we repeat a 2xx until 64*T1: the
/// end comes by those timers.
pub(crate) fn on_unsent(_turn: &mut Turn<'_>, _s: SessionId, _tx: ServerTx, _why: SendError) {}

/// A timer of a session.
pub(crate) fn on_timer(turn: &mut Turn<'_>, s: SessionId, kind: u8) {
    const EXPIRES: u8 = Kind::Expires as u8;
    const RING: u8 = Kind::Ring as u8;
    const REPEAT: u8 = Kind::Repeat as u8;
    const GLARE: u8 = Kind::Glare as u8;
    const ACKS: u8 = Kind::Acks as u8;
    const RELIABLE: u8 = Kind::Reliable as u8;
    const LIFETIME: u8 = Kind::Lifetime as u8;
    const UPDATE_GLARE: u8 = Kind::UpdateGlare as u8;
    match kind {
        EXPIRES => {
            uac::on_expires(turn, s);
            uas::on_expires(turn, s);
        }
        RING => uas::on_ring(turn, s),
        REPEAT => uas::on_repeat(turn, s),
        GLARE => modify::on_glare(turn, s, &Method::Invite),
        UPDATE_GLARE => modify::on_glare(turn, s, &Method::Update),
        ACKS => on_acks(turn, s),
        RELIABLE => reliable::on_timer(turn, s),
        LIFETIME => session_timer::on_timer(turn, s),
        _ => {}
    }
    settle(turn, s);
}
