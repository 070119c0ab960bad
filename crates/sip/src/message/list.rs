//! Comma lists over several header fields (RFC 3261 section 7.3.1).

use std::marker::PhantomData;

use super::error::{Fault, ParseError};
use super::header::Header;
use super::index::Entry;
use super::lexer::Lexer;

/// Iterator over every value of a type in a message. A broken item ends its line; the next line is read all the same.
#[derive(Clone, Debug)]
pub struct List<'a, H> {
    bytes: &'a [u8],
    entries: std::slice::Iter<'a, Entry>,
    lexer: Option<Lexer<'a>>,
    line: u16,
    kind: PhantomData<fn() -> H>,
}

impl<'a, H: Header<'a>> List<'a, H> {
    pub(super) fn new(bytes: &'a [u8], entries: &'a [Entry]) -> Self {
        List { bytes, entries: entries.iter(), lexer: None, line: 0, kind: PhantomData }
    }

    /// Opens the next line that has something in it.
    fn open(&mut self) -> Option<Lexer<'a>> {
        loop {
            let entry = self.entries.find(|entry| entry.is(H::ID))?;
            self.line = self.line.saturating_add(1);
            let value = entry.value_of(self.bytes);
            if !(value.is_empty() && H::MAY_BE_EMPTY) {
                return Some(lexer::<H>(value));
            }
        }
    }
}

impl<'a, H: Header<'a>> Iterator for List<'a, H> {
    type Item = Result<H, ParseError>;
    fn next(&mut self) -> Option<Self::Item> {
        let mut lexer = match self.lexer.take() {
            Some(lexer) => lexer,
            None => self.open()?,
        };
        match item::<H>(&mut lexer) {
            Ok((value, more)) => {
                self.lexer = more.then_some(lexer);
                Some(Ok(value))
            }
            Err(fault) => Some(Err(fault.in_header(H::ID, self.line))),
        }
    }
}

#[inline(always)]
fn lexer<'a, H: Header<'a>>(value: &'a [u8]) -> Lexer<'a> {
    if H::MANY_TEXTS { Lexer::of_texts(value) } else { Lexer::new(value) }
}

/// Reads one item and the comma behind it; tells whether another item follows.
#[inline]
fn item<'a, H: Header<'a>>(lexer: &mut Lexer<'a>) -> Result<(H, bool), Fault> {
    let value = H::parse_value(lexer)?;
    if H::LIST && lexer.separator(b',') {
        return Ok((value, true));
    }
    lexer.end()?;
    Ok((value, false))
}

/// Reads the first item of a value; `None` when the list is empty and may be.
pub(super) fn first<'a, H: Header<'a>>(value: &'a [u8]) -> Result<Option<H>, Fault> {
    if value.is_empty() && H::MAY_BE_EMPTY {
        return Ok(None);
    }
    item(&mut lexer::<H>(value)).map(|(value, _)| Some(value))
}

/// Reads every item of one value.
#[inline]
pub(super) fn each<'a, H: Header<'a>>(value: &'a [u8], mut take: impl FnMut(H)) -> Result<(), Fault> {
    if value.is_empty() && H::MAY_BE_EMPTY {
        return Ok(());
    }
    let mut lexer = lexer::<H>(value);
    loop {
        let (value, more) = item::<H>(&mut lexer)?;
        take(value);
        if !more {
            return Ok(());
        }
    }
}
