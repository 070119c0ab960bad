//! Reading a description: the order of lines. What is inside a line is read in [`fields`], lines are cut in [`lines`].

mod fields;
mod lines;
mod printed;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::Ipv4Addr;

use crate::attribute::Attributes;
use crate::limits::Limits;
use crate::media::Media;
use crate::origin::Origin;
use crate::parse_error::{ParseError, ParseErrorKind};
use crate::session::Session;
use crate::text::{Text, Token};
use crate::time::TimeDescription;
use lines::{Line, Lines};

const ORDER: &str = "RFC 8866 section 5";

impl Session {
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
        session(bytes, limits)
    }
}

impl std::str::FromStr for Session {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Session, ParseError> {
        Session::parse(text.as_bytes())
    }
}

/// Reads one description.
fn session(bytes: &[u8], limits: &Limits) -> Result<Session, ParseError> {
    if bytes.len() > limits.session_bytes {
        let (bound, rule) = (limits.session_bytes, "Limits::session_bytes");
        let kind = ParseErrorKind::TooLarge(bound);
        return Err(ParseError { line: 1, byte: bound, kind, expected: "a shorter description", rule });
    }
    let text = lines::decoded(bytes);
    let latin1 = matches!(text, Cow::Owned(_));
    let mut reader = Reader::new(limits);
    match reader.read(&text) {
        Ok(()) => {}
        Err(error) if latin1 => return Err(lines::undecoded(bytes, &text, error)),
        Err(error) => return Err(error),
    }
    if latin1 {
        declare_utf8(&mut reader.session);
    }
    printed::fits(&reader.session, bytes.len(), limits)?;
    Ok(reader.session)
}

/// What has been read so far.
struct Reader<'a> {
    session: Session,
    limits: &'a Limits,
    /// Place of the last session line in the order of RFC 8866 section 5.
    rank: u8,
    /// Letter of the last line.
    previous: char,
}

impl Reader<'_> {
    /// Nothing read yet; the origin is filled in first.
    fn new(limits: &Limits) -> Reader<'_> {
        let origin = Origin::new(0, 0, Ipv4Addr::UNSPECIFIED);
        Reader { session: Session::bare(origin), limits, rank: rank('o'), previous: 'o' }
    }

    /// Reads all lines. The session is whole when there was no mistake.
    fn read(&mut self, text: &str) -> Result<(), ParseError> {
        let mut lines = Lines::new(text, self.limits);
        let first = lines.next_line()?;
        match &first {
            Some(line) if line.letter == 'v' => fields::version(line)?,
            other => return Err(lines.missing(other.as_ref(), 'v', "v=0 as the first line", "RFC 8866 section 5.1")),
        }
        self.session.origin = match lines.next_line()? {
            Some(line) if line.letter == 'o' => fields::origin(&line)?,
            other => return Err(lines.missing(other.as_ref(), 'o', "o= as the second line", "RFC 8866 section 5.2")),
        };
        while let Some(line) = lines.next_line()? {
            match self.session.media.is_empty() && line.letter != 'm' {
                true => self.session_line(&line)?,
                false => self.media_line(&line)?,
            }
            self.previous = line.letter;
        }
        if self.session.times.is_empty() {
            self.session.times = vec![TimeDescription::default()];
        }
        match without_address(&self.session) {
            Some(index) => Err(missing_address(text, index, self.limits)),
            None => Ok(()),
        }
    }

    fn session_line(&mut self, line: &Line<'_>) -> Result<(), ParseError> {
        let rank = rank(line.letter);
        if rank < self.rank {
            return Err(line.error(
                ParseErrorKind::OutOfOrder(line.letter),
                "the order v o s i u e p c b t a m",
                ORDER,
            ));
        }
        if rank == self.rank && matches!(line.letter, 'o' | 's' | 'i' | 'u') {
            return Err(line.error(ParseErrorKind::Duplicate(line.letter), "this line at most once", ORDER));
        }
        self.rank = rank;
        let session = &mut self.session;
        match line.letter {
            's' => session.name = fields::text(line).unwrap_or_else(|| Token::literal("-").into()),
            'i' => session.information = fields::text(line),
            'u' => session.uri = fields::text(line),
            'e' => session.emails.extend(fields::text(line)),
            'p' => session.phones.extend(fields::text(line)),
            'c' if session.connection.is_some() => {
                return Err(line.error(
                    ParseErrorKind::Duplicate('c'),
                    "one c= at session level",
                    "RFC 8866 section 5.7",
                ));
            }
            'c' => session.connection = Some(fields::session_connection(line)?),
            'b' => session.bandwidths.push(fields::bandwidth(line)?),
            'a' => push_attribute(&mut session.attributes, line, self.limits)?,
            'k' => {} // RFC 8866 section 5.12: to be discarded.
            't' if session.times.is_empty() => session.times = vec![fields::time(line)?],
            't' => session.times.push(fields::time(line)?),
            'r' | 'z' => self.time_line(line)?,
            _ => {
                return Err(line.error(
                    ParseErrorKind::OutOfOrder(line.letter),
                    "a line of the session section",
                    ORDER,
                ));
            }
        }
        Ok(())
    }

    /// `r=` follows `t=` or `r=`, `z=` follows `r=`: RFC 8866 sections 5.10 and 5.11.
    fn time_line(&mut self, line: &Line<'_>) -> Result<(), ParseError> {
        let time: Option<&mut TimeDescription> = self.session.times.last_mut();
        match (line.letter, self.previous, time) {
            ('r', 't' | 'r', Some(time)) => time.repeats.push(fields::repeat(line)?),
            ('z', 'r', Some(time)) => time.zones = fields::zones(line)?,
            ('r', ..) => {
                let kind = ParseErrorKind::OutOfOrder('r');
                return Err(line.error(kind, "r= behind t= or r=", "RFC 8866 section 5.10"));
            }
            _ => {
                let kind = ParseErrorKind::OutOfOrder('z');
                return Err(line.error(kind, "z= behind r=", "RFC 8866 section 5.11"));
            }
        }
        Ok(())
    }

    fn media_line(&mut self, line: &Line<'_>) -> Result<(), ParseError> {
        if line.letter == 'm' {
            if self.session.media.len() >= self.limits.media {
                return Err(line.error(ParseErrorKind::TooLarge(self.limits.media), "fewer m= lines", "Limits::media"));
            }
            if self.session.media.is_empty() {
                self.session.media = Vec::with_capacity(1);
            }
            self.session.media.push(fields::media(line, self.limits)?);
            return Ok(());
        }
        let Some(media) = self.session.media.last_mut() else { return Ok(()) };
        match line.letter {
            'i' if media.information.is_some() => {
                let kind = ParseErrorKind::Duplicate('i');
                return Err(line.error(kind, "one i= in a media section", "RFC 8866 section 5.4"));
            }
            'i' => media.information = fields::text(line),
            'c' => media.connections.push(fields::connection(line)?),
            'b' => media.bandwidths.push(fields::bandwidth(line)?),
            'a' => push_attribute(&mut media.attributes, line, self.limits)?,
            'k' => {} // RFC 8866 section 5.12: to be discarded.
            letter => {
                return Err(line.error(
                    ParseErrorKind::OutOfOrder(letter),
                    "i= c= b= a= or m= in a media section",
                    ORDER,
                ));
            }
        }
        Ok(())
    }
}

