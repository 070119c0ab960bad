//! TLS 1.2 and 1.3 for SIP (RFC 3261 section 26, RFC 5922): certificates, whom we trust, and what went wrong. The octets are in `octets`.

mod client;
mod error;
mod named;
mod names;
mod own;
mod presented;
mod purpose;
mod records;
mod server;
mod told;
mod verify;

pub use client::{TlsClient, Trust};
pub use error::TlsError;
pub use named::{OwnCertificates, asked_for};
pub(crate) use names::is_for;
pub use own::OwnCertificate;
pub(crate) use records::Records;
pub use server::{Clients, TlsServer};
pub(crate) use told::told;

/// Both sides of TLS, for a loop.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// For what is listened on; needed where that is anything over TLS.
    pub server: Option<TlsServer>,
    /// For what we connect to. The default trusts whom the system trusts.
    pub client: TlsClient,
}
