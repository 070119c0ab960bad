//! The command line: one table from which parsing, help and completions follow.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ua::SessionTimer;
use ua::package::dialog::Identifiers;

use crate::exit::Fault;

/// A SIP phone, a PBX and their tools in one binary.
///
/// Exit codes: 0 ok, 1 general, 2 usage, 3 configuration, 4 unreachable, 5 TLS, 6 authentication refused, 7 callee refused, 8 no answer,
/// 9 media failed (none, one-way), 10 an --expect-* not met, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "offhook", version, about, max_term_width = 110, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Options of every verb.
    #[command(flatten)]
    pub(crate) general: General,
}

/// Options of every verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "General")]
pub(crate) struct General {
    /// Print state and results as JSON, one object a line, each with "v": 1.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more on standard error; twice: every message, without credentials.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What is logged, for example `info` or `net=debug` (also from OFFHOOK_LOG).
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log_level: Option<String>,
    /// Colours on the terminal.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How digits are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DtmfMode {
    /// In the audio, as telephone events (RFC 4733).
    Rfc4733,
    /// In INFO requests, as application/dtmf-relay. One that is refused or not answered is told, and the call goes on.
    Info,
    /// The same as application/dtmf, for telephones that know nothing else.
    InfoDtmf,
}

/// Frequencies in Hz that audio of 8 kHz can carry.
fn tones() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..4_000)
}

/// Addresses of peers that are believed.
fn network(text: &str) -> Result<net::Network, String> {
    net::Network::read(text).ok_or_else(|| "expected ADDRESS or ADDRESS/BITS, as in 192.0.2.9 or 10.0.0.0/8".to_owned())
}

/// An address with its port.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected ADDRESS:PORT, as in 127.0.0.1:5060 or [::1]:5060".to_owned())
}

/// A time.
fn whole_secs(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected whole seconds, as in 30".to_owned())
}

/// The address of a name server.
fn name_server(text: &str) -> Result<SocketAddr, String> {
    pbx::name_server(text).ok_or_else(|| "expected ADDRESS or ADDRESS:PORT, as in 192.0.2.53".to_owned())
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// A PBX and two phones in this process: they register, call, hold, dial digits and listen; prints the ladder and a verdict.
    Demo(Demo),
    /// A PBX with registrar and an embedded store; needs no file.
    Serve(Serve),
    /// Place a call.
    Call(Call),
    /// A robot that takes calls.
    Answer(Answer),
    /// Register with a registrar, until Ctrl-C or once.
    Register(Register),
    /// Ask a SIP element for its capabilities (OPTIONS).
    Options(Ask),
    /// Send a text message (MESSAGE).
    Message(Message),
    /// Show the state of somebody or something as it changes (SUBSCRIBE).
    Subscribe(Subscribe),
    /// Check a configuration file without starting anything.
    Check(Check),
    /// What a running `offhook serve` is doing.
    Status(Status),
    /// Show the messages that pass a running `serve`, `answer` or `call`, without secrets: as a ladder, into a file, to a capture server.
    Trace(Trace),
    /// Print a completion script for a shell.
    Completions(Completions),
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Break one direction of the audio, to see the demonstration fail.
    #[arg(long, value_name = "DIRECTION")]
    pub(crate) cut: Option<Cut>,
}

