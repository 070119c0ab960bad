//! Messages waiting (RFC 3842): lines, no XML.

use std::fmt::Write as _;

use crate::xml::XmlError;

/// The name of the package.
pub const PACKAGE: &str = "message-summary";
/// The type of its body.
pub const TYPE: &str = "application/simple-message-summary";

/// Most lines that are read.
pub const MAX_LINES: usize = 64;
/// Most octets of a body that is read.
pub const MAX_OCTETS: usize = 16_384;

/// How many messages of one kind there are (RFC 3842 section 5.2). What exceeds 32 bit is 2^32-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Not heard yet.
    pub new: u32,
    /// Heard.
    pub old: u32,
    /// Of the new ones, those that are urgent.
    pub new_urgent: u32,
    /// Of the old ones.
    pub old_urgent: u32,
}

/// What waits for somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Something does.
    pub waiting: bool,
    /// Where it is heard.
    pub account: Option<String>,
    /// By kind, as `voice-message`, in lower case.
    pub counts: Vec<(String, Count)>,
}

impl Summary {
    /// Reads a body. Header lines of single messages, behind the empty line, are passed over.
    ///
    /// # Errors
    /// [`XmlError::TooLarge`], and [`XmlError::Line`] for the first line that is none, or is none of a summary where `Messages-Waiting` has to stand.
    pub fn read(body: &[u8]) -> Result<Self, XmlError> {
        if body.len() > MAX_OCTETS {
            return Err(XmlError::TooLarge);
        }
        let text = std::str::from_utf8(body).map_err(|_| XmlError::Encoding)?;
        let mut summary = Self::default();
        let lines = text.lines().enumerate().take_while(|(_, line)| !line.trim().is_empty());
        let mut begun = false;
        for (number, line) in lines.take(MAX_LINES) {
            let wrong = XmlError::Line(number + 1);
            let (name, value) = line.split_once(':').ok_or(wrong.clone())?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match (name.as_str(), begun) {
                ("messages-waiting", _) => {
                    summary.waiting = match value.to_ascii_lowercase().as_str() {
                        "yes" => true,
                        "no" => false,
                        _ => return Err(wrong),
                    };
                    begun = true;
                }
                (_, false) => return Err(wrong),
                ("message-account", true) => summary.account = Some(clean(value)),
                (_, true) => {
                    if let Some(count) = count(value).filter(|_| is_kind(&name)) {
                        summary.counts.push((name, count));
                    }
                }
            }
        }
        if begun { Ok(summary) } else { Err(XmlError::Line(1)) }
    }

    /// The messages of a kind.
    pub fn count(&self, kind: &str) -> Option<Count> {
        self.counts.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind)).map(|(_, count)| *count)
    }

    /// The body. Line ends in an account are left out.
    pub fn write(&self) -> String {
        let mut out = format!("Messages-Waiting: {}\r\n", if self.waiting { "yes" } else { "no" });
        // Writing to a String cannot fail.
        if let Some(account) = &self.account {
            let _ = write!(out, "Message-Account: {}\r\n", clean(account));
        }
        for (kind, Count { new, old, new_urgent, old_urgent }) in &self.counts {
            let _ = write!(out, "{}: {new}/{old} ({new_urgent}/{old_urgent})\r\n", titled(&clean(kind)));
        }
        out
    }
}

/// Without what would end a line, or is no text, and without blanks around it.
fn clean(text: &str) -> String {
    let kept: String = text.chars().filter(|one| !one.is_control()).collect();
    kept.trim().to_owned()
}

/// The name of a kind of messages: a word.
fn is_kind(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|one| one.is_ascii_alphanumeric() || matches!(one, b'-' | b'_' | b'.'))
}

/// `voice-message` as it is usually written: `Voice-Message`.
fn titled(kind: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect::<String>()
    };
    kind.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// `4/8 (1/2)`.
fn count(value: &str) -> Option<Count> {
    let (all, urgent) = value.split_once('(').unwrap_or((value, "0/0)"));
    let (new, old) = pair(all)?;
    let (new_urgent, old_urgent) = pair(urgent.trim_end().strip_suffix(')')?)?;
    Some(Count { new, old, new_urgent, old_urgent })
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (one, other) = text.split_once('/')?;
    Some((number(one.trim())?, number(other.trim())?))
}

fn number(digits: &str) -> Option<u32> {
    let whole = !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit());
    whole.then(|| digits.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
