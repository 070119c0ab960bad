//! Server (RFC 3261 section 20.35).

texts! {
    /// The software of the UAS (RFC 3261 section 20.35).
    Server
}
