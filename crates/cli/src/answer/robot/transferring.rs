//! Transfers with `--allow-transfer`: the robot calls whom the other side of a call names (REFER, RFC 3515), and tells it how that goes.

use std::time::Duration;

use sip::digest::Credentials;
use sip::header::NIL;
use sip::invite::{REPLACES, Referral};
use sip::message::{Body, HeaderId, Lines, Method, Request, Response, StatusCode, UriBuf};
use sip::register::Way;
use sip::{AlarmId, ContactSpec, Draft, Hop, Origin, RegistrationId, Reply, ServerTx, SessionId, Turn};

use super::describing::describe;
use super::{Live, News, Robot};

/// How long a subscription is said to last, in seconds: longer than anybody lets it ring.
const LASTING: u32 = 600;

/// How long who is called may let it ring.
const RINGING: Duration = Duration::from_secs(180);
/// Calls that may ring at a time since others want them.
const MOST: usize = 64;

/// Who the robot is when it calls.
pub(super) struct Own {
    pub(super) aor: UriBuf,
    pub(super) from: String,
    pub(super) routes: Vec<String>,
    pub(super) hop: Hop,
    /// As they were given.
    pub(super) given: Credentials,
    /// Where it is registered, or was, in the order of the proxies.
    pub(super) flows: Vec<Standing>,
}

/// A registration.
pub(super) struct Standing {
    pub(super) id: RegistrationId,
    /// It is one at present.
    pub(super) stands: bool,
    /// What its credentials are good for there (see [`Credentials::bound_to`]).
    pub(super) bound: Option<Credentials>,
    pub(super) way: Way,
    pub(super) service_route: Vec<String>,
}

impl Own {
    /// What it proves itself with: wherever it is registered, once it is.
    pub(super) fn credentials(&self) -> Credentials {
        let bound: Credentials =
            self.flows.iter().filter_map(|one| one.bound.as_ref()).flat_map(Credentials::iter).cloned().collect();
        if bound.is_empty() { self.given.clone() } else { bound }
    }

    /// What stands in Contact of what is said to who calls by the way of a registration.
    pub(super) fn contact_at(&self, origin: &Origin, request: &Request) -> Option<ContactSpec> {
        let mut standing = self.flows.iter().filter(|one| one.stands);
        let by = standing.find(|one| one.way.leads_from(origin))?;
        by.way.contact_for(request, origin).map(ContactSpec::Given)
    }

    /// Calls as who it is, along the first registration that stands.
    fn address(&self, draft: &mut Draft) {
        draft.from.clone_from(&self.from);
        draft.routes.clone_from(&self.routes);
        draft.hop = self.hop.clone();
        let Some(by) = self.flows.iter().find(|one| one.stands) else { return };
        draft.routes.extend(by.service_route.iter().cloned());
        if let Some(path) = by.way.path.filter(|_| by.way.outbound) {
            draft.hop = Hop::Path(path);
        }
        if let Some(contact) = by.way.contact_of(&draft.uri.as_uri(), &draft.routes, false) {
            draft.contact = ContactSpec::Given(contact);
        }
    }

    /// Whether all goes by a server of ours first.
    fn has_own_way(&self) -> bool {
        !self.routes.is_empty() || !matches!(self.hop, Hop::Auto)
    }
}

/// What a call has to do with transfers.
#[derive(Default)]
pub(super) struct Transfer {
    /// The other side has asked for one that has not come to an end.
    asked: Option<Asked>,
    /// It is placed since the other side of this session wants it.
    wanted_by: Option<SessionId>,
    /// Gives that up.
    patience: Option<AlarmId>,
}

struct Asked {
    /// The number of its REFER.
    number: u32,
    silent: bool,
    told: StatusCode,
}

impl Live {
    /// Whoever wants this call, while it has no answer.
    pub(super) fn wanted_by(&self) -> Option<SessionId> {
        self.transfer.as_ref().filter(|_| !self.standing)?.wanted_by
    }
}

impl Robot {
    /// A REFER in a call.
    pub(super) fn referred(&mut self, session: SessionId, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let Some(live) = self.calls.get_mut(&session) else { return };
        let asks = live.transfer.as_ref().is_some_and(|transfer| transfer.asked.is_some());
        let referral = match Referral::of(request) {
            _ if !self.conduct.allow_transfer => Err(Box::new(Reply::new(StatusCode::DECLINE))),
            Ok(_) if asks => Err(Box::new(Reply::new(StatusCode::REQUEST_PENDING))),
            referral => referral.and_then(|referral| referral.within(turn.dialog_of(session))),
        };
        let referral = match referral {
            Ok(referral) => referral,
            Err(refusal) => return drop(turn.respond(tx, *refusal)),
        };
        let number = request.headers().cseq().number;
        let asked = Asked { number, silent: referral.silent, told: StatusCode::ACCEPTED };
        live.transfer.get_or_insert_default().asked = Some(asked);
        let call = live.number;
        let contact = turn.dialog_of(session).map(sip::dialog::Dialog::contact);
        let mut reply = Reply::new(StatusCode::ACCEPTED).contact(contact.unwrap_or_default());
        if referral.silent {
            reply.lines.push_id(HeaderId::ReferSub, "false");
        }
        let _ = turn.respond(tx, reply);
        self.report(session, StatusCode::TRYING, turn);
        self.tell(News::Transfer { call, to: referral.uri.to_string() });
        if let Err(code) = self.place(session, referral, turn) {
            self.report(session, code, turn);
        }
    }

