//! MinExpires (RFC 3261 section 20.23).

seconds! {
    /// The shortest expiry the registrar accepts (RFC 3261 section 20.23). What exceeds 32 bit is 2^32-1.
    MinExpires
}
