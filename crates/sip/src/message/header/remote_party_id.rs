//! Remote-Party-ID: what Asterisk and others wrote before RFC 3325 (draft-ietf-sip-privacy-04).

addresses! {
    /// Who the caller is, with `party`, `privacy` and `screen`.
    RemotePartyId, list: true, bare: false
}
