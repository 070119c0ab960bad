//! The arithmetic of RFC 7616 section 3.4: A1, A2 and the response.

use super::algorithm::{Hex, Scheme};
use super::ha1::Ha1;

/// Quality of protection, RFC 7616 section 3.4: `auth` or `auth-int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quality {
    /// Method and URI are protected.
    Auth,
    /// The body as well.
    AuthInt,
}

impl Quality {
    /// As written in the `qop` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Quality::Auth => "auth",
            Quality::AuthInt => "auth-int",
        }
    }

    /// Reads one value of a `qop` parameter.
    pub fn from_name(name: &str) -> Option<Quality> {
        [Quality::Auth, Quality::AuthInt].into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name))
    }
}

/// What a request with `qop` adds to the response (RFC 7616 section 3.4.1); without it the form of RFC 2069 is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection<'a> {
    /// The quality.
    pub quality: Quality,
    /// The count as written: eight hexadecimal digits.
    pub count: &'a str,
    /// The client's nonce.
    pub cnonce: &'a str,
}

/// Everything that goes into a response besides HA1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) nonce: &'a str,
    /// Needed by the session variants even without `qop`.
    pub(crate) cnonce: Option<&'a str>,
    pub(crate) protection: Option<Protection<'a>>,
    /// Empty for `rspauth` (RFC 7616 section 3.5).
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) body: &'a [u8],
}

impl Inputs<'_> {
    /// The response, or the `rspauth` value.
    pub(crate) fn response(&self, ha1: &Ha1) -> Hex {
        Hex::of(self.octets(ha1).get(..self.scheme.algorithm.size()).unwrap_or_default())
    }

    /// The same before it is text: as many octets as the hash has, then zeros.
    pub(crate) fn octets(&self, ha1: &Ha1) -> [u8; 32] {
        self.octets_with(ha1, &self.ha2())
    }

    /// The same with an HA2 that is known.
    pub(crate) fn octets_with(&self, ha1: &Ha1, a2: &Hex) -> [u8; 32] {
        let algorithm = self.scheme.algorithm;
        let mut a1 = ha1.hex();
        if self.scheme.session {
            let cnonce = self.cnonce.unwrap_or_default();
            a1 = algorithm.hex(&[a1.as_bytes(), b":", self.nonce.as_bytes(), b":", cnonce.as_bytes()]);
        }
        match self.protection {
            Some(Protection { quality, count, cnonce }) => algorithm.bytes(&[
                a1.as_bytes(),
                b":",
                self.nonce.as_bytes(),
                b":",
                count.as_bytes(),
                b":",
                cnonce.as_bytes(),
                b":",
                quality.as_str().as_bytes(),
                b":",
                a2.as_bytes(),
            ]),
            None => algorithm.bytes(&[a1.as_bytes(), b":", self.nonce.as_bytes(), b":", a2.as_bytes()]),
        }
    }

    /// The hash of method and URI, and of the body where that is protected.
    pub(crate) fn ha2(&self) -> Hex {
        let algorithm = self.scheme.algorithm;
        let (method, uri) = (self.method.as_bytes(), self.uri.as_bytes());
        match self.protection {
            Some(Protection { quality: Quality::AuthInt, .. }) => {
                let body = algorithm.hex(&[self.body]);
                algorithm.hex(&[method, b":", uri, b":", body.as_bytes()])
            }
            _ => algorithm.hex(&[method, b":", uri]),
        }
    }
}
