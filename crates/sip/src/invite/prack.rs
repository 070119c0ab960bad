//! Their reliable provisional responses to our INVITE (RFC 3262 sections 4 and 5): in order, each acknowledged once.

use super::event::Pracks;
use super::session::{Asked, Early, Offer, State};
use super::{REQUEST, making, offer_answer};
use crate::header::{CSeq, RAck, RSeq, Require};
use crate::id::{ClientTx, DialogId, SessionId};
use crate::message::{Body, HeaderId, Headers, Lines, Method, Response};
use crate::planted::{Bug, planted};
use crate::stack::StackError;
use crate::turn::{Owner, Turn};
use crate::uas::RELIABLE;

/// What a provisional response is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Not sent reliably.
    Plain,
    /// A repeat, or out of order: nothing becomes of it (section 4).
    Discarded,
    /// New. `due`: its PRACK waits for the application.
    New { due: bool },
}

impl Turn<'_> {
    /// Sends the PRACK for a reliable provisional response (RFC 3262 section 4), when [`SessionEvent::Progress`] said `prack_due`. `body`
    /// is the answer when the response carried an offer, and must be there; with offer and answer exchanged it may be a new offer, whose
    /// answer is in the 2xx: then responses arrive as for [`Turn::in_dialog`].
    ///
    /// # Errors
    /// [`StackError::State`] when no PRACK is due, the answer is missing, or another offer is unanswered.
    ///
    /// [`SessionEvent::Progress`]: super::SessionEvent::Progress
    pub fn prack(
        &mut self,
        s: SessionId,
        fork: DialogId,
        body: Option<Body>,
        lines: Lines,
    ) -> Result<ClientTx, StackError> {
        let session = super::get_mut(self, s).ok_or(StackError::Gone)?;
        let ours = session.our_offer_pending(Some(fork));
        let missing = StackError::State("a reliable provisional response without its PRACK");
        let Some(early) = early(session, fork) else { return Err(missing) };
        let (Some(due), offer) = (early.due, early.offer) else { return Err(missing) };
        let described = offer_answer::in_body(body.as_ref(), &lines);
        match offer {
            Offer::Theirs if !described => return Err(StackError::State("the answer to the offer in the response")),
            Offer::Ours | Offer::None if described => {
                return Err(StackError::State("no other offer without an answer"));
            }
            Offer::Settled if described && ours => return Err(StackError::State("no other offer without an answer")),
            _ => {}
        }
        let answer = body.clone().filter(|_| offer == Offer::Theirs);
        let tx = send(self, s, fork, due, body, lines, described && offer == Offer::Settled)?;
        if let Some(early) = super::get_mut(self, s).and_then(|session| self::early(session, fork)) {
            early.due = None;
            early.answer = answer;
            if offer == Offer::Theirs {
                early.offer = Offer::Settled;
            }
        }
        Ok(tx)
    }
}

fn early(session: &mut super::Session, dialog: DialogId) -> Option<&mut Early> {
    session.forked()?.early.iter_mut().find(|early| early.dialog == dialog)
}

/// Whether an INVITE says that reliable responses to it are understood.
pub(super) fn is_offered(lines: &Lines) -> bool {
    lines.iter().any(|(name, value)| {
        let names = name.eq_ignore_ascii_case("supported") || name.eq_ignore_ascii_case("require") || name == "k";
        names
            && value.split(|octet| *octet == b',').any(|tag| tag.trim_ascii().eq_ignore_ascii_case(RELIABLE.as_bytes()))
    })
}

/// The number of a response that was sent reliably. A broken one cannot be acknowledged, and counts as sent plainly.
pub(super) fn number(headers: &Headers) -> Option<u32> {
    if !headers.has(HeaderId::RSeq) || !headers.has(HeaderId::Require) {
        return None;
    }
    let required = headers.list::<Require<'_>>().flatten().any(|item| item.0.eq_ignore_ascii_case(RELIABLE));
    let RSeq(number) = headers.get::<RSeq>()?.ok()?;
    (required && number > 0).then_some(number)
}

