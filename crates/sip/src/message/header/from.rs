//! From (RFC 3261 section 20.20).

addresses! {
    /// The initiator of the request (RFC 3261 section 20.20).
    From, list: false, bare: true
}

impl<'a> From<'a> {
    /// The tag.
    pub fn tag(&self) -> Option<&'a str> {
        self.0.params.token("tag").filter(|tag| !tag.is_empty())
    }
}
