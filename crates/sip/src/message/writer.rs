//! Prints messages.

use std::fmt;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::headers::RawHeader;
use super::lines::Lines;
use super::{Body, HeaderId, Method, StatusCode, class};

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
        Writer::response_on(Vec::with_capacity(1_024), code, reason)
    }

    /// The same on a page that has been used before.
    pub(crate) fn response_on(mut page: Vec<u8>, code: StatusCode, reason: Option<&str>) -> Writer {
        page.clear();
        let mut writer = Writer { out: page };
        writer.octets(b"SIP/2.0 ").number(usize::from(code.get())).octets(b" ");
        match reason {
            Some(reason) => writer.text(reason.as_bytes()),
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

    /// The same on a page that has been used before.
    pub(super) fn status_on(mut page: Vec<u8>, code: StatusCode, reason: &[u8]) -> Writer {
        page.clear();
        let mut writer = Writer { out: page };
        writer.octets(b"SIP/2.0 ").number(usize::from(code.get())).octets(b" ").octets(reason).octets(b"\r\n");
        writer
    }

    /// What has been printed, to be used again.
    pub(crate) fn into_page(self) -> Vec<u8> {
        self.out
    }

    /// Begins with no start line.
    pub(crate) fn lines_only() -> Writer {
        Writer { out: Vec::new() }
    }

    /// What has been printed.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.out
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
    pub fn finish(self, body: Option<&Body>) -> Bytes {
        Bytes::from(self.finish_page(body))
    }

    /// The same, and the page comes back.
    pub(crate) fn finish_page(mut self, body: Option<&Body>) -> Vec<u8> {
        if let Some(body) = body {
            self.octets(b"Content-Type: ").text(body.content_type.as_bytes()).octets(b"\r\n");
        }
        let bytes = body.map(|body| body.bytes.as_ref()).unwrap_or_default();
        self.octets(b"Content-Length: ").number(bytes.len()).octets(b"\r\n\r\n").octets(bytes);
        self.out
    }

    pub(crate) fn octets(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// A header line whose value may hold control characters: they become blanks.
    pub(crate) fn value(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        self.octets(id.name().as_bytes()).octets(b": ");
        let start = self.out.len();
        self.octets(value.trim_ascii());
        class::blank_controls(self.out.get_mut(start..).unwrap_or_default());
        self.octets(b"\r\n")
    }

    /// Prints and replaces what would end the line.
    fn clean(&mut self, text: fmt::Arguments<'_>) {
        let start = self.out.len();
        // Writing to a Vec cannot fail.
        let _ = self.out.write_fmt(text);
        self.clean_from(start);
    }

    /// The same for what is text already.
    pub(crate) fn text(&mut self, text: &[u8]) -> &mut Self {
        let start = self.out.len();
        self.octets(text);
        self.clean_from(start);
        self
    }

    /// An address, IPv6 without brackets.
    pub(crate) fn ip(&mut self, ip: IpAddr) -> &mut Self {
        match ip {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets().map(usize::from);
                self.number(a).octets(b".").number(b).octets(b".").number(c).octets(b".").number(d)
            }
            IpAddr::V6(ip) => {
                // Writing to a Vec cannot fail.
                let _ = write!(self.out, "{ip}");
                self
            }
        }
    }

    /// An address as host and port (RFC 3261 section 25.1): brackets around IPv6, no scope id, which would be no host.
    pub(crate) fn host_port(&mut self, address: SocketAddr) -> &mut Self {
        match address.is_ipv6() {
            true => self.octets(b"[").ip(address.ip()).octets(b"]"),
            false => self.ip(address.ip()),
        };
        self.octets(b":").number(usize::from(address.port()))
    }

    /// A number in digits.
    pub(crate) fn number(&mut self, number: usize) -> &mut Self {
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
        let ends = |byte: u8| matches!(byte, b'\r' | b'\n' | 0);
        let text = self.out.get_mut(start..).unwrap_or_default();
        // The usual text has none: that is seen for many octets at once.
        if text.iter().fold(false, |any, byte| any | ends(*byte)) {
            text.iter_mut().filter(|byte| ends(**byte)).for_each(|byte| *byte = b' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_25_1_addresses_are_printed_as_hostport() {
        let printed = |address| {
            let mut writer = Writer::lines_only();
            writer.host_port(address);
            String::from_utf8(writer.out).expect("text")
        };
        for text in ["0.0.0.0:0", "192.0.2.1:5060", "255.255.255.255:65535", "10.9.99.100:10", "[2001:db8::1]:5061"] {
            assert_eq!(printed(text.parse().expect("an address")), text);
        }
        assert_eq!(printed("[fe80::1%3]:5060".parse().expect("an address")), "[fe80::1]:5060");
    }
}