/// A provisional response in an early dialog: acknowledged here unless the application has to.
pub(super) fn receive(turn: &mut Turn<'_>, s: SessionId, dialog: DialogId, response: &Response) -> Arrival {
    let headers = response.headers();
    let Some(rseq) = number(headers) else { return Arrival::Plain };
    let policy = turn.stack.config.session;
    let Some(session) = super::get_mut(turn, s) else { return Arrival::Discarded };
    let calling = matches!(session.state, State::Calling(_));
    let under_way =
        session.work.as_ref().map_or(0, |work| work.asked.iter().filter(|asked| asked.method == Method::Prack).count());
    if !session.forks().is_some_and(|forks| forks.reliable) {
        return Arrival::Plain;
    }
    let Some(early) = early(session, dialog) else { return Arrival::Plain };
    if early.rseq == Some(rseq) && std::mem::take(&mut early.again) {
        let (numbers, answer) = ((rseq, headers.cseq().number), early.answer.clone());
        // What cannot be sent is no worse than what was refused.
        let _ = send(turn, s, dialog, numbers, answer, Lines::default(), false);
        return Arrival::Discarded;
    }
    let in_order = early.rseq.is_none_or(|last| last.checked_add(1) == Some(rseq)) || planted(Bug::RseqGap);
    if !in_order || early.due.is_some() || under_way >= policy.max_unanswered {
        return Arrival::Discarded;
    }
    let described = offer_answer::in_message(headers);
    let offer = match early.offer {
        Offer::Ours if described => Offer::Settled,
        Offer::None if described => Offer::Theirs,
        offer => offer,
    };
    let needs_answer = offer == Offer::Theirs;
    let due = calling && (needs_answer || policy.pracks == Pracks::ByApplication);
    let named = RAck { rseq, cseq: CSeq { number: headers.cseq().number, method: Method::Invite } };
    if due {
        (early.rseq, early.offer, early.due) = (Some(rseq), offer, Some((rseq, named.cseq.number)));
        return Arrival::New { due };
    }
    // One that cannot be sent now may be sent for the next repeat. Who has hung up has no answer to an offer.
    let numbers = (rseq, named.cseq.number);
    if needs_answer || send(turn, s, dialog, numbers, None, Lines::default(), false).is_err() {
        return Arrival::Discarded;
    }
    if let Some(early) = super::get_mut(turn, s).and_then(|session| self::early(session, dialog)) {
        (early.rseq, early.offer, early.answer) = (Some(rseq), offer, None);
    }
    Arrival::New { due }
}

/// A PRACK was refused. When it was overtaken by another request of ours (500, RFC 3261 section 12.2.2) the peer still waits for it, and says so by
/// its repeats.
pub(super) fn refused(turn: &mut Turn<'_>, s: SessionId, dialog: DialogId) {
    if let Some(early) = super::get_mut(turn, s).and_then(|session| early(session, dialog)) {
        early.again = true;
    }
}

/// Sends a PRACK for the response with the RSeq and CSeq `numbers`.
fn send(
    turn: &mut Turn<'_>,
    s: SessionId,
    dialog: DialogId,
    numbers: (u32, u32),
    body: Option<Body>,
    mut lines: Lines,
    offered: bool,
) -> Result<ClientTx, StackError> {
    let mut draft = making::draft(turn, s, dialog, Method::Prack, None)?;
    let cseq = CSeq { number: numbers.1, method: Method::Invite };
    lines.push_id(HeaderId::RAck, RAck { rseq: numbers.0, cseq });
    (draft.body, draft.lines) = (body, lines);
    let tx = turn.request_within(dialog, draft, Owner::Session(s, REQUEST))?;
    let session = super::get_mut(turn, s).ok_or(StackError::Gone)?;
    // Its failure ends nothing: the final response to the INVITE says what becomes of the call.
    session.work().asked.push(Asked {
        tx,
        dialog,
        method: Method::Prack,
        offered,
        known: false,
        change: None,
        refresh: false,
        told: false,
    });
    Ok(tx)
}
