//! `offhook serve`: the PBX, until it is told to stop; and `offhook check`.

use std::io::IsTerminal as _;
use std::net::{Ipv6Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use net::Bind;
use pbx::{AccountError, Certificate, Config, ConfigError, Role, Running, Secret, Server, StartError, User};

use sip::Transport;

use crate::allocator;
use crate::args;
use crate::exit::{Exit, Fault};
use crate::home;
use crate::identity;
use crate::interrupt::Interrupts;
use crate::neighbour;
use crate::out::{Out, counted};
use crate::phone;
use crate::reload::Reloads;
use crate::trace::Own;

/// Read when no file is named, where it exists.
const DEFAULT: &str = "/etc/offhook/offhook.toml";
/// How long calls may take to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often an interruption is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Runs `serve`.
pub(crate) fn run(args: &args::Serve, out: &mut Out) -> Exit {
    // On a terminal SIGHUP says that it is gone, and ends the server with it.
    let reloads = (!std::io::stdout().is_terminal()).then(Reloads::watch);
    let interrupts = Interrupts::watch();
    match start(args) {
        Ok((running, kept)) => {
            let _announced = neighbour::announce(&kept.socket);
            let _traced = match Own::begin(None, &args.traced, running.trace()) {
                Ok(own) => own,
                Err(fault) => return out.fault(&fault),
            };
            introduce(&running, &kept, out);
            while !interrupts.seen() {
                if let Some(lost) = running.lost() {
                    let why =
                        format!("{lost} has ended by a fault of its own; the log says why: start `offhook serve` anew");
                    return out.fault(&Fault::general(why));
                }
                if reloads.as_ref().is_some_and(Reloads::take) {
                    reload(&running, out);
                }
                std::thread::sleep(LOOK);
                allocator::give_back();
            }
            out.event("stopping: calls are hung up", &[("event", "stopping".into())]);
            running.stop(FAREWELL);
            out.event("stopped", &[("event", "stopped".into())]);
            Exit::Ok
        }
        Err(fault) => out.fault(&fault),
    }
}

/// Runs `check`.
pub(crate) fn check(args: &args::Check, out: &mut Out) -> Exit {
    let (config, from) = match settings(args.config.as_deref(), Config::check) {
        Ok(read) => read,
        Err(fault) => return out.fault(&fault),
    };
    let from = from.map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string());
    let listen: Vec<String> = config.listen.iter().map(bind_words).collect();
    let users = config.user_count();
    let mut fields = vec![
        ("event", "checked".into()),
        ("file", from.as_str().into()),
        ("listen", listen.clone().into()),
        ("users", users.into()),
    ];
    let good = format!("{from}: good; {}; listens on {}", counted(users as u64, "user"), listen.join(", "));
    if args.print_effective {
        let effective = config.to_toml();
        fields.push(("effective", effective.as_str().into()));
        // All of it can be read as a configuration.
        let head = format!("# {good}");
        let lines: Vec<&str> = [head.as_str(), ""].into_iter().chain(effective.trim_end().lines()).collect();
        out.event_in_lines(&lines, &fields);
    } else {
        out.event(&good, &fields);
    }
    Exit::Ok
}

/// The settings of a file, and which; without one those of [`DEFAULT`] where it exists.
fn settings(
    given: Option<&Path>,
    read: fn(&Path) -> Result<Config, ConfigError>,
) -> Result<(Config, Option<PathBuf>), Fault> {
    let default = Path::new(DEFAULT);
    let path = given.or_else(|| default.exists().then_some(default));
    let config = match path {
        Some(path) => read(path).map_err(|error| Fault::new(Exit::Configuration, error))?,
        None => Config::default(),
    };
    Ok((config, path.map(Path::to_owned)))
}

/// Where state and runtime socket are.
struct Kept {
    state: PathBuf,
    socket: PathBuf,
    config: Config,
}

fn start(args: &args::Serve) -> Result<(Running, Kept), Fault> {
    let (mut config, _) = settings(args.config.as_deref(), Config::load)?;
    if !args.sip.is_empty() {
        config.listen.retain(|bind| !matches!(bind.transport, Transport::Udp | Transport::Tcp));
        config.listen.splice(..0, phone::udp_and_tcp(&args.sip));
    } else if UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err() {
        config.listen.retain(|bind| bind.address.ip() != Ipv6Addr::UNSPECIFIED);
    }
    for (transport, given) in [(Transport::Tls, &args.tls), (Transport::Ws, &args.ws), (Transport::Wss, &args.wss)] {
        if !given.is_empty() {
            config.listen.retain(|bind| bind.transport != transport);
            config.listen.extend(given.iter().map(|&address| Bind { transport, address }));
        }
    }
    if args.tls_cert.is_some() {
        (config.tls.certificate, config.tls.key) = (args.tls_cert.clone(), args.tls_key.clone());
    }
    for user in &args.user {
        let (name, user) = read_user(user)?;
        config.users.insert(name, user);
    }
    if args.state.is_some() || config.state.is_none() {
        config.state = Some(home::state(args.state.as_deref()));
    }
    if args.state.is_some() || config.control.is_none() {
        config.control = Some(home::socket(args.state.as_deref()));
    }
    config.metrics = args.http.or(config.metrics);
    config.role = args.role.map_or(config.role, Into::into);
    let kept = Kept {
        state: config.state.clone().unwrap_or_default(),
        socket: config.control.clone().unwrap_or_default(),
        config: config.clone(),
    };
    let running = Server::start(config).map_err(refused)?;
    Ok((running, kept))
}

