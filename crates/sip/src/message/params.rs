//! Parameters of header fields: `;name=value` (RFC 3261 section 25.1, generic-param).

use std::fmt;

use super::class;
use super::error::{Fault, Rule, rule};
use super::lexer::Lexer;
use super::quoted::Quoted;

/// The parameters behind a value, checked when the value was read and split on use.
#[derive(Clone, Copy, Default)]
pub struct Params<'a> {
    raw: &'a [u8],
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// The name as written; names compare without regard to case.
    pub name: &'a str,
    /// The value.
    pub value: ParamValue<'a>,
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamValue<'a> {
    /// `;name` alone.
    Absent,
    /// A token or host.
    Token(&'a str),
    /// A quoted string.
    Quoted(Quoted<'a>),
}

impl<'a> ParamValue<'a> {
    /// The value when it is a token; an absent one is `""`, a quoted one `None`.
    pub fn token(self) -> Option<&'a str> {
        match self {
            ParamValue::Absent => Some(""),
            ParamValue::Token(text) => Some(text),
            ParamValue::Quoted(_) => None,
        }
    }

    /// The value meant, quotes and escapes removed.
    pub fn text(self) -> std::borrow::Cow<'a, str> {
        match self {
            ParamValue::Absent => "".into(),
            ParamValue::Token(text) => text.into(),
            ParamValue::Quoted(quoted) => quoted.text(),
        }
    }
}

impl<'a> Params<'a> {
    /// Reads and checks `*( SEMI generic-param )`, up to a comma or the end.
    #[inline]
    pub(crate) fn parse(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        if lexer.at_end() { Ok(Params::default()) } else { Params::some(lexer) }
    }

    fn some(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let start = lexer.pos();
        let mut end = start;
        while lexer.separator(b';') {
            check(lexer)?;
            end = lexer.pos();
        }
        lexer.rewind(end);
        Ok(Params { raw: lexer.since(start) })
    }

    /// The octets as they came, from the first semicolon (and white space before it) on; empty without parameters.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// True without parameters.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The parameters in order.
    pub fn iter(&self) -> ParamIter<'a> {
        ParamIter { lexer: Lexer::new(self.raw) }
    }

    /// The first parameter of this name.
    pub fn get(&self, name: &str) -> Option<ParamValue<'a>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value)
    }

    /// The value of the first parameter of this name when it is a token (`""` when it has none).
    pub fn token(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(ParamValue::token)
    }

    /// True when a parameter of this name is there, with or without value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

const NAME: &Rule = rule!("a parameter name", "RFC 3261 25.1");
const VALUE: &Rule = rule!("a parameter value", "RFC 3261 25.1");

/// Skips one `name [= value]`.
#[inline]
fn check(lexer: &mut Lexer<'_>) -> Result<(), Fault> {
    if lexer.take(class::TOKEN).is_empty() {
        return Err(lexer.fault(NAME));
    }
    if lexer.separator(b'=') {
        if lexer.peek() == Some(b'"') {
            lexer.quoted()?;
        } else if lexer.take(class::VALUE).is_empty() {
            return Err(lexer.fault(VALUE));
        }
    }
    Ok(())
}

/// Reads one `name [= value]`.
#[inline]
fn param<'a>(lexer: &mut Lexer<'a>) -> Result<Param<'a>, Fault> {
    let name = lexer.text(class::TOKEN, NAME)?;
    let value = if lexer.separator(b'=') {
        match lexer.peek() {
            Some(b'"') => ParamValue::Quoted(lexer.quoted()?),
            _ => ParamValue::Token(lexer.text(class::VALUE, VALUE)?),
        }
    } else {
        ParamValue::Absent
    };
    Ok(Param { name, value })
}

/// Iterator over [`Params`].
#[derive(Clone, Debug)]
pub struct ParamIter<'a> {
    lexer: Lexer<'a>,
}

impl ParamIter<'_> {
    /// Octets of the parameters read so far.
    pub(crate) fn pos(&self) -> usize {
        self.lexer.pos()
    }
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = Param<'a>;
    fn next(&mut self) -> Option<Param<'a>> {
        match self.lexer.separator(b';') {
            true => param(&mut self.lexer).ok(),
            false => None,
        }
    }
}

impl fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for Params<'_> {
    /// Same parameters in the same order; names without regard to case, values octet by octet.
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (Param<'_>, Param<'_>)| a.name.eq_ignore_ascii_case(b.name) && a.value == b.value;
        self.iter().count() == other.iter().count() && self.iter().zip(other.iter()).all(same)
    }
}

impl Eq for Params<'_> {}

impl fmt::Display for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|param| Printed(param).fmt(f))
    }
}

/// Prints one parameter with its semicolon.
pub(crate) struct Printed<'a>(pub(crate) Param<'a>);

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.name;
        match self.0.value {
            ParamValue::Absent => write!(f, ";{name}"),
            ParamValue::Token(text) => write!(f, ";{name}={text}"),
            ParamValue::Quoted(quoted) => write!(f, ";{name}={quoted}"),
        }
    }
}
