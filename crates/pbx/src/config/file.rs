//! Reading the settings from TOML.
//!
//! ```toml
//! listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]
//! state = "/var/lib/offhook"
//! realm = "offhook"
//! digest = ["sha-256", "md5"]     # the most wanted first; ["md5"] for old devices
//! options_auth = false            # true: OPTIONS tells nobody without a password which numbers there are
//! domains = ["pbx.example.com"]   # none: any
//! durability = "interval"         # on the disk each second; "sync": before each answer
//! ring_secs = 60
//! silence_secs = 30               # ends calls of which nothing is heard; absent: never
//! metrics = "127.0.0.1:9115"
//! control = "/run/offhook/offhook.sock"
//! shards = 1                      # SIP loops; more are worth it where one core cannot take all calls
//!
//! [users.1001]
//! password = "${PHONE_PASSWORD}"  # or password_file, or ha1
//! display = "Alice"
//! numbers = ["2001"]
//! max_contacts = 2
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
//! threads = 2                     # absent: one for each core
//!
//! [register]
//! default_expires_secs = 120
//! min_expires_secs = 60
//! max_expires_secs = 3600
//! clamp = false
//! nat = "auto"                    # never, auto, always
//!
//! [dns]
//! servers = ["192.0.2.53", "[2001:db8::53]:5353"] # absent: those of the system
//! timeout_ms = 8000               # a look-up, in all
//!
//! [sip]                           # timers of RFC 3261, appendix A; others follow from T1
//! t1_ms = 500                     # 64 of them are waited for an answer
//! t2_ms = 4000
//! t4_ms = 5000
//!
//! [limits]
//! calls = 1000
//! calls_per_user = 10
//! registrations = 100000
//! contacts_per_user = 5
//! retry_after_secs = 5
//! ```

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::Nat;
use sip::digest::Algorithm;
use store::Durability;

use super::error::{ConfigError, Place};
use super::text::{Entry, Files, Section, Source};
use super::{Config, Secret, User, listen};
use crate::accounts::AccountError;

/// Largest configuration file, in octets.
const LARGEST: u64 = 4 << 20;
/// Longest time that may be given, in seconds: a year.
const YEAR: u64 = 31_536_000;
/// Most of anything that is counted.
const MANY: u64 = 10_000_000;
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
/// Most media threads.
const THREADS: u64 = 256;

pub(super) const TOP: [&str; 19] = [
    "listen",
    "state",
    "realm",
    "digest",
    "options_auth",
    "domains",
    "durability",
    "ring_secs",
    "silence_secs",
    "metrics",
    "control",
    "shards",
    "users",
    "extensions",
    "media",
    "register",
    "dns",
    "sip",
    "limits",
];
pub(super) const USER: [&str; 6] = ["password", "password_file", "ha1", "display", "numbers", "max_contacts"];
pub(super) const EXTENSIONS: [&str; 4] = ["echo", "tone", "music", "conference"];
pub(super) const MEDIA: [&str; 3] = ["address", "ports", "threads"];
pub(super) const REGISTER: [&str; 5] = ["default_expires_secs", "min_expires_secs", "max_expires_secs", "clamp", "nat"];
pub(super) const DNS: [&str; 2] = ["servers", "timeout_ms"];
pub(super) const SIP: [&str; 3] = ["t1_ms", "t2_ms", "t4_ms"];
pub(super) const LIMITS: [&str; 5] =
    ["calls", "calls_per_user", "registrations", "contacts_per_user", "retry_after_secs"];

