//! Transfers (RFC 3515, RFC 3891, RFC 5589): one side of a call wants the other one to talk to somebody else.
//!
//! The server carries them out itself. Whoever is transferred keeps its leg and hears another one from then on; nothing is asked of its device but to
//! go on, when it was on hold. The side that asked is told how it goes (NOTIFY) and is hung up once it has come to pass; when it fails, the
//! call is as it was, unless that side has hung up meanwhile.
//!
//! * *Blind*: the devices of a user are called, or an extension answers.
//! * *Attended*: Replaces names a call between the one that asks and the other: whom it talks to there is joined with the one that is transferred.
//!   Before an answer there, the devices that ring for it go on ringing for the one that is transferred.
//!
//! Here stands how it is asked for and carried out; in `course`, how it goes meanwhile and what is told of it.

mod course;

use sip::invite::{Named, NamedDialog};
use sip::message::{HeaderId, Lines, Request, StatusCode, UriBuf};
use sip::{Reply, ServerTx, Turn};

use super::dialling::{Letter, NOBODY, Refused, and_others, as_contact};
use super::elsewhere::Leaving;
use super::hunt::Hunt;
use super::{CALLER, Call, Fate, Joined, Leg, Stage};
use crate::extension::{Feature, Room};
use crate::finding::Seeker;
use crate::headers;
use crate::outcome::Outcome;
use crate::referral::Referral;
use crate::studio::thread_of;
use crate::switch::Switch;
use crate::target::Target;
use crate::trust::Caller;

/// Most transfers of a call under way at a time.
const MOST: usize = 4;
/// Most requests to the side that asks without an answer: half of what the stack allows.
const UNCONFIRMED: usize = 8;

/// A transfer under way.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// Its own among those of the call's legs.
    id: u32,
    /// The leg that has asked for it.
    referrer: u32,
    /// Its user: what he may do counts, though he has hung up.
    pub(super) user: String,
    /// The number of its REFER, which NOTIFYs name (RFC 3515 section 2.4.6); `None` when it wants none, or is gone.
    event: Option<u32>,
    /// Who is called.
    number: String,
    /// By `sips` alone.
    secure: bool,
    /// What the referrer was told last.
    told: StatusCode,
    pub(super) hunt: Hunt,
    /// The call of whom is wanted is with another loop: this one goes there.
    pub(super) leaving: Option<Box<Leaving>>,
}

impl Transfer {
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn referrer(&self) -> u32 {
        self.referrer
    }
}

impl Joined {
    fn take_transfer(&mut self, wanted: impl FnMut(&Transfer) -> bool) -> Option<Transfer> {
        let at = self.transfers.iter().position(wanted)?;
        Some(self.transfers.swap_remove(at))
    }
}

impl Call {
    pub(super) fn take_transfer(&mut self, wanted: impl FnMut(&Transfer) -> bool) -> Option<Transfer> {
        let Stage::Joined(joined) = &mut self.stage else { return None };
        joined.take_transfer(wanted)
    }

    pub(super) fn keep(&mut self, transfer: Transfer) {
        if let Stage::Joined(joined) = &mut self.stage {
            joined.transfers.push(transfer);
        }
    }

    /// Whether this leg is called for a transfer and has not answered.
    pub(super) fn is_called_for_transfer(&self, number: u32) -> bool {
        let has = |transfer: &Transfer| transfer.hunt.legs.iter().any(|leg| leg.number == number);
        matches!(&self.stage, Stage::Joined(joined) if joined.transfers.iter().any(has))
    }
}

