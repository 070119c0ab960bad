//! Referred-By (RFC 3892 section 2).

addresses! {
    /// Who asked for the request (RFC 3892 section 2).
    ReferredBy, list: false, bare: true
}
