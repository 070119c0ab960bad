//! Hosts and ports (RFC 3261 section 25.1, RFC 5118).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::class;
use super::error::{Fault, Rule, rule};
use super::lexer::Lexer;

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
        let start = lexer.pos();
        match address(lexer)? {
            Some(IpAddr::V4(ip)) => Ok(Host::V4(ip)),
            Some(IpAddr::V6(ip)) => Ok(Host::V6(ip)),
            None => match std::str::from_utf8(lexer.since(start)) {
                Ok(name) => Ok(Host::Name(name)),
                Err(_) => Err(Fault::new(start, HOST)),
            },
        }
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

const HOST: &Rule = rule!("a host", "RFC 3261 25.1");

/// Skips a host; gives its address, `None` when it is a name.
#[inline]
pub(crate) fn address(lexer: &mut Lexer<'_>) -> Result<Option<IpAddr>, Fault> {
    if lexer.peek() == Some(b'[') {
        return bracketed(lexer).map(|ip| Some(IpAddr::V6(ip)));
    }
    if let Some((ip, length)) = dotted(lexer.rest()) {
        lexer.advance(length);
        return Ok(Some(IpAddr::V4(ip)));
    }
    match lexer.take(class::HOST) {
        [] => Err(lexer.fault(HOST)),
        _ => Ok(None),
    }
}

/// A whole text that is an IPv4 address.
pub(crate) fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    dotted(text).filter(|(_, length)| *length == text.len()).map(|(ip, _)| ip)
}

/// Four numbers from 0 to 255 without leading zeros, between dots, where no more of a host follows; and how many octets they are.
fn dotted(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let (mut address, mut rest) = (0, text);
    for dots in 0..4 {
        let (octet, behind) = octet(rest)?;
        address = address << 8 | octet;
        rest = match behind {
            [b'.', behind @ ..] if dots < 3 => behind,
            [next, ..] if dots == 3 && !class::is(*next, class::HOST) => behind,
            [] if dots == 3 => behind,
            _ => return None,
        };
    }
    Some((Ipv4Addr::from(address), text.len() - rest.len()))
}

/// A number from 0 to 255 without leading zeros, and what stands behind it.
#[inline(always)]
fn octet(text: &[u8]) -> Option<(u32, &[u8])> {
    let digit = |at: usize| text.get(at).map(|octet| u32::from(octet.wrapping_sub(b'0'))).filter(|digit| *digit <= 9);
    let first = digit(0)?;
    let (number, digits) = match digit(1) {
        None => (first, 1),
        Some(second) => match digit(2) {
            None => (first * 10 + second, 2),
            Some(third) => (first * 100 + second * 10 + third, 3),
        },
    };
    let zero = first == 0 && digits > 1;
    if zero || number > 255 { None } else { text.get(digits..).map(|behind| (number, behind)) }
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
    let (mut port, mut digits) = (0_u32, 0);
    while let Some(digit) = lexer.rest().get(digits).map(|octet| octet.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        // Beyond five digits it stays too large, or there were zeros before it.
        port = port.saturating_mul(10).saturating_add(u32::from(digit));
        digits += 1;
    }
    match u16::try_from(port) {
        Ok(port) if digits > 0 => {
            lexer.advance(digits);
            Ok(Some(port))
        }
        _ => Err(lexer.fault(rule!("a port from 0 to 65535", "RFC 3261 25.1"))),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_25_1_ipv4_addresses_are_those_of_the_standard_library() {
        let texts = [
            "0.0.0.0",
            "255.255.255.255",
            "192.0.2.1",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.1.1.256",
            "01.1.1.1",
            "1.1.1.00",
            "1..1.1",
            "1.1.1.1.",
            "10.20.30.40",
            "1.2.3.4a",
            "999.1.1.1",
            "1.1.1.1000",
            "12345",
            "0.00.0.0",
            "100.010.1.1",
        ];
        for text in texts {
            let ip = text.parse().ok();
            assert_eq!(ipv4(text.as_bytes()), ip, "{text}");
            // Within a URI it ends where the host does.
            for behind in [":5060", ";lr", ">"] {
                let whole = format!("{text}{behind}");
                assert_eq!(dotted(whole.as_bytes()), ip.map(|ip| (ip, text.len())), "{whole}");
                assert_eq!(ipv4(whole.as_bytes()), None, "{whole}");
            }
        }
    }
}
