//! MESSAGE, OPTIONS, INFO, UPDATE, NOTIFY and PRACKs with an offer of peers, in and outside of calls.

use ::event::composing::IsComposing;
use media::Key;
use sip::header::{From, To};
use sip::message::{Body, HeaderId, Method, Quote, Request, StatusCode};
use sip::uas;
use sip::{Reply, ServerTx, SessionId, Turn};
use tokio::sync::mpsc::error::TrySendError;

use super::sound::description;
use super::state::Phone;
use super::telling::respond;
use crate::event::{CallEvent, DigitBy};
use crate::info::{InfoDigit, info_digit, no_digit};
use crate::message::{Said, TextMessage};

impl Phone {
    /// A MESSAGE outside any call (RFC 3428 section 7): 200 when it is in the queue, 503 when nobody reads it.
    pub(super) fn message(&mut self, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let code = match said(request) {
            None => StatusCode::BAD_REQUEST,
            Some(said) => match self.parts.messages.try_send(said) {
                Ok(()) => StatusCode::OK,
                Err(TrySendError::Full(_)) => StatusCode::SERVICE_UNAVAILABLE,
                Err(TrySendError::Closed(_)) => StatusCode::TEMPORARILY_UNAVAILABLE,
            },
        };
        respond(turn, tx, Reply::new(code));
    }

    /// Any other request within a call.
    pub(super) fn request_within(&mut self, session: SessionId, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let texts = self.parts.texts.clone();
        let capabilities = self.parts.capabilities.clone();
        let Some((key, call)) = self.call_of(session) else { return };
        let reply = match request.method() {
            Method::Info if request.headers().has(HeaderId::InfoPackage) => match call.tell(info_of(request)) {
                true => Reply::new(StatusCode::OK),
                false => Reply::new(StatusCode::SERVICE_UNAVAILABLE),
            },
            Method::Info => match info_digit(request) {
                InfoDigit::Pressed(digit, duration) => {
                    call.tell(CallEvent::Digit { digit, duration, by: DigitBy::Info });
                    Reply::new(StatusCode::OK)
                }
                InfoDigit::None => Reply::new(StatusCode::OK),
                InfoDigit::Broken => Reply::new(StatusCode::BAD_REQUEST).reason("No digit in Signal"),
                InfoDigit::OtherType => no_digit(request, capabilities),
            },
            Method::Message => match uas::body(request, &uas::Capabilities { accept: texts, ..capabilities }) {
                Some(refusal) => refusal,
                None => {
                    let event = said(request).map(|said| match said {
                        Said::Text(text) => CallEvent::Message(text),
                        Said::Composing { status, .. } => CallEvent::Composing(status),
                    });
                    Reply::new(match event.map(|event| call.tell(event)) {
                        Some(true) => StatusCode::OK,
                        Some(false) => StatusCode::SERVICE_UNAVAILABLE,
                        None => StatusCode::BAD_REQUEST,
                    })
                }
            },
            Method::Options => uas::options(StatusCode::OK, &capabilities),
            Method::Update => self.updated(key, request),
            Method::Prack => self.pracked_with_offer(key, request),
            Method::Notify => self.notified(key, request),
            Method::Refer => return self.referred(key, tx, request, turn),
            Method::Subscribe => return self.resubscribed(key, (session, tx), request, turn),
            _ => Reply::new(StatusCode::METHOD_NOT_ALLOWED),
        };
        respond(turn, tx, reply);
    }

    /// A PRACK with an offer is never refused: what cannot be taken is answered so (RFC 3262 sections 3 and 5).
    fn pracked_with_offer(&mut self, key: Key, request: &Request) -> Reply {
        let reply = self.updated(key, request);
        if reply.code.is_success() {
            return reply;
        }
        let mut reply = Reply::new(StatusCode::OK);
        if let (Some(offer), Some(call)) = (description(request.headers()), self.calls.get_mut(&key)) {
            reply.body = call.sound.media.refusal(offer).map(Body::sdp);
        }
        reply
    }

    /// The peer's UPDATE (RFC 3311 section 5.2).
    fn updated(&mut self, key: Key, request: &Request) -> Reply {
        let (Some(offer), Some(call)) = (description(request.headers()), self.calls.get_mut(&key)) else {
            return Reply::new(StatusCode::OK);
        };
        match call.sound.media.answer(offer) {
            Ok((answer, agreed)) => {
                if let Err(error) = self.carry(key, &agreed) {
                    tracing::warn!(parent: &net::call_span!(request.headers().call_id()), %error, "an UPDATE is not carried out");
                }
                Reply::new(StatusCode::OK).body(Body::sdp(answer))
            }
            Err(error) => Reply::new(StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)),
        }
    }
}

/// Name and URI of who sent it. The tag says nothing to a person.
fn claimed(from: &From<'_>) -> String {
    let uri = from.0.uri.as_str();
    match from.0.display.map(|name| name.text()) {
        Some(name) if !name.is_empty() => format!("{} <{uri}>", Quote(&name)),
        _ => uri.to_owned(),
    }
}

/// An INFO of a package: the stack has refused those that are not taken.
fn info_of(request: &Request) -> CallEvent {
    let text = |id| request.headers().text(id).map(|text| text.trim().to_owned()).unwrap_or_default();
    CallEvent::Info {
        package: text(HeaderId::InfoPackage),
        content_type: text(HeaderId::ContentType),
        body: request.body().to_vec(),
    }
}

/// What a MESSAGE says; `None`: that somebody is writing, in a way that cannot be read (RFC 3994).
fn said(request: &Request) -> Option<Said> {
    let kind = request.headers().content_type().and_then(Result::ok);
    if kind.is_none_or(|kind| !kind.is("application", "im-iscomposing+xml")) {
        return Some(Said::Text(text_of(request)));
    }
    let from = request.headers().get::<From<'_>>().and_then(Result::ok);
    let from = from.map(|from| claimed(&from)).unwrap_or_default();
    IsComposing::read(request.body()).ok().map(|status| Said::Composing { from, status })
}

fn text_of(request: &Request) -> TextMessage {
    let headers = request.headers();
    let content_type =
        headers.text(HeaderId::ContentType).map_or_else(|| "text/plain".into(), |kind| kind.into_owned());
    TextMessage {
        from: headers.get::<From<'_>>().and_then(Result::ok).map(|from| claimed(&from)).unwrap_or_default(),
        to: headers.get::<To<'_>>().and_then(Result::ok).map(|to| to.to_string()).unwrap_or_default(),
        content_type,
        text: String::from_utf8_lossy(request.body()).into_owned(),
    }
}
