//! Reading a description: the order of lines. What is inside a line is read in [`fields`], lines are cut in [`lines`].

mod fields;
mod lines;
mod printed;
#[cfg(test)]
mod tests;

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
    let mut lines = Lines::new(bytes, limits)?;
    let first = lines.next_line()?;
    match &first {
        Some(line) if line.letter == 'v' => fields::version(line)?,
        other => return Err(lines.missing(other.as_ref(), 'v', "v=0 as the first line", "RFC 8866 section 5.1")),
    }
    let origin = match lines.next_line()? {
        Some(line) if line.letter == 'o' => fields::origin(&line)?,
        other => return Err(lines.missing(other.as_ref(), 'o', "o= as the second line", "RFC 8866 section 5.2")),
    };
    let mut reader = Reader::new(origin, limits);
    while let Some(line) = lines.next_line()? {
        match reader.session.media.is_empty() && line.letter != 'm' {
            true => reader.session_line(&line)?,
            false => reader.media_line(&line)?,
        }
        reader.previous = line.letter;
    }
    reader.finish(lines.latin1)?;
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
    /// Where the `m=` lines are, for what is missing in their sections.
    media_lines: Vec<(usize, usize)>,
}

impl Reader<'_> {
    fn new(origin: Origin, limits: &Limits) -> Reader<'_> {
        Reader { session: Session::bare(origin), limits, rank: rank('o'), previous: 'o', media_lines: Vec::new() }
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
            self.session.media.push(fields::media(line, self.limits)?);
            self.media_lines.push((line.number, line.offset));
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

    fn finish(&mut self, latin1: bool) -> Result<(), ParseError> {
        let without_address = |media: &Media| !media.is_rejected() && media.connections.is_empty();
        if self.session.connection.is_none()
            && let Some(index) = self.session.media.iter().position(without_address)
        {
            let (line, byte) = self.media_lines.get(index).copied().unwrap_or_default();
            let (expected, rule) = ("c= at session level or in this media section", "RFC 8866 section 5.7");
            return Err(ParseError { line, byte, kind: ParseErrorKind::Missing('c'), expected, rule });
        }
        if self.session.times.is_empty() {
            self.session.times.push(TimeDescription::default());
        }
        if latin1 {
            self.declare_utf8();
        }
        Ok(())
    }

    /// What was read as ISO 8859-1 is printed as UTF-8, so an `a=charset` would no longer be true. RFC 8866
    /// section 6.10.
    fn declare_utf8(&mut self) {
        let sections = self.session.media.iter_mut().map(|media| &mut media.attributes);
        for attributes in sections.chain([&mut self.session.attributes]) {
            for attribute in attributes.values_mut().filter(|attribute| attribute.name == "charset") {
                attribute.value = Some(Text::literal("UTF-8"));
            }
        }
    }
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
