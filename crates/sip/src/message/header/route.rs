//! Route (RFC 3261 section 20.34).

addresses! {
    /// A proxy the request must visit (RFC 3261 section 20.34); always in angle brackets.
    Route, list: true, bare: false
}
