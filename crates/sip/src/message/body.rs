//! Message bodies to be sent.

use std::borrow::Cow;

use bytes::Bytes;

/// A body with its type; nothing in this crate looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The value of Content-Type.
    pub content_type: Cow<'static, str>,
    /// The octets.
    pub bytes: Bytes,
}

impl Body {
    /// A body of any type.
    pub fn new(content_type: impl Into<Cow<'static, str>>, bytes: impl Into<Bytes>) -> Body {
        Body { content_type: content_type.into(), bytes: bytes.into() }
    }

    /// A session description, `application/sdp`.
    pub fn sdp(bytes: impl Into<Bytes>) -> Body {
        Body::new("application/sdp", bytes)
    }
}
