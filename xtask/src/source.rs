//! Reading Rust sources well enough to find the tests in them, without a parser crate.

use crate::workspace::TextFile;

/// A test function found in a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestFunction {
    pub(crate) name: String,
    /// File, relative to the root.
    pub(crate) path: String,
    /// Line of the `fn`, from 1.
    pub(crate) line: usize,
    pub(crate) ignored: Ignored,
}

/// Whether a test carries `#[ignore]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ignored {
    No,
    WithoutReason,
    Because(String),
}

/// Every test function of every file, in order.
pub(crate) fn tests_in(files: &[TextFile]) -> Vec<TestFunction> {
    files.iter().flat_map(|file| tests_in_text(&file.path, &file.text)).collect()
}

/// The test functions of one file: a `fn` with an attribute whose last word is `test` (`#[test]`, `#[tokio::test(..)]`).
pub(crate) fn tests_in_text(path: &str, text: &str) -> Vec<TestFunction> {
    let bare = without_comments_and_strings(text);
    let mut found = Vec::new();
    let mut is_test = false;
    let mut ignored = Ignored::No;
    let mut at = 0;
    while let Some(rest) = bare.get(at..) {
        let trimmed = rest.trim_start();
        let start = at + (rest.len() - trimmed.len());
        if trimmed.is_empty() {
            break;
        }
        if trimmed.starts_with("#[") {
            let end = start + attribute_length(trimmed);
            let attribute = bare.get(start..end).unwrap_or_default();
            is_test |= attribute_word(attribute) == "test";
            if mentions_word(attribute, "ignore") {
                ignored = text.get(start..end).map_or(Ignored::WithoutReason, reason_of);
            }
            at = end;
            continue;
        }
        let (word, after) = next_word(trimmed);
        at = start + after;
        if word == "fn" && is_test {
            let (name, _) = next_word(trimmed.get(after..).unwrap_or_default().trim_start());
            if !name.is_empty() {
                let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
                found.push(TestFunction {
                    name: name.to_string(),
                    path: path.to_string(),
                    line,
                    ignored: ignored.clone(),
                });
            }
        }
        if !matches!(word, "pub" | "async" | "const" | "unsafe" | "extern") {
            is_test = false;
            ignored = Ignored::No;
        }
    }
    found
}

/// A word of letters, digits and `_` at the start, and how far to go on: at least one character.
fn next_word(text: &str) -> (&str, usize) {
    let length = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let step = if length == 0 { text.chars().next().map_or(1, char::len_utf8) } else { length };
    (text.get(..length).unwrap_or_default(), step)
}

/// Bytes up to and with the `]` that closes the `#[` at the start.
fn attribute_length(text: &str) -> usize {
    let mut depth = 0usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// `test` of `#[tokio::test(flavor = "..")]`.
fn attribute_word(attribute: &str) -> &str {
    let inner = attribute.trim_start_matches("#[").trim();
    let path = inner.split(['(', '=', ']']).next().unwrap_or_default().trim();
    path.rsplit("::").next().unwrap_or_default().trim()
}

fn mentions_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|part| part == word)
}

/// The reason inside `#[ignore = "reason"]` (also within `cfg_attr`).
fn reason_of(attribute: &str) -> Ignored {
    let reason = attribute.split_once("ignore").and_then(|(_, rest)| {
        let rest = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        Some(rest.split('"').next()?.trim().to_string())
    });
    match reason {
        Some(reason) if !reason.is_empty() => Ignored::Because(reason),
        _ => Ignored::WithoutReason,
    }
}

/// The same text with every comment and the inside of every string and character literal blanked; offsets stay.
pub(crate) fn without_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let inside_word = at > 0 && bytes.get(at - 1).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let length = if rest.starts_with(b"//") {
            rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            block_comment_length(rest)
        } else if let Some(length) = raw_string_length(rest).filter(|_| !inside_word) {
            length
        } else if rest.starts_with(b"\"") {
            quoted_length(rest, b'"')
        } else if is_char_literal(rest) {
            quoted_length(rest, b'\'')
        } else {
            at += 1;
            continue;
        };
        for byte in out.iter_mut().skip(at).take(length).filter(|b| **b != b'\n') {
            *byte = b' ';
        }
        at += length.max(1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(pair) = rest.get(at..at + 2) {
        match pair {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth = depth.saturating_sub(1);
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string_length(rest: &[u8]) -> Option<usize> {
    let after = rest.strip_prefix(b"br").or_else(|| rest.strip_prefix(b"cr")).or_else(|| rest.strip_prefix(b"r"))?;
    let hashes = after.iter().take_while(|b| **b == b'#').count();
    let body = after.get(hashes..)?.strip_prefix(b"\"")?;
    let mut end = vec![b'"'];
    end.extend(std::iter::repeat_n(b'#', hashes));
    let close = body.windows(end.len()).position(|window| window == end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + close)
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match *byte {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `'x'` or `'\n'`, and not the lifetime `'a`.
fn is_char_literal(rest: &[u8]) -> bool {
    match rest {
        [b'\'', b'\\', ..] => true,
        [b'\'', first, ..] if *first >= 0x80 => true,
        [b'\'', _, b'\'', ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        tests_in_text("a.rs", text).into_iter().map(|test| test.name).collect()
    }

    #[test]
    fn plain_async_and_attributed_tests_are_found() {
        let text = "#[test]\nfn one() {}\n#[tokio::test(flavor = \"current_thread\")]\n#[cfg(unix)]\npub async fn two() {}\nfn not_a_test() {}";
        assert_eq!(names(text), ["one", "two"]);
    }

    #[test]
    fn tests_in_comments_and_strings_are_not_tests() {
        let text = "// #[test] fn a() {}\n/* #[test] fn b() {} /* */ */ const S: &str = \"#[test] fn c() {}\";\nconst R: &str = r#\"#[test] fn d() {} \"# ;\n#[test]\nfn e() { let c = '\"'; }\n#[test] fn f<'a>() {}";
        assert_eq!(names(text), ["e", "f"]);
    }

    #[test]
    fn an_attribute_belongs_to_the_next_item_only() {
        assert_eq!(names("#[test]\nstruct A;\nfn x() {}"), Vec::<String>::new());
        assert_eq!(names("#[cfg(test)]\nfn x() {}"), Vec::<String>::new());
    }

    #[test]
    fn ignored_tests_keep_their_reason() {
        let text =
            "#[test]\n#[ignore = \"needs a card\"]\nfn a() {}\n#[test]\n#[ignore]\nfn b() {}\n#[test]\nfn c() {}";
        let found: Vec<Ignored> = tests_in_text("a.rs", text).into_iter().map(|test| test.ignored).collect();
        assert_eq!(found, [Ignored::Because("needs a card".into()), Ignored::WithoutReason, Ignored::No]);
    }

    #[test]
    fn lines_count_from_one_and_blanking_keeps_offsets() {
        let text = "// ü\n\n#[test]\nfn a() {}\n";
        assert_eq!(tests_in_text("a.rs", text).first().map(|test| test.line), Some(4));
        assert_eq!(without_comments_and_strings(text).len(), text.len());
    }

    #[test]
    fn a_macro_that_writes_tests_has_no_name_of_its_own() {
        assert_eq!(names("macro_rules! t { ($n:ident) => { #[test] fn $n() {} } }"), Vec::<String>::new());
    }
}
