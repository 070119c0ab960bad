//! Which header fields cross from one leg of a call to the other: those that concern the people, none that concern the path.

use sip::header::MaxForwards;
use sip::message::{HeaderId, Headers, Lines};

/// Hops that a request may still take when it does not say (RFC 3261 section 8.1.1.6).
const HOPS: u32 = 70;
/// Longest value passed on, in octets.
const LONGEST: usize = 1_024;
/// Most lines of one name.
const MOST: usize = 8;

/// What an INVITE takes along (RFC 3326, RFC 7433, RFC 5806, RFC 5373, RFC 7989, RFC 3261 sections 20.4 and 20.9). The identity is made anew for each device, and Privacy with
/// it: see `trust`.
const INVITE: [HeaderId; 7] = [
    HeaderId::Reason,
    HeaderId::AlertInfo,
    HeaderId::CallInfo,
    HeaderId::AnswerMode,
    HeaderId::UserToUser,
    HeaderId::Diversion,
    HeaderId::SessionId,
];

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
        for header in from.all(*id).filter(|header| header.value.len() <= LONGEST).take(MOST) {
            // A value that cannot stand in a message stays behind.
            let _ = lines.push(id.name(), &header.text());
        }
    }
    lines
}

/// Lines for the INVITE of the other leg; `None` when it has come too far (483).
pub(crate) fn of_invite(from: &Headers) -> Option<Lines> {
    let mut lines = copy(from, &INVITE);
    let hops = hops(from)?;
    lines.push_id(HeaderId::MaxForwards, hops);
    Some(lines)
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

/// Lines for a BYE or CANCEL on the other leg.
pub(crate) fn of_ending(from: &Headers) -> Lines {
    copy(from, &ENDING)
}

/// Lines for a request within the call, on the other leg.
pub(crate) fn of_request(from: &Headers) -> Lines {
    copy(from, &WITHIN)
}

/// `Reason: SIP ;cause=CODE` (RFC 3326).
pub(crate) fn reason(code: u16, text: &str) -> Lines {
    let mut lines = Lines::new();
    lines.push_id(HeaderId::Reason, format_args!("SIP;cause={code};text=\"{text}\""));
    lines
}
