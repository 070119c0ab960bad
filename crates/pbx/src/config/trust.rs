//! Whom we believe who a caller is: `[trust]`, read and shown.

use net::Network;
use toml::{Table, Value};

use super::Config;
use super::error::ConfigError;
use super::text::{Entry, Section};

/// Most addresses, networks or users.
const MOST: usize = 64;

/// The trust domain for identities (RFC 3325): who may say who a caller is, and may know it whatever he wants. Nobody by default, and then nothing is
/// asserted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Those that requests come from and go to at these addresses: other proxies, gateways.
    pub networks: Vec<Network>,
    /// The devices of these users.
    pub users: Vec<String>,
    /// Over TLS alone: what comes over anything else is not believed, and over nothing else it is told who does not want to be known (RFC 3325 section 12).
    /// False by default: for networks in which nobody else listens.
    pub tls: bool,
}

impl Config {
    pub(super) fn read_trust(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&["networks", "users", "tls"])?;
        if let Some(entry) = section.get("tls") {
            self.trust.tls = entry.flag()?;
        }
        if let Some(entry) = section.get("networks") {
            let read = |(text, entry): (String, Entry<'_>)| {
                Network::read(&text)
                    .ok_or_else(|| entry.wrong("ADDRESS or ADDRESS/BITS, as in 192.0.2.9 or 10.0.0.0/8"))
            };
            self.trust.networks = entry.texts()?.into_iter().map(read).collect::<Result<_, _>>()?;
            if self.trust.networks.len() > MOST {
                return Err(entry.wrong("at most 64 addresses or networks"));
            }
        }
        if let Some(entry) = section.get("users") {
            self.trust.users = entry.texts()?.into_iter().map(|(text, _)| text).collect();
            if self.trust.users.len() > MOST {
                return Err(entry.wrong("at most 64 users"));
            }
        }
        Ok(())
    }

    pub(super) fn show_trust(&self, top: &mut Table) {
        if self.trust.is_empty() {
            return;
        }
        let texts = |all: Vec<String>| Value::Array(all.into_iter().map(Value::String).collect());
        let mut table = Table::new();
        let networks = self.trust.networks.iter().map(ToString::to_string).collect();
        table.insert("networks".to_owned(), texts(networks));
        table.insert("users".to_owned(), texts(self.trust.users.clone()));
        table.insert("tls".to_owned(), self.trust.tls.into());
        top.insert("trust".to_owned(), table.into());
    }
}
