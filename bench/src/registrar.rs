//! A registration with digest whose credentials and bindings are in SQLite. Ours is the shipped `offhook serve`, which has the users in memory as well and
//! writes bindings within a second; the peer is Kamailio with `auth_db` and `usrloc`, which asks for credentials each time and writes bindings within
//! a second too, run with its fast allocator, each of its tables in a file of its own. And how long a hundred thousand bindings take to be
//! there again.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::figure::{Bound, Check, Figure, Peer, Report, Row};
use crate::host::Host;
use crate::register::{Load, MD5, PORT, a_registration, credentials, scenario};
use crate::server::{Server, data, offhook, settings, this_program, with_folder};

const RUNS: usize = 3;
const USERS: u32 = 1_000;
const BINDINGS: u32 = 100_000;
/// Where Debian has the tables of Kamailio.
const TABLES: &str = "/usr/share/kamailio/db_sqlite";
/// How long a start may take at most.
const PATIENCE: Duration = Duration::from_secs(30);

const LOADS: [Load; 2] = [
    Load {
        name: "closed loop, 32 at a time, all in SQLite",
        registrations: 20_000,
        arguments: &["-r", "20000", "-l", "32"],
        expected: None,
    },
    Load {
        name: "1,000 registrations a second, all in SQLite",
        registrations: 10_000,
        arguments: &["-r", "1000"],
        expected: Some(135.0),
    },
];

/// Measures all three in turn, three times, under both loads, and then how long bindings take to be restored.
pub(crate) fn run() -> Result<Report, String> {
    with_folder("registrar", measured_in)
}

