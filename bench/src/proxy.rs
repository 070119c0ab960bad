//! A call through a proxy that stays in its way: INVITE, 100, 180, 200, ACK, BYE, 200, between two of SIPp, stateful, over UDP. Ours is the shipped
//! `offhook serve --role proxy`, which looks the callee up among its bindings; the peer is Kamailio with `tm` and `rr`, to which the way is written down,
//! run with its fast allocator (Debian's default one debugs).

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::figure::{Bound, Check, Figure, Peer, Report, Row};
use crate::host::Host;
use crate::phone::{Device, Line};
use crate::server::{Server, data, load, offhook, settings, status, this_program, with_folder};

const PORT: u16 = 15_800;
const CALLEE: u16 = 15_802;
const CALLER: u16 = 15_804;
const RUNS: usize = 3;
/// Calls before those that are counted.
const WARM: u32 = 1_000;
/// One call of so many may fail, as where SIPp loses one itself.
const FORGIVEN: u32 = 500;

struct Load {
    name: &'static str,
    calls: u32,
    arguments: &'static [&'static str],
    /// How much of what Kamailio takes it may be, and what Kamailio is known to take. Without them ours are measured alone, with one loop and with two.
    kamailio: Option<(f64, f64)>,
}

const LOADS: [Load; 3] = [
    Load {
        name: "closed loop, 32 calls at a time",
        calls: 20_000,
        arguments: &["-r", "20000", "-l", "32"],
        kamailio: Some((0.6, 132.0)),
    },
    Load { name: "200 calls a second", calls: 4_000, arguments: &["-r", "200"], kamailio: Some((0.7, 390.0)) },
    // What a second loop is for: one is busy, and both handle as many messages each time they wake as one alone.
    Load { name: "2,000 calls a second", calls: 20_000, arguments: &["-r", "2000"], kamailio: None },
];

/// Measures all three in turn, three times, under both loads.
pub(crate) fn run() -> Result<Report, String> {
    with_folder("proxy", measured_in)
}

fn measured_in(place: &Path) -> Result<Report, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    let text = |name: &str| place.join(name).to_string_lossy().into_owned();
    let (config, state) = (text("offhook.toml"), text("state"));
    let two = text("two.toml");
    let more = "digest = [\"md5\"]\ndomains = [\"bench.invalid\"]\nproxy.authenticate = \"off\"\nregister.max_expires_secs = 7200\n";
    fs::write(&config, settings(PORT, &state, 1, more)).map_err(failed)?;
    fs::write(&two, settings(PORT, &state, 1, &format!("shards = 2\n{more}"))).map_err(failed)?;
    let (ours, here) = (offhook()?, this_program()?);
    let [ours, two, blank]: [&[&str]; 3] = [
        &[&ours, "serve", "--role", "proxy", "--config", &config, "--state", &state],
        &[&ours, "serve", "--role", "proxy", "--config", &two, "--state", &state],
        &[&ours, "serve", "--role", "stateless", "--config", &config, "--state", &state],
    ];
    let (port, target) = (format!("SIPPORT={PORT}"), format!("TARGET=\"sip:u0@127.0.0.1:{CALLEE}\""));
    let (folder, pid, rules) = (text(""), text("kamailio.pid"), data("kamailio-proxy.cfg"));
    let fast = ["-x", "fm", "-X", "fm", "-A", &port, "-A", &target];
    let sizes = ["-DD", "-E", "-m", "2048", "-M", "16", "-Y", &folder, "-P", &pid];
    let kamailio = [&["kamailio", "-f", &rules][..], &sizes, &fast].concat();
    let (address, callee) = (format!("127.0.0.1:{PORT}"), format!("127.0.0.1:{CALLEE}"));
    let null: &[&str] = &[&here, "null-proxy", &address, &callee];
    let (mut rows, mut checks, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    let mut host = Host::default();
    for Load { name, calls, arguments, kamailio: compared } in LOADS {
        let mut figures = [const { Vec::new() }; 5];
        let mut lost = [const { Vec::new() }; 5];
        let (mut right, mut crossed) = (Ok(()), Figure::default());
        for _ in 0..RUNS {
            for (which, server) in [ours, two, blank, &kamailio, null].into_iter().enumerate() {
                let (is_ours, is_for_comparison) = (which < 3, which == 2 || which == 3);
                if is_for_comparison && compared.is_none() {
                    continue;
                }
                let ((us, failed), handed_over, passes_on) = host.undisturbed(|| {
                    let running = Server::start(server, PORT)?;
                    let _callee = Callee::start()?;
                    if is_ours {
                        register()?;
                    }
                    let measured = a_call(&running, calls, arguments);
                    let measured = measured.map_err(|why| format!("{}: {why}", server.join(" ")))?;
                    let handed_over = if which == 1 { Some(handed_over(&state)?) } else { None };
                    Ok((measured, handed_over, if is_ours { passes_on(&state) } else { Ok(()) }))
                })?;
                crossed.0.extend(handed_over.map(|messages| messages / f64::from(calls + WARM)));
                if let (Some(figures), Some(lost)) = (figures.get_mut(which), lost.get_mut(which)) {
                    figures.push(us);
                    lost.push(f64::from(failed));
                }
                right = right.and(passes_on);
            }
        }
        let what = "a request to nobody is 404, one of no hops 483, one to others 403, and the binding stands";
        checks.push(Check::of(format!("after {name}: {what}"), right));
        let ([ours, two, blank, peer, null], [ours_lost, two_lost, blank_lost, peer_lost, null_lost]) =
            (figures.map(Figure), lost.map(Figure));
        notes
            .push(format!("{name}, two loops: {} messages of a call come to the other loop and cross", crossed.text()));
        rows.push(Row {
            load: format!("{name}, two loops; the peer is one loop"),
            unit: "us CPU a call",
            ours: two,
            peer: Some(Peer { name: "Offhook with one loop", figure: ours.clone(), expected: None }),
            null: Some(null.clone()),
            bound: Bound::OfPeer(1.15),
        });
        rows.push(failures(format!("{name}, two loops"), two_lost, None, None));
        let Some((bound, expected)) = compared else {
            rows.push(failures(name.into(), ours_lost, None, Some(null_lost)));
            continue;
        };
        rows.push(Row {
            load: format!("{name}, stateless; the peer keeps transactions"),
            unit: "us CPU a call",
            ours: blank,
            peer: Some(Peer { name: "Offhook with transactions", figure: ours.clone(), expected: None }),
            null: Some(null.clone()),
            bound: Bound::OfPeer(1.0),
        });
        rows.push(failures(format!("{name}, stateless"), blank_lost, None, None));
        let kamailio = |figure, expected| Some(Peer { name: "Kamailio tm, rr", figure, expected });
        rows.push(Row {
            load: name.into(),
            unit: "us CPU a call",
            ours,
            peer: kamailio(peer, Some(expected)),
            null: Some(null),
            bound: Bound::OfPeer(bound),
        });
        rows.push(failures(name.into(), ours_lost, kamailio(peer_lost, None), Some(null_lost)));
    }
    notes.push(host.note());
    Ok(Report { name: "proxy", rows, notes, checks })
}

