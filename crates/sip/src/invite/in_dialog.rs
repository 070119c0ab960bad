//! Other requests within the dialog, of either side (RFC 3261 section 12.2).

use std::sync::Arc;

use super::ending::{self, Final};
use super::event::{Refusal, SessionEvent};
use super::session::{Asked, Change, Exchange, Heard, Session, State, Update};
use super::session_timer::{self, Asked as Timer};
use super::{REQUEST, making, modify, offer_answer, packages, prack, reliable, uas};
use crate::event::{Event, Failure};
use crate::id::{ClientTx, DialogId, ServerTx, SessionId};
use crate::message::{Body, HeaderId, Lines, Method, Request, Response, StatusCode};
use crate::outbox::Origin;
use crate::reply::Reply;
use crate::stack::StackError;
use crate::turn::{Owner, Turn};
use crate::uas::Capabilities;

impl Turn<'_> {
    /// Sends any other request in the session's dialog: INFO, MESSAGE, OPTIONS, REFER, NOTIFY, .. Responses arrive as [`Event::Response`] and
    /// [`Event::RequestFailed`] with the transaction that is given back. A 481 or 408, and for some methods other codes, end
    /// the session besides (RFC 5057).
    ///
    /// # Errors
    /// [`StackError::State`] for INVITE, ACK, PRACK, BYE and CANCEL, which have functions of their own; when there is no dialog yet; for an
    /// UPDATE that must not be sent (see [`Turn::update`]). [`StackError::Full`] when too many wait for their answers.
    pub fn in_dialog(
        &mut self,
        s: SessionId,
        method: Method,
        lines: Lines,
        body: Option<Body>,
    ) -> Result<ClientTx, StackError> {
        let dialog = dialog_to_use(self, s)?;
        ask(self, s, dialog, method, lines, body, Why::Asked)
    }

    /// How many of these wait for their answers: [`Policy::max_unanswered`](super::Policy::max_unanswered) at most.
    pub fn unanswered(&self, s: SessionId) -> usize {
        super::get(self, s).and_then(|session| session.work.as_ref()).map_or(0, |work| work.asked.len())
    }

    /// The same in one of several early dialogs ([`SessionEvent::Progress`]).
    ///
    /// # Errors
    /// As [`Turn::in_dialog`].
    pub fn in_fork(
        &mut self,
        s: SessionId,
        fork: DialogId,
        method: Method,
        lines: Lines,
        body: Option<Body>,
    ) -> Result<ClientTx, StackError> {
        dialog_to_use(self, s)?;
        if self.stack.sessions.dialogs.owner(fork) != Some(s) {
            return Err(StackError::Gone);
        }
        ask(self, s, fork, method, lines, body, Why::Asked)
    }
}

/// The dialog our requests use; the peer must have heard of it.
fn dialog_to_use(turn: &Turn<'_>, s: SessionId) -> Result<DialogId, StackError> {
    let session = super::get(turn, s).ok_or(StackError::Gone)?;
    match &session.state {
        State::Ringing(ringing) if !ringing.told => Err(StackError::State("a dialog")),
        State::Calling(_) | State::Ringing(_) | State::Standing => session.dialog.ok_or(StackError::State("a dialog")),
        State::Cancelling(_) | State::Leaving(_) => Err(StackError::Gone),
    }
}

/// Sends an UPDATE that may be tried again. Of several early dialogs nobody knows which becomes the call, and which of their exchanges is in force is for the
/// application to know: then there is none.
pub(super) fn ask_change(turn: &mut Turn<'_>, s: SessionId, change: Change) -> Result<ClientTx, StackError> {
    let dialog = dialog_to_use(turn, s)?;
    let is_early = |session: &Session| matches!(session.state, State::Calling(_));
    if super::get(turn, s).is_some_and(|session| is_early(session) && session.has_forked()) {
        return Err(StackError::State("one early dialog, and not several"));
    }
    let (method, lines, body) = (change.method.clone(), change.lines.clone(), change.body.clone());
    ask(turn, s, dialog, method, lines, body, Why::Change(Box::new(change)))
}

/// Refreshes the session with an UPDATE that changes nothing (RFC 4028 section 7.4).
pub(super) fn refresh(turn: &mut Turn<'_>, s: SessionId) -> Result<ClientTx, StackError> {
    let dialog = dialog_to_use(turn, s)?;
    ask(turn, s, dialog, Method::Update, Lines::default(), None, Why::Refresh)
}

