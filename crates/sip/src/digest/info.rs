//! Authentication-Info and Proxy-Authentication-Info: the server proves that it knows the secret too (RFC 7616 section 3.5, RFC 3261 section 20.6).

use std::fmt::{self, Write as _};

use subtle::ConstantTimeEq;

use super::algorithm::Scheme;
use super::fields::{FieldError, Fields};
use super::ha1::Ha1;
use super::response::{Inputs, Protection};

/// Why Authentication-Info is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfoError {
    /// It cannot be read.
    Broken(FieldError),
    /// Its `rspauth` is not that of somebody who knows the secret.
    Forged,
    /// We sent no credentials it could be about.
    NotAsked,
}

impl fmt::Display for InfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InfoError::Broken(why) => write!(f, "Authentication-Info, {why}"),
            InfoError::Forged => {
                f.write_str("Authentication-Info: expected the rspauth of the shared secret (RFC 7616 3.5)")
            }
            InfoError::NotAsked => {
                f.write_str("Authentication-Info: expected only after credentials were sent (RFC 7616 3.5)")
            }
        }
    }
}

impl std::error::Error for InfoError {}

/// True when `rspauth` is right and the parameters it repeats are ours.
pub(crate) fn genuine(fields: &Fields<'_>, inputs: &Inputs<'_>, ha1: &Ha1) -> bool {
    let repeated = inputs.protection.is_none_or(|ours| {
        fields.cnonce.is_none_or(|cnonce| cnonce == ours.cnonce)
            && fields.nc.is_none_or(|count| count.eq_ignore_ascii_case(ours.count))
            && fields.qop.is_none_or(|quality| quality.eq_ignore_ascii_case(ours.quality.as_str()))
    });
    let given = fields.rspauth.unwrap_or_default().as_bytes();
    repeated && bool::from(inputs.response(ha1).as_bytes().ct_eq(given))
}

/// What is needed to answer right credentials with a proof of our own.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) ha1: Ha1,
    pub(crate) nonce: &'a str,
    pub(crate) cnonce: Option<&'a str>,
    pub(crate) protection: Option<Protection<'a>>,
    pub(crate) uri: &'a str,
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({})", self.scheme)
    }
}

impl Proof<'_> {
    /// The value of Authentication-Info for a response with this body; `None` for a client of RFC 2069, which could not check it.
    pub fn authentication_info(&self, body: &[u8]) -> Option<String> {
        let Protection { quality, count, cnonce } = self.protection?;
        let inputs = Inputs {
            scheme: self.scheme,
            nonce: self.nonce,
            cnonce: self.cnonce,
            protection: self.protection,
            method: "",
            uri: self.uri,
            body,
        };
        let mut line = String::with_capacity(96 + cnonce.len());
        let rspauth = inputs.response(&self.ha1);
        // Writing into a String cannot fail.
        let _ =
            write!(line, "qop={}, rspauth=\"{}\", cnonce=\"{cnonce}\", nc={count}", quality.as_str(), rspauth.as_str());
        Some(line)
    }
}
