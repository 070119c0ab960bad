//! How a call of ours comes along.

/// What happened before the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The provisional status code, 101 to 199: 180 rings, 183 has early media as a rule.
    pub code: u16,
    /// Its reason phrase.
    pub reason: String,
    /// It brought a session description that can be used: what the other side says is heard from now on.
    pub early_media: bool,
    /// It was sent reliably (RFC 3262): the other side has been told that it came.
    pub reliable: bool,
}
