//! Finds line ends and control characters, eight octets at a time.

pub(super) const ONES: u64 = 0x0101_0101_0101_0101;
pub(super) const HIGH: u64 = 0x8080_8080_8080_8080;

/// Eight octets as a number, the first one lowest.
#[inline(always)]
pub(super) fn word(bytes: &[u8], pos: usize) -> Option<u64> {
    bytes.get(pos..).and_then(<[u8]>::first_chunk::<8>).map(|chunk| u64::from_le_bytes(*chunk))
}

/// Marks the octets below 0x20 by their highest bit. The lowest mark is exact; a borrow can only make wrong marks above it.
#[inline(always)]
fn marks(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGH
}

/// Where an octet (ASCII) stands; for short texts.
#[inline(always)]
pub(super) fn find(text: &[u8], byte: u8) -> Option<usize> {
    let mut rest = text;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let differs = u64::from_le_bytes(*chunk) ^ (ONES * byte as u64);
        let marks = differs.wrapping_sub(ONES) & !differs & HIGH;
        if marks != 0 {
            return Some(text.len() - rest.len() + (marks.trailing_zeros() / 8) as usize);
        }
        rest = behind;
    }
    rest.iter().position(|found| *found == byte).map(|at| text.len() - rest.len() + at)
}

/// True for one octet or more, all between `!` and `~`.
#[inline]
pub(super) fn is_printable(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        // Marks what is below 0x21, above 0x7f, and 0x7f itself.
        if (word.wrapping_sub(ONES * 0x21) | word | word.wrapping_add(ONES)) & HIGH != 0 {
            return false;
        }
        rest = behind;
    }
    !text.is_empty() && rest.iter().all(u8::is_ascii_graphic)
}

/// What follows from the next octet below 0x20 on; empty when there is none.
#[inline(always)]
fn next_control(text: &[u8]) -> &[u8] {
    let mut rest = text;
    // Compiles to a few instructions for 32 octets where the processor has vectors.
    while let Some((chunk, behind)) = rest.split_first_chunk::<32>() {
        if chunk.iter().fold(false, |found, byte| found | (*byte < 0x20)) {
            break;
        }
        rest = behind;
    }
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let marks = marks(u64::from_le_bytes(*chunk));
        if marks != 0 {
            return rest.get((marks.trailing_zeros() / 8) as usize..).unwrap_or_default();
        }
        rest = behind;
    }
    let tail = rest.iter().position(|byte| *byte < 0x20).unwrap_or(rest.len());
    rest.get(tail..).unwrap_or_default()
}

/// Where the CRLF of a line stands that has no other control character and is not folded; `None` for any other.
#[inline(always)]
pub(super) fn usual_end(text: &[u8]) -> Option<usize> {
    match next_control(text) {
        rest @ [b'\r', b'\n', next, ..] if !matches!(next, b' ' | b'\t') => Some(text.len() - rest.len()),
        _ => None,
    }
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With CRLF; `next` is where the next line starts.
    Line { end: usize, next: usize },
    /// The message ended first.
    Missing,
    /// A control character that may not stand there.
    Control(usize),
}

/// Finds the end of the start line, which knows no folds.
pub(super) fn start_line(text: &[u8]) -> End {
    let mut rest = next_control(text);
    loop {
        let end = text.len() - rest.len();
        match rest {
            [b'\r', b'\n', ..] => return End::Line { end, next: end + 2 },
            [b'\t', behind @ ..] => rest = next_control(behind),
            [] => return End::Missing,
            _ => return End::Control(end),
        }
    }
}

/// Finds the end of a header field, folds included (RFC 3261 section 7.3.1). A control character is let through behind a backslash
/// (quoted-pair; whether it stands in a quoted string is for the reader of the value to see), but never CR or LF.
pub(super) fn field(text: &[u8]) -> End {
    let mut rest = next_control(text);
    loop {
        let end = text.len() - rest.len();
        if let [b'\r', b'\n', next, ..] = rest
            && *next > b' '
        {
            return End::Line { end, next: end + 2 };
        }
        let skip = match unusual(rest) {
            Next::End => return End::Line { end, next: end + 2 },
            Next::Skip(count) => count,
            Next::Control if end > 0 && text.get(end - 1) == Some(&b'\\') => 1,
            Next::Control | Next::Break => return End::Control(end),
            Next::Missing => return End::Missing,
        };
        rest = next_control(rest.get(skip..).unwrap_or_default());
    }
}

/// What a control character is.
enum Next {
    /// The end of the field.
    End,
    /// A tab or a fold of so many octets.
    Skip(usize),
    /// Something that may stand behind a backslash.
    Control,
    /// A lone CR or LF, which may stand nowhere.
    Break,
    /// The end of the message.
    Missing,
}

#[inline(never)]
fn unusual(rest: &[u8]) -> Next {
    match rest {
        [b'\r', b'\n', b' ' | b'\t', ..] => Next::Skip(3),
        [b'\r', b'\n', ..] => Next::End,
        [b'\r' | b'\n', ..] => Next::Break,
        [b'\t', ..] => Next::Skip(1),
        [_, ..] => Next::Control,
        [] => Next::Missing,
    }
}

/// Goes to the line behind the next LF: where reading goes on after a broken line.
pub(super) fn resume(bytes: &[u8], pos: usize) -> usize {
    let rest = bytes.get(pos..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |lf| pos + lf + 1)
}
