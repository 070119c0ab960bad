//! Calls, from the INVITE to the end, and other requests.

use media::Agreed;
use net::media::PortPair;
use sip::alert::{self, AnsweredBy};
use sip::header::From;
use sip::invite::{By, SessionEvent};
use sip::message::{Body, HeaderId, Lines, Method, Quote, Request, StatusCode};
use sip::uas::{self, Reliability};
use sip::{ContactSpec, Origin, Reply, ServerTx, SessionId, StackError, Turn};
use ua::composing::IsComposing;

use ua::InfoDigit;

use super::describing::describe;
use super::sound::Sound;
use super::{Live, News, Robot};

impl Robot {
    pub(super) fn invited(&mut self, tx: ServerTx, request: &Request, origin: &Origin, turn: &mut Turn<'_>) {
        self.counted += 1;
        let number = self.counted;
        let refusal = if self.leaving {
            Some(Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE))
        } else if let Some(code) = self.conduct.reject {
            Some(Reply::new(code))
        } else {
            uas::check(request, &self.capabilities).or_else(|| self.answers_otherwise(request))
        };
        if let Some(reply) = refusal {
            let why = reply.reason.clone().unwrap_or_default();
            self.tell(News::Refused { call: number, code: reply.code.get(), why });
            let _ = turn.respond(tx, reply);
            return;
        }
        let session = match turn.session(tx) {
            Ok(session) => session,
            // Nobody waits for an answer any more.
            Err(StackError::Gone) => return,
            // The stack has answered.
            Err(error) => {
                let code = match &error {
                    StackError::Full { .. } => 503,
                    StackError::Refused { code, .. } => code.get(),
                    _ => 400,
                };
                return self.tell(News::Refused { call: number, code, why: error.to_string() });
            }
        };
        let registered = self.own.as_ref().and_then(|own| own.contact_at(origin, request));
        let contact = registered.unwrap_or(ContactSpec::Auto { user: None, params: String::new() });
        // One that is too long for a dialog is left out.
        let _ = turn.set_contact(session, &contact);
        let local = origin.local.ip();
        let live = match self.prepare(number, local, turn) {
            Ok(live) => live,
            Err(why) => {
                self.tell(News::Refused { call: number, code: 503, why });
                let _ = turn.answer(session, Reply::new(StatusCode::SERVICE_UNAVAILABLE));
                return;
            }
        };
        let told = self.told(request, origin);
        let answer_after = told.as_ref().and_then(|told| told.answer_after).filter(|_| self.conduct.auto_answer);
        self.tell(News::Ringing { call: number, from: caller(request), told });
        self.calls.insert(session, live);
        self.watchers.changed();
        let ringing = Reply::new(StatusCode::RINGING);
        let reliability = Reliability::of(request.headers());
        if reliability == Reliability::Required || self.conduct.reliable && reliability == Reliability::Supported {
            self.promise(session, ringing.reliable(), request, turn);
        } else {
            let _ = turn.answer(session, ringing);
        }
        match answer_after {
            Some(wait) if !wait.is_zero() => {
                if let Some(live) = self.calls.get_mut(&session) {
                    live.waiting = Some(Box::new(request.clone()));
                    let _ = turn.alarm(turn.now().mono + wait, session.0.to_u64());
                }
            }
            Some(_) => self.accept(session, request, turn),
            None if !self.conduct.ring_only => self.accept(session, request, turn),
            None => {}
        }
    }

    /// The refusal of a call that must be answered as it never is here (RFC 5373 section 4.5.1): by a person, since there is none, or by itself, where it only
    /// rings.
    fn answers_otherwise(&self, request: &Request) -> Option<Reply> {
        let mode = alert::answer_mode(request.headers()).filter(|mode| mode.required)?;
        let why = match mode.by {
            AnsweredBy::Person => "manual answer forbidden",
            AnsweredBy::Itself if self.conduct.ring_only && !self.conduct.auto_answer => "automatic answer forbidden",
            AnsweredBy::Itself => return None,
        };
        Some(Reply::new(StatusCode::FORBIDDEN).reason(why))
    }

    /// What an INVITE tells besides who calls whom; most tell nothing, and cost nothing.
    fn told(&self, request: &Request, origin: &Origin) -> Option<Box<ua::Told>> {
        use HeaderId::{AlertInfo, AnswerMode, CallInfo, Diversion, HistoryInfo, PAssertedIdentity, UserToUser};
        let tells = [PAssertedIdentity, Diversion, HistoryInfo, UserToUser, AlertInfo, CallInfo, AnswerMode];
        let headers = request.headers();
        let believed =
            || self.conduct.believed.iter().any(|network| network.contains(origin.remote.ip().to_canonical()));
        tells.into_iter().any(|id| headers.has(id)).then(|| Box::new(ua::Told::of(headers, believed())))
    }

    /// Rings reliably: the description comes with it, and is acknowledged before the call is answered (RFC 3262 section 5).
    fn promise(&mut self, session: SessionId, mut ringing: Reply, request: &Request, turn: &mut Turn<'_>) {
        let Some(live) = self.calls.get_mut(&session) else { return };
        match describe(&mut live.media, self.studio.as_ref(), request.body()) {
            Ok(mut ready) => {
                ringing.body = Some(Body::sdp(std::mem::take(&mut ready.body)));
                live.promised = Some(Box::new(ready));
                let _ = turn.answer(session, ringing);
            }
            Err((code, why)) => {
                let call = live.number;
                self.refuse(session, code, call, why, turn);
            }
        }
    }

    pub(super) fn accept(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        let Some(live) = self.calls.get_mut(&session) else { return };
        let call = live.number;
        let ready = match live.promised.take() {
            Some(promised) => Ok(*promised),
            None => describe(&mut live.media, self.studio.as_ref(), request.body()),
        };
        let ready = match ready {
            Ok(ready) => ready,
            Err((code, why)) => return self.refuse(session, code, call, why, turn),
        };
        let mut reply = Reply::new(StatusCode::OK).lines(self.abilities.clone());
        reply.body = Some(ready.body).filter(|body| !body.is_empty()).map(Body::sdp);
        if turn.answer(session, reply).is_err() {
            // It has an answer already, or nobody waits for one.
            return self.ended(session, "error", turn);
        }
        self.begin(session, ready.ports, ready.agreed, turn);
    }

    /// A call stands: its sound begins, and the time until it is hung up.
    pub(super) fn begin(
        &mut self,
        session: SessionId,
        ports: Option<PortPair>,
        agreed: Option<Agreed>,
        turn: &mut Turn<'_>,
    ) {
        let Some(call) = self.calls.get(&session).map(|live| live.number) else { return };
        let settings = agreed.and_then(|agreed| agreed.settings);
        self.tell(News::Answered { call, codec: settings.as_ref().map(|settings| settings.codec) });
        let sound = ports.zip(self.studio.as_ref()).map(|(ports, studio)| (ports, Sound::new(&studio.media)));
        if let Some(live) = self.calls.get_mut(&session) {
            live.standing = true;
            self.watchers.changed();
            live.since = turn.now().mono;
            live.sound = sound.as_ref().map(|(_, sound)| *sound);
        }
        if let Some((ports, sound)) = sound {
            self.streams.insert(sound.stream, session);
            self.open(call, sound, ports, settings);
        }
        if let Some(after) = self.conduct.hang_up_after {
            let _ = turn.alarm(turn.now().mono + after, session.0.to_u64());
        }
    }

    /// Refuses a call that rings. It is taken out first: it is over with this, and its end is no more news.
    pub(super) fn refuse(&mut self, session: SessionId, code: StatusCode, call: u64, why: String, turn: &mut Turn<'_>) {
        self.calls.remove(&session);
        self.watchers.changed();
        let refusal = uas::warned(Reply::new(code), uas::MISCELLANEOUS, &why);
        self.tell(News::Refused { call, code: code.get(), why });
        let _ = turn.answer(session, refusal);
    }

    pub(super) fn reinvited(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        if let Some(reply) = self.changed(session, request) {
            let _ = turn.answer_reinvite(session, reply);
        }
    }

    /// The answer to a change the caller wants, which may be that we say what we want.
    fn changed(&mut self, session: SessionId, request: &Request) -> Option<Reply> {
        let live = self.calls.get_mut(&session)?;
        let media = live.media.whole(request.headers().call_id());
        let outcome = if request.body().is_empty() {
            media.offer().map(|body| (body, None))
        } else {
            media.answer(request.body()).map(|(body, agreed)| (body, Some(agreed)))
        };
        Some(match outcome {
            Ok((body, agreed)) => {
                if let Some(agreed) = agreed {
                    self.change(session, agreed);
                }
                Reply::new(StatusCode::OK).body(Body::sdp(body))
            }
            Err(error) => Reply::new(StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)),
        })
    }

    /// The call has to be refreshed (RFC 4028 section 7.4): what was agreed once more.
    fn refresh(&mut self, session: SessionId, turn: &mut Turn<'_>) {
        let Some(live) = self.calls.get_mut(&session) else { return };
        let call_id = turn.dialog_of(session).map(sip::dialog::Dialog::call_id).unwrap_or_default();
        let media = live.media.whole(call_id);
        let Ok(offer) = media.offer_again() else { return };
        if turn.refresh_session(session, Some(Body::sdp(offer)), Lines::default()).is_err() {
            media.rollback();
        }
    }

    /// The answer to that; `None` where it was refused.
    fn refreshed(&mut self, session: SessionId, answer: Option<&[u8]>) {
        let Some(live) = self.calls.get_mut(&session) else { return };
        let Some(media) = live.media.made() else { return };
        match answer.map(|answer| media.accept(answer)) {
            Some(Ok(agreed)) => self.change(session, agreed),
            // As it was before.
            _ => drop(media.rollback()),
        }
    }

    /// A PRACK with an offer is never refused: what cannot be taken is answered so (RFC 3262 sections 3 and 5).
    fn pracked_with_offer(&mut self, session: SessionId, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let Some(mut reply) = self.changed(session, request) else { return };
        if !reply.code.is_success()
            && let Some(live) = self.calls.get_mut(&session)
        {
            reply = Reply::new(StatusCode::OK);
            reply.body = live.media.whole(request.headers().call_id()).refusal(request.body()).map(Body::sdp);
        }
        let _ = turn.respond(tx, reply);
    }

    pub(super) fn acked(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        let Some(live) = self.calls.get_mut(&session) else { return };
        // What was made small has no offer of ours that waits.
        let Some(media) = live.media.made() else { return };
        if media.state() != sdp::NegotiationState::OfferSent {
            return;
        }
        match media.accept(request.body()) {
            Ok(agreed) => self.change(session, agreed),
            // RFC 3261 section 13.2.2.4: a session without an answer is ended.
            Err(_) => {
                let _ = turn.hangup(session, None, Lines::default());
            }
        }
    }

    pub(super) fn ended(&mut self, session: SessionId, by: &'static str, turn: &mut Turn<'_>) {
        if let Some(wanted_by) = self.calls.get(&session).and_then(Live::wanted_by) {
            self.report(wanted_by, StatusCode::REQUEST_TERMINATED, turn);
        }
        let Some(mut live) = self.calls.remove(&session) else { return };
        self.watchers.changed();
        let why = live.why.take();
        let (call, lasted) = (live.number, turn.now().mono.since(live.since));
        let lasted = live.standing.then_some(lasted);
        match (live.sound, &self.studio) {
            (Some(sound), Some(studio)) => {
                self.streams.remove(&sound.stream);
                let news = self.news.clone();
                let _ = studio.media.run(move |desk| {
                    let heard = sound.close(desk);
                    news.put(News::Ended { call, by, lasted, heard: heard.map(Box::new), why });
                });
            }
            _ => self.tell(News::Ended { call, by, lasted, heard: None, why }),
        }
        self.leave_when_empty();
    }

    pub(super) fn leave_when_empty(&mut self) {
        if !self.leaving || !self.calls.is_empty() || !self.registrations.is_empty() {
            return;
        }
        // Behind the last news of the media thread: what it says of the calls that ended comes before.
        let news = self.news.clone();
        let told = self.studio.as_ref().map(|studio| studio.media.run(move |_| news.put(News::Left)));
        if !matches!(told, Some(Ok(()))) {
            self.tell(News::Left);
        }
    }

    pub(super) fn session(&mut self, session: SessionId, event: SessionEvent, turn: &mut Turn<'_>) {
        match event {
            SessionEvent::Acked { request } | SessionEvent::Pracked { request } => self.acked(session, &request, turn),
            SessionEvent::Reinvite { request, .. } => self.reinvited(session, &request, turn),
            SessionEvent::RefreshDue => self.refresh(session, turn),
            SessionEvent::Reinvited { response, .. } => self.refreshed(session, Some(response.body())),
            SessionEvent::ReinviteFailed { .. } => self.refreshed(session, None),
            SessionEvent::Request { tx, request } if *request.method() == Method::Prack => {
                self.pracked_with_offer(session, tx, &request, turn);
            }
            SessionEvent::Request { tx, request }
                if *request.method() == Method::Update && !request.body().is_empty() =>
            {
                if let Some(reply) = self.changed(session, &request) {
                    let _ = turn.respond(tx, reply);
                }
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Info => {
                let reply = self.informed(session, &request);
                let _ = turn.respond(tx, reply);
            }
            SessionEvent::Request { tx, request } if *request.method() == Method::Refer => {
                self.referred(session, tx, &request, turn);
            }
            SessionEvent::Progress { response, .. } => self.placed_rings(session, &response, turn),
            SessionEvent::Answered { response, .. } => self.placed_answered(session, &response, turn),
            SessionEvent::Redirected { response } => self.placed_failed(session, response.code(), turn),
            SessionEvent::Failed { refusal } => self.placed_failed(session, refusal.code(), turn),
            SessionEvent::Request { tx, request } => self.asked(tx, &request, turn),
            SessionEvent::Cancelled { request } => {
                self.learn_why(session, request.as_deref());
                self.ended(session, "caller", turn);
            }
            SessionEvent::Ended { by, request, .. } => {
                self.learn_why(session, request.as_deref());
                let by = match by {
                    By::Us => "us",
                    By::Peer => "caller",
                    By::Error => "error",
                };
                self.ended(session, by, turn);
            }
            _ => {}
        }
    }

    /// Keeps what the request that ends a call tells of why (RFC 3326), where it tells anything.
    fn learn_why(&mut self, session: SessionId, request: Option<&Request>) {
        let Some(headers) = request.map(Request::headers) else { return };
        if (headers.has(HeaderId::Reason) || headers.has(HeaderId::UserToUser))
            && let Some(live) = self.calls.get_mut(&session)
        {
            live.why = Some(Box::new(ua::Told::why(headers)));
        }
    }

    /// A digit, in a request instead of in the audio.
    fn informed(&self, session: SessionId, request: &Request) -> Reply {
        match ua::info_digit(request) {
            InfoDigit::Pressed(digit, _) => {
                if let Some(live) = self.calls.get(&session) {
                    self.tell(News::Digit { call: live.number, digit });
                }
                Reply::new(StatusCode::OK)
            }
            InfoDigit::None => Reply::new(StatusCode::OK),
            InfoDigit::Broken => Reply::new(StatusCode::BAD_REQUEST).reason("No digit in Signal"),
            InfoDigit::OtherType => ua::no_digit(request, self.capabilities.clone()),
        }
    }

    /// A request other than INVITE, in a call or not.
    pub(super) fn asked(&mut self, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let is_text = *request.method() == Method::Message;
        let reply = match uas::check(request, if is_text { &self.texts } else { &self.capabilities }) {
            Some(reply) => reply,
            None if is_text && is_status(request) => match IsComposing::read(request.body()) {
                Ok(status) => {
                    self.tell(News::Composing { from: caller(request), active: status.active });
                    Reply::new(StatusCode::OK)
                }
                Err(_) => Reply::new(StatusCode::BAD_REQUEST),
            },
            None if is_text => {
                let text = String::from_utf8_lossy(request.body()).into_owned();
                self.tell(News::Message { from: caller(request), text });
                Reply::new(StatusCode::OK)
            }
            // Nothing in a call can be subscribed to.
            None if *request.method() == Method::Subscribe => Reply::new(StatusCode::FORBIDDEN),
            // Only whom one talks to can be transferred.
            None if *request.method() == Method::Refer => Reply::new(StatusCode::DECLINE),
            None if *request.method() == Method::Options => {
                self.allow_events(uas::options(StatusCode::OK, &self.capabilities))
            }
            None => Reply::new(StatusCode::OK),
        };
        let _ = turn.respond(tx, reply);
    }
}