/// What a request is for.
enum Why {
    /// The application wants it.
    Asked,
    /// It may be tried again.
    Change(Box<Change>),
    /// RFC 4028.
    Refresh,
}

fn ask(
    turn: &mut Turn<'_>,
    s: SessionId,
    dialog: DialogId,
    method: Method,
    lines: Lines,
    body: Option<Body>,
    why: Why,
) -> Result<ClientTx, StackError> {
    if matches!(method, Method::Invite | Method::Ack | Method::Prack | Method::Bye | Method::Cancel) {
        return Err(StackError::State("a method without a function of its own"));
    }
    let limit = turn.stack.config.session.max_unanswered;
    if turn.unanswered(s) >= limit {
        return Err(StackError::Full { what: "requests without an answer in a session", limit });
    }
    let session = super::get(turn, s).ok_or(StackError::Gone)?;
    let offered = method == Method::Update && offer_answer::in_body(body.as_ref(), &lines);
    if method == Method::Update && session.update == Update::Refused {
        return Err(StackError::State("a peer that allows UPDATE"));
    }
    // RFC 3311 section 5.2: it would be refused.
    let refreshed = || session.work.as_ref().is_some_and(|work| work.asked.iter().any(|one| one.refresh));
    if method == Method::Update && refreshed() {
        return Err(StackError::State("no refresh without an answer"));
    }
    let pending = || session.our_offer_pending(Some(dialog)) || session.their_offer_pending(Some(dialog));
    // RFC 3311 section 5.1: not before the PRACK has come for the answer that we sent reliably.
    let unheard = || session.work.as_ref().is_some_and(|work| work.is_description_open());
    if offered && (pending() || unheard()) {
        return Err(StackError::State("no other offer without an answer"));
    }
    let mut draft = making::draft(turn, s, dialog, method.clone(), None)?;
    (draft.body, draft.lines) = (body, lines);
    let tx = turn.request_within(dialog, draft, Owner::Session(s, REQUEST))?;
    let session = super::get_mut(turn, s).ok_or(StackError::Gone)?;
    let known = !matches!((&session.state, &session.exchange), (State::Ringing(_), _) | (_, Exchange::Unacked(_)));
    let (change, refresh) = match why {
        Why::Asked => (None, false),
        Why::Change(change) => (Some(change), false),
        Why::Refresh => (None, true),
    };
    session.work().asked.push(Asked { tx, dialog, method, offered, known, change, refresh, told: false });
    Ok(tx)
}

/// A response to one of these.
pub(super) fn on_response(
    turn: &mut Turn<'_>,
    s: SessionId,
    (tx, timer): (ClientTx, Option<Timer>),
    response: Box<Response>,
    origin: &Origin,
) {
    let event = |response| Event::Response { tx, response, origin: *origin };
    if response.code().is_provisional() {
        if is_plain(turn, s, tx) {
            turn.emit(event(response));
        }
        return;
    }
    let Some(asked) = take_asked(turn, s, tx) else { return };
    let reach = turn.stack.config.session.reach;
    if let Some(dialog) = turn.stack.sessions.dialogs.get_mut(asked.dialog) {
        dialog.follow_cseq(response.headers().cseq().number);
        if response.code().is_success() && asked.method == Method::Update {
            making::refresh(dialog, making::contact_uri(response.headers()), origin, reach);
        }
    }
    if response.code().is_success() && asked.method == Method::Update && !is_astray(turn, s, asked.dialog) {
        packages::learn(turn, s, Some(asked.dialog), response.headers());
    }
    let refusal = (!response.code().is_success()).then(|| Refusal::Response(response.clone()));
    let (quiet, astray) = (asked.is_quiet(), is_astray(turn, s, asked.dialog));
    if asked.method == Method::Update && response.code().is_success() && is_standing(turn, s) && !astray {
        session_timer::answered(turn, s, timer, response.headers());
    }
    if asked.method == Method::Prack && response.code() == StatusCode::SERVER_INTERNAL_ERROR {
        prack::refused(turn, s, asked.dialog);
    }
    match asked.change {
        None if quiet => {}
        None => turn.emit(event(response)),
        Some(change) => match &refusal {
            None if is_live(turn, s) => super::emit(turn, s, SessionEvent::Updated { response }),
            Some(refusal) => update_refused(turn, s, (*change, asked.dialog), refusal, asked.known),
            None => {}
        },
    }
    let refreshed = asked.refresh;
    after(turn, s, &asked.method, refusal, (asked.known && !astray, refreshed));
}

