//! What peers wrote, as it may be put on a terminal or into a log.

use std::borrow::Cow;

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
    // All up to here is in `cut`, where anything has been cut; all up to `at` has been looked at.
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = scheme(text.get(at..).unwrap_or_default()) {
        let begin = at + found;
        let rest = text.get(begin..).unwrap_or_default();
        let end = rest.find(|letter: char| letter == '@' || ends_uri(letter)).unwrap_or(rest.len());
        let user_info = rest.get(..end).unwrap_or_default();
        at = begin + end;
        if let Some(colon) = user_info.find(':').filter(|_| rest.get(end..).is_some_and(|rest| rest.starts_with('@'))) {
            cut.push_str(text.get(copied..=begin + colon).unwrap_or_default());
            cut.push_str("(cut)");
            copied = at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    cut.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(cut)
}

/// Where the first `sip:` or `sips:` ends.
fn scheme(text: &str) -> Option<usize> {
    let is_scheme = |colon: usize| {
        let before = text.as_bytes().get(..colon).unwrap_or_default();
        let ends = |name: &[u8]| {
            before
                .len()
                .checked_sub(name.len())
                .and_then(|at| before.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(name))
        };
        ends(b"sip") || ends(b"sips")
    };
    text.match_indices(':').map(|(colon, _)| colon).find(|colon| is_scheme(*colon)).map(|colon| colon + 1)
}

/// What no URI holds.
fn ends_uri(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '<' | '>' | '"')
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
