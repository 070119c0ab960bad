//! Owned URIs.

use std::fmt;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::escape::Escaped;
use super::parse::Layout;
use super::{Scheme, Uri};
use crate::message::error::{Fault, rule};
use crate::message::host::Host;

/// A URI that owns its text. Read with [`FromStr`]; look at it with [`UriBuf::as_uri`].
///
/// `==` compares the text.
#[derive(Clone)]
pub struct UriBuf {
    text: Box<str>,
    layout: Layout,
}

impl UriBuf {
    /// Builds a `sip` or `sips` URI; `user` is plain text and gets escaped where needed.
    ///
    /// # Errors
    /// When `host` is neither a name nor an address (IPv6 with or without brackets), or `user` is empty.
    pub fn sip(secure: bool, user: Option<&str>, host: &str, port: Option<u16>) -> Result<UriBuf, Fault> {
        let mut text = String::from(if secure { "sips:" } else { "sip:" });
        // Writing to a String cannot fail.
        let _ = user.map_or(Ok(()), |user| write!(text, "{}@", Escaped::user(user.as_bytes())));
        let bracketed = if host.contains(':') && !host.starts_with('[') { Some(format!("[{host}]")) } else { None };
        let host = bracketed.as_deref().unwrap_or(host);
        Host::parse(host)?;
        text.push_str(host);
        let _ = port.map_or(Ok(()), |port| write!(text, ":{port}"));
        text.parse()
    }

    /// The same URI with one more parameter; name and value are plain text and get escaped where needed.
    ///
    /// # Errors
    /// When the URI has headers or this parameter already (RFC 3261 section 19.1.1) or is of another scheme, or the name is empty.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Result<UriBuf, Fault> {
        if self.as_uri().params().has(name) {
            return Err(Fault::new(self.text.len(), rule!("each parameter once", "RFC 3261 19.1.1")));
        }
        let mut text = String::from(&*self.text);
        let _ = write!(text, ";{}", Escaped::param(name.as_bytes()));
        let _ = value.map_or(Ok(()), |value| write!(text, "={}", Escaped::param(value.as_bytes())));
        text.parse()
    }

    /// The URI, split.
    pub fn as_uri(&self) -> Uri<'_> {
        Uri { text: &self.text, layout: self.layout }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.layout.scheme
    }
}

impl FromStr for UriBuf {
    type Err = Fault;
    fn from_str(text: &str) -> Result<UriBuf, Fault> {
        Ok(UriBuf { layout: Layout::parse(text)?, text: text.into() })
    }
}

impl From<Uri<'_>> for UriBuf {
    fn from(uri: Uri<'_>) -> UriBuf {
        UriBuf { text: uri.text.into(), layout: uri.layout }
    }
}

impl TryFrom<String> for UriBuf {
    type Error = Fault;
    fn try_from(text: String) -> Result<UriBuf, Fault> {
        Ok(UriBuf { layout: Layout::parse(&text)?, text: text.into() })
    }
}

impl PartialEq for UriBuf {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for UriBuf {}

impl Hash for UriBuf {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.text.hash(state);
    }
}

impl fmt::Debug for UriBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_uri().fmt(f)
    }
}

impl fmt::Display for UriBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
