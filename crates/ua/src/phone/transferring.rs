//! Transfers that we ask for: REFER, and what the other side tells of how they go (RFC 3515, RFC 4488, RFC 5589).

use media::Key;
use sip::header::{Event, NameAddr, SubscriptionState};
use sip::invite::NO_REPORTS;
use sip::message::uri::Escaped;
use sip::message::{HeaderId, Headers, Lines, Method, Request, StatusCode};
use sip::{ClientTx, Reply, Turn};

use super::asked;
use super::fragment::said;
use super::state::Phone;
use super::telling::tell;
use crate::command::Successor;
use crate::error::CallError;
use crate::event::CallEvent;

/// Most transfers of a call under way at a time.
const MOST: usize = 4;

/// A transfer under way.
pub(super) struct Transfer {
    /// Our REFER.
    tx: ClientTx,
    /// Its number, which NOTIFYs name; `None` until its answer says which one counted.
    number: Option<u32>,
}

impl Phone {
    /// Asks the other side to call somebody else.
    pub(super) fn transfer(&mut self, key: Key, to: Successor, told: bool, reply: asked::Reply, turn: &mut Turn<'_>) {
        let mut lines = match self.referral(key, to, turn) {
            Ok(lines) => lines,
            Err(error) => return tell(reply, Err(error)),
        };
        if !told {
            lines.push_id(HeaderId::ReferSub, "false");
            lines.push_id(HeaderId::Supported, NO_REPORTS);
        }
        self.ask_in_dialog(key, Method::Refer, lines, None, reply, turn);
    }

    fn referral(&self, key: Key, to: Successor, turn: &Turn<'_>) -> Result<Lines, CallError> {
        let call = self.calls.get(&key).ok_or(CallError::Ended)?;
        if call.transfers.len() >= MOST {
            return Err(CallError::Busy);
        }
        let dialog = turn.dialog_of(call.session).ok_or(CallError::Ended)?;
        let refer_to = match to {
            Successor::Address(uri) => format!("<{uri}>"),
            Successor::Call { call: other, required } => {
                let other = self.calls.get(&other).ok_or(CallError::Ended)?;
                let dialog = turn.dialog_of(other.session).ok_or(CallError::Ended)?;
                let bad = |why: String| CallError::BadUri { uri: dialog.remote().to_owned(), why };
                let uri = NameAddr::parse(dialog.remote()).map_err(|error| bad(error.to_string()))?.uri;
                // Its tags as the other side of that call must know them: ours is the remote one there (RFC 3891 section 3).
                let (call_id, to, from) = (dialog.call_id(), dialog.remote_tag(), dialog.local_tag());
                let replaces = format!("{call_id};to-tag={to};from-tag={from}");
                let require = if required { "Require=replaces&" } else { "" };
                format!("<{uri}?{require}Replaces={}>", Escaped::header(replaces.as_bytes()))
            }
        };
        let mut lines = Lines::new();
        lines.push_id(HeaderId::ReferTo, refer_to);
        lines.push_text(HeaderId::ReferredBy, dialog.local());
        Ok(lines)
    }

    /// A REFER has left.
    pub(super) fn asked_for_transfer(&mut self, key: Key, tx: ClientTx) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.transfers.push(Transfer { tx, number: None });
        }
    }

    /// The answer to a REFER; `None`: there is none. Who agrees without a subscription tells nothing more (RFC 4488 section 4).
    pub(super) fn transfer_answered(&mut self, key: Key, tx: ClientTx, agreed: Option<&Headers>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(at) = call.transfers.iter().position(|transfer| transfer.tx == tx) else { return };
        match agreed {
            None => drop(call.transfers.swap_remove(at)),
            Some(headers) if is_false(headers.text(HeaderId::ReferSub).as_deref()) => {
                call.transfers.swap_remove(at);
                let code = StatusCode::OK;
                let reason = code.default_reason().to_owned();
                call.tell(CallEvent::Transfer { code: code.get(), reason, last: true });
            }
            Some(headers) => {
                if let Some(transfer) = call.transfers.get_mut(at) {
                    transfer.number = Some(headers.cseq().number);
                }
            }
        }
    }

    /// A NOTIFY within a call: how a transfer goes.
    pub(super) fn notified(&mut self, key: Key, request: &Request) -> Reply {
        let headers = request.headers();
        let id = match headers.get::<Event<'_>>() {
            Some(Ok(event)) if event.package.eq_ignore_ascii_case("refer") => event.id().map(str::parse::<u32>),
            _ => return Reply::new(StatusCode::BAD_EVENT),
        };
        let gone = Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        let Some(call) = self.calls.get_mut(&key) else { return gone };
        let at = match id {
            None => (!call.transfers.is_empty()).then_some(0),
            // It may come before the answer (RFC 3515 section 2.4.4).
            Some(Ok(id)) => {
                let place = |number| call.transfers.iter().position(|one| one.number == number);
                place(Some(id)).or_else(|| place(None))
            }
            Some(Err(_)) => None,
        };
        let Some(at) = at else { return gone };
        let Some(Ok(state)) = headers.get::<SubscriptionState<'_>>() else {
            return Reply::new(StatusCode::BAD_REQUEST).reason("Bad Request (expected Subscription-State)");
        };
        let is_fragment =
            headers.content_type().is_some_and(|kind| kind.is_ok_and(|kind| kind.is("message", "sipfrag")));
        let said = if is_fragment { said(request.body()) } else { None };
        let last =
            state.state.eq_ignore_ascii_case("terminated") || said.as_ref().is_some_and(|(code, _)| *code >= 200);
        if last {
            call.transfers.swap_remove(at);
        }
        // A subscription that ends without a word: nobody knows how it went.
        let unknown = || (0, state.reason().unwrap_or_default().to_owned());
        if let Some((code, reason)) = said.or_else(|| last.then(unknown)) {
            call.tell(CallEvent::Transfer { code, reason, last });
        }
        Reply::new(StatusCode::OK)
    }
}

fn is_false(value: Option<&str>) -> bool {
    value.and_then(|value| value.split(';').next()).is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
}
