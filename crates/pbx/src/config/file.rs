//! Reading the settings from TOML.
//!
//! ```toml
//! listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060", "tls:0.0.0.0:5061", "wss:0.0.0.0:8443"]
//! state = "/var/lib/offhook"
//! realm = "pbx.example.com"
//! digest = ["sha-256", "md5"]     # the most wanted first; ["md5"] for old devices
//! digest_once = false             # true: a nonce is good for one request, not for 300 s
//! options_auth = false            # true: OPTIONS tells nobody without a password which numbers there are, and who has one which users
//!                                 # have a device there
//! history = false                 # true: tell every device where a request has been (History-Info), and not only where somebody asks for it
//! transfers = true                # false: no phone may have the other side of a call talk to somebody else; its REFER is refused (603)
//! domains = ["pbx.example.com"]   # none: any
//! durability = "interval"         # on the disk each second; "sync": before each answer
//! ring_secs = 60
//! intercom = ["1001"]             # at whose call devices may answer by themselves; nobody's
//! silence_secs = 30               # ends calls of which nothing is heard; absent: never
//! qualify_secs = 60               # asks devices whether they are there; absent: never
//! metrics = "127.0.0.1:9115"
//! control = "/run/offhook/offhook.sock"
//! shards = 1                      # SIP loops; more are worth it where one core cannot take all calls
//!
//! role = "pbx"                    # proxy, stateless, redirect, registrar: what to be for domains that [roles] does not name
//!
//! [roles]                         # these domains are served, too
//! "example.com" = "proxy"
//!
//! [proxy]                         # for the roles proxy and redirect
//! authenticate = "all"            # "own": who says he is ours or wants to reach others, and anybody calls ours; "off": nobody
//! relay = false                   # true: pass requests on to others for anybody
//! record_route = true             # stay in the way of calls
//! forking = "preference"          # devices of one q at once; "parallel": all; "serial": one by one
//! turn_secs = 20                  # how long those of one q may ring before the next
//! recurse = false                 # true: follow 3xx of devices for callers with credentials
//! timer_c_secs = 190              # how long a call may ring at all; more than 180
//!
//! [users.1001]
//! password = "${PHONE_PASSWORD}"  # or password_file, or ha1
//! display = "Alice"
//! numbers = ["2001"]
//! max_contacts = 2
//! remove_existing = false         # true: a contact too many takes the place of the oldest
//!
//! [extensions]
//! echo = "600"
//! tone = "601"
//! music = "602"
//! conference = ["610", "611"]
//!
//! [media]
//! address = "203.0.113.9"
//! ports = "10000-19999"
//! dscp = "ef"                     # how urgent audio is, for routers that look; "0" (the default): not marked
//! threads = 2                     # absent: one for each core
//!
//! [register]
//! default_expires_secs = 120
//! min_expires_secs = 60
//! max_expires_secs = 3600
//! clamp = false
//! nat = "auto"                    # never, auto, always
//! flow_timer_secs = 120           # keep-alives of devices that register over flows (RFC 5626)
//! service_route = []              # the way that devices are told for their requests (RFC 3608), as in "sip:proxy.example.com;lr"
//!
//! [sqlite]
//! bindings = "/var/lib/offhook/bindings.sqlite" # in place of the journal; written within a second
//! users = "/var/lib/offhook/users.sqlite" # besides those above; changes are noticed within a second
//!
//! [dns]
//! servers = ["192.0.2.53", "[2001:db8::53]:5353"] # absent: those of the system
//! timeout_ms = 8000               # a look-up, in all
//!
//! [tls]                           # read again on SIGHUP
//! certificate = "/etc/offhook/cert.pem" # absent: one that signs itself is made and kept in the state directory
//! key = "/etc/offhook/key.pem"
//! client_ca = "/etc/offhook/devices.pem" # absent: devices are asked for no certificate
//! client_required = false         # true: refuses devices without one
//! reuse_connections = false       # true: requests go back along connections over TLS whose peer has shown a certificate for their host (RFC 5923)
//! ca = "/etc/offhook/ca.pem"      # trusted where we connect; absent: whom the system trusts
//! route_host = "auto"             # what Record-Route and Path call us over TLS: a host name, address, or auto: a domain of the certificate
//!
//! [tls.names."b.example.com"]     # shown to who asks for this name, the above to everybody else; absent: to everybody
//! certificate = "/etc/offhook/b.pem"
//! key = "/etc/offhook/b.key"
//!
//! [websocket]
//! origins = ["https://phone.example.com"] # pages that browsers may connect from; absent: any
//!
//! [sip]                           # timers of RFC 3261, appendix A; others follow from T1
//! t1_ms = 500                     # 64 of them are waited for an answer
//! t2_ms = 4000
//! t4_ms = 5000
//! session_timer_secs = 1800       # how long a call lasts without a refresh (RFC 4028), where the device knows of it; 0: for ever
//! session_timer_min_secs = 90     # a device that wants less is told 422; below 90 only for tests (RFC 4028 section 5)
//! proxies = ["192.0.2.9"]         # load balancers that say by the PROXY protocol who connects: addresses or networks; none by default
//! dscp = "cs3"                    # how urgent SIP is; "0" (the default): not marked
//! overload_control = true         # asks for less where there is no room, and sends less to who asks for that (RFC 7339); absent: false
//! rest_ms = 10                    # longest rest of a loop under steady load, to do more at a time; 0: never any
//!
//! [trust]                         # whose word for who calls counts, and who may know it (RFC 3325): nobody by default
//! networks = ["192.0.2.0/24"]     # addresses that requests come from and go to: gateways, other proxies; at most 64
//! users = ["gateway"]             # users whose devices are gateways: they may write anybody into From; at most 64
//! tls = true                      # over TLS alone; absent: false, for networks in which nobody else listens
//!
//! [limits]
//! calls = 1000
//! calls_per_user = 10
//! registrations = 100000
//! contacts_per_user = 5
//! messages = 10000                # under way, for each SIP loop
//! forwarded = 100000              # requests that a proxy has passed on, for each SIP loop
//! questions = 10000               # of each SIP loop to the others
//! connections = 10000             # up to half of the files that the process may have open; absent: 10000, up to a quarter of them
//! connections_per_address = 1000  # accepted from one address
//! handshakes = 512                # of TLS and WebSockets at a time
//! unfinished_octets = 16777216    # of messages that have not come to their end on connections, for each SIP loop
//! idle_secs = 900                 # of silence on a connection; more than register.flow_timer_secs
//! handshake_secs = 10             # for those of TLS and WebSockets
//! message_secs = 32               # for a message on a connection, from its first octet to its last, and for the first after connecting
//! message_octets = 65535          # of one message
//! users = 100000                  # where [sqlite] has some
//! calls_listed = 1000             # in a status
//! overloaded_servers = 256        # whose word is remembered that they want less, for each SIP loop
//! retry_after_secs = 5
//! ```

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sip::digest::Algorithm;
use store::Durability;

