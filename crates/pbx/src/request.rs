//! A request, who sent it, and what number it is for.

use std::sync::Arc;

use sip::message::{Request, Uri};
use sip::{Origin, ServerTx};

use crate::switch::Switch;
use crate::target::Target;

/// A request of a user who has proved to be one.
pub(crate) struct Admitted {
    pub(crate) tx: ServerTx,
    pub(crate) request: Arc<Request>,
    pub(crate) origin: Origin,
    /// Who sent it, by name.
    pub(crate) user: String,
}

impl Switch {
    /// The number that a request is for; `None` when its URI has none, or is an address of an instance that we have not given out.
    pub(crate) fn dialled(&self, request: &Request) -> Option<String> {
        self.number_of(&request.uri().ok()?)
    }

    /// The number in a URI: of an address of an instance, that of its user (RFC 5627).
    pub(crate) fn number_of(&self, uri: &Uri<'_>) -> Option<String> {
        match self.gruu.read(uri) {
            Some(named) => named.map(|named| named.user),
            None => uri.user_unescaped().map(std::borrow::Cow::into_owned),
        }
    }

    /// Those of a user's devices that a URI leads to: of an address of an instance, that instance alone (RFC 5627 section 5.4).
    pub(crate) fn only(&self, uri: &Uri<'_>, mut targets: Vec<Target>) -> Vec<Target> {
        if let Some(named) = self.gruu.read(uri) {
            let is = |target: &Target| {
                let (Some(named), Some((urn, call_id))) = (&named, &target.owner) else { return false };
                self.gruu.is(named, urn, call_id)
            };
            // Of the flows of an instance, one may have been registered under the Call-ID that a temporary address is good for, and another not.
            targets.retain(|target| is(target) || target.flows.iter().any(is));
        }
        targets
    }
}
