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

/// Where the next octet below 0x20 stands, from `pos` on; the length when there is none.
#[inline(always)]
pub(super) fn next_control(bytes: &[u8], pos: usize) -> usize {
    let mut rest = bytes.get(pos..).unwrap_or_default();
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
            return bytes.len() - rest.len() + (marks.trailing_zeros() / 8) as usize;
        }
        rest = behind;
    }
    let tail = rest.iter().position(|byte| *byte < 0x20).unwrap_or(rest.len());
    bytes.len() - rest.len() + tail
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
pub(super) fn start_line(bytes: &[u8], mut pos: usize) -> End {
    loop {
        pos = next_control(bytes, pos);
        match bytes.get(pos) {
            None => return End::Missing,
            Some(b'\r') if bytes.get(pos + 1) == Some(&b'\n') => return End::Line { end: pos, next: pos + 2 },
            Some(b'\t') => pos += 1,
            Some(_) => return End::Control(pos),
        }
    }
}

/// Finds the end of a header field, folds included (RFC 3261 section 7.3.1). A control character is let through behind a backslash
/// (quoted-pair; whether it stands in a quoted string is for the reader of the value to see), but never CR or LF.
#[inline(always)]
pub(super) fn field(bytes: &[u8], start: usize) -> End {
    let mut pos = start;
    loop {
        pos = next_control(bytes, pos);
        match bytes.get(pos) {
            Some(b'\r') => {
                let next = pos + 2;
                if bytes.get(pos + 1) != Some(&b'\n') {
                    return End::Control(pos);
                }
                match bytes.get(next) {
                    Some(b' ' | b'\t') => pos = next + 1,
                    _ => return End::Line { end: pos, next },
                }
            }
            Some(b'\t') => pos += 1,
            Some(b'\n') => return End::Control(pos),
            Some(_) if pos > start && bytes.get(pos - 1) == Some(&b'\\') => pos += 1,
            Some(_) => return End::Control(pos),
            None => return End::Missing,
        }
    }
}

/// Goes to the line behind the next LF: where reading goes on after a broken line.
pub(super) fn resume(bytes: &[u8], pos: usize) -> usize {
    let rest = bytes.get(pos..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |lf| pos + lf + 1)
}
