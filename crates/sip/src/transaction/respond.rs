//! Responses: what the application or the stack answers, and how it is sent.

use bytes::Bytes;

use crate::config::Timers;
use crate::draft::makes_dialog;
use crate::header::{Contact, RecordRoute};
use crate::history;
use crate::id::{Id, ServerTx};
use crate::invite;
use crate::message::{HeaderId, Request, StatusCode, Writer, begin_response, unfold_bytes};
use crate::outbox::{Cause, Origin};
use crate::reply::Reply;
use crate::rng::Token;
use crate::stack::StackError;
use crate::time::Time;
use crate::transaction::server::Machine;
use crate::transaction::{print, server_invite, server_other};
use crate::turn::{Owner, Sender, Turn};

impl Turn<'_> {
    /// Answers a request. Via, From, To (with a tag of the stack's choice unless the reply brings one), Call-ID, CSeq and, where a dialog
    /// may come of it, Record-Route are copied from the request; Server is added when the configuration has one, and History-Info where the request asks for that and the
    /// reply has none (RFC 7044 section 9.4).
    ///
    /// For an INVITE any number of 1xx and one final response; a 2xx is sent once, and whoever answers so repeats it with
    /// [`Turn::repeat`] until the ACK comes (RFC 3261 section 13.3.1.4): [`Turn::session`] does all that.
    ///
    /// # Errors
    /// [`StackError::Gone`]; [`StackError::State`] after a final response; [`StackError::Forbidden`] for 408 or a 1xx other than 100 to a
    /// non-INVITE, and for a 100 over UDP before the client's timer E has grown to T2 (RFC 4320 section 4); [`StackError::Text`] for a
    /// reply that would break its lines.
    pub fn respond(&mut self, tx: ServerTx, mut reply: Reply) -> Result<(), StackError> {
        if reply.code.is_success()
            && let Some(Owner::Session(session, _)) = self.owner_of(tx)
        {
            invite::on_success(self, session, tx, &mut reply);
        }
        self.name_answer(tx, &mut reply);
        self.respond_as(tx, reply, Cause::Response)
    }

    /// Says in an answer who gives it, where we are an end (RFC 7989).
    pub(super) fn name_answer(&mut self, tx: ServerTx, reply: &mut Reply) {
        match self.owner_of(tx) {
            Some(Owner::Session(session, _)) => invite::sign_answer(self, session, tx, reply),
            _ if self.stack.config.session_id => invite::sign_refusal(self, tx, reply),
            _ => {}
        }
    }

    pub(crate) fn respond_as(&mut self, tx: ServerTx, reply: Reply, why: Cause) -> Result<(), StackError> {
        check(&reply)?;
        let code = reply.code;
        self.server_challenged(tx, code);
        let (now, timers) = (self.now.mono, self.stack.config.timers);
        let server = self.stack.servers.get_mut(tx.0).ok_or(StackError::Gone)?;
        let reliable = server.is_reliable();
        let Some(request) = &server.request else {
            return Err(StackError::State("a request without a final response"));
        };
        let stateless = reply.stateless
            && match server.machine {
                Machine::Other(_) => !reliable && code.is_final(),
                Machine::Invite(_) => code.class() >= 3 && server.last().is_none(),
            };
        let own = if stateless { server.stateless_tag() } else { server.tag };
        let tag = reply.to_tag.as_deref().map_or(own.as_bytes(), str::as_bytes);
        step(&mut server.machine, code, now, reliable, &timers)?;
        let origin = server.origin.get();
        let received = server.stamp.values(&origin);
        let config = &self.stack.config;
        let load = config.load.told_to(request.headers(), &origin, now, config, &mut self.stack.hearers);
        let page = std::mem::take(&mut self.stack.page);
        let reason = reply.reason.as_deref();
        let mut writer = begin_response(page, request.headers(), code, reason, Some(tag), received, load.as_deref());
        own_lines(&mut writer, request, &reply, &origin, self.stack.config.user_agent.as_deref());
        writer.lines(&reply.lines);
        if let Some(past) = history::told_besides(request, code, &reply.lines) {
            writer.lines(&past);
        }
        match self.stack.config.overload {
            Some(_) if reply.no_room => self.stack.config.load.had_no_room(now),
            None if reply.no_room => {
                writer.line(HeaderId::RetryAfter, self.stack.config.retry_after_secs);
            }
            _ => {}
        }
        let page = writer.finish_page(reply.body.as_ref());
        let bytes = Bytes::copy_from_slice(&page);
        let kept = (!stateless).then(|| page.as_slice().into());
        self.stack.page = page;
        let (path, owner) = (server.path(), server.owner);
        self.stack.counters.responses_out += 1;
        if stateless {
            self.server_end(tx.0);
            self.send_raw(path, bytes, why);
        } else {
            server.keep(kept, &mut self.stack.kept);
            if code.is_final() {
                self.server_close(tx.0, tag);
            }
            self.send(Sender::Server(tx.0), path, bytes, why);
            self.server_rearm(tx.0);
        }
        if let Owner::Session(session, _) = owner {
            invite::on_responded(self, session, tx, code);
        }
        Ok(())
    }

    /// What a response that is made elsewhere does to the transaction.
    pub(super) fn server_step(&mut self, tx: ServerTx, code: StatusCode) -> Result<(), StackError> {
        let (now, timers) = (self.now.mono, self.stack.config.timers);
        let server = self.stack.servers.get_mut(tx.0).ok_or(StackError::Gone)?;
        let reliable = server.is_reliable();
        step(&mut server.machine, code, now, reliable, &timers)
    }

    /// Sends 100 (Trying) now, unless something has been sent already: for an application that has looked at an INVITE and will take its time,
    /// where [`crate::Trying::After`] gave it the time to look.
    ///
    /// # Errors
    /// [`StackError::Gone`]; [`StackError::State`] for another request than an INVITE.
    pub fn trying(&mut self, tx: ServerTx) -> Result<(), StackError> {
        let (now, timers) = (self.now.mono, self.stack.config.timers);
        let server = self.stack.servers.get_mut(tx.0).ok_or(StackError::Gone)?;
        let (reliable, silent) = (server.is_reliable(), server.last().is_none());
        let Machine::Invite(state) = &mut server.machine else { return Err(StackError::State("an INVITE")) };
        if silent
            && state.step(server_invite::Input::Provisional, now, reliable, &timers) == server_invite::Effect::Send
        {
            trying(self, tx.0);
            self.server_rearm(tx.0);
        }
        Ok(())
    }

    /// Sends the last response again, byte for byte: the repeats of a 2xx (RFC 3261 section 13.3.1.4) or of a provisional response.
    ///
    /// # Errors
    /// [`StackError::Gone`]; [`StackError::State`] when nothing has been sent.
    pub fn repeat(&mut self, tx: ServerTx) -> Result<(), StackError> {
        let server = self.stack.servers.get(tx.0).ok_or(StackError::Gone)?;
        if server.last().is_none() {
            return Err(StackError::State("a request with a response"));
        }
        self.server_again(tx.0, Cause::RetransmitResponse);
        Ok(())
    }

    /// The request of a transaction, until its final response.
    pub fn request_of(&self, tx: ServerTx) -> Option<&Request> {
        self.stack.servers.get(tx.0)?.request.as_deref()
    }

    /// Where the request of a transaction came from.
    pub fn origin_of(&self, tx: ServerTx) -> Option<Origin> {
        Some(self.stack.servers.get(tx.0)?.origin())
    }

    /// Our tag in the responses to a request: the one it brought, or the one the stack chose.
    pub fn tag_of(&self, tx: ServerTx) -> Option<String> {
        let server = self.stack.servers.get(tx.0)?;
        let brought = server.request.as_ref().and_then(|request| request.headers().to_tag());
        Some(brought.unwrap_or(server.tag.as_str()).to_owned())
    }

    /// Makes a request somebody else's than the application's.
    pub(crate) fn owner_of(&self, tx: ServerTx) -> Option<Owner> {
        Some(self.stack.servers.get(tx.0)?.owner)
    }

    /// The tag of our own that responses carry where the request brings none.
    pub(crate) fn token_of(&self, tx: ServerTx) -> Option<Token> {
        Some(self.stack.servers.get(tx.0)?.tag)
    }

    /// Forgets the response to an INVITE that is acknowledged: nothing sends it again (RFC 6026 section 8.7), and the transaction stays
    /// for half a minute.
    pub(crate) fn acknowledged(&mut self, tx: ServerTx) {
        if let Some(server) = self.stack.servers.get_mut(tx.0) {
            server.keep(None, &mut self.stack.kept);
        }
    }

    pub(crate) fn claim(&mut self, tx: ServerTx, owner: Owner) -> Result<(), StackError> {
        self.stack.servers.get_mut(tx.0).ok_or(StackError::Gone)?.owner = owner;
        Ok(())
    }
}

