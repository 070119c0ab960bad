//! How a transfer goes: who rings, who answers, who hangs up, and what the side that asked is told (RFC 3515 section 2.4.4).

use sip::invite::{self, SessionEvent};
use sip::message::{Body, HeaderId, Lines, Method, Request, Response, StatusCode};
use sip::{AlarmId, Reply, ServerTx, Turn};

use super::Transfer;
use crate::call::hunt::code_of;
use crate::call::{Call, Fate, Leg, Stage};
use crate::outcome::Outcome;
use crate::switch::Switch;
use crate::{body, headers};

/// The shortest time that a subscription is said to last, in seconds.
const SHORTEST: u64 = 60;

impl Switch {
    /// News of a device that is called for a transfer.
    pub(in crate::call) fn device_for_transfer(
        &mut self,
        call: &mut Call,
        number: u32,
        event: SessionEvent,
        turn: &mut Turn<'_>,
    ) -> Fate {
        call.hears(number, &event);
        let refused = match event {
            SessionEvent::Progress { response, .. } => {
                self.device_rings(call, number, &response, turn);
                return Fate::Goes;
            }
            SessionEvent::Request { tx, request } => {
                let reply = match *request.method() == Method::Update {
                    true => self.device_updates(call, number, &request),
                    false => Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE),
                };
                let _ = turn.respond(tx, reply);
                return Fate::Goes;
            }
            SessionEvent::Answered { response, .. } => return self.device_takes(call, number, &response, turn),
            SessionEvent::Failed { refusal } => code_of(&refusal),
            SessionEvent::Redirected { response } => response.code(),
            SessionEvent::Ended { .. } => StatusCode::TEMPORARILY_UNAVAILABLE,
            _ => return Fate::Goes,
        };
        let Some((mut transfer, leg)) = take_leg(call, number) else { return Fate::Goes };
        self.calls.forget_leg(&leg);
        leg.line.close(&mut self.studio);
        let numbers = (call.id, &mut call.numbers);
        let called = self.calls_on(numbers, &mut transfer.hunt, refused, Lines::new(), turn);
        self.after_call(call, transfer, called, turn)
    }

    fn device_rings(&mut self, call: &mut Call, number: u32, response: &Response, turn: &mut Turn<'_>) {
        // An answer that comes reliably now does not come again (RFC 3262 section 5).
        if let Some(answer) = body::description(response.headers())
            && let Some(leg) = call.leg_mut(number)
        {
            let _ = leg.line.preview(response.headers().to_tag().unwrap_or_default(), &answer, &mut self.studio);
        }
        let Some(mut transfer) = call.take_transfer(|one| one.hunt.legs.iter().any(|leg| leg.number == number)) else {
            return;
        };
        if transfer.told != response.code() {
            transfer.told = response.code();
            self.report(call, &transfer, response.code(), turn);
        }
        call.keep(transfer);
    }

    fn device_takes(&mut self, call: &mut Call, number: u32, response: &Response, turn: &mut Turn<'_>) -> Fate {
        let Some((mut transfer, mut leg)) = take_leg(call, number) else { return Fate::Goes };
        if !self.agrees(&mut leg, response) {
            self.hang_up(leg, None, headers::reason(488, "Not Acceptable Here"), turn);
            let (numbers, code) = ((call.id, &mut call.numbers), StatusCode::NOT_ACCEPTABLE_HERE);
            let called = self.calls_on(numbers, &mut transfer.hunt, code, Lines::new(), turn);
            return self.after_call(call, transfer, called, turn);
        }
        self.stop_calling(&mut transfer.hunt, &headers::reason(200, "Call completed elsewhere"), turn);
        self.take_place(call, transfer, leg, turn);
        Fate::Goes
    }

    /// Another one has picked up what rang for a transfer.
    pub(in crate::call) fn take_transferred(
        &mut self,
        call: &mut Call,
        number: u32,
        who: Leg,
        user: &str,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut transfer) = call.take_transfer(|one| one.hunt.legs.iter().any(|leg| leg.number == number)) else {
            return self.hang_up(who, None, Lines::new(), turn);
        };
        self.stop_calling(&mut transfer.hunt, &headers::reason(200, "Call completed elsewhere"), turn);
        user.clone_into(&mut transfer.number);
        self.take_place(call, transfer, who, turn);
    }

    /// Nobody has answered in time.
    pub(in crate::call) fn no_answer_for_transfer(
        &mut self,
        call: &mut Call,
        alarm: AlarmId,
        turn: &mut Turn<'_>,
    ) -> Fate {
        let Some(mut transfer) = call.take_transfer(|one| one.hunt.alarm == Some(alarm)) else { return Fate::Goes };
        transfer.hunt.rings_out();
        self.stop_calling(&mut transfer.hunt, &headers::reason(480, "No answer"), turn);
        transfer.hunt.note(StatusCode::TEMPORARILY_UNAVAILABLE, Lines::new());
        let called = self.call_next((call.id, &mut call.numbers), &mut transfer.hunt, turn);
        self.after_call(call, transfer, called, turn)
    }

    /// A side of a call has hung up, and its session is gone. True when the call goes on without it, since it has asked for a transfer.
    pub(in crate::call) fn leaves_to_transfer(&mut self, call: &mut Call, number: u32, turn: &mut Turn<'_>) -> bool {
        let Stage::Joined(joined) = &mut call.stage else { return false };
        if joined.callee.is_none() || !joined.transfers.iter().any(|transfer| transfer.referrer == number) {
            return false;
        }
        // Whom the other side wanted this one to talk to is of no use any more.
        while let Some(transfer) = call.take_transfer(|one| one.referrer != number) {
            self.end_transfer(call, transfer, StatusCode::REQUEST_TERMINATED, turn);
        }
        self.release(call, number, turn);
        if let Stage::Joined(joined) = &mut call.stage {
            joined.transfers.iter_mut().for_each(|transfer| transfer.event = None);
        }
        true
    }

    /// A transfer that has come to nothing. When the side that asked has hung up, nobody is left to talk to.
    pub(in crate::call) fn transfer_failed(
        &mut self,
        call: &mut Call,
        transfer: Transfer,
        code: StatusCode,
        turn: &mut Turn<'_>,
    ) -> Fate {
        self.end_transfer(call, transfer, code, turn);
        match &call.stage {
            Stage::Joined(joined) if joined.callee.is_none() && joined.transfers.is_empty() => {
                Fate::Over(Outcome::Answered, headers::reason(code.get(), code.default_reason()))
            }
            _ => Fate::Goes,
        }
    }

    fn end_transfer(&mut self, call: &Call, mut transfer: Transfer, code: StatusCode, turn: &mut Turn<'_>) {
        self.report(call, &transfer, code, turn);
        self.stop_calling(&mut transfer.hunt, &Lines::new(), turn);
    }

    /// Ends all transfers of a call.
    pub(in crate::call) fn end_transfers(&mut self, call: &mut Call, code: StatusCode, turn: &mut Turn<'_>) {
        while let Some(transfer) = call.take_transfer(|_| true) {
            self.end_transfer(call, transfer, code, turn);
        }
    }

    /// Tells the side that asked how it goes (RFC 3515 section 2.4.4).
    pub(in crate::call) fn report(&self, call: &Call, transfer: &Transfer, code: StatusCode, turn: &mut Turn<'_>) {
        let state = match code.is_final() {
            true => "terminated;reason=noresource".to_owned(),
            false => format!("active;expires={}", self.lasting(transfer)),
        };
        self.report_as(call, transfer, code, &state, turn);
    }

    /// How long a subscription is said to last, in seconds.
    fn lasting(&self, transfer: &Transfer) -> u64 {
        let groups = 1 + transfer.hunt.groups.len() as u64;
        self.config.ring.as_secs().saturating_mul(groups).max(SHORTEST)
    }

    fn report_as(&self, call: &Call, transfer: &Transfer, code: StatusCode, state: &str, turn: &mut Turn<'_>) {
        let (Some(event), Some(leg)) = (transfer.event, call.leg(transfer.referrer)) else { return };
        let mut lines = Lines::new();
        lines.push_id(HeaderId::Event, format_args!("refer;id={event}"));
        lines.push_id(HeaderId::SubscriptionState, state);
        let line = format!("SIP/2.0 {} {}\r\n", code.get(), code.default_reason());
        let body = Body::new("message/sipfrag;version=2.0", line);
        // Who has just hung up is told nothing.
        let _ = turn.in_dialog(leg.session, Method::Notify, lines, Some(body));
    }
}

