//! The session description: the owned model, and its printed form.

use std::fmt;

use crate::attribute::Attributes;
use crate::connection::{Address, Connection};
use crate::limits::Limits;
use crate::media::Media;
use crate::parse_error::ParseError;
use crate::text::{Text, Token, decimal, decimal_digits};
use crate::time::TimeDescription;
use crate::view::MediaView;

/// Session identifier or version of `o=`: digits of any length, compared as text.
///
/// RFC 8866 section 5.2 sets no bound; RFC 3264 section 5 wants 63 bits, which is what we send. A leading minus,
/// sent by devices which print an unsigned number as a signed one, is kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Digits);

/// What has at most 20 digits, as every number of 64 bits, needs no allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Digits {
    Short { octets: [u8; 20], length: u8 },
    Long(Box<str>),
}

impl Number {
    pub(crate) fn read(text: &str) -> Option<Number> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        good.then(|| Number::of_digits(text))
    }

    fn of_digits(text: &str) -> Number {
        let mut octets = [0; 20];
        match (octets.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Number(Digits::Short { octets, length })
            }
            _ => Number(Digits::Long(text.into())),
        }
    }

    /// The number, when it is not negative and fits.
    pub fn value(&self) -> Option<u64> {
        self.as_str().parse().ok()
    }

    /// The digits as they were sent.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Digits::Short { octets, length } => {
                let digits = octets.get(..usize::from(*length)).unwrap_or_default();
                // Only digits were put there.
                std::str::from_utf8(digits).unwrap_or_default()
            }
            Digits::Long(text) => text,
        }
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        let (digits, first) = decimal_digits(value);
        let digits = digits.get(first..).and_then(|digits| std::str::from_utf8(digits).ok());
        Number::of_digits(digits.unwrap_or_default())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `o=` line: RFC 8866 section 5.2.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Login of the author, `-` for none. Spaces are printed as `_`, which is also how they are read.
    pub username: Text,
    /// Names the session together with the other fields but the version.
    pub session_id: Number,
    /// Grows by one with each change (RFC 3264 section 8).
    pub version: Number,
    /// Network, address type and address of the author; nothing is sent there.
    pub address: Address,
}

impl Origin {
    /// An origin without a user name.
    pub fn new(session_id: u64, version: u64, address: impl Into<Address>) -> Origin {
        let (session_id, version) = (session_id.into(), version.into());
        Origin { username: Token::literal("-").into(), session_id, version, address: address.into() }
    }

    /// Whether both belong to one session, be the versions as they may.
    pub fn same_session(&self, other: &Origin) -> bool {
        self.username == other.username && self.session_id == other.session_id && self.address == other.address
    }
}

impl Origin {
    pub(crate) fn print(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let mut parts = self.username.split(char::is_whitespace);
        out.write_str(parts.next().filter(|first| !first.is_empty()).unwrap_or("_"))?;
        for part in parts {
            out.write_str("_")?;
            out.write_str(part)?;
        }
        for number in [&self.session_id, &self.version] {
            out.write_str(" ")?;
            out.write_str(number.as_str())?;
        }
        out.write_str(" ")?;
        self.address.print(out)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f)
    }
}

/// One `b=` line: RFC 8866 section 5.8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bandwidth {
    /// `AS` and `CT` (RFC 8866), `RS` and `RR` (RFC 3556), `TIAS`, or anything else.
    pub kind: Token,
    /// Kilobits per second for `AS` and `CT`, bits per second for the others named above.
    pub value: u64,
}

impl Bandwidth {
    pub(crate) fn print(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(&self.kind)?;
        out.write_str(":")?;
        decimal(out, self.value)
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f)
    }
}

/// A session description: RFC 8866 section 5.
///
/// Every field may be edited; the types of the fields see to it that what is printed is a description again.
/// [`std::fmt::Display`] prints it with CRLF line ends, and `Session::parse` of that gives an equal value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `o=`
    pub origin: Origin,
    /// `s=`; a missing or empty one is read as `-`.
    pub name: Text,
    /// `i=`
    pub information: Option<Text>,
    /// `u=`
    pub uri: Option<Text>,
    /// `e=` lines, not looked into.
    pub emails: Vec<Text>,
    /// `p=` lines, not looked into.
    pub phones: Vec<Text>,
    /// `c=`
    pub connection: Option<Connection>,
    /// `b=` lines.
    pub bandwidths: Vec<Bandwidth>,
    /// `t=`, `r=` and `z=` lines; printed as `t=0 0` when empty.
    pub times: Vec<TimeDescription>,
    /// `a=` lines of the session section.
    pub attributes: Attributes,
    /// `m=` sections.
    pub media: Vec<Media>,
}

