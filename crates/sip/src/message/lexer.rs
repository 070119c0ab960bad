//! A cursor over the value of one header field.

use super::class;
use super::error::{Fault, Rule, rule};
use super::quoted::Quoted;

/// A cursor over the octets of a value, folds included (RFC 3261 section 7.3.1).
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl<'a> Lexer<'a> {
    /// Starts at the first octet.
    pub fn new(bytes: &'a [u8]) -> Self {
        Lexer { bytes, pos: 0 }
    }

    /// Octets read so far.
    #[inline]
    pub fn pos(&self) -> usize {
        self.pos
    }

    /// The next octet.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    /// What is left.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.pos..).unwrap_or_default()
    }

    /// True when nothing is left.
    #[inline]
    pub fn at_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    /// The octets from `start` to the cursor.
    #[inline]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.pos).unwrap_or_default()
    }

    /// Goes forward by `count` octets, to the end at most.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        self.pos = self.pos.saturating_add(count).min(self.bytes.len());
    }

    /// Goes back to a place where the cursor has been.
    pub(crate) fn rewind(&mut self, pos: usize) {
        self.pos = self.pos.min(pos);
    }

    /// A fault here.
    #[cold]
    pub fn fault(&self, rule: &'static Rule) -> Fault {
        Fault::new(self.pos, rule)
    }

    /// Skips linear white space (RFC 3261 section 25.1, SWS).
    #[inline]
    pub fn skip_lws(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.pos += 1;
        }
    }

    /// Takes `byte` when it is next.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    /// Takes a separator with the white space around it; takes nothing when it is not next.
    #[inline]
    pub fn separator(&mut self, byte: u8) -> bool {
        let start = self.pos;
        self.skip_lws();
        if self.eat(byte) {
            self.skip_lws();
            true
        } else {
            self.pos = start;
            false
        }
    }

    /// Takes octets of `classes`, possibly none.
    #[inline]
    pub(crate) fn take(&mut self, classes: u16) -> &'a [u8] {
        let rest = self.rest();
        let count = class::prefix(rest, classes);
        self.pos += count;
        rest.get(..count).unwrap_or_default()
    }

    /// Takes at least one octet of `classes`, all of them ASCII.
    #[inline]
    pub(crate) fn text(&mut self, classes: u16, rule: &'static Rule) -> Result<&'a str, Fault> {
        let start = self.pos;
        let taken = self.take(classes);
        match std::str::from_utf8(taken) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(Fault::new(start, rule)),
        }
    }

    /// A token (RFC 3261 section 25.1).
    #[inline]
    pub fn token(&mut self) -> Result<&'a str, Fault> {
        self.text(class::TOKEN, rule!("a token", "RFC 3261 25.1"))
    }

    /// A quoted string (RFC 3261 section 25.1), its opening quote being next.
    pub fn quoted(&mut self) -> Result<Quoted<'a>, Fault> {
        let start = self.pos;
        let unclosed = rule!("a closing quote", "RFC 3261 25.1");
        if !self.eat(b'"') {
            return Err(self.fault(rule!("a quoted string", "RFC 3261 25.1")));
        }
        loop {
            self.take(class::QUOTED);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => match self.bytes.get(self.pos + 1) {
                    Some(b'\r' | b'\n') | None => return Err(Fault::new(start, unclosed)),
                    Some(_) => self.pos += 2,
                },
                Some(b'\r' | b'\n' | 0x7f) => self.pos += 1,
                Some(_) => return Err(self.fault(rule!("no control character", "RFC 3261 25.1"))),
                None => return Err(Fault::new(start, unclosed)),
            }
        }
        let inner = self.since(start + 1);
        self.pos += 1;
        Ok(Quoted::new(inner))
    }

    /// A decimal number; more than 32 bit is refused.
    pub fn number(&mut self) -> Result<u32, Fault> {
        let start = self.pos;
        let digits = self.take(class::DIGIT);
        decimal(digits).ok_or(Fault::new(start, rule!("a number below 2^32", "RFC 3261 25.1")))
    }

    /// A number of seconds; what exceeds 32 bit becomes 2^32-1 (RFC 3261 section 20.19: an integer up to 2^32-1).
    pub fn seconds(&mut self) -> Result<u32, Fault> {
        let digits = self.take(class::DIGIT);
        match digits.is_empty() {
            true => Err(self.fault(rule!("a number of seconds", "RFC 3261 25.1"))),
            false => Ok(decimal(digits).unwrap_or(u32::MAX)),
        }
    }

    /// Skips a comment with those inside it (RFC 3261 section 25.1), its opening parenthesis being next; gives what it holds.
    pub fn comment(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.pos;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            self.pos += 1;
            match byte {
                b'(' => depth += 1,
                b'\\' => self.advance(1),
                b')' if depth <= 1 => {
                    return Ok(self.bytes.get(start + 1..self.pos - 1).unwrap_or_default());
                }
                b')' => depth -= 1,
                _ => {}
            }
        }
        Err(Fault::new(start, rule!("a closed comment", "RFC 3261 25.1")))
    }

    /// Nothing but white space may follow.
    #[inline]
    pub fn end(&mut self) -> Result<(), Fault> {
        self.skip_lws();
        match self.at_end() {
            true => Ok(()),
            false => Err(self.fault(rule!("the end of the value", "RFC 3261 25.1"))),
        }
    }
}

/// A decimal number of at least one digit; `None` when it does not fit 32 bit.
pub(crate) fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_u32;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    Some(value)
}
