//! Prints messages.

use std::fmt;
use std::io::Write;

use bytes::Bytes;

use super::headers::RawHeader;
use super::lines::Lines;
use super::{Body, HeaderId, Method, StatusCode};

/// Prints one message: start line, header fields in the order of the calls, Content-Type and Content-Length last.
///
/// No line can be broken by what is printed: CR and LF (and NUL) of a value become blanks.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Begins a request.
    pub fn request(method: &Method, uri: &str) -> Writer {
        let mut writer = Writer { out: Vec::with_capacity(1_024) };
        writer.clean(format_args!("{method} {uri} SIP/2.0"));
        writer.out.extend_from_slice(b"\r\n");
        writer
    }

    /// Begins a response; without `reason` it has the default phrase.
    pub fn response(code: StatusCode, reason: Option<&str>) -> Writer {
        let mut writer = Writer { out: Vec::with_capacity(1_024) };
        writer.octets(b"SIP/2.0 ").number(usize::from(code.get())).octets(b" ");
        match reason {
            Some(reason) => writer.text(reason),
            None => writer.octets(code.default_reason().as_bytes()),
        };
        writer.octets(b"\r\n");
        writer
    }

    /// Begins a response with a reason phrase that need not be UTF-8 and came from a parsed one.
    pub(super) fn status_line(code: StatusCode, reason: &[u8]) -> Writer {
        let mut writer = Writer { out: Vec::with_capacity(1_024) };
        writer.clean(format_args!("SIP/2.0 {code} "));
        writer.octets(reason).octets(b"\r\n");
        writer
    }

    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from(self.out)
    }

    /// Adds a known header field.
    pub fn line(&mut self, id: HeaderId, value: impl fmt::Display) -> &mut Self {
        self.named(id.name(), value)
    }

    /// Adds a header field of any name.
    pub fn named(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        self.clean(format_args!("{name}: {value}"));
        self.octets(b"\r\n")
    }

    /// Adds a header field byte for byte as it was received, folds included.
    pub fn raw(&mut self, header: RawHeader<'_>) -> &mut Self {
        self.octets(header.line()).octets(b"\r\n")
    }

    /// Adds an application's lines.
    pub fn lines(&mut self, lines: &Lines) -> &mut Self {
        self.octets(lines.as_bytes())
    }

    /// Adds Content-Type and Content-Length, the empty line and the body.
    pub fn finish(mut self, body: Option<&Body>) -> Bytes {
        if let Some(body) = body {
            self.octets(b"Content-Type: ").text(&body.content_type).octets(b"\r\n");
        }
        let bytes = body.map(|body| body.bytes.as_ref()).unwrap_or_default();
        self.octets(b"Content-Length: ").number(bytes.len()).octets(b"\r\n\r\n").octets(bytes);
        Bytes::from(self.out)
    }

    pub(super) fn octets(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// Prints and replaces what would end the line.
    /// A header line whose value may hold control characters: they become blanks.
    pub(crate) fn value(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        self.octets(id.name().as_bytes()).octets(b": ");
        let start = self.out.len();
        self.octets(value.trim_ascii());
        for byte in self.out.iter_mut().skip(start).filter(|byte| byte.is_ascii_control()) {
            *byte = b' ';
        }
        self.octets(b"\r\n")
    }

    pub(super) fn clean(&mut self, text: fmt::Arguments<'_>) {
        let start = self.out.len();
        // Writing to a Vec cannot fail.
        let _ = self.out.write_fmt(text);
        self.clean_from(start);
    }

    /// The same for what is text already.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let start = self.out.len();
        self.octets(text.as_bytes());
        self.clean_from(start);
        self
    }

    /// A number in digits.
    fn number(&mut self, number: usize) -> &mut Self {
        let mut digits = [b'0'; 20];
        let (mut rest, mut first) = (number, digits.len() - 1);
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
            first = at;
            if rest == 0 {
                break;
            }
        }
        self.octets(digits.get(first..).unwrap_or_default())
    }

    fn clean_from(&mut self, start: usize) {
        for byte in self.out.iter_mut().skip(start) {
            if matches!(byte, b'\r' | b'\n' | 0) {
                *byte = b' ';
            }
        }
    }
}
