//! What is inside the lines: one function per kind of line.

use super::lines::Line;
use crate::attribute::Attribute;
use crate::bandwidth::Bandwidth;
use crate::connection::{Address, Connection};
use crate::limits::Limits;
use crate::media::{Media, MediaKind, Protocol};
use crate::origin::{Number, Origin};
use crate::parse_error::{ParseError, ParseErrorKind};
use crate::text::{Text, Token, cut, is_token};
use crate::time::{Repeat, TimeDescription, TypedTime, ZoneAdjustment, read_digits};

/// The fields of a line with their offsets in the value. Runs of spaces count as one, at the ends as none.
struct Fields<'a> {
    /// What is not read yet, without spaces at either end.
    rest: &'a str,
    /// Its offset in the value.
    at: usize,
}

impl<'a> Fields<'a> {
    fn new(line: &Line<'a>) -> Fields<'a> {
        let mut fields = Fields { rest: line.value, at: 0 };
        fields.trim_start();
        fields.trim_end();
        fields
    }

    fn trim_start(&mut self) {
        while let [b' ', ..] = self.rest.as_bytes() {
            self.rest = self.rest.get(1..).unwrap_or_default();
            self.at += 1;
        }
    }

    fn trim_end(&mut self) {
        while let [before @ .., b' '] = self.rest.as_bytes() {
            self.rest = self.rest.get(..before.len()).unwrap_or_default();
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    /// Offset and text.
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<(usize, &'a str)> {
        let end = self.rest.bytes().position(|byte| byte == b' ').unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at_checked(end).filter(|_| end > 0)?;
        let at = self.at;
        (self.rest, self.at) = (rest, at + end);
        self.trim_start();
        Some((at, field))
    }
}

impl<'a> DoubleEndedIterator for Fields<'a> {
    fn next_back(&mut self) -> Option<(usize, &'a str)> {
        let start = self.rest.bytes().rposition(|byte| byte == b' ').map_or(0, |space| space + 1);
        let (rest, field) = self.rest.split_at_checked(start).filter(|(_, field)| !field.is_empty())?;
        self.rest = rest;
        self.trim_end();
        Some((self.at + start, field))
    }
}

/// The next field, read by `read`; the error names what was expected.
fn field<'a, T>(
    line: &Line<'_>,
    fields: &mut Fields<'a>,
    read: impl FnOnce(&'a str) -> Option<T>,
    expected: &'static str,
    rule: &'static str,
) -> Result<T, ParseError> {
    let (at, text) = fields.next().unwrap_or((line.value.len(), ""));
    read(text).ok_or_else(|| line.malformed(at, expected, rule))
}

/// RFC 8866 section 5.1.
pub(super) fn version(line: &Line<'_>) -> Result<(), ParseError> {
    match line.value == "0" || line.value.trim_end() == "0" {
        true => Ok(()),
        false => Err(line.malformed(0, "version 0", "RFC 8866 section 5.1")),
    }
}

/// RFC 8866 section 5.2. The last five fields are fixed, so a user name with spaces can be told apart.
pub(super) fn origin(line: &Line<'_>) -> Result<Origin, ParseError> {
    const RULE: &str = "RFC 8866 section 5.2";
    let mut fields = Fields::new(line);
    let mut last = || fields.next_back();
    let (Some(address), Some(kind), Some(network), Some(version), Some(id)) = (last(), last(), last(), last(), last())
    else {
        return Err(line.malformed(0, "<username> <sess-id> <sess-version> <nettype> <addrtype> <address>", RULE));
    };
    let number =
        |field: (usize, &str), expected| Number::read(field.1).ok_or_else(|| line.malformed(field.0, expected, RULE));
    let session_id = number(id, "digits as session id")?;
    let version = number(version, "digits as session version")?;
    let address = Address::read(network.1, kind.1, address.1)
        .ok_or_else(|| line.malformed(network.0, "IN IP4 or IN IP6 and an address", RULE))?;
    Ok(Origin { username: username(fields.rest), session_id, version, address })
}

/// The words of a user name as one.
fn username(words: &str) -> Text {
    if words.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Text::of_line(words).unwrap_or_else(|| Text::literal("-"));
    }
    let words = words.split(' ').filter(|word| !word.is_empty());
    let mut username = String::new();
    for word in words {
        username.push_str(if username.is_empty() { "" } else { "_" });
        username.extend(word.chars().map(|c| if c.is_whitespace() { '_' } else { c }));
    }
    Text::of_line(&username).unwrap_or_else(|| Text::literal("-"))
}

/// The value as a whole; `None` when it is empty.
pub(super) fn text(line: &Line<'_>) -> Option<Text> {
    Text::of_line(line.value)
}

/// RFC 8866 section 5.7.
pub(super) fn connection(line: &Line<'_>) -> Result<Connection, ParseError> {
    const RULE: &str = "RFC 8866 section 5.7";
    let mut fields = Fields::new(line);
    let token = |text| is_token(text).then_some(text);
    let network = field(line, &mut fields, token, "a network type such as IN", RULE)?;
    let kind = field(line, &mut fields, token, "an address type such as IP4", RULE)?;
    let read = |address| Address::read(network, kind, address);
    let place = || match cut(fields.rest, b'/') {
        None => read(fields.rest).map(Connection::from),
        Some((base, suffix)) => match read(base)? {
            Address::Other { .. } => read(fields.rest).map(Connection::from),
            base => multicast(base, suffix),
        },
    };
    place().ok_or_else(|| line.malformed(fields.at, "an address, with /ttl and /count only for multicast", RULE))
}

/// The same in the session section, where several addresses have no place.
pub(super) fn session_connection(line: &Line<'_>) -> Result<Connection, ParseError> {
    let connection = connection(line)?;
    match connection.count {
        None => Ok(connection),
        Some(_) => Err(line.malformed(0, "one address at session level", "RFC 8866 section 5.7")),
    }
}

/// `group/ttl/count` for IPv4, `group/count` for IPv6.
fn multicast(address: Address, suffix: &str) -> Option<Connection> {
    let positive = |text: &str| read_digits::<u32>(text).filter(|count| *count > 0);
    let (ttl, count) = match (address.ip()?, suffix.split_once('/')) {
        (std::net::IpAddr::V4(_), None) => (Some(read_digits::<u8>(suffix)?), None),
        (std::net::IpAddr::V4(_), Some((ttl, count))) => (Some(read_digits::<u8>(ttl)?), Some(positive(count)?)),
        (std::net::IpAddr::V6(_), None) => (None, Some(positive(suffix)?)),
        (std::net::IpAddr::V6(_), Some(_)) => return None,
    };
    address.is_multicast().then_some(Connection { address, ttl, count })
}

/// RFC 8866 section 5.8.
pub(super) fn bandwidth(line: &Line<'_>) -> Result<Bandwidth, ParseError> {
    let read = || -> Option<Bandwidth> {
        let (kind, value) = line.value.split_once(':')?;
        Some(Bandwidth { kind: Token::new(kind.trim()).ok()?, value: read_digits(value.trim())? })
    };
    read().ok_or_else(|| line.malformed(0, "<bwtype>:<digits>", "RFC 8866 section 5.8"))
}

/// RFC 8866 section 5.9.
pub(super) fn time(line: &Line<'_>) -> Result<TimeDescription, ParseError> {
    const RULE: &str = "RFC 8866 section 5.9";
    let mut fields = Fields::new(line);
    let start = field(line, &mut fields, read_digits, "seconds since 1900 as start, or 0", RULE)?;
    let stop = field(line, &mut fields, read_digits, "seconds since 1900 as stop, or 0", RULE)?;
    end(line, fields, RULE)?;
    Ok(TimeDescription { start, stop, ..TimeDescription::default() })
}

/// RFC 8866 section 5.10.
pub(super) fn repeat(line: &Line<'_>) -> Result<Repeat, ParseError> {
    const RULE: &str = "RFC 8866 section 5.10";
    let mut fields = Fields::new(line);
    let interval = field(line, &mut fields, TypedTime::read, "an interval such as 7d", RULE)?;
    let duration = field(line, &mut fields, TypedTime::read, "a duration such as 1h", RULE)?;
    let mut offsets = vec![field(line, &mut fields, TypedTime::read, "at least one offset such as 0", RULE)?];
    while !fields.rest.is_empty() {
        offsets.push(field(line, &mut fields, TypedTime::read, "an offset such as 25h", RULE)?);
    }
    Ok(Repeat { interval, duration, offsets })
}

/// RFC 8866 section 5.11.
pub(super) fn zones(line: &Line<'_>) -> Result<Vec<ZoneAdjustment>, ParseError> {
    const RULE: &str = "RFC 8866 section 5.11";
    let mut fields = Fields::new(line);
    let mut zones = Vec::new();
    while zones.is_empty() || !fields.rest.is_empty() {
        let at = field(line, &mut fields, read_digits, "seconds since 1900 as adjustment time", RULE)?;
        let signed = |text: &str| {
            let digits = text.strip_prefix('-');
            Some((digits.is_some(), TypedTime::read(digits.unwrap_or(text))?))
        };
        let (back, offset) = field(line, &mut fields, signed, "an offset such as -1h", RULE)?;
        zones.push(ZoneAdjustment { at, back, offset });
    }
    Ok(zones)
}

/// RFC 8866 section 5.13.
pub(super) fn attribute(line: &Line<'_>) -> Result<Attribute, ParseError> {
    const RULE: &str = "RFC 8866 section 5.13";
    let value = line.value;
    // A property with spaces behind it is common, and means the property.
    let (name, rest) = cut(value, b':').unwrap_or_else(|| (value.trim_end(), ""));
    let name = Token::new(name).map_err(|_| line.malformed(0, "a token as attribute name", RULE))?;
    Ok(Attribute { name, value: Text::of_line(rest) })
}

/// RFC 8866 section 5.14.
pub(super) fn media(line: &Line<'_>, limits: &Limits) -> Result<Media, ParseError> {
    const RULE: &str = "RFC 8866 section 5.14";
    let mut fields = Fields::new(line);
    let kind = field(line, &mut fields, MediaKind::read, "a media type such as audio", RULE)?;
    let ports = |text: &str| -> Option<(u16, Option<u32>)> {
        let Some((port, count)) = cut(text, b'/') else { return Some((read_digits(text)?, None)) };
        Some((read_digits(port)?, Some(read_digits::<u32>(count).filter(|count| *count > 0)?)))
    };
    let (port, port_count) = field(line, &mut fields, ports, "a port from 0 to 65535", RULE)?;
    let protocol = field(line, &mut fields, Protocol::new, "a transport such as RTP/AVP", RULE)?;
    let mut media = Media::with_formats(kind, port, protocol, Vec::with_capacity(4));
    media.port_count = port_count;
    media.attributes.reserve(4);
    for (at, format) in fields {
        if media.formats.len() >= limits.formats {
            let kind = ParseErrorKind::TooLarge(limits.formats);
            return Err(line.error(kind, "fewer formats in one m= line", "Limits::formats"));
        }
        media.formats.push(Token::new(format).map_err(|_| line.malformed(at, "a token as format", RULE))?);
    }
    if media.formats.is_empty() {
        if !media.is_rejected() {
            return Err(line.malformed(line.value.len(), "at least one format", RULE));
        }
        media.formats.push(Token::literal("0"));
    }
    Ok(media)
}

fn end(line: &Line<'_>, mut fields: Fields<'_>, rule: &'static str) -> Result<(), ParseError> {
    match fields.next() {
        None => Ok(()),
        Some((at, _)) => Err(line.malformed(at, "the end of the line", rule)),
    }
}
