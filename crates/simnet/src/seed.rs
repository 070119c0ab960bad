//! One run, drawn from one number.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sip::invite::{Forks, Pracks, Reach, SessionTimer};
use sip::message::Method;
use sip::{Config, Trying};

use crate::book::{Book, Shared};
use crate::chance::Chance;
use crate::desk::Desk;
use crate::ladder::Ladder;
use crate::middle::Middle;
use crate::network::{BEGIN, Network};
use crate::phone::Phone;
use crate::plan::{Style, Target, Todo};
use crate::tally::{EXPIRED, PRACKED, RECOVERED, REFRESHED, REPLACED, REPORTED, Tally};
use crate::verdict;
use crate::weather::{Sky, Weather};

/// Everything is over by then, on the clock of the network.
const LONGEST: Duration = Duration::from_secs(3_600);

/// More turns than a run can need.
const MOST_TURNS: u64 = 50_000;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The number it was drawn from.
    pub seed: u64,
    /// How the network was.
    pub weather: Weather,
    /// What went wrong; nothing, if all is well.
    pub wrong: Vec<String>,
    /// What happened how often.
    pub tally: Tally,
    /// What was sent.
    pub ladder: Ladder,
}

impl Outcome {
    /// Panics when something went wrong, with all that is needed to see it again.
    ///
    /// # Panics
    /// See above.
    pub fn check(&self) {
        if self.wrong.is_empty() {
            return;
        }
        let again =
            format!("OFFHOOK_SEED={} cargo test -p offhook-simnet --test seeds one_seed -- --nocapture", self.seed);
        panic!(
            "{}seed {} ({:?}):\n  {}\nagain: {again}\n",
            self.ladder,
            self.seed,
            self.weather,
            self.wrong.join("\n  ")
        );
    }
}

/// Plays the run of a seed to its end.
pub fn run(seed: u64) -> Outcome {
    play(seed, false, true)
}

/// The same with a proxy that all calls by name go through.
pub fn run_proxied(seed: u64) -> Outcome {
    play(seed, true, true)
}

/// The same as [`run`], but nobody sets a wall clock.
pub fn run_by_true_clocks(seed: u64) -> Outcome {
    play(seed, false, false)
}

fn play(seed: u64, proxied: bool, set_clocks: bool) -> Outcome {
    let mut chance = Chance::new(seed);
    let mut weather = Weather::draw(&mut chance);
    // A generator beside the others: what they draw stays as it was.
    weather.clocks(&mut Chance::new(seed ^ 0x6013).split());
    if !set_clocks {
        weather.set_clocks.clear();
    }
    if proxied {
        // Who is behind an address translator is reached by the way he registered, and nobody registers here.
        weather.rebinding.clear();
        // A proxy doubles the way: an answer, and the ACK of a 2xx, still comes within T1, with two look-ups of 60 ms at most on each side of the proxy.
        weather.way = weather.way.min(Duration::from_millis(60));
    }
    let book: Shared = Rc::new(RefCell::new(Book::default()));
    let mut network = Network::new(weather.clone(), chance.split());
    // A generator beside the others: what they draw stays as it was.
    network.servers(Chance::new(seed ^ 0x3263).split());
    let apart = [Chance::new(seed ^ 0x6665), Chance::new(seed ^ 0x5626).split()];
    people(&mut network, &mut chance, apart, &weather, &book, proxied);
    if proxied {
        stand_between(&mut network, seed, &book);
    }
    while network.turns() < MOST_TURNS && network.step(LONGEST) {}
    let mut wrong = verdict::judge(&book.borrow(), &weather);
    if network.turns() >= MOST_TURNS {
        wrong.push(format!("no end after {MOST_TURNS} turns"));
    }
    wrong.extend(network.leaks());
    wrong.extend(network.disorder());
    network.referee.end();
    wrong.extend(network.referee.fouls.iter().cloned());
    let mut tally = std::mem::take(&mut network.tally);
    fates(&book.borrow(), &mut tally);
    Outcome { seed, weather, wrong, tally, ladder: std::mem::take(&mut network.ladder) }
}

/// A proxy comes to stand between the phones.
fn stand_between(network: &mut Network, seed: u64, book: &Shared) {
    let mut chance = Chance::new(seed ^ 0x3261);
    let names = ["alice", "bob", "carol"];
    let middle = Middle::new(chance.split(), &names, book.clone());
    let config = Config { role: sip::Role::Proxy, ..Config::default() };
    let node = network.add("proxy", config, Box::new(middle));
    network.lead(&names, node);
    network.referee.passer = Some("proxy".to_owned());
}

