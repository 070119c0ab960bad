//! A TOML text with places: every key and value knows its line and column.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::{ConfigError, Place};

/// Reads `${NAME}`.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// How much is asked of the files that a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// Nothing: they are not looked at.
    Unread,
    /// That they can be read and hold something.
    Read,
    /// That nobody but their owner and group may read them, besides.
    Private,
}

/// What places are counted in.
#[derive(Clone, Copy)]
pub(super) struct Source<'t> {
    text: &'t str,
    file: Option<&'t Path>,
    environment: Environment<'t>,
    files: Files,
}

/// A table with its name, `limits` or `users.1001`; empty for the whole.
pub(super) struct Section<'t> {
    source: Source<'t>,
    table: &'t DeTable<'t>,
    /// The whole of it.
    span: Range<usize>,
    name: String,
}

/// A value with its key.
pub(super) struct Entry<'t> {
    source: Source<'t>,
    key: String,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str, file: Option<&'t Path>, environment: Environment<'t>, files: Files) -> Self {
        // A byte order mark is no column.
        Self { text: text.strip_prefix('\u{feff}').unwrap_or(text), file, environment, files }
    }

    /// Parses the text.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'t>>, ConfigError> {
        DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let what = error.message().trim().replace('\n', "; ");
            let found = self.text.get(span.clone()).unwrap_or_default();
            ConfigError::Syntax { at: self.place(&span), what: mended(what, found) }
        })
    }

    /// The whole, without a name.
    pub(super) fn top(self, table: &'t DeTable<'t>) -> Section<'t> {
        Section { source: self, table, span: 0..self.text.len(), name: String::new() }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: self.file.map(PathBuf::from),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

impl<'t> Section<'t> {
    /// Refuses keys that are not among `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ConfigError> {
        let unknown = self.table.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref()));
        let Some((key, _)) = unknown else { return Ok(()) };
        Err(ConfigError::UnknownKey {
            at: self.source.place(&key.span()),
            key: self.full(key.get_ref()),
            nearest: nearest(key.get_ref(), known).map(|nearest| self.full(nearest)),
        })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<Entry<'t>> {
        self.table.get(key).map(|value| Entry { source: self.source, key: self.full(key), value })
    }

    /// An error about the whole section.
    pub(super) fn wrong(&self, found: &str, expected: &str) -> ConfigError {
        let span = self.table.keys().next().map_or_else(|| self.span.clone(), Spanned::span);
        let (at, found) = (Some(self.source.place(&span)), found.to_owned());
        ConfigError::Value { at, key: self.name.clone(), found, expected: expected.to_owned() }
    }

    /// Every entry with its key.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, Entry<'t>)> + use<'t> {
        let (source, name) = (self.source, self.name.clone());
        self.table.iter().map(move |(key, value): (&'t Spanned<DeString<'t>>, _)| {
            let key = key.get_ref().as_ref();
            (key, Entry { source, key: full(&name, key), value })
        })
    }

    fn full(&self, key: &str) -> String {
        full(&self.name, key)
    }
}

fn full(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }
}

impl<'t> Entry<'t> {
    /// An error about this value.
    pub(super) fn wrong(&self, expected: &str) -> ConfigError {
        let found = match self.value.get_ref() {
            DeValue::String(text) => format!("\"{text}\""),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Array(items) if items.is_empty() => "an empty list".to_owned(),
            other => format!("a value of type {}", other.type_str()),
        };
        ConfigError::Value { at: Some(self.place()), key: self.key.clone(), found, expected: expected.to_owned() }
    }

    /// The same for a value that must not be shown.
    pub(super) fn wrong_secret(&self, expected: &str) -> ConfigError {
        let (at, found) = (Some(self.place()), String::new());
        ConfigError::Value { at, key: self.key.clone(), found, expected: expected.to_owned() }
    }

    pub(super) fn place(&self) -> Place {
        self.source.place(&self.value.span())
    }

    /// How much is asked of a file that this names.
    pub(super) fn files(&self) -> Files {
        self.source.files
    }

