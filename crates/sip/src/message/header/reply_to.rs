//! ReplyTo (RFC 3261 section 20.31).

addresses! {
    /// Where to call back (RFC 3261 section 20.31).
    ReplyTo, list: false, bare: true
}
