//! MESSAGE, OPTIONS and INFO, both ways, in and outside of calls.

use std::time::Duration;

use media::Key;
use sip::header::{Allow, From, To};
use sip::message::{Body, HeaderId, Lines, Method, Request, Response, StatusCode};
use sip::uas;
use sip::{ClientTx, Draft, Failure, Reply, ServerTx, SessionId, Turn};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::sound::description;
use super::{Phone, failed, first_hop, reason_of, refused, respond};
use crate::error::CallError;
use crate::event::{CallEvent, DigitBy};
use crate::message::{Answer, TextMessage};

type Asked = oneshot::Sender<Result<Answer, CallError>>;

impl Phone {
    /// A request of ours outside any call.
    pub(super) fn ask(&mut self, draft: Draft, reply: Asked, turn: &mut Turn<'_>) {
        let to = first_hop(&draft.routes, draft.uri.as_str());
        match turn.send_request(draft) {
            Ok(tx) => {
                self.asked.insert(tx, (reply, to));
            }
            Err(error) => super::answer(reply, Err(CallError::Unreachable { to, why: error.to_string() })),
        }
    }

    /// A request of ours within a call.
    pub(super) fn ask_in_dialog(
        &mut self,
        key: Key,
        method: Method,
        lines: Lines,
        body: Option<Body>,
        reply: Asked,
        turn: &mut Turn<'_>,
    ) {
        let Some(call) = self.calls.get(&key) else { return super::answer(reply, Err(CallError::Ended)) };
        match turn.in_dialog(call.session, method, lines, body) {
            Ok(tx) => {
                self.asked.insert(tx, (reply, call.peer.clone()));
            }
            Err(error) => super::answer(reply, Err(CallError::BadText { why: error.to_string() })),
        }
    }

    /// A response to one of these.
    pub(super) fn answered(&mut self, tx: ClientTx, response: &Response) {
        if response.code().is_provisional() {
            return;
        }
        let Some((reply, _)) = self.asked.remove(&tx) else { return };
        let headers = response.headers();
        let answer = if response.code().is_success() {
            let server = headers.text(HeaderId::Server).or_else(|| headers.text(HeaderId::UserAgent));
            Ok(Answer {
                code: response.code().get(),
                reason: reason_of(response),
                allow: headers.list::<Allow<'_>>().filter_map(Result::ok).map(|method| method.to_string()).collect(),
                server: server.map(|text| text.into_owned()),
            })
        } else {
            Err(refused(response))
        };
        super::answer(reply, answer);
    }

    /// No response to one of these.
    pub(super) fn unanswered(&mut self, tx: ClientTx, why: Failure) {
        if let Some((reply, to)) = self.asked.remove(&tx) {
            super::answer(reply, Err(failed(why, &to)));
        }
    }

    /// A MESSAGE outside any call (RFC 3428 section 7): 200 when it is in the queue, 503 when nobody reads it.
    pub(super) fn message(&mut self, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let reply = match self.parts.messages.try_send(text_of(request)) {
            Ok(()) => Reply::new(StatusCode::OK),
            Err(TrySendError::Full(_)) => Reply::new(StatusCode::SERVICE_UNAVAILABLE),
            Err(TrySendError::Closed(_)) => Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE),
        };
        respond(turn, tx, reply);
    }

    /// Any other request within a call.
    pub(super) fn request_within(&mut self, session: SessionId, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        let texts = self.parts.texts.clone();
        let capabilities = self.parts.capabilities.clone();
        let Some((key, call)) = self.call_of(session) else { return };
        let reply = match request.method() {
            Method::Info => match digit_of(request) {
                Digit::Pressed(digit, duration) => {
                    call.tell(CallEvent::Digit { digit, duration, by: DigitBy::Info });
                    Reply::new(StatusCode::OK)
                }
                Digit::None => Reply::new(StatusCode::OK),
                Digit::Broken => Reply::new(StatusCode::BAD_REQUEST).reason("No digit in Signal"),
                Digit::OtherType => {
                    uas::body(request, &uas::Capabilities { accept: vec![RELAY.into()], ..capabilities })
                        .unwrap_or_else(|| Reply::new(StatusCode::UNSUPPORTED_MEDIA_TYPE))
                }
            },
            Method::Message => match uas::body(request, &uas::Capabilities { accept: texts, ..capabilities }) {
                Some(refusal) => refusal,
                None if call.tell(CallEvent::Message(text_of(request))) => Reply::new(StatusCode::OK),
                None => Reply::new(StatusCode::SERVICE_UNAVAILABLE),
            },
            Method::Options => uas::options(StatusCode::OK, &capabilities),
            Method::Update => self.updated(key, request),
            _ => Reply::new(StatusCode::METHOD_NOT_ALLOWED),
        };
        respond(turn, tx, reply);
    }

    /// The peer's UPDATE (RFC 3311 section 5.2).
    fn updated(&mut self, key: Key, request: &Request) -> Reply {
        let (Some(offer), Some(call)) = (description(request.headers()), self.calls.get_mut(&key)) else {
            return Reply::new(StatusCode::OK);
        };
        match call.sound.media.answer(offer) {
            Ok((answer, agreed)) => {
                if let Err(error) = self.carry(key, &agreed) {
                    tracing::warn!(%error, "an UPDATE is not carried out");
                }
                Reply::new(StatusCode::OK).body(Body::sdp(answer))
            }
            Err(error) => Reply::new(StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)),
        }
    }
}

/// The body type of digits in INFO.
const RELAY: &str = "application/dtmf-relay";

enum Digit {
    Pressed(char, Duration),
    /// An empty INFO: only a sign of life.
    None,
    Broken,
    OtherType,
}

fn digit_of(request: &Request) -> Digit {
    let kind = match request.headers().content_type() {
        _ if request.body().is_empty() => return Digit::None,
        Some(Ok(kind)) => kind,
        _ => return Digit::OtherType,
    };
    let text = String::from_utf8_lossy(request.body());
    if kind.is("application", "dtmf") {
        return pressed(text.trim(), Duration::ZERO);
    }
    if !kind.is("application", "dtmf-relay") {
        return Digit::OtherType;
    }
    let field = |name: &str| {
        let mut fields = text.lines().take(16).filter_map(|line| line.split_once('='));
        fields.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let duration = field("Duration").and_then(|value| value.parse::<u16>().ok()).unwrap_or(0);
    field("Signal").map_or(Digit::Broken, |signal| pressed(signal, Duration::from_millis(duration.into())))
}

fn pressed(signal: &str, duration: Duration) -> Digit {
    let digit = match signal {
        "10" => '*',
        "11" => '#',
        "16" | "R" | "r" => 'R',
        one => match one.chars().next() {
            Some(first) if one.len() == 1 => first.to_ascii_uppercase(),
            _ => return Digit::Broken,
        },
    };
    let known = matches!(digit, '0'..='9' | 'A'..='D' | '*' | '#' | 'R');
    if known { Digit::Pressed(digit, duration) } else { Digit::Broken }
}

fn text_of(request: &Request) -> TextMessage {
    let headers = request.headers();
    let content_type =
        headers.text(HeaderId::ContentType).map_or_else(|| "text/plain".into(), |kind| kind.into_owned());
    TextMessage {
        from: headers.get::<From<'_>>().and_then(Result::ok).map(|from| from.to_string()).unwrap_or_default(),
        to: headers.get::<To<'_>>().and_then(Result::ok).map(|to| to.to_string()).unwrap_or_default(),
        content_type,
        text: String::from_utf8_lossy(request.body()).into_owned(),
    }
}