impl Session {
    /// A description without media: `s=-`, `t=0 0`, and the address of `origin` in `c=`.
    pub fn new(origin: Origin) -> Session {
        let connection = Some(Connection::from(origin.address.clone()));
        Session { connection, times: vec![TimeDescription::default()], ..Session::bare(origin) }
    }

    /// Nothing but `o=` and `s=-`.
    pub(crate) fn bare(origin: Origin) -> Session {
        Session {
            origin,
            name: Text::literal("-"),
            information: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connection: None,
            bandwidths: Vec::new(),
            times: Vec::new(),
            attributes: Attributes::default(),
            media: Vec::new(),
        }
    }

    /// Reads a description within [`Limits::DEFAULT`]. The crate root lists the liberties it allows.
    ///
    /// # Errors
    /// The first mistake, with its place and the rule it breaks.
    pub fn parse(bytes: &[u8]) -> Result<Session, ParseError> {
        Session::parse_with(bytes, &Limits::DEFAULT)
    }

    /// Reads a description within other limits.
    ///
    /// # Errors
    /// As [`Session::parse`].
    pub fn parse_with(bytes: &[u8], limits: &Limits) -> Result<Session, ParseError> {
        crate::parse::session(bytes, limits)
    }

    /// The printed description, several times quicker than by way of [`fmt::Display`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::with_capacity(512);
        // Writing to a String cannot fail.
        let _ = self.print(&mut text);
        text.into_bytes()
    }

    /// The `index`-th stream, with what it inherits from the session section.
    pub fn stream(&self, index: usize) -> Option<MediaView<'_>> {
        self.media.get(index).map(|media| MediaView::new(self, media))
    }

    /// All streams in order, with what they inherit from the session section.
    pub fn streams(&self) -> impl Iterator<Item = MediaView<'_>> {
        self.media.iter().map(|media| MediaView::new(self, media))
    }

    /// The first accepted audio stream.
    pub fn audio(&self) -> Option<MediaView<'_>> {
        self.streams().find(|stream| stream.kind == crate::MediaKind::Audio && !stream.is_rejected())
    }
}

/// One line.
pub(crate) fn line<W: fmt::Write>(out: &mut W, letter: &str, value: impl FnOnce(&mut W) -> fmt::Result) -> fmt::Result {
    out.write_str(letter)?;
    value(out)?;
    out.write_str("\r\n")
}

impl Session {
    fn print(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str("v=0\r\n")?;
        line(out, "o=", |out| self.origin.print(out))?;
        line(out, "s=", |out| out.write_str(&self.name))?;
        for (letter, text) in [("i=", &self.information), ("u=", &self.uri)] {
            if let Some(text) = text {
                line(out, letter, |out| out.write_str(text))?;
            }
        }
        for email in &self.emails {
            line(out, "e=", |out| out.write_str(email))?;
        }
        for phone in &self.phones {
            line(out, "p=", |out| out.write_str(phone))?;
        }
        if let Some(connection) = &self.connection {
            line(out, "c=", |out| connection.print(out))?;
        }
        for bandwidth in &self.bandwidths {
            line(out, "b=", |out| bandwidth.print(out))?;
        }
        if self.times.is_empty() {
            out.write_str("t=0 0\r\n")?;
        }
        self.times.iter().try_for_each(|time| time.print(out))?;
        self.attributes.iter().try_for_each(|attribute| line(out, "a=", |out| attribute.print(out)))?;
        self.media.iter().try_for_each(|media| media.print(out))
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f)
    }
}

/// A copy, so that functions which keep a description take it by value or by reference.
impl From<&Session> for Session {
    fn from(session: &Session) -> Session {
        session.clone()
    }
}

impl std::str::FromStr for Session {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Session, ParseError> {
        Session::parse(text.as_bytes())
    }
}
