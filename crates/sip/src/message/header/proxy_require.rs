//! ProxyRequire (RFC 3261 section 20.29).

tokens! {
    /// An option tag that proxies must understand (RFC 3261 section 20.29).
    ProxyRequire
}