/// Being asked.
impl Switch {
    /// A REFER within a call.
    pub(super) fn referred(
        &mut self,
        call: &mut Call,
        number: u32,
        tx: ServerTx,
        request: &Request,
        turn: &mut Turn<'_>,
    ) -> Fate {
        let asked = self.referral(call, number, request, turn).and_then(|referral| {
            let letter = self.introduction(call, number, &referral, request, turn);
            letter.map(|letter| (referral, letter)).ok_or_else(|| Box::new(Reply::new(StatusCode::TOO_MANY_HOPS)))
        });
        let (Referral { number: wanted, secure, replaces, silent }, letter) = match asked {
            Ok(asked) => asked,
            Err(refusal) => {
                let _ = turn.respond(tx, *refusal);
                return Fate::Goes;
            }
        };
        // RFC 3515 section 2.2: it makes a subscription, and so has a Contact.
        let contact = turn.dialog_of(self.session_of(call, number)).map(sip::dialog::Dialog::contact);
        let mut reply = Reply::new(StatusCode::ACCEPTED).contact(contact.unwrap_or_default());
        if silent {
            reply.lines.push_id(HeaderId::ReferSub, "false");
        }
        let _ = turn.respond(tx, reply);
        call.numbers += 1;
        let transfer = Transfer {
            id: call.numbers,
            referrer: number,
            user: self.user_at(call, number),
            event: (!silent).then(|| request.headers().cseq().number),
            number: wanted,
            // Who is put through from a call by sips goes on so (RFC 5630 section 5.1.1.3), whatever the telephone writes that has asked.
            secure: secure || is_by_sips(call, turn),
            told: StatusCode::TRYING,
            hunt: Hunt::new(Vec::new(), letter),
            leaving: None,
        };
        tracing::info!(parent: &net::call_span!(call.call_id), call = call.id, to = %transfer.number, attended = replaces.is_some(), "a transfer is asked for");
        self.report(call, &transfer, StatusCode::TRYING, turn);
        match replaces {
            Some(replaced) => self.take_over(call, transfer, &replaced, turn),
            None => self.send_on(call, transfer, turn),
        }
    }

    /// What a REFER asks for, if this call can be transferred.
    fn referral(&self, call: &Call, referrer: u32, request: &Request, turn: &Turn<'_>) -> Result<Referral, Box<Reply>> {
        let referral = Referral::of(request)?;
        match &call.stage {
            _ if !self.config.transfers => Err(Box::new(Reply::new(StatusCode::DECLINE))),
            Stage::Joined(joined) if joined.callee.is_none() || joined.transfers.len() >= MOST => {
                Err(Box::new(Reply::new(StatusCode::REQUEST_PENDING)))
            }
            // Who confirms nothing of what it is told is told nothing more.
            Stage::Joined(_) if turn.unanswered(self.session_of(call, referrer)) >= UNCONFIRMED => {
                Err(Box::new(self.busy()))
            }
            Stage::Joined(_) => Ok(referral),
            // Nobody is there to be transferred.
            Stage::Alone(_) | Stage::Ringing(_) | Stage::Gathered(_) => Err(Box::new(Reply::new(StatusCode::DECLINE))),
        }
    }

    /// What the INVITEs for a transfer have in common: they come from the one that is transferred, and name the one that asked (RFC 3892). `None`
    /// when the REFER has come too far.
    fn introduction(
        &self,
        call: &Call,
        referrer: u32,
        referral: &Referral,
        request: &Request,
        turn: &Turn<'_>,
    ) -> Option<Letter> {
        let Stage::Joined(joined) = &call.stage else { return None };
        let callee = joined.callee.as_ref()?;
        let (other, stays) = match referrer {
            CALLER => (callee.number, callee),
            _ => (CALLER, &call.caller),
        };
        let (user, by) = (self.user_at(call, other), self.user_at(call, referrer));
        let caller = match call.is_private(other) {
            true => Caller::nobody(),
            false => Caller::plain(self.named(&user, None, &call.host)?),
        };
        let mut lines = Lines::new();
        lines.push_id(HeaderId::MaxForwards, headers::hops(request.headers())?);
        if !call.is_private(referrer) {
            lines.push_text(HeaderId::ReferredBy, &self.named(&by, None, &call.host)?);
        }
        Some(Letter {
            call_id: call.call_id.clone(),
            contact: as_contact(if caller.is_anonymous() { NOBODY } else { &user })?,
            caller,
            trusted: false,
            to: format!("<{}>", UriBuf::sip(false, Some(&referral.number), &call.host, None).ok()?.as_str()),
            lines,
            codecs: and_others(stays.line.codec().into_iter().collect()),
            thread: thread_of(stays.line.key()),
            ours: stays.line.ours(),
            past: self.past_of_transfer(call, referrer, &referral.number, request),
            packages: turn.info_packages(stays.session).map(Into::into),
        })
    }

    /// The user of one of the two sides of a call.
    pub(super) fn user_at(&self, call: &Call, number: u32) -> String {
        match &call.stage {
            _ if number == CALLER => call.user.clone(),
            Stage::Gathered(gathering) => gathering.user(number).unwrap_or_default().to_owned(),
            _ => self.user_of(&call.number),
        }
    }

