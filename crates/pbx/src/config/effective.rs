//! The settings as text again: what applies once files and defaults have been put together.

use std::time::Duration;

use net::Bind;
use proxy::Nat;
use sip::digest::Algorithm;
use store::Durability;
use toml::{Table, Value};

use super::{CertificateFiles, Config, RouteHost, Secret, User};

/// Stands where a secret is.
const CUT: &str = "(not shown)";

impl Config {
    /// All settings in TOML, with `(not shown)` for each secret. What has no value, and users that are yet to be made, are left out.
    ///
    /// ```
    /// let config = pbx::Config { realm: Some("pbx.example.com".into()), ..pbx::Config::default() };
    /// assert!(config.to_toml().contains("realm = \"pbx.example.com\""));
    /// ```
    pub fn to_toml(&self) -> String {
        let mut top = Table::new();
        put(&mut top, "listen", texts(self.listen.iter().map(address)));
        put(&mut top, "shards", i64::from(self.shards));
        put(&mut top, "realm", self.realm());
        let digest = |hash: &Algorithm| if *hash == Algorithm::Md5 { "md5" } else { "sha-256" }.to_owned();
        put(&mut top, "digest", texts(self.digest.iter().map(digest)));
        put(&mut top, "digest_once", self.digest_once);
        put(&mut top, "options_auth", self.options_auth);
        put(&mut top, "history", self.history);
        put(&mut top, "transfers", self.transfers);
        put(&mut top, "domains", texts(self.domains.iter().cloned()));
        self.show_roles(&mut top);
        put(&mut top, "durability", if self.durability == Durability::Sync { "sync" } else { "interval" });
        put(&mut top, "ring_secs", secs(self.ring));
        put(&mut top, "intercom", texts(self.intercom.iter().cloned()));
        put_some(&mut top, "silence_secs", self.silence.map(secs));
        put_some(&mut top, "qualify_secs", self.qualify.map(secs));
        put_some(&mut top, "metrics", self.metrics.map(|address| address.to_string()));
        put_some(&mut top, "state", self.state.as_ref().map(|path| path.display().to_string()));
        put_some(&mut top, "control", self.control.as_ref().map(|path| path.display().to_string()));
        let users = self.users.iter().map(|(name, one)| (name.clone(), Value::Table(user(one))));
        put(&mut top, "users", users.collect::<Table>());
        put(&mut top, "extensions", self.extensions_table());
        put(&mut top, "media", self.media_table());
        put(&mut top, "register", self.register_table());
        put(&mut top, "sqlite", self.sqlite_table());
        put(&mut top, "dns", self.names_table());
        put(&mut top, "tls", self.tls_table());
        if !self.origins.is_empty() {
            let origins = ("origins".to_owned(), texts(self.origins.iter().cloned()));
            put(&mut top, "websocket", Table::from_iter([origins]));
        }
        put(&mut top, "sip", self.timers_table());
        self.show_trust(&mut top);
        put(&mut top, "limits", self.limits_table());
        top.to_string()
    }

    fn extensions_table(&self) -> Table {
        let all = &self.extensions;
        let kinds = [("echo", &all.echo), ("tone", &all.tone), ("music", &all.music), ("conference", &all.conference)];
        kinds.into_iter().map(|(kind, numbers)| (kind.to_owned(), texts(numbers.iter().cloned()))).collect()
    }

    fn media_table(&self) -> Table {
        let mut table = Table::new();
        put_some(&mut table, "address", self.media.address.map(|address| address.to_string()));
        put(&mut table, "ports", format!("{}-{}", self.media.ports.start(), self.media.ports.end()));
        put_some(&mut table, "threads", self.media.threads.map(number));
        put(&mut table, "dscp", self.media.dscp.number().to_string());
        table
    }

    fn register_table(&self) -> Table {
        let mut table = Table::new();
        put(&mut table, "default_expires_secs", secs(self.register.default_expires));
        put(&mut table, "min_expires_secs", secs(self.register.min_expires));
        put(&mut table, "max_expires_secs", secs(self.register.max_expires));
        put(&mut table, "clamp", self.register.clamp);
        let nat = match self.register.nat {
            Nat::Never => "never",
            Nat::Auto => "auto",
            Nat::Always => "always",
        };
        put(&mut table, "nat", nat);
        put(&mut table, "flow_timer_secs", secs(self.register.flow_timer));
        put(&mut table, "service_route", texts(self.register.service_route.iter().map(ToString::to_string)));
        table
    }

    fn sqlite_table(&self) -> Table {
        let mut table = Table::new();
        for (key, file) in [("bindings", &self.sqlite.bindings), ("users", &self.sqlite.users)] {
            put_some(&mut table, key, file.as_ref().map(|path| path.display().to_string()));
        }
        table
    }

