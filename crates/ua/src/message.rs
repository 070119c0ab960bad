//! Text messages (RFC 3428) and answers to requests of ours.

use event::composing::{self, IsComposing};

/// A text message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextMessage {
    /// Who sent it, as he claims: `sip:bob@example.com`, with a name `"Bob" <sip:bob@example.com>`.
    pub from: String,
    /// The whole To value.
    pub to: String,
    /// The type of the text, `text/plain` as a rule.
    pub content_type: String,
    /// The text; octets that are no UTF-8 are replaced.
    pub text: String,
}

impl TextMessage {
    /// What it says of whether its sender is writing, when it says nothing else (RFC 3994). Whoever shows that keeps a
    /// [`Reader`](composing::Reader) for each sender; who tells others of himself sends what a [`Composer`](composing::Composer) says with
    /// [`crate::Endpoint::message_as`].
    pub fn composing(&self) -> Option<IsComposing> {
        let kind = self.content_type.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case(composing::TYPE).then(|| IsComposing::read(self.text.as_bytes()).ok()).flatten()
    }
}

/// The final answer to a MESSAGE, OPTIONS or INFO of ours, when it is a success.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status code, 200 to 299.
    pub code: u16,
    /// The reason phrase.
    pub reason: String,
    /// The methods of its Allow header.
    pub allow: Vec<String>,
    /// What its Server or User-Agent header says.
    pub server: Option<String>,
}
