//! Refer-To (RFC 3515 section 2.1).

addresses! {
    /// Whom to contact (RFC 3515 section 2.1).
    ReferTo, list: false, bare: true
}
