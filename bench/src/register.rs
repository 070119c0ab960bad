//! A registration with digest: REGISTER, 401, REGISTER, 200; and a hundred thousand bindings. Ours is the shipped `offhook serve`, whose bindings are
//! written to its journal before the 200; the peer is Kamailio with bindings in memory, run with its fast allocator (Debian's default one debugs).

pub(crate) mod scenario;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::figure::{Bound, Check, Figure, Peer, Report, Row};
use crate::host::Host;
use crate::server::{Server, data, load, offhook, settings, this_program, with_folder};

pub(crate) const PORT: u16 = 15_780;
const RUNS: usize = 3;
const USERS: u32 = 1_000;
/// Bindings whose memory is measured, the first [`USERS`] of them before anything is counted.
const BINDINGS: u32 = 100_000;
/// Registrations a second while memory is measured, 50 s long. Each leaves two transactions for 32 s: 128,000 of the 200,000 that a loop keeps.
const PACE: u32 = 2_000;
/// How long ended transactions are waited for: timer J of RFC 3261 section 17.2.2, 32 s, and a little more.
const TIMER_J: Duration = Duration::from_secs(34);
/// Octets a binding: ours at most, and what Kamailio is known to take.
const OCTETS: f64 = 600.0;
const KAMAILIO_OCTETS: f64 = 950.0;

/// SIPp's digest and Kamailio's are MD5; SIPp answers no challenge that offers SHA-256 first.
pub(crate) const MD5: &str = "digest = [\"md5\"]\n";

pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) registrations: u32,
    pub(crate) arguments: &'static [&'static str],
    /// What Kamailio is known to take, where that is known.
    pub(crate) expected: Option<f64>,
}

const CLOSED: &[&str] = &["-r", "20000", "-l", "32"];
const LOADS: [Load; 2] = [
    Load { name: "closed loop, 32 at a time", registrations: 20_000, arguments: CLOSED, expected: Some(33.0) },
    Load {
        name: "1,000 registrations a second",
        registrations: 10_000,
        arguments: &["-r", "1000"],
        expected: Some(67.0),
    },
];

/// Measures all three in turn, three times, under both loads, and then the memory of bindings.
pub(crate) fn run() -> Result<Report, String> {
    with_folder("register", measured_in)
}

/// What the servers are started with, in a folder of theirs.
struct Setting {
    /// SIPp's users.
    users: String,
    state: String,
    ours: Vec<String>,
    kamailio: Vec<String>,
    null: Vec<String>,
}

impl Setting {
    /// With so many users.
    fn new(place: &Path, count: u32) -> Result<Self, String> {
        let place = place.join(format!("of-{count}"));
        let failed = |error: std::io::Error| format!("{}: {error}", place.display());
        fs::create_dir_all(&place).map_err(failed)?;
        let text = |name: &str| place.join(name).to_string_lossy().into_owned();
        let (users, config, state) = (text("users.csv"), text("offhook.toml"), text("state"));
        fs::write(&users, credentials(0..USERS.min(count))).map_err(failed)?;
        fs::write(text("rest.csv"), credentials(USERS.min(count)..count)).map_err(failed)?;
        fs::write(&config, settings(PORT, &state, count as usize, MD5)).map_err(failed)?;
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let port = format!("SIPPORT={PORT}");
        Ok(Self {
            ours: owned(&[&offhook()?, "serve", "--config", &config, "--state", &state]),
            kamailio: owned(&[
                "kamailio",
                "-f",
                &data("kamailio.cfg"),
                "-DD",
                "-E",
                "-m",
                "512",
                "-M",
                "16",
                "-Y",
                &text(""),
                "-P",
                &text("kamailio.pid"),
                "-x",
                "fm",
                "-X",
                "fm",
                "-A",
                &port,
            ]),
            null: owned(&[&this_program()?, "null-registrar", &format!("127.0.0.1:{PORT}")]),
            users,
            state,
        })
    }
}

fn started(command: &[String]) -> Result<Server, String> {
    Server::start(&command.iter().map(String::as_str).collect::<Vec<_>>(), PORT)
}

