//! Transfers that the other side of a call asks for: REFER, and what it is told of how they go (RFC 3515, RFC 4488).
//!
//! Who asks is answered 202 at once; whether we do it, the application decides. A refusal is a NOTIFY like the outcome of the call: 603.

use std::time::Duration;

use media::Key;
use sip::invite;
use sip::message::{Body, HeaderId, Lines, Method, Request, StatusCode};
use sip::{ClientTx, Reply, ServerTx, SessionId, Time, Turn};
use tokio::sync::mpsc::error::TrySendError;

use super::state::Phone;
use super::telling::respond;
use crate::command::Referred;
use crate::referral::Referral;

/// Most that are asked for in a call and have not come to an end.
const MOST: usize = 4;
/// Most requests to who asks without an answer: half of what the stack allows.
const UNCONFIRMED: usize = 8;
/// How long a subscription lasts unless it is refreshed: longer than anybody lets it ring.
const LASTING: Duration = Duration::from_secs(600);

/// One that is asked for and has not come to an end.
pub(super) struct Asked {
    /// The number of its REFER, which NOTIFYs name (RFC 3515 section 2.4.6).
    number: u32,
    /// Nothing of it is told (RFC 4488).
    silent: bool,
    /// What was told last.
    told: (StatusCode, String),
    until: Time,
    /// The last NOTIFY.
    notify: Option<ClientTx>,
}

impl Phone {
    /// A REFER within a call.
    pub(super) fn referred(&mut self, key: Key, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let what = match self.referral_of(key, request, turn) {
            Ok(what) => what,
            Err(refusal) => return respond(turn, tx, *refusal),
        };
        let (Some(link), Some(call)) = (self.link(), self.calls.get_mut(&key)) else { return };
        let (number, silent, session) = (request.headers().cseq().number, what.silent, call.session);
        let until = turn.now().mono + LASTING;
        let told = (StatusCode::TRYING, StatusCode::TRYING.default_reason().to_owned());
        call.referrals.push(Asked { number, silent, told, until, notify: None });
        let whose = Referred::InCall { call: key, number };
        let referral = Referral::within(link, whose, what, turn.session_uuid(session));
        let code = match self.parts.referrals.try_send(referral) {
            Ok(()) => StatusCode::ACCEPTED,
            // Both come back and are dropped; there is nothing to be declined then.
            Err(TrySendError::Full(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Err(TrySendError::Closed(_)) => StatusCode::DECLINE,
        };
        if code != StatusCode::ACCEPTED {
            self.forget_referral(key, number);
            return respond(turn, tx, Reply::new(code));
        }
        // RFC 3515 section 2.2: it makes a subscription, and so has a Contact.
        let contact = turn.dialog_of(session).map(sip::dialog::Dialog::contact);
        let mut reply = Reply::new(code).contact(contact.unwrap_or_default());
        if silent {
            reply.lines.push_id(HeaderId::ReferSub, "false");
        }
        respond(turn, tx, reply);
        self.notify(key, number, turn);
    }

    /// What a REFER asks for, if that can be done.
    fn referral_of(&self, key: Key, request: &Request, turn: &Turn<'_>) -> Result<invite::Referral, Box<Reply>> {
        let refuse = |code| Err(Box::new(Reply::new(code)));
        let what = invite::Referral::of(request)?;
        match self.calls.get(&key) {
            Some(call) if self.parts.transfers => match call.referrals.len() {
                // Who confirms nothing of what it is told is told nothing more.
                _ if turn.unanswered(call.session) >= UNCONFIRMED => refuse(StatusCode::SERVICE_UNAVAILABLE),
                MOST.. => refuse(StatusCode::REQUEST_PENDING),
                _ => what.within(turn.dialog_of(call.session)),
            },
            _ => refuse(StatusCode::DECLINE),
        }
    }

    /// How the call goes that was asked for: told with each change (RFC 3515 section 2.4.4). A final code is the last.
    pub(super) fn report(&mut self, referred: Referred, code: StatusCode, reason: &str, turn: &mut Turn<'_>) {
        let (key, number) = match referred {
            Referred::InCall { call, number } => (call, number),
            Referred::Outside(id) => return self.report_outside(id, code, reason, turn),
            Referred::Untold => return,
        };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(asked) = call.referrals.iter_mut().find(|asked| asked.number == number) else { return };
        if asked.told.0 == code {
            return;
        }
        asked.told = (code, reason.replace(char::is_control, " "));
        self.notify(key, number, turn);
        if code.is_final() {
            self.forget_referral(key, number);
        }
    }

    fn forget_referral(&mut self, key: Key, number: u32) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.referrals.retain(|asked| asked.number != number);
        }
    }

