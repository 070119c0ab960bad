//! Finds line ends and control characters, many octets at a time.

use super::masks;

pub(super) const ONES: u64 = 0x0101_0101_0101_0101;
pub(super) const HIGH: u64 = 0x8080_8080_8080_8080;

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

/// Where the next octet below 0x20 stands from `from` on; the end of `bytes` when there is none.
#[inline(always)]
pub(super) fn next_control(bytes: &[u8], mut from: usize) -> usize {
    while let Some(chunk) = masks::chunk::<32>(bytes, from) {
        match masks::below(chunk, b' ') {
            0 => from += chunk.len(),
            found => return from + found.trailing_zeros() as usize,
        }
    }
    near_end(bytes, from)
}

/// Behind the end there are NULs.
#[inline(never)]
fn near_end(bytes: &[u8], from: usize) -> usize {
    from + masks::below(&masks::padded::<32>(bytes, from), b' ').trailing_zeros() as usize
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

/// Finds the end of the start line at `start`, which knows no folds.
pub(super) fn start_line(bytes: &[u8], start: usize) -> End {
    let mut end = start;
    loop {
        end = next_control(bytes, end);
        match bytes.get(end..) {
            Some([b'\r', b'\n', ..]) => return End::Line { end, next: end + 2 },
            Some([b'\t', ..]) => end += 1,
            None | Some([]) => return End::Missing,
            _ => return End::Control(end),
        }
    }
}

/// Finds the end of the header field whose value begins at `start`, folds included (RFC 3261 section 7.3.1). A control character is let
/// through behind a backslash (quoted-pair; whether it stands in a quoted string is for the reader of the value to see), but never CR or LF.
pub(super) fn field(bytes: &[u8], start: usize) -> End {
    let mut end = start;
    loop {
        end = next_control(bytes, end);
        let escaped = || end > start && bytes.get(end - 1) == Some(&b'\\');
        end += match unusual(bytes.get(end..).unwrap_or_default()) {
            Next::End => return End::Line { end, next: end + 2 },
            Next::Skip(count) => count,
            Next::Control if escaped() => 1,
            Next::Control | Next::Break => return End::Control(end),
            Next::Missing => return End::Missing,
        };
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