    /// The user who has a number; the number itself where none has.
    pub(crate) fn user_of(&self, number: &str) -> String {
        self.accounts.by_number(number).map_or_else(|| number.to_owned(), |known| known.name.clone())
    }
}

/// Whether a side of a call was called by `sips`, or has called so.
fn is_by_sips(call: &Call, turn: &Turn<'_>) -> bool {
    let callee = match &call.stage {
        Stage::Joined(joined) => joined.callee.as_ref(),
        _ => None,
    };
    let is_secure = |leg: &Leg| turn.dialog_of(leg.session).is_some_and(sip::dialog::Dialog::is_secure);
    is_secure(&call.caller) || callee.is_some_and(is_secure)
}

/// Carrying it out.
impl Switch {
    /// A blind transfer: calls who is wanted.
    fn send_on(&mut self, call: &mut Call, transfer: Transfer, turn: &mut Turn<'_>) -> Fate {
        if let Some(feature) = Feature::of(&self.config.extensions, &transfer.number) {
            return self.send_to_extension(call, transfer, feature, turn);
        }
        let Some(name) = self.accounts.by_number(&transfer.number).map(|known| known.name.clone()) else {
            return self.transfer_failed(call, transfer, StatusCode::NOT_FOUND, turn);
        };
        if !self.neighbours.keeps(&name) {
            let seeker = Seeker::Transfer { call: call.id, transfer: transfer.id };
            if !self.findings.ask(&name, seeker, &self.neighbours, turn) {
                return self.transfer_failed(call, transfer, StatusCode::SERVICE_UNAVAILABLE, turn);
            }
            call.keep(transfer);
            return Fate::Goes;
        }
        self.call_for(call, transfer, None, turn)
    }

    /// Another loop has said where the devices of who is wanted are; `None`: it has not, in time.
    pub(crate) fn transfer_located(&mut self, id: u64, transfer: u32, found: Option<Vec<Target>>, turn: &mut Turn<'_>) {
        let Some(mut call) = self.calls.table.remove(&id) else { return };
        let fate = match (call.take_transfer(|one| one.id == transfer), found) {
            (Some(transfer), Some(found)) => self.call_for(&mut call, transfer, Some(found), turn),
            (Some(transfer), None) => self.transfer_failed(&mut call, transfer, StatusCode::SERVICE_UNAVAILABLE, turn),
            (None, _) => Fate::Goes,
        };
        self.settle(call, fate, turn);
    }

    fn call_for(
        &mut self,
        call: &mut Call,
        mut transfer: Transfer,
        found: Option<Vec<Target>>,
        turn: &mut Turn<'_>,
    ) -> Fate {
        let name = self.user_of(&transfer.number);
        match self.targets(&name, transfer.secure, None, found, turn.now()) {
            Ok(targets) => transfer.hunt.will_call(targets),
            Err(offline) => return self.transfer_failed(call, transfer, offline.code, turn),
        }
        let called = self.call_next((call.id, &mut call.numbers), &mut transfer.hunt, turn);
        self.after_call(call, transfer, called, turn)
    }

    /// Devices are being `called`, or none is left.
    fn after_call(&mut self, call: &mut Call, mut transfer: Transfer, called: bool, turn: &mut Turn<'_>) -> Fate {
        if called {
            call.keep(transfer);
            return Fate::Goes;
        }
        let code = match transfer.hunt.best.take() {
            Some(Refused { code, .. }) => code,
            None => StatusCode::SERVICE_UNAVAILABLE,
        };
        self.transfer_failed(call, transfer, code, turn)
    }

    /// A transfer to an extension is answered at once.
    fn send_to_extension(
        &mut self,
        call: &mut Call,
        transfer: Transfer,
        feature: Feature,
        turn: &mut Turn<'_>,
    ) -> Fate {
        self.comes_to_pass(call, &transfer, turn);
        let conference = (feature == Feature::Conference).then_some(transfer.number.as_str());
        if conference.is_some() {
            let thread = self.studio.thread(conference);
            self.move_caller(call, thread);
        }
        let room = Room::open(feature, (&transfer.number, &call.call_id), call.caller.line.key(), &mut self.studio);
        self.enter_room(call, room, transfer.number, turn);
        Fate::Goes
    }