/// A message that only says whether somebody is writing.
fn is_status(request: &Request) -> bool {
    let kind = request.headers().content_type().and_then(Result::ok);
    kind.is_some_and(|kind| kind.is("application", "im-iscomposing+xml"))
}

/// Who sent it, as he claims: name and URI. The tag says nothing to a person.
fn caller(request: &Request) -> String {
    // Most often a URI in brackets, behind one word or nothing: of a request that was checked it need not be read.
    let text = request.headers().raw(HeaderId::From).and_then(|from| std::str::from_utf8(from).ok());
    if let Some((name, uri)) = text.and_then(name_and_uri) {
        return if name.is_empty() { uri.to_owned() } else { ["\"", name, "\" <", uri, ">"].concat() };
    }
    let Some(Ok(from)) = request.headers().get::<From<'_>>() else { return String::new() };
    let uri = from.0.uri.as_str();
    match from.0.display.map(|name| name.text()) {
        Some(name) if !name.is_empty() => [&Quote(&name).to_string(), " <", uri, ">"].concat(),
        _ => uri.to_owned(),
    }
}

/// Name and URI of `word <uri>` and `<uri>`.
fn name_and_uri(from: &str) -> Option<(&str, &str)> {
    let (name, rest) = from.split_once('<')?;
    let name = name.strip_suffix(' ').unwrap_or(name);
    let plain = name.bytes().all(|octet| octet.is_ascii_alphanumeric());
    rest.split_once('>').filter(|_| plain).map(|(uri, _)| (name, uri))
}

#[cfg(test)]
mod tests {
    use sip::message::{Limits, Message};

    use super::caller;

    #[test]
    fn rfc3261_20_20_who_calls_is_the_name_in_quotes_and_the_uri() {
        for (from, expected) in [
            ("<sip:a@b>;tag=1", "sip:a@b"),
            ("sipp <sip:a@b>;tag=1", "\"sipp\" <sip:a@b>"),
            ("sipp<sip:a@b>;tag=1", "\"sipp\" <sip:a@b>"),
            ("A B <sip:a@b>;tag=1", "\"A B\" <sip:a@b>"),
            ("\"A < \\\"B\" <sip:a@b>;tag=1", "\"A < \\\"B\" <sip:a@b>"),
            ("\"\" <sip:a@b>;tag=1", "sip:a@b"),
            ("sip:a@b;tag=1", "sip:a@b"),
        ] {
            let text = format!(
                "INVITE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: {from}\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\n\
                 CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
            );
            let Ok(Message::Request(request)) = Message::parse(text.into(), &Limits::default()) else {
                panic!("no request from {from}")
            };
            assert_eq!(caller(&request), expected, "{from}");
        }
    }
}
