//! Content-Language (RFC 3261 section 20.13).

tokens! {
    /// A language of the body (RFC 3261 section 20.13).
    ContentLanguage
}