/// No response to one of these.
pub(super) fn on_failure(turn: &mut Turn<'_>, s: SessionId, tx: ClientTx, why: Failure) {
    let Some(asked) = take_asked(turn, s, tx) else { return };
    let refusal = Refusal::Failure(why.clone());
    let (quiet, astray) = (asked.is_quiet(), is_astray(turn, s, asked.dialog));
    match asked.change {
        None if quiet => {}
        None => turn.emit(Event::RequestFailed { tx, why }),
        Some(change) => update_refused(turn, s, (*change, asked.dialog), &refusal, asked.known),
    }
    after(turn, s, &asked.method, Some(refusal), (asked.known && !astray, asked.refresh));
}

/// The dialog of a call that has been answered, of which others may have been early. What was to change in another of them comes to nothing, and nothing that still
/// comes of it concerns the call (RFC 3261 section 13.2.2.4).
pub(super) fn confirmed(turn: &mut Turn<'_>, s: SessionId, dialog: DialogId) {
    let Some(work) = super::get_mut(turn, s).and_then(|session| session.work.as_mut()) else { return };
    let lost_one = work.glare.iter().position(|glare| glare.dialog != Some(dialog));
    let again = lost_one.map(|at| work.glare.remove(at));
    let mut lost = again.is_some();
    for asked in work.asked.iter_mut().filter(|asked| asked.dialog != dialog && asked.change.is_some()) {
        (asked.change, asked.offered, asked.told, lost) = (None, false, true, true);
    }
    if let Some(timer) = again.and_then(|glare| glare.timer) {
        turn.stop(timer);
    }
    if lost {
        let refusal = Refusal::Failure(Failure::NoRoute("somebody else has answered the call".to_owned()));
        super::emit(turn, s, SessionEvent::UpdateFailed { refusal });
    }
}

/// Whether a dialog has lost against another fork.
fn is_astray(turn: &Turn<'_>, s: SessionId, dialog: DialogId) -> bool {
    is_standing(turn, s) && super::get(turn, s).is_some_and(|session| session.dialog != Some(dialog))
}

fn is_plain(turn: &Turn<'_>, s: SessionId, tx: ClientTx) -> bool {
    let work = super::get(turn, s).and_then(|session| session.work.as_ref());
    work.is_some_and(|work| {
        work.asked.iter().any(|asked| asked.tx == tx && asked.change.is_none() && !asked.is_quiet())
    })
}

/// The session exists for the application.
fn is_live(turn: &Turn<'_>, s: SessionId) -> bool {
    super::get(turn, s).is_some_and(|session| !matches!(session.state, State::Cancelling(_) | State::Leaving(_)))
}

fn take_asked(turn: &mut Turn<'_>, s: SessionId, tx: ClientTx) -> Option<Asked> {
    let asked = &mut super::get_mut(turn, s)?.work.as_mut()?.asked;
    let at = asked.iter().position(|asked| asked.tx == tx)?;
    Some(asked.swap_remove(at))
}

/// RFC 3311 section 5.3: 491 once means again later, for one UPDATE at a time; everything else leaves the session as it was.
fn update_refused(
    turn: &mut Turn<'_>,
    s: SessionId,
    (change, dialog): (Change, DialogId),
    refusal: &Refusal,
    known: bool,
) {
    if !is_live(turn, s) || known && ends_dialog(&Method::Update, refusal) {
        return;
    }
    if modify::comes_again(turn, s, refusal, &change) {
        modify::glare(turn, s, change, Some(dialog));
    } else {
        super::emit(turn, s, SessionEvent::UpdateFailed { refusal: refusal.clone() });
    }
}

fn is_standing(turn: &Turn<'_>, s: SessionId) -> bool {
    super::get(turn, s).is_some_and(|session| matches!(session.state, State::Standing))
}

