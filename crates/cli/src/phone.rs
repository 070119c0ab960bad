//! A telephone as the verbs `call`, `register`, `options` and `message` need it: an endpoint, and an account where one is given.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use net::tls::{Clients, OwnCertificate, TlsClient, TlsError, TlsServer, Trust};
use net::trace::Trace;
use net::{Bind, Names};
use sip::Transport;
use ua::{Account, AccountConfig, Endpoint, SessionTimer};

use crate::args;
use crate::exit::{Exit, Fault};
use crate::identity::{self, Identity};
use crate::neighbour;
use crate::out::Out;

/// How long a peer that may never answer is waited for after Ctrl-C.
const LEAVING: Duration = Duration::from_millis(800);
/// So long without a packet is worth a word.
const QUIET: Duration = Duration::from_secs(5);

/// An endpoint, and who it is.
pub(crate) struct Phone {
    /// Held to its end: calls end with it.
    pub(crate) endpoint: Endpoint,
    /// Who calls; nobody in particular when `None`.
    pub(crate) account: Option<Account>,
    /// Whether it can prove who it is.
    has_password: bool,
}

impl Phone {
    /// Binds, and reads the account. A bare number as `target` without an account is one of the `offhook serve` of this machine: it is
    /// called as one of its users. `transfers`: the other side of a call may transfer us.
    pub(crate) async fn open(
        given: &args::Identity,
        target: Option<&str>,
        expires: Duration,
        timer: Option<SessionTimer>,
        transfers: bool,
        trace: &Trace,
    ) -> Result<Self, Fault> {
        let mut builder = Endpoint::builder().user_agent(crate::user_agent()).silence_after(Some(QUIET));
        builder = builder.names(names(given)).session_timer(timer).trace(trace.clone());
        builder = builder.trust(trust(&given.tls)?);
        if transfers {
            builder = builder.allow_transfer();
        }
        for address in addresses(&given.sip) {
            builder = builder.udp(address).tcp(address);
        }
        if let Some(server) = identity::websocket(given).map_err(Fault::usage)? {
            builder = builder.websocket(&server);
        }
        let identity = Identity::read(given).map_err(Fault::usage)?;
        if let Some(Identity { websocket: Some(server), auth_user, password: Some(password), .. }) = &identity {
            builder = builder.websocket_login(server, auth_user, password);
        }
        let config = match (identity, target) {
            (Some(identity), _) => Some((config(&identity), identity.password.is_some())),
            (None, Some(target)) if is_bare(target) => Some((neighbour(target)?, true)),
            (None, _) => None,
        };
        let has_password = config.as_ref().is_some_and(|(_, has_password)| *has_password);
        let endpoint = builder.build().await?;
        let account = match config {
            Some((config, _)) => {
                let config = config.expires(expires);
                let config = match given.keep_alive {
                    Some(secs) => config.keep_alive(Duration::from_secs(secs)),
                    None => config,
                };
                Some(endpoint.account(config).await?)
            }
            None => None,
        };
        Ok(Self { endpoint, account, has_password })
    }

    /// Why something of ours failed. Who gave no password is not told that it was wrong, and who gave one whose it is.
    pub(crate) fn fault(&self, error: impl Into<Fault>) -> Fault {
        let mut fault = error.into();
        if fault.exit != Exit::Authentication {
            return fault;
        }
        if !self.has_password && matches!(fault.status, Some(401 | 407)) {
            let account = if self.account.is_some() { "" } else { "--account URI and " };
            fault.what = format!("a password is wanted: give {account}--password @FILE");
        }
        // All of these end with the account.
        if let (true, Some(account), Some(401 | 403 | 407)) = (self.has_password, &self.account, fault.status) {
            fault.what = format!("{} {}", fault.what, account.address());
        }
        fault
    }

    /// Leaves a peer that has not answered yet: it is told, but not waited for any longer than a person waits.
    pub(crate) async fn leave(self) {
        self.endpoint.close_within(LEAVING).await;
    }

    /// Registers, where there is an account.
    pub(crate) async fn register(&self, out: &mut Out) -> Result<(), Fault> {
        let Some(account) = &self.account else { return Ok(()) };
        let registered = account.register().await.map_err(|error| self.fault(error).of(account.address()));
        let expires = registered?.as_secs();
        let text = format!("registered {} for {expires} s", account.address());
        let fields =
            [("event", "registered".into()), ("account", account.address().into()), ("expires_secs", expires.into())];
        out.event(&text, &fields);
        Ok(())
    }
}

