//! Addresses: `[ display-name ] <URI> *( ;param )`, or a bare URI (RFC 3261 sections 20.10 and 25.1).

use std::borrow::Cow;
use std::fmt;

use crate::message::class;
use crate::message::error::rule;
use crate::message::scan;
use crate::message::quoted::unfold;
use crate::message::{Fault, Lexer, Params, Quote, Quoted, Uri};

/// An address with display name and parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// What a person sees.
    pub display: Option<DisplayName<'a>>,
    /// The URI. A bare one ends at its first semicolon: what follows are parameters of the header field.
    pub uri: Uri<'a>,
    /// The parameters of the header field.
    pub params: Params<'a>,
}

/// A display name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisplayName<'a> {
    /// Tokens and the blanks between them.
    Tokens(&'a str),
    /// A quoted string.
    Quoted(Quoted<'a>),
}

impl<'a> DisplayName<'a> {
    /// The name meant, quotes and escapes removed.
    pub fn text(&self) -> Cow<'a, str> {
        match self {
            DisplayName::Tokens(text) => unfold(text.as_bytes()),
            DisplayName::Quoted(quoted) => quoted.text(),
        }
    }
}

impl fmt::Display for DisplayName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quote(&self.text()).fmt(f)
    }
}

impl<'a> NameAddr<'a> {
    /// Reads a text such as `"Bob" <sip:bob@example.com>;tag=1`, a bare URI included.
    pub fn parse(text: &'a str) -> Result<NameAddr<'a>, Fault> {
        let mut lexer = Lexer::new(text.as_bytes());
        lexer.skip_lws();
        let address = NameAddr::read(&mut lexer, true)?;
        lexer.end()?;
        Ok(address)
    }

    /// Reads an address and stops behind its parameters; `bare` allows an addr-spec.
    pub(crate) fn read(lexer: &mut Lexer<'a>, bare: bool) -> Result<NameAddr<'a>, Fault> {
        let (display, uri) = match lexer.peek() {
            Some(b'<') => (None, bracketed_uri(lexer)?),
            Some(b'"') => {
                let quoted = lexer.quoted()?;
                lexer.skip_lws();
                (Some(DisplayName::Quoted(quoted)), bracketed_uri(lexer)?)
            }
            _ => NameAddr::tokens_or_bare(lexer, bare)?,
        };
        Ok(NameAddr { display, uri, params: Params::parse(lexer)? })
    }

    /// Tokens before an angle bracket are a display name; without a bracket it is a bare URI.
    fn tokens_or_bare(lexer: &mut Lexer<'a>, bare: bool) -> Result<(Option<DisplayName<'a>>, Uri<'a>), Fault> {
        let start = lexer.pos();
        let mut end = start;
        while !lexer.take(class::TOKEN).is_empty() {
            end = lexer.pos();
            lexer.skip_lws();
        }
        if lexer.peek() == Some(b'<') {
            let taken = lexer.since(start).get(..end - start).unwrap_or_default();
            let name = std::str::from_utf8(taken).unwrap_or("");
            return Ok((Some(DisplayName::Tokens(name)), bracketed_uri(lexer)?));
        }
        if !bare || end == start {
            return Err(lexer.fault(rule!("a URI in angle brackets", "RFC 3261 25.1")));
        }
        lexer.rewind(start);
        bare_uri(lexer).map(|uri| (None, uri))
    }

    /// The value of a parameter that is a token.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.token(name)
    }
}

/// Reads `<URI>`; no white space is allowed inside (RFC 4475 section 3.1.2.14).
#[inline]
pub(super) fn bracketed_uri<'a>(lexer: &mut Lexer<'a>) -> Result<Uri<'a>, Fault> {
    if !lexer.eat(b'<') {
        return Err(lexer.fault(rule!("<", "RFC 3261 25.1")));
    }
    let start = lexer.pos();
    let rest = lexer.rest();
    let Some(length) = scan::find(rest, b'>') else {
        return Err(lexer.fault(rule!("> behind the URI", "RFC 3261 25.1")));
    };
    let uri = uri(rest.get(..length).unwrap_or_default(), start)?;
    lexer.advance(length + 1);
    Ok(uri)
}

/// Reads a URI without brackets: it ends at a semicolon, comma or blank, and must not hold a question mark (section 20.10).
fn bare_uri<'a>(lexer: &mut Lexer<'a>) -> Result<Uri<'a>, Fault> {
    let start = lexer.pos();
    let rest = lexer.rest();
    let ends = |byte: &u8| matches!(byte, b';' | b',' | b' ' | b'\t' | b'\r' | b'\n' | b'?');
    let length = rest.iter().position(ends).unwrap_or(rest.len());
    if rest.get(length) == Some(&b'?') {
        lexer.advance(length);
        return Err(lexer.fault(rule!("angle brackets around a URI with ?", "RFC 3261 20.10")));
    }
    let uri = uri(rest.get(..length).unwrap_or_default(), start)?;
    lexer.advance(length);
    Ok(uri)
}

#[inline]
fn uri(bytes: &[u8], start: usize) -> Result<Uri<'_>, Fault> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Fault::new(start, rule!("a URI in ASCII", "RFC 3261 25.1")));
    };
    Uri::parse(text).map_err(|fault| fault.shifted(start))
}

impl fmt::Display for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{display} ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}
