//! How an account stands with its registrar.

use std::net::SocketAddr;
use std::time::Duration;

use sip::register::Way;

use crate::error::RegisterError;

/// How an account's registration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Registration {
    /// Not registered, and not trying.
    Off,
    /// The first REGISTER is on its way.
    Registering,
    /// The registrar has us; it is refreshed by itself.
    Registered {
        /// How long the binding holds.
        expires: Duration,
        /// The route of our requests by way of the registrar's proxies (RFC 3608), in order.
        service_route: Vec<String>,
        /// The server that was asked, and the realms that wanted our password there: it is shown to no other from now on.
        asked: Option<(SocketAddr, Vec<String>)>,
        /// The flows that stand, the first of which our requests take: one, unless there are several proxies (RFC 5626).
        flows: Vec<Flow>,
    },
    /// It does not stand.
    Failed {
        /// Why.
        error: RegisterError,
        /// When it is tried again by itself; `None`: not before [`crate::Account::register`] is called again.
        retry_in: Option<Duration>,
    },
}

/// One way by which an account is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
    /// Its number, from 1, in the order of the proxies of the account.
    pub number: u32,
    /// The proxy that it leads to, as a route value.
    pub routes: Vec<String>,
    /// The path, and what is said in requests of where we are.
    pub way: Way,
    /// The route by way of the registrar's proxies (RFC 3608).
    pub service_route: Vec<String>,
    /// The server that was asked, and the realms that wanted our password there.
    pub asked: Option<(SocketAddr, Vec<String>)>,
}
