//! TLS: what 10,000 connections take that stand and say nothing, beside Kamailio's `tls` with the same certificate; and how a call and those who ask fare
//! while a client makes new ones (ECDSA P-256, no resumption) as fast as it can. Ours is the shipped `offhook serve`.
//!
//! What the machine itself makes late is in the null figures: the same call through the same server, while the same client makes its connections to a
//! process beside it, on the same core, that does nothing but shake hands.

mod client;
mod null;
mod reference;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use self::reference::Heard;
use crate::figure::{Bound, Check, Figure, Peer, Report, Row, number};
use crate::server::{Server, data, load, offhook, settings, this_program, with_folder};

pub(crate) use client::{hold, make};
pub(crate) use null::accept;

const PORT: u16 = 15_800;
const TLS: u16 = 15_806;
const NULL: u16 = 15_808;
const HELD: u32 = 10_000;
const RUNS: usize = 2;
/// How often, in the control, a server stands still each second, and how long.
const STILL: (u32, Duration) = (3, Duration::from_millis(400));
/// Seconds of new connections.
const NEW: &str = "8";
/// What is not kept of a call's packets, out of a hundred, and how long an answer may take, in milliseconds.
const LATE: f64 = 1.0;
const ANSWER: f64 = 200.0;

pub(crate) fn run() -> Result<Report, String> {
    with_folder("tls", measured_in)
}

fn measured_in(place: &Path) -> Result<Report, String> {
    let text = |name: &str| place.join(name).to_string_lossy().into_owned();
    let (config, state, key, certificate) =
        (text("offhook.toml"), text("state"), text("key.pem"), text("certificate.pem"));
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench -addext subjectAltName=IP:127.0.0.1";
    let made: Vec<&str> =
        ["openssl"].into_iter().chain(words.split(' ')).chain(["-keyout", &key, "-out", &certificate]).collect();
    load(&made)?;
    let more = format!(
        "[limits]\nconnections = 10000\nconnections_per_address = 1000\n[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n"
    );
    let listen = format!("listen = [\"udp:127.0.0.1:{PORT}\"]");
    let both = format!("listen = [\"udp:127.0.0.1:{PORT}\", \"tls:127.0.0.1:{TLS}\"]");
    fs::write(&config, settings(PORT, &state, 2, &more).replace(&listen, &both))
        .map_err(|error| format!("{config}: {error}"))?;
    let ours = offhook()?;
    let ours: &[&str] = &[&ours, "serve", "--config", &config, "--state", &state];
    let (folder, pid, rules) = (text(""), text("kamailio.pid"), data("kamailio-tls.cfg"));
    let (port, tls) = (format!("SIPPORT={PORT}"), format!("TLSPORT={TLS}"));
    let (shown, signs) = (format!("CERTIFICATE=\"{certificate}\""), format!("KEY=\"{key}\""));
    let kamailio: &[&str] = &[
        "kamailio", "-f", &rules, "-x", "fm", "-X", "fm", "-DD", "-E", "-m", "1024", "-M", "16", "-Y", &folder, "-P",
        &pid, "-A", &port, "-A", &tls, "-A", &shown, "-A", &signs,
    ];
    let mut held = [const { Vec::new() }; 2];
    let mut kept = Ok(());
    for _ in 0..RUNS {
        for (server, figures) in [ours, kamailio].into_iter().zip(&mut held) {
            let (octets, alive) = a_connection(server).map_err(|why| format!("{}: {why}", server.join(" ")))?;
            figures.push(octets);
            kept = kept.and(alive);
        }
    }
    let fared = while_new_ones_come(ours, TLS)?;
    let (at, here) = (format!("127.0.0.1:{NULL}"), this_program()?);
    let null = Server::start(&[&here, "null-tls", &at, &certificate, &key], NULL)?;
    let alone = while_new_ones_come(ours, NULL)?;
    let ended = is_noticed(&at);
    drop(null);
    let still = while_it_stands_still(ours)?;
    let [ours, peer] = held.map(Figure);
    let row = |unit, ours, null, bound| Row {
        load: "new connections, as fast as a client makes them".into(),
        unit,
        ours: Figure(vec![ours]),
        peer: None,
        null: Some(Figure(vec![null])),
        bound,
    };
    let rows = vec![
        Row {
            load: format!("{HELD} connections that say nothing"),
            unit: "octets of memory a connection",
            ours,
            peer: Some(Peer { name: "Kamailio tls", figure: peer, expected: None }),
            null: None,
            bound: Bound::OfPeer(1.0),
        },
        row("connections a second", fared.rate, alone.rate, Bound::None),
        row(
            "packets of a call, of 100, off their time by more than 5 ms",
            fared.heard.off,
            alone.heard.off,
            Bound::Units(LATE),
        ),
        row("ms until the slowest answer by UDP", fared.heard.slowest, alone.heard.slowest, Bound::Units(ANSWER)),
    ];
    let notes = vec![
        format!(
            "{} packets and {} answers were judged while {} connections were made.",
            fared.heard.packets, fared.heard.answers, fared.made
        ),
        "null: the call goes through ours, and the connections to another process on the same core, which does nothing but shake hands".to_owned(),
        format!(
            "the control, a server that stands still for {} ms of each second: {} of 100 packets off their time, {} ms until the slowest answer",
            STILL.1.as_millis(),
            number(still.off),
            number(still.slowest)
        ),
    ];
    let answered =
        if fared.heard.unanswered == 0 { Ok(()) } else { Err(format!("{} were not", fared.heard.unanswered)) };
    let noticed = if still.off > LATE && still.slowest > ANSWER { Ok(()) } else { Err("it was not".to_owned()) };
    let checks = vec![
        Check::of("all connections stood at the end, and a ping on them was answered", kept),
        Check::of("all who asked meanwhile were answered", answered),
        Check::of("that a server stands still is noticed by both", noticed),
        Check::of("that a server ends connections is noticed", ended),
    ];
    Ok(Report { name: "tls", rows, notes, checks })
}