/// Whether a response fits, and what it makes of the transaction.
fn step(machine: &mut Machine, code: StatusCode, now: Time, reliable: bool, timers: &Timers) -> Result<(), StackError> {
    match machine {
        Machine::Invite(state) => {
            let input = match code.class() {
                1 => server_invite::Input::Provisional,
                2 => server_invite::Input::Success,
                _ => server_invite::Input::Refusal,
            };
            match state.step(input, now, reliable, timers) {
                server_invite::Effect::Send => {}
                _ => return Err(StackError::State("an INVITE without a final response")),
            }
        }
        Machine::Other(state) => {
            let input = match (code, code.is_provisional()) {
                (StatusCode::REQUEST_TIMEOUT, _) => {
                    return Err(StackError::Forbidden("408 is no answer to a non-INVITE (RFC 4320 4.2)"));
                }
                (StatusCode::TRYING, _) => server_other::Input::Trying,
                (_, true) => {
                    return Err(StackError::Forbidden("100 is the only 1xx to a non-INVITE (RFC 4320 4.1)"));
                }
                _ => server_other::Input::Final,
            };
            match state.step(input, now, reliable, timers) {
                server_other::Effect::Send => {}
                server_other::Effect::TooEarly => {
                    return Err(StackError::Forbidden("no 100 to a non-INVITE so early (RFC 4320 4.1)"));
                }
                _ => return Err(StackError::State("a request without a final response")),
            }
        }
    }
    Ok(())
}

