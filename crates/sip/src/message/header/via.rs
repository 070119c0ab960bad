//! Via (RFC 3261 section 20.42).

use std::fmt;
use std::net::IpAddr;

use super::Header;
use crate::message::error::rule;
use crate::message::host::{self, Host};
use crate::message::{Fault, HeaderId, Lexer, Params};

/// One hop the request took, and where its response goes (RFC 3261 section 20.42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// `SIP`.
    pub protocol: &'a str,
    /// `2.0`.
    pub version: &'a str,
    /// The transport as written: `UDP`, `tls`, ...
    pub transport: &'a str,
    /// Host of sent-by.
    pub host: Host<'a>,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// The branch (RFC 3261 section 8.1.1.7).
    pub fn branch(&self) -> Option<&'a str> {
        self.params.token("branch").filter(|branch| !branch.is_empty())
    }

    /// The address the request came from; brackets around an IPv6 address are tolerated (RFC 5118 section 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.token("received")?;
        text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse().ok()
    }

    /// RFC 3581: `Some(None)` when the sender asks for it, `Some(Some(port))` when it was filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.token("rport").map(|port| port.parse().ok())
    }

    /// RFC 5923: whoever sent it takes requests along the same connection.
    pub fn alias(&self) -> bool {
        self.params.has("alias")
    }

    /// The multicast or other address the request was sent to.
    pub fn maddr(&self) -> Option<Host<'a>> {
        self.params.token("maddr").and_then(|host| Host::parse(host).ok())
    }

    /// Time to live of multicast.
    pub fn ttl(&self) -> Option<u8> {
        self.params.token("ttl").and_then(|ttl| ttl.parse().ok())
    }
}

/// A token and the slash behind it.
fn part<'a>(lexer: &mut Lexer<'a>) -> Result<&'a str, Fault> {
    let token = lexer.token()?;
    match lexer.separator(b'/') {
        true => Ok(token),
        false => Err(lexer.fault(rule!("/", "RFC 3261 20.42"))),
    }
}

fn transport<'a>(lexer: &mut Lexer<'a>) -> Result<&'a str, Fault> {
    let usual = match lexer.rest() {
        [b'U', b'D', b'P', b' ', ..] => "UDP",
        [b'T', b'C', b'P', b' ', ..] => "TCP",
        [b'T', b'L', b'S', b' ', ..] => "TLS",
        _ => return lexer.token(),
    };
    lexer.advance(3);
    Ok(usual)
}

impl<'a> Header<'a> for Via<'a> {
    const ID: HeaderId = HeaderId::Via;
    const LIST: bool = true;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let (protocol, version) = if lexer.rest().starts_with(b"SIP/2.0/") {
            lexer.advance(8);
            lexer.skip_lws();
            ("SIP", "2.0")
        } else {
            (part(lexer)?, part(lexer)?)
        };
        let transport = transport(lexer)?;
        let before = lexer.pos();
        lexer.skip_lws();
        if lexer.pos() == before {
            return Err(lexer.fault(rule!("white space before sent-by", "RFC 3261 20.42")));
        }
        let host = Host::read(lexer)?;
        let port = host::port(lexer, true)?;
        Ok(Via { protocol, version, transport, host, port, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for Via<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{} {}", self.protocol, self.version, self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}
