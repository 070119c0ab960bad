//! Relayed G.711: 200 calls, 20,000 packets a second. Ours is the shipped `offhook serve` with 400 registered telephones that call each other,
//! the peer rtpengine in user space, and a relay that does nothing stands beside both.

pub(crate) mod calls;
pub(crate) mod null;
mod rtpengine;
mod streams;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::figure::{Bound, Check, Figure, Peer, Report, Row};
use crate::server::{Server, offhook, settings, status, this_program, with_folder};
use calls::Pbx;
use streams::{Outcome, Streams};

const CALLS: usize = 200;
const RUNS: usize = 3;
/// Packets of each stream before anything is counted, and those that count: 1 s and 10 s.
const BEFORE: u32 = 50;
const COUNTED: u32 = 500;
/// What rtpengine is known to take for a packet of 150 calls, in us.
const EXPECTED: f64 = 12.0;
const BOUND: f64 = 0.7;
const PORT: u16 = 15_800;
/// The first media port of the relay that does nothing.
const NULL_PORTS: u16 = 21_000;

/// Measures all three in turn, three times.
pub(crate) fn run() -> Result<Report, String> {
    with_folder("relay", measured_in)
}

fn measured_in(place: &Path) -> Result<Report, String> {
    let mut costs = [const { Vec::new() }; 3];
    let mut losses = [const { Vec::new() }; 3];
    let mut outcomes = Vec::new();
    let mut right = Ok(());
    for _ in 0..RUNS {
        let (ours, also) = through_offhook(place)?;
        right = right.and(also);
        let theirs = rtpengine::measured(place)?;
        let null = through_nothing()?;
        for (n, measured) in [ours, theirs, null].into_iter().enumerate() {
            costs[n].push(measured.us);
            losses[n].push(measured.outcome.lost as f64);
            outcomes.push((n, measured.outcome));
        }
    }
    let name = "rtpengine in user space";
    let [ours, peer, null] = costs.map(Figure);
    let [ours_lost, peer_lost, null_lost] = losses.map(Figure);
    let sent = 2 * CALLS as u64 * u64::from(COUNTED);
    let rows = vec![
        Row {
            load: format!("{CALLS} calls, {} packets a second", 2 * CALLS * 50),
            unit: "us CPU a relayed packet",
            ours,
            peer: Some(Peer { name, figure: peer, expected: Some(EXPECTED) }),
            null: Some(null),
            bound: Bound::OfPeer(BOUND),
        },
        Row {
            load: format!("{sent} packets, by sequence and content"),
            unit: "packets lost",
            ours: ours_lost,
            peer: Some(Peer { name, figure: peer_lost, expected: None }),
            null: Some(null_lost),
            bound: Bound::Units(0.0),
        },
    ];
    let spoiled: u64 = outcomes.iter().filter(|(n, _)| *n == 0).map(|(_, one)| one.wrong + one.twice).sum();
    let clean = if spoiled == 0 { Ok(()) } else { Err(format!("{spoiled} with wrong content or twice")) };
    let checks = vec![
        Check::of("every packet came once, to the right telephone, as it was sent", clean),
        Check::of(
            "after it: a call between two of the telephones is heard both ways, all calls have ended, the counters say so",
            right,
        ),
    ];
    Ok(Report { name: "relay", rows, notes: Vec::new(), checks })
}

/// What a relay cost, and what became of the packets.
struct Measured {
    us: f64,
    outcome: Outcome,
}

/// Sends through a relay whose ports are known: CPU microseconds a packet.
fn measured(server: &Server, streams: &mut Streams) -> Result<Measured, String> {
    streams.run(0..BEFORE)?;
    let before = server.cpu_us()?;
    let outcome = streams.run(BEFORE..BEFORE + COUNTED)?;
    Ok(Measured { us: (server.cpu_us()? - before) / outcome.sent as f64, outcome })
}

/// Ours; then, in the same process, what it still has to do right.
fn through_offhook(place: &Path) -> Result<(Measured, Result<(), String>), String> {
    let (config, state) = (place.join("offhook.toml"), place.join("state"));
    // A state of its own for each run: bindings of the last one would name telephones that are gone.
    let _ = fs::remove_dir_all(&state);
    let (config, state) = (config.to_string_lossy().into_owned(), state.to_string_lossy().into_owned());
    fs::write(&config, settings(PORT, &state, 2 * CALLS, "")).map_err(|error| format!("{config}: {error}"))?;
    let server = Server::start(&[&offhook()?, "serve", "--config", &config, "--state", &state], PORT)?;
    let mut streams = Streams::open(2 * CALLS)?;
    let mut pbx = Pbx::new(PORT, &streams.ports()?)?;
    (0..2 * CALLS).try_for_each(|user| pbx.register(user))?;
    for call in 0..CALLS {
        let targets = pbx.call(2 * call, 2 * call + 1)?;
        streams.aim(2 * call, targets);
    }
    let figure = measured(&server, &mut streams)?;
    pbx.hang_up_all()?;
    Ok((figure, still_right(&mut pbx, &state)))
}

/// A normal call through the process that was measured, and what its counters say.
fn still_right(pbx: &mut Pbx, state: &str) -> Result<(), String> {
    let mut streams = Streams::open(2)?;
    pbx.use_ports(&streams.ports()?);
    let targets = pbx.call(0, 1)?;
    streams.aim(0, targets);
    streams.run(0..25)?;
    let heard = streams.run(25..75)?;
    if (heard.lost, heard.wrong, heard.twice) != (0, 0, 0) {
        return Err(format!("{heard:?} in a call alone"));
    }
    pbx.hang_up_all()?;
    let json = status(state)?;
    let number = |name: &str| json[name].as_u64().unwrap_or_default();
    let (calls, live) = (number("calls_total"), json["calls"].as_array().map_or(usize::MAX, Vec::len));
    match (calls, live, number("registrations")) {
        (201, 0, 400) => Ok(()),
        found => Err(format!("calls, calls now, registrations: {found:?}, expected (201, 0, 400)")),
    }
}

fn through_nothing() -> Result<Measured, String> {
    let (base, count) = (NULL_PORTS.to_string(), (2 * CALLS).to_string());
    let last = NULL_PORTS + u16::try_from(2 * CALLS - 1).unwrap_or_default();
    let server = Server::start(&[&this_program()?, "null-relay", &base, &count], last)?;
    let mut streams = Streams::open(2 * CALLS)?;
    for call in 0..CALLS {
        let at =
            |phone: usize| SocketAddr::from(([127, 0, 0, 1], NULL_PORTS + u16::try_from(phone).unwrap_or_default()));
        streams.aim(2 * call, [at(2 * call), at(2 * call + 1)]);
    }
    measured(&server, &mut streams)
}
