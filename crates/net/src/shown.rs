//! What peers wrote, as it may be put on a terminal or into a log.

use std::borrow::Cow;
use std::ops::Range;

/// `text` on one line that draws nothing but itself: control characters, line breaks and what turns the direction of writing are shown
/// escaped, as in `\u{1b}[2J`. A stranger's text can neither move the cursor nor pretend to be a line of ours. Passwords in URIs are cut
/// ([`without_passwords`]).
pub fn shown(text: &str) -> Cow<'_, str> {
    match without_passwords(text) {
        Cow::Borrowed(text) => escaped(text),
        Cow::Owned(text) => Cow::Owned(escaped(&text).into_owned()),
    }
}

/// `text` with the passwords of its SIP URIs (RFC 3261 section 19.1.1) taken out: `sip:bob:(cut)@example.com`. When in doubt more is cut than
/// needed.
pub fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut cut = String::new();
    let mut copied = 0;
    for password in passwords(text.as_bytes()) {
        cut.push_str(text.get(copied..password.start).unwrap_or_default());
        cut.push_str("(cut)");
        copied = password.end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    cut.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(cut)
}

/// Where the passwords of URIs stand, in order: those of SIP, and of whatever scheme has a double slash (RFC 3986 section 3.2.1). They begin and end beside ASCII.
pub(crate) fn passwords(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    // All up to here has been looked at.
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let (behind, has_slashes) = scheme(text.get(at..).unwrap_or_default())?;
            let begin = at + behind;
            let rest = text.get(begin..).unwrap_or_default();
            let ends = |octet: u8| octet == b'@' || ends_uri(octet) || has_slashes && octet == b'/';
            let end = rest.iter().position(|octet| ends(*octet)).unwrap_or(rest.len());
            let colon = rest.iter().take(end).position(|octet| *octet == b':');
            at = begin + end;
            if let Some(colon) = colon.filter(|_| rest.get(end) == Some(&b'@')) {
                return Some(begin + colon + 1..at);
            }
        }
    })
}

/// Where the first scheme ends that may have a password behind it, and whether that is one with a double slash.
fn scheme(text: &[u8]) -> Option<(usize, bool)> {
    let ends = |before: &[u8], name: &[u8]| {
        let begin = before.len().checked_sub(name.len());
        begin.and_then(|at| before.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(name))
    };
    memchr::memchr_iter(b':', text).find_map(|colon| {
        let (before, behind) = text.split_at_checked(colon)?;
        match ends(before, b"sip") || ends(before, b"sips") {
            true => Some((colon + 1, false)),
            false => behind.starts_with(b"://").then_some((colon + 3, true)),
        }
    })
}

/// What no URI holds.
fn ends_uri(octet: u8) -> bool {
    octet.is_ascii_whitespace() || matches!(octet, b'<' | b'>' | b'"')
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(draws) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if draws(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// C0, DEL and C1; line and paragraph separators; marks, embeddings, overrides and isolates of direction (Unicode annex 9, section 2).
fn draws(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_draws_is_escaped_and_the_rest_is_as_it_was() {
        for (text, expected) in [
            ("Busy \u{1b}[2JHere", "Busy \\u{1b}[2JHere"),
            ("one\r\ntwo\tthree\u{7}", "one\\r\\ntwo\\tthree\\u{7}"),
            ("\u{7f}\u{9b}2J", "\\u{7f}\\u{9b}2J"),
            ("a\u{202e}b\u{2066}c\u{2028}d", "a\\u{202e}b\\u{2066}c\\u{2028}d"),
            ("Grüße, 你好, \\n 👍", "Grüße, 你好, \\n 👍"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert!(matches!(shown("Müller"), Cow::Borrowed(_)));
    }

    #[test]
    fn rfc3261_19_1_1_passwords_of_uris_are_cut() {
        for (text, expected) in [
            ("cannot reach sip:bob:s3cret@example.com: x", "cannot reach sip:bob:(cut)@example.com: x"),
            ("\"B\" <SIPS:bob:s3:cr,et@h;x=1>, <sip:a:s3cret@h>", "\"B\" <SIPS:bob:(cut)@h;x=1>, <sip:a:(cut)@h>"),
            ("sip:bob:@h", "sip:bob:(cut)@h"),
            ("sip:sip:s3cret@h sip:sips:s3cret@h", "sip:sip:(cut)@h sip:sips:(cut)@h"),
            ("sip:bob:s3cr\u{202e}et@h\r\n", "sip:bob:(cut)@h\\r\\n"),
            ("sip:h:5060 and <sip:bob@h:5060>", "sip:h:5060 and <sip:bob@h:5060>"),
            ("tel:+1;x=a:b@c, at 12:30@noon", "tel:+1;x=a:b@c, at 12:30@noon"),
        ] {
            assert_eq!(shown(text), expected);
        }
        // Each letter is looked at a few times, whatever it says.
        let many = "sip:".repeat(1 << 18);
        assert_eq!(without_passwords(&many), many);
    }
}
