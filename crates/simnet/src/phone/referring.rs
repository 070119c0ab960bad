//! Transfers: who is asked to call somebody else (RFC 3515), in the place of whom (RFC 3891), and what is told of how it went.

use std::time::Duration;

use sip::dialog::Phase;
use sip::invite::{NamedDialog, Referral, SessionEvent};
use sip::message::header::NameAddr;
use sip::message::uri::Escaped;
use sip::message::{Body, HeaderId, Lines, Method, Request, StatusCode};
use sip::{Reply, ServerTx, SessionId, Turn};

use super::Phone;
use crate::plan::{Target, Todo};

/// All phones.
const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// The code of a call that came to nothing without a response.
const NOTHING: u16 = 487;

impl Phone {
    /// REFER: to somebody else, or to the other side of another call of ours that stands.
    pub(super) fn refer(&mut self, s: SessionId, turn: &mut Turn<'_>) {
        // At a group it is not known who has answered.
        let Some(peer) = peer(s, turn).filter(|name| NAMES.contains(&name.as_str())) else { return };
        let other = self.calls.keys().copied().find(|other| {
            *other != s && peer_of_standing(*other, turn).is_some_and(|theirs| theirs != peer && theirs != self.name)
        });
        let Some(third) = NAMES.into_iter().find(|name| *name != self.name && *name != peer) else { return };
        let refer_to = match other {
            Some(other) if self.streak.permille(700) => in_place_of(other, turn),
            None if self.streak.permille(500) => return self.consult(third, s, turn),
            _ => Some(format!("<sip:{third}@{third}.sim>")),
        };
        let Some(refer_to) = refer_to else { return };
        let mut lines = Lines::new();
        lines.push_id(HeaderId::ReferTo, refer_to);
        drop(turn.in_dialog(s, Method::Refer, lines, None));
    }

    /// Calls to whom the other side of a call is to be sent on, and does that some time later (RFC 5589 section 7).
    fn consult(&mut self, third: &str, s: SessionId, turn: &mut Turn<'_>) {
        self.call_for(Target::Phone(third.to_owned()), None, turn);
        let after = self.streak.millis(1_000, 10_000);
        self.later(turn, after, Todo::Refer(s));
    }

    /// A REFER of the other side: it is done.
    pub(super) fn referred(&mut self, s: SessionId, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let what = match Referral::of(request) {
            Ok(what) => what,
            Err(refusal) => return drop(turn.respond(tx, *refusal)),
        };
        let name = what.uri.as_uri().user_unescaped().unwrap_or_default().into_owned();
        drop(turn.respond(tx, Reply::new(StatusCode::ACCEPTED)));
        let number = request.headers().cseq().number;
        self.report((s, number), StatusCode::TRYING.get(), turn);
        let new = self.call_for(Target::Phone(name), what.replaces, turn);
        self.referrals.insert(new, (s, number));
        self.book.borrow_mut().open.insert(self.referral_key(new));
    }

    fn referral_key(&self, new: SessionId) -> String {
        format!("{} referral to {new:?}", self.name)
    }

    /// A call that was asked for stands, or has come to nothing: its first outcome is told.
    pub(super) fn outcome(&mut self, s: SessionId, event: &SessionEvent, turn: &mut Turn<'_>) {
        let code = match event {
            SessionEvent::Answered { .. } => StatusCode::OK.get(),
            SessionEvent::Failed { refusal } => refusal.code().get(),
            SessionEvent::Redirected { response } => response.code().get(),
            SessionEvent::Ended { .. } | SessionEvent::Cancelled { .. } => NOTHING,
            _ => return,
        };
        let Some(referral) = self.referrals.remove(&s) else { return };
        self.book.borrow_mut().open.remove(&self.referral_key(s));
        self.report(referral, code, turn);
    }

    /// NOTIFY; the call in which the REFER came may be over.
    fn report(&mut self, (s, number): (SessionId, u32), code: u16, turn: &mut Turn<'_>) {
        let state = if code < 200 { "active;expires=60" } else { "terminated;reason=noresource" };
        let mut lines = Lines::new();
        lines.push_id(HeaderId::Event, format_args!("refer;id={number}"));
        lines.push_id(HeaderId::SubscriptionState, state);
        let body = Body::new("message/sipfrag;version=2.0", format!("SIP/2.0 {code} So\r\n").into_bytes());
        drop(turn.in_dialog(s, Method::Notify, lines, Some(body)));
    }

    /// A NOTIFY about a REFER of ours. When the other side has reached who it was sent to, it has no need of us.
    pub(super) fn reported(&mut self, s: SessionId, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        drop(turn.respond(tx, Reply::new(StatusCode::OK)));
        if request.body().starts_with(b"SIP/2.0 100") {
            return;
        }
        self.book.borrow_mut().reported += 1;
        if request.body().starts_with(b"SIP/2.0 200") {
            let after = self.streak.millis(0, 1_000);
            self.later(turn, after, Todo::Hangup(s));
        }
    }

    /// A caller takes the place of the other side of a call of ours, which is hung up (RFC 3891 section 3).
    pub(super) fn replace(&mut self, old: SessionId, new: SessionId, turn: &mut Turn<'_>) {
        self.book.borrow_mut().replaced += 1;
        self.later(turn, Duration::ZERO, Todo::Answer(new));
        self.later(turn, Duration::ZERO, Todo::Hangup(old));
    }
}

/// The user at the other side of a call.
fn peer(s: SessionId, turn: &Turn<'_>) -> Option<String> {
    let remote = NameAddr::parse(turn.dialog_of(s)?.remote()).ok()?;
    Some(remote.uri.user_unescaped()?.into_owned())
}

fn peer_of_standing(s: SessionId, turn: &Turn<'_>) -> Option<String> {
    turn.dialog_of(s).filter(|dialog| dialog.phase() != Phase::Early)?;
    peer(s, turn).filter(|name| NAMES.contains(&name.as_str()))
}

/// The other side of a call, to be called in our place. Its tags are as it must know them: ours is the remote one there.
fn in_place_of(s: SessionId, turn: &Turn<'_>) -> Option<String> {
    let (name, dialog) = (peer(s, turn)?, turn.dialog_of(s)?);
    let named = NamedDialog {
        call_id: dialog.call_id().to_owned(),
        local_tag: dialog.remote_tag().to_owned(),
        remote_tag: dialog.local_tag().to_owned(),
        early_only: false,
    };
    let replaces = named.to_string();
    Some(format!("<sip:{name}@{name}.sim?Replaces={}>", Escaped::header(replaces.as_bytes())))
}
