//! Splits a URI and checks its grammar.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::class;
use super::super::error::{Fault, Rule, rule};
use super::super::host;
use super::super::lexer::Lexer;
use super::super::scan;
use super::Scheme;

/// A range of the text; start 0 means absent, since no part but the scheme starts there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn new(start: usize, end: usize) -> Span {
        Span { start: start as u16, end: end as u16 }
    }
    pub(super) fn of<'a>(&self, text: &'a str) -> Option<&'a str> {
        if self.start == 0 { None } else { text.get(usize::from(self.start)..usize::from(self.end)) }
    }
}

/// The kind of host.
#[derive(Clone, Copy, Debug)]
pub(super) enum Address {
    Name,
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// Where the parts of a URI stand in its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) scheme: Scheme,
    pub(super) scheme_end: u16,
    pub(super) user: Span,
    pub(super) password: Span,
    pub(super) host: Span,
    pub(super) address: Address,
    pub(super) port: Option<u16>,
    /// From the first semicolon on.
    pub(super) params: Span,
    /// Behind the question mark.
    pub(super) headers: Span,
}

impl Layout {
    pub(super) fn parse(text: &str) -> Result<Layout, Fault> {
        if text.len() > usize::from(u16::MAX) {
            return Err(Fault::new(usize::from(u16::MAX), rule!("a URI of at most 65,535 octets", "RFC 3261 21.4.12")));
        }
        let mut lexer = Lexer::new(text.as_bytes());
        let scheme = scheme(&mut lexer)?;
        let mut layout = Layout {
            scheme,
            scheme_end: lexer.pos() as u16,
            user: Span::default(),
            password: Span::default(),
            host: Span::default(),
            address: Address::Name,
            port: None,
            params: Span::default(),
            headers: Span::default(),
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => layout.sip(&mut lexer)?,
            Scheme::Tel => layout.tel(&mut lexer)?,
            Scheme::Other => layout.other(&mut lexer)?,
        }
        match lexer.at_end() {
            true => Ok(layout),
            false => Err(lexer.fault(rule!("the end of the URI", "RFC 3261 25.1"))),
        }
    }

    fn sip(&mut self, lexer: &mut Lexer<'_>) -> Result<(), Fault> {
        if scan::find(lexer.rest(), b'@').is_some() {
            self.userinfo(lexer)?;
        }
        let start = lexer.pos();
        self.address = match host::address(lexer)? {
            None => Address::Name,
            Some(IpAddr::V4(ip)) => Address::V4(ip),
            Some(IpAddr::V6(ip)) => Address::V6(ip),
        };
        self.host = Span::new(start, lexer.pos());
        self.port = host::port(lexer, false)?;
        self.parameters(lexer)?;
        let start = lexer.pos() + 1;
        if lexer.eat(b'?') {
            loop {
                let name = escaped(lexer, class::HEADER)?;
                if name == 0 || !lexer.eat(b'=') {
                    return Err(lexer.fault(rule!("a URI header name and =", "RFC 3261 25.1")));
                }
                escaped(lexer, class::HEADER)?;
                if !lexer.eat(b'&') {
                    break;
                }
            }
            self.headers = Span::new(start, lexer.pos());
        }
        Ok(())
    }

    fn userinfo(&mut self, lexer: &mut Lexer<'_>) -> Result<(), Fault> {
        let start = lexer.pos();
        if escaped(lexer, class::USER)? == 0 {
            return Err(lexer.fault(rule!("a user before @", "RFC 3261 25.1")));
        }
        self.user = Span::new(start, lexer.pos());
        if lexer.eat(b':') {
            let start = lexer.pos();
            escaped(lexer, class::PASSWORD)?;
            self.password = Span::new(start, lexer.pos());
        }
        match lexer.eat(b'@') {
            true => Ok(()),
            false => Err(lexer.fault(rule!("@ behind the user", "RFC 3261 25.1"))),
        }
    }

    fn parameters(&mut self, lexer: &mut Lexer<'_>) -> Result<(), Fault> {
        let start = lexer.pos();
        while lexer.eat(b';') {
            if escaped(lexer, class::PARAM)? == 0 {
                return Err(lexer.fault(rule!("a URI parameter name", "RFC 3261 25.1")));
            }
            if lexer.eat(b'=') && escaped(lexer, class::PARAM)? == 0 {
                return Err(lexer.fault(rule!("a URI parameter value", "RFC 3261 25.1")));
            }
        }
        if lexer.pos() > start {
            self.params = Span::new(start, lexer.pos());
        }
        Ok(())
    }

    /// RFC 3966 section 3. A local number without `phone-context` is accepted, since telephones send it.
    fn tel(&mut self, lexer: &mut Lexer<'_>) -> Result<(), Fault> {
        let start = lexer.pos();
        let global = lexer.eat(b'+');
        let mut digits = 0;
        while let Some(byte) = lexer.peek() {
            match byte {
                b'0'..=b'9' => digits += 1,
                b'-' | b'.' | b'(' | b')' => {}
                b'*' | b'#' | b'a'..=b'f' | b'A'..=b'F' if !global => digits += 1,
                _ => break,
            }
            lexer.advance(1);
        }
        if digits == 0 {
            return Err(Fault::new(start, rule!("a telephone number", "RFC 3966 3")));
        }
        self.user = Span::new(start, lexer.pos());
        self.parameters(lexer)
    }

    fn other(&mut self, lexer: &mut Lexer<'_>) -> Result<(), Fault> {
        match escaped(lexer, class::URIC)? {
            0 => Err(lexer.fault(rule!("something behind the scheme", "RFC 3986 3"))),
            _ => Ok(()),
        }
    }
}

fn scheme(lexer: &mut Lexer<'_>) -> Result<Scheme, Fault> {
    const SCHEME: &Rule = rule!("a URI scheme and a colon", "RFC 3261 25.1");
    let rest = lexer.rest();
    let known = |name: &[u8]| rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let (scheme, length) = if known(b"sip:") {
        (Scheme::Sip, 4)
    } else if known(b"sips:") {
        (Scheme::Sips, 5)
    } else if known(b"tel:") {
        (Scheme::Tel, 4)
    } else {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let name = rest.iter().position(|byte| !legal(*byte)).unwrap_or(rest.len());
        if !rest.first().is_some_and(u8::is_ascii_alphabetic) || rest.get(name) != Some(&b':') {
            return Err(Fault::new(name, SCHEME));
        }
        (Scheme::Other, name + 1)
    };
    lexer.advance(length);
    Ok(scheme)
}

/// Takes octets of `classes` and escapes `%XX`; gives how many octets.
#[inline]
fn escaped(lexer: &mut Lexer<'_>, classes: u16) -> Result<usize, Fault> {
    let start = lexer.pos();
    loop {
        lexer.take(classes);
        if lexer.peek() != Some(b'%') {
            return Ok(lexer.pos() - start);
        }
        match lexer.rest() {
            [_, a, b, ..] if class::is(*a, class::HEX) && class::is(*b, class::HEX) => lexer.advance(3),
            _ => return Err(lexer.fault(rule!("two hexadecimal digits behind %", "RFC 3261 25.1"))),
        }
    }
}
