//! Classes of octets of the grammar (RFC 3261 section 25.1), one bit each in one table.

use super::masks;

/// `token`.
pub(crate) const TOKEN: u16 = 1;
/// Value of a header parameter that is not quoted: `token`, `host`, and what peers put there in practice (`/ = @ & $ ? { } ( ) | \ ^ #`);
/// never a separator of the outer grammar.
pub(crate) const VALUE: u16 = 4;
/// `user`: unreserved and user-unreserved (escapes are checked apart).
pub(crate) const USER: u16 = 8;
/// `password`.
pub(crate) const PASSWORD: u16 = 16;
/// URI parameter: `paramchar` without escapes.
pub(crate) const PARAM: u16 = 32;
/// URI header: unreserved and hnv-unreserved without escapes.
pub(crate) const HEADER: u16 = 64;
/// `hostname`.
pub(crate) const HOST: u16 = 128;
/// `uric` without escapes, for other schemes and absolute URIs; also `#`.
pub(crate) const URIC: u16 = 256;
/// ASCII digit.
pub(crate) const DIGIT: u16 = 512;
/// What a quoted string holds without needing a look: not the quote, the backslash, CR, LF or NUL.
pub(crate) const QUOTED: u16 = 2048;
/// Hexadecimal digit.
pub(crate) const HEX: u16 = 4096;
/// Value of a credential that should have been quoted: printable, no comma, quote or backslash.
pub(crate) const BARE: u16 = 8192;

const fn among(set: &[u8], byte: u8) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

const fn classes(byte: u8) -> u16 {
    let alnum = byte.is_ascii_alphanumeric();
    let unreserved = alnum || among(b"-_.!~*'()", byte);
    let mut bits = 0;
    if alnum || among(b"-.!%*_+`'~", byte) {
        bits |= TOKEN;
    }
    if alnum || among(b"-.!%*_+`'~[]:/=@&$?{}()|\\^#", byte) {
        bits |= VALUE;
    }
    if unreserved || among(b"&=+$,;?/", byte) {
        bits |= USER;
    }
    if unreserved || among(b"&=+$,", byte) {
        bits |= PASSWORD;
    }
    if unreserved || among(b"[]/:&+$", byte) {
        bits |= PARAM;
    }
    if unreserved || among(b"[]/?:+$", byte) {
        bits |= HEADER;
    }
    if alnum || among(b"-._", byte) {
        bits |= HOST;
    }
    if unreserved || among(b";/?:@&=+$,[]#", byte) {
        bits |= URIC;
    }
    if byte.is_ascii_digit() {
        bits |= DIGIT;
    }
    if byte == b'\t' || (byte >= b' ' && byte != b'"' && byte != b'\\' && byte != 0x7f) {
        bits |= QUOTED;
    }
    if byte.is_ascii_hexdigit() {
        bits |= HEX;
    }
    if byte.is_ascii_graphic() && !among(b"\",\\", byte) {
        bits |= BARE;
    }
    bits
}

const fn build() -> [u16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = classes(i as u8);
        i += 1;
    }
    table
}

const TABLE: [u16; 256] = build();

/// True when `byte` is in this class.
#[inline(always)]
pub(crate) fn is(byte: u8, class: u16) -> bool {
    TABLE[byte as usize] & class != 0
}

/// How many octets at the start of `bytes` are in this class (a single one).
#[inline(always)]
pub(crate) fn prefix(bytes: &[u8], class: u16) -> usize {
    let stops = |byte: &u8| !is(*byte, class);
    let mut rest = bytes;
    // Eight at a time, so that few of the steps are those of the loop.
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        if let Some(at) = chunk.iter().position(stops) {
            return bytes.len() - rest.len() + at;
        }
        rest = behind;
    }
    bytes.len() - rest.len() + rest.iter().position(stops).unwrap_or(rest.len())
}

/// How many octets at the start of `bytes` are [`QUOTED`]: sixteen at a time as long as none of them needs a look.
#[inline(always)]
pub(crate) fn quoted_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = masks::chunk::<16>(bytes, at) {
        let ends = masks::equal(chunk, b'"') | masks::equal(chunk, b'\\') | masks::equal(chunk, 0x7f);
        match masks::below(chunk, b' ') | ends {
            0 => at += chunk.len(),
            // It may be a tab.
            found => {
                at += found.trailing_zeros() as usize;
                break;
            }
        }
    }
    at + prefix(bytes.get(at..).unwrap_or_default(), QUOTED)
}

/// Makes blanks of control characters. The usual text has none: that is seen for many octets at once.
pub(crate) fn blank_controls(bytes: &mut [u8]) {
    if bytes.iter().fold(false, |any, byte| any | byte.is_ascii_control()) {
        bytes.iter_mut().filter(|byte| byte.is_ascii_control()).for_each(|byte| *byte = b' ');
    }
}

/// True when `bytes` is not empty and wholly in this class.
pub(crate) fn all(bytes: &[u8], class: u16) -> bool {
    !bytes.is_empty() && prefix(bytes, class) == bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_run_ends_at_the_same_octet_however_it_is_looked_for() {
        let mut text = [b'x'; 50];
        text[3] = b'\t';
        text[20] = b'\t';
        text[21] = 0xc3;
        for at in 0..text.len() {
            for octet in 0..=255 {
                let mut one = text;
                one[at] = octet;
                for end in [at + 1, text.len()] {
                    assert_eq!(quoted_prefix(&one[..end]), prefix(&one[..end], QUOTED), "{octet:#x} at {at}");
                }
            }
        }
    }
}
