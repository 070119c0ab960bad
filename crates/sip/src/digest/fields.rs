//! The parameters of a digest challenge, of credentials and of Authentication-Info (RFC 7616 sections 3.3-3.5, RFC 3261 section 25.1).

use std::borrow::Cow;
use std::fmt;

use crate::message::class;

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where, in the header's value.
    pub byte: u32,
    /// What should stand there.
    pub expected: &'static str,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: expected {} (RFC 7616 3.3)", self.byte, self.expected)
    }
}

impl std::error::Error for FieldError {}

/// Parameters by name, each as it stood: without the quotes, with its escapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    pub(crate) username: Option<&'a str>,
    /// `username*`: the form for other than ASCII, which SIP does not have (RFC 7616 section 3.4).
    pub(crate) username_star: Option<&'a str>,
    pub(crate) realm: Option<&'a str>,
    pub(crate) nonce: Option<&'a str>,
    pub(crate) uri: Option<&'a str>,
    pub(crate) response: Option<&'a str>,
    pub(crate) algorithm: Option<&'a str>,
    pub(crate) cnonce: Option<&'a str>,
    pub(crate) opaque: Option<&'a str>,
    pub(crate) qop: Option<&'a str>,
    pub(crate) nc: Option<&'a str>,
    pub(crate) stale: Option<&'a str>,
    pub(crate) rspauth: Option<&'a str>,
    pub(crate) nextnonce: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Reads `Digest name=value, ...`; `Ok(None)` when the scheme is another one.
    pub(crate) fn with_scheme(value: &'a [u8]) -> Result<Option<Fields<'a>>, FieldError> {
        let mut scan = Scan::new(value)?;
        scan.blanks();
        let scheme = scan.token();
        if scheme.is_empty() {
            return Err(scan.error("a scheme"));
        }
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Ok(None);
        }
        let before = scan.at();
        scan.blanks();
        if scan.at() == before {
            return Err(scan.error("a blank after the scheme"));
        }
        Self::rest(scan).map(Some)
    }

    /// Reads `name=value, ...` (Authentication-Info).
    pub(crate) fn bare(value: &'a [u8]) -> Result<Fields<'a>, FieldError> {
        let mut scan = Scan::new(value)?;
        scan.blanks();
        Self::rest(scan)
    }

    fn rest(mut scan: Scan<'a>) -> Result<Fields<'a>, FieldError> {
        let mut fields = Fields::default();
        loop {
            let start = scan.at();
            let (name, value) = scan.parameter()?;
            if let Some(slot) = fields.slot(name)
                && slot.replace(value).is_some()
            {
                return Err(error_at(start, "each parameter once"));
            }
            if !scan.eat_behind_blanks(b',') {
                return if scan.rest.is_empty() { Ok(fields) } else { Err(scan.error("a comma")) };
            }
            scan.blanks();
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        Some(match name {
            "username" => &mut self.username,
            "username*" => &mut self.username_star,
            "realm" => &mut self.realm,
            "nonce" => &mut self.nonce,
            "uri" => &mut self.uri,
            "response" => &mut self.response,
            "algorithm" => &mut self.algorithm,
            "cnonce" => &mut self.cnonce,
            "opaque" => &mut self.opaque,
            "qop" => &mut self.qop,
            "nc" => &mut self.nc,
            "stale" => &mut self.stale,
            "rspauth" => &mut self.rspauth,
            "nextnonce" => &mut self.nextnonce,
            other => {
                let known = NAMES.into_iter().find(|known| other != *known && other.eq_ignore_ascii_case(known))?;
                return self.slot(known);
            }
        })
    }
}

/// The names of [`Fields::slot`].
const NAMES: [&str; 14] = [
    "username",
    "username*",
    "realm",
    "nonce",
    "uri",
    "response",
    "algorithm",
    "cnonce",
    "opaque",
    "qop",
    "nc",
    "stale",
    "rspauth",
    "nextnonce",
];

struct Scan<'a> {
    text: &'a str,
    /// What has not been read of it.
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    fn new(value: &'a [u8]) -> Result<Self, FieldError> {
        match std::str::from_utf8(value) {
            Ok(text) => Ok(Scan { text, rest: value }),
            Err(why) => Err(error_at(why.valid_up_to(), "UTF-8")),
        }
    }

    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn error(&self, expected: &'static str) -> FieldError {
        error_at(self.at(), expected)
    }

    /// Linear white space, line folds included.
    fn blanks(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', behind @ ..] = self.rest {
            self.rest = behind;
        }
    }

    /// The next octet, if it is this one.
    fn eat(&mut self, octet: u8) -> bool {
        match self.rest {
            [first, behind @ ..] if *first == octet => {
                self.rest = behind;
                true
            }
            _ => false,
        }
    }

    /// The same behind blanks, which are gone in any case.
    fn eat_behind_blanks(&mut self, octet: u8) -> bool {
        self.eat(octet) || {
            self.blanks();
            self.eat(octet)
        }
    }

    fn skip(&mut self, octets: usize) {
        self.rest = self.rest.get(octets..).unwrap_or_default();
    }

    fn take(&mut self, octets: usize) -> &'a str {
        let start = self.at();
        self.skip(octets);
        self.text.get(start..start + octets).unwrap_or_default()
    }

    fn token(&mut self) -> &'a str {
        self.take(class::prefix(self.rest, class::TOKEN))
    }

    fn parameter(&mut self) -> Result<(&'a str, &'a str), FieldError> {
        let name = self.token();
        if name.is_empty() {
            return Err(self.error("a parameter name"));
        }
        if !self.eat_behind_blanks(b'=') {
            return Err(self.error("="));
        }
        let value = if self.eat_behind_blanks(b'"') { self.quoted()? } else { self.bare_value()? };
        Ok((name, value))
    }

    /// What stands before the next quote; a line fold in there is refused, since nobody could say what it hashes to.
    fn quoted(&mut self) -> Result<&'a str, FieldError> {
        let start = self.at();
        loop {
            self.skip(class::quoted_prefix(self.rest));
            match self.rest {
                [b'"', behind @ ..] => {
                    let end = self.at();
                    self.rest = behind;
                    return Ok(self.text.get(start..end).unwrap_or_default());
                }
                [b'\\', 0x20..=0x7e | b'\t', behind @ ..] => self.rest = behind,
                [b'\\', ..] => return Err(self.error("a character after the backslash")),
                [_, ..] => return Err(self.error("no control character")),
                [] => return Err(self.error("a closing quote")),
            }
        }
    }

    /// A token, or what peers write without the quotes that belong there (nonces, URIs).
    fn bare_value(&mut self) -> Result<&'a str, FieldError> {
        match class::prefix(self.rest, class::BARE) {
            0 => Err(self.error("a value")),
            length => Ok(self.take(length)),
        }
    }
}

