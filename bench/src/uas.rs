//! A call answered: INVITE, 180, 200, ACK, BYE, 200. Ours is the shipped `offhook answer`, the peer SIPp's own `uas`.

use crate::figure::{Bound, Figure, Report, Row};
use crate::server::{Server, load, offhook};

const PORT: u16 = 15_760;
const RUNS: usize = 3;

struct Load {
    name: &'static str,
    calls: u32,
    arguments: &'static [&'static str],
    bound: f64,
}

const LOADS: [Load; 2] = [
    Load {
        name: "closed loop, 32 calls at a time",
        calls: 30_000,
        arguments: &["-r", "20000", "-l", "32"],
        bound: 0.6,
    },
    Load { name: "1,000 calls a second", calls: 10_000, arguments: &["-r", "1000"], bound: 0.8 },
];

/// Measures all three in turn, three times, under both loads.
pub(crate) fn run() -> Result<Report, String> {
    let ours = offhook()?;
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let here = here.to_string_lossy().into_owned();
    let address = format!("127.0.0.1:{PORT}");
    let port = PORT.to_string();
    let big = ["-buff_size", "4000000", "-max_recv_loops", "1000", "-nostdin"];
    let sipp = [&["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", &port][..], &big].concat();
    let servers: [&[&str]; 3] = [&[&ours, "answer", "--sip", &address], &sipp, &[&here, "null-uas", &address]];
    let mut rows = Vec::new();
    for Load { name, calls, arguments, bound } in LOADS {
        let mut figures = [const { Vec::new() }; 3];
        for _ in 0..RUNS {
            for (server, figures) in servers.iter().zip(&mut figures) {
                figures.push(a_call(server, &address, calls, arguments)?);
            }
        }
        let [ours, peer, null] = figures.map(Figure);
        rows.push(Row {
            load: name.into(),
            unit: "us CPU a call",
            ours,
            peer: Some(("SIPp uas", peer)),
            null: Some(null),
            bound: Bound::OfPeer(bound),
        });
    }
    Ok(Report { name: "uas", rows })
}

/// CPU microseconds a call, after a warm-up that does not count. Every call must go as the scenario says.
fn a_call(server: &[&str], address: &str, calls: u32, arguments: &[&str]) -> Result<f64, String> {
    let running = Server::start(server, PORT)?;
    let sipp = |calls: u32| {
        let calls = calls.to_string();
        let fixed = ["sipp", "-sn", "uac", address, "-i", "127.0.0.1", "-p", "15770", "-m", &calls];
        let big = ["-buff_size", "4000000", "-max_recv_loops", "1000", "-nostdin", "-timeout", "120s"];
        load(&[&fixed[..], arguments, &big].concat())
    };
    sipp(1_000)?;
    let before = running.cpu_us()?;
    sipp(calls)?;
    Ok((running.cpu_us()? - before) / f64::from(calls))
}
