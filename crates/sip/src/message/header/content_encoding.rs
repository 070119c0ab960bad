//! ContentEncoding (RFC 3261 section 20.12).

tokens! {
    /// A coding applied to the body (RFC 3261 section 20.12).
    ContentEncoding
}
