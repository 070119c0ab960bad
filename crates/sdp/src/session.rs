//! The session description: the owned model, and its printed form.

use std::fmt;

use crate::attribute::Attributes;
use crate::bandwidth::Bandwidth;
use crate::connection::Connection;
use crate::media::Media;
use crate::origin::Origin;
use crate::print::{Printout, display};
use crate::text::Text;
use crate::time::TimeDescription;

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
    /// `c=`, printed without a number of groups.
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

    /// The printed description.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Printout::with_capacity(512);
        self.print(&mut out);
        out.into_bytes()
    }
}

impl Session {
    pub(crate) fn print(&self, out: &mut Printout) {
        out.text("v=0\r\n");
        out.line("o=", |out| self.origin.print(out));
        out.line("s=", |out| out.text(&self.name));
        for (letter, text) in [("i=", &self.information), ("u=", &self.uri)] {
            if let Some(text) = text {
                out.line(letter, |out| out.text(text));
            }
        }
        for email in &self.emails {
            out.line("e=", |out| out.text(email));
        }
        for phone in &self.phones {
            out.line("p=", |out| out.text(phone));
        }
        if let Some(connection) = &self.connection {
            out.line("c=", |out| connection.print_one(out));
        }
        for bandwidth in &self.bandwidths {
            out.line("b=", |out| bandwidth.print(out));
        }
        if self.times.is_empty() {
            out.text("t=0 0\r\n");
        }
        for time in &self.times {
            time.print(out);
        }
        for attribute in &self.attributes {
            out.line("a=", |out| attribute.print(out));
        }
        for media in &self.media {
            media.print(out);
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}

/// A copy, so that functions which keep a description take it by value or by reference.
impl From<&Session> for Session {
    fn from(session: &Session) -> Session {
        session.clone()
    }
}
