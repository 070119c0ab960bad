//! Text messages (RFC 3428) and answers to requests of ours.

use event::composing::IsComposing;

/// What comes in MESSAGEs outside of calls: see [`crate::Endpoint::said`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Said {
    /// A text message.
    Text(TextMessage),
    /// Whether somebody is writing one (RFC 3994). It is no text, and nothing to be shown as one.
    Composing {
        /// Who, as in [`TextMessage::from`].
        from: String,
        /// What he says. Whoever shows it keeps a [`Reader`](crate::composing::Reader) for each sender, which also hears of his texts.
        status: IsComposing,
    },
}

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
