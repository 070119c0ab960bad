//! Subject (RFC 3261 section 20.36).

texts! {
    /// What the call is about (RFC 3261 section 20.36).
    Subject
}