/// Phones and registrar, each with its plan. What concerns subscriptions and flows is drawn apart.
fn people(
    network: &mut Network,
    chance: &mut Chance,
    [mut whim, mut streak]: [Chance; 2],
    weather: &Weather,
    book: &Shared,
    proxied: bool,
) {
    let names = ["alice", "bob", "carol"];
    let hunt = chance.permille(200);
    let translated = !weather.rebinding.is_empty() || weather.mtu.is_none() && chance.permille(150);
    let translated = translated && !proxied;
    let quick = weather.sky == Sky::Clear;
    for (place, name) in names.into_iter().enumerate() {
        let mut style = Style::draw(chance, weather.way, quick);
        style.wakes = weather.sleep.filter(|(node, ..)| *node == place).map(|(.., until)| BEGIN + until);
        let style = if hunt { Style { impatient: 0, ..style } } else { style };
        let mut phone = Phone::new(name, style, chance.split(), book.clone());
        let mut plans = Vec::new();
        for _ in 0..if name == "alice" { 1 + chance.below(3) } else { chance.below(2) } {
            let at = chance.millis(0, 40_000);
            let target = target(chance, name, hunt, weather.sky);
            let todo = match chance.below(8) {
                0 => Todo::Options(target),
                1 => Todo::Message(target),
                _ => Todo::Call(target),
            };
            plans.push((at, phone.plan(todo)));
        }
        if chance.permille(300) {
            plans.push((chance.millis(0, 5_000), phone.plan(Todo::Register)));
        }
        phone.whims(whim.split());
        for _ in 0..whim.below(3) {
            let (at, target) = (whim.millis(0, 40_000), target(&mut whim, name, hunt, weather.sky));
            let todo = if whim.permille(600) { Todo::Subscribe(target) } else { Todo::Publish(target) };
            plans.push((at, phone.plan(todo)));
        }
        phone.streaks(streak.split());
        if streak.permille(300) {
            plans.push((streak.millis(0, 20_000), phone.plan(Todo::Flows)));
        }
        let mut config = config(chance, translated, weather.sky);
        if hunt {
            // Nobody stands between caller and group who would end the other fork when one asks for more (RFC 3261 section 16.7).
            config.session.timer.least = Duration::from_secs(1);
        }
        let behind = name == "alice" && translated;
        let deaf = !behind && weather.mtu.is_none() && chance.permille(200);
        if deaf {
            phone.sends_nothing_large();
        }
        let number = network.add(name, config, Box::new(phone));
        if behind {
            network.translate(number);
        } else if deaf {
            network.deaf_to_streams(number);
        }
        for (at, token) in plans {
            network
                .turn(number, |turn| turn.alarm(turn.now().mono + at, token))
                .expect("a node")
                .expect("room for alarms");
        }
    }
    network.group("hunt", &[1, 2]);
    let desk = Desk::new(chance.split(), book.clone());
    network.add("home", config(chance, false, weather.sky), Box::new(desk));
}

fn target(chance: &mut Chance, who: &str, hunt: bool, sky: Sky) -> Target {
    if hunt && who == "alice" && chance.permille(700) {
        return Target::Hunt;
    }
    match chance.below(20) {
        0 => Target::Nobody,
        1 => Target::Nowhere(chance.pick(&["missing", "broken", "slow"])),
        // A name that is never found is a fault of the network.
        2 if sky == Sky::Foul => Target::Nowhere("slow"),
        n => {
            let others: Vec<&str> = ["alice", "bob", "carol"].into_iter().filter(|other| *other != who).collect();
            Target::Phone(others[n as usize % others.len()].to_owned())
        }
    }
}

fn config(chance: &mut Chance, translated: bool, sky: Sky) -> Config {
    let allow = [
        Method::Prack,
        Method::Invite,
        Method::Ack,
        Method::Cancel,
        Method::Bye,
        Method::Options,
        Method::Info,
        Method::Message,
        Method::Update,
        Method::Refer,
        Method::Notify,
    ];
    let mut config = Config { allow: allow.to_vec(), supported: vec!["100rel".to_owned()], ..Config::default() };
    if chance.permille(300) {
        config.session.pracks = Pracks::ByApplication;
    }
    if chance.permille(300) {
        config.trying = Trying::After(Duration::from_millis(200));
    }
    if chance.permille(300) {
        config.session.forks = Forks::HandAll;
    }
    if translated {
        config.session.reach = Reach::Back;
        config.force_rport = true;
    }
    if chance.permille(700) {
        config.supported.push("timer".to_owned());
        config.session.timer = session_timer(chance, sky);
    }
    if chance.permille(300) {
        config.allow.retain(|method| *method != Method::Update);
    }
    config
}

/// Where everything arrives in the end, no session may end for want of a refresh: there the intervals leave time for that.
fn session_timer(chance: &mut Chance, sky: Sky) -> SessionTimer {
    let (intervals, least) = match sky {
        Sky::Foul => ([2, 5, 20, 60], [1, 90]),
        _ => ([200, 200, 400, 600], [90, 300]),
    };
    let interval = chance.pick(&intervals.map(|seconds| Some(Duration::from_secs(seconds))));
    SessionTimer {
        interval: interval.filter(|_| chance.permille(800)),
        least: Duration::from_secs(chance.pick(&least)),
        alone: chance.permille(300),
    }
}

/// Counts what the calls came to.
fn fates(book: &Book, tally: &mut Tally) {
    for side in book.sides.values() {
        let role = if side.called.is_some() { "caller" } else { "callee" };
        let what = match side.end {
            Some(end) => format!("{end:?}"),
            None => "nothing".to_owned(),
        };
        tally.fate(format!("{role}{}: {what}", if side.stood { " in a call" } else { "" }));
    }
    for (_, outcome) in book.asked.values() {
        tally.fate(format!("request: {}", if matches!(outcome, Some(Ok(_))) { "answered" } else { "failed" }));
    }
    let fates = [
        (book.pracked, PRACKED),
        (book.refreshed, REFRESHED),
        (book.expired, EXPIRED),
        (book.recovered, RECOVERED),
        (book.reported, REPORTED),
        (book.replaced, REPLACED),
    ];
    for (many, fate) in fates {
        (0..many).for_each(|_| tally.fate(fate));
    }
    for history in book.registered.values() {
        history.iter().for_each(|event| tally.fate(format!("registration: {}", event.split(' ').next().unwrap_or(""))));
    }
}
