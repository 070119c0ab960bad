//! Unsupported (RFC 3261 section 20.40).

tokens! {
    /// An option tag that was not understood (RFC 3261 section 20.40).
    Unsupported
}
