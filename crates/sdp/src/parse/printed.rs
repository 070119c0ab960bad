//! That what was read can be printed within the limits it was read under.

use std::fmt::{self, Write};

use crate::limits::Limits;
use crate::parse_error::{ParseError, ParseErrorKind};
use crate::session::Session;

/// Counts what would be printed, without keeping it.
#[derive(Default)]
struct Size {
    bytes: usize,
    lines: usize,
    longest: usize,
    current: usize,
}

impl Write for Size {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes += text.len();
        for (index, part) in text.split("\r\n").enumerate() {
            if index > 0 {
                self.lines += 1;
                self.current = 0;
            }
            self.current += part.len();
            self.longest = self.longest.max(self.current);
        }
        Ok(())
    }
}

/// Refuses a description which would outgrow the limits when printed: line ends of one byte become two, ISO 8859-1
/// becomes UTF-8, a missing `s=`, `t=` or time to live is filled in. So `parse(print(x))` never fails, under any limits.
///
/// Printing at most doubles an octet or a line end, adds four octets to a `c=` and two short lines, so what is far below the limits need not be counted.
pub(super) fn fits(session: &Session, read: usize, limits: &Limits) -> Result<(), ParseError> {
    let most = read.saturating_mul(4).saturating_add(64);
    if most <= limits.session_bytes && most <= limits.line_bytes && most <= limits.lines {
        return Ok(());
    }
    let mut size = Size::default();
    // Counting cannot fail.
    let _ = write!(size, "{session}");
    let bounds = [
        (size.bytes, limits.session_bytes, "Limits::session_bytes"),
        (size.longest, limits.line_bytes, "Limits::line_bytes"),
        (size.lines, limits.lines, "Limits::lines"),
    ];
    match bounds.into_iter().find(|(size, bound, _)| size > bound) {
        None => Ok(()),
        Some((_, bound, rule)) => {
            let expected = "less, also when printed with CRLF and in UTF-8";
            Err(ParseError {
                line: size.lines,
                byte: size.bytes,
                kind: ParseErrorKind::TooLarge(bound),
                expected,
                rule,
            })
        }
    }
}
