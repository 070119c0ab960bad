//! A cursor over the value of one header field.

use super::class;
use super::error::{Fault, Rule, rule};
use super::quoted::Quoted;

/// A cursor over the octets of a value, folds included (RFC 3261 section 7.3.1).
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    /// The whole value, where many texts will be taken out of it.
    text: Option<&'a str>,
}

impl<'a> Lexer<'a> {
    /// Starts at the first octet.
    #[inline(always)]
    pub fn new(bytes: &'a [u8]) -> Self {
        Lexer { bytes, rest: bytes, text: None }
    }

    /// The same for a value that many texts will be taken out of.
    #[inline]
    pub(crate) fn of_texts(bytes: &'a [u8]) -> Self {
        Lexer { bytes, rest: bytes, text: std::str::from_utf8(bytes).ok() }
    }

    /// Octets read so far.
    #[inline(always)]
    pub fn pos(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    /// The next octet.
    #[inline(always)]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// What is left.
    #[inline(always)]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True when nothing is left.
    #[inline(always)]
    pub fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The octets from `start` to the cursor.
    #[inline]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.pos()).unwrap_or_default()
    }

    /// Goes forward by `count` octets, to the end at most.
    #[inline(always)]
    pub fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Goes back to a place where the cursor has been.
    pub(crate) fn rewind(&mut self, pos: usize) {
        if pos <= self.pos() {
            self.rest = self.bytes.get(pos..).unwrap_or_default();
        }
    }

    /// A fault here.
    #[cold]
    pub fn fault(&self, rule: &'static Rule) -> Fault {
        Fault::new(self.pos(), rule)
    }

    /// Skips linear white space (RFC 3261 section 25.1, SWS).
    #[inline(always)]
    pub fn skip_lws(&mut self) {
        match self.rest {
            [b' ', next, ..] if *next > b' ' => self.advance(1),
            [b'\t'..=b' ', ..] => self.skip_lws_slowly(),
            _ => {}
        }
    }

    #[inline(never)]
    fn skip_lws_slowly(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', behind @ ..] = self.rest {
            self.rest = behind;
        }
    }

    /// Takes `byte` when it is next.
    #[inline(always)]
    pub fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [next, behind @ ..] if *next == byte => {
                self.rest = behind;
                true
            }
            _ => false,
        }
    }

    /// Takes a separator with the white space around it; takes nothing when it is not next.
    #[inline(always)]
    pub fn separator(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, second, ..] if *first == byte && *second > b' ' => {
                self.advance(1);
                true
            }
            [] => false,
            [first, ..] if *first > b' ' && *first != byte => false,
            [first, b' ', third, ..] if *first == byte && *third > b' ' => {
                self.advance(2);
                true
            }
            _ => self.separator_slowly(byte),
        }
    }

    #[inline(never)]
    fn separator_slowly(&mut self, byte: u8) -> bool {
        let before = self.rest;
        self.skip_lws();
        if self.eat(byte) {
            self.skip_lws();
            true
        } else {
            self.rest = before;
            false
        }
    }

    /// Takes octets of a class, possibly none.
    #[inline(always)]
    pub(crate) fn take(&mut self, class: u16) -> &'a [u8] {
        let count = class::prefix(self.rest, class);
        match self.rest.split_at_checked(count) {
            Some((taken, behind)) => {
                self.rest = behind;
                taken
            }
            None => &[],
        }
    }

    /// Takes at least one octet of a class whose octets are all ASCII.
    #[inline(always)]
    pub(crate) fn text(&mut self, class: u16, rule: &'static Rule) -> Result<&'a str, Fault> {
        let taken = self.take(class);
        let end = self.pos();
        let text = match self.text {
            Some(text) => Ok(text.get(end - taken.len()..end).unwrap_or_default()),
            None => std::str::from_utf8(taken),
        };
        match text {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(Fault::new(end - taken.len(), rule)),
        }
    }

    /// A token (RFC 3261 section 25.1).
    #[inline]
    pub fn token(&mut self) -> Result<&'a str, Fault> {
        self.text(class::TOKEN, rule!("a token", "RFC 3261 25.1"))
    }

    /// A quoted string (RFC 3261 section 25.1), its opening quote being next.
    pub fn quoted(&mut self) -> Result<Quoted<'a>, Fault> {
        let start = self.pos();
        let unclosed = rule!("a closing quote", "RFC 3261 25.1");
        if !self.eat(b'"') {
            return Err(self.fault(rule!("a quoted string", "RFC 3261 25.1")));
        }
        loop {
            self.take(class::QUOTED);
            match self.rest {
                [b'"', ..] => break,
                [b'\\'] | [] => return Err(Fault::new(start, unclosed)),
                [b'\\', _, behind @ ..] | [b'\r' | b'\n' | 0x7f, behind @ ..] => self.rest = behind,
                _ => return Err(self.fault(rule!("no control character", "RFC 3261 25.1"))),
            }
        }
        let inner = self.since(start + 1);
        self.advance(1);
        Ok(Quoted::new(inner))
    }

    /// A decimal number; more than 32 bit is refused.
    pub fn number(&mut self) -> Result<u32, Fault> {
        let start = self.pos();
        let digits = self.take(class::DIGIT);
        decimal(digits).ok_or_else(|| Fault::new(start, rule!("a number below 2^32", "RFC 3261 25.1")))
    }

    /// A number of seconds; what exceeds 32 bit becomes 2^32-1 (RFC 3261 section 20.19: an integer up to 2^32-1).
    pub fn seconds(&mut self) -> Result<u32, Fault> {
        match self.take(class::DIGIT) {
            [] => Err(self.fault(rule!("a number of seconds", "RFC 3261 25.1"))),
            digits => Ok(decimal(digits).unwrap_or(u32::MAX)),
        }
    }

    /// Skips a comment with those inside it (RFC 3261 section 25.1), its opening parenthesis being next; gives what it holds.
    pub fn comment(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.pos();
        let mut depth = 0_usize;
        while let [byte, behind @ ..] = self.rest {
            self.rest = behind;
            match byte {
                b'(' => depth += 1,
                b'\\' => self.advance(1),
                b')' if depth <= 1 => {
                    return Ok(self.bytes.get(start + 1..self.pos() - 1).unwrap_or_default());
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
    let mut value = 0_u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        value = value * 10 + u64::from(digit);
        if digit > 9 || value > u64::from(u32::MAX) {
            return None;
        }
    }
    u32::try_from(value).ok()
}