/// The 100 of the stack itself (RFC 3261 section 8.2.6.1, RFC 4320 section 4.1): no tag, nothing added.
pub(super) fn trying(turn: &mut Turn<'_>, id: Id) {
    let Some(server) = turn.stack.servers.get_mut(id) else { return };
    let Some(request) = &server.request else { return };
    let received = server.stamp.values(&server.origin());
    // What it tells of our load stands in the next response as well (RFC 7339 section 5.11).
    let (config, origin) = (&turn.stack.config, server.origin());
    let load = config.load.told_to(request.headers(), &origin, turn.now.mono, config, &mut turn.stack.hearers);
    let page = Vec::with_capacity(1_024);
    let writer = begin_response(page, request.headers(), StatusCode::TRYING, None, None, received, load.as_deref());
    let bytes = writer.finish(None);
    let path = server.path();
    server.keep(Some(bytes.as_ref().into()), &mut turn.stack.kept);
    turn.stack.counters.responses_out += 1;
    turn.send(Sender::Server(id), path, bytes, Cause::Automatic);
}

/// Refuses texts that could break out of their line.
fn check(reply: &Reply) -> Result<(), StackError> {
    use crate::draft::ContactSpec;
    let clean = |text: &Option<String>| text.as_deref().is_none_or(print::clean);
    let contact = match &reply.contact {
        ContactSpec::None => true,
        ContactSpec::Auto { user, params } => clean(user) && print::clean(params),
        ContactSpec::Given(value) => print::clean(value),
    };
    match () {
        () if !contact => Err(StackError::Text { what: "Contact" }),
        () if !clean(&reply.to_tag) => Err(StackError::Text { what: "To tag" }),
        () if !clean(&reply.reason) => Err(StackError::Text { what: "reason phrase" }),
        () => Ok(()),
    }
}

/// Whether the Contact of our answer is a `sips` URI (RFC 3261 section 12.1.1).
pub(crate) fn is_secure(request: &Request, origin: &Origin) -> bool {
    request.is_secure() || is_asked_by_sips(request, origin)
}

/// Whether our Contact has to be a `sips` URI though the Request-URI is none: the first Record-Route is one, or without any the peer's Contact
/// (RFC 3261 section 12.1.1). Where the request did not come over TLS it could not be reached.
fn is_asked_by_sips(request: &Request, origin: &Origin) -> bool {
    let headers = request.headers();
    let is_sips = |uri: &str| uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"));
    if !origin.transport.is_secured() {
        return false;
    }
    match headers.get::<RecordRoute<'_>>() {
        Some(first) => first.is_ok_and(|first| is_sips(first.uri.as_str())),
        None => {
            let contact = headers.get::<Contact<'_>>().and_then(Result::ok);
            contact.as_ref().and_then(Contact::address).is_some_and(|address| is_sips(address.uri.as_str()))
        }
    }
}

/// The lines of a response that neither its request nor its reply writes.
fn own_lines(writer: &mut Writer, request: &Request, reply: &Reply, origin: &Origin, server: Option<&str>) {
    let headers = request.headers();
    if makes_dialog(request.method(), reply.code) {
        for header in headers.all(HeaderId::RecordRoute) {
            writer.value(HeaderId::RecordRoute, &unfold_bytes(header.value));
        }
    }
    print::contact(writer, &reply.contact, origin, reply.secure || is_secure(request, origin));
    if let Some(server) = server.filter(|_| reply.code != StatusCode::TRYING && !reply.lines.has(HeaderId::Server)) {
        writer.value(HeaderId::Server, server.as_bytes());
    }
}
