//! A request, who sent it, and what number it is for.

use std::sync::Arc;

use sip::message::Request;
use sip::{Origin, ServerTx};

/// A request of a user who has proved to be one.
pub(crate) struct Admitted {
    pub(crate) tx: ServerTx,
    pub(crate) request: Arc<Request>,
    pub(crate) origin: Origin,
    /// Who sent it, by name.
    pub(crate) user: String,
}

/// The number that a request is for; `None` when its URI has none.
pub(crate) fn dialled(request: &Request) -> Option<String> {
    request.uri().ok()?.user_unescaped().map(std::borrow::Cow::into_owned)
}