impl Config {
    /// Reads a file, then every `conf.d/*.toml` beside it in the order of their names; what none of them says has its default, and where
    /// two say different things the later one counts. `${NAME}` in texts is taken from the environment.
    ///
    /// # Errors
    /// [`ConfigError`] at the first thing that is wrong, with file, line and column: a `password_file` that cannot be read or is empty is one.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, Files::Read)
    }

    /// The same, and refuses what a server only warns of: password files that everybody may read.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn check(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, Files::Private)
    }

    fn load_with(path: &Path, files: Files) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for path in std::iter::once(path.to_owned()).chain(drop_ins(path)?) {
            let text = text_of(&path)?;
            config.read(&Source::new(&text, Some(&path), &|name| std::env::var(name).ok(), files))?;
        }
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
        let mut config = Self::default();
        config.read(&Source::new(text, file, environment, Files::Unread))?;
        Ok(config)
    }

    /// Changes what this text says.
    fn read(&mut self, source: &Source<'_>) -> Result<(), ConfigError> {
        let table = source.parse()?;
        let top = source.top(table.get_ref());
        top.only(&TOP)?;
        self.read_top(&top)?;
        let each = |key: &str| top.get(key).map(|entry| entry.section()).transpose();
        if let Some(users) = each("users")? {
            for (name, entry) in users.entries() {
                self.users.insert(name.to_owned(), read_user(&entry.section()?)?);
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
        if let Some(section) = each("sip")? {
            self.read_sip(&section)?;
        }
        if let Some(section) = each("limits")? {
            self.read_limits(&section)?;
        }
        Ok(())
    }

    fn read_top(&mut self, top: &Section<'_>) -> Result<(), ConfigError> {
        if let Some(entry) = top.get("listen") {
            let read = |(text, entry): (String, Entry<'_>)| {
                listen(&text).map_err(|_| entry.wrong("udp:ADDRESS:PORT or tcp:ADDRESS:PORT, as in udp:0.0.0.0:5060"))
            };
            self.listen = entry.texts()?.into_iter().map(read).collect::<Result<_, _>>()?;
            if self.listen.is_empty() {
                return Err(entry.wrong("at least one address"));
            }
        }
        if let Some(entry) = top.get("realm") {
            self.realm = not_empty(&entry)?;
        }
        if let Some(entry) = top.get("digest") {
            let words = [("sha-256", Algorithm::Sha256), ("md5", Algorithm::Md5)];
            self.digest = entry.texts()?.iter().map(|(_, entry)| entry.word(&words)).collect::<Result<_, _>>()?;
        }
        if let Some(entry) = top.get("options_auth") {
            self.options_auth = entry.flag()?;
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
        if let Some(entry) = top.get("ring_secs") {
            self.ring = secs(&entry, 1)?;
        }
        if let Some(entry) = top.get("silence_secs") {
            self.silence = Some(secs(&entry, 1)?);
        }
        Ok(())
    }

    fn read_extensions(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
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

    fn read_media(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
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
        Ok(())
    }

    fn read_register(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&REGISTER)?;
        let register = &mut self.register;
        for (key, place) in [
            ("default_expires_secs", &mut register.default_expires),
            ("min_expires_secs", &mut register.min_expires),
            ("max_expires_secs", &mut register.max_expires),
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
        Ok(())
    }

    fn read_sip(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
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
        Ok(())
    }

    fn read_names(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
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

    fn read_limits(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        section.only(&LIMITS)?;
        let limits = &mut self.limits;
        for (key, place) in [
            ("calls", &mut limits.calls),
            ("calls_per_user", &mut limits.calls_per_user),
            ("registrations", &mut limits.registrations),
            ("contacts_per_user", &mut limits.contacts_per_user),
        ] {
            if let Some(entry) = section.get(key) {
                *place = count(&entry)?;
            }
        }
        if let Some(entry) = section.get("retry_after_secs") {
            limits.retry_after = secs(&entry, 0)?;
        }
        Ok(())
    }
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

fn read_user(section: &Section<'_>) -> Result<User, ConfigError> {
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
        return Err(section.wrong("exactly one of password, password_file and ha1"));
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

fn not_empty(entry: &Entry<'_>) -> Result<String, ConfigError> {
    let text = entry.text()?;
    if text.is_empty() { Err(entry.wrong("a text that is not empty")) } else { Ok(text) }
}

fn numbers(entry: &Entry<'_>) -> Result<Vec<String>, ConfigError> {
    let read = |(text, entry): (String, Entry<'_>)| match text.is_empty() || text.chars().any(char::is_whitespace) {
        true => Err(entry.wrong("a text without blanks")),
        false => Ok(text),
    };
    entry.texts()?.into_iter().map(read).collect()
}

fn secs(entry: &Entry<'_>, least: u64) -> Result<Duration, ConfigError> {
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
