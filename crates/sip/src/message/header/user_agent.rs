//! UserAgent (RFC 3261 section 20.41).

texts! {
    /// The software of the UAC (RFC 3261 section 20.41).
    UserAgent
}