impl Switch {
    /// A SUBSCRIBE of the side that asked: its subscription goes on, or ends and the transfer goes on without a word (RFC 3515 section 2.4.4).
    pub(in crate::call) fn resubscribed(
        &mut self,
        call: &mut Call,
        number: u32,
        request: &Request,
        tx: ServerTx,
        turn: &mut Turn<'_>,
    ) {
        let gone = || Box::new(Reply::new(StatusCode::FORBIDDEN));
        let found = invite::resubscribed(request).and_then(|(event, lasting)| {
            let is_it = |one: &Transfer| one.event.is_some_and(|known| event.is_none_or(|event| event == known));
            let transfer = call.take_transfer(|one| one.referrer == number && is_it(one)).ok_or_else(gone)?;
            Ok((transfer, lasting))
        });
        let (mut transfer, lasting) = match found {
            Ok(found) => found,
            Err(refusal) => return drop(turn.respond(tx, *refusal)),
        };
        let ends = lasting.is_some_and(|lasting| lasting.is_zero());
        let seconds = if ends { 0 } else { self.lasting(&transfer) };
        let contact = turn.dialog_of(self.session_of(call, number)).map(sip::dialog::Dialog::contact);
        let mut reply = Reply::new(StatusCode::OK).contact(contact.unwrap_or_default());
        reply.lines.push_id(HeaderId::Expires, seconds);
        let _ = turn.respond(tx, reply);
        if ends {
            self.report_as(call, &transfer, transfer.told, "terminated;reason=timeout", turn);
            transfer.event = None;
        } else {
            self.report(call, &transfer, transfer.told, turn);
        }
        call.keep(transfer);
    }
}

fn take_leg(call: &mut Call, number: u32) -> Option<(Transfer, Leg)> {
    let mut transfer = call.take_transfer(|one| one.hunt.legs.iter().any(|leg| leg.number == number))?;
    let leg = transfer.hunt.take(number)?;
    Some((transfer, leg))
}
