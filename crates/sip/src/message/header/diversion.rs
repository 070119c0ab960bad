//! Diversion (RFC 5806 section 4).

addresses! {
    /// Who diverted the call; always in angle brackets (RFC 5806 section 4).
    Diversion, list: true, bare: false
}