/// Which way is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cut {
    /// What the caller says is lost.
    CallerToCallee,
    /// What the callee says is lost.
    CalleeToCaller,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Configuration file, with conf.d/*.toml beside it; without it /etc/offhook/offhook.toml where that exists.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to be for domains to which the configuration gives no role: a PBX by default.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    /// Listen for SIP there, UDP and TCP (repeatable).
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) sip: Vec<SocketAddr>,
    /// Listen for SIP over TLS there (repeatable).
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) tls: Vec<SocketAddr>,
    /// Listen for SIP over WebSocket there (repeatable).
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) ws: Vec<SocketAddr>,
    /// Listen for SIP over secure WebSocket there (repeatable).
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) wss: Vec<SocketAddr>,
    /// The certificate shown over TLS, PEM, with those between it and its authority; by default one that signs itself is made and kept.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Keep all state in this directory, the runtime socket included (also from OFFHOOK_STATE).
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Add a user (repeatable). NAME:@FILE reads the password from a file. Without any user, 1001 and 1002 get random passwords.
    #[arg(long, value_name = "NAME:PASSWORD")]
    pub(crate) user: Vec<String>,
    /// Serve /metrics and /healthz there; loopback is wise.
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) http: Option<SocketAddr>,
    /// Where its messages go.
    #[command(flatten)]
    pub(crate) traced: Traced,
}

/// What `serve` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Both sides of a call talk to us.
    Pbx,
    /// Both sides talk to each other, through us (RFC 3261 section 16).
    Proxy,
    /// The same without transactions: nothing is kept of what is passed on (RFC 3261 section 16.11).
    Stateless,
    /// Tells who calls where somebody is (RFC 3261 section 8.3).
    Redirect,
    /// Takes REGISTERs and nothing else.
    Registrar,
}

impl From<Role> for pbx::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Pbx => Self::Pbx,
            Role::Proxy => Self::Proxy,
            Role::Stateless => Self::Stateless,
            Role::Redirect => Self::Redirect,
            Role::Registrar => Self::Registrar,
        }
    }
}

/// Who we are and where we listen.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Identity")]
pub(crate) struct Identity {
    /// Our address of record, for example sip:1001@pbx.local; also the registrar's domain.
    #[arg(long, value_name = "URI")]
    pub(crate) account: Option<String>,
    /// Password of the account; @FILE reads it from a file (also from OFFHOOK_PASSWORD).
    #[arg(long, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
    /// Name for authentication when it is not the account's user part.
    #[arg(long, value_name = "NAME")]
    pub(crate) auth_user: Option<String>,
    /// Send everything to this address first, for example sip:127.0.0.1:5060;lr. With --outbound repeatable: be reached by each of them.
    #[arg(long, value_name = "URI")]
    pub(crate) proxy: Vec<String>,
    /// Register over flows that are kept up, one for each --proxy (RFC 5626): as this instance, a URN, or as one whose UUID is made once and kept in the state
    /// directory. Calls come along them, and when one fails along the others.
    #[arg(long, value_name = "URN", requires = "account", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) outbound: Option<String>,
    /// While registered, ask the registrar so often whether it is still there (OPTIONS), and register anew when nobody answers.
    #[arg(long, value_name = "SECS", requires = "account", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) keep_alive: Option<u64>,
    /// Send everything through a WebSocket with this server first, and be reached on it: ws://pbx.example.com:8080/sip, or wss: over TLS.
    #[arg(long, value_name = "URL", requires = "account", conflicts_with = "proxy")]
    pub(crate) ws: Option<String>,
    /// Listen for SIP there, UDP and TCP (repeatable); a free port of all addresses by default.
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) sip: Vec<SocketAddr>,
    /// Ask this name server instead of the system's (repeatable); port 53 by default.
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = name_server)]
    pub(crate) name_server: Vec<SocketAddr>,
    /// Who is trusted over TLS.
    #[command(flatten)]
    pub(crate) tls: Tls,
}

/// Who is trusted over TLS (`sips:`, `;transport=tls`), and what we show.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct Tls {
    /// Trust the certificates in this PEM file, authorities' or a server's own, instead of those that the system trusts.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Show this certificate where a server asks for one, and `answer --tls` to whoever connects; PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Trust whoever answers, whatever his certificate says: anybody on the way can read and change everything. Only for finding faults.
    #[arg(long, conflicts_with = "tls_ca")]
    pub(crate) tls_insecure: bool,
}

/// How long a call lasts without a refresh (RFC 4028).
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Session timer")]
pub(crate) struct Timer {
    /// End the call when it was not refreshed for so long; we refresh if the other side does not. By default 1800, and only where it knows of that;
    /// off (or 0): never.
    #[arg(long, value_name = "SECS|off", value_parser = timer_secs)]
    pub(crate) timer: Option<u32>,
    /// Agree to no less. Below 90 only for tests (RFC 4028 section 5).
    #[arg(long, value_name = "SECS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) timer_min: u32,
}

fn timer_secs(text: &str) -> Result<u32, String> {
    match text {
        "off" => Ok(0),
        _ => text
            .parse()
            .ok()
            .filter(|secs| *secs <= 86_400)
            .ok_or_else(|| "expected up to 86400 seconds, or off".into()),
    }
}

impl Timer {
    /// What is wanted; `None`: no session timer.
    ///
    /// # Errors
    /// When the two contradict each other.
    pub(crate) fn read(&self) -> Result<Option<SessionTimer>, Fault> {
        let least = Duration::from_secs(self.timer_min.into());
        let usual = SessionTimer { least, ..SessionTimer::default() };
        match self.timer {
            Some(0) => Ok(None),
            Some(secs) if secs < self.timer_min => Err(Fault::usage(format!(
                "--timer {secs}: expected off, or no less than {} (--timer-min)",
                self.timer_min
            ))),
            Some(secs) => {
                Ok(Some(SessionTimer { interval: Some(Duration::from_secs(secs.into())), alone: true, ..usual }))
            }
            None => Ok(Some(usual)),
        }
    }
}

/// Arguments of `call`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Call {
    /// Whom: a SIP URI, user@host, or just a user at the account's domain; without an account, at the `offhook serve` of this machine.
    pub(crate) target: String,
    /// Do not register first, even with an account.
    #[arg(long)]
    pub(crate) no_register: bool,
    /// Play a WAV file (repeatable: one after the other).
    #[arg(long, value_name = "FILE")]
    pub(crate) play: Vec<PathBuf>,
    /// Play a tone of this frequency in Hz.
    #[arg(long, value_name = "HZ", value_parser = tones(), conflicts_with = "play")]
    pub(crate) tone: Option<u32>,
    /// Record what is heard into a WAV file.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Dial these digits once connected (0-9 A-D * #, comma: a pause of one second).
    #[arg(long, value_name = "DIGITS")]
    pub(crate) dtmf: Option<String>,
    /// How they are sent.
    #[arg(long, value_name = "MODE", default_value = "rfc4733", requires = "dtmf")]
    pub(crate) dtmf_mode: DtmfMode,
    /// Let it ring at most so long.
    #[arg(long, value_name = "SECS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) ring_for: u64,
    /// Hang up after so long; otherwise when the files have been played, the peer hangs up, or Ctrl-C.
    #[arg(long = "for", value_name = "SECS", value_parser = whole_secs)]
    pub(crate) duration: Option<u64>,
    /// Insist that the callee says reliably that it rings (100rel): one that cannot refuses with 420, exit code 7.
    #[arg(long)]
    pub(crate) reliable: bool,
    /// Ask over TLS or not at all: as with ;transport=tls behind target, account and proxies.
    #[arg(long, conflicts_with = "ws")]
    pub(crate) tls: bool,
    /// Call without telling who we are: From names nobody, and those on the way are asked to hide the rest.
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// Ask those on the way to hide this: none, or id, user, header, session, history, with semicolons between them (Privacy).
    #[arg(long, value_name = "WORDS", conflicts_with = "anonymous")]
    pub(crate) privacy: Option<String>,
    /// Be known by this address of ours (P-Preferred-Identity), where the account's server knows it as ours: it is told to nobody else.
    #[arg(long, value_name = "URI", requires = "account")]
    pub(crate) prefer: Option<String>,
    /// Tell the user at the other end this (User-to-User): hexadecimal digits, or "TEXT";encoding=NAME, with ;purpose=NAME where it is for another
    /// application than ISDN's.
    #[arg(long, value_name = "DATA")]
    pub(crate) uui: Option<String>,
    /// Ask the other side to answer by itself after so long; telephones do that which are told to.
    #[arg(long, value_name = "SECS", num_args = 0..=1, default_missing_value = "0", require_equals = true, value_parser = clap::value_parser!(u64).range(..=3_600))]
    pub(crate) auto_answer: Option<u64>,
    /// Let the other side transfer us: call whom it names, at our cost, or go on with who takes its place. Otherwise it is refused.
    #[arg(long)]
    pub(crate) allow_transfer: bool,
    /// Fail unless audio was heard: exit code 9 when no packet came, 10 when they held nothing but silence.
    #[arg(long)]
    pub(crate) expect_audio: bool,
    /// Fail unless a tone of this frequency was heard for a second, 20 dB over everything else: exit codes as above.
    #[arg(long, value_name = "HZ")]
    pub(crate) expect_tone: Option<u32>,
    /// How long it lasts.
    #[command(flatten)]
    pub(crate) timer: Timer,
    /// Where its messages go.
    #[command(flatten)]
    pub(crate) traced: Traced,
    /// Who calls.
    #[command(flatten)]
    pub(crate) identity: Identity,
}

/// Arguments of `answer`.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// Send back what is heard.
    #[arg(long)]
    pub(crate) echo: bool,
    /// Play a WAV file, again and again.
    #[arg(long, value_name = "FILE", conflicts_with = "echo")]
    pub(crate) play: Option<PathBuf>,
    /// Play a tone of this frequency in Hz.
    #[arg(long, value_name = "HZ", value_parser = tones(), conflicts_with_all = ["echo", "play"])]
    pub(crate) tone: Option<u32>,
    /// Record what is heard; further calls get a number before the suffix.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Ring and never answer.
    #[arg(long)]
    pub(crate) ring: bool,
    /// With --ring: answer calls that ask for it (Call-Info answer-after, Alert-Info alert-autoanswer). Whoever may call can listen in then.
    #[arg(long, requires = "ring")]
    pub(crate) auto_answer: bool,
    /// Believe those at these addresses who a caller is (P-Asserted-Identity; repeatable): our own server's, as a rule.
    #[arg(long, value_name = "ADDR[/BITS]", value_parser = network)]
    pub(crate) believe: Vec<net::Network>,
    /// Say reliably that it rings, with the description, to callers that can take it (100rel); the 200 waits for their PRACK.
    #[arg(long, conflicts_with = "reject")]
    pub(crate) reliable: bool,
    /// Let the other side of a call have us call somebody else, at our cost. Otherwise it is refused.
    #[arg(long)]
    pub(crate) allow_transfer: bool,
    /// Let others watch (SUBSCRIBE) whether the robot can be reached (presence) and its calls (dialog). Otherwise it is refused.
    #[arg(long)]
    pub(crate) allow_watchers: bool,
    /// Refuse with this status.
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(300..700), conflicts_with = "ring")]
    pub(crate) reject: Option<u16>,
    /// Hang each call up after so long.
    #[arg(long = "for", value_name = "SECS", value_parser = whole_secs)]
    pub(crate) duration: Option<u64>,
    /// End after so many calls.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) calls: Option<u64>,
    /// Take so many calls at a time, those that ring included; one more is refused (503).
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_calls: u32,
    /// Listen for SIP over TLS there, with the certificate of --tls-cert (repeatable).
    #[arg(long, value_name = "ADDR:PORT", value_parser = address, requires = "tls_cert")]
    pub(crate) tls: Vec<SocketAddr>,
    /// T1 of RFC 3261 in milliseconds: 64 of them are waited for an ACK.
    #[arg(long, value_name = "MILLIS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(20..=5_000))]
    pub(crate) t1_ms: u64,
    /// Send 100 (Trying) to calls that have had no answer for so long (RFC 3261 section 17.2.1 has 200); 0: to each at once.
    #[arg(long, value_name = "MILLIS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=200))]
    pub(crate) trying_ms: u64,
    /// How long calls last.
    #[command(flatten)]
    pub(crate) timer: Timer,
    /// Where its messages go.
    #[command(flatten)]
    pub(crate) traced: Traced,
    /// Who answers; with an account it registers, without it takes calls to any user.
    #[command(flatten)]
    pub(crate) identity: Identity,
}

/// Arguments of `register`.
#[derive(Debug, Args)]
pub(crate) struct Register {
    /// Lifetime asked for.
    #[arg(long, value_name = "SECS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) expires: u32,
    /// Register, report, take the binding away again, and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// Who registers.
    #[command(flatten)]
    pub(crate) identity: Identity,
}

/// Arguments of `options`.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// Whom: a SIP URI, user@host, a host, or a user at the account's domain; without an account, a number at the `offhook serve` of this machine.
    pub(crate) target: String,
    /// Who asks.
    #[command(flatten)]
    pub(crate) identity: Identity,
}

/// Arguments of `message`.
#[derive(Debug, Args)]
pub(crate) struct Message {
    /// Whom.
    pub(crate) target: String,
    /// The text; - reads it from standard input.
    pub(crate) text: String,
    /// The type of the text, for example text/html; plain text by default.
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Who writes.
    #[command(flatten)]
    pub(crate) identity: Identity,
}

/// Arguments of `subscribe`.
#[derive(Debug, Args)]
pub(crate) struct Subscribe {
    /// Whose state: a SIP URI, user@host, or just a user at the account's domain; without an account, at the `offhook serve` of this machine.
    pub(crate) target: String,
    /// Which: the name of an event package, with its parameters if there are any.
    #[arg(long, value_name = "PACKAGE", default_value = "presence")]
    pub(crate) event: String,
    /// Watch this dialog alone, by what names it at its own side: CALL-ID;to-tag=TAG;from-tag=TAG, without from-tag all that its INVITE has made.
    #[arg(long, value_name = "DIALOG", conflicts_with = "event")]
    pub(crate) dialog: Option<Identifiers>,
    /// Ask for its session descriptions as well.
    #[arg(long, requires = "dialog")]
    pub(crate) descriptions: bool,
    /// End after so long; otherwise with Ctrl-C, or when the other side ends it for good.
    #[arg(long, value_name = "SECS", value_parser = whole_secs)]
    pub(crate) r#for: Option<u64>,
    /// Ask for the state once, and end.
    #[arg(long, conflicts_with = "expires")]
    pub(crate) once: bool,
    /// Ask for so long at a time; it is refreshed in time.
    #[arg(long, value_name = "SECS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) expires: u32,
    /// Take bodies of this type, instead of the package's own (repeatable).
    #[arg(long, value_name = "TYPE")]
    pub(crate) accept: Vec<String>,
    /// The target may be a list of several resources (RFC 4662).
    #[arg(long)]
    pub(crate) lists: bool,
    /// Show also what so many further notifiers say, where a proxy asks several.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) forks: usize,
    /// Who asks.
    #[command(flatten)]
    pub(crate) identity: Identity,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The file; without it what `serve` would read.
    pub(crate) config: Option<PathBuf>,
    /// Print all settings that apply, defaults included, as TOML without secrets.
    #[arg(long)]
    pub(crate) print_effective: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The state directory of the `serve` that is asked (also from OFFHOOK_STATE).
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// Only messages of this user: in Request-URI, From or To.
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Only messages with this Call-ID.
    #[arg(long, value_name = "ID")]
    pub(crate) call_id: Option<String>,
    /// Write them into this file as well, for Wireshark and tcpdump.
    #[arg(long, value_name = "FILE.pcapng")]
    pub(crate) write: Option<PathBuf>,
    /// Send them to this capture server as well (HEPv3 over UDP, as Homer takes it).
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) hep: Option<SocketAddr>,
    /// End after so long; otherwise with Ctrl-C, or with the process.
    #[arg(long = "for", value_name = "SECS", value_parser = whole_secs)]
    pub(crate) duration: Option<u64>,
    /// The process, where several run.
    #[arg(long, conflicts_with = "state")]
    pub(crate) pid: Option<u32>,
    /// The state directory of the `serve` that is watched (also from OFFHOOK_STATE).
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// Where a process of ours has its own messages go.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Trace")]
pub(crate) struct Traced {
    /// Write every SIP message that passes, without secrets, into this file, for Wireshark and tcpdump.
    #[arg(long, value_name = "FILE.pcapng")]
    pub(crate) trace: Option<PathBuf>,
    /// Send them to this capture server (HEPv3 over UDP, as Homer takes it).
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) hep: Option<SocketAddr>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}
