//! P-Asserted-Identity (RFC 3325 section 9.1).

addresses! {
    /// Who the caller is, as a trusted element vouches (RFC 3325 section 9.1).
    PAssertedIdentity, list: true, bare: true
}
