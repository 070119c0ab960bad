//! What stays resident of a million requests and a hundred thousand calls that have begun and ended in the shipped `offhook serve`, which is asked
//! (OPTIONS) and called (its echo, with digest), all at a pace. Before anything is compared the same load has come and gone for a while: what is
//! made once, and what the allocator needs for as much at a time, is there by then. Nothing is compared before the server says that it has no
//! transaction, dialog and call any more. It is read after each tenth: what is kept of each request grows from tenth to tenth, and what is merely as large as
//! it once had to be does not.

mod load;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::figure::{Bound, Check, Figure, Report, Row, number};
use crate::server::{Server, offhook, settings, status, with_folder};
use load::{Load, PACE, REQUESTS, USERS};

const PORT: u16 = 15_820;
/// Calls, with [`REQUESTS`] times as many requests.
const CALLS: usize = 100_000;
/// After each of so many parts of them it is read what is resident.
const TENTHS: usize = 10;
/// The same before, several times: calls of twice the time for which a transaction is kept, so that as many are kept at a time as ever.
const BEFORE: usize = 8_000;
const ROUNDS: usize = 4;
/// Calls before all that, one for each nonce whose count is remembered ([`sip::digest::ServerConfig::window`]): that table, of 24 octets for each, has all its room
/// from then on.
const NONCES: usize = 131_072;
/// T1 in milliseconds: transactions are kept for 64 of it (timers J and L, RFC 3261 section 17.2), in place of 32 s.
const T1: u64 = 100;
/// Octets that may be more after than before. The allocator gives pages back some time after they are empty, and one live piece keeps its page: the
/// same load moves it by some hundred kilobytes from round to round, which is in the report. Of a transaction more than a kilobyte is kept,
/// of a call several: the bound is passed by one in a thousand transactions that stays, or by a hundredth of the calls, which the control leaves standing.
const BOUND: f64 = 1_048_576.0;
/// Calls of the control.
const STANDING: usize = CALLS / 100;
/// How long transactions may take to be over.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the server has to give back what it does not need: a second for the tables, another for the allocator.
const SETTLED: Duration = Duration::from_secs(4);

/// Reads before, after, and with calls left standing.
pub(crate) fn run() -> Result<Report, String> {
    with_folder("memory", measured_in)
}