    /// Calls somebody, since the other side of this session wants it.
    fn place(&mut self, wanted_by: SessionId, referral: Referral, turn: &mut Turn<'_>) -> Result<(), StatusCode> {
        let busy = StatusCode::SERVICE_UNAVAILABLE;
        // Who wants them may be gone, and can call again.
        if self.calls.values().filter(|live| live.wanted_by().is_some()).count() >= MOST {
            return Err(busy);
        }
        let local = self.calls.get(&wanted_by).ok_or(busy)?.media.local();
        self.counted += 1;
        let mut live = self.prepare(self.counted, local, turn).map_err(|_| busy)?;
        let mut ready = describe(&mut live.media, self.studio.as_ref(), &[]).map_err(|(code, _)| code)?;
        // Nobody else is given a proof of our password.
        let stays =
            self.own.as_ref().is_some_and(|own| own.has_own_way() || referral.is_at_domain_of(&own.aor.as_uri()));
        let to = format!("<{}>", referral.uri);
        let mut draft = Draft::new(Method::Invite, referral.uri);
        draft.to = to;
        draft.contact = ContactSpec::Auto { user: None, params: String::new() };
        match &self.own {
            Some(own) => {
                own.address(&mut draft);
                if stays {
                    draft.credentials = own.credentials();
                }
            }
            None => turn.dialog_of(wanted_by).ok_or(busy)?.local().clone_into(&mut draft.from),
        }
        if let Some(by) = &referral.referred_by {
            draft.lines.push_text(HeaderId::ReferredBy, by);
        }
        if let Some(replaces) = &referral.replaces {
            draft.lines.push_text(HeaderId::Replaces, &replaces.to_string());
            draft.lines.push_id(HeaderId::Require, REPLACES);
        }
        // The robot is the same, and whom it calls is somebody else (RFC 7989 section 6).
        if let Some(uuid) = turn.session_uuid(wanted_by) {
            draft.lines.push_id(HeaderId::SessionId, format_args!("{uuid};remote={NIL}"));
        }
        draft.body = Some(Body::sdp(std::mem::take(&mut ready.body)));
        let session = turn.invite(draft).map_err(|_| busy)?;
        live.promised = Some(Box::new(ready));
        let patience = turn.alarm(turn.now().mono + RINGING, session.0.to_u64()).ok();
        live.transfer = Some(Box::new(Transfer { asked: None, wanted_by: Some(wanted_by), patience }));
        self.calls.insert(session, live);
        Ok(())
    }

    /// Whom we call says something.
    pub(super) fn placed_rings(&mut self, session: SessionId, response: &Response, turn: &mut Turn<'_>) {
        if let Some(wanted_by) = self.calls.get(&session).and_then(Live::wanted_by) {
            self.report(wanted_by, response.code(), turn);
        }
    }

    /// He has answered: the call of the one that wanted it is hung up.
    pub(super) fn placed_answered(&mut self, session: SessionId, response: &Response, turn: &mut Turn<'_>) {
        let Some(live) = self.calls.get_mut(&session) else { return };
        let Some(wanted_by) = live.wanted_by() else { return };
        if let Some(patience) = live.transfer.as_mut().and_then(|transfer| transfer.patience.take()) {
            turn.silence(patience);
        }
        let agreed = live.media.whole(response.headers().call_id()).accept(response.body());
        let ports = live.promised.take().and_then(|ready| ready.ports);
        match agreed {
            Ok(agreed) => {
                self.begin(session, ports, Some(agreed), turn);
                self.report(wanted_by, StatusCode::OK, turn);
                // It may have hung up before.
                let _ = turn.hangup(wanted_by, None, Lines::default());
            }
            Err(_) => {
                self.report(wanted_by, StatusCode::NOT_ACCEPTABLE_HERE, turn);
                let _ = turn.hangup(session, None, Lines::default());
            }
        }
    }

    /// He has refused, or does not answer.
    pub(super) fn placed_failed(&mut self, session: SessionId, code: StatusCode, turn: &mut Turn<'_>) {
        if let Some(wanted_by) = self.calls.get(&session).and_then(Live::wanted_by) {
            self.report(wanted_by, code, turn);
        }
        self.ended(session, "callee", turn);
    }

    /// Tells who wants a call how it goes (RFC 3515 section 2.4.4). A final code is the last.
    pub(super) fn report(&mut self, wanted_by: SessionId, code: StatusCode, turn: &mut Turn<'_>) {
        let Some(transfer) = self.calls.get_mut(&wanted_by).and_then(|live| live.transfer.as_mut()) else { return };
        let Some(asked) = transfer.asked.as_mut().filter(|asked| asked.told != code) else { return };
        asked.told = code;
        let (number, silent) = (asked.number, asked.silent);
        if code.is_final() {
            transfer.asked = None;
        }
        if silent {
            return;
        }
        let mut lines = Lines::new();
        lines.push_id(HeaderId::Event, format_args!("refer;id={number}"));
        match code.is_final() {
            true => lines.push_id(HeaderId::SubscriptionState, "terminated;reason=noresource"),
            false => lines.push_id(HeaderId::SubscriptionState, format_args!("active;expires={LASTING}")),
        }
        let line = format!("SIP/2.0 {} {}\r\n", code.get(), code.default_reason());
        // Who has just hung up is told nothing.
        let _ = turn.in_dialog(wanted_by, Method::Notify, lines, Some(Body::new("message/sipfrag;version=2.0", line)));
    }
}

#[cfg(test)]
mod tests;
