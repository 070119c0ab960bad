//! Service-Route (RFC 3608 section 5).

addresses! {
    /// A proxy for requests of the registered user; always in angle brackets (RFC 3608 section 5).
    ServiceRoute, list: true, bare: false
}
