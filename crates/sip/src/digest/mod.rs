//! Digest authentication (RFC 7616, RFC 8760, RFC 3261 section 22), with what RFC 2617 and RFC 2069 peers still send.
//!
//! Everything here is arithmetic: nothing is sent, no clock is read. [`Client`] turns the challenges of a 401 or 407 into the header lines of the next attempt;
//! [`Server`] makes challenges and judges what comes back.
//!
//! What is hashed is what stands between the quotes: escapes inside a quoted string are kept (RFC 7616 section 3.4 calls this `unq`). [`Ha1::new`] does the same for a name that
//! needs escapes, so both ends agree.

mod algorithm;
mod client;
mod fields;
mod ha1;
mod home;
mod info;
mod nonce;
mod request;
mod response;
mod server;
mod web;

pub use algorithm::{Algorithm, Scheme};
pub use client::{Choice, Client, Credential, CredentialError, Credentials, Refused, Secret};
pub use fields::FieldError;
pub use ha1::{Ha1, Ha1Error, Ha1Set};
pub use home::Challenger;
pub use info::{InfoError, Proof};
pub use response::{Protection, Quality};
pub use server::{Presented, Reason, Server, ServerConfig, ServerError, UriRule, Verdict, Verified};
pub use web::web_authorization;

/// Whether credentials are for this realm.
pub(crate) fn is_for(value: &[u8], realm: &str) -> bool {
    let fields = fields::Fields::with_scheme(value).ok().flatten();
    fields.is_some_and(|fields| fields.realm == Some(&*quoted(realm)))
}

/// A text as it stands between quotes: quotes and backslashes escaped. Control characters must have been refused before.
pub(crate) fn quoted(text: &str) -> std::borrow::Cow<'_, str> {
    fields::escape(text)
}
