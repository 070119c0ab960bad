//! Responses made from the request they answer.

use std::net::IpAddr;

use bytes::Bytes;

use super::header::{Header, Via};
use super::headers::{Headers, RawHeader};
use super::lexer::Lexer;
use super::lines::Lines;
use super::writer::Writer;
use super::{Body, HeaderId, StatusCode};

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
    let mut writer = begin(request, code, reason, to_tag, received);
    writer.lines(lines);
    writer.finish(body)
}

/// The part of a response that its request decides: the status line and what is copied.
pub(crate) fn begin(
    request: &Headers,
    code: StatusCode,
    reason: Option<&str>,
    to_tag: Option<&str>,
    received: Option<(IpAddr, Option<u16>)>,
) -> Writer {
    let mut writer = Writer::response(code, reason);
    let mut unstamped = 0;
    if let (Some((ip, rport)), Some(via)) = (received, request.all(HeaderId::Via).next()) {
        stamp(&mut writer, via, ip, rport);
        unstamped = 1;
    }
    for line in request.lines_of(HeaderId::Via).skip(unstamped) {
        writer.octets(line).octets(b"\r\n");
    }
    let tag = to_tag.filter(|_| code != StatusCode::TRYING && request.to_tag().is_none());
    for id in [HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq] {
        let Some(line) = request.lines_of(id).next() else { continue };
        writer.octets(line);
        if let Some(tag) = tag.filter(|_| id == HeaderId::To) {
            writer.octets(b";tag=").text(tag);
        }
        writer.octets(b"\r\n");
    }
    if code == StatusCode::TRYING {
        for line in request.lines_of(HeaderId::Timestamp) {
            writer.octets(line).octets(b"\r\n");
        }
    }
    writer
}

/// Copies the top Via with `received` and `rport` set; the other Vias of the same line stay as they are.
fn stamp(writer: &mut Writer, header: RawHeader<'_>, ip: IpAddr, rport: Option<u16>) {
    let mut lexer = Lexer::new(header.value);
    let Ok(via) = Via::parse_value(&mut lexer) else {
        writer.raw(header);
        return;
    };
    let rest = lexer.rest();
    let own = header.value.len() - rest.len() - via.params.raw().len();
    writer.octets(b"Via: ").octets(header.value.get(..own).unwrap_or_default());
    for param in via.params.iter() {
        let replaced = param.name.eq_ignore_ascii_case("received")
            || (rport.is_some() && param.name.eq_ignore_ascii_case("rport"));
        if !replaced {
            writer.clean(format_args!("{}", super::params::Printed(param)));
        }
    }
    writer.clean(format_args!(";received={ip}"));
    if let Some(port) = rport {
        writer.clean(format_args!(";rport={port}"));
    }
    writer.octets(rest).octets(b"\r\n");
}