/// This program as a client in a process of its own; ended when dropped.
struct Client(Child);

impl Client {
    fn start(words: &[&str]) -> Result<(Self, BufReader<std::process::ChildStdout>), String> {
        let mut command = Command::new(this_program()?);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", words.join(" ")))?;
        let output = child.stdout.take().ok_or("no output")?;
        Ok((Self(child), BufReader::new(output)))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn line(from: &mut impl BufRead) -> Result<String, String> {
    let mut line = String::new();
    from.read_line(&mut line).map_err(|error| error.to_string())?;
    Ok(line.trim().to_owned())
}

/// Octets that a server takes for each of so many connections; and whether all of them still stand.
fn a_connection(server: &[&str]) -> Result<(f64, Result<(), String>), String> {
    let server = Server::start(server, PORT)?;
    let before = server.resident()?;
    let address = format!("127.0.0.1:{TLS}");
    let (mut client, mut said) = Client::start(&["tls-hold", &address, &HELD.to_string()])?;
    match line(&mut said)?.as_str() {
        "held" => {}
        other => return Err(format!("the client says {other:?}")),
    }
    let after = server.resident()?;
    // It looks at each once more.
    drop(client.0.stdin.take());
    let stand = match line(&mut said)?.as_str() {
        "all stand" => Ok(()),
        other => Err(other.to_owned()),
    };
    Ok(((after - before) / f64::from(HELD), stand))
}

/// Whether the client that holds connections sees that none of those to a server that ends each of them stands.
fn is_noticed(address: &str) -> Result<(), String> {
    let (_client, mut said) = Client::start(&["tls-hold", address, "10"])?;
    match line(&mut said)?.as_str() {
        "held" => Err("the client holds connections that have ended".into()),
        _ => Ok(()),
    }
}

/// What became of a call and of those who asked, while so many connections were made.
struct Fared {
    made: f64,
    rate: f64,
    heard: Heard,
}

/// A call through a server while a client makes connections to a port, of the same server or another.
fn while_new_ones_come(server: &[&str], port: u16) -> Result<Fared, String> {
    let _server = Server::start(server, PORT)?;
    let mut call = reference::Call::begin(PORT)?;
    call.calm()?;
    let (_client, mut said) = Client::start(&["tls-new", &format!("127.0.0.1:{port}"), NEW])?;
    if line(&mut said)? != "begins" {
        return Err("the client does not begin".into());
    }
    let ended = std::thread::spawn(move || line(&mut said));
    let heard = call.until(&ended)?;
    let told = ended.join().map_err(|_| "the client's reader ended")??;
    let (made, seconds) = told.split_once(' ').ok_or_else(|| format!("the client says {told:?}"))?;
    let number = |text: &str| text.parse::<f64>().map_err(|error| format!("{text}: {error}"));
    let (made, seconds) = (number(made)?, number(seconds)?);
    Ok(Fared { made, rate: made / seconds, heard })
}

/// The control: nobody connects, and the server stands still now and then.
fn while_it_stands_still(server: &[&str]) -> Result<Heard, String> {
    let server = Server::start(server, PORT)?;
    let mut call = reference::Call::begin(PORT)?;
    call.calm()?;
    let pid = server.pid();
    let ended = std::thread::spawn(move || -> Result<(), nix::Error> {
        for _ in 0..STILL.0 {
            kill(pid, Signal::SIGSTOP)?;
            std::thread::sleep(STILL.1);
            kill(pid, Signal::SIGCONT)?;
            std::thread::sleep(Duration::from_secs(1).saturating_sub(STILL.1));
        }
        Ok(())
    });
    let heard = call.until(&ended)?;
    ended.join().map_err(|_| "the one who stops it ended")?.map_err(|error| error.to_string())?;
    Ok(heard)
}
