//! URIs (RFC 3261 section 19.1, RFC 3966).

mod aor;
mod buf;
mod compare;
mod escape;
mod parse;
mod parts;

use std::fmt;

pub use aor::Aor;
pub use buf::UriBuf;
pub use escape::{Escaped, unescape};
pub use parts::{UriHeaders, UriParam, UriParams};

use super::error::Fault;
use super::host::Host;
use parse::{Address, Layout};

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip`.
    Sip,
    /// `sips`.
    Sips,
    /// `tel` (RFC 3966).
    Tel,
    /// Any other; [`Uri::scheme_text`] has its name.
    Other,
}

/// A URI, borrowed from a message and split into its parts. Prints as it was written.
///
/// `==` compares the text; [`Uri::equivalent`] is the comparison of RFC 3261 section 19.1.4.
#[derive(Clone, Copy)]
pub struct Uri<'a> {
    text: &'a str,
    layout: Layout,
}

impl<'a> Uri<'a> {
    /// Reads a whole text, at most 65,535 octets.
    ///
    /// # Errors
    /// Tells the octet where the grammar of RFC 3261 section 25.1 (RFC 3966 for `tel`, RFC 3986 for other schemes) was left.
    #[inline]
    pub fn parse(text: &'a str) -> Result<Uri<'a>, Fault> {
        Ok(Uri { text, layout: Layout::parse(text)? })
    }

    /// The whole text.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.layout.scheme
    }

    /// The scheme as written, without colon.
    pub fn scheme_text(&self) -> &'a str {
        self.layout.scheme_end.checked_sub(1).map_or("", |end| self.text.get(..usize::from(end)).unwrap_or(""))
    }

    /// True for `sip` and `sips`.
    pub fn is_sip(&self) -> bool {
        matches!(self.layout.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// True for `sips`.
    pub fn is_secure(&self) -> bool {
        self.layout.scheme == Scheme::Sips
    }

    /// The user part as written, escapes kept; of a `tel` URI the number; `None` without.
    pub fn user(&self) -> Option<&'a str> {
        self.layout.user.of(self.text)
    }

    /// The user part with its escapes resolved once; `None` without or when that is not UTF-8.
    pub fn user_unescaped(&self) -> Option<std::borrow::Cow<'a, str>> {
        escape::unescape_utf8(self.user()?)
    }

    /// The password as written.
    pub fn password(&self) -> Option<&'a str> {
        self.layout.password.of(self.text)
    }

    /// The host of a `sip` or `sips` URI; for others an empty name.
    pub fn host(&self) -> Host<'a> {
        match self.layout.address {
            Address::Name => Host::Name(self.layout.host.of(self.text).unwrap_or("")),
            Address::V4(ip) => Host::V4(ip),
            Address::V6(ip) => Host::V6(ip),
        }
    }

    /// The host as written, with brackets around an IPv6 address.
    pub fn host_text(&self) -> &'a str {
        self.layout.host.of(self.text).unwrap_or("")
    }

    /// The host that requests to this URI are sent to, whatever it is called: that of `maddr` where there is one (RFC 3261 section 19.1.1).
    ///
    /// # Errors
    /// When `maddr` names none.
    pub fn leads_to(&self) -> Result<Host<'a>, Fault> {
        self.params().get("maddr").map_or(Ok(self.host()), Host::parse)
    }

    /// The port when one is written.
    pub fn port(&self) -> Option<u16> {
        self.layout.port
    }

    /// The parameters of a `sip`, `sips` or `tel` URI.
    pub fn params(&self) -> UriParams<'a> {
        UriParams::new(self.layout.params.of(self.text).unwrap_or(""))
    }

    /// The headers behind `?` of a `sip` or `sips` URI.
    pub fn headers(&self) -> UriHeaders<'a> {
        UriHeaders::new(self.layout.headers.of(self.text).unwrap_or(""))
    }

    /// What follows the scheme and its colon, of any URI.
    pub fn opaque(&self) -> &'a str {
        self.text.get(usize::from(self.layout.scheme_end)..).unwrap_or("")
    }

    /// The value of the `transport` parameter.
    pub fn transport(&self) -> Option<&'a str> {
        self.params().get("transport").filter(|value| !value.is_empty())
    }

    /// True when the `lr` parameter is there (RFC 3261 section 19.1.1).
    pub fn is_loose(&self) -> bool {
        self.params().has("lr")
    }

    /// The comparison of RFC 3261 section 19.1.4; `tel` URIs by RFC 3966 section 4, others octet by octet. URIs with more than 32
    /// parameters or headers are never equivalent.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        compare::equivalent(self, other)
    }

    /// The canonical address of record (RFC 3261 section 10.3 step 5).
    pub fn aor(&self) -> Aor {
        Aor::of(self)
    }

    /// An owned copy.
    pub fn to_buf(&self) -> UriBuf {
        UriBuf::from(*self)
    }
}

impl PartialEq for Uri<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Uri<'_> {}

impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", self.text)
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl<'a> TryFrom<&'a str> for Uri<'a> {
    type Error = Fault;
    fn try_from(text: &'a str) -> Result<Self, Fault> {
        Uri::parse(text)
    }
}
