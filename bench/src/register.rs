//! A registration with digest: REGISTER, 401, REGISTER, 200. Ours is the shipped `offhook serve`, whose bindings are on disk before the 200;
//! the peer is Kamailio with bindings in memory, run with its fast allocator (Debian's default one debugs).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::figure::{Bound, Figure, Report, Row};
use crate::server::{Server, load, offhook};

const PORT: u16 = 15_780;
const RUNS: usize = 3;
const USERS: u32 = 1_000;

struct Load {
    name: &'static str,
    registrations: u32,
    arguments: &'static [&'static str],
}

const LOADS: [Load; 2] = [
    Load { name: "closed loop, 32 at a time", registrations: 20_000, arguments: &["-r", "20000", "-l", "32"] },
    Load { name: "1,000 registrations a second", registrations: 10_000, arguments: &["-r", "1000"] },
];

/// Measures all three in turn, three times, under both loads.
pub(crate) fn run() -> Result<Report, String> {
    let place = std::env::temp_dir().join(format!("offhook-bench-{}", std::process::id()));
    let outcome = measured_in(&place);
    let _ = fs::remove_dir_all(&place);
    outcome
}

fn measured_in(place: &Path) -> Result<Report, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    fs::create_dir_all(place).map_err(failed)?;
    let (users, config) = (place.join("users.csv"), place.join("offhook.toml"));
    fs::write(&users, credentials()).map_err(failed)?;
    fs::write(&config, settings(&place.join("state"))).map_err(failed)?;
    let ours = offhook()?;
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let [here, config, users, run] =
        [here, config, users, place.to_owned()].map(|path| path.to_string_lossy().into_owned());
    let pid = format!("{run}/kamailio.pid");
    let define = format!("SIPPORT={PORT}");
    let routing = data("kamailio.cfg");
    let address = format!("127.0.0.1:{PORT}");
    let kamailio: Vec<&str> = [
        "kamailio", "-f", &routing, "-DD", "-E", "-m", "256", "-M", "16", "-Y", &run, "-P", &pid, "-x", "fm", "-X",
        "fm", "-A", &define,
    ]
    .to_vec();
    let servers: [&[&str]; 3] =
        [&[&ours, "serve", "--config", &config], &kamailio, &[&here, "null-registrar", &address]];
    let mut rows = Vec::new();
    for Load { name, registrations, arguments } in LOADS {
        let mut figures = [const { Vec::new() }; 3];
        for _ in 0..RUNS {
            for (server, figures) in servers.iter().zip(&mut figures) {
                figures.push(a_registration(server, &address, &users, registrations, arguments)?);
            }
        }
        let [ours, peer, null] = figures.map(Figure);
        rows.push(Row {
            load: name.into(),
            unit: "us CPU a registration",
            ours,
            peer: Some(("Kamailio, bindings in memory", peer)),
            null: Some(null),
            bound: Bound::OfPeer(0.8),
        });
    }
    Ok(Report { name: "register", rows })
}

/// CPU microseconds a registration, after a warm-up that does not count.
fn a_registration(server: &[&str], address: &str, users: &str, count: u32, arguments: &[&str]) -> Result<f64, String> {
    let running = Server::start(server, PORT)?;
    let scenario = data("register.xml");
    let sipp = |count: u32| {
        let count = count.to_string();
        let fixed = ["sipp", "-sf", &scenario, "-inf", users, address, "-i", "127.0.0.1", "-p", "15790", "-m", &count];
        let big = ["-buff_size", "4000000", "-max_recv_loops", "1000", "-nostdin", "-timeout", "120s"];
        load(&[&fixed[..], arguments, &big].concat())
    };
    sipp(USERS)?;
    let before = running.cpu_us()?;
    sipp(count)?;
    Ok((running.cpu_us()? - before) / f64::from(count))
}

/// A file of this package.
fn data(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name).to_string_lossy().into_owned()
}

/// SIPp's users in order: name and the words for its digest.
fn credentials() -> String {
    let mut text = String::from("SEQUENTIAL\n");
    for user in 0..USERS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "u{user};[authentication username=u{user} password=secret-u{user}]");
    }
    text
}

fn settings(state: &Path) -> String {
    let mut text = format!("listen = [\"udp:127.0.0.1:{PORT}\"]\nstate = \"{}\"\n", state.display());
    for user in 0..USERS {
        let _ = write!(text, "[users.u{user}]\npassword = \"secret-u{user}\"\n");
    }
    text
}
