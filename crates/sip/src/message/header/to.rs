//! To (RFC 3261 section 20.39).

addresses! {
    /// The logical recipient (RFC 3261 section 20.39).
    To, list: false, bare: true
}

impl<'a> To<'a> {
    /// The tag.
    pub fn tag(&self) -> Option<&'a str> {
        self.0.params.token("tag").filter(|tag| !tag.is_empty())
    }
}
