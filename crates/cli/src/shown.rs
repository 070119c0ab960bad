//! What peers wrote, as it may be put on a terminal.

use std::borrow::Cow;

/// `text` on one line that draws nothing but itself: control characters, line breaks and what turns the direction of writing are shown
/// escaped, as in `\u{1b}[2J`. A stranger's text can neither move the cursor nor pretend to be a line of ours.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
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
}
