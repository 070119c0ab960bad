//! Text messages (RFC 3428) and answers to requests of ours.

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
