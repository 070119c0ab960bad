//! What is inside the lines: one function per kind of line.

use super::lines::Line;
use crate::attribute::Attribute;
use crate::bandwidth::Bandwidth;
use crate::connection::{Address, Connection};
use crate::limits::Limits;
use crate::media::{Media, MediaKind, Protocol};
use crate::origin::{Number, Origin};
use crate::parse_error::{ParseError, ParseErrorKind};
use crate::text::{Text, Token};
use crate::time::{Repeat, TimeDescription, TypedTime, ZoneAdjustment, read_digits};

/// The fields of a line with their offsets in the value. Runs of spaces count as one, at the ends as none.
struct Fields<'a> {
    value: &'a str,
    at: usize,
}

impl<'a> Fields<'a> {
    fn new(line: &'a Line<'_>) -> Fields<'a> {
        Fields { value: &line.value, at: 0 }
    }

    /// The unread part, without spaces in front.
    fn rest(&mut self) -> &'a str {
        let rest = self.value.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start_matches(' ');
        self.at += rest.len() - trimmed.len();
        trimmed
    }
}

impl<'a> Iterator for Fields<'a> {
    /// Offset and text.
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<(usize, &'a str)> {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| byte == b' ').unwrap_or(rest.len());
        let field = rest.get(..end).filter(|field| !field.is_empty())?;
        let at = self.at;
        self.at += field.len();
        Some((at, field))
    }
}

/// The next field, read by `read`; the error names what was expected.
fn field<T>(
    line: &Line<'_>,
    fields: &mut Fields<'_>,
    read: impl FnOnce(&str) -> Option<T>,
    expected: &'static str,
    rule: &'static str,
) -> Result<T, ParseError> {
    let (at, text) = fields.next().unwrap_or((line.value.len(), ""));
    read(text).ok_or_else(|| line.malformed(at, expected, rule))
}

/// RFC 8866 section 5.1.
pub(super) fn version(line: &Line<'_>) -> Result<(), ParseError> {
    match line.value.trim_end() == "0" {
        true => Ok(()),
        false => Err(line.malformed(0, "version 0", "RFC 8866 section 5.1")),
    }
}

/// RFC 8866 section 5.2. The last five fields are fixed, so a user name with spaces can be told apart.
pub(super) fn origin(line: &Line<'_>) -> Result<Origin, ParseError> {
    const RULE: &str = "RFC 8866 section 5.2";
    let mut fields: Vec<(usize, &str)> = Vec::with_capacity(8);
    fields.extend(Fields::new(line));
    let Some((user, [id, version, network, kind, address])) = fields.split_last_chunk::<5>() else {
        return Err(line.malformed(0, "<username> <sess-id> <sess-version> <nettype> <addrtype> <address>", RULE));
    };
    let number =
        |field: &(usize, &str), expected| Number::read(field.1).ok_or_else(|| line.malformed(field.0, expected, RULE));
    let session_id = number(id, "digits as session id")?;
    let version = number(version, "digits as session version")?;
    let address = Address::read(network.1, kind.1, address.1)
        .ok_or_else(|| line.malformed(network.0, "IN IP4 or IN IP6 and an address", RULE))?;
    let username = username(user).unwrap_or_else(|| Text::literal("-"));
    Ok(Origin { username, session_id, version, address })
}

/// The words of a user name as one.
fn username(words: &[(usize, &str)]) -> Option<Text> {
    if let [(_, word)] = words
        && word.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Text::of_line(word);
    }
    let mut username = String::new();
    for (index, (_, word)) in words.iter().enumerate() {
        if index > 0 {
            username.push('_');
        }
        username.extend(word.chars().map(|c| if c.is_whitespace() { '_' } else { c }));
    }
    Text::of_line(&username)
}

/// The value as a whole; `None` when it is empty.
pub(super) fn text(line: &Line<'_>) -> Option<Text> {
    Text::of_line(&line.value)
}

/// RFC 8866 section 5.7.
pub(super) fn connection(line: &Line<'_>) -> Result<Connection, ParseError> {
    const RULE: &str = "RFC 8866 section 5.7";
    let mut fields = Fields::new(line);
    let network = field(line, &mut fields, |text| Token::new(text).ok(), "a network type such as IN", RULE)?;
    let kind = field(line, &mut fields, |text| Token::new(text).ok(), "an address type such as IP4", RULE)?;
    let place = |fields: &mut Fields<'_>| -> Option<Connection> {
        let address = fields.rest().trim_end_matches(' ');
        let (base, suffix) = address.split_once('/').unwrap_or((address, ""));
        match Address::read(&network, &kind, base)? {
            Address::Other { .. } => Some(Connection::from(Address::read(&network, &kind, address)?)),
            base if address.contains('/') => multicast(base, suffix),
            base => Some(Connection::from(base)),
        }
    };
    let found = place(&mut fields);
    found.ok_or_else(|| line.malformed(fields.at, "an address, with /ttl and /count only for multicast", RULE))
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
    while !fields.rest().is_empty() {
        offsets.push(field(line, &mut fields, TypedTime::read, "an offset such as 25h", RULE)?);
    }
    Ok(Repeat { interval, duration, offsets })
}

/// RFC 8866 section 5.11.
pub(super) fn zones(line: &Line<'_>) -> Result<Vec<ZoneAdjustment>, ParseError> {
    const RULE: &str = "RFC 8866 section 5.11";
    let mut fields = Fields::new(line);
    let mut zones = Vec::new();
    while zones.is_empty() || !fields.rest().is_empty() {
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
    let value: &str = &line.value;
    let colon = value.bytes().position(|byte| byte == b':').and_then(|colon| value.split_at_checked(colon));
    let (name, rest) = match colon {
        Some((name, rest)) => (name, rest.get(1..).unwrap_or_default()),
        // A property with spaces behind it is common, and means the property.
        None => (value.trim_end(), ""),
    };
    let name = Token::new(name).map_err(|_| line.malformed(0, "a token as attribute name", RULE))?;
    Ok(Attribute { name, value: Text::of_line(rest) })
}

/// RFC 8866 section 5.14.
pub(super) fn media(line: &Line<'_>, limits: &Limits) -> Result<Media, ParseError> {
    const RULE: &str = "RFC 8866 section 5.14";
    let mut fields = Fields::new(line);
    let kind = field(line, &mut fields, MediaKind::read, "a media type such as audio", RULE)?;
    let ports = |text: &str| -> Option<(u16, Option<u32>)> {
        let Some((port, count)) = text.split_once('/') else { return Some((read_digits(text)?, None)) };
        Some((read_digits(port)?, Some(read_digits::<u32>(count).filter(|count| *count > 0)?)))
    };
    let (port, port_count) = field(line, &mut fields, ports, "a port from 0 to 65535", RULE)?;
    let protocol = field(line, &mut fields, Protocol::new, "a transport such as RTP/AVP", RULE)?;
    let mut media = Media::new(kind, port, protocol);
    media.port_count = port_count;
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
