//! Request-Disposition (RFC 3841 section 9.1).

tokens! {
    /// One word of how a caller wants the request to be handled: `no-fork`, `sequential`, `queue`, ... (RFC 3841 section 9.1).
    RequestDisposition
}
