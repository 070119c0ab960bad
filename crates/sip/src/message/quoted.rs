//! Quoted strings and other text that need not be ASCII.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr3;

/// The inside of a quoted string, escapes and folds as they came (RFC 3261 section 25.1).
#[derive(Clone, Copy)]
pub struct Quoted<'a> {
    raw: &'a [u8],
}

impl<'a> Quoted<'a> {
    pub(crate) fn new(raw: &'a [u8]) -> Self {
        Quoted { raw }
    }

    /// The octets between the quotes.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The octets meant: `\x` is `x`, a fold is one blank, and so is a fold behind a backslash (RFC 3261 section 7.3.1: a fold reads as a
    /// blank before anything else is made of it).
    pub fn unescaped(&self) -> Cow<'a, [u8]> {
        if memchr3(b'\\', b'\r', b'\n', self.raw).is_none() {
            return Cow::Borrowed(self.raw);
        }
        let mut out = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            match byte {
                b'\\' => out.extend(rest.next_if(|next| !matches!(next, b'\r' | b'\n'))),
                b'\r' | b'\n' => {
                    while rest.next_if(|next| matches!(next, b' ' | b'\t' | b'\r' | b'\n')).is_some() {}
                    out.push(b' ');
                }
                _ => out.push(byte),
            }
        }
        Cow::Owned(out)
    }

    /// The text meant; what is not UTF-8 is replaced by U+FFFD.
    pub fn text(&self) -> Cow<'a, str> {
        match self.unescaped() {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

impl PartialEq for Quoted<'_> {
    /// Compares what is meant, octet by octet (RFC 3261 section 7.3.1: quoted strings are case-sensitive).
    fn eq(&self, other: &Self) -> bool {
        self.unescaped() == other.unescaped()
    }
}

impl Eq for Quoted<'_> {}

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

impl fmt::Display for Quoted<'_> {
    /// Prints the quotes too, escaped anew.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quote(&self.text()).fmt(f)
    }
}

/// Prints text as a quoted string: quote and backslash escaped, CR and LF as blanks.
#[derive(Clone, Copy, Debug)]
pub struct Quote<'a>(pub &'a str);

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_char('"')?;
        let changed = |byte: u8| matches!(byte, b'"' | b'\\') || byte != b'\t' && byte.is_ascii_control();
        let mut rest = self.0;
        // What is changed is ASCII, so it is cut at characters.
        while let Some((plain, found)) = rest.bytes().position(changed).and_then(|at| rest.split_at_checked(at)) {
            f.write_str(plain)?;
            let mut behind = found.chars();
            match behind.next() {
                Some('\r' | '\n') => f.write_char(' ')?,
                Some(ch) => write!(f, "\\{ch}")?,
                None => {}
            }
            rest = behind.as_str();
        }
        f.write_str(rest)?;
        f.write_char('"')
    }
}

/// Free text of a header field (Subject, Server, ...), folds as they came; it need not be UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
}

impl<'a> Text<'a> {
    pub(crate) fn new(raw: &'a [u8]) -> Self {
        Text { raw }
    }

    /// The octets as they came.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The text, each fold one blank, what is not UTF-8 replaced by U+FFFD.
    pub fn text(&self) -> Cow<'a, str> {
        unfold(self.raw)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Replaces each fold by one blank (RFC 3261 section 7.3.1).
pub(crate) fn unfold(raw: &[u8]) -> Cow<'_, str> {
    match unfold_bytes(raw) {
        // The check alone is much quicker than the search for what to replace.
        Cow::Borrowed(bytes) => {
            std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
        }
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Replaces each fold by one blank (RFC 3261 section 7.3.1), octets otherwise untouched.
pub(crate) fn unfold_bytes(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', b'\n', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out: Vec<u8> = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let run = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        out.extend_from_slice(rest.get(..run).unwrap_or_default());
        at += run;
        if run < rest.len() {
            while matches!(out.last(), Some(b' ' | b'\t')) {
                out.pop();
            }
            out.push(b' ');
            while matches!(raw.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_25_1_what_is_quoted_is_escaped_and_nothing_else() {
        let cases = [
            ("", r#""""#),
            ("Bob", r#""Bob""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            (r#""""#, r#""\"\"""#),
            ("a\r\nb\tc", "\"a  b\tc\""),
            ("\u{1}\u{7f}", "\"\\\u{1}\\\u{7f}\""),
            ("grüße \u{80} \"ß\"", "\"grüße \u{80} \\\"ß\\\"\""),
        ];
        for (text, quoted) in cases {
            assert_eq!(Quote(text).to_string(), quoted, "{text:?}");
        }
    }
}