    fn enter_room(&mut self, call: &mut Call, room: Room, number: String, turn: &mut Turn<'_>) {
        call.stage = Stage::Alone(room);
        call.number = number;
        self.is_end_of(call.caller.session, &call.number, turn);
        self.connect(call);
        self.resume(call, CALLER, turn);
    }

    /// An attended transfer: the call that Replaces names is joined with this one (RFC 3891 section 3).
    pub(super) fn take_over(
        &mut self,
        call: &mut Call,
        transfer: Transfer,
        replaced: &NamedDialog,
        turn: &mut Turn<'_>,
    ) -> Fate {
        let session = match turn.named(replaced) {
            Named::Standing(session) | Named::Early { session, .. } => Some(session),
            // It has just ended: who is transferred is not to ring for it either (RFC 3891 section 3).
            Named::Over => return self.transfer_failed(call, transfer, StatusCode::DECLINE, turn),
            Named::Nothing => return self.go_after(call, transfer, replaced, turn),
        };
        let named = session.and_then(|session| self.calls.sessions.get(&session).copied());
        // A call is not transferred to itself: it is not in the table now.
        let other = named.and_then(|(id, number)| Some((self.calls.table.remove(&id)?, number)));
        let Some((mut other, number)) = other else {
            return self.transfer_failed(call, transfer, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, turn);
        };
        // RFC 3891 section 3: only who has a part in a call may give it away.
        if self.user_at(&other, number) != transfer.user {
            self.calls.table.insert(other.id, other);
            return self.transfer_failed(call, transfer, StatusCode::FORBIDDEN, turn);
        }
        // RFC 5630 section 5.1.1.3: nor is a side that was called by sips put through to one that was not.
        let is_with_others = matches!(other.stage, Stage::Joined(_) | Stage::Ringing(_));
        if is_with_others && is_by_sips(call, turn) != is_by_sips(&other, turn) {
            self.calls.table.insert(other.id, other);
            return self.transfer_failed(call, transfer, StatusCode::FORBIDDEN, turn);
        }
        let (is_early, called) = (matches!(other.stage, Stage::Ringing(_)), other.is_called_for_transfer(number));
        if replaced.early_only && !is_early {
            self.calls.table.insert(other.id, other);
            return self.transfer_failed(call, transfer, StatusCode::BUSY_HERE, turn);
        }
        if !called && matches!(&other.stage, Stage::Joined(joined) if joined.callee.is_some()) {
            self.end_transfers(&mut other, StatusCode::REQUEST_TERMINATED, turn);
        }
        let number_there = other.number.clone();
        match std::mem::replace(&mut other.stage, Stage::Alone(Room::Echo)) {
            Stage::Alone(room) => {
                self.comes_to_pass(call, &transfer, turn);
                self.move_caller(call, thread_of(other.caller.line.key()));
                self.bury(other, Outcome::Answered, &Lines::new(), turn);
                self.enter_room(call, room, number_there, turn);
                Fate::Goes
            }
            Stage::Joined(joined) if joined.callee.is_some() && !called => {
                other.stage = Stage::Joined(joined);
                let taken = self.take_other_side(&mut other, number, turn);
                self.bury(other, Outcome::Answered, &Lines::new(), turn);
                if let Some((mut who, user)) = taken {
                    call.numbers += 1;
                    who.number = call.numbers;
                    self.calls.enter_leg(call.id, &who);
                    self.take_place(call, Transfer { number: user, ..transfer }, who, turn);
                }
                Fate::Goes
            }
            Stage::Gathered(gathering) => {
                other.stage = Stage::Gathered(gathering);
                self.send_to_gathering(call, &transfer, (other, number), turn)
            }
            Stage::Ringing(ringing) if number == CALLER => {
                self.ring_on(call, Transfer { number: number_there, ..transfer }, ringing.hunt, turn);
                self.bury(other, Outcome::Cancelled, &Lines::new(), turn);
                Fate::Goes
            }
            stage => {
                other.stage = stage;
                self.calls.table.insert(other.id, other);
                self.transfer_failed(call, transfer, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, turn)
            }
        }
    }

