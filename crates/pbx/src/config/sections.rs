//! The tables of a configuration: `users`, `extensions`, `media`, `register`, `dns`, `tls`, `websocket`, `sip`, `sqlite`, `limits`.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use net::{Dscp, Network};
use proxy::Nat;
use sip::invite::SessionTimer;
use sip::message::UriBuf;

use super::error::ConfigError;
use super::text::{Entry, Files, Section};
use super::{CertificateFiles, Config, RouteHost, Secret, User};
use crate::accounts::AccountError;

/// Longest time that may be given, in seconds: a year.
const YEAR: u64 = 31_536_000;
/// Most of anything that is counted.
const MANY: u64 = 10_000_000;
/// Octets that a limit may allow.
const MOST_OCTETS: u64 = 1 << 32;
/// What every element must take (RFC 3261 section 18.1.1).
const LEAST_MESSAGE: u64 = 65_535;
/// Shortest and longest time for a look-up, in milliseconds: the caller waits meanwhile.
const LOOK_UP: RangeInclusive<u64> = 100..=60_000;
/// The port of name servers.
const NAME_SERVER_PORT: u16 = 53;
/// Most name servers.
const NAME_SERVERS: usize = 8;
/// Shortest and longest T1, in milliseconds: 64 of them are 1.28 s and 320 s.
const T1: RangeInclusive<u64> = 20..=5_000;
/// The same for T2 and T4.
const T2: RangeInclusive<u64> = 20..=60_000;
/// The longest session interval, in seconds, and the least of those that are agreed to: RFC 4028 section 5 has no less than 90, and tests have no time for that.
const SESSION: u64 = 86_400;
/// The longest rest between turns, in milliseconds.
const REST: RangeInclusive<u64> = 0..=20;
/// Most load balancers.
const PROXIES: usize = 64;
/// Most media threads.
const THREADS: u64 = 256;

pub(super) const USER: [&str; 7] =
    ["password", "password_file", "ha1", "display", "numbers", "max_contacts", "remove_existing"];
pub(super) const EXTENSIONS: [&str; 4] = ["echo", "tone", "music", "conference"];
pub(super) const MEDIA: [&str; 4] = ["address", "ports", "threads", "dscp"];
pub(super) const REGISTER: [&str; 7] = [
    "default_expires_secs",
    "min_expires_secs",
    "max_expires_secs",
    "clamp",
    "nat",
    "flow_timer_secs",
    "service_route",
];
/// Hops that devices are told for their requests.
const SERVICE_ROUTE: usize = 8;
pub(super) const DNS: [&str; 2] = ["servers", "timeout_ms"];
pub(super) const TLS: [&str; 8] =
    ["certificate", "key", "names", "client_ca", "client_required", "reuse_connections", "ca", "route_host"];
/// Of each of `tls.names`.
const CERTIFICATE: [&str; 2] = ["certificate", "key"];
pub(super) const WEBSOCKET: [&str; 1] = ["origins"];
pub(super) const SIP: [&str; 9] = [
    "t1_ms",
    "t2_ms",
    "t4_ms",
    "session_timer_secs",
    "session_timer_min_secs",
    "rest_ms",
    "dscp",
    "proxies",
    "overload_control",
];
pub(super) const SQLITE: [&str; 2] = ["bindings", "users"];
pub(super) const LIMITS: [&str; 19] = [
    "calls",
    "calls_per_user",
    "registrations",
    "contacts_per_user",
    "messages",
    "forwarded",
    "questions",
    "connections",
    "connections_per_address",
    "handshakes",
    "unfinished_octets",
    "idle_secs",
    "handshake_secs",
    "message_secs",
    "message_octets",
    "users",
    "calls_listed",
    "overloaded_servers",
    "retry_after_secs",
];

