//! How large a session description may be.

/// Upper bounds for [`crate::Session::parse_with`].
///
/// Every bound is inclusive: a description at the bound is read, one past it is a
/// [`crate::ParseErrorKind::TooLarge`]. The time a parse takes is linear in the input, so the bounds are about
/// memory and about what is handed on to other parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the whole description (default 65 536).
    pub session_bytes: usize,
    /// Bytes of one line without its line end (default 4096).
    pub line_bytes: usize,
    /// Lines of the whole description (default 2048).
    pub lines: usize,
    /// `m=` lines (default 32).
    pub media: usize,
    /// `a=` lines of the session section, and of each media section (default 512).
    pub attributes: usize,
    /// Formats in one `m=` line (default 128, the number of RTP payload types).
    pub formats: usize,
}

impl Limits {
    /// The default bounds, as a constant.
    pub const DEFAULT: Limits =
        Limits { session_bytes: 65_536, line_bytes: 4096, lines: 2048, media: 32, attributes: 512, formats: 128 };
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}
