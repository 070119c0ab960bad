//! Whole messages in canonical form.

use bytes::Bytes;

use super::headers::RawHeader;
use super::quoted::unfold_bytes;
use super::writer::Writer;
use super::{HeaderId, Message, typed};

/// See [`Message::print`].
pub(super) fn print(message: &Message) -> Bytes {
    let mut writer = match message {
        Message::Request(request) => Writer::request(request.method(), request.uri_text()),
        Message::Response(response) => Writer::status_line(response.code(), response.reason_bytes()),
    };
    let headers = message.headers();
    for header in headers.iter().filter(|header| header.id != HeaderId::ContentLength) {
        let name = if header.id == HeaderId::Other { header.name } else { header.id.name() };
        writer.octets(name.as_bytes()).octets(b": ").octets(&value(header)).octets(b"\r\n");
    }
    writer.line(HeaderId::ContentLength, headers.body().len());
    writer.octets(b"\r\n").octets(headers.body());
    writer.into_bytes()
}

fn value(header: RawHeader<'_>) -> Vec<u8> {
    match typed::canonical(header.id, header.value) {
        // A text that is not UTF-8 would lose octets.
        Some(text) if std::str::from_utf8(header.value).is_ok() => text.into_bytes(),
        _ => unfold_bytes(header.value).into_owned(),
    }
}
