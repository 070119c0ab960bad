//! Expires (RFC 3261 section 20.19).

seconds! {
    /// Seconds until the message or its content expires (RFC 3261 section 20.19). What exceeds 32 bit is 2^32-1.
    Expires
}