    /// Tells what is known.
    fn notify(&mut self, key: Key, number: u32, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(asked) = call.referrals.iter_mut().find(|asked| asked.number == number && !asked.silent) else {
            return;
        };
        let (code, reason) = &asked.told;
        let mut lines = Lines::new();
        lines.push_id(HeaderId::Event, format_args!("refer;id={number}"));
        let left = asked.until.since(turn.now().mono).as_secs();
        match code.is_final() {
            true => lines.push_id(HeaderId::SubscriptionState, "terminated;reason=noresource"),
            false if left == 0 => lines.push_id(HeaderId::SubscriptionState, "terminated;reason=timeout"),
            false => lines.push_id(HeaderId::SubscriptionState, format_args!("active;expires={left}")),
        }
        let body = Body::new("message/sipfrag;version=2.0", format!("SIP/2.0 {} {reason}\r\n", code.get()));
        match turn.in_dialog(call.session, Method::Notify, lines, Some(body)) {
            // What has ended by its time says nothing more (RFC 6665 section 4.2.2).
            Ok(tx) => (asked.notify, asked.silent) = (Some(tx), left == 0),
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(call.call_id), %error, "how a transfer goes is not told")
            }
        }
    }

    /// A NOTIFY was not taken: its subscription is over (RFC 6665 section 4.2.2), and the call goes on untold.
    pub(super) fn not_notified(&mut self, tx: ClientTx) {
        for call in self.calls.values_mut() {
            if let Some(asked) = call.referrals.iter_mut().find(|asked| asked.notify == Some(tx)) {
                asked.silent = true;
            }
        }
    }

    /// A SUBSCRIBE within a call: it refreshes the subscription that a REFER has made, or ends it (RFC 3515 section 2.4.4).
    pub(super) fn resubscribed(
        &mut self,
        key: Key,
        (session, tx): (SessionId, ServerTx),
        request: &Request,
        turn: &mut Turn<'_>,
    ) {
        let (number, lasting) = match invite::resubscribed(request) {
            Ok((number, lasting)) => (number, lasting.unwrap_or(LASTING).min(LASTING)),
            Err(refusal) => return respond(turn, tx, *refusal),
        };
        let now = turn.now().mono;
        let found = self.calls.get_mut(&key).and_then(|call| {
            call.referrals.iter_mut().find(|asked| !asked.silent && number.is_none_or(|number| asked.number == number))
        });
        let Some(asked) = found else {
            return respond(turn, tx, Reply::new(StatusCode::FORBIDDEN));
        };
        asked.until = now + lasting;
        let number = asked.number;
        let contact = turn.dialog_of(session).map(sip::dialog::Dialog::contact);
        let mut reply = Reply::new(StatusCode::OK).contact(contact.unwrap_or_default());
        reply.lines.push_id(HeaderId::Expires, lasting.as_secs());
        respond(turn, tx, reply);
        self.notify(key, number, turn);
        if lasting.is_zero()
            && let Some(call) = self.calls.get_mut(&key)
        {
            call.referrals.iter_mut().filter(|asked| asked.number == number).for_each(|asked| asked.silent = true);
        }
    }
}
