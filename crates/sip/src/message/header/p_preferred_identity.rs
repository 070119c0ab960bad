//! P-Preferred-Identity (RFC 3325 section 9.2).

addresses! {
    /// Who the caller wants to be for trusted elements (RFC 3325 section 9.2).
    PPreferredIdentity, list: true, bare: true
}
