//! Organization (RFC 3261 section 20.25).

texts! {
    /// The organization of the sender (RFC 3261 section 20.25).
    Organization
}