fn after(turn: &mut Turn<'_>, s: SessionId, method: &Method, refusal: Option<Refusal>, (known, refresh): (bool, bool)) {
    let standing = is_standing(turn, s);
    match refusal {
        Some(refusal) if standing && known && ends_dialog(method, &refusal) => {
            ending::leave(turn, s, Lines::default(), Final::Error(refusal));
        }
        refusal => {
            if let Some(refusal) = refusal.filter(|_| refresh) {
                session_timer::refused(turn, s, &refusal);
            }
            modify::exchange_over(turn, s);
        }
    }
}

/// Which failures of our requests end the dialog (RFC 3261 section 12.2.1.2, RFC 5057 section 5.1). 481 always does. No answer does, except
/// to INFO: a digit that is lost costs no call. The codes that say that the remote target is wrong do so for the
/// requests that the session itself needs, INVITE and UPDATE. What becomes of a NOTIFY concerns its subscription, which shares the dialog, and
/// never the call.
pub(super) fn ends_dialog(method: &Method, refusal: &Refusal) -> bool {
    match (refusal, refusal.code().get()) {
        _ if *method == Method::Notify => false,
        (Refusal::Failure(Failure::Timeout), _) | (_, 408) => *method != Method::Info,
        (Refusal::Failure(_), _) => false,
        (_, 481) => true,
        (_, 404 | 410 | 416 | 482 | 483 | 484 | 485 | 502 | 604) => matches!(method, Method::Invite | Method::Update),
        _ => false,
    }
}

/// A request with our tag, or one that makes no sense outside a dialog: true when it belongs to a session, and has been dealt with.
pub(crate) fn on_request(turn: &mut Turn<'_>, tx: ServerTx, request: &Arc<Request>, origin: &Origin) -> bool {
    let Some(dialog) = making::find_for_request(turn, request) else { return false };
    let Some(s) = turn.stack.sessions.dialogs.owner(dialog) else { return false };
    let Some(session) = super::get(turn, s) else { return false };
    let over = match session.state {
        State::Cancelling(_) | State::Leaving(_) => true,
        // An early dialog that lost against another fork.
        State::Standing => session.dialog != Some(dialog),
        State::Calling(_) | State::Ringing(_) => false,
    };
    let ends = match request.method() {
        Method::Bye => true,
        Method::Prack => session.work.as_ref().is_some_and(|work| work.reliable.is_some()),
        _ => false,
    };
    if over && !ends {
        return false;
    }
    let cseq = request.headers().cseq().number;
    if let Some(dialog) = turn.stack.sessions.dialogs.get_mut(dialog)
        && dialog.heard_cseq(cseq).is_err()
    {
        let refusal = match request.method() {
            // It crossed another INVITE, or came too late: in both cases its sender may try again.
            Method::Invite => later(turn),
            _ => Reply::new(StatusCode::SERVER_INTERNAL_ERROR),
        };
        let _ = turn.respond(tx, refusal.reason("CSeq out of order"));
        return true;
    }
    if turn.claim(tx, Owner::Session(s, REQUEST)).is_err() {
        return true;
    }
    let refusal = match request.method() {
        Method::Bye => {
            ending::their_bye(turn, s, dialog, tx, request);
            None
        }
        Method::Prack => {
            let refusal = requires_too_much(turn, request);
            refusal.or_else(|| reliable::their_prack(turn, s, dialog, tx, request, origin))
        }
        method => {
            if matches!(method, Method::Invite | Method::Update) {
                session_timer::heard(turn, s, request);
            }
            let refusal = not_understood(turn, s, request);
            if refusal.is_none() && *method == Method::Invite {
                modify::their_invite(turn, s, tx, request);
                None
            } else {
                let refusal = refusal.or_else(|| refused_at_once(turn, s, dialog, request));
                if refusal.is_none() {
                    hand_on(turn, s, dialog, tx, request, origin);
                }
                refusal
            }
        }
    };
    if let Some(reply) = refusal {
        let _ = turn.respond(tx, reply);
    }
    super::settle(turn, s);
    true
}

/// The checks that hold inside a dialog as well (RFC 3261 sections 8.2.1 and 8.2.2.3, RFC 6086 section 4.2.2): 405, 501, 420, 469.
fn not_understood(turn: &Turn<'_>, s: SessionId, request: &Arc<Request>) -> Option<Reply> {
    let config = &turn.stack.config;
    let plain = config.allow.contains(request.method()) && !request.headers().has(HeaderId::Require);
    if plain {
        return packages::refusal(turn, s, request);
    }
    crate::uas::method(request, &capabilities(turn))
        .or_else(|| requires_too_much(turn, request))
        .or_else(|| packages::refusal(turn, s, request))
}