    /// Takes the leg out that talks to this one, with its user. What it has asked for will not be answered by the one that goes.
    pub(super) fn take_other_side(&self, other: &mut Call, number: u32, turn: &mut Turn<'_>) -> Option<(Leg, String)> {
        let Stage::Joined(joined) = &mut other.stage else { return None };
        let (callee, change) = (joined.callee.take()?, joined.change.take());
        let (who, user) = match number {
            CALLER => (callee, self.user_of(&other.number)),
            _ => (std::mem::replace(&mut other.caller, callee), other.user.clone()),
        };
        if let Some(change) = change.filter(|change| change.asker != number) {
            change.asked.answer(who.session, Reply::new(StatusCode::REQUEST_PENDING), turn);
        }
        Some((who, user))
    }

    /// Devices that ring for the one that asks go on ringing for the one that is transferred.
    fn ring_on(&mut self, call: &mut Call, mut transfer: Transfer, mut hunt: Hunt, turn: &mut Turn<'_>) {
        for leg in &mut hunt.legs {
            call.numbers += 1;
            leg.number = call.numbers;
            self.calls.enter_leg(call.id, leg);
        }
        if let Some(alarm) = hunt.alarm.take() {
            turn.silence(alarm);
        }
        hunt.alarm = turn.alarm(turn.now().mono + self.config.ring, call.id).ok();
        transfer.hunt = hunt;
        call.keep(transfer);
    }

    /// Whoever was wanted talks to the one that is transferred from now on.
    fn take_place(&mut self, call: &mut Call, transfer: Transfer, mut who: Leg, turn: &mut Turn<'_>) {
        self.comes_to_pass(call, &transfer, turn);
        let thread = thread_of(call.caller.line.key());
        self.move_leg((call.id, &call.call_id), &mut who, thread);
        let number = who.number;
        call.number = transfer.number;
        call.stage = Stage::Joined(Joined::new(who));
        self.link(call, number);
        self.resume(call, CALLER, turn);
        self.resume(call, number, turn);
    }

    /// A transfer is done: the side that asked is told and goes, and no other one is wanted.
    fn comes_to_pass(&mut self, call: &mut Call, transfer: &Transfer, turn: &mut Turn<'_>) {
        self.report(call, transfer, StatusCode::OK, turn);
        self.end_transfers(call, StatusCode::REQUEST_TERMINATED, turn);
        self.release(call, transfer.referrer, turn);
    }

    /// The side that asked has no part in the call any more: the other one is its caller from now on. It is hung up if it still stands.
    fn release(&mut self, call: &mut Call, referrer: u32, turn: &mut Turn<'_>) {
        let Stage::Joined(joined) = &mut call.stage else { return };
        let Some(callee) = joined.callee.take() else { return };
        let asked = joined.change.take().filter(|change| change.asker != referrer);
        let gone = match referrer {
            CALLER => {
                call.user = self.user_of(&call.number);
                if let Some(place) = self.accounts.place(&call.user) {
                    call.seat.pass_to(place);
                }
                let gone = std::mem::replace(&mut call.caller, callee);
                call.caller.number = CALLER;
                self.calls.enter_leg(call.id, &call.caller);
                gone
            }
            _ => callee,
        };
        if let Some(change) = asked {
            change.asked.answer(call.caller.session, Reply::new(StatusCode::REQUEST_PENDING), turn);
        }
        self.hang_up(gone, None, Lines::new(), turn);
    }

    /// Moves the audio of a leg of this call to another media thread.
    pub(super) fn move_leg(&mut self, (call, call_id): (u64, &str), leg: &mut Leg, thread: usize) {
        if thread_of(leg.line.key()) != thread {
            self.calls.forget_stream(leg.line.key());
            leg.line.move_to(thread, call_id, &mut self.studio);
            self.calls.enter_leg(call, leg);
        }
    }

    fn move_caller(&mut self, call: &mut Call, thread: usize) {
        self.move_leg((call.id, &call.call_id), &mut call.caller, thread);
    }

    /// Asks a side that was put on hold by one that is gone to go on; while something else is asked of it, later.
    pub(super) fn resume(&mut self, call: &mut Call, number: u32, turn: &mut Turn<'_>) {
        let Some(leg) = call.leg_mut(number) else { return };
        (leg.resumes, leg.goes_back) = (leg.line.is_asked(), false);
        if !leg.resumes && leg.line.is_held() {
            leg.resumes = !leg.ask_for(sdp::Direction::SendRecv, turn);
        }
    }
}