fn measured_in(place: &Path) -> Result<Report, String> {
    let setting = Setting::new(place, USERS)?;
    let (mut rows, mut checks, mut host) = (Vec::new(), Vec::new(), Host::default());
    for Load { name, registrations, arguments, expected } in LOADS {
        let mut figures = [const { Vec::new() }; 3];
        let mut right = Ok(());
        for _ in 0..RUNS {
            let servers = [&setting.ours, &setting.kamailio, &setting.null];
            for (which, (server, figures)) in servers.into_iter().zip(&mut figures).enumerate() {
                let (us, registered) = host.undisturbed(|| {
                    let running = started(server)?;
                    let us = a_registration(&running, &setting.users, registrations, arguments);
                    let us = us.map_err(|why| format!("{}: {why}", server.join(" ")))?;
                    let is_ours = which == 0;
                    Ok((us, if is_ours { scenario::registered(PORT, &setting.state, USERS) } else { Ok(()) }))
                })?;
                figures.push(us);
                right = right.and(registered);
            }
        }
        let [ours, peer, null] = figures.map(Figure);
        checks.push(Check::of(
            format!("after {name}: the bindings are there, a wrong password is refused, a binding is taken back"),
            right,
        ));
        rows.push(Row {
            load: name.into(),
            unit: "us CPU a registration",
            ours,
            peer: Some(Peer { name: "Kamailio, bindings in memory", figure: peer, expected }),
            null: Some(null),
            bound: Bound::OfPeer(0.8),
        });
    }
    let setting = Setting::new(place, BINDINGS)?;
    let words: Vec<&str> = setting.ours.iter().map(String::as_str).collect();
    let restored = |count| (0..RUNS).map(|_| crate::registrar::restored(&words, count)).collect::<Result<Vec<_>, _>>();
    let with_none = restored(0)?;
    let running = started(&setting.ours)?;
    let ours = a_binding(&running, &setting.users, BINDINGS - USERS, &["-r", &PACE.to_string()], TIMER_J)?;
    checks.push(Check::of(
        format!("with {BINDINGS} bindings: all are there, a wrong password is refused, a binding is taken back"),
        scenario::registered(PORT, &setting.state, BINDINGS),
    ));
    drop(running);
    let again = restored(BINDINGS)?;
    // It keeps nothing of a request: there is nothing to wait for.
    let peer = a_binding(&started(&setting.kamailio)?, &setting.users, USERS, CLOSED, Duration::ZERO)?;
    rows.push(Row {
        load: format!("{BINDINGS} bindings"),
        unit: "octets of resident memory a binding",
        ours: Figure(vec![ours]),
        peer: Some(Peer {
            name: "Kamailio, bindings in memory",
            figure: Figure(vec![peer]),
            expected: Some(KAMAILIO_OCTETS),
        }),
        null: None,
        bound: Bound::Units(OCTETS),
    });
    rows.push(Row {
        load: format!("a start with {BINDINGS} users and their bindings in the journal; null: with the users alone"),
        unit: "ms until all are there",
        ours: Figure(again),
        peer: None,
        null: Some(Figure(with_none)),
        bound: Bound::Units(1_000.0),
    });
    Ok(Report { name: "register", rows, notes: vec![host.note()], checks })
}

/// CPU microseconds a registration, after a warm-up that does not count.
pub(crate) fn a_registration(running: &Server, users: &str, count: u32, arguments: &[&str]) -> Result<f64, String> {
    sipp(users, USERS, arguments)?;
    let before = running.cpu_us()?;
    sipp(users, count, arguments)?;
    Ok((running.cpu_us()? - before) / f64::from(count))
}

/// Octets a binding, the first [`USERS`] aside, which register `before` times under the load of the others: the tables of a server that keeps
/// transactions have grown by then to what that load needs. Both readings are taken after `settled`, when no transaction of either load is left.
fn a_binding(running: &Server, users: &str, before: u32, load: &[&str], settled: Duration) -> Result<f64, String> {
    sipp(users, before, load)?;
    std::thread::sleep(settled);
    let resident = running.resident()?;
    let rest = users.replace("users.csv", "rest.csv");
    sipp(&rest, BINDINGS - USERS, load)?;
    std::thread::sleep(settled);
    Ok((running.resident()? - resident) / f64::from(BINDINGS - USERS))
}

fn sipp(users: &str, count: u32, arguments: &[&str]) -> Result<String, String> {
    let (count, scenario, address) = (count.to_string(), data("register.xml"), format!("127.0.0.1:{PORT}"));
    let fixed = ["sipp", "-sf", &scenario, "-inf", users, &address, "-i", "127.0.0.1", "-p", "15790", "-m", &count];
    let big = ["-buff_size", "4000000", "-max_recv_loops", "1000", "-nostdin", "-timeout", "120s"];
    load(&[&fixed[..], arguments, &big].concat())
}

/// SIPp's users in order: name and the words for its digest.
pub(crate) fn credentials(users: std::ops::Range<u32>) -> String {
    let mut text = String::from("SEQUENTIAL\n");
    for user in users {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "u{user};[authentication username=u{user} password=secret-u{user}]");
    }
    text
}
