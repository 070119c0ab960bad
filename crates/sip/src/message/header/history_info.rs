//! History-Info (RFC 7044 section 5).

addresses! {
    /// Where the request has been; always in angle brackets (RFC 7044 section 5).
    HistoryInfo, list: true, bare: false
}