impl Config {
    pub(super) fn read_extensions(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&EXTENSIONS)?;
        let extensions = &mut self.extensions;
        for (key, place) in [
            ("echo", &mut extensions.echo),
            ("tone", &mut extensions.tone),
            ("music", &mut extensions.music),
            ("conference", &mut extensions.conference),
        ] {
            if let Some(entry) = section.get(key) {
                *place = numbers(&entry)?;
            }
        }
        Ok(())
    }

    pub(super) fn read_media(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&MEDIA)?;
        if let Some(entry) = section.get("address") {
            let address = entry.text()?.parse();
            self.media.address = Some(address.map_err(|_| entry.wrong("an IP address"))?);
        }
        if let Some(entry) = section.get("ports") {
            let range = ports(&entry.text()?);
            self.media.ports =
                range.ok_or_else(|| entry.wrong("FIRST-LAST with room for a pair, as in 10000-19999"))?;
        }
        if let Some(entry) = section.get("threads") {
            self.media.threads = Some(entry.number(1..=THREADS).map(|number| usize::try_from(number).unwrap_or(1))?);
        }
        if let Some(entry) = section.get("dscp") {
            self.media.dscp = dscp(&entry)?;
        }
        Ok(())
    }

    pub(super) fn read_register(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&REGISTER)?;
        let register = &mut self.register;
        for (key, place) in [
            ("default_expires_secs", &mut register.default_expires),
            ("min_expires_secs", &mut register.min_expires),
            ("max_expires_secs", &mut register.max_expires),
            ("flow_timer_secs", &mut register.flow_timer),
        ] {
            if let Some(entry) = section.get(key) {
                *place = secs(&entry, 1)?;
            }
        }
        if register.min_expires > register.max_expires
            && let Some(entry) = section.get("max_expires_secs").or_else(|| section.get("min_expires_secs"))
        {
            return Err(entry.wrong("min_expires_secs not above max_expires_secs"));
        }
        if let Some(entry) = section.get("clamp") {
            register.clamp = entry.flag()?;
        }
        if let Some(entry) = section.get("nat") {
            register.nat = entry.word(&[("never", Nat::Never), ("auto", Nat::Auto), ("always", Nat::Always)])?;
        }
        if let Some(entry) = section.get("service_route") {
            let route = |(text, entry): (String, Entry<'_>)| {
                let uri = text.parse::<UriBuf>().ok().filter(|uri| uri.as_uri().is_sip() && uri.as_uri().is_loose());
                uri.ok_or_else(|| entry.wrong("a SIP URI with lr, as in \"sip:proxy.example.com;lr\""))
            };
            register.service_route = entry.texts()?.into_iter().map(route).collect::<Result<_, _>>()?;
            if register.service_route.len() > SERVICE_ROUTE {
                return Err(entry.wrong("at most 8 hops"));
            }
        }
        Ok(())
    }

    pub(super) fn read_sip(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&SIP)?;
        let timers = &mut self.timers;
        for (key, range, place) in
            [("t1_ms", T1, &mut timers.t1), ("t2_ms", T2, &mut timers.t2), ("t4_ms", T2, &mut timers.t4)]
        {
            if let Some(entry) = section.get(key) {
                *place = entry.number(range).map(Duration::from_millis)?;
            }
        }
        if timers.t2 < timers.t1
            && let Some(entry) = section.get("t1_ms").or_else(|| section.get("t2_ms"))
        {
            return Err(entry.wrong("t1_ms not above t2_ms"));
        }
        *timers = timers.whole();
        self.read_session_timer(section)?;
        if let Some(entry) = section.get("rest_ms") {
            self.rest = entry.number(REST).map(Duration::from_millis)?;
        }
        if let Some(entry) = section.get("dscp") {
            self.dscp = dscp(&entry)?;
        }
        if let Some(entry) = section.get("overload_control") {
            self.overload_control = entry.flag()?;
        }
        if let Some(entry) = section.get("proxies") {
            let read = |(text, entry): (String, Entry<'_>)| {
                Network::read(&text)
                    .ok_or_else(|| entry.wrong("ADDRESS or ADDRESS/BITS, as in 192.0.2.9 or 10.0.0.0/8"))
            };
            self.proxies = entry.texts()?.into_iter().map(read).collect::<Result<_, _>>()?;
            if self.proxies.len() > PROXIES {
                return Err(entry.wrong("at most 64 addresses or networks"));
            }
        }
        Ok(())
    }

    fn read_session_timer(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        let mut timer = SessionTimer::default();
        if let Some(entry) = section.get("session_timer_min_secs") {
            timer.least = entry.number(1..=SESSION).map(Duration::from_secs)?;
        }
        let entry = section.get("session_timer_secs");
        if let Some(entry) = &entry {
            timer.interval = Some(entry.number(0..=SESSION).map(Duration::from_secs)?);
        }
        let off = timer.interval == Some(Duration::ZERO);
        if !off
            && timer.interval < Some(timer.least)
            && let Some(entry) = entry.or_else(|| section.get("session_timer_min_secs"))
        {
            return Err(entry.wrong("0, or no less than session_timer_min_secs"));
        }
        self.session_timer = Some(timer).filter(|_| !off);
        Ok(())
    }

    pub(super) fn read_names(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&DNS)?;
        if let Some(entry) = section.get("servers") {
            let read = |(text, entry): (String, Entry<'_>)| {
                name_server(&text).ok_or_else(|| entry.wrong("ADDRESS or ADDRESS:PORT, as in 192.0.2.53"))
            };
            self.names.servers = entry.texts()?.into_iter().map(read).collect::<Result<_, _>>()?;
            if self.names.servers.is_empty() {
                return Err(entry.wrong("at least one name server"));
            }
            if self.names.servers.len() > NAME_SERVERS {
                return Err(entry.wrong("at most 8 name servers"));
            }
        }
        if let Some(entry) = section.get("timeout_ms") {
            self.names.timeout = entry.number(LOOK_UP).map(Duration::from_millis)?;
        }
        Ok(())
    }

    pub(super) fn read_tls(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&TLS)?;
        let tls = &mut self.tls;
        for (key, place) in [
            ("certificate", &mut tls.certificate),
            ("key", &mut tls.key),
            ("client_ca", &mut tls.client_ca),
            ("ca", &mut tls.ca),
        ] {
            if let Some(entry) = section.get(key) {
                *place = Some(not_empty(&entry)?.into());
            }
        }
        for (key, place) in
            [("client_required", &mut tls.client_required), ("reuse_connections", &mut tls.reuse_connections)]
        {
            if let Some(entry) = section.get(key) {
                *place = entry.flag()?;
            }
        }
        if let Some(entry) = section.get("route_host") {
            tls.route_host = match entry.text()?.as_str() {
                "auto" => RouteHost::Auto,
                "address" => RouteHost::Address,
                name if net::tls::asked_for(name).is_some() => RouteHost::Name(name.to_owned()),
                _ => return Err(entry.wrong("\"auto\", \"address\" or the name of a host, as in \"pbx.example.com\"")),
            };
        }
        if let Some(entry) = section.get("names") {
            for (name, entry) in entry.section()?.entries() {
                let section = entry.section()?;
                let Some(asked) = net::tls::asked_for(name) else {
                    return Err(
                        section.wrong("", "the name of a host, as in \"pbx.example.com\": nothing else is asked for")
                    );
                };
                // A later file may say once more what an earlier one has said.
                let is_same = |other: &&String| *other != name && net::tls::asked_for(other).as_ref() == Some(&asked);
                if let Some(other) = self.tls.names.keys().find(is_same) {
                    let why = format!("a name that `tls.names.{other}` has not: clients ask for both as {asked}");
                    return Err(section.wrong("", &why));
                }
                section.only(&CERTIFICATE)?;
                let file = |key: &str| match section.get(key) {
                    Some(entry) => not_empty(&entry).map(PathBuf::from),
                    None => Err(section.wrong("", "a `certificate` and its private `key`")),
                };
                let files = CertificateFiles { certificate: file("certificate")?, key: file("key")? };
                self.tls.names.insert(name.to_owned(), files);
            }
        }
        Ok(())
    }

    pub(super) fn read_websocket(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&WEBSOCKET)?;
        if let Some(entry) = section.get("origins") {
            let read = |(text, entry): (String, Entry<'_>)| match is_origin(&text) {
                true => Ok(text),
                false => Err(entry.wrong("SCHEME://HOST or SCHEME://HOST:PORT, as in https://phone.example.com")),
            };
            self.origins = entry.texts()?.into_iter().map(read).collect::<Result<_, _>>()?;
            if self.origins.is_empty() {
                return Err(entry.wrong("at least one origin"));
            }
        }
        Ok(())
    }

    pub(super) fn read_sqlite(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&SQLITE)?;
        let sqlite = &mut self.sqlite;
        for (key, place) in [("bindings", &mut sqlite.bindings), ("users", &mut sqlite.users)] {
            if let Some(entry) = section.get(key) {
                if cfg!(not(feature = "sqlite")) {
                    return Err(entry.wrong("nothing, since this build is without SQLite"));
                }
                *place = Some(not_empty(&entry)?.into());
            }
        }
        Ok(())
    }

    pub(super) fn read_limits(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&LIMITS)?;
        let limits = &mut self.limits;
        for (key, place) in [
            ("calls", &mut limits.calls),
            ("calls_per_user", &mut limits.calls_per_user),
            ("registrations", &mut limits.registrations),
            ("contacts_per_user", &mut limits.contacts_per_user),
            ("messages", &mut limits.messages),
            ("forwarded", &mut limits.forwarded),
            ("questions", &mut limits.questions),
            ("connections_per_address", &mut limits.connections_per_address),
            ("handshakes", &mut limits.handshakes),
            ("users", &mut limits.users),
            ("calls_listed", &mut limits.calls_listed),
            ("overloaded_servers", &mut limits.overloaded_servers),
        ] {
            if let Some(entry) = section.get(key) {
                *place = count(&entry)?;
            }
        }
        for (key, place, least) in [
            ("unfinished_octets", &mut limits.unfinished_octets, 1),
            ("message_octets", &mut limits.message_octets, LEAST_MESSAGE),
        ] {
            if let Some(entry) = section.get(key) {
                *place = usize::try_from(entry.number(least..=MOST_OCTETS)?).unwrap_or(usize::MAX);
            }
        }
        if let Some(entry) = section.get("connections") {
            limits.connections = Some(count(&entry)?);
        }
        for (key, place) in [
            ("idle_secs", &mut limits.idle),
            ("handshake_secs", &mut limits.handshake_time),
            ("message_secs", &mut limits.message_time),
        ] {
            if let Some(entry) = section.get(key) {
                *place = secs(&entry, 1)?;
            }
        }
        if let Some(entry) = section.get("retry_after_secs") {
            limits.retry_after = secs(&entry, 0)?;
        }
        Ok(())
    }
}

