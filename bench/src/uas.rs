//! A call answered: INVITE, 180, 200, ACK, BYE, 200; and ten thousand calls that stand. Ours is the shipped `offhook answer`, as it is and told to
//! send a 100 only where it answers late (RFC 3261 section 17.2.1), the peer SIPp's own `uas`, which knows no dialogs and sends none.

mod standing;

use crate::figure::{Bound, Check, Figure, Peer, Report, Row};
use crate::host::Host;
use crate::server::{Server, load, offhook, this_program};

const PORT: u16 = 15_760;
const RUNS: usize = 3;
/// One call of so many may fail: where the load is kept waiting it repeats an INVITE and then takes the repeated answer for a wrong one, and SIPp as a
/// server loses a call now and then when ACK and BYE come together.
const FORGIVEN: u32 = 500;

struct Load {
    name: &'static str,
    calls: u32,
    arguments: &'static [&'static str],
    bound: f64,
    /// What SIPp is known to take.
    expected: f64,
}

const LOADS: [Load; 2] = [
    Load {
        name: "closed loop, 32 calls at a time",
        calls: 30_000,
        arguments: &["-r", "20000", "-l", "32"],
        bound: 0.6,
        expected: 62.0,
    },
    Load { name: "1,000 calls a second", calls: 10_000, arguments: &["-r", "1000"], bound: 0.8, expected: 95.0 },
];

/// Measures all three in turn, three times, under both loads, and then the memory of standing calls.
pub(crate) fn run() -> Result<Report, String> {
    let (ours, here) = (offhook()?, this_program()?);
    let address = format!("127.0.0.1:{PORT}");
    let port = PORT.to_string();
    let big = ["-buff_size", "4000000", "-max_recv_loops", "1000", "-nostdin"];
    let sipp = [&["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", &port][..], &big].concat();
    let at_once: &[&str] = &[&ours, "answer", "--sip", &address];
    let late: &[&str] = &[&ours, "answer", "--sip", &address, "--trying-ms", "200"];
    let servers: [&[&str]; 4] = [at_once, late, &sipp, &[&here, "null-uas", &address]];
    let (mut rows, mut checks, mut host) = (Vec::new(), Vec::new(), Host::default());
    for Load { name, calls, arguments, bound, expected } in LOADS {
        let mut figures = [const { Vec::new() }; 4];
        let mut lost = [const { Vec::new() }; 4];
        let mut right = [Ok(()), Ok(())];
        for _ in 0..RUNS {
            for (which, (server, figures)) in servers.iter().zip(&mut figures).enumerate() {
                let ((us, failed), whole) = host.undisturbed(|| {
                    let running = Server::start(server, PORT)?;
                    let measured = a_call(&running, &address, calls, arguments);
                    let measured = measured.map_err(|why| format!("{}: {why}", server.join(" ")))?;
                    let is_ours = which < right.len();
                    Ok((measured, if is_ours { standing::a_whole_call(PORT, which == 0) } else { Ok(()) }))
                })?;
                figures.push(us);
                lost[which].push(f64::from(failed));
                if let Some(right) = right.get_mut(which) {
                    *right = std::mem::replace(right, Ok(())).and(whole);
                }
            }
        }
        let policies = ["100 at once", "100 only after 200 ms"];
        for (right, policy) in right.into_iter().zip(policies) {
            let what = "a call with OPTIONS within it, 481 for a wrong tag, BYE, 481 after it";
            checks.push(Check::of(format!("after {name}, {policy}: {what}, a 100 as the policy says"), right));
        }
        let [at_once, late, peer, null] = figures.map(Figure);
        let [at_once_lost, late_lost, peer_lost, null_lost] = lost.map(Figure);
        for ((ours, lost), policy) in [(at_once, at_once_lost), (late, late_lost)].into_iter().zip(policies) {
            rows.push(Row {
                load: format!("{name}, {policy}"),
                unit: "us CPU a call",
                ours,
                peer: Some(Peer { name: "SIPp uas", figure: peer.clone(), expected: Some(expected) }),
                null: Some(null.clone()),
                bound: Bound::OfPeer(bound),
            });
            rows.push(Row {
                load: format!("{name}, {policy}"),
                unit: "calls of each run that failed",
                ours: lost,
                peer: Some(Peer { name: "SIPp uas", figure: peer_lost.clone(), expected: None }),
                null: Some(null_lost.clone()),
                bound: Bound::Units(0.0),
            });
        }
    }
    let (standing, check) = standing::measured(at_once, &sipp, PORT)?;
    rows.extend(standing);
    checks.push(check);
    let notes = vec!["a 100 (Trying) is one message more; SIPp and the null server send none".to_owned(), host.note()];
    Ok(Report { name: "uas", rows, notes, checks })
}

/// CPU microseconds a call, after a warm-up that does not count, and how many calls did not go as the scenario says.
fn a_call(running: &Server, address: &str, calls: u32, arguments: &[&str]) -> Result<(f64, u32), String> {
    let sipp = |calls: u32| {
        let count = calls.to_string();
        let fixed = ["sipp", "-sn", "uac", address, "-i", "127.0.0.1", "-p", "15770", "-m", &count];
        // A call that is lost is not waited for as long as a real one: the server's idling would be counted to the others.
        let big = ["-buff_size", "4000000", "-max_recv_loops", "1000", "-nostdin", "-timeout", "120s"];
        let brief = ["-max_non_invite_retrans", "2"];
        match load(&[&fixed[..], arguments, &big, &brief].concat()) {
            Ok(_) => Ok(0),
            Err(why) => failed(&why).filter(|failed| *failed <= calls / FORGIVEN).ok_or(why),
        }
    };
    sipp(1_000)?;
    let before = running.cpu_us()?;
    let failed = sipp(calls)?;
    Ok(((running.cpu_us()? - before) / f64::from(calls), failed))
}

/// The number of failed calls in SIPp's last screen.
pub(crate) fn failed(screen: &str) -> Option<u32> {
    let line = screen.lines().rfind(|line| line.trim_start().starts_with("Failed call"))?;
    line.rsplit('|').next()?.trim().parse().ok()
}
