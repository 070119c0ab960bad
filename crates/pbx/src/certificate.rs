//! The certificate that devices see, and whom we trust where we connect.

use std::path::{Path, PathBuf};

use net::tls::{OwnCertificate, OwnCertificates, Tls, TlsClient, TlsError, TlsServer, Trust};

use crate::config::{Config, RouteHost, TlsConfig};

/// The folder of the state directory with a certificate that was made here.
const FOLDER: &str = "tls";

/// A certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The host name that it is shown to who asks for; `None`: it is shown to everybody else.
    pub name: Option<String>,
    /// SHA-256 of it, as `openssl x509 -fingerprint -sha256` shows it.
    pub fingerprint: String,
    /// Its file; `None` where nothing is kept.
    pub file: Option<PathBuf>,
    /// Made here and signed by itself: devices know it only by this file or its fingerprint.
    pub made_here: bool,
}

/// Shows certificates, and can show others.
#[derive(Debug)]
pub(crate) struct Shown {
    server: TlsServer,
    /// Where servers that we connect to see it as well.
    client: Option<TlsClient>,
    config: TlsConfig,
    state: Option<PathBuf>,
    names: Vec<String>,
    pub(crate) certificates: Vec<Certificate>,
    /// What we are called over TLS.
    pub(crate) called: Option<sip::SecuredAs>,
}

impl Shown {
    /// Reads the files once more. Connections that stand go on.
    pub(crate) fn reload(&mut self) -> Result<&[Certificate], TlsError> {
        let (own, certificates) = own(&self.config, self.state.as_deref(), &self.names)?;
        let clients = self.config.clients();
        match &self.client {
            Some(client) => self.server.replace_with(client, own, &clients)?,
            None => self.server.replace(own, &clients)?,
        }
        self.certificates = certificates;
        Ok(&self.certificates)
    }
}

/// Both sides of TLS, as far as these settings need them.
pub(crate) fn open(config: &Config) -> Result<(Tls, Option<Shown>), TlsError> {
    let listens = config.listen.iter().any(|bind| bind.transport.is_secured());
    let trust = config.tls.ca.clone().map_or(Trust::System, Trust::File);
    if !listens {
        return Ok((Tls { server: None, client: TlsClient::new(trust, None)? }, None));
    }
    let (state, names) = (config.state.clone(), names(config));
    let (own, certificates) = own(&config.tls, state.as_deref(), &names)?;
    let called = called(config, &own);
    // Who comes back along a connection of ours must know who we are (RFC 5923 section 9).
    let reuses = config.tls.reuse_connections;
    let client = match reuses {
        true => TlsClient::of_server(trust, own.for_others().clone())?,
        false => TlsClient::new(trust, None)?,
    };
    let server = TlsServer::new(own, &config.tls.clients())?;
    let shown = Shown {
        server: server.clone(),
        client: reuses.then(|| client.clone()),
        config: config.tls.clone(),
        state,
        names,
        certificates,
        called,
    };
    Ok((Tls { server: Some(server), client }, Some(shown)))
}

/// What is shown; first what is shown to who asks for none of the names that have a certificate.
fn own(
    tls: &TlsConfig,
    state: Option<&Path>,
    names: &[String],
) -> Result<(OwnCertificates, Vec<Certificate>), TlsError> {
    let folder = state.map(|state| state.join(FOLDER));
    let (own, file, made_here) = match (&tls.certificate, &tls.key, folder) {
        (Some(certificate), Some(key), _) => {
            (OwnCertificate::read(certificate, key)?, Some(certificate.clone()), false)
        }
        (None, None, Some(folder)) => {
            (OwnCertificate::kept_in(&folder, names)?, Some(OwnCertificate::files(&folder).0), true)
        }
        (None, None, None) => (OwnCertificate::made_for(names)?, None, true),
        // A configuration that was read has both.
        (Some(_), None, _) => return Err(TlsError::Unusable("its private key is not named".into())),
        (None, Some(_), _) => return Err(TlsError::Unusable("only its private key is named".into())),
    };
    let mut certificates = vec![Certificate { name: None, fingerprint: own.fingerprint(), file, made_here }];
    let mut shown = OwnCertificates::from(own);
    for (name, files) in &tls.names {
        let own = files.read()?;
        let (fingerprint, file) = (own.fingerprint(), Some(files.certificate.clone()));
        certificates.push(Certificate { name: Some(name.clone()), fingerprint, file, made_here: false });
        shown = shown.with(name, own)?;
    }
    Ok((shown, certificates))
}

/// What Record-Route and Path call us over TLS, where that is not our address.
fn called(config: &Config, own: &OwnCertificates) -> Option<sip::SecuredAs> {
    match &config.tls.route_host {
        RouteHost::Address => None,
        RouteHost::Name(host) => Some(sip::SecuredAs { host: host.clone(), addresses: Vec::new() }),
        RouteHost::Auto => {
            let host = config.own_domains().find(|domain| own.is_for(domain).is_ok())?;
            Some(sip::SecuredAs { host: host.clone(), addresses: own.addresses() })
        }
    }
}

/// What this server is called by: its domains, this machine's name, and the addresses that are listened on.
fn names(config: &Config) -> Vec<String> {
    let mut names = config.domains.clone();
    let machine = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    names.extend(machine.filter(|name| !name.is_empty()));
    names.push("localhost".into());
    let here = ["127.0.0.1", "::1"].map(str::to_owned);
    let listened = config.listen.iter().map(|bind| bind.address.ip()).filter(|ip| !ip.is_unspecified());
    names.extend(listened.map(|ip| ip.to_string()).chain(here));
    // An address that the world reaches us at, where we listen on all.
    let outside = net::Sources::default().towards(([198, 51, 100, 1], 0).into());
    names.extend(outside.map(|ip| ip.to_string()));
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| name.is_ascii() && seen.insert(name.clone()));
    names
}