/// Whether this is an origin as browsers write it (RFC 6455 section 4.1): no path and no slash at the end.
fn is_origin(text: &str) -> bool {
    let host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    text.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty()
            && scheme.chars().all(|c| c.is_ascii_alphanumeric())
            && !rest.is_empty()
            && rest.chars().all(host)
    })
}

/// The address of a name server, on port 53 unless another is told.
///
/// ```
/// assert_eq!(pbx::name_server("192.0.2.53"), Some(([192, 0, 2, 53], 53).into()));
/// assert_eq!(pbx::name_server("[::1]:5353"), "[::1]:5353".parse().ok());
/// assert_eq!(pbx::name_server("dns.example"), None);
/// ```
pub fn name_server(text: &str) -> Option<SocketAddr> {
    let ip = || text.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, NAME_SERVER_PORT));
    text.parse().ok().or_else(ip).filter(|address| address.port() != 0)
}

pub(super) fn read_user(section: &Section<'_>) -> Result<User, ConfigError> {
    section.only(&USER)?;
    let mut user = User::default();
    let mut given = 0;
    if let Some(entry) = section.get("password") {
        let password = entry.text()?;
        if password.is_empty() {
            return Err(entry.wrong_secret("a password that is not empty"));
        }
        user.secret = Secret::Password(password);
        given += 1;
    }
    if let Some(entry) = section.get("password_file") {
        user.secret = Secret::File(password_file(&entry)?);
        given += 1;
    }
    if let Some(entry) = section.get("ha1") {
        let text = entry.text()?;
        if !matches!(text.len(), 32 | 64) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(entry.wrong_secret("32 (MD5) or 64 (SHA-256) hexadecimal digits"));
        }
        user.secret = Secret::Ha1(text);
        given += 1;
    }
    if given != 1 {
        let found = if given == 0 { "none of them" } else { "several" };
        return Err(section.wrong(found, "exactly one of password, password_file and ha1"));
    }
    if let Some(entry) = section.get("display") {
        user.display = Some(entry.text()?);
    }
    if let Some(entry) = section.get("numbers") {
        user.numbers = numbers(&entry)?;
    }
    if let Some(entry) = section.get("max_contacts") {
        user.max_contacts = Some(count(&entry)?);
    }
    if let Some(entry) = section.get("remove_existing") {
        user.remove_existing = entry.flag()?;
    }
    Ok(user)
}