fn refused(error: StartError) -> Fault {
    let exit = match error {
        StartError::Accounts(AccountError::State { .. }) => Exit::General,
        StartError::Config(_) | StartError::Accounts(_) | StartError::Realm(_) | StartError::Tls(_) => {
            Exit::Configuration
        }
        _ => Exit::General,
    };
    Fault::new(exit, error)
}

/// `NAME:PASSWORD` or `NAME:@FILE`.
fn read_user(given: &str) -> Result<(String, User), Fault> {
    let (name, secret) = given.split_once(':').unwrap_or((given, ""));
    if name.is_empty() || secret.is_empty() {
        return Err(Fault::usage(format!(
            "--user {name}: expected NAME:PASSWORD or NAME:@FILE, for example 1001:@/etc/offhook/1001"
        )));
    }
    let password =
        identity::secret(secret).map_err(|why| Fault::new(Exit::Configuration, format!("--user {name}: {why}")))?;
    Ok((name.to_owned(), User { secret: Secret::Password(password), ..User::default() }))
}

/// `udp:0.0.0.0:5060`.
fn bind_words(bind: &Bind) -> String {
    format!("{}:{}", bind.transport.as_str().to_lowercase(), bind.address)
}

/// A certificate that devices see: those that do not know its authority are given the file, or compare.
fn show(certificate: &Certificate, out: &mut Out) {
    let Certificate { name, fingerprint, file, made_here } = certificate;
    let file = file.as_ref().map(|file| file.display().to_string());
    let mut fields = vec![("event", "certificate".into()), ("sha256", fingerprint.as_str().into())];
    fields.push(("made_here", (*made_here).into()));
    fields.extend(file.as_deref().map(|file| ("file", file.into())));
    fields.extend(name.as_deref().map(|name| ("name", name.into())));
    let to = name.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
    let whose = if *made_here { ", signed by itself" } else { "" };
    let place = file.map(|file| format!(" {file}")).unwrap_or_default();
    out.event(&format!("certificate{to}{place}{whose}, SHA-256 {fingerprint}"), &fields);
}

/// Reads the certificates once more.
fn reload(running: &Running, out: &mut Out) {
    match running.reload_certificates() {
        Ok(none) if none.is_empty() => {
            tracing::warn!("SIGHUP: there is no certificate to be read again, and nothing else is")
        }
        Ok(all) => all.iter().for_each(|certificate| show(certificate, out)),
        Err(error) => tracing::error!(%error, "SIGHUP: the old certificate is shown on, and so are all others"),
    }
}

/// What a person must know to use it.
fn introduce(running: &Running, kept: &Kept, out: &mut Out) {
    for bound in running.bound() {
        phone::listening(bound.transport, bound.address, out);
    }
    running.certificates().iter().for_each(|certificate| show(certificate, out));
    if let Some(address) = running.metrics_address() {
        let url = format!("http://{address}/metrics");
        out.event(&format!("metrics at {url}"), &[("event", "metrics".into()), ("url", url.as_str().into())]);
    }
    for account in running.accounts() {
        let name = account.name.as_str();
        let mut fields = vec![("event", "user".into()), ("name", name.into())];
        match &account.password {
            Some(password) => {
                fields.push(("password", password.as_str().into()));
                out.event(&format!("user {name}  password {password}"), &fields);
            }
            None => out.event(&format!("user {name}"), &fields),
        }
    }
    let (role, roles) = (kept.config.role, &kept.config.roles);
    for (domain, role) in roles {
        let fields = [("event", "role".into()), ("role", role.word().into()), ("domain", domain.as_str().into())];
        out.event(&format!("role {}  for {domain}", role.word()), &fields);
    }
    if role != Role::Pbx || !roles.is_empty() {
        let rest = if roles.is_empty() { "" } else { "  for all others" };
        let fields = [("event", "role".into()), ("role", role.word().into())];
        out.event(&format!("role {}{rest}", role.word()), &fields);
    }
    if role != Role::Pbx && roles.values().all(|role| *role != Role::Pbx) {
        return ready(kept, out);
    }
    let extensions = &kept.config.extensions;
    let kinds = [
        ("echo", &extensions.echo),
        ("tone", &extensions.tone),
        ("music", &extensions.music),
        ("conference", &extensions.conference),
    ];
    for (kind, numbers) in kinds {
        for number in numbers {
            let fields = [("event", "extension".into()), ("number", number.as_str().into()), ("kind", kind.into())];
            out.event(&format!("call {number}  {kind}"), &fields);
        }
    }
    ready(kept, out);
}

fn ready(kept: &Kept, out: &mut Out) {
    let (state, socket) = (kept.state.display().to_string(), kept.socket.display().to_string());
    let fields = [("event", "ready".into()), ("state", state.as_str().into()), ("socket", socket.as_str().into())];
    out.event(&format!("ready; state in {state}"), &fields);
}
