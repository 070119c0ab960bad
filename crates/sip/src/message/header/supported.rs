//! Supported (RFC 3261 section 20.37).

tokens! {
    /// An option tag the sender understands (RFC 3261 section 20.37).
    Supported
}
