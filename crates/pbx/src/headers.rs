//! Which header fields cross from one leg of a call to the other: those that concern the people, none that concern the path, and nothing by which one
//! could have another's device do what its user has not asked for.

use sip::cause;
use sip::header::{CallInfo, MaxForwards, NIL, SessionId};
use sip::message::{HeaderId, Headers, Lines, StatusCode};
use sip::privacy::{self, Wish};

/// Hops that a request may still take when it does not say (RFC 3261 section 8.1.1.6).
const HOPS: u32 = 70;
/// Longest value passed on, in octets.
const LONGEST: usize = 1_024;
/// The parameter of Call-Info that asks a device to answer after so many seconds.
const ANSWER_AFTER: &str = "answer-after";
/// Of Q.850: non-selected user clearing.
const NON_SELECTED: u8 = 26;
/// Most lines of one name.
const MOST: usize = 8;

/// What an INVITE takes along (RFC 3326, RFC 7433, RFC 7989), besides where it has been (RFC 5806) and how its callee is to be alerted: see [`alerting`]. The identity is made anew
/// for each device, and Privacy with it: see `trust`.
const INVITE: [HeaderId; 3] = [HeaderId::Reason, HeaderId::UserToUser, HeaderId::SessionId];

/// What a response takes along.
const RESPONSE: [HeaderId; 5] =
    [HeaderId::Reason, HeaderId::AlertInfo, HeaderId::UserToUser, HeaderId::Warning, HeaderId::SessionId];

/// What a BYE or CANCEL takes along.
const ENDING: [HeaderId; 3] = [HeaderId::Reason, HeaderId::UserToUser, HeaderId::SessionId];

/// What a request within the call takes along, besides its body.
const WITHIN: [HeaderId; 3] = [HeaderId::ContentDisposition, HeaderId::Date, HeaderId::SessionId];

fn copy(from: &Headers, ids: &[HeaderId]) -> Lines {
    let mut lines = Lines::new();
    for id in ids {
        // A Session-ID that cannot be read is of someone who misbehaves (RFC 7989 section 7).
        if *id == HeaderId::SessionId && !matches!(from.get::<SessionId<'_>>(), Some(Ok(_))) {
            continue;
        }
        for header in from.all(*id).filter(|header| header.value.len() <= LONGEST).take(MOST) {
            // A value that cannot stand in a message stays behind.
            let _ = lines.push(id.name(), &header.text());
        }
    }
    lines
}

/// Lines for the INVITE of the other leg, of a caller who wants this to be kept from others; `None` when it has come too far (483). `intercom`: he may have devices
/// answer by themselves.
pub(crate) fn of_invite(from: &Headers, wish: Wish, intercom: bool) -> Option<Lines> {
    let mut lines = copy(from, &INVITE);
    if !wish.history {
        lines.extend(&copy(from, &[HeaderId::Diversion]));
    }
    alerting(from, wish, intercom, &mut lines);
    let hops = hops(from)?;
    lines.push_id(HeaderId::MaxForwards, hops);
    Some(lines)
}

/// How a callee is to be alerted (RFC 3261 sections 20.4 and 20.9, RFC 5373). A device that trusts its server picks up where Call-Info, Alert-Info or Answer-Mode
/// asks for that, and its microphone is open: only who may gets that passed on. All else that Call-Info tells is of the caller (RFC 3323 section 5.3).
fn alerting(from: &Headers, wish: Wish, intercom: bool, lines: &mut Lines) {
    let mut pass = |id: HeaderId, may: fn(&str) -> bool| {
        for header in from.all(id).filter(|header| header.value.len() <= LONGEST).take(MOST) {
            let text = header.text();
            if intercom || may(&text) {
                let _ = lines.push(id.name(), &text);
            }
        }
    };
    pass(HeaderId::AlertInfo, |text| !asks_for_answer(text));
    pass(HeaderId::AnswerMode, |text| {
        text.trim_start().get(..6).is_some_and(|mode| mode.eq_ignore_ascii_case("manual"))
    });
    if !wish.is_anonymous() && !from.all(HeaderId::CallInfo).any(|header| asks_for_answer(&header.text())) {
        return pass(HeaderId::CallInfo, |_| true);
    }
    // Of several values in a line one may ask for it. What cannot be read, somebody else might.
    for info in from.list::<CallInfo<'_>>().flatten().take(MOST) {
        let asks = info.0.params.iter().any(|param| asks_for_answer(param.name));
        let text = match (asks, wish.is_anonymous()) {
            (true, true) => {
                let after = info.0.params.token(ANSWER_AFTER).unwrap_or("0");
                format!("<sip:{}>;{ANSWER_AFTER}={after}", privacy::NOWHERE)
            }
            (false, true) => continue,
            (_, false) => info.to_string(),
        };
        if (intercom || !asks) && text.len() <= LONGEST {
            let _ = lines.push(HeaderId::CallInfo.name(), &text);
        }
    }
}

/// Whether words may mean that a device is to answer by itself: `answer-after`, `alert-autoanswer`, `Ring Answer`, `intercom`.
fn asks_for_answer(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("answer") || text.contains("intercom")
}

/// Max-Forwards for a request passed on; `None` when it may go no further (RFC 7332: also through a back-to-back user agent).
pub(crate) fn hops(from: &Headers) -> Option<u32> {
    match from.get::<MaxForwards>() {
        Some(Ok(MaxForwards(hops))) => u32::from(hops).checked_sub(1),
        _ => Some(HOPS),
    }
}

/// Lines for a response on the other leg.
pub(crate) fn of_response(from: &Headers) -> Lines {
    copy(from, &RESPONSE)
}

/// The lines of a refusal that speaks for several: who has refused is nobody of them (RFC 7989 section 7).
pub(crate) fn of_several(refusal: &Lines) -> Lines {
    let mut lines = Lines::new();
    for (name, value) in refusal.iter() {
        let value = String::from_utf8_lossy(value);
        let id = name
            .eq_ignore_ascii_case(HeaderId::SessionId.name())
            .then(|| Headers::read::<SessionId<'_>>(value.as_bytes()));
        match id {
            Some(Ok(id)) => {
                let caller = id.remote().unwrap_or(NIL);
                lines.push_id(HeaderId::SessionId, format_args!("{NIL};remote={caller}"));
            }
            // What has come can stand in a message.
            _ => drop(lines.push(name, &value)),
        }
    }
    lines
}

/// Lines for a BYE or CANCEL on the other leg.
pub(crate) fn of_ending(from: &Headers) -> Lines {
    copy(from, &ENDING)
}

/// Lines for a request within the call, on the other leg.
pub(crate) fn of_request(from: &Headers) -> Lines {
    copy(from, &WITHIN)
}

/// `Reason: SIP;cause=CODE` (RFC 3326), and what that is in telephone networks: `Q.850;cause=VALUE`.
pub(crate) fn reason(code: u16, text: &str) -> Lines {
    let mut lines = Lines::new();
    lines.push_id(HeaderId::Reason, format_args!("SIP;cause={code};text=\"{text}\""));
    let cause = match code {
        // Who rang in vain, since another has answered.
        200 => Some(NON_SELECTED),
        _ => StatusCode::new(code).and_then(cause::of_status),
    };
    if let Some(cause) = cause {
        lines.push_id(HeaderId::Reason, format_args!("Q.850;cause={cause}"));
    }
    lines
}