/// A runtime for one verb.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let built = tokio::runtime::Builder::new_current_thread().enable_time().enable_io().build();
    built.map_err(|error| Fault::general(format!("the system refused an event queue: {error}")))
}

/// Runs a verb and says how it ended.
pub(crate) fn conclude(result: Result<Exit, Fault>, out: &mut Out) -> Exit {
    result.unwrap_or_else(|fault| out.fault(&fault))
}

/// Who is asked for the addresses of host names.
pub(crate) fn names(given: &args::Identity) -> Names {
    Names { servers: given.name_server.clone(), ..Names::default() }
}

/// Whom we trust over TLS.
///
/// # Errors
/// When a file cannot be read or used.
pub(crate) fn trust(given: &args::Tls) -> Result<TlsClient, Fault> {
    let trust = match &given.tls_ca {
        Some(file) => Trust::File(file.clone()),
        None if given.tls_insecure => {
            tracing::warn!(
                "--tls-insecure: certificates are not looked at; whoever is on the way can read, change and answer everything, passwords' hashes included"
            );
            Trust::Anybody
        }
        None => Trust::System,
    };
    TlsClient::new(trust, own_certificate(given)?).map_err(unusable)
}

/// What those see who connect to us over TLS; nothing where no certificate is given.
///
/// # Errors
/// As [`trust`].
pub(crate) fn shown(given: &args::Tls) -> Result<Option<TlsServer>, Fault> {
    let own = own_certificate(given)?;
    own.map(|own| TlsServer::new(own, &Clients::Unasked).map_err(unusable)).transpose()
}

fn own_certificate(given: &args::Tls) -> Result<Option<OwnCertificate>, Fault> {
    match (&given.tls_cert, &given.tls_key) {
        (Some(certificate), Some(key)) => OwnCertificate::read(certificate, key).map(Some).map_err(unusable),
        _ => Ok(None),
    }
}

fn unusable(error: TlsError) -> Fault {
    Fault::new(Exit::Configuration, error)
}

/// What to listen on: what is given, or a free port of all addresses, of both families where the machine has both.
pub(crate) fn addresses(given: &[SocketAddr]) -> Vec<SocketAddr> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let mut addresses = vec![SocketAddr::from(([0, 0, 0, 0], 0))];
    if UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok() {
        addresses.push(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
    }
    addresses
}

/// UDP and TCP at each of these addresses.
pub(crate) fn udp_and_tcp(addresses: &[SocketAddr]) -> Vec<Bind> {
    let both =
        |address: &SocketAddr| [Transport::Udp, Transport::Tcp].map(|transport| Bind { transport, address: *address });
    addresses.iter().flat_map(both).collect()
}

/// What is listened on, as people write it: `udp 127.0.0.1:5060`.
pub(crate) fn listening(transport: Transport, address: SocketAddr, out: &mut Out) {
    let transport = transport.as_str().to_lowercase();
    let fields = [
        ("event", "listening".into()),
        ("transport", transport.as_str().into()),
        ("address", address.to_string().into()),
    ];
    out.event(&format!("listening on {transport} {address}"), &fields);
}

fn config(identity: &Identity) -> AccountConfig {
    let mut config = AccountConfig::new(identity.aor.as_str()).auth_user(&identity.auth_user);
    if let Some(password) = &identity.password {
        config = config.password(password);
    }
    for proxy in &identity.proxies {
        config = config.proxy(proxy.as_str());
    }
    if let Some(urn) = &identity.outbound {
        config = config.outbound(urn);
    }
    if let Some(server) = &identity.websocket {
        config = config.websocket(server);
    }
    config
}

/// A user of the PBX on this machine.
fn neighbour(target: &str) -> Result<AccountConfig, Fault> {
    neighbour::account().map(|(address, password)| AccountConfig::new(address).password(password)).map_err(|why| {
        Fault::usage(format!(
            "{target}: a number or name without a domain needs --account, for example --account sip:1001@pbx.local, or a running \
             `offhook serve` on this machine: {why}; a host is written as sip:{target}"
        ))
    })
}

/// Only a number or name, without a domain.
pub(crate) fn is_bare(target: &str) -> bool {
    !target.is_empty() && !target.contains([':', '@', '.', '[']) && !target.eq_ignore_ascii_case("localhost")
}