fn error_at(at: usize, expected: &'static str) -> FieldError {
    FieldError { byte: u32::try_from(at).unwrap_or(u32::MAX), expected }
}

/// Takes the escapes of a quoted string away: the name a person knows, not what is hashed.
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut plain = String::with_capacity(raw.len());
    let mut letters = raw.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}

/// The inverse of [`unescape`]: fit to stand between quotes. Control characters must have been refused before.
pub(crate) fn escape(plain: &str) -> Cow<'_, str> {
    if !plain.contains(['"', '\\']) {
        return Cow::Borrowed(plain);
    }
    let mut raw = String::with_capacity(plain.len() + 4);
    for letter in plain.chars() {
        if matches!(letter, '"' | '\\') {
            raw.push('\\');
        }
        raw.push(letter);
    }
    Cow::Owned(raw)
}

/// True for text that may stand between quotes once escaped: no control character but the tab.
pub(crate) fn quotable(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Fields<'_> {
        Fields::with_scheme(value.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn rfc7616_3_3_parameters_are_found_quoted_or_bare_in_any_order_and_case() {
        let fields = read(
            "digest  NONCE = \"a,b\\\"c\" ,realm=x,\r\n qop=\"auth,auth-int\", uri=sip:a@b;c=d,future=\"1\",stale=TRUE",
        );
        assert_eq!(fields.nonce, Some("a,b\\\"c"));
        assert_eq!(fields.realm, Some("x"));
        assert_eq!(fields.qop, Some("auth,auth-int"));
        assert_eq!(fields.uri, Some("sip:a@b;c=d"));
        assert_eq!(fields.stale, Some("TRUE"));
        assert_eq!(fields.username, None);
        assert_eq!(read("Digest realm=\"\"").realm, Some(""));
    }

    #[test]
    fn rfc7616_3_3_broken_values_say_where_and_what() {
        for (value, byte, expected) in [
            ("", 0, "a scheme"),
            ("Digest", 6, "a blank after the scheme"),
            ("Digest ", 7, "a parameter name"),
            ("Digest realm", 12, "="),
            ("Digest realm=", 13, "a value"),
            ("Digest realm=\"x", 15, "a closing quote"),
            ("Digest realm=\"x\\", 15, "a character after the backslash"),
            ("Digest realm=\"x\r\n y\"", 15, "no control character"),
            ("Digest realm=\"x\0\"", 15, "no control character"),
            ("Digest realm=x realm=y", 15, "a comma"),
            ("Digest realm=x,Realm=y", 15, "each parameter once"),
            ("Digest realm=x,", 15, "a parameter name"),
            ("Digest realm=x\"y\"", 14, "a comma"),
        ] {
            assert_eq!(Fields::with_scheme(value.as_bytes()), Err(FieldError { byte, expected }), "{value:?}");
        }
        assert_eq!(Fields::with_scheme(b"Digest realm=\"\xff\""), Err(FieldError { byte: 14, expected: "UTF-8" }));
        assert_eq!(Fields::with_scheme(b"Basic QWxhZGRpbg=="), Ok(None));
    }

    #[test]
    fn cve_digest_every_truncation_is_an_answer_not_a_panic() {
        let whole = b"Digest username=\"a\\\"b\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"00\", qop=auth, nc=00000001, cnonce=\"c\\\\\"";
        for cut in 0..=whole.len() {
            let _ = Fields::with_scheme(&whole[..cut]);
            let _ = Fields::bare(&whole[cut..]);
        }
        assert!(Fields::with_scheme(whole).is_ok());
    }

    #[test]
    fn escapes_come_and_go() {
        for plain in ["", "alice", "a\"b\\c", "J\u{e4}s\u{f8}n \"Doe\""] {
            assert_eq!(unescape(&escape(plain)), plain);
        }
        assert!(quotable("a b\t\u{e4}") && !quotable("a\r\nb") && !quotable("\0") && !quotable("\x7f"));
    }
}