fn measured_in(place: &Path) -> Result<Report, String> {
    let text = |name: &str| place.join(name).to_string_lossy().into_owned();
    let (users, config, state) = (text("users.csv"), text("offhook.toml"), text("state"));
    write(&users, &credentials(0..USERS))?;
    let (ours_users, ours_bindings) = (text("users.sqlite"), text("bindings.sqlite"));
    let sqlite = format!("[sqlite]\nusers = \"{ours_users}\"\nbindings = \"{ours_bindings}\"\n");
    write(&config, &settings(PORT, &state, 0, &format!("{MD5}{sqlite}")))?;
    let (peer_users, peer_bindings) = (text("subscriber.sqlite"), text("location.sqlite"));
    made(&peer_users, &["standard", "auth_db"])?;
    made(&peer_bindings, &["standard", "usrloc"])?;
    let numbers =
        |count: u32| format!("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})");
    let n = numbers(USERS);
    sql(
        &peer_users,
        &format!(
            "{n} INSERT INTO subscriber (username, domain, password) SELECT 'u'||i, 'bench.invalid', 'secret-u'||i FROM n;"
        ),
    )?;
    let users_table = "CREATE TABLE users (name TEXT NOT NULL PRIMARY KEY, password TEXT, ha1 TEXT, display TEXT, numbers TEXT, \
                       max_contacts INTEGER) WITHOUT ROWID;";
    sql(
        &ours_users,
        &format!("{users_table} {n} INSERT INTO users (name, password) SELECT 'u'||i, 'secret-u'||i FROM n;"),
    )?;
    let (ours, here) = (offhook()?, this_program()?);
    let ours = [&ours, "serve", "--config", &config, "--state", &state];
    let (port, of_users, of_bindings) = (
        format!("SIPPORT={PORT}"),
        format!("USERS=\"sqlite://{peer_users}\""),
        format!("BINDINGS=\"sqlite://{peer_bindings}\""),
    );
    let (folder, pid, rules) = (text(""), text("kamailio.pid"), data("kamailio-sqlite.cfg"));
    let values = ["-A", &port, "-A", &of_users, "-A", &of_bindings];
    let sizes = ["-DD", "-E", "-m", "512", "-M", "16", "-x", "fm", "-X", "fm", "-Y", &folder, "-P", &pid];
    let kamailio = [&["kamailio", "-f", &rules][..], &sizes, &values].concat();
    let address = format!("127.0.0.1:{PORT}");
    let null: &[&str] = &[&here, "null-registrar", &address];
    let (mut rows, mut checks, mut host) = (Vec::new(), Vec::new(), Host::default());
    for Load { name, registrations, arguments, expected } in LOADS {
        let mut figures = [const { Vec::new() }; 3];
        let mut right = Ok(());
        for _ in 0..RUNS {
            for (which, (server, figures)) in [&ours[..], &kamailio, null].into_iter().zip(&mut figures).enumerate() {
                let (us, registered) = host.undisturbed(|| {
                    let running = Server::start(server, PORT)?;
                    let us = a_registration(&running, &users, registrations, arguments);
                    let us = us.map_err(|why| format!("{}: {why}", server.join(" ")))?;
                    if which > 0 {
                        return Ok((us, Ok(())));
                    }
                    let registered = scenario::registered(PORT, &state, USERS);
                    // Once it has ended all is written.
                    drop(running);
                    let found = sql(&ours_bindings, "SELECT count(*) FROM bindings;")?;
                    let all = found.trim() == USERS.to_string();
                    let written = all.then_some(()).ok_or(format!("{} rows of bindings", found.trim()));
                    Ok((us, registered.and(written)))
                })?;
                figures.push(us);
                right = right.and(registered);
            }
        }
        let [ours, peer, null] = figures.map(Figure);
        checks.push(Check::of(
            format!(
                "after {name}: all bindings are in the database, a wrong password is refused, a binding is taken back"
            ),
            right,
        ));
        rows.push(Row {
            load: name.into(),
            unit: "us CPU a registration",
            ours,
            peer: Some(Peer { name: "Kamailio, auth_db and usrloc in SQLite", figure: peer, expected }),
            null: Some(null),
            bound: Bound::OfPeer(0.5),
        });
    }
    let started = |count: u32| -> Result<Figure, String> {
        let n = numbers(count);
        let fill = match count {
            0 => String::new(),
            _ => format!(
                "{n}, uris(i, uri) AS (SELECT i, 'sip:u'||i||'@192.0.2.'||(i % 250)||':5060;transport=udp' FROM n) \
                 INSERT INTO bindings (aor, binding, contact, expires, cseq, q, params, call_id, path, agent) \
                 SELECT 'sip:u'||i||'@pbx.invalid', uri, uri, strftime('%s', 'now') + 3600, 1, 1000, '', i||'-4711@192.0.2.7', '', \
                 'Phone/1.0 of '||i FROM uris;"
            ),
        };
        sql(&ours_bindings, &format!("DELETE FROM bindings; {fill}"))?;
        (0..RUNS).map(|_| restored(&ours, count)).collect::<Result<Vec<_>, _>>().map(Figure)
    };
    rows.push(Row {
        load: format!("a start with {BINDINGS} bindings in SQLite; null: with none"),
        unit: "ms until all are there",
        null: Some(started(0)?),
        ours: started(BINDINGS)?,
        peer: None,
        bound: Bound::Units(1_000.0),
    });
    Ok(Report { name: "registrar", rows, notes: vec![host.note()], checks })
}

/// Milliseconds from a start until `/metrics` counts so many bindings (a small page, whatever the number of users).
pub(crate) fn restored(command: &[&str], count: u32) -> Result<f64, String> {
    let http = format!("127.0.0.1:{}", PORT + 1);
    let begun = Instant::now();
    let _running = Server::start(&[command, &["--http", &http]].concat(), PORT)?;
    let wanted = format!("\noffhook_registrations_active {count}\n");
    loop {
        let page = metrics(&http).unwrap_or_default();
        if page.contains(&wanted) {
            return Ok(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("not {count} bindings {PATIENCE:?} after a start; it says:\n{page}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn metrics(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

fn write(path: &str, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{path}: {error}"))
}

/// A database of Kamailio's with these of its tables.
fn made(file: &str, tables: &[&str]) -> Result<(), String> {
    for table in tables {
        let path = format!("{TABLES}/{table}-create.sql");
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{path}: {error}; `cargo xtask peers install` brings it"))?;
        sql(file, &text)?;
    }
    Ok(())
}

/// Has SQLite's own program carry statements out; what it prints.
fn sql(file: &str, statements: &str) -> Result<String, String> {
    let mut command = Command::new("sqlite3");
    command.args(["-bail", file]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("sqlite3: {error}"))?;
    let mut stdin = child.stdin.take().ok_or("no way in")?;
    stdin.write_all(statements.as_bytes()).map_err(|error| error.to_string())?;
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("sqlite3 {file}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