    /// The table.
    pub(super) fn section(&self) -> Result<Section<'t>, ConfigError> {
        let table = self.value.get_ref().as_table().ok_or_else(|| {
            let what = if self.key == "sip" { "a table of timers; addresses stand in `listen`" } else { "a table" };
            self.wrong(what)
        })?;
        Ok(Section { source: self.source, table, span: self.value.span(), name: self.key.clone() })
    }

    /// A text, with each `${NAME}` replaced from the environment.
    pub(super) fn text(&self) -> Result<String, ConfigError> {
        let text = self.value.get_ref().as_str().ok_or_else(|| self.wrong("a text in quotes"))?;
        self.replaced(text)
    }

    fn replaced(&self, text: &str) -> Result<String, ConfigError> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').ok_or_else(|| self.wrong_secret("`}` behind `${`"))?;
            whole.push_str(before);
            let value = (self.source.environment)(name);
            whole.push_str(
                &value.ok_or_else(|| ConfigError::Environment { at: Some(self.place()), name: name.to_owned() })?,
            );
            rest = behind;
        }
        whole.push_str(rest);
        Ok(whole)
    }

    /// One text, or several in an array.
    pub(super) fn texts(&self) -> Result<Vec<(String, Entry<'t>)>, ConfigError> {
        let one = |value: &'t Spanned<DeValue<'t>>| {
            let entry = Entry { source: self.source, key: self.key.clone(), value };
            entry.text().map(|text| (text, entry))
        };
        match self.value.get_ref() {
            DeValue::Array(items) => items.iter().map(one).collect(),
            _ => Ok(vec![one(self.value)?]),
        }
    }

    /// A whole number in `range`.
    pub(super) fn number(&self, range: std::ops::RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let expected = || self.wrong(&format!("a whole number from {} to {}", range.start(), range.end()));
        let number = self.value.get_ref().as_integer().ok_or_else(expected)?;
        let value = u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| expected())?;
        if range.contains(&value) { Ok(value) } else { Err(expected()) }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Result<bool, ConfigError> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ConfigError> {
        let text = self.text()?;
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| self.wrong(&format!("one of {}", known.join(", "))))
    }
}

/// What the parser says is wrong with `found`, with what mends it where that is known.
fn mended(what: String, found: &str) -> String {
    if what.starts_with("duplicate key") && !found.is_empty() && !found.contains('\n') {
        return format!("duplicate key `{}`; keep one of them", found.trim());
    }
    match what.as_str() {
        text if text.starts_with("unclosed array") => format!("{what}; end it with `]`"),
        text if text.starts_with("unclosed inline table") => format!("{what}; end it with `}}`"),
        text if text.starts_with("invalid basic string") || text.starts_with("unclosed string") => {
            format!("{what}; end it with a quotation mark")
        }
        _ => what,
    }
}

/// What others call some keys of ours.
const ELSEWHERE: [(&str, &str); 6] = [
    ("bind", "listen"),
    ("port", "listen"),
    ("address", "listen"),
    ("http", "metrics"),
    ("socket", "control"),
    ("domain", "domains"),
];

/// The known name that is nearest, when it is near enough to be meant.
fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    let same = ELSEWHERE.iter().find(|(name, ours)| *name == found && known.contains(ours));
    if let Some((_, ours)) = same {
        return Some(ours);
    }
    let rated = known.iter().map(|name| (distance(found, name), *name));
    let (least, name) = rated.min_by_key(|(distance, _)| *distance)?;
    (least <= name.len().max(found.len()) / 2).then_some(name)
}

/// Letters to insert, delete or change (Levenshtein); keys are short, longer ones are cut.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (count, letter) in a.chars().take(64).enumerate() {
        let mut diagonal = count;
        let mut left = count + 1;
        for (at, other) in b.iter().enumerate() {
            let above = row.get(at + 1).copied().unwrap_or(usize::MAX);
            let best = (diagonal + usize::from(letter != *other)).min(above.saturating_add(1)).min(left + 1);
            if let Some(place) = row.get_mut(at) {
                *place = left;
            }
            (diagonal, left) = (above, best);
        }
        if let Some(place) = row.last_mut() {
            *place = left;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("realm", "relam", 2),
            ("same", "same", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_names_that_may_be_meant_are_suggested() {
        assert_eq!(nearest("relam", &["realm", "listen"]), Some("realm"));
        assert_eq!(nearest("zzzzzzzz", &["realm", "listen"]), None);
    }
}