    fn names_table(&self) -> Table {
        let mut table = Table::new();
        if !self.names.servers.is_empty() {
            put(&mut table, "servers", texts(self.names.servers.iter().map(ToString::to_string)));
        }
        put(&mut table, "timeout_ms", i64::try_from(self.names.timeout.as_millis()).unwrap_or(i64::MAX));
        table
    }

    fn tls_table(&self) -> Table {
        let mut table = Table::new();
        let tls = &self.tls;
        let files =
            [("certificate", &tls.certificate), ("key", &tls.key), ("client_ca", &tls.client_ca), ("ca", &tls.ca)];
        for (key, file) in files {
            put_some(&mut table, key, file.as_ref().map(|path| path.display().to_string()));
        }
        let files = |files: &CertificateFiles| {
            let shown = [("certificate", &files.certificate), ("key", &files.key)];
            Table::from_iter(shown.map(|(key, file)| (key.to_owned(), file.display().to_string().into())))
        };
        if !tls.names.is_empty() {
            let names = tls.names.iter().map(|(name, one)| (name.clone(), Value::Table(files(one))));
            put(&mut table, "names", names.collect::<Table>());
        }
        put(&mut table, "client_required", tls.client_required);
        put(&mut table, "reuse_connections", tls.reuse_connections);
        let host = match &tls.route_host {
            RouteHost::Auto => "auto",
            RouteHost::Address => "address",
            RouteHost::Name(name) => name,
        };
        put(&mut table, "route_host", host);
        table
    }

    fn timers_table(&self) -> Table {
        let timers =
            [("t1_ms", self.timers.t1), ("t2_ms", self.timers.t2), ("t4_ms", self.timers.t4), ("rest_ms", self.rest)];
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let mut table: Table = timers.into_iter().map(|(name, span)| (name.to_owned(), millis(span).into())).collect();
        let interval = self.session_timer.and_then(|timer| timer.interval).unwrap_or_default();
        put(&mut table, "session_timer_secs", secs(interval));
        put(&mut table, "session_timer_min_secs", secs(self.session_timer.unwrap_or_default().least));
        put(&mut table, "dscp", self.dscp.number().to_string());
        put(&mut table, "overload_control", self.overload_control);
        if !self.proxies.is_empty() {
            put(&mut table, "proxies", texts(self.proxies.iter().map(ToString::to_string)));
        }
        table
    }

    fn limits_table(&self) -> Table {
        let limits = &self.limits;
        let mut table = Table::new();
        put(&mut table, "calls", number(limits.calls));
        put(&mut table, "calls_per_user", number(limits.calls_per_user));
        put(&mut table, "registrations", number(limits.registrations));
        put(&mut table, "contacts_per_user", number(limits.contacts_per_user));
        put(&mut table, "messages", number(limits.messages));
        put(&mut table, "forwarded", number(limits.forwarded));
        put(&mut table, "questions", number(limits.questions));
        put_some(&mut table, "connections", limits.connections.map(number));
        put(&mut table, "connections_per_address", number(limits.connections_per_address));
        put(&mut table, "handshakes", number(limits.handshakes));
        put(&mut table, "unfinished_octets", number(limits.unfinished_octets));
        put(&mut table, "idle_secs", secs(limits.idle));
        put(&mut table, "handshake_secs", secs(limits.handshake_time));
        put(&mut table, "message_secs", secs(limits.message_time));
        put(&mut table, "message_octets", number(limits.message_octets));
        put(&mut table, "users", number(limits.users));
        put(&mut table, "calls_listed", number(limits.calls_listed));
        put(&mut table, "overloaded_servers", number(limits.overloaded_servers));
        put(&mut table, "retry_after_secs", secs(limits.retry_after));
        table
    }
}

fn user(user: &User) -> Table {
    let mut table = Table::new();
    match &user.secret {
        Secret::Nothing => {}
        Secret::Password(_) => put(&mut table, "password", CUT),
        Secret::File(path) => put(&mut table, "password_file", path.display().to_string()),
        Secret::Ha1(_) => put(&mut table, "ha1", CUT),
    }
    put_some(&mut table, "display", user.display.clone());
    put(&mut table, "numbers", texts(user.numbers.iter().cloned()));
    put_some(&mut table, "max_contacts", user.max_contacts.map(number));
    put(&mut table, "remove_existing", user.remove_existing);
    table
}

fn put(table: &mut Table, key: &str, value: impl Into<Value>) {
    table.insert(key.to_owned(), value.into());
}

fn put_some(table: &mut Table, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        put(table, key, value);
    }
}

fn texts(all: impl Iterator<Item = String>) -> Value {
    Value::Array(all.map(Value::String).collect())
}

/// `udp:0.0.0.0:5060`.
fn address(bind: &Bind) -> String {
    format!("{}:{}", bind.transport.as_str().to_lowercase(), bind.address)
}

fn number(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn secs(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}
