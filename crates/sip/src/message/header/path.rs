//! Path (RFC 3327 section 4).

addresses! {
    /// A proxy between registrar and contact; always in angle brackets (RFC 3327 section 4).
    Path, list: true, bare: false
}
