//! Require (RFC 3261 section 20.32).

tokens! {
    /// An option tag that must be understood (RFC 3261 section 20.32).
    Require
}
