//! Who we are, from the command line and the environment.

use sip::Hop;
use sip::digest::Credential;
use sip::message::UriBuf;
use sip::register::{Instance, RegisterSpec};
use ua::WebSocketUrl;

use crate::{args, instance};

/// Proxies by which one account is registered.
const MOST_PROXIES: usize = 8;

/// An account as given.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The address of record.
    pub(crate) aor: UriBuf,
    /// Its password, where given.
    pub(crate) password: Option<String>,
    /// The name for authentication.
    pub(crate) auth_user: String,
    /// Where everything goes first; more than one with `outbound` only.
    pub(crate) proxies: Vec<UriBuf>,
    /// The URN of this instance, where we register over flows (RFC 5626).
    pub(crate) outbound: Option<String>,
    /// The server of WebSockets that everything goes through instead.
    pub(crate) websocket: Option<WebSocketUrl>,
}

impl Identity {
    /// Reads the options; `None` without an account.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub(crate) fn read(given: &args::Identity) -> Result<Option<Self>, String> {
        let Some(account) = &given.account else {
            return match given.password {
                Some(_) => Err("--password needs --account, for example --account sip:1001@127.0.0.1".into()),
                None => Ok(None),
            };
        };
        let aor = sip_uri(account, "--account")?;
        let user = aor.as_uri().user().map(str::to_owned);
        let Some(user) = user else {
            return Err(format!("--account {aor}: expected a user, for example sip:1001@127.0.0.1"));
        };
        let proxies = given.proxy.iter().map(|proxy| sip_uri(proxy, "--proxy")).collect::<Result<Vec<_>, _>>()?;
        if proxies.len() > 1 && given.outbound.is_none() {
            return Err(
                "--proxy is given more than once: that needs --outbound, which registers by each of them".into()
            );
        }
        if proxies.len() > MOST_PROXIES {
            return Err(format!("--proxy: expected at most {MOST_PROXIES}, found {}", proxies.len()));
        }
        Ok(Some(Self {
            aor,
            password: password(given.password.as_deref())?,
            auth_user: given.auth_user.clone().unwrap_or(user),
            proxies,
            outbound: given.outbound.as_deref().map(instance::of).transpose()?,
            websocket: websocket(given)?,
        }))
    }

    /// The credential for whatever realm the account's own servers name.
    pub(crate) fn credential(&self) -> Option<Credential> {
        let credential = Credential::password(None, &self.auth_user, self.password.as_deref()?).ok()?;
        let own = [Some(&self.aor), self.websocket.as_ref().map(WebSocketUrl::hop)];
        Some(own.into_iter().flatten().chain(&self.proxies).fold(credential, |one, server| one.at(&server.as_uri())))
    }

    /// The registrations of this account: one, or one for each proxy (RFC 5626 section 4.2.1).
    pub(crate) fn register_specs(&self, expires: u32) -> Vec<RegisterSpec> {
        let websocket = self.websocket.as_ref().map(WebSocketUrl::hop);
        let mut ways: Vec<Hop> = self.proxies.iter().chain(websocket).cloned().map(Hop::Uri).collect();
        if ways.is_empty() {
            ways.push(Hop::Auto);
        }
        let set = ways.len() as u64;
        let flow = |(number, hop): (u32, Hop)| {
            let mut spec = RegisterSpec::new(self.registrar(), self.aor.clone());
            (spec.expires, spec.hop, spec.follow_address) = (expires, hop, true);
            if let Some(urn) = &self.outbound {
                spec.instance = Some(Instance { urn: urn.clone(), reg_id: Some(number), gruu: true });
                spec.flow_of = Some(set);
            }
            spec
        };
        (1..).zip(ways).map(flow).collect()
    }

    /// The registrar: the domain of the address of record (RFC 3261 section 10.2).
    fn registrar(&self) -> UriBuf {
        let uri = self.aor.as_uri();
        let text = self.aor.as_str();
        let scheme = text.split(':').next().unwrap_or("sip");
        let host_part = text.rsplit('@').next().unwrap_or_default();
        format!("{scheme}:{host_part}").parse().unwrap_or_else(|_| {
            debug_assert!(false, "{uri:?}");
            self.aor.clone()
        })
    }
}

/// The server of WebSockets, where one is given.
///
/// # Errors
/// What was expected.
pub(crate) fn websocket(given: &args::Identity) -> Result<Option<WebSocketUrl>, String> {
    let url = given.ws.as_deref().map(WebSocketUrl::parse).transpose();
    url.map_err(|error| format!("--ws: {error}"))
}

/// An address as people write it, reached over TLS and by nothing else.
///
/// # Errors
/// What is wrong with it: that it asks for another transport itself, for one.
pub(crate) fn over_tls(address: &str) -> Result<String, String> {
    let uri = sip_uri(address, "--tls")?;
    let parsed = uri.as_uri();
    if !parsed.headers().is_empty() {
        return Err(format!("--tls: {address}: expected no header fields in an address"));
    }
    match parsed.transport() {
        _ if parsed.is_secure() => Ok(uri.to_string()),
        Some(transport) if transport.eq_ignore_ascii_case("tls") => Ok(uri.to_string()),
        Some(other) => Err(format!("--tls: {address} asks for the transport {other} itself")),
        None => {
            let secured = uri.with_param("transport", Some("tls"));
            secured.map(|uri| uri.to_string()).map_err(|why| format!("--tls: {address}: {why}"))
        }
    }
}

/// A SIP URI as people write it: with or without scheme.
fn sip_uri(text: &str, option: &str) -> Result<UriBuf, String> {
    ua::read_address(text).map_err(|error| format!("{option}: {error}"))
}

fn password(given: Option<&str>) -> Result<Option<String>, String> {
    match given {
        Some(given) => secret(given).map(Some),
        None => Ok(std::env::var("OFFHOOK_PASSWORD").ok()),
    }
}

/// A password, or the first line of the file that @FILE names.
///
/// # Errors
/// When the file cannot be read, or holds none.
pub(crate) fn secret(given: &str) -> Result<String, String> {
    let Some(path) = given.strip_prefix('@') else { return Ok(given.to_owned()) };
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read the password in {path}: {error}"))?;
    let line = text.lines().next().unwrap_or_default().trim_end();
    if line.is_empty() { Err(format!("{path}: expected a password in the first line")) } else { Ok(line.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_over_tls_says_so_unless_it_says_something_else() {
        for (given, expected) in [
            ("gw", "sip:gw;transport=tls"),
            ("bob@example.com", "sip:bob@example.com;transport=tls"),
            ("sip:127.0.0.1:5061;lr", "sip:127.0.0.1:5061;lr;transport=tls"),
            ("sip:bob@example.com;transport=TLS", "sip:bob@example.com;transport=TLS"),
            ("sips:bob@example.com", "sips:bob@example.com"),
        ] {
            assert_eq!(over_tls(given).unwrap(), expected);
        }
        for wrong in ["sip:bob@example.com;transport=udp", "sip:bob@example.com?Subject=x", "tel:+49"] {
            over_tls(wrong).unwrap_err();
        }
    }
}
