//! What the authentication header fields share: `scheme name=value, ...` (RFC 3261 section 25.1, RFC 7616).

use std::borrow::Cow;
use std::fmt;

use crate::message::class;
use crate::message::error::rule;
use crate::message::{Fault, Lexer, Quoted};

/// Most parameters read of one challenge or one set of credentials.
const MAX_PARAMS: usize = 64;

/// Parameters separated by commas.
#[derive(Clone, Copy, Default)]
pub struct AuthParams<'a> {
    raw: &'a [u8],
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthParam<'a> {
    /// Name as written; names compare without regard to case.
    pub name: &'a str,
    /// The value.
    pub value: AuthValue<'a>,
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthValue<'a> {
    /// Without quotes.
    Token(&'a str),
    /// In quotes.
    Quoted(Quoted<'a>),
}

impl<'a> AuthValue<'a> {
    /// The value meant.
    pub fn text(self) -> Cow<'a, str> {
        match self {
            AuthValue::Token(text) => text.into(),
            AuthValue::Quoted(quoted) => quoted.text(),
        }
    }
}

impl<'a> AuthParams<'a> {
    /// Reads and checks all parameters up to the end of the value.
    pub(super) fn read(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let start = lexer.pos();
        for _ in 0..MAX_PARAMS {
            param(lexer)?;
            if !lexer.separator(b',') {
                return Ok(AuthParams { raw: lexer.since(start) });
            }
        }
        Err(lexer.fault(rule!("at most 64 parameters", "RFC 3261 25.1")))
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = AuthParam<'a>> + use<'a> {
        let mut lexer = Lexer::new(self.raw);
        std::iter::from_fn(move || {
            let found = param(&mut lexer).ok();
            lexer.separator(b',');
            found
        })
    }

    /// The value of the first parameter of this name.
    pub fn get(&self, name: &str) -> Option<AuthValue<'a>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value)
    }

    /// The value of the first parameter of this name, quotes and escapes removed.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).map(AuthValue::text)
    }
}

fn param<'a>(lexer: &mut Lexer<'a>) -> Result<AuthParam<'a>, Fault> {
    let name = lexer.token()?;
    if !lexer.separator(b'=') {
        return Err(lexer.fault(rule!("= behind the parameter name", "RFC 3261 25.1")));
    }
    let value = match lexer.peek() {
        Some(b'"') => AuthValue::Quoted(lexer.quoted()?),
        _ => AuthValue::Token(lexer.text(class::VALUE, rule!("a parameter value", "RFC 3261 25.1"))?),
    };
    Ok(AuthParam { name, value })
}

impl fmt::Debug for AuthParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets: names only.
        f.debug_list().entries(self.iter().map(|param| param.name)).finish()
    }
}

impl PartialEq for AuthParams<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for AuthParams<'_> {}

impl fmt::Display for AuthParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, param) in self.iter().enumerate() {
            f.write_str(if n > 0 { ", " } else { "" })?;
            match param.value {
                AuthValue::Token(text) => write!(f, "{}={text}", param.name)?,
                AuthValue::Quoted(quoted) => write!(f, "{}={quoted}", param.name)?,
            }
        }
        Ok(())
    }
}

macro_rules! scheme_and_params {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            /// `Digest`, or another scheme, as written.
            pub scheme: &'a str,
            /// The parameters.
            pub params: AuthParams<'a>,
        }

        impl<'a> $name<'a> {
            /// Reads scheme and parameters.
            pub(super) fn read(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
                let scheme = lexer.token()?;
                lexer.skip_lws();
                Ok($name { scheme, params: AuthParams::read(lexer)? })
            }

            /// True for the Digest scheme (RFC 7616).
            pub fn is_digest(&self) -> bool {
                self.scheme.eq_ignore_ascii_case("Digest")
            }

            /// A parameter, quotes and escapes removed.
            pub fn param(&self, name: &str) -> Option<Cow<'a, str>> {
                self.params.text(name)
            }

            /// The realm.
            pub fn realm(&self) -> Option<Cow<'a, str>> {
                self.param("realm")
            }

            /// The nonce.
            pub fn nonce(&self) -> Option<Cow<'a, str>> {
                self.param("nonce")
            }

            /// The opaque text to be given back.
            pub fn opaque(&self) -> Option<Cow<'a, str>> {
                self.param("opaque")
            }

            /// The algorithm; MD5 when absent.
            pub fn algorithm(&self) -> Option<Cow<'a, str>> {
                self.param("algorithm")
            }

            /// The quality of protection: of a challenge a comma list, of credentials one word.
            pub fn qop(&self) -> Option<Cow<'a, str>> {
                self.param("qop")
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.scheme, self.params)
            }
        }
    };
}

scheme_and_params! {
    /// A challenge (RFC 3261 section 22.1).
    Challenge
}

scheme_and_params! {
    /// Credentials (RFC 3261 section 22.1). `Debug` shows no values.
    Credentials
}

impl Challenge<'_> {
    /// True when only the nonce was too old.
    pub fn is_stale(&self) -> bool {
        self.param("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }
}