/// What was read as ISO 8859-1 is printed as UTF-8, so an `a=charset` would no longer be true. RFC 8866 section 6.10.
fn declare_utf8(session: &mut Session) {
    let sections = session.media.iter_mut().map(|media| &mut media.attributes);
    for attributes in sections.chain([&mut session.attributes]) {
        for attribute in attributes.values_mut().filter(|attribute| attribute.name == "charset") {
            attribute.value = Some(Text::literal("UTF-8"));
        }
    }
}

/// The first section that has no address and inherits none.
fn without_address(session: &Session) -> Option<usize> {
    let without = |media: &Media| !media.is_rejected() && media.connections.is_empty();
    session.media.iter().position(without).filter(|_| session.connection.is_none())
}

/// That the media section of this index has no address. Where its `m=` line is has not been kept.
fn missing_address(text: &str, index: usize, limits: &Limits) -> ParseError {
    let mut places = Vec::new();
    let mut lines = Lines::new(text, limits);
    while let Ok(Some(line)) = lines.next_line() {
        places.extend((line.letter == 'm').then_some((line.number, line.offset)));
    }
    let (line, byte) = places.get(index).copied().unwrap_or_default();
    let (expected, rule) = ("c= at session level or in this media section", "RFC 8866 section 5.7");
    ParseError { line, byte, kind: ParseErrorKind::Missing('c'), expected, rule }
}

/// Place of a session line in the order of RFC 8866 section 5. From `c=` on devices shuffle, so these are one.
fn rank(letter: char) -> u8 {
    match letter {
        'v' => 0,
        'o' => 1,
        's' => 2,
        'i' => 3,
        'u' => 4,
        'e' => 5,
        'p' => 6,
        _ => 7,
    }
}

fn push_attribute(attributes: &mut Attributes, line: &Line<'_>, limits: &Limits) -> Result<(), ParseError> {
    if attributes.len() >= limits.attributes {
        let kind = ParseErrorKind::TooLarge(limits.attributes);
        return Err(line.error(kind, "fewer a= lines in one section", "Limits::attributes"));
    }
    attributes.push(fields::attribute(line)?);
    Ok(())
}
