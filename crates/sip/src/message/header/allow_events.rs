//! Allow-Events (RFC 6665 section 8.2.2).

tokens! {
    /// An event package the sender understands (RFC 6665 section 8.2.2).
    AllowEvents
}
