//! RecordRoute (RFC 3261 section 20.30).

addresses! {
    /// A proxy that wants to stay in the dialog (RFC 3261 section 20.30); always in angle brackets.
    RecordRoute, list: true, bare: false
}