/// The path of a file whose first line is a password.
fn password_file(entry: &Entry<'_>) -> Result<PathBuf, ConfigError> {
    let path = PathBuf::from(not_empty(entry)?);
    if entry.files() == Files::Unread {
        return Ok(path);
    }
    let shown = path.display();
    match crate::accounts::first_line(&path) {
        Err(AccountError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Err(
                entry.wrong("a file that is there; make it, with the password in its first line, or name another")
            );
        }
        Err(AccountError::File { source, .. }) => {
            let expected =
                format!("a file that can be read ({source}); give this user the right to it, or name another");
            return Err(entry.wrong(&expected));
        }
        Err(_) => return Err(entry.wrong("a file with a password in its first line")),
        Ok(_) => {}
    }
    if entry.files() == Files::Private && crate::accounts::is_open_to_all(&path) {
        return Err(entry.wrong(&format!("a file that not everybody may read; `chmod o-rwx {shown}` mends it")));
    }
    Ok(path)
}

pub(super) fn not_empty(entry: &Entry<'_>) -> Result<String, ConfigError> {
    let text = entry.text()?;
    if text.is_empty() { Err(entry.wrong("a text that is not empty")) } else { Ok(text) }
}

/// Numbers or names: texts without blanks.
pub(super) fn numbers(entry: &Entry<'_>) -> Result<Vec<String>, ConfigError> {
    let read = |(text, entry): (String, Entry<'_>)| match text.is_empty() || text.chars().any(char::is_whitespace) {
        true => Err(entry.wrong("a text without blanks")),
        false => Ok(text),
    };
    entry.texts()?.into_iter().map(read).collect()
}

fn dscp(entry: &Entry<'_>) -> Result<Dscp, ConfigError> {
    Dscp::read(&entry.text()?)
        .ok_or_else(|| entry.wrong("a code point by name or number, as in \"ef\", \"cs3\" or \"46\""))
}

pub(super) fn secs(entry: &Entry<'_>, least: u64) -> Result<Duration, ConfigError> {
    entry.number(least..=YEAR).map(Duration::from_secs)
}

fn count(entry: &Entry<'_>) -> Result<usize, ConfigError> {
    entry.number(1..=MANY).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    // RTP on an even port and RTCP on the odd one above.
    let even = first.checked_add(first % 2)?;
    (first > 0 && even < last).then_some(first..=last)
}