fn measured_in(place: &Path) -> Result<Report, String> {
    let text = |name: &str| place.join(name).to_string_lossy().into_owned();
    let (config, state) = (text("offhook.toml"), text("state"));
    let more = format!("sip.t1_ms = {T1}\nlimits.calls_per_user = {STANDING}\n");
    fs::write(&config, settings(PORT, &state, USERS, &more)).map_err(|error| format!("{config}: {error}"))?;
    let server = Server::start(&[&offhook()?, "serve", "--config", &config, "--state", &state], PORT)?;
    let mut load = Load::new(PORT)?;
    let started = over(&server, &state)?;
    load.call(NONCES)?;
    // Calls that stand at a time are limited, and what tables of them have had to hold they may go on to have room for.
    load.stand(STANDING)?;
    load.hang_up()?;
    over(&server, &state)?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        load.come_and_go(BEFORE)?;
        rounds.push(over(&server, &state)?);
    }
    let before = *rounds.last().ok_or("no rounds")?;
    let (mut busy, mut kept, mut tenths) = (0.0, Live::default(), Vec::new());
    for _ in 0..TENTHS {
        load.come_and_go(CALLS / TENTHS)?;
        (busy, kept) = (server.resident()?, Live::now(&state)?);
        tenths.push(over(&server, &state)?);
    }
    let (first, after) = (*tenths.first().ok_or("no tenths")?, *tenths.last().ok_or("no tenths")?);
    load.stand(STANDING)?;
    let standing = without_requests(&server, &state)?;
    let stand = Live::now(&state)?;
    load.hang_up()?;
    let ended = over(&server, &state)?;
    let counted = all_counted(&state);

    // The first round makes what is made once.
    let between = rounds.windows(2).skip(1).filter_map(|two| Some(two.last()? - two.first()?)).collect();
    let row = |load: &str, unit, ours: f64, null, bound| Row {
        load: load.to_owned(),
        unit,
        ours: Figure(vec![ours]),
        peer: None,
        null,
        bound,
    };
    let unit = "octets more resident";
    let rows = vec![
        row(
            &format!("{} requests and {CALLS} calls; null: from round to round before", CALLS * REQUESTS),
            unit,
            after - before,
            Some(Figure(between)),
            Bound::Units(BOUND),
        ),
        row("the last nine tenths of them: what is kept of each", unit, after - first, None, Bound::None),
        row("all of it, against a server that has just started", unit, ended - started, None, Bound::None),
        row(
            &format!("the control: {STANDING} calls left standing, their requests over"),
            "octets more resident, a call",
            (standing - after) / STANDING as f64,
            None,
            Bound::None,
        ),
    ];
    let notes = vec![
        format!(
            "{} requests and {} calls a second at most, T1 of {T1} ms: each transaction is kept for {} s; as the load ended {} were, {} MB resident; {} MB before, \
             {} MB after",
            number(PACE * REQUESTS as f64 / (REQUESTS + 1) as f64),
            number(PACE / (REQUESTS + 1) as f64),
            number(T1 as f64 * 64.0 / 1_000.0),
            kept.transactions,
            megabytes(busy),
            megabytes(before),
            megabytes(after),
        ),
        format!(
            "MB after each tenth: {}",
            tenths.iter().map(|octets| megabytes(*octets)).collect::<Vec<_>>().join(" ")
        ),
        format!(
            "{NONCES} calls alone, {STANDING} that stood at a time and {ROUNDS} rounds of {BEFORE} calls came before; whatever is not answered 200 ends the measurement"
        ),
    ];
    let seen = |so: bool, why: String| if so { Ok(()) } else { Err(why) };
    let checks = vec![
        Check::of("the server has counted all calls, and shed nothing", counted),
        Check::of(
            "transactions that are not over are noticed, by the server's count and by what is resident",
            seen(kept.transactions > 0 && busy > before + BOUND, format!("{kept:?}, {busy} octets after {before}")),
        ),
        Check::of(
            format!("{STANDING} calls left standing are noticed by both as well"),
            seen(
                (stand.dialogs, stand.calls) == (STANDING as u64, STANDING as u64) && standing > after + BOUND,
                format!("{stand:?}, {standing} octets after {after}"),
            ),
        ),
        Check::of(
            "and once they have ended, what they took is there again",
            seen(ended <= after + BOUND, format!("{ended} octets after {after}")),
        ),
    ];
    Ok(Report { name: "memory", rows, notes, checks })
}

fn all_counted(state: &str) -> Result<(), String> {
    let status = status(state)?;
    let shed = status["loops"].as_array().ok_or("no loops in the status")?.iter().map(|one| one["shed"].as_u64());
    let found = (status["calls_total"].as_u64(), shed.sum::<Option<u64>>());
    let wanted = (Some((NONCES + ROUNDS * BEFORE + CALLS + 2 * STANDING) as u64), Some(0));
    if found == wanted { Ok(()) } else { Err(format!("{found:?}, expected {wanted:?}")) }
}

fn megabytes(octets: f64) -> String {
    number(octets / 1e6)
}

/// What the server says that there is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Live {
    transactions: u64,
    kept_octets: u64,
    dialogs: u64,
    calls: u64,
}

impl Live {
    fn now(state: &str) -> Result<Self, String> {
        let status = status(state)?;
        let loops = status["loops"].as_array().ok_or("no loops in the status")?;
        let sum = |name: &str| -> Result<u64, String> {
            loops.iter().map(|one| one[name].as_u64().ok_or_else(|| format!("no {name} in {one}"))).sum()
        };
        let (transactions, kept_octets) = (sum("transactions")?, sum("kept_octets")?);
        Ok(Self { transactions, kept_octets, dialogs: sum("dialogs")?, calls: sum("calls")? })
    }
}

/// What is resident once nothing lives.
fn over(server: &Server, state: &str) -> Result<f64, String> {
    resident(server, state, |live| live == Live::default())
}

/// What is resident once no transaction lives.
fn without_requests(server: &Server, state: &str) -> Result<f64, String> {
    resident(server, state, |live| (live.transactions, live.kept_octets) == (0, 0))
}

fn resident(server: &Server, state: &str, so: impl Fn(Live) -> bool) -> Result<f64, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let live = Live::now(state)?;
        if so(live) {
            std::thread::sleep(SETTLED);
            return server.resident();
        }
        if Instant::now() > end {
            return Err(format!("not over after {PATIENCE:?}: {live:?}"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