fn failures(load: String, ours: Figure, peer: Option<Peer>, null: Option<Figure>) -> Row {
    Row { load, unit: "calls of each run that failed", ours, peer, null, bound: Bound::Units(0.0) }
}

/// SIPp that answers calls, on the core of the load.
struct Callee(Child);

impl Callee {
    fn start() -> Result<Self, String> {
        let (scenario, port) = (data("proxied_callee.xml"), CALLEE.to_string());
        let mut command = Command::new("sipp");
        command.args(["-sf", &scenario, "-i", "127.0.0.1", "-p", &port]);
        command.args(["-buff_size", "4000000", "-max_recv_loops", "1000", "-nostdin", "127.0.0.1"]);
        command.current_dir(std::env::temp_dir()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("sipp: {error}"))?;
        crate::server::await_port(CALLEE)?;
        Ok(Self(child))
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The callee's binding.
fn register() -> Result<(), String> {
    let line = Line::open(([127, 0, 0, 1], PORT).into())?;
    let mut device = Device { line: &line, user: "u0", cseq: 0 };
    let contact = format!("Contact: <sip:u0@127.0.0.1:{CALLEE}>;expires=7200\r\n");
    let answer = device.register("secret-u0", &contact)?;
    if answer.status() == Some(200) { Ok(()) } else { Err(format!("not registered: {}", answer.0)) }
}

/// Messages that loops have handed to others so far.
fn handed_over(state: &str) -> Result<f64, String> {
    let status = status(state)?;
    let loops = status["loops"].as_array().ok_or("no loops in the status")?;
    Ok(loops.iter().filter_map(|one| one["handed_over"].as_f64()).sum())
}

/// What a proxy must still do right after it was measured.
fn passes_on(state: &str) -> Result<(), String> {
    let found = status(state)?["registrations"].as_u64();
    if found != Some(1) {
        return Err(format!("{found:?} registrations, expected 1"));
    }
    let line = Line::open(([127, 0, 0, 1], PORT).into())?;
    for (n, (uri, hops, expected)) in
        [("sip:nobody@bench.invalid", 70, 404), ("sip:u0@bench.invalid", 0, 483), ("sip:u0@198.51.100.1", 70, 403)]
            .into_iter()
            .enumerate()
    {
        let local = line.local;
        line.send(&format!(
            "MESSAGE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKcheck{n}\r\nMax-Forwards: {hops}\r\nFrom: <sip:x@{local}>;tag=1\r\n\
             To: <{uri}>\r\nCall-ID: check{n}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
        ))?;
        let answer = line.receive()?;
        if answer.status() != Some(expected) {
            return Err(format!("{uri} was answered {:?}, expected {expected}", answer.status()));
        }
    }
    Ok(())
}

/// CPU microseconds a call, after a warm-up that does not count, and how many calls did not go as the scenario says.
fn a_call(running: &Server, calls: u32, arguments: &[&str]) -> Result<(f64, u32), String> {
    let (scenario, address, port) = (data("proxied_caller.xml"), format!("127.0.0.1:{PORT}"), CALLER.to_string());
    let sipp = |calls: u32| {
        let count = calls.to_string();
        let fixed = ["sipp", "-sf", &scenario, &address, "-i", "127.0.0.1", "-p", &port, "-m", &count];
        let big = ["-buff_size", "4000000", "-max_recv_loops", "1000", "-nostdin", "-timeout", "120s"];
        match load(&[&fixed[..], arguments, &big].concat()) {
            Ok(_) => Ok(0),
            Err(why) => crate::uas::failed(&why).filter(|failed| *failed <= calls / FORGIVEN).ok_or(why),
        }
    };
    sipp(WARM)?;
    std::thread::sleep(Duration::from_millis(500));
    let before = running.cpu_us()?;
    let failed = sipp(calls)?;
    Ok(((running.cpu_us()? - before) / f64::from(calls), failed))
}
