//! The fields that route a message to its transaction and dialog, found in the first pass (RFC 3261 sections 17.1.3, 17.2.3, 12.2).

use super::class;
use super::error::{Fault, rule};
use super::header::CSeq;
use super::lexer::Lexer;
use super::{Method, host, scan};

/// A range of the message; start 0 means absent, since the start line stands there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) end: u16,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u16, end: end as u16 }
    }
    pub(super) fn is_some(self) -> bool {
        self.start != 0
    }
    pub(super) fn bytes(self, message: &[u8]) -> &[u8] {
        message.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }
    pub(super) fn text(self, message: &[u8]) -> &str {
        std::str::from_utf8(self.bytes(message)).unwrap_or("")
    }
    pub(super) fn option(self, message: &[u8]) -> Option<&str> {
        self.is_some().then(|| self.text(message))
    }
}

/// The keys of one message.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) call_id: Span,
    pub(super) from_tag: Span,
    pub(super) to_tag: Span,
    pub(super) branch: Span,
    pub(super) sent_by: Span,
    /// Whether the top Via is written as nearly all are: see [`super::usual::via`].
    pub(super) usual_via: bool,
    /// Its `;rport`; known of a usual one only.
    pub(super) rport: Span,
    pub(super) cseq: CSeq,
}

impl Keys {
    pub(super) fn new() -> Keys {
        let none = Span::default();
        let cseq = CSeq { number: 0, method: Method::Invite };
        Keys {
            call_id: none,
            from_tag: none,
            to_tag: none,
            branch: none,
            sent_by: none,
            usual_via: false,
            rport: none,
            cseq,
        }
    }
}

/// The tag of a From or To value starting at `base`. Checks brackets, quotes and parameters; the URI is left to the typed reader.
pub(super) fn tag(value: &[u8], base: usize) -> Result<Span, Fault> {
    let mut lexer = Lexer::new(value);
    name_addr(&mut lexer)?;
    let tag = params(&mut lexer, b"tag", base)?;
    lexer.end()?;
    Ok(tag)
}

/// Skips `[ display-name ] < ... >` or an addr-spec, which ends at its first semicolon (RFC 3261 section 20).
fn name_addr(lexer: &mut Lexer<'_>) -> Result<(), Fault> {
    if lexer.peek() == Some(b'"') {
        lexer.quoted()?;
        lexer.skip_lws();
        if lexer.peek() != Some(b'<') {
            return Err(lexer.fault(rule!("< behind the display name", "RFC 3261 25.1")));
        }
    }
    let rest = lexer.rest();
    let stop = rest.iter().position(|byte| matches!(byte, b'<' | b';' | b'"' | b',' | b'>')).unwrap_or(rest.len());
    lexer.advance(stop);
    match rest.get(stop) {
        Some(b'<') => {
            let rest = lexer.rest();
            let Some(close) = scan::find(rest, b'>') else {
                return Err(lexer.fault(rule!("> behind the URI", "RFC 3261 25.1")));
            };
            lexer.advance(close + 1);
            Ok(())
        }
        Some(b';') | None if stop > 0 => Ok(()),
        _ => Err(lexer.fault(rule!("a name-addr or addr-spec", "RFC 3261 25.1"))),
    }
}

/// Checks the parameters and gives the value of the first one of this name, absent when that has none or a quoted one.
#[inline(always)]
fn params(lexer: &mut Lexer<'_>, wanted: &[u8], base: usize) -> Result<Span, Fault> {
    let (mut found, mut seen) = (Span::default(), false);
    while lexer.separator(b';') {
        let name = lexer.take(class::TOKEN);
        if name.is_empty() {
            return Err(lexer.fault(rule!("a parameter name", "RFC 3261 25.1")));
        }
        let first = !seen && name.eq_ignore_ascii_case(wanted);
        seen |= first;
        if !lexer.separator(b'=') {
            continue;
        }
        if lexer.peek() == Some(b'"') {
            lexer.quoted()?;
            continue;
        }
        let start = lexer.pos();
        if lexer.take(class::VALUE).is_empty() {
            return Err(lexer.fault(rule!("a parameter value", "RFC 3261 25.1")));
        }
        if first {
            found = Span::new(base + start, base + lexer.pos());
        }
    }
    Ok(found)
}

/// Finds sent-by and branch of the first Via of a value starting at `base`. A sent-by is kept when what follows it cannot be read: a
/// refusal can still be sent there.
pub(super) fn via(value: &[u8], base: usize, keys: &mut Keys) -> Result<(), Fault> {
    let mut lexer = Lexer::new(value);
    // Hardly anybody writes it otherwise.
    let usual = value.starts_with(b"SIP/2.0/");
    lexer.advance(if usual { 8 } else { 0 });
    lexer.skip_lws();
    for part in if usual { 2..3 } else { 0..3 } {
        if lexer.take(class::TOKEN).is_empty() {
            return Err(lexer.fault(rule!("protocol/version/transport", "RFC 3261 20.42")));
        }
        if part < 2 && !lexer.separator(b'/') {
            return Err(lexer.fault(rule!("/", "RFC 3261 20.42")));
        }
    }
    let before = lexer.pos();
    lexer.skip_lws();
    if lexer.pos() == before {
        return Err(lexer.fault(rule!("white space before sent-by", "RFC 3261 20.42")));
    }
    let start = lexer.pos();
    // Whether it is an address is for the typed reader to see.
    if lexer.peek() == Some(b'[') {
        host::Host::read(&mut lexer)?;
    } else if lexer.take(class::HOST).is_empty() {
        return Err(lexer.fault(rule!("a host", "RFC 3261 25.1")));
    }
    if lexer.separator(b':') && lexer.take(class::DIGIT).is_empty() {
        return Err(lexer.fault(rule!("a port", "RFC 3261 25.1")));
    }
    keys.sent_by = Span::new(base + start, base + lexer.pos());
    keys.branch = params(&mut lexer, b"branch", base)?;
    lexer.skip_lws();
    match lexer.peek() {
        None | Some(b',') => Ok(()),
        Some(_) => Err(lexer.fault(rule!("a comma or the end", "RFC 3261 20.42"))),
    }
}

/// A Call-ID. The grammar is `word [ "@" word ]`; any printable ASCII without blanks is taken, since it is only ever compared.
pub(super) fn call_id(value: &[u8]) -> Result<(), Fault> {
    match scan::is_printable(value) {
        true => Ok(()),
        false => {
            let at = value.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(0);
            Err(Fault::new(at, rule!("a Call-ID", "RFC 3261 20.8")))
        }
    }
}
