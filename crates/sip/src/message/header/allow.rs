//! Allow (RFC 3261 section 20.5).

use crate::message::Method;

tokens! {
    /// A method the sender understands; compare with [`Allow::method`] (RFC 3261 section 20.5).
    Allow
}

impl Allow<'_> {
    /// The method.
    pub fn method(&self) -> Method {
        Method::from_bytes(self.0.as_bytes()).unwrap_or(Method::Other(self.0.into()))
    }
}