use super::error::{ConfigError, Place};
use super::sections::{not_empty, numbers, read_user, secs};
use super::text::{Entry, Files, Section, Source};
use super::{Config, LISTEN, listen};

/// Largest configuration file, in octets.
const LARGEST: u64 = 4 << 20;
pub(super) const TOP: [&str; 31] = [
    "listen",
    "state",
    "realm",
    "digest",
    "digest_once",
    "options_auth",
    "history",
    "transfers",
    "domains",
    "durability",
    "sqlite",
    "ring_secs",
    "intercom",
    "silence_secs",
    "qualify_secs",
    "metrics",
    "control",
    "shards",
    "role",
    "roles",
    "proxy",
    "users",
    "extensions",
    "media",
    "register",
    "dns",
    "tls",
    "websocket",
    "sip",
    "trust",
    "limits",
];

impl Config {
    /// Reads a file, then every `conf.d/*.toml` beside it in the order of their names; what none of them says has its default, and where
    /// two say different things the later one counts. `${NAME}` in texts is taken from the environment.
    ///
    /// # Errors
    /// [`ConfigError`] at the first thing that is wrong, with file, line and column: a `password_file` that cannot be read or is empty is one.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, Files::Read)
    }

    /// The same, and refuses what a server only warns of, password files that everybody may read, and certificates that it could not use.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn check(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, Files::Private)
    }

    fn load_with(path: &Path, files: Files) -> Result<Self, ConfigError> {
        let paths = std::iter::once(path.to_owned()).chain(drop_ins(path)?);
        let texts = paths.map(|path| Ok((text_of(&path)?, path))).collect::<Result<Vec<_>, ConfigError>>()?;
        let environment = |name: &str| std::env::var(name).ok();
        let source = |(text, path)| Source::new(text, Some(path), &environment, files);
        let sources: Vec<_> = texts.iter().map(|(text, path)| source((text, path))).collect();
        let config = Self::of(&sources)?;
        if files == Files::Private {
            config.has_usable_certificates(&sources)?;
        }
        Ok(config)
    }

    /// What these texts say together.
    fn of(sources: &[Source<'_>]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        sources.iter().try_for_each(|source| config.read(source))?;
        config.agrees(sources)?;
        Ok(config)
    }

    /// Reads a text. `file` is what errors name; `environment` gives the values of `${NAME}`. Files that it names are not looked at.
    ///
    /// # Errors
    /// As [`Config::load`].
    ///
    /// ```
    /// let none = |_: &str| None;
    /// let error = pbx::Config::from_toml("relam = \"home\"", None, &none).unwrap_err();
    /// assert_eq!(error.to_string(), "line 1, column 1: unknown key `relam`; did you mean `realm`?");
    /// ```
    pub fn from_toml(
        text: &str,
        file: Option<&Path>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::of(&[Source::new(text, file, environment, Files::Unread)])
    }

    /// Changes what this text says.
    fn read(&mut self, source: &Source<'_>) -> Result<(), ConfigError> {
        let table = source.parse()?;
        let top = source.top(table.get_ref());
        top.only(&TOP)?;
        self.read_top(&top)?;
        self.read_roles(&top)?;
        let each = |key: &str| top.get(key).map(|entry| entry.section()).transpose();
        if let Some(users) = each("users")? {
            for (name, entry) in users.entries() {
                let section = entry.section()?;
                if let Err(why) = crate::accounts::usable(name) {
                    return Err(section.wrong("", &why));
                }
                self.users.insert(name.to_owned(), read_user(&section)?);
            }
        }
        if let Some(section) = each("extensions")? {
            self.read_extensions(&section)?;
        }
        if let Some(section) = each("media")? {
            self.read_media(&section)?;
        }
        if let Some(section) = each("register")? {
            self.read_register(&section)?;
        }
        if let Some(section) = each("dns")? {
            self.read_names(&section)?;
        }
        if let Some(section) = each("tls")? {
            self.read_tls(&section)?;
        }
        if let Some(section) = each("websocket")? {
            self.read_websocket(&section)?;
        }
        if let Some(section) = each("sip")? {
            self.read_sip(&section)?;
        }
        if let Some(section) = each("trust")? {
            self.read_trust(&section)?;
        }
        if let Some(section) = each("sqlite")? {
            self.read_sqlite(&section)?;
        }
        if let Some(section) = each("limits")? {
            self.read_limits(&section)?;
        }
        Ok(())
    }

    fn read_top(&mut self, top: &Section<'_>) -> Result<(), ConfigError> {
        if let Some(entry) = top.get("listen") {
            let read = |(text, entry): (String, Entry<'_>)| listen(&text).map_err(|_| entry.wrong(LISTEN));
            self.listen = entry.texts()?.into_iter().map(read).collect::<Result<_, _>>()?;
            if self.listen.is_empty() {
                return Err(entry.wrong("at least one address"));
            }
        }
        if let Some(entry) = top.get("realm") {
            let realm = not_empty(&entry)?;
            if realm.contains(char::is_control) {
                return Err(entry.wrong_secret("a text without control characters"));
            }
            self.realm = Some(realm);
        }
        if let Some(entry) = top.get("digest") {
            let words = [("sha-256", Algorithm::Sha256), ("md5", Algorithm::Md5)];
            self.digest = entry.texts()?.iter().map(|(_, entry)| entry.word(&words)).collect::<Result<_, _>>()?;
            let different = self.digest.iter().collect::<BTreeSet<_>>().len();
            if different == 0 || different != self.digest.len() {
                return Err(entry.wrong("at least one of sha-256 and md5, and each once"));
            }
        }
        if let Some(entry) = top.get("digest_once") {
            self.digest_once = entry.flag()?;
        }
        if let Some(entry) = top.get("options_auth") {
            self.options_auth = entry.flag()?;
        }
        if let Some(entry) = top.get("history") {
            self.history = entry.flag()?;
        }
        if let Some(entry) = top.get("transfers") {
            self.transfers = entry.flag()?;
        }
        if let Some(entry) = top.get("domains") {
            self.domains = numbers(&entry)?;
        }
        if let Some(entry) = top.get("state") {
            self.state = Some(not_empty(&entry)?.into());
        }
        if let Some(entry) = top.get("control") {
            self.control = Some(not_empty(&entry)?.into());
        }
        if let Some(entry) = top.get("metrics") {
            let address = entry.text()?.parse();
            self.metrics = Some(address.map_err(|_| entry.wrong("ADDRESS:PORT, as in 127.0.0.1:9115"))?);
        }
        if let Some(entry) = top.get("durability") {
            self.durability = entry.word(&[("interval", Durability::Second), ("sync", Durability::Sync)])?;
        }
        if let Some(entry) = top.get("shards") {
            let number = entry.number(1..=u64::from(sip::Spread::MOST))?;
            self.shards = u8::try_from(number).unwrap_or(sip::Spread::MOST);
        }
        if let Some(entry) = top.get("intercom") {
            self.intercom = numbers(&entry)?;
        }
        if let Some(entry) = top.get("ring_secs") {
            self.ring = secs(&entry, 1)?;
        }
        if let Some(entry) = top.get("silence_secs") {
            self.silence = Some(secs(&entry, 1)?);
        }
        if let Some(entry) = top.get("qualify_secs") {
            self.qualify = Some(secs(&entry, 1)?);
        }
        Ok(())
    }
}

/// The files in `conf.d` beside this one whose names end in `.toml`, by name.
fn drop_ins(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let folder = path.with_file_name("conf.d");
    let unreadable = |error: std::io::Error| ConfigError::Unreadable { path: folder.clone(), why: error.to_string() };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(unreadable)?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    Ok(paths)
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |why: String| ConfigError::Unreadable { path: path.to_owned(), why };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > LARGEST {
        return Err(unreadable("expected at most 4 MiB".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| ConfigError::Syntax {
        at: end_of(error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default(), path),
        what: "an octet that is no UTF-8; save the file as UTF-8".to_owned(),
    })
}

/// The place behind these octets of a file.
fn end_of(octets: &[u8], path: &Path) -> Place {
    let text = String::from_utf8_lossy(octets);
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place {
        file: Some(path.to_owned()),
        line: text.matches('\n').count() + 1,
        column: last.trim_start_matches('\u{feff}').chars().count() + 1,
    }
}
