//! Hosts and ports (RFC 3261 section 25.1, RFC 5118).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::class;
use super::error::{Fault, rule};
use super::lexer::{Lexer, decimal};

/// A host name or address.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// A name, as written.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; written in brackets.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// Reads a whole text: `example.com`, `192.0.2.1`, `[2001:db8::1]`.
    pub fn parse(text: &'a str) -> Result<Host<'a>, Fault> {
        let mut lexer = Lexer::new(text.as_bytes());
        let host = Host::read(&mut lexer)?;
        lexer.end()?;
        Ok(host)
    }

    /// Reads a host and stops behind it.
    pub(crate) fn read(lexer: &mut Lexer<'a>) -> Result<Host<'a>, Fault> {
        if lexer.peek() == Some(b'[') {
            return bracketed(lexer).map(Host::V6);
        }
        let text = lexer.text(class::HOST, rule!("a host", "RFC 3261 25.1"))?;
        Ok(match text.as_bytes() {
            [b'0'..=b'9', .., b'0'..=b'9'] => text.parse().map_or(Host::Name(text), Host::V4),
            _ => Host::Name(text),
        })
    }

    /// The address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::V4(ip) => Some(IpAddr::V4(*ip)),
            Host::V6(ip) => Some(IpAddr::V6(*ip)),
        }
    }

    /// The name, when it is one.
    pub fn name(&self) -> Option<&'a str> {
        match self {
            Host::Name(name) => Some(name),
            _ => None,
        }
    }
}

/// `[...]`. Three colons in a row, a slip of the grammar of RFC 3261, mean two (RFC 5118 section 4.10).
fn bracketed(lexer: &mut Lexer<'_>) -> Result<Ipv6Addr, Fault> {
    let start = lexer.pos();
    let bad = Fault { byte: start as u32, rule: rule!("an IPv6 address in brackets", "RFC 3261 25.1") };
    let rest = lexer.rest();
    let close = rest.iter().take(64).position(|byte| *byte == b']').ok_or(bad)?;
    let inner = rest.get(1..close).and_then(|inner| std::str::from_utf8(inner).ok()).ok_or(bad)?;
    lexer.advance(close + 1);
    match inner.parse() {
        Ok(ip) => Ok(ip),
        Err(_) if inner.contains(":::") && !inner.contains("::::") => {
            inner.replacen(":::", "::", 1).parse().map_err(|_| bad)
        }
        Err(_) => Err(bad),
    }
}

/// Reads `[ COLON port ]`, with white space around the colon where `lws` says so (Via).
pub(crate) fn port(lexer: &mut Lexer<'_>, lws: bool) -> Result<Option<u16>, Fault> {
    let colon = if lws { lexer.separator(b':') } else { lexer.eat(b':') };
    if !colon {
        return Ok(None);
    }
    let start = lexer.pos();
    let digits = lexer.take(class::DIGIT);
    match decimal(digits).and_then(|port| u16::try_from(port).ok()) {
        Some(port) => Ok(Some(port)),
        None => Err(Fault::new(start, rule!("a port from 0 to 65535", "RFC 3261 25.1"))),
    }
}

impl PartialEq for Host<'_> {
    /// Names compare without regard to case (RFC 3261 section 19.1.4).
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a.ip().is_some() && a.ip() == b.ip(),
        }
    }
}

impl Eq for Host<'_> {}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(ip) => ip.fmt(f),
            Host::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}
