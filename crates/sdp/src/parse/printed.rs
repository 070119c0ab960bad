//! That what was read can be printed within the limits it was read under.

use crate::limits::Limits;
use crate::parse_error::{ParseError, ParseErrorKind};
use crate::session::Session;

/// Refuses a description which would outgrow the limits when printed: line ends of one byte become two, ISO 8859-1
/// becomes UTF-8, a missing `s=`, `t=` or time to live is filled in. So `parse(print(x))` never fails, under any limits.
///
/// Printing at most doubles an octet or a line end, adds four octets to a `c=` and two short lines, so what is far below the limits need not be counted.
pub(super) fn fits(session: &Session, read: usize, limits: &Limits) -> Result<(), ParseError> {
    let most = read.saturating_mul(4).saturating_add(64);
    if most <= limits.session_bytes && most <= limits.line_bytes && most <= limits.lines {
        return Ok(());
    }
    let printed = session.to_string();
    let (mut lines, mut longest) = (0, 0);
    for line in printed.split_terminator("\r\n") {
        lines += 1;
        longest = line.len().max(longest);
    }
    let bounds = [
        (printed.len(), limits.session_bytes, "Limits::session_bytes"),
        (longest, limits.line_bytes, "Limits::line_bytes"),
        (lines, limits.lines, "Limits::lines"),
    ];
    match bounds.into_iter().find(|(size, bound, _)| size > bound) {
        None => Ok(()),
        Some((_, bound, rule)) => {
            let expected = "less, also when printed with CRLF and in UTF-8";
            Err(ParseError { line: lines, byte: printed.len(), kind: ParseErrorKind::TooLarge(bound), expected, rule })
        }
    }
}
