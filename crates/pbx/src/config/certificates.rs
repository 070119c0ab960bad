//! The files of the table `tls`, looked into before a server needs them.

use net::tls::{Clients, OwnCertificate, OwnCertificates, TlsClient, TlsError, TlsServer, Trust};

use super::agreement::place;
use super::error::ConfigError;
use super::text::Source;
use super::{CertificateFiles, Config, RouteHost, TlsConfig};

impl TlsConfig {
    /// What is asked of devices.
    pub(crate) fn clients(&self) -> Clients {
        match (&self.client_ca, self.client_required) {
            (None, _) => Clients::Unasked,
            (Some(authorities), false) => Clients::Asked(authorities.clone()),
            (Some(authorities), true) => Clients::Required(authorities.clone()),
        }
    }

    /// The key that names the first file that cannot be used, and why.
    fn fault(&self) -> Result<(), (Vec<&str>, TlsError)> {
        let mut all = None;
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            let here = ["certificate"];
            let own = OwnCertificate::read(certificate, key).map_err(of(&here))?;
            TlsServer::new(own.clone(), &Clients::Unasked).map_err(of(&here))?;
            all = Some(OwnCertificates::from(own.clone()));
            if self.reuse_connections {
                TlsClient::of_server(Trust::Anybody, own).map_err(of(&here))?;
            }
        }
        for (name, files) in &self.names {
            let here = ["names", name, "certificate"];
            let own = files.read().map_err(of(&here))?;
            let shown = OwnCertificates::from(own.clone()).with(name, own.clone()).map_err(of(&here))?;
            TlsServer::new(shown, &Clients::Unasked).map_err(of(&here))?;
            all = all.map(|all| all.with(name, own)).transpose().map_err(of(&here))?;
        }
        if let (RouteHost::Name(name), Some(all)) = (&self.route_host, &all) {
            all.is_for(name).map_err(of(&["route_host"]))?;
        }
        if self.client_ca.is_some() {
            let made = OwnCertificate::made_for(&["localhost".to_owned()]);
            made.and_then(|own| TlsServer::new(own, &self.clients())).map_err(of(&["client_ca"]))?;
        }
        if let Some(trusted) = &self.ca {
            TlsClient::new(Trust::File(trusted.clone()), None).map_err(of(&["ca"]))?;
        }
        Ok(())
    }
}

impl CertificateFiles {
    pub(crate) fn read(&self) -> Result<OwnCertificate, TlsError> {
        OwnCertificate::read(&self.certificate, &self.key)
    }
}

/// A fault with the key of the table that it is of.
fn of<'k>(key: &[&'k str]) -> impl FnOnce(TlsError) -> (Vec<&'k str>, TlsError) {
    let key = key.to_vec();
    move |why| (key, why)
}

impl Config {
    /// # Errors
    /// The first file with certificates or a key that no server could use, at its place in the texts.
    pub(super) fn has_usable_certificates(&self, sources: &[Source<'_>]) -> Result<(), ConfigError> {
        let Err((key, why)) = self.tls.fault() else { return Ok(()) };
        let key: Vec<String> = std::iter::once("tls").chain(key).map(str::to_owned).collect();
        let (at, expected) = (place(sources, &key), format!("a file that can be used: {why}"));
        Err(ConfigError::Value { at, key: key.join("."), found: String::new(), expected })
    }
}