fn requires_too_much(turn: &Turn<'_>, request: &Arc<Request>) -> Option<Reply> {
    let demands = request.headers().has(HeaderId::Require);
    demands.then(|| crate::uas::extensions(request, &capabilities(turn))).flatten()
}

fn capabilities(turn: &Turn<'_>) -> Capabilities {
    let config = &turn.stack.config;
    Capabilities { allow: config.allow.clone(), supported: config.supported.clone(), ..Capabilities::default() }
}

/// The glare rules of UPDATE (RFC 3311 section 5.2), and the limit on what is unanswered.
fn refused_at_once(turn: &mut Turn<'_>, s: SessionId, dialog: DialogId, request: &Arc<Request>) -> Option<Reply> {
    let session = super::get(turn, s)?;
    let heard = session.work.as_ref().map_or(&[][..], |work| &work.heard);
    if heard.len() >= turn.stack.config.session.max_unanswered {
        return Some(uas::busy(turn));
    }
    if *request.method() != Method::Update {
        return None;
    }
    let too_small = session_timer::refusal(&turn.stack.config, request);
    if too_small.is_some() {
        return too_small;
    }
    if heard.iter().any(|heard| heard.method == Method::Update && heard.dialog == dialog) {
        return Some(later(turn));
    }
    let offered = offer_answer::in_message(request.headers());
    if offered && session.our_offer_pending(Some(dialog)) {
        return Some(Reply::new(StatusCode::REQUEST_PENDING));
    }
    (offered && session.their_offer_pending(Some(dialog))).then(|| later(turn))
}

/// 500 with Retry-After of 0 to 10 seconds (RFC 3261 section 14.2, RFC 3311 section 5.2).
pub(super) fn later(turn: &mut Turn<'_>) -> Reply {
    let seconds = turn.stack.rng.below(11).to_string();
    let reply = Reply::new(StatusCode::SERVER_INTERNAL_ERROR);
    reply.clone().line("Retry-After", &seconds).unwrap_or(reply)
}

/// To the application, which answers it.
pub(super) fn hand_on(
    turn: &mut Turn<'_>,
    s: SessionId,
    dialog: DialogId,
    tx: ServerTx,
    request: &Arc<Request>,
    origin: &Origin,
) {
    let method = request.method().clone();
    let (update, offers) = (method == Method::Update, matches!(method, Method::Update | Method::Prack));
    let heard = Heard {
        tx,
        dialog,
        method,
        offered: offers && offer_answer::in_message(request.headers()),
        contact: if update { making::contact_uri(request.headers()) } else { None },
        origin: *origin,
    };
    let Some(session) = super::get_mut(turn, s) else { return };
    session.work().heard.push(heard);
    super::emit(turn, s, SessionEvent::Request { tx, request: Arc::clone(request) });
}

/// A request of the peer has its final response: a 2xx to UPDATE refreshes the target (RFC 3311 section 5.2).
pub(crate) fn on_responded(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx, code: StatusCode) {
    if !code.is_final() {
        return;
    }
    let reach = turn.stack.config.session.reach;
    let Some(heard) = take_heard(turn, s, tx) else { return };
    if code.is_success()
        && let Some(dialog) = turn.stack.sessions.dialogs.get_mut(heard.dialog)
    {
        making::refresh(dialog, heard.contact, &heard.origin, reach);
    }
    heard_over(turn, s);
}

/// A request of the peer has had no final response in 64*T1: its client has stopped waiting, and nothing is to be said any more (RFC 4320 section 4.2).
pub(crate) fn on_unanswered(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx) {
    if take_heard(turn, s, tx).is_none() {
        return;
    }
    if is_live(turn, s) {
        super::emit(turn, s, SessionEvent::Unanswered { tx });
    }
    heard_over(turn, s);
}

fn take_heard(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx) -> Option<Heard> {
    let heard = &mut super::get_mut(turn, s)?.work.as_mut()?.heard;
    let at = heard.iter().position(|heard| heard.tx == tx)?;
    Some(heard.swap_remove(at))
}

/// What waited for the end of it goes on.
fn heard_over(turn: &mut Turn<'_>, s: SessionId) {
    reliable::go_on(turn, s);
    modify::exchange_over(turn, s);
    super::settle(turn, s);
}
