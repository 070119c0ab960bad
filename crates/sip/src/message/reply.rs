//! Responses made from the request they answer.

use std::net::IpAddr;

use bytes::Bytes;

use super::header::{Header, Via};
use super::headers::Headers;
use super::lexer::Lexer;
use super::lines::Lines;
use super::parse::bit;
use super::writer::Writer;
use super::{Body, HeaderId, Param, StatusCode};
use crate::overload;

/// Prints a response to a request: Via, From, To, Call-ID and CSeq are copied byte for byte (RFC 3261 section 8.2.6.2), Timestamp into a
/// 100 (section 8.2.6.1), the rest comes from `lines`.
///
/// `to_tag` is added to To unless it has one, and never to a 100. `received` is the source address of the request and, where its top Via
/// asked for it, the port for `rport` (RFC 3261 section 18.2.1, RFC 3581 section 4); both replace what the peer may have written there.
pub fn write_response(
    request: &Headers,
    code: StatusCode,
    reason: Option<&str>,
    to_tag: Option<&str>,
    lines: &Lines,
    body: Option<&Body>,
    received: Option<(IpAddr, Option<u16>)>,
) -> Bytes {
    let mut writer = begin(Vec::with_capacity(1_024), request, code, reason, to_tag.map(str::as_bytes), received, None);
    writer.lines(lines);
    writer.finish(body)
}

/// What a response copies from its request.
const COPIED: u64 = bit(HeaderId::Via)
    | bit(HeaderId::From)
    | bit(HeaderId::To)
    | bit(HeaderId::CallId)
    | bit(HeaderId::CSeq)
    | bit(HeaderId::Timestamp);

/// The part of a response that its request decides: the status line and what is copied. It is printed on `page`, which may have been used before. `load` is
/// what the top Via says of our load, in place of what it says of it now (RFC 7339 section 5.2).
pub(crate) fn begin(
    page: Vec<u8>,
    request: &Headers,
    code: StatusCode,
    reason: Option<&str>,
    to_tag: Option<&[u8]>,
    received: Option<(IpAddr, Option<u16>)>,
    load: Option<&str>,
) -> Writer {
    let mut writer = Writer::response_on(page, code, reason);
    let tag = to_tag.filter(|_| code != StatusCode::TRYING && request.to_tag_octets().is_none());
    let (mut received, mut load, mut seen) = (received, load, 0);
    for (id, line) in request.lines_of(COPIED) {
        match id {
            HeaderId::Via => match (received.take(), load.take()) {
                (None, None) => copy(&mut writer, line, None),
                (received, load) => stamp(&mut writer, request, received, load),
            },
            HeaderId::Timestamp if code != StatusCode::TRYING => {}
            // One that could not be read may have two.
            HeaderId::From | HeaderId::To | HeaderId::CallId | HeaderId::CSeq if seen & bit(id) != 0 => {}
            _ => copy(&mut writer, line, tag.filter(|_| id == HeaderId::To)),
        }
        seen |= bit(id);
    }
    writer
}

/// Copies a line, with a tag behind it.
pub(super) fn copy(writer: &mut Writer, line: &[u8], tag: Option<&[u8]>) {
    match (line.strip_suffix(b"\r\n"), tag) {
        (Some(_), None) => writer.octets(line),
        (bare, None) => writer.octets(bare.unwrap_or(line)).octets(b"\r\n"),
        (bare, Some(tag)) => writer.octets(bare.unwrap_or(line)).octets(b";tag=").text(tag).octets(b"\r\n"),
    };
}

/// Copies the top Via with `received` and `rport` set, and with what it is to say of our load; the other Vias of the same line stay as they are, and so does
/// one that cannot be read.
pub(super) fn stamp(
    writer: &mut Writer,
    request: &Headers,
    received: Option<(IpAddr, Option<u16>)>,
    load: Option<&str>,
) {
    writer.octets(b"Via: ");
    let rest = match request.usual_via().filter(|_| load.is_none()) {
        Some(usual) => {
            let [front, behind] = usual.rest;
            writer.octets(front).octets(behind);
            Some(&b""[..])
        }
        None => {
            let has_rport = received.is_some_and(|(_, rport)| rport.is_some());
            without(writer, request.raw(HeaderId::Via).unwrap_or_default(), |param| {
                param.name.eq_ignore_ascii_case("received")
                    || has_rport && param.name.eq_ignore_ascii_case("rport")
                    || load.is_some() && overload::is_param(param.name)
            })
        }
    };
    if let Some(rest) = rest {
        if let Some((ip, rport)) = received {
            writer.octets(b";received=").ip(ip);
            if let Some(port) = rport {
                writer.octets(b";rport=").number(usize::from(port));
            }
        }
        writer.octets(load.unwrap_or_default().as_bytes()).octets(rest);
    }
    writer.octets(b"\r\n");
}

/// Writes Vias whose first says so much of our load where it asks for it (RFC 7339 section 5.2), and nothing else of it: who stands further on does not speak
/// for us. The others are as [`untold`] leaves them.
pub(super) fn loaded(writer: &mut Writer, value: &[u8], load: &str) {
    writer.octets(b"Via: ");
    let asks = Via::parse_value(&mut Lexer::new(value)).is_ok_and(|via| overload::is_offered(&via));
    if let Some(rest) = without(writer, value, |param| overload::is_param(param.name)) {
        writer.octets(if asks { load.as_bytes() } else { b"" });
        untold_behind(writer, rest);
    }
    writer.octets(b"\r\n");
}

/// Writes Vias without what is said in them of anybody's load, which whoever stands further on may have written (RFC 7339 sections 5.4 and 11). That their writers
/// hear stays.
pub(super) fn untold(writer: &mut Writer, value: &[u8]) {
    writer.octets(b"Via: ");
    if let Some(rest) = without(writer, value, overload::is_told) {
        untold_behind(writer, rest);
    }
    writer.octets(b"\r\n");
}

/// The same of what follows the first Via of a line.
fn untold_behind(writer: &mut Writer, value: &[u8]) {
    let is_mentioned = overload::is_mentioned(value);
    let (mut rest, mut lexer) = (value, Lexer::new(value));
    while is_mentioned && lexer.separator(b',') {
        writer.octets(rest.get(..lexer.pos()).unwrap_or_default());
        match without(writer, lexer.rest(), overload::is_told) {
            Some(behind) => (rest, lexer) = (behind, Lexer::new(behind)),
            None => return,
        }
    }
    writer.octets(rest);
}

/// Copies the first Via of a value without some of its parameters; gives what follows it. `None`: it cannot be read, and all was copied.
fn without<'a>(writer: &mut Writer, value: &'a [u8], is_dropped: impl Fn(&Param<'_>) -> bool) -> Option<&'a [u8]> {
    let mut lexer = Lexer::new(value);
    let Ok(via) = Via::parse_value(&mut lexer) else {
        writer.octets(value);
        return None;
    };
    let (rest, params) = (lexer.rest(), via.params.raw());
    let own = value.len() - rest.len() - params.len();
    writer.octets(value.get(..own).unwrap_or_default());
    let mut iter = via.params.iter();
    let mut start = 0;
    while let Some(param) = iter.next() {
        let end = iter.pos();
        if !is_dropped(&param) {
            writer.octets(params.get(start..end).unwrap_or_default());
        }
        start = end;
    }
    Some(rest)
}
